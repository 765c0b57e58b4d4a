/* planning.c - how long graphs of 100,000 nodes take to be built, differentiated, rewritten and planned.
 *
 *     bench_planning [NODES [ROUNDS]]      one line of JSON for each graph; seconds of processor time, the best of ROUNDS (3)
 *
 * Graphs, each as large as NODES (100000) says:
 *     chain     elementwise operations one behind the other, a reduction and a product now and then
 *     wide      many short chains from one input that are added up in the end
 *     shapes    products of as many different sizes as there are products, up to 1,000 (each needs an object of oneDNN)
 *     weights   a deep network of many weights, with its training step (gradients, AdamW, donated buffers)
 *     unrolled  training steps of a small network, one behind the other, each with its own gradient, and the gradient through
 *               all of them
 *
 *     build     making the nodes (weights, unrolled: with their gradients)
 *     grad      the gradient of the whole by one input (of weights and unrolled: within build)
 *     rewrite   replacing the value at a site in the middle
 *     plan      plan_new
 */
#include "measure.h"

#include "graph/composite.h"
#include "graph/plan.h"
#include "nn/optimiser.h"

#include <stdio.h>

typedef struct built {
    arena *arena;
    graph *graph; /* lies in the arena */
    node **outputs, **rewritten;
    size_t count;
    plan_donation *donations;
    size_t donation_count;
    node *wrt; /* whose gradient is taken; NULL: it is there already */
} built;

static void build_chain(built *b, size_t nodes)
{
    node *x = graph_input(b->graph, "x", TYPE_F32, SHAPE(8, 16)), *w = graph_input(b->graph, "w", TYPE_F32, SHAPE(16, 16)), *y = x;
    nodes = nodes * 32 / 100; /* the gradient makes the rest */
    for (size_t i = 0; graph_size(b->graph) < nodes; i++) {
        y = i % 7 == 0 ? op_linear(y, w) : i % 7 == 3 ? op_add(op_reduce_sum(y, AXES(0), true), y) : op_mul(op_sin(op_add(y, x)), op_exp(y));
        if (graph_size(b->graph) >= nodes / 2 && graph_size(b->graph) < nodes / 2 + 8)
            y = graph_name(op_tanh(y), "middle");
    }
    b->outputs[b->count++] = op_sum_all(y);
    b->wrt = x;
}

static void build_wide(built *b, size_t nodes)
{
    node *x = graph_input(b->graph, "x", TYPE_F32, SHAPE(4, 8)), *w = graph_input(b->graph, "w", TYPE_F32, SHAPE(8, 8)), *sum = NULL;
    nodes = nodes * 38 / 100;
    for (size_t i = 0; graph_size(b->graph) < nodes; i++) {
        node *y = op_tanh(op_scale(x, 1 + 1e-6 * (double)i));
        y = i == nodes / 30 ? graph_name(y, "middle") : y;
        y = op_softmax(op_linear(y, w));
        node *one = op_sum_all(op_mul(y, op_exp(x)));
        sum = sum ? op_add(sum, one) : one;
    }
    b->outputs[b->count++] = sum;
    b->wrt = x;
}

static void build_shapes(built *b, size_t nodes)
{
    node *x = graph_input(b->graph, "x", TYPE_F32, SHAPE(2048)), *sum = NULL;
    nodes = nodes * 32 / 100;
    for (size_t i = 0; graph_size(b->graph) < nodes; i++) {
        int64_t k = 16 + (int64_t)(i % 1000);
        node *m = op_tanh(op_reshape(op_slice(x, 0, 0, k), SHAPE(1, k)));
        m = i == 1000 ? graph_name(m, "middle") : m;
        node *one = op_sum_all(op_matmul(m, m, false, true));
        sum = sum ? op_add(sum, one) : one;
    }
    b->outputs[b->count++] = sum;
    b->wrt = x;
}

/* A step of AdamW on every weight, written over it. */
static void train(built *b, node *loss, node **weights, size_t count)
{
    node **gradients = ARENA_ARRAY(b->arena, node *, count), *rates = graph_input(b->graph, "rates", TYPE_F32, SHAPE(4));
    graph_grad(loss, weights, count, NULL, gradients);
    b->outputs[b->count++] = loss;
    for (size_t i = 0; i < count; i++) {
        node *m = graph_input(b->graph, "m", TYPE_F32, weights[i]->shape), *v = graph_input(b->graph, "v", TYPE_F32, weights[i]->shape);
        node *inputs[3] = {weights[i], m, v}, **to = &b->outputs[b->count];
        op_adamw(weights[i], m, v, gradients[i], rates, (adamw_options){0.9, 0.999, 1e-8, 0.01}, &to[0], &to[1], &to[2]);
        for (size_t k = 0; k < 3; k++)
            b->donations[b->donation_count++] = (plan_donation){inputs[k], b->count + k};
        b->count += 3;
    }
}

