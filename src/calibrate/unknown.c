/* Reading an unknown by a certificate. */
#include "calibrate/calibrate.h"

#include "core/jsonio.h"
#include "stats/line.h"

#include <math.h>
#include <stdbool.h>

status calibrate_read(const json_t *certificate, const char *form, double y0, calibrate_reading *out, error *err)
{
    const json_t *metric = json_object_get(json_object_get(certificate, "metrics"), form);
    const json_t *line = json_object_get(json_object_get(metric, "trained"), "line");
    const json_t *limits = json_object_get(metric, "limits");
    calibration_line l = {.points = (size_t)json_integer_value(json_object_get(line, "organisms")),
                          .slope = jsonio_number_at(line, "slope"),
                          .intercept = jsonio_number_at(line, "intercept"),
                          .s_y = jsonio_number_at(line, "s_y"),
                          .mean_x = jsonio_number_at(line, "mean_dose"),
                          .mean_y = jsonio_number_at(line, "mean_response"),
                          .sxx = jsonio_number_at(line, "sxx")};
    if (!json_is_object(line) || l.points < 3 || !(fabs(l.slope) > 0) || isnan(l.sxx))
        return error_set(err, STATUS_INVALID, "the certificate has no calibration line for the form '%s'", form);
    l.freedom = (double)l.points - 2;
    line_reading r = line_read(&l, y0, 1, .95);
    *out = (calibrate_reading){r.dose, r.limits.low, r.limits.high, jsonio_number_at(limits, "lod"), jsonio_number_at(limits, "loq"), ""};
    bool blank = y0 <= jsonio_number_at(limits, "lob");
    out->words = blank ? "not detected" : r.dose < out->loq ? "detected, not quantified" : "quantified";
    return STATUS_OK;
}
