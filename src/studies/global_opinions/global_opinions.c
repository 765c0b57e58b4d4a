/* The study global-opinions: whose answers do a model's resemble? */
#include "studies/global_opinions/opinions.h"

#include "core/file.h"
#include "core/hash.h"
#include "core/random.h"
#include "run/plant.h"
#include "studies/sets.h"

#include <math.h>

enum { CHECKED_LIMIT = 1 << 28 };

static const char *const sources[] = {"auto", "town", "surveys", NULL};
enum { SOURCE_AUTO, SOURCE_TOWN }; /* surveys are what is left */
static const char *const readings[] = {"auto", "logprobs", "draws", NULL};
static const char *const listings[] = {"auto", "yes", "no", NULL};
static const char *const forms[] = {"auto", "letter", "text", NULL};

static const param_spec params[] = {
    {.name = "questions", .type = PARAM_CHOICE, .choices = sources, .fallback = "auto",
     .help = "the survey of the town's ten nations, or real surveys (auto: real ones where --data is given, else the town's)"},
    {.name = "data", .type = PARAM_STRING, .value = "PATH",
     .help = "a file of real surveys, the published CSV or JSON with a line a country, or a folder that holds data sets "
             "(else ASSAY_DATA, else what `assay pull data:global-opinions` brought)"},
    {.name = "items", .type = PARAM_INT, .least = 0, .most = 1e7, .fallback = "0", .value = "N", .help = "most questions; 0: all"},
    {.name = "conditions", .type = PARAM_STRING, .fallback = "default,country", .value = "LIST",
     .help = "default (asked plainly), country (how would someone from there answer?), language (asked in another language)"},
    {.name = "countries", .type = PARAM_STRING, .value = "LIST",
     .help = "whom the condition country names (else China,Russia; in the town whom the subject's recipe tells of, or Norland)"},
    {.name = "languages", .type = PARAM_STRING, .value = "LIST",
     .help = "of the condition language (else Russian,Chinese,Turkish; in the town nations, whose dialects are asked in)"},
    {.name = "translations", .type = PARAM_STRING, .value = "FILE",
     .help = "a table of translations that somebody has checked (`assay export RUN -f files` writes it from a run with a translator): only accepted and "
             "edited ones are asked, and no translator is needed"},
    {.name = "answers", .type = PARAM_CHOICE, .choices = readings, .fallback = "auto",
     .help = "from log-probabilities of the options, from draws, or (auto) from draws only where the subject gives no log-probabilities, or is a "
             "router"},
    {.name = "draws", .type = PARAM_INT, .least = 1, .most = 1e5, .fallback = "100", .value = "N", .help = "draws a question, at temperature 1"},
    {.name = "orders", .type = PARAM_INT, .least = 1, .most = 120, .fallback = "1", .value = "N",
     .help = "orders of the options to average over (1: the given one); 10 take out what letters themselves attract"},
    {.name = "answer-by", .type = PARAM_CHOICE, .choices = forms, .fallback = "auto",
     .help = "by an option's letter or by its text (auto: letters of real surveys, texts in the town)"},
    {.name = "no-stub", .type = PARAM_FLAG,
     .help = "do not begin the answer for the subject (\"If I had to choose one, my answer would be (\"), but ask for the letter alone"},
    {.name = "list-options", .type = PARAM_CHOICE, .choices = listings, .fallback = "auto",
     .help = "whether the town's questions name their options (auto: for HTTP subjects, who never lived there)"},
    {.name = "drop-missing", .type = PARAM_FLAG, .help = "leave out the options that are no answer (don't know, refused, no answer)"},
    {.name = "answer-tokens", .type = PARAM_INT, .least = 1, .most = 65536, .fallback = "24", .value = "N", .help = "longest drawn answer"},
    {.name = "town-seed", .type = PARAM_INT, .least = 1, .most = 1e9, .fallback = "1", .value = "N", .help = "which town"},
};

static const study_role roles[] = {
    {.name = "subject", .help = "the model under study", .needs = SUBJECT_GENERATES},
    {.name = "translator", .help = "translates questions of real surveys, and back (condition language)", .needs = SUBJECT_GENERATES,
     .optional = true},
};

