/* Models of llama2.c: one model in all three versions, broken files, tokenizers, and a real one where it is there. */
#include "memory.h"
#include "shared.h"
#include "lm/model_fixture.h"

#include "core/jsonio.h"
#include "lm/engine.h"
#include "lm/llama2c.h"

enum { DIM = 8, INNER = 6, LAYERS = 2, HEADS = 2, KV_HEADS = 1, HEAD = 4, WORDS = 10, CONTEXT = 5, GROUP = 4 };

static strbuf file;

static void put_int(int32_t value)
{
    strbuf_add_bytes(&file, &value, sizeof value);
}

/* Weights are whole numbers times 1/32, different for each place, so that every version holds them exactly: in version 2
 * with 1/32 as the scale of every group. */
static int number(int tensor, int layer, int i)
{
    return (tensor * 37 + layer * 11 + i * 5) % 255 - 127;
}

static void put_tensor(int tensor, int layer, int count, bool quantised)
{
    for (int i = 0; i < count; i++) {
        float value = (float)number(tensor, layer, i) / 32;
        signed char byte = (signed char)number(tensor, layer, i);
        if (quantised)
            strbuf_add_bytes(&file, &byte, 1);
        else
            strbuf_add_bytes(&file, &value, sizeof value);
    }
    float scale = 1.0f / 32;
    for (int i = 0; quantised && i < count / GROUP; i++)
        strbuf_add_bytes(&file, &scale, sizeof scale);
}

/* tensor numbers: 0 embedding, 1 attention norm, 2 q, 3 k, 4 v, 5 o, 6 mlp norm, 7 gate, 8 down, 9 up, 10 norm, 11 head */
static const int counts[12] = {WORDS * DIM, DIM, DIM * DIM, KV_HEADS * HEAD * DIM, KV_HEADS * HEAD * DIM, DIM * DIM,
                               DIM, INNER * DIM, DIM * INNER, INNER * DIM, DIM, WORDS * DIM};

static void put(int tensor, bool quantised)
{
    bool single = tensor == 0 || tensor >= 10;
    for (int layer = 0; layer < (single ? 1 : LAYERS); layer++)
        put_tensor(tensor, layer, counts[tensor], quantised && tensor != 1 && tensor != 6 && tensor != 10);
}

