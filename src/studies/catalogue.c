/* The catalogue of studies: a study is a folder beside this file and one line here. */
#include "run/study.h"

#define STUDIES(X) \
    X(sycophancy) \
    X(competence) \
    X(task) \
    X(inverse_scaling) \
    X(feedback_failures) \
    X(moral_self_correction) \
    X(global_opinions) \
    X(model_written) \
    X(sketches)

#define DECLARE(name) extern const study name##_study;
STUDIES(DECLARE)

#define LIST(name) &name##_study,
const study *const study_catalogue[] = {STUDIES(LIST)};
const size_t study_catalogue_count = COUNT_OF(study_catalogue);
