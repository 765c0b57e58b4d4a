/* Families of models: configurations, lists of weights, and the graph with a cache against the one without. */
#include "lm/model_fixture.h"
#include "lm/graph_fixture.h"

#include "core/jsonio.h"
#include "graph/ops.h"
#include "graph/plan.h"
#include "lm/engine.h"
#include "lm/families.h"
#include "lm/sites.h"

#include <math.h>

enum { PROMPTS = 6, NEW = 20 };

static arena *memory;
static tokenizer *words;
static thread_pool *two;

static int set_up(void **state)
{
    (void)state;
    memory = arena_new(NULL);
    words = fixture_tokenizer(memory);
    return thread_pool_new(2, &two, NULL) == STATUS_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    thread_pool_free(two);
    arena_free(memory);
    return 0;
}

/* A small config.json of any family, with the keys of all of them: what a family has not it passes over. */
static json_t *small_json(const lm_family *f, int vocabulary)
{
    json_t *root = json_pack("{s:[s], s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "architectures", f->architecture,
                             "vocab_size", vocabulary, "hidden_size", 48, "n_embd", 48, "intermediate_size", 52, "n_inner", 52,
                             "num_hidden_layers", 3, "n_layer", 3, "num_attention_heads", 6, "n_head", 6,
                             "num_key_value_heads", 2);
    json_object_set_new(root, "head_dim", json_integer(12));
    json_object_set_new(root, "max_position_embeddings", json_integer(192));
    json_object_set_new(root, "n_positions", json_integer(192));
    json_object_set_new(root, "initializer_range", json_real(0.15));
    json_object_set_new(root, "sliding_window", json_integer(9));
    json_object_set_new(root, "use_sliding_window", json_true());
    json_object_set_new(root, "max_window_layers", json_integer(1));
    json_object_set_new(root, "query_pre_attn_scalar", json_integer(20));
    json_object_set_new(root, "attn_logit_softcapping", json_real(3));
    json_object_set_new(root, "final_logit_softcapping", json_real(4));
    json_object_set_new(root, "bos_token_id", json_integer(1));
    json_object_set_new(root, "pad_token_id", json_integer(0));
    return root;
}

static lm_config small_config(const lm_family *f)
{
    lm_config c;
    error err = {0};
    json_t *root = small_json(f, (int)tokenizer_size(words));
    if (lm_config_parse(root, f->architecture, &c, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    json_decref(root);
    return c;
}

static const lm_family *named(const char *model_type)
{
    const lm_family *f = lm_family_find(NULL, model_type);
    assert_non_null(f);
    return f;
}

static void every_family_is_written_and_read_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < lm_family_count; i++) {
        lm_config c = small_config(lm_families[i]), back;
        json_t *first = lm_config_json(&c), *second;
        error err = {0};
        if (lm_config_parse(first, "again", &back, &err) != STATUS_OK)
            fail_msg("%s", err.message);
        second = lm_config_json(&back);
        assert_true(json_equal(first, second));
        assert_ptr_equal(back.family, c.family);
        for (int k = 0; k < c.layers; k++) {
            assert_int_equal(lm_config_window(&back, k), lm_config_window(&c, k));
            assert_true(lm_config_scale(&back, k) == lm_config_scale(&c, k));
        }
        assert_true(back.rotary_share == c.rotary_share && back.rope_local_theta == c.rope_local_theta);
        json_decref(first);
        json_decref(second);
    }
}

static void a_needed_key_that_is_missing_is_named(void **state)
{
    (void)state;
    size_t tried = 0;
    for (size_t i = 0; i < lm_family_count; i++)
        for (size_t k = 0; k < lm_families[i]->key_count; k++) {
            const lm_key *key = &lm_families[i]->keys[k];
            json_t *root = small_json(lm_families[i], 300);
            lm_config c;
            error err = {0};
            json_object_del(root, key->name);
            status code = lm_config_parse(root, "config.json", &c, &err);
            if (key->needed) {
                assert_int_equal(code, STATUS_INVALID);
                if (!strstr(err.message, key->name))
                    fail_msg("%s without %s: \"%s\"", lm_families[i]->architecture, key->name, err.message);
                tried++;
            } else if (code != STATUS_OK) {
                fail_msg("%s without %s: \"%s\"", lm_families[i]->architecture, key->name, err.message);
            }
            json_decref(root);
        }
    assert_true(tried >= 5 * lm_family_count);
}

