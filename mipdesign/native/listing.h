/* The networks of a small cell that keep all budgets and reach a cutoff, up to rounding. */

#ifndef LISTING_H
#define LISTING_H

#include "batch.h"
#include "relaxation.h"

#define MOST_LISTED 20000 /* networks that a search for all of them finds */
#define NEAR 1e-9 /* relative margin within which a floating-point figure is taken to keep a limit; exact arithmetic decides */

/* How far below a cutoff the floating-point objective of a network may be that reaches it; `doubt` is its rounding error. */
static inline double margin_of(double cutoff, double doubt) { return isfinite(cutoff) ? NEAR * fabs(cutoff) + doubt : 0.0; }

/* See `list_paths`. */
EXPORT i64 bound_list(const Bound *b, double cutoff, i64 max_steps, i64 *found, i64 *steps) {
    const Chain *c = &b->relaxation->chain;
    const Arrays *a = c->arrays;
    Store store = {0}, *s = &store;
    i64 m = a->super_blocks, *depths = take_ints(s, a->depth_at[m]), *depth_at = take_ints(s, m + 1), n = 0;
    *steps = -1;
    for (i64 i = 0; !s->failed && i <= m; i++) {
        depth_at[i] = n;
        for (i64 k = a->depth_at[i]; i < m && k < a->depth_at[i + 1]; k++)
            if (c->low[i] <= a->depths[k] && a->depths[k] <= c->high[i])
                depths[n++] = a->depths[k];
    }
    n = s->failed ? 0 : list_paths(c, &b->room.weights, &b->room.pass, depths, depth_at, least_worth(b, cutoff), max_steps, MOST_LISTED,
                                   found, steps);
    give_back(s);
    return n;
}

/* Whether a network may keep all limits. */
static bool may_fit(const Arrays *a, const Network *of) {
    bool fits = of->chained;
    for (i64 b = 0; b < a->budgets; b++)
        fits &= (of->counts[b] - a->limits[b]) / most_of(fabs(a->limits[b]), 1.0) <= NEAR;
    for (i64 k = 0; k < a->n_rho_stages; k++) {
        i64 j = a->rho_stages[k];
        fits &= of->layers[j] / exp(of->logs[j] / of->layers[j]) / a->rho - 1.0 <= NEAR;
    }
    return fits;
}

typedef struct {
    double objective;
    i64 place;
} Ranked;

static int by_objective(const void *one, const void *other) {
    const Ranked *a = one, *b = other;
    if (a->objective != b->objective)
        return a->objective > b->objective ? -1 : 1;
    return a->place < b->place ? -1 : 1;
}

/* Networks in falling order of their objectives: rows of stem, columns, depths. */
typedef struct {
    i64 n, *rows;
    double *objectives;
} Listing;

enum { LISTED, TOO_MANY, WITHOUT_MEMORY };

/* The networks of a cell that may keep all limits and reach a cutoff; with weight 0, whatever their objective. */
static int list_networks(const Arrays *a, const Cell *cell, double cutoff, const double *multipliers, double weight, i64 max_steps,
                         double doubt, Listing *out, Store *s) {
    Store store = {0}, *own = &store;
    i64 status, steps, m = a->super_blocks, width = 1 + 2 * m, n = 0;
    *out = (Listing){0, NULL, NULL};
    if (a->has_blocks)
        max_steps = most_int(max_steps, 2 * m); /* which find any single network */
    Relaxation *r = relaxed(a, cell, cutoff, &status);
    if (!r)
        return status == EMPTY ? LISTED : WITHOUT_MEMORY;
    double *path = take_doubles(own, path_row(a).width);
    i64 *found = take_ints(own, MOST_LISTED * width), all = 0;
    Bound *b = own->failed ? NULL : bound_at(r, multipliers, weight, path);
    int result = WITHOUT_MEMORY;
    if (b) {
        all = bound_list(b, cutoff, max_steps, found, &steps);
        result = steps < 0 ? WITHOUT_MEMORY : steps > max_steps ? TOO_MANY : LISTED;
    }
    Ranked *ranked = take(own, (size_t)all * sizeof(Ranked));
    Network network = network_for(a, own);
    if (own->failed)
        result = WITHOUT_MEMORY;
    if (result == LISTED) {
        double level = weight != 0 ? cutoff - margin_of(cutoff, doubt) : -INFINITY;
        for (i64 k = 0; k < all; k++) {
            const i64 *row = found + k * width;
            evaluate_network(a, row[0], row + 1, row + 1 + m, &network);
            ranked[n] = (Ranked){network.objective, k};
            n += network.objective >= level && may_fit(a, &network);
        }
        qsort(ranked, (size_t)n, sizeof(Ranked), by_objective);
        *out = (Listing){n, take_ints(s, n * width), take_doubles(s, n)};
        for (i64 k = 0; !s->failed && k < n; k++) {
            memcpy(out->rows + k * width, found + ranked[k].place * width, (size_t)width * sizeof(i64));
            out->objectives[k] = ranked[k].objective;
        }
        result = s->failed ? WITHOUT_MEMORY : LISTED;
    }
    if (b)
        bound_free(b);
    relaxation_free(r);
    give_back(own);
    return result;
}

/* The same for Python: rows and objectives have room for MOST_LISTED; how many there are, -1 for too many, -2 without memory. */
EXPORT i64 cell_list(const Arrays *a, const CellView *view, double cutoff, const double *multipliers, double weight, i64 max_steps,
                     double doubt, i64 *rows, double *objectives) {
    Store store = {0};
    Listing listing = {0, NULL, NULL};
    int result = LISTED;
    if (!is_empty(a, view)) {
        Cell cell = cell_of(a, view, &store);
        result = WITHOUT_MEMORY;
        if (!store.failed)
            result = list_networks(a, &cell, cutoff, multipliers, weight, max_steps, doubt, &listing, &store);
    }
    if (result == LISTED && listing.n) {
        memcpy(rows, listing.rows, (size_t)(listing.n * (1 + 2 * a->super_blocks)) * sizeof(i64));
        memcpy(objectives, listing.objectives, (size_t)listing.n * sizeof(double));
    }
    give_back(&store);
    return result == LISTED ? listing.n : result == TOO_MANY ? -1 : -2;
}

#endif
