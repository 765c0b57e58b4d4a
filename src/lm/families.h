/* families.h - the families of decoders, as data: one row of families.c is all there is of each.
 *
 * A row names the architecture as config.json does, the keys of its config.json with the places where their values go,
 * its weights in order with their names, and what sets its graph apart (traits). The builder (lm/transformer.c) has no
 * case for any family: it makes what the weights and the traits of the row say. A pre-norm is there when LM_ATTENTION_NORM
 * is, a bias when its part is, a gated MLP when LM_GATE or LM_GATE_UP is, and so on.
 *
 *     const lm_family *f = lm_family_find("GPT2LMHeadModel", "gpt2");
 *     for (size_t i = 0; i < f->rule_count; i++)
 *         puts(f->rules[i].name);                              // "transformer.wte.weight", ...
 */
#ifndef ASSAY_LM_FAMILIES_H
#define ASSAY_LM_FAMILIES_H

#include "lm/config.h"

/* What sets a graph apart beside its weights. */
enum {
    LM_LAYER_NORM = 1,     /* norms subtract the mean */
    LM_NORM_PLUS_ONE = 2,  /* norms multiply with 1 + weight */
    LM_CONV1D = 4,         /* matrices of layers lie as [inputs, outputs] */
    LM_QKV_BY_HEAD = 8,    /* LM_QKV: query, key and value of head 0, then of head 1, ...; else all queries first */
    LM_QK_NORM_WHOLE = 16, /* LM_Q_NORM and LM_K_NORM go over all heads at once; else over each */
    LM_EMBED_SCALED = 32,  /* rows of the embedding are multiplied with sqrt(hidden) */
};

/* When a weight is there. */
typedef enum lm_when { LM_ALWAYS, LM_WITH_ATTENTION_BIAS, LM_WITH_MLP_BIAS, LM_UNTIED, LM_WITH_LABELS, LM_WITH_LIKELIHOOD } lm_when;

typedef struct lm_rule {
    lm_part part;
    const char *name;  /* of a part of a layer: what follows the prefix and the layer's number */
    lm_when when;
    const char *other; /* another name under which files have it */
} lm_rule;

/* Which layers have the window, where the file has no list "layer_types". */
typedef enum lm_windows {
    LM_WINDOWS_NONE,  /* the family has no windows: such keys are passed over */
    LM_WINDOWS_ALL,   /* all, where sliding_window is given; a list is passed over */
    LM_WINDOWS_UPPER, /* where use_sliding_window is true: those from max_window_layers on */
    LM_WINDOWS_CYCLE, /* all but every n-th (sliding_window_pattern) */
} lm_windows;

typedef enum lm_key_kind {
    LM_KEY_SIZE,       /* a whole number */
    LM_KEY_NUMBER,     /* null: 0 */
    LM_KEY_FLAG,
    LM_KEY_FLAG_NOT,   /* the field is true where the key is false */
    LM_KEY_ACTIVATION,
    LM_KEY_ROPE,       /* rotary positions: several keys, old and new */
    LM_KEY_WINDOWS,    /* likewise */
    LM_KEY_REFUSED,    /* a flag that must not be set */
    LM_KEY_ZERO,       /* written as 0, not read: rates of dropout */
} lm_key_kind;

typedef struct lm_key {
    const char *name;
    lm_key_kind kind;
    size_t offset; /* in lm_config */
    bool needed;
    double fallback, least, most;
} lm_key;

struct lm_family {
    const char *architecture, *model_type;
    const char *base;   /* prefix that files of the bare model leave out: "model." */
    const char *layers; /* prefix of a layer: "model.layers." */
    const lm_rule *rules;
    size_t rule_count;
    const lm_key *keys;
    size_t key_count;
    unsigned traits;
    /* what files leave out */
    double rope_theta, rope_local_theta, rotary_share;
    const char *theta_key, *share_key; /* their names outside of "rope_parameters"; NULL: no rotary positions */
    lm_windows windows;
    int window_cycle;
};

/* How models of a family lie in GGUF files (lm/gguf_model.h). Matrices of layers are [outputs, inputs] there, a fused
 * projection has all queries first, norms multiply with what is stored; `family` says so by its traits. */
typedef struct lm_gguf {
    const char *architecture;  /* general.architecture */
    const lm_family *family;   /* as the file holds it */
    const lm_family *folder;   /* as a folder holds it; often the same */
    bool paired;      /* rows of queries and keys are ordered so that neighbours turn together */
    int window;       /* where the file names none */
    int wide_layers;  /* a model of so many layers divides its scores by the root of hidden / heads, others by head_size's */
} lm_gguf;

extern const lm_gguf lm_ggufs[];
extern const size_t lm_gguf_count;

extern const lm_family *const lm_families[];
extern const size_t lm_family_count;

/* By architecture, or where that is NULL by model_type; NULL: not there. */
const lm_family *lm_family_find(const char *architecture, const char *model_type);
/* "LlamaForCausalLM, MistralForCausalLM, ...", for messages. */
void lm_family_list(strbuf *out);

#endif
