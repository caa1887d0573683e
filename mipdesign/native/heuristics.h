/* Heuristics that look for good networks: annealing, and a descent over pairs of moves.
 *
 * A network is a vector of places on axes (mipdesign.search.heuristics.Moves). Its parts are kept, so that a move costs the
 * parts that it changes, and the sum.
 */

#ifndef HEURISTICS_H
#define HEURISTICS_H

#include "evaluator.h"
#include "random.h"

/* Order of a super-block's coordinates, as in mipdesign.search.heuristics. */
enum { AXIS_CHANNELS, AXIS_FAMILY, AXIS_WIDTH, AXIS_KERNEL, AXIS_BITS, AXIS_DEPTH, AXES };

enum {
    MOST_PARTS = 63, /* as many as the stem and the elements of any specification */
    MOST_COORDINATES = 1 + AXES * (MOST_PARTS - 1),
    KNOWN_LOGS = 1024, /* layers whose logarithms are tabulated */
    STARTS = 1000,     /* random starts of which the first one on the lattice is taken: with ties few of them are */
    PERIOD = 64        /* steps after which temperature and prices change */
};

/* Last temperature, relative to the objective; how often channels of neighbours move together. */
#define COLD 2e-5
#define TOGETHER 0.2

/* Prices of exceeding one limit by its whole, relative to the objective: of a descent; of annealing at first, their range,
 * and by how much they change. */
#define STRICT 4.0
#define FIRST_PRICE 1.0
#define LEAST_PRICE 0.02
#define MOST_PRICE 8.0
#define PRICE_CHANGE 0.05

/* The order of the fields is that of mipdesign.search.heuristics.MovesStructure. */
typedef struct {
    const i64 *sizes, *columns, *column_at, *absent, *absent_at, *depths, *depth_at, *channels, *entering, *channel_at, *leader,
        *touched, *single;
    i64 n_single;
} Moves;

typedef i64 Mask; /* some parts of a network, the stem's bit first */

/* A search, and the network where it stands. Where limits are counted, the effectiveness is the last one. */
typedef struct {
    const Arrays *a;
    const Moves *moves;
    i64 n_parts, n_coordinates, size; /* size of a part */
    Random random;
    double scale;
    i64 vector[MOST_COORDINATES];
    const double *parts[MOST_PARTS];
    double *spare[MOST_PARTS];                /* room for another of each part */
    double *room, *share, *price, *over;      /* reciprocals of the limits, their prices, and by what share they are exceeded */
    double *counts, *logs, *layers, *log_of;  /* of the network evaluated last; logarithms */
    double log_rho;
} Search;

static void set_prices(Search *s, double price) {
    for (i64 b = 0; b <= s->a->budgets; b++)
        s->price[b] = price;
}

/* Whether there was memory; the caller frees `room`. */
static bool begin(Search *s, const Arrays *a, const Moves *moves, double scale, uint64_t seed) {
    i64 n = a->super_blocks + 1, size = size_of_part(a), nb = a->budgets;
    s->a = a, s->moves = moves, s->n_parts = n, s->n_coordinates = 1 + AXES * a->super_blocks, s->size = size;
    s->random = random_of(seed), s->scale = scale, s->log_rho = log(a->rho);
    i64 numbers = 2 * n * size + nb + 2 * (nb + 1) + nb + 2 * a->stages + KNOWN_LOGS;
    s->room = n > MOST_PARTS ? NULL : malloc(sizeof(double) * (size_t)numbers);
    if (s->room == NULL)
        return false;
    s->share = s->room + 2 * n * size, s->price = s->share + nb, s->over = s->price + nb + 1, s->counts = s->over + nb + 1;
    s->logs = s->counts + nb, s->layers = s->logs + a->stages, s->log_of = s->layers + a->stages;
    for (i64 b = 0; b < nb; b++)
        s->share[b] = 1.0 / most_of(fabs(a->limits[b]), 1.0);
    s->over[nb] = 0.0;
    for (i64 k = 0; k < KNOWN_LOGS; k++)
        s->log_of[k] = log((double)k);
    set_prices(s, STRICT);
    return true;
}

