/* The document of several studies: claims that are tested together, and a section for each study. */
#include "report/parts.h"

#include "core/jsonio.h"
#include "run/figure.h"
#include "run/short_name.h"
#include "run/study.h"
#include "stats/multiple.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A page over many runs shows fewer transcripts of each. */
enum { FEW_RUNS = 4, SUITE_SAMPLES = 48, MOST_NAMED = 6 };

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static bool same_text(const json_t *a, const json_t *b, const char *key)
{
    return strcmp(text_of(a, key), text_of(b, key)) == 0;
}

/* ---- claims ----------------------------------------------------------------------------------------------------- */

/* What a reader calls a subject: its short name, unless another subject of the report has the same one. */
static json_t *shown(const json_t *runs, const char *who)
{
    char name[SHORT_NAME], other[SHORT_NAME];
    json_t *run;
    size_t i;
    short_name(name, who);
    json_array_foreach((json_t *)(uintptr_t)runs, i, run) {
        short_name(other, text_of(run, "subject"));
        if (strcmp(name, other) == 0 && strcmp(who, text_of(run, "subject")) != 0)
            return json_string(who);
    }
    return json_string(name);
}

static json_t *claim_of(const json_t *runs, const json_t *run, const json_t *said)
{
    static const char *const kept[] = {"form", "says", "unit", "estimate", "low", "high", "p", "holds"};
    json_t *claim = json_pack("{s:s, s:O, s:s, s:o}", "study", text_of(run, "study"), "run", json_object_get(run, "run"), "subject",
                              text_of(run, "subject"), "name", shown(runs, text_of(run, "subject")));
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        if (json_object_get(said, kept[i]))
            json_object_set(claim, kept[i], json_object_get(said, kept[i]));
    if (json_is_string(json_object_get(said, "reason")))
        json_object_set(claim, "why", json_object_get(said, "reason"));
    return claim;
}

/* Found: unlikely enough among all that was tested, and not explained by the study's own controls. */
static void judge(json_t *claim, double p_holm)
{
    bool against = json_is_false(json_object_get(claim, "holds"));
    json_object_set_new(claim, "p_holm", jsonio_number(p_holm));
    json_object_set_new(claim, "found", isnan(p_holm) ? json_null() : json_boolean(p_holm < REPORT_CLAIM_LEVEL && !against));
    if (!isnan(p_holm) && p_holm < REPORT_CLAIM_LEVEL && against)
        json_object_set_new(claim, "why", json_string("the study's controls explain it, or it is too small"));
    if (isnan(p_holm) && !json_object_get(claim, "why"))
        json_object_set_new(claim, "why", json_string("there is no figure"));
}

json_t *report_claims(const json_t *runs)
{
    json_t *claims = json_array(), *run, *said;
    size_t i, k;
    json_array_foreach((json_t *)(uintptr_t)runs, i, run)
        json_array_foreach(json_object_get(json_object_get(run, "figures"), "claims"), k, said)
            json_array_append_new(claims, claim_of(runs, run, said));
    size_t count = json_array_size(claims);
    double *p = memory_alloc((2 * count + 1) * sizeof *p);
    for (i = 0; p && i < count; i++)
        p[i] = jsonio_number_at(json_array_get(claims, i), "p");
    if (!p || !holm(p, count, p + count)) {
        json_decref(claims);
        claims = NULL;
    }
    for (i = 0; i < json_array_size(claims); i++)
        judge(json_array_get(claims, i), p[count + i]);
    memory_free(p);
    return claims;
}

/* ---- claims in words -------------------------------------------------------------------------------------------- */

static void add_figure(strbuf *out, const json_t *claim)
{
    bool share = strcmp(text_of(claim, "unit"), "number") != 0;
    double estimate = jsonio_number_at(claim, "estimate"), low = jsonio_number_at(claim, "low"), high = jsonio_number_at(claim, "high");
    if (isnan(estimate))
        strbuf_add(out, "no figure");
    else if (share)
        strbuf_printf(out, "%.1f %%", 100 * estimate + 0.0);
    else
        strbuf_printf(out, "%+.3f", estimate);
    if (!isnan(estimate) && !isnan(low))
        strbuf_printf(out, share ? " [%.1f, %.1f]" : " [%+.3f, %+.3f]", (share ? 100 : 1) * low, (share ? 100 : 1) * high);
}

static const char *verdict_of(const json_t *claim)
{
    const json_t *found = json_object_get(claim, "found");
    return json_is_true(found) ? "found" : json_is_false(found) ? "not found" : "not tested";
}

static bool same_claim(const json_t *a, const json_t *b)
{
    return same_text(a, b, "study") && same_text(a, b, "form") && same_text(a, b, "says");
}

