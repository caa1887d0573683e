/* The expansion of a node of the tree, as a whole: mipdesign.search.branching.expand says what it is. */

#ifndef EXPANSION_H
#define EXPANSION_H

#include "listing.h"
#include "sifting.h"
#include "splitting.h"

#define LIST_COLUMNS 500 /* cells with more columns are not searched for all their networks */
#define KEPT_PATHS 6     /* paths handed to the children of a node beside those that support its bound */
#define LEAST_SUPPORT 1e-6 /* weight of a path in the last model of the dual function from which it supports the bound */
#define TOLERANCE 0.05   /* share of its distance to the cutoff by which a bound may stay above the least */

/* The order is that of mipdesign.search.branching.VERDICTS. */
enum { EXCLUDED, SPLIT, LISTED_ALL, TO_SOLVER, WITHOUT };

/* What is asked; the fields of mipdesign.search.branching.Question. */
typedef struct {
    const CellView *cell;
    const Sifting *how;
    const double *start, *known; /* multipliers to begin with, networks that supported the bound of a larger cell */
    double cutoff, weight, doubt;
    i64 n_known, evaluations, list_steps, solver_columns;
    Split advised; /* of kind -1 where there is none */
} Question;

/* What came of it, in memory of its own; the first fields are those of mipdesign.search.branching.Answer. */
typedef struct {
    i64 verdict;
    i64 optimised; /* whether there are multipliers and a bound: an empty cell has none */
    Split split;
    const Cell *cell;        /* what reduced-cost fixing has left */
    const double *multipliers;
    i64 n_listed, n_reached; /* networks: first those of a listing, in falling order, then paths that keep all limits, */
    const i64 *networks;     /* as rows of stem, columns and depths, */
    const double *objectives;
    const i64 *repair_start; /* and a path that reaches the cutoff but breaks a limit, NULL where there is none */
    i64 n_kept;
    const double *kept;      /* rows of the paths for the children */
    double bound;
    Cell own;
    Store store;
} Answer;

EXPORT i64 size_of_question(void) { return (i64)sizeof(Question); }
EXPORT i64 size_of_answer(void) { return (i64)offsetof(Answer, own); }

EXPORT void answer_free(Answer *answer) {
    give_back(&answer->store);
    free(answer);
}

/* Whether a path keeps all ties and limits, in floating point with a margin for the effectiveness. */
static bool fits(const Arrays *a, const double *row, const i64 *network) {
    PathRow at = path_row(a);
    bool ok = keeps_ties(a, network + at.columns, network + at.depths);
    for (i64 b = 0; b < a->budgets; b++)
        ok &= row[at.counts + b] <= a->limits[b];
    for (i64 k = 0; k < a->n_rho_stages; k++) {
        double n = row[at.layers + a->rho_stages[k]];
        ok &= row[at.logs + a->rho_stages[k]] >= n * (log(n) - log(a->rho)) * (1 - NEAR);
    }
    return ok;
}

/* The networks of a listing, and those among the paths that reach a cutoff; a start for a local search. */
static void write_networks(const Arrays *a, const Question *q, const Found *found, const Listing *listing, Answer *answer) {
    Store *s = &answer->store;
    PathRow at = path_row(a);
    i64 width = at.counts, n = listing->n, *rows = take_ints(s, (n + found->n) * width), *start = take_ints(s, width);
    double *objectives = take_doubles(s, n + found->n), level = q->weight != 0 ? q->cutoff - margin_of(q->cutoff, q->doubt) : -INFINITY;
    if (s->failed)
        return;
    if (n) {
        memcpy(rows, listing->rows, (size_t)(n * width) * sizeof(i64));
        memcpy(objectives, listing->objectives, (size_t)n * sizeof(double));
    }
    for (i64 k = 0; k < found->n; k++) {
        const double *row = found->rows + k * at.width;
        if (!(row[at.objective] >= level))
            continue;
        i64 *network = rows + n * width;
        for (i64 d = 0; d < width; d++)
            network[d] = (i64)row[d];
        if (fits(a, row, network)) {
            objectives[n++] = row[at.objective];
        } else if (isfinite(level)) {
            memcpy(start, network, (size_t)width * sizeof(i64));
            answer->repair_start = start;
        }
    }
    answer->n_listed = listing->n, answer->n_reached = n - listing->n;
    answer->networks = rows, answer->objectives = objectives;
}

