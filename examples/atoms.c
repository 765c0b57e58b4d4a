/* atoms.c - ground states of small atoms by variational Monte Carlo: walkers, local energies, stochastic reconfiguration.
 *
 *     build/release/examples/example_atoms H|He|Li|Be [STEPS [SEED [THREADS]]]
 *
 * The wavefunction is that of atom_network.h. 512 walkers of |Psi|^2 make ten Metropolis moves a step; the energies and the derivatives of
 * log |Psi| in every weight at each walker are one plan (graph_laplacian and graph_grad under graph_vmap); the weights take a step of
 * natural gradient (solve/natural.h). Local energies further from their median than five times their mean distance from it are brought
 * to that distance in the step alone. Then the weights stand still and the energy is the mean over new moves, with an error by
 * blocking. Units: Hartree, Bohr. Plans are f32, the solve is f64. Same seed, same bits, for any number of threads. */
#include "atom_network.h"

#include "core/progress.h"
#include "core/random.h"
#include "graph/composite.h"
#include "graph/plan.h"
#include "solve/natural.h"
#include "stats/blocking.h"
#include "stats/walkers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WALKERS = 512, MOVES = 10, SETTLING = 300, READINGS = 1024 };

static const atom atoms[] = {
    {"H", 1, 0, 1, -0.5, -0.5, 1},
    {"He", 1, 1, 2, -2.903724, -2.861680, 1},
    {"Li", 2, 1, 3, -7.478060, -7.432727, 4},
    {"Be", 2, 2, 4, -14.667356, -14.573023, 8},
};

typedef struct study {
    arena *arena;
    const atom *of;
    parameters *weights;
    size_t width, parameter_count;
    graph *graph;
    node *nodes[ATOM_WEIGHTS], *places;
    plan *psi, *energy, *look; /* log |Psi|; local energies; these and the derivatives of log |Psi| in each weight */
    thread_pool *pool;
    float *at; /* [WALKERS][width], bound to both */
    walkers walkers;
    double *energies, *clipped, *rows, *step;
    size_t lost; /* energies that were no numbers */
} study;

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory");
}

static status build(study *s, error *err)
{
    int64_t n = s->of->up + s->of->down;
    s->graph = graph_new(s->arena);
    node *r = graph_input(s->graph, "r", TYPE_F32, SHAPE(n, 3)), *one[2 + ATOM_WEIGHTS], *all[2 + ATOM_WEIGHTS];
    s->places = graph_input(s->graph, "walkers", TYPE_F32, SHAPE(WALKERS, n, 3));
    for (size_t i = 0; i < ATOM_WEIGHTS; i++)
        s->nodes[i] = graph_input(s->graph, s->weights->items[i].name, TYPE_F32, s->weights->items[i].shape);
    one[0] = atom_log_psi(s->of, s->nodes, r, NULL);
    wave_system system = {.nuclei = 1, .charges = &s->of->charge, .places = (double[]){0, 0, 0}};
    if (!wave_local_energy(one[0], r, wave_potential(r, &system), &one[1]) || !graph_grad(one[0], s->nodes, ATOM_WEIGHTS, NULL, one + 2) ||
        !graph_vmap(one, 2 + ATOM_WEIGHTS, &r, &s->places, 1, all))
        return no_memory(err);
    TRY(plan_new(s->graph, all, 1, NULL, &s->psi, err));
    TRY(plan_new(s->graph, all + 1, 1, NULL, &s->energy, err));
    TRY(plan_new(s->graph, all + 1, 1 + ATOM_WEIGHTS, NULL, &s->look, err));
    plan *plans[] = {s->psi, s->energy, s->look};
    for (size_t i = 0; i < COUNT_OF(plans); i++) {
        plan_bind(plans[i], s->places, s->at);
        for (size_t k = 0; k < ATOM_WEIGHTS; k++)
            plan_bind(plans[i], s->nodes[k], s->weights->items[k].value);
    }
    return STATUS_OK;
}

static status log_density(void *context, const double *places, double *out, error *err)
{
    study *s = context;
    for (size_t i = 0; i < WALKERS * s->width; i++)
        s->at[i] = (float)places[i];
    TRY(plan_run(s->psi, s->pool, err));
    for (size_t k = 0; k < WALKERS; k++)
        out[k] = 2 * (double)((const float *)plan_output(s->psi, 0))[k];
    return STATUS_OK;
}

