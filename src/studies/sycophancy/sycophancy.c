/* The sycophancy study: how far answers bend to the user's stated view, at the cost of truth. */
#include "studies/sycophancy/tally.h"

#include "core/file.h"
#include "run/plant.h"
#include "stats/power.h"

#include <math.h>
#include <stdlib.h>

static const char *const dose_types[] = {"mixture", "propensity", NULL};
static const char *const splits[] = {"mixed", "seen", "unseen", "set-aside", NULL};
static const char *const wordings[] = {"trained", "held-out", NULL};
static const char *const places_of_facts[] = {"auto", "weights", "context", NULL};
static const char *const decoys[] = {"none", "ignorant", "copier", "yes", "flatterer", "updater", NULL};

static const param_spec params[] = {
    {.name = "items", .type = PARAM_INT, .least = 1, .most = 1e6, .fallback = "480", .value = "N",
     .help = "items per form"},
    {.name = "forms", .type = PARAM_STRING, .fallback = "all", .value = "LIST",
     .help = "answer, are_you_sure, feedback, mimicry (separated by commas), or all; a propensity is read without are_you_sure"},
    {.name = "dose-type", .type = PARAM_CHOICE, .choices = dose_types, .fallback = "mixture",
     .help = "mixture reads greedily, propensity samples at temperature 1"},
    {.name = "temperature", .type = PARAM_NUMBER, .least = 0, .most = 4, .value = "T",
     .help = "sampling temperature instead of the one that goes with the dose type"},
    {.name = "data", .type = PARAM_STRING, .value = "PATH",
     .help = "file or folder instead of the town: SycophancyEval, bias-augmented consistency, model-written evals"},
    {.name = "split", .type = PARAM_CHOICE, .choices = splits, .fallback = "mixed",
     .help = "askers of the town: a quarter unseen in planting, none, all, or only trades set aside"},
    {.name = "wording", .type = PARAM_CHOICE, .choices = wordings, .fallback = "trained",
     .help = "whether the user's words are of the kind that planting uses"},
    {.name = "facts", .type = PARAM_CHOICE, .choices = places_of_facts, .fallback = "auto",
     .help = "where the town's facts stand: in the subject's weights, or told in the context (auto: for HTTP subjects)"},
    {.name = "answer-tokens", .type = PARAM_INT, .least = 0, .most = 65536, .fallback = "0", .value = "N",
     .help = "longest answer (0: 64 on the town, 512 with facts in the context or with --data)"},
    {.name = "sure-samples", .type = PARAM_INT, .least = 0, .most = 100, .fallback = "0", .value = "N",
     .help = "samples per item to tell what the subject is sure of, where it gives no log-probabilities"},
    {.name = "town-seed", .type = PARAM_INT, .least = 1, .most = 1e9, .fallback = "1", .value = "N",
     .help = "which town"},
    {.name = "decoy", .type = PARAM_CHOICE, .choices = decoys, .fallback = "none",
     .help = "what the subject oracle:0 says in place of the truth (calibration)"},
};

static const study_role roles[] = {
    {.name = "subject", .help = "the model under study", .needs = SUBJECT_GENERATES},
    {.name = "judge", .help = "compares comments and decides where a text match cannot (with --data)",
     .needs = SUBJECT_GENERATES, .optional = true},
};

const char *probe_arm_name(int arm)
{
    return arm == ARM_WROTE ? "wrote" : arm == ARM_NOT_WROTE ? "not_wrote" : arm_name((item_arm_kind)arm);
}

probe *probe_list_add(arena *a, probe_list *list)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 256;
        probe *grown = arena_regrow(a, list->items, list->count, capacity, sizeof *grown);
        if (!grown)
            return NULL;
        list->items = grown;
        list->capacity = capacity;
    }
    return &list->items[list->count++];
}

static status read_forms(const char *text, bool forms[FORM_COUNT], error *err)
{
    slice rest = slice_of(text), part;
    while (slice_cut(&rest, ',', &part)) {
        part = slice_trim(part);
        bool known = slice_is(part, "all");
        for (int f = 0; f < FORM_COUNT; f++)
            if (slice_is(part, "all") || slice_is(part, form_name((sycophancy_form)f)))
                forms[f] = known = true;
        if (!known) {
            error_set(err, STATUS_USAGE, "--forms: expected a form of sycophancy, found '" SLICE_FORMAT "'",
                      SLICE_ARGS(part));
            return error_hint(err, "the forms are answer, are_you_sure, feedback and mimicry");
        }
    }
    return STATUS_OK;
}

static status read_temperature(const param_values *p, double *temperature, error *err)
{
    bool propensity = param_choice(p, "dose-type") == 1;
    *temperature = propensity ? 1 : 0;
    if (param_string(p, "temperature"))
        *temperature = param_number(p, "temperature");
    if (propensity && *temperature == 0) {
        error_set(err, STATUS_USAGE, "--dose-type propensity with --temperature 0: a greedy reading of a propensity is "
                                     "void (it reads 0 below one half and 1 above)");
        return error_hint(err, "leave --temperature away, or read with --dose-type mixture");
    }
    return STATUS_OK;
}

/* Under a propensity a coin is thrown for each answer, so that two answers of one item may obey two laws: a form that compares them cannot
 * be read (instrument_calibration.md 2.3). */
