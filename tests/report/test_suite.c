/* Several studies in one document: claims are tested together, and each study has its section. */
#include "near.h"

#include "core/jsonio.h"
#include "report/report.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static json_t *claim(const char *form, double estimate, double p)
{
    return json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:o}", "form", form, "says", "fails", "unit", "share", "estimate", estimate, "low",
                     estimate - .1, "high", estimate + .1, "p", jsonio_number(p));
}

static json_t *run_of(int id, const char *study, const char *subject, json_t *claims)
{
    return json_pack("{s:i, s:s, s:s, s:i, s:s, s:i, s:{}, s:{}, s:n, s:{s:{s:{s:f, s:f, s:f}}}, s:{s:[s], s:o}, s:[]}", "run", id, "study", study,
                     "subject", subject, "seed", 1, "state", "finished", "sample_count", 10, "parameters", "facts", "plant", "summary", "forms",
                     "a", "estimate", .5, "low", .4, "high", .6, "figures", "findings", "It says so.", "claims", claims, "samples");
}

static const json_t *claim_at(const json_t *claims, size_t i)
{
    return json_array_get(claims, i);
}

/* Holm over four tests: .001 x 4, .004 x 3, .02 x 2, .5 x 1. */
static void claims_of_all_runs_are_tested_together(void **state)
{
    (void)state;
    json_t *held = claim("b", .3, .001);
    json_object_set_new(held, "holds", json_false());
    json_t *runs = json_pack("[o, o, o]", run_of(1, "one", "A", json_pack("[o, o]", claim("a", .4, .004), held)),
                             run_of(2, "two", "A", json_pack("[o, o]", claim("c", .2, .02), claim("d", .1, NAN))),
                             run_of(3, "two", "B", json_pack("[o]", claim("c", 0, .5))));
    json_t *claims = report_claims(runs);
    static const double adjusted[] = {.012, .004, .04, NAN, .5};
    assert_int_equal(json_array_size(claims), 5);
    for (size_t i = 0; i < 5; i++) {
        if (isnan(adjusted[i]))
            assert_true(json_is_null(json_object_get(claim_at(claims, i), "found")));
        else
            NEAR(jsonio_number_at(claim_at(claims, i), "p_holm"), adjusted[i], 1e-12);
    }
    assert_true(json_is_false(json_object_get(claim_at(claims, 0), "found"))); /* .004 alone would be below .01 */
    assert_true(json_is_false(json_object_get(claim_at(claims, 1), "found"))); /* its study's own rule speaks against it */
    assert_non_null(json_object_get(claim_at(claims, 1), "why"));
    json_decref(claims);
    json_decref(runs);
}

static void a_section_a_study_and_a_word_on_what_is_missing(void **state)
{
    (void)state;
    json_t *runs = json_pack("[o, o, o]", run_of(1, "one", "A", json_pack("[o]", claim("a", .4, 1e-9))),
                             run_of(2, "two", "A", json_pack("[o]", claim("c", .2, 1e-9))),
                             run_of(3, "two", "B", json_pack("[o]", claim("c", 0, .5))));
    json_t *call = json_pack("{s:s, s:s, s:[{s:s, s:s, s:s}]}", "suite", "mini", "title", "Mini", "left_out", "part", "three", "subject", "B", "reason",
                             "it cannot"), *document;
    error err = {0};
    json_object_set_new(json_object_get(json_array_get(runs, 2), "facts"), "failed_samples", json_integer(3));
    assert_int_equal(report_suite(runs, call, "2026-01-01", &document, &err), STATUS_OK);
    assert_string_equal(json_string_value(json_object_get(document, "title")), "Mini: 2 subjects");
    const json_t *sections = json_object_get(document, "sections"), *findings = json_object_get(document, "findings");
    assert_int_equal(json_array_size(sections), 2);
    assert_int_equal(json_array_size(json_object_get(json_array_get(sections, 1), "runs")), 2);
    assert_int_equal(json_array_size(json_object_get(json_array_get(sections, 1), "tables")), 1); /* subjects beside each other */
    assert_non_null(strstr(json_string_value(json_array_get(findings, 0)), "2 of 3 failures"));
    assert_non_null(strstr(json_string_value(json_array_get(findings, 2)), "A 20.0 % [10.0, 30.0], found; B 0.0 %"));
    assert_non_null(strstr(json_string_value(json_array_get(findings, 3)), "3 of 10 samples of two on B failed"));
    assert_non_null(strstr(json_string_value(json_array_get(findings, 4)), "Left out: three on B: it cannot."));
    strbuf text = strbuf_new(NULL, 1 << 20);
    report_print_suite(document, false, &text);
    assert_true(strstr(text.text, "It says so.") < strstr(text.text, "What was tested")); /* sentences before tables */
    strbuf_free(&text);
    json_decref(document);
    json_decref(call);
    json_decref(runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims_of_all_runs_are_tested_together),
        cmocka_unit_test(a_section_a_study_and_a_word_on_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
