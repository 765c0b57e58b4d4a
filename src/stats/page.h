/* page.h - Page's test: do figures rise along ordered conditions, when each is repeated in several blocks?
 *
 * Rows are blocks (seeds), columns the conditions in the order in which figures are expected to rise (doses). Each row is ranked
 * by itself, from 1 for its least figure; equal figures share the mean of their ranks. With R_j the sum of the ranks of column j,
 * counted from 1,
 *
 *     L = sum_j j R_j                          (Page, Journal of the American Statistical Association 58, 1963)
 *
 * is largest where every row rises. Under the null hypothesis each row's ranks stand in any order with equal probability.
 *
 *     const double follows[2 * 3] = {.1, .2, .9,   .1, .3, .4};       // two seeds at three doses
 *     page_result r;
 *     TRY(page_test(follows, 2, 3, &r, err));                          // r.statistic 28, r.p 1/36
 */
#ifndef ASSAY_STATS_PAGE_H
#define ASSAY_STATS_PAGE_H

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Up to so many columns and rows p is exact. */
enum { PAGE_EXACT_COLUMNS = 10, PAGE_EXACT_ROWS = 40 };

typedef struct page_result {
    double statistic; /* L */
    double p;         /* one-sided: P(L at least so large) */
    bool exact;       /* p is the share of all orders of each row's own ranks, ties as they are; else from z */
    double z;         /* (L - its mean) / its deviation; NaN where every row is one tie */
} page_result;

/* `values` row after row. STATUS_INVALID for no row, fewer than 2 columns, or a value that is no number; STATUS_MEMORY. */
status page_test(const double *values, size_t rows, size_t columns, page_result *out, error *err);

#endif
