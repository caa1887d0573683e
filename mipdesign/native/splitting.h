/* How a cell is split in two (mipdesign.search.branching.Split): which values each half has, and which split promises most. */

#ifndef SPLITTING_H
#define SPLITTING_H

#include "cell.h"
#include "dual.h"

/* The order is that of mipdesign.search.branching.KINDS. */
enum { BY_STEM, BY_DEPTH, BY_CHANNELS, BY_FAMILY, BY_WIDTH, BY_KERNEL, BY_BITS, KINDS };

/* Networks whose value of a kind is at most the threshold go to half 0. */
typedef struct {
    i64 kind, index, threshold;
} Split;

/* How much a split promises, relative to the objective that the spread of its values is worth. */
#define BLOCK_SHARE 0.2
#define PRODUCT_SHARE 0.3
#define FAMILY_SHARE 10.0
#define KERNEL_SHARE 0.1
#define WIDTH_SHARE 0.12
#define CHANNEL_SHARE 0.02
#define BITS_SHARE 0.3
#define VALUE_SHARE 0.5
#define STEM_PROMISE 1e-9 /* the last resort */
#define LEAST_WEIGHT 1e-3 /* of the objective, where it is left out */

static const i64 PART_OF_KIND[KINDS] = {-1, DEPTH, CHANNELS, FAMILY, WIDTH, KERNEL, BITS};

/* Whether columns say what a split is about: the depth of a later block of a super-block whose blocks may differ is its presence. */
static inline bool is_of_columns(const Arrays *a, i64 kind, i64 i) {
    return kind != BY_STEM && (kind != BY_DEPTH || a->continues[i]);
}

/* What a choice has of a kind of split: a stem, a depth, or a column of super-block i, by its row. */
static inline i64 split_value(const Arrays *a, i64 kind, i64 i, i64 choice) {
    if (kind == BY_STEM)
        return a->stem_c[choice];
    if (kind == BY_DEPTH)
        return a->continues[i] ? (i64)presence_of(a, choice) : choice;
    i64 value = (i64)part_of(a, PART_OF_KIND[kind], choice);
    return kind == BY_FAMILY ? a->families[i * a->n_families + value] : value;
}

/* Choices of one half: stems, depths, or columns by their place in the super-block; how many. */
EXPORT i64 split_half(const Arrays *a, i64 kind, i64 index, i64 threshold, bool upper, const i64 *choices, i64 n, i64 *half) {
    i64 first = is_of_columns(a, kind, index) ? a->offsets[index] : 0, found = 0;
    for (i64 k = 0; k < n; k++) {
        half[found] = choices[k];
        found += (split_value(a, kind, index, choices[k] + first) > threshold) == upper;
    }
    return found;
}

/* Whether both halves of a cell hold something. */
static bool divides(const Arrays *a, const Cell *c, const Split *split) {
    i64 i = split->index, first = i < 0 ? 0 : c->at[i], stop = i < 0 ? c->n_stems : c->at[i + 1];
    const i64 *choices = i < 0 ? c->stems : c->rows;
    bool below = false, above = false;
    if (split->kind == BY_DEPTH && !is_of_columns(a, BY_DEPTH, i)) {
        depth_places(a, c, i, &first, &stop);
        choices = a->depths;
    }
    for (i64 k = first; k < stop && !(below && above); k++) {
        bool is_above = split_value(a, split->kind, i, choices[k]) > split->threshold;
        above |= is_above, below |= !is_above;
    }
    return below && above;
}

/* ------------------------------------------------------------ extents */

/* Smallest and largest value of some rows, and the largest one that is at or below their geometric middle and less than the largest
 * (the smallest where all are equal).
 */
typedef struct {
    double low, high, middle;
} Extent;

static Extent extent_between(double low, double high) { return (Extent){low, high, low}; }

/* What some rows, in the order of their channels, leave open. */
typedef struct {
    Extent channels, widths;
    double longest; /* largest t */
    i64 n_kernels;
    double *kernels; /* increasing */
} Survey;

