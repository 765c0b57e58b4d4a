/* read.h - private to the task study: what a written reply says, and why nothing could be read where nothing was. */
#ifndef ASSAY_STUDIES_TASK_READ_H
#define ASSAY_STUDIES_TASK_READ_H

#include "studies/reply.h"
#include "studies/task/task.h"

/* The last number of a text ("1,234.5" is one number, "$18." is 18); `first`: the first. */
bool task_read_number(slice text, bool first, double *out);

#endif
