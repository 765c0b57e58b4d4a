/* rope.h - rotary positions: the angle by which each pair of elements turns from one position to the next, and the ways
 * in which published models stretch those angles to longer contexts.
 *
 *     lm_rope r = {.kind = LM_ROPE_LLAMA3, .factor = 8, .low = 1, .high = 4, .original = 8192};
 *     float inverse[64];
 *     double amplitude = lm_rope_frequencies(&r, 128, 500000, inverse);
 */
#ifndef ASSAY_LM_ROPE_H
#define ASSAY_LM_ROPE_H

#include "core/error.h"

#include <jansson.h>
#include <stdbool.h>

/* The words are those of config.json ("rope_type", in old files "type"). */
typedef enum lm_rope_kind {
    LM_ROPE_DEFAULT,
    LM_ROPE_LINEAR,   /* all angles divided by the factor */
    LM_ROPE_DYNAMIC,  /* changes nothing up to max_position_embeddings, which is as far as we go */
    LM_ROPE_LLAMA3,   /* slow ones divided, fast ones left, a ramp between (Llama 3.1) */
    LM_ROPE_YARN,     /* Peng et al., arXiv 2309.00071 */
    LM_ROPE_LONG,     /* "longrope", in old files "su" (Ding et al., arXiv 2402.13753): a divisor for each angle. Only the list
                       * for texts within the original context is built, so the context of such a model ends there */
    LM_ROPE_KIND_COUNT
} lm_rope_kind;

enum { LM_ROPE_DIVISORS = 128 };

typedef struct lm_rope {
    lm_rope_kind kind;
    double factor;
    double low, high;        /* llama3: low_freq_factor, high_freq_factor; yarn: beta_slow, beta_fast */
    double original;         /* original_max_position_embeddings */
    double attention_factor; /* yarn, longrope: cosines and sines are multiplied with it; 0: it follows from the factor */
    double mscale, mscale_all; /* yarn: what it follows from; 0: not given */
    bool untruncated;        /* yarn: the ends of the ramp are not rounded to whole elements */
    float divisors[LM_ROPE_DIVISORS]; /* longrope: short_factor */
    int divisor_count;
} lm_rope;

/* Reads the members of a "rope_parameters" or "rope_scaling" object. context: the model's; original: what stands outside of
 * the object, 0 for nothing; they stand in for members that are missing. STATUS_UNSUPPORTED names a kind that is not built,
 * STATUS_INVALID a missing or wrong member. */
status lm_rope_parse(const json_t *object, const char *name, double context, double original, lm_rope *out, error *err);
/* Adds the members to an object. */
void lm_rope_write(const lm_rope *r, json_t *object);

/* inverse [size / 2]: the angles of elements i and i + size / 2, computed in f32 as `transformers` does. Returns what
 * cosines and sines are to be multiplied with. */
double lm_rope_frequencies(const lm_rope *r, int size, double theta, float *inverse);

#endif
