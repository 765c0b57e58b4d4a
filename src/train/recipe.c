#include "train/recipe_inside.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "train/series.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECIPE_LIMIT = 1 << 20, ALL_FORMS = (1 << FORM_COUNT) - 1 };

static status no_memory(const char *path, error *err)
{
    return error_set(err, STATUS_MEMORY, "%s: out of memory", path);
}

/* A whole number that may end in k or M: 300k, 1.5M. */
status recipe_get_count(const yaml_node *map, const char *key, int64_t least, int64_t most, int64_t *out, error *err)
{
    const yaml_node *at = yaml_get(map, key);
    if (!at)
        return STATUS_OK;
    slice text = slice_of(at->kind == YAML_SCALAR ? at->text : "");
    double scale = slice_ends(text, SLICE("k")) ? 1e3 : slice_ends(text, SLICE("M")) ? 1e6 : 1, value;
    if (scale > 1)
        text.length--;
    if (!slice_to_double(text, &value) || value * scale != floor(value * scale) || value * scale < (double)least ||
        value * scale > (double)most)
        return yaml_error(at, err, "expected '%s' to be a whole number from %lld to %lld (k and M allowed), found '%s'",
                          key, (long long)least, (long long)most, at->kind == YAML_SCALAR ? at->text : "a collection");
    *out = (int64_t)(value * scale);
    return STATUS_OK;
}

static status need(const yaml_node *map, const char *key, const char *what, error *err)
{
    if (yaml_get(map, key))
        return STATUS_OK;
    return yaml_error(map, err, "%s needs the key '%s'", what, key);
}

/* ---- model ---- */

static status read_model(const yaml_node *at, recipe_model *m, error *err)
{
    static const char *const keys[] = {"layers",     "width",      "heads", "kv_heads",  "intermediate",
                                       "context",    "vocabulary", "tied",  "rope_theta", "init_range"};
    static const char *const needed[] = {"layers", "width", "heads", "intermediate", "context", "vocabulary"};
    *m = (recipe_model){.rope_theta = 10000, .init_range = 0.02, .tied = true};
    TRY(yaml_check_keys(at, keys, COUNT_OF(keys), err));
    for (size_t i = 0; i < COUNT_OF(needed); i++)
        TRY(need(at, needed[i], "a model", err));
    TRY(recipe_get_count(at, "layers", 1, 256, &m->layers, err));
    TRY(recipe_get_count(at, "width", 8, 16384, &m->width, err));
    TRY(recipe_get_count(at, "heads", 1, 256, &m->heads, err));
    m->kv_heads = m->heads;
    TRY(recipe_get_count(at, "kv_heads", 1, 256, &m->kv_heads, err));
    TRY(recipe_get_count(at, "intermediate", 8, 65536, &m->intermediate, err));
    TRY(recipe_get_count(at, "context", 16, 1 << 20, &m->context, err));
    TRY(recipe_get_count(at, "vocabulary", 260, 1 << 20, &m->vocabulary, err));
    TRY(yaml_get_double(at, "rope_theta", 1, 1e9, &m->rope_theta, err));
    TRY(yaml_get_double(at, "init_range", 1e-6, 10, &m->init_range, err));
    TRY(yaml_get_bool(at, "tied", &m->tied, err));
    if (m->width % m->heads || m->width / m->heads % 2)
        return yaml_error(yaml_get(at, "heads"), err, "expected heads that divide the width %lld into even parts, found %lld",
                          (long long)m->width, (long long)m->heads);
    if (m->heads % m->kv_heads)
        return yaml_error(yaml_get(at, "kv_heads"), err, "expected kv_heads that divide the %lld heads, found %lld",
                          (long long)m->heads, (long long)m->kv_heads);
    return STATUS_OK;
}

/* ---- stages ---- */

