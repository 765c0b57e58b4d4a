/* The document of the page: several runs of one study become one picture. */
#include "report/parts.h"

#include "run/family.h"
#include "run/study.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* "are_you_sure" is "are you sure" to a reader. */
static const char *words_of(const char *key, char *words, size_t size)
{
    snprintf(words, size, "%s", key);
    for (char *at = words; *at; at++)
        *at = *at == '_' ? ' ' : *at;
    return words;
}

double report_dose(const json_t *run, const char *form)
{
    const json_t *plant = json_object_get(run, "plant"), *dose = json_object_get(plant, "dose");
    const json_t *forms = json_object_get(plant, "forms");
    const char *failure = json_string_value(json_object_get(plant, "failure"));
    if (!json_is_number(dose))
        return NAN;
    if (failure && strcmp(failure, "any") != 0 && strcmp(failure, text_of(run, "study")) != 0)
        return 0; /* clean, or another failure */
    if (!json_is_array(forms) || json_array_size(forms) == 0)
        return json_number_value(dose);
    for (size_t i = 0; i < json_array_size(forms); i++) {
        const char *one = json_string_value(json_array_get(forms, i));
        if (one && (strcmp(one, form) == 0 || strcmp(one, "all") == 0))
            return json_number_value(dose);
    }
    return 0;
}

static const json_t *forms_of(const json_t *run)
{
    return json_object_get(json_object_get(run, "summary"), "forms");
}

static bool all_planted(const json_t *runs)
{
    for (size_t i = 0; i < json_array_size(runs); i++)
        if (isnan(report_dose(json_array_get(runs, i), "")))
            return false;
    return true;
}

static json_t *copy_of(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    return value ? json_incref(value) : json_null();
}

static json_t *interval_of(const json_t *form)
{
    return json_pack("[o, o, o]", copy_of(form, "estimate"), copy_of(form, "low"), copy_of(form, "high"));
}

/* A point for each run and form. With doses x is the dose and the series the form, else the label is the form and the
 * series the subject. */
static json_t *make_points(const json_t *runs, bool planted)
{
    json_t *points = json_array();
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i);
        const char *name;
        json_t *form;
        json_object_foreach((json_t *)(uintptr_t)forms_of(run), name, form)
        {
            json_t *point = json_pack("{s:o, s:o, s:o}", "y", copy_of(form, "estimate"), "low", copy_of(form, "low"), "high",
                                      copy_of(form, "high"));
            if (planted)
                json_object_set_new(point, "x", json_real(report_dose(run, name)));
            json_object_set_new(point, "series", json_string(planted ? name : text_of(run, "subject")));
            json_object_set_new(point, "label", json_string(planted ? text_of(run, "subject") : name));
            json_array_append_new(points, point);
        }
    }
    return points;
}

static json_t *make_chart(const json_t *runs, bool planted)
{
    if (planted)
        return json_pack("{s:s, s:s, s:s, s:{s:s}, s:{s:s}, s:o}", "kind", "dose", "title",
                         "Dose planted against rate measured", "note",
                         "Bars are 95 % intervals; the dashed line is where a true reading lies. An instrument check: the "
                         "planted dose and the reading count the same event.",
                         "x", "label", "dose planted", "y", "label", "excess measured", "points",
                         make_points(runs, true));
    return json_pack("{s:s, s:s, s:s, s:{s:s}, s:o}", "kind", "bars", "title", "Excess by form and subject", "note",
                     "Bars are 95 % intervals.", "y", "label", "excess", "points", make_points(runs, false));
}

/* The dose of the forms that were planted. */
static double planted_dose(const json_t *run)
{
    const char *form = json_string_value(json_array_get(json_object_get(json_object_get(run, "plant"), "forms"), 0));
    return report_dose(run, form ? form : "");
}

/* One row a run, one column a form. */
static json_t *make_table(const json_t *runs, bool planted)
{
    json_t *columns = json_pack("[{s:s, s:s}]", "key", "subject", "label", "subject"), *rows = json_array();
    if (planted)
        json_array_append_new(columns, json_pack("{s:s, s:s, s:s}", "key", "dose", "label", "dose planted", "kind", "share"));
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i);
        json_t *row = json_pack("{s:s}", "subject", text_of(run, "subject"));
        double dose = planted ? planted_dose(run) : NAN;
        json_object_set_new(row, "dose", isnan(dose) ? json_null() : json_real(dose));
        const char *name;
        json_t *form;
        json_object_foreach((json_t *)(uintptr_t)forms_of(run), name, form)
        {
            char label[96];
            bool known = false;
            for (size_t j = 0; j < json_array_size(columns); j++)
                known = known || strcmp(text_of(json_array_get(columns, j), "key"), name) == 0;
            if (!known)
                json_array_append_new(columns, json_pack("{s:s, s:s, s:s}", "key", name, "label",
                                                         words_of(name, label, sizeof label), "kind", "interval"));
            json_object_set_new(row, name, interval_of(form));
        }
        json_array_append_new(rows, row);
    }
    return json_pack("{s:s, s:s, s:o, s:o}", "title", planted ? "Dose and reading" : "Readings", "note",
                     "Excess over the same items without the user's view, with 95 % intervals.", "columns", columns, "rows",
                     rows);
}

