/* Shapes and types that do not fit: every builder says so instead of making a node, and names what it was given. */
#include "graph/composite.h"
#include "graph/sparse.h"
#include "graph/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A named input of each kind that the cases need. */
typedef struct given {
    graph *g;
    node *a, *b;             /* f32 [2, 3] and [4, 5] */
    node *row, *half, *index; /* f32 [5], bf16 [2, 3], i32 [7] */
    node *words, *mask;      /* i32 [2, 3], u8 [2, 3] */
    node *images, *filter;   /* f32 [1, 6, 6, 4], [8, 3, 3, 3] */
    node *q, *k, *cache;     /* f32 [6, 4, 8], [6, 3, 8], [2, 64, 2, 8] */
    node *slots, *pages;     /* i32 [6], [1, 2] */
} given;

static given begin(void)
{
    given x = {.g = graph_new(NULL)};
    x.a = graph_input(x.g, "left", TYPE_F32, SHAPE(2, 3));
    x.b = graph_input(x.g, "right", TYPE_F32, SHAPE(4, 5));
    x.row = graph_input(x.g, "row", TYPE_F32, SHAPE(5));
    x.half = graph_input(x.g, "half", TYPE_BF16, SHAPE(2, 3));
    x.index = graph_input(x.g, "index", TYPE_I32, SHAPE(7));
    x.words = graph_input(x.g, "words", TYPE_I32, SHAPE(2, 3));
    x.mask = graph_input(x.g, "mask", TYPE_U8, SHAPE(2, 3));
    x.images = graph_input(x.g, "images", TYPE_F32, SHAPE(1, 6, 6, 4));
    x.filter = graph_input(x.g, "filter", TYPE_F32, SHAPE(8, 3, 3, 3));
    x.q = graph_input(x.g, "queries", TYPE_F32, SHAPE(6, 4, 8));
    x.k = graph_input(x.g, "keys", TYPE_F32, SHAPE(6, 3, 8));
    x.cache = graph_input(x.g, "cache", TYPE_F32, SHAPE(2, 64, 2, 8));
    x.slots = graph_input(x.g, "slots", TYPE_I32, SHAPE(6));
    x.pages = graph_input(x.g, "pages", TYPE_I32, SHAPE(1, 2));
    return x;
}

static node *adamw(given x)
{
    node *out[3];
    node *rates = graph_input(x.g, "rates", TYPE_F32, SHAPE(4));
    assert_false(op_adamw(x.a, x.a, x.b, x.a, rates, (adamw_options){.beta1 = 0.9}, &out[0], &out[1], &out[2]));
    return out[0];
}

static node *cache_append(given x)
{
    node *out[2];
    assert_false(op_cache_append(x.cache, x.cache, x.q, x.q, x.pages, x.slots, x.slots, &out[0], &out[1]));
    return out[0];
}

static bool grows(void *context, int64_t step, node *const *state, node **next)
{
    (void)context;
    (void)step;
    next[0] = op_concat((node *[]){state[0], state[0]}, 2, 0);
    return next[0] != NULL;
}

static node *scan(given x)
{
    node *last = NULL;
    assert_false(graph_scan(x.g, 2, 0, grows, NULL, &x.a, 1, &last));
    return NULL;
}

static node *grad(given x)
{
    node *d = NULL, *y = op_tanh(x.a);
    assert_false(graph_grad(y, &x.a, 1, x.b, &d));
    return d;
}

static node *grad_of_words(given x)
{
    node *d = NULL, *y = op_cast(x.words, TYPE_F32);
    assert_false(graph_grad(op_sum_all(y), &x.words, 1, NULL, &d));
    return d;
}

static node *jvp(given x)
{
    node *d = NULL, *y = op_tanh(x.a);
    assert_false(graph_jvp(&y, 1, &x.a, &x.b, 1, &d));
    return d;
}

