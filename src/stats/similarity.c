#include "stats/similarity.h"

#include "stats/distribution.h"

#include <math.h>

enum { MOST_OPTIONS = 256 };

bool shares_normalise(double *shares, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (!(shares[i] >= 0) || isinf(shares[i]))
            return false;
        sum += shares[i];
    }
    if (!(sum > 0) || isinf(sum))
        return false;
    for (size_t i = 0; i < count; i++)
        shares[i] /= sum;
    return true;
}

/* p log2(p / m), in halves. */
static double part(double p, double m)
{
    return p > 0 ? .5 * p * log2(p / m) : 0;
}

double divergence_js(const double *p, const double *q, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        double m = .5 * (p[i] + q[i]);
        sum += part(p[i], m) + part(q[i], m);
    }
    return fmin(fmax(sum, 0), 1); /* rounding alone leads out of [0, 1] */
}

double similarity(const double *p, const double *q, size_t count)
{
    return 1 - sqrt(divergence_js(p, q, count));
}

double similarity_natural(const double *p, const double *q, size_t count)
{
    return 1 - sqrt(0.693147180559945309417 * divergence_js(p, q, count));
}

double wasserstein_steps(const double *p, const double *q, size_t count)
{
    double ahead = 0, sum = 0;
    for (size_t i = 0; i + 1 < count; i++) {
        ahead += p[i] - q[i];
        sum += fabs(ahead);
    }
    return count > 1 ? sum / (double)(count - 1) : 0;
}

double entropy_ratio(const double *p, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum -= p[i] > 0 ? p[i] * log(p[i]) : 0;
    return count > 1 ? fmin(fmax(sum, 0) / log((double)count), 1) : NAN;
}

void shares_draw(const double *p, size_t count, size_t draws, random_stream *r, double *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = 0;
    for (size_t n = 0; n < draws; n++) {
        double left = random_uniform(r);
        size_t k = 0, last = 0;
        for (; k < count; k++) {
            last = p[k] > 0 ? k : last;
            if ((left -= p[k]) < 0)
                break;
        }
        out[k < count ? k : last] += 1 / (double)draws;
    }
}

double similarity_of_draws(const double *p, const double *q, size_t count, size_t draws, size_t repeats, random_stream *r)
{
    double sum = 0, drawn[MOST_OPTIONS];
    if (draws == 0 || count > MOST_OPTIONS || (count != 2 && repeats == 0))
        return NAN;
    if (count == 2) {
        for (size_t k = 0; k <= draws; k++) {
            double share = (double)k / (double)draws;
            sum += binomial_exactly(draws, p[0], k) * similarity((double[]){share, 1 - share}, q, 2);
        }
        return sum;
    }
    for (size_t i = 0; i < repeats; i++) {
        shares_draw(p, count, draws, r, drawn);
        sum += similarity(drawn, q, count);
    }
    return sum / (double)repeats;
}
