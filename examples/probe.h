/* probe.h - how much of what we want to know can be read off features along a line: softmax regression, at its optimum.
 *
 *     probe_data train = {.count = 500, .width = 64, .x = features, .labels = labels}, test = ...;
 *     probe_score s;
 *     TRY(probe(arena, &train, &test, 5, &s, err));         // s.accuracy, s.balanced, s.area of the test rows
 *
 * Columns are centred and scaled by the training rows; the loss is the mean cross-entropy and penalty / 2 times the sum of squared
 * weights (without the intercepts), and L-BFGS takes it to where its gradient is below 1e-6.
 */
#ifndef ASSAY_EXAMPLES_PROBE_H
#define ASSAY_EXAMPLES_PROBE_H

#include "core/arena.h"
#include "core/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct probe_data {
    size_t count, width;
    const float *x;        /* [count][width] */
    const int32_t *labels; /* 0 to classes - 1 */
} probe_data;

typedef struct probe_score {
    double accuracy; /* share of the test rows whose likeliest class is theirs */
    double balanced; /* the mean over the classes of that share among the class' rows: guessing gives 1 / classes */
    double area;     /* the mean over the classes of the area under the ROC curve of one class against the others */
} probe_score;

/* STATUS_INVALID when training or test rows lack one of the classes. */
status probe(arena *a, const probe_data *train, const probe_data *test, int classes, double penalty, probe_score *out, error *err);
/* The same measures of scores [count][classes] that something else made. */
status probe_judge(arena *a, const float *scores, const int32_t *labels, size_t count, int classes, probe_score *out, error *err);

#endif
