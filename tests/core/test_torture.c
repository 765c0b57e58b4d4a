/* Every allocation of ours fails once: each caller ends in STATUS_MEMORY or success, never in a crash or a leak. */
#include "folder.h"

#include "core/arena.h"
#include "core/file.h"
#include "core/jsonio.h"
#include "core/param.h"
#include "core/text.h"
#include "core/threads.h"
#include "core/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <unistd.h>

static status read_yaml(error *err)
{
    arena *a = arena_new(NULL);
    const yaml_node *root;
    status result = yaml_parse(a, SLICE("name: x\nlist: [1, two, {a: b}]\nmap:\n  k: v\n"), "t.yaml", &root, err);
    arena_free(a);
    return result;
}

static status write_and_read_file(error *err)
{
    arena *a = arena_new(NULL);
    char *path = file_join(a, test_folder(), "torture");
    slice back = {NULL, 0};
    status result = path ? file_write(path, SLICE("content"), err) : STATUS_MEMORY;
    if (result == STATUS_OK)
        result = file_read(a, path, 100, &back, err);
    if (result == STATUS_OK)
        result = file_map(a, path, &back, err);
    arena_free(a);
    return result;
}

static status print_json(error *err)
{
    json_t *value = NULL;
    strbuf text = strbuf_new(NULL, 1000);
    status result = jsonio_parse(SLICE("{\"a\": [1, 2.5, \"x\"]}"), "t.json", &value, err);
    if (result == STATUS_OK)
        result = jsonio_canonical(value, &text, err);
    json_decref(value);
    strbuf_free(&text);
    return result;
}

static status set_params(error *err)
{
    static const param_spec specs[] = {{.name = "n", .type = PARAM_INT, .fallback = "1", .help = "n"},
                                       {.name = "s", .type = PARAM_STRING, .repeats = true, .help = "s"}};
    arena *a = arena_new(NULL);
    param_values *v;
    status result = param_values_new(a, specs, 2, &v, err);
    for (int i = 0; i < 5 && result == STATUS_OK; i++)
        result = param_set(v, "s", "value", err);
    arena_free(a);
    return result;
}

static status start_threads(error *err)
{
    thread_pool *pool = NULL;
    status result = thread_pool_new(3, &pool, err);
    if (result == STATUS_OK)
        thread_pool_free(pool);
    return result;
}

static void each_failed_allocation_is_an_error(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        status (*run)(error *err);
    } cases[] = {{"yaml", read_yaml}, {"file", write_and_read_file}, {"json", print_json}, {"param", set_params},
                 {"threads", start_threads}};
    for (size_t c = 0; c < COUNT_OF(cases); c++) {
        bool succeeded = false;
        for (unsigned long n = 1; n < 1000 && !succeeded; n++) {
            error err = {0};
            memory_fail_at(n);
            status result = cases[c].run(&err);
            succeeded = memory_count() < n;
            memory_fail_at(0);
            if (result != (succeeded ? STATUS_OK : STATUS_MEMORY))
                fail_msg("%s: allocation %lu failed and the status is '%s': %s", cases[c].name, n,
                         status_word(result), err.message);
        }
        assert_true(succeeded);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_failed_allocation_is_an_error)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
