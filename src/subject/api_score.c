/* Log-probabilities of given continuations, by what the backend has:
 *
 *   completions with `echo`     the prompt's own log-probabilities come back; the last tokens spell the continuation
 *   chat with prompt_logprobs   vLLM: the prompt alone and the prompt with the answer, token by token
 *   chat with top_logprobs      the tokens listed for the first place: continuations of one token, if they are listed
 *
 * A continuation that does not begin where a token begins has no log-probability of its own: an error, not a guess. */
#include "subject/api.h"

#include <math.h>

/* What one call of a score asks. */
typedef struct question {
    const char *prompt;      /* completions: all of it */
    const message *messages; /* chat */
    size_t count;
    bool continues; /* chat: the last message is gone on with */
} question;

/* ---- completions with echo -------------------------------------------------------------------------------------- */

static json_t *echo_body(const api_call *c, arena *a)
{
    (void)a;
    const question *q = c->question;
    return json_pack("{s:s, s:s, s:i, s:i, s:i, s:b}", "model", c->api->model, "prompt", q->prompt, "max_tokens", 1,
                     "temperature", 0, "logprobs", 1, "echo", 1);
}

/* Walks back from the last token of the prompt until the tokens spell `text`. */
static bool read_echo(const json_t *answer, const char *text, double *logprob, int *tokens)
{
    const json_t *l = json_object_get(json_array_get(json_object_get(answer, "choices"), 0), "logprobs");
    const json_t *names = json_object_get(l, "tokens"), *values = json_object_get(l, "token_logprobs");
    size_t all = json_array_size(names), left = strlen(text);
    int prompt = api_count(json_object_get(answer, "usage"), "prompt_tokens");
    size_t at = prompt > 0 && (size_t)prompt <= all ? (size_t)prompt : all > 0 ? all - 1 : 0; /* one was generated */
    *logprob = 0;
    *tokens = 0;
    if (json_array_size(values) != all)
        return false;
    while (left > 0 && at > 0) {
        const char *name = json_string_value(json_array_get(names, --at));
        const json_t *value = json_array_get(values, at);
        size_t length = name ? strlen(name) : 0;
        if (!name || length > left || memcmp(text + left - length, name, length) != 0 || !json_is_number(value))
            return false;
        *logprob += json_number_value(value);
        left -= length;
        (*tokens)++;
    }
    return left == 0 && *tokens > 0;
}

/* ---- chat with prompt_logprobs ---------------------------------------------------------------------------------- */

static json_t *prompt_body(const api_call *c, arena *a)
{
    const question *q = c->question;
    return json_pack("{s:s, s:o, s:i, s:i, s:i, s:b, s:b}", "model", c->api->model, "messages",
                     openai_messages(a, q->messages, q->count), "max_tokens", 1, "temperature", 0, "prompt_logprobs", 0,
                     "add_generation_prompt", !q->continues, "continue_final_message", q->continues);
}

static const json_t *prompt_list(const json_t *answer)
{
    const json_t *list = json_object_get(answer, "prompt_logprobs");
    return list ? list : json_object_get(json_array_get(json_object_get(answer, "choices"), 0), "prompt_logprobs");
}

static const char *prompt_malformed(const json_t *answer)
{
    if (!json_is_object(answer))
        return "it is not a JSON object";
    return json_array_size(prompt_list(answer)) > 0 ? NULL : "it has no log-probabilities of the prompt";
}

/* An entry is {"ID": {"logprob": x, ...}}, or null for the first token; *id is NULL there. */
static bool read_entry(const json_t *entry, const char **id, double *logprob)
{
    *id = NULL;
    *logprob = NAN;
    if (json_is_null(entry))
        return true;
    if (json_object_size(entry) != 1)
        return false;
    void *at = json_object_iter((json_t *)entry);
    const json_t *value = json_object_get(json_object_iter_value(at), "logprob");
    *id = json_object_iter_key(at);
    *logprob = json_is_number(value) ? json_number_value(value) : NAN;
    return true;
}

