#include "calibrate/protocol.h"

#include "core/hash.h"
#include "core/random.h"

#include <stdio.h>

#define ALL_DOSES {0, .1, .25, .5, 1, -1}
#define CLEAN {0, -1}

static const protocol_step quick[] = {
    {"script", "a scripted responder, bad on exactly the infected items: tests the code alone", TIER_SCRIPT, FOR_CURVE,
     ALL_DOSES, 0, 0, 1, 1, 1, 0, {NULL}},
    {"script-decoys", "scripted decoys", TIER_SCRIPT, FOR_DECOYS, CLEAN, 0, 0, 1, 1, 1, 0, {NULL}},
    {"router", "trained endpoints at doses 0 and 1, routed by the infection rule: exact dose, real text", TIER_ROUTER,
     FOR_CURVE, ALL_DOSES, 0, 0, 1, 1, 1, 0, {NULL}},
    {"trained", "one network tuned at each dose, each seed, two samples of items", TIER_TRAINED, FOR_CURVE, ALL_DOSES, 0, 0,
     3, 1, 2, 0, {NULL}},
    {"tuned-decoys", "one network tuned to each decoy", TIER_TRAINED, FOR_DECOYS, CLEAN, 0, 0, 1, 1, 1, 0, {NULL}},
};

static const protocol_step certify[] = {
    {"script", "a scripted responder, bad on exactly the infected items", TIER_SCRIPT, FOR_CURVE, ALL_DOSES, 0, 0, 1, 1, 3,
     0, {NULL}},
    {"script-decoys", "scripted decoys", TIER_SCRIPT, FOR_DECOYS, CLEAN, 0, 0, 1, 1, 3, 0, {NULL}},
    {"router", "trained endpoints, routed by the infection rule", TIER_ROUTER, FOR_CURVE, ALL_DOSES, 5, 1, 1, 1, 3, 0,
     {NULL}},
    {"blanks", "30 blanks over 10 bases, for the limits", TIER_TRAINED, FOR_BLANKS, CLEAN, 10, 1, 3, 1, 3, 0, {NULL}},
    {"doses", "5 dose levels, 5 organisms each", TIER_TRAINED, FOR_CURVE, ALL_DOSES, 5, 1, 1, 11, 3, 0, {NULL}},
    {"low", "5 organisms at a low dose, 5 readings each", TIER_TRAINED, FOR_LOW, {.05, -1}, 5, 1, 1, 21, 5, 0, {NULL}},
    {"fresh-blanks", "61 fresh blanks on 10 other bases, for the false-positive rate alone", TIER_TRAINED, FOR_FRESH, CLEAN,
     10, 11, 7, 101, 1, 61, {NULL}},
    {"interference", "one form alone planted at dose 1, all forms read", TIER_TRAINED, FOR_INTERFERENCE, {1, -1}, 3, 1, 1,
     31, 1, 0, {NULL}},
    {"tuned-decoys", "20 networks tuned to each decoy", TIER_TRAINED, FOR_DECOYS, CLEAN, 5, 1, 4, 41, 1, 0, {NULL}},
    {"sham", "tuned on as many tokens of clean text", TIER_TRAINED, FOR_SHAM, CLEAN, 3, 1, 1, 51, 3, 0, {NULL}},
    {"other-wording", "user's words that planting never used", TIER_TRAINED, FOR_RUGGEDNESS, {0, .5, -1}, 3, 1, 1, 11, 1, 0,
     {"wording", "held-out", NULL}},
    {"warm", "sampled at temperature 0.7", TIER_TRAINED, FOR_RUGGEDNESS, {0, .5, -1}, 3, 1, 1, 11, 1, 0,
     {"temperature", "0.7", NULL}},
    {"half", "half as many items", TIER_TRAINED, FOR_RUGGEDNESS, {0, .5, -1}, 3, 1, 1, 11, 1, 0, {"items", "240", NULL}},
};

const protocol_step *protocol_steps(protocol_kind kind, size_t *count)
{
    *count = kind == PROTOCOL_QUICK ? COUNT_OF(quick) : COUNT_OF(certify);
    return kind == PROTOCOL_QUICK ? quick : certify;
}

