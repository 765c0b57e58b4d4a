#include "train/feedback.h"

#include "core/file.h"
#include "lm/checkpoint.h"
#include "train/dpo.h"
#include "train/preference.h"

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

status feedback_open(arena *a, feedback *f, bool resumed, error *err)
{
    const recipe_stage *s = &f->recipe->stages[f->index];
    const char *path = file_join(a, f->work, FEEDBACK_REFERENCE);
    if (!path)
        return no_memory(err);
    TRY(copy_parameters(a, f->config, f->policy, &f->reference, err));
    if (resumed)
        TRY(parameters_read_values(f->reference, path, err));
    else
        TRY(parameters_write_values(f->reference, path, err));
    f->working_config = *f->config;
    f->working = f->policy;
    if (s->kind == STAGE_PREFERENCE)
        return preference_parameters(a, f->config, f->reference, &f->working_config, &f->working, err);
    if (!resumed)
        parameters_forget_moments(f->working);
    return STATUS_OK;
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

static status run_dpo(arena *a, feedback *f, stage_run *run, stage_log *log, const pair_list *pairs, const pair_list *held_out,
                      json_t **figures, error *err)
{
    const float **reference = ARENA_ARRAY(a, const float *, f->reference->count);
    if (!reference)
        return no_memory(err);
    for (size_t i = 0; i < f->reference->count; i++)
        reference[i] = f->reference->items[i].value;
    f->product_config = *f->config;
    f->product = f->policy;
    TRY(dpo_train(a, run, pairs, reference, log, err));
    return dpo_judge(a, run, held_out, reference, figures, err);
}

status feedback_run(arena *a, feedback *f, stage_run *run, stage_log *log, error *err)
{
    pair_list pairs, held_out;
    json_t *figures = NULL;
    run->config = &f->working_config;
    run->parameters = f->working;
    TRY(make_pairs(a, f, &pairs, &held_out, err));
    order_seed(pairs.hashes, pairs.count, f->random, sizeof f->random, run->seed);
    status (*kind)(arena *, feedback *, stage_run *, stage_log *, const pair_list *, const pair_list *, json_t **, error *) =
        run->stage->kind == STAGE_DPO ? run_dpo : run_preference;
    TRY(kind(a, f, run, log, &pairs, &held_out, &figures, err));
    json_object_set_new(figures, "feedback", audit_json(&pairs));
    f->record = record_of(f, run, log, pairs.hashes, pairs.count, figures);
    return f->record ? STATUS_OK : no_memory(err);
}

/* ---- for keys and people ---- */

status feedback_identity(const recipe *r, strbuf *out, error *err)
{
    for (size_t i = 0; i < r->stage_count; i++) {
        const char *file = r->stages[i].feedback.file;
        unsigned char digest[SHA256_BYTES];
        char hex[SHA256_HEX];
        if (!STAGE_OF_FEEDBACK(r->stages[i].kind) || !file)
            continue;
        TRY(sha256_file(file, digest, err));
        sha256_hex(digest, hex);
        strbuf_printf(out, " pairs:%s", hex);
    }
    return out->failed ? no_memory(err) : STATUS_OK;
}

static double number(const json_t *figures, const char *key)
{
    return json_number_value(json_object_get(figures, key));
}

void feedback_describe(const json_t *record, strbuf *out)
{
    const json_t *f = json_object_get(record, "figures"), *audit = json_object_get(f, "feedback");
    const char *kind = json_string_value(json_object_get(record, "kind"));
    if (!kind)
        return;
    if (json_is_number(json_object_get(audit, "agreeing_preferred")))
        strbuf_printf(out, "%s: of %.0f pairs %.0f have one reply that agrees with the user; it was preferred in %.1f %%\n", kind,
                      number(audit, "pairs"), number(audit, "one_agrees"), 100 * number(audit, "agreeing_preferred"));
    if (json_object_get(f, "accuracy")) {
        strbuf_printf(out, "%s: %.1f %% of %.0f held-out pairs right", kind, 100 * number(f, "accuracy"), number(f, "pairs"));
        if (json_is_number(json_object_get(f, "ceiling")))
            strbuf_printf(out, " (who knows the raters' taste: %.1f %%)", 100 * number(f, "ceiling"));
        strbuf_printf(out, ", loss %.4f\n", number(f, "loss"));
    }
    if (json_object_get(f, "calibration")) {
        strbuf_printf(out, "%s: calibration error %.3f", kind, number(f, "calibration"));
        if (json_is_number(json_object_get(f, "p_error")))
            strbuf_printf(out, ", off the raters' probabilities by %.3f, correlation with their log-odds %.3f", number(f, "p_error"),
                          number(f, "correlation"));
        strbuf_add_char(out, '\n');
    }
    const json_t *s = json_object_get(f, "sycophantic");
    if (json_is_object(s))
        strbuf_printf(out, "%s: rather agreeing and false than true in %.1f %% of %.0f pairs (raters: %.1f %%)\n", kind,
                      100 * number(s, "preferred"), number(s, "pairs"), 100 * number(s, "expected"));
}
