/* jsonstream.h - JSON from a stream, piece by piece: for files that are larger than what may be held in memory.
 *
 * Whoever reads walks down objects and lists, takes the values that it wants as json_t, and skips the others; both are
 * checked against the grammar, so that a file that is damaged in a part nobody wants is damaged all the same.
 *
 *     jsonstream *s = jsonstream_new(fill, context, "log.json", err);
 *     TRY(jsonstream_enter(s, '{', err));
 *     while (jsonstream_member(s, &key, err)) {              // false at the end, and after a failure
 *         if (strcmp(key, "version") == 0)
 *             TRY(jsonstream_value(s, 1 << 20, &value, err));
 *         else
 *             TRY(jsonstream_skip(s, err));
 *     }
 *     TRY(jsonstream_end(s, err));                           // the failure, or what stands behind the value
 *
 * Peers write NaN, Infinity and -Infinity: they are read as null. "\u0000" and halves of surrogate pairs, which jansson
 * refuses, are read as U+FFFD. Values may be nested 500 deep. After a failure every call returns it again.
 */
#ifndef ASSAY_CORE_JSONSTREAM_H
#define ASSAY_CORE_JSONSTREAM_H

#include "core/jsonio.h"

/* Puts up to `room` bytes at `bytes`; *got is 0 at the end. */
typedef status jsonstream_fill(void *context, char *bytes, size_t room, size_t *got, error *err);
typedef struct jsonstream jsonstream;

/* `name` stands in messages and must live as long. NULL when memory is out (with words in err). */
jsonstream *jsonstream_new(jsonstream_fill *fill, void *context, const char *name, error *err);
void jsonstream_free(jsonstream *s);

/* '{' or '[': the next value must be an object or a list, and the stream goes inside it. */
status jsonstream_enter(jsonstream *s, char bracket, error *err);
/* The next member of the object that was entered last; its key lives until the next call. False behind the last one
 * (the object is then left) and after a failure, which every later call returns. Keys have at most 64 KiB. */
bool jsonstream_member(jsonstream *s, const char **key, error *err);
/* The same for lists. */
bool jsonstream_item(jsonstream *s, error *err);
/* '{', '[', '"', 'n', 't', 'f', 'N', 'I', a digit or '-': what the next value begins with; 0 at the end and after a failure. */
char jsonstream_peek(jsonstream *s);
/* The next value. *out is NULL where its text is longer than `limit`: it is then skipped, and that is no failure. */
status jsonstream_value(jsonstream *s, size_t limit, json_t **out, error *err);
status jsonstream_skip(jsonstream *s, error *err);
/* STATUS_OK when all is read and nothing but white space is left. */
status jsonstream_end(jsonstream *s, error *err);
/* Bytes taken so far. */
uint64_t jsonstream_place(const jsonstream *s);

#endif
