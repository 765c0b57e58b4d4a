/* leads.h - electrocardiograms as a network wants them: the leads of all records of a folder, at one rate, and windows of them.
 *
 *     leads all;
 *     TRY(leads_read(arena, "ecg-wfdb-samples", 125, &all, err));
 *     float window[256];
 *     if (lead_window(&all.items[0], 1000, 256, window)) ...            // mean 0, variance 1
 */
#ifndef ASSAY_EXAMPLES_LEADS_H
#define ASSAY_EXAMPLES_LEADS_H

#include "core/arena.h"
#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lead_beat {
    size_t at; /* in samples of the lead */
    char symbol; /* as wfdb_symbol */
} lead_beat;

typedef struct lead {
    const char *record, *name;
    size_t count;
    float *samples; /* in millivolts; NaN where nothing was measured */
    size_t beat_count;
    lead_beat *beats; /* of the record's .atr file, in order; none without one */
} lead;

typedef struct leads {
    size_t count;
    lead *items;
    size_t passed_over; /* headers whose samples are not there */
} leads;

/* Every signal of the folder's WFDB records that is an electrocardiogram by its name (I, aVF, V5, MLII, MCL1, ECG 2, ...), in the
 * order of the files' names, brought to `rate` samples a second by means over the time of each new sample. Headers without their
 * samples are passed over. STATUS_NOT_FOUND when nothing is left. */
status leads_read(arena *a, const char *folder, double rate, leads *out, error *err);

/* `length` samples from `start` on, less their mean, in units of their standard deviation; false when they run over the end, some are
 * missing, or nothing moves in them. */
bool lead_window(const lead *l, size_t start, size_t length, float *out);

/* The beats of an ECG5000 file (UCR archive; text, gzipped or not): a class from 1 and 140 values a line. */
enum { BEAT_LENGTH = 140 };
typedef struct beat_file {
    size_t count;
    float *samples;  /* [count][BEAT_LENGTH], each beat of mean 0 and variance 1 */
    int32_t *labels; /* class - 1 */
    int classes;
} beat_file;

status beat_file_read(arena *a, const char *path, beat_file *out, error *err);

#endif
