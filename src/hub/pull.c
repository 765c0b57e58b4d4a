#include "hub/pull.h"

#include "core/file.h"
#include "core/hash.h"
#include "core/jsonio.h"
#include "hub/datasets.h"
#include "hub/fetch.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_LISTING = 64 << 20, MOST_PAGES = 1000, MOST_FILES = 100000 };

typedef struct hub_file {
    const char *path, *sha256, *git_sha1;
    int64_t size;
} hub_file;

typedef struct hub_job {
    const pull_request *request;
    arena *arena;
    const char *endpoint, *token;
    const char *kind;           /* "models" or "datasets" */
    const char *name, *revision; /* "OWNER/NAME", "main" */
    const char *resolve;        /* what stands before a file's path in its URL */
    const char *base;           /* CACHE/models/OWNER/NAME */
    const char *commit, *folder;
    hub_file *files;
    size_t count, capacity;
} hub_job;

/* ---- names ------------------------------------------------------------------------------------------------------ */

static const char *cache_folder(arena *a)
{
    const char *own = getenv("ASSAY_CACHE"), *shared = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (own && own[0])
        return arena_printf(a, "%s/hub", own);
    if (shared && shared[0])
        return arena_printf(a, "%s/assay/hub", shared);
    return home && home[0] ? arena_printf(a, "%s/.cache/assay/hub", home) : NULL;
}

/* Letters, digits and "-_." with a letter or digit first: no way out of a folder. */
static bool plain_word(slice s)
{
    for (size_t i = 0; i < s.length; i++)
        if (!isalnum((unsigned char)s.text[i]) && !strchr("-_.", s.text[i]))
            return false;
    return s.length > 0 && s.length <= 96 && isalnum((unsigned char)s.text[0]);
}

static bool read_name(arena *a, const char *text, hub_job *job)
{
    slice rest = slice_of(text), name, owner;
    job->kind = "models";
    if (slice_starts(rest, SLICE("hf:")))
        rest = slice_sub(rest, 3, rest.length);
    if (slice_starts(rest, SLICE("datasets/"))) {
        job->kind = "datasets";
        rest = slice_sub(rest, 9, rest.length);
    }
    size_t at = slice_find(rest, SLICE("@"), 0);
    slice revision = at == SIZE_MAX ? SLICE("main") : slice_sub(rest, at + 1, rest.length);
    name = at == SIZE_MAX ? rest : slice_sub(rest, 0, at);
    job->name = slice_copy(a, name);
    job->revision = slice_copy(a, revision);
    return slice_cut(&name, '/', &owner) && name.text && plain_word(owner) && plain_word(name) && plain_word(revision);
}

static bool is_commit(const char *text)
{
    size_t n = text ? strspn(text, "0123456789abcdef") : 0;
    return n == 40 && text[n] == '\0';
}

/* A path that a server gives: relative, nothing hidden in it that leads elsewhere. */
static bool safe_path(const char *path)
{
    slice rest = slice_of(path), part;
    if (!path || rest.length == 0 || rest.length > 1000 || !utf8_valid(rest))
        return false;
    for (size_t i = 0; i < rest.length; i++)
        if ((unsigned char)path[i] < ' ' || path[i] == '\\' || path[i] == 127)
            return false;
    while (slice_cut(&rest, '/', &part))
        if (part.length == 0 || slice_is(part, ".") || slice_is(part, ".."))
            return false;
    return true;
}

/* ---- listing ---------------------------------------------------------------------------------------------------- */

static fetch_request request_of(const hub_job *job, const char *url)
{
    return (fetch_request){.url = url, .token = job->token, .size = -1, .retry_seconds = job->request->retry_seconds,
                           .interrupt = job->request->interrupt};
}

static status ask_json(const hub_job *job, const char *url, json_t **out, const char **next, error *err)
{
    strbuf text;
    fetch_request r = request_of(job, url);
    TRY(fetch_text(&r, MOST_LISTING, &text, job->arena, next, err));
    return jsonio_parse(strbuf_slice(&text), url, out, err);
}

