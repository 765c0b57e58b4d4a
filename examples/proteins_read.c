#include "proteins_read.h"

#include "core/file.h"
#include "core/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char ending[] = "-network-neg1x.tsv";
static const size_t limit = (size_t)256 << 20;
enum { MOST_PROTEINS = 1 << 24, LETTERS = 20, BUCKETS = 64 };

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory");
}

/* FOLDER/SPECIES and ENDING, or the same with .gz; NULL where neither is there. */
static const char *find_file(arena *a, const char *folder, const char *species, const char *end)
{
    const char *path = file_join(a, folder, arena_printf(a, "%s%s", species, end)), *packed = arena_printf(a, "%s.gz", path ? path : "");
    return path && file_exists(path) ? path : packed && file_exists(packed) ? packed : NULL;
}

static int by_ids(const void *x, const void *y)
{
    const protein_pair *p = x, *q = y;
    return p->a != q->a ? (p->a < q->a ? -1 : 1) : p->b != q->b ? (p->b < q->b ? -1 : 1) : p->linked - q->linked;
}

/* Sorts the pairs and leaves each once; none of those that are said both ways. */
static void settle(proteins *p)
{
    size_t kept = 0, read = p->pair_count;
    qsort(p->pairs, read, sizeof *p->pairs, by_ids);
    for (size_t i = 0, end; i < read; i = end) {
        for (end = i + 1; end < read && p->pairs[end].a == p->pairs[i].a && p->pairs[end].b == p->pairs[i].b;)
            end++;
        if (p->pairs[i].linked == p->pairs[end - 1].linked && p->pairs[i].a != p->pairs[i].b)
            p->pairs[kept++] = p->pairs[i];
    }
    p->dropped = read - kept;
    p->pair_count = kept;
    for (size_t i = 0; i < kept; i++)
        p->linked += p->pairs[i].linked;
}

static status read_pairs(arena *a, const char *path, proteins *out, error *err)
{
    slice text, rest, line, words[3];
    size_t lines = 1, at = 0;
    TRY(file_read_gz(a, path, limit, &text, err));
    for (size_t i = 0; i < text.length; i++)
        lines += text.text[i] == '\n';
    out->pairs = ARENA_ARRAY(a, protein_pair, lines);
    if (!out->pairs)
        return no_memory(err);
    for (rest = text; slice_cut(&rest, '\n', &line);) {
        int64_t value[3] = {0};
        at++;
        line = slice_trim(line);
        if (!line.length)
            continue;
        bool fits = slice_cut(&line, '\t', &words[0]) && slice_cut(&line, '\t', &words[1]) && slice_cut(&line, '\t', &words[2]) && !line.text;
        for (int k = 0; k < 3 && fits; k++)
            fits = slice_to_int(words[k], &value[k]) && value[k] >= 0 && value[k] < (k < 2 ? MOST_PROTEINS : 2);
        if (!fits)
            return error_set(err, STATUS_INVALID, "%s, line %zu: expected two ids from 0 on and 0 or 1, with tabs between", path, at);
        int64_t low = value[0] < value[1] ? value[0] : value[1], high = value[0] + value[1] - low;
        out->pairs[out->pair_count++] = (protein_pair){(int32_t)low, (int32_t)high, value[2] == 1};
        out->count = (size_t)high + 1 > out->count ? (size_t)high + 1 : out->count;
    }
    settle(out);
    return STATUS_OK;
}

/* Columns to mean 0 and variance 1; those that never change become 0. */
static void standardise(float *x, size_t rows)
{
    for (size_t k = 0; k < PROTEIN_FEATURES; k++) {
        double mean = 0, squares = 0;
        for (size_t i = 0; i < rows; i++)
            mean += (double)x[i * PROTEIN_FEATURES + k] / (double)rows;
        for (size_t i = 0; i < rows; i++)
            squares += pow((double)x[i * PROTEIN_FEATURES + k] - mean, 2) / (double)rows;
        double spread = sqrt(squares);
        for (size_t i = 0; i < rows; i++)
            x[i * PROTEIN_FEATURES + k] = spread > 1e-9 ? (float)(((double)x[i * PROTEIN_FEATURES + k] - mean) / spread) : 0;
    }
}

