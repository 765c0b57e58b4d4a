/* traps.h - private to the study inverse-scaling: its items, and what its files do with them.
 *
 * A cell is a trap at one dose, or its control (world/sayings.h). By its metric a cell's figure is the share of right choices, the mean
 * difference of log-odds, or the mean loss of a sequence, the latter two in nats.
 */
#ifndef ASSAY_STUDIES_TRAPS_H
#define ASSAY_STUDIES_TRAPS_H

#include "run/study.h"
#include "world/sayings.h"

enum { TRAP_CLASSES = 2 };

typedef struct traps_data {
    trap_item **items; /* of all traps asked for, one cell after the other */
    double *positions; /* of each within its cell, in the order of a hash of its name: for routers and oracles */
} traps_data;

/* The end of the cell that begins at `from`. */
size_t traps_cell_end(const study_run *run, size_t from);

status traps_summarise(const study_run *run, const json_t *records, json_t **summary, error *err);
status traps_figures(const study_run *run, const json_t *summary, json_t **figures, error *err);

#endif
