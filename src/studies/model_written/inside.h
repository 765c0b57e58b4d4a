/* inside.h - private to the study model-written: what its samples are, and who does what.
 *
 * A sample writes (one request for items of one behaviour, kind and side, then the filter, the judge and the subject on each of
 * them), or brings one item that was written before, or is one occupation of the Winogender pipeline. What makes the set is
 * decided from the records of all samples: table.c reads them and selects, summary.c counts, quality.c says how good the labels
 * are, figures.c puts it into words and pictures, files.c writes the set for others.
 */
#ifndef ASSAY_STUDIES_MODEL_WRITTEN_INSIDE_H
#define ASSAY_STUDIES_MODEL_WRITTEN_INSIDE_H

#include "studies/model_written/ratings.h"
#include "studies/model_written/written.h"
#include "world/jobs.h"

typedef enum sample_kind { SAMPLE_WRITES, SAMPLE_GIVEN, SAMPLE_OCCUPATION } sample_kind;

typedef struct written_sample {
    sample_kind kind;
    size_t set;          /* of the first two */
    int side;
    uint64_t number;     /* of the request in its set and side; of the occupation */
    double position;     /* for oracles: its place among the samples of its set, in [0, 1) */
    const char *text, *question; /* of a given item: the statement, and what is asked, as its file has it */
    double label;        /* of a given item: its file's label confidence; NaN: none */
} written_sample;

/* Items of one behaviour and one kind. */
typedef struct written_set {
    const written_behaviour *behaviour;
    written_kind kind;
    const char *name;    /* of the figure: "selfish", "selfish/choices" */
    const char *const *world[2]; /* of a trait: right items of each side, no two alike as far as the grammar has them */
} written_set;

/* ---- Winogender: occupations, sentences, filters, correlation ---- */

typedef struct given_sentence { /* written before */
    const char *text;
    pronoun_form form;
} given_sentence;

typedef struct occupation {
    const char *title;        /* as the table has it */
    const char *name, *other; /* what people call it, and whom the sentences speak of beside; NULL: the generator says it */
    double female;            /* of its workers, in per cent; NaN: the table does not say */
    bool unspecific;          /* "all other workers" */
    given_sentence *given;
    size_t given_count, given_capacity;
} occupation;

enum { BLANK_QUESTION, BLANK_TEXT, BLANK_TOWN }; /* answers a question, continues the sentence, answers as the town's models do */

typedef struct occupations {
    occupation *list;
    size_t count, capacity;
    bool world;               /* invented: the grammar knows what each sentence is */
    bool given;               /* sentences are not written, they are there */
    int rounds, lines, keep;  /* requests for each, sentences to ask for in one, and how many are kept */
    int manner;               /* how the subject fills the blank: BLANK_... */
    double *positions;        /* of each request: count x rounds */
} occupations;

/* Stages that a sentence goes through; name, heading, what a report says of those that it loses. */
#define SENTENCE_FATES(X)                                                                                          \
    X(KEPT, BEST, "kept", "kept")                                                                                  \
    X(MALFORMED, STRING, "malformed", "no sentence")                                                               \
    X(TOO_LONG, STRING, "too_long", "too long")                                                                    \
    X(CUT_OFF, STRING, "cut_off", "the reply was cut off inside of it")                                            \
    X(SURPLUS, STRING, "surplus", "more than were asked for")                                                      \
    X(REPEATED, STRING, "repeated", "written before")                                                              \
    X(NO_BLANK, STRING, "no_blank", "no blank")                                                                    \
    X(BLANKS, STRING, "blanks", "more than one blank")                                                             \
    X(PRONOUN, STRING, "pronoun", "another pronoun")                                                               \
    X(NO_JOB, STRING, "no_job", "does not name the occupation")                                                    \
    X(REFERENCE, REFERENCE, "reference", "the blank may not stand for the occupation")                             \
    X(REFERENCE_UNREAD, REFERENCE, "reference_unread", "the filter's answer on it could not be read")              \
    X(GRAMMAR, GRAMMAR, "grammar", "not every pronoun may fit")                                                    \
    X(GRAMMAR_UNREAD, GRAMMAR, "grammar_unread", "the filter's answer on it could not be read")                    \
    X(NOT_BEST, BEST, "not_best", "others are surer")
