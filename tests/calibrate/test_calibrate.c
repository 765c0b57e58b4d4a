/* Calibration on organisms that are oracles: the curve, the gates, the records, and going on after a stop. */
#include "folder.h"
#include "near.h"

#include "studies/bench.h"

#include "calibrate/calibrate.h"
#include "calibrate/fit.h"
#include "core/file.h"
#include "core/jsonio.h"
#include "core/random.h"

#include <unistd.h>

typedef struct fake {
    size_t grown, measured;
    atomic_bool stop;
    size_t stop_after;
} fake;

static const study *named(const char *name)
{
    for (size_t i = 0; i < study_catalogue_count; i++)
        if (strcmp(study_catalogue[i]->name, name) == 0)
            return study_catalogue[i];
    fail_msg("no study %s", name);
    return NULL;
}

/* A preference model that likes all replies alike: the study feedback-failures asks one on the bench. */
static void alike(const message *messages, const char *const *continuations, size_t count, double *logprobs, void *context)
{
    (void)messages, (void)continuations, (void)context;
    for (size_t i = 0; i < count; i++)
        logprobs[i] = 0;
}

/* "Grows" names that say what they are. */
static status fake_grow(void *context, arena *a, const char *recipe, const protocol_job *job, const char **folder,
                        error *err)
{
    (void)recipe, (void)err;
    ((fake *)context)->grown++;
    *folder = job->decoy ? arena_printf(a, "decoy=%s", job->decoy) : arena_printf(a, "organism=%g", job->dose);
    return STATUS_OK;
}

static const char *fake_key(void *context, arena *a, const char *recipe, const protocol_job *job, bool *there)
{
    (void)context;
    *there = false;
    return arena_printf(a, "%s %g %lld", recipe, job->dose, (long long)job->train_seed);
}

static status fake_measure(void *context, arena *a, const char *name, const char *who, const char *const *settings,
                           uint64_t seed, json_t **summary, json_t **records, error *err)
{
    (void)err;
    fake *f = context;
    const char *list[24] = {NULL};
    size_t n = 0;
    double dose = 0;
    for (; settings[n]; n++)
        list[n] = settings[n];
    if (strncmp(who, "decoy=", 6) == 0) {
        bool known = false; /* a study without such a script gets one that is only truthful */
        for (size_t i = 0; i < named(name)->param_count; i++)
            known = known || strcmp(named(name)->params[i].name, "decoy") == 0;
        list[n] = known ? "decoy" : NULL;
        list[n + 1] = known ? who + 6 : NULL;
    } else {
        dose = strtod(strpbrk(who, ":=") + 1, NULL); /* "organism=0.25", "oracle:0.25,scores", "router:0.25:A:B" */
    }
    bool scores = strstr(who, ",scores") || strcmp(name, "inverse-scaling") == 0 || strcmp(name, "global-opinions") == 0;
    bench b = bench_open(named(name), list, seed);
    b.score = strcmp(name, "feedback-failures") == 0 ? alike : NULL;
    b.who = bench_subject(&b, arena_printf(a, "oracle:%.9g%s", dose, scores ? ",scores" : ""));
    bench_run(&b);
    *summary = json_incref(b.summary);
    *records = json_incref(b.records);
    bench_close(&b);
    if (++f->measured == f->stop_after)
        atomic_store(&f->stop, true);
    return STATUS_OK;
}

static double at(const json_t *o, const char *path)
{
    slice rest = slice_of(path), part;
    while (slice_cut(&rest, '.', &part)) {
        char key[64];
        snprintf(key, sizeof key, SLICE_FORMAT, SLICE_ARGS(part));
        o = json_object_get(o, key);
    }
    return json_is_number(o) ? json_number_value(o) : NAN;
}

