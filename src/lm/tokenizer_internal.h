/* Inside of the tokenizer: what its parts share.
 *
 * A text goes through: added tokens that are matched as written (added.c) -> normalizers, each from text to text ->
 * added tokens that are matched in normalized text -> cutters, each from a piece to smaller pieces -> the model, from
 * a piece to ids. Normalizers, cutters and the parts of a decoder are `step`s: a row of a table by the type's name in
 * tokenizer.json (tokenizer_parts*.c) reads one, and a function of the step does the work.
 */
#ifndef ASSAY_LM_TOKENIZER_INTERNAL_H
#define ASSAY_LM_TOKENIZER_INTERNAL_H

#include "lm/tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <pthread.h>

enum { TOKENIZER_FILE_LIMIT = 256 << 20 };

/* ---- prefix trees (tokenizer_trie.c) ---- */

typedef struct trie_node {
    uint32_t children; /* index of the first; they lie in a row, by byte */
    int32_t value;     /* -1: no key ends here */
    uint16_t count;
    unsigned char byte;
} trie_node;

typedef struct trie {
    trie_node *nodes; /* [0]: the root */
    size_t count;
    bool first[256]; /* bytes with which a key begins */
} trie;

typedef struct trie_key {
    slice text; /* not empty */
    int32_t value;
} trie_key;

/* Sorts `keys` in place; of equal ones the last in the list holds. */
status trie_build(arena *a, trie_key *keys, size_t count, trie *out, error *err);
/* The node one byte on, or 0. */
uint32_t trie_next(const trie *t, uint32_t node, unsigned char byte);
/* Value of the longest key at the start of `text`, or -1. */
int32_t trie_longest(const trie *t, slice text, size_t *length);

/* ---- steps ---- */

typedef struct step step;
typedef struct cutting cutting;
typedef struct charsmap charsmap;

/* Text on its way through the normalizers. */
typedef struct normal_text {
    strbuf text;
    bool moved; /* the first character of the text as it was given is no longer the first: see Metaspace "first" */
} normal_text;

typedef enum split_behavior { SPLIT_REMOVED, SPLIT_ISOLATED, SPLIT_PREVIOUS, SPLIT_NEXT, SPLIT_CONTIGUOUS } split_behavior;
typedef enum prepend_scheme { PREPEND_ALWAYS, PREPEND_FIRST, PREPEND_NEVER } prepend_scheme;

struct step {
    const char *type;
    slice text, content; /* what is looked for, what takes its place */
    pcre2_code *code;    /* pattern instead of `text` */
    charsmap *map;
    const trie *user; /* SentencePiece: symbols of the user, which nothing changes */
    bool (*letter)(uint32_t code); /* what is cut at, when it is a kind of characters */
    uint32_t code_point;
    unsigned flags;
    split_behavior behavior;
    prepend_scheme prepend;
    size_t start, stop;
    status (*normalize)(const step *s, slice in, normal_text *out, error *err);
    status (*cut)(const step *s, cutting *c, size_t next, slice piece, bool first, error *err);
    void (*show)(const step *s, slice in, bool first, strbuf *out); /* a decoder's, on one token */
};

typedef struct step_list {
    step *steps;
    size_t count, capacity;
} step_list;

/* ---- vocabulary ---- */

/* left and right become `result`; the place in the list is the rank. */
typedef struct merge {
    int32_t left, right, result;
} merge;

/* Text that must be found whole before anything else is cut. */
typedef struct added_token {
    slice text;
    int32_t id;
    bool special, single_word, lstrip, rstrip, normalized;
} added_token;

enum {
    MARK_MODEL = 1,   /* in the model's vocabulary */
    MARK_SPECIAL = 2, /* left out of text */
    MARK_BYTE = 4,    /* <0x41> */
    MARK_UNUSED = 8,  /* of a SentencePiece model: joined over, never an outcome */
    MARK_USER = 16,   /* of a SentencePiece model: always whole */
};

enum { UNKNOWN_MISSING = -2 };

typedef struct piece_cache piece_cache;

/* How ids become text (tokenizer_decode.c). */
typedef enum byte_run { RUN_NONE, RUN_WHOLE, RUN_CHARACTERS } byte_run;

