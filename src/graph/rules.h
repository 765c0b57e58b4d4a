/* rules.h - private to src/graph: making nodes, and the rules that the table names. */
#ifndef ASSAY_GRAPH_RULES_H
#define ASSAY_GRAPH_RULES_H

#include "graph/ops.h"

/* The one maker of nodes. `attributes` may be NULL; it is copied. NULL when any source is. */
node *node_new(graph *g, op_code op, element_type type, shape s, node *const *sources, int count,
               const node_attributes *attributes);
/* A node with other sources (as many, of the same types and shapes). Keeps the name when keep_name. */
node *node_with_sources(const node *n, node *const *sources, bool keep_name);
node *node_zeros(const node *like);
/* The sum of two tensors as one that joins their parts, where both are zeros but for parts that lie beside each other on one
 * axis (op_pad); else NULL. Gradients of slices add up to this. */
node *node_joined_pads(node *x, node *y);
arena *graph_arena(graph *g);
node *graph_node_at(const graph *g, uint32_t id);
void graph_fail(graph *g);
/* Notes why a node cannot be made, where nothing failed before, and returns NULL. */
node *graph_refuse(graph *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* For those messages: name (or operation and the named nodes it comes from), type and shape: "'w' f32 [3, 4]". */
enum { NODE_TEXT = 240 };
const char *node_text(const node *n, char text[NODE_TEXT]);

/* Whether sizes are 0 or more and make at most 2^48 elements: what is counted from them fits its numbers. */
bool shape_countable(shape s);
int64_t shape_last(shape s);             /* size of the last axis */
shape shape_without_last(shape s);
shape shape_with_last(shape s, int64_t size);
shape shape_insert(shape s, int axis, int64_t size);
shape shape_remove(shape s, int axis);
/* f32 for bf16, else the type itself. */
element_type wide_type(element_type type);
element_type node_type(const node *n);
bool node_is_float(const node *n);
/* The nodes that the outputs depend on, in order of their ids; NULL when memory is out. */
node **graph_reach(arena *a, node *const *outputs, size_t count, size_t *found);
/* Those of them with ids from `first` on: what a loop over a part of a graph costs must not grow with what stands in front of it. */
node **graph_reach_from(arena *a, node *const *outputs, size_t count, uint32_t first, size_t *found);
/* The same in the order in which plans compute them: by places. *last: the largest id. */
node **graph_reach_places(arena *a, node *const *outputs, size_t count, size_t *found, uint32_t *last);
/* From now on new nodes are computed beside this one, of which (and of nodes beside it or in front of it) they are made; NULL: each
 * in its own place. So a tangent is there as soon as its value is, and neither waits for the other. */
void graph_set_beside(graph *g, const node *n);

/* Elementwise: d result / d source[i] as a node, NULL for zero. */
typedef node *partial_rule(node *n, int i);
/* Reverse: adds to the gradients of the sources. */
typedef struct backward backward;
typedef void grad_rule(backward *b, node *n, node *dy);
void backward_add(backward *b, node *source, node *contribution);
bool backward_wants(const backward *b, const node *source);
/* Forward: the tangent of n; tangents[i] NULL for zero (at least one is not). */
typedef node *jvp_rule(node *n, node *const *tangents);
typedef node *lower_rule(node *n);
/* Batching: n on sources of which some got a leading axis of `size` (sources[i], where batched[i]; at least one), itself with
 * that axis. A fused operation may return NULL: it is lowered then. */
typedef node *batch_rule(node *n, node *const *sources, const bool *batched, int64_t size);

partial_rule *rule_partial(op_code op);
grad_rule *rule_grad(op_code op);
jvp_rule *rule_jvp(op_code op);
lower_rule *rule_lower(op_code op);
batch_rule *rule_batch(op_code op);

partial_rule partial_identity, partial_neg, partial_abs, partial_exp, partial_log, partial_sqrt, partial_rsqrt,
    partial_reciprocal, partial_tanh, partial_sigmoid, partial_sin, partial_cos, partial_erf, partial_add, partial_sub,
    partial_mul, partial_div, partial_pow, partial_max, partial_min;
grad_rule grad_elementwise, grad_cast, grad_select, grad_reduce_sum, grad_reduce_max, grad_broadcast, grad_reshape,
    grad_transpose, grad_slice, grad_pad, grad_concat, grad_gather_rows, grad_scatter_rows, grad_put_rows, grad_take_last,
    grad_gather_last, grad_scatter_last, grad_cumulative_sum, grad_after, grad_cholesky, grad_triangular_solve,
    grad_matmul, grad_linear, grad_softmax, grad_rms_norm, grad_silu_mul, grad_rotary, grad_attention,
    grad_cross_entropy, grad_sum_squares, grad_windows, grad_windows_sum, grad_conv, grad_conv_input_grad,
    grad_conv_weight_grad, grad_max_pool, grad_normalise;
jvp_rule jvp_elementwise, jvp_cast, jvp_select, jvp_linear, jvp_bilinear, jvp_reduce_max, jvp_after, jvp_cholesky, jvp_triangular_solve;
batch_rule batch_elementwise, batch_random, batch_reduce, batch_broadcast, batch_reshape, batch_transpose, batch_axis,
    batch_gather_rows, batch_scatter_rows, batch_put_rows, batch_leading, batch_matmul, batch_after, batch_linear,
    batch_rms_norm, batch_rotary, batch_attention, batch_cross_entropy, batch_images,
    batch_conv, batch_normalise;
lower_rule lower_linear, lower_softmax, lower_softmax_grad, lower_log_softmax, lower_rms_norm, lower_rms_norm_grad,
    lower_silu_mul, lower_silu_mul_grad, lower_rotary, lower_attention, lower_attention_grad, lower_cross_entropy,
    lower_cross_entropy_grad, lower_conv, lower_conv_input_grad, lower_conv_weight_grad, lower_max_pool,
    lower_max_pool_grad, lower_normalise, lower_normalise_grad, lower_sum_squares, lower_sparse_sum_squares, lower_adamw, lower_sparse_adamw,
    lower_cache_append, lower_cache_attention;

/* What fused reverse rules build; sources as their kernels take them. Where an operation has several results, `part`
 * says which. */
enum { ROTARY_BACKWARD = 1 };
node *fused_softmax_grad(node *y, node *dy);
node *fused_rms_norm_part(node *x, node *weight, double epsilon, int part);
node *fused_rms_norm_grad(node *x, node *weight, node *rstd, node *dy, double epsilon, int part);
node *fused_silu_mul_grad(node *gate, node *up, node *dy, int part);
node *fused_rotary(node *x, node *position, node *cosine, node *sine, int32_t flags);
/* mask NULL: all that the options let see. */
node *fused_attention_part(node *q, node *k, node *v, node *start, node *mask, node_attributes a, int part);
/* q, k, v, start, result, log-sums, the result's gradient, and the mask or NULL. */
node *fused_attention_grad(node *const sources[8], node_attributes a, int part);
/* x[0]: scale, x[1]: soft cap, a[0]: window, a[1]: both ways. */
node_attributes attention_attributes(const node *q, attention_options o);
node *fused_cross_entropy_part(node *logits, node *target, node *weight, int part);
node *fused_cross_entropy_grad(node *logits, node *target, node *weight, node *lse, node *dloss);

/* How the windows of a node of src/graph/windows.c lie; attributes hold it. */
typedef struct window_layout {
    int64_t kernel[2], stride[2], dilation[2], before[2], groups;
    int64_t in[2], out[2];
} window_layout;
window_layout window_layout_of(const node *n);

/* Of cross-entropy: u8 [T], which targets lie among the logits [T, V]. */
node *target_counts(const node *logits, node *target);
/* The meaning of an operation that is a gradient: sources are wrapped so that what connects them elsewhere does not
 * count, and the derivative of `value` in wrapped source `which` is taken. */
typedef node *value_builder(const node *n, node *const *sources);
node *lower_by_gradient(node *n, value_builder *value, node *seed, int which);

/* Visits what the outputs depend on in order and lets `change` replace nodes: it gets the original and the same node on
 * the changed sources, and returns the node to use. */
typedef node *node_change(void *context, node *original, node *rebuilt);
bool graph_rebuild(node *const *outputs, size_t count, node_change *change, void *context, node **rebuilt);
/* Those before `first` stay as they are and are not visited; none of the outputs is one of them. */
bool graph_rebuild_from(node *const *outputs, size_t count, uint32_t first, node_change *change, void *context, node **rebuilt);
/* The same in order of places, which the rebuilt nodes keep. */
bool graph_rebuild_places(node *const *outputs, size_t count, node_change *change, void *context, node **rebuilt);

#endif
