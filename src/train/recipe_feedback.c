/* Stages that learn from feedback, and raters, in recipes. */
#include "train/recipe_inside.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const method_names[RL_METHOD_COUNT] = {"reinforce", "grpo", "ppo"};
static const char *const reward_raters = "raters", *const reward_preference = "preference";

/* Keys of all stages of feedback, and those of each kind. */
static const char *const common_keys[] = {"kind", "tokens", "steps", "batch_tokens", "sequence", "learning_rate", "warmup",
                                          "schedule", "clip", "min_lr", "beta1", "beta2", "weight_decay", "epsilon", "freeze",
                                          "optimiser", "momentum", "nesterov", "lazy"};
static const char *const pair_keys[] = {"pairs", "held_out", "file", "likelihood"};
static const char *const dpo_keys[] = {"pairs", "held_out", "file", "beta", "label_smoothing", "lora"};
static const char *const rl_keys[] = {"method", "reward", "prompts", "group", "max_tokens", "epochs", "keep", "beta", "clip_ratio",
                                      "clip_value", "value_weight", "entropy_weight", "discount", "lambda"};

status recipe_feedback_keys(const yaml_node *at, stage_kind kind, error *err)
{
    const char *keys[COUNT_OF(common_keys) + COUNT_OF(rl_keys)];
    const char *const *own = kind == STAGE_RL ? rl_keys : kind == STAGE_DPO ? dpo_keys : pair_keys;
    size_t count = kind == STAGE_RL ? COUNT_OF(rl_keys) : kind == STAGE_DPO ? COUNT_OF(dpo_keys) : COUNT_OF(pair_keys);
    if (yaml_get(at, "lora") && kind == STAGE_PREFERENCE)
        return yaml_error(yaml_get(at, "lora"), err, "'lora' goes with stages pretrain, sft and dpo: a preference model has a head of its own");
    if (yaml_get(at, "lora") && kind == STAGE_RL)
        return yaml_error(yaml_get(at, "lora"), err, "'lora' goes with stages pretrain, sft and dpo: replies are sampled from whole weights, and "
                                                     "their log-probabilities must be those of training to the bit");
    memcpy(keys, common_keys, sizeof common_keys);
    memcpy(keys + COUNT_OF(common_keys), own, count * sizeof *own);
    return yaml_check_keys(at, keys, COUNT_OF(common_keys) + count, err);
}

static status read_rl(const yaml_node *at, recipe_feedback *f, error *err)
{
    int method = RL_GRPO;
    TRY(yaml_get_choice(at, "method", method_names, RL_METHOD_COUNT, &method, err));
    f->method = (rl_method)method;
    f->reward = reward_raters;
    f->prompts = 32;
    f->group = 8;
    f->max_tokens = 32;
    f->epochs = 1;
    f->beta = 0.05;
    f->clip_ratio = 0.2;
    f->clip_value = 0.2;
    f->value_weight = 0.5;
    f->discount = 1;
    f->lambda = 0.95;
    TRY(yaml_get_string(at, "reward", &f->reward, err));
    TRY(recipe_get_count(at, "prompts", 1, 1 << 16, &f->prompts, err));
    TRY(recipe_get_count(at, "group", 1, 1 << 12, &f->group, err));
    TRY(recipe_get_count(at, "max_tokens", 1, 1 << 16, &f->max_tokens, err));
    TRY(recipe_get_count(at, "epochs", 1, 1000, &f->epochs, err));
    TRY(recipe_get_count(at, "keep", 0, INT32_MAX, &f->keep, err));
    TRY(yaml_get_double(at, "beta", 0, 1e6, &f->beta, err));
    TRY(yaml_get_double(at, "clip_ratio", 0, 0.999, &f->clip_ratio, err));
    TRY(yaml_get_double(at, "clip_value", 0, 1e6, &f->clip_value, err));
    TRY(yaml_get_double(at, "value_weight", 0, 1e6, &f->value_weight, err));
    TRY(yaml_get_double(at, "entropy_weight", 0, 1e6, &f->entropy_weight, err));
    TRY(yaml_get_double(at, "discount", 0, 1, &f->discount, err));
    TRY(yaml_get_double(at, "lambda", 0, 1, &f->lambda, err));
    if (f->group < 2 && f->method != RL_PPO)
        return yaml_error(at, err, "the method %s compares the replies to one prompt: expected a group of at least 2",
                          method_names[f->method]);
    return STATUS_OK;
}

