/* declare.h - what a plug-in says of itself when it is greeted.
 *
 *     {"protocol": 1, "kind": "study", "name": "order", "title": "...", "about": "...", "paper": "...",
 *      "roles": [{"name": "subject", "help": "who answers", "needs": ["generate"]}],
 *      "params": [{"name": "items", "type": "int", "min": 1, "max": 1000, "default": 100, "help": "questions"}]}
 *
 * docs/plugins.md lists every member. All texts are checked: UTF-8 without control characters, of bounded length. */
#ifndef ASSAY_PLUGIN_DECLARE_H
#define ASSAY_PLUGIN_DECLARE_H

#include "core/param.h"

enum { PLUGIN_PROTOCOL = 1, PLUGIN_MOST_PARAMS = 64, PLUGIN_MOST_ROLES = 8 };

typedef enum plugin_kind { PLUGIN_STUDY, PLUGIN_SCORER, PLUGIN_TOOL, PLUGIN_AGENT, PLUGIN_KIND_COUNT } plugin_kind;

typedef struct plugin_role {
    const char *name, *help;
    bool generates, scores; /* what is asked of whoever fills it */
    bool optional;
} plugin_role;

typedef struct plugin_declaration {
    plugin_kind kind;
    const char *name, *title, *about, *paper; /* about and paper may be NULL */
    const plugin_role *roles;
    size_t role_count;
    const param_spec *params;
    size_t param_count;
    /* Of studies. */
    const char *counts;  /* "bad" or "good": the verdict whose rate is the figure */
    const char *what;    /* "answers that change with the order": what is counted; NULL */
    double requests;     /* questions of one sample, at most; 0: not said */
    double answer_tokens; /* of one answer, at most; 0: not said */
    bool summarises;     /* makes its own summary from the records */
    /* Of tools: the JSON schema of the arguments, as text. */
    const char *schema;
    /* Of agents: the same answer for the same request and seed. */
    bool seeds;
} plugin_declaration;

const char *plugin_kind_name(plugin_kind kind); /* "study", "scorer", "tool", "agent" */
/* Texts lie in `a`. `path` stands in messages. STATUS_UNSUPPORTED for another protocol, else STATUS_INVALID. */
status plugin_declaration_read(arena *a, const char *path, const json_t *hello, plugin_declaration *out, error *err);

#endif
