#include "stats/line.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

status line_fit(const double *x, const double *y, const double *weights, size_t count, calibration_line *out,
                error *err)
{
    if (count < 2)
        return error_set(err, STATUS_INVALID, "a calibration line needs at least 2 points, found %zu", count);
    double total = 0, mx = 0, my = 0, sxx = 0, sxy = 0, rss = 0, n = (double)count;
    for (size_t i = 0; i < count; i++)
        total += weights ? weights[i] : 1;
    for (size_t i = 0; i < count; i++) {
        double w = (weights ? weights[i] : 1) / total;
        mx += w * x[i];
        my += w * y[i];
    }
    for (size_t i = 0; i < count; i++) {
        double w = (weights ? weights[i] : 1) * n / total;
        sxx += w * (x[i] - mx) * (x[i] - mx);
        sxy += w * (x[i] - mx) * (y[i] - my);
    }
    if (!(sxx > 0))
        return error_set(err, STATUS_INVALID, "a calibration line needs at least 2 different doses, found one");
    double slope = sxy / sxx, intercept = my - slope * mx;
    for (size_t i = 0; i < count; i++) {
        double residual = y[i] - intercept - slope * x[i];
        rss += (weights ? weights[i] : 1) * n / total * residual * residual;
    }
    double s = count > 2 ? sqrt(rss / (n - 2)) : NAN;
    *out = (calibration_line){.points = count,
                              .slope = slope,
                              .intercept = intercept,
                              .s_y = s,
                              .slope_error = s / sqrt(sxx),
                              .intercept_error = s * sqrt(1 / n + mx * mx / sxx),
                              .mean_x = mx,
                              .mean_y = my,
                              .sxx = sxx,
                              .freedom = n - 2};
    return STATUS_OK;
}

static interval around(double middle, double deviation, double freedom, double level)
{
    double half = freedom > 0 ? student_quantile(1 - (1 - level) / 2, freedom) * deviation : NAN;
    return (interval){middle - half, middle + half};
}

interval line_slope_interval(const calibration_line *l, double level)
{
    return around(l->slope, l->slope_error, l->freedom, level);
}

interval line_intercept_interval(const calibration_line *l, double level)
{
    return around(l->intercept, l->intercept_error, l->freedom, level);
}

line_reading line_read(const calibration_line *l, double y0, double m, double level)
{
    double away = y0 - l->mean_y, n = (double)l->points;
    double dose = (y0 - l->intercept) / l->slope;
    double deviation = l->s_y / fabs(l->slope) * sqrt(1 / m + 1 / n + away * away / (l->slope * l->slope * l->sxx));
    return (line_reading){dose, deviation, around(dose, deviation, l->freedom, level)};
}

double line_recovery(const calibration_line *l, double dose, double y)
{
    return (y - l->intercept) / (l->slope * dose);
}

status line_lack_of_fit(const double *x, const double *y, size_t count, lack_of_fit *out, error *err)
{
    calibration_line l;
    TRY(line_fit(x, y, NULL, count, &l, err));
    double error_sum = 0, pure = 0;
    size_t doses = 0;
    for (size_t i = 0; i < count; i++) {
        double mean = 0, same = 0, residual = y[i] - l.intercept - l.slope * x[i];
        bool first = true;
        for (size_t j = 0; j < count; j++)
            if (x[j] == x[i]) {
                mean += y[j];
                same++;
                first = first && j >= i;
            }
        mean /= same;
        doses += first;
        error_sum += residual * residual;
        pure += (y[i] - mean) * (y[i] - mean);
    }
    double k = (double)doses, n = (double)count;
    *out = (lack_of_fit){.f = NAN, .p = NAN, .freedom1 = k - 2, .freedom2 = n - k, .ss_error = error_sum,
                         .ss_pure = pure};
    if (k > 2 && n > k && pure > 0) {
        out->f = (fmax(0, error_sum - pure) / (k - 2)) / (pure / (n - k));
        out->p = fisher_above(out->f, k - 2, n - k);
    }
    return STATUS_OK;
}