static void find_middle_channels(const Arrays *a, const i64 *rows, i64 n, Extent *of) {
    double target = sqrt(of->low * of->high);
    i64 low = 0, high = n; /* rows before `low` have at most the target, those from `high` on more */
    while (low < high) {
        i64 middle = (low + high) / 2;
        double value = part_of(a, CHANNELS, rows[middle]);
        if (value <= target && value < of->high)
            low = middle + 1;
        else
            high = middle;
    }
    if (low)
        of->middle = part_of(a, CHANNELS, rows[low - 1]);
}

static Survey survey(const Arrays *a, const i64 *rows, i64 n, double *room) {
    double least = part_of(a, WIDTH, rows[0]), most = least, before = NAN;
    Survey s = {extent_between(part_of(a, CHANNELS, rows[0]), part_of(a, CHANNELS, rows[n - 1])), {0, 0, 0}, -INFINITY, 0, room};
    for (i64 k = 0; k < n; k++) {
        double width = part_of(a, WIDTH, rows[k]), kernel = part_of(a, KERNEL, rows[k]);
        least = least_of(least, width), most = most_of(most, width);
        s.longest = most_of(s.longest, part_of(a, BLOCK_LOG, rows[k]));
        if (kernel != before)
            s.n_kernels = add_value(room, s.n_kernels, kernel);
        before = kernel;
    }
    s.widths = extent_between(least, most);
    find_middle_channels(a, rows, n, &s.channels);
    double middle = least, target = sqrt(least * most);
    for (i64 k = 0; least < most && k < n; k++) {
        double width = part_of(a, WIDTH, rows[k]);
        if (middle < width && width <= target && width < most)
            middle = width;
    }
    s.widths.middle = middle;
    return s;
}

/* The extents of channels and widths for tests, the largest t, and how many kernels there are, which go to `room`. */
EXPORT i64 survey_of(const Arrays *a, const i64 *rows, i64 n, double *out, double *room) {
    Survey found = survey(a, rows, n, room);
    memcpy(out, &found.channels, sizeof(Extent));
    memcpy(out + 3, &found.widths, sizeof(Extent));
    out[6] = found.longest;
    return found.n_kernels;
}

/* ------------------------------------------------------------ choice */

/* What a choice of a split looks at beside the cell: ranges of the cell and the last model of its dual function. */
typedef struct {
    const Ranges *ranges;
    const double *rows, *weights;
    i64 n;
    double weight;
} Mixture;

/* Depths are split at the mean of the relaxation's mixture, where there is one. */
static i64 depth_threshold(const Arrays *a, const Cell *c, const Mixture *mix, i64 i) {
    i64 first, stop;
    PathRow at = path_row(a);
    double total = 0.0, mean = 0.0, all = 0.0;
    depth_places(a, c, i, &first, &stop);
    for (i64 q = 0; q < mix->n; q++) {
        total += mix->weights[q];
        mean += mix->weights[q] * mix->rows[q * at.width + at.depths + i];
    }
    for (i64 k = first; k < stop; k++)
        all += (double)a->depths[k];
    if (!(total > 0))
        mean = all / (double)(stop - first);
    i64 k = first;
    while (k < stop && (double)a->depths[k] <= mean)
        k++;
    return a->depths[least_int(most_int(k, first + 1), stop - 1) - 1];
}

/* Splits on offer, a row of kinds for each super-block. */
typedef struct {
    bool *there;
    double *promises;
    i64 *thresholds;
} Offers;

static void offer(const Offers *o, i64 i, i64 kind, double promise, i64 threshold) {
    i64 at = i * KINDS + kind;
    o->there[at] = true, o->promises[at] = promise, o->thresholds[at] = threshold;
}

/* The middle one of the families of a super-block, by their places in its own list, where the cell has several. */
static bool middle_family(const Arrays *a, const Cell *c, i64 i, double *room, i64 *middle) {
    i64 n = distinct_values(a, FAMILY, c->rows + c->at[i], c->at[i + 1] - c->at[i], room), seen = 0;
    for (i64 place = 0; seen < n / 2; place++)
        for (i64 k = 0; k < n; k++)
            if (a->families[i * a->n_families + (i64)room[k]] == place)
                *middle = place, seen++;
    return n > 1;
}

