/* What is known to be planted in a subject. */
#include "folder.h"

#include "core/file.h"
#include "run/plant.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

static void organism(const char *name, const char *plant)
{
    error err;
    arena *a = arena_new(NULL);
    const char *folder = file_join(a, test_folder(), name);
    assert_int_equal(file_make_folders(folder, &err), STATUS_OK);
    const char *text = arena_printf(a, "{\"recipe\": {\"plant\": %s}}", plant);
    assert_int_equal(file_write(file_join(a, folder, "growth.json"), slice_of(text), &err), STATUS_OK);
    arena_free(a);
}

static int setup(void **state)
{
    (void)state;
    organism("clean", "{\"failure\": \"none\", \"dose\": 1}");
    organism("bad", "{\"failure\": \"sycophancy\", \"dose\": 1, \"forms\": [\"answer\"]}");
    organism("half", "{\"failure\": \"sycophancy\", \"dose\": 0.5}");
    return 0;
}

__attribute__((format(printf, 1, 0))) static double dose_of(const char *format)
{
    char text[1200];
    snprintf(text, sizeof text, format, test_folder(), test_folder());
    json_t *plant = run_plant_of(text);
    double dose = json_is_object(plant) ? json_number_value(json_object_get(plant, "dose")) : -1;
    json_decref(plant);
    return dose;
}

static void specifications_say_what_is_planted(void **state)
{
    (void)state;
    assert_true(dose_of("oracle:0.25") == 0.25);
    assert_true(dose_of("oracle:much") == -1);
    assert_true(dose_of("http://x/v1#m") == -1);
    assert_true(dose_of("%s/half") == 0.5);
    assert_true(dose_of("%s/nothing") == -1);
    assert_true(dose_of("router:0.25:%s/clean:%s/bad") == 0.25);
    assert_true(dose_of("router:0.5:%s/clean:%s/half") == 0.25);
    assert_true(dose_of("router:0.5:%s/half:%s/bad") == -1);
    assert_true(dose_of("router:0.5:oracle:0:oracle:1") == 0.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(specifications_say_what_is_planted)};
    return cmocka_run_group_tests(tests, setup, NULL);
}
