/* Logs of Inspect: a run goes out and comes back the same; foreign logs are read, damaged ones leave no trace. */
#include "folder.h"
#include "memory.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "inspect/log.h"
#include "report/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <zlib.h>
#include <zstd.h>

static const char *in_folder(const char *name)
{
    return file_join(memory, test_folder(), name);
}

/* ---- a run of ours ---------------------------------------------------------------------------------------------- */

static const char *const transcript =
    "[{\"role\": \"subject\", \"messages\": [{\"role\": \"user\", \"content\": \"Q \\u00e9\"}], \"answer\": \"A\", \"reason\": \"stop_string\", "
    "\"prompt_tokens\": 5, \"completion_tokens\": 2, \"logprob\": -0.25}, "
    "{\"role\": \"judge\", \"messages\": [{\"role\": \"system\", \"content\": \"S\"}, {\"role\": \"user\", \"content\": \"J\"}], \"problem\": \"no\"}, "
    "{\"role\": \"subject\", \"messages\": [{\"role\": \"user\", \"content\": \"Q2\"}], \"scores\": [{\"continuation\": \"x\", \"logprob\": -1.5, "
    "\"tokens\": 1}]}]";

static int64_t make_run(const char *path)
{
    store *s;
    error err = {0};
    store_run run;
    bool resumed;
    store_run wanted = {.key = "k", .study = "toy", .subject = "oracle:1", .seed = 7, .sample_count = 3,
                        .description = "{\"parameters\":{\"items\":3},\"roles\":{\"judge\":{\"identity\":\"j\",\"specification\":\"base\"}}}",
                        .machine = "{\"threads\": 2}"};
    assert_int_equal(store_open(path, STORE_WRITE, &s, &err), STATUS_OK);
    assert_int_equal(store_run_begin(s, memory, &wanted, &run, &resumed, &err), STATUS_OK);
    for (uint64_t i = 0; i < 3; i++) {
        store_sample one = {.run = run.id, .index = i, .code = i == 2 ? STATUS_NETWORK : STATUS_OK, .problem = i == 2 ? "gone" : NULL,
                            .record = i == 2 ? NULL : i ? "{\"group\": \"g\", \"id\": \"b\", \"verdict\": \"bad\", \"x\": 0.1}" : "{\"group\": \"g\", \"id\": \"a\", \"verdict\": \"good\", \"asked\": \"Q\"}",
                            .transcript = transcript, .seconds = 1.5, .waiting = .5, .prompt_tokens = 5, .completion_tokens = 2, .retries = 1};
        assert_int_equal(store_sample_add(s, &one, &err), STATUS_OK);
    }
    assert_int_equal(store_event_add(s, run.id, "planted", "{\"dose\": 0.5}", &err), STATUS_OK);
    assert_int_equal(store_run_finish(s, run.id, "finished", "{\"forms\": {\"g\": {\"estimate\": 0.123456789012345678, \"n\": 2}}}", "{\"requests\": 3}", &err), STATUS_OK);
    assert_int_equal(store_close(s, &err), STATUS_OK);
    return run.id;
}

