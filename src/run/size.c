#include "run/size.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "lm/checkpoint.h"

enum { GROWTH_LIMIT = 1 << 26 };

/* Equal for tokenizers with the same tokens under the same numbers, whatever file they lie in. */
static void hash_tokenizer(const tokenizer *t, char hex[SHA256_HEX])
{
    sha256 state;
    unsigned char digest[SHA256_BYTES];
    sha256_start(&state);
    for (size_t i = 0; i < tokenizer_size(t); i++) {
        slice bytes = tokenizer_bytes(t, (int32_t)i);
        uint64_t length = bytes.length;
        sha256_add(&state, &length, sizeof length);
        sha256_add(&state, bytes.text, bytes.length);
    }
    sha256_end(&state, digest);
    sha256_hex(digest, hex);
}

/* Tokens of a growth that began from nothing; one that began from a base has seen those of the base too. */
static json_int_t tokens_of_growth(arena *a, const char *folder)
{
    json_t *growth;
    const char *path = file_is_folder(folder) ? file_join(a, folder, "growth.json") : NULL;
    if (!path || !file_exists(path) || jsonio_read(path, GROWTH_LIMIT, &growth, NULL) != STATUS_OK)
        return 0;
    const char *base = json_string_value(json_object_get(growth, "base"));
    json_int_t tokens = base && !base[0] ? json_integer_value(json_object_get(growth, "tokens")) : 0;
    json_decref(growth);
    return tokens;
}

json_t *run_size_of(const char *specification)
{
    arena *a = arena_new(NULL);
    checkpoint *c;
    json_t *out = json_null();
    bool base = strcmp(specification, CHECKPOINT_BASE) == 0;
    if (a && (base || checkpoint_plausible(specification)) &&
        (base ? checkpoint_open_base(a, &c, NULL) : checkpoint_open(a, specification, &c, NULL)) == STATUS_OK) {
        int64_t parameters = 0;
        json_int_t tokens = base ? 0 : tokens_of_growth(a, specification);
        for (size_t i = 0; i < lm_weight_count(&c->config); i++)
            parameters += lm_tensor_elements(&c->weights[i]);
        out = json_pack("{s:I}", "parameters", (json_int_t)parameters);
        if (tokens > 0) {
            json_object_set_new(out, "tokens", json_integer(tokens));
            json_object_set_new(out, "flops", json_real(6.0 * (double)parameters * (double)tokens));
        }
        if (c->tokenizer) {
            char hex[SHA256_HEX];
            hash_tokenizer(c->tokenizer, hex);
            json_object_set_new(out, "tokenizer", json_string(hex));
        }
    }
    arena_free(a);
    return out;
}
