/* The families. To add one: its weights, its keys, its row, and a line in bench/peers/families.py. */
#include "lm/families.h"

#include <string.h>

#define AT(field) offsetof(lm_config, field)
#define ROWS(table) .rules = table, .rule_count = COUNT_OF(table)
#define KEYS(table) .keys = table, .key_count = COUNT_OF(table)

/* ---- weights ---- */
#define EMBEDDING {LM_EMBEDDING, "model.embed_tokens.weight", LM_ALWAYS, NULL}
#define FINAL_NORM {LM_FINAL_NORM, "model.norm.weight", LM_ALWAYS, NULL}
/* Last of all: a view of a preference model as a language model leaves them away (lm/reward.h). */
#define SCORE {LM_SCORE, "score.weight", LM_WITH_LABELS, NULL}, {LM_LIKELIHOOD, "score.likelihood", LM_WITH_LIKELIHOOD, NULL}
#define HEAD {LM_HEAD, "lm_head.weight", LM_UNTIED, NULL}, SCORE
#define QKV(biases)                                                                                                    \
    {LM_Q, "self_attn.q_proj.weight", LM_ALWAYS, NULL}, {LM_Q_BIAS, "self_attn.q_proj.bias", biases, NULL},            \
        {LM_K, "self_attn.k_proj.weight", LM_ALWAYS, NULL}, {LM_K_BIAS, "self_attn.k_proj.bias", biases, NULL},        \
        {LM_V, "self_attn.v_proj.weight", LM_ALWAYS, NULL}, {LM_V_BIAS, "self_attn.v_proj.bias", biases, NULL}
#define QK_NORMS                                                                                                       \
    {LM_Q_NORM, "self_attn.q_norm.weight", LM_ALWAYS, NULL}, {LM_K_NORM, "self_attn.k_norm.weight", LM_ALWAYS, NULL}
#define OUT {LM_O, "self_attn.o_proj.weight", LM_ALWAYS, NULL}
#define OUT_WITH_BIAS OUT, {LM_O_BIAS, "self_attn.o_proj.bias", LM_WITH_ATTENTION_BIAS, NULL}
#define PRE_NORM {LM_ATTENTION_NORM, "input_layernorm.weight", LM_ALWAYS, NULL}
#define MLP_NORM(name) {LM_MLP_NORM, name ".weight", LM_ALWAYS, NULL}
#define GATED_MLP                                                                                                      \
    {LM_GATE, "mlp.gate_proj.weight", LM_ALWAYS, NULL}, {LM_GATE_BIAS, "mlp.gate_proj.bias", LM_WITH_MLP_BIAS, NULL},  \
        {LM_UP, "mlp.up_proj.weight", LM_ALWAYS, NULL}, {LM_UP_BIAS, "mlp.up_proj.bias", LM_WITH_MLP_BIAS, NULL},      \
        {LM_DOWN, "mlp.down_proj.weight", LM_ALWAYS, NULL}, {LM_DOWN_BIAS, "mlp.down_proj.bias", LM_WITH_MLP_BIAS, NULL}
#define POST_NORMS                                                                                                     \
    {LM_ATTENTION_POST_NORM, "post_attention_layernorm.weight", LM_ALWAYS, NULL},                                      \
        {LM_MLP_POST_NORM, "post_feedforward_layernorm.weight", LM_ALWAYS, NULL}