static slice make_file(int version, bool tied)
{
    static const int order_0[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, order_1[] = {1, 6, 10, 0, 2, 3, 4, 5, 7, 8, 9};
    file = strbuf_new(memory, 1 << 20);
    if (version > 0) {
        put_int(0x616b3432);
        put_int(version);
    }
    const int sizes[] = {DIM, INNER, LAYERS, HEADS, KV_HEADS, version == 0 && !tied ? -WORDS : WORDS, CONTEXT};
    for (int i = 0; i < 7; i++)
        put_int(sizes[i]);
    if (version > 0)
        strbuf_add_char(&file, tied);
    if (version == 2)
        put_int(GROUP);
    while (version > 0 && file.length < 256)
        strbuf_add_char(&file, 0);
    for (int i = 0; i < 11; i++)
        put(version ? order_1[i] : order_0[i], version == 2);
    for (int i = 0; version == 0 && i < CONTEXT * HEAD; i++)
        put_int(0);
    if (!tied)
        put(11, version == 2);
    return strbuf_slice(&file);
}

static void all_versions_give_the_same_weights(void **state)
{
    (void)state;
    static const lm_part parts[] = {LM_EMBEDDING, LM_ATTENTION_NORM, LM_Q, LM_K, LM_V, LM_O, LM_MLP_NORM, LM_GATE, LM_DOWN,
                                    LM_UP, LM_FINAL_NORM, LM_HEAD};
    for (int version = 0; version < 3; version++)
        for (int tied = 0; tied < 2; tied++) {
            llama2c_model m;
            error err = {0};
            if (llama2c_parse(memory, make_file(version, tied), "model.bin", &m, &err) != STATUS_OK)
                fail_msg("version %d: %s", version, err.message);
            assert_int_equal(m.version, version);
            assert_int_equal(m.config.tied, tied);
            assert_true(m.config.kv_heads == KV_HEADS && m.config.head_size == HEAD && m.config.context == CONTEXT);
            for (int t = 0; t < 12 - tied; t++)
                for (int layer = 0; layer < (t == 0 || t >= 10 ? 1 : LAYERS); layer++)
                    for (int i = 0; i < counts[t]; i++) {
                        int row = i / DIM, in_head = row % HEAD, at = i;
                        if (t == 2 || t == 3) /* neighbours part: rows 0 1 2 3 of a head become 0 2 1 3 */
                            at = (row - in_head + in_head / 2 + in_head % 2 * (HEAD / 2)) * DIM + i % DIM;
                        const float *values = m.values[lm_weight_find(&m.config, parts[t], t == 0 || t >= 10 ? -1 : layer)];
                        assert_true(values[at] == (float)number(t, layer, i) / 32);
                    }
        }
}

static void broken_models_are_refused(void **state)
{
    (void)state;
    llama2c_model m;
    error err;
    for (int version = 0; version < 3; version++) {
        slice whole = make_file(version, true);
        for (size_t length = 0; length < whole.length; length++)
            assert_int_not_equal(llama2c_parse(memory, (slice){whole.text, length}, "m", &m, &err), STATUS_OK);
        strbuf_add_char(&file, 0);
        assert_int_equal(llama2c_parse(memory, strbuf_slice(&file), "m", &m, &err), STATUS_INVALID);
        assert_non_null(strstr(err.message, "the file has"));
    }
    static const struct {
        size_t at;
        int32_t value;
        status code;
        const char *word;
    } cases[] = {
        {4, 3, STATUS_UNSUPPORTED, "version 3"},    {4, -1, STATUS_UNSUPPORTED, "version -1"}, {8, -8, STATUS_INVALID, "hidden_size"},
        {8, 9, STATUS_INVALID, "2 heads"},          {16, 1 << 30, STATUS_INVALID, "layers"},   {20, 0, STATUS_INVALID, "heads"},
        {24, 3, STATUS_INVALID, "key-value heads"}, {28, INT32_MIN, STATUS_INVALID, "vocab"},  {37, 0, STATUS_INVALID, "groups of 0"},
        {37, 7, STATUS_INVALID, "groups of 7"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        make_file(2, true);
        memcpy(file.text + cases[i].at, &cases[i].value, sizeof cases[i].value);
        status code = llama2c_parse(memory, strbuf_slice(&file), "m", &m, &err);
        if (code != cases[i].code || !strstr(err.message, cases[i].word))
            fail_msg("case %zu: %s, \"%s\"", i, status_word(code), err.message);
    }
}

static slice make_pieces(const char *const *texts, const float *scores, size_t count)
{
    file = strbuf_new(memory, 1 << 16);
    put_int(12);
    for (size_t i = 0; i < count; i++) {
        strbuf_add_bytes(&file, &scores[i], sizeof scores[i]);
        put_int((int32_t)strlen(texts[i]));
        strbuf_add(&file, texts[i]);
    }
    return strbuf_slice(&file);
}

static void pairs_are_joined_by_falling_score(void **state)
{
    (void)state;
    static const char *const texts[] = {"<unk>", "\n<s>\n", "\n</s>\n", " ", "a", "b", " a", "ab", " ab", "\xc3\xa9", "a\xc3\xa9"};
    static const float scores[] = {0, 0, 0, -9, -9, -9, -2, -1, -3, -9, -4};
    json_t *root, *model;
    error err = {0};
    if (llama2c_tokenizer(make_pieces(texts, scores, 11), "t.bin", 11, &root, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    model = json_object_get(root, "model");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(model, "vocab"), "\xe2\x96\x81" "ab")), 8);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(model, "vocab"), "<s>")), 1);
    static const char *const pairs[][2] = {{"a", "b"}, {"\xe2\x96\x81", "a"}, {"\xe2\x96\x81", "ab"}, {"\xe2\x96\x81" "a", "b"},
                                           {"a", "\xc3\xa9"}};
    const json_t *merges = json_object_get(model, "merges");
    assert_int_equal(json_array_size(merges), COUNT_OF(pairs));
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        for (size_t k = 0; k < 2; k++)
            assert_string_equal(json_string_value(json_array_get(json_array_get(merges, i), k)), pairs[i][k]);
    json_decref(root);
    assert_int_equal(llama2c_tokenizer(strbuf_slice(&file), "t.bin", 10, &root, &err), STATUS_INVALID);
    assert_int_equal(llama2c_tokenizer(strbuf_slice(&file), "t.bin", 12, &root, &err), STATUS_INVALID);
    assert_int_equal(llama2c_tokenizer(strbuf_slice(&file), "t.bin", (size_t)1 << 40, &root, &err), STATUS_INVALID);
    for (size_t length = 0; length < file.length; length++)
        assert_int_equal(llama2c_tokenizer((slice){file.text, length}, "t.bin", 11, &root, &err), STATUS_INVALID);
    static const char *const again[] = {"<unk>", "<s>", "</s>", "a", "a"};
    assert_int_equal(llama2c_tokenizer(make_pieces(again, scores, 5), "t.bin", 5, &root, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "pieces 3 and 4"));
    static const char *const other[] = {"<s>", "</s>", "<unk>", "a", "b"};
    assert_int_equal(llama2c_tokenizer(make_pieces(other, scores, 5), "t.bin", 5, &root, &err), STATUS_INVALID);
}

