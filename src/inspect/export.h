/* export.h - the parts of a log made from a run (private to src/inspect). All objects belong to the caller. */
#ifndef ASSAY_INSPECT_EXPORT_H
#define ASSAY_INSPECT_EXPORT_H

#include "core/arena.h"
#include "inspect/log.h"

#include <jansson.h>

typedef struct export_run {
    store *store;
    arena *arena;
    store_run row;
    json_t *description, *summary;
    const char *model;  /* as the log names it */
    const char *task;
    const char *time;   /* ISO: when the run began */
    struct export_place {
        uint64_t index, repeat;
    } *places;          /* of all samples, in order */
    size_t count, capacity;
    uint64_t repeats, completed, prompt_tokens, completion_tokens;
    json_t *summaries;  /* filled as samples are looked through */
} export_run;

/* Looks all samples of the run through, without their transcripts. */
status export_run_open(store *s, arena *a, int64_t id, export_run *out, error *err);
void export_run_close(export_run *r);
/* An id of 22 letters and digits that follows from the run and the words. */
const char *export_id(const export_run *r, arena *a, const char *purpose, uint64_t index, uint64_t repeat);
/* "2026-01-31T12:00:00+00:00" */
const char *export_time(arena *a, double seconds);

/* {"version", "status", "eval", "plan", "results", "stats"...}: a log without its samples; `start`: without what is
 * known only at the end. */
json_t *export_header(const export_run *r, bool start);
json_t *export_sample(const export_run *r, const store_sample *x);
/* What summaries.json has of a sample. */
json_t *export_sample_summary(const export_run *r, const store_sample *x);
json_t *export_scores(const export_run *r, const json_t *record);
/* The sample's "id" and "epoch" in the log. */
void export_sample_place(const export_run *r, const json_t *record, uint64_t index, uint64_t repeat, json_t *into);
/* A message of a transcript as messages of Inspect, appended to `list`. */
void export_message(json_t *list, const json_t *message);

#endif
