#include "nn/wavefunction.h"

#include "graph/composite.h"

#include <math.h>

static element_type type_of(const node *n)
{
    return (element_type)n->type;
}

/* ---- energy ---- */

static node *distances_to(node *r, const double place[3])
{
    double p[3] = {place[0], place[1], place[2]};
    float narrow[3] = {(float)p[0], (float)p[1], (float)p[2]};
    const void *elements = r->type == TYPE_F64 ? (const void *)p : narrow;
    return op_norm(op_sub(r, graph_constant(r->graph, type_of(r), SHAPE(3), elements)));
}

static double between_nuclei(const wave_system *s)
{
    double sum = 0;
    for (size_t i = 0; i < s->nuclei; i++)
        for (size_t j = 0; j < i; j++) {
            double square = 0;
            for (int k = 0; k < 3; k++) {
                double d = s->places[3 * i + (size_t)k] - s->places[3 * j + (size_t)k];
                square += d * d;
            }
            sum += s->charges[i] * s->charges[j] / sqrt(square);
        }
    return sum;
}

node *wave_potential(node *r, const wave_system *s)
{
    if (!r)
        return NULL;
    if (r->shape.rank != 2 || (s->nuclei && r->shape.size[1] != 3))
        BUG("wave_potential: expected electrons [N, 3]");
    node *sum = graph_scalar(r->graph, type_of(r), between_nuclei(s)), *pairs = s->alone ? NULL : wave_pair_distances(r);
    for (size_t i = 0; i < s->nuclei; i++)
        sum = op_sub(sum, op_scale(op_sum_all(op_reciprocal(distances_to(r, s->places + 3 * i))), s->charges[i]));
    if (pairs)
        sum = op_add(sum, op_sum_all(op_reciprocal(pairs)));
    if (s->trap > 0)
        sum = op_add(sum, op_scale(op_sum_all(op_square(r)), s->trap * s->trap / 2));
    return sum;
}

bool wave_local_energy(node *log_psi, node *r, node *potential, node **energy)
{
    node *jacobian, *laplacian;
    *energy = NULL;
    if (!log_psi || !r || !potential || !graph_laplacian(&log_psi, 1, r, &jacobian, &laplacian))
        return false;
    *energy = op_add(op_scale(op_add(laplacian, op_sum_all(op_square(jacobian))), -0.5), potential);
    return *energy != NULL;
}

/* ---- pairs ---- */

typedef bool pair_wanted(int64_t i, int64_t j, int64_t up);

static bool every(int64_t i, int64_t j, int64_t up)
{
    (void)i, (void)j, (void)up;
    return true;
}

static bool same_spin(int64_t i, int64_t j, int64_t up)
{
    return (i < up) == (j < up);
}

static bool other_spin(int64_t i, int64_t j, int64_t up)
{
    return (i < up) != (j < up);
}

/* Distances of the wanted pairs i < j; NULL without any, or when memory is out. */
static node *distances(node *r, int64_t up, pair_wanted *wanted)
{
    if (!r)
        return NULL;
    if (r->shape.rank != 2)
        BUG("distances of pairs: expected electrons [N, D]");
    int64_t n = r->shape.size[0], pairs = 0;
    arena *a = arena_new(NULL);
    int32_t *index = ARENA_ARRAY(a, int32_t, (size_t)(n * n) + 1);
    for (int64_t i = 0; index && i < n; i++)
        for (int64_t j = i + 1; j < n; j++)
            if (wanted(i, j, up)) {
                index[2 * pairs] = (int32_t)i;
                index[2 * pairs++ + 1] = (int32_t)j;
            }
    node *both = index && pairs ? op_gather_rows(r, graph_constant(r->graph, TYPE_I32, SHAPE(pairs, 2), index)) : NULL;
    arena_free(a);
    if (!both)
        return NULL;
    node *from = op_slice(both, 1, 0, 1), *to = op_slice(both, 1, 1, 2);
    return op_reshape(op_norm(op_sub(from, to)), SHAPE(pairs));
}

node *wave_pair_distances(node *r)
{
    return distances(r, 0, every);
}

node *wave_spin_distances(node *r, int64_t up, bool equal)
{
    return distances(r, up, equal ? same_spin : other_spin);
}

node *wave_jastrow(node *pairs, node *b, int spins)
{
    double cusp = spins == WAVE_EQUAL ? 0.25 : 0.5;
    return op_scale(op_sum_all(op_div(op_square(b), op_add(pairs, b))), -cusp);
}

/* ---- sortlets ---- */

node *wave_sortlet(node *alpha, bool cyclic, node **sign)
{
    *sign = NULL;
    if (!alpha)
        return NULL;
    if (alpha->shape.rank < 1 || alpha->shape.size[alpha->shape.rank - 1] < 1)
        BUG("wave_sortlet: expected numbers [..., N], at least one");
    int64_t n = alpha->shape.size[alpha->shape.rank - 1];
    shape rows = alpha->shape;
    rows.rank--;
    if (n == 1) {
        *sign = graph_fill(alpha->graph, type_of(alpha), rows, 1);
        return graph_fill(alpha->graph, type_of(alpha), rows, 0);
    }
    node *order = op_argsort(alpha, false), *sorted = op_gather_last(alpha, order);
    *sign = op_permutation_parity(order, type_of(alpha));
    node *first = op_slice(sorted, -1, 0, 1);
    node *gaps = op_sub(op_slice(sorted, -1, 1, n), op_slice(sorted, -1, 0, n - 1));
    node *size = op_reduce_sum(op_log(gaps), AXES(-1), false);
    if (cyclic)
        size = op_add(size, op_reduce_sum(op_log(op_sub(op_slice(sorted, -1, n - 1, n), first)), AXES(-1), false));
    return size;
}
