#include "serve/problem.h"

#include "core/jsonio.h"

#include <stdio.h>
#include <string.h>

bool problem_set(problem *p, int http, const char *param, const char *format, ...)
{
    va_list args;
    *p = (problem){.http = http};
    if (param)
        snprintf(p->param, sizeof p->param, "%s", param);
    va_start(args, format);
    vsnprintf(p->message, sizeof p->message, format, args);
    va_end(args);
    return false;
}

int problem_http(status code)
{
    static const int codes[STATUS_COUNT] = {
        [STATUS_USAGE] = 400,   [STATUS_INVALID] = 400, [STATUS_UNSUPPORTED] = 400, [STATUS_NOT_FOUND] = 404,
        [STATUS_LIMIT] = 400,   [STATUS_MEMORY] = 503,  [STATUS_INTERRUPTED] = 503, [STATUS_NETWORK] = 502,
        [STATUS_REFUSED] = 502, [STATUS_LOCKED] = 503,
    };
    return code < STATUS_COUNT && codes[code] ? codes[code] : 500;
}

bool problem_from(problem *p, status code, const char *message)
{
    return problem_set(p, problem_http(code), NULL, "%s", message && message[0] ? message : status_word(code));
}

const char *problem_type(int http)
{
    static const struct {
        int http;
        const char *type;
    } types[] = {{401, "authentication_error"}, {403, "permission_error"}, {404, "not_found_error"}, {429, "rate_limit_error"}};
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (types[i].http == http)
            return types[i].type;
    return http >= 500 ? "server_error" : "invalid_request_error";
}

/* A JSON string of whatever was said: what is not UTF-8 is replaced. */
static json_t *words(const char *text)
{
    strbuf clean = strbuf_new(NULL, 8192);
    slice s = slice_of(text);
    for (size_t at = 0; at < s.length;)
        strbuf_add_utf8(&clean, utf8_next(s, &at));
    json_t *string = json_stringn(clean.text ? clean.text : "", clean.length);
    strbuf_free(&clean);
    return string;
}

void problem_print(const problem *p, strbuf *out)
{
    json_t *code = p->code ? json_string(p->code) : json_null(), *param = p->param[0] ? words(p->param) : json_null();
    json_t *body = json_pack("{s:{s:o, s:s, s:o, s:o}}", "error", "message", words(p->message), "type",
                             problem_type(p->http), "param", param, "code", code);
    if (!body || jsonio_print(body, 0, out, NULL) != STATUS_OK)
        out->failed = true;
    json_decref(body);
}
