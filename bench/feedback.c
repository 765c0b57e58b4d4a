/* feedback.c - what feedback trains by, seen from outside, for bench/peers/feedback.py.
 *
 *     bench_feedback rewards MODEL TEXTS OUT    rewards of texts by a preference model, as the engine reads them
 *     bench_feedback losses CASES OUT           losses, gradients and advantages on given log-probabilities
 *
 * TEXTS is a JSON array of arrays of token ids, of which the first half (the middle one included) is the prompt; OUT gets {"f32": [...], "bf16": [...]}. CASES is an array of objects with "kind"
 * (preference, dpo, reinforce, grpo, ppo) and that kind's inputs; OUT gets an object for each. */
#include "core/jsonio.h"
#include "graph/ops.h"
#include "graph/plan.h"
#include "lm/reward.h"
#include "train/losses.h"
#include "train/rl_inside.h"

#include <stdio.h>
#include <string.h>

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory");
}

/* ---- rewards ---- */

static status read_texts(arena *a, const json_t *from, reward_text *texts, error *err)
{
    for (size_t i = 0; i < json_array_size(from); i++) {
        const json_t *ids = json_array_get(from, i);
        texts[i] = (reward_text){.tokens = {.arena = a}, .prompt = (json_array_size(ids) + 1) / 2};
        for (size_t k = 0; k < json_array_size(ids); k++)
            TRY(token_list_add(&texts[i].tokens, (int32_t)json_integer_value(json_array_get(ids, k)), err));
    }
    return STATUS_OK;
}

static status read_rewards(arena *a, const char *model, element_type compute, const reward_text *texts, size_t count, json_t *out, error *err)
{
    checkpoint *c;
    const checkpoint *read;
    reward_head head;
    engine *e;
    reward_result *results = ARENA_ARRAY(a, reward_result, count + 1);
    if (!results)
        return no_memory(err);
    TRY(checkpoint_open(a, model, &c, err));
    TRY(reward_open(a, c, &head, &read, err));
    TRY(engine_new(read, &(engine_options){.compute = compute}, NULL, &e, err));
    status result = reward_read(e, &head, a, texts, count, results, err);
    for (size_t i = 0; i < count && result == STATUS_OK; i++) {
        if (results[i].code != STATUS_OK)
            result = error_set(err, results[i].code, "text %zu: %s", i, results[i].problem);
        json_array_append_new(out, json_real(results[i].reward));
    }
    engine_free(e);
    return result;
}

static status run_rewards(arena *a, char **words, error *err)
{
    json_t *root, *f32 = json_array(), *trained = json_array();
    TRY(jsonio_read(words[1], (size_t)1 << 28, &root, err));
    size_t count = json_array_size(root);
    reward_text *texts = ARENA_ARRAY(a, reward_text, count + 1);
    if (!texts)
        return no_memory(err);
    TRY(read_texts(a, root, texts, err));
    TRY(read_rewards(a, words[0], TYPE_F32, texts, count, f32, err));
    TRY(read_rewards(a, words[0], TYPE_F64, texts, count, trained, err)); /* 0: as trained */
    json_t *all = json_pack("{s:o, s:o}", "f32", f32, "bf16", trained);
    status result = jsonio_write(words[2], all, 0, err);
    json_decref(all);
    json_decref(root);
    return result;
}

/* ---- losses ---- */

/* Inputs of one case in f32, and what is made of them. */
typedef struct losses {
    arena *arena;
    const json_t *given;
    graph *graph;
    node *inputs[16];
    const float *values[16];
    size_t count;
} losses;

static double option(const losses *l, const char *key)
{
    return json_number_value(json_object_get(l->given, key));
}

static float *numbers(const losses *l, const char *key, size_t *count)
{
    const json_t *list = json_object_get(l->given, key);
    float *out = ARENA_ARRAY(l->arena, float, json_array_size(list) + 1);
    *count = json_array_size(list);
    for (size_t i = 0; out && i < *count; i++)
        out[i] = (float)json_number_value(json_array_get(list, i));
    return out;
}

