#include "stats/blocking.h"

#include "core/arena.h"
#include "stats/distribution.h"

#include <math.h>
#include <string.h>

enum { LEVELS = 64, LEAST = 16 };

typedef struct level {
    double variance;    /* of the blocks */
    double correlation; /* of neighbours, with the same mean taken off: a covariance */
} level;

static level look(size_t n, const double *x, double mean)
{
    level l = {0};
    for (size_t i = 0; i < n; i++)
        l.variance += (x[i] - mean) * (x[i] - mean) / (double)n;
    for (size_t i = 0; i + 1 < n; i++)
        l.correlation += (x[i] - mean) * (x[i + 1] - mean) / (double)n;
    return l;
}

static double mean_of(size_t n, const double *x)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum / (double)n;
}

/* The first level from which on all correlations together are no larger than chance makes them; `levels` if there is none. */
static size_t first_free(const level *l, size_t levels)
{
    double sum = 0;
    size_t found = levels;
    for (size_t k = levels; k-- > 0;) {
        double n = ldexp(1, (int)(levels - k)), share = l[k].variance > 0 ? l[k].correlation / l[k].variance : 0;
        sum += n * share * share;
        if (sum < chi_square_quantile(0.99, (double)(levels - k)))
            found = k;
        else if (found < levels)
            break;
    }
    return found;
}

status blocking(size_t count, const double *x, blocking_error *out, error *err)
{
    *out = (blocking_error){0};
    if (count < LEAST)
        return error_set(err, STATUS_INVALID, "blocking: expected at least %d numbers, found %zu", LEAST, count);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(x[i]))
            return error_set(err, STATUS_INVALID, "blocking: number %zu is not finite", i + 1);
    size_t used = 1, levels = 0;
    while (2 * used <= count) {
        used *= 2;
        levels++;
    }
    arena *a = arena_new(NULL);
    double *blocks = ARENA_ARRAY(a, double, used);
    if (!blocks) {
        arena_free(a);
        return error_set(err, STATUS_MEMORY, "blocking: out of memory for %zu numbers", used);
    }
    memcpy(blocks, x + (count - used), used * sizeof *blocks);
    level l[LEVELS];
    double mean = mean_of(used, blocks);
    for (size_t k = 0, n = used; k < levels; k++, n /= 2) {
        l[k] = look(n, blocks, mean);
        for (size_t i = 0; i < n / 2; i++)
            blocks[i] = (blocks[2 * i] + blocks[2 * i + 1]) / 2;
    }
    arena_free(a);
    size_t k = first_free(l, levels);
    out->settled = k + 3 < levels; /* at least 16 blocks */
    k = k < levels ? k : levels - 1;
    double left = ldexp(1, (int)(levels - k));
    *out = (blocking_error){.mean = mean_of(count, x), .used = used, .block = used >> (levels - k), .settled = out->settled};
    out->error = sqrt(l[k].variance / (left - 1)) * sqrt((double)used / (double)count);
    return STATUS_OK;
}
