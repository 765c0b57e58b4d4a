/* Low-rank changes in recipes: what a stage's `lora` says. */
#include "train/recipe_inside.h"

#include <string.h>

#define ALL_TARGETS "all-linear"

static status read_targets(arena *a, const yaml_node *at, recipe_lora *l, error *err)
{
    if (at->kind == YAML_SCALAR && strcmp(at->text, ALL_TARGETS) == 0)
        return STATUS_OK;
    if (at->kind != YAML_LIST || at->count == 0)
        return yaml_error(at, err, "expected 'targets' to be " ALL_TARGETS " or a list of matrices, such as [q_proj, v_proj]");
    const char **targets = ARENA_ARRAY(a, const char *, at->count);
    if (!targets)
        return error_set(err, STATUS_MEMORY, "out of memory for a recipe");
    for (size_t i = 0; i < at->count; i++) {
        if (at->items[i]->kind != YAML_SCALAR || !at->items[i]->text[0])
            return yaml_error(at->items[i], err, "expected the name of a matrix, such as q_proj");
        if (!(targets[i] = arena_strdup(a, at->items[i]->text)))
            return error_set(err, STATUS_MEMORY, "out of memory for a recipe");
    }
    l->targets = targets;
    l->at = at;
    l->target_count = at->count;
    return STATUS_OK;
}

status recipe_lora_read(arena *a, const yaml_node *at, recipe_lora *l, error *err)
{
    static const char *const keys[] = {"rank", "alpha", "targets", "rslora"};
    TRY(yaml_check_keys(at, keys, COUNT_OF(keys), err));
    if (!yaml_get(at, "rank"))
        return yaml_error(at, err, "'lora' needs the key 'rank'");
    TRY(recipe_get_count(at, "rank", 1, 4096, &l->rank, err));
    l->alpha = (double)l->rank;
    TRY(yaml_get_double(at, "alpha", 1e-6, 1e6, &l->alpha, err));
    TRY(yaml_get_bool(at, "rslora", &l->by_root, err));
    return yaml_get(at, "targets") ? read_targets(a, yaml_get(at, "targets"), l, err) : STATUS_OK;
}

status recipe_lora_check(const recipe *r, error *err)
{
    for (size_t i = 0; i < r->stage_count; i++) {
        const recipe_stage *s = &r->stages[i];
        if (s->lora.rank && (i > 0 || !r->base))
            return yaml_error(s->at, err, "'lora' is for the first stage of a recipe with a base: an adapter belongs to weights that "
                                          "others have too");
        if (s->lora.rank && s->freeze != FREEZE_NONE)
            return yaml_error(s->at, err, "'lora' leaves all weights as they are: expected no 'freeze' beside it");
    }
    return STATUS_OK;
}

json_t *recipe_lora_json(const recipe_lora *l)
{
    json_t *targets = l->target_count ? json_array() : json_string(ALL_TARGETS);
    for (size_t i = 0; i < l->target_count; i++)
        json_array_append_new(targets, json_string(l->targets[i]));
    return json_pack("{s:I, s:f, s:o, s:b}", "rank", (json_int_t)l->rank, "alpha", l->alpha, "targets", targets, "rslora",
                     (int)l->by_root);
}
