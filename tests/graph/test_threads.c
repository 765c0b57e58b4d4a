/* The same bits on 1, 2, 3 and 8 threads, in groups and alone, of whole computations that are large enough to be split: the step of a
 * convolutional network, a Hessian-vector product through attention, per-example gradients, a Laplacian, sums over segments. And an
 * image's results in any batch. */
#include "core/random.h"
#include "graph/composite.h"
#include "graph/plan.h"
#include "graph/sparse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MOST_INPUTS = 16, MOST_OUTPUTS = 32 };

typedef struct made {
    graph *g;
    node *inputs[MOST_INPUTS], *outputs[MOST_OUTPUTS];
    int limit[MOST_INPUTS]; /* of i32 inputs: values below it */
    size_t input_count, output_count;
} made;

static node *input(made *m, element_type type, shape s, int limit)
{
    char name[16];
    snprintf(name, sizeof name, "x%zu", m->input_count);
    m->limit[m->input_count] = limit;
    return m->inputs[m->input_count++] = graph_input(m->g, name, type, s);
}

static node *real(made *m, element_type type, shape s)
{
    return input(m, type, s, 0);
}

static void put(made *m, node *n)
{
    assert_non_null(n);
    m->outputs[m->output_count++] = n;
}

/* ---- the computations ---- */
static void conv_step(made *m, element_type type)
{
    enum { IMAGES = 37 };
    node *x = real(m, type, SHAPE(IMAGES, 14, 14, 3)), *label = input(m, TYPE_I32, SHAPE(IMAGES), 10);
    node *w[] = {real(m, type, SHAPE(16, 3, 3, 3)), real(m, type, SHAPE(16)), real(m, type, SHAPE(24, 8, 3, 3)), real(m, type, SHAPE(10, 24 * 9))};
    const window_options same = {.before = {1, 1}, .after = {1, 1}}, apart = {.stride = {2, 2}};
    node *h = op_relu(op_batch_norm(op_conv(x, w[0], 1, same), w[1], NULL, 1e-5, NULL, NULL));
    h = op_max_pool(h, (int64_t[]){2, 2}, apart);
    h = op_average_pool(op_gelu(op_conv(h, w[2], 2, same)), (int64_t[]){3, 3}, apart);
    node *logits = op_linear_as(op_reshape(h, SHAPE(IMAGES, -1)), w[3], TYPE_F32);
    node *loss = op_sum_all(op_cross_entropy(logits, label, graph_fill(m->g, TYPE_F32, SHAPE(IMAGES), 1)));
    node *gradients[COUNT_OF(w)], *rates = graph_constant(m->g, TYPE_F32, SHAPE(4), (float[]){1e-2F, .1F, .05F, 1});
    assert_true(graph_grad(loss, w, COUNT_OF(w), NULL, gradients));
    put(m, loss);
    for (size_t i = 0; i < COUNT_OF(w); i++) {
        node *master = op_cast(w[i], TYPE_F32), *zero = graph_fill(m->g, TYPE_F32, w[i]->shape, 0), *next[3];
        assert_true(op_adamw(master, zero, zero, op_cast(gradients[i], TYPE_F32), rates, (adamw_options){.9, .95, 1e-8, .1}, &next[0], &next[1], &next[2]));
        for (int k = 0; k < 3; k++)
            put(m, next[k]);
    }
}

static void hessian_vector(made *m, element_type type)
{
    enum { TOKENS = 300, HEADS = 4, DEPTH = 16, WIDTH = HEADS * DEPTH };
    node *x = real(m, type, SHAPE(TOKENS, WIDTH)), *w[4], *v[4], *gradients[4], *products[4];
    for (int i = 0; i < 4; i++) {
        w[i] = real(m, type, SHAPE(WIDTH, WIDTH));
        v[i] = real(m, type, SHAPE(WIDTH, WIDTH));
    }
    node *start = graph_fill(m->g, TYPE_I32, SHAPE(TOKENS), 0), *heads[3];
    node *normal = op_rms_norm(x, graph_fill(m->g, type, SHAPE(WIDTH), 1), 1e-5);
    for (int i = 0; i < 3; i++)
        heads[i] = op_reshape(op_linear(normal, w[i]), SHAPE(TOKENS, HEADS, DEPTH));
    node *seen = op_attention(heads[0], heads[1], heads[2], start, (attention_options){.window = 100});
    node *y = op_linear(op_silu(op_reshape(seen, SHAPE(TOKENS, WIDTH))), w[3]);
    assert_true(graph_grad(op_sum_all(op_square(y)), w, 4, NULL, gradients));
    assert_true(graph_jvp(gradients, 4, w, v, 4, products));
    for (int i = 0; i < 4; i++)
        put(m, products[i]);
}