static json_t *load(const char *path, int64_t id)
{
    store *s;
    json_t *run;
    error err = {0};
    assert_int_equal(store_open(path, STORE_READ, &s, &err), STATUS_OK);
    if (report_load_run(s, id, REPORT_LOAD_ALL, &run, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    store_close(s, NULL);
    json_object_del(run, "run");
    json_object_del(run, "facts"); /* when and where it came into the store */
    return run;
}

static void round_trip(const char *name, inspect_form form)
{
    const char *from = in_folder("from.db"), *to = in_folder(form == INSPECT_EVAL ? "to_eval.db" : "to_json.db"), *log = in_folder(name);
    store *s;
    error err = {0};
    inspect_imported done;
    int64_t id = make_run(from);
    assert_int_equal(store_open(from, STORE_READ, &s, &err), STATUS_OK);
    if (inspect_export(s, id, log, form, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    store_close(s, NULL);
    if (inspect_import(memory, log, to, NULL, &done, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_true(done.ours);
    assert_int_equal(done.samples, 3);
    assert_int_equal(done.failed, 1);
    json_t *before = load(from, id), *after = load(to, done.id);
    assert_int_equal(json_array_size(json_object_get(after, "samples")), 3);
    if (!json_equal(before, after))
        fail_msg("expected\n%s\nfound\n%s", json_dumps(before, 0), json_dumps(after, 0));
    json_decref(before);
    json_decref(after);
}

static void a_run_comes_back_from_eval_as_it_was(void **state)
{
    (void)state;
    round_trip("run.eval", INSPECT_EVAL);
}

static void a_run_comes_back_from_json_as_it_was(void **state)
{
    (void)state;
    round_trip("run.json", INSPECT_JSON);
}

/* ---- foreign logs ----------------------------------------------------------------------------------------------- */

#define HEADER                                                                                                                  \
    "\"version\": 2, \"status\": \"success\", \"eval\": {\"created\": \"2026-01-01T00:00:00+00:00\", \"task\": \"t\", \"model\": \"p/m\", "  \
    "\"dataset\": {\"sample_ids\": [\"one\", 2]}, \"config\": {}}, \"results\": {\"scores\": [{\"name\": \"match\", \"scorer\": \"match\", "  \
    "\"metrics\": {\"accuracy\": {\"name\": \"accuracy\", \"value\": 0.5}}}]}"
#define EVENT(refs, answer)                                                                                                     \
    "{\"event\": \"model\", \"input\": [], \"input_refs\": [" refs "], \"call\": {\"huge\": [1, NaN]}, \"output\": {\"choices\": "     \
    "[{\"message\": {\"role\": \"assistant\", \"content\": \"" answer "\"}, \"stop_reason\": \"max_tokens\"}], \"usage\": "           \
    "{\"input_tokens\": 3, \"output_tokens\": 4}}}"
#define SAMPLE_TWO                                                                                                              \
    "{\"id\": 2, \"epoch\": 1, \"input\": \"i2\", \"target\": \"x\", \"scores\": {\"match\": {\"value\": \"I\"}, \"part\": {\"value\": NaN}}, "   \
    "\"messages\": [{\"role\": \"user\", \"content\": \"i2\"}, {\"role\": \"assistant\", \"content\": \"no\"}], \"total_time\": 2, "       \
    "\"working_time\": 1.5}"
#define SAMPLE_ONE                                                                                                              \
    "{\"id\": \"one\", \"epoch\": 1, \"input\": \"i1\", \"target\": [\"y\"], \"scores\": {\"match\": {\"value\": \"C\", \"answer\": \"y\"}, "       \
    "\"part\": {\"value\": 0.25}}, \"events\": [{\"event\": \"state\", \"changes\": [1]}, " EVENT("[0, 1]", "lone \\ud800 and \\u0000") ", "    \
    EVENT("[0, 1], [1, 3]", "y") "], \"attachments\": {\"abc\": \"a long text\"}, \"events_data\": {\"messages\": [{\"role\": \"user\", "       \
    "\"content\": \"attachment://abc\"}, {\"role\": \"assistant\", \"content\": \"y\", \"tool_calls\": [{\"id\": \"c1\", \"function\": "     \
    "\"f\", \"arguments\": {\"a\": 1}}]}, {\"role\": \"tool\", \"tool_call_id\": \"c1\", \"function\": \"f\", \"content\": \"7\"}], \"calls\": [{}]}}"

/* A ZIP of stored Zstandard members, as Inspect writes them. */
static void put(strbuf *b, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        strbuf_add_char(b, (char)(value >> (8 * i)));
}

static void write_zip(const char *path, const char *const names[], const char *const texts[], size_t count)
{
    strbuf b = strbuf_new(memory, 1 << 20), list = strbuf_new(memory, 1 << 20);
    for (size_t i = 0; i < count; i++) {
        char packed[8192];
        size_t length = strlen(texts[i]), packed_length = ZSTD_compress(packed, sizeof packed, texts[i], length, 3);
        uint64_t sum = crc32(0, (const Bytef *)texts[i], (uInt)length), at = b.length;
        assert_false(ZSTD_isError(packed_length));
        put(&b, 0x04034b50, 4), put(&b, 63, 2), put(&b, 0, 2), put(&b, 93, 2), put(&b, 0x21, 4), put(&b, sum, 4);
        put(&b, packed_length, 4), put(&b, length, 4), put(&b, strlen(names[i]), 2), put(&b, 0, 2);
        strbuf_add(&b, names[i]);
        strbuf_add_bytes(&b, packed, packed_length);
        put(&list, 0x02014b50, 4), put(&list, 63, 2), put(&list, 63, 2), put(&list, 0, 2), put(&list, 93, 2), put(&list, 0x21, 4);
        put(&list, sum, 4), put(&list, packed_length, 4), put(&list, length, 4), put(&list, strlen(names[i]), 2);
        put(&list, 0, 8), put(&list, 0, 4), put(&list, at, 4);
        strbuf_add(&list, names[i]);
    }
    uint64_t start = b.length;
    strbuf_add_slice(&b, strbuf_slice(&list));
    put(&b, 0x06054b50, 4), put(&b, 0, 4), put(&b, count, 2), put(&b, count, 2), put(&b, list.length, 4), put(&b, start, 4), put(&b, 0, 2);
    error err = {0};
    assert_int_equal(file_write(path, strbuf_slice(&b), &err), STATUS_OK);
}

static void check_foreign(const char *log, const char *db)
{
    inspect_imported done;
    error err = {0};
    if (inspect_import(memory, log, db, NULL, &done, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_false(done.ours);
    assert_string_equal(done.study, "inspect/t");
    assert_string_equal(done.subject, "p/m");
    json_t *run = load(db, done.id), *forms = json_object_get(json_object_get(run, "summary"), "forms");
    assert_true(json_number_value(json_object_get(json_object_get(forms, "match"), "estimate")) == .5);
    assert_true(json_number_value(json_object_get(json_object_get(forms, "part"), "estimate")) == .25);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(forms, "part"), "n")), 1);
    const json_t *first = json_array_get(json_object_get(run, "samples"), 0), *second = json_array_get(json_object_get(run, "samples"), 1);
    assert_string_equal(json_string_value(json_object_get(json_object_get(first, "record"), "id")), "one");
    assert_string_equal(json_string_value(json_object_get(json_object_get(first, "record"), "verdict")), "good");
    assert_string_equal(json_string_value(json_object_get(json_object_get(second, "record"), "verdict")), "bad");
    const json_t *said = json_object_get(first, "transcript"), *late = json_array_get(said, 1);
    assert_int_equal(json_array_size(said), 2);
    assert_int_equal(json_array_size(json_object_get(late, "messages")), 3);
    assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(late, "messages"), 0), "content")), "a long text");
    assert_string_equal(json_string_value(json_object_get(late, "reason")), "length");
    assert_string_equal(json_string_value(json_object_get(json_array_get(said, 0), "answer")), "lone \xEF\xBF\xBD and \xEF\xBF\xBD");
    said = json_object_get(second, "transcript");
    assert_string_equal(json_string_value(json_object_get(json_array_get(said, 0), "answer")), "no");
    json_decref(run);
}

static void a_foreign_log_is_read_in_both_forms(void **state)
{
    (void)state;
    const char *json = in_folder("foreign.json"), *eval = in_folder("foreign.eval");
    /* Samples before the header, and not in the order of the data set. */
    error err = {0};
    assert_int_equal(file_write(json, SLICE("{\"samples\": [" SAMPLE_TWO ", " SAMPLE_ONE "], \"reductions\": [1], " HEADER "}"), &err), STATUS_OK);
    check_foreign(json, in_folder("foreign_json.db"));
    static const char *const names[] = {"_journal/start.json", "samples/2_epoch_1.json", "samples/one_epoch_1.json", "header.json"};
    static const char *const texts[] = {"{}", SAMPLE_TWO, SAMPLE_ONE, "{" HEADER "}"};
    write_zip(eval, names, texts, 4);
    check_foreign(eval, in_folder("foreign_eval.db"));
}

/* ---- damage ----------------------------------------------------------------------------------------------------- */

static size_t runs_in(const char *db)
{
    store *s;
    store_run *runs;
    size_t count;
    error err = {0};
    assert_int_equal(store_open(db, STORE_READ, &s, &err), STATUS_OK);
    assert_int_equal(store_run_list(s, memory, 0, &runs, &count, &err), STATUS_OK);
    store_close(s, NULL);
    return count;
}

static void damaged_logs_leave_the_store_as_it_was(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        status code;
        const char *words;
    } cases[] = {
        {"{" HEADER ", \"samples\": [" SAMPLE_ONE, STATUS_INVALID, "the text ends"},
        {"{" HEADER ", \"samples\": [" SAMPLE_ONE "]} x", STATUS_INVALID, "behind"},
        {"{" HEADER ", \"samples\": [" SAMPLE_ONE ", " SAMPLE_ONE "]}", STATUS_INVALID, "twice"},
        {"{" HEADER ", \"samples\": [{\"epoch\": 1}]}", STATUS_INVALID, "\"id\""},
        {"{" HEADER ", \"samples\": [{\"id\": 1, \"epoch\": 0}]}", STATUS_INVALID, "\"epoch\""},
        {"{" HEADER ", \"samples\": [{\"id\": 1, \"epoch\": 300}]}", STATUS_UNSUPPORTED, "256"},
        {"{" HEADER ", \"samples\": [{\"id\": 1, \"epoch\": 1, \"files\": {\"a\" 1}}]}", STATUS_INVALID, "colon"},
        {"{\"version\": 3, \"eval\": {\"task\": \"t\", \"model\": \"m\"}, \"samples\": []}", STATUS_UNSUPPORTED, "version"},
        {"{\"version\": 2, \"eval\": {\"task\": \"t\"}, \"samples\": []}", STATUS_INVALID, "model"},
        {"[1, 2]", STATUS_INVALID, "object"},
        {"{\"a\": 1}", STATUS_INVALID, "log of Inspect"},
        {"", STATUS_INVALID, "object"},
        {"PK\3\4 and no more", STATUS_INVALID, "ZIP"},
    };
    const char *db = in_folder("kept.db"), *log = in_folder("bad.json"), *none = in_folder("none.db");
    make_run(db);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        inspect_imported done;
        error err = {0};
        assert_int_equal(file_write(log, slice_of(cases[i].text), &err), STATUS_OK);
        status result = inspect_import(memory, log, db, NULL, &done, &err);
        if (result != cases[i].code || !strstr(err.message, cases[i].words))
            fail_msg("case %zu: status %d, %s", i, (int)result, err.message);
        assert_int_equal(runs_in(db), 1);
        if (strcmp(cases[i].words, "twice") != 0 && inspect_import(memory, log, none, NULL, &done, NULL) != STATUS_OK)
            assert_false(file_exists(none));
    }
}

