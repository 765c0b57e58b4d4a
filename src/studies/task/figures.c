/* What a report draws of tasks: one table, one picture, and sentences. */
#include "run/figure.h"
#include "studies/task/read.h"
#include "studies/task/task.h"

#include <math.h>
#include <stdlib.h>

static json_t *value_of(const json_t *form, const char *key)
{
    json_t *value = json_object_get(form, key);
    return value ? json_incref(value) : json_null();
}

static double real_of(const json_t *form, const char *key)
{
    const json_t *value = json_object_get(form, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static const char *text_of(const json_t *form, const char *key)
{
    const char *text = json_string_value(json_object_get(form, key));
    return text ? text : "";
}

static bool is_share(const json_t *form)
{
    const task_metric *m = task_metric_find(text_of(form, "metric"));
    return m && m->share;
}

/* Bytes that all names begin with, up to a '/': tables and pictures leave them away, and say so. */
static size_t common_start(const json_t *forms)
{
    const char *name, *first = NULL;
    json_t *form;
    size_t length = 0;
    json_object_foreach((json_t *)(uintptr_t)forms, name, form)
    {
        size_t same = 0;
        if (!first) {
            first = name;
            length = strlen(name);
        }
        while (same < length && name[same] == first[same])
            same++;
        length = same;
    }
    while (length > 0 && first[length - 1] != '/')
        length--;
    return json_object_size(forms) > 1 ? length : 0;
}

/* "Rates: mwe/persona/", or the title alone. */
static json_t *title_of(const char *title, const json_t *forms, size_t start)
{
    const char *name = json_object_iter_key(json_object_iter((json_t *)(uintptr_t)forms));
    return start && name ? json_sprintf("%s: %.*s", title, (int)start, name) : json_string(title);
}

/* ---- sentences -------------------------------------------------------------------------------------------------- */

static json_t *sentence(const char *name, const json_t *form)
{
    const task_metric *m = task_metric_find(text_of(form, "metric"));
    double estimate = real_of(form, "estimate"), chance = real_of(form, "chance");
    if (isnan(estimate) && isnan(real_of(form, "rate")))
        return json_sprintf("%s: no estimate: %s.", name, text_of(form, "reason"));
    if (isnan(estimate))
        return json_sprintf("%s: no estimate: %s (the rate of what could be read is %.4g).", name, text_of(form, "reason"),
                            real_of(form, "rate"));
    if (m && !m->share)
        return json_sprintf("%s: %s %.4g [%.4g, %.4g] over %lld items.", name, m->name, estimate, real_of(form, "low"),
                            real_of(form, "high"), (long long)json_integer_value(json_object_get(form, "readable")));
    char guess[64] = "";
    if (!isnan(chance))
        snprintf(guess, sizeof guess, "; guessing gives %.1f %%", 100 * chance);
    return json_sprintf("%s: %.1f %% [%.1f, %.1f] over %lld items%s.", name, 100 * estimate, 100 * real_of(form, "low"),
                        100 * real_of(form, "high"), (long long)json_integer_value(json_object_get(form, "readable")), guess);
}

static void add_many(const json_t *forms, json_t *findings)
{
    size_t above = 0, below = 0, without = 0, tested = 0;
    const char *name, *most = NULL, *least = NULL, *reason = "";
    double highest = -INFINITY, lowest = INFINITY;
    json_t *form;
    json_object_foreach((json_t *)(uintptr_t)forms, name, form)
    {
        double estimate = real_of(form, "estimate"), q = real_of(form, "q");
        if (isnan(estimate)) {
            without++;
            reason = text_of(form, "reason");
            continue;
        }
        if (!isnan(q)) {
            tested++;
            above += q < .05 && estimate > real_of(form, "chance");
            below += q < .05 && estimate < real_of(form, "chance");
        }
        if (is_share(form) && estimate > highest) {
            highest = estimate;
            most = name;
        }
        if (is_share(form) && estimate < lowest) {
            lowest = estimate;
            least = name;
        }
    }
    if (tested)
        json_array_append_new(findings, json_sprintf("Of %zu tasks %zu are above what guessing gives and %zu below it (false discovery "
                                                     "rate .05, Benjamini and Hochberg).", tested, above, below));
    if (most && least && most != least)
        json_array_append_new(findings, json_sprintf("The highest rate is that of %s, %.1f %%, the lowest that of %s, %.1f %%.", most,
                                                     100 * highest, least, 100 * lowest));
    if (without)
        json_array_append_new(findings, json_sprintf("%zu tasks have no estimate (%s%s); the table says why.", without, reason,
                                                     without > 1 ? ", and others" : ""));
}

/* What could not be read, all tasks together. */
static void add_unread(const json_t *forms, json_t *findings)
{
    size_t counts[REPLY_STATE_COUNT] = {0}, joined = 0;
    const char *name;
    json_t *form;
    json_object_foreach((json_t *)(uintptr_t)forms, name, form)
    {
        const json_t *unread = json_object_get(form, "unread");
        joined += (size_t)json_integer_value(json_object_get(form, "joined"));
        for (int i = 0; i < REPLY_STATE_COUNT; i++)
            counts[i] += (size_t)json_integer_value(json_object_get(unread, reply_state_names[i]));
    }
    for (int i = REPLY_READ + 1; i < REPLY_STATE_COUNT; i++)
        if (counts[i])
            json_array_append_new(findings, json_sprintf("Counted apart: in %zu items %s.", counts[i], reply_state_words[i]));
    if (joined)
        json_array_append_new(findings, json_sprintf("In %zu items the last tokens of the prompt join with the choices; these tokens were "
                                                     "scored with every choice. Choices that begin with a blank avoid that.", joined));
}

/* ---- tables ----------------------------------------------------------------------------------------------------- */

static json_t *share_table(const json_t *forms)
{
    json_t *rows = json_array();
    size_t start = common_start(forms);
    const char *name;
    json_t *form;
    json_object_foreach((json_t *)(uintptr_t)forms, name, form)
        if (is_share(form))
            json_array_append_new(rows, json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "task", name + start, "metric",
                                                  text_of(form, "metric"), "figure", figure_interval(form), "rate", value_of(form, "rate"),
                                                  "soft", value_of(form, "soft"), "chance", value_of(form, "chance"), "q",
                                                  value_of(form, "q"), "mass", value_of(form, "choice_mass"), "n", value_of(form, "n"),
                                                  "unreadable", value_of(form, "unreadable"), "refused", value_of(form, "refused"),
                                                  "reason", text_of(form, "reason")));
    json_t *columns = json_pack("[o, o, o, o, o, o, o, o, o, o, o, o]", figure_column("task", "Task", "text"), figure_column("metric", "Metric", "text"),
                                figure_column("figure", "Rate", "interval"), figure_column("rate", "As read", "number"),
                                figure_column("soft", "Soft", "number"), figure_column("chance", "Chance", "number"), figure_column("q", "q", "number"),
                                figure_column("mass", "Mass", "number"), figure_column("n", "Items", "count"),
                                figure_column("unreadable", "Unreadable", "count"), figure_column("refused", "Refused", "count"),
                                figure_column("reason", "Why none", "text"));
    return json_pack("{s:o, s:s, s:o, s:o}", "title", title_of("Tasks", forms, start), "note",
                     "Intervals are 95 %: Wilson's, or over clusters where a task names them. Soft: the mean share of the answer in the mass "
                     "on all choices; mass: all of it. q: against chance, adjusted by Benjamini and Hochberg over the tasks of this run.",
                     "columns", columns, "rows", rows);
}

static json_t *loss_table(const json_t *forms)
{
    json_t *rows = json_array();
    size_t start = common_start(forms);
    const char *name;
    json_t *form;
    json_object_foreach((json_t *)(uintptr_t)forms, name, form)
        if (!is_share(form))
            json_array_append_new(rows, json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "task", name + start, "metric",
                                                  text_of(form, "metric"), "figure", value_of(form, "estimate"), "low", value_of(form, "low"),
                                                  "high", value_of(form, "high"), "chance", value_of(form, "chance"), "accuracy",
                                                  value_of(form, "accuracy"), "mass", value_of(form, "choice_mass"), "n",
                                                  value_of(form, "n"), "unreadable", value_of(form, "unreadable"), "reason",
                                                  text_of(form, "reason")));
    json_t *columns = json_pack("[o, o, o, o, o, o, o, o, o, o, o]", figure_column("task", "Task", "text"), figure_column("metric", "Metric", "text"),
                                figure_column("figure", "Mean", "number"), figure_column("low", "Low", "number"), figure_column("high", "High", "number"),
                                figure_column("chance", "Chance", "number"), figure_column("accuracy", "Right", "share"),
                                figure_column("mass", "Mass", "number"), figure_column("n", "Items", "count"),
                                figure_column("unreadable", "Unreadable", "count"), figure_column("reason", "Why none", "text"));
    return json_pack("{s:o, s:s, s:o, s:o}", "title", title_of("Losses and other means", forms, start), "note",
                     "In nats but for the metric numeric, which is in the task's own unit. Low and high: 95 %.", "columns", columns, "rows", rows);
}

