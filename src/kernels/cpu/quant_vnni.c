/* Products with quantised weights for AVX-512 with VNNI. */
#if defined(__x86_64__)
#define SIMD 512
#define SIMD_VNNI
#include "kernels/cpu/simd.h"

#include "kernels/cpu/body_quant.h"

const quant_routines quant_vnni = {quant_prepare, quant_multiply};
SIMD_END
#endif
