/* The study of sketches: error against space, on streams of every sort, for every kind of sketch at equal words. It asks nobody. */
#include "studies/sketches/sketches.h"

#include "core/jsonio.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const param_spec params[] = {
    {.name = "length", .type = PARAM_INT, .least = 1000, .most = 1e8, .fallback = "200000", .value = "N", .help = "numbers of each made stream"},
    {.name = "repeats", .type = PARAM_INT, .least = 1, .most = 10000, .fallback = "20", .value = "N", .help = "seeds of each stream and its sketches"},
    {.name = "words", .type = PARAM_STRING, .fallback = "100,200,400,800", .value = "LIST", .help = "words of 8 bytes that a sketch may keep"},
    {.name = "streams", .type = PARAM_STRING, .fallback = "all", .value = "LIST",
     .help = "families: smooth, real, adversarial, ordered, ties; or all"},
    {.name = "file", .type = PARAM_STRING, .repeats = true, .value = "PATH[#COLUMN]",
     .help = "a real stream: a number a line, or a column of a CSV file; .gz too; taken as it is, shuffled and sorted"},
    {.name = "shards", .type = PARAM_INT, .least = 2, .most = 4096, .fallback = "64", .value = "N",
     .help = "the stream is also read in so many parts, whose sketches are merged"},
};

const sketch_method sketch_methods[] = {
    {"kll", {.kind = SKETCH_KLL}},
    {"kll, paired coins", {.kind = SKETCH_KLL, .paired = true}},
    {"linear", {.kind = SKETCH_LINEAR}},
    {"cubic", {.kind = SKETCH_CUBIC}},
    {"knots", {.kind = SKETCH_KNOTS}},
    {"knots, unguarded", {.kind = SKETCH_KNOTS, .unguarded = true}},
    {"spline", {.kind = SKETCH_SPLINE}},
    {"spline, unguarded", {.kind = SKETCH_SPLINE, .unguarded = true}},
    {"t-digest K0", {.kind = SKETCH_TDIGEST, .scale = SKETCH_K0, .points = 1}},
    {"t-digest K1", {.kind = SKETCH_TDIGEST, .scale = SKETCH_K1, .points = 1}},
    {"t-digest K2", {.kind = SKETCH_TDIGEST, .scale = SKETCH_K2, .points = 1}},
    {"t-digest K3", {.kind = SKETCH_TDIGEST, .scale = SKETCH_K3, .points = 1}},
};
const size_t sketch_method_count = COUNT_OF(sketch_methods);

/* ---- equal words -------------------------------------------------------------------------------------------------- */

/* What a KLL sketch of n numbers keeps does not depend on the numbers. */
static status words_of_k(unsigned k, size_t n, size_t *words, error *err)
{
    enum { PART = 4096 };
    double part[PART];
    sketch *s;
    for (size_t i = 0; i < PART; i++)
        part[i] = (double)i;
    TRY(sketch_new(&(sketch_options){.kind = SKETCH_KLL, .k = k}, &s, err));
    status result = STATUS_OK;
    for (size_t left = n; left && result == STATUS_OK; left -= left < PART ? left : PART)
        result = sketch_update_many(s, part, left < PART ? left : PART, err);
    *words = sketch_words(s);
    sketch_free(s);
    return result;
}

status sketches_largest_k(size_t words, size_t n, unsigned *k, error *err)
{
    unsigned low = SKETCH_LEAST_K, high = SKETCH_MOST_K;
    size_t needs;
    TRY(words_of_k(low, n, &needs, err));
    if (needs > words)
        return error_set(err, STATUS_USAGE, "a KLL sketch of %zu numbers keeps at least %zu words, more than %zu", n, needs, words);
    high = words < high ? (unsigned)words : high; /* each k needs more words than k */
    while (low + 1 < high) {
        unsigned middle = low + (high - low) / 2;
        TRY(words_of_k(middle, n, &needs, err));
        if (needs <= words)
            low = middle;
        else
            high = middle;
    }
    *k = low;
    return STATUS_OK;
}

static status find_widths(study_run *run, sketches_data *data, error *err)
{
    data->k = arena_array(run->arena, data->stream_count, sizeof *data->k);
    if (!data->k)
        return error_set(err, STATUS_MEMORY, "out of memory for the streams");
    for (size_t i = 0; i < data->stream_count; i++)
        for (size_t w = 0; w < data->size_count; w++) {
            if (i && data->streams[i].count == data->streams[i - 1].count)
                data->k[i][w] = data->k[i - 1][w];
            else
                TRY(sketches_largest_k(data->sizes[w], data->streams[i].count, &data->k[i][w], err));
        }
    return STATUS_OK;
}

static sketch_options options_for(const sketch_method *m, size_t words, unsigned k, uint64_t seed)
{
    sketch_options o = m->options;
    o.words = words;
    o.k = k;
    o.seed = seed;
    o.compression = 10;
    for (double d = 10; 2 * (ceil(d) + 10) + ceil(o.points * d) + 8 <= (double)words; d++)
        o.compression = d;
    return o;
}

