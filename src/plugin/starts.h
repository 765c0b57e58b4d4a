/* starts.h - texts inside the program: the helper for plug-ins in Python, and working starts of each kind.
 *
 * In a start @NAME@ stands for the name, and @SYMBOL@ for the name as an identifier of C. */
#ifndef ASSAY_PLUGIN_STARTS_H
#define ASSAY_PLUGIN_STARTS_H

#include "core/text.h"

typedef struct plugin_start {
    const char *kind, *language; /* "study", "python" */
    const char *ending;          /* of the file: ".py" */
    slice text;
} plugin_start;

/* Ends with one whose kind is NULL. */
const plugin_start *plugin_starts(void);
/* assay_plugin.py, which stands beside plug-ins in Python. */
slice plugin_helper(void);
/* The start with its names filled in; the text lies in `a`, NULL when memory is out. */
const char *plugin_start_fill(arena *a, const plugin_start *start, const char *name);

#endif
