/* What a cell leaves open: ranges of the sums that its networks have, which the bound's overestimators need. */

#ifndef RANGES_H
#define RANGES_H

#include "depth_penalty.h"

/* Meanings: mipdesign.bounds.ranges.Ranges, which has the fields in this order; the arrays lie one after the other. */
typedef struct {
    double *s_low, *s_high, *n_low, *n_high, *floor, *x_high, *areas, *w_low, *w_high;
    double flat, spread, rho_low, rho_high, value_high;
} Ranges;

enum { RANGES = 9 }; /* arrays */

/* Largest factor of S_j in the objective. */
static inline double factor_high(const Arrays *a, const Ranges *r, i64 j) { return a->additive ? 1.0 : r->x_high[j]; }

/* x_j at the end of a stage: its area, as it counts, and its channels. */
static inline double end_worth(const Arrays *a, double area, double log_channels) { return area + a->channels_exponent * log_channels; }

/* Sums of each stage's prefix: what the stem has, what each super-block has, and what a head would have. */
static void prefix_sums(const Arrays *a, const double *per_super_block, double stem, double head, double *sums) {
    for (i64 j = 0; j < a->stages; j++) {
        sums[j] = stem;
        for (i64 i = 0; i < a->super_blocks; i++)
            sums[j] += a->prefix[j * a->super_blocks + i] * per_super_block[i];
    }
    if (a->head_log >= 0)
        sums[a->stages - 1] += head;
}

/* Largest log r^2 of each stage: 0 where every network of the cell has an SE block before its end and that counts. */
static void log_areas(const Chain *c, double *areas) {
    const Arrays *a = c->arrays;
    memcpy(areas, a->log_areas, (size_t)a->stages * sizeof(double));
    bool certain = false;
    for (i64 i = 0; a->forgets && i < c->super_blocks; i++) {
        bool without = false;
        for (i64 p = c->at[i]; p < c->at[i + 1] && !without; p++)
            without = !column_row(c, p)->has_se;
        certain |= !without;
        for (i64 j = 0; certain && j < a->stages; j++)
            if (a->ends[j] >= i)
                areas[j] = 0.0;
    }
}

/* Range of `max_j n_j exp(-S_j / n_j)`, which grows with n and falls with S. */
static void rho_range(const Arrays *a, Ranges *r) {
    r->rho_low = r->rho_high = a->rho;
    if (a->rho_price == 0)
        return;
    double low = 0.0, high = 0.0;
    for (i64 k = 0; k < a->n_rho_stages; k++) {
        i64 j = a->rho_stages[k];
        low = most_of(low, r->n_low[j] * exp(-r->w_high[j] / r->n_low[j]));
        high = most_of(high, r->n_high[j] * exp(-r->w_low[j] / r->n_high[j]));
    }
    r->rho_high = least_of(high * (1.0 + 1e-9), a->rho);
    r->rho_low = least_of(low * (1.0 - 1e-9), r->rho_high);
}

/* Least S_J of a network that scores `needed` before its penalty where no super-block lowers S: as S_j <= S_J, it scores at most
 * `sum_j rate_j x_j min(max S_j, S_J)`, which grows with S_J.
 */
static double least_entropy_sum(const Arrays *a, const Ranges *r, double needed) {
    i64 n = a->stages;
    const double *most = r->s_high;
    double least = 0.0;
    for (i64 step = 0; step < n; step++) { /* the least value of `most` above `least` at which enough is reached */
        double s = INFINITY, reached = 0.0, below = 0.0, above = 0.0;
        for (i64 j = 0; j < n; j++)
            if (most[j] > least)
                s = least_of(s, most[j]);
        if (s == INFINITY)
            break;
        for (i64 j = 0; j < n; j++) {
            double rate = a->weights[j] * r->x_high[j];
            reached += rate * least_of(most[j], s);
            if (most[j] <= least)
                below += rate * most[j];
            else
                above += rate;
        }
        if (reached >= needed) {
            least = (needed - below) / most_of(above, 1e-300);
            break;
        }
        least = s;
    }
    return least_of(most_of(least * (1.0 - 1e-9), 0.0), most[n - 1]);
}

