/* The list of a model's weights, from the rules of its family. */
#include "core/random.h"
#include "lm/families.h"

#include <math.h>

typedef enum width {
    WIDTH_ONE, /* a vector has no columns */
    WIDTH_VOCABULARY, WIDTH_CONTEXT, WIDTH_HIDDEN, WIDTH_QUERIES, WIDTH_KEYS, WIDTH_QKV, WIDTH_INTERMEDIATE,
    WIDTH_GATE_UP, WIDTH_Q_NORM, WIDTH_K_NORM, WIDTH_LABELS,
} width;

typedef enum place { IN_FRONT, IN_LAYER, BEHIND } place;

/* What each part is: where it stands, its role, outputs and inputs. */
static const struct {
    place place;
    lm_weight_role role;
    width rows, columns;
} parts[LM_PART_COUNT] = {
    [LM_EMBEDDING] = {IN_FRONT, LM_WEIGHT_EMBEDDING, WIDTH_VOCABULARY, WIDTH_HIDDEN},
    [LM_POSITIONS] = {IN_FRONT, LM_WEIGHT_EMBEDDING, WIDTH_CONTEXT, WIDTH_HIDDEN},
    [LM_ATTENTION_NORM] = {IN_LAYER, LM_WEIGHT_NORM, WIDTH_HIDDEN, WIDTH_ONE},
    [LM_ATTENTION_NORM_BIAS] = {IN_LAYER, LM_WEIGHT_BIAS, WIDTH_HIDDEN, WIDTH_ONE},
    [LM_Q] = {IN_LAYER, LM_WEIGHT_INNER, WIDTH_QUERIES, WIDTH_HIDDEN},
    [LM_Q_BIAS] = {IN_LAYER, LM_WEIGHT_BIAS, WIDTH_QUERIES, WIDTH_ONE},
    [LM_K] = {IN_LAYER, LM_WEIGHT_INNER, WIDTH_KEYS, WIDTH_HIDDEN},
    [LM_K_BIAS] = {IN_LAYER, LM_WEIGHT_BIAS, WIDTH_KEYS, WIDTH_ONE},
    [LM_V] = {IN_LAYER, LM_WEIGHT_INNER, WIDTH_KEYS, WIDTH_HIDDEN},
    [LM_V_BIAS] = {IN_LAYER, LM_WEIGHT_BIAS, WIDTH_KEYS, WIDTH_ONE},
    [LM_QKV] = {IN_LAYER, LM_WEIGHT_INNER, WIDTH_QKV, WIDTH_HIDDEN},
    [LM_QKV_BIAS] = {IN_LAYER, LM_WEIGHT_BIAS, WIDTH_QKV, WIDTH_ONE},
    [LM_Q_NORM] = {IN_LAYER, LM_WEIGHT_NORM, WIDTH_Q_NORM, WIDTH_ONE},
    [LM_K_NORM] = {IN_LAYER, LM_WEIGHT_NORM, WIDTH_K_NORM, WIDTH_ONE},
    [LM_O] = {IN_LAYER, LM_WEIGHT_OUTER, WIDTH_HIDDEN, WIDTH_QUERIES},
    [LM_O_BIAS] = {IN_LAYER, LM_WEIGHT_BIAS, WIDTH_HIDDEN, WIDTH_ONE},
    [LM_ATTENTION_POST_NORM] = {IN_LAYER, LM_WEIGHT_NORM, WIDTH_HIDDEN, WIDTH_ONE},
    [LM_MLP_NORM] = {IN_LAYER, LM_WEIGHT_NORM, WIDTH_HIDDEN, WIDTH_ONE},
    [LM_MLP_NORM_BIAS] = {IN_LAYER, LM_WEIGHT_BIAS, WIDTH_HIDDEN, WIDTH_ONE},
    [LM_GATE] = {IN_LAYER, LM_WEIGHT_INNER, WIDTH_INTERMEDIATE, WIDTH_HIDDEN},
    [LM_GATE_BIAS] = {IN_LAYER, LM_WEIGHT_BIAS, WIDTH_INTERMEDIATE, WIDTH_ONE},
    [LM_UP] = {IN_LAYER, LM_WEIGHT_INNER, WIDTH_INTERMEDIATE, WIDTH_HIDDEN},
    [LM_UP_BIAS] = {IN_LAYER, LM_WEIGHT_BIAS, WIDTH_INTERMEDIATE, WIDTH_ONE},
    [LM_GATE_UP] = {IN_LAYER, LM_WEIGHT_INNER, WIDTH_GATE_UP, WIDTH_HIDDEN},
    [LM_DOWN] = {IN_LAYER, LM_WEIGHT_OUTER, WIDTH_HIDDEN, WIDTH_INTERMEDIATE},
    [LM_DOWN_BIAS] = {IN_LAYER, LM_WEIGHT_BIAS, WIDTH_HIDDEN, WIDTH_ONE},
    [LM_MLP_POST_NORM] = {IN_LAYER, LM_WEIGHT_NORM, WIDTH_HIDDEN, WIDTH_ONE},
    [LM_FINAL_NORM] = {BEHIND, LM_WEIGHT_NORM, WIDTH_HIDDEN, WIDTH_ONE},
    [LM_FINAL_NORM_BIAS] = {BEHIND, LM_WEIGHT_BIAS, WIDTH_HIDDEN, WIDTH_ONE},
    [LM_HEAD] = {BEHIND, LM_WEIGHT_HEAD, WIDTH_VOCABULARY, WIDTH_HIDDEN},
    [LM_SCORE] = {BEHIND, LM_WEIGHT_HEAD, WIDTH_LABELS, WIDTH_HIDDEN},
    [LM_LIKELIHOOD] = {BEHIND, LM_WEIGHT_HEAD, WIDTH_LABELS, WIDTH_ONE},
};

