/* The summary in words, tables and pictures. */
#include "studies/model_written/inside.h"

#include "core/jsonio.h"
#include "run/figure.h"
#include "stats/distribution.h"

#include <math.h>

static const char *const source_words[][2] = {
    {"world", "by the world's grammar"}, {"judge", "by the judge"}, {"people", "by people"}};

static json_int_t integer_at(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static json_t *copy(const json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);
    return v ? json_incref(v) : json_null();
}

/* ---- words ------------------------------------------------------------------------------------------------------ */

static void say_written(const json_t *sets, json_t *findings)
{
    json_int_t requests = 0, lost = 0, written = 0, kept = 0, malformed = 0, twice = 0;
    const char *name;
    const json_t *set;
    json_object_foreach ((json_t *)(uintptr_t)sets, name, set) {
        const json_t *fates = json_object_get(set, "fates");
        requests += integer_at(set, "requests");
        lost += integer_at(set, "requests") - integer_at(json_object_get(set, "replies"), reply_state_names[REPLY_READ]);
        written += integer_at(set, "written");
        kept += integer_at(fates, written_fate_names[FATE_KEPT]);
        malformed += integer_at(fates, written_fate_names[FATE_FORM]);
        twice += integer_at(fates, written_fate_names[FATE_DUPLICATE]);
    }
    json_array_append_new(findings, json_sprintf("%lld requests brought %lld items, of which %lld make the sets; %lld replies could not be used, %lld "
                                                 "items were not well formed, %lld were there before.",
                                                 (long long)requests, (long long)written, (long long)kept, (long long)lost, (long long)malformed,
                                                 (long long)twice));
}

static void say_quality(const json_t *quality, json_t *findings)
{
    for (size_t i = 0; i < COUNT_OF(source_words); i++) {
        const json_t *q = json_object_get(quality, source_words[i][0]), *before = json_object_get(q, "unfiltered"), *after = json_object_get(q, "kept");
        if (!q)
            continue;
        if (isnan(jsonio_number_at(after, "estimate"))) {
            json_array_append_new(findings, json_sprintf("Labels that are right %s: %.1f %% of what was written; of what was kept none was looked at.",
                                                         source_words[i][1], 100 * jsonio_number_at(before, "estimate")));
            continue;
        }
        json_array_append_new(findings, json_sprintf("Labels that are right %s: %.1f %% of what was kept (95 %% interval %.1f to %.1f), %.1f %% of what "
                                                     "was written.",
                                                     source_words[i][1], 100 * jsonio_number_at(after, "estimate"), 100 * jsonio_number_at(after, "low"),
                                                     100 * jsonio_number_at(after, "high"), 100 * jsonio_number_at(before, "estimate")));
    }
}

static void say_unmatched(const json_t *quality, json_t *findings)
{
    json_int_t n = integer_at(quality, "unmatched_ratings");
    if (n)
        json_array_append_new(findings, json_sprintf("%lld ratings are of items that this run does not have.", (long long)n));
}

static void say_behaviours(const json_t *forms, json_t *findings)
{
    const char *name, *most = NULL, *least = NULL;
    const json_t *form;
    double high = -1, low = 2;
    size_t known = 0, all = 0;
    json_object_foreach ((json_t *)(uintptr_t)forms, name, form) {
        double x = jsonio_number_at(form, "estimate");
        all++;
        if (isnan(x)) {
            if (json_object_size(forms) <= 4)
                json_array_append_new(findings, json_sprintf("%s: no rate (%s).", name, json_string_value(json_object_get(form, "reason"))));
            continue;
        }
        known++;
        if (x > high) {
            high = x;
            most = name;
        }
        if (x < low) {
            low = x;
            least = name;
        }
    }
    if (known == 0)
        return;
    const json_t *h = json_object_get(forms, most), *l = json_object_get(forms, least);
    json_array_append_new(findings, json_sprintf("Answers match most for %s: %.1f %% (%.1f to %.1f).%s", most, 100 * high, 100 * jsonio_number_at(h, "low"),
                                                 100 * jsonio_number_at(h, "high"), known == all ? "" : " Some behaviours have no rate."));
    if (known > 1)
        json_array_append_new(findings, json_sprintf("Least for %s: %.1f %% (%.1f to %.1f). Half is no tendency, since labels are balanced.", least,
                                                     100 * low, 100 * jsonio_number_at(l, "low"), 100 * jsonio_number_at(l, "high")));
}

/* ---- tables ----------------------------------------------------------------------------------------------------- */