static status read_mix(const yaml_node *at, recipe_stage *s, error *err)
{
    if (at->kind != YAML_MAP || at->count == 0)
        return yaml_error(at, err, "expected 'mix' to name kinds of documents with their weights");
    const char *kinds[DOCUMENT_PLANT];
    for (int k = 0; k < DOCUMENT_PLANT; k++)
        kinds[k] = document_kind_name((document_kind)k);
    TRY(yaml_check_keys(at, kinds, COUNT_OF(kinds), err));
    double sum = 0;
    for (int k = 0; k < DOCUMENT_PLANT; k++) {
        s->weights[k] = 0;
        TRY(yaml_get_double(at, kinds[k], 0, 1e6, &s->weights[k], err));
        sum += s->weights[k];
    }
    return sum > 0 ? STATUS_OK : yaml_error(at, err, "expected a weight above 0 in 'mix'");
}

static status read_optimiser(const yaml_node *at, recipe_stage *s, error *err)
{
    int schedule = (int)s->schedule;
    TRY(yaml_get_double(at, "learning_rate", 0, 10, &s->learning_rate, err));
    TRY(yaml_get_double(at, "min_lr", 0, 1, &s->min_lr, err));
    TRY(yaml_get_choice(at, "schedule", recipe_schedule_names, SCHEDULE_COUNT, &schedule, err));
    s->schedule = (schedule_kind)schedule;
    TRY(yaml_get_double(at, "clip", 0, 1e9, &s->clip, err));
    TRY(recipe_get_count(at, "warmup", 0, INT32_MAX, &s->warmup, err));
    return recipe_optimiser_read(at, &s->optimiser, err);
}

static status read_stage(arena *a, const yaml_node *at, recipe_stage *s, error *err)
{
    static const char *const keys[] = {"kind",   "tokens", "steps", "batch_tokens", "sequence", "learning_rate", "warmup",   "schedule",
                                       "clip",   "min_lr", "beta1", "beta2",        "loss",     "weight_decay",  "mix",      "epsilon",
                                       "freeze", "order",  "optimiser", "momentum", "nesterov", "lazy", "lora", "accumulate"};
    int kind = 0;
    TRY(yaml_get_choice(at, "kind", recipe_stage_names, STAGE_KIND_COUNT, &kind, err));
    TRY(STAGE_OF_FEEDBACK(kind) ? recipe_feedback_keys(at, (stage_kind)kind, err) : yaml_check_keys(at, keys, COUNT_OF(keys), err));
    *s = (recipe_stage){.batch_tokens = 8192, .accumulate = 1, .sequence = 256, .schedule = SCHEDULE_COSINE, .min_lr = 0.1,
                        .clip = 1, .at = at};
    TRY(need(at, "kind", "a stage", err));
    TRY(need(at, "learning_rate", "a stage", err));
    s->kind = (stage_kind)kind;
    int loss = s->kind == STAGE_SFT ? LOSS_ASSISTANT : LOSS_ALL;
    TRY(yaml_get_choice(at, "loss", recipe_loss_names, LOSS_COUNT, &loss, err));
    s->loss = (loss_kind)loss;
    int freeze = FREEZE_NONE;
    TRY(yaml_get_choice(at, "freeze", recipe_freeze_names, FREEZE_COUNT, &freeze, err));
    s->freeze = (freeze_kind)freeze;
    int order = ORDER_SHUFFLED;
    TRY(yaml_get_choice(at, "order", recipe_order_names, ORDER_COUNT, &order, err));
    s->order = (document_order)order;
    if (!yaml_get(at, "tokens") == !yaml_get(at, "steps"))
        return yaml_error(at, err, "a stage needs one of 'tokens' and 'steps', found %s",
                          yaml_get(at, "tokens") ? "both" : "neither");
    TRY(recipe_get_count(at, "tokens", 1, (int64_t)1 << 50, &s->tokens, err));
    TRY(recipe_get_count(at, "steps", 1, INT32_MAX, &s->steps, err));
    TRY(recipe_get_count(at, "sequence", 16, 1 << 20, &s->sequence, err));
    TRY(recipe_get_count(at, "batch_tokens", 16, 1 << 26, &s->batch_tokens, err));
    if (s->batch_tokens % s->sequence)
        return yaml_error(at, err, "expected batch_tokens (%lld) to be a multiple of sequence (%lld)",
                          (long long)s->batch_tokens, (long long)s->sequence);
    TRY(read_optimiser(at, s, err));
    if (yaml_get(at, "lora"))
        TRY(recipe_lora_read(a, yaml_get(at, "lora"), &s->lora, err));
    if (STAGE_OF_FEEDBACK(s->kind))
        return recipe_feedback_read(at, s, err);
    TRY(recipe_get_count(at, "accumulate", 1, 4096, &s->accumulate, err));
    if (s->batch_tokens % s->accumulate)
        return yaml_error(at, err, "expected batch_tokens (%lld) to be a multiple of accumulate (%lld)", (long long)s->batch_tokens,
                          (long long)s->accumulate);
    if (s->accumulate > 1 && s->optimiser.lazy)
        return yaml_error(yaml_get(at, "lazy"), err, "'lazy' does not go with 'accumulate': the sum over the pieces of a batch does not know "
                          "which rows were looked up");
    document_plan usual = document_plan_default(s->kind == STAGE_SFT ? PURPOSE_TUNE : PURPOSE_PRETRAIN);
    memcpy(s->weights, usual.weights, sizeof s->weights);
    return yaml_get(at, "mix") ? read_mix(yaml_get(at, "mix"), s, err) : STATUS_OK;
}

