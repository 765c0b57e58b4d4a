#include "atom_network.h"

#include "graph/composite.h"

#include <math.h>

enum { FIRST, FIRST_BIAS, PAIR, PAIR_BIAS, LAYER1, LAYER1_BIAS, LAYER2, LAYER2_BIAS, READ, ALPHA, DECAY, JASTROW };
enum { FEATURES = 3, INSIDE = 3 * ATOM_WIDTH + 2 * ATOM_PAIRS };

status atom_weights(arena *a, const atom *of, uint64_t seed, parameters **out, error *err)
{
    static const char *const names[ATOM_WEIGHTS] = {"first", "first.bias", "pair", "pair.bias", "layer1", "layer1.bias", "layer2", "layer2.bias",
                                                    "read", "alpha", "decay", "jastrow"};
    const shape shapes[ATOM_WEIGHTS] = {
        [FIRST] = SHAPE(ATOM_WIDTH, FEATURES), [FIRST_BIAS] = SHAPE(ATOM_WIDTH), [PAIR] = SHAPE(ATOM_PAIRS, 1), [PAIR_BIAS] = SHAPE(ATOM_PAIRS),
        [LAYER1] = SHAPE(ATOM_WIDTH, INSIDE),  [LAYER1_BIAS] = SHAPE(ATOM_WIDTH), [LAYER2] = SHAPE(ATOM_WIDTH, INSIDE), [LAYER2_BIAS] = SHAPE(ATOM_WIDTH),
        [READ] = SHAPE(1, ATOM_WIDTH), [ALPHA] = SHAPE(of->terms, ATOM_WIDTH), [DECAY] = SHAPE(of->terms), [JASTROW] = SHAPE(2),
    };
    static const double spreads[ATOM_WEIGHTS] = {[FIRST] = 0.8, [FIRST_BIAS] = 0.5, [PAIR] = 0.8, [PAIR_BIAS] = 0.5, [LAYER1] = 0.12,
                                                 [LAYER2] = 0.12, [READ] = 0.01, [ALPHA] = 0.5};
    TRY(parameters_new(a, names, shapes, ATOM_WEIGHTS, out, err));
    unsigned char digest[SHA256_BYTES];
    order_seed(NULL, 0, &seed, sizeof seed, digest);
    order_stream draws = order_stream_at(digest, "atom weights");
    for (size_t i = 0; i < ATOM_WEIGHTS; i++)
        for (size_t k = 0; k < (*out)->items[i].elements; k++)
            (*out)->items[i].value[k] = spreads[i] > 0 ? (float)(spreads[i] * order_normal(&draws)) : 0;
    double outside = of->up + of->down == 1 ? 1 : of->charge - (double)(of->up + of->down) + 1.7; /* about what the last electron feels */
    for (int64_t k = 0; k < of->terms; k++)
        (*out)->items[DECAY].value[k] = (float)(outside * (0.6 + 0.3 * (double)(k % 3)));
    return STATUS_OK;
}

/* Weights of means over the others of the same spin, or over those of the other: [N, N]. */
static node *others(const atom *of, graph *g, element_type type, bool same)
{
    int64_t n = of->up + of->down;
    double wide[64];
    float narrow[64];
    if (n > 8)
        BUG("an atom of %lld electrons", (long long)n);
    for (int64_t i = 0; i < n; i++) {
        int64_t alike = i < of->up ? of->up : of->down, count = same ? alike - 1 : n - alike;
        for (int64_t j = 0; j < n; j++) {
            bool there = i != j && ((i < of->up) == (j < of->up)) == same;
            wide[i * n + j] = there ? 1 / (double)count : 0;
            narrow[i * n + j] = (float)wide[i * n + j];
        }
    }
    return graph_constant(g, type, SHAPE(n, n), type == TYPE_F64 ? (const void *)wide : narrow);
}

static node *dense(node *x, node *weight, node *bias)
{
    return op_add(op_linear(x, weight), bias);
}

