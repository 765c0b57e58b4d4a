/* near.h - agreement of numbers within a tolerance; NaN agrees with nothing. */
#ifndef ASSAY_TESTS_NEAR_H
#define ASSAY_TESTS_NEAR_H

#include <math.h>

#define NEAR(found, expected, tolerance)                                                                           \
    do {                                                                                                           \
        double found_ = (found), expected_ = (expected);                                                           \
        if (!(fabs(found_ - expected_) <= (tolerance)))                                                            \
            fail_msg("%s: expected %.9g, found %.9g", #found, expected_, found_);                                  \
    } while (0)

#endif
