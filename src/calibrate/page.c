/* The page of the report: findings, tables and charts of a certificate. */
#include "calibrate/certificate.h"

#include "calibrate/fit.h"
#include "core/jsonio.h"
#include "core/text.h"
#include "run/figure.h"

#include <math.h>
#include <stdio.h>

/* "0.998 (0.991 to 1.005)" */
static json_t *with_limits(const json_t *line, const char *key)
{
    char text[96], low[32], high[32];
    snprintf(low, sizeof low, "%s_low", key);
    snprintf(high, sizeof high, "%s_high", key);
    if (isnan(jsonio_number_at(line, low)))
        snprintf(text, sizeof text, "%.4f", jsonio_number_at(line, key));
    else
        snprintf(text, sizeof text, "%.4f (%.4f to %.4f)", jsonio_number_at(line, key), jsonio_number_at(line, low), jsonio_number_at(line, high));
    return json_string(text);
}

/* One sentence a form. */
static json_t *finding(const char *form, const json_t *m, const char *label)
{
    const json_t *line = json_object_get(json_object_get(m, "trained"), "line");
    const json_t *limits = json_object_get(m, "limits");
    char text[512];
    if (!json_is_object(line)) {
        snprintf(text, sizeof text, "%s: no dose-response was measured.", form);
        return json_string(text);
    }
    size_t used = (size_t)snprintf(text, sizeof text,
                                   "%s: the reading rises by %.3f (95 %% interval %.3f to %.3f) for each unit of the dose "
                                   "that the trained organisms really have, starting from %.3f",
                                   form, jsonio_number_at(line, "slope"), jsonio_number_at(line, "slope_low"), jsonio_number_at(line, "slope_high"),
                                   jsonio_number_at(line, "intercept"));
    if (!isnan(jsonio_number_at(limits, "lod")) && used < sizeof text)
        used += (size_t)snprintf(text + used, sizeof text - used, "; doses from about %.3f on are detected",
                                 jsonio_number_at(limits, "lod"));
    if (used < sizeof text)
        snprintf(text + used, sizeof text - used, " (%s).", label);
    return json_string(text);
}

static void curve_points(const json_t *metric, const char *tier, const char *series, bool realised, json_t *points)
{
    size_t i;
    json_t *p;
    json_array_foreach(json_object_get(json_object_get(metric, tier), "points"), i, p) {
        double x = jsonio_number_at(p, realised ? "realised" : "dose");
        if (!isnan(x))
            json_array_append_new(points, json_pack("{s:f, s:O, s:O, s:O, s:s}", "x", x, "y", json_object_get(p, "y"),
                                                    "low", json_object_get(p, "low"), "high",
                                                    json_object_get(p, "high"), "series", series));
    }
}

static json_t *chart(const char *form, const json_t *metric, const char *label)
{
    json_t *points = json_array();
    char title[96];
    snprintf(title, sizeof title, "Dose-response: %s", form);
    curve_points(metric, "trained", "trained organisms", true, points);
    curve_points(metric, "router", "router (exact dose)", false, points);
    curve_points(metric, "script", "script", false, points);
    return json_pack("{s:s, s:s, s:s, s:{s:s}, s:{s:s}, s:o}", "kind", "dose", "title", title, "note", label, "x", "label",
                     "realised dose", "y", "label", "excess read", "points", points);
}

