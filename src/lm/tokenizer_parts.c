/* The parts of tokenizer.json in front of the model: normalizers and pre-tokenizers, each a table by the type's name. And
 * what the readers of all parts stand on. */
#include "lm/tokenizer_parts.h"

#include "core/jsonio.h"

#include <sodium.h>
#include <string.h>

enum { NESTING = 16 };

bool tokenizer_absent(const json_t *value)
{
    return !value || json_is_null(value);
}

const char *tokenizer_type(const json_t *object)
{
    const char *type = json_string_value(json_object_get(object, "type"));
    return type ? type : "of no type";
}

status part_read(tokenizer *t, const json_t *part, const part_kind *kinds, size_t count, const char *what, int depth,
                        error *err)
{
    if (tokenizer_absent(part))
        return STATUS_OK;
    if (depth > NESTING)
        return error_set(err, STATUS_UNSUPPORTED, "%s: sequences of %ss are nested more than %d deep", t->name, what, NESTING);
    for (size_t i = 0; i < count; i++)
        if (strcmp(kinds[i].type, tokenizer_type(part)) == 0)
            return kinds[i].read(t, part, depth, err);
    return tokenizer_unsupported(t->name, what, tokenizer_type(part), err);
}

bool part_flag(const json_t *part, const char *key, bool fallback)
{
    const json_t *value = json_object_get(part, key);
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

status part_text(tokenizer *t, const json_t *part, const char *key, slice *out, error *err)
{
    const json_t *value = json_object_get(part, key);
    *out = (slice){"", 0};
    if (!json_is_string(value))
        return STATUS_OK;
    slice s = {json_string_value(value), json_string_length(value)};
    *out = (slice){slice_copy(t->arena, s), s.length};
    return out->text ? STATUS_OK : tokenizer_out_of_memory(t->name, err);
}

status part_needed_text(tokenizer *t, const json_t *part, const char *key, slice *out, error *err)
{
    if (!json_is_string(json_object_get(part, key)))
        return error_set(err, STATUS_INVALID, "%s: %s: expected a text at \"%s\"", t->name, tokenizer_type(part), key);
    return part_text(t, part, key, out, err);
}

status part_number(tokenizer *t, const json_t *part, const char *key, size_t fallback, size_t *out, error *err)
{
    const json_t *value = json_object_get(part, key);
    *out = fallback;
    if (tokenizer_absent(value))
        return STATUS_OK;
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > INT32_MAX)
        return error_set(err, STATUS_INVALID, "%s: %s: expected a number from 0 at \"%s\"", t->name, tokenizer_type(part), key);
    *out = (size_t)json_integer_value(value);
    return STATUS_OK;
}

status part_pattern(tokenizer *t, const json_t *part, step *s, error *err)
{
    const json_t *pattern = json_object_get(part, "pattern");
    const char *expression = json_string_value(json_object_get(pattern, "Regex"));
    if (expression)
        return tokenizer_pattern(t, expression, &s->code, err);
    if (!json_is_string(json_object_get(pattern, "String")))
        return error_set(err, STATUS_INVALID, "%s: %s: expected {\"String\": ...} or {\"Regex\": ...} at \"pattern\"", t->name,
                         tokenizer_type(part));
    return part_text(t, pattern, "String", &s->text, err);
}

status part_list(tokenizer *t, const json_t *part, const char *key, const part_kind *kinds, size_t count,
                        const char *what, int depth, error *err)
{
    const json_t *parts;
    size_t i;
    json_t *one;
    TRY(jsonio_get_array(part, key, t->name, &parts, err));
    json_array_foreach((json_t *)parts, i, one)
    {
        TRY(part_read(t, one, kinds, count, what, depth + 1, err));
    }
    return STATUS_OK;
}

/* ---- normalizers ---- */

static status add_normalizer(tokenizer *t, step s, error *err)
{
    return tokenizer_add_step(t, &t->normalizers, s, err);
}

