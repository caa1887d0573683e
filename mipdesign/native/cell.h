/* A cell: the choices that are left for each part of the network (mipdesign.lattice.cell.Cell). */

#ifndef CELL_H
#define CELL_H

#include "counts.h"
#include "memory.h"

/* As Python has it: columns of each super-block by their place in it; see `mipdesign.lattice.cell.View`. */
typedef struct {
    const i64 *const *columns;
    const i64 *n_columns, *stems, *low, *high;
    i64 n_stems;
} CellView;

/* As the core has it: rows of all columns, those of super-block i at[i] : at[i + 1]. */
typedef struct {
    i64 n, n_stems;
    i64 *at, *rows, *stems, *low, *high;
} Cell;

static Cell cell_for(const Arrays *a, i64 n, i64 n_stems, Store *s) {
    i64 m = a->super_blocks;
    return (Cell){n, n_stems, take_ints(s, m + 1), take_ints(s, n), take_ints(s, n_stems), take_ints(s, m), take_ints(s, m)};
}

/* Whether nothing is left of some part; the chain rule may leave nothing of others either. */
static bool is_empty(const Arrays *a, const CellView *view) {
    bool empty = view->n_stems == 0;
    for (i64 i = 0; i < a->super_blocks; i++)
        empty |= view->n_columns[i] == 0;
    return empty;
}

static Cell cell_of(const Arrays *a, const CellView *view, Store *s) {
    i64 m = a->super_blocks, n = 0;
    for (i64 i = 0; i < m; i++)
        n += view->n_columns[i];
    Cell c = cell_for(a, n, view->n_stems, s);
    if (s->failed)
        return c;
    c.at[0] = 0;
    for (i64 i = 0; i < m; i++) {
        i64 *rows = c.rows + c.at[i], first = a->offsets[i];
        const i64 *columns = view->columns[i];
        c.at[i + 1] = c.at[i] + view->n_columns[i];
        for (i64 k = 0; k < view->n_columns[i]; k++)
            rows[k] = columns[k] + first;
        c.low[i] = view->low[i], c.high[i] = view->high[i];
    }
    memcpy(c.stems, view->stems, (size_t)view->n_stems * sizeof(i64));
    return c;
}

/* ------------------------------------------------------------ depths */

/* The depths of a super-block that a cell leaves lie from `first` to before `stop` among those of all. */
static void depth_places(const Arrays *a, const Cell *c, i64 i, i64 *first, i64 *stop) {
    *first = a->depth_at[i], *stop = a->depth_at[i + 1];
    while (*first < *stop && a->depths[*first] < c->low[i])
        ++*first;
    while (*first < *stop && a->depths[*stop - 1] > c->high[i])
        --*stop;
}

/* Moves the ends of all depths onto their lattices; whether that leaves some of each. */
static bool round_depths(const Arrays *a, Cell *c) {
    for (i64 i = 0; i < a->super_blocks; i++) {
        i64 first, stop;
        depth_places(a, c, i, &first, &stop);
        if (first == stop)
            return false;
        c->low[i] = a->depths[first], c->high[i] = a->depths[stop - 1];
    }
    return true;
}

/* ------------------------------------------------------------ columns */

/* Leaves the columns that are marked. */
static void keep_rows(const Arrays *a, Cell *c, const uint8_t *kept) {
    i64 n = 0, first = 0;
    for (i64 i = 0; i < a->super_blocks; i++) {
        i64 stop = c->at[i + 1];
        for (i64 p = first; p < stop; p++) {
            c->rows[n] = c->rows[p];
            n += kept[p] != 0;
        }
        first = stop;
        c->at[i + 1] = n;
    }
    c->n = n;
}

