/* Every parameter that is known, and what becomes of it. */
#include "serve/request.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static bool read_integer(request_reader *r, const json_t *v, int64_t least, int64_t most, int64_t *out)
{
    char what[96];
    snprintf(what, sizeof what, "a whole number from %lld to %lld", (long long)least, (long long)most);
    /* Some clients write whole numbers as 5.0. */
    double real = json_is_real(v) ? json_real_value(v) : 0.5;
    if (json_is_integer(v))
        *out = json_integer_value(v);
    else if (fabs(real) < 9e15 && real == floor(real))
        *out = (int64_t)real;
    else
        return request_expected(r, what, v);
    return *out >= least && *out <= most ? true : request_expected(r, what, v);
}

static bool read_number(request_reader *r, const json_t *v, double least, double most, double *out)
{
    char what[96];
    snprintf(what, sizeof what, "a number from %g to %g", least, most);
    *out = json_is_number(v) ? json_number_value(v) : NAN;
    return *out >= least && *out <= most ? true : request_expected(r, what, v);
}

static bool read_bool(request_reader *r, const json_t *v, bool *out)
{
    *out = json_is_true(v);
    return json_is_boolean(v) ? true : request_expected(r, "true or false", v);
}

static bool read_model(request_reader *r, const json_t *v)
{
    if (!json_is_string(v))
        return request_expected(r, "a string", v);
    r->out->model = json_string_value(v);
    return true;
}

/* max_tokens and max_completion_tokens are the same; where both are said they must agree. */
static bool read_max_tokens(request_reader *r, const json_t *v)
{
    int64_t said = r->out->max_tokens;
    /* Nothing is written at 0: then the prompt alone is scored (echo). */
    if (!read_integer(r, v, r->out->kind == REQUEST_COMPLETIONS ? 0 : 1, 1 << 30, &r->out->max_tokens))
        return false;
    if (said >= 0 && said != r->out->max_tokens)
        return problem_set(r->problem, 400, r->name, "max_tokens and max_completion_tokens differ");
    return true;
}

/* vLLM writes -1 for "all". */
static bool read_top_k(request_reader *r, const json_t *v)
{
    if (!read_integer(r, v, -1, 1 << 30, &r->out->top_k))
        return false;
    if (r->out->top_k < 0)
        r->out->top_k = 0;
    return true;
}

static bool read_seed(request_reader *r, const json_t *v)
{
    r->out->has_seed = true;
    return read_integer(r, v, INT64_MIN, INT64_MAX, &r->out->seed);
}

static bool read_best_of(request_reader *r, const json_t *v)
{
    int64_t best;
    const json_t *n = json_object_get(r->body, "n");
    if (!read_integer(r, v, 1, REQUEST_MOST_CHOICES, &best))
        return false;
    return best == (json_is_integer(n) ? json_integer_value(n) : 1)
               ? true
               : problem_set(r->problem, 400, r->name, "best_of is not supported beyond n: leave it out");
}

static bool read_stop(request_reader *r, const json_t *v)
{
    size_t count = json_is_array(v) ? json_array_size(v) : 1;
    if ((!json_is_array(v) && !json_is_string(v)) || count > REQUEST_MOST_STOPS)
        return request_expected(r, "a string or a list of at most 32 strings", v);
    r->out->stops = ARENA_ARRAY(r->arena, slice, count + 1);
    if (!r->out->stops)
        return request_no_memory(r);
    for (size_t i = 0; i < count; i++) {
        const json_t *each = json_is_array(v) ? json_array_get(v, i) : v;
        size_t length = json_string_length(each);
        if (!json_is_string(each) || length > 4096 || strlen(json_string_value(each)) != length)
            return request_expected(r, "strings of at most 4096 bytes (no zero bytes)", each);
        if (length > 0) /* the empty string stops nothing, as at OpenAI */
            r->out->stops[r->out->stop_count++] = (slice){json_string_value(each), length};
    }
    return true;
}

/* true and top_logprobs for chats, a number for completions. */
static bool read_logprobs(request_reader *r, const json_t *v)
{
    request *q = r->out;
    if (q->kind == REQUEST_CHAT)
        return read_bool(r, v, &q->logprobs);
    if (json_is_false(v))
        return true;
    q->logprobs = true;
    return read_integer(r, v, 0, REQUEST_MOST_TOP, &q->top);
}

