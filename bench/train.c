/* train.c - training seen from outside: what it computes, for bench/peers/train_parity.py, and how fast it is.
 *
 *     bench_train parity MODEL BATCHES OUT        a step's logits and gradients, and the losses of all batches, in f32
 *     bench_train speed SIZE TOKENS ROW STEPS THREADS
 *                                                 tokens/s for a Llama of about SIZE parameters (1m, 5m, 25m, 40m, or base:
 *                                                 the embedded model's shape) in bf16, in documents of ROW tokens, and what
 *                                                 its products cost
 */
#include "core/file.h"
#include "core/jsonio.h"
#include "core/progress.h"
#include "graph/account.h"
#include "nn/safetensors.h"
#include "train/trainer.h"

#include <stdlib.h>
#include <string.h>

typedef struct peer_batch {
    int32_t *tokens, *targets, *positions, *starts;
    float *weights;
} peer_batch;

static status batch_new(arena *a, size_t n, peer_batch *b, error *err)
{
    *b = (peer_batch){ARENA_ARRAY(a, int32_t, n), ARENA_ARRAY(a, int32_t, n), ARENA_ARRAY(a, int32_t, n),
                      ARENA_ARRAY(a, int32_t, n), ARENA_ARRAY(a, float, n)};
    return b->tokens && b->targets && b->positions && b->starts && b->weights
               ? STATUS_OK
               : error_set(err, STATUS_MEMORY, "out of memory");
}

static void bind_batch(plan *p, const stage_graph *g, const peer_batch *b)
{
    plan_bind(p, g->model.tokens, b->tokens);
    plan_bind(p, g->model.positions, b->positions);
    plan_bind(p, g->model.starts, b->starts);
    plan_bind(p, g->targets, b->targets);
    plan_bind(p, g->weights, b->weights);
}

static void bind_parameters(plan *p, const stage_graph *g, parameters *weights, const float *rates)
{
    for (size_t i = 0; i < weights->count; i++)
        step_bind(p, &g->step, i, weights->items[i].value, weights->items[i].mean, weights->items[i].square);
    plan_bind(p, g->step.rates, rates);
}

/* ---- parity ---- */

static status read_batch(arena *a, const json_t *from, peer_batch *b, size_t *count, error *err)
{
    const json_t *lists[5];
    static const char *const keys[] = {"tokens", "targets", "positions", "starts", "weights"};
    for (int i = 0; i < 5; i++)
        TRY(jsonio_get_array(from, keys[i], "batch", &lists[i], err));
    *count = json_array_size(lists[0]);
    TRY(batch_new(a, *count, b, err));
    int32_t *integers[4] = {b->tokens, b->targets, b->positions, b->starts};
    for (size_t k = 0; k < *count; k++) {
        for (int i = 0; i < 4; i++)
            integers[i][k] = (int32_t)json_integer_value(json_array_get(lists[i], k));
        b->weights[k] = (float)json_number_value(json_array_get(lists[4], k));
    }
    return STATUS_OK;
}

/* Logits and gradients of the first batch, by a plan of their own. */
static status first_values(arena *a, const lm_config *config, parameters *p, const peer_batch *b, size_t tokens,
                           thread_pool *pool, safetensors_tensor *out, error *err)
{
    step_options options = {0};
    stage_graph g;
    TRY(stage_graph_build(a, config, tokens, TYPE_F32, FREEZE_NONE, &options, &g, err));
    node *loss = g.step.outputs[STEP_LOSS];
    node **outputs = ARENA_ARRAY(a, node *, p->count + 1);
    outputs[p->count] = graph_find(&loss, 1, "logits");
    if (!graph_grad(loss, g.model.weights, p->count, NULL, outputs))
        return error_set(err, STATUS_MEMORY, "out of memory");
    plan *run;
    TRY(plan_new(g.graph, outputs, p->count + 1, NULL, &run, err));
    for (size_t i = 0; i < p->count; i++)
        plan_bind(run, g.model.weights[i], p->items[i].value);
    bind_batch(run, &g, b);
    TRY(plan_run(run, pool, err));
    for (size_t i = 0; i <= p->count; i++) {
        size_t bytes = (size_t)shape_count(outputs[i]->shape) * sizeof(float);
        void *copy = arena_alloc(a, bytes);
        memcpy(copy, plan_output(run, i), bytes);
        out[i] = (safetensors_tensor){.name = i < p->count ? arena_printf(a, "gradient.%s", p->items[i].name) : "logits",
                                      .type = SAFETENSORS_F32, .rank = outputs[i]->shape.rank, .data = copy, .bytes = bytes};
        memcpy(out[i].shape, outputs[i]->shape.size, (size_t)out[i].rank * sizeof out[i].shape[0]);
    }
    plan_free(run);
    return STATUS_OK;
}

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static status train_losses(arena *a, const lm_config *config, parameters *p, const json_t *root, size_t tokens,
                           thread_pool *pool, float *losses, error *err)
{
    const json_t *o = json_object_get(root, "options"), *batches = json_object_get(root, "batches");
    step_options options = {.optimiser = {.beta1 = number(o, "beta1"), .beta2 = number(o, "beta2"), .epsilon = number(o, "epsilon"),
                                          .decay = number(o, "decay")},
                            .clip = number(o, "clip")};
    stage_graph g;
    plan *run;
    float rates[3];
    TRY(parameters_train(p, NULL, &options.optimiser, err));
    TRY(stage_graph_build(a, config, tokens, TYPE_F32, FREEZE_NONE, &options, &g, err));
    TRY(step_plan(a, &g.step, false, &run, err));
    for (size_t i = 0; i < json_array_size(batches); i++) {
        peer_batch b;
        size_t count;
        TRY(read_batch(a, json_array_get(batches, i), &b, &count, err));
        step_rates(&options, (int64_t)i, number(o, "learning_rate"), rates);
        bind_parameters(run, &g, p, rates);
        bind_batch(run, &g, &b);
        TRY(plan_run(run, pool, err));
        losses[i] = *(const float *)plan_output(run, STEP_LOSS);
    }
    plan_free(run);
    return STATUS_OK;
}

