/* Adapters: a merge worked out by hand, and adapters that are refused. */
#include "memory.h"
#include "lm/model_fixture.h"

#include "core/jsonio.h"
#include "lm/families.h"
#include "lm/lora.h"

#include <math.h>

static const char *adapter;

static int set_up(void **state)
{
    (void)state;
    memory = arena_new(NULL);
    adapter = file_join(memory, test_folder(), "adapter");
    return file_make_folders(adapter, NULL) == STATUS_OK ? 0 : -1;
}

/* One layer with 2 heads of 2 on a stream of 4. */
static lm_config small(const char *model_type)
{
    lm_config c = lm_config_base(8);
    c.family = lm_family_find(NULL, model_type);
    c.hidden = 4, c.heads = 2, c.kv_heads = 2, c.head_size = 2, c.intermediate = 6, c.layers = 1, c.context = 8;
    return c;
}

/* Weights whose element i is `base` + i, of a type. */
static lm_tensor *weights_of(const lm_config *c, safetensors_type type, float base)
{
    size_t count = lm_weight_count(c);
    lm_tensor *list = ARENA_ARRAY(memory, lm_tensor, count);
    for (size_t i = 0; i < count; i++) {
        lm_weight w = lm_weight_at(c, i);
        float *values = ARENA_ARRAY(memory, float, (size_t)w.count);
        bf16 *halves = ARENA_ARRAY(memory, bf16, (size_t)w.count);
        for (int64_t k = 0; k < w.count; k++)
            halves[k] = bf16_from_f32(values[k] = base + (float)k);
        list[i] = (lm_tensor){.name = arena_strdup(memory, w.name), .type = type, .rank = w.rank, .shape = {w.shape[0], w.shape[1]},
                              .data = type == SAFETENSORS_BF16 ? (void *)halves : values,
                              .bytes = (size_t)w.count * safetensors_type_bytes(type)};
    }
    return list;
}

static void write_adapter(const char *settings, const char *module, const float *a, int64_t r, int64_t inputs, const float *b,
                          int64_t outputs)
{
    safetensors_tensor list[] = {
        {arena_printf(memory, "base_model.model.%s.lora_A.weight", module), SAFETENSORS_F32, 2, {r, inputs}, a,
         (size_t)(r * inputs) * 4},
        {arena_printf(memory, "base_model.model.%s.lora_B.weight", module), SAFETENSORS_F32, 2, {outputs, r}, b,
         (size_t)(outputs * r) * 4},
    };
    error err = {0};
    if (safetensors_write(file_join(memory, adapter, "adapter_model.safetensors"), list, 2, NULL, 0, &err) != STATUS_OK ||
        file_write(file_join(memory, adapter, "adapter_config.json"), slice_of(settings), &err) != STATUS_OK)
        fail_msg("%s", err.message);
}

#define SETTINGS(more) "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 6, \"target_modules\": [\"q_proj\"]" more "}"

static const float a_values[8] = {1, 0, 2, -1, 0, 3, 0, 1}; /* [2, 4] */
static const float b_values[8] = {1, 0, 0, 1, 2, -1, 0, 0}; /* [4, 2] */
/* B A: the first row of A, the second, twice the first less the second, nothing. */
static const float product[16] = {1, 0, 2, -1, 0, 3, 0, 1, 2, -3, 4, -3, 0, 0, 0, 0};

