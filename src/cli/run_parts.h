/* run_parts.h - private to cli: what `assay run` of a study and of a suite share. */
#ifndef ASSAY_CLI_RUN_PARTS_H
#define ASSAY_CLI_RUN_PARTS_H

#include "cli/command.h"
#include "report/load.h"
#include "report/report.h"
#include "run/several.h"
#include "suite/suite.h"

/* What the callbacks of a run need. */
typedef struct watcher {
    const command_call *call;
    progress *progress;
    const char *study;  /* that is run now, where a suite is; else NULL */
    study_plan planned; /* the sum over all runs */
    size_t runs;
} watcher;

/* What a run will take and could find, in a line or two. */
void run_say_plan(strbuf *out, const study_run *run, const study_plan *plan);
void run_note_effort(const run_outcome *r);
/* The subjects that -m names. */
status run_read_subjects(command_call *call, family **out, error *err);
/* Writes the page that --html names, if it does. `whole`: what was kept of a suite's call, or NULL. */
status run_write_page(command_call *call, store *s, const int64_t *ids, size_t count, const json_t *whole, error *err);
/* suite.c: the request's context is a watcher; roles[0] is the subject's. */
status run_suite(command_call *call, run_request *request, const run_role *roles, size_t role_count, bool *begun, error *err);

#endif
