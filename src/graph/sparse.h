/* sparse.h - gradients of tables that are only looked up in: the rows that were, and never the table.
 *
 * The gradient of op_gather_rows(table, index) is op_scatter_rows(dy, index, N), N rows of which all but those that were looked
 * up are zero. As a node it costs nothing; what reads it makes it. Who asks for its rows instead holds at most as many as there
 * were lookups:
 *
 *     graph_grad(loss, &table, 1, NULL, &d);
 *     sparse_rows s;
 *     if (sparse_rows_of(d, table->shape.size[0] - 1, &s))           // else the gradient is dense: use d
 *         norm2 = op_sparse_sum_squares(s.rows, s.index, s.entries); // the bits of op_sum_squares(d)
 *
 * train/step.h takes its steps so (op_sparse_adamw, optimiser_update_sparse).
 */
#ifndef ASSAY_GRAPH_SPARSE_H
#define ASSAY_GRAPH_SPARSE_H

#include "graph/ops.h"

/* Rows of equal index added up, without a table: rows [I, ...], index i32 [I] -> sums [I, ...] and *distinct i32 [I], the indices
 * that occur, rising, each with its sum in the same place; behind them -1 and zeros. Negative indices count nothing. Rows are
 * added in their order, so that a sum has the bits of op_scatter_rows'. */
node *op_sum_by_index(node *rows, node *index, node **distinct);

/* A table of `entries` rows that is zero but for some: rows [I, ...] at index i32 [I], rising, behind those -1 (whose rows are zero). */
typedef struct sparse_rows {
    node *rows, *index;
    int64_t entries;
} sparse_rows;

/* Whether x is made of op_scatter_rows (sums of them, cast, named, kept back) of at most `most` rows together; *out then is x, with
 * the bits of op_scatter_rows(out->rows, out->index, out->entries), and does not read x. False also when memory is out (graph_status). */
bool sparse_rows_of(node *x, int64_t most, sparse_rows *out);

#endif
