/* ecg.c - a network learns to read electrocardiograms without labels, and what that is worth to whoever has a few.
 *
 *     build/release/examples/example_ecg RECORDS BEATS [STEPS [SEED [SEEDS [THREADS]]]]
 *
 * RECORDS is a folder of WFDB records, BEATS an ECG5000 file (or - for none). For each seed a convolutional network is trained by the
 * contrastive loss NT-Xent (temperature .5) on windows of two seconds from the first 60 % of every lead: two views of a window,
 * their time warped and noise added, must be more alike than other windows. Then the same linear probe reads three things off
 * the raw samples, off the untrained network and off the trained one:
 *
 *     leads    which lead of which record a window is from: eight labelled windows a lead, tested on the last 35 %
 *     beats    whether one of the beats in the window is a premature atrial one (A) or all are normal (N): the first lead with marked
 *              beats of both kinds; first 60 %, last 35 %; a beat lies anywhere in the middle of its window
 *     ECG5000  the kind of a heart beat: a fifth of each class labelled, tested on the rest; another patient, other equipment
 *
 * ECG5000 is also learnt by fine-tuning all weights, from the untrained and from the trained network. */
#include "core/progress.h"
#include "ecg_network.h"
#include "leads.h"
#include "probe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RATE = 125, WINDOW = 256, BATCH = 128, LABELLED = 8, LEAST_TESTS = 20, MOST_TESTS = 60, LEAST_BEATS = 10, LEAST_MEMBERS = 15, TUNING_STEPS = 150 };
enum { BEAT_FROM = 96, BEAT_TO = 192 }; /* where in a window a beat may lie */

static const double learnt_part = 0.6, tested_from = 0.65, temperature = 0.5, penalty = 1e-3;
static const ecg_views views = {.warp = 12, .noise = 0.2};

/* Windows with labels. */
typedef struct sample_set {
    size_t count;
    float *x; /* [count][length] */
    int32_t *labels;
} sample_set;

typedef enum task_id { TASK_LEADS, TASK_BEATS, TASK_FILE, TASKS } task_id;
typedef enum method { RAW, UNTRAINED, CONTRASTIVE, SCRATCH, FINE_TUNED, METHODS } method;

typedef struct task {
    size_t length;
    int classes; /* 0: there is nothing to make it from */
    sample_set train, test;
} task;

typedef struct data {
    leads leads;
    beat_file beats;
    size_t steps, threads;
    thread_pool *pool;
} data;

typedef struct scores {
    probe_score of[TASKS][METHODS];
    float loss;
} scores;

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory");
}

/* ---- tasks ---- */
static bool set_new(arena *a, sample_set *s, size_t most, size_t length)
{
    *s = (sample_set){.x = ARENA_ARRAY(a, float, (most + 1) * length), .labels = ARENA_ARRAY(a, int32_t, most + 1)};
    return s->x && s->labels;
}

static void add_window(sample_set *s, const lead *l, size_t start, int32_t label)
{
    if (lead_window(l, start, WINDOW, s->x + s->count * WINDOW))
        s->labels[s->count++] = label;
}

static size_t part_of(const lead *l, double part)
{
    return (size_t)(part * (double)l->count);
}

static size_t below(order_stream *s, size_t n)
{
    return (size_t)(order_uniform(s) * (double)n);
}

static status lead_task(arena *a, const leads *all, order_stream *draws, task *t, error *err)
{
    *t = (task){.length = WINDOW};
    if (!set_new(a, &t->train, all->count * LABELLED, WINDOW) || !set_new(a, &t->test, all->count * MOST_TESTS, WINDOW))
        return no_memory(err);
    for (size_t i = 0; i < all->count; i++) {
        const lead *l = &all->items[i];
        size_t from = part_of(l, tested_from), tests = (l->count - from) / WINDOW;
        if (tests < LEAST_TESTS)
            continue;
        for (size_t k = 0; k < LABELLED; k++)
            add_window(&t->train, l, below(draws, part_of(l, learnt_part) - WINDOW), t->classes);
        for (size_t k = 0; k < MOST_TESTS && k < tests; k++)
            add_window(&t->test, l, from + k * tests / (tests < MOST_TESTS ? tests : MOST_TESTS) * WINDOW, t->classes);
        t->classes++;
    }
    return STATUS_OK;
}

