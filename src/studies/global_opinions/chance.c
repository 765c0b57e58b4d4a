/* What chance alone gives: gaps with the countries' labels permuted, gaps of a subject as sharp and without opinion, gaps of equal shares,
 * and changes with the conditions' labels permuted. Permutation tests, all draws addressed. */
#include "core/random.h"
#include "stats/bootstrap.h"
#include "stats/rank.h"
#include "stats/similarity.h"
#include "studies/global_opinions/measure_inside.h"

#include <math.h>
#include <stdlib.h>

typedef struct chance {
    measure *m;
    const study_run *run;
    size_t condition;
    double *own, *plain;   /* similarities of this condition and of `default`, kept while others stand in the measure */
    double *values, *effects, *draws;
} chance;

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* Puts the similarities that stand in the measure into the table of a condition. */
static void refresh(const chance *w, size_t condition)
{
    size_t count = 0;
    for (size_t i = 0; i < w->m->cells; i++)
        if (!isnan(w->m->sim[condition][i]))
            w->values[count++] = w->m->sim[condition][i];
    two_way_set(w->m->tables[condition], w->values);
}

static void restore(const chance *w)
{
    memcpy(w->m->sim[w->condition], w->own, w->m->cells * sizeof *w->own);
    memcpy(w->m->sim[0], w->plain, w->m->cells * sizeof *w->plain);
    refresh(w, w->condition);
    refresh(w, 0);
}

static double gap_now(const chance *w, size_t condition)
{
    refresh(w, condition);
    measure_effects(w->m, condition, NULL, true, w->effects);
    return measure_gap(w->m, w->effects);
}

static random_stream stream_of(const chance *w, const char *purpose, size_t draw)
{
    return random_stream_at(w->run->seed, purpose, draw, w->condition, 0, 0);
}

/* ---- gaps ------------------------------------------------------------------------------------------------------- */

static void permute_countries(const chance *w, size_t draw)
{
    random_stream r = stream_of(w, "opinions/countries", draw);
    for (size_t q = 0; q < w->m->d->count; q++)
        random_shuffle(&r, w->m->sim[w->condition] + w->m->offset[q], w->m->d->questions[q].answer_count, sizeof(double));
}

/* Similarities of given shares of one question to its countries. */
static void put_shares(const chance *w, size_t question, const double *shares)
{
    const opinion_question *q = &w->m->d->questions[question];
    for (size_t i = 0; i < q->answer_count; i++)
        w->m->sim[w->condition][w->m->offset[question] + i] = similarity(shares, q->answers[i].shares, q->option_count);
}

static const opinion_reading *reading_of(const chance *w, size_t question)
{
    return &w->m->r[question * w->m->d->condition_count + w->condition];
}

static void permute_options(const chance *w, size_t draw)
{
    random_stream r = stream_of(w, "opinions/options", draw);
    for (size_t q = 0; q < w->m->d->count; q++) {
        double shares[OPINION_OPTIONS];
        if (!reading_of(w, q)->there)
            continue;
        memcpy(shares, reading_of(w, q)->shares, sizeof shares);
        random_shuffle(&r, shares, w->m->d->questions[q].option_count, sizeof *shares);
        put_shares(w, q, shares);
    }
}

static opinion_gap_test test_gap(const chance *w, double found, void (*permute)(const chance *w, size_t draw))
{
    opinion_gap_test out = {.p = NAN, .mean = NAN, .high = NAN};
    size_t far = 1;
    double sum = 0;
    if (isnan(found) || bootstrap_paused())
        return out;
    for (size_t i = 0; i < CHANCE_DRAWS; i++) {
        memcpy(w->m->sim[w->condition], w->own, w->m->cells * sizeof *w->own);
        permute(w, i);
        w->draws[i] = gap_now(w, w->condition);
        far += w->draws[i] >= found - 1e-12;
        sum += w->draws[i];
    }
    qsort(w->draws, CHANCE_DRAWS, sizeof *w->draws, by_value);
    out = (opinion_gap_test){(double)far / (CHANCE_DRAWS + 1), sum / CHANCE_DRAWS, quantile_sorted(w->draws, CHANCE_DRAWS, .95)};
    restore(w);
    return out;
}

/* A subject that gives all options the same share. */
static status test_even(const chance *w, const opinion_condition_figures *f, opinion_chance *out, error *err)
{
    size_t places = w->m->d->place_count, count = 0;
    double *x = calloc(2 * places + 1, sizeof *x), *y = x ? x + places : NULL;
    status result = x ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory");
    for (size_t q = 0; q < w->m->d->count; q++) {
        double even[OPINION_OPTIONS];
        for (size_t k = 0; k < w->m->d->questions[q].option_count; k++)
            even[k] = 1 / (double)w->m->d->questions[q].option_count;
        if (reading_of(w, q)->there)
            put_shares(w, q, even);
    }
    out->even_gap = gap_now(w, w->condition);
    for (size_t p = 0; x && p < places; p++)
        if (w->m->counted[p] && !isnan(w->effects[p]) && !isnan(f->places[p].effect.value)) {
            x[count] = w->effects[p];
            y[count++] = f->places[p].effect.value;
        }
    rank_correlation rank = {.value = NAN};
    if (result == STATUS_OK && count > 2)
        result = spearman(x, y, count, &rank, err);
    out->even_rank = rank.value;
    free(x);
    restore(w);
    return result;
}

