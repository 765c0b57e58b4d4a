/* ask.h - private to the task study: one item while it is asked, and its record.
 *
 * A record holds what every study's does (run/study.h) and
 *     "value"    the metric's figure of this item; absent where nothing could be read
 *     "state"    where nothing could be read: why (read.h)
 *     "right", "soft", "mass", "logprobs", "tied", "chance"    as far as the metric has them (stats/choice.h)
 *     "joined"   tokens of the prompt that joined with the choices (subject/subject.h), where there were any
 *     "by", "cluster"    the values of the task's group and cluster columns
 *     "spread"   the standard deviation over orders of the examples, where there were several
 */
#ifndef ASSAY_STUDIES_TASK_ASK_H
#define ASSAY_STUDIES_TASK_ASK_H

#include "studies/task/read.h"
#include "studies/task/task.h"

typedef struct asking {
    study_sample *sample;
    const task_run *run;
    const task_item *item;
    const task_spec *spec;
    bool is_text;
    message *messages; /* of the order that is being asked */
    size_t count;
    const char *asked, *answered;
    const double *logprobs, *others;
    int joined;
    bool unknown_join;
    reply_state state;
    task_outcome outcome;
} asking;

/* Fills the record from the outcomes of the orders that could be read; with none, from q->state. */
void task_record(const asking *q, const task_outcome *outcomes, size_t count);
void task_record_without_judge(const asking *q);

#endif
