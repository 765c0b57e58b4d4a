#include "nn/optimiser.h"

#include "graph/ops.h"

#include <math.h>

const char *const optimiser_names[OPTIMISER_COUNT] = {"adamw", "sgd", "muon"};

bool optimiser_is_matrix(shape s)
{
    return s.rank >= 2;
}

static bool orthogonal(const optimiser *o, bool matrix)
{
    return o->kind == OPTIMISER_MUON && matrix;
}

size_t optimiser_states(const optimiser *o, bool matrix)
{
    if (o->kind == OPTIMISER_SGD)
        return o->momentum > 0 ? 1 : 0;
    return orthogonal(o, matrix) ? 1 : 2;
}

static node *rate_at(node *rates, int i)
{
    return op_reshape(op_slice(rates, 0, i, i + 1), SHAPE_SCALAR);
}

static bool sgd(const optimiser *o, node *value, node *momentum, node *gradient, node *rates, node **next_value, node **next_momentum)
{
    node *g = op_mul(gradient, rate_at(rates, 3)), *direction = g;
    if (o->decay > 0)
        direction = g = op_add(g, op_scale(value, o->decay));
    if (o->momentum > 0) {
        *next_momentum = op_add(op_scale(momentum, o->momentum), g);
        direction = o->nesterov ? op_add(g, op_scale(*next_momentum, o->momentum)) : *next_momentum;
    }
    *next_value = op_sub(value, op_mul(direction, rate_at(rates, 0)));
    return *next_value != NULL;
}

node *optimiser_orthogonal(node *x, int steps)
{
    static const double a = 3.4445, b = -4.7750, c = 2.0315, least = 1e-7;
    if (!x)
        return NULL;
    bool tall = x->shape.size[0] > x->shape.size[1]; /* the smaller of the two products with itself */
    if (tall)
        x = op_transpose(x, AXES(1, 0));
    node *norm = op_sqrt(op_sum_squares(x));
    x = norm ? op_div(x, op_max(norm, graph_scalar(norm->graph, (element_type)norm->type, least))) : NULL;
    for (int i = 0; i < steps; i++) {
        node *square = op_matmul(x, x, false, true);
        node *update = op_add(op_scale(square, b), op_scale(op_matmul(square, square, false, false), c));
        x = op_add(op_scale(x, a), op_matmul(update, x, false, false));
    }
    return tall ? op_transpose(x, AXES(1, 0)) : x;
}

static double scale_of(const optimiser *o, double rows, double columns)
{
    return o->scale == MUON_SCALE_ORIGINAL ? sqrt(fmax(1, rows / columns)) : 0.2 * sqrt(fmax(rows, columns));
}

static bool muon(const optimiser *o, node *value, node *momentum, node *gradient, node *rates, node **next_value, node **next_momentum)
{
    int64_t rows = value->shape.size[0], columns = rows ? shape_count(value->shape) / rows : 0;
    node *g = op_mul(gradient, rate_at(rates, 3)), *rate = rate_at(rates, 0);
    *next_momentum = op_add(momentum, op_scale(op_sub(g, momentum), 1 - o->momentum));
    node *direction = o->nesterov ? op_add(g, op_scale(op_sub(*next_momentum, g), o->momentum)) : *next_momentum;
    node *x = optimiser_orthogonal(op_reshape(direction, SHAPE(rows, columns)), MUON_STEPS);
    node *step = op_mul(op_reshape(x, value->shape), op_scale(rate, scale_of(o, (double)rows, (double)columns)));
    node *kept = o->decay > 0 ? op_mul(value, op_shift(op_scale(rate, -o->decay), 1)) : value;
    *next_value = op_sub(kept, step);
    return *next_value && *next_momentum;
}

bool optimiser_update(const optimiser *o, bool matrix, node *value, node *const *states, node *gradient, node *rates,
                      node **next_value, node **next_states)
{
    node *past[OPTIMISER_STATES] = {NULL}; /* next_states may be states */
    *next_value = NULL;
    for (size_t i = 0; i < optimiser_states(o, matrix); i++) {
        past[i] = states[i];
        next_states[i] = NULL;
        if (!past[i])
            return false;
    }
    if (!value || !gradient || !rates)
        return false;
    if (o->kind == OPTIMISER_SGD)
        return sgd(o, value, past[0], gradient, rates, next_value, next_states);
    if (orthogonal(o, matrix))
        return muon(o, value, past[0], gradient, rates, next_value, next_states);
    adamw_options how = {o->beta1, o->beta2, o->epsilon, o->decay};
    return op_adamw(value, past[0], past[1], gradient, rates, how, next_value, &next_states[0], &next_states[1]);
}

/* Rows with a gradient take a step of their own, which is put over what the others come to: with lazy steps, and in plain descent, they
 * stay; momentum and decay move them as a gradient of 0 does. */
static bool rows_alone(const optimiser *o, node *value, node *const *past, const sparse_rows *gradient, node *rates, node **next_value,
                       node **next_states)
{
    size_t kept = optimiser_states(o, false);
    node *row, *rows[OPTIMISER_STATES], *others = value, *other_states[OPTIMISER_STATES] = {past[0], past[1]};
    node *here = op_gather_rows(value, gradient->index);
    for (size_t i = 0; i < kept; i++)
        rows[i] = op_gather_rows(past[i], gradient->index);
    if (!optimiser_update(o, false, here, rows, gradient->rows, rates, &row, rows))
        return false;
    if (!o->lazy && (o->decay > 0 || o->momentum > 0) &&
        !sgd(o, value, past[0], graph_scalar(value->graph, (element_type)value->type, 0), rates, &others, other_states))
        return false;
    *next_value = op_put_rows(others, gradient->index, row);
    bool good = *next_value != NULL;
    for (size_t i = 0; i < kept; i++)
        good = (next_states[i] = op_put_rows(other_states[i], gradient->index, rows[i])) != NULL && good;
    return good;
}

bool optimiser_update_sparse(const optimiser *o, node *value, node *const *states, const sparse_rows *gradient, node *rates,
                             node **next_value, node **next_states)
{
    node *past[OPTIMISER_STATES] = {NULL};
    *next_value = NULL;
    for (size_t i = 0; i < optimiser_states(o, false); i++) {
        past[i] = states[i];
        next_states[i] = NULL;
        if (!past[i])
            return false;
    }
    if (!value || !gradient->rows || !gradient->index || !rates)
        return false;
    if (o->lazy || o->kind == OPTIMISER_SGD)
        return rows_alone(o, value, past, gradient, rates, next_value, next_states);
    adamw_options how = {o->beta1, o->beta2, o->epsilon, o->decay};
    return op_sparse_adamw(value, past[0], past[1], gradient->rows, gradient->index, rates, how, next_value, &next_states[0],
                           &next_states[1]);
}

void optimiser_rates(const optimiser *o, int64_t step, double learning_rate, double rates[3])
{
    double t = (double)(step + 1);
    rates[0] = learning_rate;
    rates[1] = 1 - pow(o->beta1, t);
    rates[2] = 1 - pow(o->beta2, t);
}