static void add_subjects(strbuf *out, const json_t *claims, const json_t *first)
{
    size_t i, named = 0, found = 0, tested = 0, all = 0;
    json_t *claim;
    json_array_foreach((json_t *)(uintptr_t)claims, i, claim) {
        if (!same_claim(claim, first))
            continue;
        all++;
        found += json_is_true(json_object_get(claim, "found"));
        tested += !json_is_null(json_object_get(claim, "found"));
    }
    if (all > MOST_NAMED) {
        strbuf_printf(out, "found in %zu of %zu subjects that could be tested", found, tested);
        return;
    }
    json_array_foreach((json_t *)(uintptr_t)claims, i, claim) {
        if (!same_claim(claim, first))
            continue;
        strbuf_printf(out, "%s%s ", named++ ? "; " : "", text_of(claim, "name"));
        add_figure(out, claim);
        strbuf_printf(out, ", %s", verdict_of(claim));
        if (*text_of(claim, "why"))
            strbuf_printf(out, " (%s)", text_of(claim, "why"));
    }
}

static void add_words(strbuf *out, const char *text)
{
    for (; *text; text++)
        strbuf_add_char(out, *text == '_' ? ' ' : *text);
}

/* "Sycophancy, answer: the subject gives ... A 49.2 % [40.1, 58.3], found; B ..." */
static void say_claims(const json_t *claims, json_t *findings)
{
    for (size_t i = 0; i < json_array_size(claims); i++) {
        const json_t *claim = json_array_get(claims, i);
        bool told = false;
        for (size_t k = 0; k < i; k++)
            told = told || same_claim(json_array_get(claims, k), claim);
        if (told)
            continue;
        strbuf text = strbuf_new(NULL, 1 << 20);
        strbuf_add(&text, text_of(claim, "study"));
        strbuf_add(&text, ", ");
        add_words(&text, text_of(claim, "form"));
        strbuf_printf(&text, " (the subject %s): ", text_of(claim, "says"));
        add_subjects(&text, claims, claim);
        strbuf_add_char(&text, '.');
        json_array_append_new(findings, json_string(text.text ? text.text : ""));
        strbuf_free(&text);
    }
}

static void say_all(const json_t *claims, json_t *findings)
{
    size_t i, found = 0, tested = 0;
    json_t *claim;
    json_array_foreach((json_t *)(uintptr_t)claims, i, claim) {
        found += json_is_true(json_object_get(claim, "found"));
        tested += !json_is_null(json_object_get(claim, "found"));
    }
    if (tested)
        json_array_append_new(findings, json_sprintf("%zu of %zu failures tested for were found: p < %.2f after Holm's correction over all of these tests, and not "
                                                     "explained by the controls of their study.", found, tested, REPORT_CLAIM_LEVEL));
}

/* The same part left out for the same reason is one sentence, whoever the subjects are. */
static void say_left_out(const json_t *call, json_t *findings)
{
    const json_t *all = json_object_get(call, "left_out");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *one = json_array_get(all, i);
        bool told = false;
        for (size_t k = 0; k < i; k++)
            told = told || (same_text(json_array_get(all, k), one, "part") && same_text(json_array_get(all, k), one, "reason"));
        if (told)
            continue;
        strbuf names = strbuf_new(NULL, 1 << 16);
        size_t named = 0;
        for (size_t k = i; k < json_array_size(all); k++) {
            const json_t *other = json_array_get(all, k);
            char name[SHORT_NAME];
            short_name(name, text_of(other, "subject"));
            if (same_text(other, one, "part") && same_text(other, one, "reason"))
                strbuf_printf(&names, "%s%s", named++ ? ", " : "", name);
        }
        json_array_append_new(findings, json_sprintf("Left out: %s on %s: %s.", text_of(one, "part"), names.text ? names.text : "", text_of(one, "reason")));
        strbuf_free(&names);
    }
}

/* Failed samples are told where everything else is. */
static void say_failed(const json_t *runs, json_t *findings)
{
    size_t i;
    json_t *run;
    json_array_foreach((json_t *)(uintptr_t)runs, i, run) {
        long long failed = (long long)json_integer_value(json_object_get(json_object_get(run, "facts"), "failed_samples"));
        char name[SHORT_NAME];
        short_name(name, text_of(run, "subject"));
        if (failed > 0)
            json_array_append_new(findings, json_sprintf("%lld of %lld samples of %s on %s failed; its figures are those of the others.", failed,
                                                         (long long)json_integer_value(json_object_get(run, "sample_count")),
                                                         text_of(run, "study"), name));
    }
}

/* ---- claims as a table and a picture ---------------------------------------------------------------------------- */