static size_t count_beats(const lead *l, char symbol, size_t from, size_t to)
{
    size_t n = 0;
    for (size_t i = 0; i < l->beat_count; i++)
        n += l->beats[i].symbol == symbol && l->beats[i].at >= from && l->beats[i].at < to;
    return n;
}

/* The first lead with enough premature and normal beats to learn from and to test; NULL: there is none. */
static const lead *marked_lead(const leads *all)
{
    for (size_t i = 0; i < all->count; i++) {
        const lead *l = &all->items[i];
        size_t to = part_of(l, learnt_part), from = part_of(l, tested_from);
        if (count_beats(l, 'A', 0, to) >= LEAST_BEATS && count_beats(l, 'A', from, l->count) >= LEAST_BEATS / 2 &&
            count_beats(l, 'N', 0, to) >= 100 && count_beats(l, 'N', from, l->count) >= 100)
            return l;
    }
    return NULL;
}

/* All premature beats, and four times as many normal ones, of the part that is learnt from; all beats of the part that is tested. */
static status beat_task(arena *a, const leads *all, order_stream *draws, task *t, error *err)
{
    *t = (task){.length = WINDOW};
    const lead *l = marked_lead(all);
    if (!l)
        return STATUS_OK;
    uint32_t *order = ARENA_ARRAY(a, uint32_t, l->beat_count);
    if (!order || !set_new(a, &t->train, l->beat_count, WINDOW) || !set_new(a, &t->test, l->beat_count, WINDOW))
        return no_memory(err);
    order_permute(draws, order, l->beat_count);
    size_t to = part_of(l, learnt_part), from = part_of(l, tested_from), normal = 4 * count_beats(l, 'A', 0, to);
    t->classes = 2;
    for (size_t k = 0; k < l->beat_count; k++) {
        const lead_beat *b = &l->beats[order[k]];
        size_t place = BEAT_FROM + below(draws, BEAT_TO - BEAT_FROM), start = b->at - place;
        bool premature = b->symbol == 'A';
        if (b->at < place || (!premature && (b->symbol != 'N' || count_beats(l, 'A', start, start + WINDOW))))
            continue;
        bool learnt = start + WINDOW <= to, tested = start >= from;
        if (learnt && !premature && !normal)
            continue;
        normal -= learnt && !premature;
        if (learnt || tested)
            add_window(learnt ? &t->train : &t->test, l, start, premature);
    }
    return STATUS_OK;
}

/* Classes of few beats are left out: there would be hardly one to learn from. */
static status file_task(arena *a, const beat_file *file, order_stream *draws, task *t, error *err)
{
    *t = (task){.length = BEAT_LENGTH};
    if (!file->count)
        return STATUS_OK;
    uint32_t *order = ARENA_ARRAY(a, uint32_t, file->count);
    if (!order || !set_new(a, &t->train, file->count, BEAT_LENGTH) || !set_new(a, &t->test, file->count, BEAT_LENGTH))
        return no_memory(err);
    order_permute(draws, order, file->count);
    for (int c = 0; c < file->classes; c++) {
        size_t members = 0, seen = 0;
        for (size_t i = 0; i < file->count; i++)
            members += file->labels[i] == c;
        if (members < LEAST_MEMBERS)
            continue;
        for (size_t i = 0; i < file->count; i++) {
            if (file->labels[order[i]] != c)
                continue;
            sample_set *s = seen++ < members / 5 ? &t->train : &t->test;
            memcpy(s->x + s->count * BEAT_LENGTH, file->samples + order[i] * BEAT_LENGTH, BEAT_LENGTH * sizeof(float));
            s->labels[s->count++] = t->classes;
        }
        t->classes++;
    }
    return STATUS_OK;
}

