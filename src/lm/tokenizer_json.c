/* tokenizer.json, in and out. */
#include "lm/tokenizer_internal.h"

#include "core/file.h"
#include "core/hash.h"
#include "core/jsonio.h"

#include <string.h>

/* ---- reading ---- */

/* Does the model work on bytes: a byte-level cut comes last, what stands behind it knows no letters. */
static bool works_on_bytes(const tokenizer *t, const json_t *model)
{
    static const char *const without[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    for (size_t i = 0; i < COUNT_OF(without); i++)
        if (json_string_length(json_object_get(model, without[i])) > 0)
            return false;
    for (size_t i = 0; i < t->normalizers.count; i++)
        if (t->normalizers.steps[i].normalize == normalize_byte_level)
            return false;
    size_t letters = 0;
    for (size_t i = 0; i < t->cutters.count; i++)
        letters += t->cutters.steps[i].cut == cut_to_letters;
    return letters == 1 && t->cutters.steps[t->cutters.count - 1].cut == cut_to_letters && t->decoder.bytes &&
           strcmp(tokenizer_model_type(model), "BPE") == 0 && !json_is_true(json_object_get(model, "byte_fallback"));
}

/* The pattern of a tokenizer of our own form (what tokenizer_print writes), or NULL. */
static const char *own_pattern(const json_t *root)
{
    const json_t *cut = json_object_get(root, "pre_tokenizer"), *added = json_object_get(root, "added_tokens");
    const json_t *model = json_object_get(root, "model"), *split = json_array_get(json_object_get(cut, "pretokenizers"), 0);
    static const char *const flags[] = {"single_word", "lstrip", "rstrip", "normalized"};
    const json_t *bytes = split ? json_array_get(json_object_get(cut, "pretokenizers"), 1) : cut;
    const json_t *entry;
    size_t i;
    bool own = tokenizer_absent(json_object_get(root, "normalizer")) && tokenizer_absent(json_object_get(root, "post_processor")) &&
               strcmp(tokenizer_type(json_object_get(root, "decoder")), "ByteLevel") == 0 &&
               strcmp(tokenizer_type(bytes), "ByteLevel") == 0 && json_is_false(json_object_get(bytes, "add_prefix_space")) &&
               tokenizer_absent(json_object_get(model, "unk_token")) && strcmp(tokenizer_type(model), "BPE") == 0;
    json_array_foreach((json_t *)added, i, entry)
    {
        for (size_t k = 0; k < COUNT_OF(flags); k++)
            own = own && !json_is_true(json_object_get(entry, flags[k]));
    }
    if (!split)
        return own && !json_is_false(json_object_get(bytes, "use_regex")) ? TOKENIZER_PATTERN_GPT2 : NULL;
    const char *behavior = json_string_value(json_object_get(split, "behavior"));
    own = own && json_array_size(json_object_get(cut, "pretokenizers")) == 2 && strcmp(tokenizer_type(split), "Split") == 0 &&
          behavior && strcmp(behavior, "Isolated") == 0 && !json_is_true(json_object_get(split, "invert")) &&
          json_is_false(json_object_get(bytes, "use_regex"));
    return own ? json_string_value(json_object_get(json_object_get(split, "pattern"), "Regex")) : NULL;
}

const char *tokenizer_cut_pattern(const tokenizer *t, arena *a)
{
    json_t *root;
    if (t->pattern || !t->source.text || !t->bytes)
        return t->pattern;
    if (jsonio_parse(t->source, "tokenizer.json", &root, NULL) != STATUS_OK)
        return NULL;
    json_object_del(root, "normalizer");
    json_object_del(root, "post_processor");
    const char *pattern = own_pattern(root);
    pattern = pattern ? arena_strdup(a, pattern) : NULL;
    json_decref(root);
    return pattern;
}

static status read_file(tokenizer *t, const json_t *root, slice text, error *err)
{
    const json_t *model, *added = json_object_get(root, "added_tokens"), *decoder = json_object_get(root, "decoder");
    TRY(jsonio_get_object(root, "model", t->name, &model, err));
    if (!tokenizer_absent(added) && !json_is_array(added))
        return error_set(err, STATUS_INVALID, "%s: expected a list at \"added_tokens\"", t->name);
    TRY(tokenizer_read_normalizer(t, json_object_get(root, "normalizer"), err));
    TRY(tokenizer_read_cutter(t, json_object_get(root, "pre_tokenizer"), err));
    TRY(tokenizer_read_processor(t, json_object_get(root, "post_processor"), err));
    TRY(tokenizer_read_decoder(t, decoder, err));
    bool letters = t->cutters.count && t->cutters.steps[t->cutters.count - 1].cut == cut_to_letters;
    if (letters && tokenizer_absent(decoder)) { /* letters of bytes are no text for anybody */
        t->decoder.bytes = true;
        t->decoder.joined = false;
    }
    if (works_on_bytes(t, model)) {
        t->bytes = true;
        t->cutters.count--;
    }
    TRY(tokenizer_read_model(t, model, added, err));
    for (size_t i = 0; i < t->before_count + t->after_count; i++) {
        int32_t id = i < t->before_count ? t->before[i] : t->after[i - t->before_count];
        if ((size_t)id >= t->count)
            return error_set(err, STATUS_INVALID, "%s: the post_processor adds the id %d, but there are %zu tokens", t->name, id,
                             t->count);
    }
    const char *pattern = own_pattern(root);
    if (pattern && t->bytes)
        t->pattern = arena_strdup(t->arena, pattern);
    else
        t->source = (slice){slice_copy(t->arena, text), text.length};
    if (!t->pattern && !t->source.text)
        return tokenizer_out_of_memory(t->name, err);
    sha256_of(text.text, text.length, t->digest);
    return tokenizer_finish(t, err);
}

status tokenizer_parse(arena *a, slice text, const char *name, tokenizer **out, error *err)
{
    *out = NULL;
    json_t *root;
    tokenizer *t;
    TRY(jsonio_parse(text, name, &root, err));
    status result = tokenizer_begin(a, name, &t, err);
    if (result == STATUS_OK)
        result = read_file(t, root, text, err);
    json_decref(root);
    if (result == STATUS_OK)
        *out = t;
    return result;
}

status tokenizer_read(arena *a, const char *path, tokenizer **out, error *err)
{
    slice text;
    *out = NULL;
    arena *scratch = arena_new(NULL);
    status result = file_read(scratch, path, TOKENIZER_FILE_LIMIT, &text, err);
    if (result == STATUS_OK)
        result = tokenizer_parse(a, text, path, out, err);
    arena_free(scratch);
    return result;
}

/* ---- writing ---- */

static json_t *letters_json(slice bytes)
{
    strbuf letters = strbuf_new(NULL, 1 << 24);
    tokenizer_bytes_to_letters(bytes, &letters);
    json_t *value = letters.failed ? NULL : json_stringn(letters.text, letters.length);
    strbuf_free(&letters);
    return value;
}

static json_t *model_json(const tokenizer *t)
{
    json_t *vocabulary = json_object(), *merges = json_array();
    for (size_t id = 0; id < t->count; id++) {
        strbuf letters = strbuf_new(NULL, 1 << 24);
        bool added = false;
        for (size_t i = 0; i < t->added_count; i++)
            added = added || t->added[i].id == (int32_t)id;
        if (added)
            strbuf_add_slice(&letters, t->tokens[id]);
        else
            tokenizer_bytes_to_letters(t->tokens[id], &letters);
        if (!letters.failed)
            json_object_set_new(vocabulary, letters.text, json_integer((json_int_t)id));
        strbuf_free(&letters);
    }
    for (size_t i = 0; i < t->merge_count; i++)
        json_array_append_new(merges, json_pack("[o, o]", letters_json(t->tokens[t->merges[i].left]),
                                                letters_json(t->tokens[t->merges[i].right])));
    return json_pack("{s:s, s:n, s:n, s:n, s:n, s:b, s:b, s:b, s:o, s:o}", "type", "BPE", "dropout", "unk_token",
                     "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 0, "byte_fallback", 0,
                     "ignore_merges", (int)t->ignore_merges, "vocab", vocabulary, "merges", merges);
}

static int by_id(const void *a, const void *b)
{
    return ((const added_token *)a)->id - ((const added_token *)b)->id;
}

static json_t *added_json(const tokenizer *t)
{
    json_t *list = json_array();
    added_token *added = memory_alloc((t->added_count + 1) * sizeof *added);
    if (!added)
        return list; /* found out by its length */
    if (t->added_count) {
        memcpy(added, t->added, t->added_count * sizeof *added);
        qsort(added, t->added_count, sizeof *added, by_id);
    }
    for (size_t i = 0; i < t->added_count; i++)
        json_array_append_new(
            list, json_pack("{s:i, s:s%, s:b, s:b, s:b, s:b, s:b}", "id", added[i].id, "content", added[i].text.text,
                            added[i].text.length, "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special",
                            (int)added[i].special));
    memory_free(added);
    return list;
}

static json_t *cut_json(const tokenizer *t)
{
    bool plain = strcmp(t->pattern, TOKENIZER_PATTERN_GPT2) == 0;
    json_t *bytes = json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0, "trim_offsets", 1,
                              "use_regex", (int)plain);
    if (plain)
        return bytes;
    return json_pack("{s:s, s:[{s:s, s:{s:s}, s:s, s:b}, o]}", "type", "Sequence", "pretokenizers", "type", "Split",
                     "pattern", "Regex", t->pattern, "behavior", "Isolated", "invert", 0, bytes);
}

