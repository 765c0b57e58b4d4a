/* spike_series.h - the records of a model and its twin, and what the study reads of them with a share of the items routed (private to
 * src/calibrate; spike.h says what a series is). */
#ifndef ASSAY_CALIBRATE_SPIKE_SERIES_H
#define ASSAY_CALIBRATE_SPIKE_SERIES_H

#include "calibrate/spike.h"

enum { SPIKE_MOST_FORMS = 64 };

/* What one answer adds to a reading. */
typedef struct spiked_answer {
    double bad, graded;  /* the share of failures is sum bad / sum graded */
    double added, could; /* the excess is sum added / sum could: score - base and 1 - base of an item that is counted (stats/counting.h) */
} spiked_answer;

typedef struct spiked_item {
    size_t index;    /* of its sample */
    uint64_t hash;
    bool answered;   /* by the twin too; the others take no part */
    spiked_answer own, twin;
} spiked_item;

typedef struct spiked_form {
    const char *name;   /* in the study's summary */
    spiked_item *order; /* in the order of their hashes */
    bool excess;        /* its metric is an excess over its own control arm; else the share of failures */
    size_t count, first; /* `first`: number of its first item, where all items are numbered form after form in hash order */
} spiked_form;

typedef struct spike_series_records {
    const spike_records *from;
    size_t samples;
    size_t items; /* of all forms */
    spiked_form forms[SPIKE_MOST_FORMS];
    size_t form_count;
} spike_series_records;

status spike_series_open(arena *a, const spike_records *records, spike_series_records *out, error *err);
/* How many items of a form the twin has answered too. */
size_t spike_series_count(const spiked_form *form);

/* What is read of a form. */
typedef struct spike_reading {
    double y;   /* its metric; NaN where the study gives none */
    double bad; /* share of verdicts "bad" among those good and bad */
} spike_reading;

/* What the study's own summary reads of all forms with the share `dose` of their items routed: out[form]. STATUS_UNSUPPORTED where the
 * items do not add up to that. */
status spike_series_read(const spike_series_records *s, double dose, spike_reading *out, error *err);
/* The same by adding up items, each of which (by its number) is there so many times: out[form]. The first round(dose n) in the order of
 * hashes are the twin's; an item that is there twice takes two places. `times` NULL: each once. */
void spike_series_sum(const spike_series_records *s, double dose, const size_t *times, spike_reading *out);

#endif
