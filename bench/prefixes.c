/* prefixes.c - speed of requests that share prefixes: evenly spaced prefixes of one text, and a few new tokens behind each.
 *
 *     bench_prefixes FOLDER [THREADS [TEXT [PREFIXES [NEW]]]]        (1,000 tokens, 100 prefixes, 4 new tokens)
 *
 * Prints one JSON object. `shared`: seconds for all of them with an empty cache at the start; its parts: `scoring`, one pass
 * over the whole text that gives the log-probability of each token, and `new_tokens`, what the new tokens take at the rate of
 * 64 sequences that write at once behind such prefixes; `ratio` is shared / (scoring + new_tokens). `unshared`: the same
 * prefixes, each with a first token of its own, so that nothing can be shared, in one run.
 */
#include "measure.h"

#include "core/jsonio.h"
#include "lm/engine.h"

enum { REPEATS = 5, TOGETHER = 64, RATE_TOKENS = 16 };

typedef struct bench {
    arena *a;
    engine *e;
    int32_t *text, vocabulary;
    size_t length, prefixes, fresh;
} bench;

/* Best seconds of several runs, each with nothing known unless `known`. */
static status best_of(bench *b, const engine_request *requests, size_t count, int runs, bool known, double *best, error *err)
{
    *best = 1e9;
    for (int i = 0; i < runs; i++) {
        arena *a = arena_new(NULL);
        engine_result *results = ARENA_ARRAY(a, engine_result, count);
        if (!known)
            engine_forget(b->e);
        double start = clock_seconds();
        status result = results ? engine_generate(b->e, a, requests, results, count, err)
                                : error_set(err, STATUS_MEMORY, "out of memory");
        double seconds = clock_seconds() - start;
        for (size_t k = 0; result == STATUS_OK && k < count; k++)
            if (results[k].code != STATUS_OK)
                result = error_set(err, results[k].code, "request %zu: %s", k, results[k].problem);
        arena_free(a);
        if (result != STATUS_OK)
            return result;
        *best = seconds < *best ? seconds : *best;
    }
    return STATUS_OK;
}

/* `own`: every prefix begins with a token that no other begins with. */
static engine_request *prefixes_of(bench *b, bool own, size_t count, int tokens)
{
    engine_request *list = ARENA_ARRAY(b->a, engine_request, count);
    for (size_t i = 0; i < count; i++) {
        size_t length = b->length * (i + 1) / count;
        int32_t *ids = ARENA_ARRAY(b->a, int32_t, length);
        memcpy(ids, b->text, length * sizeof *ids);
        if (own)
            ids[0] = (int32_t)((size_t)(ids[0] + 1) + i) % b->vocabulary;
        list[i] = (engine_request){.prompt = ids, .prompt_count = length, .max_tokens = tokens,
                                   .random = random_stream_at(5, "bench/draw", i, 0, 0, 0)};
    }
    return list;
}

static status measure(bench *b, thread_pool *pool, error *err)
{
    double shared, unshared, scoring, begun, written;
    engine_request whole = {.prompt = b->text, .prompt_count = b->length, .prompt_logprobs = true};
    TRY(best_of(b, prefixes_of(b, false, b->prefixes, (int)b->fresh), b->prefixes, REPEATS, false, &shared, err));
    engine_cache cache = engine_cache_of(b->e);
    TRY(best_of(b, &whole, 1, REPEATS, false, &scoring, err));
    /* The best run of each has its plans made. The rate of writing: the difference of long and short answers behind prefixes that are known. */
    TRY(best_of(b, prefixes_of(b, false, TOGETHER, 1), TOGETHER, REPEATS, true, &begun, err));
    TRY(best_of(b, prefixes_of(b, false, TOGETHER, 1 + RATE_TOKENS), TOGETHER, REPEATS, true, &written, err));
    TRY(best_of(b, prefixes_of(b, true, b->prefixes, (int)b->fresh), b->prefixes, 1, false, &unshared, err));
    double new_tokens = (written - begun) / (TOGETHER * RATE_TOKENS) * (double)(b->prefixes * b->fresh);
    json_t *out = json_pack("{s:s, s:i, s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "what", "prefixes", "threads",
                            (int)thread_pool_size(pool), "text", (int)b->length, "prefixes", (int)b->prefixes, "new",
                            (int)b->fresh, "shared", shared, "scoring", scoring, "new_tokens", new_tokens, "ratio",
                            shared / (scoring + new_tokens), "unshared", unshared, "gain", unshared / shared, "reused_share",
                            (double)cache.reused_tokens / (double)cache.prompt_tokens);
    char *text = json_dumps(out, JSON_REAL_PRECISION(4));
    puts(text);
    free(text);
    json_decref(out);
    return STATUS_OK;
}

static status run(arena *a, int count, char **words, error *err)
{
    checkpoint *c;
    thread_pool *pool;
    if (count < 2)
        return error_set(err, STATUS_USAGE, "usage: bench_prefixes FOLDER [THREADS [TEXT [PREFIXES [NEW]]]]");
    bench b = {.a = a, .length = (size_t)measure_number(words, count, 3, 1000), .prefixes = (size_t)measure_number(words, count, 4, 100),
               .fresh = (size_t)measure_number(words, count, 5, 4)};
    TRY(checkpoint_open(a, words[1], &c, err));
    c->config.eos_count = 0; /* every answer has its full length */
    if (b.prefixes < 1 || b.length < b.prefixes || b.length < TOGETHER || b.fresh < 1 ||
        (int)b.length + RATE_TOKENS + 1 > c->config.context)
        return error_set(err, STATUS_USAGE, "expected at least as many tokens as prefixes, and room for %d more in the context of %d",
                         RATE_TOKENS + 1, c->config.context);
    b.vocabulary = c->config.vocabulary;
    b.text = ARENA_ARRAY(a, int32_t, b.length);
    random_stream r = random_stream_at(5, "bench/text", 0, 0, 0, 0);
    for (size_t i = 0; i < b.length; i++)
        b.text[i] = (int32_t)random_below(&r, (uint64_t)b.vocabulary);
    TRY(thread_pool_new((size_t)measure_number(words, count, 2, 0), &pool, err));
    TRY(engine_new(c, NULL, pool, &b.e, err));
    status result = measure(&b, pool, err);
    engine_free(b.e);
    thread_pool_free(pool);
    return result;
}

int main(int count, char **words)
{
    error err = {0};
    arena *a = arena_new(NULL);
    status result = run(a, count, words, &err);
    if (result != STATUS_OK)
        fprintf(stderr, "bench_prefixes: %s\n", err.message);
    arena_free(a);
    return status_exit_code(result);
}