static inline bool has(Mask which, i64 i) { return which >> i & 1; }

static inline size_t pointers_size(const Search *s) { return sizeof(double *) * (size_t)s->n_parts; }

static inline size_t vector_size(const Search *s) { return sizeof(i64) * (size_t)s->n_coordinates; }

/* ------------------------------------------------------------ networks */

/* Column and depth of super-block i; whether the lattice has them. */
static inline bool find_column(const Search *s, const i64 *vector, i64 i, i64 *column, i64 *depth) {
    const Moves *moves = s->moves;
    i64 first = 1 + AXES * i, at = 0, bits = 0, value = 0;
    for (i64 d = first; d < first + AXES; d++) {
        value = vector[moves->leader[d]];
        if (value < 0 || value >= moves->sizes[d])
            return false;
        if (d < first + AXIS_BITS)
            at = at * moves->sizes[d] + value;
        else if (d == first + AXIS_BITS)
            bits = value;
    }
    *depth = moves->depths[moves->depth_at[i] + value];
    if (*depth == 0) { /* a block that is not there has a column of its own */
        *column = moves->absent[moves->absent_at[i] + at], *depth = 1;
    } else {
        *column = moves->columns[moves->column_at[i] + at];
        if (*column >= 0) /* columns that differ in their bits stand together */
            *column += bits;
    }
    return *column >= 0;
}

/* Writes some parts of a vector into some room, and points to them; whether the lattice has them, and each may follow the one
 * before it. */
static inline bool write_parts(const Search *s, const i64 *vector, Mask which, double *const *room, const double **parts) {
    if (has(which, 0)) {
        if (vector[0] < 0 || vector[0] >= s->moves->sizes[0])
            return false;
        write_stem(s->a, vector[0], room[0]);
        parts[0] = room[0];
    }
    for (i64 i = 1; i < s->n_parts; i++) {
        i64 column = 0, depth = 0;
        if (!has(which, i))
            continue;
        if (!find_column(s, vector, i - 1, &column, &depth) ||
            !write_super_block(s->a, i - 1, column, depth, parts[i - 1], room[i]))
            return false;
        parts[i] = room[i];
    }
    return true;
}

/* `beta Q` of a network that is given as parts. */
static inline double penalty_of_parts(const Arrays *a, const double *const *parts) {
    double blocks[MOST_PARTS];
    for (i64 k = 0; k < a->n_penalised; k++)
        for (i64 i = a->penalised[2 * k]; i < a->penalised[2 * k + 1]; i++)
            blocks[i] = parts[1 + i][PART_BLOCKS];
    return penalty(a, blocks);
}

static inline double log_layers(const Search *s, double n) { return n < KNOWN_LOGS ? s->log_of[(i64)n] : log(n); }

/* Objective less the price of every excess, which goes to `excess`; minus infinity where that is not above a bar. */
static inline double merit(const Search *s, const double *const *parts, double bar, double *excess) {
    const Arrays *a = s->a;
    double value = entropies(a, parts, s->logs, s->layers), sum = 0.0;
    if (value <= bar)
        return -INFINITY;
    add_counts(a, parts, s->counts);
    for (i64 b = 0; b < a->budgets; b++) {
        s->over[b] = most_of(0.0, (s->counts[b] - a->limits[b]) * s->share[b]);
        sum += s->price[b] * s->over[b];
    }
    if (a->n_rho_stages > 0) {
        double worst = -INFINITY; /* of log rho */
        for (i64 k = 0; k < a->n_rho_stages; k++) {
            i64 j = a->rho_stages[k];
            worst = most_of(worst, log_layers(s, s->layers[j]) - s->logs[j] / s->layers[j]);
        }
        s->over[a->budgets] = most_of(0.0, worst - s->log_rho);
        sum += s->price[a->budgets] * s->over[a->budgets];
        if (a->rho_price != 0)
            value -= a->rho_price * exp(worst);
    }
    *excess = sum;
    value -= s->scale * sum;
    if (value <= bar)
        return -INFINITY;
    value -= penalty_of_parts(a, parts);
    return value > bar ? value : -INFINITY;
}