/* ---- changes ---------------------------------------------------------------------------------------------------- */

static void permute_conditions(const chance *w, size_t draw)
{
    random_stream r = stream_of(w, "opinions/conditions", draw);
    for (size_t q = 0; q < w->m->d->count; q++) {
        bool swap = random_below(&r, 2) == 1;
        for (size_t i = 0; swap && i < w->m->d->questions[q].answer_count; i++) {
            size_t at = w->m->offset[q] + i;
            if (isnan(w->own[at]) || isnan(w->plain[at]))
                continue;
            w->m->sim[w->condition][at] = w->plain[at];
            w->m->sim[0][at] = w->own[at];
        }
    }
}

static void test_changes(const chance *w, const opinion_condition_figures *f, opinion_chance *out)
{
    const double found[] = {fabs(f->shift.value), fabs(f->selectivity.value), fabs(f->gap_change.value)};
    double *const to[] = {&out->shift, &out->selectivity, &out->gap_change};
    size_t far[] = {1, 1, 1}, first = 0;
    for (size_t i = 0; i < CHANCE_DRAWS && !bootstrap_paused(); i++) {
        double now[3];
        permute_conditions(w, i);
        measure_means(w->m, w->condition, &first, w->m->weights, w->effects);
        measure_shifts(w->m, w->condition, w->effects, now);
        now[2] = gap_now(w, w->condition) - gap_now(w, 0);
        for (size_t k = 0; k < COUNT_OF(far); k++)
            far[k] += fabs(now[k]) >= found[k] - 1e-12;
        restore(w);
    }
    for (size_t k = 0; k < COUNT_OF(far); k++)
        *to[k] = isnan(found[k]) || bootstrap_paused() ? NAN : (double)far[k] / (CHANCE_DRAWS + 1);
}

/* Permuted labels of the countries of a condition: how many countries' similarity changes as much as theirs does. */
static void place_change(const chance *w, const opinion_condition_figures *f, opinion_chance *out)
{
    size_t first = 0;
    measure_means(w->m, w->condition, &first, w->m->weights, w->effects);
    for (size_t p = 0; p < w->m->d->place_count && !isnan(f->shift.value); p++) {
        bool own = opinions_target(w->m->d, &w->m->d->conditions[w->condition], p);
        if (isnan(w->effects[p]) || (!own && !w->m->counted[p]))
            continue;
        out->places += !own;
        out->place += !own && w->effects[p] >= f->shift.value;
    }
    out->place += out->places ? 1 : 0;
    out->places += out->places ? 1 : 0;
}

/* ---- all -------------------------------------------------------------------------------------------------------- */

status opinions_chance(arena *a, const study_run *run, measure *m, opinion_condition_figures *all, error *err)
{
    chance w = {.m = m, .run = run, .own = ARENA_ARRAY(a, double, m->cells + 1), .plain = ARENA_ARRAY(a, double, m->cells + 1),
                .values = ARENA_ARRAY(a, double, m->cells + 1), .effects = ARENA_ARRAY(a, double, m->d->place_count + 1),
                .draws = ARENA_ARRAY(a, double, CHANCE_DRAWS)};
    if (!w.own || !w.plain || !w.values || !w.effects || !w.draws)
        return error_set(err, STATUS_MEMORY, "out of memory");
    for (size_t q = 0; q < m->d->count; q++)
        m->weights[q] = 1;
    memcpy(w.plain, m->sim[0], m->cells * sizeof *w.plain);
    for (size_t c = 0; c < m->d->condition_count; c++)
        measure_effects(m, c, NULL, false, w.effects);
    for (w.condition = 0; w.condition < m->d->condition_count; w.condition++) {
        opinion_chance *out = &all[w.condition].chance;
        memcpy(w.own, m->sim[w.condition], m->cells * sizeof *w.own);
        out->countries = test_gap(&w, all[w.condition].effect_gap.value, permute_countries);
        out->options = test_gap(&w, all[w.condition].effect_gap.value, permute_options);
        TRY(test_even(&w, &all[w.condition], out, err));
        out->shift = out->selectivity = out->gap_change = NAN;
        if (w.condition) {
            test_changes(&w, &all[w.condition], out);
            place_change(&w, &all[w.condition], out);
        }
    }
    return STATUS_OK;
}
