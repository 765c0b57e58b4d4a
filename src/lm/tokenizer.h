/* tokenizer.h - byte-level byte-pair encoding: training, use, and tokenizer.json.
 *
 * Text is cut into pieces by a regular expression, and the bytes of each piece are joined pair by pair in the order
 * in which the pairs were learned (Sennrich et al., arXiv 1508.07909; over bytes as in GPT-2). Any text can be
 * written, and decoding gives the same bytes back. Files are those of Hugging Face's `tokenizers`, and give the same
 * ids there; those of SentencePiece, tiktoken, llama2.c and GGUF are read too.
 *
 *     tokenizer *t;
 *     TRY(tokenizer_read(arena, "model/tokenizer.json", &t, err));
 *     token_list ids = {.arena = arena};
 *     TRY(tokenizer_encode(t, SLICE("Ada sells bread."), 0, &ids, err));
 *     TRY(tokenizer_decode(t, ids.ids, ids.count, &text, err));
 *
 * Encoding adds no token of its own accord: who wants <|begin|> puts it there. A tokenizer may be used by several
 * threads at once.
 */
#ifndef ASSAY_LM_TOKENIZER_H
#define ASSAY_LM_TOKENIZER_H

#include "core/arena.h"
#include "core/error.h"
#include "core/text.h"
#include "nn/gguf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The special tokens of our own models, by id. */
#define TOKEN_TABLE(X)                                                                                             \
    X(PAD, "<|pad|>")                                                                                              \
    X(BEGIN, "<|begin|>")                                                                                          \
    X(END, "<|end|>")                                                                                              \
    X(SYSTEM, "<|system|>")                                                                                        \
    X(USER, "<|user|>")                                                                                            \
    X(ASSISTANT, "<|assistant|>")

enum {
#define X(name, text) TOKEN_##name,
    TOKEN_TABLE(X)
#undef X
    TOKEN_SPECIAL_COUNT
};

/* A growing list of token ids in an arena; start with {.arena = a}. */
typedef struct token_list {
    arena *arena;
    int32_t *ids;
    size_t count, capacity;
} token_list;

status token_list_add(token_list *list, int32_t id, error *err);

typedef struct tokenizer tokenizer;

/* How a tokenizer is made. */
typedef struct tokenizer_recipe {
    size_t vocabulary;   /* entries in all: the special tokens, 256 bytes, and what is learned */
    const char *pattern; /* what a piece is; NULL: TOKENIZER_PATTERN */
} tokenizer_recipe;

/* Pieces as in GPT-2, except that every digit is a piece of its own (a leading space goes with the first): numbers
 * are then written the same way wherever they stand, and small models learn sums sooner. */
#define TOKENIZER_PATTERN "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
/* The cut that a ByteLevel pre-tokenizer makes by itself. */
#define TOKENIZER_PATTERN_GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/* Those of Llama 3 (also tiktoken's cl100k_base) and of Qwen 2. */
#define TOKENIZER_PATTERN_REST "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define TOKENIZER_PATTERN_LLAMA3                                                                                      \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}" TOKENIZER_PATTERN_REST
#define TOKENIZER_PATTERN_QWEN2                                                                                       \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" TOKENIZER_PATTERN_REST

/* Learns pairs from the documents: each time the most frequent one (on a tie the one with the smallest left, then
 * right id). Ids: the special tokens, the 256 bytes in the order of their letters in the file, then the pairs as they
 * were learned; fewer than asked when no pair occurs twice. The same documents give the same tokenizer in any order. */
status tokenizer_train(arena *a, const slice *documents, size_t count, const tokenizer_recipe *recipe, tokenizer **out,
                       error *err);

/* Reads tokenizer.json. STATUS_UNSUPPORTED names the part that is beyond this reader: a type that it does not know, BPE
 * with dropout, a CTC decoder. */
status tokenizer_read(arena *a, const char *path, tokenizer **out, error *err);
status tokenizer_parse(arena *a, slice text, const char *name, tokenizer **out, error *err);
/* Puts the text of tokenizer.json behind what is in `out`: of our own form, or the file as it was read.
 * STATUS_UNSUPPORTED for one that came from another kind of file. */
status tokenizer_print(const tokenizer *t, strbuf *out, error *err);
status tokenizer_write(const tokenizer *t, const char *path, error *err);
/* Text that differs where two tokenizers can differ: that of tokenizer_print for our own form, else a hash. */
status tokenizer_fingerprint(const tokenizer *t, strbuf *out, error *err);