/* Counts of triples go in as square roots of their shares. Letters that are none of the twenty (X, U, B, ...) are passed over. */
static void describe(slice sequence, float *out)
{
    static const char letters[LETTERS + 1] = "ACDEFGHIKLMNPQRSTVWY";
    uint32_t triple = 0;
    size_t run = 0, triples = 0, known = 0;
    for (size_t i = 0; i < sequence.length; i++) {
        const char *found = sequence.text[i] ? strchr(letters, sequence.text[i]) : NULL;
        if (!found) {
            run = 0;
            continue;
        }
        uint32_t letter = (uint32_t)(found - letters);
        known++;
        out[letter] += 1;
        triple = (triple * LETTERS + letter) % (LETTERS * LETTERS * LETTERS);
        if (++run < 3)
            continue;
        out[LETTERS + 1 + (triple * 2654435761u >> 26)] += 1; /* Knuth's multiplicative hash, six bits */
        triples++;
    }
    for (int k = 0; k < LETTERS && known; k++)
        out[k] /= (float)known;
    out[LETTERS] = logf((float)known + 1);
    for (int k = 0; k < BUCKETS && triples; k++)
        out[LETTERS + 1 + k] = sqrtf(out[LETTERS + 1 + k] / (float)triples);
}

static status read_sequences(arena *a, const char *path, proteins *out, error *err)
{
    slice text, rest, line;
    TRY(file_read_gz(a, path, limit, &text, err));
    size_t i = 0;
    for (rest = text; i < out->count && slice_cut(&rest, '\n', &line); i++)
        describe(slice_trim(line), out->features + i * PROTEIN_FEATURES);
    if (i < out->count)
        return error_set(err, STATUS_INVALID, "%s holds %zu sequences: the pairs name protein %zu", path, i, out->count - 1);
    out->has_sequences = true;
    return STATUS_OK;
}

status proteins_read(arena *a, const char *folder, const char *species, proteins *out, error *err)
{
    const char *pairs = find_file(a, folder, species, ending), *sequences = find_file(a, folder, species, "-sequences.txt");
    *out = (proteins){.species = species};
    if (!pairs)
        return error_set(err, STATUS_NOT_FOUND, "%s holds no %s%s (or .gz)", folder, species, ending);
    TRY(read_pairs(a, pairs, out, err));
    out->features = ARENA_ARRAY(a, float, out->count *PROTEIN_FEATURES);
    if (!out->features)
        return no_memory(err);
    if (sequences) {
        TRY(read_sequences(a, sequences, out, err));
    } else {
        random_stream draws = random_stream_at(0, "proteins/features", 0, 0, 0, 0);
        for (size_t i = 0; i < out->count * PROTEIN_FEATURES; i++)
            out->features[i] = (float)random_normal(&draws);
    }
    standardise(out->features, out->count);
    return STATUS_OK;
}

status proteins_species(arena *a, const char *folder, const char ***names, size_t *count, error *err)
{
    char **files;
    size_t n, found = 0;
    TRY(file_list(a, folder, &files, &n, err));
    *names = ARENA_ARRAY(a, const char *, n + 1);
    if (!*names)
        return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        slice name = slice_of(files[i]);
        if (slice_ends(name, SLICE(".gz")))
            name.length -= 3;
        if (!slice_ends(name, slice_of(ending)))
            continue;
        name.length -= strlen(ending);
        const char *copy = slice_copy(a, name);
        if (!copy)
            return no_memory(err);
        if (!found || strcmp((*names)[found - 1], copy) != 0) /* once, where it lies there packed and not */
            (*names)[found++] = copy;
    }
    *count = found;
    return found ? STATUS_OK : error_set(err, STATUS_NOT_FOUND, "%s holds no file SPECIES%s (or .gz)", folder, ending);
}
