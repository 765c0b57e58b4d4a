/* Every parameter that is known, and what becomes of it. */
#include "serve/request.h"

#include <math.h>
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

static bool read_temperature(request_reader *r, const json_t *v)
{
    return read_number(r, v, 0, 100, &r->out->temperature);
}

static bool read_top_p(request_reader *r, const json_t *v)
{
    return read_number(r, v, 1e-9, 1, &r->out->top_p);
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

static bool read_n(request_reader *r, const json_t *v)
{
    return read_integer(r, v, 1, REQUEST_MOST_CHOICES, &r->out->n);
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

static bool read_top_logprobs(request_reader *r, const json_t *v)
{
    return read_integer(r, v, 0, REQUEST_MOST_TOP, &r->out->top);
}

static bool read_prompt_logprobs(request_reader *r, const json_t *v)
{
    return read_integer(r, v, 0, REQUEST_MOST_TOP, &r->out->prompt_logprobs);
}

static bool read_stream(request_reader *r, const json_t *v)
{
    return read_bool(r, v, &r->out->stream);
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

static bool read_echo(request_reader *r, const json_t *v)
{
    return read_bool(r, v, &r->out->echo);
}

static bool read_continue(request_reader *r, const json_t *v)
{
    return read_bool(r, v, &r->out->continues);
}

static bool read_generation_prompt(request_reader *r, const json_t *v)
{
    bool wanted;
    if (!read_bool(r, v, &wanted))
        return false;
    r->out->no_generation_prompt = !wanted;
    return true;
}

static bool read_add_special(request_reader *r, const json_t *v)
{
    bool wanted;
    if (!read_bool(r, v, &wanted))
        return false;
    r->out->plain = !wanted;
    return true;
}

static bool read_pieces(request_reader *r, const json_t *v)
{
    return read_bool(r, v, &r->out->with_pieces);
}

#define CHAT REQUEST_CHAT
#define TEXT REQUEST_COMPLETIONS
#define BOTH (REQUEST_CHAT | REQUEST_COMPLETIONS)
#define TOKENIZE REQUEST_TOKENIZE
#define DETOKENIZE REQUEST_DETOKENIZE

const request_row request_table[] = {
    {"model", BOTH | TOKENIZE | DETOKENIZE, READ, read_model, NULL},
    {"messages", CHAT | TOKENIZE, READ, request_read_messages, NULL},
    {"prompt", TEXT | TOKENIZE, READ, request_read_prompt, NULL},
    {"content", TOKENIZE, READ, request_read_content, NULL},
    {"tokens", DETOKENIZE, READ, request_read_tokens, NULL},
    {"max_tokens", BOTH, READ, read_max_tokens, NULL},
    {"max_completion_tokens", CHAT, READ, read_max_tokens, NULL},
    {"temperature", BOTH, READ, read_temperature, NULL},
    {"top_p", BOTH, READ, read_top_p, NULL},
    {"top_k", BOTH, READ, read_top_k, NULL},
    {"seed", BOTH, READ, read_seed, NULL},
    {"n", BOTH, READ, read_n, NULL},
    {"best_of", TEXT, READ, read_best_of, NULL},
    {"stop", BOTH, READ, read_stop, NULL},
    {"logprobs", BOTH, READ, read_logprobs, NULL},
    {"top_logprobs", CHAT, READ, read_top_logprobs, NULL},
    {"prompt_logprobs", BOTH, READ, read_prompt_logprobs, NULL},
    {"stream", BOTH, READ, read_stream, NULL},
    {"stream_options", BOTH, READ, read_stream_options, NULL},
    {"echo", TEXT, READ, read_echo, NULL},
    {"continue_final_message", CHAT | TOKENIZE, READ, read_continue, NULL},
    {"add_generation_prompt", CHAT | TOKENIZE, READ, read_generation_prompt, NULL},
    {"add_special_tokens", TEXT | TOKENIZE, READ, read_add_special, NULL},
    {"add_special", TOKENIZE, READ, read_add_special, NULL},
    {"return_token_strs", TOKENIZE, READ, read_pieces, NULL},
    {"with_pieces", TOKENIZE, READ, read_pieces, NULL},
    {"tools", CHAT, READ, request_read_tools, NULL},
    {"response_format", BOTH, READ, request_read_format, NULL},
    {"structured_outputs", BOTH, READ, request_read_structured, NULL},
    {"guided_choice", BOTH, READ, request_read_choices, NULL},
    {"guided_json", BOTH, READ, request_read_schema, NULL},
    /* These change what is written. */
    {"tool_choice", CHAT, NEUTRAL, NULL, "\"auto\"|\"none\""},
    {"frequency_penalty", BOTH, NEUTRAL, NULL, "0"},
    {"presence_penalty", BOTH, NEUTRAL, NULL, "0"},
    {"repetition_penalty", BOTH, NEUTRAL, NULL, "1"},
    {"repeat_penalty", BOTH, NEUTRAL, NULL, "1"},
    {"length_penalty", BOTH, NEUTRAL, NULL, "1"},
    {"min_p", BOTH, NEUTRAL, NULL, "0"},
    {"typical_p", BOTH, NEUTRAL, NULL, "1"},
    {"mirostat", BOTH, NEUTRAL, NULL, "0"},
    {"logit_bias", BOTH, NEUTRAL, NULL, "{}"},
    {"suffix", TEXT, NEUTRAL, NULL, "\"\""},
    {"echo", CHAT, NEUTRAL, NULL, "false"},
    {"add_special_tokens", CHAT, NEUTRAL, NULL, "false"},
    {"functions", CHAT, NEUTRAL, NULL, "[]"},
    {"function_call", CHAT, NEUTRAL, NULL, "\"none\""},
    {"modalities", CHAT, NEUTRAL, NULL, "[\"text\"]"},
    {"audio", CHAT, NEUTRAL, NULL, "{}"},
    {"web_search_options", CHAT, NEUTRAL, NULL, "{}"},
    {"reasoning_effort", CHAT, NEUTRAL, NULL, "\"none\""},
    {"verbosity", CHAT, NEUTRAL, NULL, "\"medium\""},
    {"chat_template", CHAT | TOKENIZE, NEUTRAL, NULL, "null"},
    {"chat_template_kwargs", CHAT | TOKENIZE, NEUTRAL, NULL, "{}"},
    {"use_beam_search", BOTH, NEUTRAL, NULL, "false"},
    {"min_tokens", BOTH, NEUTRAL, NULL, "0"},
    {"ignore_eos", BOTH, NEUTRAL, NULL, "false"},
    {"stop_token_ids", BOTH, NEUTRAL, NULL, "[]"},
    {"include_stop_str_in_output", BOTH, NEUTRAL, NULL, "false"},
    {"skip_special_tokens", BOTH, NEUTRAL, NULL, "true"},
    {"return_tokens_as_token_ids", BOTH, NEUTRAL, NULL, "false"},
    {"return_token_ids", BOTH, NEUTRAL, NULL, "false"},
    {"truncate_prompt_tokens", BOTH, NEUTRAL, NULL, "-1"},
    {"guided_regex", BOTH, NEUTRAL, NULL, "\"\""},
    {"guided_grammar", BOTH, NEUTRAL, NULL, "\"\""},
    {"grammar", BOTH, NEUTRAL, NULL, "\"\""},
    {"parse_special", TOKENIZE, NEUTRAL, NULL, "true"},
    /* These do not. */
    {"user", BOTH, IGNORED, NULL, NULL},
    {"metadata", BOTH, IGNORED, NULL, NULL},
    {"store", CHAT, IGNORED, NULL, NULL},
    {"service_tier", CHAT, IGNORED, NULL, NULL},
    {"parallel_tool_calls", CHAT, IGNORED, NULL, NULL},
    {"prediction", CHAT, IGNORED, NULL, NULL},
    {"safety_identifier", CHAT, IGNORED, NULL, NULL},
    {"prompt_cache_key", BOTH, IGNORED, NULL, NULL},
    {"prompt_cache_retention", CHAT, IGNORED, NULL, NULL},
    {"cache_prompt", BOTH, IGNORED, NULL, NULL},
    {"spaces_between_special_tokens", BOTH, IGNORED, NULL, NULL},
    {"priority", BOTH, IGNORED, NULL, NULL},
    {"request_id", BOTH, IGNORED, NULL, NULL},
};
const size_t request_table_count = COUNT_OF(request_table);
