/* Runs the parts of a suite on its subjects, one subject after the other, and gathers what belongs together. */
#include "suite/suite.h"

#include "core/jsonio.h"

static status no_memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for a suite");
}

/* What is wrong with one part on one subject, and not with the command or the machine. */
static bool leaves_out(status code)
{
    return code == STATUS_UNSUPPORTED || code == STATUS_NOT_FOUND || code == STATUS_NETWORK || code == STATUS_INVALID || code == STATUS_REFUSED;
}

static bool has_role(const study *s, const char *name)
{
    for (size_t i = 0; i < s->role_count; i++)
        if (strcmp(s->roles[i].name, name) == 0)
            return true;
    return false;
}

/* A role that no study of the suite has is a slip of the pen. */
static status check_roles(const suite_request *q, error *err)
{
    for (size_t i = 0; i < q->other_count + q->key_count; i++) {
        const char *name = i < q->other_count ? q->others[i].name : q->keys[i - q->other_count].role;
        bool found = strcmp(name, "subject") == 0 && i >= q->other_count;
        for (size_t k = 0; k < q->part_count && !found; k++)
            found = q->parts[k].study && has_role(q->parts[k].study, name);
        if (!found)
            return error_set(err, STATUS_USAGE, "no study of the suite %s has a role \"%s\"", q->suite->name, name);
    }
    return STATUS_OK;
}

static const char *subject_key(const suite_request *q)
{
    for (size_t i = 0; i < q->key_count; i++)
        if (strcmp(q->keys[i].role, "subject") == 0)
            return q->keys[i].variable;
    return q->run->subjects.api_key_variable;
}

typedef struct session {
    const suite_request *request;
    suite_outcome *out;
    json_t *runs, *left_out;
    spending whole; /* the budget of all runs */
} session;

/* Parts that are left out count too: a call with other parts is another call. */
static status open_budget(session *s, error *err)
{
    const suite_request *q = s->request;
    json_t *parts = json_array();
    for (size_t i = 0; i < q->part_count; i++)
        if (q->parts[i].study)
            json_array_append_new(parts, several_study_json(q->parts[i].study, q->parts[i].params));
    size_t runs = json_array_size(parts) * q->members->count;
    json_t *what = json_pack("{s:s, s:o, s:o, s:o, s:I, s:s}", "suite", q->suite->name, "parts", parts, "subjects", several_members_json(q->members),
                             "roles", several_roles_json(q->others, q->other_count), "seed", (json_int_t)q->run->seed, "assay", ASSAY_VERSION);
    return spending_open_call(&s->whole, q->run->store, what, &q->run->limits, runs, err);
}

static void leave_out(session *s, const suite_ready *part, const char *name, const char *reason)
{
    json_array_append_new(s->left_out, json_pack("{s:s, s:s, s:s, s:s}", "part", part->part->name, "title",
                                                 part->study ? part->study->title : part->part->study, "subject", name, "reason", reason));
}

/* The run of one part on one subject: the roles and keys that its study has. */
static status run_part(session *s, arena *a, const suite_ready *part, size_t member, subject *opened, run_outcome *outcome, error *err)
{
    const suite_request *q = s->request;
    run_request request = *q->run;
    run_role roles[RUN_MOST_ROLES] = {{"subject", q->members->members[member].specification, opened}};
    run_key *keys = ARENA_ARRAY(a, run_key, q->key_count + 1);
    if (!keys)
        return no_memory(err);
    request.study = part->study;
    request.params = part->params;
    request.of_several = true;
    request.whole = s->whole.budget ? &s->whole : NULL;
    request.roles = roles;
    request.role_count = 1;
    request.keys = keys;
    request.key_count = 0;
    for (size_t i = 0; i < q->other_count && request.role_count < RUN_MOST_ROLES; i++)
        if (has_role(part->study, q->others[i].name))
            roles[request.role_count++] = q->others[i];
    for (size_t i = 0; i < q->key_count; i++)
        if (has_role(part->study, q->keys[i].role))
            keys[request.key_count++] = q->keys[i];
    return run_study(a, &request, outcome, err);
}

static status keep(session *s, const run_outcome *outcome, size_t member, error *err)
{
    if (s->request->run->dry_run)
        return STATUS_OK;
    json_array_append_new(s->runs, json_integer(outcome->id));
    return several_note_member(s->request->run->store, outcome->id, s->request->members, member, err);
}

static status run_one(session *s, arena *parent, const suite_ready *part, size_t member, subject *opened, error *err)
{
    const suite_request *q = s->request;
    const char *name = q->members->members[member].specification;
    arena *a = arena_new(parent);
    run_outcome outcome = {0};
    error own = {0};
    if (!part->study) {
        leave_out(s, part, name, "this build has no such study");
        arena_free(a);
        return STATUS_OK;
    }
    if (q->on_part)
        q->on_part(q->context, part, member);
    status result = a ? run_part(s, a, part, member, opened, &outcome, &own) : no_memory(&own);
    if (q->on_done)
        q->on_done(q->context, &outcome, result, &own);
    s->out->begun |= outcome.id != 0;
    if (result == STATUS_OK)
        result = keep(s, &outcome, member, &own);
    run_outcome_clear(&outcome);
    arena_free(a);
    if (result != STATUS_OK && leaves_out(result)) {
        leave_out(s, part, name, own.message);
        return STATUS_OK;
    }
    if (result != STATUS_OK && err)
        *err = own;
    return result == STATUS_OK ? STATUS_OK : error_context(err, "%s on %s", part->part->name, name);
}

