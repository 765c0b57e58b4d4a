#include "kernels/cpu/fast.h"
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"

#include <string.h>

static bool narrow_float(kernel_type type)
{
    return type == KERNEL_F32 || type == KERNEL_BF16;
}

void kernel_unary(kernel_unary_op op, kernel_type type, size_t count, const void *x, void *y)
{
    if (op == KERNEL_COPY)
        memmove(y, x, count * kernel_type_size(type));
    else if (narrow_float(type) && fast()->unary[op])
        fast()->unary[op](type, count, x, y);
    else
        reference_unary(op, type, count, x, y);
}

#define ARITHMETIC(sign)                                                                                           \
    do {                                                                                                           \
        if (a_step && b_step)                                                                                      \
            for (size_t i = 0; i < count; i++)                                                                     \
                y[i] = a[i] sign b[i];                                                                             \
        else                                                                                                       \
            for (size_t i = 0; i < count; i++)                                                                     \
                y[i] = a[i * a_step] sign b[i * b_step];                                                           \
    } while (0)

/* The four operations that f64 does most; false: another one. */
static bool arithmetic_f64(kernel_binary_op op, size_t count, const double *a, size_t a_step, const double *b, size_t b_step, double *y)
{
    switch (op) {
    case KERNEL_ADD:
        ARITHMETIC(+);
        return true;
    case KERNEL_SUB:
        ARITHMETIC(-);
        return true;
    case KERNEL_MUL:
        ARITHMETIC(*);
        return true;
    case KERNEL_DIV:
        ARITHMETIC(/);
        return true;
    default:
        return false;
    }
}

void kernel_binary(kernel_binary_op op, kernel_type type, size_t count, const void *a, size_t a_step, const void *b,
                   size_t b_step, void *y)
{
    if (narrow_float(type) && fast()->binary[op])
        fast()->binary[op](type, count, a, a_step, b, b_step, y);
    else if (type != KERNEL_F64 || !arithmetic_f64(op, count, a, a_step, b, b_step, y))
        reference_binary(op, type, count, a, a_step, b, b_step, y);
}

#define COMPARE_AS(element)                                                                                        \
    do {                                                                                                           \
        const element *p = a, *q = b;                                                                              \
        for (size_t i = 0; i < count; i++) {                                                                       \
            element u = p[i * a_step], v = q[i * b_step];                                                          \
            y[i] = op == KERNEL_EQUAL ? u == v : op == KERNEL_LESS ? u < v : op == KERNEL_LESS_EQUAL ? u <= v : u > v; \
        }                                                                                                          \
    } while (0)

void kernel_compare(kernel_binary_op op, kernel_type type, size_t count, const void *a, size_t a_step, const void *b,
                    size_t b_step, uint8_t *y)
{
    if (op < KERNEL_EQUAL || op > KERNEL_GREATER)
        BUG("operation %d is no comparison", (int)op);
    if (narrow_float(type))
        fast()->compare[op](type, count, a, a_step, b, b_step, y);
    else if (type == KERNEL_F64)
        COMPARE_AS(double);
    else if (type == KERNEL_I32)
        COMPARE_AS(int32_t);
    else
        COMPARE_AS(uint8_t);
}

/* Two steps of 1 is what most calls have: a loop of its own, for the compiler. */
#define SELECT(element)                                                                                            \
    do {                                                                                                           \
        const element *p = a, *q = b;                                                                              \
        element *r = y;                                                                                            \
        if (mask_step && a_step && b_step)                                                                         \
            for (size_t i = 0; i < count; i++)                                                                     \
                r[i] = mask[i] ? p[i] : q[i];                                                                      \
        else                                                                                                       \
            for (size_t i = 0; i < count; i++)                                                                     \
                r[i] = mask[i * mask_step] ? p[i * a_step] : q[i * b_step];                                        \
    } while (0)

void kernel_select(kernel_type type, size_t count, const uint8_t *mask, size_t mask_step, const void *a, size_t a_step,
                   const void *b, size_t b_step, void *y)
{
    switch (kernel_type_size(type)) {
    case 8:
        SELECT(uint64_t);
        break;
    case 4:
        if (mask_step)
            fast()->select_words(count, mask, a, a_step, b, b_step, y);
        else
            SELECT(uint32_t);
        break;
    case 2:
        SELECT(uint16_t);
        break;
    default:
        SELECT(uint8_t);
    }
}

#define CONVERT(source, result)                                                                                    \
    do {                                                                                                           \
        const source *p = x;                                                                                       \
        result *r = y;                                                                                             \
        for (size_t i = 0; i < count; i++)                                                                         \
            r[i] = (result)p[i];                                                                                   \
    } while (0)

void kernel_cast(size_t count, kernel_type from, const void *x, kernel_type to, void *y)
{
    if (from == to)
        memmove(y, x, count * kernel_type_size(to));
    else if (from == KERNEL_BF16 && to == KERNEL_F32)
        fast()->widen(count, x, y);
    else if (from == KERNEL_F32 && to == KERNEL_BF16)
        fast()->narrow(count, x, y);
    else if (from == KERNEL_U8 && narrow_float(to))
        fast()->widen_bytes(to, count, x, y);
    else if (from == KERNEL_U8 && to == KERNEL_F64)
        CONVERT(uint8_t, double);
    else if (from == KERNEL_I32 && to == KERNEL_F32)
        CONVERT(int32_t, float);
    else if (from == KERNEL_I32 && to == KERNEL_F64)
        CONVERT(int32_t, double);
    else if (from == KERNEL_F32 && to == KERNEL_F64)
        CONVERT(float, double);
    else if (from == KERNEL_F64 && to == KERNEL_F32)
        CONVERT(double, float);
    else
        reference_cast(count, from, x, to, y);
}

void kernel_fill(kernel_type type, size_t count, double value, void *y)
{
    if (count == 0)
        return;
    size_t size = kernel_type_size(type), bytes = count * size, done = size;
    reference_set(type, y, 0, value);
    for (; done < bytes; done *= 2) /* doubles what is there */
        memcpy((char *)y + done, y, done <= bytes - done ? done : bytes - done);
}
