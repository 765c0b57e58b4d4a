/* Figures of a foreign log: recomputed from its samples, beside those that the log itself gives. */
#include "inspect/import.h"

#include "stats/proportion.h"

#include <math.h>

enum { MOST_SCORERS = 64 };

typedef struct scorer_sums {
    const char *name;
    double *sums;     /* by item */
    uint32_t *counts; /* epochs with a value, by item */
    size_t capacity;
    uint64_t values, unscored;
    bool outside; /* a value below 0 or above 1 */
} scorer_sums;

struct import_figures {
    arena *arena;
    scorer_sums scorers[MOST_SCORERS];
    size_t count;
    bool more; /* than MOST_SCORERS */
};

import_figures *import_figures_new(arena *a)
{
    import_figures *f = ARENA_NEW(a, import_figures);
    if (f)
        f->arena = a;
    return f;
}

static scorer_sums *scorer_of(import_figures *f, const char *name)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->scorers[i].name, name) == 0)
            return &f->scorers[i];
    if (f->count == MOST_SCORERS) {
        f->more = true;
        return NULL;
    }
    scorer_sums *s = &f->scorers[f->count];
    *s = (scorer_sums){.name = arena_strdup(f->arena, name)};
    f->count += s->name != NULL;
    return s->name ? s : NULL;
}

static bool make_room(import_figures *f, scorer_sums *s, uint64_t index)
{
    if (index < s->capacity)
        return true;
    size_t more = (size_t)index * 2 + 256;
    s->sums = arena_regrow(f->arena, s->sums, s->capacity, more, sizeof *s->sums);
    s->counts = arena_regrow(f->arena, s->counts, s->capacity, more, sizeof *s->counts);
    s->capacity = s->sums && s->counts ? more : 0;
    return s->capacity > 0;
}

status import_figures_add(import_figures *f, uint64_t index, const json_t *scores, error *err)
{
    const char *name;
    json_t *score;
    json_object_foreach((json_t *)(uintptr_t)scores, name, score)
    {
        scorer_sums *s = scorer_of(f, name);
        if (!s && f->more)
            continue;
        if (!s || !make_room(f, s, index))
            return error_set(err, STATUS_MEMORY, "out of memory for the figures of a log");
        double value = import_value(json_object_get(score, "value"));
        s->unscored += isnan(value) ? 1 : 0;
        if (isnan(value))
            continue;
        s->outside = s->outside || value < 0 || value > 1;
        s->sums[index] += value;
        s->counts[index]++;
        s->values++;
    }
    return STATUS_OK;
}

/* Mean over items of the means over epochs. Values in [0, 1] get Wilson's interval for as many draws as there are items
 * (it is right for shares, and too wide rather than too narrow for means of epochs and parts of a point), others the
 * normal one from the spread between items. */
static json_t *form_of(const scorer_sums *s)
{
    double sum = 0, squares = 0, n = 0;
    for (size_t i = 0; i < s->capacity; i++) {
        if (s->counts[i] == 0)
            continue;
        double mean = s->sums[i] / s->counts[i];
        sum += mean;
        n++;
    }
    double estimate = n > 0 ? sum / n : 0;
    for (size_t i = 0; i < s->capacity; i++)
        if (s->counts[i] > 0)
            squares += (s->sums[i] / s->counts[i] - estimate) * (s->sums[i] / s->counts[i] - estimate);
    json_t *form = json_pack("{s:I, s:I, s:I}", "n", (json_int_t)n, "answers", (json_int_t)s->values, "unreadable",
                             (json_int_t)s->unscored);
    if (n == 0) {
        json_object_set_new(form, "estimate", json_null());
        json_object_set_new(form, "reason", json_string("no score is a number, C, I, P or N"));
        return form;
    }
    interval limits = {estimate, estimate};
    if (!s->outside)
        limits = wilson(sum, n, .95);
    else if (n > 1) {
        double half = 1.959963984540054 * sqrt(squares / (n - 1) / n);
        limits = (interval){estimate - half, estimate + half};
    }
    bool bounded = n > 1 || !s->outside;
    json_object_set_new(form, "rate", json_real(estimate));
    json_object_set_new(form, "estimate", json_real(estimate));
    json_object_set_new(form, "low", bounded ? json_real(limits.low) : json_null());
    json_object_set_new(form, "high", bounded ? json_real(limits.high) : json_null());
    return form;
}

static json_t *column(const char *key, const char *label, const char *kind)
{
    return json_pack("{s:s, s:s, s:s}", "key", key, "label", label, "kind", kind);
}

static json_t *scores_table(const json_t *forms)
{
    json_t *rows = json_array();
    const char *name;
    json_t *form;
    json_object_foreach((json_t *)(uintptr_t)forms, name, form)
        json_array_append_new(rows, json_pack("{s:s, s:[O, O?, O?], s:O, s:O}", "scorer", name, "mean",
                                              json_object_get(form, "estimate"), json_object_get(form, "low"),
                                              json_object_get(form, "high"), "n", json_object_get(form, "n"), "unscored",
                                              json_object_get(form, "unreadable")));
    return json_pack("{s:s, s:s, s:[o, o, o, o], s:o}", "title", "Scores", "note",
                     "Means over items, counted anew from the samples (C 1, P 0.5, I and N 0), with 95 % intervals.", "columns",
                     column("scorer", "Scorer", "text"), column("mean", "Mean", "interval"), column("n", "Items", "count"),
                     column("unscored", "Unscored", "count"), "rows", rows);
}

/* What the log says of itself. */
static json_t *log_table(const json_t *results)
{
    json_t *rows = json_array();
    const json_t *scores = json_object_get(results, "scores");
    for (size_t i = 0; i < json_array_size(scores) && i < MOST_SCORERS; i++) {
        const json_t *score = json_array_get(scores, i), *metrics = json_object_get(score, "metrics");
        const char *scorer = json_string_value(json_object_get(score, "name")), *name;
        json_t *metric;
        json_object_foreach((json_t *)(uintptr_t)metrics, name, metric)
        {
            json_t *value = json_object_get(metric, "value");
            if (scorer && json_is_number(value))
                json_array_append_new(rows, json_pack("{s:s, s:s, s:O}", "scorer", scorer, "metric", name, "value", value));
        }
    }
    return json_pack("{s:s, s:s, s:[o, o, o], s:o}", "title", "Metrics of the log", "note", "As the log gives them.", "columns",
                     column("scorer", "Scorer", "text"), column("metric", "Metric", "text"), column("value", "Value", "number"),
                     "rows", rows);
}

json_t *import_figures_summary(const import_figures *f, const char *task, const json_t *results)
{
    json_t *forms = json_object(), *findings = json_array();
    for (size_t i = 0; i < f->count; i++)
        json_object_set_new(forms, f->scorers[i].name, form_of(&f->scorers[i]));
    json_array_append_new(findings, json_sprintf("Imported from a log of Inspect, task %s: %zu scorers.", task, f->count));
    if (f->more)
        json_array_append_new(findings, json_sprintf("More than %d scorers: the others are in the records alone.", MOST_SCORERS));
    json_t *figures = json_pack("{s:o, s:[o, o], s:[]}", "findings", findings, "tables", scores_table(forms), log_table(results),
                                "charts");
    return json_pack("{s:o, s:o}", "forms", forms, "figures", figures);
}
