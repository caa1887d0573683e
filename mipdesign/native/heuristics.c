/* Networks: their evaluation, and the search for good ones. */

#include "heuristics.h"

/* The size of what Python lays out by its own list of fields. */
EXPORT i64 size_of_moves(void) { return (i64)sizeof(Moves); }

/* Evaluates n networks: objectives, counts (budgets x n), `sum log w` and layers of each prefix (stages x n), and whether the
 * channels may follow one another, single operations keep their limits, ties hold, and blocks stand in order. Columns and depths are
 * super_blocks x n.
 */
EXPORT bool evaluate_networks(const Arrays *a, i64 n, const i64 *stem, const i64 *columns, const i64 *depths, double *objective,
                              i64 *counts, double *logs, i64 *layers, uint8_t *chained) {
    i64 m = a->super_blocks, nb = a->budgets, stages = a->stages, size = size_of_part(a);
    double *work = malloc(sizeof(double) * (size_t)((m + 1) * size + nb + 2 * stages + m));
    const double **parts = malloc(sizeof(double *) * (size_t)(m + 1));
    i64 *position = malloc(sizeof(i64) * (size_t)(2 * m));
    bool ready = work && parts && position;
    for (i64 k = 0; ready && k < n; k++) {
        double *total = work + (m + 1) * size, *sums = total + nb, *numbers = sums + stages;
        double *blocks = numbers + stages;
        i64 *column = position, *depth = position + m;
        bool linked = true;
        write_stem(a, stem[k], work);
        parts[0] = work;
        for (i64 i = 0; i < m; i++) {
            double *part = work + (i + 1) * size;
            column[i] = columns[i * n + k], depth[i] = depths[i * n + k];
            linked &= write_super_block(a, i, column[i], depth[i], parts[i], part);
            blocks[i] = part[PART_BLOCKS];
            parts[i + 1] = part;
        }
        double value = entropies(a, parts, sums, numbers);
        objective[k] = value - penalty(a, blocks) - effectiveness_cost(a, sums, numbers);
        chained[k] = linked && keeps_ties(a, column, depth) && keeps_order(a, column);
        add_counts(a, parts, total);
        for (i64 b = 0; b < nb; b++)
            counts[b * n + k] = (i64)total[b];
        for (i64 j = 0; j < stages; j++)
            logs[j * n + k] = sums[j], layers[j * n + k] = (i64)numbers[j];
    }
    free(work), free(parts), free(position);
    return ready;
}