static void a_merge_is_what_it_is_by_hand(void **state)
{
    (void)state;
    lm_config c = small("llama");
    static const struct {
        const char *settings;
        safetensors_type type;
        double scale;
    } cases[] = {
        {SETTINGS(""), SAFETENSORS_F32, 3},
        {SETTINGS(", \"use_rslora\": true"), SAFETENSORS_F32, 6 / 1.41421356237309504880},
        {SETTINGS(""), SAFETENSORS_BF16, 3},
        {SETTINGS(", \"fan_in_fan_out\": false, \"bias\": \"none\", \"modules_to_save\": null"), SAFETENSORS_F32, 3},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        lm_tensor *weights = weights_of(&c, cases[i].type, 200), *before = weights_of(&c, cases[i].type, 200);
        size_t q = lm_weight_find(&c, LM_Q, 0), k = lm_weight_find(&c, LM_K, 0);
        const void *other = weights[k].data;
        write_adapter(cases[i].settings, "model.layers.0.self_attn.q_proj", a_values, 2, 4, b_values, 4);
        error err = {0};
        if (lora_merge(memory, adapter, &c, weights, &err) != STATUS_OK)
            fail_msg("%s", err.message);
        assert_ptr_equal(weights[k].data, other); /* nothing else is touched */
        assert_int_equal(weights[q].type, cases[i].type);
        float merged[16], plain[16];
        assert_int_equal(lm_tensor_to_f32(&weights[q], merged, NULL), STATUS_OK);
        assert_int_equal(lm_tensor_to_f32(&before[q], plain, NULL), STATUS_OK);
        for (int n = 0; n < 16; n++) {
            float exact = plain[n] + (float)cases[i].scale * product[n];
            assert_true(fabsf(merged[n] - (cases[i].type == SAFETENSORS_BF16 ? bf16_round(exact) : exact)) < 2e-5f);
        }
    }
}

static void weights_that_lie_the_other_way_round_get_the_turned_sum(void **state)
{
    (void)state;
    lm_config c = small("gpt2"); /* c_fc lies as [4 inputs, 6 outputs] */
    lm_tensor *weights = weights_of(&c, SAFETENSORS_F32, 0);
    static const float b[6] = {1, 2, 3, 4, 5, 6}, a[4] = {1, -1, 10, 0};
    write_adapter("{\"peft_type\": \"LORA\", \"r\": 1, \"lora_alpha\": 2, \"fan_in_fan_out\": true, \"target_modules\": [\"c_fc\"]}",
                  "transformer.h.0.mlp.c_fc", a, 1, 4, b, 6);
    error err = {0};
    if (lora_merge(memory, adapter, &c, weights, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    float merged[24];
    assert_int_equal(lm_tensor_to_f32(&weights[lm_weight_find(&c, LM_UP, 0)], merged, NULL), STATUS_OK);
    for (int in = 0; in < 4; in++)
        for (int out = 0; out < 6; out++)
            assert_true(merged[in * 6 + out] == (float)(in * 6 + out) + 2 * a[in] * b[out]);
}

static void adapters_that_do_not_fit_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *settings, *module, *word;
        int64_t inputs;
        status code;
    } cases[] = {
        {"{\"peft_type\": \"IA3\"}", "model.layers.0.self_attn.q_proj", "IA3", 4, STATUS_UNSUPPORTED},
        {"{\"r\": 2}", "model.layers.0.self_attn.q_proj", "peft_type", 4, STATUS_INVALID},
        {"{\"peft_type\": \"LORA\", \"lora_alpha\": 6}", "model.layers.0.self_attn.q_proj", "\"r\"", 4, STATUS_INVALID},
        {"{\"peft_type\": \"LORA\", \"r\": 2}", "model.layers.0.self_attn.q_proj", "lora_alpha", 4, STATUS_INVALID},
        {"{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 6}", "model.layers.0.self_attn.q_proj", "target_modules", 4,
         STATUS_INVALID},
        {SETTINGS(", \"use_dora\": true"), "model.layers.0.self_attn.q_proj", "use_dora", 4, STATUS_UNSUPPORTED},
        {SETTINGS(", \"bias\": \"lora_only\""), "model.layers.0.self_attn.q_proj", "lora_only", 4, STATUS_UNSUPPORTED},
        {SETTINGS(", \"modules_to_save\": [\"lm_head\"]"), "model.layers.0.self_attn.q_proj", "modules_to_save", 4,
         STATUS_UNSUPPORTED},
        {SETTINGS(", \"alpha_pattern\": {\"q_proj\": 3}"), "model.layers.0.self_attn.q_proj", "alpha_pattern", 4,
         STATUS_UNSUPPORTED},
        {SETTINGS(""), "model.layers.1.self_attn.q_proj", "model.layers.1.self_attn.q_proj", 4, STATUS_INVALID},
        {SETTINGS(""), "model.embed_tokens", "model.embed_tokens", 4, STATUS_UNSUPPORTED},
        {SETTINGS(""), "model.layers.0.self_attn.v_proj", "q_proj", 4, STATUS_INVALID}, /* nothing for the target */
        {SETTINGS(""), "model.layers.0.self_attn.q_proj", "expected [2, 4]", 3, STATUS_INVALID},
        {"{\"peft_type\": \"LORA\", \"r\": 3, \"lora_alpha\": 6, \"target_modules\": [\"q_proj\"]}",
         "model.layers.0.self_attn.q_proj", "rank 2", 4, STATUS_INVALID},
    };
    lm_config c = small("llama");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        write_adapter(cases[i].settings, cases[i].module, a_values, 2, cases[i].inputs, b_values, 4);
        error err = {0};
        status code = lora_merge(memory, adapter, &c, weights_of(&c, SAFETENSORS_F32, 0), &err);
        if (code != cases[i].code || !strstr(err.message, cases[i].word))
            fail_msg("case %zu: %s, \"%s\"", i, status_word(code), err.message);
    }
    error err;
    assert_int_equal(lora_merge(memory, test_folder(), &c, weights_of(&c, SAFETENSORS_F32, 0), &err), STATUS_NOT_FOUND);
    assert_non_null(strstr(err.message, "adapter_config.json"));
}

