/* ratings.h - what people say of items: a table that `assay export RUN --format files` writes, people fill, and --ratings reads back.
 *
 *     id,rater,behaviour,item,question,answer,relevance,clear
 *     0f3c...,ann,selfish,"I keep it all.","Would somebody who ... say this? (yes or no)",yes,5,yes
 *
 * `answer` is yes or no (of questions with choices A or B), `relevance` 1 to 5, `clear` yes or no; each may be empty. Several raters
 * have a row each for the same id. Other columns are not looked at.
 */
#ifndef ASSAY_STUDIES_MODEL_WRITTEN_RATINGS_H
#define ASSAY_STUDIES_MODEL_WRITTEN_RATINGS_H

#include "core/arena.h"
#include "core/error.h"
#include "core/text.h"

typedef struct people_rating {
    const char *id;
    int answer;       /* 0: yes, or A; 1: no, or B; -1: not given */
    double relevance; /* NaN: not given */
    int clear;        /* 1, 0; -1 */
} people_rating;

typedef struct people_ratings {
    people_rating *list; /* by id */
    size_t count;
} people_ratings;

/* `name` stands in messages. Any text: STATUS_INVALID, with the line, where it is no such table. */
status people_ratings_read(arena *a, slice text, const char *name, people_ratings *out, error *err);
/* The first of those with this id, and how many there are. */
const people_rating *people_ratings_of(const people_ratings *all, const char *id, size_t *count);

#endif
