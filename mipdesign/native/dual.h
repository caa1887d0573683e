/* The dual function of a cell; mipdesign.bounds.relaxation says what it bounds and why. */

#ifndef DUAL_H
#define DUAL_H

#include "evaluator.h"
#include "longest_path.h"

#define ERROR 1e-11 /* relative rounding allowance of a bound: about a hundred times the error of its few hundred additions */

/* A network that attained a bound, as a row of numbers: mipdesign.bounds.paths.Paths says which. */
typedef struct {
    i64 columns, depths, counts, logs, layers, ends, extra, objective, width; /* `extra` where the score has it */
} PathRow;

static PathRow path_row(const Arrays *a) {
    i64 m = a->super_blocks, logs = 1 + 2 * m + a->budgets, stages = a->stages;
    i64 last = logs + (a->has_extra ? 4 : 3) * stages;
    return (PathRow){1, 1 + m, 1 + 2 * m, logs, logs + stages, logs + 2 * stages, logs + 3 * stages, last, last + 1};
}

/* S_j of a network that is given as a row. */
static inline double layer_terms(const Arrays *a, const double *row, const PathRow *at, i64 j) {
    return row[at->logs + j] + (a->has_extra ? row[at->extra + j] : 0.0);
}

/* What the parts of a network are worth at given multipliers; `constant` is beside them, `error` the rounding allowance. */
static void find_weights(const Chain *c, const Ranges *r, const double *multipliers, double weight, Weights *w, double *constant,
                         double *error) {
    const Arrays *a = c->arrays;
    i64 stages = a->stages, m = a->super_blocks, nb = a->budgets, nr = a->n_rho_stages, n = a->n_penalised;
    const double *gradient = gradient_of(a, multipliers);
    double shift = 0.0, spent = 0.0, cost, mean = 0.0, tail_fixed = 0.0;
    double conj = conjugate(a, r->flat, r->spread, gradient, &cost, NULL);
    double scale = 0.0;
    for (i64 j = 0; j < stages; j++) {
        shift += r->floor[j] * r->x_high[j];
        scale += a->weights[j] * factor_high(a, r, j) * fabs(r->s_high[j]) + a->end_weights[j] * fabs(r->x_high[j]);
    }
    scale = weight * (fabs(conj) + fabs(shift) + scale + a->most_value);
    w->per_channel = 0.0, w->value = weight;
    for (i64 b = 0; b < nb; b++) {
        w->budget[b] = multipliers[b];
        spent += multipliers[b] * a->limits[b];
        scale += multipliers[b] * fabs(a->limits[b]);
        tail_fixed += multipliers[b] * a->tail_fixed[b];
        w->per_channel -= multipliers[b] * a->tail_slope[b];
    }
    double beside = weight * (conj - shift) + spent;
    for (i64 i = 0; i < m; i++)
        w->log[i] = w->extra[i] = w->block[i] = w->layer[i] = w->end[i] = w->constant[i] = 0.0;
    for (i64 k = 0; k < n; k++)
        mean += gradient[k];
    mean /= n ? (double)n : 1.0;
    for (i64 k = 0; k < n; k++) {
        for (i64 i = a->penalised[2 * k]; i < a->penalised[2 * k + 1]; i++) {
            w->block[i] = -weight * (gradient[k] - mean);
            scale += fabs(w->block[i]) * (double)c->high[i];
        }
    }
    double best_gain, rho = dearest_rho(a, r, multipliers, weight * a->rho_price, &best_gain);
    if (nr) {
        beside += best_gain;
        scale += weight * a->rho_price * r->rho_high;
    }
    double last_rate = 0.0, last_layer = 0.0, last_score = 0.0;
    for (i64 j = 0; j < stages; j++) {
        double of_score = weight * a->weights[j] * factor_high(a, r, j), per_log = of_score, per_layer = 0.0;
        for (i64 k = 0; k < nr; k++) {
            if (a->rho_stages[k] != j)
                continue;
            double mu = mu_of(a, multipliers, k), pi = pi_of(a, multipliers, k);
            double need = least_log_widths(dearest_layers(a, r, multipliers, k, rho), rho);
            per_log += mu;
            per_layer += pi;
            scale += (fabs(pi) + mu) * r->n_high[j] + mu * (fabs(need) + r->w_high[j]);
        }
        for (i64 i = 0; i < m; i++) {
            w->log[i] += a->prefix[j * m + i] * per_log;
            w->extra[i] += a->prefix[j * m + i] * of_score;
            w->layer[i] -= a->prefix[j * m + i] * per_layer;
        }
        beside += per_log * a->stem_log - per_layer + of_score * a->stem_extra;
        last_rate = per_log, last_layer = per_layer, last_score = of_score;
    }
    for (i64 k = 0; k < c->n_stems; k++) {
        w->stem[k] = 0.0;
        for (i64 b = 0; b < nb; b++)
            w->stem[k] -= multipliers[b] * a->stem_counts[b * a->n_stems + c->stems[k]];
    }
    for (i64 j = 0; j < stages; j++) {
        i64 i = a->ends[j];
        double rate = weight * (r->floor[j] + a->end_weights[j]);
        if (j == stages - 1 && a->head_log >= 0) {
            beside += rate * r->x_high[j]; /* x is a constant: its product is exact */
        } else if (i < 0) {
            for (i64 k = 0; k < c->n_stems; k++)
                w->stem[k] += rate * end_worth(a, r->areas[j], c->stem_logs[k]);
        } else {
            w->end[i] = rate * a->channels_exponent;
            w->constant[i] = rate * r->areas[j];
        }
    }
    if (a->head_log >= 0) {
        w->end[m - 1] += last_rate;
        beside += last_score * a->head_extra - last_layer;
    }
    w->constant[m - 1] -= tail_fixed;
    *constant = beside;
    *error = ERROR * scale;
}

