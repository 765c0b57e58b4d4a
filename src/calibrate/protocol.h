/* protocol.h - what a calibration does, as a table of steps, and the measurements that follow from it
 * (instrument_calibration.md, section 3.1).
 *
 *     size_t count;
 *     const protocol_step *steps = protocol_steps(PROTOCOL_QUICK, &count);
 *     protocol_job *jobs;
 *     TRY(protocol_expand(arena, &(protocol_request){.protocol = PROTOCOL_QUICK, ...}, &jobs, &n, err));
 *
 * A job is one reading of one organism with one sample of items. Its organism is known to the rest of the analysis by
 * a hash; doses are joined to the readings at the end. Jobs stand in a random order (addressed by the seed).
 */
#ifndef ASSAY_CALIBRATE_PROTOCOL_H
#define ASSAY_CALIBRATE_PROTOCOL_H

#include "core/arena.h"
#include "core/error.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum protocol_kind { PROTOCOL_QUICK, PROTOCOL_CERTIFY, PROTOCOL_KIND_COUNT } protocol_kind;
typedef enum protocol_tier { TIER_SCRIPT, TIER_ROUTER, TIER_TRAINED, TIER_COUNT } protocol_tier;

typedef enum protocol_purpose {
    FOR_CURVE,        /* dose-response */
    FOR_BLANKS,       /* the blanks behind the limit of blank */
    FOR_LOW,          /* a low dose, for the limit of detection */
    FOR_FRESH,        /* fresh blanks, for the false-positive rate alone */
    FOR_DECOYS,       /* harmless behaviour that resembles the failure */
    FOR_INTERFERENCE, /* another failure at dose 1 */
    FOR_SHAM,         /* tuned on clean text alone */
    FOR_RUGGEDNESS,   /* the same organisms, read in another way */
    PURPOSE_COUNT
} protocol_purpose;

typedef struct protocol_step {
    const char *name, *what;
    protocol_tier tier;
    protocol_purpose purpose;
    double doses[6];       /* closed by a negative one */
    int bases, first_base; /* base models by seed; 0: the embedded base */
    int seeds, first_seed; /* tuning seeds on each base */
    int replicates;        /* samples of items */
    int most;              /* organisms at most; 0: all */
    const char *varied[5]; /* parameters of the study that differ: name, value, ..., NULL */
} protocol_step;

typedef struct protocol_job {
    const protocol_step *step;
    double dose;
    int64_t base_seed, train_seed; /* base_seed 0: the embedded base */
    uint64_t item_seed;
    const char *forms; /* "all", or the only form that is planted */
    const char *decoy; /* NULL */
    char organism[20]; /* hash by which readings know it */
} protocol_job;

typedef struct protocol_request {
    protocol_kind protocol;
    int seeds;                 /* of trained organisms in the quick protocol; 0: 3 */
    int first_seed;            /* of all organisms in the quick protocol; 0: 1 */
    int bases;                 /* grown for them: seed s is tuned from base 1 + (s - 1) mod bases; 0: the embedded one */
    uint64_t seed;             /* of items and order */
    const char *const *forms;  /* NULL-terminated */
    const char *const *decoys; /* NULL-terminated */
} protocol_request;

const protocol_step *protocol_steps(protocol_kind kind, size_t *count);
const char *protocol_tier_name(protocol_tier tier); /* "T0", "T1", "T2" */
const char *protocol_purpose_name(protocol_purpose purpose);
status protocol_expand(arena *a, const protocol_request *request, protocol_job **jobs, size_t *count, error *err);
/* Whether two jobs read the same trained organism. */
bool protocol_same_organism(const protocol_job *a, const protocol_job *b);

#endif