static void weights_have_the_names_and_shapes_of_published_files(void **state)
{
    (void)state;
    static const struct {
        const char *family, *name;
        lm_part part;
        int layer, rank;
        int64_t rows, columns;
    } cases[] = {
        {"gpt2", "transformer.h.1.attn.c_attn.weight", LM_QKV, 1, 2, 48, 144},
        {"gpt2", "transformer.h.2.mlp.c_proj.weight", LM_DOWN, 2, 2, 52, 48},
        {"gpt2", "transformer.wpe.weight", LM_POSITIONS, -1, 2, 192, 48},
        {"gpt2", "transformer.ln_f.bias", LM_FINAL_NORM_BIAS, -1, 1, 48, 0},
        {"gpt_neox", "gpt_neox.layers.0.attention.query_key_value.bias", LM_QKV_BIAS, 0, 1, 144, 0},
        {"gpt_neox", "embed_out.weight", LM_HEAD, -1, 2, 0, 48},
        {"phi3", "model.layers.1.self_attn.qkv_proj.weight", LM_QKV, 1, 2, 72 + 2 * 24, 48},
        {"phi3", "model.layers.1.mlp.gate_up_proj.weight", LM_GATE_UP, 1, 2, 104, 48},
        {"qwen2", "model.layers.2.self_attn.k_proj.bias", LM_K_BIAS, 2, 1, 24, 0},
        {"qwen3", "model.layers.0.self_attn.q_norm.weight", LM_Q_NORM, 0, 1, 12, 0},
        {"olmo2", "model.layers.0.self_attn.q_norm.weight", LM_Q_NORM, 0, 1, 72, 0},
        {"olmo2", "model.layers.1.post_feedforward_layernorm.weight", LM_MLP_POST_NORM, 1, 1, 48, 0},
        {"gemma2", "model.layers.1.pre_feedforward_layernorm.weight", LM_MLP_NORM, 1, 1, 48, 0},
        {"gemma3_text", "model.layers.2.self_attn.k_norm.weight", LM_K_NORM, 2, 1, 12, 0},
        {"mistral", "model.layers.2.mlp.down_proj.weight", LM_DOWN, 2, 2, 48, 52},
        {"llama", "lm_head.weight", LM_HEAD, -1, 2, 0, 48},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        lm_config c = small_config(named(cases[i].family));
        size_t at = lm_weight_find(&c, cases[i].part, cases[i].layer);
        assert_true(at != SIZE_MAX);
        lm_weight w = lm_weight_at(&c, at);
        assert_string_equal(w.name, cases[i].name);
        assert_int_equal(w.rank, cases[i].rank);
        assert_int_equal(w.shape[0], cases[i].rows ? cases[i].rows : c.vocabulary);
        assert_int_equal(w.shape[1], cases[i].columns);
    }
    lm_config c = small_config(named("olmo2"));
    assert_true(lm_weight_find(&c, LM_ATTENTION_NORM, 0) == SIZE_MAX);
    for (size_t i = 0; i < lm_family_count; i++) { /* every weight is found where it stands */
        c = small_config(lm_families[i]);
        for (size_t k = 0; k < lm_weight_count(&c); k++) {
            lm_weight w = lm_weight_at(&c, k);
            assert_int_equal(lm_weight_find(&c, w.part, w.layer), k);
        }
    }
}

