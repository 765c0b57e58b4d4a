/* llama2.c's tokenizer files: the longest piece's length, then for each piece a score, a length, and its bytes. */
#include "lm/llama2c.h"

#include "core/text.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE_LIMIT = 1 << 16 };
#define SPACE_SIGN "\xe2\x96\x81" /* how SentencePiece and tokenizer.json write a space */

typedef struct piece {
    char *text; /* with the sign for spaces */
    size_t length;
    float score;
    size_t id;
} piece;

typedef struct joining {
    size_t left, right, made; /* ids */
    float score;
} joining;

typedef struct pieces {
    arena *arena;
    const char *name;
    piece *list;        /* by id */
    const piece **sorted; /* by text */
    size_t count;
} pieces;

static status no_memory(const pieces *p, error *err)
{
    return error_set(err, STATUS_MEMORY, "%s: out of memory", p->name);
}

/* The first three are written "\n<s>\n" and so on in older files. */
static status read_piece(pieces *p, size_t id, slice bytes, error *err)
{
    static const char *const specials[] = {"<unk>", "<s>", "</s>"};
    strbuf text = strbuf_new(p->arena, (size_t)4 * PIECE_LIMIT);
    if (id < COUNT_OF(specials) && slice_is(slice_trim(bytes), specials[id]))
        bytes = slice_trim(bytes);
    for (size_t i = 0; i < bytes.length; i++)
        if (bytes.text[i] == ' ')
            strbuf_add(&text, SPACE_SIGN);
        else
            strbuf_add_char(&text, bytes.text[i]);
    if (text.failed)
        return no_memory(p, err);
    if (bytes.length == 0 || memchr(text.text, '\0', text.length) || !utf8_valid(strbuf_slice(&text)))
        return error_set(err, STATUS_INVALID, "%s: piece %zu is empty or not text in UTF-8", p->name, id);
    p->list[id].text = text.text;
    p->list[id].length = text.length;
    p->list[id].id = id;
    return STATUS_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp((*(const piece *const *)a)->text, (*(const piece *const *)b)->text);
}

static status read_pieces(pieces *p, slice bytes, error *err)
{
    size_t at = 4;
    for (size_t i = 0; i < p->count; i++) {
        int32_t length = -1;
        if (at <= bytes.length && bytes.length - at >= 8) {
            memcpy(&p->list[i].score, bytes.text + at, 4);
            memcpy(&length, bytes.text + at + 4, 4);
            at += 8;
        }
        if (length < 0 || length > PIECE_LIMIT || (size_t)length > bytes.length - at)
            return error_set(err, STATUS_INVALID, "%s: expected %zu pieces; the file ends or breaks off at piece %zu", p->name,
                             p->count, i);
        TRY(read_piece(p, i, (slice){bytes.text + at, (size_t)length}, err));
        at += (size_t)length;
        p->sorted[i] = &p->list[i];
    }
    if (at != bytes.length)
        return error_set(err, STATUS_INVALID, "%s: %zu bytes stand behind the %zu pieces of the model's vocabulary", p->name,
                         bytes.length - at, p->count);
    qsort(p->sorted, p->count, sizeof *p->sorted, by_text);
    for (size_t i = 1; i < p->count; i++)
        if (strcmp(p->sorted[i - 1]->text, p->sorted[i]->text) == 0)
            return error_set(err, STATUS_INVALID, "%s: pieces %zu and %zu are the same", p->name, p->sorted[i - 1]->id,
                             p->sorted[i]->id);
    return STATUS_OK;
}

static const piece *find(const pieces *p, char *text)
{
    const piece key = {.text = text}, *k = &key;
    const piece *const *found = bsearch(&k, p->sorted, p->count, sizeof *p->sorted, by_text);
    return found ? *found : NULL;
}

/* By falling score of what is made; of equal ones the earlier piece, then the earlier left part. */
static int by_rank(const void *a, const void *b)
{
    const joining *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    if (x->made != y->made)
        return x->made < y->made ? -1 : 1;
    return x->left < y->left ? -1 : x->left > y->left;
}

/* Every way to make a piece of two others. */
static status find_joinings(pieces *p, joining **out, size_t *count, error *err)
{
    size_t room = 0;
    for (size_t i = 0; i < p->count; i++)
        room += p->list[i].length;
    joining *list = ARENA_ARRAY(p->arena, joining, room + 1);
    char *left = arena_alloc(p->arena, (size_t)4 * PIECE_LIMIT);
    if (!list || !left)
        return no_memory(p, err);
    for (size_t i = 3; i < p->count; i++) {
        const piece *made = &p->list[i];
        for (size_t cut = 1; cut < made->length; cut++) {
            left[cut - 1] = made->text[cut - 1];
            left[cut] = '\0';
            if (((unsigned char)made->text[cut] & 0xc0) == 0x80)
                continue; /* inside a character */
            const piece *l = find(p, left), *r = find(p, made->text + cut);
            if (l && r)
                list[(*count)++] = (joining){l->id, r->id, i, made->score};
        }
    }
    qsort(list, *count, sizeof *list, by_rank);
    *out = list;
    return STATUS_OK;
}

