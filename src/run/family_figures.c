/* What the members of a family say together: one table, and a curve for each form of the study; and members as they are
 * kept in the records of runs. */
#include "run/family.h"

#include "core/jsonio.h"
#include "core/text.h"
#include "run/scaling.h"
#include "run/short_name.h"

#include <math.h>

static const json_t *form_of(const json_t *summary, const char *form)
{
    return json_object_get(json_object_get(summary, "forms"), form);
}

static json_t *interval(const json_t *form)
{
    const json_t *estimate = json_object_get(form, "estimate"), *low = json_object_get(form, "low"), *high = json_object_get(form, "high");
    if (!json_is_number(estimate))
        return json_null();
    if (!scaling_is_share(form))
        return json_is_number(low) ? json_sprintf("%.4g [%.4g, %.4g]", json_number_value(estimate), json_number_value(low), json_number_value(high))
                                   : json_sprintf("%.4g", json_number_value(estimate));
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

static bool any_size(const family *f)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->members[i].parameters > 0)
            return true;
    return false;
}

static bool any_flops(const family *f)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->members[i].flops > 0)
            return true;
    return false;
}

static json_t *columns(const family *f, const json_t *forms)
{
    json_t *list = json_array();
    const char *name;
    json_t *value;
    for (size_t i = 0; i < f->axis_count; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "key", f->axes[i], "label", f->axes[i], "kind", "text"));
    if (any_size(f))
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "key", "parameters", "label", "parameters", "kind", "count"));
    if (any_flops(f))
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "key", "flops", "label", "training FLOPs", "kind", "text"));
    json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "key", "run", "label", "run", "kind", "count"));
    json_object_foreach((json_t *)forms, name, value)
        json_array_append_new(list, json_pack("{s:s, s:o, s:s}", "key", name, "label", words(name), "kind",
                                              scaling_is_share(value) ? "interval" : "text"));
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
        if (f->members[i].parameters > 0)
            json_object_set_new(row, "parameters", json_integer((json_int_t)f->members[i].parameters));
        if (f->members[i].flops > 0)
            json_object_set_new(row, "flops", json_sprintf("%.3g", f->members[i].flops));
        json_object_foreach((json_t *)forms, name, value)
            json_object_set_new(row, name, interval(form_of(json_array_get(summaries, i), name)));
        json_array_append_new(list, row);
    }
    return list;
}

/* "size 70m, seed 2": where a member stands on the axes that differ, the one of the curve aside. Empty with one axis. */
static void describe_line(const family *f, size_t member, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t k = 0; k < f->axis_count; k++) {
        bool differs = false;
        for (size_t i = 1; i < f->count; i++)
            differs = differs || strcmp(f->members[0].values[k], f->members[i].values[k]) != 0;
        if (k != f->curve && differs && used < size)
            used += (size_t)snprintf(out + used, size - used, "%s%s %s", used ? ", " : "", f->axes[k], f->members[member].values[k]);
    }
}

/* A panel for each form that is a share, and in it a line for each combination of the other axes. */
static json_t *points(const family *f, const json_t *forms, const json_t *summaries)
{
    json_t *list = json_array(), *value;
    const char *name;
    char line[256];
    json_object_foreach((json_t *)forms, name, value)
        for (size_t i = 0; i < f->count; i++) {
            const json_t *form = form_of(json_array_get(summaries, i), name);
            describe_line(f, i, line, sizeof line);
            if (json_is_number(json_object_get(form, "estimate")) && scaling_is_share(form))
                json_array_append_new(list, json_pack("{s:f, s:O, s:O?, s:O?, s:s, s:s, s:s}", "x", f->members[i].x, "y",
                                                      json_object_get(form, "estimate"), "low", json_object_get(form, "low"),
                                                      "high", json_object_get(form, "high"), "panel", name, "series", line,
                                                      "label", f->members[i].values[f->curve]));
        }
    return list;
}

/* Subjects that have no place on an axis stand beside each other: a panel for each form, a bar for each subject. */
static json_t *bars(const family *f, const json_t *forms, const json_t *summaries)
{
    json_t *list = json_array(), *value;
    const char *name;
    json_object_foreach((json_t *)forms, name, value)
        for (size_t i = 0; i < f->count; i++) {
            const json_t *form = form_of(json_array_get(summaries, i), name);
            if (json_is_number(json_object_get(form, "estimate")) && scaling_is_share(form))
                json_array_append_new(list, json_pack("{s:s, s:s, s:O, s:O?, s:O?}", "label", name, "series", f->members[i].values[f->curve], "y",
                                                      json_object_get(form, "estimate"), "low", json_object_get(form, "low"), "high",
                                                      json_object_get(form, "high")));
        }
    return list;
}

/* The last member on the line that begins at `first`; `first` where it is alone or where the line began before. */
static size_t end_of_line(const family *f, size_t first)
{
    char line[256], other[256];
    size_t end = first;
    describe_line(f, first, line, sizeof line);
    for (size_t i = 0; i < f->count; i++) {
        describe_line(f, i, other, sizeof other);
        if (strcmp(line, other) == 0 && i < first)
            return first;
        end = strcmp(line, other) == 0 ? i : end;
    }
    return end;
}

