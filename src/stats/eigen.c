#include "stats/eigen.h"

#include "core/arena.h"

#include <float.h>
#include <math.h>

/* Reflects the matrix so that column k has nothing below its second diagonal; v and w have room for n numbers each. */
static void reflect(double *a, size_t n, size_t k, double *v, double *w)
{
    double norm = 0, length = 0, mean = 0;
    for (size_t i = k + 1; i < n; i++)
        norm += a[i * n + k] * a[i * n + k];
    if (norm - a[(k + 1) * n + k] * a[(k + 1) * n + k] == 0)
        return;
    double first = a[(k + 1) * n + k], target = first > 0 ? -sqrt(norm) : sqrt(norm);
    for (size_t i = k + 1; i < n; i++)
        v[i] = a[i * n + k];
    v[k + 1] -= target;
    for (size_t i = k + 1; i < n; i++)
        length += v[i] * v[i];
    length = sqrt(length);
    for (size_t i = k + 1; i < n; i++)
        v[i] /= length;
    for (size_t i = k + 1; i < n; i++)
        w[i] = 0;
    for (size_t i = k + 1; i < n; i++) {
        double sum = a[i * n + i] * v[i];
        for (size_t j = k + 1; j < i; j++) {
            sum += a[i * n + j] * v[j];
            w[j] += a[i * n + j] * v[i];
        }
        w[i] += sum;
    }
    for (size_t i = k + 1; i < n; i++)
        mean += v[i] * w[i];
    for (size_t i = k + 1; i < n; i++)
        w[i] -= mean * v[i];
    for (size_t i = k + 1; i < n; i++)
        for (size_t j = k + 1; j <= i; j++)
            a[i * n + j] -= 2 * (v[i] * w[j] + w[i] * v[j]);
    a[(k + 1) * n + k] = target;
}

/* How many eigenvalues of the matrix with these diagonals lie below x. */
static size_t count_below(const double *diagonal, const double *beside, size_t n, double x)
{
    size_t count = 0;
    double q = 1;
    for (size_t i = 0; i < n; i++) {
        double square = i ? beside[i - 1] * beside[i - 1] : 0;
        q = diagonal[i] - x - (i ? square / q : 0);
        if (fabs(q) < DBL_MIN * 16)
            q = -DBL_MIN * 16;
        count += q < 0;
    }
    return count;
}

static double find_value(const double *diagonal, const double *beside, size_t n, size_t which, double low, double high)
{
    for (int step = 0; step < 200 && high - low > DBL_EPSILON * (fabs(low) + fabs(high)) + DBL_MIN; step++) {
        double middle = low + (high - low) / 2;
        if (count_below(diagonal, beside, n, middle) > which)
            high = middle;
        else
            low = middle;
    }
    return low + (high - low) / 2;
}

status symmetric_eigenvalues(double *matrix, size_t n, double *values, error *err)
{
    arena *a = arena_new(NULL);
    double *diagonal = ARENA_ARRAY(a, double, n + 1), *beside = ARENA_ARRAY(a, double, n + 1);
    double *v = ARENA_ARRAY(a, double, n + 1), *w = ARENA_ARRAY(a, double, n + 1), low = 0, high = 0;
    if (!diagonal || !beside || !v || !w) {
        arena_free(a);
        return error_set(err, STATUS_MEMORY, "out of memory for the eigenvalues of %zu rows", n);
    }
    for (size_t k = 0; k + 2 < n; k++)
        reflect(matrix, n, k, v, w);
    for (size_t i = 0; i < n; i++) {
        diagonal[i] = matrix[i * n + i];
        beside[i] = i + 1 < n ? matrix[(i + 1) * n + i] : 0;
    }
    for (size_t i = 0; i < n; i++) { /* Gershgorin's circles hold all of them */
        double radius = fabs(beside[i]) + (i ? fabs(beside[i - 1]) : 0);
        low = fmin(low, diagonal[i] - radius);
        high = fmax(high, diagonal[i] + radius);
    }
    for (size_t i = 0; i < n; i++)
        values[i] = find_value(diagonal, beside, n, i, low - 1e-12 * fabs(low), high + 1e-12 * fabs(high) + DBL_MIN);
    arena_free(a);
    return STATUS_OK;
}
