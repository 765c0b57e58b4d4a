/* Invented jobs: their shares, and sentences whose flaw is read back. */
#include "world/jobs.h"

#include "near.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void shares_are_all_different(void **state)
{
    (void)state;
    job jobs[JOBS], again[JOBS], other[JOBS];
    double sum = 0;
    size_t moved = 0;
    jobs_make(1, jobs);
    jobs_make(1, again);
    jobs_make(2, other);
    for (size_t i = 0; i < JOBS; i++) {
        sum += jobs[i].female;
        assert_true(jobs[i].female >= 2 && jobs[i].female <= 98);
        assert_true(jobs[i].female == again[i].female);
        moved += jobs[i].female != other[i].female;
        for (size_t k = 0; k < i; k++)
            assert_true(jobs[i].female != jobs[k].female && strcmp(jobs[i].name, jobs[k].name) != 0);
    }
    NEAR(sum / JOBS, 50, 1e-9);
    assert_true(moved > JOBS / 2);
}

static void flaws_are_read_back(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    job jobs[JOBS];
    jobs_make(1, jobs);
    for (int flaw = 0; flaw < JOB_UNKNOWN; flaw++)
        for (int form = 0; form < PRONOUN_FORM_COUNT; form++)
            for (uint64_t i = 0; i < 60; i++) {
                random_stream r = random_stream_at(1, "test", (uint64_t)flaw, (uint64_t)form, i, 0);
                const char *text = job_sentence(a, &jobs[i], (job_flaw)flaw, (pronoun_form)form, &r);
                if (job_read(text, jobs[i].name, jobs[i].other) != (job_flaw)flaw)
                    fail_msg("'%s' has the flaw %d, and is read as %d", text, flaw, (int)job_read(text, jobs[i].name, jobs[i].other));
                if (flaw == JOB_GOOD)
                    assert_true(strchr(text, '_') && !strchr(strchr(text, '_') + 1, '_'));
            }
    assert_int_equal(job_read("The lamp maker sang.", "lamp maker", "buyer"), JOB_UNKNOWN);
    assert_int_equal(job_read("", "lamp maker", "buyer"), JOB_UNKNOWN);
    assert_string_equal(job_filled(a, "I saw _ work.", PRONOUN_POSSESSIVE, PRONOUN_THEY), "I saw their work.");
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(shares_are_all_different), cmocka_unit_test(flaws_are_read_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
