#include "stats/texts.h"

#include "core/hash.h"
#include "core/random.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 300, MEANS_ROUNDS = 100, NAMED_WORDS = 4 };

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory while comparing texts");
}

/* ---- words ------------------------------------------------------------------------------------------------------ */

static bool is_letter(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 128;
}

bool text_next_word(slice *rest, char word[64])
{
    size_t used = 0;
    while (rest->length && !is_letter(rest->text[0]))
        *rest = slice_sub(*rest, 1, rest->length);
    while (rest->length && (is_letter(rest->text[0]) || (rest->text[0] == '\'' && rest->length > 1 && is_letter(rest->text[1])))) {
        if (used < 63)
            word[used++] = (char)tolower((unsigned char)rest->text[0]);
        *rest = slice_sub(*rest, 1, rest->length);
    }
    word[used] = '\0';
    return used > 0;
}

/* ---- points ----------------------------------------------------------------------------------------------------- */

/* One word or pair at one place of a text. */
typedef struct mention {
    uint64_t key;
    size_t text;
    const char *words;
} mention;

typedef struct mentions {
    mention *list;
    size_t count, capacity;
} mentions;

static bool add_mention(arena *a, mentions *m, size_t text, const char *words)
{
    if (m->count == m->capacity) {
        size_t capacity = m->capacity ? 2 * m->capacity : 1024;
        m->list = arena_regrow(a, m->list, m->count, capacity, sizeof *m->list);
        m->capacity = m->list ? capacity : 0;
    }
    if (!m->list || !words)
        return false;
    m->list[m->count++] = (mention){hash64(words, strlen(words), 0), text, words};
    return true;
}

static bool gather(arena *a, mentions *m, size_t number, const char *text)
{
    slice rest = slice_of(text);
    char word[64], before[64] = "";
    while (text_next_word(&rest, word)) {
        if (!add_mention(a, m, number, arena_strdup(a, word)) ||
            (before[0] && !add_mention(a, m, number, arena_printf(a, "%s %s", before, word))))
            return false;
        memcpy(before, word, sizeof before);
    }
    return true;
}

static int by_key(const void *a, const void *b)
{
    const mention *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->text > y->text) - (x->text < y->text);
}

/* Columns in the order of first appearance would depend on nothing else than sorted keys do; these are simpler. */
static status fill_columns(arena *a, const mentions *m, text_points *p, error *err)
{
    size_t *used = ARENA_ARRAY(a, size_t, p->count + 1);
    p->words = ARENA_ARRAY(a, const char *, m->count + 1);
    if (!used || !p->words)
        return no_memory(err);
    for (size_t i = 0; i < m->count;) {
        size_t end = i, texts = 0;
        for (; end < m->count && m->list[end].key == m->list[i].key; end++)
            texts += end == i || m->list[end].text != m->list[end - 1].text;
        double rarity = log((1 + (double)p->count) / (1 + (double)texts)) + 1;
        for (size_t at = i; at < end;) {
            size_t text = m->list[at].text, from = at;
            while (at < end && m->list[at].text == text)
                at++;
            p->terms[text][used[text]++] = (text_term){p->columns, rarity * (double)(at - from)};
        }
        p->words[p->columns++] = m->list[i].words;
        i = end;
    }
    memcpy(p->term_counts, used, p->count * sizeof *used);
    return STATUS_OK;
}

status text_points_of(arena *a, const char *const *texts, size_t count, text_points *out, error *err)
{
    mentions m = {0};
    *out = (text_points){.count = count, .terms = ARENA_ARRAY(a, text_term *, count + 1), .term_counts = ARENA_ARRAY(a, size_t, count + 1)};
    if (!out->terms || !out->term_counts)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        size_t before = m.count;
        if (!gather(a, &m, i, texts[i]) || !(out->terms[i] = ARENA_ARRAY(a, text_term, m.count - before + 1)))
            return no_memory(err);
    }
    if (m.count)
        qsort(m.list, m.count, sizeof *m.list, by_key);
    TRY(fill_columns(a, &m, out, err));
    for (size_t i = 0; i < count; i++) {
        double sum = 0;
        for (size_t t = 0; t < out->term_counts[i]; t++)
            sum += out->terms[i][t].weight * out->terms[i][t].weight;
        for (size_t t = 0; t < out->term_counts[i]; t++)
            out->terms[i][t].weight /= sqrt(sum);
    }
    return STATUS_OK;
}

