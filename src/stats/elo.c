#include "stats/elo.h"

#include "core/random.h"
#include "stats/bootstrap.h"
#include "stats/rank.h"

#include <math.h>

enum { RESAMPLES = 1000 };

double elo_expected(double first, double second)
{
    return 1 / (1 + pow(10, (second - first) / 400));
}

static void play(const game *g, double k, double *points)
{
    double change = k * (g->result - elo_expected(points[g->first], points[g->second]));
    points[g->first] += change;
    points[g->second] -= change;
}

static void begin(const elo_options *o, size_t players, double *points)
{
    for (size_t p = 0; p < players; p++)
        points[p] = o->start > 0 ? o->start : 1500;
}

status elo_run(const game *games, size_t count, size_t players, const elo_options *o, double *points, error *err)
{
    TRY(games_check(games, count, players, err));
    begin(o, players, points);
    for (size_t i = 0; i < count; i++)
        play(&games[i], o->k > 0 ? o->k : 32, points);
    return STATUS_OK;
}

status elo_limits(const game *games, size_t count, size_t players, const elo_options *o, double *points, interval *limits, error *err)
{
    TRY(games_check(games, count, players, err));
    size_t resamples = o->resamples ? o->resamples : RESAMPLES;
    arena *a = arena_new(NULL);
    double *all = arena_array(a, players, resamples * sizeof *all), *now = ARENA_ARRAY(a, double, players);
    if (!all || !now) {
        arena_free(a);
        return error_set(err, STATUS_MEMORY, "out of memory for the ratings of %zu players", players);
    }
    for (size_t d = 0; d < resamples; d++) { /* draws with repetition come in random order */
        random_stream r = random_stream_at(o->seed, o->purpose, d, 0, 0, 0);
        begin(o, players, now);
        for (size_t i = 0; i < count; i++)
            play(&games[random_below(&r, count)], o->k > 0 ? o->k : 32, now);
        for (size_t p = 0; p < players; p++)
            all[p * resamples + d] = now[p];
    }
    for (size_t p = 0; p < players; p++) {
        double *mine = all + p * resamples, sum = 0;
        for (size_t d = 0; d < resamples; d++)
            sum += mine[d];
        values_sort(mine, resamples);
        points[p] = sum / (double)resamples;
        limits[p] = (interval){quantile_sorted(mine, resamples, .025), quantile_sorted(mine, resamples, .975)};
    }
    arena_free(a);
    return STATUS_OK;
}
