/* memory.c - what a gradient through attention takes: the plan's figure beside the process's peak, for growing lengths.
 *
 *     bench_memory [THREADS]       one line of JSON for each length: 500, 1000, 2000, 4000, 8000, 16000 tokens of one sequence
 *     bench_memory one TOKENS [THREADS]
 *
 * 4 heads of 64 in f32, causal; the gradients of the sum of squares of what attention gives by queries, keys and values. Each length
 * runs in a process of its own. `taken` is how much the process's peak (VmHWM) grew from when the inputs were there; `scores` what the
 * matrices of scores alone would take, which the second derivative (`second_plan`, planned and not run) does hold.
 */
#include "measure.h"

#include "core/machine.h"
#include "graph/composite.h"
#include "graph/plan.h"

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

int main(int argc, char **argv)
{
    static const int64_t lengths[] = {500, 1000, 2000, 4000, 8000, 16000};
    bool one = argc > 2 && strcmp(argv[1], "one") == 0;
    size_t threads = (size_t)measure_number(argv, argc, one ? 3 : 1, 0);
    for (size_t i = 0; i < (one ? 1 : COUNT_OF(lengths)); i++) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            error err = {0};
            status result = measure_length(one ? measure_number(argv, argc, 2, 1000) : lengths[i], threads, &err);
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
