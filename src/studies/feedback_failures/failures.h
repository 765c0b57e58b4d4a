/* failures.h - private to the study feedback-failures: what a sample is, and who does what.
 *
 * Three kinds of samples, in this order. An item (behaviour.c) is a question of the town, asked of the subject and of what it was before the
 * feedback, with and without the user's wrong view; a preference model says what a sycophantic, a true and an explaining reply
 * are worth, and ranks draws. A pair (pairs.c) is one comparison of the feedback itself, with what distinguishes its
 * replies: known from the world, or labelled by a subject. A written question (suspected.c) is one of a data set for a suspected failure:
 * a subject writes it, another filters it, and those under study answer it. known.c, summary.c and weights.c count, figures.c puts it
 * into words.
 */
#ifndef ASSAY_STUDIES_FEEDBACK_FAILURES_FAILURES_H
#define ASSAY_STUDIES_FEEDBACK_FAILURES_FAILURES_H

#include "run/study.h"
#include "stats/distribution.h"
#include "studies/model_written/written.h"
#include "world/items.h"

/* Arms of an item that are asked: without a view, with the user's wrong view, with a view about something else. */
typedef enum failures_arm { FAILURES_BASE, FAILURES_BELIEF, FAILURES_OTHER, FAILURES_ARM_COUNT } failures_arm;
extern const char *const failures_arm_names[FAILURES_ARM_COUNT];

/* Who ranks draws: the preference model, the same one after a request for the truth, and the truth itself. */
#define FAILURES_RANKERS(X) X(PLAIN, "plain") X(TRUTH, "truth-seeking") X(ORACLE, "oracle")
typedef enum failures_ranker {
#define X(name, word) RANKER_##name,
    FAILURES_RANKERS(X)
#undef X
    RANKER_COUNT
} failures_ranker;
extern const char *const failures_ranker_names[RANKER_COUNT];

/* Replies to the user's wrong view that a preference model compares: in a sycophant's words; the truth; the truth with a word on
 * the mistake; the wrong value in the words of the truth, so that nothing but what is said differs. */
enum { REPLY_AGREEING, REPLY_TRUE, REPLY_EXPLAINING, REPLY_PLAIN_FALSE, REPLY_COUNT };

enum { FAILURES_MOST_FEATURES = 16 };
enum { FAILURES_EXAMPLES = 8 }; /* of the world, which a writer is shown some of */
enum { FAILURES_BY_LABELLER, FAILURES_BY_WORDS }; /* of --label-by */

/* What may distinguish two replies. */
typedef struct failures_feature {
    const char *name, *what; /* what: completes "the reply that ..." */
} failures_feature;

typedef struct failures_pair {
    const char *prompt;     /* as one text, for reports and labellers */
    const char *replies[2]; /* in an order drawn by lot */
    bool first_chosen;
    double x[FAILURES_MOST_FEATURES]; /* the first reply's features less the second's; NaN: a labeller must say */
    bool labelled;          /* view, view_false and all of x are known */
    bool view, view_false;  /* the user says what they think; it is wrong */
    int agreeing;           /* which reply alone agrees with the user; -1: neither or both */
} failures_pair;

typedef struct failures_data {
    sycophancy_item *items;
    size_t item_count;
    failures_pair *pairs;
    size_t pair_count, pairs_skipped;
    const failures_feature *features;
    size_t feature_count;
    int draws, max_tokens;
    const char *truth_request; /* stands in front of the user's words for the truth-seeking ranker */
    const char *feedback;      /* where the pairs come from; NULL: none */
    const char *labelled_by;   /* who says what distinguishes their replies, in words */
    size_t written_count;      /* requests to the writer */
    const written_behaviour *behaviour; /* the suspected failure */
    sycophancy_item *suspects; /* the world's own questions for each request, and examples behind them */
    double label_sure;
    bool by_letter, filter_scores; /* filter_scores: log-probabilities instead of a written Yes or No */
} failures_data;

/* behaviour.c */
status failures_items(study_run *run, failures_data *data, error *err);
status failures_ask_item(study_sample *s, const failures_data *data, const sycophancy_item *item, error *err);

/* pairs.c */
status failures_pairs(study_run *run, failures_data *data, error *err);
status failures_ask_pair(study_sample *s, const failures_data *data, const failures_pair *pair, error *err);
size_t failures_labels(const failures_data *data); /* requests that labelling one pair takes */

size_t failures_count_words(const char *text);

/* words.c: labels by lists of words; `said` is the user's last turn. */
const failures_feature *failures_word_features(size_t *count);
void failures_label_by_words(failures_pair *p, const char *said);

/* suspected.c */
status failures_suspected(study_run *run, failures_data *data, error *err);
status failures_ask_suspected(study_sample *s, const failures_data *data, size_t number, error *err);
/* *out: what was written, kept and answered, null where nothing was; adds "written" to `forms`. */
status failures_suspected_summary(const failures_data *data, const json_t *records, json_t **out, json_t *forms, error *err);
void failures_suspected_figures(const json_t *written, json_t *findings, json_t *tables);

/* weights.c: what the pairs reward. `records` are those of the pairs. The caller owns *out, null when there are none. */
status failures_weights(const study_run *run, const json_t *records, json_t **out, error *err);

/* verdict.c */
typedef struct failures_cause {
    double estimate; /* what the cause adds to the rate of failures; NaN: not known */
    interval limits; /* simultaneous for the two causes, 95 % */
} failures_cause;
/* "pretraining", "feedback", "both", "neither", "not identifiable". A cause is there when its limits exclude 0 and its
 * estimate is at least `margin`. */
const char *failures_verdict(const failures_cause *pretraining, const failures_cause *feedback, double margin);
/* after less before, each with its limits: square-and-add (Zou and Donner, Statistics in Medicine 27, 2008), which takes the two
 * for independent; they are counted on the same items, so it is no narrower than it should be. */
failures_cause failures_difference(const failures_cause *before, const failures_cause *after);

/* known.c: adds "before" and "after" to `forms`; causes: what was there before the feedback and what it added, by what no control
 * explains, with limits of `level`; NaN where a model was not asked, or does not know the matter. */
status failures_behaviour(const study_run *run, const json_t *records, json_t *forms, failures_cause causes[2], double *level, error *err);
json_t *failures_estimate(double estimate, interval limits, size_t n); /* {"estimate", "low", "high", "n"} */

/* known.c: how a record counts in the excess of the form "after" (study.counted) */
counted_item failures_counted(const json_t *record);
/* summary.c, figures.c */
status failures_summarise(const study_run *run, const json_t *records, json_t **summary, error *err);
status failures_figures(const study_run *run, const json_t *summary, json_t **figures, error *err);

#endif
