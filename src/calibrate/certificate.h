/* certificate.h - private: gates, and the page of the report. */
#ifndef ASSAY_CALIBRATE_CERTIFICATE_H
#define ASSAY_CALIBRATE_CERTIFICATE_H

#include "calibrate/calibrate.h"

/* What a study can be calibrated with, as data; a study with several failures has a row for each. */
typedef struct calibrate_subject {
    const char *name;  /* as the command line has it: the study, or STUDY:FAILURE */
    const char *study, *recipe, *clean; /* recipes: planted, clean; NULL where nothing is grown: scripts alone are read */
    const char *const *forms, *const *decoys;  /* NULL-terminated */
    const char *const *settings;               /* of the study in every reading: name, value, ..., NULL */
    const char *section;    /* of the summary that holds the forms: "forms" where it is NULL */
    const char *group;      /* of the records of all forms; NULL: a form's records say its name (run/study.h) */
    const char *only;       /* records without this member true are not audited; NULL: all are */
    const char *shows;      /* member of a record that is true where the planted thing shows; NULL: the verdict "bad" */
    const char *up, *base;  /* paths in a record to numbers or booleans, with and without the cause, for the sign test; NULL: by the interval */
    const char *p;          /* member of a form with the one-sided chance that nothing was planted; NULL: the sign test by `up` and `base`, or the
                               form's limits */
    const char *screened;   /* path in a form to what no control explains, by which decisions go; NULL: "screened", or else the excess less `other` */
    const char *other;      /* path in a form to the excess of a control that must add nothing: what decisions leave away; NULL */
    double lod_target;      /* section 5 */
    bool own_oracle;        /* d_true and y are the same count (section 3.2, column 2) */
    bool scripted_decoys;   /* the study has a parameter `decoy` for what oracle:0 says */
    bool scored;            /* the study scores given answers: oracles do so too */
    bool inverted;          /* the estimate is the share without the failure */
} calibrate_subject;

const calibrate_subject *calibrate_find(const char *name, error *err);
/* All rows. */
const calibrate_subject *calibrate_subjects(size_t *count);

/* All rows read mixtures: each value of a carrier fails always or never. STATUS_USAGE for a recipe that plants something else. */
status calibrate_check_recipe(arena *a, const calibrate_options *options, const calibrate_subject *who, error *err);

/* The gates of section 3.3 over one metric: [{"gate", "value", "limit", "passed": true, false or null}]. */
json_t *certificate_gates(const calibrate_subject *who, const json_t *metric);
/* Adds what the page of a report shows: "title", "verdict", "statements", "gates" [{"name", "required", "found",
 * "passed"}], "tables" and "charts" as run/study.h says. */
void certificate_page(const calibrate_subject *who, json_t *certificate);

#endif
