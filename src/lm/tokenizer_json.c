/* tokenizer.json, in and out. */
#include "lm/tokenizer_internal.h"

#include "core/file.h"
#include "core/jsonio.h"

#include <string.h>

enum { FILE_LIMIT = 256 << 20 };

static status out_of_memory(const char *name, error *err)
{
    return error_set(err, STATUS_MEMORY, "%s: out of memory", name);
}

static status unsupported(const char *name, const char *part, const char *found, error *err)
{
    error_set(err, STATUS_UNSUPPORTED, "%s: %s is %s, which is not supported", name, part, found);
    return error_hint(err, "only byte-level BPE tokenizers without a normalizer can be read");
}

/* Letters of the file back to bytes. */
static status letters_to_bytes(arena *a, const char *text, const char *name, slice *out, error *err)
{
    static _Thread_local int16_t table[512];
    static _Thread_local bool ready;
    if (!ready) {
        memset(table, 0xff, sizeof table);
        for (int b = 0; b < 256; b++)
            table[tokenizer_byte_letter((unsigned char)b)] = (int16_t)b;
        ready = true;
    }
    slice letters = slice_of(text);
    char *bytes = arena_alloc(a, letters.length + 1);
    if (!bytes)
        return out_of_memory(name, err);
    size_t count = 0;
    for (size_t at = 0; at < letters.length;) {
        uint32_t letter = utf8_next(letters, &at);
        if (letter >= 512 || table[letter] < 0)
            return error_set(err, STATUS_UNSUPPORTED, "%s: the token \"%s\" is not written in the letters of byte-level BPE",
                             name, text);
        bytes[count++] = (char)table[letter];
    }
    *out = (slice){bytes, count};
    return STATUS_OK;
}

static void bytes_to_letters(slice bytes, strbuf *out)
{
    for (size_t i = 0; i < bytes.length; i++)
        strbuf_add_utf8(out, tokenizer_byte_letter((unsigned char)bytes.text[i]));
}

/* ---- reading ---- */

static bool absent(const json_t *value)
{
    return !value || json_is_null(value);
}

static const char *type_of(const json_t *object)
{
    const char *type = json_string_value(json_object_get(object, "type"));
    return type ? type : "of no type";
}

/* {"type": "Split", "pattern": {"Regex": ...}, "behavior": "Isolated", "invert": false} */
static status read_split(tokenizer *t, const json_t *part, const char *name, error *err)
{
    const char *pattern = json_string_value(json_object_get(json_object_get(part, "pattern"), "Regex"));
    const char *behavior = json_string_value(json_object_get(part, "behavior"));
    if (!pattern)
        return unsupported(name, "pre_tokenizer Split", "without a regular expression", err);
    if (!behavior || strcmp(behavior, "Isolated") != 0 || json_is_true(json_object_get(part, "invert")))
        return unsupported(name, "pre_tokenizer Split", "other than \"Isolated\", not inverted", err);
    t->pattern = arena_strdup(t->arena, pattern);
    return t->pattern ? STATUS_OK : out_of_memory(name, err);
}

static status read_byte_level(tokenizer *t, const json_t *part, const char *name, error *err)
{
    if (json_is_true(json_object_get(part, "add_prefix_space")))
        return unsupported(name, "pre_tokenizer ByteLevel", "with add_prefix_space", err);
    const json_t *use = json_object_get(part, "use_regex"); /* true where it is not said */
    if (json_is_false(use))
        return t->pattern ? STATUS_OK : unsupported(name, "pre_tokenizer", "without a pattern", err);
    if (t->pattern)
        return unsupported(name, "pre_tokenizer", "one with two patterns", err);
    t->pattern = TOKENIZER_PATTERN_GPT2;
    return STATUS_OK;
}

static status read_cut(tokenizer *t, const json_t *part, const char *name, error *err)
{
    const char *type = type_of(part);
    if (strcmp(type, "ByteLevel") == 0)
        return read_byte_level(t, part, name, err);
    if (strcmp(type, "Sequence") != 0)
        return unsupported(name, "pre_tokenizer", type, err);
    const json_t *parts;
    TRY(jsonio_get_array(part, "pretokenizers", name, &parts, err));
    if (json_array_size(parts) != 2 || strcmp(type_of(json_array_get(parts, 0)), "Split") != 0 ||
        strcmp(type_of(json_array_get(parts, 1)), "ByteLevel") != 0)
        return unsupported(name, "pre_tokenizer", "a sequence other than Split, ByteLevel", err);
    TRY(read_split(t, json_array_get(parts, 0), name, err));
    return read_byte_level(t, json_array_get(parts, 1), name, err);
}

static status set_token(tokenizer *t, int64_t id, slice bytes, bool special, const char *name, error *err)
{
    if (id < 0 || (size_t)id >= t->count)
        return error_set(err, STATUS_UNSUPPORTED, "%s: the id %lld of a token lies outside of 0 to %zu: ids must have no gaps",
                         name, (long long)id, t->count - 1);
    t->tokens[id] = bytes;
    t->special[id] = special;
    return STATUS_OK;
}