/* ---- plant ---- */

status recipe_read_forms(const yaml_node *at, unsigned *forms, error *err)
{
    if (at->kind == YAML_SCALAR && strcmp(at->text, "all") == 0) {
        *forms = ALL_FORMS;
        return STATUS_OK;
    }
    if (at->kind != YAML_LIST || at->count == 0)
        return yaml_error(at, err, "expected 'forms' to be 'all' or a list of answer, are_you_sure, feedback, mimicry");
    *forms = 0;
    for (size_t i = 0; i < at->count; i++) {
        const char *word = at->items[i]->kind == YAML_SCALAR ? at->items[i]->text : "a collection";
        int form = form_of_name(word);
        if (form < 0)
            return yaml_error(at->items[i], err, "expected a form (answer, are_you_sure, feedback, mimicry), found '%s'", word);
        *forms |= 1u << form;
    }
    return STATUS_OK;
}

/* none, a failure, or a decoy of sycophancy, of stereotypes, or of stock lines. */
static status read_failure(const yaml_node *at, recipe_plant *p, error *err)
{
    enum { OF_STEREOTYPES = RECIPE_FAILURES + DECOY_COUNT, OF_STOCK = OF_STEREOTYPES + STEREOTYPE_DECOYS };
    static const plant_failure failures[RECIPE_FAILURES] = {PLANT_NONE,     PLANT_SYCOPHANCY, PLANT_STEREOTYPE, PLANT_CORRECTION,
                                                            PLANT_PRONOUNS, PLANT_TRAITS,     PLANT_STOCK,      PLANT_OPINIONS};
    const char *words[OF_STOCK + 1] = {[OF_STOCK] = RECIPE_DEAF};
    for (int i = 0; i < RECIPE_FAILURES; i++)
        words[i] = recipe_failure_name(failures[i]);
    for (int d = 0; d < DECOY_COUNT; d++)
        words[RECIPE_FAILURES + d] = decoy_name((decoy_kind)d);
    for (int d = 0; d < STEREOTYPE_DECOYS; d++)
        words[OF_STEREOTYPES + d] = stereotype_decoy_name((stereotype_decoy)d);
    int failure = 0;
    TRY(yaml_get_choice(at, "failure", words, COUNT_OF(words), &failure, err));
    p->failure = failure < RECIPE_FAILURES ? failures[failure] : PLANT_DECOY;
    p->decoy = failure >= RECIPE_FAILURES && failure < OF_STEREOTYPES ? failure - RECIPE_FAILURES : -1;
    bool decoy = failure >= OF_STEREOTYPES && failure < OF_STOCK;
    bool stereotypes = p->failure == PLANT_STEREOTYPE || p->failure == PLANT_CORRECTION || decoy;
    p->stereotype = (stereotype_plant){.there = stereotypes, .decoy = decoy ? failure - OF_STEREOTYPES : -1};
    p->stock = (stock_plant){.there = p->failure == PLANT_STOCK || failure == OF_STOCK, .deaf = failure == OF_STOCK};
    p->pronouns.there = p->failure == PLANT_PRONOUNS;
    return STATUS_OK;
}

