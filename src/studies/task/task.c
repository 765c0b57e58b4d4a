/* The task study: any evaluation that a YAML file can say. */
#include "studies/task/task.h"

#include "core/hash.h"
#include "plugin/scorer.h"
#include "studies/task/library.h"

#include <math.h>

static const char *const asks[] = {"scores", "reply", NULL};
static const char *const forms[] = {"file", "chat", "text", NULL};
static const char *const blanks[] = {"keep", "strip", NULL};

static const param_spec params[] = {
    {.name = "name", .type = PARAM_STRING, .value = "NAMES",
     .help = "which tasks: names and patterns such as mwe/persona/* (separated by commas), or a YAML file; `assay run task:NAMES` sets it"},
    {.name = "items", .type = PARAM_INT, .least = 0, .most = 1e9, .fallback = "0", .value = "N",
     .help = "most items of each task, drawn by the seed; 0: all"},
    {.name = "data", .type = PARAM_STRING, .value = "FOLDER",
     .help = "where public data sets lie, each in a folder of its name (else ASSAY_DATA, else what `assay pull data:NAME` brought)"},
    {.name = "tasks", .type = PARAM_STRING, .value = "PATH",
     .help = "tasks of your own: a YAML file, or a folder of them (else ASSAY_TASKS)"},
    {.name = "ask", .type = PARAM_CHOICE, .choices = asks, .fallback = "scores",
     .help = "how choices are asked: by the log-probabilities of the given answers, or by reading a written reply"},
    {.name = "form", .type = PARAM_CHOICE, .choices = forms, .fallback = "file",
     .help = "what a prompt is: as the task's file says, a message to a chat model, or text to be continued"},
    {.name = "leading-blank", .type = PARAM_CHOICE, .choices = blanks, .fallback = "keep",
     .help = "of choices such as \" Yes\": kept as the file has it, or taken off, for vocabularies that want it so"},
    {.name = "shots", .type = PARAM_INT, .least = 0, .most = 1000, .value = "N",
     .help = "examples before each question, instead of the number in the file"},
    {.name = "answer-tokens", .type = PARAM_INT, .least = 0, .most = 1048576, .fallback = "0", .value = "N",
     .help = "longest written reply; 0: as the file says, else 512"},
    {.name = "temperature", .type = PARAM_NUMBER, .least = 0, .most = 4, .value = "T",
     .help = "sampling temperature of written replies, instead of the file's"},
};

static const study_role roles[] = {
    {.name = "subject", .help = "the model under study", .needs = 0},
    {.name = "judge", .help = "grades replies, where a task has a rubric", .needs = SUBJECT_GENERATES, .optional = true},
};

/* What the items are made of: the YAML files and the data. */
static void add_content(void *context, slice bytes)
{
    uint64_t length = bytes.length;
    sha256_add(context, &length, sizeof length);
    sha256_add(context, bytes.text ? bytes.text : "", bytes.length);
}

/* Tasks without data are an error where they are named, and left out, which the summary says, where a pattern fits them. */
static status check_data(study_run *run, const char *words, task_library *found, const char *const **absent, error *err)
{
    const char **names = ARENA_ARRAY(run->arena, const char *, found->count + 1);
    size_t missing = 0, kept = 0;
    const task *first = NULL;
    if (!names)
        return error_set(err, STATUS_MEMORY, "out of memory");
    for (size_t i = 0; i < found->count; i++)
        if (!found->tasks[i].files) {
            first = first ? first : &found->tasks[i];
            names[missing++] = found->tasks[i].name;
        }
    *absent = names;
    if (missing == 0)
        return STATUS_OK;
    if (missing == found->count || !strpbrk(words, "*?[")) {
        error_set(err, STATUS_NOT_FOUND, "%zu of %zu tasks have no data here; task:%s: %s", missing, found->count, first->name, first->missing);
        return error_hint(err, "`assay list tasks` says which tasks can be asked");
    }
    for (size_t i = 0; i < found->count; i++)
        if (found->tasks[i].files)
            found->tasks[kept++] = found->tasks[i];
    found->count = kept;
    return STATUS_OK;
}

static status check_ask(const study_run *run, const task *t, bool written, error *err)
{
    const task_metric *m = t->spec->metric;
    bool scores = m->asks == ASKS_PAIR || m->asks == ASKS_SEQUENCE || (m->asks == ASKS_CHOICE && !m->share);
    (void)run;
    if (!written || !scores)
        return STATUS_OK;
    error_set(err, STATUS_USAGE, "--ask reply: the metric '%s' of task:%s is made of log-probabilities", m->name, t->name);
    return error_hint(err, "leave --ask away, or choose tasks whose metric is a share");
}

