#include "core/param.h"

#include "core/text.h"

#include <stdio.h>
#include <string.h>

typedef struct param_slot {
    const char **texts;
    size_t count, capacity;
    int64_t integer;
    double number;
    int choice;
    bool flag, given;
} param_slot;

struct param_values {
    arena *arena;
    const param_spec *specs;
    param_slot *slots;
    size_t count;
};

static status check_range(const param_spec *spec, double value, const char *text, error *err)
{
    bool limited = spec->least != 0 || spec->most != 0;
    if (limited && !(value >= spec->least && value <= spec->most))
        return error_set(err, STATUS_USAGE, "--%s: expected %.15g to %.15g, found %s", spec->name, spec->least, spec->most,
                         text);
    return STATUS_OK;
}

static status wrong_choice(const param_spec *spec, const char *text, error *err)
{
    char list[320] = "";
    for (size_t i = 0, used = 0; spec->choices[i] && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", spec->choices[i]);
    return error_set(err, STATUS_USAGE, "--%s: expected one of %s, found '%s'", spec->name, list, text);
}

static status slot_add_text(arena *a, param_slot *slot, bool repeats, const char *text, error *err)
{
    if (!repeats)
        slot->count = 0;
    if (slot->count == slot->capacity) {
        size_t capacity = slot->capacity ? 2 * slot->capacity : 1;
        slot->texts = arena_regrow(a, slot->texts, slot->count, capacity, sizeof *slot->texts);
        slot->capacity = capacity;
    }
    char *copy = arena_strdup(a, text);
    if (!slot->texts || !copy) {
        slot->count = slot->capacity = 0;
        return error_set(err, STATUS_MEMORY, "out of memory");
    }
    slot->texts[slot->count++] = copy;
    return STATUS_OK;
}

static status set(arena *a, const param_spec *spec, param_slot *slot, const char *text, error *err)
{
    slice s = slice_of(text);
    switch (spec->type) {
    case PARAM_FLAG:
        if (!slice_is(s, "true") && !slice_is(s, "false"))
            return error_set(err, STATUS_USAGE, "--%s: expected true or false, found '%s'", spec->name, text);
        slot->flag = slice_is(s, "true");
        break;
    case PARAM_INT:
        if (!slice_to_int(s, &slot->integer))
            return error_set(err, STATUS_USAGE, "--%s: expected a whole number, found '%s'", spec->name, text);
        TRY(check_range(spec, (double)slot->integer, text, err));
        break;
    case PARAM_NUMBER:
        if (!slice_to_double(s, &slot->number) || slot->number != slot->number)
            return error_set(err, STATUS_USAGE, "--%s: expected a number, found '%s'", spec->name, text);
        TRY(check_range(spec, slot->number, text, err));
        break;
    case PARAM_CHOICE:
        slot->choice = -1;
        for (int i = 0; spec->choices[i]; i++)
            if (slice_is(s, spec->choices[i]))
                slot->choice = i;
        if (slot->choice < 0)
            return wrong_choice(spec, text, err);
        break;
    case PARAM_STRING:
        break;
    }
    return slot_add_text(a, slot, spec->repeats, text, err);
}

status param_values_new(arena *a, const param_spec *specs, size_t count, param_values **out, error *err)
{
    param_values *v = ARENA_NEW(a, param_values);
    if (!v || !(v->slots = ARENA_ARRAY(a, param_slot, count + 1)))
        return error_set(err, STATUS_MEMORY, "out of memory");
    v->arena = a;
    v->specs = specs;
    v->count = count;
    for (size_t i = 0; i < count; i++) {
        v->slots[i].choice = -1;
        status result = specs[i].fallback ? set(a, &specs[i], &v->slots[i], specs[i].fallback, err) : STATUS_OK;
        if (result == STATUS_MEMORY)
            return result;
        if (result != STATUS_OK)
            BUG("the default of --%s is not valid: %s", specs[i].name, err ? err->message : "");
    }
    *out = v;
    return STATUS_OK;
}

static param_slot *find(const param_values *v, const char *name)
{
    for (size_t i = 0; i < v->count; i++)
        if (strcmp(v->specs[i].name, name) == 0)
            return &v->slots[i];
    return NULL;
}

static param_slot *must_find(const param_values *v, const char *name)
{
    param_slot *slot = find(v, name);
    if (!slot)
        BUG("no parameter is called '%s'", name);
    return slot;
}

const param_spec *param_find(const param_values *v, const char *name)
{
    param_slot *slot = find(v, name);
    return slot ? &v->specs[slot - v->slots] : NULL;
}

status param_set(param_values *v, const char *name, const char *text, error *err)
{
    param_slot *slot = find(v, name);
    if (!slot) {
        const char **names = ARENA_ARRAY(v->arena, const char *, v->count + 1);
        for (size_t i = 0; names && i < v->count; i++)
            names[i] = v->specs[i].name;
        int nearest = names ? text_nearest(name, names, v->count) : -1;
        error_set(err, STATUS_USAGE, "unknown option or parameter '%s'", name);
        if (nearest >= 0)
            error_hint(err, "did you mean '%s'?", names[nearest]);
        return STATUS_USAGE;
    }
    const param_spec *spec = &v->specs[slot - v->slots];
    if (!slot->given && spec->repeats)
        slot->count = 0; /* the default gives way */
    TRY(set(v->arena, spec, slot, text, err));
    slot->given = true;
    return STATUS_OK;
}

bool param_given(const param_values *v, const char *name)
{
    return must_find(v, name)->given;
}

bool param_flag(const param_values *v, const char *name)
{
    return must_find(v, name)->flag;
}

int64_t param_int(const param_values *v, const char *name)
{
    return must_find(v, name)->integer;
}

double param_number(const param_values *v, const char *name)
{
    return must_find(v, name)->number;
}

const char *param_string(const param_values *v, const char *name)
{
    const param_slot *slot = must_find(v, name);
    return slot->count ? slot->texts[slot->count - 1] : NULL;
}

int param_choice(const param_values *v, const char *name)
{
    return must_find(v, name)->choice;
}

size_t param_count(const param_values *v, const char *name)
{
    return must_find(v, name)->count;
}

const char *param_item(const param_values *v, const char *name, size_t i)
{
    const param_slot *slot = must_find(v, name);
    return i < slot->count ? slot->texts[i] : NULL;
}

static json_t *slot_json(const param_spec *spec, const param_slot *slot)
{
    if (spec->type == PARAM_FLAG)
        return json_boolean(slot->flag);
    if (slot->count == 0)
        return json_null();
    if (spec->type == PARAM_INT)
        return json_integer(slot->integer);
    if (spec->type == PARAM_NUMBER)
        return json_real(slot->number);
    if (!spec->repeats)
        return json_string(slot->texts[slot->count - 1]);
    json_t *list = json_array();
    for (size_t i = 0; i < slot->count; i++)
        json_array_append_new(list, json_string(slot->texts[i]));
    return list;
}

json_t *param_json(const param_values *v)
{
    json_t *all = json_object();
    for (size_t i = 0; i < v->count; i++)
        json_object_set_new(all, v->specs[i].name, slot_json(&v->specs[i], &v->slots[i]));
    return all;
}
