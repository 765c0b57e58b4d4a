/* onednn_inside.h - what the files that call oneDNN share: threads, types, and the memory of workers. */
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
/* Of a primitive, for each worker; a multiple of 64. */
size_t onednn_scratch_bytes(const_dnnl_primitive_desc_t descriptor);

/* A tensor of a primitive: what it is called as an argument, and in a query. */
typedef struct onednn_role {
    int argument;
    dnnl_query_t query;
} onednn_role;

/* Memory objects of one worker for a primitive of three tensors: they carry pointers, so workers cannot share them. */
enum { ONEDNN_TENSORS = 3 };
typedef struct onednn_worker {
    dnnl_memory_t tensor[ONEDNN_TENSORS], scratchpad;
    dnnl_stream_t stream;
} onednn_worker;

dnnl_status_t onednn_worker_create(onednn_worker *m, const_dnnl_primitive_desc_t descriptor, const onednn_role *roles,
                                   dnnl_engine_t engine);
/* Also of one that was made in part, or not at all. */
void onednn_worker_drop(onednn_worker *m);
/* Runs the primitive on the calling thread with its tensors at `at`, in the order of the roles. */
void onednn_worker_run(const onednn_worker *m, const_dnnl_primitive_t primitive, const onednn_role *roles, const void *const *at,
                       const void *scratch);

#endif
