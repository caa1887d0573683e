/* Reduced-cost fixing: which columns, stems and depths are on a path that reaches a cutoff, by a backward pass.
 *
 * Where the forward pass hulls points (ci, value), the backward pass hulls the columns' lines `a - price * ci`.
 */

#ifndef FIXING_H
#define FIXING_H

#include "dual.h"

/* Columns, stems and depths on some path that is worth at least `least`; whether there are any. `spares` receives of each column how
 * much more than that its best path is worth, -1 for those that are not kept; `low` and `high` begin as the cell's. -1 where memory
 * ends: nothing is dropped then.
 */
static i64 fix_by_reduced_cost(const Chain *c, const Weights *w, const Pass *f, double least, double *spares, uint8_t *kept_stem,
                                i64 *low, i64 *high) {
    const Arrays *a = c->arrays;
    Store store = {0}, *s = &store;
    i64 nb = a->budgets, m = c->super_blocks;
    double *onward = take_doubles(s, c->widest_incoming), *back = take_doubles(s, c->widest_incoming);
    double *slope = take_doubles(s, c->widest), *line = take_doubles(s, c->widest), per_pair = pair_price(a, w);
    Hull hull = hull_for(s, c->widest);
    bool some = !s->failed;
    for (i64 p = 0; p < c->n; p++)
        spares[p] = -1.0;
    for (i64 g = c->groups[m - 1]; some && g < c->groups[m]; g++)
        onward[g - c->groups[m - 1]] = w->per_channel * c->channels[g];
    for (i64 i = m - 1; some && i >= 0; i--) {
        Incoming in = incoming_of(c, i);
        double least_depth = (double)c->high[i], most_depth = (double)c->low[i];
        bool one_by_one = per_pair > 0 || c->limited[i];
        some = false;
        for (i64 k = 0; k < in.n; k++)
            back[k] = -INFINITY;
        i64 size = 0;
        for (i64 g = c->groups[i]; g < c->groups[i + 1]; g++) {
            double beyond = onward[g - c->groups[i]] + w->end[i] * c->logs[g] + w->constant[i], channels = c->channels[g];
            double passed_by_identity = -INFINITY;
            i64 identity = -1, identity_stop = -1;
            for (i64 k = c->first[g]; a->has_identity[i] && k < c->stop[g]; k++)
                if (in.channels[k] == channels) {
                    identity = identity < 0 ? k : identity;
                    identity_stop = k + 1;
                }
            for (i64 p = c->starts[g]; p < c->starts[g + 1]; p++) {
                double spare = f->best[p] + f->own[p] + beyond - least;
                if (!(spare >= 0))
                    continue;
                some = true;
                spares[p] = spare;
                double step = f->per_block[p], reach = (double)(c->high[i] - c->low[i]);
                if (fabs(step) * reach > spare)
                    reach = floor(spare / fabs(step) + 1e-9);
                if (step > 0) {
                    least_depth = least_of(least_depth, (double)c->high[i] - reach);
                    most_depth = (double)c->high[i];
                } else {
                    least_depth = (double)c->low[i];
                    most_depth = most_of(most_depth, (double)c->low[i] + reach);
                }
                double price = 0.0, extra = 0.0, worth = f->own[p] + beyond;
                for (i64 b = 0; b < nb; b++) {
                    price += w->budget[b] * c->slope[b * c->stride + p];
                    extra += w->budget[b] * c->identity[b * c->stride + p];
                }
                if (one_by_one) {
                    const double *row = column_row(c, p);
                    for (i64 k = c->first[g]; k < c->stop[g]; k++)
                        if ((k < identity || k >= identity_stop) && may_enter(row, in.channels[k])) {
                            double passed = worth - in.channels[k] * price;
                            if (per_pair > 0)
                                passed -= per_pair * pair_count(a, row, in.places[k]);
                            back[k] = most_of(back[k], passed);
                        }
                } else {
                    slope[size] = price, line[size] = worth;
                    size++;
                }
                if (identity >= 0 && (!c->limited[i] || column_row(c, p)[IDENTITY_FITS] > 0)) {
                    double passed = worth - channels * price - extra;
                    if (per_pair > 0)
                        passed -= per_pair * pair_count(a, column_row(c, p), in.places[identity]);
                    passed_by_identity = most_of(passed_by_identity, passed);
                }
            }
            for (i64 k = identity; k < identity_stop; k++)
                back[k] = most_of(back[k], passed_by_identity);
            /* states of equal channels have the same window */
            bool more = !a->continues[i] && g + 1 < c->groups[i + 1] && c->channels[g + 1] == channels;
            if (!size || more)
                continue;
            bool rising = true;
            for (i64 q = 1; q < size; q++)
                rising &= slope[q] >= slope[q - 1];
            if (!rising)
                sort_points(slope, line, size);
            size = extend(&hull, 0, slope, line, 0, size);
            i64 place = size - 1;
            for (i64 k = c->first[g]; k < c->stop[g]; k++)
                if (k < identity || k >= identity_stop) {
                    place = climb(&hull, size, place, in.channels[k]);
                    back[k] = most_of(back[k], hull.y[place] - in.channels[k] * hull.x[place]);
                }
            size = 0;
        }
        low[i] = (i64)least_depth, high[i] = (i64)most_depth;
        for (i64 k = 0; k < in.n; k++)
            onward[k] = back[k] + w->log[i] * in.logs[k];
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