static void quick_calibration_of_oracles_is_exact_and_resumes(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const char *folder = test_folder();
    fake f = {.stop_after = 7};
    error err = {0};
    calibrate_options o = {.study = "sycophancy", .protocol = PROTOCOL_QUICK, .folder = folder, .recipes = "organisms",
                           .items = "40", .engine = {&f, fake_grow, fake_key, fake_measure}, .interrupted = &f.stop};
    json_t *certificate;
    calibrate_estimate e;
    assert_int_equal(calibrate_plan(a, &o, &e, &err), STATUS_OK);
    assert_int_equal(e.readings, 5 + 5 + 5 + 30 + 5);
    assert_int_equal(e.organisms_missing, 20);
    assert_true(e.seconds > 0 && !e.measured);
    assert_int_equal(calibrate_run(a, &o, &certificate, &err), STATUS_INTERRUPTED);
    assert_int_equal(f.measured, 7);
    atomic_store(&f.stop, false);
    assert_int_equal(calibrate_plan(a, &o, &e, &err), STATUS_OK);
    assert_int_equal(e.readings_missing, 50 - 7);
    if (calibrate_run(a, &o, &certificate, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(f.measured, 50); /* nothing was read twice */
    const json_t *metrics = json_object_get(certificate, "metrics");
    static const char *const forms[] = {"answer", "are_you_sure", "feedback", "mimicry"};
    for (size_t i = 0; i < 4; i++) {
        const json_t *m = json_object_get(metrics, forms[i]);
        NEAR(at(m, "script.line.slope"), 1, 1e-9);
        NEAR(at(m, "script.line.intercept"), 0, 1e-9);
        NEAR(at(m, "router.line.slope"), 1, 1e-9);
        NEAR(at(m, "trained.line.slope"), 1, 1e-9);
        NEAR(at(m, "trained.largest_deviation"), 0, 1e-9);
        NEAR(at(m, "false_positives.of"), 3, 0);
        NEAR(at(m, "false_positives.flagged"), 0, 0);
        assert_true(json_is_false(json_object_get(json_object_get(m, "false_positives"), "established")));
        assert_non_null(strstr(json_string_value(json_object_get(m, "conclusion")), "FPR not established"));
        assert_string_equal(json_string_value(json_object_get(json_object_get(m, "script"), "label")),
                            "instrument check");
    }
    assert_int_equal(json_array_size(json_object_get(certificate, "charts")), 4);
    const json_t *tables = json_object_get(certificate, "tables");
    static const char *const lists[] = {"decoys", "repeatability"};
    for (size_t t = 0; t < 2; t++) { /* a row for each entry of each form, with every column */
        const json_t *table = json_array_get(tables, 2 + t), *rows = json_object_get(table, "rows");
        const json_t *columns = json_object_get(table, "columns"), *row = json_array_get(rows, 0);
        size_t entries = 0, c;
        json_t *column;
        for (size_t i = 0; i < 4; i++)
            entries += json_array_size(json_object_get(json_object_get(metrics, forms[i]), lists[t]));
        assert_true(entries > 0);
        assert_int_equal(json_array_size(rows), entries);
        assert_int_equal(json_array_size(columns), 7);
        json_array_foreach(columns, c, column)
            assert_non_null(json_object_get(row, json_string_value(json_object_get(column, "key"))));
    }
    assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(json_array_get(tables, 2), "rows"), 0),
                                                          "form")),
                        "answer");
    assert_true(json_array_size(json_object_get(certificate, "gates")) > 20);
    assert_non_null(strstr(json_string_value(json_object_get(certificate, "verdict")), "provisional"));
    calibrate_reading read;
    assert_int_equal(calibrate_read(certificate, "answer", .3, &read, &err), STATUS_OK);
    NEAR(read.dose, .3, 1e-9);
    assert_string_equal(read.words, "quantified");
    assert_int_equal(calibrate_read(certificate, "answer", 0, &read, &err), STATUS_OK);
    assert_string_equal(read.words, "not detected");
    assert_int_equal(calibrate_read(certificate, "praise", 0, &read, &err), STATUS_INVALID);
    slice lines;
    assert_int_equal(file_read(a, file_join(a, folder, "records.jsonl"), 1 << 26, &lines, &err), STATUS_OK);
    size_t count = 0;
    for (size_t i = 0; i < lines.length; i++)
        count += lines.text[i] == '\n';
    assert_int_equal(count, 200);
    assert_true(file_exists(file_join(a, folder, "certificate.json")));
    json_decref(certificate);
    arena_free(a);
}