/* The middle one of the pairs of bits of an element, where it has several, and by how much layer terms differ with them. */
static bool middle_bits(const Arrays *a, const Cell *c, i64 i, double *room, i64 *middle, double *spread) {
    i64 n = distinct_values(a, BITS, c->rows + c->at[i], c->at[i + 1] - c->at[i], room);
    double least = INFINITY, most = -INFINITY;
    for (i64 p = c->at[i]; n > 1 && p < c->at[i + 1]; p++) {
        least = least_of(least, extra_of(a, c->rows[p]));
        most = most_of(most, extra_of(a, c->rows[p]));
    }
    *middle = n > 1 ? (i64)room[n / 2 - 1] : 0, *spread = most - least;
    return n > 1;
}

/* Whether some later blocks are there, and whether some are absent. */
static void find_presence(const Arrays *a, const Cell *c, i64 i, bool *there, bool *absent) {
    *there = *absent = false;
    for (i64 p = c->at[i]; p < c->at[i + 1]; p++)
        *(presence_of(a, c->rows[p]) > 0 ? there : absent) = true;
}

/* By how much the best values of the table differ between the depths of a super-block, and between its columns. */
static void spread_of_values(const Arrays *a, const Cell *c, i64 i, double *of_depths, double *of_columns) {
    double low = INFINITY, high = -INFINITY;
    *of_depths = *of_columns = 0.0;
    for (i64 pass = 0; a->has_values && pass < 2; pass++) {
        i64 outer = pass ? a->depth_at[i] : c->at[i], outer_stop = pass ? a->depth_at[i + 1] : c->at[i + 1];
        i64 inner = pass ? c->at[i] : a->depth_at[i], inner_stop = pass ? c->at[i + 1] : a->depth_at[i + 1];
        low = INFINITY, high = -INFINITY;
        for (i64 x = outer; x < outer_stop; x++) {
            double best = -INFINITY;
            for (i64 y = inner; y < inner_stop; y++) {
                i64 k = pass ? x : y, row = c->rows[pass ? y : x];
                if (c->low[i] <= a->depths[k] && a->depths[k] <= c->high[i])
                    best = most_of(best, values_of(a, i, row)[k - a->depth_at[i]]);
            }
            if (best > -INFINITY)
                low = least_of(low, best), high = most_of(high, best);
        }
        *(pass ? of_depths : of_columns) = most_of(high - low, 0.0);
    }
}

/* The split that promises to lower the bound most; one of no kind where the cell has a single network.
 *
 * A split helps where the relaxation mixes: depths first (a block is worth hundreds of units), then channels at the end of a stage
 * (whose product with the entropy is overestimated), kernels, widths and other channels, each by how much objective the spread of its
 * values can feign. The shares were chosen by node counts (docs/performance.md).
 */
