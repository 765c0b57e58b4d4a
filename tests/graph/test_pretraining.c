/* The hand checks of meta_pretraining.md that concern derivatives: a hyper-parameter of pre-training, through pre-training by implicit
 * differentiation (a truncated Neumann series, conjugate gradients) and through a step of fine-tuning by unrolling. f64. */
#include "derivatives.h"
#include "core/random.h"
#include "graph/composite.h"
#include "near.h"
#include "plans.h"
#include "solve/krylov.h"
#include "solve/lbfgs.h"

#include <string.h>

/* ---- checks 1 to 3: a quadratic of one parameter ---- */
/* L_PT = sum_t w_t (th - a_t)^2 / 2 with a = (0, 2), one step of fine-tuning (eta = .5) on (th - 2)^2 / 2, which is the validation loss
 * too. raw: w = 2 sigmoid(phi) at phi = 0, else w = phi = 1; both ways th* = 1 and H = 2. -> the derivative in phi, from terms 0 .. n of
 * the series with a = .1, or (n negative) from the inverse of H. */
static void quadratic(bool raw, int n, double out[2])
{
    graph *g = graph_new(NULL);
    const double ones[2] = {1, 1}, zeros[2] = {0, 0};
    node *phi = graph_constant(g, TYPE_F64, SHAPE(2), raw ? zeros : ones), *th = graph_constant(g, TYPE_F64, SHAPE(1), ones);
    node *w = raw ? op_scale(op_sigmoid(phi), 2) : phi, *centres = graph_constant(g, TYPE_F64, SHAPE(2), (double[]){0, 2});
    node *slope = gradient(op_scale(op_sum_all(op_mul(w, op_square(op_sub(th, centres)))), 0.5), th);
    node *tuned = op_sub(th, op_scale(op_shift(th, -2), 0.5)), *loss = op_scale(op_sum_all(op_square(op_shift(tuned, -2))), 0.5);
    node *v = gradient(loss, th), *q = v, *term = v;
    for (int j = 1; j <= n; j++) {
        term = op_sub(term, op_scale(along(slope, th, term), 0.1));
        q = op_add(q, term);
    }
    q = n < 0 ? op_div(v, along(slope, th, graph_fill(g, TYPE_F64, SHAPE(1), 1))) : op_scale(q, 0.1);
    node *outputs[3] = {op_neg(gradient(op_sum_all(op_mul(slope, op_stop_gradient(q))), phi)), loss, tuned};
    plan *p = plan_of(g, outputs, 3, NULL);
    run(p);
    memcpy(out, plan_output(p, 0), 2 * sizeof *out);
    NEAR(*(const double *)plan_output(p, 1), 0.125, 1e-15);
    NEAR(*(const double *)plan_output(p, 2), 1.5, 1e-15);
    plan_free(p);
    graph_free(g);
}

static void weights_of_two_tasks_done_by_hand(void **state)
{
    (void)state;
    static const struct {
        int terms;
        double expected;
    } cases[] = {{-1, 0.125}, {0, 0.025}, {1, 0.045}, {20, 0.123847}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        double plain[2], raw[2];
        quadratic(false, cases[i].terms, plain);
        quadratic(true, cases[i].terms, raw);
        NEAR(plain[0], cases[i].expected, 5e-7);
        NEAR(plain[1], -cases[i].expected, 5e-7);
        NEAR(raw[0], plain[0] / 2, 1e-15); /* dw / dphi = .5 */
        NEAR(raw[1], plain[1] / 2, 1e-15);
    }
}

/* ---- checks 6 and 7: a network of two layers and 60 parameters ---- */
enum { SIDE = 6, TASKS = 3, PARAMETERS = SIDE * SIDE + SIDE + TASKS * SIDE, ROWS = 30, TUNED = 10 };
static const double decay = 0.05, eta = 0.3;

typedef struct study {
    graph *g;
    node *theta, *phi, *u;
    node *inputs[3], *targets[3]; /* of pre-training, fine-tuning, validation */
    plan *slope, *hessian, *validation, *mixed, *tuned;
    double theta_at[PARAMETERS], phi_at[TASKS], u_at[PARAMETERS];
} study;

/* x [N, SIDE] -> [N, TASKS] */
static node *network(node *theta, node *x)
{
    node *first = op_reshape(op_slice(theta, 0, 0, SIDE * SIDE), SHAPE(SIDE, SIDE));
    node *bias = op_slice(theta, 0, SIDE * SIDE, SIDE * SIDE + SIDE);
    node *second = op_reshape(op_slice(theta, 0, SIDE * SIDE + SIDE, PARAMETERS), SHAPE(TASKS, SIDE));
    return op_linear(op_tanh(op_add(op_linear(x, first), bias)), second);
}

/* The first task alone, without decay: what is fine-tuned for and validated. */
static node *first_task(const study *s, node *theta, int set)
{
    node *y = op_slice(network(theta, s->inputs[set]), 1, 0, 1);
    return op_scale(op_sum_all(op_square(op_sub(y, s->targets[set]))), 0.5 / TUNED);
}

