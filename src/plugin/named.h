/* named.h - a scorer, a tool or an agent by the word that names it: a path, its parameters, and what stands beneath it.
 *
 *     plugin:./agent.py
 *     plugin:./agent.py,base                 the agent may ask the subject `base`
 *     plugin:./judge.py?strict=true&most=3   parameters that the plug-in declares
 *
 * The path ends at the first '?' or ','. */
#ifndef ASSAY_PLUGIN_NAMED_H
#define ASSAY_PLUGIN_NAMED_H

#include "plugin/host.h"

typedef struct plugin_named {
    plugin_host *host;
    const char *identity; /* SHA-256 of the file, and the parameters: what caches and runs go by */
    const char *beneath;  /* what stands behind the comma; NULL: nothing */
} plugin_named;

/* Splits without starting anything: the path as a copy. False when memory is out. */
bool plugin_named_path(arena *a, const char *word, const char **path);
/* Starts the plug-in and tells it its parameters: {"do": "prepare", "params": {...}}, which it answers with "ready". One that
 * declares none is not told. It ends with the arena. */
status plugin_named_open(arena *a, const char *word, const plugin_host_options *options, plugin_named *out, error *err);

#endif
