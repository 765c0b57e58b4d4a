/* Rows are swept out, which leaves one small system of equations for the columns of each block: a Laplacian, made definite by a
 * multiple of the matrix of ones. */
#include "stats/two_way.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct two_way {
    size_t rows, columns, cells, *starts, *members, *place; /* cells of row r: members and values [starts[r], starts[r + 1]); place: of a cell as given */
    double *values;
    size_t *parent, *block, *list, *order; /* of columns */
    size_t blocks, *sizes;                 /* of the last fit */
    double *weights, *count, *matrix, *right; /* weights of the last fit; matrix: the factor of each block, one behind the other */
};

status two_way_new(arena *a, const two_way_cell *cells, size_t count, size_t rows, size_t columns, two_way **out, error *err)
{
    two_way *t = ARENA_NEW(a, two_way);
    if (!t)
        return error_set(err, STATUS_MEMORY, "out of memory");
    *t = (two_way){.rows = rows, .columns = columns, .cells = count, .place = ARENA_ARRAY(a, size_t, count + 1),
                   .sizes = ARENA_ARRAY(a, size_t, columns + 1), .weights = ARENA_ARRAY(a, double, rows + 1), .starts = ARENA_ARRAY(a, size_t, rows + 2),
                   .members = ARENA_ARRAY(a, size_t, count + 1), .values = ARENA_ARRAY(a, double, count + 1),
                   .parent = ARENA_ARRAY(a, size_t, columns + 1), .block = ARENA_ARRAY(a, size_t, columns + 1),
                   .list = ARENA_ARRAY(a, size_t, columns + 1), .order = ARENA_ARRAY(a, size_t, columns + 1),
                   .count = ARENA_ARRAY(a, double, columns + 1), .right = ARENA_ARRAY(a, double, columns + 1),
                   .matrix = arena_array(a, columns * columns + 1, sizeof(double))};
    if (!t->starts || !t->members || !t->place || !t->sizes || !t->weights || !t->values || !t->parent || !t->block || !t->list || !t->order || !t->count || !t->right || !t->matrix)
        return error_set(err, STATUS_MEMORY, "out of memory for a table of %zu by %zu", rows, columns);
    for (size_t i = 0; i < count; i++) {
        if (cells[i].row >= rows || cells[i].column >= columns || !isfinite(cells[i].value))
            return error_set(err, STATUS_INVALID, "cell %zu: expected a number in a table of %zu by %zu", i, rows, columns);
        t->starts[cells[i].row + 2]++;
    }
    for (size_t r = 0; r < rows; r++)
        t->starts[r + 2] += t->starts[r + 1];
    for (size_t i = 0; i < count; i++) { /* starts[r + 1] runs from the start of r to its end */
        size_t at = t->starts[cells[i].row + 1]++;
        t->members[at] = cells[i].column;
        t->values[at] = cells[i].value;
        t->place[i] = at;
    }
    *out = t;
    return STATUS_OK;
}

void two_way_set(two_way *t, const double *values)
{
    for (size_t i = 0; i < t->cells; i++)
        t->values[t->place[i]] = values[i];
}

static size_t root_of(size_t *parent, size_t c)
{
    while (parent[c] != c)
        c = parent[c] = parent[parent[c]];
    return c;
}

/* Which columns hang together, and how many cells each has. */
static void connect(two_way *t)
{
    for (size_t c = 0; c < t->columns; c++) {
        t->parent[c] = c;
        t->count[c] = 0;
    }
    for (size_t r = 0; r < t->rows; r++) {
        double w = t->weights[r];
        for (size_t i = t->starts[r]; w > 0 && i < t->starts[r + 1]; i++) {
            t->parent[root_of(t->parent, t->members[i])] = root_of(t->parent, t->members[t->starts[r]]);
            t->count[t->members[i]] += w;
        }
    }
}

/* Numbers the blocks, the one with the most cells first (ties: the one with the first column). */
static size_t number_blocks(two_way *t)
{
    size_t blocks = 0;
    double *cells = t->right; /* by root; free until the blocks are solved */
    for (size_t c = 0; c < t->columns; c++) {
        cells[c] = 0;
        t->block[c] = SIZE_MAX;
    }
    for (size_t c = 0; c < t->columns; c++)
        cells[root_of(t->parent, c)] += t->count[c];
    for (size_t c = 0; c < t->columns; c++)
        if (root_of(t->parent, c) == c && cells[c] > 0) {
            size_t at = blocks++;
            for (; at > 0 && cells[t->order[at - 1]] < cells[c]; at--)
                t->order[at] = t->order[at - 1];
            t->order[at] = c;
        }
    for (size_t b = 0; b < blocks; b++)
        for (size_t c = 0; c < t->columns; c++)
            if (root_of(t->parent, c) == t->order[b])
                t->block[c] = b;
    return blocks;
}