/* The most that a network of the cell is worth by the table. */
static double most_value(const Chain *c) {
    const Arrays *a = c->arrays;
    double total = 0.0;
    for (i64 i = 0; a->has_values && i < c->super_blocks; i++) {
        double most = -INFINITY;
        for (i64 p = c->at[i]; p < c->at[i + 1]; p++) {
            const double *values = values_of(a, i, c->rows[p]);
            for (i64 k = a->depth_at[i]; k < a->depth_at[i + 1]; k++)
                if (c->low[i] <= a->depths[k] && a->depths[k] <= c->high[i])
                    most = most_of(most, values[k - a->depth_at[i]]);
        }
        total += most;
    }
    return total;
}

/* Ranges of a cell, for networks whose objective is at least `cutoff`. */
static void find_ranges(const Chain *c, double cutoff, Ranges *r, Store *s) {
    const Arrays *a = c->arrays;
    i64 m = c->super_blocks, stages = a->stages, n = a->n_penalised;
    double **parts[RANGES] = {&r->s_low,  &r->s_high, &r->n_low, &r->n_high, &r->floor,
                              &r->x_high, &r->areas,  &r->w_low, &r->w_high};
    double *every = take_doubles(s, RANGES * stages), *least = take_doubles(s, m), *most = take_doubles(s, m);
    double *least_layers = take_doubles(s, m), *most_layers = take_doubles(s, m);
    if (s->failed)
        return;
    for (i64 part = 0; part < RANGES; part++)
        *parts[part] = every + part * stages;
    double head_low = c->logs[c->groups[m - 1]], head_high = c->logs[c->n_groups - 1];
    column_ranges(c, false, least, most, least_layers, most_layers);
    prefix_sums(a, least, a->stem_log, head_low, r->w_low);
    prefix_sums(a, most, a->stem_log, head_high, r->w_high);
    if (a->has_extra)
        column_ranges(c, true, least, most, least_layers, most_layers);
    prefix_sums(a, least, a->stem_log + a->stem_extra, head_low + a->head_extra, r->s_low);
    prefix_sums(a, most, a->stem_log + a->stem_extra, head_high + a->head_extra, r->s_high);
    bool grows = true; /* no super-block lowers S */
    for (i64 i = 0; i < m; i++)
        grows &= least[i] >= 0.0;
    log_areas(c, r->areas);
    for (i64 j = 0; j < stages; j++) {
        i64 end = a->ends[j];
        bool of_head = j == stages - 1 && a->head_log >= 0;
        double end_log = of_head ? a->head_log : end < 0 ? c->stem_logs[c->n_stems - 1] : c->logs[c->groups[end + 1] - 1];
        r->x_high[j] = end_worth(a, r->areas[j], end_log);
    }
    r->flat = r->spread = 0.0;
    if (n) {
        double low = INFINITY, high = -INFINITY, *lows = take_doubles(s, n), *highs = take_doubles(s, n);
        if (s->failed)
            return;
        for (i64 k = 0; k < n; k++) {
            depth_range(c, k, lows + k, highs + k);
            low = least_of(low, lows[k]);
            high = most_of(high, highs[k]);
        }
        r->flat = least_spread(c, lows, highs, s);
        r->spread = 0.5 * (high - low) * sqrt((double)n) * (1.0 + 1e-12);
    }
    prefix_sums(a, least_layers, 1.0, 1.0, r->n_low);
    prefix_sums(a, most_layers, 1.0, 1.0, r->n_high);
    rho_range(a, r);
    for (i64 j = 0; j < stages; j++)
        r->floor[j] = a->additive ? 0.0 : a->weights[j] * r->s_low[j];
    r->value_high = most_value(c);
    if (isfinite(cutoff) && isfinite(r->value_high) && !a->additive && grows) {
        double needed = cutoff + penalty_at(a, r->flat) + (a->rho_price > 0 ? a->rho_price * r->rho_low : 0.0);
        needed -= r->value_high - 1e-11 * a->most_value;
        double *last = r->floor + stages - 1;
        *last = most_of(*last, a->weights[stages - 1] * least_entropy_sum(a, r, needed));
    }
}

#endif
