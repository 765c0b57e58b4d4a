#include "stats/agreement.h"

#include "core/arena.h"
#include "stats/bootstrap.h"
#include "stats/rank.h"

#include <math.h>
#include <string.h>

enum { MOST_VALUES = 4096 };

double cohen_kappa(const double *table, size_t categories)
{
    double all = 0, agreed = 0, chance = 0;
    for (size_t i = 0; i < categories * categories; i++)
        all += table[i];
    for (size_t k = 0; k < categories; k++) {
        double first = 0, second = 0;
        for (size_t i = 0; i < categories; i++) {
            first += table[k * categories + i];
            second += table[i * categories + k];
        }
        agreed += table[k * categories + k] / all;
        chance += first / all * (second / all);
    }
    return all > 0 && chance < 1 ? (agreed - chance) / (1 - chance) : NAN;
}

double fleiss_kappa(const size_t *counts, size_t items, size_t categories)
{
    double agreed = 0, rated = 0, all = 0, chance = 0;
    for (size_t i = 0; i < items; i++) {
        double n = 0, pairs = 0;
        for (size_t k = 0; k < categories; k++) {
            double c = (double)counts[i * categories + k];
            n += c;
            pairs += c * (c - 1);
        }
        if (n < 2)
            continue;
        agreed += pairs / (n * (n - 1));
        rated++;
        all += n;
    }
    for (size_t k = 0; k < categories; k++) {
        double c = 0;
        for (size_t i = 0; i < items; i++) {
            size_t n = 0;
            for (size_t j = 0; j < categories; j++)
                n += counts[i * categories + j];
            c += n < 2 ? 0 : (double)counts[i * categories + k];
        }
        chance += c / all * (c / all);
    }
    return rated > 0 && chance < 1 ? (agreed / rated - chance) / (1 - chance) : NAN;
}

/* ---- Krippendorff's alpha ---------------------------------------------------------------------------------------- */

/* Counts of values by unit, units with fewer than two ratings left out when they are read. */
typedef struct coding {
    const agreement_data *data;
    size_t values;
    double *value;  /* [values], rising */
    double *counts; /* [units][values] */
    double *margin; /* [values], and room for the ordinal scale's middles */
    double *place;
} coding;

static status check(const agreement_data *d, error *err)
{
    for (size_t i = 0; i < d->raters * d->units; i++) {
        double x = d->ratings[i];
        if (isinf(x) || (d->scale == AGREEMENT_RATIO && x < 0))
            return error_set(err, STATUS_INVALID, "Krippendorff's alpha: rater %zu gave unit %zu the value %g; expected finite numbers%s",
                             i / d->units + 1, i % d->units + 1, x, d->scale == AGREEMENT_RATIO ? " from 0 on" : "");
    }
    return STATUS_OK;
}

