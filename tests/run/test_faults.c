/* Whole runs against a server that fails in every way: each sample ends in an answer or in a clear record of why not,
 * nothing that was answered is asked again, limits are kept, and the key goes nowhere but to its server; kill -9 too. */
#include "folder.h"
#include "subject/fault_server.h"
#include "toy.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "core/progress.h"
#include "core/random.h"

#include <signal.h>
#include <sys/wait.h>

static const char key[] = "sk-never-to-be-seen-77aa";
static const char *self;

/* ---- the server's books ----------------------------------------------------------------------------------------- */

enum { MOST_BODIES = 4096 };

typedef struct books {
    struct {
        uint64_t hash;
        int asked, answered;
        double last_answer;
        bool excused; /* answered within a commit's time of a kill: it may be lost */
    } rows[MOST_BODIES];
    size_t count;
    int64_t billed;    /* tokens: of every request that reached the model */
    int answered_twice;
    bool faulty;
    char redirect[128];
    const act *faults;
    size_t fault_count, next_fault;
} books;

static uint64_t hash_of(const char *text)
{
    uint64_t h = 14695981039346656037u;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 1099511628211u;
    return h;
}

static size_t row_of(books *b, const char *body)
{
    uint64_t h = hash_of(body);
    for (size_t i = 0; i < b->count; i++)
        if (b->rows[i].hash == h)
            return i;
    assert_true(b->count < MOST_BODIES);
    b->rows[b->count].hash = h;
    return b->count++;
}

/* Every other request meets a fault, each kind in turn. What reaches the model is billed, answered or not. */
static act decide(void *context, const char *body, size_t number)
{
    books *b = context;
    size_t row = row_of(b, body);
    b->rows[row].asked++;
    if (b->rows[row].answered && !b->rows[row].excused) {
        b->answered_twice++;
        fprintf(stderr, "asked again %.3f s after the answer: %s\n", clock_seconds() - b->rows[row].last_answer, body);
    }
    act a = {0};
    if (b->faulty && number % 2 == 1)
        a = b->faults[b->next_fault++ % b->fault_count];
    if (a.code == 0 || a.code == 200)
        b->billed += 14;
    return a;
}

static void answered(void *context, const char *body)
{
    books *b = context;
    size_t row = row_of(b, body);
    b->rows[row].answered++;
    b->rows[row].last_answer = clock_seconds();
    b->rows[row].excused = false;
}

/* Called when the client is dead. */
static void excuse_the_last(books *b)
{
    for (size_t i = 0; i < b->count; i++)
        b->rows[i].excused |= b->rows[i].answered && b->rows[i].last_answer > clock_seconds() - 0.6;
}

/* ---- runs ------------------------------------------------------------------------------------------------------- */

typedef struct order {
    const char *database, *subject, *judge;
    const char *items;
    budget_limits limits;
    int retries;
    size_t in_flight;
    const price_list *prices;
} order;

static status run_once(arena *a, const order *o, run_outcome *out, error *err)
{
    store *s;
    param_values *params;
    run_role roles[] = {{.name = "subject", .specification = o->subject}, {.name = "judge", .specification = o->judge}};
    TRY(param_values_new(a, toy_params, COUNT_OF(toy_params), &params, err));
    TRY(param_set(params, "items", o->items, err));
    TRY(store_open(o->database, STORE_WRITE, &s, err));
    run_request request = {.study = &toy_study, .params = params, .seed = 3, .roles = roles, .role_count = o->judge ? 2 : 1,
                           .store = s, .limits = o->limits, .in_flight = o->in_flight, .prices = o->prices,
                           .subjects = {.retries = o->retries ? o->retries : -1, .retry_seconds = 0.01, .timeout_seconds = 1.5,
                                        .in_flight = o->in_flight}};
    status result = run_study(a, &request, out, err);
    status closed = store_close(s, result == STATUS_OK ? err : NULL);
    return result == STATUS_OK ? closed : result;
}

static const char *place(arena *a, const char *name)
{
    return file_join(a, test_folder(), name);
}

static bool file_holds(arena *a, const char *path, const char *words)
{
    slice text;
    return file_exists(path) && file_read(a, path, 1 << 28, &text, NULL) == STATUS_OK &&
           slice_find(text, slice_of(words), 0) != SIZE_MAX;
}

typedef struct checked {
    arena *arena;
    size_t good, bad, wordless;
} checked;

