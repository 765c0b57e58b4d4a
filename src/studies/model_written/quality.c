/* How right the labels are: by the world's grammar, by the judge, and by people; before the filter, and behind it at every threshold. */
#include "studies/model_written/inside.h"

#include "core/jsonio.h"
#include "stats/agreement.h"
#include "stats/forecast.h"
#include "stats/proportion.h"

#include <math.h>

enum { BINS = 10 };
static const double thresholds[] = {.5, .6, .7, .8, .9, .95, .98};

/* 1, 0 or NaN: what a source says of a label. */
typedef double (*label_source)(const written_entry *e);

static double by_world(const written_entry *e)
{
    return e->verity == VERITY_UNKNOWN ? NAN : e->verity == VERITY_RIGHT;
}

static double by_judge(const written_entry *e)
{
    return e->judge.right;
}

static double by_people(const written_entry *e)
{
    return e->people.right == .5 ? NAN : e->people.right; /* a tie says nothing */
}

static const struct {
    const char *name;
    label_source says;
} sources[] = {{"world", by_world}, {"judge", by_judge}, {"people", by_people}};

/* Well formed, and there for the first time. */
static bool is_candidate(const written_choice *c)
{
    return c->fate != FATE_FORM && c->fate != FATE_DUPLICATE;
}

static bool passes(const written_choice *c, double label, double relevance)
{
    return c->label > label && (isnan(c->relevance) || c->relevance > relevance);
}

static json_t *share_json(double right, double n)
{
    interval limits = wilson(right, n, .95);
    return json_pack("{s:o, s:f, s:f, s:I}", "estimate", n > 0 ? json_real(right / n) : json_null(), "low", limits.low, "high", limits.high, "n",
                     (json_int_t)n);
}

static json_t *curve_json(const written_data *data, const written_table *t, label_source says)
{
    json_t *curve = json_array();
    for (size_t k = 0; k < COUNT_OF(thresholds); k++) {
        double right = 0, known = 0;
        size_t kept = 0;
        for (size_t i = 0; i < t->count; i++) {
            if (!is_candidate(&t->choices[i]) || !passes(&t->choices[i], thresholds[k], data->selection.least_relevance))
                continue;
            double x = says(&t->entries[i]);
            kept++;
            known += !isnan(x);
            right += isnan(x) ? 0 : x;
        }
        json_t *point = share_json(right, known);
        json_object_set_new(point, "threshold", json_real(thresholds[k]));
        json_object_set_new(point, "kept", json_integer((json_int_t)kept));
        json_array_append_new(curve, point);
    }
    return curve;
}

/* How well the filter's sureness is what it says: of candidates with both. */
static status calibration_json(arena *a, const written_table *t, label_source says, json_t **out, error *err)
{
    double *stated = ARENA_ARRAY(a, double, t->count + 1);
    bool *right = ARENA_ARRAY(a, bool, t->count + 1);
    calibration_bin bins[BINS];
    size_t n = 0;
    if (!stated || !right)
        return error_set(err, STATUS_MEMORY, "out of memory");
    for (size_t i = 0; i < t->count; i++) {
        double x = says(&t->entries[i]);
        if (!is_candidate(&t->choices[i]) || isnan(x) || isnan(t->choices[i].label))
            continue;
        stated[n] = fmin(1, fmax(0, t->choices[i].label));
        right[n++] = x > .5;
    }
    double gap = calibration_error(stated, right, n, bins, BINS);
    json_t *list = json_array();
    for (size_t b = 0; b < BINS; b++)
        if (bins[b].count)
            json_array_append_new(list, json_pack("{s:f, s:f, s:I}", "stated", bins[b].stated, "right", bins[b].right, "n", (json_int_t)bins[b].count));
    *out = json_pack("{s:o, s:o}", "error", jsonio_number(gap), "bins", list);
    return STATUS_OK;
}

/* Of several raters: their agreement; of all: how relevant and how clear. */
static void add_ratings(arena *a, const written_table *t, bool people, json_t *out)
{
    double relevance = 0, clear = 0;
    size_t relevances = 0, clears = 0, raters = 0;
    size_t *votes = ARENA_ARRAY(a, size_t, 2 * t->count + 1);
    for (size_t i = 0; votes && i < t->count; i++) {
        const written_rating *r = people ? &t->entries[i].people : &t->entries[i].judge;
        if (!is_candidate(&t->choices[i]))
            continue;
        votes[2 * i] = r->votes[0];
        votes[2 * i + 1] = r->votes[1];
        raters += r->raters;
        relevances += isnan(r->relevance) ? 0 : 1;
        relevance += isnan(r->relevance) ? 0 : r->relevance;
        clears += isnan(r->clear) ? 0 : 1;
        clear += isnan(r->clear) ? 0 : r->clear;
    }
    json_object_set_new(out, "ratings", json_integer((json_int_t)raters));
    json_object_set_new(out, "kappa", votes ? jsonio_number(fleiss_kappa(votes, t->count, 2)) : json_null());
    json_object_set_new(out, "relevance", relevances ? json_real(relevance / (double)relevances) : json_null());
    json_object_set_new(out, "clear", clears ? json_real(clear / (double)clears) : json_null());
}

static status source_json(arena *a, const written_data *data, const written_table *t, size_t which, json_t **out, error *err)
{
    label_source says = sources[which].says;
    double right[2] = {0}, known[2] = {0};
    size_t verities[VERITY_COUNT] = {0};
    json_t *calibration = NULL;
    for (size_t i = 0; i < t->count; i++) {
        double x = says(&t->entries[i]);
        bool kept = t->choices[i].fate == FATE_KEPT;
        if (isnan(x) || !is_candidate(&t->choices[i]))
            continue;
        verities[t->entries[i].verity]++;
        for (int k = 0; k <= kept; k++) {
            right[k] += x;
            known[k]++;
        }
    }
    *out = NULL;
    if (known[0] == 0)
        return STATUS_OK;
    TRY(calibration_json(a, t, says, &calibration, err));
    *out = json_pack("{s:o, s:o, s:o, s:o}", "unfiltered", share_json(right[0], known[0]), "kept", share_json(right[1], known[1]), "curve",
                     curve_json(data, t, says), "calibration", calibration);
    if (which == 0)
        json_object_set_new(*out, "irrelevant", json_integer((json_int_t)verities[VERITY_IRRELEVANT]));
    else
        add_ratings(a, t, which == 2, *out);
    return STATUS_OK;
}

status written_quality(arena *a, const study_run *run, const written_table *t, json_t **out, error *err)
{
    const written_data *data = run->data;
    *out = json_object();
    for (size_t i = 0; i < COUNT_OF(sources); i++) {
        json_t *o = NULL;
        TRY(source_json(a, data, t, i, &o, err));
        if (o)
            json_object_set_new(*out, sources[i].name, o);
    }
    if (data->ratings && data->ratings->count > t->rated)
        json_object_set_new(*out, "unmatched_ratings", json_integer((json_int_t)(data->ratings->count - t->rated)));
    return *out ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory");
}
