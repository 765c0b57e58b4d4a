/* plan_internal.h - private to src/graph: what a plan consists of, and how steps are prepared.
 *
 * plan_new works in passes: plan_reduce.c (equal nodes merged, views, what is constant), plan_fuse.c (groups of
 * elementwise nodes, and of reductions of them), plan_steps.c (steps in order, with kernels), plan_memory.c (lifetimes, donation, offsets).
 */
#ifndef ASSAY_GRAPH_PLAN_INTERNAL_H
#define ASSAY_GRAPH_PLAN_INTERNAL_H

#include "graph/plan.h"
#include "graph/rules.h"
#include "kernels/kernels.h"

enum { NONE = -1, ALIGNMENT = 64, PARTS_MAX = 3 };

/* ---- places: where values live ---- */
typedef enum place_kind { PLACE_INPUT, PLACE_CONSTANT, PLACE_SLAB, PLACE_KEPT } place_kind;
typedef struct place {
    place_kind kind;
    size_t bytes, offset;      /* in the slab, or in the kept memory */
    int32_t first, last;       /* steps of birth and last use */
    int32_t input;             /* PLACE_INPUT: number of the input */
    const void *constant;      /* PLACE_CONSTANT */
    int32_t result;            /* PLACE_KEPT: the output that owns it, or NONE */
} place;

typedef struct location {
    int32_t place; /* NONE: not there */
    size_t offset; /* bytes into it */
    size_t bytes;  /* of the value there */
} location;

/* ---- steps ---- */
typedef struct step step;
typedef struct step_memory {
    thread_pool *pool;
    const void **in;
    void **out;     /* NULL: nobody wants this part */
    void *scratch;
    char *worker;   /* plan-wide memory of worker w at worker + w * worker_stride */
    size_t worker_stride;
} step_memory;
typedef void step_run(const step *s, const step_memory *m);

struct step {
    step_run *run;
    const void *data; /* the kernel's own, made when the plan was */
    const char *name;
    const char *implementation; /* who does the work; set by prepare functions whose kernels know more than their instruction set */
    const char *members;        /* of a group in a plan that is profiled: its operations */
    const node *node;
    location *in, *out;
    int32_t in_count, out_count;
    bool *linear; /* in: every element is read at the index where it may be written, before it is */
    bool *apart;  /* out: of a group, not written element by element: never over what the step reads */
    size_t scratch_bytes, worker_bytes;
    location scratch;
    bool once;
    size_t nodes; /* of the graph that it computes; 0: it packs, expands or copies */
    size_t reductions; /* of these, in a group */
    double seconds, least; /* of all runs, and of the fastest */
    double flops;
};

/* What kernels without a choice of instruction sets are called. */
#define IMPLEMENTED_PLAINLY "portable"

/* ---- what is known about each node while a plan is made ---- */
typedef struct entry {
    node *n;
    int32_t same;   /* the node that stands for it */
    int32_t root;   /* whose storage it is a view of; itself when it owns storage */
    size_t offset;  /* bytes into the root's storage */
    int32_t group;  /* of elementwise nodes, and of reductions that are made as theirs pass; else NONE */
    int32_t first_part; /* fused operations with parts: the first node of the call; else itself */
    int32_t parts[PARTS_MAX]; /* of a first part: the nodes of the call, NONE where nobody wants one */
    int32_t step;
    int32_t readers; /* of roots: how often nodes other than views read it or a view of it, or outputs are it */
    int32_t input;  /* of inputs: its number in the plan */
    int32_t place;  /* of roots */
    bool once;      /* depends on constants and frozen inputs alone */
    bool held;      /* an `after` node, or a view of one: not to be read before its time */
    bool escapes;   /* needs storage: used outside its group, or an output */
} entry;

typedef struct group {
    int32_t parent; /* union-find */
    int32_t last;   /* last member */
    int32_t first_member, size; /* linked by `next` */
    int32_t reduction; /* one of its members that is a reduction, or NONE */
    int64_t count;
    bool open, once;
} group;

/* Objects made for products and convolutions, and weights packed, so far. */
typedef struct matmul_object {
    kernel_matmul_spec spec;
    kernel_matmul *matmul;
    struct matmul_object *next;
} matmul_object;

typedef struct conv_object {
    kernel_conv_spec spec;
    kernel_conv *conv; /* NULL: the library has nothing fast for it */
    struct conv_object *next;
} conv_object;

typedef struct packed {
    kernel_matmul_spec spec;
    int32_t place;
    struct packed *next;
} packed;

/* An entry of plan_packs. */
typedef struct shared_pack {
    const char *name;
    kernel_matmul_spec spec;
    void *memory;
    bool ready; /* some plan has filled it */
    struct shared_pack *next;
} shared_pack;
bool same_product(const kernel_matmul_spec *a, const kernel_matmul_spec *b);
/* The entry, made when it is new; NULL: memory is out. */
shared_pack *plan_packs_get(plan_packs *packs, const char *name, const kernel_matmul_spec *spec, size_t bytes);

