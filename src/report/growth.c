/* The page of a growth: what happened step by step. */
#include "report/report.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "run/figure.h"
#include "run/growth_card.h"

enum { GROWTH_LIMIT = 1 << 26 };

static json_t *copy_of(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    return value ? json_incref(value) : json_null();
}

/* What the recipe says that tells growths apart. */
static json_t *parameters_of(const json_t *growth)
{
    const json_t *recipe = json_object_get(growth, "recipe"), *raters = json_object_get(recipe, "raters");
    json_t *out = json_pack("{s:o, s:o}", "recipe", copy_of(recipe, "name"), "base", copy_of(recipe, "base")), *weight;
    const char *key;
    json_object_foreach((json_t *)(uintptr_t)raters, key, weight)
        if (json_is_number(weight))
            json_object_set_new(out, key, json_incref(weight));
    return out;
}

static json_t *run_of(const char *folder, const json_t *growth, json_t *figures)
{
    json_t *facts = json_object();
    static const char *const told[] = {"tokens", "loss", "sha256", "root"};
    for (size_t i = 0; i < COUNT_OF(told); i++)
        json_object_set_new(facts, told[i], copy_of(growth, told[i]));
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:n, s:O, s:[], s:{s:s, s:s}}", "run", "growth", "study", "growth", "subject", folder,
                     "seed", copy_of(json_object_get(growth, "recipe"), "seed"), "state", "done", "sample_count", copy_of(growth, "steps"),
                     "parameters", parameters_of(growth), "facts", facts, "audit", "figures", figures, "samples", "about", "title",
                     "A growth, step by step", "about",
                     "How a model changed while it learnt from feedback. The reward is what it was trained on; the true utility is what the "
                     "simulated raters, whose taste is known, really want.");
}

/* Quantiles over the steps, which growths keep as sketches. */
static json_t *quantile_table(const json_t *quantiles)
{
    static const char *const keys[] = {"stage", "metric", "count", "least", "p05", "p50", "p95", "most"};
    json_t *rows = json_array();
    for (size_t i = 0; i < json_array_size(quantiles); i++) {
        json_t *row = json_object();
        for (size_t k = 0; k < COUNT_OF(keys); k++)
            json_object_set_new(row, keys[k], copy_of(json_array_get(quantiles, i), keys[k]));
        json_array_append_new(rows, row);
    }
    json_t *columns = json_pack("[o, o, o, o, o, o, o, o]", figure_column("stage", "Stage", "count"), figure_column("metric", "Measure", "text"),
                                figure_column("count", "Steps", "count"), figure_column("least", "Least", "number"),
                                figure_column("p05", "5 %", "number"), figure_column("p50", "Median", "number"),
                                figure_column("p95", "95 %", "number"), figure_column("most", "Most", "number"));
    return json_pack("{s:s, s:s, s:o, s:o}", "title", "Quantiles over the steps", "note",
                     "From the sketches in the model's folder; `assay sketch` reads them and merges those of several growths.", "columns", columns,
                     "rows", rows);
}

status report_growth(arena *a, const char *folder, const char *made, json_t **out, error *err)
{
    const char *path = file_join(a, folder, "growth.json");
    json_t *growth, *figures;
    *out = NULL;
    if (!path)
        return error_set(err, STATUS_MEMORY, "out of memory");
    TRY(growth_card(a, folder, &figures, err));
    if (json_is_null(figures)) {
        *out = figures;
        return STATUS_OK;
    }
    status result = jsonio_read(path, GROWTH_LIMIT, &growth, err);
    if (result == STATUS_OK) {
        if (json_array_size(json_object_get(growth, "quantiles")) > 0)
            json_array_append_new(json_object_get(figures, "tables"), quantile_table(json_object_get(growth, "quantiles")));
        json_t *runs = json_pack("[o]", run_of(folder, growth, figures));
        result = runs ? report_document(runs, NULL, made, out, err) : error_set(err, STATUS_MEMORY, "out of memory");
        json_decref(runs);
        json_decref(growth);
    }
    json_decref(figures);
    return result;
}
