/* What a plan says of itself: its nodes add up, its steps name who computes them, its bytes and operations are those of the
 * arithmetic. */
#include "graph/account.h"
#include "graph/composite.h"
#include "kernels/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static plan *profiled(graph *g, node *const *outputs, size_t count, plan_options o)
{
    plan *p;
    error err = {0};
    o.profile = true;
    o.threads = 1;
    if (plan_new(g, outputs, count, &o, &p, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return p;
}

static plan_account account_of(arena *a, plan *p, int runs)
{
    plan_account account;
    error err = {0};
    for (int i = 0; i < runs; i++)
        if (plan_run(p, NULL, &err) != STATUS_OK)
            fail_msg("%s", err.message);
    if (plan_account_make(a, p, NULL, &account, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return account;
}

static const account_row *row_named(const plan_account *account, const char *name)
{
    for (size_t i = 0; i < account->count; i++)
        if (strcmp(account->rows[i].step.name, name) == 0)
            return &account->rows[i];
    fail_msg("no step %s", name);
    return NULL;
}

static void assert_nodes_add_up(const plan_counts *c)
{
    assert_int_equal(c->nodes, c->leaves + c->merged + c->views + c->absorbed + c->computed);
    assert_true(c->once <= c->computed && c->grouped <= c->computed && c->groups <= c->steps);
}

/* A layer and a half, with something of everything. */
typedef struct small {
    graph *g;
    node *x, *w, *table, *index, *outputs[3];
    float xs[64 * 48], ws[40 * 48], tables[100 * 48];
    int32_t indices[64];
} small;

static void make_small(small *s)
{
    for (size_t i = 0; i < COUNT_OF(s->xs); i++)
        s->xs[i] = sinf((float)i);
    for (size_t i = 0; i < COUNT_OF(s->ws); i++)
        s->ws[i] = cosf((float)i);
    for (size_t i = 0; i < COUNT_OF(s->tables); i++)
        s->tables[i] = (float)(i % 13);
    for (int i = 0; i < 64; i++)
        s->indices[i] = i % 7;
    s->g = graph_new(NULL);
    s->x = graph_input(s->g, "x", TYPE_F32, SHAPE(64, 48));
    s->w = graph_input(s->g, "w", TYPE_F32, SHAPE(40, 48));
    s->table = graph_input(s->g, "table", TYPE_F32, SHAPE(100, 48));
    s->index = graph_input(s->g, "index", TYPE_I32, SHAPE(64));
    node *h = op_add(op_gather_rows(s->table, s->index), s->x), *same = op_add(op_gather_rows(s->table, s->index), s->x);
    node *y = graph_name(op_linear(h, op_scale(s->w, 2)), "hidden"), *activated = op_mul(op_tanh(y), op_exp(op_neg(y)));
    s->outputs[0] = op_reduce_sum(op_reshape(activated, SHAPE(8, 320)), AXES(1), false);
    s->outputs[1] = op_softmax(y);
    s->outputs[2] = op_identity(op_mul(same, h));
}

static plan *plan_small(small *s, plan_options o)
{
    plan *p = profiled(s->g, s->outputs, 3, o);
    plan_bind(p, s->x, s->xs);
    plan_bind(p, s->w, s->ws);
    plan_bind(p, s->table, s->tables);
    plan_bind(p, s->index, s->indices);
    return p;
}

static void totals_add_up(void **state)
{
    (void)state;
    small *s = calloc(1, sizeof *s);
    arena *a = arena_new(NULL);
    make_small(s);
    plan *p = plan_small(s, (plan_options){.frozen = &s->w, .frozen_count = 1});
    assert_int_equal(plan_run(p, NULL, NULL), STATUS_OK);
    plan_profile_clear(p);
    plan_account account = account_of(a, p, 3);
    const plan_counts *c = &account.counts;
    assert_nodes_add_up(c);
    assert_true(c->merged >= 3); /* the second lookup and addition, and the identity */
    assert_int_equal(c->views, 2); /* the reshape, and that behind the sum */
    assert_int_equal(c->once, 1); /* twice the frozen weight */
    assert_int_equal(c->packs, 1);
    assert_int_equal(c->packs_once, 1);
    assert_true(c->pack_bytes >= sizeof s->ws);
    assert_int_equal(account.peak_bytes, c->slab_bytes + c->kept_bytes + c->worker_bytes);
    assert_int_equal(account.runs, 3);
    double seconds = 0, least = 0, limits = 0, flops = 0, bytes = 0;
    size_t nodes = 0;
    for (size_t i = 0; i < account.count; i++) {
        const account_row *row = &account.rows[i];
        assert_true(!row->step.once); /* folded at the run before */
        assert_true(row->least > 0 && row->least <= row->seconds * (1 + 1e-9));
        assert_true(i == 0 || row->seconds <= account.rows[i - 1].seconds);
        nodes += row->step.nodes;
        seconds += row->seconds, least += row->least, limits += row->limit_seconds, flops += row->flops, bytes += row->bytes;
    }
    assert_int_equal(nodes + c->once, c->computed);
    assert_true(fabs(seconds - account.seconds) <= 1e-9 * seconds && fabs(least - account.least) <= 1e-9 * least);
    assert_true(fabs(limits - account.limit_seconds) <= 1e-9 * limits + 1e-15);
    assert_true(flops == account.flops && bytes == account.bytes);
    assert_true(account.product_flops == 2.0 * 64 * 48 * 40);
    assert_true(account.product_alone > 0);
    plan_free(p);
    graph_free(s->g);
    arena_free(a);
    free(s);
}

static void bytes_and_names_are_those_of_the_steps(void **state)
{
    (void)state;
    small *s = calloc(1, sizeof *s);
    arena *a = arena_new(NULL);
    make_small(s);
    plan *p = plan_small(s, (plan_options){.frozen = &s->w, .frozen_count = 1});
    plan_account account = account_of(a, p, 1);
    const account_row *gather = row_named(&account, "gather_rows"), *linear = row_named(&account, "linear");
    assert_true(gather->bytes == 2 * sizeof s->xs + sizeof s->indices); /* of a table of 100 rows the 64 that are read */
    assert_string_equal(gather->step.implementation, "portable");
    assert_int_equal(gather->limit, ACCOUNT_COPY);
    assert_string_equal(linear->where, "hidden");
    assert_int_equal(linear->limit, ACCOUNT_PRODUCT);
    assert_true(linear->flops == 2.0 * 64 * 48 * 40);
    kernel_matmul *m;
    kernel_matmul_spec spec = {.type = KERNEL_F32, .out = KERNEL_F32, .k = 48, .n = 40, .transposed = true};
    assert_int_equal(kernel_matmul_new(a, &spec, 1, &m, NULL), STATUS_OK);
    assert_non_null(strstr(linear->step.implementation, kernel_matmul_implementation(m)));
    const account_row *group = row_named(&account, "elementwise");
    assert_string_equal(group->step.members, "tanh neg exp mul reduce_sum");
    assert_true(group->bytes == (64 * 40 + 8.0) * sizeof(float)); /* read, and eight sums written */
    assert_int_equal(group->shape.size[0], 64);
    assert_int_equal(account.counts.reductions, 1);
    assert_string_equal(group->step.implementation, kernel_isa_name(kernel_isa_used()));
    plan_free(p);
    p = plan_small(s, (plan_options){.reference = true});
    account = account_of(a, p, 1);
    for (size_t i = 0; i < account.count; i++)
        if (account.rows[i].step.nodes) /* not those that copy */
            assert_string_equal(account.rows[i].step.implementation, "reference");
    plan_free(p);
    graph_free(s->g);
    arena_free(a);
    free(s);
}

/* The convolution of a plan is oneDNN's, and none of its reference ones. */
static void convolutions_are_done_by_onednn(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    graph *g = graph_new(NULL);
    node *x = graph_input(g, "images", TYPE_F32, SHAPE(4, 14, 14, 16)), *w = graph_input(g, "filter", TYPE_F32, SHAPE(32, 16, 3, 3));
    node *y = op_conv(x, w, 1, (window_options){.before = {1, 1}, .after = {1, 1}}), *of[2] = {x, w}, *outputs[3] = {y};
    assert_true(graph_grad(op_sum_all(op_square(y)), of, 2, NULL, outputs + 1));
    plan *p = profiled(g, outputs, 3, (plan_options){0});
    float *xs = calloc(4 * 14 * 14 * 16, sizeof *xs), *ws = calloc(32 * 16 * 9, sizeof *ws);
    plan_bind(p, x, xs);
    plan_bind(p, w, ws);
    plan_account account = account_of(a, p, 1);
    static const char *const names[] = {"conv", "conv_input_grad", "conv_weight_grad"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const account_row *row = row_named(&account, names[i]);
        if (kernel_isa_used() != KERNEL_PORTABLE)
            assert_true(strstr(row->step.implementation, "jit") || strstr(row->step.implementation, "brg"));
        assert_null(strstr(row->step.implementation, "ref"));
        assert_true(row->flops == 2.0 * 4 * 14 * 14 * 32 * 16 * 9);
        assert_int_equal(row->limit, ACCOUNT_PRODUCT);
        assert_true(row->limit_seconds > 0);
    }
    plan_free(p);
    graph_free(g);
    arena_free(a);
    free(xs);
    free(ws);
}

/* A product in f64 is done in vectors, and only the reference plan's is not. */
static void products_in_f64_name_their_vectors(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    graph *g = graph_new(NULL);
    node *w = op_reshape(op_sin(graph_iota(g, TYPE_F64, SHAPE(600), 0)), SHAPE(20, 30));
    node *input = graph_input(g, "x", TYPE_F64, SHAPE(40, 30)), *outputs[2] = {op_matmul(input, w, false, true), op_linear(input, w)};
    for (int way = 0; way < 2; way++) {
        double values[1200] = {1};
        plan *p = profiled(g, outputs, 2, (plan_options){.reference = way == 1});
        plan_bind(p, input, values);
        plan_account account = account_of(a, p, 1);
        size_t products = 0;
        for (size_t i = 0; i < account.count; i++)
            if (account.rows[i].flops == 2.0 * 40 * 30 * 20) {
                products++;
                assert_string_equal(account.rows[i].step.implementation, way ? "reference" : kernel_isa_name(kernel_isa_used()));
            }
        assert_true(products >= 1); /* a lowered linear is the same product */
        plan_free(p);
    }
    graph_free(g);
    arena_free(a);
}

/* ---- what the passes save, counted ---- */
static void each_pass_shows_in_the_counts(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    graph *g = graph_new(NULL);
    float numbers[4] = {1, 2, 3, 4}, rows[16] = {0}, ws[16] = {1};
    node *x = graph_input(g, "x", TYPE_F32, SHAPE(4, 4)), *w = graph_input(g, "w", TYPE_F32, SHAPE(4, 4));
    node *table = graph_constant(g, TYPE_F32, SHAPE(4), numbers), *folded = op_exp(op_cumulative_sum(table, 0, false));
    node *once = op_linear(x, w), *again = op_linear(op_tanh(once), w); /* one weight, packed once */
    node *outputs[2] = {op_add(op_mul(again, folded), op_sin(again)), op_scale(x, 2)};
    plan_donation donation = {x, 1};
    plan_options o = {.frozen = &w, .frozen_count = 1, .donations = &donation, .donation_count = 1}, apart = o;
    apart.unfused = true;
    plan *p = profiled(g, outputs, 2, o), *single = profiled(g, outputs, 2, apart);
    plan_bind(p, w, ws);
    plan_bind_mutable(p, x, rows);
    assert_int_equal(plan_run(p, NULL, NULL), STATUS_OK);
    plan_profile_clear(p);
    plan_account account = account_of(a, p, 1);
    const plan_counts *c = &account.counts;
    plan_counts other = plan_counts_of(single);
    assert_nodes_add_up(c);
    assert_nodes_add_up(&other);
    assert_int_equal(c->once, 2); /* constants: the sums and their exponentials */
    assert_int_equal(c->packs, 1);
    assert_int_equal(c->packs_once, 1);
    for (size_t i = 0; i < account.count; i++) { /* neither runs again */
        assert_string_not_equal(account.rows[i].step.name, "cumulative_sum");
        assert_string_not_equal(account.rows[i].step.name, "pack");
    }
    assert_int_equal(c->groups, 1); /* mul, sin, add */
    assert_int_equal(c->grouped, 3);
    assert_int_equal(other.groups, 0);
    assert_int_equal(other.computed, c->computed);
    assert_int_equal(other.steps, c->steps + 2);
    assert_int_equal(c->donations, 1);
    assert_int_equal(c->in_place, 1);
    plan_free(p);
    plan_free(single);
    graph_free(g);
    arena_free(a);
}

/* ---- attention ---- */
enum { TOKENS = 90, HEADS = 4, KEYS = 2, SIZE = 16, WIDTH = 60 };

static bool sees(const int32_t *start, int64_t window, bool both_ways, int t, int j)
{
    if (start[j] != start[t] || (!both_ways && j > t))
        return false;
    return window == 0 || (j <= t ? t - j < window : j - t < window);
}

static bool unmasked(int t, int i)
{
    return i < WIDTH && (t * 7 + i * 3) % 5 != 0;
}

static void check_attention(int64_t window, bool both_ways, bool masked)
{
    static float values[TOKENS * HEADS * SIZE];
    int32_t start[TOKENS];
    arena *a = arena_new(NULL);
    graph *g = graph_new(NULL);
    node *q = graph_input(g, "q", TYPE_F32, SHAPE(TOKENS, HEADS, SIZE)), *k = graph_input(g, "k", TYPE_F32, SHAPE(TOKENS, KEYS, SIZE));
    node *starts = graph_input(g, "start", TYPE_I32, SHAPE(TOKENS)), *outputs[2], *d[1];
    static uint8_t holes[TOKENS * WIDTH];
    node *mask = graph_input(g, "mask", TYPE_U8, SHAPE(TOKENS, WIDTH));
    attention_options how = {.window = window, .both_ways = both_ways};
    outputs[0] = masked ? op_masked_attention(q, k, k, starts, mask, how) : op_attention(q, k, k, starts, how);
    assert_true(graph_grad(op_sum_all(outputs[0]), &q, 1, NULL, d));
    outputs[1] = d[0];
    plan *p = profiled(g, outputs, 2, (plan_options){0});
    for (int t = 0; t < TOKENS; t++)
        start[t] = t < 20 ? 0 : t < 21 ? 20 : 21;
    plan_bind(p, q, values);
    plan_bind(p, k, values);
    plan_bind(p, starts, start);
    for (int t = 0; t < TOKENS; t++)
        for (int i = 0; i < WIDTH; i++)
            holes[t * WIDTH + i] = unmasked(t, i);
    plan_bind(p, mask, holes);
    plan_account account = account_of(a, p, 1);
    double pairs = 0;
    for (int t = 0; t < TOKENS; t++)
        for (int j = 0; j < TOKENS; j++)
            pairs += sees(start, window, both_ways, t, j) && (!masked || unmasked(t, j - start[t]));
    assert_true(row_named(&account, masked ? "masked_attention" : "attention")->flops == 4 * pairs * HEADS * SIZE);
    assert_true(row_named(&account, masked ? "masked_attention_grad" : "attention_grad")->flops == 10 * pairs * HEADS * SIZE);
    plan_free(p);
    graph_free(g);
    arena_free(a);
}

static void attention_counts_the_pairs_that_are_seen(void **state)
{
    (void)state;
    for (int masked = 0; masked < 2; masked++) {
        check_attention(0, false, masked);
        check_attention(7, false, masked);
        check_attention(0, true, masked);
        check_attention(7, true, masked);
        check_attention(1, true, masked);
    }
}

/* What is written in place costs its rows, not its table. */
static void caches_count_their_rows(void **state)
{
    (void)state;
    enum { PAGES = 8, ROWS = 3, G = 2, H = 4, D = 8 };
    static float k_cache[PAGES * 64 * G * D], v_cache[PAGES * 64 * G * D], rows[ROWS * H * D];
    static int32_t pages[2 * 4] = {0, 1, 2, 3, 4, 5, 6, 7}, slot[ROWS] = {0, 1, 1}, position[ROWS] = {100, 30, 31};
    arena *a = arena_new(NULL);
    graph *g = graph_new(NULL);
    shape cache = SHAPE(PAGES, 64, G, D);
    node *kc = graph_input(g, "kc", TYPE_F32, cache), *vc = graph_input(g, "vc", TYPE_F32, cache);
    node *k = graph_input(g, "k", TYPE_F32, SHAPE(ROWS, G, D)), *q = graph_input(g, "q", TYPE_F32, SHAPE(ROWS, H, D));
    node *table = graph_input(g, "pages", TYPE_I32, SHAPE(2, 4)), *slots = graph_input(g, "slot", TYPE_I32, SHAPE(ROWS));
    node *at = graph_input(g, "position", TYPE_I32, SHAPE(ROWS)), *outputs[3];
    assert_true(op_cache_append(kc, vc, k, k, table, slots, at, &outputs[0], &outputs[1]));
    outputs[2] = op_cache_attention(q, outputs[0], outputs[1], table, slots, at, (attention_options){0});
    plan_donation donations[] = {{kc, 0}, {vc, 1}};
    plan *p = profiled(g, outputs, 3, (plan_options){.donations = donations, .donation_count = 2});
    plan_bind_mutable(p, kc, k_cache);
    plan_bind_mutable(p, vc, v_cache);
    plan_bind(p, k, rows);
    plan_bind(p, q, rows);
    plan_bind(p, table, pages);
    plan_bind(p, slots, slot);
    plan_bind(p, at, position);
    plan_account account = account_of(a, p, 1);
    assert_int_equal(account.counts.in_place, 2);
    assert_true(row_named(&account, "cache_append")->bytes == 2.0 * 2 * ROWS * G * D * sizeof(float));
    const account_row *attention = row_named(&account, "cache_attention");
    assert_true(attention->flops == 4.0 * (101 + 31 + 32) * H * D);
    assert_true(attention->bytes == sizeof(float) * (2.0 * ROWS * H * D + 2.0 * (101 + 32) * G * D));
    plan_free(p);
    graph_free(g);
    arena_free(a);
}

/* ---- in words ---- */
static void tables_and_json_say_the_same(void **state)
{
    (void)state;
    small *s = calloc(1, sizeof *s);
    arena *a = arena_new(NULL);
    make_small(s);
    plan *p = plan_small(s, (plan_options){0});
    plan_account account = account_of(a, p, 2);
    strbuf text = strbuf_new(a, 1 << 20);
    plan_account_text(&account, 2, &text);
    assert_false(text.failed);
    char *rest = arena_printf(a, "%zu more steps", account.count - 2), *nodes = arena_printf(a, "nodes      %zu:", account.counts.nodes);
    assert_non_null(strstr(text.text, rest));
    assert_non_null(strstr(text.text, nodes));
    assert_non_null(strstr(text.text, account.rows[0].step.name));
    strbuf_clear(&text);
    plan_account_kinds_text(a, &account, &text);
    assert_non_null(strstr(text.text, "softmax"));
    json_t *all = plan_account_json(&account);
    json_t *rows = json_object_get(all, "steps"), *counts = json_object_get(all, "plan");
    assert_int_equal(json_array_size(rows), account.count);
    assert_int_equal(json_integer_value(json_object_get(counts, "nodes")), (json_int_t)account.counts.nodes);
    assert_int_equal(json_integer_value(json_object_get(counts, "peak_bytes")), (json_int_t)plan_peak_bytes(p));
    double seconds = 0;
    for (size_t i = 0; i < account.count; i++)
        seconds += json_real_value(json_object_get(json_array_get(rows, i), "seconds"));
    assert_true(fabs(seconds - json_real_value(json_object_get(all, "seconds"))) <= 1e-9 * seconds);
    json_decref(all);
    account_kind *kinds;
    size_t count = plan_account_kinds(a, &account, &kinds), steps = 0;
    for (size_t i = 0; i < count; i++)
        steps += kinds[i].steps;
    assert_int_equal(steps, account.count);
    plan_free(p);
    graph_free(s->g);
    arena_free(a);
    free(s);
}

static void plans_without_times_have_no_account(void **state)
{
    (void)state;
    graph *g = graph_new(NULL);
    node *x = graph_input(g, "x", TYPE_F32, SHAPE(4)), *y = op_exp(x);
    arena *a = arena_new(NULL);
    plan_account account;
    plan *p;
    error err = {0};
    assert_int_equal(plan_new(g, &y, 1, NULL, &p, NULL), STATUS_OK);
    plan_bind(p, x, (float[4]){0});
    assert_int_equal(plan_run(p, NULL, NULL), STATUS_OK);
    assert_int_equal(plan_account_make(a, p, NULL, &account, &err), STATUS_USAGE);
    plan_free(p);
    p = profiled(g, &y, 1, (plan_options){0});
    assert_int_equal(plan_account_make(a, p, NULL, &account, &err), STATUS_USAGE); /* it has not run */
    plan_free(p);
    graph_free(g);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(totals_add_up),
        cmocka_unit_test(bytes_and_names_are_those_of_the_steps),
        cmocka_unit_test(convolutions_are_done_by_onednn),
        cmocka_unit_test(products_in_f64_name_their_vectors),
        cmocka_unit_test(each_pass_shows_in_the_counts),
        cmocka_unit_test(attention_counts_the_pairs_that_are_seen),
        cmocka_unit_test(caches_count_their_rows),
        cmocka_unit_test(tables_and_json_say_the_same),
        cmocka_unit_test(plans_without_times_have_no_account),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