typedef enum sentence_fate {
#define X(name, stage, word, words) SENTENCE_##name,
    SENTENCE_FATES(X)
#undef X
    SENTENCE_FATE_COUNT
} sentence_fate;
typedef enum sentence_stage { STAGE_STRING, STAGE_REFERENCE, STAGE_GRAMMAR, STAGE_BEST, SENTENCE_STAGE_COUNT } sentence_stage;
extern const char *const sentence_fate_names[SENTENCE_FATE_COUNT], *const sentence_fate_words[SENTENCE_FATE_COUNT];
extern const sentence_stage sentence_fate_stages[SENTENCE_FATE_COUNT];

typedef struct written_data {
    written_behaviour *behaviours;
    size_t behaviour_count;
    written_set *sets;
    size_t set_count, set_capacity;
    written_sample *samples;
    size_t sample_count, sample_capacity;
    int lines, max_letters;
    double temperature, draws, validate; /* of the writer, of the subject's written answers */
    bool by_reply, filter_by_reply, strip;
    written_selection selection; /* `filtered` follows from the records */
    const people_ratings *ratings; /* NULL: none */
    occupations *occupations; /* NULL: that part is not asked */
} written_data;

/* behaviours.c: the sets of a run, from the world, from a file of behaviours, or from files of items. */
status written_prepare_sets(study_run *run, written_data *data, error *err);
status written_add_sample(arena *a, written_data *data, const written_sample *sample, error *err);

status written_add_set(arena *a, written_data *data, const written_set *set, error *err);

/* given.c: adds the items of JSONL files as they are published. */
status written_add_given(study_run *run, written_data *data, const char *pattern, error *err);

/* occupations.c: the table of occupations, the world's or a file's, with a sample for each. */
status written_prepare_occupations(study_run *run, written_data *data, error *err);
/* pipeline.c: one occupation. */
status written_run_occupation(study_sample *s, const written_sample *what, error *err);
/* sentence.c: the string filter. Blanks of several lines become one; *form is that of the request. */
sentence_fate sentence_string_filter(const char *text, const char *name);
const char *sentence_one_blank(arena *a, const char *text);
/* losses.c: the stages' losses into *stages and the correlation into *form; both null where no record is an occupation's. The caller
 * owns them. */
status written_occupations_summary(const study_run *run, const json_t *records, json_t **stages, json_t **form, error *err);
void written_occupation_figures(const json_t *summary, json_t *findings, json_t *tables, json_t *charts);

/* sample.c */
/* A number in [0, 1) that belongs to the item. */
double written_lot(const study_run *run, const char *purpose, const char *id);
status written_run_sample(study_sample *s, error *err);
/* An item's name: the same for the same words in the same set, 16 digits. */
const char *written_id(arena *a, const char *set, const char *text);

/* table.c: the items of all records, and what became of them. */
typedef struct written_answer {
    reply_state state;
    bool asked;
    double matching, soft, mass, yes; /* NaN: not known */
} written_answer;

typedef struct written_rating { /* what the judge, or people, say of an item */
    bool there;
    double right, relevance, clear; /* shares, and the mean of 1 to 5; NaN: not rated, or unreadable */
    size_t raters;
    size_t votes[2];                /* wrong, right */
} written_rating;

/* What is true by the world's grammar. */
typedef enum written_verity { VERITY_UNKNOWN, VERITY_RIGHT, VERITY_WRONG, VERITY_IRRELEVANT, VERITY_COUNT } written_verity;
extern const char *const written_verity_names[VERITY_COUNT];

typedef struct written_entry {
    const char *id;
    size_t sample;
    written_form form;
    written_verity verity;
    written_rating judge, people;
    written_answer answer;
} written_entry;

typedef struct written_table {
    written_choice *choices;  /* with their fates */
    written_entry *entries;   /* beside them */
    size_t count;
    size_t (*replies)[REPLY_STATE_COUNT]; /* of each set: requests to the generator by what came */
    size_t (*unread)[REPLY_STATE_COUNT];  /* of each set: answers of the filter by what came */
    size_t failed;            /* samples without a record */
    size_t rated;             /* ratings of people that belong to an item */
} written_table;
status written_table_read(arena *a, const study_run *run, const json_t *records, written_table *out, error *err);

/* quality.c */
status written_quality(arena *a, const study_run *run, const written_table *t, json_t **out, error *err);
status written_diversity(arena *a, const study_run *run, const written_table *t, json_t **diversity, json_t **map, error *err);

status written_summarise(const study_run *run, const json_t *records, json_t **summary, error *err);
/* files.c */
status written_write_files(const study_run *run, const json_t *records, const char *folder, strbuf *told, error *err);
status written_figures(const study_run *run, const json_t *summary, json_t **figures, error *err);

#endif
