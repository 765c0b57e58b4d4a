/* Errors, arenas, text, random addresses, files, YAML, JSON, parameters. */
#include "folder.h"

#include "core/arena.h"
#include "core/error.h"
#include "core/file.h"
#include "core/hash.h"
#include "core/jsonio.h"
#include "core/param.h"
#include "core/random.h"
#include "core/text.h"
#include "core/threads.h"
#include "core/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <cmocka.h>
#include <unistd.h>

/* Known answers of Random123 for Philox4x32-10 (kat_vectors). */
static void philox_gives_the_published_vectors(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], expected[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint32_t out[4];
        random_philox(cases[i].counter, cases[i].key, out);
        assert_memory_equal(out, cases[i].expected, sizeof out);
    }
}

static void a_draw_depends_on_its_address_alone(void **state)
{
    (void)state;
    random_stream a = random_stream_at(7, "test", 1, 2, 3, 4), b = a;
    double first = random_uniform(&a), second = random_uniform(&a);
    assert_true(random_uniform_at(&b, 1) == second && random_uniform_at(&b, 0) == first);
    random_stream other = random_stream_at(7, "test", 1, 2, 3, 5);
    assert_true(random_uniform(&other) != first);
    double sum = 0, squares = 0;
    for (uint64_t i = 0; i < 20000; i++) {
        double x = random_normal_at(&b, i);
        sum += x;
        squares += x * x;
    }
    assert_true(sum / 20000 < 0.03 && sum / 20000 > -0.03 && squares / 20000 > 0.96 && squares / 20000 < 1.04);
}

static void shuffles_are_permutations(void **state)
{
    (void)state;
    int items[100];
    for (int i = 0; i < 100; i++)
        items[i] = i;
    random_stream r = random_stream_at(1, "shuffle", 0, 0, 0, 0);
    random_shuffle(&r, items, 100, sizeof *items);
    bool seen[100] = {false};
    for (int i = 0; i < 100; i++)
        seen[items[i]] = true;
    for (int i = 0; i < 100; i++)
        assert_true(seen[i]);
}

