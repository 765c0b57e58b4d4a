#include "subject/question.h"

#include "core/jsonio.h"

#include <math.h>

enum { MOST_MESSAGES = 4096, MOST_BLOCKS = 1024, MOST_STOPS = 64, MOST_CONTINUATIONS = 4096, MOST_TOOLS = 1 << 20 };

static const char *const reasons[] = {"end", "stop_string", "length", "refused"};
_Static_assert(COUNT_OF(reasons) == STOP_REASON_COUNT, "one name a reason");

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory while reading a question");
}

static status wrong(const char *expected, const char *key, error *err)
{
    return error_set(err, STATUS_INVALID, "a question: expected %s at \"%s\"", expected, key);
}

/* ---- messages --------------------------------------------------------------------------------------------------- */

static status copy_text(arena *a, const json_t *value, const char *key, const char **out, error *err)
{
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
        return wrong("a text without zero bytes", key, err);
    *out = arena_strdup(a, json_string_value(value));
    return *out ? STATUS_OK : no_memory(err);
}

static status read_block(arena *a, const json_t *o, block *out, error *err)
{
    const char *kind = json_string_value(json_object_get(o, "type"));
    int found = -1;
    for (int i = 0; kind && i < BLOCK_KIND_COUNT; i++)
        if (strcmp(block_kind_name((block_kind)i), kind) == 0)
            found = i;
    if (found < 0)
        return wrong("a kind of block", "type", err);
    *out = (block){.kind = (block_kind)found};
    TRY(copy_text(a, json_object_get(o, "text"), "text", &out->text, err));
    if (json_object_get(o, "name"))
        TRY(copy_text(a, json_object_get(o, "name"), "name", &out->name, err));
    if (json_object_get(o, "id"))
        TRY(copy_text(a, json_object_get(o, "id"), "id", &out->id, err));
    return STATUS_OK;
}

static status read_message(arena *a, const json_t *o, message *out, error *err)
{
    const char *role = json_string_value(json_object_get(o, "role"));
    const json_t *content = json_object_get(o, "content");
    int found = -1;
    for (int i = 0; role && i < MESSAGE_ROLE_COUNT; i++)
        if (strcmp(message_role_name((message_role)i), role) == 0)
            found = i;
    if (found < 0)
        return wrong("system, user, assistant or tool", "role", err);
    bool plain = json_is_string(content);
    size_t count = plain ? 1 : json_array_size(content);
    if (count == 0 || count > MOST_BLOCKS)
        return wrong("a text or a list of blocks", "content", err);
    block *blocks = ARENA_ARRAY(a, block, count);
    if (!blocks)
        return no_memory(err);
    if (plain)
        TRY(copy_text(a, content, "content", &blocks[0].text, err));
    for (size_t i = 0; !plain && i < count; i++)
        TRY(read_block(a, json_array_get(content, i), &blocks[i], err));
    *out = (message){(message_role)found, blocks, count};
    return STATUS_OK;
}

status question_read_messages(arena *a, const json_t *value, const message **out, size_t *count, error *err)
{
    bool plain = json_is_string(value);
    *count = plain ? 1 : json_array_size(value);
    if (*count == 0 || *count > MOST_MESSAGES)
        return wrong("a text or a list of messages", "messages", err);
    message *list = ARENA_ARRAY(a, message, *count);
    if (!list)
        return no_memory(err);
    *out = list;
    if (plain) {
        const char *text;
        TRY(copy_text(a, value, "messages", &text, err));
        list[0] = message_text(a, MESSAGE_USER, text);
        return list[0].count ? STATUS_OK : no_memory(err);
    }
    for (size_t i = 0; i < *count; i++)
        TRY(read_message(a, json_array_get(value, i), &list[i], err));
    return STATUS_OK;
}

/* ---- the rest --------------------------------------------------------------------------------------------------- */

static status read_texts(arena *a, const json_t *o, const char *key, size_t most, const char *const **out, size_t *count, error *err)
{
    const json_t *list = json_object_get(o, key);
    if (!list)
        return STATUS_OK;
    *count = json_array_size(list);
    if (!json_is_array(list) || *count > most)
        return wrong("a list of texts", key, err);
    const char **texts = ARENA_ARRAY(a, const char *, *count + 1);
    if (!texts)
        return no_memory(err);
    for (size_t i = 0; i < *count; i++)
        TRY(copy_text(a, json_array_get(list, i), key, &texts[i], err));
    *out = texts;
    return STATUS_OK;
}

