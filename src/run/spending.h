/* spending.h - what a run has spent, kept in the store so that its limits hold over all its sessions, killed ones too
 * (private to src/run). A run is known by its key here, as in the store. */
#ifndef ASSAY_RUN_SPENDING_H
#define ASSAY_RUN_SPENDING_H

#include "core/hash.h"
#include "store/store.h"
#include "subject/budget.h"

typedef struct spending {
    store *store; /* NULL: nothing is kept */
    char key[SHA256_HEX + 8];
    budget *budget;
} spending;

/* Makes the budget of the run of this key, with what earlier sessions spent. */
status spending_open(spending *s, store *kept_in, const char *run_key, const budget_limits *limits, error *err);
/* Writes down what was really spent; `over`: the run is finished, and the same command would begin another one. */
void spending_close(spending *s, bool over);
void spending_free(spending *s);

#endif
