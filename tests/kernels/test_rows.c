/* Row kernels and layers against the reference in f64, over odd shapes; every instruction set and thread count must give
 * the same bits. */
#include "compare.h"
#include "pool.h"

static kernel_type wide(kernel_type type)
{
    return type == KERNEL_F64 ? KERNEL_F64 : KERNEL_F32;
}

static const size_t shapes[][2] = {{0, 5}, {1, 1}, {3, 15}, {2, 16}, {5, 17}, {7, 33}, {130, 31}, {65, 256}, {9, 1500}};

static void softmax_case(arena *a, kernel_type t, size_t rows, size_t width)
{
    size_t n = rows * width, bytes = n * kernel_type_size(t);
    void *x = filled(a, t, n, 1), *dy = filled(a, t, n, 2), *y = arena_alloc(a, bytes + 8), *dx = arena_alloc(a, bytes + 8);
    double *x64 = widened(a, t, n, x), *dy64 = widened(a, t, n, dy);
    SAME_BITS(y, bytes, kernel_softmax(t, use, rows, width, x, y));
    double *y64 = widened(a, t, n, y), *e = arena_alloc(a, n * 8 + 8);
    reference_softmax(KERNEL_F64, rows, width, x64, e);
    assert_near("softmax", t, n, y, KERNEL_F64, e, tolerance_of(t));
    SAME_BITS(dx, bytes, kernel_softmax_backward(t, use, rows, width, y, dy, dx));
    reference_softmax_backward(KERNEL_F64, rows, width, y64, dy64, e);
    assert_near("softmax backward", t, n, dx, KERNEL_F64, e, tolerance_of(t));
}

static void norm_case(arena *a, kernel_type t, kernel_type wt, size_t rows, size_t width)
{
    size_t n = rows * width, bytes = n * kernel_type_size(t), w_size = kernel_type_size(wide(t));
    void *x = filled(a, t, n, 3), *w = filled(a, wt, width, 4), *dy = filled(a, t, n, 5), *add = filled(a, t, n, 6);
    void *y = arena_alloc(a, bytes + 8), *dx = arena_alloc(a, bytes + 8);
    void *rstd = arena_alloc(a, (rows + 1) * w_size), *dw = arena_alloc(a, (width + 1) * w_size);
    void *scratch = arena_alloc(a, kernel_rms_norm_backward_scratch_bytes(t, rows, width));
    double *x64 = widened(a, t, n, x), *w64 = widened(a, wt, width, w), *dy64 = widened(a, t, n, dy);
    double *e = arena_alloc(a, n * 8 + 8), *r64 = arena_alloc(a, rows * 8 + 8), *dw64 = arena_alloc(a, width * 8 + 8);
    SAME_BITS(y, bytes, kernel_rms_norm(t, wt, use, rows, width, 1e-5, x, w, y, rstd));
    reference_rms_norm(KERNEL_F64, KERNEL_F64, rows, width, 1e-5, x64, w64, e, r64);
    assert_near("rms_norm", t, n, y, KERNEL_F64, e, tolerance_of(t));
    assert_near("rms_norm rstd", wide(t), rows, rstd, KERNEL_F64, r64, tolerance_of(wide(t)));
    SAME_BITS(dx, bytes,
              kernel_rms_norm_backward(t, wt, use, rows, width, x, w, rstd, dy, add, dx, dw, scratch));
    reference_rms_norm_backward(KERNEL_F64, KERNEL_F64, rows, width, x64, w64, r64, dy64, widened(a, t, n, add), e, dw64);
    assert_near("rms_norm dx", t, n, dx, KERNEL_F64, e, tolerance_of(t));
    assert_near("rms_norm dweight", wide(t), width, dw, KERNEL_F64, dw64, tolerance_of(wide(t)));
    kernel_rms_norm_backward(t, wt, pool, rows, width, x, w, rstd, dy, NULL, dx, NULL, scratch);
    reference_rms_norm_backward(KERNEL_F64, KERNEL_F64, rows, width, x64, w64, r64, dy64, NULL, e, NULL);
    if (width > 1) /* with one element the derivative is all cancellation */
        assert_near("rms_norm dx alone", t, n, dx, KERNEL_F64, e, tolerance_of(t));
}

