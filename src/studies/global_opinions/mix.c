/* In the town the answers of all nations to all questions are known: which mix of them the subject's are, and, where the subject's
 * recipe says what its corpus held, how far the figures are from what that makes true. */
#include "core/jsonio.h"
#include "stats/bootstrap.h"
#include "stats/mixture.h"
#include "stats/rank.h"
#include "stats/similarity.h"
#include "studies/global_opinions/opinions.h"

#include <math.h>

/* Steps of the search for the sharpness in resamples: to two hundredths. */
enum { RESAMPLES = 120, RESAMPLE_STEPS = 9 };

typedef struct mix {
    const opinion_data *d;
    size_t cells, *offset;          /* of the cells of a question; a cell is an option */
    double *shares, *room;          /* [cell] of the subject; scratch */
    double *times;                  /* [question] how often each counts */
    const double *parts[SURVEY_NATIONS];
    double weights[SURVEY_NATIONS], sharpness;
    double plain[SURVEY_NATIONS]; /* weights of the mix that fits as it is, with a sharpness of 1 */
} mix;

static status start(arena *a, const opinion_data *d, const opinion_reading *readings, mix *m, error *err)
{
    double *parts[SURVEY_NATIONS];
    size_t room = d->count * SURVEY_OPTIONS + 1;
    *m = (mix){.d = d, .offset = ARENA_ARRAY(a, size_t, d->count + 1), .shares = ARENA_ARRAY(a, double, room), .room = ARENA_ARRAY(a, double, room),
               .times = ARENA_ARRAY(a, double, d->count + 1)};
    bool good = m->offset && m->shares && m->room && m->times;
    for (int c = 0; c < SURVEY_NATIONS; c++) {
        m->parts[c] = parts[c] = ARENA_ARRAY(a, double, room);
        good = good && parts[c];
    }
    if (!good)
        return error_set(err, STATUS_MEMORY, "out of memory");
    for (size_t q = 0; q < d->count; q++) {
        const opinion_reading *r = &readings[q * d->condition_count];
        m->offset[q] = m->cells;
        for (size_t k = 0; r->there && k < d->questions[q].option_count; k++, m->cells++) {
            m->shares[m->cells] = r->shares[k];
            for (int c = 0; c < SURVEY_NATIONS; c++)
                parts[c][m->cells] = d->survey->shares[c][d->questions[q].number][k];
        }
    }
    m->offset[d->count] = m->cells;
    return STATUS_OK;
}

static void fit_picks(const void *context, const size_t *picks, size_t count, double *values)
{
    const mix *m = context;
    for (size_t q = 0; q < m->d->count; q++)
        m->times[q] = 0;
    for (size_t i = 0; i < count; i++)
        m->times[picks[i]]++;
    double begin[SURVEY_NATIONS];
    for (int c = 0; c < SURVEY_NATIONS; c++)
        begin[c] = .9 * m->weights[c] + .1 / SURVEY_NATIONS;
    const mixture_rows rows = {m->shares, m->times, m->offset, m->d->count};
    mixture_fit_sharp(&rows, m->parts, SURVEY_NATIONS, begin, RESAMPLE_STEPS, m->room, values, &values[SURVEY_NATIONS], NULL);
}

static double planted_share(const opinion_data *d, int nation)
{
    const json_t *shares = json_object_get(d->planted, "mix");
    return json_is_object(shares) ? json_number_value(json_object_get(shares, d->survey->nations[nation])) : NAN;
}

/* Similarity of the planted mix itself to each nation, beside what was measured. */
static status add_truth(const opinion_data *d, const mix *m, json_t *out, const json_t *summary, error *err)
{
    double planted[SURVEY_NATIONS], truth[SURVEY_NATIONS] = {0}, measured[SURVEY_NATIONS], worst = 0, worst_weight = 0, worst_plain = 0;
    rank_correlation rank = {.value = NAN};
    bool all = true;
    for (int c = 0; c < SURVEY_NATIONS; c++) {
        planted[c] = planted_share(d, c);
        worst_weight = fmax(worst_weight, fabs(planted[c] - m->weights[c]));
        worst_plain = fmax(worst_plain, fabs(planted[c] - m->plain[c]));
    }
    for (size_t q = 0; q < d->count; q++) {
        double shares[SURVEY_OPTIONS];
        int number = (int)d->questions[q].number;
        survey_mix(d->survey, planted, number, shares);
        for (int c = 0; c < SURVEY_NATIONS; c++)
            truth[c] += similarity(shares, d->survey->shares[c][number], d->questions[q].option_count) / (double)d->count;
    }
    json_t *list = json_array();
    const json_t *countries = json_object_get(summary, "countries");
    for (size_t c = 0; c < SURVEY_NATIONS; c++) {
        const json_t *one = json_object_get(json_object_get(json_array_get(countries, c), "conditions"), "default");
        measured[c] = jsonio_number_at(one, "similarity");
        all = all && !isnan(measured[c]);
        worst = fmax(worst, fabs(measured[c] - truth[c]));
        json_array_append_new(list, json_pack("{s:s, s:f, s:o, s:f}", "nation", d->survey->nations[c], "similarity", truth[c], "measured",
                                              jsonio_number(measured[c]), "planted", planted[c]));
    }
    if (all)
        TRY(spearman(truth, measured, SURVEY_NATIONS, &rank, err));
    json_object_set_new(out, "truth", json_pack("{s:o, s:o, s:o, s:o, s:o}", "nations", list, "worst_similarity_error", jsonio_number(worst), "spearman",
                                                jsonio_number(rank.value), "worst_weight_error", jsonio_number(worst_weight), "worst_plain_error", jsonio_number(worst_plain)));
    return STATUS_OK;
}

