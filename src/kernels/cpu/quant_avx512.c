/* Products with quantised weights for AVX-512 without integer dot products. */
#if defined(__x86_64__)
#define SIMD 512
#include "kernels/cpu/simd.h"

#include "kernels/cpu/body_quant.h"

const quant_routines quant_avx512 = {quant_prepare, quant_multiply};
SIMD_END
#endif
