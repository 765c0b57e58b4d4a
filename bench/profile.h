/* profile.h - where the time of a plan goes, in lines on stderr. */
#ifndef ASSAY_BENCH_PROFILE_H
#define ASSAY_BENCH_PROFILE_H

#include "graph/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline int profile_slower_first(const void *x, const void *y)
{
    double a = ((const plan_step_profile *)x)->seconds, b = ((const plan_step_profile *)y)->seconds;
    return a < b ? 1 : a > b ? -1 : 0;
}

/* The `most` slowest steps of a plan with .profile that was run `runs` times. */
static inline void profile_print(const plan *p, int runs, size_t most)
{
    size_t count = plan_profile(p, NULL, 0);
    plan_step_profile *rows = calloc(count + 1, sizeof *rows);
    if (!rows)
        return;
    plan_profile(p, rows, count);
    double all = 0;
    for (size_t i = 0; i < count; i++)
        all += rows[i].seconds / runs;
    fprintf(stderr, "%zu steps, %.3f ms:", count, 1e3 * all);
    for (size_t i = 0; i < count; i++) { /* by kind, in the order in which they first come */
        double seconds = 0;
        size_t first = 0;
        while (strcmp(rows[first].name, rows[i].name) != 0)
            first++;
        for (size_t k = i; first == i && k < count; k++)
            seconds += strcmp(rows[k].name, rows[i].name) == 0 ? rows[k].seconds / runs : 0;
        if (first == i && seconds > 0.01 * all)
            fprintf(stderr, " %s %.2f,", rows[i].name, 1e3 * seconds);
    }
    fprintf(stderr, "\n");
    qsort(rows, count, sizeof *rows, profile_slower_first);
    for (size_t i = 0; i < count && i < most; i++) {
        char text[128];
        fprintf(stderr, "  %8.3f ms  %-20s %s  %zu nodes", 1e3 * rows[i].seconds / runs, rows[i].name, shape_text(rows[i].node->shape, text),
                rows[i].nodes);
        if (rows[i].flops > 0 && rows[i].seconds > 0)
            fprintf(stderr, "  %.0f GFLOP/s", rows[i].flops / rows[i].seconds * runs / 1e9);
        fprintf(stderr, "\n");
    }
    free(rows);
}

#endif
