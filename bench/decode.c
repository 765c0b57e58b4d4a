/* decode.c - speed of one sequence that is written, of prompts that are read and scored, and of many sequences at once, on models
 * with random weights; what reading the weights from memory allows, and what the matrix products alone take, in the same run.
 *
 *     bench_decode MODEL [THREADS [SEQUENCES]]     MODEL: 100m or 1b (made for the run, and removed), a folder, or a GGUF file
 *     bench_decode make 100m|1b FOLDER             writes such a checkpoint (Llama; bf16; its tokenizer is the embedded base's)
 *
 * Prints one JSON object. Times are the best of several rounds; seconds unless named otherwise.
 *
 *     load_seconds         from nothing to the first token behind a prompt of one token (the file is in the page cache)
 *     resident             bytes of this process in memory after that, without those of mapped files
 *     decode               tokens a second of one sequence: the 127 behind the first of 128, prompt of 128 tokens
 *     decode_read_share    the same as a share of what reading the packed weights once a token would allow
 *     score, prefill       seconds for a prompt of 512 tokens, with all log-probabilities, and to its first token
 *     score_products_share, prefill_products_share      the time of the products alone over that (weights in bf16)
 *     many                 tokens a second of SEQUENCES (64; 0: not measured) sequences, 128 new tokens each, prompts of 32
 */
#include "measure.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "lm/engine.h"
#include "nn/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PROMPT = 128, NEW = 128, LONG = 512, SHORT = 32, ROUNDS = 5 };

/* ---- models with random weights ---- */

static const struct size {
    const char *name;
    int hidden, intermediate, layers, heads, kv_heads;
} sizes[] = {
    {"100m", 768, 2048, 12, 12, 4},  /* 100,092,672 parameters */
    {"1b", 2048, 8192, 16, 32, 8},   /* 1,038,714,880 */
};

static const struct size *size_named(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        if (strcmp(sizes[i].name, name) == 0)
            return &sizes[i];
    return NULL;
}

/* Even draws of the weight's deviation; normal ones would take minutes. Norms are ones. */
static void fill(const lm_weight *w, uint64_t state, uint16_t *to)
{
    float scale = (float)(w->deviation * 1.7320508 / 32768);
    for (int64_t i = 0; i < w->count; i++) {
        state = state * 6364136223846793005 + 1442695040888963407;
        to[i] = bf16_from_f32(w->role == LM_WEIGHT_NORM ? 1 : scale * (float)((int)(state >> 48) - 32768));
    }
}

typedef struct fresh {
    lm_config config;
    const tokenizer *tokenizer;
} fresh;

static status write_fresh(const char *folder, void *context, error *err)
{
    const fresh *f = context;
    size_t count = lm_weight_count(&f->config);
    arena *a = arena_new(NULL);
    safetensors_tensor *tensors = ARENA_ARRAY(a, safetensors_tensor, count);
    status result = checkpoint_write_setting(folder, &f->config, f->tokenizer, err);
    for (size_t i = 0; tensors && i < count; i++) {
        lm_weight w = lm_weight_at(&f->config, i);
        uint16_t *values = ARENA_ARRAY(a, uint16_t, (size_t)w.count);
        if (!values)
            break;
        fill(&w, i, values);
        tensors[i] = (safetensors_tensor){.name = arena_strdup(a, w.name), .type = SAFETENSORS_BF16, .rank = w.rank,
                                          .shape = {w.shape[0], w.shape[1]}, .data = values, .bytes = (size_t)w.count * 2};
    }
    bool whole = tensors && tensors[count - 1].data;
    if (result == STATUS_OK)
        result = whole ? safetensors_write(file_join(a, folder, "model.safetensors"), tensors, count, NULL, 0, err)
                       : error_set(err, STATUS_MEMORY, "out of memory for the weights");
    arena_free(a);
    return result;
}

static status make(arena *a, const struct size *s, const char *folder, error *err)
{
    checkpoint *base;
    TRY(checkpoint_open_base(a, &base, err));
    fresh f = {lm_config_base(32000), base->tokenizer};
    f.config.hidden = s->hidden, f.config.intermediate = s->intermediate, f.config.layers = s->layers;
    f.config.heads = s->heads, f.config.kv_heads = s->kv_heads, f.config.head_size = 64, f.config.context = 2048;
    return checkpoint_write_folder(folder, write_fresh, &f, err);
}

/* ---- measuring ---- */

typedef struct bench {
    arena *arena;
    checkpoint *checkpoint;
    thread_pool *pool;
    engine *engine;
    double began, first, last; /* clocks: before the request, at its first and at its last token */
    engine_times times;        /* at its first token */
} bench;

static void on_token(void *context, const engine_token *token)
{
    bench *b = context;
    if (token->id < 0)
        return;
    b->last = clock_seconds();
    if (b->first == 0) {
        b->first = b->last;
        b->times = engine_times_of(b->engine);
    }
}