/* Opens whatever holds a tokenizer, by what is in it: a folder (with tokenizer.json, else tokenizer.model, else vocab.json
 * and merges.txt), tokenizer.json, a SentencePiece model, tiktoken's ranks (lines of base64 and a number), llama2.c's
 * tokenizer.bin, or a GGUF file. */
status tokenizer_open(arena *a, const char *path, tokenizer **out, error *err);
/* The same for the bytes of a file; `name` stands in messages. */
status tokenizer_parse_any(arena *a, slice file, const char *name, tokenizer **out, error *err);
/* Of the vocabulary in a GGUF file: its key tokenizer.ggml.model is gpt2 (byte-level BPE, cut as tokenizer.ggml.pre names),
 * llama (SentencePiece BPE), t5 (SentencePiece Unigram) or bert (WordPiece). Others, and cuts that are not known, are
 * refused by name. */
status tokenizer_from_gguf(arena *a, const gguf *file, tokenizer **out, error *err);

size_t tokenizer_size(const tokenizer *t);
/* The bytes that one token adds to a text behind other tokens, of special ones their own text; empty for an id outside
 * the vocabulary. */
slice tokenizer_bytes(const tokenizer *t, int32_t id);
/* Puts the token as its file writes it behind what is in `out`: "\u0120the" where the bytes are " the". */
void tokenizer_piece(const tokenizer *t, int32_t id, strbuf *out);
bool tokenizer_is_special(const tokenizer *t, int32_t id);
/* The added tokens, special or not, in no order that matters. */
size_t tokenizer_added_count(const tokenizer *t);
int32_t tokenizer_added_at(const tokenizer *t, size_t i);
/* Id of a token by its bytes (special tokens by their text), or -1. */
int32_t tokenizer_find(const tokenizer *t, slice bytes);

/* Special tokens written out in the text become their ids; without this flag they are plain letters, so that nobody
 * forges the end of a message by writing "<|end|>" into it. */
enum {
    TOKENIZER_SPECIALS = 1,
    TOKENIZER_TEMPLATE = 2, /* add what the file puts around a text: often the token for its beginning */
};

/* Appends the ids of `text` to `out`. STATUS_INVALID, with the offset, for a text that is not UTF-8. */
status tokenizer_encode(const tokenizer *t, slice text, unsigned flags, token_list *out, error *err);

/* Which bytes of a text are somebody's own words, such as a user's, and not of the template around them. */
typedef struct tokenizer_marks {
    const unsigned char *data; /* [length of the text]: not 0 where the byte is such a word's; NULL: nowhere */
    const bool *control;       /* [tokenizer_size]: added tokens that are as good as special; NULL: none */
} tokenizer_marks;

/* As tokenizer_encode with TOKENIZER_SPECIALS, but a special token (or one of `control`) that holds a marked byte is
 * plain letters. What is marked may end anywhere; the letters around the border are cut and joined as if it was not. */
status tokenizer_encode_marked(const tokenizer *t, slice text, const tokenizer_marks *marks, token_list *out,
                               error *err);

/* Appends the text of the ids, without special tokens; bytes that do not form a character become U+FFFD. */
status tokenizer_decode(const tokenizer *t, const int32_t *ids, size_t count, strbuf *out, error *err);

/* Text token by token: what comes out so far is always whole characters. Start with {0}. All of it together is what
 * tokenizer_decode gives, but for runs of byte tokens (<0xE2>) that are not UTF-8 as a whole: Hugging Face's decoder
 * gives such a run up altogether, and a stream cannot wait for its end. */
typedef struct token_stream {
    const tokenizer *tokenizer; /* of the last token */
    char held[4]; /* the start of a character */
    size_t held_count;
    bool begun, text, marked, inside; /* a token, text, a dropped mark of space was seen; past what is stripped */
    size_t stripped, kept;            /* characters dropped at the start, kept back at the end */
    int32_t waiting;                  /* id + 1 of the token that is shown when it is known whether it is the last */
} token_stream;

void token_stream_add(token_stream *s, const tokenizer *t, int32_t id, strbuf *out);
/* What is still held (the beginning of a character that never ended) becomes U+FFFD. */
void token_stream_end(token_stream *s, strbuf *out);

#endif
