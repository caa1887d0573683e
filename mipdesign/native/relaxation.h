/* What Python sees of a cell's relaxation (mipdesign.bounds.relaxation): handles that own their memory. */

#ifndef RELAXATION_H
#define RELAXATION_H

#include "enumeration.h"
#include "fixing.h"
#include "minimise.h"

enum { MADE, EMPTY, NO_MEMORY }; /* what comes of a handle */

typedef struct {
    Store store;
    Chain chain;
    Ranges ranges;
} Relaxation;

typedef struct {
    Store store;
    const Relaxation *relaxation;
    Room room;
    double value, error, constant;
} Bound;

static void *abandoned(Relaxation *r, i64 *status) {
    *status = r && !r->store.failed ? EMPTY : NO_MEMORY; /* without memory, nothing is known of the cell */
    if (r)
        give_back(&r->store);
    free(r);
    return NULL;
}

static Relaxation *relaxation_for(const Arrays *a, i64 n_stems, i64 n) {
    Relaxation *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    Chain *c = &r->chain;
    Store *s = &r->store;
    i64 m = a->super_blocks;
    c->arrays = a, c->super_blocks = m, c->n_stems = n_stems, c->n = n;
    c->at = take_ints(s, m + 1), c->rows = take_ints(s, n), c->stems = take_ints(s, n_stems);
    c->low = take_ints(s, m), c->high = take_ints(s, m);
    c->stem = take_doubles(s, n_stems), c->stem_logs = take_doubles(s, n_stems);
    return r;
}

/* The relaxation of a cell: `n_columns[i]` columns of each super-block, stems, depths from low to high; `keep` of the caller are the
 * arrays of the problem. NULL where chain rule or memory leave none, and `status` says which.
 */
EXPORT void *relaxation_new(const Arrays *a, const i64 *const *columns, const i64 *n_columns, const i64 *stems, i64 n_stems,
                            const i64 *low, const i64 *high, double cutoff, i64 *status) {
    i64 m = a->super_blocks, n = 0;
    *status = EMPTY;
    for (i64 i = 0; i < m; i++) {
        if (!n_columns[i])
            return NULL;
        n += n_columns[i];
    }
    if (!n_stems)
        return NULL;
    Relaxation *r = relaxation_for(a, n_stems, n);
    if (!r || r->store.failed)
        return abandoned(r, status);
    Chain *c = &r->chain;
    i64 *rows = (i64 *)c->rows, *at = (i64 *)c->at;
    at[0] = 0;
    for (i64 i = 0; i < m; i++) {
        at[i + 1] = at[i] + n_columns[i];
        for (i64 k = 0; k < n_columns[i]; k++)
            rows[at[i] + k] = columns[i][k] + a->offsets[i];
        c->low[i] = low[i], c->high[i] = high[i];
    }
    for (i64 k = 0; k < n_stems; k++) {
        c->stems[k] = stems[k];
        c->stem[k] = (double)a->stem_c[stems[k]];
        c->stem_logs[k] = log(c->stem[k]);
    }
    if (!link(c, &r->store))
        return abandoned(r, status);
    find_ranges(c, cutoff, &r->ranges, &r->store);
    if (r->store.failed)
        return abandoned(r, status);
    *status = MADE;
    return r;
}

/* The relaxation of some of the columns, with the ranges of all: the caller keeps `whole` as long. */
EXPORT void *relaxation_part(const Relaxation *whole, const uint8_t *chosen, i64 *status) {
    const Chain *all = &whole->chain;
    i64 n = 0, m = all->super_blocks;
    *status = EMPTY;
    for (i64 i = 0; i < m; i++) {
        i64 before = n;
        for (i64 p = all->at[i]; p < all->at[i + 1]; p++)
            n += chosen[p] != 0;
        if (n == before)
            return NULL;
    }
    Relaxation *r = relaxation_for(all->arrays, all->n_stems, n);
    if (!r || r->store.failed)
        return abandoned(r, status);
    Chain *c = &r->chain;
    i64 *rows = (i64 *)c->rows, *at = (i64 *)c->at;
    n = 0;
    for (i64 i = 0; i < m; i++) {
        at[i] = n;
        for (i64 p = all->at[i]; p < all->at[i + 1]; p++)
            if (chosen[p])
                rows[n++] = all->rows[p];
        c->low[i] = all->low[i], c->high[i] = all->high[i];
    }
    at[m] = n;
    for (i64 k = 0; k < all->n_stems; k++)
        c->stems[k] = all->stems[k], c->stem[k] = all->stem[k], c->stem_logs[k] = all->stem_logs[k];
    if (!link(c, &r->store))
        return abandoned(r, status);
    r->ranges = whole->ranges;
    *status = MADE;
    return r;
}

EXPORT void relaxation_free(Relaxation *r) {
    give_back(&r->store);
    free(r);
}

/* The ranges in the order of the structure. */
EXPORT void relaxation_ranges(const Relaxation *r, double *out) {
    const Ranges *of = &r->ranges;
    i64 n = RANGES * r->chain.arrays->stages;
    memcpy(out, of->s_low, (size_t)n * sizeof(double));
    out[n] = of->flat, out[n + 1] = of->spread, out[n + 2] = of->rho_low, out[n + 3] = of->rho_high;
}

