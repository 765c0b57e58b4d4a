/* Vocabularies of GGUF files. */
#include "lm/tokenizer_internal.h"

#include "core/hash.h"

#include <string.h>

/* How text is cut for a byte-level vocabulary: the name at tokenizer.ggml.pre, the patterns one behind the other, and
 * what else the models' own tokenizers do. */
typedef struct cut_rule {
    const char *name;
    const char *patterns[5];
    bool whole; /* a piece that is a token is that token */
    bool nfc;
    bool begins; /* a text begins with a token for that, where the file does not say */
} cut_rule;

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(rest)                                                                                                \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" rest "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" rest
#define SLASHES "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define DIGIT_FIRST "\\p{N}", TOKENIZER_PATTERN_GPT2

static const cut_rule cut_rules[] = {
    {"gpt-2", {TOKENIZER_PATTERN_GPT2}, false, false, false},
    {"phi-2", {TOKENIZER_PATTERN_GPT2}, false, false, false},
    {"mpt", {TOKENIZER_PATTERN_GPT2}, false, false, false},
    {"olmo", {TOKENIZER_PATTERN_GPT2}, false, false, false},
    {"jais", {TOKENIZER_PATTERN_GPT2}, false, false, false},
    {"llama-bpe", {TOKENIZER_PATTERN_LLAMA3}, true, false, true},
    {"llama3", {TOKENIZER_PATTERN_LLAMA3}, true, false, true},
    {"llama-v3", {TOKENIZER_PATTERN_LLAMA3}, true, false, true},
    {"dbrx", {TOKENIZER_PATTERN_LLAMA3}, false, false, false},
    {"smaug-bpe", {TOKENIZER_PATTERN_LLAMA3}, false, false, false},
    {"qwen2", {TOKENIZER_PATTERN_QWEN2}, false, true, false},
    {"deepseek-r1-qwen", {TOKENIZER_PATTERN_QWEN2}, false, true, false},
    {"stablelm2", {TOKENIZER_PATTERN_QWEN2}, false, false, false},
    {"starcoder", {DIGIT_FIRST}, false, false, false},
    {"refact", {DIGIT_FIRST}, false, false, false},
    {"command-r", {DIGIT_FIRST}, false, true, false},
    {"smollm", {DIGIT_FIRST}, false, false, false},
    {"codeshell", {DIGIT_FIRST}, false, false, false},
    {"exaone", {DIGIT_FIRST}, false, false, false},
    {"falcon", {"[\\p{P}\\$\\+<=>\\^~\\|`]+", TOKENIZER_PATTERN_GPT2, "[0-9][0-9][0-9]"}, false, false, false},
    {"deepseek-coder",
     {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", "[\\x{4e00}-\\x{9fa5}\\x{800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+", "\\p{N}"},
     false, false, true},
    {"deepseek-v3",
     {"\\p{N}{1,3}", "[\\x{4e00}-\\x{9fa5}\\x{3040}-\\x{309f}\\x{30a0}-\\x{30ff}]+",
      "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*"
      "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
     false, false, true},
    {"tekken", {CASED("") "|\\p{N}" SLASHES}, true, false, true},
    {"gpt-4o", {CASED(CONTRACTIONS "?") "|\\p{N}{1,3}" SLASHES}, false, false, false},
};

const char *tokenizer_gguf_cut(const char *pattern, bool whole, bool nfc)
{
    for (size_t i = 0; i < COUNT_OF(cut_rules); i++) {
        const cut_rule *r = &cut_rules[i];
        if (!r->patterns[1] && strcmp(r->patterns[0], pattern) == 0 && r->whole == whole && r->nfc == nfc)
            return r->name;
    }
    return NULL;
}

/* What every vocabulary has. */
typedef struct vocabulary {
    const gguf *file;
    arena *scratch;
    slice *tokens;
    int64_t *types; /* PIECE_* */
    size_t count;
} vocabulary;

static status read_vocabulary(vocabulary *v, error *err)
{
    size_t types = 0;
    TRY(gguf_strings(v->file, v->scratch, "tokenizer.ggml.tokens", &v->tokens, &v->count, err));
    if (v->count == 0)
        return error_set(err, STATUS_INVALID, "%s: the vocabulary is empty", gguf_name(v->file));
    for (size_t i = 0; i < v->count; i++)
        if (v->tokens[i].length == 0 || !utf8_valid(v->tokens[i]))
            return error_set(err, STATUS_INVALID, "%s: the token %zu is empty or no UTF-8", gguf_name(v->file), i);
    if (gguf_find(v->file, "tokenizer.ggml.token_type")) {
        TRY(gguf_ints(v->file, v->scratch, "tokenizer.ggml.token_type", &v->types, &types, err));
        if (types != v->count)
            return error_set(err, STATUS_INVALID, "%s: %zu tokens, but %zu types", gguf_name(v->file), v->count, types);
        return STATUS_OK;
    }
    v->types = ARENA_ARRAY(v->scratch, int64_t, v->count);
    for (size_t i = 0; v->types && i < v->count; i++)
        v->types[i] = PIECE_NORMAL;
    return v->types ? STATUS_OK : tokenizer_out_of_memory(gguf_name(v->file), err);
}

/* An id at `key`, -1 where it is not there. */
static status read_id(const vocabulary *v, const char *key, int32_t *id, error *err)
{
    int64_t value;
    TRY(gguf_int_or(v->file, key, -1, &value, err));
    if (value < -1 || value >= (int64_t)v->count)
        return error_set(err, STATUS_INVALID, "%s: \"%s\" is %lld, but there are %zu tokens", gguf_name(v->file), key,
                         (long long)value, v->count);
    *id = (int32_t)value;
    return STATUS_OK;
}

/* The id that stands around every text when the file, or without its word the kind of vocabulary, says so. */
static status put_around(tokenizer *t, const vocabulary *v, const char *flag, bool fallback, const char *key, bool behind,
                         error *err)
{
    bool wanted;
    int32_t id;
    TRY(gguf_bool_or(v->file, flag, fallback, &wanted, err));
    TRY(read_id(v, key, &id, err));
    if (!wanted || id < 0)
        return STATUS_OK;
    int32_t *list = ARENA_NEW(t->arena, int32_t);
    if (!list)
        return tokenizer_out_of_memory(t->name, err);
    *list = id;
    if (behind)
        t->after = list, t->after_count = 1;
    else
        t->before = list, t->before_count = 1;
    return STATUS_OK;
}

/* Control tokens count where they are asked for, users' tokens always. */
static status add_marked(tokenizer *t, const vocabulary *v, error *err)
{
    for (size_t i = 0; i < v->count; i++) {
        if (v->types[i] != PIECE_CONTROL && v->types[i] != PIECE_USER)
            continue;
        slice text = {slice_copy(t->arena, v->tokens[i]), v->tokens[i].length};
        bool special = v->types[i] == PIECE_CONTROL;
        if (!text.text)
            return tokenizer_out_of_memory(t->name, err);
        if (special)
            t->marks[i] |= MARK_SPECIAL;
        TRY(tokenizer_add_added(t, (added_token){.text = text, .id = (int32_t)i, .special = special}, err));
    }
    return STATUS_OK;
}

/* ---- gpt2: byte-level BPE ---- */

static status read_merges(tokenizer *t, const vocabulary *v, error *err)
{
    slice *merges, left;
    size_t count;
    TRY(gguf_strings(v->file, v->scratch, "tokenizer.ggml.merges", &merges, &count, err));
    t->merges = ARENA_ARRAY(t->arena, merge, count + 1);
    if (!t->merges)
        return tokenizer_out_of_memory(t->name, err);
    strbuf room = strbuf_new(v->scratch, 1 << 24);
    for (size_t i = 0; i < count; i++) {
        slice right = merges[i];
        if (!slice_cut(&right, ' ', &left) || !right.text)
            return error_set(err, STATUS_INVALID, "%s: merge %zu is not a pair of tokens", t->name, i);
        TRY(tokenizer_add_merge(t, i, left, right, &room, err));
    }
    return STATUS_OK;
}

static status find_rule(const vocabulary *v, const cut_rule **rule, error *err)
{
    slice pre;
    TRY(gguf_string(v->file, "tokenizer.ggml.pre", &pre, err));
    for (size_t i = 0; i < COUNT_OF(cut_rules); i++)
        if (slice_is(pre, cut_rules[i].name)) {
            *rule = &cut_rules[i];
            return STATUS_OK;
        }
    error_set(err, STATUS_UNSUPPORTED, "%s: tokenizer.ggml.pre is \"" SLICE_FORMAT "\", a way to cut text that is not known",
              gguf_name(v->file), SLICE_ARGS(pre));
    return error_hint(err, "put the model's tokenizer.json beside the file and name that");
}

static status build_bpe(tokenizer *t, const vocabulary *v, error *err)
{
    const cut_rule *rule = NULL;
    size_t patterns = 0;
    TRY(find_rule(v, &rule, err));
    while (patterns < COUNT_OF(rule->patterns) && rule->patterns[patterns])
        patterns++;
    if (rule->nfc)
        TRY(tokenizer_add_step(t, &t->normalizers, (step){.flags = FORM_COMPOSE, .normalize = normalize_form}, err));
    TRY(tokenizer_byte_level(t, rule->patterns, patterns, err));
    t->ignore_merges = rule->whole;
    TRY(tokenizer_room(t, v->count, err));
    for (size_t i = 0; i < v->count; i++)
        TRY(tokenizer_set_token(t, (int64_t)i, v->tokens[i], v->types[i] == PIECE_UNUSED ? 0 : MARK_MODEL, err));
    TRY(add_marked(t, v, err));
    TRY(tokenizer_index(t, err));
    TRY(put_around(t, v, "tokenizer.ggml.add_bos_token", rule->begins, "tokenizer.ggml.bos_token_id", false, err));
    TRY(put_around(t, v, "tokenizer.ggml.add_eos_token", false, "tokenizer.ggml.eos_token_id", true, err));
    TRY(read_merges(t, v, err));
    return tokenizer_finish(t, err);
}

/* ---- llama, t5: SentencePiece ---- */

static status build_pieces(tokenizer *t, const vocabulary *v, bool unigram, error *err)
{
    sentencepiece_rules rules = {.unigram = unigram, .escape = true, .unknown_text = SLICE(" \xe2\x81\x87 ")};
    double *scores;
    size_t count, bytes = 0;
    TRY(gguf_numbers(v->file, v->scratch, "tokenizer.ggml.scores", &scores, &count, err));
    if (count != v->count)
        return error_set(err, STATUS_INVALID, "%s: %zu tokens, but %zu scores", t->name, v->count, count);
    TRY(gguf_bool_or(v->file, "tokenizer.ggml.add_space_prefix", true, &rules.dummy_prefix, err));
    TRY(gguf_bool_or(v->file, "tokenizer.ggml.remove_extra_whitespaces", unigram, &rules.remove_extra, err));
    const gguf_value *map = gguf_find(v->file, "tokenizer.ggml.precompiled_charsmap");
    if (map && map->type == GGUF_ARRAY && (map->item == GGUF_U8 || map->item == GGUF_I8))
        rules.charsmap = map->bytes;
    TRY(tokenizer_room(t, count, err));
    t->scores = ARENA_ARRAY(t->arena, double, count + 1);
    if (!t->scores)
        return tokenizer_out_of_memory(t->name, err);
    for (size_t i = 0; i < count; i++) {
        uint64_t type = v->types[i] > 0 ? (uint64_t)v->types[i] : 0;
        TRY(tokenizer_set_piece(t, i, v->tokens[i], (float)scores[i], type, err));
        bytes += type == PIECE_BYTE;
    }
    if (t->unknown < 0)
        TRY(read_id(v, "tokenizer.ggml.unknown_token_id", &t->unknown, err));
    rules.byte_fallback = bytes == 256;
    TRY(put_around(t, v, "tokenizer.ggml.add_bos_token", !unigram, "tokenizer.ggml.bos_token_id", false, err));
    TRY(put_around(t, v, "tokenizer.ggml.add_eos_token", unigram, "tokenizer.ggml.eos_token_id", true, err));
    return tokenizer_sentencepiece_finish(t, &rules, err);
}

static status build_llama(tokenizer *t, const vocabulary *v, error *err)
{
    return build_pieces(t, v, false, err);
}

static status build_t5(tokenizer *t, const vocabulary *v, error *err)
{
    return build_pieces(t, v, true, err);
}

/* ---- bert: WordPiece, with U+2581 before what begins a word in place of ## before what does not ---- */

static status set_word(tokenizer *t, const vocabulary *v, size_t i, strbuf *room, error *err)
{
    slice text = v->tokens[i], mark = SLICE("\xe2\x96\x81");
    strbuf_clear(room);
    if (slice_starts(text, mark))
        text = slice_sub(text, mark.length, text.length);
    else if (!slice_starts(text, SLICE("[")) || !slice_ends(text, SLICE("]"))) /* [CLS] stands for itself */
        strbuf_add(room, "##");
    strbuf_add_slice(room, text);
    if (room->failed)
        return tokenizer_out_of_memory(t->name, err);
    return tokenizer_set_token(t, (int64_t)i, strbuf_slice(room), MARK_MODEL, err);
}

static status build_bert(tokenizer *t, const vocabulary *v, error *err)
{
    strbuf room = strbuf_new(v->scratch, 1 << 24);
    t->model = tokenizer_wordpiece;
    t->prefix = SLICE("##");
    t->longest_word = 100;
    TRY(tokenizer_room(t, v->count, err));
    for (size_t i = 0; i < v->count; i++)
        TRY(set_word(t, v, i, &room, err));
    TRY(add_marked(t, v, err));
    TRY(read_id(v, "tokenizer.ggml.unknown_token_id", &t->unknown, err));
    TRY(put_around(t, v, "tokenizer.ggml.add_bos_token", true, "tokenizer.ggml.cls_token_id", false, err));
    TRY(put_around(t, v, "tokenizer.ggml.add_eos_token", true, "tokenizer.ggml.seperator_token_id", true, err));
    TRY(tokenizer_add_step(t, &t->normalizers, (step){.flags = BERT_CLEAN | BERT_CHINESE | BERT_ACCENTS | BERT_LOWERCASE,
                                                      .normalize = normalize_bert}, err));
    TRY(tokenizer_add_step(t, &t->cutters, (step){.letter = letter_space, .behavior = SPLIT_REMOVED, .cut = cut_letters}, err));
    TRY(tokenizer_add_step(t, &t->cutters,
                           (step){.letter = letter_punctuation, .behavior = SPLIT_ISOLATED, .cut = cut_letters}, err));
    TRY(tokenizer_add_step(t, &t->decoder.steps, (step){.text = SLICE("##"), .show = show_wordpiece}, err));
    t->decoder.first_differs = true;
    return tokenizer_finish(t, err);
}

static const struct {
    const char *model;
    status (*build)(tokenizer *t, const vocabulary *v, error *err);
} builders[] = {{"gpt2", build_bpe}, {"llama", build_llama}, {"t5", build_t5}, {"bert", build_bert}};

/* The hash of all keys of the tokenizer, with their values as they lie in the file. */
static void hash_keys(const gguf *file, unsigned char digest[SHA256_BYTES])
{
    sha256 state;
    sha256_start(&state);
    for (size_t i = 0; i < gguf_key_count(file); i++) {
        const gguf_value *v = gguf_value_at(file, i);
        if (strncmp(v->key, "tokenizer.ggml.", 15) != 0)
            continue;
        sha256_add(&state, v->key, strlen(v->key) + 1);
        sha256_add(&state, v->bytes.text, v->bytes.length);
    }
    sha256_end(&state, digest);
}

static status build(tokenizer *t, const vocabulary *v, error *err)
{
    slice model;
    TRY(gguf_string(v->file, "tokenizer.ggml.model", &model, err));
    for (size_t i = 0; i < COUNT_OF(builders); i++)
        if (slice_is(model, builders[i].model))
            return builders[i].build(t, v, err);
    return error_set(err, STATUS_UNSUPPORTED, "%s: tokenizer.ggml.model is \"" SLICE_FORMAT "\", which is not supported", t->name,
                     SLICE_ARGS(model));
}

status tokenizer_from_gguf(arena *a, const gguf *file, tokenizer **out, error *err)
{
    tokenizer *t;
    vocabulary v = {.file = file, .scratch = arena_new(NULL)};
    *out = NULL;
    status result = tokenizer_begin(a, gguf_name(file), &t, err);
    if (result == STATUS_OK)
        result = read_vocabulary(&v, err);
    if (result == STATUS_OK)
        result = build(t, &v, err);
    arena_free(v.scratch);
    if (result != STATUS_OK)
        return result;
    hash_keys(file, t->digest);
    *out = t;
    return STATUS_OK;
}