static int32_t *text_of(arena *a, const bench *b, size_t count, uint64_t which)
{
    int32_t *ids = ARENA_ARRAY(a, int32_t, count);
    random_stream r = random_stream_at(5, "bench/prompt", which, 0, 0, 0);
    for (size_t k = 0; ids && k < count; k++)
        ids[k] = (int32_t)random_below(&r, (uint64_t)b->checkpoint->config.vocabulary);
    return ids;
}

/* One request by itself, with nothing known; b's clocks tell. */
static status run_one(bench *b, engine_request request, error *err)
{
    uint64_t ticket;
    engine_forget(b->engine);
    b->first = b->last = 0;
    b->began = clock_seconds();
    TRY(engine_submit(b->engine, &request, &(engine_events){.context = b, .token = on_token}, &ticket, err));
    while (engine_busy(b->engine))
        TRY(engine_step(b->engine, err));
    if (request.max_tokens > 0 && b->first == 0)
        return error_set(err, STATUS_INVALID, "the request was not answered");
    b->last = request.max_tokens > 0 ? b->last : clock_seconds();
    return STATUS_OK;
}

static status open_model(bench *b, const char *path, int threads, error *err)
{
    double start = clock_seconds();
    TRY(checkpoint_open(b->arena, path, &b->checkpoint, err));
    b->checkpoint->config.eos_count = 0; /* every answer has its full length */
    TRY(thread_pool_new((size_t)threads, &b->pool, err));
    TRY(engine_new(b->checkpoint, &(engine_options){.context = 2048}, b->pool, &b->engine, err));
    int32_t id = 5;
    TRY(run_one(b, (engine_request){.prompt = &id, .prompt_count = 1, .max_tokens = 1}, err));
    b->began = start;
    return STATUS_OK;
}

/* Bytes in memory that no file backs. */
static double resident(void)
{
    char line[128];
    double kilobytes = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "RssAnon:", 8) == 0)
            kilobytes = strtod(line + 8, NULL);
    if (file)
        fclose(file);
    return kilobytes * 1024;
}

/* Bytes of weights that products read for each token. *blocks: whether some are blocks of small integers. */
static double weight_bytes(const checkpoint *c, bool *blocks)
{
    double bytes = 0;
    *blocks = false;
    for (size_t i = 0; i < lm_weight_count(&c->config); i++) {
        lm_weight w = lm_weight_at(&c->config, i);
        bool block = c->weights[i].format != QUANT_PLAIN;
        if (!measure_is_product(&c->config, &w))
            continue;
        bytes += block ? (double)c->weights[i].bytes : 2 * (double)w.count;
        *blocks = *blocks || block;
    }
    return bytes;
}

static status measure_decode(bench *b, json_t *out, error *err)
{
    bool blocks;
    double bytes = weight_bytes(b->checkpoint, &blocks), best = 1e9, fastest = 0, computing = 0, sampling = 0;
    size_t size = (size_t)bytes / MEASURE_PIECE * MEASURE_PIECE;
    void *memory = memory_alloc(size);
    if (!memory)
        return error_set(err, STATUS_MEMORY, "out of memory");
    memset(memory, 1, size);
    status result = STATUS_OK;
    for (int i = 0; i < ROUNDS && result == STATUS_OK; i++) {
        result = run_one(b, (engine_request){.prompt = text_of(b->arena, b, PROMPT, 0), .prompt_count = PROMPT, .max_tokens = NEW,
                                             .rule = {1, 1, 0}, .random = random_stream_at(5, "bench/draw", 0, 0, 0, 0)}, err);
        engine_times now = engine_times_of(b->engine);
        double seconds = (b->last - b->first) / (NEW - 1), rate = measure_read(b->pool, memory, size, 3);
        fastest = rate > fastest ? rate : fastest;
        if (seconds >= best)
            continue;
        best = seconds;
        computing = now.computing - b->times.computing;
        sampling = now.sampling - b->times.sampling;
    }
    memory_free(memory);
    json_t *part = json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "decode", 1 / best, "decode_read_share", bytes / fastest / best,
                             "read_bytes_per_second", fastest, "weight_bytes", bytes, "decode_computing_share",
                             computing / (best * (NEW - 1)), "decode_sampling_share", sampling / (best * (NEW - 1)));
    json_object_update(out, part);
    json_decref(part);
    return result;
}

