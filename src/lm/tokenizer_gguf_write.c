/* Byte-level vocabularies as GGUF keys. */
#include "lm/gguf_save.h"
#include "lm/tokenizer_internal.h"

#include <string.h>

static status unsupported(const char *what, error *err)
{
    error_set(err, STATUS_UNSUPPORTED, "the tokenizer has no form in GGUF files that is known: %s", what);
    return error_hint(err, "byte-level BPE that cuts as GPT-2, Llama 3, Qwen 2 or our own models do can be written");
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Our own cut takes digits one by one, GPT-2's takes numbers whole. They lead to the same ids where no pair joins across
 * the border of two digits. Of bytes above 0x7f nobody knows what they are part of: one that continues a character, followed
 * by one that begins another, counts as such a border. */
static bool joins_digits(const tokenizer *t)
{
    for (size_t i = 0; i < t->merge_count; i++) {
        slice left = t->tokens[t->merges[i].left], right = t->tokens[t->merges[i].right];
        if (left.length == 0 || right.length == 0)
            continue;
        unsigned char end = (unsigned char)left.text[left.length - 1], start = (unsigned char)right.text[0];
        bool ends = is_digit((char)end) || (end >= 0x80 && end < 0xc0), begins = is_digit((char)start) || start >= 0xc0;
        if (ends && begins)
            return true;
    }
    return false;
}

static status put_cut(const tokenizer *t, arena *a, gguf_writer *w, error *err)
{
    bool nfc = t->normalizers.count == 1 && t->normalizers.steps[0].normalize == normalize_form &&
               t->normalizers.steps[0].flags == FORM_COMPOSE;
    if (t->model != tokenizer_bpe || !t->bytes || (t->normalizers.count && !nfc))
        return unsupported("it is not byte-level BPE, or changes texts before it cuts them", err);
    const char *pattern = tokenizer_cut_pattern(t, a);
    if (!pattern)
        return unsupported("it cuts texts in several ways, or has added tokens that take in the spaces around them", err);
    if (strcmp(pattern, TOKENIZER_PATTERN) == 0 && !joins_digits(t))
        pattern = TOKENIZER_PATTERN_GPT2;
    const char *name = tokenizer_gguf_cut(pattern, t->ignore_merges, nfc);
    if (!name)
        return unsupported("the pattern by which it cuts texts has no name there", err);
    gguf_put_text(w, "tokenizer.ggml.model", SLICE("gpt2"));
    gguf_put_text(w, "tokenizer.ggml.pre", slice_of(name));
    return STATUS_OK;
}

/* The token as files write it, in the arena. */
static slice piece_of(const tokenizer *t, arena *a, int32_t id)
{
    strbuf text = strbuf_new(a, 1 << 20);
    tokenizer_piece(t, id, &text);
    return strbuf_slice(&text);
}

static status put_words(const tokenizer *t, arena *a, size_t vocabulary, gguf_writer *w, error *err)
{
    slice *words = ARENA_ARRAY(a, slice, vocabulary + 1);
    int32_t *types = ARENA_ARRAY(a, int32_t, vocabulary + 1);
    if (!words || !types)
        return tokenizer_out_of_memory(t->name, err);
    for (size_t i = 0; i < vocabulary; i++) {
        if (i < t->count)
            words[i] = piece_of(t, a, (int32_t)i);
        types[i] = i < t->count && (t->marks[i] & MARK_SPECIAL) ? PIECE_CONTROL : PIECE_NORMAL;
        if (words[i].length)
            continue;
        const char *filler = arena_printf(a, "[PAD%zu]", i); /* rows of the embedding without a token */
        words[i] = slice_of(filler);
        types[i] = PIECE_UNUSED;
        if (!filler)
            return tokenizer_out_of_memory(t->name, err);
    }
    for (size_t i = 0; i < t->added_count; i++) {
        const added_token *added = &t->added[i];
        if ((size_t)added->id >= vocabulary)
            continue;
        words[added->id] = added->text;
        types[added->id] = added->special ? PIECE_CONTROL : PIECE_USER;
    }
    gguf_put_texts(w, "tokenizer.ggml.tokens", words, vocabulary);
    gguf_put_ints(w, "tokenizer.ggml.token_type", types, vocabulary);
    return STATUS_OK;
}

static status put_merges(const tokenizer *t, arena *a, gguf_writer *w, error *err)
{
    slice *merges = ARENA_ARRAY(a, slice, t->merge_count + 1);
    if (!merges)
        return tokenizer_out_of_memory(t->name, err);
    for (size_t i = 0; i < t->merge_count; i++) {
        slice left = piece_of(t, a, t->merges[i].left), right = piece_of(t, a, t->merges[i].right);
        const char *pair = arena_printf(a, SLICE_FORMAT " " SLICE_FORMAT, SLICE_ARGS(left), SLICE_ARGS(right));
        merges[i] = slice_of(pair);
        if (!pair)
            return tokenizer_out_of_memory(t->name, err);
    }
    gguf_put_texts(w, "tokenizer.ggml.merges", merges, t->merge_count);
    return STATUS_OK;
}

static status put_around(const char *key, const int32_t *ids, size_t count, int32_t known, gguf_writer *w, error *err)
{
    if (count > 1 || (count == 1 && ids[0] != known))
        return unsupported("it puts other tokens around a text than those for its beginning and end", err);
    gguf_put_flag(w, key, count == 1);
    return STATUS_OK;
}

static status put_all(const tokenizer *t, arena *a, size_t vocabulary, int32_t bos, int32_t eos, gguf_writer *w, error *err)
{
    TRY(put_cut(t, a, w, err));
    TRY(put_words(t, a, vocabulary, w, err));
    TRY(put_merges(t, a, w, err));
    TRY(put_around("tokenizer.ggml.add_bos_token", t->before, t->before_count, bos, w, err));
    return put_around("tokenizer.ggml.add_eos_token", t->after, t->after_count, eos, w, err);
}

status tokenizer_put_gguf(const tokenizer *t, size_t vocabulary, int32_t bos, int32_t eos, gguf_writer *w, error *err)
{
    arena *a = arena_new(NULL);
    status result = put_all(t, a, vocabulary, bos, eos, w, err);
    arena_free(a);
    return result;
}