typedef struct decoding {
    step_list steps;    /* of each token by itself */
    bool first_differs; /* one of them treats the first token differently */
    bool joined;        /* a space stands between tokens */
    byte_run run;       /* <0x41> is a byte; where bytes form no text all of a run become U+FFFD, or those alone */
    bool bytes;         /* tokens are bytes, not text */
    slice mark;         /* SentencePiece: how a space is written */
    bool strip_mark;    /* ... one at the start of the text is dropped ... */
    bool strip_marks;   /* ... and one from each token until text has appeared */
    slice suffix;       /* BPEDecoder: the end of a word; nothing at the end of the text, else a space */
    step *ends;         /* Strip of the whole text, or NULL */
} decoding;

struct tokenizer {
    arena *arena;
    const char *name; /* of the file, for messages; NULL once it is read */
    /* The vocabulary. A token's key is what the model looks up: bytes where the model works on bytes, else the text
     * of the file. */
    slice *tokens;
    slice *texts; /* NULL, or by id what decoders get in place of the key: an added token's normalized text */
    slice *shown; /* what it adds to a text behind other tokens */
    unsigned char *marks;
    double *scores; /* NULL: none */
    size_t count, longest;
    uint32_t *token_table; /* id + 1, by hash of the key */
    size_t token_mask;
    bool bytes; /* byte-level: the model gets the bytes of a piece, not their letters */
    added_token *added;
    size_t added_count;
    trie as_written, normalized; /* values: indexes into `added` */
    step_list normalizers, cutters;
    decoding decoder;
    int32_t *before, *after; /* ids that the post-processor puts around a text */
    size_t before_count, after_count;
    /* The model. */
    status (*model)(const tokenizer *t, slice piece, unsigned flags, token_list *out, error *err);
    int32_t unknown; /* -1: none; UNKNOWN_MISSING: the file names one that is not in its vocabulary */
    bool ignore_merges, fuse_unknown, byte_fallback;
    bool single; /* SentencePiece: scores are added in single precision */
    int32_t byte_ids[256]; /* of the token that stands for a byte, -1: none */
    merge *merges;
    size_t merge_count;
    uint32_t *merge_table; /* index into merges + 1, by hash of the pair */
    size_t merge_mask;
    slice prefix, suffix; /* of a token that does not begin, or that ends, a word */
    size_t longest_word;  /* WordPiece: a longer one is unknown, in characters */
    trie pieces;          /* Unigram: by text */
    trie user;            /* SentencePiece: what users defined */
    bool has_unused;      /* SentencePiece */
    double unknown_score, user_score;
    /* What it was made from. */
    const char *pattern; /* our own form: the one cut; else NULL */
    slice source;        /* the file's bytes where they can be printed again: tokenizer.json of another form */
    unsigned char digest[32]; /* of the file, where the form is not our own */
    piece_cache *cache;
};

status tokenizer_out_of_memory(const char *name, error *err);
status tokenizer_unsupported(const char *name, const char *part, const char *found, error *err);
/* A tokenizer with its own defaults and no vocabulary. */
status tokenizer_begin(arena *a, const char *name, tokenizer **out, error *err);
/* Room for `count` ids. */
status tokenizer_room(tokenizer *t, size_t count, error *err);
/* Builds the table of keys; with it tokenizer_model_find can be used. */
status tokenizer_index(tokenizer *t, error *err);
/* Builds everything that follows from the lists; must come last. */
status tokenizer_finish(tokenizer *t, error *err);
status tokenizer_cache(tokenizer *t, error *err);
/* Id of a key of the model's vocabulary, or -1; a special token only where `flags` has TOKENIZER_SPECIALS. */
int32_t tokenizer_model_find(const tokenizer *t, slice key, unsigned flags);
/* Finds <0x00> to <0xFF> in the vocabulary; true when all are there. */
bool tokenizer_find_bytes(tokenizer *t);
status tokenizer_add_step(tokenizer *t, step_list *list, step s, error *err);
status tokenizer_add_added(tokenizer *t, added_token token, error *err);

/* Compiles a pattern as Hugging Face's regular expressions mean it; freed with the tokenizer's arena. */
status tokenizer_pattern(tokenizer *t, const char *pattern, pcre2_code **out, error *err);
status tokenizer_compile(const char *pattern, const char *name, pcre2_code **out, error *err);

