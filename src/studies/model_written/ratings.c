#include "studies/model_written/ratings.h"

#include "core/csv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMN_ID, COLUMN_ANSWER, COLUMN_RELEVANCE, COLUMN_CLEAR, COLUMN_COUNT, MOST_RATINGS = 1 << 20 };
static const char *const columns[COLUMN_COUNT] = {"id", "answer", "relevance", "clear"};

static int by_id(const void *a, const void *b)
{
    return strcmp(((const people_rating *)a)->id, ((const people_rating *)b)->id);
}

/* An empty cell is -1. False: it is none of the words. */
static bool read_word(slice cell, const char *const words[][4], int *out)
{
    slice s = slice_trim(cell);
    *out = -1;
    for (int value = 0; value < 2; value++)
        for (size_t i = 0; i < 4 && words[value][i]; i++)
            if (s.length == strlen(words[value][i]) && slice_find_nocase(s, slice_of(words[value][i]), 0) == 0)
                *out = value;
    return s.length == 0 || *out >= 0;
}

static status read_row(arena *a, const csv_reader *r, const csv_record *record, const size_t *at, void *element, error *err)
{
    people_rating *out = element;
    static const char *const answers[][4] = {{"yes", "y", "a", "(a)"}, {"no", "n", "b", "(b)"}}, *const yes[][4] = {{"no", "n"}, {"yes", "y"}};
    slice relevance = slice_trim(csv_cell(record, at[COLUMN_RELEVANCE])), answer = csv_cell(record, at[COLUMN_ANSWER]), clear = csv_cell(record, at[COLUMN_CLEAR]);
    *out = (people_rating){.id = slice_copy(a, slice_trim(csv_cell(record, at[COLUMN_ID]))), .relevance = NAN};
    if (!out->id)
        return error_set(err, STATUS_MEMORY, "out of memory for the ratings");
    if (!out->id[0])
        return error_set(err, STATUS_INVALID, "%s:%zu: expected an id in its column, found nothing", r->name, record->line);
    if (!read_word(answer, answers, &out->answer))
        return error_set(err, STATUS_INVALID, "%s:%zu: expected yes, no, A, B or nothing as the answer, found '%.40s'", r->name, record->line,
                         slice_copy(a, slice_trim(answer)));
    if (!read_word(clear, yes, &out->clear))
        return error_set(err, STATUS_INVALID, "%s:%zu: expected yes, no or nothing in the column 'clear', found '%.40s'", r->name, record->line,
                         slice_copy(a, slice_trim(clear)));
    if (relevance.length && (!slice_to_double(relevance, &out->relevance) || !(out->relevance >= 1 && out->relevance <= 5)))
        return error_set(err, STATUS_INVALID, "%s:%zu: expected a relevance from 1 to 5 or nothing, found '%.40s'", r->name, record->line,
                         slice_copy(a, relevance));
    return STATUS_OK;
}

status people_ratings_read(arena *a, slice text, const char *name, people_ratings *out, error *err)
{
    static const csv_table table = {.columns = columns, .count = COLUMN_COUNT, .required = COLUMN_ANSWER + 1, .size = sizeof(people_rating),
                                    .most = MOST_RATINGS, .what = "ratings", .row = read_row};
    csv_reader r = csv_open(text, ',', name);
    void *rows;
    *out = (people_ratings){0};
    TRY(csv_rows(a, &r, &table, &rows, &out->count, err));
    out->list = rows;
    if (out->count)
        qsort(out->list, out->count, sizeof *out->list, by_id);
    return STATUS_OK;
}

const people_rating *people_ratings_of(const people_ratings *all, const char *id, size_t *count)
{
    const people_rating key = {.id = id}, *found = all->count ? bsearch(&key, all->list, all->count, sizeof key, by_id) : NULL;
    *count = 0;
    if (!found)
        return NULL;
    while (found > all->list && strcmp(found[-1].id, id) == 0)
        found--;
    while (found + *count < all->list + all->count && strcmp(found[*count].id, id) == 0)
        ++*count;
    return found;
}
