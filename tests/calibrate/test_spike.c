/* Spike recovery on oracles, where everything is known in closed form. */
#include "near.h"

#include "studies/bench.h"

#include "calibrate/spike.h"
#include "core/jsonio.h"

extern const study sycophancy_study, feedback_failures_study;

static const double doses[] = {0, .1, .25, .5};
static const char *const settings[] = {"items", "120", "forms", "answer,feedback", NULL};

/* A preference model that likes all replies alike. */
static void alike(const message *messages, const char *const *continuations, size_t count, double *logprobs, void *context)
{
    (void)messages, (void)continuations, (void)context;
    for (size_t i = 0; i < count; i++)
        logprobs[i] = 0;
}

/* The records of somebody, and a study that is prepared. */
static bench asked(const study *what, const char *const *list, const char *who)
{
    bench b = bench_open(what, list, 5);
    b.who = bench_subject(&b, who);
    b.score = alike;
    bench_run(&b);
    return b;
}

static json_t *series(bench *own, bench *twin, const json_t *certificate)
{
    run_request request = {.seed = 5};
    spike_options o = {.study = own->run.study, .params = own->params, .model = "own", .doses = doses, .dose_count = 4, .certificate = certificate,
                       .request = &request};
    json_t *forms;
    error err = {0};
    if (spike_forms(own->arena, &o, &(spike_records){&own->run, own->records, twin->records}, &forms, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return forms;
}

static double at(const json_t *form, const char *key, const char *part)
{
    return jsonio_number_at(json_object_get(form, key), part);
}

static const json_t *reading(const json_t *form, size_t i)
{
    return json_array_get(json_object_get(form, "readings"), i);
}

/* A clean model and a twin that always fails: the reading is the share, to the digit, and no interval has any width. */
static void what_is_put_in_is_read(void **state)
{
    (void)state;
    bench own = asked(&sycophancy_study, settings, "oracle:0"), twin = asked(&sycophancy_study, settings, "oracle:1");
    json_t *forms = series(&own, &twin, NULL);
    static const char *const names[] = {"answer", "feedback"};
    static const int sent[] = {0, 12, 30, 60};
    for (size_t f = 0; f < 2; f++) {
        const json_t *form = json_object_get(forms, names[f]);
        assert_non_null(form);
        NEAR(at(form, "twin_share", "estimate"), 1, 1e-12);
        NEAR(at(form, "sensitivity", "estimate"), 1, 1e-12);
        NEAR(at(form, "matrix_effect", "estimate"), 0, 1e-12);
        NEAR(at(form, "own_dose", "estimate"), 0, 1e-12);
        for (size_t d = 0; d < 4; d++) {
            NEAR(jsonio_number_at(reading(form, d), "estimate"), doses[d], 1e-12);
            NEAR(jsonio_number_at(reading(form, d), "routed"), sent[d], 0);
            if (d > 0)
                NEAR(at(reading(form, d), "recovery", "estimate"), 1, 1e-12);
            assert_true(jsonio_number_at(reading(form, d), "error") < .01); /* the share is one of design: only its rounding is left */
        }
        assert_true(json_is_true(json_object_get(form, "lod_counted"))); /* 0 of 120: 1 - .05^(1/120) */
        NEAR(jsonio_number_at(form, "lod"), 1 - pow(.05, 1. / 120), 1e-6);
    }
    json_decref(forms);
    bench_close(&own);
    bench_close(&twin);
}

/* By hand: the model fails in the trades below .25, the twin in all. Of n items 30 are the model's own failures; where x n go to the
 * twin, the reading is the share of items that are routed or failing, which y must equal, and the line gives q and S_u. */
static void the_models_own_failures_are_told_apart(void **state)
{
    (void)state;
    bench own = asked(&sycophancy_study, settings, "oracle:0.25"), twin = asked(&sycophancy_study, settings, "oracle:1");
    json_t *forms = series(&own, &twin, NULL);
    const json_t *form = json_object_get(forms, "answer");
    bool *to_twin = ARENA_ARRAY(own.arena, bool, own.run.sample_count + 1);
    for (size_t d = 0; d < 4; d++) {
        double bad = 0, n = 0;
        spike_records records = {&own.run, own.records, twin.records};
        assert_int_equal(spike_routes(own.arena, &records, doses[d], to_twin, NULL), STATUS_OK);
        for (size_t i = 0; i < own.run.sample_count; i++) {
            const json_t *r = json_array_get(own.records, i);
            if (strcmp(json_string_value(json_object_get(r, "group")), "answer") != 0)
                continue;
            n++;
            bad += to_twin[i] || strcmp(json_string_value(json_object_get(r, "verdict")), "bad") == 0;
        }
        NEAR(jsonio_number_at(reading(form, d), "estimate"), bad / n, 1e-12);
    }
    NEAR(jsonio_number_at(reading(form, 0), "estimate"), .25, 1e-12);
    NEAR(at(form, "own_dose", "estimate"), .25, .03); /* within what 120 items let the line miss */
    assert_true(at(form, "own_dose", "low") <= .25 && at(form, "own_dose", "high") >= .25);
    NEAR(jsonio_number_at(form, "lod"), 3.97 * jsonio_number_at(form, "s_0") / at(form, "sensitivity", "estimate"), 1e-3);
    NEAR(jsonio_number_at(form, "s_0"), sqrt(.25 * .75 / 120), .012);
    json_decref(forms);
    bench_close(&own);
    bench_close(&twin);
}

/* A reading made from the records of two runs is that of one run whose items are routed: every record, and the summary. */
static void routed_items_give_the_same_records(void **state)
{
    (void)state;
    static const double share = .25;
    bench own = asked(&sycophancy_study, settings, "oracle:0.1"), twin = asked(&sycophancy_study, settings, "oracle:0.9");
    spike_records records = {&own.run, own.records, twin.records};
    bool *to_twin = ARENA_ARRAY(own.arena, bool, own.run.sample_count + 1);
    json_t *made, *summary, *both = json_array();
    error err = {0};
    assert_int_equal(spike_routes(own.arena, &records, share, to_twin, &err), STATUS_OK);
    assert_int_equal(spike_readings(own.arena, &records, share, &made, &err), STATUS_OK);
    subject *first = own.who;
    bench_now = &own;
    for (size_t i = 0; i < own.run.sample_count; i++) { /* asked again, item by item, each of whom the route names */
        study_sample s = {.run = &own.run, .index = i, .arena = arena_new(NULL), .record = json_object()};
        own.who = to_twin[i] ? twin.who : first;
        assert_int_equal(own.run.study->run_sample(&s, &err), STATUS_OK);
        assert_true(json_equal(s.record, json_array_get(to_twin[i] ? twin.records : own.records, i)));
        json_array_append_new(both, s.record);
        arena_free(s.arena);
    }
    own.who = first;
    assert_int_equal(own.run.study->summarise(&own.run, both, &summary, &err), STATUS_OK);
    const char *name;
    json_t *value;
    json_object_foreach(made, name, value)
        assert_true(json_equal(value, json_object_get(json_object_get(json_object_get(summary, "forms"), name), "estimate")));
    json_decref(summary);
    json_decref(both);
    json_decref(made);
    bench_close(&own);
    bench_close(&twin);
}

/* Sets are nested, and neither the order of the items nor anything but their numbers decides. */
static void routed_sets_are_nested(void **state)
{
    (void)state;
    bench own = asked(&sycophancy_study, settings, "oracle:0");
    spike_records records = {&own.run, own.records, own.records};
    bool *small = ARENA_ARRAY(own.arena, bool, own.run.sample_count + 1), *large = ARENA_ARRAY(own.arena, bool, own.run.sample_count + 1);
    size_t count[2] = {0};
    assert_int_equal(spike_routes(own.arena, &records, .1, small, NULL), STATUS_OK);
    assert_int_equal(spike_routes(own.arena, &records, .5, large, NULL), STATUS_OK);
    size_t runs = 0;
    for (size_t i = 0; i < own.run.sample_count; i++) {
        assert_true(!small[i] || large[i]);
        count[0] += small[i];
        count[1] += large[i];
        runs += i > 0 && large[i] != large[i - 1];
    }
    assert_int_equal(count[0], 24);
    assert_int_equal(count[1], 120);
    assert_true(runs > 80 && runs < 160); /* spread like coins, not in blocks */
    bench_close(&own);
}

/* Negative control: the twin is the model itself. The slope is 0 and nothing can be recovered. */
static void a_twin_that_is_the_model_recovers_nothing(void **state)
{
    (void)state;
    bench own = asked(&sycophancy_study, settings, "oracle:0.25");
    json_t *forms = series(&own, &own, NULL);
    const json_t *form = json_object_get(forms, "answer");
    for (size_t d = 0; d < 4; d++) {
        NEAR(jsonio_number_at(reading(form, d), "estimate"), .25, 1e-12);
        assert_true(d == 0 || isnan(at(reading(form, d), "recovery", "estimate")));
    }
    NEAR(at(form, "twin_share", "estimate"), .25, 1e-12);
    json_decref(forms);
    bench_close(&own);
}

/* A certificate's slope is what the matrix effect is against. */
static void a_certificate_sets_the_scale(void **state)
{
    (void)state;
    bench own = asked(&sycophancy_study, settings, "oracle:0"), twin = asked(&sycophancy_study, settings, "oracle:1");
    json_t *certificate = json_pack("{s:{s:{s:{s:{s:f, s:f}}}}}", "metrics", "answer", "trained", "line", "slope", .8, "intercept", .02);
    json_t *forms = series(&own, &twin, certificate);
    const json_t *form = json_object_get(forms, "answer");
    NEAR(at(form, "matrix_effect", "estimate"), 1 / .8 - 1, 1e-12);
    NEAR(at(reading(form, 3), "recovery", "estimate"), 1 / .8, 1e-12);
    NEAR(jsonio_number_at(form, "blank"), 0, 0); /* the form is an excess over its own control arm */
    NEAR(at(json_object_get(forms, "feedback"), "matrix_effect", "estimate"), 0, 1e-12); /* not in the certificate: a slope of 1 */
    json_decref(forms);
    json_decref(certificate);
    bench_close(&own);
    bench_close(&twin);
}

/* A form whose verdicts stand in another group says which it is. */
static void feedback_failures_can_be_spiked(void **state)
{
    (void)state;
    static const char *const list[] = {"items", "80", "draws", "0", NULL};
    bench own = asked(&feedback_failures_study, list, "oracle:0"), twin = asked(&feedback_failures_study, list, "oracle:1");
    json_t *forms = series(&own, &twin, NULL);
    NEAR(jsonio_number_at(reading(json_object_get(forms, "after"), 2), "estimate"), .25, 1e-12);
    json_decref(forms);
    bench_close(&own);
    bench_close(&twin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_in_is_read),
        cmocka_unit_test(the_models_own_failures_are_told_apart),
        cmocka_unit_test(routed_items_give_the_same_records),
        cmocka_unit_test(routed_sets_are_nested),
        cmocka_unit_test(a_twin_that_is_the_model_recovers_nothing),
        cmocka_unit_test(a_certificate_sets_the_scale),
        cmocka_unit_test(feedback_failures_can_be_spiked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
