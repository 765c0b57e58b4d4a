#include "train/quantiles.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "sketch/sketch.h"

#include <math.h>
#include <string.h>

static status save(arena *a, const char *folder, size_t stage, const char *metric, const sketch *s, error *err)
{
    const char *path = file_join(a, folder, arena_printf(a, "%zu-%s.sketch", stage, metric));
    strbuf bytes = strbuf_new(a, 1 << 20);
    if (!path)
        return error_set(err, STATUS_MEMORY, "out of memory for sketches");
    TRY(sketch_save(s, &bytes, err));
    return file_write(path, strbuf_slice(&bytes), err);
}

static json_t *row_of(size_t stage, const char *metric, sketch *s)
{
    return json_pack("{s:I, s:s, s:I, s:o, s:o, s:o, s:o, s:o}", "stage", (json_int_t)stage, "metric", metric, "count",
                     (json_int_t)sketch_count(s), "least", jsonio_number(sketch_least(s)), "p05", jsonio_number(sketch_quantile(s, .05, true)),
                     "p50", jsonio_number(sketch_quantile(s, .5, true)), "p95", jsonio_number(sketch_quantile(s, .95, true)), "most",
                     jsonio_number(sketch_most(s)));
}

/* The numbers of `values`, or of the member `metric` of each of them; none: no sketch. */
static status take(arena *a, const char *folder, size_t stage, const char *metric, const json_t *values, bool members, json_t *rows, error *err)
{
    sketch *s;
    size_t i;
    const json_t *value;
    TRY(sketch_new(&(sketch_options){.kind = SKETCH_KLL, .seed = 1}, &s, err));
    status result = STATUS_OK;
    json_array_foreach(values, i, value) {
        const json_t *number = members ? json_object_get(value, metric) : value;
        if (json_is_number(number) && result == STATUS_OK)
            result = sketch_update(s, json_number_value(number), err);
    }
    if (result == STATUS_OK && sketch_count(s) > 0) {
        result = save(a, folder, stage, metric, s, err);
        if (result == STATUS_OK && json_array_append_new(rows, row_of(stage, metric, s)) != 0)
            result = error_set(err, STATUS_MEMORY, "out of memory for sketches");
    }
    sketch_free(s);
    return result;
}

static status take_stage(arena *a, const char *folder, size_t stage, const json_t *record, const json_t *seconds, json_t *rows, error *err)
{
    const json_t *metrics = json_object_get(record, "metrics");
    const char *name;
    json_t *value;
    TRY(take(a, folder, stage, "loss", json_object_get(record, "losses"), false, rows, err));
    TRY(take(a, folder, stage, "seconds", seconds, false, rows, err));
    json_object_foreach(json_array_get(metrics, 0), name, value)
        if (strcmp(name, "loss") != 0 && strcmp(name, "step") != 0 && !strchr(name, '/'))
            TRY(take(a, folder, stage, name, metrics, true, rows, err));
    return STATUS_OK;
}

status quantiles_write(const char *folder, const json_t *records, const json_t *seconds, json_t **out, error *err)
{
    arena *a = arena_new(NULL);
    const char *inside = file_join(a, folder, "sketches");
    json_t *rows = json_array();
    status result = inside && rows ? file_make_folders(inside, err) : error_set(err, STATUS_MEMORY, "out of memory for sketches");
    for (size_t i = 0; i < json_array_size(records) && result == STATUS_OK; i++)
        result = take_stage(a, inside, i, json_array_get(records, i), json_array_get(seconds, i), rows, err);
    arena_free(a);
    if (result == STATUS_OK)
        *out = rows;
    else
        json_decref(rows);
    return result;
}

void quantiles_describe(const json_t *quantiles, strbuf *out)
{
    static const struct {
        const char *metric, *words;
    } told[] = {{"loss", "loss"}, {"reward", "reward"}, {"kl", "kl"}, {"logprob", "log-probability of a token"}, {"seconds", "seconds a step"}};
    size_t i;
    const json_t *row;
    json_array_foreach(quantiles, i, row) {
        const char *metric = json_string_value(json_object_get(row, "metric"));
        for (size_t m = 0; m < COUNT_OF(told); m++)
            if (metric && strcmp(metric, told[m].metric) == 0)
                strbuf_printf(out, "stage %.0f: %s %.4g in the middle of %.0f steps, from %.4g to %.4g in nine of ten\n",
                              jsonio_number_at(row, "stage"), told[m].words, jsonio_number_at(row, "p50"), jsonio_number_at(row, "count"),
                              jsonio_number_at(row, "p05"), jsonio_number_at(row, "p95"));
    }
}