/* Letters of byte-level files: the code point that stands for a byte, which is itself where it can be printed, else
 * one from U+0100 on. */
uint32_t tokenizer_byte_letter(unsigned char byte);
/* False when something else stands in the text. */
bool tokenizer_letters_to_bytes(slice letters, char *bytes, size_t *count);
void tokenizer_bytes_to_letters(slice bytes, strbuf *out);

/* Models. */
status tokenizer_bpe(const tokenizer *t, slice piece, unsigned flags, token_list *out, error *err);
status tokenizer_pieces(const tokenizer *t, slice piece, unsigned flags, token_list *out, error *err);
status tokenizer_unigram(const tokenizer *t, slice piece, unsigned flags, token_list *out, error *err);
status tokenizer_wordpiece(const tokenizer *t, slice piece, unsigned flags, token_list *out, error *err);
status tokenizer_wordlevel(const tokenizer *t, slice piece, unsigned flags, token_list *out, error *err);
/* Merge table of BPE. */
status tokenizer_merge_table(tokenizer *t, error *err);
/* Trie and scores of Unigram. */
status tokenizer_unigram_finish(tokenizer *t, error *err);

/* ---- use ---- */

struct cutting {
    const tokenizer *t;
    unsigned flags; /* may the model's outcome be special: TOKENIZER_SPECIALS */
    token_list *out;
    pcre2_match_data *match;
    /* Of the texts in which added tokens are sought. */
    unsigned added_flags;
    slice whole;
    const tokenizer_marks *marks;
};

/* The piece goes through the cutters from number `next` on and then to the model. */
status tokenizer_cut_on(cutting *c, size_t next, slice piece, bool first, error *err);
status tokenizer_encode_piece(cutting *c, slice piece, error *err);
status tokenizer_normalize(const tokenizer *t, slice text, normal_text *out, error *err);
/* The next match of a pattern at or after *at: false when there is none. Empty matches count. */
status tokenizer_match(pcre2_code *code, pcre2_match_data *match, slice text, size_t *at, size_t last_end, size_t span[2],
                       bool *found, error *err);
/* Calls piece(context, text) for what the pattern matches and for what lies between, in order. */
status tokenizer_cut(pcre2_code *code, pcre2_match_data *match, slice text,
                     status (*piece)(void *context, slice piece, error *err), void *context, error *err);

/* Steps. */
status normalize_form(const step *s, slice in, normal_text *out, error *err); /* flags: FORM_* */
status normalize_lowercase(const step *s, slice in, normal_text *out, error *err);
status normalize_strip(const step *s, slice in, normal_text *out, error *err); /* start, stop: on or off */
status normalize_strip_accents(const step *s, slice in, normal_text *out, error *err);
status normalize_replace(const step *s, slice in, normal_text *out, error *err);
status normalize_prepend(const step *s, slice in, normal_text *out, error *err);
status normalize_bert(const step *s, slice in, normal_text *out, error *err); /* flags: BERT_* */
status normalize_nmt(const step *s, slice in, normal_text *out, error *err);
status normalize_byte_level(const step *s, slice in, normal_text *out, error *err);
status normalize_charsmap(const step *s, slice in, normal_text *out, error *err);
status normalize_sentencepiece(const step *s, slice in, normal_text *out, error *err); /* flags: SPM_* */
enum { FORM_COMPOSE = 1, FORM_COMPATIBLE = 2 };
enum { BERT_CLEAN = 1, BERT_CHINESE = 2, BERT_ACCENTS = 4, BERT_LOWERCASE = 8 };
enum { SPM_DUMMY_PREFIX = 1, SPM_REMOVE_EXTRA = 2, SPM_ESCAPE = 4, SPM_SUFFIX = 8 };

status cut_split(const step *s, cutting *c, size_t next, slice piece, bool first, error *err); /* flags: CUT_INVERT */
status cut_letters(const step *s, cutting *c, size_t next, slice piece, bool first, error *err);
status cut_words(const step *s, cutting *c, size_t next, slice piece, bool first, error *err);
status cut_prefix_space(const step *s, cutting *c, size_t next, slice piece, bool first, error *err);
status cut_to_letters(const step *s, cutting *c, size_t next, slice piece, bool first, error *err);
status cut_metaspace(const step *s, cutting *c, size_t next, slice piece, bool first, error *err);
status cut_fixed(const step *s, cutting *c, size_t next, slice piece, bool first, error *err);
enum { CUT_INVERT = 1, CUT_SPLIT = 2 };

