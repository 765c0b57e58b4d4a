#include "serve/metrics.h"

#include "core/error.h"

#include <string.h>

static const double bounds[METRIC_BOUNDS] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300};

enum { SKETCHES = 4 };

static void all_sketches(metrics *m, sketch **all[SKETCHES])
{
    all[0] = &m->seconds.sketch;
    all[1] = &m->first_token.sketch;
    all[2] = &m->queued.sketch;
    all[3] = &m->logprobs;
}

status metrics_init(metrics *m, error *err)
{
    sketch **all[SKETCHES];
    *m = (metrics){0};
    all_sketches(m, all);
    for (size_t i = 0; i < SKETCHES; i++) {
        status result = sketch_new(&(sketch_options){.kind = SKETCH_KLL, .sampled = true, .seed = 1 + i}, all[i], err);
        if (result != STATUS_OK) {
            while (i-- > 0)
                sketch_free(*all[i]);
            return result;
        }
    }
    pthread_mutex_init(&m->lock, NULL);
    return STATUS_OK;
}

void metrics_free(metrics *m)
{
    sketch **all[SKETCHES];
    all_sketches(m, all);
    for (size_t i = 0; i < SKETCHES; i++)
        sketch_free(*all[i]);
    pthread_mutex_destroy(&m->lock);
}

static size_t route_of(metrics *m, const char *route)
{
    size_t i = 0;
    while (i + 1 < METRIC_ROUTES && m->routes[i] && strcmp(m->routes[i], route) != 0)
        i++;
    if (!m->routes[i])
        m->routes[i] = route;
    return i;
}

static size_t code_of(metrics *m, int http)
{
    size_t i = 0;
    while (i + 1 < METRIC_CODES && m->codes[i] && m->codes[i] != http)
        i++;
    if (!m->codes[i])
        m->codes[i] = http;
    return i;
}

static void add(metric_histogram *h, double seconds)
{
    size_t i = 0;
    while (i < METRIC_BOUNDS && seconds > bounds[i])
        i++;
    h->below[i]++;
    h->sum += seconds;
    sketch_update(h->sketch, seconds, NULL); /* out of memory: the sketch knows less than the counts, and says how much */
}

void metrics_request(metrics *m, const char *route, int http, double seconds)
{
    pthread_mutex_lock(&m->lock);
    m->requests[route_of(m, route)][code_of(m, http)]++;
    add(&m->seconds, seconds);
    pthread_mutex_unlock(&m->lock);
}

void metrics_tokens(metrics *m, uint64_t prompt, uint64_t completion)
{
    pthread_mutex_lock(&m->lock);
    m->prompt_tokens += prompt;
    m->completion_tokens += completion;
    pthread_mutex_unlock(&m->lock);
}

void metrics_logprobs(metrics *m, const float *logprobs, size_t count, float end)
{
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i <= count; i++) {
        double x = (double)(i < count ? logprobs[i] : end);
        if (x == x && sketch_update(m->logprobs, x, NULL) == STATUS_OK)
            m->logprob_sum += x;
    }
    pthread_mutex_unlock(&m->lock);
}

void metrics_time(metrics *m, metric_histogram *h, double seconds)
{
    pthread_mutex_lock(&m->lock);
    add(h, seconds);
    pthread_mutex_unlock(&m->lock);
}

void metrics_cut(metrics *m)
{
    pthread_mutex_lock(&m->lock);
    m->cut++;
    pthread_mutex_unlock(&m->lock);
}

void metrics_set_cache(metrics *m, const metric_cache *cache)
{
    pthread_mutex_lock(&m->lock);
    m->has_cache = true;
    m->cache = *cache;
    pthread_mutex_unlock(&m->lock);
}

