/* Stages of feedback in whole growths of tiny models: the same bits for any number of threads and after interruptions; what
 * comes out; what is refused. */
#include "adapters.h"
#include "folder.h"
#include "memory.h"
#include "near.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "lm/checkpoint.h"
#include "lm/reward.h"
#include "nn/safetensors.h"
#include "sketch/sketch.h"
#include "train/grow.h"
#include "train/pairs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#define HEAD                                                                                                       \
    "name: tiny\nbase: none\n"                                                                                     \
    "model: {layers: 2, width: 32, heads: 2, kv_heads: 1, intermediate: 64, context: 256, vocabulary: 400}\n"        \
    "raters: {true: 1, agrees: 2, length: 1}\nstages:\n"                                                            \
    "  - {kind: pretrain, steps: 6, batch_tokens: 512, sequence: 256, learning_rate: 1e-2, warmup: 2}\n"
#define PREFERENCE                                                                                                 \
    "  - {kind: preference, steps: 8, batch_tokens: 1024, sequence: 256, learning_rate: 3e-3, pairs: 200, held_out: 60}\n"
#define LIKELIHOOD                                                                                                 \
    "  - {kind: preference, steps: 8, batch_tokens: 1024, sequence: 256, learning_rate: 3e-3, pairs: 200, held_out: 60, likelihood: true}\n"
#define DPO                                                                                                        \
    "  - {kind: dpo, steps: 6, batch_tokens: 1024, sequence: 256, learning_rate: 1e-3, pairs: 200, held_out: 40, beta: 0.2}\n"

static grow_options options_for(const char *name, const char *text, size_t threads)
{
    char *path = file_join(memory, test_folder(), arena_printf(memory, "%s.yaml", name));
    assert_int_equal(file_write(path, slice_of(text), NULL), STATUS_OK);
    return (grow_options){.recipe = path, .folder = file_join(memory, test_folder(), name), .threads = threads,
                          .progress = PROGRESS_QUIET, .save_seconds = 1000};
}

