/* family.h - families of checkpoints: sizes and training stages of one model, so that any study has its curve over them.
 *
 * A file of families (data/families.yaml is one) says what members there are and where they lie:
 *
 *     families:
 *       pythia:
 *         repository: "EleutherAI/pythia-{size}"       # on the Hugging Face hub
 *         revision: "step{stage}"
 *         folder: "pythia-{size}/step{stage}"          # below the folder of models
 *         axes:
 *           size: [70m, 160m, 410m]
 *           stage: [0, 1, 2, 512, 1000..143000/1000]   # 1000, 2000, ... 143000
 *         default: {size: 160m, stage: 143000}
 *
 * and "family:pythia@size=70m|160m,stage=*" names the members of a run: each axis as a value, several with "|" between
 * them, or "*". An axis that is not named takes its default. An axis may be a map, from the name of a value to what
 * stands for it in the templates. `subject` in the place of `folder` names any subject, "oracle:{dose}" too.
 *
 *     TRY(family_read(arena, path, "family:pythia@stage=*", &f, err));
 *     for (size_t i = 0; i < f.count; i++) ... f.members[i].specification, f.members[i].values[axis] ...
 */
#ifndef ASSAY_RUN_FAMILY_H
#define ASSAY_RUN_FAMILY_H

#include "core/arena.h"
#include "core/error.h"

#include <jansson.h>
#include <stdbool.h>

enum { FAMILY_MOST_AXES = 4, FAMILY_MOST_MEMBERS = 10000 };

typedef struct family_member {
    const char *values[FAMILY_MOST_AXES]; /* by axis, as the file names them */
    double x;                             /* where it stands on the axis of the curve */
    const char *specification;            /* the subject */
    const char *repository, *revision;    /* NULL: not on the hub */
} family_member;

typedef struct family {
    const char *name;
    const char *axes[FAMILY_MOST_AXES];
    size_t axis_count, curve; /* curve: the axis along which the members differ; the first of several */
    family_member *members;   /* in the order of the file */
    size_t count;
} family;

/* Whether a specification names a family. */
bool family_named(const char *specification);
/* STATUS_NOT_FOUND when a member's folder is not on this machine, with how to get it. */
status family_read(arena *a, const char *path, const char *specification, family *out, error *err);
/* A member for the records of its run: {"name", "axes": [...], "values": [...], "curve", "x"}; the caller owns it. */
json_t *family_member_json(const family *f, size_t member);
/* The family again, from an array of such objects, which must outlive it; what only serves to open members is NULL. False
 * when they are not members of one family along one axis. */
bool family_of_members(arena *a, const json_t *members, family *out);
/* What the members' summaries say together: findings, one table, one chart of lines (run/study.h). `summaries` holds a
 * summary for each member, `runs` their numbers. The caller owns *out. */
status family_figures(const family *f, const json_t *summaries, const int64_t *runs, json_t **out, error *err);

#endif