/* Lowers the bound from `start`; results as in `Found`: `rows` and `weights` have room for known networks and evaluations, `numbers`
 * receives bound and error, `sizes` the place of the best network, the number of networks, and the evaluations (0: no memory).
 */
EXPORT void relaxation_minimise(const Relaxation *r, const double *start, double weight, double cutoff, const double *known,
                                i64 n_known, i64 max_evaluations, double tolerance, double *multipliers, double *rows,
                                double *weights, double *numbers, i64 *sizes) {
    Found found = {.multipliers = multipliers, .rows = rows, .weights = weights};
    minimise(&r->chain, &r->ranges, start, weight, cutoff, known, n_known, max_evaluations, tolerance, &found);
    numbers[0] = found.bound, numbers[1] = found.error;
    sizes[0] = found.at, sizes[1] = found.n, sizes[2] = found.evaluations;
}

/* The bound at given multipliers, which stay at hand for what follows from it; NULL where memory ends. `row` receives a network that
 * attains it, `numbers` the value, its rounding allowance, and the constant that is no path's.
 */
EXPORT void *bound_new(const Relaxation *r, const double *multipliers, double weight, double *row, double *numbers) {
    Bound *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->relaxation = r;
    b->room = room_for(&r->chain, true, &b->store);
    if (b->store.failed) {
        give_back(&b->store);
        free(b);
        return NULL;
    }
    b->value = evaluate(&r->chain, &r->ranges, multipliers, weight, &b->room, &b->error, &b->constant, row);
    numbers[0] = b->value, numbers[1] = b->error, numbers[2] = b->constant;
    return b;
}

EXPORT void bound_free(Bound *b) {
    give_back(&b->store);
    free(b);
}

/* See `fix_by_reduced_cost`. */
EXPORT i64 bound_fix(const Bound *b, double least, double *spares, uint8_t *kept_stem, i64 *low, i64 *high) {
    return fix_by_reduced_cost(&b->relaxation->chain, &b->room.weights, &b->room.pass, least, spares, kept_stem, low, high);
}

/* See `list_paths`. */
EXPORT i64 bound_list(const Bound *b, const i64 *depths, const i64 *depth_at, double least, i64 max_steps, i64 max_found, i64 *found,
                      i64 *steps) {
    return list_paths(&b->relaxation->chain, &b->room.weights, &b->room.pass, depths, depth_at, least, max_steps, max_found, found,
                      steps);
}

/* Of a part of the columns' rows: smallest and largest value of some columns, and the largest one that is at or below their geometric
 * middle and less than the largest (the smallest where all are equal).
 */
static void find_extent(const double *values, const i64 *columns, i64 n, double *out) {
    double low = values[columns[0]], high = low;
    for (i64 k = 1; k < n; k++) {
        low = least_of(low, values[columns[k]]);
        high = most_of(high, values[columns[k]]);
    }
    double middle = low, target = sqrt(low * high);
    for (i64 k = 0; k < n; k++) {
        double value = values[columns[k]];
        if (middle < value && value <= target && value < high)
            middle = value;
    }
    out[0] = low, out[1] = high, out[2] = middle;
}

/* The extents of channels, widths and kernels of every super-block, see `find_extent`, nine numbers each; and the largest t of each. */
EXPORT void cell_extents(const Arrays *a, const i64 *const *columns, const i64 *n_columns, double *out, double *longest) {
    const i64 parts[] = {CHANNELS, WIDTH, KERNEL};
    for (i64 i = 0; i < a->super_blocks; i++) {
        for (i64 part = 0; part < 3; part++)
            find_extent(a->transposed + parts[part] * a->n_rows + a->offsets[i], columns[i], n_columns[i], out + 9 * i + 3 * part);
        const double *log = a->transposed + BLOCK_LOG * a->n_rows + a->offsets[i];
        longest[i] = -INFINITY;
        for (i64 k = 0; k < n_columns[i]; k++)
            longest[i] = most_of(longest[i], log[columns[i][k]]);
    }
}

/* What `dearest_rho` bounds for an effectiveness without a price, with the ranges of a relaxation. */
EXPORT double relaxation_gain(const Relaxation *r, const double *multipliers) {
    double most;
    dearest_rho(r->chain.arrays, &r->ranges, multipliers, 0.0, &most);
    return most;
}

/* A step to a level, see `project_to_level`; for tests. */
EXPORT bool level_step(i64 dims, i64 cuts, const double *excess, const double *slopes, const double *centre, const uint8_t *is_signed,
                       double size, double *step, double *duals) {
    Store store = {0};
    Level level = level_for(dims, cuts, &store);
    bool found = !store.failed && project_to_level(&level, cuts, excess, slopes, centre, is_signed, size);
    if (!store.failed) {
        memcpy(step, level.step, (size_t)dims * sizeof(double));
        memcpy(duals, level.duals, (size_t)cuts * sizeof(double));
    }
    give_back(&store);
    return found;
}

#endif
