/* proteins.c - which proteins interact: a graph network on the interaction graphs of several species.
 *
 *     build/release/examples/example_proteins FOLDER [STEPS [SEED [SEEDS [THREADS [SPECIES...]]]]]
 *
 * FOLDER holds the files that proteins_read.h describes; each species is a task of its own. A fifth of the pairs, linked and not, is
 * held out. A graph isomorphism network (Xu et al. 2019) of three layers,
 *
 *     h_v <- MLP((1 + eps) h_v + the sum of h_u over the neighbours u of v),
 *
 * makes a vector of each protein from its sequence's composition, and a head scores pairs. Messages run along training links alone; and
 * a link that a step is to predict carries no message in that step, else the network would learn to look it up.
 *
 * Printed is the area under the ROC curve on the held-out pairs: of the product of the two degrees (among training links), of the same
 * network without messages, and of the network; against the held-out non-links of the files, and against pairs made of the held-out
 * links' ends in another order. The files' non-links were drawn among all proteins alike, so that whoever knows which proteins have
 * links at all does well there, without knowing with whom; the second figure asks with whom. In training half of the non-links are the
 * file's, half are ends of training links in another order. */
#include "core/progress.h"
#include "fit.h"
#include "proteins_read.h"
#include "stats/roc.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 32, LAYERS = 3, PER_LAYER = 6, HEAD = 2 + LAYERS * PER_LAYER, WEIGHTS = HEAD + 4 };
enum { EPSILON, IN, IN_BIAS, NORM, OUT, OUT_BIAS }; /* of a layer */

static const double held_out = 0.2, predicted = 0.3;

#define LAYER(n)                                                                                                   \
    {"layer" n ".epsilon", {1, {1}}, -1}, {"layer" n ".in", {2, {WIDTH, WIDTH}}, 0.25}, {"layer" n ".in.bias", {1, {WIDTH}}, -1},          \
        {"layer" n ".norm", {1, {WIDTH}}, 0}, {"layer" n ".out", {2, {WIDTH, WIDTH}}, 0.25}, {"layer" n ".out.bias", {1, {WIDTH}}, -1}
static const fit_weight weights[WEIGHTS] = {
    {"begin", {2, {WIDTH, PROTEIN_FEATURES}}, 0.108},
    {"begin.bias", {1, {WIDTH}}, -1},
    LAYER("1"),
    LAYER("2"),
    LAYER("3"),
    {"head.in", {2, {WIDTH, 2 * WIDTH}}, 0.177},
    {"head.in.bias", {1, {WIDTH}}, -1},
    {"head.out", {2, {1, WIDTH}}, 0.177},
    {"head.out.bias", {1, {1}}, -1},
};

typedef enum way { DEGREES, NO_GRAPH, GRAPH, WAYS } way;
typedef enum against { FILE_PAIRS, SHUFFLED, AGAINST } against;

/* Pairs in two columns: what a network reads. */
typedef struct pair_list {
    size_t count;
    int32_t *a, *b;
    bool *linked;
} pair_list;

typedef struct split {
    pair_list train[2], test[AGAINST]; /* train[1]: links, train[0]: non-links */
    size_t messages;                   /* directed: twice the training links */
    float *degree;                     /* [proteins], among training links */
    bool *learnt;                      /* [pairs of the file]: in train */
} split;

typedef struct areas {
    double of[AGAINST][WAYS];
} areas;

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory");
}

/* ---- the split ---- */
static bool list_new(arena *a, pair_list *l, size_t most)
{
    *l = (pair_list){.a = ARENA_ARRAY(a, int32_t, most + 1), .b = ARENA_ARRAY(a, int32_t, most + 1), .linked = ARENA_ARRAY(a, bool, most + 1)};
    return l->a && l->b && l->linked;
}

static void add_pair(pair_list *l, int32_t a, int32_t b, bool linked)
{
    l->a[l->count] = a;
    l->b[l->count] = b;
    l->linked[l->count++] = linked;
}

static int by_ids(const void *x, const void *y)
{
    const protein_pair *p = x, *q = y;
    return p->a != q->a ? (p->a < q->a ? -1 : 1) : p->b != q->b ? (p->b < q->b ? -1 : 1) : 0;
}

