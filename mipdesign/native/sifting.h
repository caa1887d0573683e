/* Good multipliers of a cell: the level method, for large cells on a restricted master (sifting). */

#ifndef SIFTING_H
#define SIFTING_H

#include "relaxation.h"

#define SAMPLE 2000 /* columns from which it is estimated which ones a restricted master takes */

/* When and how a restricted master is taken: mipdesign.bounds.optimise has the numbers. */
typedef struct {
    i64 sifted_columns, sifted_evaluations, share, least_columns, rounds;
} Sifting;

/* How many rows of networks a minimisation may leave. */
EXPORT i64 optimise_room(const Sifting *how, i64 n_known, i64 max_evaluations) {
    return n_known + 1 + (how->rounds + 1) * (max_evaluations + 1);
}

/* Marks the columns that networks use, those that the cell has. */
EXPORT void relaxation_on_paths(const Relaxation *r, const double *rows, i64 n, uint8_t *chosen) {
    const Chain *c = &r->chain;
    PathRow at = path_row(c->arrays);
    for (i64 q = 0; q < n; q++)
        for (i64 i = 0; i < c->super_blocks; i++) {
            const i64 *own = c->rows + c->at[i];
            i64 n_own = c->at[i + 1] - c->at[i], row = c->arrays->offsets[i] + (i64)rows[q * at.width + at.columns + i];
            i64 place = place_of(own, n_own, row);
            if (place >= 0)
                chosen[c->at[i] + place] = 1;
        }
}

/* The number that stands at a rank, from 0, among n in increasing order, which changes theirs (Hoare 1961). */
static double at_rank(double *x, i64 n, i64 rank) {
    i64 low = 0, high = n - 1;
    while (low < high) {
        double pivot = x[(low + high) / 2];
        i64 i = low, j = high;
        while (i <= j) {
            while (x[i] < pivot)
                i++;
            while (x[j] > pivot)
                j--;
            if (i <= j) {
                double other = x[i];
                x[i++] = x[j], x[j--] = other;
            }
        }
        if (rank <= j)
            high = j;
        else if (rank >= i)
            low = i;
        else
            break;
    }
    return x[rank];
}

/* Marks about so many columns whose networks have the largest bounds, of those that reach the cutoff: the ones that a restricted
 * master takes next. Whether there is memory for that.
 */
EXPORT bool bound_master(const Bound *b, double cutoff, i64 number, uint8_t *chosen) {
    const Chain *c = &b->relaxation->chain;
    Store store = {0}, *s = &store;
    i64 step = most_int(1, c->n / SAMPLE), n = (c->n + step - 1) / step;
    double *spares = take_doubles(s, c->n), *sample = take_doubles(s, n);
    uint8_t *stems = take(s, (size_t)c->n_stems);
    i64 *low = take_ints(s, c->super_blocks), *high = take_ints(s, c->super_blocks);
    double least = least_worth(b, cutoff);
    bool done = !s->failed && fix_by_reduced_cost(c, &b->room.weights, &b->room.pass, least, spares, stems, low, high) >= 0;
    if (done) {
        for (i64 k = 0; k < n; k++)
            sample[k] = spares[k * step];
        double bar = most_of(0.0, at_rank(sample, n, most_int(0, n - most_int(1, number * n / c->n))));
        for (i64 p = 0; p < c->n; p++)
            chosen[p] |= spares[p] >= bar;
    }
    give_back(s);
    return done;
}

static void add_row(Found *found, const double *row, i64 width) {
    memcpy(found->rows + found->n * width, row, (size_t)width * sizeof(double));
    found->weights[found->n++] = 0.0;
}

/* Lowers the bound of a restricted master, the columns whose networks have the largest bounds, until that of all columns is hardly
 * larger: few columns are ever on a best path. What it finds is a bound of all columns; NULL where memory ends.
 */
