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

/* `draws` may be NULL. */
static json_t *series_of(bench *own, bench *twin, const json_t *certificate, spike_draws *draws)
{
    run_request request = {.seed = 5};
    spike_options o = {.study = own->run.study, .params = own->params, .model = "own", .doses = doses, .dose_count = 4, .certificate = certificate,
                       .request = &request};
    json_t *forms;
    error err = {0};
    if (spike_forms(own->arena, &o, &(spike_records){&own->run, own->records, twin->records}, &forms, draws, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return forms;
}

static json_t *series(bench *own, bench *twin, const json_t *certificate)
{
    return series_of(own, twin, certificate, NULL);
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
            NEAR(jsonio_number_at(reading(form, d), "error"), 0, 1e-12); /* the share is one of design, and nothing else varies */
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
    NEAR(jsonio_number_at(form, "s_0"), sqrt(.25 * .75 / 120), .002);
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
    NEAR(at(form, "slope", "estimate"), 0, 1e-12);
    assert_true(at(form, "slope", "low") <= 0 && at(form, "slope", "high") >= 0);
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

/* ---- records written by hand ------------------------------------------------------------------------------------- */

enum { GIVEN = 300 };

static status given_prepare(study_run *run, error *err)
{
    (void)err;
    run->sample_count = GIVEN;
    return STATUS_OK;
}

static status count_bad(const study_run *run, const json_t *records, json_t **summary, error *err)
{
    double bad = 0, n = 0;
    (void)run, (void)err;
    for (size_t i = 0; i < json_array_size(records); i++) {
        const char *word = json_string_value(json_object_get(json_array_get(records, i), "verdict"));
        n += word != NULL;
        bad += word && strcmp(word, "bad") == 0;
    }
    *summary = json_pack("{s:{s:{s:f}}}", "forms", "given", "estimate", bad / n);
    return STATUS_OK;
}

/* Calls something an excess that it does not say how to count. */
static status say_excess(const study_run *run, const json_t *records, json_t **summary, error *err)
{
    status s = count_bad(run, records, summary, err);
    json_t *form = json_object_get(json_object_get(*summary, "forms"), "given");
    json_object_set(form, "excess", json_object_get(form, "estimate"));
    return s;
}

static const study given_study = {.name = "given", .prepare = given_prepare, .summarise = count_bad};
static const study secret_study = {.name = "secret", .prepare = given_prepare, .summarise = say_excess};

static json_t *verdicts_of(const bool *bad)
{
    json_t *records = json_array();
    for (size_t i = 0; i < GIVEN; i++)
        json_array_append_new(records, json_pack("{s:s, s:s}", "group", "given", "verdict", bad[i] ? "bad" : "good"));
    return records;
}

static bench given(const study *what, const bool *bad)
{
    bench b = {.arena = arena_new(NULL), .run = {.study = what, .seed = 5, .sample_count = GIVEN}, .records = verdicts_of(bad)};
    return b;
}

/* out[rank]: the item of this place in the order in which items are routed. */
static void routing_order(size_t *out)
{
    static const bool none[GIVEN];
    bench b = given(&given_study, none);
    spike_records records = {&b.run, b.records, b.records};
    bool before[GIVEN] = {false}, now[GIVEN];
    for (size_t r = 0; r < GIVEN; r++) {
        assert_int_equal(spike_routes(b.arena, &records, (double)(r + 1) / GIVEN, now, NULL), STATUS_OK);
        for (size_t i = 0; i < GIVEN; i++)
            if (now[i] && !before[i])
                out[r] = i;
        memcpy(before, now, sizeof before);
    }
    bench_close(&b);
}

/* The worked example of the page (instrument_calibration.md 3.5): n = 300, y = (.04, .13, .25, .46), t = .95, b0 = .01, S_c = .97, from
 * records that read so. With o of the model's own 12 failures and m of the twin's 15 misses among the first k items, y = (12 - o + k - m)/300:
 * (o, m) = (2, 1), (4, 8), (9, 15) at k = 30, 75, 150. */
static void the_worked_example_of_the_page(void **state)
{
    (void)state;
    static const struct {
        size_t from, to, own, missed;
    } parts[] = {{0, 30, 2, 1}, {30, 75, 2, 7}, {75, 150, 5, 7}, {150, 300, 3, 0}};
    bool own_bad[GIVEN] = {false}, twin_bad[GIVEN];
    size_t order[GIVEN];
    routing_order(order);
    for (size_t p = 0; p < 4; p++)
        for (size_t r = parts[p].from; r < parts[p].to; r++) {
            own_bad[order[r]] = r - parts[p].from < parts[p].own;
            twin_bad[order[r]] = parts[p].to - r > parts[p].missed;
        }
    bench own = given(&given_study, own_bad), twin = given(&given_study, twin_bad);
    json_t *certificate = json_pack("{s:{s:{s:{s:{s:f, s:f}}}}}", "metrics", "given", "trained", "line", "slope", .97, "intercept", .01);
    json_t *forms = series(&own, &twin, certificate);
    const json_t *form = json_object_get(forms, "given");
    static const double y[] = {.04, .13, .25, .46}, recovered[] = {NAN, 1.010, .942, .942};
    for (size_t d = 0; d < 4; d++) {
        NEAR(jsonio_number_at(reading(form, d), "estimate"), y[d], 1e-12);
        if (d > 0)
            NEAR(at(reading(form, d), "recovery", "estimate"), recovered[d], .0005);
    }
    NEAR(at(form, "twin_share", "estimate"), .95, 1e-12);
    NEAR(at(form, "slope", "estimate"), .8352, .00005);
    NEAR(at(form, "sensitivity", "estimate"), .9134, .00005);
    NEAR(at(form, "matrix_effect", "estimate"), -.058, .0005);
    NEAR(at(form, "own_dose", "estimate"), .0356, .00005);
    NEAR(jsonio_number_at(form, "blank"), .01, 1e-12);
    NEAR(jsonio_number_at(form, "s_0"), .0113, .0008); /* by drawing, not by the formula */
    NEAR(jsonio_number_at(form, "lod"), .0492, .0035);
    assert_true(at(form, "slope", "low") > 0 && at(form, "sensitivity", "low") < .9134 && at(form, "sensitivity", "high") > .9134);
    json_t *again = series(&own, &twin, certificate);
    assert_true(json_equal(forms, again)); /* the draws have addresses */
    json_decref(again);
    json_decref(forms);
    json_decref(certificate);
    bench_close(&own);
    bench_close(&twin);
}

/* The spread that the draws must find, in closed form: n1 items are the twin's and fail with t1, n0 the model's own with q0, so
 * Var(y) = (n1 t1 (1 - t1) + n0 q0 (1 - q0)) / n^2; and of the slope, whose weights w_i on the readings of an item are known, by the sum of
 * the items' variances. */
static void intervals_have_the_known_variance(void **state)
{
    (void)state;
    bool own_bad[GIVEN], twin_bad[GIVEN];
    size_t order[GIVEN];
    routing_order(order);
    for (size_t r = 0; r < GIVEN; r++) { /* independent of each other, and the same shares everywhere in the order */
        own_bad[order[r]] = r % 5 == 0;
        twin_bad[order[r]] = r % 10 != 3;
    }
    bench own = given(&given_study, own_bad), twin = given(&given_study, twin_bad);
    json_t *forms = series(&own, &twin, NULL);
    const json_t *form = json_object_get(forms, "given");
    for (size_t d = 0; d < 4; d++) {
        const json_t *r = reading(form, d);
        double n1 = jsonio_number_at(r, "routed"), sd = sqrt(n1 * .9 * .1 + (GIVEN - n1) * .2 * .8) / GIVEN;
        NEAR(jsonio_number_at(r, "error"), sd, .08 * sd);
        NEAR(jsonio_number_at(r, "high") - jsonio_number_at(r, "low"), 3.92 * sd, .15 * 3.92 * sd);
    }
    double sd = sqrt(.9 * .1 / GIVEN);
    NEAR(at(form, "twin_share", "error"), sd, .08 * sd);
    /* slope: sum_d c_d y_d with c_d = (x_d - mean)/Sxx; an item of rank share r adds (1/n) sum_d c_d (x_d > r ? t : q) */
    double c[4], mean = .2125, sxx = 0, variance = 0;
    for (size_t d = 0; d < 4; d++)
        sxx += (doses[d] - mean) * (doses[d] - mean);
    for (size_t d = 0; d < 4; d++)
        c[d] = (doses[d] - mean) / sxx;
    for (size_t r = 0; r < GIVEN; r++) {
        double on_twin = 0, on_own = 0;
        for (size_t d = 0; d < 4; d++)
            *((double)r < doses[d] * GIVEN ? &on_twin : &on_own) += c[d];
        variance += on_twin * on_twin * .9 * .1 + on_own * on_own * .2 * .8;
    }
    sd = sqrt(variance) / GIVEN;
    NEAR(at(form, "slope", "error"), sd, .1 * sd);
    json_decref(forms);
    bench_close(&own);
    bench_close(&twin);
}

/* An excess that does not add up from what the study says of its items cannot be read of items drawn again, and is not. */
static void an_excess_that_is_not_of_items_is_refused(void **state)
{
    (void)state;
    bool own_bad[GIVEN] = {false}, twin_bad[GIVEN];
    for (size_t i = 0; i < GIVEN; i++)
        twin_bad[i] = true;
    bench own = given(&secret_study, own_bad), twin = given(&secret_study, twin_bad);
    run_request request = {.seed = 5};
    spike_options o = {.study = &secret_study, .model = "own", .doses = doses, .dose_count = 4, .request = &request};
    json_t *forms;
    error err = {0};
    assert_int_equal(spike_forms(own.arena, &o, &(spike_records){&own.run, own.records, twin.records}, &forms, NULL, &err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "its items add up to"));
    bench_close(&own);
    bench_close(&twin);
}

/* A twin of which nothing can be graded has no share, and its series is there all the same, with nothing in it. */
static void a_twin_that_cannot_be_read_is_shown(void **state)
{
    (void)state;
    bool none[GIVEN] = {false};
    bench own = given(&given_study, none), twin = given(&given_study, none);
    for (size_t i = 0; i < GIVEN; i++)
        json_object_set_new(json_array_get(twin.records, i), "verdict", json_string("unreadable"));
    json_t *forms = series(&own, &twin, NULL);
    const json_t *form = json_object_get(forms, "given");
    assert_non_null(form);
    assert_true(isnan(at(form, "twin_share", "estimate")) && isnan(at(form, "sensitivity", "estimate")));
    NEAR(jsonio_number_at(reading(form, 0), "estimate"), 0, 1e-12);
    json_decref(forms);
    bench_close(&own);
    bench_close(&twin);
}

/* Two twins that fail in the same share of the items, of which the study reads the one in full and half of the other: they disagree. Two
 * that are read alike agree, though they fail in other items. */
static void twins_agree_within_their_intervals_or_not(void **state)
{
    (void)state;
    bool none[GIVEN] = {false}, first[GIVEN], second[GIVEN];
    for (size_t i = 0; i < GIVEN; i++) {
        first[i] = i % 10 != 0;
        second[i] = i % 10 != 5;
    }
    bench own = given(&given_study, none), a = given(&given_study, first), b = given(&given_study, second);
    spike_draws draws[2];
    json_decref(series_of(&own, &a, NULL, &draws[0]));
    json_decref(series_of(&own, &b, NULL, &draws[1]));
    json_t *agreement = spike_agreement(&draws[0], &draws[1]);
    assert_true(at(agreement, "given", "low") <= 0 && at(agreement, "given", "high") >= 0);
    assert_true(at(agreement, "given", "high") > at(agreement, "given", "low"));
    json_decref(agreement);
    for (size_t r = 0; r < SPIKE_RESAMPLES; r++) /* as if half of the failures were read */
        draws[1].forms[0].draws[r] /= 2;
    agreement = spike_agreement(&draws[0], &draws[1]);
    assert_true(at(agreement, "given", "low") > 0);
    json_decref(agreement);
    bench_close(&own);
    bench_close(&a);
    bench_close(&b);
}

/* Negative control: which items the twin really answered is forgotten, and labels are dealt out anew. The slope's interval covers 0. */
static void permuted_labels_have_no_slope(void **state)
{
    (void)state;
    bool own_bad[GIVEN], mixed_bad[GIVEN];
    size_t order[GIVEN];
    routing_order(order);
    for (size_t r = 0; r < GIVEN; r++)
        own_bad[order[r]] = false;
    for (size_t r = 0; r < GIVEN; r++) /* half of all items fail, the first and the last in the order of routing alike */
        mixed_bad[order[r]] = own_bad[order[r]] = r % 2;
    for (size_t r = 0; r + 1 < GIVEN; r += 2) { /* the twin's answers belong to other items */
        bool kept = mixed_bad[order[r]];
        mixed_bad[order[r]] = mixed_bad[order[r + 1]];
        mixed_bad[order[r + 1]] = kept;
    }
    bench own = given(&given_study, own_bad), twin = given(&given_study, mixed_bad);
    json_t *forms = series(&own, &twin, NULL);
    const json_t *form = json_object_get(forms, "given");
    assert_true(at(form, "slope", "low") < 0 && at(form, "slope", "high") > 0);
    assert_true(isnan(at(reading(form, 3), "recovery", "estimate")));
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
        cmocka_unit_test(the_worked_example_of_the_page),
        cmocka_unit_test(intervals_have_the_known_variance),
        cmocka_unit_test(an_excess_that_is_not_of_items_is_refused),
        cmocka_unit_test(a_twin_that_cannot_be_read_is_shown),
        cmocka_unit_test(twins_agree_within_their_intervals_or_not),
        cmocka_unit_test(permuted_labels_have_no_slope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
