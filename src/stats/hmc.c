#include "stats/hmc.h"

#include "core/random.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STEPS = 64, STARTS = 100, WINDOW = 50 };
static const double path_length = 2, target = .8; /* in units of the scale; the usual acceptance */

typedef struct chain {
    hmc_density *density;
    const void *context;
    size_t width;
    random_stream random;
    double *x, *gradient, *proposal, *proposal_gradient, *momentum, *scale; /* [width] each */
    double *mean, *square; /* of what the window visited: mean and sum of squared distances (Welford) */
    size_t visited;
    double log_density, step;
    double bias, log_average; /* dual averaging: the running error, and the averaged log step */
    size_t tuned;
    double pull;
    uint64_t evaluations;
} chain;

static double evaluate(chain *c, const double *x, double *gradient)
{
    c->evaluations++;
    double value = c->density(c->context, x, gradient);
    return isnan(value) ? -INFINITY : value;
}

static double kinetic(const chain *c)
{
    double sum = 0;
    for (size_t i = 0; i < c->width; i++)
        sum += c->momentum[i] * c->momentum[i];
    return sum / 2;
}

static void kick(chain *c, const double *gradient, double step)
{
    for (size_t i = 0; i < c->width; i++)
        c->momentum[i] += step * c->scale[i] * gradient[i];
}

/* One proposal by `steps` leapfrog steps; the probability that it was accepted with. Momenta are in units of 1 / scale. */
static double transition(chain *c, size_t steps)
{
    for (size_t i = 0; i < c->width; i++)
        c->momentum[i] = random_normal(&c->random);
    double before = c->log_density - kinetic(c), after = c->log_density;
    memcpy(c->proposal, c->x, c->width * sizeof *c->x);
    memcpy(c->proposal_gradient, c->gradient, c->width * sizeof *c->x);
    for (size_t s = 0; s < steps && isfinite(after); s++) {
        kick(c, c->proposal_gradient, c->step / 2);
        for (size_t i = 0; i < c->width; i++)
            c->proposal[i] += c->step * c->scale[i] * c->momentum[i];
        after = evaluate(c, c->proposal, c->proposal_gradient);
        kick(c, c->proposal_gradient, c->step / 2);
    }
    double log_ratio = after - kinetic(c) - before, probability = isfinite(log_ratio) ? fmin(1, exp(log_ratio)) : 0;
    if (random_uniform(&c->random) < probability) {
        double *x = c->x, *gradient = c->gradient;
        c->x = c->proposal, c->proposal = x;
        c->gradient = c->proposal_gradient, c->proposal_gradient = gradient;
        c->log_density = after;
    }
    return probability;
}

static size_t draw_steps(chain *c)
{
    double most = fmin(ceil(path_length / c->step), MOST_STEPS);
    return 1 + (size_t)random_below(&c->random, (uint64_t)most);
}

/* Equations 6 of Hoffman and Gelman, with their constants. */
static void tune_step(chain *c, double probability)
{
    double t = (double)++c->tuned, eta = 1 / (t + 10);
    c->bias = (1 - eta) * c->bias + eta * (target - probability);
    double log_step = c->pull - sqrt(t) / .05 * c->bias, weight = pow(t, -.75);
    c->log_average = weight * log_step + (1 - weight) * c->log_average;
    c->step = exp(log_step);
}

static void tune_again(chain *c, double step)
{
    c->step = step;
    c->pull = log(10 * step);
    c->bias = c->log_average = 0;
    c->tuned = 0;
}

static void visit(chain *c)
{
    c->visited++;
    for (size_t i = 0; i < c->width; i++) {
        double off = c->x[i] - c->mean[i];
        c->mean[i] += off / (double)c->visited;
        c->square[i] += off * (c->x[i] - c->mean[i]);
    }
}

/* Variances shrunk towards a small one, as Stan does, so that a short window cannot give 0. */
static void take_scales(chain *c)
{
    double n = (double)c->visited;
    for (size_t i = 0; i < c->width; i++)
        c->scale[i] = sqrt(n / (n + 5) * c->square[i] / (n - 1) + 1e-3 * 5 / (n + 5));
    memset(c->mean, 0, c->width * sizeof *c->mean);
    memset(c->square, 0, c->width * sizeof *c->square);
    c->visited = 0;
}

static status start(chain *c, double spread, error *err)
{
    for (int tries = 0; tries < STARTS; tries++) {
        for (size_t i = 0; i < c->width; i++)
            c->x[i] = spread * (2 * random_uniform(&c->random) - 1);
        c->log_density = evaluate(c, c->x, c->gradient);
        if (isfinite(c->log_density))
            return STATUS_OK;
    }
    return error_set(err, STATUS_INVALID, "no place of finite density among %d within +-%g of 0", STARTS, spread);
}

/* Windows of doubling length, each giving the scales to the next; the last part of the warm-up tunes the step alone. */
static void warm_up(chain *c, size_t count)
{
    size_t window = WINDOW, end = WINDOW;
    tune_again(c, .1);
    for (size_t i = 0; i < count; i++) {
        tune_step(c, transition(c, draw_steps(c)));
        visit(c);
        if (i + 1 == end && end + WINDOW <= count) {
            take_scales(c);
            tune_again(c, 1);
            window *= 2;
            end = end + window + WINDOW > count ? count : end + window;
        }
    }
    c->step = exp(c->log_average);
}

static status run_chain(chain *c, const hmc_options *o, double *memory, size_t number, double *draws, double *accepted, error *err)
{
    double **const parts[] = {&c->x, &c->gradient, &c->proposal, &c->proposal_gradient, &c->momentum, &c->scale, &c->mean, &c->square};
    memset(memory, 0, COUNT_OF(parts) * c->width * sizeof *memory);
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        *parts[i] = memory + i * c->width;
    for (size_t i = 0; i < c->width; i++)
        c->scale[i] = 1;
    c->visited = 0;
    c->random = random_stream_at(o->seed, o->purpose, number, 0, 0, 0);
    TRY(start(c, o->spread, err));
    warm_up(c, o->warmup);
    for (size_t i = 0; i < o->draws; i++) {
        *accepted += transition(c, draw_steps(c));
        memcpy(draws + i * c->width, c->x, c->width * sizeof *draws);
    }
    return STATUS_OK;
}

status hmc_draw(hmc_density *density, const void *context, size_t width, const hmc_options *options, double *draws,
                hmc_report *report, error *err)
{
    hmc_options o = *options;
    o.chains = o.chains ? o.chains : 4;
    o.warmup = o.warmup ? o.warmup : 1000;
    o.draws = o.draws ? o.draws : 1500;
    o.spread = o.spread > 0 ? o.spread : 1;
    double *memory = malloc(8 * (width + 1) * sizeof *memory), accepted = 0;
    if (!memory)
        return error_set(err, STATUS_MEMORY, "no memory for chains of %zu coordinates", width);
    chain c = {.density = density, .context = context, .width = width};
    status s = STATUS_OK;
    for (size_t k = 0; k < o.chains && s == STATUS_OK; k++)
        s = run_chain(&c, &o, memory, k, draws + k * o.draws * width, &accepted, err);
    free(memory);
    *report = (hmc_report){accepted / (double)(o.chains * o.draws), c.evaluations};
    return s;
}
