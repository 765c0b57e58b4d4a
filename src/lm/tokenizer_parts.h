/* tokenizer_parts.h - how the readers of tokenizer.json's parts take them apart (private to src/lm/tokenizer*). */
#ifndef ASSAY_LM_TOKENIZER_PARTS_H
#define ASSAY_LM_TOKENIZER_PARTS_H

#include "lm/tokenizer_internal.h"

#include <jansson.h>

typedef status part_reader(tokenizer *t, const json_t *part, int depth, error *err);

typedef struct part_kind {
    const char *type;
    part_reader *read;
} part_kind;

/* Reads a part by its type's row; one that is null or absent is nothing. `what` stands in messages: "normalizer". */
status part_read(tokenizer *t, const json_t *part, const part_kind *kinds, size_t count, const char *what, int depth, error *err);
/* The same for each of an array, one level deeper. */
status part_list(tokenizer *t, const json_t *part, const char *key, const part_kind *kinds, size_t count, const char *what,
                 int depth, error *err);

/* Members of a part. Texts lie in the tokenizer's arena; an absent one is empty, or refused where it is needed. */
bool part_flag(const json_t *part, const char *key, bool fallback);
status part_text(tokenizer *t, const json_t *part, const char *key, slice *out, error *err);
status part_needed_text(tokenizer *t, const json_t *part, const char *key, slice *out, error *err);
status part_number(tokenizer *t, const json_t *part, const char *key, size_t fallback, size_t *out, error *err);
/* {"String": ...} or {"Regex": ...} at "pattern". */
status part_pattern(tokenizer *t, const json_t *part, step *s, error *err);
/* What Metaspace is told, as a pre-tokenizer and as a decoder. */
status part_metaspace(tokenizer *t, const json_t *part, step *s, error *err);

#endif
