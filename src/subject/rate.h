/* rate.h - the rate limits of a server, learnt from its answers' headers and kept before it has to refuse (private to
 * src/subject). Pure arithmetic: the caller brings the time, so that tests need no clock.
 *
 * Headers read (any case): x-ratelimit-{limit,remaining,reset}-{requests,tokens} with resets like "1s", "6m0s", "20ms"
 * or plain seconds; anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset} with
 * resets as RFC 3339 times, reckoned from the answer's own Date where there is one; retry-after-ms.
 *
 *     rate_limits limits = {0};
 *     double when = rate_limits_wait(&limits, &cost, now);                  // <= now: go
 *     rate_ticket t = rate_limits_send(&limits, &cost);
 *     ... for each header: rate_sight_header(&sight, name, value); ...
 *     rate_limits_learn(&limits, &sight, t, now, wall);                     // of every request that was sent
 *
 * Answers overtake each other, so the lowest "remaining" among requests that were under way together is the one that
 * holds; what is under way still may not have been counted yet, and is taken off. A limit is taken to be full again at
 * the time of reset, and no fuller before than an answer said: a server that refills evenly gives the same in the long
 * run, and one that counts by fixed windows is not overrun.
 */
#ifndef ASSAY_SUBJECT_RATE_H
#define ASSAY_SUBJECT_RATE_H

#include "core/text.h"

typedef enum rate_kind { RATE_REQUESTS, RATE_TOKENS, RATE_INPUT, RATE_OUTPUT, RATE_KIND_COUNT } rate_kind;

typedef struct rate_cost {
    double of[RATE_KIND_COUNT];
} rate_cost;

/* When a request was sent, in the order of sending and learning, and what it takes. */
typedef struct rate_ticket {
    uint64_t moment;
    rate_cost cost;
} rate_ticket;

typedef struct rate_limit {
    bool known;
    double limit, floor; /* floor: the lowest that was left, without what is under way */
    uint64_t moment;     /* when the floor was learnt */
    double reset, span;  /* when it is full again on the caller's clock, and how long that took when it was last said */
} rate_limit;

typedef struct rate_limits {
    rate_limit limits[RATE_KIND_COUNT];
    rate_cost open; /* under way */
    size_t open_count;
    uint64_t moment;
    double closed_until; /* the server asked everybody to wait */
} rate_limits;

/* What one answer's headers said. */
typedef struct rate_sight {
    struct {
        bool has_limit, has_left, has_reset, wall; /* wall: reset is a time, not a span */
        double limit, left, reset;
    } seen[RATE_KIND_COUNT];
    double date;           /* of the answer, seconds since 1970; 0: none */
    double retry_after_ms; /* 0: none */
} rate_sight;

/* Takes up one header line; others than those above are let be. */
void rate_sight_header(rate_sight *s, slice name, slice value);
/* When a request of this cost may be sent: `now` or earlier if at once, else the time to look again. A request that is
 * larger than a whole limit goes when nothing else is in flight. */
double rate_limits_wait(rate_limits *r, const rate_cost *cost, double now);
rate_ticket rate_limits_send(rate_limits *r, const rate_cost *cost);
/* The request has ended, with an answer or without. `wall`: seconds since 1970 at `now`. */
void rate_limits_learn(rate_limits *r, const rate_sight *s, rate_ticket ticket, double now, double wall);
/* Nothing is sent before `until`. */
void rate_limits_close(rate_limits *r, double until);

/* "1h2m3.5s", "20ms", "7": seconds; false when it is none of these. */
bool rate_span(slice text, double *seconds);
/* "2025-08-21T12:41:00Z", fractions and offsets too: seconds since 1970. */
bool rate_time(slice text, double *seconds);

#endif