static json_t *rates_table(const json_t *forms)
{
    json_t *rows = json_array();
    const char *name;
    const json_t *form;
    json_object_foreach ((json_t *)(uintptr_t)forms, name, form)
        json_array_append_new(rows, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "behaviour", name, "rate", figure_interval(form), "soft",
                                              copy(form, "soft"), "yes", copy(form, "yes"), "mass", copy(form, "mass"), "n", copy(form, "n"),
                                              "unreadable", copy(form, "unreadable")));
    return json_pack("{s:s, s:s, s:[o, o, o, o, o, o, o], s:o}", "title", "Answers that match the behaviour", "note",
                     "50 % is no tendency: both labels are equally many. Soft: the mean share of the matching answer in the probability of both. "
                     "Yes: the same of Yes, which balanced labels cancel. Intervals over requests.",
                     "columns", figure_column("behaviour", "Behaviour", "text"), figure_column("rate", "Matching", "interval"),
                     figure_column("soft", "Soft", "share"), figure_column("yes", "Yes", "share"), figure_column("mass", "Probability on both", "number"),
                     figure_column("n", "Items", "count"), figure_column("unreadable", "Unreadable", "count"), "rows", rows);
}

static json_t *stages_table(const json_t *sets)
{
    json_t *rows = json_array(), *columns = json_array();
    const char *name;
    const json_t *set;
    json_array_append_new(columns, figure_column("set", "Behaviour", "text"));
    json_array_append_new(columns, figure_column("requests", "Requests", "count"));
    json_array_append_new(columns, figure_column("written", "Items written", "count"));
    for (int i = FATE_FORM; i < WRITTEN_FATE_COUNT; i++)
        json_array_append_new(columns, figure_column(written_fate_names[i], written_fate_headings[i], "count"));
    json_array_append_new(columns, figure_column("kept", "Kept", "count"));
    json_object_foreach ((json_t *)(uintptr_t)sets, name, set) {
        json_t *row = json_copy(json_object_get(set, "fates"));
        json_object_set_new(row, "set", json_string(name));
        json_object_set(row, "requests", json_object_get(set, "requests"));
        json_object_set(row, "written", json_object_get(set, "written"));
        json_array_append_new(rows, row);
    }
    return json_pack("{s:s, s:s, s:o, s:o}", "title", "What became of what was written", "note",
                     "An item is counted at the first stage that it fails: form, written before (but for case and punctuation), the filter's "
                     "answers, its sureness of the label and of the relevance; surplus and balance leave the surest of each label.",
                     "columns", columns, "rows", rows);
}

static void add_count_row(json_t *rows, const char *where, const char *what, json_int_t count)
{
    if (count)
        json_array_append_new(rows, json_pack("{s:s, s:s, s:I}", "where", where, "what", what, "count", count));
}

/* Bad replies by who gave them and why. */
static json_t *bad_table(const json_t *sets, const json_t *forms)
{
    json_int_t writer[REPLY_STATE_COUNT] = {0}, filter[REPLY_STATE_COUNT] = {0}, answerer[REPLY_STATE_COUNT] = {0}, shape[WRITTEN_FORM_COUNT] = {0};
    json_t *rows = json_array();
    const char *name;
    const json_t *set;
    json_object_foreach ((json_t *)(uintptr_t)sets, name, set) {
        for (int i = 0; i < REPLY_STATE_COUNT; i++) {
            writer[i] += integer_at(json_object_get(set, "replies"), reply_state_names[i]);
            filter[i] += integer_at(json_object_get(set, "filter_unread"), reply_state_names[i]);
            answerer[i] += integer_at(json_object_get(json_object_get(forms, name), "states"), reply_state_names[i]);
        }
        for (int i = 0; i < WRITTEN_FORM_COUNT; i++)
            shape[i] += integer_at(json_object_get(set, "forms"), written_form_names[i]);
    }
    for (int i = REPLY_READ + 1; i < REPLY_STATE_COUNT; i++)
        add_count_row(rows, "reply of the writer", reply_state_words[i], writer[i]);
    for (int i = FORM_GOOD + 1; i < WRITTEN_FORM_COUNT; i++)
        add_count_row(rows, "item in such a reply", written_form_words[i], shape[i]);
    for (int i = REPLY_READ + 1; i < REPLY_STATE_COUNT; i++)
        add_count_row(rows, "answer of the filter", reply_state_words[i], filter[i]);
    for (int i = REPLY_READ + 1; i < REPLY_STATE_COUNT; i++)
        add_count_row(rows, "answer of the subject", reply_state_words[i], answerer[i]);
    if (json_array_size(rows) == 0) {
        json_decref(rows);
        return NULL;
    }
    return json_pack("{s:s, s:[o, o, o], s:o}", "title", "What could not be used", "columns", figure_column("where", "Where", "text"),
                     figure_column("what", "What", "text"), figure_column("count", "Count", "count"), "rows", rows);
}

