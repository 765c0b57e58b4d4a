/* adapters.h - what a folder with an adapter must hold. */
#ifndef ASSAY_TESTS_TRAIN_ADAPTERS_H
#define ASSAY_TESTS_TRAIN_ADAPTERS_H

#include "lm/checkpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* That the model of folder `grown` has the bits of `base` with the adapter in `grown` merged, and differs from `base` in the weights of
 * q_proj and up_proj alone. */
static inline void adapter_changed_q_and_up(arena *a, const char *base, const char *grown)
{
    checkpoint *before = NULL, *after = NULL, *merged = NULL;
    error err = {0};
    const char *beside = arena_printf(a, "%s+%s/adapter", base, grown);
    if (checkpoint_open(a, base, &before, &err) != STATUS_OK || checkpoint_open(a, grown, &after, &err) != STATUS_OK ||
        checkpoint_open(a, beside, &merged, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < lm_weight_count(&after->config); i++) {
        lm_weight w = lm_weight_at(&after->config, i);
        bool target = w.part == LM_Q || w.part == LM_UP;
        assert_memory_equal(after->weights[i].data, merged->weights[i].data, after->weights[i].bytes);
        assert_true((memcmp(after->weights[i].data, before->weights[i].data, after->weights[i].bytes) != 0) == target);
    }
}

#endif
