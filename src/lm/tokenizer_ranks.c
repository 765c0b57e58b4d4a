/* Small formats: tiktoken's ranks, GPT-2's vocab.json with merges.txt, llama2.c's tokenizer.bin. */
#include "lm/tokenizer_internal.h"

#include "core/file.h"
#include "core/hash.h"
#include "core/jsonio.h"

#include <string.h>

/* What the byte-level formats share: bytes reach the model, cut by one pattern. */
status tokenizer_byte_level(tokenizer *t, const char *const *patterns, size_t count, error *err)
{
    t->bytes = t->decoder.bytes = true;
    for (size_t i = 0; i < count; i++) {
        step s = {.behavior = SPLIT_ISOLATED, .cut = cut_split};
        TRY(tokenizer_pattern(t, patterns[i], &s.code, err));
        TRY(tokenizer_add_step(t, &t->cutters, s, err));
    }
    return STATUS_OK;
}

/* ---- tiktoken: lines of base64 and a rank ---- */

static status read_rank(tokenizer *t, slice line, size_t number, error *err)
{
    slice code;
    int64_t rank;
    size_t length = 0;
    if (!slice_cut(&line, ' ', &code) || !line.text || !slice_to_int(line, &rank) || code.length == 0 || code.length > 65536)
        return error_set(err, STATUS_INVALID, "%s:%zu: expected base64, a space and a number", t->name, number);
    if (rank < 0 || (size_t)rank >= t->count || t->tokens[rank].text)
        return error_set(err, STATUS_INVALID, "%s:%zu: the rank %lld is there twice or not below the number of lines", t->name,
                         number, (long long)rank);
    unsigned char *bytes = arena_alloc(t->arena, code.length + 1);
    if (!bytes)
        return tokenizer_out_of_memory(t->name, err);
    if (sodium_base642bin(bytes, code.length, code.text, code.length, NULL, &length, NULL, sodium_base64_VARIANT_ORIGINAL) != 0 ||
        length == 0)
        return error_set(err, STATUS_INVALID, "%s:%zu: \"" SLICE_FORMAT "\" is no base64", t->name, number, SLICE_ARGS(code));
    t->tokens[rank] = (slice){(const char *)bytes, length};
    t->scores[rank] = -(double)rank;
    t->marks[rank] = MARK_MODEL;
    return STATUS_OK;
}

/* The bytes of a piece are joined to the token of the lowest rank first; a piece that is a token is that token. */
static status read_ranks(tokenizer *t, slice file, error *err)
{
    static const char *const pattern[] = {TOKENIZER_PATTERN_LLAMA3};
    size_t lines = 0, number = 0;
    slice line, rest = file;
    while (slice_cut(&rest, '\n', &line))
        lines += line.length > 0;
    TRY(tokenizer_room(t, lines, err));
    t->scores = ARENA_ARRAY(t->arena, double, lines + 1);
    if (!t->scores)
        return tokenizer_out_of_memory(t->name, err);
    while (slice_cut(&file, '\n', &line))
        if (++number && line.length)
            TRY(read_rank(t, line, number, err));
    t->model = tokenizer_pieces;
    t->ignore_merges = true;
    TRY(tokenizer_byte_level(t, pattern, 1, err));
    TRY(tokenizer_index(t, err));
    for (unsigned b = 0; b < 256; b++) {
        char byte = (char)b;
        if (tokenizer_model_find(t, (slice){&byte, 1}, 0) < 0)
            return error_set(err, STATUS_INVALID, "%s: no token is the byte 0x%02x", t->name, b);
    }
    return tokenizer_finish(t, err);
}

/* ---- llama2.c: the longest length, then score, length and text of each token ---- */

static uint32_t word_at(slice file, size_t at)
{
    uint32_t word = 0;
    for (size_t i = 0; i < 4; i++)
        word |= (uint32_t)(unsigned char)file.text[at + i] << (8 * i);
    return word;
}

/* The type of a token by its place: unknown, beginning, end, the bytes, and then what was learned. */
static uint64_t llama2_type(size_t id)
{
    return id == 0 ? PIECE_UNKNOWN : id < 3 ? PIECE_CONTROL : id < 259 ? PIECE_BYTE : PIECE_NORMAL;
}