/* Whether the curve of a list of subjects is drawn over their parameters: all are known, and not all the same. */
static bool over_size(const family *f)
{
    bool differ = false;
    for (size_t i = 0; i < f->count; i++) {
        if (strcmp(f->axes[f->curve], "subject") != 0 || !(f->members[i].parameters > 0))
            return false;
        differ = differ || f->members[i].parameters != f->members[0].parameters;
    }
    return differ;
}

/* Subjects that are beside each other and on no axis: "answer: base 0.0 %, s50 50.6 %", where there are few enough to read. */
static json_t *subject_findings(const family *f, const json_t *forms, const json_t *summaries)
{
    json_t *list = json_array(), *value;
    const char *name;
    json_object_foreach((json_t *)forms, name, value) {
        strbuf text = strbuf_new(NULL, 1 << 16);
        json_t *label = words(name);
        size_t told = 0;
        for (size_t i = 0; i < f->count && scaling_is_share(value); i++) {
            const json_t *estimate = json_object_get(form_of(json_array_get(summaries, i), name), "estimate");
            if (json_is_number(estimate))
                strbuf_printf(&text, "%s%s %.1f %%", told++ ? ", " : ": ", f->members[i].values[f->curve], 100 * json_number_value(estimate));
        }
        if (told > 1)
            json_array_append_new(list, json_sprintf("%s%s.", json_string_value(label), text.text));
        json_decref(label);
        strbuf_free(&text);
    }
    return list;
}

/* From the first member of each line to its last, where both have a figure. */
static json_t *findings(const family *f, const json_t *forms, const json_t *summaries)
{
    enum { MOST_NAMED = 6 };
    if (strcmp(f->axes[f->curve], "subject") == 0 && !over_size(f) && f->count <= MOST_NAMED)
        return subject_findings(f, forms, summaries);
    json_t *list = json_array(), *value;
    const char *name, *axis = f->axes[f->curve];
    json_object_foreach((json_t *)forms, name, value)
        for (size_t i = 0; i < f->count; i++) {
            size_t last = end_of_line(f, i);
            const json_t *from = json_object_get(form_of(json_array_get(summaries, i), name), "estimate");
            const json_t *to = json_object_get(form_of(json_array_get(summaries, last), name), "estimate");
            if (last == i || !json_is_number(from) || !json_is_number(to) || !scaling_is_share(value))
                continue;
            char line[256];
            json_t *label = words(name);
            describe_line(f, i, line, sizeof line);
            json_array_append_new(list, json_sprintf("%s%s%s: %.1f %% at %s %s, %.1f %% at %s %s.", json_string_value(label),
                                                     *line ? ", " : "", line, 100 * json_number_value(from), axis,
                                                     f->members[i].values[f->curve], 100 * json_number_value(to), axis,
                                                     f->members[last].values[f->curve]));
            json_decref(label);
        }
    return list;
}

/* The axis: its ticks are values by name, where there are few enough to read; sizes and steps span powers of ten. */
static json_t *axis(const family *f)
{
    enum { MOST_TICKS = 8 };
    json_t *ticks = json_array(), *out = json_pack("{s:s}", "label", over_size(f) ? "parameters" : f->axes[f->curve]);
    double least = INFINITY, most = 0, last = -INFINITY;
    for (size_t i = 0; i < f->count; i++) {
        double x = f->members[i].x;
        least = x > 0 && x < least ? x : least;
        most = x > most ? x : most;
        if (x > last)
            json_array_append_new(ticks, json_pack("{s:f, s:s}", "x", x, "label", f->members[i].values[f->curve]));
        last = x > last ? x : last;
    }
    bool sizes = over_size(f) || strcmp(f->axes[f->curve], "size") == 0;
    if (most > (sizes ? 3 : 30) * least)
        json_object_set_new(out, "scale", json_string("symlog"));
    if (json_array_size(ticks) <= MOST_TICKS && !over_size(f))
        json_object_set(out, "ticks", ticks);
    json_decref(ticks);
    return out;
}