static void cross_entropy_case(arena *a, kernel_type t, size_t rows, size_t width)
{
    size_t stride = width + 3, n = rows * stride, bytes = n * kernel_type_size(t), size = kernel_type_size(wide(t));
    void *x = filled(a, t, n, 7), *dx = filled(a, t, n, 8), *weights = filled(a, wide(t), rows, 9);
    void *loss = arena_alloc(a, (rows + 1) * size), *lse = arena_alloc(a, (rows + 1) * size), *dloss = filled(a, wide(t), 1, 10);
    int32_t *target = arena_alloc(a, (rows + 1) * 4);
    for (size_t r = 0; r < rows; r++)
        target[r] = r % 5 == 4 ? -1 : r % 11 == 7 ? (int32_t)width : r % 13 == 8 ? INT32_MAX : (int32_t)(r * 7 % width); /* outside: ignored */
    if (rows > 1)
        reference_set(wide(t), weights, 1, 0);
    double *x64 = widened(a, t, n, x), *w64 = widened(a, wide(t), rows, weights), *d64 = widened(a, wide(t), 1, dloss);
    double *loss64 = arena_alloc(a, rows * 8 + 8), *lse64 = arena_alloc(a, rows * 8 + 8), *e = arena_alloc(a, n * 8 + 8);
    SAME_BITS(loss, rows * size, kernel_cross_entropy(t, use, rows, width, x, stride, target, weights, loss, lse));
    reference_cross_entropy(KERNEL_F64, rows, width, x64, stride, target, w64, loss64, lse64);
    assert_near("cross entropy", wide(t), rows, loss, KERNEL_F64, loss64, tolerance_of(wide(t)));
    assert_near("log of the sum", wide(t), rows, lse, KERNEL_F64, lse64, tolerance_of(wide(t)));
    memset(dx, 0, bytes);
    SAME_BITS(dx, bytes, kernel_cross_entropy_backward(t, use, rows, width, x, stride, target, weights, lse, dloss, 0, dx));
    reference_cross_entropy_backward(KERNEL_F64, rows, width, x64, stride, target, w64, lse64, d64, 0, e);
    assert_near("cross entropy backward", t, n, dx, KERNEL_F64, e, tolerance_of(t));
}

static void silu_case(arena *a, kernel_type t, size_t rows, size_t width)
{
    size_t stride = 2 * width, n = rows * stride, m = rows * width, size = kernel_type_size(t);
    char *both = filled(a, t, n, 11), *dboth = arena_alloc(a, n * size + 8), *dy = filled(a, t, m, 12), *y = filled(a, t, m, 13);
    double *both64 = widened(a, t, n, both), *dy64 = widened(a, t, m, dy), *e = arena_alloc(a, n * 8 + 8);
    SAME_BITS(y, m * size, kernel_gated_silu(t, use, rows, width, both, both + width * size, stride, y));
    reference_gated_silu(KERNEL_F64, rows, width, both64, both64 + width, stride, e);
    assert_near("gated silu", t, m, y, KERNEL_F64, e, tolerance_of(t));
    SAME_BITS(dboth, n * size,
              kernel_gated_silu_backward(t, use, rows, width, both, both + width * size, stride, dy, dboth,
                                         dboth + width * size));
    reference_gated_silu_backward(KERNEL_F64, rows, width, both64, both64 + width, stride, dy64, e, e + width);
    assert_near("gated silu backward", t, n, dboth, KERNEL_F64, e, tolerance_of(t));
}

