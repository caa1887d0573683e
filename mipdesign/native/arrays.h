/* A problem as plain arrays: mipdesign.lattice.arrays says what each means, and makes this structure. */

#ifndef ARRAYS_H
#define ARRAYS_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

typedef int64_t i64;

/* Places in a row of `rows`, in the order of mipdesign.lattice.arrays. */
enum {
    CHANNELS, LOG_CHANNELS, BLOCK_LOG, LAYERS, MOST_INCOMING, IDENTITY_FITS, REST_FITS, PLACE, PAIR, OTHER_PAIR,
    FAMILY, WIDTH, KERNEL, HAS_SE, BLOCK_EXTRA, STATE, BLOCKS, RANK, ACTIVATIONS, NEXT_BITS, COUNTS
};

enum { DEPTH = -1 }; /* in `ties`, where the other parts are places in a row */

/* The order of the fields is that of mipdesign.lattice.arrays.Structure. */
typedef struct {
    const double *rows;        /* n_rows x parts */
    const double *transposed;  /* parts x n_rows */
    const double *pairs;
    const double *prefix;      /* stages x super_blocks */
    const double *log_areas;
    const double *weights;
    const double *end_weights;
    const double *stem_counts; /* budgets x n_stems */
    const double *tail_fixed;
    const double *tail_slope;
    const double *limits;
    const i64 *ties;           /* n_ties x 3 */
    const i64 *offsets;        /* super_blocks + 1 */
    const i64 *entering;       /* places x 2 */
    const i64 *entering_at;
    const i64 *ends;
    const i64 *stem_c;
    const i64 *stem_next;
    const i64 *rho_stages;
    const i64 *penalised;      /* n_penalised x 2: elements of each super-block */
    const uint8_t *has_identity;
    const uint8_t *may_be_limited; /* super-blocks with columns that keep limits on single operations not always */
    const uint8_t *continues;  /* elements that are entered in the state in which the one before is left, */
    const uint8_t *ordered;    /* and that have no lower rank than it */
    double stem_log, stem_extra, head_log, head_extra, channels_exponent, rho, rho_price, beta;
    i64 n_rows, parts, super_blocks, stages, budgets, n_stems, n_ties, n_rho_stages, n_penalised, paired, forgets, squared;
    i64 additive, has_extra, tail_bits;
} Arrays;

static inline double least_of(double a, double b) { return b < a ? b : a; }
static inline double most_of(double a, double b) { return b > a ? b : a; }
static inline i64 least_int(i64 a, i64 b) { return b < a ? b : a; }
static inline i64 most_int(i64 a, i64 b) { return b > a ? b : a; }

#endif