static void an_archive_cut_or_changed_anywhere_is_refused_or_read_alike(void **state)
{
    (void)state;
    static const char *const names[] = {"samples/one_epoch_1.json", "header.json"};
    static const char *const texts[] = {SAMPLE_ONE, "{" HEADER "}"};
    const char *whole = in_folder("whole.eval"), *bad = in_folder("bad.eval"), *db = in_folder("bad_eval.db");
    slice text;
    error err = {0};
    write_zip(whole, names, texts, 2);
    assert_int_equal(file_read(memory, whole, 1 << 20, &text, &err), STATUS_OK);
    size_t refused = 0;
    for (size_t cut = 1; cut < text.length; cut += 7) {
        inspect_imported done;
        assert_int_equal(file_write(bad, slice_sub(text, 0, cut), &err), STATUS_OK);
        assert_int_not_equal(inspect_import(memory, bad, db, NULL, &done, &err), STATUS_OK);
        char *changed = slice_copy(memory, text);
        changed[cut] = (char)(changed[cut] ^ 0x41);
        assert_int_equal(file_write(bad, (slice){changed, text.length}, &err), STATUS_OK);
        err = (error){0};
        refused += inspect_import(memory, bad, db, NULL, &done, &err) != STATUS_OK;
        assert_true(err.code == STATUS_OK || err.message[0]);
    }
    assert_true(refused > text.length / 14); /* most of the bytes are under a check sum */
}