/* ---- items -------------------------------------------------------------------------------------------------------- */

static status read_sizes(const char *text, sketches_data *data, error *err)
{
    slice rest = slice_of(text), part;
    while (slice_cut(&rest, ',', &part)) {
        int64_t words;
        if (!slice_to_int(slice_trim(part), &words) || words < 88 || words > SKETCH_MOST_WORDS || data->size_count == SKETCHES_SIZES)
            return error_set(err, STATUS_USAGE, "--words: expected up to %d numbers from 88 to %d separated by commas, found \"%s\"",
                             SKETCHES_SIZES, SKETCH_MOST_WORDS, text);
        data->sizes[data->size_count++] = (size_t)words;
    }
    return STATUS_OK;
}

static status prepare(study_run *run, error *err)
{
    const param_values *p = run->params;
    sketches_data *data = ARENA_NEW(run->arena, sketches_data);
    if (!data)
        return error_set(err, STATUS_MEMORY, "out of memory for the streams");
    TRY(read_sizes(param_string(p, "words"), data, err));
    TRY(streams_open(run->arena, param_string(p, "streams"), p, (size_t)param_int(p, "length"), &data->streams, &data->stream_count,
                     &run->identity, err));
    TRY(find_widths(run, data, err));
    data->repeats = (size_t)param_int(p, "repeats");
    data->shards = (size_t)param_int(p, "shards");
    run->data = data;
    run->sample_count = data->stream_count * data->repeats;
    return STATUS_OK;
}

static status plan(const study_run *run, study_plan *out, error *err)
{
    (void)run, (void)err;
    *out = (study_plan){.detectable = NAN};
    return STATUS_OK;
}

/* ---- one stream --------------------------------------------------------------------------------------------------- */

typedef struct truth {
    const double *x;  /* as it comes */
    double *sorted;
    size_t n;
} truth;

