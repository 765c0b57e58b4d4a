/* Which optimiser a stage takes, with its numbers. */
#include "train/recipe_inside.h"

typedef struct optimiser_key {
    const char *name;
    double least, most;
    size_t at; /* offset in an optimiser */
    unsigned of; /* bit per optimiser_kind */
} optimiser_key;

enum { ADAMW = 1 << OPTIMISER_ADAMW, SGD = 1 << OPTIMISER_SGD, MUON = 1 << OPTIMISER_MUON };

static const optimiser_key keys[] = {
    {"weight_decay", 0, 10, offsetof(optimiser, decay), ADAMW | SGD | MUON},
    {"beta1", 0, 0.99999, offsetof(optimiser, beta1), ADAMW | MUON},
    {"beta2", 0, 0.9999999, offsetof(optimiser, beta2), ADAMW | MUON},
    {"epsilon", 1e-16, 1, offsetof(optimiser, epsilon), ADAMW | MUON},
    {"momentum", 0, 0.99999, offsetof(optimiser, momentum), SGD | MUON},
};

/* What a stage has that says nothing of these. */
static const optimiser usual[OPTIMISER_COUNT] = {
    [OPTIMISER_ADAMW] = {.kind = OPTIMISER_ADAMW, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .decay = 0.1},
    [OPTIMISER_SGD] = {.kind = OPTIMISER_SGD, .momentum = 0.9},
    [OPTIMISER_MUON] = {.kind = OPTIMISER_MUON, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .decay = 0.1, .momentum = 0.95, .nesterov = true},
};

static status not_of(const yaml_node *at, const char *key, int kind, unsigned of, error *err)
{
    return yaml_error(yaml_get(at, key), err, "'%s' goes with the optimisers %s, found %s", key,
                      of & ADAMW ? "adamw and muon" : "sgd and muon", optimiser_names[kind]);
}

status recipe_optimiser_read(const yaml_node *at, optimiser *o, error *err)
{
    int kind = OPTIMISER_ADAMW;
    TRY(yaml_get_choice(at, "optimiser", optimiser_names, OPTIMISER_COUNT, &kind, err));
    *o = usual[kind];
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        if (yaml_get(at, keys[i].name) && !(keys[i].of >> kind & 1))
            return not_of(at, keys[i].name, kind, keys[i].of, err);
        TRY(yaml_get_double(at, keys[i].name, keys[i].least, keys[i].most, (double *)((char *)o + keys[i].at), err));
    }
    if (yaml_get(at, "nesterov") && kind == OPTIMISER_ADAMW)
        return not_of(at, "nesterov", kind, SGD | MUON, err);
    TRY(yaml_get_bool(at, "nesterov", &o->nesterov, err));
    TRY(yaml_get_bool(at, "lazy", &o->lazy, err));
    if (kind == OPTIMISER_SGD && o->nesterov && o->momentum <= 0)
        return yaml_error(yaml_get(at, "nesterov"), err, "Nesterov's momentum needs a 'momentum' above 0");
    return STATUS_OK;
}

void recipe_optimiser_json(const optimiser *o, json_t *into)
{
    json_t *own = json_pack("{s:f, s:f, s:f, s:f}", "weight_decay", o->decay, "beta1", o->beta1, "beta2", o->beta2, "epsilon", o->epsilon);
    if (own && o->kind != OPTIMISER_ADAMW) { /* the keys of recipes without it stay what they are */
        json_object_set_new(own, "optimiser", json_string(optimiser_names[o->kind]));
        json_object_set_new(own, "momentum", json_real(o->momentum));
        json_object_set_new(own, "nesterov", json_boolean(o->nesterov));
    }
    if (own && o->lazy) /* likewise */
        json_object_set_new(own, "lazy", json_true());
    json_object_update_new(into, own);
}