static const protein_pair *find_pair(const proteins *p, int32_t a, int32_t b)
{
    protein_pair key = {a < b ? a : b, a < b ? b : a, false};
    return bsearch(&key, p->pairs, p->pair_count, sizeof key, by_ids);
}

/* The held-out links, and as many pairs of a first end with another link's second end that the file does not name. */
static status shuffle_ends(const proteins *p, order_stream *draws, split *s, arena *a, error *err)
{
    const pair_list *from = &s->test[FILE_PAIRS];
    size_t links = 0;
    while (links < from->count && from->linked[links])
        links++;
    pair_list *to = &s->test[SHUFFLED];
    uint32_t *order = ARENA_ARRAY(a, uint32_t, links + 1);
    if (!order || !list_new(a, to, 2 * links))
        return no_memory(err);
    order_permute(draws, order, links);
    for (size_t i = 0; i < links; i++)
        add_pair(to, from->a[i], from->b[i], true);
    for (size_t i = 0; i < links; i++) {
        if (from->a[i] != from->b[order[i]] && !find_pair(p, from->a[i], from->b[order[i]]))
            add_pair(to, from->a[i], from->b[order[i]], false);
    }
    return STATUS_OK;
}

/* No held-out pair may be one that was learnt from. The pairs of a file are distinct, so this cannot be unless the split is wrong. */
static void check_split(const proteins *p, const split *s)
{
    for (int k = 0; k < AGAINST; k++)
        for (size_t i = 0; i < s->test[k].count; i++) {
            const protein_pair *known = find_pair(p, s->test[k].a[i], s->test[k].b[i]);
            if (known && s->learnt[known - p->pairs])
                BUG("a held-out pair was learnt from");
        }
}

static status split_new(arena *a, const proteins *p, order_stream *draws, split *s, error *err)
{
    *s = (split){.degree = ARENA_ARRAY(a, float, p->count), .learnt = ARENA_ARRAY(a, bool, p->pair_count)};
    uint32_t *order = ARENA_ARRAY(a, uint32_t, p->pair_count);
    bool room = s->degree && s->learnt && order && list_new(a, &s->train[0], p->pair_count) && list_new(a, &s->train[1], p->pair_count) &&
                list_new(a, &s->test[FILE_PAIRS], p->pair_count);
    if (!room)
        return no_memory(err);
    order_permute(draws, order, p->pair_count);
    const size_t kinds[2] = {p->pair_count - p->linked, p->linked};
    for (int kind = 1; kind >= 0; kind--) { /* links first: shuffle_ends */
        size_t seen = 0;
        for (size_t i = 0; i < p->pair_count; i++) {
            const protein_pair *x = &p->pairs[order[i]];
            if (x->linked != kind)
                continue;
            s->learnt[order[i]] = (double)seen++ >= held_out * (double)kinds[kind];
            add_pair(s->learnt[order[i]] ? &s->train[kind] : &s->test[FILE_PAIRS], x->a, x->b, kind);
        }
    }
    if (s->train[0].count < 10 || s->train[1].count < 10)
        return error_set(err, STATUS_INVALID, "%s has %zu links and %zu non-links: too few to hold some out", p->species, kinds[1], kinds[0]);
    for (size_t i = 0; i < s->train[1].count; i++) {
        s->degree[s->train[1].a[i]] += 1;
        s->degree[s->train[1].b[i]] += 1;
    }
    s->messages = 2 * s->train[1].count;
    TRY(shuffle_ends(p, draws, s, a, err));
    check_split(p, s);
    return STATUS_OK;
}

/* ---- the network ---- */
/* x [P, PROTEIN_FEATURES], and the messages' ends (i32, -1: none) -> [P, WIDTH]. */
static node *encoder(node *const *w, node *x, node *from, node *to)
{
    int64_t count = x->shape.size[0];
    node *h = op_relu(op_add(op_linear(x, w[0]), w[1]));
    for (int i = 0; i < LAYERS; i++) {
        node *const *v = w + 2 + i * PER_LAYER;
        node *sum = op_scatter_rows(op_gather_rows(h, from), to, count);
        node *m = op_add(op_mul(op_shift(v[EPSILON], 1), h), sum);
        m = op_relu(op_rms_norm(op_add(op_linear(m, v[IN]), v[IN_BIAS]), v[NORM], 1e-5));
        h = op_relu(op_add(op_linear(m, v[OUT]), v[OUT_BIAS]));
    }
    return h;
}