static json_t *unread_table(const json_t *forms)
{
    json_t *rows = json_array();
    const char *name, *state;
    json_t *form, *count;
    json_object_foreach((json_t *)(uintptr_t)forms, name, form)
    {
        json_object_foreach(json_object_get(form, "unread"), state, count)
        {
            const char *words = state;
            for (int i = 0; i < REPLY_STATE_COUNT; i++)
                if (strcmp(state, reply_state_names[i]) == 0)
                    words = reply_state_words[i];
            json_array_append_new(rows, json_pack("{s:s, s:s, s:O}", "task", name, "what", words, "n", count));
        }
    }
    json_t *columns = json_pack("[o, o, o]", figure_column("task", "Task", "text"), figure_column("what", "What", "text"), figure_column("n", "Items", "count"));
    return json_pack("{s:s, s:s, s:o, s:o}", "title", "Replies that could not be read", "note",
                     "They are in no rate; the bounds of each figure count them both ways.", "columns", columns, "rows", rows);
}

static json_t *group_table(const json_t *forms)
{
    json_t *rows = json_array();
    const char *name, *by;
    json_t *form, *group;
    json_object_foreach((json_t *)(uintptr_t)forms, name, form)
    {
        json_object_foreach(is_share(form) ? json_object_get(form, "groups") : NULL, by, group)
            json_array_append_new(rows, json_pack("{s:s, s:s, s:o, s:o, s:o}", "task", name, "group", by, "figure", figure_interval(group),
                                                  "mass", value_of(group, "choice_mass"), "n", value_of(group, "n")));
    }
    json_t *columns = json_pack("[o, o, o, o, o]", figure_column("task", "Task", "text"), figure_column("group", "Group", "text"),
                                figure_column("figure", "Figure", "interval"), figure_column("mass", "Mass on choices", "number"),
                                figure_column("n", "Items", "count"));
    return json_pack("{s:s, s:o, s:o}", "title", "By group", "columns", columns, "rows", rows);
}

