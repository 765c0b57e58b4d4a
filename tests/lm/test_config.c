/* config.json and the list of weights. */
#include "core/jsonio.h"
#include "lm/config.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static status parse(const char *text, lm_config *c, error *err)
{
    json_t *root;
    assert_int_equal(jsonio_parse(slice_of(text), "config.json", &root, err), STATUS_OK);
    status result = lm_config_parse(root, "config.json", c, err);
    json_decref(root);
    return result;
}

#define SIZES                                                                                                      \
    "\"vocab_size\": 100, \"hidden_size\": 32, \"intermediate_size\": 64, \"num_hidden_layers\": 2, "              \
    "\"num_attention_heads\": 4, \"max_position_embeddings\": 128"

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    lm_config base = lm_config_base(1500), back;
    error err;
    json_t *root = lm_config_json(&base);
    assert_int_equal(lm_config_parse(root, "config.json", &back, &err), STATUS_OK);
    json_decref(root);
    assert_int_equal(back.vocabulary, 1500);
    assert_int_equal(back.kv_heads, 2);
    assert_int_equal(back.head_size, 64);
    assert_int_equal(back.eos_count, 1);
    assert_int_equal(back.eos[0], 2);
    assert_int_equal(back.bos, 1);
    assert_true(back.tied && back.type == TYPE_BF16 && back.rope_theta == 10000 && back.norm_epsilon == 1e-5);
}

static void absent_fields_take_llamas_defaults(void **state)
{
    (void)state;
    lm_config c;
    error err;
    assert_int_equal(parse("{\"architectures\": [\"LlamaForCausalLM\"], " SIZES ", \"eos_token_id\": [5, 7]}", &c, &err),
                     STATUS_OK);
    assert_int_equal(c.kv_heads, 4);
    assert_int_equal(c.head_size, 8);
    assert_true(!c.tied && c.rope_theta == 10000 && c.norm_epsilon == 1e-6 && c.type == TYPE_F32);
    assert_int_equal(c.bos, -1);
    assert_true(c.eos_count == 2 && c.eos[1] == 7);
    assert_int_equal(parse("{\"model_type\": \"llama\", " SIZES ", \"rope_theta\": 5, \"rope_scaling\": null, "
                           "\"torch_dtype\": \"bfloat16\"}", &c, &err), STATUS_OK);
    assert_true(c.rope_theta == 5 && c.type == TYPE_BF16);
}

/* Models that give a sequence numbers: the head of the vocabulary makes room for one of labels. */
static void models_for_sequences_have_labels(void **state)
{
    (void)state;
    lm_config c, back;
    error err;
    assert_int_equal(parse("{\"architectures\": [\"LlamaForSequenceClassification\"], " SIZES ", "
                           "\"id2label\": {\"0\": \"LABEL_0\"}}", &c, &err), STATUS_OK);
    assert_int_equal(c.labels, 1);
    assert_true(lm_weight_find(&c, LM_HEAD, -1) == SIZE_MAX);
    lm_weight w = lm_weight_at(&c, lm_weight_find(&c, LM_SCORE, -1));
    assert_string_equal(w.name, "score.weight");
    assert_true(w.shape[0] == 1 && w.shape[1] == 32 && w.rank == 2);
    json_t *root = lm_config_json(&c);
    assert_string_equal(json_string_value(json_array_get(json_object_get(root, "architectures"), 0)), "LlamaForSequenceClassification");
    assert_int_equal(lm_config_parse(root, "config.json", &back, &err), STATUS_OK);
    json_decref(root);
    assert_int_equal(back.labels, 1);
    /* transformers' defaults, and what cannot be. */
    assert_int_equal(parse("{\"architectures\": [\"Qwen2ForSequenceClassification\"], " SIZES "}", &c, &err), STATUS_OK);
    assert_int_equal(c.labels, 2);
    assert_int_equal(parse("{\"architectures\": [\"LlamaForSequenceClassification\"], " SIZES ", \"num_labels\": 0}", &c, &err),
                     STATUS_INVALID);
    assert_int_equal(parse("{\"architectures\": [\"NoneForSequenceClassification\"], " SIZES "}", &c, &err), STATUS_UNSUPPORTED);
    assert_int_equal(parse("{\"architectures\": [\"LlamaForCausalLM\"], " SIZES ", \"num_labels\": 3}", &c, &err), STATUS_OK);
    assert_int_equal(c.labels, 0);
    assert_true(lm_weight_find(&c, LM_SCORE, -1) == SIZE_MAX);
}