/* A logit for each pair, the same for both orders. */
static node *head(node *const *w, node *h, node *a, node *b)
{
    node *p = op_gather_rows(h, a), *q = op_gather_rows(h, b), *parts[2] = {op_mul(p, q), op_abs(op_sub(p, q))};
    node *m = op_relu(op_add(op_linear(op_concat(parts, 2, 1), w[HEAD]), w[HEAD + 1]));
    return op_reshape(op_add(op_linear(m, w[HEAD + 2]), w[HEAD + 3]), SHAPE(-1));
}

typedef struct network {
    fit fit;
    const proteins *proteins;
    const split *split;
    node *features, *from, *to, *a, *b, *linked;
    int32_t *messages[2], *ends[2];
    float *targets;
    size_t predicted; /* links of a step, and non-links */
    bool graph;
} network;

static status network_begin(network *n, arena *a, const proteins *p, const split *s, bool with_graph, uint64_t seed, error *err)
{
    TRY(fit_begin(&n->fit, a, weights, WEIGHTS, seed, err));
    graph *g = n->fit.graph;
    n->proteins = p;
    n->split = s;
    n->graph = with_graph;
    n->predicted = (size_t)(predicted * (double)(s->train[1].count < s->train[0].count ? s->train[1].count : s->train[0].count));
    int64_t rows = 2 * (int64_t)n->predicted, messages = (int64_t)s->messages;
    n->features = graph_input(g, "features", TYPE_F32, SHAPE((int64_t)p->count, PROTEIN_FEATURES));
    n->from = graph_input(g, "from", TYPE_I32, SHAPE(messages));
    n->to = graph_input(g, "to", TYPE_I32, SHAPE(messages));
    n->a = graph_input(g, "a", TYPE_I32, SHAPE(rows));
    n->b = graph_input(g, "b", TYPE_I32, SHAPE(rows));
    n->linked = graph_input(g, "linked", TYPE_F32, SHAPE(rows));
    for (int k = 0; k < 2; k++) {
        n->messages[k] = ARENA_ARRAY(a, int32_t, s->messages);
        n->ends[k] = ARENA_ARRAY(a, int32_t, (size_t)rows);
    }
    n->targets = ARENA_ARRAY(a, float, (size_t)rows);
    node *h = encoder(n->fit.nodes, n->features, n->from, n->to), *logits = head(n->fit.nodes, h, n->a, n->b);
    if (!n->messages[0] || !n->messages[1] || !n->ends[0] || !n->ends[1] || !n->targets || !logits)
        return no_memory(err);
    TRY(fit_compile(&n->fit, op_scale(op_sum_all(op_binary_cross_entropy(logits, n->linked)), 1 / (double)rows), err));
    plan_bind(n->fit.step_plan, n->a, n->ends[0]);
    plan_bind(n->fit.step_plan, n->b, n->ends[1]);
    plan_bind(n->fit.step_plan, n->linked, n->targets);
    return STATUS_OK;
}

static void bind_graph(network *n, plan *p)
{
    plan_bind(p, n->features, n->proteins->features);
    plan_bind(p, n->from, n->messages[0]);
    plan_bind(p, n->to, n->messages[1]);
}

/* Training link i sends its two messages, or none. */
static void set_messages(network *n, size_t i, bool sent)
{
    const pair_list *links = &n->split->train[1];
    bool there = sent && n->graph;
    n->messages[0][2 * i] = n->messages[1][2 * i + 1] = there ? links->a[i] : -1;
    n->messages[1][2 * i] = n->messages[0][2 * i + 1] = there ? links->b[i] : -1;
}

static void set_target(network *n, size_t at, int32_t a, int32_t b, bool linked)
{
    n->ends[0][at] = a;
    n->ends[1][at] = b;
    n->targets[at] = linked;
}

