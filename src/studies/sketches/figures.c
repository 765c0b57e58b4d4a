#include "studies/sketches/sketches.h"

#include "core/jsonio.h"
#include "run/figure.h"
#include "stats/bootstrap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The methods that are drawn; tables have all of them. */
static const char *const drawn[] = {"kll", "linear", "knots", "spline", "t-digest K1", "t-digest K2"};

static const json_t *cell_of(const json_t *summary, const char *stream_name, const char *method, json_int_t size)
{
    size_t i;
    const json_t *cell;
    json_array_foreach(json_object_get(summary, "cells"), i, cell)
        if (json_integer_value(json_object_get(cell, "size")) == size &&
            strcmp(json_string_value(json_object_get(cell, "method")), method) == 0 &&
            strcmp(json_string_value(json_object_get(cell, "stream")), stream_name) == 0)
            return cell;
    return NULL;
}

static double figure_at(const json_t *cell, const char *measure, const char *what)
{
    return jsonio_number_at(json_object_get(cell, measure), what);
}

/* ---- findings ------------------------------------------------------------------------------------------------------ */

static void compare_family(const json_t *forms, const char *family, json_t *findings)
{
    const char *name, *worst = NULL;
    const json_t *form;
    double sum = 0, most = -1;
    size_t n = 0;
    char words[512];
    json_object_foreach((json_t *)forms, name, form) {
        double ratio = jsonio_number_at(form, "estimate");
        if (strcmp(json_string_value(json_object_get(form, "family")), family) != 0 || !isfinite(ratio))
            continue;
        sum += ratio;
        n++;
        if (ratio > most) {
            most = ratio;
            worst = name;
        }
    }
    if (n == 0)
        return;
    snprintf(words, sizeof words,
             "On %s streams the mean error of the interpolated sketch (%s) is %.2f times KLL's at equal words (mean of %zu streams; most %.2f: %s).",
             family, SKETCHES_BEST, sum / (double)n, n, most, worst);
    json_array_append_new(findings, json_string(words));
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* p99 over repeats of the mean error, shards over the single stream: the median over cells, as a sketch that is all but exact gives any ratio. */
static void compare_merging(const json_t *summary, const char *method, json_t *findings)
{
    const json_t *cells = json_object_get(summary, "cells"), *cell;
    double *ratios = memory_alloc((json_array_size(cells) + 1) * sizeof *ratios), most = -1;
    size_t i, n = 0;
    const char *worst = "";
    char words[512];
    json_array_foreach(cells, i, cell) {
        double ratio = figure_at(cell, "merged_mean", "p99") / figure_at(cell, "mean", "p99");
        if (!ratios || strcmp(json_string_value(json_object_get(cell, "method")), method) != 0 || !isfinite(ratio))
            continue;
        ratios[n++] = ratio;
        if (ratio > most) {
            most = ratio;
            worst = json_string_value(json_object_get(cell, "stream"));
        }
    }
    if (n > 0) {
        qsort(ratios, n, sizeof *ratios, by_value);
        snprintf(words, sizeof words, "Merged from %lld shards, %s has %.2f times the mean error of the sketch that read all (99th percentiles over "
                 "repeats; median of %zu cells, most %.2f: %s).",
                 (long long)json_integer_value(json_object_get(summary, "shards")), method, quantile_sorted(ratios, n, .5), n, most, worst);
        json_array_append_new(findings, json_string(words));
    }
    memory_free(ratios);
}

/* ---- tables -------------------------------------------------------------------------------------------------------- */

static json_t *ratio_table(const json_t *forms)
{
    json_t *rows = json_array();
    const char *name;
    const json_t *form;
    json_object_foreach((json_t *)forms, name, form)
        json_array_append_new(rows, json_pack("{s:s, s:O, s:o, s:O, s:O}", "stream", name, "family", json_object_get(form, "family"), "ratio",
                                              figure_interval(form), "p99", json_object_get(form, "p99"), "n", json_object_get(form, "n")));
    json_t *columns = json_pack("[o, o, o, o, o]", figure_column("stream", "Stream", "text"), figure_column("family", "Family", "text"),
                                figure_column("ratio", "Error over KLL's", "interval"), figure_column("p99", "p99", "number"),
                                figure_column("n", "Repeats", "count"));
    return json_pack("{s:s, s:s, s:o, s:o}", "title", "The interpolated sketch against KLL", "note",
                     "Mean error of ranks (" SKETCHES_BEST " over " SKETCHES_BASE ") at equal words, averaged over sizes; 95 % interval over repeats.",
                     "columns", columns, "rows", rows);
}

static json_t *error_table(const json_t *summary, json_int_t size, const char *measure, const char *what, const char *title)
{
    json_t *rows = json_array(), *columns = json_pack("[o]", figure_column("stream", "Stream", "text"));
    const char *name;
    const json_t *form;
    char words[160];
    for (size_t m = 0; m < sketch_method_count; m++)
        json_array_append_new(columns, figure_column(sketch_methods[m].name, sketch_methods[m].name, "number"));
    json_object_foreach((json_t *)json_object_get(summary, "forms"), name, form) {
        json_t *row = json_pack("{s:s}", "stream", name);
        for (size_t m = 0; m < sketch_method_count; m++) {
            double e = 100 * figure_at(cell_of(summary, name, sketch_methods[m].name, size), measure, what);
            json_object_set_new(row, sketch_methods[m].name, jsonio_number(e));
        }
        json_array_append_new(rows, row);
    }
    snprintf(words, sizeof words, "%s, %lld words", title, (long long)size);
    return json_pack("{s:s, s:s, s:o, s:o}", "title", words, "note", "In percent of the stream's length.", "columns", columns, "rows", rows);
}

/* ---- pictures ------------------------------------------------------------------------------------------------------ */

static json_t *space_chart(const json_t *summary, const char *stream_name)
{
    json_t *points = json_array(), *ticks = json_array();
    size_t i;
    const json_t *size;
    char title[256];
    json_array_foreach(json_object_get(summary, "sizes"), i, size) {
        double x = log2(json_number_value(size));
        json_array_append_new(ticks, json_pack("{s:f, s:o}", "x", x, "label", json_sprintf("%.0f", json_number_value(size))));
        for (size_t m = 0; m < COUNT_OF(drawn); m++) {
            const json_t *cell = cell_of(summary, stream_name, drawn[m], json_integer_value(size));
            double e = 100 * figure_at(cell, "mean", "mean"), low = 100 * figure_at(cell, "mean", "low"), high = 100 * figure_at(cell, "mean", "high");
            if (!(e > 0))
                continue; /* no error at all has no place on a logarithmic axis */
            double y = log10(fmax(e, 1e-4));
            json_array_append_new(points, json_pack("{s:f, s:f, s:f, s:f, s:s}", "x", x, "y", y, "low", low > 1e-4 ? log10(low) : y, "high",
                                                    high > 1e-4 ? log10(high) : y, "series", drawn[m]));
        }
    }
    snprintf(title, sizeof title, "Error against space: %s", stream_name);
    return json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:o}, s:{s:s}, s:o}", "kind", "lines", "unit", "number", "title", title, "note",
                     "Mean error of ranks, log10 of percent; a sketch without any error is not drawn.", "x", "label", "words of 8 bytes", "ticks", ticks, "y", "label",
                     "log10 of the mean error in percent", "points", points);
}

status sketches_figures(const study_run *run, const json_t *summary, json_t **figures, error *err)
{
    (void)run;
    const json_t *forms = json_object_get(summary, "forms"), *size, *form;
    json_t *findings = json_array(), *tables = json_array(), *charts = json_array();
    const char *name;
    size_t i;
    for (int f = 0; f < STREAM_FAMILIES; f++)
        compare_family(forms, stream_family_names[f], findings);
    compare_merging(summary, SKETCHES_BASE, findings);
    compare_merging(summary, SKETCHES_BEST, findings);
    json_array_append_new(tables, ratio_table(forms));
    json_array_foreach(json_object_get(summary, "sizes"), i, size) {
        json_array_append_new(tables, error_table(summary, json_integer_value(size), "mean", "mean", "Mean error"));
        json_array_append_new(tables, error_table(summary, json_integer_value(size), "most", "p99", "Largest error, 99th percentile over repeats"));
    }
    json_object_foreach((json_t *)forms, name, form)
        json_array_append_new(charts, space_chart(summary, name));
    *figures = json_pack("{s:o, s:o, s:o}", "findings", findings, "tables", tables, "charts", charts);
    return *figures ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for the figures");
}
