/* parameters.h - the weights under training: f32 master values with the moments of the optimiser, and their files.
 *
 *     parameters *p;
 *     TRY(parameters_new(arena, names, shapes, count, &p, err));
 *     parameters_initialise(p, &stream);                     // or fill p->items[i].value from a checkpoint
 *     TRY(parameters_train(p, parts, &optimiser, err));      // room for what the optimiser keeps
 *     TRY(parameters_save(p, "training.safetensors", state, err));
 *     TRY(parameters_restore(p, "training.safetensors", &state, err));
 *
 * A training checkpoint is a safetensors file with "value:NAME" and what the optimiser keeps, "mean:NAME" and "square:NAME" or fewer,
 * in f32 and, as metadata `state`, one JSON text of whatever else the trainer must know to go on. What is not kept (nothing of what is
 * not trained, nothing by plain SGD, one by momentum and of a matrix by Muon) lies neither in memory nor there. Files that hold more are
 * read.
 */
#ifndef ASSAY_TRAIN_PARAMETERS_H
#define ASSAY_TRAIN_PARAMETERS_H

#include "core/hash.h"
#include "graph/graph.h"
#include "nn/safetensors.h"
#include "train/order.h"
#include "train/step.h"

#include <jansson.h>

typedef struct parameter {
    const char *name;
    shape shape;
    size_t elements;
    float *value, *mean, *square; /* the moments NULL where they are not kept (parameters_train) */
    double spread; /* standard deviation of the first values; 0: all ones */
    size_t kept;   /* of mean and square, how many there are */
} parameter;

typedef struct parameters {
    parameter *items;
    size_t count, elements;
    arena *home, *moments; /* of the lists; of the moments, which come and go */
} parameters;

/* Copies names; all values are zero, and nothing is trained yet. */
status parameters_new(arena *a, const char *const *names, const shape *shapes, size_t count, parameters **out, error *err);
/* First weights in declared order: normal with the spread of each, or ones. */
void parameters_initialise(parameters *p, order_stream *stream);
/* Gives each what the optimiser keeps of it in a step of these parts (train/step.h; NULL: all are trained), as zeros, and takes away what
 * it had. */
status parameters_train(parameters *p, const step_part *parts, const optimiser *o, error *err);
/* SHA-256 of the values: little-endian f32, in declared order. */
void parameters_digest(const parameters *p, unsigned char digest[SHA256_BYTES]);

status parameters_save(const parameters *p, const char *path, const json_t *state, error *err);
/* The values alone, under "value:NAME". */
status parameters_write_values(const parameters *p, const char *path, error *err);
status parameters_read_values(parameters *p, const char *path, error *err);
/* The `state` of a training checkpoint; the caller owns it. */
status parameters_state(const char *path, json_t **state, error *err);
/* The caller owns *state (which may be NULL: not wanted). STATUS_INVALID when the file is not of these parameters. */
status parameters_restore(parameters *p, const char *path, json_t **state, error *err);

#endif
