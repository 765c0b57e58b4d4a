/* page.c - Page's test over tables of text, for bench/drift.sh.
 *
 *     bench_page < rows.txt
 *
 * A line is a row of a table: the table's name and its figures, separated by blanks; rows of one table share a name. Lines that begin
 * with '#' are passed over. For each table: the means of its columns, L, its exact p (or that of the normal approximation),
 * and p adjusted over the tables by Holm's method. */
#include "core/file.h"
#include "stats/multiple.h"
#include "stats/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TABLES = 64, MOST_COLUMNS = 64, MOST_ROWS = 4096 };

typedef struct table {
    slice name;
    double *values; /* [MOST_ROWS * columns] */
    size_t rows, columns;
} table;

static slice next_word(slice *line)
{
    *line = slice_trim(*line);
    size_t end = 0;
    while (end < line->length && line->text[end] != ' ' && line->text[end] != '\t')
        end++;
    slice word = slice_sub(*line, 0, end);
    *line = slice_sub(*line, end, line->length);
    return word;
}

static status read_row(arena *a, slice line, size_t number, table *tables, size_t *count, error *err)
{
    double values[MOST_COLUMNS];
    slice name = next_word(&line), word;
    size_t columns = 0, at = 0;
    while ((word = next_word(&line)).length > 0)
        if (columns == MOST_COLUMNS || !slice_to_double(word, &values[columns++]))
            return error_set(err, STATUS_INVALID, "line %zu: expected a name and at most %d numbers, found '" SLICE_FORMAT "'", number,
                             MOST_COLUMNS, SLICE_ARGS(word));
    while (at < *count && !slice_equal(tables[at].name, name))
        at++;
    if (at == MOST_TABLES)
        return error_set(err, STATUS_INVALID, "line %zu: more than %d tables", number, MOST_TABLES);
    table *t = &tables[at];
    if (at == *count) {
        *t = (table){.name = name, .values = arena_array(a, MOST_ROWS, (columns + 1) * sizeof(double)), .columns = columns};
        (*count)++;
    }
    if (!t->values)
        return error_set(err, STATUS_MEMORY, "out of memory");
    if (t->columns != columns || t->rows == MOST_ROWS)
        return error_set(err, STATUS_INVALID, "line %zu: expected %zu numbers as in the table's first row (and at most %d rows), found %zu",
                         number, t->columns, MOST_ROWS, columns);
    memcpy(t->values + t->rows++ * columns, values, columns * sizeof *values);
    return STATUS_OK;
}

static status read_tables(arena *a, table *tables, size_t *count, error *err)
{
    slice text, line;
    TRY(file_read(a, "/dev/stdin", 1 << 24, &text, err));
    for (size_t number = 1; slice_cut(&text, '\n', &line); number++) {
        line = slice_trim(line);
        if (line.length > 0 && line.text[0] != '#')
            TRY(read_row(a, line, number, tables, count, err));
    }
    return STATUS_OK;
}

static status print_tables(const table *tables, size_t count, error *err)
{
    page_result r[MOST_TABLES];
    double p[MOST_TABLES], adjusted[MOST_TABLES];
    for (size_t i = 0; i < count; i++) {
        TRY(page_test(tables[i].values, tables[i].rows, tables[i].columns, &r[i], err));
        p[i] = r[i].p;
    }
    if (!holm(p, count, adjusted))
        return error_set(err, STATUS_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const table *t = &tables[i];
        printf(SLICE_FORMAT ": means", SLICE_ARGS(t->name));
        for (size_t c = 0; c < t->columns; c++) {
            double sum = 0;
            for (size_t row = 0; row < t->rows; row++)
                sum += t->values[row * t->columns + c];
            printf(" %.3f", sum / (double)t->rows);
        }
        printf("  rows %zu  L %g  p %.3g (%s)  p by Holm %.3g\n", t->rows, r[i].statistic, r[i].p, r[i].exact ? "exact" : "normal", adjusted[i]);
    }
    return STATUS_OK;
}

int main(void)
{
    static table tables[MOST_TABLES];
    size_t count = 0;
    error err = {0};
    arena *a = arena_new(NULL);
    status result = read_tables(a, tables, &count, &err);
    if (result == STATUS_OK)
        result = print_tables(tables, count, &err);
    if (result != STATUS_OK)
        fprintf(stderr, "bench_page: %s\n", err.message);
    arena_free(a);
    return status_exit_code(result);
}