/* The Cholesky factor of the n by n positive definite matrix, in place (lower triangle, row by row). */
static void factor(double *m, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        for (size_t i = j; i < n; i++) {
            double sum = m[i * n + j];
            for (size_t k = 0; k < j; k++)
                sum -= m[i * n + k] * m[j * n + k];
            m[i * n + j] = i == j ? sqrt(sum) : sum / m[j * n + j];
        }
    }
}

static void solve(const double *m, double *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++)
            x[i] -= m[i * n + k] * x[k];
        x[i] /= m[i * n + i];
    }
    for (size_t i = n; i-- > 0;) {
        for (size_t k = i + 1; k < n; k++)
            x[i] -= m[k * n + i] * x[k];
        x[i] /= m[i * n + i];
    }
}

/* Whether a row has a part in the fit of a block. */
static bool in_block(const two_way *t, size_t row, size_t block)
{
    return t->starts[row] < t->starts[row + 1] && t->weights[row] > 0 && t->block[t->members[t->starts[row]]] == block;
}

/* The factor of one block: its columns stand in t->list from `first` on, and t->order[c] is the place of column c among them. */
static void factor_block(two_way *t, size_t block, size_t n, double *matrix)
{
    for (size_t i = 0; i < n * n; i++)
        matrix[i] = 1 / (double)n;
    for (size_t r = 0; r < t->rows; r++) {
        size_t from = t->starts[r], to = t->starts[r + 1];
        double w = t->weights[r], size = (double)(to - from);
        for (size_t i = from; in_block(t, r, block) && i < to; i++) {
            size_t c = t->order[t->members[i]];
            matrix[c * n + c] += w;
            for (size_t k = from; k < to; k++)
                matrix[c * n + t->order[t->members[k]]] -= w / size;
        }
    }
    factor(matrix, n);
}

static void solve_block(two_way *t, size_t block, size_t first, size_t n, const double *matrix, double *effects, double *levels)
{
    double sum = 0, cells = 0, shift = 0;
    for (size_t i = 0; i < n; i++)
        t->right[i] = 0;
    for (size_t r = 0; r < t->rows; r++) {
        size_t from = t->starts[r], to = t->starts[r + 1];
        double w = t->weights[r], mean = 0, size = (double)(to - from);
        if (!in_block(t, r, block))
            continue;
        for (size_t i = from; i < to; i++)
            mean += t->values[i] / size;
        sum += w * mean * size;
        cells += w * size;
        for (size_t i = from; i < to; i++)
            t->right[t->order[t->members[i]]] += w * (t->values[i] - mean);
    }
    solve(matrix, t->right, n);
    for (size_t i = 0; i < n; i++)
        shift += t->count[t->list[first + i]] * t->right[i] / cells;
    for (size_t i = 0; i < n; i++) {
        effects[t->list[first + i]] = t->right[i] - shift;
        if (levels)
            levels[t->list[first + i]] = sum / cells;
    }
}

void two_way_fit(two_way *t, const double *weights, double *effects, double *levels)
{
    for (size_t r = 0; r < t->rows; r++)
        t->weights[r] = weights ? weights[r] : 1;
    connect(t);
    t->blocks = number_blocks(t);
    size_t first = 0, at = 0;
    for (size_t b = 0; b < t->blocks; b++) {
        size_t n = 0;
        for (size_t c = 0; c < t->columns; c++)
            if (t->block[c] == b) {
                t->order[c] = n;
                t->list[first + n++] = c;
            }
        factor_block(t, b, n, t->matrix + at);
        t->sizes[b] = n;
        first += n;
        at += n * n;
    }
    two_way_again(t, effects, levels);
}

void two_way_again(two_way *t, double *effects, double *levels)
{
    for (size_t c = 0; c < t->columns; c++) {
        effects[c] = NAN;
        if (levels)
            levels[c] = NAN;
    }
    for (size_t b = 0, first = 0, at = 0; b < t->blocks; b++) {
        solve_block(t, b, first, t->sizes[b], t->matrix + at, effects, levels);
        first += t->sizes[b];
        at += t->sizes[b] * t->sizes[b];
    }
}

size_t two_way_block(const two_way *t, size_t column)
{
    return t->block[column];
}
