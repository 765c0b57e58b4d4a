/* The cause of a failure, from what it adds before the feedback and after it. */
#include "studies/feedback_failures/failures.h"

#include <math.h>

static bool is_there(const failures_cause *c, double margin)
{
    return c->limits.low > 0 && c->estimate >= margin;
}

const char *failures_verdict(const failures_cause *pretraining, const failures_cause *feedback, double margin)
{
    if (isnan(pretraining->estimate) || isnan(feedback->estimate))
        return "not identifiable";
    bool early = is_there(pretraining, margin), late = is_there(feedback, margin);
    return early && late ? "both" : early ? "pretraining" : late ? "feedback" : "neither";
}

failures_cause failures_difference(const failures_cause *before, const failures_cause *after)
{
    double d = after->estimate - before->estimate;
    double low = hypot(after->estimate - after->limits.low, before->limits.high - before->estimate);
    double high = hypot(after->limits.high - after->estimate, before->estimate - before->limits.low);
    return (failures_cause){d, {fmax(d - low, -1), fmin(d + high, 1)}};
}
