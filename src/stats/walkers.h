/* walkers.h - many places drawn at once from a density that is known up to a factor, by the Metropolis method.
 *
 *     static status log_density(void *context, const double *places, double *out, error *err) { ... }      // [count][width] -> [count]
 *     walkers w;
 *     TRY(walkers_new(arena, &(walkers_options){.count = 512, .width = 6, .seed = 1, .purpose = "vmc"}, log_density, plans, &w, err));
 *     fill w.places; TRY(walkers_look(&w, err));                         // where they stand
 *     TRY(walkers_move(&w, 10, true, err));                              // ten moves of all, the length of moves adapted
 *     for (k < w.options.count) ... w.places + k * w.options.width
 *
 * A move proposes for each walker a normal step of the same deviation in every coordinate, and takes it with probability
 * min(1, density' / density) (Metropolis and others 1953). With `adapt` the deviation is changed after every move towards
 * the wanted share of taken moves; draws count only from moves without. The draws of walker k in move m have the addresses (seed, purpose, m)
 * with indices of k: they depend neither on the order of work nor on how many walkers come after it.
 */
#ifndef ASSAY_STATS_WALKERS_H
#define ASSAY_STATS_WALKERS_H

#include "core/arena.h"
#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Logs of the density at places [count][width], up to a constant; -INFINITY outside of the support. */
typedef status walkers_density(void *context, const double *places, double *out, error *err);

typedef struct walkers_options {
    size_t count, width;
    uint64_t seed;
    const char *purpose;
    double deviation; /* of a coordinate's step at first; 0: .3 */
    double taken;     /* share of moves wanted; 0: .5 */
} walkers_options;

typedef struct walkers {
    walkers_options options;
    walkers_density *density;
    void *context;
    double *places;    /* [count][width]; the caller's to fill, and to change followed by walkers_look */
    double *logs;      /* [count] */
    double *proposed, *proposed_logs;
    double deviation;
    uint64_t moves;    /* made since the beginning: part of the address of draws */
    uint64_t taken, tried; /* since they were last set to 0 by the caller */
} walkers;

status walkers_new(arena *a, const walkers_options *o, walkers_density *density, void *context, walkers *out, error *err);
/* Asks for the density where they stand: after places or density changed. STATUS_INVALID where one stands where it is 0 or NaN. */
status walkers_look(walkers *w, error *err);
/* STATUS_INVALID when a density is NaN. */
status walkers_move(walkers *w, size_t moves, bool adapt, error *err);

#endif
