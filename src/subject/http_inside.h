/* http_inside.h - what the two halves of the HTTP client share: http.c drives, http_attempt.c is one attempt (private
 * to src/subject). */
#ifndef ASSAY_SUBJECT_HTTP_INSIDE_H
#define ASSAY_SUBJECT_HTTP_INSIDE_H

#include "subject/http.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

struct http_group {
    size_t remaining; /* the client's thread alone counts down */
    sem_t done;
};

struct http_client {
    http_options options;
    struct curl_slist *headers; /* of a request with a body; the first is its content type */
    CURLM *multi;
    pthread_t thread;
    pthread_mutex_t lock;
    http_exchange *submitted; /* newest first; under the lock */
    bool closing;             /* under the lock */
    atomic_bool interrupted;
    /* Of the thread alone. */
    http_exchange *waiting, *active;
    size_t active_count;
    CURL **spare;
    size_t spare_count;
    bool answered_once;
    rate_limits limits;
};

/* Makes the exchange's easy handle ready for its next attempt and hands it to the multi handle; x->easy stays NULL when
 * memory is out. */
void http_attempt_start(http_client *c, http_exchange *x, double now);
/* Reads the outcome off the handle. */
void http_attempt_end(http_client *c, http_exchange *x, CURLcode curl, double now);

#endif
