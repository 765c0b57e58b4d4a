/* Training low-rank adapters: the base's outputs at first, the merged weights' at the end, nothing held of the base; and steps
 * whose gradient is computed in pieces. */
#include "memory.h"
#include "near.h"

#include "lm/model_fixture.h"
#include "train/trainer.h"

#include <math.h>
#include <string.h>

enum { TOKENS = 96, DOCUMENTS = 11 };
static const optimiser adamw = {.kind = OPTIMISER_ADAMW, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8};

/* Packed documents of 3 to 13 tokens, and a little padding. */
static packed_batch batch_of(const lm_config *c)
{
    packed_batch b;
    assert_int_equal(packed_batch_new(memory, TOKENS, &b, NULL), STATUS_OK);
    token_document *documents = ARENA_ARRAY(memory, token_document, DOCUMENTS + 1);
    for (uint32_t d = 0; d < DOCUMENTS + 1; d++) {
        uint32_t n = d == DOCUMENTS ? TOKENS : 3 + d;
        int32_t *tokens = ARENA_ARRAY(memory, int32_t, n);
        uint8_t *counted = ARENA_ARRAY(memory, uint8_t, n);
        for (uint32_t i = 0; i < n; i++) {
            tokens[i] = (int32_t)((31 * d + 7 * i + i * i) % (uint32_t)c->vocabulary);
            counted[i] = i > 0 && (i + d) % 3 != 0;
        }
        documents[d] = (token_document){tokens, counted, n};
    }
    packing p = {.documents = documents, .count = DOCUMENTS + 1, .tokens = TOKENS, .longest = TOKENS};
    packing_order order = {.count = DOCUMENTS + 1, .made = true};
    uint64_t place = 0;
    error err = {0};
    if (packing_next(&p, &order, &place, &b, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(place, DOCUMENTS);
    return b;
}

static parameters *base_of(const lm_config *c)
{
    parameters *p;
    const float *const *values = fixture_weights(memory, c, 3);
    assert_int_equal(stage_parameters(memory, c, &p, NULL), STATUS_OK);
    for (size_t i = 0; i < p->count; i++)
        memcpy(p->items[i].value, values[i], p->items[i].elements * sizeof(float));
    assert_int_equal(parameters_train(p, NULL, &adamw, NULL), STATUS_OK);
    return p;
}

static adapter *adapter_of(const lm_config *c, const recipe_lora *o, const parameters *base)
{
    adapter *l = NULL;
    error err = {0};
    if (adapter_new(memory, c, o, base, &l, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    order_stream stream = order_stream_at((unsigned char[SHA256_BYTES]){5}, "init");
    adapter_initialise(l, &stream);
    assert_int_equal(parameters_train(l->parameters, NULL, &adamw, NULL), STATUS_OK);
    return l;
}

static stage_graph loss_of(const lm_config *c, element_type compute, const adapter *l)
{
    stage_graph g;
    error err = {0};
    if (stage_loss_build(memory, c, TOKENS, compute, FREEZE_NONE, l, &g, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return g;
}

static void bind_batch(plan *p, const stage_graph *g, const packed_batch *b)
{
    plan_bind(p, g->model.tokens, b->tokens);
    plan_bind(p, g->targets, b->targets);
    plan_bind(p, g->weights, b->weights);
    plan_bind(p, g->model.positions, b->positions);
    plan_bind(p, g->model.starts, b->starts);
}

static parameter *parameter_at(parameters *base, const adapter *l, size_t i)
{
    return i < base->count ? &base->items[i] : &l->parameters->items[i - base->count];
}

static float loss_at(const stage_graph *g, parameters *base, const adapter *l, const packed_batch *b)
{
    plan *p;
    error err = {0};
    if (plan_new(g->graph, &g->loss, 1, NULL, &p, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < g->count; i++)
        plan_bind(p, g->parameters[i], parameter_at(base, l, i)->value);
    bind_batch(p, g, b);
    if (plan_run(p, NULL, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    float loss = *(const float *)plan_output(p, 0);
    plan_free(p);
    return loss;
}

static lm_config config_of(void)
{
    return fixture_config(fixture_tokenizer(memory));
}

static void a_fresh_adapter_is_the_base_bit_for_bit(void **state)
{
    (void)state;
    lm_config c = config_of();
    packed_batch b = batch_of(&c);
    parameters *base = base_of(&c);
    adapter *l = adapter_of(&c, &(recipe_lora){.rank = 4, .alpha = 8}, base);
    assert_int_equal(l->count, 7 * (size_t)c.layers);
    static const element_type types[] = {TYPE_F32, TYPE_BF16};
    for (size_t t = 0; t < COUNT_OF(types); t++) {
        stage_graph plain = loss_of(&c, types[t], NULL), low = loss_of(&c, types[t], l);
        float one = loss_at(&plain, base, l, &b), two = loss_at(&low, base, l, &b);
        assert_true(isfinite(one) && one > 1);
        assert_memory_equal(&one, &two, sizeof one);
    }
}

static void a_merged_adapter_is_the_same_model(void **state)
{
    (void)state;
    static const char *const targets[] = {"q_proj", "down_proj"};
    static const recipe_lora options[] = {{.rank = 3, .alpha = 6}, {.rank = 5, .alpha = 2, .by_root = true},
                                          {.rank = 2, .alpha = 4, .targets = targets, .target_count = 2}};
    lm_config c = config_of();
    packed_batch b = batch_of(&c);
    for (size_t k = 0; k < COUNT_OF(options); k++) {
        parameters *base = base_of(&c);
        adapter *l = adapter_of(&c, &options[k], base);
        for (size_t i = 1; i < l->parameters->count; i += 2)
            for (size_t n = 0; n < l->parameters->items[i].elements; n++)
                l->parameters->items[i].value[n] = 0.1f * sinf((float)(n + i));
        stage_graph plain = loss_of(&c, TYPE_F32, NULL), low = loss_of(&c, TYPE_F32, l);
        float before = loss_at(&plain, base, l, &b), beside = loss_at(&low, base, l, &b);
        assert_int_equal(adapter_merge(l, base, NULL), STATUS_OK);
        float merged = loss_at(&plain, base, l, &b);
        assert_true(fabsf(before - merged) > 1e-3f);
        NEAR((double)beside, (double)merged, 1e-6 * fabs((double)merged));
    }
}

/* ---- what a step holds ---- */

typedef struct held {
    size_t peak, moments;
} held;

static held hold(const lm_config *c, parameters *base, const adapter *l, const packed_batch *b, int steps, float *loss)
{
    stage_graph g = loss_of(c, TYPE_F32, l);
    step_options options = {.optimiser = {.beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8}, .clip = 1};
    error err = {0};
    plan *p;
    if (step_build(memory, g.loss, g.parameters, g.count, g.parts, &options, &g.step, &err) != STATUS_OK ||
        step_plan(memory, &g.step, false, &p, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    held h = {.peak = plan_peak_bytes(p)};
    float rates[3];
    for (size_t i = 0; i < g.count; i++) {
        parameter *x = parameter_at(base, l, i);
        bool trained = g.parts[i] != STEP_FROZEN;
        for (size_t k = 0; k < OPTIMISER_STATES; k++)
            h.moments += g.step.states[OPTIMISER_STATES * i + k] ? x->elements : 0;
        step_bind(p, &g.step, i, x->value, x->mean, x->square);
        const char *name = arena_printf(memory, "mean:%s", x->name);
        assert_true(!graph_find(g.step.outputs, g.step.output_count, name) == !trained);
        assert_true(!x->mean == !trained && !x->square == !trained);
    }
    bind_batch(p, &g, b);
    plan_bind(p, g.step.rates, rates);
    for (int k = 0; k < steps; k++) {
        step_rates(&options, k, 1e-2, rates);
        if (plan_run(p, NULL, &err) != STATUS_OK)
            fail_msg("%s", err.message);
        loss[k] = *(const float *)plan_output(p, STEP_LOSS);
    }
    plan_free(p);
    graph_free(g.graph);
    return h;
}

static void a_frozen_base_holds_no_gradient_and_no_moments(void **state)
{
    (void)state;
    enum { STEPS = 8 };
    lm_config c = config_of();
    packed_batch b = batch_of(&c);
    parameters *base = base_of(&c), *fresh = base_of(&c);
    step_part *none = ARENA_ARRAY(memory, step_part, base->count);
    float losses[2][STEPS];
    adapter *l = adapter_of(&c, &(recipe_lora){.rank = 2, .alpha = 16}, base);
    held whole = hold(&c, fresh, NULL, &b, STEPS, losses[0]);
    assert_int_equal(parameters_train(base, none, &adamw, NULL), STATUS_OK);
    held low = hold(&c, base, l, &b, STEPS, losses[1]);
    assert_int_equal(whole.moments, 2 * base->elements);
    assert_int_equal(low.moments, 2 * l->parameters->elements);
    assert_true(l->parameters->elements * 10 < base->elements);
    print_message("a step of all weights: peak %zu bytes, moments %zu; of rank 2: %zu and %zu\n", whole.peak, whole.moments * 4, low.peak,
                  low.moments * 4);
    /* A step of all weights holds all gradients at once, since clipping needs them: just that is gone. */
    assert_true(low.peak + base->elements * sizeof(float) <= whole.peak);
    assert_true(losses[1][STEPS - 1] < losses[1][0] - 0.1f); /* it learns */
    parameters *untouched = base_of(&c);
    for (size_t i = 0; i < base->count; i++)
        assert_memory_equal(base->items[i].value, untouched->items[i].value, base->items[i].elements * sizeof(float));
}

/* A training checkpoint of an adapter holds the adapter alone, and comes back. */
static void a_checkpoint_holds_what_is_trained(void **state)
{
    (void)state;
    lm_config c = config_of();
    parameters *base = base_of(&c);
    adapter *l = adapter_of(&c, &(recipe_lora){.rank = 2, .alpha = 2}, base);
    const step_part *parts = stage_parts(memory, &c, FREEZE_EMBEDDING);
    const char *path = file_join(memory, test_folder(), "frozen.safetensors");
    json_t *state_json = json_object();
    error err = {0};
    assert_int_equal(parameters_train(base, parts, &adamw, &err), STATUS_OK);
    assert_int_equal(parameters_save(base, path, state_json, &err), STATUS_OK);
    safetensors *file;
    assert_int_equal(safetensors_open(memory, path, &file, &err), STATUS_OK);
    size_t frozen = 0;
    for (size_t i = 0; i < base->count; i++) {
        bool trained = parts[i] != STEP_FROZEN;
        frozen += !trained;
        assert_true(!safetensors_find(file, arena_printf(memory, "mean:%s", base->items[i].name)) == !trained);
        assert_non_null(safetensors_find(file, arena_printf(memory, "value:%s", base->items[i].name)));
    }
    assert_true(frozen > 0);
    base->items[3].value[1] += 1;
    float moved = base->items[3].value[1];
    if (parameters_restore(base, path, NULL, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    assert_true(base->items[3].value[1] == moved - 1);
    assert_int_equal(parameters_save(l->parameters, path, state_json, &err), STATUS_OK);
    safetensors *small;
    assert_int_equal(safetensors_open(memory, path, &small, &err), STATUS_OK);
    assert_int_equal(safetensors_count(small), 3 * l->parameters->count);
    json_decref(state_json);
}

static void targets_that_are_not_there_are_named(void **state)
{
    (void)state;
    static const char *const targets[] = {"q_proj", "query"};
    lm_config c = config_of();
    adapter *l;
    error err = {0};
    recipe_lora o = {.rank = 1, .alpha = 1, .targets = targets, .target_count = 2};
    assert_int_equal(adapter_new(memory, &c, &o, base_of(&c), &l, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "'query'"));
    assert_non_null(strstr(err.message, "q_proj, k_proj"));
}

/* ---- in pieces ---- */

static void pieces_hold_every_document_once(void **state)
{
    (void)state;
    lm_config c = config_of();
    packed_batch whole = batch_of(&c), piece;
    token_document longest = {.count = 13};
    packing p = {.documents = &longest, .count = 1, .tokens = TOKENS};
    for (size_t pieces = 1; pieces <= TOKENS; pieces *= 2) {
        size_t room = packing_room(&p, pieces), at = 0;
        assert_int_equal(packed_batch_new(memory, room, &piece, NULL), STATUS_OK);
        for (size_t k = 0; k < pieces; k++) {
            bool any = packing_piece(&whole, TOKENS, pieces, k, 0, room, &piece);
            assert_true(any == (piece.tokens_used > 0) && piece.tokens_used <= room);
            for (size_t i = 0; i < piece.tokens_used; i++, at++) {
                assert_true(piece.tokens[i] == whole.tokens[at] && piece.targets[i] == whole.targets[at]);
                assert_true(piece.weights[i] == whole.weights[at] && piece.positions[i] == whole.positions[at]);
                assert_int_equal(piece.starts[i], (int32_t)i - piece.positions[i]);
            }
            for (size_t i = piece.tokens_used; i < room; i++)
                assert_true(piece.weights[i] == 0 && piece.starts[i] == (int32_t)i && piece.positions[i] == 0);
        }
        assert_int_equal(at, whole.tokens_used);
    }
}

typedef struct trained_model {
    parameters *base;
    adapter *low;
    float losses[6], norms[6];
    plan_counts counts; /* of the plan of a piece, or of the step */
} trained_model;

/* Six steps on one batch, at once (pieces 1) or in pieces. */
static trained_model train(const lm_config *c, element_type compute, const packed_batch *whole, size_t pieces, bool low, bool packed_once, size_t *peak)
{
    trained_model m = {.base = base_of(c)};
    if (low)
        m.low = adapter_of(c, &(recipe_lora){.rank = 2, .alpha = 4}, m.base);
    packed_batch piece;
    size_t room = pieces > 1 ? TOKENS / pieces + 12 : TOKENS;
    assert_int_equal(packed_batch_new(memory, room, &piece, NULL), STATUS_OK);
    stage_graph g;
    step_options options = {.optimiser = {.beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .decay = 0.1}, .clip = 1, .packed_once = packed_once};
    error err = {0};
    accumulation *s = NULL;
    plan *p = NULL;
    float rates[3];
    if (stage_loss_build(memory, c, room, compute, FREEZE_NONE, m.low, &g, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    status made = pieces > 1 ? accumulation_new(memory, g.loss, g.parameters, g.count, g.parts, &options, &s, &err)
                             : step_build(memory, g.loss, g.parameters, g.count, g.parts, &options, &g.step, &err);
    if (made == STATUS_OK && pieces == 1)
        made = step_plan(memory, &g.step, false, &p, &err);
    if (made != STATUS_OK)
        fail_msg("%s", err.message);
    *peak = plan_peak_bytes(s ? s->piece : p);
    m.counts = plan_counts_of(s ? s->piece : p);
    for (size_t i = 0; i < g.count; i++) {
        parameter *x = parameter_at(m.base, m.low, i);
        if (s)
            accumulation_bind(s, i, x->value, x->mean, x->square);
        else
            step_bind(p, &g.step, i, x->value, x->mean, x->square);
    }
    plan *stepping = s ? s->step : p;
    plan_bind(stepping, s ? s->update.rates : g.step.rates, rates);
    bind_batch(s ? s->piece : p, &g, s ? &piece : whole);
    for (int64_t k = 0; k < (int64_t)COUNT_OF(m.losses); k++) {
        step_rates(&options, k, 3e-3, rates);
        if (s)
            accumulation_begin(s);
        for (size_t i = 0; s && i < pieces; i++)
            if (packing_piece(whole, TOKENS, pieces, i, 0, room, &piece))
                assert_int_equal(plan_run(s->piece, NULL, &err), STATUS_OK);
        assert_int_equal(plan_run(stepping, NULL, &err), STATUS_OK);
        m.losses[k] = *(const float *)plan_output(stepping, STEP_LOSS);
        m.norms[k] = *(const float *)plan_output(stepping, STEP_NORM);
    }
    accumulation_free(s);
    plan_free(p);
    graph_free(g.graph);
    return m;
}

static void pieces_make_the_step_of_the_whole_batch(void **state)
{
    (void)state;
    lm_config c = config_of();
    packed_batch whole = batch_of(&c);
    for (int low = 0; low < 2; low++) {
        size_t peak;
        trained_model at_once = train(&c, TYPE_F32, &whole, 1, low, false, &peak);
        assert_true(at_once.losses[5] < at_once.losses[0] - (low ? 0.02f : 0.5f));
        for (size_t pieces = 2; pieces <= 4; pieces++) {
            size_t less;
            trained_model m = train(&c, TYPE_F32, &whole, pieces, low, false, &less);
            for (size_t k = 0; k < COUNT_OF(m.losses); k++) {
                NEAR((double)m.losses[k], (double)at_once.losses[k], k ? 1e-4 * (double)at_once.losses[k] : 1e-6 * (double)at_once.losses[k]);
                NEAR((double)m.norms[k], (double)at_once.norms[k], k ? 1e-3 * (double)at_once.norms[k] : 1e-5 * (double)at_once.norms[k]);
            }
            print_message("%s, %zu pieces: peak %zu bytes instead of %zu\n", low ? "rank 2" : "all", pieces, less, peak);
        }
    }
}

/* Frozen weights that stay packed give the bits of those that are packed at every run, at once and in pieces. */
static void frozen_weights_may_stay_packed(void **state)
{
    (void)state;
    lm_config c = config_of();
    packed_batch whole = batch_of(&c);
    for (size_t pieces = 1; pieces <= 3; pieces += 2) {
        size_t peak;
        trained_model anew = train(&c, TYPE_BF16, &whole, pieces, true, false, &peak), once = train(&c, TYPE_BF16, &whole, pieces, true, true, &peak);
        assert_int_equal(anew.counts.packs_once, 0);
        assert_true(once.counts.packs_once >= 7 * (size_t)c.layers && once.counts.packs == anew.counts.packs);
        assert_memory_equal(anew.losses, once.losses, sizeof anew.losses);
        assert_memory_equal(anew.norms, once.norms, sizeof anew.norms);
        for (size_t i = 0; i < anew.low->parameters->count; i++) {
            const parameter *x = &anew.low->parameters->items[i], *y = &once.low->parameters->items[i];
            assert_memory_equal(x->value, y->value, x->elements * sizeof(float));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fresh_adapter_is_the_base_bit_for_bit),
        cmocka_unit_test(a_merged_adapter_is_the_same_model),
        cmocka_unit_test(a_frozen_base_holds_no_gradient_and_no_moments),
        cmocka_unit_test(a_checkpoint_holds_what_is_trained),
        cmocka_unit_test(targets_that_are_not_there_are_named),
        cmocka_unit_test(pieces_hold_every_document_once),
        cmocka_unit_test(pieces_make_the_step_of_the_whole_batch),
        cmocka_unit_test(frozen_weights_may_stay_packed),
    };
    return cmocka_run_group_tests_name("train/adapter", tests, memory_set_up, memory_tear_down);
}
