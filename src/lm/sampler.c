#include "lm/sampler.h"

#include "kernels/kernels.h"

#include <math.h>
#include <stdbool.h>

enum { BLOCK = 64 };

static size_t largest(const float *values, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (values[i] > values[best] || values[best] != values[best])
            best = i;
    return best;
}

/* The sum of a block: four sums side by side, so that additions do not wait for each other; always the same order. */
static double block_sum(const float *values, size_t count)
{
    double sums[4] = {0, 0, 0, 0};
    size_t i = 0;
    for (; i + 4 <= count; i += 4)
        for (size_t k = 0; k < 4; k++)
            sums[k] += (double)values[i + k];
    for (; i < count; i++)
        sums[0] += (double)values[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

static double sum_of(const float *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i += BLOCK)
        sum += block_sum(values + i, count - i < BLOCK ? count - i : BLOCK);
    return sum;
}

/* exp((logits - top) * factor) for all; at most 1, so that nothing overflows. */
static void weigh(const float *logits, size_t count, float top, float factor, float *weights)
{
    for (size_t i = 0; i < count; i++) {
        float x = (logits[i] - top) * factor;
        weights[i] = x == x ? x : -200;
    }
    kernel_unary(KERNEL_EXP, KERNEL_F32, count, weights, weights);
}

/* A token before another: more probable, or the smaller id among equals. */
static bool before(const float *weights, int32_t a, int32_t b)
{
    return weights[a] != weights[b] ? weights[a] > weights[b] : a < b;
}

static void sift(const float *weights, int32_t *heap, size_t count, size_t i)
{
    int32_t moved = heap[i];
    for (size_t child; (child = 2 * i + 1) < count; i = child) {
        if (child + 1 < count && before(weights, heap[child + 1], heap[child]))
            child++;
        if (!before(weights, heap[child], moved))
            break;
        heap[i] = heap[child];
    }
    heap[i] = moved;
}

/* Takes the most probable token off the heap and puts it behind it. */
static int32_t pop(const float *weights, int32_t *heap, size_t *count)
{
    int32_t top = heap[0];
    heap[0] = heap[--*count];
    if (*count)
        sift(weights, heap, *count, 0);
    heap[*count] = top;
    return top;
}

/* Leaves only the weights inside of top_k and top_p; tokens come off a heap, most probable first, so that the cost
 * follows the number that stay. */
static void cut(float *weights, size_t count, const sampler_rule *rule, int32_t *heap)
{
    size_t most = rule->top_k > 0 && (size_t)rule->top_k < count ? (size_t)rule->top_k : count, left = count;
    double share = rule->top_p > 0 && rule->top_p < 1 ? rule->top_p : 2, total = 0, sum = 0;
    for (size_t i = 0; i < count; i++)
        heap[i] = (int32_t)i;
    for (size_t i = count / 2; i-- > 0;)
        sift(weights, heap, count, i);
    if (most < count) {
        while (count - left < most)
            total += (double)weights[pop(weights, heap, &left)];
        size_t kept = count; /* the kept ones lie behind the heap, the most probable last */
        while (kept > left && sum < share * total)
            sum += (double)weights[heap[--kept]];
        left = kept;
    } else {
        total = sum_of(weights, count);
        while (left > 0 && sum < share * total)
            sum += (double)weights[pop(weights, heap, &left)];
    }
    for (size_t i = 0; i < left; i++)
        weights[heap[i]] = 0;
}

/* The first token at which the sum over ids passes uniform * total: block by block, then inside of the block. */
static size_t locate(const float *weights, size_t count, double uniform, size_t fallback)
{
    double goal = uniform * sum_of(weights, count), sum = 0;
    for (size_t i = 0; i < count; i += BLOCK) {
        size_t size = count - i < BLOCK ? count - i : BLOCK;
        double block = block_sum(weights + i, size), inside = sum;
        if (sum + block > goal) {
            for (size_t k = 0; k < size; k++)
                if ((inside += (double)weights[i + k]) > goal)
                    return i + k;
            for (size_t k = size; k-- > 0;) /* rounding: the last one of the block that has a weight */
                if (weights[i + k] > 0)
                    return i + k;
        }
        sum += block;
    }
    return fallback;
}

size_t sampler_scratch_bytes(size_t count)
{
    return count * (sizeof(float) + sizeof(int32_t)) + 64;
}

static bool is_allowed(const uint64_t *allowed, size_t i)
{
    return allowed[i / 64] >> i % 64 & 1;
}

static size_t largest_allowed(const float *logits, size_t count, const uint64_t *allowed)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < count; i++)
        if (is_allowed(allowed, i) && (best == SIZE_MAX || logits[i] > logits[best] || logits[best] != logits[best]))
            best = i;
    return best;
}

int32_t sampler_pick(const float *logits, size_t count, const sampler_rule *rule, double uniform, void *scratch,
                     float *logprob)
{
    float *weights = scratch;
    size_t best = largest(logits, count), picked = best;
    weigh(logits, count, logits[best], 1, weights);
    float normal = (float)log(sum_of(weights, count));
    if (rule->temperature > 0) {
        if (rule->temperature != 1)
            weigh(logits, count, logits[best], (float)(1 / rule->temperature), weights);
        if ((rule->top_p > 0 && rule->top_p < 1) || (rule->top_k > 0 && (size_t)rule->top_k < count))
            cut(weights, count, rule, (int32_t *)(void *)(weights + count));
        picked = locate(weights, count, uniform, best);
    }
    *logprob = logits[picked] - logits[best] - normal;
    return (int32_t)picked;
}

int32_t sampler_pick_among(const float *logits, size_t count, const sampler_rule *rule, double uniform,
                           const uint64_t *allowed, void *scratch, float *logprob)
{
    float *weights = scratch;
    size_t top = largest_allowed(logits, count, allowed), picked = top;
    if (rule->temperature > 0) {
        weigh(logits, count, logits[top], (float)(1 / rule->temperature), weights);
        for (size_t i = 0; i < count; i++)
            weights[i] = is_allowed(allowed, i) ? weights[i] : 0;
        if ((rule->top_p > 0 && rule->top_p < 1) || (rule->top_k > 0 && (size_t)rule->top_k < count))
            cut(weights, count, rule, (int32_t *)(void *)(weights + count));
        picked = locate(weights, count, uniform, top);
    }
    *logprob = sampler_logprob(logits, count, (int32_t)picked, scratch);
    return (int32_t)picked;
}

size_t sampler_largest(const float *logits, size_t count, size_t most, int32_t *ids)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (logits[i] != logits[i] || (kept == most && (most == 0 || logits[i] <= logits[ids[kept - 1]])))
            continue;
        size_t at = kept < most ? kept++ : kept - 1;
        for (; at > 0 && logits[ids[at - 1]] < logits[i]; at--)
            ids[at] = ids[at - 1];
        ids[at] = (int32_t)i;
    }
    return kept;
}

float sampler_logprob(const float *logits, size_t count, int32_t id, void *scratch)
{
    float top = logits[largest(logits, count)];
    weigh(logits, count, top, 1, scratch);
    return logits[id] - top - (float)log(sum_of(scratch, count));
}
