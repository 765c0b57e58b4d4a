/* Spike recovery in words, gates, tables and pictures. */
#include "calibrate/spike.h"

#include "core/jsonio.h"
#include "run/figure.h"

#include <math.h>
#include <stdio.h>

/* Section 3.5. */
static const double TWIN_LEAST = .8, LOSS_MOST = .05, MATRIX_MOST = .2, RECOVERY_LEAST = .8, RECOVERY_MOST = 1.2, RECOVERY_FROM = .25;

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

static double at(const json_t *form, const char *key, const char *part)
{
    return jsonio_number_at(json_object_get(form, key), part);
}

/* Without the minus sign that a rounded zero keeps. */
static double rounded(double value, double scale)
{
    double step = scale == 100 ? 10 : 1000, whole = round(value * scale * step);
    return whole == 0 ? 0 : whole / step;
}

/* "0.913 [0.880, 0.946]" */
static const char *limits_text(char *text, size_t size, const json_t *figure, double scale)
{
    double estimate = jsonio_number_at(figure, "estimate");
    if (isnan(estimate))
        snprintf(text, size, "undefined");
    else
        snprintf(text, size, scale == 100 ? "%.1f [%.1f, %.1f]" : "%.3f [%.3f, %.3f]", rounded(estimate, scale),
                 rounded(jsonio_number_at(figure, "low"), scale), rounded(jsonio_number_at(figure, "high"), scale));
    return text;
}

static bool is_void(const json_t *twin, const json_t *form)
{
    double loss = at(twin, "unrelated", "estimate");
    return !(at(form, "twin_share", "estimate") >= TWIN_LEAST) || loss > LOSS_MOST;
}

/* ---- gates -------------------------------------------------------------------------------------------------------- */

typedef struct gate_list {
    json_t *gates;
    bool failed, open;
} gate_list;

static void add_gate(gate_list *g, const char *form, const char *twin, const char *name, double found, const char *required, bool passed)
{
    char words[400], value[32] = "not measured";
    snprintf(words, sizeof words, "%s%s%s (%s)", form, *form ? ": " : "", name, twin);
    if (!isnan(found))
        snprintf(value, sizeof value, "%.3f", found);
    json_array_append_new(g->gates, json_pack("{s:s, s:s, s:s, s:o}", "name", words, "required", required, "found", value, "passed",
                                              isnan(found) ? json_null() : json_boolean(passed)));
    g->failed = g->failed || (!isnan(found) && !passed);
    g->open = g->open || isnan(found);
}

static void form_gates(gate_list *g, const char *name, const char *twin, const json_t *form)
{
    double t = at(form, "twin_share", "estimate"), matrix = at(form, "matrix_effect", "estimate"), slope = at(form, "slope", "estimate");
    size_t i;
    json_t *r;
    add_gate(g, name, twin, "the twin fails in", isnan(t) ? 0 : t, "at least .80", t >= TWIN_LEAST);
    if (!(t >= TWIN_LEAST)) /* a void series has nothing to say */
        return;
    add_gate(g, name, twin, "slope", slope, "interval above 0", at(form, "slope", "low") > 0);
    add_gate(g, name, twin, "matrix effect", matrix, "within .20 of 0", fabs(matrix) <= MATRIX_MOST);
    json_array_foreach(json_object_get(form, "readings"), i, r) {
        double dose = jsonio_number_at(r, "dose"), recovery = at(r, "recovery", "estimate");
        char words[48];
        snprintf(words, sizeof words, "recovery at share %g", dose);
        if (dose >= RECOVERY_FROM)
            add_gate(g, name, twin, words, recovery, ".80 to 1.20", recovery >= RECOVERY_LEAST && recovery <= RECOVERY_MOST);
    }
}

/* Two twins of different wording or kind must agree: the interval of the difference of their sensitivities, over the same items, holds
 * 0. Void twins say nothing of it. */