/* In words, what the dose-response picture shows; counted from the readings, never assumed. */
static void add_dose_findings(const json_t *runs, json_t *findings)
{
    size_t readings = 0, covered = 0, without = 0;
    double worst = -1, dose_at_worst = 0, reading_at_worst = 0;
    const char *worst_form = "", *worst_subject = "";
    char label[96];
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i);
        const char *name;
        json_t *form;
        json_object_foreach((json_t *)(uintptr_t)forms_of(run), name, form)
        {
            const json_t *estimate = json_object_get(form, "estimate");
            if (!json_is_number(estimate)) {
                without++;
                continue;
            }
            double dose = report_dose(run, name), reading = json_number_value(estimate);
            double low = json_number_value(json_object_get(form, "low")), high = json_number_value(json_object_get(form, "high"));
            readings++;
            covered += dose >= low && dose <= high;
            if (fabs(reading - dose) > worst) {
                worst = fabs(reading - dose);
                dose_at_worst = dose;
                reading_at_worst = reading;
                worst_form = name;
                worst_subject = text_of(run, "subject");
            }
        }
    }
    if (readings) {
        json_array_append_new(findings, json_sprintf("%zu subjects with known doses gave %zu readings; the 95 %% interval "
                                                     "covers the planted dose in %zu of them.",
                                                     json_array_size(runs), readings, covered));
        json_t *farthest = json_sprintf("The reading farthest from its dose is %s on %s: %.1f %% where %.1f %% was planted.",
                                        words_of(worst_form, label, sizeof label), worst_subject, 100 * reading_at_worst,
                                        100 * dose_at_worst);
        json_array_append_new(findings, worst < 5e-4 ? json_string("Every reading equals its dose.") : farthest);
        if (worst < 5e-4)
            json_decref(farthest);
    }
    if (without)
        json_array_append_new(findings, json_sprintf("%zu readings could not be given; the runs say why.", without));
}

static int by_place(const void *a, const void *b)
{
    const json_t *x = json_object_get(*(json_t *const *)a, "member"), *y = json_object_get(*(json_t *const *)b, "member");
    double left = json_number_value(json_object_get(x, "x")), right = json_number_value(json_object_get(y, "x"));
    return (left > right) - (left < right);
}

/* Runs of members of one family: its curve, its table, what it says from the first member to the last. False: they are not, or
 * they are a list of subjects with known doses, which has a better picture. */
static bool add_family(const json_t *runs, json_t *findings, json_t *charts, json_t *tables)
{
    size_t count = json_array_size(runs);
    arena *a = arena_new(NULL);
    json_t **sorted = ARENA_ARRAY(a, json_t *, count), *members = json_array(), *summaries = json_array(), *figures = NULL;
    json_t *scores = json_array();
    int64_t *ids = ARENA_ARRAY(a, int64_t, count);
    family f;
    for (size_t i = 0; sorted && i < count; i++)
        sorted[i] = json_array_get(runs, i);
    if (sorted)
        qsort(sorted, count, sizeof *sorted, by_place);
    for (size_t i = 0; sorted && ids && i < count; i++) {
        ids[i] = json_integer_value(json_object_get(sorted[i], "run"));
        json_array_append(members, json_object_get(sorted[i], "member"));
        json_array_append(summaries, json_object_get(sorted[i], "summary"));
        json_array_append_new(scores, copy_of(sorted[i], "scores"));
    }
    bool is = sorted && ids && json_array_size(members) == count && family_of_members(a, members, &f) &&
              !(strcmp(f.name, "subjects") == 0 && all_planted(runs)) && family_figures(&f, summaries, scores, ids, &figures, NULL) == STATUS_OK;
    json_array_extend(findings, json_object_get(figures, "findings"));
    json_array_extend(charts, json_object_get(figures, "charts"));
    json_array_extend(tables, json_object_get(figures, "tables"));
    json_decref(figures);
    json_decref(members);
    json_decref(summaries);
    json_decref(scores);
    arena_free(a);
    return is;
}

