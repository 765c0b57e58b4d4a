#include "kernels/reference/reference.h"

#include <math.h>

/* Sums, maxima and what belongs to a row: f64 for f64, else f32. */
static kernel_type wide(kernel_type type)
{
    return type == KERNEL_F64 ? KERNEL_F64 : KERNEL_F32;
}

static double row_highest(kernel_type type, size_t count, size_t step, const void *x, size_t at)
{
    double m = -INFINITY;
    for (size_t i = 0; i < count; i++)
        m = fmax(m, reference_get(type, x, at + i * step));
    return m;
}

static double row_logsumexp(kernel_type type, size_t count, size_t step, const void *x, size_t at)
{
    double m = row_highest(type, count, step, x, at), sum = 0;
    if (isinf(m))
        return m;
    for (size_t i = 0; i < count; i++)
        sum += exp(reference_get(type, x, at + i * step) - m);
    return m + log(sum);
}

static double reduce_one(kernel_reduce_op op, kernel_type type, size_t count, size_t step, const void *x, size_t at)
{
    if (op == KERNEL_REDUCE_LOGSUMEXP)
        return row_logsumexp(type, count, step, x, at);
    double value = op == KERNEL_REDUCE_HIGHEST || op == KERNEL_REDUCE_ARGMAX ? -INFINITY
                   : op == KERNEL_REDUCE_LOWEST                              ? INFINITY
                   : op == KERNEL_REDUCE_PRODUCT                             ? 1
                                                                             : 0;
    size_t place = 0;
    for (size_t i = 0; i < count; i++) {
        double v = reference_get(type, x, at + i * step);
        if (op == KERNEL_REDUCE_SUM)
            value += v;
        else if (op == KERNEL_REDUCE_PRODUCT)
            value *= v;
        else if (op == KERNEL_REDUCE_LOWEST)
            value = fmin(value, v);
        else if (v > value) {
            value = v;
            place = i;
        }
    }
    return op == KERNEL_REDUCE_ARGMAX ? (double)place : value;
}

void reference_reduce(kernel_reduce_op op, kernel_type type, size_t outer, size_t count, size_t inner, const void *x,
                      void *y)
{
    for (size_t o = 0; o < outer; o++)
        for (size_t i = 0; i < inner; i++)
            reference_set(op == KERNEL_REDUCE_ARGMAX ? KERNEL_I32 : type, y, o * inner + i,
                          reduce_one(op, type, count, inner, x, o * count * inner + i));
}

double reference_sum_squares(kernel_type type, size_t count, const void *x)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        double v = reference_get(type, x, i);
        sum += v * v;
    }
    return sum;
}

void reference_softmax(kernel_type type, size_t rows, size_t width, const void *x, void *y)
{
    for (size_t r = 0; r < rows; r++) {
        double lse = row_logsumexp(type, width, 1, x, r * width);
        for (size_t i = 0; i < width; i++)
            reference_set(type, y, r * width + i, exp(reference_get(type, x, r * width + i) - lse));
    }
}

void reference_softmax_backward(kernel_type type, size_t rows, size_t width, const void *y, const void *dy, void *dx)
{
    for (size_t r = 0; r < rows; r++) {
        double dot = 0;
        for (size_t i = r * width; i < (r + 1) * width; i++)
            dot += reference_get(type, y, i) * reference_get(type, dy, i);
        for (size_t i = r * width; i < (r + 1) * width; i++)
            reference_set(type, dx, i, reference_get(type, y, i) * (reference_get(type, dy, i) - dot));
    }
}

void reference_rms_norm(kernel_type type, kernel_type weight_type, size_t rows, size_t width, double epsilon,
                        const void *x, const void *weight, void *y, void *rstd)
{
    for (size_t r = 0; r < rows; r++) {
        double sum = 0;
        for (size_t i = r * width; i < (r + 1) * width; i++)
            sum += reference_get(type, x, i) * reference_get(type, x, i);
        double scale = 1 / sqrt(sum / (double)width + epsilon);
        if (rstd)
            reference_set(wide(type), rstd, r, scale);
        for (size_t i = 0; i < width; i++)
            reference_set(type, y, r * width + i,
                          reference_get(type, x, r * width + i) * scale * reference_get(weight_type, weight, i));
    }
}

/* With g = dy * weight and h = x * rstd: dx = rstd * (g - h * mean(g * h)), dweight = sum over rows of dy * h. */
void reference_rms_norm_backward(kernel_type type, kernel_type weight_type, size_t rows, size_t width, const void *x,
                                 const void *weight, const void *rstd, const void *dy, const void *add, void *dx,
                                 void *dweight)
{
    if (dweight)
        for (size_t i = 0; i < width; i++) {
            double sum = 0;
            for (size_t r = 0; r < rows; r++)
                sum += reference_get(type, dy, r * width + i) * reference_get(type, x, r * width + i) *
                       reference_get(wide(type), rstd, r);
            reference_set(wide(type), dweight, i, sum);
        }
    for (size_t r = 0; r < rows; r++) {
        double scale = reference_get(wide(type), rstd, r), dot = 0;
        for (size_t i = 0; i < width; i++)
            dot += reference_get(type, dy, r * width + i) * reference_get(weight_type, weight, i) *
                   reference_get(type, x, r * width + i) * scale;
        for (size_t i = 0; i < width; i++) {
            size_t at = r * width + i;
            double g = reference_get(type, dy, at) * reference_get(weight_type, weight, i);
            double d = scale * (g - reference_get(type, x, at) * scale * dot / (double)width);
            reference_set(type, dx, at, add ? reference_get(type, add, at) + d : d);
        }
    }
}

void reference_cross_entropy(kernel_type type, size_t rows, size_t width, const void *logits, size_t stride,
                             const int32_t *target, const void *weights, void *loss, void *lse)
{
    for (size_t r = 0; r < rows; r++) {
        double sum = row_logsumexp(type, width, 1, logits, r * stride);
        double weight = weights ? reference_get(wide(type), weights, r) : 1;
        reference_set(wide(type), lse, r, sum);
        bool counts = target[r] >= 0 && (size_t)target[r] < width && weight != 0;
        reference_set(wide(type), loss, r,
                      counts ? weight * (sum - reference_get(type, logits, r * stride + (size_t)target[r])) : 0);
    }
}

void reference_cross_entropy_backward(kernel_type type, size_t rows, size_t width, const void *logits, size_t stride,
                                      const int32_t *target, const void *weights, const void *lse, const void *dloss,
                                      size_t dloss_step, void *dlogits)
{
    for (size_t r = 0; r < rows; r++) {
        double weight = weights ? reference_get(wide(type), weights, r) : 1;
        double scale = weight * reference_get(wide(type), dloss, r * dloss_step);
        bool counts = target[r] >= 0 && (size_t)target[r] < width && weight != 0;
        double sum = reference_get(wide(type), lse, r);
        for (size_t i = 0; i < width; i++) {
            double p = exp(reference_get(type, logits, r * stride + i) - sum) - (target[r] == (int32_t)i);
            reference_set(type, dlogits, r * stride + i, counts ? p * scale : 0);
        }
    }
}
