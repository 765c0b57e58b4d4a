/* One attempt: the handle and its options, what comes in, and how it ended. */
#include "subject/http_inside.h"

#include "hub/easy.h"

#include "core/progress.h"

#include <math.h>

static size_t receive(char *bytes, size_t size, size_t count, void *context)
{
    http_exchange *x = context;
    strbuf_add_bytes(&x->answer, bytes, size * count);
    x->heard = clock_seconds();
    if (!x->answer.failed)
        return size * count;
    x->cut = HTTP_TOO_LONG;
    return 0; /* ends the transfer */
}

static size_t receive_header(char *bytes, size_t size, size_t count, void *context)
{
    http_exchange *x = context;
    slice line = {bytes, size * count}, name;
    x->heard = clock_seconds();
    if (slice_starts(line, SLICE("HTTP/"))) { /* an answer of its own: "100 Continue" comes before the real one */
        x->sight = (rate_sight){0};
        x->should_retry = 0;
    }
    if (!slice_cut(&line, ':', &name) || !line.text)
        return size * count;
    slice value = slice_trim(line);
    rate_sight_header(&x->sight, name, value);
    if (name.length == 14 && slice_find_nocase(name, SLICE("x-should-retry"), 0) == 0)
        x->should_retry = slice_is(value, "true") ? 1 : slice_is(value, "false") ? -1 : 0;
    return size * count;
}

/* An answer that has begun must go on; how long the first byte takes is the model's affair and the time-out's. */
static int watch(void *context, curl_off_t expected, curl_off_t got, curl_off_t to_send, curl_off_t sent)
{
    http_exchange *x = context;
    (void)expected, (void)got, (void)to_send, (void)sent;
    if (x->heard == 0 || clock_seconds() - x->heard <= x->client->options.idle_seconds)
        return 0;
    x->cut = HTTP_IDLE;
    return 1;
}

static CURL *easy_for(http_client *c)
{
    if (c->spare_count > 0)
        return c->spare[--c->spare_count];
    CURL *easy = easy_new();
    if (!easy)
        return NULL;
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, lround(c->options.connect_seconds * 1000));
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, lround(c->options.timeout_seconds * 1000));
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, receive_header);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, watch);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    return easy;
}

static void address(http_client *c, http_exchange *x)
{
    CURL *easy = x->easy;
    curl_easy_setopt(easy, CURLOPT_URL, x->url);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, strncmp(x->url, "https:", 6) == 0 ? 1L : 0L); /* rather a stream than a connection */
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, x);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, x);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, x->body ? c->headers : c->headers->next);
    if (!x->body) {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
        return;
    }
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, x->body);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->length);
}

void http_attempt_start(http_client *c, http_exchange *x, double now)
{
    strbuf_free(&x->answer);
    x->answer = strbuf_new(NULL, c->options.answer_bytes);
    x->client = c;
    x->cut = HTTP_WHOLE;
    x->code = 0;
    x->curl = CURLE_OK;
    x->sent = false;
    x->redirect[0] = '\0';
    x->asked_to_wait = x->heard = 0;
    x->sight = (rate_sight){0};
    x->should_retry = 0;
    x->started = now;
    x->easy = easy_for(c);
    if (!x->easy)
        return;
    address(c, x);
    if (curl_multi_add_handle(c->multi, x->easy) != CURLM_OK) {
        curl_easy_cleanup(x->easy);
        x->easy = NULL;
        return;
    }
    x->ticket = rate_limits_send(&c->limits, &x->cost);
}

/* Whether the whole request is out: then the server may have worked for it though nothing came back. */
static bool went_out(CURL *easy, const http_exchange *x)
{
    curl_off_t uploaded = 0;
    long head = 0;
    curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &head);
    curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
    return head > 0 && (size_t)uploaded >= x->length;
}

static void read_outcome(http_exchange *x)
{
    curl_off_t retry_after = 0;
    char *redirect = NULL;
    curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &x->code);
    curl_easy_getinfo(x->easy, CURLINFO_RETRY_AFTER, &retry_after);
    curl_easy_getinfo(x->easy, CURLINFO_REDIRECT_URL, &redirect);
    if (redirect)
        snprintf(x->redirect, sizeof x->redirect, "%s", redirect);
    x->asked_to_wait = x->sight.retry_after_ms > 0 ? x->sight.retry_after_ms / 1000 : (double)retry_after;
}

void http_attempt_end(http_client *c, http_exchange *x, CURLcode curl, double now)
{
    struct timespec wall;
    x->curl = curl;
    if (!x->easy)
        return;
    x->sent = went_out(x->easy, x);
    if (curl == CURLE_OK) {
        read_outcome(x);
        c->answered_once = true;
    } else {
        x->sight = (rate_sight){0};
    }
    clock_gettime(CLOCK_REALTIME, &wall);
    rate_limits_learn(&c->limits, &x->sight, x->ticket, now, (double)wall.tv_sec + 1e-9 * (double)wall.tv_nsec);
}
