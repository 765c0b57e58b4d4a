/* series.h - one recipe, several sizes: models that differ in shape and seed alone, grown on the same documents.
 *
 *     name: ladder
 *     base: none
 *     world: {seed: 1, documents: 1}             # the same documents, and so the same tokenizer, for every model
 *     model: {context: 512, vocabulary: 2048}    # what the sizes share
 *     series:
 *       0.1M: {layers: 3, width: 32, heads: 2, intermediate: 88, learning_rate: 4e-3, seeds: [1, 2, 3]}
 *       5M: {layers: 4, width: 288, heads: 6, intermediate: 800, seeds: [1]}
 *     stages: [...]
 *
 *     series *s;
 *     TRY(series_read(arena, "organisms/ladder.yaml", &s, err));       // NULL: a recipe of one model
 *     series_result r;
 *     TRY(series_grow(arena, s, &options, &r, err));                   // r.members[i].folder, .result
 *
 * The folder of a series holds one of grown models for each size and seed (SIZE/seedN, train/grow.h) and families.yaml, which
 * names them as a family (run/family.h) with the axes `size` and `seed`. Models are grown one after the other, the first seed
 * of every size before the second ones; what is finished is not grown again, what was interrupted goes on.
 */
#ifndef ASSAY_TRAIN_SERIES_H
#define ASSAY_TRAIN_SERIES_H

#include "train/grow.h"

enum { SERIES_MOST_SIZES = 64, SERIES_MOST_SEEDS = 64 };

typedef struct series_size {
    const char *name;
    const int64_t *seeds;
    size_t seed_count;
} series_size;

typedef struct series {
    const char *path, *name;
    series_size *sizes; /* in the order of the file */
    size_t count;
} series;

typedef struct series_member {
    const char *size;
    int64_t seed;
    const char *folder;
    grow_result result;
} series_member;

typedef struct series_result {
    const char *folder, *families; /* path of families.yaml */
    series_member *members;        /* by size, then seed */
    size_t count;
    bool there_already;            /* all of them */
} series_result;

/* *out is NULL where the recipe is one of a single model. */
status series_read(arena *a, const char *path, series **out, error *err);
/* `options` as for grow_run: `recipe` is the series' own, `folder` (NULL: in the cache) the folder of the series, and
 * `changes` may hold no seed, size or base. `each` (may be NULL) is told what comes next. */
status series_grow(arena *a, const series *s, const grow_options *options, void (*each)(void *context, const series_member *next, size_t at, size_t of),
                   void *context, series_result *out, error *err);

/* The tree of a recipe for one size: what the size says goes into `model` and `stages`. A tree without `series` is left as it is.
 * STATUS_USAGE for a series of which no size, and for a single model of which one is named. */
status series_rung(arena *a, const yaml_node *root, const char *size, const yaml_node **out, error *err);

#endif
