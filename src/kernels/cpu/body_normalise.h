/* body_normalise.h - normalisation to mean 0 and variance 1; included once for each instruction set.
 *
 * By channels: x is [count][inner], what belongs to channels [inner] in f32; each lane is a channel, and sums run over the rows
 * in order. By rows: statistics along each row, as in body_rows.h. */

enum { WIDE_CHUNK = 4 /* vectors whose sums are held at a time, where rows are that wide */ };

/* The mean of each channel and the sum of squared distances from it, of a few rows that stay in the cache; channels i .. i + 16
 * `vectors` - 1, or n < 16 of them. The sum of the distances from the first mean, which rounding has moved, mends both. */
SIMD_FN void moments_at(kernel_type type, size_t count, size_t inner, const void *x, float *mean, float *squares, size_t i,
                        size_t vectors, size_t n)
{
    v16 s[WIDE_CHUNK], m[WIDE_CHUNK], sum[WIDE_CHUNK], many = v_set((float)count);
    for (size_t k = 0; k < vectors; k++)
        s[k] = sum[k] = v_zero();
    for (size_t r = 0; r < count; r++)
        for (size_t k = 0; k < vectors; k++)
            s[k] = v_add(s[k], v_get_up_to(type, x, r * inner + i + k * LANES, n));
    for (size_t k = 0; k < vectors; k++) {
        m[k] = v_div(s[k], many);
        s[k] = v_zero();
    }
    for (size_t r = 0; r < count; r++)
        for (size_t k = 0; k < vectors; k++) {
            v16 d = v_sub(v_get_up_to(type, x, r * inner + i + k * LANES, n), m[k]);
            sum[k] = v_add(sum[k], d);
            s[k] = v_fma(d, d, s[k]);
        }
    for (size_t k = 0; k < vectors; k++) {
        v16 off = v_div(sum[k], many);
        v_put_up_to(KERNEL_F32, mean, i + k * LANES, v_add(m[k], off), n);
        v_put_up_to(KERNEL_F32, squares, i + k * LANES, v_fnma(sum[k], off, s[k]), n);
    }
}

SIMD_FN void channel_moments_of(kernel_type type, size_t count, size_t inner, const void *x, float *mean, float *squares)
{
    size_t i = 0;
    for (; i + WIDE_CHUNK * LANES <= inner; i += WIDE_CHUNK * LANES)
        moments_at(type, count, inner, x, mean, squares, i, WIDE_CHUNK, LANES);
    for (; i < inner; i += LANES)
        moments_at(type, count, inner, x, mean, squares, i, 1, inner - i);
}

static void channel_moments(kernel_type type, size_t count, size_t inner, const void *x, float *mean, float *squares)
{
    TYPED(type, channel_moments_of, count, inner, x, mean, squares);
}

/* y = (x - mean) scale + bias */
SIMD_FN void channel_scale_of(kernel_type type, size_t count, size_t inner, const void *x, const float *mean, const float *scale,
                              const float *bias, void *y)
{
    for (size_t r = 0; r < count; r++)
        for (size_t i = 0; i < inner; i += LANES) {
            size_t n = inner - i;
            v16 d = v_sub(v_get_up_to(type, x, r * inner + i, n), v_get_up_to(KERNEL_F32, mean, i, n));
            v16 a = v_get_up_to(KERNEL_F32, scale, i, n), b = v_get_up_to(KERNEL_F32, bias, i, n);
            v_put_up_to(type, y, r * inner + i, v_fma(d, a, b), n);
        }
}

static void channel_scale(kernel_type type, size_t count, size_t inner, const void *x, const float *mean, const float *scale,
                          const float *bias, void *y)
{
    TYPED(type, channel_scale_of, count, inner, x, mean, scale, bias, y);
}

/* The sums of dy, and of dy (x - mean); channels as in moments_at. */
SIMD_FN void sums_at(kernel_type type, size_t count, size_t inner, const void *x, const float *mean, const void *dy, float *sum,
                     float *dot, size_t i, size_t vectors, size_t n)
{
    v16 m[WIDE_CHUNK], s[WIDE_CHUNK], d[WIDE_CHUNK];
    for (size_t k = 0; k < vectors; k++) {
        m[k] = v_get_up_to(KERNEL_F32, mean, i + k * LANES, n);
        s[k] = d[k] = v_zero();
    }
    for (size_t r = 0; r < count; r++)
        for (size_t k = 0; k < vectors; k++) {
            size_t at = r * inner + i + k * LANES;
            v16 g = v_get_up_to(type, dy, at, n);
            s[k] = v_add(s[k], g);
            d[k] = v_fma(g, v_sub(v_get_up_to(type, x, at, n), m[k]), d[k]);
        }
    for (size_t k = 0; k < vectors; k++) {
        v_put_up_to(KERNEL_F32, sum, i + k * LANES, s[k], n);
        v_put_up_to(KERNEL_F32, dot, i + k * LANES, d[k], n);
    }
}

SIMD_FN void channel_sums_of(kernel_type type, size_t count, size_t inner, const void *x, const float *mean, const void *dy,
                             float *sum, float *dot)
{
    size_t i = 0;
    for (; i + WIDE_CHUNK * LANES <= inner; i += WIDE_CHUNK * LANES)
        sums_at(type, count, inner, x, mean, dy, sum, dot, i, WIDE_CHUNK, LANES);
    for (; i < inner; i += LANES)
        sums_at(type, count, inner, x, mean, dy, sum, dot, i, 1, inner - i);
}

static void channel_sums(kernel_type type, size_t count, size_t inner, const void *x, const float *mean, const void *dy, float *sum,
                         float *dot)
{
    TYPED(type, channel_sums_of, count, inner, x, mean, dy, sum, dot);
}

