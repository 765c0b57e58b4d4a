/* Rows are swept out, which leaves one small system of equations for the columns of each block: a Laplacian, made definite by a
 * multiple of the matrix of ones. */
#include "stats/two_way.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct two_way {
    size_t rows, columns, *starts, *members; /* cells of row r: members and values [starts[r], starts[r + 1]) */
    double *values;
    size_t *parent, *block, *list, *order; /* of columns */
    double *count, *matrix, *right;
};

status two_way_new(arena *a, const two_way_cell *cells, size_t count, size_t rows, size_t columns, two_way **out, error *err)
{
    two_way *t = ARENA_NEW(a, two_way);
    if (!t)
        return error_set(err, STATUS_MEMORY, "out of memory");
    *t = (two_way){.rows = rows, .columns = columns, .starts = ARENA_ARRAY(a, size_t, rows + 2),
                   .members = ARENA_ARRAY(a, size_t, count + 1), .values = ARENA_ARRAY(a, double, count + 1),
                   .parent = ARENA_ARRAY(a, size_t, columns + 1), .block = ARENA_ARRAY(a, size_t, columns + 1),
                   .list = ARENA_ARRAY(a, size_t, columns + 1), .order = ARENA_ARRAY(a, size_t, columns + 1),
                   .count = ARENA_ARRAY(a, double, columns + 1), .right = ARENA_ARRAY(a, double, columns + 1),
                   .matrix = arena_array(a, columns * columns + 1, sizeof(double))};
    if (!t->starts || !t->members || !t->values || !t->parent || !t->block || !t->list || !t->order || !t->count || !t->right || !t->matrix)
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
    }
    *out = t;
    return STATUS_OK;
}

static size_t root_of(size_t *parent, size_t c)
{
    while (parent[c] != c)
        c = parent[c] = parent[parent[c]];
    return c;
}

static double weight_of(const double *weights, size_t row)
{
    return weights ? weights[row] : 1;
}

/* Which columns hang together, and how many cells each has. */
static void connect(two_way *t, const double *weights)
{
    for (size_t c = 0; c < t->columns; c++) {
        t->parent[c] = c;
        t->count[c] = 0;
    }
    for (size_t r = 0; r < t->rows; r++) {
        double w = weight_of(weights, r);
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

/* Solves the n by n positive definite system in place (lower triangle, row by row). */
static void solve(double *m, double *x, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        for (size_t i = j; i < n; i++) {
            double sum = m[i * n + j];
            for (size_t k = 0; k < j; k++)
                sum -= m[i * n + k] * m[j * n + k];
            m[i * n + j] = i == j ? sqrt(sum) : sum / m[j * n + j];
        }
    }
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

/* One block: its columns stand in t->list[0 .. n), and t->order[c] is the place of column c there. */
static void fit_block(two_way *t, const double *weights, size_t block, size_t n, double *effects, double *levels)
{
    double sum = 0, cells = 0, shift = 0;
    for (size_t i = 0; i < n * n; i++)
        t->matrix[i] = 1 / (double)n;
    for (size_t i = 0; i < n; i++)
        t->right[i] = 0;
    for (size_t r = 0; r < t->rows; r++) {
        size_t from = t->starts[r], to = t->starts[r + 1];
        double w = weight_of(weights, r), mean = 0, size = (double)(to - from);
        if (from == to || !(w > 0) || t->block[t->members[from]] != block)
            continue;
        for (size_t i = from; i < to; i++)
            mean += t->values[i] / size;
        sum += w * mean * size;
        cells += w * size;
        for (size_t i = from; i < to; i++) {
            size_t c = t->order[t->members[i]];
            t->right[c] += w * (t->values[i] - mean);
            t->matrix[c * n + c] += w;
            for (size_t k = from; k < to; k++)
                t->matrix[c * n + t->order[t->members[k]]] -= w / size;
        }
    }
    solve(t->matrix, t->right, n);
    for (size_t i = 0; i < n; i++)
        shift += t->count[t->list[i]] * t->right[i] / cells;
    for (size_t i = 0; i < n; i++) {
        effects[t->list[i]] = t->right[i] - shift;
        if (levels)
            levels[t->list[i]] = sum / cells;
    }
}

void two_way_fit(two_way *t, const double *weights, double *effects, double *levels)
{
    connect(t, weights);
    size_t blocks = number_blocks(t);
    for (size_t c = 0; c < t->columns; c++) {
        effects[c] = NAN;
        if (levels)
            levels[c] = NAN;
    }
    for (size_t b = 0; b < blocks; b++) {
        size_t n = 0;
        for (size_t c = 0; c < t->columns; c++)
            if (t->block[c] == b) {
                t->order[c] = n;
                t->list[n++] = c;
            }
        fit_block(t, weights, b, n, effects, levels);
    }
}

size_t two_way_block(const two_way *t, size_t column)
{
    return t->block[column];
}
