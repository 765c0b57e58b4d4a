/* Weights under training: first values, and training checkpoints there and back. */
#include "folder.h"

#include "core/file.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_weights_have_the_spread),
        cmocka_unit_test(a_training_checkpoint_comes_back),
    };
    return cmocka_run_group_tests_name("train/parameters", tests, NULL, NULL);
}
