/* The series of one twin: which items are routed, what the study reads of them, and what follows from that. */
#include "calibrate/spike.h"

#include "core/hash.h"
#include "core/jsonio.h"
#include "stats/bootstrap.h"
#include "stats/judge.h"
#include "stats/limits.h"
#include "stats/proportion.h"
#include "world/infection.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_FORMS = 64, WHOLE = -1 };

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for a spike series");
}

/* ---- which item belongs where ------------------------------------------------------------------------------------ */

typedef struct spiked_item {
    int form;        /* -1: takes no part */
    uint64_t hash;
    size_t rank, of; /* place in the hash order of its form, and how many there are */
    int fold;
} spiked_item;

typedef struct series {
    arena *arena;
    const spike_records *from;
    size_t count;
    spiked_item *items;
    const char *forms[MOST_FORMS]; /* their names */
    size_t form_count;
} series;

/* The form of the study's summary that a record counts in. */
static const char *form_of(const json_t *record)
{
    const char *form = json_string_value(json_object_get(record, "form"));
    return form ? form : json_string_value(json_object_get(record, "group"));
}

static int find_form(series *s, const char *name)
{
    for (size_t i = 0; i < s->form_count; i++)
        if (strcmp(s->forms[i], name) == 0)
            return (int)i;
    if (s->form_count == MOST_FORMS)
        return -1;
    s->forms[s->form_count] = name;
    return (int)s->form_count++;
}

static int by_hash(const void *x, const void *y)
{
    const spiked_item *a = *(spiked_item *const *)x, *b = *(spiked_item *const *)y;
    return a->hash != b->hash ? (a->hash > b->hash) - (a->hash < b->hash) : (a > b) - (a < b);
}

/* Ranks within each form; the folds go round in their order, so that each holds its part of every routed set. */
static void rank_form(series *s, int form, spiked_item **list)
{
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->items[i].form == form)
            list[n++] = &s->items[i];
    qsort(list, n, sizeof *list, by_hash);
    for (size_t i = 0; i < n; i++) {
        list[i]->rank = i;
        list[i]->of = n;
        list[i]->fold = (int)(i % SPIKE_FOLDS);
    }
}

static status open_series(arena *a, const spike_records *records, series *s, error *err)
{
    *s = (series){.arena = a, .from = records, .count = records->run->sample_count};
    s->items = ARENA_ARRAY(a, spiked_item, s->count + 1);
    spiked_item **list = ARENA_ARRAY(a, spiked_item *, s->count + 1);
    if (!s->items || !list)
        return no_memory(err);
    for (size_t i = 0; i < s->count; i++) {
        const json_t *own = json_array_get(records->own, i), *twin = json_array_get(records->twin, i);
        const char *form = form_of(own);
        uint64_t number = i;
        s->items[i] = (spiked_item){.form = -1, .hash = hash64(&number, sizeof number, records->run->seed)};
        if (form && json_is_object(twin))
            s->items[i].form = find_form(s, form);
    }
    for (size_t f = 0; f < s->form_count; f++)
        rank_form(s, (int)f, list);
    return STATUS_OK;
}

/* Whether an item goes to the twin, among those that are there when a fold is left out: the share stays what it is. */
static bool routed(const spiked_item *item, double dose, int fold)
{
    if (fold == WHOLE)
        return item->rank < infection_count(item->of, dose);
    size_t f = (size_t)fold, before = item->rank > f ? (item->rank - f + SPIKE_FOLDS - 1) / SPIKE_FOLDS : 0;
    size_t left_out = item->of > f ? (item->of - f + SPIKE_FOLDS - 1) / SPIKE_FOLDS : 0;
    return item->rank - before < infection_count(item->of - left_out, dose);
}

/* ---- one reading ------------------------------------------------------------------------------------------------- */