static status make_pool(study_run *run, task_run *data, size_t t, task_make make, error *err)
{
    const task *of = &data->tasks[t];
    const task_data *d = of->spec->shots.data.at ? &of->spec->shots.data : &of->spec->data;
    const char *const *files = of->files, *missing = NULL;
    size_t count = of->file_count;
    make.most = 0;
    if (d != &of->spec->data)
        TRY(task_library_locate(run->arena, d, of->spec->file, param_string(run->params, "data"), &files, &count, &missing, err));
    if (missing)
        return error_set(err, STATUS_NOT_FOUND, "task:%s: its examples: %s", of->name, missing);
    TRY(task_items_make(&make, of, d, files, count, (uint32_t)t, &data->pools[t], err));
    size_t wanted = (size_t)of->spec->shots.count;
    if (data->pools[t].count < wanted + 1) {
        error_set(err, STATUS_INVALID, "task:%s: expected at least %zu items to draw %zu examples from, found %zu", of->name, wanted + 1,
                  wanted, data->pools[t].count);
        return error_hint(err, "ask for fewer with --shots, or name more with shots: {data: ...}");
    }
    return STATUS_OK;
}

/* The scorer of a task, started once for all tasks of a file. Its identity is part of what the items are made of. */
static status open_scorer(study_run *run, task_run *data, size_t t, sha256 *content, error *err)
{
    const task_spec *s = data->tasks[t].spec;
    if (!s->scorer)
        return STATUS_OK;
    for (size_t i = 0; i < t && !data->scorers[t]; i++)
        if (data->tasks[i].spec->file == s->file && data->tasks[i].spec->scorer && strcmp(data->tasks[i].spec->scorer, s->scorer) == 0)
            data->scorers[t] = data->scorers[i];
    if (!data->scorers[t]) {
        const char *word = strncmp(s->scorer, "plugin:", 7) == 0 ? s->scorer + 7 : s->scorer, *slash = strrchr(s->file, '/');
        const char *path = word[0] == '/' || !slash ? word : arena_printf(run->arena, "%.*s/%s", (int)(slash - s->file), s->file, word);
        if (!path)
            return error_set(err, STATUS_MEMORY, "out of memory");
        if (plugin_scorer_open(run->arena, path, run->timeout_seconds, &data->scorers[t], err) != STATUS_OK)
            return error_context(err, "task:%s", data->tasks[t].name);
    }
    add_content(content, slice_of(plugin_scorer_identity(data->scorers[t])));
    return STATUS_OK;
}

static void interrupt(study_run *run)
{
    const task_run *data = run->data;
    for (size_t t = 0; t < data->task_count; t++)
        if (data->scorers[t])
            plugin_scorer_interrupt(data->scorers[t], true);
}

static status make_items(study_run *run, task_run *data, sha256 *content, error *err)
{
    const param_values *p = run->params;
    task_make make = {.arena = run->arena, .seed = run->seed, .most = (size_t)param_int(p, "items"), .form = data->form,
                      .strip = param_choice(p, "leading-blank") == 1, .content = add_content, .context = content};
    for (size_t t = 0; t < data->task_count; t++) {
        const task *one = &data->tasks[t];
        if (param_string(p, "shots")) /* the specs are this run's own */
            ((task_spec *)(uintptr_t)one->spec)->shots.count = param_int(p, "shots");
        TRY(check_ask(run, one, data->written, err));
        add_content(content, one->spec->source);
        TRY(open_scorer(run, data, t, content, err));
        data->first[t] = data->items.count;
        TRY(task_items_make(&make, one, &one->spec->data, one->files, one->file_count, (uint32_t)t, &data->items, err));
        data->left_out[t] = make.left_out;
        if (one->spec->shots.count)
            TRY(make_pool(run, data, t, make, err));
    }
    data->first[data->task_count] = data->items.count;
    data->replaced = make.replaced;
    return STATUS_OK;
}

