/* plugin_study.h - a study that a plug-in makes: a `study` like any other, whose functions speak with a process.
 *
 * The process makes the items from seed and parameters, runs samples by sending questions to roles, and gives records; it
 * makes the summary from the records too, or leaves that to the general rule (plugin_summary). docs/plugins.md is the manual
 * of what is said. */
#ifndef ASSAY_STUDIES_PLUGIN_STUDY_H
#define ASSAY_STUDIES_PLUGIN_STUDY_H

#include "run/study.h"

/* Starts the plug-in and reads its declaration; it ends with the arena. `path` may begin with "plugin:". */
status plugin_study_open(arena *a, const char *path, const study **out, error *err);

/* The general rule: for each "group" of the records, the share of the verdict `counts` ("bad" or "good") among what could be
 * read, with Wilson's interval, bounds and counts as run/study.h has them; for records without a verdict the mean of "value"
 * with its bootstrap interval. `what` says what is counted; NULL: "samples with the verdict ...". */
status plugin_summary(const study_run *run, const json_t *records, const char *counts, json_t **summary, error *err);
status plugin_figures(const json_t *summary, const char *title, const char *what, const char *counts, json_t **figures, error *err);

#endif
