/* Tables that are only looked up in: a step that holds their gradients as rows gives the bits of one that holds them whole, in less
 * memory; what is tied to a projection stays whole. */
#include "memory.h"

#include "core/threads.h"
#include "graph/composite.h"
#include "train/accumulate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS = 2003, WIDTH = 24, CLASSES = 9, TOKENS = 70, PLACES = 5, STEPS = 4, PARAMETERS = 4, TABLE = WORDS * WIDTH * 4 };

/* "word" and "place" are looked up in ("word" twice, once through bf16); "weight" and "bias" are not. */
typedef struct network {
    graph *g;
    node *parameters[PARAMETERS], *tokens, *others, *places, *loss;
} network;

static network network_of(bool tied)
{
    network n = {.g = graph_new(memory)};
    node *word = graph_input(n.g, "word", TYPE_F32, SHAPE(WORDS, WIDTH)), *place = graph_input(n.g, "place", TYPE_F32, SHAPE(PLACES, WIDTH));
    node *weight = graph_input(n.g, "weight", TYPE_F32, SHAPE(CLASSES, WIDTH)), *bias = graph_input(n.g, "bias", TYPE_F32, SHAPE(CLASSES));
    n.tokens = graph_input(n.g, "tokens", TYPE_I32, SHAPE(TOKENS));
    n.others = graph_input(n.g, "others", TYPE_I32, SHAPE(TOKENS / 2, 2));
    n.places = graph_input(n.g, "places", TYPE_I32, SHAPE(TOKENS));
    node *second = op_cast(op_cast(op_reshape(op_gather_rows(word, n.others), SHAPE(TOKENS, WIDTH)), TYPE_BF16), TYPE_F32);
    node *x = op_tanh(op_add(op_add(op_gather_rows(word, n.tokens), op_scale(second, 0.5)), op_gather_rows(place, n.places)));
    node *y = op_add(op_linear(x, weight), bias);
    n.loss = op_add(op_sum_all(op_square(y)), op_sum_all(op_exp(op_scale(x, 3))));
    if (tied)
        n.loss = op_add(n.loss, op_sum_all(op_square(op_linear(x, word))));
    memcpy(n.parameters, (node *[]){word, place, weight, bias}, sizeof n.parameters);
    return n;
}

typedef struct outcome {
    float values[PARAMETERS][WORDS * WIDTH], states[2 * PARAMETERS][WORDS * WIDTH], losses[STEPS], norms[STEPS];
    size_t peak;
} outcome;

typedef struct way {
    bool whole, tied;
    size_t threads;
    int steps; /* 0: STEPS */
} way;

/* The same values, as something that a step does not know to be rows. */
static node *as_it_is(node *d, bool whole)
{
    return whole ? op_sub(d, graph_fill(d->graph, TYPE_F32, d->shape, 0)) : d;
}

static void fill(outcome *r, int32_t indices[STEPS][3][TOKENS])
{
    for (int p = 0; p < PARAMETERS; p++)
        for (int i = 0; i < WORDS * WIDTH; i++)
            r->values[p][i] = 0.01F * (float)((i * 37 + p * 11) % 101 - 50);
    for (int k = 0; k < STEPS; k++)
        for (int t = 0; t < TOKENS; t++) {
            indices[k][0][t] = (k * 131 + t * t * 7) % WORDS;
            indices[k][1][t] = t % 9 == 8 ? -1 : t % 5 == 4 ? WORDS + t : (k * 59 + t * 3) % WORDS;
            indices[k][2][t] = t % PLACES;
        }
}

