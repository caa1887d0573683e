/* The records of the tables' columns, from arrays of each figure. */

#ifndef ROWS_H
#define ROWS_H

#include "arrays.h"

/* Writes n columns; `counts` are 4 x budgets x n. */
EXPORT void write_rows(i64 n, i64 budgets, const uint32_t *channels, const uint32_t *width, const uint32_t *kernel,
                       const uint32_t *most_incoming, const uint16_t *place, const uint16_t *layers, const uint8_t *family,
                       const uint8_t *has_se, const uint8_t *identity_fits, const uint8_t *rest_fits, const double *log,
                       const double *counts, char *rows) {
    for (i64 p = 0; p < n; p++) {
        Row *row = (Row *)rows;
        *row = (Row){.channels = channels[p], .width = width[p], .kernel = kernel[p], .most_incoming = most_incoming[p],
                     .place = place[p], .layers = layers[p], .family = family[p], .has_se = has_se[p],
                     .identity_fits = identity_fits[p], .rest_fits = rest_fits[p], .log = log[p]};
        for (i64 b = 0; b < budgets; b++)
            for (i64 part = 0; part < 4; part++)
                row->counts[4 * b + part] = counts[(part * budgets + b) * n + p];
        rows += sizeof(Row) + 4 * (size_t)budgets * sizeof(double);
    }
}

#endif