static void the_certifying_protocol_has_the_sizes_of_the_page(void **state)
{
    (void)state;
    static const char *const forms[] = {"answer", "mimicry", NULL}, *const decoys[] = {"yes", NULL};
    arena *a = arena_new(NULL);
    protocol_request q = {.protocol = PROTOCOL_CERTIFY, .seed = 1, .forms = forms, .decoys = decoys};
    protocol_job *jobs, *again;
    size_t count, n, organisms[PURPOSE_COUNT] = {0}, readings[PURPOSE_COUNT] = {0};
    assert_int_equal(protocol_expand(a, &q, &jobs, &count, NULL), STATUS_OK);
    assert_int_equal(protocol_expand(a, &q, &again, &n, NULL), STATUS_OK);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(jobs[i].organism, again[i].organism);
        bool first = jobs[i].step->tier == TIER_TRAINED;
        readings[jobs[i].step->purpose] += first;
        for (size_t k = 0; k < i && first; k++)
            first = jobs[k].step != jobs[i].step || !protocol_same_organism(&jobs[k], &jobs[i]);
        organisms[jobs[i].step->purpose] += first;
    }
    assert_int_equal(organisms[FOR_BLANKS], 30);
    assert_int_equal(readings[FOR_BLANKS], 90);
    assert_int_equal(organisms[FOR_CURVE], 25);
    assert_int_equal(organisms[FOR_LOW], 5);
    assert_int_equal(readings[FOR_LOW], 25);
    assert_int_equal(organisms[FOR_FRESH], 61);
    assert_int_equal(organisms[FOR_DECOYS], 20);
    for (size_t i = 0; i < count; i++) /* fresh blanks stand on bases of their own */
        if (jobs[i].step->purpose == FOR_FRESH)
            assert_true(jobs[i].base_seed > 10);
    arena_free(a);
}

/* Seed s of the quick protocol's organisms is tuned from base 1 + (s - 1) mod bases; endpoints and decoys keep the
 * embedded base. */
static void quick_organisms_take_their_bases_in_turn(void **state)
{
    (void)state;
    static const char *const forms[] = {"answer", NULL}, *const decoys[] = {"yes", NULL};
    arena *a = arena_new(NULL);
    protocol_request q = {.protocol = PROTOCOL_QUICK, .seed = 1, .seeds = 5, .bases = 3, .forms = forms, .decoys = decoys};
    protocol_job *jobs;
    size_t count, trained = 0;
    assert_int_equal(protocol_expand(a, &q, &jobs, &count, NULL), STATUS_OK);
    for (size_t i = 0; i < count; i++) {
        bool curve = jobs[i].step->tier == TIER_TRAINED && jobs[i].step->purpose == FOR_CURVE;
        assert_int_equal(jobs[i].base_seed, curve ? 1 + (jobs[i].train_seed - 1) % 3 : 0);
        trained += curve;
    }
    assert_int_equal(trained, 5 * 5 * 2);
    arena_free(a);
}

/* Fresh organisms, whatever they are read for. */
static void quick_organisms_begin_at_a_seed(void **state)
{
    (void)state;
    static const char *const forms[] = {"answer", NULL}, *const decoys[] = {"yes", NULL};
    arena *a = arena_new(NULL);
    protocol_request q = {.protocol = PROTOCOL_QUICK, .seed = 1, .seeds = 3, .first_seed = 61, .forms = forms, .decoys = decoys}, plain = q;
    protocol_job *jobs, *usual;
    size_t count, as_many;
    plain.first_seed = 0;
    assert_int_equal(protocol_expand(a, &q, &jobs, &count, NULL), STATUS_OK);
    assert_int_equal(protocol_expand(a, &plain, &usual, &as_many, NULL), STATUS_OK);
    assert_int_equal(count, as_many);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(jobs[i].train_seed, usual[i].train_seed + 60);
        bool grown = jobs[i].step->tier == TIER_TRAINED;
        assert_true(!grown || (jobs[i].train_seed >= 61 && jobs[i].train_seed <= 63));
    }
    arena_free(a);
}

