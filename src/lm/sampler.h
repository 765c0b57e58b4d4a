/* sampler.h - from the logits of all tokens to one of them, and its log-probability.
 *
 * Greedy choice takes the largest (the smallest id among equals). Otherwise the distribution p^(1/temperature) is cut
 * to the top_k largest, then to the smallest set that holds top_p of what is left (Holtzman et al., arXiv 1904.09751),
 * and one number in [0, 1) picks the token, counting through the ids in order. What is picked depends on nothing but
 * the arguments. Log-probabilities are the model's own: before temperature, top_k and top_p.
 */
#ifndef ASSAY_LM_SAMPLER_H
#define ASSAY_LM_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

typedef struct sampler_rule {
    double temperature; /* 0: greedy */
    double top_p;       /* 1 (or 0): all */
    int top_k;          /* 0: all */
} sampler_rule;

/* Bytes of scratch for `count` tokens; it must be 64-byte aligned. */
size_t sampler_scratch_bytes(size_t count);
/* logits [count]; `uniform` in [0, 1) is used unless greedy. *logprob gets that of the token picked. NaN logits are
 * never picked unless all are NaN. */
int32_t sampler_pick(const float *logits, size_t count, const sampler_rule *rule, double uniform, void *scratch,
                     float *logprob);
/* The same among the tokens whose bit is set in `allowed`: the distribution is cut to them first. *logprob is
 * still the model's own. At least one bit must be set. */
int32_t sampler_pick_among(const float *logits, size_t count, const sampler_rule *rule, double uniform,
                           const uint64_t *allowed, void *scratch, float *logprob);
/* The `most` tokens of the largest logits in falling order (the smaller id first among equals); returns how many there
 * are (fewer where logits are NaN). */
size_t sampler_largest(const float *logits, size_t count, size_t most, int32_t *ids);
/* The log-probabilities of some tokens: the same bits as sampler_pick gives for them. out [wanted]. */
void sampler_logprobs(const float *logits, size_t count, const int32_t *ids, size_t wanted, void *scratch, float *out);

#endif
