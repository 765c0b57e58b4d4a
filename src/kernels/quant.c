/* Storage formats of weights: their names and sizes, and their values in f32. */
#include "kernels/quant_parts.h"

#include "core/element.h"

#include <assert.h>
#include <math.h>
#include <string.h>
#include <strings.h>

enum { SMALL = 32, LARGE = 256 }; /* elements of the two sizes of block */

static float read_f16(const uint8_t *p)
{
    return f16_to_f32((uint16_t)(p[0] | p[1] << 8));
}

static void write_f16(uint8_t *p, float x)
{
    uint16_t bits = f16_from_f32(x);
    p[0] = (uint8_t)bits;
    p[1] = (uint8_t)(bits >> 8);
}

/* ---- reading: one block ---- */

static void split_q8_0(const uint8_t *b, quant_parts *p)
{
    p->d = (uint16_t)(b[0] | b[1] << 8);
    for (int i = 0; i < SMALL; i++)
        p->q[i] = (uint8_t)(b[2 + i] ^ 0x80); /* two's complement to q + 128 */
}

static void split_q4_0(const uint8_t *b, quant_parts *p)
{
    p->d = (uint16_t)(b[0] | b[1] << 8);
    for (int i = 0; i < SMALL / 2; i++) {
        p->q[i] = b[2 + i] & 15;
        p->q[i + SMALL / 2] = b[2 + i] >> 4;
    }
}

/* The eight scales and minima of 6 bits out of 12 bytes: the first four lie in the low bits of bytes 0-3 and 4-7, whose
 * upper two bits belong to the last four, with the rest of those in the nibbles of bytes 8-11. */
static void split_k_scales(const uint8_t bytes[12], quant_parts *p)
{
    for (int i = 0; i < 4; i++) {
        p->scale[i] = (int8_t)(bytes[i] & 63);
        p->least[i] = bytes[4 + i] & 63;
        p->scale[4 + i] = (int8_t)((bytes[8 + i] & 15) | (bytes[i] >> 6) << 4);
        p->least[4 + i] = (uint8_t)(bytes[8 + i] >> 4 | (bytes[4 + i] >> 6) << 4);
    }
}

/* Q4_K and Q5_K: `high` is NULL, or 32 bytes whose bit g belongs to group g. Nibbles of groups 2 j and 2 j + 1 lie in the
 * low and the high halves of 32 bytes. */
static void split_with_minima(const uint8_t *b, const uint8_t *high, const uint8_t *low, quant_parts *p)
{
    p->d = (uint16_t)(b[0] | b[1] << 8);
    p->m = (uint16_t)(b[2] | b[3] << 8);
    split_k_scales(b + 4, p);
    for (int e = 0; e < LARGE; e++) {
        int g = e / 32, i = e % 32, q = low[g / 2 * 32 + i] >> (g % 2 * 4) & 15;
        p->q[e] = (uint8_t)(high ? q | (high[i] >> g & 1) << 4 : q);
    }
}

static void split_q4_k(const uint8_t *b, quant_parts *p)
{
    split_with_minima(b, NULL, b + 16, p);
}

static void split_q5_k(const uint8_t *b, quant_parts *p)
{
    split_with_minima(b, b + 16, b + 48, p);
}

/* Two halves of 128 elements, each in four quarters of 32: the low nibbles of quarters 0 and 2 (1 and 3) share 32 bytes;
 * the upper two bits of all four quarters share 32 bytes. */
static void split_q6_k(const uint8_t *b, quant_parts *p)
{
    const uint8_t *low = b, *high = b + 128;
    p->d = (uint16_t)(b[208] | b[209] << 8);
    memcpy(p->scale, b + 192, 16);
    for (int e = 0; e < LARGE; e++) {
        int half = e / 128, quarter = e / 32 % 4, i = e % 32;
        int nibble = low[64 * half + 32 * (quarter % 2) + i] >> (quarter / 2 * 4) & 15;
        p->q[e] = (uint8_t)(nibble | (high[32 * half + i] >> (2 * quarter) & 3) << 4);
    }
}

/* ---- writing: one block ---- */

static bool store_f16(const float *x, uint8_t *b)
{
    write_f16(b, x[0]);
    return isfinite(read_f16(b));
}

/* The element of largest magnitude, the first of equals; NaN when there is one, or an infinity. */
static float largest_of(const float *x)
{
    float most = 0;
    for (int i = 0; i < SMALL; i++) {
        if (!isfinite(x[i]))
            return NAN;
        if (fabsf(x[i]) > fabsf(most))
            most = x[i];
    }
    return most;
}

static bool store_q8_0(const float *x, uint8_t *b)
{
    float d = fabsf(largest_of(x)) / 127, inverse = d > 0 ? 1 / d : 0;
    if (!isfinite(d))
        return false;
    if (!isfinite(inverse)) /* so small that the scale is 0 in f16 too */
        inverse = 0;
    write_f16(b, d);
    for (int i = 0; i < SMALL; i++)
        b[2 + i] = (uint8_t)(int8_t)roundf(x[i] * inverse);
    return isfinite(read_f16(b));
}

