/* A cell as a chain of elements: its columns in groups of equal places, and which groups may follow which.
 *
 * An element is a super-block, whose places are those of its channels, or one block of a super-block whose blocks may differ: its
 * places are the states that all of these blocks have in common. They are sorted by channels.
 */

#ifndef CHAIN_H
#define CHAIN_H

#include "counts.h"
#include "memory.h"

typedef struct {
    const Arrays *arrays;
    i64 n, super_blocks, n_groups, n_stems;
    i64 widest;            /* most columns of equal channels in one element, */
    i64 widest_incoming;   /* and most groups in one */
    const i64 *rows;       /* row of each column; those of super-block i are at[i] : at[i + 1] */
    const i64 *at;
    uint8_t *limited;      /* super-blocks some columns of which may not be entered with all channels, or only once */
    i64 *groups, *starts;  /* groups of super-block i are groups[i] : groups[i + 1]; columns of g starts[g] : starts[g + 1] */
    double *channels, *logs; /* C and log C of each group, */
    i64 *places;           /* and the place among those of its super-block */
    i64 *first, *stop;     /* the window of incoming channels of each group: stems, else groups of the super-block before */
    double *stem, *stem_logs;
    i64 *stems;            /* places of the stems among all */
    i64 *low, *high;       /* range of each depth */
} Chain;

/* Channels that may enter a super-block, their logarithms, and their places among all. */
typedef struct {
    i64 n;
    const double *channels, *logs;
    const i64 *places;
} Incoming;

static inline Incoming incoming_of(const Chain *c, i64 i) {
    if (i == 0)
        return (Incoming){c->n_stems, c->stem, c->stem_logs, c->stems};
    i64 before = c->groups[i - 1];
    return (Incoming){c->groups[i] - before, c->channels + before, c->logs + before, c->places + before};
}

static inline const Row *column_row(const Chain *c, i64 p) { return row_of(c->arrays, c->rows[p]); }

static void find_limited(Chain *c) {
    double widest = c->stem[c->n_stems - 1];
    const Arrays *a = c->arrays;
    for (i64 i = 0; i < c->super_blocks; i++) {
        c->limited[i] = 0;
        for (i64 p = c->at[i]; a->may_be_limited[i] && p < c->at[i + 1] && !c->limited[i]; p++) {
            const Row *row = column_row(c, p);
            c->limited[i] = (double)row->most_incoming < widest || !row->identity_fits || !row->rest_fits;
        }
        widest = c->channels[c->groups[i + 1] - 1];
    }
}

/* Whether a column of a group may be entered with channels that some path reaches. */
static bool is_reached(const Chain *c, i64 i, i64 g, const Incoming *in, const uint8_t *alive) {
    for (i64 k = c->first[g]; k < c->stop[g]; k++)
        for (i64 p = c->starts[g]; alive[k] && p < c->starts[g + 1]; p++)
            if (!c->limited[i] || may_enter(column_row(c, p), in->channels[k]))
                return true;
    return false;
}

