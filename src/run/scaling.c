#include "run/scaling.h"

#include "core/text.h"
#include "stats/trend.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { LABEL = 256 };

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for trends over size");
}

/* ---- series of members ------------------------------------------------------------------------------------------ */

static bool is_of_series(const char *axis)
{
    return strcmp(axis, "size") == 0 || strcmp(axis, "seed") == 0 || strcmp(axis, "subject") == 0;
}

/* "stage 1000": where a member stands on the axes that differ and make series of their own. */
static void describe_series(const family *f, size_t member, char *out)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t k = 0; k < f->axis_count; k++) {
        bool differs = false;
        for (size_t i = 1; i < f->count; i++)
            differs = differs || strcmp(f->members[0].values[k], f->members[i].values[k]) != 0;
        if (differs && !is_of_series(f->axes[k]) && used < LABEL)
            used += (size_t)snprintf(out + used, LABEL - used, "%s%s %s", used ? ", " : "", f->axes[k], f->members[member].values[k]);
    }
}

static double size_of(const family *f, size_t member)
{
    const family_member *m = &f->members[member];
    return m->parameters > 0 ? m->parameters : strcmp(f->axes[f->curve], "size") == 0 ? m->x : 0;
}

/* The members of one series whose scores of a measure are there. */
typedef struct lineup {
    const family *f;
    const json_t **scores; /* of each: {"17": .3, ...} */
    size_t *members;
    size_t count;
    char label[LABEL];
} lineup;

static size_t different_sizes(const lineup *l)
{
    size_t count = 0;
    for (size_t i = 0; i < l->count; i++) {
        size_t k = 0;
        while (k < i && size_of(l->f, l->members[k]) != size_of(l->f, l->members[i]))
            k++;
        count += k == i;
    }
    return count;
}

/* Those that stand where `first` does, from it on; none where an earlier member stands there too. */
static status find_lineup(arena *a, const family *f, size_t first, const json_t *scores, const char *form, const char *measure, lineup *out,
                          error *err)
{
    char label[LABEL];
    *out = (lineup){.f = f, .scores = ARENA_ARRAY(a, const json_t *, f->count + 1), .members = ARENA_ARRAY(a, size_t, f->count + 1)};
    if (!out->scores || !out->members)
        return no_memory(err);
    describe_series(f, first, out->label);
    for (size_t i = 0; i < f->count; i++) {
        describe_series(f, i, label);
        if (strcmp(label, out->label) != 0)
            continue;
        if (i < first) {
            out->count = 0;
            return STATUS_OK;
        }
        const json_t *found = json_object_get(json_object_get(json_array_get(scores, i), form), measure);
        if (json_object_size(found) == 0 || !(size_of(f, i) > 0))
            continue;
        out->scores[out->count] = found;
        out->members[out->count++] = i;
    }
    return STATUS_OK;
}

/* ---- from scores to a trend ------------------------------------------------------------------------------------- */

/* The samples that any member scored, in the order in which they are met: number -> place. */
static json_t *find_samples(const lineup *l)
{
    json_t *places = json_object(), *value;
    const char *number;
    for (size_t i = 0; i < l->count; i++)
        json_object_foreach((json_t *)(uintptr_t)l->scores[i], number, value)
            if (!json_object_get(places, number))
                json_object_set_new(places, number, json_integer((json_int_t)json_object_size(places)));
    return places;
}

static size_t *find_clusters(arena *a, const json_t *clusters, const json_t *places)
{
    size_t *out = ARENA_ARRAY(a, size_t, json_object_size(places) + 1);
    json_t *seen = json_object(), *place;
    const char *number;
    char name[256];
    json_object_foreach((json_t *)(uintptr_t)places, number, place)
    {
        const json_t *cluster = json_object_get(clusters, number);
        if (json_is_string(cluster))
            snprintf(name, sizeof name, "name %s", json_string_value(cluster));
        else
            snprintf(name, sizeof name, "%s %" JSON_INTEGER_FORMAT, cluster ? "number" : "alone", json_integer_value(cluster ? cluster : place));
        if (!json_object_get(seen, name))
            json_object_set_new(seen, name, json_integer((json_int_t)json_object_size(seen)));
        if (out)
            out[json_integer_value(place)] = (size_t)json_integer_value(json_object_get(seen, name));
    }
    json_decref(seen);
    return out;
}

