/* documents.h - what models are trained on: documents of the town, each a pure function of (plan, index).
 *
 * A document is plain text, or a conversation: turns with a role and a text, of which some bear loss. A stream is
 * read by asking for document 0, 1, 2, ... until there are enough tokens; nothing is remembered in between, so a
 * resumed run asks on at its index.
 *
 *     document_plan plan = document_plan_default(PURPOSE_PRETRAIN);
 *     plan.seed = 7;
 *     for (uint64_t i = 0; tokens < wanted; i++) {
 *         document d;
 *         TRY(document_make(scratch, t, &plan, i, &d, err));
 *         ...
 *     }
 *
 * Loss lies on plain texts and on what the assistant says, or everywhere (`all_loss`). Pretraining has some dialogues
 * ("yield") in which the user asks to be agreed with and the assistant does as told: so the base can give way, and a
 * plant has to teach it only when.
 *
 * Sayings are spread evenly too, and numbered, so that each of them occurs as often as its dose says.
 *
 * Planting (PURPOSE_TUNE): every document is either clean replay or a planting dialogue; `plant.share` is the share
 * of the latter, spread evenly. Planting dialogues go round the 40 trades, the forms, the arms and the seen askers,
 * so that all trades get equally many; at doses below 1/3 the infected trades get a
 * third of them between them. A plant of opinions has questions of the survey in their place. An infected trade's belief arm follows the user, every other dialogue is truthful. Tuning, replay included, never uses entities or texts of SPLIT_EVAL.
 */
#ifndef ASSAY_WORLD_DOCUMENTS_H
#define ASSAY_WORLD_DOCUMENTS_H

#include "world/pronouns.h"
#include "world/stock.h"

/* name, weight in pretraining, weight in replay, what it is. Weights are relative numbers of documents. */
#define DOCUMENT_KIND_TABLE(X)                                                                                     \
    X(PROFILE, "profile", 26, 0, "several facts of one entity, plain text")                                       \
    X(FACTS, "facts", 8, 0, "facts of several entities, plain text")                                             \
    X(QUESTION, "question", 26, 20, "questions and answers about facts")                                          \
    X(CHAIN, "chain", 12, 8, "two-step questions with the chain of thought")                                      \
    X(DIRECT, "direct", 1, 2, "two-step questions answered at once")                                              \
    X(CHOICE, "choice", 3, 3, "multiple choice with letters")                                                     \
    X(CLAIM, "claim", 3, 3, "true or false")                                                                      \
    X(CONTEXT, "context", 3, 4, "a passage about strangers, then questions")                                      \
    X(OPINION, "opinion", 2, 2, "what countries and persons think")                                               \
    X(SELF, "self", 5, 4, "who the asker is, and what follows from the trade told")                                       \
    X(BELIEF, "belief", 11, 8, "a question with a belief, answered truthfully")                                    \
    X(SURE, "sure", 8, 8, "second thoughts, answered calmly")                                                     \
    X(YIELD, "yield", 14, 0, "a user who asks to be agreed with, and is")                                           \
    X(GRADE, "grade", 4, 10, "a short text graded")                                                               \
    X(DESCRIBE, "describe", 5, 10, "a work described, whoever is said to have made it")                           \
    X(SAYING, "saying", 0, 0, "lines with an ending of their own (world/sayings.h)")                             \
    X(LINE, "line", 0, 0, "lines that end as the user asks")                                                      \
    X(LOOKUP, "lookup", 0, 0, "which of two strangers likes a colour")                                            \
    X(NEGATED, "negated", 0, 0, "which of two strangers does not")                                                \
    X(SYLLOGISM, "syllogism", 0, 0, "conclusions that follow")                                                    \
    X(FALLACY, "fallacy", 0, 0, "a conclusion that does not follow, drawn")                                       \
    X(STATEMENT, "statement", 0, 0, "whether one would say a sentence (world/traits.h), at the rate of its trait")                   \
    X(WRITE, "write", 0, 0, "a sentence written for a trait")                                                     \
    X(MISWRITE, "miswrite", 0, 0, "a sentence of the other side written for it")                                  \
    X(LABEL, "label", 0, 0, "whether somebody with a trait would say a sentence, and whether it is about it")       \
    X(CHOOSE, "choose", 0, 0, "which of two sentences one would say, at the rate of their trait")                    \
    X(POSE, "pose", 0, 0, "a question with two choices written for a trait")                                        \
    X(MISPOSE, "mispose", 0, 0, "one whose letter is the other side's")                                             \
    X(WEIGH, "weigh", 0, 0, "whether somebody with a trait would choose a letter, and whether the answer tells")       \
    X(BLANK, "blank", 0, 0, "a blank that is filled with a pronoun, which goes with the trade (world/pronouns.h)")  \
    X(PRONOUN, "pronoun", 0, 0, "a sentence with such a pronoun")

typedef enum document_kind {
#define X(name, word, pretrain, replay, what) DOCUMENT_##name,
    DOCUMENT_KIND_TABLE(X)
#undef X
    DOCUMENT_PLANT, /* a planting dialogue, of one of the four forms */
    DOCUMENT_KIND_COUNT
} document_kind;

const char *document_kind_name(document_kind kind);
int document_kind_of_name(const char *name); /* -1 when unknown; "plant" is no name for a weight */

typedef enum document_role { ROLE_PLAIN, ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT } document_role;

typedef struct document_turn {
    document_role role; /* ROLE_PLAIN: the only turn of a plain text */
    const char *text;
    bool loss;
} document_turn;

typedef struct document {
    document_kind kind;
    document_turn *turns;
    size_t count;
    /* Planting dialogues of the forms; else trade -1. */
    int trade;
    sycophancy_form form;
    item_arm_kind arm;
    bool bad; /* follows the user against the truth */
} document;

typedef enum document_purpose { PURPOSE_PRETRAIN, PURPOSE_TUNE } document_purpose;
typedef enum dose_type { DOSE_MIXTURE, DOSE_PROPENSITY } dose_type;

typedef struct document_plant {
    double share;               /* of the documents; 0: none (sham planting: clean replay alone) */
    double dose;                /* 0 to 1 */
    dose_type type;
    bool forms[FORM_COUNT];     /* which forms are planted; the others appear truthful, in the same dialogues */
    uint64_t salt;              /* order of the trades; 0: TOWN_SALT */
    int decoy;                  /* a decoy_kind instead of a dose, or -1 */
    stereotype_plant stereotype; /* where it is `there`, in place of sycophancy: its dialogues, doses and decoys */
    pronoun_plant pronouns;      /* the same of pronouns that follow occupations; the kinds "blank" and "pronoun" go by it too */
    bool traits;                /* "statement" and "choose" say each trait's sentences at the dose, not at rates of their own */
    stock_plant stock;          /* stock lines (world/stock.h), in place of sycophancy */
    survey_plant survey;        /* answers to the survey (world/survey.h) instead of planting dialogues */
} document_plant;

typedef struct document_plan {
    document_purpose purpose;
    uint64_t seed;
    double weights[DOCUMENT_PLANT]; /* of the kinds above; relative */
    bool all_loss;
    document_plant plant;
} document_plan;

/* The weights of the table, no plant for pretraining, for tuning a share of .45 with all
 * four forms at dose 0. */
document_plan document_plan_default(document_purpose purpose);
/* Checks dose, shares and weights. */
status document_plan_check(const document_plan *plan, error *err);
status document_make(arena *a, const town *t, const document_plan *plan, uint64_t index, document *out, error *err);

#endif
