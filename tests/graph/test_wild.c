/* Programs drawn at random: every builder is called with sources, axes and sizes that nobody chose. Each call makes a node or says
 * why it made none; what was made can be differentiated, batched, planned and run, with the same bits in groups, alone and on
 * three threads. Nothing aborts. */
#include "core/random.h"
#include "graph/composite.h"
#include "graph/plan.h"
#include "graph/rules.h"
#include "graph/sparse.h"
#include "sanitized.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PROGRAMS = SANITIZED ? 60 : 600, CALLS = 60, INPUTS = 6, MOST_BYTES = 1 << 22, MOST_ELEMENTS = 1 << 14 };

typedef struct program {
    arena *arena;
    graph *g;
    random_stream r;
    uint64_t which;
    int kept[CALLS]; /* the calls that made a node, by number */
    size_t kept_count;
    node *nodes[INPUTS + CALLS];
    size_t count;
    char calls[2048]; /* the names of the builders that made a node, for messages */
} program;

static int64_t below(program *p, uint64_t n)
{
    return (int64_t)random_below(&p->r, n);
}

/* Mostly small; sometimes negative, sometimes absurd. */
static int64_t any_number(program *p)
{
    static const int64_t odd[] = {-1, -2, INT64_C(1) << 31, INT64_C(1) << 40, INT64_MAX, INT64_MIN, 17, 64, 100};
    return below(p, 24) == 0 ? odd[below(p, COUNT_OF(odd))] : below(p, 4);
}

static int any_axis(program *p)
{
    return (int)below(p, 8) - 3;
}

static shape any_shape(program *p, bool wild)
{
    static const int64_t sizes[] = {0, 1, 1, 2, 3, 3, 4, 4, 5, 8};
    shape s = {.rank = (int)below(p, below(p, 8) ? 5 : RANK_MAX + 1)};
    for (int i = 0; i < s.rank; i++)
        s.size[i] = wild && below(p, 12) == 0 ? any_number(p) : sizes[below(p, COUNT_OF(sizes))];
    return s;
}

static element_type any_type(program *p)
{
    static const element_type types[] = {TYPE_F32, TYPE_F32, TYPE_F32, TYPE_F64, TYPE_BF16, TYPE_I32, TYPE_U8};
    return types[below(p, COUNT_OF(types))];
}

static axes any_axes(program *p)
{
    axes a = {.count = (int)below(p, 4)};
    for (int i = 0; i < a.count; i++)
        a.axis[i] = below(p, 2) ? i : any_axis(p);
    return a;
}

static node *any(program *p)
{
    return p->nodes[below(p, p->count)];
}

/* One that fits more often than not: of the same type as `like`, if a few tries find one. */
static node *kin(program *p, const node *like)
{
    node *n = any(p);
    for (int i = 0; i < 4 && (n->type != like->type || !shape_equal(n->shape, like->shape)); i++)
        n = any(p);
    return n;
}

/* A fresh input of that type and shape, which fits for certain. */
static node *fresh(program *p, element_type type, shape s)
{
    char name[32];
    snprintf(name, sizeof name, "more%zu", graph_size(p->g));
    return graph_input(p->g, name, type, s);
}

static window_options any_windows(program *p)
{
    window_options o = {0};
    for (int i = 0; i < 2; i++) {
        o.stride[i] = any_number(p);
        o.dilation[i] = below(p, 3) ? 0 : any_number(p);
        o.before[i] = below(p, 2) ? 0 : any_number(p);
        o.after[i] = below(p, 2) ? 0 : any_number(p);
    }
    return o;
}

static attention_options any_attention(program *p)
{
    return (attention_options){.scale = below(p, 8) ? 0 : (double)any_number(p), .soft_cap = below(p, 6) ? 0 : 5, .window = any_number(p),
                               .both_ways = below(p, 2), .row = below(p, 6) ? 0 : any_number(p)};
}

static node *concat(program *p)
{
    node *parts[3] = {any(p)};
    parts[1] = kin(p, parts[0]);
    parts[2] = kin(p, parts[0]);
    return op_concat(parts, 1 + (size_t)below(p, 3), any_axis(p));
}