static int64_t width_of(const lm_config *c, width w)
{
    int64_t queries = (int64_t)c->heads * c->head_size, keys = (int64_t)c->kv_heads * c->head_size;
    bool whole = c->family->traits & LM_QK_NORM_WHOLE;
    switch (w) {
    case WIDTH_ONE:
        break;
    case WIDTH_VOCABULARY:
        return c->vocabulary;
    case WIDTH_CONTEXT:
        return c->context;
    case WIDTH_HIDDEN:
        return c->hidden;
    case WIDTH_QUERIES:
        return queries;
    case WIDTH_KEYS:
        return keys;
    case WIDTH_QKV:
        return queries + 2 * keys;
    case WIDTH_INTERMEDIATE:
        return c->intermediate;
    case WIDTH_GATE_UP:
        return 2 * (int64_t)c->intermediate;
    case WIDTH_Q_NORM:
        return whole ? queries : c->head_size;
    case WIDTH_K_NORM:
        return whole ? keys : c->head_size;
    case WIDTH_LABELS:
        return c->labels;
    }
    return 1;
}

static bool is_there(const lm_config *c, const lm_rule *r)
{
    switch (r->when) {
    case LM_ALWAYS:
        return true;
    case LM_WITH_ATTENTION_BIAS:
        return c->attention_bias;
    case LM_WITH_MLP_BIAS:
        return c->mlp_bias;
    case LM_UNTIED:
        return !c->tied && c->labels == 0;
    case LM_WITH_LABELS:
        return c->labels > 0;
    case LM_WITH_LIKELIHOOD:
        return c->likelihood;
    }
    return false;
}

/* How many of the family's weights there are of each place. */
static void count_places(const lm_config *c, size_t counts[3])
{
    counts[IN_FRONT] = counts[IN_LAYER] = counts[BEHIND] = 0;
    for (size_t i = 0; i < c->family->rule_count; i++)
        counts[parts[c->family->rules[i].part].place] += is_there(c, &c->family->rules[i]);
}

size_t lm_weight_count(const lm_config *c)
{
    size_t counts[3];
    count_places(c, counts);
    return counts[IN_FRONT] + (size_t)c->layers * counts[IN_LAYER] + counts[BEHIND];
}

