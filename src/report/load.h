/* load.h - run objects (report.h) from the store.
 *
 *     int64_t id;
 *     json_t *run;
 *     TRY(report_find_run(s, a, "last", &id, err));                    // or "12", or a subject's name: its newest run
 *     TRY(report_load_run(s, id, REPORT_LOAD_CHOSEN, &run, err));
 */
#ifndef ASSAY_REPORT_LOAD_H
#define ASSAY_REPORT_LOAD_H

#include "store/store.h"

#include <jansson.h>

typedef enum report_load {
    REPORT_LOAD_SUMMARY, /* no samples */
    REPORT_LOAD_SCORES,  /* no samples, but what they scored (run/scores.h): for a report over several runs */
    REPORT_LOAD_CHOSEN,  /* those that report_choose_samples takes, with their transcripts; and all scores */
    REPORT_LOAD_RECORDS, /* all, without transcripts */
    REPORT_LOAD_ALL,     /* all, with transcripts */
} report_load;

/* A run's number, "last", or a subject as it was named: its newest run. */
status report_find_run(store *s, arena *a, const char *word, int64_t *id, error *err);
/* The caller owns *out. The figures are made anew from the summary by the study; a run without a summary has none. */
status report_load_run(store *s, int64_t id, report_load what, json_t **out, error *err);

#endif
