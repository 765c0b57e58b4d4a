/* assay run suite:NAME: several studies on several subjects, and one report. */
#include "cli/run_parts.h"

#include "core/jsonio.h"

#include <math.h>

static const param_spec params[] = {
    {.name = "only", .type = PARAM_STRING, .value = "PARTS", .help = "parts of the suite, separated by commas, instead of all"},
    {.name = "set", .type = PARAM_STRING, .repeats = true, .value = "PART.PARAMETER=VALUE", .help = "another value of a part's parameter"},
};

static void add_part(strbuf *out, const suite_part *part)
{
    strbuf_printf(out, "%s", part->name);
    if (strcmp(part->name, part->study) != 0)
        strbuf_printf(out, ", which is %s", part->study);
    for (size_t i = 0; i < part->count; i++)
        strbuf_printf(out, "%s%s %s", i ? ", " : " (", part->names[i], part->values[i]);
    strbuf_add(out, part->count ? ")" : "");
}

status cli_suite_face(arena *a, const suite *s, const study **out, error *err)
{
    study *face = ARENA_NEW(a, study);
    strbuf about = strbuf_new(a, 1 << 18);
    if (s->about)
        strbuf_printf(&about, "%s\n\n", s->about);
    strbuf_add(&about, "Its parts: ");
    for (size_t i = 0; i < s->part_count; i++) {
        strbuf_add(&about, i ? "; " : "");
        add_part(&about, &s->parts[i]);
    }
    strbuf_add(&about, ".");
    if (!face || about.failed)
        return error_set(err, STATUS_MEMORY, "out of memory for a suite");
    *face = (study){.name = s->name, .title = s->title, .about = about.text, .params = params, .param_count = COUNT_OF(params)};
    *out = face;
    return STATUS_OK;
}

/* ---- while it runs ---------------------------------------------------------------------------------------------- */

typedef struct suite_watch {
    watcher *watcher;
    const family *members;
    size_t done, all;
} suite_watch;

static void on_part(void *context, const suite_ready *part, size_t member)
{
    suite_watch *w = context;
    w->watcher->study = part->part->name;
    if (!param_flag(w->watcher->call->options, "quiet"))
        fprintf(stderr, "part %zu of %zu: %s on %s\n", w->done + 1, w->all, part->part->name, w->members->members[member].specification);
}

static void on_done(void *context, const run_outcome *outcome, status result, const error *err)
{
    suite_watch *w = context;
    bool quiet = param_flag(w->watcher->call->options, "quiet");
    progress_free(w->watcher->progress);
    w->watcher->progress = NULL;
    w->done++;
    if (result != STATUS_OK && !quiet)
        fprintf(stderr, "%s: %s\n", w->watcher->study, err->message);
    if (result != STATUS_OK || outcome->id == 0)
        return;
    if (!quiet)
        run_note_effort(outcome);
    if (outcome->failed)
        fprintf(stderr, "assay run: %llu samples of run %lld failed; the first: %s\n", (unsigned long long)outcome->failed,
                (long long)outcome->id, outcome->first_problem);
}

/* ---- what it prints --------------------------------------------------------------------------------------------- */

static json_t *run_json(const json_t *run)
{
    static const char *const kept[] = {"run", "study", "subject", "seed", "parameters", "summary"};
    json_t *out = json_object();
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        json_object_set(out, kept[i], json_object_get(run, kept[i]));
    return out;
}

/* {"suite", "title", "seed", "findings", "claims", "left_out", "runs": [{"run", "study", "subject", "seed", "parameters", "summary"}]} */
static status print_json(command_call *call, const json_t *whole, const json_t *document, const json_t *runs, error *err)
{
    json_t *list = json_array(), *run;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)runs, i, run)
        json_array_append_new(list, run_json(run));
    json_t *all = json_pack("{s:O, s:O, s:I, s:O, s:O, s:O, s:o}", "suite", json_object_get(whole, "suite"), "title", json_object_get(whole, "title"),
                            "seed", (json_int_t)param_int(call->options, "seed"), "findings", json_object_get(document, "findings"), "claims",
                            json_object_get(document, "claims"), "left_out", json_object_get(whole, "left_out"), "runs", list);
    status result = all ? jsonio_print(all, 2, &call->out, err) : error_set(err, STATUS_MEMORY, "out of memory");
    strbuf_add_char(&call->out, '\n');
    json_decref(all);
    return result;
}

