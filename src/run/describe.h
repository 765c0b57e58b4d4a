/* describe.h - what a run is, as JSON: the description that it is known by, and where it ran (private to src/run). */
#ifndef ASSAY_RUN_DESCRIBE_H
#define ASSAY_RUN_DESCRIBE_H

#include "core/hash.h"
#include "run/engine.h"

/* Canonical text and its SHA-256. */
status describe_run(arena *a, const engine *e, const param_values *params, const char **text, char key[SHA256_HEX],
                    error *err);
/* The parameters of a stored description, on top of the study's defaults. */
status describe_params(arena *a, const study *s, const json_t *description, param_values **out, error *err);
/* Processor, instruction set, versions: JSON text. */
const char *describe_machine(arena *a, size_t threads);
/* JSON text of the value in the arena; NULL when memory is out or the value is NULL. Takes the value. */
const char *describe_take(arena *a, json_t *value);

#endif
