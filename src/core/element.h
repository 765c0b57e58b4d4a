/* element.h - the element types of tensors, bfloat16, and half precision (which is a storage format only).
 *
 * bf16 is the upper half of an f32; f16 has 5 bits of exponent and 10 of fraction. Conversions to them round to nearest,
 * ties to even; NaN stays NaN.
 */
#ifndef ASSAY_CORE_ELEMENT_H
#define ASSAY_CORE_ELEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* name, word, bytes */
#define ELEMENT_TYPES(X)                                                                                           \
    X(F64, "f64", 8)                                                                                               \
    X(F32, "f32", 4)                                                                                               \
    X(BF16, "bf16", 2)                                                                                             \
    X(I32, "i32", 4)                                                                                               \
    X(U8, "u8", 1)

typedef enum element_type {
#define X(name, word, bytes) TYPE_##name,
    ELEMENT_TYPES(X)
#undef X
    TYPE_COUNT
} element_type;

typedef uint16_t bf16;

static inline size_t element_size(element_type type)
{
    static const unsigned char sizes[] = {
#define X(name, word, bytes) bytes,
        ELEMENT_TYPES(X)
#undef X
    };
    return sizes[type];
}

static inline const char *element_word(element_type type)
{
    static const char *const words[] = {
#define X(name, word, bytes) word,
        ELEMENT_TYPES(X)
#undef X
    };
    return words[type];
}

static inline bool element_is_float(element_type type)
{
    return type == TYPE_F64 || type == TYPE_F32 || type == TYPE_BF16;
}

static inline float bf16_to_f32(bf16 value)
{
    uint32_t bits = (uint32_t)value << 16;
    float out;
    memcpy(&out, &bits, sizeof out);
    return out;
}

static inline bf16 bf16_from_f32(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (bf16)((bits >> 16) | 0x40u);
    return (bf16)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

static inline float f16_to_f32(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 1023;
    float x;
    if (exponent == 0) { /* zero and subnormal: fraction * 2^-24 is exact in f32 */
        x = (float)fraction * 0x1p-24f;
        return sign ? -x : x;
    }
    uint32_t wide = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | fraction << 13;
    memcpy(&x, &wide, sizeof x);
    return x;
}

/* Beyond the range: infinity. */
static inline uint16_t f16_from_f32(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffffu;
    if (rest > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u | (rest >> 13 & 0x3ffu));
    if (rest >= 0x47800000u) /* 65536 and more */
        return (uint16_t)(sign | 0x7c00u);
    if (rest < 0x38800000u) { /* subnormal: adding 0.5 leaves the multiple of 2^-24 in the low bits */
        float x;
        memcpy(&x, &rest, sizeof x);
        x += 0.5f;
        memcpy(&rest, &x, sizeof rest);
        return (uint16_t)(sign | (rest - 0x3f000000u));
    }
    rest += 0xfffu + (rest >> 13 & 1u);
    return (uint16_t)(sign | ((rest - 0x38000000u) >> 13));
}

/* The nearest f32 that a bf16 can hold. */
static inline float bf16_round(float value)
{
    return bf16_to_f32(bf16_from_f32(value));
}

#endif