static node *windows(program *p)
{
    return op_windows(any(p), (int64_t[]){any_number(p), any_number(p)}, any_windows(p));
}

static node *pool(program *p)
{
    const int64_t kernel[] = {any_number(p), any_number(p)};
    return below(p, 2) ? op_max_pool(any(p), kernel, any_windows(p)) : op_average_pool(any(p), kernel, any_windows(p));
}

static node *fitted_conv(program *p)
{
    element_type type = below(p, 2) ? TYPE_F32 : TYPE_BF16;
    int64_t channels = 1 + below(p, 4), groups = channels % 2 == 0 ? 1 + below(p, 2) : 1;
    node *x = fresh(p, type, SHAPE(below(p, 3), 3 + below(p, 4), 3 + below(p, 4), channels));
    return op_conv(x, fresh(p, type, SHAPE(groups * (1 + below(p, 3)), channels / groups, 1 + below(p, 3), 1 + below(p, 3))), groups, any_windows(p));
}

static node *fitted_attention(program *p)
{
    int64_t tokens = below(p, 9), groups = 1 + below(p, 2), depth = 1 + below(p, 8);
    element_type type = any_type(p);
    node *q = fresh(p, type, SHAPE(tokens, groups * (1 + below(p, 2)), depth)), *k = fresh(p, type, SHAPE(tokens, groups, depth));
    node *start = graph_fill(p->g, TYPE_I32, SHAPE(tokens), 0);
    if (below(p, 2))
        return op_attention(q, k, k, start, any_attention(p));
    return op_masked_attention(q, k, k, start, fresh(p, TYPE_U8, SHAPE(tokens, below(p, 12))), any_attention(p));
}

/* Operations whose sources hardly ever fit by chance, with indices inside and outside of what they point at. */
static node *fitted_rows(program *p)
{
    element_type type = any_type(p), wide = wide_type(type);
    int64_t n = below(p, 5), width = below(p, 20), many = below(p, 5);
    node *table = fresh(p, type, SHAPE(n, width)), *index = fresh(p, TYPE_I32, SHAPE(n)), *some = fresh(p, TYPE_I32, SHAPE(n, many));
    switch (below(p, 9)) {
    case 0:
        return op_take_last(table, index);
    case 1:
        return op_gather_last(table, some);
    case 2:
        return op_scatter_last(fresh(p, type, SHAPE(n, many)), some, width);
    case 3:
        return op_scatter_rows(table, index, many);
    case 4:
        return op_put_rows(fresh(p, type, SHAPE(many, width)), graph_iota(p->g, TYPE_I32, SHAPE(n), 0), table);
    case 5:
        return op_rms_norm(table, fresh(p, below(p, 2) ? wide : type, SHAPE(width)), 1e-3);
    case 6:
        return op_cross_entropy(table, index, fresh(p, wide, SHAPE(n)));
    case 7:
        return op_projected_cross_entropy(table, fresh(p, type, SHAPE(many, width)), index, fresh(p, wide, SHAPE(n)), wide, 1 + below(p, 3));
    default:
        return op_gather_rows(table, some);
    }
}