/* Ends of two training links that are none themselves. What is held out is not asked: it may come up here as a non-link. */
static void set_shuffled(network *n, size_t at)
{
    const pair_list *links = &n->split->train[1];
    for (int tries = 0; tries < 20; tries++) {
        int32_t a = links->a[order_u64(&n->fit.order) % links->count], b = links->b[order_u64(&n->fit.order) % links->count];
        const protein_pair *known = find_pair(n->proteins, a, b);
        if (a != b && !(known && known->linked && n->split->learnt[known - n->proteins->pairs])) {
            set_target(n, at, a, b, false);
            return;
        }
    } /* as good as every pair is a link: the file's non-link stays */
}

static status train(network *n, size_t steps, thread_pool *pool, error *err)
{
    const pair_list *lists = n->split->train;
    uint32_t *order[2];
    for (int kind = 0; kind < 2; kind++)
        if (!(order[kind] = ARENA_ARRAY(n->fit.arena, uint32_t, lists[kind].count)))
            return no_memory(err);
    bind_graph(n, n->fit.step_plan);
    for (size_t step = 0; step < steps; step++) {
        for (int kind = 0; kind < 2; kind++) {
            order_permute(&n->fit.order, order[kind], lists[kind].count);
            for (size_t k = 0; k < n->predicted; k++)
                set_target(n, (size_t)kind * n->predicted + k, lists[kind].a[order[kind][k]], lists[kind].b[order[kind][k]], kind);
        }
        for (size_t k = 0; k < n->predicted; k += 2)
            set_shuffled(n, k);
        for (size_t k = 0; k < lists[1].count; k++)
            set_messages(n, order[1][k], k >= n->predicted);
        float loss;
        double rate = 1e-2 * (0.5 + 0.5 * cos(3.14159265358979 * (double)step / (double)steps));
        TRY(fit_step(&n->fit, pool, rate, &loss, err));
    }
    for (size_t k = 0; k < lists[1].count; k++)
        set_messages(n, k, true);
    return STATUS_OK;
}

static status area_of(arena *a, const pair_list *l, const float *scores, double *out, error *err)
{
    double *wide = ARENA_ARRAY(a, double, l->count);
    roc_area area;
    if (!wide)
        return no_memory(err);
    for (size_t i = 0; i < l->count; i++)
        wide[i] = (double)scores[i];
    TRY(roc_area_of(wide, l->linked, l->count, 0.95, &area, err));
    *out = area.area;
    return STATUS_OK;
}

static status judge(network *n, const pair_list *l, thread_pool *pool, double *out, error *err)
{
    graph *g = n->fit.graph;
    node *a = graph_constant(g, TYPE_I32, SHAPE((int64_t)l->count), l->a), *b = graph_constant(g, TYPE_I32, SHAPE((int64_t)l->count), l->b);
    node *logits = head(n->fit.nodes, encoder(n->fit.nodes, n->features, n->from, n->to), a, b);
    plan *p;
    TRY(fit_plan(&n->fit, &logits, 1, &p, err));
    bind_graph(n, p);
    status s = plan_run(p, pool, err);
    if (s == STATUS_OK)
        s = area_of(n->fit.arena, l, plan_output(p, 0), out, err);
    plan_free(p);
    return s;
}

static status judge_degrees(arena *a, const split *s, const pair_list *l, double *out, error *err)
{
    float *scores = ARENA_ARRAY(a, float, l->count);
    if (!scores)
        return no_memory(err);
    for (size_t i = 0; i < l->count; i++)
        scores[i] = (s->degree[l->a[i]] + 1) * (s->degree[l->b[i]] + 1);
    return area_of(a, l, scores, out, err);
}

/* ---- a species, a seed ---- */
typedef struct options {
    size_t steps, seeds, threads;
    uint64_t seed;
    thread_pool *pool;
    progress *bar;
    size_t done;
} options;

