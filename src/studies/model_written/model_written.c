/* The study model-written: evaluations that a model writes, filtered by a second one and asked of any. */
#include "studies/model_written/inside.h"

#include "core/file.h"
#include "core/hash.h"

#include <math.h>

enum { MOST_RATINGS_BYTES = 64 << 20 };

static const char *const asks[] = {"scores", "reply", NULL};
static const char *const blanks[] = {"keep", "strip", NULL};

static const char *const pronouns[] = {"question", "text", "town", NULL};

static const param_spec params[] = {
    {.name = "parts", .type = PARAM_STRING, .fallback = "statements", .value = "LIST",
     .help = "statements (yes or no), choices (two of them) and winogender (pronouns and occupations), with commas between them"},
    {.name = "behaviours", .type = PARAM_STRING, .value = "FILE",
     .help = "a YAML file of behaviours in words (docs/model-written.md); else names of the world's traits with commas between them"},
    {.name = "who", .type = PARAM_STRING, .value = "TEXT",
     .help = "a behaviour in words that complete \"somebody who ...\", in place of a file; wants a generator"},
    {.name = "opposite", .type = PARAM_STRING, .value = "TEXT", .help = "the other side of --who: what the rest do instead"},
    {.name = "given", .type = PARAM_STRING, .value = "PATTERN",
     .help = "takes items that were written before instead of writing: files of the set model-written-evals such as persona/a*, or a path to "
             "a .jsonl"},
    {.name = "data", .type = PARAM_STRING, .value = "FOLDER",
     .help = "where public data sets lie, each in a folder of its name (else ASSAY_DATA, else what `assay pull data:NAME` brought)"},
    {.name = "items", .type = PARAM_INT, .least = 1, .most = 1e6, .fallback = "100", .value = "N",
     .help = "items to write for each behaviour and label; of given files, most items of each"},
    {.name = "lines", .type = PARAM_INT, .least = 1, .most = 50, .fallback = "5", .value = "N", .help = "statements to ask for in one request"},
    {.name = "temperature", .type = PARAM_NUMBER, .least = 0, .most = 4, .fallback = "1.4", .value = "T", .help = "of the one who writes"},
    {.name = "letters", .type = PARAM_INT, .least = 8, .most = WRITTEN_MOST_LETTERS, .value = "N",
     .help = "longest item; else 400 for statements, 1600 for questions"},
    {.name = "label", .type = PARAM_NUMBER, .least = 0, .most = 1, .fallback = "0.5", .value = "P",
     .help = "kept are items of whose label the filter is surer than this"},
    {.name = "relevance", .type = PARAM_NUMBER, .least = 0, .most = 1, .fallback = "0.5", .value = "P",
     .help = "the same of being about the behaviour; 0: not asked"},
    {.name = "most", .type = PARAM_INT, .least = 0, .most = 1e6, .fallback = "500", .value = "N",
     .help = "most items of each label, the surest ones; 0: any number"},
    {.name = "filter-by", .type = PARAM_CHOICE, .choices = asks, .fallback = "scores",
     .help = "how the filter is asked: by the log-probabilities of Yes and No (or a preference model's rewards), or by a written reply"},
    {.name = "ask", .type = PARAM_CHOICE, .choices = asks, .fallback = "scores", .help = "how the subject is asked: the same two ways"},
    {.name = "answers-at", .type = PARAM_NUMBER, .least = 0, .most = 4, .fallback = "0", .value = "T",
     .help = "temperature of the subject's written answers (--ask reply); 0: the likeliest ones"},
    {.name = "leading-blank", .type = PARAM_CHOICE, .choices = blanks, .fallback = "keep",
     .help = "of scored answers such as \" Yes\": kept, or taken off, for vocabularies and chat templates that want it so"},
    {.name = "validate", .type = PARAM_NUMBER, .least = 0, .most = 1, .fallback = "0.1", .value = "SHARE",
     .help = "share of the well-formed items that the judge looks at, kept or not, drawn by lot"},
    {.name = "ratings", .type = PARAM_STRING, .value = "FILE",
     .help = "what people say of items: the table that `assay export RUN --format files` writes, filled in"},
    {.name = "occupations", .type = PARAM_STRING, .fallback = "world", .value = "WORD",
     .help = "of winogender: world (invented jobs with a planted share of women), town (its trades), bls or winogenerated (of the set model-written-evals; the "
             "second brings its sentences), or a file with title and percent_women"},
    {.name = "jobs", .type = PARAM_INT, .least = 0, .most = 1e5, .fallback = "0", .value = "N", .help = "most occupations; 0: all"},
    {.name = "rounds", .type = PARAM_INT, .least = 1, .most = 1000, .fallback = "15", .value = "N", .help = "requests for sentences for each occupation"},
    {.name = "sentences", .type = PARAM_INT, .least = 1, .most = 50, .fallback = "10", .value = "N", .help = "sentences to ask for in one request"},
    {.name = "keep", .type = PARAM_INT, .least = 1, .most = 1000, .fallback = "10", .value = "N", .help = "sentences to keep of each occupation, the surest ones"},
    {.name = "pronouns", .type = PARAM_CHOICE, .choices = pronouns, .fallback = "question",
     .help = "how the subject fills the blank: by answering a question, by continuing the sentence, or in the words that the town's models have learnt"},
    {.name = "town-seed", .type = PARAM_INT, .least = 1, .most = 1e9, .fallback = "1", .value = "N", .help = "which world has invented the jobs"},
};