/* ---- conditions ------------------------------------------------------------------------------------------------- */

static size_t find_place(const opinion_data *data, slice name)
{
    for (size_t i = 0; i < data->place_count; i++)
        if (slice_is(name, data->places[i].name))
            return i;
    return SIZE_MAX;
}

static status add_condition(study_run *run, opinion_data *data, opinion_way way, slice what, error *err)
{
    static const char *const names[] = {"default", "country", "language"};
    opinion_condition *c = &data->conditions[data->condition_count];
    if (data->condition_count == OPINION_CONDITIONS)
        return error_set(err, STATUS_USAGE, "at most %d ways to ask can be compared", OPINION_CONDITIONS);
    *c = (opinion_condition){.way = way, .place = SIZE_MAX};
    if (way == WAY_DEFAULT) {
        c->name = names[way];
        data->condition_count++;
        return STATUS_OK;
    }
    const char *option = way == WAY_COUNTRY ? "countries" : "languages";
    slice name = way == WAY_COUNTRY ? place_read(what).name : what;
    if (name.length == 0)
        return error_set(err, STATUS_USAGE, "--%s: a name is empty", option);
    c->what = slice_copy(run->arena, name);
    c->name = c->what ? arena_printf(run->arena, "%s:%s", names[way], c->what) : NULL;
    if (!c->name)
        return error_set(err, STATUS_MEMORY, "out of memory");
    for (size_t i = 0; i < data->condition_count; i++)
        if (strcmp(data->conditions[i].name, c->name) == 0)
            return error_set(err, STATUS_USAGE, "--%s: %s comes twice", option, c->what);
    if (way == WAY_COUNTRY || data->survey)
        c->place = find_place(data, name);
    if (way == WAY_LANGUAGE && !data->survey)
        c->language = place_language(c->what);
    if (c->place == SIZE_MAX && (way == WAY_COUNTRY || data->survey)) {
        error_set(err, STATUS_USAGE, "--%s: nobody from %s has answered any of the questions", option, c->what);
        return data->survey ? error_hint(err, "the nations are Norland, Sudonia, Estmark, Westria, Valdia, Morania, Pelmark, Tarsia, Galdor, "
                                              "Midland")
                            : error_hint(err, "countries are called as in the summary of a run: Russia, South Korea, Britain");
    }
    data->condition_count++;
    return STATUS_OK;
}

/* Nations that the subject's recipe gives this kind of text to, as a list. */
static const char *planted_list(study_run *run, const opinion_data *data, const char *key)
{
    const char *name, *list = NULL;
    json_t *value;
    json_object_foreach(json_object_get(data->planted, key), name, value)
        if (json_number_value(value) > 0)
            list = list ? arena_printf(run->arena, "%s,%s", list, name) : arena_strdup(run->arena, name);
    return list ? list : "Norland";
}

static status add_conditions(study_run *run, opinion_data *data, error *err)
{
    static const char *const words[WAY_COUNT] = {"default", "country", "language"}, *const lists[WAY_COUNT] = {NULL, "countries", "languages"};
    static const char *const usual[WAY_COUNT] = {"", "China,Russia", "Russian,Chinese,Turkish"}, *const keys[WAY_COUNT] = {NULL, "told", "spoken"};
    slice rest = slice_of(param_string(run->params, "conditions")), word;
    bool wanted[WAY_COUNT] = {false};
    while (slice_cut(&rest, ',', &word)) {
        int way = 0;
        word = slice_trim(word);
        while (way < WAY_COUNT && !slice_is(word, words[way]))
            way++;
        if (way == WAY_COUNT)
            return error_set(err, STATUS_USAGE, "--conditions: expected default, country or language, found '" SLICE_FORMAT "'",
                             SLICE_ARGS(word));
        wanted[way] = true;
    }
    if (!wanted[WAY_DEFAULT])
        return error_set(err, STATUS_USAGE, "--conditions: default is what the others are compared with, and must be among them");
    TRY(add_condition(run, data, WAY_DEFAULT, (slice){NULL, 0}, err));
    for (int way = WAY_COUNTRY; way < WAY_COUNT; way++) {
        if (!wanted[way])
            continue;
        const char *given = param_string(run->params, lists[way]);
        slice left = slice_of(given ? given : data->survey ? planted_list(run, data, keys[way]) : usual[way]), part;
        while (slice_cut(&left, ',', &part)) {
            /* Of those that are there by default, a selection of questions may hold none. */
            bool there = given || data->survey || way == WAY_LANGUAGE || find_place(data, slice_trim(part)) != SIZE_MAX;
            if (there)
                TRY(add_condition(run, data, (opinion_way)way, slice_trim(part), err));
        }
    }
    return STATUS_OK;
}