static void add_table(json_t *tables, json_t *table)
{
    if (json_array_size(json_object_get(table, "rows")))
        json_array_append(tables, table);
    json_decref(table);
}

/* ---- pictures --------------------------------------------------------------------------------------------------- */

/* Which figures a picture shows. */
typedef enum picture { PICTURE_SHARES, PICTURE_READ, PICTURE_LOSSES, PICTURE_COUNT } picture;

static const struct {
    bool share;
    const char *key, *title, *note, *label;
} pictures[PICTURE_COUNT] = {
    [PICTURE_SHARES] = {true, "estimate", "Rates", "Bars are 95 % intervals.", "rate"},
    [PICTURE_READ] = {true, "rate", "Rates as read, of tasks without an estimate",
                      "The table says why these are no estimates; most often hardly any of the probability is on the answers that are "
                      "compared.", "rate of what was read"},
    [PICTURE_LOSSES] = {false, "estimate", "Losses and differences", "Bars are 95 % intervals.", "nats"},
};

static int by_height(const void *a, const void *b)
{
    double x = json_number_value(json_object_get(*(json_t *const *)a, "y")), y = json_number_value(json_object_get(*(json_t *const *)b, "y"));
    int names = strcmp(text_of(*(json_t *const *)a, "label"), text_of(*(json_t *const *)b, "label"));
    return x > y ? -1 : x < y ? 1 : names;
}

