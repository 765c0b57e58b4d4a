#include "studies/plugin/plugin_study.h"

#include "core/hash.h"
#include "core/jsonio.h"
#include "core/random.h"
#include "plugin/host.h"
#include "plugin/scorer.h"
#include "subject/question.h"

#include <math.h>

enum { MOST_ITEMS = 1 << 24, IN_FLIGHT = 64, MOST_RECORD = 1 << 24 };

/* `base` comes first: run->study is one of these. */
typedef struct plugin_study {
    study base;
    plugin_host *host;
    const plugin_declaration *declaration;
    study_run *run;             /* that was prepared last; NULL: none is */
    json_t *items;              /* of that run; null members where the plug-in keeps them */
    char items_sha256[SHA256_HEX];
    double letters;             /* of the items; 0 where the plug-in keeps them */
} plugin_study;

static plugin_study *study_of(const study_run *run)
{
    return (plugin_study *)(uintptr_t)run->study;
}

/* ---- items ------------------------------------------------------------------------------------------------------ */

static status gather(const plugin_study *p, const json_t *answers, json_t *items, error *err)
{
    size_t i;
    json_t *answer;
    json_array_foreach((json_t *)(uintptr_t)answers, i, answer) {
        const json_t *list = json_object_get(answer, "items"), *count = json_object_get(answer, "samples");
        size_t n = json_is_integer(count) && json_integer_value(count) > 0 ? (size_t)json_integer_value(count) : json_array_size(list);
        if (n == 0 || n > MOST_ITEMS - json_array_size(items) || (json_is_array(list) && n != json_array_size(list)))
            return error_set(err, STATUS_INVALID, "%s: expected \"items\" (a list) or \"samples\" (a number), at least one and at most %d",
                             p->base.source, MOST_ITEMS);
        for (size_t k = 0; k < n; k++)
            if ((list ? json_array_append(items, json_array_get(list, k)) : json_array_append_new(items, json_null())) != 0)
                return error_set(err, STATUS_MEMORY, "out of memory for the items of %s", p->base.source);
    }
    return STATUS_OK;
}

static status hash_items(const json_t *items, char hex[SHA256_HEX], double *letters, error *err)
{
    *letters = 0;
    sha256 state;
    unsigned char digest[SHA256_BYTES];
    sha256_start(&state);
    for (size_t i = 0; i < json_array_size(items); i++) {
        strbuf text = strbuf_new(NULL, (size_t)1 << 30);
        status result = jsonio_canonical(json_array_get(items, i), &text, err);
        strbuf_add_char(&text, '\n');
        if (result == STATUS_OK && !text.failed)
            sha256_add(&state, text.text, text.length);
        *letters += json_is_null(json_array_get(items, i)) ? 0 : (double)text.length;
        strbuf_free(&text);
        TRY(result);
    }
    sha256_end(&state, digest);
    sha256_hex(digest, hex);
    return STATUS_OK;
}

/* Every process makes the same items, or the records would be of different ones. */
static status check_items(void *context, const json_t *answers, error *err)
{
    plugin_study *p = context;
    char hex[SHA256_HEX];
    double letters;
    json_t *items = json_array();
    status result = items ? gather(p, answers, items, err) : error_set(err, STATUS_MEMORY, "out of memory for items");
    if (result == STATUS_OK)
        result = hash_items(items, hex, &letters, err);
    if (result == STATUS_OK && !p->items) {
        p->items = json_incref(items);
        p->letters = letters;
        memcpy(p->items_sha256, hex, sizeof hex);
    } else if (result == STATUS_OK && strcmp(hex, p->items_sha256) != 0) {
        error_set(err, STATUS_INVALID, "%s made other items when it was started again with the same seed and parameters", p->base.source);
        result = error_hint(err, "draw from the seed that `prepare` gets, and from nothing else");
    }
    json_decref(items);
    return result;
}

static void forget_items(void *context)
{
    plugin_study *p = context;
    json_decref(p->items);
    p->items = NULL;
    p->run = NULL;
}

static status prepare(study_run *run, error *err)
{
    plugin_study *p = study_of(run);
    const plugin_host_options options = {.timeout_seconds = run->timeout_seconds, .listener = {run->note, run->note_context},
                                         .interrupt = run->interrupt};
    forget_items(p);
    plugin_host_set(p->host, &options);
    plugin_host_interrupt(p->host, false);
    TRY(plugin_host_prepare(p->host, json_pack("{s:s, s:I, s:o}", "do", "prepare", "seed", (json_int_t)run->seed, "params",
                                               param_json(run->params)),
                            check_items, p, err));
    p->run = run;
    run->data = p;
    run->sample_count = json_array_size(p->items);
    run->identity = arena_printf(run->arena, "plugin sha256:%s items sha256:%s", plugin_host_sha256(p->host), p->items_sha256);
    return run->identity ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory while preparing %s", p->base.source);
}