static bool read_tool_choice(request_reader *r, const json_t *v)
{
    const char *said = json_string_value(v);
    r->out->no_calls = said && strcmp(said, "none") == 0;
    return r->out->no_calls || (said && strcmp(said, "auto") == 0)
               ? true
               : problem_set(r->problem, 400, r->name, "tool_choice: expected \"auto\" or \"none\"; a model cannot be made to call a tool here");
}

static bool read_stream_options(request_reader *r, const json_t *v)
{
    const char *name;
    json_t *each;
    if (!json_is_object(v))
        return request_expected(r, "an object", v);
    json_object_foreach((json_t *)v, name, each) {
        bool known = strcmp(name, "include_usage") == 0 || strcmp(name, "include_obfuscation") == 0;
        bool off = json_is_false(each) || json_is_null(each);
        if (!known && !off)
            return problem_set(r->problem, 400, r->name, "stream_options.%.60s is not supported", name);
    }
    each = json_object_get(v, "include_usage");
    return !each || json_is_null(each) || read_bool(r, each, &r->out->include_usage);
}

#define CHAT REQUEST_CHAT
#define TEXT REQUEST_COMPLETIONS
#define BOTH (REQUEST_CHAT | REQUEST_COMPLETIONS)
#define TOKENIZE REQUEST_TOKENIZE
#define DETOKENIZE REQUEST_DETOKENIZE