static status find_trend(arena *a, const lineup *l, const json_t *clusters, double chance, const char *purpose, trend *out, error *err)
{
    json_t *places = find_samples(l), *value;
    size_t examples = json_object_size(places);
    double *scores = ARENA_ARRAY(a, double, l->count * examples + 1), *sizes = ARENA_ARRAY(a, double, l->count + 1);
    size_t *groups = clusters ? find_clusters(a, clusters, places) : NULL;
    if (!scores || !sizes || (clusters && !groups)) {
        json_decref(places);
        return no_memory(err);
    }
    for (size_t i = 0; i < l->count * examples; i++)
        scores[i] = NAN;
    for (size_t i = 0; i < l->count; i++) {
        const char *number;
        sizes[i] = size_of(l->f, l->members[i]);
        json_object_foreach((json_t *)(uintptr_t)l->scores[i], number, value)
            scores[i * examples + (size_t)json_integer_value(json_object_get(places, number))] = json_number_value(value);
    }
    json_decref(places);
    trend_data d = {.sizes = sizes, .models = l->count, .scores = scores, .examples = examples, .clusters = groups, .baseline = chance,
                    .seed = 1, .purpose = purpose};
    return trend_find(a, &d, out, err);
}

/* ---- in words --------------------------------------------------------------------------------------------------- */

/* How a measure is written. Measures that are not listed are numbers of which nobody says what is better. */
typedef struct measure_row {
    const char *name, *words;
    bool share;       /* shown in per cent */
    bool better;      /* larger scores are better; else they only rise */
    bool over_tokens; /* not compared between tokenizers */
    int sign;         /* of what readers see: -1 for losses, whose scores have their sign changed */
} measure_row;

static const measure_row measures[] = {
    {"good", "good answers", true, true, false, 1},
    {"accuracy", "accuracy", true, true, false, 1},
    {"loss", "loss", false, true, true, -1},
    {"classification_acc", "classification_acc", true, true, false, 1},
    {"classification_loss", "classification_loss", false, true, true, -1},
    {"sequence_prob", "sequence_prob", false, true, true, -1},
    {"logodds", "logodds", false, true, true, -1},
    {"absolute_logodds", "absolute_logodds", false, true, true, -1},
    {"matching", "matching", true, false, false, 1},
    {"exact", "exact", true, true, false, 1},
    {"pattern", "pattern", true, true, false, 1},
    {"number", "number", true, true, false, 1},
    {"graded", "graded", true, true, false, 1},
};

static measure_row measure_of(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(measures); i++)
        if (strcmp(measures[i].name, name) == 0)
            return measures[i];
    return (measure_row){name, name, false, false, false, 1};
}

bool scaling_is_share(const json_t *form)
{
    const char *metric = json_string_value(json_object_get(form, "metric"));
    return !metric || measure_of(metric).share;
}

/* "93.1 %", "0.213 nats". */
static void write_value(measure_row m, double value, char *out, size_t size)
{
    if (m.share)
        snprintf(out, size, "%.1f %%", 100 * value);
    else
        snprintf(out, size, m.over_tokens ? "%.3f nats" : "%.4g", m.sign * value + 0.0);
}

/* "-15.1 points [-17.0, -13.2]"; of a loss as it is read, so that a rising one is positive. */
static void write_change(measure_row m, double value, interval limits, char *out, size_t size)
{
    double scale = m.share ? 100 : m.sign, low = m.sign < 0 ? limits.high : limits.low, high = m.sign < 0 ? limits.low : limits.high;
    const char *form = m.share ? "%+.1f points [%+.1f, %+.1f]" : m.over_tokens ? "%+.3f nats [%+.3f, %+.3f]" : "%+.4g [%+.4g, %+.4g]";
    snprintf(out, size, form, scale * value + 0.0, scale * low + 0.0, scale * high + 0.0);
}

