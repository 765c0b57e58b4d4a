/* Any bytes either read as GGUF or are refused; so do the vocabulary and the model in them. */
#include "lm/gguf_model.h"
#include "lm/tokenizer.h"
#include "nn/gguf_write.h"

#include <string.h>

int LLVMFuzzerInitialize(int *count, char ***words);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* ---- whole files to begin with: no luck finds their keys ---- */

static status zeros(void *context, size_t i, void *out, error *err)
{
    (void)err;
    memset(out, 0x11, gguf_put_tensor_bytes(context, i));
    return STATUS_OK;
}

static void put_words(gguf_writer *w, bool pieces)
{
    static const slice words[] = {{"<s>", 3}, {"</s>", 4}, {"a", 1}, {"b", 1}, {"ab", 2}, {"\xc4\xa0", 2}, {"<0x41>", 6}, {"<unk>", 5}};
    static const slice merges[] = {{"a b", 3}};
    static const int32_t types[COUNT_OF(words)] = {3, 3, 1, 1, 4, 1, 6, 2};
    gguf_put_texts(w, "tokenizer.ggml.tokens", words, COUNT_OF(words));
    gguf_put_ints(w, "tokenizer.ggml.token_type", types, COUNT_OF(words));
    gguf_put_text(w, "tokenizer.ggml.model", pieces ? SLICE("llama") : SLICE("gpt2"));
    if (pieces) {
        gguf_put_ints(w, "tokenizer.ggml.scores", types, COUNT_OF(words));
    } else {
        gguf_put_text(w, "tokenizer.ggml.pre", SLICE("gpt-2"));
        gguf_put_texts(w, "tokenizer.ggml.merges", merges, 1);
    }
    gguf_put_int(w, "tokenizer.ggml.bos_token_id", 0);
    gguf_put_int(w, "tokenizer.ggml.eos_token_id", 1);
    gguf_put_text(w, "tokenizer.chat_template", SLICE("{{ messages }}"));
}

/* A model of one layer, a head of 4, a vocabulary of 8. */
static void put_model(gguf_writer *w, const lm_gguf *row)
{
    static const char *const numbers[] = {"block_count", "attention.head_count", "attention.head_count_kv"};
    static const char *const sizes[] = {"context_length", "embedding_length", "feed_forward_length", "attention.key_length"};
    char key[96];
    gguf_put_text(w, "general.architecture", slice_of(row->architecture));
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        gguf_put_int(w, (snprintf(key, sizeof key, "%s.%s", row->architecture, numbers[i]), key), 1);
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        gguf_put_int(w, (snprintf(key, sizeof key, "%s.%s", row->architecture, sizes[i]), key), 4);
    gguf_put_number(w, (snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", row->architecture), key), 1e-5);
    gguf_put_number(w, (snprintf(key, sizeof key, "%s.attention.layer_norm_epsilon", row->architecture), key), 1e-5);
    gguf_put_text(w, (snprintf(key, sizeof key, "%s.rope.scaling.type", row->architecture), key), SLICE("linear"));
    gguf_put_number(w, (snprintf(key, sizeof key, "%s.rope.scaling.factor", row->architecture), key), 2);
    if (row->family->windows != LM_WINDOWS_NONE && row->family->windows != LM_WINDOWS_UPPER)
        gguf_put_int(w, (snprintf(key, sizeof key, "%s.attention.sliding_window", row->architecture), key), 2);
    lm_config c = {.family = row->family, .vocabulary = 8, .hidden = 4, .intermediate = 4, .layers = 1, .heads = 1, .kv_heads = 1,
                   .head_size = 4, .context = 4, .tied = true, .attention_bias = (row->family->traits & LM_LAYER_NORM) != 0};
    for (size_t i = 0; i < lm_weight_count(&c); i++) {
        char name[64];
        lm_weight t = lm_weight_at(&c, i);
        gguf_put_tensor(w, gguf_model_name(&t, name), i % 2 ? GGUF_TENSOR_F32 : GGUF_TENSOR_F16, t.rank,
                        t.rank == 2 ? (int64_t[]){t.shape[1], t.shape[0]} : t.shape);
    }
}

/* Writes a model of each architecture into the folder of inputs, the last word that is no option. */
int LLVMFuzzerInitialize(int *count, char ***words)
{
    const char *folder = *count > 1 && (*words)[*count - 1][0] != '-' ? (*words)[*count - 1] : NULL;
    for (size_t i = 0; folder && i < lm_gguf_count; i++) {
        arena *a = arena_new(NULL);
        gguf_writer *w;
        error err;
        char *path = arena_printf(a, "%s/whole-%zu", folder, i);
        if (path && gguf_writer_new(a, &w, &err) == STATUS_OK) {
            put_model(w, &lm_ggufs[i]);
            put_words(w, i % 2);
            gguf_write(w, path, zeros, w, &err);
        }
        arena_free(a);
    }
    return 0;
}

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