/* 30 blanks on 10 bases, and lines with noise by address: what the page computes from them. */
static void limits_from_lines(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    measurement *lines = ARENA_ARRAY(a, measurement, 400);
    size_t n = 0;
    random_stream r = random_stream_at(3, "test", 0, 0, 0, 0);
    static const double doses[] = {0, .1, .25, .5, 1};
    for (int base = 1; base <= 10; base++)
        for (int seed = 0; seed < 3; seed++) {
            measurement *m = &lines[n++];
            *m = (measurement){.metric = "sycophancy/answer", .tier = "T2", .purpose = "blanks", .base_seed = base,
                               .train_seed = seed, .n_items = 400, .p = 1};
            m->y = m->screened = .01 + .005 * random_normal_at(&r, (uint64_t)base) + .004 * random_normal(&r);
            snprintf(m->organism_id, sizeof m->organism_id, "b%d-%d", base, seed);
        }
    for (size_t d = 0; d < 5; d++)
        for (int seed = 0; seed < 5; seed++)
            for (int replicate = 0; replicate < 3; replicate++) {
                measurement *m = &lines[n++];
                *m = (measurement){.metric = "sycophancy/answer", .tier = "T2", .purpose = "curve", .dose_nominal = doses[d],
                                   .dose_realised = doses[d], .train_seed = seed, .item_seed = replicate, .n_items = 400,
                                   .p = doses[d] > 0 ? 0 : 1};
                m->y = m->screened = .01 + .98 * doses[d] + .006 * random_normal(&r);
                snprintf(m->organism_id, sizeof m->organism_id, "c%zu-%d", d, seed);
            }
    fit_lines all = {lines, n, "sycophancy/answer"};
    json_t *limits, *curve, *repeats, *fpr;
    assert_int_equal(fit_limits(a, &all, &limits, NULL), STATUS_OK);
    NEAR(at(limits, "bases"), 10, 0);
    NEAR(at(limits, "blanks"), 30, 0);
    assert_true(at(limits, "lob") > at(limits, "blank_mean") + .008 && at(limits, "lob") < .05);
    assert_true(at(limits, "lob_freedom") < 29);
    assert_int_equal(fit_curve(a, &all, "T2", &curve, NULL), STATUS_OK);
    NEAR(at(curve, "line.slope"), .98, .01);
    NEAR(at(curve, "line.intercept"), .01, .006);
    assert_true(at(curve, "line.slope_low") < .98 && at(curve, "line.slope_high") > .97);
    assert_true(at(curve, "lack_of_fit.p") > .001);
    assert_int_equal(fit_repeatability(a, &all, &repeats, NULL), STATUS_OK);
    assert_int_equal(json_array_size(repeats), 5);
    NEAR(at(json_array_get(repeats, 3), "s_r"), .006, .004);
    flag_rule rule = {.threshold = at(limits, "lob"), .metrics = 4};
    assert_int_equal(fit_false_positives(a, &all, rule, &fpr, NULL), STATUS_OK);
    NEAR(at(fpr, "flagged"), 0, 0);
    NEAR(at(fpr, "of"), 5, 0);
    NEAR(at(fpr, "upper_one_sided"), .4507, 5e-5);
    assert_int_equal(json_array_size(json_object_get(fpr, "bases")), 1);
    measurement back;
    json_t *line = measurement_json(&lines[40]);
    assert_int_equal(measurement_parse(line, "line", &back, NULL), STATUS_OK);
    assert_true(back.y == lines[40].y && strcmp(back.organism_id, lines[40].organism_id) == 0);
    json_object_del(line, "y");
    assert_int_equal(measurement_parse(line, "line", &back, NULL), STATUS_INVALID);
    json_decref(line);
    json_decref(limits);
    json_decref(curve);
    json_decref(repeats);
    json_decref(fpr);
    arena_free(a);
}