static node *fitted_rest(program *p)
{
    element_type type = any_type(p), wide = wide_type(type);
    int64_t n = below(p, 5), half = 1 + below(p, 9), heads = below(p, 3);
    switch (below(p, 6)) {
    case 0:
        return op_rotary(fresh(p, type, SHAPE(n, heads, 2 * half)), fresh(p, TYPE_I32, SHAPE(n)), fresh(p, wide, SHAPE(4, half)),
                         fresh(p, wide, SHAPE(4, half)));
    case 1:
        return op_triangular_solve(fresh(p, type, SHAPE(2, n, n)), fresh(p, type, SHAPE(2, n, half)), below(p, 2));
    case 2:
        return op_nt_xent(fresh(p, type, SHAPE(2 * n, half)), .5);
    case 3:
        return op_max_pool(fresh(p, type, SHAPE(1, 6, 6, half)), (int64_t[]){2, 3}, any_windows(p));
    case 4:
        return op_sample_bilinear(fresh(p, type, SHAPE(2, half, 3)), fresh(p, wide, SHAPE(2, n)), fresh(p, wide, SHAPE(2, n)));
    default: {
        node *k = fresh(p, type, SHAPE(2, 64, 1, half)), *v = fresh(p, type, SHAPE(2, 64, 1, half)), *out[2];
        node *pages = graph_fill(p->g, TYPE_I32, SHAPE(1, 2), 1), *slot = graph_fill(p->g, TYPE_I32, SHAPE(1), 0);
        node *row = fresh(p, type, SHAPE(1, 1, half)), *place = graph_fill(p->g, TYPE_I32, SHAPE(1), (double)below(p, 128));
        op_cache_append(k, v, row, row, pages, slot, place, &out[0], &out[1]);
        return op_cache_attention(fresh(p, type, SHAPE(1, 1 + below(p, 3), half)), out[0], out[1], pages, slot, place,
                                  (attention_options){.window = below(p, 3)});
    }
    }
}

static node *normalise(program *p)
{
    node *x = any(p), *weight = below(p, 2) ? any(p) : NULL, *mean, *variance;
    switch (below(p, 4)) {
    case 0:
        return op_batch_norm(x, weight, NULL, 1e-3, &mean, &variance);
    case 1:
        return op_instance_norm(x, weight, NULL, 1e-3);
    case 2:
        return op_group_norm(x, any_number(p), NULL, weight, 1e-3);
    default:
        return op_layer_norm(x, weight, NULL, 1e-3);
    }
}

static node *adamw(program *p)
{
    node *value = any(p), *out[3];
    op_adamw(value, kin(p, value), kin(p, value), kin(p, value), any(p), (adamw_options){.9, .99, 1e-8, .1}, &out[0], &out[1], &out[2]);
    return out[below(p, 3)];
}

static node *top_k(program *p)
{
    node *index, *best = op_top_k(any(p), any_number(p), &index);
    return below(p, 2) ? best : index;
}

static node *signed_sum(program *p)
{
    node *sign, *x = any(p), *y = op_logsumexp_signed(x, kin(p, x), &sign);
    return below(p, 2) ? y : sign;
}

static node *sum_by_index(program *p)
{
    node *distinct, *sum = op_sum_by_index(any(p), any(p), &distinct);
    return below(p, 2) ? sum : distinct;
}

/* Rows of a table at indices as they come, and in order as op_sum_by_index puts them. */
static node *sparse(program *p)
{
    element_type type = below(p, 3) ? TYPE_F32 : TYPE_F64;
    int64_t n = below(p, 6), width = below(p, 40), many = below(p, 300);
    node *rows = fresh(p, type, SHAPE(n, width)), *index = fresh(p, TYPE_I32, SHAPE(n)), *out[3], *table = fresh(p, type, SHAPE(many, width));
    if (below(p, 3))
        rows = op_sum_by_index(rows, index, &index);
    if (below(p, 2))
        return op_sparse_sum_squares(rows, index, many);
    op_sparse_adamw(table, kin(p, table), fresh(p, type, SHAPE(many, width)), rows, index, fresh(p, type, SHAPE(4)),
                    (adamw_options){.9, .99, 1e-8, .1}, &out[0], &out[1], &out[2]);
    return out[below(p, 3)];
}

static node *cache(program *p)
{
    node *k = fresh(p, TYPE_F32, SHAPE(2, 64, 1, 4)), *out[2], *slots = any(p);
    if (below(p, 2))
        return op_cache_attention(any(p), k, k, any(p), slots, slots, any_attention(p));
    op_cache_append(k, fresh(p, TYPE_F32, SHAPE(2, 64, 1, 4)), any(p), any(p), any(p), slots, slots, &out[0], &out[1]);
    return out[0];
}

