/* body_windows.h - windows over images, sixteen channels at a time; included once for each instruction set. Channels are all
 * alike, so the lanes never meet: an element has the bits that a loop over the places gives it. */

static void patch_highest(const fast_patch *p, size_t channels, const float *x, float *y)
{
    for (size_t c = 0; c < channels; c += LANES) {
        size_t n = channels - c;
        v16 most = v_set(-INFINITY);
        for (size_t i = 0; i < p->rows; i++)
            for (size_t j = 0; j < p->columns; j++)
                most = v_max(v_get_up_to(KERNEL_F32, x + PATCH_AT(p, i, j), c, n), most); /* in this order a NaN is passed over */
        v_put_up_to(KERNEL_F32, y, c, most, n);
    }
}

static void patch_share(const fast_patch *p, size_t channels, const float *x, const float *y, const float *dy, float *dx)
{
    for (size_t c = 0; c < channels; c += LANES) {
        size_t n = channels - c;
        v16 most = v_get_up_to(KERNEL_F32, y, c, n), ties = v_zero();
        for (size_t i = 0; i < p->rows; i++)
            for (size_t j = 0; j < p->columns; j++) {
                v16 here = v_get_up_to(KERNEL_F32, x + PATCH_AT(p, i, j), c, n);
                ties = v_add(ties, v_select(v_equal(here, most), v_set(1), v_zero()));
            }
        v16 share = v_div(v_get_up_to(KERNEL_F32, dy, c, n), ties);
        for (size_t i = 0; i < p->rows; i++)
            for (size_t j = 0; j < p->columns; j++) {
                ptrdiff_t at = PATCH_AT(p, i, j);
                v16 here = v_get_up_to(KERNEL_F32, x + at, c, n), sum = v_get_up_to(KERNEL_F32, dx + at, c, n);
                sum = v_add(sum, v_select(v_equal(here, most), share, v_zero()));
                v_put_up_to(KERNEL_F32, dx + at, c, sum, n);
            }
    }
}

SIMD_FN void patch_sum_of(kernel_type type, const fast_patch *p, size_t channels, const void *x, void *y)
{
    for (size_t c = 0; c < channels; c += LANES) {
        size_t n = channels - c;
        v16 sum = v_zero();
        for (size_t i = 0; i < p->rows; i++)
            for (size_t j = 0; j < p->columns; j++) {
                const char *from = (const char *)x + PATCH_AT(p, i, j) * (ptrdiff_t)kernel_type_size(type);
                sum = v_add(sum, v_get_up_to(type, from, c, n));
            }
        v_put_up_to(type, y, c, sum, n);
    }
}

static void patch_sum(kernel_type type, const fast_patch *p, size_t channels, const void *x, void *y)
{
    TYPED(type, patch_sum_of, p, channels, x, y);
}

#define WINDOWS_FIELDS .patch_highest = patch_highest, .patch_share = patch_share, .patch_sum = patch_sum