/* The reduction of an x that comes in pieces, a chunk of columns after the other. */
static void reduce_in_pieces(arena *a, const kernel_reduction *r, const void *x, void *y, void *scratch)
{
    size_t size = kernel_type_size(r->type), width = r->inner > 40 ? 40 : r->inner, rows = r->inner == 1 ? 3 * KERNEL_PIECE_ROWS : 5;
    char *state = arena_alloc(a, kernel_reduction_state_bytes(r, width) + 8), *piece = arena_alloc(a, rows * width * size + 8);
    for (size_t task = 0; task < r->outer * r->parts; task++) {
        size_t o = task / r->parts, part = task % r->parts, first = part * r->part;
        size_t end = first + r->part < r->count ? first + r->part : r->count;
        for (size_t column = 0; column < r->inner; column += width) {
            size_t w = r->inner - column < width ? r->inner - column : width;
            kernel_reduction_begin(r, w, state);
            for (size_t row = first; row < end; row += rows) {
                size_t n = end - row < rows ? end - row : rows;
                for (size_t i = 0; i < n; i++)
                    memcpy(piece + i * w * size, (const char *)x + (((o * r->count) + row + i) * r->inner + column) * size, w * size);
                kernel_reduction_add(r, n, w, piece, state);
            }
            kernel_reduction_end(r, o, part, column, w, state, scratch, y);
        }
    }
    kernel_reduction_finish(r, scratch, y);
}

static void reduce_case(arena *a, kernel_type t, size_t outer, size_t count, size_t inner)
{
    size_t n = outer * count * inner, m = outer * inner;
    void *x = filled(a, t, n, 14), *y = arena_alloc(a, m * 8 + 8);
    double *x64 = widened(a, t, n, x), *e = arena_alloc(a, m * 8 + 8);
    for (int op = 0; op < KERNEL_REDUCE_COUNT; op++) {
        bool place = op == KERNEL_REDUCE_ARGMAX;
        if (op == KERNEL_REDUCE_PRODUCT && count > 100)
            continue;
        void *scratch = arena_alloc(a, kernel_reduce_scratch_bytes((kernel_reduce_op)op, t, outer, count, inner) + 8);
        SAME_BITS(y, m * (place ? 4 : kernel_type_size(t)),
                  kernel_reduce((kernel_reduce_op)op, t, use, outer, count, inner, x, y, scratch));
        if (op == KERNEL_REDUCE_SUM || op == KERNEL_REDUCE_HIGHEST) {
            kernel_reduction r = kernel_reduction_of((kernel_reduce_op)op, t, outer, count, inner, false);
            void *pieces = arena_alloc(a, m * 8 + 8), *own = arena_alloc(a, kernel_reduction_scratch_bytes(&r) + 8);
            SAME_BITS(pieces, m * kernel_type_size(t), reduce_in_pieces(a, &r, x, pieces, own));
            assert_memory_equal(pieces, y, m * kernel_type_size(t));
        }
        reference_reduce((kernel_reduce_op)op, KERNEL_F64, outer, count, inner, x64, e);
        if (place)
            assert_memory_equal(y, e, m * 4);
        else
            assert_near("reduce", t, m, y, KERNEL_F64, e, tolerance_of(t));
    }
}

static void rows_match_the_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        for (size_t t = 0; t < COUNT_OF(float_types); t++) {
            arena *a = arena_new(NULL);
            kernel_type type = float_types[t];
            size_t rows = shapes[i][0], width = shapes[i][1];
            softmax_case(a, type, rows, width);
            norm_case(a, type, type, rows, width);
            if (type == KERNEL_BF16)
                norm_case(a, type, KERNEL_F32, rows, width);
            cross_entropy_case(a, type, rows, width);
            silu_case(a, type, rows, width);
            reduce_case(a, type, rows, width, 1);
            reduce_case(a, type, 3, width, rows);
            arena_free(a);
        }
}

/* Sums long enough to be made in blocks, over rows and along them. */
static void long_sums_match_the_reference(void **state)
{
    (void)state;
    static const size_t sizes[][3] = {{1, 5000, 7}, {2, 40000, 1}, {1, 70, 1500}, {3, 1100, 33}};
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        for (size_t t = 0; t < COUNT_OF(float_types); t++) {
            arena *a = arena_new(NULL);
            reduce_case(a, float_types[t], sizes[i][0], sizes[i][1], sizes[i][2]);
            arena_free(a);
        }
}

