#include "lm/tensor.h"

lm_tensor lm_tensor_of(const safetensors_tensor *t)
{
    if (t->rank > 2)
        BUG("the tensor %s has %d dimensions", t->name, t->rank);
    return (lm_tensor){.name = t->name, .type = t->type, .format = QUANT_PLAIN, .rank = t->rank, .shape = {t->shape[0], t->shape[1]},
                       .data = t->data, .bytes = t->bytes};
}

int64_t lm_tensor_elements(const lm_tensor *t)
{
    int64_t count = 1;
    for (int d = 0; d < t->rank; d++)
        count *= t->shape[d];
    return count;
}

const char *lm_tensor_type_name(const lm_tensor *t)
{
    return t->format == QUANT_PLAIN ? safetensors_type_name(t->type) : quant_name(t->format);
}

status lm_tensor_to_f32(const lm_tensor *t, float *out, error *err)
{
    if (t->format != QUANT_PLAIN) {
        quant_expand(t->format, (size_t)lm_tensor_elements(t), t->data, out);
        return STATUS_OK;
    }
    safetensors_tensor plain = {.name = t->name, .type = t->type, .rank = t->rank, .shape = {t->shape[0], t->shape[1]}, .data = t->data,
                                .bytes = t->bytes};
    return safetensors_to_f32(&plain, out, err);
}