static outcome *taken(optimiser how, way w)
{
    static int32_t indices[STEPS][3][TOKENS];
    static const step_part parts[PARAMETERS] = {STEP_TABLE, STEP_TABLE, STEP_TRAINED, STEP_TRAINED};
    outcome *r = ARENA_NEW(memory, outcome);
    network n = network_of(w.tied);
    node *loss, *d[PARAMETERS];
    training_step s;
    step_options options = {.optimiser = how, .clip = 0.5};
    thread_pool *pool;
    plan *p;
    error err = {0};
    float rates[3];
    fill(r, indices);
    assert_true(graph_value_and_grad(n.loss, n.parameters, PARAMETERS, &loss, d));
    for (int i = 0; i < PARAMETERS; i++)
        d[i] = as_it_is(d[i], w.whole);
    if (thread_pool_new(w.threads, &pool, &err) != STATUS_OK ||
        step_build_from(memory, loss, d, n.parameters, PARAMETERS, parts, &options, &s, &err) != STATUS_OK ||
        step_plan(memory, &s, false, &p, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    r->peak = plan_peak_bytes(p);
    for (size_t i = 0; i < PARAMETERS; i++)
        step_bind(p, &s, i, r->values[i], r->states[2 * i], r->states[2 * i + 1]);
    plan_bind(p, s.rates, rates);
    for (int k = 0; k < (w.steps ? w.steps : STEPS); k++) {
        plan_bind(p, n.tokens, indices[k][0]);
        plan_bind(p, n.others, indices[k][1]);
        plan_bind(p, n.places, indices[k][2]);
        step_rates(&options, k, 1e-2, rates);
        if (plan_run(p, pool, &err) != STATUS_OK)
            fail_msg("%s", err.message);
        r->losses[k] = *(const float *)plan_output(p, STEP_LOSS);
        r->norms[k] = *(const float *)plan_output(p, STEP_NORM);
    }
    plan_free(p);
    thread_pool_free(pool);
    graph_free(n.g);
    return r;
}

static void same(const outcome *a, const outcome *b)
{
    assert_memory_equal(a->losses, b->losses, sizeof a->losses);
    assert_memory_equal(a->norms, b->norms, sizeof a->norms);
    assert_memory_equal(a->values, b->values, sizeof a->values);
    assert_memory_equal(a->states, b->states, sizeof a->states);
}

static const struct {
    const char *name;
    optimiser how;
} kinds[] = {
    {"adamw", {.kind = OPTIMISER_ADAMW, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .decay = 0.1}},
    {"muon", {.kind = OPTIMISER_MUON, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .decay = 0.1, .momentum = 0.9, .nesterov = true}},
    {"sgd", {.kind = OPTIMISER_SGD}},
    {"sgd, momentum", {.kind = OPTIMISER_SGD, .momentum = 0.9}},
    {"sgd, decay and Nesterov", {.kind = OPTIMISER_SGD, .momentum = 0.9, .decay = 0.1, .nesterov = true}},
};

static void rows_give_the_bits_of_the_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        outcome *whole = taken(kinds[i].how, (way){.whole = true, .threads = 1}), *rows = taken(kinds[i].how, (way){.threads = 1});
        outcome *more = taken(kinds[i].how, (way){.threads = 2});
        print_message("%s: peak %zu bytes with the gradient whole, %zu as rows; a table is %zu\n", kinds[i].name, whole->peak, rows->peak,
                      (size_t)TABLE);
        same(whole, rows);
        same(rows, more);
        assert_true(rows->norms[0] > 0.5F); /* what is clipped */
        assert_true(rows->peak + 2 * TABLE <= whole->peak); /* one for each lookup, one for their sum in turn */
    }
}

