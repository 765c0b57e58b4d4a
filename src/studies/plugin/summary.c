/* The general rule: what records of any study come to, by group. */
#include "core/jsonio.h"
#include "studies/plugin/plugin_study.h"

#include "stats/bootstrap.h"
#include "stats/proportion.h"

#include <math.h>

enum { MOST_GROUPS = 1000 };

typedef struct group {
    const char *name;
    size_t n, good, bad, unreadable, refused, excluded, failed, bare; /* bare: without a verdict */
    double *values;
    size_t value_count;
} group;

typedef struct groups {
    group *list;
    size_t count;
} groups;

static const char *text_of(const json_t *o, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : otherwise;
}

/* ---- counting --------------------------------------------------------------------------------------------------- */

static group *find_group(arena *a, groups *g, const char *name, size_t most_values)
{
    for (size_t i = 0; i < g->count; i++)
        if (strcmp(g->list[i].name, name) == 0)
            return &g->list[i];
    if (g->count == MOST_GROUPS)
        return NULL;
    group *one = &g->list[g->count++];
    *one = (group){.name = arena_strdup(a, name), .values = ARENA_ARRAY(a, double, most_values + 1)};
    return one->name && one->values ? one : NULL;
}

static void count_record(group *g, const json_t *record)
{
    const char *verdict = text_of(record, "verdict", NULL);
    const json_t *value = json_object_get(record, "value");
    size_t *const counts[] = {&g->good, &g->bad, &g->unreadable, &g->refused, &g->excluded};
    static const char *const words[] = {"good", "bad", "unreadable", "refused", "excluded"};
    g->n++;
    g->bare += !verdict;
    for (size_t i = 0; verdict && i < COUNT_OF(words); i++)
        *counts[i] += strcmp(verdict, words[i]) == 0;
    if (json_is_number(value) && isfinite(json_number_value(value)))
        g->values[g->value_count++] = json_number_value(value);
}

static status count_groups(arena *a, const json_t *records, groups *g, size_t *failed, error *err)
{
    size_t i;
    json_t *record;
    *failed = 0;
    g->list = ARENA_ARRAY(a, group, MOST_GROUPS);
    if (!g->list)
        return error_set(err, STATUS_MEMORY, "out of memory while summarising");
    json_array_foreach((json_t *)(uintptr_t)records, i, record) {
        if (!json_is_object(record)) {
            ++*failed;
            continue;
        }
        group *one = find_group(a, g, text_of(record, "group", "all"), json_array_size(records));
        if (!one)
            return error_set(err, STATUS_INVALID, "the records have more than %d groups", MOST_GROUPS);
        count_record(one, record);
    }
    return STATUS_OK;
}

/* ---- forms ------------------------------------------------------------------------------------------------------ */

static double mean_of(const void *context, const size_t *picks, size_t count)
{
    const double *values = context;
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[picks[i]];
    return sum / (double)count;
}

/* A figure that rests on less than half of what was asked is not given. */
static json_t *share_form(const group *g, const char *counts)
{
    size_t readable = g->good + g->bad, asked = g->n - g->excluded, hits = strcmp(counts, "good") == 0 ? g->good : g->bad;
    double n = (double)readable, all = (double)asked, unread = all - n;
    bool given = readable > 0 && 2 * readable >= asked;
    interval w = wilson((double)hits, n, .95);
    double rate = readable ? (double)hits / n : NAN;
    json_t *o = json_pack("{s:o, s:n, s:n, s:o, s:o, s:o, s:[o, o], s:I, s:I, s:I, s:I, s:I}", "rate", jsonio_number(rate), "base", "excess",
                          "estimate", jsonio_number(given ? rate : NAN), "low", jsonio_number(given ? w.low : NAN), "high", jsonio_number(given ? w.high : NAN),
                          "bounds", jsonio_number(asked ? (double)hits / all : NAN), jsonio_number(asked ? ((double)hits + unread) / all : NAN), "n",
                          (json_int_t)asked, "readable", (json_int_t)readable, "unreadable", (json_int_t)(g->unreadable + g->bare),
                          "refused", (json_int_t)g->refused, "excluded", (json_int_t)g->excluded);
    if (o && !given)
        json_object_set_new(o, "reason", asked ? json_sprintf("readable %.2f < .5", n / all) : json_string("nothing was counted"));
    return o;
}

static status mean_form(const study_run *run, const group *g, json_t **out, error *err)
{
    const bootstrap b = {.items = g->value_count, .seed = run->seed, .purpose = "plugin/mean"};
    interval ci;
    double sum = 0;
    for (size_t i = 0; i < g->value_count; i++)
        sum += g->values[i];
    TRY(bootstrap_interval(&b, mean_of, g->values, &ci, err));
    *out = json_pack("{s:o, s:n, s:n, s:o, s:o, s:o, s:n, s:I, s:I, s:I, s:s}", "rate", jsonio_number(sum / (double)g->value_count), "base",
                     "excess", "estimate", jsonio_number(sum / (double)g->value_count), "low", jsonio_number(ci.low), "high", jsonio_number(ci.high), "bounds",
                     "n", (json_int_t)g->n, "readable", (json_int_t)g->value_count, "unreadable",
                     (json_int_t)(g->n - g->value_count - g->excluded), "is", "mean");
    return STATUS_OK;
}

