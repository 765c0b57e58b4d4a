/* Dose-response. */
#include "calibrate/fit.h"

#include "stats/line.h"
#include "stats/rank.h"

#include <math.h>

typedef struct curve_data {
    const organism_mean *organisms;
    size_t count;
    double *x, *y, *weights, *nominal;
} curve_data;

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for a calibration curve");
}

typedef struct dose_level {
    double x, y, spread; /* mean dose on the x-axis, mean response, its standard deviation over organisms */
    size_t organisms;
    bool first; /* whether the organism asked for is the first of its dose */
} dose_level;

/* The organisms that share the nominal dose of organism i. */
static dose_level level_of(const curve_data *c, size_t i)
{
    dose_level l = {.first = true};
    double squares = 0;
    for (size_t j = 0; j < c->count; j++)
        if (c->nominal[j] == c->nominal[i]) {
            l.x += c->x[j];
            l.y += c->y[j];
            l.first = l.first && j >= i;
            l.organisms++;
        }
    l.x /= (double)l.organisms;
    l.y /= (double)l.organisms;
    for (size_t j = 0; j < c->count; j++)
        if (c->nominal[j] == c->nominal[i])
            squares += (c->y[j] - l.y) * (c->y[j] - l.y);
    l.spread = l.organisms > 1 ? sqrt(squares / (double)(l.organisms - 1)) : NAN;
    return l;
}

/* 1 / Var(y at d) by the binomial model at the mean response of the dose; one item more and one less keeps the ends
 * from having no variance at all. */
static double weight_at(const curve_data *c, size_t i)
{
    double items = c->organisms[i].first->n_items * (double)c->organisms[i].readings;
    double p = (fmin(1, fmax(0, level_of(c, i).y)) * items + 1) / (items + 2);
    return items / (p * (1 - p));
}

static status gather(arena *a, const fit_lines *lines, const char *tier, curve_data *c, error *err)
{
    organism_mean *all = fit_organisms(a, lines, tier, "curve", &c->count);
    c->organisms = all;
    c->x = ARENA_ARRAY(a, double, c->count + 1);
    c->y = ARENA_ARRAY(a, double, c->count + 1);
    c->weights = ARENA_ARRAY(a, double, c->count + 1);
    c->nominal = ARENA_ARRAY(a, double, c->count + 1);
    if (!all || !c->x || !c->y || !c->weights || !c->nominal)
        return no_memory(err);
    bool exact = strcmp(tier, "T2") != 0;
    for (size_t i = 0; i < c->count; i++) {
        c->nominal[i] = all[i].first->dose_nominal;
        c->x[i] = exact || isnan(all[i].realised) ? c->nominal[i] : all[i].realised;
        c->y[i] = all[i].y;
    }
    for (size_t i = 0; i < c->count; i++)
        c->weights[i] = weight_at(c, i);
    return STATUS_OK;
}

static json_t *points_json(const curve_data *c)
{
    json_t *points = json_array();
    for (size_t i = 0; i < c->count; i++) {
        const organism_mean *o = &c->organisms[i];
        json_array_append_new(points, json_pack("{s:f, s:o, s:f, s:o, s:o, s:s, s:f, s:f, s:I}", "dose", c->nominal[i],
                                                "realised", fit_number(o->realised), "y", c->y[i], "low",
                                                fit_number(o->low), "high", fit_number(o->high), "organism",
                                                o->first->organism_id, "base_seed", o->first->base_seed, "train_seed",
                                                o->first->train_seed, "readings", (json_int_t)o->readings));
    }
    return points;
}

static json_t *levels_json(const curve_data *c, const calibration_line *l)
{
    json_t *levels = json_array();
    for (size_t i = 0; i < c->count; i++) {
        dose_level at = level_of(c, i);
        if (!at.first)
            continue;
        double n = (double)at.organisms, half = n > 1 ? student_quantile(.975, n - 1) * at.spread / sqrt(n) : NAN;
        json_t *o = json_pack("{s:f, s:f, s:f, s:o, s:o, s:I}", "dose", c->nominal[i], "realised", at.x, "mean", at.y,
                              "low", fit_number(at.y - half), "high", fit_number(at.y + half), "organisms",
                              (json_int_t)at.organisms);
        json_object_set_new(o, "sd", fit_number(at.spread));
        json_object_set_new(o, "cv", fit_number(at.y > 0 ? at.spread / at.y : NAN));
        json_object_set_new(o, "recovery", fit_number(c->nominal[i] > 0 ? line_recovery(l, at.x, at.y) : NAN));
        json_object_set_new(o, "bias", fit_number((at.y - l->intercept) / l->slope - at.x));
        json_array_append_new(levels, o);
    }
    return levels;
}

static json_t *line_json(const calibration_line *l)
{
    interval s = line_slope_interval(l, .95), a = line_intercept_interval(l, .95);
    return json_pack("{s:f, s:o, s:o, s:f, s:o, s:o, s:o, s:I, s:f, s:f, s:f}", "slope", l->slope, "slope_low", fit_number(s.low),
                     "slope_high", fit_number(s.high), "intercept", l->intercept, "intercept_low", fit_number(a.low),
                     "intercept_high", fit_number(a.high), "s_y", fit_number(l->s_y), "organisms",
                     (json_int_t)l->points, "mean_dose", l->mean_x, "mean_response", l->mean_y, "sxx", l->sxx);
}

static double largest_deviation(const curve_data *c)
{
    double most = 0;
    for (size_t i = 0; i < c->count; i++)
        most = fmax(most, fabs(c->y[i] - c->x[i]));
    return most;
}

status fit_curve(arena *a, const fit_lines *lines, const char *tier, json_t **out, error *err)
{
    curve_data c = {0};
    calibration_line l;
    lack_of_fit f = {.f = NAN, .p = NAN};
    rank_correlation rank;
    TRY(gather(a, lines, tier, &c, err));
    json_t *o = json_pack("{s:o}", "points", points_json(&c));
    *out = o;
    if (line_fit(c.x, c.y, c.weights, c.count, &l, NULL) != STATUS_OK) {
        json_object_set_new(o, "line", json_null());
        json_object_set_new(o, "reason", json_string("fewer than two doses were measured"));
        return STATUS_OK;
    }
    json_object_set_new(o, "line", line_json(&l));
    json_object_set_new(o, "levels", levels_json(&c, &l));
    json_object_set_new(o, "largest_deviation", fit_number(largest_deviation(&c)));
    if (line_lack_of_fit(c.nominal, c.y, c.count, &f, NULL) == STATUS_OK)
        json_object_set_new(o, "lack_of_fit", json_pack("{s:o, s:o, s:f, s:f}", "f", fit_number(f.f), "p",
                                                        fit_number(f.p), "freedom1", f.freedom1, "freedom2",
                                                        f.freedom2));
    if (spearman(c.nominal, c.y, c.count, &rank, err) != STATUS_OK) {
        json_decref(o);
        return err ? err->code : STATUS_MEMORY;
    }
    json_object_set_new(o, "spearman", fit_number(rank.value));
    return STATUS_OK;
}