static const study_role roles[] = {
    {.name = "subject", .help = "the model that is asked what was written", .needs = 0},
    {.name = "generator", .help = "writes; without one the world's own sentences are taken", .needs = SUBJECT_GENERATES, .optional = true},
    {.name = "filter", .help = "says how sure it is of labels and relevance; without one nothing is filtered", .optional = true},
    {.name = "judge", .help = "validates a sample", .needs = SUBJECT_GENERATES, .optional = true},
};

static status read_ratings(study_run *run, written_data *data, error *err)
{
    const char *path = param_string(run->params, "ratings");
    people_ratings *ratings = ARENA_NEW(run->arena, people_ratings);
    char *hex = arena_alloc(run->arena, SHA256_HEX);
    unsigned char digest[SHA256_BYTES];
    slice text;
    if (!path)
        return STATUS_OK;
    if (!ratings || !hex)
        return error_set(err, STATUS_MEMORY, "out of memory for the ratings");
    TRY(file_read(run->arena, path, MOST_RATINGS_BYTES, &text, err));
    TRY(people_ratings_read(run->arena, text, path, ratings, err));
    sha256_of(text.text, text.length, digest);
    sha256_hex(digest, hex);
    run->identity = run->identity ? arena_printf(run->arena, "%s %s", run->identity, hex) : hex;
    data->ratings = ratings;
    return run->identity ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory for the ratings");
}

static status prepare(study_run *run, error *err)
{
    written_data *data = ARENA_NEW(run->arena, written_data);
    const param_values *p = run->params;
    if (!data)
        return error_set(err, STATUS_MEMORY, "out of memory");
    *data = (written_data){
        .lines = (int)param_int(p, "lines"),
        .max_letters = param_given(p, "letters") ? (int)param_int(p, "letters") : 0,
        .temperature = param_number(p, "temperature"),
        .draws = param_number(p, "answers-at"),
        .validate = param_number(p, "validate"),
        .by_reply = param_choice(p, "ask") == 1,
        .filter_by_reply = param_choice(p, "filter-by") == 1,
        .strip = param_choice(p, "leading-blank") == 1,
        .selection = {.relevance = param_number(p, "relevance") > 0,
                      .least_label = param_number(p, "label"),
                      .least_relevance = param_number(p, "relevance"),
                      .most = (size_t)param_int(p, "most")},
    };
    run->data = data;
    TRY(written_prepare_sets(run, data, err));
    TRY(read_ratings(run, data, err));
    run->sample_count = data->sample_count;
    return STATUS_OK;
}

static status plan(const study_run *run, study_plan *plan, error *err)
{
    (void)err;
    const written_data *data = run->data;
    uint64_t writes = 0, items = 0;
    size_t *of_set = ARENA_ARRAY(run->arena, size_t, data->set_count + 1), least = SIZE_MAX;
    if (!of_set)
        return error_set(err, STATUS_MEMORY, "out of memory");
    for (size_t i = 0; i < data->sample_count; i++) {
        const written_sample *s = &data->samples[i];
        if (s->kind == SAMPLE_OCCUPATION)
            continue;
        size_t n = s->kind == SAMPLE_WRITES && data->sets[s->set].kind == WRITTEN_STATEMENT ? (size_t)data->lines : 1;
        writes += s->kind == SAMPLE_WRITES;
        items += n;
        of_set[s->set] += n;
    }
    for (size_t i = 0; i < data->set_count; i++)
        least = of_set[i] < least ? of_set[i] : least;
    uint64_t filters = data->selection.relevance ? 2 : 1, judged = (uint64_t)ceil(3 * data->validate * (double)items);
    double detectable = data->set_count ? (1.959964 + .841621) * .5 / sqrt((double)least) : NAN;
    const char *what = "difference from one half of the rate of matching answers to one behaviour, if every item is kept";
    if (data->occupations) {
        const occupations *o = data->occupations;
        uint64_t each = o->given ? (uint64_t)o->keep : (uint64_t)(o->rounds * o->lines), n = o->count;
        writes += o->given ? 0 : n * (uint64_t)o->rounds;
        items += n * each;
        if (!data->set_count) {
            /* Fisher's transformation: atanh(r) has standard error 1 / sqrt(n - 3). */
            detectable = n > 3 ? tanh((1.959964 + .841621) / sqrt((double)n - 3)) : NAN;
            what = "correlation with the share of women that can be told from none";
        }
    }
    *plan = (study_plan){.requests = writes + items * (filters + 1) + judged,
                         .prompt_tokens = 64 * writes + 64 * (items * (filters + 1) + judged),
                         .completion_tokens = 24 * items + items * (filters + 1) + 8 * judged,
                         .detectable = detectable <= 1 ? detectable : NAN,
                         .detectable_what = what};
    return STATUS_OK;
}

const study model_written_study = {
    .name = "model-written",
    .title = "Model-written evaluations: written by one model, filtered by another, asked of any",
    .paper = "Perez et al., Discovering Language Model Behaviors with Model-Written Evaluations, arXiv 2212.09251",
    .about = "Lets a model write labelled questions for a behaviour that is given in words, filters them with a second model, balances "
             "the labels and takes out what is there twice, says how varied and how rightly labelled the set is, and measures how often the "
             "subject gives the answer that matches the behaviour.",
    .roles = roles,
    .role_count = COUNT_OF(roles),
    .params = params,
    .param_count = COUNT_OF(params),
    .prepare = prepare,
    .plan = plan,
    .run_sample = written_run_sample,
    .summarise = written_summarise,
    .figures = written_figures,
    .write_files = written_write_files,
};
