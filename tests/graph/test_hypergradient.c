/* The derivative of a validation loss in the strength of a ridge penalty, five ways, against the closed form: through unrolled descent,
 * through a Cholesky factor in the graph, and by the implicit function theorem (dV/dlambda = -q . d(dL/dw)/dlambda, H q = dV/dw)
 * with a Neumann series, conjugate gradients, and a dense solve. f64, 1e-8. */
#include "derivatives.h"
#include "core/random.h"
#include "graph/composite.h"
#include "graph/plan.h"
#include "solve/dense.h"
#include "solve/krylov.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { ROWS = 40, HELD_OUT = 25, WIDTH = 6, STEPS = 500 };
static const double strength = 0.3, step_size = 0.4;

static double x[ROWS][WIDTH], y[ROWS], held_x[HELD_OUT][WIDTH], held_y[HELD_OUT];

static void make_data(void)
{
    random_stream r = random_stream_at(3, "test/ridge", 0, 0, 0, 0);
    for (int i = 0; i < ROWS + HELD_OUT; i++) {
        double *row = i < ROWS ? x[i] : held_x[i - ROWS], sum = 0.3 * random_normal(&r);
        for (int k = 0; k < WIDTH; k++) {
            row[k] = random_normal(&r);
            sum += row[k] * (k - 2.5);
        }
        *(i < ROWS ? &y[i] : &held_y[i - ROWS]) = sum;
    }
}

static void near(double found, double expected, double tolerance)
{
    if (!(fabs(found - expected) <= tolerance * fabs(expected)))
        fail_msg("found %.15g, expected %.15g", found, expected);
}

/* ---- in closed form, without the graph: Gauss and Jordan ---- */
static void eliminate(double a[WIDTH][WIDTH], double *b)
{
    for (int i = 0; i < WIDTH; i++)
        for (int j = 0; j < WIDTH; j++) {
            double f = i == j ? 0 : a[j][i] / a[i][i];
            for (int k = 0; k < WIDTH; k++)
                a[j][k] -= f * a[i][k];
            b[j] -= f * b[i];
        }
    for (int i = 0; i < WIDTH; i++)
        b[i] /= a[i][i];
}

static void hessian(double a[WIDTH][WIDTH])
{
    for (int i = 0; i < WIDTH; i++)
        for (int j = 0; j < WIDTH; j++) {
            a[i][j] = i == j ? strength : 0;
            for (int r = 0; r < ROWS; r++)
                a[i][j] += x[r][i] * x[r][j] / ROWS;
        }
}

/* w: the solution; returns the hypergradient. */
static double closed_form(double w[WIDTH])
{
    double a[WIDTH][WIDTH], q[WIDTH] = {0}, sum = 0;
    memset(w, 0, WIDTH * sizeof *w);
    for (int r = 0; r < ROWS; r++)
        for (int k = 0; k < WIDTH; k++)
            w[k] += x[r][k] * y[r] / ROWS;
    hessian(a);
    eliminate(a, w);
    for (int r = 0; r < HELD_OUT; r++) {
        double miss = -held_y[r];
        for (int k = 0; k < WIDTH; k++)
            miss += held_x[r][k] * w[k];
        for (int k = 0; k < WIDTH; k++)
            q[k] += held_x[r][k] * miss / HELD_OUT;
    }
    hessian(a);
    eliminate(a, q);
    for (int k = 0; k < WIDTH; k++)
        sum -= q[k] * w[k];
    return sum;
}

/* ---- the problem as a graph ---- */
typedef struct ridge {
    graph *g;
    node *lambda, *x, *y;
} ridge;

static ridge new_ridge(void)
{
    ridge r = {.g = graph_new(NULL)};
    r.lambda = graph_input(r.g, "lambda", TYPE_F64, SHAPE_SCALAR);
    r.x = graph_constant(r.g, TYPE_F64, SHAPE(ROWS, WIDTH), x);
    r.y = graph_constant(r.g, TYPE_F64, SHAPE(ROWS), y);
    return r;
}

static node *half_mean_square(node *rows, node *targets, node *w)
{
    node *miss = op_sub(op_reshape(op_linear(rows, op_reshape(w, SHAPE(1, WIDTH))), targets->shape), targets);
    return op_scale(op_reduce_mean(op_square(miss), AXES(0), false), 0.5);
}

static node *training_loss(const ridge *r, node *w)
{
    return op_add(half_mean_square(r->x, r->y, w), op_mul(op_scale(r->lambda, 0.5), op_sum_all(op_square(w))));
}

static node *validation_loss(const ridge *r, node *w)
{
    return half_mean_square(graph_constant(r->g, TYPE_F64, SHAPE(HELD_OUT, WIDTH), held_x),
                            graph_constant(r->g, TYPE_F64, SHAPE(HELD_OUT), held_y), w);
}

