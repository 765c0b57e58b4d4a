/* Broadcasts inside groups against plain loops: periods that fit a block and that do not, several in one group, on more elements
 * than one task has. Whole numbers, so that every sum is exact. */
#include "graph/ops.h"
#include "plans.h"

#include <stdlib.h>

enum { SHAPES_MOST = 4 };

typedef struct broadcast_case {
    shape base;                 /* of x */
    shape seen[SHAPES_MOST];    /* as which x is seen, and .. */
    shape from[SHAPES_MOST];    /* .. what stretches to that */
    int count;
} broadcast_case;

static const broadcast_case cases[] = {
    {{2, {2000, 37}}, {{2, {2000, 37}}}, {{1, {37}}}, 1},                                               /* a bias */
    {{2, {30000, 3}}, {{2, {30000, 3}}}, {{2, {30000, 1}}}, 1},                                         /* one for each row */
    {{3, {400, 5, 37}}, {{3, {400, 5, 37}}, {3, {400, 5, 37}}}, {{1, {37}}, {2, {5, 37}}}, 2},          /* one period within another */
    {{2, {40, 3001}}, {{2, {40, 3001}}}, {{1, {3001}}}, 1},                                             /* longer than a block */
    {{1, {119621}}, {{2, {3233, 37}}, {2, {2257, 53}}, {2, {1961, 61}}}, {{1, {37}}, {1, {53}}, {1, {61}}}, 3}, /* two fit, not three */
    {{4, {7, 11, 13, 17}}, {{4, {7, 11, 13, 17}}, {4, {7, 11, 13, 17}}}, {{4, {7, 1, 13, 1}}, {4, {1, 11, 1, 17}}}, 2},
    {{4, {3, 50, 60, 8}}, {{4, {3, 50, 60, 8}}, {4, {3, 50, 60, 8}}}, {{4, {1, 1, 60, 8}}, {4, {1, 50, 1, 1}}}, 2},
    {{2, {5, 3}}, {{2, {5, 3}}}, {{1, {3}}}, 1},                                                        /* less than a block */
};

/* Where element i of the wide shape comes from. */
static int64_t source_of(shape wide, shape from, int64_t i)
{
    int64_t at = 0, stride = 1;
    for (int k = 0; k < wide.rank; k++) {
        int64_t place = i % wide.size[wide.rank - 1 - k];
        i /= wide.size[wide.rank - 1 - k];
        if (k >= from.rank)
            continue;
        int64_t size = from.size[from.rank - 1 - k];
        at += (size == 1 ? 0 : place) * stride;
        stride *= size;
    }
    return at;
}

static float whole(int64_t i)
{
    return (float)(i * 7919 % 1009);
}

static node *numbers(graph *g, shape s)
{
    int64_t n = shape_count(s);
    float *values = malloc((size_t)n * sizeof *values);
    assert_non_null(values);
    for (int64_t i = 0; i < n; i++)
        values[i] = whole(i);
    node *x = graph_constant(g, TYPE_F32, s, values);
    free(values);
    return x;
}

static void broadcasts_of_any_period(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT_OF(cases); k++)
        for (int way = 0; way < 4; way++) { /* grouped or not, f32 or bytes of a comparison in between */
            const broadcast_case *c = &cases[k];
            graph *g = graph_new(NULL);
            node *y = op_scale(numbers(g, c->base), 3);
            for (int i = 0; i < c->count; i++)
                y = op_add(op_reshape(y, c->seen[i]), numbers(g, c->from[i]));
            if (way & 2)
                y = op_select(op_less(y, graph_scalar(g, TYPE_F32, 2000)), y, graph_scalar(g, TYPE_F32, -1));
            plan *p = plan_of(g, &y, 1, &(plan_options){.threads = 1, .unfused = way & 1});
            run(p);
            const float *found = plan_output(p, 0);
            for (int64_t e = 0; e < shape_count(c->base); e++) {
                float expected = 3 * whole(e);
                for (int i = 0; i < c->count; i++)
                    expected += whole(source_of(c->seen[i], c->from[i], e));
                if ((way & 2) && expected >= 2000)
                    expected = -1;
                if (found[e] != expected)
                    fail_msg("case %zu, way %d, element %lld: found %g, expected %g", k, way, (long long)e, (double)found[e],
                             (double)expected);
            }
            plan_free(p);
            graph_free(g);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(broadcasts_of_any_period)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
