/* engine.h - the threads of a run: every sample that is wanted is run once, and its outcome handed to `finished`
 * (private to src/run). */
#ifndef ASSAY_RUN_ENGINE_H
#define ASSAY_RUN_ENGINE_H

#include "run/run.h"

#include <pthread.h>

typedef struct engine_role {
    const char *name;
    subject *subject;
    broker *broker; /* roles with the same subject share one */
    bool own;       /* subject and broker are closed with this row */
    bool judging;   /* not the role "subject": its time counts as judging */
    subject_probe probe; /* what looking at its backend took and found */
} engine_role;

typedef struct engine_options {
    const subject_options *subjects;
    const run_key *keys;
    size_t key_count;
    const answer_cache *cache; /* may be NULL */
    size_t in_flight;
    const price_list *prices;  /* may be NULL */
    bool cost_limited;         /* refuse subjects without a price */
} engine_options;

typedef struct engine {
    study_run *run;
    engine_role roles[RUN_MOST_ROLES];
    size_t role_count;
    size_t in_flight;
    budget *budget; /* NULL: none */
    engine_options options;
    const bool *skip; /* for each sample: already there; NULL: none is */
    uint64_t limit;   /* samples of index limit and above are not run */
    const atomic_bool *interrupt;
    /* From any thread. A failure stops the run. */
    status (*finished)(void *context, const store_sample *sample, error *err);
    void (*audited)(void *context, const char *role, const subject_audit *audit);
    void *context;
    void (*on_progress)(void *context, const run_progress *progress);
    void *progress_context;
    run_progress progress; /* done and failed of earlier sessions at first */

    /* The engine's own. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    atomic_uint_least64_t next;
    atomic_bool stopping;
    status stopped; /* why, under the lock */
    error stop_error;
    size_t working; /* threads, under the lock */
    atomic_uint_least64_t done, failed, succeeded;
    pthread_mutex_t audit_lock;
    atomic_bool audit_passed[RUN_MOST_ROLES];
} engine;

/* What one thread works with; study_sample.engine points here. */
typedef struct engine_worker {
    engine *engine;
    arena *arena; /* of the sample */
    strbuf transcript, record;
    size_t turns;
    store_sample sample;
} engine_worker;

/* Opens the subjects of the request's roles for the study; asks nothing. Requires abilities of those that know
 * themselves. Leaves nothing open when it fails. */
status engine_open(engine *e, arena *a, const study *s, const run_role *roles, size_t role_count,
                   const engine_options *options, error *err);
/* Asks backends what they can do, requires abilities, and makes the brokers. `b` may be NULL; it must outlive the
 * engine. The caller closes the engine when this fails. */
status engine_look(engine *e, arena *a, const study *s, budget *b, error *err);
void engine_close(engine *e);
/* Runs all wanted samples. */
status engine_run(engine *e, error *err);
/* Whether role i is the first with its broker: the row that stands for the broker. */
bool engine_first_with_broker(const engine *e, size_t i);
/* Counts of all brokers. */
broker_counts engine_count(const engine *e);

/* ask.c: adds to the transcript. */
void transcript_start(engine_worker *w);
const char *transcript_end(engine_worker *w); /* NULL when memory is out */
/* A text as JSON, with bytes that are not UTF-8 replaced. */
void transcript_string(strbuf *b, const char *text);

/* Whether an error ends the whole run. */
bool engine_is_final(status code);

#endif
