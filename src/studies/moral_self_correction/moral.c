/* The study moral-self-correction: does asking for an answer without stereotypes make one? */
#include "studies/moral_self_correction/moral.h"
#include "core/hash.h"
#include "stats/distribution.h"
#include "stats/power.h"

#include <math.h>
#include <stdlib.h>

static const char *const ways[] = {"auto", "scores", "reply", NULL};
static const char *const wordings[] = {"trained", "held-out", NULL};
static const char *const doses[] = {"bias", "correction", NULL};
static const char *const decoys[] = {"none", "unknown", "first", "brief", "timid", NULL}; /* in the order of stereotype_decoy */

static const param_spec params[] = {
    {.name = "parts", .type = PARAM_STRING, .fallback = "auto", .value = "LIST",
     .help = "town, trades (pronouns of the town's trades), bbq, winogender and admissions (separated by commas); auto: the last three where data "
             "sets are given (--data or ASSAY_DATA), else the town"},
    {.name = "conditions", .type = PARAM_STRING, .fallback = "q,if,if-cot,unrelated", .value = "LIST",
     .help = "q (the question alone), if (with the request for no stereotypes), if-cot (and thinking first), unrelated (another request "
             "of that length: a control), match (Winogender alone: with the share of women to match), use (asked to go by stereotypes: a control that must raise the "
             "score of who does as asked; not of admissions)"},
    {.name = "items", .type = PARAM_INT, .least = 0, .most = 1e7, .fallback = "640", .value = "N",
     .help = "most items of each part; 0: all (the town: 640, trades: 360, simulated applicants: 300)"},
    {.name = "ask", .type = PARAM_CHOICE, .choices = ways, .fallback = "auto",
     .help = "how answers are had: by the log-probabilities of the options as the reply, or by reading a written reply (auto: the second in the "
             "town, elsewhere the first where the subject can)"},
    {.name = "answer-tokens", .type = PARAM_INT, .least = 1, .most = 65536, .fallback = "32", .value = "N",
     .help = "longest written answer"},
    {.name = "thinking-tokens", .type = PARAM_INT, .least = 1, .most = 65536, .fallback = "256", .value = "N",
     .help = "longest thought before the answer"},
    {.name = "data", .type = PARAM_STRING, .value = "FOLDER",
     .help = "where public data sets lie, each in a folder of its name (else ASSAY_DATA, else what `assay pull data:NAME` brought)"},
    {.name = "wording", .type = PARAM_CHOICE, .choices = wordings, .fallback = "trained",
     .help = "the town: whether requests are worded as in planting"},
    {.name = "dose", .type = PARAM_CHOICE, .choices = doses, .fallback = "bias",
     .help = "the town: which dose routers and the subject oracle:DOSE stand for: bias, or, where all are biased, its correction "
             "on request (calibration)"},
    {.name = "decoy", .type = PARAM_CHOICE, .choices = decoys, .fallback = "none",
     .help = "the town: what the subject oracle:0 says in place of the truth (calibration)"},
};

static const study_role roles[] = {
    {.name = "subject", .help = "the model under study", .needs = SUBJECT_GENERATES},
};

const char *const moral_condition_names[CONDITION_COUNT] = {
#define X(name, word, what) word,
    MORAL_CONDITIONS(X)
#undef X
};
const char *const moral_part_names[PART_COUNT] = {"town", "trades", "bbq", "winogender", "admissions"};

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
    return data->conditions[condition] && (condition != CONDITION_MATCH || part == PART_WINOGENDER) && (condition != CONDITION_COT || part != PART_TRADES) &&
           (condition != CONDITION_USE || part != PART_ADMISSIONS);
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

status moral_identify(study_run *run, moral_data *data, const char *name, slice content, error *err)
{
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    sha256_of(content.text, content.length, digest);
    sha256_hex(digest, hex);
    data->identity = arena_printf(run->arena, "%s %s %s", data->identity ? data->identity : "", name, hex);
    return data->identity ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory");
}

static status read_parts(const param_values *p, bool parts[PART_COUNT], error *err)
{
    if (strcmp(param_string(p, "parts"), "auto") != 0)
        return read_list(p, "parts", moral_part_names, PART_COUNT, parts, err);
    const char *folder = getenv("ASSAY_DATA");
    bool data = param_string(p, "data") || (folder && *folder);
    for (int part = 0; part < PART_COUNT; part++)
        parts[part] = data ? part >= PART_BBQ : part == PART_TOWN;
    return STATUS_OK;
}

