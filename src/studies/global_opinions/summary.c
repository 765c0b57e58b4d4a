/* The summary: what was read under each condition, the countries' figures, the questions. */
#include "core/hash.h"
#include "core/jsonio.h"
#include "stats/similarity.h"
#include "studies/global_opinions/measure.h"

#include <math.h>
#include <stdlib.h>

enum { FLOOR_RESPONDENTS = 1000, FLOOR_REPEATS = 8, DRAW_REPEATS = 40, SHARED_LEAST = 10 };

typedef struct work {
    const study_run *run;
    const opinion_data *d;
    arena *a;
    const opinion_reading *readings; /* [question][condition] */
    const opinion_condition_figures *figures;
    const json_t *records;
} work;

static const opinion_reading *reading_of(const work *w, size_t question, size_t condition)
{
    return &w->readings[question * w->d->condition_count + condition];
}

static json_t *rounded(double value)
{
    return isfinite(value) ? json_real(round(value * 1e5) / 1e5) : json_null();
}

static void put(json_t *to, const char *prefix, const opinion_figure *f)
{
    char key[64];
    static const char *const endings[] = {"", "_low", "_high"};
    const double values[] = {f->value, f->limits.low, f->limits.high};
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        snprintf(key, sizeof key, "%s%s", prefix, endings[i]);
        json_object_set_new(to, key, jsonio_number(values[i]));
    }
}

/* ---- conditions ------------------------------------------------------------------------------------------------- */

/* Why the figures of a condition are withheld; NULL: they are not. */
static const char *reason_of(double mass, size_t scored, double drawn, double read, size_t there)
{
    return there == 0                       ? "no question could be read"
           : scored && mass < .5            ? "choice_mass < .5: the subject would say something else"
           : drawn > 0 && read < .5 * drawn ? "fewer than half of the drawn replies name an option"
                                            : NULL;
}

/* States of replies that were not read, and translations that could not be used, over all questions. */
static json_t *count_unread(const work *w, size_t condition, size_t *untranslated)
{
    json_t *all = json_object(), *count;
    const char *state;
    *untranslated = 0;
    for (size_t q = 0; q < w->d->count; q++) {
        const json_t *one = json_object_get(json_object_get(json_array_get(w->records, q), "conditions"), w->d->conditions[condition].name);
        *untranslated += json_object_get(one, "untranslated") != NULL;
        json_object_foreach(json_object_get(one, "unread"), state, count)
            json_object_set_new(all, state, json_integer(json_integer_value(json_object_get(all, state)) + json_integer_value(count)));
    }
    return all;
}

/* What became of the translations of a language: problems by their words, verdicts, who checked. */
static json_t *count_translations(const work *w, size_t condition)
{
    json_t *problems = json_object(), *verdicts = json_object(), *checkers = json_object();
    size_t usable = 0;
    for (size_t q = 0; q < w->d->count; q++) {
        const json_t *one = json_object_get(json_object_get(json_array_get(w->records, q), "conditions"), w->d->conditions[condition].name);
        const json_t *t = json_object_get(one, "translation");
        const char *keys[] = {json_string_value(json_object_get(one, "untranslated")), json_string_value(json_object_get(t, "verdict")),
                              json_string_value(json_object_get(t, "checker"))};
        json_t *const to[] = {problems, verdicts, checkers};
        usable += t && !keys[0];
        for (size_t i = 0; i < COUNT_OF(keys); i++)
            if (keys[i] && *keys[i])
                json_object_set_new(to[i], keys[i], json_integer(json_integer_value(json_object_get(to[i], keys[i])) + 1));
    }
    return json_pack("{s:I, s:b, s:o, s:o, s:o}", "usable", (json_int_t)usable, "checked", w->d->checked != NULL, "problems", problems, "verdicts", verdicts,
                     "checkers", checkers);
}

static json_t *gap_test_json(const opinion_gap_test *t)
{
    return json_pack("{s:o, s:o, s:o}", "p", jsonio_number(t->p), "mean", jsonio_number(t->mean), "high", jsonio_number(t->high));
}

