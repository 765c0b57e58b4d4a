/* run.h - puts subjects through a study: plans, schedules, records, resumes, summarises; replays and compares.
 *
 *     run_request request = {.study = study, .params = params, .seed = 3, .roles = roles, .role_count = 1,
 *                            .store = store, .interrupt = flag};
 *     run_outcome outcome;
 *     TRY(run_study(arena, &request, &outcome, err));
 *     ... outcome.json: {"study", "subject", "seed", ...the study's summary... }
 *     run_outcome_clear(&outcome);
 *
 * A run is known by its description (study, parameters, seed, specification and identity of every role, version of
 * Assay). Where an unfinished run of the same description stands in the store it is gone on with, and nothing that is
 * finished is asked again. Summaries are made from the stored records in order of their index, so that the JSON of a
 * run that was killed ten times is that of an undisturbed one, byte for byte; times and counts stand in `effort`.
 *
 * Each sample in flight runs on a thread of its own with a small stack, from a pool; the brokers gather what they ask.
 */
#ifndef ASSAY_RUN_RUN_H
#define ASSAY_RUN_RUN_H

#include "run/spending.h"
#include "run/study.h"
#include "store/store.h"
#include "subject/broker.h"

#include <stdatomic.h>

enum { RUN_MOST_ROLES = 8 };

typedef struct run_role {
    const char *name;          /* "subject", "judge", ... as the study declares them */
    const char *specification; /* subject/subject.h */
    subject *subject;          /* already open, with this specification; NULL: opened and closed by the run */
} run_role;

/* The environment variable with the key of who fills a role. */
typedef struct run_key {
    const char *role, *variable;
} run_key;

/* Where the time of a run went, and what it took. Seconds of the threads of samples, summed; `wall` of the clock. */
typedef struct run_effort {
    double wall, generating, waiting, retrying, judging, other;
    uint64_t requests, cached, retries, prompt_tokens, completion_tokens;
    uint64_t probes;      /* requests to find out what a backend can do */
    uint64_t lost_tokens; /* at most; of attempts that may have been charged and brought no answer */
    uint64_t unpriced;    /* requests that cost money, and nobody knows how much */
    double dollars;       /* of all sessions, without the unpriced */
} run_effort;

typedef struct run_progress {
    uint64_t done, total;  /* samples with a record or an error, those of earlier sessions too */
    uint64_t failed;
    uint64_t cached, retries, tokens; /* of this session */
} run_progress;

typedef struct run_request {
    const study *study;
    const param_values *params;
    uint64_t seed;
    const run_role *roles;
    size_t role_count;
    store *store;             /* opened with STORE_WRITE */
    subject_options subjects; /* for those opened here */
    const run_key *keys;      /* of roles that have one of their own, not subjects.api_key_variable */
    size_t key_count;
    size_t in_flight;         /* samples at once; 0: what suits the subject */
    budget_limits limits;     /* of the whole run, all roles and sessions together; a run that is stopped by one goes
                                 on when it is raised */
    spending *whole;          /* the budget of all runs of a command that makes several (run/spending.h); `limits` are its own then.
                                 NULL: the run has a budget of its own */
    const price_list *prices; /* NULL: none are known, and a limit of cost refuses everybody who has one */
    bool no_cache;            /* ask again what the answer cache knows */
    bool of_several;          /* one of several runs of one command (run/several.h): where an earlier call of the command, which did
                                 not come to its end, finished this very run, that run is the outcome */
    bool dry_run;             /* stop after on_plan */
    const atomic_bool *interrupt; /* polled ten times a second; NULL */
    /* Before anything is asked: what the run will cost. May be NULL. */
    void (*on_plan)(void *context, const study_run *run, const study_plan *plan);
    /* What looking at the backends found worth saying, and what plug-ins say on the side, a line; from any thread. May be
     * NULL. */
    void (*on_note)(void *context, const char *note);
    /* When the run's number is known. May be NULL. */
    void (*on_begin)(void *context, int64_t id, bool resumed, uint64_t done, uint64_t total);
    /* Ten times a second, from the calling thread. May be NULL. */
    void (*on_progress)(void *context, const run_progress *progress);
    void *context;
} run_request;

typedef struct run_outcome {
    int64_t id; /* 0 after a dry run */
    bool resumed;
    uint64_t done, failed;
    const char *first_problem; /* of the failed sample of least index; NULL */
    json_t *json;    /* what `assay run --json` prints; NULL after a dry run */
    json_t *summary; /* the study's part of it */
    json_t *figures; /* what reports draw; NULL where the study has none */
    run_effort effort;
} run_outcome;

/* STATUS_INTERRUPTED, _LIMIT, _REFUSED, _MEMORY stop the run; what is finished stays, and the same request goes on.
 * Samples that fail for other reasons are recorded with their problem and asked again when the run is taken up again;
 * a run in which all fail is an error, and so is one in which the first 20 do before any succeeds. */
status run_study(arena *a, const run_request *request, run_outcome *out, error *err);
void run_outcome_clear(run_outcome *out);

/* What `assay run --json` printed for a finished run. The caller owns *out. */
status run_result_json(store *s, arena *a, int64_t id, json_t **out, error *err);

typedef struct run_difference {
    uint64_t index;
    const char *stored, *replayed; /* records as JSON, or problems */
} run_difference;

typedef struct run_replayed {
    uint64_t compared, equal;
    run_difference *differences; /* at most 100 of them, in order of index */
    size_t difference_count;
} run_replayed;

/* Asks all samples of a stored run again (the first `most`; 0: all), without the cache, and compares the records byte
 * by byte with the stored ones. Nothing is stored. `request` gives subjects, in_flight, interrupt and on_progress;
 * study, params, seed and roles come from the stored run (roles with the same name are taken from the request). */
status run_replay(arena *a, store *s, int64_t id, const study *st, const run_request *request, uint64_t most,
                  run_replayed *out, error *err);

/* What a finished run made for others to use (study.write_files), into a folder, which is made; `told` gets a line about each file.
 * The items are made anew: STATUS_INVALID when their files were edited since, STATUS_UNSUPPORTED where the study makes nothing. */
status run_write_files(arena *a, store *s, int64_t id, const study *st, const char *folder, strbuf *told, error *err);

/* Two runs of one study, paired where they share items (the members "group" and "id" of the records): for every group
 * and verdict the shares, their difference with its interval (Newcombe, paired), and McNemar's exact test, adjusted
 * over all rows by Holm's method. Where items of a group have numbers ("value") other than 0 and 1, "means" has their mean difference too,
 * with the limits of a percentile bootstrap over items (over clusters, where records name one) and the p of a test that turns the
 * signs of their differences; null limits for a single cluster.
 *     {"study", "a": {"run", "subject", "seed"}, "b": {...}, "shared", "only_a", "only_b",
 *      "rows": [{"group", "verdict", "n", "a", "b", "difference", "low", "high", "only_a", "only_b", "p", "p_holm"}],
 *      "means": [{"group", "n", "clusters", "a", "b", "difference", "low", "high", "p", "p_holm"}]}
 * The caller owns *out. */
status run_compare(store *s, arena *a, int64_t first, int64_t second, json_t **out, error *err);
/* The same for runs in two stores. */
status run_compare_stores(store *s, int64_t first, store *t, int64_t second, arena *a, json_t **out, error *err);

#endif
