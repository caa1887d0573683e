/* The evaluator of networks that are given as positions in the tables.
 *
 * Counts, `sum log w` and layers of a network are sums over its parts: the stem and its super-blocks. A part depends on a
 * super-block and on the channels that enter it, so that a change of a few super-blocks leaves most parts as they are.
 */

#ifndef EVALUATOR_H
#define EVALUATOR_H

#include "counts.h"

#define LARGE_EXPONENT 709.0 /* that of mipdesign.networks.objective */

/* Places in a part: channels at its end, their logarithm and their place, the most bits for the next, `sum log w`, what layer terms have beside it,
 * what it is worth by a table, layers, blocks, and whether it has SE blocks; then its counts. The head and the classifier belong to the last super-block.
 */
enum {
    PART_C, PART_LOG_C, PART_PLACE, PART_NEXT, PART_LOG, PART_EXTRA, PART_VALUE, PART_LAYERS, PART_BLOCKS, PART_HAS_SE, PART_COUNTS
};

static inline i64 size_of_part(const Arrays *a) { return PART_COUNTS + a->budgets; }

/* Whether the super-blocks of one network have in common what they have to. */
static inline bool keeps_ties(const Arrays *a, const i64 *columns, const i64 *depths) {
    for (i64 q = 0; q < a->n_ties; q++) {
        i64 part = a->ties[3 * q], i = a->ties[3 * q + 1], j = a->ties[3 * q + 2];
        if (part == DEPTH ? depths[i] != depths[j]
                          : part_of(a, part, a->offsets[i] + columns[i]) != part_of(a, part, a->offsets[j] + columns[j]))
            return false;
    }
    return true;
}

/* Whether elements stand in order: blocks that may be exchanged, in one of the ways only. */
static inline bool keeps_order(const Arrays *a, const i64 *columns) {
    for (i64 i = 1; i < a->super_blocks; i++)
        if (a->ordered[i] && a->ranks[a->offsets[i - 1] + columns[i - 1]] > a->ranks[a->offsets[i] + columns[i]])
            return false;
    return true;
}

/* The effectiveness at its price, from `sum log w` and layers of each prefix. */
static inline double effectiveness_cost(const Arrays *a, const double *logs, const double *layers) {
    if (a->rho_price == 0)
        return 0.0;
    double rho = 0.0;
    for (i64 k = 0; k < a->n_rho_stages; k++) {
        i64 j = a->rho_stages[k];
        rho = most_of(rho, layers[j] * exp(-logs[j] / layers[j]));
    }
    return a->rho_price * rho;
}

/* `beta Q` of a network by the blocks of its elements, infinite beyond the doubles. */
static inline double penalty(const Arrays *a, const double *blocks) {
    double n = (double)a->n_penalised, mean = 0.0, variance = 0.0;
    if (n == 0)
        return 0.0;
    for (i64 k = 0; k < a->n_penalised; k++)
        mean += depth_of(a, blocks, k) / n;
    for (i64 k = 0; k < a->n_penalised; k++) {
        double off = depth_of(a, blocks, k) - mean;
        variance += off * off / n;
    }
    double exponent = a->squared ? variance : sqrt(variance);
    return exponent < LARGE_EXPONENT ? a->beta * exp(exponent) : exp(exponent + log(a->beta));
}

/* ------------------------------------------------------------ parts */

static inline void write_stem(const Arrays *a, i64 stem, double *part) {
    part[PART_C] = (double)a->stem_c[stem], part[PART_LOG_C] = log(part[PART_C]), part[PART_PLACE] = (double)stem;
    part[PART_NEXT] = (double)a->stem_next[stem], part[PART_LOG] = a->stem_log, part[PART_EXTRA] = a->stem_extra;
    part[PART_VALUE] = 0.0, part[PART_LAYERS] = 1.0, part[PART_BLOCKS] = 0.0, part[PART_HAS_SE] = 0.0;
    for (i64 b = 0; b < a->budgets; b++)
        part[PART_COUNTS + b] = a->stem_counts[b * a->n_stems + stem];
}

