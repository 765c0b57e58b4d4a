/* Any bytes are read as a model of llama2.c and as a tokenizer of any size, or refused. */
#include "lm/llama2c.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    arena *a = arena_new(NULL);
    slice all = {(const char *)bytes, length};
    llama2c_model m;
    json_t *words;
    error err;
    llama2c_parse(a, all, "fuzz", &m, &err);
    for (size_t vocabulary = 0; vocabulary < 8; vocabulary++)
        if (llama2c_tokenizer(all, "fuzz", vocabulary, &words, &err) == STATUS_OK)
            json_decref(words);
    arena_free(a);
    return 0;
}