static status find_commit(hub_job *job, error *err)
{
    json_t *about;
    const char *next, *url = arena_printf(job->arena, "%s/api/%s/%s/revision/%s", job->endpoint, job->kind, job->name, job->revision);
    TRY(ask_json(job, url, &about, &next, err));
    const char *sha = json_string_value(json_object_get(about, "sha"));
    bool good = is_commit(sha);
    job->commit = good ? arena_strdup(job->arena, sha) : NULL;
    json_decref(about);
    return good ? STATUS_OK : error_set(err, STATUS_INVALID, "%s: expected \"sha\" with the 40 digits of a commit", url);
}

static bool ends_with_one_of(const char *path, const char *const *ends)
{
    for (; *ends; ends++)
        if (slice_ends(slice_of(path), slice_of(*ends)))
            return true;
    return false;
}

/* What a checkpoint needs lies in the top folder. */
static bool wanted(const hub_job *job, const char *path)
{
    static const char *const ends[] = {".json", ".safetensors", ".jinja", "merges.txt", "vocab.txt", ".model", "LICENSE", "LICENSE.txt", NULL};
    if (job->request->all || strcmp(job->kind, "datasets") == 0)
        return true;
    return !strchr(path, '/') && ends_with_one_of(path, ends);
}

static status add_entry(hub_job *job, const json_t *entry, error *err)
{
    const char *type = json_string_value(json_object_get(entry, "type")), *path = json_string_value(json_object_get(entry, "path"));
    const json_t *large = json_object_get(entry, "lfs");
    const char *sum = json_string_value(json_object_get(large, "oid")), *oid = json_string_value(json_object_get(entry, "oid"));
    const json_t *size = json_object_get(large ? large : entry, "size");
    if (!type || strcmp(type, "file") != 0)
        return STATUS_OK;
    if (!safe_path(path) || strcmp(path, "pulled.json") == 0)
        return error_set(err, STATUS_INVALID, "%s/%s lists a file whose name has no place in a folder: '%.200s'", job->endpoint, job->name, path ? path : "");
    if (!wanted(job, path))
        return STATUS_OK;
    if (!json_is_integer(size) || json_integer_value(size) < 0 || (large ? !sum || strlen(sum) != 64 : !is_commit(oid)))
        return error_set(err, STATUS_INVALID, "%s/%s lists %s without its size and hash", job->endpoint, job->name, path);
    if (job->count == MOST_FILES)
        return error_set(err, STATUS_LIMIT, "%s lists more than %d files", job->name, MOST_FILES);
    if (job->count == job->capacity) {
        job->files = arena_regrow(job->arena, job->files, job->count, job->capacity * 2 + 64, sizeof *job->files);
        job->capacity = job->files ? job->capacity * 2 + 64 : 0;
    }
    if (!job->files)
        return error_set(err, STATUS_MEMORY, "out of memory for a list of files");
    job->files[job->count++] = (hub_file){.path = arena_strdup(job->arena, path), .size = json_integer_value(size),
                                          .sha256 = large ? arena_strdup(job->arena, sum) : NULL,
                                          .git_sha1 = large ? NULL : arena_strdup(job->arena, oid)};
    return STATUS_OK;
}

