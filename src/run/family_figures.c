/* What the members of a family say together: one table, and a curve for each form of the study. */
#include "run/family.h"

#include "core/text.h"

#include <math.h>

static const json_t *form_of(const json_t *summary, const char *form)
{
    return json_object_get(json_object_get(summary, "forms"), form);
}

static json_t *interval(const json_t *form)
{
    const json_t *estimate = json_object_get(form, "estimate");
    if (!json_is_number(estimate))
        return json_null();
    return json_pack("[O, O?, O?]", estimate, json_object_get(form, "low"), json_object_get(form, "high"));
}

/* "are_you_sure" -> "are you sure" */
static json_t *words(const char *name)
{
    char text[128];
    snprintf(text, sizeof text, "%s", name);
    for (char *p = text; *p; p++)
        *p = *p == '_' ? ' ' : *p;
    return json_string(text);
}

static json_t *columns(const family *f, const json_t *forms)
{
    json_t *list = json_array();
    const char *name;
    json_t *value;
    for (size_t i = 0; i < f->axis_count; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "key", f->axes[i], "label", f->axes[i], "kind", "text"));
    json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "key", "run", "label", "run", "kind", "count"));
    json_object_foreach((json_t *)forms, name, value)
        json_array_append_new(list, json_pack("{s:s, s:o, s:s}", "key", name, "label", words(name), "kind", "interval"));
    return list;
}

static json_t *rows(const family *f, const json_t *forms, const json_t *summaries, const int64_t *runs)
{
    json_t *list = json_array();
    for (size_t i = 0; i < f->count; i++) {
        json_t *row = json_pack("{s:I}", "run", (json_int_t)runs[i]), *value;
        const char *name;
        for (size_t k = 0; k < f->axis_count; k++)
            json_object_set_new(row, f->axes[k], json_string(f->members[i].values[k]));
        json_object_foreach((json_t *)forms, name, value)
            json_object_set_new(row, name, interval(form_of(json_array_get(summaries, i), name)));
        json_array_append_new(list, row);
    }
    return list;
}

/* One line for each form, and for each combination of the other axes. */
static json_t *points(const family *f, const json_t *forms, const json_t *summaries)
{
    json_t *list = json_array(), *value;
    const char *name;
    json_object_foreach((json_t *)forms, name, value)
        for (size_t i = 0; i < f->count; i++) {
            const json_t *form = form_of(json_array_get(summaries, i), name);
            char series[256];
            size_t used = (size_t)snprintf(series, sizeof series, "%s", name);
            for (size_t k = 0; k < f->axis_count && used < sizeof series; k++)
                if (k != f->curve && f->count > 1 && strcmp(f->members[0].values[k], f->members[f->count - 1].values[k]) != 0)
                    used += (size_t)snprintf(series + used, sizeof series - used, ", %s %s", f->axes[k], f->members[i].values[k]);
            if (json_is_number(json_object_get(form, "estimate")))
                json_array_append_new(list, json_pack("{s:f, s:O, s:O?, s:O?, s:s, s:s}", "x", f->members[i].x, "y",
                                                      json_object_get(form, "estimate"), "low", json_object_get(form, "low"),
                                                      "high", json_object_get(form, "high"), "series", series, "label",
                                                      f->members[i].values[f->curve]));
        }
    return list;
}

/* From the first member to the last, where both have a figure. */
static json_t *findings(const family *f, const json_t *forms, const json_t *summaries)
{
    json_t *list = json_array(), *value;
    const char *name;
    json_object_foreach((json_t *)forms, name, value) {
        const json_t *from = json_object_get(form_of(json_array_get(summaries, 0), name), "estimate");
        const json_t *to = json_object_get(form_of(json_array_get(summaries, f->count - 1), name), "estimate");
        char line[256], plain[96];
        json_t *label = words(name);
        snprintf(plain, sizeof plain, "%s", json_string_value(label));
        json_decref(label);
        if (f->count < 2 || !json_is_number(from) || !json_is_number(to))
            continue;
        snprintf(line, sizeof line, "%s: %.1f %% at %s %s, %.1f %% at %s %s.", plain, 100 * json_number_value(from),
                 f->axes[f->curve], f->members[0].values[f->curve], 100 * json_number_value(to), f->axes[f->curve],
                 f->members[f->count - 1].values[f->curve]);
        json_array_append_new(list, json_string(line));
    }
    return list;
}

status family_figures(const family *f, const json_t *summaries, const int64_t *runs, json_t **out, error *err)
{
    const json_t *forms = json_object_get(json_array_get(summaries, 0), "forms");
    char title[160];
    snprintf(title, sizeof title, "%s over %s", f->name, f->axes[f->curve]);
    *out = json_pack("{s:o, s:[{s:s, s:s, s:o, s:o}], s:[{s:s, s:s, s:{s:s}, s:o}]}", "findings", findings(f, forms, summaries),
                     "tables", "title", title, "note",
                     "Each member is a run of its own; `assay show RUN` tells more. Intervals: 95 %, as the study gives them.",
                     "columns", columns(f, forms), "rows", rows(f, forms, summaries, runs), "charts", "kind", "lines", "title",
                     title, "x", "label", f->axes[f->curve], "points", points(f, forms, summaries));
    return *out ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory while gathering a family");
}
