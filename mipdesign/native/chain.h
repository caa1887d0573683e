/* A cell as a chain of elements: its columns in groups of equal states, and which groups may follow which.
 *
 * An element is a super-block, whose state is the number of its channels, or one block of a super-block whose blocks may differ: all
 * of those have the same state, which is what the blocks have in common. States are sorted by channels.
 */

#ifndef CHAIN_H
#define CHAIN_H

#include "counts.h"
#include "memory.h"

typedef struct {
    const Arrays *arrays;
    i64 n, super_blocks, n_groups, n_stems;
    i64 widest;            /* most columns of equal channels in one super-block, */
    i64 widest_incoming;   /* and most groups in one */
    const i64 *rows;       /* row of each column; those of super-block i are at[i] : at[i + 1] */
    const i64 *at;
    const double *fixed, *slope, *identity, *rest; /* parts of equation (1): those of budget b begin at b * stride */
    const double *log, *layers, *extra;            /* t of equation (2), layers of a block, e where the score has it */
    i64 stride;
    uint8_t *limited;      /* super-blocks some columns of which may not be entered with all channels, or only once */
    i64 *groups, *starts;  /* groups of super-block i are groups[i] : groups[i + 1]; columns of g starts[g] : starts[g + 1] */
    double *channels, *logs; /* C and log C of each group, */
    i64 *places, *states;  /* and the place of C among the channels of its super-block, and the state */
    i64 *first, *stop;     /* the window of incoming channels of each group: stems, else groups of the super-block before */
    double *stem, *stem_logs;
    i64 *stems;            /* places of the stems among all */
    i64 *low, *high;       /* range of each depth */
} Chain;

/* Channels that may enter a super-block, their logarithms, their places among all, and states. */
typedef struct {
    i64 n;
    const double *channels, *logs;
    const i64 *places, *states;
} Incoming;

static inline Incoming incoming_of(const Chain *c, i64 i) {
    if (i == 0)
        return (Incoming){c->n_stems, c->stem, c->stem_logs, c->stems, c->stems};
    i64 before = c->groups[i - 1];
    return (Incoming){c->groups[i] - before, c->channels + before, c->logs + before, c->places + before, c->states + before};
}

static inline const double *column_row(const Chain *c, i64 p) { return row_of(c->arrays, c->rows[p]); }

/* The parts of some rows: the tables' own where all rows are there. */
static void gather(Chain *c, Store *s) {
    const Arrays *a = c->arrays;
    i64 nb = a->budgets, n = c->n;
    const double *all = a->transposed;
    if (n == a->n_rows) {
        c->stride = n;
        c->fixed = all + COUNTS * n;
        c->slope = c->fixed + nb * n;
        c->identity = c->slope + nb * n;
        c->rest = c->identity + nb * n;
        c->log = all + BLOCK_LOG * n;
        c->layers = all + LAYERS * n;
        c->extra = all + BLOCK_EXTRA * n;
        return;
    }
    i64 parts = 4 * nb + 2 + a->has_extra, beside[] = {BLOCK_LOG, LAYERS, BLOCK_EXTRA};
    double *table = take_doubles(s, parts * n);
    if (!table)
        return;
    for (i64 part = 0; part < parts; part++) {
        const double *from = all + (part < 4 * nb ? COUNTS + part : beside[part - 4 * nb]) * a->n_rows;
        double *to = table + part * n;
        for (i64 p = 0; p < n; p++)
            to[p] = from[c->rows[p]];
    }
    c->stride = n;
    c->fixed = table;
    c->slope = table + nb * n;
    c->identity = table + 2 * nb * n;
    c->rest = table + 3 * nb * n;
    c->log = table + 4 * nb * n;
    c->layers = table + (4 * nb + 1) * n;
    c->extra = a->has_extra ? table + (4 * nb + 2) * n : NULL;
}

