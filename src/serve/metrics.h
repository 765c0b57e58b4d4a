/* metrics.h - counts, latencies and log-probabilities, for Prometheus (private to src/serve). Any thread may call. */
#ifndef ASSAY_SERVE_METRICS_H
#define ASSAY_SERVE_METRICS_H

#include "core/text.h"
#include "sketch/sketch.h"

#include <pthread.h>

enum { METRIC_ROUTES = 12, METRIC_CODES = 24, METRIC_BOUNDS = 14 };

/* A latency: counts below fixed bounds, which add up over servers and only rise, and a sketch for quantiles. */
typedef struct metric_histogram {
    uint64_t below[METRIC_BOUNDS + 1]; /* not summed up */
    double sum;
    sketch *sketch;
} metric_histogram;

typedef struct metric_cache {
    uint64_t pages, pages_used, pages_known, evicted, prompt_tokens, reused_tokens, steps;
} metric_cache;

typedef struct metrics {
    pthread_mutex_t lock;
    const char *routes[METRIC_ROUTES];
    int codes[METRIC_CODES];
    uint64_t requests[METRIC_ROUTES][METRIC_CODES];
    metric_histogram seconds, first_token, queued;
    sketch *logprobs; /* of the tokens written */
    double logprob_sum;
    uint64_t prompt_tokens, completion_tokens, cut;
    bool has_cache;
    metric_cache cache;
} metrics;

status metrics_init(metrics *m, error *err);
void metrics_free(metrics *m);
void metrics_request(metrics *m, const char *route, int http, double seconds);
void metrics_tokens(metrics *m, uint64_t prompt, uint64_t completion);
/* Of the tokens of one answer; `end`, that of the end of text, is NaN where it was not written. */
void metrics_logprobs(metrics *m, const float *logprobs, size_t count, float end);
void metrics_time(metrics *m, metric_histogram *h, double seconds);
void metrics_cut(metrics *m);
void metrics_set_cache(metrics *m, const metric_cache *cache);

/* What is true at this moment. */
typedef struct metric_now {
    size_t connections, in_flight, queue;
} metric_now;
void metrics_print(metrics *m, const metric_now *now, strbuf *out);

#endif
