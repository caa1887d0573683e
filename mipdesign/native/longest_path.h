/* Longest paths through a chain of super-blocks: the inner loops of the bounds.
 *
 * A path picks, for every super-block, a column and a depth; what it is worth is a sum over super-blocks of a value of the column
 * and depth, of a term that is affine in the incoming channels with a slope that depends on the column, and of a term in the
 * channels at its end. For each channel count the best incoming channels are a maximum of `value(ci) - ci * price(column)` over a
 * window of ci: the upper hull of the points (ci, value) answers it for all columns at once, so that a pass costs little more than
 * reading the columns.
 */

#ifndef LONGEST_PATH_H
#define LONGEST_PATH_H

#include "hull.h"
#include "effectiveness.h"

/* What the parts of a path are worth. */
typedef struct {
    double *budget;          /* price per unit of each count */
    double *log, *extra;     /* worth of one nat of log w in each super-block, and of what layer terms have beside it */
    double *block, *layer;   /* of one block and of one layer of each super-block, their logarithms and counts aside */
    double *end;             /* of one nat of log C at the end of each super-block */
    double *constant;        /* of having channels at the end of each super-block, whatever their number */
    double per_channel;      /* of one channel at the end of the last super-block */
    double *stem;            /* of each stem of the cell */
    double value;            /* of one unit of what the table says */
} Weights;

static Weights weights_for(const Chain *c, Store *s) {
    i64 m = c->super_blocks;
    return (Weights){take_doubles(s, c->arrays->budgets), take_doubles(s, m), take_doubles(s, m), take_doubles(s, m),
                     take_doubles(s, m), take_doubles(s, m), take_doubles(s, m), 0.0, take_doubles(s, c->n_stems), 0.0};
}

/* Whether a paired budget has a price. */
static inline bool prices_pairs(const Arrays *a, const Weights *w) {
    bool priced = false;
    for (i64 b = a->paired; b < a->budgets; b++)
        priced |= w->budget[b] > 0;
    return priced;
}

/* What a row costs of the paired budgets beside (1), with the incoming channels at a place. */
static inline double pair_cost(const Arrays *a, const Weights *w, i64 row, i64 place) {
    double cost = 0.0;
    for (i64 n = 0; n < a->n_paired; n++)
        cost += w->budget[a->paired + n] * pair_count(a, row, place, n);
    return cost;
}

/* A forward pass. */
typedef struct {
    double *value;  /* of each group: the best path that ends there, */
    i64 *column;    /* its column, */
    i64 *source;    /* the incoming channels with which that is entered (-1 where there are none), */
    i64 *depth;     /* and its best depth */
    double *own, *per_block, *best, *slope, *extra; /* of each column, where they are kept: its worth at its best depth, that of one
                                                       more block, the best with which it is entered, what it costs for each
                                                       incoming channel, and for channels that stay where they may */
    i64 *depth_of;  /* and its best depth */
    double *into; /* scratch */
    Hull hull;
} Pass;

static Pass pass_for(const Chain *c, bool keeps_columns, Store *s) {
    i64 n = c->n_groups, kept = keeps_columns ? c->n : 0;
    return (Pass){.value = take_doubles(s, n), .column = take_ints(s, n), .source = take_ints(s, n), .depth = take_ints(s, n),
                  .own = keeps_columns ? take_doubles(s, kept) : NULL,
                  .per_block = keeps_columns ? take_doubles(s, kept) : NULL,
                  .best = keeps_columns ? take_doubles(s, kept) : NULL,
                  .slope = keeps_columns ? take_doubles(s, kept) : NULL,
                  .extra = keeps_columns ? take_doubles(s, kept) : NULL,
                  .depth_of = keeps_columns ? take_ints(s, kept) : NULL,
                  .into = take_doubles(s, c->widest_incoming),
                  .hull = hull_for(s, c->widest_incoming)};
}

/* The best channels to enter a column of a limited super-block with, one by one, but those from `identity` to before `beyond`. */
static double best_entry(const Chain *c, const Weights *w, const Pass *f, const Incoming *in, i64 g, i64 p, i64 identity,
                         i64 beyond, double slope, i64 *source) {
    bool pairs_cost = prices_pairs(c->arrays, w);
    double best = -INFINITY;
    const Row *row = column_row(c, p);
    for (i64 k = c->first[g]; k < c->stop[g]; k++)
        if ((k < identity || k >= beyond) && may_enter(row, in->channels[k])) {
            double entered = f->into[k] - slope * in->channels[k];
            if (pairs_cost)
                entered -= pair_cost(c->arrays, w, c->rows[p], in->places[k]);
            if (entered > best)
                best = entered, *source = k;
        }
    return best;
}

