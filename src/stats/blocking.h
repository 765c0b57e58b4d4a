/* blocking.h - the standard error of the mean of a series whose draws depend on each other.
 *
 *     blocking_error e;
 *     TRY(blocking(count, energies, &e, err));          // e.mean +- e.error
 *
 * Neighbours are averaged again and again until what is left of their correlation is what independent numbers would show; the spread of
 * those blocks gives the error (Flyvbjerg and Petersen, Journal of Chemical Physics 91, 461 (1989)). How often is decided by Jonsson's
 * test (Physical Review E 98, 043304 (2018)), at 1 %.
 */
#ifndef ASSAY_STATS_BLOCKING_H
#define ASSAY_STATS_BLOCKING_H

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct blocking_error {
    double mean, error; /* of all numbers */
    size_t used;        /* the largest power of two that there are: the last ones, which the error is from */
    size_t block;       /* numbers in a block at last */
    bool settled;       /* false: even the longest blocks look dependent, and the error is too small */
} blocking_error;

/* At least 16 numbers. STATUS_INVALID where there are fewer, or one is not finite. */
status blocking(size_t count, const double *x, blocking_error *out, error *err);

#endif
