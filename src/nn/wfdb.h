/* wfdb.h - records of physiological signals (electrocardiograms above all) in the files that PhysioNet keeps them in.
 *
 * A record is a text file NAME.hea, which says how its signals lie in one or more files of samples, and any number of files of
 * annotations (NAME.atr: beats and rhythms as experts marked them).
 *
 *     wfdb_record r;
 *     TRY(wfdb_read(arena, "folder/100.hea", &r, err));          // 2 signals of 650,000 samples, checksums compared
 *     const wfdb_signal *lead = wfdb_find(&r, "MLII");
 *     double millivolts = wfdb_value(lead, 0);                   // (995 - 1024) / 200 = -.145
 *     wfdb_annotations beats;
 *     TRY(wfdb_annotations_read(arena, "folder/100.atr", &beats, err));
 *
 * The header (the manual page header(5) of the WFDB package): lines that begin with # are comments; the first other line is
 * "NAME SIGNALS [FREQUENCY [SAMPLES [TIME [DATE]]]]", then one line for each signal, "FILE FORMAT[xPER_FRAME][:SKEW][+OFFSET]
 * [GAIN[(BASELINE)][/UNITS] [RESOLUTION [ZERO [FIRST [CHECKSUM [BLOCK [DESCRIPTION]]]]]]]". A file holds frames, and a frame
 * `per_frame` samples of each of the file's signals in the header's order. Formats: 212 (two samples of 12 bits in three bytes), 16, 24
 * and 32 (two's complement, little-endian), 61 (16 bits, big-endian), 80 and 160 (8 and 16 bits, offset binary). Format 16 with an
 * OFFSET is how a header describes a MATLAB file of level 4. Records of several segments are not read.
 *
 * A file that the header calls X may lie there as X, or gzipped as X.gz. Names with a folder in them are refused: a record's
 * files lie beside its header.
 */
#ifndef ASSAY_NN_WFDB_H
#define ASSAY_NN_WFDB_H

#include "core/error.h"
#include "core/text.h"

enum { WFDB_MISSING = INT32_MIN }; /* a sample that was not measured */

typedef struct wfdb_signal {
    const char *file, *units, *description; /* units: mV unless the header names others */
    int format;
    int64_t per_frame; /* samples of this signal in a frame, at least 1 */
    int64_t skew;      /* its samples lie so many frames late in the file; undone in `samples` */
    int64_t offset;    /* bytes of the file before the first sample */
    double gain;       /* units of the samples in one physical unit, never 0; 200 where the header does not know it */
    double baseline;   /* the sample's value at physical zero */
    int64_t resolution, zero; /* of the converter: bits, and its middle */
    int64_t first;            /* the first sample as the header has it */
    int checksum;             /* 16 bits with a sign: of the sum of all samples */
    bool has_checksum;
    size_t count; /* of samples: frames times per_frame */
    const int32_t *samples;
} wfdb_signal;

typedef struct wfdb_record {
    const char *name;
    double frequency; /* frames a second; 250 unless the header says otherwise */
    size_t frames;    /* 0 in a header that does not say how many, until its samples are read */
    size_t count;
    wfdb_signal *signals;
    size_t comment_count;
    slice *comments; /* what stands behind #, trimmed */
} wfdb_record;

/* Header and samples. STATUS_INVALID for files that break the format, are shorter than the header says, or whose samples do not sum up
 * to the header's checksum (the message names the signal); STATUS_UNSUPPORTED for other formats. Bytes behind the last
 * frame are left alone. */
status wfdb_read(arena *a, const char *path, wfdb_record *out, error *err);
/* The header alone, from bytes in memory: no samples. `name` is for messages. */
status wfdb_header_parse(arena *a, slice text, const char *name, wfdb_record *out, error *err);
/* The samples of the file that signal `first` names, for it and the signals behind it that name the same; *next: the signal behind
 * those. Sets r->frames from the file's length where the header does not say it. */
status wfdb_samples_parse(arena *a, wfdb_record *r, size_t first, slice bytes, size_t *next, error *err);

const wfdb_signal *wfdb_find(const wfdb_record *r, const char *description); /* NULL: there is none */
double wfdb_value(const wfdb_signal *s, size_t i); /* in physical units; NaN where it is missing */

/* ---- annotations, in the MIT format ---- */
typedef struct wfdb_annotation {
    int64_t frame;
    uint8_t code;   /* wfdb_symbol */
    int8_t subtype;
    uint8_t channel, number;
    slice text; /* empty: none */
} wfdb_annotation;

typedef struct wfdb_annotations {
    size_t count;
    wfdb_annotation *items; /* in the order of the file, which is that of time; notes that define signs ("## ...") are among them */
} wfdb_annotations;

status wfdb_annotations_read(arena *a, const char *path, wfdb_annotations *out, error *err);
/* The same from bytes in memory, which must outlive the texts. */
status wfdb_annotations_parse(arena *a, slice bytes, const char *name, wfdb_annotations *out, error *err);
/* The sign that PhysioNet prints for a code: "N" a normal beat, "A" an atrial premature one, "V" a premature ventricular one,
 * "+" a change of rhythm, ...; "?" for those without one. */
const char *wfdb_symbol(uint8_t code);
bool wfdb_is_beat(uint8_t code);

#endif