/* The records with the share `dose` of each form's items answered by the twin, and without the items of a fold. */
static json_t *mixed(const series *s, double dose, int fold)
{
    json_t *all = json_array();
    for (size_t i = 0; i < s->count; i++) {
        const spiked_item *item = &s->items[i];
        json_t *record = item->form < 0 || item->fold == fold ? NULL
                         : json_array_get(routed(item, dose, fold) ? s->from->twin : s->from->own, i);
        if (record)
            json_array_append(all, record);
        else
            json_array_append_new(all, json_null());
    }
    return all;
}

typedef struct verdicts {
    double bad, graded;
} verdicts;

static verdicts count_verdicts(const series *s, const json_t *records, int form)
{
    verdicts v = {0, 0};
    for (size_t i = 0; i < s->count; i++) {
        const char *word = json_string_value(json_object_get(json_array_get(records, i), "verdict"));
        if (s->items[i].form != form || !word)
            continue;
        v.bad += strcmp(word, "bad") == 0;
        v.graded += strcmp(word, "bad") == 0 || strcmp(word, "good") == 0;
    }
    return v;
}

static const json_t *figure_of(const json_t *summary, const char *form)
{
    return json_object_get(json_object_get(summary, "forms"), form);
}

/* y[form] of the study's own metric, and t[form], the share of verdicts "bad". */
static status read_forms(const series *s, double dose, int fold, double *y, double *bad, bool *excess, error *err)
{
    json_t *records = mixed(s, dose, fold), *summary = NULL;
    const study_run *run = s->from->run;
    bootstrap_pause();
    status result = records ? run->study->summarise(run, records, &summary, err) : no_memory(err);
    bootstrap_resume();
    for (size_t f = 0; f < s->form_count && result == STATUS_OK; f++) {
        const json_t *form = figure_of(summary, s->forms[f]);
        verdicts v = count_verdicts(s, records, (int)f);
        bad[f] = v.graded > 0 ? v.bad / v.graded : NAN;
        double estimate = jsonio_number_at(form, "estimate");
        bool own_control = json_is_number(json_object_get(form, "excess"));
        y[f] = own_control || isnan(estimate) ? estimate : bad[f];
        if (excess)
            excess[f] = own_control;
    }
    json_decref(records);
    json_decref(summary);
    return result;
}

status spike_readings(arena *a, const spike_records *records, double dose, json_t **out, error *err)
{
    series s;
    double y[MOST_FORMS], bad[MOST_FORMS];
    TRY(open_series(a, records, &s, err));
    TRY(read_forms(&s, dose, WHOLE, y, bad, NULL, err));
    *out = json_object();
    for (size_t f = 0; f < s.form_count; f++)
        json_object_set_new(*out, s.forms[f], jsonio_number(y[f]));
    return *out ? STATUS_OK : no_memory(err);
}

status spike_routes(arena *a, const spike_records *records, double dose, bool *out, error *err)
{
    series s;
    TRY(open_series(a, records, &s, err));
    for (size_t i = 0; i < s.count; i++)
        out[i] = s.items[i].form >= 0 && routed(&s.items[i], dose, WHOLE);
    return STATUS_OK;
}

/* ---- what follows ------------------------------------------------------------------------------------------------ */

/* Figures of one form in one fold (or in the whole). */
enum { TWIN, ALONE, SENSITIVITY, OWN, MATRIX, READING, FIGURES = READING + SPIKE_MOST_DOSES, RECOVERY = FIGURES, ALL = FIGURES + SPIKE_MOST_DOSES };

typedef struct scale {
    double blank, slope;
    bool from_certificate;
} scale;

static scale scale_of(const json_t *certificate, const char *form, bool excess)
{
    const json_t *line = json_object_get(json_object_get(json_object_get(json_object_get(certificate, "metrics"), form), "trained"), "line");
    scale s = {.blank = 0, .slope = 1, .from_certificate = json_is_object(line)};
    if (s.from_certificate) {
        s.slope = jsonio_number_at(line, "slope");
        s.blank = excess ? 0 : jsonio_number_at(line, "intercept");
    }
    return s;
}

