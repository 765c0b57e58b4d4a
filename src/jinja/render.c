/* Statements, and rendering as a whole. */
#include "jinja/scopes.h"

#include <string.h>

/* ---- scopes ---- */

status jinja_open_scope(jinja_run *r, jinja_scope *parent, jinja_scope **out)
{
    TRY(JINJA_NEW(r, out));
    (*out)->parent = parent;
    r->scope = *out;
    return STATUS_OK;
}

status jinja_bind_name(jinja_run *r, int name, jinja_value value)
{
    jinja_scope *s = r->scope;
    for (size_t i = 0; i < s->count; i++)
        if (s->names[i] == name) {
            s->values[i] = value;
            return STATUS_OK;
        }
    if (s->count == s->capacity) {
        size_t capacity = s->capacity ? 2 * s->capacity : 8;
        void *names, *values;
        TRY(jinja_alloc(r, capacity * sizeof *s->names, &names));
        TRY(jinja_alloc(r, capacity * sizeof *s->values, &values));
        if (s->count) {
            memcpy(names, s->names, s->count * sizeof *s->names);
            memcpy(values, s->values, s->count * sizeof *s->values);
        }
        s->names = names;
        s->values = values;
        s->capacity = capacity;
    }
    s->names[s->count] = name;
    s->values[s->count++] = value;
    return STATUS_OK;
}

static status assign_field(jinja_run *r, const jinja_node *target, jinja_value value)
{
    jinja_value owner;
    TRY(jinja_lookup(r, target->a->name, &owner));
    if (owner.kind != JINJA_NAMESPACE)
        return jinja_fail(r, "'" SLICE_FORMAT "' is no namespace: its attributes cannot be set", SLICE_ARGS(target->a->word));
    if (slice_starts(target->word, SLICE("_")))
        return jinja_fail(r, "a namespace cannot have a name that begins with '_'");
    const jinja_value *there = jinja_find_text(owner.dict, target->word);
    if (there) {
        *(jinja_value *)there = value;
        return STATUS_OK;
    }
    jinja_value key = jinja_text(r->arena, target->word, JINJA_TEMPLATE);
    if (key.kind == JINJA_ABSENT)
        return error_set(r->err, STATUS_MEMORY, "%s: out of memory", r->template->name);
    return jinja_store(r, owner.dict, key, value);
}

status jinja_assign(jinja_run *r, const jinja_node *target, jinja_value value)
{
    jinja_list *parts;
    if (target->kind == NODE_NAME)
        return jinja_bind_name(r, target->name, value);
    if (target->kind == NODE_ATTRIBUTE)
        return assign_field(r, target, value);
    TRY(jinja_items(r, value, &parts));
    if (parts->count != target->list.count)
        return jinja_fail(r, "%zu values cannot be taken apart into %zu names", parts->count, target->list.count);
    for (size_t i = 0; i < parts->count; i++)
        TRY(jinja_assign(r, target->list.items[i], parts->items[i]));
    return STATUS_OK;
}

/* ---- statements ---- */

static status execute_text(jinja_run *r, const jinja_node *n)
{
    jinja_write_string(r->out, n->value.string);
    return r->out->failed;
}

static status execute_print(jinja_run *r, const jinja_node *n)
{
    for (size_t i = 0; i < n->list.count; i++) {
        jinja_value v;
        TRY(jinja_evaluate(r, n->list.items[i], &v));
        jinja_write_value(r->out, v);
    }
    return r->out->failed;
}

static status execute_set(jinja_run *r, const jinja_node *n)
{
    jinja_value v;
    TRY(jinja_evaluate(r, n->b, &v));
    r->line = n->line;
    return jinja_assign(r, n->a, v);
}

/* Executes the body in a scope of its own, its text into *out. */
static status capture(jinja_run *r, const jinja_nodes *body, jinja_value *out)
{
    jinja_writer w = jinja_writer_new(r), *kept_out = r->out;
    jinja_scope *kept = r->scope, *own;
    TRY(jinja_open_scope(r, kept, &own));
    r->out = &w;
    TRY(jinja_execute(r, body));
    r->out = kept_out;
    r->scope = kept;
    return jinja_written(&w, out);
}

static status execute_set_block(jinja_run *r, const jinja_node *n)
{
    jinja_value v;
    TRY(capture(r, &n->body, &v));
    if (n->b)
        TRY(jinja_evaluate_filters(r, n->b, v, &v));
    r->line = n->line;
    return jinja_assign(r, n->a, v);
}

static status execute_filter_block(jinja_run *r, const jinja_node *n)
{
    jinja_value v;
    TRY(capture(r, &n->body, &v));
    TRY(jinja_evaluate_filters(r, n->b, v, &v));
    jinja_write_value(r->out, v);
    return r->out->failed;
}

static status execute_if(jinja_run *r, const jinja_node *n)
{
    for (;;) {
        jinja_value v;
        TRY(jinja_evaluate(r, n->a, &v));
        if (jinja_truth(v))
            return jinja_execute(r, &n->body);
        if (n->otherwise.count != 1 || n->otherwise.items[0]->kind != NODE_IF)
            return jinja_execute(r, &n->otherwise);
        n = n->otherwise.items[0];
    }
}

