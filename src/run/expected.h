/* expected.h - how long a plan would take on this machine, for a look before anything is asked (private to src/run). */
#ifndef ASSAY_RUN_EXPECTED_H
#define ASSAY_RUN_EXPECTED_H

#include "run/study.h"

/* Seconds, at most, that a checkpoint on this machine needs for the plan's tokens: it reads and writes a few made-up ones, for about a
 * second with a small model, and no answer is kept. NaN for whoever is no checkpoint here, or where the plan states no tokens. */
double expected_seconds(subject *who, const study_plan *plan);

#endif
