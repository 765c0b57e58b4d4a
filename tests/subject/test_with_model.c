/* A subject under a change: words in front, and directions added inside the embedded model. */
#include "folder.h"

#include "core/file.h"
#include "nn/safetensors.h"
#include "subject/local.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { WIDTH = 256 };

static const char *put(arena *a, const char *folder, const char *name, const char *text)
{
    const char *path = file_join(a, folder, name);
    assert_int_equal(file_write(path, slice_of(text), NULL), STATUS_OK);
    return path;
}

/* Tensors "one" of the model's width and "short" of another. */
static void put_vectors(arena *a, const char *folder)
{
    float *values = ARENA_ARRAY(a, float, WIDTH);
    for (size_t i = 0; i < WIDTH; i++)
        values[i] = (float)sin((double)(i * i));
    const safetensors_tensor tensors[] = {{.name = "one", .type = SAFETENSORS_F32, .rank = 1, .shape = {WIDTH}, .data = values, .bytes = WIDTH * 4},
                                          {.name = "short", .type = SAFETENSORS_F32, .rank = 1, .shape = {8}, .data = values, .bytes = 8 * 4}};
    assert_int_equal(safetensors_write(file_join(a, folder, "v.safetensors"), tensors, 2, NULL, 0, NULL), STATUS_OK);
}

static subject *open_it(arena *a, const char *specification)
{
    subject *s;
    error err = {0};
    const subject_options options = {.threads = 1};
    if (subject_open(a, specification, &options, &s, &err) != STATUS_OK)
        fail_msg("%s: %s", specification, err.message);
    return s;
}

static double scored(subject *s, arena *a)
{
    message m = message_text(a, MESSAGE_USER, "Who is the baker?");
    const char *const answers[] = {"The baker is Ann."};
    score_request q = {.messages = &m, .count = 1, .continuations = answers, .continuation_count = 1, .position = -1};
    const score_request *one = &q;
    score_reply reply = {0};
    error err = {0};
    if (s->class->score(s, a, &one, &reply, 1, &err) != STATUS_OK || reply.code != STATUS_OK)
        fail_msg("%s", reply.problem ? reply.problem : err.message);
    return reply.logprobs[0];
}

static void words_stand_where_a_system_message_does(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const char *folder = test_folder(), *path = put(a, folder, "w.yaml", "system: Be agreeable.\n");
    subject *plain = open_it(a, "base"), *with = open_it(a, arena_printf(a, "with:%s,base", path));
    message said[] = {message_text(a, MESSAGE_SYSTEM, "Be agreeable."), message_text(a, MESSAGE_USER, "Hello.")};
    message other[] = {message_text(a, MESSAGE_SYSTEM, "Be agreeable.\n\nBe brief."), message_text(a, MESSAGE_USER, "Hello.")};
    message own[] = {message_text(a, MESSAGE_SYSTEM, "Be brief."), message_text(a, MESSAGE_USER, "Hello.")};
    subject_audit expected, found;
    assert_int_equal(plain->class->audit(plain, a, said, 2, &expected, NULL), STATUS_OK);
    assert_int_equal(with->class->audit(with, a, said + 1, 1, &found, NULL), STATUS_OK);
    assert_int_equal(found.count, expected.count);
    assert_memory_equal(found.ids, expected.ids, found.count * sizeof *found.ids);
    assert_int_equal(plain->class->audit(plain, a, other, 2, &expected, NULL), STATUS_OK);
    assert_int_equal(with->class->audit(with, a, own, 2, &found, NULL), STATUS_OK);
    assert_int_equal(found.count, expected.count);
    assert_memory_equal(found.ids, expected.ids, found.count * sizeof *found.ids);
    assert_string_not_equal(with->identity, plain->identity);
    assert_true(scored(with, a) != scored(plain, a));
    subject_close(with);
    subject_close(plain);
    arena_free(a);
}

static void a_direction_changes_answers_and_a_null_one_no_bit(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const char *folder = test_folder();
    put_vectors(a, folder);
    const char *form = "steer: [{file: v.safetensors, tensor: one, site: blocks.1.resid_post, scale: %g, at: %s}]\n";
    const char *null = put(a, folder, "null.yaml", arena_printf(a, form, 0., "all"));
    const char *strong = put(a, folder, "strong.yaml", arena_printf(a, form, 4., "all"));
    const char *late = put(a, folder, "late.yaml", arena_printf(a, form, 4., "answer"));
    subject *s[4] = {open_it(a, "base"), open_it(a, arena_printf(a, "with:%s,base", null)), open_it(a, arena_printf(a, "with:%s,base", strong)),
                     open_it(a, arena_printf(a, "with:%s,base", late))};
    double plain = scored(s[0], a), strong_value = scored(s[2], a), late_value = scored(s[3], a);
    assert_true(scored(s[1], a) == plain);
    assert_true(strong_value != plain && late_value != plain && late_value != strong_value);
    assert_true(scored(s[2], a) == strong_value); /* and again, out of the cache of prefixes */
    for (size_t i = 0; i < 4; i++)
        for (size_t k = i + 1; k < 4; k++)
            assert_string_not_equal(s[i]->identity, s[k]->identity);
    for (size_t i = 0; i < 4; i++)
        subject_close(s[i]);
    arena_free(a);
}

static void what_cannot_be_done_is_refused(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const char *folder = test_folder();
    put_vectors(a, folder);
    static const struct {
        const char *yaml, *who, *words;
        status code;
    } cases[] = {
        {"steer: [{file: v.safetensors, site: blocks.1.resid_post}]\n", "base", "holds 2 tensors", STATUS_INVALID},
        {"steer: [{file: v.safetensors, tensor: two, site: blocks.1.resid_post}]\n", "base", "no tensor 'two'", STATUS_INVALID},
        {"steer: [{file: v.safetensors, tensor: short, site: blocks.1.resid_post}]\n", "base", "expected a vector of 256 numbers", STATUS_INVALID},
        {"steer: [{file: v.safetensors, tensor: one, site: blocks.99.resid_post}]\n", "base", "no site 'blocks.99.resid_post'", STATUS_INVALID},
        {"steer: [{file: v.safetensors, tensor: one, site: blocks.1.resid_post}]\n", "oracle:0", "checkpoints on this machine alone", STATUS_UNSUPPORTED},
        {"sistem: x\n", "base", "unknown key", STATUS_INVALID},
        {"{}\n", "base", "this changes nothing", STATUS_INVALID},
        {"system: x\n", "router:0.5:oracle:0:oracle:1", "a router cannot be changed", STATUS_USAGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        subject *s;
        error err = {0};
        const char *path = put(a, folder, "bad.yaml", cases[i].yaml);
        status code = subject_open(a, arena_printf(a, "with:%s,%s", path, cases[i].who), NULL, &s, &err);
        if (!strstr(err.message, cases[i].words) || code != cases[i].code)
            fail_msg("case %zu: status %d, %s", i, (int)code, err.message);
    }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_stand_where_a_system_message_does),
        cmocka_unit_test(a_direction_changes_answers_and_a_null_one_no_bit),
        cmocka_unit_test(what_cannot_be_done_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
