/* Runs, and reading of samples, events and answers. */
#include "store/inside.h"

#include "core/text.h"

#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#define RUN_COLUMNS                                                                                                \
    "id, key, study, subject, seed, sample_count, description, machine, state, started, finished, summary, effort,"    \
    " (SELECT count(*) FROM samples s WHERE s.id >= runs.id << 40 AND s.id < (runs.id + 1) << 40 AND s.code = 0),"    \
    " (SELECT count(*) FROM samples s WHERE s.id >= runs.id << 40 AND s.id < (runs.id + 1) << 40 AND s.code <> 0)"

static status read_run(arena *a, sqlite3_stmt *q, store_run *out, error *err)
{
    *out = (store_run){
        .id = sqlite3_column_int64(q, 0),
        .key = store_column_text(a, q, 1),
        .study = store_column_text(a, q, 2),
        .subject = store_column_text(a, q, 3),
        .sample_count = (uint64_t)sqlite3_column_int64(q, 5),
        .description = store_column_text(a, q, 6),
        .machine = store_column_text(a, q, 7),
        .state = store_column_text(a, q, 8),
        .started = sqlite3_column_double(q, 9),
        .finished = sqlite3_column_double(q, 10),
        .summary = store_column_text(a, q, 11),
        .effort = store_column_text(a, q, 12),
        .done = (uint64_t)sqlite3_column_int64(q, 13),
        .failed = (uint64_t)sqlite3_column_int64(q, 14),
    };
    const char *seed = (const char *)sqlite3_column_text(q, 4);
    out->seed = seed ? strtoull(seed, NULL, 10) : 0;
    if (!out->key || !out->study || !out->subject || !out->description || !out->machine || !out->state)
        return error_set(err, STATUS_MEMORY, "out of memory while reading a run");
    return STATUS_OK;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- who works on a run ----------------------------------------------------------------------------------------- */

/* When a process began, in clock ticks since boot; 0 when it is not there, or dead and not yet buried. Fields 22 and 3 of /proc/PID/stat. */
static unsigned long long process_start(long pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    const char *at = strrchr(text, ')'); /* the name may contain anything */
    if (at && at[1] == ' ' && strchr("ZX", at[2]))
        return 0;
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at, NULL, 10) : 0;
}

static void describe_owner(char *out, size_t size)
{
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    snprintf(out, size, "%ld %llu %s", (long)getpid(), process_start(getpid()), host);
}

/* The process that the text names, when it lives on this machine and is not this one; else 0. */
static long living_owner(const char *owner)
{
    slice host = slice_of(owner), number;
    int64_t pid = 0, start = 0;
    char here[256] = "";
    if (!slice_cut(&host, ' ', &number) || !slice_to_int(number, &pid) || !slice_cut(&host, ' ', &number) ||
        !slice_to_int(number, &start))
        return 0;
    gethostname(here, sizeof here - 1);
    if (pid == getpid() || pid <= 0 || pid > INT32_MAX || !slice_is(host, here) || kill((pid_t)pid, 0) != 0)
        return 0;
    return process_start((long)pid) == (unsigned long long)start ? (long)pid : 0;
}

/* ---- runs ------------------------------------------------------------------------------------------------------- */

static status insert_run(store *s, const store_run *r, const char *owner, int64_t *id, error *err)
{
    sqlite3_stmt *q;
    TRY(store_prepare(s->write, s->path,
                      "INSERT INTO runs (key, study, subject, seed, sample_count, description, machine, state, owner, started)"
                      " VALUES (?,?,?,?,?,?,?,'running',?,?)",
                      &q, err));
    char seed[32];
    snprintf(seed, sizeof seed, "%" PRIu64, r->seed);
    store_bind_text(q, 1, r->key);
    store_bind_text(q, 2, r->study);
    store_bind_text(q, 3, r->subject);
    store_bind_text(q, 4, seed);
    sqlite3_bind_int64(q, 5, (int64_t)r->sample_count);
    store_bind_text(q, 6, r->description);
    store_bind_text(q, 7, r->machine);
    store_bind_text(q, 8, owner);
    sqlite3_bind_double(q, 9, now());
    int code = sqlite3_step(q);
    *id = sqlite3_last_insert_rowid(s->write);
    status result = code == SQLITE_DONE ? STATUS_OK : store_failed(s->write, s->path, "write", err);
    sqlite3_finalize(q);
    return result;
}