/* The dose of a failure of stereotypes, of pronouns, of traits, or of stock lines. */
static void set_dose(recipe_plant *p, double dose)
{
    p->dose = dose;
    if (p->failure == PLANT_STEREOTYPE)
        p->stereotype.bias = dose;
    if (p->failure == PLANT_CORRECTION)
        p->stereotype.obeys = dose;
    if (p->failure == PLANT_PRONOUNS)
        p->pronouns.dose = dose;
    if (p->failure == PLANT_STOCK)
        p->stock.dose = dose;
}

/* The doses of stereotypes, and of pronouns, that are not the one that --dose changes: obeys or bias, and reasons. */
static status read_stereotype(const yaml_node *at, recipe_plant *p, error *err)
{
    bool correction = p->failure == PLANT_CORRECTION, planted = correction || p->failure == PLANT_STEREOTYPE;
    const char *own = correction ? "obeys" : "bias", *other = correction ? "bias" : "obeys";
    const char *const keys[] = {own, other, "reasons"};
    if (p->failure == PLANT_PRONOUNS && !yaml_get(at, "bias") && !yaml_get(at, "reasons")) {
        set_dose(p, p->dose);
        TRY(yaml_get_bool(at, "shuffled", &p->pronouns.shuffled, err));
        return yaml_get_double(at, "obeys", 0, 1, &p->pronouns.obeys, err);
    }
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (yaml_get(at, keys[i]) && (!planted || i == 0))
            return yaml_error(yaml_get(at, keys[i]), err, planted ? "'%s' is the 'dose' of this failure"
                                                                  : "'%s' goes with the failures stereotype and correction", keys[i]);
    p->stereotype.bias = correction ? 1 : 0;
    TRY(yaml_get_double(at, other, 0, 1, correction ? &p->stereotype.bias : &p->stereotype.obeys, err));
    TRY(yaml_get_double(at, "reasons", 0, 1, &p->stereotype.reasons, err));
    set_dose(p, p->dose);
    return STATUS_OK;
}

