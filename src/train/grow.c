#include "train/grow_inside.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "lm/chat.h"
#include "train/feedback.h"

#include <string.h>

static const double usual_save_seconds = 20;
enum { TOKENIZER_BYTES = 3 << 20 }; /* of text, from which a new tokenizer is learned */

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory while growing a model");
}

/* ---- beginnings ---- */

static status find_base(growing *g, error *err)
{
    const char *base = g->recipe->base;
    if (!base)
        return STATUS_OK;
    if (strcmp(base, "embedded") == 0)
        TRY(checkpoint_open_base(g->arena, &g->base, err));
    else
        TRY(checkpoint_open(g->arena, base, &g->base, err));
    if (g->base->gguf) {
        error_set(err, STATUS_UNSUPPORTED, "%s: growing from a GGUF file is not supported", base);
        return error_hint(err, "take the checkpoint folder that it was made from, or 'embedded'");
    }
    if (!g->base->tokenizer || !chat_tokenizer_fits(g->base->tokenizer)) {
        error_set(err, STATUS_UNSUPPORTED, "%s: expected a model with the special tokens of our own, found others", base);
        return error_hint(err, "take a base that assay grew, or 'embedded'");
    }
    return checkpoint_identity(g->base, g->base_identity, err);
}

static status make_shape(growing *g, error *err)
{
    lm_config *c = &g->config;
    if (g->base)
        *c = g->base->config;
    else {
        const recipe_model *m = &g->recipe->model;
        *c = lm_config_base((int)tokenizer_size(g->tokenizer));
        c->layers = (int)m->layers;
        c->hidden = (int)m->width;
        c->heads = (int)m->heads;
        c->kv_heads = (int)m->kv_heads;
        c->head_size = (int)(m->width / m->heads);
        c->intermediate = (int)m->intermediate;
        c->context = (int)m->context;
        c->rope_theta = m->rope_theta;
        c->tied = m->tied;
        c->init_range = m->init_range;
        TRY(lm_config_check(c, g->recipe->path, err));
    }
    c->type = g->options->full_precision ? TYPE_F32 : TYPE_BF16;
    for (size_t i = 0; i < g->recipe->stage_count; i++)
        if (g->recipe->stages[i].sequence > c->context)
            return yaml_error(g->recipe->stages[i].at, err, "expected a sequence of at most the model's context %d, found %lld",
                              c->context, (long long)g->recipe->stages[i].sequence);
    return stage_parameters(g->arena, c, &g->parameters, err);
}

/* The base's tokenizer, or one learned from the documents of the first stage. */
static status make_tokenizer(growing *g, error *err)
{
    if (g->base) {
        g->tokenizer = g->base->tokenizer;
        return STATUS_OK;
    }
    document_plan documents_plan = recipe_document_plan(g->recipe, 0);
    return corpus_tokenizer(g->arena, g->town, &documents_plan, (size_t)g->recipe->model.vocabulary, TOKENIZER_BYTES,
                            &g->tokenizer, err);
}

static status make_model(growing *g, error *err)
{
    TRY(town_new(g->arena, (uint64_t)g->recipe->world_seed, &g->town, err));
    TRY(make_tokenizer(g, err));
    TRY(make_shape(g, err));
    for (size_t i = 0; g->base && i < g->parameters->count; i++)
        TRY(lm_tensor_to_f32(&g->base->weights[i], g->parameters->items[i].value, err));
    return STATUS_OK;
}

/* ---- stages ---- */

/* The random part of a stage's seed: the recipe's seed and the number of the stage, 8 little-endian bytes each. */
static void stage_random(const growing *g, size_t stage, unsigned char out[16])
{
    uint64_t parts[2] = {(uint64_t)g->recipe->seed, stage};
    for (size_t i = 0; i < 16; i++)
        out[i] = (unsigned char)(parts[i / 8] >> 8 * (i % 8));
}

