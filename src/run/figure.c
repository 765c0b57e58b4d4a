#include "run/figure.h"

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