static json_t *p_text(const json_t *claim, const char *key)
{
    double p = jsonio_number_at(claim, key);
    return isnan(p) ? json_string("–") : p < 1e-4 ? json_string("< .0001") : json_sprintf("%.4f", p);
}

static json_t *claim_table(const json_t *claims)
{
    json_t *rows = json_array(), *claim;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)claims, i, claim) {
        strbuf figure = strbuf_new(NULL, 1 << 12);
        add_figure(&figure, claim);
        json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:s}", "study", text_of(claim, "study"), "form",
                                              text_of(claim, "form"), "subject", text_of(claim, "name"), "figure", figure.text ? figure.text : "",
                                              "p", p_text(claim, "p"), "holm", p_text(claim, "p_holm"), "verdict", verdict_of(claim), "why",
                                              text_of(claim, "why")));
        strbuf_free(&figure);
    }
    json_t *columns = json_pack("[o, o, o, o, o, o, o, o]", figure_column("study", "Study", "text"), figure_column("form", "Form", "text"),
                                figure_column("subject", "Subject", "text"), figure_column("figure", "Figure [95 % interval]", "text"),
                                figure_column("p", "p", "text"), figure_column("holm", "p, Holm", "text"),
                                figure_column("verdict", "Verdict", "text"), figure_column("why", "Why", "text"));
    return json_pack("{s:s, s:s, s:o, s:o}", "title", "What was tested", "note",
                     "p: of the test that the subject has no such failure, as the study says. Holm: adjusted over all rows, so that among "
                     "failures that are not there one is found in at most 1 of 100 reports. Not found does not mean that it is not there.",
                     "columns", columns, "rows", rows);
}

static json_t *claim_chart(const json_t *claims, const char *unit, const char *title)
{
    json_t *points = json_array(), *claim;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)claims, i, claim) {
        bool number = strcmp(text_of(claim, "unit"), "number") == 0;
        if (number != (strcmp(unit, "number") == 0) || isnan(jsonio_number_at(claim, "estimate")))
            continue;
        json_array_append_new(points, json_pack("{s:o, s:O, s:O, s:O, s:s}", "label",
                                                json_sprintf("%s: %s", text_of(claim, "study"), text_of(claim, "form")), "y",
                                                json_object_get(claim, "estimate"), "low", json_object_get(claim, "low"), "high",
                                                json_object_get(claim, "high"), "series", text_of(claim, "name")));
    }
    json_t *chart = json_pack("{s:s, s:s, s:s, s:{s:s}, s:o}", "kind", "bars", "title", title, "note", "Bars are 95 % intervals.", "y", "label",
                              "figure", "points", points);
    if (strcmp(unit, "number") == 0)
        json_object_set_new(chart, "unit", json_string("number"));
    return chart;
}

static void add_charts(const json_t *claims, json_t *charts)
{
    static const struct {
        const char *unit, *title;
    } kinds[] = {{"share", "Failures that were tested for"}, {"number", "Scores that were tested"}};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        json_t *chart = claim_chart(claims, kinds[i].unit, kinds[i].title);
        if (json_array_size(json_object_get(chart, "points")) > 0)
            json_array_append(charts, chart);
        json_decref(chart);
    }
}

/* ---- sections --------------------------------------------------------------------------------------------------- */

static bool of_section(const json_t *run, const json_t *first)
{
    return same_text(run, first, "study") && json_equal(json_object_get(run, "parameters"), json_object_get(first, "parameters"));
}

/* Where the runs say nothing together, each says its first sentences. */
static void add_own_findings(const json_t *own, json_t *findings)
{
    enum { MOST_TOLD = 3 };
    json_t *run;
    size_t i;
    if (json_array_size(own) < 2 || json_array_size(findings) > 0)
        return;
    json_array_foreach((json_t *)(uintptr_t)own, i, run) {
        const json_t *said = json_object_get(json_object_get(run, "figures"), "findings");
        json_t *name = shown(own, text_of(run, "subject"));
        for (size_t k = 0; k < json_array_size(said) && k < MOST_TOLD; k++)
            json_array_append_new(findings, json_sprintf("%s: %s", json_string_value(name), json_string_value(json_array_get(said, k))));
        json_decref(name);
    }
}

static json_t *section_of(const json_t *runs, const json_t *first)
{
    json_t *own = json_array(), *places = json_array(), *run;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)runs, i, run)
        if (of_section(run, first)) {
            json_array_append(own, run);
            json_array_append_new(places, json_integer((json_int_t)i));
        }
    json_t *section = report_study_part(own);
    add_own_findings(own, json_object_get(section, "findings"));
    json_object_set(section, "parameters", json_object_get(first, "parameters"));
    json_object_set_new(section, "runs", places);
    json_decref(own);
    return section;
}

