#include "run/conversion.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "world/town.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { GROWTH_LIMIT = 1 << 26 };

typedef struct converting {
    arena *arena;
    const conversion_options *options;
    conversion_report *report;
    checkpoint *model, *written;
    const char *work; /* the file before it has its name */
    perplexity_texts texts;
} converting;

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory while converting a model");
}

/* The town that a model has learnt: its growth.json says, else the usual one. */
static uint64_t world_of(const converting *w)
{
    json_t *growth = NULL;
    uint64_t seed = TOWN_SEED;
    const char *path = file_join(w->arena, w->options->model, "growth.json");
    if (path && file_exists(path) && jsonio_read(path, GROWTH_LIMIT, &growth, NULL) == STATUS_OK) {
        const json_t *found = json_object_get(json_object_get(json_object_get(growth, "recipe"), "world"), "seed");
        seed = json_is_integer(found) ? (uint64_t)json_integer_value(found) : seed;
    }
    json_decref(growth);
    return seed;
}

static status find_texts(converting *w, error *err)
{
    const conversion_options *o = w->options;
    if (o->tokens == 0 || (!o->text && !chat_tokenizer_fits(w->model->tokenizer)))
        return STATUS_OK;
    w->report->measured = true;
    if (o->text) {
        w->report->texts = o->text;
        return perplexity_file(w->arena, w->model, o->text, o->tokens, &w->texts, err);
    }
    uint64_t seed = world_of(w);
    w->report->texts = arena_printf(w->arena, "documents of the town (world seed %llu)", (unsigned long long)seed);
    return w->report->texts ? perplexity_town(w->arena, w->model, seed, o->tokens, &w->texts, err) : no_memory(err);
}

/* The tokens of each text, written out and cut again by both tokenizers, are the same. */
static status check_tokenizer(const converting *w, error *err)
{
    arena *scratch = arena_new(NULL);
    status result = STATUS_OK;
    for (size_t i = 0; result == STATUS_OK && i < w->texts.count; i++) {
        strbuf text = strbuf_new(scratch, (size_t)1 << 26);
        token_list one = {.arena = scratch}, two = {.arena = scratch};
        result = tokenizer_decode(w->model->tokenizer, w->texts.lists[i].ids, w->texts.lists[i].count, &text, err);
        if (result == STATUS_OK)
            result = tokenizer_encode(w->model->tokenizer, strbuf_slice(&text), 0, &one, err);
        if (result == STATUS_OK)
            result = tokenizer_encode(w->written->tokenizer, strbuf_slice(&text), 0, &two, err);
        if (result == STATUS_OK && (one.count != two.count || memcmp(one.ids, two.ids, one.count * sizeof *one.ids) != 0))
            result = error_set(err, STATUS_UNSUPPORTED, "%s: the tokenizer that GGUF files can hold cuts text %zu of %s otherwise",
                               w->model->name, i, w->report->texts);
        arena_reset(scratch);
    }
    arena_free(scratch);
    return result;
}

static status measure(converting *w, thread_pool *pool, error *err)
{
    double *before = ARENA_ARRAY(w->arena, double, w->texts.count + 1), *after = ARENA_ARRAY(w->arena, double, w->texts.count + 1);
    if (!before || !after)
        return no_memory(err);
    TRY(check_tokenizer(w, err));
    TRY(perplexity_losses(w->model, pool, &w->texts, w->options->interrupted, before, err));
    TRY(perplexity_losses(w->written, pool, &w->texts, w->options->interrupted, after, err));
    w->report->text_count = w->texts.count;
    w->report->tokens = w->texts.tokens;
    return perplexity_compare(&w->texts, before, after, &w->report->cost, err);
}

static status write_and_measure(converting *w, error *err)
{
    thread_pool *pool;
    TRY(gguf_model_save(w->work, w->model, w->options->type, &w->report->saved, err));
    TRY(checkpoint_open(w->arena, w->work, &w->written, err));
    TRY(gguf_model_check(w->model, w->written, err));
    if (!w->report->measured)
        return STATUS_OK;
    TRY(thread_pool_new(w->options->threads, &pool, err));
    status result = measure(w, pool, err);
    thread_pool_free(pool);
    return result;
}

static status open_model(converting *w, error *err)
{
    const char *name = w->options->model;
    TRY(strcmp(name, CHECKPOINT_BASE) == 0 && !file_exists(name) ? checkpoint_open_base(w->arena, &w->model, err)
                                                                 : checkpoint_open(w->arena, name, &w->model, err));
    w->report->config = w->model->config;
    for (size_t i = 0; i < lm_weight_count(&w->model->config); i++)
        w->report->bytes_before += w->model->weights[i].bytes;
    return find_texts(w, err);
}

status conversion_run(arena *a, const conversion_options *o, conversion_report *out, error *err)
{
    converting w = {.arena = a, .options = o, .report = out};
    *out = (conversion_report){0};
    if (file_is_folder(o->path))
        return error_set(err, STATUS_INVALID, "%s is a folder; expected the name of a file to write", o->path);
    w.work = arena_printf(a, "%s.tmp-%ld", o->path, (long)getpid());
    if (!w.work)
        return no_memory(err);
    TRY(open_model(&w, err));
    status result = write_and_measure(&w, err);
    if (result == STATUS_OK && rename(w.work, o->path) != 0)
        result = error_system(err, "cannot write %s", o->path);
    if (result != STATUS_OK)
        unlink(w.work);
    return result;
}
