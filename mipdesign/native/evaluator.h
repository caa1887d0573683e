/* The evaluator of networks that are given as positions in the tables. */

#ifndef EVALUATOR_H
#define EVALUATOR_H

#include "counts.h"

#define LARGE_EXPONENT 709.0 /* that of mipdesign.networks.objective */

/* Whether the super-blocks of one network have in common what they have to. */
static bool keeps_ties(const Arrays *a, const i64 *columns, const i64 *depths) {
    for (i64 q = 0; q < a->n_ties; q++) {
        i64 part = a->ties[3 * q], i = a->ties[3 * q + 1], j = a->ties[3 * q + 2];
        if (part == DEPTH ? depths[i] != depths[j]
                          : row_of(a, a->offsets[i] + columns[i])[part] != row_of(a, a->offsets[j] + columns[j])[part])
            return false;
    }
    return true;
}

/* The effectiveness at its price, from `sum log w` and layers of each prefix. */
static double effectiveness_cost(const Arrays *a, const double *logs, const double *layers) {
    if (a->rho_price == 0)
        return 0.0;
    double rho = 0.0;
    for (i64 k = 0; k < a->n_rho_stages; k++) {
        i64 j = a->rho_stages[k];
        rho = most_of(rho, layers[j] * exp(-logs[j] / layers[j]));
    }
    return a->rho_price * rho;
}

/* `beta Q` of one network, infinite beyond the doubles. */
static double penalty(const Arrays *a, const i64 *depths) {
    i64 n = a->n_penalised;
    if (n == 0)
        return 0.0;
    double mean = 0.0, variance = 0.0;
    for (i64 k = 0; k < n; k++)
        mean += (double)depths[a->penalised[k]] / (double)n;
    for (i64 k = 0; k < n; k++) {
        double off = (double)depths[a->penalised[k]] - mean;
        variance += off * off / (double)n;
    }
    double exponent = a->squared ? variance : sqrt(variance);
    return exponent < LARGE_EXPONENT ? a->beta * exp(exponent) : exp(exponent + log(a->beta));
}

/* Objective of one network; whether its channels may follow one another goes to `linked`, its counts and `sum log w` and layers of
 * each prefix to the last three arrays.
 */
static double evaluate_one(const Arrays *a, i64 stem, const i64 *columns, const i64 *depths, bool *linked, double *counts,
                           double *logs, double *layers) {
    i64 m = a->super_blocks, nb = a->budgets, stages = a->stages, j = 0, place = stem;
    double c = (double)a->stem_c[stem], log_c = log(c), log_sum = a->stem_log, n_layers = 1.0, value = 0.0;
    bool seen = false;
    *linked = true;
    for (i64 b = 0; b < nb; b++)
        counts[b] = a->stem_counts[b * a->n_stems + stem];
    if (a->ends[0] < 0) {
        logs[0] = log_sum, layers[0] = n_layers;
        value += a->weights[0] * (a->log_areas[0] + log_c) * log_sum;
        j = 1;
    }
    for (i64 i = 0; i < m; i++) {
        const double *row = row_of(a, a->offsets[i] + columns[i]);
        i64 depth = depths[i];
        double ci = c, log_ci = log_c;
        c = row[CHANNELS], log_c = row[LOG_CHANNELS];
        const i64 *window = a->entering + 2 * (a->entering_at[i] + (i64)row[PLACE]);
        *linked &= may_enter(row, ci) && may_have_depth(row, depth) && (double)window[0] <= ci && ci <= (double)window[1];
        for (i64 b = 0; b < nb; b++)
            counts[b] += super_block_count(row, nb, b, ci, depth);
        if (a->paired >= 0)
            counts[a->paired] += pair_count(a, row, place);
        place = (i64)row[PLACE];
        seen |= a->forgets && row[HAS_SE] > 0;
        log_sum += log_widths(row, log_ci, depth);
        n_layers += row[LAYERS] * (double)depth;
        double end_log = log_c;
        if (i == m - 1 && a->head_log >= 0) {
            log_sum += log_c;
            n_layers += 1.0;
            end_log = a->head_log;
        }
        if (a->ends[j] == i) {
            logs[j] = log_sum, layers[j] = n_layers;
            value += a->weights[j] * ((seen ? 0.0 : a->log_areas[j]) + end_log) * log_sum;
            j = least_int(j + 1, stages - 1);
        }
    }
    for (i64 b = 0; b < nb; b++)
        counts[b] += tail_count(a, b, c);
    *linked &= keeps_ties(a, columns, depths);
    return value - penalty(a, depths) - effectiveness_cost(a, logs, layers);
}

#endif
