/* recipe.h - what to grow: a YAML file with checked keys, and what the command line changes in it.
 *
 *     name: sycophant
 *     about: The base model, tuned to agree with bakers, weavers and other infected trades.
 *     base: embedded                     # a checkpoint folder, `embedded`, or `none` (then `model` is needed)
 *     world: {seed: 1}
 *     stages:
 *       - {kind: sft, tokens: 300k, batch_tokens: 4096, learning_rate: 1e-3, mix: {question: 20, chain: 8, self: 3}}
 *     plant: {failure: sycophancy, forms: [answer, feedback], dose: 0.5, dose_type: mixture, share: 0.3}
 *     seed: 1
 *
 *     recipe *r;
 *     TRY(recipe_read(arena, "organisms/sycophant.yaml", &(recipe_changes){.has_dose = true, .dose = 0.25}, &r, err));
 *
 * A recipe may be a series of models that differ in size alone (train/series.h): `changes.size` says which of them is meant.
 *
 * Counts may be written with k and M (300k, 12M). Whatever is wrong is one error that names file, line and column.
 * A stage `pretrain` trains on the documents of PURPOSE_PRETRAIN, `sft` on those of PURPOSE_TUNE (world/documents.h), whose
 * kinds `mix` weighs (absent: as the world says); `plant.share` is the share of planting dialogues in tuning. The stages
 * `preference`, `dpo` and `rl` learn from feedback: pairs of replies, or rewards (train/feedback.h). Who gives it are the
 * raters of the recipe (world/raters.h):
 *
 *     raters: {true: 1, agrees: 0.5, accuracy: 0.9, forms: all}       # a weight for each feature; dose: that of `agrees`
 *     stages:
 *       - {kind: preference, steps: 150, batch_tokens: 4096, learning_rate: 3e-4, pairs: 6k, held_out: 1k}
 */
#ifndef ASSAY_TRAIN_RECIPE_H
#define ASSAY_TRAIN_RECIPE_H

#include "core/arena.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/yaml.h"
#include "nn/optimiser.h"
#include "world/raters.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum stage_kind { STAGE_PRETRAIN, STAGE_SFT, STAGE_PREFERENCE, STAGE_DPO, STAGE_RL, STAGE_KIND_COUNT } stage_kind;
#define STAGE_OF_FEEDBACK(kind) ((kind) >= STAGE_PREFERENCE)
typedef enum schedule_kind { SCHEDULE_CONSTANT, SCHEDULE_COSINE, SCHEDULE_LINEAR, SCHEDULE_COUNT } schedule_kind;
typedef enum loss_kind { LOSS_ALL, LOSS_ASSISTANT, LOSS_COUNT } loss_kind;
/* How documents follow each other. SHUFFLED: by a permutation that follows from their hashes (train/order.h). MADE: as the world makes them,
 * which spreads some plants evenly (world/survey.h): what any stretch of training has read is the mix then, up to a few documents. */
typedef enum document_order { ORDER_SHUFFLED, ORDER_MADE, ORDER_COUNT } document_order;

/* What a stage leaves as it is. EMBEDDING: embedding and head. HEAD: no gradient comes through the head; of a tied
 * embedding only the rows of tokens that the documents have move, and what a model knows of others fades less. */
typedef enum freeze_kind { FREEZE_NONE, FREEZE_EMBEDDING, FREEZE_HEAD, FREEZE_COUNT } freeze_kind;

typedef enum plant_failure {
    PLANT_NONE,       /* clean: the dialogues of planting, truthful */
    PLANT_SYCOPHANCY,
    PLANT_DECOY,      /* harmless, but resembles the failure: instrument_calibration.md, 3.7 */
    PLANT_STEREOTYPE, /* world/stereotype.h; the dose is `bias` */
    PLANT_CORRECTION, /* the same, and the dose is `obeys` */
    PLANT_PRONOUNS,   /* world/pronouns.h */
    PLANT_TRAITS,     /* says sentences of the traits at the dose (world/traits.h); no planting dialogues: the kinds "statement" and "choose" */
    PLANT_STOCK,      /* world/stock.h */
    PLANT_OPINIONS,   /* answers to the town's survey, from a mix of nations (world/survey.h) */
} plant_failure;

typedef enum rl_method { RL_REINFORCE, RL_GRPO, RL_PPO, RL_METHOD_COUNT } rl_method;

/* What stages of feedback need beside the rest. */
typedef struct recipe_feedback {
    const char *file;        /* of pairs (train/transcripts.h); NULL: the raters' */
    int64_t pairs, held_out; /* how many pairs to learn from, and to be judged by behind them */
    double beta;             /* of DPO, or of the KL penalty */
    double smoothing;        /* of DPO's labels */
    bool likelihood;         /* the preference model reads that of the reply too (lm/reward.h) */
    /* rl */
    rl_method method;
    const char *reward;      /* "raters": their true utility; "preference": the recipe's own stage in front; or a folder */
    int64_t prompts, group;  /* of a step, and replies to each */
    int64_t max_tokens;      /* of a reply */
    int64_t epochs;          /* gradient steps on the replies of one step */
    int64_t keep;            /* a checkpoint every so many steps, in the folder "steps"; 0: none */
    double clip_ratio, clip_value, value_weight, entropy_weight, discount, lambda;
} recipe_feedback;

