/* parts.h - private to report: what documents are put together from. */
#ifndef ASSAY_REPORT_PARTS_H
#define ASSAY_REPORT_PARTS_H

#include "report/report.h"

/* {"study", "findings", "charts", "tables"} over runs of one study; the last three are empty for a single run, whose figures are its
 * own. The caller owns it; NULL: memory is out. */
json_t *report_study_part(const json_t *runs);
/* A run as the page has it, with at most `most` transcripts. */
json_t *report_run_part(const json_t *run, size_t most);

#endif
