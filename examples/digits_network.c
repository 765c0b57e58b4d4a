#include "digits_network.h"

enum { CONV1, BIAS1, CONV2, BIAS2, DENSE, DENSE_BIAS, OUT, OUT_BIAS };

const fit_weight digits_layers[DIGITS_LAYERS] = {
    [CONV1] = {"conv1.weight", {4, {32, 1, 5, 5}}, 0.28},  [BIAS1] = {"conv1.bias", {1, {32}}, -1},
    [CONV2] = {"conv2.weight", {4, {64, 32, 3, 3}}, 0.083}, [BIAS2] = {"conv2.bias", {1, {64}}, -1},
    [DENSE] = {"dense.weight", {2, {128, 7 * 7 * 64}}, 0.025}, [DENSE_BIAS] = {"dense.bias", {1, {128}}, -1},
    [OUT] = {"out.weight", {2, {DIGITS_CLASSES, 128}}, 0.09},     [OUT_BIAS] = {"out.bias", {1, {DIGITS_CLASSES}}, -1},
};

node *digits_network(node *const *w, node *x)
{
    window_options pad1 = {.before = {2, 2}, .after = {2, 2}}, pad2 = {.before = {1, 1}, .after = {1, 1}}, halve = {.stride = {2, 2}};
    static const int64_t two[2] = {2, 2};
    x = op_max_pool(op_relu(op_add(op_conv(x, w[CONV1], 1, pad1), w[BIAS1])), two, halve);
    x = op_max_pool(op_relu(op_add(op_conv(x, w[CONV2], 1, pad2), w[BIAS2])), two, halve);
    x = op_reshape(x, SHAPE(-1, 7 * 7 * 64));
    x = op_relu(op_add(op_linear(x, w[DENSE]), w[DENSE_BIAS]));
    return op_add(op_linear(x, w[OUT]), w[OUT_BIAS]);
}