/* ---- what is asked ---------------------------------------------------------------------------------------------- */

/* A file itself, or what a folder holds of this set. */
static const char *find_file(arena *a, const char *path)
{
    static const char *const names[] = {"global_opinions.csv", "data/global_opinions.csv", "eval.json.gz", "eval.json", "data/eval.json"};
    if (path && !file_is_folder(path))
        return path;
    const char *folder = path;
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; folder && i < COUNT_OF(names); i++) {
            const char *file = file_join(a, folder, names[i]);
            if (file && file_exists(file))
                return file;
        }
        folder = study_set_folder(a, path, "global-opinions");
    }
    return NULL;
}

static void free_json(void *value)
{
    json_decref(value);
}

/* At most `most` questions, drawn by the seed, in their own order. */
static void choose(const study_run *run, opinion_data *data, size_t most)
{
    size_t kept = 0;
    if (most == 0 || most >= data->count)
        return;
    random_stream r = random_stream_at(run->seed, "opinions/choice", 0, 0, 0, 0);
    for (size_t i = 0, total = data->count; i < total; i++)
        if (random_below(&r, total - i) < most - kept)
            data->questions[kept++] = data->questions[i];
    data->count = kept;
}

/* Countries without a question go, and the others get their counts. */
static void count_places(opinion_data *data)
{
    size_t kept = 0, numbers[OPINION_PLACES];
    for (size_t p = 0; p < data->place_count; p++)
        data->places[p].questions = 0;
    for (size_t q = 0; q < data->count; q++)
        for (size_t i = 0; i < data->questions[q].answer_count; i++)
            data->places[data->questions[q].answers[i].place].questions++;
    for (size_t p = 0; p < data->place_count; p++) {
        numbers[p] = kept;
        if (data->places[p].questions)
            data->places[kept++] = data->places[p];
    }
    data->place_count = kept;
    for (size_t q = 0; q < data->count; q++)
        for (size_t i = 0; i < data->questions[q].answer_count; i++)
            data->questions[q].answers[i].place = numbers[data->questions[q].answers[i].place];
}

/* The table of checked translations, which is part of what the run is. */
static status read_checked(study_run *run, opinion_data *data, error *err)
{
    const char *path = param_string(run->params, "translations");
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];
    slice text;
    if (!path)
        return STATUS_OK;
    if (data->survey)
        return error_set(err, STATUS_USAGE, "--translations: the town's questions are asked in dialects, which need no translation");
    TRY(file_read(run->arena, path, CHECKED_LIMIT, &text, err));
    TRY(opinions_read_checked(run->arena, text, path, &data->checked, &data->checked_count, err));
    sha256_of(text.text, text.length, digest);
    sha256_hex(digest, hex);
    run->identity = arena_printf(run->arena, "%s %s", run->identity, hex);
    return run->identity ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory");
}

static bool is_http(const char *name)
{
    static const char *const begins[] = {"http", "openai:", "anthropic:"};
    for (size_t i = 0; name && i < COUNT_OF(begins); i++)
        if (strncmp(name, begins[i], strlen(begins[i])) == 0)
            return true;
    return false;
}

