/* Texts as points, and how varied texts are: the hand examples of model_written_evals.md, section 7. */
#include "stats/diversity.h"
#include "solve/dense.h"
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
    assert_int_equal(dense_symmetric_eigen(N, gram, values, false, &err), STATUS_OK);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_lines_have_half_of_their_pairs_once), cmocka_unit_test(vendi_counts_what_differs),
        cmocka_unit_test(entropy_of_unequal_groups), cmocka_unit_test(cosines_follow_from_the_formula),
        cmocka_unit_test(the_map_keeps_kinds_apart), cmocka_unit_test(texts_that_are_all_alike_have_a_map_too),
        cmocka_unit_test(self_bleu_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
