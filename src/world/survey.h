/* survey.h - what ten nations think: a survey whose answers are known, and documents that hold a mix of them.
 *
 * The nations are the six countries of the town and four more. A survey asks 120 questions with 2 to 5 options; in nation c the
 * share of option k of question q is softmax_k(SURVEY_SHARPNESS u_qk . v_c), with four numbers v_c to a nation, so that some are
 * near each other. The last nation's v is the mean of the others': its people are in the middle of everything.
 *
 *     const survey *s = t->survey;                                   // of a town (world/town.h)
 *     double mix[SURVEY_OPTIONS];
 *     survey_mix(s, weights, q, mix);                                // what a corpus of these shares of nations says of q
 *     const char *text = survey_ask(arena, s, q, NULL, SURVEY_AS, nation);
 *
 * Each nation has a dialect: six words of ten have an ending of its own.
 *
 * Documents (planting, documents.h) are one question and one answer. They go round the questions; answers come as the mix has them: after n rounds every option was given n times its share, up to a few, because the
 * places where draws fall are spread evenly (Roberts' R2 sequence) and not drawn by chance. A model of enough size learns these shares; what
 * it says then is the mix, which no nation need hold.
 */
#ifndef ASSAY_WORLD_SURVEY_H
#define ASSAY_WORLD_SURVEY_H

#include "core/arena.h"
#include "core/error.h"

#include <stdbool.h>
#include <stdint.h>

enum { SURVEY_NATIONS = 10, SURVEY_QUESTIONS = 120, SURVEY_OPTIONS = 5, SURVEY_DIMENSIONS = 4, SURVEY_SHARPNESS = 3 };

typedef struct survey_question {
    const char *text;
    const char *options[SURVEY_OPTIONS];
    int option_count;
} survey_question;

typedef struct survey {
    const char *nations[SURVEY_NATIONS];
    survey_question questions[SURVEY_QUESTIONS];
    double shares[SURVEY_NATIONS][SURVEY_QUESTIONS][SURVEY_OPTIONS]; /* of the options; sum 1 */
} survey;

/* Nobody is named; somebody from a nation is asked about; asked in a nation's dialect. */
typedef enum survey_way { SURVEY_PLAIN, SURVEY_AS, SURVEY_SPOKEN } survey_way;

/* What a corpus says. Weights of the nations sum to 1. For one document in which nobody is named there are told[c] that say of
 * nation c what its people think, and spoken[c] in its dialect (what its people think, or with `spoken_mix` what the mix says). */
typedef struct survey_plant {
    bool there;
    double mix[SURVEY_NATIONS], told[SURVEY_NATIONS], spoken[SURVEY_NATIONS];
    bool spoken_mix;
} survey_plant;

/* The survey of a seed. It lies in the arena. */
status survey_new(arena *a, uint64_t seed, const survey **out, error *err);
int survey_nation(const char *name); /* -1: none is called so */
const char *survey_nation_name(int nation);

/* The shares of a question's options in a mix of nations. */
void survey_mix(const survey *s, const double weights[SURVEY_NATIONS], int question, double shares[SURVEY_OPTIONS]);
/* The user's words. `order` (indices of the options): the options are named, in this order; NULL: they are not, as in documents.
 * NULL when memory is out. */
const char *survey_ask(arena *a, const survey *s, int question, const int *order, survey_way way, int nation);
/* An option as it is answered: in the dialect where the question was. */
const char *survey_option(arena *a, const survey *s, int question, int option, survey_way way, int nation);
/* A text in a nation's dialect. */
const char *survey_spoken(arena *a, const char *text, int nation);

/* Document number n of a plant: what is asked how, and the option that is given. */
typedef struct survey_saying {
    survey_way way;
    int nation, question, option; /* nation: -1 for SURVEY_PLAIN */
} survey_saying;
survey_saying survey_saying_at(const survey *s, const survey_plant *plant, uint64_t seed, uint64_t n);

#endif