double text_cosine(const text_points *p, size_t i, size_t j)
{
    size_t x = 0, y = 0;
    double sum = 0;
    while (x < p->term_counts[i] && y < p->term_counts[j]) {
        const text_term *s = &p->terms[i][x], *t = &p->terms[j][y];
        if (s->column == t->column)
            sum += s->weight * t->weight;
        x += s->column <= t->column;
        y += t->column <= s->column;
    }
    return sum;
}

double text_mean_cosine(arena *a, const text_points *p)
{
    double *sum = ARENA_ARRAY(a, double, p->columns + 1), square = 0, own = 0, n = (double)p->count;
    if (!sum || p->count < 2)
        return NAN;
    for (size_t i = 0; i < p->count; i++)
        for (size_t t = 0; t < p->term_counts[i]; t++) {
            sum[p->terms[i][t].column] += p->terms[i][t].weight;
            own += p->terms[i][t].weight * p->terms[i][t].weight;
        }
    for (size_t c = 0; c < p->columns; c++)
        square += sum[c] * sum[c];
    return (square - own) / (n * (n - 1));
}

/* ---- the map ---------------------------------------------------------------------------------------------------- */

typedef struct axes {
    const text_points *p;
    size_t count;
    double *mean;   /* by column */
    double *v;      /* columns x count: directions, orthonormal */
    double *scores; /* texts x count */
} axes;

/* scores = (X - mean) v, of the first axes. */
static void project(axes *x)
{
    size_t k = x->count;
    double shift[TEXT_AXES * 4] = {0};
    for (size_t c = 0; c < x->p->columns; c++)
        for (size_t d = 0; d < k; d++)
            shift[d] += x->mean[c] * x->v[c * k + d];
    for (size_t i = 0; i < x->p->count; i++)
        for (size_t d = 0; d < k; d++) {
            double sum = -shift[d];
            for (size_t t = 0; t < x->p->term_counts[i]; t++)
                sum += x->p->terms[i][t].weight * x->v[x->p->terms[i][t].column * k + d];
            x->scores[i * k + d] = sum;
        }
}

/* v = (X - mean)^T scores; the scores of each axis sum to 0, so that the mean falls away. */
static void spread(axes *x)
{
    size_t k = x->count;
    memset(x->v, 0, x->p->columns * k * sizeof *x->v);
    for (size_t i = 0; i < x->p->count; i++)
        for (size_t t = 0; t < x->p->term_counts[i]; t++)
            for (size_t d = 0; d < k; d++)
                x->v[x->p->terms[i][t].column * k + d] += x->p->terms[i][t].weight * x->scores[i * k + d];
}

/* Gram and Schmidt, twice for good measure; a direction that vanishes becomes 0. Returns the change of the first two. */
static void orthonormalise(axes *x)
{
    size_t k = x->count, n = x->p->columns;
    for (size_t d = 0; d < k; d++) {
        double before = 0, norm = 0;
        for (size_t c = 0; c < n; c++)
            before += x->v[c * k + d] * x->v[c * k + d];
        for (int twice = 0; twice < 2; twice++)
            for (size_t e = 0; e < d; e++) {
                double product = 0;
                for (size_t c = 0; c < n; c++)
                    product += x->v[c * k + d] * x->v[c * k + e];
                for (size_t c = 0; c < n; c++)
                    x->v[c * k + d] -= product * x->v[c * k + e];
            }
        for (size_t c = 0; c < n; c++)
            norm += x->v[c * k + d] * x->v[c * k + d];
        double scale = norm > 1e-18 * before && norm > 0 ? 1 / sqrt(norm) : 0;
        for (size_t c = 0; c < n; c++)
            x->v[c * k + d] *= scale;
    }
}

static double variance_of(const axes *x, size_t d)
{
    double sum = 0;
    for (size_t i = 0; i < x->p->count; i++)
        sum += x->scores[i * x->count + d] * x->scores[i * x->count + d];
    return sum;
}

