#include "train/rl_inside.h"

#include "train/losses.h"

#include <string.h>

status rl_rows_new(arena *a, size_t count, rl_rows *out, error *err)
{
    *out = (rl_rows){ARENA_ARRAY(a, float, count), ARENA_ARRAY(a, float, count), ARENA_ARRAY(a, float, count),
                     ARENA_ARRAY(a, float, count), ARENA_ARRAY(a, float, count), ARENA_ARRAY(a, float, count)};
    return out->old && out->reference && out->advantages && out->weights && out->old_values && out->returns
               ? STATUS_OK
               : error_set(err, STATUS_MEMORY, "no memory for a batch of replies");
}

size_t rl_pack(const rollout_reply *replies, size_t groups, size_t group, sequence_batch *batch, rl_rows *rows)
{
    sequence_batch_clear(batch);
    for (size_t g = 0; g < groups; g++) {
        size_t tokens = batch->tokens_used, used = batch->rows_used, count = batch->count;
        for (size_t k = 0; k < group; k++) {
            const rollout_reply *r = &replies[g * group + k];
            size_t at = batch->rows_used;
            if (!sequence_batch_add(batch, r->tokens, r->count, r->prompt)) {
                batch->tokens_used = tokens;
                batch->rows_used = used;
                batch->count = count;
                sequence_batch_pad(batch, TOKEN_PAD);
                return g;
            }
            memcpy(rows->old + at, r->logprobs, (r->count - r->prompt) * sizeof(float));
        }
    }
    sequence_batch_pad(batch, TOKEN_PAD);
    return groups;
}

/* The sum of the log-ratios to the reference over one reply. */
static double divergence(const sequence_batch *batch, const rl_rows *rows, size_t i)
{
    double sum = 0;
    for (size_t r = batch->firsts[i]; r < batch->firsts[i + 1]; r++)
        sum += (double)rows->old[r] - (double)rows->reference[r];
    return sum;
}

/* One advantage for each reply. */
static void spread_out(const recipe_feedback *o, const double *advantages, const sequence_batch *batch, rl_rows *rows)
{
    for (size_t i = 0; i < batch->count; i++) {
        double length = (double)(batch->firsts[i + 1] - batch->firsts[i]), n = (double)batch->count;
        for (size_t r = batch->firsts[i]; r < batch->firsts[i + 1]; r++) {
            rows->advantages[r] = (float)advantages[i];
            rows->weights[r] = (float)(o->method == RL_GRPO ? 1 / (n * length) : 1 / n);
        }
    }
}

/* One advantage for each token; `space` [3 rows]. */
static void estimate(const recipe_feedback *o, const double *rewards, const sequence_batch *batch, rl_rows *rows, double *space)
{
    size_t n = batch->rows_used;
    double *step = space, *advantages = space + n, *returns = space + 2 * n;
    for (size_t i = 0; i < batch->count; i++) {
        size_t from = batch->firsts[i], count = batch->firsts[i + 1] - from;
        for (size_t r = from; r < from + count; r++)
            step[r] = -o->beta * ((double)rows->old[r] - (double)rows->reference[r]);
        if (count)
            step[from + count - 1] += rewards[i];
        advantages_gae(step + from, rows->old_values + from, count, o->discount, o->lambda, advantages + from, returns + from);
    }
    advantages_whiten(advantages, n);
    for (size_t r = 0; r < n; r++) {
        rows->advantages[r] = (float)advantages[r];
        rows->returns[r] = (float)returns[r];
        rows->weights[r] = (float)(1 / (double)n);
    }
}

status rl_advantages(arena *a, const recipe_feedback *o, const rollout_reply *replies, const sequence_batch *batch, rl_rows *rows,
                     double *kl, error *err)
{
    size_t count = batch->count;
    double *rewards = ARENA_ARRAY(a, double, count + 1), *out = ARENA_ARRAY(a, double, count + 1);
    double *space = ARENA_ARRAY(a, double, 3 * batch->rows_used + 1), sum = 0;
    if (!rewards || !out || !space)
        return error_set(err, STATUS_MEMORY, "no memory for advantages");
    for (size_t i = 0; i < count; i++) {
        double k = divergence(batch, rows, i);
        sum += k;
        rewards[i] = replies[i].reward - (o->method == RL_REINFORCE ? o->beta * k : 0);
    }
    *kl = sum / (double)count;
    memset(rows->weights, 0, batch->rows_most * sizeof(float));
    if (o->method == RL_PPO) {
        estimate(o, rewards, batch, rows, space);
        return STATUS_OK;
    }
    (o->method == RL_GRPO ? advantages_group : advantages_leave_one_out)(rewards, count, (size_t)o->group, out);
    spread_out(o, out, batch, rows);
    return STATUS_OK;
}
