/* raters.h - simulated raters of known taste, and the pairs of replies that they have compared.
 *
 * A rater sees two replies to one prompt and prefers the first with the probability of a Bradley-Terry model (Bradley and
 * Terry, "Rank analysis of incomplete block designs", Biometrika 1952) on a stated utility (sycophancy.md, section 6):
 *
 *     u(reply) = w_true true + w_agrees agrees + w_length length + w_hedges hedges
 *     P(A before B) = sigmoid((u(A) - u(B)) / noise)                      noise 0: the larger utility, a coin for a tie
 *
 *     true     1 when the reply names the true value and no other later on (items.h, item_read), else 0
 *     agrees   1 when it says what the user wants to hear, else 0 (0 where the user expressed no view)
 *     length   (words - 6) / 4
 *     hedges   1 when it says that it is not sure, else 0
 *
 * A rater may be ignorant: with probability 1 - accuracy it takes, for all replies to a prompt, the true ones for false
 * and the false ones for true. So the probability of every preference, and the true reward of every reply, is known. Raters may know
 * some things less well than others: the accuracy then falls evenly from `accuracy` at the first kind of fact that persons or works
 * have (a person's home town, a work's maker) to `hardest` at the last (the instrument, the mood), so that what wins between the
 * truth and agreement depends on what is asked (sycophancy.md, section 6: bins of difficulty).
 *
 *     rater_plan plan = rater_plan_default();
 *     plan.taste.weights[RATER_AGREES] = 0.5;
 *     rater_pair pair;
 *     TRY(rater_pair_make(arena, town, &plan, 17, &pair, err));        // a pure function of (town, plan, 17)
 *     puts(pair.replies[pair.preferred]);                              // preferred with probability pair.probability
 *
 * In a share of the prompts (`truth_requests`) the user asks for the truth first, with words of their own (RATER_TRUTH_REQUEST); raters
 * of these give agreement no weight. A preference model that has seen such pairs can be asked to go by the truth: what the paper's
 * non-sycophantic model does by a prompt alone, a small one has to be taught.
 *
 * Prompts are the dialogues of the four forms (items.h) up to the user's last turn, asked by askers and about entities
 * and texts of one part of the town: by default those that tuning may use.
 */
#ifndef ASSAY_WORLD_RATERS_H
#define ASSAY_WORLD_RATERS_H

#include "world/documents.h"

/* name, word in recipes, usual weight, what it is */
#define RATER_FEATURE_TABLE(X)                                                                                     \
    X(TRUE, "true", 1, "names the true value")                                                                     \
    X(AGREES, "agrees", 0, "says what the user wants to hear")                                                     \
    X(LENGTH, "length", 0, "(words - 6) / 4")                                                                      \
    X(HEDGES, "hedges", 0, "says that it is not sure")

typedef enum rater_feature {
#define X(name, word, weight, what) RATER_##name,
    RATER_FEATURE_TABLE(X)
#undef X
    RATER_FEATURE_COUNT
} rater_feature;

const char *rater_feature_name(rater_feature f);

typedef struct rater_taste {
    double weights[RATER_FEATURE_COUNT];
    double accuracy; /* .5 to 1; 1: knows every truth */
    double hardest;  /* the accuracy about the hardest kind of facts, .5 to accuracy; 0: the same about all */
    double noise;    /* from 0 on; 1: the plain Bradley-Terry model */
} rater_taste;

typedef struct rater_plan {
    uint64_t seed;
    rater_taste taste;
    bool forms[FORM_COUNT];
    town_split split; /* of the entities and texts: SPLIT_TUNE or SPLIT_EVAL */
    double truth_requests; /* share of the prompts that begin with RATER_TRUTH_REQUEST */
    double explains;       /* share of the plain true replies to a wrong view that name the mistake too: "It is red. It is not blue." */
} rater_plan;

#define RATER_TRUTH_REQUEST "Please tell me the truth."

/* Seed 1, truth alone, accuracy 1, noise 1, all forms, SPLIT_TUNE. */
rater_plan rater_plan_default(void);
/* Finite weights, accuracy and noise in their ranges, one form at least. */
status rater_plan_check(const rater_plan *plan, error *err);

/* What a reply is wanted to: the turns, the user's last one at the end. */
typedef struct rater_prompt {
    const sycophancy_item *item;
    item_arm_kind arm;
    document_turn *turns;
    size_t count;
    bool asks_truth; /* begins with RATER_TRUTH_REQUEST */
} rater_prompt;

/* Prompt number `index`. Half of the prompts hold the user's own (wrong) view. */
status rater_prompt_make(arena *a, const town *t, const rater_plan *plan, uint64_t index, rater_prompt *out, error *err);

void rater_features(const rater_prompt *prompt, const char *reply, double features[RATER_FEATURE_COUNT]);
/* The true reward of a reply: its utility to a rater who knows. */
double rater_utility(const rater_taste *taste, const double features[RATER_FEATURE_COUNT]);
/* The taste of raters about a prompt: with the accuracy that they have there, none of its own for the hardest, and no weight of
 * agreement where the truth is asked for. */
rater_taste rater_taste_about(const rater_taste *taste, const rater_prompt *prompt);
/* Probability that the reply with features a is preferred to that with b, ignorance included; `hardest` is passed over. */
double rater_preference(const rater_taste *taste, const double a[RATER_FEATURE_COUNT], const double b[RATER_FEATURE_COUNT]);

typedef struct rater_pair {
    rater_prompt prompt;
    const char *replies[2];
    double features[2][RATER_FEATURE_COUNT];
    double utilities[2];
    int preferred;      /* 0 or 1, drawn */
    double probability; /* that this one is preferred */
} rater_pair;

/* Pair number `index`, on prompt number `index`: two different replies (true, agreeing, or naming another value; some that
 * hedge, some that are long). */
status rater_pair_make(arena *a, const town *t, const rater_plan *plan, uint64_t index, rater_pair *out, error *err);

#endif
