#include "run/figure.h"

#include "core/jsonio.h"
#include "stats/distribution.h"

#include <math.h>

json_t *figure_column(const char *key, const char *label, const char *kind)
{
    return json_pack("{s:s, s:s, s:s}", "key", key, "label", label, "kind", kind);
}

json_t *figure_interval_about(const json_t *form, const char *middle)
{
    if (!json_is_number(json_object_get(form, middle)))
        return json_null();
    return json_pack("[O, O?, O?]", json_object_get(form, middle), json_object_get(form, "low"), json_object_get(form, "high"));
}

json_t *figure_interval(const json_t *form)
{
    return figure_interval_about(form, "estimate");
}

static json_t *member(const json_t *form, const char *key)
{
    json_t *value = json_object_get(form, key);
    return value ? json_incref(value) : json_null();
}

json_t *figure_claim(const char *name, const char *says, const char *unit, const json_t *form, double p, int holds)
{
    json_t *claim = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "form", name, "says", says, "unit", unit, "estimate",
                              member(form, "estimate"), "low", member(form, "low"), "high", member(form, "high"), "p",
                              json_is_number(json_object_get(form, "estimate")) ? jsonio_number(p) : json_null());
    if (holds >= 0)
        json_object_set_new(claim, "holds", json_boolean(holds));
    if (json_is_string(json_object_get(form, "reason")))
        json_object_set(claim, "reason", json_object_get(form, "reason"));
    return claim;
}

double figure_p(const json_t *form, double null, bool above)
{
    double low = jsonio_number_at(form, "low"), high = jsonio_number_at(form, "high"), estimate = jsonio_number_at(form, "estimate");
    double sem = (high - low) / (2 * normal_quantile(.975)), away = above ? estimate - null : null - estimate;
    if (isnan(estimate) || isnan(sem))
        return NAN;
    return sem > 0 ? normal_above(away / sem) : away > 0 ? 0 : 1;
}
