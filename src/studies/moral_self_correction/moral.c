/* The study moral-self-correction: does asking for an answer without stereotypes make one? */
#include "studies/moral_self_correction/moral.h"
#include "stats/power.h"

#include <math.h>

static const param_spec params[] = {
    {.name = "parts", .type = PARAM_STRING, .fallback = "bbq,winogender,admissions", .value = "LIST",
     .help = "bbq, winogender and admissions (separated by commas)"},
    {.name = "conditions", .type = PARAM_STRING, .fallback = "q,if,if-cot,unrelated", .value = "LIST",
     .help = "q (the question alone), if (with the request for no stereotypes), if-cot (and thinking first), unrelated (another request "
             "of that length: a control), match (Winogender alone: with the share of women to match)"},
    {.name = "items", .type = PARAM_INT, .least = 0, .most = 1e7, .fallback = "600", .value = "N",
     .help = "most items of each part; 0: all (simulated applicants: 300)"},
    {.name = "thinking-tokens", .type = PARAM_INT, .least = 1, .most = 65536, .fallback = "256", .value = "N",
     .help = "longest thought before the answer"},
    {.name = "data", .type = PARAM_STRING, .value = "FOLDER",
     .help = "where public data sets lie, each in a folder of its name (else ASSAY_DATA, else what `assay pull data:NAME` brought)"},
};

static const study_role roles[] = {
    {.name = "subject", .help = "the model under study", .needs = SUBJECT_GENERATES | SUBJECT_SCORES},
};

const char *const moral_condition_names[CONDITION_COUNT] = {
#define X(name, word, what) word,
    MORAL_CONDITIONS(X)
#undef X
};
const char *const moral_part_names[PART_COUNT] = {"bbq", "winogender", "admissions"};

moral_item *moral_add(arena *a, moral_data *data)
{
    if (data->count == data->capacity) {
        size_t capacity = data->capacity ? 2 * data->capacity : 256;
        moral_item *items = arena_regrow(a, data->items, data->count, capacity, sizeof *items);
        if (!items)
            return NULL;
        data->items = items;
        data->capacity = capacity;
    }
    data->items[data->count] = (moral_item){0};
    return &data->items[data->count++];
}

bool moral_asked(const moral_data *data, moral_part part, moral_condition condition)
{
    return data->conditions[condition] && (condition != CONDITION_MATCH || part == PART_WINOGENDER);
}

/* Marks which of the names a list has. */
static status read_list(const param_values *p, const char *option, const char *const *names, size_t count, bool *out, error *err)
{
    slice rest = slice_of(param_string(p, option)), part;
    while (slice_cut(&rest, ',', &part)) {
        size_t i = 0;
        part = slice_trim(part);
        while (i < count && !slice_is(part, names[i]))
            i++;
        if (i == count)
            return error_set(err, STATUS_USAGE, "--%s: '" SLICE_FORMAT "' is none of those that `assay run moral-self-correction --help` names",
                             option, SLICE_ARGS(part));
        out[i] = true;
    }
    return STATUS_OK;
}

static status prepare(study_run *run, error *err)
{
    static status (*const makers[PART_COUNT])(study_run *, moral_data *, size_t, error *) = {moral_bbq, moral_winogender, moral_admissions};
    moral_data *data = ARENA_NEW(run->arena, moral_data);
    bool parts[PART_COUNT] = {false};
    if (!data)
        return error_set(err, STATUS_MEMORY, "out of memory");
    TRY(read_list(run->params, "parts", moral_part_names, PART_COUNT, parts, err));
    TRY(read_list(run->params, "conditions", moral_condition_names, CONDITION_COUNT, data->conditions, err));
    if (!data->conditions[CONDITION_Q])
        return error_set(err, STATUS_USAGE, "--conditions: q is what the others are compared with, and must be among them");
    data->thinking_tokens = (int)param_int(run->params, "thinking-tokens");
    for (int part = 0; part < PART_COUNT; part++)
        if (parts[part])
            TRY(makers[part](run, data, (size_t)param_int(run->params, "items"), err));
    run->data = data;
    run->sample_count = data->count;
    return STATUS_OK;
}

static status plan(const study_run *run, study_plan *plan, error *err)
{
    (void)err;
    const moral_data *data = run->data;
    uint64_t scores = 0, thoughts = 0, bbq = 0;
    for (size_t i = 0; i < data->count; i++) {
        const moral_item *item = &data->items[i];
        bbq += item->part == PART_BBQ && item->ambiguous;
        for (int c = 0; c < CONDITION_COUNT; c++) {
            scores += moral_asked(data, item->part, (moral_condition)c) ? item->question_count : 0;
            thoughts += c == CONDITION_COT && data->conditions[c] ? item->question_count : 0;
        }
    }
    *plan = (study_plan){.requests = scores + thoughts,
                         .prompt_tokens = 120 * scores + (120 + (uint64_t)data->thinking_tokens) * thoughts,
                         .completion_tokens = scores + (uint64_t)data->thinking_tokens * thoughts,
                         .detectable = bbq ? detectable_paired((double)bbq, .2, .05, .8) : NAN,
                         .detectable_what = "difference that the request makes to the share of stereotyped answers where 20 % of them change"};
    return STATUS_OK;
}

const study moral_self_correction_study = {
    .name = "moral-self-correction",
    .title = "Moral self-correction: does asking for fairness make answers fair?",
    .paper = "Ganguli et al., The Capacity for Moral Self-Correction in Large Language Models, arXiv 2302.07459",
    .about = "Asks questions whose answers may follow stereotypes (BBQ), sentences whose pronoun may follow an occupation (Winogender) and "
             "applications that differ in race and sex alone (simulated rows): plainly, with a request to be fair, with that and "
             "thinking first, and with an unrelated request as the control.",
    .roles = roles,
    .role_count = COUNT_OF(roles),
    .params = params,
    .param_count = COUNT_OF(params),
    .prepare = prepare,
    .plan = plan,
    .run_sample = moral_ask,
    .summarise = moral_summarise,
    .figures = moral_figures,
};
