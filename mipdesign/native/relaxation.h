/* What Python sees of a cell's relaxation (mipdesign.bounds.relaxation): handles that own their memory. */

#ifndef RELAXATION_H
#define RELAXATION_H

#include "cell.h"
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

/* A relaxation that is to be linked, of a cell that lives as long. */
static Relaxation *relaxation_for(const Arrays *a, const Cell *cell) {
    Relaxation *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    Chain *c = &r->chain;
    c->arrays = a, c->super_blocks = a->super_blocks, c->n_stems = cell->n_stems, c->n = cell->n;
    c->at = cell->at, c->rows = cell->rows, c->stems = cell->stems, c->low = cell->low, c->high = cell->high;
    c->stem = take_doubles(&r->store, c->n_stems), c->stem_logs = take_doubles(&r->store, c->n_stems);
    for (i64 k = 0; !r->store.failed && k < c->n_stems; k++) {
        c->stem[k] = (double)a->stem_c[c->stems[k]];
        c->stem_logs[k] = log(c->stem[k]);
    }
    return r;
}

/* The relaxation of a cell, for networks whose objective is at least `cutoff`. NULL where chain rule or memory leave none, and
 * `status` says which.
 */
static Relaxation *relaxed(const Arrays *a, const Cell *cell, double cutoff, i64 *status) {
    Relaxation *r = relaxation_for(a, cell);
    if (!r || r->store.failed || !link(&r->chain, &r->store))
        return abandoned(r, status);
    find_ranges(&r->chain, cutoff, &r->ranges, &r->store);
    if (r->store.failed)
        return abandoned(r, status);
    *status = MADE;
    return r;
}

/* The same of a cell that Python has, and the arrays of the problem, which the caller keeps. */
EXPORT void *relaxation_new(const Arrays *a, const CellView *view, double cutoff, i64 *status) {
    Store store = {0};
    *status = EMPTY;
    if (is_empty(a, view))
        return NULL;
    Cell cell = cell_of(a, view, &store);
    *status = NO_MEMORY;
    Relaxation *r = store.failed ? NULL : relaxed(a, &cell, cutoff, status);
    if (r)
        hand_over(&store, &r->store);
    else
        give_back(&store);
    return r;
}

/* The relaxation of some of the columns, with the ranges of all: the caller keeps `whole` as long. */
EXPORT void *relaxation_part(const Relaxation *whole, const uint8_t *chosen, i64 *status) {
    const Chain *all = &whole->chain;
    const Arrays *a = all->arrays;
    Store store = {0};
    i64 n = 0, m = all->super_blocks;
    *status = EMPTY;
    for (i64 i = 0; i < m; i++) {
        i64 before = n;
        for (i64 p = all->at[i]; p < all->at[i + 1]; p++)
            n += chosen[p] != 0;
        if (n == before)
            return NULL;
    }
    Cell part = {n, all->n_stems, take_ints(&store, m + 1), take_ints(&store, n), all->stems, all->low, all->high};
    *status = NO_MEMORY;
    if (store.failed)
        return NULL;
    n = 0;
    for (i64 i = 0; i < m; i++) {
        part.at[i] = n;
        for (i64 p = all->at[i]; p < all->at[i + 1]; p++)
            if (chosen[p])
                part.rows[n++] = all->rows[p];
    }
    part.at[m] = n;
    Relaxation *r = relaxation_for(a, &part);
    if (!r || r->store.failed || !link(&r->chain, &r->store)) {
        give_back(&store);
        return abandoned(r, status);
    }
    hand_over(&store, &r->store);
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

static i64 multipliers_of(const Arrays *a) { return a->budgets + 2 * a->n_rho_stages + a->n_penalised; }

/* The bound at given multipliers, which stay at hand for what follows from it; NULL where memory ends. `row` receives a network that
 * attains it.
 */
static Bound *bound_at(const Relaxation *r, const double *multipliers, double weight, double *row) {
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
    return b;
}

/* The same; `numbers` receives the value and its rounding allowance. */
EXPORT void *bound_new(const Relaxation *r, const double *multipliers, double weight, double *row, double *numbers) {
    Bound *b = bound_at(r, multipliers, weight, row);
    if (b)
        numbers[0] = b->value, numbers[1] = b->error;
    return b;
}

EXPORT void bound_free(Bound *b) {
    give_back(&b->store);
    free(b);
}

/* What a path has to be worth for it to reach a cutoff. */
static inline double least_worth(const Bound *b, double cutoff) { return cutoff - b->error - b->constant; }

/* The part of its cell whose own bounds reach the cutoff, and that the ties leave; whether there is any. A forward and a backward pass
 * give, for every column and every stem, the bound of the networks that use it.
 */
static bool reduce(const Bound *b, double cutoff, Cell *cell, Store *s) {
    const Chain *c = &b->relaxation->chain;
    const Arrays *a = c->arrays;
    Store store = {0};
    *cell = cell_for(a, c->n, c->n_stems, s);
    double *spares = take_doubles(&store, c->n);
    uint8_t *stems = take(&store, (size_t)c->n_stems);
    s->failed |= store.failed;
    bool some = false;
    if (!s->failed) {
        memcpy(cell->low, c->low, (size_t)a->super_blocks * sizeof(i64));
        memcpy(cell->high, c->high, (size_t)a->super_blocks * sizeof(i64));
        double least = least_worth(b, cutoff);
        i64 found = fix_by_reduced_cost(c, &b->room.weights, &b->room.pass, least, spares, stems, cell->low, cell->high);
        s->failed |= found < 0;
        some = found > 0;
    }
    if (some) {
        i64 n = 0;
        cell->at[0] = 0;
        for (i64 i = 0; i < a->super_blocks; i++) {
            for (i64 p = c->at[i]; p < c->at[i + 1]; p++) {
                cell->rows[n] = c->rows[p];
                n += spares[p] >= 0;
            }
            cell->at[i + 1] = n;
        }
        cell->n = n, n = 0;
        for (i64 k = 0; k < c->n_stems; k++) {
            cell->stems[n] = c->stems[k];
            n += stems[k] != 0;
        }
        cell->n_stems = n;
        some = round_depths(a, cell) && keep_ties_of(a, cell, &s->failed) && !s->failed;
    }
    give_back(&store);
    return some;
}

/* See `reduce`; NULL where nothing is left, or for lack of memory, which `failed` says. */
EXPORT void *bound_reduce(const Bound *b, double cutoff, bool *failed) {
    OwnCell *own = calloc(1, sizeof *own);
    *failed = !own;
    if (!own)
        return NULL;
    bool some = reduce(b, cutoff, &own->cell, &own->store);
    *failed = own->store.failed;
    if (some)
        return own;
    cell_free(own);
    return NULL;
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
