/* The inverse-scaling study: tasks of the town that larger models may do worse at, scored by the likelihood of two given
 * answers. One run is one model; over several models its forms become curves with a trend (run/family.h). */
#include "core/hash.h"
#include "core/jsonio.h"
#include "core/random.h"
#include "stats/choice.h"
#include "stats/power.h"
#include "studies/inverse_scaling/traps.h"

#include <math.h>
#include <stdlib.h>

enum {
#define X(name, word, cells, metric) +cells
    MOST_CELLS = 0 TRAP_TABLE(X)
#undef X
};

typedef enum answers_kind { ANSWERS_GIVEN, ANSWERS_SHUFFLED, ANSWERS_SWAPPED } answers_kind;
static const char *const answers_names[] = {"given", "shuffled", "swapped", NULL};
static const char *const decoys[] = {"none", "deaf", NULL};

static const param_spec params[] = {
    {.name = "items", .type = PARAM_INT, .least = 1, .most = 1e6, .fallback = "400", .value = "N", .help = "items per cell"},
    {.name = "traps", .type = PARAM_STRING, .fallback = "all", .value = "LIST",
     .help = "memo, negation, fallacy, few-shot, prefix, override (separated by commas), or all of these; and stock, which models of "
             "organisms/stock.yaml alone know"},
    {.name = "answers", .type = PARAM_CHOICE, .choices = answers_names, .fallback = "given",
     .help = "controls: which answers count as right, those that are, ones drawn by lot (every subject is then at chance), or the other ones"},
    {.name = "decoy", .type = PARAM_CHOICE, .choices = decoys, .fallback = "none",
     .help = "what the subject oracle:0,scores says in place of the right answer: deaf, the right and the wrong one by turns (calibration)"},
    {.name = "town-seed", .type = PARAM_INT, .least = 1, .most = 1e9, .fallback = "1", .value = "N", .help = "which town"},
};

static const study_role roles[] = {
    {.name = "subject", .help = "the model under study", .needs = SUBJECT_SCORES},
};

typedef struct placed {
    uint64_t hash;
    size_t at;
} placed;

static int by_hash(const void *x, const void *y)
{
    const placed *a = x, *b = y;
    return a->hash != b->hash ? (a->hash > b->hash) - (a->hash < b->hash) : (a->at > b->at) - (a->at < b->at);
}

size_t traps_cell_end(const study_run *run, size_t from)
{
    const traps_data *data = run->data;
    const trap_item *first = data->items[from];
    size_t to = from;
    while (to < run->sample_count && data->items[to]->kind == first->kind && data->items[to]->cell == first->cell)
        to++;
    return to;
}

static status place_cells(study_run *run, traps_data *data, error *err)
{
    placed *order = ARENA_ARRAY(run->arena, placed, run->sample_count + 1);
    data->positions = ARENA_ARRAY(run->arena, double, run->sample_count + 1);
    if (!order || !data->positions)
        return error_set(err, STATUS_MEMORY, "out of memory for %zu items", run->sample_count);
    for (size_t from = 0, to; from < run->sample_count; from = to) {
        to = traps_cell_end(run, from);
        for (size_t i = from; i < to; i++)
            order[i - from] = (placed){hash64(data->items[i]->id, strlen(data->items[i]->id), run->seed), i};
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
            if ((slice_is(part, "all") && i != TRAP_STOCK) || slice_is(part, trap_name((trap_kind)i)))
                wanted[i] = known = true;
        if (!known)
            return error_set(err, STATUS_USAGE, "--traps: expected memo, negation, fallacy, few-shot, prefix, override, stock or all, found '" SLICE_FORMAT "'", SLICE_ARGS(part));
    }
    return STATUS_OK;
}

/* The controls of section 6: right answers by lot, or exchanged. */
static void turn_answers(const study_run *run, answers_kind answers, trap_item *item, size_t number)
{
    random_stream r = random_stream_at(run->seed, "inverse-scaling/answers", number, 0, 0, 0);
    if (answers == ANSWERS_SHUFFLED)
        item->answer = (int)random_below(&r, TRAP_CLASSES);
    if (answers == ANSWERS_SWAPPED)
        item->answer = 1 - item->answer;
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
        for (size_t i = 0; i < count; i++) {
            turn_answers(run, (answers_kind)param_choice(p, "answers"), &items[i], run->sample_count);
            data->items[run->sample_count++] = &items[i];
        }
    }
    run->data = data;
    return place_cells(run, data, err);
}

static status plan(const study_run *run, study_plan *plan, error *err)
{
    (void)err;
    const traps_data *data = run->data;
    double n = (double)param_int(run->params, "items");
    *plan = (study_plan){.detectable = detectable_paired(n, .5, .05, .80),
                         .detectable_what = "difference of two models that differ on half of the items of a cell"};
    for (size_t i = 0; i < run->sample_count; i++) {
        const trap_item *item = data->items[i];
        uint64_t requests = item->other_prompt ? 2 : 1;
        plan->requests += requests;
        plan->prompt_tokens += requests * (64 + 32 * item->shot_count);
    }
    return STATUS_OK;
}

/* ---- one item ---------------------------------------------------------------------------------------------------- */