static status list_files(hub_job *job, error *err)
{
    const char *url = arena_printf(job->arena, "%s/api/%s/%s/tree/%s?recursive=true", job->endpoint, job->kind, job->name, job->commit);
    for (int page = 0; url; page++) {
        json_t *list;
        const char *next = NULL;
        if (page == MOST_PAGES)
            return error_set(err, STATUS_LIMIT, "%s: its list of files has more than %d pages", job->name, MOST_PAGES);
        TRY(ask_json(job, url, &list, &next, err));
        status result = json_is_array(list) ? STATUS_OK : error_set(err, STATUS_INVALID, "%s: expected a list of files", url);
        for (size_t i = 0; result == STATUS_OK && i < json_array_size(list); i++)
            result = add_entry(job, json_array_get(list, i), err);
        json_decref(list);
        TRY(result);
        if (next && strncmp(next, job->endpoint, strlen(job->endpoint)) != 0) /* the token must not follow it */
            return error_set(err, STATUS_REFUSED, "%s: the next page of its list is at another host", url);
        url = next;
    }
    if (job->count > 0)
        return STATUS_OK;
    error_set(err, STATUS_NOT_FOUND, "%s has no file that a checkpoint is made of", job->name);
    return error_hint(err, "--all brings whatever it has");
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

/* What was not known of a file before it came. */
static status note_file(hub_job *job, hub_file *f, const char *path, error *err)
{
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    struct stat about;
    if (f->size < 0) {
        if (stat(path, &about) != 0)
            return error_system(err, "%s", path);
        f->size = about.st_size;
    }
    if (f->sha256 || f->git_sha1)
        return STATUS_OK;
    TRY(sha256_file(path, digest, err));
    sha256_hex(digest, hex);
    f->sha256 = arena_strdup(job->arena, hex);
    return f->sha256 ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory while fetching %s", f->path);
}

static status get_one(hub_job *job, hub_file *f, error *err)
{
    static const char unreserved[] = "-_.~/";
    strbuf url = strbuf_new(job->arena, 1 << 14);
    strbuf_printf(&url, "%s/", job->resolve);
    for (const char *c = f->path; *c; c++)
        if (isalnum((unsigned char)*c) || strchr(unreserved, *c))
            strbuf_add_char(&url, *c);
        else
            strbuf_printf(&url, "%%%02X", (unsigned char)*c);
    char *path = file_join(job->arena, job->folder, f->path);
    struct stat about;
    if (path && stat(path, &about) == 0 && about.st_size == f->size)
        return STATUS_OK; /* checked before it got its name */
    char *folder = arena_strdup(job->arena, path);
    if (!folder || url.failed)
        return error_set(err, STATUS_MEMORY, "out of memory while fetching %s", f->path);
    *strrchr(folder, '/') = '\0';
    TRY(file_make_folders(folder, err));
    fetch_request r = request_of(job, url.text);
    r.path = path;
    r.sha256 = f->sha256;
    r.git_sha1 = f->git_sha1;
    r.size = f->size;
    r.on_progress = job->request->on_progress;
    r.context = job->request->context;
    TRY(fetch_file(&r, err));
    return note_file(job, f, path, err);
}

/* Of files whose hash nobody lists, the one that they had when they were first pulled: another is refused. */
static void recall_files(hub_job *job)
{
    json_t *record = NULL, *was;
    const char *path = file_join(job->arena, job->folder, "pulled.json");
    size_t k;
    if (!path || !file_exists(path) || jsonio_read(path, MOST_LISTING, &record, NULL) != STATUS_OK)
        return;
    json_array_foreach(json_object_get(record, "files"), k, was) {
        const char *name = json_string_value(json_object_get(was, "path")), *sum = json_string_value(json_object_get(was, "sha256"));
        const json_t *size = json_object_get(was, "size");
        for (size_t i = 0; name && sum && strlen(sum) == 64 && i < job->count; i++) {
            hub_file *f = &job->files[i];
            if (f->sha256 || f->git_sha1 || strcmp(f->path, name) != 0)
                continue;
            f->sha256 = arena_strdup(job->arena, sum);
            f->size = f->size < 0 && json_is_integer(size) && json_integer_value(size) >= 0 ? json_integer_value(size) : f->size;
        }
    }
    json_decref(record);
}

/* Last of all: a folder with it is whole. */
static status write_record(hub_job *job, error *err)
{
    json_t *files = json_array();
    for (size_t i = 0; i < job->count; i++) {
        const hub_file *f = &job->files[i];
        json_array_append_new(files, json_pack("{s:s, s:I, s:s*, s:s*}", "path", f->path, "size", (json_int_t)f->size, "sha256",
                                               f->sha256, "git_sha1", f->git_sha1));
    }
    json_t *record = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "name", job->name, "kind", job->kind, "revision", job->revision,
                               "commit", job->commit, "endpoint", job->endpoint, "files", files);
    const char *path = file_join(job->arena, job->folder, "pulled.json");
    status result = record && path ? jsonio_write(path, record, 2, err) : error_set(err, STATUS_MEMORY, "out of memory while pulling");
    json_decref(record);
    if (result != STATUS_OK || job->request->folder)
        return result;
    const char *refs = file_join(job->arena, job->base, "refs");
    TRY(file_make_folders(refs, err));
    return file_write(file_join(job->arena, refs, job->revision), slice_of(job->commit), err);
}

