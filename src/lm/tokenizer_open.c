/* Which kind of tokenizer lies there. */
#include "lm/tokenizer_internal.h"

#include "core/file.h"

#include <string.h>

static status open_folder(arena *a, const char *path, tokenizer **out, error *err)
{
    static const char *const names[] = {"tokenizer.json", "tokenizer.model", "merges.txt", "tokenizer.bin"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char *file = file_join(a, path, names[i]);
        if (!file)
            return tokenizer_out_of_memory(path, err);
        if (!file_exists(file))
            continue;
        return strcmp(names[i], "merges.txt") == 0 ? tokenizer_open_gpt2(a, path, out, err) : tokenizer_open(a, file, out, err);
    }
    error_set(err, STATUS_NOT_FOUND, "%s holds no tokenizer: tokenizer.json is missing, and so is every other kind", path);
    return error_hint(err, "expected tokenizer.json, tokenizer.model, vocab.json with merges.txt, or tokenizer.bin");
}

/* A rank file begins with a line of base64, a space and a number. */
static bool looks_like_ranks(slice file)
{
    slice line, code;
    int64_t rank;
    return slice_cut(&file, '\n', &line) && slice_cut(&line, ' ', &code) && code.length && line.text && slice_to_int(line, &rank);
}

status tokenizer_parse_any(arena *a, slice file, const char *name, tokenizer **out, error *err)
{
    *out = NULL;
    slice start = slice_trim(slice_starts(file, SLICE("\xef\xbb\xbf")) ? slice_sub(file, 3, file.length) : file);
    if (slice_starts(file, SLICE("GGUF"))) {
        gguf *g;
        TRY(gguf_from_bytes(a, file, name, &g, err));
        return tokenizer_from_gguf(a, g, out, err);
    }
    if (slice_starts(start, SLICE("{")))
        return tokenizer_parse(a, file, name, out, err);
    if (file.length >= 4 && memcmp(file.text + 1, "\0\0", 3) == 0) /* a small number: the longest length */
        return tokenizer_parse_small(a, file, name, true, out, err);
    if (looks_like_ranks(file))
        return tokenizer_parse_small(a, file, name, false, out, err);
    if (file.length && file.text[0] == '\n') /* field 1, of bytes */
        return tokenizer_parse_sentencepiece(a, file, name, out, err);
    error_set(err, STATUS_UNSUPPORTED, "%s holds no tokenizer of a known kind", name);
    return error_hint(err, "expected tokenizer.json, a SentencePiece model, tiktoken's ranks, llama2.c's tokenizer.bin or GGUF");
}

status tokenizer_open(arena *a, const char *path, tokenizer **out, error *err)
{
    slice file;
    *out = NULL;
    if (file_is_folder(path))
        return open_folder(a, path, out, err);
    arena *scratch = arena_new(NULL);
    status result = file_map(scratch, path, &file, err);
    if (result == STATUS_OK)
        result = tokenizer_parse_any(a, file, path, out, err);
    arena_free(scratch);
    return result;
}