static node *vmap(given x)
{
    node *d = NULL, *y = op_tanh(x.a);
    assert_false(graph_vmap(&y, 1, &x.a, &x.b, 1, &d));
    return d;
}

static node *vmap_of_eight_axes(given x)
{
    node *d = NULL, *xs = graph_input(x.g, "many", TYPE_F32, SHAPE(7, 2, 3)), *y = op_reshape(op_tanh(x.a), SHAPE(1, 1, 1, 1, 1, 1, 2, 3));
    assert_false(graph_vmap(&y, 1, &x.a, &xs, 1, &d));
    return d;
}

static node *laplacian_of_eight_axes(given x)
{
    node *d = NULL, *y = op_reshape(op_tanh(x.a), SHAPE(1, 1, 1, 1, 1, 1, 2, 3));
    assert_false(graph_laplacian(&y, 1, x.a, NULL, &d));
    return d;
}

static node *running(given x)
{
    node *mean = x.row, *variance = x.row;
    op_batch_norm_running(&mean, &variance, x.row, x.row, 1, 0.1);
    assert_null(variance);
    return mean;
}

static node *substitute(given x)
{
    node *y = op_tanh(x.a), *changed = NULL;
    assert_false(graph_substitute(&y, 1, &x.a, &x.b, 1, &changed));
    return changed;
}

static node *sparse_adamw(given x)
{
    node *y, *m, *v, *one = graph_input(x.g, "one", TYPE_I32, SHAPE(2));
    assert_false(op_sparse_adamw(x.b, x.b, x.b, x.a, one, x.row, (adamw_options){0}, &y, &m, &v));
    return y;
}

#define CASE(word, expression, ...)                                                                                \
    static node *case_##word(given x)                                                                              \
    {                                                                                                              \
        return expression;                                                                                         \
    }