/* Where a value stands, or would, among increasing ones. */
static i64 place_among(const double *values, i64 n, double value) {
    i64 low = 0, high = n;
    while (low < high) {
        i64 middle = (low + high) / 2;
        if (values[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Adds a value to n increasing ones, if they have it not; how many then. */
static inline i64 add_value(double *values, i64 n, double value) {
    i64 at = place_among(values, n, value);
    if (at < n && values[at] == value)
        return n;
    memmove(values + at + 1, values + at, (size_t)(n - at) * sizeof(double));
    values[at] = value;
    return n + 1;
}

/* The values that some rows have of a part, increasing; how many. */
static i64 distinct_values(const Arrays *a, i64 part, const i64 *rows, i64 n, double *out) {
    i64 found = 0;
    double before = NAN;
    for (i64 k = 0; k < n; k++) {
        double value = part_of(a, part, rows[k]);
        if (value != before)
            found = add_value(out, found, value);
        before = value;
    }
    return found;
}

/* ------------------------------------------------------------ ties */

/* Leaves two super-blocks the ends of their common depths; whether they have any. */
static bool tie_depths(const Arrays *a, Cell *c, i64 i, i64 j, bool *changed) {
    i64 first, stop, other, end, least = -1, most = -1;
    depth_places(a, c, i, &first, &stop);
    depth_places(a, c, j, &other, &end);
    for (; first < stop; first++) {
        while (other < end && a->depths[other] < a->depths[first])
            other++;
        if (other < end && a->depths[other] == a->depths[first]) {
            most = a->depths[first];
            least = least < 0 ? most : least;
        }
    }
    if (least < 0)
        return false;
    *changed |= c->low[i] != least || c->low[j] != least || c->high[i] != most || c->high[j] != most;
    c->low[i] = c->low[j] = least, c->high[i] = c->high[j] = most;
    return true;
}

/* Unmarks the columns of super-block i whose value super-block j does not have; whether any are left. */
static bool mark_common(const Arrays *a, const Cell *c, i64 part, i64 i, const double *common, i64 n, uint8_t *kept, bool *changed) {
    bool any = false;
    for (i64 p = c->at[i]; p < c->at[i + 1]; p++) {
        double value = part_of(a, part, c->rows[p]);
        i64 at = place_among(common, n, value);
        kept[p] = at < n && common[at] == value;
        any |= kept[p], *changed |= !kept[p];
    }
    return any;
}

/* Unmarks columns of element i, which continues the one before, and of that one: those in states that only one of them has, or in no
 * order; whether any are left of both.
 */
static bool mark_joined(const Arrays *a, const Cell *c, i64 i, uint8_t *kept, bool *changed) {
    i64 p = c->at[i - 1], q = c->at[i], stop = c->at[i], end = c->at[i + 1];
    double least = INFINITY, most = -INFINITY;
    bool any = false, other = false;
    while (p < stop || q < end) { /* both sorted by their states */
        i64 one = p < stop ? row_of(a, c->rows[p])->place : INT64_MAX, two = q < end ? row_of(a, c->rows[q])->place : INT64_MAX;
        i64 state = least_int(one, two);
        bool both = one == two;
        for (; p < stop && row_of(a, c->rows[p])->place == state; p++) {
            kept[p] = both;
            least = both ? least_of(least, a->ranks[c->rows[p]]) : least;
        }
        for (; q < end && row_of(a, c->rows[q])->place == state; q++) {
            kept[q] = both;
            most = both ? most_of(most, a->ranks[c->rows[q]]) : most;
        }
    }
    for (p = c->at[i - 1]; p < stop; p++) {
        kept[p] &= !a->ordered[i] || a->ranks[c->rows[p]] <= most;
        any |= kept[p], *changed |= !kept[p];
    }
    for (q = stop; q < end; q++) {
        kept[q] &= !a->ordered[i] || a->ranks[c->rows[q]] >= least;
        other |= kept[q], *changed |= !kept[q];
    }
    return any && other;
}

/* Unmarks columns of element i that read with more bits than any of the one before allows, and those of that one that allow no more
 * than less than all read with; whether any are left of both.
 */
static bool mark_readable(const Arrays *a, const Cell *c, i64 i, uint8_t *kept, bool *changed) {
    i64 allowed = 0, read = INT64_MAX, stop = c->at[i];
    bool any = false, other = false;
    for (i64 p = c->at[i - 1]; p < stop; p++)
        allowed = most_int(allowed, a->reading[a->n_rows + c->rows[p]]);
    for (i64 p = stop; p < c->at[i + 1]; p++)
        read = least_int(read, a->reading[c->rows[p]]);
    for (i64 p = c->at[i - 1]; p < stop; p++) {
        kept[p] = a->reading[a->n_rows + c->rows[p]] >= read;
        any |= kept[p], *changed |= !kept[p];
    }
    for (i64 p = stop; p < c->at[i + 1]; p++) {
        kept[p] = a->reading[c->rows[p]] <= allowed;
        other |= kept[p], *changed |= !kept[p];
    }
    return any && other;
}

/* Leaves what the ties leave: only values that all tied super-blocks have; whether that is something. Pairs of super-blocks are
 * taken in turn until none of them changes: what is left then is the most that keeps all ties. Blocks of a super-block are tied by
 * their state, and by their order.
 */
static bool keep_ties_of(const Arrays *a, Cell *c, bool *failed) {
    *failed = false;
    if (!a->n_ties && !a->has_blocks && !a->tail_bits)
        return true;
    Store store = {0}, *s = &store;
    bool changed = true, left = true;
    double *of_i = take_doubles(s, c->n), *of_j = take_doubles(s, c->n);
    uint8_t *kept = take(s, (size_t)c->n);
    *failed = s->failed;
    while (changed && left && !*failed) {
        changed = false;
        for (i64 i = 1; left && i < a->super_blocks; i++) {
            bool dropped = false;
            if (a->continues[i]) {
                memset(kept, 1, (size_t)c->n);
                left = mark_joined(a, c, i, kept, &dropped);
                if (left && dropped)
                    keep_rows(a, c, kept), changed = true;
            }
            if (left && a->tail_bits) {
                dropped = false;
                memset(kept, 1, (size_t)c->n);
                left = mark_readable(a, c, i, kept, &dropped);
                if (left && dropped)
                    keep_rows(a, c, kept), changed = true;
            }
        }
        for (i64 q = 0; left && q < a->n_ties; q++) {
            i64 part = a->ties[3 * q], i = a->ties[3 * q + 1], j = a->ties[3 * q + 2];
            if (part == DEPTH) {
                left = tie_depths(a, c, i, j, &changed);
                continue;
            }
            bool dropped = false;
            i64 n_i = distinct_values(a, part, c->rows + c->at[i], c->at[i + 1] - c->at[i], of_i);
            i64 n_j = distinct_values(a, part, c->rows + c->at[j], c->at[j + 1] - c->at[j], of_j);
            memset(kept, 1, (size_t)c->n);
            left = mark_common(a, c, part, i, of_j, n_j, kept, &dropped) && mark_common(a, c, part, j, of_i, n_i, kept, &dropped);
            if (dropped)
                keep_rows(a, c, kept), changed = true;
        }
    }
    give_back(s);
    return left;
}

/* ------------------------------------------------------------ what Python reads */

/* A cell that owns its memory. */
typedef struct {
    Cell cell; /* first: its address is that of the whole */
    Store store;
} OwnCell;

EXPORT void cell_free(OwnCell *own) {
    give_back(&own->store);
    free(own);
}

/* The part of a cell that the ties leave; NULL where that is nothing, or for lack of memory, which `failed` says. */
EXPORT void *cell_tied(const Arrays *a, const CellView *view, bool *failed) {
    OwnCell *own = calloc(1, sizeof *own);
    *failed = !own;
    if (!own)
        return NULL;
    bool left = !is_empty(a, view);
    if (left) {
        own->cell = cell_of(a, view, &own->store);
        *failed = own->store.failed;
        left = !*failed && keep_ties_of(a, &own->cell, failed) && !*failed;
    }
    if (left)
        return own;
    cell_free(own);
    return NULL;
}

/* How many stems a cell has, and columns of each super-block. */
EXPORT void cell_sizes(const Arrays *a, const Cell *c, i64 *sizes) {
    sizes[0] = c->n_stems;
    for (i64 i = 0; i < a->super_blocks; i++)
        sizes[1 + i] = c->at[i + 1] - c->at[i];
}

/* The choices of a cell; columns of all super-blocks one after the other, by their place in their super-block. */
EXPORT void cell_read(const Arrays *a, const Cell *c, i64 *stems, i64 *columns, i64 *low, i64 *high) {
    memcpy(stems, c->stems, (size_t)c->n_stems * sizeof(i64));
    memcpy(low, c->low, (size_t)a->super_blocks * sizeof(i64));
    memcpy(high, c->high, (size_t)a->super_blocks * sizeof(i64));
    for (i64 i = 0; i < a->super_blocks; i++)
        for (i64 p = c->at[i]; p < c->at[i + 1]; p++)
            columns[p] = c->rows[p] - a->offsets[i];
}

#endif