typedef struct plan_builder {
    plan *p;
    arena *scratch;
    entry *entries;
    size_t n;
    int32_t *index; /* by node id */
    group *groups;
    int32_t group_count;
    int32_t *next_member, *last_member;
    node **outputs; /* after lowering */
    size_t output_count;
    bool reference, unfused;
    size_t threads;
    matmul_object *matmuls;
    conv_object *convs;
    packed **packs; /* by entry of the weight */
    plan_packs *shared;
    int32_t *value_of; /* by entry: for the compiler of groups */
    size_t step_capacity, place_capacity;
} plan_builder;

typedef struct plan_input {
    const node *n;
    void *bound;
    bool frozen, needed;
    int32_t donated_to; /* output, or NONE */
} plan_input;

typedef struct plan_result {
    const node *n;
    location at;
    void *bound;         /* by plan_bind_output */
    int32_t donor;       /* input number, or NONE */
    bool in_place;       /* written straight into the donor's buffer */
    size_t bytes;
} plan_result;

struct plan {
    arena *arena;
    step **steps;
    size_t step_count;
    place *places;
    size_t place_count;
    plan_input *inputs;
    size_t input_count, sorted_inputs; /* sorted: those in front are in order of their nodes' ids */
    plan_result *results;
    size_t result_count;
    size_t slab_bytes, kept_bytes, worker_stride, threads;
    plan_counts counts;
    uint64_t profiled; /* runs */
    char *slab, *kept, *workers;
    char **base; /* of each place, set at each run */
    const void **in;
    void **out;
    bool profile, dirty; /* dirty: once-steps must run */
};

/* passes */
status plan_reduce(plan_builder *b, error *err);
void plan_fuse(plan_builder *b);
status plan_make_steps(plan_builder *b, error *err);
status plan_lay_out(plan_builder *b, const plan_options *o, error *err);

int32_t entry_of(const plan_builder *b, const node *n); /* of the node that stands for it */
/* The number of an input of the plan; NONE: no output reads it, and it is not donated. */
int32_t input_number(const plan *p, const node *input);
int32_t group_find(plan_builder *b, int32_t g);
bool is_elementwise(const node *n);
int32_t new_place(plan_builder *b, place_kind kind, size_t bytes);
/* Adds an empty step with room for so many sources and results; NULL when memory is out. */
step *new_step(plan_builder *b, const node *n, int32_t ins, int32_t outs);
/* The location of the value of a node; it must have one. */
location location_of(plan_builder *b, const node *n);
size_t node_bytes(const node *n);
/* ---- weights in storage formats (plan_stored.c) ---- */
/* Whether the steps of this plan read the input's elements, made by a step of their own, instead of its blocks. */
bool stored_expands(const plan_builder *b, const node *input);
/* STATUS_UNSUPPORTED when something other than a product or a lookup of rows reads blocks. */
status stored_check(const plan_builder *b, error *err);
/* Adds the step that expands an input's blocks at place `blocks`; *home gets where they are. */
status stored_expand(plan_builder *b, int32_t i, int32_t blocks, int32_t *home, error *err);

/* Fills in run, data, scratch_bytes, worker_bytes, flops of a step whose sources and parts are those of its node. */
typedef status step_prepare(plan_builder *b, step *s, error *err);
step_prepare prepare_fill, prepare_iota, prepare_random_uniform, prepare_reduce, prepare_broadcast, prepare_transpose,
    prepare_slice, prepare_pad, prepare_concat, prepare_gather_rows, prepare_scatter_rows, prepare_put_rows,
    prepare_take_last, prepare_gather_last, prepare_scatter_last, prepare_cumulative_sum, prepare_argsort, prepare_cholesky,
    prepare_triangular_solve, prepare_windows, prepare_conv, prepare_max_pool, prepare_max_pool_grad, prepare_normalise,
    prepare_normalise_grad, prepare_matmul,
    prepare_linear, prepare_softmax, prepare_softmax_grad, prepare_log_softmax,
    prepare_rms_norm, prepare_rms_norm_grad, prepare_silu_mul, prepare_silu_mul_grad, prepare_rotary, prepare_attention,
    prepare_attention_grad, prepare_cross_entropy, prepare_cross_entropy_grad, prepare_sum_squares, prepare_sparse_sum_squares, prepare_adamw, prepare_sparse_adamw,
   
    prepare_cache_append, prepare_cache_attention;
status prepare_group(plan_builder *b, step *s, const int32_t *members, int32_t count, error *err);
/* Whether a fast kernel exists for this fused node; where not, the plan lowers it. */
bool has_fast_kernel(plan_builder *b, const node *n);
/* The same for a convolution or a gradient of it: what is made to find out is what the step runs. */
bool has_fast_conv(plan_builder *b, const node *n);
void run_copy(const step *s, const step_memory *m);

#endif