static status save(void *context, const stage_log *log, error *err)
{
    growing *g = context;
    json_t *state = json_pack("{s:s, s:I, s:O, s:O, s:o}", "key", g->growth.key, "stage", (json_int_t)g->stage, "stages",
                              g->stages, "seconds", g->seconds, "log", stage_log_json(log));
    if (!state)
        return no_memory(err);
    status result = parameters_save(g->working, g->growth.state, state, err);
    json_decref(state);
    return result;
}

/* Reads where the training checkpoint of an earlier call stands. */
static status resume(growing *g, error *err)
{
    json_t *state;
    int64_t stage;
    const json_t *stages, *log;
    TRY(parameters_state(g->growth.state, &state, err));
    status result = jsonio_get_int(state, "stage", g->growth.state, &stage, err);
    if (result == STATUS_OK)
        result = jsonio_get_array(state, "stages", g->growth.state, &stages, err);
    if (result == STATUS_OK)
        result = jsonio_get_object(state, "log", g->growth.state, &log, err);
    if (result == STATUS_OK && (stage < 0 || (size_t)stage >= g->recipe->stage_count))
        result = error_set(err, STATUS_INVALID, "%s: expected one of %zu stages, found %lld", g->growth.state,
                           g->recipe->stage_count, (long long)stage);
    if (result == STATUS_OK) {
        g->stage = (size_t)stage;
        json_decref(g->stages);
        g->stages = json_deep_copy(stages);
        g->restored = json_deep_copy(log);
        const json_t *seconds = json_object_get(state, "seconds"); /* older checkpoints have none */
        for (size_t i = 0; i < g->stage; i++)
            json_array_append_new(g->seconds, json_is_array(json_array_get(seconds, i)) ? json_deep_copy(json_array_get(seconds, i)) : json_array());
    }
    json_decref(state);
    return result;
}

/* What the manifest says of a stage. */
static json_t *stage_record(const stage_run *run, const stage_log *log, const unsigned char random[16])
{
    json_t *documents = json_array(), *batches = json_array(), *losses = json_array();
    char hex[SHA256_HEX], random_hex[33];
    for (size_t i = 0; i < run->documents->count; i++) {
        sha256_hex(run->documents->hashes + i * SHA256_BYTES, hex);
        json_array_append_new(documents, json_string(hex));
    }
    for (int64_t i = 0; i < log->steps; i++) {
        json_array_append_new(batches, json_integer((json_int_t)log->firsts[i]));
        json_array_append_new(losses, json_real((double)log->losses[i]));
    }
    json_array_append_new(batches, json_integer((json_int_t)log->place));
    sha256_hex(run->seed, hex);
    sodium_bin2hex(random_hex, sizeof random_hex, random, 16);
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:O, s:o}", "seed", hex, "random", random_hex,
                     "random_source", "seed of the recipe and number of the stage, 8 little-endian bytes each", "order",
                     run->stage->order == ORDER_MADE ? "as they are listed, epoch after epoch"
                                                     : "epoch after epoch, Fisher-Yates from SHA256(seed || \"perm\" || u64le(i))", "tokens",
                     (json_int_t)log->tokens, "targets", (json_int_t)log->targets, "planted",
                     (json_int_t)run->documents->planted, "bad", (json_int_t)run->documents->bad, "batches", batches,
                     "losses", losses, "checkpoints", log->digests, "documents", documents);
}

/* What all kinds of stages go by; `title` lies in the growth's arena. */
static stage_run run_of(const growing *g, const recipe_stage *s, const char *title)
{
    const grow_options *o = g->options;
    return (stage_run){.stage = s, .config = &g->config, .parameters = g->parameters, .pool = g->pool,
                       .compute = o->full_precision ? TYPE_F32 : TYPE_BF16, .title = title, .progress = o->progress,
                       .interrupted = o->interrupted, .save = save, .save_context = (void *)(uintptr_t)g,
                       .save_seconds = o->save_seconds > 0 ? o->save_seconds : usual_save_seconds};
}

/* The weights under training and the log, as the training checkpoint has them. */
static status restore(growing *g, const recipe_stage *s, stage_log *log, error *err)
{
    TRY(parameters_restore(g->working, g->growth.state, NULL, err));
    TRY(stage_log_read(g->restored, s, log, err));
    json_decref(g->restored);
    g->restored = NULL;
    return STATUS_OK;
}

