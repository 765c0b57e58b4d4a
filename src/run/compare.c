/* Two runs, paired by item: shares of every verdict in every group, and means where items have numbers. */
#include "run/run.h"

#include "core/hash.h"
#include "core/jsonio.h"
#include "stats/bootstrap.h"
#include "stats/multiple.h"
#include "stats/permutation.h"
#include "stats/proportion.h"

#include <math.h>

typedef struct paired_item {
    const char *group, *id, *verdict, *cluster; /* cluster: NULL: none */
    double value;                               /* NaN: none */
} paired_item;

typedef struct paired_list {
    arena *arena;
    paired_item *items;
    size_t count, capacity;
} paired_list;

static status add_item(void *context, const store_sample *x, error *err)
{
    paired_list *l = context;
    json_t *record;
    if (x->code != STATUS_OK)
        return STATUS_OK;
    TRY(jsonio_parse(slice_of(x->record), "stored record", &record, err));
    const char *group = json_string_value(json_object_get(record, "group"));
    const char *id = json_string_value(json_object_get(record, "id"));
    const char *verdict = json_string_value(json_object_get(record, "verdict"));
    const char *cluster = json_string_value(json_object_get(record, "cluster"));
    const json_t *value = json_object_get(record, "value");
    if (id && verdict) {
        if (l->count == l->capacity) {
            l->items = arena_regrow(l->arena, l->items, l->count, l->capacity * 2 + 256, sizeof *l->items);
            l->capacity = l->items ? l->capacity * 2 + 256 : 0;
        }
        if (l->items)
            l->items[l->count++] = (paired_item){arena_strdup(l->arena, group ? group : "all"), arena_strdup(l->arena, id),
                                                 arena_strdup(l->arena, verdict), cluster ? arena_strdup(l->arena, cluster) : NULL,
                                                 json_is_number(value) ? json_number_value(value) : NAN};
    }
    json_decref(record);
    return l->items || !id || !verdict ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory while comparing");
}

static int by_key(const void *a, const void *b)
{
    const paired_item *x = a, *y = b;
    int group = strcmp(x->group, y->group);
    return group ? group : strcmp(x->id, y->id);
}

/* One item in both runs. */
typedef struct pair {
    const char *group, *a, *b; /* verdicts */
    const char *cluster;
    double x, y;               /* numbers; NaN: none */
} pair;

typedef struct pairs {
    pair *items;
    size_t count, only_a, only_b;
} pairs;

static status make_pairs(arena *a, paired_list *x, paired_list *y, pairs *out, error *err)
{
    if (x->count == 0 || y->count == 0) {
        error_set(err, STATUS_INVALID, "the records of run %s name no items with verdicts", x->count ? "B" : "A");
        return STATUS_INVALID;
    }
    qsort(x->items, x->count, sizeof *x->items, by_key);
    qsort(y->items, y->count, sizeof *y->items, by_key);
    out->items = ARENA_ARRAY(a, pair, x->count + 1);
    if (!out->items)
        return error_set(err, STATUS_MEMORY, "out of memory while comparing");
    for (size_t i = 0, k = 0; i < x->count || k < y->count;) {
        int order = i == x->count ? 1 : k == y->count ? -1 : by_key(&x->items[i], &y->items[k]);
        if (order == 0)
            out->items[out->count++] = (pair){x->items[i].group, x->items[i].verdict, y->items[k].verdict, x->items[i].cluster, x->items[i].value,
                                             y->items[k].value};
        out->only_a += order < 0;
        out->only_b += order > 0;
        i += order <= 0;
        k += order >= 0;
    }
    if (out->count == 0)
        return error_set(err, STATUS_INVALID, "the two runs share no item");
    return STATUS_OK;
}

