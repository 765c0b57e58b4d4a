/* Any JSON is either refused as a schema, or gives a form whose sets of tokens can be walked to an end. */
#include "core/jsonio.h"
#include "lm/constrain.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* Goes on with the first token that may come until the form is complete or the budget is used up, when it must be. */
static void walk(arena *a, const tokenizer *t, constraint *c)
{
    uint64_t *scratch = ARENA_ARRAY(a, uint64_t, constraint_mask_words(c));
    size_t left = constraint_shortest(c, CONSTRAINT_START) + 8;
    int32_t at = CONSTRAINT_START;
    if (left > 200)
        return;
    for (; left > 0 && !constraint_is_over(c, at); left--) {
        const uint64_t *mask = constraint_mask(c, at, left, scratch);
        int32_t token = 0;
        while (mask && (size_t)token < tokenizer_size(t) && !(mask[token / 64] >> token % 64 & 1))
            token++;
        if (!mask)
            return; /* too large */
        if ((size_t)token == tokenizer_size(t)) {
            if (!constraint_complete(c, at))
                BUG("no token goes on");
            return;
        }
        at = constraint_next(c, at, token);
    }
    if (!constraint_complete(c, at))
        BUG("the budget is used up and the form is not complete");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static tokenizer *t;
    static constraint_vocabulary *words;
    static arena *forever;
    json_t *schema;
    error err;
    if (!forever) {
        slice document = SLICE("{\"name\": \"Ada\", \"list\": [1, 2, 30, true, false, null]} {\"name\": \"Ben\"}");
        forever = arena_new(NULL);
        if (tokenizer_train(forever, &document, 1, &(tokenizer_recipe){.vocabulary = 280}, &t, &err) != STATUS_OK ||
            constraint_vocabulary_new(forever, t, NULL, 0, &words, &err) != STATUS_OK)
            BUG("%s", err.message);
    }
    if (jsonio_parse((slice){(const char *)bytes, length}, "fuzz", &schema, &err) != STATUS_OK)
        return 0;
    arena *a = arena_new(NULL);
    constraint *c;
    if (constraint_json(a, words, schema, &c, &err) == STATUS_OK)
        walk(a, t, c);
    arena_free(a);
    json_decref(schema);
    return 0;
}