/* Of a data set that tasks/datasets.yaml names. */
static status find_listed(hub_job *job, error *err)
{
    const dataset *d;
    TRY(datasets_find(job->arena, job->name, &d, err));
    job->commit = d->commit;
    job->resolve = arena_printf(job->arena, "%s/%s/%s", job->endpoint, d->repository, d->commit);
    job->files = ARENA_ARRAY(job->arena, hub_file, d->file_count + 1);
    if (!job->files || !job->resolve)
        return error_set(err, STATUS_MEMORY, "out of memory for a list of files");
    for (; job->count < d->file_count; job->count++) {
        const dataset_file *f = &d->files[job->count];
        if (!safe_path(f->path))
            return error_set(err, STATUS_INVALID, "the data set %s lists a file whose name has no place in a folder: '%s'", job->name, f->path);
        job->files[job->count] = (hub_file){.path = f->path, .size = f->size, .sha256 = f->sha256};
    }
    return STATUS_OK;
}

static status find_files(hub_job *job, error *err)
{
    if (strcmp(job->kind, "data") == 0)
        return find_listed(job, err);
    TRY(find_commit(job, err));
    job->resolve = arena_printf(job->arena, "%s/%s%s/resolve/%s", job->endpoint, strcmp(job->kind, "datasets") == 0 ? "datasets/" : "",
                                job->name, job->commit);
    return list_files(job, err);
}

static status pull_hub(hub_job *job, pull_done *out, error *err)
{
    TRY(find_files(job, err));
    job->folder = job->request->folder ? job->request->folder : file_join(job->arena, job->base, job->commit);
    TRY(file_make_folders(job->folder, err));
    recall_files(job);
    for (size_t i = 0; i < job->count; i++) {
        if (job->request->on_file)
            job->request->on_file(job->request->context, job->files[i].path, i, job->count);
        TRY(get_one(job, &job->files[i], err));
        out->bytes += (uint64_t)job->files[i].size;
    }
    TRY(write_record(job, err));
    out->folder = job->folder;
    out->commit = job->commit;
    out->files = job->count;
    return STATUS_OK;
}

/* ---- URLs ------------------------------------------------------------------------------------------------------- */

/* CACHE/urls/HOST/.../NAME; who serves it says no hash: the one that was seen is given back. */
static status pull_url(hub_job *job, pull_done *out, error *err)
{
    const char *url = job->request->name, *start = strstr(url, "://") + 3;
    slice rest = {start, strcspn(start, "?#")};
    char *plain = slice_copy(job->arena, rest);
    for (char *c = plain; c && *c; c++)
        if (*c == ':')
            *c = '_';
    if (!plain || !safe_path(plain) || !strchr(plain, '/'))
        return error_set(err, STATUS_USAGE, "expected a URL of a file, found %s", url);
    const char *base = job->request->folder ? job->request->folder : job->base;
    const char *path = file_join(job->arena, base, job->request->folder ? strrchr(plain, '/') + 1 : plain);
    char *folder = arena_strdup(job->arena, path);
    if (!folder)
        return error_set(err, STATUS_MEMORY, "out of memory while pulling");
    *strrchr(folder, '/') = '\0';
    TRY(file_make_folders(folder, err));
    fetch_request r = {.url = url, .path = path, .size = -1, .retry_seconds = job->request->retry_seconds,
                       .on_progress = job->request->on_progress, .context = job->request->context, .interrupt = job->request->interrupt};
    TRY(fetch_file(&r, err));
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    struct stat about;
    TRY(sha256_file(path, digest, err));
    sha256_hex(digest, hex);
    *out = (pull_done){.folder = path, .commit = arena_strdup(job->arena, hex), .files = 1,
                       .bytes = stat(path, &about) == 0 ? (uint64_t)about.st_size : 0};
    return STATUS_OK;
}