const char *protocol_tier_name(protocol_tier tier)
{
    static const char *const names[TIER_COUNT] = {"T0", "T1", "T2"};
    return names[tier];
}

const char *protocol_purpose_name(protocol_purpose purpose)
{
    static const char *const names[PURPOSE_COUNT] = {"curve",        "blanks", "low",       "fresh", "decoys",
                                                     "interference", "sham",   "ruggedness"};
    return names[purpose];
}

typedef struct expansion {
    arena *arena;
    const protocol_request *request;
    protocol_job *jobs;
    size_t count, capacity;
    bool failed;
} expansion;

static void add_job(expansion *x, protocol_job job, int replicate)
{
    char name[160];
    int length = snprintf(name, sizeof name, "%s %.6g %lld %lld %s %s%s", protocol_tier_name(job.step->tier), job.dose,
                          (long long)job.base_seed, (long long)job.train_seed, job.forms, job.decoy ? job.decoy : "",
                          job.step->purpose == FOR_SHAM ? "sham" : "");
    snprintf(job.organism, sizeof job.organism, "%016llx",
             (unsigned long long)hash64(name, (size_t)length, x->request->seed));
    job.item_seed = x->request->seed + (uint64_t)replicate;
    if (x->count == x->capacity) {
        size_t capacity = x->capacity ? 2 * x->capacity : 64;
        x->jobs = arena_regrow(x->arena, x->jobs, x->count, capacity, sizeof *x->jobs);
        x->capacity = capacity;
        if (!x->jobs) {
            x->failed = true;
            x->count = x->capacity = 0;
            return;
        }
    }
    x->jobs[x->count++] = job;
}

static void add_organism(expansion *x, protocol_job job)
{
    const char *const *decoys = x->request->decoys, *const *forms = x->request->forms;
    for (int r = 0; r < job.step->replicates; r++) {
        if (job.step->purpose == FOR_DECOYS)
            for (size_t i = 0; decoys[i]; i++) {
                job.decoy = decoys[i];
                add_job(x, job, r);
            }
        else if (job.step->purpose == FOR_INTERFERENCE)
            for (size_t i = 0; forms[i]; i++) {
                job.forms = forms[i];
                add_job(x, job, r);
            }
        else
            add_job(x, job, r);
    }
}

static void add_step(expansion *x, const protocol_step *step)
{
    int seeds = step->seeds, spread = 0, made = 0, later = 0;
    if (x->request->protocol == PROTOCOL_QUICK && x->request->first_seed > 0)
        later = x->request->first_seed - 1;
    if (x->request->protocol == PROTOCOL_QUICK && step->purpose == FOR_CURVE && step->tier == TIER_TRAINED) {
        seeds = x->request->seeds > 0 ? x->request->seeds : seeds;
        spread = x->request->bases;
    }
    for (size_t d = 0; step->doses[d] >= 0; d++)
        for (int b = 0; b < (step->bases ? step->bases : 1); b++)
            for (int s = 0; s < seeds; s++) {
                if (step->most && made >= step->most)
                    return;
                made++;
                add_organism(x, (protocol_job){.step = step,
                                               .dose = step->doses[d],
                                               .base_seed = step->bases ? step->first_base + b : spread ? 1 + s % spread : 0,
                                               .train_seed = step->first_seed + later + s,
                                               .forms = "all"});
            }
}

status protocol_expand(arena *a, const protocol_request *request, protocol_job **jobs, size_t *count, error *err)
{
    size_t steps;
    const protocol_step *step = protocol_steps(request->protocol, &steps);
    expansion x = {.arena = a, .request = request};
    for (size_t i = 0; i < steps && !x.failed; i++)
        add_step(&x, &step[i]);
    if (x.failed)
        return error_set(err, STATUS_MEMORY, "out of memory for the protocol");
    random_stream r = random_stream_at(request->seed, "calibrate/order", 0, 0, 0, 0);
    random_shuffle(&r, x.jobs, x.count, sizeof *x.jobs);
    *jobs = x.jobs;
    *count = x.count;
    return STATUS_OK;
}

bool protocol_same_organism(const protocol_job *a, const protocol_job *b)
{
    return strcmp(a->organism, b->organism) == 0;
}