static Bound *sift(const Relaxation *r, const double *start, double weight, double cutoff, const double *known, i64 n_known,
                   i64 max_evaluations, double tolerance, const Sifting *how, Found *found) {
    const Arrays *a = r->chain.arrays;
    Store store = {0}, *s = &store;
    i64 width = path_row(a).width, dims = multipliers_of(a), n = r->chain.n, room = optimise_room(how, n_known, max_evaluations);
    i64 number = most_int(how->least_columns, n / how->share), passes = 1;
    uint8_t *chosen = take(s, (size_t)n);
    double *row = take_doubles(s, width), *numbers = take_doubles(s, dims), *rows = take_doubles(s, room * width);
    double of_master = -INFINITY;
    Found part = {.multipliers = numbers, .rows = rows, .weights = take_doubles(s, room)};
    Bound *best = s->failed ? NULL : bound_at(r, start, weight, row), *latest = best;
    if (!best)
        goto done;
    memset(chosen, 0, (size_t)n);
    relaxation_on_paths(r, known, n_known, chosen);
    found->n = 0;
    for (i64 q = 0; q < n_known; q++)
        add_row(found, known + q * width, width);
    add_row(found, row, width);
    memcpy(found->multipliers, start, (size_t)dims * sizeof(double));
    for (i64 round = 0; round < how->rounds; round++) {
        if (best->value + best->error < cutoff || latest->value <= of_master + tolerance * (best->value - cutoff))
            break;
        i64 status = NO_MEMORY;
        Relaxation *master = bound_master(latest, cutoff, number, chosen) ? relaxation_part(r, chosen, &status) : NULL;
        if (latest != best)
            bound_free(latest);
        latest = best;
        if (status == EMPTY)
            break;
        if (master)
            minimise(&master->chain, &master->ranges, found->multipliers, weight, cutoff, found->rows, found->n, max_evaluations,
                     tolerance, &part);
        bool minimised = master && part.evaluations;
        if (master)
            relaxation_free(master);
        Bound *next = minimised ? bound_at(r, part.multipliers, weight, row) : NULL;
        if (!next) {
            bound_free(best);
            best = latest = NULL;
            break;
        }
        of_master = part.bound;
        passes++;
        memcpy(found->rows, part.rows, (size_t)(part.n * width) * sizeof(double));
        memcpy(found->weights, part.weights, (size_t)part.n * sizeof(double));
        found->n = part.n;
        add_row(found, row, width);
        latest = next;
        if (latest->value < best->value) {
            bound_free(best);
            best = latest;
            memcpy(found->multipliers, part.multipliers, (size_t)dims * sizeof(double));
        }
    }
    if (latest != best)
        bound_free(latest);
done:
    if (best)
        found->bound = best->value, found->error = best->error, found->evaluations = passes;
    give_back(s);
    return best;
}

/* Lowers the bound of a cell by a level method on its convex dual function (`minimise`), on a restricted master where it is large.
 * Networks `known` from a larger cell are cuts of the model from the start, where they lie in this one. Whether there was memory for
 * it; `best` receives what follows from the bound where that is at hand.
 */
static bool optimise(const Relaxation *r, const double *start, double weight, double cutoff, const double *known, i64 n_known,
                     i64 max_evaluations, double tolerance, const Sifting *how, Found *found, Bound **best) {
    *best = NULL;
    if (r->chain.n >= how->sifted_columns && max_evaluations >= how->sifted_evaluations) {
        *best = sift(r, start, weight, cutoff, known, n_known, max_evaluations, tolerance, how, found);
        return *best;
    }
    minimise(&r->chain, &r->ranges, start, weight, cutoff, known, n_known, max_evaluations, tolerance, found);
    return found->evaluations;
}

/* The same; `multipliers` receives the best, `numbers` bound and error; the passes over all columns, 0 without memory. */
EXPORT i64 relaxation_optimise(const Relaxation *r, const double *start, double weight, double cutoff, i64 max_evaluations,
                               double tolerance, const Sifting *how, double *multipliers, double *numbers) {
    Store store = {0};
    i64 room = optimise_room(how, 0, max_evaluations), passes = 0;
    Found found = {.multipliers = multipliers, .rows = take_doubles(&store, room * path_row(r->chain.arrays).width),
                   .weights = take_doubles(&store, room)};
    Bound *best = NULL;
    if (!store.failed && optimise(r, start, weight, cutoff, NULL, 0, max_evaluations, tolerance, how, &found, &best)) {
        numbers[0] = found.bound, numbers[1] = found.error;
        passes = found.evaluations;
    }
    if (best)
        bound_free(best);
    give_back(&store);
    return passes;
}

#endif
