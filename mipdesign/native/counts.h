/* What a super-block counts and how wide it is: the two formulas of the lattice (docs/theory.md).
 *
 * With `ci` incoming channels and depth L every additive count of a column is
 *
 *     count(ci, L)     = fixed + ci * slope + [ci = C] * identity + (L - 1) * rest           (1)
 *     sum log w(ci, L) = log ci + t + (L - 1) * (log C + t)                                  (2)
 *
 * The layer terms of the score are the log widths, and e more for each block where the score sees more of a layer than its width.
 *
 * The first block counts `fixed + ci * slope`, and `identity` more (or less) where it has an identity shortcut, which it has
 * where no channels change; each later block counts `rest`. Nothing else knows where these parts stand in a row.
 *
 * Counts are integers below mipdesign.lattice.arrays.MAX_COUNT, so that (1) is exact in floating point, in any order.
 */

#ifndef COUNTS_H
#define COUNTS_H

#include "arrays.h"

/* ------------------------------------------------------------ parts of (1): one number per budget, of a row */

static inline const double *fixed_parts(const double *row) { return row + COUNTS; }
static inline const double *slope_parts(const double *row, i64 budgets) { return row + COUNTS + budgets; }
static inline const double *identity_parts(const double *row, i64 budgets) { return row + COUNTS + 2 * budgets; }
static inline const double *rest_parts(const double *row, i64 budgets) { return row + COUNTS + 3 * budgets; }

/* ------------------------------------------------------------ counts of a column */

static inline const double *row_of(const Arrays *a, i64 row) { return a->rows + row * a->parts; }

/* The part of a count that depends on the incoming channels. */
static inline double entering_count(const double *row, i64 budgets, i64 b, double ci) {
    double identity = ci == row[CHANNELS] ? identity_parts(row, budgets)[b] : 0.0;
    return ci * slope_parts(row, budgets)[b] + identity;
}

/* The part of a count that does not. */
static inline double own_count(const double *row, i64 budgets, i64 b, i64 depth) {
    return fixed_parts(row)[b] + (double)(depth - 1) * rest_parts(row, budgets)[b];
}

/* Equation (1). */
static inline double super_block_count(const double *row, i64 budgets, i64 b, double ci, i64 depth) {
    return own_count(row, budgets, b, depth) + entering_count(row, budgets, b, ci);
}

/* What the paired budget counts beside (1) for a column and the incoming channels at a place. */
static inline double pair_count(const Arrays *a, const double *row, i64 place) {
    return a->pairs[(i64)row[PAIR] + place] + a->pairs[(i64)row[OTHER_PAIR] + place];
}

/* What head and classifier count behind c channels. */
static inline double tail_count(const Arrays *a, i64 b, double c) { return a->tail_fixed[b] + c * a->tail_slope[b]; }

/* ------------------------------------------------------------ blocks, widths and limits */

/* Penalised depth k, from the blocks of each element. */
static inline double depth_of(const Arrays *a, const double *blocks, i64 k) {
    double depth = 0.0;
    for (i64 i = a->penalised[2 * k]; i < a->penalised[2 * k + 1]; i++)
        depth += blocks[i];
    return depth;
}

/* Equation (2). */
static inline double log_widths(const double *row, double log_ci, i64 depth) {
    return log_ci + row[BLOCK_LOG] + (double)(depth - 1) * (row[LOG_CHANNELS] + row[BLOCK_LOG]);
}

/* Whether a column keeps the limits on single operations with ci incoming channels. */
static inline bool may_enter(const double *row, double ci) {
    return ci == row[CHANNELS] ? row[IDENTITY_FITS] > 0 : ci <= row[MOST_INCOMING];
}

/* Whether it keeps them with so many blocks. */
static inline bool may_have_depth(const double *row, i64 depth) { return depth == 1 || row[REST_FITS] > 0; }

#endif
