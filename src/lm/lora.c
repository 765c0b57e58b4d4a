#include "lm/lora.h"

#include "core/file.h"
#include "core/jsonio.h"
#include "kernels/kernels.h"
#include "lm/families.h"

#include <math.h>
#include <string.h>

typedef struct adapter {
    arena *arena; /* of the results */
    const char *folder;
    const lm_config *config;
    const safetensors *file;
    int64_t rank;
    double alpha;
    bool by_root, ranks_vary;
    const json_t *targets;
    size_t *hits; /* by target: pairs found */
} adapter;

static const char prefix[] = "base_model.model.", a_ending[] = ".lora_A.weight", b_ending[] = ".lora_B.weight";

static status no_memory(const adapter *l, error *err)
{
    return error_set(err, STATUS_MEMORY, "%s: out of memory while merging the adapter", l->folder);
}

/* ---- adapter_config.json ---- */

static bool empty(const json_t *value)
{
    return !value || json_is_null(value) || json_is_false(value) ||
           (json_is_object(value) && json_object_size(value) == 0) || (json_is_array(value) && json_array_size(value) == 0);
}

static status read_settings(adapter *l, const json_t *root, const char *path, error *err)
{
    static const char *const refused[] = {"use_dora", "modules_to_save", "alpha_pattern", "trainable_token_indices",
                                          "target_parameters", "lora_bias", "use_qalora", "alora_invocation_tokens"};
    const char *method;
    TRY(jsonio_get_string(root, "peft_type", path, &method, err));
    if (strcmp(method, "LORA") != 0)
        return error_set(err, STATUS_UNSUPPORTED, "%s: adapters of type %s are not supported; LORA is", path, method);
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        if (!empty(json_object_get(root, refused[i])))
            return error_set(err, STATUS_UNSUPPORTED, "%s: adapters with %s are not supported", path, refused[i]);
    const char *bias = json_string_value(json_object_get(root, "bias"));
    if (bias && strcmp(bias, "none") != 0)
        return error_set(err, STATUS_UNSUPPORTED, "%s: adapters with trained biases (bias: %s) are not supported", path, bias);
    TRY(jsonio_get_int(root, "r", path, &l->rank, err));
    TRY(jsonio_get_number(root, "lora_alpha", path, &l->alpha, err));
    if (l->rank < 1 || l->rank > 1 << 16 || !isfinite(l->alpha))
        return error_set(err, STATUS_INVALID, "%s: r is %lld and lora_alpha %g; expected a rank of at least 1 and a number", path,
                         (long long)l->rank, l->alpha);
    l->by_root = json_is_true(json_object_get(root, "use_rslora"));
    l->ranks_vary = !empty(json_object_get(root, "rank_pattern"));
    l->targets = json_object_get(root, "target_modules");
    if (!json_is_array(l->targets) && !json_is_string(l->targets))
        return error_set(err, STATUS_INVALID, "%s: target_modules: expected a list of names, or a text", path);
    l->hits = ARENA_ARRAY(l->arena, size_t, json_array_size(l->targets) + 1);
    return l->hits ? STATUS_OK : no_memory(l, err);
}

/* ---- the pairs ---- */

/* The weight that `module` names, or SIZE_MAX. */
static size_t weight_of(const lm_config *c, const char *module)
{
    for (size_t i = 0; i < lm_weight_count(c); i++) {
        lm_weight w = lm_weight_at(c, i);
        const char *names[] = {w.name, w.other};
        for (size_t k = 0; k < COUNT_OF(names) && w.rank == 2; k++) {
            slice name = slice_of(names[k]);
            if (slice_ends(name, SLICE(".weight")) && slice_is(slice_sub(name, 0, name.length - strlen(".weight")), module))
                return i;
        }
    }
    return SIZE_MAX;
}

/* "q_proj" is a target of "...self_attn.q_proj". */
static void count_hit(adapter *l, const char *module)
{
    slice m = slice_of(module);
    for (size_t i = 0; i < json_array_size(l->targets); i++) {
        slice target = slice_of(json_string_value(json_array_get(l->targets, i)));
        bool part = m.length > target.length && m.text[m.length - target.length - 1] == '.';
        if (target.length && slice_ends(m, target) && (part || m.length == target.length))
            l->hits[i]++;
    }
}

