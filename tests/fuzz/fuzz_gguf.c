/* Any bytes either read as GGUF or are refused; so does the vocabulary in them. */
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
    arena_free(a);
    return 0;
}