static const lm_rule llama_rules[] = {
    EMBEDDING, PRE_NORM, QKV(LM_WITH_ATTENTION_BIAS), OUT_WITH_BIAS, MLP_NORM("post_attention_layernorm"), GATED_MLP,
    FINAL_NORM, HEAD,
};
static const lm_rule qwen2_rules[] = {
    EMBEDDING, PRE_NORM, QKV(LM_ALWAYS), OUT, MLP_NORM("post_attention_layernorm"), GATED_MLP, FINAL_NORM, HEAD,
};
static const lm_rule qwen3_rules[] = {
    EMBEDDING, PRE_NORM, QKV(LM_WITH_ATTENTION_BIAS), QK_NORMS, OUT_WITH_BIAS, MLP_NORM("post_attention_layernorm"),
    GATED_MLP, FINAL_NORM, HEAD,
};
static const lm_rule phi3_rules[] = {
    EMBEDDING, PRE_NORM, {LM_QKV, "self_attn.qkv_proj.weight", LM_ALWAYS, NULL}, OUT, MLP_NORM("post_attention_layernorm"),
    {LM_GATE_UP, "mlp.gate_up_proj.weight", LM_ALWAYS, NULL}, {LM_DOWN, "mlp.down_proj.weight", LM_ALWAYS, NULL},
    FINAL_NORM, HEAD,
};
static const lm_rule gemma2_rules[] = {
    EMBEDDING, PRE_NORM, QKV(LM_WITH_ATTENTION_BIAS), OUT_WITH_BIAS, MLP_NORM("pre_feedforward_layernorm"), GATED_MLP,
    POST_NORMS, FINAL_NORM, HEAD,
};
static const lm_rule gemma3_rules[] = {
    EMBEDDING, PRE_NORM, QKV(LM_WITH_ATTENTION_BIAS), QK_NORMS, OUT_WITH_BIAS, MLP_NORM("pre_feedforward_layernorm"),
    GATED_MLP, POST_NORMS, FINAL_NORM, HEAD,
};
static const lm_rule olmo2_rules[] = {
    EMBEDDING, QKV(LM_WITH_ATTENTION_BIAS), QK_NORMS, OUT_WITH_BIAS, GATED_MLP, POST_NORMS, FINAL_NORM, HEAD,
};
static const lm_rule gpt2_rules[] = {
    {LM_EMBEDDING, "transformer.wte.weight", LM_ALWAYS, NULL},
    {LM_POSITIONS, "transformer.wpe.weight", LM_ALWAYS, NULL},
    {LM_ATTENTION_NORM, "ln_1.weight", LM_ALWAYS, NULL},
    {LM_ATTENTION_NORM_BIAS, "ln_1.bias", LM_ALWAYS, NULL},
    {LM_QKV, "attn.c_attn.weight", LM_ALWAYS, NULL},
    {LM_QKV_BIAS, "attn.c_attn.bias", LM_ALWAYS, NULL},
    {LM_O, "attn.c_proj.weight", LM_ALWAYS, NULL},
    {LM_O_BIAS, "attn.c_proj.bias", LM_ALWAYS, NULL},
    {LM_MLP_NORM, "ln_2.weight", LM_ALWAYS, NULL},
    {LM_MLP_NORM_BIAS, "ln_2.bias", LM_ALWAYS, NULL},
    {LM_UP, "mlp.c_fc.weight", LM_ALWAYS, NULL},
    {LM_UP_BIAS, "mlp.c_fc.bias", LM_ALWAYS, NULL},
    {LM_DOWN, "mlp.c_proj.weight", LM_ALWAYS, NULL},
    {LM_DOWN_BIAS, "mlp.c_proj.bias", LM_ALWAYS, NULL},
    {LM_FINAL_NORM, "transformer.ln_f.weight", LM_ALWAYS, NULL},
    {LM_FINAL_NORM_BIAS, "transformer.ln_f.bias", LM_ALWAYS, NULL},
    HEAD,
};
static const lm_rule neox_rules[] = {
    {LM_EMBEDDING, "gpt_neox.embed_in.weight", LM_ALWAYS, NULL},
    {LM_ATTENTION_NORM, "input_layernorm.weight", LM_ALWAYS, NULL},
    {LM_ATTENTION_NORM_BIAS, "input_layernorm.bias", LM_ALWAYS, NULL},
    {LM_QKV, "attention.query_key_value.weight", LM_ALWAYS, NULL},
    {LM_QKV_BIAS, "attention.query_key_value.bias", LM_WITH_ATTENTION_BIAS, NULL},
    {LM_O, "attention.dense.weight", LM_ALWAYS, NULL},
    {LM_O_BIAS, "attention.dense.bias", LM_WITH_ATTENTION_BIAS, NULL},
    {LM_MLP_NORM, "post_attention_layernorm.weight", LM_ALWAYS, NULL},
    {LM_MLP_NORM_BIAS, "post_attention_layernorm.bias", LM_ALWAYS, NULL},
    {LM_UP, "mlp.dense_h_to_4h.weight", LM_ALWAYS, NULL},
    {LM_UP_BIAS, "mlp.dense_h_to_4h.bias", LM_ALWAYS, NULL},
    {LM_DOWN, "mlp.dense_4h_to_h.weight", LM_ALWAYS, NULL},
    {LM_DOWN_BIAS, "mlp.dense_4h_to_h.bias", LM_ALWAYS, NULL},
    {LM_FINAL_NORM, "gpt_neox.final_layer_norm.weight", LM_ALWAYS, NULL},
    {LM_FINAL_NORM_BIAS, "gpt_neox.final_layer_norm.bias", LM_ALWAYS, NULL},
    {LM_HEAD, "embed_out.weight", LM_UNTIED, "lm_head.weight"}, SCORE,
};

