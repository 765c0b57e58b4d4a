/* store.h - runs, samples, events and the answer cache, in one SQLite file that survives kill -9.
 *
 * Many threads hand in finished samples; one writer thread commits them in groups, at most 250 ms after they were
 * handed in, with synchronous=FULL: what was committed survives a crash of the machine, and what was not is as if it
 * had never been. Reading needs no flush to be consistent: it sees what is committed.
 *
 *     TRY(store_open("runs.db", STORE_WRITE, &s, err));
 *     TRY(store_run_begin(s, arena, &wanted, &run, err));           // goes on with an unfinished run of the same key
 *     ... any thread: TRY(store_sample_add(s, &sample, err));       // copies; returns at once
 *     TRY(store_flush(s, err));                                     // all committed, or the first failure
 *     TRY(store_run_finish(s, run.id, "finished", summary, effort, err));
 *     TRY(store_close(s, err));
 *
 * The first failure of the writer (full disk, locked by another process) is kept: every later call gives it back.
 * The file is in WAL mode, on network file systems with a rollback journal (WAL needs shared memory).
 */
#ifndef ASSAY_STORE_STORE_H
#define ASSAY_STORE_STORE_H

#include "core/arena.h"
#include "core/error.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct store store;

typedef enum store_mode {
    STORE_READ,  /* the file must exist; works in a read-only folder too */
    STORE_WRITE, /* made, or migrated to the present version */
} store_mode;

status store_open(const char *path, store_mode mode, store **out, error *err);
/* Commits what was handed in. NULL is allowed. The store is gone in any case. */
status store_close(store *s, error *err);

/* ---- runs ------------------------------------------------------------------------------------------------------- */

typedef struct store_run {
    int64_t id;
    const char *key;         /* SHA-256 of the description: runs of the same key are the same work */
    const char *study, *subject;
    uint64_t seed;
    uint64_t sample_count;
    const char *description; /* canonical JSON: study, parameters, identities, roles, seed, versions */
    const char *machine;     /* JSON: where it was begun */
    const char *state;       /* "running", "interrupted", "failed", "finished" */
    double started, finished; /* seconds since 1970; 0: not yet */
    const char *summary;     /* JSON; NULL until it is finished */
    const char *effort;      /* JSON: where the time and the tokens went; NULL until it is finished */
    uint64_t done, failed;   /* samples with a record, samples with an error */
} store_run;

/* Finds the unfinished run of the key and takes it over (`resumed`), or makes a new one from key, study, subject,
 * seed, sample_count, description and machine. STATUS_LOCKED when a living process of this machine works on it. */
status store_run_begin(store *s, arena *a, const store_run *wanted, store_run *out, bool *resumed, error *err);
/* Flushes, then ends the run in this state; summary and effort may be NULL (they are then left as they are). */
status store_run_finish(store *s, int64_t run, const char *state, const char *summary, const char *effort, error *err);
/* Flushes, then takes the run with its samples and events out again, as if it had never been: for one that could not be
 * completed. */
status store_run_remove(store *s, int64_t run, error *err);
status store_run_get(store *s, arena *a, int64_t id, store_run *out, error *err);
/* All runs, newest first; at most `most` (0: all). */
status store_run_list(store *s, arena *a, size_t most, store_run **out, size_t *count, error *err);

/* ---- samples ---------------------------------------------------------------------------------------------------- */

typedef struct store_sample {
    int64_t run;
    uint64_t index; /* below 2^32 */
    uint64_t repeat; /* below 2^8 */
    status code;         /* STATUS_OK, or why it has no record */
    const char *problem; /* words for that; else NULL */
    const char *record;     /* JSON object; NULL where it failed */
    const char *transcript; /* JSON list of what was asked and answered */
    double seconds, generating, waiting, retrying, judging;
    int64_t prompt_tokens, completion_tokens, retries;
} store_sample;

/* Copies the sample into the queue; waits only when the writer is far behind. A sample that is there is replaced. */
status store_sample_add(store *s, const store_sample *sample, error *err);
/* Calls `each` for the samples of a run in order of index and repeat; a status other than OK from it ends the walk and
 * is returned. Texts live until `each` returns. Transcripts are read only when asked for. */
status store_sample_each(store *s, int64_t run, bool transcripts,
                         status (*each)(void *context, const store_sample *sample, error *err), void *context, error *err);
/* STATUS_NOT_FOUND when there is none. */
status store_sample_get(store *s, arena *a, int64_t run, uint64_t index, uint64_t repeat, store_sample *out, error *err);

/* ---- events ----------------------------------------------------------------------------------------------------- */

/* What happened to a run, in a word and as JSON (may be NULL): "begun", "resumed", "tokens", "interrupted"... */
status store_event_add(store *s, int64_t run, const char *kind, const char *detail, error *err);
status store_event_each(store *s, int64_t run,
                        status (*each)(void *context, double at, const char *kind, const char *detail, error *err),
                        void *context, error *err);

/* All that was handed in is committed when this returns STATUS_OK. */
status store_flush(store *s, error *err);

/* ---- the answer cache: fits broker_cache (subject/broker.h) with the store as context --------------------------- */

bool store_answer_find(void *store, arena *a, const char *key, const char **value);
void store_answer_keep(void *store, const char *key, const char *value);

#endif
