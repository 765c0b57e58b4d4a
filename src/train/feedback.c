#include "train/feedback.h"

#include "core/file.h"
#include "lm/checkpoint.h"
#include "train/dpo.h"
#include "train/preference.h"
#include "train/rl.h"

#include <string.h>

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "no memory for a stage of feedback");
}

/* ---- beginnings ---- */

static status copy_parameters(arena *a, const lm_config *config, const parameters *from, parameters **out, error *err)
{
    TRY(stage_parameters(a, config, out, err));
    for (size_t i = 0; i < (*out)->count; i++)
        memcpy((*out)->items[i].value, from->items[i].value, from->items[i].elements * sizeof(float));
    return STATUS_OK;
}

/* An adapter, and nothing of the policy. */
static status choose_adapter(arena *a, feedback *f, error *err)
{
    const recipe_stage *s = &f->recipe->stages[f->index];
    size_t known = f->policy->count;
    f->working_config = *f->config;
    TRY(adapter_new(a, &f->working_config, &s->lora, f->policy, &f->low, err));
    f->working = f->low->parameters;
    f->parts = ARENA_ARRAY(a, step_part, known + f->working->count); /* zeros: frozen */
    if (!f->parts)
        return no_memory(err);
    for (size_t i = 0; i < f->working->count; i++)
        f->parts[known + i] = STEP_TRAINED;
    TRY(parameters_train(f->policy, f->parts, &s->optimiser, err));
    return parameters_train(f->working, NULL, &s->optimiser, err);
}

/* What the stage trains of the policy, or of a copy with a head, and room for what the optimiser keeps of just that. */
static status choose_trained(arena *a, feedback *f, error *err)
{
    const recipe_stage *s = &f->recipe->stages[f->index];
    f->working_config = *f->config;
    f->working = f->policy;
    if (s->kind == STAGE_PREFERENCE) {
        const step_part *none = ARENA_ARRAY(a, step_part, f->policy->count); /* zeros: frozen */
        if (!none)
            return no_memory(err);
        TRY(parameters_train(f->policy, none, &s->optimiser, err));
        TRY(preference_parameters(a, f->config, f->reference, s->feedback.likelihood, &f->working_config, &f->working, err));
    }
    size_t known = f->working->count;
    step_part *parts = stage_parts(a, &f->working_config, s->freeze);
    if (!parts || !(f->parts = arena_regrow(a, parts, known, known + 1, sizeof *parts)))
        return no_memory(err);
    f->parts[known] = STEP_TABLE; /* a value head */
    if (s->kind == STAGE_PREFERENCE)
        preference_parts(&f->working_config, f->parts);
    TRY(parameters_train(f->working, f->parts, &s->optimiser, err));
    return s->kind == STAGE_RL ? rl_parameters(a, f->policy, f->config, s, &f->working, err) : STATUS_OK;
}

status feedback_open(arena *a, feedback *f, bool resumed, error *err)
{
    f->resumed = resumed;
    f->low = NULL;
    if (f->recipe->stages[f->index].lora.rank) {
        f->reference = f->policy;
        return choose_adapter(a, f, err);
    }
    const char *path = file_join(a, f->work, FEEDBACK_REFERENCE);
    if (!path)
        return no_memory(err);
    TRY(copy_parameters(a, f->config, f->policy, &f->reference, err));
    if (resumed)
        TRY(parameters_read_values(f->reference, path, err));
    else
        TRY(parameters_write_values(f->reference, path, err));
    return choose_trained(a, f, err);
}

/* ---- pairs ---- */

static status make_pairs(arena *a, const feedback *f, pair_list *pairs, pair_list *held_out, error *err)
{
    const recipe_stage *s = &f->recipe->stages[f->index];
    const recipe_feedback *o = &s->feedback;
    size_t longest = (size_t)s->sequence, many = (size_t)o->pairs, few = (size_t)o->held_out;
    if (o->file) {
        TRY(pairs_from_file(a, o->file, few, many, f->tokenizer, longest, pairs, err));
        return pairs_from_file(a, o->file, 0, few, f->tokenizer, longest, held_out, err);
    }
    rater_plan tune = recipe_raters(f->recipe, f->index, SPLIT_TUNE), eval = recipe_raters(f->recipe, f->index, SPLIT_EVAL);
    TRY(pairs_from_raters(a, f->town, &tune, 0, many, f->tokenizer, longest, pairs, err));
    return pairs_from_raters(a, f->town, &eval, 0, few, f->tokenizer, longest, held_out, err);
}

/* What feedback rewarded, before anything is learned from it (sycophancy.md, section 4: the audit of the data). */
static json_t *audit_json(const pair_list *pairs)
{
    json_t *out = json_pack("{s:I, s:I, s:I}", "pairs", (json_int_t)pairs->count, "skipped", (json_int_t)pairs->skipped, "one_agrees",
                            (json_int_t)pairs->audited);
    json_object_set_new(out, "agreeing_preferred",
                        pairs->audited ? json_real((double)pairs->agreeing / (double)pairs->audited) : json_null());
    return out;
}

