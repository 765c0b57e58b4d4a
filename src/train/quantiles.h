/* quantiles.h - what the steps of a growth measured (loss, seconds, and reward, KL, entropy, log-probability and the like of stages of
 * feedback), as quantile sketches.
 *
 *     json_t *quantiles;
 *     TRY(quantiles_write(folder, records, seconds, &quantiles, err));   // folder/sketches/0-loss.sketch, 1-reward.sketch, ...
 *     quantiles_describe(quantiles, &words);                    // "stage 0: loss 2.31 in the middle of 400 steps, ..."
 *
 * `assay sketch FILE` reads the files, and merges those of several growths.
 */
#ifndef ASSAY_TRAIN_QUANTILES_H
#define ASSAY_TRAIN_QUANTILES_H

#include "core/error.h"
#include "core/text.h"

#include <jansson.h>

/* `records`: of the stages, with "losses" and perhaps "metrics"; `seconds`: for each a list of what its steps took (null: not known). *out is [{"stage", "metric", "count", "least", "p05", "p50", "p95", "most"}];
 * the caller owns it. */
status quantiles_write(const char *folder, const json_t *records, const json_t *seconds, json_t **out, error *err);
/* A line for the loss and the seconds of each stage, and for reward, KL and log-probability where there are such. */
void quantiles_describe(const json_t *quantiles, strbuf *out);

#endif