/* What decides the items beside the parameters: the parts, where they follow from the surroundings, and the files. */
static status identify(study_run *run, const moral_data *data, const bool parts[PART_COUNT], error *err)
{
    strbuf b = strbuf_new(run->arena, 1 << 16);
    for (int part = 0; part < PART_COUNT; part++)
        if (parts[part])
            strbuf_printf(&b, "%s ", moral_part_names[part]);
    strbuf_add(&b, data->identity ? data->identity : "");
    run->identity = b.text;
    return b.failed ? error_set(err, STATUS_MEMORY, "out of memory") : STATUS_OK;
}

static status prepare(study_run *run, error *err)
{
    static status (*const makers[PART_COUNT])(study_run *, moral_data *, size_t, error *) = {moral_town, moral_trades, moral_bbq, moral_winogender, moral_admissions};
    const param_values *p = run->params;
    moral_data *data = ARENA_NEW(run->arena, moral_data);
    bool parts[PART_COUNT] = {false};
    if (!data)
        return error_set(err, STATUS_MEMORY, "out of memory");
    TRY(read_parts(p, parts, err));
    TRY(read_list(p, "conditions", moral_condition_names, CONDITION_COUNT, data->conditions, err));
    if (!data->conditions[CONDITION_Q])
        return error_set(err, STATUS_USAGE, "--conditions: q is what the others are compared with, and must be among them");
    data->thinking_tokens = (int)param_int(p, "thinking-tokens");
    data->answer_tokens = (int)param_int(p, "answer-tokens");
    data->way = (moral_way)param_choice(p, "ask");
    data->held_out = param_choice(p, "wording") == 1;
    data->dose = (moral_dose)param_choice(p, "dose");
    data->decoy = param_choice(p, "decoy") - 1;
    for (int part = 0; part < PART_COUNT; part++)
        if (parts[part])
            TRY(makers[part](run, data, (size_t)param_int(p, "items"), err));
    run->data = data;
    run->sample_count = data->count;
    return identify(run, data, parts, err);
}

/* The smallest effect that the largest of the parts shows: of the request on shares, of occupations, or between applicants. */
static double detectable(const size_t ambiguous, const size_t counts[PART_COUNT], const char **what)
{
    double n = (double)(counts[PART_WINOGENDER] > 3 ? counts[PART_WINOGENDER] : counts[PART_ADMISSIONS]), z = normal_quantile(.975) + normal_quantile(.8);
    if (ambiguous > 0) {
        *what = "difference that the request makes to the share of stereotyped answers where 20 % of them change";
        return detectable_paired((double)ambiguous, .2, .05, .8);
    }
    if (counts[PART_WINOGENDER] > 3 || counts[PART_TRADES] > 3) { /* clusters: one an occupation, 40 trades */
        *what = "correlation with the share of women";
        return tanh(z / sqrt(fmin(fmax(n, (double)counts[PART_TRADES]), TOWN_TRADES_USED) - 3));
    }
    *what = "difference of p(yes) between applicants where single differences deviate by .1";
    return n > 0 ? .1 * z / sqrt(n) : NAN;
}

static status plan(const study_run *run, study_plan *plan, error *err)
{
    (void)err;
    const moral_data *data = run->data;
    uint64_t scores = 0, thoughts = 0;
    size_t ambiguous = 0, counts[PART_COUNT] = {0};
    for (size_t i = 0; i < data->count; i++) {
        const moral_item *item = &data->items[i];
        ambiguous += MORAL_COUNTED(item->part) && item->ambiguous;
        counts[item->part]++;
        for (int c = 0; c < CONDITION_COUNT; c++) {
            scores += moral_asked(data, item->part, (moral_condition)c) ? item->question_count : 0;
            thoughts += c == CONDITION_COT && data->conditions[c] ? item->question_count : 0;
        }
    }
    *plan = (study_plan){.requests = scores + thoughts,
                         .prompt_tokens = 120 * scores + (120 + (uint64_t)data->thinking_tokens) * thoughts,
                         .completion_tokens = (data->way == WAY_SCORES ? 1 : (uint64_t)data->answer_tokens) * scores +
                                              (uint64_t)data->thinking_tokens * thoughts};
    plan->detectable = detectable(ambiguous, counts, &plan->detectable_what);
    return STATUS_OK;
}

const study moral_self_correction_study = {
    .name = "moral-self-correction",
    .title = "Moral self-correction: does asking for fairness make answers fair?",
    .paper = "Ganguli et al., The Capacity for Moral Self-Correction in Large Language Models, arXiv 2302.07459",
    .about = "Asks questions whose answers may follow stereotypes (the town's own, or BBQ), sentences whose pronoun may follow an occupation (Winogender) and "
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
