/* What stands behind a value: .x [x] (x), |filter and `is test`. */
#include "jinja/program.h"

#include <string.h>

static status new_arguments(jinja_parser *p, jinja_arguments **out)
{
    *out = ARENA_NEW(p->arena, jinja_arguments);
    return *out ? STATUS_OK : jinja_out_of_memory(p);
}

static status add_named(jinja_parser *p, jinja_arguments *all)
{
    size_t n = all->named.count;
    slice word = jinja_peek(p, 0)->text;
    jinja_node *value;
    p->at += 2;
    TRY(jinja_parse_expression(p, true, &value));
    all->names = arena_regrow(p->arena, all->names, n, n + 1, sizeof *all->names);
    if (!all->names)
        return jinja_out_of_memory(p);
    all->names[n] = word;
    return jinja_add_node(p, &all->named, value);
}

/* (a, b, name=c, *d, **e) */
static status parse_arguments(jinja_parser *p, jinja_arguments **out)
{
    TRY(new_arguments(p, out));
    jinja_arguments *all = *out;
    int line = jinja_peek(p, 0)->line;
    TRY(jinja_expect_sign(p, "("));
    for (bool first = true; !jinja_skip_sign(p, ")"); first = false) {
        bool wrong = false;
        jinja_node *value;
        if (!first) {
            TRY(jinja_expect_sign(p, ","));
            if (jinja_skip_sign(p, ")"))
                break;
        }
        const jinja_token *behind = jinja_peek(p, 1);
        if (jinja_skip_sign(p, "*")) {
            wrong = all->star || all->stars;
            TRY(jinja_parse_expression(p, true, &all->star));
        } else if (jinja_skip_sign(p, "**")) {
            wrong = all->stars != NULL;
            TRY(jinja_parse_expression(p, true, &all->stars));
        } else if (jinja_peek(p, 0)->kind == TOKEN_WORD && behind->kind == TOKEN_SIGN && slice_is(behind->text, "=")) {
            wrong = all->stars != NULL;
            TRY(add_named(p, all));
        } else {
            wrong = all->star || all->stars || all->named.count;
            TRY(jinja_parse_expression(p, true, &value));
            TRY(jinja_add_node(p, &all->positional, value));
        }
        if (wrong || all->named.count + all->positional.count > 200)
            return jinja_parse_error(p, line, "the arguments of this call are in no valid order, or too many");
    }
    return STATUS_OK;
}

/* What stands between [ and ]: an index or start:stop:step. */
static status parse_subscript(jinja_parser *p, jinja_node *base, int line, jinja_node **out)
{
    jinja_node *parts[3] = {NULL, NULL, NULL};
    if (!jinja_at_sign(p, ":"))
        TRY(jinja_parse_expression(p, true, &parts[0]));
    bool cut = jinja_at_sign(p, ":");
    for (int i = 1; i < 3 && jinja_skip_sign(p, ":"); i++)
        if (!jinja_at_sign(p, ":") && !jinja_at_sign(p, "]") && !jinja_at_sign(p, ","))
            TRY(jinja_parse_expression(p, true, &parts[i]));
    TRY(jinja_new_node(p, cut ? NODE_SLICE : NODE_ITEM, line, out));
    (*out)->a = base;
    (*out)->b = cut ? NULL : parts[0];
    for (int i = 0; cut && i < 3; i++)
        TRY(jinja_add_node(p, &(*out)->list, parts[i]));
    return STATUS_OK;
}

static status parse_brackets(jinja_parser *p, jinja_node *base, int line, jinja_node **out)
{
    if (jinja_at_sign(p, "]"))
        return jinja_parse_error(p, line, "expected an index between [ and ]");
    TRY(parse_subscript(p, base, line, out));
    if (jinja_at_sign(p, ",") && (*out)->kind == NODE_ITEM) { /* x[a, b]: a tuple as key */
        jinja_node *tuple;
        TRY(jinja_new_node(p, NODE_TUPLE, line, &tuple));
        TRY(jinja_add_node(p, &tuple->list, (*out)->b));
        while (jinja_skip_sign(p, ",")) {
            jinja_node *item;
            TRY(jinja_parse_expression(p, true, &item));
            TRY(jinja_add_node(p, &tuple->list, item));
        }
        (*out)->b = tuple;
    }
    return jinja_expect_sign(p, "]");
}

static status parse_dot(jinja_parser *p, jinja_node *base, int line, jinja_node **out)
{
    const jinja_token *t = jinja_peek(p, 0);
    if (t->kind == TOKEN_INTEGER) {
        p->at++;
        TRY(jinja_new_node(p, NODE_ITEM, line, out));
        (*out)->a = base;
        TRY(jinja_new_node(p, NODE_CONSTANT, line, &(*out)->b));
        (*out)->b->value = t->value;
        return STATUS_OK;
    }
    TRY(jinja_new_node(p, NODE_ATTRIBUTE, line, out));
    (*out)->a = base;
    return jinja_expect_word(p, &(*out)->word);
}

static status parse_call(jinja_parser *p, jinja_node *base, int line, jinja_node **out)
{
    TRY(jinja_new_node(p, NODE_CALL, line, out));
    (*out)->a = base;
    return parse_arguments(p, &(*out)->arguments);
}

