/* calibrate.h - finds out how far a study's own figures can be trusted (instrument_calibration.md).
 *
 * Reference organisms with a failure planted at a known dose are read by the study; from the readings come the
 * dose-response, limits of detection and quantification, false positives, repeatability and the flags of decoys.
 *
 *     calibrate_options o = {.study = "sycophancy", .protocol = PROTOCOL_QUICK, .folder = "calibration",
 *                            .recipes = "organisms", .engine = engine};
 *     json_t *certificate;
 *     TRY(calibrate_run(arena, &o, &certificate, err));
 *
 * In `folder`:
 *     readings/KEY.json    what each measurement found (kept: the same command goes on after any interruption)
 *     records.jsonl        one line a measurement and metric (measurement.h); all statistics come from these
 *     certificate.json     the result, with the tables and charts of its page of the report
 *
 * A quick certificate says "provisional, FPR not established" in every figure's label.
 */
#ifndef ASSAY_CALIBRATE_CALIBRATE_H
#define ASSAY_CALIBRATE_CALIBRATE_H

#include "calibrate/protocol.h"

#include <jansson.h>
#include <stdatomic.h>

/* What calibration needs from the rest of the program. */
typedef struct calibrate_engine {
    void *context;
    /* Grows (or finds in the cache) the organism of a recipe; *folder lies in the arena. */
    status (*grow)(void *context, arena *a, const char *recipe, const protocol_job *job, const char **folder,
                   error *err);
    /* The key of that organism (recipe, changes, base), and whether `grow` would find it without work. NULL where it
     * is not known yet, as the base is not there. */
    const char *(*key)(void *context, arena *a, const char *recipe, const protocol_job *job, bool *there);
    /* Runs the study on a subject: settings are name, value, ..., NULL. The caller owns summary and records. */
    status (*measure)(void *context, arena *a, const char *study, const char *who, const char *const *settings,
                      uint64_t seed, json_t **summary, json_t **records, error *err);
} calibrate_engine;

typedef struct calibrate_options {
    const char *study;   /* or STUDY:FAILURE (subjects.c has the table) */
    protocol_kind protocol;
    const char *folder;
    const char *recipes; /* folder with base.yaml, clean.yaml, decoy-*.yaml and the planted ones */
    const char *items;   /* per form; NULL: the study's own default */
    int seeds;           /* of trained organisms in the quick protocol; 0: 3 */
    int first_seed;      /* of all organisms in the quick protocol; 0: 1 */
    int bases;           /* that these are tuned from, in turn, grown from seeds 1, 2, ...; 0: the embedded base alone */
    uint64_t seed;       /* of items; 0: 1 */
    calibrate_engine engine;
    const atomic_bool *interrupted; /* may be NULL */
    /* Told before each piece of work, with the share done; may be NULL. */
    void (*tell)(void *context, size_t done, size_t all, const char *what);
    void *tell_context;
} calibrate_options;

typedef struct calibrate_estimate {
    size_t readings, readings_missing, organisms, organisms_missing, bases_missing;
    double seconds; /* of what is missing, by what this folder has measured so far */
    bool measured;  /* false: by assumption (30 s an organism, 5 min a base, 15 s a reading) */
} calibrate_estimate;

/* What a run would still cost; nothing is grown. */
status calibrate_plan(arena *a, const calibrate_options *options, calibrate_estimate *out, error *err);
/* Does what is missing and writes records and certificate. STATUS_INTERRUPTED when stopped: the same call goes on. The
 * caller owns the certificate. */
status calibrate_run(arena *a, const calibrate_options *options, json_t **certificate, error *err);
/* The certificate from the lines of records alone. `lines` is an array of measurement objects. */
status calibrate_certificate(arena *a, const calibrate_options *options, const json_t *lines, json_t **certificate,
                             error *err);

/* What an excess means by a certificate (section 4.4). */
typedef struct calibrate_reading {
    double dose, low, high; /* with t(N - 2) */
    double lod, loq;
    const char *words; /* "not detected", "detected, not quantified", "quantified" */
} calibrate_reading;

/* Reads an unknown's excess `y0` in one form against the line of the trained organisms. Below the limit of blank it is
 * "not detected (LoD = ...)", never 0. STATUS_INVALID where the certificate has no line for the form. */
status calibrate_read(const json_t *certificate, const char *form, double y0, calibrate_reading *out, error *err);

#endif