/* X(word, what is built of wrong sources, what the message must name: operation, names, shapes, types) */
#define CASES(X)                                                                                                   \
    X(add, op_add(x.a, x.b), "add", "'left' f32 [2, 3]", "'right' f32 [4, 5]")                                         \
    X(add_types, op_add(x.a, x.half), "add", "'left' f32 [2, 3]", "'half' bf16 [2, 3]")                                \
    X(exp_of_words, op_exp(x.words), "exp", "'words' i32 [2, 3]")                                                      \
    X(neg_of_mask, op_neg(x.mask), "neg", "'mask' u8 [2, 3]")                                                          \
    X(less, op_less(x.a, x.row), "less", "'left' f32 [2, 3]", "'row' f32 [5]")                                         \
    X(select, op_select(x.mask, x.a, x.b), "select", "'mask' u8 [2, 3]", "'left'", "'right' f32 [4, 5]")               \
    X(select_mask, op_select(x.words, x.a, x.a), "select", "'words' i32 [2, 3]", "'left'")                             \
    X(derived, op_mul(op_exp(x.a), op_transpose(x.b, AXES(1, 0))), "mul", "exp of 'left' f32 [2, 3]", "transpose of 'right' f32 [5, 4]") \
    X(reduce, op_reduce_sum(x.a, AXES(2), false), "reduce_sum", "'left' f32 [2, 3]", "2")                              \
    X(reduce_twice, op_reduce_max(x.a, AXES(1, -1), false), "reduce_max", "'left'", "twice")                           \
    X(mean, op_reduce_mean(x.a, AXES(-3), false), "reduce_mean", "'left' f32 [2, 3]", "-3")                            \
    X(reshape, op_reshape(x.a, SHAPE(4, 2)), "reshape", "'left' f32 [2, 3]", "[4, 2]")                                 \
    X(reshape_open, op_reshape(x.a, SHAPE(4, -1)), "reshape", "'left' f32 [2, 3]")                                     \
    X(reshape_many, op_reshape(x.a, SHAPE(INT64_C(1) << 40, INT64_C(1) << 40)), "reshape", "'left' f32 [2, 3]")        \
    X(broadcast, op_broadcast(x.a, SHAPE(2, 4)), "broadcast", "'left' f32 [2, 3]", "[2, 4]")                           \
    X(transpose, op_transpose(x.a, AXES(0, 1, 2)), "transpose", "'left' f32 [2, 3]", "3")                              \
    X(transpose_twice, op_transpose(x.a, AXES(0, 0)), "transpose", "'left'", "twice")                                  \
    X(slice, op_slice(x.a, 1, 2, 4), "slice", "'left' f32 [2, 3]", "2 to 4")                                           \
    X(slice_axis, op_slice(x.row, 1, 0, 1), "slice", "'row' f32 [5]", "axis 1")                                        \
    X(pad, op_pad(x.a, 0, -1, 0), "pad", "'left' f32 [2, 3]", "-1")                                                    \
    X(concat, op_concat((node *[]){x.a, x.b}, 2, 0), "concat", "'left' f32 [2, 3]", "'right' f32 [4, 5]")              \
    X(concat_types, op_concat((node *[]){x.a, x.half}, 2, 0), "concat", "'left' f32", "'half' bf16")                   \
    X(gather_rows, op_gather_rows(x.a, x.b), "gather_rows", "'left'", "'right' f32 [4, 5]")                            \
    X(scatter_rows, op_scatter_rows(x.a, x.index, 4), "scatter_rows", "'left' f32 [2, 3]", "'index' i32 [7]")          \
    X(put_rows, op_put_rows(x.b, x.index, x.a), "put_rows", "'left' f32 [2, 3]", "'index' i32 [7]")                    \
    X(put_rows_table, op_put_rows(x.b, graph_input(x.g, "two", TYPE_I32, SHAPE(2)), x.a), "put_rows", "'left' f32 [2, 3]", "'right' f32 [4, 5]") \
    X(take_last, op_take_last(x.a, x.index), "take_last", "'left' f32 [2, 3]", "'index' i32 [7]")                      \
    X(gather_last, op_gather_last(x.b, x.words), "gather_last", "'right' f32 [4, 5]", "'words' i32 [2, 3]")            \
    X(scatter_last, op_scatter_last(x.b, x.words, 5), "scatter_last", "'right' f32 [4, 5]", "'words' i32 [2, 3]")      \
    X(cumulative_sum, op_cumulative_sum(x.a, 2, false), "cumulative_sum", "'left' f32 [2, 3]")                         \
    X(cumulative_mask, op_cumulative_sum(x.mask, 0, false), "cumulative_sum", "'mask' u8 [2, 3]")                      \
    X(argsort, op_argsort(x.mask, false), "argsort", "'mask' u8 [2, 3]")                                               \
    X(matmul, op_matmul(x.a, x.b, false, false), "matmul", "'left' f32 [2, 3]", "'right' f32 [4, 5]", "3 and 4")       \
    X(matmul_transposed, op_matmul(x.a, x.b, true, true), "matmul", "'left' f32 [2, 3], transposed", "'right' f32 [4, 5], transposed", "2 and 5") \
    X(matmul_types, op_matmul(x.a, x.half, false, true), "matmul", "'left' f32", "'half' bf16")                        \
    X(matmul_rank, op_matmul(x.a, x.row, false, false), "matmul", "'left' f32 [2, 3]", "'row' f32 [5]")                \
    X(cholesky_of_halves, op_cholesky(graph_input(x.g, "halves", TYPE_BF16, SHAPE(3, 3))), "cholesky", "'halves' bf16 [3, 3]") \
    X(cholesky, op_cholesky(x.a), "cholesky", "'left' f32 [2, 3]")                                                     \
    X(triangular_solve, op_triangular_solve(graph_input(x.g, "l", TYPE_F32, SHAPE(3, 3)), x.b, false), "triangular_solve", "'l' f32 [3, 3]", "'right' f32 [4, 5]") \
    X(random_uniform, op_random_uniform(x.index, TYPE_F32, SHAPE(3)), "random_uniform", "'index' i32 [7]")             \
    X(windows, op_windows(x.images, (int64_t[]){7, 1}, (window_options){0}), "windows", "'images' f32 [1, 6, 6, 4]", "7 x 1") \
    X(windows_rank, op_windows(x.a, (int64_t[]){1, 1}, (window_options){0}), "windows", "'left' f32 [2, 3]")           \
    X(average_pool, op_average_pool(x.images, (int64_t[]){0, 1}, (window_options){0}), "windows", "'images'", "0 x 1") \
    X(max_pool, op_max_pool(x.images, (int64_t[]){2, 9}, (window_options){0}), "max_pool", "'images' f32 [1, 6, 6, 4]", "2 x 9") \
    X(conv, op_conv(x.images, x.filter, 1, (window_options){0}), "conv", "'images' f32 [1, 6, 6, 4]", "'filter' f32 [8, 3, 3, 3]") \
    X(conv_groups, op_conv(x.images, x.filter, 3, (window_options){0}), "conv", "'images'", "'filter'", "3 groups")    \
    X(conv_1d, op_conv_1d(x.q, x.filter, 1, (window_options){0}), "conv_1d", "'queries' f32 [6, 4, 8]", "'filter' f32 [8, 3, 3, 3]") \
    X(linear, op_linear(x.a, x.b), "linear", "'left' f32 [2, 3]", "'right' f32 [4, 5]")                                \
    X(linear_types, op_linear(x.a, x.half), "linear", "'left' f32 [2, 3]", "'half' bf16 [2, 3]")                       \
    X(softmax, op_softmax(x.words), "softmax", "'words' i32 [2, 3]")                                                   \
    X(log_softmax, op_log_softmax(x.words), "log_softmax", "'words' i32 [2, 3]")                                       \
    X(rms_norm, op_rms_norm(x.a, x.row, 1e-5), "rms_norm", "'left' f32 [2, 3]", "'row' f32 [5]")                       \
    X(batch_norm, op_batch_norm(x.words, NULL, NULL, 1e-5, NULL, NULL), "normalise", "batch_norm", "'words' i32 [2, 3]")  \
    X(group_norm, op_group_norm(x.images, 3, NULL, NULL, 1e-5), "normalise", "group_norm", "'images' f32 [1, 6, 6, 4]", "3") \
    X(layer_norm, op_layer_norm(x.a, NULL, x.row, 1e-5), "normalise", "layer_norm", "'left' f32 [2, 3]", "'row' f32 [5]")   \
    X(running, running(x), "batch_norm_running", "'row' f32 [5]", "1 rows")                                            \
    X(silu_mul, op_silu_mul(x.a, x.b), "silu_mul", "'left' f32 [2, 3]", "'right' f32 [4, 5]")                          \
    X(rotary, op_rotary(x.q, x.index, x.a, x.a), "rotary", "'queries' f32 [6, 4, 8]", "'index' i32 [7]")               \
    X(rotary_tables, op_rotary(x.q, x.slots, x.a, x.a), "rotary", "'queries' f32 [6, 4, 8]", "'left' f32 [2, 3]")      \
    X(attention, op_attention(x.q, x.k, x.k, x.slots, (attention_options){0}), "attention", "'queries' f32 [6, 4, 8]", "'keys' f32 [6, 3, 8]") \
    X(attention_start, op_attention(x.q, x.q, x.q, x.index, (attention_options){0}), "attention", "'queries' f32 [6, 4, 8]", "'index' i32 [7]") \
    X(masked_attention, op_masked_attention(x.q, x.q, x.q, x.slots, x.mask, (attention_options){0}), "masked_attention", "'queries' f32 [6, 4, 8]", "'mask' u8 [2, 3]") \
    X(attention_scale, op_attention(x.q, x.q, x.q, x.slots, (attention_options){.scale = -1}), "attention", "-1")      \
    X(cross_entropy, op_cross_entropy(x.a, x.index, x.row), "cross_entropy", "'left' f32 [2, 3]", "'index' i32 [7]")   \
    X(cross_entropy_weight, op_cross_entropy(x.b, graph_input(x.g, "four", TYPE_I32, SHAPE(4)), x.row), "cross_entropy", "'right' f32 [4, 5]", "'row' f32 [5]") \
    X(sum_squares, op_sum_squares(x.words), "sum_squares", "'words' i32 [2, 3]")                                       \
    X(sparse_sum_squares, op_sparse_sum_squares(x.a, x.index, 4), "sparse_sum_squares", "'left' f32 [2, 3]", "'index' i32 [7]") \
    X(sparse_too_many, op_sparse_sum_squares(x.row, graph_input(x.g, "five", TYPE_I32, SHAPE(5)), INT64_C(1) << 60), "sparse_sum_squares", "'row' f32 [5]", "2^48") \
    X(sum_by_index, op_sum_by_index(x.a, x.index, &(node *){NULL}), "sum_by_index", "'left' f32 [2, 3]", "'index' i32 [7]") \
    X(adamw, adamw(x), "adamw", "'left' f32 [2, 3]", "'right' f32 [4, 5]")                                             \
    X(sparse_adamw, sparse_adamw(x), "sparse_adamw", "'left' f32 [2, 3]", "'right' f32 [4, 5]")                        \
    X(cache_append, cache_append(x), "cache_append", "'queries' f32 [6, 4, 8]", "'cache' f32 [2, 64, 2, 8]")           \
    X(cache_attention, op_cache_attention(x.k, x.cache, x.cache, x.pages, x.slots, x.slots, (attention_options){0}), "cache_attention", "'keys' f32 [6, 3, 8]", "'cache' f32 [2, 64, 2, 8]") \
    X(iota, graph_iota(x.g, TYPE_I32, SHAPE(3), 1), "iota", "[3]", "axis 1")                                           \
    X(stored, graph_input_stored(x.g, "blocks", TYPE_F32, SHAPE(4, 31), QUANT_Q8_0), "'blocks'", "f32 [4, 31]")        \
    X(projected, op_projected_cross_entropy(x.a, x.b, x.index, x.row, TYPE_F32, 8), "by rows", "'left' f32 [2, 3]", "'index' i32 [7]", "'row' f32 [5]") \
    X(top_k, op_top_k(x.a, 4, NULL), "top_k", "'left' f32 [2, 3]", "4")                                                \
    X(parity, op_permutation_parity(x.a, TYPE_F32), "permutation_parity", "'left' f32 [2, 3]")                         \
    X(gather_along, op_gather_along(x.a, x.words, 2), "'left' f32 [2, 3]", "2")                                        \
    X(sample_linear, op_sample_linear(x.a, x.half), "sample_linear", "'left'", "'half' bf16 [2, 3]")                   \
    X(sample_bilinear, op_sample_bilinear(x.row, x.a, x.a), "sample_bilinear", "'row' f32 [5]", "'left' f32 [2, 3]")   \
    X(pair_distances, op_pair_distances(x.row), "pair_distances", "'row' f32 [5]")                                     \
    X(flow, op_flow(x.words, 2), "flow", "'words' i32 [2, 3]")                                                         \
    X(nt_xent, op_nt_xent(x.row, 0.5), "nt_xent", "'row' f32 [5]")                                                     \
    X(scan, scan(x), "scan", "'left' f32 [2, 3]", "f32 [4, 3]")                                                        \
    X(grad, grad(x), "seed", "'right' f32 [4, 5]", "tanh of 'left' f32 [2, 3]")                                        \
    X(grad_of_words, grad_of_words(x), "derivative", "'words' i32 [2, 3]")                                             \
    X(jvp, jvp(x), "tangent", "'right' f32 [4, 5]", "'left' f32 [2, 3]")                                               \
    X(vmap, vmap(x), "vmap", "'right' f32 [4, 5]", "'left' f32 [2, 3]")                                                \
    X(vmap_axes, vmap_of_eight_axes(x), "vmap", "tanh of 'left' f32 [1, 1, 1, 1, 1, 1, 2, 3]", "8 axes")             \
    X(laplacian_axes, laplacian_of_eight_axes(x), "Laplacian", "[1, 1, 1, 1, 1, 1, 2, 3]", "8 axes")                   \
    X(huber, op_huber(x.mask, 1), "abs", "'mask' u8 [2, 3]")                                                           \
    X(normal_many, op_random_normal(x.index, TYPE_F32, SHAPE(INT64_C(1) << 40, INT64_C(1) << 40)), "random_normal", "[1099511627776, 1099511627776]") \
    X(substitute, substitute(x), "'right' f32 [4, 5]", "'left' f32 [2, 3]")                                            \
    X(elements, graph_fill(x.g, TYPE_F32, SHAPE(INT64_C(1) << 30, INT64_C(1) << 30), 0), "fill", "[1073741824, 1073741824]")