static plan *plan_of(const ridge *r, node *n)
{
    plan *p;
    error err = {0};
    if (plan_new(r->g, &n, 1, NULL, &p, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    plan_bind(p, r->lambda, &strength);
    return p;
}

static const double *run(plan *p)
{
    error err = {0};
    if (plan_run(p, NULL, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return plan_output(p, 0);
}

static bool descend(void *context, int64_t step, node *const *state, node **next)
{
    const ridge *r = context;
    (void)step;
    next[0] = op_sub(state[0], op_scale(gradient(training_loss(r, state[0]), state[0]), step_size));
    return next[0] != NULL;
}

static void through_unrolled_descent(void **state)
{
    (void)state;
    double w[WIDTH], expected = closed_form(w);
    ridge r = new_ridge();
    node *first = graph_fill(r.g, TYPE_F64, SHAPE(WIDTH), 0), *last;
    assert_true(graph_scan(r.g, STEPS, 0, descend, &r, &first, 1, &last));
    plan *p = plan_of(&r, gradient(validation_loss(&r, last), r.lambda));
    near(*run(p), expected, 1e-8);
    plan_free(p);
    graph_free(r.g);
}

static void through_a_factor(void **state)
{
    (void)state;
    double w[WIDTH], expected = closed_form(w);
    ridge r = new_ridge();
    node *eye = op_equal(graph_iota(r.g, TYPE_I32, SHAPE(WIDTH, WIDTH), 0), graph_iota(r.g, TYPE_I32, SHAPE(WIDTH, WIDTH), 1));
    node *h = op_add(op_scale(op_matmul(r.x, r.x, true, false), 1.0 / ROWS), op_mul(op_cast(eye, TYPE_F64), r.lambda));
    node *b = op_scale(op_matmul(r.x, op_reshape(r.y, SHAPE(ROWS, 1)), true, false), 1.0 / ROWS);
    plan *p = plan_of(&r, gradient(validation_loss(&r, op_reshape(op_solve_positive(h, b), SHAPE(WIDTH))), r.lambda));
    near(*run(p), expected, 1e-8);
    plan_free(p);
    graph_free(r.g);
}

/* ---- implicitly ---- */
typedef struct products {
    plan *p;
    node *v;
    double at[WIDTH];
} products;

static status times_hessian(void *context, const double *v, double *out, error *err)
{
    products *h = context;
    memcpy(h->at, v, sizeof h->at);
    plan_bind(h->p, h->v, h->at);
    TRY(plan_run(h->p, NULL, err));
    memcpy(out, plan_output(h->p, 0), sizeof h->at);
    return STATUS_OK;
}

static void solve_with(int way, const linear_map *h, const ridge *r, node *hv, node *v, plan *(*bound)(const ridge *, node *),
                       const double *b, double *q)
{
    error err = {0};
    krylov_report report;
    if (way == 0) {
        assert_int_equal(krylov_neumann(h, b, step_size, STEPS, q, NULL, &err), STATUS_OK);
    } else if (way == 1) {
        assert_int_equal(krylov_cg(h, b, q, &(krylov_options){.tolerance = 1e-13}, &report, &err), STATUS_OK);
        assert_true(report.converged && report.steps <= WIDTH + 2);
    } else { /* the whole Hessian: its product for all unit vectors at once */
        node *eye = op_cast(op_equal(graph_iota(r->g, TYPE_I32, SHAPE(WIDTH, WIDTH), 0), graph_iota(r->g, TYPE_I32, SHAPE(WIDTH, WIDTH), 1)), TYPE_F64), *all;
        assert_true(graph_vmap(&hv, 1, &v, &eye, 1, &all));
        plan *p = bound(r, all);
        double matrix[WIDTH * WIDTH];
        memcpy(matrix, run(p), sizeof matrix);
        memcpy(q, b, WIDTH * sizeof *q);
        assert_int_equal(dense_solve(WIDTH, matrix, 1, q, &err), STATUS_OK);
        plan_free(p);
    }
}

static double solution[WIDTH];
static node *solution_input;

static plan *plan_at_solution(const ridge *r, node *n)
{
    plan *p = plan_of(r, n);
    plan_bind(p, solution_input, solution);
    return p;
}

static void by_the_implicit_function_theorem(void **state)
{
    (void)state;
    double expected = closed_form(solution);
    for (int way = 0; way < 3; way++) {
        ridge r = new_ridge();
        node *w = solution_input = graph_input(r.g, "w", TYPE_F64, SHAPE(WIDTH)), *v = graph_input(r.g, "v", TYPE_F64, SHAPE(WIDTH)), *hv;
        node *slope = gradient(training_loss(&r, w), w);
        assert_true(graph_jvp(&slope, 1, &w, &v, 1, &hv));
        products h = {plan_at_solution(&r, hv), v, {0}};
        linear_map map = {WIDTH, times_hessian, &h};
        plan *outer = plan_at_solution(&r, gradient(validation_loss(&r, w), w));
        double b[WIDTH], q[WIDTH] = {0};
        memcpy(b, run(outer), sizeof b);
        solve_with(way, &map, &r, hv, v, plan_at_solution, b, q);
        plan *mixed = plan_at_solution(&r, gradient(op_sum_all(op_mul(slope, v)), r.lambda));
        plan_bind(mixed, v, q);
        near(-*run(mixed), expected, 1e-8);
        plan_free(h.p);
        plan_free(outer);
        plan_free(mixed);
        graph_free(r.g);
    }
}

int main(void)
{
    make_data();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(through_unrolled_descent),
        cmocka_unit_test(through_a_factor),
        cmocka_unit_test(by_the_implicit_function_theorem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
