/* luck.h - how much of what a subject gets right may be luck.
 *
 * A guess is right as often as the subject's answers and the truths agree when they are paired across different items (the
 * expected agreement of Cohen's kappa, Educ. Psychol. Meas. 20:37, 1960): whoever says the commonest value every time is lucky
 * more often than one in the number of values. A subject may know one kind of fact and guess at another, so this chance c, the
 * accuracy a and the share of luck c (1 - a)/(1 - c) are taken topic by topic. The last is not cut off at a: that would
 * favour luck that was seen over luck that was not.
 *
 *     luck_item items[] = {{"pet", "cat", "cat", 1. / 12, true}, {"pet", "owl", "cat", 1. / 12, false}};
 *     double lambda = luck_share(items, 2);     // the share of the right answers that is luck
 */
#ifndef ASSAY_STATS_LUCK_H
#define ASSAY_STATS_LUCK_H

#include <stdbool.h>
#include <stddef.h>

typedef struct luck_item {
    const char *topic, *truth, *said; /* said: NULL where it is none of the listed values */
    double chance;                    /* of an even guess among the listed values; 0: nothing is listed */
    bool right;
} luck_item;

/* Between 0 and .999; 0 where nothing is right. Sorts the items by topic. */
double luck_share(luck_item *items, size_t count);

/* What remains of an excess among items that were answered right, when a share lambda of them was luck and a subject that
 * guesses follows the user there: (excess - lambda)/(1 - lambda), but never below 0 where the excess is not. */
double luck_corrected(double excess, double lambda);

#endif