static node *input_of(losses *l, const char *key, const float *values, shape s)
{
    node *n = graph_input(l->graph, key, TYPE_F32, s);
    l->inputs[l->count] = n;
    l->values[l->count++] = values;
    return n;
}

static node *given_input(losses *l, const char *key)
{
    size_t count;
    const float *values = numbers(l, key, &count);
    return input_of(l, key, values, SHAPE((int64_t)count));
}

/* The loss and its gradients, by name. */
static status evaluate(losses *l, node *loss, node *const *by, const char *const *names, size_t count, json_t *out, error *err)
{
    node *outputs[8] = {loss};
    plan *p;
    if (!graph_grad(loss, by, count, NULL, outputs + 1))
        return no_memory(err);
    TRY(plan_new(l->graph, outputs, count + 1, NULL, &p, err));
    for (size_t i = 0; i < l->count; i++)
        plan_bind(p, l->inputs[i], l->values[i]);
    status result = plan_run(p, NULL, err);
    if (result == STATUS_OK)
        json_object_set_new(out, "loss", json_real((double)*(const float *)plan_output(p, 0)));
    for (size_t i = 0; i < count && result == STATUS_OK; i++) {
        json_t *list = json_array();
        for (int64_t k = 0; k < shape_count(by[i]->shape); k++)
            json_array_append_new(list, json_real((double)((const float *)plan_output(p, i + 1))[k]));
        json_object_set_new(out, names[i], list);
    }
    plan_free(p);
    return result;
}

static status pair_case(losses *l, bool dpo, json_t *out, error *err)
{
    node *chosen = given_input(l, "chosen"), *rejected = given_input(l, "rejected"), *weights = given_input(l, "weights"), *loss;
    if (dpo)
        loss = loss_dpo(chosen, rejected, given_input(l, "reference_chosen"), given_input(l, "reference_rejected"), option(l, "beta"),
                        option(l, "smoothing"), weights);
    else
        loss = loss_preference(chosen, rejected, weights);
    return evaluate(l, loss, (node *const[]){chosen, rejected}, (const char *const[]){"by_chosen", "by_rejected"}, 2, out, err);
}

static json_t *list_of(const float *values, size_t count)
{
    json_t *out = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(out, json_real((double)values[i]));
    return out;
}

