#include "subject/answer_key.h"

#include "core/jsonio.h"

#include <math.h>

/* Every text stands behind its length, so that no two requests share a canonical form. */
static void add_text(strbuf *b, const char *text)
{
    slice s = slice_of(text);
    strbuf_printf(b, "%zu:", s.length);
    strbuf_add_slice(b, s);
}

static void add_messages(strbuf *b, const message *messages, size_t count)
{
    strbuf_printf(b, "messages %zu\n", count);
    for (size_t i = 0; i < count; i++) {
        strbuf_printf(b, "%d %zu\n", (int)messages[i].role, messages[i].count);
        for (size_t j = 0; j < messages[i].count; j++) {
            const block *k = &messages[i].blocks[j];
            strbuf_printf(b, "%d ", (int)k->kind);
            add_text(b, k->text);
            add_text(b, k->name);
            add_text(b, k->id);
        }
    }
}

static status finish(strbuf *b, char key[SHA256_HEX])
{
    status result = b->failed ? STATUS_MEMORY : STATUS_OK;
    if (result == STATUS_OK) {
        unsigned char digest[SHA256_BYTES];
        sha256_of(b->text, b->length, digest);
        sha256_hex(digest, key);
    }
    strbuf_free(b);
    return result;
}

status answer_key_generate(const char *identity, const generate_request *q, char key[SHA256_HEX])
{
    strbuf b = strbuf_new(NULL, (size_t)1 << 28);
    strbuf_add(&b, "generate 1\n");
    add_text(&b, identity);
    strbuf_printf(&b, "\n%d %.17g %.17g %d %d %zu\n", q->max_tokens, q->temperature, q->top_p, q->top_k, (int)q->logprobs,
                  q->stop_count);
    for (size_t i = 0; i < q->stop_count; i++)
        add_text(&b, q->stops[i]);
    strbuf_printf(&b, "\nrepeat %llu\n", (unsigned long long)q->address.repeat);
    if (q->temperature > 0) {
        add_text(&b, q->address.study);
        strbuf_printf(&b, " %llu %llu %llu\n", (unsigned long long)q->address.seed,
                      (unsigned long long)q->address.sample, (unsigned long long)q->address.turn);
    }
    if (q->tools) {
        strbuf_add(&b, "tools ");
        add_text(&b, q->tools);
    }
    add_messages(&b, q->messages, q->count);
    return finish(&b, key);
}

status answer_key_score(const char *identity, const score_request *q, char key[SHA256_HEX])
{
    strbuf b = strbuf_new(NULL, (size_t)1 << 28);
    strbuf_add(&b, "score 1\n");
    add_text(&b, identity);
    strbuf_printf(&b, "\nrepeat %llu continuations %zu\n", (unsigned long long)q->address.repeat, q->continuation_count);
    for (size_t i = 0; i < q->continuation_count; i++)
        add_text(&b, q->continuations[i]);
    add_messages(&b, q->messages, q->count);
    return finish(&b, key);
}

static const char *print(arena *a, json_t *value)
{
    strbuf b = strbuf_new(a, (size_t)1 << 28);
    bool good = value && jsonio_print(value, 0, &b, NULL) == STATUS_OK && !b.failed;
    json_decref(value);
    return good ? b.text : NULL;
}

/* [[kind, text, name, id], ...] */
static json_t *blocks_json(const generate_reply *reply)
{
    json_t *list = json_array();
    for (size_t i = 0; i < reply->block_count; i++)
        json_array_append_new(list, json_pack("[i, s?, s?, s?]", (int)reply->blocks[i].kind, reply->blocks[i].text,
                                              reply->blocks[i].name, reply->blocks[i].id));
    return list;
}

const char *answer_write_generate(arena *a, const generate_reply *reply)
{
    json_t *value = json_pack("{s:s, s:i, s:i, s:i, s:o}", "text", reply->text, "reason", (int)reply->reason,
                              "prompt_tokens", reply->prompt_tokens, "completion_tokens", reply->completion_tokens,
                              "logprob", jsonio_number(reply->logprob));
    if (value && reply->block_count)
        json_object_set_new(value, "blocks", blocks_json(reply));
    return print(a, value);
}

const char *answer_write_score(arena *a, const score_reply *reply, size_t count)
{
    json_t *logprobs = json_array(), *tokens = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(logprobs, jsonio_number(reply->logprobs[i]));
        json_array_append_new(tokens, json_integer(reply->token_counts[i]));
    }
    return print(a, json_pack("{s:o, s:o, s:i}", "logprobs", logprobs, "tokens", tokens, "joined", reply->joined));
}

static double real_or_nan(const json_t *value)
{
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static bool read_blocks(arena *a, const json_t *list, generate_reply *reply)
{
    size_t count = json_array_size(list);
    block *blocks = count ? ARENA_ARRAY(a, block, count) : NULL;
    for (size_t i = 0; blocks && i < count; i++) {
        const json_t *b = json_array_get(list, i);
        json_int_t kind = json_integer_value(json_array_get(b, 0));
        if (kind < 0 || kind >= BLOCK_KIND_COUNT)
            return false;
        blocks[i] = (block){.kind = (block_kind)kind,
                            .text = arena_strdup(a, json_string_value(json_array_get(b, 1))),
                            .name = arena_strdup(a, json_string_value(json_array_get(b, 2))),
                            .id = arena_strdup(a, json_string_value(json_array_get(b, 3)))};
    }
    reply->blocks = blocks;
    reply->block_count = blocks ? count : 0;
    return !count || blocks;
}

bool answer_read_generate(arena *a, const char *text, generate_reply *reply)
{
    json_t *value;
    if (jsonio_parse(slice_of(text), "answer cache", &value, NULL) != STATUS_OK)
        return false;
    const char *answer = json_string_value(json_object_get(value, "text"));
    json_int_t reason = json_integer_value(json_object_get(value, "reason"));
    reply->text = arena_strdup(a, answer);
    bool good = reply->text && reason >= 0 && reason < STOP_REASON_COUNT &&
                read_blocks(a, json_object_get(value, "blocks"), reply);
    if (good) {
        reply->reason = (stop_reason)reason;
        reply->prompt_tokens = (int)json_integer_value(json_object_get(value, "prompt_tokens"));
        reply->completion_tokens = (int)json_integer_value(json_object_get(value, "completion_tokens"));
        reply->logprob = real_or_nan(json_object_get(value, "logprob"));
    }
    json_decref(value);
    return good;
}

bool answer_read_score(arena *a, const char *text, score_reply *reply, size_t count)
{
    json_t *value;
    if (jsonio_parse(slice_of(text), "answer cache", &value, NULL) != STATUS_OK)
        return false;
    const json_t *logprobs = json_object_get(value, "logprobs"), *tokens = json_object_get(value, "tokens");
    reply->logprobs = ARENA_ARRAY(a, double, count + 1);
    reply->token_counts = ARENA_ARRAY(a, int, count + 1);
    bool good = reply->logprobs && reply->token_counts && json_array_size(logprobs) == count &&
                json_array_size(tokens) == count;
    const json_t *joined = json_object_get(value, "joined");
    reply->joined = json_is_integer(joined) ? (int)json_integer_value(joined) : -1; /* of a store that knew nothing of it */
    for (size_t i = 0; good && i < count; i++) {
        reply->logprobs[i] = real_or_nan(json_array_get(logprobs, i));
        reply->token_counts[i] = (int)json_integer_value(json_array_get(tokens, i));
    }
    json_decref(value);
    return good;
}
