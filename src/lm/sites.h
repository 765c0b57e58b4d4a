/* sites.h - the sites of a model's graph (lm/transformer.h lists them), by number, with their widths.
 *
 *     size_t i = lm_site_find(&config, "blocks.3.attn.out");
 *     if (i == SIZE_MAX) ...                       // lm_site_names says which there are
 *     size_t width = lm_site_at(&config, i).width;    // elements for each token
 *
 * "logits" is not among them: it has rows only for tokens whose logits somebody wants.
 */
#ifndef ASSAY_LM_SITES_H
#define ASSAY_LM_SITES_H

#include "lm/config.h"

typedef struct lm_site {
    char name[48];
    size_t width; /* of [T, H, D]: H D */
} lm_site;

/* In the order in which they are computed. */
size_t lm_site_count(const lm_config *c);
lm_site lm_site_at(const lm_config *c, size_t i);
/* SIZE_MAX when there is none of this name. */
size_t lm_site_find(const lm_config *c, const char *name);
/* "embed, blocks.0 to blocks.5 with .resid_pre, ... and final.norm", for messages; NULL: memory is out. */
const char *lm_site_names(arena *a, const lm_config *c);

#endif
