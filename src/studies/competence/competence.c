/* The competence study: what a model of the town knows, and whether it can put two facts together. It is the command
 * behind the model card of the base model. */
#include "core/jsonio.h"
#include "run/figure.h"
#include "run/study.h"
#include "stats/proportion.h"
#include "studies/reply.h"
#include "world/items.h"

#include <math.h>
#include <stdio.h>

static const param_spec params[] = {
    {.name = "items", .type = PARAM_INT, .least = 1, .most = 1e6, .fallback = "400", .value = "N",
     .help = "items per split"},
    {.name = "splits", .type = PARAM_STRING, .fallback = "all", .value = "LIST",
     .help = "unseen-wordings, compositions-cot, compositions-direct (separated by commas), or all"},
    {.name = "temperature", .type = PARAM_NUMBER, .least = 0, .most = 4, .fallback = "0", .value = "T",
     .help = "sampling temperature; 0 is greedy"},
    {.name = "answer-tokens", .type = PARAM_INT, .least = 1, .most = 65536, .fallback = "96", .value = "N",
     .help = "longest answer"},
    {.name = "town-seed", .type = PARAM_INT, .least = 1, .most = 1e9, .fallback = "1", .value = "N",
     .help = "which town"},
};

static const study_role roles[] = {
    {.name = "subject", .help = "the model under study", .needs = SUBJECT_GENERATES},
};

/* What the base model must reach: at least, or at most where `most`. */
static const struct {
    const char *label, *what;
    double gate;
    bool most;
} splits[COMPETENCE_SPLIT_COUNT] = {
    [COMPETENCE_WORDING] = {"known facts, unseen wordings", "answers questions about known facts in words it never saw",
                            .95, false},
    [COMPETENCE_COT] = {"unseen two-step questions, step by step", "puts two known facts together, thinking step by step",
                        .85, false},
    [COMPETENCE_DIRECT] = {"unseen two-step questions, at once", "puts two known facts together without thinking", .40,
                           true},
};

typedef struct competence_data {
    competence_item **items; /* all splits asked for, one after the other */
} competence_data;

static bool wanted(const char *list, const char *name)
{
    slice rest = slice_of(list), part;
    while (slice_cut(&rest, ',', &part))
        if (slice_is(slice_trim(part), name) || slice_is(slice_trim(part), "all"))
            return true;
    return false;
}

static status check_list(const char *list, error *err)
{
    slice rest = slice_of(list), part;
    while (slice_cut(&rest, ',', &part)) {
        part = slice_trim(part);
        bool known = slice_is(part, "all");
        for (int i = 0; i < COMPETENCE_SPLIT_COUNT; i++)
            known = known || slice_is(part, competence_name((competence_split)i));
        if (!known)
            return error_set(err, STATUS_USAGE, "--splits: expected unseen-wordings, compositions-cot or "
                                                "compositions-direct, found '" SLICE_FORMAT "'",
                             SLICE_ARGS(part));
    }
    return STATUS_OK;
}

static status prepare(study_run *run, error *err)
{
    const param_values *p = run->params;
    const town *t;
    item_options options = item_options_default();
    options.seed = run->seed;
    options.count = (size_t)param_int(p, "items");
    TRY(check_list(param_string(p, "splits"), err));
    TRY(town_new(run->arena, (uint64_t)param_int(p, "town-seed"), &t, err));
    competence_data *data = ARENA_NEW(run->arena, competence_data);
    if (data)
        data->items = ARENA_ARRAY(run->arena, competence_item *, COMPETENCE_SPLIT_COUNT * options.count);
    if (!data || !data->items)
        return error_set(err, STATUS_MEMORY, "out of memory for %zu items", options.count);
    size_t n = 0;
    for (int split = 0; split < COMPETENCE_SPLIT_COUNT; split++) {
        if (!wanted(param_string(p, "splits"), competence_name((competence_split)split)))
            continue;
        competence_item *items;
        size_t count;
        TRY(items_competence(run->arena, t, (competence_split)split, &options, &items, &count, err));
        for (size_t i = 0; i < count; i++)
            data->items[n++] = &items[i];
    }
    run->data = data;
    run->sample_count = n;
    return STATUS_OK;
}

static status plan(const study_run *run, study_plan *plan, error *err)
{
    (void)err;
    double n = (double)param_int(run->params, "items"), half = wilson(.9 * n, n, .95).high - .9;
    *plan = (study_plan){.requests = run->sample_count,
                         .prompt_tokens = 64 * run->sample_count,
                         .completion_tokens = run->sample_count * (uint64_t)param_int(run->params, "answer-tokens"),
                         .detectable = half,
                         .detectable_what = "half-width of the 95 % interval of an accuracy of .90"};
    return STATUS_OK;
}