static uint8_t nibble_of(float x)
{
    int q = (int)(x + 8.5f);
    return (uint8_t)(q > 15 ? 15 : q);
}

static bool store_q4_0(const float *x, uint8_t *b)
{
    float d = largest_of(x) / -8, inverse = d != 0 ? 1 / d : 0;
    if (!isfinite(d))
        return false;
    if (!isfinite(inverse))
        inverse = 0;
    write_f16(b, d);
    for (int i = 0; i < SMALL / 2; i++)
        b[2 + i] = (uint8_t)(nibble_of(x[i] * inverse) | nibble_of(x[i + SMALL / 2] * inverse) << 4);
    return isfinite(read_f16(b));
}

/* ---- the table ---- */

static const struct {
    const char *name;
    size_t elements, bytes;
} sizes[QUANT_COUNT] = {
    [QUANT_PLAIN] = {"plain", 1, 0},
#define X(name, word, elements, bytes) [QUANT_##name] = {word, elements, bytes},
    QUANT_FORMATS(X)
#undef X
};

/* bias: what q holds too much; group: elements that share a scale of their own, 0 where the block's is the only one. */
static const struct {
    void (*split)(const uint8_t *block, quant_parts *p);
    bool (*store)(const float *x, uint8_t *block);
    int bias, group;
} functions[] = {
    [QUANT_F16] = {NULL, store_f16, 0, 0},
    [QUANT_Q8_0] = {split_q8_0, store_q8_0, 128, 0},
    [QUANT_Q4_0] = {split_q4_0, store_q4_0, 8, 0},
    [QUANT_Q4_K] = {split_q4_k, NULL, 0, 32},
    [QUANT_Q5_K] = {split_q5_k, NULL, 0, 32},
    [QUANT_Q6_K] = {split_q6_k, NULL, 32, 16},
};
static_assert(COUNT_OF(functions) == QUANT_COUNT, "each format has a row");

const char *quant_name(quant_format f)
{
    return sizes[f].name;
}

bool quant_find(const char *name, quant_format *out)
{
    for (int f = QUANT_PLAIN + 1; name && f < QUANT_COUNT; f++)
        if (strcasecmp(name, sizes[f].name) == 0) {
            *out = (quant_format)f;
            return true;
        }
    return false;
}

size_t quant_block_elements(quant_format f)
{
    return sizes[f].elements;
}

size_t quant_block_bytes(quant_format f)
{
    return sizes[f].bytes;
}

status quant_row_bytes(quant_format f, int64_t elements, size_t *bytes, error *err)
{
    *bytes = 0;
    if (f <= QUANT_PLAIN || f >= QUANT_COUNT)
        return error_set(err, STATUS_INVALID, "format %d has no blocks", (int)f);
    if (elements < 0 || (uint64_t)elements % sizes[f].elements)
        return error_set(err, STATUS_INVALID, "a row of %lld elements is no whole number of blocks of %s (%zu elements each)",
                         (long long)elements, sizes[f].name, sizes[f].elements);
    size_t blocks = (size_t)elements / sizes[f].elements;
    if (blocks > PTRDIFF_MAX / sizes[f].bytes)
        return error_set(err, STATUS_INVALID, "a row of %lld elements is too long", (long long)elements);
    *bytes = blocks * sizes[f].bytes;
    return STATUS_OK;
}

static void check(quant_format f, size_t elements)
{
    if (f <= QUANT_PLAIN || f >= QUANT_COUNT || elements % sizes[f].elements)
        BUG("%zu elements in blocks of format %d", elements, (int)f);
}

void quant_split(quant_format f, const void *block, quant_parts *p)
{
    functions[f].split(block, p);
}

int quant_bias(quant_format f)
{
    return functions[f].bias;
}

/* The values of a block: scale (q - bias) - least. A minimum of 0 changes no bits. */
static void expand_block(quant_format f, const uint8_t *block, float *out)
{
    quant_parts p;
    int group = functions[f].group, bias = functions[f].bias;
    p.m = 0;
    functions[f].split(block, &p);
    float d = f16_to_f32(p.d), m = f16_to_f32(p.m);
    for (int e = 0; e < (int)sizes[f].elements; e++) {
        float scale = group ? d * (float)p.scale[e / group] : d;
        out[e] = scale * (float)(p.q[e] - bias);
        if (p.m)
            out[e] -= m * (float)p.least[e / group];
    }
}

void quant_expand(quant_format f, size_t elements, const void *blocks, float *out)
{
    check(f, elements);
    const uint8_t *b = blocks;
    for (size_t at = 0; at < elements; at += sizes[f].elements, b += sizes[f].bytes) {
        if (f == QUANT_F16)
            out[at] = read_f16(b);
        else
            expand_block(f, b, out + at);
    }
}

bool quant_can_store(quant_format f)
{
    return functions[f].store != NULL;
}

bool quant_store(quant_format f, size_t elements, const float *x, void *blocks)
{
    check(f, elements);
    uint8_t *b = blocks;
    if (!functions[f].store)
        return false;
    for (size_t at = 0; at < elements; at += sizes[f].elements, b += sizes[f].bytes)
        if (!functions[f].store(x + at, b))
            return false;
    return true;
}
