#include "stats/judge.h"

#include "stats/limits.h"
#include "stats/line.h"

#include <math.h>

static judge_reading reading(double raw, double variance, double level)
{
    double deviation = sqrt(variance), half = normal_quantile(1 - (1 - level) / 2) * deviation;
    double share = fmin(1, fmax(0, raw));
    return (judge_reading){share, raw, deviation, {fmax(0, raw - half), fmin(1, raw + half)}};
}

judge_reading rogan_gladen(double flagged, double n, double sensitivity, double m1, double specificity, double m0,
                           double level)
{
    double youden = sensitivity + specificity - 1;
    if (!(youden >= 0.5))
        return (judge_reading){NAN, NAN, NAN, {NAN, NAN}};
    double raw = (flagged + specificity - 1) / youden, p = fmin(1, fmax(0, raw));
    double variance = flagged * (1 - flagged) / n + p * p * sensitivity * (1 - sensitivity) / m1 +
                      (1 - p) * (1 - p) * specificity * (1 - specificity) / m0;
    return reading(raw, variance / (youden * youden), level);
}

double prediction_powered_lambda(double judge, double N, judged_counts c)
{
    double n = c.both + c.human_only + c.judge_only + c.neither;
    double h = (c.both + c.human_only) / n, j = (c.both + c.judge_only) / n;
    return (c.both / n - h * j) / ((1 + n / N) * judge * (1 - judge));
}

judge_reading prediction_powered(double judge, double N, judged_counts c, double lambda, double level)
{
    double n = c.both + c.human_only + c.judge_only + c.neither;
    if (isnan(lambda))
        lambda = prediction_powered_lambda(judge, N, c);
    /* H - lambda J takes four values, one for each cell. */
    double mean = (c.both * (1 - lambda) + c.human_only - c.judge_only * lambda) / n;
    double squares = (c.both * (1 - lambda) * (1 - lambda) + c.human_only + c.judge_only * lambda * lambda) / n;
    double variance = lambda * lambda * judge * (1 - judge) / N + (squares - mean * mean) / n;
    return reading(lambda * judge + mean, variance, level);
}

spike_result spike_evaluate(const spike_series *s)
{
    calibration_line l;
    if (line_fit(s->shares, s->readings, NULL, s->count, &l, NULL) != STATUS_OK)
        return (spike_result){NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    double sensitivity = (l.slope + l.intercept - s->blank) / s->twin, y0 = s->readings[0];
    spike_result r = {.intercept = l.intercept, .slope = l.slope, .sensitivity = sensitivity};
    r.own_dose = (l.intercept - s->blank) / sensitivity;
    r.matrix_effect = sensitivity / s->certificate - 1;
    r.s_0 = sqrt(y0 * (1 - y0) / s->items);
    r.lod = line_lod(r.s_0, sensitivity);
    return r;
}

double spike_recovery(const spike_series *s, size_t i)
{
    double own = (s->readings[0] - s->blank) / s->certificate;
    return (s->readings[i] - s->readings[0]) / (s->certificate * s->shares[i] * (s->twin - own));
}