static status plan(const study_run *run, study_plan *plan, error *err)
{
    (void)err;
    const plugin_study *p = study_of(run);
    const plugin_declaration *d = p->declaration;
    double n = (double)run->sample_count;
    double prompts = p->letters > 0 ? d->requests * (p->letters / 2 + 24 * n) : 0; /* an item in each question, and words around it */
    *plan = (study_plan){.requests = (uint64_t)(n * d->requests), .prompt_tokens = (uint64_t)prompts, .completion_tokens = (uint64_t)(n * d->requests * d->answer_tokens),
                         .detectable = NAN};
    if (d->summarises) /* nobody else knows what the figure is */
        return STATUS_OK;
    /* Two-sided test of the rate against .5 at .05 with power .80. */
    plan->detectable = (1.959964 + .841621) * .5 / sqrt(n);
    plan->detectable_what = "difference of a rate from one half, where all samples are one group";
    return STATUS_OK;
}

/* ---- one sample ------------------------------------------------------------------------------------------------- */

static status ask(study_sample *s, const json_t *asked, json_t **reply, error *err)
{
    question q;
    generate_reply answer;
    TRY(question_read(s->arena, asked, false, &q, err));
    const ask_options how = {.max_tokens = q.max_tokens, .temperature = q.temperature, .stops = q.stops, .stop_count = q.stop_count,
                             .logprobs = q.logprobs, .position = q.position, .reference_good = q.good, .reference_bad = q.bad,
                             .tools = q.tools};
    TRY(study_ask(s, q.role, q.messages, q.count, &how, &answer, err));
    *reply = json_pack("{s:o}", "answer", question_answer(&answer));
    return *reply ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory while passing on an answer");
}

static status score(study_sample *s, const json_t *asked, json_t **reply, error *err)
{
    question q;
    score_reply scores;
    TRY(question_read(s->arena, asked, true, &q, err));
    TRY(study_score(s, q.role, q.messages, q.count, q.continuations, q.continuation_count, &scores, err));
    *reply = json_pack("{s:o}", "scores", question_scores(&scores, q.continuation_count));
    return *reply ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory while passing on scores");
}

static status on_request(void *context, const json_t *said, json_t **reply, error *err)
{
    const json_t *asked = json_object_get(said, "ask");
    return asked ? ask(context, asked, reply, err) : score(context, json_object_get(said, "score"), reply, err);
}

static void on_again(void *context)
{
    study_again(context);
}

static void on_waiting(void *context, bool begins)
{
    study_wait(context, begins);
}

/* What the general rule, comparisons and reports read must have the types that they expect. */
static status check_record(const plugin_study *p, const json_t *record, error *err)
{
    static const char *const texts[] = {"group", "id", "asked", "answered", "expected", "scored"};
    if (!json_is_object(record))
        return error_set(err, STATUS_INVALID, "the plug-in %s: expected an object at \"record\"", p->base.source);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        const json_t *value = json_object_get(record, texts[i]);
        if (value && !json_is_string(value))
            return error_set(err, STATUS_INVALID, "the plug-in %s: expected a text at \"%s\" of the record", p->base.source, texts[i]);
    }
    const json_t *verdict = json_object_get(record, "verdict"), *value = json_object_get(record, "value");
    if (verdict && !plugin_verdict_known(json_string_value(verdict)))
        return error_set(err, STATUS_INVALID, "the plug-in %s: expected good, bad, unreadable, refused or excluded at \"verdict\"",
                         p->base.source);
    if (value && !json_is_number(value) && !json_is_null(value))
        return error_set(err, STATUS_INVALID, "the plug-in %s: expected a number at \"value\" of the record", p->base.source);
    return STATUS_OK;
}

static status keep_record(study_sample *s, const json_t *record, error *err)
{
    TRY(check_record(study_of(s->run), record, err));
    if (json_object_update(s->record, (json_t *)(uintptr_t)record) != 0)
        return error_set(err, STATUS_MEMORY, "out of memory while keeping a record");
    if (!json_object_get(s->record, "id"))
        json_object_set_new(s->record, "id", json_sprintf("%zu", s->index));
    return STATUS_OK;
}

static status run_sample(study_sample *s, error *err)
{
    plugin_study *p = study_of(s->run);
    random_stream draws = random_stream_at(s->run->seed, s->run->study->name, s->index, s->repeat, 0, 0);
    json_t *answer, *first = json_pack("{s:s, s:I, s:I, s:I, s:O}", "do", "sample", "index", (json_int_t)s->index, "repeat",
                                       (json_int_t)s->repeat, "seed", (json_int_t)(random_u64_at(&draws, 0) >> 11), "item",
                                       json_array_get(p->items, s->index));
    if (!first)
        return error_set(err, STATUS_MEMORY, "out of memory while starting a sample");
    const plugin_call call = {.first = first, .want = "record", .request = on_request, .again = on_again, .waiting = on_waiting,
                              .context = s};
    status result = plugin_host_talk(p->host, &call, &answer, err);
    json_decref(first);
    if (result == STATUS_OK)
        result = keep_record(s, json_object_get(answer, "record"), err);
    json_decref(answer);
    return result;
}