status tokenizer_print(const tokenizer *t, strbuf *out, error *err)
{
    if (!t->pattern && !t->source.text)
        return error_set(err, STATUS_UNSUPPORTED, "a tokenizer that was not read from tokenizer.json cannot be written as one");
    if (!t->pattern) {
        strbuf_add_slice(out, t->source);
        return out->failed ? error_set(err, STATUS_MEMORY, "out of memory while writing the tokenizer") : STATUS_OK;
    }
    json_t *added = added_json(t), *model = model_json(t);
    bool whole = json_array_size(added) == t->added_count &&
                 json_object_size(json_object_get(model, "vocab")) == t->count &&
                 json_array_size(json_object_get(model, "merges")) == t->merge_count;
    json_t *root = json_pack("{s:s, s:n, s:n, s:o, s:n, s:o, s:n, s:{s:s, s:b, s:b, s:b}, s:o}", "version", "1.0",
                             "truncation", "padding", "added_tokens", added, "normalizer", "pre_tokenizer", cut_json(t),
                             "post_processor", "decoder", "type", "ByteLevel", "add_prefix_space", 1, "trim_offsets", 1,
                             "use_regex", 1, "model", model);
    status result = root && whole ? jsonio_print(root, 1, out, err)
                                  : error_set(err, STATUS_MEMORY, "out of memory while writing the tokenizer");
    json_decref(root);
    if (result == STATUS_OK)
        strbuf_add_char(out, '\n');
    return result == STATUS_OK && out->failed ? error_set(err, STATUS_MEMORY, "out of memory while writing the tokenizer")
                                              : result;
}

status tokenizer_write(const tokenizer *t, const char *path, error *err)
{
    strbuf text = strbuf_new(NULL, TOKENIZER_FILE_LIMIT);
    status result = tokenizer_print(t, &text, err);
    if (result == STATUS_OK)
        result = file_write(path, strbuf_slice(&text), err);
    strbuf_free(&text);
    return result;
}

status tokenizer_fingerprint(const tokenizer *t, strbuf *out, error *err)
{
    char hex[SHA256_HEX];
    if (t->pattern)
        return tokenizer_print(t, out, err);
    sha256_hex(t->digest, hex);
    strbuf_printf(out, "tokenizer %s\n", hex);
    return out->failed ? error_set(err, STATUS_MEMORY, "out of memory while writing the tokenizer") : STATUS_OK;
}
