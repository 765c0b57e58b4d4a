/* ONNX: a small network written here gives what its formula says; networks that are broken are refused with the reason. */
#include "nn/onnx_bytes.h"

#include "graph/plan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void put_tensor(message *whole, const char *name, int64_t rows, int64_t columns, const float *values)
{
    message t = {.length = 0};
    put_number(&t, 1, (uint64_t)rows);
    put_number(&t, 1, (uint64_t)columns);
    put_number(&t, 2, ONNX_FLOAT);
    put_text(&t, 8, name);
    put_bytes(&t, 9, values, (size_t)(rows * columns) * sizeof(float));
    put_message(whole, 5, &t);
}

static void put_node(message *whole, const char *operation, const char *a, const char *b, const char *result)
{
    message n = {.length = 0};
    put_text(&n, 1, a);
    if (b)
        put_text(&n, 1, b);
    put_text(&n, 2, result);
    put_text(&n, 4, operation);
    put_message(whole, 1, &n);
}

static void put_value(message *whole, unsigned field, const char *name, int64_t columns)
{
    message axis = {.length = 0}, open = {.length = 0}, s = {.length = 0}, tensor = {.length = 0}, type = {.length = 0},
            v = {.length = 0};
    put_text(&open, 2, "N");
    put_message(&s, 1, &open);
    put_number(&axis, 1, (uint64_t)columns);
    put_message(&s, 1, &axis);
    put_number(&tensor, 1, ONNX_FLOAT);
    put_message(&tensor, 2, &s);
    put_message(&type, 1, &tensor);
    put_text(&v, 1, name);
    put_message(&v, 2, &type);
    put_message(whole, field, &v);
}

/* relu(x W + b), its operations in the wrong order; `second` stands in for "Add", `reads` for what it reads. */
static message network(const char *second, const char *reads, int64_t rows)
{
    message whole = {.length = 0}, set = {.length = 0}, file = {.length = 0};
    put_node(&whole, "Relu", "sum", NULL, "y");
    put_node(&whole, second, reads, "b", "sum");
    put_node(&whole, "MatMul", "x", "W", "product");
    put_tensor(&whole, "W", rows, 2, (float[]){1, 2, 3, 4, 5, 6});
    put_tensor(&whole, "b", 1, 2, (float[]){-20, 10});
    put_value(&whole, 11, "x", rows);
    put_value(&whole, 12, "y", 2);
    put_number(&set, 2, 13);
    put_message(&file, 8, &set);
    put_message(&file, 7, &whole);
    return file;
}

/* The network's answer to (1, 2, 3) and (4, 5, 6), or how it is refused. */
static status answer(const message *file, size_t length, float y[4], error *err)
{
    arena *a = arena_new(NULL);
    graph *g = graph_new(a);
    node *x = graph_constant(g, TYPE_F32, SHAPE(2, 3), (float[]){1, 2, 3, 4, 5, 6}), *out = NULL;
    onnx_model *m;
    plan *p;
    status s = onnx_parse(a, (slice){file->bytes, length}, "net.onnx", &m, err);
    if (s == STATUS_OK)
        s = onnx_build(m, x, &out, err);
    if (s == STATUS_OK)
        s = plan_new(g, &out, 1, &(plan_options){.memory_limit = 1 << 20}, &p, err);
    if (s == STATUS_OK) {
        assert_int_equal(plan_run(p, NULL, err), STATUS_OK);
        if (shape_count(out->shape) == 4)
            memcpy(y, plan_output(p, 0), 4 * sizeof *y);
        plan_free(p);
    }
    arena_free(a);
    return s;
}

static void a_network_gives_what_its_formula_says(void **state)
{
    (void)state;
    message file = network("Add", "product", 3);
    float y[4];
    error err = {0};
    if (answer(&file, file.length, y, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    const float expected[4] = {2, 38, 29, 74}; /* (22, 28) and (49, 64) with the bias */
    for (size_t i = 0; i < 4; i++)
        assert_true(fabs((double)(y[i] - expected[i])) < 1e-5);
}

static void what_cannot_be_built_is_refused_with_the_reason(void **state)
{
    (void)state;
    const struct {
        message file;
        status code;
        const char *word;
    } cases[] = {
        {network("Foo", "product", 3), STATUS_UNSUPPORTED, "the operation 'Foo'"},
        {network("Add", "y", 3), STATUS_INVALID, "needs its own result"},
        {network("Add", "nowhere", 3), STATUS_INVALID, "nothing makes the value 'nowhere'"},
        {network("Add", "x", 3), STATUS_INVALID, "Add 'sum' of a value of shape [2, 3]: expected [1, 2]"},
        {network("Add", "product", 2), STATUS_INVALID, "takes f32 of shape [-1, 2]"},
        {{.bytes = "", .length = 0}, STATUS_INVALID, "expected a network"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        error err = {0};
        float y[4];
        assert_int_equal(answer(&cases[i].file, cases[i].file.length, y, &err), cases[i].code);
        if (!strstr(err.message, cases[i].word))
            fail_msg("case %zu: expected '%s' in: %s", i, cases[i].word, err.message);
    }
}

/* No byte too few and no changed byte does more than give a message. */
static void broken_files_are_survived(void **state)
{
    (void)state;
    const message good = network("Add", "product", 3);
    for (size_t i = 0; i < good.length; i++)
        for (int kind = 0; kind < 4; kind++) {
            message bad = good;
            error err = {0};
            float y[4];
            bad.bytes[i] = (char)(kind == 1 ? bad.bytes[i] ^ 1 : kind == 2 ? bad.bytes[i] + 1 : kind == 3 ? 0x7f : bad.bytes[i]);
            if (answer(&bad, kind ? bad.length : i, y, &err) != STATUS_OK)
                assert_true(err.message[0]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_gives_what_its_formula_says),
        cmocka_unit_test(what_cannot_be_built_is_refused_with_the_reason),
        cmocka_unit_test(broken_files_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