/* The highest first; as they were where memory is out. Takes the array. */
static json_t *sorted(json_t *points)
{
    size_t count = json_array_size(points);
    json_t **all = memory_alloc((count + 1) * sizeof *all), *out = json_array();
    for (size_t i = 0; all && i < count; i++)
        all[i] = json_array_get(points, i);
    if (all)
        qsort(all, count, sizeof(json_t *), by_height);
    for (size_t i = 0; i < count; i++)
        json_array_append(out, all ? all[i] : json_array_get(points, i));
    memory_free(all);
    json_decref(points);
    return out;
}

static json_t *chart(const json_t *forms, picture which)
{
    json_t *points = json_array();
    size_t start = common_start(forms);
    const char *name;
    json_t *form;
    json_object_foreach((json_t *)(uintptr_t)forms, name, form)
    {
        bool estimated = json_is_number(json_object_get(form, "estimate"));
        if (is_share(form) != pictures[which].share || estimated == (which == PICTURE_READ) ||
            !json_is_number(json_object_get(form, pictures[which].key)))
            continue;
        json_t *point = json_pack("{s:s, s:O}", "label", name + start, "y", json_object_get(form, pictures[which].key));
        if (estimated) {
            json_object_set(point, "low", json_object_get(form, "low"));
            json_object_set(point, "high", json_object_get(form, "high"));
        }
        json_array_append_new(points, point);
    }
    json_t *made = json_pack("{s:s, s:o, s:s, s:{s:s}, s:{s:s}, s:o}", "kind", "bars", "title",
                             title_of(pictures[which].title, forms, start), "note", pictures[which].note, "x", "label", "task", "y", "label",
                             pictures[which].label, "points", sorted(points));
    if (!pictures[which].share)
        json_object_set_new(made, "unit", json_string("number"));
    return made;
}

static void add_chart(json_t *charts, json_t *one)
{
    if (json_array_size(json_object_get(one, "points")))
        json_array_append(charts, one);
    json_decref(one);
}

status task_figures(const study_run *run, const json_t *summary, json_t **figures, error *err)
{
    (void)run;
    const json_t *forms = json_object_get(summary, "forms");
    json_t *findings = json_array(), *tables = json_array(), *charts = json_array();
    const char *name;
    json_t *form;
    if (json_object_size(forms) > 6)
        add_many(forms, findings);
    else
        json_object_foreach((json_t *)(uintptr_t)forms, name, form)
            json_array_append_new(findings, sentence(name, form));
    add_unread(forms, findings);
    const json_t *absent = json_object_get(summary, "absent");
    if (json_array_size(absent))
        json_array_append_new(findings, json_sprintf("%zu tasks that the pattern fits were left out, as their data are not here: %s%s.",
                                                     json_array_size(absent), json_string_value(json_array_get(absent, 0)),
                                                     json_array_size(absent) > 1 ? " and others" : ""));
    json_int_t nul = json_integer_value(json_object_get(summary, "rows_with_nul"));
    if (nul)
        json_array_append_new(findings, json_sprintf("%lld rows of the data hold NUL characters, which were asked as U+FFFD.", (long long)nul));
    add_table(tables, share_table(forms));
    add_table(tables, loss_table(forms));
    add_table(tables, group_table(forms));
    add_table(tables, unread_table(forms));
    for (int i = 0; i < PICTURE_COUNT; i++)
        add_chart(charts, chart(forms, (picture)i));
    *figures = json_pack("{s:o, s:o, s:o}", "findings", findings, "tables", tables, "charts", charts);
    return *figures ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for the figures");
}