static void make_data(study *s)
{
    random_stream r = random_stream_at(5, "test/pretraining", 0, 0, 0, 0);
    double x[ROWS * SIDE], y[ROWS * TASKS];
    for (int set = 0; set < 3; set++) {
        int rows = set ? TUNED : ROWS, tasks = set ? 1 : TASKS;
        for (int i = 0; i < rows * SIDE; i++)
            x[i] = random_normal(&r);
        for (int i = 0; i < rows; i++)
            for (int t = 0; t < tasks; t++)
                y[i * tasks + t] = sin(x[i * SIDE + t]) + 0.5 * x[i * SIDE + t + 1] * (set ? 1.3 : 1) + 0.1 * random_normal(&r);
        s->inputs[set] = graph_constant(s->g, TYPE_F64, SHAPE(rows, SIDE), x);
        s->targets[set] = graph_constant(s->g, TYPE_F64, SHAPE(rows, tasks), y);
    }
    for (int i = 0; i < PARAMETERS; i++)
        s->theta_at[i] = 0.4 * random_normal(&r);
    for (int t = 0; t < TASKS; t++)
        s->phi_at[t] = 0.2 * t - 0.3;
}

static plan *bound_plan(study *s, node *const *outputs, size_t count)
{
    plan *p = plan_of(s->g, outputs, count, NULL);
    plan_bind(p, s->theta, s->theta_at);
    plan_bind(p, s->phi, s->phi_at);
    plan_bind(p, s->u, s->u_at);
    return p;
}

static void study_begin(study *s)
{
    s->g = graph_new(NULL);
    make_data(s);
    s->theta = graph_input(s->g, "theta", TYPE_F64, SHAPE(PARAMETERS));
    s->phi = graph_input(s->g, "phi", TYPE_F64, SHAPE(TASKS));
    s->u = graph_input(s->g, "u", TYPE_F64, SHAPE(PARAMETERS));
    node *weights = op_scale(op_sigmoid(s->phi), 2), *miss = op_square(op_sub(network(s->theta, s->inputs[0]), s->targets[0]));
    node *loss = op_add(op_scale(op_sum_all(op_mul(weights, miss)), 0.5 / ROWS), op_scale(op_sum_all(op_square(s->theta)), decay / 2));
    node *slope = gradient(loss, s->theta);
    node *tuned = op_sub(s->theta, op_scale(gradient(first_task(s, s->theta, 1), s->theta), eta)), *validation = first_task(s, tuned, 2);
    s->slope = bound_plan(s, (node *[]){loss, slope}, 2);
    s->hessian = bound_plan(s, (node *[]){along(slope, s->theta, s->u)}, 1);
    s->validation = bound_plan(s, (node *[]){validation, gradient(validation, s->theta)}, 2);
    s->mixed = bound_plan(s, (node *[]){gradient(op_sum_all(op_mul(slope, s->u)), s->phi)}, 1);
    /* u (I - eta H_FT), by reverse mode through the step and by its formula. */
    node *through = gradient(op_sum_all(op_mul(tuned, s->u)), s->theta), *tuning = gradient(first_task(s, s->theta, 1), s->theta);
    s->tuned = bound_plan(s, (node *[]){through, op_sub(s->u, op_scale(along(tuning, s->theta, s->u), eta))}, 2);
}

static void study_end(study *s)
{
    plan *all[] = {s->slope, s->hessian, s->validation, s->mixed, s->tuned};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        plan_free(all[i]);
    graph_free(s->g);
}

static status loss_at(void *context, const double *x, double *value, double *slope, error *err)
{
    study *s = context;
    memmove(s->theta_at, x, sizeof s->theta_at);
    TRY(plan_run(s->slope, NULL, err));
    *value = *(const double *)plan_output(s->slope, 0);
    memcpy(slope, plan_output(s->slope, 1), sizeof s->theta_at);
    return STATUS_OK;
}

static status times_hessian(void *context, const double *x, double *y, error *err)
{
    study *s = context;
    memcpy(s->u_at, x, sizeof s->u_at);
    TRY(plan_run(s->hessian, NULL, err));
    memcpy(y, plan_output(s->hessian, 0), sizeof s->u_at);
    return STATUS_OK;
}

static void solve(study *s, const double *b, double *x)
{
    linear_map h = {PARAMETERS, times_hessian, s};
    krylov_report report;
    error err = {0};
    if (krylov_cg(&h, b, x, &(krylov_options){.tolerance = 1e-12, .most = 1000}, &report, &err) != STATUS_OK || !report.converged)
        fail_msg("residual %.3g: %s", report.residual, err.message);
}

/* To the minimum near theta, by Newton's method: the largest number of the gradient below 1e-12. */
static void polish(study *s)
{
    double value, slope[PARAMETERS], step[PARAMETERS], largest = 1;
    for (int i = 0; i < 20 && largest > 1e-12; i++) {
        assert_int_equal(loss_at(s, s->theta_at, &value, slope, NULL), STATUS_OK);
        solve(s, slope, step);
        largest = 0;
        for (int k = 0; k < PARAMETERS; k++) {
            largest = fmax(largest, fabs(slope[k]));
            s->theta_at[k] -= step[k];
        }
    }
    assert_true(largest <= 1e-12);
}

