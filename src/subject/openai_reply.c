/* Answers in the OpenAI forms, with what vLLM, SGLang and llama.cpp add. */
#include "subject/openai.h"

#include "core/jsonio.h"

#include <math.h>

enum { UNLIKELY = -9999 }; /* stands for "outside the list", not for a value */

static const json_t *choice_of(const json_t *answer)
{
    return json_array_get(json_object_get(answer, "choices"), 0);
}

/* ---- counts and log-probabilities ------------------------------------------------------------------------------- */

int api_count(const json_t *object, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(object, key));
    return n > 0 && n < 1 << 30 ? (int)n : 0;
}

bool openai_usage(const json_t *answer, int *prompt, int *completion, int *cached)
{
    const json_t *usage = json_object_get(answer, "usage");
    *prompt = api_count(usage, "prompt_tokens");
    *completion = api_count(usage, "completion_tokens");
    *cached = api_count(json_object_get(usage, "prompt_tokens_details"), "cached_tokens");
    return *prompt > 0 || *completion > 0;
}

static double sane(const json_t *value)
{
    double x = json_is_number(value) ? json_number_value(value) : NAN;
    return x > UNLIKELY && x <= 1e-3 ? x : NAN; /* rounding may leave a hair above 0 */
}

/* The list of tokens, one object each, wherever a server puts it. */
static const json_t *token_list(const json_t *answer)
{
    const json_t *list = json_object_get(json_object_get(choice_of(answer), "logprobs"), "content");
    return json_is_array(list) ? list : json_object_get(answer, "completion_probabilities");
}

double openai_logprob(const json_t *answer)
{
    const json_t *list = token_list(answer);
    const json_t *plain = json_object_get(json_object_get(choice_of(answer), "logprobs"), "token_logprobs");
    double sum = 0;
    if (!json_is_array(list) && !json_is_array(plain))
        return NAN;
    for (size_t i = 0; i < json_array_size(list); i++)
        sum += sane(json_object_get(json_array_get(list, i), "logprob"));
    for (size_t i = 0; !json_is_array(list) && i < json_array_size(plain); i++)
        sum += sane(json_array_get(plain, i));
    return sum;
}

double openai_top_logprob(const json_t *answer, const char *text)
{
    const json_t *top = json_object_get(json_array_get(token_list(answer), 0), "top_logprobs");
    for (size_t i = 0; i < json_array_size(top); i++) {
        const char *token = json_string_value(json_object_get(json_array_get(top, i), "token"));
        if (token && strcmp(token, text) == 0)
            return sane(json_object_get(json_array_get(top, i), "logprob"));
    }
    const json_t *map = json_array_get(json_object_get(json_object_get(choice_of(answer), "logprobs"), "top_logprobs"), 0);
    return sane(json_object_get(map, text));
}

/* ---- what is wrong ---------------------------------------------------------------------------------------------- */

static const char *without_choice(const json_t *answer)
{
    if (!json_is_object(answer))
        return "it is not a JSON object";
    if (!json_is_array(json_object_get(answer, "choices")))
        return "it has no list of choices";
    if (json_array_size(json_object_get(answer, "choices")) == 0)
        return "its list of choices is empty";
    return NULL;
}

static const char *hidden(const json_t *said)
{
    const char *text = json_string_value(json_object_get(said, "reasoning_content"));
    return text ? text : json_string_value(json_object_get(said, "reasoning"));
}

static const char *chat_malformed(const json_t *answer)
{
    const char *wrong = without_choice(answer);
    if (wrong)
        return wrong;
    const json_t *said = json_object_get(choice_of(answer), "message"), *content = json_object_get(said, "content");
    const json_t *calls = json_object_get(said, "tool_calls");
    if (!json_is_object(said))
        return "its first choice has no message";
    if (calls && !json_is_array(calls) && !json_is_null(calls))
        return "its calls of tools are no list";
    if (json_is_string(content) || json_is_array(content) || json_is_string(json_object_get(said, "refusal")))
        return NULL;
    if (content && !json_is_null(content))
        return "its first choice has a content that is no text";
    bool else_said = json_array_size(calls) > 0 || hidden(said) || json_is_string(json_object_get(choice_of(answer), "finish_reason"));
    return json_is_null(content) && else_said ? NULL : "its first choice has neither content nor refusal";
}

static const char *completions_malformed(const json_t *answer)
{
    const char *wrong = without_choice(answer);
    if (wrong)
        return wrong;
    return json_is_string(json_object_get(choice_of(answer), "text")) ? NULL : "its first choice has no text";
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

void api_blocks_add(arena *a, api_blocks *list, block b)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 4;
        block *grown = arena_regrow(a, list->items, list->count, capacity, sizeof *grown);
        list->failed |= !grown;
        if (!grown)
            return;
        list->items = grown;
        list->capacity = capacity;
    }
    b.text = arena_strdup(a, b.text ? b.text : "");
    b.name = arena_strdup(a, b.name);
    b.id = arena_strdup(a, b.id);
    list->failed |= !b.text;
    list->items[list->count++] = b;
}

