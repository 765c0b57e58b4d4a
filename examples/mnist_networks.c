/* mnist_networks.c - what trained networks in files make of the MNIST test images.
 *
 *     build/release/examples/example_mnist_networks FOLDER NETWORK...
 *
 * FOLDER holds the IDX files. A NETWORK is an ONNX file whose input is images [N, 28, 28, 1], or a safetensors file with l1.weight
 * [H, 784] and l2.weight [10, H]: two layers without biases and a leaky ReLU of .01 between them. Pixels are given from 0 to 1. */
#include "digits.h"
#include "graph/composite.h"
#include "nn/onnx.h"
#include "nn/safetensors.h"

#include <stdio.h>
#include <string.h>

static status read_weight(arena *a, graph *g, const safetensors *file, const char *name, int64_t columns, node **out, error *err)
{
    const safetensors_tensor *t = safetensors_find(file, name);
    if (!t || t->rank != 2 || t->shape[1] != columns || t->shape[0] < 1)
        return error_set(err, STATUS_INVALID, "expected a tensor %s of rows of %lld", name, (long long)columns);
    float *values = arena_alloc(a, (size_t)safetensors_elements(t) * sizeof(float));
    if (!values)
        return error_set(err, STATUS_MEMORY, "out of memory");
    TRY(safetensors_to_f32(t, values, err));
    *out = graph_constant(g, TYPE_F32, SHAPE(t->shape[0], t->shape[1]), values);
    return STATUS_OK;
}

static status two_layers(arena *a, const char *path, node *images, node **scores, error *err)
{
    safetensors *file;
    node *first, *second;
    TRY(safetensors_open(a, path, &file, err));
    TRY(read_weight(a, images->graph, file, "l1.weight", DIGITS_PIXELS, &first, err));
    TRY(read_weight(a, images->graph, file, "l2.weight", first ? first->shape.size[0] : 0, &second, err));
    node *x = op_reshape(images, SHAPE(DIGITS_BATCH, DIGITS_PIXELS));
    *scores = op_linear(op_leaky_relu(op_linear(x, first), 0.01), second);
    return STATUS_OK;
}

static status build(arena *a, const char *path, node *images, node **scores, error *err)
{
    size_t length = strlen(path);
    if (length > 5 && strcmp(path + length - 5, ".onnx") == 0) {
        onnx_model *m;
        TRY(onnx_read(a, path, &m, err));
        TRY(onnx_build(m, images, scores, err));
    } else {
        TRY(two_layers(a, path, images, scores, err));
    }
    if (*scores && !shape_equal((*scores)->shape, SHAPE(DIGITS_BATCH, DIGITS_CLASSES)))
        return error_set(err, STATUS_INVALID, "%s does not give ten scores an image", path);
    return STATUS_OK;
}

static status judge(arena *a, const char *path, const digits *test, error *err)
{
    static float pixels[DIGITS_BATCH * DIGITS_PIXELS];
    graph *g = graph_new(a);
    node *images = graph_input(g, "images", TYPE_F32, SHAPE(DIGITS_BATCH, DIGITS_SIDE, DIGITS_SIDE, 1)), *scores = NULL;
    plan *p;
    double share = 0;
    TRY(build(a, path, images, &scores, err));
    TRY(plan_new(g, &scores, 1, NULL, &p, err));
    plan_bind(p, images, pixels);
    status s = digits_accuracy(p, NULL, test, 0, 1, pixels, &share, err);
    plan_free(p);
    if (s == STATUS_OK)
        printf("%s: %.2f %% of %zu test images\n", path, 100 * share, test->count);
    return s;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s FOLDER NETWORK...\n", argv[0]);
        return 2;
    }
    error err = {0};
    digits test;
    arena *a = arena_new(NULL);
    status s = digits_read(a, argv[1], "t10k", &test, &err);
    for (int i = 2; i < argc && s == STATUS_OK; i++)
        s = judge(a, argv[i], &test, &err);
    arena_free(a);
    if (s != STATUS_OK)
        fprintf(stderr, "mnist_networks: %s\n", err.message);
    return s == STATUS_OK ? 0 : 1;
}
