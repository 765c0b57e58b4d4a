#include "sketch/inside.h"

#include "core/arena.h"

#include <float.h>
#include <math.h>
#include <string.h>

const char *const sketch_kind_names[SKETCH_KIND_COUNT + 1] = {"kll", "linear", "cubic", "knots", "spline", "tdigest", NULL};

/* ---- birth and death --------------------------------------------------------------------------------------------- */

static double or_else(double value, double fallback)
{
    return value > 0 ? value : fallback;
}

static sketch_options filled_in(const sketch_options *o)
{
    sketch_options all = *o;
    all.k = o->k ? o->k : 200;
    all.words = o->words ? o->words : 600;
    all.guard = or_else(o->guard, 2);
    all.buffer = or_else(o->buffer, 1.0 / 8);
    all.compression = or_else(o->compression, 100);
    all.points = or_else(o->points, 5);
    return all;
}

/* Every range that an option may have; what a file says is put to it too. */
static status check(const sketch_options *o, error *err)
{
    const struct {
        const char *what;
        double value, least, most;
    } rows[] = {
        {"the kind", (double)o->kind, 0, SKETCH_KIND_COUNT - 1},
        {"k", o->k, SKETCH_LEAST_K, SKETCH_MOST_K},
        {"words", (double)o->words, SKETCH_LEAST_WORDS, SKETCH_MOST_WORDS},
        {"the guard", o->guard, .5, 1e6},
        {"the share of the buffers", o->buffer, .01, .9},
        {"the levels below the knots", o->lower, 0, SKETCH_MOST_LOWER},
        {"the height of the knots", o->height, 0, 20},
        {"the scale function", (double)o->scale, 0, SKETCH_SCALE_COUNT - 1},
        {"the compression", o->compression, 10, 1e5},
        {"the buffer of a t-digest", o->points, .1, 20},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (!(rows[i].value >= rows[i].least && rows[i].value <= rows[i].most))
            return error_set(err, STATUS_USAGE, "%s of a sketch: expected %g to %g, found %g", rows[i].what, rows[i].least, rows[i].most,
                             rows[i].value);
    return STATUS_OK;
}

status sketch_new(const sketch_options *options, sketch **out, error *err)
{
    sketch_options o = filled_in(options);
    TRY(check(&o, err));
    sketch *s = memory_alloc(sizeof *s);
    if (!s)
        return error_set(err, STATUS_MEMORY, "out of memory for a sketch");
    memset(s, 0, sizeof *s);
    s->options = o;
    s->least = s->most = NAN;
    status result = sketch_is_kll(s)     ? kll_init(&s->kll, &o, err)
                    : sketch_is_knots(s) ? knots_init(&s->knots, &o, err)
                                         : tdigest_init(&s->tdigest, &o, err);
    if (result == STATUS_OK)
        *out = s;
    else
        memory_free(s);
    return result;
}

void sketch_free(sketch *s)
{
    if (!s)
        return;
    if (sketch_is_kll(s))
        kll_free(&s->kll);
    else if (sketch_is_knots(s))
        knots_free(&s->knots);
    else
        tdigest_free(&s->tdigest);
    curve_free(&s->view);
    memory_free(s);
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

static status push_many(sketch *s, const double *x, size_t count, error *err)
{
    if (sketch_is_kll(s))
        return kll_push_many(&s->kll, x, count, err);
    return sketch_is_knots(s) ? knots_push_many(&s->knots, x, count, err) : tdigest_push_many(&s->tdigest, x, count, err);
}

status sketch_update_many(sketch *s, const double *x, size_t count, error *err)
{
    enum { PART = 4096 }; /* in the cache still when it is read again */
    while (count) {
        size_t part = count < PART ? count : PART;
        double least = INFINITY, most = -INFINITY;
        bool bad = !kll_survey(x, part, &least, &most);
        if (bad) {
            for (part = 0; x[part] == x[part]; part++)
                continue;
            least = INFINITY;
            most = -INFINITY;
            kll_survey(x, part, &least, &most);
        }
        s->viewed = false;
        TRY(push_many(s, x, part, err));
        s->n += part;
        if (part) {
            s->least = !(s->least <= least) ? least : s->least;
            s->most = !(s->most >= most) ? most : s->most;
        }
        if (bad)
            return error_set(err, STATUS_INVALID, "number %llu of the stream is NaN, which has no rank", (unsigned long long)s->n + 1);
        x += part;
        count -= part;
    }
    return STATUS_OK;
}

status sketch_update(sketch *s, double x, error *err)
{
    if (x != x || !sketch_is_kll(s) || s->kll.base)
        return sketch_update_many(s, &x, 1, err);
    s->viewed = false;
    TRY(kll_push(&s->kll, x, err));
    s->n++;
    s->least = !(s->least <= x) ? x : s->least;
    s->most = !(s->most >= x) ? x : s->most;
    return STATUS_OK;
}

status sketch_merge(sketch *into, const sketch *from, error *err)
{
    bool fits = sketch_is_kll(into) ? sketch_is_kll(from) : into->options.kind == from->options.kind;
    if (!fits || into == from)
        return error_set(err, STATUS_INVALID, "a sketch of the kind %s cannot take in %s", sketch_kind_names[into->options.kind],
                         into == from ? "itself" : sketch_kind_names[from->options.kind]);
    if (from->n == 0)
        return STATUS_OK;
    if (from->n > ((uint64_t)1 << 60) - into->n)
        return error_set(err, STATUS_LIMIT, "a sketch cannot hold more than 2^60 values");
    into->viewed = false;
    TRY(sketch_is_kll(into)     ? kll_merge(&into->kll, &from->kll, err)
        : sketch_is_knots(into) ? knots_merge(&into->knots, &from->knots, err)
                                : tdigest_merge(&into->tdigest, &from->tdigest, err));
    into->n += from->n;
    into->least = !(into->least <= from->least) ? from->least : into->least;
    into->most = !(into->most >= from->most) ? from->most : into->most;
    return STATUS_OK;
}

/* ---- what is known ------------------------------------------------------------------------------------------------ */

const sketch_options *sketch_options_of(const sketch *s)
{
    return &s->options;
}

uint64_t sketch_count(const sketch *s)
{
    return s->n;
}

double sketch_least(const sketch *s)
{
    return s->least;
}

double sketch_most(const sketch *s)
{
    return s->most;
}

double sketch_kll_error(unsigned k, bool pmf)
{
    return pmf ? 2.446 / pow(k, .9433) : 2.296 / pow(k, .9723);
}

double sketch_error(const sketch *s, bool pmf)
{
    if (!sketch_is_kll(s))
        return NAN;
    bool exact = s->kll.base == 0 && s->kll.levels == 1;
    return exact ? 0 : sketch_kll_error(s->kll.least_k, pmf);
}

size_t sketch_words(const sketch *s)
{
    return sketch_is_kll(s) ? kll_words(&s->kll) : sketch_is_knots(s) ? knots_words(&s->knots) : tdigest_words(&s->tdigest);
}

size_t sketch_retained(const sketch *s)
{
    if (sketch_is_kll(s))
        return kll_kept(&s->kll);
    if (!sketch_is_knots(s))
        return s->tdigest.count + s->tdigest.fill;
    size_t sum = s->knots.count;
    for (unsigned i = 0; i <= s->knots.lower; i++)
        sum += s->knots.fill[i];
    return sum;
}

double sketch_weight(const sketch *s)
{
    return sketch_is_kll(s) ? (double)kll_weight(&s->kll) : sketch_is_knots(s) ? knots_weight(&s->knots) : tdigest_weight(&s->tdigest);
}

sketch_guard_counts sketch_guarded(const sketch *s)
{
    return sketch_is_knots(s) ? s->knots.counts : (sketch_guard_counts){0, 0};
}

/* ---- queries ------------------------------------------------------------------------------------------------------ */

static status view(sketch *s, error *err)
{
    sketch_kind kind = s->options.kind;
    if (s->n == 0)
        return error_set(err, STATUS_INVALID, "the sketch is empty: it has no ranks and no quantiles");
    if (s->viewed)
        return STATUS_OK;
    s->view.count = 0;
    s->view.cubic = kind == SKETCH_CUBIC || kind == SKETCH_SPLINE;
    TRY(sketch_is_kll(s)     ? kll_curve(&s->kll, kind != SKETCH_KLL, s->n, s->least, s->most, &s->view, err)
        : sketch_is_knots(s) ? knots_curve(&s->knots, s->least, s->most, &s->view, err)
                             : tdigest_curve(&s->tdigest, s->least, s->most, &s->view, err));
    curve_prepare(&s->view);
    s->view.centred = sketch_is_knots(s);
    if (kind == SKETCH_TDIGEST)
        s->view.scaled = false; /* as its authors have it */
    s->viewed = true;
    return STATUS_OK;
}

status sketch_ranks(sketch *s, const double *x, size_t count, bool inclusive, double *out, error *err)
{
    TRY(view(s, err));
    double n = (double)s->n;
    for (size_t i = 0; i < count; i++) {
        if (x[i] != x[i])
            return error_set(err, STATUS_INVALID, "value %zu of those asked for is NaN, which has no rank", i + 1);
        out[i] = curve_rank(&s->view, x[i], inclusive, n) / n;
    }
    return STATUS_OK;
}

static double quantile(const sketch *s, double phi, bool inclusive)
{
    if (phi <= 0 || phi >= 1)
        return phi <= 0 ? s->least : s->most;
    double target = phi * (double)s->n, whole = nearbyint(target);
    if (fabs(target - whole) <= 4 * DBL_EPSILON * whole) /* i / n times n is i */
        target = whole;
    return curve_quantile(&s->view, target, inclusive);
}

status sketch_quantiles(sketch *s, const double *phi, size_t count, bool inclusive, double *out, error *err)
{
    TRY(view(s, err));
    for (size_t i = 0; i < count; i++) {
        if (!(phi[i] >= 0 && phi[i] <= 1))
            return error_set(err, STATUS_INVALID, "a quantile's share lies between 0 and 1, found %g", phi[i]);
        out[i] = quantile(s, phi[i], inclusive);
    }
    return STATUS_OK;
}

double sketch_rank(sketch *s, double x, bool inclusive)
{
    double out;
    return sketch_ranks(s, &x, 1, inclusive, &out, NULL) == STATUS_OK ? out : NAN;
}

double sketch_quantile(sketch *s, double phi, bool inclusive)
{
    double out;
    return sketch_quantiles(s, &phi, 1, inclusive, &out, NULL) == STATUS_OK ? out : NAN;
}

status sketch_cdf(sketch *s, const double *splits, size_t count, bool inclusive, double *out, error *err)
{
    for (size_t i = 1; i < count; i++)
        if (!(splits[i] > splits[i - 1]))
            return error_set(err, STATUS_INVALID, "splits must rise: %g stands behind %g", splits[i], splits[i - 1]);
    TRY(sketch_ranks(s, splits, count, inclusive, out, err));
    out[count] = 1;
    return STATUS_OK;
}

status sketch_pmf(sketch *s, const double *splits, size_t count, bool inclusive, double *out, error *err)
{
    TRY(sketch_cdf(s, splits, count, inclusive, out, err));
    for (size_t i = count; i > 0; i--)
        out[i] -= out[i - 1];
    return STATUS_OK;
}