/* The unfinished run of the key, taken over; *id stays 0 when there is none. */
static status take_over(store *s, const char *key, const char *owner, int64_t *id, error *err)
{
    sqlite3_stmt *q;
    TRY(store_prepare(s->write, s->path,
                      "SELECT id, owner FROM runs WHERE key = ? AND state <> 'finished' ORDER BY id DESC LIMIT 1", &q, err));
    store_bind_text(q, 1, key);
    int code = sqlite3_step(q);
    status result = code == SQLITE_ROW || code == SQLITE_DONE ? STATUS_OK : store_failed(s->write, s->path, "read", err);
    long other = 0;
    if (code == SQLITE_ROW) {
        *id = sqlite3_column_int64(q, 0);
        const struct timespec while_it_ends = {.tv_nsec = 50000000};
        for (int i = 0; i < 20; i++) { /* a process that was just killed takes a moment to be gone */
            other = living_owner((const char *)sqlite3_column_text(q, 1));
            if (!other)
                break;
            nanosleep(&while_it_ends, NULL);
        }
    }
    sqlite3_finalize(q);
    if (other) {
        error_set(err, STATUS_LOCKED, "process %ld works on the same run (%lld in %s)", other, (long long)*id, s->path);
        error_hint(err, "wait for it, or use another --store or --seed");
        return STATUS_LOCKED;
    }
    if (result != STATUS_OK || *id == 0)
        return result;
    TRY(store_prepare(s->write, s->path, "UPDATE runs SET state = 'running', owner = ? WHERE id = ?", &q, err));
    store_bind_text(q, 1, owner);
    sqlite3_bind_int64(q, 2, *id);
    if (sqlite3_step(q) != SQLITE_DONE)
        result = store_failed(s->write, s->path, "write", err);
    sqlite3_finalize(q);
    return result;
}

static status begin(store *s, const store_run *wanted, int64_t *id, bool *resumed, error *err)
{
    char owner[400];
    describe_owner(owner, sizeof owner);
    *id = 0;
    TRY(take_over(s, wanted->key, owner, id, err));
    *resumed = *id != 0;
    if (*id == 0)
        TRY(insert_run(s, wanted, owner, id, err));
    return store_exec(s->write, s->path, "COMMIT", err);
}

status store_run_begin(store *s, arena *a, const store_run *wanted, store_run *out, bool *resumed, error *err)
{
    int64_t id;
    pthread_mutex_lock(&s->write_lock);
    status result = store_exec(s->write, s->path, "BEGIN IMMEDIATE", err);
    if (result == STATUS_OK) {
        result = begin(s, wanted, &id, resumed, err);
        if (result != STATUS_OK && !sqlite3_get_autocommit(s->write))
            sqlite3_exec(s->write, "ROLLBACK", NULL, NULL, NULL);
    }
    pthread_mutex_unlock(&s->write_lock);
    return result == STATUS_OK ? store_run_get(s, a, id, out, err) : result;
}

status store_run_finish(store *s, int64_t run, const char *state, const char *summary, const char *effort, error *err)
{
    TRY(store_flush(s, err));
    pthread_mutex_lock(&s->write_lock);
    sqlite3_stmt *q;
    status result = store_prepare(s->write, s->path,
                                  "UPDATE runs SET state = ?, finished = ?, summary = coalesce(?, summary),"
                                  " effort = coalesce(?, effort), owner = NULL WHERE id = ?",
                                  &q, err);
    if (result == STATUS_OK) {
        store_bind_text(q, 1, state);
        sqlite3_bind_double(q, 2, now());
        store_bind_text(q, 3, summary);
        store_bind_text(q, 4, effort);
        sqlite3_bind_int64(q, 5, run);
        if (sqlite3_step(q) != SQLITE_DONE)
            result = store_failed(s->write, s->path, "write", err);
        sqlite3_finalize(q);
    }
    pthread_mutex_unlock(&s->write_lock);
    return result;
}

static status remove_rows(store *s, int64_t run, error *err)
{
    static const char *const rows[] = {
        "DELETE FROM samples WHERE id >= ?1 << 40 AND id < (?1 + 1) << 40",
        "DELETE FROM events WHERE run = ?1",
        "DELETE FROM runs WHERE id = ?1",
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        sqlite3_stmt *q;
        TRY(store_prepare(s->write, s->path, rows[i], &q, err));
        sqlite3_bind_int64(q, 1, run);
        status result = sqlite3_step(q) == SQLITE_DONE ? STATUS_OK : store_failed(s->write, s->path, "write", err);
        sqlite3_finalize(q);
        TRY(result);
    }
    return store_exec(s->write, s->path, "COMMIT", err);
}

