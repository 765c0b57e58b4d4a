#include "stats/proportion.h"

#include <math.h>

interval wilson(double successes, double n, double level)
{
    if (!(n > 0))
        return (interval){0, 1};
    double z = normal_quantile(1 - (1 - level) / 2), p = successes / n;
    double middle = p + z * z / (2 * n), half = z * sqrt((p * (1 - p) + z * z / (4 * n)) / n), all = 1 + z * z / n;
    double low = (middle - half) / all, high = (middle + half) / all;
    /* At the ends the exact value is the end itself; rounding must not miss it. */
    return (interval){p <= 0 || low < 0 ? 0 : low, p >= 1 || high > 1 ? 1 : high};
}

typedef struct tally {
    uint64_t successes, n;
} tally;

static double at_least_rise(const void *context, double p)
{
    const tally *c = context;
    return binomial_at_least(c->n, p, c->successes);
}

static double more_rise(const void *context, double p)
{
    const tally *c = context;
    return binomial_at_least(c->n, p, c->successes + 1);
}

double exact_lower(uint64_t successes, uint64_t n, double level)
{
    if (successes == 0 || n == 0)
        return 0;
    tally c = {successes, n};
    return bisect(at_least_rise, &c, 1 - level, 0, 1);
}

double exact_upper(uint64_t successes, uint64_t n, double level)
{
    if (successes >= n)
        return 1;
    tally c = {successes, n};
    return bisect(more_rise, &c, level, 0, 1);
}

interval clopper_pearson(uint64_t successes, uint64_t n, double level)
{
    double one_sided = 1 - (1 - level) / 2;
    return (interval){exact_lower(successes, n, one_sided), exact_upper(successes, n, one_sided)};
}

double binomial_test_above(uint64_t successes, uint64_t n, double p)
{
    return binomial_at_least(n, p, successes);
}

double binomial_test(uint64_t successes, uint64_t n, double p)
{
    double seen = binomial_exactly(n, p, successes), sum = 0;
    for (uint64_t k = 0; k <= n; k++) {
        double each = binomial_exactly(n, p, k);
        if (each <= seen * (1 + 1e-9)) /* as likely up to rounding counts as no likelier */
            sum += each;
    }
    return fmin(1, sum);
}

double mcnemar_exact(uint64_t only_first, uint64_t only_second)
{
    uint64_t n = only_first + only_second, least = only_first < only_second ? only_first : only_second;
    return n == 0 ? 1 : fmin(1, 2 * binomial_at_most(n, 0.5, least));
}

double mcnemar_mid(uint64_t only_first, uint64_t only_second)
{
    uint64_t n = only_first + only_second, least = only_first < only_second ? only_first : only_second;
    if (n == 0 || only_first == only_second)
        return 1 - (n == 0 ? 0 : binomial_exactly(n, 0.5, least));
    return 2 * binomial_at_most(n, 0.5, least) - binomial_exactly(n, 0.5, least);
}

double sign_test(const double *differences, size_t count)
{
    uint64_t above = 0, below = 0;
    for (size_t i = 0; i < count; i++) {
        if (isnan(differences[i]))
            return NAN;
        above += differences[i] > 0;
        below += differences[i] < 0;
    }
    return mcnemar_exact(above, below);
}

uint64_t critical_count(uint64_t n, double p0, double alpha)
{
    uint64_t c = 1; /* a count of 0 is never a detection */
    while (c <= n && binomial_at_least(n, p0, c) > alpha)
        c++;
    return c;
}

double binomial_lod(uint64_t n, double p0, double alpha, double power)
{
    tally c = {critical_count(n, p0, alpha), n};
    return c.successes > n ? NAN : bisect(at_least_rise, &c, power, 0, 1);
}

interval paired_difference(double first, double second, double both, double n, double level)
{
    if (!(n > 0))
        return (interval){-1, 1};
    double p = first / n, q = second / n, d = p - q;
    interval a = wilson(first, n, level), b = wilson(second, n, level);
    /* The phi coefficient of the 2 x 2 table, 0 where a margin is empty. */
    double f = first - both, g = second - both, h = n - both - f - g;
    double margins = (both + f) * (g + h) * (both + g) * (f + h);
    double phi = margins > 0 ? (both * h - f * g) / sqrt(margins) : 0;
    double down = p - a.low, up = a.high - p, other_up = b.high - q, other_down = q - b.low;
    double below = down * down - 2 * phi * down * other_up + other_up * other_up;
    double above = up * up - 2 * phi * up * other_down + other_down * other_down;
    return (interval){fmax(-1, d - sqrt(fmax(0, below))), fmin(1, d + sqrt(fmax(0, above)))};
}