/* Kinds of characters as the reference has them (tokenizer_unicode.c). */
bool letter_space(uint32_t code);
bool letter_punctuation(uint32_t code);
bool letter_numeric(uint32_t code);
bool letter_word(uint32_t code);
bool letter_mark(uint32_t code);
bool letter_nonspacing(uint32_t code);
bool letter_control(uint32_t code);
bool letter_chinese(uint32_t code);

/* The character map of SentencePiece (tokenizer_charsmap.c): bytes are checked, copied into the arena. */
status charsmap_read(arena *a, slice bytes, const char *name, charsmap **out, error *err);
/* What the shortest or longest known prefix of `text` becomes; false when none is known. */
bool charsmap_find(const charsmap *m, slice text, bool longest, slice *becomes, size_t *length);

/* Parts of tokenizer.json by their type (tokenizer_parts*.c). */
status tokenizer_read_normalizer(tokenizer *t, const json_t *part, error *err);
status tokenizer_read_cutter(tokenizer *t, const json_t *part, error *err);
status tokenizer_read_processor(tokenizer *t, const json_t *part, error *err);
status tokenizer_read_decoder(tokenizer *t, const json_t *part, error *err);
/* ---- other files ---- */

/* Types of pieces, as SentencePiece and GGUF number them. */
enum { PIECE_NORMAL = 1, PIECE_UNKNOWN, PIECE_CONTROL, PIECE_USER, PIECE_UNUSED, PIECE_BYTE };

typedef struct sentencepiece_rules {
    bool unigram, byte_fallback, dummy_prefix, remove_extra, escape, suffix;
    slice charsmap, unknown_text;
} sentencepiece_rules;

/* One token of a vocabulary of pieces: text, score, type; room and scores must be there. */
status tokenizer_set_piece(tokenizer *t, size_t id, slice text, float score, uint64_t type, error *err);
/* The tokenizer of such a vocabulary. */
status tokenizer_sentencepiece_finish(tokenizer *t, const sentencepiece_rules *rules, error *err);
/* Bytes reach the model, cut by the patterns one behind the other. */
status tokenizer_byte_level(tokenizer *t, const char *const *patterns, size_t count, error *err);
/* The name in GGUF files of a cut by one pattern; NULL where it has none. */
const char *tokenizer_gguf_cut(const char *pattern, bool whole, bool nfc);
/* The one pattern by which a byte-level tokenizer cuts, whatever it puts around a text, in the arena; NULL where it works
 * otherwise, or its added tokens take more than their own letters. */
const char *tokenizer_cut_pattern(const tokenizer *t, arena *a);
status tokenizer_parse_sentencepiece(arena *a, slice file, const char *name, tokenizer **out, error *err);
status tokenizer_parse_small(arena *a, slice file, const char *name, bool llama2, tokenizer **out, error *err);
status tokenizer_open_gpt2(arena *a, const char *folder, tokenizer **out, error *err);
/* The byte that <0x41> stands for, or -1. */
int tokenizer_byte_of(slice token);

/* Of the model: vocabulary and rules (tokenizer_model.c). */
/* A token by its text in a file: its key is made from it; no room or a second token for an id is refused. */
status tokenizer_set_token(tokenizer *t, int64_t id, slice text, unsigned char marks, error *err);
/* Merge number `index`; merges must have room. `room` is scratch. */
status tokenizer_add_merge(tokenizer *t, size_t index, slice left, slice right, strbuf *room, error *err);
const char *tokenizer_model_type(const json_t *model);
status tokenizer_read_model(tokenizer *t, const json_t *model, const json_t *added, error *err);
bool tokenizer_absent(const json_t *value);
const char *tokenizer_type(const json_t *object);

void show_replace(const step *s, slice in, bool first, strbuf *out);
void show_metaspace(const step *s, slice in, bool first, strbuf *out);
void show_wordpiece(const step *s, slice in, bool first, strbuf *out); /* flags: 1 for its clean-up */
void show_strip(const step *s, slice in, bool first, strbuf *out);
/* What each token adds to a text (tokenizer_decode.c). */
status tokenizer_show_all(tokenizer *t, error *err);

#endif
