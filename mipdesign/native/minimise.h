/* The minimisation of a cell's dual function by a level method (Lemarechal, Nemirovskii, Nesterov 1995). */

#ifndef MINIMISE_H
#define MINIMISE_H

#include "dual.h"
#include "level.h"

#define OVERSHOOT 1.0 /* how far below the cutoff the level method aims, relative to how far above it the bound stands */

/* Where a number stands among increasing ones; -1 where it does not. */
static i64 place_of(const i64 *sorted, i64 n, i64 value) {
    i64 low = 0, high = n;
    while (low < high) {
        i64 middle = (low + high) / 2;
        if (sorted[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && sorted[low] == value ? low : -1;
}

/* Whether a network lies in the cell. */
static bool holds(const Chain *c, const double *row) {
    const Arrays *a = c->arrays;
    PathRow at = path_row(a);
    if (place_of(c->stems, c->n_stems, (i64)row[0]) < 0)
        return false;
    for (i64 i = 0; i < c->super_blocks; i++) {
        double depth = row[at.depths + i];
        if (depth < (double)c->low[i] || depth > (double)c->high[i])
            return false;
        if (place_of(c->rows + c->at[i], c->at[i + 1] - c->at[i], a->offsets[i] + (i64)row[at.columns + i]) < 0)
            return false;
    }
    return true;
}

/* What a minimisation has found: the least bound and its rounding allowance, its multipliers, the place of its network among the
 * rows of `n` networks; of all of them the weights in the last model.
 */
typedef struct {
    double bound, error, *multipliers;
    i64 at, n, evaluations;
    double *rows, *weights;
} Found;

/* Lowers the bound of a cell. `known` networks that lie in it are cuts of the model from the start, and come first among those found.
 * `found` has room for as many rows as are known and evaluations may be made.
 */
static void minimise(const Chain *c, const Ranges *r, const double *start, double weight, double cutoff, const double *known,
                     i64 n_known, i64 max_evaluations, double tolerance, Found *found) {
    const Arrays *a = c->arrays;
    Store store = {0}, *s = &store;
    i64 nb = a->budgets, nr = a->n_rho_stages, dims = nb + 2 * nr + a->n_penalised, width = path_row(a).width;
    i64 room = n_known + max_evaluations, n = 0, evaluations = 0;
    double *unit = take_filled(s, dims, 0.0), *multipliers = take_doubles(s, dims), *centre = take_doubles(s, dims);
    double *slopes = take_doubles(s, room * dims), *intercepts = take_doubles(s, room), *above = take_doubles(s, room);
    double *excess = take_doubles(s, room), *depths = take_doubles(s, a->n_penalised);
    double *blocks = take_doubles(s, a->super_blocks);
    uint8_t *is_signed = take(s, (size_t)dims);
    Level level = level_for(dims, room, s);
    Room evaluation = room_for(c, false, s);
    double best = INFINITY, error = 0.0, constant, size = most_of(1.0, fabs(cutoff)), floor = -INFINITY;
    if (s->failed)
        goto done;
    memset(is_signed, 0, (size_t)dims);
    for (i64 k = 0; k < nb; k++)
        unit[k] = fabs(a->limits[k]), is_signed[k] = 1;
    for (i64 k = 0; k < nr; k++) {
        unit[nb + k] = r->w_high[a->rho_stages[k]], unit[nb + nr + k] = r->n_high[a->rho_stages[k]];
        is_signed[nb + k] = 1;
    }
    for (i64 k = 0; k < a->n_penalised; k++) {
        double fewest, most;
        depth_range(c, k, &fewest, &most);
        unit[nb + 2 * nr + k] = most - fewest;
    }
    for (i64 d = 0; d < dims; d++) {
        unit[d] = 1.0 / most_of(unit[d], 1.0);
        multipliers[d] = found->multipliers[d] = start[d];
        centre[d] = start[d] / unit[d];
    }
    for (i64 q = 0; q < n_known; q++) {
        const double *row = known + q * width;
        if (!holds(c, row))
            continue;
        memcpy(found->rows + n * width, row, (size_t)width * sizeof(double));
        intercepts[n] = slack(c, r, start, weight, row, slopes + n * dims, depths, blocks);
        for (i64 d = 0; d < dims; d++)
            slopes[n * dims + d] *= unit[d];
        n++;
    }
    found->at = n;
    for (i64 q = 0; q < room; q++)
        found->weights[q] = 0.0;
    while (evaluations < max_evaluations) {
        double allowance, *row = found->rows + n * width, *slope = slopes + n * dims;
        double value = evaluate(c, r, multipliers, weight, &evaluation, &allowance, &constant, row);
        evaluations++;
        slack(c, r, multipliers, weight, row, slope, depths, blocks);
        intercepts[n] = value;
        for (i64 d = 0; d < dims; d++) {
            intercepts[n] -= slope[d] * multipliers[d];
            slope[d] *= unit[d];
        }
        if (value < best) {
            best = value, error = allowance, found->at = n;
            for (i64 d = 0; d < dims; d++) {
                found->multipliers[d] = multipliers[d];
                centre[d] = multipliers[d] / unit[d];
            }
        }
        n++;
        double beyond = best - cutoff, good_enough = most_of(1e-5 * size, tolerance * beyond);
        floor = most_of(floor, cutoff - OVERSHOOT * beyond);
        if (evaluations == max_evaluations || dims == 0 || best + error < cutoff || best - floor < good_enough)
            break;
        for (i64 q = 0; q < n; q++) {
            above[q] = intercepts[q];
            for (i64 d = 0; d < dims; d++)
                above[q] += slopes[q * dims + d] * centre[d];
        }
        bool moved = false;
        for (int attempt = 0; attempt < 6 && !moved; attempt++) {
            double target = floor + 0.3 * (best - floor), total = 0.0, highest = -INFINITY;
            for (i64 q = 0; q < n; q++)
                excess[q] = above[q] - target;
            bool projected = project_to_level(&level, n, excess, slopes, centre, is_signed, size);
            for (i64 q = 0; q < n; q++)
                total += level.duals[q];
            for (i64 q = 0; total > 0 && q < n; q++)
                found->weights[q] = level.duals[q] / total;
            for (i64 q = 0; projected && q < n; q++) {
                double there = above[q];
                for (i64 d = 0; d < dims; d++)
                    there += slopes[q * dims + d] * level.step[d];
                highest = most_of(highest, there);
            }
            moved = projected && highest < target + 0.1 * (best - target);
            if (!moved) {
                floor = target;
                if (best - floor < good_enough)
                    break;
            }
        }
        if (!moved)
            break;
        for (i64 d = 0; d < dims; d++) {
            multipliers[d] = (centre[d] + level.step[d]) * unit[d];
            if (is_signed[d])
                multipliers[d] = most_of(0.0, multipliers[d]);
        }
    }
done:
    found->bound = best, found->error = error, found->n = n, found->evaluations = evaluations;
    give_back(s);
}

#endif