/* What a column is worth at its best depth, `first + (depth - 1) step` and what the table says of that one; -inf where it says nothing
 * of any. `single` says whether more than one block of it may not be.
 */
static double best_depth(const Chain *c, i64 i, i64 p, double first, double step, double per_value, bool single, i64 *depth) {
    const Arrays *a = c->arrays;
    const double *values = values_of(a, i, c->rows[p]);
    double best = -INFINITY;
    for (i64 k = a->depth_at[i]; k < a->depth_at[i + 1]; k++) {
        i64 d = a->depths[k];
        double value = values[k - a->depth_at[i]];
        if (d < c->low[i] || d > c->high[i] || (single && d > 1) || value == -INFINITY)
            continue;
        double worth = first + (double)(d - 1) * step + per_value * value;
        if (worth > best)
            best = worth, *depth = d;
    }
    return best;
}

/* A group in a forward pass: where it stands, and how it may be entered. */
typedef struct {
    i64 i, g, identity, beyond; /* the incoming groups with its own channels, where that is a case of its own, else -1, */
    i64 same, hull_size;        /* and the best of them */
    bool one_by_one;               /* columns may not all be entered alike */
    i64 place;                     /* on the hull, where the first column of the group before was entered; then that of this one */
} Entrance;

/* The best path to the columns of a group. With a constant number of budgets the compiler knows how long rows are. */
static inline __attribute__((always_inline)) void enter_group(const Chain *c, const Weights *w, Pass *f, const Incoming *in,
                                                              Entrance *e, i64 budgets) {
    i64 i = e->i, g = e->g, start = c->starts[g], stop = c->starts[g + 1], identity = e->identity, place = e->place;
    i64 chosen = -1, chosen_source = -1, row_size = (i64)sizeof(Row) + 4 * (i64)sizeof(double) * budgets;
    double per_nat = w->log[i], low = (double)c->low[i], high = (double)c->high[i], log_channels = c->logs[g];
    double per_layer = w->layer[i], per_step = w->block[i], channels = c->channels[g], top = -INFINITY;
    bool pairs_cost = prices_pairs(c->arrays, w);
    double per_extra = w->extra[i];
    bool limited = c->limited[i], has_extra = c->arrays->has_extra, may_be_absent = c->arrays->continues[i];
    bool has_values = c->arrays->has_values;
    i64 chosen_depth = c->low[i];
    for (i64 p = start; p < stop; p++) {
        const Row *row = (const Row *)(c->arrays->rows + c->rows[p] * row_size);
        fetch_row(c->arrays, c->rows[least_int(p + AHEAD, c->n - 1)]);
        Priced priced = priced_parts(row, w->budget, budgets);
        double slope = priced.fixed_slope[1], block = per_step + (double)row->layers * per_layer;
        if (has_extra)
            block += per_extra * c->arrays->extras[c->rows[p]];
        if (may_be_absent)
            block -= per_step * (1.0 - presence_of(c->arrays, c->rows[p]));
        double step = per_nat * (log_channels + row->log) - priced.identity_rest[1] + block, fixed = priced.fixed_slope[0];
        if (limited && !row->rest_fits) { /* a single block at most */
            step = 0.0;
            fixed = low > 1 ? INFINITY : fixed;
        }
        double own = per_nat * row->log - fixed + block, best = -INFINITY;
        i64 source = -1, depth = step > 0 ? c->high[i] : c->low[i];
        if (has_values)
            own = best_depth(c, i, p, own, step, w->value, limited && !row->rest_fits, &depth);
        else
            own += ((step > 0 ? high : low) - 1.0) * step;
        if (e->one_by_one) {
            best = best_entry(c, w, f, in, g, p, identity, e->beyond, slope, &source);
        } else if (e->hull_size) {
            place = climb(&f->hull, e->hull_size, place, slope, &best);
            source = f->hull.at[place];
            if (p == start)
                e->place = place;
        }
        if (identity >= 0 && (!limited || row->identity_fits)) {
            double entered = f->into[e->same] - slope * channels - priced.identity_rest[0];
            if (pairs_cost)
                entered -= pair_cost(c->arrays, w, c->rows[p], in->places[e->same]);
            if (entered > best)
                best = entered, source = e->same;
        }
        if (f->own) {
            f->own[p] = own, f->per_block[p] = step, f->best[p] = best, f->slope[p] = slope, f->depth_of[p] = depth;
            if (identity >= 0)
                f->extra[p] = priced.identity_rest[0];
        }
        if (best + own > top)
            top = best + own, chosen = p, chosen_source = source, chosen_depth = depth;
    }
    f->column[g] = chosen, f->source[g] = chosen_source, f->depth[g] = chosen_depth;
    f->value[g] = top + w->end[i] * log_channels + w->constant[i];
    if (i == c->super_blocks - 1)
        f->value[g] += w->per_channel * channels;
}

