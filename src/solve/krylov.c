#include "solve/krylov.h"

#include "core/arena.h"
#include "core/random.h"

#include <math.h>
#include <string.h>

enum { MOST = 100, MOST_POWER = 1000 };
static const double usual = 1e-6, rounding = 1e-9, nothing = 1e-13;

static double dot(const double *x, const double *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

static double length(const double *x, size_t n)
{
    return sqrt(dot(x, x, n));
}

/* y += c x */
static void add(double *y, double c, const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += c * x[i];
}

static void scale_into(double *y, double c, const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = c * x[i];
}

static status not_finite(const char *what, size_t steps, error *err)
{
    return error_set(err, STATUS_INVALID, "%s: a number that is not finite after %zu products", what, steps);
}

/* `count` vectors in one piece. */
static status room(size_t n, size_t count, double **out, error *err)
{
    *out = n < SIZE_MAX / sizeof(double) / (count + 1) ? memory_alloc((n + 1) * count * sizeof(double)) : NULL;
    return *out ? STATUS_OK : error_set(err, STATUS_MEMORY, "a solver: out of memory for %zu vectors of %zu numbers", count, n);
}

static status damped(const linear_map *a, double damping, const double *x, double *y, error *err)
{
    TRY(a->product(a->context, x, y, err));
    if (damping != 0)
        add(y, damping, x, a->n);
    return STATUS_OK;
}

static krylov_options filled(const krylov_options *o)
{
    krylov_options f = o ? *o : (krylov_options){0};
    f.tolerance = f.tolerance > 0 ? f.tolerance : usual;
    f.most = f.most ? f.most : MOST;
    return f;
}

/* r = b - (A + damping) x, for the x to start with. */
static status start(const linear_map *a, const double *b, double *x, const krylov_options *o, double *r, error *err)
{
    if (!o->warm) {
        memset(x, 0, a->n * sizeof *x);
        memcpy(r, b, a->n * sizeof *r);
        return STATUS_OK;
    }
    TRY(damped(a, o->damping, x, r, err));
    for (size_t i = 0; i < a->n; i++)
        r[i] = b[i] - r[i];
    return STATUS_OK;
}

/* ---- conjugate gradients ---------------------------------------------------------------------------------------- */

static status cg_steps(const linear_map *a, double size, double *x, const krylov_options *o, double *work, krylov_report *out, error *err)
{
    size_t n = a->n;
    double *r = work, *p = work + n, *ap = work + 2 * n, *z = o->precondition ? work + 3 * n : r, rz = 0;
    for (;;) {
        double away = length(r, n);
        out->residual = away / size;
        if (!isfinite(away))
            return not_finite("conjugate gradients", out->steps, err);
        out->converged = out->residual <= o->tolerance;
        if (out->converged || out->steps == o->most)
            return STATUS_OK;
        if (o->precondition)
            TRY(o->precondition->product(o->precondition->context, r, z, err));
        double before = rz, share;
        rz = dot(r, z, n);
        share = out->steps ? rz / before : 0;
        for (size_t i = 0; i < n; i++)
            p[i] = out->steps ? z[i] + share * p[i] : z[i];
        TRY(damped(a, o->damping, p, ap, err));
        out->steps++;
        double curvature = dot(p, ap, n);
        if (!isfinite(curvature) || !isfinite(rz))
            return not_finite("conjugate gradients", out->steps, err);
        if (!(curvature > 0) || !(rz > 0)) {
            error_set(err, STATUS_INVALID, "conjugate gradients: the %s is not positive definite (curvature %.3g along direction %zu)",
                      rz > 0 ? "matrix" : "preconditioner", curvature / dot(p, p, n), out->steps);
            error_hint(err, "raise the damping (now %g), use a Gauss-Newton matrix, or MINRES", o->damping);
            return STATUS_INVALID;
        }
        add(x, rz / curvature, p, n);
        add(r, -rz / curvature, ap, n);
    }
}

status krylov_cg(const linear_map *a, const double *b, double *x, const krylov_options *options, krylov_report *out, error *err)
{
    krylov_options o = filled(options);
    double size = length(b, a->n), *work;
    *out = (krylov_report){0};
    if (!isfinite(size))
        return not_finite("conjugate gradients", 0, err);
    if (size == 0) {
        memset(x, 0, a->n * sizeof *x);
        out->converged = true;
        return STATUS_OK;
    }
    TRY(room(a->n, 4, &work, err));
    status result = start(a, b, x, &o, work, err);
    if (result == STATUS_OK)
        result = cg_steps(a, size, x, &o, work, out, err);
    memory_free(work);
    return result;
}

/* ---- MINRES ----------------------------------------------------------------------------------------------------- */

/* Lanczos vectors v, a QR of their tridiagonal matrix by plane rotations, and the directions d that follow from it. */
typedef struct minres {
    double *v, *v_old, *d, *d_old, *next;
    double beta, c, s, c_old, s_old, eta;
} minres;

static status minres_steps(const linear_map *a, double size, double *x, const krylov_options *o, minres *m, krylov_report *out, error *err)
{
    size_t n = a->n;
    double largest = 0;
    for (;;) {
        out->residual = fabs(m->eta) / size;
        out->converged = out->residual <= o->tolerance;
        if (out->converged || out->steps == o->most || m->beta <= nothing * largest)
            return STATUS_OK;
        TRY(damped(a, o->damping, m->v, m->next, err));
        out->steps++;
        double alpha = dot(m->v, m->next, n);
        add(m->next, -alpha, m->v, n);
        if (out->steps > 1)
            add(m->next, -m->beta, m->v_old, n);
        double beta = length(m->next, n), rho3 = m->s_old * m->beta;
        if (!isfinite(beta) || !isfinite(alpha))
            return not_finite("MINRES", out->steps, err);
        largest = fmax(largest, fmax(fabs(alpha), beta));
        double turned = m->c_old * m->beta, rho2 = m->c * turned + m->s * alpha, rest = m->c * alpha - m->s * turned;
        if (out->steps == 1)
            rho2 = rho3 = 0, rest = alpha;
        if (hypot(rest, m->c * beta) <= nothing * largest) /* |A r| / |r|: what is left of b lies where A is 0 */
            return STATUS_OK;
        double rho1 = hypot(rest, beta);
        m->c_old = m->c, m->s_old = m->s;
        m->c = rest / rho1, m->s = beta / rho1;
        for (size_t i = 0; i < n; i++) {
            double direction = (m->v[i] - rho2 * m->d[i] - rho3 * m->d_old[i]) / rho1;
            m->d_old[i] = m->d[i];
            m->d[i] = direction;
        }
        add(x, m->c * m->eta, m->d, n);
        m->eta *= -m->s;
        m->beta = beta;
        double *free_one = m->v_old;
        m->v_old = m->v;
        m->v = m->next;
        m->next = free_one;
        if (beta > 0)
            scale_into(m->v, 1 / beta, m->v, n);
    }
}

status krylov_minres(const linear_map *a, const double *b, double *x, const krylov_options *options, krylov_report *out, error *err)
{
    krylov_options o = filled(options);
    size_t n = a->n;
    double size = length(b, n), *work;
    *out = (krylov_report){0};
    if (!isfinite(size))
        return not_finite("MINRES", 0, err);
    if (o.precondition)
        return error_set(err, STATUS_UNSUPPORTED, "MINRES: preconditioners are for conjugate gradients");
    if (size == 0) {
        memset(x, 0, n * sizeof *x);
        out->converged = true;
        return STATUS_OK;
    }
    TRY(room(n, 5, &work, err));
    minres m = {.v = work, .v_old = work + n, .d = work + 2 * n, .d_old = work + 3 * n, .next = work + 4 * n, .c = 1, .c_old = 1};
    memset(work + n, 0, 3 * n * sizeof *work);
    status result = start(a, b, x, &o, m.v, err);
    if (result == STATUS_OK) {
        m.beta = m.eta = length(m.v, n);
        if (!isfinite(m.beta))
            result = not_finite("MINRES", 1, err);
        else if (m.beta > 0)
            scale_into(m.v, 1 / m.beta, m.v, n);
    }
    if (result == STATUS_OK)
        result = minres_steps(a, size, x, &o, &m, out, err);
    memory_free(work);
    return result;
}

/* ---- the Neumann series ----------------------------------------------------------------------------------------- */

status krylov_neumann(const linear_map *a, const double *b, double step, size_t terms, double *x, double *last, error *err)
{
    size_t n = a->n;
    double first = length(b, n), size = first, *work;
    if (!isfinite(first) || !(step > 0) || !isfinite(step))
        return error_set(err, STATUS_INVALID, "a Neumann series: expected a step above 0 and finite numbers, found a step of %g", step);
    TRY(room(n, 2, &work, err));
    double *term = work, *product = work + n;
    status result = STATUS_OK;
    memcpy(term, b, n * sizeof *term);
    memset(x, 0, n * sizeof *x);
    for (size_t j = 0; j < terms && result == STATUS_OK; j++) {
        add(x, step, term, n);
        if (j + 1 == terms)
            break;
        result = a->product(a->context, term, product, err);
        if (result != STATUS_OK)
            break;
        double along = dot(term, product, n), before = size;
        add(term, -step, product, n);
        size = length(term, n);
        if (!(size <= before * (1 + rounding))) {
            result = error_set(err, STATUS_INVALID, "a Neumann series with step %g diverges: term %zu is %.6g long, the one before it %.6g",
                               step, j + 2, size, before);
            error_hint(err, "the step must be below 2 / the largest eigenvalue, which is at least %.6g; power iteration finds it",
                       along / (before * before));
        }
    }
    if (last)
        *last = first > 0 ? size / first : 0;
    memory_free(work);
    return result;
}

/* ---- the largest eigenvalue, the trace -------------------------------------------------------------------------- */

status krylov_power(const linear_map *a, uint64_t seed, const char *purpose, double tolerance, size_t most, double *vector,
                    krylov_largest *out, error *err)
{
    size_t n = a->n;
    double *work;
    *out = (krylov_largest){.value = NAN};
    if (n == 0)
        return error_set(err, STATUS_INVALID, "power iteration: the matrix has no rows");
    TRY(room(n, 2, &work, err));
    double *v = work, *av = work + n, size;
    random_stream r = random_stream_at(seed, purpose, 0, 0, 0, 0);
    status result = STATUS_OK;
    for (size_t i = 0; i < n; i++)
        v[i] = random_normal(&r);
    scale_into(v, 1 / length(v, n), v, n);
    tolerance = tolerance > 0 ? tolerance : usual;
    most = most ? most : MOST_POWER;
    while (!out->converged && out->steps < most) {
        result = a->product(a->context, v, av, err);
        if (result != STATUS_OK)
            break;
        out->steps++;
        out->value = dot(v, av, n);
        size = length(av, n);
        if (!isfinite(size)) {
            result = not_finite("power iteration", out->steps, err);
            break;
        }
        /* |A v - value v|^2, without the cancellation of |A v|^2 - value^2 */
        double away = 0;
        for (size_t i = 0; i < n; i++)
            away += (av[i] - out->value * v[i]) * (av[i] - out->value * v[i]);
        out->converged = sqrt(away) <= tolerance * fabs(out->value);
        if (!out->converged && size > 0)
            scale_into(v, 1 / size, av, n);
    }
    if (vector)
        memcpy(vector, v, n * sizeof *v);
    memory_free(work);
    return result;
}

status krylov_hutchinson(const linear_map *a, uint64_t seed, const char *purpose, size_t probes, krylov_trace *out, error *err)
{
    size_t n = a->n;
    double mean = 0, squares = 0, *work;
    *out = (krylov_trace){NAN, NAN, probes};
    if (probes == 0)
        return error_set(err, STATUS_INVALID, "a trace by Hutchinson's estimate needs probes, found none");
    TRY(room(n, 2, &work, err));
    status result = STATUS_OK;
    for (size_t p = 0; p < probes && result == STATUS_OK; p++) {
        random_stream r = random_stream_at(seed, purpose, p, 0, 0, 0);
        for (size_t i = 0; i < n; i++)
            work[i] = random_u64(&r) & 1 ? 1 : -1;
        result = a->product(a->context, work, work + n, err);
        double value = dot(work, work + n, n), off = value - mean;
        mean += off / (double)(p + 1);
        squares += off * (value - mean);
    }
    memory_free(work);
    if (result == STATUS_OK && !isfinite(mean))
        return not_finite("a trace", probes, err);
    if (result == STATUS_OK)
        *out = (krylov_trace){mean, probes > 1 ? sqrt(squares / (double)(probes - 1) / (double)probes) : NAN, probes};
    return result;
}

status dense_product(void *context, const double *x, double *y, error *err)
{
    const dense_matrix *m = context;
    (void)err;
    for (size_t i = 0; i < m->n; i++)
        y[i] = dot(m->values + i * m->n, x, m->n);
    return STATUS_OK;
}
