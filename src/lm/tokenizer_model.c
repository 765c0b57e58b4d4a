/* The model of tokenizer.json: vocabulary, merges, scores. */
#include "lm/tokenizer_internal.h"

#include "core/jsonio.h"

#include <math.h>
#include <string.h>

enum { AFFIX_LIMIT = 100, GAPS = 1024 };

/* ---- vocabulary ---- */

/* The key of a token of the file: its bytes where the model works on bytes and the text is written in their letters. */
static status make_key(tokenizer *t, slice text, slice *key, bool *reachable, error *err)
{
    char *copy = arena_alloc(t->arena, text.length + 1);
    if (!copy)
        return tokenizer_out_of_memory(t->name, err);
    *reachable = true;
    *key = (slice){copy, text.length};
    if (t->bytes && tokenizer_letters_to_bytes(text, copy, &key->length))
        return STATUS_OK;
    *reachable = !t->bytes;
    memcpy(copy, text.text, text.length);
    key->length = text.length;
    return STATUS_OK;
}

status tokenizer_set_token(tokenizer *t, int64_t id, slice text, unsigned char marks, error *err)
{
    if (id < 0 || (size_t)id >= t->count)
        return error_set(err, STATUS_UNSUPPORTED, "%s: the id %lld of a token lies outside of 0 to %zu", t->name, (long long)id, t->count - 1);
    if (t->tokens[id].text)
        return error_set(err, STATUS_INVALID, "%s: two tokens have the id %lld", t->name, (long long)id);
    bool reachable = true;
    TRY(make_key(t, text, &t->tokens[id], &reachable, err));
    t->marks[id] = reachable ? marks : (unsigned char)(marks & ~MARK_MODEL);
    return STATUS_OK;
}

/* {"token": id, ...} */
static status read_object(tokenizer *t, const json_t *vocabulary, error *err)
{
    for (void *i = json_object_iter((json_t *)vocabulary); i; i = json_object_iter_next((json_t *)vocabulary, i)) {
        slice text = {json_object_iter_key(i), json_object_iter_key_len(i)};
        const json_t *id = json_object_iter_value(i);
        if (!json_is_integer(id))
            return error_set(err, STATUS_INVALID, "%s: the id of \"%s\" is not an integer", t->name, text.text);
        TRY(tokenizer_set_token(t, json_integer_value(id), text, MARK_MODEL, err));
    }
    return STATUS_OK;
}

/* A score as the reference reads it from its shortest decimal form: digits as one number, divided by a power of ten. That
 * rounds twice, and which of two equally good ways to write a word wins can hang on the last bit. */
static double read_score(double value)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*e", digits - 1, value);
        if (strtod(text, NULL) == value)
            break;
    }
    uint64_t number = 0;
    int after = 0, scale = 0;
    char *power = strchr(text, 'e');
    if (!power || value == 0)
        return value;
    while (power[-1] == '0') /* the shortest has no zeros at its end */
        memmove(power - 1, power, strlen(power) + 1), power--;
    for (const char *p = text; p < power; p++) {
        if (*p >= '0' && *p <= '9')
            number = 10 * number + (uint64_t)(*p - '0');
        after += *p >= '0' && *p <= '9' && strchr(text, '.') && p > strchr(text, '.');
    }
    scale = (int)strtol(power + 1, NULL, 10) - after;
    double result = scale < 0 ? (double)number / pow(10, -scale) : (double)number * pow(10, scale);
    return value < 0 ? -result : result;
}

/* [["token", score], ...]: the id is the place */
static status read_scores(tokenizer *t, const json_t *vocabulary, error *err)
{
    t->scores = ARENA_ARRAY(t->arena, double, t->count + 1);
    if (!t->scores)
        return tokenizer_out_of_memory(t->name, err);
    for (size_t i = 0; i < json_array_size(vocabulary); i++) {
        const json_t *entry = json_array_get(vocabulary, i), *text = json_array_get(entry, 0), *score = json_array_get(entry, 1);
        if (!json_is_string(text) || !json_is_number(score))
            return error_set(err, STATUS_INVALID, "%s: entry %zu of the vocabulary is not [token, score]", t->name, i);
        t->scores[i] = read_score(json_number_value(score));
        TRY(tokenizer_set_token(t, (int64_t)i, (slice){json_string_value(text), json_string_length(text)}, MARK_MODEL, err));
    }
    return STATUS_OK;
}

