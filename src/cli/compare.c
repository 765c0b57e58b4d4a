/* assay compare A B: two runs of one study, paired where they share items. */
#include "cli/command.h"

#include "core/jsonio.h"
#include "report/load.h"
#include "report/report.h"
#include "run/run.h"

static const command_argument arguments[] = {
    {.name = "A", .help = "number of a run, 'last', or a subject (its newest run)"},
    {.name = "B", .help = "the run to hold against it"},
};
static const param_spec options[] = {OPTION_STORE, OPTION_JSON};

static status load(command_call *call, json_t **out, error *err)
{
    store *s;
    int64_t first, second;
    TRY(store_open(param_string(call->options, "store"), STORE_READ, &s, err));
    status result = report_find_run(s, call->arena, call->arguments[0], &first, err);
    if (result == STATUS_OK)
        result = report_find_run(s, call->arena, call->arguments[1], &second, err);
    if (result == STATUS_OK)
        result = run_compare(s, call->arena, first, second, out, err);
    store_close(s, NULL);
    return result;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static double number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void print_means(const json_t *means, strbuf *out)
{
    if (json_array_size(means) > 0)
        strbuf_printf(out, "\n%-27s %7s %8s %8s %9s  %-20s %9s\n", "mean of group", "items", "A", "B", "B - A", "95 %", "p");
    for (size_t i = 0; i < json_array_size(means); i++) {
        const json_t *r = json_array_get(means, i);
        char limits[48] = "none: one cluster";
        if (json_is_number(json_object_get(r, "low")))
            snprintf(limits, sizeof limits, "[%.4f, %.4f]", number_of(r, "low"), number_of(r, "high"));
        strbuf_printf(out, "%-27s %7.0f %8.4f %8.4f %9.4f  %-20s %9.2g\n", text_of(r, "group"), number_of(r, "n"), number_of(r, "a"),
                      number_of(r, "b"), number_of(r, "difference"), limits, number_of(r, "p_holm"));
    }
}

static void print_text(const json_t *c, strbuf *out)
{
    const json_t *a = json_object_get(c, "a"), *b = json_object_get(c, "b"), *rows = json_object_get(c, "rows");
    strbuf_printf(out, "A: run %.0f, %s\nB: run %.0f, %s\n%.0f items in both, %.0f only in A, %.0f only in B\n\n",
                  number_of(a, "run"), text_of(a, "subject"), number_of(b, "run"), text_of(b, "subject"),
                  number_of(c, "shared"), number_of(c, "only_a"), number_of(c, "only_b"));
    strbuf_printf(out, "%-14s %-12s %7s %8s %8s %9s  %-20s %9s\n", "group", "verdict", "items", "A", "B", "B - A", "95 %", "p");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *r = json_array_get(rows, i);
        char limits[48];
        snprintf(limits, sizeof limits, "[%.4f, %.4f]", number_of(r, "low"), number_of(r, "high"));
        strbuf_printf(out, "%-14s %-12s %7.0f %8.4f %8.4f %9.4f  %-20s %9.2g\n", text_of(r, "group"), text_of(r, "verdict"),
                      number_of(r, "n"), number_of(r, "a"), number_of(r, "b"), number_of(r, "difference"), limits,
                      number_of(r, "p_holm"));
    }
    print_means(json_object_get(c, "means"), out);
    strbuf_printf(out, "\nShares of items with each verdict. Intervals: Newcombe's for paired shares; p: McNemar's exact test,\n"
                       "%sadjusted over all rows by Holm's method.\n",
                  json_array_size(json_object_get(c, "means"))
                      ? "of means a test by turning signs, with intervals by a bootstrap over items or clusters; " : "");
}

static status run(command_call *call, error *err)
{
    json_t *c = NULL;
    TRY(load(call, &c, err));
    status result = STATUS_OK;
    if (param_flag(call->options, "json")) {
        result = jsonio_print(c, 2, &call->out, err);
        strbuf_add_char(&call->out, '\n');
    } else {
        print_text(c, &call->out);
    }
    json_decref(c);
    return result;
}

const command command_compare = {
    .name = "compare",
    .summary = "two runs of one study, paired where they share items",
    .about = "For every group of items and every verdict: its share in both runs, the difference with its interval, and an "
             "exact test. Items are paired by their names, so that two subjects that were asked the same are compared on "
             "the same.",
    .examples = "  assay compare 3 4\n  assay compare out/s0 out/s50 --json\n",
    COMMAND_ARGUMENTS(arguments),
    COMMAND_OPTIONS(options),
    .run = run,
};
