#include "stats/ratings.h"

#include "solve/dense.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 200 };
static const double settled = 1e-10;

static status no_memory(size_t players, error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for the ratings of %zu players", players);
}

status games_check(const game *games, size_t count, size_t players, error *err)
{
    if (players == 0 || count == 0 || players > RATINGS_MOST_PLAYERS)
        return error_set(err, STATUS_INVALID, "ratings: expected games and 1 to %d players, found %zu games of %zu players",
                         RATINGS_MOST_PLAYERS, count, players);
    for (size_t i = 0; i < count; i++) {
        const game *g = &games[i];
        if (g->first >= players || g->second >= players || g->first == g->second || !(g->result >= 0 && g->result <= 1))
            return error_set(err, STATUS_INVALID, "ratings: game %zu is of players %zu and %zu with result %g; expected two different "
                             "players below %zu and a result from 0 to 1", i + 1, g->first, g->second, g->result, players);
    }
    return STATUS_OK;
}

/* ---- who can be compared with whom -------------------------------------------------------------------------------- */

/* Lists of those that each player won from; with `both`, of all that it met. */
typedef struct wins {
    size_t players, *starts, *others;
} wins;

static bool won(const game *g, bool first, bool both)
{
    return both || (first ? g->result > 0 : g->result < 1);
}

static bool wins_of(arena *a, const ratings *r, bool both, wins *w)
{
    w->players = r->players;
    w->starts = ARENA_ARRAY(a, size_t, r->players + 2);
    w->others = ARENA_ARRAY(a, size_t, 2 * r->game_count + 1);
    if (!w->starts || !w->others)
        return false;
    for (size_t i = 0; i < r->game_count; i++) {
        const game *g = &r->games[i];
        w->starts[g->first + 2] += won(g, true, both);
        w->starts[g->second + 2] += won(g, false, both);
    }
    for (size_t p = 2; p < r->players + 2; p++)
        w->starts[p] += w->starts[p - 1];
    for (size_t i = 0; i < r->game_count; i++) { /* starts[p + 1] runs from the start of p to its end */
        const game *g = &r->games[i];
        if (won(g, true, both))
            w->others[w->starts[g->first + 1]++] = g->second;
        if (won(g, false, both))
            w->others[w->starts[g->second + 1]++] = g->first;
    }
    return true;
}

/* Tarjan's strongly connected components (SIAM Journal on Computing 1, 1972), with a stack of our own: players may be many. */
typedef struct finder {
    const wins *w;
    size_t *order, *low, *stack, *path, *next, *group; /* [players] each; order 0: not seen */
    size_t seen, stacked, depth, groups;
} finder;

static void visit(finder *f, size_t p)
{
    f->order[p] = f->low[p] = ++f->seen;
    f->next[p] = f->w->starts[p];
    f->stack[f->stacked++] = p;
    f->path[f->depth++] = p;
}

static void leave(finder *f)
{
    size_t p = f->path[--f->depth], member;
    if (f->depth > 0 && f->low[p] < f->low[f->path[f->depth - 1]])
        f->low[f->path[f->depth - 1]] = f->low[p];
    if (f->low[p] != f->order[p])
        return;
    do {
        member = f->stack[--f->stacked];
        f->group[member] = f->groups;
    } while (member != p);
    f->groups++;
}

static void find_groups(finder *f)
{
    for (size_t p = 0; p < f->w->players; p++)
        f->group[p] = SIZE_MAX;
    for (size_t start = 0; start < f->w->players; start++) {
        if (f->order[start])
            continue;
        visit(f, start);
        while (f->depth > 0) {
            size_t p = f->path[f->depth - 1];
            if (f->next[p] == f->w->starts[p + 1]) {
                leave(f);
                continue;
            }
            size_t other = f->w->others[f->next[p]++];
            if (!f->order[other])
                visit(f, other);
            else if (f->group[other] == SIZE_MAX && f->order[other] < f->low[p])
                f->low[p] = f->order[other];
        }
    }
}

typedef struct sized {
    size_t group, size, first;
} sized;

