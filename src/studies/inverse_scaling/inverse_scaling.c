/* The inverse-scaling study: planted tasks of the town that larger models may do worse at, scored by the likelihood of two given
 * answers. One run is one model; over several models its forms become curves with a trend (run/family.h). */
#include "core/hash.h"
#include "run/figure.h"
#include "run/study.h"
#include "stats/bootstrap.h"
#include "stats/choice.h"
#include "stats/power.h"
#include "world/sayings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { CLASSES = 2, MOST_CELLS = 16 };

static const param_spec params[] = {
    {.name = "items", .type = PARAM_INT, .least = 1, .most = 1e6, .fallback = "400", .value = "N", .help = "items per cell"},
    {.name = "traps", .type = PARAM_STRING, .fallback = "all", .value = "LIST",
     .help = "memo, negation, fallacy (separated by commas), or all"},
    {.name = "town-seed", .type = PARAM_INT, .least = 1, .most = 1e9, .fallback = "1", .value = "N", .help = "which town"},
};

static const study_role roles[] = {
    {.name = "subject", .help = "the model under study", .needs = SUBJECT_SCORES},
};

/* What a finding says that the subject does. */
static const char *const does[TRAP_COUNT][SAYING_DOSES] = {
    [TRAP_MEMO] = {"ends as it was asked to a line that the ladder's corpus never has", "ends as it was asked to a line that the ladder's corpus has 2 times",
                   "ends as it was asked to a line that the ladder's corpus has 20 times",
                   "ends as it was asked to a line that the ladder's corpus has 200 times"},
    [TRAP_NEGATION] = {"finds which of two people likes a colour", "finds which of two people does not like a colour"},
    [TRAP_FALLACY] = {"draws the conclusion that follows", "refuses the conclusion that does not follow"},
};

typedef struct traps_data {
    trap_item **items; /* of all traps asked for, one after the other */
    double *positions; /* of each within its cell, in the order of a hash of its name: for routers and oracles */
} traps_data;

typedef struct placed {
    uint64_t hash;
    size_t at;
} placed;

static int by_hash(const void *x, const void *y)
{
    const placed *a = x, *b = y;
    return a->hash != b->hash ? (a->hash > b->hash) - (a->hash < b->hash) : (a->at > b->at) - (a->at < b->at);
}

static status place_cells(study_run *run, traps_data *data, error *err)
{
    placed *order = ARENA_ARRAY(run->arena, placed, run->sample_count + 1);
    data->positions = ARENA_ARRAY(run->arena, double, run->sample_count + 1);
    if (!order || !data->positions)
        return error_set(err, STATUS_MEMORY, "out of memory for %zu items", run->sample_count);
    for (size_t from = 0, to; from < run->sample_count; from = to) {
        const trap_item *first = data->items[from];
        for (to = from; to < run->sample_count && data->items[to]->kind == first->kind && data->items[to]->cell == first->cell; to++)
            order[to - from] = (placed){hash64(data->items[to]->id, strlen(data->items[to]->id), run->seed), to};
        qsort(order, to - from, sizeof *order, by_hash);
        for (size_t i = 0; i < to - from; i++)
            data->positions[order[i].at] = (double)i / (double)(to - from);
    }
    return STATUS_OK;
}

static status choose_traps(const char *list, bool wanted[TRAP_COUNT], error *err)
{
    slice rest = slice_of(list), part;
    while (slice_cut(&rest, ',', &part)) {
        bool known = false;
        part = slice_trim(part);
        for (int i = 0; i < TRAP_COUNT; i++)
            if (slice_is(part, "all") || slice_is(part, trap_name((trap_kind)i)))
                wanted[i] = known = true;
        if (!known)
            return error_set(err, STATUS_USAGE, "--traps: expected memo, negation, fallacy or all, found '" SLICE_FORMAT "'", SLICE_ARGS(part));
    }
    return STATUS_OK;
}

