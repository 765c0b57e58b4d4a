/* bench_kernels [tokens] [threads]: what the kernels of one training step and one decoding step of a small Llama cost.
 *
 * The model: 4 layers, width 256, 4 query heads and 2 key heads of 64, intermediate 704, vocabulary 1,536; packed
 * sequences of 256 tokens. Each kernel runs alone on the shapes of the step, often enough to see its best time. The last
 * lines add the best times up, and compare them with what the products alone would take at the best rate seen. */
#include "measure.h"
#include "core/random.h"
#include "core/text.h"
#include "kernels/kernels.h"

#include <stdio.h>

enum { WIDTH = 256, MIDDLE = 704, VOCABULARY = 1536, LAYERS = 4, HEADS = 4, KEY_HEADS = 2, HEAD = 64, LENGTH = 256 };

typedef struct bench {
    arena *a;
    thread_pool *pool;
    size_t tokens;
    double best_rate;       /* of products, flops per second */
    double flops, seconds;  /* of a whole step */
    double product_seconds; /* part of it */
} bench;

static void *filled(arena *a, size_t count, size_t size, float scale)
{
    void *x = arena_array(a, count, size);
    random_stream r = random_stream_at(1, "bench", count, size, 0, 0);
    for (size_t i = 0; x && i < count; i++) {
        float f = (float)(random_uniform(&r) - 0.5) * scale;
        if (size == 2)
            ((uint16_t *)x)[i] = kernel_bf16_from_f32(f);
        else
            ((float *)x)[i] = f;
    }
    return x;
}

static void report(bench *b, const char *what, double seconds, double bytes, double times)
{
    printf("%-34s %9.1f us %7.1f GB/s  x%-3.0f %8.2f ms\n", what, seconds * 1e6, bytes / seconds * 1e-9, times,
           seconds * times * 1e3);
    b->seconds += seconds * times;
}

static void report_product(bench *b, const char *what, size_t k, size_t n, double seconds, double times, const char *how)
{
    double flops = 2.0 * (double)b->tokens * (double)k * (double)n;
    printf("%-10s %4zu x %-4zu %-12s %9.1f us %7.1f GFLOP/s x%-3.0f %8.2f ms\n", what, k, n, how, seconds * 1e6,
           flops / seconds * 1e-9, times, seconds * times * 1e3);
    if (flops / seconds > b->best_rate)
        b->best_rate = flops / seconds;
    b->flops += flops * times;
    b->seconds += seconds * times;
    b->product_seconds += seconds * times;
}

