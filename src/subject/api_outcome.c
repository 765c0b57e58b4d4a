/* What became of a request: it stands, it is tried again (as it is, or in the form that the server asked for), or it
 * has failed, in words that never hold the key. */
#include "subject/api.h"

#include "core/jsonio.h"

static bool says(const http_exchange *x, const char *words)
{
    return x->answer.text && slice_find(strbuf_slice(&x->answer), slice_of(words), 0) != SIZE_MAX;
}

/* ---- on the client's thread ------------------------------------------------------------------------------------- */

/* Servers differ in some members of a request; one that complains of a member gets the other form, from then on. Each
 * row takes effect once. */
static bool adapt(api_call *c)
{
    static const struct {
        const char *complaint;
        unsigned habit;
    } rows[] = {
        {"max_completion_tokens", API_NEWER_LIMIT},
        {"logprobs", API_NO_LOGPROBS},
        {"temperature", API_NO_TEMPERATURE},
        {"seed", API_NO_SEED},
    };
    unsigned found = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (!(c->habits & rows[i].habit) && c->request && says(&c->exchange, rows[i].complaint) &&
            (rows[i].habit != API_NO_LOGPROBS || c->request->logprobs))
            found |= rows[i].habit;
    if (!found)
        return false;
    atomic_fetch_or(&c->api->habits, found);
    arena *a = arena_new(NULL);
    bool good = a && api_write(c, a);
    arena_free(a);
    return good;
}

static bool out_of_quota(const http_exchange *x)
{
    return x->code == 402 || (x->code == 429 && says(x, "insufficient_quota"));
}

/* Whether the server may have worked, and charged, for an attempt that brought nothing. */
static bool may_have_charged(const http_exchange *x)
{
    return x->sent && (x->code == 0 || x->code == 200 || x->code == 408 || x->code == 504 || x->code == 524);
}

/* Before another attempt: what the last one may have cost stays counted, and the next one must fit. */
static bool may_try_again(api_call *c)
{
    const http_exchange *x = &c->exchange;
    if (!http_has_retries(x))
        return false;
    if (!may_have_charged(x))
        return true;
    if (c->looking && x->retries > 0) /* its claim is for two attempts */
        return false;
    c->unpaid = !budget_claim_again(c->claim);
    return !c->unpaid;
}

http_verdict api_judge(void *context, http_exchange *x)
{
    (void)context;
    api_call *c = x->context;
    if (x->code == 200) /* read by whoever asked */
        return HTTP_DONE;
    if (x->code == 400 && adapt(c))
        return HTTP_RETRY;
    if (out_of_quota(x) || !http_may_pass(x) || (c->looking && x->curl == CURLE_OPERATION_TIMEDOUT))
        return HTTP_DONE;
    return may_try_again(c) ? HTTP_RETRY : HTTP_DONE;
}

bool api_read(api_call *c)
{
    http_exchange *x = &c->exchange;
    json_decref(c->answer);
    c->answer = NULL;
    c->malformed = NULL;
    if (x->interrupted || x->code != 200)
        return true;
    if (jsonio_parse(strbuf_slice(&x->answer), "answer", &c->answer, NULL) != STATUS_OK)
        c->malformed = "it is not JSON";
    else
        c->malformed = c->check(c->answer);
    if (!c->malformed || !may_try_again(c))
        return true;
    http_again(x);
    return false;
}

/* ---- words ------------------------------------------------------------------------------------------------------ */

/* What the server said went wrong, shortened, on one line, without the key. */
static const char *server_words(arena *a, const api_call *c)
{
    json_t *value = NULL;
    const char *words = NULL;
    if (c->exchange.answer.text && jsonio_parse(strbuf_slice(&c->exchange.answer), "answer", &value, NULL) == STATUS_OK) {
        const json_t *e = json_object_get(value, "error");
        words = json_is_string(e) ? json_string_value(e) : json_string_value(json_object_get(e, "message"));
        words = words ? words : json_string_value(json_object_get(value, "message"));
        words = words ? words : json_string_value(json_object_get(value, "detail"));
    }
    size_t key = c->api->key ? strlen(c->api->key) : 0;
    char *text = arena_strdup(a, words); /* whole: a key must not hide at the cut */
    json_decref(value);
    for (char *p; key > 0 && text && (p = strstr(text, c->api->key));)
        memset(p, '*', key);
    for (char *p = text; p && *p; p++)
        *p = (unsigned char)*p < ' ' ? ' ' : *p;
    if (text && strlen(text) > 240) {
        size_t end = 240;
        while (end > 0 && ((unsigned char)text[end] & 0xC0) == 0x80) /* not inside a character */
            end--;
        text[end] = '\0';
    }
    return text;
}

