/* Upper hulls of points in the plane: they answer which of many lines is highest, for many slopes in turn. */

#ifndef HULL_H
#define HULL_H

#include "memory.h"

/* Room for an upper hull: which points are on it, and their coordinates. */
typedef struct {
    i64 *at;
    double *x, *y;
} Hull;

static Hull hull_for(Store *s, i64 points) {
    Hull h = {take_ints(s, points), take_doubles(s, points), take_doubles(s, points)};
    return h;
}

/* Adds point k, no x of which is smaller than those of a hull of `size` points; one at -inf is left out. Its size then. */
static inline i64 push(Hull *h, i64 size, i64 k, double x, double y) {
    if (y == -INFINITY)
        return size;
    if (size && h->x[size - 1] == x) {
        if (h->y[size - 1] >= y)
            return size;
        size--;
    }
    while (size > 1) {
        i64 p = size - 2, q = size - 1;
        if ((h->y[q] - h->y[p]) * (x - h->x[q]) > (y - h->y[q]) * (h->x[q] - h->x[p]))
            break;
        size--;
    }
    h->at[size] = k, h->x[size] = x, h->y[size] = y;
    return size + 1;
}

/* Adds the points from `first` to before `stop`, x non-decreasing. */
static i64 extend(Hull *h, i64 size, const double *x, const double *y, i64 first, i64 stop) {
    for (i64 k = first; k < stop; k++)
        size = push(h, size, k, x[k], y[k]);
    return size;
}

enum { RUNS = 8 };

/* The upper hull of points in any order. Columns of one family and kernel come in the order of their prices: hulls of a few such
 * runs leave few points to sort.
 */
typedef struct {
    Hull runs[RUNS], whole;
    i64 sizes[RUNS], n;
    double *x, *y; /* points that are to be sorted */
} Unordered;

static Unordered unordered_for(Store *s, i64 points) {
    Unordered u = {.n = 0, .x = take_doubles(s, points), .y = take_doubles(s, points), .whole = hull_for(s, points)};
    for (i64 r = 0; r < RUNS; r++)
        u.runs[r] = hull_for(s, points), u.sizes[r] = 0;
    return u;
}

static inline void add_point(Unordered *u, double x, double y) {
    for (i64 r = 0; r < RUNS; r++)
        if (!u->sizes[r] || u->runs[r].x[u->sizes[r] - 1] <= x) {
            u->sizes[r] = push(u->runs + r, u->sizes[r], 0, x, y);
            return;
        }
    u->x[u->n] = x, u->y[u->n] = y;
    u->n++;
}

/* Sorts n points by x (Shell 1959). */
static void sort_points(double *x, double *y, i64 n) {
    i64 gap = 1;
    while (gap < n / 3)
        gap = 3 * gap + 1;
    for (; gap > 0; gap /= 3)
        for (i64 k = gap; k < n; k++) {
            double x_k = x[k], y_k = y[k];
            i64 at = k;
            for (; at >= gap && x[at - gap] > x_k; at -= gap)
                x[at] = x[at - gap], y[at] = y[at - gap];
            x[at] = x_k, y[at] = y_k;
        }
}

/* The hull of the points so far, whose size it returns; there are none then. */
static i64 join_runs(Unordered *u) {
    i64 n = u->n;
    for (i64 r = 0; r < RUNS; r++) {
        memcpy(u->x + n, u->runs[r].x, (size_t)u->sizes[r] * sizeof(double));
        memcpy(u->y + n, u->runs[r].y, (size_t)u->sizes[r] * sizeof(double));
        n += u->sizes[r];
        u->sizes[r] = 0;
    }
    u->n = 0;
    sort_points(u->x, u->y, n);
    return extend(&u->whole, 0, u->x, u->y, 0, n);
}

/* Place on the hull where `y - price * x` is largest, searched from place k; and how large that is. */
static inline i64 climb(const Hull *h, i64 size, i64 k, double price, double *most) {
    double here = h->y[k] - price * h->x[k];
    while (k + 1 < size) {
        double there = h->y[k + 1] - price * h->x[k + 1];
        if (there < here)
            break;
        here = there;
        k++;
    }
    while (k > 0) {
        double there = h->y[k - 1] - price * h->x[k - 1];
        if (there <= here)
            break;
        here = there;
        k--;
    }
    *most = here;
    return k;
}

#endif