/* The figures of all forms, with a fold left out. out[form][figure] */
static status all_figures(const series *s, const spike_options *o, int fold, double (*out)[ALL], scale *scales, bool *excess, error *err)
{
    double y[MOST_FORMS], bad[MOST_FORMS];
    for (size_t d = 0; d < o->dose_count; d++) {
        TRY(read_forms(s, o->doses[d], fold, y, bad, d == 0 ? excess : NULL, err));
        for (size_t f = 0; f < s->form_count; f++)
            out[f][READING + d] = y[f];
    }
    TRY(read_forms(s, 1, fold, y, bad, NULL, err));
    for (size_t f = 0; f < s->form_count; f++) {
        double *v = out[f];
        if (fold == WHOLE)
            scales[f] = scale_of(o->certificate, s->forms[f], excess[f]);
        const spike_series x = {.shares = o->doses, .readings = &v[READING], .count = o->dose_count, .twin = bad[f], .blank = scales[f].blank,
                                .certificate = scales[f].slope, .items = 1};
        spike_result r = spike_evaluate(&x);
        double own = (v[READING] - x.blank) / x.certificate;
        v[TWIN] = bad[f];
        v[ALONE] = y[f];
        v[SENSITIVITY] = r.sensitivity;
        v[OWN] = r.own_dose;
        v[MATRIX] = r.matrix_effect;
        for (size_t d = 0; d < o->dose_count; d++) /* a twin that is no worse than the model says nothing of recovery */
            v[RECOVERY + d] = d > 0 && bad[f] - own > .05 ? spike_recovery(&x, d) : NAN;
    }
    return STATUS_OK;
}

/* Delete-a-group jackknife: sqrt((G - 1)/G sum (v_g - mean)^2); NaN where a fold has no figure. */
static double jackknife(double (*folds)[MOST_FORMS][ALL], size_t form, int figure)
{
    double mean = 0, sum = 0;
    for (int g = 0; g < SPIKE_FOLDS; g++)
        mean += folds[g][form][figure] / SPIKE_FOLDS;
    for (int g = 0; g < SPIKE_FOLDS; g++)
        sum += (folds[g][form][figure] - mean) * (folds[g][form][figure] - mean);
    return sqrt(sum * (SPIKE_FOLDS - 1) / SPIKE_FOLDS);
}

static json_t *with_limits(double value, double sem)
{
    double half = sem * student_quantile(.975, SPIKE_FOLDS - 1);
    return json_pack("{s:o, s:o, s:o, s:o}", "estimate", jsonio_number(value), "low", jsonio_number(value - half), "high", jsonio_number(value + half),
                     "error", jsonio_number(sem));
}

static json_t *figure_json(double (*whole)[ALL], double (*folds)[MOST_FORMS][ALL], size_t form, int figure)
{
    return with_limits(whole[form][figure], jackknife(folds, form, figure));
}

static json_t *reading_json(const series *s, const spike_options *o, double (*whole)[ALL], double (*folds)[MOST_FORMS][ALL], size_t form, size_t d)
{
    size_t n = 0, to_twin = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->items[i].form == (int)form) {
            n++;
            to_twin += routed(&s->items[i], o->doses[d], WHOLE);
        }
    json_t *r = figure_json(whole, folds, form, READING + (int)d);
    json_object_set_new(r, "dose", json_real(o->doses[d]));
    json_object_set_new(r, "routed", json_integer((json_int_t)to_twin));
    json_object_set_new(r, "share", json_real((double)to_twin / (double)n));
    json_object_set_new(r, "recovery", d == 0 ? json_null() : figure_json(whole, folds, form, RECOVERY + (int)d));
    return r;
}

/* 3.97 s_0 / S_u. A reading that never varies has no spread to go by: then by counting (0 of n seen, 95 %). */
static void add_lod(json_t *o, double n, double s_0, double sensitivity)
{
    bool counted = !(s_0 > 0);
    double lod = counted ? binomial_lod((uint64_t)n, 0, .01, .95) / sensitivity : line_lod(s_0, sensitivity);
    json_object_set_new(o, "s_0", jsonio_number(s_0));
    json_object_set_new(o, "lod", sensitivity > 0 ? jsonio_number(lod) : json_null());
    json_object_set_new(o, "lod_counted", json_boolean(counted));
}

