/* growth_card.h - what happened during a growth that learnt from feedback, step by step: the figures of its page.
 *
 *     json_t *card;
 *     TRY(growth_card(arena, "out/rl1", &card, err));       // from the growth's metrics.jsonl
 *     // {"findings", "tables", "charts"} as run/study.h has them; null where no stage learnt from feedback step by step
 *
 * Of a stage `rl`: the reward that the policy is trained on, the raters' true utility, the KL divergence from the policy that the stage
 * began with (nats a reply), and the shares of replies that are true, and that agree with the user and are false. Of `dpo`: loss,
 * accuracy and margin. Steps are gathered into at most 20 rows and 100 points, each the mean over its steps.
 */
#ifndef ASSAY_RUN_GROWTH_CARD_H
#define ASSAY_RUN_GROWTH_CARD_H

#include "core/arena.h"
#include "core/error.h"

#include <jansson.h>

/* The caller owns *out. STATUS_INVALID for a metrics.jsonl that this program has not written. */
status growth_card(arena *a, const char *folder, json_t **out, error *err);

#endif