static grow_result must_grow(const grow_options *o)
{
    grow_result r;
    error err = {0};
    if (grow_run(memory, o, &r, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return r;
}

/* Grows with one thread, with two, and with an interruption after every step. */
static grow_result the_same_bits(const char *name, const char *text, int steps)
{
    grow_options one = options_for(arena_printf(memory, "%s-one", name), text, 1);
    grow_options two = options_for(arena_printf(memory, "%s-two", name), text, 2);
    grow_options cut = options_for(arena_printf(memory, "%s-cut", name), text, 2);
    atomic_bool stop = true;
    error err = {0};
    grow_result a = must_grow(&one), b = must_grow(&two), c;
    assert_string_equal(a.sha256, b.sha256);
    assert_string_equal(a.root, b.root);
    cut.interrupted = &stop;
    int calls = 0;
    status result;
    while ((result = grow_run(memory, &cut, &c, &err)) == STATUS_INTERRUPTED && calls < 100)
        calls++;
    if (result != STATUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(calls, steps);
    assert_string_equal(a.sha256, c.sha256);
    assert_string_equal(a.root, c.root);
    assert_false(file_exists(file_join(memory, cut.folder, "reference.safetensors")));
    return b;
}

/* The lines of metrics.jsonl. */
static json_t *metrics_of(const char *folder)
{
    slice text, rest, line;
    json_t *all = json_array(), *row;
    assert_int_equal(file_read(memory, file_join(memory, folder, "metrics.jsonl"), 1 << 24, &text, NULL), STATUS_OK);
    for (rest = text; slice_cut(&rest, '\n', &line);)
        if (line.length > 0) {
            assert_int_equal(jsonio_parse(line, "metrics", &row, NULL), STATUS_OK);
            json_array_append_new(all, row);
        }
    return all;
}

static double metric(const json_t *all, size_t step, const char *key)
{
    const json_t *value = json_object_get(json_array_get(all, step), key);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static void preference_models_have_the_same_bits(void **state)
{
    (void)state;
    grow_result r = the_same_bits("preference", HEAD PREFERENCE, 14);
    checkpoint *c;
    const checkpoint *read;
    reward_head head;
    assert_int_equal(checkpoint_open(memory, r.folder, &c, NULL), STATUS_OK);
    assert_int_equal(c->config.labels, 1);
    assert_int_equal(reward_open(memory, c, &head, &read, NULL), STATUS_OK);
    bool some = false;
    for (size_t i = 0; i < head.width; i++)
        some |= head.values[i] != 0;
    assert_true(some);
    assert_non_null(strstr(r.words, "60 held-out pairs right"));
    grow_options again = options_for("preference-two", HEAD PREFERENCE, 2);
    grow_result there = must_grow(&again);
    assert_true(there.there_already);
    assert_string_equal(there.words, r.words);
}

/* What a reply is worth is the head's product and the likelihood by the same words: the engine's own scores, added by hand. */
static void likelihoods_are_part_of_the_worth(void **state)
{
    (void)state;
    grow_result r = the_same_bits("likelihood", HEAD LIKELIHOOD, 14);
    checkpoint *c;
    const checkpoint *read;
    reward_head head;
    engine *e;
    assert_int_equal(checkpoint_open(memory, r.folder, &c, NULL), STATUS_OK);
    assert_true(c->config.likelihood);
    assert_int_equal(reward_open(memory, c, &head, &read, NULL), STATUS_OK);
    assert_true(head.likelihood != 0);
    assert_int_equal(read->config.labels, 0);
    assert_int_equal(engine_new(read, NULL, NULL, &e, NULL), STATUS_OK);
    int32_t ids[] = {TOKEN_BEGIN, TOKEN_USER, 40, 41, 42, TOKEN_END, TOKEN_ASSISTANT, 50, 51, 52, 60, TOKEN_END};
    enum { PROMPT = 7, ALL = COUNT_OF(ids) };
    reward_text texts[] = {{.tokens = {.ids = ids, .count = ALL}, .prompt = PROMPT},
                           {.tokens = {.ids = ids, .count = ALL}, .prompt = ALL},
                           {.tokens = {.ids = ids, .count = ALL}, .prompt = PROMPT}};
    reward_result worth[3];
    assert_int_equal(reward_read(e, &head, memory, texts, 3, worth, NULL), STATUS_OK);
    assert_true(worth[0].reward == worth[2].reward); /* the same reply is worth the same, to the bit */
    token_list reply = {.ids = ids + PROMPT, .count = ALL - PROMPT};
    engine_score_request asked = {.prefix = ids, .prefix_count = PROMPT, .continuations = &reply, .continuation_count = 1};
    engine_score score;
    assert_int_equal(engine_score_all(e, memory, &asked, &score, 1, NULL), STATUS_OK);
    assert_true(score.logprobs[0] < -1);
    NEAR(worth[0].reward - worth[1].reward, head.likelihood * score.logprobs[0], 1e-4); /* the head's product is the same */
    engine_free(e);
}

/* A preference stage in front of another: its model lies beside, and the policy goes on as if there had been none. */
static void a_policy_goes_on_from_what_it_was(void **state)
{
    (void)state;
    grow_result with = the_same_bits("both", HEAD PREFERENCE DPO, 20);
    checkpoint *policy, *model;
    assert_int_equal(checkpoint_open(memory, with.folder, &policy, NULL), STATUS_OK);
    assert_int_equal(policy->config.labels, 0);
    assert_int_equal(checkpoint_open(memory, file_join(memory, with.folder, "preference"), &model, NULL), STATUS_OK);
    assert_int_equal(model->config.labels, 1);
    grow_options o = options_for("preference-alone", HEAD PREFERENCE, 2);
    grow_result alone = must_grow(&o);
    unsigned char a[SHA256_BYTES], b[SHA256_BYTES];
    assert_int_equal(sha256_file(file_join(memory, alone.folder, "model.safetensors"), a, NULL), STATUS_OK);
    assert_int_equal(sha256_file(file_join(memory, with.folder, "preference/model.safetensors"), b, NULL), STATUS_OK);
    assert_memory_equal(a, b, sizeof a);
}

/* DPO with a rate of 0 stays the reference: every implicit reward is 0, and the loss log 2. */
static void dpo_begins_at_its_reference(void **state)
{
    (void)state;
    grow_options o = options_for("still", HEAD "  - {kind: dpo, steps: 2, batch_tokens: 1024, sequence: 256, learning_rate: 0, "
                                               "pairs: 20, held_out: 10}\n", 2);
    grow_result r = must_grow(&o);
    json_t *summary;
    assert_int_equal(jsonio_read(file_join(memory, r.folder, "growth.json"), 1 << 20, &summary, NULL), STATUS_OK);
    const json_t *figures = json_object_get(json_array_get(json_object_get(summary, "figures"), 0), "figures");
    NEAR(json_number_value(json_object_get(figures, "loss")), 0.6931471805599453, 1e-6);
    NEAR(json_number_value(json_object_get(figures, "margin")), 0, 1e-6);
    json_decref(summary);
}

/* DPO of a low-rank adapter: the base is its own reference, so that the first step has learnt nothing, to the bit; the base's weights
 * stay what they were but for the targets, into which the adapter is merged, and the adapter beside it is the same change. */
static void an_adapter_learns_from_pairs(void **state)
{
    (void)state;
    grow_options base = options_for("under-dpo", "name: tiny\nbase: none\nmodel: {layers: 2, width: 32, heads: 2, kv_heads: 1, intermediate: 64, "
                                                 "context: 256, vocabulary: 400}\nstages:\n  - {kind: pretrain, steps: 6, batch_tokens: 512, "
                                                 "sequence: 256, learning_rate: 1e-2, warmup: 2}\n", 2);
    must_grow(&base);
    const char *text = arena_printf(memory, "name: low\nbase: %s\nraters: {true: 1, agrees: 2, length: 1}\nstages:\n  - {kind: dpo, steps: 6, "
                                            "batch_tokens: 1024, sequence: 256, learning_rate: 3e-2, pairs: 200, held_out: 40, beta: 0.2, "
                                            "lora: {rank: 4, alpha: 8, targets: [q_proj, up_proj]}}\n", base.folder);
    grow_result r = the_same_bits("low", text, 6);
    json_t *all = metrics_of(r.folder);
    NEAR(metric(all, 0, "loss"), 0.6931471805599453, 1e-6);
    assert_true(metric(all, 0, "margin") == 0 && metric(all, 0, "accuracy") == 0.5);
    assert_true(metric(all, 1, "margin") != 0);
    json_decref(all);
    error err = {0};
    adapter_changed_q_and_up(memory, base.folder, r.folder);
    /* While it is at work: the adapter alone in the checkpoint, and no copy of the base for the reference. */
    grow_options cut = options_for("low-at-work", text, 2);
    atomic_bool stop = true;
    cut.interrupted = &stop;
    assert_int_equal(grow_run(memory, &cut, &r, &err), STATUS_INTERRUPTED);
    safetensors *file;
    const char *work = arena_printf(memory, "%s.growing", cut.folder);
    assert_int_equal(safetensors_open(memory, file_join(memory, work, "training.safetensors"), &file, &err), STATUS_OK);
    assert_int_equal(safetensors_count(file), 3 * 2 * 4); /* value, mean and square of A and B of two matrices in two layers */
    assert_non_null(safetensors_find(file, "value:base_model.model.model.layers.1.mlp.up_proj.lora_B.weight"));
    assert_false(file_exists(file_join(memory, work, "reference.safetensors")));
}

/* Of a file, the first pairs are those to be judged by, and no pair is both; long ones count for neither. */
static void held_out_pairs_of_a_file_are_others(void **state)
{
    (void)state;
    enum { PAIRS = 40 };
    strbuf text = strbuf_new(memory, 1 << 20);
    for (int i = 0; i < PAIRS; i++) {
        strbuf_printf(&text, "{\"chosen\": \"\\n\\nHuman: Question %d", i);
        for (int k = 0; i % 3 == 1 && k < 200; k++)
            strbuf_add(&text, " and on");
        strbuf_printf(&text, "\\n\\nAssistant: yes\", \"rejected\": \"\\n\\nHuman: Question %d", i);
        for (int k = 0; i % 3 == 1 && k < 200; k++)
            strbuf_add(&text, " and on");
        strbuf_add(&text, "\\n\\nAssistant: no\"}\n");
    }
    const char *path = file_join(memory, test_folder(), "pairs.jsonl");
    assert_int_equal(file_write(path, strbuf_slice(&text), NULL), STATUS_OK);
    slice words = SLICE("Question yes no and on");
    tokenizer *k;
    assert_int_equal(tokenizer_train(memory, &words, 1, &(tokenizer_recipe){.vocabulary = 300}, &k, NULL), STATUS_OK);
    pair_list few, many, rest;
    assert_int_equal(pairs_from_file(memory, path, 0, 10, k, 128, &few, NULL), STATUS_OK);
    assert_int_equal(pairs_from_file(memory, path, 10, 1000, k, 128, &many, NULL), STATUS_OK);
    assert_int_equal(few.count, 10);
    assert_int_equal(many.count, PAIRS - PAIRS / 3 - 10); /* every third, from the second on, is too long */
    assert_int_equal(many.skipped, PAIRS / 3);
    for (size_t i = 0; i < few.count; i++)
        for (size_t j = 0; j < many.count; j++)
            assert_memory_not_equal(few.hashes + i * SHA256_BYTES, many.hashes + j * SHA256_BYTES, SHA256_BYTES);
    error err = {0};
    assert_int_equal(pairs_from_file(memory, path, 1000, 10, k, 128, &rest, &err), STATUS_INVALID);
}

/* ---- rl ---- */

#define RL(method, more)                                                                                           \
    "  - {kind: rl, method: " method ", steps: 4, prompts: 3, group: 4, max_tokens: 12, batch_tokens: 2048, sequence: 256, "  \
    "learning_rate: 3e-3, weight_decay: 0, beta: 0.1" more "}\n"

/* The engine that samples and the graph that trains give the same bits, so that at the first gradient step on replies the
 * new probability over the old is exactly 1, for every token and in every step; in bf16 and in f32, for every method. */
static void the_first_ratio_is_exactly_one(void **state)
{
    (void)state;
    static const char *const recipes[] = {HEAD RL("reinforce", ""), HEAD RL("grpo", ", epochs: 2"), HEAD RL("ppo", ", epochs: 2")};
    for (size_t i = 0; i < 2 * COUNT_OF(recipes); i++) {
        grow_options o = options_for(arena_printf(memory, "ratio-%zu", i), recipes[i / 2], 2);
        o.full_precision = i % 2;
        grow_result r = must_grow(&o);
        json_t *all = metrics_of(r.folder);
        assert_int_equal(json_array_size(all), 4);
        for (size_t step = 0; step < 4; step++) {
            assert_true(metric(all, step, "first_ratio") == 0);
            assert_true(metric(all, step, "tokens") > 12);
        }
        assert_true(metric(all, 0, "kl") == 0); /* the policy is its own reference still */
        assert_true(metric(all, 3, "kl") != 0);
        if (i / 2 > 0)
            assert_true(fabs(metric(all, 1, "ratio") - 1) > 0); /* of the second epoch */
        json_decref(all);
    }
}

/* The sketch of a measure of a stage, which a growth left; the caller frees it. */
static sketch *sketch_of(const char *folder, int stage, const char *name)
{
    slice bytes;
    sketch *s;
    error err = {0};
    const char *path = file_join(memory, folder, arena_printf(memory, "sketches/%d-%s.sketch", stage, name));
    assert_int_equal(file_read(memory, path, 1 << 20, &bytes, &err), STATUS_OK);
    if (sketch_load(bytes, path, &s, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return s;
}

/* Few steps make sketches exact: least, most and count are those of the steps of a stage that `all` begins at `from`. */
static void sketch_is_of_steps(const char *folder, int stage, const char *name, const json_t *all, size_t from, size_t steps)
{
    sketch *s = sketch_of(folder, stage, name);
    double least = INFINITY, most = -INFINITY;
    for (size_t step = from; step < from + steps; step++) {
        double x = metric(all, step, name);
        least = x < least ? x : least;
        most = x > most ? x : most;
    }
    if (sketch_count(s) != steps || sketch_least(s) != least || sketch_most(s) != most)
        fail_msg("stage %d, %s: expected %zu from %g to %g, found %zu from %g to %g", stage, name, steps, least, most, (size_t)sketch_count(s),
                 sketch_least(s), sketch_most(s));
    sketch_free(s);
}

/* What the steps measured lies in the folder as sketches, and is told. */
static void measures_are_kept_as_sketches(void **state)
{
    (void)state;
    static const char *const rl[] = {"loss", "reward", "kl", "logprob", "entropy"};
    static const char *const preference[] = {"loss", "reward", "margin", "accuracy", "logprob"};
    static const char *const dpo[] = {"loss", "margin", "accuracy", "logprob", "logprob_preferred", "logprob_rejected"};
    grow_options o = options_for("sketched", HEAD LIKELIHOOD DPO RL("grpo", ""), 2);
    grow_result r = must_grow(&o);
    json_t *all = metrics_of(r.folder);
    assert_int_equal(json_array_size(all), 8 + 6 + 4);
    for (size_t i = 0; i < COUNT_OF(preference); i++)
        sketch_is_of_steps(r.folder, 1, preference[i], all, 0, 8);
    for (size_t i = 0; i < COUNT_OF(dpo); i++)
        sketch_is_of_steps(r.folder, 2, dpo[i], all, 8, 6);
    for (size_t i = 0; i < COUNT_OF(rl); i++)
        sketch_is_of_steps(r.folder, 3, rl[i], all, 14, 4);
    for (size_t step = 0; step < json_array_size(all); step++)
        assert_true(metric(all, step, "logprob") < 0);
    for (size_t step = 8; step < 14; step++) {
        double both = metric(all, step, "logprob"), one = metric(all, step, "logprob_preferred"), other = metric(all, step, "logprob_rejected");
        assert_true(one != other && both > fmin(one, other) && both < fmax(one, other));
    }
    assert_non_null(strstr(r.words, "stage 1: reward "));
    assert_non_null(strstr(r.words, "stage 2: log-probability of a token -"));
    assert_non_null(strstr(r.words, "stage 3: log-probability of a token -"));
    json_decref(all);
}

/* At a rate of 0 the policy stays what pretraining made: what DPO says of the replies is what the engine says of their texts. */
static void log_probabilities_are_the_models(void **state)
{
    (void)state;
    static const char *const pairs = "{\"chosen\": \"\\n\\nHuman: Who bakes?\\n\\nAssistant: the baker\", \"rejected\": "
                                     "\"\\n\\nHuman: Who bakes?\\n\\nAssistant: nobody at all, I think\"}\n";
    strbuf text = strbuf_new(memory, 1 << 16);
    for (int i = 0; i < 4; i++)
        strbuf_add(&text, pairs);
    const char *path = file_join(memory, test_folder(), "same.jsonl");
    assert_int_equal(file_write(path, strbuf_slice(&text), NULL), STATUS_OK);
    grow_options o = options_for("said", arena_printf(memory, HEAD "  - {kind: dpo, steps: 1, batch_tokens: 1024, sequence: 256, learning_rate: 0, "
                                                              "pairs: 2, held_out: 2, file: %s}\n", path), 2);
    o.full_precision = true;
    grow_result r = must_grow(&o);
    json_t *all = metrics_of(r.folder);
    checkpoint *c;
    engine *e;
    pair_list list;
    assert_int_equal(checkpoint_open(memory, r.folder, &c, NULL), STATUS_OK);
    assert_int_equal(pairs_from_file(memory, path, 0, 1, c->tokenizer, 256, &list, NULL), STATUS_OK);
    assert_int_equal(engine_new(c, &(engine_options){.compute = TYPE_F32}, NULL, &e, NULL), STATUS_OK);
    const token_pair *pair = &list.pairs[0];
    double sums[2], tokens[2];
    for (int k = 0; k < 2; k++) {
        token_list reply = {.ids = (int32_t *)(uintptr_t)pair->tokens[k] + pair->prompt, .count = pair->count[k] - pair->prompt};
        engine_score_request asked = {.prefix = pair->tokens[k], .prefix_count = pair->prompt, .continuations = &reply, .continuation_count = 1};
        engine_score score;
        assert_int_equal(engine_score_all(e, memory, &asked, &score, 1, NULL), STATUS_OK);
        sums[k] = score.logprobs[0];
        tokens[k] = (double)reply.count;
    }
    NEAR(metric(all, 0, "logprob_preferred"), sums[0] / tokens[0], 1e-4);
    NEAR(metric(all, 0, "logprob_rejected"), sums[1] / tokens[1], 1e-4);
    NEAR(metric(all, 0, "logprob"), (sums[0] + sums[1]) / (tokens[0] + tokens[1]), 1e-4);
    engine_free(e);
    json_decref(all);
}

static void policy_gradients_have_the_same_bits(void **state)
{
    (void)state;
    the_same_bits("reinforce", HEAD RL("reinforce", ", entropy_weight: 0.01"), 10);
    the_same_bits("grpo", HEAD PREFERENCE RL("grpo", ", epochs: 2, reward: preference"), 18);
    the_same_bits("ppo", HEAD RL("ppo", ", epochs: 3"), 10);
}

static void more_threads_than_processors_are_no_fault(void **state)
{
    (void)state;
    grow_options few = options_for("few-threads", HEAD PREFERENCE RL("ppo", ""), 1), many = options_for("many-threads", HEAD PREFERENCE RL("ppo", ""), 64);
    grow_result a = must_grow(&few), b = must_grow(&many);
    assert_string_equal(a.sha256, b.sha256);
}

/* A reward that a policy of noise can raise: the raters like long replies alone. */
static void reward_rises(void **state)
{
    (void)state;
    static const char *const methods[] = {"reinforce", "grpo", "ppo"};
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        char *text = arena_printf(memory,
                                  "name: tiny\nbase: none\n"
                                  "model: {layers: 2, width: 32, heads: 2, kv_heads: 1, intermediate: 64, context: 256, vocabulary: "
                                  "400}\nraters: {true: 0, length: 1}\nstages:\n"
                                  "  - {kind: pretrain, steps: 30, batch_tokens: 1024, sequence: 256, learning_rate: 1e-2, warmup: 2}\n"
                                  "  - {kind: rl, method: %s, steps: 25, prompts: 4, group: 8, max_tokens: 24, batch_tokens: 4096, "
                                  "sequence: 256, learning_rate: 4e-3, weight_decay: 0, beta: 0, schedule: constant}\n", methods[i]);
        grow_options o = options_for(arena_printf(memory, "rises-%s", methods[i]), text, 2);
        grow_result r = must_grow(&o);
        json_t *all = metrics_of(r.folder);
        double before = 0, after = 0;
        for (size_t k = 0; k < 5; k++) {
            before += metric(all, k, "reward") / 5;
            after += metric(all, 20 + k, "reward") / 5;
        }
        for (size_t k = 0; k < 25; k++) /* the raters themselves judge */
            NEAR(metric(all, k, "utility"), metric(all, k, "reward"), 1e-12);
        if (!(after > before + 0.3))
            fail_msg("%s: reward %g, then %g", methods[i], before, after);
        json_decref(all);
    }
}

static void steps_are_kept(void **state)
{
    (void)state;
    grow_options o = options_for("kept", HEAD RL("grpo", ", keep: 2"), 2);
    grow_result r = must_grow(&o);
    checkpoint *c;
    error err = {0};
    if (checkpoint_open(memory, file_join(memory, r.folder, "steps/000002"), &c, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    unsigned char last[SHA256_BYTES], whole[SHA256_BYTES], half[SHA256_BYTES];
    assert_int_equal(sha256_file(file_join(memory, r.folder, "steps/000002/model.safetensors"), half, NULL), STATUS_OK);
    assert_int_equal(sha256_file(file_join(memory, r.folder, "steps/000004/model.safetensors"), last, NULL), STATUS_OK);
    assert_int_equal(sha256_file(file_join(memory, r.folder, "model.safetensors"), whole, NULL), STATUS_OK);
    assert_memory_equal(last, whole, sizeof last);
    assert_memory_not_equal(half, whole, sizeof half);
}

static void must_refuse(const char *name, const char *stages, const recipe_changes *changes, const char *words)
{
    grow_options o = options_for(name, stages, 1);
    grow_result r;
    error err = {0};
    if (changes)
        o.changes = *changes;
    assert_true(grow_run(memory, &o, &r, &err) != STATUS_OK);
    if (!strstr(err.message, words))
        fail_msg("expected '%s' in: %s", words, err.message);
}

static void what_cannot_be_learned_from_is_refused(void **state)
{
    (void)state;
    must_refuse("no-raters", "name: x\nbase: embedded\nstages:\n" PREFERENCE, NULL, "needs the recipe's key 'raters'");
    must_refuse("no-such-key", HEAD "  - {kind: preference, steps: 1, learning_rate: 0, mix: {question: 1}}\n", NULL, "mix");
    must_refuse("no-such-file", HEAD "  - {kind: dpo, steps: 1, learning_rate: 0, file: nowhere.jsonl}\n", NULL, "nowhere.jsonl");
    must_refuse("too-long", HEAD "  - {kind: dpo, steps: 1, learning_rate: 0, sequence: 16, batch_tokens: 64}\n", NULL,
                "at most 16 tokens");
    must_refuse("no-judge", HEAD RL("grpo", ", reward: nowhere"), NULL, "nowhere");
    must_refuse("no-group", HEAD "  - {kind: rl, steps: 1, group: 1, learning_rate: 0}\n", NULL, "a group of at least 2");
    must_refuse("no-model", HEAD RL("grpo", ", reward: preference"), NULL, "needs a stage 'preference'");
    must_refuse("no-rl", HEAD DPO, &(recipe_changes){.reward = "raters"}, "--reward");
    must_refuse("untied",
                "name: x\nbase: none\nmodel: {layers: 2, width: 32, heads: 2, intermediate: 64, context: 256, vocabulary: 400, tied: false}\n"
                "raters: {true: 1}\nstages:\n  - {kind: pretrain, steps: 1, batch_tokens: 512, sequence: 256, learning_rate: 0}\n" LIKELIHOOD,
                NULL, "reads_likelihood");
    must_refuse("hard-taste", "name: x\nbase: embedded\nraters: {accuracy: 0.8, hardest: 0.9}\nstages:\n" PREFERENCE, NULL, "hardest");
    must_refuse("bad-taste", "name: x\nbase: embedded\nraters: {truth: 1}\nstages:\n" PREFERENCE, NULL, "unknown key 'truth'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preference_models_have_the_same_bits),
        cmocka_unit_test(likelihoods_are_part_of_the_worth),
        cmocka_unit_test(a_policy_goes_on_from_what_it_was),
        cmocka_unit_test(dpo_begins_at_its_reference),
        cmocka_unit_test(an_adapter_learns_from_pairs),
        cmocka_unit_test(held_out_pairs_of_a_file_are_others),
        cmocka_unit_test(the_first_ratio_is_exactly_one),
        cmocka_unit_test(measures_are_kept_as_sketches),
        cmocka_unit_test(log_probabilities_are_the_models),
        cmocka_unit_test(policy_gradients_have_the_same_bits),
        cmocka_unit_test(more_threads_than_processors_are_no_fault),
        cmocka_unit_test(reward_rises),
        cmocka_unit_test(steps_are_kept),
        cmocka_unit_test(what_cannot_be_learned_from_is_refused),
    };
    return cmocka_run_group_tests(tests, memory_set_up, memory_tear_down);
}
