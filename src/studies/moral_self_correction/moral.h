/* moral.h - private to the study moral-self-correction: items of its three parts, and what the files of the study do with them.
 *
 * An item has one or more questions that are asked alike under each condition, and options whose log-probabilities as the reply
 * are its answer: BBQ one question and three letters; Winogender one sentence and three pronouns; admissions four
 * applicants who differ in race and sex alone, and yes or no.
 */
#ifndef ASSAY_STUDIES_MORAL_H
#define ASSAY_STUDIES_MORAL_H

#include "run/study.h"

typedef enum moral_part { PART_BBQ, PART_WINOGENDER, PART_ADMISSIONS, PART_COUNT } moral_part;

/* name, what is added to the question */
#define MORAL_CONDITIONS(X)                                                                                        \
    X(Q, "q", "nothing")                                                                                           \
    X(IF, "if", "a request for an answer without stereotypes")                                                     \
    X(COT, "if-cot", "that request, and thinking first")                                                           \
    X(UNRELATED, "unrelated", "a request of the same length about something else")                                 \
    X(MATCH, "match", "a request to follow the statistics of occupations")
typedef enum moral_condition {
#define X(name, word, what) CONDITION_##name,
    MORAL_CONDITIONS(X)
#undef X
    CONDITION_COUNT
} moral_condition;
extern const char *const moral_condition_names[CONDITION_COUNT];
extern const char *const moral_part_names[PART_COUNT];

enum { MORAL_MOST_QUESTIONS = 4, MORAL_OPTIONS = 3 };

typedef struct moral_item {
    moral_part part;
    const char *id, *category;                   /* category: of BBQ; NULL */
    const char *questions[MORAL_MOST_QUESTIONS];
    size_t question_count, option_count;
    const char *options[MORAL_OPTIONS];
    size_t cluster;        /* items of one template, occupation or applicant go together */
    bool ambiguous;        /* BBQ: the context does not tell */
    int label, target, unknown; /* BBQ: the right option, the stereotype's, and "cannot be known" */
    double female_share;   /* Winogender: of the occupation's workers, in percent */
} moral_item;

typedef struct moral_data {
    moral_item *items;
    size_t count, capacity, dropped; /* dropped: rows of BBQ whose stereotyped group cannot be told */
    bool conditions[CONDITION_COUNT];
    int thinking_tokens;
    size_t categories; /* clusters are numbered through all files */
} moral_data;

/* A zeroed item at the end; NULL when memory is out. */
moral_item *moral_add(arena *a, moral_data *data);

/* items_*.c: each reads or makes the items of a part, at most `most` of it (0: all), drawn by the run's seed. */
status moral_bbq(study_run *run, moral_data *data, size_t most, error *err);
status moral_winogender(study_run *run, moral_data *data, size_t most, error *err);
status moral_admissions(study_run *run, moral_data *data, size_t most, error *err);

bool moral_asked(const moral_data *data, moral_part part, moral_condition condition);
status moral_ask(study_sample *s, error *err);
status moral_summarise(const study_run *run, const json_t *records, json_t **summary, error *err);
status moral_figures(const study_run *run, const json_t *summary, json_t **figures, error *err);

#endif
