/* body_elementwise.h - elementwise operations; included once for each instruction set. */

#define EACH(count, ...)                                                                               \
    do {                                                                                                           \
        size_t i = 0, n = LANES;                                                                                   \
        for (; i + LANES <= (count); i += LANES)                                                                   \
            __VA_ARGS__;                                                                                             \
        n = (count) - i;                                                                                           \
        if (n)                                                                                                     \
            __VA_ARGS__;                                                                                             \
    } while (0)

/* The loop twice, so that the type is a constant in each. */
#define UNARY(name, expression)                                                                                    \
    static void unary_##name(kernel_type type, size_t count, const void *x, void *y)                                 \
    {                                                                                                              \
        if (type == KERNEL_BF16)                                                                                   \
            EACH(count, {                                                                                    \
                v16 a = v_get_up_to(KERNEL_BF16, x, i, n);                                                         \
                v_put_up_to(KERNEL_BF16, y, i, expression, n);                                                     \
            });                                                                                                    \
        else                                                                                                       \
            EACH(count, {                                                                                    \
                v16 a = v_get_up_to(KERNEL_F32, x, i, n);                                                          \
                v_put_up_to(KERNEL_F32, y, i, expression, n);                                                      \
            });                                                                                                    \
    }

UNARY(neg, v_neg(a))
UNARY(abs, v_abs(a))
UNARY(square, v_mul(a, a))
UNARY(sqrt, v_sqrt(a))
UNARY(rsqrt, v_div(v_set(1), v_sqrt(a)))
UNARY(reciprocal, v_div(v_set(1), a))
UNARY(exp, v_exp(a))
UNARY(log, v_log(a))
UNARY(tanh, v_tanh(a))
UNARY(sigmoid, v_sigmoid(a))
UNARY(silu, v_silu(a))
UNARY(relu, v_max(v_zero(), a)) /* in this order a NaN stays */
UNARY(softplus, v_softplus(a))
UNARY(floor, v_floor(a))

#define UNARY_FIELDS                                                                                               \
    .unary = {[KERNEL_NEG] = unary_neg,           [KERNEL_ABS] = unary_abs,                                        \
              [KERNEL_SQUARE] = unary_square,     [KERNEL_SQRT] = unary_sqrt,                                      \
              [KERNEL_RSQRT] = unary_rsqrt,       [KERNEL_RECIPROCAL] = unary_reciprocal,                          \
              [KERNEL_EXP] = unary_exp,           [KERNEL_LOG] = unary_log,                                        \
              [KERNEL_TANH] = unary_tanh,         [KERNEL_SIGMOID] = unary_sigmoid,                                \
              [KERNEL_SILU] = unary_silu,         [KERNEL_RELU] = unary_relu,                                      \
              [KERNEL_SOFTPLUS] = unary_softplus, [KERNEL_FLOOR] = unary_floor}

SIMD_FN v16 v_operand(kernel_type type, const void *x, size_t step, size_t i, size_t n)
{
    if (step)
        return v_get_up_to(type, x, i, n);
    return v_set(type == KERNEL_BF16 ? bf16_to_f32(*(const uint16_t *)x) : *(const float *)x);
}

#define BINARY_LOOP(type, expression)                                                                              \
    EACH(count, {                                                                                            \
        v16 p = v_operand(type, a, a_step, i, n), q = v_operand(type, b, b_step, i, n);                            \
        v_put_up_to(type, y, i, expression, n);                                                                    \
    })

#define BINARY(name, expression)                                                                                   \
    static void binary_##name(kernel_type type, size_t count, const void *a, size_t a_step, const void *b,          \
                              size_t b_step, void *y)                                                              \
    {                                                                                                              \
        if (type == KERNEL_BF16)                                                                                   \
            BINARY_LOOP(KERNEL_BF16, expression);                                                                  \
        else if (a_step && b_step)                                                                                 \
            EACH(count, {                                                                                    \
                v16 p = v_get_up_to(KERNEL_F32, a, i, n), q = v_get_up_to(KERNEL_F32, b, i, n);                    \
                v_put_up_to(KERNEL_F32, y, i, expression, n);                                                      \
            });                                                                                                    \
        else if (a_step) {                                                                                         \
            v16 q = v_set(*(const float *)b);                                                                      \
            EACH(count, {                                                                                          \
                v16 p = v_get_up_to(KERNEL_F32, a, i, n);                                                          \
                v_put_up_to(KERNEL_F32, y, i, expression, n);                                                      \
            });                                                                                                    \
        } else                                                                                                     \
            BINARY_LOOP(KERNEL_F32, expression);                                                                   \
    }