/* Of all columns: what the axes' variance is a share of. */
static double all_variance(const axes *x)
{
    double sum = 0;
    for (size_t i = 0; i < x->p->count; i++)
        for (size_t t = 0; t < x->p->term_counts[i]; t++)
            sum += x->p->terms[i][t].weight * x->p->terms[i][t].weight;
    for (size_t c = 0; c < x->p->columns; c++)
        sum -= (double)x->p->count * x->mean[c] * x->mean[c];
    return sum;
}

static void iterate(axes *x)
{
    double before[2] = {-1, -1};
    for (int round = 0; round < ROUNDS; round++) {
        orthonormalise(x);
        project(x);
        double now[2] = {variance_of(x, 0), x->count > 1 ? variance_of(x, 1) : 0};
        if (fabs(now[0] - before[0]) <= 1e-12 * now[0] && fabs(now[1] - before[1]) <= 1e-12 * now[0])
            return;
        memcpy(before, now, sizeof before);
        spread(x);
    }
    orthonormalise(x);
    project(x);
}

/* The picture of the same texts is the same picture: the score that is largest in size is positive. */
static void fix_signs(axes *x)
{
    for (size_t d = 0; d < x->count; d++) {
        double largest = 0;
        for (size_t i = 0; i < x->p->count; i++)
            largest = fabs(x->scores[i * x->count + d]) > fabs(largest) + 1e-12 ? x->scores[i * x->count + d] : largest;
        for (size_t i = 0; largest < 0 && i < x->p->count; i++)
            x->scores[i * x->count + d] *= -1;
    }
}

status text_map_of(arena *a, const text_points *p, size_t wanted, text_map *out, error *err)
{
    size_t k = wanted < TEXT_AXES ? wanted : TEXT_AXES;
    axes x = {.p = p, .count = k, .mean = ARENA_ARRAY(a, double, p->columns + 1), .v = ARENA_ARRAY(a, double, p->columns * k + 1),
              .scores = ARENA_ARRAY(a, double, p->count * k + 1)};
    *out = (text_map){.count = p->count, .axes = k, .shares = ARENA_ARRAY(a, double, k + 1)};
    if (!x.mean || !x.v || !x.scores || !out->shares)
        return no_memory(err);
    for (size_t i = 0; i < p->count; i++)
        for (size_t t = 0; t < p->term_counts[i]; t++)
            x.mean[p->terms[i][t].column] += p->terms[i][t].weight / (double)p->count;
    random_stream r = random_stream_at(0, "texts/map", 0, 0, 0, 0);
    for (size_t i = 0; i < p->count * k; i++)
        x.scores[i] = random_normal(&r);
    for (size_t d = 0; d < k; d++) { /* centred, as `spread` wants it */
        double mean = 0;
        for (size_t i = 0; i < p->count; i++)
            mean += x.scores[i * k + d] / (double)p->count;
        for (size_t i = 0; i < p->count; i++)
            x.scores[i * k + d] -= mean;
    }
    spread(&x);
    iterate(&x);
    fix_signs(&x);
    double all = all_variance(&x);
    for (size_t d = 0; d < k; d++)
        out->shares[d] = all > 1e-12 ? variance_of(&x, d) / all : 0;
    out->at = x.scores;
    return STATUS_OK;
}

/* ---- groups ----------------------------------------------------------------------------------------------------- */

static double distance(const text_map *m, const double *x, const double *y)
{
    double sum = 0;
    for (size_t d = 0; d < m->axes; d++)
        sum += (x[d] - y[d]) * (x[d] - y[d]);
    return sum;
}

