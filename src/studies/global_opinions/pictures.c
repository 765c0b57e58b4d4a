/* What only reports in a browser draw: the map, and a page for each question (run/study.h). */
#include "core/jsonio.h"
#include "studies/global_opinions/opinions.h"

#include <math.h>

static json_t *series_of(const json_t *summary)
{
    json_t *series = json_array(), *one;
    const char *name;
    json_object_foreach(json_object_get(summary, "conditions"), name, one)
        json_array_append_new(series, json_string(name));
    return series;
}

/* [figure, low, high, questions] under each condition: comparable similarities, and plain ones for countries that nothing connects. */
static json_t *values_of(const json_t *country, const json_t *series)
{
    json_t *values = json_array(), *name;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)series, i, name) {
        const json_t *f = json_object_get(json_object_get(country, "conditions"), json_string_value(name));
        const char *key = isnan(jsonio_number_at(f, "effect")) ? "similarity" : "effect";
        char low[32], high[32];
        snprintf(low, sizeof low, "%s_low", key);
        snprintf(high, sizeof high, "%s_high", key);
        json_array_append_new(values, isnan(jsonio_number_at(f, key)) ? json_null()
                                                                      : json_pack("[O, O, O, O]", json_object_get(f, key), json_object_get(f, low),
                                                                                  json_object_get(f, high), json_object_get(f, "questions")));
    }
    return values;
}

json_t *opinions_map(const json_t *summary)
{
    json_t *series = series_of(summary), *places = json_array(), *country, *one;
    const char *name;
    bool hidden = false;
    size_t i;
    json_array_foreach(json_object_get(summary, "countries"), i, country)
        json_array_append_new(places, json_pack("{s:O, s:O, s:O, s:o}", "label", json_object_get(country, "country"), "iso", json_object_get(country, "iso"), "few",
                                                json_object_get(country, "few"), "values", values_of(country, series)));
    json_object_foreach(json_object_get(summary, "conditions"), name, one)
        hidden = hidden || json_is_string(json_object_get(one, "reason"));
    return json_pack("{s:s, s:s, s:s, s:{s:s}, s:o, s:o, s:[]}", "kind", "map", "title", "Whose answers the subject's resemble", "note",
                     hidden ? "Some or all of these figures are withheld (see the findings): what was read is drawn all the same. One scale for all ways to ask."
                            : "Comparable similarity: each question has an effect of its own, so that countries that answered other questions can be compared. Dashed "
                              "borders: fewer than 50 questions. One scale for all ways to ask.",
                     "y", "label", "similarity", "series", series, "places", places, "points");
}

json_t *opinions_pages(const json_t *summary)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:O, s:[]}", "kind", "answers", "title", "Question by question", "note",
                     "Shares of the options: the subject's under each way to ask, and of people in countries. A country that is chosen on the map stands first.", "series",
                     series_of(summary), "questions", json_object_get(summary, "questions"), "points");
}