static void layers_have_their_windows_and_scales(void **state)
{
    (void)state;
    lm_config c = small_config(named("mistral"));
    assert_true(lm_config_window(&c, 0) == 9 && lm_config_window(&c, 2) == 9);
    c = small_config(named("qwen2"));
    assert_true(lm_config_window(&c, 0) == 0 && lm_config_window(&c, 1) == 9 && lm_config_window(&c, 2) == 9);
    c = small_config(named("gemma2"));
    assert_true(lm_config_window(&c, 0) == 9 && lm_config_window(&c, 1) == 0 && lm_config_window(&c, 2) == 9);
    assert_true(fabs(lm_config_scale(&c, 0) - 1 / sqrt(20)) < 1e-15 && c.attention_cap == 3 && c.logit_cap == 4 && c.tied);
    c = small_config(named("llama"));
    assert_true(lm_config_window(&c, 0) == 0 && fabs(lm_config_scale(&c, 0) - 1 / sqrt(12)) < 1e-15);
    json_t *root = small_json(named("gpt2"), 300);
    json_object_set_new(root, "scale_attn_by_inverse_layer_idx", json_true());
    json_object_set_new(root, "scale_attn_weights", json_false());
    assert_int_equal(lm_config_parse(root, "gpt2", &c, NULL), STATUS_OK);
    assert_true(lm_config_scale(&c, 0) == 1 && lm_config_scale(&c, 2) == 1.0 / 3);
    json_decref(root);
    root = small_json(named("gpt_neox"), 300);
    json_object_set_new(root, "hidden_size", json_integer(96));
    json_object_set_new(root, "rotary_pct", json_real(0.25));
    assert_int_equal(lm_config_parse(root, "neox", &c, NULL), STATUS_OK);
    assert_int_equal(lm_config_rotary_size(&c), 4);
    json_decref(root);
    root = small_json(named("gemma3_text"), 300);
    json_object_set_new(root, "rope_theta", json_real(5000));
    json_object_set_new(root, "rope_local_base_freq", json_real(700));
    json_object_set_new(root, "rope_scaling", json_pack("{s:s, s:f}", "rope_type", "linear", "factor", 8.0));
    json_object_set_new(root, "sliding_window_pattern", json_integer(2));
    assert_int_equal(lm_config_parse(root, "gemma3", &c, NULL), STATUS_OK);
    assert_true(c.rope_theta == 5000 && c.rope_local_theta == 700 && c.rope.kind == LM_ROPE_LINEAR && c.rope.factor == 8);
    assert_true(lm_config_window(&c, 0) == 9 && lm_config_window(&c, 1) == 0);
    json_decref(root);
}

/* The definition, in f64 (Llama 3.1's; sizes small enough to follow). */
static void llama3_angles_are_those_of_the_definition(void **state)
{
    (void)state;
    enum { SIZE = 64 };
    lm_rope r = {.kind = LM_ROPE_LLAMA3, .factor = 8, .low = 1, .high = 4, .original = 512};
    float inverse[SIZE / 2];
    size_t kept = 0, divided = 0, between = 0;
    assert_true(lm_rope_frequencies(&r, SIZE, 500000, inverse) == 1);
    for (int i = 0; i < SIZE / 2; i++) {
        double plain = pow(500000, -2.0 * i / SIZE), length = 2 * acos(-1.0) / plain, expected;
        if (length < 512.0 / 4) {
            expected = plain;
            kept++;
        } else if (length > 512) {
            expected = plain / 8;
            divided++;
        } else {
            double smooth = (512 / length - 1) / 3;
            expected = (1 - smooth) * plain / 8 + smooth * plain;
            between++;
        }
        assert_true(fabs((double)inverse[i] / expected - 1) < 3e-6);
    }
    assert_true(kept > 3 && divided > 3 && between > 1);
    r = (lm_rope){.kind = LM_ROPE_LINEAR, .factor = 4};
    lm_rope_frequencies(&r, SIZE, 10000, inverse);
    assert_true(fabsf(inverse[0] - 0.25f) < 1e-7f);
}

/* ---- the graph ---- */

