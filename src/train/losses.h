/* losses.h - what feedback teaches by: losses as graphs, and advantages on the host.
 *
 * All losses are sums of weights[i] times the loss of element i (a pair, a token), in the type of their inputs; weights of 0
 * leave an element out, and 1/n of all n make the mean. Inputs are nodes of one graph and one shape.
 *
 *     node *loss = loss_dpo(chosen, rejected, reference_chosen, reference_rejected, 0.1, 0, weights);
 *     graph_grad(loss, parameters, count, NULL, gradients);
 */
#ifndef ASSAY_TRAIN_LOSSES_H
#define ASSAY_TRAIN_LOSSES_H

#include "graph/graph.h"

#include <stddef.h>

/* Preference models (Bradley and Terry 1952; Stiennon et al., arXiv 2009.01325, section 3.4): -log sigmoid(r_w - r_l). */
node *loss_preference(node *chosen, node *rejected, node *weights);

/* Direct preference optimisation (Rafailov et al., arXiv 2305.18290, eq. 7), from log-probabilities of whole replies, with
 * z = beta ((chosen - reference_chosen) - (rejected - reference_rejected)): -log sigmoid(z). With label smoothing s, the
 * share of labels taken to be turned round: -(1 - s) log sigmoid(z) - s log sigmoid(-z) (Mitchell, "A note on DPO with noisy
 * preferences", 2023, eq. 3). */
node *loss_dpo(node *chosen, node *rejected, node *reference_chosen, node *reference_rejected, double beta, double smoothing,
               node *weights);

/* Policy gradients by tokens, with the ratio r = exp(logprobs - old): -r A, whose gradient is that of REINFORCE where r = 1;
 * with clip c above 0 the clipped objective -min(r A, clamp(r, 1 - c, 1 + c) A) (Schulman et al., arXiv 1707.06347, eq. 7). */
node *loss_policy(node *logprobs, node *old, node *advantages, double clip, node *weights);

/* An estimate of KL(policy || reference) that is never negative, with d = reference - logprobs: exp(d) - d - 1 (Schulman,
 * "Approximating KL divergence", 2020, k3; Shao et al., arXiv 2402.03300, eq. 4). */
node *loss_kl(node *logprobs, node *reference, node *weights);

/* Values: (v - R)^2 / 2, and with clip c above 0 the larger of that and the same of old + clamp(v - old, -c, c) (Schulman
 * et al., arXiv 1707.06347, as in the authors' code). */
node *loss_value(node *values, node *old, node *returns, double clip, node *weights);

/* Entropies of the rows of logits [..., V], in nats: [...]. */
node *loss_entropies(node *logits);

/* ---- advantages ---- */

/* Each reward less the mean of the others in its group of n (Kool, van Hoof and Welling 2019; Ahmadian et al., arXiv
 * 2402.14740, eq. 8); 0 for a group of one. `rewards` holds whole groups. */
void advantages_leave_one_out(const double *rewards, size_t count, size_t n, double *out);
/* Group-normalised (Shao et al., arXiv 2402.03300, section 4.1.2): (r - mean) / (deviation + 1e-4) over each group of n,
 * with the deviation of the group itself (divided by n - 1); 0 for a group of one. */
void advantages_group(const double *rewards, size_t count, size_t n, double *out);
/* Generalised advantage estimation (Schulman et al., arXiv 1506.02438, eq. 16) over the `count` tokens of one reply:
 * delta_t = r_t + discount v_{t+1} - v_t with v = 0 behind the last, A_t = delta_t + discount lambda A_{t+1}. `returns`:
 * A_t + v_t. */
void advantages_gae(const double *rewards, const float *values, size_t count, double discount, double lambda, double *advantages,
                    double *returns);
/* Shifted and scaled to mean 0 and deviation 1 over all (deviation + 1e-8; count - 1). */
void advantages_whiten(double *advantages, size_t count);

#endif