/* product [rows, columns] = left [rows, r] times right [r, columns], both as they are or turned. */
static status multiply(arena *a, size_t rows, size_t columns, size_t r, const float *left, bool turn_left, const float *right,
                       bool turn_right, float *product, error *err)
{
    kernel_gemm_spec spec = {.type = KERNEL_F32, .out = KERNEL_F32, .batch = 1, .m = rows, .n = columns, .k = r,
                             .transpose_a = turn_left, .transpose_b = turn_right};
    kernel_gemm *g;
    TRY(kernel_gemm_new(a, &spec, 1, &g, err));
    void *scratch = arena_alloc(a, kernel_gemm_scratch_bytes(g) + 64);
    if (!scratch)
        return error_set(err, STATUS_MEMORY, "out of memory while merging an adapter");
    kernel_gemm_run(g, NULL, left, right, product, scratch);
    return STATUS_OK;
}

double lora_scale(double alpha, int64_t rank, bool by_root)
{
    return alpha / (by_root ? sqrt((double)rank) : (double)rank);
}

status lora_add(const lm_config *c, size_t i, size_t r, double scale, const float *a, const float *b, float *values, error *err)
{
    lm_weight w = lm_weight_at(c, i);
    size_t rows = (size_t)w.shape[0], columns = (size_t)w.shape[1];
    arena *scratch = arena_new(NULL);
    float *change = ARENA_ARRAY(scratch, float, rows * columns);
    bool turned = (c->family->traits & LM_CONV1D) && w.layer >= 0; /* (B A)^T = A^T B^T */
    status result = !change  ? error_set(err, STATUS_MEMORY, "out of memory while merging an adapter")
                    : turned ? multiply(scratch, rows, columns, r, a, true, b, true, change, err)
                             : multiply(scratch, rows, columns, r, b, false, a, false, change, err);
    for (size_t k = 0; result == STATUS_OK && k < rows * columns; k++)
        values[k] += (float)scale * change[k];
    arena_free(scratch);
    return result;
}

static status merge_values(adapter *l, arena *scratch, const safetensors_tensor *a, const safetensors_tensor *b, size_t i,
                           lm_tensor *weight, error *err)
{
    size_t r = (size_t)a->shape[0], count = (size_t)lm_tensor_elements(weight);
    float *left = ARENA_ARRAY(scratch, float, (size_t)safetensors_elements(b));
    float *right = ARENA_ARRAY(scratch, float, (size_t)safetensors_elements(a));
    float *sum = ARENA_ARRAY(scratch, float, count);
    bool halves = weight->type == SAFETENSORS_BF16;
    void *data = arena_alloc(l->arena, count * (halves ? sizeof(bf16) : sizeof(float)));
    if (!left || !right || !sum || !data)
        return no_memory(l, err);
    TRY(safetensors_to_f32(b, left, err));
    TRY(safetensors_to_f32(a, right, err));
    TRY(lm_tensor_to_f32(weight, sum, err));
    TRY(lora_add(l->config, i, r, lora_scale(l->alpha, (int64_t)r, l->by_root), right, left, sum, err));
    for (size_t k = 0; halves && k < count; k++)
        ((bf16 *)data)[k] = bf16_from_f32(sum[k]);
    if (!halves)
        memcpy(data, sum, count * sizeof(float));
    weight->type = halves ? SAFETENSORS_BF16 : SAFETENSORS_F32;
    weight->format = QUANT_PLAIN;
    weight->data = data;
    weight->mapped = false;
    weight->bytes = count * (halves ? sizeof(bf16) : sizeof(float));
    return STATUS_OK;
}