BINARY(add, v_add(p, q))
BINARY(sub, v_sub(p, q))
BINARY(mul, v_mul(p, q))
BINARY(div, v_div(p, q))
/* A NaN gives way to the other operand: v_max and v_min return the second one, which must then not be it. */
BINARY(max, v_select(v_equal(q, q), v_max(p, q), p))
BINARY(min, v_select(v_equal(q, q), v_min(p, q), p))
BINARY(equal, v_select(v_equal(p, q), v_set(1), v_zero()))
BINARY(less, v_select(v_less(p, q), v_set(1), v_zero()))
BINARY(less_equal, v_select(v_less_equal(p, q), v_set(1), v_zero()))
BINARY(greater, v_select(v_less(q, p), v_set(1), v_zero()))

#define BINARY_FIELDS                                                                                              \
    .binary = {[KERNEL_ADD] = binary_add,     [KERNEL_SUB] = binary_sub,   [KERNEL_MUL] = binary_mul,              \
               [KERNEL_DIV] = binary_div,     [KERNEL_MAX] = binary_max,   [KERNEL_MIN] = binary_min,              \
               [KERNEL_EQUAL] = binary_equal, [KERNEL_LESS] = binary_less, [KERNEL_LESS_EQUAL] = binary_less_equal, \
               [KERNEL_GREATER] = binary_greater}

/* Comparisons that give bytes. */
#define COMPARE_LOOP(type, expression)                                                                             \
    for (size_t i = 0; i < count; i += LANES) {                                                                    \
        size_t n = count - i;                                                                                      \
        v16 p = v_operand(type, a, a_step, i, n), q = v_operand(type, b, b_step, i, n);                            \
        if (n >= LANES) {                                                                                          \
            v_store_mask(y + i, expression);                                                                       \
        } else {                                                                                                   \
            uint8_t all[LANES];                                                                                    \
            v_store_mask(all, expression);                                                                         \
            memcpy(y + i, all, n);                                                                                 \
        }                                                                                                          \
    }

#define COMPARE(name, expression)                                                                                  \
    static void compare_##name(kernel_type type, size_t count, const void *a, size_t a_step, const void *b,         \
                               size_t b_step, uint8_t *y)                                                          \
    {                                                                                                              \
        if (type == KERNEL_BF16)                                                                                   \
            COMPARE_LOOP(KERNEL_BF16, expression)                                                                  \
        else                                                                                                       \
            COMPARE_LOOP(KERNEL_F32, expression)                                                                   \
    }

COMPARE(equal, v_equal(p, q))
COMPARE(less, v_less(p, q))
COMPARE(less_equal, v_less_equal(p, q))
COMPARE(greater, v_less(q, p))

#define COMPARE_FIELDS                                                                                             \
    .compare = {[KERNEL_EQUAL] = compare_equal, [KERNEL_LESS] = compare_less,                                      \
                [KERNEL_LESS_EQUAL] = compare_less_equal, [KERNEL_GREATER] = compare_greater}

/* Elements of 4 bytes, whatever they are: no arithmetic touches them. */
static void select_words(size_t count, const uint8_t *mask, const void *a, size_t a_step, const void *b, size_t b_step, void *y)
{
    for (size_t i = 0; i < count; i += LANES) {
        size_t n = count - i;
        uint8_t some[LANES] = {0};
        if (n < LANES)
            memcpy(some, mask + i, n);
        v16 p = v_operand(KERNEL_F32, a, a_step, i, n), q = v_operand(KERNEL_F32, b, b_step, i, n);
        v_put_up_to(KERNEL_F32, y, i, v_select(v_load_mask(n < LANES ? some : mask + i), p, q), n);
    }
}

SIMD_FN void bytes_of(kernel_type type, size_t count, const uint8_t *x, void *y)
{
    for (size_t i = 0; i < count; i += LANES) {
        size_t n = count - i;
        uint8_t some[LANES] = {0};
        if (n < LANES)
            memcpy(some, x + i, n);
        v_put_up_to(type, y, i, v_load_bytes(n < LANES ? some : x + i), n);
    }
}

static void widen_bytes(kernel_type type, size_t count, const uint8_t *x, void *y)
{
    if (type == KERNEL_BF16)
        bytes_of(KERNEL_BF16, count, x, y);
    else
        bytes_of(KERNEL_F32, count, x, y);
}

static void widen(size_t count, const uint16_t *x, float *y)
{
    EACH(count, v_put_up_to(KERNEL_F32, y, i, v_get_up_to(KERNEL_BF16, x, i, n), n));
}

static void narrow(size_t count, const float *x, uint16_t *y)
{
    EACH(count, v_put_up_to(KERNEL_BF16, y, i, v_get_up_to(KERNEL_F32, x, i, n), n));
}

SIMD_FN void add_to_of(kernel_type type, size_t count, const void *x, float *y)
{
    EACH(count,
         v_put_up_to(KERNEL_F32, y, i, v_add(v_get_up_to(KERNEL_F32, y, i, n), v_get_up_to(type, x, i, n)), n));
}

static void add_to(kernel_type type, size_t count, const void *x, float *y)
{
    if (type == KERNEL_BF16)
        add_to_of(KERNEL_BF16, count, x, y);
    else
        add_to_of(KERNEL_F32, count, x, y);
}
