/* Enumeration: all networks of a cell whose own bound reaches a cutoff, by a backward search along the chain. */

#ifndef ENUMERATION_H
#define ENUMERATION_H

#include "dual.h"

/* Least counts with which a path reaches each stem (`start`), and each channel group; one row each. */
static void find_least_counts(const Chain *c, double *start, double *least) {
    const Arrays *a = c->arrays;
    i64 nb = a->budgets;
    for (i64 k = 0; k < c->n_stems; k++)
        for (i64 b = 0; b < nb; b++)
            start[k * nb + b] = a->stem_counts[b * a->n_stems + c->stems[k]];
    for (i64 q = 0; q < c->n_groups * nb; q++)
        least[q] = INFINITY;
    for (i64 i = 0; i < c->super_blocks; i++) {
        Incoming in = incoming_of(c, i);
        const double *before = i ? least + c->groups[i - 1] * nb : start;
        for (i64 g = c->groups[i]; g < c->groups[i + 1]; g++)
            for (i64 p = c->starts[g]; p < c->starts[g + 1]; p++) {
                const Row *row = column_row(c, p);
                for (i64 k = c->first[g]; k < c->stop[g]; k++) {
                    if (!may_enter(row, in.channels[k]))
                        continue;
                    for (i64 b = 0; b < nb; b++) {
                        i64 depth = rest_part(row, b) > 0 ? c->low[i] : c->high[i];
                        double value = before[k * nb + b] + super_block_count(row, b, in.channels[k], depth);
                        if (b >= a->paired)
                            value += pair_count(a, c->rows[p], in.places[k], b - a->paired);
                        least[g * nb + b] = least_of(least[g * nb + b], value);
                    }
                }
            }
    }
}

/* Where the search stands in one super-block. */
typedef struct {
    i64 group, column, depth, source; /* `depth` is a place in the depths, `source` one before the first at the beginning */
    double beyond, *counts;           /* what is worth and counted after it */
} Standing;

/* All networks that keep the additive budgets and whose path is worth at least `least`: a search from the last super-block to the
 * first; what the forward pass found bounds what is still to come, and so do the least counts.
 *
 * Depths of super-block i are depths[depth_at[i] : depth_at[i + 1]]. Each network is a row of `found`: stem, columns, depths; `steps`
 * receives the steps taken, more than `max_steps` if the search gave up, and -1 where memory ended.
 */
static i64 list_paths(const Chain *c, const Weights *w, const Pass *f, const i64 *depths, const i64 *depth_at, double least,
                      i64 max_steps, i64 max_found, i64 *found, i64 *steps) {
    const Arrays *a = c->arrays;
    Store store = {0}, *s = &store;
    i64 m = c->super_blocks, nb = a->budgets, n_found = 0;
    double *start = take_doubles(s, c->n_stems * nb), *least_counts = take_doubles(s, c->n_groups * nb);
    double *counts = take_doubles(s, m * nb), *pair = take_doubles(s, nb);
    Standing *standing = take(s, (size_t)m * sizeof(Standing));
    *steps = s->failed ? -1 : 0;
    if (s->failed)
        goto done;
    find_least_counts(c, start, least_counts);
    for (i64 i = 0; i < m; i++)
        standing[i].counts = counts + i * nb;
    for (i64 last = c->groups[m - 1]; last < c->groups[m]; last++) {
        i64 i = m - 1;
        double channels = c->channels[last];
        standing[i].group = last, standing[i].column = c->starts[last];
        standing[i].depth = depth_at[i], standing[i].source = c->first[last] - 1;
        standing[i].beyond = w->per_channel * channels + w->end[i] * c->logs[last] + w->constant[i];
        for (i64 b = 0; b < nb; b++)
            standing[i].counts[b] = tail_count(a, b, channels);
        while (i < m) {
            Standing *at = standing + i;
            i64 g = at->group, p = at->column;
            if (p == c->starts[g + 1]) {
                i++;
                continue;
            }
            if (at->depth == depth_at[i] && at->source < c->first[g]) {
                ++*steps;
                bool in_order = i + 1 == m || !a->ordered[i + 1] ||
                                a->ranks[c->rows[p]] <= a->ranks[c->rows[standing[i + 1].column]];
                if (!in_order || !(at->beyond + f->best[p] + f->own[p] >= least)) {
                    at->column++;
                    continue;
                }
            }
            i64 depth = depths[at->depth];
            double here = at->beyond + f->own[p] - loss_at(c, w, f, i, p, depth);
            at->source++;
            if (at->source == c->stop[g] || !(here + f->best[p] >= least)) {
                at->source = c->first[g] - 1;
                at->depth++;
                if (at->depth == depth_at[i + 1]) {
                    at->depth = depth_at[i];
                    at->column++;
                }
                continue;
            }
            if (++*steps > max_steps)
                goto done;
            Incoming in = incoming_of(c, i);
            i64 k = at->source, into = i ? c->groups[i - 1] + k : k;
            double ci = in.channels[k], value = (i ? f->value[into] : w->stem[k]) + w->log[i] * in.logs[k];
            const Row *row = column_row(c, p);
            if (!may_enter(row, ci) || !may_have_depth(row, depth) || value_of(a, i, c->rows[p], depth) == -INFINITY)
                continue;
            double price = 0.0;
            for (i64 b = a->paired; b < nb; b++) {
                pair[b] = pair_count(a, c->rows[p], in.places[k], b - a->paired);
                price += w->budget[b] * pair[b];
            }
            for (i64 b = 0; b < nb; b++)
                price += w->budget[b] * entering_count(row, b, ci);
            if (!(here + value - price >= least))
                continue;
            const double *before = i ? least_counts + into * nb : start + k * nb;
            bool fits = true;
            for (i64 b = 0; b < nb; b++) {
                double used = at->counts[b] + super_block_count(row, b, ci, depth) + (b >= a->paired ? pair[b] : 0.0);
                fits &= used + before[b] <= a->limits[b];
                if (i)
                    standing[i - 1].counts[b] = used;
            }
            if (!fits)
                continue;
            if (i) {
                i--;
                standing[i].group = into, standing[i].column = c->starts[into];
                standing[i].depth = depth_at[i], standing[i].source = c->first[into] - 1;
                standing[i].beyond = here - price + w->log[i + 1] * c->logs[into] + w->end[i] * c->logs[into] + w->constant[i];
                continue;
            }
            if (n_found == max_found) {
                *steps = max_steps + 1;
                goto done;
            }
            i64 *network = found + n_found++ * (1 + 2 * m);
            network[0] = c->stems[k];
            for (i64 j = 0; j < m; j++) {
                network[1 + j] = c->rows[standing[j].column] - a->offsets[j];
                network[1 + m + j] = depths[standing[j].depth];
            }
        }
    }
done:
    give_back(s);
    return n_found;
}

#endif