/* ---- keys of config.json ---- */
#define SIZE(name, field, needed, most) {name, LM_KEY_SIZE, AT(field), needed, 0, 1, most}
#define NUMBER(name, field, fallback, least, most) {name, LM_KEY_NUMBER, AT(field), false, fallback, least, most}
#define FLAG(name, field, fallback) {name, LM_KEY_FLAG, AT(field), false, fallback, 0, 1}
#define REFUSED(name) {name, LM_KEY_REFUSED, 0, false, 0, 0, 0}
#define DROPOUT(name) {name, LM_KEY_ZERO, 0, false, 0, 0, 0}
#define ACTIVATION(name, fallback) {name, LM_KEY_ACTIVATION, AT(activation), false, fallback, 0, LM_ACTIVATION_COUNT - 1}
#define ROPE {"rope_theta", LM_KEY_ROPE, AT(rope_theta), false, 0, 0, 0}
#define WINDOWS {"sliding_window", LM_KEY_WINDOWS, AT(window), false, 0, 0, 0}
#define INIT NUMBER("initializer_range", init_range, 0.02, 0, 100)
#define SMALLEST 1e-30

#define LLAMA_SIZES                                                                                                    \
    SIZE("vocab_size", vocabulary, true, 1 << 20), SIZE("hidden_size", hidden, true, 1 << 16),                         \
        SIZE("intermediate_size", intermediate, true, 1 << 18), SIZE("num_hidden_layers", layers, true, LM_LAYERS_MAX), \
        SIZE("num_attention_heads", heads, true, 1024), SIZE("num_key_value_heads", kv_heads, false, 1024),            \
        SIZE("head_dim", head_size, false, 1024), SIZE("max_position_embeddings", context, true, 1 << 24)

static const lm_key llama_keys[] = {
    LLAMA_SIZES, FLAG("attention_bias", attention_bias, false), DROPOUT("attention_dropout"),
    FLAG("mlp_bias", mlp_bias, false), ACTIVATION("hidden_act", LM_SILU), INIT,
    NUMBER("rms_norm_eps", norm_epsilon, 1e-6, SMALLEST, 1), ROPE, FLAG("tie_word_embeddings", tied, false),
};
static const lm_key mistral_keys[] = { /* also Qwen 2: no flags for biases */
    LLAMA_SIZES, DROPOUT("attention_dropout"), ACTIVATION("hidden_act", LM_SILU), INIT,
    NUMBER("rms_norm_eps", norm_epsilon, 1e-6, SMALLEST, 1), ROPE, WINDOWS, FLAG("tie_word_embeddings", tied, false),
};
static const lm_key qwen3_keys[] = {
    LLAMA_SIZES, FLAG("attention_bias", attention_bias, false), DROPOUT("attention_dropout"),
    ACTIVATION("hidden_act", LM_SILU), INIT, NUMBER("rms_norm_eps", norm_epsilon, 1e-6, SMALLEST, 1), ROPE, WINDOWS,
    FLAG("tie_word_embeddings", tied, false),
};
static const lm_key phi3_keys[] = {
    LLAMA_SIZES, DROPOUT("attention_dropout"), DROPOUT("embd_pdrop"), DROPOUT("resid_pdrop"),
    ACTIVATION("hidden_act", LM_SILU), INIT, NUMBER("rms_norm_eps", norm_epsilon, 1e-5, SMALLEST, 1), ROPE, WINDOWS,
    FLAG("tie_word_embeddings", tied, false),
};
#define GEMMA_KEYS(attention_cap_fallback, logit_cap_fallback)                                                         \
    LLAMA_SIZES, FLAG("attention_bias", attention_bias, false), DROPOUT("attention_dropout"),                          \
        ACTIVATION("hidden_activation", LM_GELU_TANH), INIT, NUMBER("rms_norm_eps", norm_epsilon, 1e-6, SMALLEST, 1),  \
        NUMBER("query_pre_attn_scalar", query_scalar, 256, 0, 1e9),                                                    \
        NUMBER("attn_logit_softcapping", attention_cap, attention_cap_fallback, 0, 1e9),                               \
        NUMBER("final_logit_softcapping", logit_cap, logit_cap_fallback, 0, 1e9), ROPE, WINDOWS,                       \
        REFUSED("use_bidirectional_attention"), FLAG("tie_word_embeddings", tied, true)
