#include "studies/global_opinions/measure_inside.h"

#include "stats/similarity.h"

#include <math.h>

/* Where the values of a condition begin: similarities, effects, the two gaps; behind all conditions CHANGES values for each but the
 * first. */
enum { CHANGES = 3 };

static size_t base_of(const opinion_data *d, size_t condition)
{
    return condition * (2 * d->place_count + 2);
}

static size_t shift_of(const opinion_data *d, size_t condition)
{
    return base_of(d, d->condition_count) + CHANGES * (condition - 1);
}

bool opinions_target(const opinion_data *data, const opinion_condition *c, size_t place)
{
    return c->place != SIZE_MAX ? c->place == place : (c->language & data->places[place].speaks) != 0;
}

void measure_means(const measure *m, size_t condition, const size_t *less, const double *weights, double *out)
{
    const opinion_data *d = m->d;
    for (size_t p = 0; p < d->place_count; p++)
        m->sums[p] = m->totals[p] = 0;
    for (size_t q = 0; q < d->count; q++)
        for (size_t i = 0; weights[q] > 0 && i < d->questions[q].answer_count; i++) {
            double value = m->sim[condition][m->offset[q] + i] - (less ? m->sim[*less][m->offset[q] + i] : 0);
            size_t p = d->questions[q].answers[i].place;
            if (isnan(value))
                continue;
            m->sums[p] += weights[q] * value;
            m->totals[p] += weights[q];
        }
    for (size_t p = 0; p < d->place_count; p++)
        out[p] = m->totals[p] > 0 ? m->sums[p] / m->totals[p] : NAN;
}

double measure_gap(const measure *m, const double *values)
{
    double most = -INFINITY, least = INFINITY;
    for (size_t p = 0; p < m->d->place_count; p++)
        if (m->counted[p] && !isnan(values[p])) {
            most = fmax(most, values[p]);
            least = fmin(least, values[p]);
        }
    return most > least ? most - least : most == least ? 0 : NAN;
}

void measure_shifts(const measure *m, size_t condition, const double *changes, double out[2])
{
    double own = 0, others = 0, owns = 0, rest = 0;
    for (size_t p = 0; p < m->d->place_count; p++) {
        if (isnan(changes[p]))
            continue;
        bool target = opinions_target(m->d, &m->d->conditions[condition], p);
        *(target ? &own : &others) += changes[p];
        *(target ? &owns : &rest) += 1;
    }
    out[0] = owns > 0 ? own / owns : NAN;
    out[1] = owns > 0 && rest > 0 ? own / owns - others / rest : NAN;
}

void measure_effects(const measure *m, size_t condition, const double *weights, bool again, double *out)
{
    if (again)
        two_way_again(m->tables[condition], m->effects, m->levels);
    else
        two_way_fit(m->tables[condition], weights, m->effects, m->levels);
    for (size_t p = 0; p < m->d->place_count; p++)
        out[p] = two_way_block(m->tables[condition], p) == 0 ? m->levels[p] + m->effects[p] : NAN;
}

static void measure_at(const measure *m, const double *weights, double *values)
{
    const opinion_data *d = m->d;
    size_t places = d->place_count, first = 0;
    for (size_t c = 0; c < d->condition_count; c++) {
        double *similarities = values + base_of(d, c), *effects = similarities + places;
        measure_means(m, c, NULL, weights, similarities);
        measure_effects(m, c, weights, false, effects);
        effects[places] = measure_gap(m, similarities);
        effects[places + 1] = measure_gap(m, effects);
    }
    for (size_t c = 1; c < d->condition_count; c++) {
        measure_means(m, c, &first, weights, m->effects);
        measure_shifts(m, c, m->effects, values + shift_of(d, c));
        values[shift_of(d, c) + 2] = values[base_of(d, c) + 2 * places + 1] - values[base_of(d, 0) + 2 * places + 1];
    }
}

static void measure_picks(const void *context, const size_t *picks, size_t count, double *values)
{
    const measure *m = context;
    for (size_t q = 0; q < m->d->count; q++)
        m->weights[q] = 0;
    for (size_t i = 0; i < count; i++)
        m->weights[picks[i]]++;
    measure_at(m, m->weights, values);
}

/* ---- similarities ----------------------------------------------------------------------------------------------- */

