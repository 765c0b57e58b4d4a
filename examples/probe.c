#include "probe.h"

#include "graph/ops.h"
#include "graph/plan.h"
#include "solve/lbfgs.h"
#include "stats/roc.h"

#include <math.h>

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory");
}

/* [count][width + 1] in f64: each column by the mean and deviation given, and a column of ones. */
static double *standardised(arena *a, const probe_data *d, const double *mean, const double *spread)
{
    size_t columns = d->width + 1;
    double *x = ARENA_ARRAY(a, double, d->count *columns);
    for (size_t i = 0; x && i < d->count; i++) {
        for (size_t k = 0; k < d->width; k++)
            x[i * columns + k] = spread[k] > 0 ? ((double)d->x[i * d->width + k] - mean[k]) / spread[k] : 0;
        x[i * columns + d->width] = 1;
    }
    return x;
}

static void moments(const probe_data *d, double *mean, double *spread)
{
    double n = (double)d->count;
    for (size_t k = 0; k < d->width; k++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < d->count; i++)
            sum += (double)d->x[i * d->width + k];
        mean[k] = sum / n;
        for (size_t i = 0; i < d->count; i++)
            squares += pow((double)d->x[i * d->width + k] - mean[k], 2);
        spread[k] = sqrt(squares / n);
    }
}

typedef struct fitting {
    plan *plan;
    node *weights;
    double *values; /* bound */
    size_t count;
} fitting;

static status loss_at(void *context, const double *x, double *value, double *gradient, error *err)
{
    fitting *f = context;
    for (size_t i = 0; i < f->count; i++)
        f->values[i] = x[i];
    TRY(plan_run(f->plan, NULL, err));
    *value = *(const double *)plan_output(f->plan, 0);
    const double *g = plan_output(f->plan, 1);
    for (size_t i = 0; i < f->count; i++)
        gradient[i] = g[i];
    return STATUS_OK;
}

/* Weights [classes][columns] at the least loss. */
static status fit_weights(arena *a, const double *x, const probe_data *d, int classes, double penalty, double *weights, error *err)
{
    int64_t rows = (int64_t)d->count, columns = (int64_t)d->width + 1;
    graph *g = graph_new(a);
    fitting f = {.count = (size_t)(classes * columns)};
    f.values = ARENA_ARRAY(a, double, f.count);
    if (!g || !f.values)
        return no_memory(err);
    f.weights = graph_input(g, "weights", TYPE_F64, SHAPE(classes, columns));
    node *logits = op_linear(graph_constant(g, TYPE_F64, SHAPE(rows, columns), x), f.weights);
    node *target = graph_constant(g, TYPE_I32, SHAPE(rows), d->labels), *share = graph_fill(g, TYPE_F64, SHAPE(rows), 1 / (double)rows);
    node *slopes = op_slice(f.weights, 1, 0, columns - 1);
    node *loss = op_add(op_sum_all(op_cross_entropy(logits, target, share)), op_scale(op_sum_squares(slopes), penalty / 2));
    node *outputs[2] = {loss, NULL};
    if (!graph_grad(loss, &f.weights, 1, NULL, &outputs[1]))
        return no_memory(err);
    TRY(plan_new(g, outputs, 2, NULL, &f.plan, err));
    plan_bind(f.plan, f.weights, f.values);
    lbfgs_report report;
    status s = lbfgs_minimise(loss_at, &f, f.count, weights, &(lbfgs_options){.most = 2000, .tolerance = 1e-6}, &report, err);
    if (s == STATUS_OK && !report.converged)
        s = error_set(err, STATUS_INVALID, "the probe did not converge: gradient %.3g after %zu steps", report.gradient, report.steps);
    plan_free(f.plan);
    graph_free(g);
    return s;
}

/* The logit of class c's probability: its score less the log of the sum of exp of the others'. */
static double logit_of(const float *row, int classes, int c)
{
    double top = -INFINITY, sum = 0;
    for (int k = 0; k < classes; k++)
        top = k == c ? top : fmax(top, (double)row[k]);
    for (int k = 0; k < classes; k++)
        sum += k == c ? 0 : exp((double)row[k] - top);
    return (double)row[c] - top - log(sum);
}

status probe_judge(arena *a, const float *scores, const int32_t *labels, size_t count, int classes, probe_score *out, error *err)
{
    double *one = ARENA_ARRAY(a, double, count + 1);
    bool *positive = ARENA_ARRAY(a, bool, count + 1);
    if (!one || !positive)
        return no_memory(err);
    *out = (probe_score){0};
    for (int c = 0; c < classes; c++) {
        size_t members = 0, right = 0;
        for (size_t i = 0; i < count; i++) {
            const float *row = scores + i * (size_t)classes;
            int best = 0;
            for (int k = 1; k < classes; k++)
                best = row[k] > row[best] ? k : best;
            positive[i] = labels[i] == c;
            one[i] = logit_of(row, classes, c);
            members += positive[i];
            right += positive[i] && best == c;
        }
        roc_area area;
        TRY(roc_area_of(one, positive, count, 0.95, &area, err));
        out->accuracy += (double)right / (double)count;
        out->balanced += (double)right / (double)members / classes;
        out->area += area.area / classes;
    }
    return STATUS_OK;
}

status probe(arena *a, const probe_data *train, const probe_data *test, int classes, double penalty, probe_score *out, error *err)
{
    size_t columns = train->width + 1;
    double *mean = ARENA_ARRAY(a, double, columns), *spread = ARENA_ARRAY(a, double, columns);
    double *weights = ARENA_ARRAY(a, double, columns *(size_t)classes);
    float *scores = ARENA_ARRAY(a, float, test->count *(size_t)classes + 1);
    if (!mean || !spread || !weights || !scores)
        return no_memory(err);
    moments(train, mean, spread);
    double *x = standardised(a, train, mean, spread), *y = standardised(a, test, mean, spread);
    if (!x || !y)
        return no_memory(err);
    TRY(fit_weights(a, x, train, classes, penalty, weights, err));
    for (size_t i = 0; i < test->count; i++)
        for (int c = 0; c < classes; c++) {
            double score = 0;
            for (size_t k = 0; k < columns; k++)
                score += y[i * columns + k] * weights[(size_t)c * columns + k];
            scores[i * (size_t)classes + (size_t)c] = (float)score;
        }
    return probe_judge(a, scores, test->labels, test->count, classes, out, err);
}
