#include "lm/rope.h"

#include "core/jsonio.h"
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

static const char *const words[LM_ROPE_KIND_COUNT] = {"default", "linear", "dynamic", "llama3", "yarn", "longrope"};

/* ---- reading and writing ---- */

/* Members of each kind: where they go, whether they must be there, and what they are when absent. */
static const struct {
    const char *key;
    size_t offset;
    unsigned kinds, needed; /* bits by kind */
    double fallback;
} members[] = {
#define BIT(kind) (1u << LM_ROPE_##kind)
    {"factor", offsetof(lm_rope, factor), BIT(LINEAR) | BIT(DYNAMIC) | BIT(LLAMA3) | BIT(YARN),
     BIT(LINEAR) | BIT(DYNAMIC) | BIT(LLAMA3) | BIT(YARN), 1},
    {"low_freq_factor", offsetof(lm_rope, low), BIT(LLAMA3), BIT(LLAMA3), 1},
    {"high_freq_factor", offsetof(lm_rope, high), BIT(LLAMA3), BIT(LLAMA3), 4},
    {"beta_slow", offsetof(lm_rope, low), BIT(YARN), 0, 1},
    {"beta_fast", offsetof(lm_rope, high), BIT(YARN), 0, 32},
    {"factor", offsetof(lm_rope, factor), BIT(LONG), 0, 0},
    {"original_max_position_embeddings", offsetof(lm_rope, original), BIT(LLAMA3) | BIT(YARN) | BIT(DYNAMIC) | BIT(LONG), 0, 0},
    {"attention_factor", offsetof(lm_rope, attention_factor), BIT(YARN) | BIT(LONG), 0, 0},
    {"mscale", offsetof(lm_rope, mscale), BIT(YARN), 0, 0},
    {"mscale_all_dim", offsetof(lm_rope, mscale_all), BIT(YARN), 0, 0},
#undef BIT
};

static double *member_at(const lm_rope *r, size_t i)
{
    return (double *)(void *)((char *)(uintptr_t)r + members[i].offset);
}

static status check(const lm_rope *r, const char *name, double context, error *err)
{
    const char *word = words[r->kind];
    if (r->kind == LM_ROPE_DEFAULT)
        return STATUS_OK;
    if (!(r->factor > 0) || r->factor > 1e6)
        return error_set(err, STATUS_INVALID, "%s: rotary positions of type %s: factor is %g; expected a number above 0",
                         name, word, r->factor);
    if (r->kind != LM_ROPE_LINEAR && !(r->original >= 1 && r->original <= 1 << 24))
        return error_set(err, STATUS_INVALID, "%s: original_max_position_embeddings is %g; expected at least 1", name,
                         r->original);
    if (r->kind == LM_ROPE_LLAMA3 && !(r->low > 0 && r->high > r->low))
        return error_set(err, STATUS_INVALID, "%s: high_freq_factor %g must be above low_freq_factor %g, and that above 0",
                         name, r->high, r->low);
    if (r->kind == LM_ROPE_YARN && !(r->low > 0 && r->high > 0 && r->attention_factor >= 0))
        return error_set(err, STATUS_INVALID, "%s: beta_fast %g and beta_slow %g must be above 0", name, r->high, r->low);
    if (r->kind == LM_ROPE_DYNAMIC && r->original < context) {
        error_set(err, STATUS_UNSUPPORTED, "%s: dynamic rotary positions beyond the original %g positions are not supported",
                  name, r->original);
        return error_hint(err, "set max_position_embeddings to %g: up to there they change nothing", r->original);
    }
    return STATUS_OK;
}

/* The divisors for texts within the original context. */
static status read_divisors(const json_t *object, const char *name, double context, lm_rope *r, error *err)
{
    const json_t *list;
    TRY(jsonio_get_array(object, "short_factor", name, &list, err));
    if (json_array_size(list) < 1 || json_array_size(list) > LM_ROPE_DIVISORS)
        return error_set(err, STATUS_UNSUPPORTED, "%s: short_factor has %zu numbers; expected 1 to %d", name, json_array_size(list),
                         LM_ROPE_DIVISORS);
    for (size_t i = 0; i < json_array_size(list); i++) {
        double value = json_number_value(json_array_get(list, i));
        if (!(value > 1e-6 && value < 1e6))
            return error_set(err, STATUS_INVALID, "%s: short_factor: number %zu is not one above 0", name, i);
        r->divisors[i] = (float)value;
    }
    r->divisor_count = (int)json_array_size(list);
    if (r->factor == 0 && r->original > 0)
        r->factor = context / r->original;
    return STATUS_OK;
}