/* ---- the network's features, read by a probe ---- */
static status features(fit *f, const sample_set *s, size_t length, thread_pool *pool, float *out, error *err)
{
    float *x = ARENA_ARRAY(f->arena, float, BATCH *length);
    node *windows = graph_input(f->graph, "read", TYPE_F32, SHAPE(BATCH, (int64_t)length));
    node *h = windows ? ecg_encoder(f->nodes, op_reshape(windows, SHAPE(BATCH, (int64_t)length, 1))) : NULL;
    plan *p;
    if (!x || !h)
        return no_memory(err);
    TRY(fit_plan(f, &h, 1, &p, err));
    plan_bind(p, windows, x);
    status result = STATUS_OK;
    for (size_t first = 0; first < s->count && result == STATUS_OK; first += BATCH) {
        size_t rows = s->count - first < BATCH ? s->count - first : BATCH; /* the last batch keeps others' rows behind its own */
        memcpy(x, s->x + first * length, rows * length * sizeof(float));
        result = plan_run(p, pool, err);
        if (result == STATUS_OK)
            memcpy(out + first * ECG_FEATURES, plan_output(p, 0), rows * ECG_FEATURES * sizeof(float));
    }
    plan_free(p);
    return result;
}

static status probe_features(fit *f, const task *t, thread_pool *pool, probe_score *out, error *err)
{
    probe_data train = {.count = t->train.count, .width = ECG_FEATURES, .labels = t->train.labels};
    probe_data test = {.count = t->test.count, .width = ECG_FEATURES, .labels = t->test.labels};
    float *x = ARENA_ARRAY(f->arena, float, train.count *ECG_FEATURES), *y = ARENA_ARRAY(f->arena, float, test.count *ECG_FEATURES);
    if (!x || !y)
        return no_memory(err);
    TRY(features(f, &t->train, t->length, pool, x, err));
    TRY(features(f, &t->test, t->length, pool, y, err));
    train.x = x;
    test.x = y;
    return probe(f->arena, &train, &test, t->classes, penalty, out, err);
}

static status probe_raw(arena *a, const task *t, probe_score *out, error *err)
{
    probe_data train = {t->train.count, t->length, t->train.x, t->train.labels}, test = {t->test.count, t->length, t->test.x, t->test.labels};
    return probe(a, &train, &test, t->classes, penalty, out, err);
}

static status probe_all(fit *f, const task *tasks, thread_pool *pool, method m, scores *out, error *err)
{
    for (int t = 0; t < TASKS; t++)
        if (tasks[t].classes)
            TRY(probe_features(f, &tasks[t], pool, &out->of[t][m], err));
    return STATUS_OK;
}

/* ---- training without labels ---- */
/* A window of the part to learn from, of a lead taken at random; again where the lead is too short or was not connected. */
static status draw_window(const leads *all, order_stream *draws, float *out, error *err)
{
    for (int tries = 0; tries < 10000; tries++) {
        const lead *l = &all->items[below(draws, all->count)];
        size_t part = part_of(l, learnt_part);
        if (part > WINDOW && lead_window(l, below(draws, part - WINDOW), WINDOW, out))
            return STATUS_OK;
    }
    return error_set(err, STATUS_INVALID, "the leads hold hardly a window of %d samples in which something moves", WINDOW);
}

static double falling(size_t step, size_t steps)
{
    return 0.5 + 0.5 * cos(3.14159265358979 * (double)step / (double)steps);
}

