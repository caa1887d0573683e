/* The level method's inner problem: the shortest step to a point where a model of the dual function lies below a level. */

#ifndef LEVEL_H
#define LEVEL_H

#include "memory.h"

#define GRADIENT_TOLERANCE 1e-10
#define SMALLEST 1e-14 /* multipliers below it leave the active set */

/* Room for steps of up to so many cuts; `active` is the active set of the latest call, bounds first. */
typedef struct {
    i64 dims, most, count;
    i64 *active;
    uint8_t *inside;
    double *rows, *across, *norms, *gram, *target, *u, *factor, *trial, *slopes, *step, *duals; /* `across`: the rows, transposed */
} Level;

static Level level_for(i64 dims, i64 cuts, Store *s) {
    i64 most = dims + cuts;
    return (Level){.dims = dims, .most = most, .count = 0, .active = take_ints(s, most), .inside = take(s, (size_t)most),
                   .rows = take_doubles(s, most * (dims + 1)), .across = take_doubles(s, most * (dims + 1)),
                   .norms = take_doubles(s, most), .gram = take_doubles(s, most * most), .target = take_doubles(s, most),
                   .u = take_doubles(s, most), .factor = take_doubles(s, most * most), .trial = take_doubles(s, most),
                   .slopes = take_doubles(s, most), .step = take_doubles(s, dims), .duals = take_doubles(s, cuts)};
}

/* `to += factor * from`: loops over many sums at once, for the compiler to take several, and each in its order. */
static inline void add_times(double *restrict to, double factor, const double *restrict from, i64 n) {
    for (i64 k = 0; k < n; k++)
        to[k] += factor * from[k];
}

/* Solves the normal equations on the active set by Cholesky's method, into `trial`; whether they are regular. */
static bool solve_active(Level *l, i64 n) {
    double *a = l->factor, *x = l->trial;
    i64 count = l->count;
    for (i64 r = 0; r < count; r++) {
        const double *gram = l->gram + l->active[r] * n;
        for (i64 t = 0; t <= r; t++) {
            double total = gram[l->active[t]];
            for (i64 k = 0; k < t; k++)
                total -= a[r * l->most + k] * a[t * l->most + k];
            if (r == t) {
                if (total <= 0.0)
                    return false;
                a[r * l->most + r] = sqrt(total);
            } else {
                a[r * l->most + t] = total / a[t * l->most + t];
            }
        }
    }
    for (i64 r = 0; r < count; r++) {
        double total = l->target[l->active[r]];
        for (i64 k = 0; k < r; k++)
            total -= a[r * l->most + k] * x[k];
        x[r] = total / a[r * l->most + r];
    }
    for (i64 r = count - 1; r >= 0; r--) {
        double total = x[r];
        for (i64 k = r + 1; k < count; k++)
            total -= a[k * l->most + r] * x[k];
        x[r] = total / a[r * l->most + r];
    }
    return true;
}

