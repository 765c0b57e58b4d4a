/* graph.h - computations as graphs of named tensor operations: build, differentiate, batch, lower, rewrite.
 *
 * A graph is pure: a node is a value, never a place; it has an operation, sources, a static shape and an element
 * type. Builders (graph/ops.h) return nodes; graph_grad and graph_jvp add the nodes of derivatives, of any order;
 * graph_rewrite changes the value at a named site; a plan (graph/plan.h) runs what a set of outputs needs.
 *
 *     graph *g = graph_new(NULL);
 *     node *x = graph_input(g, "x", TYPE_F32, SHAPE(3));
 *     node *y = op_reduce_sum(op_mul(x, op_exp(x)), AXES(0), false);     // sum of x exp(x)
 *     node *dx;
 *     graph_grad(y, &x, 1, NULL, &dx);
 *     node *outputs[] = {y, dx};
 *     plan *p;
 *     TRY(plan_new(g, outputs, 2, NULL, &p, err));                       // also reports a failed graph
 *     plan_bind(p, x, (float[]){1, 2, 3});
 *     TRY(plan_run(p, pool, err));
 *     const float *dx_values = plan_output(p, 1);
 *     plan_free(p);
 *     graph_free(g);
 *
 * Failure is sticky: when memory is out, or shapes or types do not fit, a builder returns NULL, builders given NULL return
 * NULL, and graph_status (and plan_new) says at the end what came first: of shapes that do not fit both, and the names
 * of the nodes they belong to, or of the named nodes that those come from:
 *
 *     matmul: 'blocks.0.attn.out' f32 [8, 64] and transpose of 'head' f32 [32, 100] do not fit: the inner sizes are 64 and 32
 */
#ifndef ASSAY_GRAPH_GRAPH_H
#define ASSAY_GRAPH_GRAPH_H

#include "core/arena.h"
#include "core/element.h"
#include "core/error.h"
#include "kernels/quant.h"

#include <stdbool.h>
#include <stdint.h>

enum { RANK_MAX = 8 };

typedef struct graph graph;
typedef struct node node;

/* Row-major: the last axis is contiguous. Rank 0 is a scalar. Sizes may be 0. */
typedef struct shape {
    int rank;
    int64_t size[RANK_MAX];
} shape;

typedef struct axes {
    int count;
    int axis[RANK_MAX]; /* negative ones count from the end */
} axes;

#define SHAPE(...) ((shape){(int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {__VA_ARGS__}})
#define SHAPE_SCALAR ((shape){0, {0}})
#define AXES(...) ((axes){(int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), {__VA_ARGS__}})

int64_t shape_count(shape s); /* elements; 1 for a scalar */
bool shape_equal(shape a, shape b);
/* "[2, 3]" into `text`, for messages. */
const char *shape_text(shape s, char text[128]);

/* What an operation needs beside its sources; which fields mean what is said at the builders (graph/ops.h). */
typedef struct node_attributes {
    int64_t a[RANK_MAX], b[RANK_MAX];
    double x[4];
    int32_t flags; /* transpositions, keep, ... */
    int32_t part;  /* which of an operation's several results this node is */
} node_attributes;

/* Read-only for everybody but src/graph. Nodes live as long as their graph. */
struct node {
    graph *graph;
    uint32_t id; /* sources have smaller ids */
    uint16_t op; /* an operation, graph/ops.h */
    uint8_t type; /* element_type */
    uint8_t source_count;
    uint8_t format; /* of an input: its storage format (quant_format), 0 where elements are stored plainly */
    uint32_t segment; /* the checkpoint it was built in, 0: none */
    uint32_t place;   /* plans compute nodes in order of these, then of ids: its own id, or that of the node it stands beside */
    node **sources;
    shape shape;
    const node_attributes *attributes;
    const void *data;  /* of a constant: its elements */
    const char *site;  /* NULL, or the name given by graph_name; of an input its name */
};

