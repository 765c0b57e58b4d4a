#include "lm/sampler.h"

#include "kernels/kernels.h"

#include <math.h>
#include <stdbool.h>

enum { BLOCK = KERNEL_SUM_BLOCK, SEARCHED = 1024 };

/* Scratch: a weight for each token, the sums of their blocks, a heap of tokens. */
typedef struct workspace {
    float *weights;
    double *sums;
    int32_t *heap;
} workspace;

static size_t sums_bytes(size_t count)
{
    return ((count + BLOCK - 1) / BLOCK * sizeof(double) + 63) / 64 * 64;
}

static size_t weights_bytes(size_t count)
{
    return (count * sizeof(float) + 63) / 64 * 64;
}

size_t sampler_scratch_bytes(size_t count)
{
    return weights_bytes(count) + sums_bytes(count) + count * sizeof(int32_t);
}

static workspace workspace_in(void *scratch, size_t count)
{
    char *at = scratch;
    void *sums = at + weights_bytes(count), *heap = at + weights_bytes(count) + sums_bytes(count);
    return (workspace){scratch, sums, heap};
}

/* The first of the largest. */
static size_t largest(const float *values, size_t count)
{
    float most = kernel_highest(count, values);
    for (size_t from = 0; from < count; from += SEARCHED) {
        size_t size = count - from < SEARCHED ? count - from : SEARCHED;
        if (kernel_highest(size, values + from) != most)
            continue;
        for (size_t i = from; i < from + size; i++)
            if (values[i] == most)
                return i;
    }
    return 0; /* all are NaN */
}

/* Sums of blocks, and of all. */
static double sum_of(const float *weights, size_t count, double *sums)
{
    double sum = 0;
    kernel_block_sums(count, weights, sums);
    for (size_t i = 0; i < (count + BLOCK - 1) / BLOCK; i++)
        sum += sums[i];
    return sum;
}

/* What log-probabilities are counted from. */
typedef struct normal {
    float top, log_sum;
} normal;

static normal normal_of(const float *logits, size_t count, float top, const workspace *w)
{
    kernel_weigh(count, logits, top, 1, w->weights);
    return (normal){top, (float)log(sum_of(w->weights, count, w->sums))};
}

static float logprob_of(const float *logits, int32_t id, const normal *n)
{
    return logits[id] - n->top - n->log_sum;
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
static void cut(const workspace *w, size_t count, const sampler_rule *rule)
{
    float *weights = w->weights;
    int32_t *heap = w->heap;
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
        total = sum_of(weights, count, w->sums);
        while (left > 0 && sum < share * total)
            sum += (double)weights[pop(weights, heap, &left)];
    }
    for (size_t i = 0; i < left; i++)
        weights[heap[i]] = 0;
}

/* The first token at which the sum over ids passes uniform * total: block by block, then inside of the block. The sums of
 * blocks are those of the weights. */
static size_t locate(const workspace *w, size_t count, double total, double uniform, size_t fallback)
{
    double goal = uniform * total, sum = 0;
    for (size_t i = 0; i < count; i += BLOCK) {
        size_t size = count - i < BLOCK ? count - i : BLOCK;
        double block = w->sums[i / BLOCK], inside = sum;
        if (sum + block > goal) {
            for (size_t k = 0; k < size; k++)
                if ((inside += (double)w->weights[i + k]) > goal)
                    return i + k;
            for (size_t k = size; k-- > 0;) /* rounding: the last one of the block that has a weight */
                if (w->weights[i + k] > 0)
                    return i + k;
        }
        sum += block;
    }
    return fallback;
}

static bool cuts(const sampler_rule *rule, size_t count)
{
    return (rule->top_p > 0 && rule->top_p < 1) || (rule->top_k > 0 && (size_t)rule->top_k < count);
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
    workspace w = workspace_in(scratch, count);
    size_t best = largest(logits, count), picked = best;
    normal n = normal_of(logits, count, logits[best], &w);
    if (rule->temperature > 0) {
        if (rule->temperature != 1)
            kernel_weigh(count, logits, logits[best], (float)(1 / rule->temperature), w.weights);
        if (cuts(rule, count))
            cut(&w, count, rule);
        picked = locate(&w, count, sum_of(w.weights, count, w.sums), uniform, best);
    }
    *logprob = logprob_of(logits, (int32_t)picked, &n);
    return (int32_t)picked;
}

int32_t sampler_pick_among(const float *logits, size_t count, const sampler_rule *rule, double uniform,
                           const uint64_t *allowed, void *scratch, float *logprob)
{
    workspace w = workspace_in(scratch, count);
    size_t top = largest_allowed(logits, count, allowed), picked = top;
    if (rule->temperature > 0) {
        kernel_weigh(count, logits, logits[top], (float)(1 / rule->temperature), w.weights);
        for (size_t i = 0; i < count; i++)
            w.weights[i] = is_allowed(allowed, i) ? w.weights[i] : 0;
        if (cuts(rule, count))
            cut(&w, count, rule);
        picked = locate(&w, count, sum_of(w.weights, count, w.sums), uniform, top);
    }
    int32_t id = (int32_t)picked;
    sampler_logprobs(logits, count, &id, 1, scratch, logprob);
    return id;
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

void sampler_logprobs(const float *logits, size_t count, const int32_t *ids, size_t wanted, void *scratch, float *out)
{
    workspace w = workspace_in(scratch, count);
    normal n = normal_of(logits, count, logits[largest(logits, count)], &w);
    for (size_t i = 0; i < wanted; i++)
        out[i] = logprob_of(logits, ids[i], &n);
}