static void rotary_turns_forward_and_back(void **state)
{
    (void)state;
    static const size_t heads[][2] = {{1, 2}, {3, 10}, {2, 32}, {5, 34}, {4, 64}};
    for (size_t i = 0; i < COUNT_OF(heads); i++)
        for (size_t t = 0; t < COUNT_OF(float_types); t++) {
            arena *a = arena_new(NULL);
            enum { ROWS = 40 };
            kernel_type type = float_types[t];
            size_t h = heads[i][0], d = heads[i][1], stride = h * d + 5, n = ROWS * stride, size = kernel_type_size(type);
            void *x = filled(a, type, n, 1), *y = arena_alloc(a, n * size + 8), *z = copied(a, type, n, x);
            float *inverse = arena_alloc(a, d * 2 + 4), *c = arena_alloc(a, 50 * d * 2), *s = arena_alloc(a, 50 * d * 2);
            int32_t position[ROWS];
            for (int r = 0; r < ROWS; r++)
                position[r] = r == 11 ? -1 : r == 30 ? 50 : r == 31 ? INT32_MAX : r * 7 % 50; /* outside of the tables: zeros */
            kernel_rotary_frequencies(d, 10000, inverse);
            kernel_rotary_table(0, 20, d, inverse, c, s);
            kernel_rotary_table(20, 30, d, inverse, c + 20 * (d / 2), s + 20 * (d / 2));
            for (size_t k = 0; k < 50 * (d / 2); k++) /* the same rows, made in pieces */
                assert_true(c[k] == cosf((float)(k / (d / 2)) * inverse[k % (d / 2)]));
            SAME_BITS(y, n * size, kernel_rotary(type, use, ROWS, h, d, x, stride, position, 50, c, s, false, y, stride));
            double *x64 = widened(a, type, n, x), *e = arena_alloc(a, n * 8 + 8);
            reference_rotary(KERNEL_F64, ROWS, h, d, x64, stride, position, 50, c, s, false, e, stride);
            assert_near("rotary", type, n, y, KERNEL_F64, e, tolerance_of(type));
            kernel_rotary(type, pool, ROWS, h, d, y, stride, position, 50, c, s, true, y, stride); /* in place */
            for (size_t r = 0; r < ROWS; r++) /* what lies between the rows was never written */
                memcpy((char *)z + (r * stride + h * d) * size, (char *)y + (r * stride + h * d) * size, 5 * size);
            for (size_t r = 0; r < ROWS; r++)
                if (position[r] < 0 || position[r] >= 50)
                    memset((char *)z + r * stride * size, 0, h * d * size);
            assert_near("rotary and back", type, n, y, type, z, 4 * tolerance_of(type) + 1e-7);
            arena_free(a);
        }
}

static void scatter_adds_rows_in_order(void **state)
{
    (void)state;
    for (size_t t = 0; t < COUNT_OF(float_types); t++) {
        arena *a = arena_new(NULL);
        enum { ROWS = 300, WIDTH = 37, ENTRIES = 50 };
        kernel_type type = float_types[t];
        size_t size = kernel_type_size(wide(type));
        void *dy = filled(a, type, ROWS * WIDTH, 1), *table = arena_alloc(a, ENTRIES * WIDTH * size);
        void *scratch = arena_alloc(a, kernel_scatter_add_scratch_bytes(ROWS, ENTRIES));
        int32_t ids[ROWS];
        for (int r = 0; r < ROWS; r++)
            ids[r] = r * r % 47;
        SAME_BITS(table, ENTRIES * WIDTH * size,
                  kernel_scatter_add(type, use, ROWS, WIDTH, ENTRIES, dy, ids, table, false, scratch));
        double *e = arena_alloc(a, ENTRIES * WIDTH * 8), *dy64 = widened(a, type, ROWS * WIDTH, dy);
        reference_scatter_add(KERNEL_F64, ROWS, WIDTH, ENTRIES, dy64, ids, e, false);
        assert_near("scatter", wide(type), ENTRIES * WIDTH, table, KERNEL_F64, e, tolerance_of(wide(type)));
        kernel_scatter_add(type, pool, ROWS, WIDTH, ENTRIES, dy, ids, table, true, scratch);
        reference_scatter_add(KERNEL_F64, ROWS, WIDTH, ENTRIES, dy64, ids, e, true);
        assert_near("scatter twice", wide(type), ENTRIES * WIDTH, table, KERNEL_F64, e, tolerance_of(wide(type)));
        arena_free(a);
    }
}

