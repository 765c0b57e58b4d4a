#include "train/losses.h"

#include "graph/composite.h"
#include "graph/ops.h"

#include <math.h>

static node *weighted(node *losses, node *weights)
{
    return op_sum_all(op_mul(losses, weights));
}

static node *clamped(node *x, double least, double most)
{
    if (!x)
        return NULL;
    element_type type = (element_type)x->type;
    return op_max(op_min(x, graph_scalar(x->graph, type, most)), graph_scalar(x->graph, type, least));
}

node *loss_preference(node *chosen, node *rejected, node *weights)
{
    return weighted(op_softplus(op_sub(rejected, chosen)), weights);
}

node *loss_dpo(node *chosen, node *rejected, node *reference_chosen, node *reference_rejected, double beta, double smoothing,
               node *weights)
{
    node *z = op_scale(op_sub(op_sub(chosen, reference_chosen), op_sub(rejected, reference_rejected)), beta);
    node *loss = op_softplus(op_neg(z));
    if (smoothing > 0)
        loss = op_add(op_scale(loss, 1 - smoothing), op_scale(op_softplus(z), smoothing));
    return weighted(loss, weights);
}

node *loss_policy(node *logprobs, node *old, node *advantages, double clip, node *weights)
{
    node *ratio = op_exp(op_sub(logprobs, old)), *gain = op_mul(ratio, advantages);
    if (clip > 0)
        gain = op_min(gain, op_mul(clamped(ratio, 1 - clip, 1 + clip), advantages));
    return weighted(op_neg(gain), weights);
}

node *loss_kl(node *logprobs, node *reference, node *weights)
{
    node *d = op_sub(reference, logprobs);
    return weighted(op_shift(op_sub(op_exp(d), d), -1), weights);
}

node *loss_value(node *values, node *old, node *returns, double clip, node *weights)
{
    node *loss = op_square(op_sub(values, returns));
    if (clip > 0)
        loss = op_max(loss, op_square(op_sub(op_add(old, clamped(op_sub(values, old), -clip, clip)), returns)));
    return weighted(op_scale(loss, 0.5), weights);
}

node *loss_entropies(node *logits)
{
    node *p = op_softmax(logits), *logp = op_log_softmax(logits);
    return op_neg(op_reduce_sum(op_mul(p, logp), AXES(-1), false));
}

/* ---- advantages ---- */

void advantages_leave_one_out(const double *rewards, size_t count, size_t n, double *out)
{
    for (size_t from = 0; from < count; from += n) {
        double sum = 0;
        for (size_t i = from; i < from + n; i++)
            sum += rewards[i];
        for (size_t i = from; i < from + n; i++)
            out[i] = n > 1 ? rewards[i] - (sum - rewards[i]) / (double)(n - 1) : 0;
    }
}

static void moments(const double *x, size_t n, double *mean, double *deviation)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (x[i] - *mean) * (x[i] - *mean);
    *deviation = n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
}

void advantages_group(const double *rewards, size_t count, size_t n, double *out)
{
    for (size_t from = 0; from < count; from += n) {
        double mean, deviation;
        moments(rewards + from, n, &mean, &deviation);
        for (size_t i = from; i < from + n; i++)
            out[i] = (rewards[i] - mean) / (deviation + 1e-4);
    }
}

void advantages_gae(const double *rewards, const float *values, size_t count, double discount, double lambda, double *advantages,
                    double *returns)
{
    double next = 0;
    for (size_t t = count; t-- > 0;) {
        double behind = t + 1 < count ? (double)values[t + 1] : 0;
        double delta = rewards[t] + discount * behind - (double)values[t];
        next = delta + discount * lambda * next;
        advantages[t] = next;
        returns[t] = next + (double)values[t];
    }
}

void advantages_whiten(double *advantages, size_t count)
{
    double mean, deviation;
    if (count == 0)
        return;
    moments(advantages, count, &mean, &deviation);
    for (size_t i = 0; i < count; i++)
        advantages[i] = (advantages[i] - mean) / (deviation + 1e-8);
}
