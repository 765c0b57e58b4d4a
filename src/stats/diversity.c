#include "stats/diversity.h"

#include "core/hash.h"
#include "solve/dense.h"
#include "stats/texts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ORDERS = 4 };

/* ---- runs of words ---------------------------------------------------------------------------------------------- */

/* Hashes of the words of a text. */
typedef struct wordy {
    uint64_t *words;
    size_t count;
} wordy;

static bool read_words(arena *a, const char *text, wordy *out)
{
    char word[64];
    slice rest = slice_of(text);
    *out = (wordy){.words = ARENA_ARRAY(a, uint64_t, rest.length / 2 + 2)};
    while (out->words && text_next_word(&rest, word))
        out->words[out->count++] = hash64(word, strlen(word), 0);
    return out->words != NULL;
}

static uint64_t run_key(const wordy *w, size_t at, size_t n)
{
    return hash64(w->words + at, n * sizeof *w->words, n);
}

static size_t runs_of(const wordy *w, size_t n)
{
    return w->count >= n ? w->count - n + 1 : 0;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

double distinct_n(arena *a, const char *const *texts, size_t count, size_t n)
{
    wordy *all = ARENA_ARRAY(a, wordy, count + 1);
    size_t total = 0, different = 0, at = 0;
    for (size_t i = 0; i < count; i++) {
        if (!all || !read_words(a, texts[i], &all[i]))
            return NAN;
        total += runs_of(&all[i], n);
    }
    uint64_t *keys = ARENA_ARRAY(a, uint64_t, total + 1);
    if (!keys || total == 0)
        return NAN;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < runs_of(&all[i], n); k++)
            keys[at++] = run_key(&all[i], k, n);
    qsort(keys, total, sizeof *keys, by_value);
    for (size_t i = 0; i < total; i++)
        different += i == 0 || keys[i] != keys[i - 1];
    return (double)different / (double)total;
}

/* ---- BLEU ------------------------------------------------------------------------------------------------------- */

/* A run in one text, how often; after sorting, the most of any other text is the first or second of its key. */
typedef struct run_count {
    uint64_t key;
    size_t text, times;
} run_count;

static int by_run(const void *a, const void *b)
{
    const run_count *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->text > y->text) - (x->text < y->text);
}

static int by_key_and_times(const void *a, const void *b)
{
    const run_count *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    if (x->times != y->times)
        return x->times > y->times ? -1 : 1;
    return (x->text > y->text) - (x->text < y->text);
}

/* For each text, how many of its runs of n words are in another text too, clipped to the most that one of them has. */
static bool clipped_matches(arena *a, const wordy *all, size_t count, size_t n, double *matches)
{
    size_t total = 0, used = 0, merged = 0;
    for (size_t i = 0; i < count; i++)
        total += runs_of(&all[i], n);
    run_count *runs = ARENA_ARRAY(a, run_count, total + 1);
    if (!runs)
        return false;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < runs_of(&all[i], n); k++)
            runs[used++] = (run_count){run_key(&all[i], k, n), i, 1};
    if (used)
        qsort(runs, used, sizeof *runs, by_run);
    for (size_t i = 0; i < used; i++) {
        if (merged && runs[merged - 1].key == runs[i].key && runs[merged - 1].text == runs[i].text)
            runs[merged - 1].times++;
        else
            runs[merged++] = runs[i];
    }
    if (merged)
        qsort(runs, merged, sizeof *runs, by_key_and_times);
    for (size_t first = 0, i = 0; i < merged; i++) {
        if (runs[i].key != runs[first].key)
            first = i;
        size_t other = i == first ? first + 1 : first;
        bool there = other < merged && runs[other].key == runs[i].key;
        size_t most = there ? runs[other].times : 0;
        matches[runs[i].text] += (double)(runs[i].times < most ? runs[i].times : most);
    }
    return true;
}

static size_t nearest_length(const wordy *all, size_t count, size_t i)
{
    size_t best = 0, least = SIZE_MAX;
    for (size_t k = 0; k < count; k++) {
        size_t gap = all[k].count > all[i].count ? all[k].count - all[i].count : all[i].count - all[k].count;
        if (k != i && (gap < least || (gap == least && all[k].count < best))) {
            least = gap;
            best = all[k].count;
        }
    }
    return best;
}

double self_bleu(arena *a, const char *const *texts, size_t count)
{
    wordy *all = ARENA_ARRAY(a, wordy, count + 1);
    double *matches[ORDERS], mean = 0;
    for (size_t i = 0; i < count; i++)
        if (!all || !read_words(a, texts[i], &all[i]))
            return NAN;
    for (size_t n = 0; n < ORDERS; n++) {
        matches[n] = ARENA_ARRAY(a, double, count + 1);
        if (!matches[n] || !clipped_matches(a, all, count, n + 1, matches[n]))
            return NAN;
    }
    for (size_t i = 0; i < count; i++) {
        double sum = 0, length = (double)all[i].count, reference = (double)nearest_length(all, count, i);
        for (size_t n = 0; n < ORDERS; n++) {
            double smooth = n ? 1 : 0;
            sum += log((matches[n][i] + smooth) / ((double)runs_of(&all[i], n + 1) + smooth)) / ORDERS;
        }
        if (length > 0 && matches[0][i] > 0)
            mean += exp(sum + fmin(0, 1 - reference / length)) / (double)count;
    }
    return count > 1 ? mean : NAN;
}

/* ---- spread ----------------------------------------------------------------------------------------------------- */

status vendi_score(double *similarity, size_t n, double *out, error *err)
{
    arena *a = arena_new(NULL);
    double *values = ARENA_ARRAY(a, double, n + 1), entropy = 0;
    *out = NAN;
    if (!values) {
        arena_free(a);
        return error_set(err, STATUS_MEMORY, "out of memory for %zu texts", n);
    }
    status result = n ? dense_symmetric_eigen(n, similarity, values, false, err) : STATUS_OK;
    for (size_t i = 0; i < n && result == STATUS_OK; i++) {
        double share = values[i] / (double)n;
        entropy -= share > 1e-15 ? share * log(share) : 0;
    }
    if (n && result == STATUS_OK)
        *out = exp(entropy);
    arena_free(a);
    return result;
}

double cluster_entropy(const size_t *sizes, size_t count)
{
    double total = 0, entropy = 0;
    for (size_t i = 0; i < count; i++)
        total += (double)sizes[i];
    for (size_t i = 0; i < count; i++)
        entropy -= sizes[i] ? (double)sizes[i] / total * log((double)sizes[i] / total) : 0;
    return count > 1 && total > 0 ? entropy / log((double)count) : NAN;
}
