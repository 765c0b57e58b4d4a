/* recipe_inside.h - what the files that read recipes do for each other (private to src/train). */
#ifndef ASSAY_TRAIN_RECIPE_INSIDE_H
#define ASSAY_TRAIN_RECIPE_INSIDE_H

#include "train/recipe.h"

/* The words, by the enumerations of recipe.h. */
enum { DOSE_TYPES = 2 };
extern const char *const recipe_dose_type_names[DOSE_TYPES], *const recipe_stage_names[STAGE_KIND_COUNT];
extern const char *const recipe_schedule_names[SCHEDULE_COUNT], *const recipe_freeze_names[FREEZE_COUNT];
extern const char *const recipe_loss_names[LOSS_COUNT], *const recipe_order_names[ORDER_COUNT];

/* Failures by name, decoys apart. */
enum { RECIPE_FAILURES = 8 };
#define RECIPE_DEAF "deaf" /* the decoy of stock lines */
const char *recipe_failure_name(plant_failure failure);

/* A whole number that may end in k or M; an absent key leaves *out alone. */
status recipe_get_count(const yaml_node *map, const char *key, int64_t least, int64_t most, int64_t *out, error *err);
/* `all`, or a list of forms, as bits. */
status recipe_read_forms(const yaml_node *at, unsigned *forms, error *err);

/* recipe_optimiser.c */
/* The keys of a stage that speak of its optimiser: optimiser, momentum, nesterov, lazy, beta1, beta2, epsilon, weight_decay. */
status recipe_optimiser_read(const yaml_node *at, optimiser *o, error *err);
/* Adds what decides the result; what only SGD and Muon have is named only for them. */
void recipe_optimiser_json(const optimiser *o, json_t *into);

/* recipe_survey.c */
/* What a plant of opinions says: mix, told, spoken, spoken_opinions, dose. */
status recipe_survey_read(const yaml_node *at, recipe_plant *p, error *err);
/* Gives the nation that the mix names first this share, and the others the rest in their proportions. */
status recipe_survey_dose(recipe_plant *p, double dose, error *err);
json_t *recipe_survey_json(const recipe_plant *p);

/* recipe_lora.c */
status recipe_lora_read(arena *a, const yaml_node *at, recipe_lora *l, error *err);
/* Whether stages that train a low-rank change stand where they may. */
status recipe_lora_check(const recipe *r, error *err);
json_t *recipe_lora_json(const recipe_lora *l);

/* recipe_feedback.c */
/* Refuses keys that a stage of this kind has not. */
status recipe_feedback_keys(const yaml_node *at, stage_kind kind, error *err);
/* What such a stage has beside the keys of all. */
status recipe_feedback_read(const yaml_node *at, recipe_stage *s, error *err);
json_t *recipe_feedback_json(const recipe_stage *s);
status recipe_raters_read(const yaml_node *at, recipe *r, error *err);
json_t *recipe_raters_json(const rater_plan *plan);
/* Whether the stages have what they learn from: raters, a file, a preference model. */
status recipe_feedback_check(const recipe *r, error *err);
/* Puts another reward into stages of kind rl; NULL changes nothing. */
status recipe_change_reward(arena *a, recipe *r, const char *reward, error *err);

#endif
