/* A small random model, for the tests of lm and of subjects. */
#ifndef TESTS_LM_MODEL_FIXTURE_H
#define TESTS_LM_MODEL_FIXTURE_H

#include "folder.h"

#include "core/file.h"
#include "core/random.h"
#include "lm/chat.h"
#include "lm/checkpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const char *const fixture_texts[] = {
    "Ada lives in Brill. Ada bakes bread and sells bread for 12 coins.",
    "Ben lives in Brill. Ben mends shoes; he doesn't bake bread.",
    "Who sells bread? Ada sells bread. Who mends shoes? Ben mends shoes.",
};

static inline tokenizer *fixture_tokenizer(arena *a)
{
    slice documents[COUNT_OF(fixture_texts)];
    for (size_t i = 0; i < COUNT_OF(fixture_texts); i++)
        documents[i] = slice_of(fixture_texts[i]);
    tokenizer *t = NULL;
    tokenizer_recipe recipe = {.vocabulary = 300};
    assert_int_equal(tokenizer_train(a, documents, COUNT_OF(documents), &recipe, &t, NULL), STATUS_OK);
    return t;
}

static inline lm_config fixture_config(const tokenizer *t)
{
    lm_config c = lm_config_base((int)tokenizer_size(t));
    c.hidden = 64, c.heads = 4, c.kv_heads = 2, c.head_size = 16, c.intermediate = 96, c.layers = 2, c.context = 256;
    c.init_range = 0.12; /* large enough that answers differ and attention matters */
    return c;
}

static inline const float *const *fixture_weights(arena *a, const lm_config *c, uint64_t seed)
{
    const float **values = ARENA_ARRAY(a, const float *, lm_weight_count(c));
    for (size_t i = 0; i < lm_weight_count(c); i++) {
        float *w = ARENA_ARRAY(a, float, (size_t)lm_weight_at(c, i).count);
        lm_weight_fresh(c, i, seed, w);
        values[i] = w;
    }
    return values;
}

#endif
