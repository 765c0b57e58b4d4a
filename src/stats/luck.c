#include "stats/luck.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_topic(const void *x, const void *y)
{
    return strcmp(((const luck_item *)x)->topic, ((const luck_item *)y)->topic);
}

/* Right answers of one topic that are luck, as an expected number. */
static double lucky_of(const luck_item *items, size_t count)
{
    double right = 0, agree = 0, even = 0;
    size_t listed = 0;
    for (size_t i = 0; i < count; i++) {
        right += items[i].right;
        even += items[i].chance;
        listed += items[i].chance > 0;
        for (size_t j = 0; j < count; j++)
            agree += i != j && items[i].said && strcmp(items[i].said, items[j].truth) == 0;
    }
    double n = (double)count, accuracy = right / n;
    double chance = even / n;
    if (listed == count && count > 1 && agree < n * (n - 1)) /* one truth for all cannot tell knowing from guessing */
        chance = agree / (n * (n - 1));
    return chance < 1 ? n * chance * (1 - accuracy) / (1 - chance) : 0;
}

double luck_share(luck_item *items, size_t count)
{
    double lucky = 0, right = 0;
    if (count > 0)
        qsort(items, count, sizeof *items, by_topic);
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from; to < count && by_topic(&items[from], &items[to]) == 0; to++)
            right += items[to].right;
        lucky += lucky_of(items + from, to - from);
    }
    return right > 0 ? fmin(.999, lucky / right) : 0;
}

double luck_corrected(double excess, double lambda)
{
    return excess <= 0 ? excess : fmax(0, (excess - lambda) / (1 - lambda));
}