/* Evaluating a chain is as deep as it is long. */
status jinja_chain_link(jinja_parser *p, int *links)
{
    if (++*links > JINJA_LINKS)
        return jinja_parse_error(p, jinja_peek(p, 0)->line, "an expression chains more than %d parts", JINJA_LINKS);
    return STATUS_OK;
}

status jinja_parse_postfix(jinja_parser *p, jinja_node **node)
{
    for (int links = 0;;) {
        int line = jinja_peek(p, 0)->line;
        jinja_node *next;
        if (jinja_skip_sign(p, "."))
            TRY(parse_dot(p, *node, line, &next));
        else if (jinja_skip_sign(p, "["))
            TRY(parse_brackets(p, *node, line, &next));
        else if (jinja_at_sign(p, "("))
            TRY(parse_call(p, *node, line, &next));
        else
            return STATUS_OK;
        *node = next;
        TRY(jinja_chain_link(p, &links));
    }
}

static status parse_dotted(jinja_parser *p, slice *name)
{
    TRY(jinja_expect_word(p, name));
    if (!jinja_at_sign(p, "."))
        return STATUS_OK;
    return jinja_parse_error(p, jinja_peek(p, 0)->line, "unknown filter or test '%.*s...'", (int)name->length, name->text);
}

static status find_filter(jinja_parser *p, jinja_node *node)
{
    node->native = jinja_filter(node->word);
    if (!node->native && jinja_filter_left_out(node->word))
        return error_set(p->err, STATUS_UNSUPPORTED, "%s:%d: the filter '%.*s' is not supported", p->template->name,
                         node->line, SLICE_ARGS(node->word));
    if (!node->native && !p->conditional)
        return jinja_parse_error(p, node->line, "no filter is named '%.*s'",
                                 (int)(node->word.length < 60 ? node->word.length : 60), node->word.text);
    return STATUS_OK;
}

status jinja_parse_filters(jinja_parser *p, jinja_node *base, bool started, jinja_node **out)
{
    *out = base;
    for (int links = 0; started || jinja_skip_sign(p, "|"); started = false) {
        jinja_node *node;
        TRY(jinja_new_node(p, NODE_FILTER, jinja_peek(p, 0)->line, &node));
        TRY(parse_dotted(p, &node->word));
        TRY(find_filter(p, node));
        if (jinja_at_sign(p, "("))
            TRY(parse_arguments(p, &node->arguments));
        else
            TRY(new_arguments(p, &node->arguments));
        node->a = *out;
        *out = node;
        TRY(jinja_chain_link(p, &links));
    }
    return STATUS_OK;
}

/* Whether an argument without parentheses follows: x is divisibleby 3. */
static bool at_bare_argument(const jinja_parser *p)
{
    const jinja_token *t = jinja_peek(p, 0);
    if (t->kind == TOKEN_WORD)
        return !jinja_at_word(p, "else") && !jinja_at_word(p, "or") && !jinja_at_word(p, "and");
    return t->kind == TOKEN_STRING || t->kind == TOKEN_INTEGER || t->kind == TOKEN_FLOAT || jinja_at_sign(p, "[") ||
           jinja_at_sign(p, "{");
}

static status parse_test(jinja_parser *p, jinja_node *base, jinja_node **out)
{
    int line = jinja_peek(p, 0)->line;
    bool negated = jinja_skip_word(p, "not");
    jinja_node *node, *argument;
    TRY(jinja_new_node(p, NODE_TEST, line, &node));
    TRY(parse_dotted(p, &node->word));
    node->a = base;
    node->native = jinja_test(node->word);
    if (!node->native && !p->conditional)
        return jinja_parse_error(p, line, "no test is named '%.*s'",
                                 (int)(node->word.length < 60 ? node->word.length : 60), node->word.text);
    if (jinja_at_sign(p, "(")) {
        TRY(parse_arguments(p, &node->arguments));
    } else {
        TRY(new_arguments(p, &node->arguments));
        if (at_bare_argument(p)) {
            if (jinja_at_word(p, "is"))
                return jinja_parse_error(p, line, "tests cannot be chained with 'is'");
            TRY(jinja_enter(p));
            TRY(jinja_parse_primary(p, false, &argument));
            TRY(jinja_parse_postfix(p, &argument));
            p->depth--;
            TRY(jinja_add_node(p, &node->arguments->positional, argument));
        }
    }
    *out = node;
    if (!negated)
        return STATUS_OK;
    TRY(jinja_new_node(p, NODE_NOT, line, out));
    (*out)->a = node;
    return STATUS_OK;
}

status jinja_parse_behind(jinja_parser *p, jinja_node **node)
{
    for (int links = 0;;) {
        int line = jinja_peek(p, 0)->line;
        jinja_node *next;
        if (jinja_at_sign(p, "|"))
            TRY(jinja_parse_filters(p, *node, false, &next));
        else if (jinja_skip_word(p, "is"))
            TRY(parse_test(p, *node, &next));
        else if (jinja_at_sign(p, "("))
            TRY(parse_call(p, *node, line, &next));
        else
            return STATUS_OK;
        *node = next;
        TRY(jinja_chain_link(p, &links));
    }
}
