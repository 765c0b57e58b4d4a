/* Products with quantised weights for any machine, in plain C. */
#define SIMD 0
#include "kernels/cpu/simd.h"

#include "kernels/cpu/body_quant.h"

const quant_routines quant_portable = {quant_prepare, quant_multiply};
SIMD_END
