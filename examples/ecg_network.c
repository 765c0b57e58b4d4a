#include "ecg_network.h"

#include <math.h>

enum { STEM, STEM_BIAS, BLOCK, PER_BLOCK = 5, BLOCKS = 3, PROJECTION = BLOCK + BLOCKS * PER_BLOCK };
enum { CONV_A, NORM_A, CONV_B, NORM_B, SHORTCUT }; /* of a block */
_Static_assert((int)PROJECTION == (int)ECG_ENCODER_WEIGHTS, "the projection stands behind the encoder");

/* Standard deviations sqrt(2 / inputs), and sqrt(1 / inputs) where no ReLU follows. */
const fit_weight ecg_weights[ECG_WEIGHTS] = {
    {"stem.weight", {3, {16, 1, 9}}, 0.471},        {"stem.bias", {1, {16}}, -1},
    {"block1.a.weight", {3, {32, 16, 5}}, 0.158},   {"block1.a.norm", {1, {32}}, 0},
    {"block1.b.weight", {3, {32, 32, 5}}, 0.112},   {"block1.b.norm", {1, {32}}, 0},
    {"block1.shortcut", {3, {32, 16, 1}}, 0.25},    {"block2.a.weight", {3, {64, 32, 5}}, 0.112},
    {"block2.a.norm", {1, {64}}, 0},                {"block2.b.weight", {3, {64, 64, 5}}, 0.079},
    {"block2.b.norm", {1, {64}}, 0},                {"block2.shortcut", {3, {64, 32, 1}}, 0.177},
    {"block3.a.weight", {3, {64, 64, 5}}, 0.079},   {"block3.a.norm", {1, {64}}, 0},
    {"block3.b.weight", {3, {64, 64, 5}}, 0.079},   {"block3.b.norm", {1, {64}}, 0},
    {"block3.shortcut", {3, {64, 64, 1}}, 0.125},   {"projection.weight", {2, {64, 64}}, 0.177},
    {"projection.bias", {1, {64}}, -1},             {"projection.out", {2, {32, 64}}, 0.125},
};

static node *along(node *x, node *weight, int64_t stride)
{
    int64_t kernel = weight->shape.size[2];
    window_options o = {.stride = {stride, 1}, .before = {kernel / 2, 0}, .after = {kernel / 2, 0}};
    return op_conv_1d(x, weight, 1, o);
}

node *ecg_encoder(node *const *w, node *x)
{
    x = op_relu(op_add(along(x, w[STEM], 2), w[STEM_BIAS]));
    for (int b = 0; b < BLOCKS; b++) {
        node *const *v = w + BLOCK + b * PER_BLOCK;
        node *h = op_relu(op_rms_norm(along(x, v[CONV_A], 2), v[NORM_A], 1e-5));
        h = op_rms_norm(along(h, v[CONV_B], 1), v[NORM_B], 1e-5);
        x = op_relu(op_add(h, along(x, v[SHORTCUT], 2)));
    }
    return op_reduce_mean(x, AXES(1), false);
}

node *ecg_projection(node *const *w, node *h)
{
    node *const *v = w + PROJECTION;
    return op_linear(op_relu(op_add(op_linear(h, v[0]), v[1])), v[2]);
}

/* Rows [N, L] smoothed by a Gaussian of so many places, whose standard deviation is a sixth of them. */
static node *smoothed(node *x)
{
    enum { WIDTH = 25 };
    float kernel[WIDTH], sum = 0;
    for (int i = 0; i < WIDTH; i++)
        sum += kernel[i] = expf(-0.5F * powf((float)(i - WIDTH / 2) / (WIDTH / 6.0F), 2));
    for (int i = 0; i < WIDTH; i++)
        kernel[i] /= sum;
    node *weight = graph_constant(x->graph, TYPE_F32, SHAPE(1, 1, WIDTH), kernel);
    return op_reshape(along(op_reshape(x, SHAPE(x->shape.size[0], x->shape.size[1], 1)), weight, 1), x->shape);
}

node *ecg_view(node *windows, node *key, ecg_views o)
{
    graph *g = windows->graph;
    shape all = windows->shape, quarter = SHAPE(all.size[0], all.size[1] / 4);
    node *field_key = op_reshape(op_slice(key, 0, 0, 1), SHAPE(4)), *noise_key = op_reshape(op_slice(key, 0, 1, 2), SHAPE(4));
    /* In samples of the quarter rate; a coarse sample stands in the middle of its four. */
    node *velocity = op_scale(op_random_normal(field_key, TYPE_F32, quarter), o.warp / 4), *place = graph_iota(g, TYPE_F32, all, 1);
    node *moved = op_scale(op_sample_linear(op_flow(velocity, 5), op_shift(op_scale(place, 0.25), -0.375)), 4);
    node *warped = op_sample_linear(windows, op_add(place, smoothed(moved)));
    return op_add(warped, op_scale(op_random_normal(noise_key, TYPE_F32, all), o.noise));
}