/* Copies of the paths that support the bound, and of the last ones. */
static void write_kept(const Arrays *a, const Found *found, Answer *answer) {
    i64 width = path_row(a).width, n = 0;
    double *kept = take_doubles(&answer->store, found->n * width);
    for (i64 k = 0; kept && k < found->n; k++)
        if (found->weights[k] > LEAST_SUPPORT || k >= found->n - KEPT_PATHS)
            memcpy(kept + n++ * width, found->rows + k * width, (size_t)width * sizeof(double));
    answer->kept = kept, answer->n_kept = n;
}

static bool has_single_depths(const Arrays *a, const Cell *c) {
    return memcmp(c->low, c->high, (size_t)a->super_blocks * sizeof(i64)) == 0;
}

/* What becomes of a cell that is not excluded. */
static i64 judge(const Arrays *a, const Question *q, const Ranges *ranges, const Found *found, bool certain, Answer *answer) {
    Store *s = &answer->store;
    Cell *cell = &answer->own;
    Listing listing = {0, NULL, NULL};
    i64 verdict = SPLIT;
    if (certain && cell->n <= LIST_COLUMNS) {
        int listed = list_networks(a, cell, q->cutoff, found->multipliers, q->weight, q->list_steps, q->doubt, &listing, s);
        s->failed |= listed == WITHOUT_MEMORY;
        verdict = listed == LISTED ? LISTED_ALL : SPLIT;
    }
    write_networks(a, q, found, &listing, answer);
    if (verdict == LISTED_ALL)
        return verdict;
    answer->cell = cell;
    if (cell->n <= q->solver_columns && has_single_depths(a, cell) && q->weight != 0)
        return TO_SOLVER;
    write_kept(a, found, answer);
    answer->split = q->advised;
    if (q->advised.kind < 0 || !divides(a, cell, &q->advised)) {
        Mixture mixture = {ranges, found->rows, found->weights, found->n, q->weight};
        Store store = {0};
        answer->split = choose_split(a, cell, &mixture, &store);
        s->failed |= store.failed;
        give_back(&store);
    }
    return SPLIT;
}

/* Bounds a cell that ties and chain rule leave something of, and reduces it. */
static i64 bound_and_judge(const Arrays *a, const Question *q, Cell *cell, const Relaxation *r, Answer *answer) {
    Store *s = &answer->store, store = {0};
    i64 room = optimise_room(q->how, q->n_known, q->evaluations), width = path_row(a).width;
    Found found = {.multipliers = take_doubles(s, multipliers_of(a)), .rows = take_doubles(&store, room * width),
                   .weights = take_doubles(&store, room)};
    double *row = take_doubles(&store, width);
    Bound *best = NULL;
    i64 verdict = WITHOUT;
    if (s->failed || store.failed || !optimise(r, q->start, q->weight, q->cutoff, q->known, q->n_known, q->evaluations, TOLERANCE,
                                               q->how, &found, &best))
        goto done;
    answer->optimised = 1, answer->multipliers = found.multipliers, answer->bound = found.bound + found.error;
    verdict = EXCLUDED;
    if (answer->bound < q->cutoff)
        goto done;
    bool certain = isfinite(answer->bound), some = true; /* where multipliers overflow, what is no number would drop everything */
    if (certain) {
        if (!best)
            best = bound_at(r, found.multipliers, q->weight, row);
        s->failed |= !best;
        some = best && reduce(best, q->cutoff, &answer->own, s);
    } else {
        answer->own = *cell;
    }
    if (best)
        bound_free(best), best = NULL;
    if (some && !s->failed)
        verdict = judge(a, q, &r->ranges, &found, certain, answer);
done:
    if (best)
        bound_free(best);
    give_back(&store);
    return s->failed ? WITHOUT : verdict;
}

/* Bounds, reduces and splits one node; NULL for lack of memory. */
EXPORT Answer *node_expand(const Arrays *a, const Question *q) {
    Answer *answer = calloc(1, sizeof *answer);
    if (!answer)
        return NULL;
    Store *s = &answer->store;
    answer->bound = -INFINITY, answer->verdict = EXCLUDED, answer->split.kind = -1;
    if (is_empty(a, q->cell))
        return answer;
    Cell cell = cell_of(a, q->cell, s);
    bool failed = s->failed;
    if (!failed && keep_ties_of(a, &cell, &failed) && !failed) {
        i64 status;
        Relaxation *r = relaxed(a, &cell, q->cutoff, &status);
        failed = status == NO_MEMORY;
        if (r) {
            answer->verdict = bound_and_judge(a, q, &cell, r, answer);
            failed = answer->verdict == WITHOUT;
            relaxation_free(r);
        }
    }
    if (!failed)
        return answer;
    answer_free(answer);
    return NULL;
}

#endif