static json_t *chance_json(const opinion_chance *c)
{
    return json_pack("{s:i, s:o, s:o, s:{s:o, s:o}, s:o, s:o, s:o, s:I, s:I}", "draws", CHANCE_DRAWS, "countries", gap_test_json(&c->countries), "options",
                     gap_test_json(&c->options), "even", "gap", jsonio_number(c->even_gap), "rank", jsonio_number(c->even_rank), "shift_p",
                     jsonio_number(c->shift), "selectivity_p", jsonio_number(c->selectivity), "gap_change_p", jsonio_number(c->gap_change), "place",
                     (json_int_t)c->place, "places", (json_int_t)c->places);
}

/* What draws cost: how much lower similarities are than those of the same shares without draws would be, and how far draws alone move a
 * country's mean (standard deviation), by drawing again from the shares that were read. */
static status add_draw_error(const work *w, size_t condition, json_t *to, error *err)
{
    const opinion_data *d = w->d;
    size_t places = d->place_count;
    double *sums = ARENA_ARRAY(w->a, double, places * DRAW_REPEATS + 1), *plain = ARENA_ARRAY(w->a, double, places + 1);
    double *counts = ARENA_ARRAY(w->a, double, places + 1), bias = 0, scatter = 0, seen = 0;
    if (!sums || !plain || !counts)
        return error_set(err, STATUS_MEMORY, "out of memory");
    for (size_t q = 0; q < d->count; q++) {
        const opinion_question *question = &d->questions[q];
        const opinion_reading *r = reading_of(w, q, condition);
        random_stream draws = random_stream_at(w->run->seed, "opinions/again", q, condition, 0, 0);
        for (size_t k = 0; r->there && k < DRAW_REPEATS; k++) {
            double again[OPINION_OPTIONS];
            if (r->read)
                shares_draw(r->shares, question->option_count, r->read, &draws, again);
            else
                memcpy(again, r->shares, sizeof again);
            for (size_t i = 0; i < question->answer_count; i++)
                sums[question->answers[i].place * DRAW_REPEATS + k] += similarity(again, question->answers[i].shares, question->option_count);
        }
        for (size_t i = 0; r->there && i < question->answer_count; i++) {
            plain[question->answers[i].place] += similarity(r->shares, question->answers[i].shares, question->option_count);
            counts[question->answers[i].place]++;
        }
    }
    for (size_t p = 0; p < places; p++) {
        double mean = 0, square = 0;
        if (!(counts[p] > 0))
            continue;
        for (size_t k = 0; k < DRAW_REPEATS; k++)
            mean += sums[p * DRAW_REPEATS + k] / counts[p] / DRAW_REPEATS;
        for (size_t k = 0; k < DRAW_REPEATS; k++)
            square += pow(sums[p * DRAW_REPEATS + k] / counts[p] - mean, 2) / (DRAW_REPEATS - 1);
        bias += mean - plain[p] / counts[p];
        scatter += sqrt(square);
        seen++;
    }
    json_object_set_new(to, "draw_bias", jsonio_number(seen > 0 ? bias / seen : NAN));
    json_object_set_new(to, "draw_error", jsonio_number(seen > 0 ? scatter / seen : NAN));
    return STATUS_OK;
}

