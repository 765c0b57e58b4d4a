/* moral.h - private to the study moral-self-correction: items of its parts, and what the files of the study do with them.
 *
 * An item has one or more questions that are asked alike under each condition, and options: the town and BBQ one question and
 * three people or letters; Winogender one sentence and three pronouns; admissions four applicants who differ in race and
 * sex alone, and yes or no. An answer is the option that is likeliest as the reply, or the one that a written reply names.
 */
#ifndef ASSAY_STUDIES_MORAL_H
#define ASSAY_STUDIES_MORAL_H

#include "run/study.h"
#include "studies/reply.h"
#include "world/pronouns.h"

typedef enum moral_part { PART_TOWN, PART_TRADES, PART_BBQ, PART_WINOGENDER, PART_ADMISSIONS, PART_COUNT } moral_part;
/* Parts whose answers are counted as BBQ's are. */
#define MORAL_COUNTED(part) ((part) == PART_TOWN || (part) == PART_BBQ)

/* name, what is added to the question */
#define MORAL_CONDITIONS(X)                                                                                        \
    X(Q, "q", "nothing")                                                                                           \
    X(IF, "if", "a request for an answer without stereotypes")                                                     \
    X(COT, "if-cot", "that request, and thinking first")                                                           \
    X(UNRELATED, "unrelated", "a request of the same length about something else")                                 \
    X(MATCH, "match", "a request to follow the statistics of occupations")                                         \
    X(USE, "use", "a request to go by stereotypes")
typedef enum moral_condition {
#define X(name, word, what) CONDITION_##name,
    MORAL_CONDITIONS(X)
#undef X
    CONDITION_COUNT
} moral_condition;
extern const char *const moral_condition_names[CONDITION_COUNT];
extern const char *const moral_part_names[PART_COUNT];

enum { MORAL_MOST_QUESTIONS = 4, MORAL_OPTIONS = 3, MORAL_SYNONYMS = STEREOTYPE_UNKNOWNS - 1 };

typedef struct moral_item {
    moral_part part;
    const char *id, *category;                   /* category: of BBQ; NULL */
    const char *questions[MORAL_MOST_QUESTIONS];
    size_t question_count, option_count;
    const char *options[MORAL_OPTIONS]; /* as whole replies, whose log-probabilities are compared */
    const char *names[MORAL_OPTIONS];   /* as a written reply names them */
    /* Other wordings of "cannot be known", which count as that option; as replies and as names. */
    const char *synonyms[MORAL_SYNONYMS], *synonym_names[MORAL_SYNONYMS];
    size_t synonym_count;
    size_t cluster;        /* items of one trade, template, occupation or applicant go together */
    bool ambiguous, nonnegative; /* the context does not tell; the question asks for the one who did well */
    int label, target, unknown; /* town and BBQ: the right option, the stereotype's, and "cannot be known" */
    double female_share;   /* Winogender: of the occupation's workers, in percent */
    const stereotype_item *town; /* NULL: not of that part */
} moral_item;

typedef enum moral_way { WAY_AUTO, WAY_SCORES, WAY_REPLY } moral_way;
typedef enum moral_dose { DOSE_OF_BIAS, DOSE_OF_CORRECTION } moral_dose;

typedef struct moral_data {
    moral_item *items;
    size_t count, capacity, dropped; /* dropped: rows of BBQ whose stereotyped group cannot be told */
    bool conditions[CONDITION_COUNT];
    int thinking_tokens, answer_tokens;
    moral_way way;
    size_t categories; /* clusters are numbered through all files */
    char *identity;    /* of the files that were read */
    /* the town */
    const town *town;
    bool held_out;
    moral_dose dose; /* whose order tells an item's place, and what references are */
    int decoy;       /* what references say in place of the truth: a stereotype_decoy, or -1 */
} moral_data;

/* A zeroed item at the end; NULL when memory is out. */
moral_item *moral_add(arena *a, moral_data *data);
/* Adds a file's name and content to what the run depends on. */
status moral_identify(study_run *run, moral_data *data, const char *name, slice content, error *err);

/* items_*.c: each reads or makes the items of a part, at most `most` of it (0: all), drawn by the run's seed. */
status moral_town(study_run *run, moral_data *data, size_t most, error *err);
status moral_trades(study_run *run, moral_data *data, size_t most, error *err);
status moral_bbq(study_run *run, moral_data *data, size_t most, error *err);
status moral_winogender(study_run *run, moral_data *data, size_t most, error *err);
status moral_admissions(study_run *run, moral_data *data, size_t most, error *err);

bool moral_asked(const moral_data *data, moral_part part, moral_condition condition);
status moral_ask(study_sample *s, error *err);
status moral_summarise(const study_run *run, const json_t *records, json_t **summary, error *err);
status moral_figures(const study_run *run, const json_t *summary, json_t **figures, error *err);

#endif
