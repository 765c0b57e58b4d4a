#include "digits.h"

#include "core/file.h"
#include "nn/idx.h"

#include <string.h>

status digits_read(arena *a, const char *folder, const char *part, digits *out, error *err)
{
    idx_array images, labels;
    char *image_path = arena_printf(a, "%s/%s-images-idx3-ubyte.gz", folder, part);
    char *label_path = arena_printf(a, "%s/%s-labels-idx1-ubyte.gz", folder, part);
    if (!image_path || !label_path)
        return error_set(err, STATUS_MEMORY, "out of memory");
    if (!file_exists(image_path)) { /* not gzipped */
        image_path[strlen(image_path) - 3] = '\0';
        label_path[strlen(label_path) - 3] = '\0';
    }
    TRY(idx_read(a, image_path, &images, err));
    TRY(idx_read(a, label_path, &labels, err));
    bool fits = images.shape.rank == 3 && labels.shape.rank == 1 && images.shape.size[1] == DIGITS_SIDE &&
                images.shape.size[2] == DIGITS_SIDE && labels.shape.size[0] == images.shape.size[0] &&
                images.shape.size[0] >= DIGITS_BATCH;
    if (!fits)
        return error_set(err, STATUS_INVALID, "%s: expected at least %d images of 28 x 28 and as many labels in %s", image_path,
                         DIGITS_BATCH, label_path);
    *out = (digits){images.elements, labels.elements, (size_t)labels.shape.size[0]};
    for (size_t i = 0; i < out->count; i++)
        if (out->labels[i] >= DIGITS_CLASSES)
            return error_set(err, STATUS_INVALID, "%s: label %zu is %d: expected 0 to 9", label_path, i, out->labels[i]);
    return STATUS_OK;
}

void digits_image(const digits *d, size_t k, int down, int right, float mean, float spread, float to[DIGITS_PIXELS])
{
    const uint8_t *from = d->images + k * DIGITS_PIXELS;
    for (int y = 0; y < DIGITS_SIDE; y++)
        for (int x = 0; x < DIGITS_SIDE; x++) {
            int i = y - down, j = x - right;
            bool inside = i >= 0 && i < DIGITS_SIDE && j >= 0 && j < DIGITS_SIDE;
            float v = inside ? (float)from[i * DIGITS_SIDE + j] / 255.0F : 0;
            to[y * DIGITS_SIDE + x] = (v - mean) / spread;
        }
}

/* The last batch is filled up with images that are not counted. */
status digits_accuracy(plan *p, thread_pool *pool, const digits *d, float mean, float spread, float *pixels, double *out,
                       error *err)
{
    size_t right = 0;
    for (size_t first = 0; first < d->count; first += DIGITS_BATCH) {
        for (size_t i = 0; i < DIGITS_BATCH; i++)
            digits_image(d, first + i < d->count ? first + i : 0, 0, 0, mean, spread, pixels + i * DIGITS_PIXELS);
        TRY(plan_run(p, pool, err));
        const float *scores = plan_output(p, 0);
        for (size_t i = 0; i < DIGITS_BATCH && first + i < d->count; i++) {
            size_t best = 0;
            for (size_t c = 1; c < DIGITS_CLASSES; c++)
                best = scores[i * DIGITS_CLASSES + c] > scores[i * DIGITS_CLASSES + best] ? c : best;
            right += best == d->labels[first + i];
        }
    }
    *out = (double)right / (double)d->count;
    return STATUS_OK;
}
