#include "studies/sketches/streams.h"

#include "core/csv.h"
#include "core/file.h"
#include "core/hash.h"
#include "core/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_LIMIT = 1 << 30 };

const char *const stream_family_names[STREAM_FAMILIES + 1] = {"smooth", "real", "adversarial", "ordered", "ties", NULL};

/* ---- made streams ------------------------------------------------------------------------------------------------ */

static double uniform(random_stream *r, size_t i, size_t n)
{
    (void)i, (void)n;
    return random_uniform(r);
}

static double normal(random_stream *r, size_t i, size_t n)
{
    (void)i, (void)n;
    return random_normal(r);
}

static double lognormal(random_stream *r, size_t i, size_t n)
{
    (void)i, (void)n;
    return exp(2 * random_normal(r));
}

static double four_normals(random_stream *r, size_t i, size_t n)
{
    (void)i, (void)n;
    return random_normal(r) + 20 * (double)random_below(r, 4);
}

/* Magnitudes over 900 binary orders, either sign. */
static double scales(random_stream *r, size_t i, size_t n)
{
    (void)i, (void)n;
    return (random_below(r, 2) ? 1 : -1) * exp2(900 * (random_uniform(r) - .5));
}

/* A Cantor set: clusters within clusters, twelve deep, with nothing between them at any scale. */
static double clusters(random_stream *r, size_t i, size_t n)
{
    (void)i, (void)n;
    double x = 0, scale = 1;
    for (int digit = 0; digit < 12; digit++)
        x += (scale /= 16) * 15 * (double)random_below(r, 2);
    return x;
}

/* 2000 spikes of width 10^-9, their places over 40 binary orders: which is known only when values have come. */
static double spikes(random_stream *r, size_t i, size_t n)
{
    (void)i, (void)n;
    random_stream place = random_stream_at(random_below(r, 2000), "sketches/spike", r->key[0], 0, 0, 0);
    double x = random_uniform(&place) * exp2(-40 * random_uniform(&place));
    return x * (1 + 1e-9 * random_uniform(r));
}

/* Each block of 1/400 lies within a part of the range of the one before it: what was last a gap between knots is where all comes now. */
static double nested(random_stream *r, size_t i, size_t n)
{
    double part = floor(400 * (double)i / (double)n);
    return exp2(-.9 * part) * (random_uniform(r) - .37);
}

/* Far left, far right, and nearer with every step. */
static double closing(random_stream *r, size_t i, size_t n)
{
    (void)r;
    double far = (double)(n - i);
    return i & 1 ? far * far : -far * far;
}

static double rising(random_stream *r, size_t i, size_t n)
{
    (void)r;
    return exp(8 * (double)i / (double)n);
}

static double falling(random_stream *r, size_t i, size_t n)
{
    return rising(r, n - i, n);
}

static double drifting(random_stream *r, size_t i, size_t n)
{
    return random_normal(r) + 100 * (double)i / (double)n;
}

static double ten_values(random_stream *r, size_t i, size_t n)
{
    (void)i, (void)n;
    return (double)random_below(r, 10);
}

/* Counts with a long tail: about 600 different ones, the small ones often. */
static double counts(random_stream *r, size_t i, size_t n)
{
    (void)i, (void)n;
    return floor(-60 * log(1 - random_uniform(r)));
}

