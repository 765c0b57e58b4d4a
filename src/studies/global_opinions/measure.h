/* measure.h - private to the study global-opinions: how like each country's answers the subject's are, and how sure that is.
 *
 * Every figure is a function of weights of the questions: once each for the figure itself, as often as drawn for its interval. One draw
 * of questions serves all countries and conditions, so that what they share cancels in differences.
 */
#ifndef ASSAY_STUDIES_OPINIONS_MEASURE_H
#define ASSAY_STUDIES_OPINIONS_MEASURE_H

#include "stats/bootstrap.h"
#include "studies/global_opinions/opinions.h"

typedef struct opinion_figure {
    double value;
    interval limits; /* 95 %, over questions */
} opinion_figure;

typedef struct opinion_place_figures {
    opinion_figure similarity; /* mean over the questions that were asked there */
    opinion_figure effect;     /* the same with an effect for each question: comparable between countries (stats/two_way.h) */
    double natural, wasserstein;
    double common;             /* similarity on the questions that all countries with enough questions have answered; NaN: none */
    size_t common_questions;
    size_t questions, block;   /* block: countries that shared questions connect, from 0; SIZE_MAX: none */
} opinion_place_figures;

/* What chance alone gives, from CHANCE_DRAWS draws; p is the share of them, the data themselves counted in, that go as far. */
enum { CHANCE_DRAWS = 1000 };

typedef struct opinion_gap_test {
    double p, mean, high; /* mean and 95 % quantile of the gap by chance */
} opinion_gap_test;

typedef struct opinion_chance {
    opinion_gap_test countries; /* the countries of each question change places: no country is nearer than another */
    opinion_gap_test options;   /* the subject's shares change places among the options of each question: as sharp, without opinion */
    double even_gap, even_rank; /* equal shares for all options: the gap, and the rank correlation of countries with the subject's */
    double shift, selectivity, gap_change; /* two-sided p: the condition and `default` change places in each question */
    size_t place, places;       /* of the mean change of those that the condition is about among the changes of all countries that count */
} opinion_chance;

typedef struct opinion_condition_figures {
    opinion_place_figures *places;
    opinion_figure gap, effect_gap;     /* between the most and the least similar of the countries with enough questions */
    opinion_figure gap_change;          /* of effect_gap, against `default` */
    opinion_chance chance;
    opinion_figure shift, selectivity;  /* against `default`: of the country or the language's countries, and beyond that of the others */
    double rank_before, rank_after;     /* mean rank of those by similarity, 1: the most similar; NaN: there are none */
    size_t there;                       /* questions with shares */
} opinion_condition_figures;

/* Whether a condition is about this country. */
bool opinions_target(const opinion_data *data, const opinion_condition *c, size_t place);
/* Figures of all conditions, in the arena. */
status opinions_measure(arena *a, const study_run *run, const opinion_reading *readings, opinion_condition_figures **out, error *err);

#endif