/* Puts the search at a vector; its merit. */
static double move_to(Search *s, const i64 *vector, double *excess) {
    double *room[MOST_PARTS];
    for (i64 i = 0; i < s->n_parts; i++)
        room[i] = s->room + 2 * i * s->size, s->spare[i] = room[i] + s->size;
    memmove(s->vector, vector, vector_size(s));
    bool linked = write_parts(s, vector, ((Mask)1 << s->n_parts) - 1, room, s->parts);
    return linked ? merit(s, s->parts, -INFINITY, excess) : -INFINITY;
}

/* Puts the search at a vector some of whose parts are written in the spare room. */
static inline void take(Search *s, const i64 *vector, Mask which) {
    memcpy(s->vector, vector, vector_size(s));
    for (i64 i = 0; i < s->n_parts; i++)
        if (has(which, i)) {
            double *written = s->spare[i];
            s->spare[i] = (double *)s->parts[i], s->parts[i] = written;
        }
}

/* Changes a coordinate; the parts that this changes. */
static inline Mask add_to(const Search *s, i64 *vector, i64 d, i64 step) {
    vector[d] += step;
    return s->moves->touched[d];
}

/* Makes a move, or takes it back. */
static inline Mask shift(const Search *s, i64 *vector, i64 move, i64 sign) {
    const i64 *single = s->moves->single + 2 * move;
    return add_to(s, vector, single[0], sign * single[1]);
}

/* ------------------------------------------------------------ descent */

/* Networks one move away: the parts that differ, room for all parts of each, and whether there is such a network. */
typedef struct {
    double *parts;
    Mask *which;
    bool *possible;
} Neighbours;

static inline double *neighbour_part(const Search *s, const Neighbours *near, i64 move, i64 i) {
    return near->parts + (move * s->n_parts + i) * s->size;
}

static void write_neighbours(Search *s, Neighbours *near) {
    for (i64 move = 0; move < s->moves->n_single; move++) {
        const double *parts[MOST_PARTS];
        double *room[MOST_PARTS];
        memcpy(parts, s->parts, pointers_size(s));
        for (i64 i = 0; i < s->n_parts; i++)
            room[i] = neighbour_part(s, near, move, i);
        near->which[move] = shift(s, s->vector, move, 1);
        near->possible[move] = write_parts(s, s->vector, near->which[move], room, parts);
        shift(s, s->vector, move, -1);
    }
}

static inline void point_to(const Search *s, const Neighbours *near, i64 move, const double **parts) {
    for (i64 i = 0; i < s->n_parts; i++)
        if (has(near->which[move], i))
            parts[i] = neighbour_part(s, near, move, i);
}

/* The best of the networks that a move and a later one lead to, or the move alone: the later move, or the same; -1 if none has
 * a merit above a bar. */
static i64 best_second(Search *s, const Neighbours *near, i64 move, double bar) {
    const double *first[MOST_PARTS], *parts[MOST_PARTS];
    double excess, value;
    i64 best = -1;
    memcpy(first, s->parts, pointers_size(s));
    point_to(s, near, move, first);
    if (near->possible[move] && (value = merit(s, first, bar, &excess)) > bar)
        bar = value, best = move;
    for (i64 second = move + 1; second < s->moves->n_single; second++) {
        if (near->which[move] & near->which[second]) { /* not the sum of both changes */
            Mask which = shift(s, s->vector, move, 1) | shift(s, s->vector, second, 1);
            memcpy(parts, s->parts, pointers_size(s));
            bool linked = write_parts(s, s->vector, which, s->spare, parts);
            shift(s, s->vector, move, -1), shift(s, s->vector, second, -1);
            if (!linked)
                continue;
        } else {
            if (!near->possible[move] || !near->possible[second])
                continue;
            memcpy(parts, first, pointers_size(s));
            point_to(s, near, second, parts);
        }
        if ((value = merit(s, parts, bar, &excess)) > bar)
            bar = value, best = second;
    }
    return best;
}

/* Improves a network of the lattice by the best pair with each move in turn, in so many rounds or until no pair does. The
 * objective of the best network met that keeps all budgets, which goes to `vector`; minus infinity if there was none, not a
 * number without memory. */
