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

/* `runs` is an array of run objects; `certificate` may be NULL; `made` is the date for the foot of the page. Runs of different studies
 * make a suite's document without a certificate (report_suite). The caller owns *out. */
status report_document(const json_t *runs, const json_t *certificate, const char *made, json_t **out, error *err);

/* Several studies on several subjects as one page: what the studies claim of the subjects, tested together; then each study's own
 * figures. `call` is what suite/suite.h kept of the call ({"suite", "title", "about", "left_out"}), or NULL.
 *
 *     {"assay", "made", "title", "study": null, "suite": {"name", "about"} or null, "findings", "notes" (those of the findings
 *      that are no claims), "charts", "tables",
 *      "claims": [...], "sections": [{"study", "parameters", "findings", "charts", "tables", "runs": [indices]}], "runs", "certificate": null}
 */
status report_suite(const json_t *runs, const json_t *call, const char *made, json_t **out, error *err);
/* What the runs claim (figures.claims, run/study.h), each claim on each subject a test, with Holm's adjustment over all of them
 * (instrument_calibration.md, 4.7):
 *     [{"study", "form", "says", "unit", "run", "subject", "estimate", "low", "high", "p", "p_holm", "found", "why"}]
 * found: p_holm < .01 and the study's own rule holds; null where there is no test, and "why" says why. The caller owns it; NULL: memory
 * is out. */
json_t *report_claims(const json_t *runs);
#define REPORT_CLAIM_LEVEL .01
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
/* A document of report_suite: the findings of all, then those of each study, then all tables. */
void report_print_suite(const json_t *document, bool bold, strbuf *out);
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