static const lm_key gemma2_keys[] = {GEMMA_KEYS(50, 30)};
static const lm_key gemma3_keys[] = {GEMMA_KEYS(0, 0)};
static const lm_key olmo2_keys[] = {
    LLAMA_SIZES, FLAG("attention_bias", attention_bias, false), DROPOUT("attention_dropout"),
    ACTIVATION("hidden_act", LM_SILU), INIT, NUMBER("rms_norm_eps", norm_epsilon, 1e-5, SMALLEST, 1), ROPE,
    FLAG("tie_word_embeddings", tied, false),
};
static const lm_key gpt2_keys[] = {
    SIZE("vocab_size", vocabulary, true, 1 << 20), SIZE("n_embd", hidden, true, 1 << 16),
    SIZE("n_inner", intermediate, false, 1 << 18), SIZE("n_layer", layers, true, LM_LAYERS_MAX),
    SIZE("n_head", heads, true, 1024), SIZE("n_positions", context, true, 1 << 24),
    ACTIVATION("activation_function", LM_GELU_TANH), INIT,
    NUMBER("layer_norm_epsilon", norm_epsilon, 1e-5, SMALLEST, 1), DROPOUT("attn_pdrop"), DROPOUT("embd_pdrop"),
    DROPOUT("resid_pdrop"), {"scale_attn_weights", LM_KEY_FLAG_NOT, AT(unscaled_scores), false, 0, 0, 1},
    FLAG("scale_attn_by_inverse_layer_idx", scores_by_layer, false), REFUSED("add_cross_attention"),
    FLAG("tie_word_embeddings", tied, true),
};
static const lm_key neox_keys[] = {
    SIZE("vocab_size", vocabulary, true, 1 << 20), SIZE("hidden_size", hidden, true, 1 << 16),
    SIZE("intermediate_size", intermediate, true, 1 << 18), SIZE("num_hidden_layers", layers, true, LM_LAYERS_MAX),
    SIZE("num_attention_heads", heads, true, 1024), SIZE("max_position_embeddings", context, true, 1 << 24),
    FLAG("attention_bias", attention_bias, true), DROPOUT("attention_dropout"), DROPOUT("hidden_dropout"),
    FLAG("use_parallel_residual", parallel, true), ACTIVATION("hidden_act", LM_GELU), INIT,
    NUMBER("layer_norm_eps", norm_epsilon, 1e-5, SMALLEST, 1), ROPE, FLAG("tie_word_embeddings", tied, false),
};

/* ---- the rows ---- */
#define LLAMA_NAMES .base = "model.", .layers = "model.layers."
#define ROTARY .rope_theta = 10000, .rotary_share = 1, .theta_key = "rope_theta", .share_key = "partial_rotary_factor"

static const lm_family llama = {"LlamaForCausalLM", "llama", LLAMA_NAMES, ROWS(llama_rules), KEYS(llama_keys), ROTARY};
static const lm_family mistral = {"MistralForCausalLM", "mistral", LLAMA_NAMES, ROWS(llama_rules), KEYS(mistral_keys), ROTARY,
                                  .windows = LM_WINDOWS_ALL};
static const lm_family qwen2 = {"Qwen2ForCausalLM", "qwen2", LLAMA_NAMES, ROWS(qwen2_rules), KEYS(mistral_keys), ROTARY,
                                .windows = LM_WINDOWS_UPPER};
static const lm_family qwen3 = {"Qwen3ForCausalLM", "qwen3", LLAMA_NAMES, ROWS(qwen3_rules), KEYS(qwen3_keys), ROTARY,
                                .windows = LM_WINDOWS_UPPER};
