/* scopes.h - binding names, and the statements that live in files of their own (private to src/jinja). */
#ifndef ASSAY_JINJA_SCOPES_H
#define ASSAY_JINJA_SCOPES_H

#include "jinja/run.h"

/* A new scope within `parent`, which becomes the current one. */
status jinja_open_scope(jinja_run *r, jinja_scope *parent, jinja_scope **out);
/* Binds in the current scope. */
status jinja_bind_name(jinja_run *r, int name, jinja_value value);
/* Assigns to a name, a namespace's field, or several at once. */
status jinja_assign(jinja_run *r, const jinja_node *target, jinja_value value);

status jinja_execute_for(jinja_run *r, const jinja_node *n);
status jinja_execute_macro(jinja_run *r, const jinja_node *n);
status jinja_execute_call(jinja_run *r, const jinja_node *n);

#endif