static int product(bench *b, const char *what, size_t k, size_t n, kernel_type out, double times)
{
    arena *a = arena_new(b->a);
    error err;
    kernel_matmul *forward, *back;
    kernel_outer *outer;
    size_t threads = thread_pool_size(b->pool);
    if (kernel_matmul_new(a, &(kernel_matmul_spec){KERNEL_BF16, out, k, n, true, QUANT_PLAIN}, threads, &forward, &err) != STATUS_OK ||
        kernel_matmul_new(a, &(kernel_matmul_spec){KERNEL_BF16, KERNEL_BF16, n, k, false, QUANT_PLAIN}, threads, &back, &err) != STATUS_OK ||
        kernel_outer_new(a, &(kernel_outer_spec){KERNEL_BF16, n, k, 0, 0}, threads, &outer, &err) != STATUS_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    void *x = filled(a, b->tokens * k, 2, 1), *w = filled(a, k * n, 2, 0.1f), *dy = filled(a, b->tokens * n, 2, 1);
    void *y = arena_alloc(a, b->tokens * n * 4), *dx = arena_alloc(a, b->tokens * k * 4), *dw = arena_alloc(a, k * n * 4);
    void *packed = arena_alloc(a, kernel_matmul_packed_bytes(forward)), *packed_back = arena_alloc(a, kernel_matmul_packed_bytes(back));
    void *s1 = arena_alloc(a, kernel_matmul_scratch_bytes(forward)), *s2 = arena_alloc(a, kernel_matmul_scratch_bytes(back));
    void *s3 = arena_alloc(a, kernel_outer_scratch_bytes(outer, b->tokens));
    if (!s3 || !dx) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    double seconds;
    MEASURE_BEST(seconds, (kernel_matmul_pack(forward, b->pool, w, packed), kernel_matmul_pack(back, b->pool, w, packed_back)));
    report(b, "packing, both ways", seconds, 8.0 * (double)(k * n), times);
    MEASURE_BEST(seconds, kernel_matmul_run(forward, b->pool, b->tokens, x, k, packed, y, n, s1));
    report_product(b, what, k, n, seconds, times, "y = x W'");
    MEASURE_BEST(seconds, kernel_matmul_run(back, b->pool, b->tokens, dy, n, packed_back, dx, k, s2));
    report_product(b, what, k, n, seconds, times, "dx = dy W");
    MEASURE_BEST(seconds, kernel_outer_run(outer, b->pool, b->tokens, dy, x, dw, false, s3));
    report_product(b, what, k, n, seconds, times, "dW = dy' x");
    arena_free(a);
    return 0;
}

static void rows(bench *b)
{
    arena *a = arena_new(b->a);
    size_t t = b->tokens;
    double seconds, element = 2.0 * (double)t;
    void *x = filled(a, t * 2 * MIDDLE, 2, 1), *y = filled(a, t * 2 * MIDDLE, 2, 1), *z = filled(a, t * MIDDLE, 2, 1);
    float *weight = filled(a, WIDTH, 4, 1), *rstd = filled(a, t, 4, 1), *dweight = filled(a, WIDTH, 4, 1);
    void *scratch = arena_alloc(a, kernel_rms_norm_backward_scratch_bytes(KERNEL_BF16, t, WIDTH));
    MEASURE_BEST(seconds, kernel_rms_norm(KERNEL_BF16, KERNEL_F32, b->pool, t, WIDTH, 1e-5, x, weight, y, rstd));
    report(b, "rms_norm", seconds, element * 2 * WIDTH, 2 * LAYERS + 1);
    MEASURE_BEST(seconds, kernel_rms_norm_backward(KERNEL_BF16, KERNEL_F32, b->pool, t, WIDTH, x, weight, rstd, y, z, y, dweight, scratch));
    report(b, "rms_norm backward", seconds, element * 4 * WIDTH, 2 * LAYERS + 1);
    MEASURE_BEST(seconds, kernel_gated_silu(KERNEL_BF16, b->pool, t, MIDDLE, x, (char *)x + MIDDLE * 2, 2 * MIDDLE, z));
    report(b, "gated silu", seconds, element * 3 * MIDDLE, LAYERS);
    MEASURE_BEST(seconds, kernel_gated_silu_backward(KERNEL_BF16, b->pool, t, MIDDLE, x, (char *)x + MIDDLE * 2, 2 * MIDDLE, z, y,
                                             (char *)y + MIDDLE * 2));
    report(b, "gated silu backward", seconds, element * 5 * MIDDLE, LAYERS);
    float *inverse = arena_alloc(a, HEAD * 2), *cosine = arena_alloc(a, LENGTH * HEAD * 2), *sine = arena_alloc(a, LENGTH * HEAD * 2);
    int32_t *position = arena_alloc(a, t * 4);
    for (size_t i = 0; i < t; i++)
        position[i] = (int32_t)(i % LENGTH);
    kernel_rotary_frequencies(HEAD, 10000, inverse);
    kernel_rotary_table(0, LENGTH, HEAD, inverse, cosine, sine);
    MEASURE_BEST(seconds, kernel_rotary(KERNEL_BF16, b->pool, t, HEADS + KEY_HEADS, HEAD, x, 6 * HEAD, position, LENGTH, cosine, sine, false, y, 6 * HEAD));
    report(b, "rotary (q and k), and its backward", seconds, element * 12 * HEAD, 2 * LAYERS);
    MEASURE_BEST(seconds, kernel_binary(KERNEL_ADD, KERNEL_BF16, t * WIDTH, x, 1, y, 1, z));
    report(b, "residual sum (one thread)", seconds, element * 3 * WIDTH, 4 * LAYERS / (double)thread_pool_size(b->pool));
    arena_free(a);
}

static void ends(bench *b)
{
    arena *a = arena_new(b->a);
    size_t t = b->tokens;
    double seconds, element = 2.0 * (double)t;
    void *logits = filled(a, t * VOCABULARY, 2, 4), *table = filled(a, VOCABULARY * WIDTH, 2, 1), *x = filled(a, t * WIDTH, 2, 1);
    void *dlogits = arena_alloc(a, t * VOCABULARY * 2);
    float *loss = filled(a, t, 4, 1), *lse = filled(a, t, 4, 1), *one = filled(a, 1, 4, 1);
    int32_t *target = arena_alloc(a, t * 4);
    for (size_t i = 0; i < t; i++)
        target[i] = (int32_t)(i * 7919 % VOCABULARY);
    MEASURE_BEST(seconds, kernel_cross_entropy(KERNEL_BF16, b->pool, t, VOCABULARY, logits, VOCABULARY, target, NULL, loss, lse));
    report(b, "cross-entropy", seconds, element * VOCABULARY, 1);
    MEASURE_BEST(seconds, kernel_cross_entropy_backward(KERNEL_BF16, b->pool, t, VOCABULARY, logits, VOCABULARY, target, NULL, lse, one, 0, dlogits));
    report(b, "cross-entropy backward", seconds, element * 2 * VOCABULARY, 1);
    MEASURE_BEST(seconds, kernel_gather(KERNEL_BF16, b->pool, t, WIDTH, table, target, x));
    report(b, "embedding", seconds, element * 2 * WIDTH, 1);
    float *dtable = arena_alloc(a, VOCABULARY * WIDTH * 4);
    void *scratch = arena_alloc(a, kernel_scatter_add_scratch_bytes(t, VOCABULARY));
    MEASURE_BEST(seconds, kernel_scatter_add(KERNEL_BF16, b->pool, t, WIDTH, VOCABULARY, x, target, dtable, false, scratch));
    report(b, "embedding backward", seconds, element * WIDTH, 1);
    size_t count = LAYERS * (WIDTH * (2 * HEADS + 2 * KEY_HEADS) * HEAD + 3 * WIDTH * MIDDLE) + VOCABULARY * WIDTH;
    float *p = filled(a, count, 4, 1), *m = arena_alloc(a, count * 4), *v = arena_alloc(a, count * 4), *g = filled(a, count, 4, 1);
    uint16_t *copy = arena_alloc(a, count * 2);
    kernel_adamw how = {.rate = 1e-4, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .gradient_scale = 1, .step = 5};
    MEASURE_BEST(seconds, kernel_adamw_step(KERNEL_F32, b->pool, count, &how, p, m, v, g, copy));
    report(b, "AdamW", seconds, (double)count * 30, 1);
    scratch = arena_alloc(a, kernel_sum_squares_scratch_bytes(count));
    MEASURE_BEST(seconds, *loss = (float)kernel_sum_squares(KERNEL_F32, b->pool, count, g, scratch));
    report(b, "sum of squares", seconds, (double)count * 4, 1);
    arena_free(a);
}

static void attention(bench *b)
{
    arena *a = arena_new(b->a);
    size_t t = b->tokens, threads = thread_pool_size(b->pool), wide = (HEADS + 2 * KEY_HEADS) * HEAD;
    int32_t *start = arena_alloc(a, t * 4);
    for (size_t i = 0; i < t; i++)
        start[i] = (int32_t)(i / LENGTH * LENGTH);
    kernel_attention how = {.type = KERNEL_BF16, .tokens = t, .query_heads = HEADS, .key_heads = KEY_HEADS, .head_size = HEAD, .scores = {.scale = 0.125},
                            .start = start, .q_stride = wide, .k_stride = wide, .v_stride = wide, .out_stride = HEADS * HEAD};
    char *qkv = filled(a, t * wide, 2, 1), *d = filled(a, t * wide, 2, 1), *out = filled(a, t * HEADS * HEAD, 2, 1);
    char *dout = filled(a, t * HEADS * HEAD, 2, 1);
    float *lse = arena_alloc(a, t * HEADS * 4);
    void *scratch = arena_alloc(a, kernel_attention_scratch_bytes(&how, threads));
    void *scratch_back = arena_alloc(a, kernel_attention_backward_scratch_bytes(&how, threads));
    size_t k = HEADS * HEAD * 2, v = (HEADS + KEY_HEADS) * HEAD * 2;
    double seconds, pairs = (double)t * (LENGTH + 1) / 2 * HEADS, flops = pairs * HEAD * 4;
    MEASURE_BEST(seconds, kernel_attention_forward(&how, b->pool, qkv, qkv + k, qkv + v, out, lse, scratch));
    printf("%-34s %9.1f us %7.1f GFLOP/s\n", "attention, sequences of 256", seconds * 1e6, flops / seconds * 1e-9);
    b->seconds += seconds * LAYERS;
    MEASURE_BEST(seconds, kernel_attention_backward(&how, b->pool, qkv, qkv + k, qkv + v, out, lse, dout, d, d + k, d + v, scratch_back));
    printf("%-34s %9.1f us %7.1f GFLOP/s\n", "attention backward", seconds * 1e6, 2.5 * flops / seconds * 1e-9);
    b->seconds += seconds * LAYERS;
    arena_free(a);
}

/* One step of 64 sequences at position 200: products, attention over the cache, and what waking the threads costs. */
static int decode(bench *b)
{
    enum { ROWS = 64, POSITION = 200, CAPACITY = 256 };
    arena *a = arena_new(b->a);
    static const size_t shapes[][2] = {{WIDTH, (HEADS + 2 * KEY_HEADS) * HEAD}, {WIDTH, WIDTH}, {WIDTH, 2 * MIDDLE}, {MIDDLE, WIDTH}, {WIDTH, VOCABULARY}};
    double total = 0, seconds, flops = 0;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        error err;
        kernel_matmul *m;
        size_t k = shapes[i][0], n = shapes[i][1], times = i + 1 < COUNT_OF(shapes) ? LAYERS : 1;
        if (kernel_matmul_new(a, &(kernel_matmul_spec){KERNEL_BF16, KERNEL_BF16, k, n, true, QUANT_PLAIN}, thread_pool_size(b->pool), &m, &err) != STATUS_OK) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        void *x = filled(a, ROWS * k, 2, 1), *w = filled(a, k * n, 2, 1), *y = arena_alloc(a, ROWS * n * 2);
        void *packed = arena_alloc(a, kernel_matmul_packed_bytes(m)), *s = arena_alloc(a, kernel_matmul_scratch_bytes(m));
        kernel_matmul_pack(m, b->pool, w, packed);
        MEASURE_BEST(seconds, kernel_matmul_run(m, b->pool, ROWS, x, k, packed, y, n, s));
        double f = 2.0 * ROWS * (double)(k * n);
        printf("decode 64 x %4zu x %-4zu              %9.1f us %7.1f GFLOP/s\n", k, n, seconds * 1e6, f / seconds * 1e-9);
        total += seconds * (double)times;
        flops += f * (double)times;
    }
    kernel_cache c = {KERNEL_BF16, ROWS, CAPACITY, KEY_HEADS, HEAD, NULL, filled(a, ROWS * CAPACITY * KEY_HEADS * HEAD, 2, 1),
                      filled(a, ROWS * CAPACITY * KEY_HEADS * HEAD, 2, 1)};
    int32_t slot[ROWS], position[ROWS];
    for (int i = 0; i < ROWS; i++) {
        slot[i] = i;
        position[i] = POSITION;
    }
    void *q = filled(a, ROWS * HEADS * HEAD, 2, 1), *out = arena_alloc(a, ROWS * HEADS * HEAD * 2);
    void *s = arena_alloc(a, kernel_cache_attention_scratch_bytes(&c, ROWS, HEADS, thread_pool_size(b->pool)));
    MEASURE_BEST(seconds, kernel_cache_attention(&c, b->pool, ROWS, HEADS, (kernel_scores){.scale = 0.125}, slot, position, q, HEADS * HEAD, out, HEADS * HEAD, s));
    double bytes = 4.0 * ROWS * (POSITION + 1) * KEY_HEADS * HEAD;
    printf("decode attention at position 200   %9.1f us %7.1f GB/s\n", seconds * 1e6, bytes / seconds * 1e-9);
    total += seconds * LAYERS;
    printf("decode step (products, attention)  %9.1f us; products at the best rate alone %.1f us, %.0f %% of it\n", total * 1e6,
           flops / b->best_rate * 1e6, flops / b->best_rate / total * 100);
    arena_free(a);
    return 0;
}

