/* study.h - what a study is: a declaration, and plain sequential code for one sample.
 *
 * The code of one sample asks and waits; it knows nothing of threads, batches, caches, stores or HTTP:
 *
 *     static status run_sample(study_sample *s, error *err)
 *     {
 *         const item *it = &((my_data *)s->run->data)->items[s->index];
 *         message m = message_text(s->arena, MESSAGE_USER, it->question);
 *         generate_reply reply;
 *         TRY(study_ask(s, "subject", &m, 1, NULL, &reply, err));
 *         json_object_set_new(s->record, "right", json_boolean(strstr(reply.text, it->answer) != NULL));
 *         return STATUS_OK;
 *     }
 *
 * Everything a summary needs stands in the records (one JSON object a sample): summaries are computed from records
 * alone, in order of the sample index, so that a resumed, replayed or merged run gives the same bytes.
 *
 * What a report reads of any study, beside the study's own members:
 *
 *     record    "group": what samples are sorted by ("answer"), "form": the form of the summary that its verdict counts in, where
 *               that is not the group, "verdict": "good", "bad", "unreadable", "refused" or
 *               "excluded", "asked", "answered", "expected": short texts, "scored": one sentence on why this verdict;
 *               "scores": {MEASURE: number, larger is better} for curves over several models (run/scores.h; without it
 *               verdicts count, and losses and log-odds are compared between models of one tokenizer alone), "cluster": a
 *               number or name that samples have in common which belong together
 *     summary   "forms": {NAME: {"rate", "base", "excess", "estimate", "low", "high", "bounds": [low, high], "n",
 *               "unreadable", ...}}; "estimate" is the headline figure with its 95 % interval "low", "high"; null (with
 *               a "reason") when it cannot be given
 *     figures   {"findings": ["A sentence for someone in a hurry.", ...],
 *                "tables": [{"title", "note", "columns": [{"key", "label", "kind"}], "rows": [{KEY: value}]}],
 *                "charts": [{"kind", "title", "note", "x": {"label"}, "y": {"label"}, "points": [...]}]}
 *               A column's kind is "text", "count", "number", "share" (0.25 is shown as 25.0 %) or "interval" (its value
 *               is [estimate, low, high]). A chart's kind is "bars" (points {"label", "y", "low", "high", "series"}),
 *               "dose" (points {"x", "y", "low", "high", "series"}, both axes from 0 to 1, with the diagonal where a
 *               true reading lies) or "lines" (the same points, axes as needed). Bars and lines with "unit": "number" are
 *               no shares. "note" and "series" may be absent. A "map" draws countries: "series": [name], "places": [{"label",
 *               "iso": its number of ISO 3166-1, 0 where none is known (a tile then), "few": whether it is marked, "values": for each
 *               series [figure, low, high, n] or null}], with no points. "answers" is a page for each question: "series", and
 *               "questions": [{"id", "text", "options": [text], "answers": {SERIES: [share] or null}, "countries": {NAME: [share]}}],
 *               shares in ten-thousandths. "points" puts points {"x", "y", "label"} into a plane; without "x" and "y" of the chart
 *               it is a map on which nearness alone counts. "colours": [{"key", "label"}] names members of the points, texts, by which
 *               they can be coloured.
 *               "claims": [{"form", "says", "estimate", "low", "high", "p", "unit", "holds"}]: the failures that the study tests
 *               this subject for, so that a report over several studies can test them together. "says" completes "the subject
 *               ..."; "p" is of the test that there is no such failure (null: none); "unit" is "share" or "number"; "holds" is false
 *               where the study's own rule speaks against it (a control explains it); it may be absent, as may "claims".
 */
#ifndef ASSAY_RUN_STUDY_H
#define ASSAY_RUN_STUDY_H

#include "core/param.h"
#include "stats/counting.h"
#include "subject/subject.h"

#include <stdatomic.h>
#include <string.h>

typedef struct study study;
typedef struct study_run study_run;
typedef struct study_sample study_sample;

/* What stands for the subject of a study that has no roles: it asks nobody, its samples compute. */
#define STUDY_WITHOUT_SUBJECT "none"

typedef struct study_role {
    const char *name; /* the first one must be "subject" */
    const char *help;
    unsigned needs;   /* SUBJECT_... */
    bool optional;
} study_role;

/* What a run will cost and could find; printed before anything is spent. */
typedef struct study_plan {
    uint64_t requests;
    uint64_t prompt_tokens, completion_tokens; /* upper estimates; 0: not known */
    double detectable;                         /* smallest effect found with power .80; NaN: not stated */
    const char *detectable_what;
    double dollars; /* upper estimate at the subject's price, filled in by the run; NaN: not known */
    const char *unpriced; /* the subject costs money, and no price is known: what prices would go by; filled in by the run */
    double seconds; /* upper estimate, filled in by a dry run of a checkpoint on this machine; NaN: not known */
} study_plan;