/* The first of increasing columns from p on that is not a row before `stop`: groups are long, so the step doubles. */
static i64 end_of_group(const i64 *rows, i64 p, i64 n, i64 stop) {
    i64 step = 1, low = p; /* which is before `stop` */
    while (low + step < n && rows[low + step] < stop)
        low += step, step *= 2;
    i64 high = least_int(low + step, n);
    while (high - low > 1) {
        i64 middle = (low + high) / 2;
        if (rows[middle] < stop)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* The window of incoming groups of a group, from where that of the group before is. */
static void find_window(const Chain *c, i64 i, i64 g, const Incoming *in, i64 *from, i64 *to) {
    const Arrays *a = c->arrays;
    if (a->continues[i]) {
        while (*from < in->n && in->places[*from] < c->places[g])
            ++*from;
        *to = *from < in->n && in->places[*from] == c->places[g] ? *from + 1 : *from;
        return;
    }
    const i64 *window = a->entering + 2 * (a->entering_at[i] + c->places[g]);
    while (*to < in->n && in->channels[*to] <= (double)window[1])
        ++*to;
    while (*from < in->n && in->channels[*from] < (double)window[0])
        ++*from;
}

/* The groups of each super-block and their windows of incoming groups; whether any path exists. */
static bool build_groups(Chain *c, Store *s) {
    const Arrays *a = c->arrays;
    i64 m = c->super_blocks, n = 0;
    c->groups = take_ints(s, m + 1);
    for (i64 i = 0; i < m; i++)
        n += least_int(a->entering_at[i + 1] - a->entering_at[i], c->at[i + 1] - c->at[i]); /* as many as there may be */
    c->starts = take_ints(s, n + 1), c->places = take_ints(s, n), c->first = take_ints(s, n), c->stop = take_ints(s, n);
    c->channels = take_doubles(s, n), c->logs = take_doubles(s, n);
    uint8_t *reached = take(s, (size_t)n), *all = take(s, (size_t)c->n_stems);
    if (s->failed)
        return false;
    n = 0;
    c->groups[0] = 0;
    c->widest = 0, c->widest_incoming = c->n_stems;
    for (i64 i = 0; i < m; i++) {
        i64 start = c->at[i]; /* of the columns with these channels */
        for (i64 p = c->at[i], next; p < c->at[i + 1]; p = next, n++) {
            const Row *row = column_row(c, p);
            next = end_of_group(c->rows, p, c->at[i + 1], a->place_at[a->entering_at[i] + row->place + 1]);
            c->starts[n] = p;
            c->channels[n] = row->channels, c->places[n] = row->place;
            c->logs[n] = a->channel_logs[a->entering_at[i] + row->place];
            start = n > c->groups[i] && c->channels[n - 1] == c->channels[n] ? start : p;
            c->widest = most_int(c->widest, next - start);
        }
        c->groups[i + 1] = n;
    }
    c->n_groups = n;
    c->starts[n] = c->n;
    find_limited(c);
    memset(all, 1, (size_t)c->n_stems);
    const uint8_t *alive = all;
    for (i64 i = 0; i < m; i++) {
        Incoming in = incoming_of(c, i);
        i64 from = 0, to = 0;
        bool any = false;
        for (i64 g = c->groups[i]; g < c->groups[i + 1]; g++) {
            find_window(c, i, g, &in, &from, &to);
            c->first[g] = from, c->stop[g] = to;
            reached[g] = is_reached(c, i, g, &in, alive);
            any |= reached[g];
        }
        if (!any)
            return false;
        alive = reached + c->groups[i];
        c->widest_incoming = most_int(c->widest_incoming, c->groups[i + 1] - c->groups[i]);
    }
    return true;
}

/* Links the columns that `rows` and `at` name; whether there is a path. */
static bool link(Chain *c, Store *s) {
    c->limited = take(s, (size_t)c->super_blocks);
    return !s->failed && build_groups(c, s);
}

/* Least and largest `sum log w` of each super-block, or of layer terms where `with_extra` says so, and number of layers; incoming
 * channels and depths within the cell.
 */
static void column_ranges(const Chain *c, bool with_extra, double *least, double *most, double *least_layers, double *most_layers) {
    for (i64 i = 0; i < c->super_blocks; i++) {
        double below = (double)(c->low[i] - 1), above = (double)(c->high[i] - 1);
        i64 few = INT64_MAX, many = 0;
        least[i] = INFINITY, most[i] = -INFINITY;
        for (i64 g = c->groups[i]; g < c->groups[i + 1]; g++) {
            double low = INFINITY, high = -INFINITY; /* of t: the rest grows with it */
            for (i64 p = c->starts[g]; p < c->starts[g + 1]; p++) {
                const Row *row = column_row(c, p);
                fetch_head(c->arrays, c->rows[least_int(p + AHEAD, c->n - 1)]);
                double term = with_extra ? row->log + extra_of(c->arrays, c->rows[p]) : row->log;
                low = least_of(low, term);
                high = most_of(high, term);
                few = least_int(few, row->layers);
                many = most_int(many, row->layers);
            }
            double entered = c->arrays->continues[i] ? c->logs[g] : 0.0; /* with its own channels, and it has depth 1 */
            least[i] = least_of(least[i], entered + low + below * (c->logs[g] + low));
            most[i] = most_of(most[i], entered + high + above * (c->logs[g] + high));
        }
        if (!c->arrays->continues[i]) {
            Incoming in = incoming_of(c, i);
            least[i] += in.logs[0];
            most[i] += in.logs[in.n - 1];
        }
        least_layers[i] = (double)few * (double)c->low[i];
        most_layers[i] = (double)many * (double)c->high[i];
    }
}

#endif
