/* Prices of models, from a file that the user keeps. */
#include "subject/budget.h"

#include "core/yaml.h"

#include <math.h>

enum { MOST_DOLLARS = 10000 }; /* per million tokens */

/* '*' fits any run of characters; everything else fits itself. */
static bool fits(const char *pattern, const char *text)
{
    const char *star = NULL, *from = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            from = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

const price *prices_find(const price_list *list, const char *billed)
{
    for (size_t i = 0; list && i < list->count; i++)
        if (fits(list->rows[i].pattern, billed))
            return &list->rows[i];
    return NULL;
}

/* Dollars per million tokens are millions of picodollars per token. */
static int64_t a_token(double dollars_per_million)
{
    return (int64_t)llround(dollars_per_million * 1e6);
}

static status read_row(const yaml_node *row, price *out, error *err)
{
    static const char *const keys[] = {"model", "input", "output", "cached", "date", "source"};
    double input = -1, output = -1, cached = -1;
    TRY(yaml_check_keys(row, keys, COUNT_OF(keys), err));
    TRY(yaml_get_string(row, "model", &out->pattern, err));
    TRY(yaml_get_double(row, "input", 0, MOST_DOLLARS, &input, err));
    TRY(yaml_get_double(row, "output", 0, MOST_DOLLARS, &output, err));
    TRY(yaml_get_double(row, "cached", 0, MOST_DOLLARS, &cached, err));
    TRY(yaml_get_string(row, "date", &out->date, err));
    TRY(yaml_get_string(row, "source", &out->source, err));
    if (!out->pattern || !out->pattern[0] || input < 0 || output < 0)
        return yaml_error(row, err, "a price needs model, input and output (dollars per million tokens)");
    if (!out->date)
        return yaml_error(row, err, "the price of %s has no date: prices change, and a figure must say when it held", out->pattern);
    out->input = a_token(input);
    out->output = a_token(output);
    out->cached = a_token(cached >= 0 ? cached : input);
    return STATUS_OK;
}

status prices_read(arena *a, const char *path, price_list *out, error *err)
{
    static const char *const keys[] = {"prices"};
    const yaml_node *root, *list = NULL;
    TRY(yaml_read(a, path, &root, err));
    TRY(yaml_check_keys(root, keys, COUNT_OF(keys), err));
    TRY(yaml_get_list(root, "prices", &list, err));
    if (!list)
        return yaml_error(root, err, "expected a list `prices`");
    price *rows = ARENA_ARRAY(a, price, list->count + 1);
    if (!rows)
        return error_set(err, STATUS_MEMORY, "out of memory while reading %s", path);
    for (size_t i = 0; i < list->count; i++)
        TRY(read_row(list->items[i], &rows[i], err));
    *out = (price_list){.path = path, .rows = rows, .count = list->count};
    return STATUS_OK;
}
