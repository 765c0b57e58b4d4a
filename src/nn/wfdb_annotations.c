#include "core/file.h"
#include "nn/wfdb.h"

/* Words of 16 bits, little-endian: six bits of code, ten of a number, the time since the word before. Code 0 is no annotation: the time
 * passes. Codes from 59 on say something about the annotation before them (or, SKIP, about the time of the one behind); all zeros
 * end the file. */
enum { LARGEST_CODE = 49, SKIP = 59, NUMBER = 60, SUBTYPE = 61, CHANNEL = 62, TEXT = 63 };

static const size_t limit = (size_t)64 << 20;

static const struct annotation_code {
    const char *symbol;
    bool beat;
} codes[LARGEST_CODE + 1] = {
    [1] = {"N", true},   [2] = {"L", true},   [3] = {"R", true},   [4] = {"a", true},   [5] = {"V", true},   [6] = {"F", true},
    [7] = {"J", true},   [8] = {"A", true},   [9] = {"S", true},   [10] = {"E", true},  [11] = {"j", true},  [12] = {"/", true},
    [13] = {"Q", true},  [14] = {"~", false}, [16] = {"|", false}, [18] = {"s", false}, [19] = {"T", false}, [20] = {"*", false},
    [21] = {"D", false}, [22] = {"\"", false}, [23] = {"=", false}, [24] = {"p", false}, [25] = {"B", true}, [26] = {"^", false},
    [27] = {"t", false}, [28] = {"+", false}, [29] = {"u", false}, [30] = {"?", true},  [31] = {"!", true},  [32] = {"[", false},
    [33] = {"]", false}, [34] = {"e", true},  [35] = {"n", true},  [36] = {"@", false}, [37] = {"x", false}, [38] = {"f", true},
    [39] = {"(", false}, [40] = {")", false}, [41] = {"r", true},
};

const char *wfdb_symbol(uint8_t code)
{
    return code <= LARGEST_CODE && codes[code].symbol ? codes[code].symbol : "?";
}

bool wfdb_is_beat(uint8_t code)
{
    return code <= LARGEST_CODE && codes[code].beat;
}

typedef struct walk {
    const uint8_t *bytes;
    size_t length, at;
    const char *name;
    error *err;
    int64_t frame;
    uint8_t channel, number; /* hold until they are set again */
} walk;

static status cut_short(const walk *w)
{
    return error_set(w->err, STATUS_INVALID, "%s ends within its annotations, at byte %zu: expected a word of zeros at the end", w->name,
                     w->length);
}

static status next_word(walk *w, uint32_t *out)
{
    if (w->length - w->at < 2)
        return cut_short(w);
    *out = (uint32_t)w->bytes[w->at] | (uint32_t)w->bytes[w->at + 1] << 8;
    w->at += 2;
    return STATUS_OK;
}

/* What is said about an annotation that has been read; `one` is a scratch annotation while they are only counted. */
static status describe(walk *w, uint32_t code, uint32_t value, wfdb_annotation *one)
{
    if (code == SUBTYPE) {
        one->subtype = (int8_t)(uint8_t)value;
    } else if (code == NUMBER) {
        one->number = w->number = (uint8_t)value;
    } else if (code == CHANNEL) {
        one->channel = w->channel = (uint8_t)value;
    } else {
        size_t padded = value + value % 2;
        if (w->length - w->at < padded)
            return cut_short(w);
        one->text = (slice){(const char *)w->bytes + w->at, value};
        w->at += padded;
    }
    return STATUS_OK;
}

/* items NULL: they are only counted. */
static status read_all(walk *w, wfdb_annotation *items, size_t *count)
{
    wfdb_annotation scratch = {0}, *last = NULL;
    for (*count = 0;;) {
        uint32_t word = 0, high = 0, low = 0;
        TRY(next_word(w, &word));
        uint32_t code = word >> 10, value = word & 1023;
        if (!word)
            return STATUS_OK;
        if (code == SKIP) { /* 32 bits with a sign, the higher half first */
            TRY(next_word(w, &high));
            TRY(next_word(w, &low));
            w->frame += (int32_t)(high << 16 | low);
        } else if (code > SKIP) {
            if (!last)
                return error_set(w->err, STATUS_INVALID, "%s: byte %zu describes an annotation before the first", w->name, w->at - 2);
            TRY(describe(w, code, value, last));
        } else if (code > LARGEST_CODE) {
            return error_set(w->err, STATUS_INVALID, "%s: byte %zu holds code %u: annotations have codes up to %d", w->name, w->at - 2,
                             (unsigned)code, LARGEST_CODE);
        } else {
            w->frame += value;
            if (!code)
                continue;
            last = items ? &items[*count] : &scratch;
            *last = (wfdb_annotation){.frame = w->frame, .code = (uint8_t)code, .channel = w->channel, .number = w->number};
            ++*count;
        }
    }
}

status wfdb_annotations_parse(arena *a, slice bytes, const char *name, wfdb_annotations *out, error *err)
{
    const walk begin = {.bytes = (const uint8_t *)bytes.text, .length = bytes.length, .name = name, .err = err};
    walk w = begin;
    TRY(read_all(&w, NULL, &out->count));
    out->items = ARENA_ARRAY(a, wfdb_annotation, out->count + 1);
    if (!out->items)
        return error_set(err, STATUS_MEMORY, "out of memory");
    w = begin;
    return read_all(&w, out->items, &out->count);
}

status wfdb_annotations_read(arena *a, const char *path, wfdb_annotations *out, error *err)
{
    slice bytes;
    TRY(file_read(a, path, limit, &bytes, err));
    return wfdb_annotations_parse(a, bytes, path, out, err);
}