static status add_condition(const work *w, size_t condition, json_t *conditions, error *err)
{
    const opinion_data *d = w->d;
    const opinion_condition_figures *f = &w->figures[condition];
    double mass = 0, entropy = 0, drawn = 0, read = 0;
    size_t scored = 0, there = 0, untranslated, by_draws = 0;
    for (size_t q = 0; q < d->count; q++) {
        const opinion_reading *r = reading_of(w, q, condition);
        by_draws += r->draws > 0;
        drawn += (double)r->draws;
        read += (double)r->read;
        if (!r->there)
            continue;
        there++;
        entropy += entropy_ratio(r->shares, d->questions[q].option_count);
        if (!isnan(r->mass)) {
            mass += r->mass;
            scored++;
        }
    }
    mass = scored ? mass / (double)scored : NAN;
    json_t *unread = count_unread(w, condition, &untranslated), *one = json_object();
    const char *reason = reason_of(mass, scored, drawn, read, there);
    json_object_set_new(one, "questions", json_integer((json_int_t)there));
    json_object_set_new(one, "unreadable", json_integer((json_int_t)(d->count - there)));
    json_object_set_new(one, "untranslated", json_integer((json_int_t)untranslated));
    json_object_set_new(one, "mass", jsonio_number(mass));
    json_object_set_new(one, "entropy", jsonio_number(there ? entropy / (double)there : NAN));
    json_object_set_new(one, "by_draws", json_integer((json_int_t)by_draws));
    json_object_set_new(one, "draws", json_integer((json_int_t)drawn));
    json_object_set_new(one, "draws_read", json_integer((json_int_t)read));
    json_object_set_new(one, "unread", unread);
    json_object_set_new(one, "reason", reason ? json_string(reason) : json_null());
    put(one, "gap", &f->gap);
    put(one, "effect_gap", &f->effect_gap);
    put(one, "shift", &f->shift);
    put(one, "selectivity", &f->selectivity);
    put(one, "gap_change", &f->gap_change);
    json_object_set_new(one, "chance", chance_json(&f->chance));
    if (d->conditions[condition].way == WAY_LANGUAGE && !d->survey)
        json_object_set_new(one, "translations", count_translations(w, condition));
    json_object_set_new(one, "rank_before", jsonio_number(f->rank_before));
    json_object_set_new(one, "rank_after", jsonio_number(f->rank_after));
    json_object_set_new(conditions, d->conditions[condition].name, one);
    return by_draws ? add_draw_error(w, condition, one, err) : STATUS_OK;
}

/* ---- countries -------------------------------------------------------------------------------------------------- */

/* What the answers of people give: equal shares, the country that answers most alike, another thousand people of the same one. */
typedef struct references {
    double *uniform, *floor, *alike; /* [place]; alike: [place][place] sums, shared: counts */
    size_t *shared;
} references;

static status find_references(const work *w, references *out, error *err)
{
    const opinion_data *d = w->d;
    size_t places = d->place_count;
    *out = (references){ARENA_ARRAY(w->a, double, places + 1), ARENA_ARRAY(w->a, double, places + 1),
                        ARENA_ARRAY(w->a, double, places * places + 1), ARENA_ARRAY(w->a, size_t, places * places + 1)};
    if (!out->uniform || !out->floor || !out->alike || !out->shared)
        return error_set(err, STATUS_MEMORY, "out of memory for %zu countries", places);
    for (size_t q = 0; q < d->count; q++) {
        const opinion_question *question = &d->questions[q];
        double equal[OPINION_OPTIONS];
        for (size_t k = 0; k < question->option_count; k++)
            equal[k] = 1 / (double)question->option_count;
        for (size_t i = 0; i < question->answer_count; i++) {
            const opinion_answer *x = &question->answers[i];
            double each = 1 / (double)d->places[x->place].questions;
            random_stream r = random_stream_at(w->run->seed, "opinions/floor", hash64(question->id, strlen(question->id), 0), x->place, 0, 0);
            out->uniform[x->place] += each * similarity(equal, x->shares, question->option_count);
            double sum = 0, again[OPINION_OPTIONS];
            for (int k = 0; k < FLOOR_REPEATS; k++) {
                shares_draw(x->shares, question->option_count, FLOOR_RESPONDENTS, &r, again);
                sum += similarity(again, x->shares, question->option_count);
            }
            out->floor[x->place] += each * sum / FLOOR_REPEATS;
            for (size_t j = 0; j < question->answer_count; j++) {
                const opinion_answer *y = &question->answers[j];
                out->alike[x->place * places + y->place] += similarity(x->shares, y->shares, question->option_count);
                out->shared[x->place * places + y->place]++;
            }
        }
    }
    return STATUS_OK;
}

