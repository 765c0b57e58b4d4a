/* scores.h - what the samples of a run scored, sample by sample: what trends over several models are drawn from.
 *
 *     json_t *scores;
 *     TRY(run_scores(store, id, &scores, err));
 *     // {"memo-0": {"cluster": {"17": 3, ...}, "accuracy": {"17": 1, ...}, "loss": {"17": -.21, ...}}, ...}
 *
 * By the record's group and then by measure, under the number of the sample: runs of one study with one seed have the same items
 * under the same numbers. A record says its own measures as "scores" (run/study.h), larger is better; one that says none has the
 * measure "good": 1 for the verdict "good", 0 for "bad", and nothing for any other verdict.
 */
#ifndef ASSAY_RUN_SCORES_H
#define ASSAY_RUN_SCORES_H

#include "store/store.h"

#include <jansson.h>

/* Adds what the record of a sample says; what is no record adds nothing. */
void scores_add(json_t *scores, uint64_t index, const json_t *record);
/* Those of a stored run. The caller owns *out. */
status run_scores(store *s, int64_t id, json_t **out, error *err);

#endif