static void per_example(made *m, element_type type)
{
    enum { EXAMPLES = 65, IN = 40, OUT = 33 };
    node *w = real(m, type, SHAPE(OUT, IN)), *x = real(m, type, SHAPE(IN)), *xs = real(m, type, SHAPE(EXAMPLES, IN)), *gradient, *each;
    node *loss = op_logsumexp(op_tanh(op_linear(op_layer_norm(x, NULL, NULL, 1e-5), w)));
    assert_true(graph_grad(loss, &w, 1, NULL, &gradient));
    assert_true(graph_vmap(&gradient, 1, &x, &xs, 1, &each));
    put(m, each);
    put(m, op_reduce_mean(each, AXES(0), false));
    m->inputs[1] = m->inputs[--m->input_count]; /* x is no input of the outputs */
}

static void laplacian(made *m, element_type type)
{
    node *x = real(m, type, SHAPE(30)), *w = real(m, type, SHAPE(64, 30)), *u = real(m, type, SHAPE(64)), *jacobian, *sum;
    node *y = op_sum_all(op_mul(u, op_softplus(op_linear(x, w))));
    assert_true(graph_laplacian(&y, 1, x, &jacobian, &sum));
    put(m, jacobian);
    put(m, sum);
}

static void segments(made *m, element_type type)
{
    enum { ROWS = 5000, GROUPS = 70, WIDTH = 33 };
    node *x = real(m, type, SHAPE(ROWS, WIDTH)), *where = input(m, TYPE_I32, SHAPE(ROWS), GROUPS), *gradient, *distinct;
    node *sums = op_scatter_rows(op_softmax(x), where, GROUPS), *y = op_sum_all(op_norm(op_cumulative_sum(sums, 0, false)));
    assert_true(graph_grad(y, &x, 1, NULL, &gradient));
    put(m, sums);
    put(m, gradient);
    put(m, op_sum_by_index(x, where, &distinct));
    put(m, op_sort(op_reshape(x, SHAPE(WIDTH, ROWS)), true));
    put(m, op_reduce_sum(x, AXES(0), false));
    put(m, op_sum_all(x));
    put(m, op_random_normal(graph_fill(m->g, TYPE_I32, SHAPE(4), 9), TYPE_F32, SHAPE(ROWS)));
}

/* ---- running them ---- */
static const void *bind(arena *a, plan *p, const made *m, size_t i)
{
    const node *n = m->inputs[i];
    element_type type = (element_type)n->type;
    size_t count = (size_t)shape_count(n->shape);
    unsigned char *to = arena_alloc(a, count * element_size(type) + 8);
    random_stream r = random_stream_at(3, "test/threads", i, 0, 0, 0);
    assert_non_null(to);
    for (size_t k = 0; k < count; k++) {
        float v = (float)(random_uniform(&r) - .5);
        if (type == TYPE_F64)
            ((double *)(void *)to)[k] = (double)v;
        else if (type == TYPE_F32)
            ((float *)(void *)to)[k] = v;
        else if (type == TYPE_BF16)
            ((bf16 *)(void *)to)[k] = bf16_from_f32(v);
        else
            ((int32_t *)(void *)to)[k] = (int32_t)random_below(&r, (uint64_t)m->limit[i]);
    }
    plan_bind(p, n, to);
    return to;
}

