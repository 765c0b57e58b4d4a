/* digits.h - the MNIST files, and how well a network reads them. */
#ifndef ASSAY_EXAMPLES_DIGITS_H
#define ASSAY_EXAMPLES_DIGITS_H

#include "graph/plan.h"

enum { DIGITS_SIDE = 28, DIGITS_PIXELS = DIGITS_SIDE * DIGITS_SIDE, DIGITS_CLASSES = 10, DIGITS_BATCH = 128 };

typedef struct digits {
    const uint8_t *images, *labels;
    size_t count;
} digits;

/* FOLDER/PART-images-idx3-ubyte(.gz) and its labels; part: "train" or "t10k". */
status digits_read(arena *a, const char *folder, const char *part, digits *out, error *err);
/* Image k moved down and to the right, as (pixel / 255 - mean) / spread. */
void digits_image(const digits *d, size_t k, int down, int right, float mean, float spread, float to[DIGITS_PIXELS]);
/* The share of images whose likeliest class is theirs. The plan's first output is [DIGITS_BATCH, DIGITS_CLASSES], made from the pixels
 * of so many images at `pixels`, which are bound. */
status digits_accuracy(plan *p, thread_pool *pool, const digits *d, float mean, float spread, float *pixels, double *out,
                       error *err);

#endif