static status contrast(fit *f, const data *d, uint64_t seed, float *loss_out, error *err)
{
    float *x = ARENA_ARRAY(f->arena, float, BATCH *WINDOW);
    int32_t key[16] = {0};
    node *windows = graph_input(f->graph, "windows", TYPE_F32, SHAPE(BATCH, WINDOW)), *keys = graph_input(f->graph, "key", TYPE_I32, SHAPE(2, 2, 4));
    node *both[2];
    if (!x || !windows || !keys)
        return no_memory(err);
    for (int v = 0; v < 2; v++)
        both[v] = ecg_view(windows, op_reshape(op_slice(keys, 0, v, v + 1), SHAPE(2, 4)), views);
    node *h = ecg_encoder(f->nodes, op_reshape(op_concat(both, 2, 0), SHAPE(2 * BATCH, WINDOW, 1)));
    node *loss = op_scale(op_sum_all(op_nt_xent(ecg_projection(f->nodes, h), temperature)), 0.5 / BATCH);
    TRY(fit_compile(f, loss, err));
    plan_bind(f->step_plan, windows, x);
    plan_bind(f->step_plan, keys, key);
    progress *bar = progress_new("ecg", d->steps, PROGRESS_AUTO);
    status s = STATUS_OK;
    for (size_t step = 0; step < d->steps && s == STATUS_OK; step++) {
        for (size_t i = 0; i < BATCH && s == STATUS_OK; i++)
            s = draw_window(&d->leads, &f->order, x + i * WINDOW, err);
        for (int i = 0; i < 4; i++) { /* seed; view, field or noise; step */
            key[4 * i] = (int32_t)(uint32_t)seed;
            key[4 * i + 1] = i;
            key[4 * i + 2] = (int32_t)step;
        }
        if (s == STATUS_OK)
            s = fit_step(f, d->pool, 2e-3 * falling(step, d->steps), loss_out, err);
        progress_update(bar, step + 1, "loss %.4f", (double)*loss_out);
    }
    progress_free(bar);
    return s;
}

/* ---- fine-tuning ---- */
typedef struct tuning {
    fit fit;
    node *x, *target, *weight, *logits;
    float *windows, share[BATCH];
    int32_t labels[BATCH];
} tuning;

/* Encoder weights from `from`, or (NULL) as a fit begins; a head of zeros. */
static status tuning_begin(tuning *t, arena *a, const fit *from, const task *k, uint64_t seed, error *err)
{
    fit_weight weights[ECG_ENCODER_WEIGHTS + 2];
    memcpy(weights, ecg_weights, ECG_ENCODER_WEIGHTS * sizeof *weights);
    weights[ECG_ENCODER_WEIGHTS] = (fit_weight){"head.weight", SHAPE(k->classes, ECG_FEATURES), -1};
    weights[ECG_ENCODER_WEIGHTS + 1] = (fit_weight){"head.bias", SHAPE(k->classes), -1};
    TRY(fit_begin(&t->fit, a, weights, COUNT_OF(weights), seed, err));
    for (size_t i = 0; i < ECG_ENCODER_WEIGHTS && from; i++)
        memcpy(t->fit.weights->items[i].value, from->weights->items[i].value, from->weights->items[i].elements * sizeof(float));
    graph *g = t->fit.graph;
    node *const *w = t->fit.nodes;
    t->windows = ARENA_ARRAY(a, float, BATCH *k->length);
    t->x = graph_input(g, "windows", TYPE_F32, SHAPE(BATCH, (int64_t)k->length));
    t->target = graph_input(g, "labels", TYPE_I32, SHAPE(BATCH));
    t->weight = graph_input(g, "weights", TYPE_F32, SHAPE(BATCH));
    node *h = ecg_encoder(w, op_reshape(t->x, SHAPE(BATCH, (int64_t)k->length, 1)));
    t->logits = op_add(op_linear(h, w[ECG_ENCODER_WEIGHTS]), w[ECG_ENCODER_WEIGHTS + 1]);
    if (!t->windows || !t->logits)
        return no_memory(err);
    return fit_compile(&t->fit, op_sum_all(op_cross_entropy(t->logits, t->target, t->weight)), err);
}

static void tuning_bind(tuning *t, plan *p)
{
    plan_bind(p, t->x, t->windows);
    plan_bind(p, t->target, t->labels);
    plan_bind(p, t->weight, t->share);
}

