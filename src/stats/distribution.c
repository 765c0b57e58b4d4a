#include "stats/distribution.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>

enum { MOST_TERMS = 100000 };

/* lgamma without the global `signgam`, so that threads may call it. */
static double log_gamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}

static double gamma_series(double a, double x)
{
    double term = 1 / a, sum = term;
    for (int i = 1; i < MOST_TERMS; i++) {
        term *= x / (a + i);
        sum += term;
        if (term < sum * DBL_EPSILON)
            break;
    }
    return sum * exp(a * log(x) - x - log_gamma(a));
}

/* The continued fraction of Q(a, x), by the modified Lentz method. */
static double gamma_fraction(double a, double x)
{
    double b = x + 1 - a, c = 1 / DBL_MIN, d = 1 / b, h = d;
    for (int i = 1; i < MOST_TERMS; i++) {
        double numerator = -(double)i * (i - a);
        b += 2;
        d = numerator * d + b;
        if (fabs(d) < DBL_MIN)
            d = DBL_MIN;
        c = b + numerator / c;
        if (fabs(c) < DBL_MIN)
            c = DBL_MIN;
        d = 1 / d;
        double factor = d * c;
        h *= factor;
        if (fabs(factor - 1) < DBL_EPSILON)
            break;
    }
    return h * exp(a * log(x) - x - log_gamma(a));
}

double gamma_lower(double a, double x)
{
    if (!(a > 0) || !(x >= 0))
        return NAN;
    if (x == 0)
        return 0;
    return x < a + 1 ? gamma_series(a, x) : 1 - gamma_fraction(a, x);
}

double gamma_upper(double a, double x)
{
    if (!(a > 0) || !(x >= 0))
        return NAN;
    if (x == 0)
        return 1;
    return x < a + 1 ? 1 - gamma_series(a, x) : gamma_fraction(a, x);
}

static double lentz_step(double numerator, double *c, double *d)
{
    *d = 1 + numerator * *d;
    if (fabs(*d) < DBL_MIN)
        *d = DBL_MIN;
    *c = 1 + numerator / *c;
    if (fabs(*c) < DBL_MIN)
        *c = DBL_MIN;
    *d = 1 / *d;
    return *d * *c;
}

static double beta_fraction(double a, double b, double x)
{
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    if (fabs(d) < DBL_MIN)
        d = DBL_MIN;
    d = 1 / d;
    double h = d;
    for (int m = 1; m < MOST_TERMS; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        h *= lentz_step(even, &c, &d);
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        double factor = lentz_step(odd, &c, &d);
        h *= factor;
        if (fabs(factor - 1) < DBL_EPSILON)
            break;
    }
    return h;
}

double beta_lower(double a, double b, double x)
{
    if (!(a > 0) || !(b > 0) || !(x >= 0) || !(x <= 1))
        return NAN;
    if (x == 0 || x == 1)
        return x;
    double front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x));
    bool left = x < (a + 1) / (a + b + 2); /* where the fraction converges quickly */
    return left ? front * beta_fraction(a, b, x) / a : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double bisect(double (*f)(const void *context, double x), const void *context, double target, double low, double high)
{
    for (int i = 0; i < 200; i++) {
        double middle = low + (high - low) / 2;
        if (middle <= low || middle >= high)
            break;
        if (f(context, middle) < target)
            low = middle;
        else
            high = middle;
    }
    return low + (high - low) / 2;
}

/* Doubles `reach` until f passes the target, so that bisection starts from a tight range. */
static double reach_above(double (*f)(const void *context, double x), const void *context, double target)
{
    double reach = 1;
    while (reach < 1e300 && f(context, reach) < target)
        reach *= 2;
    return reach;
}

double normal_below(double z)
{
    return 0.5 * erfc(-z * M_SQRT1_2);
}

double normal_above(double z)
{
    return 0.5 * erfc(z * M_SQRT1_2);
}

static double normal_rise(const void *context, double z)
{
    (void)context;
    return normal_below(z);
}

double normal_quantile(double p)
{
    if (!(p > 0 && p < 1))
        return NAN;
    /* The left tail keeps its digits where the right one has lost them to 1 - p. */
    return p <= 0.5 ? bisect(normal_rise, NULL, p, -40, 0) : -bisect(normal_rise, NULL, 1 - p, -40, 0);
}

double student_below(double t, double freedom)
{
    if (!(freedom > 0) || isnan(t))
        return NAN;
    double tail = 0.5 * beta_lower(freedom / 2, 0.5, freedom / (freedom + t * t));
    return t > 0 ? 1 - tail : tail;
}

