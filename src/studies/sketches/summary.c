/* What the records of streams say: cells (stream, method, size) over repeats, and how the interpolated sketch compares with KLL. */
#include "studies/sketches/sketches.h"

#include "core/jsonio.h"
#include "stats/bootstrap.h"
#include "stats/distribution.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const measures[] = {"mean", "most", "tail", "mass", "quantile", "merged_mean", "merged_most"};

/* The row of a method at a size in a record, or NULL. */
static const json_t *row_of(const json_t *record, const char *method, size_t size)
{
    size_t i;
    const json_t *row, *name;
    json_array_foreach(json_object_get(record, "rows"), i, row) {
        name = json_object_get(row, "method");
        if ((size_t)json_integer_value(json_object_get(row, "size")) == size && strcmp(json_string_value(name), method) == 0)
            return row;
    }
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct spread {
    double mean, low, high, p99;
    size_t n;
} spread;

/* Mean with Student's interval, and the 99th percentile of the repeats. `x` is sorted. */
static spread spread_of(double *x, size_t n)
{
    spread s = {.mean = NAN, .low = NAN, .high = NAN, .p99 = NAN, .n = n};
    double sum = 0, squares = 0;
    if (n == 0)
        return s;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    s.mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (x[i] - s.mean) * (x[i] - s.mean);
    if (n > 1) {
        double half = student_quantile(.975, (double)(n - 1)) * sqrt(squares / (double)(n - 1) / (double)n);
        s.low = s.mean - half;
        s.high = s.mean + half;
    }
    qsort(x, n, sizeof *x, by_value);
    s.p99 = quantile_sorted(x, n, .99);
    return s;
}

static json_t *cell(const sketches_data *data, const json_t *records, size_t stream_index, const char *method, size_t size, double *x)
{
    json_t *out = json_pack("{s:s, s:s, s:s, s:I}", "stream", data->streams[stream_index].name, "family",
                            stream_family_names[data->streams[stream_index].family], "method", method, "size", (json_int_t)size);
    for (size_t m = 0; m < COUNT_OF(measures); m++) {
        size_t n = 0;
        for (size_t r = 0; r < data->repeats; r++) {
            const json_t *row = row_of(json_array_get(records, stream_index * data->repeats + r), method, size);
            if (row && m == 0) {
                json_object_set(out, "words", json_object_get(row, "words"));
                json_object_set(out, "bytes", json_object_get(row, "bytes"));
            }
            if (row)
                x[n++] = jsonio_number_at(row, measures[m]);
        }
        spread s = spread_of(x, n);
        json_object_set_new(out, measures[m], json_pack("{s:o, s:o, s:o, s:o}", "mean", jsonio_number(s.mean), "low", jsonio_number(s.low),
                                                        "high", jsonio_number(s.high), "p99", jsonio_number(s.p99)));
    }
    return out;
}

/* Error of the interpolated sketch over that of KLL, averaged over the sizes, in one repeat; NaN where KLL made no error. */
static double ratio_of(const sketches_data *data, const json_t *record)
{
    double sum = 0;
    for (size_t i = 0; i < data->size_count; i++)
        sum += jsonio_number_at(row_of(record, SKETCHES_BEST, data->sizes[i]), "mean") /
               jsonio_number_at(row_of(record, SKETCHES_BASE, data->sizes[i]), "mean");
    return isfinite(sum) ? sum / (double)data->size_count : NAN;
}

static json_t *form(const sketches_data *data, const json_t *records, size_t stream_index, double *x)
{
    size_t n = 0;
    for (size_t r = 0; r < data->repeats; r++) {
        double ratio = ratio_of(data, json_array_get(records, stream_index * data->repeats + r));
        if (isfinite(ratio))
            x[n++] = ratio;
    }
    spread s = spread_of(x, n);
    json_t *out = json_pack("{s:s, s:o, s:o, s:o, s:o, s:I}", "family", stream_family_names[data->streams[stream_index].family], "estimate",
                            jsonio_number(s.mean), "low", jsonio_number(s.low), "high", jsonio_number(s.high), "p99", jsonio_number(s.p99), "n",
                            (json_int_t)n);
    if (n == 0)
        json_object_set_new(out, "reason", json_string("KLL made no error"));
    return out;
}

status sketches_summarise(const study_run *run, const json_t *records, json_t **summary, error *err)
{
    const sketches_data *data = run->data;
    json_t *forms = json_object(), *cells = json_array(), *sizes = json_array();
    double *x = memory_alloc((data->repeats + 1) * sizeof *x);
    for (size_t i = 0; x && i < data->stream_count; i++) {
        json_object_set_new(forms, data->streams[i].name, form(data, records, i, x));
        for (size_t w = 0; w < data->size_count; w++)
            for (size_t m = 0; m < sketch_method_count; m++)
                json_array_append_new(cells, cell(data, records, i, sketch_methods[m].name, data->sizes[w], x));
    }
    for (size_t w = 0; w < data->size_count; w++)
        json_array_append_new(sizes, json_integer((json_int_t)data->sizes[w]));
    *summary = json_pack("{s:o, s:o, s:o, s:I, s:I}", "forms", forms, "sizes", sizes, "cells", cells, "repeats", (json_int_t)data->repeats,
                         "shards", (json_int_t)data->shards);
    bool good = x && *summary;
    memory_free(x);
    return good ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for the summary");
}
