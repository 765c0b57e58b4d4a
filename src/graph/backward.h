/* backward.h - private to src/graph: what the sweeps of derive.c, checkpoint.c, batch.c and laplace.c share. */
#ifndef ASSAY_GRAPH_BACKWARD_H
#define ASSAY_GRAPH_BACKWARD_H

#include "graph/rules.h"

struct backward {
    arena *arena;
    node **gradients; /* by id */
    bool *active;     /* by id: on a path from a variable */
    size_t capacity;  /* ids */
    uint32_t *origins; /* by id: of a copy the id of the node that it is a copy of, and 1; 0: no copy */
    node **again;     /* by id, below `again_count`: of nodes in checkpoints the copy that gradients went through; may be NULL */
    size_t again_count;
};

/* Makes room for all nodes that exist now; false when memory is out. */
bool backward_grow(backward *b, const graph *g);
/* Hands the gradient of one node, if it has one, to its sources. */
void backward_step(backward *b, node *n);
/* The same for a list in order of ids, the last first; what is in checkpoints is computed again (below). */
bool backward_sweep(backward *b, node *const *list, size_t count);
/* The same for nodes of a closed checkpoint that stand behind each other (in order of ids): they are computed again from what they
 * read outside, and the gradient goes through the copies, of which those of inner checkpoints are checkpoints again. */
bool backward_through_checkpoint(backward *b, node *const *list, size_t count);

/* Replaces outputs and wrt until every node on the way has a rule for the mode. */
bool graph_lower_active(arena *a, node **outputs, size_t outputs_count, node **wrt, size_t count, bool reverse);
/* Whether a new leading axis finds room; noted, for `what`, where it does not. */
bool node_takes_axis(const node *n, const char *what);
/* graph_vmap where all that depends on the inputs has ids from `first` on. */
bool graph_vmap_from(node *const *outputs, size_t count, node *const *inputs, node *const *batched, size_t input_count,
                     size_t first, node **batched_outputs);

/* ---- checkpoints (checkpoint.c, graph.c) ---- */
/* New nodes belong to this segment (0: none) until it is set otherwise; returns the one before. */
uint32_t graph_set_segment(graph *g, uint32_t segment);
uint32_t graph_segment(const graph *g);
/* The checkpoint that this one stands in; 0: none. */
uint32_t graph_segment_around(const graph *g, uint32_t segment);
uint32_t graph_new_segment(graph *g, uint32_t around);
/* The outermost checkpoint around a node that is not being built: gradients go through copies of what is in it. 0: none. */
uint32_t checkpoint_of(const node *n);
bool is_leaf(const node *n); /* input, constant, fill, iota */

#endif
