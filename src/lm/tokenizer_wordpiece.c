/* WordPiece: a word is the longest token that it begins with, then the longest of those for the inside of words, and so
 * on (Devlin et al., arXiv 1810.04805); and WordLevel: a word is a token or unknown. */
#include "lm/tokenizer_internal.h"

#include <string.h>

static status put_unknown(const tokenizer *t, slice word, token_list *out, error *err)
{
    if (t->unknown < 0)
        return error_set(err, STATUS_UNSUPPORTED, "the vocabulary has no token for the word \"" SLICE_FORMAT
                         "\" and none for what is unknown", (int)(word.length < 40 ? word.length : 40), word.text);
    return token_list_add(out, t->unknown, err);
}

static size_t characters(slice word)
{
    size_t count = 0;
    for (size_t i = 0; i < word.length; i++)
        count += ((unsigned char)word.text[i] & 0xc0) != 0x80;
    return count;
}

/* The longest token from `from` on; *end gets where it stops. `room` holds the longest token there is. */
static int32_t longest(const tokenizer *t, slice word, size_t from, unsigned flags, char *room, size_t *end)
{
    size_t prefix = from ? t->prefix.length : 0;
    if (prefix >= t->longest)
        return -1;
    *end = word.length - from <= t->longest - prefix ? word.length : from + t->longest - prefix;
    while (*end < word.length && ((unsigned char)word.text[*end] & 0xc0) == 0x80)
        (*end)--;
    memcpy(room + prefix, word.text + from, *end - from);
    if (prefix)
        memcpy(room, t->prefix.text, prefix);
    while (*end > from) {
        int32_t id = tokenizer_model_find(t, (slice){room, prefix + *end - from}, flags);
        if (id >= 0)
            return id;
        do
            (*end)--;
        while (*end > from && ((unsigned char)word.text[*end] & 0xc0) == 0x80);
    }
    return -1;
}

status tokenizer_wordpiece(const tokenizer *t, slice word, unsigned flags, token_list *out, error *err)
{
    if (characters(word) > t->longest_word)
        return put_unknown(t, word, out, err);
    size_t start = out->count;
    char *room = memory_alloc(t->longest + 1);
    if (!room)
        return error_set(err, STATUS_MEMORY, "out of memory");
    status result = STATUS_OK;
    for (size_t from = 0, end; result == STATUS_OK && from < word.length; from = end) {
        int32_t id = longest(t, word, from, flags, room, &end);
        if (id < 0) { /* then the whole word is unknown */
            out->count = start;
            result = put_unknown(t, word, out, err);
            break;
        }
        result = token_list_add(out, id, err);
    }
    memory_free(room);
    return result;
}

status tokenizer_wordlevel(const tokenizer *t, slice word, unsigned flags, token_list *out, error *err)
{
    int32_t id = tokenizer_model_find(t, word, flags);
    return id >= 0 ? token_list_add(out, id, err) : put_unknown(t, word, out, err);
}
