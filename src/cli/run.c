/* assay run STUDY -m SUBJECT: puts a model through a study. */
#include "cli/run_parts.h"

#include "core/file.h"
#include "core/jsonio.h"

#include <math.h>
#include <unistd.h>

static const command_argument arguments[] = {
    {.name = "STUDY", .help = "a study; `assay list studies` names them; or the path of a plug-in: ./study.py, plugin:PATH; or suite:NAME", .word = WORD_STUDY},
};

static const param_spec options[] = {
    {.name = "model", .letter = 'm', .type = PARAM_STRING, .repeats = true, .value = "SUBJECT",
     .help = "who answers: base, a checkpoint folder or GGUF file, http://HOST[:PORT]/v1#MODEL, openai:MODEL, anthropic:MODEL, "
             "script:FILE.yaml, router:SHARE:A:B, oracle:DOSE, plugin:PATH[,SUBJECT]; several in turn: more than one -m, series:DIR, or family:NAME@AXIS=*"},
    {.name = "role", .letter = 'r', .type = PARAM_STRING, .repeats = true, .value = "ROLE=SUBJECT",
     .help = "who fills another role of the study, such as judge"},
    OPTION_SEED,
    OPTION_STORE,
    {.name = "dry-run", .type = PARAM_FLAG, .help = "print what the run would take, ask nothing"},
    {.name = "in-flight", .type = PARAM_INT, .least = 0, .most = 1024, .fallback = "0", .value = "N",
     .help = "samples at once; 0: what suits the subject; never changes a result"},
    OPTIONS_LIMITS,
    {.name = "families", .type = PARAM_STRING, .value = "FILE",
     .help = "families of checkpoints (else ASSAY_FAMILIES, else assay/families.yaml in the user's configuration folder)"},
    {.name = "html", .type = PARAM_STRING, .value = "FILE", .help = "write the report as one HTML page too"},
    {.name = "no-cache", .type = PARAM_FLAG, .help = "ask again what the store has an answer to"},
    OPTION_ROLE_KEYS,
    {.name = "timeout", .type = PARAM_NUMBER, .least = 0.1, .most = 86400, .fallback = "120", .value = "SECONDS",
     .help = "of one request to an API, and of a plug-in's silence"},
    {.name = "retries", .type = PARAM_INT, .least = 0, .most = 100, .fallback = "6", .value = "N",
     .help = "of one request to an API"},
    OPTIONS_PROMPT,
    OPTION_THREADS,
    OPTION_QUIET,
    OPTION_JSON,
};

void run_say_plan(strbuf *out, const study_run *run, const study_plan *plan)
{
    strbuf_printf(out, "%s on %s: %zu samples", run->study->name, run->subject_name, run->sample_count);
    if (plan->requests)
        strbuf_printf(out, ", at most %llu requests", (unsigned long long)plan->requests);
    if (plan->prompt_tokens)
        strbuf_printf(out, ", about %llu tokens in and %llu out at most", (unsigned long long)plan->prompt_tokens,
                      (unsigned long long)plan->completion_tokens);
    else if (plan->completion_tokens)
        strbuf_printf(out, ", about %llu tokens out at most (how many go in is not known)", (unsigned long long)plan->completion_tokens);
    if (isfinite(plan->dollars))
        strbuf_printf(out, ", $%.4g at most for the subject", plan->dollars);
    else if (plan->unpriced)
        strbuf_printf(out, ", at a price that nobody knows (%s; --prices)", plan->unpriced);
    if (isfinite(plan->seconds))
        strbuf_printf(out, ", %.3g %s at most on this machine", plan->seconds < 120 ? fmax(plan->seconds, .1) : plan->seconds / 60,
                      plan->seconds < 120 ? "s" : "min");
    strbuf_add_char(out, '\n');
    if (isfinite(plan->detectable))
        strbuf_printf(out, "smallest effect found with power .80: %.3g%s%s\n", plan->detectable,
                      plan->detectable_what ? ", " : "", plan->detectable_what ? plan->detectable_what : "");
}

static void on_plan(void *context, const study_run *run, const study_plan *plan)
{
    watcher *w = context;
    strbuf text = strbuf_new(w->call->arena, 1 << 16);
    w->planned.requests += plan->requests;
    w->planned.prompt_tokens += plan->prompt_tokens;
    w->planned.completion_tokens += plan->completion_tokens;
    w->planned.dollars += isfinite(plan->dollars) ? plan->dollars : 0;
    w->planned.seconds += isfinite(plan->seconds) ? plan->seconds : 0;
    w->runs++;
    run_say_plan(&text, run, plan);
    if (!param_flag(w->call->options, "quiet") && text.text)
        fputs(text.text, stderr);
}