status plugin_summary(const study_run *run, const json_t *records, const char *counts, json_t **summary, error *err)
{
    arena *a = arena_new(NULL);
    groups g = {0};
    size_t failed;
    json_t *forms = json_object();
    status result = count_groups(a, records, &g, &failed, err);
    for (size_t i = 0; i < g.count && result == STATUS_OK; i++) {
        const group *one = &g.list[i];
        json_t *form = NULL;
        if (one->good + one->bad == 0 && one->value_count > 0)
            result = mean_form(run, one, &form, err);
        else
            form = share_form(one, counts);
        if (result == STATUS_OK && json_object_set_new(forms, one->name, form) != 0)
            result = error_set(err, STATUS_MEMORY, "out of memory while summarising");
    }
    *summary = result == STATUS_OK ? json_pack("{s:o, s:I}", "forms", forms, "failed", (json_int_t)failed) : NULL;
    if (result != STATUS_OK)
        json_decref(forms);
    arena_free(a);
    return result;
}

/* ---- figures ---------------------------------------------------------------------------------------------------- */

static json_t *finding(const char *name, const json_t *form, const char *what, const char *counts)
{
    const json_t *estimate = json_object_get(form, "estimate"), *low = json_object_get(form, "low"), *high = json_object_get(form, "high");
    long long n = (long long)json_integer_value(json_object_get(form, "n"));
    if (!json_is_number(estimate))
        return json_sprintf("%s: no estimate (%s), of %lld samples.", name, text_of(form, "reason", "none is given"), n);
    if (json_object_get(form, "is"))
        return json_sprintf("%s: %s %.4g [%.4g, %.4g], of %lld samples.", name, what ? what : "mean value", json_number_value(estimate),
                            json_number_value(low), json_number_value(high), n);
    return json_sprintf("%s: %.1f %% [%.1f, %.1f] %s%s, of %lld samples.", name, 100 * json_number_value(estimate),
                        100 * json_number_value(low), 100 * json_number_value(high), what ? what : "have the verdict ",
                        what ? "" : counts, n);
}

static json_t *columns(void)
{
    return json_pack("[{s:s,s:s,s:s}, {s:s,s:s,s:s}, {s:s,s:s,s:s}, {s:s,s:s,s:s}, {s:s,s:s,s:s}]", "key", "group", "label", "Group", "kind",
                     "text", "key", "figure", "label", "Figure", "kind", "interval", "key", "n", "label", "Samples", "kind", "count", "key",
                     "unreadable", "label", "Unreadable", "kind", "count", "key", "refused", "label", "Refused", "kind", "count");
}

static json_t *or_zero(const json_t *form, const char *key)
{
    json_t *value = json_object_get(form, key);
    return value ? json_incref(value) : json_integer(0);
}

status plugin_figures(const json_t *summary, const char *title, const char *what, const char *counts, json_t **figures, error *err)
{
    json_t *findings = json_array(), *rows = json_array(), *points = json_array(), *form;
    const char *name;
    json_object_foreach(json_object_get(summary, "forms"), name, form) {
        json_t *estimate = json_object_get(form, "estimate"), *low = json_object_get(form, "low"), *high = json_object_get(form, "high");
        bool given = json_is_number(estimate) && json_is_number(low) && json_is_number(high);
        json_array_append_new(findings, finding(name, form, what, counts));
        json_array_append_new(rows, json_pack("{s:s, s:o, s:o, s:o, s:o}", "group", name, "figure",
                                              given ? json_pack("[O, O, O]", estimate, low, high) : json_null(), "n", or_zero(form, "n"),
                                              "unreadable", or_zero(form, "unreadable"), "refused", or_zero(form, "refused")));
        if (given)
            json_array_append_new(points, json_pack("{s:s, s:O, s:O, s:O}", "label", name, "y", estimate, "low", low, "high", high));
    }
    json_t *charts = json_array_size(points) > 0
                         ? json_pack("[{s:s, s:s, s:{s:s}, s:{s:s}, s:O}]", "kind", "bars", "title", title, "x", "label", "group", "y",
                                     "label", what ? what : counts, "points", points)
                         : json_array();
    json_decref(points);
    *figures = json_pack("{s:o, s:[{s:s, s:o, s:o}], s:o}", "findings", findings, "tables", "title", title, "columns", columns(), "rows", rows,
                         "charts", charts);
    return *figures ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for the figures");
}