/* The rule of the k-th weight of a place. */
static const lm_rule *rule_at(const lm_config *c, place at, size_t k)
{
    for (size_t i = 0; i < c->family->rule_count; i++) {
        const lm_rule *r = &c->family->rules[i];
        if (parts[r->part].place == at && is_there(c, r) && k-- == 0)
            return r;
    }
    BUG("%s has no such weight", c->family->architecture);
}

static void set_shape(const lm_config *c, lm_weight *w)
{
    bool turned = (c->family->traits & LM_CONV1D) && parts[w->part].place == IN_LAYER;
    int64_t rows = width_of(c, parts[w->part].rows), columns = width_of(c, parts[w->part].columns);
    w->rank = parts[w->part].columns == WIDTH_ONE ? 1 : 2;
    w->shape[0] = w->rank == 2 && turned ? columns : rows;
    w->shape[1] = w->rank == 1 ? 0 : turned ? rows : columns;
    w->count = rows * columns;
}

lm_weight lm_weight_at(const lm_config *c, size_t i)
{
    lm_weight w = {.layer = -1};
    size_t counts[3];
    count_places(c, counts);
    size_t front = counts[IN_FRONT], inner = (size_t)c->layers * counts[IN_LAYER];
    if (i >= front + inner + counts[BEHIND])
        BUG("weight %zu of %zu", i, front + inner + counts[BEHIND]);
    const lm_rule *r;
    if (i >= front && i < front + inner) {
        w.layer = (int)((i - front) / counts[IN_LAYER]);
        r = rule_at(c, IN_LAYER, (i - front) % counts[IN_LAYER]);
        snprintf(w.name, sizeof w.name, "%s%d.%s", c->family->layers, w.layer, r->name);
    } else {
        r = i < front ? rule_at(c, IN_FRONT, i) : rule_at(c, BEHIND, i - front - inner);
        snprintf(w.name, sizeof w.name, "%s", r->name);
    }
    w.part = r->part;
    w.other = r->other;
    w.role = parts[w.part].role;
    set_shape(c, &w);
    w.deviation = c->init_range;
    if (w.role == LM_WEIGHT_NORM || w.role == LM_WEIGHT_BIAS)
        w.deviation = 0;
    if (w.role == LM_WEIGHT_OUTER)
        w.deviation = c->init_range / sqrt(2.0 * c->layers);
    return w;
}

size_t lm_weight_find(const lm_config *c, lm_part part, int layer)
{
    size_t counts[3], k = 0, i = 0;
    count_places(c, counts);
    for (; i < c->family->rule_count; i++) {
        const lm_rule *r = &c->family->rules[i];
        if (parts[r->part].place != parts[part].place || !is_there(c, r))
            continue;
        if (r->part == part)
            break;
        k++;
    }
    if (i == c->family->rule_count)
        return SIZE_MAX;
    if (parts[part].place == IN_LAYER)
        k += counts[IN_FRONT] + (size_t)layer * counts[IN_LAYER];
    return parts[part].place == BEHIND ? k + counts[IN_FRONT] + (size_t)c->layers * counts[IN_LAYER] : k;
}

int64_t lm_parameter_count(const lm_config *c)
{
    int64_t sum = 0;
    for (size_t i = 0; i < lm_weight_count(c); i++)
        sum += lm_weight_at(c, i).count;
    return sum;
}

void lm_weight_fresh(const lm_config *c, size_t i, uint64_t seed, float *out)
{
    lm_weight w = lm_weight_at(c, i);
    random_stream r = random_stream_at(seed, "lm/init", i, 0, 0, 0);
    float same = w.role == LM_WEIGHT_NORM && !(c->family->traits & LM_NORM_PLUS_ONE) ? 1.0f : 0.0f;
    for (int64_t k = 0; k < w.count; k++)
        out[k] = w.deviation > 0 ? (float)(w.deviation * random_normal_at(&r, (uint64_t)k)) : same;
}