static size_t find_value(const coding *c, double x)
{
    size_t low = 0, high = c->values;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (c->value[middle] <= x)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static status code(arena *a, const agreement_data *d, coding *c, error *err)
{
    static const char what[] = "out of memory for the agreement of raters";
    TRY(check(d, err));
    size_t all = d->raters * d->units, rated = 0;
    *c = (coding){.data = d, .value = ARENA_ARRAY(a, double, all + 1)};
    if (!c->value)
        return error_set(err, STATUS_MEMORY, what);
    for (size_t i = 0; i < all; i++)
        if (!isnan(d->ratings[i]))
            c->value[rated++] = d->ratings[i];
    values_sort(c->value, rated);
    for (size_t i = 0; i < rated; i++)
        if (i == 0 || c->value[i] != c->value[c->values - 1])
            c->value[c->values++] = c->value[i];
    if (c->values > MOST_VALUES)
        return error_set(err, STATUS_INVALID, "Krippendorff's alpha: expected at most %d different values, found %zu", MOST_VALUES, c->values);
    c->counts = arena_array(a, d->units + 1, (c->values + 1) * sizeof(double));
    c->margin = ARENA_ARRAY(a, double, c->values + 1);
    c->place = ARENA_ARRAY(a, double, c->values + 1);
    if (!c->counts || !c->margin || !c->place)
        return error_set(err, STATUS_MEMORY, what);
    for (size_t i = 0; i < all; i++)
        if (!isnan(d->ratings[i]))
            c->counts[i % d->units * c->values + find_value(c, d->ratings[i])]++;
    return STATUS_OK;
}

/* The ordinal scale is an interval scale of places: the ratings below a value and half of its own. */
static double distance(const coding *c, size_t i, size_t k)
{
    const double *at = c->data->scale == AGREEMENT_ORDINAL ? c->place : c->value;
    double gap = at[i] - at[k];
    switch (c->data->scale) {
    case AGREEMENT_NOMINAL:
        return i != k;
    case AGREEMENT_RATIO:
        return gap == 0 ? 0 : gap / (at[i] + at[k]) * (gap / (at[i] + at[k]));
    default:
        return gap * gap;
    }
}

static double ratings_of(const coding *c, size_t unit)
{
    double n = 0;
    for (size_t v = 0; v < c->values; v++)
        n += c->counts[unit * c->values + v];
    return n;
}

/* Of some units, each as often as it is picked. */
static agreement alpha_of(const coding *c, const size_t *picks, size_t count)
{
    agreement out = {.alpha = NAN, .observed = 0, .expected = 0};
    double all = 0;
    memset(c->margin, 0, c->values * sizeof *c->margin);
    for (size_t u = 0; u < count; u++) {
        double n = ratings_of(c, picks[u]);
        for (size_t v = 0; v < c->values && n >= 2; v++)
            c->margin[v] += c->counts[picks[u] * c->values + v];
        all += n >= 2 ? n : 0;
        out.units += n >= 2;
    }
    out.ratings = (size_t)all;
    double below = 0;
    for (size_t v = 0; v < c->values; v++) {
        c->place[v] = below + c->margin[v] / 2;
        below += c->margin[v];
    }
    for (size_t u = 0; u < count; u++) {
        const double *counts = c->counts + picks[u] * c->values;
        double n = ratings_of(c, picks[u]), sum = 0;
        for (size_t i = 0; i < c->values && n >= 2; i++)
            for (size_t k = 0; k < i && counts[i] > 0; k++)
                sum += counts[k] > 0 ? 2 * counts[i] * counts[k] * distance(c, i, k) : 0;
        out.observed += n >= 2 ? sum / (n - 1) / all : 0;
    }
    for (size_t i = 0; i < c->values; i++)
        for (size_t k = 0; k < i && c->margin[i] > 0; k++)
            out.expected += 2 * c->margin[i] * c->margin[k] * distance(c, i, k) / (all * (all - 1));
    if (out.expected > 0)
        out.alpha = 1 - out.observed / out.expected;
    return out;
}

status krippendorff_alpha(const agreement_data *d, agreement *out, error *err)
{
    *out = (agreement){.alpha = NAN};
    arena *a = arena_new(NULL);
    coding c;
    size_t *all = ARENA_ARRAY(a, size_t, d->units + 1);
    status result = all ? code(a, d, &c, err) : error_set(err, STATUS_MEMORY, "out of memory for the agreement of raters");
    for (size_t u = 0; u < d->units && result == STATUS_OK; u++)
        all[u] = u;
    if (result == STATUS_OK)
        *out = alpha_of(&c, all, d->units);
    arena_free(a);
    return result;
}

static double alpha_statistic(const void *context, const size_t *picks, size_t count)
{
    return alpha_of(context, picks, count).alpha;
}

status krippendorff_limits(const agreement_data *d, uint64_t seed, const char *purpose, interval *out, error *err)
{
    *out = (interval){NAN, NAN};
    arena *a = arena_new(NULL);
    coding c;
    status result = a ? code(a, d, &c, err) : error_set(err, STATUS_MEMORY, "out of memory for the agreement of raters");
    if (result == STATUS_OK)
        result = bootstrap_interval(&(bootstrap){.items = d->units, .seed = seed, .purpose = purpose}, alpha_statistic, &c, out, err);
    arena_free(a);
    return result;
}
