#include "stats/best_of.h"

#include <math.h>

double best_of_kl(size_t n)
{
    return n ? log((double)n) - (double)(n - 1) / (double)n : NAN;
}

/* C(m - i, n - 1) / C(m, n) for i = 1 ..: the probability that the i-th best of m is the best of a subset of n. From one to the
 * next it is multiplied with (m - i - n + 1) / (m - i). */
static double place_weight(size_t m, size_t n, size_t i)
{
    double w = (double)n / (double)m; /* C(m - 1, n - 1) / C(m, n) */
    for (size_t k = 1; k < i; k++) {
        if (m - k < n)
            return 0;
        w *= (double)(m - k - n + 1) / (double)(m - k);
    }
    return w;
}

double best_of_expected(const double *scores, const double *values, size_t count, size_t n)
{
    double sum = 0;
    if (n == 0 || n > count)
        return NAN;
    for (size_t i = 0; i < count; i++) {
        size_t above = 0, equal = 0;
        if (isnan(scores[i]))
            return NAN;
        for (size_t k = 0; k < count; k++) {
            above += scores[k] > scores[i];
            equal += scores[k] == scores[i];
        }
        double share = 0; /* of the places that the equal ones hold between them */
        for (size_t k = 0; k < equal; k++)
            share += place_weight(count, n, above + k + 1);
        sum += values[i] * share / (double)equal;
    }
    return sum;
}