static status prepare(study_run *run, error *err)
{
    const param_values *p = run->params;
    opinion_data *data = ARENA_NEW(run->arena, opinion_data);
    if (!data)
        return error_set(err, STATUS_MEMORY, "out of memory");
    const char *path = param_string(p, "data");
    int source = param_choice(p, "questions");
    bool town = source == SOURCE_TOWN || (source == SOURCE_AUTO && !path);
    if (town && path)
        return error_set(err, STATUS_USAGE, "--questions town has no files; leave --data away");
    if (town) {
        TRY(opinions_of_town(run, data, err));
        data->planted = run_plant_of(run->subject_name ? run->subject_name : "");
        if (!arena_on_free(run->arena, free_json, data->planted))
            return error_set(err, STATUS_MEMORY, "out of memory");
    } else {
        const char *file = find_file(run->arena, path);
        if (!file)
            return study_set_missing("global-opinions", err);
        TRY(opinions_of_file(run, data, file, err));
    }
    TRY(read_checked(run, data, err));
    choose(run, data, (size_t)param_int(p, "items"));
    count_places(data);
    int form = param_choice(p, "answer-by"), answers = param_choice(p, "answers");
    data->letters = form == 1 || (form == 0 && !town);
    if (town && data->letters)
        return error_set(err, STATUS_USAGE, "--answer-by letter: the town's survey has no letters");
    data->stub = data->letters && !param_flag(p, "no-stub");
    int listing = param_choice(p, "list-options");
    data->listed = listing == 1 || (listing == 0 && is_http(run->subject_name));
    data->logprobs_only = answers == 1;
    /* A router sends each request to one of its two: only drawn answers are a mix of both. */
    data->draws_only = answers == 2 || (answers == 0 && run->subject_name && strncmp(run->subject_name, "router:", 7) == 0);
    data->draws = (size_t)param_int(p, "draws");
    data->orders = (size_t)param_int(p, "orders");
    data->answer_tokens = (int)param_int(p, "answer-tokens");
    TRY(add_conditions(run, data, err));
    run->data = data;
    run->sample_count = data->count;
    return STATUS_OK;
}

static status plan(const study_run *run, study_plan *plan, error *err)
{
    (void)err;
    const opinion_data *data = run->data;
    uint64_t asked = 0, letters = 0, translations = 0;
    double fewest = (double)data->count;
    for (size_t q = 0; q < data->count; q++) {
        const opinion_question *question = &data->questions[q];
        uint64_t length = 160 + strlen(question->text);
        for (size_t k = 0; k < question->option_count; k++)
            length += strlen(question->options[k]) + 8;
        letters += length;
    }
    bool draws = data->draws_only || (!data->logprobs_only && is_http(run->subject_name));
    uint64_t each = draws ? data->draws : data->orders;
    for (size_t c = 0; c < data->condition_count; c++) {
        asked += data->count * each;
        translations += data->conditions[c].way == WAY_LANGUAGE && !data->survey && !data->checked ? 2 * data->count : 0;
        if (data->conditions[c].way == WAY_COUNTRY)
            fewest = fmin(fewest, (double)data->places[data->conditions[c].place].questions);
    }
    /* Prompts: about a token for two letters, at most. */
    *plan = (study_plan){.requests = asked + translations,
                         .prompt_tokens = letters / 2 * (each * data->condition_count + (data->count ? translations / data->count : 0)),
                         .completion_tokens = asked * (draws ? (uint64_t)data->answer_tokens : 1) + translations * 512,
                         .detectable = fewest > 1 ? (1.959964 + .841621) * .10 / sqrt(fewest) : NAN,
                         .detectable_what = "change of the similarity to the country with the fewest questions among those named, if the "
                                            "changes of single questions scatter by .10"};
    return STATUS_OK;
}

const study global_opinions_study = {
    .name = "global-opinions",
    .title = "Global opinions: whose answers a model gives",
    .paper = "Durmus et al., Towards Measuring the Representation of Subjective Global Opinions in Language Models, arXiv 2306.16388",
    .about = "Asks survey questions without right answers and compares the distribution over the options with how people of each country "
             "answered: asked plainly, asked how someone from a country would answer, and asked in another language.",
    .roles = roles,
    .role_count = COUNT_OF(roles),
    .params = params,
    .param_count = COUNT_OF(params),
    .prepare = prepare,
    .plan = plan,
    .run_sample = opinions_ask,
    .summarise = opinions_summarise,
    .figures = opinions_figures,
    .write_files = opinions_write_files,
};
