/* jsonio.h - JSON in and out through jansson, with one set of rules.
 *
 * Reading: UTF-8, a BOM is skipped, duplicate keys are refused, and so is what is nested more than 256 deep (an answer
 * from outside must not use up the small stack of a thread); errors name file, line and column. Values are
 * jansson's json_t; walk them with jansson's own functions, or with the checked getters here.
 * Writing: numbers keep 17 significant digits, keys keep their order, no escaping of '/'.
 */
#ifndef ASSAY_CORE_JSONIO_H
#define ASSAY_CORE_JSONIO_H

#include "core/arena.h"
#include "core/error.h"
#include "core/text.h"

#include <jansson.h>

enum { JSONIO_DEPTH = 256 };

/* `name` stands in messages (a path, or what the text is). The caller owns the value (json_decref). */
status jsonio_parse(slice text, const char *name, json_t **out, error *err);
/* As above with all integers as reals: for files in which some do not fit in 64 bits and none matters (tokenizer_config.json
 * says "no limit" with 10^30). */
status jsonio_parse_real(slice text, const char *name, json_t **out, error *err);
/* As jsonio_parse, and `line` is added to the line numbers of messages (for JSON-lines files: the line's number - 1). */
status jsonio_parse_line(slice text, const char *name, size_t line, json_t **out, error *err);
status jsonio_read(const char *path, size_t limit, json_t **out, error *err);
/* Deterministic text: `indent` 0 gives one line. */
status jsonio_print(const json_t *value, int indent, strbuf *out, error *err);
/* Atomically, with a newline at the end. */
status jsonio_write(const char *path, const json_t *value, int indent, error *err);
/* Canonical text for hashing: keys sorted, one line. */
status jsonio_canonical(const json_t *value, strbuf *out, error *err);

/* Members that must be there with the right type; `name` stands in messages. */
status jsonio_get_string(const json_t *object, const char *key, const char *name, const char **out, error *err);
status jsonio_get_int(const json_t *object, const char *key, const char *name, int64_t *out, error *err);
status jsonio_get_number(const json_t *object, const char *key, const char *name, double *out, error *err);
status jsonio_get_array(const json_t *object, const char *key, const char *name, const json_t **out, error *err);
status jsonio_get_object(const json_t *object, const char *key, const char *name, const json_t **out, error *err);
/* A number; null where it is NaN or infinite. */
json_t *jsonio_number(double value);
/* A member that is a number; NaN where there is none. */
double jsonio_number_at(const json_t *object, const char *key);

#endif
