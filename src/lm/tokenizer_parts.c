/* The parts of tokenizer.json around the model: normalizers, pre-tokenizers, post-processors, decoders, each a table by
 * the type's name. */
#include "lm/tokenizer_internal.h"

#include "core/jsonio.h"

#include <sodium.h>
#include <string.h>

enum { NESTING = 16 };

typedef status part_reader(tokenizer *t, const json_t *part, int depth, error *err);

typedef struct part_kind {
    const char *type;
    part_reader *read;
} part_kind;

bool tokenizer_absent(const json_t *value)
{
    return !value || json_is_null(value);
}

const char *tokenizer_type(const json_t *object)
{
    const char *type = json_string_value(json_object_get(object, "type"));
    return type ? type : "of no type";
}

static status read_part(tokenizer *t, const json_t *part, const part_kind *kinds, size_t count, const char *what, int depth,
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

static bool flag_of(const json_t *part, const char *key, bool fallback)
{
    const json_t *value = json_object_get(part, key);
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

/* A text of the part, in the tokenizer's arena; empty where it is not there. */
static status text_of(tokenizer *t, const json_t *part, const char *key, slice *out, error *err)
{
    const json_t *value = json_object_get(part, key);
    *out = (slice){"", 0};
    if (!json_is_string(value))
        return STATUS_OK;
    slice s = {json_string_value(value), json_string_length(value)};
    *out = (slice){slice_copy(t->arena, s), s.length};
    return out->text ? STATUS_OK : tokenizer_out_of_memory(t->name, err);
}

static status needed_text(tokenizer *t, const json_t *part, const char *key, slice *out, error *err)
{
    if (!json_is_string(json_object_get(part, key)))
        return error_set(err, STATUS_INVALID, "%s: %s: expected a text at \"%s\"", t->name, tokenizer_type(part), key);
    return text_of(t, part, key, out, err);
}

static status number_of(tokenizer *t, const json_t *part, const char *key, size_t fallback, size_t *out, error *err)
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

/* {"String": ...} or {"Regex": ...} */
static status pattern_of(tokenizer *t, const json_t *part, step *s, error *err)
{
    const json_t *pattern = json_object_get(part, "pattern");
    const char *expression = json_string_value(json_object_get(pattern, "Regex"));
    if (expression)
        return tokenizer_pattern(t, expression, &s->code, err);
    if (!json_is_string(json_object_get(pattern, "String")))
        return error_set(err, STATUS_INVALID, "%s: %s: expected {\"String\": ...} or {\"Regex\": ...} at \"pattern\"", t->name,
                         tokenizer_type(part));
    return text_of(t, pattern, "String", &s->text, err);
}

static status read_list(tokenizer *t, const json_t *part, const char *key, const part_kind *kinds, size_t count,
                        const char *what, int depth, error *err)
{
    const json_t *parts;
    size_t i;
    json_t *one;
    TRY(jsonio_get_array(part, key, t->name, &parts, err));
    json_array_foreach((json_t *)parts, i, one)
    {
        TRY(read_part(t, one, kinds, count, what, depth + 1, err));
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
    return add_normalizer(t, (step){.start = flag_of(part, "strip_left", true), .stop = flag_of(part, "strip_right", true),
                                    .normalize = normalize_strip}, err);
}

static status read_replace(tokenizer *t, const json_t *part, int depth, error *err)
{
    step s = {.normalize = normalize_replace};
    (void)depth;
    TRY(pattern_of(t, part, &s, err));
    TRY(needed_text(t, part, "content", &s.content, err));
    return add_normalizer(t, s, err);
}

static status read_prepend(tokenizer *t, const json_t *part, int depth, error *err)
{
    step s = {.normalize = normalize_prepend};
    (void)depth;
    TRY(needed_text(t, part, "prepend", &s.text, err));
    return add_normalizer(t, s, err);
}

static status read_bert(tokenizer *t, const json_t *part, int depth, error *err)
{
    (void)depth;
    bool lower = flag_of(part, "lowercase", true);
    unsigned flags = (flag_of(part, "clean_text", true) ? BERT_CLEAN : 0u) |
                     (flag_of(part, "handle_chinese_chars", true) ? BERT_CHINESE : 0u) |
                     (flag_of(part, "strip_accents", lower) ? BERT_ACCENTS : 0u) | (lower ? BERT_LOWERCASE : 0u);
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
    TRY(needed_text(t, part, "precompiled_charsmap", &coded, err));
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
    return read_list(t, part, "normalizers", normalizer_kinds, COUNT_OF(normalizer_kinds), "normalizer", depth, err);
}

status tokenizer_read_normalizer(tokenizer *t, const json_t *part, error *err)
{
    return read_part(t, part, normalizer_kinds, COUNT_OF(normalizer_kinds), "normalizer", 0, err);
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
    step s = {.flags = flag_of(part, "invert", false) ? CUT_INVERT : 0, .cut = cut_split};
    (void)depth;
    TRY(pattern_of(t, part, &s, err));
    TRY(behavior_of(t, part, &s.behavior, err));
    return add_cutter(t, s, err);
}

/* Letters are written only where the model works on letters: tokenizer_read_model decides. */
static status read_byte_level(tokenizer *t, const json_t *part, int depth, error *err)
{
    (void)depth;
    if (flag_of(part, "add_prefix_space", true))
        TRY(add_cutter(t, (step){.cut = cut_prefix_space}, err));
    if (flag_of(part, "use_regex", true)) {
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
    if (!flag_of(part, "add_prefix_space", true)) /* the old form */
        *out = PREPEND_NEVER;
    return STATUS_OK;
}

static status metaspace_of(tokenizer *t, const json_t *part, step *s, error *err)
{
    TRY(needed_text(t, part, "replacement", &s->content, err));
    if (s->content.length == 0 || s->content.length > 4)
        return error_set(err, STATUS_INVALID, "%s: Metaspace: expected one character at \"replacement\"", t->name);
    return prepend_of(t, part, &s->prepend, err);
}

static status read_metaspace(tokenizer *t, const json_t *part, int depth, error *err)
{
    step s = {.flags = flag_of(part, "split", true) ? CUT_SPLIT : 0, .cut = cut_metaspace};
    (void)depth;
    TRY(metaspace_of(t, part, &s, err));
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
                                .behavior = flag_of(part, "individual_digits", false) ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS}, err);
}

static status read_delimiter(tokenizer *t, const json_t *part, int depth, error *err)
{
    step s = {.behavior = SPLIT_REMOVED, .cut = cut_split};
    (void)depth;
    TRY(needed_text(t, part, "delimiter", &s.text, err));
    return add_cutter(t, s, err);
}

static status read_fixed(tokenizer *t, const json_t *part, int depth, error *err)
{
    step s = {.cut = cut_fixed};
    (void)depth;
    TRY(number_of(t, part, "length", 5, &s.start, err));
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
    return read_list(t, part, "pretokenizers", cutter_kinds, COUNT_OF(cutter_kinds), "pre_tokenizer", depth, err);
}

status tokenizer_read_cutter(tokenizer *t, const json_t *part, error *err)
{
    return read_part(t, part, cutter_kinds, COUNT_OF(cutter_kinds), "pre_tokenizer", 0, err);
}

/* ---- post-processors: ids around the text ---- */

static status put_around(tokenizer *t, bool behind, int64_t id, error *err)
{
    int32_t **list = behind ? &t->after : &t->before;
    size_t *count = behind ? &t->after_count : &t->before_count;
    if (id < 0 || id > INT32_MAX)
        return error_set(err, STATUS_INVALID, "%s: the post_processor names the id %lld", t->name, (long long)id);
    int32_t *more = arena_regrow(t->arena, *list, *count, *count + 1, sizeof *more);
    if (!more)
        return tokenizer_out_of_memory(t->name, err);
    if (behind) {
        more[*count] = (int32_t)id;
    } else if (*count) { /* a later processor stands outside of an earlier one */
        memmove(more + 1, more, *count * sizeof *more);
        more[0] = (int32_t)id;
    } else {
        more[0] = (int32_t)id;
    }
    *list = more;
    ++*count;
    return STATUS_OK;
}

/* The ids that a template's special token stands for, in reverse where they go to the front. */
static status put_special(tokenizer *t, const json_t *part, const json_t *piece, bool behind, error *err)
{
    const char *name = json_string_value(json_object_get(piece, "id"));
    const json_t *ids = json_object_get(json_object_get(json_object_get(part, "special_tokens"), name ? name : ""), "ids");
    if (!json_is_array(ids))
        return error_set(err, STATUS_INVALID, "%s: TemplateProcessing: \"%s\" is not among its special_tokens", t->name,
                         name ? name : "");
    for (size_t i = 0, n = json_array_size(ids); i < n; i++) {
        const json_t *id = json_array_get(ids, behind ? i : n - 1 - i);
        TRY(put_around(t, behind, json_is_integer(id) ? json_integer_value(id) : -1, err));
    }
    return STATUS_OK;
}

/* What the reference makes of two parts that add tokens follows no plain rule (the second sees a pair). */
static status only_one_adds(const tokenizer *t, error *err)
{
    return t->before_count || t->after_count
               ? tokenizer_unsupported(t->name, "post_processor", "a Sequence of two that add tokens", err)
               : STATUS_OK;
}

static status read_template(tokenizer *t, const json_t *part, int depth, error *err)
{
    const json_t *single;
    (void)depth;
    TRY(only_one_adds(t, err));
    TRY(jsonio_get_array(part, "single", t->name, &single, err));
    size_t count = json_array_size(single), text = count;
    for (size_t i = 0; i < count; i++)
        if (json_object_get(json_array_get(single, i), "Sequence")) {
            if (text != count)
                return tokenizer_unsupported(t->name, "post_processor TemplateProcessing", "one that repeats the text", err);
            text = i;
        }
    if (text == count)
        return tokenizer_unsupported(t->name, "post_processor TemplateProcessing", "one without the text", err);
    for (size_t i = text; i-- > 0;)
        TRY(put_special(t, part, json_object_get(json_array_get(single, i), "SpecialToken"), false, err));
    for (size_t i = text + 1; i < count; i++)
        TRY(put_special(t, part, json_object_get(json_array_get(single, i), "SpecialToken"), true, err));
    return STATUS_OK;
}

/* {"sep": ["[SEP]", 102], "cls": ["[CLS]", 101]} */
static status read_pair(tokenizer *t, const json_t *part, int depth, error *err)
{
    static const char *const keys[] = {"cls", "sep"};
    (void)depth;
    TRY(only_one_adds(t, err));
    for (size_t i = 0; i < 2; i++) {
        const json_t *id = json_array_get(json_object_get(part, keys[i]), 1);
        if (!json_is_integer(id))
            return error_set(err, STATUS_INVALID, "%s: %s: expected [token, id] at \"%s\"", t->name, tokenizer_type(part), keys[i]);
        TRY(put_around(t, i == 1, json_integer_value(id), err));
    }
    return STATUS_OK;
}

static status read_nothing(tokenizer *t, const json_t *part, int depth, error *err)
{
    (void)t, (void)part, (void)depth, (void)err; /* ByteLevel: changes offsets alone */
    return STATUS_OK;
}

static status read_processors(tokenizer *t, const json_t *part, int depth, error *err);

static const part_kind processor_kinds[] = {
    {"TemplateProcessing", read_template}, {"BertProcessing", read_pair},  {"RobertaProcessing", read_pair},
    {"ByteLevel", read_nothing},           {"Sequence", read_processors},
};

static status read_processors(tokenizer *t, const json_t *part, int depth, error *err)
{
    return read_list(t, part, "processors", processor_kinds, COUNT_OF(processor_kinds), "post_processor", depth, err);
}

status tokenizer_read_processor(tokenizer *t, const json_t *part, error *err)
{
    return read_part(t, part, processor_kinds, COUNT_OF(processor_kinds), "post_processor", 0, err);
}

/* ---- decoders ---- */

/* Behind a part that makes one text of all tokens only the ends of that text can be changed, and bytes are put together
 * last of what is done to single tokens: any other order has no stream, and no known file has one. */
static status add_shown(tokenizer *t, const json_t *part, step s, error *err)
{
    decoding *d = &t->decoder;
    if (d->run != RUN_NONE || d->bytes || !d->joined || d->suffix.length)
        return error_set(err, STATUS_UNSUPPORTED, "%s: the decoder %s stands behind one that makes a text of the tokens, which is "
                         "not supported", t->name, tokenizer_type(part));
    return tokenizer_add_step(t, &d->steps, s, err);
}

static status read_shown_replace(tokenizer *t, const json_t *part, int depth, error *err)
{
    step s = {.show = show_replace};
    (void)depth;
    TRY(pattern_of(t, part, &s, err));
    TRY(needed_text(t, part, "content", &s.content, err));
    return add_shown(t, part, s, err);
}

static status read_shown_metaspace(tokenizer *t, const json_t *part, int depth, error *err)
{
    step s = {.show = show_metaspace};
    (void)depth;
    TRY(metaspace_of(t, part, &s, err));
    t->decoder.first_differs = t->decoder.first_differs || s.prepend != PREPEND_NEVER;
    return add_shown(t, part, s, err);
}

static status read_shown_wordpiece(tokenizer *t, const json_t *part, int depth, error *err)
{
    step s = {.flags = flag_of(part, "cleanup", true), .show = show_wordpiece};
    (void)depth;
    TRY(needed_text(t, part, "prefix", &s.text, err));
    t->decoder.first_differs = true;
    return add_shown(t, part, s, err);
}

static status read_shown_strip(tokenizer *t, const json_t *part, int depth, error *err)
{
    step s = {.show = show_strip};
    decoding *d = &t->decoder;
    (void)depth;
    TRY(needed_text(t, part, "content", &s.content, err));
    TRY(number_of(t, part, "start", 0, &s.start, err));
    TRY(number_of(t, part, "stop", 0, &s.stop, err));
    if (s.content.length == 0)
        return error_set(err, STATUS_INVALID, "%s: Strip: expected one character at \"content\"", t->name);
    if (d->joined)
        return add_shown(t, part, s, err);
    if (d->ends)
        return tokenizer_unsupported(t->name, "the decoder", "one with two Strip parts behind Fuse", err);
    d->ends = ARENA_NEW(t->arena, step);
    if (!d->ends)
        return tokenizer_out_of_memory(t->name, err);
    *d->ends = s;
    return STATUS_OK;
}

/* `joined` here means: tokens are still apart (see read_decoder_list). */
static status read_fuse(tokenizer *t, const json_t *part, int depth, error *err)
{
    (void)part, (void)depth, (void)err;
    t->decoder.joined = false;
    return STATUS_OK;
}

static status read_fallback(tokenizer *t, const json_t *part, int depth, error *err)
{
    (void)part, (void)depth, (void)err;
    t->decoder.run = RUN_WHOLE;
    return STATUS_OK;
}

static status read_shown_bytes(tokenizer *t, const json_t *part, int depth, error *err)
{
    (void)depth;
    if (t->decoder.steps.count || t->decoder.run != RUN_NONE || !t->decoder.joined)
        return tokenizer_unsupported(t->name, "the decoder", "a ByteLevel behind another part", err);
    (void)part;
    t->decoder.bytes = true;
    t->decoder.joined = false;
    return STATUS_OK;
}

static status read_suffix(tokenizer *t, const json_t *part, int depth, error *err)
{
    (void)depth;
    if (t->decoder.run != RUN_NONE || !t->decoder.joined)
        return tokenizer_unsupported(t->name, "the decoder", "a BPEDecoder behind another part", err);
    return needed_text(t, part, "suffix", &t->decoder.suffix, err);
}

static status read_decoders(tokenizer *t, const json_t *part, int depth, error *err);

static const part_kind decoder_kinds[] = {
    {"ByteLevel", read_shown_bytes},   {"Metaspace", read_shown_metaspace}, {"WordPiece", read_shown_wordpiece},
    {"ByteFallback", read_fallback},   {"Fuse", read_fuse},                 {"Strip", read_shown_strip},
    {"Replace", read_shown_replace},   {"BPEDecoder", read_suffix},         {"Sequence", read_decoders},
};

static status read_decoders(tokenizer *t, const json_t *part, int depth, error *err)
{
    return read_list(t, part, "decoders", decoder_kinds, COUNT_OF(decoder_kinds), "decoder", depth, err);
}

status tokenizer_read_decoder(tokenizer *t, const json_t *part, error *err)
{
    t->decoder.joined = true; /* while parts are read: tokens are apart; without parts a space stands between them */
    TRY(read_part(t, part, decoder_kinds, COUNT_OF(decoder_kinds), "decoder", 0, err));
    if (!tokenizer_absent(part))
        t->decoder.joined = false;
    return STATUS_OK;
}