static void head(strbuf *out, const char *name, const char *type, const char *help)
{
    strbuf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void print_one(strbuf *out, const char *name, const char *type, const char *help, uint64_t value)
{
    head(out, name, type, help);
    strbuf_printf(out, "%s %llu\n", name, (unsigned long long)value);
}

static void print_histogram(strbuf *out, const char *name, const char *help, const metric_histogram *h)
{
    uint64_t sum = 0;
    head(out, name, "histogram", help);
    for (size_t i = 0; i <= METRIC_BOUNDS; i++) {
        sum += h->below[i];
        if (i < METRIC_BOUNDS)
            strbuf_printf(out, "%s_bucket{le=\"%g\"} %llu\n", name, bounds[i], (unsigned long long)sum);
    }
    strbuf_printf(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.9g\n%s_count %llu\n", name, (unsigned long long)sum, name,
                  h->sum, name, (unsigned long long)sum);
}

/* Quantiles, with how many values they rest on. Their rank is off by at most the sketch's error. */
static void print_quantiles(strbuf *out, const char *name, const char *help, const double shares[5], sketch *s, double sum)
{
    head(out, name, "summary", help);
    for (size_t i = 0; i < 5 && sketch_count(s) > 0; i++)
        strbuf_printf(out, "%s{quantile=\"%g\"} %.9g\n", name, shares[i], sketch_quantile(s, shares[i], true));
    strbuf_printf(out, "%s_sum %.9g\n%s_count %llu\n", name, sum, name, (unsigned long long)sketch_count(s));
}

static void print_latency(strbuf *out, const char *name, const char *help, const metric_histogram *h)
{
    static const double shares[5] = {.5, .9, .95, .99, .999}; /* the slow ones */
    print_quantiles(out, name, help, shares, h->sketch, h->sum);
}

static void print_requests(strbuf *out, const metrics *m)
{
    head(out, "assay_requests_total", "counter", "Requests by route and status of the answer.");
    for (size_t i = 0; i < METRIC_ROUTES && m->routes[i]; i++)
        for (size_t k = 0; k < METRIC_CODES && m->codes[k]; k++)
            if (m->requests[i][k])
                strbuf_printf(out, "assay_requests_total{route=\"%s\",code=\"%d\"} %llu\n", m->routes[i], m->codes[k],
                              (unsigned long long)m->requests[i][k]);
}

void metrics_print(metrics *m, const metric_now *now, strbuf *out)
{
    pthread_mutex_lock(&m->lock);
    print_requests(out, m);
    print_one(out, "assay_prompt_tokens_total", "counter", "Tokens of prompts.", m->prompt_tokens);
    print_one(out, "assay_completion_tokens_total", "counter", "Tokens written.", m->completion_tokens);
    print_one(out, "assay_requests_cut_total", "counter", "Requests ended by a limit or by a client that left.", m->cut);
    print_one(out, "assay_connections", "gauge", "Open connections.", now->connections);
    print_one(out, "assay_requests_in_flight", "gauge", "Requests that wait or are answered.", now->in_flight);
    print_one(out, "assay_queue_length", "gauge", "Requests that nobody has begun to read.", now->queue);
    if (m->has_cache) {
        print_one(out, "assay_cache_pages", "gauge", "Pages of the cache of keys and values.", m->cache.pages);
        print_one(out, "assay_cache_pages_used", "gauge", "Pages that hold something.", m->cache.pages_used);
        print_one(out, "assay_cache_pages_known", "gauge", "Pages kept for prompts to come.", m->cache.pages_known);
        print_one(out, "assay_cache_evicted_pages_total", "counter", "Pages given up for others.", m->cache.evicted);
        print_one(out, "assay_cache_reused_tokens_total", "counter", "Tokens of prompts found in the cache.", m->cache.reused_tokens);
        print_one(out, "assay_engine_steps_total", "counter", "Steps of the engine.", m->cache.steps);
    }
    print_histogram(out, "assay_request_seconds", "From a request's first byte to the last of its answer.", &m->seconds);
    print_histogram(out, "assay_first_token_seconds", "From a request's first byte to the first token.", &m->first_token);
    print_histogram(out, "assay_queue_seconds", "From a request's last byte until somebody read it.", &m->queued);
    print_latency(out, "assay_request_latency", "Quantiles of assay_request_seconds since the server began, from a sketch.", &m->seconds);
    print_latency(out, "assay_first_token_latency", "Quantiles of assay_first_token_seconds, from a sketch.", &m->first_token);
    print_latency(out, "assay_queue_latency", "Quantiles of assay_queue_seconds, from a sketch.", &m->queued);
    static const double shares[5] = {.001, .01, .1, .5, .9}; /* the unlikely ones */
    print_quantiles(out, "assay_token_logprob", "Quantiles of the log-probabilities of the tokens written, from a sketch.", shares, m->logprobs,
                    m->logprob_sum);
    pthread_mutex_unlock(&m->lock);
}