/* Ten steps, against the textbook in f64. */
static void adamw_steps_match_the_reference(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    enum { COUNT = 8192 + 19 };
    float *p = filled(a, KERNEL_F32, COUNT, 1), *m = arena_alloc(a, COUNT * 4), *v = arena_alloc(a, COUNT * 4);
    double *p64 = widened(a, KERNEL_F32, COUNT, p), *m64 = arena_alloc(a, COUNT * 8), *v64 = arena_alloc(a, COUNT * 8);
    uint16_t *copy = arena_alloc(a, COUNT * 2);
    for (int step = 1; step <= 10; step++) {
        float *g = filled(a, KERNEL_F32, COUNT, 100 + (uint64_t)step);
        kernel_adamw how = {1e-2, 0.9, 0.95, 1e-8, 0.1, 0.5, step, 0, 0};
        kernel_adamw_step(KERNEL_F32, pool, COUNT, &how, p, m, v, g, copy);
        kernel_adamw_step(KERNEL_F64, NULL, COUNT, &how, p64, m64, v64, widened(a, KERNEL_F32, COUNT, g), NULL);
    }
    assert_near("value", KERNEL_F32, COUNT, p, KERNEL_F64, p64, 1e-6);
    assert_near("mean", KERNEL_F32, COUNT, m, KERNEL_F64, m64, 1e-6);
    assert_near("square", KERNEL_F32, COUNT, v, KERNEL_F64, v64, 1e-6);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(copy[i], bf16_from_f32(p[i]));
    arena_free(a);
}

static void sums_of_squares_do_not_depend_on_threads(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    static const size_t counts[] = {0, 1, 4095, 4096, 4097, 100003};
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        for (size_t t = 0; t < COUNT_OF(float_types); t++) {
            void *x = filled(a, float_types[t], counts[i], 1), *scratch = arena_alloc(a, kernel_sum_squares_scratch_bytes(counts[i]));
            double sum = 0, e = reference_sum_squares(float_types[t], counts[i], x);
            SAME_BITS(&sum, sizeof sum, sum = kernel_sum_squares(float_types[t], use, counts[i], x, scratch));
            assert_true(fabs(sum - e) <= 1e-6 * e);
        }
    arena_free(a);
}

static void binary_operations_match_the_reference(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    static const size_t counts[] = {0, 1, 15, 16, 50};
    for (size_t t = 0; t < COUNT_OF(float_types); t++)
        for (int op = 0; op < KERNEL_BINARY_COUNT; op++)
            for (size_t c = 0; c < COUNT_OF(counts); c++)
                for (size_t steps = 0; steps < 4; steps++) {
                    kernel_type type = float_types[t];
                    size_t n = counts[c], bytes = n * kernel_type_size(type);
                    void *x = filled(a, type, n + 1, 1), *z = filled(a, type, n + 1, 2), *y = arena_alloc(a, bytes + 8);
                    void *e = arena_alloc(a, bytes + 8);
                    if (n > 2) {
                        reference_set(type, x, 0, NAN);
                        reference_set(type, z, 1, NAN);
                        reference_set(type, z, 2, reference_get(type, x, 2));
                    }
                    SAME_BITS(y, bytes, kernel_binary((kernel_binary_op)op, type, n, x, steps & 1, z, steps >> 1, y));
                    reference_binary((kernel_binary_op)op, type, n, x, steps & 1, z, steps >> 1, e);
                    for (size_t i = 0; i < n; i++) {
                        double got = reference_get(type, y, i), want = reference_get(type, e, i);
                        assert_true((isnan(got) && isnan(want)) || fabs(got - want) <= 1e-2 * fabs(want));
                    }
                }
    arena_free(a);
}