static void write_size(double size, char *out, size_t room)
{
    static const struct {
        double from;
        const char *letter;
    } units[] = {{1e12, " T"}, {1e9, " B"}, {1e6, " M"}, {1e3, " k"}};
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (size >= units[i].from) {
            snprintf(out, room, "%.3g%s", size / units[i].from, units[i].letter);
            return;
        }
    snprintf(out, room, "%.3g", size);
}

/* What a class means where larger is better, and where it is only larger. */
static const char *const class_words[TREND_CLASS_COUNT][2] = {
    [TREND_UNCLASSED] = {"has no class", "has no class"},
    [TREND_STANDARD] = {"rises with size", "gets better with size (standard)"},
    [TREND_INVERSE] = {"falls with size", "gets worse with size (inverse scaling)"},
    [TREND_U_SHAPED] = {"falls with size and then rises (U-shaped)", "gets worse with size and then better (U-shaped)"},
    [TREND_INVERTED_U] = {"rises with size and then falls (inverted U)", "gets better with size and then worse (inverted U)"},
    [TREND_FLAT] = {"does not change with size (flat: less than .02 per factor of 10)", "does not change with size (flat: less than .02 per factor of 10)"},
    [TREND_UNCLEAR] = {"may or may not change with size (unclear)", "may or may not change with size (unclear)"},
};

static json_t *say(const lineup *l, const char *form, const char *measure, const trend *t)
{
    measure_row m = measure_of(measure);
    char first[48], last[48], from[24], to[24], change[96], words[128];
    snprintf(words, sizeof words, "%s", form);
    for (char *at = words; *at; at++)
        *at = *at == '_' ? ' ' : *at;
    write_value(m, t->m[0], first, sizeof first);
    write_value(m, t->m[t->sizes - 1], last, sizeof last);
    write_size(t->size[0], from, sizeof from);
    write_size(t->size[t->sizes - 1], to, sizeof to);
    write_change(m, t->fit.slope, t->slope_limits, change, sizeof change);
    return json_sprintf("%s%s%s (%s) %s%s%s: %s at %s parameters, %s at %s, %s per factor of 10%s.", words, l->label[0] ? ", " : "", l->label,
                        m.words, class_words[t->class][m.better], t->reason ? ", " : "", t->reason ? t->reason : "", first, from, last, to,
                        change, t->monotone ? ", the same way at every step" : "");
}

/* ---- as JSON ---------------------------------------------------------------------------------------------------- */

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *numbers(const double *values, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, number(values[i]));
    return list;
}

static json_t *estimate(double value, interval limits)
{
    return json_pack("{s:o, s:o, s:o}", "estimate", number(value), "low", number(limits.low), "high", number(limits.high));
}

static json_t *trend_json(const lineup *l, const char *form, const char *measure, const trend *t)
{
    json_t *seeds = json_array();
    for (size_t i = 0; i < t->sizes; i++)
        json_array_append_new(seeds, json_integer((json_int_t)t->seeds[i]));
    json_t *out = json_pack("{s:s, s:s, s:s, s:s, s:s?, s:o}", "form", form, "measure", measure, "series", l->label, "class",
                            trend_word(t->class), "reason", t->reason, "words", say(l, form, measure, t));
    json_object_set_new(out, "sizes", numbers(t->size, t->sizes));
    json_object_set_new(out, "values", numbers(t->m, t->sizes));
    json_object_set_new(out, "sem", numbers(t->sem, t->sizes));
    json_object_set_new(out, "models", seeds);
    json_object_set_new(out, "slope", estimate(t->fit.slope, t->slope_limits));
    json_object_set_new(out, "slope_sure", estimate(t->fit.slope, t->slope_sure));
    json_object_set_new(out, "turn", estimate(t->fit.c2, t->c2_limits));
    json_object_set_new(out, "turn_sure", estimate(t->fit.c2, t->c2_sure));
    json_object_set_new(out, "vertex", number(pow(10, t->fit.vertex)));
    json_object_set_new(out, "effect", estimate(t->effect, t->effect_limits));
    json_object_set_new(out, "above_chance", estimate(t->above_baseline, t->above_limits));
    json_object_set_new(out, "monotone", json_boolean(t->monotone));
    json_object_set_new(out, "reversals", json_integer((json_int_t)t->reversals));
    json_object_set_new(out, "spearman", number(t->spearman));
    json_object_set_new(out, "between_seeds", number(t->between_seeds));
    return out;
}