/* The subject is opened once for all parts. */
static status run_member(session *s, arena *parent, size_t member, error *err)
{
    const suite_request *q = s->request;
    arena *a = arena_new(parent);
    subject *opened = NULL;
    subject_options options = q->run->subjects;
    options.api_key_variable = subject_key(q);
    status result = a ? subject_open(a, q->members->members[member].specification, &options, &opened, err) : no_memory(err);
    for (size_t i = 0; i < q->part_count && result == STATUS_OK; i++)
        result = run_one(s, a, &q->parts[i], member, opened, err);
    subject_close(opened);
    arena_free(a);
    return result;
}

/* Every run of the call holds all of it: the newest of them leads to the others. */
static status gather(session *s, error *err)
{
    const suite_request *q = s->request;
    strbuf text = strbuf_new(NULL, 1 << 26);
    s->out->call = json_pack("{s:s, s:s, s:s*, s:O, s:O}", "suite", q->suite->name, "title", q->suite->title, "about", q->suite->about,
                             "runs", s->runs, "left_out", s->left_out);
    status result = s->out->call ? jsonio_print(s->out->call, 0, &text, err) : no_memory(err);
    for (size_t i = 0; i < json_array_size(s->runs) && result == STATUS_OK; i++)
        result = store_event_add(q->run->store, json_integer_value(json_array_get(s->runs, i)), "gathered", text.text, err);
    if (result == STATUS_OK)
        result = store_flush(q->run->store, err);
    strbuf_free(&text);
    return result;
}

status suite_run(arena *a, const suite_request *request, suite_outcome *out, error *err)
{
    session s = {.request = request, .out = out, .runs = json_array(), .left_out = json_array()};
    *out = (suite_outcome){0};
    status result = s.runs && s.left_out ? check_roles(request, err) : no_memory(err);
    bool dry = request->run->dry_run;
    if (result == STATUS_OK && !dry)
        result = open_budget(&s, err);
    for (size_t i = 0; i < request->members->count && result == STATUS_OK; i++)
        result = run_member(&s, a, i, err);
    if (result == STATUS_OK && !dry && json_array_size(s.runs) == 0) {
        const json_t *first = json_array_get(s.left_out, 0);
        const char *why = json_string_value(json_object_get(first, "reason"));
        result = error_set(err, STATUS_NOT_FOUND, "nothing of the suite %s could be asked; the first reason: %s", request->suite->name, why ? why : "none");
    }
    if (result == STATUS_OK && !dry)
        result = gather(&s, err);
    if (result == STATUS_OK && dry)
        out->call = json_pack("{s:s, s:O}", "suite", request->suite->name, "left_out", s.left_out);
    spending_close(&s.whole, result == STATUS_OK);
    spending_free(&s.whole);
    json_decref(s.runs);
    json_decref(s.left_out);
    if (result != STATUS_OK) {
        json_decref(out->call);
        out->call = NULL;
    }
    return result;
}

/* ---- what an earlier call left ---------------------------------------------------------------------------------- */

typedef struct lookup {
    const char *name;
    json_t *found;
} lookup;

static status look(void *context, double at, const char *kind, const char *detail, error *err)
{
    lookup *s = context;
    json_t *call = NULL;
    (void)at, (void)err;
    if (strcmp(kind, "gathered") != 0 || !detail || jsonio_parse(slice_of(detail), "event", &call, NULL) != STATUS_OK)
        return STATUS_OK;
    const char *name = json_string_value(json_object_get(call, "suite"));
    if (name && strcmp(name, s->name) == 0 && json_is_array(json_object_get(call, "runs"))) {
        json_decref(s->found);
        s->found = json_incref(call);
    }
    json_decref(call);
    return STATUS_OK;
}

status suite_last_call(store *s, arena *a, const char *word, json_t **call, error *err)
{
    lookup search = {.name = word + (suite_named(word) ? strlen(suite_prefix) : 0)};
    store_run *runs;
    size_t count;
    TRY(store_run_list(s, a, 0, &runs, &count, err));
    for (size_t i = 0; i < count && !search.found; i++)
        TRY(store_event_each(s, runs[i].id, look, &search, err));
    *call = search.found;
    if (*call)
        return STATUS_OK;
    error_set(err, STATUS_NOT_FOUND, "the store has no call of the suite '%s' that came to its end", search.name);
    return error_hint(err, "`assay run suite:%s -m SUBJECT` makes one, and goes on with one that was stopped", search.name);
}
