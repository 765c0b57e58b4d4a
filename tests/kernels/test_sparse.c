/* Tables that are zero but for some rows: the bits of the dense kernels on the whole table, for every instruction set and thread count. */
#include "compare.h"
#include "pool.h"

static const struct {
    size_t entries, width;
    size_t count;
    int32_t index[8];
} tables[] = {
    {1, 1, 1, {0}},           {5, 3, 3, {0, 4, -1}},
    {700, 100, 8, {0, 40, 41, 81, 82, 163, 699, -1}}, /* rows across the ends of blocks */
    {9, 4096, 3, {1, 2, 8}},  {3, 10007, 2, {1, 2}},  /* blocks inside of rows */
    {4097, 1, 5, {0, 4095, 4096, -1, -1}},
    {300, 64, 2, {-1, -1}},   {300, 64, 2, {299, 300}}, /* none; one that is not in the table */
};

static void table_case(arena *a, size_t t, kernel_type type)
{
    size_t n = tables[t].entries * tables[t].width, width = tables[t].width, bytes = n * sizeof(float), size = kernel_type_size(type);
    char *rows = filled(a, type, tables[t].count * width, 1), *dense = arena_alloc(a, n * size + 8);
    for (size_t i = 0; i < tables[t].count; i++)
        if (tables[t].index[i] >= 0 && (size_t)tables[t].index[i] < tables[t].entries)
            memcpy(dense + (size_t)tables[t].index[i] * width * size, rows + i * width * size, width * size);
    kernel_sparse x = {type, tables[t].entries, width, tables[t].count, tables[t].index, rows};
    double sum = 0, whole;
    void *scratch = arena_alloc(a, kernel_sum_squares_scratch_bytes(n));
    SAME_BITS(&sum, sizeof sum, sum = kernel_sparse_sum_squares(&x, use, scratch));
    whole = kernel_sum_squares(type, NULL, n, dense, scratch);
    assert_memory_equal(&sum, &whole, sizeof sum);
    if (type != KERNEL_F32)
        return;
    kernel_adamw how = {1e-2, 0.9, 0.95, 1e-8, 0.1, 0.5, 3, 0, 0};
    float *p = filled(a, type, n, 2), *m = filled(a, type, n, 3), *v = arena_alloc(a, bytes + 4), *made = arena_alloc(a, 3 * bytes + 4);
    for (size_t i = 0; i < n; i++)
        v[i] = m[i] * m[i];
    SAME_BITS(made, 3 * bytes, {
        memcpy(made, p, bytes);
        memcpy(made + n, m, bytes);
        memcpy(made + 2 * n, v, bytes);
        kernel_sparse_adamw_step(&x, use, &how, made, made + n, made + 2 * n);
    });
    kernel_adamw_step(type, NULL, n, &how, p, m, v, dense, NULL);
    assert_memory_equal(made, p, bytes);
    assert_memory_equal(made + n, m, bytes);
    assert_memory_equal(made + 2 * n, v, bytes);
}

static void rows_give_the_bits_of_the_table(void **state)
{
    (void)state;
    for (size_t t = 0; t < COUNT_OF(tables); t++) {
        arena *a = arena_new(NULL);
        table_case(a, t, KERNEL_F32);
        table_case(a, t, KERNEL_BF16);
        arena_free(a);
    }
}

/* Out of order some rows are not found, but nothing is written where it should not be (a sanitizer would see it). */
static void what_is_out_of_order_does_no_harm(void **state)
{
    (void)state;
    static const int32_t index[6] = {90, 3, -7, INT32_MAX, 3, INT32_MIN};
    arena *a = arena_new(NULL);
    size_t n = 100 * 50;
    float *rows = filled(a, KERNEL_F32, 6 * 50, 1), *p = filled(a, KERNEL_F32, n, 2), *m = filled(a, KERNEL_F32, n, 3), *v = filled(a, KERNEL_F32, n, 4);
    kernel_sparse x = {KERNEL_F32, 100, 50, 6, index, rows};
    kernel_adamw how = {1e-2, 0.9, 0.95, 1e-8, 0.1, 0.5, 3, 0, 0};
    assert_true(kernel_sparse_sum_squares(&x, pool, arena_alloc(a, kernel_sum_squares_scratch_bytes(n))) >= 0);
    kernel_sparse_adamw_step(&x, pool, &how, p, m, v);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_give_the_bits_of_the_table),
        cmocka_unit_test(what_is_out_of_order_does_no_harm),
    };
    return cmocka_run_group_tests(tests, pool_set_up, pool_tear_down);
}
