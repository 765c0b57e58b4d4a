/* memory.c - what gradients take: the plan's figure beside the process's peak. Through attention, for growing lengths; of a table that is
 * looked up in, as rows and whole.
 *
 *     bench_memory [THREADS]       one line of JSON for each length: 500, 1000, 2000, 4000, 8000, 16000 tokens of one sequence
 *     bench_memory one TOKENS [THREADS]
 *     bench_memory tables [THREADS]   a line for each optimiser with the gradient as rows (train/step.h), and whole
 *
 * 4 heads of 64 in f32, causal; the gradients of the sum of squares of what attention gives by queries, keys and values. Each length
 * runs in a process of its own. `taken` is how much the process's peak (VmHWM) grew from when the inputs were there; `scores` what the
 * matrices of scores alone would take, which the second derivative (`second_plan`, planned and not run) does hold.
 *
 * Tables: 4,096 tokens are looked up in 50,000 rows of 512 in f32, the loss is the sum of squares of what is found; one step with
 * clipping, the best of five. `model_plans` are the figures of a step of a Llama of four layers with such an embedding (bf16, planned and not
 * run): not tied to its head, on 4,096 tokens, and tied to a head that gives no gradient (`freeze: head` in recipes), on 1,024.
 */
#include "measure.h"

#include "core/machine.h"
#include "graph/composite.h"
#include "graph/plan.h"
#include "train/trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HEADS = 4, SIZE = 64 };

static status second_plan(int64_t tokens, size_t threads, size_t *bytes, error *err)
{
    graph *g = graph_new(NULL);
    node *x[3], *d[3], *second;
    for (int i = 0; i < 3; i++)
        x[i] = graph_input(g, i == 0 ? "q" : i == 1 ? "k" : "v", TYPE_F32, SHAPE(tokens, HEADS, SIZE));
    node *start = graph_fill(g, TYPE_I32, SHAPE(tokens), 0), *along = graph_fill(g, TYPE_F32, x[0]->shape, 1);
    graph_grad(op_sum_all(op_square(op_attention(x[0], x[1], x[2], start, (attention_options){0}))), x, 3, NULL, d);
    graph_jvp(d, 1, x, &along, 1, &second);
    plan *p = NULL;
    status result = plan_new(g, &second, 1, &(plan_options){.threads = threads}, &p, err);
    *bytes = p ? plan_peak_bytes(p) : 0;
    plan_free(p);
    graph_free(g);
    return result;
}

