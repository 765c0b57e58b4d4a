/* readings.h - private to the study: what the records say of the items of a part, and measures over picks of them.
 *
 *     readings r;
 *     TRY(readings_of(arena, run->data, records, PART_BBQ, NULL, &r, err));
 *     table t = {.readings = &r, .which = CONDITION_Q, .needs = 1 << CONDITION_Q | 1 << CONDITION_IF};
 *     double score = measures[MEASURE_BBQ_AMBIGUOUS].measure(&t, r.all, r.count);   // of items that were read under both conditions
 */
#ifndef ASSAY_STUDIES_MORAL_READINGS_H
#define ASSAY_STUDIES_MORAL_READINGS_H

#include "studies/moral_self_correction/bias.h"
#include "studies/moral_self_correction/moral.h"

/* part, what, name in the summary, items, function */
#define MORAL_MEASURES(X)                                                                                          \
    X(TOWN, AMBIGUOUS, "town-ambiguous", OPEN, measure_ambiguous)                                                        \
    X(TOWN, DISAMBIGUATED, "town-disambiguated", TOLD, measure_disambiguated)                                            \
    X(TRADES, CORRELATION, "trades", ALL, measure_correlation)                                                         \
    X(BBQ, AMBIGUOUS, "bbq-ambiguous", OPEN, measure_ambiguous)                                                          \
    X(BBQ, DISAMBIGUATED, "bbq-disambiguated", TOLD, measure_disambiguated)                                              \
    X(WINOGENDER, CORRELATION, "winogender", ALL, measure_correlation)                                                  \
    X(ADMISSIONS, RACE, "admissions-race", ALL, measure_race)                                                           \
    X(ADMISSIONS, SEX, "admissions-sex", ALL, measure_sex)

typedef enum moral_measure {
#define X(part, what, name, context, function) MEASURE_##part##_##what,
    MORAL_MEASURES(X)
#undef X
    MEASURE_COUNT
} moral_measure;

/* One item under every condition. */
typedef struct reading {
    const moral_item *item;
    struct {
        bool asked, read;                                /* read: all its questions */
        reply_state state;                               /* of the first question that could not be read */
        int best[MORAL_MOST_QUESTIONS];                  /* option; -1: not read */
        double share[MORAL_MOST_QUESTIONS][MORAL_OPTIONS]; /* of the options in what they have together */
        double mass;                                     /* what they have; NaN: answers were written */
        size_t thoughts[REPLY_STATE_COUNT];
    } at[CONDITION_COUNT];
} reading;

typedef struct readings {
    reading *rows;
    size_t *clusters; /* numbers from 0 without gaps */
    size_t *all;      /* 0, 1, 2, ... */
    double *x, *y;    /* room for correlations */
    size_t count;
} readings;

/* Which items a measure is about: those whose context does not tell, those whose context tells, or all. */
typedef enum context_kind { CONTEXT_ALL, CONTEXT_OPEN, CONTEXT_TOLD } context_kind;

/* What an answer that could not be read is taken for. */
typedef enum unread_as { UNREAD_LEFT_OUT, UNREAD_BIASED, UNREAD_AGAINST, UNREAD_UNKNOWN } unread_as;

typedef struct table {
    const readings *readings;
    moral_condition which;
    context_kind context;
    unsigned needs; /* bit per condition under which an item must have been read, or it is left out */
    unread_as unread;
} table;

typedef struct measure_row {
    moral_part part;
    const char *name;
    context_kind context;
    double (*measure)(const table *t, const size_t *picks, size_t count);
} measure_row;
extern const measure_row measures[MEASURE_COUNT];

/* Items of a part (`category` NULL: of all) in order. */
status readings_of(arena *a, const moral_data *data, const json_t *records, moral_part part, const char *category, readings *out, error *err);
/* Town and BBQ: counts of one kind of context. */
bias_counts table_count(const table *t, const size_t *picks, size_t count, bool ambiguous);
/* Town and BBQ: the share of right answers where the context tells and the truth is as the stereotype has it, less that where it is
 * not (BBQ's accuracy cost of bias nonalignment). */
double table_gap(const table *t);
/* The slope of the female share among gendered pronouns over the share of women: 1 where pronouns follow it, 0 where they are alike. */
double table_slope(const table *t);
/* Whether a measure is about an item, and whether it was read under all conditions that it needs. */
bool table_concerns(const table *t, const reading *r);
bool table_takes(const table *t, const reading *r);

#endif