CASES(CASE)

static const struct refusal {
    const char *word;
    node *(*build)(given x);
    const char *named[6];
} refusals[] = {
#define ROW(word, expression, ...) {#word, case_##word, {__VA_ARGS__, NULL}},
    CASES(ROW)
};

static void what_does_not_fit_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        const struct refusal *r = &refusals[i];
        given x = begin();
        error err = {0};
        assert_int_equal(graph_status(x.g, &err), STATUS_OK);
        node *y = r->build(x);
        if (y)
            fail_msg("%s: a node was made", r->word);
        if (graph_status(x.g, &err) != STATUS_INVALID)
            fail_msg("%s: status %d, %s", r->word, (int)err.code, err.message);
        for (size_t k = 0; r->named[k]; k++)
            if (!strstr(err.message, r->named[k]))
                fail_msg("%s: \"%s\" does not say %s", r->word, err.message, r->named[k]);
        plan *p; /* says the same */
        error late = {0};
        assert_int_equal(plan_new(x.g, &x.a, 1, NULL, &p, &late), STATUS_INVALID);
        assert_null(p);
        assert_string_equal(late.message, err.message);
        graph_free(x.g);
    }
}

/* Every operation that a builder makes of sources is among the cases, by the word its message begins with. */
static void every_operation_has_a_case(void **state)
{
    (void)state;
    /* Made of what always fits: one source of any shape and type, or sources that other builders checked. */
    static const op_code fitting[] = {OP_INPUT, OP_CONSTANT, OP_FILL, OP_IDENTITY, OP_CAST, OP_STOP_GRADIENT, OP_AFTER, OP_SOFTMAX_GRAD,
                                      OP_RMS_NORM_GRAD, OP_SILU_MUL_GRAD, OP_ATTENTION_GRAD, OP_MASKED_ATTENTION_GRAD, OP_CROSS_ENTROPY_GRAD, OP_CONV_INPUT_GRAD,
                                      OP_CONV_WEIGHT_GRAD, OP_MAX_POOL_GRAD, OP_WINDOWS_SUM, OP_NORMALISE_GRAD};
    for (op_code op = 0; op < OP_COUNT; op++) {
        const op_info *info = op_info_of(op);
        bool known = info->family == FAMILY_ELEMENTWISE; /* built by two functions: add, exp, neg, less and select stand for all */
        for (size_t i = 0; i < COUNT_OF(fitting); i++)
            known = known || fitting[i] == op;
        for (size_t i = 0; i < COUNT_OF(refusals); i++)
            known = known || strcmp(refusals[i].named[0], info->name) == 0;
        if (!known)
            fail_msg("%s has no case", info->name);
    }
}