static status read_vocabulary(tokenizer *t, const json_t *vocabulary, const char *name, error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)vocabulary, key, value)
    {
        if (!json_is_integer(value))
            return error_set(err, STATUS_INVALID, "%s: the id of \"%s\" is not an integer", name, key);
        slice bytes;
        int64_t id = json_integer_value(value);
        bool added = false; /* special tokens may stand in the vocabulary too, in plain letters */
        for (size_t i = 0; i < t->added_count && !added; i++)
            added = t->added[i].id == id && slice_is(t->added[i].text, key);
        if (added)
            continue;
        TRY(letters_to_bytes(t->arena, key, name, &bytes, err));
        if (id >= 0 && (size_t)id < t->count && t->tokens[id].text)
            return error_set(err, STATUS_INVALID, "%s: two tokens have the id %lld", name, (long long)id);
        TRY(set_token(t, id, bytes, false, name, err));
    }
    return STATUS_OK;
}

static status read_added(tokenizer *t, const json_t *added, const char *name, error *err)
{
    static const char *const flags[] = {"single_word", "lstrip", "rstrip"};
    size_t i;
    json_t *entry;
    t->added = ARENA_ARRAY(t->arena, added_token, json_array_size(added) + 1);
    if (!t->added)
        return out_of_memory(name, err);
    json_array_foreach((json_t *)added, i, entry)
    {
        const char *content;
        int64_t id;
        TRY(jsonio_get_string(entry, "content", name, &content, err));
        TRY(jsonio_get_int(entry, "id", name, &id, err));
        for (size_t k = 0; k < COUNT_OF(flags); k++)
            if (json_is_true(json_object_get(entry, flags[k])))
                return unsupported(name, content, flags[k], err);
        slice text = slice_of(arena_strdup(t->arena, content));
        if (!text.text)
            return out_of_memory(name, err);
        if (text.length == 0)
            return error_set(err, STATUS_INVALID, "%s: the added token %lld is empty", name, (long long)id);
        bool special = json_is_true(json_object_get(entry, "special"));
        TRY(set_token(t, id, text, special, name, err));
        t->added[t->added_count++] = (added_token){text, (int32_t)id, special};
    }
    return STATUS_OK;
}

/* A merge is "left right" or ["left", "right"]. */
static status read_merge(tokenizer *t, arena *scratch, const json_t *entry, size_t index, const char *name, error *err)
{
    const char *left = json_string_value(json_array_get(entry, 0)), *right = json_string_value(json_array_get(entry, 1));
    if (json_is_string(entry)) {
        const char *text = json_string_value(entry), *space = strchr(text, ' ');
        if (space) {
            left = arena_strndup(scratch, text, (size_t)(space - text));
            right = space + 1;
        }
    }
    if (!left || !right)
        return error_set(err, STATUS_INVALID, "%s: merge %zu is not a pair of tokens", name, index);
    slice a, b;
    TRY(letters_to_bytes(scratch, left, name, &a, err));
    TRY(letters_to_bytes(scratch, right, name, &b, err));
    char *both = arena_alloc(scratch, a.length + b.length + 1);
    if (!both)
        return out_of_memory(name, err);
    memcpy(both, a.text, a.length);
    memcpy(both + a.length, b.text, b.length);
    merge m = {tokenizer_find(t, a), tokenizer_find(t, b), tokenizer_find(t, (slice){both, a.length + b.length})};
    if (m.left < 0 || m.right < 0 || m.result < 0)
        return error_set(err, STATUS_INVALID, "%s: merge %zu (\"%s\", \"%s\") names a token that is not in the vocabulary",
                         name, index, left, right);
    t->merges[t->merge_count++] = m;
    return STATUS_OK;
}

static status read_merges(tokenizer *t, const json_t *merges, const char *name, error *err)
{
    /* The table of tokens is needed to look them up: build it without merges first. */
    arena *scratch = arena_new(NULL);
    arena *first = arena_new(NULL);
    tokenizer look = *t;
    look.arena = first;
    look.merges = ARENA_ARRAY(t->arena, merge, json_array_size(merges) + 1);
    look.merge_count = 0;
    status result = look.merges && scratch && first ? tokenizer_finish(&look, name, err) : out_of_memory(name, err);
    size_t i;
    json_t *entry;
    json_array_foreach((json_t *)merges, i, entry)
    {
        if (result == STATUS_OK)
            result = read_merge(&look, scratch, entry, i, name, err);
    }
    t->merges = look.merges;
    t->merge_count = look.merge_count;
    arena_free(scratch);
    arena_free(first);
    return result;
}

