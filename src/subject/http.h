/* http.h - many HTTP requests in flight on one thread, with retries and within rate limits (private to src/subject).
 *
 * Any thread hands in exchanges and waits until all of them are done; one thread of the client drives them through
 * libcurl's multi interface: connections are kept and shared (HTTP/2 where the server offers it), TLS is verified,
 * proxies come from the environment as curl reads it. After each attempt `judge` says whether the outcome stands or is
 * worth another try; waits before retries double each time, with jitter, and are at least what the server asked for
 * (Retry-After, retry-after-ms). What the answers' headers say of rate limits (rate.h) is kept before the next request
 * goes out.
 *
 *     http_exchange x = {.url = url, .body = body, .length = strlen(body), .context = &mine}, *list[] = {&x};
 *     http_run(client, list, 1);
 *     if (x.code == 200) ... x.answer ...
 *     http_exchange_clear(&x);
 *
 * No redirect is followed: the headers hold a key, which is for the server that was named. Where one points stands in
 * `redirect`.
 */
#ifndef ASSAY_SUBJECT_HTTP_H
#define ASSAY_SUBJECT_HTTP_H

#include "core/error.h"
#include "core/text.h"
#include "subject/rate.h"

#include <curl/curl.h>

typedef struct http_client http_client;
typedef struct http_group http_group;
typedef struct http_exchange http_exchange;

/* Why an attempt brought no whole answer, beside what libcurl says. */
typedef enum http_cut { HTTP_WHOLE, HTTP_TOO_LONG, HTTP_IDLE } http_cut;

struct http_exchange {
    const char *url;
    const char *body; /* JSON to post; NULL: a GET. May be replaced by the judge before a retry */
    size_t length;
    rate_cost cost; /* what it takes from the rate limits, as far as can be told before */
    void *context;  /* the judge's */
    /* The outcome of the last attempt. */
    long code;     /* HTTP status; 0: no whole answer came */
    CURLcode curl; /* why, when code is 0 */
    http_cut cut;
    bool sent;        /* the request went out whole: the server may have done the work, whatever came back */
    strbuf answer;    /* on the heap; bounded */
    char redirect[256]; /* where a 3xx points, shortened; else "" */
    bool interrupted;
    double asked_to_wait; /* seconds, by the server; 0: it did not */
    /* Counts. */
    int retries;
    double seconds_generating, seconds_waiting, seconds_retrying;
    /* The client's own. */
    http_client *client;
    http_exchange *next;
    http_group *group;
    CURL *easy;
    double asked, started, not_before, heard;
    rate_sight sight;
    rate_ticket ticket;
    int should_retry; /* the server's own word (x-should-retry): 1 yes, -1 no, 0 nothing said */
};

typedef enum http_verdict { HTTP_DONE, HTTP_RETRY } http_verdict;

typedef struct http_options {
    const char *name;           /* of the server, for messages */
    const char *const *headers; /* "Name: value", sent with every request; may hold secrets: copied, and wiped in the end */
    size_t header_count;
    double connect_seconds;     /* until the connection stands */
    double idle_seconds;        /* between two pieces of an answer that has begun */
    double timeout_seconds;     /* of one whole attempt */
    size_t in_flight;
    size_t answer_bytes; /* longer answers are cut off: code 0, HTTP_TOO_LONG */
    int retries;
    double retry_seconds;
    /* Called on the client's thread, where everybody waits: it must be quick. */
    http_verdict (*judge)(void *context, http_exchange *x);
    void *judge_context;
} http_options;

status http_client_new(const http_options *options, http_client **out, error *err);
/* Nothing may be in flight. The headers are wiped. */
void http_client_free(http_client *c);
void http_run(http_client *c, http_exchange *const *exchanges, size_t count);
/* For an exchange that has come back and is to be run again: counts the retry, and sets the wait before it. Needs
 * http_has_retries. */
void http_again(http_exchange *x);
/* Everything in flight ends soon, `interrupted`; so does what comes later. From any thread. */
void http_client_interrupt(http_client *c);
/* Takes that back; nothing may be in flight. */
void http_client_resume(http_client *c);
void http_exchange_clear(http_exchange *x);

/* Whether an outcome is one that may pass: 408, 409, 425, 429, 5xx, a broken connection, a time-out; the server's own
 * word goes before the code. */
bool http_may_pass(const http_exchange *x);
/* Whether HTTP_RETRY from the judge would be followed: there are tries left, and the server asks for no longer wait
 * than an hour. */
bool http_has_retries(const http_exchange *x);

#endif
