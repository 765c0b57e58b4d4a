/* Weights under training: first values, and training checkpoints there and back. */
#include "folder.h"

#include "core/file.h"
#include "graph/ops.h"
#include "train/parameters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

static parameters *make(arena *a)
{
    static const char *const names[] = {"embed.weight", "norm.weight"};
    parameters *p;
    assert_int_equal(parameters_new(a, names, (shape[]){SHAPE(40, 25), SHAPE(25)}, 2, &p, NULL), STATUS_OK);
    assert_int_equal(parameters_train(p, NULL, &(optimiser){.kind = OPTIMISER_ADAMW}, NULL), STATUS_OK);
    p->items[0].spread = 0.5;
    order_stream stream = order_stream_at((unsigned char[SHA256_BYTES]){3}, "init");
    parameters_initialise(p, &stream);
    return p;
}

static void first_weights_have_the_spread(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    parameters *p = make(a);
    double sum = 0;
    for (size_t i = 0; i < 1000; i++)
        sum += (double)p->items[0].value[i] * (double)p->items[0].value[i];
    assert_true(fabs(sqrt(sum / 1000) - 0.5) < 0.05);
    assert_true(p->items[1].value[24] == 1 && p->items[0].mean[3] == 0);
    assert_int_equal(p->elements, 1025);
    arena_free(a);
}

