/* pattern.h - private to the task study: regular expressions of tasks (PCRE2, UTF-8, with limits on work). */
#ifndef ASSAY_STUDIES_TASK_PATTERN_H
#define ASSAY_STUDIES_TASK_PATTERN_H

#include "core/yaml.h"

/* Compiles; errors name the place of `at`. The code lives as long as the arena. */
status task_pattern_compile(arena *a, const yaml_node *at, const char *pattern, void **out, error *err);
/* The last place that fits: its first group, or all of it where there are no groups; false: none fits, or the work grew past
 * its limit. */
bool task_pattern_last(const void *regex, slice text, slice *out);

#endif