/* The prompt alone must be the beginning of the prompt with the answer, token for token. */
static bool read_prompts(const json_t *alone, const json_t *whole, double *logprob, int *tokens)
{
    const json_t *short_list = prompt_list(alone), *long_list = prompt_list(whole);
    size_t first = json_array_size(short_list), all = json_array_size(long_list);
    *logprob = 0;
    *tokens = 0;
    for (size_t i = 0; i < all; i++) {
        const char *id, *same;
        double value, ignored;
        if (!read_entry(json_array_get(long_list, i), &id, &value))
            return false;
        if (i < first) {
            if (!read_entry(json_array_get(short_list, i), &same, &ignored) || (id == NULL) != (same == NULL) ||
                (id && strcmp(id, same) != 0))
                return false;
            continue;
        }
        if (!isfinite(value))
            return false;
        *logprob += value;
        (*tokens)++;
    }
    return *tokens > 0;
}

/* ---- chat with top_logprobs ------------------------------------------------------------------------------------- */

static json_t *top_body(const api_call *c, arena *a)
{
    const question *q = c->question;
    json_t *body = json_pack("{s:s, s:o, s:i, s:b, s:i}", "model", c->api->model, "messages",
                             openai_messages(a, q->messages, q->count),
                             c->habits & API_NEWER_LIMIT ? "max_completion_tokens" : "max_tokens", 1, "logprobs", 1,
                             "top_logprobs", API_TOP);
    if (body && !(c->habits & API_NO_TEMPERATURE))
        json_object_set_new(body, "temperature", json_integer(0));
    if (body && q->continues && (c->habits & API_CONTINUES)) {
        json_object_set_new(body, "continue_final_message", json_true());
        json_object_set_new(body, "add_generation_prompt", json_false());
    }
    return body;
}

/* ---- one score -------------------------------------------------------------------------------------------------- */

static bool has_prefill(const message *m)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->blocks[i].kind == BLOCK_PREFILL)
            return true;
    return false;
}

/* The messages with `text` as (the rest of) the assistant's answer; NULL when memory is out. */
static const message *with_answer(arena *a, const message *messages, size_t count, const char *text, size_t *out)
{
    bool prefilled = count > 0 && has_prefill(&messages[count - 1]);
    size_t kept = prefilled ? count - 1 : count, before = prefilled ? messages[count - 1].count : 0;
    message *list = ARENA_ARRAY(a, message, kept + 1);
    block *blocks = ARENA_ARRAY(a, block, before + 1);
    if (!list || !blocks)
        return NULL;
    if (kept)
        memcpy(list, messages, kept * sizeof *list);
    if (before)
        memcpy(blocks, messages[kept].blocks, before * sizeof *blocks);
    blocks[before] = (block){.kind = BLOCK_PREFILL, .text = text};
    list[kept] = (message){.role = MESSAGE_ASSISTANT, .blocks = blocks, .count = before + 1};
    *out = kept + 1;
    return list;
}

typedef enum score_way { WAY_NONE, WAY_ECHO, WAY_PROMPT, WAY_TOP } score_way;

static score_way way_of(const api *s)
{
    unsigned habits = atomic_load(&s->habits);
    if (s->form == &openai_completions_form && (habits & API_ECHOES))
        return WAY_ECHO;
    if (s->form == &openai_chat_form && (habits & API_PROMPT_LOGPROBS))
        return WAY_PROMPT;
    return s->form == &openai_chat_form && (habits & API_LISTS_TOP) ? WAY_TOP : WAY_NONE;
}

/* The calls of one score, in order: for WAY_PROMPT the prompt alone comes first. */
static size_t make_calls(arena *a, api *s, score_way way, const score_request *r, api_call *calls, question *questions)
{
    size_t n = 0;
    bool prefilled = r->count > 0 && has_prefill(&r->messages[r->count - 1]);
    const api_call plain = {.api = s, .url = s->url, .claim = r->claim, .check = s->form->malformed};
    const char *prompt = way == WAY_ECHO ? openai_prompt(a, r->messages, r->count) : NULL;
    if (way != WAY_ECHO) {
        questions[n] = (question){.messages = r->messages, .count = r->count, .continues = prefilled};
        calls[n] = plain;
        calls[n].write = way == WAY_TOP ? top_body : prompt_body;
        calls[n].check = way == WAY_TOP ? plain.check : prompt_malformed;
        n++;
    }
    for (size_t i = 0; i < r->continuation_count && way != WAY_TOP; i++, n++) {
        questions[n] = (question){.continues = true};
        if (way == WAY_ECHO)
            questions[n].prompt = prompt ? arena_printf(a, "%s%s", prompt, r->continuations[i]) : NULL;
        else
            questions[n].messages = with_answer(a, r->messages, r->count, r->continuations[i], &questions[n].count);
        calls[n] = plain;
        calls[n].write = way == WAY_ECHO ? echo_body : prompt_body;
        calls[n].check = way == WAY_ECHO ? plain.check : prompt_malformed;
        if (!questions[n].prompt && !questions[n].messages) {
            calls[n].refusal = "out of memory";
            calls[n].refused = STATUS_MEMORY;
        }
    }
    for (size_t i = 0; i < n; i++)
        calls[i].question = &questions[i];
    return n;
}