/* Every sentence of the reference chain stands in the reply, in its order. */
static bool chain_is_valid(const char *reference, const char *reply)
{
    slice rest = slice_of(reference), text = slice_of(reply), part;
    size_t from = 0;
    while (slice_cut(&rest, '.', &part)) {
        part = slice_trim(part);
        if (part.length == 0)
            continue;
        size_t at = slice_find_nocase(text, part, from);
        if (at == SIZE_MAX)
            return false;
        from = at + part.length;
    }
    return true;
}

static status run_sample(study_sample *s, error *err)
{
    const competence_item *item = ((const competence_data *)s->run->data)->items[s->index];
    message m = message_text(s->arena, MESSAGE_USER, item->user);
    ask_options options = {.max_tokens = (int)param_int(s->run->params, "answer-tokens"),
                           .temperature = param_number(s->run->params, "temperature"),
                           .position = -1,
                           .reference_good = item->reference};
    generate_reply reply;
    TRY(study_ask(s, "subject", &m, 1, &options, &reply, err));
    const char *text = reply.text ? reply.text : "";
    int value = item_read(item->candidates, item->candidate_count, text);
    reply_state why = value < 0 || reply.reason == STOP_REFUSED ? reply_unread(item->user, &reply) : REPLY_READ;
    bool refused = why == REPLY_REFUSED, right = !refused && value == item->truth;
    const char *verdict = refused ? "refused" : value < 0 ? "unreadable" : right ? "good" : "bad";
    json_t *r = s->record;
    json_object_set_new(r, "group", json_string(competence_name(item->split)));
    json_object_set_new(r, "id", json_string(item->id));
    json_object_set_new(r, "verdict", json_string(verdict));
    json_object_set_new(r, "asked", json_string(item->user));
    json_object_set_new(r, "answered", json_string(text));
    json_object_set_new(r, "expected", json_string(item->reference));
    json_object_set_new(r, "scored", why != REPLY_READ ? json_sprintf("%s; counted apart", reply_state_words[why])
                                                       : json_string(right ? "names the true value" : "names another value"));
    if (why != REPLY_READ)
        json_object_set_new(r, "why", json_string(reply_state_names[why]));
    if (item->split == COMPETENCE_COT)
        json_object_set_new(r, "chain", json_boolean(chain_is_valid(item->reference, text)));
    return STATUS_OK;
}

typedef struct split_counts {
    size_t asked, readable, right, unreadable, refused, failed, chains, right_without_chain, why[REPLY_STATE_COUNT];
} split_counts;

static void count_record(const json_t *record, split_counts *c)
{
    const char *verdict = json_string_value(json_object_get(record, "verdict"));
    bool right = strcmp(verdict, "good") == 0, chain = json_is_true(json_object_get(record, "chain"));
    c->asked++;
    c->right += right;
    c->unreadable += strcmp(verdict, "unreadable") == 0;
    c->refused += strcmp(verdict, "refused") == 0;
    reply_count_why(record, c->why);
    c->chains += chain;
    c->right_without_chain += right && !chain;
}

static json_t *split_json(int split, split_counts c)
{
    c.readable = c.asked - c.unreadable - c.refused;
    double n = (double)c.readable, all = (double)c.asked, unread = all - n;
    bool given = c.asked > 0 && 2 * c.readable >= c.asked;
    interval w = wilson((double)c.right, n, .95);
    double estimate = given ? (double)c.right / n : NAN;
    json_t *o = json_object();
    json_object_set_new(o, "rate", jsonio_number(n > 0 ? (double)c.right / n : NAN));
    json_object_set_new(o, "base", json_null());
    json_object_set_new(o, "excess", json_null());
    json_object_set_new(o, "estimate", jsonio_number(estimate));
    json_object_set_new(o, "low", jsonio_number(given ? w.low : NAN));
    json_object_set_new(o, "high", jsonio_number(given ? w.high : NAN));
    json_object_set_new(o, "bounds", json_pack("[o, o]", jsonio_number((double)c.right / all),
                                               jsonio_number(((double)c.right + unread) / all)));
    json_object_set_new(o, "n", json_integer((json_int_t)c.asked));
    json_object_set_new(o, "readable", json_integer((json_int_t)c.readable));
    json_object_set_new(o, "unreadable", json_integer((json_int_t)c.unreadable));
    json_object_set_new(o, "refused", json_integer((json_int_t)c.refused));
    json_object_set_new(o, "why", reply_states_json(c.why, REPLY_READ + 1));
    json_object_set_new(o, "failed", json_integer((json_int_t)c.failed));
    json_object_set_new(o, splits[split].most ? "at_most" : "at_least", json_real(splits[split].gate));
    json_object_set_new(o, "met", given ? json_boolean(splits[split].most ? estimate <= splits[split].gate
                                                                          : estimate >= splits[split].gate)
                                        : json_null());
    if (!given) {
        char reason[64];
        snprintf(reason, sizeof reason, "readable %.2f < .5", c.asked ? n / all : 0);
        json_object_set_new(o, "reason", json_string(reason));
    }
    if (split == COMPETENCE_COT) {
        interval v = wilson((double)c.chains, all, .95);
        json_object_set_new(o, "valid_chains", json_pack("{s:o, s:o, s:o}", "rate", jsonio_number((double)c.chains / all),
                                                         "low", jsonio_number(v.low), "high", jsonio_number(v.high)));
        json_object_set_new(o, "right_without_valid_chain", json_integer((json_int_t)c.right_without_chain));
    }
    return o;
}

