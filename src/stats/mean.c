#include "stats/mean.h"

#include "core/arena.h"

#include <math.h>
#include <stdlib.h>

mean_estimate mean_of(const double *values, size_t n)
{
    mean_estimate m = {.mean = NAN, .deviation = NAN, .error = NAN, .limits = {NAN, NAN}, .n = n, .clusters = n};
    double sum = 0, squares = 0, z = normal_quantile(.975);
    if (n == 0)
        return m;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    m.mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (values[i] - m.mean) * (values[i] - m.mean);
    m.deviation = sqrt(squares / (double)n);
    m.error = n > 1 ? m.deviation / sqrt((double)n) : NAN;
    m.limits = (interval){m.mean - z * m.error, m.mean + z * m.error};
    return m;
}

typedef struct member {
    uint64_t cluster;
    double residual;
    size_t place;
} member;

static int by_cluster(const void *a, const void *b)
{
    const member *x = a, *y = b;
    if (x->cluster != y->cluster)
        return x->cluster < y->cluster ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

bool mean_clustered(const double *values, const uint64_t *clusters, size_t n, mean_estimate *out)
{
    *out = mean_of(values, n);
    member *all = memory_alloc((n + 1) * sizeof *all);
    if (!all)
        return false;
    for (size_t i = 0; i < n; i++)
        all[i] = (member){clusters[i], values[i] - out->mean, i};
    qsort(all, n, sizeof *all, by_cluster);
    double squares = 0;
    size_t groups = 0;
    for (size_t start = 0, end; start < n; start = end, groups++) {
        double sum = 0;
        for (end = start; end < n && all[end].cluster == all[start].cluster; end++)
            sum += all[end].residual;
        squares += sum * sum;
    }
    memory_free(all);
    double g = (double)groups, t = groups > 1 ? student_quantile(.975, g - 1) : NAN;
    out->clusters = groups;
    out->error = groups > 1 ? sqrt(g / (g - 1) * squares) / (double)n : NAN;
    out->limits = (interval){out->mean - t * out->error, out->mean + t * out->error};
    return true;
}
