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

/* Adds the points from `first` to before `stop` to a hull of `size` points, x non-decreasing; points at -inf are left out. Its
 * size then.
 */
static i64 extend(Hull *h, i64 size, const double *x, const double *y, i64 first, i64 stop) {
    for (i64 k = first; k < stop; k++) {
        if (y[k] == -INFINITY)
            continue;
        if (size && h->x[size - 1] == x[k]) {
            if (h->y[size - 1] >= y[k])
                continue;
            size--;
        }
        while (size > 1) {
            i64 p = size - 2, q = size - 1;
            if ((h->y[q] - h->y[p]) * (x[k] - h->x[q]) > (y[k] - h->y[q]) * (h->x[q] - h->x[p]))
                break;
            size--;
        }
        h->at[size] = k, h->x[size] = x[k], h->y[size] = y[k];
        size++;
    }
    return size;
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

/* Place on the hull where `y - price * x` is largest, searched from place k. */
static i64 climb(const Hull *h, i64 size, i64 k, double price) {
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
    return k;
}

#endif