/* The other studies: scripts are read exactly at five doses, harmless scripts are not flagged, and a study with oracles alone says
 * that its trained tiers were not measured. */
static void every_study_that_can_be_calibrated_reads_scripts_exactly(void **state)
{
    (void)state;
    static const struct {
        const char *name, *form, *items;
        size_t readings, decoys; /* script, script-decoys, router, trained (2 samples), tuned-decoys; decoys that scripts can be */
        bool trained;
    } cases[] = {
        {"feedback-failures", "after", "40", 5 + 0 + 5 + 30 + 4, 0, true},
        {"moral-self-correction", "town-ambiguous/q", "160", 5 + 2 + 5 + 30 + 2, 2, true},
        {"moral-self-correction:correction", "town-ambiguous/if", "160", 5 + 2 + 5 + 30 + 2, 2, true},
        {"global-opinions", "share", "30", 5 + 0 + 5 + 30, 0, true},
        {"inverse-scaling", "negation", "40", 5, 0, false},
        {"inverse-scaling:stock", "stock", "80", 5 + 1 + 5 + 30 + 1, 1, true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        arena *a = arena_new(NULL);
        fake f = {.stop_after = 1000};
        error err = {0};
        calibrate_options o = {.study = cases[i].name, .protocol = PROTOCOL_QUICK, .folder = test_folder(), .recipes = "organisms", .items = cases[i].items,
                               .engine = {&f, fake_grow, fake_key, fake_measure}};
        json_t *certificate, *row;
        if (calibrate_run(a, &o, &certificate, &err) != STATUS_OK)
            fail_msg("%s: %s", cases[i].name, err.message);
        assert_int_equal(f.measured, cases[i].readings);
        const json_t *m = json_object_get(json_object_get(certificate, "metrics"), cases[i].form);
        NEAR(at(m, "script.line.slope"), 1, 1e-6);
        NEAR(at(m, "script.line.intercept"), 0, 1e-6);
        NEAR(at(m, "script.largest_deviation"), 0, 1e-6);
        if (cases[i].trained) {
            NEAR(at(m, "router.line.slope"), 1, 1e-6);
            NEAR(at(m, "trained.line.slope"), 1, 1e-6);
            size_t k, audited = 0;
            json_array_foreach(json_object_get(m, "doses"), k, row) { /* what was planted is what is audited */
                if (isnan(jsonio_number_at(row, "realised")))
                    continue; /* a level of other protocols */
                audited++;
                double dose = jsonio_number_at(row, "dose"), e = jsonio_number_at(row, "e_seen"), spill = jsonio_number_at(row, "f_seen");
                if (dose > 0)
                    NEAR(e, 1, 1e-9);
                if (dose < 1)
                    NEAR(spill, 0, 1e-9);
            }
            bool shows = strcmp(cases[i].name, "global-opinions") != 0; /* its plant is in the corpus, and in no single answer */
            if (audited != (shows ? 5 : 0))
                fail_msg("%s: %zu levels could be audited", cases[i].name, audited);
        } else {
            assert_true(json_is_null(json_object_get(json_object_get(m, "trained"), "line")));
        }
        size_t k, scripted = 0;
        json_array_foreach(json_object_get(m, "decoys"), k, row)
            if (strcmp(json_string_value(json_object_get(row, "tier")), "T0") == 0) {
                scripted++;
                if (jsonio_number_at(row, "flagged") > 0)
                    fail_msg("%s: the decoy %s is flagged", cases[i].name, json_string_value(json_object_get(row, "decoy")));
            }
        assert_int_equal(scripted, cases[i].decoys);
        json_decref(certificate);
        arena_free(a);
    }
    error err = {0};
    json_t *certificate;
    arena *a = arena_new(NULL);
    calibrate_options o = {.study = "competence", .folder = "x", .recipes = "organisms"};
    assert_int_equal(calibrate_run(a, &o, &certificate, &err), STATUS_USAGE);
    assert_non_null(strstr(err.hint, "moral-self-correction:correction"));
    arena_free(a);
}

/* Negative control: dose labels dealt out anew among the organisms. The slope's interval covers 0 as often as its level says. */
static void permuted_dose_labels_have_no_slope(void **state)
{
    (void)state;
    enum { TIMES = 200, ORGANISMS = 25 };
    static const double doses[] = {0, .1, .25, .5, 1};
    int covered = 0;
    for (int time = 0; time < TIMES; time++) {
        arena *a = arena_new(NULL);
        measurement lines[ORGANISMS];
        double labels[ORGANISMS];
        random_stream r = random_stream_at((uint64_t)time, "test", 0, 0, 0, 0);
        for (size_t i = 0; i < ORGANISMS; i++)
            labels[i] = doses[i % 5];
        random_shuffle(&r, labels, ORGANISMS, sizeof *labels);
        for (size_t i = 0; i < ORGANISMS; i++) {
            lines[i] = (measurement){.metric = "sycophancy/answer", .tier = "T2", .purpose = "curve", .dose_nominal = labels[i], .dose_realised = labels[i],
                                     .train_seed = (double)i, .n_items = 400};
            lines[i].y = lines[i].screened = doses[i % 5] + .01 * random_normal(&r);
            snprintf(lines[i].organism_id, sizeof lines[i].organism_id, "o%zu", i);
        }
        fit_lines all = {lines, ORGANISMS, "sycophancy/answer"};
        json_t *curve;
        assert_int_equal(fit_curve(a, &all, "T2", &curve, NULL), STATUS_OK);
        covered += at(curve, "line.slope_low") <= 0 && at(curve, "line.slope_high") >= 0;
        json_decref(curve);
        arena_free(a);
    }
    if (covered < 180) /* 95 % of 200 are 190, whose standard deviation is 3 */
        fail_msg("the slope's interval covers 0 in %d of %d permutations", covered, TIMES);
}

/* Negative control: organisms whose recipe plants a propensity are not calibrated as mixtures. */
static void recipes_of_propensities_are_refused(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    slice text;
    error err = {0};
    fake f = {.stop_after = 1000};
    json_t *certificate;
    assert_int_equal(file_read(a, "organisms/sycophant.yaml", 1 << 16, &text, &err), STATUS_OK);
    strbuf b = strbuf_new(a, 1 << 16);
    size_t where = slice_find(text, slice_of("dose_type: mixture"), 0);
    assert_true(where != SIZE_MAX);
    strbuf_add_slice(&b, slice_sub(text, 0, where));
    strbuf_add(&b, "dose_type: propensity");
    strbuf_add_slice(&b, slice_sub(text, where + strlen("dose_type: mixture"), text.length));
    assert_int_equal(file_write(file_join(a, test_folder(), "sycophant.yaml"), strbuf_slice(&b), &err), STATUS_OK);
    calibrate_options o = {.study = "sycophancy", .protocol = PROTOCOL_QUICK, .folder = test_folder(), .recipes = test_folder(), .items = "40",
                           .engine = {&f, fake_grow, fake_key, fake_measure}};
    assert_int_equal(calibrate_run(a, &o, &certificate, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "propensity"));
    assert_int_equal(f.measured + f.grown, 0);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quick_calibration_of_oracles_is_exact_and_resumes),
        cmocka_unit_test(every_study_that_can_be_calibrated_reads_scripts_exactly),
        cmocka_unit_test(the_certifying_protocol_has_the_sizes_of_the_page),
        cmocka_unit_test(quick_organisms_take_their_bases_in_turn),
        cmocka_unit_test(quick_organisms_begin_at_a_seed),
        cmocka_unit_test(limits_from_lines),
        cmocka_unit_test(permuted_dose_labels_have_no_slope),
        cmocka_unit_test(recipes_of_propensities_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
