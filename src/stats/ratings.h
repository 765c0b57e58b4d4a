/* ratings.h - who is better, from games or comparisons of two: Bradley and Terry's model by maximum likelihood.
 *
 *     game games[] = {{0, 1, 1}, {0, 1, 1}, {1, 0, 1}, ...};             // first, second, result for the first: 1, .5, 0
 *     ratings r;
 *     TRY(bradley_terry_fit(arena, games, n, players, NULL, &r, err));
 *     if (r.groups > 1) ...                                               // not comparable: r.group[i] says who is with whom
 *     r.strength[i], r.limits[i]                                          // log-odds; times RATINGS_ELO: Elo's points
 *
 * P(i beats j) = 1 / (1 + exp(-(s_i - s_j))) (Bradley and Terry, Biometrika 39, 1952; Zermelo 1929); a draw counts as half a win of
 * each. The s of a group add up to 0; limits are 95 %, from the inverse information (the pseudo-inverse, as s is known up to a
 * constant), and for a player against the mean of all: for two players use rating_difference.
 *
 * A finite maximum exists only where, for any division of the players in two, each side has won something from the other (Ford,
 * American Mathematical Monthly 64, 1957): where the graph "won from" is strongly connected. Players fall into groups within which
 * that holds. Several groups are not an error of this function: strengths are fitted within each group alone, r.groups is above 1,
 * and ratings_explain says in words which players cannot be compared with which and why. With `spread` (a normal prior of strengths about
 * 0, its standard deviation) there is always one finite answer, and it shrinks; then all players who are connected by games at all
 * form one group.
 *
 * Elo's running rule, for players who change, is in stats/elo.h.
 */
#ifndef ASSAY_STATS_RATINGS_H
#define ASSAY_STATS_RATINGS_H

#include "core/arena.h"
#include "core/error.h"
#include "core/text.h"
#include "stats/distribution.h"

#include <stddef.h>

#define RATINGS_ELO 173.71779276130073 /* 400 / ln 10: points for a unit of log-odds */

enum { RATINGS_MOST_PLAYERS = 5000 };

typedef struct game {
    size_t first, second;
    double result; /* of the first: 1 won, 0 lost, .5 drawn; any share in between */
} game;

/* STATUS_INVALID for no players or games, a player against himself, a number beyond the players, or a result outside of [0, 1]. */
status games_check(const game *games, size_t count, size_t players, error *err);

typedef struct rating_options {
    double spread; /* of the prior; 0: none */
    double level;  /* 0: .95 */
} rating_options;

typedef struct ratings {
    size_t players;
    double *strength, *error; /* [players]; NaN of a player that no game ties to another one in its group; error alone: against the mean */
    interval *limits;
    double *covariance;       /* [players][players]; NaN between groups */
    size_t groups, *group;    /* [players]: 0 for the largest group */
    double log_likelihood;    /* of the games within groups */
    double spread;
    const game *games;        /* as given: they must live as long */
    size_t game_count;
} ratings;

/* STATUS_INVALID as games_check, and for a spread that is negative or not finite. */
status bradley_terry_fit(arena *a, const game *games, size_t count, size_t players, const rating_options *o, ratings *out, error *err);

typedef struct rating_gap {
    double gap, error;
    interval limits;
    double chance; /* that the first wins */
} rating_gap;
/* NaN where they are in different groups. */
rating_gap rating_difference(const ratings *r, size_t first, size_t second, double level);

/* One line for each group beyond the first: its players by name, and whether they won everything against the others, lost
 * everything, or never met them. Adds nothing where all are one group. */
void ratings_explain(const ratings *r, const char *const *names, strbuf *out);

#endif
