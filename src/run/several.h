/* several.h - one study on several subjects: a run of its own for each, then what they say together.
 *
 *     family f;                                                     // a family, a series, or a list (run/family.h)
 *     TRY(family_of_specifications(arena, specifications, count, families_path, &f, err));
 *     several_outcome outcome;
 *     TRY(run_several(arena, &f, &request, roles, &hooks, &outcome, err));
 *     ... outcome.figures, outcome.json ...
 *     several_clear(&outcome);
 *
 * Each member's run stands in the store like any other. The same command goes on where it was interrupted: runs that an earlier call
 * finished are taken as they are, until a call has come to its end and gathered them all; then it makes new ones. Limits are of all
 * its runs together (run/spending.h).
 */
#ifndef ASSAY_RUN_SEVERAL_H
#define ASSAY_RUN_SEVERAL_H

#include "run/family.h"
#include "run/run.h"

typedef struct several_hooks {
    void (*on_member)(void *context, const family *f, size_t member);         /* before its run; may be NULL */
    void (*on_done)(void *context, const run_outcome *outcome, status result); /* after it, failed or not; may be NULL */
    void *context;
} several_hooks;

typedef struct several_outcome {
    int64_t *ids;       /* of the members' runs; in the arena */
    json_t *summaries;
    json_t *figures;    /* family_figures; NULL after a dry run */
    json_t *json;       /* what `assay run --json` prints; NULL after a dry run */
    bool begun;         /* a run stands in the store, also when this fails */
} several_outcome;

/* What `-m` names: families, series and subjects, mixed as they come. A single family or series keeps its axes; else all members
 * are subjects of one list. `families_path` may be NULL where no family is named. */
status family_of_specifications(arena *a, const char *const *specifications, size_t count, const char *families_path, family *out, error *err);
/* roles[0] is the subject's, whose specification is set for each member. Sizes of the members are found (family_measure). */
status run_several(arena *a, family *f, run_request *request, run_role *roles, const several_hooks *hooks, several_outcome *out, error *err);
void several_clear(several_outcome *out);
/* What a call is known by, in parts: a study with its parameters; the subjects; the roles beside the subject. Released by the caller. */
json_t *several_study_json(const study *s, const param_values *params);
json_t *several_members_json(const family *f);
json_t *several_roles_json(const run_role *roles, size_t count);
/* Keeps which member a run is of, for reports; also marks it as one of a call's runs that are not gathered yet. */
status several_note_member(store *s, int64_t id, const family *f, size_t member, error *err);

#endif