static void on_note(void *context, const char *note)
{
    const watcher *w = context;
    if (!param_flag(w->call->options, "quiet"))
        fprintf(stderr, "note: %s\n", note);
}

static void on_begin(void *context, int64_t id, bool resumed, uint64_t done, uint64_t total)
{
    watcher *w = context;
    if (param_flag(w->call->options, "quiet"))
        return;
    if (resumed)
        fprintf(stderr, "run %lld goes on: %llu of %llu samples are there\n", (long long)id, (unsigned long long)done,
                (unsigned long long)total);
    else
        fprintf(stderr, "run %lld\n", (long long)id);
    w->progress = progress_new(w->study ? w->study : w->call->study->name, total, cli_progress_mode(w->call));
}

static void on_progress(void *context, const run_progress *p)
{
    watcher *w = context;
    char cached[48] = "", retries[48] = "", failed[48] = "";
    if (p->cached)
        snprintf(cached, sizeof cached, "  %llu from the cache", (unsigned long long)p->cached);
    if (p->retries)
        snprintf(retries, sizeof retries, "  %llu retries", (unsigned long long)p->retries);
    if (p->failed)
        snprintf(failed, sizeof failed, "  %llu failed", (unsigned long long)p->failed);
    progress_update(w->progress, p->done, "%llu tokens%s%s%s", (unsigned long long)p->tokens, cached, retries, failed);
}

/* "judge=SUBJECT" */
static status read_role(command_call *call, const char *text, run_role *out, error *err)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1])
        return error_set(err, STATUS_USAGE, "--role: expected ROLE=SUBJECT, found \"%s\"", text);
    *out = (run_role){.name = arena_strndup(call->arena, text, (size_t)(equals - text)), .specification = equals + 1};
    return out->name ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory");
}

static status read_roles(command_call *call, run_role *roles, size_t *count, error *err)
{
    const param_values *o = call->options;
    *count = 0;
    if (!call->suite && call->study->role_count == 0) {
        if (!param_string(o, "model") && param_count(o, "role") == 0)
            return STATUS_OK;
        return error_set(err, STATUS_USAGE, "the study %s asks nobody: it takes neither -m nor --role", call->study->name);
    }
    if (param_string(o, "model"))
        roles[(*count)++] = (run_role){.name = "subject", .specification = param_string(o, "model")};
    for (size_t i = 0; i < param_count(o, "role"); i++) {
        if (*count == RUN_MOST_ROLES)
            return error_set(err, STATUS_USAGE, "at most %d roles can be filled", RUN_MOST_ROLES);
        TRY(read_role(call, param_item(o, "role", i), &roles[(*count)++], err));
    }
    if (*count == 0) {
        error_set(err, STATUS_USAGE, "nobody to put through the study");
        error_hint(err, "name a subject with -m: base, a checkpoint folder or GGUF file, or http://HOST[:PORT]/v1#MODEL");
        return STATUS_USAGE;
    }
    return STATUS_OK;
}

static run_request request_of(command_call *call, const run_role *roles, size_t role_count, watcher *w)
{
    const param_values *o = call->options;
    int retries = (int)param_int(o, "retries");
    return (run_request){
        .study = call->study,
        .params = call->study_params,
        .seed = (uint64_t)param_int(o, "seed"),
        .roles = roles,
        .role_count = role_count,
        .subjects = {.threads = (size_t)param_int(o, "threads"),
                     .timeout_seconds = param_number(o, "timeout"),
                     .in_flight = (size_t)param_int(o, "in-flight"),
                     .retries = retries ? retries : -1},
        .in_flight = (size_t)param_int(o, "in-flight"),
        .no_cache = param_flag(o, "no-cache"),
        .dry_run = param_flag(o, "dry-run"),
        .interrupt = cli_interrupt_flag(),
        .on_plan = on_plan,
        .on_note = on_note,
        .on_begin = on_begin,
        .on_progress = on_progress,
        .context = w,
    };
}