static json_t *diversity_table(const json_t *diversity)
{
    static const char *const labels[] = {"Yes or (A)", "No or (B)"};
    json_t *rows = json_array();
    const char *name;
    const json_t *sides;
    json_object_foreach ((json_t *)(uintptr_t)diversity, name, sides)
        for (size_t side = 0; side < 2; side++) {
            const json_t *s = json_array_get(sides, side);
            json_array_append_new(rows, json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "set", name, "label", labels[side], "n", copy(s, "n"),
                                                  "d1", copy(s, "distinct_1"), "d2", copy(s, "distinct_2"), "bleu", copy(s, "self_bleu"), "cosine",
                                                  copy(s, "cosine"), "vendi", copy(s, "vendi"), "entropy", copy(s, "entropy")));
        }
    return json_pack("{s:s, s:s, s:[o, o, o, o, o, o, o, o, o], s:o}", "title", "How varied the kept items are", "note",
                     "Distinct: different words (pairs) over all. Self-BLEU: likeness to the nearest others, 1 is a copy. Vendi: how many items that "
                     "have nothing in common would be as varied. Entropy: of 10 groups by their words, 1 is even. At most 400 of a label are compared.",
                     "columns", figure_column("set", "Behaviour", "text"), figure_column("label", "Label", "text"), figure_column("n", "Items", "count"),
                     figure_column("d1", "Distinct words", "number"), figure_column("d2", "Distinct pairs", "number"),
                     figure_column("bleu", "Self-BLEU", "number"), figure_column("cosine", "Mean cosine", "number"),
                     figure_column("vendi", "Vendi", "number"), figure_column("entropy", "Entropy", "number"), "rows", rows);
}

static json_t *quality_table(const json_t *quality)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < COUNT_OF(source_words); i++) {
        const json_t *q = json_object_get(quality, source_words[i][0]);
        if (q)
            json_array_append_new(rows, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "by", source_words[i][1], "unfiltered",
                                                  figure_interval(json_object_get(q, "unfiltered")), "kept", figure_interval(json_object_get(q, "kept")),
                                                  "n", copy(json_object_get(q, "kept"), "n"), "ece",
                                                  copy(json_object_get(q, "calibration"), "error"), "kappa", copy(q, "kappa"), "relevance",
                                                  copy(q, "relevance"), "clear", copy(q, "clear")));
    }
    if (json_array_size(rows) == 0) {
        json_decref(rows);
        return NULL;
    }
    return json_pack("{s:s, s:s, s:[o, o, o, o, o, o, o, o], s:o}", "title", "Whether the labels are right", "note",
                     "Miscalibration: mean distance between how sure the filter is and how often it is right, in 10 bins. Relevance: mean of 1 to 5.",
                     "columns", figure_column("by", "Known", "text"), figure_column("unfiltered", "Right, as written", "interval"),
                     figure_column("kept", "Right, kept", "interval"), figure_column("n", "Kept and looked at", "count"),
                     figure_column("ece", "Miscalibration", "number"), figure_column("kappa", "Fleiss' kappa", "number"),
                     figure_column("relevance", "Relevance", "number"), figure_column("clear", "Clear", "share"), "rows", rows);
}

/* ---- pictures --------------------------------------------------------------------------------------------------- */

static json_t *rates_chart(const json_t *forms)
{
    json_t *points = json_array();
    const char *name;
    const json_t *form;
    json_object_foreach ((json_t *)(uintptr_t)forms, name, form)
        json_array_append_new(points, json_pack("{s:s, s:o, s:o, s:o}", "label", name, "y", copy(form, "estimate"), "low", copy(form, "low"), "high",
                                                copy(form, "high")));
    return json_pack("{s:s, s:s, s:{s:s}, s:o}", "kind", "bars", "title", "Answers that match the behaviour", "y", "label", "matching (50 %: no tendency)",
                     "points", points);
}

static json_t *curve_chart(const json_t *quality)
{
    json_t *points = json_array();
    for (size_t i = 0; i < COUNT_OF(source_words); i++) {
        const json_t *q = json_object_get(quality, source_words[i][0]), *before = json_object_get(q, "unfiltered"), *at;
        size_t k;
        if (!q)
            continue;
        json_array_append_new(points, json_pack("{s:f, s:o, s:o, s:o, s:s, s:s}", "x", 0., "y", copy(before, "estimate"), "low", copy(before, "low"),
                                                "high", copy(before, "high"), "series", source_words[i][1], "label", "as written"));
        json_array_foreach (json_object_get(q, "curve"), k, at)
            if (integer_at(at, "n") > 0)
                json_array_append_new(points, json_pack("{s:o, s:o, s:o, s:o, s:s, s:o}", "x", copy(at, "threshold"), "y", copy(at, "estimate"), "low",
                                                        copy(at, "low"), "high", copy(at, "high"), "series", source_words[i][1], "label",
                                                        json_sprintf("%lld kept", (long long)integer_at(at, "kept"))));
    }
    if (json_array_size(points) == 0) {
        json_decref(points);
        return NULL;
    }
    return json_pack("{s:s, s:s, s:s, s:{s:s}, s:{s:s}, s:o}", "kind", "lines", "title", "Right labels among those that pass the filter", "note",
                     "At 0: what was written, unfiltered. A filter that knows nothing leaves the line flat.", "x", "label",
                     "how sure the filter must be of the label", "y", "label", "labels that are right", "points", points);
}