EXPORT double descend(const Arrays *a, const Moves *moves, i64 rounds, i64 *vector) {
    Search s;
    if (!begin(&s, a, moves, 0.0, 0))
        return NAN;
    i64 n = moves->n_single;
    Neighbours near = {malloc(sizeof(double) * (size_t)(n * s.n_parts * s.size)), malloc(sizeof(Mask) * (size_t)n),
                       malloc(sizeof(bool) * (size_t)n)};
    double excess = INFINITY, value = move_to(&s, vector, &excess);
    bool ready = near.parts && near.which && near.possible, changed = true;
    double best = excess <= 0.0 ? value : -INFINITY;
    s.scale = most_of(1.0, fabs(value));
    value -= s.scale * excess;
    if (!ready || value == -INFINITY)
        rounds = 0;
    for (i64 move = 0, without = 0; rounds > 0 && without < n; move = (move + 1) % n, without++) {
        if (changed)
            write_neighbours(&s, &near);
        i64 second = best_second(&s, &near, move, value + 1e-9 * s.scale);
        changed = second >= 0;
        if (!changed)
            continue;
        shift(&s, s.vector, move, 1);
        if (second > move)
            shift(&s, s.vector, second, 1);
        value = move_to(&s, s.vector, &excess);
        rounds--, without = -1;
        if (excess <= 0.0 && value > best)
            best = value, memcpy(vector, s.vector, vector_size(&s));
    }
    free(near.parts), free(near.which), free(near.possible), free(s.room);
    return ready ? best : NAN;
}

/* ------------------------------------------------------------ annealing */

/* A random vector of small depths whose channels follow one another, and whose widths the lattice has. */
static void draw_start(Search *s, i64 *vector) {
    const Moves *moves = s->moves;
    Random *random = &s->random;
    memset(vector, 0, vector_size(s));
    vector[0] = below(random, moves->sizes[0]);
    i64 before = s->a->stem_c[vector[0]];
    for (i64 i = 0; i < s->a->super_blocks; i++) {
        i64 *at = vector + 1 + AXES * i, first = 0;
        const i64 *sizes = moves->sizes + 1 + AXES * i, *channels = moves->channels + moves->channel_at[i];
        const i64 *entering = moves->entering + 2 * moves->channel_at[i];
        if (s->a->continues[i]) { /* as the block before */
            at[AXIS_CHANNELS] = vector[moves->leader[1 + AXES * i + AXIS_CHANNELS]];
            at[AXIS_FAMILY] = vector[moves->leader[1 + AXES * i + AXIS_FAMILY]];
            at[AXIS_DEPTH] = below(random, sizes[AXIS_DEPTH]);
            at[AXIS_BITS] = below(random, sizes[AXIS_BITS]);
            i64 shapes = sizes[AXIS_WIDTH] * sizes[AXIS_KERNEL], begin = below(random, shapes);
            i64 beside = (at[AXIS_CHANNELS] * sizes[AXIS_FAMILY] + at[AXIS_FAMILY]) * shapes;
            for (i64 k = 0; k < shapes; k++) {
                i64 place = (begin + k) % shapes;
                if (moves->columns[moves->column_at[i] + beside + place] < 0)
                    continue;
                at[AXIS_KERNEL] = place % sizes[AXIS_KERNEL], at[AXIS_WIDTH] = place / sizes[AXIS_KERNEL];
                break;
            }
            continue;
        }
        while (first < sizes[AXIS_CHANNELS] - 1 && before > entering[2 * first + 1])
            first++;
        i64 stop = first + 1;
        while (stop < sizes[AXIS_CHANNELS] && before >= entering[2 * stop])
            stop++;
        at[AXIS_CHANNELS] = first + below(random, most_int(1, (stop - first) / 2));
        before = channels[at[AXIS_CHANNELS]];
        at[AXIS_DEPTH] = below(random, least_int(3, sizes[AXIS_DEPTH]));
        i64 n = sizes[AXIS_FAMILY] * sizes[AXIS_WIDTH] * sizes[AXIS_KERNEL], start = below(random, n);
        if (sizes[AXIS_BITS] > 1)
            at[AXIS_BITS] = below(random, sizes[AXIS_BITS]);
        for (i64 k = 0; k < n; k++) {
            i64 place = (start + k) % n;
            if (moves->columns[moves->column_at[i] + at[AXIS_CHANNELS] * n + place] < 0)
                continue;
            at[AXIS_KERNEL] = place % sizes[AXIS_KERNEL], place /= sizes[AXIS_KERNEL];
            at[AXIS_WIDTH] = place % sizes[AXIS_WIDTH], at[AXIS_FAMILY] = place / sizes[AXIS_WIDTH];
            break;
        }
    }
}