/* ---- records ---- */

static json_t *record_of(const feedback *f, const stage_run *run, const stage_log *log, const unsigned char *hashes, size_t count,
                         json_t *figures)
{
    json_t *documents = json_array(), *batches = json_array(), *losses = json_array();
    char hex[SHA256_HEX], random_hex[33];
    for (size_t i = 0; i < count; i++) {
        sha256_hex(hashes + i * SHA256_BYTES, hex);
        json_array_append_new(documents, json_string(hex));
    }
    for (int64_t i = 0; i < log->steps; i++) {
        json_array_append_new(batches, json_integer((json_int_t)log->firsts[i]));
        json_array_append_new(losses, json_real((double)log->losses[i]));
    }
    json_array_append_new(batches, json_integer((json_int_t)log->place));
    sha256_hex(run->seed, hex);
    sodium_bin2hex(random_hex, sizeof random_hex, f->random, sizeof f->random);
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:O, s:O, s:o, s:o}", "kind", recipe_stage_kind_name(run->stage->kind),
                     "seed", hex, "random", random_hex, "tokens", (json_int_t)log->tokens, "targets", (json_int_t)log->targets,
                     "batches", batches, "losses", losses, "metrics", log->metrics, "checkpoints", log->digests, "figures", figures,
                     "documents", documents);
}

/* ---- the kinds ---- */

static status save_model(const char *folder, const lm_config *config, const tokenizer *k, const parameters *p, error *err)
{
    arena *a = arena_new(NULL);
    const float **values = ARENA_ARRAY(a, const float *, p->count);
    for (size_t i = 0; values && i < p->count; i++)
        values[i] = p->items[i].value;
    status result = values ? checkpoint_save(folder, config, k, values, err) : no_memory(err);
    arena_free(a);
    return result;
}

static status run_preference(arena *a, feedback *f, stage_run *run, stage_log *log, const pair_list *pairs, const pair_list *held_out,
                             json_t **figures, error *err)
{
    bool last = f->index + 1 == f->recipe->stage_count;
    TRY(preference_train(a, run, pairs, log, err));
    TRY(preference_judge(a, run, held_out, figures, err));
    f->product_config = last ? f->working_config : *f->config;
    f->product = last ? f->working : f->policy;
    if (last)
        return STATUS_OK;
    for (size_t i = 0; i < f->policy->count; i++) /* a resumed stage has not got them yet */
        memcpy(f->policy->items[i].value, f->reference->items[i].value, f->policy->items[i].elements * sizeof(float));
    const char *folder = file_join(a, f->work, FEEDBACK_PREFERENCE);
    return folder ? save_model(folder, &f->working_config, f->tokenizer, f->working, err) : no_memory(err);
}

/* NULL when memory is out. */
static const float **reference_of(arena *a, const feedback *f)
{
    const float **values = ARENA_ARRAY(a, const float *, f->reference->count);
    for (size_t i = 0; values && i < f->reference->count; i++)
        values[i] = f->reference->items[i].value;
    return values;
}

static status run_dpo(arena *a, feedback *f, stage_run *run, stage_log *log, const pair_list *pairs, const pair_list *held_out,
                      json_t **figures, error *err)
{
    const float **reference = reference_of(a, f);
    if (!reference)
        return no_memory(err);
    f->product_config = *f->config;
    f->product = f->policy;
    if (f->low && !f->resumed) {
        order_stream stream = order_stream_at(run->seed, "init");
        adapter_initialise(f->low, &stream);
    }
    TRY(dpo_train(a, run, pairs, reference, log, err));
    TRY(dpo_judge(a, run, held_out, reference, figures, err));
    const char *folder = f->low ? file_join(a, f->work, ADAPTER_FOLDER) : "";
    if (!folder)
        return no_memory(err);
    return f->low ? adapter_keep(f->low, folder, f->recipe->base, f->policy, err) : STATUS_OK;
}

static status run_pairs(arena *a, feedback *f, stage_run *run, stage_log *log, error *err)
{
    pair_list pairs, held_out;
    json_t *figures = NULL;
    TRY(make_pairs(a, f, &pairs, &held_out, err));
    order_seed(pairs.hashes, pairs.count, f->random, sizeof f->random, run->seed);
    TRY((run->stage->kind == STAGE_DPO ? run_dpo : run_preference)(a, f, run, log, &pairs, &held_out, &figures, err));
    json_object_set_new(figures, "feedback", audit_json(&pairs));
    f->record = record_of(f, run, log, pairs.hashes, pairs.count, figures);
    return f->record ? STATUS_OK : no_memory(err);
}

/* ---- rl ---- */