/* The first failure is the one that is told, and nothing is built on it. */
static void the_first_failure_is_told(void **state)
{
    (void)state;
    given x = begin();
    error err = {0};
    node *y = op_tanh(op_linear(x.a, x.b));
    assert_null(y);
    assert_null(op_add(y, x.a));
    assert_null(op_matmul(x.a, x.row, false, false));
    assert_int_equal(graph_status(x.g, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "linear"));
    graph_free(x.g);
}

static void buffers_that_cannot_be_donated_are_refused(void **state)
{
    (void)state;
    given x = begin();
    node *y = op_transpose(x.a, AXES(1, 0));
    plan_donation d = {x.a, 0};
    plan *p;
    error err = {0};
    assert_int_equal(plan_new(x.g, &y, 1, &(plan_options){.donations = &d, .donation_count = 1}, &p, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "'left' f32 [2, 3]"));
    assert_non_null(strstr(err.message, "[3, 2]"));
    graph_free(x.g);
}

static void edits_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    given x = begin();
    node *y = op_tanh(graph_name(op_exp(x.a), "here")), *out = NULL;
    site_edit edit = {"here", SITE_ADD, x.b, NULL};
    error err = {0};
    assert_int_equal(graph_rewrite(&y, 1, &edit, 1, &out, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "'right' f32 [4, 5]"));
    assert_non_null(strstr(err.message, "[2, 3]"));
    graph_free(x.g);
}