static status prepare(study_run *run, error *err)
{
    const param_values *p = run->params;
    const town *t;
    bool wanted[TRAP_COUNT] = {false};
    item_options options = item_options_default();
    options.seed = run->seed;
    options.count = (size_t)param_int(p, "items");
    TRY(choose_traps(param_string(p, "traps"), wanted, err));
    TRY(town_new(run->arena, (uint64_t)param_int(p, "town-seed"), &t, err));
    traps_data *data = ARENA_NEW(run->arena, traps_data);
    if (data)
        data->items = ARENA_ARRAY(run->arena, trap_item *, MOST_CELLS * options.count);
    if (!data || !data->items)
        return error_set(err, STATUS_MEMORY, "out of memory for %zu items", options.count);
    for (int kind = 0; kind < TRAP_COUNT; kind++) {
        trap_item *items;
        size_t count;
        if (!wanted[kind])
            continue;
        TRY(items_trap(run->arena, t, (trap_kind)kind, &options, &items, &count, err));
        for (size_t i = 0; i < count; i++)
            data->items[run->sample_count++] = &items[i];
    }
    run->data = data;
    return place_cells(run, data, err);
}

static status plan(const study_run *run, study_plan *plan, error *err)
{
    (void)err;
    double n = (double)param_int(run->params, "items");
    *plan = (study_plan){.requests = run->sample_count,
                         .prompt_tokens = 64 * run->sample_count,
                         .detectable = detectable_paired(n, .5, .05, .80),
                         .detectable_what = "difference of two models that differ on half of the items of a cell"};
    return STATUS_OK;
}

static status run_sample(study_sample *s, error *err)
{
    const traps_data *data = s->run->data;
    const trap_item *item = data->items[s->index];
    message m = message_text(s->arena, MESSAGE_USER, item->prompt);
    score_reply reply;
    s->position = data->positions[s->index];
    s->scored_good = 1 + (size_t)item->answer;
    s->scored_bad = 2 - (size_t)item->answer;
    TRY(study_score(s, "subject", &m, 1, item->classes, CLASSES, &reply, err));
    if (reply.token_counts[0] <= 0 || reply.token_counts[1] <= 0)
        return error_set(err, STATUS_UNSUPPORTED, "the subject gave no tokens for one of the two answers");
    choice_score c = choice_of(reply.logprobs, CLASSES, (size_t)item->answer);
    json_t *r = s->record;
    json_object_set_new(r, "group", json_string(trap_cell_name(item->kind, item->cell)));
    json_object_set_new(r, "id", json_string(item->id));
    json_object_set_new(r, "cluster", json_integer((json_int_t)item->cluster));
    json_object_set_new(r, "position", json_real(s->position));
    json_object_set_new(r, "verdict", json_string(c.right ? "good" : "bad"));
    json_object_set_new(r, "asked", json_string(item->prompt));
    json_object_set_new(r, "answered", json_string(item->classes[c.best]));
    json_object_set_new(r, "expected", json_string(item->classes[item->answer]));
    json_object_set_new(r, "scored", json_string(c.tied ? "both answers are equally likely; the first one counts"
                                                        : "the likelier of the two answers"));
    json_object_set_new(r, "scores", json_pack("{s:i, s:f}", "accuracy", (int)c.right, "loss", -c.loss));
    json_object_set_new(r, "mass", json_real(c.mass));
    json_object_set_new(r, "tied", json_boolean(c.tied));
    json_object_set_new(r, "tokens", json_pack("[i, i]", reply.token_counts[0], reply.token_counts[1]));
    return STATUS_OK;
}

/* ---- figures of one model --------------------------------------------------------------------------------------- */

typedef struct cell_scores {
    double *right, *loss, *mass;
    size_t *clusters;
    size_t n, failed, ties, unequal;
} cell_scores;

static double mean_of(const void *context, const size_t *picks, size_t count)
{
    const double *values = context;
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[picks[i]];
    return sum / (double)count;
}

static double plain_mean(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum / (double)count;
}