static checkpoint *make_model(const lm_family *f)
{
    lm_config c = small_config(f);
    const char *where = file_join(memory, test_folder(), f->model_type);
    float **values = (float **)(uintptr_t)fixture_weights(memory, &c, 3);
    for (size_t i = 0; i < lm_weight_count(&c); i++) { /* norms and biases that are not all alike */
        lm_weight w = lm_weight_at(&c, i);
        random_stream r = random_stream_at(3, "test/vector", i, 0, 0, 0);
        for (int64_t k = 0; w.rank == 1 && k < w.count; k++)
            values[i][k] += 0.2f * (float)random_normal(&r);
    }
    c.type = TYPE_F32;
    checkpoint *out = NULL;
    error err = {0};
    if (checkpoint_save(where, &c, words, (const float *const *)values, &err) != STATUS_OK ||
        checkpoint_open(memory, where, &out, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return out;
}

/* GPT-2's own files leave out the prefix and hold the masks of attention; the head may be written though it is tied. */
static void files_of_a_bare_model_are_opened(void **state)
{
    (void)state;
    checkpoint *c = make_model(named("gpt2")), *again;
    size_t count = lm_weight_count(&c->config);
    safetensors_tensor *list = ARENA_ARRAY(memory, safetensors_tensor, count + 2);
    static const float mask[4] = {1, 0, 1, 1};
    for (size_t i = 0; i < count; i++) {
        const lm_tensor *t = &c->weights[i];
        list[i] = (safetensors_tensor){.name = t->name, .type = t->type, .rank = t->rank, .shape = {t->shape[0], t->shape[1]},
                                       .data = t->data, .bytes = t->bytes};
        assert_memory_equal(list[i].name, "transformer.", 12);
        list[i].name += 12;
    }
    list[count] = (safetensors_tensor){"h.1.attn.bias", SAFETENSORS_F32, 4, {1, 1, 2, 2}, mask, sizeof mask};
    list[count + 1] = list[0];
    list[count + 1].name = "lm_head.weight";
    const char *path = file_join(memory, c->name, "model.safetensors");
    char before[SHA256_HEX], after[SHA256_HEX];
    error err = {0};
    assert_int_equal(checkpoint_identity(c, before, NULL), STATUS_OK);
    if (safetensors_write(path, list, count + 2, NULL, 0, &err) != STATUS_OK ||
        checkpoint_open(memory, c->name, &again, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < count; i++)
        assert_memory_equal(again->weights[i].data, c->weights[i].data, c->weights[i].bytes);
    assert_int_equal(checkpoint_identity(again, after, NULL), STATUS_OK);
    assert_string_equal(before, after); /* the same model */
    list[1].name = "h.7.ln_1.weight";
    assert_int_equal(safetensors_write(path, list, count + 2, NULL, 0, &err), STATUS_OK);
    assert_int_equal(checkpoint_open(memory, c->name, &again, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "\"transformer.wpe.weight\" is missing"));
    list[1].name = "wpe.weight";
    list[count].name = "h.1.attn.extra";
    assert_int_equal(safetensors_write(path, list, count + 2, NULL, 0, &err), STATUS_OK);
    assert_int_equal(checkpoint_open(memory, c->name, &again, &err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "h.1.attn.extra"));
}

/* Log-probabilities [count][vocabulary] by the graph without a cache, in f32. */
static const float *packed(const checkpoint *c, const int32_t *ids, size_t count)
{
    graph *g = graph_new(memory);
    transformer t;
    plan *p = NULL;
    error err = {0};
    if (transformer_build(memory, g, &c->config, transformer_types_all(TYPE_F32), (int64_t)count, &t, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    node *out = op_log_softmax(transformer_logits(&t, t.hidden));
    if (plan_new(g, &out, 1, NULL, &p, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    run_text(memory, p, &t, c, ids, count);
    size_t bytes = count * (size_t)c->config.vocabulary * sizeof(float);
    float *copy = arena_alloc(memory, bytes);
    memcpy(copy, plan_output(p, 0), bytes);
    plan_free(p);
    return copy;
}

static engine_request *make_requests(const checkpoint *c)
{
    engine_request *list = ARENA_ARRAY(memory, engine_request, PROMPTS);
    for (size_t i = 0; i < PROMPTS; i++) {
        random_stream r = random_stream_at(9, "test/prompt", i, 0, 0, 0);
        size_t count = i == 0 ? 1 : 1 + random_below(&r, i == 1 ? 150 : 30);
        int32_t *ids = ARENA_ARRAY(memory, int32_t, count);
        for (size_t k = 0; k < count; k++)
            ids[k] = (int32_t)random_below(&r, (uint64_t)c->config.vocabulary);
        list[i] = (engine_request){.prompt = ids, .prompt_count = count, .max_tokens = NEW};
    }
    return list;
}

static void answer(const checkpoint *c, element_type compute, thread_pool *pool, const engine_request *requests,
                   engine_result *results, size_t count)
{
    engine *e;
    error err = {0};
    if (engine_new(c, &(engine_options){.sequences = 8, .compute = compute}, pool, &e, &err) != STATUS_OK ||
        engine_generate(e, memory, requests, results, count, &err) != STATUS_OK)
        fail_msg("%s: %s", c->name, err.message);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(results[i].code, STATUS_OK);
    engine_free(e);
}

static void the_cache_gives_what_the_whole_sequence_gives(void **state)
{
    (void)state;
    for (size_t f = 0; f < lm_family_count; f++) {
        checkpoint *c = make_model(lm_families[f]);
        engine_request *requests = make_requests(c);
        engine_result results[PROMPTS];
        answer(c, TYPE_F32, two, requests, results, PROMPTS);
        size_t vocabulary = (size_t)c->config.vocabulary;
        for (size_t i = 0; i < 3; i++) {
            size_t count = requests[i].prompt_count + results[i].count;
            int32_t *ids = ARENA_ARRAY(memory, int32_t, count);
            memcpy(ids, requests[i].prompt, requests[i].prompt_count * sizeof *ids);
            memcpy(ids + requests[i].prompt_count, results[i].ids, results[i].count * sizeof *ids);
            const float *expected = packed(c, ids, count);
            for (size_t k = 0; k < results[i].count; k++) {
                const float *row = expected + (requests[i].prompt_count + k - 1) * vocabulary;
                float want = row[results[i].ids[k]];
                if (!(fabsf(want - results[i].logprobs[k]) <= 2e-4f * (1 + fabsf(want))))
                    fail_msg("%s, request %zu, token %zu: %g, expected %g", c->name, i, k, (double)results[i].logprobs[k],
                             (double)want);
                for (size_t v = 0; v < vocabulary; v++)
                    assert_true(row[v] <= want + 2e-4f); /* greedy took the largest */
            }
        }
    }
}

static void company_and_threads_change_no_bits(void **state)
{
    (void)state;
    for (size_t f = 0; f < lm_family_count; f++) {
        checkpoint *c = make_model(lm_families[f]);
        engine_request *requests = make_requests(c);
        engine_result together[PROMPTS], alone;
        answer(c, TYPE_BF16, two, requests, together, PROMPTS);
        for (size_t i = 0; i < PROMPTS; i += 2) {
            answer(c, TYPE_BF16, NULL, &requests[i], &alone, 1);
            assert_int_equal(alone.count, together[i].count);
            assert_memory_equal(alone.ids, together[i].ids, alone.count * sizeof *alone.ids);
            assert_memory_equal(alone.logprobs, together[i].logprobs, alone.count * sizeof *alone.logprobs);
        }
    }
}

/* Every site of every family is read with its width; put back, its values change no bits, and others do. */
static void sites_are_read_and_put_back_in_every_family(void **state)
{
    (void)state;
    enum { SITES = 2 + 12 * 3 };
    for (size_t f = 0; f < lm_family_count; f++) {
        checkpoint *c = make_model(lm_families[f]);
        engine_request list[3], source = make_requests(c)[1];
        engine_result clean, read, results[3];
        engine_reading readings[SITES];
        engine_intervention put[SITES], other;
        lm_site sites[SITES];
        assert_int_equal(lm_site_count(&c->config), SITES);
        source.max_tokens = 0;
        list[0] = list[1] = list[2] = make_requests(c)[1];
        for (size_t i = 0; i < SITES; i++) {
            sites[i] = lm_site_at(&c->config, i);
            readings[i] = (engine_reading){sites[i].name, {ENGINE_PROMPT, 0, 0}};
        }
        source.readings = readings;
        source.reading_count = SITES;
        answer(c, TYPE_BF16, NULL, list, &clean, 1);
        answer(c, TYPE_BF16, two, &source, &read, 1);
        for (size_t i = 0; i < SITES; i++) {
            const engine_activation *own = &read.readings[i];
            assert_int_equal(own->count, source.prompt_count);
            put[i] = (engine_intervention){sites[i].name, SITE_REPLACE, {ENGINE_PROMPT, 0, 0}, own->values, own->count, own->width};
        }
        other = put[7];
        other.rows = 1;
        list[0].interventions = put;
        list[0].intervention_count = SITES;
        list[2].interventions = &other;
        list[2].intervention_count = 1;
        answer(c, TYPE_BF16, two, list, results, 3);
        for (size_t i = 0; i < 3; i++) {
            bool same = clean.count == results[i].count &&
                        memcmp(clean.logprobs, results[i].logprobs, clean.count * sizeof *clean.logprobs) == 0;
            if (same != (i < 2))
                fail_msg("%s, request %zu: the answer %s", c->name, i, same ? "is the same" : "differs");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_is_written_and_read_back),
        cmocka_unit_test(a_needed_key_that_is_missing_is_named),
        cmocka_unit_test(weights_have_the_names_and_shapes_of_published_files),
        cmocka_unit_test(layers_have_their_windows_and_scales),
        cmocka_unit_test(llama3_angles_are_those_of_the_definition),
        cmocka_unit_test(files_of_a_bare_model_are_opened),
        cmocka_unit_test(the_cache_gives_what_the_whole_sequence_gives),
        cmocka_unit_test(company_and_threads_change_no_bits),
        cmocka_unit_test(sites_are_read_and_put_back_in_every_family),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