/* A batch that is one piece: its gradient goes through the sums, which are whole, and the plan that adds to them makes no other table. */
static void pieces_add_their_rows_to_the_sums(void **state)
{
    (void)state;
    static int32_t indices[STEPS][3][TOKENS];
    static const step_part parts[PARAMETERS] = {STEP_TABLE, STEP_TABLE, STEP_TRAINED, STEP_TRAINED};
    outcome *at_once = taken(kinds[0].how, (way){.threads = 1}), *r = ARENA_NEW(memory, outcome);
    network n = network_of(false);
    step_options options = {.optimiser = kinds[0].how, .clip = 0.5};
    accumulation *s = NULL;
    error err = {0};
    float rates[3];
    fill(r, indices);
    if (accumulation_new(memory, n.loss, n.parameters, PARAMETERS, parts, &options, &s, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_true(plan_peak_bytes(s->piece) < at_once->peak);
    for (size_t i = 0; i < PARAMETERS; i++)
        accumulation_bind(s, i, r->values[i], r->states[2 * i], r->states[2 * i + 1]);
    plan_bind(s->step, s->update.rates, rates);
    for (int k = 0; k < STEPS; k++) {
        plan_bind(s->piece, n.tokens, indices[k][0]);
        plan_bind(s->piece, n.others, indices[k][1]);
        plan_bind(s->piece, n.places, indices[k][2]);
        step_rates(&options, k, 1e-2, rates);
        accumulation_begin(s);
        assert_int_equal(plan_run(s->piece, NULL, &err), STATUS_OK);
        assert_int_equal(plan_run(s->step, NULL, &err), STATUS_OK);
        r->losses[k] = *(const float *)plan_output(s->step, STEP_LOSS);
        r->norms[k] = *(const float *)plan_output(s->step, STEP_NORM);
    }
    same(at_once, r);
    accumulation_free(s);
    graph_free(n.g);
}

/* Lazy: rows that no step looked up have not moved, and the first step is that of AdamW for the others. */
static void lazy_steps_move_what_was_looked_up(void **state)
{
    (void)state;
    static int32_t indices[STEPS][3][TOKENS];
    optimiser lazy = kinds[0].how;
    lazy.lazy = true;
    outcome *first = taken(lazy, (way){.threads = 1, .steps = 1}), *all = taken(lazy, (way){.threads = 2}), *start = ARENA_NEW(memory, outcome);
    outcome *exact = taken(kinds[0].how, (way){.threads = 1, .steps = 1});
    fill(start, indices);
    assert_true(first->losses[0] == exact->losses[0] && first->norms[0] == exact->norms[0]);
    size_t row = WIDTH * sizeof(float), moved = 0;
    for (int word = 0; word < WORDS; word++) {
        int named = 0, once = 0;
        for (int k = 0; k < STEPS; k++)
            for (int t = 0; t < TOKENS; t++) {
                named += indices[k][0][t] == word || indices[k][1][t] == word;
                once += k == 0 && (indices[k][0][t] == word || indices[k][1][t] == word);
            }
        const outcome *as = once ? exact : start;
        moved += once > 0;
        assert_memory_equal(first->values[0] + word * WIDTH, as->values[0] + word * WIDTH, row);
        for (int i = 0; i < 2; i++)
            assert_memory_equal(first->states[i] + word * WIDTH, as->states[i] + word * WIDTH, row);
        assert_true(named > 0 || memcmp(all->values[0] + word * WIDTH, start->values[0] + word * WIDTH, row) == 0);
        assert_true(named == 0 || memcmp(all->values[0] + word * WIDTH, start->values[0] + word * WIDTH, row) != 0);
    }
    assert_true(moved > 20 && moved < WORDS / 2);
    assert_memory_equal(first->values[1], exact->values[1], sizeof first->values[1]); /* more lookups than rows: all of them, as rows too */
    assert_memory_equal(first->values[2], exact->values[2], sizeof first->values[2]);
}

static void lazy_steps_of_nothing_but_projections_are_refused(void **state)
{
    (void)state;
    static const step_part parts[PARAMETERS] = {STEP_TABLE, STEP_FROZEN, STEP_TRAINED, STEP_TRAINED};
    step_options options = {.optimiser = kinds[0].how};
    options.optimiser.lazy = true;
    for (int pieces = 0; pieces < 2; pieces++) {
        network n = network_of(!pieces);
        training_step s;
        accumulation *sums = NULL;
        error err = {0};
        status made = pieces ? accumulation_new(memory, n.loss, n.parameters, PARAMETERS, parts, &options, &sums, &err)
                             : step_build(memory, n.loss, n.parameters, PARAMETERS, parts, &options, &s, &err);
        assert_int_equal(made, STATUS_INVALID);
        assert_non_null(strstr(err.message, "lookups alone"));
        accumulation_free(sums);
        graph_free(n.g);
    }
}

/* A projection's gradient has every row. */
static void a_tied_table_stays_whole(void **state)
{
    (void)state;
    outcome *whole = taken(kinds[0].how, (way){.whole = true, .tied = true, .threads = 1});
    outcome *found = taken(kinds[0].how, (way){.tied = true, .threads = 1});
    same(whole, found);
    assert_true(found->peak >= TABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_give_the_bits_of_the_whole),
        cmocka_unit_test(pieces_add_their_rows_to_the_sums),
        cmocka_unit_test(lazy_steps_move_what_was_looked_up),
        cmocka_unit_test(lazy_steps_of_nothing_but_projections_are_refused),
        cmocka_unit_test(a_tied_table_stays_whole),
    };
    return cmocka_run_group_tests(tests, memory_set_up, memory_tear_down);
}