static status measure_reading(bench *b, json_t *out, error *err)
{
    double score = 1e9, prefill = 1e9, all, last;
    const lm_config *c = &b->checkpoint->config;
    engine_request request = {.prompt = text_of(b->arena, b, LONG, 1), .prompt_count = LONG};
    for (int i = 0; i < ROUNDS; i++) {
        request.prompt_logprobs = true;
        request.max_tokens = 0;
        TRY(run_one(b, request, err));
        score = b->last - b->began < score ? b->last - b->began : score;
        request.prompt_logprobs = false;
        request.max_tokens = 1;
        TRY(run_one(b, request, err));
        prefill = b->first - b->began < prefill ? b->first - b->began : prefill;
    }
    bool blocks;
    weight_bytes(b->checkpoint, &blocks);
    if (blocks) { /* the products alone are measured in bf16 */
        json_object_set_new(out, "score", json_real(score));
        json_object_set_new(out, "prefill", json_real(prefill));
        return STATUS_OK;
    }
    TRY(measure_products(c, b->pool, LONG, LONG, ROUNDS, &all, err));
    TRY(measure_products(c, b->pool, LONG, 0, ROUNDS, &last, err));
    json_t *part = json_pack("{s:f, s:f, s:f, s:f, s:f}", "score", score, "score_products_share", all / score, "prefill", prefill,
                             "prefill_products_share", last / prefill, "products_flops", transformer_flops(c) * LONG / all);
    json_object_update(out, part);
    json_decref(part);
    return STATUS_OK;
}

static status measure_many(bench *b, size_t sequences, json_t *out, error *err)
{
    double best = 1e9, step;
    for (int i = 0; i < 3; i++) {
        arena *a = arena_new(NULL);
        engine_request *requests = ARENA_ARRAY(a, engine_request, sequences);
        engine_result *results = ARENA_ARRAY(a, engine_result, sequences);
        for (size_t k = 0; k < sequences; k++)
            requests[k] = (engine_request){.prompt = text_of(a, b, SHORT, 2 + k), .prompt_count = SHORT, .max_tokens = NEW,
                                           .rule = {1, 1, 0}, .random = random_stream_at(5, "bench/draw", k, 0, 0, 0)};
        engine_forget(b->engine);
        double start = clock_seconds();
        status result = engine_generate(b->engine, a, requests, results, sequences, err);
        best = clock_seconds() - start < best ? clock_seconds() - start : best;
        arena_free(a);
        if (result != STATUS_OK)
            return result;
    }
    bool blocks;
    weight_bytes(b->checkpoint, &blocks);
    json_object_set_new(out, "many", json_real((double)sequences * NEW / best));
    if (blocks)
        return STATUS_OK;
    TRY(measure_products(&b->checkpoint->config, b->pool, sequences, sequences, 3 * ROUNDS, &step, err));
    json_object_set_new(out, "many_products_share", json_real(step * (SHORT + NEW - 1) / best));
    return STATUS_OK;
}

static status measure(bench *b, const char *path, int threads, size_t sequences, error *err)
{
    TRY(open_model(b, path, threads, err));
    json_t *out = json_pack("{s:s, s:s, s:i, s:f, s:f, s:f}", "what", "decode", "model", path, "threads",
                            (int)thread_pool_size(b->pool), "parameters", (double)lm_parameter_count(&b->checkpoint->config),
                            "load_seconds", b->first - b->began, "resident", resident());
    status result = measure_decode(b, out, err);
    if (result == STATUS_OK)
        result = measure_reading(b, out, err);
    if (result == STATUS_OK && sequences > 0)
        result = measure_many(b, sequences, out, err);
    if (result == STATUS_OK) {
        char *text = json_dumps(out, JSON_REAL_PRECISION(4));
        puts(text);
        free(text);
    }
    json_decref(out);
    return result;
}

/* ---- the command ---- */

static void remove_made(arena *a, const char *folder)
{
    char **names;
    size_t count = 0;
    if (file_list(a, folder, &names, &count, NULL) == STATUS_OK)
        for (size_t i = 0; i < count; i++)
            unlink(file_join(a, folder, names[i]));
    rmdir(folder);
}

static status run(arena *a, int count, char **words, error *err)
{
    const struct size *made = count > 1 ? size_named(words[1]) : NULL;
    if (count == 4 && strcmp(words[1], "make") == 0 && size_named(words[2]))
        return make(a, size_named(words[2]), words[3], err);
    if (count < 2 || count > 4 || strcmp(words[1], "make") == 0)
        return error_set(err, STATUS_USAGE, "usage: bench_decode 100m|1b|MODEL [THREADS [SEQUENCES]] or make 100m|1b FOLDER");
    const char *temporary = getenv("TMPDIR"), *path = words[1];
    if (made) {
        path = arena_printf(a, "%s/bench_decode-%ld", temporary ? temporary : "/tmp", (long)getpid());
        TRY(make(a, made, path, err));
    }
    bench b = {.arena = a};
    status result = measure(&b, path, measure_number(words, count, 2, 0), (size_t)measure_number(words, count, 3, 64), err);
    engine_free(b.engine);
    thread_pool_free(b.pool);
    if (made)
        remove_made(a, path);
    return result;
}

int main(int count, char **words)
{
    error err = {0};
    arena *a = arena_new(NULL);
    status result = run(a, count, words, &err);
    if (result != STATUS_OK)
        fprintf(stderr, "bench_decode: %s\n", err.message);
    arena_free(a);
    return status_exit_code(result);
}