static status run_parity(arena *a, char **words, error *err)
{
    json_t *root;
    lm_config config;
    safetensors *weights;
    parameters *p;
    peer_batch first;
    size_t tokens;
    thread_pool *pool;
    TRY(lm_config_read(file_join(a, words[0], "config.json"), &config, err));
    TRY(safetensors_open(a, words[0], &weights, err));
    TRY(stage_parameters(a, &config, &p, err));
    for (size_t i = 0; i < p->count; i++) {
        const safetensors_tensor *t;
        TRY(safetensors_expect(weights, p->items[i].name, p->items[i].shape.size, p->items[i].shape.rank, &t, err));
        TRY(safetensors_to_f32(t, p->items[i].value, err));
    }
    TRY(jsonio_read(words[1], (size_t)1 << 30, &root, err));
    TRY(thread_pool_new(2, &pool, err));
    const json_t *batches = json_object_get(root, "batches");
    size_t steps = json_array_size(batches);
    TRY(read_batch(a, json_array_get(batches, 0), &first, &tokens, err));
    safetensors_tensor *out = ARENA_ARRAY(a, safetensors_tensor, p->count + 2);
    float *losses = ARENA_ARRAY(a, float, steps);
    TRY(first_values(a, &config, p, &first, tokens, pool, out, err));
    TRY(train_losses(a, &config, p, root, tokens, pool, losses, err));
    out[p->count + 1] = (safetensors_tensor){.name = "losses", .type = SAFETENSORS_F32, .rank = 1,
                                             .shape = {(int64_t)steps}, .data = losses, .bytes = steps * sizeof(float)};
    thread_pool_free(pool);
    return safetensors_write(words[2], out, p->count + 2, NULL, 0, err);
}

/* ---- speed ---- */

/* The shapes that bench/peers/train_speed.py gives the peer too; all are tied, with half as many heads of keys as of
 * queries. "40m" is 25m with the vocabulary of Llama 2. */
static const struct {
    const char *name;
    int vocabulary, hidden, intermediate, layers, heads;
} sizes[] = {
    {"1m", 2048, 128, 352, 4, 2},   {"base", 2048, 256, 704, 4, 4},    {"5m", 2048, 256, 704, 6, 4},
    {"25m", 2048, 512, 1408, 8, 8}, {"40m", 32000, 512, 1408, 8, 8},
};

static status config_of_size(const char *name, lm_config *out, error *err)
{
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        if (strcmp(sizes[i].name, name) == 0) {
            *out = lm_config_base(sizes[i].vocabulary);
            out->hidden = sizes[i].hidden;
            out->intermediate = sizes[i].intermediate;
            out->layers = sizes[i].layers;
            out->heads = sizes[i].heads;
            out->kv_heads = sizes[i].heads / 2;
            return STATUS_OK;
        }
    return error_set(err, STATUS_USAGE, "expected the size 1m, base, 5m, 25m or 40m, found '%s'", name);
}

/* Documents of `row` tokens, all of whose losses count. */
static void make_batch(size_t tokens, size_t row, int vocabulary, peer_batch *b)
{
    random_stream r = random_stream_at(1, "bench/train", 0, 0, 0, 0);
    for (size_t i = 0; i < tokens; i++) {
        b->tokens[i] = (int32_t)random_below(&r, (uint64_t)vocabulary);
        b->targets[i] = (int32_t)random_below(&r, (uint64_t)vocabulary);
        b->positions[i] = (int32_t)(i % row);
        b->starts[i] = (int32_t)(i - i % row);
        b->weights[i] = 1.0f / (float)tokens;
    }
}