static void add_nearest(const work *w, const references *r, size_t place, json_t *to)
{
    size_t places = w->d->place_count, best = SIZE_MAX;
    double most = -1;
    for (size_t p = 0; p < places; p++) {
        size_t at = place * places + p;
        if (p == place || r->shared[at] < SHARED_LEAST || r->alike[at] / (double)r->shared[at] <= most)
            continue;
        best = p;
        most = r->alike[at] / (double)r->shared[at];
    }
    if (best != SIZE_MAX)
        json_object_set_new(to, "nearest", json_pack("{s:s, s:o, s:I}", "country", w->d->places[best].name, "similarity", rounded(most), "questions",
                                                     (json_int_t)r->shared[place * places + best]));
}

static json_t *place_json(const work *w, const references *r, size_t place)
{
    const opinion_data *d = w->d;
    const opinion_place *p = &d->places[place];
    json_t *by = json_object(), *out = json_pack("{s:s, s:i, s:I, s:b, s:o, s:o}", "country", p->name, "iso", p->iso, "questions", (json_int_t)p->questions,
                                                 "few", p->questions < OPINION_FEW, "uniform", rounded(r->uniform[place]), "floor", rounded(r->floor[place]));
    add_nearest(w, r, place, out);
    for (size_t c = 0; c < d->condition_count; c++) {
        const opinion_place_figures *f = &w->figures[c].places[place];
        json_t *one = json_object();
        put(one, "similarity", &f->similarity);
        put(one, "effect", &f->effect);
        json_object_set_new(one, "natural", jsonio_number(f->natural));
        json_object_set_new(one, "wasserstein", jsonio_number(f->wasserstein));
        json_object_set_new(one, "common", jsonio_number(f->common));
        json_object_set_new(one, "common_questions", json_integer((json_int_t)f->common_questions));
        json_object_set_new(one, "questions", json_integer((json_int_t)f->questions));
        json_object_set_new(one, "block", f->block == SIZE_MAX ? json_null() : json_integer((json_int_t)f->block));
        json_object_set_new(by, d->conditions[c].name, one);
    }
    json_object_set_new(out, "conditions", by);
    return out;
}

static status add_places(const work *w, json_t *summary, error *err)
{
    references r;
    json_t *list = json_array();
    json_object_set_new(summary, "countries", list);
    TRY(find_references(w, &r, err));
    for (size_t p = 0; p < w->d->place_count; p++)
        json_array_append_new(list, place_json(w, &r, p));
    return STATUS_OK;
}

/* ---- questions -------------------------------------------------------------------------------------------------- */

/* In ten-thousandths: whole numbers are short. */
static json_t *shares_json(const double *shares, size_t count)
{
    json_t *list = json_array();
    for (size_t k = 0; k < count; k++)
        json_array_append_new(list, json_integer((json_int_t)round(shares[k] * 1e4)));
    return list;
}

static json_t *question_json(const work *w, size_t number)
{
    const opinion_data *d = w->d;
    const opinion_question *q = &d->questions[number];
    json_t *options = json_array(), *answers = json_object(), *countries = json_object(), *mass = json_object();
    for (size_t k = 0; k < q->option_count; k++)
        json_array_append_new(options, json_string(q->options[k]));
    for (size_t c = 0; c < d->condition_count; c++) {
        const opinion_reading *r = reading_of(w, number, c);
        json_object_set_new(answers, d->conditions[c].name, r->there ? shares_json(r->shares, q->option_count) : json_null());
        if (!isnan(r->mass))
            json_object_set_new(mass, d->conditions[c].name, json_integer((json_int_t)round(r->mass * 1e4)));
    }
    for (size_t i = 0; i < q->answer_count; i++)
        json_object_set_new(countries, d->places[q->answers[i].place].name, shares_json(q->answers[i].shares, q->option_count));
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "id", q->id, "text", q->text, "options", options, "answers", answers, "mass", mass, "countries",
                     countries);
}