/* All outputs behind each other. */
static unsigned char *bytes_on(arena *a, const made *m, size_t threads, bool unfused, size_t *size)
{
    plan *p;
    thread_pool *pool;
    error err = {0};
    if (plan_new(m->g, m->outputs, m->output_count, &(plan_options){.threads = threads, .unfused = unfused}, &p, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(thread_pool_new(threads, &pool, &err), STATUS_OK);
    for (size_t i = 0; i < m->input_count; i++)
        bind(a, p, m, i);
    for (int run = 0; run < 2; run++)
        assert_int_equal(plan_run(p, pool, &err), STATUS_OK);
    *size = 0;
    for (size_t i = 0; i < m->output_count; i++)
        *size += (size_t)shape_count(m->outputs[i]->shape) * element_size((element_type)m->outputs[i]->type);
    unsigned char *all = arena_alloc(a, *size);
    size_t at = 0;
    assert_non_null(all);
    for (size_t i = 0; i < m->output_count; i++) {
        size_t bytes = (size_t)shape_count(m->outputs[i]->shape) * element_size((element_type)m->outputs[i]->type);
        memcpy(all + at, plan_output(p, i), bytes);
        at += bytes;
    }
    plan_free(p);
    thread_pool_free(pool);
    return all;
}

static void computations_give_the_same_bits(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        void (*make)(made *m, element_type type);
    } rows[] = {{"conv step", conv_step}, {"Hessian-vector product", hessian_vector}, {"per-example gradients", per_example},
                {"Laplacian", laplacian}, {"segments", segments}};
    static const struct {
        size_t threads;
        bool unfused;
    } ways[] = {{2, false}, {3, false}, {8, false}, {1, true}, {3, true}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (element_type type = TYPE_F64; type <= TYPE_BF16; type++) {
            if (type == TYPE_F64 && rows[i].make == conv_step)
                continue; /* its statistics and rates are f32 */
            arena *a = arena_new(NULL);
            made m = {.g = graph_new(a)};
            rows[i].make(&m, type);
            size_t size, other;
            unsigned char *first = bytes_on(a, &m, 1, false, &size);
            for (size_t k = 0; k < COUNT_OF(ways); k++)
                if (memcmp(first, bytes_on(a, &m, ways[k].threads, ways[k].unfused, &other), size) != 0)
                    fail_msg("%s, %s: %zu threads%s give other bits", rows[i].name, element_word(type), ways[k].threads,
                             ways[k].unfused ? ", ungrouped," : "");
            arena_free(a);
        }
}

/* The first images of a batch, alone and with others: what a network without batch statistics makes of them. */
static void images_give_the_same_bits_in_any_batch(void **state)
{
    (void)state;
    static const int64_t batches[] = {1, 5, 16, 37};
    for (element_type type = TYPE_F32; type <= TYPE_BF16; type++) {
        arena *a = arena_new(NULL);
        unsigned char *first = NULL;
        size_t size, alone = 10 * sizeof(float);
        for (size_t i = 0; i < COUNT_OF(batches); i++) {
            made m = {.g = graph_new(a)};
            node *x = real(&m, type, SHAPE(batches[i], 14, 14, 3)), *w = real(&m, type, SHAPE(16, 3, 3, 3)), *u = real(&m, type, SHAPE(10, 16 * 49));
            const window_options same = {.before = {1, 1}, .after = {1, 1}};
            node *h = op_instance_norm(op_gelu(op_conv(x, w, 1, same)), NULL, NULL, 1e-5);
            h = op_max_pool(h, (int64_t[]){2, 2}, (window_options){.stride = {2, 2}});
            put(&m, op_linear_as(op_reshape(h, SHAPE(batches[i], -1)), u, TYPE_F32));
            unsigned char *bytes = bytes_on(a, &m, 3, false, &size);
            if (first && memcmp(first, bytes, alone) != 0)
                fail_msg("%s: the first of %lld images has other bits than alone", element_word(type), (long long)batches[i]);
            first = first ? first : bytes;
        }
        arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(computations_give_the_same_bits),
        cmocka_unit_test(images_give_the_same_bits_in_any_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