/* The share of the nation that a recipe's dose is about, as the headline. */
static void add_share(const json_t *planted, const json_t *weights, json_t *summary)
{
    const char *named = json_string_value(json_object_get(planted, "nation"));
    json_t *form = json_object(), *row;
    const json_t *plain = json_object_get(json_object_get(summary, "conditions"), "default"), *reason = json_object_get(plain, "reason");
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)weights, i, row) {
        const char *nation = json_string_value(json_object_get(row, "nation"));
        if (named ? strcmp(nation, named) != 0 : i != 0)
            continue;
        json_object_set_new(form, "nation", json_string(nation));
        json_object_set(form, json_is_string(reason) ? "as_read" : "estimate", json_object_get(row, "weight"));
        json_object_set(form, "low", json_is_string(reason) ? json_null() : json_object_get(row, "low"));
        json_object_set(form, "high", json_is_string(reason) ? json_null() : json_object_get(row, "high"));
    }
    if (json_is_string(reason)) {
        json_object_set_new(form, "estimate", json_null());
        json_object_set(form, "reason", (json_t *)(uintptr_t)reason);
    }
    json_object_set(form, "n", json_object_get(plain, "questions"));
    json_object_set(form, "unreadable", json_object_get(plain, "unreadable"));
    json_object_set_new(json_object_get(summary, "forms"), "share", form);
    json_object_del(json_object_get(summary, "forms"), "gap");
}

status opinions_add_mix(const study_run *run, arena *a, const opinion_reading *readings, json_t *summary, error *err)
{
    const opinion_data *d = run->data;
    mix m;
    mixture_fit_report report;
    interval limits[SURVEY_NATIONS + 1]; /* the last ones: of the sharpness */
    TRY(start(a, d, readings, &m, err));
    const mixture_rows rows = {m.shares, NULL, m.offset, d->count};
    mixture_fit(m.shares, m.parts, SURVEY_NATIONS, m.cells, NULL, 0, m.plain, NULL);
    mixture_fit_sharp(&rows, m.parts, SURVEY_NATIONS, NULL, 0, m.room, m.weights, &m.sharpness, &report);
    bootstrap b = {.items = d->count, .seed = run->seed, .purpose = "global-opinions/mix", .resamples = RESAMPLES};
    TRY(bootstrap_intervals(&b, fit_picks, &m, SURVEY_NATIONS + 1, limits, err));
    json_t *weights = json_array(), *out = json_object();
    for (int c = 0; c < SURVEY_NATIONS; c++)
        json_array_append_new(weights, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "nation", d->survey->nations[c], "weight", jsonio_number(m.weights[c]), "low",
                                                 jsonio_number(limits[c].low), "high", jsonio_number(limits[c].high), "planted",
                                                 jsonio_number(planted_share(d, c)), "plain", jsonio_number(m.plain[c])));
    json_object_set_new(summary, "mix", out);
    json_object_set_new(out, "weights", weights);
    json_object_set_new(out, "sharpness", json_pack("{s:o, s:o, s:o}", "estimate", jsonio_number(m.sharpness), "low", jsonio_number(limits[SURVEY_NATIONS].low), "high",
                                                    jsonio_number(limits[SURVEY_NATIONS].high)));
    json_object_set_new(out, "divergence", jsonio_number(report.divergence));
    json_object_set_new(out, "condition_number", jsonio_number(mixture_condition(m.parts, SURVEY_NATIONS, m.cells)));
    add_share(d->planted, weights, summary);
    return json_is_object(json_object_get(d->planted, "mix")) ? add_truth(d, &m, out, summary, err) : STATUS_OK;
}
