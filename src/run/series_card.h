/* series_card.h - what a series of models that was grown here can do: the card that lies beside them.
 *
 *     json_t *card;
 *     TRY(series_card(arena, s, &grown, &options, &card, err));     // measured, or read from DIR/series.json when it is of these models
 *     // {"members": [{"size", "seed", "parameters", "flops", "loss", ...}], "sizes": [...], "falls_strictly": true, "figures": {...}}
 *
 * Held-out loss: nats a token over documents of the series' own recipe, drawn apart from those of training; the same ones for every
 * model, as all share a tokenizer. It must fall strictly with size: `falls_strictly` says whether it does (means over seeds), and
 * each size has the step from the one before with its 95 % interval (bootstrap over documents). Accuracy: the study `competence`,
 * whose runs lie in DIR/runs.db.
 */
#ifndef ASSAY_RUN_SERIES_CARD_H
#define ASSAY_RUN_SERIES_CARD_H

#include "core/progress.h"
#include "train/series.h"

#include <jansson.h>
#include <stdatomic.h>

typedef struct series_card_options {
    size_t threads;  /* 0: all processors */
    size_t tokens;   /* held out; 0: 50,000 */
    int64_t items;   /* of each split of competence; 0: 400 */
    progress_mode progress;
    const atomic_bool *interrupted; /* may be NULL */
} series_card_options;

/* Writes DIR/series.json. The caller owns *out. STATUS_INVALID when the models have different tokenizers. */
status series_card(arena *a, const series *s, const series_result *grown, const series_card_options *options, json_t **out, error *err);

#endif