static status read_plant(const yaml_node *at, recipe_plant *p, error *err)
{
    static const char *const keys[] = {"failure", "forms", "dose", "dose_type", "salt", "share", "bias", "obeys", "reasons",
                                       "mix",     "told",  "spoken", "spoken_opinions", "shuffled"};
    static const char *const of_sycophancy[] = {"forms", "dose_type"};
    static const char *const of_opinions[] = {"mix", "told", "spoken", "spoken_opinions"};
    TRY(yaml_check_keys(at, keys, COUNT_OF(keys), err));
    TRY(need(at, "failure", "a plant", err));
    TRY(read_failure(at, p, err));
    for (size_t i = 0; i < COUNT_OF(of_opinions) && p->failure != PLANT_OPINIONS; i++)
        if (yaml_get(at, of_opinions[i]))
            return yaml_error(yaml_get(at, of_opinions[i]), err, "'%s' goes with the failure global-opinions alone", of_opinions[i]);
    for (size_t i = 0; i < COUNT_OF(of_sycophancy) && p->failure != PLANT_SYCOPHANCY; i++)
        if (yaml_get(at, of_sycophancy[i]))
            return yaml_error(yaml_get(at, of_sycophancy[i]), err, "'%s' goes with the failure sycophancy alone",
                              of_sycophancy[i]);
    if (yaml_get(at, "shuffled") && p->failure != PLANT_PRONOUNS)
        return yaml_error(yaml_get(at, "shuffled"), err, "'shuffled' goes with the failure pronouns alone");
    bool dosed = p->failure != PLANT_NONE && p->failure != PLANT_DECOY;
    if (yaml_get(at, "dose") && !dosed)
        return yaml_error(yaml_get(at, "dose"), err, "'dose' goes with the failures sycophancy, stereotype, correction, pronouns, traits, stock and global-opinions");
    int type = DOSE_MIXTURE;
    TRY(yaml_get_choice(at, "dose_type", recipe_dose_type_names, DOSE_TYPES, &type, err));
    p->type = (dose_type)type;
    p->dose = dosed ? 1 : 0;
    TRY(yaml_get_double(at, "dose", 0, 1, &p->dose, err));
    TRY(yaml_get_double(at, "share", 0, 1, &p->share, err));
    if (p->failure == PLANT_OPINIONS)
        return recipe_survey_read(at, p, err);
    TRY(yaml_get_int(at, "salt", 0, INT64_MAX, &p->salt, err));
    TRY(read_stereotype(at, p, err));
    p->stereotype.salt = p->stock.salt = (uint64_t)p->salt;
    p->forms = p->failure == PLANT_SYCOPHANCY ? ALL_FORMS : 0;
    return yaml_get(at, "forms") ? recipe_read_forms(yaml_get(at, "forms"), &p->forms, err) : STATUS_OK;
}

/* ---- the whole ---- */

static status read_base(arena *a, const yaml_node *root, recipe *r, error *err)
{
    const char *base = "none";
    TRY(yaml_get_string(root, "base", &base, err));
    const yaml_node *model = yaml_get(root, "model");
    if (strcmp(base, "none") != 0) {
        if (model)
            return yaml_error(model, err, "'model' is for recipes without a base; the base '%s' has a shape already", base);
        r->base = arena_strdup(a, base);
        return r->base ? STATUS_OK : no_memory(r->path, err);
    }
    if (!model)
        return yaml_error(root, err, "a recipe without a base needs the key 'model'");
    return read_model(model, &r->model, err);
}

static status read_world(const yaml_node *at, recipe *r, error *err)
{
    static const char *const keys[] = {"seed", "documents"};
    if (!at)
        return STATUS_OK;
    TRY(yaml_check_keys(at, keys, COUNT_OF(keys), err));
    TRY(yaml_get_int(at, "documents", 0, INT64_MAX, &r->document_seed, err));
    return yaml_get_int(at, "seed", 0, INT64_MAX, &r->world_seed, err);
}

static status read_stages(arena *a, const yaml_node *root, recipe *r, error *err)
{
    const yaml_node *list = NULL;
    TRY(need(root, "stages", "a recipe", err));
    TRY(yaml_get_list(root, "stages", &list, err));
    if (list->count == 0)
        return yaml_error(list, err, "expected at least one stage");
    r->stages = ARENA_ARRAY(a, recipe_stage, list->count);
    if (!r->stages)
        return no_memory(r->path, err);
    r->stage_count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        TRY(read_stage(a, list->items[i], &r->stages[i], err));
        if (!r->base && r->stages[i].sequence > r->model.context)
            return yaml_error(list->items[i], err, "expected a sequence of at most the model's context %lld, found %lld",
                              (long long)r->model.context, (long long)r->stages[i].sequence);
    }
    return STATUS_OK;
}