static status prepare(study_run *run, error *err)
{
    const param_values *p = run->params;
    const char *name = param_string(p, "name");
    task_run *data = ARENA_NEW(run->arena, task_run);
    char *hex = arena_alloc(run->arena, SHA256_HEX);
    task_library found;
    const char *const *absent = NULL;
    if (!data || !hex)
        return error_set(err, STATUS_MEMORY, "out of memory");
    if (!name || !name[0]) {
        error_set(err, STATUS_USAGE, "which task?");
        return error_hint(err, "`assay run task:NAME`; `assay list tasks` names them, and a file of your own is task:./mine.yaml");
    }
    TRY(task_library_find(run->arena, name, param_string(p, "tasks"), param_string(p, "data"), &found, err));
    TRY(check_data(run, name, &found, &absent, err));
    *data = (task_run){.absent = absent, .tasks = found.tasks, .task_count = found.count, .form = param_choice(p, "form"),
                       .written = param_choice(p, "ask") == 1, .answer_tokens = (int)param_int(p, "answer-tokens"),
                       .temperature = param_string(p, "temperature") ? param_number(p, "temperature") : -1};
    data->pools = ARENA_ARRAY(run->arena, task_items, found.count + 1);
    data->first = ARENA_ARRAY(run->arena, size_t, found.count + 1);
    data->left_out = ARENA_ARRAY(run->arena, size_t, found.count + 1);
    data->scorers = ARENA_ARRAY(run->arena, plugin_scorer *, found.count + 1);
    if (!data->scorers || !data->pools || !data->first || !data->left_out)
        return error_set(err, STATUS_MEMORY, "out of memory");
    sha256 content;
    unsigned char digest[SHA256_BYTES];
    sha256_start(&content);
    TRY(make_items(run, data, &content, err));
    sha256_end(&content, digest);
    sha256_hex(digest, hex);
    run->identity = hex;
    run->data = data;
    run->sample_count = data->items.count;
    return STATUS_OK;
}

static uint64_t letters_of(const task_run *data, const task_item *item)
{
    const task_spec *s = data->tasks[item->task].spec;
    size_t texts = task_is_text(s, data->form) ? 1 : s->turn_count;
    uint64_t letters = 0, last = 0;
    for (size_t i = 0; i < texts; i++)
        letters += last = strlen(item->texts[i]);
    letters += last * (uint64_t)s->shots.count; /* the examples are about as long */
    for (int i = 0; i < item->choice_count; i++)
        letters += strlen(item->choices[i]);
    return letters + (item->target ? strlen(item->target) : 0);
}

static status plan(const study_run *run, study_plan *plan, error *err)
{
    (void)err;
    const task_run *data = run->data;
    uint64_t requests = 0, letters = 0, written = 0;
    size_t least = SIZE_MAX;
    bool share = true;
    for (size_t t = 0; t < data->task_count; t++) {
        const task_spec *s = data->tasks[t].spec;
        uint64_t orders = s->shots.count ? (uint64_t)s->shots.orders : 1, tokens = (uint64_t)(data->answer_tokens ? data->answer_tokens : s->max_tokens);
        bool writes = s->metric->asks >= ASKS_REPLY || (data->written && s->metric->asks == ASKS_CHOICE);
        uint64_t each = s->metric->asks == ASKS_PAIR || s->metric->asks == ASKS_GRADE ? 2
                        : s->metric->asks == ASKS_SAMPLES ? (uint64_t)s->samples : 1;
        size_t n = data->first[t + 1] - data->first[t];
        requests += n * each * orders;
        written += writes ? n * each * orders * tokens : 0;
        for (size_t i = data->first[t]; i < data->first[t + 1]; i++)
            letters += letters_of(data, &data->items.items[i]) * each * orders;
        least = n < least ? n : least;
        share = share && s->metric->share;
    }
    /* Two-sided test of one task's rate against .5 at .05 with power .80; no share is farther than that from one half. */
    double detectable = (1.959964 + .841621) * .5 / sqrt((double)least);
    *plan = (study_plan){.requests = requests,
                         .prompt_tokens = letters / 2, /* a word has seldom fewer than two letters a token */
                         .completion_tokens = written,
                         .detectable = share && detectable <= .5 ? detectable : NAN,
                         .detectable_what = "difference of a rate from one half, in the task with the fewest items"};
    return STATUS_OK;
}

const study task_study = {
    .name = "task",
    .title = "Task: evaluations that are declared in YAML files",
    .paper = "as each task says: Perez and others, arXiv 2212.09251; McKenzie and others, arXiv 2306.09479; ...",
    .about = "Asks every row of a data set one question by a template, and measures by log-probabilities of given answers, by "
             "what a written reply says, or by a judge's grade. `assay list tasks` names the tasks; one run may hold hundreds "
             "of them. A task of your own is a YAML file of some 15 lines (docs/tasks.md).",
    .roles = roles,
    .role_count = COUNT_OF(roles),
    .params = params,
    .param_count = COUNT_OF(params),
    .named_by = "name",
    .prepare = prepare,
    .plan = plan,
    .run_sample = task_ask,
    .summarise = task_summarise,
    .figures = task_figures,
    .interrupt = interrupt,
};