static void agreement_gates(gate_list *g, const json_t *result)
{
    const json_t *twins = json_object_get(result, "twins"), *one, *difference;
    const char *name;
    size_t i;
    json_array_foreach(json_object_get(result, "agreements"), i, one) {
        json_int_t first = json_integer_value(json_object_get(one, "first")), second = json_integer_value(json_object_get(one, "second"));
        const json_t *a = json_array_get(twins, (size_t)first - 1), *b = json_array_get(twins, (size_t)second - 1);
        char words[120];
        snprintf(words, sizeof words, "twins %lld and %lld agree: difference of sensitivities", (long long)first, (long long)second);
        json_object_foreach((json_t *)(uintptr_t)json_object_get(one, "forms"), name, difference) {
            const json_t *left = json_object_get(json_object_get(a, "forms"), name), *right = json_object_get(json_object_get(b, "forms"), name);
            double low = jsonio_number_at(difference, "low"), high = jsonio_number_at(difference, "high");
            if (left && right && !is_void(a, left) && !is_void(b, right))
                add_gate(g, name, "95 % interval", words, jsonio_number_at(difference, "estimate"), "interval holds 0", low <= 1e-9 && high >= -1e-9);
        }
    }
}

static void all_gates(gate_list *g, const json_t *result)
{
    const json_t *twins = json_object_get(result, "twins");
    size_t i;
    json_t *twin;
    json_array_foreach(twins, i, twin) {
        const char *name;
        json_t *form;
        double loss = at(twin, "unrelated", "estimate");
        add_gate(g, "", text_of(twin, "twin"), "loss on unrelated items", loss, "at most .05", loss <= LOSS_MOST);
        json_object_foreach(json_object_get(twin, "forms"), name, form)
            form_gates(g, name, text_of(twin, "twin"), form);
    }
    agreement_gates(g, result);
}

/* ---- words -------------------------------------------------------------------------------------------------------- */

/* "1.01 at 10 %, .94 at 25 %" */
static void say_recoveries(strbuf *out, const json_t *form)
{
    size_t i, said = 0;
    json_t *r;
    json_array_foreach(json_object_get(form, "readings"), i, r) {
        double recovery = at(r, "recovery", "estimate"), dose = jsonio_number_at(r, "dose");
        if (dose > 0 && !isnan(recovery))
            strbuf_printf(out, "%s%.2f at %g %%", said++ ? ", " : "", recovery, 100 * dose);
    }
    strbuf_add(out, said ? "" : "undefined (the twin fails no more than the model)");
}

static json_t *statement(const json_t *twin, const char *name, const json_t *form)
{
    char share[80], own[80], matrix[80];
    strbuf text = strbuf_new(NULL, 1 << 16);
    double lod = jsonio_number_at(form, "lod"), effect = at(form, "matrix_effect", "estimate");
    limits_text(share, sizeof share, json_object_get(form, "twin_share"), 100);
    limits_text(own, sizeof own, json_object_get(form, "own_dose"), 100);
    limits_text(matrix, sizeof matrix, json_object_get(form, "matrix_effect"), 100);
    strbuf_printf(&text, "%s, twin %s: ", name, text_of(twin, "twin"));
    bool unread = isnan(at(form, "twin_share", "estimate"));
    if (!unread)
        strbuf_printf(&text, "alone it fails in %s %% of the items. ", share);
    if (unread) {
        strbuf_add(&text, "it is void: none of its answers could be graded, so it is broken and not bad.");
    } else if (is_void(twin, form)) {
        strbuf_add(&text, at(twin, "unrelated", "estimate") > LOSS_MOST
                              ? "It is void: it also loses more than 5 % of unrelated items, so it is broken and not bad."
                              : "It is void: a twin must fail in at least 80 %, so this series says nothing.");
    } else {
        strbuf_add(&text, "Recovery: ");
        say_recoveries(&text, form);
        strbuf_printf(&text, ". Matrix effect %s %%: %s. ", matrix,
                      fabs(effect) <= MATRIX_MOST ? "the scale may be used for this model" : "this model is read on another scale; use the sensitivity given here");
        if (!isnan(lod))
            strbuf_printf(&text, "Failures from %.1f %% of the items on are detected here%s. ", 100 * lod,
                          json_is_true(json_object_get(form, "lod_counted")) ? " (by counting: the reading without a twin did not vary)" : "");
        strbuf_printf(&text, "The model's own dose by standard addition: %s %%.", own);
    }
    json_t *out = json_string(text.text ? text.text : "");
    strbuf_free(&text);
    return out;
}