/* Changes a vector a little; the parts that this changes. */
static Mask disturb(const Search *s, i64 *vector, Random *random) {
    Mask which = 0;
    if (uniform(random) >= TOGETHER) {
        for (i64 k = 1 + below(random, 3); k > 0; k--)
            which |= shift(s, vector, below(random, s->moves->n_single), 1);
        return which;
    }
    /* channels of neighbours together: the chain rule ties them */
    i64 m = s->a->super_blocks, first = below(random, m), last = first + below(random, m - first), step = 1 + below(random, 8);
    if (uniform(random) < 0.5)
        step = -step;
    for (i64 i = first; i <= last; i++)
        which |= add_to(s, vector, 1 + AXES * i, step);
    return which;
}

/* Raises the prices of limits that are exceeded, and lowers the others: the search goes along the limits, where the best
 * networks are, and crosses them now and then. */
static void change_prices(Search *s) {
    double excess;
    merit(s, s->parts, -INFINITY, &excess);
    for (i64 b = 0; b <= s->a->budgets; b++)
        s->price[b] = s->over[b] > 0 ? least_of(MOST_PRICE, s->price[b] * (1 + PRICE_CHANGE))
                                     : most_of(LEAST_PRICE, s->price[b] * (1 - PRICE_CHANGE));
}

/* Anneals from a temperature relative to the objective, which `scale` is about; from a random start, or from `best` itself. The
 * objective of the best network met that keeps all budgets, which goes to `best`; minus infinity if there was none, not a
 * number without memory. */
EXPORT double anneal(const Arrays *a, const Moves *moves, i64 seed, i64 steps, double hot, double scale, bool at_random,
                     i64 *best) {
    Search s;
    if (!begin(&s, a, moves, scale, (uint64_t)seed))
        return NAN;
    i64 trial[MOST_COORDINATES];
    double now = -INFINITY, best_value = -INFINITY, temperature = 0.0, excess;
    set_prices(&s, FIRST_PRICE);
    memcpy(trial, best, vector_size(&s));
    for (i64 k = 0; k < (at_random ? STARTS : 1) && now == -INFINITY; k++) {
        if (at_random)
            draw_start(&s, trial);
        now = move_to(&s, trial, &excess);
    }
    if (now > -INFINITY && excess <= 0.0)
        best_value = now, memcpy(best, trial, vector_size(&s));
    for (i64 step = 0; step < steps && now > -INFINITY; step++) {
        if (step % PERIOD == 0) {
            temperature = s.scale * hot * pow(COLD / hot, (double)step / (double)steps);
            change_prices(&s);
            now = merit(&s, s.parts, -INFINITY, &excess);
        }
        const double *parts[MOST_PARTS];
        memcpy(trial, s.vector, vector_size(&s));
        memcpy(parts, s.parts, pointers_size(&s));
        Mask which = disturb(&s, trial, &s.random);
        if (!write_parts(&s, trial, which, s.spare, parts))
            continue;
        double value = merit(&s, parts, now + temperature * log(uniform(&s.random)), &excess);
        if (value == -INFINITY)
            continue;
        now = value;
        take(&s, trial, which);
        if (excess <= 0.0 && value > best_value) {
            best_value = value;
            memcpy(best, trial, vector_size(&s));
        }
        double objective = value + s.scale * excess;
        if (objective > s.scale) /* prices grow with what they have to outweigh */
            s.scale = objective, now = objective - s.scale * excess;
    }
    free(s.room);
    return best_value;
}

#endif
