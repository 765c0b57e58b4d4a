#include "subject/http_inside.h"

#include "core/progress.h"

#include <errno.h>
#include <math.h>
#include <sodium.h>

enum {
    LONGEST_WAIT = 3600, /* who asks for more is not waited for */
    FIRST_CONTACT_RETRIES = 4,
    LONGEST_BACK_OFF = 60,
};

/* ---- the course of an exchange ---------------------------------------------------------------------------------- */

static void unlink_active(http_client *c, http_exchange *x)
{
    http_exchange **link = &c->active;
    while (*link != x)
        link = &(*link)->next;
    *link = x->next;
    c->active_count--;
    if (x->easy) {
        curl_multi_remove_handle(c->multi, x->easy);
        c->spare[c->spare_count++] = x->easy; /* at most in_flight of them exist */
        x->easy = NULL;
    }
}

static void answer_waiter(http_exchange *x)
{
    http_group *group = x->group;
    if (--group->remaining == 0)
        sem_post(&group->done); /* from here on exchange and group are the asker's */
}

bool http_may_pass(const http_exchange *x)
{
    switch (x->curl) {
    case CURLE_OK:
        break;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_OUT_OF_MEMORY:
        return false;
    default:
        return x->cut != HTTP_TOO_LONG;
    }
    if (x->should_retry != 0)
        return x->should_retry > 0;
    return x->code == 408 || x->code == 409 || x->code == 425 || x->code == 429 || x->code >= 500;
}

static double retry_delay(const http_client *c, const http_exchange *x)
{
    double delay = c->options.retry_seconds * ldexp(1, x->retries < 10 ? x->retries : 10);
    delay = fmin(delay, LONGEST_BACK_OFF) * (0.5 + 0.5 * randombytes_uniform(1 << 20) / (1 << 20));
    return fmax(delay, x->asked_to_wait);
}

/* A host that never answered is more likely mistyped than busy. */
static int retries_allowed(const http_client *c, const http_exchange *x)
{
    bool unreachable = x->curl == CURLE_COULDNT_CONNECT || x->curl == CURLE_COULDNT_RESOLVE_HOST;
    if (unreachable && !c->answered_once && c->options.retries > FIRST_CONTACT_RETRIES)
        return FIRST_CONTACT_RETRIES;
    return c->options.retries;
}

bool http_has_retries(const http_exchange *x)
{
    return x->retries < retries_allowed(x->client, x) && x->asked_to_wait <= LONGEST_WAIT;
}

/* The attempt that has just ended is one of those that brought nothing. */
static void count_retry(http_exchange *x, double seconds, double now)
{
    x->seconds_retrying += seconds;
    x->seconds_generating = 0;
    x->not_before = now + retry_delay(x->client, x);
    x->retries++;
    x->asked = now; /* what it waits from here on is the retry's */
}

void http_again(http_exchange *x)
{
    count_retry(x, x->seconds_generating, clock_seconds());
}

static void complete(http_client *c, http_exchange *x, CURLcode curl)
{
    double now = clock_seconds();
    http_attempt_end(c, x, curl, now);
    unlink_active(c, x);
    http_verdict verdict = c->options.judge(c->options.judge_context, x);
    if (x->code == 429 && x->asked_to_wait <= LONGEST_WAIT)
        rate_limits_close(&c->limits, now + x->asked_to_wait);
    if (verdict == HTTP_RETRY && http_has_retries(x)) {
        count_retry(x, now - x->started, now);
        x->next = c->waiting;
        c->waiting = x;
        return;
    }
    x->seconds_generating = now - x->started;
    answer_waiter(x);
}

/* ---- the thread ------------------------------------------------------------------------------------------------- */

static void end_all(http_client *c)
{
    while (c->waiting) {
        http_exchange *x = c->waiting;
        c->waiting = x->next;
        x->code = 0;
        x->sent = false;
        x->interrupted = true;
        answer_waiter(x);
    }
    while (c->active) {
        http_exchange *x = c->active;
        unlink_active(c, x);
        x->code = 0;
        x->sent = true; /* as far as anybody knows */
        x->interrupted = true;
        answer_waiter(x);
    }
}

static bool accept_submitted(http_client *c)
{
    pthread_mutex_lock(&c->lock);
    http_exchange *fresh = c->submitted;
    c->submitted = NULL;
    bool closing = c->closing;
    pthread_mutex_unlock(&c->lock);
    while (fresh) { /* newest first in, so that the oldest stands in front */
        http_exchange *x = fresh;
        fresh = x->next;
        x->next = c->waiting;
        c->waiting = x;
    }
    return !closing;
}

static void start(http_client *c, http_exchange *x, double now)
{
    *(x->retries ? &x->seconds_retrying : &x->seconds_waiting) += now - x->asked;
    x->next = c->active;
    c->active = x;
    c->active_count++;
    http_attempt_start(c, x, now);
    if (!x->easy)
        complete(c, x, CURLE_OUT_OF_MEMORY);
}