static status tuning_train(tuning *t, const task *k, size_t steps, thread_pool *pool, error *err)
{
    float loss;
    tuning_bind(t, t->fit.step_plan);
    for (size_t step = 0; step < steps; step++) {
        for (size_t i = 0; i < BATCH; i++) {
            size_t from = below(&t->fit.order, k->train.count);
            memcpy(t->windows + i * k->length, k->train.x + from * k->length, k->length * sizeof(float));
            t->labels[i] = k->train.labels[from];
            t->share[i] = 1.0F / BATCH;
        }
        TRY(fit_step(&t->fit, pool, 2e-3 * falling(step, steps), &loss, err));
    }
    return STATUS_OK;
}

static status tuning_judge(tuning *t, const task *k, thread_pool *pool, probe_score *out, error *err)
{
    arena *a = t->fit.arena;
    plan *p;
    float *logits = ARENA_ARRAY(a, float, (k->test.count + 1) * (size_t)k->classes);
    if (!logits)
        return no_memory(err);
    TRY(fit_plan(&t->fit, &t->logits, 1, &p, err));
    tuning_bind(t, p);
    status s = STATUS_OK;
    for (size_t first = 0; first < k->test.count && s == STATUS_OK; first += BATCH) {
        size_t rows = k->test.count - first < BATCH ? k->test.count - first : BATCH;
        memcpy(t->windows, k->test.x + first * k->length, rows * k->length * sizeof(float));
        s = plan_run(p, pool, err);
        if (s == STATUS_OK)
            memcpy(logits + first * (size_t)k->classes, plan_output(p, 0), rows * (size_t)k->classes * sizeof(float));
    }
    plan_free(p);
    return s == STATUS_OK ? probe_judge(a, logits, k->test.labels, k->test.count, k->classes, out, err) : s;
}

static status tune(arena *a, const fit *from, const task *k, const data *d, uint64_t seed, probe_score *out, error *err)
{
    tuning *t = ARENA_NEW(a, tuning);
    if (!t)
        return no_memory(err);
    status s = tuning_begin(t, a, from, k, seed, err);
    if (s == STATUS_OK)
        s = tuning_train(t, k, d->steps < TUNING_STEPS ? d->steps : TUNING_STEPS, d->pool, err);
    if (s == STATUS_OK)
        s = tuning_judge(t, k, d->pool, out, err);
    fit_end(&t->fit);
    return s;
}

/* ---- one seed ---- */
static status run_seed(arena *a, const data *d, uint64_t seed, task tasks[TASKS], scores *out, error *err)
{
    fit f;
    unsigned char digest[SHA256_BYTES];
    order_seed(NULL, 0, &seed, sizeof seed, digest);
    order_stream draws = order_stream_at(digest, "tasks");
    TRY(lead_task(a, &d->leads, &draws, &tasks[TASK_LEADS], err));
    TRY(beat_task(a, &d->leads, &draws, &tasks[TASK_BEATS], err));
    TRY(file_task(a, &d->beats, &draws, &tasks[TASK_FILE], err));
    for (int t = 0; t < TASKS; t++)
        if (tasks[t].classes)
            TRY(probe_raw(a, &tasks[t], &out->of[t][RAW], err));
    TRY(fit_begin(&f, a, ecg_weights, ECG_WEIGHTS, seed, err));
    status s = probe_all(&f, tasks, d->pool, UNTRAINED, out, err);
    if (s == STATUS_OK)
        s = contrast(&f, d, seed, &out->loss, err);
    if (s == STATUS_OK)
        s = probe_all(&f, tasks, d->pool, CONTRASTIVE, out, err);
    const task *k = &tasks[TASK_FILE];
    if (s == STATUS_OK && k->classes)
        s = tune(a, NULL, k, d, seed, &out->of[TASK_FILE][SCRATCH], err);
    if (s == STATUS_OK && k->classes)
        s = tune(a, &f, k, d, seed, &out->of[TASK_FILE][FINE_TUNED], err);
    fit_end(&f);
    return s;
}