static status check_sample(void *context, const store_sample *x, error *err)
{
    checked *c = context;
    (void)err;
    if (x->code == STATUS_OK)
        c->good++;
    else
        c->bad++;
    c->wordless += x->code != STATUS_OK && (!x->problem || !x->problem[0]);
    assert_true(!x->problem || !strstr(x->problem, key));
    return STATUS_OK;
}

static checked check_samples(arena *a, const char *database)
{
    store *s;
    checked c = {.arena = a};
    assert_int_equal(store_open(database, STORE_READ, &s, NULL), STATUS_OK);
    assert_int_equal(store_sample_each(s, 1, true, check_sample, &c, NULL), STATUS_OK);
    store_close(s, NULL);
    return c;
}

static char long_text[10 * 1000 * 1000 + 256];

static const char *ten_megabytes(void)
{
    size_t n = (size_t)snprintf(long_text, sizeof long_text, "{\"choices\": [{\"message\": {\"content\": \"");
    memset(long_text + n, 'a', 10 * 1000 * 1000);
    snprintf(long_text + n + 10 * 1000 * 1000, sizeof long_text - n - 10 * 1000 * 1000, "\"}}]}");
    return long_text;
}

/* As deep as the library of JSON would follow: deeper than the stack of a sample's thread. */
static const char *nested(void)
{
    static char text[8192];
    memset(text, '[', 2040);
    memset(text + 2040, ']', 2040);
    return text;
}

