/* Products with quantised weights for AVX2. */
#if defined(__x86_64__)
#define SIMD 256
#include "kernels/cpu/simd.h"

#include "kernels/cpu/body_quant.h"

const quant_routines quant_avx2 = {quant_prepare, quant_multiply};
SIMD_END
#endif