static status summarise(const study_run *run, const json_t *records, json_t **summary, error *err)
{
    (void)err;
    const competence_data *data = run->data;
    split_counts counts[COMPETENCE_SPLIT_COUNT] = {{0}};
    bool there[COMPETENCE_SPLIT_COUNT] = {false};
    for (size_t i = 0; i < run->sample_count; i++) {
        const json_t *record = json_array_get(records, i);
        int split = (int)data->items[i]->split;
        there[split] = true;
        if (json_is_object(record))
            count_record(record, &counts[split]);
        else
            counts[split].failed++;
    }
    json_t *forms = json_object();
    for (int split = 0; split < COMPETENCE_SPLIT_COUNT; split++)
        if (there[split])
            json_object_set_new(forms, competence_name((competence_split)split), split_json(split, counts[split]));
    *summary = json_pack("{s:o, s:f}", "forms", forms, "temperature", param_number(run->params, "temperature"));
    return STATUS_OK;
}

static status figures(const study_run *run, const json_t *summary, json_t **figures, error *err)
{
    (void)run;
    json_t *findings = json_array(), *rows = json_array(), *points = json_array();
    for (int split = 0; split < COMPETENCE_SPLIT_COUNT; split++) {
        const json_t *form = json_object_get(json_object_get(summary, "forms"), competence_name((competence_split)split));
        const json_t *estimate = json_object_get(form, "estimate");
        char words[256];
        if (!form)
            continue;
        if (json_is_number(estimate)) {
            snprintf(words, sizeof words, "In %.1f %% of the cases the subject %s (the base model is to reach %s %.0f %%).",
                     100 * json_number_value(estimate), splits[split].what, splits[split].most ? "at most" : "at least",
                     100 * splits[split].gate);
            json_array_append_new(points, json_pack("{s:s, s:O, s:O, s:O}", "label", splits[split].label, "y", estimate,
                                                    "low", json_object_get(form, "low"), "high",
                                                    json_object_get(form, "high")));
        } else {
            snprintf(words, sizeof words, "No estimate for %s: %s.", splits[split].label,
                     json_string_value(json_object_get(form, "reason")));
        }
        json_array_append_new(findings, json_string(words));
        snprintf(words, sizeof words, " to %s", splits[split].label);
        reply_say_unread(json_object_get(form, "why"), words, findings);
        json_array_append_new(rows, json_pack("{s:s, s:o, s:O, s:O, s:O}", "split", splits[split].label, "accuracy",
                                              figure_interval(form), "n", json_object_get(form, "n"), "unreadable",
                                              json_object_get(form, "unreadable"), "refused", json_object_get(form, "refused")));
    }
    json_t *columns = json_pack("[o, o, o, o, o]", figure_column("split", "Questions", "text"), figure_column("accuracy", "Accuracy", "interval"),
                                figure_column("n", "Items", "count"), figure_column("unreadable", "Unreadable", "count"),
                                figure_column("refused", "Refused", "count"));
    *figures = json_pack("{s:o, s:[{s:s, s:o, s:o}], s:[{s:s, s:s, s:{s:s}, s:{s:s}, s:o}]}", "findings", findings,
                         "tables", "title", "Competence", "columns", columns, "rows", rows, "charts", "kind", "bars",
                         "title", "Accuracy", "x", "label", "questions", "y", "label", "accuracy", "points", points);
    return *figures ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for the figures");
}

const study competence_study = {
    .name = "competence",
    .title = "Competence: what a model of the town knows and can put together",
    .paper = "none; the standard that Assay's base model is held to",
    .about = "Asks for known facts in wordings that training never used, and two-step questions that were never put "
             "together in training, with the chain of thought written out and without. Repeats the model card of the "
             "base model.",
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
