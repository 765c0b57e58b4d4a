/* {% for %}, and what `loop` knows. Items come one by one, so that a condition sees what the body did before. */
#include "jinja/run.h"
#include "jinja/scopes.h"

typedef struct chooser {
    const jinja_node *node;
    jinja_scope *around;
} chooser;

/* The condition of a loop, with the target bound and nothing else of the loop. */
static status choose(jinja_run *r, void *context, jinja_value item, bool *holds)
{
    const chooser *c = context;
    jinja_scope *kept = r->scope, *own;
    jinja_value v;
    TRY(jinja_open_scope(r, c->around, &own));
    TRY(jinja_assign(r, c->node->a, item));
    TRY(jinja_evaluate(r, c->node->c, &v));
    *holds = jinja_truth(v);
    r->scope = kept;
    return STATUS_OK;
}

static status start(jinja_run *r, const jinja_node *n, jinja_value over, int64_t depth, jinja_loop **out)
{
    jinja_loop *loop;
    TRY(JINJA_NEW(r, &loop));
    *loop = (jinja_loop){.index = -1, .length = -1, .node = n->recursive ? n : NULL, .scope = r->scope, .depth = depth};
    TRY(jinja_iterate(r, over, &loop->items));
    loop->has_length = !n->c && jinja_has_length(over);
    if (loop->has_length) {
        size_t length;
        TRY(jinja_length(r, over, &length));
        loop->length = (int64_t)length;
    }
    if (n->c) {
        jinja_iterator *chosen;
        chooser *c;
        TRY(JINJA_NEW(r, &chosen));
        TRY(JINJA_NEW(r, &c));
        *c = (chooser){n, r->scope};
        chosen->inner = loop->items;
        chosen->test = choose;
        chosen->context = c;
        loop->items = chosen;
    }
    *out = loop;
    return STATUS_OK;
}

status jinja_loop_peek(jinja_run *r, jinja_loop *loop)
{
    bool more;
    if (loop->peeked)
        return STATUS_OK;
    TRY(jinja_next(r, loop->items, &loop->after, &more));
    loop->peeked = true;
    loop->at_end = !more;
    return STATUS_OK;
}

/* Where the length is not known all that is left is fetched. */
status jinja_loop_length(jinja_run *r, jinja_loop *loop, int64_t *length)
{
    if (loop->length < 0) {
        jinja_list *rest;
        jinja_iterator *it;
        bool more = true;
        TRY(jinja_make_list(r, &rest));
        while (more) {
            jinja_value item;
            TRY(jinja_next(r, loop->items, &item, &more));
            if (more)
                TRY(jinja_push(r, rest, item));
        }
        TRY(jinja_iterate(r, jinja_list_value(rest, JINJA_LIST), &it));
        loop->items = it;
        loop->length = (int64_t)rest->count + loop->index + 1 + (loop->peeked && !loop->at_end);
    }
    *length = loop->length;
    return STATUS_OK;
}

static status advance(jinja_run *r, jinja_loop *loop, bool *more)
{
    TRY(jinja_loop_peek(r, loop));
    loop->peeked = false;
    *more = !loop->at_end;
    if (*more) {
        loop->index++;
        loop->before = loop->current;
        loop->current = loop->after;
    }
    return STATUS_OK;
}

/* One pass; `scope` is used again unless a macro keeps it. */
static status pass(jinja_run *r, const jinja_node *n, jinja_loop *loop, jinja_scope **scope)
{
    if (!*scope || (*scope)->kept)
        TRY(jinja_open_scope(r, loop->scope, scope));
    (*scope)->count = 0;
    r->scope = *scope;
    TRY(jinja_bind_name(r, NAME_LOOP, (jinja_value){.kind = JINJA_LOOP, .loop = loop}));
    TRY(jinja_assign(r, n->a, loop->current));
    return jinja_execute(r, &n->body);
}

static status run_loop(jinja_run *r, const jinja_node *n, jinja_value over, int64_t depth)
{
    jinja_scope *kept = r->scope, *scope = NULL;
    jinja_loop *loop;
    TRY(start(r, n, over, depth, &loop));
    for (bool more = true; more;) {
        r->line = n->line;
        r->scope = kept;
        TRY(advance(r, loop, &more));
        if (!more)
            break;
        TRY(pass(r, n, loop, &scope));
        more = r->flow != FLOW_BREAK;
        r->flow = FLOW_ON;
    }
    if (loop->index < 0 && n->otherwise.count) {
        TRY(jinja_open_scope(r, kept, &scope));
        TRY(jinja_execute(r, &n->otherwise));
    }
    r->scope = kept;
    return STATUS_OK;
}

status jinja_execute_for(jinja_run *r, const jinja_node *n)
{
    jinja_value over;
    TRY(jinja_evaluate(r, n->b, &over));
    return run_loop(r, n, over, 0);
}