static void sha256_gives_the_standard_digest(void **state)
{
    (void)state;
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    sha256_of("abc", 3, digest);
    sha256_hex(digest, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void arenas_free_their_children_and_run_cleanups(void **state)
{
    (void)state;
    atomic_int count = 0;
    (void)count;
    arena *root = arena_new(NULL), *child = arena_new(root);
    char *big = arena_alloc(child, 1 << 20), *small = arena_strdup(child, "small");
    assert_non_null(big);
    assert_string_equal(small, "small");
    assert_int_equal((uintptr_t)big % 64, 0);
    assert_true(arena_bytes(root) >= 1 << 20);
    arena_free(root);
    assert_null(arena_alloc(NULL, 1));
    memory_fail_at(1);
    assert_null(arena_new(NULL));
    memory_fail_at(0);
}

static void strbufs_stop_at_their_limit(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    strbuf b = strbuf_new(a, 10);
    strbuf_printf(&b, "%d%s", 12345, "678");
    assert_string_equal(b.text, "12345678");
    strbuf_add(&b, "90");
    assert_false(b.failed);
    strbuf_add(&b, "1");
    assert_true(b.failed);
    arena_free(a);
}

static void slices_read_numbers_strictly(void **state)
{
    (void)state;
    int64_t i;
    double d;
    assert_true(slice_to_int(SLICE("-42"), &i) && i == -42);
    assert_false(slice_to_int(SLICE("42x"), &i) || slice_to_int(SLICE(" 42"), &i) || slice_to_int(SLICE(""), &i));
    assert_true(slice_to_double(SLICE("2.5e-1"), &d) && d == 0.25);
    assert_false(slice_to_double(SLICE("1e999"), &d));
    size_t at = 0;
    assert_int_equal(utf8_next(SLICE("\xC3\xA9"), &at), 0xE9);
    assert_int_equal(utf8_open_tail(SLICE("a\xE2\x82")), 2);
    assert_false(utf8_valid(SLICE("\xC0\x80")));
    const char *words[] = {"dose", "seed"};
    assert_int_equal(text_nearest("dosis", words, 2), 0);
    assert_int_equal(text_nearest("banana", words, 2), -1);
}

static void files_are_whole_or_absent(void **state)
{
    (void)state;
    error err = {0};
    arena *a = arena_new(NULL);
    const char *file = file_join(a, test_folder(), "x.txt");
    assert_int_equal(file_write(file, SLICE("hello"), &err), STATUS_OK);
    slice back;
    assert_int_equal(file_read(a, file, 100, &back, &err), STATUS_OK);
    assert_true(slice_is(back, "hello"));
    assert_int_equal(file_read(a, file, 4, &back, &err), STATUS_LIMIT);
    file_writer w;
    assert_int_equal(file_writer_open(&w, file, &err), STATUS_OK);
    file_writer_add(&w, "half", 4);
    file_writer_abandon(&w);
    char **names;
    size_t count;
    assert_int_equal(file_list(a, test_folder(), &names, &count, &err), STATUS_OK);
    assert_int_equal(count, 1);
    if (access("/dev/full", W_OK) == 0) {
        w = (file_writer){.descriptor = -1};
        assert_int_equal(file_writer_open(&w, file_join(a, test_folder(), "no/such"), &err), STATUS_NOT_FOUND);
    }
    arena_free(a);
}

static void yaml_errors_name_the_place(void **state)
{
    (void)state;
    error err = {0};
    arena *a = arena_new(NULL);
    const yaml_node *root;
    assert_int_equal(yaml_parse(a, SLICE("name: x\ndosis: 0.5\nlist: [1, two, {a: b}]\n"), "r.yaml", &root, &err), STATUS_OK);
    static const char *const keys[] = {"name", "dose", "list"};
    assert_int_equal(yaml_check_keys(root, keys, 3, &err), STATUS_INVALID);
    assert_string_equal(err.message, "r.yaml:2:8: unknown key 'dosis'");
    assert_non_null(strstr(err.hint, "'dose'"));
    double dose = 1;
    assert_int_equal(yaml_get_double(root, "dosis", 0, 0.4, &dose, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "r.yaml:2:8: expected 0 to 0.4"));
    assert_int_equal(yaml_get(root, "list")->count, 3);
    static const char *const bare[] = {"x: 1\n  \nlist: {}\n", "x: 1\n\nlist: []\n", "x: 1\n\nlist:\n", "x: 1\n\nlist: [[]]\n"};
    for (size_t i = 0; i < COUNT_OF(bare); i++) { /* what is empty stands where its key does */
        assert_int_equal(yaml_parse(a, slice_of(bare[i]), "bare.yaml", &root, &err), STATUS_OK);
        const yaml_node *list = yaml_get(root, "list");
        assert_int_equal(list->line, 3);
        assert_int_equal(list->column, 1);
    }
    assert_int_equal(yaml_get(root, "list")->items[0]->line, 3);
    assert_int_equal(yaml_parse(a, SLICE("a: [1,\nb: }"), "bad.yaml", &root, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "bad.yaml:"));
    assert_int_equal(yaml_parse(a, SLICE("a: 1\na: 2\n"), "twice.yaml", &root, &err), STATUS_INVALID);
    arena_free(a);
}

static void json_refuses_what_is_not_json(void **state)
{
    (void)state;
    error err = {0};
    json_t *value;
    assert_int_equal(jsonio_parse(SLICE("{\"a\": 1, \"a\": 2}"), "x.json", &value, &err), STATUS_INVALID);
    assert_int_equal(jsonio_parse(SLICE("{\"a\": 1"), "x.json", &value, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "x.json:1:"));
    char deep[1200];
    for (size_t open = JSONIO_DEPTH; open <= JSONIO_DEPTH + 1; open++) { /* brackets in strings do not count */
        snprintf(deep, sizeof deep, "%s", "[\"[[\\\"[{\", ");
        size_t head = strlen(deep);
        memset(deep + head, '[', open - 1);
        memset(deep + head + open - 1, ']', open);
        deep[head + 2 * open - 1] = '\0';
        assert_int_equal(jsonio_parse(slice_of(deep), "x.json", &value, &err), open <= JSONIO_DEPTH ? STATUS_OK : STATUS_INVALID);
        json_decref(value);
    }
    assert_non_null(strstr(err.message, "256 deep"));
    assert_int_equal(jsonio_parse(SLICE("\xEF\xBB\xBF[0.1]"), "x.json", &value, &err), STATUS_OK);
    json_decref(value);
}

static void params_check_types_and_ranges(void **state)
{
    (void)state;
    static const param_spec specs[] = {
        {.name = "items", .type = PARAM_INT, .least = 1, .most = 100, .fallback = "40", .help = "items"},
        {.name = "role", .type = PARAM_STRING, .repeats = true, .help = "roles"},
    };
    error err = {0};
    arena *a = arena_new(NULL);
    param_values *v;
    assert_int_equal(param_values_new(a, specs, 2, &v, &err), STATUS_OK);
    assert_int_equal(param_int(v, "items"), 40);
    assert_int_equal(param_set(v, "items", "101", &err), STATUS_USAGE);
    assert_int_equal(param_set(v, "item", "1", &err), STATUS_USAGE);
    assert_string_equal(err.hint, "did you mean 'items'?");
    assert_int_equal(param_set(v, "role", "a=b", &err), STATUS_OK);
    assert_int_equal(param_set(v, "role", "c=d", &err), STATUS_OK);
    assert_int_equal(param_count(v, "role"), 2);
    assert_string_equal(param_item(v, "role", 0), "a=b");
    arena_free(a);
}

static void count_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    atomic_fetch_add(&((atomic_int *)context)[task], 1);
}

static void pools_run_each_task_once(void **state)
{
    (void)state;
    thread_pool *pool;
    error err = {0};
    assert_int_equal(thread_pool_new(4, &pool, &err), STATUS_OK);
    static atomic_int counts[1000];
    for (int round = 0; round < 200; round++)
        thread_pool_run(pool, 1000, count_task, counts);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(counts[i], 200);
    thread_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_vectors),
        cmocka_unit_test(a_draw_depends_on_its_address_alone),
        cmocka_unit_test(shuffles_are_permutations),
        cmocka_unit_test(sha256_gives_the_standard_digest),
        cmocka_unit_test(arenas_free_their_children_and_run_cleanups),
        cmocka_unit_test(strbufs_stop_at_their_limit),
        cmocka_unit_test(slices_read_numbers_strictly),
        cmocka_unit_test(files_are_whole_or_absent),
        cmocka_unit_test(yaml_errors_name_the_place),
        cmocka_unit_test(json_refuses_what_is_not_json),
        cmocka_unit_test(params_check_types_and_ranges),
        cmocka_unit_test(pools_run_each_task_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
