/* The evaluation of whole networks that are given as positions in the tables. */

#ifndef BATCH_H
#define BATCH_H

#include "evaluator.h"
#include "memory.h"

/* What is known of a network: counts of each budget, `sum log w` and layers of each prefix; and room for its parts. */
typedef struct {
    double objective, *counts, *logs, *layers, *work, *blocks;
    const double **parts;
    bool chained; /* whether its channels may follow one another, single operations keep their limits, ties hold, and blocks stand in order */
} Network;

static Network network_for(const Arrays *a, Store *s) {
    i64 m = a->super_blocks;
    return (Network){.counts = take_doubles(s, a->budgets), .logs = take_doubles(s, a->stages), .layers = take_doubles(s, a->stages),
                     .work = take_doubles(s, (m + 1) * size_of_part(a)), .blocks = take_doubles(s, m),
                     .parts = take(s, (size_t)(m + 1) * sizeof(double *))};
}

static void evaluate_network(const Arrays *a, i64 stem, const i64 *columns, const i64 *depths, Network *of) {
    i64 m = a->super_blocks, size = size_of_part(a);
    bool linked = true;
    write_stem(a, stem, of->work);
    of->parts[0] = of->work;
    for (i64 i = 0; i < m; i++) {
        double *part = of->work + (i + 1) * size;
        linked &= write_super_block(a, i, columns[i], depths[i], of->parts[i], part);
        of->blocks[i] = part[PART_BLOCKS];
        of->parts[i + 1] = part;
    }
    double value = entropies(a, of->parts, of->logs, of->layers);
    of->objective = value - penalty(a, of->blocks) - effectiveness_cost(a, of->logs, of->layers);
    of->chained = linked && keeps_ties(a, columns, depths) && keeps_order(a, columns);
    add_counts(a, of->parts, of->counts);
}

/* Evaluates n networks, whose columns and depths are super_blocks x n: objectives, counts (budgets x n), `sum log w` and layers of
 * each prefix (stages x n), and `chained`. Whether there was memory for it.
 */
EXPORT bool evaluate_networks(const Arrays *a, i64 n, const i64 *stem, const i64 *columns, const i64 *depths, double *objective,
                              i64 *counts, double *logs, i64 *layers, uint8_t *chained) {
    Store store = {0}, *s = &store;
    i64 m = a->super_blocks, *column = take_ints(s, m), *depth = take_ints(s, m);
    Network network = network_for(a, s);
    bool ready = !s->failed;
    for (i64 k = 0; ready && k < n; k++) {
        for (i64 i = 0; i < m; i++)
            column[i] = columns[i * n + k], depth[i] = depths[i * n + k];
        evaluate_network(a, stem[k], column, depth, &network);
        objective[k] = network.objective, chained[k] = network.chained;
        for (i64 b = 0; b < a->budgets; b++)
            counts[b * n + k] = (i64)network.counts[b];
        for (i64 j = 0; j < a->stages; j++)
            logs[j * n + k] = network.logs[j], layers[j * n + k] = (i64)network.layers[j];
    }
    give_back(s);
    return ready;
}

#endif
