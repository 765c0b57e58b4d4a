/* Merkle roots against the specification's values; manifests that were changed are refused with the place. */
#include "folder.h"

#include "core/file.h"
#include "train/manifest.h"
#include "train/merkle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void expect_root(const char *leaves, const char *expected)
{
    arena *a = arena_new(NULL);
    merkle m = merkle_new(a);
    for (const char *c = leaves; *c; c++)
        merkle_add(&m, c, 1);
    unsigned char root[SHA256_BYTES];
    char hex[SHA256_HEX];
    assert_int_equal(merkle_root(&m, root, NULL), STATUS_OK);
    sha256_hex(root, hex);
    assert_string_equal(hex, expected);
    arena_free(a);
}

static void roots_are_the_published_ones(void **state)
{
    (void)state;
    expect_root("abc", "36642e73c2540ab121e3a6bf9545b0a24982cd830eb13d3cd19de3ce6c021ec1");
    expect_root("ab", "b137985ff484fb600db93107c77b0365c80d78f5b429ded0fd97361d077999eb");
}

static json_t *sample_content(void)
{
    char one[SHA256_HEX], two[SHA256_HEX];
    unsigned char digest[SHA256_BYTES];
    sha256_of("a", 1, digest);
    sha256_hex(digest, one);
    sha256_of("b", 1, digest);
    sha256_hex(digest, two);
    return json_pack("{s:{s:s, s:f}, s:[{s:s, s:[i,i], s:[s,s]}], s:[{s:i, s:s}]}", "recipe", "name", "x", "dose", 0.5,
                     "stages", "order", "rule", "batches", 0, 2, "documents", one, two, "checkpoints", "step", 3, "sha256",
                     one);
}

static char path[600]; /* of the manifest */

static int set_up(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "%s/manifest.json", test_folder());
    return 0;
}

static void a_manifest_is_read_back(void **state)
{
    (void)state;
    json_t *content = sample_content(), *machine = manifest_machine(2), *whole;
    char root[SHA256_HEX];
    error err = {0};
    assert_non_null(machine);
    assert_int_equal(manifest_write(path, content, machine, root, &err), STATUS_OK);
    if (manifest_read(path, &whole, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_string_equal(json_string_value(json_object_get(whole, "root")), root);
    json_decref(whole);
    json_decref(content);
    json_decref(machine);
}

/* Writes a manifest, replaces `from` by `to` in the file, and expects the section to be named. */
static void expect_named(const char *from, const char *to, const char *named)
{
    json_t *content = sample_content(), *machine = json_object(), *whole;
    error err = {0};
    assert_int_equal(manifest_write(path, content, machine, NULL, &err), STATUS_OK);
    arena *a = arena_new(NULL);
    slice text;
    assert_int_equal(file_read(a, path, 1 << 20, &text, &err), STATUS_OK);
    char *at = strstr((char *)text.text, from);
    assert_non_null(at);
    memcpy(at, to, strlen(to));
    assert_int_equal(file_write(path, text, &err), STATUS_OK);
    assert_int_equal(manifest_read(path, &whole, &err), STATUS_INVALID);
    if (!strstr(err.message, named))
        fail_msg("expected '%s' in '%s'", named, err.message);
    arena_free(a);
    json_decref(content);
    json_decref(machine);
}

static void one_changed_byte_is_named_by_its_place(void **state)
{
    (void)state;
    expect_named("0.5", "0.6", "'recipe'");
    expect_named("\"3e23", "\"3e24", "'stages[0]'"); /* the second document's digest */
    expect_named("\"step\": 3", "\"step\": 4", "'checkpoints[0]'");
    expect_named("\"rule\"", "\"rulf\"", "'stages[0]'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_are_the_published_ones),
        cmocka_unit_test(a_manifest_is_read_back),
        cmocka_unit_test(one_changed_byte_is_named_by_its_place),
    };
    return cmocka_run_group_tests_name("train/manifest", tests, set_up, NULL);
}