/* Part of super-block i behind the part before it; whether it may follow that. */
static inline bool write_super_block(const Arrays *a, i64 i, i64 column, i64 depth, const double *before, double *part) {
    i64 at = a->offsets[i] + column;
    const Row *row = row_of(a, at);
    double ci = before[PART_C];
    i64 nb = a->budgets, place = row->place;
    const i64 *window = a->entering + 2 * (a->entering_at[i] + place);
    bool linked = may_enter(row, ci) && may_have_depth(row, depth) && (double)window[0] <= ci && ci <= (double)window[1] &&
                  (!a->continues[i] || before[PART_PLACE] == (double)place);
    part[PART_C] = row->channels, part[PART_LOG_C] = a->channel_logs[a->entering_at[i] + place], part[PART_PLACE] = row->place;
    part[PART_LOG] = log_widths(row, part[PART_LOG_C], before[PART_LOG_C], depth);
    part[PART_EXTRA] = extra_of(a, at) * (double)depth, part[PART_NEXT] = before[PART_NEXT];
    part[PART_LAYERS] = (double)row->layers * (double)depth, part[PART_BLOCKS] = presence_of(a, at) * (double)depth;
    part[PART_HAS_SE] = row->has_se, part[PART_VALUE] = value_of(a, i, at, depth);
    if (part[PART_VALUE] == -INFINITY)
        part[PART_VALUE] = 0.0, linked = false; /* an objective that is no number would spoil others */
    if (a->tail_bits && presence_of(a, at) > 0) {
        linked &= (double)a->reading[at] <= before[PART_NEXT];
        part[PART_NEXT] = (double)a->reading[a->n_rows + at];
    }
    for (i64 b = 0; b < nb; b++)
        part[PART_COUNTS + b] = super_block_count(row, b, ci, depth);
    add_pair_counts(a, at, (i64)before[PART_PLACE], part + PART_COUNTS);
    if (i < a->super_blocks - 1)
        return linked;
    if (a->head_log >= 0)
        part[PART_LOG] += part[PART_LOG_C], part[PART_EXTRA] += a->head_extra, part[PART_LAYERS] += 1.0;
    for (i64 b = 0; b < nb; b++)
        part[PART_COUNTS + b] += tail_count(a, b, part[PART_C]);
    return linked && (!a->tail_bits || (double)a->tail_bits <= part[PART_NEXT]);
}

/* ------------------------------------------------------------ networks, as parts */

/* The weighted entropies and the values of the table together; `sum log w` and layers of each prefix go to the last two arrays. */
static inline double entropies(const Arrays *a, const double *const *parts, double *logs, double *layers) {
    double log_sum = 0.0, extra = 0.0, n_layers = 0.0, value = 0.0;
    bool seen = false;
    for (i64 i = 0, j = 0; i <= a->super_blocks; i++) {
        const double *part = parts[i];
        value += part[PART_VALUE], log_sum += part[PART_LOG], extra += part[PART_EXTRA], n_layers += part[PART_LAYERS];
        seen |= a->forgets && part[PART_HAS_SE] > 0;
        if (a->ends[j] != i - 1)
            continue;
        double end_log = i == a->super_blocks && a->head_log >= 0 ? a->head_log : part[PART_LOG_C];
        logs[j] = log_sum, layers[j] = n_layers;
        double x = (seen ? 0.0 : a->log_areas[j]) + a->channels_exponent * end_log;
        value += a->weights[j] * (a->additive ? 1.0 : x) * (log_sum + extra) + a->end_weights[j] * x;
        j = least_int(j + 1, a->stages - 1);
    }
    return value;
}

static inline void add_counts(const Arrays *a, const double *const *parts, double *counts) {
    for (i64 b = 0; b < a->budgets; b++)
        counts[b] = parts[0][PART_COUNTS + b];
    for (i64 i = 1; i <= a->super_blocks; i++)
        for (i64 b = 0; b < a->budgets; b++)
            counts[b] += parts[i][PART_COUNTS + b];
}

#endif
