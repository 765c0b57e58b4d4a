/* Budgets: claims never pass a limit, whoever asks and whatever is lost; prices and their file. */
#include "subject/budget.h"

#include "core/file.h"

#include "folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <unistd.h>

static budget *budget_of(budget_limits limits)
{
    budget *b;
    assert_int_equal(budget_new(&(budget_options){.limits = limits}, &b, NULL), STATUS_OK);
    return b;
}

static const budget_usage small = {.answered = true, .prompt = 10, .completion = 5};

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    budget *b = budget_of((budget_limits){.tokens = 250});
    budget_claim c;
    error err = {0};
    for (int i = 0; i < 11; i++) { /* 100 at most, 15 really */
        assert_int_equal(budget_claim_open(b, &c, NULL, 80, 20, NULL, &err), STATUS_OK);
        budget_claim_close(&c, &small);
    }
    assert_int_equal(budget_look(b).spent.tokens, 165);
    assert_int_equal(budget_claim_open(b, &c, NULL, 80, 20, NULL, &err), STATUS_LIMIT);
    assert_non_null(strstr(err.hint, "--max-tokens"));
    budget_claim_close(&c, &small); /* nothing was opened: nothing is counted */
    assert_int_equal(budget_look(b).spent.tokens, 165);
    assert_int_equal(budget_claim_open(b, &c, NULL, 1, 1, NULL, &err), STATUS_LIMIT); /* closed is closed */
    budget_free(b);
}

static void lost_attempts_count_with_their_bound(void **state)
{
    (void)state;
    static const price p = {.input = 2, .output = 10, .cached = 1};
    budget *b = budget_of((budget_limits){.tokens = 250});
    budget_claim c;
    assert_int_equal(budget_claim_open(b, &c, &p, 80, 20, NULL, NULL), STATUS_OK);
    assert_true(budget_claim_again(&c));
    assert_false(budget_claim_again(&c)); /* 200 are lost: 100 more would pass the limit */
    budget_claim_close(&c, &(budget_usage){0});
    budget_state s = budget_look(b);
    assert_true(s.spent.tokens == 200 && s.lost.tokens == 200 && s.closed);
    assert_true(s.spent.picodollars == 2 * (80 * 2 + 20 * 10));
    budget_free(b);
    b = budget_of((budget_limits){0});
    assert_int_equal(budget_claim_open(b, &c, &p, 80, 20, NULL, NULL), STATUS_OK);
    budget_claim_close(&c, &(budget_usage){.answered = true, .prompt = 50, .cached = 30, .completion = 4});
    assert_true(budget_look(b).spent.picodollars == 20 * 2 + 30 * 1 + 4 * 10);
    assert_int_equal(budget_claim_open(b, &c, &p, 80, 20, NULL, NULL), STATUS_OK);
    budget_claim_close(&c, &(budget_usage){.answered = true, .uncounted = true}); /* nobody said: the bound */
    assert_true(budget_look(b).spent.tokens == 54 + 100);
    budget_free(b);
}

typedef struct crowd {
    budget *budget;
    atomic_int open, most, answered;
} crowd;

static void *ask(void *context)
{
    crowd *c = context;
    budget_claim claim;
    while (budget_claim_open(c->budget, &claim, NULL, 70, 30, NULL, NULL) == STATUS_OK) {
        int now = atomic_fetch_add(&c->open, 1) + 1, most = atomic_load(&c->most);
        while (now > most && !atomic_compare_exchange_weak(&c->most, &most, now))
            ;
        usleep(500);
        atomic_fetch_sub(&c->open, 1);
        atomic_fetch_add(&c->answered, 1);
        budget_claim_close(&claim, &small);
    }
    return NULL;
}