static status merge_pair(adapter *l, const char *module, lm_tensor *weights, error *err)
{
    size_t i = weight_of(l->config, module);
    if (i == SIZE_MAX)
        return error_set(err, STATUS_INVALID, "%s: the adapter changes \"%s\", which is no matrix of this model (%s)", l->folder,
                         module, l->config->family->architecture);
    lm_weight w = lm_weight_at(l->config, i);
    if (w.role == LM_WEIGHT_EMBEDDING)
        return error_set(err, STATUS_UNSUPPORTED, "%s: adapters of embeddings (\"%s\") are not supported", l->folder, module);
    bool turned = (l->config->family->traits & LM_CONV1D) && w.layer >= 0;
    int64_t outputs = w.shape[turned], inputs = w.shape[!turned];
    arena *scratch = arena_new(NULL);
    const char *a_name = arena_printf(scratch, "%s%s%s", prefix, module, a_ending);
    const char *b_name = arena_printf(scratch, "%s%s%s", prefix, module, b_ending);
    const safetensors_tensor *a = a_name ? safetensors_find(l->file, a_name) : NULL, *b = NULL;
    int64_t r = a && a->rank == 2 ? a->shape[0] : l->rank;
    status result = a_name && b_name ? STATUS_OK : no_memory(l, err);
    if (result == STATUS_OK && !l->ranks_vary && r != l->rank)
        result = error_set(err, STATUS_INVALID, "%s: \"%s\" has the rank %lld, and r is %lld", l->folder, a_name, (long long)r,
                           (long long)l->rank);
    if (result == STATUS_OK)
        result = safetensors_expect(l->file, a_name, (int64_t[]){r, inputs}, 2, &a, err);
    if (result == STATUS_OK)
        result = safetensors_expect(l->file, b_name, (int64_t[]){outputs, r}, 2, &b, err);
    if (result == STATUS_OK)
        result = merge_values(l, scratch, a, b, i, &weights[i], err);
    arena_free(scratch);
    return result;
}

static status merge_all(adapter *l, lm_tensor *weights, error *err)
{
    size_t pairs = 0;
    for (size_t i = 0; i < safetensors_count(l->file); i++) {
        slice name = slice_of(safetensors_at(l->file, i)->name);
        bool is_a = slice_ends(name, slice_of(a_ending)), is_b = slice_ends(name, slice_of(b_ending));
        if (!slice_starts(name, slice_of(prefix)) || (!is_a && !is_b) ||
            name.length <= strlen(prefix) + strlen(a_ending))
            return error_set(err, STATUS_UNSUPPORTED, "%s: the tensor \"%s\" is neither lora_A nor lora_B of a matrix", l->folder,
                             name.text);
        const char *module = arena_strndup(l->arena, name.text + strlen(prefix), name.length - strlen(prefix) - strlen(a_ending));
        if (!module)
            return no_memory(l, err);
        if (is_b) { /* its pair comes by the other name; here only that there is one */
            const char *other = arena_printf(l->arena, "%s%s%s", prefix, module, a_ending);
            if (!other || !safetensors_find(l->file, other))
                return error_set(err, STATUS_INVALID, "%s: \"%s\" is there without its lora_A", l->folder, name.text);
            continue;
        }
        TRY(merge_pair(l, module, weights, err));
        count_hit(l, module);
        pairs++;
    }
    for (size_t i = 0; i < json_array_size(l->targets); i++)
        if (l->hits[i] == 0)
            return error_set(err, STATUS_INVALID, "%s: target_modules names %s, but no tensor belongs to it", l->folder,
                             json_string_value(json_array_get(l->targets, i)));
    if (pairs == 0)
        return error_set(err, STATUS_INVALID, "%s: the adapter holds no tensors", l->folder);
    return STATUS_OK;
}

status lora_merge(arena *a, const char *folder, const lm_config *c, lm_tensor *weights, error *err)
{
    adapter l = {.arena = a, .folder = folder, .config = c};
    const char *settings = file_join(a, folder, "adapter_config.json");
    const char *tensors = file_join(a, folder, "adapter_model.safetensors");
    safetensors *file;
    json_t *root;
    if (!settings || !tensors)
        return no_memory(&l, err);
    if (!file_exists(settings)) {
        error_set(err, STATUS_NOT_FOUND, "%s is missing", settings);
        return error_hint(err, "expected the folder of an adapter, as PEFT's save_pretrained writes it");
    }
    TRY(jsonio_read(settings, 16 << 20, &root, err));
    status result = read_settings(&l, root, settings, err);
    if (result == STATUS_OK)
        result = safetensors_open(a, tensors, &file, err);
    if (result == STATUS_OK) {
        l.file = file;
        result = merge_all(&l, weights, err);
    }
    json_decref(root);
    return result;
}
