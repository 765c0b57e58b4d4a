/* Windows, pools and normalisation by channel: against loops over every place, with the same bits for every instruction set and any
 * threads. */
#include "compare.h"
#include "pool.h"

#include <string.h>

static const kernel_windows layouts[] = {
    {.images = 2, .in = {5, 7}, .out = {5, 7}, .channels = 37, .kernel = {3, 3}, .stride = {1, 1}, .dilation = {1, 1}, .before = {1, 1}},
    {.images = 3, .in = {8, 6}, .out = {4, 3}, .channels = 16, .kernel = {2, 2}, .stride = {2, 2}, .dilation = {1, 1}, .before = {0, 0}},
    {.images = 1, .in = {9, 11}, .out = {4, 3}, .channels = 3, .kernel = {3, 4}, .stride = {2, 3}, .dilation = {2, 2}, .before = {2, 1}},
    {.images = 2, .in = {4, 4}, .out = {5, 7}, .channels = 1, .kernel = {2, 1}, .stride = {1, 1}, .dilation = {3, 1}, .before = {2, 2}},
    {.images = 1, .in = {10, 3}, .out = {3, 2}, .channels = 20, .kernel = {5, 2}, .stride = {4, 2}, .dilation = {6, 1}, .before = {13, 1}},
    {.images = 1, .in = {1, 1}, .out = {1, 1}, .channels = 64, .kernel = {1, 1}, .stride = {1, 1}, .dilation = {1, 1}, .before = {0, 0}},
};

/* Element of the image under a place of a window, or SIZE_MAX beyond the image. */
static size_t element_under(const kernel_windows *w, size_t image, size_t y, size_t x, size_t i, size_t j, size_t c)
{
    int64_t row = (int64_t)(y * w->stride[0] + i * w->dilation[0]) - (int64_t)w->before[0];
    int64_t column = (int64_t)(x * w->stride[1] + j * w->dilation[1]) - (int64_t)w->before[1];
    if (row < 0 || column < 0 || row >= (int64_t)w->in[0] || column >= (int64_t)w->in[1])
        return SIZE_MAX;
    return ((image * w->in[0] + (size_t)row) * w->in[1] + (size_t)column) * w->channels + c;
}

/* All places of all windows, in their order in memory. */
#define EACH_PLACE(w)                                                                                              \
    for (size_t n = 0; n < (w)->images; n++)                                                                       \
        for (size_t y = 0; y < (w)->out[0]; y++)                                                                   \
            for (size_t x = 0; x < (w)->out[1]; x++)                                                               \
                for (size_t i = 0; i < (w)->kernel[0]; i++)                                                        \
                    for (size_t j = 0; j < (w)->kernel[1]; j++)                                                    \
                        for (size_t c = 0; c < (w)->channels; c++)

static size_t image_elements(const kernel_windows *w)
{
    return w->images * w->in[0] * w->in[1] * w->channels;
}

static size_t result_elements(const kernel_windows *w)
{
    return w->images * w->out[0] * w->out[1] * w->channels;
}

static void windows_case(arena *a, const kernel_windows *w, kernel_type type)
{
    size_t count = image_elements(w), all = result_elements(w) * w->kernel[0] * w->kernel[1], size = kernel_type_size(type), at = 0;
    void *image = filled(a, type, count, 1), *windows = filled(a, type, all, 2), *copy = arena_alloc(a, all * size);
    void *sum = arena_alloc(a, count * size);
    double *expected = ARENA_ARRAY(a, double, count), zero = 0;
    SAME_BITS(copy, all * size, kernel_windows_copy(w, type, use, image, copy));
    EACH_PLACE(w)
    {
        size_t e = element_under(w, n, y, x, i, j, c);
        double v = e == SIZE_MAX ? zero : reference_get(type, image, e);
        assert_true(reference_get(type, copy, at) == v);
        if (e != SIZE_MAX)
            expected[e] += reference_get(type, windows, at);
        at++;
    }
    SAME_BITS(sum, count * size, kernel_windows_sum(w, type, use, windows, sum));
    assert_near("sum of windows", type, count, sum, KERNEL_F64, expected, tolerance_of(type));
}

