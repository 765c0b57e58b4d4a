/* numbers.h - numbers from files and pipes, a piece at a time, for `assay sketch`.
 *
 *     number_source *n;
 *     TRY(number_source_open(arena, "-", NUMBERS_TEXT, &n, err));
 *     TRY(number_source_read(n, take, context, err));         // take(context, x, count, bytes so far, err)
 *     number_source_close(n);
 *
 * Text is numbers with white space or commas between them, as C writes them (inf too); a line that begins with # is passed over. What is no
 * number, and NaN, is refused with file and line; binary numbers with their place. Memory does not grow with the input.
 */
#ifndef ASSAY_CLI_NUMBERS_H
#define ASSAY_CLI_NUMBERS_H

#include "core/arena.h"
#include "core/error.h"
#include "core/text.h"

typedef enum number_format { NUMBERS_TEXT, NUMBERS_F64, NUMBERS_F32, NUMBERS_U64, NUMBER_FORMATS } number_format;
extern const char *const number_format_names[NUMBER_FORMATS + 1];

typedef struct number_source number_source;
typedef status number_taker(void *context, const double *x, size_t count, uint64_t bytes, error *err);

/* "-" is standard input. */
status number_source_open(arena *a, const char *path, number_format format, number_source **out, error *err);
void number_source_close(number_source *n);
/* When the file begins as a saved sketch does: all of its bytes (at most 256 MiB); else out->text is NULL. */
status number_source_sketch(number_source *n, slice *out, error *err);
status number_source_read(number_source *n, number_taker *take, void *context, error *err);
uint64_t number_source_bytes(const number_source *n);
/* Size of a regular file; 0 where nobody knows. */
uint64_t number_file_bytes(const char *path);

/* The whole slice as a number; NaN and infinities too. */
bool number_read(slice text, double *out);

#endif
