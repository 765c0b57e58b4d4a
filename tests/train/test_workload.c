/* What a model is run for, taken apart: each kind of work on the base model, in small. */
#include "train/workload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

typedef struct fixture {
    arena *arena;
    checkpoint *base;
    thread_pool *pool;
} fixture;

static int begin(void **state)
{
    static fixture f;
    f.arena = arena_new(NULL);
    *state = &f;
    return thread_pool_new(2, &f.pool, NULL) == STATUS_OK && checkpoint_open_base(f.arena, &f.base, NULL) == STATUS_OK ? 0 : 1;
}

static int end(void **state)
{
    fixture *f = *state;
    thread_pool_free(f->pool);
    arena_free(f->arena);
    return 0;
}

static plan_account measured(fixture *f, workload_options o, const char *title)
{
    workload w;
    error err = {0};
    o.runs = 2;
    if (workload_measure(f->arena, f->base, &o, f->pool, &w, &err) != STATUS_OK)
        fail_msg("%s: %s", o.what, err.message);
    if (!strstr(w.title, title))
        fail_msg("\"%s\" does not say \"%s\"", w.title, title);
    const plan_counts *c = &w.account.counts;
    assert_int_equal(c->nodes, c->leaves + c->merged + c->views + c->absorbed + c->computed);
    assert_int_equal(w.account.runs, 2);
    assert_true(w.account.process_peak > c->slab_bytes / 2);
    assert_true(w.account.seconds > 0 && w.account.count > 10 && w.account.product_alone > 0);
    return w.account;
}

static size_t steps_of(const plan_account *account, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < account->count; i++)
        n += strcmp(account->rows[i].step.name, name) == 0;
    return n;
}

static void training_steps_are_taken_apart(void **state)
{
    fixture *f = *state;
    size_t layers = (size_t)f->base->config.layers;
    plan_account account = measured(f, (workload_options){.what = "train", .tokens = 96, .row = 32}, "96 tokens in documents of 32");
    assert_int_equal(steps_of(&account, "attention"), layers);
    assert_int_equal(steps_of(&account, "attention_grad"), layers);
    assert_int_equal(account.counts.in_place, account.counts.donations); /* nothing is copied */
    assert_int_equal(account.counts.donations, 3 * lm_weight_count(&f->base->config));
    /* Three products for each weight, of 2 operations for each token; the embedding is looked up, and its product is tied. */
    double products = 0;
    for (size_t i = 0; i < lm_weight_count(&f->base->config); i++) {
        lm_weight w = lm_weight_at(&f->base->config, i);
        products += w.rank == 2 ? 6.0 * 96 * (double)w.count : 0;
    }
    assert_true(account.product_flops == products);
}

static void steps_of_the_engine_are_taken_apart(void **state)
{
    fixture *f = *state;
    size_t layers = (size_t)f->base->config.layers;
    double head = (double)(f->base->config.heads * f->base->config.head_size);
    plan_account one = measured(f, (workload_options){.what = "decode", .tokens = 40}, "one token of 1 sequence behind 40 tokens");
    assert_int_equal(steps_of(&one, "cache_attention"), layers);
    assert_int_equal(steps_of(&one, "pack"), 0); /* weights were packed before */
    assert_int_equal(one.counts.packs, one.counts.packs_shared);
    plan_account many = measured(f, (workload_options){.what = "decode", .tokens = 40, .sequences = 5}, "5 sequences");
    double seen = 0;
    for (size_t i = 0; i < many.count; i++)
        if (strcmp(many.rows[i].step.name, "cache_attention") == 0)
            seen = many.rows[i].flops / (4 * head);
    assert_true(seen > 5 * 40 && seen < 5 * 130); /* keys that the rows see */
    plan_account prefill = measured(f, (workload_options){.what = "prefill", .tokens = 200}, "reading a prompt of 200 tokens");
    plan_account score = measured(f, (workload_options){.what = "score", .tokens = 200, .compute = TYPE_F32}, "f32");
    assert_true(score.product_flops > prefill.product_flops); /* logits of every token */
}

static void what_the_model_cannot_is_refused(void **state)
{
    fixture *f = *state;
    size_t most = (size_t)f->base->config.context;
    workload w;
    error err = {0};
    workload_options o = {.what = "decode", .tokens = most};
    assert_int_equal(workload_measure(f->arena, f->base, &o, f->pool, &w, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "base"));
    o = (workload_options){.what = "train", .tokens = 2 * most, .row = most + 1};
    assert_int_equal(workload_measure(f->arena, f->base, &o, f->pool, &w, &err), STATUS_USAGE);
    o = (workload_options){.what = "dream"};
    assert_int_equal(workload_measure(f->arena, f->base, &o, f->pool, &w, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "dream"));
    o = (workload_options){.what = "train", .tokens = (size_t)1 << 24}; /* more memory than there is: said before it is taken */
    assert_int_equal(workload_measure(f->arena, f->base, &o, f->pool, &w, &err), STATUS_MEMORY);
    assert_non_null(strstr(err.message, "bytes of memory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(training_steps_are_taken_apart, begin, end),
        cmocka_unit_test_setup_teardown(steps_of_the_engine_are_taken_apart, begin, end),
        cmocka_unit_test_setup_teardown(what_the_model_cannot_is_refused, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
