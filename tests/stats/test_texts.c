/* Texts as points, eigenvalues, and how varied texts are: the hand examples of model_written_evals.md, section 7. */
#include "stats/diversity.h"
#include "stats/eigen.h"
#include "stats/judge.h"
#include "stats/texts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "near.h"

/* ---- checks 7 to 10 ---- */

static void three_lines_have_half_of_their_pairs_once(void **state)
{
    (void)state;
    static const char *const lines[] = {"i like red", "i like blue", "i like red"};
    arena *a = arena_new(NULL);
    NEAR(distinct_n(a, lines, 3, 2), .5, 1e-12);
    NEAR(distinct_n(a, lines, 3, 1), 4. / 9, 1e-12);
    assert_true(isnan(distinct_n(a, lines, 3, 9)));
    arena_free(a);
}

static void vendi_counts_what_differs(void **state)
{
    (void)state;
    error err = {0};
    double half[] = {1, .5, .5, 1}, same[9], apart[16] = {0}, score;
    assert_int_equal(vendi_score(half, 2, &score, &err), STATUS_OK);
    NEAR(score, 1.754765, 1e-6);
    for (size_t i = 0; i < 9; i++)
        same[i] = 1;
    assert_int_equal(vendi_score(same, 3, &score, &err), STATUS_OK);
    NEAR(score, 1, 1e-9);
    for (size_t i = 0; i < 4; i++)
        apart[5 * i] = 1;
    assert_int_equal(vendi_score(apart, 4, &score, &err), STATUS_OK);
    NEAR(score, 4, 1e-9);
    assert_int_equal(vendi_score(NULL, 0, &score, &err), STATUS_OK);
    assert_true(isnan(score));
}

static void entropy_of_unequal_groups(void **state)
{
    (void)state;
    NEAR(cluster_entropy((const size_t[]){4, 3, 2, 1}, 4) * log(4), 1.279854, 1e-6);
    NEAR(cluster_entropy((const size_t[]){4, 3, 2, 1}, 4), .923220, 1e-6);
    NEAR(cluster_entropy((const size_t[]){5, 5, 5}, 3), 1, 1e-12);
    NEAR(cluster_entropy((const size_t[]){5, 0}, 2), 0, 1e-12);
}

/* ---- eigenvalues ---- */

/* The second difference of n values has the eigenvalues 2 - 2 cos(k pi / (n + 1)). */
static void eigenvalues_of_the_second_difference(void **state)
{
    (void)state;
    enum { N = 40 };
    double m[N * N] = {0}, values[N];
    for (size_t i = 0; i < N; i++) {
        m[i * N + i] = 2;
        if (i)
            m[i * N + i - 1] = m[(i - 1) * N + i] = -1;
    }
    assert_int_equal(symmetric_eigenvalues(m, N, values, NULL), STATUS_OK);
    for (size_t k = 0; k < N; k++)
        NEAR(values[k], 2 - 2 * cos((double)(k + 1) * acos(-1) / (N + 1)), 1e-12);
}

/* Q D Q^T with Q a reflection: the eigenvalues are D's, and the matrix is full. */
static void eigenvalues_of_a_turned_diagonal(void **state)
{
    (void)state;
    enum { N = 17 };
    double v[N], norm = 0, m[N * N], values[N], d[N];
    for (size_t i = 0; i < N; i++) {
        v[i] = 1 + (double)((i * 7) % 5);
        norm += v[i] * v[i];
        d[i] = (double)i * (double)i - 20;
    }
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            m[i * N + j] = 0;
            for (size_t k = 0; k < N; k++)
                m[i * N + j] += ((double)(i == k) - 2 * v[i] * v[k] / norm) * d[k] * ((double)(j == k) - 2 * v[j] * v[k] / norm);
        }
    assert_int_equal(symmetric_eigenvalues(m, N, values, NULL), STATUS_OK);
    for (size_t k = 0; k < N; k++)
        NEAR(values[k], d[k], 1e-10);
}

/* ---- points ---- */

/* Two texts of two words with one in common, without pairs in common: by the formula. */
static void cosines_follow_from_the_formula(void **state)
{
    (void)state;
    static const char *const texts[] = {"Red cat", "red dog!", ""};
    error err = {0};
    arena *a = arena_new(NULL);
    text_points p;
    assert_int_equal(text_points_of(a, texts, 3, &p, &err), STATUS_OK);
    double common = log(4. / 3) + 1, rare = log(4. / 2) + 1;
    NEAR(text_cosine(&p, 0, 1), common * common / (common * common + 2 * rare * rare), 1e-12);
    NEAR(text_cosine(&p, 0, 0), 1, 1e-12);
    NEAR(text_cosine(&p, 0, 2), 0, 0);
    assert_int_equal(p.columns, 5);
    NEAR(text_mean_cosine(a, &p), text_cosine(&p, 0, 1) / 3, 1e-12);
    arena_free(a);
}