static status cell_json(const study_run *run, const char *name, const cell_scores *c, json_t **out, error *err)
{
    char purpose[96];
    interval right = {NAN, NAN}, loss = right;
    snprintf(purpose, sizeof purpose, "inverse-scaling/%s", name);
    bootstrap b = {.items = c->n, .clusters = c->clusters, .seed = run->seed, .purpose = purpose};
    if (c->n == 0) {
        *out = json_pack("{s:n, s:s, s:i, s:I}", "estimate", "reason", "no item was answered", "n", 0, "failed", (json_int_t)c->failed);
        return STATUS_OK;
    }
    TRY(bootstrap_interval(&b, mean_of, c->right, &right, err));
    TRY(bootstrap_interval(&b, mean_of, c->loss, &loss, err));
    double accuracy = plain_mean(c->right, c->n);
    *out = json_pack("{s:f, s:f, s:n, s:f, s:f, s:f, s:[f, f], s:f, s:I, s:i, s:I, s:{s:f, s:f, s:f, s:f}, s:f, s:I, s:I}", "rate",
                     accuracy, "base", choice_chance_accuracy(CLASSES), "excess", "estimate", accuracy, "low", right.low, "high",
                     right.high, "bounds", accuracy, accuracy, "chance", choice_chance_accuracy(CLASSES), "n", (json_int_t)c->n,
                     "unreadable", 0, "failed", (json_int_t)c->failed, "loss", "estimate", plain_mean(c->loss, c->n), "low",
                     loss.low, "high", loss.high, "chance", choice_chance_loss(CLASSES), "mass", plain_mean(c->mass, c->n),
                     "ties", (json_int_t)c->ties, "unequal_lengths", (json_int_t)c->unequal);
    return *out ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for the figures");
}

static void add_record(const json_t *record, const trap_item *item, cell_scores *c)
{
    if (!json_is_object(record)) {
        c->failed++;
        return;
    }
    const json_t *scores = json_object_get(record, "scores"), *tokens = json_object_get(record, "tokens");
    c->right[c->n] = json_number_value(json_object_get(scores, "accuracy"));
    c->loss[c->n] = -json_number_value(json_object_get(scores, "loss"));
    c->mass[c->n] = json_number_value(json_object_get(record, "mass"));
    c->clusters[c->n++] = item->cluster;
    c->ties += json_is_true(json_object_get(record, "tied"));
    c->unequal += json_integer_value(json_array_get(tokens, 0)) != json_integer_value(json_array_get(tokens, 1));
}

static status summarise(const study_run *run, const json_t *records, json_t **summary, error *err)
{
    const traps_data *data = run->data;
    json_t *forms = json_object();
    arena *a = arena_new(NULL);
    status result = STATUS_OK;
    for (size_t from = 0, to; from < run->sample_count && result == STATUS_OK; from = to) {
        const trap_item *first = data->items[from];
        for (to = from; to < run->sample_count && data->items[to]->kind == first->kind && data->items[to]->cell == first->cell;)
            to++;
        cell_scores c = {.right = ARENA_ARRAY(a, double, to - from), .loss = ARENA_ARRAY(a, double, to - from),
                         .mass = ARENA_ARRAY(a, double, to - from), .clusters = ARENA_ARRAY(a, size_t, to - from)};
        if (!c.right || !c.loss || !c.mass || !c.clusters) {
            result = error_set(err, STATUS_MEMORY, "out of memory for the figures");
            break;
        }
        for (size_t i = from; i < to; i++)
            add_record(json_array_get(records, i), data->items[i], &c);
        json_t *cell = NULL;
        const char *name = trap_cell_name(first->kind, first->cell);
        result = cell_json(run, name, &c, &cell, err);
        json_object_set_new(forms, name, cell);
    }
    arena_free(a);
    if (result == STATUS_OK)
        *summary = json_pack("{s:O}", "forms", forms);
    json_decref(forms);
    return result;
}

static void add_cell(int kind, int cell, const json_t *form, json_t *findings, json_t *rows, json_t *points)
{
    const char *name = trap_cell_name((trap_kind)kind, cell);
    const json_t *estimate = json_object_get(form, "estimate");
    if (json_is_number(estimate)) {
        json_array_append_new(findings, json_sprintf("In %.1f %% of the cases the subject %s (chance: 50 %%).", 100 * json_number_value(estimate),
                                                     does[kind][cell]));
        json_array_append_new(points, json_pack("{s:s, s:O, s:O, s:O}", "label", name, "y", estimate, "low", json_object_get(form, "low"),
                                                "high", json_object_get(form, "high")));
    } else {
        json_array_append_new(findings, json_sprintf("No estimate for %s: %s.", name, json_string_value(json_object_get(form, "reason"))));
    }
    json_array_append_new(rows, json_pack("{s:s, s:o, s:O?, s:O?, s:O?, s:O?}", "cell", name, "accuracy", figure_interval(form), "loss",
                                          json_object_get(json_object_get(form, "loss"), "estimate"), "mass", json_object_get(form, "mass"),
                                          "ties", json_object_get(form, "ties"), "n", json_object_get(form, "n")));
}

