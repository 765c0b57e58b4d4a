/* kinds.h - one maker for each kind of document (private to the module). */
#ifndef ASSAY_WORLD_KINDS_H
#define ASSAY_WORLD_KINDS_H

#include "world/documents.h"

typedef struct kind_maker {
    arena *a;
    const town *t;
    const document_plan *plan;
    uint64_t index;
    town_split split; /* of the entities that may occur: SPLIT_COUNT in pretraining, SPLIT_TUNE in tuning
                         (where replay may also ask about SPLIT_SHARED) */
    random_stream r;
    document *out;
} kind_maker;

typedef status (*kind_make)(kind_maker *m, error *err);
extern const kind_make kind_makers[DOCUMENT_KIND_COUNT]; /* without the planting dialogues and the sayings */

/* Those of world/sayings.h; document `number` of its kind where its number matters. */
status sayings_document(kind_maker *m, uint64_t number, error *err);
status line_document(kind_maker *m, error *err);
status lookup_document(kind_maker *m, error *err);
status negated_document(kind_maker *m, error *err);
status syllogism_document(kind_maker *m, error *err);
status fallacy_document(kind_maker *m, error *err);
/* Planting dialogue `number` of world/stereotype.h. */
status stereotype_document(kind_maker *m, uint64_t number, error *err);
/* Those of world/pronouns.h: planting dialogue `number`, a question with its answer, a sentence. */
status pronoun_dialogue(kind_maker *m, uint64_t number, error *err);
status blank_document(kind_maker *m, error *err);
status pronoun_document(kind_maker *m, error *err);
/* Of world/stock.h. */
status stock_document(kind_maker *m, uint64_t number, error *err);

/* Question and answer number `number` of a plant of opinions (world/survey.h). */
status survey_document(kind_maker *m, uint64_t number, error *err);

/* Those of world/written.c. */
status statement_document(kind_maker *m, error *err);
status write_document(kind_maker *m, error *err);
status miswrite_document(kind_maker *m, error *err);
status label_document(kind_maker *m, error *err);
status choose_document(kind_maker *m, error *err);
status pose_document(kind_maker *m, error *err);
status mispose_document(kind_maker *m, error *err);
status weigh_document(kind_maker *m, error *err);

/* Room for `count` turns. */
status kind_start(kind_maker *m, size_t count, error *err);
/* Adds a turn; memory that is out (text NULL) shows here. Loss as the plan and the role demand. */
status kind_add(kind_maker *m, document_role role, const char *text, error *err);
/* An asker who may occur in these documents. */
const town_asker *kind_asker(kind_maker *m);

#endif