/* The table of steps to stderr (as `assay doctor --graph` prints it), the products' figures as the beginning of the result. Products
 * alone: with their weights packed at each run, as a step packs them; `_unpacked`: without that. */
static status tell_profile(arena *a, const plan *p, double step_seconds, thread_pool *pool, error *err)
{
    plan_account account;
    strbuf text = strbuf_new(a, 1 << 16);
    TRY(plan_account_make(a, p, pool, &account, err));
    plan_account_text(&account, 24, &text);
    fputs(text.text, stderr);
    printf("{\"step_seconds\": %.6f, \"products_alone_seconds\": %.6f, \"products_alone_unpacked_seconds\": %.6f, "
           "\"products_share\": %.4f, \"products_gflops\": %.1f",
           step_seconds, account.product_packed_alone, account.product_alone, account.product_packed_alone / step_seconds,
           account.product_flops / account.product_packed_alone / 1e9);
    return STATUS_OK;
}

static status timed_steps(plan *p, int steps, thread_pool *pool, double *seconds, error *err)
{
    for (int i = 0; i < 2; i++)
        TRY(plan_run(p, pool, err));
    plan_profile_clear(p);
    double start = clock_seconds();
    for (int i = 0; i < steps; i++)
        TRY(plan_run(p, pool, err));
    *seconds = (clock_seconds() - start) / steps;
    return STATUS_OK;
}

static status run_speed(arena *a, char **words, error *err)
{
    int64_t numbers[4];
    for (int i = 0; i < 4; i++)
        if (!slice_to_int(slice_of(words[i + 1]), &numbers[i]) || numbers[i] < 1)
            return error_set(err, STATUS_USAGE, "expected a number from 1 on, found '%s'", words[i + 1]);
    size_t tokens = (size_t)numbers[0], row = (size_t)numbers[1], threads = (size_t)numbers[3];
    int steps = (int)numbers[2];
    lm_config config;
    step_options options = {.optimiser = {.beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .decay = 0.1}, .clip = 1};
    stage_graph g;
    parameters *p;
    plan *plain, *profiled;
    peer_batch b;
    thread_pool *pool;
    float rates[3];
    double seconds, slower;
    TRY(config_of_size(words[0], &config, err));
    TRY(thread_pool_new(threads, &pool, err));
    TRY(stage_parameters(a, &config, &p, err));
    order_stream init = order_stream_at((unsigned char[SHA256_BYTES]){1}, "init");
    parameters_initialise(p, &init);
    TRY(parameters_train(p, NULL, &options.optimiser, err));
    TRY(stage_graph_build(a, &config, tokens, TYPE_BF16, FREEZE_NONE, &options, &g, err));
    TRY(step_plan(a, &g.step, false, &plain, err));
    TRY(step_plan(a, &g.step, true, &profiled, err));
    TRY(batch_new(a, tokens, &b, err));
    make_batch(tokens, row, config.vocabulary, &b);
    step_rates(&options, 0, 1e-3, rates);
    plan *both[2] = {plain, profiled};
    for (int i = 0; i < 2; i++) {
        bind_parameters(both[i], &g, p, rates);
        bind_batch(both[i], &g, &b);
    }
    TRY(timed_steps(plain, steps, pool, &seconds, err));
    TRY(timed_steps(profiled, steps, pool, &slower, err));
    TRY(tell_profile(a, profiled, seconds, pool, err));
    printf(", \"tokens_per_second\": %.1f, \"peak_bytes\": %zu, \"parameters\": %lld, \"loss\": %.6f}\n",
           (double)tokens / seconds, plan_peak_bytes(plain), (long long)lm_parameter_count(&config),
           (double)*(const float *)plan_output(plain, STEP_LOSS));
    return STATUS_OK;
}

int main(int argc, char **argv)
{
    error err = {0};
    arena *a = arena_new(NULL);
    status result = STATUS_USAGE;
    if (argc == 5 && strcmp(argv[1], "parity") == 0)
        result = run_parity(a, argv + 2, &err);
    else if (argc == 7 && strcmp(argv[1], "speed") == 0)
        result = run_speed(a, argv + 2, &err);
    else
        error_set(&err, STATUS_USAGE, "usage: bench_train parity MODEL BATCHES OUT | speed SIZE TOKENS ROW STEPS THREADS");
    if (result != STATUS_OK)
        fprintf(stderr, "bench_train: %s\n", err.message);
    arena_free(a);
    return status_exit_code(result);
}