/* Blocks of each element of a path, by its row. */
static void count_blocks(const Arrays *a, const double *row, double *blocks) {
    PathRow at = path_row(a);
    for (i64 i = 0; i < a->super_blocks; i++)
        blocks[i] = row[at.depths + i] * presence_of(a, a->offsets[i] + (i64)row[at.columns + i]);
}

/* What a network is worth by the table, by its row. */
static double table_worth(const Arrays *a, const double *row) {
    PathRow at = path_row(a);
    double worth = 0.0;
    for (i64 i = 0; a->has_values && i < a->super_blocks; i++)
        worth += value_of(a, i, a->offsets[i] + (i64)row[at.columns + i], (i64)row[at.depths + i]);
    return worth;
}

/* The figures of a path, as a row. */
static void describe(const Chain *c, const Path *path, double *row, double *layers_of, double *logs_of) {
    const Arrays *a = c->arrays;
    PathRow at = path_row(a);
    i64 m = c->super_blocks, nb = a->budgets, stages = a->stages;
    row[0] = (double)c->stems[path->stem];
    for (i64 b = 0; b < nb; b++)
        row[at.counts + b] = 0.0;
    for (i64 i = m - 1; i >= 0; i--) {
        const Row *column = column_row(c, path->columns[i]);
        Incoming in = incoming_of(c, i);
        i64 k = path->sources[i], depth = path->depths[i];
        row[at.columns + i] = (double)(c->rows[path->columns[i]] - a->offsets[i]);
        row[at.depths + i] = (double)depth;
        for (i64 b = 0; b < nb; b++)
            row[at.counts + b] += super_block_count(column, b, in.channels[k], depth);
        add_pair_counts(a, c->rows[path->columns[i]], in.places[k], row + at.counts);
        layers_of[i] = (double)column->layers * (double)depth;
        logs_of[i] = log_widths(column, c->logs[path->groups[i]], in.logs[k], depth);
    }
    i64 last = path->groups[m - 1];
    for (i64 b = 0; b < nb; b++)
        row[at.counts + b] += a->stem_counts[b * a->n_stems + c->stems[path->stem]] + tail_count(a, b, c->channels[last]);
    prefix_sums(a, logs_of, a->stem_log, c->logs[last], row + at.logs);
    prefix_sums(a, layers_of, 1.0, 1.0, row + at.layers);
    if (a->has_extra) {
        for (i64 i = 0; i < m; i++)
            logs_of[i] = extra_of(a, c->rows[path->columns[i]]) * (double)path->depths[i];
        prefix_sums(a, logs_of, a->stem_extra, a->head_extra, row + at.extra);
    }
    count_blocks(a, row, layers_of);
    double objective = table_worth(a, row) - penalty(a, layers_of);
    bool seen = false;
    for (i64 j = 0, q = 0; j < stages; j++) {
        i64 i = a->ends[j];
        double end_log = i < 0 ? c->stem_logs[path->stem] : c->logs[path->groups[i]];
        if (j == stages - 1 && a->head_log >= 0)
            end_log = a->head_log;
        for (; a->forgets && q <= i; q++)
            seen |= column_row(c, path->columns[q])->has_se;
        double x = end_worth(a, seen ? 0.0 : a->log_areas[j], end_log);
        row[at.ends + j] = x;
        objective += a->weights[j] * (a->additive ? 1.0 : x) * layer_terms(a, row, &at, j) + a->end_weights[j] * x;
    }
    row[at.objective] = objective - effectiveness_cost(a, row + at.logs, row + at.layers);
}

