/* Logs as files: one JSON object, or a ZIP with a member for each sample; one sample at a time is in memory. */
#include "inspect/export.h"

#include "core/file.h"
#include "core/jsonio.h"

#include <stdio.h>
#include <unistd.h>
#include <zip.h>

enum { MOST_TEXT = 1 << 30 };

bool inspect_form_of(const char *path, inspect_form *form)
{
    slice name = slice_of(path);
    *form = slice_ends(name, SLICE(".eval")) ? INSPECT_EVAL : INSPECT_JSON;
    return slice_ends(name, SLICE(".eval")) || slice_ends(name, SLICE(".json"));
}

status inspect_log_name(store *s, int64_t id, const char *folder, inspect_form form, arena *a, const char **out, error *err)
{
    export_run r = {.arena = a};
    TRY(store_run_get(s, a, id, &r.row, err));
    char *time = arena_strdup(a, export_time(a, r.row.started));
    const char *slash = strrchr(r.row.study, '/'), *task = slash ? slash + 1 : r.row.study;
    char *name = arena_printf(a, "%s_%s_%s.%s", time, task, export_id(&r, a, "task", 0, 0), form == INSPECT_EVAL ? "eval" : "json");
    for (char *c = name; c && *c; c++) /* "12:00:00+00:00" becomes "12-00-00-00-00" */
        if (*c == ':' || *c == '+')
            *c = '-';
    *out = name ? file_join(a, folder, name) : NULL;
    return *out ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory while naming a log");
}

/* Takes the value. */
static status text_of(json_t *value, strbuf *out, error *err)
{
    strbuf_clear(out);
    status result = value ? jsonio_print(value, 0, out, err) : error_set(err, STATUS_MEMORY, "out of memory while writing a log");
    json_decref(value);
    if (result == STATUS_OK && out->failed)
        return error_set(err, STATUS_LIMIT, "a part of the log is larger than 1 GiB, or memory is out");
    return result;
}

static status sample_text(const export_run *r, size_t at, strbuf *out, error *err)
{
    arena *a = arena_new(NULL);
    store_sample x;
    status result = store_sample_get(r->store, a, r->row.id, r->places[at].index, r->places[at].repeat, &x, err);
    if (result == STATUS_OK)
        result = text_of(export_sample(r, &x), out, err);
    arena_free(a);
    return result;
}

/* ---- .json ------------------------------------------------------------------------------------------------------ */

static status write_json(const export_run *r, const char *path, error *err)
{
    file_writer w;
    strbuf text = strbuf_new(NULL, MOST_TEXT);
    TRY(file_writer_open(&w, path, err));
    status result = text_of(export_header(r, false), &text, err);
    if (result == STATUS_OK) {
        file_writer_add(&w, text.text, text.length - 1); /* without its closing brace */
        file_writer_add(&w, ", \"samples\": [", 14);
    }
    for (size_t i = 0; result == STATUS_OK && i < r->count; i++) {
        result = sample_text(r, i, &text, err);
        if (result != STATUS_OK)
            break;
        file_writer_add(&w, i ? ",\n" : "\n", i ? 2 : 1);
        file_writer_add(&w, text.text, text.length);
    }
    strbuf_free(&text);
    if (result != STATUS_OK) {
        file_writer_abandon(&w);
        return result;
    }
    file_writer_add(&w, "]}\n", 3);
    return file_writer_commit(&w, err);
}

/* ---- .eval ------------------------------------------------------------------------------------------------------ */

enum { MEMBER_START = -4, MEMBER_SUMMARIES = -3, MEMBER_HEADER = -2 };

typedef struct eval_writer {
    const export_run *run;
    error problem;
} eval_writer;

/* One member: its text is made when libzip opens it, and dropped when it closes it. */
typedef struct eval_member {
    eval_writer *writer;
    long what; /* MEMBER_... or the place of a sample */
    strbuf text;
    size_t read;
} eval_member;

static status member_text(eval_member *m, error *err)
{
    const export_run *r = m->writer->run;
    m->text = strbuf_new(NULL, MOST_TEXT);
    m->read = 0;
    switch (m->what) {
    case MEMBER_START:
        return text_of(export_header(r, true), &m->text, err);
    case MEMBER_SUMMARIES:
        return text_of(json_incref(r->summaries), &m->text, err);
    case MEMBER_HEADER:
        return text_of(export_header(r, false), &m->text, err);
    default:
        return sample_text(r, (size_t)m->what, &m->text, err);
    }
}

