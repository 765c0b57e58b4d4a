#include "kernels/reference/reference.h"

#include <math.h>
#include <string.h>

void reference_rotary(kernel_type type, size_t rows, size_t heads, size_t head_size, const void *x, size_t x_stride,
                      const int32_t *position, size_t positions, const float *cosine, const float *sine, bool backward, void *y,
                      size_t y_stride)
{
    size_t half = head_size / 2;
    for (size_t r = 0; r < rows; r++)
        for (size_t h = 0; h < heads; h++)
            for (size_t i = 0; i < half; i++) {
                bool known = position[r] >= 0 && (size_t)position[r] < positions;
                size_t angle = known ? (size_t)position[r] * half + i : 0;
                double c = known ? (double)cosine[angle] : 0, s = !known ? 0 : backward ? -(double)sine[angle] : (double)sine[angle];
                size_t from = r * x_stride + h * head_size + i, to = r * y_stride + h * head_size + i;
                double a = reference_get(type, x, from), b = reference_get(type, x, from + half);
                reference_set(type, y, to, a * c - b * s);
                reference_set(type, y, to + half, b * c + a * s);
            }
}

void reference_gated_silu(kernel_type type, size_t rows, size_t width, const void *gate, const void *up, size_t stride,
                          void *y)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < width; i++)
            reference_set(type, y, r * width + i,
                          reference_unary_value(KERNEL_SILU, reference_get(type, gate, r * stride + i)) *
                              reference_get(type, up, r * stride + i));
}

void reference_gated_silu_backward(kernel_type type, size_t rows, size_t width, const void *gate, const void *up,
                                   size_t stride, const void *dy, void *dgate, void *dup)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < width; i++) {
            double g = reference_get(type, gate, r * stride + i), u = reference_get(type, up, r * stride + i);
            double d = reference_get(type, dy, r * width + i), s = 1 / (1 + exp(-g));
            reference_set(type, dgate, r * stride + i, d * u * s * (1 + g * (1 - s)));
            reference_set(type, dup, r * stride + i, d * g * s);
        }
}

void reference_scatter_add(kernel_type type, size_t rows, size_t width, size_t entries, const void *dy,
                           const int32_t *ids, void *dtable, bool accumulate)
{
    kernel_type out = type == KERNEL_F64 ? KERNEL_F64 : KERNEL_F32;
    if (!accumulate)
        memset(dtable, 0, entries * width * kernel_type_size(out));
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < width; i++) {
            size_t at = (size_t)ids[r] * width + i;
            reference_set(out, dtable, at, reference_get(out, dtable, at) + reference_get(type, dy, r * width + i));
        }
}

void reference_adamw_step(kernel_type type, size_t count, const kernel_adamw *how, void *p, void *m, void *v,
                          const void *gradient, uint16_t *copy)
{
    double first = how->correction1 != 0 ? how->correction1 : 1 - pow(how->beta1, (double)how->step);
    double second = sqrt(how->correction2 != 0 ? how->correction2 : 1 - pow(how->beta2, (double)how->step));
    for (size_t i = 0; i < count; i++) {
        double g = reference_get(type, gradient, i) * how->gradient_scale;
        double mi = reference_get(type, m, i), vi = reference_get(type, v, i), pi = reference_get(type, p, i);
        mi += (1 - how->beta1) * (g - mi);
        vi = how->beta2 * vi + (1 - how->beta2) * g * g;
        pi *= 1 - how->rate * how->decay;
        pi -= how->rate / first * mi / (sqrt(vi) / second + how->epsilon);
        reference_set(type, m, i, mi);
        reference_set(type, v, i, vi);
        reference_set(type, p, i, pi);
        if (copy)
            copy[i] = reference_bf16(reference_get(type, p, i));
    }
}
