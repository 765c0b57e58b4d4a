/* Models in GGUF files: what is written is read, by every family; files that lie or lack something are refused by name. */
#include "lm/model_fixture.h"

#include "core/jsonio.h"
#include "lm/engine.h"
#include "lm/families.h"
#include "lm/gguf_model.h"
#include "lm/gguf_save.h"

#include <math.h>

enum { PROMPT = 40 };

static arena *memory;
static tokenizer *words;
static const char *path;

static int set_up(void **state)
{
    (void)state;
    memory = arena_new(NULL);
    words = fixture_tokenizer(memory);
    path = file_join(memory, test_folder(), "model.gguf");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(memory);
    return 0;
}

static json_t *small_json(const lm_family *f)
{
    json_t *root = json_pack("{s:[s], s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "architectures", f->architecture,
                             "vocab_size", (int)tokenizer_size(words) + 3, "hidden_size", 48, "n_embd", 48, "intermediate_size", 52,
                             "n_inner", 52, "num_hidden_layers", 3, "n_layer", 3, "num_attention_heads", 6, "n_head", 6,
                             "num_key_value_heads", 2);
    json_object_set_new(root, "head_dim", json_integer(12));
    json_object_set_new(root, "max_position_embeddings", json_integer(192));
    json_object_set_new(root, "n_positions", json_integer(192));
    json_object_set_new(root, "initializer_range", json_real(0.15));
    json_object_set_new(root, "sliding_window", json_integer(9));
    json_object_set_new(root, "query_pre_attn_scalar", json_integer(12));
    json_object_set_new(root, "bos_token_id", json_integer(TOKEN_BEGIN));
    json_object_set_new(root, "eos_token_id", json_integer(TOKEN_END));
    json_object_set_new(root, "pad_token_id", json_integer(TOKEN_PAD));
    return root;
}