static status print(command_call *call, store *s, const json_t *whole, error *err)
{
    const json_t *list = json_object_get(whole, "runs");
    size_t count = json_array_size(list);
    int64_t *ids = ARENA_ARRAY(call->arena, int64_t, count + 1);
    const char *made = cli_today(call->arena);
    json_t *runs = json_array(), *document = NULL, *one;
    status result = ids && made && runs ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory");
    for (size_t i = 0; i < count && result == STATUS_OK; i++) {
        ids[i] = json_integer_value(json_array_get(list, i));
        if ((result = report_load_run(s, ids[i], REPORT_LOAD_SCORES, &one, err)) == STATUS_OK)
            json_array_append_new(runs, one);
    }
    if (result == STATUS_OK)
        result = report_suite(runs, whole, made, &document, err);
    if (result == STATUS_OK)
        result = run_write_page(call, s, ids, count, whole, err);
    if (result == STATUS_OK && param_flag(call->options, "json"))
        result = print_json(call, whole, document, runs, err);
    else if (result == STATUS_OK)
        report_print_suite(document, cli_colours(), &call->out);
    json_decref(document);
    json_decref(runs);
    return result;
}

/* What the whole would take, after what each part would. */
static void print_sum(const watcher *w, const json_t *left_out)
{
    const study_plan *p = &w->planned;
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)(uintptr_t)left_out, i, one)
        fprintf(stderr, "left out: %s on %s: %s\n", json_string_value(json_object_get(one, "part")),
                json_string_value(json_object_get(one, "subject")), json_string_value(json_object_get(one, "reason")));
    fprintf(stderr, "all %zu runs: at most %llu requests, about %llu tokens in and %llu out at most", w->runs, (unsigned long long)p->requests,
            (unsigned long long)p->prompt_tokens, (unsigned long long)p->completion_tokens);
    if (p->dollars > 0)
        fprintf(stderr, ", $%.4g at most for the subjects whose price is known", p->dollars);
    if (p->seconds > 0)
        fprintf(stderr, ", %.3g min at most on this machine for the checkpoints here", p->seconds / 60);
    fputc('\n', stderr);
}

status run_suite(command_call *call, run_request *request, const run_role *roles, size_t role_count, bool *begun, error *err)
{
    const param_values *p = call->study_params;
    suite_watch w = {.watcher = request->context};
    suite_request q = {.suite = call->suite, .run = request, .others = roles + 1, .other_count = role_count - 1, .keys = request->keys,
                       .key_count = request->key_count, .on_part = on_part, .on_done = on_done, .context = &w};
    const char **settings = ARENA_ARRAY(call->arena, const char *, param_count(p, "set") + 1);
    suite_ready *parts;
    suite_outcome outcome;
    if (!settings)
        return error_set(err, STATUS_MEMORY, "out of memory");
    if (param_count(call->options, "model") == 0) {
        error_set(err, STATUS_USAGE, "nobody to put through the suite");
        return error_hint(err, "name subjects with -m");
    }
    for (size_t i = 0; i < param_count(p, "set"); i++)
        settings[i] = param_item(p, "set", i);
    TRY(suite_prepare(call->arena, call->suite, param_string(p, "only"), settings, param_count(p, "set"), &parts, &q.part_count, err));
    TRY(run_read_subjects(call, &q.members, err));
    TRY(family_measure(call->arena, q.members, err));
    q.parts = parts;
    w.members = q.members;
    for (size_t i = 0; i < q.part_count; i++)
        w.all += parts[i].study ? q.members->count : 0;
    status result = suite_run(call->arena, &q, &outcome, err);
    *begun = outcome.begun;
    if (result == STATUS_OK && request->dry_run)
        print_sum(w.watcher, json_object_get(outcome.call, "left_out"));
    else if (result == STATUS_OK)
        result = print(call, request->store, outcome.call, err);
    json_decref(outcome.call);
    return result;
}
