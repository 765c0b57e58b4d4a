#include "solve/lbfgs.h"

#include "core/arena.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { MEMORY = 10, MOST = 1000, TRIES = 60 };
static const double usual = 1e-8, armijo = 1e-4, wolfe = .9, flat = 1e-13;

typedef struct search {
    lbfgs_function *function;
    void *context;
    size_t n, memory, pairs, newest;
    double *x, *gradient, *direction, *trial, *trial_gradient; /* [n] each */
    double *steps, *changes, *products;                        /* [memory][n], [memory][n], [memory]: s, y, s . y */
    double *weights;                                           /* [memory] */
    double value, slope;                                       /* at x; along the direction */
    lbfgs_report *report;
    error *err;
} search;

static double dot(const double *x, const double *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

static double largest(const double *x, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = isfinite(x[i]) ? fmax(most, fabs(x[i])) : INFINITY;
    return most;
}

/* A place on the line x + step direction. */
typedef struct place {
    double step, value, slope;
} place;

/* A value that is not finite counts as infinite, with a slope that leads back. */
static status look(search *s, double step, place *out)
{
    double value = NAN;
    for (size_t i = 0; i < s->n; i++)
        s->trial[i] = s->x[i] + step * s->direction[i];
    s->report->evaluations++;
    TRY(s->function(s->context, s->trial, &value, s->trial_gradient, s->err));
    bool good = isfinite(value) && isfinite(largest(s->trial_gradient, s->n));
    *out = (place){step, good ? value : INFINITY, good ? dot(s->trial_gradient, s->direction, s->n) : INFINITY};
    return STATUS_OK;
}

/* The least value of the cubic through two places, kept away from both ends; the middle where there is none. */
static double between(place a, place b)
{
    double low = fmin(a.step, b.step), high = fmax(a.step, b.step), width = high - low, middle = low + width / 2;
    if (!isfinite(a.value) || !isfinite(b.value))
        return middle;
    double d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.step - b.step), inside = d1 * d1 - a.slope * b.slope;
    if (!(inside >= 0))
        return middle;
    double d2 = copysign(sqrt(inside), b.step - a.step), step = b.step - (b.step - a.step) * (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2);
    return step > low + .1 * width && step < high - .1 * width ? step : middle;
}

/* Near the end a step gains less than a value can show: what rounding hides is forgiven. */
static bool low_enough(const search *s, place p)
{
    return p.value <= s->value + armijo * p.step * s->slope + 4 * DBL_EPSILON * fabs(s->value);
}

/* Nearer still values say nothing, but slopes do: Wolfe's conditions of the parabola through the slopes at both ends (Hager and Zhang,
 * SIAM Journal on Optimization 16 (2005), section 4). */
static bool flat_and_good(const search *s, place p)
{
    return fabs(p.value - s->value) <= flat * fabs(s->value) && p.slope >= wolfe * s->slope && p.slope <= (2 * armijo - 1) * s->slope;
}

/* Algorithm 3.6: `low` has the least value so far, and a good step lies between both. */
static status zoom(search *s, place low, place high, int tries, place *out, bool *found)
{
    for (; tries < TRIES && fabs(high.step - low.step) > DBL_EPSILON * fabs(low.step); tries++) {
        place p;
        TRY(look(s, between(low, high), &p));
        if (flat_and_good(s, p)) {
            *out = p;
            *found = true;
            return STATUS_OK;
        }
        if (!low_enough(s, p) || p.value >= low.value) {
            high = p;
            continue;
        }
        if (fabs(p.slope) <= -wolfe * s->slope) {
            *out = p;
            *found = true;
            return STATUS_OK;
        }
        if (p.slope * (high.step - low.step) >= 0)
            high = low;
        low = p;
    }
    *found = low.step > 0 && low.value < s->value; /* not Wolfe's, but lower: then the step is taken without its pair */
    return *found ? look(s, low.step, out) : STATUS_OK;
}

/* Algorithm 3.5. At the end the trial place and its gradient are those of `out`. */
static status find_step(search *s, double first, place *out, bool *found)
{
    place before = {0, s->value, s->slope};
    *found = false;
    for (int tries = 0; tries < TRIES; tries++) {
        place p;
        TRY(look(s, first, &p));
        if (!flat_and_good(s, p) && (!low_enough(s, p) || (tries > 0 && p.value >= before.value)))
            return zoom(s, before, p, tries, out, found);
        if (fabs(p.slope) <= -wolfe * s->slope) {
            *out = p;
            *found = true;
            return STATUS_OK;
        }
        if (p.slope >= 0)
            return zoom(s, p, before, tries, out, found);
        before = p;
        first *= 2;
    }
    return STATUS_OK;
}