static bool one_tokenizer(const lineup *l)
{
    for (size_t i = 0; i < l->count; i++) {
        const char *mine = l->f->members[l->members[i]].tokenizer, *first = l->f->members[l->members[0]].tokenizer;
        if (!mine || !first || strcmp(mine, first) != 0)
            return false;
    }
    return true;
}

/* What follows from sizes that were not trained on the same number of tokens. */
static bool one_amount(const lineup *l)
{
    for (size_t i = 0; i < l->count; i++) {
        double mine = l->f->members[l->members[i]].tokens, first = l->f->members[l->members[0]].tokens;
        if (mine > 0 && first > 0 && fabs(mine - first) > .05 * first)
            return false;
    }
    return true;
}

static status add_trend(const family *f, size_t first, const json_t *scores, const char *form, const char *measure, double chance, json_t *out,
                        error *err)
{
    arena *a = arena_new(NULL);
    lineup l;
    trend t;
    status result = a ? find_lineup(a, f, first, scores, form, measure, &l, err) : no_memory(err);
    if (result == STATUS_OK && l.count > 0 && different_sizes(&l) > 1) {
        const json_t *clusters = json_object_get(json_object_get(json_array_get(scores, l.members[0]), form), "cluster");
        const char *purpose = arena_printf(a, "trend/%s/%s/%s", form, measure, l.label);
        static const char refused[] = "losses over different tokenizers are not compared";
        if (measure_of(measure).over_tokens && !one_tokenizer(&l)) {
            json_array_append_new(out, json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "form", form, "measure", measure, "series", l.label, "class",
                                                 "refused", "reason", refused, "words", json_sprintf("%s, %s: %s.", form, measure, refused)));
        } else {
            result = purpose ? find_trend(a, &l, clusters, measure_of(measure).share ? chance : NAN, purpose, &t, err) : no_memory(err);
            if (result == STATUS_OK) {
                json_t *entry = trend_json(&l, form, measure, &t);
                json_object_set_new(entry, "same_tokens", json_boolean(one_amount(&l)));
                json_array_append_new(out, entry);
            }
        }
    }
    arena_free(a);
    return result;
}

/* The forms of the first member that has any scores, with the measures of each. */
status scaling_trends(const family *f, const json_t *summaries, const json_t *scores, json_t **out, error *err)
{
    const json_t *model = NULL;
    const char *form, *measure;
    json_t *of, *values;
    status result = STATUS_OK;
    *out = json_array();
    for (size_t i = 0; i < f->count && json_object_size(model) == 0; i++)
        model = json_array_get(scores, i);
    json_object_foreach((json_t *)(uintptr_t)model, form, of)
    {
        const json_t *chance = json_object_get(json_object_get(json_object_get(json_array_get(summaries, 0), "forms"), form), "chance");
        json_object_foreach(of, measure, values)
            for (size_t first = 0; first < f->count && result == STATUS_OK && strcmp(measure, "cluster") != 0; first++)
                result = add_trend(f, first, scores, form, measure, json_is_number(chance) ? json_number_value(chance) : NAN, *out, err);
    }
    if (result == STATUS_OK)
        return STATUS_OK;
    json_decref(*out);
    *out = NULL;
    return result;
}

/* ---- for reports ------------------------------------------------------------------------------------------------ */

