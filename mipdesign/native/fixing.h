/* Reduced-cost fixing: which columns, stems and depths are on a path that reaches a cutoff, by a backward pass.
 *
 * Where the forward pass hulls points (ci, value), the backward pass hulls the columns' lines `a - price * ci`.
 */

#ifndef FIXING_H
#define FIXING_H

#include "dual.h"

/* Raises `back` to what the columns' lines `worth - price * ci` are worth at the incoming channels from `first` to before `stop`: each
 * line of their upper hull where it is the highest, prices falling.
 */
static void raise_by_lines(const Hull *hull, i64 size, const double *ci, i64 first, i64 stop, double *restrict back) {
    for (i64 place = size - 1; place >= 0 && first < stop; place--) {
        double price = hull->x[place], worth = hull->y[place];
        i64 end = stop;
        if (place > 0) { /* up to where the next line is higher */
            double next_price = hull->x[place - 1], next_worth = hull->y[place - 1];
            for (i64 low = first; low < end;) {
                i64 middle = (low + end) / 2;
                if (next_worth - ci[middle] * next_price > worth - ci[middle] * price)
                    end = middle;
                else
                    low = middle + 1;
            }
        }
        for (i64 k = first; k < end; k++)
            back[k] = most_of(back[k], worth - ci[k] * price);
        first = end;
    }
}

/* Columns, stems and depths on some path that is worth at least `least`; whether there are any. `spares` receives of each column how
 * much more than that its best path is worth, -1 for those that are not kept; `low` and `high` begin as the cell's. -1 where memory
 * ends: nothing is dropped then.
 */
static i64 fix_by_reduced_cost(const Chain *c, const Weights *w, const Pass *f, double least, double *spares, uint8_t *kept_stem,
                                i64 *low, i64 *high) {
    const Arrays *a = c->arrays;
    Store store = {0}, *s = &store;
    i64 m = c->super_blocks;
    double *onward = take_doubles(s, c->widest_incoming), *back = take_doubles(s, c->widest_incoming);
    bool pairs_cost = prices_pairs(a, w);
    i64 *kept_columns = take_ints(s, c->widest);
    Unordered lines = unordered_for(s, c->widest);
    bool some = !s->failed;
    for (i64 g = c->groups[m - 1]; some && g < c->groups[m]; g++)
        onward[g - c->groups[m - 1]] = w->per_channel * c->channels[g];
    for (i64 p = 0; !some && p < c->n; p++)
        spares[p] = -1.0;
    for (i64 i = m - 1; some && i >= 0; i--) {
        Incoming in = incoming_of(c, i);
        double least_depth = (double)c->high[i], most_depth = (double)c->low[i], range = (double)(c->high[i] - c->low[i]);
        bool one_by_one = pairs_cost || c->limited[i];
        some = false;
        bool begun = false; /* whether lines of other states with the same channels wait to be joined */
        for (i64 k = 0; k < in.n; k++)
            back[k] = -INFINITY;
        for (i64 g = c->groups[i]; g < c->groups[i + 1]; g++) {
            double beyond = onward[g - c->groups[i]] + w->end[i] * c->logs[g] + w->constant[i], channels = c->channels[g];
            i64 n = 0, identity = -1, identity_stop = -1;
            double by_identity = -INFINITY;
            for (i64 p = c->starts[g]; p < c->starts[g + 1]; p++) {
                double spare = f->best[p] + f->own[p] + beyond - least;
                bool is_kept = spare >= 0;
                spares[p] = is_kept ? spare : -1.0;
                kept_columns[n] = p;
                n += is_kept;
            }
            /* states of equal channels have the same window */
            bool more = !a->continues[i] && g + 1 < c->groups[i + 1] && c->channels[g + 1] == channels;
            if (!n && (more || !begun))
                continue;
            some |= n > 0, begun = more;
            for (i64 k = c->first[g]; a->has_identity[i] && k < c->stop[g]; k++)
                if (in.channels[k] == channels)
                    identity = identity < 0 ? k : identity, identity_stop = k + 1;
            for (i64 q = 0; q < n; q++) {
                i64 p = kept_columns[q];
                double step = f->per_block[p], reach = range, spare = spares[p];
                for (i64 k = a->depth_at[i]; a->has_values && k < a->depth_at[i + 1]; k++) {
                    double depth = (double)a->depths[k];
                    if (a->depths[k] >= c->low[i] && a->depths[k] <= c->high[i] &&
                        loss_at(c, w, f, i, p, a->depths[k]) <= spare + 1e-9 * fabs(step)) {
                        least_depth = least_of(least_depth, depth);
                        most_depth = most_of(most_depth, depth);
                    }
                }
                if (fabs(step) * reach > spare)
                    reach = floor(spare / fabs(step) + 1e-9);
                if (!a->has_values && step > 0) {
                    least_depth = least_of(least_depth, (double)c->high[i] - reach);
                    most_depth = (double)c->high[i];
                } else if (!a->has_values) {
                    least_depth = (double)c->low[i];
                    most_depth = most_of(most_depth, (double)c->low[i] + reach);
                }
                double price = f->slope[p], worth = f->own[p] + beyond;
                if (one_by_one) {
                    const Row *row = column_row(c, p);
                    for (i64 k = c->first[g]; k < c->stop[g]; k++)
                        if ((k < identity || k >= identity_stop) && may_enter(row, in.channels[k])) {
                            double passed = worth - in.channels[k] * price;
                            if (pairs_cost)
                                passed -= pair_cost(a, w, c->rows[p], in.places[k]);
                            back[k] = most_of(back[k], passed);
                        }
                } else {
                    add_point(&lines, price, worth);
                }
                if (identity >= 0 && (!c->limited[i] || column_row(c, p)->identity_fits)) {
                    double passed = worth - channels * price - f->extra[p];
                    if (pairs_cost)
                        passed -= pair_cost(a, w, c->rows[p], in.places[identity]);
                    by_identity = most_of(by_identity, passed);
                }
            }
            for (i64 k = identity; k < identity_stop; k++)
                back[k] = most_of(back[k], by_identity);
            if (one_by_one || more)
                continue;
            i64 size = join_runs(&lines);
            raise_by_lines(&lines.whole, size, in.channels, c->first[g], identity < 0 ? c->stop[g] : identity, back);
            if (identity >= 0)
                raise_by_lines(&lines.whole, size, in.channels, identity_stop, c->stop[g], back);
        }
        low[i] = (i64)least_depth, high[i] = (i64)most_depth;
        for (i64 k = 0; k < in.n; k++)
            onward[k] = back[k] + w->log[i] * in.logs[k];
        if (!some) {
            for (i64 p = 0; p < c->at[i]; p++)
                spares[p] = -1.0;
        }
    }
    if (some) {
        some = false;
        for (i64 k = 0; k < c->n_stems; k++) {
            kept_stem[k] = w->stem[k] + onward[k] >= least;
            some |= kept_stem[k];
        }
    }
    i64 result = s->failed ? -1 : some;
    give_back(s);
    return result;
}

#endif
