/* Checkpoint folders: what is saved is opened; broken folders are refused with the reason. */
#include "memory.h"
#include "lm/model_fixture.h"

#include "lm/embedded.h"

#include <sys/stat.h>

static const char *model;
static tokenizer *words;
static lm_config config;
static const float *const *values;

static int set_up(void **state)
{
    (void)state;
    memory = arena_new(NULL);
    model = file_join(memory, test_folder(), "model");
    words = fixture_tokenizer(memory);
    config = fixture_config(words);
    values = fixture_weights(memory, &config, 1);
    return 0;
}

static void save(void)
{
    error err = {0};
    if (checkpoint_save(model, &config, words, values, &err) != STATUS_OK)
        fail_msg("%s", err.message);
}

static void what_is_saved_is_opened(void **state)
{
    (void)state;
    save();
    checkpoint *c;
    error err;
    assert_int_equal(checkpoint_open(memory, model, &c, &err), STATUS_OK);
    assert_string_equal(c->chat.templates[0].text, chat_template);
    assert_int_equal(c->config.hidden, 64);
    assert_int_equal(tokenizer_size(c->tokenizer), tokenizer_size(words));
    for (size_t i = 0; i < lm_weight_count(&config); i++) {
        lm_weight w = lm_weight_at(&config, i);
        float *back = ARENA_ARRAY(memory, float, (size_t)w.count);
        assert_int_equal(lm_tensor_to_f32(&c->weights[i], back, &err), STATUS_OK);
        for (int64_t k = 0; k < w.count; k++)
            assert_true(back[k] == bf16_round(values[i][k]));
    }
}

static void saving_again_replaces_the_folder_and_changes_nothing(void **state)
{
    (void)state;
    save();
    checkpoint *c;
    char before[SHA256_HEX], after[SHA256_HEX];
    assert_int_equal(checkpoint_open(memory, model, &c, NULL), STATUS_OK);
    assert_int_equal(checkpoint_identity(c, before, NULL), STATUS_OK);
    save();
    char **names;
    size_t count;
    assert_int_equal(file_list(memory, test_folder(), &names, &count, NULL), STATUS_OK);
    assert_int_equal(count, 1); /* no temporary folder is left */
    assert_int_equal(checkpoint_open(memory, model, &c, NULL), STATUS_OK);
    assert_int_equal(checkpoint_identity(c, after, NULL), STATUS_OK);
    assert_string_equal(before, after);
    values = fixture_weights(memory, &config, 2);
    save();
    assert_int_equal(checkpoint_open(memory, model, &c, NULL), STATUS_OK);
    assert_int_equal(checkpoint_identity(c, after, NULL), STATUS_OK);
    assert_string_not_equal(before, after);
}

static void a_folder_that_is_no_checkpoint_is_not_replaced(void **state)
{
    (void)state;
    const char *other = file_join(memory, test_folder(), "other");
    assert_int_equal(mkdir(other, 0777), 0);
    assert_int_equal(file_write(file_join(memory, other, "thesis.txt"), SLICE("years of work"), NULL), STATUS_OK);
    error err;
    assert_int_equal(checkpoint_save(other, &config, words, values, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "something else"));
    assert_true(file_exists(file_join(memory, other, "thesis.txt")));
    assert_int_equal(checkpoint_save("/proc/nowhere/model", &config, words, values, &err), STATUS_NOT_FOUND);
}

