/* Any bytes either read as a SentencePiece model, ranks or llama2.c's file, or are refused; what is read encodes. */
#include "lm/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    arena *a = arena_new(NULL);
    tokenizer *t;
    error err;
    if (tokenizer_parse_any(a, (slice){(const char *)bytes, length}, "fuzz", &t, &err) == STATUS_OK) {
        token_list ids = {.arena = a};
        strbuf text = strbuf_new(a, 1 << 20);
        tokenizer_encode(t, SLICE("Ada sells  12 loaves, \xc3\xa9\xe4\xb8\xad\xf0\x9f\x91\x8d. <s>"), TOKENIZER_SPECIALS, &ids, &err);
        for (int32_t id = 0; id < 300; id++)
            token_list_add(&ids, id, &err);
        tokenizer_decode(t, ids.ids, ids.count, &text, &err);
    }
    arena_free(a);
    return 0;
}