static void what_unpacks_to_far_more_than_its_size_is_refused(void **state)
{
    (void)state;
    const char *path = in_folder("bomb.eval"), *db = in_folder("bomb.db");
    static const char *const names[] = {"samples/one_epoch_1.json", "header.json"};
    static const char *const texts[] = {SAMPLE_ONE, "{" HEADER "}"};
    slice text;
    error err = {0};
    inspect_imported done;
    write_zip(path, names, texts, 2);
    assert_int_equal(file_read(memory, path, 1 << 20, &text, &err), STATUS_OK);
    char *changed = slice_copy(memory, text);
    size_t list = slice_find(text, (slice){"PK\1\2", 4}, 0);
    memcpy(changed + list + 24, "\xff\xff\xff\x7f", 4); /* says: 2 GiB, in both places */
    memcpy(changed + 22, "\xff\xff\xff\x7f", 4);
    assert_int_equal(file_write(path, (slice){changed, text.length}, &err), STATUS_OK);
    assert_int_equal(inspect_import(memory, path, db, NULL, &done, &err), STATUS_LIMIT);
    assert_non_null(strstr(err.message, "unpack"));
    assert_false(file_exists(db));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_comes_back_from_eval_as_it_was),
        cmocka_unit_test(a_run_comes_back_from_json_as_it_was),
        cmocka_unit_test(a_foreign_log_is_read_in_both_forms),
        cmocka_unit_test(damaged_logs_leave_the_store_as_it_was),
        cmocka_unit_test(an_archive_cut_or_changed_anywhere_is_refused_or_read_alike),
        cmocka_unit_test(what_unpacks_to_far_more_than_its_size_is_refused),
    };
    return cmocka_run_group_tests(tests, memory_set_up, memory_tear_down);
}