static status run_seed(arena *a, const proteins *p, options *o, uint64_t seed, areas *out, error *err)
{
    split s;
    unsigned char digest[SHA256_BYTES];
    order_seed(NULL, 0, &seed, sizeof seed, digest);
    order_stream draws = order_stream_at(digest, "split");
    TRY(split_new(a, p, &draws, &s, err));
    for (int k = 0; k < AGAINST; k++)
        TRY(judge_degrees(a, &s, &s.test[k], &out->of[k][DEGREES], err));
    for (way w = NO_GRAPH; w <= GRAPH; w++) {
        network n = {0};
        status result = network_begin(&n, a, p, &s, w == GRAPH, seed, err);
        if (result == STATUS_OK)
            result = train(&n, o->steps, o->pool, err);
        for (int k = 0; k < AGAINST && result == STATUS_OK; k++)
            result = judge(&n, &s.test[k], o->pool, &out->of[k][w], err);
        fit_end(&n.fit);
        TRY(result);
        progress_update(o->bar, ++o->done, "%s", p->species);
    }
    return STATUS_OK;
}

static void say(const proteins *p, const areas *all, size_t seeds)
{
    printf("%s: %zu proteins (%s), %zu links, %zu non-links; %zu lines left out (twice there, or a protein with itself)\n", p->species, p->count,
           p->has_sequences ? "sequences" : "no sequences: random features", p->linked, p->pair_count - p->linked, p->dropped);
    for (int k = 0; k < AGAINST; k++) {
        printf("  %-28s", k == SHUFFLED ? "against shuffled ends" : "against the file's non-links");
        for (int w = 0; w < WAYS; w++) {
            static const char *const names[WAYS] = {"degrees", "no messages", "graph"};
            double sum = 0, low = 2, high = -1;
            for (size_t i = 0; i < seeds; i++) {
                double one = all[i].of[k][w];
                sum += one / (double)seeds;
                low = fmin(low, one);
                high = fmax(high, one);
            }
            printf("  %s %.3f (%.3f to %.3f)", names[w], sum, low, high);
        }
        printf("\n");
    }
}

static status run(arena *a, const char *folder, const char *const *species, size_t count, options *o, error *err)
{
    double begun = clock_seconds();
    areas *all = ARENA_ARRAY(a, areas, o->seeds);
    if (!all || !o->seeds || !o->steps)
        return error_set(err, STATUS_USAGE, "expected at least one seed and one step");
    if (!count)
        TRY(proteins_species(a, folder, (const char ***)&species, &count, err));
    TRY(thread_pool_new(o->threads, &o->pool, err));
    o->bar = progress_new("proteins", count * o->seeds * 2, PROGRESS_AUTO);
    printf("area under the ROC curve on held-out pairs: mean (range) of seeds %llu to %llu, %zu steps\n", (unsigned long long)o->seed,
           (unsigned long long)(o->seed + o->seeds - 1), o->steps);
    status s = STATUS_OK;
    for (size_t i = 0; i < count && s == STATUS_OK; i++) {
        arena *one = arena_new(a);
        proteins p = {0};
        s = one ? proteins_read(one, folder, species[i], &p, err) : no_memory(err);
        for (size_t k = 0; k < o->seeds && s == STATUS_OK; k++)
            s = run_seed(one, &p, o, o->seed + k, &all[k], err);
        if (s == STATUS_OK)
            say(&p, all, o->seeds);
        arena_free(one);
    }
    progress_free(o->bar);
    thread_pool_free(o->pool);
    if (s == STATUS_OK)
        printf("%.1f s\n", clock_seconds() - begun);
    return s;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s FOLDER [STEPS [SEED [SEEDS [THREADS [SPECIES...]]]]]\n", argv[0]);
        return 2;
    }
    error err = {0};
    arena *a = arena_new(NULL);
    options o = {.steps = argc > 2 ? strtoul(argv[2], NULL, 10) : 120, .seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1,
                 .seeds = argc > 4 ? strtoul(argv[4], NULL, 10) : 3, .threads = argc > 5 ? strtoul(argv[5], NULL, 10) : 0};
    status s = a ? run(a, argv[1], argc > 6 ? (const char *const *)argv + 6 : NULL, argc > 6 ? (size_t)argc - 6 : 0, &o, &err) : STATUS_MEMORY;
    arena_free(a);
    if (s != STATUS_OK)
        fprintf(stderr, "proteins: %s\n", err.message);
    return s == STATUS_OK ? 0 : 1;
}
