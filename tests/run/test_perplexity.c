/* What a change costs a model: losses, their pairs, texts that are cut to fit, and a conversion that is broken off. */
#include "lm/model_fixture.h"

#include "lm/engine.h"
#include "run/conversion.h"

#include <math.h>

static arena *memory;
static checkpoint *model;
static const char *folder;

static int set_up(void **state)
{
    (void)state;
    error err = {0};
    memory = arena_new(NULL);
    tokenizer *t = fixture_tokenizer(memory);
    lm_config c = fixture_config(t);
    folder = file_join(memory, test_folder(), "model");
    if (checkpoint_save(folder, &c, t, fixture_weights(memory, &c, 1), &err) == STATUS_OK &&
        checkpoint_open(memory, folder, &model, &err) == STATUS_OK)
        return 0;
    fprintf(stderr, "%s\n", err.message);
    return -1;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(memory);
    return 0;
}

static const char *text_file(size_t repeats)
{
    const char *path = file_join(memory, test_folder(), "text.txt");
    strbuf text = strbuf_new(memory, 1 << 20);
    for (size_t i = 0; i < repeats; i++)
        strbuf_add(&text, fixture_texts[i % COUNT_OF(fixture_texts)]);
    assert_int_equal(file_write(path, strbuf_slice(&text), NULL), STATUS_OK);
    return path;
}

static void differences_are_means_over_tokens(void **state)
{
    (void)state;
    /* 3 and 1 predicted tokens: (3 * .5 + 1 * 2.5) / 4 = 1 */
    token_list lists[] = {{.count = 4}, {.count = 2}};
    perplexity_texts texts = {lists, 2, 4};
    perplexity_cost cost;
    assert_int_equal(perplexity_compare(&texts, (double[]){3, 1}, (double[]){4.5, 3.5}, &cost, NULL), STATUS_OK);
    assert_true(cost.before == 1 && cost.after == 2 && cost.difference == 1);
    assert_true(cost.limits.low == 0.5 && cost.limits.high == 2.5); /* only the first text, only the second */
    assert_int_equal(perplexity_compare(&texts, (double[]){3, 1}, (double[]){3, 1}, &cost, NULL), STATUS_OK);
    assert_true(cost.difference == 0 && cost.limits.low == 0 && cost.limits.high == 0);
}

static void a_text_is_cut_to_fit_and_each_piece_begins(void **state)
{
    (void)state;
    perplexity_texts texts;
    token_list all = {.arena = memory};
    slice whole;
    const char *path = text_file(60);
    error err = {0};
    if (perplexity_file(memory, model, path, 1 << 20, &texts, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(file_read(memory, path, 1 << 20, &whole, NULL), STATUS_OK);
    assert_int_equal(tokenizer_encode(model->tokenizer, whole, 0, &all, NULL), STATUS_OK);
    assert_true(all.count > 2 * (size_t)model->config.context);
    size_t at = 0;
    for (size_t i = 0; i < texts.count; i++) {
        assert_true(texts.lists[i].count <= (size_t)model->config.context);
        assert_int_equal(texts.lists[i].ids[0], TOKEN_BEGIN);
        assert_memory_equal(texts.lists[i].ids + 1, all.ids + at, (texts.lists[i].count - 1) * sizeof *all.ids);
        at += texts.lists[i].count - 1;
    }
    assert_int_equal(at, all.count);
    assert_int_equal(texts.tokens, all.count);
    assert_int_equal(perplexity_file(memory, model, path, 300, &texts, NULL), STATUS_OK);
    assert_true(texts.tokens >= 300 && texts.tokens < 300 + (size_t)model->config.context);
    assert_int_equal(perplexity_file(memory, model, text_file(0), 300, &texts, &err), STATUS_INVALID);
}

/* Against the engine's other way to log-probabilities: scoring what follows the first token. */
static void losses_are_those_of_scoring(void **state)
{
    (void)state;
    perplexity_texts texts;
    thread_pool *pool;
    engine *e;
    engine_score score;
    error err = {0};
    assert_int_equal(perplexity_file(memory, model, text_file(60), 1 << 20, &texts, NULL), STATUS_OK);
    double *losses = ARENA_ARRAY(memory, double, texts.count);
    assert_int_equal(thread_pool_new(2, &pool, NULL), STATUS_OK);
    if (perplexity_losses(model, pool, &texts, NULL, losses, &err) != STATUS_OK || engine_new(model, NULL, pool, &e, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < texts.count; i++) {
        token_list rest = {.ids = texts.lists[i].ids + 1, .count = texts.lists[i].count - 1};
        engine_score_request r = {.prefix = texts.lists[i].ids, .prefix_count = 1, .continuations = &rest, .continuation_count = 1};
        assert_int_equal(engine_score_all(e, memory, &r, &score, 1, &err), STATUS_OK);
        assert_true(fabs(losses[i] + score.logprobs[0]) < 1e-3 * losses[i]);
    }
    engine_free(e);
    thread_pool_free(pool);
}

static conversion_options options_for(const char *path, const char *text)
{
    return (conversion_options){.model = folder, .path = path, .type = GGUF_TENSOR_Q8_0, .text = text, .tokens = 500, .threads = 1};
}

static void a_conversion_says_what_it_cost(void **state)
{
    (void)state;
    const char *path = file_join(memory, test_folder(), "model.gguf");
    conversion_options o = options_for(path, text_file(60));
    conversion_report r;
    error err = {0};
    if (conversion_run(memory, &o, &r, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_true(checkpoint_plausible(path));
    assert_true(r.measured && r.tokens >= 500 && r.cost.before > 0 && fabs(r.cost.difference) < 0.1);
    assert_true(r.cost.limits.low <= r.cost.difference && r.cost.difference <= r.cost.limits.high);
    assert_true(r.saved.bytes < r.bytes_before);
}

static void one_that_is_broken_off_leaves_nothing(void **state)
{
    (void)state;
    static const atomic_bool stop = true;
    const char *path = file_join(memory, test_folder(), "broken.gguf");
    char **names;
    size_t count;
    conversion_report r;
    error err = {0};
    conversion_options o = options_for(path, text_file(60));
    o.interrupted = &stop;
    assert_int_equal(conversion_run(memory, &o, &r, &err), STATUS_INTERRUPTED);
    o = options_for(path, file_join(memory, test_folder(), "no such text"));
    assert_int_equal(conversion_run(memory, &o, &r, &err), STATUS_NOT_FOUND);
    assert_int_equal(file_list(memory, test_folder(), &names, &count, NULL), STATUS_OK);
    for (size_t i = 0; i < count; i++)
        assert_null(strstr(names[i], "broken"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_are_means_over_tokens),
        cmocka_unit_test(a_text_is_cut_to_fit_and_each_piece_begins),
        cmocka_unit_test(losses_are_those_of_scoring),
        cmocka_unit_test(a_conversion_says_what_it_cost),
        cmocka_unit_test(one_that_is_broken_off_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