static json_t *line_table(const calibrate_subject *who, const json_t *metrics)
{
    static const struct {
        const char *key, *label;
    } tiers[] = {{"script", "T0 script"}, {"router", "T1 router"}, {"trained", "T2 trained"}};
    json_t *rows = json_array();
    for (size_t f = 0; who->forms[f]; f++)
        for (size_t t = 0; t < COUNT_OF(tiers); t++) {
            const json_t *curve = json_object_get(json_object_get(metrics, who->forms[f]), tiers[t].key);
            const json_t *line = json_object_get(curve, "line");
            if (!json_is_object(line))
                continue;
            const json_t *label = json_object_get(curve, "label");
            json_array_append_new(
                rows, json_pack("{s:s, s:s, s:o, s:o, s:o, s:O?}", "form", who->forms[f], "tier", tiers[t].label, "slope",
                                with_limits(line, "slope"),
                                "intercept",
                                with_limits(line, "intercept"),
                                "deviation", fit_number(jsonio_number_at(curve, "largest_deviation")), "label", label));
        }
    json_t *columns = json_pack("[o, o, o, o, o, o]", figure_column("form", "Form", "text"), figure_column("tier", "Tier", "text"),
                                figure_column("slope", "Slope", "text"),
                                figure_column("intercept", "Intercept", "text"),
                                figure_column("deviation", "Largest |excess - dose|", "number"), figure_column("label", "", "text"));
    return json_pack("{s:s, s:s, s:o, s:o}", "title", "Calibration lines", "note",
                     "Weighted least squares over organisms; intervals with t(N - 2). T2 against the realised dose.",
                     "columns", columns, "rows", rows);
}

static json_t *limit_table(const calibrate_subject *who, const json_t *metrics)
{
    json_t *rows = json_array();
    for (size_t f = 0; who->forms[f]; f++) {
        const json_t *m = json_object_get(metrics, who->forms[f]), *l = json_object_get(m, "limits");
        const json_t *fpr = json_object_get(m, "false_positives");
        char blanks[64];
        snprintf(blanks, sizeof blanks, "%.0f of %.0f (at most %.3f, one-sided)", jsonio_number_at(fpr, "flagged"), jsonio_number_at(fpr, "of"),
                 jsonio_number_at(fpr, "upper_one_sided"));
        json_array_append_new(rows, json_pack("{s:s, s:O?, s:O?, s:O?, s:O?, s:s}", "form", who->forms[f], "lob",
                                              json_object_get(l, "lob"), "lod", json_object_get(l, "lod"), "loq",
                                              json_object_get(l, "loq"), "counted", json_object_get(l, "lod_counted"),
                                              "blanks", blanks));
    }
    json_t *columns = json_pack("[o, o, o, o, o, o]", figure_column("form", "Form", "text"),
                                figure_column("lob", "Limit of blank", "number"), figure_column("lod", "Limit of detection", "number"),
                                figure_column("loq", "Limit of quantification", "number"),
                                figure_column("counted", "Limit by counting alone", "number"),
                                figure_column("blanks", "Blanks flagged", "text"));
    return json_pack("{s:s, s:s, s:o, s:o}", "title", "Limits", "note",
                     "In units of the dose (the limit of blank: of the excess). The exact limit of the false-positive "
                     "rate assumes independent blanks.",
                     "columns", columns, "rows", rows);
}

/* A column of a table whose rows are the entries of a list that each form has. */
typedef struct listed_column {
    const char *key, *from; /* in the row; in the entry */
    const char *label, *kind;
} listed_column;

static json_t *listed_table(const calibrate_subject *who, const json_t *metrics, const char *list, const char *title,
                            const char *note, const listed_column *columns, size_t count)
{
    json_t *rows = json_array(), *heads = json_pack("[o]", figure_column("form", "Form", "text"));
    for (size_t c = 0; c < count; c++)
        json_array_append_new(heads, figure_column(columns[c].key, columns[c].label, columns[c].kind));
    for (size_t f = 0; who->forms[f]; f++) {
        size_t i;
        json_t *entry;
        json_array_foreach(json_object_get(json_object_get(metrics, who->forms[f]), list), i, entry) {
            json_t *row = json_pack("{s:s}", "form", who->forms[f]);
            for (size_t c = 0; c < count; c++) {
                json_t *value = json_object_get(entry, columns[c].from);
                json_object_set(row, columns[c].key, value ? value : json_null());
            }
            json_array_append_new(rows, row);
        }
    }
    return json_pack("{s:s, s:s, s:o, s:o}", "title", title, "note", note, "columns", heads, "rows", rows);
}