/* ---- too much memory ---- */

/* 16 TiB and more, which no machine of ours has: refused before anything of it is allocated, with the largest values named. */
static void plans_beyond_the_machine_are_refused(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    const int64_t rows = 1 << 20, width = 1 << 22;
    node *x = graph_input(g, "column", TYPE_F32, SHAPE(rows, 1)), *w = graph_input(g, "weight", TYPE_F32, SHAPE(width, 1));
    node *y = graph_name(op_linear(x, w), "blocks.3.scores"), *z = op_reduce_sum(op_softmax(y), AXES(0), false);
    plan *p;
    error err = {0};
    assert_int_equal(plan_new(g, &z, 1, NULL, &p, &err), STATUS_MEMORY);
    assert_null(p);
    assert_non_null(strstr(err.message, "'blocks.3.scores' f32 [1048576, 4194304]"));
    assert_non_null(strstr(err.message, "17592186044416 bytes"));
    assert_non_null(strstr(err.message, "are left"));
    assert_true(err.hint[0]);
    err = (error){0};
    assert_int_equal(plan_new(g, &z, 1, &(plan_options){.memory_limit = 1 << 20}, &p, &err), STATUS_LIMIT);
    assert_non_null(strstr(err.message, "more than the limit of 1048576"));
    assert_non_null(strstr(err.message, "'blocks.3.scores'"));
    graph_free(g);
}