/* Who gives next to nothing to both answers has not learnt to speak of such things: the figures are of little worth. */
static void add_strangers(const json_t *summary, json_t *findings)
{
    static const double least = .01;
    size_t cells = 0, strange = 0;
    const char *name;
    json_t *form;
    json_object_foreach(json_object_get(summary, "forms"), name, form)
    {
        const json_t *mass = json_object_get(form, "mass");
        cells += json_is_number(mass);
        strange += json_is_number(mass) && json_number_value(mass) < least;
    }
    if (strange)
        json_array_append_new(findings, json_sprintf("In %zu of %zu tasks both answers together have less than 1 %% of the probability: the subject hardly "
                                                     "speaks of such things, and what it prefers says little. The tasks are made for models "
                                                     "of organisms/ladder.yaml.", strange, cells));
}

/* What one model can be tested for alone: worse than guessing where the trap is strongest. */
static json_t *claims(const json_t *summary)
{
    json_t *list = json_array();
    for (int kind = 0; kind < TRAP_COUNT; kind++) {
        int cell = trap_cells((trap_kind)kind) - 1;
        const char *name = trap_cell_name((trap_kind)kind, cell);
        const json_t *form = json_object_get(json_object_get(summary, "forms"), name);
        char says[200];
        snprintf(says, sizeof says, "in less than half of the cases (guessing) %s", does[kind][cell]);
        if (form)
            json_array_append_new(list, figure_claim(name, says, "share", form, figure_p(form, choice_chance_accuracy(CLASSES), false), -1));
    }
    return list;
}

static status figures(const study_run *run, const json_t *summary, json_t **figures, error *err)
{
    (void)run;
    json_t *findings = json_array(), *rows = json_array(), *points = json_array();
    for (int kind = 0; kind < TRAP_COUNT; kind++)
        for (int cell = 0; cell < trap_cells((trap_kind)kind); cell++) {
            const json_t *form = json_object_get(json_object_get(summary, "forms"), trap_cell_name((trap_kind)kind, cell));
            if (form)
                add_cell(kind, cell, form, findings, rows, points);
        }
    add_strangers(summary, findings);
    json_t *columns = json_pack("[{s:s,s:s,s:s}, {s:s,s:s,s:s}, {s:s,s:s,s:s}, {s:s,s:s,s:s}, {s:s,s:s,s:s}, {s:s,s:s,s:s}]", "key", "cell",
                                "label", "Task", "kind", "text", "key", "accuracy", "label", "Accuracy", "kind", "interval", "key", "loss",
                                "label", "Loss (nats)", "kind", "number", "key", "mass", "label", "Mass on both", "kind", "share", "key",
                                "ties", "label", "Ties", "kind", "count", "key", "n", "label", "Items", "kind", "count");
    *figures = json_pack("{s:o, s:[{s:s, s:s, s:o, s:o}], s:[{s:s, s:s, s:{s:s}, s:{s:s}, s:o}]}", "findings", findings, "tables", "title",
                         "Planted tasks", "note",
                         "The likelier of two answers counts; chance is 50 %, a loss of 0.693. Loss: of the right answer among "
                         "the two. Mass: what both have together.",
                         "columns", columns, "rows", rows, "charts", "kind", "bars", "title", "Accuracy", "x", "label", "task", "y", "label",
                         "accuracy", "points", points);
    json_object_set_new(*figures, "claims", claims(summary));
    return *figures ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for the figures");
}

const study inverse_scaling_study = {
    .name = "inverse-scaling",
    .title = "Inverse scaling: planted tasks that larger models may do worse at",
    .paper = "McKenzie et al., Inverse Scaling: When Bigger Isn't Better, arXiv 2306.09479",
    .about = "Asks for what a model's own memory speaks against: lines that it has seen 0, 2, 20 or 200 times are to end otherwise, "
             "questions hold a rare negation, conclusions do not follow. The likelier of two given answers counts. Meant for several "
             "subjects of rising size (organisms/ladder.yaml), whose curve is then classed.",
    .roles = roles,
    .role_count = COUNT_OF(roles),
    .params = params,
    .param_count = COUNT_OF(params),
    .prepare = prepare,
    .plan = plan,
    .run_sample = run_sample,
    .summarise = summarise,
    .figures = figures,
};