void run_note_effort(const run_outcome *r)
{
    const run_effort *e = &r->effort;
    double all = e->generating + e->waiting + e->retrying + e->judging + e->other;
    fprintf(stderr, "run %lld: %llu samples in %.1f s; %llu requests, %llu of them from the cache, %llu retries, %llu tokens",
            (long long)r->id, (unsigned long long)(r->done + r->failed), e->wall, (unsigned long long)e->requests,
            (unsigned long long)e->cached, (unsigned long long)e->retries,
            (unsigned long long)(e->prompt_tokens + e->completion_tokens));
    if (e->dollars > 0)
        fprintf(stderr, ", $%.6g", e->dollars);
    if (e->unpriced)
        fprintf(stderr, ", %llu requests whose price nobody knows", (unsigned long long)e->unpriced);
    if (e->probes)
        fprintf(stderr, "; %llu requests to look at the API", (unsigned long long)e->probes);
    if (e->lost_tokens)
        fprintf(stderr, "; attempts without an answer may have taken up to %llu tokens more", (unsigned long long)e->lost_tokens);
    fputc('\n', stderr);
    if (all > 0)
        fprintf(stderr, "time of the samples: generating %.0f %%, waiting %.0f %%, retrying %.0f %%, judging %.0f %%, else %.0f %%\n",
                100 * e->generating / all, 100 * e->waiting / all, 100 * e->retrying / all, 100 * e->judging / all,
                100 * e->other / all);
}

static status print_outcome(command_call *call, const run_outcome *r, error *err)
{
    if (!param_flag(call->options, "quiet"))
        run_note_effort(r);
    if (r->failed)
        fprintf(stderr, "assay run: %llu of %llu samples failed; the first: %s\nThe same command asks them again.\n",
                (unsigned long long)r->failed, (unsigned long long)(r->done + r->failed), r->first_problem);
    if (!param_flag(call->options, "json") && r->figures) {
        report_print_figures(r->figures, cli_colours(), &call->out);
        return STATUS_OK;
    }
    TRY(jsonio_print(r->json, 2, &call->out, err));
    strbuf_add_char(&call->out, '\n');
    return STATUS_OK;
}

/* The page of these runs; `whole`: of a suite, or NULL. */
status run_write_page(command_call *call, store *s, const int64_t *ids, size_t count, const json_t *whole, error *err)
{
    const char *path = param_string(call->options, "html"), *made = cli_today(call->arena);
    json_t *runs = json_array(), *document = NULL, *one;
    if (!path) {
        json_decref(runs);
        return STATUS_OK;
    }
    status result = runs && made ? store_flush(s, err) : error_set(err, STATUS_MEMORY, "out of memory");
    for (size_t i = 0; i < count && result == STATUS_OK; i++)
        if ((result = report_load_run(s, ids[i], REPORT_LOAD_CHOSEN, &one, err)) == STATUS_OK)
            json_array_append_new(runs, one);
    if (result == STATUS_OK)
        result = whole ? report_suite(runs, whole, made, &document, err) : report_document(runs, NULL, made, &document, err);
    if (result == STATUS_OK)
        result = report_html(document, path, err);
    json_decref(document);
    json_decref(runs);
    return result;
}

/* A run that never began leaves no store behind that was not there. */
static void remove_unused_store(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char name[4096];
    for (size_t i = 0; i < COUNT_OF(ends); i++)
        if (snprintf(name, sizeof name, "%s%s", path, ends[i]) < (int)sizeof name)
            unlink(name);
}

/* ---- several subjects ------------------------------------------------------------------------------------------- */

static void on_member(void *context, const family *f, size_t member)
{
    const watcher *w = context;
    if (!param_flag(w->call->options, "quiet"))
        fprintf(stderr, "member %zu of %zu\n", member + 1, f->count);
}

static void on_done(void *context, const run_outcome *outcome, status result)
{
    watcher *w = context;
    progress_free(w->progress);
    w->progress = NULL;
    if (result != STATUS_OK || outcome->id == 0)
        return;
    if (!param_flag(w->call->options, "quiet"))
        run_note_effort(outcome);
    if (outcome->failed)
        fprintf(stderr, "assay run: %llu samples of run %lld failed; the first: %s\n", (unsigned long long)outcome->failed,
                (long long)outcome->id, outcome->first_problem);
}

static bool names_several(const command_call *call)
{
    const char *first = param_string(call->options, "model");
    return param_count(call->options, "model") > 1 || (first && (family_named(first) || series_named(first)));
}

status run_read_subjects(command_call *call, family **out, error *err)
{
    const param_values *o = call->options;
    size_t count = param_count(o, "model");
    const char **names = ARENA_ARRAY(call->arena, const char *, count + 1);
    *out = ARENA_NEW(call->arena, family);
    if (!names || !*out)
        return error_set(err, STATUS_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++)
        names[i] = param_item(o, "model", i);
    return family_of_specifications(call->arena, names, count, cli_user_file(call, "families", "ASSAY_FAMILIES", "families.yaml"), *out, err);
}