static const struct {
    const char *name;
    stream_family family;
    double (*draw)(random_stream *r, size_t i, size_t n);
} made[] = {
    {"uniform", STREAM_SMOOTH, uniform},
    {"normal", STREAM_SMOOTH, normal},
    {"lognormal", STREAM_SMOOTH, lognormal},
    {"four normals", STREAM_SMOOTH, four_normals},
    {"scales", STREAM_ADVERSARIAL, scales},
    {"clusters", STREAM_ADVERSARIAL, clusters},
    {"spikes", STREAM_ADVERSARIAL, spikes},
    {"nested", STREAM_ADVERSARIAL, nested},
    {"closing", STREAM_ADVERSARIAL, closing},
    {"rising", STREAM_ORDERED, rising},
    {"falling", STREAM_ORDERED, falling},
    {"drifting", STREAM_ORDERED, drifting},
    {"ten values", STREAM_TIES, ten_values},
    {"counts", STREAM_TIES, counts},
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void stream_fill(const stream *s, uint64_t seed, uint64_t repeat, double *x)
{
    random_stream r = random_stream_at(seed, "sketches/stream", hash64(s->name, strlen(s->name), 0), repeat, 0, 0);
    if (!s->values) {
        for (size_t i = 0; i < s->count; i++)
            x[i] = made[s->made].draw(&r, i, s->count);
        return;
    }
    memcpy(x, s->values, s->count * sizeof *x);
    if (s->order == ORDER_SHUFFLED)
        random_shuffle(&r, x, s->count, sizeof *x);
    if (s->order == ORDER_SORTED)
        qsort(x, s->count, sizeof *x, by_value);
}

/* ---- files -------------------------------------------------------------------------------------------------------- */

typedef struct numbers {
    double *values;
    size_t count, capacity;
} numbers;

static status add(arena *a, numbers *n, double x, error *err)
{
    if (n->count == n->capacity) {
        n->capacity = n->capacity ? 2 * n->capacity : 1 << 16;
        n->values = arena_regrow(a, n->values, n->count, n->capacity, sizeof *n->values);
        if (!n->values)
            return error_set(err, STATUS_MEMORY, "out of memory for %zu numbers", n->capacity);
    }
    n->values[n->count++] = x;
    return STATUS_OK;
}

/* Cells that say that a value is missing are passed over. */
static status add_cell(arena *a, numbers *n, slice cell, const char *name, size_t line, error *err)
{
    double x;
    cell = slice_trim(cell);
    if (cell.length == 0 || slice_is(cell, "NA") || slice_is(cell, "nan") || slice_is(cell, "NaN"))
        return STATUS_OK;
    if (!slice_to_double(cell, &x) || isnan(x))
        return error_set(err, STATUS_INVALID, "%s:%zu: expected a number, found \"" SLICE_FORMAT "\"", name, line,
                         (int)(cell.length < 40 ? cell.length : 40), cell.text);
    return add(a, n, x, err);
}

static status read_lines(arena *a, slice text, const char *name, numbers *out, error *err)
{
    slice part;
    for (size_t line = 1; slice_cut(&text, '\n', &part); line++)
        TRY(add_cell(a, out, part, name, line, err));
    return STATUS_OK;
}

static status read_column(arena *a, slice text, const char *name, const char *column, numbers *out, error *err)
{
    csv_reader reader = csv_open(text, ',', name);
    csv_record record;
    bool more;
    size_t place = 0;
    arena *scratch = arena_new(NULL);
    status result = scratch ? csv_next(&reader, scratch, &record, &more, err) : error_set(err, STATUS_MEMORY, "%s: out of memory", name);
    while (result == STATUS_OK && more && place < record.count && !slice_is(slice_trim(record.fields[place]), column))
        place++;
    if (result == STATUS_OK && (!more || place == record.count))
        result = error_set(err, STATUS_INVALID, "%s: no column '%s' in the first line", name, column);
    while (result == STATUS_OK) {
        arena_reset(scratch);
        result = csv_next(&reader, scratch, &record, &more, err);
        if (result != STATUS_OK || !more)
            break;
        result = place < record.count ? add_cell(a, out, record.fields[place], name, record.line, err)
                                      : error_set(err, STATUS_INVALID, "%s:%zu: a line of %zu fields", name, record.line, record.count);
    }
    arena_free(scratch);
    return result;
}

static status read_file(arena *a, const char *word, const char **name, numbers *out, sha256 *hash, error *err)
{
    const char *hash_sign = strrchr(word, '#');
    const char *path = hash_sign ? arena_strndup(a, word, (size_t)(hash_sign - word)) : word;
    const char *slash = strrchr(word, '/');
    slice text;
    if (!path)
        return error_set(err, STATUS_MEMORY, "out of memory");
    arena *scratch = arena_new(NULL);
    status result = file_read_gz(scratch, path, FILE_LIMIT, &text, err);
    if (result == STATUS_OK)
        result = hash_sign ? read_column(a, text, path, hash_sign + 1, out, err) : read_lines(a, text, path, out, err);
    arena_free(scratch);
    if (result == STATUS_OK && out->count < 100)
        result = error_set(err, STATUS_INVALID, "%s: a stream needs at least 100 numbers, found %zu", word, out->count);
    if (result == STATUS_OK)
        sha256_add(hash, out->values, out->count * sizeof *out->values);
    *name = hash_sign ? hash_sign + 1 : slash ? slash + 1 : word;
    return result;
}

/* ---- all of them --------------------------------------------------------------------------------------------------- */

static status wanted_families(const char *words, bool wanted[STREAM_FAMILIES], error *err)
{
    slice rest = slice_of(words), part;
    while (slice_cut(&rest, ',', &part)) {
        bool known = false;
        part = slice_trim(part);
        for (int f = 0; f < STREAM_FAMILIES; f++)
            if (slice_is(part, "all") || slice_is(part, stream_family_names[f]))
                wanted[f] = known = true;
        if (!known) {
            error_set(err, STATUS_USAGE, "--streams: no family \"" SLICE_FORMAT "\"", SLICE_ARGS(part));
            return error_hint(err, "smooth, real, adversarial, ordered, ties, or all");
        }
    }
    return STATUS_OK;
}

status streams_open(arena *a, const char *families, const param_values *params, size_t length, stream **out, size_t *count,
                    const char **identity, error *err)
{
    static const char *const orders[] = {"", ", shuffled", ", sorted"};
    bool wanted[STREAM_FAMILIES] = {false};
    size_t files = param_count(params, "file");
    sha256 hash;
    TRY(wanted_families(families, wanted, err));
    stream *all = ARENA_ARRAY(a, stream, COUNT_OF(made) + 3 * files);
    if (!all)
        return error_set(err, STATUS_MEMORY, "out of memory for streams");
    *count = 0;
    for (size_t i = 0; i < COUNT_OF(made); i++)
        if (wanted[made[i].family])
            all[(*count)++] = (stream){.name = made[i].name, .family = made[i].family, .count = length, .made = (int)i};
    sha256_start(&hash);
    for (size_t i = 0; i < files && wanted[STREAM_REAL]; i++) {
        numbers n = {0};
        const char *name = NULL;
        TRY(read_file(a, param_item(params, "file", i), &name, &n, &hash, err));
        for (int o = ORDER_AS_IS; o <= ORDER_SORTED; o++) {
            stream *s = &all[(*count)++];
            *s = (stream){.family = STREAM_REAL, .values = n.values, .count = n.count};
            s->order = o == ORDER_AS_IS ? ORDER_AS_IS : o == ORDER_SHUFFLED ? ORDER_SHUFFLED : ORDER_SORTED;
            s->name = arena_printf(a, "%s%s", name, orders[o]);
            if (!s->name)
                return error_set(err, STATUS_MEMORY, "out of memory for streams");
        }
    }
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    sha256_end(&hash, digest);
    sha256_hex(digest, hex);
    *identity = files ? arena_strdup(a, hex) : NULL;
    *out = all;
    if (*count)
        return STATUS_OK;
    error_set(err, STATUS_USAGE, "no stream to read");
    return error_hint(err, "real ones come from files: --file PATH, or --file PATH#COLUMN");
}