static json_t *sections_of(const json_t *runs)
{
    json_t *sections = json_array();
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i);
        bool there = strcmp(text_of(json_array_get(runs, i), "subject"), STUDY_WITHOUT_SUBJECT) == 0;
        for (size_t k = 0; k < i; k++)
            there = there || of_section(json_array_get(runs, k), run);
        if (!there)
            json_array_append_new(sections, section_of(runs, run));
    }
    return sections;
}

/* ---- the document ----------------------------------------------------------------------------------------------- */

/* Of the first run that has one. */
static const char *subject_of(const json_t *runs)
{
    size_t i = 0;
    while (i + 1 < json_array_size(runs) && strcmp(text_of(json_array_get(runs, i), "subject"), STUDY_WITHOUT_SUBJECT) == 0)
        i++;
    return text_of(json_array_get(runs, i), "subject");
}

static size_t count_subjects(const json_t *runs)
{
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(runs); i++) {
        bool there = strcmp(text_of(json_array_get(runs, i), "subject"), STUDY_WITHOUT_SUBJECT) == 0;
        for (size_t k = 0; k < i; k++)
            there = there || same_text(json_array_get(runs, i), json_array_get(runs, k), "subject");
        count += !there;
    }
    return count;
}

status report_suite(const json_t *runs, const json_t *call, const char *made, json_t **out, error *err)
{
    json_t *claims = report_claims(runs), *findings = json_array(), *charts = json_array(), *tables = json_array(), *list = json_array();
    json_t *notes = json_array();
    json_t *sections = sections_of(runs);
    size_t count = json_array_size(runs), subjects = count_subjects(runs);
    if (!claims)
        return error_set(err, STATUS_MEMORY, "out of memory for a report");
    say_all(claims, findings);
    say_claims(claims, findings);
    say_failed(runs, notes);
    say_left_out(call, notes);
    json_array_extend(findings, notes);
    add_charts(claims, charts);
    if (json_array_size(claims) > 0)
        json_array_append_new(tables, claim_table(claims));
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, report_run_part(json_array_get(runs, i), count > FEW_RUNS ? SUITE_SAMPLES : REPORT_SAMPLES));
    const char *title = *text_of(call, "title") ? text_of(call, "title") : "Several studies";
    json_t *heading = subjects == 0   ? json_string(title)
                      : subjects == 1 ? json_sprintf("%s: %s", title, subject_of(runs))
                                      : json_sprintf("%s: %zu subjects", title, subjects);
    json_t *suite = call ? json_pack("{s:s, s:s*}", "name", text_of(call, "suite"), "about", json_string_value(json_object_get(call, "about")))
                         : json_null();
    *out = json_pack("{s:s, s:s, s:o, s:n, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:n}", "assay", ASSAY_VERSION, "made", made, "title", heading,
                     "study", "suite", suite, "findings", findings, "notes", notes, "charts", charts, "tables", tables, "claims", claims, "sections", sections,
                     "runs", list, "certificate");
    return *out ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory, or a text that is not UTF-8");
}

/* ---- on a terminal ---------------------------------------------------------------------------------------------- */

/* What a section prints: its own figures, and those of its single run. */
static void print_section(const json_t *document, const json_t *section, const char *what, bool bold, strbuf *out)
{
    const json_t *places = json_object_get(section, "runs"), *runs = json_object_get(document, "runs");
    const json_t *single = json_array_get(runs, (size_t)json_integer_value(json_array_get(places, 0)));
    const json_t *from[] = {section, json_array_size(places) == 1 ? json_object_get(single, "figures") : NULL};
    for (size_t i = 0; i < COUNT_OF(from); i++) {
        json_t *figures = json_object();
        if (json_object_get(from[i], what))
            json_object_set(figures, what, json_object_get(from[i], what));
        report_print_figures(figures, bold, out);
        json_decref(figures);
    }
}

void report_print_suite(const json_t *document, bool bold, strbuf *out)
{
    static const char *const what[] = {"findings", "tables"};
    strbuf_printf(out, "%s\n\n", text_of(document, "title"));
    for (size_t w = 0; w < COUNT_OF(what); w++) {
        json_t *own = json_object(), *section;
        size_t i;
        json_object_set(own, what[w], json_object_get(document, what[w]));
        report_print_figures(own, bold, out);
        json_decref(own);
        json_array_foreach(json_object_get(document, "sections"), i, section) {
            const char *title = text_of(json_object_get(section, "study"), "title");
            strbuf_printf(out, "\n%s%s%s\n", bold ? "\033[1m" : "", title, bold ? "\033[0m" : "");
            print_section(document, section, what[w], bold, out);
        }
    }
}
