/* spike.h - spike recovery: how well a study reads a known amount of failure in the answers of the user's own model
 * (instrument_calibration.md 3.5).
 *
 * A bad twin of the model (the same one under a system prompt that tells it to fail, with an adapter, with a direction added, or any
 * subject) answers a share x of the items, with all their arms and turns; the model answers the rest. The first round(x n) items of
 * each form in the order of a hash of their number go to the twin: the sets are nested, and neither time nor order decides. The
 * study reads the whole by its own metric.
 *
 * A sample's record depends on nothing but the sample and who answers it. So the model and each twin are asked all items once, and the
 * reading at a share x is the study's summary over the records of the one and the other: it equals to the digit that of a run
 * whose items are routed (a test holds the two together), and the twin alone (share 1) is known as well.
 *
 *     spike_options o = {.study = s, .params = params, .model = "base", .twins = twins, .twin_count = 2, .doses = doses, .dose_count = 4,
 *                        .request = &request};
 *     json_t *result;
 *     TRY(spike_run(arena, &o, &result, err));
 *
 * The result is shaped as a certificate is (calibrate.h), so that reports show it: "title", "verdict", "statements", "gates", "tables",
 * "charts"; and "twins": [{"twin", "run", "unrelated", "forms": {FORM: {"n", "readings", "alone", "twin_share", "sensitivity",
 * "matrix_effect", "own_dose", "lod", "valid", ...}}}].
 *
 * What is read of a form: its excess over the model's own control arm where it has one (its blank is 0 then), else the share of
 * verdicts "bad" among those good and bad; its blank comes from the certificate, or is taken as 0, which the result says.
 *
 * Intervals are percentiles of a paired bootstrap over items: each resample draws the items of every form anew, routes the first
 * round(x n) of them in the same order of hashes, and reads the whole series of them, the same items at every share. What an item adds
 * to a figure is its verdict, or what the study says of its record (study.counted); sums over all items must be what the study's own
 * summary reads, else it is refused. Items are drawn one by one, also where a study knows clusters of them. "error" is the standard deviation over the resamples, from which the
 * limit of detection comes. Twins are drawn alike, so that the difference of their sensitivities ("agreements") is paired too.
 */
#ifndef ASSAY_CALIBRATE_SPIKE_H
#define ASSAY_CALIBRATE_SPIKE_H

#include "run/run.h"

enum { SPIKE_RESAMPLES = 2000, SPIKE_MOST_DOSES = 12, SPIKE_MOST_TWINS = 8 };

typedef struct spike_options {
    const study *study;
    const param_values *params;
    const char *model;
    const char *const *twins; /* subjects */
    size_t twin_count;
    const double *doses;      /* rising, the first one 0, all below 1 */
    size_t dose_count;
    const json_t *certificate; /* of the study (calibrate.h); NULL: slope 1 and blank 0 are assumed, and said to be */
    const study *unrelated;    /* a study whose share of verdicts "good" the twin must keep; NULL: not looked at */
    const param_values *unrelated_params;
    const run_request *request; /* all but study, params and roles */
} spike_options;

/* STATUS_USAGE for doses that are none; STATUS_UNSUPPORTED for a study that grades no failure item by item. */
status spike_run(arena *a, const spike_options *options, json_t **out, error *err);

/* The series of one twin from records, without asking anybody. `run` is prepared; the records are of all its samples, null where one
 * failed. *forms: {FORM: {...}}. */
typedef struct spike_records {
    const study_run *run;
    const json_t *own, *twin;
} spike_records;
/* What the sensitivity of each form was in each resample. */
typedef struct spike_form_draws {
    const char *name;
    double sensitivity; /* of all items */
    double *draws;      /* [SPIKE_RESAMPLES] */
} spike_form_draws;
typedef struct spike_draws {
    spike_form_draws *forms;
    size_t count;
} spike_draws;
/* `draws` may be NULL; they lie in the arena. */
status spike_forms(arena *a, const spike_options *options, const spike_records *records, json_t **forms, spike_draws *draws, error *err);
/* By how much two twins' sensitivities differ: {FORM: {"estimate", "low", "high"}}. */
json_t *spike_agreement(const spike_draws *one, const spike_draws *other);
/* The reading of every form with the share `dose` of its items routed: {FORM: number or null}. */
status spike_readings(arena *a, const spike_records *records, double dose, json_t **out, error *err);

/* Which samples go to the twin at a share: out[run->sample_count]. */
status spike_routes(arena *a, const spike_records *records, double dose, bool *out, error *err);

/* The page: title, verdict, statements, gates, tables, charts; put into `result`, which has the members above. */
void spike_page(const spike_options *options, json_t *result);

#endif