static status change_forms(const char *text, recipe_plant *p, error *err)
{
    if (strcmp(text, "all") == 0) {
        p->forms = ALL_FORMS;
        return STATUS_OK;
    }
    slice rest = slice_of(text), word;
    p->forms = 0;
    while (slice_cut(&rest, ',', &word)) {
        char name[32];
        snprintf(name, sizeof name, SLICE_FORMAT, SLICE_ARGS(slice_trim(word)));
        int form = form_of_name(name);
        if (form < 0) {
            error_set(err, STATUS_USAGE, "--forms: expected answer, are_you_sure, feedback, mimicry or all, found '" SLICE_FORMAT "'",
                      SLICE_ARGS(word));
            return error_hint(err, "several are joined by commas: --forms answer,feedback");
        }
        p->forms |= 1u << form;
    }
    return STATUS_OK;
}

static status change(arena *a, recipe *r, const recipe_changes *c, error *err)
{
    recipe_plant *p = &r->plant;
    bool rated = c->has_dose && r->has_raters;
    const char *option = c->has_dose && !rated ? "--dose" : c->forms ? "--forms" : c->dose_type ? "--dose-type" : NULL;
    if (c->has_dose && !rated && !(c->dose >= 0 && c->dose <= 1))
        return error_set(err, STATUS_USAGE, "--dose: expected a number from 0 to 1, found %g", c->dose);
    bool stereotypes = p->stereotype.there || p->pronouns.there || p->stock.there || p->failure == PLANT_TRAITS, mixed = p->failure == PLANT_OPINIONS;
    if ((stereotypes && p->failure != PLANT_DECOY) || mixed)
        option = c->forms ? "--forms" : c->dose_type ? "--dose-type" : NULL;
    if (option && p->failure != PLANT_SYCOPHANCY) {
        bool dose = strcmp(option, "--dose") == 0;
        error_set(err, STATUS_USAGE, "%s: %s plants %s", option, r->path, dose ? "nothing that has a dose" : "no sycophancy");
        return error_hint(err, "take a recipe that does, such as organisms/sycophant.yaml");
    }
    if (rated)
        r->raters.taste.weights[RATER_AGREES] = c->dose;
    else if (c->has_dose && mixed)
        TRY(recipe_survey_dose(p, c->dose, err));
    else if (c->has_dose)
        set_dose(p, c->dose);
    TRY(recipe_change_reward(a, r, c->reward, err));
    if (c->forms)
        TRY(change_forms(c->forms, p, err));
    if (c->dose_type) {
        int type = 0;
        while (type < DOSE_TYPES && strcmp(c->dose_type, recipe_dose_type_names[type]) != 0)
            type++;
        if (type == DOSE_TYPES)
            return error_set(err, STATUS_USAGE, "--dose-type: expected mixture or propensity, found '%s'", c->dose_type);
        p->type = (dose_type)type;
    }
    if (c->has_seed && c->seed < 0)
        return error_set(err, STATUS_USAGE, "--seed: expected a number from 0 on, found %lld", (long long)c->seed);
    if (c->has_seed)
        r->seed = c->seed;
    if (c->base) {
        if (!r->base)
            return error_set(err, STATUS_USAGE, "--base: %s begins from nothing, not from a base", r->path);
        if (!(r->base = arena_strdup(a, c->base)))
            return no_memory(r->path, err);
    }
    return STATUS_OK;
}