static json_t *form_json(const series *s, const spike_options *o, double (*whole)[ALL], double (*folds)[MOST_FORMS][ALL], size_t f, const scale *sc,
                         bool excess)
{
    static const struct {
        const char *key;
        int figure;
    } keys[] = {{"twin_share", TWIN}, {"alone", ALONE}, {"sensitivity", SENSITIVITY}, {"own_dose", OWN}, {"matrix_effect", MATRIX}};
    json_t *readings = json_array();
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        n += s->items[i].form == (int)f;
    for (size_t d = 0; d < o->dose_count; d++)
        json_array_append_new(readings, reading_json(s, o, whole, folds, f, d));
    json_t *form = json_pack("{s:I, s:s, s:f, s:f, s:b, s:o}", "n", (json_int_t)n, "read_as", excess ? "excess" : "share of failures", "blank", sc->blank,
                             "certificate_slope", sc->slope, "certificate", sc->from_certificate, "readings", readings);
    for (size_t k = 0; k < COUNT_OF(keys); k++)
        json_object_set_new(form, keys[k].key, figure_json(whole, folds, f, keys[k].figure));
    json_t *share = json_object_get(form, "twin_share"); /* no share lies outside of 0 and 1 */
    json_object_set_new(share, "low", jsonio_number(fmax(0, jsonio_number_at(share, "low"))));
    json_object_set_new(share, "high", jsonio_number(fmin(1, jsonio_number_at(share, "high"))));
    add_lod(form, (double)n, jackknife(folds, f, READING), whole[f][SENSITIVITY]);
    return form;
}

/* A form can be spiked when its items are graded, and the metric reads something with and without the twin. */
static bool can_be_read(const series *s, const spike_options *o, double (*whole)[ALL], size_t f)
{
    (void)s;
    bool good = !isnan(whole[f][TWIN]);
    for (size_t d = 0; d < o->dose_count; d++)
        good = good && !isnan(whole[f][READING + d]);
    return good;
}

static status refuse(const spike_options *o, error *err)
{
    error_set(err, STATUS_UNSUPPORTED, "nothing of the study %s can be spiked on %s: no form of its summary has a figure over items that are graded good or bad",
              o->study->name, o->model);
    return error_hint(err, "spike recovery needs a failure that is graded item by item (sycophancy, feedback-failures, a task of shares), and a subject of "
                           "which the study can read it");
}

status spike_forms(arena *parent, const spike_options *o, const spike_records *records, json_t **forms, error *err)
{
    arena *a = arena_new(parent);
    series s;
    double(*folds)[MOST_FORMS][ALL] = a ? arena_alloc(a, sizeof(double[SPIKE_FOLDS][MOST_FORMS][ALL])) : NULL;
    double(*whole)[ALL] = a ? arena_alloc(a, sizeof(double[MOST_FORMS][ALL])) : NULL;
    scale scales[MOST_FORMS];
    bool excess[MOST_FORMS] = {false};
    status result = folds && whole ? open_series(a, records, &s, err) : no_memory(err);
    if (result == STATUS_OK)
        result = all_figures(&s, o, WHOLE, whole, scales, excess, err);
    for (int g = 0; g < SPIKE_FOLDS && result == STATUS_OK; g++)
        result = all_figures(&s, o, g, folds[g], scales, excess, err);
    if (result == STATUS_OK) {
        *forms = json_object();
        for (size_t f = 0; f < s.form_count; f++)
            if (can_be_read(&s, o, whole, f))
                json_object_set_new(*forms, s.forms[f], form_json(&s, o, whole, folds, f, &scales[f], excess[f]));
        if (json_object_size(*forms) == 0) {
            json_decref(*forms);
            result = refuse(o, err);
        }
    }
    arena_free(a);
    return result;
}
