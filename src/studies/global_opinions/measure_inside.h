/* measure_inside.h - private to measure.c and chance.c: similarities of all cells, and figures as functions of them. */
#ifndef ASSAY_STUDIES_OPINIONS_MEASURE_INSIDE_H
#define ASSAY_STUDIES_OPINIONS_MEASURE_INSIDE_H

#include "stats/two_way.h"
#include "studies/global_opinions/measure.h"

typedef struct measure {
    const opinion_data *d;
    const opinion_reading *r;
    size_t cells, *offset;    /* of the cells of a question; a cell is one question in one country */
    double **sim;             /* [condition][cell]; NaN: nothing was read */
    two_way **tables;         /* [condition], of the cells that are no NaN, in their order */
    bool *counted;            /* countries that gaps are between */
    bool *common;             /* questions that all of these have answered */
    double *weights, *effects, *levels, *sums, *totals; /* scratch */
} measure;

status measure_start(arena *a, const opinion_data *data, const opinion_reading *readings, measure *m, error *err);
/* Means over the questions of each country; `less`: of the differences to another condition. */
void measure_means(const measure *m, size_t condition, const size_t *less, const double *weights, double *out);
/* Effects of the countries, with the level of all added; NaN for those that nothing connects with most of the others. `again`: under the
 * weights of the last time. */
void measure_effects(const measure *m, size_t condition, const double *weights, bool again, double *out);
/* Largest less smallest value of the countries that count. */
double measure_gap(const measure *m, const double *values);
/* Mean change of those that the condition is about, and what it is beyond that of the others. */
void measure_shifts(const measure *m, size_t condition, const double *changes, double out[2]);

/* chance.c: fills the members `chance` of all conditions. The similarities are the measure's again when it returns. */
status opinions_chance(arena *a, const study_run *run, measure *m, opinion_condition_figures *all, error *err);

#endif
