/* A problem as plain arrays: mipdesign.lattice.arrays says what each means, and makes this structure. */

#ifndef ARRAYS_H
#define ARRAYS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

typedef int64_t i64;

/* A column of the tables, as mipdesign.lattice.arrays.row_type has it; `counts` are (fixed, slope, identity, rest) of each budget. */
typedef struct {
    uint32_t channels, width, kernel, most_incoming;
    uint16_t place, layers;
    uint8_t family, has_se, identity_fits, rest_fits;
    double log;
    double counts[];
} Row;

/* Parts of a column; the first four, the presence and the depth may be tied. */
enum { CHANNELS, FAMILY, WIDTH, KERNEL, BLOCK_LOG, LOG_CHANNELS, PRESENCE, BITS, DEPTH = -1 };

/* The order of the fields is that of mipdesign.lattice.arrays.Structure. */
typedef struct {
    const double *pairs;       /* of each entry, n_paired numbers */
    const double *channel_logs; /* of each place, log C */
    const double *prefix;      /* stages x super_blocks */
    const double *log_areas;
    const double *weights, *end_weights;
    const double *stem_counts; /* budgets x n_stems */
    const double *tail_fixed;
    const double *tail_slope;
    const double *limits;
    const double *extras;      /* of each row, where there are any: what the layer terms of a block have beside its log widths, */
    const double *ranks;       /* and, where there are single blocks, their order, */
    const double *values;      /* and, where there is a table of values, what it is worth at each depth; -inf where it has none */
    const i64 *ties;           /* n_ties x 3 */
    const i64 *offsets;        /* super_blocks + 1 */
    const i64 *entering;       /* places x 2 */
    const i64 *entering_at;
    const i64 *ends;
    const i64 *stem_c, *stem_next;
    const i64 *rho_stages;
    const i64 *penalised;      /* n_penalised x 2: elements of each super-block */
    const i64 *depths, *depth_at; /* lattice of each depth: that of super-block i is depths[depth_at[i] : depth_at[i + 1]] */
    const i64 *families;       /* super_blocks x n_families */
    const i64 *place_at;       /* first row of each place: those of super-block i begin at entering_at[i]; and the number of rows */
    const i64 *pair_at;        /* 2 x n_rows, where there are paired budgets: the last n_paired ones, from `paired` on */
    const i64 *bits;           /* of each row, where there are single blocks: the pair of bits as a number, */
    const i64 *reading;        /* 2 x n_rows, where that is limited: bits with which a block reads, most with which it may be read */
    const i64 *value_at;       /* super_blocks + 1: where the values of each begin */
    const char *rows;          /* n_rows of row_size bytes */
    const uint8_t *has_identity;
    const uint8_t *may_be_limited; /* super-blocks with columns that keep limits on single operations not always */
    const uint8_t *continues;  /* elements that are entered in the state in which the one before is left, */
    const uint8_t *ordered;    /* and that have no lower rank than it */
    const uint8_t *present;    /* of each row, where there are single blocks: whether the block is there */
    const uint8_t *same_shape; /* elements that have width and kernel of the one before */
    double stem_log, stem_extra, head_log, head_extra, channels_exponent, rho, rho_price, beta, most_value;
    i64 n_rows, row_size, super_blocks, stages, budgets, n_stems, n_ties, n_rho_stages, n_penalised, n_families, paired, n_paired, forgets,
        squared;
    i64 additive, has_extra, has_values, has_blocks, tail_bits;
} Arrays;

static inline double least_of(double a, double b) { return b < a ? b : a; }
static inline double most_of(double a, double b) { return b > a ? b : a; }
static inline i64 least_int(i64 a, i64 b) { return b < a ? b : a; }
static inline i64 most_int(i64 a, i64 b) { return b > a ? b : a; }

#endif
