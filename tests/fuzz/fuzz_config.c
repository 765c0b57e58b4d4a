/* Any bytes are either refused as config.json, or give a configuration whose weights can be listed, whose angles can be
 * worked out, and that is the same when it is written and read again. */
#include "core/jsonio.h"
#include "lm/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void use(const lm_config *c)
{
    static float inverse[512];
    size_t count = lm_weight_count(c);
    for (size_t i = 0; i < count; i += 1 + count / 64) {
        lm_weight w = lm_weight_at(c, i);
        if (w.count < 1 || lm_weight_find(c, w.part, w.layer) != i)
            BUG("weight %zu", i);
    }
    for (int i = 0; i < c->layers; i++)
        if (lm_config_window(c, i) < 0 || !(lm_config_scale(c, i) > 0))
            BUG("layer %d", i);
    if (c->rope_theta > 0)
        lm_rope_frequencies(&c->rope, lm_config_rotary_size(c), c->rope_theta, inverse);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    json_t *root;
    lm_config c, again;
    error err;
    if (jsonio_parse((slice){(const char *)bytes, length}, "fuzz", &root, &err) != STATUS_OK)
        return 0;
    if (lm_config_parse(root, "fuzz", &c, &err) == STATUS_OK) {
        use(&c);
        json_t *first = lm_config_json(&c);
        if (lm_config_parse(first, "again", &again, &err) != STATUS_OK)
            BUG("%s", err.message);
        json_t *second = lm_config_json(&again);
        if (!json_equal(first, second))
            BUG("a configuration changed when it was written");
        json_decref(first);
        json_decref(second);
    }
    json_decref(root);
    return 0;
}
