/* perplexity.h - how well a model predicts texts, and what a change of it costs: mean log-loss (nats a token) with and
 * without the change, over the same tokens, paired.
 *
 *     perplexity_texts texts;
 *     TRY(perplexity_town(arena, checkpoint, TOWN_SEED, 20000, &texts, err));
 *     TRY(perplexity_losses(checkpoint, pool, &texts, NULL, before, err));
 *     TRY(perplexity_losses(changed, pool, &texts, NULL, after, err));
 *     TRY(perplexity_compare(&texts, before, after, &cost, err));          // exp(cost.before) to exp(cost.after)
 *
 * The interval is a percentile bootstrap over texts: tokens of one text are not independent of each other.
 */
#ifndef ASSAY_RUN_PERPLEXITY_H
#define ASSAY_RUN_PERPLEXITY_H

#include "core/threads.h"
#include "lm/checkpoint.h"
#include "stats/distribution.h"
#include "world/documents.h"

#include <stdatomic.h>

typedef struct perplexity_texts {
    token_list *lists; /* the first token of each is given, the others are predicted */
    size_t count, tokens; /* tokens: those that are predicted */
} perplexity_texts;

/* Documents of the town of a seed, drawn apart from those of any training, as base models read them, until there are so many
 * tokens. STATUS_UNSUPPORTED for a model with other special tokens than ours. */
status perplexity_town(arena *a, const checkpoint *c, uint64_t world_seed, size_t tokens, perplexity_texts *out, error *err);
/* The same of the documents of any plan, whose seed is replaced. */
status perplexity_documents(arena *a, const checkpoint *c, uint64_t world_seed, document_plan plan, size_t tokens, perplexity_texts *out,
                            error *err);
/* A file's text, cut into pieces that fit in the model's context, the token for a beginning before each where the model has one. */
status perplexity_file(arena *a, const checkpoint *c, const char *path, size_t tokens, perplexity_texts *out, error *err);

/* losses [count]: the sum of each text. Texts come to the model in groups; `interrupted` (may be NULL) is looked at between
 * them: STATUS_INTERRUPTED. */
status perplexity_losses(const checkpoint *c, thread_pool *pool, const perplexity_texts *texts, const atomic_bool *interrupted,
                         double *losses, error *err);

typedef struct perplexity_cost {
    double before, after; /* mean log-loss, nats a token */
    double difference;
    interval limits;      /* of the difference, 95 % */
} perplexity_cost;

status perplexity_compare(const perplexity_texts *texts, const double *before, const double *after, perplexity_cost *out, error *err);

#endif
