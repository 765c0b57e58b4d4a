/* broker.h - between studies and subjects: gathers what is pending into batches, caches, limits, counts.
 *
 * Any number of threads ask and wait; one broker serves one subject. Requests to a subject that takes batches are
 * gathered: a batch goes out when every thread that has entered waits for an answer, or when it is full. A subject
 * that is `concurrent` is called by the asking threads themselves.
 *
 *     TRY(broker_new(subject, &(broker_options){.askers = 64}, &b, err));
 *     ... in each of 64 threads:
 *     broker_enter(b);
 *     TRY(broker_generate(b, arena, &request, &reply, err));      // waits
 *     broker_leave(b);
 *
 * An answer cache lies behind two callbacks that the store fills. Its key is a SHA-256 of the identity of whoever
 * answers, the messages, the decoding and the repeat, and, where the temperature is above 0, of the whole address
 * (seed, study, sample, turn): a greedy answer is the same for every address. Subjects that are `instant` are never
 * cached, and failures never are.
 *
 * Where there is a budget, the most that a request can take is set aside before it goes out (budget.h).
 */
#ifndef ASSAY_SUBJECT_BROKER_H
#define ASSAY_SUBJECT_BROKER_H

#include "subject/subject.h"

typedef struct broker broker;

typedef answer_cache broker_cache; /* subject.h */

typedef struct broker_counts {
    uint64_t requests, cached, retries, failed, batches;
    uint64_t prompt_tokens, completion_tokens; /* of answers that came now, not from the cache */
    uint64_t unpriced; /* requests to somebody who costs money, and nobody knows how much */
    int64_t picodollars; /* of the others */
    double seconds_generating, seconds_waiting, seconds_retrying; /* of the asking threads, summed over requests */
} broker_counts;

typedef struct broker_options {
    size_t askers;            /* most threads that ask at once: a batch goes out when all of them wait, or it is full */
    const broker_cache *cache; /* may be NULL */
    budget *budget;            /* of the whole run, shared with other brokers; NULL: nobody counts */
    const price_list *prices;  /* may be NULL */
} broker_options;

/* The subject stays the caller's and must outlive the broker. */
status broker_new(subject *s, const broker_options *options, broker **out, error *err);
void broker_free(broker *b);
/* Asks and waits. The reply's texts lie in `a`. A request that failed alone (reply->code) is an error here too; in a
 * failure of the reply's own, reply->problem holds the same words. */
status broker_generate(broker *b, arena *a, const generate_request *request, generate_reply *reply, error *err);
status broker_score(broker *b, arena *a, const score_request *request, score_reply *reply, error *err);
/* An asker comes or goes (a thread that will ask nothing for a while must not be waited for). Threads that ask without
 * having entered are served, and never waited for. */
void broker_enter(broker *b);
void broker_leave(broker *b);
/* Wakes everybody with STATUS_INTERRUPTED, now and later; for Ctrl-C. Not for signal handlers. */
void broker_interrupt(broker *b);
broker_counts broker_count(const broker *b);

#endif
