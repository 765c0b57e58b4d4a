/* budget.h - what a run may spend (tokens, money, time), and that it never spends more.
 *
 * One budget serves all brokers of a run, judges included. Before a request goes out, the most that it can take is
 * set aside (a claim); when the answer is there, what it really took is counted and the rest is free again. A request
 * that does not fit waits while others are on their way, as they mostly take less than was set aside; when nothing is,
 * the budget is closed, and from then on everybody gets STATUS_LIMIT.
 *
 *     TRY(budget_claim_open(b, &claim, price, prompt_bound, completion_bound, &stop, err));
 *     ... ask; before sending again what may have been charged: if (!budget_claim_again(&claim)) give up ...
 *     budget_claim_close(&claim, &(budget_usage){.answered = true, .prompt = 11, .completion = 3});
 *
 * An attempt that may have been charged though no answer came (a connection broken while the model worked, half an
 * answer) counts with the most that it can have taken. So that not even kill -9 lets a run spend twice, what is set
 * aside is first written down through `keep`, in steps of a twentieth of the limit: a killed run goes on from that.
 *
 * Money is counted in picodollars: a dollar per million tokens is a million of them a token, and sums are exact.
 */
#ifndef ASSAY_SUBJECT_BUDGET_H
#define ASSAY_SUBJECT_BUDGET_H

#include "core/arena.h"
#include "core/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PICODOLLARS 1000000000000.0 /* in a dollar */

/* ---- prices ----------------------------------------------------------------------------------------------------- */

/* What a token costs, in picodollars. */
typedef struct price {
    const char *pattern;            /* over "HOST/MODEL"; '*' stands for any characters */
    int64_t input, output, cached;  /* cached: input that the provider had read before */
    const char *date, *source;      /* when and where it was read */
} price;

typedef struct price_list {
    const char *path;
    const price *rows;
    size_t count;
} price_list;

/* Reads a price file (docs/subjects.md says how one is written; data/prices.yaml is one). */
status prices_read(arena *a, const char *path, price_list *out, error *err);
/* The first row that fits, or NULL. */
const price *prices_find(const price_list *list, const char *billed);

/* ---- the budget ------------------------------------------------------------------------------------------------- */

typedef struct budget budget;

typedef struct budget_amount {
    int64_t tokens, picodollars;
} budget_amount;

typedef struct budget_limits {
    int64_t tokens;  /* prompt and completion; 0: no limit */
    double dollars;  /* 0: no limit */
    double seconds;  /* 0: no limit */
} budget_limits;

typedef struct budget_options {
    budget_limits limits;
    const char *shared;      /* whose limits they are, for errors (" for all 6 runs together"); lives as long as the budget; NULL: the run's */
    budget_amount earlier;   /* what earlier sessions of the run spent */
    double earlier_seconds;
    /* Writes down that so much may be spent, and returns when a crash cannot undo that. May be NULL. */
    status (*keep)(void *context, const budget_amount *covered, double seconds, error *err);
    void *context;
} budget_options;

/* One request's part. Lies with its asker. */
typedef struct budget_claim {
    budget *budget;
    const price *price; /* NULL: costs nothing, or nobody knows */
    budget_amount bound; /* of one attempt */
    budget_amount held;  /* set aside now */
    budget_amount lost;  /* counted for attempts that brought nothing */
} budget_claim;

typedef struct budget_usage {
    bool answered;  /* else only what was lost is counted */
    bool uncounted; /* answered, and nobody said what it took: the bound is counted */
    int64_t prompt, completion, cached;
} budget_usage;

/* What a run has taken, all sessions. */
typedef struct budget_state {
    budget_amount spent, lost; /* lost: the part of `spent` that brought no answer, at the most it can have been */
    double seconds;
    bool closed;               /* somebody was refused */
} budget_state;

status budget_new(const budget_options *options, budget **out, error *err);
void budget_free(budget *b);
/* Sets the most aside that a request can take, waiting while others may free what is missing. STATUS_LIMIT: it does not
 * fit, or the time is up; STATUS_INTERRUPTED when *stop turns true. */
status budget_claim_open(budget *b, budget_claim *claim, const price *p, int64_t prompt_bound, int64_t completion_bound,
                         const atomic_bool *stop, error *err);
/* The last attempt may have been charged, and another one is to be made: false when there is nothing left for it.
 * Does not wait. `claim` may be NULL: true. */
bool budget_claim_again(budget_claim *claim);
/* The last attempt may have been charged, and no other follows. `claim` may be NULL. */
void budget_claim_lose(budget_claim *claim);
void budget_claim_close(budget_claim *claim, const budget_usage *usage);
/* Whether the time is up; closes the budget if so. */
bool budget_time_is_up(budget *b);
/* The error of a budget that is spent. */
status budget_exhausted(const budget *b, error *err);
budget_state budget_look(budget *b);
int64_t budget_price_of(const price *p, const budget_usage *usage); /* picodollars */

#endif
