/* gguf.h - GGUF files: metadata by key and named tensors, often quantised, in one file (llama.cpp's format).
 *
 * A file is "GGUF", a version (2 and 3 are alike and read), the number of tensors and of keys, the keys with their values,
 * a directory of the tensors, and the data, each tensor at a multiple of the alignment. The reader maps the file, checks
 * every length against the file's end before it believes it, and allocates no more than the file is long.
 *
 *     gguf *file;
 *     TRY(gguf_open(arena, "model.gguf", &file, err));
 *     slice name;
 *     TRY(gguf_string(file, "general.architecture", &name, err));
 *     const gguf_tensor *t = gguf_find_tensor(file, "token_embd.weight");   // t->shape[0]: the innermost size
 *
 * Sizes stand innermost first, as in the file: a matrix of 32 rows with 64 columns has the shape {64, 32}.
 */
#ifndef ASSAY_NN_GGUF_H
#define ASSAY_NN_GGUF_H

#include "core/arena.h"
#include "core/error.h"
#include "core/text.h"

#include <stdbool.h>
#include <stdint.h>

/* Types of values: name, number in the file, bytes (0: no fixed size). */
#define GGUF_VALUE_TYPES(X)                                                                                        \
    X(U8, 0, 1) X(I8, 1, 1) X(U16, 2, 2) X(I16, 3, 2) X(U32, 4, 4) X(I32, 5, 4) X(F32, 6, 4) X(BOOL, 7, 1)          \
    X(STRING, 8, 0) X(ARRAY, 9, 0) X(U64, 10, 8) X(I64, 11, 8) X(F64, 12, 8)

typedef enum gguf_value_type {
#define X(name, number, bytes) GGUF_##name = number,
    GGUF_VALUE_TYPES(X)
#undef X
} gguf_value_type;

/* Types of tensors: name, number in the file, elements of a block, bytes of a block. */
#define GGUF_TENSOR_TYPES(X)                                                                                       \
    X(F32, 0, 1, 4) X(F16, 1, 1, 2) X(Q4_0, 2, 32, 18) X(Q4_1, 3, 32, 20) X(Q5_0, 6, 32, 22) X(Q5_1, 7, 32, 24)      \
    X(Q8_0, 8, 32, 34) X(Q8_1, 9, 32, 36) X(Q2_K, 10, 256, 84) X(Q3_K, 11, 256, 110) X(Q4_K, 12, 256, 144)           \
    X(Q5_K, 13, 256, 176) X(Q6_K, 14, 256, 210) X(Q8_K, 15, 256, 292) X(IQ2_XXS, 16, 256, 66)                        \
    X(IQ2_XS, 17, 256, 74) X(IQ3_XXS, 18, 256, 98) X(IQ1_S, 19, 256, 50) X(IQ4_NL, 20, 32, 18)                       \
    X(IQ3_S, 21, 256, 110) X(IQ2_S, 22, 256, 82) X(IQ4_XS, 23, 256, 136) X(I8, 24, 1, 1) X(I16, 25, 1, 2)            \
    X(I32, 26, 1, 4) X(I64, 27, 1, 8) X(F64, 28, 1, 8) X(IQ1_M, 29, 256, 56) X(BF16, 30, 1, 2)

typedef enum gguf_tensor_type {
#define X(name, number, elements, bytes) GGUF_TENSOR_##name = number,
    GGUF_TENSOR_TYPES(X)
#undef X
} gguf_tensor_type;

enum { GGUF_RANK = 4 };

typedef struct gguf_value {
    const char *key;
    gguf_value_type type, item; /* of an array: the type of its items */
    uint64_t count;             /* items; 1 for what is no array */
    slice bytes;                /* as they lie in the file, without the lengths of a string */
} gguf_value;

typedef struct gguf_tensor {
    const char *name;
    gguf_tensor_type type;
    int rank;
    int64_t shape[GGUF_RANK]; /* innermost first; 1 beyond the rank */
    const void *data;
    size_t bytes;
} gguf_tensor;

typedef struct gguf gguf;

/* Maps and checks a file; it lives as long as the arena. STATUS_INVALID: it breaks the format, and the message says where;
 * STATUS_UNSUPPORTED: another version, byte order or type of tensor. */
status gguf_open(arena *a, const char *path, gguf **out, error *err);
/* The same over bytes in memory, which must outlive the result; `name` stands in messages. */
status gguf_from_bytes(arena *a, slice bytes, const char *name, gguf **out, error *err);
const char *gguf_name(const gguf *g);

/* Keys and tensors in bytewise order of their names. */
size_t gguf_key_count(const gguf *g);
const gguf_value *gguf_value_at(const gguf *g, size_t i);
const gguf_value *gguf_find(const gguf *g, const char *key); /* NULL: not there */
size_t gguf_tensor_count(const gguf *g);
const gguf_tensor *gguf_tensor_at(const gguf *g, size_t i);
const gguf_tensor *gguf_find_tensor(const gguf *g, const char *name); /* NULL: not there */
const char *gguf_tensor_type_name(gguf_tensor_type type);
/* Elements and bytes of a block; false for a number that is no type. */
bool gguf_tensor_block(gguf_tensor_type type, unsigned *elements, unsigned *bytes);

/* Values that must be there with the right type: STATUS_INVALID names the key. Integers may be of any integer type that
 * holds the value, numbers of any. */
status gguf_string(const gguf *g, const char *key, slice *out, error *err);
status gguf_int(const gguf *g, const char *key, int64_t *out, error *err);
status gguf_number(const gguf *g, const char *key, double *out, error *err);
/* Values with a fallback for a key that is not there; one of another type is refused. */
status gguf_int_or(const gguf *g, const char *key, int64_t fallback, int64_t *out, error *err);
status gguf_bool_or(const gguf *g, const char *key, bool fallback, bool *out, error *err);
/* Arrays: of strings as slices into the file, of integers, of numbers. */
status gguf_strings(const gguf *g, arena *a, const char *key, slice **out, size_t *count, error *err);
status gguf_ints(const gguf *g, arena *a, const char *key, int64_t **out, size_t *count, error *err);
status gguf_numbers(const gguf *g, arena *a, const char *key, double **out, size_t *count, error *err);

#endif