static checkpoint *convert(const char *model, const char *words)
{
    const char *folder = file_join(memory, test_folder(), "converted");
    checkpoint *c = NULL;
    llama2c_summary summary;
    error err = {0};
    if (llama2c_convert(model, words, folder, &summary, &err) != STATUS_OK ||
        checkpoint_open(memory, folder, &c, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return c;
}

static engine_result greedy(const checkpoint *c, const char *text, int count)
{
    engine *e;
    engine_result out = {0};
    error err = {0};
    token_list ids = {.arena = memory};
    assert_int_equal(token_list_add(&ids, c->config.bos, &err), STATUS_OK);
    if (text[0])
        assert_int_equal(tokenizer_encode(c->tokenizer, slice_of(text), 0, &ids, &err), STATUS_OK);
    engine_request r = {.prompt = ids.ids, .prompt_count = ids.count, .max_tokens = count};
    if (engine_new(c, &(engine_options){.sequences = 2, .compute = TYPE_F32}, NULL, &e, &err) != STATUS_OK ||
        engine_generate(e, memory, &r, &out, 1, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    engine_free(e);
    return out;
}

static void a_trained_model_writes_its_published_story(void **state)
{
    (void)state;
    const char *folder = shared_data(memory, "lm-stories260k");
    if (!folder)
        return;
    const checkpoint *c = convert(file_join(memory, folder, "stories260K.bin"), file_join(memory, folder, "tok512.bin"));
    slice ids, text, word;
    assert_int_equal(file_read(memory, file_join(memory, folder, "expected-greedy-ids.txt"), 1 << 16, &ids, NULL), STATUS_OK);
    assert_int_equal(file_read(memory, file_join(memory, folder, "expected-greedy.txt"), 1 << 16, &text, NULL), STATUS_OK);
    engine_result out = greedy(c, "", 256);
    assert_int_equal(out.count, 256);
    ids = slice_trim(ids);
    for (size_t i = 0; slice_cut(&ids, ' ', &word); i++) {
        int64_t expected;
        assert_true(slice_to_int(slice_trim(word), &expected) && i < out.count);
        assert_int_equal(out.ids[i], expected);
    }
    slice ours = slice_trim(slice_of(out.text));
    text = slice_trim(text);
    assert_true(slice_equal(ours, text));
    /* A folder without tokenizer.json opens with what else it has: here llama2.c's own file, which gives the same ids. */
    slice pieces;
    checkpoint *again;
    error err = {0};
    token_list by_json = {.arena = memory}, by_pieces = {.arena = memory};
    assert_int_equal(file_read(memory, file_join(memory, folder, "tok512.bin"), 1 << 20, &pieces, NULL), STATUS_OK);
    assert_int_equal(file_write(file_join(memory, c->name, "tokenizer.bin"), pieces, NULL), STATUS_OK);
    assert_int_equal(unlink(file_join(memory, c->name, "tokenizer.json")), 0);
    if (checkpoint_open(memory, c->name, &again, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(tokenizer_encode(c->tokenizer, text, 0, &by_json, NULL), STATUS_OK);
    assert_int_equal(tokenizer_encode(again->tokenizer, text, 0, &by_pieces, NULL), STATUS_OK);
    assert_int_equal(by_json.count, by_pieces.count);
    assert_memory_equal(by_json.ids, by_pieces.ids, by_json.count * sizeof *by_json.ids);
}

static void a_model_with_8_bit_weights_converts_and_runs(void **state)
{
    (void)state;
    const char *folder = shared_data(memory, "lm-stories-q80-tok1024");
    if (!folder)
        return;
    const checkpoint *c = convert(file_join(memory, folder, "model_q80.bin"), file_join(memory, folder, "tok1024.bin"));
    assert_true(c->config.layers == 4 && c->config.vocabulary == 1024 && c->config.context == 64 && c->config.tied);
    engine_result out = greedy(c, "Once upon a time", 20);
    assert_int_equal(out.code, STATUS_OK);
    assert_true(out.count > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_versions_give_the_same_weights),
        cmocka_unit_test(broken_models_are_refused),
        cmocka_unit_test(pairs_are_joined_by_falling_score),
        cmocka_unit_test(a_trained_model_writes_its_published_story),
        cmocka_unit_test(a_model_with_8_bit_weights_converts_and_runs),
    };
    return cmocka_run_group_tests(tests, memory_set_up, memory_tear_down);
}