/* d^2 / (1 + d^2), log (1 + d^2), spin: [N, 3] */
static node *features(const atom *of, node *r)
{
    int64_t n = of->up + of->down;
    node *square = op_reduce_sum(op_square(r), AXES(1), true), *one = op_shift(square, 1);
    node *spin = op_select(op_less(graph_iota(r->graph, TYPE_I32, SHAPE(n, 1), 0), graph_scalar(r->graph, TYPE_I32, (double)of->up)),
                           graph_fill(r->graph, (element_type)r->type, SHAPE(n, 1), 1), graph_fill(r->graph, (element_type)r->type, SHAPE(n, 1), -1));
    return op_concat((node *[]){op_div(square, one), op_log(one), spin}, 3, 1);
}

static node *network(const atom *of, node *const *w, node *r)
{
    element_type type = (element_type)r->type;
    int64_t n = of->up + of->down;
    node *same = others(of, r->graph, type, true), *other = others(of, r->graph, type, false);
    node *difference = op_sub(op_reshape(r, SHAPE(n, 1, 3)), op_reshape(r, SHAPE(1, n, 3)));
    node *near = op_log(op_shift(op_reduce_sum(op_square(difference), AXES(2), true), 1)); /* [N, N, 1] */
    node *pairs = op_tanh(dense(near, w[PAIR], w[PAIR_BIAS]));                           /* [N, N, pairs] */
    node *means[2] = {op_reduce_sum(op_mul(pairs, op_reshape(same, SHAPE(n, n, 1))), AXES(1), false),
                      op_reduce_sum(op_mul(pairs, op_reshape(other, SHAPE(n, n, 1))), AXES(1), false)};
    node *h = op_tanh(dense(features(of, r), w[FIRST], w[FIRST_BIAS])), *both = op_concat((node *[]){same, other}, 2, 0);
    for (int layer = 0; layer < 2; layer++) {
        /* As a product with the walkers' features as rows: one for all of them, where a matrix for each would be many small ones. */
        node *mixed = op_transpose(op_linear(op_transpose(h, AXES(1, 0)), both), AXES(1, 0));
        node *all[5] = {h, op_slice(mixed, 0, 0, n), op_slice(mixed, 0, n, 2 * n), means[0], means[1]};
        h = op_add(h, op_tanh(dense(op_concat(all, 5, 1), w[LAYER1 + 2 * layer], w[LAYER1_BIAS + 2 * layer])));
    }
    return h;
}

/* [K]: -Z d + (Z - g_k) d^2 / (1 + d), over all electrons. */
static node *envelope(const atom *of, node *decay, node *r)
{
    node *d = op_norm(r), *far = op_sum_all(op_div(op_square(d), op_shift(d, 1)));
    node *less = op_shift(op_neg(decay), of->charge);
    return op_add(op_scale(op_sum_all(d), -of->charge), op_mul(less, far));
}

static node *jastrow(const atom *of, node *b, node *r)
{
    node *sum = NULL;
    for (int spins = WAVE_EQUAL; spins <= WAVE_OPPOSITE; spins++) {
        node *distances = wave_spin_distances(r, of->up, spins == WAVE_EQUAL);
        if (!distances)
            continue;
        node *range = op_exp(op_reshape(op_slice(b, 0, spins, spins + 1), SHAPE_SCALAR));
        node *term = wave_jastrow(distances, range, spins);
        sum = sum ? op_add(sum, term) : term;
    }
    return sum;
}

node *atom_log_psi(const atom *of, node *const *w, node *r, node **sign)
{
    int64_t n = of->up + of->down, spins[2][2] = {{0, of->up}, {of->up, n}};
    node *h = network(of, w, r), *size = envelope(of, w[DECAY], r), *signs = NULL, *of_sum;
    node *alpha = op_transpose(op_linear(h, w[ALPHA]), AXES(1, 0)); /* [K, N] */
    for (int s = 0; s < 2; s++) {
        node *one;
        if (spins[s][1] == spins[s][0])
            continue;
        size = op_add(size, wave_sortlet(op_slice(alpha, 1, spins[s][0], spins[s][1]), false, &one));
        signs = signs ? op_mul(signs, one) : one;
    }
    node *log_psi = op_logsumexp_signed(size, signs, &of_sum), *pairs = jastrow(of, w[JASTROW], r);
    if (sign)
        *sign = of_sum;
    log_psi = op_add(log_psi, op_sum_all(op_linear(h, w[READ])));
    return pairs ? op_add(log_psi, pairs) : log_psi;
}
