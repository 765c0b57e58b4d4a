/* What a plug-in says, in pieces of any size: each line is a message, or the end; a message is read as a greeting and as a
 * question, and is refused with words or taken with everything in its limits. */
#include "core/jsonio.h"
#include "plugin/declare.h"
#include "plugin/lines.h"
#include "subject/question.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_declaration(arena *a, const json_t *said)
{
    plugin_declaration d;
    error err = {0};
    param_values *values;
    if (plugin_declaration_read(a, "plug-in", said, &d, &err) != STATUS_OK) {
        if (err.code == STATUS_OK || !err.message[0])
            BUG("refused without words");
        return;
    }
    if (!d.name || !d.title || d.role_count == 0 || d.param_count > PLUGIN_MOST_PARAMS || d.role_count > PLUGIN_MOST_ROLES)
        BUG("taken with parts missing");
    if (param_values_new(a, d.params, d.param_count, &values, &err) != STATUS_OK) /* aborts where a default is wrong */
        BUG("no values");
}

static void check_question(arena *a, const json_t *said)
{
    question q;
    for (int scores = 0; scores < 2; scores++) {
        error err = {0};
        if (question_read(a, said, scores, &q, &err) == STATUS_OK) {
            if (q.count == 0 || (q.continuation_count > 0) != (scores == 1) || q.max_tokens < 0 || !(q.temperature >= 0))
                BUG("taken with parts missing");
            for (size_t i = 0; i < q.count; i++)
                if (q.messages[i].count == 0)
                    BUG("a message without blocks");
        } else if (!err.message[0]) {
            BUG("refused without words");
        }
    }
}

/* An input that begins with a comma becomes the members of a message, so that more of them are JSON. */
static uint8_t *as_members(const uint8_t **bytes, size_t *length)
{
    static const char head[] = "{\"id\": 1", tail[] = "}\n";
    if (*length == 0 || **bytes != ',')
        return NULL;
    size_t whole = sizeof head - 1 + *length + sizeof tail - 1;
    uint8_t *text = malloc(whole);
    if (!text)
        abort();
    memcpy(text, head, sizeof head - 1);
    memcpy(text + sizeof head - 1, *bytes, *length);
    memcpy(text + whole - (sizeof tail - 1), tail, sizeof tail - 1);
    *bytes = text;
    *length = whole;
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    lines l;
    uint8_t *members = as_members(&bytes, &length);
    lines_open(&l);
    size_t step = length ? 1 + bytes[0] % 64 : 1;
    bool rubbish = false;
    for (size_t at = 0; at < length && !rubbish; at += step) {
        char words[320];
        uint64_t id;
        json_t *said;
        lines_found found;
        lines_feed(&l, (const char *)bytes + at, length - at < step ? length - at : step);
        while ((found = lines_next(&l, &id, &said, words, sizeof words)) == LINES_MESSAGE) {
            arena *a = arena_new(NULL);
            if (id == 0 || !json_is_object(said) || json_object_get(said, "id"))
                BUG("no message");
            check_declaration(a, said);
            check_question(a, said);
            check_question(a, json_object_get(said, "ask"));
            json_decref(said);
            arena_free(a);
        }
        rubbish = found == LINES_RUBBISH;
        if (rubbish && !memchr(words, 0, sizeof words))
            BUG("words without an end");
    }
    lines_close(&l);
    free(members);
    return 0;
}
