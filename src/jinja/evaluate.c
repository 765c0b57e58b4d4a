/* Expressions. Each kind of node has its function, so that evaluating nests small frames. */
#include "jinja/run.h"

#include <string.h>

typedef status evaluator(jinja_run *r, const jinja_node *n, jinja_value *out);

static status eval_constant(jinja_run *r, const jinja_node *n, jinja_value *out)
{
    (void)r;
    *out = n->value;
    return STATUS_OK;
}

status jinja_lookup(jinja_run *r, int name, jinja_value *out)
{
    for (const jinja_scope *s = r->scope; s; s = s->parent) {
        TRY(jinja_step(r, 1));
        for (size_t i = s->count; i-- > 0;)
            if (s->names[i] == name) {
                *out = s->values[i];
                return STATUS_OK;
            }
    }
    *out = r->variables[name];
    if (out->kind != JINJA_ABSENT)
        return STATUS_OK;
    jinja_missing *missing;
    jinja_string *s;
    TRY(JINJA_NEW(r, &missing));
    TRY(JINJA_NEW(r, &s));
    slice word = r->template->words[name];
    *s = (jinja_string){.text = word.text, .length = word.length, .points = jinja_points(word)};
    missing->name = (jinja_value){.kind = JINJA_STRING, .string = s};
    *out = (jinja_value){.kind = JINJA_UNDEFINED, .missing = missing};
    return STATUS_OK;
}

static status eval_name(jinja_run *r, const jinja_node *n, jinja_value *out)
{
    return jinja_lookup(r, n->name, out);
}

static status eval_list(jinja_run *r, const jinja_node *n, jinja_value *out)
{
    jinja_list *list;
    TRY(jinja_make_list(r, &list));
    for (size_t i = 0; i < n->list.count; i++) {
        TRY(jinja_evaluate(r, n->list.items[i], out));
        TRY(jinja_push(r, list, *out));
    }
    *out = jinja_list_value(list, n->kind == NODE_TUPLE ? JINJA_TUPLE : JINJA_LIST);
    return STATUS_OK;
}

static status eval_dict(jinja_run *r, const jinja_node *n, jinja_value *out)
{
    jinja_dict *dict;
    TRY(jinja_make_dict(r, &dict));
    for (size_t i = 0; i < n->list.count; i++) {
        jinja_value key;
        TRY(jinja_evaluate(r, n->list.items[i], &key));
        TRY(jinja_evaluate(r, n->more.items[i], out));
        TRY(jinja_store(r, dict, key, *out));
    }
    *out = jinja_of_dict(dict);
    return STATUS_OK;
}

static status eval_arithmetic(jinja_run *r, const jinja_node *n, jinja_value *out)
{
    jinja_value left, right;
    TRY(jinja_evaluate(r, n->a, &left));
    TRY(jinja_evaluate(r, n->b, &right));
    r->line = n->line;
    return jinja_arithmetic(r, n->operator, left, right, out);
}

static status eval_sign(jinja_run *r, const jinja_node *n, jinja_value *out)
{
    jinja_value v;
    TRY(jinja_evaluate(r, n->a, &v));
    return jinja_negate(r, v, n->kind == NODE_NEGATE, out);
}

static status eval_not(jinja_run *r, const jinja_node *n, jinja_value *out)
{
    TRY(jinja_evaluate(r, n->a, out));
    *out = jinja_bool(!jinja_truth(*out));
    return STATUS_OK;
}

/* `and`, `or`: the first operand that decides, itself. */
static status eval_words(jinja_run *r, const jinja_node *n, jinja_value *out)
{
    for (size_t i = 0; i < n->list.count; i++) {
        TRY(jinja_evaluate(r, n->list.items[i], out));
        if (jinja_truth(*out) == (n->kind == NODE_OR))
            break;
    }
    return STATUS_OK;
}

static status compare(jinja_run *r, jinja_compare which, jinja_value a, jinja_value b, bool *holds)
{
    bool equal;
    switch (which) {
    case COMPARE_EQ:
    case COMPARE_NE:
        TRY(jinja_equal(r, a, b, holds));
        *holds = *holds == (which == COMPARE_EQ);
        return STATUS_OK;
    case COMPARE_IN:
    case COMPARE_NOT_IN:
        TRY(jinja_contains(r, b, a, holds));
        *holds = *holds == (which == COMPARE_IN);
        return STATUS_OK;
    default:
        break;
    }
    bool less = which == COMPARE_LT || which == COMPARE_LE, or_equal = which == COMPARE_LE || which == COMPARE_GE;
    const char *sign = less ? or_equal ? "<=" : "<" : or_equal ? ">=" : ">";
    TRY(less ? jinja_less(r, a, b, sign, holds) : jinja_less(r, b, a, sign, holds));
    if (or_equal && !*holds) {
        TRY(jinja_equal(r, a, b, &equal));
        *holds = equal;
    }
    return STATUS_OK;
}

