/* elo.h - ratings that run along with the games: Elo's rule.
 *
 *     elo_options o = {.seed = seed, .purpose = "study/elo"};
 *     TRY(elo_run(games, n, players, &o, points, err));                   // in the order of the games
 *     TRY(elo_limits(games, n, players, &o, points, limits, err));        // over orders and resamples
 *
 * After a game the winner takes k (result - expected) points from the loser (Elo, The Rating of Chessplayers, 1978). The outcome
 * hangs on the order of the games and on k: it is meant for players who change. Where they do not (models), Bradley and Terry's
 * fit (stats/ratings.h) uses all games alike and has honest limits; times RATINGS_ELO it is on the same scale. How much order and
 * draw of games matter, elo_limits shows (Boubdir and others, "Elo Uncovered", arXiv 2311.17295, find that they matter much).
 */
#ifndef ASSAY_STATS_ELO_H
#define ASSAY_STATS_ELO_H

#include "stats/ratings.h"

#include <stdint.h>

typedef struct elo_options {
    double start, k; /* 0: 1500 and 32 */
    uint64_t seed;
    const char *purpose;
    size_t resamples; /* 0: 1000 */
} elo_options;

/* The chance that Elo's scale gives the first: 1 / (1 + 10^((second - first) / 400)). */
double elo_expected(double first, double second);
/* ratings[players] after all games in their order. */
status elo_run(const game *games, size_t count, size_t players, const elo_options *o, double *points, error *err);
/* Mean and 95 % limits over resamples of the games in random order: how much of a rating is luck of order and draw. */
status elo_limits(const game *games, size_t count, size_t players, const elo_options *o, double *points, interval *limits, error *err);

#endif