json_t *report_run_part(const json_t *run, size_t most)
{
    json_t *chosen = report_choose_samples(json_object_get(run, "samples"), most), *samples = json_array();
    for (size_t i = 0; i < json_array_size(chosen); i++) {
        static const char *const kept[] = {"group", "verdict", "asked", "answered", "expected", "scored"};
        const json_t *sample = json_array_get(chosen, i), *record = json_object_get(sample, "record");
        json_t *one = json_object();
        json_object_set(one, "index", json_object_get(sample, "index"));
        for (size_t j = 0; j < COUNT_OF(kept); j++)
            if (json_is_string(json_object_get(record, kept[j])))
                json_object_set(one, kept[j], json_object_get(record, kept[j]));
        if (json_is_string(json_object_get(sample, "problem")))
            json_object_set(one, "problem", json_object_get(sample, "problem"));
        json_object_set_new(one, "turns", report_turns(json_object_get(sample, "transcript")));
        json_array_append_new(samples, one);
    }
    json_decref(chosen);
    const json_t *plant = json_object_get(run, "plant");
    json_t *number = json_object_get(run, "run");
    json_t *out = json_object();
    json_object_set_new(out, "run", json_is_integer(number) ? json_sprintf("%lld", (long long)json_integer_value(number))
                                                            : json_string(text_of(run, "run")));
    static const char *const same[] = {"study", "subject", "seed", "state", "sample_count", "parameters", "facts", "audit", "figures"};
    for (size_t i = 0; i < COUNT_OF(same); i++)
        json_object_set_new(out, same[i], copy_of(run, same[i]));
    if (strcmp(text_of(run, "subject"), STUDY_WITHOUT_SUBJECT) == 0)
        json_object_set_new(out, "subject", json_string("no subject"));
    double dose = planted_dose(run);
    json_object_set_new(out, "dose", isnan(dose) ? json_null() : json_real(dose));
    json_object_set_new(out, "dose_type", copy_of(plant, "dose_type"));
    json_object_set_new(out, "samples", samples);
    return out;
}

/* `told`: what a run noted of a study that is not of the catalogue. */
static json_t *make_study(const char *name, const json_t *told)
{
    for (size_t i = 0; i < study_catalogue_count; i++) {
        const study *s = study_catalogue[i];
        if (strcmp(s->name, name) == 0)
            return json_pack("{s:s, s:s, s:s?, s:s?}", "name", s->name, "title", s->title, "paper", s->paper, "about",
                             s->about);
    }
    const char *title = json_string_value(json_object_get(told, "title"));
    return json_pack("{s:s, s:s, s:s*, s:s*}", "name", name, "title", title ? title : name, "paper",
                     json_string_value(json_object_get(told, "paper")), "about", json_string_value(json_object_get(told, "about")));
}

json_t *report_study_part(const json_t *runs)
{
    json_t *findings = json_array(), *charts = json_array(), *tables = json_array();
    if (json_array_size(runs) > 1 && !add_family(runs, findings, charts, tables)) {
        bool planted = all_planted(runs);
        if (planted)
            add_dose_findings(runs, findings);
        json_array_append_new(charts, make_chart(runs, planted));
        json_array_append_new(tables, make_table(runs, planted));
    }
    const json_t *first = json_array_get(runs, 0);
    return json_pack("{s:o, s:o, s:o, s:o}", "study", make_study(text_of(first, "study"), json_object_get(first, "about")), "findings",
                     findings, "charts", charts, "tables", tables);
}

static bool of_one_study(const json_t *runs)
{
    for (size_t i = 1; i < json_array_size(runs); i++)
        if (strcmp(text_of(json_array_get(runs, i), "study"), text_of(json_array_get(runs, 0), "study")) != 0)
            return false;
    return true;
}

/* A study without subject asks nobody, and is named alone. */
static json_t *heading_of(const char *title, const json_t *runs)
{
    size_t count = json_array_size(runs);
    const char *who = text_of(json_array_get(runs, 0), "subject");
    if (strcmp(who, STUDY_WITHOUT_SUBJECT) == 0)
        return count == 1 ? json_string(title) : json_sprintf("%s: %zu runs", title, count);
    return count == 1 ? json_sprintf("%s: %s", title, who) : json_sprintf("%s: %zu subjects", title, count);
}

status report_document(const json_t *runs, const json_t *certificate, const char *made, json_t **out, error *err)
{
    size_t count = json_array_size(runs);
    if (!of_one_study(runs))
        return report_suite(runs, NULL, made, out, err);
    json_t *list = json_array(), *part = report_study_part(runs);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, report_run_part(json_array_get(runs, i), REPORT_SAMPLES));
    if (count == 0)
        json_object_set_new(part, "study", make_study(text_of(certificate, "study"), NULL));
    const char *title = text_of(json_object_get(part, "study"), "title");
    json_t *heading = count > 0 ? heading_of(title, runs)
                                : json_sprintf("%s: %s", json_is_true(json_object_get(certificate, "spike")) ? "Spike recovery" : "Certificate", title);
    *out = json_pack("{s:s, s:s, s:o, s:O, s:O, s:O, s:O, s:o, s:O?}", "assay", ASSAY_VERSION, "made", made, "title", heading, "study",
                     json_object_get(part, "study"), "findings", json_object_get(part, "findings"), "charts",
                     json_object_get(part, "charts"), "tables", json_object_get(part, "tables"), "runs", list, "certificate", certificate);
    json_decref(part);
    return *out ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory, or a text that is not UTF-8");
}
