#include "solve/dense.h"

#include "core/arena.h"

#include <lapacke.h>

#include <dlfcn.h>
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* LAPACK counts columns first, so a matrix that lies row by row is its transpose to it; "lower" is its "upper". */

/* The libraries are opened when the first matrix comes. Linked in, OpenBLAS would start a thread for each core in every run of the program,
 * also in those that never meet a matrix, and let them spin for a while (measured: 5 ms of processor time on two cores). */
#define ROUTINES(X) X(dgetrf) X(dgecon) X(dgetrs) X(dpotrf) X(dpotrs) X(dpotri) X(dgelsd) X(dsyevd)

static struct {
#define X(name) __typeof__(LAPACKE_##name) *name;
    ROUTINES(X)
#undef X
    /* BLAS of the same library: C = alpha A A^T + beta C. NULL where it has none. */
    void (*dsyrk)(int order, int triangle, int transposed, int n, int k, double alpha, const double *a, int a_step, double beta, double *c,
                  int c_step);
    bool there;
    char name[256]; /* of the library, or why there is none */
} lapack;

static void open_lapack(void)
{
    void *library = dlopen("liblapacke.so.3", RTLD_NOW | RTLD_GLOBAL), *symbol;
    const char *why = library ? NULL : dlerror();
    lapack.there = library != NULL;
#define X(name)                                                                                                                \
    symbol = lapack.there ? dlsym(library, "LAPACKE_" #name) : NULL;                                                           \
    memcpy(&lapack.name, &symbol, sizeof symbol);                                                                              \
    lapack.there = lapack.there && symbol;
    ROUTINES(X)
#undef X
    void (*set_threads)(int) = NULL;
    symbol = library ? dlsym(library, "openblas_set_num_threads") : NULL; /* NULL where BLAS is another library's */
    memcpy(&set_threads, &symbol, sizeof symbol);
    if (set_threads)
        set_threads(1);
    symbol = library ? dlsym(library, "cblas_dsyrk") : NULL;
    memcpy(&lapack.dsyrk, &symbol, sizeof symbol);
    char *(*config)(void) = NULL;
    symbol = library ? dlsym(library, "openblas_get_config") : NULL;
    memcpy(&config, &symbol, sizeof symbol);
    if (lapack.there)
        snprintf(lapack.name, sizeof lapack.name, "%s", config ? config() : "LAPACK");
    else
        snprintf(lapack.name, sizeof lapack.name, "none: %s", why ? why : "a routine is missing in liblapacke.so.3");
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

const char *dense_library(void)
{
    pthread_once(&once, open_lapack);
    return lapack.name;
}

static status check(const char *what, size_t rows, size_t columns, const double *a, error *err)
{
    pthread_once(&once, open_lapack);
    if (!lapack.there) {
        error_set(err, STATUS_UNSUPPORTED, "%s: there is no LAPACK (%s)", what, lapack.name);
        error_hint(err, "install it (Debian and Ubuntu: liblapacke and libopenblas0)");
        return STATUS_UNSUPPORTED;
    }
    if (rows > DENSE_MOST || columns > DENSE_MOST) {
        error_set(err, STATUS_LIMIT, "%s: expected at most %d rows and columns, found %zu x %zu", what, DENSE_MOST, rows, columns);
        error_hint(err, "a solver that needs products alone (conjugate gradients) has no such limit");
        return STATUS_LIMIT;
    }
    for (size_t i = 0; i < rows * columns; i++)
        if (!isfinite(a[i]))
            return error_set(err, STATUS_INVALID, "%s: row %zu, column %zu is not a finite number", what, i / columns + 1, i % columns + 1);
    return STATUS_OK;
}

static status no_memory(const char *what, size_t n, error *err)
{
    return error_set(err, STATUS_MEMORY, "%s: out of memory for %zu rows", what, n);
}

/* The lower half alone: the upper one may hold anything. */
static status check_lower(const char *what, size_t n, const double *a, error *err)
{
    TRY(check(what, n, 0, a, err));
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            if (!isfinite(a[i * n + j]))
                return error_set(err, STATUS_INVALID, "%s: row %zu, column %zu is not a finite number", what, i + 1, j + 1);
    return STATUS_OK;
}

static void transpose(size_t rows, size_t columns, const double *from, double *to)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            to[j * rows + i] = from[i * columns + j];
}

static double one_norm_of_transpose(size_t n, const double *a)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t j = 0; j < n; j++)
            sum += fabs(a[i * n + j]);
        most = fmax(most, sum);
    }
    return most;
}