/* X(name, call) with p the program, x and y two nodes of it that may fit each other. */
#define BUILDERS(X)                                                                                                                      \
    X(identity, op_identity(x)) X(stop_gradient, op_stop_gradient(x)) X(cast, op_cast(x, any_type(p))) X(neg, op_neg(x)) X(abs, op_abs(x)) \
    X(sign, op_sign(x)) X(floor, op_floor(x)) X(exp, op_exp(x)) X(log, op_log(x)) X(sqrt, op_sqrt(x)) X(rsqrt, op_rsqrt(x))               \
    X(reciprocal, op_reciprocal(x)) X(tanh, op_tanh(x)) X(sigmoid, op_sigmoid(x)) X(sin, op_sin(x)) X(cos, op_cos(x)) X(erf, op_erf(x))   \
    X(add, op_add(x, y)) X(sub, op_sub(x, y)) X(mul, op_mul(x, y)) X(div, op_div(x, y)) X(pow, op_pow(x, y)) X(max, op_max(x, y))         \
    X(min, op_min(x, y)) X(equal, op_equal(x, y)) X(less, op_less(x, y)) X(less_equal, op_less_equal(x, y))                               \
    X(select, op_select(below(p, 2) ? op_less(x, y) : any(p), x, y)) X(scale, op_scale(x, -1.5)) X(shift, op_shift(x, 2))                  \
    X(square, op_square(x)) X(silu, op_silu(x)) X(reduce_sum, op_reduce_sum(x, any_axes(p), below(p, 2)))                                 \
    X(reduce_max, op_reduce_max(x, any_axes(p), below(p, 2))) X(reduce_mean, op_reduce_mean(x, any_axes(p), below(p, 2)))                 \
    X(sum_all, op_sum_all(x)) X(broadcast, op_broadcast(x, any_shape(p, true))) X(reshape, op_reshape(x, any_shape(p, true)))             \
    X(flatten, op_reshape(x, SHAPE(-1))) X(transpose, op_transpose(x, any_axes(p)))                                                      \
    X(turn, x->shape.rank == 2 ? op_transpose(x, AXES(1, 0)) : x) X(slice, op_slice(x, any_axis(p), any_number(p), any_number(p)))         \
    X(pad, op_pad(x, any_axis(p), any_number(p), any_number(p))) X(concat, concat(p)) X(gather_rows, op_gather_rows(x, any(p)))           \
    X(scatter_rows, op_scatter_rows(x, any(p), any_number(p))) X(put_rows, op_put_rows(x, any(p), y)) X(take_last, op_take_last(x, any(p))) \
    X(gather_last, op_gather_last(x, any(p))) X(scatter_last, op_scatter_last(x, any(p), any_number(p)))                                  \
    X(cumulative_sum, op_cumulative_sum(x, any_axis(p), below(p, 2))) X(argsort, op_argsort(x, below(p, 2))) X(after, op_after(x, y))     \
    X(matmul, op_matmul(x, y, below(p, 2), below(p, 2))) X(product, op_matmul(x, x, false, true))                                        \
    X(matmul_as, op_matmul_as(x, y, below(p, 2), below(p, 2), any_type(p))) X(cholesky, op_cholesky(x))                                   \
    X(triangular_solve, op_triangular_solve(x, y, below(p, 2))) X(random_uniform, op_random_uniform(x, any_type(p), any_shape(p, true)))   \
    X(random, op_random_uniform(graph_fill(p->g, TYPE_I32, SHAPE(4), 3), TYPE_F32, any_shape(p, true))) X(windows, windows(p))            \
    X(pool, pool(p)) X(linear, op_linear(x, y)) X(linear_as, op_linear_as(x, y, any_type(p))) X(softmax, op_softmax(x))                   \
    X(log_softmax, op_log_softmax(x)) X(rms_norm, op_rms_norm(x, any(p), 1e-3)) X(silu_mul, op_silu_mul(x, y))                            \
    X(rotary, op_rotary(x, any(p), any(p), any(p))) X(attention, op_attention(x, y, y, any(p), any_attention(p)))                         \
    X(masked_attention, op_masked_attention(x, y, y, any(p), any(p), any_attention(p))) X(fitted_attention, fitted_attention(p))           \
    X(cross_entropy, op_cross_entropy(x, any(p), any(p))) X(conv, op_conv(x, any(p), any_number(p), any_windows(p)))                      \
    X(conv_1d, op_conv_1d(x, any(p), any_number(p), any_windows(p))) X(fitted_conv, fitted_conv(p)) X(normalise, normalise(p))            \
    X(sum_squares, op_sum_squares(x)) X(adamw, adamw(p)) X(cache, cache(p)) X(relu, op_relu(x)) X(leaky_relu, op_leaky_relu(x, .1))       \
    X(gelu, op_gelu(x)) X(gelu_tanh, op_gelu_tanh(x)) X(softplus, op_softplus(x)) X(log_sigmoid, op_log_sigmoid(x))                       \
    X(clamp, op_clamp(x, -1, 1)) X(straight_through, op_straight_through(x, y)) X(huber, op_huber(x, 1))                                  \
    X(binary_cross_entropy, op_binary_cross_entropy(x, y)) X(nt_xent, op_nt_xent(x, .5)) X(logsumexp, op_logsumexp(x))                    \
    X(projected, op_projected_cross_entropy(x, y, any(p), any(p), any_type(p), any_number(p))) X(signed_sum, signed_sum(p))               \
    X(batch_norm_frozen, op_batch_norm_frozen(x, any(p), NULL, any(p), any(p), 1e-3)) X(norm, op_norm(x)) X(sort, op_sort(x, below(p, 2)))  \
    X(top_k, top_k(p)) X(permutation_parity, op_permutation_parity(x, any_type(p))) X(gather_along, op_gather_along(x, any(p), any_axis(p))) \
    X(scatter_along, op_scatter_along(x, any(p), any_axis(p), any_number(p)))                            \
    X(sample_linear, op_sample_linear(x, any(p))) X(sample_bilinear, op_sample_bilinear(x, any(p), any(p)))                               \
    X(flow, op_flow(x, (int)below(p, 3))) X(pair_distances, op_pair_distances(x)) X(cosine_similarity, op_cosine_similarity(x, y))         \
    X(solve_positive, op_solve_positive(x, y)) X(log_determinant, op_log_determinant(x))                                                 \
    X(random_normal, op_random_normal(graph_fill(p->g, TYPE_I32, SHAPE(4), 5), any_type(p), any_shape(p, true)))                          \
    X(sum_by_index, sum_by_index(p)) X(sparse, sparse(p)) X(sparse_sum_squares, op_sparse_sum_squares(x, any(p), any_number(p))) X(fitted_rows, fitted_rows(p)) X(more_rows, fitted_rows(p)) X(fitted_rest, fitted_rest(p)) X(more_rest, fitted_rest(p))                  \
    X(fill, graph_fill(p->g, any_type(p), any_shape(p, true), 1.5)) X(iota, graph_iota(p->g, any_type(p), any_shape(p, true), any_axis(p)))