/* Where two sorted numbers are as good as equal, f32 overflows: such an energy counts as the mean of the others, and is told. */
static void set_lost_to_mean(study *s)
{
    double sum = 0;
    size_t there = 0;
    for (size_t k = 0; k < WALKERS; k++)
        if (isfinite(s->energies[k])) {
            sum += s->energies[k];
            there++;
        }
    for (size_t k = 0; k < WALKERS && there; k++)
        if (!isfinite(s->energies[k]))
            s->energies[k] = sum / (double)there;
    s->lost += WALKERS - there;
}

/* Energies and derivatives where the walkers stand. */
static status look(study *s, bool derivatives, error *err)
{
    for (size_t i = 0; i < WALKERS * s->width; i++)
        s->at[i] = (float)s->walkers.places[i];
    plan *p = derivatives ? s->look : s->energy;
    TRY(plan_run(p, s->pool, err));
    for (size_t k = 0; k < WALKERS; k++)
        s->energies[k] = (double)((const float *)plan_output(p, 0))[k];
    set_lost_to_mean(s);
    for (size_t i = 0, first = 0; derivatives && i < ATOM_WEIGHTS; first += s->weights->items[i++].elements) {
        size_t n = s->weights->items[i].elements;
        const float *from = plan_output(s->look, 1 + i);
        for (size_t k = 0; k < WALKERS; k++)
            for (size_t j = 0; j < n; j++)
                s->rows[k * s->parameter_count + first + j] = (double)from[k * n + j];
    }
    return STATUS_OK;
}

static int smaller_first(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return a < b ? -1 : a > b ? 1 : 0;
}

/* Energies for the step, and how many were brought closer. */
static size_t clip(const double *energies, double *out)
{
    double sorted[WALKERS], spread = 0;
    size_t count = 0;
    memcpy(sorted, energies, sizeof sorted);
    qsort(sorted, WALKERS, sizeof *sorted, smaller_first);
    double median = (sorted[WALKERS / 2 - 1] + sorted[WALKERS / 2]) / 2;
    for (size_t k = 0; k < WALKERS; k++)
        spread += fabs(energies[k] - median) / WALKERS;
    for (size_t k = 0; k < WALKERS; k++) {
        out[k] = fmin(fmax(energies[k], median - 5 * spread), median + 5 * spread);
        count += out[k] != energies[k];
    }
    return count;
}

static status improve(study *s, int64_t step, progress *bar, error *err)
{
    natural_report report;
    natural_options o = {.way = NATURAL_SAMPLES, .rate = 0.2 / (1 + (double)step / 300), .damping = 1e-3, .most = 0.1};
    TRY(walkers_move(&s->walkers, MOVES, true, err));
    TRY(look(s, true, err));
    size_t clipped = clip(s->energies, s->clipped);
    TRY(natural_step(WALKERS, s->parameter_count, s->rows, s->clipped, &o, s->step, &report, err));
    for (size_t i = 0, first = 0; i < ATOM_WEIGHTS; first += s->weights->items[i++].elements)
        for (size_t j = 0; j < s->weights->items[i].elements; j++)
            s->weights->items[i].value[j] += (float)s->step[first + j];
    progress_update(bar, (uint64_t)step + 1, "E %.4f  sd %.3f  step %.3f  clipped %zu", report.mean, report.deviation, report.length, clipped);
    return walkers_look(&s->walkers, err);
}

static status begin(study *s, uint64_t seed, error *err)
{
    s->width = 3 * (size_t)(s->of->up + s->of->down);
    TRY(atom_weights(s->arena, s->of, seed, &s->weights, err));
    s->parameter_count = s->weights->elements;
    s->at = ARENA_ARRAY(s->arena, float, WALKERS * s->width);
    s->energies = ARENA_ARRAY(s->arena, double, WALKERS);
    s->clipped = ARENA_ARRAY(s->arena, double, WALKERS);
    s->rows = ARENA_ARRAY(s->arena, double, WALKERS * s->parameter_count);
    s->step = ARENA_ARRAY(s->arena, double, s->parameter_count);
    if (!s->at || !s->energies || !s->clipped || !s->rows || !s->step)
        return no_memory(err);
    TRY(build(s, err));
    walkers_options o = {.count = WALKERS, .width = s->width, .seed = seed, .purpose = "atoms/walkers"};
    TRY(walkers_new(s->arena, &o, log_density, s, &s->walkers, err));
    for (size_t k = 0; k < WALKERS; k++) {
        random_stream first = random_stream_at(seed, "atoms/first", k, 0, 0, 0);
        for (size_t i = 0; i < s->width; i++)
            s->walkers.places[k * s->width + i] = random_normal(&first);
    }
    TRY(walkers_look(&s->walkers, err));
    return walkers_move(&s->walkers, SETTLING, true, err);
}