status dense_solve(size_t n, double *a, size_t columns, double *b, error *err)
{
    static const char what[] = "a system of equations";
    TRY(check(what, n, n, a, err));
    TRY(check(what, n, columns, b, err));
    if (n == 0 || columns == 0)
        return STATUS_OK;
    lapack_int order = (lapack_int)n;
    double norm = one_norm_of_transpose(n, a), reciprocal = 0;
    lapack_int *pivots = memory_alloc(n * sizeof *pivots);
    double *sides = memory_alloc(n * columns * sizeof *sides);
    status result = pivots && sides ? STATUS_OK : no_memory(what, n, err);
    if (result == STATUS_OK) {
        lapack_int info = lapack.dgetrf(LAPACK_COL_MAJOR, order, order, a, order, pivots);
        if (info == 0)
            info = lapack.dgecon(LAPACK_COL_MAJOR, '1', order, a, order, norm, &reciprocal);
        if (info < 0)
            result = no_memory(what, n, err);
        else if (info > 0 || reciprocal < DBL_EPSILON)
            result = error_set(err, STATUS_INVALID, "%s: the matrix of %zu rows is singular (reciprocal condition number %.1e)", what, n,
                               info > 0 ? 0 : reciprocal);
    }
    if (result == STATUS_OK) {
        transpose(n, columns, b, sides);
        if (lapack.dgetrs(LAPACK_COL_MAJOR, 'T', order, (lapack_int)columns, a, order, pivots, sides, order) == 0)
            transpose(columns, n, sides, b);
        else
            result = no_memory(what, n, err);
    }
    memory_free(pivots);
    memory_free(sides);
    return result;
}

status dense_cholesky(size_t n, double *a, error *err)
{
    TRY(check_lower("a Cholesky factor", n, a, err));
    if (n == 0)
        return STATUS_OK;
    lapack_int info = lapack.dpotrf(LAPACK_COL_MAJOR, 'U', (lapack_int)n, a, (lapack_int)n);
    if (info != 0) {
        error_set(err, STATUS_INVALID, "a Cholesky factor: the matrix of %zu rows is not positive definite (its first %d rows are not)", n,
                  (int)info);
        error_hint(err, "add damping to its diagonal, or solve it as a general matrix");
        return STATUS_INVALID;
    }
    for (size_t i = 0; i < n; i++)
        memset(a + i * n + i + 1, 0, (n - i - 1) * sizeof *a);
    return STATUS_OK;
}

status dense_cholesky_solve(size_t n, const double *l, size_t columns, double *b, error *err)
{
    static const char what[] = "a system of equations";
    TRY(check(what, n, columns, b, err));
    if (n == 0 || columns == 0)
        return STATUS_OK;
    double *sides = memory_alloc(n * columns * sizeof *sides);
    if (!sides)
        return no_memory(what, n, err);
    transpose(n, columns, b, sides);
    lapack_int info = lapack.dpotrs(LAPACK_COL_MAJOR, 'U', (lapack_int)n, (lapack_int)columns, l, (lapack_int)n, sides, (lapack_int)n);
    transpose(columns, n, sides, b);
    memory_free(sides);
    return info == 0 ? STATUS_OK : error_set(err, STATUS_INVALID, "%s: the Cholesky factor holds what is not a finite number", what);
}

status dense_cholesky_inverse(size_t n, const double *l, double *out, error *err)
{
    TRY(check("an inverse", n, n, l, err));
    if (out != l)
        memcpy(out, l, n * n * sizeof *out);
    if (n > 0 && lapack.dpotri(LAPACK_COL_MAJOR, 'U', (lapack_int)n, out, (lapack_int)n) != 0)
        return error_set(err, STATUS_INVALID, "an inverse: the Cholesky factor of %zu rows is singular or not finite", n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            out[i * n + j] = out[j * n + i];
    return STATUS_OK;
}

double dense_cholesky_logdet(size_t n, const double *l)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += 2 * log(l[i * n + i]);
    return sum;
}