static status make_table(arena *a, measure *m, size_t condition, size_t cells, error *err)
{
    const opinion_data *d = m->d;
    two_way_cell *list = ARENA_ARRAY(a, two_way_cell, cells + 1);
    size_t count = 0;
    m->sim[condition] = ARENA_ARRAY(a, double, cells + 1);
    if (!list || !m->sim[condition])
        return error_set(err, STATUS_MEMORY, "out of memory for %zu answers", cells);
    for (size_t q = 0; q < d->count; q++) {
        const opinion_question *question = &d->questions[q];
        const opinion_reading *r = &m->r[q * d->condition_count + condition];
        for (size_t i = 0; i < question->answer_count; i++) {
            double value = r->there ? similarity(r->shares, question->answers[i].shares, question->option_count) : NAN;
            m->sim[condition][m->offset[q] + i] = value;
            if (r->there)
                list[count++] = (two_way_cell){q, question->answers[i].place, value};
        }
    }
    return two_way_new(a, list, count, d->count, d->place_count, &m->tables[condition], err);
}

/* Questions that all countries with enough questions have answered. */
static void find_common(measure *m)
{
    size_t wanted = 0;
    for (size_t p = 0; p < m->d->place_count; p++)
        wanted += m->counted[p];
    for (size_t q = 0; q < m->d->count; q++) {
        size_t there = 0;
        for (size_t i = 0; i < m->d->questions[q].answer_count; i++)
            there += m->counted[m->d->questions[q].answers[i].place];
        m->common[q] = there == wanted;
    }
}

status measure_start(arena *a, const opinion_data *data, const opinion_reading *readings, measure *m, error *err)
{
    const opinion_data *d = data;
    size_t cells = 0, many = 0;
    *m = (measure){.d = data, .r = readings};
    m->offset = ARENA_ARRAY(a, size_t, d->count + 1);
    m->sim = ARENA_ARRAY(a, double *, d->condition_count);
    m->tables = ARENA_ARRAY(a, two_way *, d->condition_count);
    m->counted = ARENA_ARRAY(a, bool, d->place_count + 1);
    m->common = ARENA_ARRAY(a, bool, d->count + 1);
    m->weights = ARENA_ARRAY(a, double, d->count + 1);
    m->effects = ARENA_ARRAY(a, double, d->place_count + 1);
    m->levels = ARENA_ARRAY(a, double, d->place_count + 1);
    m->sums = ARENA_ARRAY(a, double, d->place_count + 1);
    m->totals = ARENA_ARRAY(a, double, d->place_count + 1);
    if (!m->offset || !m->sim || !m->tables || !m->counted || !m->common || !m->weights || !m->effects || !m->levels || !m->sums || !m->totals)
        return error_set(err, STATUS_MEMORY, "out of memory");
    for (size_t q = 0; q < d->count; q++) {
        m->offset[q] = cells;
        cells += d->questions[q].answer_count;
    }
    for (size_t p = 0; p < d->place_count; p++)
        many += m->counted[p] = d->places[p].questions >= OPINION_FEW;
    for (size_t p = 0; p < d->place_count && many < 2; p++)
        m->counted[p] = true;
    m->cells = cells;
    find_common(m);
    for (size_t c = 0; c < d->condition_count; c++)
        TRY(make_table(a, m, c, cells, err));
    return STATUS_OK;
}

/* ---- figures ---------------------------------------------------------------------------------------------------- */

/* What is not drawn again: counts, the other distances. */
static void describe(const measure *m, size_t condition, opinion_condition_figures *out)
{
    const opinion_data *d = m->d;
    for (size_t q = 0; q < d->count; q++) {
        const opinion_question *question = &d->questions[q];
        const opinion_reading *r = &m->r[q * d->condition_count + condition];
        out->there += r->there;
        for (size_t i = 0; r->there && i < question->answer_count; i++) {
            opinion_place_figures *p = &out->places[question->answers[i].place];
            double alike = m->sim[condition][m->offset[q] + i];
            p->questions++;
            p->common += m->common[q] ? alike : 0;
            p->common_questions += m->common[q];
            p->natural += similarity_natural(r->shares, question->answers[i].shares, question->option_count);
            p->wasserstein += wasserstein_steps(r->shares, question->answers[i].shares, question->option_count);
        }
    }
    for (size_t p = 0; p < d->place_count; p++) {
        out->places[p].natural /= (double)out->places[p].questions;
        out->places[p].wasserstein /= (double)out->places[p].questions;
        out->places[p].common = m->counted[p] && out->places[p].common_questions ? out->places[p].common / (double)out->places[p].common_questions : NAN;
        out->places[p].block = two_way_block(m->tables[condition], p);
    }
}