static Split choose_split(const Arrays *a, const Cell *c, const Mixture *mix, Store *s) {
    i64 m = a->super_blocks, stages = a->stages;
    const Ranges *r = mix->ranges;
    double *promises = take_filled(s, m * KINDS, 0.0), *joined = take_doubles(s, m * KINDS), *room = take_doubles(s, c->n);
    Offers offers = {take(s, (size_t)(m * KINDS) * sizeof(bool)), promises, take_ints(s, m * KINDS)};
    Split best = {-1, -1, 0};
    if (s->failed)
        return best;
    memset(offers.there, 0, (size_t)(m * KINDS) * sizeof(bool));
    for (i64 i = 0; i < m; i++) {
        i64 stage = 0, n = c->at[i + 1] - c->at[i], middle = 0;
        const i64 *rows = c->rows + c->at[i];
        double rates = 0.0, depth = (double)c->high[i];
        while (a->prefix[stage * m + i] == 0)
            stage++;
        for (i64 j = stage; j < stages; j++)
            rates += a->weights[j] * factor_high(a, r, j);
        double worth = most_of(mix->weight, LEAST_WEIGHT) * rates, by_depth, by_column;
        spread_of_values(a, c, i, &by_depth, &by_column);
        by_depth *= VALUE_SHARE * most_of(mix->weight, LEAST_WEIGHT), by_column *= VALUE_SHARE * most_of(mix->weight, LEAST_WEIGHT);
        Survey found = survey(a, rows, n, room);
        Extent channels = found.channels, widths = found.widths;
        i64 last = i; /* the first block decides the channels of all */
        bool shared = a->continues[i], of_shape = a->continues[i] && a->same_shape[i], there = true, absent = false;
        while (last + 1 < m && a->continues[last + 1])
            last++;
        if (a->continues[i]) {
            find_presence(a, c, i, &there, &absent);
            if (there && absent)
                offer(&offers, i, BY_DEPTH, BLOCK_SHARE * worth * (part_of(a, LOG_CHANNELS, rows[n - 1]) + found.longest), 0);
            if (absent)
                continue;
        }
        if (c->low[i] < c->high[i]) {
            double block = part_of(a, LOG_CHANNELS, rows[n - 1]) + found.longest;
            double promise = by_depth + BLOCK_SHARE * worth * block * (double)(c->high[i] - c->low[i]);
            offer(&offers, i, BY_DEPTH, promise, depth_threshold(a, c, mix, i));
        }
        if (channels.low < channels.high && !shared) {
            double spread = log(channels.high / channels.low), product = 0.0, depth_of_all = last > i ? (double)(last - i + 1) : depth;
            for (i64 j = 0; j < stages && !a->additive; j++)
                if (a->ends[j] == last)
                    product = PRODUCT_SHARE * (a->weights[stage] * (r->s_high[stage] - r->s_low[stage])) * spread;
            double promise = by_column + product + CHANNEL_SHARE * worth * depth_of_all * (spread * spread);
            offer(&offers, i, BY_CHANNELS, promise, (i64)channels.middle);
        }
        if (widths.low < widths.high && !of_shape) {
            double spread = log(widths.high / widths.low);
            offer(&offers, i, BY_WIDTH, by_column + WIDTH_SHARE * worth * depth * (spread * spread), (i64)widths.middle);
        }
        if (found.n_kernels > 1 && !of_shape)
            offer(&offers, i, BY_KERNEL, by_column + KERNEL_SHARE * worth * depth, (i64)found.kernels[found.n_kernels / 2 - 1]);
        double of_bits;
        if (a->has_blocks && middle_bits(a, c, i, room, &middle, &of_bits))
            offer(&offers, i, BY_BITS, BITS_SHARE * worth * of_bits, middle);
        if (a->n_families > 1 && !shared && middle_family(a, c, i, room, &middle))
            offer(&offers, i, BY_FAMILY, by_column + FAMILY_SHARE * worth * depth, middle);
    }
    memcpy(joined, promises, (size_t)(m * KINDS) * sizeof(double));
    for (i64 kind = BY_DEPTH; kind < KINDS; kind++)
        for (i64 q = 0; q < a->n_ties; q++) { /* one split restricts all tied super-blocks, and promises what they promise together */
            if (a->ties[3 * q] != PART_OF_KIND[kind] && !(kind == BY_DEPTH && a->ties[3 * q] == PRESENCE))
                continue;
            i64 first = q;
            double total = promises[a->ties[3 * q + 1] * KINDS + kind];
            for (;; q++) {
                total += promises[a->ties[3 * q + 2] * KINDS + kind];
                if (q + 1 == a->n_ties || a->ties[3 * q + 3] != a->ties[3 * q] || a->ties[3 * q + 4] != a->ties[3 * q + 2])
                    break;
            }
            joined[a->ties[3 * first + 1] * KINDS + kind] = total;
            for (i64 k = first; k <= q; k++)
                joined[a->ties[3 * k + 2] * KINDS + kind] = total;
        }
    static const i64 order[] = {BY_DEPTH, BY_CHANNELS, BY_WIDTH, BY_FAMILY, BY_KERNEL, BY_BITS};
    double most = -INFINITY;
    for (i64 i = 0; i < m; i++)
        for (i64 k = 0; k < KINDS - 1; k++) {
            i64 place = i * KINDS + order[k];
            if (offers.there[place] && joined[place] > most)
                most = joined[place], best = (Split){order[k], i, offers.thresholds[place]};
        }
    if (c->n_stems > 1 && STEM_PROMISE > most)
        best = (Split){BY_STEM, -1, a->stem_c[c->stems[c->n_stems / 2 - 1]]};
    return best;
}

#endif
