/* suite.h - several studies on several subjects in one command, and what belongs together of it in the store.
 *
 * A suite is a YAML file (suites/behaviours.yaml is one inside the program; a user's own is named by its path, or lies in the folder
 * of ASSAY_SUITES):
 *
 *     suite: behaviours
 *     title: "Failures that feedback drives"
 *     about: "A sentence or two for a newcomer."
 *     studies:
 *       - study: sycophancy
 *         params: {items: 120}
 *       - study: task
 *         as: anchoring                       # another name for this part; else the study's
 *         params: {name: "inverse-scaling/hindsight-neglect"}
 *       - study: order
 *         optional: true                      # left out, with a word, where this build has no such study
 *
 *     suite *s;
 *     TRY(suite_open(arena, "suite:behaviours", &s, err));
 *     suite_outcome outcome;
 *     TRY(suite_run(arena, &(suite_request){.suite = s, .parts = parts, .part_count = n, .members = &family, ...}, &outcome, err));
 *     ... outcome.call: {"suite", "title", "about", "runs": [ids], "left_out": [{"part", "subject", "reason"}]} ...
 *
 * Each pair of a part and a subject is a run of its own. The same command goes on where it was interrupted, as run/several.h says of
 * several subjects: finished runs are taken as they are until a call has come to its end and gathered them all. A part that a
 * subject cannot be put through (it gives no log-probabilities, the data are not here, every sample failed) is left out with its reason;
 * wrong use, limits and interruptions end the call. Limits are of all its runs together (run/spending.h).
 */
#ifndef ASSAY_SUITE_SUITE_H
#define ASSAY_SUITE_SUITE_H

#include "run/several.h"

typedef struct suite_part {
    const char *name;                /* in this suite */
    const char *study;               /* as studies/open.h takes it */
    const char **names, **values;    /* parameters */
    size_t count;
    bool optional;
    const char *file;
    int line;
} suite_part;

typedef struct suite {
    const char *name, *title, *about, *file; /* about may be NULL */
    suite_part *parts;
    size_t part_count;
} suite;

extern const char suite_prefix[]; /* "suite:" */
bool suite_named(const char *word);
/* "suite:NAME", or "suite:PATH" of a YAML file. */
status suite_open(arena *a, const char *word, suite **out, error *err);
/* Those inside the program, then those of ASSAY_SUITES. */
status suite_list(arena *a, suite ***out, size_t *count, error *err);
/* A suite from the text of its file. */
status suite_parse(arena *a, slice text, const char *file, suite **out, error *err);

/* A part made ready: the study opened, its parameters set. */
typedef struct suite_ready {
    const suite_part *part;
    const study *study; /* NULL: this build has none, and the part is optional */
    param_values *params;
} suite_ready;

/* `only`: names of parts separated by commas (NULL: all). `settings`: "PART.PARAM=VALUE", over what the file says. STATUS_USAGE
 * names what is wrong, before anything is asked. */
status suite_prepare(arena *a, const suite *s, const char *only, const char *const *settings, size_t setting_count, suite_ready **out,
                     size_t *count, error *err);

typedef struct suite_request {
    const suite *suite;
    const suite_ready *parts;
    size_t part_count;
    family *members;            /* the subjects, measured */
    const run_request *run;     /* all but study, params, roles and keys of single roles */
    const run_role *others;     /* roles beside the subject: given to the studies that have them */
    size_t other_count;
    const run_key *keys;
    size_t key_count;
    /* Before each run and after it; may be NULL. */
    void (*on_part)(void *context, const suite_ready *part, size_t member);
    void (*on_done)(void *context, const run_outcome *outcome, status result, const error *err);
    void *context;
} suite_request;

typedef struct suite_outcome {
    json_t *call; /* see above; NULL after a dry run */
    bool begun;   /* a run stands in the store, also when this fails */
} suite_outcome;

/* STATUS_NOT_FOUND when nothing of the suite could be asked. The caller owns outcome.call. */
status suite_run(arena *a, const suite_request *request, suite_outcome *out, error *err);
/* The newest call of a suite that came to its end, as suite_run gives it. STATUS_NOT_FOUND when the store has none. */
status suite_last_call(store *s, arena *a, const char *word, json_t **call, error *err);

#endif