static zip_int64_t give_member(void *context, void *data, zip_uint64_t length, zip_source_cmd_t command)
{
    eval_member *m = context;
    switch ((int)command) {
    case ZIP_SOURCE_OPEN:
        return member_text(m, &m->writer->problem) == STATUS_OK ? 0 : -1;
    case ZIP_SOURCE_READ: {
        size_t left = m->text.length - m->read, part = length < left ? (size_t)length : left;
        memcpy(data, m->text.text + m->read, part);
        m->read += part;
        return (zip_int64_t)part;
    }
    case ZIP_SOURCE_CLOSE:
        strbuf_free(&m->text);
        return 0;
    case ZIP_SOURCE_STAT: {
        zip_stat_t *about = data;
        zip_stat_init(about);
        about->mtime = (time_t)m->writer->run->row.started; /* the same log for the same run */
        about->valid |= ZIP_STAT_MTIME;
        return sizeof *about;
    }
    case ZIP_SOURCE_ERROR: {
        const int codes[2] = {ZIP_ER_INTERNAL, 0};
        memcpy(data, codes, sizeof codes);
        return sizeof codes;
    }
    case ZIP_SOURCE_FREE:
        return 0;
    case ZIP_SOURCE_SUPPORTS:
        return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT,
                                              ZIP_SOURCE_ERROR, ZIP_SOURCE_FREE, -1);
    default:
        return -1;
    }
}

static status add_member(zip_t *archive, eval_writer *w, long what, const char *name, error *err)
{
    eval_member *m = ARENA_NEW(w->run->arena, eval_member);
    if (!m)
        return error_set(err, STATUS_MEMORY, "out of memory while writing a log");
    *m = (eval_member){.writer = w, .what = what};
    zip_source_t *source = zip_source_function(archive, give_member, m);
    if (!source || zip_file_add(archive, name, source, ZIP_FL_ENC_UTF_8) < 0) {
        zip_source_free(source);
        return error_set(err, STATUS_IO, "cannot add %s to the log: %s", name, zip_strerror(archive));
    }
    return STATUS_OK;
}

/* "samples/ID_epoch_N.json"; what has no place in a name is replaced, which may make two names equal: then the sample's
 * number follows. */
static const char *member_name(const export_run *r, zip_t *archive, size_t at)
{
    const json_t *summary = json_array_get(r->summaries, at), *id = json_object_get(summary, "id");
    char *word = json_is_string(id) ? arena_strdup(r->arena, json_string_value(id))
                                    : arena_printf(r->arena, "%lld", (long long)json_integer_value(id));
    for (char *c = word; c && *c; c++)
        if ((unsigned char)*c < ' ' || strchr("/\\:*?\"<>|", *c))
            *c = '_';
    unsigned long long epoch = r->places[at].repeat + 1;
    const char *name = word ? arena_printf(r->arena, "samples/%.160s_epoch_%llu.json", word, epoch) : NULL;
    if (name && zip_name_locate(archive, name, 0) >= 0)
        name = arena_printf(r->arena, "samples/%.160s_%zu_epoch_%llu.json", word, at, epoch);
    return name ? name : "";
}

static status fill_eval(zip_t *archive, eval_writer *w, error *err)
{
    TRY(add_member(archive, w, MEMBER_START, "_journal/start.json", err));
    for (size_t i = 0; i < w->run->count; i++)
        TRY(add_member(archive, w, (long)i, member_name(w->run, archive, i), err));
    TRY(add_member(archive, w, MEMBER_SUMMARIES, "summaries.json", err));
    return add_member(archive, w, MEMBER_HEADER, "header.json", err);
}

/* libzip writes beside the file and renames. */
static status write_eval(const export_run *r, const char *path, error *err)
{
    eval_writer w = {.run = r};
    int code = 0;
    zip_t *archive = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &code);
    if (!archive) {
        zip_error_t words;
        zip_error_init_with_code(&words, code);
        error_set(err, STATUS_IO, "cannot write %s: %s", path, zip_error_strerror(&words));
        zip_error_fini(&words);
        return STATUS_IO;
    }
    status result = fill_eval(archive, &w, err);
    if (result == STATUS_OK && zip_close(archive) == 0)
        return STATUS_OK;
    if (result == STATUS_OK && w.problem.code != STATUS_OK) {
        *err = w.problem;
        result = w.problem.code;
    } else if (result == STATUS_OK) {
        result = error_set(err, STATUS_IO, "cannot write %s: %s", path, zip_strerror(archive));
    }
    zip_discard(archive);
    return result;
}

status inspect_export(store *s, int64_t id, const char *path, inspect_form form, error *err)
{
    export_run r;
    error local = {0};
    arena *a = arena_new(NULL);
    if (!err)
        err = &local;
    status result = export_run_open(s, a, id, &r, err);
    if (result == STATUS_OK)
        result = form == INSPECT_EVAL ? write_eval(&r, path, err) : write_json(&r, path, err);
    export_run_close(&r);
    arena_free(a);
    return result;
}
