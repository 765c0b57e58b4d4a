/* graph_fixture.h - the graph of a model without a cache, run on one text in f32: what tests hold the engine to. */
#ifndef TESTS_LM_GRAPH_FIXTURE_H
#define TESTS_LM_GRAPH_FIXTURE_H

#include "lm/model_fixture.h"

#include "graph/plan.h"
#include "lm/transformer.h"

/* Binds weights, tokens, positions 0 .. count-1 and one start, and runs the plan. */
static inline void run_text(arena *a, plan *p, const transformer *t, const checkpoint *c, const int32_t *ids, size_t count)
{
    error err = {0};
    int32_t *positions = ARENA_ARRAY(a, int32_t, count), *starts = ARENA_ARRAY(a, int32_t, count);
    for (size_t i = 0; i < count; i++)
        positions[i] = (int32_t)i;
    for (size_t i = 0; i < t->weight_count; i++) {
        float *values = ARENA_ARRAY(a, float, (size_t)lm_weight_at(&c->config, i).count);
        assert_int_equal(lm_tensor_to_f32(&c->weights[i], values, &err), STATUS_OK);
        plan_bind(p, t->weights[i], values);
    }
    plan_bind(p, t->tokens, ids);
    plan_bind(p, t->positions, positions);
    plan_bind(p, t->starts, starts);
    if (plan_run(p, NULL, &err) != STATUS_OK)
        fail_msg("%s", err.message);
}

#endif
