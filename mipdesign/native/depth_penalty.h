/* The depth penalty in the bounds: its value at a spread of the depths, its conjugate, the least spread of a cell.
 *
 * `-beta Q(d) <= max_d' (gamma d' - beta Q(d')) - gamma d` for any gradient gamma, as `beta Q` is convex in the depths.
 */

#ifndef DEPTH_PENALTY_H
#define DEPTH_PENALTY_H

#include "chain.h"

#define LARGEST_EXPONENT 300.0 /* of a penalty in a bound: its products with other terms are to remain doubles */

/* `beta Q` where the penalised depths have |d - mean d| = spread. It is cut off at LARGEST_EXPONENT: a bound may take it for less. */
static double penalty_at(const Arrays *a, double spread) {
    double n = (double)a->n_penalised;
    if (n == 0)
        return 0.0;
    double exponent = a->squared ? spread * spread / n : spread / sqrt(n);
    if (exponent > LARGEST_EXPONENT || log(a->beta) + exponent > LARGEST_EXPONENT)
        return exp(least_of(log(a->beta) + exponent, LARGEST_EXPONENT));
    return a->beta * exp(exponent);
}

/* Where `beta Q` has a slope; an error matters to second order only. */
static double spread_with_slope(const Arrays *a, double slope) {
    double root = sqrt((double)a->n_penalised);
    if (slope <= 0.0)
        return 0.0;
    if (!a->squared)
        return slope * root > a->beta ? root * (log(slope * root) - log(a->beta)) : 0.0;
    double log_target = log(slope * root / 2.0) - log(a->beta); /* y exp(y^2) = target with y = spread / root */
    if (log_target > 200.0) { /* the target may be no double; log y + y^2 is what it is compared with */
        double y = sqrt(log_target);
        for (int step = 0; step < 30; step++)
            y -= (log(y) + y * y - log_target) / (1.0 / y + 2.0 * y);
        return y * root;
    }
    double target = slope * root / (2.0 * a->beta);
    double y = target > 1.0 ? sqrt(log1p(target)) : target;
    for (int step = 0; step < 30; step++) {
        double grown = exp(y * y), next = most_of(0.0, y - (y * grown - target) / (grown * (1.0 + 2.0 * y * y)));
        if (next == y)
            break;
        y = next;
    }
    return y * root;
}

/* Range of penalised depth k: the sum over the elements of its super-block. */
static void depth_range(const Chain *c, i64 k, double *low, double *high) {
    const Arrays *a = c->arrays;
    *low = *high = 0.0;
    for (i64 i = a->penalised[2 * k]; i < a->penalised[2 * k + 1]; i++) {
        double fewest = 1.0, most = 1.0;
        for (i64 p = c->at[i]; a->continues[i] && p < c->at[i + 1]; p++) {
            double blocks = presence_of(a, c->rows[p]);
            fewest = p == c->at[i] ? blocks : least_of(fewest, blocks);
            most = p == c->at[i] ? blocks : most_of(most, blocks);
        }
        *low += fewest * (double)c->low[i], *high += most * (double)c->high[i];
    }
}

/* A lower bound of |d - mean d| over a cell, from the supporting plane at the flattest point found; `lows` and `highs` are the
 * ranges of the penalised depths.
 */
static double least_spread(const Chain *c, const double *lows, const double *highs, Store *s) {
    const Arrays *a = c->arrays;
    i64 n = a->n_penalised;
    double *depths = take_doubles(s, n), common = 0.0, size = 0.0;
    if (!depths)
        return 0.0;
    for (i64 k = 0; k < n; k++)
        common += (lows[k] + highs[k]) / (2.0 * (double)n);
    for (int step = 0; step < 30; step++) {
        double mean = 0.0;
        for (i64 k = 0; k < n; k++) {
            depths[k] = least_of(most_of(common, lows[k]), highs[k]);
            mean += depths[k] / (double)n;
        }
        common = mean;
    }
    for (i64 k = 0; k < n; k++)
        size += (depths[k] - common) * (depths[k] - common);
    size = sqrt(size);
    if (size <= 1e-9)
        return 0.0;
    double least = size;
    for (i64 k = 0; k < n; k++) {
        double direction = (depths[k] - common) / size;
        least += least_of(direction * (lows[k] - depths[k]), direction * (highs[k] - depths[k]));
    }
    return most_of(0.0, least * (1.0 - 1e-12));
}

/* Largest `gamma d - beta Q(d)` over spreads from `least` to `most`; `cost` receives its share `-beta Q`, and `depths`, where it is
 * there, the maximiser, of mean 0.
 */
static double conjugate(const Arrays *a, double least, double most, const double *gradient, double *cost, double *depths) {
    i64 n = a->n_penalised;
    *cost = 0.0;
    if (n == 0)
        return 0.0;
    double mean = 0.0, size = 0.0;
    for (i64 k = 0; k < n; k++)
        mean += gradient[k];
    mean /= (double)n;
    for (i64 k = 0; k < n; k++)
        size += (gradient[k] - mean) * (gradient[k] - mean);
    size = sqrt(size);
    double spread = least_of(most_of(spread_with_slope(a, size), least), most);
    *cost = -penalty_at(a, spread);
    for (i64 k = 0; depths && k < n; k++)
        depths[k] = size > 0 ? (gradient[k] - mean) * (spread / size) : 0.0;
    return size * spread + *cost;
}

#endif
