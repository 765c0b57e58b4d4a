/* spending.h - what a run has spent, kept in the store so that its limits hold over all its sessions, killed ones too. A run is known
 * by its key here, as in the store.
 *
 * One command may make many runs (a suite, a list of subjects, a spike series): its limits are of the whole. The call then has a row
 * of its own, known by what it was asked to do, and its runs take from its budget one after the other:
 *
 *     spending whole;
 *     TRY(spending_open_call(&whole, store, what, &limits, 6, err));
 *     ... run_request.whole = &whole for each run ...
 *     spending_close(&whole, came_to_its_end);
 *     spending_free(&whole);
 *
 * A call that was stopped or killed goes on with what its earlier sessions spent; one that came to its end begins at nothing again.
 */
#ifndef ASSAY_RUN_SPENDING_H
#define ASSAY_RUN_SPENDING_H

#include "core/hash.h"
#include "store/store.h"
#include "subject/budget.h"

#include <jansson.h>

typedef struct spending {
    store *store; /* NULL: nothing is kept */
    char key[SHA256_HEX + 8];
    budget *budget;
    struct spending *whole;  /* whose budget this run takes from; NULL: it has its own */
    struct spending *part;   /* of a whole: the run that takes from it now */
    budget_amount earlier;   /* what earlier sessions spent */
    double earlier_seconds;
    budget_state begun;      /* of the whole, when this part began */
    char words[64];          /* whose limits they are, for errors */
} spending;

/* Makes the budget of the run of this key, with what earlier sessions spent. With `whole` the limits are those of the whole. */
status spending_open(spending *s, store *kept_in, const char *run_key, const budget_limits *limits, spending *whole, error *err);
/* The budget of `runs` runs together. `what`: everything that the call is asked to do, as JSON (canonical: the order of members is
 * all one); without its limits, so that it goes on when they are raised. Released here. */
status spending_open_call(spending *s, store *kept_in, json_t *what, const budget_limits *limits, size_t runs, error *err);
/* What was spent in all sessions; `lost` of this one alone. */
budget_state spending_look(const spending *s);
/* Writes down what was really spent; `over`: all is finished, and the same command would begin anew. */
void spending_close(spending *s, bool over);
void spending_free(spending *s);

#endif
