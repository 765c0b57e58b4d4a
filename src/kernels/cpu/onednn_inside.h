/* onednn_inside.h - what the files that call oneDNN share. */
#ifndef ASSAY_KERNELS_CPU_ONEDNN_INSIDE_H
#define ASSAY_KERNELS_CPU_ONEDNN_INSIDE_H

#include "kernels/cpu/onednn.h"

#include <dnnl.h>

/* Version 3 renamed some calls of version 2; code is written for version 3. */
#if DNNL_VERSION_MAJOR < 3
#define dnnl_memory_desc_create_with_strides dnnl_memory_desc_init_by_strides
#define dnnl_memory_desc_create_with_tag dnnl_memory_desc_init_by_tag
#endif

/* One OpenMP thread for the calling thread, before it makes or runs anything; see onednn.h. */
status onednn_use_one_thread(error *err);
dnnl_data_type_t onednn_type(kernel_type type);
/* oneDNN takes pointers without const also for what it only reads. */
void onednn_point(dnnl_memory_t m, const void *at);

#endif