status store_run_remove(store *s, int64_t run, error *err)
{
    status flushed = store_flush(s, err); /* what could not be written is removed all the same */
    pthread_mutex_lock(&s->write_lock);
    status result = store_exec(s->write, s->path, "BEGIN IMMEDIATE", flushed == STATUS_OK ? err : NULL);
    if (result == STATUS_OK) {
        result = remove_rows(s, run, flushed == STATUS_OK ? err : NULL);
        if (result != STATUS_OK && !sqlite3_get_autocommit(s->write))
            sqlite3_exec(s->write, "ROLLBACK", NULL, NULL, NULL);
    }
    pthread_mutex_unlock(&s->write_lock);
    return flushed != STATUS_OK ? flushed : result;
}

status store_run_get(store *s, arena *a, int64_t id, store_run *out, error *err)
{
    sqlite3_stmt *q;
    pthread_mutex_lock(&s->read_lock);
    status result = store_prepare(s->read, s->path, "SELECT " RUN_COLUMNS " FROM runs WHERE id = ?", &q, err);
    if (result == STATUS_OK) {
        sqlite3_bind_int64(q, 1, id);
        int code = sqlite3_step(q);
        if (code == SQLITE_ROW) {
            result = read_run(a, q, out, err);
        } else if (code == SQLITE_DONE) {
            result = error_set(err, STATUS_NOT_FOUND, "there is no run %lld in %s", (long long)id, s->path);
            error_hint(err, "`assay list runs` shows those that exist");
        } else {
            result = store_failed(s->read, s->path, "read", err);
        }
        sqlite3_finalize(q);
    }
    pthread_mutex_unlock(&s->read_lock);
    return result;
}

static status read_list(store *s, arena *a, sqlite3_stmt *q, store_run **out, size_t *count, error *err)
{
    size_t capacity = 0;
    int code;
    *out = NULL;
    *count = 0;
    while ((code = sqlite3_step(q)) == SQLITE_ROW) {
        if (*count == capacity) {
            *out = arena_regrow(a, *out, capacity, capacity * 2 + 16, sizeof **out);
            capacity = capacity * 2 + 16;
            if (!*out)
                return error_set(err, STATUS_MEMORY, "out of memory while reading runs");
        }
        TRY(read_run(a, q, &(*out)[*count], err));
        (*count)++;
    }
    return code == SQLITE_DONE ? STATUS_OK : store_failed(s->read, s->path, "read", err);
}

status store_run_list(store *s, arena *a, size_t most, store_run **out, size_t *count, error *err)
{
    sqlite3_stmt *q;
    pthread_mutex_lock(&s->read_lock);
    status result =
        store_prepare(s->read, s->path, "SELECT " RUN_COLUMNS " FROM runs ORDER BY id DESC LIMIT ?", &q, err);
    if (result == STATUS_OK) {
        sqlite3_bind_int64(q, 1, most ? (int64_t)most : -1);
        result = read_list(s, a, q, out, count, err);
        sqlite3_finalize(q);
    }
    pthread_mutex_unlock(&s->read_lock);
    return result;
}

/* ---- samples ---------------------------------------------------------------------------------------------------- */

#define SAMPLE_COLUMNS                                                                                             \
    "run, position, repeat, code, problem, record, seconds, generating, waiting, retrying, judging, prompt_tokens,"    \
    " completion_tokens, retries"

static store_sample read_sample(sqlite3_stmt *q, bool transcript)
{
    return (store_sample){
        .run = sqlite3_column_int64(q, 0),
        .index = (uint64_t)sqlite3_column_int64(q, 1),
        .repeat = (uint64_t)sqlite3_column_int64(q, 2),
        .code = (status)sqlite3_column_int(q, 3),
        .problem = (const char *)sqlite3_column_text(q, 4),
        .record = (const char *)sqlite3_column_text(q, 5),
        .seconds = sqlite3_column_double(q, 6),
        .generating = sqlite3_column_double(q, 7),
        .waiting = sqlite3_column_double(q, 8),
        .retrying = sqlite3_column_double(q, 9),
        .judging = sqlite3_column_double(q, 10),
        .prompt_tokens = sqlite3_column_int64(q, 11),
        .completion_tokens = sqlite3_column_int64(q, 12),
        .retries = sqlite3_column_int64(q, 13),
        .transcript = transcript ? (const char *)sqlite3_column_text(q, 14) : NULL,
    };
}