int main(int argc, char **argv)
{
    int64_t tokens = 8192, threads = 0;
    if ((argc > 1 && !slice_to_int(slice_of(argv[1]), &tokens)) || (argc > 2 && !slice_to_int(slice_of(argv[2]), &threads)) ||
        tokens < LENGTH || threads < 0) {
        fprintf(stderr, "usage: bench_kernels [tokens] [threads]\n");
        return 2;
    }
    error err;
    bench b = {.a = arena_new(NULL), .tokens = (size_t)tokens / LENGTH * LENGTH};
    if (thread_pool_new((size_t)threads, &b.pool, &err) != STATUS_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    printf("%s; %zu tokens, %zu threads\n", kernel_description(), b.tokens, thread_pool_size(b.pool));
    if (product(&b, "qkv", WIDTH, (HEADS + 2 * KEY_HEADS) * HEAD, KERNEL_BF16, LAYERS) ||
        product(&b, "o", WIDTH, WIDTH, KERNEL_BF16, LAYERS) || product(&b, "gate+up", WIDTH, 2 * MIDDLE, KERNEL_BF16, LAYERS) ||
        product(&b, "down", MIDDLE, WIDTH, KERNEL_BF16, LAYERS) || product(&b, "head", WIDTH, VOCABULARY, KERNEL_BF16, 1))
        return 1;
    rows(&b);
    ends(&b);
    attention(&b);
    printf("training step: %.1f ms (%.0f tokens/s), products %.1f ms; at the best rate (%.0f GFLOP/s) products alone take "
           "%.1f ms, %.0f %% of the step\n",
           b.seconds * 1e3, (double)b.tokens / b.seconds, b.product_seconds * 1e3, b.best_rate * 1e-9,
           b.flops / b.best_rate * 1e3, b.flops / b.best_rate / b.seconds * 100);
    int failed = decode(&b);
    thread_pool_free(b.pool);
    arena_free(b.a);
    return failed;
}
