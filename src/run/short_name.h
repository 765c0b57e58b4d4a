/* short_name.h - what a subject is called in a sentence or over a column: the end of its path, its model, and no hash in full.
 *
 *     char name[SHORT_NAME];
 *     short_name(name, "/home/me/models/e6c2ed61ee90ab6c80d9f1dbecc55b869b22b8bc0714ba3a9c8392893bad2a44");   // "e6c2ed61…"
 *     short_name(name, "with:twins/twin-1.yaml,out/s50+out/adapter");                                          // "with:twin-1.yaml,s50+adapter"
 *     short_name(name, "http://localhost:8000/v1#my-model");                                                   // "my-model"
 */
#ifndef ASSAY_RUN_SHORT_NAME_H
#define ASSAY_RUN_SHORT_NAME_H

#include "core/arena.h"

#include <stddef.h>

enum { SHORT_NAME = 96 };

/* Names of at most 28 letters stay. What is longer than the room is cut, with "…" behind. */
void short_name(char out[SHORT_NAME], const char *specification);
/* For several subjects: whose short name is another one's too keeps its own; texts in the arena. NULL: memory is out. */
const char **short_names(arena *a, const char *const *specifications, size_t count);

#endif