static status execute_with(jinja_run *r, const jinja_node *n)
{
    jinja_scope *kept = r->scope, *own;
    TRY(jinja_open_scope(r, kept, &own));
    for (size_t i = 0; i < n->list.count; i++) {
        jinja_value v;
        r->scope = kept;
        TRY(jinja_evaluate(r, n->more.items[i], &v));
        r->scope = own;
        TRY(jinja_assign(r, n->list.items[i], v));
    }
    r->scope = own;
    TRY(jinja_execute(r, &n->body));
    r->scope = kept;
    return STATUS_OK;
}

static status execute_generation(jinja_run *r, const jinja_node *n)
{
    jinja_scope *kept = r->scope, *own;
    size_t start = r->out->length;
    TRY(jinja_open_scope(r, kept, &own));
    TRY(jinja_execute(r, &n->body));
    jinja_mark_from(r->out, start, JINJA_MARK_GENERATION);
    r->scope = kept;
    return r->out->failed;
}

static status execute_flow(jinja_run *r, const jinja_node *n)
{
    r->flow = n->kind == NODE_BREAK ? FLOW_BREAK : FLOW_CONTINUE;
    return STATUS_OK;
}

status jinja_execute(jinja_run *r, const jinja_nodes *body)
{
    static status (*const executors[NODE_KIND_COUNT])(jinja_run *r, const jinja_node *n) = {
        [NODE_TEXT] = execute_text,           [NODE_PRINT] = execute_print,
        [NODE_SET] = execute_set,             [NODE_SET_BLOCK] = execute_set_block,
        [NODE_FOR] = jinja_execute_for,       [NODE_IF] = execute_if,
        [NODE_MACRO] = jinja_execute_macro,   [NODE_CALL_BLOCK] = jinja_execute_call,
        [NODE_FILTER_BLOCK] = execute_filter_block, [NODE_WITH] = execute_with,
        [NODE_GENERATION] = execute_generation, [NODE_BREAK] = execute_flow,
        [NODE_CONTINUE] = execute_flow,
    };
    if (++r->depth > JINJA_DEPTH)
        return jinja_fail(r, "the template is nested too deep");
    for (size_t i = 0; i < body->count && r->flow == FLOW_ON; i++) {
        r->line = body->items[i]->line;
        TRY(jinja_step(r, 1));
        TRY(executors[body->items[i]->kind](r, body->items[i]));
    }
    r->depth--;
    return STATUS_OK;
}

/* ---- rendering ---- */

/* The values of the template's names: what was given, then the functions. */
static status bind_variables(jinja_run *r, const jinja_dict *given)
{
    void *memory;
    TRY(jinja_alloc(r, r->template->word_count * sizeof *r->variables, &memory));
    r->variables = memory;
    for (size_t i = 0; i < r->template->word_count; i++) {
        slice word = r->template->words[i];
        const jinja_value *value = given ? jinja_find_text(given, word) : NULL;
        const jinja_native *function = jinja_global(word);
        r->variables[i] = (jinja_value){.kind = JINJA_ABSENT};
        if (value)
            r->variables[i] = *value;
        else if (function)
            TRY(jinja_bind(r, function, jinja_none(), &r->variables[i]));
    }
    return STATUS_OK;
}

static status find_generation(jinja_run *r, const jinja_writer *w, jinja_output *out)
{
    size_t count = 0;
    for (size_t i = 0; i < w->length; i++)
        count += (w->marks[i] & JINJA_MARK_GENERATION) && (i == 0 || !(w->marks[i - 1] & JINJA_MARK_GENERATION));
    void *memory;
    TRY(jinja_alloc(r, (count + 1) * sizeof *out->generation, &memory));
    out->generation = memory;
    for (size_t i = 0; i < w->length; i++) {
        if (!(w->marks[i] & JINJA_MARK_GENERATION))
            continue;
        size_t start = i;
        while (i < w->length && (w->marks[i] & JINJA_MARK_GENERATION))
            i++;
        out->generation[out->generation_count++] = (jinja_span){start, i};
    }
    return STATUS_OK;
}

static status finish(jinja_run *r, jinja_writer *w, jinja_output *out)
{
    TRY(w->failed);
    if (r->flow != FLOW_ON)
        return jinja_fail(r, "'break' or 'continue' outside of a loop");
    *out = (jinja_output){.text = {w->text ? w->text : "", w->length}};
    if (!w->marks)
        return STATUS_OK;
    TRY(find_generation(r, w, out));
    for (size_t i = 0; i < w->length; i++)
        w->marks[i] &= JINJA_MARK_DATA;
    out->data = w->marks;
    return STATUS_OK;
}

status jinja_render(const jinja_template *t, arena *a, const jinja_dict *variables, const jinja_settings *settings,
                    jinja_output *out, error *err)
{
    static const jinja_settings usual;
    if (!settings)
        settings = &usual;
    error unused;
    jinja_run r = {.arena = a, .template = t, .err = err ? err : &unused, .now = settings->now, .date_missing = settings->date_missing,
                   .steps_left = settings->steps ? settings->steps : JINJA_STEPS,
                   .memory_left = settings->memory ? settings->memory : JINJA_MEMORY,
                   .output_most = settings->output ? settings->output : JINJA_OUTPUT};
    jinja_writer w = jinja_writer_new(&r);
    jinja_scope *top;
    *out = (jinja_output){0};
    if (variables && variables->failed)
        return error_set(err, STATUS_MEMORY, "%s: out of memory for the template's variables", t->name);
    r.out = &w;
    TRY(bind_variables(&r, variables));
    TRY(jinja_open_scope(&r, NULL, &top));
    TRY(jinja_execute(&r, &t->body));
    return finish(&r, &w, out);
}