static void enter(const Chain *c, const Weights *w, Pass *f, const Incoming *in, Entrance *e) {
    switch (c->arrays->budgets) {
    case 1: enter_group(c, w, f, in, e, 1); break;
    case 2: enter_group(c, w, f, in, e, 2); break;
    case 3: enter_group(c, w, f, in, e, 3); break;
    default: enter_group(c, w, f, in, e, c->arrays->budgets);
    }
}

/* Best paths to every group, and to every column where those are kept. */
static void forward(const Chain *c, const Weights *w, Pass *f) {
    const Arrays *a = c->arrays;
    bool pairs_cost = prices_pairs(a, w);
    for (i64 i = 0; i < c->super_blocks; i++) {
        Incoming in = incoming_of(c, i);
        for (i64 k = 0; k < in.n; k++)
            f->into[k] = (i ? f->value[c->groups[i - 1] + k] : w->stem[k]) + w->log[i] * in.logs[k];
        bool one_by_one = c->limited[i] || pairs_cost;
        i64 size = 0, begun = 0, reached = 0, equal = 0; /* the hull holds the incoming channels from `begun` to before `reached` */
        i64 first_place = 0; /* of the group before: its columns' slopes begin alike */
        double hulled = 0.0; /* channels of the group that the hull was made for */
        for (i64 g = c->groups[i]; g < c->groups[i + 1]; g++) {
            i64 first = c->first[g], stop = c->stop[g];
            double channels = c->channels[g];
            while (equal < stop && in.channels[equal] < channels)
                equal++;
            bool enters_itself = a->has_identity[i] && first <= equal && equal < stop && in.channels[equal] == channels;
            i64 identity = enters_itself ? equal : -1, beyond = identity, same = identity;
            for (; identity >= 0 && beyond < stop && in.channels[beyond] == channels; beyond++)
                same = f->into[beyond] > f->into[same] ? beyond : same;
            if (!one_by_one && (hulled != channels || a->continues[i])) {
                hulled = channels;
                if (begun != first || (identity >= 0 && identity < reached))
                    size = 0, begun = first, reached = first;
                if (identity < 0) {
                    size = extend(&f->hull, size, in.channels, f->into, reached, stop);
                    reached = most_int(reached, stop);
                } else { /* it is entered otherwise than the rest */
                    size = extend(&f->hull, size, in.channels, f->into, reached, identity);
                    reached = identity;
                    if (beyond < stop) {
                        size = extend(&f->hull, size, in.channels, f->into, beyond, stop);
                        begun = -1;
                    }
                }
            }
            Entrance e = {i, g, identity, beyond, same, size, one_by_one, most_int(0, least_int(first_place, size - 1))};
            enter(c, w, f, &in, &e);
            first_place = e.place;
        }
    }
}

/* How much less a column is worth at a depth of the cell than at its best one: infinite, or no number, where it may not have it. */
static inline double loss_at(const Chain *c, const Weights *w, const Pass *f, i64 i, i64 p, i64 depth) {
    double loss = (double)(f->depth_of[p] - depth) * f->per_block[p];
    if (c->arrays->has_values)
        loss += w->value * value_of(c->arrays, i, c->rows[p], f->depth_of[p]) - w->value * value_of(c->arrays, i, c->rows[p], depth);
    return loss;
}

/* A path: its columns, the group of each, the channels that enter each, the depths. */
typedef struct {
    i64 stem, *columns, *groups, *sources, *depths;
} Path;

static Path path_for(const Chain *c, Store *s) {
    i64 m = c->super_blocks;
    return (Path){0, take_ints(s, m), take_ints(s, m), take_ints(s, m), take_ints(s, m)};
}

/* The best path, and what it is worth; -inf where there is none. */
static double trace(const Chain *c, const Pass *f, Path *path) {
    i64 m = c->super_blocks, g = c->groups[m - 1];
    for (i64 other = g; other < c->groups[m]; other++)
        if (f->value[other] > f->value[g])
            g = other;
    double worth = f->value[g];
    for (i64 i = m - 1; i >= 0; i--) {
        if (f->column[g] < 0)
            return -INFINITY;
        path->groups[i] = g;
        path->columns[i] = f->column[g];
        path->sources[i] = f->source[g];
        path->depths[i] = f->depth[g];
        if (i)
            g = c->groups[i - 1] + f->source[g];
    }
    path->stem = path->sources[0];
    return worth;
}

#endif