#define BUILDER(name, call)                                                                                                              \
    static node *build_##name(program *p)                                                                                                \
    {                                                                                                                                    \
        node *x = any(p), *y = kin(p, x);                                                                                                \
        (void)y;                                                                                                                         \
        return call;                                                                                                                     \
    }
BUILDERS(BUILDER)

static const struct builder {
    const char *name;
    node *(*build)(program *p);
} builders[] = {
#define ROW(name, call) {#name, build_##name},
    BUILDERS(ROW)
#undef ROW
};

static size_t made[COUNT_OF(builders)], refused[COUNT_OF(builders)];

/* A graph with its inputs alone. */
static void begin(program *p)
{
    graph_free(p->g);
    p->g = graph_new(p->arena);
    p->r = random_stream_at(5, "test/wild/inputs", p->which, 0, 0, 0);
    p->calls[0] = 0;
    for (p->count = 0; p->count < INPUTS; p->count++) {
        char name[8];
        snprintf(name, sizeof name, "x%zu", p->count);
        shape s = p->count && below(p, 2) ? p->nodes[below(p, p->count)]->shape : any_shape(p, false);
        p->nodes[p->count] = graph_input(p->g, name, any_type(p), s);
        assert_non_null(p->nodes[p->count]);
    }
}

/* Call number `call` of the program, which depends on what the pool holds and on nothing else. */
static node *make(program *p, int call, size_t *builder)
{
    p->r = random_stream_at(5, "test/wild/call", p->which, (uint64_t)call, 0, 0);
    *builder = (size_t)below(p, COUNT_OF(builders));
    node *n = builders[*builder].build(p);
    size_t at = strlen(p->calls);
    snprintf(p->calls + at, sizeof p->calls - at, " %s", builders[*builder].name);
    if (n && shape_count(n->shape) <= MOST_ELEMENTS)
        p->nodes[p->count++] = n;
    return n;
}