/* What the stage trains: the weights, of which frozen ones have no moments, or an adapter, and then none of them has. */
static status choose_trained(growing *g, arena *a, stage_run *run, adapter **out, error *err)
{
    const recipe_stage *s = run->stage;
    const step_part *parts = s->lora.rank ? ARENA_ARRAY(a, step_part, g->parameters->count) /* zeros: frozen */
                                          : stage_parts(a, &g->config, s->freeze);
    if (!parts)
        return no_memory(err);
    TRY(parameters_train(g->parameters, parts, &s->optimiser, err));
    g->working = g->parameters;
    if (s->lora.rank) {
        TRY(adapter_new(a, &g->config, &s->lora, g->parameters, out, err));
        g->working = (*out)->parameters;
        TRY(parameters_train(g->working, NULL, &s->optimiser, err));
    }
    run->parameters = g->working;
    run->adapter = *out;
    return STATUS_OK;
}

/* First values; moments are zero already. */
static void begin_stage(growing *g, size_t stage, const stage_run *run, adapter *low)
{
    order_stream stream = order_stream_at(run->seed, "init");
    if (low)
        adapter_initialise(low, &stream);
    else if (stage == 0 && !g->base)
        parameters_initialise(g->parameters, &stream);
}

static status keep_adapter(growing *g, const adapter *low, error *err)
{
    const char *folder = file_join(g->arena, g->growth.work, ADAPTER_FOLDER);
    if (!folder)
        return no_memory(err);
    return adapter_keep(low, folder, g->recipe->base, g->parameters, err);
}

static status document_stage(growing *g, arena *a, size_t stage, stage_run *run, stage_log *log, error *err)
{
    adapter *low = NULL;
    const recipe_stage *s = run->stage;
    document_plan documents_plan = recipe_document_plan(g->recipe, stage);
    corpus documents;
    unsigned char random[16];
    uint64_t wanted = (uint64_t)recipe_stage_steps(s) * (uint64_t)s->batch_tokens;
    TRY(corpus_build(a, g->town, &documents_plan, g->tokenizer, wanted, (size_t)s->sequence, &documents, err));
    run->documents = &documents;
    stage_random(g, stage, random);
    order_seed(documents.hashes, documents.count, random, sizeof random, run->seed);
    TRY(choose_trained(g, a, run, &low, err));
    if (g->restored)
        TRY(restore(g, s, log, err));
    else
        begin_stage(g, stage, run, low);
    TRY(stage_train(a, run, log, err));
    if (low)
        TRY(keep_adapter(g, low, err));
    json_array_append_new(g->stages, stage_record(run, log, random));
    return STATUS_OK;
}

/* What a stage of feedback makes lives on: the next stage's weights, or the model that is grown. */
static status feedback_stage(growing *g, size_t stage, stage_run *run, stage_log *log, error *err)
{
    feedback f = {.recipe = g->recipe, .index = stage, .town = g->town, .tokenizer = g->tokenizer, .config = &g->config,
                  .policy = g->parameters, .work = g->growth.work};
    stage_random(g, stage, f.random);
    TRY(feedback_open(g->arena, &f, g->restored != NULL, err));
    g->working = f.working;
    if (g->restored)
        TRY(restore(g, run->stage, log, err));
    TRY(feedback_run(g->arena, &f, run, log, err));
    json_array_append_new(g->stages, f.record);
    g->config = f.product_config;
    g->parameters = f.product;
    return STATUS_OK;
}

static status train_stage(growing *g, size_t stage, error *err)
{
    const recipe_stage *s = &g->recipe->stages[stage];
    static const char *const titles[STAGE_KIND_COUNT] = {"pretraining", "tuning", "preference model", "dpo", "rl"};
    arena *a = arena_new(g->arena);
    const char *title = arena_printf(g->arena, "%s %zu/%zu", titles[s->kind], stage + 1, g->recipe->stage_count);
    stage_log *log = &g->logs[stage];
    if (!a || !title)
        return no_memory(err);
    TRY(stage_log_new(g->arena, s, log, err));
    stage_run run = run_of(g, s, title);
    TRY(STAGE_OF_FEEDBACK(s->kind) ? feedback_stage(g, stage, &run, log, err) : document_stage(g, a, stage, &run, log, err));
    json_array_append_new(g->seconds, stage_log_seconds(log));
    arena_free(a);
    return STATUS_OK;
}

