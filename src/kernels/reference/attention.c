#include "kernels/reference/reference.h"
#include "kernels/window.h"

#include <math.h>

enum { MAX_HEAD = 1024 }; /* of sums kept on the stack */

/* One query row against `count` keys; key j and value j start at k_at + j * k_step and v_at + j * v_step, their
 * elements `k_jump` apart (a page of the cache is transposed). */
typedef struct row {
    kernel_type type;
    size_t head_size;
    kernel_scores scores;
    const void *q, *k, *v;
    size_t q_at;
} row;

static double score(const row *r, size_t k_at, size_t k_jump)
{
    double sum = 0;
    for (size_t i = 0; i < r->head_size; i++)
        sum += reference_get(r->type, r->q, r->q_at + i) * reference_get(r->type, r->k, k_at + i * k_jump);
    sum *= r->scores.scale;
    return r->scores.cap > 0 ? r->scores.cap * tanh(sum / r->scores.cap) : sum;
}

/* The derivative of a score by its scaled product. */
static double slope(const row *r, double score)
{
    double t = r->scores.cap > 0 ? score / r->scores.cap : 0;
    return 1 - t * t;
}

static kernel_type wide(kernel_type type)
{
    return type == KERNEL_F64 ? KERNEL_F64 : KERNEL_F32;
}

/* Behind the last key that token t sees. */
static size_t sight_end(const kernel_attention *a, size_t t)
{
    size_t end = t + 1;
    while (end < a->tokens && a->start[end] == a->start[t])
        end++;
    return window_last(a->scores, t, end);
}

static bool masked_out(const kernel_attention *a, size_t t, size_t j)
{
    size_t i = j - (size_t)a->start[t];
    return a->mask && (i >= a->mask_width || !a->mask[t * a->mask_width + i]);
}

void reference_attention_forward(const kernel_attention *a, const void *q, const void *k, const void *v, void *out,
                                 void *lse)
{
    size_t d = a->head_size, group = a->query_heads / a->key_heads;
    if (d > MAX_HEAD)
        BUG("a head of %zu", d);
    for (size_t t = 0; t < a->tokens; t++)
        for (size_t h = 0; h < a->query_heads; h++) {
            row r = {a->type, d, a->scores, q, k, v, t * a->q_stride + h * d};
            size_t first = window_first(a->scores.window, (size_t)a->start[t], t), end = sight_end(a, t);
            double highest = -INFINITY, sum = 0;
            for (size_t j = first; j < end; j++)
                if (!masked_out(a, t, j))
                    highest = fmax(highest, score(&r, j * a->k_stride + h / group * d, 1));
            double value[MAX_HEAD] = {0};
            for (size_t j = first; j < end; j++) {
                if (masked_out(a, t, j))
                    continue;
                double p = exp(score(&r, j * a->k_stride + h / group * d, 1) - highest);
                sum += p;
                for (size_t i = 0; i < d; i++)
                    value[i] += p * reference_get(a->type, v, j * a->v_stride + h / group * d + i);
            }
            bool blind = a->mask && sum == 0;
            for (size_t i = 0; i < d; i++)
                reference_set(a->type, out, t * a->out_stride + h * d + i, blind ? 0 : value[i] / sum);
            if (lse)
                reference_set(wide(a->type), lse, t * a->query_heads + h, blind ? 0 : highest + log(sum));
        }
}

static double dot(kernel_type type, size_t count, const void *a, size_t a_at, const void *b, size_t b_at)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += reference_get(type, a, a_at + i) * reference_get(type, b, b_at + i);
    return sum;
}

/* P = exp(S - lse), dV += P^T dO, dP = dO V^T, dS = P (dP - dot(dO, O)), dQ = dS K, dK += dS^T Q (FlashAttention,
 * appendix B.2). The sums over queries that share a key are kept in the precision of the type. */
