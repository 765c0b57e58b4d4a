/* The vector routines for AVX2 with FMA. */
#if defined(__x86_64__)
#define SIMD 256
#include "kernels/cpu/fast.h"
#include "kernels/cpu/simd.h"
#include "kernels/cpu/mathvec.h"

#include "kernels/cpu/body_elementwise.h"
#include "kernels/cpu/body_rows.h"
#include "kernels/cpu/body_distribution.h"
#include "kernels/cpu/body_layers.h"
#include "kernels/cpu/body_tiles.h"
#include "kernels/cpu/body_gemm_f64.h"
#include "kernels/cpu/body_normalise.h"
#include "kernels/cpu/body_windows.h"
#include "kernels/cpu/body_attention.h"

const fast_table fast_avx2 = {UNARY_FIELDS, BINARY_FIELDS, COMPARE_FIELDS, ROWS_FIELDS, DISTRIBUTION_FIELDS,
                               LAYERS_FIELDS, NORMALISE_FIELDS, WINDOWS_FIELDS, GEMM_F64_FIELDS, ATTENTION_FIELDS};
SIMD_END
#endif
