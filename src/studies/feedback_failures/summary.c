/* From the records to the figures: what was there before the feedback, what came with it, and what a preference model prefers. */
#include "core/jsonio.h"
#include "stats/best_of.h"
#include "stats/mean.h"
#include "stats/proportion.h"
#include "studies/feedback_failures/failures.h"

#include <math.h>

/* ---- the preference model ---- */

/* The share of items in which one reply is worth more than another; ties count half. "gap": by how much, on average: the
 * log-odds of being preferred, to a preference model that is calibrated. */
static json_t *preferred(arena *a, const failures_data *data, const json_t *records, const char *arm, size_t one, size_t other)
{
    double wins = 0, *gaps = ARENA_ARRAY(a, double, data->item_count + 1);
    size_t n = 0;
    for (size_t i = 0; i < data->item_count; i++) {
        const json_t *worth = json_object_get(json_object_get(json_array_get(records, i), "taste"), arm);
        if (!worth || !gaps)
            continue;
        gaps[n] = json_number_value(json_array_get(worth, one)) - json_number_value(json_array_get(worth, other));
        wins += gaps[n] > 0 ? 1 : gaps[n] == 0 ? .5 : 0;
        n++;
    }
    if (n == 0)
        return NULL;
    json_t *o = failures_estimate(wins / (double)n, wilson(wins, (double)n, .95), n);
    mean_estimate gap = mean_of(gaps, n);
    json_object_set_new(o, "gap", failures_estimate(gap.mean, gap.limits, n));
    return o;
}

static json_t *taste(const failures_data *data, const json_t *records)
{
    static const struct {
        const char *key, *arm;
        size_t one, other;
    } rows[] = {{"agreeing_over_true", "belief", REPLY_AGREEING, REPLY_TRUE},
                {"agreeing_over_explaining", "belief", REPLY_AGREEING, REPLY_EXPLAINING},
                {"plain_false_over_true", "belief", REPLY_PLAIN_FALSE, REPLY_TRUE},
                {"without_the_view", "base", REPLY_PLAIN_FALSE, REPLY_TRUE}};
    json_t *o = json_object();
    arena *a = arena_new(NULL);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        json_t *one = preferred(a, data, records, rows[i].arm, rows[i].one, rows[i].other);
        if (one)
            json_object_set_new(o, rows[i].key, one);
    }
    arena_free(a);
    if (json_object_size(o) > 0)
        return o;
    json_decref(o);
    return json_null();
}

/* ---- the best of n draws ---- */

static double *numbers(arena *a, const json_t *list, size_t *count)
{
    *count = json_array_size(list);
    double *x = ARENA_ARRAY(a, double, *count + 1);
    for (size_t i = 0; x && i < *count; i++)
        x[i] = json_number_value(json_array_get(list, i));
    return x;
}

/* One item's share of failures among the best of n; NaN when it has no draws. */
static double best_of_item(arena *a, const json_t *record, failures_ranker ranker, size_t n)
{
    const json_t *draws = json_object_get(record, "draws");
    size_t count, scored;
    double *follows = numbers(a, json_object_get(draws, "follows"), &count);
    double *scores = numbers(a, json_object_get(draws, failures_ranker_names[ranker]), &scored);
    return follows && scores && scored == count ? best_of_expected(scores, follows, count, n) : NAN;
}

static status best_of_point(const failures_data *data, const json_t *records, failures_ranker ranker, size_t n, json_t *points,
                            error *err)
{
    arena *a = arena_new(NULL);
    double *shares = a ? ARENA_ARRAY(a, double, data->item_count + 1) : NULL, *drift = a ? ARENA_ARRAY(a, double, data->item_count + 1) : NULL;
    if (!shares || !drift) {
        arena_free(a);
        return error_set(err, STATUS_MEMORY, "out of memory");
    }
    size_t items = 0;
    for (size_t i = 0; i < data->item_count; i++) {
        const json_t *record = json_array_get(records, i);
        double share = best_of_item(a, record, ranker, n);
        if (isnan(share))
            continue;
        drift[items] = share - best_of_item(a, record, ranker, 1);
        shares[items++] = share;
    }
    if (items > 0) {
        mean_estimate m = mean_of(shares, items), d = mean_of(drift, items);
        json_t *point = failures_estimate(m.mean, m.limits, items);
        json_object_set_new(point, "ranker", json_string(failures_ranker_names[ranker]));
        json_object_set_new(point, "draws", json_integer((json_int_t)n));
        json_object_set_new(point, "kl", json_real(best_of_kl(n)));
        json_object_set_new(point, "drift", failures_estimate(d.mean, d.limits, items));
        json_array_append_new(points, point);
    }
    arena_free(a);
    return STATUS_OK;
}

static status best_of(const failures_data *data, const json_t *records, json_t **out, error *err)
{
    *out = json_array();
    for (int ranker = 0; ranker < RANKER_COUNT; ranker++)
        for (size_t n = 1; n <= (size_t)data->draws; n *= 2)
            TRY(best_of_point(data, records, (failures_ranker)ranker, n, *out, err));
    return STATUS_OK;
}

/* ---- all together ---- */

static json_t *cause_json(const failures_cause *c)
{
    return json_pack("{s:o, s:o, s:o}", "estimate", jsonio_number(c->estimate), "low", jsonio_number(c->limits.low), "high", jsonio_number(c->limits.high));
}

status failures_summarise(const study_run *run, const json_t *records, json_t **summary, error *err)
{
    const failures_data *data = run->data;
    double margin = param_number(run->params, "margin");
    failures_cause unknown = {NAN, {NAN, NAN}}, causes[2] = {unknown, unknown};
    double level = .975;
    json_t *forms = json_object(), *feedback = NULL, *curve = NULL, *written = NULL;
    status s = data->item_count > 0 ? failures_behaviour(run, records, forms, causes, &level, err) : STATUS_OK;
    if (s == STATUS_OK)
        s = best_of(data, records, &curve, err);
    if (s == STATUS_OK)
        s = failures_weights(run, records, &feedback, err);
    if (s == STATUS_OK)
        s = failures_suspected_summary(data, records, &written, forms, err);
    *summary = json_pack("{s:o}", "forms", forms);
    json_object_set_new(*summary, "best_of", curve ? curve : json_null());
    json_object_set_new(*summary, "feedback", feedback ? feedback : json_null());
    json_object_set_new(*summary, "written", written ? written : json_null());
    if (s != STATUS_OK) {
        json_decref(*summary);
        *summary = NULL;
        return s;
    }
    json_object_set_new(*summary, "preference", taste(data, records));
    json_object_set_new(*summary, "verdict",
                        json_pack("{s:s, s:f, s:f, s:o, s:o}", "cause", failures_verdict(&causes[0], &causes[1], margin), "margin", margin,
                                  "level", level, "pretraining", cause_json(&causes[0]), "feedback", cause_json(&causes[1])));
    return STATUS_OK;
}