/* Room for evaluations of the dual function. */
typedef struct {
    Weights weights;
    Pass pass;
    Path path;
    double *layers_of, *logs_of;
} Room;

static Room room_for(const Chain *c, bool keeps_columns, Store *s) {
    return (Room){weights_for(c, s), pass_for(c, keeps_columns, s), path_for(c, s), take_doubles(s, c->super_blocks),
                  take_doubles(s, c->super_blocks)};
}

/* The bound at given multipliers; `error` receives its rounding allowance, `constant` what is no path's, and `row` a network that
 * attains it.
 */
static double evaluate(const Chain *c, const Ranges *r, const double *multipliers, double weight, Room *room, double *error,
                       double *constant, double *row) {
    find_weights(c, r, multipliers, weight, &room->weights, constant, error);
    forward(c, &room->weights, &room->pass);
    double worth = trace(c, &room->pass, &room->path);
    if (worth > -INFINITY)
        describe(c, &room->path, row, room->layers_of, room->logs_of);
    else
        memset(row, 0, (size_t)path_row(c->arrays).width * sizeof(double));
    return worth + *constant;
}

/* The share of the bound that is not proportional to multipliers, at a network that attains it; `slope` receives the subgradient in
 * the multipliers, `depths` and `blocks` are scratch.
 */
static double slack(const Chain *c, const Ranges *r, const double *multipliers, double weight, const double *row, double *slope,
                    double *depths, double *blocks) {
    const Arrays *a = c->arrays;
    PathRow at = path_row(a);
    i64 nb = a->budgets, nr = a->n_rho_stages, n = a->n_penalised;
    for (i64 b = 0; b < nb; b++)
        slope[b] = a->limits[b] - row[at.counts + b];
    double most, rho = dearest_rho(a, r, multipliers, weight * a->rho_price, &most), rest, mean = 0.0;
    for (i64 k = 0; k < nr; k++) {
        i64 j = a->rho_stages[k];
        double layers = dearest_layers(a, r, multipliers, k, rho);
        slope[nb + k] = row[at.logs + j] - least_log_widths(layers, rho);
        slope[nb + nr + k] = layers - row[at.layers + j];
    }
    conjugate(a, r->flat, r->spread, gradient_of(a, multipliers), &rest, depths);
    if (n)
        count_blocks(a, row, blocks);
    for (i64 k = 0; k < n; k++)
        mean += depth_of(a, blocks, k) / (double)n;
    for (i64 k = 0; k < n; k++)
        slope[nb + 2 * nr + k] = weight * (depths[k] - (depth_of(a, blocks, k) - mean));
    for (i64 j = 0; j < a->stages; j++) {
        rest += a->weights[j] * factor_high(a, r, j) * layer_terms(a, row, &at, j);
        rest += r->floor[j] * (row[at.ends + j] - r->x_high[j]) + a->end_weights[j] * row[at.ends + j];
    }
    rest += table_worth(a, row);
    if (nr && a->rho_price > 0)
        rest -= a->rho_price * rho;
    return weight * rest;
}

#endif