static int64_t largest_id(const json_t *vocabulary, const json_t *added)
{
    int64_t most = json_is_array(vocabulary) ? (int64_t)json_array_size(vocabulary) - 1 : -1;
    const char *key;
    json_t *value;
    size_t i;
    if (json_is_object(vocabulary))
        json_object_foreach((json_t *)vocabulary, key, value) most =
            json_integer_value(value) > most ? json_integer_value(value) : most;
    json_array_foreach((json_t *)added, i, value)
    {
        json_int_t id = json_integer_value(json_object_get(value, "id"));
        most = id > most ? id : most;
    }
    return most;
}

/* An added token that the model knows too has the model's id, whatever the file says: so does the reference. */
static int32_t known_id(const json_t *vocabulary, const tokenizer *t, slice text)
{
    if (json_is_object(vocabulary)) {
        const json_t *id = json_object_getn(vocabulary, text.text, text.length);
        return json_is_integer(id) ? (int32_t)json_integer_value(id) : -1;
    }
    return tokenizer_model_find(t, text, TOKENIZER_SPECIALS);
}

/* The id that the reference gives to the next added token that the model does not know: behind the model's, one by one.
 * A file with another id there was numbered by something else, and texts would get the wrong ids. */
static status check_new_id(tokenizer *t, int64_t id, int64_t entries, int64_t most, slice text, error *err)
{
    int64_t expected = most >= entries ? most + 1 : entries;
    if (id == expected)
        return STATUS_OK;
    return error_set(err, STATUS_UNSUPPORTED, "%s: the added token \"" SLICE_FORMAT "\" has the id %lld; behind a vocabulary of %lld "
                     "tokens the next is %lld", t->name, SLICE_ARGS(text), (long long)id, (long long)entries, (long long)expected);
}

static status read_one_added(tokenizer *t, const json_t *vocabulary, const json_t *entry, int64_t entries, int64_t *most,
                             error *err)
{
    const json_t *content = json_object_get(entry, "content");
    int64_t id;
    if (!json_is_string(content))
        return error_set(err, STATUS_INVALID, "%s: expected a text at \"content\"", t->name);
    TRY(jsonio_get_int(entry, "id", t->name, &id, err));
    slice text = {json_string_value(content), json_string_length(content)};
    if (text.length == 0)
        return error_set(err, STATUS_INVALID, "%s: the added token %lld is empty", t->name, (long long)id);
    text.text = slice_copy(t->arena, text);
    if (!text.text)
        return tokenizer_out_of_memory(t->name, err);
    int32_t known = known_id(vocabulary, t, text);
    if (known < 0 && id >= 0 && (size_t)id < t->count && t->tokens[id].text && slice_equal(t->tokens[id], text))
        known = (int32_t)id; /* said twice */
    if (known >= 0) {
        id = known;
    } else {
        TRY(check_new_id(t, id, entries, *most, text, err));
        TRY(tokenizer_set_token(t, id, text, 0, err));
        t->tokens[id] = text; /* as written: no letters of bytes */
    }
    *most = id > *most ? id : *most;
    added_token a = {.text = text, .id = (int32_t)id};
    const struct {
        const char *key;
        bool *flag;
    } flags[] = {{"special", &a.special}, {"single_word", &a.single_word}, {"lstrip", &a.lstrip}, {"rstrip", &a.rstrip},
                 {"normalized", &a.normalized}};
    for (size_t i = 0; i < COUNT_OF(flags); i++)
        *flags[i].flag = json_is_true(json_object_get(entry, flags[i].key));
    if (a.special)
        t->marks[id] |= MARK_SPECIAL;
    return tokenizer_add_added(t, a, err);
}

static status read_vocabulary(tokenizer *t, const json_t *model, const json_t *added, error *err)
{
    const json_t *vocabulary = json_object_get(model, "vocab");
    if (!json_is_object(vocabulary) && !json_is_array(vocabulary))
        return error_set(err, STATUS_INVALID, "%s: expected an object or a list at \"vocab\"", t->name);
    bool scores = json_is_array(vocabulary);
    if (scores != (t->model == tokenizer_unigram))
        return error_set(err, STATUS_INVALID, "%s: \"vocab\" is %s", t->name,
                         scores ? "a list, which only Unigram has" : "no list of [token, score], as Unigram needs it");
    size_t entries = scores ? json_array_size(vocabulary) : json_object_size(vocabulary), all = entries + json_array_size(added);
    int64_t largest = largest_id(vocabulary, added), most = -1;
    if (largest < 0 || (uint64_t)largest >= 2 * all + GAPS) /* a few ids may be nobody's */
        return error_set(err, STATUS_UNSUPPORTED, "%s: the largest id is %lld for %zu tokens", t->name, (long long)largest, all);
    TRY(tokenizer_room(t, (size_t)largest + 1, err));
    TRY(scores ? read_scores(t, vocabulary, err) : read_object(t, vocabulary, err));
    if (scores)
        TRY(tokenizer_index(t, err));
    for (size_t i = 0; i < json_array_size(added); i++)
        TRY(read_one_added(t, vocabulary, json_array_get(added, i), (int64_t)entries, &most, err));
    return tokenizer_index(t, err);
}

