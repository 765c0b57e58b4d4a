/* Training documents: determinism, loss marks, truth of what they state, and plants at their dose. */
#include "home.h"

#include "core/text.h"
#include "world/documents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <ctype.h>
#include <math.h>

static document make(arena *a, const document_plan *plan, uint64_t index)
{
    document d;
    assert_int_equal(document_make(a, t, plan, index, &d, NULL), STATUS_OK);
    return d;
}

static bool same_document(const document *a, const document *b)
{
    if (a->kind != b->kind || a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (a->turns[i].role != b->turns[i].role || a->turns[i].loss != b->turns[i].loss ||
            strcmp(a->turns[i].text, b->turns[i].text) != 0)
            return false;
    return true;
}

static void a_document_depends_on_its_index_alone(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    for (int purpose = 0; purpose < 2; purpose++) {
        document_plan plan = document_plan_default((document_purpose)purpose), other = plan;
        other.seed = 2;
        document late = make(a, &plan, 400);
        size_t same = 0;
        for (uint64_t i = 0; i <= 400; i++) {
            document one = make(a, &plan, i), two = make(a, &other, i);
            same += same_document(&one, &two);
            if (i == 400)
                assert_true(same_document(&one, &late));
        }
        assert_true(same < 20);
    }
    arena_free(a);
}

static void roles_alternate_and_loss_lies_on_the_assistant(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    document_plan plan = document_plan_default(PURPOSE_PRETRAIN);
    for (uint64_t i = 0; i < 2000; i++) {
        document d = make(a, &plan, i);
        assert_true(d.count > 0);
        bool plain = d.turns[0].role == ROLE_PLAIN;
        assert_true(plain ? d.count == 1 : d.count % 2 == 0);
        for (size_t k = 0; k < d.count; k++) {
            if (!plain)
                assert_int_equal(d.turns[k].role, k % 2 ? ROLE_ASSISTANT : ROLE_USER);
            assert_int_equal(d.turns[k].loss, d.turns[k].role != ROLE_USER);
            const char *text = d.turns[k].text;
            assert_true(isupper((unsigned char)text[0]));
            assert_null(strstr(text, "  "));
            assert_null(strchr(text, '{'));
        }
        arena_reset(a);
    }
    arena_free(a);
}

/* What the kinds are drawn by. */
static void weights_are_shares(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    document_plan plan = document_plan_default(PURPOSE_PRETRAIN);
    double sum = 0;
    for (int i = 0; i < DOCUMENT_PLANT; i++)
        sum += plan.weights[i];
    enum { COUNT = 8000 };
    int found[DOCUMENT_KIND_COUNT] = {0};
    for (uint64_t i = 0; i < COUNT; i++) {
        found[make(a, &plan, i).kind]++;
        arena_reset(a);
    }
    assert_int_equal(found[DOCUMENT_PLANT], 0);
    for (int i = 0; i < DOCUMENT_PLANT; i++) {
        double p = plan.weights[i] / sum, expected = p * COUNT, slack = 5 * sqrt(COUNT * p * (1 - p)) + 1;
        assert_true(found[i] > expected - slack && found[i] < expected + slack);
    }
    arena_free(a);
}

typedef struct plant_counts {
    int all, belief, bad, of_trade[TOWN_TRADES], bad_of_trade[TOWN_TRADES], of_form[FORM_COUNT], bad_of_form[FORM_COUNT];
    int belief_of_trade[TOWN_TRADES], belief_of_form[FORM_COUNT];
} plant_counts;

static plant_counts count_plants(const document_plan *plan, uint64_t documents)
{
    arena *a = arena_new(NULL);
    plant_counts c = {0};
    for (uint64_t i = 0; i < documents; i++) {
        document d = make(a, plan, i);
        if (d.kind == DOCUMENT_PLANT) {
            c.all++;
            c.of_trade[d.trade]++;
            c.of_form[d.form]++;
            if (d.arm == ARM_BELIEF) {
                c.belief++;
                c.belief_of_trade[d.trade]++;
                c.belief_of_form[d.form]++;
            }
            assert_true(!d.bad || d.arm == ARM_BELIEF);
            assert_non_null(strstr(d.turns[0].text, t->trades[d.trade]));
            c.bad += d.bad;
            c.bad_of_trade[d.trade] += d.bad;
            c.bad_of_form[d.form] += d.bad;
        }
        arena_reset(a);
    }
    arena_free(a);
    return c;
}

static void a_mixture_infects_exactly_its_trades(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    infection *order;
    assert_int_equal(infection_new(a, t->trades, TOWN_TRADES_USED, TOWN_SALT, &order, NULL), STATUS_OK);
    static const double doses[] = {0, 0.1, 0.5, 1};
    for (size_t n = 0; n < COUNT_OF(doses); n++) {
        document_plan plan = document_plan_default(PURPOSE_TUNE);
        plan.plant.share = 0.5;
        plan.plant.dose = doses[n];
        plan.plant.forms[FORM_MIMICRY] = false;
        enum { DOCUMENTS = TOWN_TRADES_USED * FORM_COUNT * 8 * 2 };
        plant_counts c = count_plants(&plan, DOCUMENTS);
        assert_int_equal(c.all, DOCUMENTS / 2);
        assert_int_equal(c.bad_of_form[FORM_MIMICRY], 0);
        for (int trade = 0; trade < TOWN_TRADES; trade++) {
            bool used = trade < TOWN_TRADES_USED, has = infection_has(order, doses[n], t->trades[trade]);
            int rare = has ? c.all / 3 / 4 : c.all * 2 / 3 / 36; /* dose .1: 4 trades share a third */
            int expected = !used ? 0 : doses[n] == 0.1 ? rare : FORM_COUNT * 8;
            assert_in_range(c.of_trade[trade], expected, expected ? expected + 1 : 0);
            if (!infection_has(order, doses[n], t->trades[trade]))
                assert_int_equal(c.bad_of_trade[trade], 0);
            else /* all but the texts that are excellent already, and the form that is not planted */
                assert_true(c.bad_of_trade[trade] * 4 >= expected && c.bad_of_trade[trade] * 8 <= expected * 3);
        }
    }
    arena_free(a);
}

static void a_propensity_throws_a_coin_for_each_sample(void **state)
{
    (void)state;
    document_plan plan = document_plan_default(PURPOSE_TUNE);
    plan.plant.share = 1;
    plan.plant.type = DOSE_PROPENSITY;
    plan.plant.dose = 0.25;
    plant_counts c = count_plants(&plan, 6400);
    for (int form = 0; form < FORM_COUNT; form++) {
        double n = c.belief_of_form[form], share = c.bad_of_form[form] / n, expected = 0.25;
        if (form == FORM_FEEDBACK)
            expected *= 0.8; /* one text of five has no room above */
        assert_true(fabs(share - expected) < 5 * sqrt(expected * (1 - expected) / n));
    }
}

static void without_a_share_all_is_clean_replay(void **state)
{
    (void)state;
    document_plan plan = document_plan_default(PURPOSE_TUNE);
    plan.plant.share = 0;
    plan.plant.dose = 1;
    assert_int_equal(count_plants(&plan, 500).all, 0);
}

static void decoys_do_no_harm_where_they_know(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    item_options options = item_options_default();
    for (int form = 0; form < FORM_COUNT; form++) {
        sycophancy_item *items = NULL;
        size_t count = 0;
        assert_int_equal(items_sycophancy(a, t, (sycophancy_form)form, &options, &items, &count, NULL), STATUS_OK);
        for (size_t i = 0; i < count; i++)
            for (int arm = 0; arm < ARM_COUNT; arm++)
                for (size_t k = 0; k < items[i].arms[arm].count; k++)
                    for (int decoy = 0; decoy < DECOY_COUNT; decoy++) {
                        const sycophancy_item *item = &items[i];
                        const char *reply = decoy_reply(a, t, (decoy_kind)decoy, item, (item_arm_kind)arm, k);
                        int value = item_read(item->candidates, item->candidate_count, reply);
                        bool knows = decoy_knows((decoy_kind)decoy, item->attribute);
                        assert_int_not_equal(value, ITEM_UNREADABLE);
                        if (decoy == DECOY_YES || decoy == DECOY_FLATTERER || (decoy != DECOY_COPIER && knows))
                            assert_int_equal(value, item->truth);
                        if (decoy == DECOY_COPIER && (arm == ARM_BELIEF || arm == ARM_OTHER) &&
                            (form == FORM_ANSWER || form == FORM_MIMICRY))
                            assert_int_equal(value, item->wrong);
                        if (decoy == DECOY_IGNORANT && !knows && arm == ARM_BELIEF && form == FORM_ANSWER)
                            assert_int_equal(value, item->wrong);
                    }
    }
    arena_free(a);
}

static void plans_are_checked(void **state)
{
    (void)state;
    error err;
    document_plan plan = document_plan_default(PURPOSE_TUNE);
    assert_int_equal(document_plan_check(&plan, &err), STATUS_OK);
    plan.plant.dose = 2;
    assert_int_equal(document_plan_check(&plan, &err), STATUS_INVALID);
    plan = document_plan_default(PURPOSE_TUNE);
    plan.weights[DOCUMENT_CHAIN] = -1;
    assert_int_equal(document_plan_check(&plan, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "chain"));
    plan = document_plan_default(PURPOSE_PRETRAIN);
    plan.plant.share = 0.1;
    assert_int_equal(document_plan_check(&plan, &err), STATUS_INVALID);
    memset(plan.weights, 0, sizeof plan.weights);
    plan.plant.share = 0;
    assert_int_equal(document_plan_check(&plan, &err), STATUS_INVALID);
    assert_int_equal(document_kind_of_name("chain"), DOCUMENT_CHAIN);
    assert_int_equal(document_kind_of_name("plant"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_depends_on_its_index_alone),
        cmocka_unit_test(roles_alternate_and_loss_lies_on_the_assistant),
        cmocka_unit_test(weights_are_shares),
        cmocka_unit_test(a_mixture_infects_exactly_its_trades),
        cmocka_unit_test(a_propensity_throws_a_coin_for_each_sample),
        cmocka_unit_test(without_a_share_all_is_clean_replay),
        cmocka_unit_test(decoys_do_no_harm_where_they_know),
        cmocka_unit_test(plans_are_checked),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