/* dx = scale (dy weight - shift - (x - mean) slope) */
SIMD_FN void channel_backward_of(kernel_type type, size_t count, size_t inner, const void *x, const float *mean, const void *dy,
                                 const float *weight, const float *scale, const float *shift, const float *slope, void *dx)
{
    for (size_t r = 0; r < count; r++)
        for (size_t i = 0; i < inner; i += LANES) {
            size_t n = inner - i;
            v16 d = v_sub(v_get_up_to(type, x, r * inner + i, n), v_get_up_to(KERNEL_F32, mean, i, n));
            v16 g = v_mul(v_get_up_to(type, dy, r * inner + i, n), v_get_up_to(KERNEL_F32, weight, i, n));
            g = v_fnma(d, v_get_up_to(KERNEL_F32, slope, i, n), v_sub(g, v_get_up_to(KERNEL_F32, shift, i, n)));
            v_put_up_to(type, dx, r * inner + i, v_mul(v_get_up_to(KERNEL_F32, scale, i, n), g), n);
        }
}

static void channel_backward(kernel_type type, size_t count, size_t inner, const void *x, const float *mean, const void *dy,
                             const float *weight, const float *scale, const float *shift, const float *slope, void *dx)
{
    TYPED(type, channel_backward_of, count, inner, x, mean, dy, weight, scale, shift, slope, dx);
}

/* Elements of a row less its mean; 0 in lanes that hold none. */
SIMD_FN v16 distance(kernel_type type, const void *x, size_t at, size_t n, v16 mean)
{
    v16 d = v_sub(v_get_up_to(type, x, at, n), mean);
    if (n < LANES) {
        float f[LANES];
        v_store(f, d);
        d = v_load_part(f, n);
    }
    return d;
}

SIMD_FN void row_norm_of(kernel_type type, size_t rows, size_t width, float epsilon, const void *x, const float *weight,
                         const float *bias, void *y, float *mean, float *variance)
{
    for (size_t r = 0; r < rows; r++) {
        size_t at = r * width;
        mean[r] = sum_of(type, width, (const char *)x + at * kernel_type_size(type)) / (float)width;
        v16 m = v_set(mean[r]);
        SUM_OVER(width, {
            v16 d = distance(type, x, at + i, n, m);
            s = v_fma(d, d, s);
        });
        variance[r] = v_sum(s) / (float)width;
        v16 scale = v_set(1 / sqrtf(variance[r] + epsilon));
        for (size_t i = 0; y && i < width; i += LANES) {
            size_t n = width - i;
            v16 h = v_mul(v_sub(v_get_up_to(type, x, at + i, n), m), scale);
            v_put_up_to(type, y, at + i, v_fma(h, v_get_up_to(KERNEL_F32, weight, i, n), v_get_up_to(KERNEL_F32, bias, i, n)), n);
        }
    }
}

static void row_norm(kernel_type type, size_t rows, size_t width, float epsilon, const void *x, const float *weight,
                     const float *bias, void *y, float *mean, float *variance)
{
    TYPED(type, row_norm_of, rows, width, epsilon, x, weight, bias, y, mean, variance);
}

/* With h = (x - mean) r and g = dy weight: dx = r (g - mean(g) - h mean(g h)); dweight += dy h, dbias += dy. */
SIMD_FN void row_norm_backward_of(kernel_type type, size_t rows, size_t width, float epsilon, const void *x, const float *weight,
                                  const float *mean, const float *variance, const void *dy, void *dx, float *dweight, float *dbias)
{
    for (size_t r = 0; r < rows; r++) {
        size_t at = r * width;
        float scale = 1 / sqrtf(variance[r] + epsilon);
        v16 m = v_set(mean[r]), a = v_set(scale), sum = v_zero(), dot = v_zero();
        for (size_t i = 0; i < width; i += LANES) { /* lanes without an element: dy is 0 */
            size_t n = width - i;
            v16 h = v_mul(v_sub(v_get_up_to(type, x, at + i, n), m), a), d = v_get_up_to(type, dy, at + i, n);
            v16 g = v_mul(d, v_get_up_to(KERNEL_F32, weight, i, n));
            sum = v_add(sum, g);
            dot = v_fma(g, h, dot);
            v_put_up_to(KERNEL_F32, dweight, i, v_fma(d, h, v_get_up_to(KERNEL_F32, dweight, i, n)), n);
            v_put_up_to(KERNEL_F32, dbias, i, v_add(d, v_get_up_to(KERNEL_F32, dbias, i, n)), n);
        }
        v16 shift = v_set(v_sum(sum) / (float)width), slope = v_set(v_sum(dot) / (float)width);
        for (size_t i = 0; dx && i < width; i += LANES) {
            size_t n = width - i;
            v16 h = v_mul(v_sub(v_get_up_to(type, x, at + i, n), m), a);
            v16 g = v_mul(v_get_up_to(type, dy, at + i, n), v_get_up_to(KERNEL_F32, weight, i, n));
            v_put_up_to(type, dx, at + i, v_mul(a, v_fnma(h, slope, v_sub(g, shift))), n);
        }
    }
}

static void row_norm_backward(kernel_type type, size_t rows, size_t width, float epsilon, const void *x, const float *weight,
                              const float *mean, const float *variance, const void *dy, void *dx, float *dweight, float *dbias)
{
    TYPED(type, row_norm_backward_of, rows, width, epsilon, x, weight, mean, variance, dy, dx, dweight, dbias);
}

#define NORMALISE_FIELDS                                                                                           \
    .channel_moments = channel_moments, .channel_scale = channel_scale, .channel_sums = channel_sums,              \
    .channel_backward = channel_backward, .row_norm = row_norm, .row_norm_backward = row_norm_backward