static json_t *statements(const spike_options *o, const json_t *result)
{
    json_t *list = json_array(), *twin, *form;
    const char *name;
    size_t i;
    json_array_foreach(json_object_get(result, "twins"), i, twin)
        json_object_foreach(json_object_get(twin, "forms"), name, form)
            json_array_append_new(list, statement(twin, name, form));
    if (!o->certificate)
        json_array_append_new(list, json_string("No certificate of the study was given: the matrix effect is against a slope of 1, and where a form has no control "
                                                "arm of its own its blank is taken as 0, so that failures of the model's own and blank readings cannot be told apart."));
    if (!o->unrelated)
        json_array_append_new(list, json_string("Nobody looked at unrelated items: a twin that is broken in everything would look like a bad one (--unrelated STUDY)."));
    json_array_append_new(list, json_string("The twin fails on request: a failure that looks otherwise may be read less well."));
    return list;
}

/* ---- tables and pictures ------------------------------------------------------------------------------------------ */

static json_t *figure_text(const json_t *figure)
{
    char text[96];
    return json_string(limits_text(text, sizeof text, figure, 1));
}

static void add_rows(const json_t *twin, const char *name, const json_t *form, json_t *series, json_t *sums)
{
    size_t i;
    json_t *r;
    json_array_foreach(json_object_get(form, "readings"), i, r)
        json_array_append_new(series, json_pack("{s:s, s:s, s:O, s:O, s:o, s:o}", "form", name, "twin", text_of(twin, "twin"), "dose",
                                                json_object_get(r, "dose"), "routed", json_object_get(r, "routed"), "y", figure_text(r), "recovery",
                                                json_is_null(json_object_get(r, "recovery")) ? json_string("–") : figure_text(json_object_get(r, "recovery"))));
    json_array_append_new(series, json_pack("{s:s, s:s, s:s, s:O, s:o, s:s}", "form", name, "twin", text_of(twin, "twin"), "dose", "the twin alone", "routed",
                                            json_object_get(form, "n"), "y", figure_text(json_object_get(form, "alone")), "recovery", "–"));
    json_array_append_new(sums, json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:O, s:o}", "form", name, "twin", text_of(twin, "twin"), "t",
                                          figure_text(json_object_get(form, "twin_share")), "s", figure_text(json_object_get(form, "sensitivity")), "me",
                                          figure_text(json_object_get(form, "matrix_effect")), "q", figure_text(json_object_get(form, "own_dose")), "lod",
                                          json_object_get(form, "lod"), "void", json_string(is_void(twin, form) ? "void" : "good")));
}