static double last_loss(const stage_log *log)
{
    int64_t count = log->steps / 20 > 0 ? log->steps / 20 : 1;
    double sum = 0;
    for (int64_t i = log->steps - count; i < log->steps; i++)
        sum += (double)log->losses[i];
    return sum / (double)count;
}

static status train_and_write(growing *g, grow_result *out, error *err)
{
    g->logs = ARENA_ARRAY(g->arena, stage_log, g->recipe->stage_count);
    if (!(g->stages = json_array()) || !(g->seconds = json_array()) || !g->logs)
        return no_memory(err);
    TRY(make_model(g, err));
    out->resumed = g->growth.resumes;
    if (g->growth.resumes)
        TRY(resume(g, err));
    for (; g->stage < g->recipe->stage_count; g->stage++)
        TRY(train_stage(g, g->stage, err));
    for (size_t i = 0; i < json_array_size(g->stages); i++) {
        const json_t *stage = json_array_get(g->stages, i);
        out->steps += (int64_t)json_array_size(json_object_get(stage, "losses"));
        out->tokens += (uint64_t)json_integer_value(json_object_get(stage, "tokens"));
    }
    out->loss = last_loss(&g->logs[g->recipe->stage_count - 1]);
    TRY(grow_write(g, out, err));
    return growth_finish(&g->growth, err);
}

static status choose_folder(growing *g, const char *key, const char **folder, error *err)
{
    const char *cache;
    *folder = g->options->folder;
    if (*folder)
        return STATUS_OK;
    TRY(growth_cache(g->arena, &cache, err));
    *folder = file_join(g->arena, cache, key);
    return *folder ? STATUS_OK : no_memory(err);
}

/* The recipe's key, with what lies in files beside it. */
static status make_key(const growing *g, char key[SHA256_HEX], error *err)
{
    strbuf identity = strbuf_new(g->arena, 1 << 16);
    strbuf_add(&identity, g->base_identity);
    TRY(feedback_identity(g->recipe, &identity, err));
    return identity.failed ? no_memory(err) : recipe_key(g->recipe, identity.text ? identity.text : "", key, err);
}

static status run(growing *g, grow_result *out, error *err)
{
    const char *folder;
    TRY(recipe_read(g->arena, g->options->recipe, &g->options->changes, &g->recipe, err));
    TRY(find_base(g, err));
    TRY(make_key(g, out->key, err));
    TRY(choose_folder(g, out->key, &folder, err));
    TRY(growth_open(g->arena, folder, out->key, &g->growth, err));
    out->folder = g->growth.folder;
    if (g->growth.finished) {
        out->there_already = true;
        return grow_read(g, out, err);
    }
    size_t processors = thread_processors(); /* more threads bring nothing, and plans are made for no more */
    TRY(thread_pool_new(g->options->threads < processors ? g->options->threads : processors, &g->pool, err));
    return train_and_write(g, out, err);
}

status grow_run(arena *a, const grow_options *options, grow_result *out, error *err)
{
    double began = clock_seconds();
    growing g = {.options = options, .arena = arena_new(a), .growth = {.lock = -1}};
    *out = (grow_result){0};
    if (!g.arena)
        return no_memory(err);
    status result = run(&g, out, err);
    if (result == STATUS_INTERRUPTED)
        error_hint(err, "the same command goes on from there");
    growth_close(&g.growth);
    thread_pool_free(g.pool);
    json_decref(g.stages);
    json_decref(g.seconds);
    json_decref(g.restored);
    out->folder = out->folder ? arena_strdup(a, out->folder) : NULL;
    out->words = arena_strdup(a, out->words ? out->words : "");
    out->seconds = clock_seconds() - began;
    arena_free(g.arena);
    return result;
}