static void every_sample_ends_in_an_answer_or_in_words(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    static const act elsewhere_acts[] = {{0}};
    server *elsewhere = server_new(elsewhere_acts, 1);
    books *b = calloc(1, sizeof *b);
    snprintf(b->redirect, sizeof b->redirect, "Location: http://127.0.0.1:%d/v1/chat/completions?key=1\r\n", elsewhere->port);
    const act faults[] = {
        {.code = 429, .headers = "Retry-After: 0\r\n", .body = "{\"error\": {\"message\": \"slow down\"}}"},
        {.code = 500, .body = "oops"},
        {.code = 529, .body = "{\"type\": \"error\", \"error\": {\"type\": \"overloaded_error\", \"message\": \"Overloaded\"}}"},
        {.body = "{\"choices\": [{\"message\": "},
        {.how = HALF},
        {.how = CLOSE},
        {.how = HANG},
        {.how = STALL},
        {.how = DRIP},
        {.how = ENDLESS},
        {.body = "[1, 2]"},
        {.body = "{\"choices\": 7}"},
        {.body = "{\"choices\": [{\"message\": {\"content\": 12}}]}"},
        {.body = "{\"choices\": [{\"message\": {\"content\": \"a\"}}], \"usage\": {\"prompt_tokens\": NaN}}"},
        {.body = "{\"choices\": [{\"message\": {\"content\": \"\xff\xfe\"}}]}"},
        {.body = "{\"choices\": [{\"message\": {\"content\": \"a\"}}], \"usage\": {\"prompt_tokens\": \"many\", \"completion_tokens\": -4}}"},
        {.code = 307, .headers = b->redirect, .body = "{}"},
        {.code = 400, .body = "{\"error\": {\"message\": \"sk-never-to-be-seen-77aa is bad\"}}"},
        {.code = 503, .headers = "Retry-After: 86400\r\n", .body = "{}"},
        {.body = ten_megabytes()},
        {.body = nested()},
    };
    b->faulty = true;
    b->faults = faults;
    b->fault_count = COUNT_OF(faults);
    server *s = server_start((server){.decide = decide, .answered = answered, .context = b});
    setenv("OPENAI_API_KEY", key, 1);
    const order o = {.database = place(a, "faults.db"), .subject = arena_printf(a, "http://127.0.0.1:%d/v1#m", s->port),
                     .items = "80", .retries = 1, .in_flight = 8};
    run_outcome out = {0};
    error err = {0};
    if (run_once(a, &o, &out, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    checked c = check_samples(a, o.database);
    assert_int_equal(c.good + c.bad, 80);
    assert_int_equal(c.wordless, 0);
    assert_true(c.good >= 40 && c.bad >= 1);
    assert_true(out.effort.retries > 0);
    run_outcome_clear(&out);
    b->faulty = false; /* the server is well again: the same command asks what is missing, and nothing else */
    size_t before = atomic_load(&s->requests);
    if (run_once(a, &o, &out, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_true(out.resumed);
    assert_int_equal(atomic_load(&s->requests) - before, c.bad);
    assert_int_equal(check_samples(a, o.database).good, 80);
    assert_int_equal(b->answered_twice, 0);
    run_outcome_clear(&out);
    assert_int_equal(atomic_load(&elsewhere->requests), 0);
    static const char *const ends[] = {"", "-wal"};
    for (size_t i = 0; i < COUNT_OF(ends); i++)
        assert_false(file_holds(a, arena_printf(a, "%s%s", o.database, ends[i]), key));
    unsetenv("OPENAI_API_KEY");
    server_free(s);
    server_free(elsewhere);
    free(b);
    arena_free(a);
}

/* Runs under a limit until it stops, raises it, and so on: what the server billed never passes the limit. */
static void limits_of_tokens_and_money_are_never_passed(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    static const act faults[] = {{.code = 500, .body = "oops"}, {.how = CLOSE}, {.body = "{\"choices\": ["}, {.how = HALF}};
    static const price rows[] = {{.pattern = "127.0.0.1:*", .input = 3000000, .output = 3000000, .cached = 3000000}};
    static const price_list prices = {.rows = rows, .count = 1}; /* $3 per million, for either: billed tokens tell the cost */
    for (int money = 0; money < 2; money++) {
        books *b = calloc(1, sizeof *b);
        b->faulty = true;
        b->faults = faults;
        b->fault_count = COUNT_OF(faults);
        server *s = server_start((server){.decide = decide, .answered = answered, .context = b, .delay = 2000});
        order o = {.database = place(a, money ? "money.db" : "tokens.db"),
                   .subject = arena_printf(a, "http://127.0.0.1:%d/v1#m", s->port), .items = "60", .retries = 4,
                   .in_flight = 8, .prices = &prices};
        status result = STATUS_LIMIT;
        int stops = 0;
        for (int64_t limit = 12000; result != STATUS_OK && limit < 400000; limit += 12000) {
            run_outcome out = {0};
            error err = {0};
            o.limits = money ? (budget_limits){.dollars = (double)limit * 3e-6} : (budget_limits){.tokens = limit};
            result = run_once(a, &o, &out, &err);
            if (result != STATUS_OK && result != STATUS_LIMIT)
                fail_msg("%s", err.message);
            stops += result == STATUS_LIMIT;
            if (result == STATUS_LIMIT)
                assert_non_null(strstr(err.hint, money ? "--max-cost" : "--max-tokens"));
            assert_true(b->billed <= limit);
            if (result == STATUS_OK && out.failed) /* ask what failed again */
                result = STATUS_LIMIT;
            run_outcome_clear(&out);
        }
        assert_int_equal(result, STATUS_OK);
        assert_true(stops >= 1);
        assert_int_equal(b->answered_twice, 0);
        server_free(s);
        free(b);
    }
    arena_free(a);
}

static void who_has_no_price_is_refused_under_a_limit_of_cost(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    static const act acts[] = {{0}};
    static const price rows[] = {{.pattern = "127.0.0.1:*/m", .input = 1, .output = 1, .cached = 1}};
    static const price_list prices = {.rows = rows, .count = 1};
    server *s = server_new(acts, 1);
    order o = {.database = place(a, "unpriced.db"), .subject = arena_printf(a, "http://127.0.0.1:%d/v1#m", s->port),
               .judge = arena_printf(a, "http://127.0.0.1:%d/v1#other", s->port), .items = "3",
               .limits = {.dollars = 5}, .prices = &prices};
    run_outcome out = {0};
    error err = {0};
    assert_int_equal(run_once(a, &o, &out, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "/other"));
    assert_int_equal(atomic_load(&s->requests), 0);
    o.judge = NULL;
    if (run_once(a, &o, &out, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_true(out.effort.dollars > 0 && out.effort.unpriced == 0);
    run_outcome_clear(&out);
    o.judge = arena_printf(a, "http://127.0.0.1:%d/v1#other", s->port);
    o.limits.dollars = 0;
    if (run_once(a, &o, &out, &err) != STATUS_OK) /* without the limit it is asked, and said */
        fail_msg("%s", err.message);
    assert_int_equal(out.effort.unpriced, 3);
    run_outcome_clear(&out);
    server_free(s);
    arena_free(a);
}

static void a_limit_of_time_ends_what_hangs(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    static const act acts[] = {{0}, {0}, {0}, {0}, {0}, {.how = HANG}};
    server *s = server_new(acts, COUNT_OF(acts));
    const order o = {.database = place(a, "time.db"), .subject = arena_printf(a, "http://127.0.0.1:%d/v1#m", s->port),
                     .items = "30", .retries = 50, .in_flight = 4, .limits = {.seconds = 1}};
    run_outcome out = {0};
    error err = {0};
    double begun = clock_seconds();
    assert_int_equal(run_once(a, &o, &out, &err), STATUS_LIMIT);
    assert_non_null(strstr(err.message, "1 seconds"));
    assert_true(clock_seconds() - begun < 10);
    server_free(s);
    arena_free(a);
}

/* ---- kill -9 ---------------------------------------------------------------------------------------------------- */

static pid_t start(const char *database, const char *who, const char *limit)
{
    pid_t child = fork();
    if (child == 0) {
        execl(self, self, "command", database, who, limit, (char *)NULL);
        _exit(127);
    }
    assert_true(child > 0);
    return child;
}

static int command(const char *database, const char *who, const char *limit)
{
    arena *a = arena_new(NULL);
    run_outcome out = {0};
    error err = {0};
    int64_t tokens;
    if (!slice_to_int(slice_of(limit), &tokens))
        return 2;
    const order o = {.database = database, .subject = who, .items = "300", .retries = 2, .in_flight = 8,
                     .limits = {.tokens = tokens}};
    status result = run_once(a, &o, &out, &err);
    run_outcome_clear(&out);
    arena_free(a);
    return result == STATUS_OK ? 0 : result == STATUS_LIMIT ? 3 : 1;
}

static void killed_runs_keep_limits_and_answers(void **state)
{
    (void)state;
    enum { LIMIT = 24000, KILLS = 12 };
    arena *a = arena_new(NULL);
    books *b = calloc(1, sizeof *b);
    server *s = server_start((server){.decide = decide, .answered = answered, .context = b, .delay = 30000});
    const char *database = place(a, "killed.db"), *who = arena_printf(a, "http://127.0.0.1:%d/v1#m", s->port);
    random_stream draws = random_stream_at((uint64_t)getpid(), "kill", 0, 0, 0, 0);
    int how = 0, kills = 0;
    for (; kills < KILLS; kills++) {
        pid_t child = start(database, who, arena_printf(a, "%d", LIMIT));
        usleep((useconds_t)(150000 + 250000 * random_uniform(&draws)));
        if (waitpid(child, &how, WNOHANG) != 0)
            break;
        kill(child, SIGKILL);
        waitpid(child, &how, 0);
        usleep(50000); /* what is on its way there ends */
        pthread_mutex_lock(&s->lock);
        excuse_the_last(b);
        pthread_mutex_unlock(&s->lock);
    }
    assert_true(kills >= 3);
    int code = 3;
    for (int64_t limit = LIMIT; code == 3 && limit < 20 * LIMIT; limit += LIMIT) {
        waitpid(start(database, who, arena_printf(a, "%lld", (long long)limit)), &how, 0);
        code = WEXITSTATUS(how);
        pthread_mutex_lock(&s->lock);
        assert_true(b->billed <= limit);
        pthread_mutex_unlock(&s->lock);
    }
    server_free(s); /* its threads have ended: the books can be read */
    assert_int_equal(code, 0);
    assert_int_equal(b->answered_twice, 0);
    assert_int_equal(check_samples(a, database).good, 300);
    printf("%d kills, %lld tokens billed for 300 samples\n", kills, (long long)b->billed);
    free(b);
    arena_free(a);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sample_ends_in_an_answer_or_in_words),
        cmocka_unit_test(limits_of_tokens_and_money_are_never_passed),
        cmocka_unit_test(who_has_no_price_is_refused_under_a_limit_of_cost),
        cmocka_unit_test(a_limit_of_time_ends_what_hangs),
        cmocka_unit_test(killed_runs_keep_limits_and_answers),
    };
    self = argv[0];
    unsetenv("OPENAI_API_KEY");
    unsetenv("http_proxy");
    unsetenv("HTTP_PROXY");
    unsetenv("all_proxy");
    if (argc == 5)
        return command(argv[2], argv[3], argv[4]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