static void wrong_files_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *text, *word;
        status code;
    } cases[] = {
        {"{" SIZES "}", "architectures", STATUS_INVALID},
        {"[]", "object", STATUS_INVALID},
        {"{\"architectures\": [\"BertForMaskedLM\"]}", "BertForMaskedLM", STATUS_UNSUPPORTED},
        {"{\"model_type\": \"mamba\"}", "mamba", STATUS_UNSUPPORTED},
        {"{\"model_type\": \"llama\"}", "vocab_size", STATUS_INVALID},
        {"{\"model_type\": \"llama\", " SIZES ", \"attention_bias\": 1}", "attention_bias", STATUS_INVALID},
        {"{\"model_type\": \"llama\", " SIZES ", \"hidden_act\": \"quick_gelu\"}", "quick_gelu", STATUS_UNSUPPORTED},
        {"{\"model_type\": \"llama\", " SIZES ", \"rope_scaling\": {\"rope_type\": \"llama3\"}}", "factor",
         STATUS_INVALID},
        {"{\"model_type\": \"llama\", " SIZES ", \"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8, "
         "\"low_freq_factor\": 4, \"high_freq_factor\": 1}}", "high_freq_factor", STATUS_INVALID},
        {"{\"model_type\": \"llama\", " SIZES ", \"rope_scaling\": {\"type\": \"linear\"}}", "factor", STATUS_INVALID},
        {"{\"model_type\": \"phi3\", " SIZES ", \"rope_scaling\": {\"type\": \"longrope\"}}", "short_factor", STATUS_INVALID},
        {"{\"model_type\": \"phi3\", " SIZES ", \"rope_scaling\": {\"type\": \"su\", \"short_factor\": [1, 2]}}", "4 pairs",
         STATUS_INVALID},
        {"{\"model_type\": \"llama\", " SIZES ", \"rope_scaling\": {\"type\": \"spiral\"}}", "spiral", STATUS_UNSUPPORTED},
        {"{\"model_type\": \"llama\", " SIZES ", \"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 2, "
         "\"original_max_position_embeddings\": 64}}", "dynamic", STATUS_UNSUPPORTED},
        {"{\"model_type\": \"gemma2\", " SIZES ", \"use_bidirectional_attention\": true}", "use_bidirectional_attention",
         STATUS_UNSUPPORTED},
        {"{\"model_type\": \"qwen3\", " SIZES ", \"use_sliding_window\": true, \"sliding_window\": 8, "
         "\"layer_types\": [\"full_attention\"]}", "layer_types", STATUS_INVALID},
        {"{\"model_type\": \"qwen3\", " SIZES ", \"use_sliding_window\": true, \"sliding_window\": 8, "
         "\"layer_types\": [\"full_attention\", \"chunked_attention\"]}", "chunked_attention", STATUS_UNSUPPORTED},
        {"{\"model_type\": \"qwen2\", " SIZES ", \"quantization_config\": {\"quant_method\": \"gptq\", \"bits\": 4}}", "gptq",
         STATUS_UNSUPPORTED},
        {"{\"model_type\": \"mistral\", " SIZES ", \"sliding_window\": 0}", "sliding_window", STATUS_INVALID},
        {"{\"model_type\": \"gpt_neox\", " SIZES ", \"rotary_pct\": 0.4}", "rotary_pct", STATUS_INVALID},
        {"{\"model_type\": \"llama\", " SIZES ", \"num_key_value_heads\": 3}", "multiple", STATUS_INVALID},
        {"{\"model_type\": \"llama\", " SIZES ", \"head_dim\": 7}", "even", STATUS_INVALID},
        {"{\"model_type\": \"llama\", " SIZES ", \"head_dim\": 99999999}", "head_dim", STATUS_INVALID},
        {"{\"model_type\": \"llama\", " SIZES ", \"rms_norm_eps\": \"x\"}", "rms_norm_eps", STATUS_INVALID},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        lm_config c;
        error err = {0};
        status code = parse(cases[i].text, &c, &err);
        if (code != cases[i].code || !strstr(err.message, cases[i].word))
            fail_msg("case %zu: %s, \"%s\"", i, status_word(code), err.message);
    }
}

static void the_context_of_longrope_ends_with_its_short_list(void **state)
{
    (void)state;
    lm_config c;
    error err;
    assert_int_equal(parse("{\"model_type\": \"phi3\", " SIZES ", \"original_max_position_embeddings\": 64, \"rope_scaling\": "
                           "{\"type\": \"su\", \"short_factor\": [1, 2, 3, 4], \"long_factor\": [9, 9, 9, 9]}}", &c, &err), STATUS_OK);
    assert_true(c.context == 64 && c.rope.kind == LM_ROPE_LONG && c.rope.factor == 2);
    float inverse[4];
    double amplitude = lm_rope_frequencies(&c.rope, 8, 10000, inverse);
    assert_true(fabs(amplitude - sqrt(1 + log(2) / log(64))) < 1e-15);
    for (int i = 0; i < 4; i++)
        assert_true(fabs((double)inverse[i] * (i + 1) * pow(10000, i / 4.0) - 1) < 1e-6);
}

static void weights_are_listed_with_their_shapes(void **state)
{
    (void)state;
    lm_config c = lm_config_base(1500);
    assert_int_equal(lm_weight_count(&c), 2 + 4 * 9);
    /* embedding; q 256x256, k and v 128x256, o 256x256, three of 704x256; norms */
    int64_t layer = 2 * 256 * 256 + 2 * 128 * 256 + 3 * 704 * 256 + 2 * 256;
    assert_int_equal(lm_parameter_count(&c), 1500 * 256 + 4 * layer + 256);
    lm_weight w = lm_weight_at(&c, 9 + 7);
    assert_string_equal(w.name, "model.layers.1.mlp.gate_proj.weight");
    assert_true(w.rank == 2 && w.shape[0] == 704 && w.shape[1] == 256 && w.layer == 1);
    assert_string_equal(lm_weight_at(&c, 37).name, "model.norm.weight");
    c.tied = false;
    assert_string_equal(lm_weight_at(&c, 38).name, "lm_head.weight");
    static float values[704 * 256], again[704 * 256];
    lm_weight_fresh(&c, 9 + 8, 5, values); /* up_proj of layer 1 */
    lm_weight_fresh(&c, 9 + 8, 5, again);
    assert_memory_equal(values, again, sizeof values);
    double squares = 0;
    for (size_t i = 0; i < COUNT_OF(values); i++)
        squares += (double)values[i] * (double)values[i];
    assert_true(fabs(sqrt(squares / COUNT_OF(values)) / 0.02 - 1) < 0.02);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(absent_fields_take_llamas_defaults),
        cmocka_unit_test(models_for_sequences_have_labels),
        cmocka_unit_test(wrong_files_are_refused_by_name),
        cmocka_unit_test(the_context_of_longrope_ends_with_its_short_list),
        cmocka_unit_test(weights_are_listed_with_their_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
