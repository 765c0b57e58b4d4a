/* body_layers.h - rotary positions, gated silu, AdamW; included once for each instruction set. */

SIMD_FN void rotary_of(kernel_type type, size_t rows, size_t heads, size_t head_size, const void *x, size_t x_stride,
                       const int32_t *position, size_t positions, const float *cosine, const float *sine, bool backward, void *y,
                       size_t y_stride)
{
    size_t half = head_size / 2;
    for (size_t r = 0; r < rows; r++) {
        bool known = position[r] >= 0 && (size_t)position[r] < positions;
        size_t angle = known ? (size_t)position[r] * half : 0;
        const float *c = cosine + angle, *s = sine + angle;
        for (size_t i = 0; i < half; i += LANES) {
            size_t n = half - i;
            v16 co = known ? v_get_up_to(KERNEL_F32, c, i, n) : v_zero(), si = known ? v_get_up_to(KERNEL_F32, s, i, n) : v_zero();
            if (backward)
                si = v_neg(si);
            for (size_t h = 0; h < heads; h++) {
                size_t from = r * x_stride + h * head_size + i, to = r * y_stride + h * head_size + i;
                v16 a = v_get_up_to(type, x, from, n), b = v_get_up_to(type, x, from + half, n);
                v_put_up_to(type, y, to, v_fnma(b, si, v_mul(a, co)), n);
                v_put_up_to(type, y, to + half, v_fma(a, si, v_mul(b, co)), n);
            }
        }
    }
}

static void rotary(kernel_type type, size_t rows, size_t heads, size_t head_size, const void *x, size_t x_stride,
                   const int32_t *position, size_t positions, const float *cosine, const float *sine, bool backward, void *y,
                   size_t y_stride)
{
    TYPED(type, rotary_of, rows, heads, head_size, x, x_stride, position, positions, cosine, sine, backward, y, y_stride);
}

SIMD_FN void gated_silu_of(kernel_type type, size_t rows, size_t width, const void *gate, const void *up, size_t stride,
                           void *y)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i, at = r * stride + i;
            v16 silu = v_silu(v_get_up_to(type, gate, at, n));
            v_put_up_to(type, y, r * width + i, v_mul(silu, v_get_up_to(type, up, at, n)), n);
        }
}

static void gated_silu(kernel_type type, size_t rows, size_t width, const void *gate, const void *up, size_t stride,
                       void *y)
{
    TYPED(type, gated_silu_of, rows, width, gate, up, stride, y);
}

/* silu'(x) = s (1 + x (1 - s)), s = sigmoid(x). */
SIMD_FN void gated_silu_backward_of(kernel_type type, size_t rows, size_t width, const void *gate, const void *up,
                                    size_t stride, const void *dy, void *dgate, void *dup)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i, at = r * stride + i;
            v16 g = v_get_up_to(type, gate, at, n), u = v_get_up_to(type, up, at, n);
            v16 d = v_get_up_to(type, dy, r * width + i, n), s = v_sigmoid(g), silu = v_mul(g, s);
            v16 slope = v_fma(silu, v_sub(v_set(1), s), s);
            v_put_up_to(type, dgate, at, v_mul(v_mul(d, u), slope), n);
            v_put_up_to(type, dup, at, v_mul(d, silu), n);
        }
}

static void gated_silu_backward(kernel_type type, size_t rows, size_t width, const void *gate, const void *up,
                                size_t stride, const void *dy, void *dgate, void *dup)
{
    TYPED(type, gated_silu_backward_of, rows, width, gate, up, stride, dy, dgate, dup);
}

static void adamw(size_t count, const kernel_adamw *how, float *p, float *m, float *v, const float *gradient,
                  uint16_t *copy)
{
    double first = how->correction1 != 0 ? how->correction1 : 1 - pow(how->beta1, (double)how->step);
    double second = sqrt(how->correction2 != 0 ? how->correction2 : 1 - pow(how->beta2, (double)how->step));
    v16 keep = v_set((float)(1 - how->rate * how->decay)), scale = v_set((float)how->gradient_scale);
    v16 rest1 = v_set((float)(1 - how->beta1)), beta2 = v_set((float)how->beta2), rest2 = v_set((float)(1 - how->beta2));
    v16 rate = v_set((float)(how->rate / first));
    v16 second_v = v_set((float)second), epsilon = v_set((float)how->epsilon);
    EACH(count, {
        v16 g = v_mul(v_get_up_to(KERNEL_F32, gradient, i, n), scale);
        v16 mi = v_get_up_to(KERNEL_F32, m, i, n), vi = v_get_up_to(KERNEL_F32, v, i, n);
        mi = v_fma(rest1, v_sub(g, mi), mi);
        vi = v_fma(v_mul(rest2, g), g, v_mul(beta2, vi));
        v16 below = v_add(v_div(v_sqrt(vi), second_v), epsilon);
        v16 pi = v_mul(v_get_up_to(KERNEL_F32, p, i, n), keep);
        pi = v_fnma(rate, v_div(mi, below), pi);
        v_put_up_to(KERNEL_F32, m, i, mi, n);
        v_put_up_to(KERNEL_F32, v, i, vi, n);
        v_put_up_to(KERNEL_F32, p, i, pi, n);
        if (copy)
            v_put_up_to(KERNEL_BF16, copy, i, pi, n);
    });
}

#define LAYERS_FIELDS                                                                                              \
    .rotary = rotary, .gated_silu = gated_silu, .gated_silu_backward = gated_silu_backward, .adamw = adamw
