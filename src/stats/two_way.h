/* two_way.h - effects of columns in a table with gaps: value = row effect + column effect + error, by least squares.
 *
 * Countries answered different questions; the mean over its own questions says as much about the questions as about the
 * country. What is left when each row (question) has an effect of its own compares columns (countries) on the rows that they
 * share (global_opinions.md, section 4).
 *
 *     two_way_cell cells[] = {{0, 0, .9}, {1, 0, .5}, {0, 1, .8}};       // row, column, value
 *     two_way *t;
 *     TRY(two_way_new(arena, cells, 3, 2, 2, &t, err));
 *     two_way_fit(t, NULL, effects, levels);      // effects[1] - effects[0] = -.1, though column 1 has the larger mean
 *
 * Columns that no chain of shared rows connects cannot be compared: they form blocks. In every block the effects, weighted by
 * the number of cells, sum to 0; its level is the mean of all its values.
 */
#ifndef ASSAY_STATS_TWO_WAY_H
#define ASSAY_STATS_TWO_WAY_H

#include "core/arena.h"
#include "core/error.h"

#include <stddef.h>

typedef struct two_way two_way;

typedef struct two_way_cell {
    size_t row, column;
    double value;
} two_way_cell;

/* The cells are copied; no row may hold a column twice. */
status two_way_new(arena *a, const two_way_cell *cells, size_t count, size_t rows, size_t columns, two_way **out, error *err);
/* Row r counts `weights[r]` times (NULL: once). effects[c] and levels[c] (of the block of c; NULL: not wanted) for each column;
 * NaN for columns without a cell. One thread at a time. */
void two_way_fit(two_way *t, const double *weights, double *effects, double *levels);
/* Other values for the same cells, in the order in which these were given; all of them numbers. */
void two_way_set(two_way *t, const double *values);
/* The same for the values of now under the weights of the last fit, whose equations are solved already. */
void two_way_again(two_way *t, double *effects, double *levels);
/* The number of the block that a column lies in at the last fit, from 0, the one with the most cells first; SIZE_MAX: it has
 * no cell. */
size_t two_way_block(const two_way *t, size_t column);

#endif
