/* quant_parts.h - private to src/kernels: a block of a storage format taken apart. */
#ifndef ASSAY_KERNELS_QUANT_PARTS_H
#define ASSAY_KERNELS_QUANT_PARTS_H

#include "kernels/quant.h"

/* The element e is d scale[e / group] (q[e] - bias) - m least[e / group], where the format has these. d and m are f16. */
typedef struct quant_parts {
    uint8_t q[256];
    int8_t scale[16];
    uint8_t least[8];
    uint16_t d, m;
} quant_parts;

/* Sets the fields that the format has; not for F16, whose elements are what they are. */
void quant_split(quant_format f, const void *block, quant_parts *p);
int quant_bias(quant_format f);

#endif