static void a_training_checkpoint_comes_back(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const char *path = file_join(a, test_folder(), "training.safetensors");
    parameters *p = make(a), *q = make(a);
    p->items[0].value[17] = 0.1f;
    p->items[0].mean[1] = -3e-9f;
    p->items[1].square[2] = 1e-30f;
    json_t *saved = json_pack("{s:i, s:f}", "step", 12, "loss", 0.1), *back;
    error err = {0};
    assert_int_equal(parameters_save(p, path, saved, &err), STATUS_OK);
    if (parameters_restore(q, path, &back, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_true(json_equal(saved, back));
    for (size_t i = 0; i < 2; i++) {
        size_t bytes = p->items[i].elements * sizeof(float);
        assert_memory_equal(p->items[i].value, q->items[i].value, bytes);
        assert_memory_equal(p->items[i].mean, q->items[i].mean, bytes);
        assert_memory_equal(p->items[i].square, q->items[i].square, bytes);
    }
    unsigned char one[SHA256_BYTES], two[SHA256_BYTES];
    parameters_digest(p, one);
    parameters_digest(q, two);
    assert_memory_equal(one, two, sizeof one);
    json_decref(saved);
    json_decref(back);
    arena_free(a);
}

/* ---- what optimisers keep ---- */

enum { ROWS = 300, COLUMNS = 200, TABLE_ROWS = 500, KEPT_PARAMETERS = 4 };
static const char *const kept_names[KEPT_PARAMETERS] = {"matrix", "table", "norm", "frozen"};
static const step_part kept_parts[KEPT_PARAMETERS] = {STEP_TRAINED, STEP_TABLE, STEP_TRAINED, STEP_FROZEN};

static parameters *four_kinds(arena *a)
{
    parameters *p;
    const shape shapes[KEPT_PARAMETERS] = {SHAPE(ROWS, COLUMNS), SHAPE(TABLE_ROWS, COLUMNS), SHAPE(COLUMNS), SHAPE(ROWS, COLUMNS)};
    assert_int_equal(parameters_new(a, kept_names, shapes, KEPT_PARAMETERS, &p, NULL), STATUS_OK);
    return p;
}

static size_t moments_of(const parameters *p)
{
    size_t floats = 0;
    for (size_t i = 0; i < p->count; i++)
        floats += (p->items[i].mean ? p->items[i].elements : 0) + (p->items[i].square ? p->items[i].elements : 0);
    return floats * sizeof(float);
}

/* The step that trains them: its inputs. */
static training_step step_of(arena *a, const parameters *p, const optimiser *o)
{
    graph *g = graph_new(a);
    node *all[KEPT_PARAMETERS], *loss = NULL;
    training_step s;
    error err = {0};
    for (size_t i = 0; i < p->count; i++) {
        all[i] = graph_input(g, p->items[i].name, TYPE_F32, p->items[i].shape);
        node *one = op_sum_squares(all[i]);
        loss = loss ? op_add(loss, one) : one;
    }
    if (step_build(a, loss, all, p->count, kept_parts, &(step_options){.optimiser = *o, .clip = 1}, &s, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return s;
}

/* Bytes of what is kept beside the values: of AdamW twice the trained values, of Muon once the matrices and twice the rest, of momentum
 * once, of plain SGD none; in memory, as inputs of the step, and in its training checkpoints. */
static void a_step_holds_what_its_optimiser_keeps(void **state)
{
    (void)state;
    enum { MATRIX = 4 * ROWS * COLUMNS, TABLE = 4 * TABLE_ROWS * COLUMNS, NORM = 4 * COLUMNS };
    static const struct {
        optimiser how;
        size_t bytes;
    } cases[] = {{{.kind = OPTIMISER_ADAMW, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8}, 2 * (MATRIX + TABLE + NORM)},
                 {{.kind = OPTIMISER_MUON, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .momentum = 0.95}, MATRIX + 2 * (TABLE + NORM)},
                 {{.kind = OPTIMISER_SGD, .momentum = 0.9}, MATRIX + TABLE + NORM},
                 {{.kind = OPTIMISER_SGD}, 0}};
    for (size_t k = 0; k < COUNT_OF(cases); k++) {
        arena *a = arena_new(NULL);
        parameters *p = four_kinds(a);
        size_t values = arena_bytes(a), inputs = 0;
        error err = {0};
        assert_int_equal(parameters_train(p, kept_parts, &cases[k].how, &err), STATUS_OK);
        assert_int_equal(moments_of(p), cases[k].bytes);
        size_t held = arena_bytes(a) - values; /* the arena may hold blocks that are not full yet */
        assert_true(held >= cases[k].bytes && held <= cases[k].bytes + cases[k].bytes / 4 + (1 << 16));
        training_step s = step_of(a, p, &cases[k].how);
        for (size_t i = 0; i < p->count; i++) {
            float *own[OPTIMISER_STATES] = {p->items[i].mean, p->items[i].square};
            for (size_t m = 0; m < OPTIMISER_STATES; m++) {
                assert_true(!own[m] == !s.states[OPTIMISER_STATES * i + m]);
                inputs += own[m] ? p->items[i].elements * sizeof(float) : 0;
            }
        }
        assert_int_equal(inputs, cases[k].bytes);
        const char *path = file_join(a, test_folder(), "kept.safetensors");
        safetensors *file;
        size_t bytes = 0;
        json_t *nothing = json_object();
        assert_int_equal(parameters_save(p, path, nothing, &err), STATUS_OK);
        assert_int_equal(safetensors_open(a, path, &file, &err), STATUS_OK);
        for (size_t i = 0; i < safetensors_count(file); i++)
            bytes += safetensors_at(file, i)->bytes;
        assert_int_equal(bytes, p->elements * sizeof(float) + cases[k].bytes);
        json_decref(nothing);
        arena_free(a);
    }
}

/* What is kept costs nothing beyond that: a plan writes it where it lies, and needs the same memory of its own whatever is kept. */
static void a_plan_has_no_second_room_for_it(void **state)
{
    (void)state;
    static const optimiser all[] = {{.kind = OPTIMISER_SGD}, {.kind = OPTIMISER_SGD, .momentum = 0.9},
                                    {.kind = OPTIMISER_ADAMW, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8}};
    size_t peaks[COUNT_OF(all)];
    for (size_t k = 0; k < COUNT_OF(all); k++) {
        arena *a = arena_new(NULL);
        plan *p;
        training_step s = step_of(a, four_kinds(a), &all[k]);
        error err = {0};
        if (step_plan(a, &s, false, &p, &err) != STATUS_OK)
            fail_msg("%s", err.message);
        peaks[k] = plan_peak_bytes(p);
        plan_free(p);
        graph_free(s.graph);
        arena_free(a);
    }
    assert_int_equal(peaks[0], peaks[1]);
    assert_int_equal(peaks[0], peaks[2]);
}

/* Training checkpoints of before this hold both moments of whatever is trained: they are read, and what is not needed is left. A file
 * that lacks what is needed is refused by name. */
static void files_that_hold_more_are_read(void **state)
{
    (void)state;
    arena *a = arena_new(NULL);
    const char *path = file_join(a, test_folder(), "more.safetensors");
    const optimiser adamw = {.kind = OPTIMISER_ADAMW}, momentum = {.kind = OPTIMISER_SGD, .momentum = 0.9};
    parameters *old = four_kinds(a), *p = four_kinds(a);
    json_t *nothing = json_object();
    error err = {0};
    assert_int_equal(parameters_train(old, NULL, &adamw, &err), STATUS_OK);
    for (size_t i = 0; i < old->count; i++)
        old->items[i].value[5] = 3, old->items[i].mean[7] = 5, old->items[i].square[9] = 7;
    assert_int_equal(parameters_save(old, path, nothing, &err), STATUS_OK);
    assert_int_equal(parameters_train(p, kept_parts, &momentum, &err), STATUS_OK);
    if (parameters_restore(p, path, NULL, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_true(p->items[0].value[5] == 3 && p->items[0].mean[7] == 5 && p->items[3].value[5] == 3);
    assert_null(p->items[0].square);
    assert_null(p->items[3].mean);
    assert_int_equal(parameters_save(p, path, nothing, &err), STATUS_OK);
    assert_int_equal(parameters_restore(old, path, NULL, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "square:matrix"));
    json_decref(nothing);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_weights_have_the_spread),
        cmocka_unit_test(a_training_checkpoint_comes_back),
        cmocka_unit_test(a_step_holds_what_its_optimiser_keeps),
        cmocka_unit_test(a_plan_has_no_second_room_for_it),
        cmocka_unit_test(files_that_hold_more_are_read),
    };
    return cmocka_run_group_tests_name("train/parameters", tests, NULL, NULL);
}