static const lm_family phi3 = {"Phi3ForCausalLM", "phi3", LLAMA_NAMES, ROWS(phi3_rules), KEYS(phi3_keys), ROTARY,
                               .windows = LM_WINDOWS_ALL};
/* Families whose weights lie otherwise in GGUF files have two rows, which differ in the traits that say how. */
#define GEMMA2(how) {"Gemma2ForCausalLM", "gemma2", LLAMA_NAMES, ROWS(gemma2_rules), KEYS(gemma2_keys), ROTARY,        \
                     .traits = LM_EMBED_SCALED | (how), .windows = LM_WINDOWS_CYCLE, .window_cycle = 2}
#define GEMMA3(how) {"Gemma3ForCausalLM", "gemma3_text", LLAMA_NAMES, ROWS(gemma3_rules), KEYS(gemma3_keys),           \
                     .rope_theta = 1e6, .rope_local_theta = 10000, .rotary_share = 1, .theta_key = "rope_theta",       \
                     .share_key = "partial_rotary_factor", .traits = LM_EMBED_SCALED | (how),                          \
                     .windows = LM_WINDOWS_CYCLE, .window_cycle = 6}
static const lm_family gemma2 = GEMMA2(LM_NORM_PLUS_ONE), gemma2_gguf = GEMMA2(0);
static const lm_family gemma3 = GEMMA3(LM_NORM_PLUS_ONE), gemma3_gguf = GEMMA3(0);
static const lm_family olmo2 = {"Olmo2ForCausalLM", "olmo2", LLAMA_NAMES, ROWS(olmo2_rules), KEYS(olmo2_keys), ROTARY,
                                .traits = LM_QK_NORM_WHOLE};
#define GPT2(how) {"GPT2LMHeadModel", "gpt2", "transformer.", "transformer.h.", ROWS(gpt2_rules), KEYS(gpt2_keys),     \
                   .traits = LM_LAYER_NORM | (how)}
#define NEOX(how) {"GPTNeoXForCausalLM", "gpt_neox", "gpt_neox.", "gpt_neox.layers.", ROWS(neox_rules),                \
                   KEYS(neox_keys), .rope_theta = 10000, .rotary_share = 0.25, .theta_key = "rotary_emb_base",         \
                   .share_key = "rotary_pct", .traits = LM_LAYER_NORM | (how)}
static const lm_family gpt2 = GPT2(LM_CONV1D), gpt2_gguf = GPT2(0);
static const lm_family neox = NEOX(LM_QKV_BY_HEAD), neox_gguf = NEOX(0);

const lm_family *const lm_families[] = {&llama, &mistral, &qwen2, &qwen3, &phi3, &gemma2, &gemma3, &olmo2, &gpt2, &neox};
const size_t lm_family_count = COUNT_OF(lm_families);

const lm_gguf lm_ggufs[] = {
    {"llama", &llama, &llama, .paired = true},
    {"llama", &mistral, &mistral, .paired = true},
    {"qwen2", &qwen2, &qwen2, .paired = false},
    {"qwen3", &qwen3, &qwen3, .paired = false},
    {"phi3", &phi3, &phi3, .paired = false},
    {"gemma2", &gemma2_gguf, &gemma2, .window = 4096, .wide_layers = 46},
    {"gemma3", &gemma3_gguf, &gemma3, .wide_layers = 62},
    {"olmo2", &olmo2, &olmo2, .paired = false},
    {"gpt2", &gpt2_gguf, &gpt2, .paired = false},
    {"gptneox", &neox_gguf, &neox, .paired = false},
};
const size_t lm_gguf_count = COUNT_OF(lm_ggufs);

const lm_family *lm_family_find(const char *architecture, const char *model_type)
{
    for (size_t i = 0; i < lm_family_count; i++) {
        const lm_family *f = lm_families[i];
        if (architecture ? strcmp(f->architecture, architecture) == 0 : model_type && strcmp(f->model_type, model_type) == 0)
            return f;
    }
    return NULL;
}

void lm_family_list(strbuf *out)
{
    for (size_t i = 0; i < lm_family_count; i++)
        strbuf_printf(out, "%s%s", i ? ", " : "", lm_families[i]->architecture);
}
