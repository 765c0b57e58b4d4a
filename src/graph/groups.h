/* groups.h - private to src/graph: how groups of elementwise nodes are cut into blocks, and the reductions in them.
 *
 * A reduction whose source is a member of a group is made while the blocks of the group pass (plan_fuse.c says when), from the
 * elements in the block, in the order in which kernel_reduce takes them from memory: with the same bits. Two ways:
 *
 *  - what is summed into one row (`count` times `inner` elements) fits a block: blocks are whole such rows;
 *  - else a task is one part of a sum (kernels.h), whose blocks pass in order and leave their sums in a state. With few rows in a
 *    block the state is read and written as often as the values: that pays only if they need not be stored, and not for rows
 *    too long for the cache (docs/benchmarks.md, "Reductions in groups").
 */
#ifndef ASSAY_GRAPH_GROUPS_H
#define ASSAY_GRAPH_GROUPS_H

#include "graph/plan_internal.h"

enum { GROUP_BLOCK = 2048, GROUP_BLOCKS_PER_TASK = 16, GROUP_REGISTER_BYTES = GROUP_BLOCK * 8 };

/* Reduced axes that are neighbours are one reduction [outer][count][inner]; others are done one after the other, from
 * the last, through scratch. */
typedef struct reductions {
    int32_t passes;
    kernel_reduction pass[RANK_MAX];
    size_t half, own; /* bytes: scratch holds two results that take turns, then what the kernel wants */
} reductions;

void reductions_of(const node *n, bool reference, reductions *out);
size_t reductions_scratch_bytes(const reductions *r);
/* Where the result of a pass goes, and the scratch of its kernel. */
void *reductions_to(const reductions *r, int32_t pass, void *out, void *scratch);
void *reductions_own(const reductions *r, void *scratch);
/* The passes from `first` on, of a source (of pass `first`) in memory. */
void reductions_run(const reductions *r, int32_t first, thread_pool *pool, const void *from, void *out, void *scratch);

/* How a group's elements are walked through where it has reductions; all have the same. */
typedef struct group_walk {
    bool parts;          /* the second way; else blocks are whole rows */
    size_t outer, count, inner;
    size_t part, part_count; /* rows in a part, parts */
    size_t block;        /* elements: of the largest block; within a row where the row is longer */
} group_walk;
group_walk group_walk_of(const kernel_reduction *r);
/* Whether a group is to be walked so: there is something to walk through, enough tasks for many threads where it is long, and
 * something to gain; `stored`: the values are read by others too. */
bool group_walk_is_good(const group_walk *w, bool stored);
bool group_walk_equal(const group_walk *a, const group_walk *b);
static inline size_t group_walk_tasks(const group_walk *w)
{
    return w->outer * w->part_count;
}

/* ---- the program of a group: compiled by kernel_elementwise.c, run by group_run.c ---- */
typedef enum group_instruction_kind { DO_LOAD, DO_UNARY, DO_BINARY, DO_COMPARE, DO_SELECT, DO_CAST, DO_REDUCE } group_instruction_kind;

/* A value of the program: where a block of it is found. */
typedef struct group_value {
    enum { IN_REGISTER, IN_SOURCE, IN_SCALAR, IN_NUMBER, IN_RESULT } where; /* IN_RESULT: of a reduction, for no other instruction */
    int32_t which; /* register, or source */
    int32_t out;   /* result it is written to, or NONE */
    uint8_t size;  /* bytes of an element */
    double number[1];
} group_value;

typedef struct group_instruction {
    group_instruction_kind kind;
    int code, type;  /* of a reduction: its number; type of the operands (of a cast: of its source) */
    int result_type;
    int32_t operand[3], result; /* values */
    int rank;                   /* DO_LOAD: sizes and strides (in elements), outermost first */
    int64_t size[RANK_MAX], stride[RANK_MAX];
    int64_t period;             /* DO_LOAD: where it is steady, loaded once for a task: elements after which it comes again; else 0 */
} group_instruction;

typedef struct group_reduction {
    reductions r;          /* the blocks make the first pass */
    int32_t out;           /* result it is written to */
    size_t state, scratch; /* offsets, from the first state of a worker and into the step's scratch */
} group_reduction;

typedef struct group_program {
    int64_t count, block; /* elements; of a block: at most GROUP_BLOCK */
    int32_t instruction_count, value_count, register_count, out_count;
    group_instruction *instructions;
    group_value *values;
    int32_t reduction_count;
    group_reduction *reductions;
    group_walk walk;    /* where there are reductions */
    size_t states;      /* where a worker's states begin: behind its registers and the places of values */
    bool reference;
} group_program;

step_run run_group;

#endif