static status read_model(tokenizer *t, const json_t *model, const json_t *added, const char *name, error *err)
{
    const char *type = type_of(model);
    const json_t *vocabulary, *merges;
    if (strcmp(type, "BPE") != 0)
        return unsupported(name, "model", type, err);
    static const char *const without[] = {"dropout", "continuing_subword_prefix", "end_of_word_suffix"};
    for (size_t i = 0; i < COUNT_OF(without); i++) {
        const json_t *value = json_object_get(model, without[i]);
        if (!absent(value) && !(json_is_string(value) && json_string_length(value) == 0))
            return unsupported(name, "model", without[i], err);
    }
    if (json_is_true(json_object_get(model, "byte_fallback")))
        return unsupported(name, "model", "one with byte_fallback", err);
    t->ignore_merges = json_is_true(json_object_get(model, "ignore_merges"));
    TRY(jsonio_get_object(model, "vocab", name, &vocabulary, err));
    TRY(jsonio_get_array(model, "merges", name, &merges, err));
    int64_t most = -1; /* ids without gaps: as many as the largest says */
    const char *key;
    json_t *value;
    size_t i;
    json_object_foreach((json_t *)vocabulary, key, value) most =
        json_integer_value(value) > most ? json_integer_value(value) : most;
    json_array_foreach((json_t *)added, i, value)
    {
        json_int_t id = json_integer_value(json_object_get(value, "id"));
        most = id > most ? id : most;
    }
    if (most < 0 || (uint64_t)most >= json_object_size(vocabulary) + json_array_size(added))
        return error_set(err, STATUS_UNSUPPORTED, "%s: the largest id is %lld for %zu tokens: ids must have no gaps", name,
                         (long long)most, json_object_size(vocabulary) + json_array_size(added));
    t->count = (size_t)most + 1;
    t->tokens = ARENA_ARRAY(t->arena, slice, t->count);
    t->special = ARENA_ARRAY(t->arena, bool, t->count);
    if (!t->tokens || !t->special)
        return out_of_memory(name, err);
    TRY(read_added(t, added, name, err));
    TRY(read_vocabulary(t, vocabulary, name, err));
    for (size_t id = 0; id < t->count; id++)
        if (!t->tokens[id].text)
            return error_set(err, STATUS_UNSUPPORTED, "%s: no token has the id %zu: ids must have no gaps", name, id);
    return read_merges(t, merges, name, err);
}

static status read_file(tokenizer *t, const json_t *root, const char *name, error *err)
{
    /* Parts that add tokens around a text are not run: encoding adds none. */
    static const char *const harmless[] = {"ByteLevel", "TemplateProcessing", "Sequence"};
    const json_t *model, *cut, *added = json_object_get(root, "added_tokens");
    if (!absent(json_object_get(root, "normalizer")))
        return unsupported(name, "normalizer", type_of(json_object_get(root, "normalizer")), err);
    const json_t *after = json_object_get(root, "post_processor");
    bool known = absent(after);
    for (size_t i = 0; i < COUNT_OF(harmless); i++)
        known = known || strcmp(type_of(after), harmless[i]) == 0;
    if (!known)
        return unsupported(name, "post_processor", type_of(after), err);
    const json_t *decoder = json_object_get(root, "decoder");
    if (!absent(decoder) && strcmp(type_of(decoder), "ByteLevel") != 0)
        return unsupported(name, "decoder", type_of(decoder), err);
    TRY(jsonio_get_object(root, "model", name, &model, err));
    TRY(jsonio_get_object(root, "pre_tokenizer", name, &cut, err));
    if (!absent(added) && !json_is_array(added))
        return error_set(err, STATUS_INVALID, "%s: expected a list at \"added_tokens\"", name);
    TRY(read_cut(t, cut, name, err));
    TRY(read_model(t, model, added, name, err));
    return tokenizer_finish(t, name, err);
}

status tokenizer_parse(arena *a, slice text, const char *name, tokenizer **out, error *err)
{
    *out = NULL;
    json_t *root;
    TRY(jsonio_parse(text, name, &root, err));
    tokenizer *t = ARENA_NEW(a, tokenizer);
    status result = t ? STATUS_OK : out_of_memory(name, err);
    if (t) {
        t->arena = a;
        result = read_file(t, root, name, err);
    }
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
    status result = file_read(scratch, path, FILE_LIMIT, &text, err);
    if (result == STATUS_OK)
        result = tokenizer_parse(a, text, path, out, err);
    arena_free(scratch);
    return result;
}

/* ---- writing ---- */

static json_t *letters_json(slice bytes)
{
    strbuf letters = strbuf_new(NULL, 1 << 24);
    bytes_to_letters(bytes, &letters);
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
            bytes_to_letters(t->tokens[id], &letters);
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
    strbuf text = strbuf_new(NULL, FILE_LIMIT);
    status result = tokenizer_print(t, &text, err);
    if (result == STATUS_OK)
        result = file_write(path, strbuf_slice(&text), err);
    strbuf_free(&text);
    return result;
}
