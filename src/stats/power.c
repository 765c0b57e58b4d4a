#include "stats/power.h"

#include "stats/distribution.h"

#include <math.h>
#include <stdbool.h>

typedef struct levels {
    double a, b;
} levels;

static bool is_share(double p)
{
    return p >= 0 && p <= 1;
}

static levels levels_of(double alpha, double power)
{
    return (levels){normal_quantile(1 - alpha / 2), normal_quantile(power)};
}

/* Rounding errors must not cost an item. */
static double up(double n)
{
    return ceil(n - 1e-9);
}

double sample_two_shares(double p1, double p2, double alpha, double power)
{
    levels z = levels_of(alpha, power);
    double p = (p1 + p2) / 2, root = z.a * sqrt(2 * p * (1 - p)) + z.b * sqrt(p1 * (1 - p1) + p2 * (1 - p2));
    return is_share(p1) && is_share(p2) ? up(root * root / ((p1 - p2) * (p1 - p2))) : NAN;
}

double power_two_shares(double n, double p1, double p2, double alpha)
{
    double p = (p1 + p2) / 2, z = normal_quantile(1 - alpha / 2), apart = fabs(p1 - p2) * sqrt(n);
    double spread = sqrt(p1 * (1 - p1) + p2 * (1 - p2)), line = z * sqrt(2 * p * (1 - p));
    if (!is_share(p1) || !is_share(p2) || !(n > 0))
        return NAN;
    return spread > 0 ? normal_below((apart - line) / spread) : apart > line;
}

double sample_one_share(double p0, double p1, double alpha, double power)
{
    levels z = levels_of(alpha, power);
    double root = z.a * sqrt(p0 * (1 - p0)) + z.b * sqrt(p1 * (1 - p1));
    return is_share(p0) && is_share(p1) ? up(root * root / ((p1 - p0) * (p1 - p0))) : NAN;
}

static double paired_size(double difference, double discordant, levels z)
{
    double d2 = difference * difference, root = z.a * sqrt(discordant) + z.b * sqrt(fmax(0, discordant - d2));
    return root * root / d2;
}

double sample_paired_shares(double difference, double discordant, double alpha, double power)
{
    return up(paired_size(difference, discordant, levels_of(alpha, power)));
}

double power_paired_shares(double n, double difference, double discordant, double alpha)
{
    double d2 = difference * difference, z = normal_quantile(1 - alpha / 2), spread = sqrt(discordant - d2);
    if (!is_share(discordant) || fabs(difference) > discordant || !(n > 0))
        return NAN;
    double gap = fabs(difference) * sqrt(n) - z * sqrt(discordant);
    return spread > 0 ? normal_below(gap / spread) : gap > 0;
}

double detectable_paired(double n, double discordant, double alpha, double power)
{
    levels z = levels_of(alpha, power);
    double low = 0, high = discordant;
    for (int i = 0; i < 100; i++) {
        double middle = (low + high) / 2;
        if (paired_size(middle, discordant, z) > n)
            low = middle;
        else
            high = middle;
    }
    return high;
}

double sample_paired_means(double difference, double sd, double alpha, double power)
{
    levels z = levels_of(alpha, power);
    double root = (z.a + z.b) * sd / difference;
    return up(root * root);
}

/* Two-sided t test: its statistic has the shift sqrt(n) difference / sd, for two arms with half as many. */
static double power_of_t(double freedom, double shift, double alpha)
{
    double limit = student_quantile(1 - alpha / 2, freedom);
    return 1 - student_shifted_below(limit, freedom, shift) + student_shifted_below(-limit, freedom, shift);
}

double power_one_mean(double n, double difference, double sd, double alpha)
{
    return sd > 0 ? power_of_t(n - 1, fabs(difference) / sd * sqrt(n), alpha) : NAN;
}

double power_two_means(double n, double difference, double sd, double alpha)
{
    return sd > 0 ? power_of_t(2 * n - 2, fabs(difference) / sd * sqrt(n / 2), alpha) : NAN;
}

typedef double power_of_size(double n, double difference, double sd, double alpha);

/* The least whole n from 2 on with that power: doubled until it is enough, then halved in between. */
static double size_of(power_of_size *f, double samples, double difference, double sd, double alpha, double power)
{
    double low = 1, high = 2;
    if (!(sd > 0) || !(alpha > 0 && alpha < 1) || !(power > 0 && power < 1) || isnan(difference))
        return NAN;
    if (fabs(difference) < 1e-4 * sd) /* over 10^9 items: the deviation is as good as known */
        return difference == 0 ? INFINITY : up(samples * pow((normal_quantile(1 - alpha / 2) + normal_quantile(power)) * sd / difference, 2));
    while (f(high, difference, sd, alpha) < power) {
        low = high;
        high *= 2;
    }
    while (high - low > 1) {
        double middle = floor((low + high) / 2);
        if (f(middle, difference, sd, alpha) < power)
            low = middle;
        else
            high = middle;
    }
    return high;
}

double sample_one_mean(double difference, double sd, double alpha, double power)
{
    return size_of(power_one_mean, 1, difference, sd, alpha, power);
}

double sample_two_means(double difference, double sd, double alpha, double power)
{
    return size_of(power_two_means, 2, difference, sd, alpha, power);
}

static double auroc_variance(double a)
{
    return a / (2 - a) + 2 * a * a / (1 + a) - 2 * a * a;
}

double sample_auroc(double area, double alpha, double power)
{
    levels z = levels_of(alpha, power);
    double root = z.a * sqrt(1.0 / 6) + z.b * sqrt(auroc_variance(area));
    return up(root * root / ((area - 0.5) * (area - 0.5)));
}

double design_effect(double m, double rho)
{
    return 1 + (m - 1) * rho;
}

double items_per_seed(double seed_cost, double item_cost, double item_variance, double tau)
{
    return sqrt(seed_cost / item_cost * item_variance / (tau * tau));
}