/* A model in memory, with weights that are all different (norms and biases too). Takes over `root`. */
static checkpoint *random_model(json_t *root, uint64_t seed)
{
    checkpoint *c = ARENA_NEW(memory, checkpoint);
    error err = {0};
    if (lm_config_parse(root, "random", &c->config, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    json_decref(root);
    size_t count = lm_weight_count(&c->config);
    lm_tensor *list = ARENA_ARRAY(memory, lm_tensor, count);
    for (size_t i = 0; i < count; i++) {
        lm_weight w = lm_weight_at(&c->config, i);
        float *values = ARENA_ARRAY(memory, float, (size_t)w.count);
        random_stream r = random_stream_at(seed, "test/gguf", i, 0, 0, 0);
        lm_weight_fresh(&c->config, i, seed, values);
        for (int64_t k = 0; k < w.count && w.deviation == 0; k++)
            values[k] += 0.2f * (float)random_normal_at(&r, (uint64_t)k);
        list[i] = (lm_tensor){.name = arena_strdup(memory, w.name), .type = SAFETENSORS_F32, .format = QUANT_PLAIN,
                              .rank = w.rank, .shape = {w.shape[0], w.shape[1]}, .data = values, .bytes = (size_t)w.count * 4};
    }
    static const chat_text templates[] = {{"default", chat_template}, {"tool_use", "{{ messages }}"}};
    c->name = "random";
    c->tokenizer = words;
    c->weights = list;
    c->chat = (chat_files){.templates = templates, .template_count = 2};
    return c;
}

static checkpoint *random_llama(void)
{
    return random_model(small_json(lm_family_find("LlamaForCausalLM", NULL)), 3);
}

static checkpoint *opened(void)
{
    checkpoint *c;
    error err = {0};
    if (checkpoint_open(memory, path, &c, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return c;
}

static gguf_saved save(const checkpoint *c, gguf_tensor_type type)
{
    gguf_saved done;
    error err = {0};
    if (gguf_model_save(path, c, type, &done, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return done;
}

/* Log-probabilities of a fixed text. *bytes: what the engine takes, its cache kept small; may be NULL. */
static const float *logprobs_in(const checkpoint *c, element_type compute, size_t *bytes)
{
    engine *e;
    engine_result out;
    error err = {0};
    int32_t *ids = ARENA_ARRAY(memory, int32_t, PROMPT);
    for (int i = 0; i < PROMPT; i++)
        ids[i] = (i * 37 + 11) % (int)tokenizer_size(words);
    engine_options options = {.compute = compute, .sequences = 1};
    engine_request r = {.prompt = ids, .prompt_count = PROMPT, .prompt_logprobs = true, .prompt_from = 1};
    if (engine_new(c, &options, NULL, &e, &err) != STATUS_OK || engine_generate(e, memory, &r, &out, 1, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(out.code, STATUS_OK);
    if (bytes)
        *bytes = engine_memory(e);
    engine_free(e);
    return out.prompt_logprobs;
}

static const float *logprobs_of(const checkpoint *c)
{
    return logprobs_in(c, TYPE_F32, NULL);
}

static void assert_same_answers(const checkpoint *a, const checkpoint *b, float tolerance)
{
    const float *x = logprobs_of(a), *y = logprobs_of(b);
    for (int i = 1; i < PROMPT; i++)
        if (!(fabsf(x[i] - y[i]) <= tolerance))
            fail_msg("%s: the log-probability of token %d is %g, from the file %g", a->config.family->architecture, i, (double)x[i],
                     (double)y[i]);
}

static bool windows_have_no_place(const lm_family *f)
{
    return f->windows == LM_WINDOWS_UPPER;
}

static void every_family_comes_back_with_the_same_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < lm_family_count; i++)
        for (int tied = 0; tied < 2; tied++) {
            error err = {0};
            json_t *root = small_json(lm_families[i]);
            json_object_set_new(root, "tie_word_embeddings", json_boolean(tied));
            if (windows_have_no_place(lm_families[i]))
                json_object_del(root, "sliding_window");
            checkpoint *c = random_model(root, 7 + i);
            save(c, GGUF_TENSOR_F32);
            checkpoint *back = opened();
            if (gguf_model_check(c, back, &err) != STATUS_OK)
                fail_msg("%s", err.message);
            assert_true(back->config.type == TYPE_F32 && back->config.tied == tied);
            assert_same_answers(c, back, 2e-5f);
        }
}

static void what_is_said_beside_the_weights_comes_back(void **state)
{
    (void)state;
    checkpoint *c = random_llama();
    save(c, GGUF_TENSOR_F32);
    checkpoint *back = opened();
    assert_string_equal(back->name, path);
    assert_true(back->config.bos == TOKEN_BEGIN && back->config.pad == TOKEN_PAD);
    assert_true(back->config.eos_count == 1 && back->config.eos[0] == TOKEN_END);
    assert_int_equal(back->chat.template_count, 2);
    assert_string_equal(back->chat.templates[0].name, "default");
    assert_string_equal(back->chat.templates[0].text, chat_template);
    assert_string_equal(back->chat.templates[1].name, "tool_use");
    assert_int_equal(back->chat.special_count, 3);
    assert_string_equal(back->chat.specials[0].name, "bos_token");
    assert_string_equal(back->chat.specials[0].text, "<|begin|>");
    assert_int_equal(tokenizer_size(back->tokenizer), c->config.vocabulary); /* filled up to the embedding's rows */
    for (size_t i = 0; i < COUNT_OF(fixture_texts); i++) {
        token_list x = {.arena = memory}, y = {.arena = memory};
        assert_int_equal(tokenizer_encode(words, slice_of(fixture_texts[i]), 0, &x, NULL), STATUS_OK);
        assert_int_equal(tokenizer_encode(back->tokenizer, slice_of(fixture_texts[i]), 0, &y, NULL), STATUS_OK);
        assert_int_equal(x.count, y.count);
        assert_memory_equal(x.ids, y.ids, x.count * sizeof *x.ids);
    }
}

static void scaled_positions_come_back(void **state)
{
    (void)state;
    static const char *const scalings[] = {
        "{\"rope_type\": \"linear\", \"factor\": 3.0}",
        "{\"rope_type\": \"yarn\", \"factor\": 4.0, \"original_max_position_embeddings\": 48}",
        "{\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 64}",
    };
    for (size_t i = 0; i < COUNT_OF(scalings); i++) {
        json_t *root = small_json(lm_family_find("LlamaForCausalLM", NULL)), *scaling;
        error err = {0};
        assert_int_equal(jsonio_parse(slice_of(scalings[i]), "scaling", &scaling, &err), STATUS_OK);
        json_object_set_new(root, "rope_scaling", scaling);
        checkpoint *c = random_model(root, 5);
        save(c, GGUF_TENSOR_F32);
        checkpoint *back = opened();
        if (gguf_model_check(c, back, &err) != STATUS_OK)
            fail_msg("%s", err.message);
        assert_same_answers(c, back, 2e-5f);
    }
}

/* Wide enough for whole blocks of every type. */
static checkpoint *wide_llama(void)
{
    json_t *root = small_json(lm_family_find("LlamaForCausalLM", NULL));
    json_object_set_new(root, "hidden_size", json_integer(96));
    json_object_set_new(root, "intermediate_size", json_integer(64));
    json_object_set_new(root, "head_dim", json_integer(16));
    return random_model(root, 4);
}

static void types_lose_what_they_must_and_no_more(void **state)
{
    (void)state;
    static const struct {
        gguf_tensor_type type;
        float steps; /* largest error, as a part of a block's largest magnitude */
    } types[] = {{GGUF_TENSOR_F32, 0}, {GGUF_TENSOR_BF16, 1 / 256.0f}, {GGUF_TENSOR_F16, 1 / 2048.0f},
                 {GGUF_TENSOR_Q8_0, 1 / 220.0f /* half a step, and the scale's own rounding */}, {GGUF_TENSOR_Q4_0, 1 / 7.9f}};
    checkpoint *c = wide_llama();
    for (size_t k = 0; k < COUNT_OF(types); k++) {
        gguf_saved done = save(c, types[k].type);
        checkpoint *back = opened();
        assert_int_equal(done.others, 0);
        assert_int_equal(done.stored, 3 * 7 + 2);
        float total = 0;
        for (size_t i = 0; i < lm_weight_count(&c->config); i++) {
            lm_weight w = lm_weight_at(&c->config, i);
            const float *from = c->weights[i].data;
            float *to = ARENA_ARRAY(memory, float, (size_t)w.count);
            assert_int_equal(lm_tensor_to_f32(&back->weights[i], to, NULL), STATUS_OK);
            for (int64_t at = 0; at < w.count; at += 32) {
                float largest = 0, worst = 0;
                for (int64_t n = at; n < at + 32 && n < w.count; n++) {
                    largest = fmaxf(largest, fabsf(from[n]));
                    worst = fmaxf(worst, fabsf(from[n] - to[n]));
                }
                float allowed = w.rank == 1 ? 0 : types[k].steps * largest;
                if (worst > allowed)
                    fail_msg("%s in %s: off by %g, allowed %g", w.name, gguf_tensor_type_name(types[k].type), (double)worst, (double)allowed);
                total += worst;
            }
        }
        assert_true((total > 0) == (types[k].type != GGUF_TENSOR_F32));
    }
}

/* In bf16, as engines compute unless told otherwise, blocks are multiplied as they are: rows are rounded to 8 bits, which costs
 * about twice what rounding to bf16 does; nothing is widened. */
static void the_engine_computes_with_blocks(void **state)
{
    (void)state;
    static const gguf_tensor_type types[] = {GGUF_TENSOR_F32, GGUF_TENSOR_BF16, GGUF_TENSOR_F16, GGUF_TENSOR_Q8_0, GGUF_TENSOR_Q4_0};
    checkpoint *c = wide_llama();
    size_t bytes[COUNT_OF(types)];
    for (size_t k = 0; k < COUNT_OF(types); k++) {
        save(c, types[k]);
        checkpoint *back = opened();
        const float *exact = logprobs_in(back, TYPE_F32, NULL), *used = logprobs_in(back, TYPE_F64, &bytes[k]);
        float sum = 0;
        for (int i = 1; i < PROMPT; i++)
            sum += fabsf(used[i] - exact[i]) / (PROMPT - 1);
        if (!(sum > 0 && sum < 0.1f))
            fail_msg("%s: log-probabilities are off by %g in the mean", gguf_tensor_type_name(types[k]), (double)sum);
    }
    assert_true(bytes[4] < bytes[3] && bytes[3] < bytes[1] && bytes[1] < bytes[0]);
}

/* Each family's graph lets blocks be read: none turns, casts or adds to a matrix before its product. */
static void every_family_computes_with_blocks(void **state)
{
    (void)state;
    for (size_t i = 0; i < lm_family_count; i++) {
        json_t *root = small_json(lm_families[i]);
        static const char *const widths[] = {"hidden_size", "n_embd", "intermediate_size", "n_inner"};
        for (size_t k = 0; k < COUNT_OF(widths); k++)
            json_object_set_new(root, widths[k], json_integer(96));
        json_object_set_new(root, "head_dim", json_integer(16));
        json_object_set_new(root, "query_pre_attn_scalar", json_integer(16));
        json_object_set_new(root, "initializer_range", json_real(0.05));
        if (windows_have_no_place(lm_families[i]))
            json_object_del(root, "sliding_window");
        save(random_model(root, 11), GGUF_TENSOR_Q8_0);
        checkpoint *back = opened();
        const float *exact = logprobs_in(back, TYPE_F32, NULL), *used = logprobs_in(back, TYPE_F64, NULL);
        size_t blocks = 0;
        for (size_t k = 0; k < lm_weight_count(&back->config); k++)
            blocks += back->weights[k].format == QUANT_Q8_0;
        assert_true(blocks >= 3 * 4 + 1);
        for (int k = 1; k < PROMPT; k++)
            if (!(fabsf(used[k] - exact[k]) < 0.25f))
                fail_msg("%s: log-probability %d is %g, with blocks %g", lm_families[i]->architecture, k, (double)exact[k], (double)used[k]);
    }
}

static void rows_that_are_no_whole_blocks_are_stored_as_halves(void **state)
{
    (void)state;
    gguf_saved done = save(random_llama(), GGUF_TENSOR_Q4_0); /* rows of 48, 52 and 72 */
    assert_int_equal(done.stored, 0);
    assert_int_equal(done.others, 3 * 7 + 2);
    gguf *g;
    assert_int_equal(gguf_open(memory, path, &g, NULL), STATUS_OK);
    assert_int_equal(gguf_find_tensor(g, "blk.1.ffn_down.weight")->type, GGUF_TENSOR_F16);
    assert_int_equal(gguf_find_tensor(g, "output_norm.weight")->type, GGUF_TENSOR_F32);
}

static void the_identity_covers_weights_and_words(void **state)
{
    (void)state;
    char first[SHA256_HEX], again[SHA256_HEX], other[SHA256_HEX];
    save(wide_llama(), GGUF_TENSOR_Q8_0);
    assert_int_equal(checkpoint_identity(opened(), first, NULL), STATUS_OK);
    save(wide_llama(), GGUF_TENSOR_Q8_0);
    assert_int_equal(checkpoint_identity(opened(), again, NULL), STATUS_OK);
    assert_string_equal(first, again);
    save(wide_llama(), GGUF_TENSOR_Q4_0);
    assert_int_equal(checkpoint_identity(opened(), other, NULL), STATUS_OK);
    assert_string_not_equal(first, other);
    checkpoint *c = wide_llama();
    ((float *)(uintptr_t)c->weights[1].data)[0] += 1;
    save(c, GGUF_TENSOR_Q8_0);
    assert_int_equal(checkpoint_identity(opened(), other, NULL), STATUS_OK);
    assert_string_not_equal(first, other);
}

static void a_file_is_written_from_a_file(void **state)
{
    (void)state;
    checkpoint *c = random_model(small_json(lm_family_find("Gemma2ForCausalLM", NULL)), 9);
    save(c, GGUF_TENSOR_F32);
    const char *second = file_join(memory, test_folder(), "second.gguf");
    gguf_saved done;
    error err = {0};
    if (gguf_model_save(second, opened(), GGUF_TENSOR_F32, &done, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    checkpoint *back;
    assert_int_equal(checkpoint_open(memory, second, &back, &err), STATUS_OK);
    assert_same_answers(c, back, 2e-5f);
    assert_int_equal(back->chat.template_count, 2);
}

static void what_files_cannot_express_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *architecture, *key, *value, *word;
    } cases[] = {
        {"Qwen2ForCausalLM", "use_sliding_window", "true", "sliding_window"},
        {"Gemma2ForCausalLM", "query_pre_attn_scalar", "20", "query_pre_attn_scalar"},
        {"GPT2LMHeadModel", "scale_attn_weights", "false", "scale_attn_weights"},
        {"GPT2LMHeadModel", "activation_function", "\"relu\"", "activation_function"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_t *root = small_json(lm_family_find(cases[i].architecture, NULL));
        json_object_set_new(root, cases[i].key, json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
        json_object_set_new(root, "max_window_layers", json_integer(1));
        checkpoint *c = random_model(root, 1), *back;
        gguf_saved done;
        error err = {0};
        status code = gguf_model_save(path, c, GGUF_TENSOR_F32, &done, &err);
        if (code == STATUS_OK)
            code = checkpoint_open(memory, path, &back, &err);
        if (code == STATUS_OK)
            code = gguf_model_check(c, back, &err);
        assert_int_equal(code, STATUS_UNSUPPORTED);
        if (!strstr(err.message, cases[i].word))
            fail_msg("%s of %s: \"%s\"", cases[i].key, cases[i].architecture, err.message);
    }
}

/* ---- files that are not right ---- */

static const gguf *source; /* of the rewritten files */

typedef struct copying {
    const gguf_writer *writer;
    size_t kept[256], count;
} copying;

/* As many bytes as there are, of those that the tensor has now; a tensor that is not from the source is zero. */
static status copy_tensor(void *context, size_t i, void *out, error *err)
{
    const copying *c = context;
    size_t bytes = gguf_put_tensor_bytes(c->writer, i);
    (void)err;
    memset(out, 0, bytes);
    if (i < c->count) {
        const gguf_tensor *t = gguf_tensor_at(source, c->kept[i]);
        memcpy(out, t->data, bytes < t->bytes ? bytes : t->bytes);
    }
    return STATUS_OK;
}

/* What is changed on the way. */
typedef struct change {
    const char *drop;                 /* a key or a tensor that is left out */
    void (*add)(gguf_writer *w);
    const char *tensor;               /* this one gets another type or shape (and fewer bytes) */
    gguf_tensor_type type;
    int64_t rows;
} change;

static void rewrite(const change *c)
{
    gguf_writer *w;
    copying all = {.count = 0};
    error err = {0};
    assert_int_equal(gguf_writer_new(memory, &w, &err), STATUS_OK);
    all.writer = w;
    for (size_t i = 0; i < gguf_key_count(source); i++)
        if (!c->drop || strcmp(c->drop, gguf_value_at(source, i)->key) != 0)
            gguf_put_value(w, gguf_value_at(source, i));
    for (size_t i = 0; i < gguf_tensor_count(source); i++) {
        const gguf_tensor *t = gguf_tensor_at(source, i);
        int64_t sizes[GGUF_RANK];
        memcpy(sizes, t->shape, sizeof sizes);
        bool changed = c->tensor && strcmp(c->tensor, t->name) == 0;
        if (changed && c->rows)
            sizes[1] = c->rows;
        if (c->drop && strcmp(c->drop, t->name) == 0)
            continue;
        all.kept[all.count++] = i;
        gguf_put_tensor(w, t->name, changed && c->type ? c->type : t->type, t->rank, sizes);
    }
    if (c->add)
        c->add(w);
    if (gguf_write(w, path, copy_tensor, &all, &err) != STATUS_OK)
        fail_msg("%s", err.message);
}

static void add_experts(gguf_writer *w)
{
    gguf_put_int(w, "llama.expert_count", 8);
}

static void add_values(gguf_writer *w)
{
    gguf_put_int(w, "llama.attention.value_length", 8);
}

static void add_mamba(gguf_writer *w)
{
    gguf_put_text(w, "general.architecture", SLICE("mamba"));
}

static void add_text(gguf_writer *w)
{
    gguf_put_text(w, "llama.block_count", SLICE("three"));
}

static void add_layers(gguf_writer *w)
{
    gguf_put_int(w, "llama.block_count", 4000000000u);
}

static void add_nan(gguf_writer *w)
{
    gguf_put_number(w, "llama.rope.freq_base", (double)NAN);
}

static void add_varying(gguf_writer *w)
{
    gguf_put_ints(w, "llama.attention.head_count_kv", (int32_t[]){2, 2, 1}, 3);
}

static void add_scaling(gguf_writer *w)
{
    gguf_put_text(w, "llama.rope.scaling.type", SLICE("spiral"));
}

static void add_parts(gguf_writer *w)
{
    gguf_put_int(w, "split.count", 2);
}

static void add_stranger(gguf_writer *w)
{
    gguf_put_tensor(w, "blk.0.ffn_gate_exps.weight", GGUF_TENSOR_F32, 1, (int64_t[]){1});
}

static void add_dimensions(gguf_writer *w)
{
    gguf_put_int(w, "llama.rope.dimension_count", 13);
}

static void files_that_lie_or_lack_something_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        change change;
        const char *word;
        status code;
    } cases[] = {
        {{.drop = "general.architecture"}, "general.architecture", STATUS_INVALID},
        {{.drop = "general.architecture", .add = add_mamba}, "mamba", STATUS_UNSUPPORTED},
        {{.drop = "llama.block_count"}, "llama.block_count", STATUS_INVALID},
        {{.drop = "llama.block_count", .add = add_text}, "llama.block_count", STATUS_INVALID},
        {{.drop = "llama.block_count", .add = add_layers}, "llama.block_count", STATUS_INVALID},
        {{.drop = "llama.context_length"}, "llama.context_length", STATUS_INVALID},
        {{.drop = "llama.attention.layer_norm_rms_epsilon"}, "layer_norm_rms_epsilon", STATUS_INVALID},
        {{.drop = "llama.attention.head_count_kv", .add = add_varying}, "differs from layer to layer", STATUS_UNSUPPORTED},
        {{.drop = "llama.attention.value_length", .add = add_values}, "values of 8", STATUS_UNSUPPORTED},
        {{.drop = "llama.rope.freq_base", .add = add_nan}, "llama.rope.freq_base", STATUS_INVALID},
        {{.drop = "llama.rope.dimension_count", .add = add_dimensions}, "rope.dimension_count", STATUS_INVALID},
        {{.add = add_scaling}, "spiral", STATUS_UNSUPPORTED},
        {{.add = add_experts}, "expert_count", STATUS_UNSUPPORTED},
        {{.add = add_parts}, "one of the 2 files", STATUS_UNSUPPORTED},
        {{.drop = "tokenizer.ggml.tokens"}, "tokenizer.ggml.tokens", STATUS_INVALID},
        {{.drop = "tokenizer.ggml.pre"}, "tokenizer.ggml.pre", STATUS_INVALID},
        {{.drop = "token_embd.weight"}, "token_embd.weight", STATUS_INVALID},
        {{.drop = "blk.1.attn_k.weight"}, "blk.1.attn_k.weight", STATUS_INVALID},
        {{.drop = "blk.2.ffn_norm.weight"}, "blk.2.ffn_norm.weight", STATUS_INVALID},
        {{.add = add_stranger}, "blk.0.ffn_gate_exps.weight", STATUS_UNSUPPORTED},
        {{.tensor = "blk.0.attn_q.weight", .rows = 48}, "blk.0.attn_q.weight", STATUS_INVALID},
        {{.tensor = "blk.0.attn_q.weight", .type = GGUF_TENSOR_I8}, "stored as I8", STATUS_UNSUPPORTED},
        {{.tensor = "output.weight", .type = GGUF_TENSOR_I16}, "stored as I16", STATUS_UNSUPPORTED},
    };
    const char *whole = file_join(memory, test_folder(), "whole.gguf");
    gguf_saved done;
    gguf *g;
    assert_int_equal(gguf_model_save(whole, random_llama(), GGUF_TENSOR_F32, &done, NULL), STATUS_OK);
    assert_int_equal(gguf_open(memory, whole, &g, NULL), STATUS_OK);
    source = g;
    rewrite(&(change){0});
    assert_same_answers(random_llama(), opened(), 2e-5f); /* rewriting alone breaks nothing */
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        checkpoint *c;
        error err = {0};
        rewrite(&cases[i].change);
        status code = checkpoint_open(memory, path, &c, &err);
        if (code != cases[i].code || !strstr(err.message, cases[i].word) || !strstr(err.message, path) || c)
            fail_msg("case %zu (%s): status %d, \"%s\"", i, cases[i].word, (int)code, err.message);
    }
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    (void)state;
    slice whole;
    save(random_llama(), GGUF_TENSOR_F16);
    assert_int_equal(file_read(memory, path, 1 << 26, &whole, NULL), STATUS_OK);
    for (size_t length = 0; length < whole.length; length += 1 + length / 9) {
        checkpoint *c;
        error err = {0};
        assert_int_equal(file_write(path, slice_sub(whole, 0, length), NULL), STATUS_OK);
        assert_int_equal(checkpoint_open(memory, path, &c, &err), STATUS_INVALID);
        assert_non_null(strstr(err.message, path));
    }
}

static void files_are_known_by_their_content(void **state)
{
    (void)state;
    save(random_llama(), GGUF_TENSOR_F16);
    const char *other = file_join(memory, test_folder(), "plain.txt");
    checkpoint *c;
    error err = {0};
    assert_true(checkpoint_plausible(path));
    assert_int_equal(file_write(other, SLICE("GGU"), NULL), STATUS_OK);
    assert_false(checkpoint_plausible(other));
    assert_int_equal(checkpoint_open(memory, other, &c, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "GGUF"));
    assert_int_equal(checkpoint_open(memory, file_join(memory, test_folder(), "nothing.gguf"), &c, &err), STATUS_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_comes_back_with_the_same_answers),
        cmocka_unit_test(what_is_said_beside_the_weights_comes_back),
        cmocka_unit_test(scaled_positions_come_back),
        cmocka_unit_test(types_lose_what_they_must_and_no_more),
        cmocka_unit_test(the_engine_computes_with_blocks),
        cmocka_unit_test(every_family_computes_with_blocks),
        cmocka_unit_test(rows_that_are_no_whole_blocks_are_stored_as_halves),
        cmocka_unit_test(the_identity_covers_weights_and_words),
        cmocka_unit_test(a_file_is_written_from_a_file),
        cmocka_unit_test(what_files_cannot_express_is_named),
        cmocka_unit_test(files_that_lie_or_lack_something_are_refused_by_name),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(files_are_known_by_their_content),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