static void build_weights(built *b, size_t nodes)
{
    size_t count = 0, each = nodes / 60 + 1;
    node **weights = ARENA_ARRAY(b->arena, node *, each), *y = graph_input(b->graph, "x", TYPE_F32, SHAPE(4, 32));
    while (count < each) {
        char name[32];
        snprintf(name, sizeof name, "w%zu", count);
        weights[count] = graph_input(b->graph, name, TYPE_F32, SHAPE(32, 32));
        node *h = op_linear(y, weights[count++]);
        h = count == each / 2 ? graph_name(h, "middle") : h;
        y = op_add(y, op_gelu_tanh(op_layer_norm(h, NULL, NULL, 1e-5)));
    }
    train(b, op_sum_all(op_square(y)), weights, count);
}

static bool learn(void *context, int64_t step, node *const *state, node **next)
{
    node *x = context, *gradients[2];
    node *loss = op_reduce_mean(op_square(op_linear(op_tanh(op_linear(x, state[0])), state[1])), AXES(0, 1), false);
    if (!graph_grad(loss, state, 2, NULL, gradients))
        return false;
    for (size_t i = 0; i < 2; i++)
        next[i] = op_sub(state[i], op_scale(gradients[i], 0.1));
    if (step == 20)
        next[0] = graph_name(next[0], "middle");
    return next[0] && next[1];
}

static void build_unrolled(built *b, size_t nodes)
{
    node *x = graph_input(b->graph, "x", TYPE_F32, SHAPE(8, 16));
    node *w[2] = {graph_input(b->graph, "w0", TYPE_F32, SHAPE(12, 16)), graph_input(b->graph, "w1", TYPE_F32, SHAPE(4, 12))}, *last[2];
    int64_t steps = (int64_t)nodes / 73 + 21; /* with the gradient through them that makes about so many nodes */
    graph_scan(b->graph, steps, -1, learn, x, w, 2, last);
    b->outputs[b->count++] = op_sum_all(op_square(last[1]));
    graph_grad(b->outputs[0], w, 2, NULL, b->outputs + 1);
    b->count += 2;
}

static const struct kind {
    const char *name;
    void (*build)(built *b, size_t nodes);
} kinds[] = {
    {"chain", build_chain}, {"wide", build_wide}, {"shapes", build_shapes}, {"weights", build_weights}, {"unrolled", build_unrolled},
};

static status measure_once(const struct kind *k, size_t nodes, double seconds[4], size_t *size, plan_counts *counts, error *err)
{
    arena *a = arena_new(NULL);
    built b = {.arena = a, .graph = graph_new(a), .outputs = ARENA_ARRAY(a, node *, nodes), .rewritten = ARENA_ARRAY(a, node *, nodes),
               .donations = ARENA_ARRAY(a, plan_donation, nodes)};
    double start = measure_processor_seconds(), now;
    k->build(&b, nodes);
    seconds[0] = (now = measure_processor_seconds()) - start, start = now;
    if (b.wrt)
        graph_grad(b.outputs[0], &b.wrt, 1, NULL, &b.outputs[b.count++]);
    seconds[1] = (now = measure_processor_seconds()) - start, start = now;
    *size = graph_size(b.graph);
    node *at = graph_find(b.outputs, b.count, "middle");
    TRY(graph_status(b.graph, err));
    if (!at)
        return error_set(err, STATUS_INVALID, "%s has no middle", k->name);
    site_edit edit = {"middle", SITE_SCALE, graph_scalar(b.graph, TYPE_F32, 2), NULL};
    TRY(graph_rewrite(b.outputs, b.count, &edit, 1, b.rewritten, err));
    seconds[2] = (now = measure_processor_seconds()) - start, start = now;
    plan *p;
    plan_options o = {.threads = 2, .donations = b.donations, .donation_count = b.donation_count};
    TRY(plan_new(b.graph, b.outputs, b.count, &o, &p, err));
    seconds[3] = measure_processor_seconds() - start;
    *counts = plan_counts_of(p);
    plan_free(p);
    arena_free(a);
    return STATUS_OK;
}

int main(int argc, char **argv)
{
    size_t nodes = (size_t)measure_number(argv, argc, 1, 100000);
    int rounds = measure_number(argv, argc, 2, 3);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        double best[4] = {1e9, 1e9, 1e9, 1e9};
        size_t size = 0;
        plan_counts counts = {0};
        for (int r = 0; r < rounds; r++) {
            double seconds[4];
            error err = {0};
            if (measure_once(&kinds[i], nodes, seconds, &size, &counts, &err) != STATUS_OK) {
                fprintf(stderr, "bench_planning: %s\n", err.message);
                return 1;
            }
            for (int s = 0; s < 4; s++)
                best[s] = seconds[s] < best[s] ? seconds[s] : best[s];
        }
        printf("{\"graph\": \"%s\", \"nodes\": %zu, \"planned\": %zu, \"merged\": %zu, \"steps\": %zu, \"build\": %.4f, \"grad\": %.4f, "
               "\"rewrite\": %.4f, \"plan\": %.4f}\n", kinds[i].name, size, counts.nodes, counts.merged, counts.steps, best[0], best[1],
               best[2], best[3]);
        fflush(stdout);
    }
    return 0;
}