static status run_many(command_call *call, run_request *request, run_role *roles, bool *begun, error *err)
{
    const param_values *o = call->options;
    const several_hooks hooks = {.on_member = on_member, .on_done = on_done, .context = request->context};
    family *f;
    several_outcome outcome;
    TRY(run_read_subjects(call, &f, err));
    status result = run_several(call->arena, f, request, roles, &hooks, &outcome, err);
    *begun = outcome.begun;
    if (result != STATUS_OK || request->dry_run)
        return result;
    TRY(run_write_page(call, request->store, outcome.ids, f->count, NULL, err));
    if (param_flag(o, "json")) {
        result = jsonio_print(outcome.json, 2, &call->out, err);
        strbuf_add_char(&call->out, '\n');
    } else {
        report_print_figures(outcome.figures, cli_colours(), &call->out);
    }
    several_clear(&outcome);
    return result;
}

/* ---- the verb --------------------------------------------------------------------------------------------------- */

static status run_one(command_call *call, const run_request *request, bool *begun, error *err)
{
    watcher *w = request->context;
    run_outcome outcome = {0};
    status result = run_study(call->arena, request, &outcome, err);
    progress_free(w->progress);
    *begun = outcome.id != 0;
    if (result == STATUS_OK && !request->dry_run)
        result = run_write_page(call, request->store, &outcome.id, 1, NULL, err);
    if (result == STATUS_OK && !request->dry_run)
        result = print_outcome(call, &outcome, err);
    run_outcome_clear(&outcome);
    return result;
}

static status run(command_call *call, error *err)
{
    run_role roles[RUN_MOST_ROLES];
    size_t role_count;
    watcher w = {.call = call};
    const char *path = param_string(call->options, "store");
    bool existed = file_exists(path), begun = false;
    TRY(read_roles(call, roles, &role_count, err));
    run_request request = request_of(call, roles, role_count, &w);
    TRY(cli_prompt_options(call, &request.subjects, err));
    TRY(cli_limits(call, &request, err));
    TRY(cli_role_keys(call, &request, err));
    if (!request.dry_run)
        TRY(store_open(path, STORE_WRITE, &request.store, err));
    status result = call->suite        ? run_suite(call, &request, roles, role_count, &begun, err)
                    : names_several(call) ? run_many(call, &request, roles, &begun, err)
                                          : run_one(call, &request, &begun, err);
    status closed = store_close(request.store, result == STATUS_OK ? err : NULL);
    if (result != STATUS_OK && !begun && !existed)
        remove_unused_store(path);
    return result == STATUS_OK ? closed : result;
}

const command command_run = {
    .name = "run",
    .summary = "put a model through a study",
    .about = "Asks the subject the items of a study, several at a time, and prints figures with their intervals. Every "
             "finished sample is kept in the store: after Ctrl-C, a crash or a power cut the same command goes on, asks "
             "nothing twice, and ends with the same figures.\n\n"
             "The parameters of the study are options too: `assay run STUDY --help` lists them.\n\n"
             "A study may be a program of yours in any language (`assay run ./study.py -m base`): `assay new study` writes a "
             "start, and docs/plugins.md is the manual. Those in the folders of ASSAY_PLUGINS go by their names.\n\n"
             "Several subjects (`-m A -m B`), a series of sizes that was grown here (`-m series:DIR`) and a family of checkpoints "
             "(`-m 'family:pythia@stage=*'`) are put through the study one by one, each in a run of its own, all under the "
             "limits of the command, and printed as one table with their curve. Where sizes are known, each figure is classed by what becomes of it with "
             "size: standard, inverse, U-shaped, inverted-U, flat or unclear.\n\n"
             "A suite is several studies in one command and one report (`assay list suites`; suite:./FILE.yaml is one of your own). What "
             "its studies claim of the subjects is tested together. --only and --set choose parts and change their parameters.",
    .examples = "  assay run sycophancy -m base\n"
                "  assay run sycophancy -m out/s50 --seed 3 --store runs.db --json\n"
                "  assay run sycophancy -m http://localhost:8000/v1#my-model --dry-run\n"
                "  assay run sycophancy -m http://localhost:8000/v1#my-model --role judge=http://localhost:8001/v1#judge\n"
                "  assay run sycophancy -m anthropic:MODEL --max-cost 5 --prices prices.yaml\n"
                "  assay run sycophancy -m base -m out/s50 -m openai:MODEL\n"
                "  assay run inverse-scaling -m series:out/ladder\n"
                "  assay run suite:behaviours -m base -m out/s50 --html report.html\n"
                "  assay run ./study.py -m base --items 100\n"
                "  assay run sycophancy -m 'family:pythia@size=70m,stage=*' --families data/families.yaml\n",
    COMMAND_ARGUMENTS(arguments),
    COMMAND_OPTIONS(options),
    .of_study = true,
    .run = run,
};
