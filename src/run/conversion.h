/* conversion.h - a model written as a GGUF file, and what that cost it.
 *
 *     conversion_options o = {.model = "base", .path = "base-q8.gguf", .type = GGUF_TENSOR_Q8_0, .tokens = 20000};
 *     conversion_report r;
 *     TRY(conversion_run(arena, &o, &r, err));
 *
 * The file is written beside its place, opened again, held against the model (configuration, tokenizer), measured, and
 * only then gets its name.
 */
#ifndef ASSAY_RUN_CONVERSION_H
#define ASSAY_RUN_CONVERSION_H

#include "lm/gguf_save.h"
#include "run/perplexity.h"

typedef struct conversion_options {
    const char *model;     /* base, a folder, a GGUF file, with adapters or without */
    const char *path;
    gguf_tensor_type type; /* of the matrices */
    const char *text;      /* a file to measure on; NULL: documents of the town, for models that know it */
    size_t tokens;         /* to measure on; 0: not at all */
    size_t threads;
    const atomic_bool *interrupted; /* may be NULL */
} conversion_options;

typedef struct conversion_report {
    gguf_saved saved;
    size_t bytes_before;   /* of the model's weights as they lay */
    lm_config config;
    bool measured;
    const char *texts;     /* what was measured on: "documents of the town (world seed 1)", or the file */
    size_t text_count, tokens;
    perplexity_cost cost;
} conversion_report;

status conversion_run(arena *a, const conversion_options *o, conversion_report *out, error *err);

#endif