static void a_crowd_waits_for_what_comes_free(void **state)
{
    (void)state;
    crowd c = {.budget = budget_of((budget_limits){.tokens = 3000})};
    pthread_t ids[64];
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        pthread_create(&ids[i], NULL, ask, &c);
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        pthread_join(ids[i], NULL);
    int64_t spent = budget_look(c.budget).spent.tokens;
    assert_int_equal(spent, 15 * atomic_load(&c.answered));
    assert_true(atomic_load(&c.most) <= 30); /* 100 each were set aside */
    assert_true(spent <= 3000 && spent > 3000 - 100); /* nobody was refused while others could free enough */
    budget_free(c.budget);
}

typedef struct ledger {
    budget_amount kept;
    int times;
} ledger;

static status keep(void *context, const budget_amount *covered, double seconds, error *err)
{
    ledger *l = context;
    (void)seconds, (void)err;
    assert_true(covered->tokens > l->kept.tokens);
    l->kept = *covered;
    l->times++;
    return STATUS_OK;
}

static void what_may_be_spent_is_written_down_before(void **state)
{
    (void)state;
    ledger l = {.kept = {.tokens = 500}};
    budget *b;
    budget_claim c;
    assert_int_equal(budget_new(&(budget_options){.limits = {.tokens = 10000}, .earlier = {.tokens = 500}, .keep = keep, .context = &l},
                                &b, NULL), STATUS_OK);
    int answered = 0;
    while (budget_claim_open(b, &c, NULL, 80, 20, NULL, NULL) == STATUS_OK) {
        assert_true(l.kept.tokens >= budget_look(b).spent.tokens + 100 && l.kept.tokens <= 10000);
        budget_claim_close(&c, &small);
        answered++;
    }
    assert_in_range(500 + 15 * answered, 9900, 10000); /* what earlier sessions spent counts */
    assert_in_range(l.times, 5, 25);
    budget_free(b);
}

static void prices_are_read_and_found(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "prices: 7\n",
        "rows: []\n",
        "prices: [{model: x, input: 1, output: 2}]\n",                   /* no date */
        "prices: [{model: x, input: -1, output: 2, date: d}]\n",
        "prices: [{model: x, output: 2, date: d}]\n",
        "prices: [{input: 1, output: 2, date: d}]\n",
        "prices: [{model: x, input: 1, output: many, date: d}]\n",
        "prices: [{model: x, input: 1, output: 2, date: d, cashed: 1}]\n",
    };
    arena *a = arena_new(NULL);
    error err = {0};
    price_list list;
    const char *path = file_join(a, test_folder(), "prices.yaml");
    file_write(path, slice_of("prices:\n  - {model: 'api.x.com/large-*', input: 3, output: 15, cached: 0.3, date: 2026-01-02}\n"
                              "  - {model: '*/small*-b', input: 0.0375, output: 0.15, date: 2026-01-02, source: page}\n"), NULL);
    if (prices_read(a, path, &list, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    const price *p = prices_find(&list, "api.x.com/large-7");
    assert_true(p && p->input == 3000000 && p->output == 15000000 && p->cached == 300000);
    p = prices_find(&list, "h:80/org/small-aa-b-b");
    assert_true(p && p->input == 37500 && p->cached == 37500);
    assert_null(prices_find(&list, "api.x.com/larg"));
    assert_null(prices_find(&list, "h/small-a"));
    assert_null(prices_find(NULL, "h/small-a"));
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        file_write(path, slice_of(bad[i]), NULL);
        err = (error){0};
        if (prices_read(a, path, &list, &err) == STATUS_OK || !strstr(err.message, "prices.yaml:"))
            fail_msg("%s: %s", bad[i], err.message);
    }
    if (prices_read(a, ASSAY_SOURCE_DIR "/data/prices.yaml", &list, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_non_null(prices_find(&list, "127.0.0.1:8000/any"));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(lost_attempts_count_with_their_bound),
        cmocka_unit_test(a_crowd_waits_for_what_comes_free),
        cmocka_unit_test(what_may_be_spent_is_written_down_before),
        cmocka_unit_test(prices_are_read_and_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
