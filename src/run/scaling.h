/* scaling.h - trends over size of what several models scored (stats/trend.h), for the figures of a family (run/family.h).
 *
 *     json_t *trends;
 *     TRY(scaling_trends(&f, summaries, scores, &trends, err));
 *     // [{"form": "memo-200", "measure": "accuracy", "class": "inverse", "words": "...", "slope": {"estimate", "low", "high"}, ...}]
 *
 * The size of a member is its number of parameters; where nobody knows it, its place on an axis that is called "size". Members
 * that differ on the axes "size" and "seed" (and "subject" of a list of subjects) alone belong to one series, whose seeds of one
 * size are averaged; other axes make several series. Each form and each measure has a trend of its own. Losses are not
 * compared over different tokenizers: such an entry has the class "refused" and says why.
 */
#ifndef ASSAY_RUN_SCALING_H
#define ASSAY_RUN_SCALING_H

#include "run/family.h"

/* `scores`: for each member what run/scores.h gives, or null. A series of fewer than two sizes has no entry. The caller owns
 * *out. */
status scaling_trends(const family *f, const json_t *summaries, const json_t *scores, json_t **out, error *err);
/* What trends say in words, losses aside, which the table has: at most `most` of the sentences, then one that counts the others
 * by class. */
void scaling_findings(const json_t *trends, size_t most, json_t *findings);
/* Whether the figure of a form of a summary is a share, to be shown in per cent: one with a "metric" that is none (a loss) is not. */
bool scaling_is_share(const json_t *form);
/* {"title", "note", "columns", "rows"} as run/study.h has tables; NULL where there are no trends. */
json_t *scaling_table(const json_t *trends);

#endif