static json_t *row_of(const pair *items, size_t count, const char *verdict)
{
    uint64_t in_a = 0, in_b = 0, both = 0;
    for (size_t i = 0; i < count; i++) {
        bool a = strcmp(items[i].a, verdict) == 0, b = strcmp(items[i].b, verdict) == 0;
        in_a += a;
        in_b += b;
        both += a && b;
    }
    double n = (double)count, share_a = (double)in_a / n, share_b = (double)in_b / n;
    interval limits = paired_difference((double)in_b, (double)in_a, (double)both, n, .95);
    return json_pack("{s:s, s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:f}", "group", items[0].group, "verdict", verdict,
                     "n", (json_int_t)count, "a", share_a, "b", share_b, "difference", share_b - share_a, "low", limits.low,
                     "high", limits.high, "only_a", (json_int_t)(in_a - both), "only_b", (json_int_t)(in_b - both), "p",
                     mcnemar_exact(in_a - both, in_b - both));
}

/* One row for each verdict that occurs among the items of a group. */
static void add_group(json_t *rows, const pair *items, size_t count)
{
    json_t *done = json_object();
    for (size_t i = 0; i < count; i++) {
        const char *verdicts[] = {items[i].a, items[i].b};
        for (size_t k = 0; k < 2; k++) {
            if (json_object_get(done, verdicts[k]))
                continue;
            json_object_set_new(done, verdicts[k], json_true());
            json_array_append_new(rows, row_of(items, count, verdicts[k]));
        }
    }
    json_decref(done);
}

/* ---- means ------------------------------------------------------------------------------------------------------ */

/* Differences of the items of a group that have a number in both runs; items of one cluster hang together. */
typedef struct differences {
    double *values, *sums; /* of items, and of clusters */
    size_t *clusters;
    size_t count, cluster_count;
    double a, b;           /* means */
    bool graded;           /* some number is neither 0 nor 1: shares of verdicts do not say it all */
} differences;

typedef struct named {
    uint64_t cluster;
    size_t item;
} named;

static int by_cluster(const void *a, const void *b)
{
    const named *x = a, *y = b;
    if (x->cluster != y->cluster)
        return x->cluster < y->cluster ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item);
}

static status differences_of(arena *a, const pair *items, size_t count, differences *d, error *err)
{
    named *names = ARENA_ARRAY(a, named, count + 1);
    *d = (differences){.values = ARENA_ARRAY(a, double, count + 1), .sums = ARENA_ARRAY(a, double, count + 1),
                       .clusters = ARENA_ARRAY(a, size_t, count + 1)};
    if (!names || !d->values || !d->sums || !d->clusters)
        return error_set(err, STATUS_MEMORY, "out of memory while comparing");
    for (size_t i = 0; i < count; i++) {
        double x = items[i].x, y = items[i].y;
        if (!isfinite(x) || !isfinite(y))
            continue;
        d->graded = d->graded || (x != 0 && x != 1) || (y != 0 && y != 1);
        d->a += x;
        d->b += y;
        names[d->count] = (named){items[i].cluster ? hash64(items[i].cluster, strlen(items[i].cluster), 0) : (uint64_t)i, d->count};
        d->values[d->count++] = y - x;
    }
    qsort(names, d->count, sizeof *names, by_cluster);
    for (size_t i = 0; i < d->count; i++) {
        d->cluster_count += i == 0 || names[i].cluster != names[i - 1].cluster;
        d->clusters[names[i].item] = d->cluster_count - 1;
        d->sums[d->cluster_count - 1] += d->values[names[i].item];
    }
    d->a /= (double)d->count;
    d->b /= (double)d->count;
    return STATUS_OK;
}

static double mean_difference(const void *context, const size_t *picks, size_t count)
{
    const differences *d = context;
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += d->values[picks[i]];
    return sum / (double)count;
}

/* A row where a group has numbers that verdicts do not say: limits by a bootstrap over items or clusters, p by turning the signs of
 * their differences. */
