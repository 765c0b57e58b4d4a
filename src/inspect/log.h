/* log.h - logs of Inspect (inspect_ai): runs of the store written as logs, and logs read into the store as runs.
 *
 * A log is one JSON object (.json), or a ZIP of JSON members (.eval): `header.json`, `summaries.json`, one member a sample.
 * What is written has schema version 2; `inspect_ai.log.read_eval_log` reads it and `inspect view` shows it.
 *
 *     TRY(inspect_export(s, id, "logs/a.eval", INSPECT_EVAL, err));
 *     TRY(inspect_import("logs/a.eval", "runs.db", NULL, &done, err));  // done.id: the new run
 *
 * Written of each sample: what was asked last (`messages`), every question with its answer (`model` events; those to other
 * roles than the subject carry the role), scored continuations (`info` events), score, tokens, error. The store keeps no
 * moment for a question, so all events bear the time when the run began. A run's own record is a sample's `metadata`,
 * and what makes it a run of Assay stands in `eval.metadata.assay` and each sample's `store.assay`: a log that has them
 * is read back as the same run of the same study, with the same figures.
 *
 * Any other log becomes a run of the study "inspect/TASK" with the log's model as its subject. Its records name the first
 * scorer as group, and as verdict "good" (C, 1, true), "bad" (I, 0, false), "partial" (P) or "unreadable" (N); a list, a
 * map or another number has none. All scores stand in the record's member "inspect", with input, target and metadata.
 */
#ifndef ASSAY_INSPECT_LOG_H
#define ASSAY_INSPECT_LOG_H

#include "store/store.h"

#include <stdatomic.h>
#include <stdbool.h>

typedef enum inspect_form { INSPECT_JSON, INSPECT_EVAL } inspect_form;

/* By the end of the name: ".json" or ".eval"; false for others. */
bool inspect_form_of(const char *path, inspect_form *form);
/* "FOLDER/2026-01-31T12-00-00-00-00_STUDY_ID.eval", as Inspect names its logs. */
status inspect_log_name(store *s, int64_t id, const char *folder, inspect_form form, arena *a, const char **out, error *err);
/* Writes the run; the file appears when it is complete. Holds one sample at a time, and of all others what
 * `summaries.json` repeats of them. */
status inspect_export(store *s, int64_t id, const char *path, inspect_form form, error *err);

typedef struct inspect_imported {
    int64_t id;
    uint64_t samples, failed;
    uint64_t cut;        /* samples that were too large to keep all that was said: the end of it is left out */
    bool ours;           /* a run of Assay, restored */
    const char *study, *subject; /* in the arena given */
} inspect_imported;

typedef struct inspect_import_options {
    void (*on_progress)(void *context, uint64_t bytes, uint64_t total); /* of both readings together; may be NULL */
    void *context;
    const atomic_bool *interrupt;
} inspect_import_options;

/* Reads the log at `path` twice: first all of it, to check it and to learn its header, then into the store at
 * `store_path` (made where it is not there). A log that is damaged, or no log, leaves no trace: STATUS_INVALID says where it
 * breaks; STATUS_UNSUPPORTED a version of the schema that is not known; STATUS_LIMIT an archive that unpacks to far more
 * than logs do. `options` may be NULL. */
status inspect_import(arena *a, const char *path, const char *store_path, const inspect_import_options *options,
                      inspect_imported *out, error *err);

#endif