static const char *content_text(arena *a, const json_t *content)
{
    if (!json_is_array(content))
        return arena_strdup(a, json_is_string(content) ? json_string_value(content) : "");
    strbuf b = strbuf_new(a, API_ANSWER_BYTES);
    strbuf_add(&b, "");
    for (size_t i = 0; i < json_array_size(content); i++) {
        const char *piece = json_string_value(json_object_get(json_array_get(content, i), "text"));
        if (piece)
            strbuf_add(&b, piece);
    }
    return b.failed ? NULL : b.text ? b.text : arena_strdup(a, "");
}

/* Arguments are JSON in a string; some servers send the JSON itself. */
static const char *arguments_text(arena *a, const json_t *arguments)
{
    if (json_is_string(arguments))
        return json_string_value(arguments);
    strbuf b = strbuf_new(a, API_ANSWER_BYTES);
    if (!json_is_object(arguments) || jsonio_print(arguments, 0, &b, NULL) != STATUS_OK || b.failed)
        return "{}";
    return b.text;
}

static status read_blocks(arena *a, const json_t *said, generate_reply *reply)
{
    api_blocks list = {0};
    const json_t *calls = json_object_get(said, "tool_calls");
    if (hidden(said) && hidden(said)[0])
        api_blocks_add(a, &list, (block){.kind = BLOCK_REASONING, .text = hidden(said)});
    if (json_array_size(calls) > 0 && reply->text[0])
        api_blocks_add(a, &list, (block){.kind = BLOCK_TEXT, .text = reply->text});
    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *call = json_array_get(calls, i), *function = json_object_get(call, "function");
        api_blocks_add(a, &list, (block){.kind = BLOCK_TOOL_CALL,
                                         .text = arguments_text(a, json_object_get(function, "arguments")),
                                         .name = json_string_value(json_object_get(function, "name")),
                                         .id = json_string_value(json_object_get(call, "id"))});
    }
    reply->blocks = list.items;
    reply->block_count = list.count;
    return list.failed ? STATUS_MEMORY : STATUS_OK;
}

static stop_reason reason_of(const json_t *choice)
{
    const char *finish = json_string_value(json_object_get(choice, "finish_reason"));
    if (finish && strcmp(finish, "length") == 0)
        return STOP_LENGTH;
    if (finish && strcmp(finish, "content_filter") == 0)
        return STOP_REFUSED;
    return json_is_string(json_object_get(choice, "stop_reason")) ? STOP_STRING : STOP_END; /* vLLM names the string */
}

static status chat_read(arena *a, const json_t *answer, const generate_request *q, generate_reply *reply)
{
    const json_t *said = json_object_get(choice_of(answer), "message");
    const char *refusal = json_string_value(json_object_get(said, "refusal"));
    reply->text = content_text(a, json_object_get(said, "content"));
    if (!reply->text)
        return STATUS_MEMORY;
    reply->reason = reason_of(choice_of(answer));
    if (refusal && refusal[0]) {
        reply->reason = STOP_REFUSED;
        if (!reply->text[0])
            reply->text = arena_strdup(a, refusal);
    }
    reply->uncounted = !openai_usage(answer, &reply->prompt_tokens, &reply->completion_tokens, &reply->cached_tokens);
    reply->logprob = q->logprobs ? openai_logprob(answer) : NAN;
    return reply->text ? read_blocks(a, said, reply) : STATUS_MEMORY;
}

static status completions_read(arena *a, const json_t *answer, const generate_request *q, generate_reply *reply)
{
    reply->text = arena_strdup(a, json_string_value(json_object_get(choice_of(answer), "text")));
    reply->reason = reason_of(choice_of(answer));
    reply->uncounted = !openai_usage(answer, &reply->prompt_tokens, &reply->completion_tokens, &reply->cached_tokens);
    reply->logprob = q->logprobs ? openai_logprob(answer) : NAN;
    return reply->text ? STATUS_OK : STATUS_MEMORY;
}

/* ---- the forms -------------------------------------------------------------------------------------------------- */

const api_form openai_chat_form = {
    .name = "openai",
    .path = "/chat/completions",
    .key_variable = "OPENAI_API_KEY",
    .key_header = "Authorization: Bearer ",
    .abilities = SUBJECT_GENERATES | SUBJECT_TOOLS, /* some give log-probabilities, and none promises them */
    .unsupported = openai_chat_unsupported,
    .body = openai_chat_body,
    .malformed = chat_malformed,
    .read = chat_read,
};

const api_form openai_completions_form = {
    .name = "openai-completions",
    .path = "/completions",
    .key_variable = "OPENAI_API_KEY",
    .key_header = "Authorization: Bearer ",
    .abilities = SUBJECT_GENERATES | SUBJECT_PREFILL, /* a text is gone on with by nature */
    .habits = API_PREFILLS,
    .unsupported = openai_completions_unsupported,
    .body = openai_completions_body,
    .malformed = completions_malformed,
    .read = completions_read,
};