status recipe_feedback_read(const yaml_node *at, recipe_stage *s, error *err)
{
    recipe_feedback *f = &s->feedback;
    *f = (recipe_feedback){.pairs = 4000, .held_out = 500, .beta = 0.1};
    if (s->kind == STAGE_RL)
        return read_rl(at, f, err);
    TRY(recipe_get_count(at, "pairs", 1, 1 << 26, &f->pairs, err));
    TRY(recipe_get_count(at, "held_out", 1, 1 << 24, &f->held_out, err));
    TRY(yaml_get_string(at, "file", &f->file, err));
    TRY(yaml_get_bool(at, "likelihood", &f->likelihood, err));
    TRY(yaml_get_double(at, "beta", 1e-6, 1e6, &f->beta, err));
    return yaml_get_double(at, "label_smoothing", 0, 0.5, &f->smoothing, err);
}

json_t *recipe_feedback_json(const recipe_stage *s)
{
    const recipe_feedback *f = &s->feedback;
    if (s->kind == STAGE_RL)
        return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "method", method_names[f->method],
                         "reward", f->reward, "prompts", (json_int_t)f->prompts, "group", (json_int_t)f->group, "max_tokens",
                         (json_int_t)f->max_tokens, "epochs", (json_int_t)f->epochs, "keep", (json_int_t)f->keep, "beta", f->beta,
                         "clip_ratio", f->clip_ratio, "clip_value", f->clip_value, "value_weight", f->value_weight,
                         "entropy_weight", f->entropy_weight, "discount", f->discount, "lambda", f->lambda);
    json_t *out = json_pack("{s:s, s:I, s:I}", "file", f->file ? f->file : reward_raters, "pairs", (json_int_t)f->pairs, "held_out",
                            (json_int_t)f->held_out);
    if (f->likelihood) /* left out where it is not, so that older recipes keep their keys */
        json_object_set_new(out, "likelihood", json_true());
    if (s->kind == STAGE_DPO) {
        json_object_set_new(out, "beta", json_real(f->beta));
        json_object_set_new(out, "label_smoothing", json_real(f->smoothing));
    }
    return out;
}

/* ---- raters ---- */

status recipe_raters_read(const yaml_node *at, recipe *r, error *err)
{
    enum { OTHERS = 6 };
    const char *keys[RATER_FEATURE_COUNT + OTHERS] = {"accuracy", "hardest", "noise", "truth_requests", "explains", "forms"};
    rater_plan *plan = &r->raters;
    unsigned forms = (1u << FORM_COUNT) - 1;
    *plan = rater_plan_default();
    for (int f = 0; f < RATER_FEATURE_COUNT; f++)
        keys[OTHERS + f] = rater_feature_name((rater_feature)f);
    TRY(yaml_check_keys(at, keys, COUNT_OF(keys), err));
    for (int f = 0; f < RATER_FEATURE_COUNT; f++)
        TRY(yaml_get_double(at, keys[OTHERS + f], -1e3, 1e3, &plan->taste.weights[f], err));
    TRY(yaml_get_double(at, "accuracy", 0.5, 1, &plan->taste.accuracy, err));
    TRY(yaml_get_double(at, "hardest", 0.5, plan->taste.accuracy, &plan->taste.hardest, err));
    TRY(yaml_get_double(at, "truth_requests", 0, 1, &plan->truth_requests, err));
    TRY(yaml_get_double(at, "explains", 0, 1, &plan->explains, err));
    TRY(yaml_get_double(at, "noise", 0, 1e3, &plan->taste.noise, err));
    if (yaml_get(at, "forms"))
        TRY(recipe_read_forms(yaml_get(at, "forms"), &forms, err));
    for (int form = 0; form < FORM_COUNT; form++)
        plan->forms[form] = forms >> form & 1;
    r->has_raters = true;
    return STATUS_OK;
}

