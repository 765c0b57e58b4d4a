/* Inside of constraints: the automaton as it is written down (states and edges), before it is made deterministic. */
#ifndef ASSAY_LM_CONSTRAIN_INTERNAL_H
#define ASSAY_LM_CONSTRAIN_INTERNAL_H

#include "lm/constrain.h"

enum { FORM_STATES = 1 << 18, FORM_EDGES = 1 << 20 };

typedef struct form_edge {
    int32_t to, next; /* next: of the same state; -1: none */
    int16_t low, high; /* bytes; -1: without one */
} form_edge;

/* State 0 is where it starts, state 1 where it is complete. Failure (too large, no memory) is sticky. */
typedef struct form {
    arena *arena;
    int32_t *first; /* by state: its edges */
    size_t states, state_capacity;
    form_edge *edges;
    size_t edge_count, edge_capacity;
    status failed;
} form;

bool form_begin(form *f, arena *a);
int32_t form_state(form *f);
void form_edge_add(form *f, int32_t from, int low, int high, int32_t to);
void form_skip(form *f, int32_t from, int32_t to);
/* The bytes one after another; returns where they end. */
int32_t form_bytes(form *f, int32_t from, slice bytes);
/* Makes it a constraint. STATUS_LIMIT, STATUS_MEMORY. */
status form_finish(form *f, const constraint_vocabulary *v, constraint **out, error *err);

#endif
