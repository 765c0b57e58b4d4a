/* config.h - the shape of a language model, config.json, and the list of its weights.
 *
 * A model is of a family (lm/families.h: Llama, GPT-2, Gemma 3, ...), whose row says which keys its config.json has,
 * which weights it has and under which names. A configuration is what those keys say. The list of weights, by the names
 * and shapes that they have in checkpoints, follows from both; training, generation and files all go by that list.
 *
 *     lm_config c = lm_config_base(1500);                     // the shape of the embedded base model, a Llama
 *     TRY(lm_config_read("model/config.json", &c, err));
 *     for (size_t i = 0; i < lm_weight_count(&c); i++) {
 *         lm_weight w = lm_weight_at(&c, i);                  // "model.layers.0.mlp.up_proj.weight", [704, 256]
 */
#ifndef ASSAY_LM_CONFIG_H
#define ASSAY_LM_CONFIG_H

#include "core/arena.h"
#include "core/element.h"
#include "core/error.h"
#include "core/text.h"
#include "lm/rope.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { LM_EOS_MAX = 8, LM_LAYERS_MAX = 1024 };

typedef struct lm_family lm_family; /* lm/families.h */

/* What stands between the two halves of an MLP. */
typedef enum lm_activation { LM_SILU, LM_GELU, LM_GELU_TANH, LM_RELU, LM_ACTIVATION_COUNT } lm_activation;

typedef struct lm_config {
    const lm_family *family;
    int vocabulary;
    int hidden;       /* width of the residual stream */
    int intermediate; /* width inside the MLP */
    int layers, heads, kv_heads;
    int head_size;
    int context;      /* most positions */
    lm_activation activation;
    double norm_epsilon;
    double init_range; /* standard deviation of fresh weights */
    bool tied;         /* the head is the embedding */
    bool attention_bias, mlp_bias;
    bool parallel;     /* attention and MLP read the same stream, and both are added to it */
    double rope_theta;
    double rope_local_theta; /* of layers with a window; 0: as the others. Never scaled */
    double rotary_share;     /* of the elements of a head that turn; the others stay as they are */
    lm_rope rope;            /* how frequencies are scaled */
    int window;              /* keys that a layer with a window sees, its own position counted; 0: no layer has one */
    uint64_t windowed[LM_LAYERS_MAX / 64]; /* bit i: layer i has it */
    double query_scalar;     /* scores are divided by its root; 0: by that of head_size */
    bool unscaled_scores, scores_by_layer; /* GPT-2's: no such division; a division by the layer's number (from 1) */
    double attention_cap, logit_cap;       /* x becomes cap * tanh(x / cap); 0: stays */
    int labels;        /* of a model that gives a sequence numbers instead of words ("...ForSequenceClassification"): how
                          many; 1: a preference model. 0: a language model */
    bool likelihood;   /* of a preference model with a tied head: it also reads how likely its own words make the reply
                          (lm/reward.h; config.json: "reads_likelihood") */
    element_type type; /* of the weights on disk: TYPE_BF16 or TYPE_F32 (also for f16) */
    int bos, pad;      /* token ids; -1: none */
    int eos[LM_EOS_MAX];
    int eos_count;
} lm_config;

/* The embedded base model's: 4 layers of 256, 4 heads (2 for keys and values), 704, context 1024, tied, bf16. */
lm_config lm_config_base(int vocabulary);
/* Refuses shapes that make no model (or one beyond all machines), naming the key. `name` stands in messages. */
status lm_config_check(const lm_config *c, const char *name, error *err);
/* Reads config.json. STATUS_UNSUPPORTED names an architecture, activation or kind of rotary positions that is not built;
 * STATUS_INVALID names what is missing or wrong. Keys that change nothing here are passed over. */
status lm_config_read(const char *path, lm_config *out, error *err);
status lm_config_parse(const json_t *root, const char *name, lm_config *out, error *err);
/* The same for a family that is known; "architectures" and "model_type" are passed over. */
status lm_config_parse_as(const lm_family *family, const json_t *root, const char *name, lm_config *out, error *err);
/* What lm_config_read reads, as `transformers` writes it. The caller owns the value. */
json_t *lm_config_json(const lm_config *c);
/* Adds, as text, what of the configuration changes results beside the weights (for identities). */
void lm_config_describe(const lm_config *c, strbuf *out);

/* Keys that layer i lets a position see, counted back from its own; 0: all. */
int lm_config_window(const lm_config *c, int layer);
/* What scores of layer i are multiplied with. */
double lm_config_scale(const lm_config *c, int layer);
/* Elements of a head that turn with the position: even, at most head_size. */
int lm_config_rotary_size(const lm_config *c);

/* What a fresh weight holds. */
typedef enum lm_weight_role {
    LM_WEIGHT_EMBEDDING,  /* [vocabulary, hidden]; also learned positions */
    LM_WEIGHT_NORM,       /* ones (zeros where the family adds 1); never decayed */
    LM_WEIGHT_INNER,      /* matrices that read the residual stream */
    LM_WEIGHT_OUTER,      /* matrices that write to it: fresh ones are divided by sqrt(2 layers) */
    LM_WEIGHT_HEAD,       /* also the head of a model with labels */
    LM_WEIGHT_BIAS,       /* zeros; never decayed */
} lm_weight_role;

/* What a weight is for. Fused ones hold several: LM_QKV queries, keys and values; LM_GATE_UP gate, then up. */
typedef enum lm_part {
    LM_EMBEDDING, LM_POSITIONS,
    LM_ATTENTION_NORM, LM_ATTENTION_NORM_BIAS,
    LM_Q, LM_Q_BIAS, LM_K, LM_K_BIAS, LM_V, LM_V_BIAS, LM_QKV, LM_QKV_BIAS,
    LM_Q_NORM, LM_K_NORM,
    LM_O, LM_O_BIAS, LM_ATTENTION_POST_NORM,
    LM_MLP_NORM, LM_MLP_NORM_BIAS,
    LM_GATE, LM_GATE_BIAS, LM_UP, LM_UP_BIAS, LM_GATE_UP,
    LM_DOWN, LM_DOWN_BIAS, LM_MLP_POST_NORM,
    LM_FINAL_NORM, LM_FINAL_NORM_BIAS, LM_HEAD, LM_SCORE, LM_LIKELIHOOD,
    LM_PART_COUNT
} lm_part;

typedef struct lm_weight {
    char name[64]; /* as in checkpoints */
    const char *other; /* another name under which it may stand, or NULL */
    lm_part part;
    lm_weight_role role;
    int layer; /* -1: none */
    int rank;
    int64_t shape[2];  /* as in checkpoints: [outputs, inputs], or turned round (lm_family, LM_CONV1D) */
    int64_t count;     /* elements */
    double deviation;  /* of a fresh one, normal around 0; 0 for norms and biases, which are filled with one value */
} lm_weight;

size_t lm_weight_count(const lm_config *c);
/* In the order of the family's row: what stands in front, layer by layer, what stands behind. For Llama: embedding; for
 * each layer input norm, q, k, v, o, post-attention norm, gate, up, down; norm; head. */
lm_weight lm_weight_at(const lm_config *c, size_t i);
/* The index of a part (of a layer; -1 for parts outside of layers), or SIZE_MAX where the model has none. */
size_t lm_weight_find(const lm_config *c, lm_part part, int layer);
int64_t lm_parameter_count(const lm_config *c);
/* Fills `out` [count] with fresh values of weight i: normal draws at (seed, "lm/init", i), rounded to f32. */
void lm_weight_fresh(const lm_config *c, size_t i, uint64_t seed, float *out);

#endif
