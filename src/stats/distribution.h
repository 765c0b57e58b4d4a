/* distribution.h - tails and quantiles of the normal, t, chi-square, F and binomial distributions.
 *
 * All of them stand on two functions, the regularised incomplete gamma and beta functions; quantiles invert the tails
 * by bisection, so they are as good as the tails (relative error below 1e-10 where the tests look).
 *
 *     double t = student_quantile(.975, 3);        // 3.1824
 *     double p = binomial_at_least(100, .02, 7);   // P(Bin(100, .02) >= 7) = .0041
 *
 * "below" is P(X <= x), "above" is P(X > x) (of a discrete variable P(X >= k), and the name says so). Arguments
 * outside the domain give NaN.
 */
#ifndef ASSAY_STATS_DISTRIBUTION_H
#define ASSAY_STATS_DISTRIBUTION_H

#include <stdint.h>

/* A pair of limits. */
typedef struct interval {
    double low, high;
} interval;

/* P(a, x), the lower regularised incomplete gamma function, a > 0, x >= 0 (series and continued fraction). */
double gamma_lower(double a, double x);
double gamma_upper(double a, double x); /* 1 - P, without cancellation */
/* I_x(a, b), the regularised incomplete beta function, a, b > 0, 0 <= x <= 1 (Lentz's continued fraction). */
double beta_lower(double a, double b, double x);

double normal_below(double z);
double normal_above(double z);
double normal_quantile(double p); /* 0 < p < 1 */

double student_below(double t, double freedom); /* freedom > 0, fractions too */
double student_quantile(double p, double freedom);
/* P(T <= t) of Student's noncentral distribution: a normal variable about `shift` over the root of a chi-square one over its freedom
 * (Lenth, Applied Statistics 38, 1989, algorithm AS 243; the normal approximation for |shift| > 37). */
double student_shifted_below(double t, double freedom, double shift);

double chi_square_above(double x, double freedom);
double chi_square_quantile(double p, double freedom);

double fisher_above(double f, double freedom1, double freedom2);
double fisher_quantile(double p, double freedom1, double freedom2);

double binomial_at_least(uint64_t n, double p, uint64_t k); /* P(X >= k) */
double binomial_at_most(uint64_t n, double p, uint64_t k);  /* P(X <= k) */
double binomial_exactly(uint64_t n, double p, uint64_t k);

/* x in [low, high] with f(context, x) = target, for f that rises; an end of the range where it is not reached. */
double bisect(double (*f)(const void *context, double x), const void *context, double target, double low, double high);

#endif