static status read_number(const json_t *o, const char *key, double least, double most, double *out, error *err)
{
    const json_t *value = json_object_get(o, key);
    char expected[64];
    if (!value || json_is_null(value))
        return STATUS_OK;
    *out = json_number_value(value);
    if (json_is_number(value) && *out >= least && *out <= most)
        return STATUS_OK;
    snprintf(expected, sizeof expected, "a number from %g to %g", least, most);
    return wrong(expected, key, err);
}

static status read_reference(arena *a, const json_t *o, const char *key, const char **out, error *err)
{
    const json_t *value = json_object_get(o, key);
    return value && !json_is_null(value) ? copy_text(a, value, key, out, err) : STATUS_OK;
}

static status read_tools(arena *a, const json_t *o, question *out, error *err)
{
    const json_t *tools = json_object_get(o, "tools");
    if (!tools)
        return STATUS_OK;
    if (!json_is_array(tools))
        return wrong("a list of tools", "tools", err);
    strbuf text = strbuf_new(a, MOST_TOOLS);
    TRY(jsonio_print(tools, 0, &text, err));
    out->tools = text.text;
    return STATUS_OK;
}

static status check_keys(const json_t *ask, error *err)
{
    static const char *const keys[] = {"role",     "messages", "max_tokens", "temperature", "stop",         "logprobs",
                                       "position", "good",     "bad",        "tools",       "continuations"};
    const char *key;
    json_t *value;
    if (!json_is_object(ask))
        return error_set(err, STATUS_INVALID, "a question: expected an object");
    json_object_foreach((json_t *)(uintptr_t)ask, key, value) {
        bool known = false;
        for (size_t i = 0; i < COUNT_OF(keys); i++)
            known |= strcmp(keys[i], key) == 0;
        int nearest = known ? -1 : text_nearest(key, keys, COUNT_OF(keys));
        if (!known)
            return error_set(err, STATUS_INVALID, "a question: there is no member \"%.40s\"%s%s%s", key,
                             nearest >= 0 ? "; did you mean \"" : "", nearest >= 0 ? keys[nearest] : "", nearest >= 0 ? "\"?" : "");
    }
    return STATUS_OK;
}

status question_read(arena *a, const json_t *ask, bool scores, question *out, error *err)
{
    double tokens = 0;
    *out = (question){.role = "subject", .position = -1};
    TRY(check_keys(ask, err));
    TRY(read_reference(a, ask, "role", &out->role, err));
    TRY(question_read_messages(a, json_object_get(ask, "messages"), &out->messages, &out->count, err));
    TRY(read_number(ask, "max_tokens", 1, 1 << 20, &tokens, err));
    out->max_tokens = (int)tokens;
    TRY(read_number(ask, "temperature", 0, 100, &out->temperature, err));
    TRY(read_number(ask, "position", -1, 1, &out->position, err));
    TRY(read_texts(a, ask, "stop", MOST_STOPS, &out->stops, &out->stop_count, err));
    TRY(read_reference(a, ask, "good", &out->good, err));
    TRY(read_reference(a, ask, "bad", &out->bad, err));
    TRY(read_tools(a, ask, out, err));
    out->logprobs = json_is_true(json_object_get(ask, "logprobs"));
    TRY(read_texts(a, ask, "continuations", MOST_CONTINUATIONS, &out->continuations, &out->continuation_count, err));
    if (scores != (out->continuation_count > 0))
        return error_set(err, STATUS_INVALID, scores ? "a question: expected a list of texts at \"continuations\""
                                                     : "a question: \"continuations\" belong to \"score\", not to \"ask\"");
    return STATUS_OK;
}

json_t *question_answer(const generate_reply *r)
{
    json_t *answer = json_pack("{s:s, s:s, s:i, s:i}", "text", r->text, "reason", reasons[r->reason], "prompt_tokens",
                               r->prompt_tokens, "completion_tokens", r->completion_tokens);
    if (answer && isfinite(r->logprob))
        json_object_set_new(answer, "logprob", json_real(r->logprob));
    if (answer && r->block_count) {
        json_t *blocks = json_array();
        for (size_t i = 0; i < r->block_count; i++)
            json_array_append_new(blocks, json_pack("{s:s, s:s*, s:s*, s:s*}", "type", block_kind_name(r->blocks[i].kind), "text",
                                                    r->blocks[i].text, "name", r->blocks[i].name, "id", r->blocks[i].id));
        json_object_set_new(answer, "blocks", blocks);
    }
    return answer;
}

json_t *question_scores(const score_reply *r, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{s:o, s:i}", "logprob", jsonio_number(r->logprobs[i]), "tokens", r->token_counts[i]));
    return list;
}