/* Advantages as a step makes them, then its loss. */
static status policy_case(losses *l, rl_method method, json_t *out, error *err)
{
    recipe_feedback o = {.method = method, .beta = option(l, "beta"), .group = (int64_t)option(l, "group"), .clip_ratio = option(l, "clip_ratio"),
                         .clip_value = option(l, "clip_value"), .value_weight = option(l, "value_weight"),
                         .entropy_weight = option(l, "entropy_weight"), .discount = option(l, "discount"), .lambda = option(l, "lambda")};
    size_t replies, n, same, logits_count;
    const float *lengths = numbers(l, "lengths", &replies), *rewards = numbers(l, "rewards", &same);
    const float *logits = numbers(l, "logits", &logits_count);
    rollout_reply *all = ARENA_ARRAY(l->arena, rollout_reply, replies + 1);
    sequence_batch batch = {.count = replies, .firsts = ARENA_ARRAY(l->arena, size_t, replies + 1)};
    rl_rows rows = {.old = numbers(l, "old", &n), .reference = numbers(l, "reference", &same), .old_values = numbers(l, "old_values", &same)};
    rows.advantages = ARENA_ARRAY(l->arena, float, n + 1);
    rows.weights = ARENA_ARRAY(l->arena, float, n + 1);
    rows.returns = ARENA_ARRAY(l->arena, float, n + 1);
    if (!lengths || !rewards || !logits || !all || !batch.firsts || !rows.old || !rows.reference || !rows.old_values || !rows.advantages ||
        !rows.weights || !rows.returns)
        return no_memory(err);
    for (size_t i = 0; i < replies; i++) {
        all[i].reward = (double)rewards[i];
        batch.firsts[i + 1] = batch.firsts[i] + (size_t)lengths[i];
    }
    batch.rows_used = batch.rows_most = n;
    double kl;
    TRY(rl_advantages(l->arena, &o, all, &batch, &rows, &kl, err));
    shape s = SHAPE((int64_t)n);
    rl_graph g = {.graph = l->graph};
    g.model.logprobs = given_input(l, "logprobs");
    g.old = input_of(l, "old", rows.old, s);
    g.reference = input_of(l, "reference", rows.reference, s);
    g.advantages = input_of(l, "advantages", rows.advantages, s);
    g.weights = input_of(l, "row_weights", rows.weights, s);
    g.old_values = input_of(l, "old_values", rows.old_values, s);
    g.returns = input_of(l, "returns", rows.returns, s);
    g.values = given_input(l, "values");
    node *scores = input_of(l, "logits", logits, SHAPE((int64_t)n, (int64_t)(logits_count / n)));
    g.entropies = loss_entropies(scores);
    json_object_set_new(out, "kl", json_real(kl));
    json_object_set_new(out, "advantages", list_of(rows.advantages, n));
    return evaluate(l, rl_loss(&g, &o), (node *const[]){g.model.logprobs, g.values, scores},
                    (const char *const[]){"by_logprobs", "by_values", "by_logits"}, 3, out, err);
}

static status run_case(const json_t *given, json_t *out, error *err)
{
    static const struct {
        const char *kind;
        int method; /* -1: of pairs */
    } kinds[] = {{"preference", -1}, {"dpo", -1}, {"reinforce", RL_REINFORCE}, {"grpo", RL_GRPO}, {"ppo", RL_PPO}};
    const char *kind = json_string_value(json_object_get(given, "kind"));
    losses l = {.arena = arena_new(NULL), .given = given};
    l.graph = graph_new(l.arena);
    status result = l.graph ? error_set(err, STATUS_INVALID, "unknown kind '%s'", kind ? kind : "") : no_memory(err);
    for (size_t i = 0; l.graph && kind && i < COUNT_OF(kinds); i++)
        if (strcmp(kind, kinds[i].kind) == 0)
            result = kinds[i].method < 0 ? pair_case(&l, strcmp(kind, "dpo") == 0, out, err)
                                         : policy_case(&l, (rl_method)kinds[i].method, out, err);
    graph_free(l.graph);
    arena_free(l.arena);
    return result;
}

static status run_losses(char **words, error *err)
{
    json_t *root, *all = json_array();
    TRY(jsonio_read(words[0], (size_t)1 << 28, &root, err));
    status result = STATUS_OK;
    for (size_t i = 0; i < json_array_size(root) && result == STATUS_OK; i++) {
        json_t *out = json_object();
        result = run_case(json_array_get(root, i), out, err);
        json_array_append_new(all, out);
    }
    if (result == STATUS_OK)
        result = jsonio_write(words[1], all, 0, err);
    json_decref(all);
    json_decref(root);
    return result;
}

int main(int argc, char **argv)
{
    error err = {0};
    arena *a = arena_new(NULL);
    status result = STATUS_USAGE;
    if (argc == 5 && strcmp(argv[1], "rewards") == 0)
        result = run_rewards(a, argv + 2, &err);
    else if (argc == 4 && strcmp(argv[1], "losses") == 0)
        result = run_losses(argv + 2, &err);
    else
        error_set(&err, STATUS_USAGE, "usage: bench_feedback rewards MODEL TEXTS OUT | losses CASES OUT");
    if (result != STATUS_OK)
        fprintf(stderr, "bench_feedback: %s\n", err.message);
    arena_free(a);
    return status_exit_code(result);
}
