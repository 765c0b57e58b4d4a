#include "stats/walkers.h"

#include "core/random.h"

#include <math.h>
#include <string.h>

static const double usual_deviation = 0.3, usual_taken = 0.5, gain = 0.1;

status walkers_new(arena *a, const walkers_options *o, walkers_density *density, void *context, walkers *out, error *err)
{
    *out = (walkers){.options = *o, .density = density, .context = context, .deviation = o->deviation > 0 ? o->deviation : usual_deviation};
    if (!(o->taken > 0))
        out->options.taken = usual_taken;
    out->places = ARENA_ARRAY(a, double, o->count * o->width);
    out->proposed = ARENA_ARRAY(a, double, o->count * o->width);
    out->logs = ARENA_ARRAY(a, double, o->count);
    out->proposed_logs = ARENA_ARRAY(a, double, o->count);
    if (!out->places || !out->proposed || !out->logs || !out->proposed_logs)
        return error_set(err, STATUS_MEMORY, "out of memory for %zu walkers in %zu dimensions", o->count, o->width);
    return STATUS_OK;
}

status walkers_look(walkers *w, error *err)
{
    TRY(w->density(w->context, w->places, w->logs, err));
    for (size_t k = 0; k < w->options.count; k++)
        if (isnan(w->logs[k]) || w->logs[k] == -INFINITY)
            return error_set(err, STATUS_INVALID, "walker %zu stands where the density is %s", k + 1, isnan(w->logs[k]) ? "not a number" : "zero");
    return STATUS_OK;
}

static status move(walkers *w, error *err)
{
    size_t count = w->options.count, width = w->options.width, taken = 0;
    random_stream steps = random_stream_at(w->options.seed, w->options.purpose, w->moves, 0, 0, 0);
    random_stream chances = random_stream_at(w->options.seed, w->options.purpose, w->moves, 1, 0, 0);
    for (size_t i = 0; i < count * width; i++)
        w->proposed[i] = w->places[i] + w->deviation * random_normal_at(&steps, i);
    TRY(w->density(w->context, w->proposed, w->proposed_logs, err));
    for (size_t k = 0; k < count; k++) {
        if (isnan(w->proposed_logs[k]))
            return error_set(err, STATUS_INVALID, "the density is not a number at the proposal of walker %zu", k + 1);
        if (log(1 - random_uniform_at(&chances, k)) >= w->proposed_logs[k] - w->logs[k])
            continue;
        memcpy(w->places + k * width, w->proposed + k * width, width * sizeof *w->places);
        w->logs[k] = w->proposed_logs[k];
        taken++;
    }
    w->moves++;
    w->taken += taken;
    w->tried += count;
    return STATUS_OK;
}

status walkers_move(walkers *w, size_t moves, bool adapt, error *err)
{
    for (size_t m = 0; m < moves; m++) {
        uint64_t before = w->taken;
        TRY(move(w, err));
        double share = (double)(w->taken - before) / (double)w->options.count;
        if (adapt)
            w->deviation *= exp(gain * (share - w->options.taken));
    }
    return STATUS_OK;
}
