/* Steps of dense linear algebra: factors and triangular systems, one matrix after the other of a batch. Arithmetic in f64, rounded
 * once; a matrix is one thread's. */
#include "graph/plan_internal.h"
#include "kernels/reference/reference.h"

#include <math.h>

typedef struct matrices {
    const step *s;
    const step_memory *m;
    size_t rows, columns; /* of the result: a factor is [rows][rows] */
} matrices;

static size_t matrix_count(const node *n)
{
    size_t count = 1;
    for (int i = 0; i < n->shape.rank - 2; i++)
        count *= (size_t)n->shape.size[i];
    return count;
}

static matrices matrices_of(const step *s, const step_memory *m)
{
    const shape *x = &s->node->shape;
    return (matrices){s, m, (size_t)x->size[x->rank - 2], (size_t)x->size[x->rank - 1]};
}

static void load(const node *n, const void *from, size_t start, size_t count, double *to)
{
    for (size_t i = 0; i < count; i++)
        to[i] = reference_get((kernel_type)n->type, from, start + i);
}

static void store(const node *n, const double *from, size_t start, size_t count, void *to)
{
    for (size_t i = 0; i < count; i++)
        reference_set((kernel_type)n->type, to, start + i, from[i]);
}

/* ---- A = L L^T, row by row; NaN everywhere when A is not positive definite ---- */
static bool factor(double *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            double sum = a[i * n + j];
            for (size_t k = 0; k < j; k++)
                sum -= a[i * n + k] * a[j * n + k];
            if (i == j && !(sum > 0))
                return false;
            a[i * n + j] = i == j ? sqrt(sum) : sum / a[j * n + j];
        }
        for (size_t j = i + 1; j < n; j++)
            a[i * n + j] = 0;
    }
    return true;
}

static void cholesky_task(void *context, size_t task, size_t worker)
{
    const matrices *x = context;
    size_t n = x->rows, start = task * n * n;
    double *a = (double *)(void *)(x->m->worker + worker * x->m->worker_stride);
    load(x->s->node, x->m->in[0], start, n * n, a);
    if (!factor(a, n))
        for (size_t i = 0; i < n * n; i++)
            a[i] = NAN;
    store(x->s->node, a, start, n * n, x->m->out[0]);
}

static void run_cholesky(const step *s, const step_memory *m)
{
    matrices x = matrices_of(s, m);
    thread_pool_run(m->pool, matrix_count(s->node), cholesky_task, &x);
}

status prepare_cholesky(plan_builder *b, step *s, error *err)
{
    (void)b;
    (void)err;
    size_t n = (size_t)shape_last(s->node->shape);
    s->run = run_cholesky;
    s->worker_bytes = n * n * sizeof(double);
    return STATUS_OK;
}

/* ---- L X = B, or L^T X = B ---- */
/* Row i of x less factor times row k, then divided: the two steps of substitution. */
static void subtract_row(double *x, size_t columns, size_t i, size_t k, double factor_)
{
    for (size_t c = 0; c < columns; c++)
        x[i * columns + c] -= factor_ * x[k * columns + c];
}

static void divide_row(double *x, size_t columns, size_t i, double by)
{
    for (size_t c = 0; c < columns; c++)
        x[i * columns + c] /= by;
}

static void triangular_solve_task(void *context, size_t task, size_t worker)
{
    const matrices *x = context;
    size_t n = x->rows, columns = x->columns, start = task * n * columns;
    bool transposed = x->s->node->attributes->flags;
    double *b = (double *)(void *)(x->m->worker + worker * x->m->worker_stride), *l = b + n * columns;
    load(x->s->node, x->m->in[1], start, n * columns, b);
    load(x->s->node, x->m->in[0], task * n * n, n * n, l);
    for (size_t step_ = 0; step_ < n; step_++) {
        size_t i = transposed ? n - 1 - step_ : step_;
        for (size_t k = transposed ? i + 1 : 0; k < (transposed ? n : i); k++)
            subtract_row(b, columns, i, k, transposed ? l[k * n + i] : l[i * n + k]);
        divide_row(b, columns, i, l[i * n + i]);
    }
    store(x->s->node, b, start, n * columns, x->m->out[0]);
}

static void run_triangular_solve(const step *s, const step_memory *m)
{
    matrices x = matrices_of(s, m);
    thread_pool_run(m->pool, matrix_count(s->node), triangular_solve_task, &x);
}

status prepare_triangular_solve(plan_builder *b, step *s, error *err)
{
    (void)b;
    (void)err;
    const shape *x = &s->node->shape;
    size_t n = (size_t)x->size[x->rank - 2], columns = (size_t)x->size[x->rank - 1];
    s->run = run_triangular_solve;
    s->worker_bytes = n * (n + columns) * sizeof(double);
    return STATUS_OK;
}
