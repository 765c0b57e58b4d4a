/* optimisers.c - steps of optimisers in f32 on given gradients, for bench/peers/optimisers.py.
 *
 *     bench_optimisers IN OUT
 *
 * IN is a safetensors file with "value:NAME" and "gradient.STEP:NAME" (STEP from 0) in f32, and as metadata `options` the optimiser as
 * JSON: kind, learning_rate, steps, and the members of nn/optimiser.h. OUT gets "value:NAME" after all steps. Tensors whose NAME
 * begins with "table" are no matrices to Muon. Where there is "index.0:NAME", gradients of NAME are rows of it, as many in every step, at the
 * places in "index.STEP:NAME" (numbers in f32), and the step is one for sparse gradients. */
#include "tensors.h"

#include "core/jsonio.h"
#include "graph/plan.h"
#include "graph/sparse.h"
#include "nn/optimiser.h"
#include "nn/safetensors.h"

#include <stdio.h>
#include <string.h>

static double number(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static status read_optimiser(const json_t *o, optimiser *out, error *err)
{
    const char *name = json_string_value(json_object_get(o, "kind"));
    for (int i = 0; name && i < OPTIMISER_COUNT; i++)
        if (strcmp(name, optimiser_names[i]) == 0) {
            *out = (optimiser){.kind = (optimiser_kind)i, .beta1 = number(o, "beta1"), .beta2 = number(o, "beta2"),
                               .epsilon = number(o, "epsilon"), .decay = number(o, "decay"), .momentum = number(o, "momentum"),
                               .nesterov = json_is_true(json_object_get(o, "nesterov")),
                               .lazy = json_is_true(json_object_get(o, "lazy")),
                               .scale = json_is_true(json_object_get(o, "original")) ? MUON_SCALE_ORIGINAL : MUON_SCALE_MATCH};
            return STATUS_OK;
        }
    return error_set(err, STATUS_USAGE, "no optimiser is called '%s'", name ? name : "");
}

typedef struct work {
    arena *arena;
    const safetensors *in;
    optimiser how;
    double rate;
    int64_t steps;
} work;

/* One step on a tensor as a graph: its gradient whole, or as rows. */
typedef struct one_step {
    shape s, given; /* of the tensor, of its gradient as it stands in the file */
    bool rows;
    size_t kept;
    node *inputs[1 + OPTIMISER_STATES], *gradient, *index, *rates;
} one_step;

static status plan_one(const work *w, const char *name, one_step *o, plan **out, error *err)
{
    graph *g = graph_new(w->arena);
    node *outputs[1 + OPTIMISER_STATES];
    plan_donation donations[1 + OPTIMISER_STATES];
    bool matrix = optimiser_is_matrix(o->s) && strncmp(name, "table", 5) != 0;
    o->kept = optimiser_states(&w->how, matrix);
    for (size_t i = 0; i <= o->kept; i++) {
        o->inputs[i] = graph_input(g, (const char *[]){"value", "first", "second"}[i], TYPE_F32, o->s);
        donations[i] = (plan_donation){o->inputs[i], i};
    }
    o->gradient = graph_input(g, "gradient", TYPE_F32, o->given);
    o->rates = graph_input(g, "rates", TYPE_F32, SHAPE(OPTIMISER_RATES));
    if (o->rows) {
        o->index = graph_input(g, "index", TYPE_F32, SHAPE(o->given.size[0]));
        sparse_rows d = {.entries = o->s.size[0]};
        d.rows = op_sum_by_index(o->gradient, op_cast(o->index, TYPE_I32), &d.index);
        optimiser_update_sparse(&w->how, o->inputs[0], &o->inputs[1], &d, o->rates, &outputs[0], &outputs[1]);
    } else {
        optimiser_update(&w->how, matrix, o->inputs[0], &o->inputs[1], o->gradient, o->rates, &outputs[0], &outputs[1]);
    }
    return plan_new(g, outputs, 1 + o->kept, &(plan_options){.donations = donations, .donation_count = 1 + o->kept}, out, err);
}

static status read_step(const work *w, const char *what, int64_t step, const char *name, shape s, float *to, error *err)
{
    const safetensors_tensor *from;
    TRY(safetensors_expect(w->in, arena_printf(w->arena, "%s.%lld:%s", what, (long long)step, name), s.size, s.rank, &from, err));
    return safetensors_to_f32(from, to, err);
}

/* All steps on one tensor: a plan that writes over its inputs. */
static status run_one(const work *w, const char *name, safetensors_tensor *out, error *err)
{
    arena *a = w->arena;
    const safetensors_tensor *t = safetensors_find(w->in, arena_printf(a, "value:%s", name));
    const safetensors_tensor *first = safetensors_find(w->in, arena_printf(a, "index.0:%s", name));
    size_t n = (size_t)safetensors_elements(t);
    one_step o = {.s = tensor_shape(t), .given = tensor_shape(t), .rows = first != NULL};
    if (o.rows)
        o.given.size[0] = safetensors_elements(first);
    float *buffers[1 + OPTIMISER_STATES], *gradient = ARENA_ARRAY(a, float, (size_t)shape_count(o.given)), rates[OPTIMISER_RATES] = {0};
    float *index = ARENA_ARRAY(a, float, (size_t)o.given.size[0] + 1);
    plan *p;
    TRY(plan_one(w, name, &o, &p, err));
    for (size_t i = 0; i <= o.kept; i++)
        plan_bind_mutable(p, o.inputs[i], buffers[i] = ARENA_ARRAY(a, float, n));
    TRY(safetensors_to_f32(t, buffers[0], err));
    plan_bind(p, o.gradient, gradient);
    plan_bind(p, o.rates, rates);
    if (o.rows)
        plan_bind(p, o.index, index);
    for (int64_t step = 0; step < w->steps; step++) {
        double exact[3];
        TRY(read_step(w, "gradient", step, name, o.given, gradient, err));
        if (o.rows)
            TRY(read_step(w, "index", step, name, SHAPE(o.given.size[0]), index, err));
        optimiser_rates(&w->how, step, w->rate, exact);
        for (int i = 0; i < 3; i++)
            rates[i] = (float)exact[i];
        rates[3] = 1;
        TRY(plan_run(p, NULL, err));
    }
    plan_free(p);
    *out = (safetensors_tensor){.name = t->name, .type = SAFETENSORS_F32, .rank = t->rank, .data = buffers[0], .bytes = n * sizeof(float)};
    memcpy(out->shape, t->shape, sizeof out->shape);
    return STATUS_OK;
}

static status run(arena *a, const char *in, const char *out, error *err)
{
    safetensors *file;
    json_t *options;
    TRY(safetensors_open(a, in, &file, err));
    const char *text = safetensors_metadata(file, "options");
    if (!text)
        return error_set(err, STATUS_INVALID, "%s: expected the metadata 'options'", in);
    TRY(jsonio_parse(slice_of(text), in, &options, err));
    work w = {.arena = a, .in = file, .rate = number(options, "learning_rate"), .steps = (int64_t)number(options, "steps")};
    TRY(read_optimiser(options, &w.how, err));
    size_t count = safetensors_count(file), made = 0;
    safetensors_tensor *list = ARENA_ARRAY(a, safetensors_tensor, count);
    for (size_t i = 0; i < count; i++) {
        const char *name = safetensors_at(file, i)->name;
        if (strncmp(name, "value:", 6) == 0)
            TRY(run_one(&w, name + 6, &list[made++], err));
    }
    json_decref(options);
    return safetensors_write(out, list, made, NULL, 0, err);
}

int main(int argc, char **argv)
{
    error err = {0};
    arena *a = arena_new(NULL);
    status s = argc == 3 ? run(a, argv[1], argv[2], &err) : error_set(&err, STATUS_USAGE, "usage: bench_optimisers IN OUT");
    arena_free(a);
    if (s != STATUS_OK)
        fprintf(stderr, "bench_optimisers: %s\n", err.message);
    return status_exit_code(s);
}
