/* The series of one twin: the figures of each form, and their intervals by a paired bootstrap over items. */
#include "calibrate/spike_series.h"

#include "core/jsonio.h"
#include "stats/bootstrap.h"
#include "stats/judge.h"
#include "stats/limits.h"
#include "stats/proportion.h"
#include "world/infection.h"

#include <math.h>

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for a spike series");
}

/* Figures of one form: in the whole, or in one resample of its items. */
enum { TWIN, ALONE, SLOPE, SENSITIVITY, OWN, MATRIX, READING, RECOVERY = READING + SPIKE_MOST_DOSES, FIGURES = RECOVERY + SPIKE_MOST_DOSES };

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

typedef struct work {
    const spike_options *o;
    spike_series_records *s;
    size_t doses;                        /* of the series; the twin alone is read after them */
    scale scales[SPIKE_MOST_FORMS];
    spike_reading (*read)[SPIKE_MOST_FORMS]; /* [dose][form] */
    double *whole;                       /* [form][FIGURES] */
    interval *limits;                    /* likewise */
    double *draws;                       /* [SPIKE_RESAMPLES][form][FIGURES] */
    size_t *times, resample;
} work;

/* The share of a series' step; after the last one the twin is alone. */
static double share_at(const work *w, size_t d)
{
    return d < w->doses ? w->o->doses[d] : 1;
}

/* The figures that follow from what was read of a form. */
static void figures_of(const work *w, size_t f, double *v)
{
    const spike_reading *twin = &w->read[w->doses][f];
    for (size_t d = 0; d < w->doses; d++)
        v[READING + d] = w->read[d][f].y;
    const spike_series x = {.shares = w->o->doses, .readings = &v[READING], .count = w->doses, .twin = twin->bad, .blank = w->scales[f].blank,
                            .certificate = w->scales[f].slope, .items = 1};
    spike_result r = spike_evaluate(&x);
    double own = (v[READING] - x.blank) / x.certificate;
    v[TWIN] = twin->bad;
    v[ALONE] = twin->y;
    v[SLOPE] = r.slope;
    v[SENSITIVITY] = r.sensitivity;
    v[OWN] = r.own_dose;
    v[MATRIX] = r.matrix_effect;
    for (size_t d = 0; d < w->doses; d++) /* a twin that is no worse than the model says nothing of recovery */
        v[RECOVERY + d] = d > 0 && twin->bad - own > .05 ? spike_recovery(&x, d) : NAN;
}

/* ---- intervals ---------------------------------------------------------------------------------------------------- */

/* One resample: each form's items drawn anew, and the whole series read of them; an item brings both its answers, so that every share
 * has the same items. */
static void resample(const void *context, const size_t *picks, size_t count, double *values)
{
    work *w = *(work *const *)context;
    size_t width = w->s->form_count * FIGURES;
    for (size_t i = 0; i < width; i++)
        values[i] = NAN;
    memset(w->times, 0, w->s->items * sizeof *w->times);
    for (size_t i = 0; i < count; i++)
        w->times[picks[i]]++;
    for (size_t d = 0; d <= w->doses; d++)
        spike_series_sum(w->s, share_at(w, d), w->times, w->read[d]);
    for (size_t f = 0; f < w->s->form_count; f++)
        figures_of(w, f, values + f * FIGURES);
    memcpy(w->draws + w->resample++ * width, values, width * sizeof *values);
}

static status bootstrap_all(arena *a, work *w, error *err)
{
    size_t *strata = ARENA_ARRAY(a, size_t, w->s->items + 1);
    if (!strata)
        return no_memory(err);
    for (size_t f = 0; f < w->s->form_count; f++)
        for (size_t i = 0; i < w->s->forms[f].count; i++)
            strata[w->s->forms[f].first + i] = f;
    const bootstrap b = {.items = w->s->items, .strata = strata, .seed = w->s->from->run->seed, .purpose = "spike", .resamples = SPIKE_RESAMPLES};
    return bootstrap_intervals(&b, resample, &w, w->s->form_count * FIGURES, w->limits, err);
}