status store_sample_each(store *s, int64_t run, bool transcripts,
                         status (*each)(void *context, const store_sample *sample, error *err), void *context, error *err)
{
    sqlite3_stmt *q;
    pthread_mutex_lock(&s->read_lock);
    status result = store_prepare(s->read, s->path,
                                  transcripts ? "SELECT " SAMPLE_COLUMNS ", transcript FROM samples"
                                                " WHERE id >= ?1 << 40 AND id < (?1 + 1) << 40 ORDER BY id"
                                              : "SELECT " SAMPLE_COLUMNS " FROM samples"
                                                " WHERE id >= ?1 << 40 AND id < (?1 + 1) << 40 ORDER BY id",
                                  &q, err);
    if (result == STATUS_OK) {
        int code = SQLITE_DONE;
        sqlite3_bind_int64(q, 1, run);
        while (result == STATUS_OK && (code = sqlite3_step(q)) == SQLITE_ROW) {
            store_sample x = read_sample(q, transcripts);
            result = each(context, &x, err);
        }
        if (result == STATUS_OK && code != SQLITE_DONE)
            result = store_failed(s->read, s->path, "read", err);
        sqlite3_finalize(q);
    }
    pthread_mutex_unlock(&s->read_lock);
    return result;
}

status store_sample_get(store *s, arena *a, int64_t run, uint64_t index, uint64_t repeat, store_sample *out, error *err)
{
    sqlite3_stmt *q;
    pthread_mutex_lock(&s->read_lock);
    status result =
        store_prepare(s->read, s->path, "SELECT " SAMPLE_COLUMNS ", transcript FROM samples WHERE id = ?", &q, err);
    if (result == STATUS_OK) {
        sqlite3_bind_int64(q, 1, store_sample_id(run, index, repeat));
        int code = sqlite3_step(q);
        if (code == SQLITE_ROW) {
            *out = read_sample(q, true);
            out->problem = arena_strdup(a, out->problem);
            out->record = arena_strdup(a, out->record);
            out->transcript = arena_strdup(a, out->transcript);
        } else {
            result = code == SQLITE_DONE ? error_set(err, STATUS_NOT_FOUND, "run %lld has no sample %llu",
                                                     (long long)run, (unsigned long long)index)
                                         : store_failed(s->read, s->path, "read", err);
        }
        sqlite3_finalize(q);
    }
    pthread_mutex_unlock(&s->read_lock);
    return result;
}

status store_event_each(store *s, int64_t run,
                        status (*each)(void *context, double at, const char *kind, const char *detail, error *err),
                        void *context, error *err)
{
    sqlite3_stmt *q;
    pthread_mutex_lock(&s->read_lock);
    status result =
        store_prepare(s->read, s->path, "SELECT at, kind, detail FROM events WHERE run = ? ORDER BY id", &q, err);
    if (result == STATUS_OK) {
        int code = SQLITE_DONE;
        sqlite3_bind_int64(q, 1, run);
        while (result == STATUS_OK && (code = sqlite3_step(q)) == SQLITE_ROW)
            result = each(context, sqlite3_column_double(q, 0), (const char *)sqlite3_column_text(q, 1),
                          (const char *)sqlite3_column_text(q, 2), err);
        if (result == STATUS_OK && code != SQLITE_DONE)
            result = store_failed(s->read, s->path, "read", err);
        sqlite3_finalize(q);
    }
    pthread_mutex_unlock(&s->read_lock);
    return result;
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

/* A cache that cannot be read is an empty one; writing will say what is wrong with the store. */
bool store_answer_find(void *context, arena *a, const char *key, const char **value)
{
    store *s = context;
    *value = NULL;
    pthread_mutex_lock(&s->read_lock);
    if (!s->find_answer)
        sqlite3_prepare_v3(s->read, "SELECT value FROM answers WHERE key = ?", -1, SQLITE_PREPARE_PERSISTENT,
                           &s->find_answer, NULL);
    if (s->find_answer) {
        store_bind_text(s->find_answer, 1, key);
        if (sqlite3_step(s->find_answer) == SQLITE_ROW)
            *value = store_column_text(a, s->find_answer, 0);
        sqlite3_reset(s->find_answer);
    }
    pthread_mutex_unlock(&s->read_lock);
    return *value != NULL;
}