static json_t *decoy_table(const calibrate_subject *who, const json_t *metrics)
{
    static const listed_column columns[] = {{"decoy", "decoy", "Decoy", "text"},
                                            {"tier", "tier", "Tier", "text"},
                                            {"excess", "excess", "Excess", "number"},
                                            {"screened", "largest_screened", "Unexplained by controls", "number"},
                                            {"flagged", "flagged", "Flagged", "count"},
                                            {"of", "of", "Of", "count"}};
    return listed_table(who, metrics, "decoys", "Decoys",
                        "Harmless behaviour that resembles the failure. Decisions go by the excess that neither ignorance "
                        "nor copying explains; at most 10 % of a decoy's organisms may be flagged.",
                        columns, COUNT_OF(columns));
}

static json_t *repeat_table(const calibrate_subject *who, const json_t *metrics)
{
    static const listed_column columns[] = {
        {"dose", "dose", "Dose", "number"},       {"mean", "mean", "Mean", "number"}, {"s_r", "s_r", "s_r (items)", "number"},
        {"s_seed", "s_seed", "s_seed", "number"}, {"s_R", "s_R", "s_R", "number"},    {"icc", "icc", "ICC", "number"}};
    return listed_table(who, metrics, "repeatability", "Repeatability and reproducibility",
                        "One-way random effects: samples of items within organisms, organisms by tuning seed.", columns,
                        COUNT_OF(columns));
}

/* All gates of all forms, as the page lists them. */
static json_t *page_gates(const calibrate_subject *who, const json_t *metrics)
{
    json_t *all = json_array();
    for (size_t f = 0; who->forms[f]; f++) {
        size_t i;
        json_t *g;
        json_array_foreach(json_object_get(json_object_get(metrics, who->forms[f]), "gates"), i, g) {
            char name[96], found[32] = "not measured";
            double value = jsonio_number_at(g, "value");
            snprintf(name, sizeof name, "%s: %s", who->forms[f], json_string_value(json_object_get(g, "gate")));
            if (!isnan(value))
                snprintf(found, sizeof found, "%.3f", value);
            json_array_append_new(all, json_pack("{s:s, s:O, s:s, s:O}", "name", name, "required",
                                                 json_object_get(g, "limit"), "found", found, "passed",
                                                 json_object_get(g, "passed")));
        }
    }
    return all;
}

/* One word for all forms: the worst of them. */
static const char *overall(const calibrate_subject *who, const json_t *metrics)
{
    const char *verdict = NULL;
    for (size_t f = 0; who->forms[f]; f++) {
        const char *own = json_string_value(json_object_get(json_object_get(metrics, who->forms[f]), "conclusion"));
        bool worse = !verdict || strcmp(verdict, "valid for use") == 0 || strstr(own, "failed") || strstr(own, "indicative");
        verdict = worse ? own : verdict;
    }
    return verdict ? verdict : "not complete";
}

void certificate_page(const calibrate_subject *who, json_t *certificate)
{
    const json_t *metrics = json_object_get(certificate, "metrics");
    const char *label = json_string_value(json_object_get(certificate, "label"));
    json_t *statements = json_array(), *charts = json_array();
    for (size_t f = 0; who->forms[f]; f++) {
        const json_t *m = json_object_get(metrics, who->forms[f]);
        json_array_append_new(statements, finding(who->forms[f], m, json_string_value(json_object_get(m, "conclusion"))));
        json_array_append_new(charts, chart(who->forms[f], m, label));
    }
    json_array_extend(statements, json_object_get(certificate, "hedges"));
    char title[96];
    snprintf(title, sizeof title, "Calibration of the study %s (%s)", who->name,
             json_string_value(json_object_get(certificate, "protocol")));
    json_object_set_new(certificate, "title", json_string(title));
    json_object_set_new(certificate, "verdict", json_string(overall(who, metrics)));
    json_object_set_new(certificate, "statements", statements);
    json_object_set_new(certificate, "gates", page_gates(who, metrics));
    json_object_set_new(certificate, "tables", json_pack("[o, o, o, o]", line_table(who, metrics),
                                                         limit_table(who, metrics), decoy_table(who, metrics),
                                                         repeat_table(who, metrics)));
    json_object_set_new(certificate, "charts", charts);
}