static void backward_row(const kernel_attention *a, const row *r, size_t t, size_t h, double lse, double delta,
                         const void *dout, void *dq, void *dk, void *dv)
{
    size_t d = a->head_size, head = h / (a->query_heads / a->key_heads) * d;
    size_t out_at = t * a->out_stride + h * d;
    double sum[MAX_HEAD] = {0};
    for (size_t j = window_first(a->scores.window, (size_t)a->start[t], t), end = sight_end(a, t); j < end; j++) {
        size_t k_at = j * a->k_stride + head, v_at = j * a->v_stride + head;
        if (masked_out(a, t, j))
            continue;
        double capped = score(r, k_at, 1), p = exp(capped - lse);
        double ds = p * (dot(a->type, d, dout, out_at, r->v, v_at) - delta) * slope(r, capped) * a->scores.scale;
        for (size_t i = 0; i < d; i++) {
            sum[i] += ds * reference_get(a->type, r->k, k_at + i);
            reference_set(a->type, dv, v_at + i,
                          reference_get(a->type, dv, v_at + i) + p * reference_get(a->type, dout, out_at + i));
            reference_set(a->type, dk, k_at + i,
                          reference_get(a->type, dk, k_at + i) + ds * reference_get(a->type, r->q, r->q_at + i));
        }
    }
    for (size_t i = 0; i < d; i++)
        reference_set(a->type, dq, r->q_at + i, sum[i]);
}

void reference_attention_backward(const kernel_attention *a, const void *q, const void *k, const void *v,
                                  const void *out, const void *lse, const void *dout, void *dq, void *dk, void *dv)
{
    size_t d = a->head_size;
    if (d > MAX_HEAD)
        BUG("a head of %zu", d);
    for (size_t t = 0; t < a->tokens; t++)
        for (size_t i = 0; i < a->key_heads * d; i++) {
            reference_set(a->type, dk, t * a->k_stride + i, 0);
            reference_set(a->type, dv, t * a->v_stride + i, 0);
        }
    for (size_t t = 0; t < a->tokens; t++)
        for (size_t h = 0; h < a->query_heads; h++) {
            row r = {a->type, d, a->scores, q, k, v, t * a->q_stride + h * d};
            size_t out_at = t * a->out_stride + h * d;
            backward_row(a, &r, t, h, reference_get(wide(a->type), lse, t * a->query_heads + h),
                         dot(a->type, d, out, out_at, dout, out_at), dout, dq, dk, dv);
        }
}

static size_t page_of(const kernel_cache *c, int32_t slot, size_t position)
{
    size_t index = (size_t)slot * (c->capacity / KERNEL_KEY_BLOCK) + position / KERNEL_KEY_BLOCK;
    return c->pages ? (size_t)c->pages[index] : index;
}

void reference_cache_attention(const kernel_cache *c, size_t rows, size_t query_heads, kernel_scores scores,
                               const int32_t *slot, const int32_t *position, const void *q, size_t q_stride, void *out,
                               size_t out_stride)
{
    size_t d = c->head_size, group = query_heads / c->key_heads, size = d * KERNEL_KEY_BLOCK;
    if (d > MAX_HEAD)
        BUG("a head of %zu", d);
    for (size_t n = 0; n < rows * query_heads; n++) {
        size_t r = n / query_heads, h = n % query_heads;
        row one = {c->type, d, scores, q, c->k, c->v, r * q_stride + h * d};
        size_t count = slot[r] < 0 ? 0 : (size_t)position[r] + 1;
        size_t first = count ? window_first(scores.window, 0, count - 1) : 0;
        double highest = -INFINITY, sum = 0, value[MAX_HEAD] = {0};
        for (int pass = 0; pass < 2; pass++)
            for (size_t j = first; j < count; j++) {
                size_t head = (page_of(c, slot[r], j) * c->key_heads + h / group) * size;
                double s = score(&one, head + j % KERNEL_KEY_BLOCK, KERNEL_KEY_BLOCK), p = exp(s - highest);
                if (pass == 0) {
                    highest = fmax(highest, s);
                    continue;
                }
                sum += p;
                for (size_t i = 0; i < d; i++)
                    value[i] += p * reference_get(c->type, c->v, head + j % KERNEL_KEY_BLOCK * d + i);
            }
        for (size_t i = 0; i < d; i++)
            reference_set(c->type, out, r * out_stride + h * d + i, count ? value[i] / sum : 0);
    }
}