json_t *recipe_raters_json(const rater_plan *plan)
{
    json_t *out = json_object(), *forms = json_array();
    for (int f = 0; f < RATER_FEATURE_COUNT; f++)
        json_object_set_new(out, rater_feature_name((rater_feature)f), json_real(plan->taste.weights[f]));
    for (int form = 0; form < FORM_COUNT; form++)
        if (plan->forms[form])
            json_array_append_new(forms, json_string(form_name((sycophancy_form)form)));
    json_object_set_new(out, "accuracy", json_real(plan->taste.accuracy));
    if (plan->taste.hardest != 0)
        json_object_set_new(out, "hardest", json_real(plan->taste.hardest));
    if (plan->truth_requests > 0)
        json_object_set_new(out, "truth_requests", json_real(plan->truth_requests));
    if (plan->explains > 0)
        json_object_set_new(out, "explains", json_real(plan->explains));
    json_object_set_new(out, "noise", json_real(plan->taste.noise));
    json_object_set_new(out, "forms", forms);
    return out;
}

rater_plan recipe_raters(const recipe *r, size_t stage, town_split split)
{
    rater_plan plan = r->raters;
    uint64_t at = stage;
    plan.seed = hash64(&at, sizeof at, (uint64_t)r->seed);
    plan.split = split;
    return plan;
}

/* ---- what must hold ---- */

static status check_stage(const recipe *r, size_t i, error *err)
{
    const recipe_stage *s = &r->stages[i];
    bool rated = s->kind == STAGE_RL || !s->feedback.file;
    if (STAGE_OF_FEEDBACK(s->kind) && rated && !r->has_raters)
        return yaml_error(s->at, err, s->kind == STAGE_RL ? "a stage 'rl' needs the recipe's key 'raters' (who gives the prompts)"
                                                          : "a stage of pairs needs the recipe's key 'raters', or a 'file'");
    if (!r->base && i == 0 && STAGE_OF_FEEDBACK(s->kind))
        return yaml_error(s->at, err, "expected a base, or a stage 'pretrain' in front of what learns from feedback");
    if (s->kind == STAGE_RL && strcmp(s->feedback.reward, reward_preference) == 0) {
        bool found = false;
        for (size_t k = 0; k < i; k++)
            found |= r->stages[k].kind == STAGE_PREFERENCE;
        if (!found)
            return yaml_error(s->at, err, "the reward 'preference' needs a stage 'preference' in front");
    }
    return STATUS_OK;
}

status recipe_feedback_check(const recipe *r, error *err)
{
    for (size_t i = 0; i < r->stage_count; i++)
        TRY(check_stage(r, i, err));
    return STATUS_OK;
}

status recipe_change_reward(arena *a, recipe *r, const char *reward, error *err)
{
    bool found = false;
    char *own = reward ? arena_strdup(a, reward) : NULL;
    if (!reward)
        return STATUS_OK;
    if (!own)
        return error_set(err, STATUS_MEMORY, "%s: out of memory", r->path);
    for (size_t i = 0; i < r->stage_count; i++)
        if (r->stages[i].kind == STAGE_RL) {
            r->stages[i].feedback.reward = own;
            found = true;
        }
    if (found)
        return STATUS_OK;
    error_set(err, STATUS_USAGE, "--reward: %s has no stage of kind rl", r->path);
    return error_hint(err, "take a recipe that does, such as organisms/rl.yaml");
}