static void a_folder_opens_with_adapters_behind_it(void **state)
{
    (void)state;
    tokenizer *words = fixture_tokenizer(memory);
    lm_config c = fixture_config(words);
    const char *model = file_join(memory, test_folder(), "mo+del");
    error err = {0};
    if (checkpoint_save(model, &c, words, fixture_weights(memory, &c, 1), &err) != STATUS_OK)
        fail_msg("%s", err.message);
    float a[64], b[64];
    for (int i = 0; i < 64; i++)
        a[i] = 0.01f * (float)i, b[i] = 0.02f * (float)(i - 30);
    write_adapter("{\"peft_type\": \"LORA\", \"r\": 1, \"lora_alpha\": 1, \"target_modules\": [\"q_proj\"]}",
                  "model.layers.1.self_attn.q_proj", a, 1, 64, b, 64);
    checkpoint *plain = NULL, *once = NULL, *twice = NULL;
    char identities[3][SHA256_HEX];
    const char *once_words = arena_printf(memory, "%s+%s", model, adapter);
    const char *twice_words = arena_printf(memory, "%s+%s+%s", model, adapter, adapter);
    assert_true(checkpoint_plausible(model) && checkpoint_plausible(once_words) && checkpoint_plausible(twice_words));
    assert_false(checkpoint_plausible(arena_printf(memory, "%s+/no/such", model)));
    if (checkpoint_open(memory, model, &plain, &err) != STATUS_OK ||
        checkpoint_open(memory, once_words, &once, &err) != STATUS_OK ||
        checkpoint_open(memory, twice_words, &twice, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    size_t q = lm_weight_find(&c, LM_Q, 1);
    float values[3][64 * 64];
    assert_int_equal(lm_tensor_to_f32(&plain->weights[q], values[0], NULL), STATUS_OK);
    assert_int_equal(lm_tensor_to_f32(&once->weights[q], values[1], NULL), STATUS_OK);
    assert_int_equal(lm_tensor_to_f32(&twice->weights[q], values[2], NULL), STATUS_OK);
    for (int i = 0; i < 64 * 64; i++) {
        float change = a[i % 64] * b[i / 64];
        assert_true(values[1][i] == bf16_round(values[0][i] + change));
        assert_true(values[2][i] == bf16_round(values[1][i] + change));
    }
    checkpoint *all[] = {plain, once, twice};
    for (int i = 0; i < 3; i++)
        assert_int_equal(checkpoint_identity(all[i], identities[i], NULL), STATUS_OK);
    assert_string_not_equal(identities[0], identities[1]);
    assert_string_not_equal(identities[1], identities[2]);
    assert_int_equal(checkpoint_open(memory, arena_printf(memory, "%s+/no/such", model), &plain, &err), STATUS_NOT_FOUND);
    assert_non_null(strstr(err.message, "/no/such"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_merge_is_what_it_is_by_hand),
        cmocka_unit_test(weights_that_lie_the_other_way_round_get_the_turned_sum),
        cmocka_unit_test(adapters_that_do_not_fit_are_refused_by_name),
        cmocka_unit_test(a_folder_opens_with_adapters_behind_it),
    };
    return cmocka_run_group_tests(tests, set_up, memory_tear_down);
}
