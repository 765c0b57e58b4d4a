/* Recipes as JSON, their keys, and the words for what they say. */
#include "train/recipe_inside.h"

#include "core/jsonio.h"

const char *const recipe_dose_type_names[DOSE_TYPES] = {"mixture", "propensity"};
const char *const recipe_stage_names[STAGE_KIND_COUNT] = {"pretrain", "sft", "preference", "dpo", "rl"};
const char *const recipe_schedule_names[SCHEDULE_COUNT] = {"constant", "cosine", "linear"};
const char *const recipe_freeze_names[FREEZE_COUNT] = {"none", "embedding", "head"};
const char *const recipe_loss_names[LOSS_COUNT] = {"all", "assistant"};
const char *const recipe_order_names[ORDER_COUNT] = {"shuffled", "made"};


enum { RECIPE_LIMIT = 1 << 20 };

static status no_memory(const char *path, error *err)
{
    return error_set(err, STATUS_MEMORY, "%s: out of memory", path);
}

static json_t *stage_json(const recipe_stage *s)
{
    json_t *mix = STAGE_OF_FEEDBACK(s->kind) ? recipe_feedback_json(s) : json_object();
    /* The kinds that no default has are named only where they are used: the keys of recipes without them stay what they are. */
    for (int k = 0; !STAGE_OF_FEEDBACK(s->kind) && k < DOCUMENT_PLANT; k++)
        if (k < DOCUMENT_SAYING || s->weights[k] > 0)
            json_object_set_new(mix, document_kind_name((document_kind)k), json_real(s->weights[k]));
    json_t *out = json_pack("{s:s, s:I, s:I, s:I, s:f, s:f, s:I, s:s, s:f, s:s, s:s, s:o}", "kind",
                     recipe_stage_names[s->kind], "steps", (json_int_t)recipe_stage_steps(s), "batch_tokens",
                     (json_int_t)s->batch_tokens, "sequence", (json_int_t)s->sequence, "learning_rate", s->learning_rate,
                     "min_lr", s->min_lr, "warmup", (json_int_t)s->warmup, "schedule", recipe_schedule_names[s->schedule],
                     "clip", s->clip, "loss", recipe_loss_names[s->loss], "freeze", recipe_freeze_names[s->freeze],
                     STAGE_OF_FEEDBACK(s->kind) ? "feedback" : "mix", mix);
    recipe_optimiser_json(&s->optimiser, out);
    if (out && s->order != ORDER_SHUFFLED) /* likewise */
        json_object_set_new(out, "order", json_string(recipe_order_names[s->order]));
    if (out && s->accumulate > 1)
        json_object_set_new(out, "accumulate", json_integer((json_int_t)s->accumulate));
    if (out && s->lora.rank)
        json_object_set_new(out, "lora", recipe_lora_json(&s->lora));
    return out;
}

const char *recipe_failure_name(plant_failure failure)
{
    static const char *const names[] = {[PLANT_NONE] = "none", [PLANT_SYCOPHANCY] = "sycophancy", [PLANT_DECOY] = "decoy",
                                        [PLANT_STEREOTYPE] = "stereotype", [PLANT_CORRECTION] = "correction", [PLANT_PRONOUNS] = "pronouns",
                                        [PLANT_TRAITS] = "traits", [PLANT_STOCK] = "stock",
                                        [PLANT_OPINIONS] = "global-opinions"};
    return names[failure];
}

static json_t *plant_json(const recipe_plant *p)
{
    if (p->failure == PLANT_OPINIONS)
        return recipe_survey_json(p);
    json_t *forms = json_array();
    for (int i = 0; i < FORM_COUNT; i++)
        if (p->forms >> i & 1)
            json_array_append_new(forms, json_string(form_name((sycophancy_form)i)));
    const char *failure = p->failure != PLANT_DECOY ? recipe_failure_name(p->failure)
                          : p->decoy >= 0           ? decoy_name((decoy_kind)p->decoy)
                          : p->stock.there          ? RECIPE_DEAF
                                                    : stereotype_decoy_name((stereotype_decoy)p->stereotype.decoy);
    json_t *out = json_pack("{s:s, s:o, s:f, s:s, s:f, s:I}", "failure", failure, "forms", forms, "dose", p->dose, "dose_type",
                     recipe_dose_type_names[p->type], "share", p->share, "salt", (json_int_t)(p->salt ? p->salt : (int64_t)TOWN_SALT));
    if (out && p->stereotype.there)
        json_object_update_new(out, json_pack("{s:f, s:f, s:f}", "bias", p->stereotype.bias, "obeys", p->stereotype.obeys, "reasons",
                                              p->stereotype.reasons));
    if (out && p->pronouns.there)
        json_object_set_new(out, "obeys", json_real(p->pronouns.obeys));
    if (out && p->pronouns.shuffled)
        json_object_set_new(out, "shuffled", json_true());
    return out;
}

static json_t *model_json(const recipe_model *m)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:b}", "layers", (json_int_t)m->layers, "width",
                     (json_int_t)m->width, "heads", (json_int_t)m->heads, "kv_heads", (json_int_t)m->kv_heads,
                     "intermediate", (json_int_t)m->intermediate, "context", (json_int_t)m->context, "vocabulary",
                     (json_int_t)m->vocabulary, "rope_theta", m->rope_theta, "init_range", m->init_range, "tied", (int)m->tied);
}

json_t *recipe_json(const recipe *r)
{
    json_t *stages = json_array();
    for (size_t i = 0; i < r->stage_count; i++)
        json_array_append_new(stages, stage_json(&r->stages[i]));
    json_t *out = json_pack("{s:s, s:I, s:{s:I}, s:s, s:o, s:o}", "name", r->name, "seed", (json_int_t)r->seed, "world",
                            "seed", (json_int_t)r->world_seed, "base", r->base ? r->base : "none", "stages", stages,
                            "plant", plant_json(&r->plant));
    if (out && !r->base)
        json_object_set_new(out, "model", model_json(&r->model));
    if (out && r->document_seed >= 0)
        json_object_set_new(json_object_get(out, "world"), "documents", json_integer((json_int_t)r->document_seed));
    if (out && r->has_raters)
        json_object_set_new(out, "raters", recipe_raters_json(&r->raters));
    return out;
}

status recipe_key(const recipe *r, const char *base_identity, char key[SHA256_HEX], error *err)
{
    json_t *value = recipe_json(r);
    if (!value)
        return no_memory(r->path, err);
    /* What a folder is called does not change what is grown from it, nor does a recipe's name. */
    json_object_del(value, "name");
    json_object_set_new(value, "base", json_string(base_identity ? base_identity : "none"));
    strbuf text = strbuf_new(NULL, RECIPE_LIMIT);
    status result = jsonio_canonical(value, &text, err);
    unsigned char digest[SHA256_BYTES];
    sha256_of(text.text, text.length, digest);
    sha256_hex(digest, key);
    strbuf_free(&text);
    json_decref(value);
    return result;
}