/* A call that makes no node fails its graph, for a reason: it is told, and the program begins anew without that call. */
static void grow(program *p)
{
    begin(p);
    for (int call = 0; call < CALLS; call++) {
        size_t which;
        node *n = make(p, call, &which);
        error err = {0};
        status s = graph_status(p->g, &err);
        if (n ? s != STATUS_OK : s != STATUS_INVALID || !err.message[0])
            fail_msg("%s:%s: %s, and the graph says %d \"%s\"", builders[which].name, p->calls, n ? "a node" : "no node", (int)s, err.message);
        (n ? made : refused)[which]++;
        if (n) {
            p->kept[p->kept_count++] = call;
            continue;
        }
        begin(p);
        for (size_t i = 0; i < p->kept_count; i++)
            assert_non_null(make(p, p->kept[i], &which));
    }
}

static void *elements_of(program *p, const node *n)
{
    size_t count = (size_t)shape_count(n->shape);
    unsigned char *x = arena_alloc(p->arena, count * element_size((element_type)n->type) + 8);
    assert_non_null(x);
    for (size_t i = 0; i < count; i++) {
        double v = 4 * random_uniform(&p->r) - 2;
        switch (n->type) {
        case TYPE_F64:
            ((double *)(void *)x)[i] = v;
            break;
        case TYPE_F32:
            ((float *)(void *)x)[i] = (float)v;
            break;
        case TYPE_BF16:
            ((bf16 *)(void *)x)[i] = bf16_from_f32((float)v);
            break;
        case TYPE_I32:
            ((int32_t *)(void *)x)[i] = (int32_t)any_number(p);
            break;
        default:
            x[i] = (unsigned char)below(p, 2);
        }
    }
    return x;
}

static double number_at(element_type type, const void *x, size_t i)
{
    return type == TYPE_F64    ? ((const double *)x)[i]
           : type == TYPE_F32  ? (double)((const float *)x)[i]
           : type == TYPE_BF16 ? (double)bf16_to_f32(((const bf16 *)x)[i])
           : type == TYPE_I32  ? (double)((const int32_t *)x)[i]
                               : (double)((const unsigned char *)x)[i];
}

static bool is_number(element_type type, const void *x, size_t i)
{
    return !isnan(number_at(type, x, i));
}

/* Equal bytes, but that any NaN equals any other. */
static void expect_same(const program *p, const node *n, const void *a, const void *b, const char *what)
{
    size_t size = element_size((element_type)n->type), count = (size_t)shape_count(n->shape);
    for (size_t i = 0; i < count; i++)
        if (memcmp((const char *)a + i * size, (const char *)b + i * size, size) != 0 &&
            (is_number((element_type)n->type, a, i) || is_number((element_type)n->type, b, i)))
            fail_msg("%s changes bits:%s, element %zu of %s: %.9g, %.9g", what, p->calls, i, op_info_of((op_code)n->op)->name,
                     number_at((element_type)n->type, a, i), number_at((element_type)n->type, b, i));
}