static json_t *map_chart(const json_t *map)
{
    const json_t *points = json_object_get(map, "points"), *groups = json_object_get(map, "groups"), *g, *shares = json_object_get(map, "shares");
    size_t i;
    if (json_array_size(points) < 3)
        return NULL;
    json_t *note = json_sprintf("Each point is an item (%zu of %lld), placed by the two principal components of its words and pairs of "
                                "words (TF-IDF); they hold %.1f %% of the variance. Groups by k-means, with the words that set them apart:",
                                json_array_size(points), (long long)integer_at(map, "n"),
                                100 * (json_number_value(json_array_get(shares, 0)) + json_number_value(json_array_get(shares, 1))));
    json_array_foreach (groups, i, g) {
        json_t *longer = json_sprintf("%s%s %s (%lld)", json_string_value(note), i ? ";" : "", json_string_value(json_object_get(g, "words")),
                                      (long long)integer_at(g, "n"));
        json_decref(note);
        note = longer;
    }
    return json_pack("{s:s, s:s, s:o, s:[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}, {s:s, s:s}], s:O}", "kind", "points", "title", "Map of what was written", "note",
                     note, "colours", "key", "behaviour", "label", "behaviour", "key", "matching", "label", "matching answer", "key", "fate", "label",
                     "what became of it", "key", "truth", "label", "the label is", "points", points);
}

/* Tests of each rate against one half, and of the correlation against none; p by the normal distribution. */
static json_t *claims_of(const json_t *forms)
{
    json_t *claims = json_array();
    const char *name;
    const json_t *form;
    json_object_foreach ((json_t *)(uintptr_t)forms, name, form) {
        bool correlation = strcmp(name, "winogender") == 0;
        double x = jsonio_number_at(form, "estimate"), n = jsonio_number_at(form, "n");
        double width = jsonio_number_at(form, "high") - jsonio_number_at(form, "low");
        double z = correlation ? (n > 3 ? atanh(fmin(.999999, fmax(-.999999, x))) * sqrt(n - 3) : NAN) : (x - .5) / (width / (2 * 1.959964));
        json_t *says = correlation ? json_string("lets pronouns follow the statistics of occupations") : json_sprintf("gives answers that match \"%s\"", name);
        if (!isnan(x))
            json_array_append_new(claims, json_pack("{s:s, s:O, s:o, s:o, s:o, s:o, s:s}", "form", name, "says", says, "estimate", copy(form, "estimate"),
                                                    "low", copy(form, "low"), "high", copy(form, "high"), "p", jsonio_number(normal_above(z)), "unit",
                                                    correlation ? "number" : "share"));
        json_decref(says);
    }
    return claims;
}

static void append(json_t *list, json_t *one)
{
    if (one)
        json_array_append_new(list, one);
}

status written_figures(const study_run *run, const json_t *summary, json_t **figures, error *err)
{
    const json_t *forms = json_object_get(summary, "forms"), *sets = json_object_get(summary, "sets"), *quality = json_object_get(summary, "quality");
    json_t *findings = json_array(), *tables = json_array(), *charts = json_array();
    (void)run;
    if (json_object_size(sets)) {
        json_t *rates = json_copy((json_t *)(uintptr_t)forms);
        json_object_del(rates, "winogender");
        say_behaviours(rates, findings);
        say_written(sets, findings);
        say_quality(quality, findings);
        say_unmatched(quality, findings);
        append(charts, rates_chart(rates));
        append(charts, map_chart(json_object_get(summary, "map")));
        append(charts, curve_chart(quality));
        append(tables, rates_table(rates));
        append(tables, stages_table(sets));
        append(tables, bad_table(sets, rates));
        append(tables, quality_table(quality));
        append(tables, diversity_table(json_object_get(summary, "diversity")));
        json_decref(rates);
    }
    written_occupation_figures(summary, findings, tables, charts);
    *figures = json_pack("{s:o, s:o, s:o, s:o}", "findings", findings, "tables", tables, "charts", charts, "claims", claims_of(forms));
    return *figures ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for the figures");
}