static size_t rank_of(const truth *t, double q)
{
    size_t from = 0, to = t->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (t->sorted[middle] <= q)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

typedef struct reading {
    double mean, most, tail, mass, quantile;
} reading;

/* Ranks at every distinct value; the tail error is relative to the smaller side, where that has at least 10 numbers. */
static status read_ranks(sketch *s, const truth *t, double *values, double *ranks, reading *out, error *err)
{
    size_t distinct = 0, n = t->n;
    for (size_t i = 0; i < n; i++)
        if (i + 1 == n || t->sorted[i + 1] != t->sorted[i])
            values[distinct++] = t->sorted[i];
    TRY(sketch_ranks(s, values, distinct, true, ranks, err));
    double sum = 0;
    for (size_t i = 0, j = 0, d = 0; i < n; i = j, d++) {
        while (j < n && t->sorted[j] == t->sorted[i])
            j++;
        double e = fabs(ranks[d] - (double)j / (double)n), side = (double)(j < n - j ? j : n - j);
        sum += e * (double)(j - i);
        out->most = fmax(out->most, e);
        if (side >= 10)
            out->tail = fmax(out->tail, e * (double)n / side);
    }
    out->mean = sum / (double)n;
    return STATUS_OK;
}

/* The largest error of the mass of 20 bins that hold about equally many. */
static status read_masses(sketch *s, const truth *t, reading *out, error *err)
{
    double splits[SKETCHES_BINS], shares[SKETCHES_BINS + 1], before = 0, told = 0;
    size_t count = 0;
    for (size_t b = 1; b < SKETCHES_BINS; b++) {
        double v = t->sorted[t->n * b / SKETCHES_BINS];
        if (count == 0 || v > splits[count - 1])
            splits[count++] = v;
    }
    TRY(sketch_cdf(s, splits, count, true, shares, err));
    for (size_t i = 0; i <= count; i++) {
        double true_share = i < count ? (double)rank_of(t, splits[i]) / (double)t->n : 1;
        out->mass = fmax(out->mass, fabs((shares[i] - told) - (true_share - before)));
        before = true_share;
        told = shares[i];
    }
    return STATUS_OK;
}

/* How far the ranks of the quantiles are from what they should be; a value that many numbers have covers a range of ranks. */
static status read_quantiles(sketch *s, const truth *t, reading *out, error *err)
{
    static const double phi[] = {.01, .1, .5, .9, .99, .999};
    double values[COUNT_OF(phi)], sum = 0;
    TRY(sketch_quantiles(s, phi, COUNT_OF(phi), true, values, err));
    for (size_t i = 0; i < COUNT_OF(phi); i++) {
        double target = phi[i] * (double)t->n, high = (double)rank_of(t, values[i]);
        double low = (double)rank_of(t, nextafter(values[i], -INFINITY));
        sum += target > high ? target - high : target < low ? low - target : 0;
    }
    out->quantile = sum / (double)COUNT_OF(phi) / (double)t->n;
    return STATUS_OK;
}

static status merged(const sketch_options *o, const truth *t, size_t shards, sketch **out, error *err)
{
    sketch_options part = *o;
    status result = sketch_new(&part, out, err);
    size_t from = 0;
    for (size_t i = 0; i < shards && result == STATUS_OK; i++) {
        sketch *s;
        size_t to = t->n * (i + 1) / shards;
        part.seed = o->seed + 1000003 * (i + 1);
        result = sketch_new(&part, &s, err);
        if (result != STATUS_OK)
            break;
        result = sketch_update_many(s, t->x + from, to - from, err);
        if (result == STATUS_OK)
            result = sketch_merge(*out, s, err);
        sketch_free(s);
        from = to;
    }
    return result;
}

/* One method at one size: read at once, and in shards. */
static status measure(study_sample *s, const sketch_method *m, size_t size, const truth *t, double *scratch, error *err)
{
    const sketches_data *data = s->run->data;
    size_t words = data->sizes[size];
    sketch_options o = options_for(m, words, data->k[s->index / data->repeats][size], s->run->seed + 7919 * (1 + s->index % data->repeats));
    sketch *one = NULL, *many = NULL;
    reading r = {0}, whole = {0};
    status result = sketch_new(&o, &one, err);
    if (result == STATUS_OK)
        result = sketch_update_many(one, t->x, t->n, err);
    if (result == STATUS_OK)
        result = read_ranks(one, t, scratch, scratch + t->n, &r, err);
    if (result == STATUS_OK)
        result = read_masses(one, t, &r, err);
    if (result == STATUS_OK)
        result = read_quantiles(one, t, &r, err);
    if (result == STATUS_OK)
        result = merged(&o, t, data->shards, &many, err);
    if (result == STATUS_OK)
        result = read_ranks(many, t, scratch, scratch + t->n, &whole, err);
    strbuf bytes = strbuf_new(NULL, 1 << 28);
    if (result == STATUS_OK)
        result = sketch_save(one, &bytes, err);
    if (result == STATUS_OK) {
        json_t *row = json_pack("{s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "method", m->name, "size", (json_int_t)words, "words",
                                (json_int_t)sketch_words(one), "bytes", (json_int_t)bytes.length, "mean", r.mean, "most", r.most, "tail", r.tail,
                                "mass", r.mass, "quantile", r.quantile, "merged_mean", whole.mean, "merged_most", whole.most);
        json_array_append_new(json_object_get(s->record, "rows"), row);
    }
    strbuf_free(&bytes);
    sketch_free(one);
    sketch_free(many);
    return result;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static status run_sample(study_sample *s, error *err)
{
    const sketches_data *data = s->run->data;
    const stream *from = &data->streams[s->index / data->repeats];
    size_t n = from->count;
    double *x = memory_alloc(4 * n * sizeof *x);
    if (!x)
        return error_set(err, STATUS_MEMORY, "out of memory for a stream of %zu numbers", n);
    stream_fill(from, s->run->seed, s->index % data->repeats, x);
    truth t = {x, x + n, n};
    memcpy(t.sorted, x, n * sizeof *x);
    qsort(t.sorted, n, sizeof *x, by_value);
    json_object_set_new(s->record, "group", json_string(from->name));
    json_object_set_new(s->record, "family", json_string(stream_family_names[from->family]));
    json_object_set_new(s->record, "repeat", json_integer((json_int_t)(s->index % data->repeats)));
    json_object_set_new(s->record, "rows", json_array());
    status result = STATUS_OK;
    for (size_t i = 0; i < data->size_count; i++)
        for (size_t m = 0; m < sketch_method_count && result == STATUS_OK; m++) {
            if (s->run->interrupt && atomic_load(s->run->interrupt))
                result = error_set(err, STATUS_INTERRUPTED, "interrupted");
            else
                result = measure(s, &sketch_methods[m], i, &t, x + 2 * n, err);
        }
    memory_free(x);
    return result;
}

const study sketches_study = {
    .name = "sketches",
    .title = "Sketches: quantiles of a stream, error against space",
    .paper = "Schiefer, Chen, Indyk, Narayanan, Silwal, Wagner, \"Learned Interpolation for Better Streaming Quantile Approximation with "
             "Worst-Case Guarantees\", arXiv 2304.07652; Karnin, Lang, Liberty, arXiv 1603.05346; Dunning, Ertl, arXiv 1902.04023",
    .about = "Every kind of quantile sketch reads the same streams with the same number of words: smooth, real, adversarial, sorted and "
             "shuffled ones, and ones with many ties. The error of ranks is measured at every value, over seeds, read at once and merged "
             "from shards.",
    .params = params,
    .param_count = COUNT_OF(params),
    .prepare = prepare,
    .plan = plan,
    .run_sample = run_sample,
    .summarise = sketches_summarise,
    .figures = sketches_figures,
};