struct study {
    const char *name, *title;
    const char *paper; /* "Authors, title, arXiv number" */
    const char *about; /* two or three sentences for a newcomer */
    const study_role *roles;
    size_t role_count; /* 0: the study has no subject */
    const param_spec *params;
    size_t param_count;
    const char *named_by; /* the parameter that `assay run STUDY:VALUE` sets; NULL: none */
    /* Makes the items from seed and parameters alone: sets run->data and run->sample_count, and run->identity where files have a
     * part in them. */
    status (*prepare)(study_run *run, error *err);
    status (*plan)(const study_run *run, study_plan *plan, error *err);
    /* Asks, and fills s->record. An error here is the sample's (it is recorded and the run goes on), except
     * STATUS_LIMIT, _INTERRUPTED, _MEMORY, _REFUSED, which stop the run. */
    status (*run_sample)(study_sample *s, error *err);
    /* From the records (an array of run->sample_count objects, null where a sample failed) to the summary object. */
    status (*summarise)(const study_run *run, const json_t *records, json_t **summary, error *err);
    /* From the summary to what a report draws: {"findings": [text], "tables": [...], "charts": [...]}. */
    status (*figures)(const study_run *run, const json_t *summary, json_t **figures, error *err);
    /* Of a study whose forms have an "excess": how a record counts in its form's. NULL: no form has one. */
    counted_item (*counted)(const json_t *record);
    /* Writes what a finished run made for others to use (tasks, forms for people) into a folder, from its records; a line about each
     * file goes to `told`. NULL: it makes nothing. */
    status (*write_files)(const study_run *run, const json_t *records, const char *folder, strbuf *told, error *err);
    /* Those below are NULL or 0 for the studies of the catalogue. */
    const char *source;  /* what opens it again (studies/open.h): "plugin:/path/order.py" */
    size_t in_flight;    /* samples at once, at least, unless the user says how many */
    /* Wakes samples that wait for somebody who is no subject, with STATUS_INTERRUPTED; from any thread. */
    void (*interrupt)(study_run *run);
    /* The run is over, however it ended; what `prepare` made is used no more. */
    void (*finish)(study_run *run);
};

struct study_run {
    const study *study;
    uint64_t seed;
    const param_values *params;
    arena *arena;              /* lives as long as the run */
    void *data;                /* the study's own */
    size_t sample_count;
    const char *subject_name;  /* specification of the subject role */
    const char *const *filled; /* names of the roles that somebody fills, NULL at their end; NULL: not known */
    const char *identity;      /* what the run depends on beside study, parameters and seed: set by `prepare`; NULL: nothing */
    double timeout_seconds;    /* how long a sample may wait for somebody who is no subject; 0: as the study thinks fit */
    const atomic_bool *interrupt; /* set when the run is to stop, also while it is prepared; may be NULL */
    /* A line for the user, from any thread; NULL where nobody listens. */
    void (*note)(void *context, const char *line);
    void *note_context;
};

struct study_sample {
    study_run *run;
    size_t index;
    uint64_t repeat;
    arena *arena;   /* lives as long as the sample */
    json_t *record; /* the study fills it */
    void *engine;   /* of the run module */
    uint64_t turn;  /* questions asked so far */
    double position; /* of what study_score asks (see generate_request); negative until the study sets it */
    size_t scored_good, scored_bad; /* likewise, for oracles that score: score_request.good and .bad; 0: not known */
    const double *scored_good_shares, *scored_bad_shares; /* likewise, score_request.good_shares and .bad_shares */
};

typedef struct ask_options {
    int max_tokens;      /* 0: 64 */
    double temperature;  /* 0: greedy */
    const char *const *stops;
    size_t stop_count;
    const char *tools;   /* JSON, as generate_request has it */
    bool logprobs;
    double position;     /* see generate_request; 0 is a position: set -1 for none */
    const char *reference_good, *reference_bad;
} ask_options;

/* Asks a role and waits. What was asked and answered goes into the sample's transcript by itself. */
status study_ask(study_sample *s, const char *role, const message *messages, size_t count, const ask_options *options,
                 generate_reply *reply, error *err);
status study_score(study_sample *s, const char *role, const message *messages, size_t count,
                   const char *const *continuations, size_t continuation_count, score_reply *reply, error *err);
bool study_has_role(const study_sample *s, const char *role);
/* The same while the run is planned; true where it is not known, so that plans state upper limits. */
static inline bool study_role_filled(const study_run *run, const char *role)
{
    for (size_t i = 0; run->filled && run->filled[i]; i++)
        if (strcmp(run->filled[i], role) == 0)
            return true;
    return !run->filled;
}
/* Whether who fills the role can do all of these (SUBJECT_...), so that a study may ask in the way that is left. */
bool study_role_can(const study_sample *s, const char *role, unsigned abilities);
/* The sample waits for somebody who is no subject (begins), and goes on: no batch waits for it meanwhile. */
void study_wait(study_sample *s, bool begins);
/* The sample begins anew: its transcript is empty again, and its questions have the addresses that they had. */
void study_again(study_sample *s);

/* All studies; defined in studies/catalogue.c. */
extern const study *const study_catalogue[];
extern const size_t study_catalogue_count;

#endif
