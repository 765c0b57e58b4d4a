/* Runs as comma-separated values. */
#include "report/report.h"

#include "core/csv.h"

#include <math.h>

static void add_value(strbuf *out, const json_t *value)
{
    if (json_is_string(value))
        csv_add(out, json_string_value(value));
    else if (json_is_integer(value))
        strbuf_printf(out, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        strbuf_printf(out, "%.17g", json_real_value(value));
    else if (json_is_boolean(value))
        strbuf_add(out, json_is_true(value) ? "true" : "false");
}

static void add_run(strbuf *out, const json_t *run)
{
    add_value(out, json_object_get(run, "run"));
    strbuf_add_char(out, ',');
    add_value(out, json_object_get(run, "subject"));
    strbuf_add_char(out, ',');
}

status report_csv(const json_t *runs, strbuf *out, error *err)
{
    static const char *const members[] = {"rate", "base", "excess", "estimate", "low", "high", "n", "unreadable"};
    strbuf_add(out, "run,subject,study,seed,dose,form");
    for (size_t i = 0; i < COUNT_OF(members); i++)
        strbuf_printf(out, ",%s", members[i]);
    strbuf_add(out, ",bounds_low,bounds_high\r\n");
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i);
        const char *name;
        json_t *form;
        json_object_foreach(json_object_get(json_object_get(run, "summary"), "forms"), name, form)
        {
            double dose = report_dose(run, name);
            add_run(out, run);
            add_value(out, json_object_get(run, "study"));
            strbuf_add_char(out, ',');
            add_value(out, json_object_get(run, "seed"));
            strbuf_add_char(out, ',');
            if (!isnan(dose))
                strbuf_printf(out, "%.17g", dose);
            strbuf_add_char(out, ',');
            csv_add(out, name);
            for (size_t j = 0; j < COUNT_OF(members); j++) {
                strbuf_add_char(out, ',');
                add_value(out, json_object_get(form, members[j]));
            }
            for (size_t j = 0; j < 2; j++) {
                strbuf_add_char(out, ',');
                add_value(out, json_array_get(json_object_get(form, "bounds"), j));
            }
            strbuf_add(out, "\r\n");
        }
    }
    return out->failed ? error_set(err, STATUS_MEMORY, "the table is too large, or memory is out") : STATUS_OK;
}

status report_csv_samples(const json_t *runs, strbuf *out, error *err)
{
    static const char *const members[] = {"group", "verdict", "asked", "answered", "expected", "scored"};
    strbuf_add(out, "run,subject,index");
    for (size_t i = 0; i < COUNT_OF(members); i++)
        strbuf_printf(out, ",%s", members[i]);
    strbuf_add(out, ",problem\r\n");
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i), *samples = json_object_get(run, "samples");
        for (size_t j = 0; j < json_array_size(samples); j++) {
            const json_t *sample = json_array_get(samples, j), *record = json_object_get(sample, "record");
            add_run(out, run);
            add_value(out, json_object_get(sample, "index"));
            for (size_t k = 0; k < COUNT_OF(members); k++) {
                strbuf_add_char(out, ',');
                add_value(out, json_object_get(record, members[k]));
            }
            strbuf_add_char(out, ',');
            add_value(out, json_object_get(sample, "problem"));
            strbuf_add(out, "\r\n");
        }
    }
    return out->failed ? error_set(err, STATUS_MEMORY, "the table is too large, or memory is out") : STATUS_OK;
}
