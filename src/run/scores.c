#include "run/scores.h"

#include "core/jsonio.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static json_t *object_under(json_t *parent, const char *key)
{
    json_t *child = json_object_get(parent, key);
    if (!child && json_object_set_new(parent, key, json_object()) == 0)
        child = json_object_get(parent, key);
    return child;
}

void scores_add(json_t *scores, uint64_t index, const json_t *record)
{
    const char *group = json_string_value(json_object_get(record, "group"));
    const char *verdict = json_string_value(json_object_get(record, "verdict"));
    const json_t *own = json_object_get(record, "scores"), *cluster = json_object_get(record, "cluster");
    char number[24];
    if (!json_is_object(record))
        return;
    snprintf(number, sizeof number, "%" PRIu64, index);
    json_t *of = object_under(scores, group ? group : "all"), *value;
    const char *measure;
    if (json_is_integer(cluster) || json_is_string(cluster))
        json_object_set(object_under(of, "cluster"), number, (json_t *)(uintptr_t)cluster);
    json_object_foreach((json_t *)(uintptr_t)own, measure, value)
        if (json_is_number(value) && strcmp(measure, "cluster") != 0)
            json_object_set(object_under(of, measure), number, value);
    if (own || !verdict || (strcmp(verdict, "good") != 0 && strcmp(verdict, "bad") != 0))
        return;
    json_object_set_new(object_under(of, "good"), number, json_integer(strcmp(verdict, "good") == 0));
}

static status add_sample(void *scores, const store_sample *x, error *err)
{
    json_t *record;
    if (x->code != STATUS_OK || x->repeat != 0)
        return STATUS_OK;
    TRY(jsonio_parse(slice_of(x->record), "stored record", &record, err));
    scores_add(scores, x->index, record);
    json_decref(record);
    return STATUS_OK;
}

status run_scores(store *s, int64_t id, json_t **out, error *err)
{
    *out = json_object();
    status result = *out ? store_sample_each(s, id, false, add_sample, *out, err) : error_set(err, STATUS_MEMORY, "out of memory for scores");
    if (result != STATUS_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return result;
}
