#include "kernels/cpu/onednn_inside.h"

#include <dlfcn.h>
#include <string.h>

status onednn_use_one_thread(error *err)
{
    static _Thread_local bool done;
    if (done)
        return STATUS_OK;
#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
    void *symbol = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    if (!symbol)
        return error_set(err, STATUS_UNSUPPORTED, "oneDNN uses OpenMP, but its runtime has no omp_set_num_threads");
    void (*set_threads)(int);
    memcpy(&set_threads, &symbol, sizeof symbol);
    set_threads(1);
#elif DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_TBB
    return error_set(err, STATUS_UNSUPPORTED, "this oneDNN is built for TBB; a build for OpenMP or no threads is needed");
#endif
    done = true;
    return STATUS_OK;
}

dnnl_data_type_t onednn_type(kernel_type type)
{
    return type == KERNEL_BF16 ? dnnl_bf16 : dnnl_f32;
}

void onednn_point(dnnl_memory_t m, const void *at)
{
    void *p;
    memcpy(&p, &at, sizeof p);
    if (dnnl_memory_set_data_handle(m, p) != dnnl_success)
        BUG("oneDNN refuses a pointer");
}

size_t onednn_scratch_bytes(const_dnnl_primitive_desc_t descriptor)
{
    return (dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(descriptor, dnnl_query_scratchpad_md, 0)) + 63) / 64 * 64;
}

dnnl_status_t onednn_worker_create(onednn_worker *m, const_dnnl_primitive_desc_t descriptor, const onednn_role *roles,
                                   dnnl_engine_t engine)
{
    dnnl_status_t s = dnnl_success;
    for (int i = 0; i < ONEDNN_TENSORS && s == dnnl_success; i++)
        s = dnnl_memory_create(&m->tensor[i], dnnl_primitive_desc_query_md(descriptor, roles[i].query, 0), engine,
                               DNNL_MEMORY_NONE);
    if (s == dnnl_success)
        s = dnnl_memory_create(&m->scratchpad, dnnl_primitive_desc_query_md(descriptor, dnnl_query_scratchpad_md, 0), engine,
                               DNNL_MEMORY_NONE);
    return s == dnnl_success ? dnnl_stream_create(&m->stream, engine, dnnl_stream_default_flags) : s;
}

void onednn_worker_drop(onednn_worker *m)
{
    for (int i = 0; i < ONEDNN_TENSORS; i++)
        if (m->tensor[i])
            dnnl_memory_destroy(m->tensor[i]);
    if (m->scratchpad)
        dnnl_memory_destroy(m->scratchpad);
    if (m->stream)
        dnnl_stream_destroy(m->stream);
}

void onednn_worker_run(const onednn_worker *m, const_dnnl_primitive_t primitive, const onednn_role *roles, const void *const *at,
                       const void *scratch)
{
    dnnl_exec_arg_t arguments[ONEDNN_TENSORS + 1];
    onednn_use_one_thread(NULL); /* cannot fail where it did not when the primitive was made */
    for (int i = 0; i < ONEDNN_TENSORS; i++) {
        onednn_point(m->tensor[i], at[i]);
        arguments[i] = (dnnl_exec_arg_t){roles[i].argument, m->tensor[i]};
    }
    if (scratch)
        onednn_point(m->scratchpad, scratch);
    arguments[ONEDNN_TENSORS] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, m->scratchpad};
    if (dnnl_primitive_execute(primitive, m->stream, ONEDNN_TENSORS + 1, arguments) != dnnl_success)
        BUG("oneDNN cannot run what it has made");
}