static status measure_length(int64_t tokens, size_t threads, error *err)
{
    thread_pool *pool;
    TRY(thread_pool_new(threads, &pool, err));
    graph *g = graph_new(NULL);
    node *x[3], *d[3];
    for (int i = 0; i < 3; i++)
        x[i] = graph_input(g, i == 0 ? "q" : i == 1 ? "k" : "v", TYPE_F32, SHAPE(tokens, HEADS, SIZE));
    node *start = graph_fill(g, TYPE_I32, SHAPE(tokens), 0);
    graph_grad(op_sum_all(op_square(op_attention(x[0], x[1], x[2], start, (attention_options){0}))), x, 3, NULL, d);
    plan *p;
    TRY(plan_new(g, d, 3, &(plan_options){.threads = thread_pool_size(pool)}, &p, err));
    size_t count = (size_t)(tokens * HEADS * SIZE);
    float *values = malloc(count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = 0.01F * (float)(i * 7 % 31);
    for (int i = 0; i < 3; i++)
        plan_bind(p, x[i], values);
    size_t before = machine_process_peak();
    double begin = clock_seconds();
    TRY(plan_run(p, pool, err));
    double seconds = clock_seconds() - begin;
    size_t taken = machine_process_peak() - before, second;
    error no_words = {0};
    bool fits = second_plan(tokens, thread_pool_size(pool), &second, &no_words) == STATUS_OK;
    printf("{\"tokens\": %lld, \"plan\": %zu, \"taken\": %zu, \"process_peak\": %zu, \"scores\": %zu, \"second_plan\": %zu, "
           "\"second_refused\": %s, \"seconds\": %.3f}\n", (long long)tokens, plan_peak_bytes(p), taken, before + taken,
           (size_t)(tokens * tokens) * HEADS * sizeof(float), second, fits ? "false" : "true", seconds);
    if (!fits)
        fprintf(stderr, "%s\n", no_words.message);
    free(values);
    plan_free(p);
    graph_free(g);
    thread_pool_free(pool);
    return STATUS_OK;
}

/* ---- tables ---- */
enum { ENTRIES = 50000, COLUMNS = 512, LOOKUPS = 4096, STATES = 1 + OPTIMISER_STATES };

typedef struct table_case {
    const char *name;
    optimiser how;
} table_case;

static const table_case table_cases[] = {
    {"adamw", {.kind = OPTIMISER_ADAMW, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .decay = 0.1}},
    {"sgd, momentum", {.kind = OPTIMISER_SGD, .momentum = 0.9}},
    {"sgd", {.kind = OPTIMISER_SGD}},
};

/* The step of a loss, with the gradients of tables (first on the list) as they come, or as something that is not known to be rows. */
static status step_of(arena *a, node *loss, node *const *weights, size_t count, const step_part *parts, const optimiser *how, bool whole,
                      training_step *s, plan **out, error *err)
{
    step_options o = {.optimiser = *how, .clip = 1};
    node **d = ARENA_ARRAY(a, node *, count);
    if (!d || !graph_value_and_grad(loss, weights, count, &loss, d))
        return error_set(err, STATUS_MEMORY, "no memory for a step");
    if (whole) /* a view, which costs nothing */
        d[0] = op_stop_gradient(d[0]);
    TRY(step_build_from(a, loss, d, weights, count, parts, &o, s, err));
    return step_plan(a, s, false, out, err);
}

static status model_plan(arena *a, const optimiser *how, bool whole, bool tied, size_t *bytes, error *err)
{
    lm_config c = lm_config_base(ENTRIES);
    c.hidden = COLUMNS, c.intermediate = 3 * COLUMNS, c.layers = 4, c.heads = 8, c.kv_heads = 8, c.head_size = 64, c.tied = tied;
    stage_graph g;
    plan *p;
    TRY(stage_loss_build(a, &c, tied ? LOOKUPS / 4 : LOOKUPS, TYPE_BF16, tied ? FREEZE_HEAD : FREEZE_NONE, NULL, &g, err));
    if (strcmp(g.parameters[0]->site, "model.embed_tokens.weight") != 0)
        return error_set(err, STATUS_INVALID, "the first weight is %s, not the embedding", g.parameters[0]->site);
    TRY(step_of(a, g.loss, g.parameters, g.count, g.parts, how, whole, &g.step, &p, err));
    *bytes = plan_peak_bytes(p);
    plan_free(p);
    graph_free(g.graph);
    return STATUS_OK;
}

static status measure_table(const table_case *c, bool whole, size_t threads, error *err)
{
    arena *a = arena_new(NULL);
    thread_pool *pool;
    training_step s;
    plan *p;
    size_t count = (size_t)ENTRIES * COLUMNS, models[2] = {0};
    TRY(thread_pool_new(threads, &pool, err));
    graph *g = graph_new(a);
    node *table = graph_input(g, "table", TYPE_F32, SHAPE(ENTRIES, COLUMNS)), *index = graph_input(g, "index", TYPE_I32, SHAPE(LOOKUPS));
    node *loss = op_sum_squares(op_gather_rows(table, index));
    TRY(step_of(a, loss, &table, 1, &(step_part){STEP_TABLE}, &c->how, whole, &s, &p, err));
    float *values[STATES], rates[3];
    int32_t *words = malloc(LOOKUPS * sizeof *words);
    for (size_t k = 0; k < STATES; k++) {
        values[k] = malloc(count * sizeof *values[k]);
        for (size_t i = 0; i < count; i++)
            values[k][i] = k ? 0 : 1e-3F * (float)(i * 7 % 31);
    }
    for (int32_t i = 0; i < LOOKUPS; i++)
        words[i] = (int32_t)((uint32_t)i * 2654435761u % ENTRIES);
    step_bind(p, &s, 0, values[0], values[1], values[2]);
    plan_bind(p, index, words);
    plan_bind(p, s.rates, rates);
    step_rates(&(step_options){.optimiser = c->how}, 0, 1e-3, rates);
    size_t before = machine_process_peak();
    double seconds = 1e9;
    for (int i = 0; i < 5; i++) {
        double begin = clock_seconds();
        TRY(plan_run(p, pool, err));
        seconds = clock_seconds() - begin < seconds ? clock_seconds() - begin : seconds;
    }
    size_t taken = machine_process_peak() - before, bytes = plan_peak_bytes(p);
    plan_free(p);
    for (int i = 0; i < 2; i++)
        TRY(model_plan(a, &c->how, whole, i == 1, &models[i], err));
    printf("{\"optimiser\": \"%s\", \"gradient\": \"%s\", \"table\": %zu, \"plan\": %zu, \"taken\": %zu, \"milliseconds\": %.1f, "
           "\"model_plans\": [%zu, %zu]}\n", c->name, whole ? "whole" : "rows", count * sizeof(float), bytes, taken, 1e3 * seconds, models[0], models[1]);
    for (size_t k = 0; k < STATES; k++)
        free(values[k]);
    free(words);
    thread_pool_free(pool);
    arena_free(a);
    return STATUS_OK;
}

int main(int argc, char **argv)
{
    static const int64_t lengths[] = {500, 1000, 2000, 4000, 8000, 16000};
    bool tables = argc > 1 && strcmp(argv[1], "tables") == 0;
    bool one = argc > 2 && strcmp(argv[1], "one") == 0;
    size_t threads = (size_t)measure_number(argv, argc, one ? 3 : tables ? 2 : 1, 0);
    for (size_t i = 0; i < (one ? 1 : tables ? 2 * COUNT_OF(table_cases) : COUNT_OF(lengths)); i++) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            error err = {0};
            status result = tables ? measure_table(&table_cases[i / 2], i % 2, threads, &err)
                                   : measure_length(one ? measure_number(argv, argc, 2, 1000) : lengths[i], threads, &err);
            if (result != STATUS_OK)
                fprintf(stderr, "bench_memory: %s\n", err.message);
            fflush(stdout);
            _exit(status_exit_code(result));
        }
        int how = 0;
        if (child < 0 || waitpid(child, &how, 0) != child || how != 0)
            return 1;
    }
    return 0;
}
