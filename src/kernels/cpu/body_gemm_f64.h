/* body_gemm_f64.h - matrix products in f64; included once for each instruction set.
 *
 * As in the reference each result is one running sum in the order of the summed index, by fused multiply-adds, so that the
 * bits are the reference's. Columns are brought into panels of two vectors; four rows share what is loaded of one.
 */
#if SIMD == 512
typedef __m512d f64s;
SIMD_FN f64s d_set(double x) { return _mm512_set1_pd(x); }
SIMD_FN f64s d_load(const double *p) { return _mm512_loadu_pd(p); }
SIMD_FN void d_store(double *p, f64s x) { _mm512_storeu_pd(p, x); }
SIMD_FN f64s d_fma(f64s a, f64s b, f64s c) { return _mm512_fmadd_pd(a, b, c); }
#elif SIMD == 256
typedef __m256d f64s;
SIMD_FN f64s d_set(double x) { return _mm256_set1_pd(x); }
SIMD_FN f64s d_load(const double *p) { return _mm256_loadu_pd(p); }
SIMD_FN void d_store(double *p, f64s x) { _mm256_storeu_pd(p, x); }
SIMD_FN f64s d_fma(f64s a, f64s b, f64s c) { return _mm256_fmadd_pd(a, b, c); }
#else
typedef double f64s;
SIMD_FN f64s d_set(double x) { return x; }
SIMD_FN f64s d_load(const double *p) { return *p; }
SIMD_FN void d_store(double *p, f64s x) { *p = x; }
SIMD_FN f64s d_fma(f64s a, f64s b, f64s c) { return fma(a, b, c); }
#endif
enum { F64_LANES = (int)(sizeof(f64s) / sizeof(double)), PANEL_F64 = 2 * F64_LANES };

/* Columns at .. at + count - 1 of op(b) [k, n], zeros behind them. */
SIMD_FN void fill_panel_f64(const kernel_gemm_spec *s, const double *b, size_t at, size_t count, double *panel)
{
    size_t down = s->transpose_b ? 1 : s->n, across = s->transpose_b ? s->k : 1;
    for (size_t p = 0; p < s->k; p++)
        for (size_t j = 0; j < PANEL_F64; j++)
            panel[p * PANEL_F64 + j] = j < count ? b[p * down + (at + j) * across] : 0;
}

SIMD_FN void keep_f64(f64s low, f64s high, size_t count, double *c)
{
    if (count == PANEL_F64) {
        d_store(c, low);
        d_store(c + F64_LANES, high);
        return;
    }
    double whole[PANEL_F64];
    d_store(whole, low);
    d_store(whole + F64_LANES, high);
    for (size_t j = 0; j < count; j++)
        c[j] = whole[j];
}

#define START_F64(r) f64s low##r = d_set(0), high##r = d_set(0);
#define ADD_F64(r)                                                                                                 \
    f64s a##r = d_set(a[(r) * row + p * step]);                                                                    \
    low##r = d_fma(a##r, x, low##r);                                                                               \
    high##r = d_fma(a##r, y, high##r);
#define KEEP_F64(r) keep_f64(low##r, high##r, count, c + (r) * n);
#define PRODUCT_F64(rows)                                                                                          \
    SIMD_FN void product_f64_##rows(size_t k, const double *a, size_t row, size_t step, const double *panel,       \
                                    size_t count, double *c, size_t n)                                             \
    {                                                                                                              \
        ROWS_##rows(START_F64);                                                                                    \
        for (size_t p = 0; p < k; p++) {                                                                           \
            f64s x = d_load(panel + p * PANEL_F64), y = d_load(panel + p * PANEL_F64 + F64_LANES);                 \
            ROWS_##rows(ADD_F64);                                                                                  \
        }                                                                                                          \
        ROWS_##rows(KEEP_F64);                                                                                     \
    }
PRODUCT_F64(1)
PRODUCT_F64(4)

static void gemm_f64(const kernel_gemm_spec *s, size_t from, size_t to, const double *a, const double *b, double *c, double *panel)
{
    size_t row = s->transpose_a ? 1 : s->k, step = s->transpose_a ? s->m : 1;
    for (size_t at = 0; at < s->n; at += PANEL_F64) {
        size_t count = s->n - at < PANEL_F64 ? s->n - at : PANEL_F64, r = from;
        fill_panel_f64(s, b, at, count, panel);
        for (; r + 4 <= to; r += 4)
            product_f64_4(s->k, a + r * row, row, step, panel, count, c + r * s->n + at, s->n);
        for (; r < to; r++)
            product_f64_1(s->k, a + r * row, row, step, panel, count, c + r * s->n + at, s->n);
    }
}
#define GEMM_F64_FIELDS .gemm_f64 = gemm_f64
