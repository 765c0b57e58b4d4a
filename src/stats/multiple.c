#include "stats/multiple.h"

#include "core/arena.h"

#include <math.h>
#include <stdlib.h>

typedef struct ranked {
    double p;
    size_t place;
} ranked;

static int by_p(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->p != y->p)
        return x->p < y->p ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

/* The numbers among p in rising order; NULL when memory is out. */
static ranked *sorted(const double *p, size_t count, double *adjusted, size_t *tests)
{
    ranked *all = memory_alloc((count + 1) * sizeof *all);
    *tests = 0;
    for (size_t i = 0; all && i < count; i++) {
        adjusted[i] = NAN;
        if (!isnan(p[i]))
            all[(*tests)++] = (ranked){p[i], i};
    }
    if (all)
        qsort(all, *tests, sizeof *all, by_p);
    return all;
}

bool holm(const double *p, size_t count, double *adjusted)
{
    size_t tests;
    ranked *all = sorted(p, count, adjusted, &tests);
    double least = 0;
    for (size_t i = 0; all && i < tests; i++) {
        least = fmax(least, fmin(1, (double)(tests - i) * all[i].p));
        adjusted[all[i].place] = least;
    }
    bool good = all != NULL;
    memory_free(all);
    return good;
}

bool benjamini_hochberg(const double *p, size_t count, double *adjusted)
{
    size_t tests;
    ranked *all = sorted(p, count, adjusted, &tests);
    double least = 1;
    for (size_t i = all ? tests : 0; i-- > 0;) {
        least = fmin(least, all[i].p * (double)tests / (double)(i + 1));
        adjusted[all[i].place] = least;
    }
    bool good = all != NULL;
    memory_free(all);
    return good;
}