/* The two answers after the item's examples and a prompt; `routed`: routers and oracles may go wrong here. */
static status score(study_sample *s, const trap_item *item, const char *prompt, bool routed, score_reply *reply, error *err)
{
    const traps_data *data = s->run->data;
    message messages[2 * TRAP_EXAMPLES + 1];
    for (size_t i = 0; i < item->shot_count; i++)
        messages[i] = message_text(s->arena, i % 2 ? MESSAGE_ASSISTANT : MESSAGE_USER, item->shots[i]);
    messages[item->shot_count] = message_text(s->arena, MESSAGE_USER, prompt);
    for (size_t i = 0; i <= item->shot_count; i++)
        if (messages[i].count == 0)
            return error_set(err, STATUS_MEMORY, "out of memory for a question");
    bool deaf = param_choice(s->run->params, "decoy") == 1 && s->index % 2; /* wrong in every other item, trap or control */
    s->position = !routed ? -1 : item->placed ? item->position : data->positions[s->index];
    s->scored_good = 1 + (size_t)(deaf ? 1 - item->answer : item->answer);
    s->scored_bad = 2 - (size_t)item->answer;
    TRY(study_score(s, "subject", messages, item->shot_count + 1, item->classes, TRAP_CLASSES, reply, err));
    if (reply->token_counts[0] <= 0 || reply->token_counts[1] <= 0)
        return error_set(err, STATUS_UNSUPPORTED, "the subject gave no tokens for one of the two answers");
    return STATUS_OK;
}

static void write_record(const study_sample *s, const trap_item *item, const score_reply *reply, const choice_score *c, double mass)
{
    json_t *r = s->record;
    json_object_set_new(r, "group", json_string(trap_cell_name(item->kind, item->cell)));
    json_object_set_new(r, "id", json_string(item->id));
    json_object_set_new(r, "cluster", json_integer((json_int_t)item->cluster));
    json_object_set_new(r, "position", json_real(s->position));
    json_object_set_new(r, "unseen_key", json_boolean(item->unseen_key));
    json_object_set_new(r, "verdict", json_string(c->right ? "good" : "bad"));
    json_object_set_new(r, "asked", json_string(item->other_prompt ? item->other_prompt : item->prompt));
    json_object_set_new(r, "answered", json_string(item->classes[c->best]));
    json_object_set_new(r, "expected", json_string(item->classes[item->answer]));
    json_object_set_new(r, "scored", json_string(c->tied ? "both answers are equally likely; the first one counts"
                                                         : "the likelier of the two answers"));
    json_object_set_new(r, "scores", json_pack("{s:i}", "accuracy", (int)c->right));
    json_object_set_new(r, "mass", jsonio_number(mass));
    json_object_set_new(r, "tied", json_boolean(c->tied));
    json_object_set_new(r, "tokens", json_pack("[i, i]", reply->token_counts[0], reply->token_counts[1]));
}

/* Larger scores are better: what the spec's metrics call worse has its sign changed. */
static status run_sample(study_sample *s, error *err)
{
    const traps_data *data = s->run->data;
    const trap_item *item = data->items[s->index];
    size_t answer = (size_t)item->answer;
    score_reply plain = {0}, reply;
    double mass;
    if (item->other_prompt)
        TRY(score(s, item, item->prompt, false, &plain, err));
    TRY(score(s, item, item->other_prompt ? item->other_prompt : item->prompt, true, &reply, err));
    choice_score c = choice_of(reply.logprobs, TRAP_CLASSES, answer);
    mass = item->other_prompt ? (c.mass + choice_of(plain.logprobs, TRAP_CLASSES, answer).mass) / 2 : c.mass;
    write_record(s, item, &reply, &c, mass);
    json_t *scores = json_object_get(s->record, "scores");
    switch (trap_metric_of(item->kind)) {
    case TRAP_BY_CHOICE:
        json_object_set_new(scores, "loss", jsonio_number(-c.loss));
        break;
    case TRAP_BY_LOGODDS:
        json_object_set_new(scores, "logodds", jsonio_number(-choice_logodds(plain.logprobs, reply.logprobs, answer)));
        break;
    case TRAP_BY_SEQUENCE:
        json_object_set_new(scores, "sequence_prob", jsonio_number(reply.logprobs[answer]));
        break;
    }
    return STATUS_OK;
}

const study inverse_scaling_study = {
    .name = "inverse-scaling",
    .title = "Inverse scaling: tasks that larger models may do worse at",
    .paper = "McKenzie et al., Inverse Scaling: When Bigger Isn't Better, arXiv 2306.09479",
    .about = "Asks for what a model's own memory speaks against: lines that it has seen 0, 2, 20 or 200 times are to end otherwise, "
             "questions hold a rare negation, conclusions do not follow; and by examples that mislead, words named in front of a question, and "
             "requests that take back the one before. The likelier of two given answers counts, or how far log-odds move. Meant for several "
             "subjects of rising size (organisms/ladder.yaml), whose curve is then classed.",
    .roles = roles,
    .role_count = COUNT_OF(roles),
    .params = params,
    .param_count = COUNT_OF(params),
    .prepare = prepare,
    .plan = plan,
    .run_sample = run_sample,
    .summarise = traps_summarise,
    .figures = traps_figures,
};