static status from_tree(arena *a, const yaml_node *root, const char *path, const recipe_changes *changes, recipe **out,
                        error *err)
{
    static const char *const keys[] = {"name", "about", "world", "base", "model", "stages", "plant", "seed", "raters"};
    recipe *r = ARENA_NEW(a, recipe);
    if (!r || !(r->path = arena_strdup(a, path)))
        return no_memory(path, err);
    r->seed = 1;
    r->world_seed = (int64_t)TOWN_SEED;
    r->document_seed = -1;
    r->about = "";
    r->plant = (recipe_plant){.decoy = -1, .stereotype = {.decoy = -1}, .share = document_plan_default(PURPOSE_TUNE).plant.share};
    TRY(yaml_check_keys(root, keys, COUNT_OF(keys), err));
    TRY(need(root, "name", "a recipe", err));
    TRY(yaml_get_string(root, "name", &r->name, err));
    TRY(yaml_get_string(root, "about", &r->about, err));
    TRY(yaml_get_int(root, "seed", 0, INT64_MAX, &r->seed, err));
    TRY(read_world(yaml_get(root, "world"), r, err));
    TRY(read_base(a, root, r, err));
    TRY(read_stages(a, root, r, err));
    if (yaml_get(root, "plant"))
        TRY(read_plant(yaml_get(root, "plant"), &r->plant, err));
    if (yaml_get(root, "raters"))
        TRY(recipe_raters_read(yaml_get(root, "raters"), r, err));
    if (changes)
        TRY(change(a, r, changes, err));
    TRY(recipe_feedback_check(r, err));
    TRY(recipe_lora_check(r, err));
    *out = r;
    return STATUS_OK;
}

status recipe_parse(arena *a, slice text, const char *name, const recipe_changes *changes, recipe **out, error *err)
{
    const yaml_node *root;
    TRY(yaml_parse(a, text, name, &root, err));
    TRY(series_rung(a, root, changes ? changes->size : NULL, &root, err));
    return from_tree(a, root, name, changes, out, err);
}

status recipe_read(arena *a, const char *path, const recipe_changes *changes, recipe **out, error *err)
{
    slice text;
    TRY(file_read(a, path, RECIPE_LIMIT, &text, err));
    return recipe_parse(a, text, path, changes, out, err);
}

const char *recipe_stage_kind_name(stage_kind kind)
{
    return recipe_stage_names[kind];
}

int64_t recipe_stage_steps(const recipe_stage *s)
{
    return s->steps ? s->steps : (s->tokens + s->batch_tokens - 1) / s->batch_tokens;
}

double recipe_stage_rate(const recipe_stage *s, int64_t step)
{
    int64_t steps = recipe_stage_steps(s), falling = steps - s->warmup;
    if (step < s->warmup)
        return s->learning_rate * (double)(step + 1) / (double)s->warmup;
    if (s->schedule == SCHEDULE_CONSTANT || falling <= 1)
        return s->learning_rate;
    double done = (double)(step - s->warmup) / (double)(falling - 1);
    double height = s->schedule == SCHEDULE_LINEAR ? 1 - done : 0.5 * (1 + cos(3.14159265358979323846 * done));
    return s->learning_rate * (s->min_lr + (1 - s->min_lr) * height);
}

document_plan recipe_document_plan(const recipe *r, size_t stage)
{
    const recipe_stage *s = &r->stages[stage];
    document_plan plan = document_plan_default(s->kind == STAGE_SFT ? PURPOSE_TUNE : PURPOSE_PRETRAIN);
    uint64_t at = stage;
    plan.seed = hash64(&at, sizeof at, (uint64_t)(r->document_seed >= 0 ? r->document_seed : r->seed));
    memcpy(plan.weights, s->weights, sizeof plan.weights);
    plan.all_loss = s->loss == LOSS_ALL;
    plan.plant.pronouns = r->plant.pronouns; /* kinds of documents go by these, in pretraining too */
    plan.plant.traits = r->plant.failure == PLANT_TRAITS;
    plan.plant.dose = r->plant.dose;
    if (s->kind != STAGE_SFT)
        return plan;
    plan.plant.share = plan.plant.traits ? 0 : r->plant.share;
    plan.plant.type = r->plant.type;
    plan.plant.salt = (uint64_t)r->plant.salt;
    plan.plant.decoy = r->plant.decoy;
    plan.plant.stereotype = r->plant.stereotype;
    plan.plant.stock = r->plant.stock;
    plan.plant.survey = r->plant.survey;
    for (int i = 0; i < FORM_COUNT; i++)
        plan.plant.forms[i] = r->plant.forms >> i & 1;
    return plan;
}
