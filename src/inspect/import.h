/* import.h - from samples of a log to rows of the store (private to src/inspect). */
#ifndef ASSAY_INSPECT_IMPORT_H
#define ASSAY_INSPECT_IMPORT_H

#include "core/jsonstream.h"
#include "inspect/log.h"

/* Bytes of a sample that are kept at most; what is said beyond them is left out, and the sample counted as cut. */
enum { IMPORT_SAMPLE = 64 << 20 };

/* Reads the sample that comes next: of its members those that are wanted, of its events the questions and answers, with
 * attachments and references resolved. *cut: something was left out. The caller owns *out. */
status import_sample_read(jsonstream *s, json_t **out, bool *cut, error *err);

/* The transcript as the store keeps it: [{"role", "messages", "answer"...}]. */
status import_transcript(const json_t *sample, strbuf *out, bool *cut, error *err);
/* Record of a foreign sample; `scorer` is the one that gives group and verdict (may be NULL). The caller owns it. */
json_t *import_record(const json_t *sample, const char *scorer, bool cut);
/* What a score's value counts, as Inspect's value_to_float does: C 1, I 0, P 0.5, N 0, numbers and truths; NaN: nothing. */
double import_value(const json_t *value);

/* Figures of a foreign log, gathered sample by sample: per scorer the mean over items of the means over epochs. */
typedef struct import_figures import_figures;
import_figures *import_figures_new(arena *a);
status import_figures_add(import_figures *f, uint64_t index, const json_t *scores, error *err);
/* {"forms", "figures"}: `results` of the log's header is shown beside. The caller owns it; NULL: out of memory. */
json_t *import_figures_summary(const import_figures *f, const char *task, const json_t *results);

#endif