status jinja_recurse(jinja_run *r, jinja_loop *loop, jinja_value items, jinja_value *out)
{
    if (!loop->node)
        return jinja_fail(r, "loop() can be called in a loop marked 'recursive' alone");
    if (++r->depth > JINJA_DEPTH)
        return jinja_fail(r, "the template is nested too deep");
    jinja_writer w = jinja_writer_new(r), *kept_out = r->out;
    jinja_scope *kept = r->scope;
    r->out = &w;
    r->scope = loop->scope;
    status result = run_loop(r, loop->node, items, loop->depth + 1);
    r->out = kept_out;
    r->scope = kept;
    r->depth--;
    TRY(result);
    return jinja_written(&w, out);
}

/* ---- what loop knows ---- */

static status get_length(jinja_run *r, jinja_loop *loop, jinja_value *out)
{
    int64_t length;
    TRY(jinja_loop_length(r, loop, &length));
    *out = jinja_int(length);
    return STATUS_OK;
}

static status get_revindex(jinja_run *r, jinja_loop *loop, jinja_value *out)
{
    TRY(get_length(r, loop, out));
    out->integer -= loop->index;
    return STATUS_OK;
}

static status get_revindex0(jinja_run *r, jinja_loop *loop, jinja_value *out)
{
    TRY(get_length(r, loop, out));
    out->integer -= loop->index + 1;
    return STATUS_OK;
}

static status get_last(jinja_run *r, jinja_loop *loop, jinja_value *out)
{
    TRY(jinja_loop_peek(r, loop));
    *out = jinja_bool(loop->at_end);
    return STATUS_OK;
}

static status get_previous(jinja_run *r, jinja_loop *loop, jinja_value *out)
{
    *out = loop->before;
    return loop->index > 0 ? STATUS_OK : jinja_undefined_hint(r, "there is no previous item", out);
}

static status get_next(jinja_run *r, jinja_loop *loop, jinja_value *out)
{
    TRY(jinja_loop_peek(r, loop));
    *out = loop->after;
    return loop->at_end ? jinja_undefined_hint(r, "there is no next item", out) : STATUS_OK;
}

static status get_index(jinja_run *r, jinja_loop *loop, jinja_value *out)
{
    (void)r;
    *out = jinja_int(loop->index + 1);
    return STATUS_OK;
}

static status get_index0(jinja_run *r, jinja_loop *loop, jinja_value *out)
{
    (void)r;
    *out = jinja_int(loop->index);
    return STATUS_OK;
}

static status get_first(jinja_run *r, jinja_loop *loop, jinja_value *out)
{
    (void)r;
    *out = jinja_bool(loop->index == 0);
    return STATUS_OK;
}

static status get_depth(jinja_run *r, jinja_loop *loop, jinja_value *out)
{
    (void)r;
    *out = jinja_int(loop->depth + 1);
    return STATUS_OK;
}

static status get_depth0(jinja_run *r, jinja_loop *loop, jinja_value *out)
{
    (void)r;
    *out = jinja_int(loop->depth);
    return STATUS_OK;
}

status jinja_loop_attribute(jinja_run *r, jinja_loop *loop, slice name, jinja_value *out, bool *found)
{
    static const struct {
        const char *name;
        status (*get)(jinja_run *r, jinja_loop *loop, jinja_value *out);
    } attributes[] = {
        {"index", get_index},       {"index0", get_index0},     {"first", get_first},        {"last", get_last},
        {"length", get_length},     {"revindex", get_revindex}, {"revindex0", get_revindex0}, {"previtem", get_previous},
        {"nextitem", get_next},     {"depth", get_depth},       {"depth0", get_depth0},
    };
    for (size_t i = 0; i < COUNT_OF(attributes); i++)
        if (slice_is(name, attributes[i].name)) {
            *found = true;
            return attributes[i].get(r, loop, out);
        }
    *found = false;
    return STATUS_OK;
}

static status run_cycle(jinja_run *r, jinja_value self, const jinja_value *args, const jinja_call *call, jinja_value *out)
{
    (void)args;
    if (call->count == 0)
        return jinja_fail(r, "loop.cycle() wants at least one item");
    *out = call->positional[(size_t)self.loop->index % call->count];
    return STATUS_OK;
}

static status run_changed(jinja_run *r, jinja_value self, const jinja_value *args, const jinja_call *call, jinja_value *out)
{
    (void)args;
    jinja_list *now;
    bool same = false;
    TRY(jinja_make_list(r, &now));
    for (size_t i = 0; i < call->count; i++)
        TRY(jinja_push(r, now, call->positional[i]));
    if (self.loop->changed)
        TRY(jinja_equal(r, jinja_list_value(self.loop->changed, JINJA_TUPLE), jinja_list_value(now, JINJA_TUPLE), &same));
    self.loop->changed = now;
    *out = jinja_bool(!same);
    return STATUS_OK;
}

const jinja_native jinja_loop_methods[] = {{"cycle", NULL, 0, run_cycle}, {"changed", NULL, 0, run_changed}, {0}};