static void broken_folders_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *file, *content, *word; /* content NULL: the file is removed; "": cut to half */
        status code;
    } cases[] = {
        {"config.json", NULL, "config.json is missing", STATUS_NOT_FOUND},
        {"config.json", "{\"model_type\": \"bert\"}", "bert", STATUS_UNSUPPORTED},
        {"config.json", "{", "not valid JSON", STATUS_INVALID},
        {"tokenizer.json", NULL, "holds no tokenizer", STATUS_NOT_FOUND},
        {"tokenizer.json", "", "not valid JSON", STATUS_INVALID},
        {"model.safetensors", NULL, "neither model.safetensors", STATUS_NOT_FOUND},
        {"model.safetensors", "", "but the file", STATUS_INVALID},
        {"tokenizer_config.json", "[", "not valid JSON", STATUS_INVALID},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_folder_drop(model); /* without its config.json it would not be replaced */
        save();
        const char *path = file_join(memory, model, cases[i].file);
        slice whole;
        assert_int_equal(file_read(memory, path, 1 << 24, &whole, NULL), STATUS_OK);
        if (!cases[i].content)
            unlink(path);
        else if (cases[i].content[0])
            assert_int_equal(file_write(path, slice_of(cases[i].content), NULL), STATUS_OK);
        else
            assert_int_equal(truncate(path, (off_t)whole.length / 2), 0);
        checkpoint *c;
        error err = {0};
        status code = checkpoint_open(memory, model, &c, &err);
        if (code != cases[i].code || !strstr(err.message, cases[i].word))
            fail_msg("case %zu: %s, \"%s\"", i, status_word(code), err.message);
    }
    test_folder_drop(model);
    checkpoint *c;
    error err;
    assert_int_equal(checkpoint_open(memory, "/no/such/folder", &c, &err), STATUS_NOT_FOUND);
    assert_int_equal(checkpoint_open(memory, "/etc/passwd", &c, &err), STATUS_INVALID);
}

static void weights_must_be_those_of_the_configuration(void **state)
{
    (void)state;
    save();
    lm_config wider = config;
    wider.intermediate = 128;
    error err;
    assert_int_equal(checkpoint_write_setting(model, &wider, words, &err), STATUS_OK);
    checkpoint *c;
    assert_int_equal(checkpoint_open(memory, model, &c, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "mlp.gate_proj.weight\" has the shape [96, 64], expected [128, 64]"));
    lm_config shallow = config;
    shallow.layers = 1;
    assert_int_equal(checkpoint_write_setting(model, &shallow, words, &err), STATUS_OK);
    assert_int_equal(checkpoint_open(memory, model, &c, &err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "model.layers.1."));
}

static void templates_come_from_the_files(void **state)
{
    (void)state;
    save();
    checkpoint *c;
    assert_int_equal(file_write(file_join(memory, model, "chat_template.jinja"), SLICE("{{ messages }}"), NULL), STATUS_OK);
    assert_int_equal(checkpoint_open(memory, model, &c, NULL), STATUS_OK);
    assert_string_equal(c->chat.templates[0].text, "{{ messages }}");
    unlink(file_join(memory, model, "chat_template.jinja"));
    assert_int_equal(file_write(file_join(memory, model, "tokenizer_config.json"), SLICE("{}"), NULL), STATUS_OK);
    assert_int_equal(checkpoint_open(memory, model, &c, NULL), STATUS_OK);
    assert_int_equal(c->chat.template_count, 0);
}

static void a_program_without_a_base_model_says_so(void **state)
{
    (void)state;
    slice any;
    checkpoint *c;
    error err = {0};
    status code = checkpoint_open_base(memory, &c, &err);
    if (embedded_file("model.safetensors", &any)) {
        if (code != STATUS_OK)
            fail_msg("%s", err.message);
        assert_string_equal(c->chat.templates[0].text, chat_template);
    } else {
        assert_int_equal(code, STATUS_NOT_FOUND);
        assert_non_null(strstr(err.message, "without a base model"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_saved_is_opened),
        cmocka_unit_test(saving_again_replaces_the_folder_and_changes_nothing),
        cmocka_unit_test(a_folder_that_is_no_checkpoint_is_not_replaced),
        cmocka_unit_test(broken_folders_are_refused_with_the_reason),
        cmocka_unit_test(weights_must_be_those_of_the_configuration),
        cmocka_unit_test(templates_come_from_the_files),
        cmocka_unit_test(a_program_without_a_base_model_says_so),
    };
    return cmocka_run_group_tests(tests, set_up, memory_tear_down);
}