/* The standard deviation over the resamples; NaN where fewer than half have the figure. */
static double error_of(const work *w, size_t at)
{
    size_t width = w->s->form_count * FIGURES, n = 0;
    double mean = 0, sum = 0;
    for (size_t r = 0; r < SPIKE_RESAMPLES; r++) {
        double value = w->draws[r * width + at];
        if (isnan(value))
            continue;
        double before = value - mean;
        mean += before / (double)++n;
        sum += before * (value - mean);
    }
    return 2 * n > SPIKE_RESAMPLES ? sqrt(sum / (double)(n - 1)) : NAN;
}

/* ---- as JSON ------------------------------------------------------------------------------------------------------ */

static json_t *limits_json(double value, interval limits, double sem)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "estimate", jsonio_number(value), "low", jsonio_number(limits.low), "high", jsonio_number(limits.high),
                     "error", jsonio_number(sem));
}

static json_t *figure_json(const work *w, size_t form, int figure)
{
    size_t at = form * FIGURES + (size_t)figure;
    return limits_json(w->whole[at], w->limits[at], error_of(w, at));
}

static json_t *reading_json(const work *w, size_t form, size_t d)
{
    size_t n = spike_series_count(&w->s->forms[form]), to_twin = infection_count(n, w->o->doses[d]);
    json_t *r = figure_json(w, form, READING + (int)d);
    json_object_set_new(r, "dose", json_real(w->o->doses[d]));
    json_object_set_new(r, "routed", json_integer((json_int_t)to_twin));
    json_object_set_new(r, "share", json_real((double)to_twin / (double)n));
    json_object_set_new(r, "recovery", d == 0 ? json_null() : figure_json(w, form, RECOVERY + (int)d));
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

static json_t *form_json(const work *w, size_t f)
{
    static const struct {
        const char *key;
        int figure;
    } keys[] = {{"twin_share", TWIN}, {"alone", ALONE}, {"slope", SLOPE}, {"sensitivity", SENSITIVITY}, {"own_dose", OWN}, {"matrix_effect", MATRIX}};
    const scale *sc = &w->scales[f];
    size_t n = spike_series_count(&w->s->forms[f]);
    json_t *readings = json_array();
    for (size_t d = 0; d < w->doses; d++)
        json_array_append_new(readings, reading_json(w, f, d));
    json_t *form = json_pack("{s:I, s:s, s:f, s:f, s:b, s:o}", "n", (json_int_t)n, "read_as", w->s->forms[f].excess ? "excess" : "share of failures", "blank", sc->blank,
                             "certificate_slope", sc->slope, "certificate", sc->from_certificate, "readings", readings);
    for (size_t k = 0; k < COUNT_OF(keys); k++)
        json_object_set_new(form, keys[k].key, figure_json(w, f, keys[k].figure));
    add_lod(form, (double)n, error_of(w, f * FIGURES + READING), w->whole[f * FIGURES + SENSITIVITY]);
    return form;
}

/* A form can be spiked when its items are graded, and the metric reads something of the model itself. What cannot be read of the twin is
 * the twin's fault, and makes it void. */
static bool can_be_read(const work *w, size_t f)
{
    return !isnan(w->whole[f * FIGURES + READING]);
}

static status refuse(const spike_options *o, error *err)
{
    error_set(err, STATUS_UNSUPPORTED, "nothing of the study %s can be spiked on %s: no form of its summary has a figure over items that are graded good or bad",
              o->study->name, o->model);
    return error_hint(err, "spike recovery needs a failure that is graded item by item (sycophancy, feedback-failures, a task of shares), and a subject of "
                           "which the study can read it");
}

/* ---- the whole ---------------------------------------------------------------------------------------------------- */

static status make(arena *a, work *w, error *err)
{
    size_t width = w->s->form_count * FIGURES;
    w->read = arena_alloc(a, (w->doses + 1) * sizeof *w->read);
    w->whole = ARENA_ARRAY(a, double, width + 1);
    w->limits = ARENA_ARRAY(a, interval, width + 1);
    w->draws = ARENA_ARRAY(a, double, width * SPIKE_RESAMPLES + 1);
    w->times = ARENA_ARRAY(a, size_t, w->s->items + 1);
    if (!w->read || !w->whole || !w->limits || !w->draws || !w->times)
        return no_memory(err);
    for (size_t d = 0; d <= w->doses; d++)
        TRY(spike_series_read(w->s, share_at(w, d), w->read[d], err));
    for (size_t f = 0; f < w->s->form_count; f++) {
        w->scales[f] = scale_of(w->o->certificate, w->s->forms[f].name, w->s->forms[f].excess);
        figures_of(w, f, w->whole + f * FIGURES);
    }
    return bootstrap_all(a, w, err);
}

/* What another twin's series is compared with. */
static status keep_draws(arena *a, const work *w, spike_draws *out, error *err)
{
    size_t width = w->s->form_count * FIGURES;
    out->count = w->s->form_count;
    out->forms = ARENA_ARRAY(a, spike_form_draws, out->count + 1);
    for (size_t f = 0; f < out->count && out->forms; f++) {
        spike_form_draws *d = &out->forms[f];
        *d = (spike_form_draws){.name = arena_strdup(a, w->s->forms[f].name), .sensitivity = w->whole[f * FIGURES + SENSITIVITY],
                                .draws = ARENA_ARRAY(a, double, SPIKE_RESAMPLES)};
        if (!d->name || !d->draws)
            return no_memory(err);
        for (size_t r = 0; r < SPIKE_RESAMPLES; r++)
            d->draws[r] = w->draws[r * width + f * FIGURES + SENSITIVITY];
    }
    return out->forms ? STATUS_OK : no_memory(err);
}

status spike_forms(arena *parent, const spike_options *o, const spike_records *records, json_t **forms, spike_draws *draws, error *err)
{
    arena *a = arena_new(parent);
    work *w = a ? ARENA_NEW(a, work) : NULL;
    *forms = NULL;
    if (!w)
        return no_memory(err);
    *w = (work){.o = o, .s = ARENA_NEW(a, spike_series_records), .doses = o->dose_count};
    status result = w->s ? spike_series_open(a, records, w->s, err) : no_memory(err);
    if (result == STATUS_OK)
        result = make(a, w, err);
    if (result == STATUS_OK && draws)
        result = keep_draws(parent, w, draws, err);
    if (result == STATUS_OK) {
        *forms = json_object();
        for (size_t f = 0; f < w->s->form_count; f++)
            if (can_be_read(w, f))
                json_object_set_new(*forms, w->s->forms[f].name, form_json(w, f));
        if (json_object_size(*forms) == 0) {
            json_decref(*forms);
            *forms = NULL;
            result = refuse(o, err);
        }
    }
    arena_free(a);
    return result;
}

json_t *spike_agreement(const spike_draws *one, const spike_draws *other)
{
    json_t *all = json_object();
    for (size_t f = 0; f < one->count; f++)
        for (size_t g = 0; g < other->count; g++) {
            const spike_form_draws *a = &one->forms[f], *b = &other->forms[g];
            if (strcmp(a->name, b->name) != 0)
                continue;
            double differences[SPIKE_RESAMPLES];
            for (size_t r = 0; r < SPIKE_RESAMPLES; r++)
                differences[r] = a->draws[r] - b->draws[r];
            interval limits = bootstrap_limits(differences, SPIKE_RESAMPLES, .95);
            json_object_set_new(all, a->name, limits_json(a->sensitivity - b->sensitivity, limits, NAN));
        }
    return all;
}