static void find_limited(Chain *c) {
    double widest = c->stem[c->n_stems - 1];
    const Arrays *a = c->arrays;
    for (i64 i = 0; i < c->super_blocks; i++) {
        c->limited[i] = 0;
        for (i64 p = c->at[i]; a->may_be_limited[i] && p < c->at[i + 1] && !c->limited[i]; p++) {
            const double *row = column_row(c, p);
            c->limited[i] = row[MOST_INCOMING] < widest || row[IDENTITY_FITS] == 0 || row[REST_FITS] == 0;
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

/* The window of incoming groups of a group, from where that of the group before is. */
static void find_window(const Chain *c, i64 i, i64 g, const Incoming *in, i64 *from, i64 *to) {
    const Arrays *a = c->arrays;
    if (a->continues[i]) {
        while (*from < in->n && in->states[*from] < c->states[g])
            ++*from;
        *to = *from < in->n && in->states[*from] == c->states[g] ? *from + 1 : *from;
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
    const double *state_of = a->transposed + STATE * a->n_rows;
    c->groups = take_ints(s, m + 1);
    for (i64 i = 0; i < m; i++)
        for (i64 p = c->at[i]; p < c->at[i + 1]; p++)
            n += p == c->at[i] || state_of[c->rows[p]] != state_of[c->rows[p - 1]];
    c->n_groups = n;
    c->starts = take_ints(s, n + 1), c->places = take_ints(s, n), c->first = take_ints(s, n), c->stop = take_ints(s, n);
    c->states = take_ints(s, n), c->channels = take_doubles(s, n), c->logs = take_doubles(s, n);
    uint8_t *reached = take(s, (size_t)n), *all = take(s, (size_t)c->n_stems);
    if (s->failed)
        return false;
    n = 0;
    c->groups[0] = 0;
    for (i64 i = 0; i < m; i++) {
        for (i64 p = c->at[i]; p < c->at[i + 1]; p++)
            if (p == c->at[i] || state_of[c->rows[p]] != state_of[c->rows[p - 1]])
                c->starts[n++] = p;
        c->groups[i + 1] = n;
    }
    c->starts[n] = c->n;
    c->widest = 0, c->widest_incoming = c->n_stems;
    for (i64 g = 0; g < n; g++) {
        const double *row = column_row(c, c->starts[g]);
        c->channels[g] = row[CHANNELS], c->logs[g] = row[LOG_CHANNELS], c->places[g] = (i64)row[PLACE];
        c->states[g] = (i64)row[STATE];
    }
    for (i64 i = 0; i < m; i++)
        for (i64 g = c->groups[i], start = c->groups[i]; g < c->groups[i + 1]; g++) {
            start = c->channels[start] == c->channels[g] ? start : g;
            c->widest = most_int(c->widest, c->starts[g + 1] - c->starts[start]);
        }
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
    gather(c, s);
    c->limited = take(s, (size_t)c->super_blocks);
    return !s->failed && build_groups(c, s);
}

/* Least and largest `sum log w` of each super-block, incoming channels and depths within the cell; of layer terms with `extra`. */
static void log_ranges(const Chain *c, const double *extra, double *least, double *most) {
    for (i64 i = 0; i < c->super_blocks; i++) {
        double below = (double)(c->low[i] - 1), above = (double)(c->high[i] - 1);
        least[i] = INFINITY, most[i] = -INFINITY;
        for (i64 g = c->groups[i]; g < c->groups[i + 1]; g++) {
            double low = INFINITY, high = -INFINITY; /* of t: the rest grows with it */
            for (i64 p = c->starts[g]; p < c->starts[g + 1]; p++) {
                double term = extra ? c->log[p] + extra[p] : c->log[p];
                low = least_of(low, term);
                high = most_of(high, term);
            }
            if (c->arrays->continues[i]) {
                least[i] = least_of(least[i], c->logs[g] + low);
                most[i] = most_of(most[i], c->logs[g] + high);
                continue;
            }
            least[i] = least_of(least[i], low + below * (c->logs[g] + low));
            most[i] = most_of(most[i], high + above * (c->logs[g] + high));
        }
        Incoming in = incoming_of(c, i);
        if (c->arrays->continues[i]) /* log ci is log C */
            continue;
        least[i] += in.logs[0];
        most[i] += in.logs[in.n - 1];
    }
}

#endif