const request_row request_table[] = {
    {"model", BOTH | TOKENIZE | DETOKENIZE, READ, .read = read_model},
    {"messages", CHAT | TOKENIZE, READ, .read = request_read_messages},
    {"prompt", TEXT | TOKENIZE, READ, .read = request_read_prompt},
    {"content", TOKENIZE, READ, .read = request_read_content},
    {"tokens", DETOKENIZE, READ, .read = request_read_tokens},
    {"max_tokens", BOTH, READ, .read = read_max_tokens},
    {"max_completion_tokens", CHAT, READ, .read = read_max_tokens},
    {"temperature", BOTH, NUMBER, .field = offsetof(request, temperature), .least = 0, .most = 100},
    {"top_p", BOTH, NUMBER, .field = offsetof(request, top_p), .least = 1e-9, .most = 1},
    {"top_k", BOTH, READ, .read = read_top_k},
    {"seed", BOTH, READ, .read = read_seed},
    {"n", BOTH, INTEGER, .field = offsetof(request, n), .least = 1, .most = REQUEST_MOST_CHOICES},
    {"best_of", TEXT, READ, .read = read_best_of},
    {"stop", BOTH, READ, .read = read_stop},
    {"logprobs", BOTH, READ, .read = read_logprobs},
    {"top_logprobs", CHAT, INTEGER, .field = offsetof(request, top), .least = 0, .most = REQUEST_MOST_TOP},
    {"prompt_logprobs", BOTH, INTEGER, .field = offsetof(request, prompt_logprobs), .least = 0, .most = REQUEST_MOST_TOP},
    {"stream", BOTH, FLAG, .field = offsetof(request, stream)},
    {"stream_options", BOTH, READ, .read = read_stream_options},
    {"echo", TEXT, FLAG, .field = offsetof(request, echo)},
    {"continue_final_message", CHAT | TOKENIZE, FLAG, .field = offsetof(request, continues)},
    {"add_generation_prompt", CHAT | TOKENIZE, UNFLAG, .field = offsetof(request, no_generation_prompt)},
    {"add_special_tokens", TEXT | TOKENIZE, UNFLAG, .field = offsetof(request, plain)},
    {"add_special", TOKENIZE, UNFLAG, .field = offsetof(request, plain)},
    {"return_token_strs", TOKENIZE, FLAG, .field = offsetof(request, with_pieces)},
    {"with_pieces", TOKENIZE, FLAG, .field = offsetof(request, with_pieces)},
    {"tools", CHAT, READ, .read = request_read_tools},
    {"tool_choice", CHAT, READ, .read = read_tool_choice},
    {"response_format", BOTH, READ, .read = request_read_format},
    {"structured_outputs", BOTH, READ, .read = request_read_structured},
    {"guided_choice", BOTH, READ, .read = request_read_choices},
    {"guided_json", BOTH, READ, .read = request_read_schema},
    /* These change what is written. */
    {"frequency_penalty", BOTH, NEUTRAL, .neutral = "0"},
    {"presence_penalty", BOTH, NEUTRAL, .neutral = "0"},
    {"repetition_penalty", BOTH, NEUTRAL, .neutral = "1"},
    {"repeat_penalty", BOTH, NEUTRAL, .neutral = "1"},
    {"length_penalty", BOTH, NEUTRAL, .neutral = "1"},
    {"min_p", BOTH, NEUTRAL, .neutral = "0"},
    {"typical_p", BOTH, NEUTRAL, .neutral = "1"},
    {"mirostat", BOTH, NEUTRAL, .neutral = "0"},
    {"logit_bias", BOTH, NEUTRAL, .neutral = "{}"},
    {"suffix", TEXT, NEUTRAL, .neutral = "\"\""},
    {"echo", CHAT, NEUTRAL, .neutral = "false"},
    {"add_special_tokens", CHAT, NEUTRAL, .neutral = "false"},
    {"functions", CHAT, NEUTRAL, .neutral = "[]"},
    {"function_call", CHAT, NEUTRAL, .neutral = "\"none\""},
    {"modalities", CHAT, NEUTRAL, .neutral = "[\"text\"]"},
    {"audio", CHAT, NEUTRAL, .neutral = "{}"},
    {"web_search_options", CHAT, NEUTRAL, .neutral = "{}"},
    {"reasoning_effort", CHAT, NEUTRAL, .neutral = "\"none\""},
    {"verbosity", CHAT, NEUTRAL, .neutral = "\"medium\""},
    {"chat_template", CHAT | TOKENIZE, NEUTRAL, .neutral = "null"},
    {"chat_template_kwargs", CHAT | TOKENIZE, NEUTRAL, .neutral = "{}"},
    {"use_beam_search", BOTH, NEUTRAL, .neutral = "false"},
    {"min_tokens", BOTH, NEUTRAL, .neutral = "0"},
    {"ignore_eos", BOTH, NEUTRAL, .neutral = "false"},
    {"stop_token_ids", BOTH, NEUTRAL, .neutral = "[]"},
    {"include_stop_str_in_output", BOTH, NEUTRAL, .neutral = "false"},
    {"skip_special_tokens", BOTH, NEUTRAL, .neutral = "true"},
    {"return_tokens_as_token_ids", BOTH, NEUTRAL, .neutral = "false"},
    {"return_token_ids", BOTH, NEUTRAL, .neutral = "false"},
    {"truncate_prompt_tokens", BOTH, NEUTRAL, .neutral = "-1"},
    {"guided_regex", BOTH, NEUTRAL, .neutral = "\"\""},
    {"guided_grammar", BOTH, NEUTRAL, .neutral = "\"\""},
    {"grammar", BOTH, NEUTRAL, .neutral = "\"\""},
    {"parse_special", TOKENIZE, NEUTRAL, .neutral = "true"},
    /* These do not. */
    {"user", BOTH, IGNORED, .field = 0},
    {"metadata", BOTH, IGNORED, .field = 0},
    {"store", CHAT, IGNORED, .field = 0},
    {"service_tier", CHAT, IGNORED, .field = 0},
    {"parallel_tool_calls", CHAT, IGNORED, .field = 0},
    {"prediction", CHAT, IGNORED, .field = 0},
    {"safety_identifier", CHAT, IGNORED, .field = 0},
    {"prompt_cache_key", BOTH, IGNORED, .field = 0},
    {"prompt_cache_retention", CHAT, IGNORED, .field = 0},
    {"cache_prompt", BOTH, IGNORED, .field = 0},
    {"spaces_between_special_tokens", BOTH, IGNORED, .field = 0},
    {"priority", BOTH, IGNORED, .field = 0},
    {"request_id", BOTH, IGNORED, .field = 0},
};
const size_t request_table_count = COUNT_OF(request_table);

bool request_read_row(request_reader *r, const request_row *row, const json_t *value)
{
    void *field = (char *)r->out + row->field;
    bool wanted;
    switch (row->fate) {
    case FLAG:
        return read_bool(r, value, field);
    case UNFLAG:
        if (!read_bool(r, value, &wanted))
            return false;
        *(bool *)field = !wanted;
        return true;
    case INTEGER:
        return read_integer(r, value, (int64_t)row->least, (int64_t)row->most, field);
    case NUMBER:
        return read_number(r, value, row->least, row->most, field);
    case READ:
        return row->read(r, value);
    case NEUTRAL:
    case IGNORED:
        break;
    }
    BUG("the parameter %s is not read", row->name);
}
