#include "stats/roc.h"

#include "core/arena.h"
#include "stats/proportion.h"
#include "stats/rank.h"

#include <math.h>

/* DeLong's structural components: for each positive item the share of negative ones below it, for each negative one the share
 * of positive ones above it. [positives] and then [negatives]. */
typedef struct components {
    double *values;
    size_t positives, negatives;
    double area;
} components;

static status check(const double *scores, const bool *positive, size_t count, components *c, error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (isnan(scores[i]))
            return error_set(err, STATUS_INVALID, "an area under the ROC curve: score %zu is no number", i + 1);
        *(positive[i] ? &c->positives : &c->negatives) += 1;
    }
    if (c->positives == 0 || c->negatives == 0)
        return error_set(err, STATUS_INVALID, "an area under the ROC curve: expected items of both kinds, found %zu positive and %zu negative",
                         c->positives, c->negatives);
    return STATUS_OK;
}

static status components_of(const double *scores, const bool *positive, size_t count, components *c, error *err)
{
    *c = (components){0};
    TRY(check(scores, positive, count, c, err));
    /* Scores by kind, their ranks among all, then those within each kind. */
    double *room = memory_alloc(3 * count * sizeof *room);
    double *sorted = room, *ranks = room ? room + count : NULL, *within = room ? room + 2 * count : NULL;
    c->values = memory_alloc(count * sizeof *c->values);
    size_t p = 0, n = c->positives;
    for (size_t i = 0; room && c->values && i < count; i++)
        sorted[positive[i] ? p++ : n++] = scores[i];
    bool good = room && c->values && ranks_of(sorted, count, ranks) && ranks_of(sorted, c->positives, within) &&
                ranks_of(sorted + c->positives, c->negatives, within + c->positives);
    for (size_t i = 0; good && i < count; i++) {
        bool is_positive = i < c->positives;
        double others = (double)(is_positive ? c->negatives : c->positives), share = (ranks[i] - within[i]) / others;
        c->values[i] = is_positive ? share : 1 - share;
        c->area += is_positive ? share / (double)c->positives : 0;
    }
    memory_free(room);
    return good ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for an area under the ROC curve of %zu items", count);
}

/* Covariance of two lists about their means, over their number. */
static double covariance(const double *x, const double *y, size_t n)
{
    double mx = 0, my = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        mx += x[i] / (double)n;
        my += y[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++)
        sum += (x[i] - mx) * (y[i] - my);
    return n > 1 ? sum / (double)(n - 1) / (double)n : NAN;
}

static double covariance_of(const components *x, const components *y)
{
    return covariance(x->values, y->values, x->positives) + covariance(x->values + x->positives, y->values + x->positives, x->negatives);
}

static interval around(double middle, double sem, double level, double least)
{
    double half = normal_quantile(1 - (1 - level) / 2) * sem;
    return isnan(half) ? (interval){least, 1} : (interval){fmax(least, middle - half), fmin(1, middle + half)};
}

status roc_area_of(const double *scores, const bool *positive, size_t count, double level, roc_area *out, error *err)
{
    components c;
    *out = (roc_area){.area = NAN, .error = NAN, .limits = {NAN, NAN}};
    status result = components_of(scores, positive, count, &c, err);
    if (result == STATUS_OK) {
        double variance = covariance_of(&c, &c);
        *out = (roc_area){c.area, isnan(variance) ? NAN : sqrt(fmax(0, variance)), {0, 1}, c.positives, c.negatives};
        out->limits = around(c.area, out->error, level, 0);
        if (variance == 0 && (c.area == 0 || c.area == 1)) {
            uint64_t m = c.positives < c.negatives ? c.positives : c.negatives;
            out->limits = clopper_pearson(c.area == 1 ? m : 0, m, level);
        }
    }
    memory_free(c.values);
    return result;
}

status roc_compare(const double *first, const double *second, const bool *positive, size_t count, double level, roc_difference *out,
                   error *err)
{
    components x, y = {0};
    *out = (roc_difference){NAN, NAN, NAN, NAN, {NAN, NAN}, NAN};
    status result = components_of(first, positive, count, &x, err);
    if (result == STATUS_OK)
        result = components_of(second, positive, count, &y, err);
    if (result == STATUS_OK) {
        bool same = true;
        for (size_t i = 0; i < count; i++) {
            same = same && x.values[i] == y.values[i];
            x.values[i] -= y.values[i]; /* what both share cancels here, not in a difference of variances */
        }
        double variance = covariance_of(&x, &x), difference = x.area - y.area, sem = isnan(variance) ? NAN : sqrt(fmax(0, variance));
        *out = (roc_difference){x.area, y.area, difference, sem, around(difference, sem, level, -1), NAN};
        if (sem > 0)
            out->p = fmin(1, 2 * normal_above(fabs(difference) / sem));
        else if (same)
            out->p = 1;
    }
    memory_free(x.values);
    memory_free(y.values);
    return result;
}

double auroc_error(double area, double positives, double negatives)
{
    double q1 = area / (2 - area), q2 = 2 * area * area / (1 + area), square = area * area;
    double sum = area * (1 - area) + (positives - 1) * (q1 - square) + (negatives - 1) * (q2 - square);
    return sqrt(sum / (positives * negatives));
}