static status read_llama2(tokenizer *t, slice file, error *err)
{
    sentencepiece_rules rules = {.byte_fallback = true, .dummy_prefix = true, .unknown_text = SLICE("<unk>")};
    size_t count = 0, at = 4;
    for (size_t next = 4; next + 8 <= file.length; count++) {
        size_t length = word_at(file, next + 4);
        if (length > file.length - next - 8)
            break;
        next += 8 + length;
        at = next;
    }
    if (file.length < 4 || at != file.length)
        return error_set(err, STATUS_INVALID, "%s: the tokens end at byte %zu of %zu", t->name, at, file.length);
    if (count < 260)
        return error_set(err, STATUS_INVALID, "%s: expected more than 259 tokens (unknown, beginning, end, 256 bytes), found %zu",
                         t->name, count);
    TRY(tokenizer_room(t, count, err));
    t->scores = ARENA_ARRAY(t->arena, double, count + 1);
    if (!t->scores)
        return tokenizer_out_of_memory(t->name, err);
    at = 4;
    for (size_t id = 0; id < count; id++) {
        uint32_t bits = word_at(file, at);
        float score;
        memcpy(&score, &bits, 4);
        slice text = {file.text + at + 8, word_at(file, at + 4)};
        at += 8 + text.length;
        TRY(tokenizer_set_piece(t, id, llama2_type(id) == PIECE_CONTROL ? slice_trim(text) : text, score, llama2_type(id), err));
    }
    return tokenizer_sentencepiece_finish(t, &rules, err);
}

/* ---- GPT-2: vocab.json and merges.txt ---- */

static status read_gpt2(tokenizer *t, const char *folder, error *err)
{
    static const char *const pattern[] = {TOKENIZER_PATTERN_GPT2};
    char *words = file_join(t->arena, folder, "vocab.json"), *pairs = file_join(t->arena, folder, "merges.txt");
    slice text, line;
    json_t *vocabulary, *merges, *model = NULL;
    if (!words || !pairs)
        return tokenizer_out_of_memory(folder, err);
    TRY(jsonio_read(words, TOKENIZER_FILE_LIMIT, &vocabulary, err));
    merges = json_array();
    arena *scratch = arena_new(NULL);
    status result = file_read(scratch, pairs, TOKENIZER_FILE_LIMIT, &text, err);
    while (result == STATUS_OK && slice_cut(&text, '\n', &line)) {
        line = line.length && line.text[line.length - 1] == '\r' ? slice_sub(line, 0, line.length - 1) : line;
        if (line.length && !slice_starts(line, SLICE("#version")) &&
            json_array_append_new(merges, json_stringn(line.text, line.length)) != 0)
            result = error_set(err, STATUS_INVALID, "%s: a line is not UTF-8", pairs);
    }
    arena_free(scratch);
    t->name = words;
    json_t *end = json_object_get(vocabulary, "<|endoftext|>");
    json_t *added = json_is_integer(end) ? json_pack("[{s:O, s:s, s:b}]", "id", end, "content", "<|endoftext|>", "special", 1)
                                         : json_array();
    model = json_pack("{s:s, s:o, s:o}", "type", "BPE", "vocab", vocabulary, "merges", merges);
    if (result == STATUS_OK && (!model || !added))
        result = tokenizer_out_of_memory(words, err);
    if (result == STATUS_OK)
        result = tokenizer_byte_level(t, pattern, 1, err);
    if (result == STATUS_OK)
        result = tokenizer_read_model(t, model, added, err);
    if (result == STATUS_OK)
        result = tokenizer_finish(t, err);
    json_decref(model);
    json_decref(added);
    return result;
}

/* ---- */

status tokenizer_open_gpt2(arena *a, const char *folder, tokenizer **out, error *err)
{
    tokenizer *t;
    sha256 state;
    unsigned char part[SHA256_BYTES];
    static const char *const files[] = {"vocab.json", "merges.txt"};
    *out = NULL;
    TRY(tokenizer_begin(a, folder, &t, err));
    sha256_start(&state);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        char *path = file_join(a, folder, files[i]);
        if (!path)
            return tokenizer_out_of_memory(folder, err);
        TRY(sha256_file(path, part, err));
        sha256_add(&state, part, sizeof part);
    }
    sha256_end(&state, t->digest);
    TRY(read_gpt2(t, folder, err));
    *out = t;
    return STATUS_OK;
}

status tokenizer_parse_small(arena *a, slice file, const char *name, bool llama2, tokenizer **out, error *err)
{
    tokenizer *t;
    *out = NULL;
    TRY(tokenizer_begin(a, name, &t, err));
    sha256_of(file.text, file.length, t->digest);
    TRY(llama2 ? read_llama2(t, file, err) : read_ranks(t, file, err));
    *out = t;
    return STATUS_OK;
}