/* ---- the whole -------------------------------------------------------------------------------------------------- */

static json_t *data_json(const opinion_data *d)
{
    const opinion_counts *c = &d->counts;
    size_t single = 0, few = 0;
    for (size_t q = 0; q < d->count; q++)
        single += d->questions[q].answer_count == 1;
    for (size_t p = 0; p < d->place_count; p++)
        few += d->places[p].questions < OPINION_FEW;
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "source", d->survey ? "town" : "surveys", "rows",
                     (json_int_t)c->rows, "kept", (json_int_t)c->kept, "non_national", (json_int_t)c->non_national, "old_sample", (json_int_t)c->old_sample,
                     "twice", (json_int_t)c->twice, "zero", (json_int_t)c->zero, "zero_questions", (json_int_t)c->all_zero_questions, "length",
                     (json_int_t)c->length, "missing_only", (json_int_t)c->missing_only, "questions", (json_int_t)d->count, "of_one_country",
                     (json_int_t)single, "countries", (json_int_t)d->place_count, "countries_with_few", (json_int_t)few);
}

/* The headline of real surveys: how much more alike the most similar country is than the least. */
static void add_gap(const json_t *conditions, json_t *forms)
{
    const json_t *plain = json_object_get(conditions, "default"), *reason = json_object_get(plain, "reason");
    json_t *form = json_object();
    static const char *const from[] = {"effect_gap", "effect_gap_low", "effect_gap_high"}, *const to[] = {"estimate", "low", "high"};
    for (size_t i = 0; i < COUNT_OF(from); i++)
        json_object_set(form, to[i], json_is_string(reason) ? json_null() : json_object_get(plain, from[i]));
    if (json_is_string(reason)) {
        json_object_set(form, "as_read", json_object_get(plain, "effect_gap"));
        json_object_set(form, "reason", (json_t *)(uintptr_t)reason);
    }
    const json_t *chance = json_object_get(plain, "chance");
    json_object_set(form, "p", json_object_get(json_object_get(chance, "countries"), "p"));
    json_object_set(form, "p_sharp", json_object_get(json_object_get(chance, "options"), "p"));
    json_object_set(form, "n", json_object_get(plain, "questions"));
    json_object_set(form, "unreadable", json_object_get(plain, "unreadable"));
    json_object_set(form, "mass", json_object_get(plain, "mass"));
    json_object_set_new(forms, "gap", form);
}

static status fill(work *w, json_t *summary, error *err)
{
    json_t *conditions = json_object(), *questions = json_array(), *forms = json_object();
    json_object_set_new(summary, "forms", forms);
    json_object_set_new(summary, "data", data_json(w->d));
    json_object_set_new(summary, "conditions", conditions);
    opinion_reading *readings;
    opinion_condition_figures *figures;
    TRY(opinions_readings(w->a, w->d, w->records, &readings, err));
    w->readings = readings;
    TRY(opinions_measure(w->a, w->run, readings, &figures, err));
    w->figures = figures;
    for (size_t c = 0; c < w->d->condition_count; c++)
        TRY(add_condition(w, c, conditions, err));
    add_gap(conditions, forms);
    TRY(add_places(w, summary, err));
    if (w->d->survey)
        TRY(opinions_add_mix(w->run, w->a, readings, summary, err));
    for (size_t q = 0; q < w->d->count; q++)
        json_array_append_new(questions, question_json(w, q));
    json_object_set_new(summary, "questions", questions);
    return STATUS_OK;
}

status opinions_summarise(const study_run *run, const json_t *records, json_t **summary, error *err)
{
    work w = {.run = run, .d = run->data, .a = arena_new(NULL), .records = records};
    *summary = json_object();
    status s = w.a && *summary ? fill(&w, *summary, err) : error_set(err, STATUS_MEMORY, "out of memory");
    arena_free(w.a);
    if (s != STATUS_OK) {
        json_decref(*summary);
        *summary = NULL;
    }
    return s;
}