/* Algorithm 7.4: minus the inverse Hessian, as the pairs have it, times the gradient. */
static void find_direction(search *s)
{
    size_t n = s->n;
    double *d = s->direction;
    for (size_t i = 0; i < n; i++)
        d[i] = -s->gradient[i];
    for (size_t k = 0; k < s->pairs; k++) {
        size_t at = (s->newest + s->memory - k) % s->memory;
        s->weights[at] = dot(s->steps + at * n, d, n) / s->products[at];
        for (size_t i = 0; i < n; i++)
            d[i] -= s->weights[at] * s->changes[at * n + i];
    }
    if (s->pairs) {
        const double *y = s->changes + s->newest * n;
        double scale = s->products[s->newest] / dot(y, y, n);
        for (size_t i = 0; i < n; i++)
            d[i] *= scale;
    }
    for (size_t k = s->pairs; k-- > 0;) {
        size_t at = (s->newest + s->memory - k) % s->memory;
        double back = dot(s->changes + at * n, d, n) / s->products[at];
        for (size_t i = 0; i < n; i++)
            d[i] += (s->weights[at] - back) * s->steps[at * n + i];
    }
    s->slope = dot(d, s->gradient, n);
}

/* Goes to the trial place and keeps what was learnt about the curvature, if it is positive. */
static void take_step(search *s, double value)
{
    size_t n = s->n, at = s->pairs ? (s->newest + 1) % s->memory : 0;
    double product = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        double step = s->trial[i] - s->x[i], change = s->trial_gradient[i] - s->gradient[i];
        s->steps[at * n + i] = step;
        s->changes[at * n + i] = change;
        product += step * change;
        squares += change * change;
    }
    if (product > DBL_EPSILON * squares) {
        s->products[at] = product;
        s->newest = at;
        s->pairs = s->pairs < s->memory ? s->pairs + 1 : s->pairs;
    }
    memcpy(s->x, s->trial, n * sizeof *s->x);
    memcpy(s->gradient, s->trial_gradient, n * sizeof *s->x);
    s->value = value;
}

static status run(search *s, size_t most, double tolerance)
{
    lbfgs_report *r = s->report;
    r->evaluations++;
    TRY(s->function(s->context, s->x, &s->value, s->gradient, s->err));
    r->value = s->value;
    r->gradient = largest(s->gradient, s->n);
    if (!isfinite(s->value) || !isfinite(r->gradient))
        return error_set(s->err, STATUS_INVALID, "L-BFGS: the value (%g) or the gradient is not finite where it begins", s->value);
    for (;;) {
        r->value = s->value;
        r->gradient = largest(s->gradient, s->n);
        r->converged = r->gradient <= tolerance;
        if (r->converged || r->steps == most)
            return STATUS_OK;
        find_direction(s);
        if (!(s->slope < 0)) { /* rounding has spoilt the pairs */
            s->pairs = 0;
            find_direction(s);
        }
        place p;
        bool found, fresh = s->pairs == 0;
        TRY(find_step(s, fresh ? fmin(1, 1 / r->gradient) : 1, &p, &found));
        if (!found && fresh)
            return STATUS_OK;
        if (!found) { /* once more along the gradient itself */
            s->pairs = 0;
            continue;
        }
        take_step(s, p.value);
        r->steps++;
    }
}

status lbfgs_minimise(lbfgs_function *function, void *context, size_t n, double *x, const lbfgs_options *options, lbfgs_report *out,
                      error *err)
{
    lbfgs_options o = options ? *options : (lbfgs_options){0};
    size_t memory = o.memory ? o.memory : MEMORY;
    *out = (lbfgs_report){.value = NAN, .gradient = NAN};
    if (n > SIZE_MAX / sizeof(double) / 4 / (memory + 3))
        return error_set(err, STATUS_MEMORY, "L-BFGS: out of memory for %zu numbers and %zu pairs", n, memory);
    double *room = memory_alloc(((n + 1) * (2 * memory + 4) + 2 * memory) * sizeof *room);
    if (!room)
        return error_set(err, STATUS_MEMORY, "L-BFGS: out of memory for %zu numbers and %zu pairs", n, memory);
    search s = {.function = function, .context = context, .n = n, .memory = memory, .x = x, .report = out, .err = err};
    s.gradient = room;
    s.direction = s.gradient + n;
    s.trial = s.direction + n;
    s.trial_gradient = s.trial + n;
    s.steps = s.trial_gradient + n;
    s.changes = s.steps + memory * n;
    s.products = s.changes + memory * n;
    s.weights = s.products + memory;
    status result = run(&s, o.most ? o.most : MOST, o.tolerance > 0 ? o.tolerance : usual);
    memory_free(room);
    return result;
}
