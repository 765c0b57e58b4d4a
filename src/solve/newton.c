#include "solve/newton.h"

#include "core/arena.h"
#include "solve/krylov.h"

#include <math.h>
#include <string.h>

enum { STEPS = 100, PRODUCTS = 200, HALVINGS = 60 };
static const double usual_tolerance = 1e-8, enough = 1e-4;

typedef struct search {
    lbfgs_function *function;
    newton_product *product;
    void *context;
    size_t n;
    double *x, *gradient, *direction, *downhill, *trial, *trial_gradient;
    double value;
    size_t products;
    status failed; /* of the product, told apart from what the solver says */
} search;

static status times_hessian(void *context, const double *v, double *out, error *err)
{
    search *s = context;
    s->products++;
    s->failed = s->product(s->context, s->x, v, out, err);
    return s->failed;
}

static double dot(size_t n, const double *a, const double *b)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static double largest(size_t n, const double *a)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fabs(a[i]) > most || isnan(a[i]) ? fabs(a[i]) : most;
    return most;
}

/* direction: about -H^-1 gradient, downhill in any case. */
static status find_direction(search *s, size_t products, error *err)
{
    linear_map h = {s->n, times_hessian, s};
    krylov_report report;
    error own = {0};
    double size = sqrt(dot(s->n, s->gradient, s->gradient));
    for (size_t i = 0; i < s->n; i++)
        s->downhill[i] = -s->gradient[i];
    memset(s->direction, 0, s->n * sizeof *s->direction);
    s->failed = STATUS_OK;
    krylov_options o = {.tolerance = fmin(0.5, sqrt(size)), .most = products};
    status result = krylov_cg(&h, s->downhill, s->direction, &o, &report, &own);
    if (s->failed != STATUS_OK || (result != STATUS_OK && result != STATUS_INVALID)) {
        *err = own;
        return result;
    }
    double slope = dot(s->n, s->direction, s->gradient);
    if (!(slope < 0)) /* negative curvature at once */
        memcpy(s->direction, s->downhill, s->n * sizeof *s->direction);
    return STATUS_OK;
}

/* Halves the step until it lowers the value enough; *moved false where none does. */
static status take_step(search *s, newton_report *out, bool *moved, error *err)
{
    double slope = dot(s->n, s->direction, s->gradient), length = 1;
    *moved = false;
    for (int k = 0; k < HALVINGS && !*moved; k++, length /= 2) {
        double value;
        for (size_t i = 0; i < s->n; i++)
            s->trial[i] = s->x[i] + length * s->direction[i];
        TRY(s->function(s->context, s->trial, &value, s->trial_gradient, err));
        out->evaluations++;
        bool finite = isfinite(value) && isfinite(largest(s->n, s->trial_gradient));
        /* Near the end the value's own rounding hides what a step gains: there a smaller gradient counts. */
        bool lower = value <= s->value + enough * length * slope;
        bool flat = fabs(value - s->value) <= 1e-14 * fabs(s->value) && largest(s->n, s->trial_gradient) < largest(s->n, s->gradient);
        if (!finite || !(lower || flat))
            continue;
        memcpy(s->x, s->trial, s->n * sizeof *s->x);
        memcpy(s->gradient, s->trial_gradient, s->n * sizeof *s->gradient);
        s->value = value;
        *moved = true;
    }
    return STATUS_OK;
}

static status minimise(search *s, const newton_options *o, newton_report *out, error *err)
{
    double tolerance = o->tolerance > 0 ? o->tolerance : usual_tolerance;
    size_t most = o->most ? o->most : STEPS, products = o->products ? o->products : PRODUCTS;
    TRY(s->function(s->context, s->x, &s->value, s->gradient, err));
    out->evaluations++;
    if (!isfinite(s->value) || !isfinite(largest(s->n, s->gradient)))
        return error_set(err, STATUS_INVALID, "Newton-CG: the function or its gradient is not finite where it begins");
    bool moved = true;
    while (largest(s->n, s->gradient) > tolerance && out->steps < most && moved) {
        TRY(find_direction(s, products, err));
        TRY(take_step(s, out, &moved, err));
        out->steps += moved;
    }
    out->value = s->value;
    out->gradient = largest(s->n, s->gradient);
    out->products = s->products;
    out->converged = out->gradient <= tolerance;
    return STATUS_OK;
}

status newton_minimise(lbfgs_function *function, newton_product *product, void *context, size_t n, double *x, const newton_options *options,
                       newton_report *out, error *err)
{
    arena *a = arena_new(NULL);
    search s = {.function = function, .product = product, .context = context, .n = n, .x = x};
    double **pieces[] = {&s.gradient, &s.direction, &s.downhill, &s.trial, &s.trial_gradient};
    status result = STATUS_OK;
    *out = (newton_report){0};
    for (size_t i = 0; i < COUNT_OF(pieces); i++)
        if (!(*pieces[i] = ARENA_ARRAY(a, double, n + 1)))
            result = error_set(err, STATUS_MEMORY, "Newton-CG: out of memory for %zu numbers", n);
    if (result == STATUS_OK)
        result = minimise(&s, options ? options : &(newton_options){0}, out, err);
    arena_free(a);
    return result;
}
