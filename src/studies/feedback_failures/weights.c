/* What the feedback rewards: an audit of the pairs, and the weights of features (arXiv 2310.13548, section 4.1). */
#include "core/random.h"
#include "stats/logistic.h"
#include "stats/proportion.h"
#include "studies/feedback_failures/failures.h"

#include <math.h>

static const double scales[] = {.1, .3, 1, 3};
enum { FOLDS = 5, HELD_OUT = 5 /* one pair in five, by lot */ };

/* ---- the audit ---- */

typedef struct audit {
    size_t pairs, failed, unlabelled, views, decided, agreeing, false_decided, false_agreeing;
} audit;

static bool is_true(const json_t *record, const char *key)
{
    return json_is_true(json_object_get(record, key));
}

static void count_pair(const json_t *record, audit *c)
{
    json_int_t agreeing = json_integer_value(json_object_get(record, "agreeing"));
    c->pairs++;
    c->unlabelled += !is_true(record, "labelled");
    if (!is_true(record, "labelled") || !is_true(record, "view"))
        return;
    c->views++;
    if (agreeing < 0)
        return;
    bool won = is_true(record, "chosen") == (agreeing == 0), wrong = is_true(record, "view_false");
    c->decided++;
    c->agreeing += won;
    c->false_decided += wrong;
    c->false_agreeing += wrong && won;
}

static json_t *share(size_t part, size_t whole)
{
    interval w = wilson((double)part, (double)whole, .95);
    return whole == 0 ? json_null()
                      : json_pack("{s:f, s:f, s:f, s:I}", "estimate", (double)part / (double)whole, "low", w.low, "high", w.high, "n",
                                  (json_int_t)whole);
}

/* ---- the regression ---- */

static bool is_held_out(const study_run *run, size_t pair)
{
    random_stream r = random_stream_at(run->seed, "feedback-failures/held-out", pair, 0, 0, 0);
    return random_below(&r, HELD_OUT) == 0;
}

typedef struct rows {
    double *x;
    bool *chosen;
    size_t count;
} rows;

static status rows_new(arena *a, size_t most, size_t width, rows *out, error *err)
{
    *out = (rows){.x = arena_array(a, most + 1, width * sizeof(double)), .chosen = ARENA_ARRAY(a, bool, most + 1)};
    return out->x && out->chosen ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for %zu pairs", most);
}

/* Features and a column of ones, the lean towards the place. */
static void rows_add(rows *r, const json_t *record, size_t features)
{
    double *x = r->x + r->count * (features + 1);
    for (size_t f = 0; f < features; f++)
        x[f] = json_number_value(json_array_get(json_object_get(record, "x"), f));
    x[features] = 1;
    r->chosen[r->count++] = is_true(record, "chosen");
}

static json_t *weight_json(const char *name, const char *what, const logistic_weight *w)
{
    return json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "feature", name, "what", what, "estimate", w->median, "low",
                     w->low, "high", w->high, "effect", w->effect, "effect_low", w->effect_low, "effect_high", w->effect_high,
                     "r_hat", w->r_hat, "ess", w->ess);
}

static status regress(const study_run *run, arena *a, const rows *fit, const rows *held, json_t *into, error *err)
{
    const failures_data *data = run->data;
    size_t width = data->feature_count + 1, first, second;
    logistic_data d = {fit->count, width, fit->x, fit->chosen}, h = {held->count, width, held->x, held->chosen};
    logistic_options o = {.seed = run->seed, .purpose = "feedback-failures/weights"};
    logistic_posterior p;
    TRY(logistic_choose_scale(&d, scales, COUNT_OF(scales), FOLDS, &o, &o.scale, NULL, err));
    TRY(logistic_fit(a, &d, &o, &p, err));
    json_t *weights = json_array();
    json_object_set_new(into, "weights", weights);
    for (size_t f = 0; f < data->feature_count; f++)
        json_array_append_new(weights, weight_json(data->features[f].name, data->features[f].what, &p.weights[f]));
    json_array_append_new(weights, weight_json("place", "stands first (drawn by lot: should be 0)", &p.weights[width - 1]));
    json_object_set_new(into, "prior_scale", json_real(o.scale));
    json_object_set_new(into, "fitted_on", json_integer((json_int_t)fit->count));
    json_object_set_new(into, "held_out", json_integer((json_int_t)held->count));
    json_object_set_new(into, "held_out_accuracy", json_real(logistic_accuracy(&p, &h)));
    double r = logistic_confounding(&d, &first, &second);
    json_object_set_new(into, "confounding", json_pack("{s:f, s:s, s:s}", "correlation", r, "first",
                                                       first < data->feature_count ? data->features[first].name : "place", "second",
                                                       second < data->feature_count ? data->features[second].name : "place"));
    return STATUS_OK;
}

status failures_weights(const study_run *run, const json_t *records, json_t **out, error *err)
{
    const failures_data *data = run->data;
    audit c = {0};
    rows fit, held;
    arena *a = arena_new(NULL);
    *out = json_null();
    status s = a ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory");
    if (s == STATUS_OK)
        s = rows_new(a, data->pair_count, data->feature_count + 1, &fit, err);
    if (s == STATUS_OK)
        s = rows_new(a, data->pair_count, data->feature_count + 1, &held, err);
    if (s != STATUS_OK || data->pair_count == 0) {
        arena_free(a);
        return s;
    }
    for (size_t i = 0; i < data->pair_count; i++) {
        const json_t *record = json_array_get(records, data->item_count + i);
        if (!json_is_object(record)) {
            c.failed++;
            continue;
        }
        count_pair(record, &c);
        if (is_true(record, "labelled"))
            rows_add(is_held_out(run, i) ? &held : &fit, record, data->feature_count);
    }
    json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:I}", "source", data->feedback, "pairs", (json_int_t)c.pairs, "failed", (json_int_t)c.failed,
                          "unlabelled", (json_int_t)c.unlabelled, "skipped", (json_int_t)data->pairs_skipped);
    json_object_set_new(o, "labelled_by", json_string(data->labelled_by ? data->labelled_by : "labelled by hand"));
    json_object_set_new(o, "one_agrees", share(c.decided, c.pairs - c.unlabelled));
    json_object_set_new(o, "rewards_agreement", share(c.agreeing, c.decided));
    json_object_set_new(o, "rewards_false_agreement", share(c.false_agreeing, c.false_decided));
    if (fit.count < 10 * data->feature_count || held.count == 0)
        json_object_set_new(o, "reason", json_string("fewer than ten labelled pairs a feature"));
    else
        s = regress(run, a, &fit, &held, o, err);
    *out = o;
    arena_free(a);
    return s;
}