double student_shifted_below(double t, double freedom, double shift)
{
    if (!(freedom > 0) || isnan(t) || !isfinite(shift))
        return NAN;
    if (t < 0)
        return 1 - student_shifted_below(-t, freedom, -shift);
    if (fabs(shift) > 37 || isinf(t))
        return isinf(t) ? 1 : normal_below((t * (1 - 1 / (4 * freedom)) - shift) / sqrt(1 + t * t / (2 * freedom)));
    double x = t * t / (t * t + freedom), half = shift * shift / 2, sum = 0;
    if (x > 0) {
        double a = .5, b = freedom / 2, rest = pow(1 - x, b), p = .5 * exp(-half), q = sqrt(2 / M_PI) * p * shift, left = .5 - p;
        double odd = beta_lower(a, b, x), even = 1 - rest;
        double odd_step = 2 * rest * exp(a * log(x) - .5 * log(M_PI) - log_gamma(b) + log_gamma(a + b)), even_step = b * x * rest;
        sum = p * odd + q * even;
        for (int n = 1; n < MOST_TERMS && 2 * left * (odd - odd_step) > 1e-16; n++) {
            a++;
            odd -= odd_step;
            even -= even_step;
            odd_step *= x * (a + b - 1) / a;
            even_step *= x * (a + b - .5) / (a + .5);
            p *= half / n;
            q *= half / (n + .5);
            left -= p;
            sum += p * odd + q * even;
        }
    }
    return fmin(1, fmax(0, sum + normal_below(-shift)));
}

typedef struct freedoms {
    double one, two;
} freedoms;

static double student_rise(const void *context, double t)
{
    return student_below(t, ((const freedoms *)context)->one);
}

double student_quantile(double p, double freedom)
{
    if (!(p > 0 && p < 1) || !(freedom > 0))
        return NAN;
    freedoms f = {freedom, 0};
    if (p < 0.5)
        return -student_quantile(1 - p, freedom);
    return bisect(student_rise, &f, p, 0, reach_above(student_rise, &f, p));
}

double chi_square_above(double x, double freedom)
{
    return gamma_upper(freedom / 2, x / 2);
}

static double chi_square_rise(const void *context, double x)
{
    return gamma_lower(((const freedoms *)context)->one / 2, x / 2);
}

double chi_square_quantile(double p, double freedom)
{
    if (!(p > 0 && p < 1) || !(freedom > 0))
        return NAN;
    freedoms f = {freedom, 0};
    return bisect(chi_square_rise, &f, p, 0, reach_above(chi_square_rise, &f, p));
}

double fisher_above(double f, double freedom1, double freedom2)
{
    if (!(f >= 0))
        return NAN;
    return beta_lower(freedom2 / 2, freedom1 / 2, freedom2 / (freedom2 + freedom1 * f));
}

static double fisher_rise(const void *context, double x)
{
    const freedoms *f = context;
    return 1 - fisher_above(x, f->one, f->two);
}

double fisher_quantile(double p, double freedom1, double freedom2)
{
    if (!(p > 0 && p < 1) || !(freedom1 > 0) || !(freedom2 > 0))
        return NAN;
    freedoms f = {freedom1, freedom2};
    return bisect(fisher_rise, &f, p, 0, reach_above(fisher_rise, &f, p));
}

double binomial_at_least(uint64_t n, double p, uint64_t k)
{
    if (!(p >= 0 && p <= 1))
        return NAN;
    if (k == 0)
        return 1;
    if (k > n)
        return 0;
    return beta_lower((double)k, (double)(n - k) + 1, p);
}

double binomial_at_most(uint64_t n, double p, uint64_t k)
{
    if (!(p >= 0 && p <= 1))
        return NAN;
    if (k >= n)
        return 1;
    return beta_lower((double)(n - k), (double)k + 1, 1 - p);
}

double binomial_exactly(uint64_t n, double p, uint64_t k)
{
    if (!(p >= 0 && p <= 1))
        return NAN;
    if (k > n)
        return 0;
    if (p == 0 || p == 1)
        return (p == 0 ? k == 0 : k == n) ? 1 : 0;
    double a = (double)k, b = (double)(n - k);
    return exp(log_gamma((double)n + 1) - log_gamma(a + 1) - log_gamma(b + 1) + a * log(p) + b * log1p(-p));
}
