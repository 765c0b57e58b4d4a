/* size.h - how large a model is and what it was trained with: what curves over size need to know of a subject.
 *
 *     json_t *size = run_size_of("out/ladder/1M/seed1");     // {"parameters": 1055872, "tokens": 4951234, "flops": 3.1e13,
 *                                                            //  "tokenizer": "59f2..."}
 *
 * Parameters are all numbers of the checkpoint, a tied embedding once; tokens are those of the model's own growth (its
 * growth.json), flops 6 times their product. What is not known is left out; null for who is no checkpoint on this machine.
 */
#ifndef ASSAY_RUN_SIZE_H
#define ASSAY_RUN_SIZE_H

#include <jansson.h>

/* The caller owns it; never NULL unless memory is out. */
json_t *run_size_of(const char *specification);

#endif
