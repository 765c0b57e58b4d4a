/* csv.h - tables in text: CSV as RFC 4180 has it, and the same with tabs.
 *
 *     csv_reader r = csv_open(text, ',', "data/items.csv");
 *     csv_record record;
 *     bool more;
 *     for (;;) {
 *         TRY(csv_next(&r, arena, &record, &more, err));
 *         if (!more)
 *             break;
 *         ... record.fields[0] .. record.fields[record.count - 1], which began on line record.line ...
 *     }
 *
 * Records end with LF or CRLF; a field in quotes may hold separators, line ends and quotes ("" stands for one). Lines with
 * nothing on them are passed over. A BOM is skipped. Refused, with file and line: bytes that are not UTF-8, NUL, a quote
 * that is never closed, and a quote where RFC 4180 has none (a" or "a"b). With the separator TAB quotes mean nothing, as
 * such files are written.
 */
#ifndef ASSAY_CORE_CSV_H
#define ASSAY_CORE_CSV_H

#include "core/arena.h"
#include "core/error.h"
#include "core/text.h"

enum { CSV_FIELDS = 1 << 16 };

typedef struct csv_reader {
    slice rest;
    const char *name;
    size_t line; /* where `rest` begins, from 1 */
    char separator;
    bool checked;
} csv_reader;

typedef struct csv_record {
    slice *fields; /* in the arena; their bytes lie in the text or in the arena */
    size_t count;
    size_t line;   /* where the record begins */
} csv_record;

/* `name` stands in messages and must live as long, like the text. */
csv_reader csv_open(slice text, char separator, const char *name);
/* The next record; *more is false behind the last one. */
status csv_next(csv_reader *r, arena *a, csv_record *out, bool *more, error *err);
/* Reads the first line as names of columns (white space around them does not count): at[i] becomes the place of names[i], SIZE_MAX where
 * the table has none. STATUS_INVALID when one of the first `required` names is missing; the message has them all. */
status csv_columns(csv_reader *r, arena *a, const char *const *names, size_t count, size_t required, size_t *at, error *err);
/* The field at this place; nothing where the record or the table has none. */
slice csv_cell(const csv_record *record, size_t at);

/* A table whose columns have names, and what becomes of a row. */
typedef struct csv_table {
    const char *const *columns;
    size_t count, required; /* of columns: as in csv_columns */
    size_t size, most;      /* bytes of an element; rows that are read */
    const char *what;       /* rows, in messages: "ratings" */
    const char *hint;       /* NULL, or what to do where a column is missing */
    /* Fills the element (zeroed) from a record; at: as csv_columns gives it. */
    status (*row)(arena *a, const csv_reader *r, const csv_record *record, const size_t *at, void *element, error *err);
} csv_table;
/* All rows: an array of `*count` elements in the arena, NULL where there are none. STATUS_INVALID for more than `most`. */
status csv_rows(arena *a, csv_reader *r, const csv_table *t, void **out, size_t *count, error *err);

/* Adds a field as RFC 4180 has it: in quotes where it holds a comma, a quote or a line end. */
void csv_add(strbuf *out, const char *text);

#endif