static double rank_of(const opinion_data *d, const opinion_condition_figures *f, size_t place)
{
    double rank = 1;
    for (size_t p = 0; p < d->place_count; p++)
        rank += f->places[p].similarity.value > f->places[place].similarity.value;
    return rank;
}

static void rank_targets(const opinion_data *d, const opinion_condition_figures *all, size_t condition, opinion_condition_figures *out)
{
    double before = 0, after = 0, count = 0;
    for (size_t p = 0; p < d->place_count; p++) {
        if (!opinions_target(d, &d->conditions[condition], p) || isnan(out->places[p].similarity.value))
            continue;
        before += rank_of(d, &all[0], p);
        after += rank_of(d, out, p);
        count++;
    }
    out->rank_before = count > 0 ? before / count : NAN;
    out->rank_after = count > 0 ? after / count : NAN;
}

/* Questions that were read of the countries that a condition is about. */
static size_t target_questions(const opinion_data *d, const opinion_condition_figures *f, size_t condition)
{
    size_t count = 0;
    for (size_t p = 0; p < d->place_count; p++)
        count += opinions_target(d, &d->conditions[condition], p) ? f->places[p].questions : 0;
    return count;
}

static opinion_figure figure_of(double value, interval limits, size_t questions)
{
    return (opinion_figure){value, questions < OPINION_LEAST ? (interval){NAN, NAN} : limits};
}

static void take_figures(const measure *m, const double *values, const interval *limits, opinion_condition_figures *all)
{
    const opinion_data *d = m->d;
    size_t places = d->place_count;
    for (size_t c = 0; c < d->condition_count; c++) {
        size_t at = base_of(d, c), end = at + 2 * places;
        for (size_t p = 0; p < places; p++) {
            size_t n = all[c].places[p].questions;
            all[c].places[p].similarity = figure_of(values[at + p], limits[at + p], n);
            all[c].places[p].effect = figure_of(values[at + places + p], limits[at + places + p], n);
        }
        all[c].gap = figure_of(values[end], limits[end], all[c].there);
        all[c].effect_gap = figure_of(values[end + 1], limits[end + 1], all[c].there);
        size_t shift = c ? shift_of(d, c) : 0, n = c ? target_questions(d, &all[c], c) : 0;
        all[c].shift = figure_of(c ? values[shift] : NAN, limits[shift], n);
        all[c].selectivity = figure_of(c ? values[shift + 1] : NAN, limits[shift + 1], n);
        all[c].gap_change = figure_of(c ? values[shift + 2] : NAN, limits[shift + 2], all[c].there);
    }
    for (size_t c = 0; c < d->condition_count; c++)
        rank_targets(d, all, c, &all[c]);
}

status opinions_measure(arena *a, const study_run *run, const opinion_reading *readings, opinion_condition_figures **out, error *err)
{
    const opinion_data *d = run->data;
    measure m;
    size_t width = base_of(d, d->condition_count) + CHANGES * (d->condition_count - 1);
    TRY(measure_start(a, d, readings, &m, err));
    double *values = ARENA_ARRAY(a, double, width + CHANGES);
    interval *limits = ARENA_ARRAY(a, interval, width + CHANGES);
    opinion_condition_figures *all = ARENA_ARRAY(a, opinion_condition_figures, d->condition_count);
    if (!values || !limits || !all)
        return error_set(err, STATUS_MEMORY, "out of memory");
    for (size_t q = 0; q < d->count; q++)
        m.weights[q] = 1;
    measure_at(&m, m.weights, values);
    for (size_t c = 0; c < d->condition_count; c++) {
        all[c].places = ARENA_ARRAY(a, opinion_place_figures, d->place_count + 1);
        if (!all[c].places)
            return error_set(err, STATUS_MEMORY, "out of memory");
        describe(&m, c, &all[c]);
    }
    bootstrap b = {.items = d->count, .seed = run->seed, .purpose = "global-opinions/questions"};
    TRY(bootstrap_intervals(&b, measure_picks, &m, width, limits, err));
    take_figures(&m, values, limits, all);
    TRY(opinions_chance(a, run, &m, all, err));
    *out = all;
    return STATUS_OK;
}
