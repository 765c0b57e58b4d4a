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
 * them, or "*". An axis that is not named takes its default, which may be "*" too. `without` lists pairs that are not there:
 * [{size: 1.4b, stage: 0|8}]. An axis may be a map, from the name of a value to what
 * stands for it in the templates. `subject` in the place of `folder` names any subject, "oracle:{dose}" too.
 *
 * "series:DIR@size=0.1M|1M" names members of a series of our own growing (train/series.h), whose folder holds its file of families.
 * A list of any subjects is a family too, with the axis `subject`.
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
    double parameters, tokens, flops;     /* run/size.h; 0: not known */
    const char *tokenizer;                /* the same for equal tokenizers; NULL: not known */
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
/* The same of "series:DIR" and "series:DIR@...". */
bool series_named(const char *specification);
status family_read_series(arena *a, const char *specification, family *out, error *err);
/* Subjects as members of a family "subjects"; the texts must live as long. */
status family_of_subjects(arena *a, const char *const *specifications, size_t count, family *out, error *err);
/* Looks at every member that is a checkpoint on this machine (run/size.h). Where all members of a list have a size, it is
 * what their curve is drawn over. */
status family_measure(arena *a, family *f, error *err);
/* A member for the records of its run: {"name", "axes": [...], "values": [...], "curve", "x", "size": {...}}; the caller owns
 * it. */
json_t *family_member_json(const family *f, size_t member);
/* The family again, from an array of such objects, which must outlive it; what only serves to open members is NULL. False
 * when they are not members of one family along one axis. */
bool family_of_members(arena *a, const json_t *members, family *out);
/* What the members' summaries say together: findings, tables, one chart of lines (run/study.h), and as "trends" what becomes of
 * each form with size (run/scaling.h). `summaries` holds a summary for each member, `scores` what run/scores.h gives (NULL: no
 * trends), `runs` their numbers. The caller owns *out. */
status family_figures(const family *f, const json_t *summaries, const json_t *scores, const int64_t *runs, json_t **out, error *err);

#endif
