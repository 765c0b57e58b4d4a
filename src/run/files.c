/* What a finished run leaves for others: its study writes it from the records. */
#include "run/run.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "run/describe.h"

static status add_record(void *context, const store_sample *x, error *err)
{
    json_t *records = context, *record;
    if (x->code != STATUS_OK || x->index >= json_array_size(records))
        return STATUS_OK;
    TRY(jsonio_parse(slice_of(x->record), "stored record", &record, err));
    return json_array_set_new(records, (size_t)x->index, record) == 0 ? STATUS_OK
                                                                     : error_set(err, STATUS_MEMORY, "out of memory while reading records");
}

static status prepare(study_run *run, arena *a, const store_run *row, const json_t *description, error *err)
{
    param_values *params;
    const char *then = json_string_value(json_object_get(description, "identity"));
    TRY(describe_params(a, run->study, description, &params, err));
    run->params = params;
    TRY(run->study->prepare(run, err));
    bool same = !then ? !run->identity : run->identity && strcmp(then, run->identity) == 0;
    if (same && run->sample_count == row->sample_count)
        return STATUS_OK;
    error_set(err, STATUS_INVALID, "run %lld is of another version of the study %s", (long long)row->id, row->study);
    return error_hint(err, "the files that its items come from were edited");
}

static status write(study_run *run, store *s, const store_run *row, const char *folder, strbuf *told, error *err)
{
    json_t *records = json_array();
    status result = STATUS_OK;
    for (uint64_t i = 0; records && i < row->sample_count; i++)
        if (json_array_append_new(records, json_null()) != 0)
            result = error_set(err, STATUS_MEMORY, "out of memory while reading records");
    if (result == STATUS_OK)
        result = store_sample_each(s, row->id, false, add_record, records, err);
    if (result == STATUS_OK)
        result = file_make_folders(folder, err);
    if (result == STATUS_OK)
        result = run->study->write_files(run, records, folder, told, err);
    json_decref(records);
    return result;
}

status run_write_files(arena *a, store *s, int64_t id, const study *st, const char *folder, strbuf *told, error *err)
{
    store_run row;
    json_t *description;
    TRY(store_run_get(s, a, id, &row, err));
    if (!st->write_files)
        return error_set(err, STATUS_UNSUPPORTED, "the study %s makes no files", st->name);
    if (!row.summary)
        return error_set(err, STATUS_NOT_FOUND, "run %lld is not finished (%s, %llu of %llu samples)", (long long)id, row.state,
                         (unsigned long long)row.done, (unsigned long long)row.sample_count);
    TRY(jsonio_parse(slice_of(row.description), "stored description", &description, err));
    study_run run = {.study = st, .seed = row.seed, .arena = a, .subject_name = row.subject};
    status result = prepare(&run, a, &row, description, err);
    if (result == STATUS_OK)
        result = write(&run, s, &row, folder, told, err);
    if (st->finish)
        st->finish(&run);
    json_decref(description);
    return result;
}