/* The answers that no other request would change: they end the run. */
static status hopeless(const api_call *c, error *err)
{
    const api *s = c->api;
    const char *url = c->url;
    long code = c->exchange.code;
    if (code == 401 || code == 403) {
        error_set(err, STATUS_REFUSED, "%s refused the key (HTTP %ld)", url, code);
        if (s->key)
            error_hint(err, "the key was read from the environment variable %s; see that it belongs to this server, or "
                            "name another variable with --api-key-variable", s->key_variable);
        else
            error_hint(err, "put the key into the environment variable %s, or name another variable with "
                            "--api-key-variable", s->key_variable);
        return STATUS_REFUSED;
    }
    if (out_of_quota(&c->exchange))
        return error_set(err, STATUS_REFUSED, "%s refused: the account has no quota left (HTTP %ld)", url, code);
    if (code == 404) {
        error_set(err, STATUS_REFUSED, "%s does not know this address or the model \"%s\" (HTTP 404)", url, s->model);
        error_hint(err, "the form is http://HOST[:PORT]/v1#MODEL; the server's own list stands at .../v1/models");
        return STATUS_REFUSED;
    }
    return STATUS_OK;
}

/* The key and whatever else a redirect's address may carry stay out: scheme, host and path alone. */
static const char *plain_address(arena *a, const char *url)
{
    return arena_strndup(a, url, strcspn(url, "?#"));
}

static const char *describe(arena *a, const api_call *c)
{
    const http_exchange *x = &c->exchange;
    const char *url = c->url, *words;
    if (c->unpaid)
        return arena_printf(a, "%s: no answer came, and the budget leaves nothing for another try", url);
    if (x->cut == HTTP_TOO_LONG)
        return arena_printf(a, "%s: the answer is longer than %d MiB", url, API_ANSWER_BYTES >> 20);
    if (x->cut == HTTP_IDLE)
        return arena_printf(a, "%s: the answer stopped half-way, after %d retries", url, x->retries);
    if (x->code == 0)
        return arena_printf(a, "%s: %s, after %d retries", url, curl_easy_strerror(x->curl), x->retries);
    if (x->code == 200)
        return arena_printf(a, "%s: the answer cannot be used: %s, after %d retries", url, c->malformed, x->retries);
    if (x->redirect[0])
        return arena_printf(a, "%s: HTTP %ld points to %s; no redirect is followed, as the key is for the server that was "
                               "named: give that address itself if it is the right one", url, x->code,
                            plain_address(a, x->redirect));
    words = server_words(a, c);
    if (x->asked_to_wait > 0 && x->code == 429)
        return arena_printf(a, "%s: HTTP 429%s%s, and it asks to wait %.0f s, after %d retries", url, words ? ": " : "",
                            words ? words : "", x->asked_to_wait, x->retries);
    return arena_printf(a, "%s: HTTP %ld%s%s, after %d retries", url, x->code, words ? ": " : "", words ? words : "",
                        x->retries);
}

status api_outcome(arena *a, const api_call *c, status *code, const char **problem, error *err)
{
    const http_exchange *x = &c->exchange;
    *code = STATUS_OK;
    *problem = NULL;
    if (c->refusal) {
        *code = c->refused;
        *problem = c->refusal;
        return STATUS_OK;
    }
    bool bad = x->interrupted || x->code != 200 || c->malformed;
    if (bad && !c->unpaid && may_have_charged(x))
        budget_claim_lose(c->claim);
    if (x->interrupted)
        return error_set(err, STATUS_INTERRUPTED, "interrupted before an answer came");
    if (!bad)
        return STATUS_OK;
    TRY(hopeless(c, err));
    bool its_fault = x->code >= 300 && x->code < 500 && x->code != 408 && x->code != 409 && x->code != 425 && x->code != 429;
    *code = c->unpaid ? STATUS_LIMIT
            : x->code == 200 || x->cut == HTTP_TOO_LONG || its_fault ? STATUS_INVALID
                                                                     : STATUS_NETWORK;
    *problem = describe(a, c);
    return *problem ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory while reading an answer of %s", c->url);
}
