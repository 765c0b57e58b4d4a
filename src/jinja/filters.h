/* filters.h - what the files of filters share (private to src/jinja). */
#ifndef ASSAY_JINJA_FILTERS_H
#define ASSAY_JINJA_FILTERS_H

#include "jinja/run.h"

#define FILTER(name)                                                                                               \
    static status name(jinja_run *r, jinja_value self, const jinja_value *args, const jinja_call *call,            \
                       jinja_value *out)
/* A parameter that a filter does not look at. */
#define UNUSED(x) (void)(x)

extern const jinja_native jinja_text_filters[], jinja_number_filters[], jinja_sequence_filters[], jinja_sort_filters[];

/* The value at a path such as "a.b.0" (an integer value is an index; none: the item itself); `fallback` (or
 * JINJA_ABSENT) stands for what is undefined on the way. Strings in lower case where `ignore_case`. */
status jinja_path(jinja_run *r, jinja_value item, jinja_value path, jinja_value fallback, bool ignore_case,
                  jinja_value *out);
static inline bool jinja_flag(jinja_value v)
{
    return v.kind != JINJA_ABSENT && jinja_truth(v);
}

#endif
