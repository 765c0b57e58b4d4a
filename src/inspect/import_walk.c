#include "inspect/import_log.h"

#include "inspect/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_HEADER = 64 << 20 };

/* ---- sources ---------------------------------------------------------------------------------------------------- */

typedef struct source {
    import_walk *walk;
    int file;
    archive_member *member; /* NULL: the file */
} source;

static status fill(void *context, char *bytes, size_t room, size_t *got, error *err)
{
    source *s = context;
    import_walk *w = s->walk;
    if (w->options && w->options->interrupt && atomic_load(w->options->interrupt))
        return error_set(err, STATUS_INTERRUPTED, "interrupted while reading %s", w->path);
    if (s->member) {
        TRY(archive_member_read(s->member, bytes, room, got, err));
    } else {
        ssize_t n;
        do
            n = read(s->file, bytes, room);
        while (n < 0 && errno == EINTR);
        if (n < 0)
            return error_system(err, "cannot read %s", w->path);
        *got = (size_t)n;
    }
    w->before += *got;
    if (w->options && w->options->on_progress)
        w->options->on_progress(w->options->context, w->before, w->total);
    return STATUS_OK;
}

/* ---- parts ------------------------------------------------------------------------------------------------------ */

static status one_sample(import_walk *w, jsonstream *s, error *err)
{
    json_t *sample;
    bool cut = false;
    uint64_t from = jsonstream_place(s);
    status result = import_sample_read(s, &sample, &cut, err);
    if (result == STATUS_OK) {
        result = w->each(w->context, sample, cut, err);
        json_decref(sample);
    } else if (result == STATUS_INVALID && err && !strstr(err->message, "byte ")) {
        error_context(err, "%s: the sample at byte %llu", w->path, (unsigned long long)from + 1);
    }
    return result;
}

static status all_samples(import_walk *w, jsonstream *s, error *err)
{
    if (jsonstream_peek(s) == 'n') /* null: a log without them */
        return jsonstream_skip(s, err);
    error walk = {0};
    TRY(jsonstream_enter(s, '[', err));
    while (jsonstream_item(s, &walk))
        TRY(one_sample(w, s, err));
    if (walk.code != STATUS_OK && err)
        *err = walk;
    return walk.code;
}

/* An object with the log's members; samples in it are walked through. */
static status read_log(import_walk *w, jsonstream *s, error *err)
{
    const char *key;
    bool first = !w->header;
    error walk = {0};
    if (first && !(w->header = json_object()))
        return error_set(err, STATUS_MEMORY, "out of memory while reading %s", w->path);
    TRY(jsonstream_enter(s, '{', err));
    while (jsonstream_member(s, &key, &walk)) {
        json_t *value = NULL;
        if (strcmp(key, "samples") == 0) {
            TRY(all_samples(w, s, err));
            continue;
        }
        if (!first || strcmp(key, "reductions") == 0) {
            TRY(jsonstream_skip(s, err));
            continue;
        }
        char name[64];
        snprintf(name, sizeof name, "%s", key);
        TRY(jsonstream_value(s, MOST_HEADER, &value, err));
        if (!value)
            return error_set(err, STATUS_LIMIT, "%s: its member \"%s\" has more than 64 MiB", w->path, name);
        json_object_set_new(w->header, name, value);
    }
    if (walk.code != STATUS_OK && err)
        *err = walk;
    TRY(walk.code);
    return jsonstream_end(s, err);
}

static status read_member(import_walk *w, archive *z, size_t i, bool sample, error *err)
{
    source from = {.walk = w};
    TRY(archive_member_open(z, i, &from.member, err));
    char name[512];
    snprintf(name, sizeof name, "%s: %.200s", w->path, archive_name(z, i));
    jsonstream *s = jsonstream_new(fill, &from, name, err);
    status result = s ? STATUS_OK : STATUS_MEMORY;
    if (result == STATUS_OK)
        result = sample ? one_sample(w, s, err) : read_log(w, s, err);
    if (result == STATUS_OK)
        result = jsonstream_end(s, err);
    jsonstream_free(s);
    archive_member_close(from.member);
    return result;
}

static status walk_eval(import_walk *w, error *err)
{
    archive *z;
    TRY(archive_open(w->path, &z, err));
    size_t header = archive_find(z, "header.json");
    if (header == SIZE_MAX) /* of a run that was not completed */
        header = archive_find(z, "_journal/start.json");
    status result = header == SIZE_MAX
                        ? error_set(err, STATUS_INVALID, "%s: expected a log of Inspect, found a ZIP without header.json", w->path)
                        : STATUS_OK;
    if (result == STATUS_OK && !w->header)
        result = read_member(w, z, header, false, err);
    for (size_t i = 0; result == STATUS_OK && i < archive_count(z); i++) {
        slice name = slice_of(archive_name(z, i));
        if (slice_starts(name, SLICE("samples/")) && slice_ends(name, SLICE(".json")))
            result = read_member(w, z, i, true, err);
    }
    archive_close(z);
    return result;
}

static status walk_json(import_walk *w, error *err)
{
    source from = {.walk = w, .file = open(w->path, O_RDONLY | O_CLOEXEC)};
    if (from.file < 0)
        return error_system(err, "cannot open %s", w->path);
    jsonstream *s = jsonstream_new(fill, &from, w->path, err);
    status result = s ? read_log(w, s, err) : STATUS_MEMORY;
    jsonstream_free(s);
    close(from.file);
    return result;
}

status import_walk_log(import_walk *w, error *err)
{
    char magic[4] = "";
    int file = open(w->path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return error_system(err, "cannot open %s", w->path);
    ssize_t n = read(file, magic, sizeof magic);
    int failed = errno;
    close(file);
    errno = failed;
    if (n < 0)
        return error_system(err, "cannot read %s", w->path);
    bool zip = n == 4 && memcmp(magic, "PK", 2) == 0;
    inspect_form form;
    return zip || (inspect_form_of(w->path, &form) && form == INSPECT_EVAL) ? walk_eval(w, err) : walk_json(w, err);
}