/* The energy of weights that stand still. */
static status measure(study *s, blocking_error *energy, double *variance, error *err)
{
    double *means = ARENA_ARRAY(s->arena, double, READINGS);
    if (!means)
        return no_memory(err);
    TRY(walkers_move(&s->walkers, SETTLING, true, err));
    s->walkers.taken = s->walkers.tried = 0;
    s->lost = 0;
    progress *bar = progress_new("measuring", READINGS, PROGRESS_AUTO);
    status result = STATUS_OK;
    *variance = 0;
    for (size_t i = 0; i < READINGS && result == STATUS_OK; i++) {
        result = walkers_move(&s->walkers, MOVES, false, err);
        if (result == STATUS_OK)
            result = look(s, false, err);
        for (size_t k = 0; k < WALKERS; k++)
            means[i] += s->energies[k] / WALKERS;
        for (size_t k = 0; k < WALKERS; k++)
            *variance += (s->energies[k] - means[i]) * (s->energies[k] - means[i]) / WALKERS / READINGS;
        progress_update(bar, i + 1, "E %.4f", means[i]);
    }
    progress_free(bar);
    if (s->lost)
        printf("%zu of %d energies were no numbers (at a node) and counted as the mean of their reading\n", s->lost, READINGS * WALKERS);
    return result == STATUS_OK ? blocking(READINGS, means, energy, err) : result;
}

static status run(study *s, int64_t steps, uint64_t seed, error *err)
{
    blocking_error e = {0};
    double begun = clock_seconds(), variance = 0;
    TRY(begin(s, seed, err));
    progress *bar = progress_new(s->of->name, (uint64_t)steps, PROGRESS_AUTO);
    status result = STATUS_OK;
    for (int64_t i = 0; i < steps && result == STATUS_OK; i++)
        result = improve(s, i, bar, err);
    progress_free(bar);
    if (result == STATUS_OK)
        result = measure(s, &e, &variance, err);
    if (result == STATUS_OK) {
        printf("%s: %.6f +- %.6f Hartree (exact %.6f, off by %.2f +- %.2f mHa; blocks of %zu readings%s)\n", s->of->name, e.mean, e.error, s->of->exact,
               1e3 * (e.mean - s->of->exact), 1e3 * e.error, e.block, e.settled ? "" : ", not settled");
        if (s->of->hartree_fock > s->of->exact)
            printf("%.1f %% of the correlation energy; ", 100 * (s->of->hartree_fock - e.mean) / (s->of->hartree_fock - s->of->exact));
        printf("variance %.5f, %.0f %% of moves taken; %zu weights, %lld steps, seed %llu, %.0f s\n", variance,
               100 * (double)s->walkers.taken / (double)s->walkers.tried, s->parameter_count, (long long)steps, (unsigned long long)seed,
               clock_seconds() - begun);
    }
    plan_free(s->psi);
    plan_free(s->energy);
    plan_free(s->look);
    return result;
}

int main(int argc, char **argv)
{
    error err = {0};
    study s = {.arena = arena_new(NULL)};
    for (size_t i = 0; argc > 1 && i < COUNT_OF(atoms); i++)
        if (strcmp(argv[1], atoms[i].name) == 0)
            s.of = &atoms[i];
    if (!s.of) {
        fprintf(stderr, "usage: %s H|He|Li|Be [STEPS [SEED [THREADS]]]\n", argv[0]);
        return 2;
    }
    status result = thread_pool_new(argc > 4 ? strtoul(argv[4], NULL, 10) : 0, &s.pool, &err);
    if (result == STATUS_OK)
        result = run(&s, argc > 2 ? strtol(argv[2], NULL, 10) : 600, argc > 3 ? strtoull(argv[3], NULL, 10) : 1, &err);
    thread_pool_free(s.pool);
    arena_free(s.arena);
    if (result != STATUS_OK)
        fprintf(stderr, "atoms: %s\n", err.message);
    return result == STATUS_OK ? 0 : 1;
}
