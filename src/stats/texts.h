/* texts.h - texts as points: which words and pairs of words they have, how alike they are, a map of them, and their groups.
 *
 *     text_points p;
 *     TRY(text_points_of(arena, texts, n, &p, err));
 *     double c = text_cosine(&p, 0, 1);
 *     text_map m;
 *     TRY(text_map_of(arena, &p, TEXT_AXES, &m, err));       // m.at[i * m.axes] and m.at[i * m.axes + 1] are drawn
 *     TRY(text_groups_of(arena, &m, 10, seed, &g, err));
 *
 * A text's numbers are those of its words and of its pairs of neighbouring words, each counted times
 * ln((1 + n) / (1 + texts that have it)) + 1, and scaled to length 1 (TF-IDF, as scikit-learn's TfidfVectorizer with smooth_idf has
 * it). Words are runs of letters and digits in lower case; bytes beyond ASCII count as letters. The map is principal component
 * analysis: the directions in which the texts differ most, found by block power iteration from an addressed start.
 */
#ifndef ASSAY_STATS_TEXTS_H
#define ASSAY_STATS_TEXTS_H

#include "core/arena.h"
#include "core/error.h"
#include "core/text.h"

#include <stdint.h>

enum { TEXT_AXES = 8 };

typedef struct text_term {
    size_t column;
    double weight;
} text_term;

typedef struct text_points {
    size_t count, columns;
    text_term **terms;    /* of each text, by column */
    size_t *term_counts;
    const char **words;   /* of each column: the word, or the pair */
} text_points;

/* The texts must live as long. */
status text_points_of(arena *a, const char *const *texts, size_t count, text_points *out, error *err);
/* 0 for a text without words. */
double text_cosine(const text_points *p, size_t i, size_t j);
/* Mean over all pairs; NaN for fewer than two texts. */
double text_mean_cosine(arena *a, const text_points *p);

typedef struct text_map {
    size_t count, axes;
    double *at;        /* count x axes, the first axis has the most variance; its sign makes the largest number positive */
    double *shares;    /* of all variance, by axis */
} text_map;

/* At most `axes` of them; axes along which nothing varies are 0. */
status text_map_of(arena *a, const text_points *p, size_t axes, text_map *out, error *err);

typedef struct text_groups {
    size_t count;      /* groups: `wanted`, or fewer where there are fewer texts */
    size_t *of;        /* of each text */
    size_t *sizes;
    const char **words; /* of each group: up to four words that are commoner in it than elsewhere, with commas */
} text_groups;

/* k-means (Lloyd) from centres drawn as k-means++ does, with addressed draws. */
status text_groups_of(arena *a, const text_points *p, const text_map *m, size_t wanted, uint64_t seed, text_groups *out, error *err);

/* The next word of *rest in lower case into `word`; false at the end. Longer words are cut. */
bool text_next_word(slice *rest, char word[64]);

#endif