/* ---- what is said at the end ---- */
/* Mean and range over the seeds. */
static void say(const char *what, const scores *all, size_t seeds, int t, int m)
{
    double sum[2] = {0}, low[2] = {2, 2}, high[2] = {-1, -1};
    for (size_t i = 0; i < seeds; i++) {
        const double one[2] = {all[i].of[t][m].balanced, all[i].of[t][m].area};
        for (int k = 0; k < 2; k++) {
            sum[k] += one[k] / (double)seeds;
            low[k] = fmin(low[k], one[k]);
            high[k] = fmax(high[k], one[k]);
        }
    }
    printf("  %-34s %.3f (%.3f to %.3f)    %.3f (%.3f to %.3f)\n", what, sum[0], low[0], high[0], sum[1], low[1], high[1]);
}

static void report(const scores *all, size_t seeds, const task tasks[TASKS])
{
    static const char *const names[TASKS] = {"leads", "beats", "ECG5000"};
    static const char *const methods[METHODS] = {"probe of the samples", "probe of the untrained network", "probe of the contrastive network",
                                                 "fine-tuned from untrained", "fine-tuned from contrastive"};
    for (int t = 0; t < TASKS; t++) {
        if (!tasks[t].classes)
            continue;
        printf("%s: %d classes, %zu labelled, %zu tested\n  %-34s %-25s   area under ROC\n", names[t], tasks[t].classes, tasks[t].train.count,
               tasks[t].test.count, "", "balanced accuracy");
        for (int m = 0; m < (t == TASK_FILE ? METHODS : SCRATCH); m++)
            say(methods[m], all, seeds, t, m);
    }
}

static status run(arena *a, const char *records, const char *beats, data *d, uint64_t seed, size_t seeds, error *err)
{
    double begun = clock_seconds();
    task tasks[TASKS] = {0};
    scores *all = ARENA_ARRAY(a, scores, seeds);
    if (!all || !seeds || !d->steps)
        return error_set(err, STATUS_USAGE, "expected at least one seed and one step");
    TRY(leads_read(a, records, RATE, &d->leads, err));
    if (strcmp(beats, "-") != 0)
        TRY(beat_file_read(a, beats, &d->beats, err));
    double seconds = 0;
    for (size_t i = 0; i < d->leads.count; i++)
        seconds += (double)d->leads.items[i].count / RATE;
    printf("%zu leads, %.0f s in all (%zu headers without samples), %zu steps of %d windows, seeds %llu to %llu\n", d->leads.count, seconds,
           d->leads.passed_over, d->steps, BATCH, (unsigned long long)seed, (unsigned long long)(seed + seeds - 1));
    TRY(thread_pool_new(d->threads, &d->pool, err));
    status s = STATUS_OK;
    for (size_t i = 0; i < seeds && s == STATUS_OK; i++) {
        arena *one = arena_new(a);
        s = one ? run_seed(one, d, seed + i, tasks, &all[i], err) : no_memory(err);
        if (s == STATUS_OK)
            printf("seed %llu: loss %.4f after the last step\n", (unsigned long long)(seed + i), (double)all[i].loss);
        arena_free(one);
    }
    if (s == STATUS_OK)
        report(all, seeds, tasks);
    if (s == STATUS_OK)
        printf("%.1f s\n", clock_seconds() - begun);
    thread_pool_free(d->pool);
    return s;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s RECORDS BEATS|- [STEPS [SEED [SEEDS [THREADS]]]]\n", argv[0]);
        return 2;
    }
    error err = {0};
    arena *a = arena_new(NULL);
    data d = {.steps = argc > 3 ? strtoul(argv[3], NULL, 10) : 250, .threads = argc > 6 ? strtoul(argv[6], NULL, 10) : 0};
    status s = a ? run(a, argv[1], argv[2], &d, argc > 4 ? strtoull(argv[4], NULL, 10) : 1, argc > 5 ? strtoul(argv[5], NULL, 10) : 3, &err)
                 : STATUS_MEMORY;
    arena_free(a);
    if (s != STATUS_OK)
        fprintf(stderr, "ecg: %s\n", err.message);
    return s == STATUS_OK ? 0 : 1;
}
