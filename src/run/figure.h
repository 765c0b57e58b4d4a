/* figure.h - parts that the figures of many studies have (run/study.h says what a report reads).
 *
 *     json_t *columns = json_pack("[o, o]", figure_column("form", "Form", "text"), figure_column("rate", "Rate", "interval"));
 *     json_t *cell = figure_interval(json_object_get(forms, "answer"));      // [estimate, low, high], null where there is none
 */
#ifndef ASSAY_RUN_FIGURE_H
#define ASSAY_RUN_FIGURE_H

#include <jansson.h>
#include <stdbool.h>

/* A column of a table: {"key", "label", "kind"}. */
json_t *figure_column(const char *key, const char *label, const char *kind);
/* [estimate, low, high] of an object with such members; null when `estimate` is no number. */
json_t *figure_interval(const json_t *form);
/* The same with another member in the middle. */
json_t *figure_interval_about(const json_t *form, const char *middle);
/* A claim (run/study.h): the form's estimate with its limits; p NaN: no test. `holds`: 1, 0, or -1 where the study has no rule of its own. */
json_t *figure_claim(const char *name, const char *says, const char *unit, const json_t *form, double p, int holds);
/* One-sided p of an estimate above `null` (below it, with `above` false) from its 95 % limits, by the normal approximation: for figures
 * that have no exact test. NaN where there are no limits. */
double figure_p(const json_t *form, double null, bool above);

#endif