static status read_form(tokenizer *t, const json_t *part, int depth, error *err)
{
    (void)depth;
    const char *type = tokenizer_type(part);
    unsigned flags = (strchr(type, 'K') ? FORM_COMPATIBLE : 0u) | (type[strlen(type) - 1] == 'C' ? FORM_COMPOSE : 0u);
    return add_normalizer(t, (step){.flags = flags, .normalize = normalize_form}, err);
}

/* Those without settings. */
static status read_plain(tokenizer *t, const json_t *part, int depth, error *err)
{
    static const struct {
        const char *type;
        status (*normalize)(const step *s, slice in, normal_text *out, error *err);
    } plain[] = {{"Lowercase", normalize_lowercase},
                 {"StripAccents", normalize_strip_accents},
                 {"Nmt", normalize_nmt},
                 {"ByteLevel", normalize_byte_level}};
    (void)depth;
    for (size_t i = 0; i < COUNT_OF(plain); i++)
        if (strcmp(plain[i].type, tokenizer_type(part)) == 0)
            return add_normalizer(t, (step){.normalize = plain[i].normalize}, err);
    BUG("%s has settings", tokenizer_type(part));
}

static status read_strip(tokenizer *t, const json_t *part, int depth, error *err)
{
    (void)depth;
    return add_normalizer(t, (step){.start = part_flag(part, "strip_left", true), .stop = part_flag(part, "strip_right", true),
                                    .normalize = normalize_strip}, err);
}

static status read_replace(tokenizer *t, const json_t *part, int depth, error *err)
{
    step s = {.normalize = normalize_replace};
    (void)depth;
    TRY(part_pattern(t, part, &s, err));
    TRY(part_needed_text(t, part, "content", &s.content, err));
    return add_normalizer(t, s, err);
}

static status read_prepend(tokenizer *t, const json_t *part, int depth, error *err)
{
    step s = {.normalize = normalize_prepend};
    (void)depth;
    TRY(part_needed_text(t, part, "prepend", &s.text, err));
    return add_normalizer(t, s, err);
}

static status read_bert(tokenizer *t, const json_t *part, int depth, error *err)
{
    (void)depth;
    bool lower = part_flag(part, "lowercase", true);
    unsigned flags = (part_flag(part, "clean_text", true) ? BERT_CLEAN : 0u) |
                     (part_flag(part, "handle_chinese_chars", true) ? BERT_CHINESE : 0u) |
                     (part_flag(part, "strip_accents", lower) ? BERT_ACCENTS : 0u) | (lower ? BERT_LOWERCASE : 0u);
    return add_normalizer(t, (step){.flags = flags, .normalize = normalize_bert}, err);
}