/* The first centres: each next one drawn in proportion to its squared distance from those before. */
static size_t draw_centres(const text_map *m, size_t wanted, uint64_t seed, double *centres, double *nearest)
{
    random_stream r = random_stream_at(seed, "texts/groups", 0, 0, 0, 0);
    size_t count = 0;
    for (size_t i = 0; i < m->count; i++)
        nearest[i] = INFINITY;
    for (; count < wanted; count++) {
        double sum = 0;
        size_t pick = m->count;
        for (size_t i = 0; i < m->count; i++)
            sum += count ? nearest[i] : 1;
        double left = random_uniform(&r) * sum;
        for (size_t i = 0; i < m->count && sum > 1e-18; i++) {
            double weight = count ? nearest[i] : 1;
            if (weight > 0)
                pick = i;
            if ((left -= weight) < 0)
                break;
        }
        if (pick == m->count)
            break; /* no text lies apart from the centres */
        memcpy(centres + count * m->axes, m->at + pick * m->axes, m->axes * sizeof *centres);
        for (size_t i = 0; i < m->count; i++)
            nearest[i] = fmin(nearest[i], distance(m, m->at + i * m->axes, centres + count * m->axes));
    }
    return count;
}

static bool assign(const text_map *m, const double *centres, text_groups *g)
{
    bool changed = false;
    memset(g->sizes, 0, g->count * sizeof *g->sizes);
    for (size_t i = 0; i < m->count; i++) {
        size_t best = 0;
        for (size_t k = 1; k < g->count; k++)
            if (distance(m, m->at + i * m->axes, centres + k * m->axes) < distance(m, m->at + i * m->axes, centres + best * m->axes))
                best = k;
        changed = changed || g->of[i] != best;
        g->of[i] = best;
        g->sizes[best]++;
    }
    return changed;
}

static void move_centres(const text_map *m, const text_groups *g, double *centres)
{
    for (size_t k = 0; k < g->count; k++)
        for (size_t d = 0; d < m->axes && g->sizes[k]; d++)
            centres[k * m->axes + d] = 0;
    for (size_t i = 0; i < m->count; i++)
        for (size_t d = 0; d < m->axes; d++)
            centres[g->of[i] * m->axes + d] += m->at[i * m->axes + d] / (double)g->sizes[g->of[i]];
}

/* Single words whose mean weight in the group exceeds that in all texts most. */
static const char *name_group(arena *a, const text_points *p, const text_groups *g, size_t k, double *excess)
{
    memset(excess, 0, p->columns * sizeof *excess);
    for (size_t i = 0; i < p->count; i++)
        for (size_t t = 0; t < p->term_counts[i]; t++)
            excess[p->terms[i][t].column] += p->terms[i][t].weight * ((g->of[i] == k ? 1 / (double)g->sizes[k] : 0) - 1 / (double)p->count);
    strbuf b = strbuf_new(a, 1024);
    for (int w = 0; w < NAMED_WORDS; w++) {
        size_t best = p->columns;
        for (size_t c = 0; c < p->columns; c++)
            if (!strchr(p->words[c], ' ') && excess[c] > 1e-9 && (best == p->columns || excess[c] > excess[best]))
                best = c;
        if (best == p->columns)
            break;
        strbuf_printf(&b, "%s%s", w ? ", " : "", p->words[best]);
        excess[best] = 0;
    }
    return b.failed ? NULL : b.text ? b.text : "";
}

status text_groups_of(arena *a, const text_points *p, const text_map *m, size_t wanted, uint64_t seed, text_groups *out, error *err)
{
    double *centres = ARENA_ARRAY(a, double, wanted * m->axes + 1), *nearest = ARENA_ARRAY(a, double, m->count + 1);
    double *excess = ARENA_ARRAY(a, double, p->columns + 1);
    *out = (text_groups){.of = ARENA_ARRAY(a, size_t, m->count + 1), .sizes = ARENA_ARRAY(a, size_t, wanted + 1),
                         .words = ARENA_ARRAY(a, const char *, wanted + 1)};
    if (!centres || !nearest || !excess || !out->of || !out->sizes || !out->words)
        return no_memory(err);
    out->count = draw_centres(m, wanted, seed, centres, nearest);
    if (out->count == 0)
        return STATUS_OK;
    for (size_t i = 0; i < m->count; i++)
        out->of[i] = SIZE_MAX;
    for (int round = 0; round < MEANS_ROUNDS && assign(m, centres, out); round++)
        move_centres(m, out, centres);
    for (size_t k = 0; k < out->count; k++)
        if (!(out->words[k] = name_group(a, p, out, k, excess)))
            return no_memory(err);
    return STATUS_OK;
}
