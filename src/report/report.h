/* report.h - from finished runs to what people read: terminal tables, CSV, JSON, and one HTML file.
 *
 * A report is made from run objects, each with all that it needs to know of one run:
 *
 *     {"run": 3, "study": "sycophancy", "subject": "out/s50", "seed": 3, "state": "done", "sample_count": 1600,
 *      "parameters": {...}, "facts": {...}, "audit": {...} or null,
 *      "plant": {"failure", "dose", "dose_type", "forms"} or null,        // what the subject is known to hold
 *      "member": {"name", "axes", "values", "curve", "x"} or null,        // of a family of checkpoints (run/family.h)
 *      "scores": {...},                                                   // of all samples, for trends (run/scores.h); may be absent
 *      "summary": {...}, "figures": {...},                                // run/study.h says what they hold
 *      "samples": [{"index": 17, "record": {...} or null, "problem": text or null,
 *                   "transcript": [{"role": "subject", "messages": [{"role", "content"}], "answer": text}]}]}
 *
 *     json_t *document;
 *     TRY(report_document(a, runs, certificate, &document, err));       // what web/src/report/data.ts reads
 *     TRY(report_html(document, "report.html", err));                   // one file that needs no network
 *
 * Several runs of one study become one picture: with planted doses a dose-response picture, for members of one family a
 * curve along its axis, else a comparison of the subjects. Everything follows from the run objects and from the given date; nothing is measured here.
 */
#ifndef ASSAY_REPORT_REPORT_H
#define ASSAY_REPORT_REPORT_H

#include "core/error.h"
#include "core/text.h"

#include <jansson.h>

/* Transcripts of one run that a report holds at most. */
enum { REPORT_SAMPLES = 240 };

/* `runs` is an array of run objects of one study; `certificate` may be NULL; `made` is the date for the foot of the
 * page. The caller owns *out. STATUS_USAGE when the runs are of different studies. */
status report_document(const json_t *runs, const json_t *certificate, const char *made, json_t **out, error *err);
/* The page, into the file (complete or not at all). */
status report_html(const json_t *document, const char *path, error *err);
/* The page as text. */
status report_html_text(const json_t *document, strbuf *out, error *err);
/* The page of a growth that learnt from feedback (run/growth_card.h), as a document whose one run holds its figures; null for
 * a growth that did not. `folder` is the finished growth's. The caller owns *out. */
status report_growth(arena *a, const char *folder, const char *made, json_t **out, error *err);
/* One line for each run and form: run, subject, dose, seed, form, and the members of the form's summary. */
status report_csv(const json_t *runs, strbuf *out, error *err);
/* One line for each sample: run, subject, index, group, verdict, asked, answered, expected, scored, problem. */
status report_csv_samples(const json_t *runs, strbuf *out, error *err);

/* A table of figures (run/study.h) for a terminal: aligned by what the characters take there; `bold` headers. */
void report_print_table(const json_t *table, bool bold, strbuf *out);
/* Findings, then tables. */
void report_print_figures(const json_t *figures, bool bold, strbuf *out);
/* The planted dose of a form of a run object, or NaN when nothing is known of it: 0 where only other forms, or another
 * failure than the one that the study is named after, were planted. */
double report_dose(const json_t *run, const char *form);

/* At most `most` of the samples, the same number of each kind and verdict as far as there are any, in order of index;
 * always the same ones. The caller owns the array. */
json_t *report_choose_samples(const json_t *samples, size_t most);
/* What was said in a sample, as the page shows it: [{"role", "text"}], every message once, though each request repeats
 * those before. "to" names the role of the study that is spoken to, where it is not the subject; "anew" is true where
 * another conversation begins. */
json_t *report_turns(const json_t *transcript);

/* The script of the page, embedded in the program. */
slice report_script(void);

#endif