static void interrupt(study_run *run)
{
    plugin_host_interrupt(study_of(run)->host, true);
}

/* Nobody listens from now on: the run's listener goes with it. */
static void finish(study_run *run)
{
    plugin_study *p = study_of(run);
    uint64_t started, late;
    plugin_host_counts(p->host, &started, &late);
    if (run->note && late > 0) {
        char words[160];
        snprintf(words, sizeof words, "%s: %llu messages came after the end of their sample, and were ignored", run->study->name,
                 (unsigned long long)late);
        run->note(run->note_context, words);
    }
    plugin_host_set(p->host, NULL);
    forget_items(p);
}

/* ---- what it comes to ------------------------------------------------------------------------------------------- */

/* The plug-in's own summary: a function of the records and parameters alone. */
static status ask_summary(const study_run *run, const json_t *records, json_t **summary, error *err)
{
    plugin_study *p = study_of(run);
    json_t *answer, *first = json_pack("{s:s, s:o, s:O}", "do", "summarise", "params", param_json(run->params), "records",
                                       (json_t *)(uintptr_t)records);
    const plugin_call call = {.first = first, .want = "summary", .seconds = 600};
    if (!first)
        return error_set(err, STATUS_MEMORY, "out of memory while summarising");
    status result = plugin_host_talk(p->host, &call, &answer, err);
    json_decref(first);
    if (result == STATUS_OK && !json_is_object(json_object_get(answer, "summary")))
        result = error_set(err, STATUS_INVALID, "the plug-in %s: expected an object at \"summary\"", p->base.source);
    if (result == STATUS_OK) {
        *summary = json_incref(json_object_get(answer, "summary"));
        json_t *figures = json_object_get(answer, "figures");
        if (json_is_object(figures))
            json_object_set(*summary, "figures", figures);
    }
    json_decref(answer);
    return result;
}

static status summarise(const study_run *run, const json_t *records, json_t **summary, error *err)
{
    const plugin_study *p = study_of(run);
    const plugin_declaration *d = p->declaration;
    if (d->summarises)
        TRY(ask_summary(run, records, summary, err));
    else
        TRY(plugin_summary(run, records, d->counts, summary, err));
    if (json_object_get(*summary, "figures"))
        return STATUS_OK;
    json_t *figures;
    status result = plugin_figures(*summary, d->title, d->what, d->counts, &figures, err);
    if (result == STATUS_OK) /* they stay with the run, and are there when the plug-in is not */
        json_object_set_new(*summary, "figures", figures);
    return result;
}

static status figures(const study_run *run, const json_t *summary, json_t **figures, error *err)
{
    (void)run, (void)err;
    *figures = json_incref(json_object_get(summary, "figures"));
    return STATUS_OK;
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

static status fill_study(arena *a, plugin_study *p, error *err)
{
    const plugin_declaration *d = p->declaration;
    study_role *roles = ARENA_ARRAY(a, study_role, d->role_count + 1);
    const char *path = plugin_host_path(p->host);
    char whole[4096];
    const char *absolute = realpath(path, whole) ? whole : path;
    if (!roles)
        return error_set(err, STATUS_MEMORY, "out of memory while opening %s", path);
    for (size_t i = 0; i < d->role_count; i++)
        roles[i] = (study_role){.name = d->roles[i].name, .help = d->roles[i].help, .optional = d->roles[i].optional,
                                .needs = (d->roles[i].generates ? (unsigned)SUBJECT_GENERATES : 0U) |
                                         (d->roles[i].scores ? (unsigned)SUBJECT_SCORES : 0U)};
    p->base = (study){.name = d->name, .title = d->title, .paper = d->paper, .about = d->about, .roles = roles,
                      .role_count = d->role_count, .params = d->params, .param_count = d->param_count, .prepare = prepare,
                      .plan = plan, .run_sample = run_sample, .summarise = summarise, .figures = figures,
                      .source = arena_printf(a, "plugin:%s", absolute), .in_flight = IN_FLIGHT, .interrupt = interrupt, .finish = finish};
    return p->base.source ? STATUS_OK : error_set(err, STATUS_MEMORY, "out of memory while opening %s", path);
}

status plugin_study_open(arena *a, const char *path, const study **out, error *err)
{
    plugin_study *p = ARENA_NEW(a, plugin_study);
    *out = NULL;
    if (!p)
        return error_set(err, STATUS_MEMORY, "out of memory while opening %s", path);
    if (!arena_on_free(a, forget_items, p))
        return error_set(err, STATUS_MEMORY, "out of memory while opening %s", path);
    TRY(plugin_host_open(a, path, NULL, &p->host, err));
    TRY(plugin_host_require(p->host, PLUGIN_STUDY, "assay run", err));
    p->declaration = plugin_host_declaration(p->host);
    TRY(fill_study(a, p, err));
    *out = &p->base;
    return STATUS_OK;
}