/* ---- both ------------------------------------------------------------------------------------------------------- */

status pull(arena *a, const pull_request *r, pull_done *out, error *err)
{
    bool listed = strncmp(r->name, "data:", 5) == 0;
    const char *standard = listed ? "https://raw.githubusercontent.com" : "https://huggingface.co";
    const char *endpoint = getenv(listed ? "ASSAY_GITHUB_RAW" : "HF_ENDPOINT"), *token = getenv("HF_TOKEN"), *cache = cache_folder(a);
    bool url = strncmp(r->name, "http://", 7) == 0 || strncmp(r->name, "https://", 8) == 0;
    hub_job job = {.request = r, .arena = a, .token = token && token[0] ? token : NULL};
    *out = (pull_done){0};
    if (!cache && !r->folder)
        return error_set(err, STATUS_USAGE, "there is no folder for a cache: set ASSAY_CACHE, or give a folder");
    if (url) {
        job.base = cache ? file_join(a, cache, "urls") : NULL;
        return pull_url(&job, out, err);
    }
    if (listed) {
        job.kind = "data";
        job.name = r->name + 5;
        job.revision = "main";
        job.token = NULL; /* that is the hub's */
    } else if (!read_name(a, r->name, &job)) {
        error_set(err, STATUS_USAGE, "expected OWNER/NAME, hf:datasets/OWNER/NAME, data:NAME or a URL, found '%s'", r->name);
        return error_hint(err, "@REVISION may follow a name");
    }
    if (job.token && strpbrk(job.token, "\r\n"))
        return error_set(err, STATUS_USAGE, "HF_TOKEN holds more than one line");
    char *trimmed = arena_strdup(a, endpoint && endpoint[0] ? endpoint : standard);
    if (trimmed && trimmed[0] && trimmed[strlen(trimmed) - 1] == '/')
        trimmed[strlen(trimmed) - 1] = '\0';
    job.endpoint = trimmed;
    job.base = cache ? arena_printf(a, "%s/%s/%s", cache, job.kind, job.name) : NULL;
    return pull_hub(&job, out, err);
}

/* At the commit that the list of data sets names. */
static const char *find_data(arena *a, const char *cache, const char *name)
{
    const dataset *set;
    if (!cache || datasets_find(a, name, &set, NULL) != STATUS_OK)
        return NULL;
    const char *folder = arena_printf(a, "%s/data/%s/%s", cache, set->name, set->commit), *record = file_join(a, folder, "pulled.json");
    return record && file_exists(record) ? folder : NULL;
}

const char *pull_find(arena *a, const char *name)
{
    hub_job job = {0};
    slice commit = {0};
    const char *cache = cache_folder(a);
    if (strncmp(name, "data:", 5) == 0)
        return find_data(a, cache, name + 5);
    if (!cache || !read_name(a, name, &job) || strcmp(job.kind, "models") != 0)
        return NULL;
    const char *base = arena_printf(a, "%s/models/%s", cache, job.name), *ref = arena_printf(a, "%s/refs/%s", base, job.revision);
    if (is_commit(job.revision))
        commit = slice_of(job.revision);
    else if (!ref || file_read(a, ref, 64, &commit, NULL) != STATUS_OK)
        return NULL;
    const char *folder = arena_printf(a, "%s/" SLICE_FORMAT, base, SLICE_ARGS(commit));
    const char *record = file_join(a, folder, "pulled.json");
    return record && file_exists(record) ? folder : NULL;
}
