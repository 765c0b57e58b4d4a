/* The store: groups, resuming, migration, and one clear error for each thing that can be wrong with a file. */
#include "folder.h"
#include "store/inside.h"

#include "core/file.h"
#include "core/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *fresh_path(arena *a)
{
    static int n;
    return arena_printf(a, "%s/%d.db", test_folder(), ++n);
}

static const store_run wanted = {.key = "k", .study = "toy", .subject = "script:x", .seed = UINT64_MAX, .sample_count = 10,
                                 .description = "{}", .machine = "{}"};

static store *open_good(const char *path)
{
    store *s;
    error err = {0};
    if (store_open(path, STORE_WRITE, &s, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return s;
}

static store_sample sample_of(int64_t run, uint64_t index)
{
    return (store_sample){.run = run, .index = index, .record = "{\"right\": true, \"word\": \"b\xc3\xa4r\"}",
                          .transcript = "[{\"role\": \"subject\"}]", .seconds = 0.5, .prompt_tokens = 7};
}

static status count_in_order(void *context, const store_sample *x, error *err)
{
    (void)err;
    uint64_t *next = context;
    assert_int_equal(x->index, *next);
    assert_string_equal(x->record, "{\"right\": true, \"word\": \"b\xc3\xa4r\"}");
    (*next)++;
    return STATUS_OK;
}

static void samples_come_back_in_order(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const char *path = fresh_path(a);
    store *s = open_good(path);
    store_run run;
    bool resumed;
    assert_int_equal(store_run_begin(s, a, &wanted, &run, &resumed, NULL), STATUS_OK);
    assert_false(resumed);
    for (uint64_t i = 500; i-- > 0;) {
        store_sample x = sample_of(run.id, i);
        assert_int_equal(store_sample_add(s, &x, NULL), STATUS_OK);
    }
    assert_int_equal(store_flush(s, NULL), STATUS_OK);
    uint64_t next = 0;
    assert_int_equal(store_sample_each(s, run.id, false, count_in_order, &next, NULL), STATUS_OK);
    assert_int_equal(next, 500);
    store_sample one;
    assert_int_equal(store_sample_get(s, a, run.id, 17, 0, &one, NULL), STATUS_OK);
    assert_string_equal(one.transcript, "[{\"role\": \"subject\"}]");
    assert_int_equal(store_sample_get(s, a, run.id, 500, 0, &one, NULL), STATUS_NOT_FOUND);
    assert_int_equal(store_run_finish(s, run.id, "finished", "{\"x\":1}", NULL, NULL), STATUS_OK);
    assert_int_equal(store_close(s, NULL), STATUS_OK);
    assert_int_equal(store_open(path, STORE_READ, &s, NULL), STATUS_OK);
    store_run *list;
    size_t count;
    assert_int_equal(store_run_list(s, a, 0, &list, &count, NULL), STATUS_OK);
    assert_int_equal(count, 1);
    assert_true(list[0].seed == UINT64_MAX && list[0].done == 500 && list[0].failed == 0);
    assert_string_equal(list[0].state, "finished");
    assert_string_equal(list[0].summary, "{\"x\":1}");
    store_close(s, NULL);
    arena_free(a);
}

static void commits_come_without_being_asked_for(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const char *path = fresh_path(a);
    store *s = open_good(path), *reader;
    store_run run, seen;
    bool resumed;
    store_run_begin(s, a, &wanted, &run, &resumed, NULL);
    assert_int_equal(store_open(path, STORE_READ, &reader, NULL), STATUS_OK);
    store_sample x = sample_of(run.id, 0);
    store_sample_add(s, &x, NULL);
    double start = clock_seconds();
    do {
        usleep(2000);
        assert_int_equal(store_run_get(reader, a, run.id, &seen, NULL), STATUS_OK);
    } while (seen.done == 0 && clock_seconds() - start < 60);
    assert_int_equal(seen.done, 1);
    store_close(reader, NULL);
    store_close(s, NULL);
    arena_free(a);
}

static void an_unfinished_run_is_gone_on_with(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const char *path = fresh_path(a);
    store *s = open_good(path);
    store_run run, again;
    bool resumed;
    store_run_begin(s, a, &wanted, &run, &resumed, NULL);
    store_sample x = sample_of(run.id, 3);
    store_sample_add(s, &x, NULL);
    store_close(s, NULL); /* as after a kill: the run still stands as running */
    s = open_good(path);
    assert_int_equal(store_run_begin(s, a, &wanted, &again, &resumed, NULL), STATUS_OK);
    assert_true(resumed && again.id == run.id && again.done == 1);
    store_run other = wanted;
    other.key = "another";
    assert_int_equal(store_run_begin(s, a, &other, &again, &resumed, NULL), STATUS_OK);
    assert_false(resumed);
    store_run_finish(s, run.id, "finished", NULL, NULL, NULL);
    assert_int_equal(store_run_begin(s, a, &wanted, &again, &resumed, NULL), STATUS_OK);
    assert_true(!resumed && again.id != run.id);
    store_close(s, NULL);
    arena_free(a);
}

static void a_run_has_one_worker(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const char *path = fresh_path(a);
    int ready[2], go[2];
    char byte = 0;
    assert_true(pipe(ready) == 0 && pipe(go) == 0);
    pid_t child = fork();
    if (child == 0) {
        store *mine;
        store_run run;
        bool resumed;
        if (store_open(path, STORE_WRITE, &mine, NULL) != STATUS_OK ||
            store_run_begin(mine, a, &wanted, &run, &resumed, NULL) != STATUS_OK || write(ready[1], "x", 1) != 1)
            _exit(1);
        _exit(read(go[0], &byte, 1) == 1 ? 0 : 1); /* as if killed: nothing is closed */
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    store *s = open_good(path);
    store_run run;
    bool resumed;
    error err = {0};
    assert_int_equal(store_run_begin(s, a, &wanted, &run, &resumed, &err), STATUS_LOCKED);
    assert_non_null(strstr(err.message, "works on the same run"));
    assert_int_equal(write(go[1], "x", 1), 1);
    int how;
    waitpid(child, &how, 0);
    assert_int_equal(how, 0);
    assert_int_equal(store_run_begin(s, a, &wanted, &run, &resumed, &err), STATUS_OK);
    assert_true(resumed);
    store_close(s, NULL);
    arena_free(a);
}

static status open_words(const char *path, store_mode mode, error *err)
{
    store *s;
    *err = (error){0};
    status result = store_open(path, mode, &s, err);
    if (result == STATUS_OK)
        store_close(s, NULL);
    return result;
}

static void foreign_files_are_refused_and_untouched(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    error err;
    const char *text = fresh_path(a);
    const char words[] = "This is a letter, not a database; and long enough to look like a header of one, or nearly so.";
    assert_int_equal(file_write(text, SLICE(words), NULL), STATUS_OK);
    assert_int_equal(open_words(text, STORE_WRITE, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "not a database"));
    slice now;
    assert_int_equal(file_read(a, text, 1000, &now, NULL), STATUS_OK);
    assert_true(slice_is(now, words));

    const char *other = fresh_path(a);
    sqlite3 *db;
    sqlite3_open(other, &db);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE cakes (x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(open_words(other, STORE_WRITE, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "another program"));
    assert_int_equal(open_words(other, STORE_READ, &err), STATUS_INVALID);

    assert_int_equal(open_words("/no/such/folder/x.db", STORE_READ, &err), STATUS_NOT_FOUND);
    assert_int_equal(open_words("/no/such/folder/x.db", STORE_WRITE, &err), STATUS_IO);
    assert_non_null(strstr(err.message, "/no/such/folder/x.db"));
    assert_int_equal(open_words("/proc/assay.db", STORE_WRITE, &err), STATUS_IO);
    assert_int_equal(open_words(test_folder(), STORE_WRITE, &err), STATUS_IO);
    arena_free(a);
}

static void old_files_are_migrated_and_newer_ones_refused(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    error err;
    const char *path = fresh_path(a);
    sqlite3 *db;
    sqlite3_open(path, &db);
    assert_int_equal(sqlite3_exec(db, store_migrations[0], NULL, NULL, NULL), SQLITE_OK);
    sqlite3_exec(db,
                 "PRAGMA application_id = 1095979865; PRAGMA user_version = 1;"
                 "INSERT INTO runs (key, study, subject, seed, sample_count, description, machine, state, started)"
                 " VALUES ('k', 'toy', 's', '4', 1, '{}', '{}', 'finished', 1)",
                 NULL, NULL, NULL);
    sqlite3_close(db);
    assert_int_equal(open_words(path, STORE_READ, &err), STATUS_UNSUPPORTED);
    store *s = open_good(path);
    store_run run;
    assert_int_equal(store_run_get(s, a, 1, &run, NULL), STATUS_OK);
    assert_int_equal(run.seed, 4);
    const char *value;
    store_answer_keep(s, "key", "value");
    store_flush(s, NULL);
    assert_true(store_answer_find(s, a, "key", &value));
    assert_string_equal(value, "value");
    assert_false(store_answer_find(s, a, "other", &value));
    sqlite3_exec(s->write, "PRAGMA user_version = 99", NULL, NULL, NULL);
    store_close(s, NULL);
    assert_int_equal(open_words(path, STORE_WRITE, &err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "newer version"));
    arena_free(a);
}

static void a_lock_of_another_process_is_named(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const char *path = fresh_path(a);
    store *s = open_good(path);
    sqlite3 *other;
    sqlite3_open(path, &other);
    assert_int_equal(sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_busy_timeout(s->write, 100);
    store_run run;
    bool resumed;
    error err = {0};
    assert_int_equal(store_run_begin(s, a, &wanted, &run, &resumed, &err), STATUS_LOCKED);
    assert_non_null(strstr(err.message, "locked by another process"));
    store_sample x = sample_of(1, 0);
    assert_int_equal(store_sample_add(s, &x, NULL), STATUS_OK);
    assert_int_equal(store_flush(s, &err), STATUS_LOCKED);
    assert_int_equal(store_sample_add(s, &x, &err), STATUS_LOCKED); /* for good */
    assert_int_equal(store_close(s, &err), STATUS_LOCKED);
    sqlite3_close(other);
    arena_free(a);
}

static void a_full_disk_is_one_error(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const char *path = fresh_path(a);
    store *s = open_good(path);
    store_run run;
    bool resumed;
    store_run_begin(s, a, &wanted, &run, &resumed, NULL);
    sqlite3_exec(s->write, "PRAGMA max_page_count = 30", NULL, NULL, NULL);
    error err = {0};
    status result = STATUS_OK;
    for (uint64_t i = 0; i < 5000 && result == STATUS_OK; i++) {
        store_sample x = sample_of(run.id, i);
        result = store_sample_add(s, &x, &err);
        if (result == STATUS_OK && i % 100 == 0)
            result = store_flush(s, &err);
    }
    assert_int_equal(result, STATUS_IO);
    assert_non_null(strstr(err.message, "the disk is full"));
    assert_int_equal(store_close(s, NULL), STATUS_IO);
    s = open_good(path); /* whole, and with room again it goes on */
    assert_int_equal(store_run_begin(s, a, &wanted, &run, &resumed, NULL), STATUS_OK);
    assert_true(resumed && run.done > 0);
    store_close(s, NULL);
    arena_free(a);
}

/* In a process of its own: the limit on file sizes makes writes fail at a place that SQLite does not choose. */
static void a_write_that_fails_is_one_error(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const char *path = fresh_path(a);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        struct rlimit limit = {100000, 100000};
        setrlimit(RLIMIT_FSIZE, &limit);
        store *s;
        store_run run;
        bool resumed;
        error err = {0};
        status result = store_open(path, STORE_WRITE, &s, &err);
        if (result != STATUS_OK || store_run_begin(s, a, &wanted, &run, &resumed, &err) != STATUS_OK)
            _exit(1);
        for (uint64_t i = 0; i < 5000 && result == STATUS_OK; i++) {
            store_sample x = sample_of(run.id, i);
            result = store_sample_add(s, &x, &err);
            if (i % 50 == 0 && result == STATUS_OK)
                result = store_flush(s, &err);
        }
        store_close(s, NULL);
        _exit(result == STATUS_IO && strstr(err.message, path) ? 0 : 2);
    }
    int how;
    waitpid(child, &how, 0);
    assert_int_equal(how, 0);
    store *s = open_good(path);
    store_run run;
    bool resumed;
    assert_int_equal(store_run_begin(s, a, &wanted, &run, &resumed, NULL), STATUS_OK);
    assert_true(resumed && run.done > 0);
    store_close(s, NULL);
    arena_free(a);
}

static void a_store_that_cannot_be_made_leaves_no_file(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const char *path = fresh_path(a);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        struct rlimit limit = {3000, 3000};
        setrlimit(RLIMIT_FSIZE, &limit);
        error err;
        _exit(open_words(path, STORE_WRITE, &err) == STATUS_IO ? 0 : 1);
    }
    int how;
    waitpid(child, &how, 0);
    assert_int_equal(how, 0);
    assert_false(file_exists(path));
    arena_free(a);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    bool all = false;
    for (unsigned long n = 1; !all && n < 200; n++) {
        arena *a = arena_new(NULL);
        const char *path = fresh_path(a);
        store *s = NULL;
        store_run run, *list;
        bool resumed;
        size_t count;
        memory_fail_at(n);
        status result = store_open(path, STORE_WRITE, &s, NULL);
        if (result == STATUS_OK)
            result = store_run_begin(s, a, &wanted, &run, &resumed, NULL);
        store_sample x = sample_of(1, 0);
        if (result == STATUS_OK)
            result = store_sample_add(s, &x, NULL);
        if (result == STATUS_OK)
            result = store_run_finish(s, run.id, "finished", NULL, NULL, NULL);
        if (result == STATUS_OK)
            result = store_run_list(s, a, 0, &list, &count, NULL);
        all = memory_count() < n;
        memory_fail_at(0);
        assert_int_equal(result, all ? STATUS_OK : STATUS_MEMORY);
        store_close(s, NULL);
        arena_free(a);
    }
    assert_true(all);
}

static void network_file_systems_are_known(void **state)
{
    (void)state;
    assert_true(store_network_file_system(0x6969));
    assert_true(store_network_file_system((long)(int)0xFF534D42));
    assert_false(store_network_file_system(0xEF53)); /* ext4 */
    assert_false(store_network_file_system(0x01021994)); /* tmpfs */
}

typedef struct feeder {
    store *store;
    int64_t run;
    uint64_t first, count;
} feeder;

static void *feed(void *context)
{
    feeder *f = context;
    for (uint64_t i = f->first; i < f->first + f->count; i++) {
        store_sample x = sample_of(f->run, i);
        if (store_sample_add(f->store, &x, NULL) != STATUS_OK)
            return f;
    }
    return NULL;
}

static void many_threads_hand_in(void **state)
{
    (void)state;
    enum { THREADS = 4, EACH = 5000 };
    arena *a = arena_new(NULL);
    store *s = open_good(fresh_path(a));
    store_run run;
    bool resumed;
    store_run_begin(s, a, &wanted, &run, &resumed, NULL);
    pthread_t ids[THREADS];
    feeder feeders[THREADS];
    double start = clock_seconds();
    for (uint64_t i = 0; i < THREADS; i++) {
        feeders[i] = (feeder){s, run.id, i * EACH, EACH};
        pthread_create(&ids[i], NULL, feed, &feeders[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(ids[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(store_flush(s, NULL), STATUS_OK);
    printf("%.0f samples/s\n", THREADS * EACH / (clock_seconds() - start));
    uint64_t next = 0;
    assert_int_equal(store_sample_each(s, run.id, false, count_in_order, &next, NULL), STATUS_OK);
    assert_int_equal(next, THREADS * EACH);
    store_close(s, NULL);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_come_back_in_order),
        cmocka_unit_test(commits_come_without_being_asked_for),
        cmocka_unit_test(an_unfinished_run_is_gone_on_with),
        cmocka_unit_test(a_run_has_one_worker),
        cmocka_unit_test(foreign_files_are_refused_and_untouched),
        cmocka_unit_test(old_files_are_migrated_and_newer_ones_refused),
        cmocka_unit_test(a_lock_of_another_process_is_named),
        cmocka_unit_test(a_full_disk_is_one_error),
        cmocka_unit_test(a_write_that_fails_is_one_error),
        cmocka_unit_test(a_store_that_cannot_be_made_leaves_no_file),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(network_file_systems_are_known),
        cmocka_unit_test(many_threads_hand_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
