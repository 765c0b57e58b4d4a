/* body_normalise.h - normalisation over rows, channel by channel; included once for each instruction set. x is [count][inner],
 * what belongs to channels [inner] in f32. Each lane is a channel: sums run over the rows in order. */

/* The mean of each channel and the sum of squared distances from it, of a few rows that stay in the cache. The sum of the
 * distances from the first mean, which rounding has moved, mends both. */
SIMD_FN void channel_moments_of(kernel_type type, size_t count, size_t inner, const void *x, float *mean, float *squares)
{
    v16 many = v_set((float)count);
    for (size_t i = 0; i < inner; i += LANES) {
        size_t n = inner - i;
        v16 s = v_zero(), sum = v_zero();
        for (size_t r = 0; r < count; r++)
            s = v_add(s, v_get_up_to(type, x, r * inner + i, n));
        v16 m = v_div(s, many);
        s = v_zero();
        for (size_t r = 0; r < count; r++) {
            v16 d = v_sub(v_get_up_to(type, x, r * inner + i, n), m);
            sum = v_add(sum, d);
            s = v_fma(d, d, s);
        }
        v16 off = v_div(sum, many);
        v_put_up_to(KERNEL_F32, mean, i, v_add(m, off), n);
        v_put_up_to(KERNEL_F32, squares, i, v_fnma(sum, off, s), n);
    }
}

static void channel_moments(kernel_type type, size_t count, size_t inner, const void *x, float *mean, float *squares)
{
    TYPED(type, channel_moments_of, count, inner, x, mean, squares);
}

/* y = (x - mean) scale + bias */
SIMD_FN void channel_scale_of(kernel_type type, size_t count, size_t inner, const void *x, const float *mean, const float *scale,
                              const float *bias, void *y)
{
    for (size_t i = 0; i < inner; i += LANES) {
        size_t n = inner - i;
        v16 m = v_get_up_to(KERNEL_F32, mean, i, n), a = v_get_up_to(KERNEL_F32, scale, i, n);
        v16 b = v_get_up_to(KERNEL_F32, bias, i, n);
        for (size_t r = 0; r < count; r++)
            v_put_up_to(type, y, r * inner + i, v_fma(v_sub(v_get_up_to(type, x, r * inner + i, n), m), a, b), n);
    }
}

static void channel_scale(kernel_type type, size_t count, size_t inner, const void *x, const float *mean, const float *scale,
                          const float *bias, void *y)
{
    TYPED(type, channel_scale_of, count, inner, x, mean, scale, bias, y);
}

/* The sums of dy, and of dy (x - mean). */
SIMD_FN void channel_sums_of(kernel_type type, size_t count, size_t inner, const void *x, const float *mean, const void *dy,
                             float *sum, float *dot)
{
    for (size_t i = 0; i < inner; i += LANES) {
        size_t n = inner - i;
        v16 m = v_get_up_to(KERNEL_F32, mean, i, n), s = v_zero(), d = v_zero();
        for (size_t r = 0; r < count; r++) {
            v16 g = v_get_up_to(type, dy, r * inner + i, n);
            s = v_add(s, g);
            d = v_fma(g, v_sub(v_get_up_to(type, x, r * inner + i, n), m), d);
        }
        v_put_up_to(KERNEL_F32, sum, i, s, n);
        v_put_up_to(KERNEL_F32, dot, i, d, n);
    }
}

static void channel_sums(kernel_type type, size_t count, size_t inner, const void *x, const float *mean, const void *dy, float *sum,
                         float *dot)
{
    TYPED(type, channel_sums_of, count, inner, x, mean, dy, sum, dot);
}

/* dx = scale (dy - shift - (x - mean) slope) */
SIMD_FN void channel_backward_of(kernel_type type, size_t count, size_t inner, const void *x, const float *mean, const void *dy,
                                 const float *scale, const float *shift, const float *slope, void *dx)
{
    for (size_t i = 0; i < inner; i += LANES) {
        size_t n = inner - i;
        v16 m = v_get_up_to(KERNEL_F32, mean, i, n), a = v_get_up_to(KERNEL_F32, scale, i, n);
        v16 b = v_get_up_to(KERNEL_F32, shift, i, n), k = v_get_up_to(KERNEL_F32, slope, i, n);
        for (size_t r = 0; r < count; r++) {
            v16 g = v_sub(v_get_up_to(type, dy, r * inner + i, n), b);
            v16 d = v_sub(v_get_up_to(type, x, r * inner + i, n), m);
            v_put_up_to(type, dx, r * inner + i, v_mul(a, v_fnma(d, k, g)), n);
        }
    }
}

static void channel_backward(kernel_type type, size_t count, size_t inner, const void *x, const float *mean, const void *dy,
                             const float *scale, const float *shift, const float *slope, void *dx)
{
    TYPED(type, channel_backward_of, count, inner, x, mean, dy, scale, shift, slope, dx);
}

#define NORMALISE_FIELDS                                                                                           \
    .channel_moments = channel_moments, .channel_scale = channel_scale, .channel_sums = channel_sums,              \
    .channel_backward = channel_backward
