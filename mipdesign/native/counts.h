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

static inline const Row *row_of(const Arrays *a, i64 row) { return (const Row *)(a->rows + row * a->row_size); }

/* A part of a column, by its row. */
static inline double part_of(const Arrays *a, i64 part, i64 row) {
    const Row *of = row_of(a, row);
    switch (part) {
    case CHANNELS: return of->channels;
    case FAMILY: return of->family;
    case WIDTH: return of->width;
    case KERNEL: return of->kernel;
    case BLOCK_LOG: return of->log;
    case PRESENCE: return a->has_blocks ? a->present[row] : 1.0;
    case BITS: return a->has_blocks ? (double)a->bits[row] : 0.0;
    default: return log((double)of->channels);
    }
}

/* What the layer terms of a block have beside its log widths. */
static inline double extra_of(const Arrays *a, i64 row) { return a->has_extra ? a->extras[row] : 0.0; }

/* What the columns of super-block i are worth at its depths by a table, and their places among these. */
static inline const double *values_of(const Arrays *a, i64 i, i64 row) {
    return a->values + a->value_at[i] + (row - a->offsets[i]) * (a->depth_at[i + 1] - a->depth_at[i]);
}

/* What a row of super-block i is worth at a depth; 0 without a table. */
static inline double value_of(const Arrays *a, i64 i, i64 row, i64 depth) {
    if (!a->has_values)
        return 0.0;
    i64 place = a->depth_at[i];
    while (a->depths[place] != depth)
        place++;
    return values_of(a, i, row)[place - a->depth_at[i]];
}

/* 0 for a block that is absent, else 1. */
static inline double presence_of(const Arrays *a, i64 row) { return part_of(a, PRESENCE, row); }

#define AHEAD 16 /* columns that are read ahead: those of a cell lie scattered, and memory takes as long as a dozen of them */

/* Has the processor fetch a row, or only what it begins with. */
static inline void fetch_row(const Arrays *a, i64 row) {
    const char *at = a->rows + row * a->row_size;
    __builtin_prefetch(at), __builtin_prefetch(at + 64);
}
static inline void fetch_head(const Arrays *a, i64 row) { __builtin_prefetch(a->rows + row * a->row_size); }

/* ------------------------------------------------------------ parts of (1) for a budget */

static inline double fixed_part(const Row *row, i64 b) { return row->counts[4 * b]; }
static inline double slope_part(const Row *row, i64 b) { return row->counts[4 * b + 1]; }
static inline double identity_part(const Row *row, i64 b) { return row->counts[4 * b + 2]; }
static inline double rest_part(const Row *row, i64 b) { return row->counts[4 * b + 3]; }

/* Two numbers at once, where the processor can; any two neighbours of a row. */
typedef double Two __attribute__((vector_size(16), aligned(8), may_alias));

/* The parts of (1), priced and summed over the budgets. */
typedef struct {
    Two fixed_slope, identity_rest;
} Priced;

static inline Priced priced_parts(const Row *row, const double *price, i64 budgets) {
    Priced sum = {{0.0, 0.0}, {0.0, 0.0}};
    for (i64 b = 0; b < budgets; b++) {
        const Two *of = (const Two *)(row->counts + 4 * b);
        sum.fixed_slope += price[b] * of[0];
        sum.identity_rest += price[b] * of[1];
    }
    return sum;
}

/* ------------------------------------------------------------ counts of a column */

/* The part of a count that depends on the incoming channels. */
static inline double entering_count(const Row *row, i64 b, double ci) {
    double identity = ci == (double)row->channels ? identity_part(row, b) : 0.0;
    return ci * slope_part(row, b) + identity;
}

/* The part of a count that does not. */
static inline double own_count(const Row *row, i64 b, i64 depth) {
    return fixed_part(row, b) + (double)(depth - 1) * rest_part(row, b);
}

/* Equation (1). */
static inline double super_block_count(const Row *row, i64 b, double ci, i64 depth) {
    return own_count(row, b, depth) + entering_count(row, b, ci);
}

/* What the n-th paired budget counts beside (1) for a row and the incoming channels at a place. */
static inline double pair_count(const Arrays *a, i64 row, i64 place, i64 n) {
    const double *one = a->pairs + (a->pair_at[row] + place) * a->n_paired;
    const double *other = a->pairs + (a->pair_at[a->n_rows + row] + place) * a->n_paired;
    return one[n] + other[n];
}

/* Adds what all paired budgets count there to the counts of the budgets. */
static inline void add_pair_counts(const Arrays *a, i64 row, i64 place, double *counts) {
    for (i64 n = 0; n < a->n_paired; n++)
        counts[a->paired + n] += pair_count(a, row, place, n);
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
static inline double log_widths(const Row *row, double log_channels, double log_ci, i64 depth) {
    return log_ci + row->log + (double)(depth - 1) * (log_channels + row->log);
}

/* Whether a column keeps the limits on single operations with ci incoming channels. */
static inline bool may_enter(const Row *row, double ci) {
    return ci == (double)row->channels ? row->identity_fits : ci <= (double)row->most_incoming;
}

/* Whether it keeps them with so many blocks. */
static inline bool may_have_depth(const Row *row, i64 depth) { return depth == 1 || row->rest_fits; }

#endif
