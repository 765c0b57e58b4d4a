/* Macros and call blocks. A macro's body sees the scope where it was defined, as it is when the macro is called. */
#include "jinja/scopes.h"

#include <string.h>

static status make_macro(jinja_run *r, const jinja_node *n, const char *name, jinja_value *out)
{
    jinja_macro *macro;
    TRY(JINJA_NEW(r, &macro));
    *macro = (jinja_macro){.name = name, .node = n, .scope = r->scope};
    for (jinja_scope *s = r->scope; s && !s->kept; s = s->parent)
        s->kept = true;
    *out = (jinja_value){.kind = JINJA_MACRO, .macro = macro};
    return STATUS_OK;
}

status jinja_execute_macro(jinja_run *r, const jinja_node *n)
{
    jinja_value macro;
    char *name = slice_copy(r->arena, n->word);
    if (!name)
        return error_set(r->err, STATUS_MEMORY, "%s: out of memory", r->template->name);
    TRY(make_macro(r, n, name, &macro));
    return jinja_bind_name(r, n->name, macro);
}

static const jinja_value *named(const jinja_call *call, slice word, size_t *at)
{
    for (*at = 0; *at < call->named_count; (*at)++)
        if (slice_equal(call->names[*at], word))
            return &call->named[*at];
    return NULL;
}

/* Names without a parameter: of `kwargs`, or an error. */
static status bind_rest(jinja_run *r, const jinja_macro *macro, const jinja_call *call, const bool *used)
{
    const jinja_parameters *p = macro->node->parameters;
    jinja_dict *kwargs;
    jinja_list *varargs;
    TRY(jinja_make_dict(r, &kwargs));
    TRY(jinja_make_list(r, &varargs));
    for (size_t i = 0; i < call->named_count; i++) {
        if (used[i])
            continue;
        if (!p->uses_kwargs)
            return jinja_fail(r, "the macro '%s' has no parameter '%.*s', or got it twice", macro->name ? macro->name : "caller",
                              (int)(call->names[i].length < 60 ? call->names[i].length : 60), call->names[i].text);
        jinja_value key = jinja_text(r->arena, call->names[i], JINJA_TEMPLATE);
        if (key.kind == JINJA_ABSENT)
            return error_set(r->err, STATUS_MEMORY, "%s: out of memory", r->template->name);
        TRY(jinja_store(r, kwargs, key, call->named[i]));
    }
    if (call->count > p->count && !p->uses_varargs)
        return jinja_fail(r, "the macro '%s' takes at most %zu arguments; %zu were given", macro->name ? macro->name : "caller",
                          p->count, call->count);
    for (size_t i = p->count; i < call->count; i++)
        TRY(jinja_push(r, varargs, call->positional[i]));
    if (p->uses_kwargs)
        TRY(jinja_bind_name(r, NAME_KWARGS, jinja_of_dict(kwargs)));
    return p->uses_varargs ? jinja_bind_name(r, NAME_VARARGS, jinja_list_value(varargs, JINJA_TUPLE)) : STATUS_OK;
}

/* Parameters in order: given, by name, default (which sees the parameters before it), undefined. */
static status bind_parameters(jinja_run *r, const jinja_macro *macro, const jinja_call *call)
{
    const jinja_parameters *p = macro->node->parameters;
    void *memory;
    size_t at;
    TRY(jinja_alloc(r, call->named_count + 1, &memory));
    bool *used = memory;
    for (size_t i = 0; i < p->count; i++) {
        const jinja_value *given = i < call->count ? &call->positional[i] : named(call, p->words[i], &at);
        jinja_value v;
        if (given && i >= call->count)
            used[at] = true;
        if (given)
            v = *given;
        else if (p->defaults[i])
            TRY(jinja_evaluate(r, p->defaults[i], &v));
        else
            TRY(jinja_undefined_hint(r, arena_printf(r->arena, "parameter '" SLICE_FORMAT "' was not provided",
                                                     SLICE_ARGS(p->words[i])), &v));
        TRY(jinja_bind_name(r, p->names[i], v));
    }
    if (p->uses_caller && !p->explicit_caller) {
        jinja_value caller;
        const jinja_value *given = named(call, SLICE("caller"), &at);
        if (given)
            used[at] = true;
        if (given && given->kind != JINJA_NONE)
            caller = *given;
        else
            TRY(jinja_undefined_hint(r, "No caller defined", &caller));
        TRY(jinja_bind_name(r, NAME_CALLER, caller));
    }
    return bind_rest(r, macro, call, used);
}

static status run_macro(jinja_run *r, const jinja_macro *macro, const jinja_call *call)
{
    jinja_scope *own;
    TRY(jinja_open_scope(r, macro->scope, &own));
    TRY(bind_parameters(r, macro, call));
    TRY(jinja_execute(r, &macro->node->body));
    return r->flow == FLOW_ON ? STATUS_OK : jinja_fail(r, "'break' or 'continue' outside of a loop");
}

status jinja_call_macro(jinja_run *r, const jinja_macro *macro, const jinja_call *call, jinja_value *out)
{
    if (++r->depth > JINJA_DEPTH)
        return jinja_fail(r, "the template is nested too deep");
    jinja_writer w = jinja_writer_new(r), *kept_out = r->out;
    jinja_scope *kept = r->scope;
    r->out = &w;
    status result = run_macro(r, macro, call);
    r->out = kept_out;
    r->scope = kept;
    r->depth--;
    TRY(result);
    return jinja_written(&w, out);
}

/* {% call m(...) %}: m with one more argument, `caller`, that gives what is in the block. */
status jinja_execute_call(jinja_run *r, const jinja_node *n)
{
    jinja_value callee, caller, result;
    jinja_call call;
    void *names, *values;
    TRY(make_macro(r, n, NULL, &caller));
    TRY(jinja_evaluate(r, n->a->a, &callee));
    TRY(jinja_arguments_of(r, n->a->arguments, &call));
    TRY(jinja_alloc(r, (call.named_count + 1) * sizeof(slice), &names));
    TRY(jinja_alloc(r, (call.named_count + 1) * sizeof(jinja_value), &values));
    if (call.named_count) {
        memcpy(names, call.names, call.named_count * sizeof(slice));
        memcpy(values, call.named, call.named_count * sizeof(jinja_value));
    }
    ((slice *)names)[call.named_count] = SLICE("caller");
    ((jinja_value *)values)[call.named_count] = caller;
    call.names = names;
    call.named = values;
    call.named_count++;
    TRY(jinja_call_value(r, callee, &call, &result));
    jinja_write_value(r->out, result);
    return r->out->failed;
}