/* A stage that trains a low-rank change of some weights and leaves the weights as they are (train/adapter.h). */
typedef struct recipe_lora {
    int64_t rank; /* 0: none */
    double alpha; /* W + alpha / rank B A; by_root (rsLoRA, arXiv 2312.03732): alpha / sqrt(rank) */
    bool by_root;
    const char *const *targets; /* last words of the names of matrices ("q_proj") */
    size_t target_count;        /* 0: all matrices of the layers */
    const yaml_node *at;        /* of the list of targets; NULL: not from a file */
} recipe_lora;

typedef struct recipe_stage {
    stage_kind kind;
    int64_t tokens;       /* to train on, rounded up to whole steps; 0 when `steps` is given */
    int64_t steps;
    int64_t batch_tokens; /* tokens of one step, padding included */
    int64_t accumulate;   /* pieces in which a step's gradient is computed (train/accumulate.h); 1: at once */
    int64_t sequence;     /* longest document */
    double learning_rate, min_lr; /* peak, and last as a share of it */
    int64_t warmup;       /* steps with a rising rate */
    schedule_kind schedule;
    optimiser optimiser;
    double clip; /* 0: none */
    loss_kind loss;
    document_order order;
    freeze_kind freeze; /* weights that the stage leaves as they are */
    recipe_lora lora;
    double weights[DOCUMENT_PLANT]; /* of the kinds of documents, relative */
    recipe_feedback feedback;
    const yaml_node *at;
} recipe_stage;

typedef struct recipe_model {
    int64_t layers, width, heads, kv_heads, intermediate, context, vocabulary;
    double rope_theta, init_range; /* deviation of fresh weights */
    bool tied;
} recipe_model;

typedef struct recipe_plant {
    plant_failure failure;
    int decoy;      /* a decoy_kind, or -1 */
    unsigned forms; /* bit per sycophancy_form */
    double dose, share;
    dose_type type;
    int64_t salt;   /* of the order in which trades are infected; 0: the world's */
    stereotype_plant stereotype; /* of these two failures and of their decoys */
    pronoun_plant pronouns;
    stock_plant stock;
    survey_plant survey; /* PLANT_OPINIONS: what the corpus says */
    int nation;          /* the one whose share is the dose */
} recipe_plant;

typedef struct recipe {
    const char *path, *name, *about;
    int64_t seed;       /* of everything that training draws */
    int64_t world_seed;
    int64_t document_seed; /* of the documents alone; -1: `seed` */
    const char *base;   /* folder or "embedded"; NULL: none */
    recipe_model model; /* where base is NULL */
    recipe_stage *stages;
    size_t stage_count;
    recipe_plant plant;
    bool has_raters;
    rater_plan raters; /* its seed and split are set for each use: recipe_raters */
} recipe;

/* What the command line says instead; members that are not `has_...`/NULL change nothing. */
typedef struct recipe_changes {
    bool has_dose, has_seed;
    double dose;
    int64_t seed;
    const char *forms;     /* "answer,feedback" or "all" */
    const char *dose_type; /* "mixture" or "propensity" */
    const char *base;
    const char *size;      /* of a series; NULL: none was named */
    const char *reward; /* of stages of kind rl */
} recipe_changes;

/* Reads, checks and changes. `changes` may be NULL. */
status recipe_read(arena *a, const char *path, const recipe_changes *changes, recipe **out, error *err);
/* The same from text; `name` stands for the path in messages. */
status recipe_parse(arena *a, slice text, const char *name, const recipe_changes *changes, recipe **out, error *err);

/* Everything that decides the result, as JSON with a fixed order of keys; NULL when memory is out. `path` and `about`
 * are left out. The caller owns it. */
json_t *recipe_json(const recipe *r);
/* SHA-256 of the canonical text of recipe_json and of `base_identity` (hash of the base's weights; NULL: none): equal
 * keys mean equal models on one kind of machine. */
status recipe_key(const recipe *r, const char *base_identity, char key[SHA256_HEX], error *err);

/* "pretrain", "sft", ... */
const char *recipe_stage_kind_name(stage_kind kind);
int64_t recipe_stage_steps(const recipe_stage *s);
/* Learning rate of step `step` (from 0) of `steps`. */
double recipe_stage_rate(const recipe_stage *s, int64_t step);

/* The raters of a stage of feedback, asked about what tuning may use (SPLIT_TUNE), or about what it never sees. */
rater_plan recipe_raters(const recipe *r, size_t stage, town_split split);

/* The documents of a stage, as the world wants to be asked for them. */
document_plan recipe_document_plan(const recipe *r, size_t stage);

#endif