/* ---- merges ---- */

static status merge_missing(tokenizer *t, size_t index, slice left, slice right, error *err)
{
    return error_set(err, STATUS_INVALID, "%s: merge %zu (\"" SLICE_FORMAT "\", \"" SLICE_FORMAT
                     "\") names a token that is not in the vocabulary", t->name, index, SLICE_ARGS(left), SLICE_ARGS(right));
}

/* Looks the two tokens and what they become up; `room` holds the bytes of all. */
status tokenizer_add_merge(tokenizer *t, size_t index, slice left, slice right, strbuf *room, error *err)
{
    slice parts[2] = {left, right};
    bool reachable = true;
    strbuf_clear(room);
    for (size_t i = 0; i < 2 && t->bytes; i++) {
        size_t start = room->length, count = 0;
        for (size_t k = 0; k < parts[i].length; k++)
            strbuf_add_char(room, 0);
        if (room->failed)
            return tokenizer_out_of_memory(t->name, err);
        reachable = parts[i].length && tokenizer_letters_to_bytes(parts[i], room->text + start, &count) && reachable;
        room->length = start + count;
        parts[i].length = count;
    }
    if (!reachable) /* no text has those letters: such a merge never happens */
        return tokenizer_find(t, left) >= 0 && tokenizer_find(t, right) >= 0 ? STATUS_OK
                                                                              : merge_missing(t, index, left, right, err);
    if (!t->bytes) {
        strbuf_add_slice(room, left);
        strbuf_add_slice(room, right);
    }
    if (room->failed)
        return tokenizer_out_of_memory(t->name, err);
    slice all = strbuf_slice(room), a = slice_sub(all, 0, parts[0].length), b = slice_sub(all, a.length, all.length);
    merge m = {tokenizer_model_find(t, a, TOKENIZER_SPECIALS), tokenizer_model_find(t, b, TOKENIZER_SPECIALS), -1};
    if (t->prefix.length && b.length >= t->prefix.length) { /* the inside mark of the right part goes */
        memmove(room->text + a.length, room->text + a.length + t->prefix.length, b.length - t->prefix.length);
        all.length -= t->prefix.length;
    }
    m.result = tokenizer_model_find(t, all, TOKENIZER_SPECIALS);
    if (m.left < 0 || m.right < 0 || m.result < 0)
        return merge_missing(t, index, left, right, err);
    t->merges[t->merge_count++] = m;
    return STATUS_OK;
}

/* A merge is "left right" or ["left", "right"]. */
static status read_merges(tokenizer *t, const json_t *merges, error *err)
{
    strbuf room = strbuf_new(NULL, 1 << 24);
    status result = STATUS_OK;
    t->merges = ARENA_ARRAY(t->arena, merge, json_array_size(merges) + 1);
    if (!t->merges)
        result = tokenizer_out_of_memory(t->name, err);
    for (size_t i = 0; result == STATUS_OK && i < json_array_size(merges); i++) {
        const json_t *entry = json_array_get(merges, i), *a = json_array_get(entry, 0), *b = json_array_get(entry, 1);
        slice left = {json_string_value(a), json_string_length(a)}, right = {json_string_value(b), json_string_length(b)};
        if (json_is_string(entry)) {
            right = (slice){json_string_value(entry), json_string_length(entry)};
            if (!slice_cut(&right, ' ', &left) || !right.text)
                left.text = NULL;
        }
        if (!left.text || !right.text)
            result = error_set(err, STATUS_INVALID, "%s: merge %zu is not a pair of tokens", t->name, i);
        else
            result = tokenizer_add_merge(t, i, left, right, &room, err);
    }
    strbuf_free(&room);
    return result;
}

/* ---- models ---- */

static bool flag_of(const json_t *model, const char *key)
{
    return json_is_true(json_object_get(model, key));
}

static status affix_of(tokenizer *t, const json_t *model, const char *key, const char *fallback, slice *out, error *err)
{
    const char *text = json_string_value(json_object_get(model, key));
    *out = slice_of(arena_strdup(t->arena, text ? text : fallback));
    if (!out->text)
        return tokenizer_out_of_memory(t->name, err);
    if (out->length > AFFIX_LIMIT)
        return error_set(err, STATUS_UNSUPPORTED, "%s: \"%s\" has %zu bytes; at most %d are supported", t->name, key, out->length,
                         AFFIX_LIMIT);
    return STATUS_OK;
}