graph *graph_new(arena *parent);
void graph_free(graph *g);
/* What kept a builder from making its node, the first that happened: STATUS_MEMORY, or STATUS_INVALID with the shapes. */
status graph_status(const graph *g, error *err);
size_t graph_size(const graph *g); /* nodes */

/* ---- leaves ---- */
/* A tensor bound at run time. Inputs of one graph have different names. */
node *graph_input(graph *g, const char *name, element_type type, shape s);
/* The same for a weight [N, K] that is stored as N rows of blocks (kernels/quant.h) of K elements. Its element type, f32 or
 * f64, is that of its values, which are those of quant_expand. Two operations read blocks: op_linear, as weight (the
 * product rounds the rows of x to 8 bits, kernels/quant_product.h), and op_gather_rows, as table. A plan with another
 * reader is refused, but for plans of the reference and weights in f64: there the weight is expanded. */
node *graph_input_stored(graph *g, const char *name, element_type type, shape s, quant_format format);
/* Copies shape_count(s) elements of the given type. */
node *graph_constant(graph *g, element_type type, shape s, const void *elements);
/* A tensor filled with one value (rounded to the type). */
node *graph_fill(graph *g, element_type type, shape s, double value);
node *graph_scalar(graph *g, element_type type, double value);
/* Position along `axis`, as i32 or a float type. */
node *graph_iota(graph *g, element_type type, shape s, int axis);

