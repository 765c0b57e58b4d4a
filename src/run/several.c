#include "run/several.h"

#include "core/jsonio.h"
#include "run/scores.h"

static status memory(error *err)
{
    return error_set(err, STATUS_MEMORY, "out of memory for several subjects");
}

/* ---- who is meant ----------------------------------------------------------------------------------------------- */

static bool is_many(const char *specification)
{
    return family_named(specification) || series_named(specification);
}

static status read_many(arena *a, const char *specification, const char *families_path, family *out, error *err)
{
    if (series_named(specification))
        return family_read_series(a, specification, out, err);
    if (families_path)
        return family_read(a, families_path, specification, out, err);
    error_set(err, STATUS_USAGE, "%s: there is no file of families", specification);
    return error_hint(err, "name one with --families; data/families.yaml is one");
}

status family_of_specifications(arena *a, const char *const *specifications, size_t count, const char *families_path, family *out, error *err)
{
    const char **all = NULL;
    size_t all_count = 0;
    if (count == 1 && is_many(specifications[0]))
        return read_many(a, specifications[0], families_path, out, err);
    for (size_t i = 0; i < count; i++) {
        family f = {.count = 1};
        if (is_many(specifications[i]))
            TRY(read_many(a, specifications[i], families_path, &f, err));
        all = arena_regrow(a, all, all_count, all_count + f.count, sizeof *all);
        if (!all)
            return memory(err);
        for (size_t k = 0; k < f.count; k++)
            all[all_count++] = f.members ? f.members[k].specification : specifications[i];
    }
    return family_of_subjects(a, all, all_count, out, err);
}

/* ---- their runs ------------------------------------------------------------------------------------------------- */

status several_note_member(store *s, int64_t id, const family *f, size_t member, error *err)
{
    json_t *about = family_member_json(f, member);
    strbuf text = strbuf_new(NULL, 1 << 16);
    status result = jsonio_print(about, 0, &text, err);
    if (result == STATUS_OK)
        result = store_event_add(s, id, "member", text.text, err);
    strbuf_free(&text);
    json_decref(about);
    return result;
}

/* One member's run, in an arena of its own. */
static status run_member(arena *parent, const family *f, size_t member, run_request *request, const several_hooks *hooks, several_outcome *out,
                         json_t *scores, error *err)
{
    arena *a = arena_new(parent);
    run_outcome outcome = {0};
    json_t *own = NULL;
    if (hooks->on_member)
        hooks->on_member(hooks->context, f, member);
    status result = a ? run_study(a, request, &outcome, err) : memory(err);
    if (hooks->on_done)
        hooks->on_done(hooks->context, &outcome, result);
    out->begun |= outcome.id != 0;
    if (result == STATUS_OK && !request->dry_run) {
        out->ids[member] = outcome.id;
        json_array_append(out->summaries, outcome.summary);
        result = several_note_member(request->store, outcome.id, f, member, err);
        if (result == STATUS_OK)
            result = run_scores(request->store, outcome.id, &own, err);
        json_array_append_new(scores, own ? own : json_null());
    }
    run_outcome_clear(&outcome);
    arena_free(a);
    return result == STATUS_OK ? STATUS_OK
                               : error_context(err, "member %zu of %zu (%s)", member + 1, f->count, f->members[member].specification);
}

static json_t *members_json(const family *f, const several_outcome *o)
{
    json_t *list = json_array();
    for (size_t i = 0; i < f->count; i++) {
        const family_member *m = &f->members[i];
        json_t *one = json_pack("{s:I, s:s, s:f, s:O}", "run", (json_int_t)o->ids[i], "subject", m->specification, "x", m->x, "summary",
                                json_array_get(o->summaries, i));
        if (m->parameters > 0)
            json_object_set_new(one, "parameters", json_integer((json_int_t)m->parameters));
        if (m->tokens > 0)
            json_object_set_new(one, "tokens", json_integer((json_int_t)m->tokens));
        if (m->flops > 0)
            json_object_set_new(one, "flops", json_real(m->flops));
        for (size_t k = 0; k < f->axis_count; k++)
            json_object_set_new(one, f->axes[k], json_string(m->values[k]));
        json_array_append_new(list, one);
    }
    return list;
}

/* ---- what they may spend ---------------------------------------------------------------------------------------- */

json_t *several_study_json(const study *s, const param_values *params)
{
    return json_pack("{s:s, s:o}", "study", s->name, "parameters", param_json(params));
}

json_t *several_members_json(const family *f)
{
    json_t *list = json_array();
    for (size_t i = 0; i < f->count; i++)
        json_array_append_new(list, json_string(f->members[i].specification));
    return list;
}

json_t *several_roles_json(const run_role *roles, size_t count)
{
    json_t *all = json_object();
    for (size_t i = 0; i < count; i++)
        json_object_set_new(all, roles[i].name, json_string(roles[i].specification));
    return all;
}

/* One budget for all runs of the call. */
static status open_budget(const family *f, const run_request *q, spending *whole, error *err)
{
    size_t others = q->role_count > 0 ? q->role_count - 1 : 0;
    json_t *what = json_pack("{s:o, s:o, s:o, s:I, s:s}", "several", several_study_json(q->study, q->params), "subjects", several_members_json(f), "roles",
                             several_roles_json(q->roles + 1, others), "seed", (json_int_t)q->seed, "assay", ASSAY_VERSION);
    return spending_open_call(whole, q->store, what, &q->limits, f->count, err);
}

/* ---- the whole -------------------------------------------------------------------------------------------------- */

status run_several(arena *a, family *f, run_request *request, run_role *roles, const several_hooks *hooks, several_outcome *out, error *err)
{
    static const several_hooks none = {0};
    json_t *scores = json_array();
    spending whole = {0};
    request->of_several = true;
    *out = (several_outcome){.ids = ARENA_ARRAY(a, int64_t, f->count + 1), .summaries = json_array()};
    status result = out->ids && out->summaries && scores ? family_measure(a, f, err) : memory(err);
    if (result == STATUS_OK && !request->dry_run)
        result = open_budget(f, request, &whole, err);
    request->whole = whole.budget ? &whole : NULL;
    for (size_t i = 0; i < f->count && result == STATUS_OK; i++) {
        roles[0].specification = f->members[i].specification;
        result = run_member(a, f, i, request, hooks ? hooks : &none, out, scores, err);
    }
    if (result == STATUS_OK && !request->dry_run)
        result = family_figures(f, out->summaries, scores, out->ids, &out->figures, err);
    json_decref(scores);
    for (size_t i = 0; i < f->count && result == STATUS_OK && !request->dry_run; i++)
        result = store_event_add(request->store, out->ids[i], "gathered", NULL, err);
    if (result == STATUS_OK && !request->dry_run) {
        out->json = json_pack("{s:s, s:s, s:s, s:I, s:o, s:O}", "study", request->study->name, "family", f->name, "axis", f->axes[f->curve],
                              "seed", (json_int_t)request->seed, "members", members_json(f, out), "figures", out->figures);
        result = out->json ? STATUS_OK : memory(err);
    }
    request->whole = NULL;
    spending_close(&whole, result == STATUS_OK);
    spending_free(&whole);
    if (result != STATUS_OK)
        several_clear(out);
    return result;
}

void several_clear(several_outcome *out)
{
    json_decref(out->summaries);
    json_decref(out->figures);
    json_decref(out->json);
    out->summaries = out->figures = out->json = NULL;
}