/* Runs it in a few ways; false: too large, or an operation has no kernel for its types, which is said. */
static bool run(program *p, node *const *outputs, size_t count, thread_pool *pool)
{
    const plan_options ways[] = {{.threads = 3, .memory_limit = MOST_BYTES}, {.threads = 3, .unfused = true}, {.threads = 3}};
    static const char *const names[] = {"", "grouping", "a pool of threads"};
    size_t reached = graph_size(p->g);
    void **inputs = ARENA_ARRAY(p->arena, void *, reached + 1);
    plan *plans[3] = {NULL};
    error err = {0};
    bool good = true;
    for (int way = 0; way < 3 && good; way++) {
        status s = plan_new(p->g, outputs, count, &ways[way], &plans[way], &err);
        good = s == STATUS_OK;
        if (!good && (way > 0 || (s != STATUS_LIMIT && s != STATUS_UNSUPPORTED) || !err.message[0]))
            fail_msg("a plan of%s: %d %s", p->calls, (int)s, err.message);
        for (size_t id = 0; id < reached && good; id++) {
            const node *n = graph_node_at(p->g, (uint32_t)id);
            if (n->op != OP_INPUT || shape_count(n->shape) > 1 << 20)
                continue;
            inputs[id] = inputs[id] ? inputs[id] : elements_of(p, n);
            plan_bind(plans[way], n, inputs[id]);
        }
        if (good && plan_run(plans[way], way == 2 ? pool : NULL, &err) != STATUS_OK)
            fail_msg("running%s: %s", p->calls, err.message);
        for (size_t i = 0; i < count && good && way > 0; i++)
            expect_same(p, outputs[i], plan_output(plans[0], i), plan_output(plans[way], i), names[way]);
    }
    for (int way = 0; way < 3; way++)
        plan_free(plans[way]);
    return good;
}

/* The sum of what is float and small, and its derivatives in the float inputs: false, and said why, where there is none. */
static size_t differentiate(program *p, node **outputs)
{
    node *sum = NULL, *wrt[INPUTS], *tangents[INPUTS];
    size_t n = 0, count = 0;
    for (size_t i = INPUTS; i < p->count; i++)
        if (node_is_float(p->nodes[i])) {
            node *one = op_sum_all(op_cast(p->nodes[i], TYPE_F64));
            sum = sum ? op_add(sum, one) : one;
        }
    for (size_t i = 0; i < INPUTS; i++)
        if (node_is_float(p->nodes[i])) {
            wrt[n] = p->nodes[i];
            tangents[n++] = node_zeros(p->nodes[i]);
        }
    if (!sum || !n)
        return 0;
    bool good = below(p, 2) ? graph_grad(sum, wrt, n, NULL, outputs) : graph_jvp(&sum, 1, wrt, tangents, n, outputs);
    if (good && below(p, 3) == 0) {
        node *batch = fresh(p, node_type(wrt[0]), shape_insert(wrt[0]->shape.rank < RANK_MAX ? wrt[0]->shape : SHAPE_SCALAR, 0, 2));
        if (wrt[0]->shape.rank < RANK_MAX)
            good = graph_vmap(&sum, 1, wrt, &batch, 1, outputs);
        count = 1;
    } else {
        count = 1;
    }
    error err = {0};
    status s = graph_status(p->g, &err);
    if (good ? s != STATUS_OK : s != STATUS_INVALID)
        fail_msg("derivatives of%s: %s, and the graph says %d \"%s\"", p->calls, good ? "made" : "not made", (int)s, err.message);
    return good ? count : 0;
}

static void programs_drawn_at_random_run_or_say_why(void **state)
{
    (void)state;
    thread_pool *pool;
    size_t ran = 0, derived = 0;
    assert_int_equal(thread_pool_new(3, &pool, NULL), STATUS_OK);
    for (uint64_t i = 0; i < PROGRAMS; i++) {
        program p = {.arena = arena_new(NULL), .which = i};
        grow(&p);
        node *outputs[INPUTS + CALLS];
        size_t count = 0;
        for (size_t k = INPUTS; k < p.count; k++)
            outputs[count++] = p.nodes[k];
        ran += count && run(&p, outputs, count, pool);
        count = differentiate(&p, outputs);
        derived += count && run(&p, outputs, count, pool);
        arena_free(p.arena);
    }
    thread_pool_free(pool);
    assert_true(ran > PROGRAMS * 9 / 10 && derived > PROGRAMS * 9 / 10); /* the rest: beyond the limit, or no kernel */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_drawn_at_random_run_or_say_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