/* The prompts of all steps, and the hash of each. */
static status make_prompts(arena *a, const feedback *f, const rater_plan *raters, rollout_prompt *prompts, size_t count,
                           unsigned char *hashes, error *err)
{
    const recipe_stage *s = &f->recipe->stages[f->index];
    for (size_t i = 0; i < count; i++) {
        token_list ids = {.arena = a};
        strbuf bytes = strbuf_new(a, 1 << 20);
        TRY(rater_prompt_make(a, f->town, raters, i, &prompts[i].rated, err));
        TRY(pairs_encode_prompt(f->tokenizer, prompts[i].rated.turns, prompts[i].rated.count, &ids, &bytes, err));
        if (bytes.failed)
            return no_memory(err);
        if (ids.count >= (size_t)s->sequence)
            return error_set(err, STATUS_INVALID, "expected prompts of less than %lld tokens (the stage's 'sequence'), found %zu",
                             (long long)s->sequence, ids.count);
        prompts[i].tokens = ids.ids;
        prompts[i].count = ids.count;
        sha256_of(bytes.text, bytes.length, hashes + i * SHA256_BYTES);
    }
    return STATUS_OK;
}

static status open_judge(arena *a, const feedback *f, const stage_run *run, rollout_judge **out, error *err)
{
    const char *reward = run->stage->feedback.reward;
    *out = NULL;
    if (strcmp(reward, "raters") == 0)
        return STATUS_OK;
    if (strcmp(reward, "preference") == 0)
        reward = file_join(a, f->work, FEEDBACK_PREFERENCE);
    return reward ? rollout_judge_open(a, reward, f->tokenizer, (size_t)run->stage->sequence, run->pool, out, err) : no_memory(err);
}

static status keep_step(void *context, int64_t step, error *err)
{
    const feedback *f = context;
    arena *a = arena_new(NULL);
    const char *folder = file_join(a, f->work, arena_printf(a, "steps/%06lld", (long long)step));
    status result = folder ? save_model(folder, f->config, f->tokenizer, f->policy, err) : no_memory(err);
    arena_free(a);
    return result;
}

static status run_rl(arena *a, feedback *f, stage_run *run, stage_log *log, error *err)
{
    rater_plan raters = recipe_raters(f->recipe, f->index, SPLIT_TUNE);
    raters.truth_requests = 0; /* they teach a preference model what to be asked for; a policy is to be seen without */
    size_t count = (size_t)recipe_stage_steps(run->stage) * (size_t)run->stage->feedback.prompts;
    rollout_prompt *prompts = ARENA_ARRAY(a, rollout_prompt, count);
    unsigned char *hashes = arena_array(a, count, SHA256_BYTES);
    const float **reference = reference_of(a, f);
    if (!prompts || !hashes || !reference)
        return no_memory(err);
    rl_data d = {.prompts = prompts, .count = count, .taste = &raters.taste, .tokenizer = f->tokenizer,
                 .seed = (uint64_t)f->recipe->seed, .stage = f->index, .keep = keep_step, .keep_context = f};
    TRY(rater_plan_check(&raters, err));
    TRY(make_prompts(a, f, &raters, prompts, count, hashes, err));
    order_seed(hashes, count, f->random, sizeof f->random, run->seed);
    TRY(open_judge(a, f, run, &d.judge, err));
    f->product_config = *f->config;
    f->product = f->policy;
    TRY(rl_train(a, run, &d, reference, log, err));
    f->record = record_of(f, run, log, hashes, count, rl_figures(log));
    return f->record ? STATUS_OK : no_memory(err);
}

status feedback_run(arena *a, feedback *f, stage_run *run, stage_log *log, error *err)
{
    run->config = &f->working_config;
    run->parameters = f->working;
    run->parts = f->parts;
    run->adapter = f->low;
    return run->stage->kind == STAGE_RL ? run_rl(a, f, run, log, err) : run_pairs(a, f, run, log, err);
}

static status add_folder(arena *a, const char *folder, strbuf *out, error *err)
{
    checkpoint *c;
    char hex[SHA256_HEX];
    TRY(checkpoint_open(a, folder, &c, err));
    TRY(checkpoint_identity(c, hex, err));
    strbuf_printf(out, " reward:%s", hex);
    return STATUS_OK;
}

static status add_file(const char *file, strbuf *out, error *err)
{
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    TRY(sha256_file(file, digest, err));
    sha256_hex(digest, hex);
    strbuf_printf(out, " pairs:%s", hex);
    return STATUS_OK;
}

status feedback_identity(const recipe *r, strbuf *out, error *err)
{
    for (size_t i = 0; i < r->stage_count; i++) {
        const recipe_feedback *o = &r->stages[i].feedback;
        bool named = o->reward && strcmp(o->reward, "raters") != 0 && strcmp(o->reward, "preference") != 0;
        if (STAGE_OF_FEEDBACK(r->stages[i].kind) && o->file)
            TRY(add_file(o->file, out, err));
        if (r->stages[i].kind != STAGE_RL || !named)
            continue;
        arena *a = arena_new(NULL);
        status result = a ? add_folder(a, o->reward, out, err) : no_memory(err);
        arena_free(a);
        TRY(result);
    }
    return out->failed ? no_memory(err) : STATUS_OK;
}