static status eval_compare(jinja_run *r, const jinja_node *n, jinja_value *out)
{
    jinja_value left, right;
    bool holds = true;
    TRY(jinja_evaluate(r, n->a, &left));
    for (size_t i = 0; i < n->list.count && holds; i++) {
        TRY(jinja_evaluate(r, n->list.items[i], &right));
        r->line = n->line;
        TRY(compare(r, n->compare[i], left, right, &holds));
        left = right;
    }
    *out = jinja_bool(holds);
    return STATUS_OK;
}

static status eval_concat(jinja_run *r, const jinja_node *n, jinja_value *out)
{
    jinja_writer w = jinja_writer_new(r);
    for (size_t i = 0; i < n->list.count; i++) {
        TRY(jinja_evaluate(r, n->list.items[i], out));
        jinja_write_value(&w, *out);
    }
    return jinja_written(&w, out);
}

static status eval_condition(jinja_run *r, const jinja_node *n, jinja_value *out)
{
    TRY(jinja_evaluate(r, n->a, out));
    if (jinja_truth(*out))
        return jinja_evaluate(r, n->b, out);
    if (n->c)
        return jinja_evaluate(r, n->c, out);
    return jinja_undefined_hint(r, "an if without else in an expression was false, and its value is used", out);
}

static status eval_attribute(jinja_run *r, const jinja_node *n, jinja_value *out)
{
    jinja_value v;
    TRY(jinja_evaluate(r, n->a, &v));
    r->line = n->line;
    return jinja_attribute(r, v, n->word, out);
}

static status eval_item(jinja_run *r, const jinja_node *n, jinja_value *out)
{
    jinja_value v, key;
    TRY(jinja_evaluate(r, n->a, &v));
    TRY(jinja_evaluate(r, n->b, &key));
    r->line = n->line;
    return jinja_item(r, v, key, out);
}

static status eval_slice(jinja_run *r, const jinja_node *n, jinja_value *out)
{
    jinja_value v, bounds[3];
    TRY(jinja_evaluate(r, n->a, &v));
    for (int i = 0; i < 3; i++) {
        bounds[i] = (jinja_value){.kind = JINJA_ABSENT};
        if (n->list.items[i])
            TRY(jinja_evaluate(r, n->list.items[i], &bounds[i]));
    }
    r->line = n->line;
    return jinja_cut(r, v, bounds, out);
}

/* *args and **kwargs behind the plain ones. */
static status add_stars(jinja_run *r, const jinja_arguments *all, jinja_list *positional, jinja_dict *named)
{
    jinja_value v;
    if (all->star) {
        jinja_list *more;
        TRY(jinja_evaluate(r, all->star, &v));
        TRY(jinja_items(r, v, &more));
        for (size_t i = 0; i < more->count; i++)
            TRY(jinja_push(r, positional, more->items[i]));
    }
    if (all->stars) {
        TRY(jinja_evaluate(r, all->stars, &v));
        if (v.kind != JINJA_DICT)
            return jinja_fail(r, "** in a call wants a dict, not %s", jinja_type_name(v));
        for (size_t i = 0; i < v.dict->count; i++) {
            if (v.dict->keys[i].kind != JINJA_STRING)
                return jinja_fail(r, "** in a call wants strings as keys");
            TRY(jinja_store(r, named, v.dict->keys[i], v.dict->values[i]));
        }
    }
    return STATUS_OK;
}