status dense_gram(size_t rows, size_t columns, const double *a, double *out, error *err)
{
    enum { BY_ROWS = 101, LOWER = 122, PLAIN = 111 }; /* CBLAS's own numbers */
    TRY(check("matrix times its transpose", rows, columns, a, err));
    if (lapack.dsyrk && rows > 0 && columns > 0)
        lapack.dsyrk(BY_ROWS, LOWER, PLAIN, (int)rows, (int)columns, 1, a, (int)columns, 0, out, (int)rows);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = lapack.dsyrk && columns > 0 ? out[i * rows + j] : 0;
            for (size_t k = 0; k < columns && !lapack.dsyrk; k++)
                sum += a[i * columns + k] * a[j * columns + k];
            out[i * rows + j] = out[j * rows + i] = sum;
        }
    return STATUS_OK;
}

status dense_least_squares(size_t rows, size_t columns, double *a, const double *b, double cut, double *x, size_t *rank, error *err)
{
    static const char what[] = "least squares";
    TRY(check(what, rows, columns, a, err));
    TRY(check(what, rows, 1, b, err));
    size_t longer = rows > columns ? rows : columns, shorter = rows < columns ? rows : columns;
    lapack_int found = 0;
    memset(x, 0, columns * sizeof *x);
    if (rank)
        *rank = 0;
    if (shorter == 0)
        return STATUS_OK;
    double *matrix = memory_alloc(rows * columns * sizeof *matrix), *side = memory_alloc(longer * sizeof *side);
    double *singular = memory_alloc(shorter * sizeof *singular);
    status result = matrix && side && singular ? STATUS_OK : no_memory(what, longer, err);
    if (result == STATUS_OK) {
        transpose(rows, columns, a, matrix);
        memset(side, 0, longer * sizeof *side);
        memcpy(side, b, rows * sizeof *side);
        lapack_int info = lapack.dgelsd(LAPACK_COL_MAJOR, (lapack_int)rows, (lapack_int)columns, 1, matrix, (lapack_int)rows, side,
                                         (lapack_int)longer, singular, cut < 0 ? DBL_EPSILON * (double)longer : cut, &found);
        memcpy(x, side, columns * sizeof *x);
        if (info != 0)
            result = info > 0 ? error_set(err, STATUS_INVALID, "%s: the singular values of %zu x %zu numbers were not found", what, rows, columns)
                              : no_memory(what, longer, err);
    }
    if (rank)
        *rank = (size_t)found;
    memory_free(matrix);
    memory_free(side);
    memory_free(singular);
    return result;
}

/* A vector and its negative are both right: the sign is fixed, so that the answer does not hang on the library. */
static void fix_sign(double *vector, size_t n)
{
    size_t largest = 0;
    for (size_t i = 1; i < n; i++)
        if (fabs(vector[i]) > fabs(vector[largest]) * (1 + 1e-9))
            largest = i;
    double sign = vector[largest] < 0 ? -1 : 1;
    for (size_t i = 0; i < n; i++)
        vector[i] *= sign;
}

status dense_symmetric_eigen(size_t n, double *a, double *values, bool vectors, error *err)
{
    static const char what[] = "eigenvalues";
    TRY(check_lower(what, n, a, err));
    if (n == 0)
        return STATUS_OK;
    lapack_int info = lapack.dsyevd(LAPACK_COL_MAJOR, vectors ? 'V' : 'N', 'U', (lapack_int)n, a, (lapack_int)n, values);
    if (info < 0)
        return no_memory(what, n, err);
    if (info > 0)
        return error_set(err, STATUS_INVALID, "%s: the algorithm did not settle on a matrix of %zu rows", what, n);
    for (size_t i = 0; vectors && i < n; i++)
        fix_sign(a + i * n, n);
    return STATUS_OK;
}