static void count_call(const api_call *c, score_reply *reply)
{
    int prompt = 0, completion = 0, cached = 0;
    if (c->answer)
        openai_usage(c->answer, &prompt, &completion, &cached);
    reply->prompt_tokens += prompt;
    reply->completion_tokens += completion;
    reply->retries += c->exchange.retries;
    reply->seconds_generating = fmax(reply->seconds_generating, c->exchange.seconds_generating);
    reply->seconds_waiting = fmax(reply->seconds_waiting, c->exchange.seconds_waiting);
    reply->seconds_retrying = fmax(reply->seconds_retrying, c->exchange.seconds_retrying);
}

static bool read_one(score_way way, const api_call *calls, size_t i, const char *text, double *logprob, int *tokens)
{
    if (way == WAY_ECHO)
        return read_echo(calls[i].answer, text, logprob, tokens);
    if (way == WAY_PROMPT)
        return read_prompts(calls[0].answer, calls[i + 1].answer, logprob, tokens);
    *logprob = openai_top_logprob(calls[0].answer, text);
    *tokens = 1;
    return isfinite(*logprob);
}

static status read_scores(arena *a, score_way way, const score_request *r, const api_call *calls, size_t n,
                          score_reply *reply, error *err)
{
    status result = STATUS_OK;
    for (size_t i = 0; i < n; i++) {
        status code;
        const char *problem;
        count_call(&calls[i], reply);
        status one = api_outcome(a, &calls[i], &code, &problem, result == STATUS_OK ? err : NULL);
        result = result == STATUS_OK ? one : result;
        if (code != STATUS_OK && reply->code == STATUS_OK) {
            reply->code = code;
            reply->problem = problem;
        }
    }
    for (size_t i = 0; i < r->continuation_count && result == STATUS_OK && reply->code == STATUS_OK; i++)
        if (!read_one(way, calls, i, r->continuations[i], &reply->logprobs[i], &reply->token_counts[i])) {
            reply->code = STATUS_UNSUPPORTED;
            reply->problem =
                way == WAY_TOP
                    ? arena_printf(a, "\"%s\" is not one of the %d tokens that %s lists", r->continuations[i], API_TOP, calls[0].url)
                    : arena_printf(a, "%s: no token begins where \"%s\" does", calls[0].url, r->continuations[i]);
        }
    return result;
}

static status score_one(api *s, arena *a, const score_request *r, score_reply *reply, error *err)
{
    score_way way = way_of(s);
    size_t most = r->continuation_count + 1;
    api_call *calls = ARENA_ARRAY(a, api_call, most);
    question *questions = ARENA_ARRAY(a, question, most);
    reply->joined = -1;
    reply->logprobs = ARENA_ARRAY(a, double, most);
    reply->token_counts = ARENA_ARRAY(a, int, most);
    if (!calls || !questions || !reply->logprobs || !reply->token_counts)
        return error_set(err, STATUS_MEMORY, "out of memory while asking %s", s->url);
    if (way == WAY_NONE) {
        reply->code = STATUS_UNSUPPORTED;
        reply->problem = "this API is not known to give log-probabilities of given texts";
        return STATUS_OK;
    }
    size_t n = make_calls(a, s, way, r, calls, questions);
    api_send(a, calls, n);
    status result = read_scores(a, way, r, calls, n, reply, err);
    api_clear(calls, n);
    return result;
}

status api_score(subject *self, arena *a, const score_request *const *requests, score_reply *replies, size_t count,
                 error *err)
{
    for (size_t i = 0; i < count; i++)
        TRY(score_one(self->state, a, requests[i], &replies[i], err));
    return STATUS_OK;
}