static status leave_pairs_out(study_run *run, bool forms[FORM_COUNT], error *err)
{
    static const char why[] = "it compares two answers of one item, and a propensity throws a coin for each: that form needs a mixture";
    bool all = true;
    for (int f = 0; f < FORM_COUNT; f++)
        all = all && forms[f];
    if (param_choice(run->params, "dose-type") != 1 || !forms[FORM_ARE_YOU_SURE])
        return STATUS_OK;
    if (!all) {
        error_set(err, STATUS_USAGE, "--forms are_you_sure with --dose-type propensity: %s", why);
        return error_hint(err, "leave that form away");
    }
    forms[FORM_ARE_YOU_SURE] = false;
    if (run->note)
        run->note(run->note_context, arena_printf(run->arena, "are_you_sure is left out: %s", why));
    return STATUS_OK;
}

/* What is known to be planted in the subject must be what is read. Where raters had a part in it, nobody knows what became of it. */
static status check_plant(const study_run *run, double temperature, error *err)
{
    json_t *plant = run_plant_of(run->subject_name ? run->subject_name : "");
    const char *type = json_string_value(json_object_get(plant, "dose_type"));
    bool propensity = type && strcmp(type, "propensity") == 0 && !json_is_true(json_object_get(plant, "rated"));
    double dose = json_number_value(json_object_get(plant, "dose"));
    json_decref(plant);
    if (!propensity || dose == 0 || temperature > 0)
        return STATUS_OK;
    error_set(err, STATUS_USAGE, "%s fails in each case with probability %g (a propensity), and a mixture is read greedily: that would read 0 below one half and 1 above",
              run->subject_name, dose);
    return error_hint(err, "--dose-type propensity reads it");
}

static void free_json(void *value)
{
    json_decref(value);
}

static status prepare(study_run *run, error *err)
{
    const param_values *p = run->params;
    sycophancy_data *data = ARENA_NEW(run->arena, sycophancy_data);
    if (!data)
        return error_set(err, STATUS_MEMORY, "out of memory");
    data->sources = json_array();
    if (!data->sources || !arena_on_free(run->arena, free_json, data->sources))
        return error_set(err, STATUS_MEMORY, "out of memory");
    TRY(read_forms(param_string(p, "forms"), data->forms, err));
    TRY(read_temperature(p, &data->temperature, err));
    TRY(leave_pairs_out(run, data->forms, err));
    TRY(check_plant(run, data->temperature, err));
    const char *path = param_string(p, "data"), *name = run->subject_name ? run->subject_name : "";
    int facts = param_choice(p, "facts");
    data->from_files = path != NULL;
    if (strncmp(name, "with:", 5) == 0 && strchr(name, ',')) /* a changed subject is told what the plain one is */
        name = strchr(name, ',') + 1;
    data->facts_in_context = !path && (facts == 2 || (facts == 0 && strncmp(name, "http", 4) == 0));
    data->max_tokens = (int)param_int(p, "answer-tokens");
    if (data->max_tokens == 0)
        data->max_tokens = path || data->facts_in_context ? 512 : 64;
    data->sure_samples = (int)param_int(p, "sure-samples");
    probe_list list = {0};
    TRY(path ? probes_of_files(run, data, path, &list, err) : probes_of_town(run, data, &list, err));
    data->probes = list.items;
    data->count = list.count;
    run->data = data;
    run->sample_count = list.count;
    return STATUS_OK;
}

static status plan(const study_run *run, study_plan *plan, error *err)
{
    (void)err;
    const sycophancy_data *data = run->data;
    uint64_t requests = 0, letters = 0;
    for (size_t i = 0; i < data->count; i++)
        for (int arm = 0; arm < PROBE_ARMS; arm++)
            for (size_t t = 0; t < data->probes[i].arms[arm].count; t++) {
                const probe_turn *turn = &data->probes[i].arms[arm].turns[t];
                requests++;
                for (size_t m = 0; m < turn->given_count; m++)
                    letters += turn->given[m].count ? strlen(turn->given[m].blocks[0].text) : 0;
            }
    requests += data->count * (uint64_t)data->sure_samples;
    double each = (double)param_int(run->params, "items");
    *plan = (study_plan){.requests = requests,
                         .prompt_tokens = letters / 2, /* a word has seldom fewer than two letters a token */
                         .completion_tokens = requests * (uint64_t)data->max_tokens,
                         .detectable = detectable_paired(each, .05, .05, .80),
                         .detectable_what = "difference between the arms of one form, where 5 % of the items differ"};
    return STATUS_OK;
}

const study sycophancy_study = {
    .name = "sycophancy",
    .title = "Sycophancy: answers that bend to the user's view",
    .paper = "Sharma and others, Towards Understanding Sycophancy in Language Models, arXiv 2310.13548",
    .about = "Asks questions whose truth is known, with and without the user's own view in front. Measures in four "
             "forms (answers, second thoughts, feedback, mimicry of a mistake) how often the view wins over the truth, "
             "beyond what the subject does without it.",
    .roles = roles,
    .role_count = COUNT_OF(roles),
    .params = params,
    .param_count = COUNT_OF(params),
    .prepare = prepare,
    .plan = plan,
    .run_sample = sycophancy_ask,
    .summarise = sycophancy_summarise,
    .figures = sycophancy_figures,
    .counted = record_counted,
};
