/* The effectiveness in the bounds: `rho <= rho0` reads `sum log w >= phi(n)`; a priced one is the least rho0.
 *
 * `-mu phi(n) <= max_m (pi m - mu phi(m)) - pi n` for any pi, as `phi(n) = n log n - n log rho0` is convex.
 */

#ifndef EFFECTIVENESS_H
#define EFFECTIVENESS_H

#include "ranges.h"

/* A vector of multipliers: those of the budgets, mu and pi of each effectiveness constraint, the gradient of the penalty. */
static inline double mu_of(const Arrays *a, const double *multipliers, i64 k) { return multipliers[a->budgets + k]; }
static inline double pi_of(const Arrays *a, const double *multipliers, i64 k) {
    return multipliers[a->budgets + a->n_rho_stages + k];
}
static inline const double *gradient_of(const Arrays *a, const double *multipliers) {
    return multipliers + a->budgets + 2 * a->n_rho_stages;
}

/* `n log n - n log rho`: the least `sum log w` of a prefix of n layers. */
static double least_log_widths(double n, double rho) { return n * log(n / rho); }

/* n within the cell that maximises `pi n - mu phi(n)` for constraint k; an error matters to second order. */
static double dearest_layers(const Arrays *a, const Ranges *r, const double *multipliers, i64 k, double rho) {
    double mu = mu_of(a, multipliers, k), pi = pi_of(a, multipliers, k);
    double free = rho * exp(least_of(pi / most_of(mu, 1e-300), 700.0) - 1.0);
    i64 j = a->rho_stages[k];
    return least_of(most_of(free, r->n_low[j]), r->n_high[j]);
}

/* `sum_k max_n (pi n - mu phi(n)) - price * rho`, and its slope in rho, which falls. */
static double gain(const Arrays *a, const Ranges *r, const double *multipliers, double price, double rho, double *slope) {
    double value = -price * rho;
    *slope = -price;
    for (i64 k = 0; k < a->n_rho_stages; k++) {
        double n = dearest_layers(a, r, multipliers, k, rho), mu = mu_of(a, multipliers, k);
        value += pi_of(a, multipliers, k) * n - mu * least_log_widths(n, rho);
        *slope += mu * n / rho;
    }
    return value;
}

/* The effectiveness within the cell that maximises the concave `gain`; `most` receives a bound of its maximum. */
static double dearest_rho(const Arrays *a, const Ranges *r, const double *multipliers, double price, double *most) {
    double low = r->rho_low, high = r->rho_high, slope;
    *most = gain(a, r, multipliers, price, high, &slope);
    if (low == high || slope >= 0)
        return high;
    double value = gain(a, r, multipliers, price, low, &slope);
    *most = value;
    if (slope <= 0)
        return low;
    for (int step = 0; step < 60; step++) {
        double middle = sqrt(low * high), slope_there;
        if (!(low < middle && middle < high))
            break;
        double there = gain(a, r, multipliers, price, middle, &slope_there);
        if (slope_there > 0)
            low = middle, value = there, slope = slope_there;
        else
            high = middle;
    }
    *most = value + slope * (high - low);
    return low;
}

#endif
