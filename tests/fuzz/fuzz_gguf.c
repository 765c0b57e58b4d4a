/* Any bytes either read as GGUF or are refused; so do the vocabulary and the model in them. */
#include "lm/gguf_model.h"
#include "lm/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    arena *a = arena_new(NULL);
    gguf *g;
    error err;
    if (gguf_from_bytes(a, (slice){(const char *)bytes, length}, "fuzz", &g, &err) == STATUS_OK) {
        tokenizer *t;
        volatile unsigned char sum = 0;
        for (size_t i = 0; i < gguf_tensor_count(g); i++) {
            const gguf_tensor *w = gguf_tensor_at(g, i);
            for (size_t k = 0; k < w->bytes; k++)
                sum = (unsigned char)(sum + ((const unsigned char *)w->data)[k]);
        }
        if (tokenizer_from_gguf(a, g, &t, &err) == STATUS_OK) {
            token_list ids = {.arena = a};
            tokenizer_encode(t, SLICE("Ada sells 12 loaves."), TOKENIZER_SPECIALS | TOKENIZER_TEMPLATE, &ids, &err);
        }
    }
    if (g) {
        chat_files chat;
        lm_config c;
        lm_tensor *weights;
        gguf_model_chat(a, g, &chat, &err);
        if (gguf_model_config(g, &c, &err) == STATUS_OK && gguf_model_weights(a, g, &c, &weights, &err) == STATUS_OK) {
            volatile unsigned char sum = 0;
            for (size_t i = 0; i < lm_weight_count(&c); i++)
                for (size_t k = 0; k < weights[i].bytes; k++)
                    sum = (unsigned char)(sum + ((const unsigned char *)weights[i].data)[k]);
        }
    }
    arena_free(a);
    return 0;
}
