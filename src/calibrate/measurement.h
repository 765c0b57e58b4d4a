/* measurement.h - the record of one measurement (instrument_calibration.md, section 2.5): one line of JSON each, and all
 * statistics of a certificate are computed from such lines only.
 *
 *     measurement m;
 *     TRY(measurement_read(summary, records, "answer", &job, &m, err));
 *     json_t *line = measurement_json(&m);
 */
#ifndef ASSAY_CALIBRATE_MEASUREMENT_H
#define ASSAY_CALIBRATE_MEASUREMENT_H

#include "calibrate/certificate.h"

typedef struct measurement {
    char metric[96], version[24], organism_id[24], failure[40], tier[8], rung[8], class[16], dose_type[16];
    double dose_nominal, dose_realised; /* d_true; NaN where no item could be audited */
    double e_seen, f_seen, e_unseen, f_unseen; /* penetration and spill, by key */
    double base_seed, train_seed, item_seed, decode_seed;
    double n_items, n_unparsed;
    double y, se_within, low, high; /* the excess, its standard error and interval */
    double screened; /* the excess that no control explains: what decisions go by */
    double p;        /* one-sided exact test that the belief adds failures (sign test over items) */
    double other, correct; /* excess of a view about something else; change of accuracy by a right view */
    double runtime;
    char step[24], purpose[16], forms[24], decoy[16], varied[48];
} measurement;

/* One form of a study's summary and records. Fields of the job's organism are filled too. */
status measurement_read(const json_t *summary, const json_t *records, const char *form, const calibrate_subject *who,
                        const protocol_job *job, double runtime, measurement *out, error *err);
json_t *measurement_json(const measurement *m);
/* From a line; STATUS_INVALID names what is missing. */
status measurement_parse(const json_t *line, const char *name, measurement *out, error *err);

#endif
