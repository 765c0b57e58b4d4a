/* optimiser.h - steps of optimisers as graphs: SGD, AdamW, Muon.
 *
 *     optimiser o = {.kind = OPTIMISER_SGD, .momentum = 0.9, .nesterov = true};
 *     node *next, *states[OPTIMISER_STATES], *next_states[OPTIMISER_STATES];
 *     size_t kept = optimiser_states(&o, matrix);                  // states[0 .. kept - 1]: zeros at first, of the value's shape and type
 *     optimiser_update(&o, matrix, value, states, gradient, rates, &next, next_states);
 *
 * One step on one parameter makes its next value and what is kept of its past. All is made of operations with derivatives, so that
 * a step can be differentiated, also in graph_scan. Values, states, gradient and rates are of one type, f32 or f64.
 *
 * SGD (torch.optim.SGD without dampening): g = gradient + decay value; m = momentum m + g; value -= rate m, or with Nesterov's
 * momentum rate (g + momentum m). AdamW: Loshchilov and Hutter 2019 (op_adamw). Muon (Jordan and others 2024; torch.optim.Muon): for
 * matrices m += (1 - momentum) (gradient - m); the direction g + momentum (m - g), or m without Nesterov, divided by its Frobenius
 * norm, goes through five steps x = a x + (b x x^T + c (x x^T)^2) x with a, b, c = 3.4445, -4.7750, 2.0315, which bring its
 * singular values near 1 (to about .7 to 1.2); value = (1 - rate decay) value - rate scale x. All of that in the value's type (torch's
 * own iterates in bf16). Tensors of rank above 2 are matrices of their first axis. Everything else, and what the caller says is
 * no matrix (embeddings and heads, by convention), takes a step of AdamW at the same rate.
 */
#ifndef ASSAY_NN_OPTIMISER_H
#define ASSAY_NN_OPTIMISER_H

#include "graph/sparse.h"

typedef enum optimiser_kind { OPTIMISER_ADAMW, OPTIMISER_SGD, OPTIMISER_MUON, OPTIMISER_COUNT } optimiser_kind;
extern const char *const optimiser_names[OPTIMISER_COUNT]; /* "adamw", "sgd", "muon" */

/* What Muon multiplies a matrix [rows, columns] by. MATCH: .2 sqrt(max(rows, columns)), as large as steps of AdamW usually are, so that
 * rates and decay may be those of AdamW, and of what takes its steps beside (Liu and others 2025, "match_rms_adamw" in torch).
 * ORIGINAL: sqrt(max(1, rows / columns)). */
typedef enum muon_scale { MUON_SCALE_MATCH, MUON_SCALE_ORIGINAL } muon_scale;

typedef struct optimiser {
    optimiser_kind kind;
    double beta1, beta2, epsilon; /* AdamW, and what Muon leaves to it */
    double decay;                 /* SGD: added to the gradient; else decoupled */
    double momentum;              /* SGD (0: none is kept) and Muon */
    bool nesterov;
    muon_scale scale;
    bool lazy; /* rows of tables that a step does not look up stay as they are, and what is kept of them (optimiser_update_sparse) */
} optimiser;

enum { OPTIMISER_STATES = 2, OPTIMISER_RATES = 4, MUON_STEPS = 5 };

/* Whether a tensor of this shape can be a matrix to Muon. */
bool optimiser_is_matrix(shape s);
/* How many tensors of the parameter's shape are kept from step to step. */
size_t optimiser_states(const optimiser *o, bool matrix);
/* rates [OPTIMISER_RATES]: learning rate, 1 - beta1^step, 1 - beta2^step (both read by AdamW alone), and the factor that the gradient is
 * multiplied by first (clipping; 1 for none). Returns false when memory is out. */
bool optimiser_update(const optimiser *o, bool matrix, node *value, node *const *states, node *gradient, node *rates,
                      node **next_value, node **next_states);
/* The same for a table whose gradient is zero but for some rows (graph/sparse.h), with the same bits, and nothing of the table's size made
 * for the gradient: a table is no matrix to Muon. Lazy: these rows alone take the step, the others neither decay nor move on by what is kept
 * of them, which stays (torch.optim.SparseAdam, but that epsilon is added where AdamW adds it). */
bool optimiser_update_sparse(const optimiser *o, node *value, node *const *states, const sparse_rows *gradient, node *rates,
                             node **next_value, node **next_states);
/* Muon's direction: `steps` steps of Newton and Schulz on x [rows, columns] over its norm. */
node *optimiser_orthogonal(node *x, int steps);
/* The first three rates of step `step`, from 0 since the states were zero. */
void optimiser_rates(const optimiser *o, int64_t step, double learning_rate, double rates[3]);

#endif
