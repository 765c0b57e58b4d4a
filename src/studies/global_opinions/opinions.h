/* opinions.h - private to the study global-opinions: questions with the answers of countries, and what its files do with them.
 *
 * Sources (source_*.c) make questions: of the town's survey (world/survey.h), or from a file of real surveys. ask.c asks each one
 * under every condition and writes down a distribution over its options; summary.c compares those with the countries'.
 */
#ifndef ASSAY_STUDIES_OPINIONS_H
#define ASSAY_STUDIES_OPINIONS_H

#include "run/study.h"
#include "studies/global_opinions/places.h"
#include "world/survey.h"

enum {
    OPINION_OPTIONS = 64,   /* most options of a question */
    OPINION_PLACES = 512,   /* most countries */
    OPINION_CONDITIONS = 24,
    OPINION_FEW = 50,       /* countries with fewer questions are marked */
    OPINION_LEAST = 10,     /* fewer questions say nothing of how they scatter: no interval */
};

typedef enum opinion_way { WAY_DEFAULT, WAY_COUNTRY, WAY_LANGUAGE, WAY_COUNT } opinion_way;

typedef struct opinion_condition {
    opinion_way way;
    const char *name;   /* "default", "country:Russia", "language:Russian" */
    const char *what;   /* the country or the language; NULL */
    size_t place;       /* of the country (language of the town: of its nation); SIZE_MAX */
    unsigned language;  /* a SPEAKS_... bit, or 0 */
} opinion_condition;

typedef struct opinion_answer {
    size_t place;
    const double *shares; /* sum 1 */
} opinion_answer;

typedef struct opinion_question {
    const char *id, *text;
    const char *const *options;
    size_t option_count;
    opinion_answer *answers;
    size_t answer_count;
    size_t number; /* in the town's survey */
} opinion_question;

typedef struct opinion_place {
    const char *name;
    int iso;         /* number of ISO 3166-1 by which the map finds its shape; 0: none */
    unsigned speaks; /* SPEAKS_... */
    size_t questions;
} opinion_place;

/* What became of the rows of a file; a row is one question in one country. */
typedef struct opinion_counts {
    size_t rows, non_national, old_sample, twice, zero, length, missing_only, kept;
    size_t all_zero_questions; /* questions that lost rows to `zero` */
} opinion_counts;

/* What somebody who checked a translation made of it. */
typedef enum opinion_verdict { VERDICT_NONE, VERDICT_ACCEPT, VERDICT_EDIT, VERDICT_REJECT, VERDICT_COUNT } opinion_verdict;
extern const char *const opinion_verdicts[VERDICT_COUNT]; /* "", "accept", "edit", "reject" */

typedef struct opinion_checked {
    const char *id, *language; /* of the question */
    const char *text, *back, *checker;
    const char **options, **back_options;
    size_t option_count, back_count;
    opinion_verdict verdict;
} opinion_checked;

typedef struct opinion_data {
    opinion_question *questions;
    size_t count;
    opinion_place *places;
    size_t place_count;
    opinion_condition conditions[OPINION_CONDITIONS];
    size_t condition_count;
    opinion_counts counts;
    const survey *survey;       /* of the town; NULL: from a file */
    const char *path;           /* the file; NULL */
    json_t *planted;            /* nation -> share of the subject's corpus, where its recipe tells; NULL */
    bool letters, stub;
    bool listed;                /* the town's questions name their options */
    bool draws_only, logprobs_only;
    size_t draws, orders;
    opinion_checked *checked;   /* translations that somebody has looked at, by language and id; NULL: the translator's are taken */
    size_t checked_count;
    int answer_tokens;
} opinion_data;

/* source_town.c, source_file.c: fill questions, places and counts. */
status opinions_of_town(study_run *run, opinion_data *data, error *err);
status opinions_of_file(study_run *run, opinion_data *data, const char *path, error *err);
/* The questions of the text of a file, for source_file.c and for fuzzing. `csv`: the published table; else a JSON list. */
status opinions_read(arena *a, slice text, const char *name, bool csv, bool drop_missing, opinion_data *data, error *err);

/* ask.c */
status opinions_ask(study_sample *s, error *err);
/* translate.c: question and options in a language, or a reason why not. The texts lie in the sample's arena. */
typedef struct opinion_translation {
    const char *text;                 /* NULL: there is none */
    const char **options;
    const char *back, **back_options; /* translated back; NULL: it was not */
    size_t option_count, back_count;
    const char *problem;              /* NULL where the translation can be used */
    opinion_verdict verdict;
    const char *checker;              /* NULL: nobody checked it */
    char sha256[65];                  /* of question and options, a line each */
} opinion_translation;
status opinions_translate(study_sample *s, const opinion_question *q, const char *language, opinion_translation *out, error *err);
/* checked.c: the table that `assay export -f files` writes and people fill (files.c has its columns). Any text: STATUS_INVALID, with the
 * line, where it is no such table. */
status opinions_read_checked(arena *a, slice text, const char *name, opinion_checked **out, size_t *count, error *err);
/* The translation of a question that somebody has checked, or why there is none. */
status opinions_take_checked(study_sample *s, const opinion_question *q, const char *language, opinion_translation *out, error *err);
/* SHA-256 of question and options, a line each, in hexadecimal. */
void opinions_hash(const char *text, const char *const *options, size_t count, char hex[65]);

/* What the records say of a question under a condition. */
typedef struct opinion_reading {
    bool there;                    /* shares are known */
    double shares[OPINION_OPTIONS];
    double mass;                   /* NaN: from draws */
    size_t draws, read;            /* 0: from log-probabilities */
} opinion_reading;
/* records.c: [count][conditions], in the arena. */
status opinions_readings(arena *a, const opinion_data *data, const json_t *records, opinion_reading **out, error *err);

status opinions_summarise(const study_run *run, const json_t *records, json_t **summary, error *err);
/* mix.c: what the subject's recipe makes true, beside what was measured; the mix that fits best. */
status opinions_add_mix(const study_run *run, arena *a, const opinion_reading *readings, json_t *summary, error *err);
/* pictures.c: charts of the kinds "map" and "answers". */
json_t *opinions_map(const json_t *summary);
json_t *opinions_pages(const json_t *summary);
/* files.c: tables of countries, of answers and of translations, and a page on which these can be checked. */
status opinions_write_files(const study_run *run, const json_t *records, const char *folder, strbuf *told, error *err);
/* check_page.c: translations as a page; `rows` are those of the table. */
status opinions_check_page(const json_t *rows, strbuf *out, error *err);
status opinions_figures(const study_run *run, const json_t *summary, json_t **figures, error *err);

#endif