static void strided_copies_move_every_element(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    static const size_t shapes3[][3] = {{2, 3, 4}, {1, 128, 256}, {5, 1, 7}, {0, 3, 3}, {3, 64, 70}, {1, 192, 33}};
    for (size_t i = 0; i < COUNT_OF(shapes3); i++) { /* [a][b][c] to [c][a][b], and a broadcast of [c] */
        size_t n0 = shapes3[i][0], n1 = shapes3[i][1], n2 = shapes3[i][2], n = n0 * n1 * n2;
        for (size_t size = 1; size <= 8; size *= 2) {
            char *x = arena_alloc(a, n * size + 8), *y = arena_alloc(a, n * size + 8);
            for (size_t k = 0; k < n * size; k++)
                x[k] = (char)(k * 37 >> 3);
            kernel_copy_strided(pool, 3, shapes3[i], size, x, (size_t[]){n1 * n2, n2, 1}, y, (size_t[]){n1, 1, n0 * n1});
            for (size_t k = 0; k < n; k++)
                assert_memory_equal(x + k * size, y + (k % n2 * n0 * n1 + k / n2) * size, size);
            kernel_copy_strided(pool, 3, shapes3[i], size, x, (size_t[]){0, 0, 1}, y, (size_t[]){n1 * n2, n2, 1});
            for (size_t k = 0; k < n; k++)
                assert_memory_equal(x + k % n2 * size, y + k * size, size);
        }
    }
    arena_free(a);
}

static void distribution_case(arena *a, size_t count)
{
    size_t blocks = (count + KERNEL_SUM_BLOCK - 1) / KERNEL_SUM_BLOCK;
    float *x = filled(a, KERNEL_F32, count, 8), *y = arena_alloc(a, count * sizeof *y + 4), most = -INFINITY, *got = arena_alloc(a, 4);
    double *sums = arena_alloc(a, blocks * sizeof *sums + 8);
    for (size_t i = 3; i < count; i += 50)
        x[i] = i % 100 == 3 ? NAN : -INFINITY;
    for (size_t i = 0; i < count; i++)
        most = x[i] > most ? x[i] : most;
    SAME_BITS(got, sizeof *got, *got = kernel_highest(count, x));
    assert_true(*got == most);
    SAME_BITS(y, count * sizeof *y, kernel_weigh(count, x, most, 0.7f, y));
    SAME_BITS(sums, blocks * sizeof *sums, kernel_block_sums(count, y, sums));
    for (size_t i = 0; i < count; i++) {
        double expected = isnan(x[i]) ? 0 : exp(((double)x[i] - (double)most) * 0.7);
        assert_true(fabs((double)y[i] - expected) < 1e-6);
        sums[i / KERNEL_SUM_BLOCK] -= (double)y[i];
    }
    for (size_t i = 0; i < blocks; i++)
        assert_true(fabs(sums[i]) < 1e-13);
}

static void distributions_match_what_libm_gives(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 15, 16, 63, 64, 65, 130, 1000, 32000};
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        arena *a = arena_new(NULL);
        distribution_case(a, counts[i]);
        arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_match_the_reference),
        cmocka_unit_test(long_sums_match_the_reference),
        cmocka_unit_test(rotary_turns_forward_and_back),
        cmocka_unit_test(scatter_adds_rows_in_order),
        cmocka_unit_test(adamw_steps_match_the_reference),
        cmocka_unit_test(sums_of_squares_do_not_depend_on_threads),
        cmocka_unit_test(distributions_match_what_libm_gives),
        cmocka_unit_test(binary_operations_match_the_reference),
        cmocka_unit_test(strided_copies_move_every_element),
    };
    return cmocka_run_group_tests(tests, pool_set_up, pool_tear_down);
}