status lm_rope_parse(const json_t *object, const char *name, double context, double original, lm_rope *out, error *err)
{
    lm_rope r = {.kind = LM_ROPE_DEFAULT};
    const char *word = json_string_value(json_object_get(object, "rope_type"));
    if (!word)
        word = json_string_value(json_object_get(object, "type"));
    if (json_object_get(object, "short_factor") || (word && strcmp(word, "su") == 0))
        word = words[LM_ROPE_LONG]; /* Phi-3's first files call it su or yarn */
    while (word && r.kind < LM_ROPE_KIND_COUNT && strcmp(words[r.kind], word) != 0)
        r.kind++;
    if (r.kind == LM_ROPE_KIND_COUNT) {
        error_set(err, STATUS_UNSUPPORTED, "%s: rotary positions of type %s are not supported", name, word);
        return error_hint(err, "default, linear, dynamic, llama3, yarn and longrope are");
    }
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        if (!(members[i].kinds >> r.kind & 1u))
            continue;
        const json_t *value = json_object_get(object, members[i].key);
        *member_at(&r, i) = members[i].fallback;
        if ((value && !json_is_null(value)) || (members[i].needed >> r.kind & 1u))
            TRY(jsonio_get_number(object, members[i].key, name, member_at(&r, i), err));
    }
    if (r.kind != LM_ROPE_DEFAULT && r.kind != LM_ROPE_LINEAR && r.original == 0)
        r.original = original > 0 ? original : context;
    if (r.kind == LM_ROPE_LONG)
        TRY(read_divisors(object, name, context, &r, err));
    r.untruncated = r.kind == LM_ROPE_YARN && json_is_false(json_object_get(object, "truncate"));
    TRY(check(&r, name, context, err));
    *out = r;
    return STATUS_OK;
}

void lm_rope_write(const lm_rope *r, json_t *object)
{
    json_object_set_new(object, "rope_type", json_string(words[r->kind]));
    for (size_t i = 0; i < COUNT_OF(members); i++)
        if ((members[i].kinds >> r->kind & 1u) && *member_at(r, i) != 0)
            json_object_set_new(object, members[i].key, json_real(*member_at(r, i)));
    if (r->untruncated)
        json_object_set_new(object, "truncate", json_false());
    json_t *divisors = r->divisor_count ? json_array() : NULL;
    for (int i = 0; i < r->divisor_count; i++)
        json_array_append_new(divisors, json_real((double)r->divisors[i]));
    if (divisors) { /* the context ends where the long ones would begin */
        json_object_set(object, "long_factor", divisors);
        json_object_set_new(object, "short_factor", divisors);
    }
}

/* ---- angles ---- */

static void scale_llama3(const lm_rope *r, int half, float *inverse)
{
    for (int i = 0; i < half; i++) {
        float length = (float)(2 * M_PI) / inverse[i];
        if ((double)length < r->original / r->high)
            continue;
        if ((double)length > r->original / r->low) {
            inverse[i] /= (float)r->factor;
            continue;
        }
        float smooth = ((float)r->original / length - (float)r->low) / (float)(r->high - r->low);
        inverse[i] = (1 - smooth) * inverse[i] / (float)r->factor + smooth * inverse[i];
    }
}

static double yarn_scale(double factor, double mscale)
{
    return factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1;
}

/* The (fractional) element that turns `rotations` times over the original context. */
static double yarn_element(const lm_rope *r, double rotations, int size, double theta)
{
    return size * log(r->original / (rotations * 2 * M_PI)) / (2 * log(theta));
}

static double scale_yarn(const lm_rope *r, int size, double theta, float *inverse)
{
    double low = yarn_element(r, r->high, size, theta), high = yarn_element(r, r->low, size, theta);
    if (!r->untruncated) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0);
    high = fmin(high, size - 1);
    if (low == high)
        high += 0.001;
    for (int i = 0; i < size / 2; i++) {
        float ramp = ((float)i - (float)low) / (float)(high - low);
        ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
        inverse[i] = inverse[i] / (float)r->factor * ramp + inverse[i] * (1 - ramp);
    }
    if (r->attention_factor > 0)
        return r->attention_factor;
    if (r->mscale != 0 && r->mscale_all != 0)
        return yarn_scale(r->factor, r->mscale) / yarn_scale(r->factor, r->mscale_all);
    return yarn_scale(r->factor, 1);
}

/* size / 2 divisors: checked with the configuration. */
static double scale_long(const lm_rope *r, int size, double theta, float *inverse)
{
    for (int i = 0; i < size / 2 && i < r->divisor_count; i++)
        inverse[i] = 1.0f / (r->divisors[i] * powf((float)theta, (float)(2 * i) / (float)size));
    if (r->attention_factor > 0)
        return r->attention_factor;
    return r->factor <= 1 ? 1 : sqrt(1 + log(r->factor) / log(r->original));
}

double lm_rope_frequencies(const lm_rope *r, int size, double theta, float *inverse)
{
    kernel_rotary_frequencies((size_t)size, theta, inverse);
    if (r->kind == LM_ROPE_YARN)
        return scale_yarn(r, size, theta, inverse);
    if (r->kind == LM_ROPE_LONG)
        return scale_long(r, size, theta, inverse);
    if (r->kind == LM_ROPE_LLAMA3)
        scale_llama3(r, size / 2, inverse);
    for (int i = 0; r->kind == LM_ROPE_LINEAR && i < size / 2; i++)
        inverse[i] /= (float)r->factor;
    return 1;
}