/* `min u' G u / 2 - t' u` over u >= 0, from the active set at hand: the active-set method of Lawson and Hanson (1974). */
static bool solve_nnls(Level *l, i64 n) {
    double *u = l->u;
    for (i64 r = 0; r < n; r++)
        u[r] = 0.0;
    while (l->count) {
        if (!solve_active(l, n)) {
            l->count = 0;
            return false;
        }
        i64 left = 0;
        for (i64 k = 0; k < l->count; k++)
            if (l->trial[k] > 0)
                l->active[left++] = l->active[k];
        if (left == l->count) {
            for (i64 k = 0; k < left; k++)
                u[l->active[k]] = l->trial[k];
            break;
        }
        l->count = left;
    }
    for (i64 step = 0; step < 3 * n; step++) {
        double best = GRADIENT_TOLERANCE;
        i64 entering = -1;
        memset(l->inside, 0, (size_t)n);
        memcpy(l->slopes, l->target, (size_t)n * sizeof(double));
        for (i64 k = 0; k < l->count; k++) {
            i64 r = l->active[k];
            l->inside[r] = 1;
            add_times(l->slopes, -u[r], l->gram + r * n, n);
        }
        for (i64 r = 0; r < n; r++)
            if (!l->inside[r] && l->slopes[r] > best)
                best = l->slopes[r], entering = r;
        if (entering < 0)
            break;
        l->active[l->count++] = entering;
        while (l->count) {
            if (!solve_active(l, n)) {
                l->count = 0;
                return false;
            }
            double share = 1.0;
            bool falls = false;
            for (i64 k = 0; k < l->count; k++) {
                double old = u[l->active[k]];
                if (l->trial[k] <= 0) {
                    share = least_of(share, old / most_of(old - l->trial[k], 1e-300));
                    falls = true;
                }
            }
            i64 left = 0;
            for (i64 k = 0; k < l->count; k++) {
                i64 r = l->active[k];
                u[r] = falls ? u[r] + share * (l->trial[k] - u[r]) : l->trial[k];
                if (!falls || u[r] > SMALLEST)
                    l->active[left++] = r;
                else
                    u[r] = 0.0;
            }
            l->count = left;
            if (!falls)
                break;
        }
    }
    return true;
}

/* Shortest step z with `excess + slopes z <= 0` and `centre + z >= 0` where `is_signed`; whether there is one. Least-distance
 * programming by non-negative least squares (Lawson and Hanson 1974, chapter 23). `excess` says how far each cut lies above the level
 * at the centre, `size` is the magnitude of the dual function; the cuts' multipliers go to `duals`.
 */
static bool project_to_level(Level *l, i64 cuts, const double *excess, const double *slopes, const double *centre,
                             const uint8_t *is_signed, double size) {
    i64 dims = l->dims, width = dims + 1, bounds = 0;
    double *e = l->rows;
    for (i64 d = 0; d < dims; d++)
        if (is_signed[d]) {
            memset(e + bounds * width, 0, (size_t)width * sizeof(double));
            e[bounds * width + d] = 1.0;
            e[bounds * width + dims] = -centre[d] / size;
            bounds++;
        }
    i64 n = bounds + cuts;
    for (i64 r = 0; r < cuts; r++) {
        double *row = e + (bounds + r) * width;
        for (i64 d = 0; d < dims; d++)
            row[d] = -slopes[r * dims + d];
        row[dims] = excess[r] / size;
    }
    for (i64 r = 0; r < n; r++) {
        double *row = e + r * width, square = 0.0;
        for (i64 d = 0; d < width; d++)
            square += row[d] * row[d];
        l->norms[r] = sqrt(square) + 1e-12;
        for (i64 d = 0; d < width; d++)
            l->across[d * n + r] = row[d] /= l->norms[r];
        l->target[r] = row[dims];
    }
    for (i64 r = 0; r < n; r++) {
        double *products = l->gram + r * n;
        memset(products, 0, (size_t)(r + 1) * sizeof(double));
        for (i64 d = 0; d < width; d++)
            add_times(products, e[r * width + d], l->across + d * n, r + 1);
        for (i64 t = 0; t < r; t++)
            l->gram[t * n + r] = products[t];
        products[r] += 1e-13;
    }
    bool solved = solve_nnls(l, n);
    for (i64 d = 0; d < dims; d++)
        l->step[d] = 0.0;
    for (i64 r = 0; r < cuts; r++)
        l->duals[r] = solved ? l->u[bounds + r] / l->norms[bounds + r] : 0.0;
    if (!solved)
        return false;
    double last = -1.0;
    for (i64 r = 0; r < n; r++)
        if (l->u[r] > 0) {
            last += e[r * width + dims] * l->u[r];
            for (i64 d = 0; d < dims; d++)
                l->step[d] -= e[r * width + d] * l->u[r];
        }
    if (fabs(last) < 1e-7)
        return false;
    for (i64 d = 0; d < dims; d++)
        l->step[d] *= size / last;
    return true;
}

#endif
