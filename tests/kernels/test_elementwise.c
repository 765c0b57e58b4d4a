/* Comparisons, selections and casts between all types: exactly what the plain routines give, with the same bits for every
 * instruction set. */
#include "compare.h"

#include <string.h>

static thread_pool *pool; /* none: these work on the calling thread */

static const kernel_type types[] = {KERNEL_F64, KERNEL_F32, KERNEL_BF16, KERNEL_I32, KERNEL_U8};
static const size_t counts[] = {0, 1, 15, 16, 17, 50};

/* Small whole numbers and halves, so that many are equal; NaN and infinities among floats. */
static void *mixed(arena *a, kernel_type type, size_t n, uint64_t seed)
{
    void *x = filled(a, KERNEL_F64, n, seed), *y = arena_alloc(a, n * kernel_type_size(type) + 8);
    for (size_t i = 0; i < n; i++) {
        double v = floor(4 * reference_get(KERNEL_F64, x, i)) / 2;
        if (type == KERNEL_U8)
            v = fabs(v);
        if (type <= KERNEL_BF16 && i % 13 == 5)
            v = i % 2 ? NAN : v < 0 ? -INFINITY : INFINITY;
        reference_set(type, y, i, v);
    }
    return y;
}

static void comparisons_give_bytes(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    for (size_t t = 0; t < COUNT_OF(types); t++)
        for (kernel_binary_op op = KERNEL_EQUAL; op <= KERNEL_GREATER; op++)
            for (size_t k = 0; k < COUNT_OF(counts); k++)
                for (size_t steps = 0; steps < 4; steps++) {
                    size_t n = counts[k], sx = steps & 1, sz = steps >> 1;
                    void *x = mixed(a, types[t], n + 1, 1), *z = mixed(a, types[t], n + 1, 2);
                    uint8_t *y = arena_alloc(a, n + 8);
                    SAME_BITS(y, n, kernel_compare(op, types[t], n, x, sx, z, sz, y));
                    for (size_t i = 0; i < n; i++) {
                        double u = reference_get(types[t], x, i * sx), v = reference_get(types[t], z, i * sz);
                        bool expected = op == KERNEL_EQUAL ? u == v : op == KERNEL_LESS ? u < v : op == KERNEL_LESS_EQUAL ? u <= v : u > v;
                        assert_int_equal(y[i], expected);
                    }
                }
    arena_free(a);
}

static void selections_move_bits(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    for (size_t t = 0; t < COUNT_OF(types); t++)
        for (size_t k = 0; k < COUNT_OF(counts); k++)
            for (size_t steps = 0; steps < 8; steps++) {
                size_t n = counts[k], size = kernel_type_size(types[t]), sm = steps & 1, sx = steps >> 1 & 1, sz = steps >> 2;
                char *x = mixed(a, types[t], n + 1, 1), *z = mixed(a, types[t], n + 1, 2), *y = arena_alloc(a, n * size + 8);
                if (types[t] == KERNEL_F32)
                    memcpy(x, "\x01\x00\x80\x7f", 4); /* a signalling NaN stays one */
                uint8_t *mask = mixed(a, KERNEL_U8, n + 1, 3);
                SAME_BITS(y, n * size, kernel_select(types[t], n, mask, sm, x, sx, z, sz, y));
                for (size_t i = 0; i < n; i++)
                    assert_memory_equal(y + i * size, mask[i * sm] ? x + i * sx * size : z + i * sz * size, size);
            }
    arena_free(a);
}

static void casts_are_those_of_the_reference(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    for (size_t from = 0; from < COUNT_OF(types); from++)
        for (size_t to = 0; to < COUNT_OF(types); to++)
            for (size_t k = 0; k < COUNT_OF(counts); k++) {
                size_t n = counts[k], bytes = n * kernel_type_size(types[to]);
                void *x = mixed(a, types[from], n + 1, 1), *y = arena_alloc(a, bytes + 8), *e = arena_alloc(a, bytes + 8);
                if (types[from] == KERNEL_I32)
                    reference_set(KERNEL_I32, x, 0, 2147483647);
                SAME_BITS(y, bytes, kernel_cast(n, types[from], x, types[to], y));
                reference_cast(n, types[from], x, types[to], e);
                for (size_t i = 0; i < n; i++) {
                    double found = reference_get(types[to], y, i), expected = reference_get(types[to], e, i);
                    assert_true(found == expected || (isnan(found) && isnan(expected)));
                }
            }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparisons_give_bytes),
        cmocka_unit_test(selections_move_bits),
        cmocka_unit_test(casts_are_those_of_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
