/* run.h - one rendering: its limits, where it is, its scopes (private to src/jinja). */
#ifndef ASSAY_JINJA_RUN_H
#define ASSAY_JINJA_RUN_H

#include "jinja/program.h"

/* Names bound in a loop's pass, a macro's call, a `with`; looked up here, then in the parents. */
typedef struct jinja_scope {
    struct jinja_scope *parent;
    int *names;
    jinja_value *values;
    size_t count, capacity;
    bool kept; /* a macro remembers it: it may not be used again for the next pass */
} jinja_scope;

typedef struct jinja_macro {
    const char *name; /* NULL: a call block's body */
    const jinja_node *node;
    jinja_scope *scope; /* where it was defined */
} jinja_macro;

typedef struct jinja_loop {
    jinja_iterator *items;
    int64_t index; /* of the current item, from 0 */
    int64_t length; /* -1: not counted yet */
    bool has_length, peeked, at_end; /* length known without counting; `after` holds what comes next, if anything */
    jinja_value before, current, after;
    jinja_list *changed; /* arguments of the last loop.changed(), or NULL */
    const jinja_node *node; /* of a recursive loop, else NULL */
    jinja_scope *scope;     /* around it */
    int64_t depth;
} jinja_loop;

/* What ends a body early. */
typedef enum jinja_flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE } jinja_flow;

struct jinja_run {
    arena *arena;
    const jinja_template *template;
    error *err;
    const struct tm *now;
    bool *date_missing;
    int line, depth;
    uint64_t steps_left;
    size_t memory_left, output_most;
    jinja_value *variables; /* by number of name: the given ones and the functions; JINJA_ABSENT where there is none */
    jinja_scope *scope;
    jinja_writer *out;
    jinja_flow flow;
};

/* Levels of nodes that are being evaluated at once: a frame each, on threads with small stacks. */
enum { JINJA_DEPTH = 500 };

status jinja_evaluate(jinja_run *r, const jinja_node *n, jinja_value *out);
/* Applies the filters of a block to what the block made. */
status jinja_evaluate_filters(jinja_run *r, const jinja_node *n, jinja_value base, jinja_value *out);
status jinja_execute(jinja_run *r, const jinja_nodes *body);
/* The result of executing as a string, in a new scope whose parent is `scope`. */
status jinja_call_macro(jinja_run *r, const jinja_macro *macro, const jinja_call *call, jinja_value *out);
status jinja_recurse(jinja_run *r, jinja_loop *loop, jinja_value items, jinja_value *out);
/* The values of a call's arguments; `base` is put in front when it is not NULL. */
status jinja_arguments_of(jinja_run *r, const jinja_arguments *all, jinja_call *out);
status jinja_lookup(jinja_run *r, int name, jinja_value *out);

status jinja_loop_peek(jinja_run *r, jinja_loop *loop);
status jinja_loop_length(jinja_run *r, jinja_loop *loop, int64_t *length);

#endif
