/* mnist.c - a convolutional network on the real MNIST files, from pixels to test accuracy.
 *
 *     build/release/examples/example_mnist FOLDER [EPOCHS [SEED [THREADS]]]
 *
 * FOLDER holds the four IDX files (gzipped or not: train-images-idx3-ubyte.gz, ...). Two convolutions, each with a pool behind
 * it, and two dense layers; cross-entropy, AdamW with a cosine schedule, images moved by up to two pixels at random. */
#include "core/progress.h"
#include "digits_network.h"
#include "fit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = DIGITS_BATCH, SHIFT = 2 };

/* Of the pixels of the training images, from 0 to 1. */
static const float mean = 0.1307F, spread = 0.3081F;

typedef struct batch {
    node *x, *target, *weight, *logits, *loss;
    float pixels[BATCH * DIGITS_PIXELS], weights[BATCH];
    int32_t labels[BATCH];
} batch;

static status build(fit *f, batch *b, error *err)
{
    b->x = graph_input(f->graph, "images", TYPE_F32, SHAPE(BATCH, DIGITS_SIDE, DIGITS_SIDE, 1));
    b->target = graph_input(f->graph, "labels", TYPE_I32, SHAPE(BATCH));
    b->weight = graph_input(f->graph, "weights", TYPE_F32, SHAPE(BATCH));
    b->logits = digits_network(f->nodes, b->x);
    b->loss = op_sum_all(op_cross_entropy(b->logits, b->target, b->weight));
    for (size_t i = 0; i < BATCH; i++)
        b->weights[i] = 1.0f / BATCH;
    return fit_compile(f, b->loss, err);
}

static void bind(plan *p, batch *b)
{
    plan_bind(p, b->x, b->pixels);
    plan_bind(p, b->target, b->labels);
    plan_bind(p, b->weight, b->weights);
}

static status train(fit *f, batch *b, const digits *d, size_t epochs, thread_pool *pool, error *err)
{
    size_t per_epoch = d->count / BATCH, total = epochs * per_epoch;
    uint32_t *order = ARENA_ARRAY(f->arena, uint32_t, d->count);
    if (!order)
        return error_set(err, STATUS_MEMORY, "out of memory");
    progress *bar = progress_new("mnist", total, PROGRESS_AUTO);
    status s = STATUS_OK;
    bind(f->step_plan, b);
    for (size_t step = 0; step < total && s == STATUS_OK; step++) {
        if (step % per_epoch == 0)
            order_permute(&f->order, order, d->count);
        for (size_t i = 0; i < BATCH; i++) {
            size_t k = order[step % per_epoch * BATCH + i];
            int down = (int)(order_u64(&f->order) % (2 * SHIFT + 1)) - SHIFT, right = (int)(order_u64(&f->order) % (2 * SHIFT + 1)) - SHIFT;
            digits_image(d, k, down, right, mean, spread, b->pixels + i * DIGITS_PIXELS);
            b->labels[i] = d->labels[k];
        }
        float loss = 0;
        double rate = 2e-3 * (0.5 + 0.5 * cos(3.14159265358979 * (double)step / (double)total));
        s = fit_step(f, pool, rate, &loss, err);
        progress_update(bar, step + 1, "loss %.4f", (double)loss);
    }
    progress_free(bar);
    return s;
}

static status accuracy(fit *f, batch *b, const digits *d, thread_pool *pool, double *out, error *err)
{
    plan *p;
    TRY(fit_plan(f, &b->logits, 1, &p, err));
    bind(p, b);
    status s = digits_accuracy(p, pool, d, mean, spread, b->pixels, out, err);
    plan_free(p);
    return s;
}

static status run(arena *a, const char *folder, size_t epochs, uint64_t seed, size_t threads, error *err)
{
    digits training, test;
    fit f;
    double begun = clock_seconds(), share = 0;
    batch *b = ARENA_NEW(a, batch);
    thread_pool *pool;
    if (!b)
        return error_set(err, STATUS_MEMORY, "out of memory");
    TRY(digits_read(a, folder, "train", &training, err));
    TRY(digits_read(a, folder, "t10k", &test, err));
    TRY(thread_pool_new(threads, &pool, err));
    TRY(fit_begin(&f, a, digits_layers, DIGITS_LAYERS, seed, err));
    status s = build(&f, b, err);
    if (s == STATUS_OK)
        s = train(&f, b, &training, epochs, pool, err);
    if (s == STATUS_OK)
        s = accuracy(&f, b, &test, pool, &share, err);
    if (s == STATUS_OK)
        printf("%zu parameters, %zu epochs, seed %llu: test accuracy %.2f %% (%zu images) in %.1f s\n", f.weights->elements, epochs,
               (unsigned long long)seed, 100 * share, test.count, clock_seconds() - begun);
    fit_end(&f);
    thread_pool_free(pool);
    return s;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s FOLDER [EPOCHS [SEED [THREADS]]]\n", argv[0]);
        return 2;
    }
    error err = {0};
    arena *a = arena_new(NULL);
    status s = a ? run(a, argv[1], argc > 2 ? strtoul(argv[2], NULL, 10) : 5, argc > 3 ? strtoull(argv[3], NULL, 10) : 1,
                       argc > 4 ? strtoul(argv[4], NULL, 10) : 0, &err)
                 : STATUS_MEMORY;
    arena_free(a);
    if (s != STATUS_OK)
        fprintf(stderr, "mnist: %s\n", err.message);
    return s == STATUS_OK ? 0 : 1;
}
