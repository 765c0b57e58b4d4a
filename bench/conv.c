/* conv.c - training steps of a small convolutional network in f32 on drawn images, for bench/peers/conv_speed.py.
 *
 *     bench_conv STEPS THREADS          steps/s of batches of 128 images of 28 x 28, and where the time goes
 *
 * Two convolutions (5 x 5 to 32 channels, 3 x 3 to 64) with a pool of 2 x 2 behind each, a dense layer of 128, ten classes; cross-entropy,
 * AdamW: the network of examples/mnist.c. */
#include "digits_network.h"
#include "measure.h"
#include "profile.h"

#include "core/random.h"

#include <stdio.h>

enum { BATCH = DIGITS_BATCH };

static status run(arena *a, size_t steps, size_t threads, error *err)
{
    static float pixels[BATCH * DIGITS_PIXELS], shares[BATCH];
    static int32_t labels[BATCH];
    random_stream r = random_stream_at(1, "bench/conv", 0, 0, 0, 0);
    for (size_t i = 0; i < COUNT_OF(pixels); i++)
        pixels[i] = (float)random_uniform(&r);
    for (size_t i = 0; i < BATCH; i++)
        labels[i] = (int32_t)random_below(&r, DIGITS_CLASSES), shares[i] = 1.0F / BATCH;
    thread_pool *pool;
    fit f;
    TRY(thread_pool_new(threads, &pool, err));
    TRY(fit_begin(&f, a, digits_layers, DIGITS_LAYERS, 1, err));
    node *x = graph_input(f.graph, "images", TYPE_F32, SHAPE(BATCH, DIGITS_SIDE, DIGITS_SIDE, 1));
    node *target = graph_input(f.graph, "labels", TYPE_I32, SHAPE(BATCH)), *weight = graph_input(f.graph, "shares", TYPE_F32, SHAPE(BATCH));
    f.profile = true;
    TRY(fit_compile(&f, op_sum_all(op_cross_entropy(digits_network(f.nodes, x), target, weight)), err));
    plan_bind(f.step_plan, x, pixels);
    plan_bind(f.step_plan, target, labels);
    plan_bind(f.step_plan, weight, shares);
    float loss;
    TRY(fit_step(&f, pool, 1e-3, &loss, err));
    double start = clock_seconds();
    for (size_t i = 0; i < steps; i++)
        TRY(fit_step(&f, pool, 1e-3, &loss, err));
    printf("{\"steps_per_second\": %.3f, \"loss\": %.4f}\n", (double)steps / (clock_seconds() - start), (double)loss);
    TRY(profile_print(a, f.step_plan, pool, 12, err));
    fit_end(&f);
    thread_pool_free(pool);
    return STATUS_OK;
}

int main(int argc, char **argv)
{
    error err = {0};
    arena *a = arena_new(NULL);
    status s = run(a, (size_t)measure_number(argv, argc, 1, 50), (size_t)measure_number(argv, argc, 2, 0), &err);
    arena_free(a);
    if (s != STATUS_OK)
        fprintf(stderr, "bench_conv: %s\n", err.message);
    return s == STATUS_OK ? 0 : 1;
}
