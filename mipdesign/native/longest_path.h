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
} Weights;

static Weights weights_for(const Chain *c, Store *s) {
    i64 m = c->super_blocks;
    return (Weights){take_doubles(s, c->arrays->budgets), take_doubles(s, m), take_doubles(s, m), take_doubles(s, m), take_doubles(s, m),
                     take_doubles(s, m), take_doubles(s, m), 0.0, take_doubles(s, c->n_stems)};
}

static inline double pair_price(const Arrays *a, const Weights *w) { return a->paired >= 0 ? w->budget[a->paired] : 0.0; }

/* A forward pass. */
typedef struct {
    double *value;  /* of each group: the best path that ends there, */
    i64 *column;    /* its column, */
    i64 *source;    /* the incoming channels with which that is entered (-1 where there are none), */
    uint8_t *rises; /* and whether more blocks of it are better */
    double *own, *per_block, *best; /* of each column, where they are kept: its worth at its better depth, that of one more block, and
                                       the best with which it is entered */
    double *into, *group_own, *group_step, *group_slope; /* scratch */
    Hull hull;
} Pass;

static Pass pass_for(const Chain *c, bool keeps_columns, Store *s) {
    i64 n = c->n_groups, kept = keeps_columns ? c->n : 0;
    return (Pass){.value = take_doubles(s, n), .column = take_ints(s, n), .source = take_ints(s, n), .rises = take(s, (size_t)n),
                  .own = keeps_columns ? take_doubles(s, kept) : NULL,
                  .per_block = keeps_columns ? take_doubles(s, kept) : NULL,
                  .best = keeps_columns ? take_doubles(s, kept) : NULL,
                  .into = take_doubles(s, c->widest_incoming), .group_own = take_doubles(s, c->widest),
                  .group_step = take_doubles(s, c->widest), .group_slope = take_doubles(s, c->widest),
                  .hull = hull_for(s, c->widest_incoming)};
}

/* What each column of a group is worth at its better depth, what one more block is, and the price of an incoming channel. Loops over
 * columns only, for the compiler to take several at once.
 */
static void weigh_columns(const Chain *c, const Weights *w, i64 i, i64 g, double *restrict own, double *restrict per_block,
                          double *restrict slope) {
    i64 nb = c->arrays->budgets, first = c->starts[g], n = c->starts[g + 1] - first;
    double g_log = w->log[i], low = (double)c->low[i], high = (double)c->high[i], log_channels = c->logs[g];
    double per_layer = w->layer[i], per_step = w->block[i];
    const double *log = c->log + first, *layers = c->layers + first;
    for (i64 p = 0; p < n; p++)
        own[p] = per_block[p] = slope[p] = 0.0;
    for (i64 b = 0; b < nb; b++) {
        double price = w->budget[b];
        const double *fixed = c->fixed + b * c->stride + first, *rest = c->rest + b * c->stride + first;
        const double *per_channel = c->slope + b * c->stride + first;
        for (i64 p = 0; p < n; p++) {
            own[p] += price * fixed[p];
            slope[p] += price * per_channel[p];
            per_block[p] += price * rest[p];
        }
    }
    for (i64 p = 0; p < n; p++)
        per_block[p] = g_log * (log_channels + log[p]) - per_block[p] + (per_step + layers[p] * per_layer);
    if (c->arrays->has_extra)
        for (i64 p = 0; p < n; p++) {
            double worth = w->extra[i] * c->extra[first + p];
            per_block[p] += worth;
            own[p] -= worth; /* which is a price here */
        }
    if (c->limited[i])
        for (i64 p = 0; p < n; p++)
            if (column_row(c, first + p)[REST_FITS] == 0) { /* a single block at most */
                per_block[p] = 0.0;
                own[p] = low > 1 ? INFINITY : own[p];
            }
    for (i64 p = 0; p < n; p++) {
        double step = per_block[p];
        own[p] = g_log * log[p] - own[p] + (per_step + layers[p] * per_layer) + ((step > 0 ? high : low) - 1.0) * step;
    }
    for (i64 p = 0; c->arrays->continues[i] && per_step != 0 && p < n; p++)
        own[p] -= (1.0 - column_row(c, first + p)[BLOCKS]) * per_step; /* a block that is not there */
}