static status read_precompiled(tokenizer *t, const json_t *part, int depth, error *err)
{
    step s = {.normalize = normalize_charsmap};
    slice coded;
    size_t length = 0;
    (void)depth;
    if (tokenizer_absent(json_object_get(part, "precompiled_charsmap")))
        return STATUS_OK; /* written so for models without a map */
    TRY(part_needed_text(t, part, "precompiled_charsmap", &coded, err));
    unsigned char *bytes = arena_alloc(t->arena, coded.length + 1);
    if (!bytes)
        return tokenizer_out_of_memory(t->name, err);
    if (sodium_base642bin(bytes, coded.length + 1, coded.text, coded.length, NULL, &length, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0)
        return error_set(err, STATUS_INVALID, "%s: the character map is not in base64", t->name);
    if (length == 0)
        return STATUS_OK;
    TRY(charsmap_read(t->arena, (slice){(const char *)bytes, length}, t->name, &s.map, err));
    return add_normalizer(t, s, err);
}

static status read_normalizers(tokenizer *t, const json_t *part, int depth, error *err);

static const part_kind normalizer_kinds[] = {
    {"NFC", read_form},          {"NFD", read_form},          {"NFKC", read_form},          {"NFKD", read_form},
    {"Lowercase", read_plain},   {"StripAccents", read_plain}, {"Nmt", read_plain},         {"ByteLevel", read_plain},
    {"Strip", read_strip},       {"Replace", read_replace},   {"Prepend", read_prepend},    {"BertNormalizer", read_bert},
    {"Precompiled", read_precompiled}, {"Sequence", read_normalizers},
};

static status read_normalizers(tokenizer *t, const json_t *part, int depth, error *err)
{
    return part_list(t, part, "normalizers", normalizer_kinds, COUNT_OF(normalizer_kinds), "normalizer", depth, err);
}

status tokenizer_read_normalizer(tokenizer *t, const json_t *part, error *err)
{
    return part_read(t, part, normalizer_kinds, COUNT_OF(normalizer_kinds), "normalizer", 0, err);
}

/* ---- pre-tokenizers ---- */

static status add_cutter(tokenizer *t, step s, error *err)
{
    return tokenizer_add_step(t, &t->cutters, s, err);
}

static status behavior_of(tokenizer *t, const json_t *part, split_behavior *out, error *err)
{
    static const struct {
        const char *word;
        split_behavior behavior;
    } words[] = {{"Removed", SPLIT_REMOVED},
                 {"Isolated", SPLIT_ISOLATED},
                 {"MergedWithPrevious", SPLIT_PREVIOUS},
                 {"MergedWithNext", SPLIT_NEXT},
                 {"Contiguous", SPLIT_CONTIGUOUS}};
    const char *word = json_string_value(json_object_get(part, "behavior"));
    for (size_t i = 0; word && i < COUNT_OF(words); i++)
        if (strcmp(words[i].word, word) == 0) {
            *out = words[i].behavior;
            return STATUS_OK;
        }
    return error_set(err, STATUS_UNSUPPORTED, "%s: %s with the behavior \"%s\"; expected Removed, Isolated, "
                     "MergedWithPrevious, MergedWithNext or Contiguous", t->name, tokenizer_type(part), word ? word : "");
}

static status read_split(tokenizer *t, const json_t *part, int depth, error *err)
{
    step s = {.flags = part_flag(part, "invert", false) ? CUT_INVERT : 0, .cut = cut_split};
    (void)depth;
    TRY(part_pattern(t, part, &s, err));
    TRY(behavior_of(t, part, &s.behavior, err));
    return add_cutter(t, s, err);
}

/* Letters are written only where the model works on letters: tokenizer_read_model decides. */
static status read_byte_level(tokenizer *t, const json_t *part, int depth, error *err)
{
    (void)depth;
    if (part_flag(part, "add_prefix_space", true))
        TRY(add_cutter(t, (step){.cut = cut_prefix_space}, err));
    if (part_flag(part, "use_regex", true)) {
        step s = {.behavior = SPLIT_ISOLATED, .cut = cut_split};
        TRY(tokenizer_pattern(t, TOKENIZER_PATTERN_GPT2, &s.code, err));
        TRY(add_cutter(t, s, err));
    }
    return add_cutter(t, (step){.cut = cut_to_letters}, err);
}

static status prepend_of(tokenizer *t, const json_t *part, prepend_scheme *out, error *err)
{
    static const char *const words[] = {"always", "first", "never"};
    const char *scheme = json_string_value(json_object_get(part, "prepend_scheme"));
    *out = PREPEND_ALWAYS;
    for (size_t i = 0; scheme && i < COUNT_OF(words); i++) {
        if (strcmp(words[i], scheme) == 0) {
            *out = (prepend_scheme)i;
            break;
        }
        if (i + 1 == COUNT_OF(words))
            return error_set(err, STATUS_UNSUPPORTED, "%s: Metaspace with the prepend_scheme \"%s\"; expected always, first or "
                             "never", t->name, scheme);
    }
    if (!part_flag(part, "add_prefix_space", true)) /* the old form */
        *out = PREPEND_NEVER;
    return STATUS_OK;
}

status part_metaspace(tokenizer *t, const json_t *part, step *s, error *err)
{
    TRY(part_needed_text(t, part, "replacement", &s->content, err));
    if (s->content.length == 0 || s->content.length > 4)
        return error_set(err, STATUS_INVALID, "%s: Metaspace: expected one character at \"replacement\"", t->name);
    return prepend_of(t, part, &s->prepend, err);
}

static status read_metaspace(tokenizer *t, const json_t *part, int depth, error *err)
{
    step s = {.flags = part_flag(part, "split", true) ? CUT_SPLIT : 0, .cut = cut_metaspace};
    (void)depth;
    TRY(part_metaspace(t, part, &s, err));
    return add_cutter(t, s, err);
}

static status read_bert_words(tokenizer *t, const json_t *part, int depth, error *err)
{
    (void)part, (void)depth;
    TRY(add_cutter(t, (step){.letter = letter_space, .behavior = SPLIT_REMOVED, .cut = cut_letters}, err));
    return add_cutter(t, (step){.letter = letter_punctuation, .behavior = SPLIT_ISOLATED, .cut = cut_letters}, err);
}

static status read_words(tokenizer *t, const json_t *part, int depth, error *err)
{
    (void)depth;
    if (strcmp(tokenizer_type(part), "Whitespace") == 0)
        return add_cutter(t, (step){.cut = cut_words}, err);
    return add_cutter(t, (step){.letter = letter_space, .behavior = SPLIT_REMOVED, .cut = cut_letters}, err);
}

static status read_punctuation(tokenizer *t, const json_t *part, int depth, error *err)
{
    step s = {.letter = letter_punctuation, .behavior = SPLIT_ISOLATED, .cut = cut_letters};
    (void)depth;
    if (json_object_get(part, "behavior"))
        TRY(behavior_of(t, part, &s.behavior, err));
    return add_cutter(t, s, err);
}

static status read_digits(tokenizer *t, const json_t *part, int depth, error *err)
{
    (void)depth;
    return add_cutter(t, (step){.letter = letter_numeric, .cut = cut_letters,
                                .behavior = part_flag(part, "individual_digits", false) ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS}, err);
}

static status read_delimiter(tokenizer *t, const json_t *part, int depth, error *err)
{
    step s = {.behavior = SPLIT_REMOVED, .cut = cut_split};
    (void)depth;
    TRY(part_needed_text(t, part, "delimiter", &s.text, err));
    return add_cutter(t, s, err);
}

static status read_fixed(tokenizer *t, const json_t *part, int depth, error *err)
{
    step s = {.cut = cut_fixed};
    (void)depth;
    TRY(part_number(t, part, "length", 5, &s.start, err));
    if (s.start == 0)
        return error_set(err, STATUS_INVALID, "%s: FixedLength with the length 0", t->name);
    return add_cutter(t, s, err);
}

static status read_cutters(tokenizer *t, const json_t *part, int depth, error *err);

static const part_kind cutter_kinds[] = {
    {"ByteLevel", read_byte_level},
    {"Split", read_split},
    {"Metaspace", read_metaspace},
    {"Whitespace", read_words},
    {"WhitespaceSplit", read_words},
    {"BertPreTokenizer", read_bert_words},
    {"Punctuation", read_punctuation},
    {"Digits", read_digits},
    {"CharDelimiterSplit", read_delimiter},
    {"FixedLength", read_fixed},
    {"Sequence", read_cutters},
};

static status read_cutters(tokenizer *t, const json_t *part, int depth, error *err)
{
    return part_list(t, part, "pretokenizers", cutter_kinds, COUNT_OF(cutter_kinds), "pre_tokenizer", depth, err);
}

status tokenizer_read_cutter(tokenizer *t, const json_t *part, error *err)
{
    return part_read(t, part, cutter_kinds, COUNT_OF(cutter_kinds), "pre_tokenizer", 0, err);
}
