#include "lm/sites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum width { WIDTH_HIDDEN, WIDTH_QUERIES, WIDTH_KEYS, WIDTH_MLP } width;

static const struct {
    const char *name;
    width width;
} of_block[] = {
    {"resid_pre", WIDTH_HIDDEN}, {"attn.norm", WIDTH_HIDDEN}, {"attn.q", WIDTH_QUERIES},  {"attn.k", WIDTH_KEYS},
    {"attn.v", WIDTH_KEYS},      {"attn.mix", WIDTH_QUERIES}, {"attn.out", WIDTH_HIDDEN}, {"resid_mid", WIDTH_HIDDEN},
    {"mlp.norm", WIDTH_HIDDEN},  {"mlp.act", WIDTH_MLP},      {"mlp.out", WIDTH_HIDDEN},  {"resid_post", WIDTH_HIDDEN},
};

enum { OF_BLOCK = sizeof of_block / sizeof *of_block };

static size_t width_of(const lm_config *c, width w)
{
    const int widths[] = {[WIDTH_HIDDEN] = c->hidden, [WIDTH_QUERIES] = c->heads * c->head_size,
                          [WIDTH_KEYS] = c->kv_heads * c->head_size, [WIDTH_MLP] = c->intermediate};
    return (size_t)widths[w];
}

size_t lm_site_count(const lm_config *c)
{
    return 2 + OF_BLOCK * (size_t)c->layers;
}

lm_site lm_site_at(const lm_config *c, size_t i)
{
    lm_site s = {.width = width_of(c, WIDTH_HIDDEN)};
    if (i == 0 || i + 1 == lm_site_count(c)) {
        snprintf(s.name, sizeof s.name, "%s", i == 0 ? "embed" : "final.norm");
        return s;
    }
    snprintf(s.name, sizeof s.name, "blocks.%zu.%s", (i - 1) / OF_BLOCK, of_block[(i - 1) % OF_BLOCK].name);
    s.width = width_of(c, of_block[(i - 1) % OF_BLOCK].width);
    return s;
}

size_t lm_site_find(const lm_config *c, const char *name)
{
    if (strcmp(name, "embed") == 0)
        return 0;
    if (strcmp(name, "final.norm") == 0)
        return lm_site_count(c) - 1;
    long block = strncmp(name, "blocks.", 7) == 0 ? strtol(name + 7, NULL, 10) : -1;
    if (block < 0 || block >= c->layers)
        return SIZE_MAX;
    size_t first = 1 + OF_BLOCK * (size_t)block;
    for (size_t i = first; i < first + OF_BLOCK; i++)
        if (strcmp(lm_site_at(c, i).name, name) == 0)
            return i;
    return SIZE_MAX;
}

const char *lm_site_names(arena *a, const lm_config *c)
{
    char names[512] = "";
    size_t used = 0;
    for (size_t i = 0; i < OF_BLOCK && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s.%s", i ? ", " : "", of_block[i].name);
    if (c->layers == 1)
        return arena_printf(a, "embed, blocks.0 with %s, and final.norm", names);
    return arena_printf(a, "embed, blocks.0 to blocks.%d with %s, and final.norm", c->layers - 1, names);
}