status jinja_arguments_of(jinja_run *r, const jinja_arguments *all, jinja_call *out)
{
    jinja_list *positional;
    jinja_dict *named;
    jinja_value v;
    *out = (jinja_call){0};
    if (!all->positional.count && !all->named.count && !all->star && !all->stars)
        return STATUS_OK;
    TRY(jinja_make_list(r, &positional));
    TRY(jinja_make_dict(r, &named));
    for (size_t i = 0; i < all->positional.count; i++) {
        TRY(jinja_evaluate(r, all->positional.items[i], &v));
        TRY(jinja_push(r, positional, v));
    }
    void *names;
    TRY(jinja_alloc(r, (all->named.count + 1) * sizeof(slice), &names));
    for (size_t i = 0; i < all->named.count; i++) {
        jinja_string *s;
        TRY(jinja_evaluate(r, all->named.items[i], &v));
        TRY(JINJA_NEW(r, &s));
        *s = (jinja_string){.text = all->names[i].text, .length = all->names[i].length, .points = all->names[i].length};
        TRY(jinja_store(r, named, (jinja_value){.kind = JINJA_STRING, .string = s}, v));
        ((slice *)names)[i] = all->names[i];
    }
    if (named->count < all->named.count)
        return jinja_fail(r, "a call names an argument twice");
    TRY(add_stars(r, all, positional, named));
    if (named->count > all->named.count) {
        TRY(jinja_alloc(r, named->count * sizeof(slice), &names));
        for (size_t i = 0; i < named->count; i++)
            ((slice *)names)[i] = jinja_slice(named->keys[i]);
    }
    *out = (jinja_call){.positional = positional->items, .count = positional->count, .names = names,
                        .named = named->values, .named_count = named->count};
    return STATUS_OK;
}

static status eval_call(jinja_run *r, const jinja_node *n, jinja_value *out)
{
    jinja_value callee;
    jinja_call call;
    TRY(jinja_evaluate(r, n->a, &callee));
    TRY(jinja_arguments_of(r, n->arguments, &call));
    r->line = n->line;
    return jinja_call_value(r, callee, &call, out);
}

static status unknown(jinja_run *r, const jinja_node *n, const char *what)
{
    return jinja_fail(r, "no %s is named '%.*s'", what, (int)(n->word.length < 60 ? n->word.length : 60), n->word.text);
}

static status apply_filter(jinja_run *r, const jinja_node *n, jinja_value base, jinja_value *out)
{
    jinja_call call;
    r->line = n->line;
    if (!n->native)
        return unknown(r, n, "filter");
    TRY(jinja_arguments_of(r, n->arguments, &call));
    r->line = n->line;
    return jinja_call_native(r, n->native, "the filter", base, &call, out);
}

static status eval_filter(jinja_run *r, const jinja_node *n, jinja_value *out)
{
    jinja_value base;
    TRY(jinja_evaluate(r, n->a, &base));
    return apply_filter(r, n, base, out);
}

status jinja_evaluate_filters(jinja_run *r, const jinja_node *n, jinja_value base, jinja_value *out)
{
    if (++r->depth > JINJA_DEPTH)
        return jinja_fail(r, "the template is nested too deep");
    if (n->a)
        TRY(jinja_evaluate_filters(r, n->a, base, &base));
    r->depth--;
    return apply_filter(r, n, base, out);
}

static status eval_test(jinja_run *r, const jinja_node *n, jinja_value *out)
{
    jinja_value v;
    jinja_call call;
    TRY(jinja_evaluate(r, n->a, &v));
    if (!n->native)
        return unknown(r, n, "test");
    TRY(jinja_arguments_of(r, n->arguments, &call));
    r->line = n->line;
    return jinja_call_native(r, n->native, "the test", v, &call, out);
}

status jinja_evaluate(jinja_run *r, const jinja_node *n, jinja_value *out)
{
    static evaluator *const evaluators[NODE_KIND_COUNT] = {
        [NODE_CONSTANT] = eval_constant, [NODE_NAME] = eval_name,           [NODE_TUPLE] = eval_list,
        [NODE_LIST] = eval_list,         [NODE_DICT] = eval_dict,           [NODE_ARITHMETIC] = eval_arithmetic,
        [NODE_NEGATE] = eval_sign,       [NODE_POSITIVE] = eval_sign,       [NODE_NOT] = eval_not,
        [NODE_AND] = eval_words,         [NODE_OR] = eval_words,            [NODE_COMPARE] = eval_compare,
        [NODE_CONCAT] = eval_concat,     [NODE_CONDITION] = eval_condition, [NODE_ATTRIBUTE] = eval_attribute,
        [NODE_ITEM] = eval_item,         [NODE_SLICE] = eval_slice,         [NODE_CALL] = eval_call,
        [NODE_FILTER] = eval_filter,     [NODE_TEST] = eval_test,
    };
    r->line = n->line;
    if (++r->depth > JINJA_DEPTH)
        return jinja_fail(r, "the template is nested too deep");
    TRY(jinja_step(r, 1));
    status result = evaluators[n->kind](r, n, out);
    r->depth--;
    return result;
}