/* Starts what may start; returns the milliseconds until something else may. */
static int start_due(http_client *c)
{
    double now = clock_seconds(), next = now + 1;
    http_exchange **link = &c->waiting;
    while (*link && c->active_count < c->options.in_flight) {
        http_exchange *x = *link;
        double when = fmax(x->not_before, rate_limits_wait(&c->limits, &x->cost, now));
        if (when <= now) {
            *link = x->next;
            start(c, x, now);
        } else {
            next = fmin(next, when);
            link = &x->next;
        }
    }
    return (int)ceil(fmax(0, next - clock_seconds()) * 1000);
}

static void collect(http_client *c)
{
    int running, left;
    curl_multi_perform(c->multi, &running);
    for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left));) {
        if (m->msg != CURLMSG_DONE)
            continue;
        char *x = NULL;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &x);
        complete(c, (http_exchange *)(void *)x, code);
    }
}

static void *drive(void *context)
{
    http_client *c = context;
    while (accept_submitted(c)) {
        if (atomic_load(&c->interrupted))
            end_all(c);
        collect(c);
        int wait = start_due(c); /* last, so that retries just put off count */
        curl_multi_poll(c->multi, NULL, 0, c->waiting || c->active ? wait : 60000, NULL);
    }
    end_all(c);
    return NULL;
}

/* ---- the client ------------------------------------------------------------------------------------------------- */

void http_run(http_client *c, http_exchange *const *exchanges, size_t count)
{
    if (count == 0)
        return;
    http_group group = {.remaining = count};
    sem_init(&group.done, 0, 0);
    double now = clock_seconds();
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < count; i++) {
        exchanges[i]->group = &group;
        exchanges[i]->asked = now;
        exchanges[i]->next = c->submitted;
        c->submitted = exchanges[i];
    }
    pthread_mutex_unlock(&c->lock);
    curl_multi_wakeup(c->multi);
    while (sem_wait(&group.done) != 0 && errno == EINTR)
        ;
    sem_destroy(&group.done);
}

void http_client_interrupt(http_client *c)
{
    atomic_store(&c->interrupted, true);
    curl_multi_wakeup(c->multi);
}

void http_client_resume(http_client *c)
{
    atomic_store(&c->interrupted, false);
}

void http_exchange_clear(http_exchange *x)
{
    strbuf_free(&x->answer);
}

static void wipe_headers(struct curl_slist *headers)
{
    for (struct curl_slist *h = headers; h; h = h->next)
        sodium_memzero(h->data, strlen(h->data));
    curl_slist_free_all(headers);
}

static status make_headers(http_client *c, error *err)
{
    struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json"), *longer = list;
    for (size_t i = 0; longer && i < c->options.header_count; i++) {
        longer = curl_slist_append(list, c->options.headers[i]);
        list = longer ? longer : list;
    }
    c->headers = list;
    return longer ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory while preparing %s", c->options.name);
}

static void start_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

status http_client_new(const http_options *options, http_client **out, error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_curl);
    *out = NULL;
    http_client *c = memory_alloc(sizeof *c);
    if (!c)
        return error_set(err, STATUS_MEMORY, "out of memory while preparing %s", options->name);
    *c = (http_client){.options = *options};
    pthread_mutex_init(&c->lock, NULL);
    c->spare = memory_alloc(options->in_flight * sizeof *c->spare);
    c->multi = curl_multi_init();
    status result = make_headers(c, err);
    c->options.headers = NULL; /* the caller's copies need not live on */
    c->options.header_count = 0;
    if (result == STATUS_OK && (!c->spare || !c->multi))
        result = error_set(err, STATUS_MEMORY, "out of memory while preparing %s", options->name);
    if (result == STATUS_OK) {
        curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)options->in_flight);
        int failed = pthread_create(&c->thread, NULL, drive, c);
        errno = failed;
        if (failed)
            result = error_system(err, "cannot start the thread for %s", options->name);
    }
    if (result != STATUS_OK) {
        wipe_headers(c->headers);
        if (c->multi)
            curl_multi_cleanup(c->multi);
        memory_free(c->spare);
        memory_free(c);
        return result;
    }
    *out = c;
    return STATUS_OK;
}

void http_client_free(http_client *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->closing = true;
    pthread_mutex_unlock(&c->lock);
    curl_multi_wakeup(c->multi);
    pthread_join(c->thread, NULL);
    for (size_t i = 0; i < c->spare_count; i++)
        curl_easy_cleanup(c->spare[i]);
    curl_multi_cleanup(c->multi);
    wipe_headers(c->headers);
    pthread_mutex_destroy(&c->lock);
    memory_free(c->spare);
    memory_free(c);
}