static status add_mean(arena *a, json_t *means, const pair *items, size_t count, uint64_t seed, error *err)
{
    differences d;
    interval limits;
    permutation_result test;
    TRY(differences_of(a, items, count, &d, err));
    if (!d.graded)
        return STATUS_OK;
    bootstrap b = {.items = d.count, .clusters = d.clusters, .seed = seed, .purpose = "compare/mean"};
    TRY(bootstrap_interval(&b, mean_difference, &d, &limits, err));
    TRY(permutation_paired(d.sums, d.cluster_count, &(permutation_options){.seed = seed, .purpose = "compare/signs"}, &test, err));
    if (d.cluster_count < 2) /* one item, or items that all hang together, show no spread */
        limits = (interval){NAN, NAN};
    json_array_append_new(means, json_pack("{s:s, s:I, s:I, s:f, s:f, s:f, s:o, s:o, s:f}", "group", items[0].group, "n", (json_int_t)d.count,
                                           "clusters", (json_int_t)d.cluster_count, "a", d.a, "b", d.b, "difference", d.b - d.a, "low",
                                           jsonio_number(limits.low), "high", jsonio_number(limits.high), "p", test.p));
    return STATUS_OK;
}

/* ---- all rows --------------------------------------------------------------------------------------------------- */

/* Holm's adjustment over the rows of both lists together. */
static status adjust(arena *a, json_t *rows, json_t *means, error *err)
{
    size_t shares = json_array_size(rows), count = shares + json_array_size(means);
    double *p = ARENA_ARRAY(a, double, count + 1), *adjusted = ARENA_ARRAY(a, double, count + 1);
    if (!p || !adjusted)
        return error_set(err, STATUS_MEMORY, "out of memory while comparing");
    for (size_t i = 0; i < count; i++)
        p[i] = json_number_value(json_object_get(i < shares ? json_array_get(rows, i) : json_array_get(means, i - shares), "p"));
    if (!holm(p, count, adjusted))
        return error_set(err, STATUS_MEMORY, "out of memory while comparing");
    for (size_t i = 0; i < count; i++)
        json_object_set_new(i < shares ? json_array_get(rows, i) : json_array_get(means, i - shares), "p_holm", json_real(adjusted[i]));
    return STATUS_OK;
}

static json_t *side(const store_run *r)
{
    return json_pack("{s:I, s:s, s:I}", "run", (json_int_t)r->id, "subject", r->subject, "seed", (json_int_t)r->seed);
}

status run_compare_stores(store *s, int64_t first, store *t, int64_t second, arena *a, json_t **out, error *err)
{
    store_run x, y;
    paired_list of_a = {.arena = a}, of_b = {.arena = a};
    pairs shared = {0};
    TRY(store_run_get(s, a, first, &x, err));
    TRY(store_run_get(t, a, second, &y, err));
    if (strcmp(x.study, y.study) != 0)
        return error_set(err, STATUS_USAGE, "run %lld is of the study %s, run %lld of %s", (long long)first, x.study,
                         (long long)second, y.study);
    TRY(store_sample_each(s, first, false, add_item, &of_a, err));
    TRY(store_sample_each(t, second, false, add_item, &of_b, err));
    TRY(make_pairs(a, &of_a, &of_b, &shared, err));
    json_t *rows = json_array(), *means = json_array();
    status result = STATUS_OK;
    for (size_t i = 0, end; i < shared.count && result == STATUS_OK; i = end) {
        for (end = i; end < shared.count && strcmp(shared.items[i].group, shared.items[end].group) == 0;)
            end++;
        add_group(rows, &shared.items[i], end - i);
        result = add_mean(a, means, &shared.items[i], end - i, (uint64_t)x.seed, err);
    }
    if (result == STATUS_OK)
        result = adjust(a, rows, means, err);
    if (result != STATUS_OK) {
        json_decref(rows);
        json_decref(means);
        return result;
    }
    *out = json_pack("{s:s, s:o, s:o, s:I, s:I, s:I, s:o, s:o}", "study", x.study, "a", side(&x), "b", side(&y), "shared",
                     (json_int_t)shared.count, "only_a", (json_int_t)shared.only_a, "only_b", (json_int_t)shared.only_b,
                     "rows", rows, "means", means);
    return *out ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory while comparing");
}

status run_compare(store *s, arena *a, int64_t first, int64_t second, json_t **out, error *err)
{
    return run_compare_stores(s, first, s, second, a, out, err);
}
