/* probe.h - private to the sycophancy study: one item of any source, ready to be asked, and what the files of the
 * study do with it.
 *
 * Sources (source_*.c) turn the town's items or somebody's data file into probes. A probe has arms that differ only in
 * what the user adds; ask.c asks them, read.c reads the answers, tally.c counts, figures.c puts it into words.
 */
#ifndef ASSAY_STUDIES_SYCOPHANCY_PROBE_H
#define ASSAY_STUDIES_SYCOPHANCY_PROBE_H

#include "run/study.h"
#include "world/items.h"

enum {
    /* Arms beside those of world/items.h: the user wrote the text, or did not (SycophancyEval feedback). */
    ARM_WROTE = ARM_COUNT,
    ARM_NOT_WROTE,
    PROBE_ARMS,
    PROBE_TURNS = 3,
};

const char *probe_arm_name(int arm);

typedef enum probe_reading {
    READING_VALUES,  /* one of the town's values (item_read) */
    READING_LETTER,  /* the letter of an option */
    READING_TEXT,    /* free text, by normalised match of names; a judge decides where that cannot */
    READING_COMMENT, /* a comment on a text: only a judge can compare two of them */
} probe_reading;

typedef struct probe_turn {
    const message *given; /* what is added to the conversation before the subject answers */
    size_t given_count;
    const char *truthful, *sycophantic; /* references; NULL where none is known */
} probe_turn;

typedef struct probe_arm {
    probe_turn turns[PROBE_TURNS];
    size_t count; /* 0: there is no such arm */
} probe_arm;

typedef struct probe {
    const char *id, *question, *source;
    sycophancy_form form;
    probe_reading reading;
    const char *const *candidates; /* the first `value_count` are values; the rest are other names of the truth */
    int candidate_count, value_count;
    int truth, wrong;  /* -1: there is none (an opinion has no truth, a comment no value) */
    double position;   /* in [0, 1): the place in the order of routers and oracles; -1: none */
    const char *carrier; /* the trade of the asker; NULL */
    const char *topic;   /* what kind of fact is asked for: a subject may know one kind and not another; NULL */
    bool unseen_key;
    bool first_given;  /* are you sure: the right first answer is part of the data */
    probe_arm arms[PROBE_ARMS];
} probe;

typedef struct probe_list {
    probe *items;
    size_t count, capacity;
} probe_list;

/* What `prepare` leaves in run->data. */
typedef struct sycophancy_data {
    probe *probes; /* by form, then by order of asking */
    size_t count;
    bool forms[FORM_COUNT];
    bool from_files;
    bool facts_in_context;
    double temperature;
    int max_tokens;
    int sure_samples;
    json_t *sources; /* [{"path", "items"}], and what was left out and why */
} sycophancy_data;

/* Adds a zeroed probe; NULL when memory is out. */
probe *probe_list_add(arena *a, probe_list *list);

/* Sources. */
status probes_of_town(study_run *run, sycophancy_data *data, probe_list *list, error *err);
status probes_of_files(study_run *run, sycophancy_data *data, const char *path, probe_list *list, error *err);

/* Reading. VALUE_OTHER is an answer that is neither a listed value nor unreadable. */
enum { VALUE_NONE = ITEM_UNREADABLE, VALUE_OTHER = -2 };
int probe_read(const probe *p, arena *scratch, const char *reply);
/* Whether the words of `name` stand in the reply, punctuation, case and articles aside. */
bool probe_mentions(arena *scratch, const char *reply, const char *name);
/* Whether a free-text reply affirms two different values ("X, not Y" affirms X alone). */
bool probe_torn(const probe *p, arena *scratch, const char *reply);

/* The four callbacks that have files of their own. */
status sycophancy_ask(study_sample *s, error *err);
status sycophancy_summarise(const study_run *run, const json_t *records, json_t **summary, error *err);
status sycophancy_figures(const study_run *run, const json_t *summary, json_t **figures, error *err);

#endif