static status figures_of(const family *f, const json_t *summaries, const json_t *scores, const int64_t *runs, json_t **out, error *err)
{
    enum { MOST_TRENDS_TOLD = 12 };
    const json_t *forms = json_object_get(json_array_get(summaries, 0), "forms");
    json_t *trends = NULL;
    char title[160];
    snprintf(title, sizeof title, "%s over %s", f->name, over_size(f) ? "parameters" : f->axes[f->curve]);
    if (scores)
        TRY(scaling_trends(f, summaries, scores, &trends, err));
    *out = json_pack("{s:o, s:[{s:s, s:s, s:o, s:o}], s:[{s:s, s:s, s:o, s:{s:s}, s:o}]}", "findings", findings(f, forms, summaries),
                     "tables", "title", title, "note",
                     "Each member is a run of its own; `assay show RUN` tells more. Intervals: 95 %, as the study gives them.",
                     "columns", columns(f, forms), "rows", rows(f, forms, summaries, runs), "charts", "kind", "lines", "title",
                     title, "x", axis(f), "y", "label", "estimate", "points", points(f, forms, summaries));
    if (*out && strcmp(f->axes[f->curve], "subject") == 0 && !over_size(f)) {
        json_t *chart = json_array_get(json_object_get(*out, "charts"), 0);
        json_object_set_new(chart, "kind", json_string("bars"));
        json_object_set_new(chart, "title", json_string("Subjects beside each other"));
        json_object_set_new(chart, "points", bars(f, forms, summaries));
    }
    if (*out && json_array_size(json_object_get(json_array_get(json_object_get(*out, "charts"), 0), "points")) == 0)
        json_array_clear(json_object_get(*out, "charts"));
    if (trends && *out) {
        json_t *told = json_array(), *table = scaling_table(trends);
        scaling_findings(trends, MOST_TRENDS_TOLD, told);
        if (json_array_size(trends) == 0)
            json_array_extend(told, json_object_get(*out, "findings"));
        json_object_set_new(*out, "findings", told);
        if (table)
            json_array_append_new(json_object_get(*out, "tables"), table);
        json_object_set(*out, "trends", trends);
    }
    json_decref(trends);
    return *out ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory while gathering a family");
}

/* A list's members under the names by which a reader knows them. */
static bool name_shortly(arena *a, family *f)
{
    const char **specifications = ARENA_ARRAY(a, const char *, f->count + 1);
    family_member *members = ARENA_ARRAY(a, family_member, f->count + 1);
    if (!specifications || !members)
        return false;
    for (size_t i = 0; i < f->count; i++) {
        specifications[i] = f->members[i].values[f->curve];
        members[i] = f->members[i];
    }
    const char **names = short_names(a, specifications, f->count);
    for (size_t i = 0; names && i < f->count; i++)
        members[i].values[f->curve] = names[i];
    f->members = members;
    return names != NULL;
}

status family_figures(const family *f, const json_t *summaries, const json_t *scores, const int64_t *runs, json_t **out, error *err)
{
    arena *a = arena_new(NULL);
    family shown = *f;
    bool good = a && (strcmp(f->axes[f->curve], "subject") != 0 || name_shortly(a, &shown));
    status result = good ? figures_of(&shown, summaries, scores, runs, out, err) : error_set(err, STATUS_MEMORY, "out of memory while gathering a family");
    arena_free(a);
    return result;
}

/* ---- members in records ----------------------------------------------------------------------------------------- */

json_t *family_member_json(const family *f, size_t member)
{
    const family_member *m = &f->members[member];
    json_t *axes = json_array(), *values = json_array();
    for (size_t i = 0; i < f->axis_count; i++) {
        json_array_append_new(axes, json_string(f->axes[i]));
        json_array_append_new(values, json_string(m->values[i]));
    }
    json_t *size = json_pack("{s:f, s:f, s:f, s:s?}", "parameters", m->parameters, "tokens", m->tokens, "flops", m->flops, "tokenizer",
                             m->tokenizer);
    return json_pack("{s:s, s:o, s:o, s:i, s:f, s:o}", "name", f->name, "axes", axes, "values", values, "curve", (int)f->curve, "x",
                     m->x, "size", size);
}

static bool same_family(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"name", "axes", "curve"};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (!json_equal(json_object_get(a, keys[i]), json_object_get(b, keys[i])))
            return false;
    return true;
}

static bool read_member(const json_t *m, size_t axes, family_member *out)
{
    const json_t *values = json_object_get(m, "values"), *x = json_object_get(m, "x");
    const json_t *size = json_object_get(m, "size");
    *out = (family_member){.x = json_number_value(x),
                           .parameters = json_number_value(json_object_get(size, "parameters")),
                           .tokens = json_number_value(json_object_get(size, "tokens")),
                           .flops = json_number_value(json_object_get(size, "flops")),
                           .tokenizer = json_string_value(json_object_get(size, "tokenizer"))};
    for (size_t i = 0; i < axes; i++)
        if (!(out->values[i] = json_string_value(json_array_get(values, i))))
            return false;
    return json_is_number(x);
}

bool family_of_members(arena *a, const json_t *members, family *out)
{
    const json_t *first = json_array_get(members, 0), *axes = json_object_get(first, "axes");
    json_int_t curve = json_integer_value(json_object_get(first, "curve"));
    *out = (family){.name = json_string_value(json_object_get(first, "name")), .axis_count = json_array_size(axes),
                    .count = json_array_size(members)};
    if (!out->name || out->axis_count == 0 || out->axis_count > FAMILY_MOST_AXES || curve < 0 || (size_t)curve >= out->axis_count)
        return false;
    out->curve = (size_t)curve;
    out->members = ARENA_ARRAY(a, family_member, out->count);
    for (size_t i = 0; i < out->axis_count; i++)
        if (!(out->axes[i] = json_string_value(json_array_get(axes, i))))
            return false;
    for (size_t i = 0; out->members && i < out->count; i++)
        if (!same_family(json_array_get(members, i), first) ||
            !read_member(json_array_get(members, i), out->axis_count, &out->members[i]))
            return false;
    return out->members != NULL;
}