static void a_step_of_fine_tuning_passes_gradients_on(void **state)
{
    (void)state;
    study s;
    study_begin(&s);
    random_stream r = random_stream_at(6, "test/pretraining", 1, 0, 0, 0);
    for (int i = 0; i < PARAMETERS; i++)
        s.u_at[i] = random_normal(&r);
    run(s.tuned);
    const double *through = plan_output(s.tuned, 0), *formula = plan_output(s.tuned, 1);
    double moved = 0;
    for (int i = 0; i < PARAMETERS; i++) {
        NEAR(through[i], formula[i], 1e-10);
        moved += fabs(formula[i] - s.u_at[i]);
    }
    assert_true(moved > 0.1); /* H is not zero */
    study_end(&s);
}

/* A step of Adam from moments of zero goes by rate g / (|g| + epsilon): its derivative is rate epsilon / (|g| + epsilon)^2, also where
 * v = g^2 = 0, through whose square root it goes. */
static void a_first_step_of_adam_has_a_derivative(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    const double slopes[4] = {0, 0.5, -0.02, 1e-3}, rate = 0.1, epsilon = 1e-2, rates[4] = {rate, 1 - 0.9, 1 - 0.99, 1};
    node *zero = graph_fill(g, TYPE_F64, SHAPE(4), 0), *slope = graph_constant(g, TYPE_F64, SHAPE(4), slopes), *value, *mean, *square;
    adamw_options o = {.beta1 = 0.9, .beta2 = 0.99, .epsilon = epsilon};
    assert_true(op_adamw(zero, zero, zero, slope, graph_constant(g, TYPE_F64, SHAPE(4), rates), o, &value, &mean, &square));
    node *outputs[2] = {value, gradient(op_sum_all(value), slope)};
    plan *p = plan_of(g, outputs, 2, NULL);
    run(p);
    const double *moved = plan_output(p, 0), *derivative = plan_output(p, 1);
    for (int i = 0; i < 4; i++) {
        double beside = fabs(slopes[i]) + epsilon;
        NEAR(moved[i], -rate * slopes[i] / beside, 1e-12);
        NEAR(derivative[i], -rate * epsilon / (beside * beside), 1e-9);
    }
    plan_free(p);
    graph_free(g);
}

/* Against pre-training anew at phi +- 1e-4. */
static void implicit_gradients_are_those_of_training_anew(void **state)
{
    (void)state;
    study s;
    study_begin(&s);
    double x[PARAMETERS], best[PARAMETERS], q[PARAMETERS] = {0}, v[PARAMETERS], implicit[TASKS], numeric[TASKS];
    lbfgs_report report;
    error err = {0};
    memcpy(x, s.theta_at, sizeof x);
    if (lbfgs_minimise(loss_at, &s, PARAMETERS, x, &(lbfgs_options){.tolerance = 1e-5}, &report, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    memcpy(s.theta_at, x, sizeof x);
    polish(&s);
    memcpy(best, s.theta_at, sizeof best);
    run(s.validation);
    memcpy(v, plan_output(s.validation, 1), sizeof v);
    solve(&s, v, q);
    memcpy(s.u_at, q, sizeof q);
    run(s.mixed);
    for (int t = 0; t < TASKS; t++)
        implicit[t] = -((const double *)plan_output(s.mixed, 0))[t];
    for (int t = 0; t < TASKS; t++) {
        double at = s.phi_at[t], loss[2];
        for (int side = 0; side < 2; side++) {
            s.phi_at[t] = at + (side ? 1e-4 : -1e-4);
            memcpy(s.theta_at, best, sizeof best);
            polish(&s);
            run(s.validation);
            loss[side] = *(const double *)plan_output(s.validation, 0);
        }
        s.phi_at[t] = at;
        numeric[t] = (loss[1] - loss[0]) / 2e-4;
    }
    double product = 0, squares[2] = {0}, largest = 0;
    for (int t = 0; t < TASKS; t++) {
        product += implicit[t] * numeric[t];
        squares[0] += implicit[t] * implicit[t];
        squares[1] += numeric[t] * numeric[t];
        largest = fmax(largest, fabs(numeric[t]));
    }
    assert_true(product / sqrt(squares[0] * squares[1]) > 0.999);
    assert_true(largest > 1e-4);
    for (int t = 0; t < TASKS; t++)
        NEAR(implicit[t], numeric[t], 1e-5 * largest);
    study_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_of_two_tasks_done_by_hand),
        cmocka_unit_test(a_step_of_fine_tuning_passes_gradients_on),
        cmocka_unit_test(a_first_step_of_adam_has_a_derivative),
        cmocka_unit_test(implicit_gradients_are_those_of_training_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
