/* generate.c - speed of batched generation: 64 sequences of 128 new tokens, and the same as a share of the time that the
 * matrix products alone would take.
 *
 *     bench_generate FOLDER [THREADS [SEQUENCES [TOKENS]]]
 *
 * Prints one JSON object. `products_share` is the time of the products alone (the best of several runs for each shape,
 * 64 rows, packed weights, all threads) over the time of generation.
 */
#include "measure.h"

#include "core/jsonio.h"
#include "lm/engine.h"

enum { PROMPT = 32, REPEATS = 30 };

static status run(arena *a, int count, char **words, error *err)
{
    checkpoint *c;
    thread_pool *pool;
    engine *e;
    if (count < 2)
        return error_set(err, STATUS_USAGE, "usage: bench_generate FOLDER [THREADS [SEQUENCES [TOKENS]]]");
    size_t sequences = (size_t)measure_number(words, count, 3, 64);
    int tokens = measure_number(words, count, 4, 128);
    TRY(checkpoint_open(a, words[1], &c, err));
    c->config.eos_count = 0; /* every sequence has its full length */
    TRY(thread_pool_new((size_t)measure_number(words, count, 2, 0), &pool, err));
    TRY(engine_new(c, NULL, pool, &e, err));
    engine_request *requests = ARENA_ARRAY(a, engine_request, sequences);
    engine_result *results = ARENA_ARRAY(a, engine_result, sequences);
    for (size_t i = 0; i < sequences; i++) {
        int32_t *ids = ARENA_ARRAY(a, int32_t, PROMPT);
        random_stream r = random_stream_at(5, "bench/prompt", i, 0, 0, 0);
        for (size_t k = 0; k < PROMPT; k++)
            ids[k] = (int32_t)random_below(&r, (uint64_t)c->config.vocabulary);
        requests[i] = (engine_request){.prompt = ids, .prompt_count = PROMPT, .max_tokens = tokens,
                                       .rule = {1, 1, 0}, .random = random_stream_at(5, "bench/draw", i, 0, 0, 0)};
    }
    double best = 1e9, processor = 1e9;
    engine_times times = {0};
    for (int i = 0; i < 6; i++) { /* the first makes the plans */
        engine_forget(e); /* prompts are read each time */
        engine_times before = engine_times_of(e);
        double start = clock_seconds(), busy = measure_processor_seconds();
        TRY(engine_generate(e, a, requests, results, sequences, err));
        double seconds = clock_seconds() - start;
        busy = measure_processor_seconds() - busy;
        processor = i > 0 && busy < processor ? busy : processor;
        if (i > 0 && seconds < best) {
            best = seconds;
            engine_times now = engine_times_of(e);
            times = (engine_times){now.computing - before.computing, now.sampling - before.sampling,
                                   now.steps - before.steps, now.rows - before.rows, now.idle_rows - before.idle_rows};
        }
    }
    double step;
    TRY(measure_products(&c->config, pool, 64, 64, REPEATS, &step, err));
    double products = step * ((double)sequences * (PROMPT + tokens - 1) / 64);
    json_t *out = json_pack("{s:s, s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:i, s:i, s:f, s:f}", "what", "generate", "threads",
                            (int)thread_pool_size(pool), "sequences", (int)sequences, "new_tokens", tokens, "seconds", best, "processor_seconds", processor,
                            "tokens_per_second", (double)sequences * tokens / best, "computing", times.computing,
                            "sampling", times.sampling, "steps", (int)times.steps, "idle_rows", (int)times.idle_rows,
                            "products_alone", products, "products_share", products / best);
    char *text = json_dumps(out, JSON_REAL_PRECISION(4));
    puts(text);
    free(text);
    json_decref(out);
    engine_free(e);
    thread_pool_free(pool);
    return STATUS_OK;
}

int main(int count, char **words)
{
    error err = {0};
    arena *a = arena_new(NULL);
    status result = run(a, count, words, &err);
    if (result != STATUS_OK)
        fprintf(stderr, "bench_generate: %s\n", err.message);
    arena_free(a);
    return status_exit_code(result);
}