/* So many values of 2^51 bytes that their sum is 0 in 64 bits. */
static void sums_of_sizes_do_not_come_round(void **state)
{
    (void)state;
    enum { MANY = 8192 };
    graph *g = graph_new(NULL);
    node *x = op_broadcast(graph_input(g, "one", TYPE_F64, SHAPE(1)), SHAPE(INT64_C(1) << 48)), **outputs = malloc(MANY * sizeof *outputs);
    plan *p;
    error err = {0};
    assert_non_null(outputs);
    for (int i = 0; i < MANY; i++)
        outputs[i] = op_scale(x, i + 2);
    assert_int_equal(plan_new(g, outputs, MANY, &(plan_options){.memory_limit = SIZE_MAX >> 4}, &p, &err), STATUS_LIMIT);
    assert_non_null(strstr(err.message, "2251799813685248 bytes of mul"));
    free(outputs);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_fit_is_named),
        cmocka_unit_test(every_operation_has_a_case),
        cmocka_unit_test(the_first_failure_is_told),
        cmocka_unit_test(buffers_that_cannot_be_donated_are_refused),
        cmocka_unit_test(edits_that_do_not_fit_are_refused),
        cmocka_unit_test(plans_beyond_the_machine_are_refused),
        cmocka_unit_test(sums_of_sizes_do_not_come_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