/* Three kinds of text: the map keeps them apart, the groups are theirs, and the shares of variance are those of the Gram matrix. */
static void the_map_keeps_kinds_apart(void **state)
{
    (void)state;
    enum { N = 30 };
    const char *texts[N];
    error err = {0};
    arena *a = arena_new(NULL);
    static const char *const kinds[] = {"the cat sleeps on mat %zu", "we sail boats across lake %zu", "bread and honey cost coins %zu"};
    for (size_t i = 0; i < N; i++) {
        char text[64];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof text, kinds[i % 3], i / 3);
#pragma GCC diagnostic pop
        texts[i] = arena_strdup(a, text);
    }
    text_points p;
    text_map m;
    text_groups g;
    assert_int_equal(text_points_of(a, texts, N, &p, &err), STATUS_OK);
    assert_int_equal(text_map_of(a, &p, TEXT_AXES, &m, &err), STATUS_OK);
    assert_int_equal(text_groups_of(a, &p, &m, 3, 1, &g, &err), STATUS_OK);
    double gram[N * N], values[N], all = 0, mean[N] = {0}, whole = 0;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            mean[i] += text_cosine(&p, i, j) / N;
            whole += text_cosine(&p, i, j) / (N * N);
        }
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            gram[i * N + j] = text_cosine(&p, i, j) - mean[i] - mean[j] + whole;
    assert_int_equal(symmetric_eigenvalues(gram, N, values, &err), STATUS_OK);
    for (size_t i = 0; i < N; i++)
        all += values[i];
    NEAR(m.shares[0], values[N - 1] / all, 1e-6);
    NEAR(m.shares[1], values[N - 2] / all, 1e-6);
    assert_int_equal(g.count, 3);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(g.of[i], g.of[i % 3]);
        assert_int_equal(g.sizes[g.of[i]], 10);
    }
    assert_true(g.of[0] != g.of[1] && g.of[1] != g.of[2] && g.of[0] != g.of[2]);
    arena_free(a);
}

static void texts_that_are_all_alike_have_a_map_too(void **state)
{
    (void)state;
    static const char *const texts[] = {"same words", "same words", "same words"};
    error err = {0};
    arena *a = arena_new(NULL);
    text_points p;
    text_map m;
    text_groups g;
    assert_int_equal(text_points_of(a, texts, 3, &p, &err), STATUS_OK);
    assert_int_equal(text_map_of(a, &p, TEXT_AXES, &m, &err), STATUS_OK);
    assert_int_equal(text_groups_of(a, &p, &m, 10, 1, &g, &err), STATUS_OK);
    for (size_t i = 0; i < 6; i++)
        NEAR(m.at[i], 0, 1e-9);
    NEAR(m.shares[0], 0, 0);
    assert_int_equal(g.count, 1);
    assert_int_equal(text_points_of(a, texts, 0, &p, &err), STATUS_OK);
    assert_int_equal(text_map_of(a, &p, 2, &m, &err), STATUS_OK);
    assert_int_equal(text_groups_of(a, &p, &m, 10, 1, &g, &err), STATUS_OK);
    assert_int_equal(g.count, 0);
    arena_free(a);
}

/* Two equal texts among three: BLEU 1 for them; the third shares one word of three with each of them. */
static void self_bleu_by_hand(void **state)
{
    (void)state;
    static const char *const texts[] = {"a b c d e", "a b c d e", "a x y z w"};
    arena *a = arena_new(NULL);
    double third = exp((log(1. / 5) + log(1. / 5) + log(1. / 4) + log(1. / 3)) / 4);
    NEAR(self_bleu(a, texts, 3), (2 + third) / 3, 1e-12);
    assert_true(isnan(self_bleu(a, texts, 1)));
    arena_free(a);
}

/* ---- agreement and calibration ---- */

/* The example of Fleiss's paper, as it is often printed: ten subjects, fourteen raters, five categories, kappa .210. */
static void fleiss_kappa_of_the_printed_example(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 0, 0, 0, 14, 0, 2, 6, 4, 2, 0, 0, 3, 5, 6, 0, 3, 9, 2, 0, 2, 2, 8, 1, 1,
                                    7, 7, 0, 0, 0, 3, 2, 6, 3, 0, 2, 5, 3, 2, 2, 6, 5, 2, 1, 0, 0, 2, 2, 3, 7};
    NEAR(fleiss_kappa(counts, 10, 5), .20993, 1e-5);
    assert_true(isnan(fleiss_kappa((const size_t[]){1, 0, 0, 1}, 2, 2)));
    NEAR(fleiss_kappa((const size_t[]){3, 0, 0, 3}, 2, 2), 1, 1e-12);
}

static void miscalibration_by_hand(void **state)
{
    (void)state;
    calibration_bin bins[10];
    const double stated[] = {.95, .95, .55, .55};
    const bool right[] = {true, false, true, false};
    NEAR(calibration_error(stated, right, 4, bins, 10), .5 * .45 + .5 * .05, 1e-12);
    assert_int_equal(bins[9].count, 2);
    NEAR(calibration_error((const double[]){1}, (const bool[]){true}, 1, bins, 10), 0, 0);
    assert_true(isnan(calibration_error(NULL, NULL, 0, bins, 10)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_lines_have_half_of_their_pairs_once), cmocka_unit_test(vendi_counts_what_differs),
        cmocka_unit_test(entropy_of_unequal_groups), cmocka_unit_test(eigenvalues_of_the_second_difference),
        cmocka_unit_test(eigenvalues_of_a_turned_diagonal), cmocka_unit_test(cosines_follow_from_the_formula),
        cmocka_unit_test(the_map_keeps_kinds_apart), cmocka_unit_test(texts_that_are_all_alike_have_a_map_too),
        cmocka_unit_test(self_bleu_by_hand), cmocka_unit_test(fleiss_kappa_of_the_printed_example), cmocka_unit_test(miscalibration_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