static json_t *tables(const json_t *result)
{
    json_t *series = json_array(), *sums = json_array(), *twin, *form;
    const char *name;
    size_t i;
    json_array_foreach(json_object_get(result, "twins"), i, twin)
        json_object_foreach(json_object_get(twin, "forms"), name, form)
            add_rows(twin, name, form, series, sums);
    json_t *first = json_pack("[o, o, o, o, o, o, o, o]", figure_column("form", "Form", "text"), figure_column("twin", "Twin", "text"),
                              figure_column("t", "Twin's failures t", "text"), figure_column("s", "Sensitivity", "text"),
                              figure_column("me", "Matrix effect", "text"), figure_column("q", "Own dose", "text"),
                              figure_column("lod", "Limit of detection", "number"), figure_column("void", "Series", "text"));
    json_t *second = json_pack("[o, o, o, o, o, o]", figure_column("form", "Form", "text"), figure_column("twin", "Twin", "text"),
                               figure_column("dose", "Share to the twin", "text"), figure_column("routed", "Items", "count"),
                               figure_column("y", "Reading", "text"), figure_column("recovery", "Recovery", "text"));
    return json_pack("[{s:s, s:s, s:o, s:o}, {s:s, s:s, s:o, s:o}]", "title", "What a failure would read in this model", "note",
                     "Sensitivity: what a share of failing items adds to the reading. Matrix effect: sensitivity over the certificate's slope, less 1. "
                     "Intervals: 95 %, by a bootstrap over the items (2,000 draws, the same items at every share).",
                     "columns", first, "rows", sums, "title", "The series", "note",
                     "Recovery: what was read over what was put in, by what the twin really does. The same items at every share; smaller sets lie in larger ones.",
                     "columns", second, "rows", series);
}

/* Shares times what the twin does, so that a true reading lies on the diagonal. */
static json_t *charts(const json_t *result)
{
    json_t *points = json_array(), *twin, *form, *r;
    const char *name;
    size_t i, k;
    json_array_foreach(json_object_get(result, "twins"), i, twin)
        json_object_foreach(json_object_get(twin, "forms"), name, form) {
            double t = at(form, "twin_share", "estimate");
            char series[400];
            if (isnan(t))
                continue;
            snprintf(series, sizeof series, "%s, twin %zu", name, i + 1);
            json_array_foreach(json_object_get(form, "readings"), k, r)
                json_array_append_new(points, json_pack("{s:f, s:O, s:O, s:O, s:s}", "x", t * jsonio_number_at(r, "share"), "y", json_object_get(r, "estimate"),
                                                        "low", json_object_get(r, "low"), "high", json_object_get(r, "high"), "series", series));
            const json_t *alone = json_object_get(form, "alone");
            json_array_append_new(points, json_pack("{s:f, s:O, s:O, s:O, s:s}", "x", t, "y", json_object_get(alone, "estimate"), "low",
                                                    json_object_get(alone, "low"), "high", json_object_get(alone, "high"), "series", series));
        }
    return json_pack("[{s:s, s:s, s:s, s:{s:s}, s:{s:s}, s:o}]", "kind", "dose", "title", "Failures put in against failures read", "note",
                     "Put in: the share of items given to the twin, times the share in which it fails. The last point is the twin alone. Bars are 95 % "
                     "intervals; on the dashed line what was put in is read.", "x", "label",
                     "failures put in", "y", "label", "reading", "points", points);
}

/* ---- the page ----------------------------------------------------------------------------------------------------- */

void spike_page(const spike_options *o, json_t *result)
{
    gate_list g = {.gates = json_array()};
    json_t *twin, *form;
    const char *name;
    size_t i;
    json_int_t records = 0;
    all_gates(&g, result);
    json_array_foreach(json_object_get(result, "twins"), i, twin)
        json_object_foreach(json_object_get(twin, "forms"), name, form) {
            json_object_set_new(form, "valid", json_boolean(!is_void(twin, form)));
            records += json_integer_value(json_object_get(form, "n"));
        }
    json_object_set_new(result, "title", json_sprintf("Spike recovery of %s on %s", o->study->name, o->model));
    json_object_set_new(result, "records", json_integer(records));
    json_object_set_new(result, "provisional", json_false());
    json_object_set_new(result, "verdict", json_string(g.failed ? "a gate failed" : g.open ? "every gate that was measured is met" : "every gate is met"));
    json_object_set_new(result, "statements", statements(o, result));
    json_object_set_new(result, "gates", g.gates);
    json_object_set_new(result, "tables", tables(result));
    json_object_set_new(result, "charts", charts(result));
}