/* The best channels to enter a column of a limited super-block with, one by one, but those from `identity` to before `beyond`. */
static double best_entry(const Chain *c, const Weights *w, const Pass *f, const Incoming *in, i64 g, i64 p, i64 identity,
                         i64 beyond, double slope, i64 *source) {
    double per_pair = pair_price(c->arrays, w), best = -INFINITY;
    const double *row = column_row(c, p);
    for (i64 k = c->first[g]; k < c->stop[g]; k++)
        if ((k < identity || k >= beyond) && may_enter(row, in->channels[k])) {
            double entered = f->into[k] - slope * in->channels[k];
            if (per_pair > 0)
                entered -= per_pair * pair_count(c->arrays, row, in->places[k]);
            if (entered > best)
                best = entered, *source = k;
        }
    return best;
}

/* Best paths to every group, and to every column where those are kept. */
static void forward(const Chain *c, const Weights *w, Pass *f) {
    const Arrays *a = c->arrays;
    i64 nb = a->budgets, m = c->super_blocks;
    double per_pair = pair_price(a, w);
    for (i64 i = 0; i < m; i++) {
        Incoming in = incoming_of(c, i);
        for (i64 k = 0; k < in.n; k++)
            f->into[k] = (i ? f->value[c->groups[i - 1] + k] : w->stem[k]) + w->log[i] * in.logs[k];
        bool limited = c->limited[i] || per_pair > 0;
        i64 size = 0, begun = 0, reached = 0, equal = 0; /* the hull holds the incoming channels from `begun` to before `reached` */
        i64 first_place = 0; /* of the group before: its columns' slopes begin alike */
        double hulled = 0.0; /* channels of the group that the hull was made for */
        for (i64 g = c->groups[i]; g < c->groups[i + 1]; g++) {
            i64 first = c->first[g], stop = c->stop[g], start = c->starts[g], n = c->starts[g + 1] - start;
            double channels = c->channels[g], *own = f->own ? f->own + start : f->group_own;
            double *per_block = f->own ? f->per_block + start : f->group_step, *slope = f->group_slope;
            weigh_columns(c, w, i, g, own, per_block, slope);
            while (equal < stop && in.channels[equal] < channels)
                equal++;
            bool enters_itself = a->has_identity[i] && first <= equal && equal < stop && in.channels[equal] == channels;
            i64 identity = enters_itself ? equal : -1, beyond = identity, same = identity;
            while (identity >= 0 && beyond < stop && in.channels[beyond] == channels) {
                same = f->into[beyond] > f->into[same] ? beyond : same;
                beyond++;
            }
            if (!limited && (hulled != channels || a->continues[i])) {
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
            i64 place = most_int(0, least_int(first_place, size - 1)), chosen = -1, chosen_source = -1;
            double top = -INFINITY;
            for (i64 p = 0; p < n; p++) {
                double best = -INFINITY;
                i64 source = -1;
                if (limited) {
                    best = best_entry(c, w, f, &in, g, start + p, identity, beyond, slope[p], &source);
                } else if (size) {
                    place = climb(&f->hull, size, place, slope[p]);
                    source = f->hull.at[place];
                    best = f->hull.y[place] - slope[p] * f->hull.x[place];
                    if (p == 0)
                        first_place = place;
                }
                if (identity >= 0 && (!c->limited[i] || column_row(c, start + p)[IDENTITY_FITS] > 0)) {
                    double extra = 0.0;
                    for (i64 b = 0; b < nb; b++)
                        extra += w->budget[b] * c->identity[b * c->stride + start + p];
                    double entered = f->into[same] - slope[p] * channels - extra;
                    if (per_pair > 0)
                        entered -= per_pair * pair_count(a, column_row(c, start + p), in.places[same]);
                    if (entered > best)
                        best = entered, source = same;
                }
                if (f->own)
                    f->best[start + p] = best;
                if (best + own[p] > top)
                    top = best + own[p], chosen = p, chosen_source = source;
            }
            f->column[g] = chosen < 0 ? -1 : start + chosen;
            f->source[g] = chosen_source;
            f->rises[g] = chosen >= 0 && per_block[chosen] > 0;
            f->value[g] = top + w->end[i] * c->logs[g] + w->constant[i];
            if (i == m - 1)
                f->value[g] += w->per_channel * channels;
        }
    }
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
        path->depths[i] = f->rises[g] ? c->high[i] : c->low[i];
        if (i)
            g = c->groups[i - 1] + f->source[g];
    }
    path->stem = path->sources[0];
    return worth;
}

#endif