void scaling_findings(const json_t *trends, size_t most, json_t *findings)
{
    size_t counts[TREND_CLASS_COUNT] = {0}, told = 0, left = 0, mixed = 0;
    for (size_t i = 0; i < json_array_size(trends); i++) {
        const json_t *t = json_array_get(trends, i), *same = json_object_get(t, "same_tokens");
        const char *class = json_string_value(json_object_get(t, "class"));
        mixed += json_is_false(same);
        bool beside = strcmp(json_string_value(json_object_get(t, "measure")), "loss") == 0; /* of an accuracy, which is told */
        if (beside && strcmp(class, "refused") != 0)
            continue;
        if (told < most) {
            json_array_append(findings, json_object_get(t, "words"));
            told++;
            continue;
        }
        left++;
        for (int c = 0; c < TREND_CLASS_COUNT; c++)
            counts[c] += strcmp(class, trend_word((trend_class)c)) == 0;
    }
    if (left)
        json_array_append_new(findings, json_sprintf("Of %zu more trends %zu are standard, %zu inverse, %zu U-shaped, %zu inverted-U, %zu flat, %zu unclear.",
                                                     left, counts[TREND_STANDARD], counts[TREND_INVERSE], counts[TREND_U_SHAPED],
                                                     counts[TREND_INVERTED_U], counts[TREND_FLAT], counts[TREND_UNCLEAR]));
    if (mixed)
        json_array_append_new(findings, json_string("The models were trained on different numbers of tokens: their trends are of size and of data together."));
}

static json_t *change_text(const json_t *t, const char *key)
{
    const json_t *e = json_object_get(t, key);
    const char *measure = json_string_value(json_object_get(t, "measure"));
    char text[96];
    if (!json_is_number(json_object_get(e, "estimate")) || !json_is_number(json_object_get(e, "low")))
        return json_null();
    write_change(measure_of(measure), json_number_value(json_object_get(e, "estimate")),
                 (interval){json_number_value(json_object_get(e, "low")), json_number_value(json_object_get(e, "high"))}, text, sizeof text);
    return json_string(text);
}

json_t *scaling_table(const json_t *trends)
{
    if (json_array_size(trends) == 0)
        return NULL;
    json_t *rows = json_array();
    bool series = false;
    for (size_t i = 0; i < json_array_size(trends); i++) {
        const json_t *t = json_array_get(trends, i), *monotone = json_object_get(t, "monotone");
        const char *label = json_string_value(json_object_get(t, "series"));
        series = series || (label && label[0]);
        json_array_append_new(rows, json_pack("{s:O, s:O, s:O, s:O, s:o, s:o, s:o, s:O?}", "form", json_object_get(t, "form"), "measure",
                                              json_object_get(t, "measure"), "series", json_object_get(t, "series"), "class",
                                              json_object_get(t, "class"), "slope", change_text(t, "slope"), "effect", change_text(t, "effect"),
                                              "monotone", json_is_boolean(monotone) ? json_incref((json_t *)(uintptr_t)monotone) : json_null(),
                                              "spearman", json_object_get(t, "spearman")));
    }
    json_t *columns = json_pack("[{s:s,s:s,s:s}, {s:s,s:s,s:s}]", "key", "form", "label", "form", "kind", "text", "key", "measure", "label",
                                "measure", "kind", "text");
    if (series)
        json_array_append_new(columns, json_pack("{s:s,s:s,s:s}", "key", "series", "label", "series", "kind", "text"));
    json_t *more = json_pack("[{s:s,s:s,s:s}, {s:s,s:s,s:s}, {s:s,s:s,s:s}, {s:s,s:s,s:s}, {s:s,s:s,s:s}]", "key", "class", "label", "trend",
                             "kind", "text", "key", "slope", "label", "per factor of 10", "kind", "text", "key", "effect", "label",
                             "largest against smallest", "kind", "text", "key", "monotone", "label", "strictly", "kind", "text", "key", "spearman",
                             "label", "Spearman", "kind", "number");
    json_array_extend(columns, more);
    json_decref(more);
    return json_pack("{s:s, s:s, s:o, s:o}", "title", "Trends over size", "note",
                     "Weighted line over the logarithm of the parameters; 95 % limits from 2,000 draws over items (the same for all "
                     "models) and seeds. The rules of the classes are in src/stats/trend.h.",
                     "columns", columns, "rows", rows);
}