/* ---- names ---- */
/* Names the value: a site such as "blocks.3.attn.out". Returns a node equal to n that carries the name. */
node *graph_name(node *n, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The input or site of this name that the outputs depend on, or NULL. */
node *graph_find(node *const *outputs, size_t count, const char *name);

/* ---- derivatives ---- */
/* Reverse mode: gradients[i] becomes the derivative of sum(y * seed) with respect to wrt[i], of wrt[i]'s shape and
 * type (zeros where y does not depend on it). seed has y's shape and type; NULL means ones. wrt may be any float nodes but
 * graph_fill's (what is filled with one value is folded away), also ones that depend on each other: each gradient is the
 * total one. Fused operations use their own rule once; anything without a rule is lowered first, so gradients can be
 * differentiated again. Returns false when memory is out. */
bool graph_grad(node *y, node *const *wrt, size_t count, node *seed, node **gradients);
/* The same (seed: ones), and *value, which equals y but reads what the gradient computes again where y reads checkpoints
 * (graph_checkpoint_begin): who asks for *value instead of y has what nothing else reads computed once, not twice. */
bool graph_value_and_grad(node *y, node *const *wrt, size_t count, node **value, node **gradients);
/* Forward mode: the tangents of the outputs when wrt[i] moves along tangents[i] (of the same shape and type; NULL:
 * not moved). */
bool graph_jvp(node *const *outputs, size_t output_count, node *const *wrt, node *const *tangents, size_t count,
               node **output_tangents);

/* ---- many at once ---- */
/* The outputs for many values of some nodes: batched[i] is inputs[i] with a new leading axis [B, shape ...]; an output of shape
 * [...] becomes [B, ...], whose element b is the output where the inputs are elements b. All else is shared. Fused operations
 * have batching rules of their own (examples of attention become packed sequences) or are lowered. Per-example gradients are
 * the gradients of one example under vmap:
 *
 *     graph_grad(loss, weights, n, NULL, gradients);                  // loss of one example x, y
 *     graph_vmap(gradients, n, (node *[]){x, y}, (node *[]){xs, ys}, 2, each);   // [B, shape of the weight]
 *
 * Draws (op_random_uniform) differ between examples when their keys do. Returns false when memory is out. */
bool graph_vmap(node *const *outputs, size_t count, node *const *inputs, node *const *batched, size_t input_count,
                node **batched_outputs);
/* All second derivatives of functions of n coordinates in one forward sweep: x is a float tensor of n elements, and for each output
 * of shape [...] jacobians[i] becomes [n, ...], the derivative in each coordinate, and laplacians[i] [...], the sum of the pure
 * second derivatives. Either array may be NULL. With value v, Jacobian J and Laplacian l of its sources an operation f has
 * J' = f' J and l' = f' l + sum over coordinates of f'' J J, so l costs one more forward pass, not n. Returns false when memory is
 * out. */
bool graph_laplacian(node *const *outputs, size_t count, node *x, node **jacobians, node **laplacians);

/* ---- computing again instead of keeping ---- */
/* Nodes built between the two calls form a checkpoint: a gradient taken outside of it keeps what the checkpoint reads, not
 * what it computes on the way, and computes that again when it gets there. Same values; one more forward pass of that
 * part. They nest: what is in an inner one is computed again as often as there are checkpoints around it, and when a gradient goes
 * through the outer one, it keeps of the inner one what that reads. A gradient that is taken inside of a checkpoint keeps what is
 * built in that one, and computes again what is in closed ones (so that what depends on it does not depend on their nodes, but on what
 * these read). */
void graph_checkpoint_begin(graph *g);
void graph_checkpoint_end(graph *g);
/* One step of a loop: builds the state after step number `step` from that before it, of the same shapes and types. What it
 * builds beside (a loss of each step) it may put into the context. false: memory is out. */
typedef bool graph_scan_body(void *context, int64_t step, node *const *state, node **next);
/* The state after `steps` steps, built one after the other, with a checkpoint around each `interval` of them (0: about the square
 * root of steps, which makes the peak of a gradient grow as that; -1: none). A body may take gradients, as an optimiser's step does: the
 * loop can be differentiated again. It may hold loops of its own, with checkpoints of their own: a gradient through K steps of T then
 * holds about sqrt(K) states of the outer loop, and of sqrt(K) of its steps sqrt(T) states of the inner one. */
bool graph_scan(graph *g, int64_t steps, int64_t interval, graph_scan_body *body, void *context, node *const *first,
                size_t count, node **last);

/* ---- lowering and rewriting ---- */
/* The meaning of a fused operation in primitives, casts included; a primitive is returned as it is. */
node *graph_lower(node *n);
/* The outputs with every fused operation lowered. */
bool graph_lower_all(node *const *outputs, size_t count, node **lowered);
/* The outputs as they are when each from[i] is replaced by to[i] (same shape and type), everything that depends on
 * it built anew with the same names; other nodes are shared. to[i] may depend on from[i]: the replacement reads the
 * value as it was. */
bool graph_substitute(node *const *outputs, size_t count, node *const *from, node *const *to, size_t edits,
                      node **rewritten);

typedef enum site_action { SITE_REPLACE, SITE_ADD, SITE_SCALE } site_action;
/* value: of the site's type, of its shape or one that broadcasts to it. mask: u8, likewise: the edit holds where it is not
 * 0; NULL: everywhere. */
typedef struct site_edit {
    const char *site;
    site_action action;
    node *value, *mask;
} site_edit;
/* Changes the values at sites, several edits of one site in the order of the list: the rewritten outputs are a new graph
 * beside the old one. STATUS_NOT_FOUND when the outputs depend on no such site. An edit that leaves a value as it is
 * changes no bits, nor does one anything outside of its mask. */
status graph_rewrite(node *const *outputs, size_t count, const site_edit *edits, size_t edit_count, node **rewritten,
                     error *err);

/* W + scale B A in place of a weight, an input of this name, that products read as x W^T with W [N, K] (or as x W with W [K, N]):
 * a [r, K], b [N, r] (Hu et al., arXiv 2106.09685). Both of the products' type, or f32 where that is bf16. */
typedef struct low_rank_edit {
    const char *weight;
    node *a, *b;
    double scale;
} low_rank_edit;
/* The outputs with x W^T + scale (x A^T) B^T for every product that reads such a weight, the sum rounded once: W + scale B A is never
 * made, and a gradient in A and B makes none of W's size. With B = 0 no bits change. STATUS_NOT_FOUND when the outputs depend on no
 * such weight, STATUS_UNSUPPORTED where something that is no product reads it (a lookup of rows). */
status graph_low_rank(node *const *outputs, size_t count, const low_rank_edit *edits, size_t edit_count, node **rewritten,
                      error *err);

#endif