static json_t *special_json(int id, const char *text)
{
    return json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", id, "content", text, "single_word", 0, "lstrip", 0, "rstrip", 0,
                     "normalized", 0, "special", 1);
}

/* Everything but the vocabulary and the pairs: as `transformers` writes it for Llama 2. */
static json_t *frame_json(void)
{
    json_t *begin = json_pack("{s:{s:s, s:i}}", "SpecialToken", "id", "<s>", "type_id", 0);
    json_t *a = json_pack("{s:{s:s, s:i}}", "Sequence", "id", "A", "type_id", 0);
    json_t *b = json_pack("{s:{s:s, s:i}}", "Sequence", "id", "B", "type_id", 1);
    json_t *again = json_pack("{s:{s:s, s:i}}", "SpecialToken", "id", "<s>", "type_id", 1);
    return json_pack(
        "{s:s, s:n, s:n, s:[o,o,o], s:{s:s, s:[{s:s, s:s}, {s:s, s:{s:s}, s:s}]}, s:n, s:{s:s, s:[O,O], s:[o,o,o,o], "
        "s:{s:{s:s, s:[i], s:[s]}}}, s:{s:s, s:[{s:s, s:{s:s}, s:s}, {s:s}, {s:s}, {s:s, s:s, s:i, s:i}]}}",
        "version", "1.0", "truncation", "padding", "added_tokens", special_json(0, "<unk>"), special_json(1, "<s>"),
        special_json(2, "</s>"), "normalizer", "type", "Sequence", "normalizers", "type", "Prepend", "prepend", SPACE_SIGN,
        "type", "Replace", "pattern", "String", " ", "content", SPACE_SIGN, "pre_tokenizer", "post_processor", "type",
        "TemplateProcessing", "single", begin, a, "pair", begin, a, again, b, "special_tokens", "<s>", "id", "<s>", "ids", 1,
        "tokens", "<s>", "decoder", "type", "Sequence", "decoders", "type", "Replace", "pattern", "String", SPACE_SIGN, "content",
        " ", "type", "ByteFallback", "type", "Fuse", "type", "Strip", "content", " ", "start", 1, "stop", 0);
}

static json_t *model_json(const pieces *p, const joining *list, size_t count)
{
    json_t *vocabulary = json_object(), *merges = json_array();
    bool whole = vocabulary && merges;
    for (size_t i = 0; whole && i < p->count; i++)
        whole = json_object_set_new(vocabulary, p->list[i].text, json_integer((json_int_t)i)) == 0;
    for (size_t i = 0; whole && i < count; i++)
        whole = json_array_append_new(merges, json_pack("[s, s]", p->list[list[i].left].text, p->list[list[i].right].text)) == 0;
    json_t *model = whole ? json_pack("{s:s, s:n, s:s, s:n, s:n, s:b, s:b, s:b, s:O, s:O}", "type", "BPE", "dropout", "unk_token",
                                      "<unk>", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 1, "byte_fallback",
                                      1, "ignore_merges", 0, "vocab", vocabulary, "merges", merges)
                          : NULL;
    json_decref(vocabulary);
    json_decref(merges);
    return model;
}

static status make_json(pieces *p, slice bytes, json_t **out, error *err)
{
    joining *list = NULL;
    size_t count = 0;
    TRY(read_pieces(p, bytes, err));
    if (p->count < 3 || strcmp(p->list[0].text, "<unk>") != 0 || strcmp(p->list[1].text, "<s>") != 0 ||
        strcmp(p->list[2].text, "</s>") != 0)
        return error_set(err, STATUS_INVALID, "%s: expected the pieces <unk>, <s> and </s> first", p->name);
    TRY(find_joinings(p, &list, &count, err));
    json_t *frame = frame_json(), *model = model_json(p, list, count);
    if (!frame || !model || json_object_set(frame, "model", model) != 0) {
        json_decref(frame);
        json_decref(model);
        return no_memory(p, err);
    }
    json_decref(model);
    *out = frame;
    return STATUS_OK;
}

status llama2c_tokenizer(slice bytes, const char *name, size_t vocabulary, json_t **out, error *err)
{
    pieces p = {.arena = arena_new(NULL), .name = name, .count = vocabulary};
    *out = NULL;
    status result = STATUS_OK;
    if (bytes.length < 4 || vocabulary > bytes.length / 8) /* each piece takes at least that: refused before memory is taken */
        result = error_set(err, STATUS_INVALID, "%s: expected %zu pieces; the file has %zu bytes", name, vocabulary, bytes.length);
    p.list = result == STATUS_OK ? ARENA_ARRAY(p.arena, piece, vocabulary + 1) : NULL;
    p.sorted = p.list ? ARENA_ARRAY(p.arena, const piece *, vocabulary + 1) : NULL;
    if (result == STATUS_OK)
        result = p.sorted ? make_json(&p, bytes, out, err) : no_memory(&p, err);
    arena_free(p.arena);
    return result;
}