static int by_size(const void *a, const void *b)
{
    const sized *x = a, *y = b;
    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

/* Groups are numbered by size, the largest first, and then by their first player. */
static status group_players(arena *a, ratings *r, error *err)
{
    wins w;
    size_t n = r->players, *room = arena_array(a, n, 5 * sizeof *room);
    if (!room || !wins_of(a, r, r->spread > 0, &w))
        return no_memory(n, err);
    finder f = {.w = &w, .order = room, .low = room + n, .stack = room + 2 * n, .path = room + 3 * n, .next = room + 4 * n, .group = r->group};
    find_groups(&f);
    sized *sizes = ARENA_ARRAY(a, sized, f.groups);
    size_t *number = ARENA_ARRAY(a, size_t, f.groups);
    if (!sizes || !number)
        return no_memory(n, err);
    for (size_t g = 0; g < f.groups; g++)
        sizes[g] = (sized){g, 0, n};
    for (size_t p = n; p-- > 0;) {
        sizes[r->group[p]].size++;
        sizes[r->group[p]].first = p;
    }
    qsort(sizes, f.groups, sizeof *sizes, by_size);
    for (size_t g = 0; g < f.groups; g++)
        number[sizes[g].group] = g;
    for (size_t p = 0; p < n; p++)
        r->group[p] = number[r->group[p]];
    r->groups = f.groups;
    return STATUS_OK;
}

/* ---- the fit of one group ------------------------------------------------------------------------------------------ */

typedef struct group_fit {
    ratings *r;
    size_t group, count;
    size_t *place;                          /* [players]: of a member among the members */
    size_t *member;                         /* [count] */
    double *s, *gradient, *information, *next; /* [count], [count][count] */
} group_fit;

static double log_sigmoid(double z)
{
    return z > 0 ? -log1p(exp(-z)) : z - log1p(exp(z));
}

static bool inside(const group_fit *f, const game *g)
{
    return f->r->group[g->first] == f->group && f->r->group[g->second] == f->group;
}

static double likelihood(const group_fit *f, const double *s, bool prior)
{
    double sum = 0, spread = f->r->spread;
    for (size_t i = 0; i < f->r->game_count; i++) {
        const game *g = &f->r->games[i];
        if (!inside(f, g))
            continue;
        double z = s[f->place[g->first]] - s[f->place[g->second]];
        sum += (g->result > 0 ? g->result * log_sigmoid(z) : 0) + (g->result < 1 ? (1 - g->result) * log_sigmoid(-z) : 0);
    }
    for (size_t k = 0; prior && spread > 0 && k < f->count; k++)
        sum -= s[k] * s[k] / (2 * spread * spread);
    return sum;
}

/* Without a prior the information is singular along (1, ..., 1); adding a rank-one matrix along it changes no answer that sums to 0. */
static void measure(group_fit *f)
{
    size_t n = f->count;
    double spread = f->r->spread, own = spread > 0 ? 1 / (spread * spread) : 0;
    memset(f->gradient, 0, n * sizeof *f->gradient);
    memset(f->information, 0, n * n * sizeof *f->information);
    double largest = 0;
    for (size_t i = 0; i < f->r->game_count; i++) {
        const game *g = &f->r->games[i];
        if (!inside(f, g))
            continue;
        size_t x = f->place[g->first], y = f->place[g->second];
        double z = f->s[x] - f->s[y], p = exp(log_sigmoid(z)), weight = p * exp(log_sigmoid(-z));
        f->gradient[x] += g->result - p;
        f->gradient[y] -= g->result - p;
        f->information[x * n + x] += weight;
        f->information[y * n + y] += weight;
        f->information[x * n + y] -= weight;
        f->information[y * n + x] -= weight;
    }
    for (size_t k = 0; k < n; k++) {
        f->gradient[k] -= own * f->s[k];
        f->information[k * n + k] += own;
        largest = fmax(largest, f->information[k * n + k]);
    }
    for (size_t k = 0; own == 0 && k < n * n; k++)
        f->information[k] += largest / (double)n;
}

static status fit_steps(group_fit *f, error *err)
{
    size_t n = f->count;
    double value = likelihood(f, f->s, true), moved = INFINITY;
    for (int step = 0; moved > settled; step++) {
        if (step == STEPS)
            return error_set(err, STATUS_INVALID, "ratings: the fit of %zu players did not settle in %d steps", n, STEPS);
        measure(f);
        TRY(dense_cholesky(n, f->information, err));
        TRY(dense_cholesky_solve(n, f->information, 1, f->gradient, err));
        for (double share = 1; share > 1e-12; share /= 2) {
            moved = 0;
            for (size_t k = 0; k < n; k++) {
                f->next[k] = f->s[k] + share * f->gradient[k];
                moved = fmax(moved, share * fabs(f->gradient[k]));
            }
            double reached = likelihood(f, f->next, true);
            if (reached >= value - 1e-12 * fabs(value)) {
                memcpy(f->s, f->next, n * sizeof *f->s);
                value = reached;
                break;
            }
        }
    }
    return STATUS_OK;
}

static status fit_group(group_fit *f, double level, error *err)
{
    ratings *r = f->r;
    size_t n = f->count;
    TRY(fit_steps(f, err));
    measure(f);
    double largest = 0, own = r->spread > 0 ? 1 / (r->spread * r->spread) : 0, half = normal_quantile(1 - (1 - level) / 2), middle = 0;
    for (size_t k = 0; k < n; k++)
        middle += f->s[k] / (double)n;
    for (size_t k = 0; own == 0 && k < n; k++) /* what was added along (1, ..., 1): its inverse there is taken off again below */
        for (size_t j = 0; j < n; j++)
            largest += f->information[k * n + j] / (double)n;
    TRY(dense_cholesky(n, f->information, err));
    TRY(dense_cholesky_inverse(n, f->information, f->information, err));
    for (size_t k = 0; k < n; k++)
        for (size_t j = 0; j < n; j++)
            r->covariance[f->member[k] * r->players + f->member[j]] =
                f->information[k * n + j] - (own == 0 ? 1 / (largest * (double)n) : 0);
    for (size_t k = 0; k < n; k++) {
        size_t p = f->member[k];
        r->strength[p] = f->s[k] - (own == 0 ? middle : 0);
        r->error[p] = sqrt(fmax(0, r->covariance[p * r->players + p]));
        r->limits[p] = (interval){r->strength[p] - half * r->error[p], r->strength[p] + half * r->error[p]};
    }
    r->log_likelihood += likelihood(f, f->s, false);
    return STATUS_OK;
}

static status fit_groups(arena *scratch, ratings *r, double level, error *err)
{
    for (size_t g = 0; g < r->groups; g++) {
        group_fit f = {.r = r, .group = g, .place = ARENA_ARRAY(scratch, size_t, r->players), .member = ARENA_ARRAY(scratch, size_t, r->players)};
        if (!f.place || !f.member)
            return no_memory(r->players, err);
        for (size_t p = 0; p < r->players; p++)
            if (r->group[p] == g) {
                f.place[p] = f.count;
                f.member[f.count++] = p;
            }
        if (f.count < 2)
            break; /* groups come by size: only single players are left */
        f.s = ARENA_ARRAY(scratch, double, f.count);
        f.next = ARENA_ARRAY(scratch, double, f.count);
        f.gradient = ARENA_ARRAY(scratch, double, f.count);
        f.information = arena_array(scratch, f.count, f.count * sizeof(double));
        if (!f.s || !f.next || !f.gradient || !f.information)
            return no_memory(f.count, err);
        TRY(fit_group(&f, level, err));
        arena_reset(scratch);
    }
    return STATUS_OK;
}

status bradley_terry_fit(arena *a, const game *games, size_t count, size_t players, const rating_options *o, ratings *out, error *err)
{
    rating_options with = o ? *o : (rating_options){0};
    TRY(games_check(games, count, players, err));
    if (!(with.spread >= 0) || isinf(with.spread))
        return error_set(err, STATUS_INVALID, "ratings: the prior's spread must be a number from 0 on, found %g", with.spread);
    *out = (ratings){.players = players, .spread = with.spread, .games = games, .game_count = count};
    out->strength = ARENA_ARRAY(a, double, players);
    out->error = ARENA_ARRAY(a, double, players);
    out->limits = ARENA_ARRAY(a, interval, players);
    out->covariance = arena_array(a, players, players * sizeof(double));
    out->group = ARENA_ARRAY(a, size_t, players);
    arena *scratch = arena_new(NULL);
    if (!out->strength || !out->error || !out->limits || !out->covariance || !out->group || !scratch) {
        arena_free(scratch);
        return no_memory(players, err);
    }
    for (size_t p = 0; p < players; p++) {
        out->strength[p] = out->error[p] = NAN;
        out->limits[p] = (interval){NAN, NAN};
    }
    for (size_t i = 0; i < players * players; i++)
        out->covariance[i] = NAN;
    status result = group_players(scratch, out, err);
    arena_reset(scratch);
    if (result == STATUS_OK)
        result = fit_groups(scratch, out, with.level > 0 ? with.level : .95, err);
    arena_free(scratch);
    return result;
}

rating_gap rating_difference(const ratings *r, size_t first, size_t second, double level)
{
    size_t n = r->players;
    const double *c = r->covariance;
    double gap = r->group[first] == r->group[second] ? r->strength[first] - r->strength[second] : NAN;
    double variance = c[first * n + first] + c[second * n + second] - 2 * c[first * n + second];
    double sem = isnan(gap) || isnan(variance) ? NAN : sqrt(fmax(0, variance)), half = normal_quantile(1 - (1 - level) / 2) * sem;
    return (rating_gap){gap, sem, {gap - half, gap + half}, isnan(gap) ? NAN : exp(log_sigmoid(gap))};
}

/* ---- in words ------------------------------------------------------------------------------------------------------- */

void ratings_explain(const ratings *r, const char *const *names, strbuf *out)
{
    for (size_t g = 1; g < r->groups; g++) {
        bool took = false, gave = false, first = true;
        for (size_t i = 0; i < r->game_count; i++) {
            const game *x = &r->games[i];
            bool ours = r->group[x->first] == g, theirs = r->group[x->second] == g;
            if (ours == theirs)
                continue;
            took = took || (ours ? x->result > 0 : x->result < 1);
            gave = gave || (ours ? x->result < 1 : x->result > 0);
        }
        for (size_t p = 0; p < r->players; p++)
            if (r->group[p] == g) {
                strbuf_printf(out, "%s%s", first ? "" : ", ", names[p]);
                first = false;
            }
        strbuf_printf(out, ": %s\n",
                      took && gave ? "won every game against some of the others and lost every one against the rest"
                      : took       ? "won every game against the others, so that no finite gap explains it"
                      : gave       ? "lost every game against the others, so that no finite gap explains it"
                                   : "never met the others");
    }
}
