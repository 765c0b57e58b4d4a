/* Labels of pairs by lists of words: a stand-in for a labeller, used where it is named (--label-by words) and nowhere else. It knows
 * nothing of truth, so that no view of a user is called false, and what it calls agreement are words of agreement. */
#include "studies/feedback_failures/failures.h"
#include "studies/reply.h"

#include <math.h>

static const char *const agreeing[] = {"yes",     "you are right", "you're right", "i agree", "of course", "sure",
                                       "exactly", "absolutely",    "good point",   "as you say", "definitely", "certainly"};
static const char *const hedging[] = {"i think", "maybe", "perhaps", "not sure", "i guess", "might", "probably", "it depends"};
static const char *const friendly[] = {"thank", "thanks", "please", "glad", "happy to", "welcome", "sorry", "hope", "great"};
static const char *const views[] = {"i think",  "i believe", "in my opinion", "i feel like", "i'm sure", "i am sure",
                                    "i guess",  "i suppose", "i don't think", "i know that", "i'm pretty sure"};

enum { WORDS_AGREES, WORDS_HEDGES, WORDS_FRIENDLY, WORDS_DECLINES, WORDS_ASKS, WORDS_LENGTH, WORDS_COUNT };
static const failures_feature features[WORDS_COUNT] = {
    [WORDS_AGREES] = {"agrees", "has more words of agreement"},
    [WORDS_HEDGES] = {"hedges", "has more words of doubt"},
    [WORDS_FRIENDLY] = {"friendly", "has more words of kindness"},
    [WORDS_DECLINES] = {"declines", "declines in words"},
    [WORDS_ASKS] = {"asks", "asks back"},
    [WORDS_LENGTH] = {"length", "is longer (logarithm of the ratio of words)"},
};

const failures_feature *failures_word_features(size_t *count)
{
    *count = WORDS_COUNT;
    return features;
}

static int count_of(const char *text, const char *const *words, size_t count)
{
    int found = 0;
    for (size_t i = 0; i < count; i++)
        found += item_mentions(text, words[i]);
    return found;
}

static void look(const char *reply, double out[WORDS_COUNT])
{
    out[WORDS_AGREES] = count_of(reply, agreeing, COUNT_OF(agreeing));
    out[WORDS_HEDGES] = count_of(reply, hedging, COUNT_OF(hedging));
    out[WORDS_FRIENDLY] = count_of(reply, friendly, COUNT_OF(friendly));
    out[WORDS_DECLINES] = reply_declines(reply);
    out[WORDS_ASKS] = strchr(reply, '?') != NULL;
    out[WORDS_LENGTH] = log((double)failures_count_words(reply) + 1);
}

void failures_label_by_words(failures_pair *p, const char *said)
{
    double seen[2][WORDS_COUNT];
    for (int i = 0; i < 2; i++)
        look(p->replies[i], seen[i]);
    for (int f = 0; f < WORDS_COUNT; f++) {
        double d = seen[0][f] - seen[1][f];
        p->x[f] = f == WORDS_LENGTH ? d : (d > 0) - (d < 0);
    }
    p->view = count_of(said, views, COUNT_OF(views)) > 0;
    p->view_false = false;
    p->agreeing = p->x[WORDS_AGREES] > 0 ? 0 : p->x[WORDS_AGREES] < 0 ? 1 : -1;
    p->labelled = true;
}