static void pool_case(arena *a, const kernel_windows *w)
{
    size_t count = image_elements(w), results = result_elements(w);
    float *image = filled(a, KERNEL_F32, count, 1), *dy = filled(a, KERNEL_F32, results, 2);
    float *y_found = ARENA_ARRAY(a, float, results), *dx = ARENA_ARRAY(a, float, count), *most = ARENA_ARRAY(a, float, results);
    double *expected = ARENA_ARRAY(a, double, count), *ties = ARENA_ARRAY(a, double, results);
    for (size_t e = 0; e < count; e++)
        image[e] = e % 11 == 3 ? NAN : (float)(int)(2 * image[e]); /* many ties */
    for (size_t e = 0; e < results; e++)
        most[e] = -INFINITY;
    for (int pass = 0; pass < 3; pass++)
        EACH_PLACE(w)
        {
            size_t e = element_under(w, n, y, x, i, j, c), r = ((n * w->out[0] + y) * w->out[1] + x) * w->channels + c;
            if (e == SIZE_MAX)
                continue;
            if (pass == 0)
                most[r] = image[e] > most[r] ? image[e] : most[r];
            else if (pass == 1)
                ties[r] += image[e] == most[r];
            else if (image[e] == most[r])
                expected[e] += (double)dy[r] / ties[r];
        }
    SAME_BITS(y_found, results * sizeof(float), kernel_max_pool(w, use, image, y_found));
    assert_memory_equal(y_found, most, results * sizeof(float));
    SAME_BITS(dx, count * sizeof(float), kernel_max_pool_backward(w, use, image, most, dy, dx));
    assert_near("gradient of a pool", KERNEL_F32, count, dx, KERNEL_F64, expected, 1e-6);
}

static void windows_match_loops_over_places(void **state)
{
    (void)state;
    static const kernel_type types[] = {KERNEL_F64, KERNEL_F32, KERNEL_BF16};
    for (size_t i = 0; i < COUNT_OF(layouts); i++) {
        arena *a = arena_new(NULL);
        for (size_t t = 0; t < COUNT_OF(types); t++)
            windows_case(a, &layouts[i], types[t]);
        pool_case(a, &layouts[i]);
        arena_free(a);
    }
}

/* Far from 0 a variance is what is left of large numbers: distances are taken from the mean of a block, not from 0. */
static void statistics_far_from_zero(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    enum { COUNT = 3000, INNER = 19 };
    kernel_norm b = {.type = KERNEL_F32, .weight_type = KERNEL_F32, .outer = 1, .count = COUNT, .inner = INNER, .share = 1, .epsilon = 1e-5};
    float *x = filled(a, KERNEL_F32, COUNT * INNER, 3), *y = ARENA_ARRAY(a, float, COUNT * INNER), mean[INNER], variance[INNER];
    float ones[INNER], zeros[INNER] = {0};
    void *scratch = arena_alloc(a, kernel_norm_scratch_bytes(&b));
    for (size_t i = 0; i < COUNT * INNER; i++)
        x[i] += 4096;
    for (size_t c = 0; c < INNER; c++)
        ones[c] = 1;
    SAME_BITS(y, COUNT * INNER * sizeof(float), kernel_norm_forward(&b, use, x, ones, zeros, y, mean, variance, scratch));
    for (size_t c = 0; c < INNER; c++) {
        double m = 0, v = 0;
        for (size_t r = 0; r < COUNT; r++)
            m += (double)x[r * INNER + c] / COUNT;
        for (size_t r = 0; r < COUNT; r++)
            v += ((double)x[r * INNER + c] - m) * ((double)x[r * INNER + c] - m) / COUNT;
        assert_true(fabs((double)mean[c] - m) < 1e-3 && fabs((double)variance[c] - v) < 1e-3 * v);
    }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_match_loops_over_places),
        cmocka_unit_test(statistics_far_from_zero),
    };
    return cmocka_run_group_tests(tests, pool_set_up, pool_tear_down);
}