static status unknown_of(tokenizer *t, const json_t *model, bool needed, error *err)
{
    const char *text = json_string_value(json_object_get(model, "unk_token"));
    if (!text || (t->model == tokenizer_bpe && !*text))
        return needed ? error_set(err, STATUS_INVALID, "%s: expected a text at \"unk_token\"", t->name) : STATUS_OK;
    bool reachable;
    slice key;
    TRY(make_key(t, slice_of(text), &key, &reachable, err));
    t->unknown = tokenizer_model_find(t, key, TOKENIZER_SPECIALS);
    if (t->unknown < 0) /* told when it is needed: files of byte-level models often name one that they have not */
        t->unknown = UNKNOWN_MISSING;
    return STATUS_OK;
}

static status read_bpe(tokenizer *t, const json_t *model, const json_t *added, error *err)
{
    const json_t *merges, *dropout = json_object_get(model, "dropout");
    if (!tokenizer_absent(dropout) && json_number_value(dropout) != 0)
        return tokenizer_unsupported(t->name, "model", "one with dropout", err);
    TRY(affix_of(t, model, "continuing_subword_prefix", "", &t->prefix, err));
    TRY(affix_of(t, model, "end_of_word_suffix", "", &t->suffix, err));
    t->byte_fallback = flag_of(model, "byte_fallback");
    t->fuse_unknown = flag_of(model, "fuse_unk");
    t->ignore_merges = flag_of(model, "ignore_merges");
    TRY(read_vocabulary(t, model, added, err));
    TRY(jsonio_get_array(model, "merges", t->name, &merges, err));
    if (t->byte_fallback)
        tokenizer_find_bytes(t);
    TRY(unknown_of(t, model, false, err));
    return read_merges(t, merges, err);
}

static status read_unigram(tokenizer *t, const json_t *model, const json_t *added, error *err)
{
    const json_t *unknown = json_object_get(model, "unk_id");
    t->byte_fallback = flag_of(model, "byte_fallback");
    TRY(read_vocabulary(t, model, added, err));
    if (json_is_integer(unknown)) {
        if (json_integer_value(unknown) < 0 || (size_t)json_integer_value(unknown) >= t->count)
            return error_set(err, STATUS_INVALID, "%s: \"unk_id\" is %lld, but there are %zu tokens", t->name,
                             (long long)json_integer_value(unknown), t->count);
        t->unknown = (int32_t)json_integer_value(unknown);
    }
    if (t->byte_fallback)
        tokenizer_find_bytes(t);
    return tokenizer_unigram_finish(t, err);
}

static status read_wordpiece(tokenizer *t, const json_t *model, const json_t *added, error *err)
{
    const json_t *most = json_object_get(model, "max_input_chars_per_word");
    TRY(affix_of(t, model, "continuing_subword_prefix", "##", &t->prefix, err));
    if (!tokenizer_absent(most) && (!json_is_integer(most) || json_integer_value(most) < 0))
        return error_set(err, STATUS_INVALID, "%s: \"max_input_chars_per_word\" is no number from 0", t->name);
    t->longest_word = tokenizer_absent(most) ? 100 : (size_t)json_integer_value(most);
    TRY(read_vocabulary(t, model, added, err));
    return unknown_of(t, model, true, err);
}

static status read_wordlevel(tokenizer *t, const json_t *model, const json_t *added, error *err)
{
    TRY(read_vocabulary(t, model, added, err));
    return unknown_of(t, model, true, err);
}

static const struct {
    const char *type;
    status (*model)(const tokenizer *t, slice piece, unsigned flags, token_list *out, error *err);
    status (*read)(tokenizer *t, const json_t *model, const json_t *added, error *err);
} models[] = {
    {"BPE", tokenizer_bpe, read_bpe},
    {"Unigram", tokenizer_unigram, read_unigram},
    {"WordPiece", tokenizer_wordpiece, read_wordpiece},
    {"WordLevel", tokenizer_wordlevel, read_wordlevel},
};

const char *tokenizer_model_type(const json_t *model)
{
    const char *type = json_string_value(json_object_get(model, "type"));
    if (type)
        return type;
    if (json_object_get(model, "merges")) /* old files do not say */
        return "BPE";
    if (json_is_array(json_object_get(model, "vocab")))
        return "Unigram";
    return json_object_get(model, "max_input_chars_per_word") ? "WordPiece" : "WordLevel";
}

status tokenizer_read_model(tokenizer *t, const json_t *model, const json_t *added, error *err)
{
    const char *type = tokenizer_model_type(model);
    for (size_t i = 0; i < COUNT_OF(models); i++)
        if (strcmp(models[i].type, type) == 0) {
            t->model = models[i].model;
            return models[i].read(t, model, added, err);
        }
    return tokenizer_unsupported(t->name, "model", type, err);
}
