/* Expressions, in Jinja's order of binding: if-else, or, and, not, comparisons, + -, ~, * / // %, **, signs, then names
 * and constants with what is behind them: .x [x] (x), and |filter and `is test`. */
#include "jinja/program.h"

#include <stdlib.h>
#include <string.h>

static status parse_unary(jinja_parser *p, bool with_filter, jinja_node **out);

static status text_value(jinja_parser *p, slice text, jinja_value *out)
{
    jinja_string *s = ARENA_NEW(p->arena, jinja_string);
    if (!s)
        return jinja_out_of_memory(p);
    *s = (jinja_string){.text = text.text, .length = text.length, .points = jinja_points(text)};
    *out = (jinja_value){.kind = JINJA_STRING, .string = s};
    return jinja_remember_text(p, text);
}

/* "one" 'two' is one string. */
static status parse_string(jinja_parser *p, int line, jinja_node **out)
{
    slice text = jinja_peek(p, 0)->text;
    p->at++;
    if (jinja_peek(p, 0)->kind == TOKEN_STRING) {
        strbuf joined = strbuf_new(p->arena, (size_t)1 << 24);
        strbuf_add_slice(&joined, text);
        for (; jinja_peek(p, 0)->kind == TOKEN_STRING; p->at++)
            strbuf_add_slice(&joined, jinja_peek(p, 0)->text);
        if (joined.failed)
            return jinja_out_of_memory(p);
        text = joined.text ? strbuf_slice(&joined) : (slice){"", 0};
    }
    TRY(jinja_new_node(p, NODE_CONSTANT, line, out));
    return text_value(p, text, &(*out)->value);
}

static status parse_name(jinja_parser *p, bool fields, jinja_node **out)
{
    const jinja_token *t = jinja_peek(p, 0);
    static const struct {
        const char *word;
        jinja_value value;
    } constants[] = {{"true", {.kind = JINJA_BOOL, .truth = true}}, {"True", {.kind = JINJA_BOOL, .truth = true}},
                     {"false", {.kind = JINJA_BOOL}},               {"False", {.kind = JINJA_BOOL}},
                     {"none", {.kind = JINJA_NONE}},                {"None", {.kind = JINJA_NONE}}};
    p->at++;
    for (size_t i = 0; i < COUNT_OF(constants); i++)
        if (slice_is(t->text, constants[i].word)) {
            TRY(jinja_new_node(p, NODE_CONSTANT, t->line, out));
            (*out)->value = constants[i].value;
            return STATUS_OK;
        }
    TRY(jinja_new_node(p, NODE_NAME, t->line, out));
    (*out)->word = t->text;
    TRY(jinja_number_name(p, t->text, &(*out)->name));
    for (size_t i = 0; i < p->macro_count; i++) {
        p->macros[i]->uses_caller = p->macros[i]->uses_caller || (*out)->name == NAME_CALLER;
        p->macros[i]->uses_varargs = p->macros[i]->uses_varargs || (*out)->name == NAME_VARARGS;
        p->macros[i]->uses_kwargs = p->macros[i]->uses_kwargs || (*out)->name == NAME_KWARGS;
    }
    if (fields && jinja_skip_sign(p, ".")) {
        jinja_node *owner = *out;
        TRY(jinja_new_node(p, NODE_ATTRIBUTE, t->line, out));
        (*out)->a = owner;
        (*out)->field = true;
        return jinja_expect_word(p, &(*out)->word);
    }
    return STATUS_OK;
}

static status parse_list(jinja_parser *p, int line, jinja_node **out)
{
    p->at++;
    TRY(jinja_new_node(p, NODE_LIST, line, out));
    while (!jinja_skip_sign(p, "]")) {
        jinja_node *item;
        if ((*out)->list.count) {
            TRY(jinja_expect_sign(p, ","));
            if (jinja_skip_sign(p, "]"))
                break;
        }
        TRY(jinja_parse_expression(p, true, &item));
        TRY(jinja_add_node(p, &(*out)->list, item));
    }
    return STATUS_OK;
}

static status parse_dict(jinja_parser *p, int line, jinja_node **out)
{
    p->at++;
    TRY(jinja_new_node(p, NODE_DICT, line, out));
    while (!jinja_skip_sign(p, "}")) {
        jinja_node *key, *value;
        if ((*out)->list.count) {
            TRY(jinja_expect_sign(p, ","));
            if (jinja_skip_sign(p, "}"))
                break;
        }
        TRY(jinja_parse_expression(p, true, &key));
        TRY(jinja_expect_sign(p, ":"));
        TRY(jinja_parse_expression(p, true, &value));
        TRY(jinja_add_node(p, &(*out)->list, key));
        TRY(jinja_add_node(p, &(*out)->more, value));
    }
    return STATUS_OK;
}

static status parse_primary(jinja_parser *p, bool fields, jinja_node **out)
{
    const jinja_token *t = jinja_peek(p, 0);
    switch (t->kind) {
    case TOKEN_WORD:
        return parse_name(p, fields, out);
    case TOKEN_STRING:
        return parse_string(p, t->line, out);
    case TOKEN_INTEGER:
    case TOKEN_FLOAT:
        p->at++;
        TRY(jinja_new_node(p, NODE_CONSTANT, t->line, out));
        (*out)->value = t->value;
        return STATUS_OK;
    default:
        break;
    }
    if (jinja_at_sign(p, "["))
        return parse_list(p, t->line, out);
    if (jinja_at_sign(p, "{"))
        return parse_dict(p, t->line, out);
    if (jinja_skip_sign(p, "(")) {
        TRY(jinja_parse_tuple(p, true, NULL, true, out));
        return jinja_expect_sign(p, ")");
    }
    return jinja_parse_error(p, t->line, "expected an expression, found %s%.*s%s", t->kind == TOKEN_SIGN ? "'" : "",
                             t->kind == TOKEN_SIGN ? (int)t->text.length : 23,
                             t->kind == TOKEN_SIGN ? t->text.text
                             : t->kind == TOKEN_EOF ? "the end of the template"
                                                    : "the end of the tag",
                             t->kind == TOKEN_SIGN ? "'" : "");
}

/* ---- behind a value ---- */

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
static status chain_link(jinja_parser *p, int *links)
{
    if (++*links > JINJA_LINKS)
        return jinja_parse_error(p, jinja_peek(p, 0)->line, "an expression chains more than %d parts", JINJA_LINKS);
    return STATUS_OK;
}

static status parse_postfix(jinja_parser *p, jinja_node **node)
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
        TRY(chain_link(p, &links));
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
        TRY(chain_link(p, &links));
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
            TRY(parse_primary(p, false, &argument));
            TRY(parse_postfix(p, &argument));
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

static status parse_behind(jinja_parser *p, jinja_node **node)
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
        TRY(chain_link(p, &links));
    }
}

/* ---- operators ---- */

static status parse_unary(jinja_parser *p, bool with_filter, jinja_node **out)
{
    int line = jinja_peek(p, 0)->line;
    TRY(jinja_enter(p));
    bool minus = jinja_skip_sign(p, "-"), plus = !minus && jinja_skip_sign(p, "+");
    if (minus || plus) {
        jinja_node *operand;
        TRY(parse_unary(p, false, &operand));
        TRY(jinja_new_node(p, minus ? NODE_NEGATE : NODE_POSITIVE, line, out));
        (*out)->a = operand;
    } else {
        TRY(parse_primary(p, false, out));
    }
    TRY(parse_postfix(p, out));
    if (with_filter)
        TRY(parse_behind(p, out));
    p->depth--;
    return STATUS_OK;
}

static status parse_factor(jinja_parser *p, jinja_node **out)
{
    return parse_unary(p, true, out);
}

typedef status level(jinja_parser *p, jinja_node **out);

/* a op b op c, from the left. */
static status parse_left(jinja_parser *p, level *next, const char *const *signs, const jinja_operator *operators,
                         jinja_node **out)
{
    TRY(next(p, out));
    for (int links = 0;;) {
        size_t i = 0;
        int line = jinja_peek(p, 0)->line;
        while (signs[i] && !jinja_skip_sign(p, signs[i]))
            i++;
        if (!signs[i])
            return STATUS_OK;
        jinja_node *node;
        TRY(jinja_new_node(p, NODE_ARITHMETIC, line, &node));
        node->operator = operators[i];
        node->a = *out;
        TRY(next(p, &node->b));
        *out = node;
        TRY(chain_link(p, &links));
    }
}

static status parse_power(jinja_parser *p, jinja_node **out)
{
    return parse_left(p, parse_factor, (const char *const[]){"**", NULL}, (const jinja_operator[]){OP_POW}, out);
}

static status parse_product(jinja_parser *p, jinja_node **out)
{
    return parse_left(p, parse_power, (const char *const[]){"*", "/", "//", "%", NULL},
                      (const jinja_operator[]){OP_MUL, OP_DIV, OP_FLOORDIV, OP_MOD}, out);
}

static status parse_concat(jinja_parser *p, jinja_node **out)
{
    jinja_node *first, *next;
    TRY(parse_product(p, &first));
    *out = first;
    if (!jinja_at_sign(p, "~"))
        return STATUS_OK;
    TRY(jinja_new_node(p, NODE_CONCAT, first->line, out));
    TRY(jinja_add_node(p, &(*out)->list, first));
    while (jinja_skip_sign(p, "~")) {
        TRY(parse_product(p, &next));
        TRY(jinja_add_node(p, &(*out)->list, next));
    }
    return STATUS_OK;
}

static status parse_sum(jinja_parser *p, jinja_node **out)
{
    return parse_left(p, parse_concat, (const char *const[]){"+", "-", NULL}, (const jinja_operator[]){OP_ADD, OP_SUB}, out);
}

static bool take_comparison(jinja_parser *p, jinja_compare *which)
{
    static const struct {
        const char *sign;
        jinja_compare which;
    } signs[] = {{"==", COMPARE_EQ}, {"!=", COMPARE_NE}, {"<", COMPARE_LT}, {"<=", COMPARE_LE}, {">", COMPARE_GT}, {">=", COMPARE_GE}};
    for (size_t i = 0; i < COUNT_OF(signs); i++)
        if (jinja_skip_sign(p, signs[i].sign)) {
            *which = signs[i].which;
            return true;
        }
    *which = COMPARE_IN;
    if (jinja_skip_word(p, "in"))
        return true;
    const jinja_token *behind = jinja_peek(p, 1);
    if (!jinja_at_word(p, "not") || behind->kind != TOKEN_WORD || !slice_is(behind->text, "in"))
        return false;
    *which = COMPARE_NOT_IN;
    p->at += 2;
    return true;
}

static status parse_comparison(jinja_parser *p, jinja_node **out)
{
    jinja_node *first, *next;
    jinja_compare which;
    TRY(parse_sum(p, &first));
    *out = first;
    if (!take_comparison(p, &which))
        return STATUS_OK;
    TRY(jinja_new_node(p, NODE_COMPARE, first->line, out));
    (*out)->a = first;
    do {
        size_t n = (*out)->list.count;
        TRY(parse_sum(p, &next));
        TRY(jinja_add_node(p, &(*out)->list, next));
        (*out)->compare = arena_regrow(p->arena, (*out)->compare, n, n + 1, sizeof which);
        if (!(*out)->compare)
            return jinja_out_of_memory(p);
        (*out)->compare[n] = which;
    } while (take_comparison(p, &which));
    return STATUS_OK;
}

static status parse_not(jinja_parser *p, jinja_node **out)
{
    int line = jinja_peek(p, 0)->line;
    if (!jinja_skip_word(p, "not"))
        return parse_comparison(p, out);
    jinja_node *operand;
    TRY(jinja_enter(p));
    TRY(parse_not(p, &operand));
    p->depth--;
    TRY(jinja_new_node(p, NODE_NOT, line, out));
    (*out)->a = operand;
    return STATUS_OK;
}

/* a and b and c is (a and b) and c; as the list of one node. */
static status parse_words(jinja_parser *p, level *next, const char *word, jinja_node_kind kind, jinja_node **out)
{
    jinja_node *first, *more;
    TRY(next(p, &first));
    *out = first;
    if (!jinja_at_word(p, word))
        return STATUS_OK;
    TRY(jinja_new_node(p, kind, first->line, out));
    TRY(jinja_add_node(p, &(*out)->list, first));
    while (jinja_skip_word(p, word)) {
        TRY(next(p, &more));
        TRY(jinja_add_node(p, &(*out)->list, more));
    }
    return STATUS_OK;
}

static status parse_and(jinja_parser *p, jinja_node **out)
{
    return parse_words(p, parse_not, "and", NODE_AND, out);
}

static status parse_or(jinja_parser *p, jinja_node **out)
{
    return parse_words(p, parse_and, "or", NODE_OR, out);
}

status jinja_parse_expression(jinja_parser *p, bool with_condition, jinja_node **out)
{
    TRY(jinja_enter(p));
    /* A filter behind `x if c else ...` may be missing as long as it is not reached; where the condition stands is
     * known too late, so all of the expression counts as conditional when an `if` follows its first part. */
    TRY(parse_or(p, out));
    for (int links = 0; with_condition && jinja_at_word(p, "if");) {
        jinja_node *node;
        TRY(jinja_new_node(p, NODE_CONDITION, jinja_peek(p, 0)->line, &node));
        p->at++;
        node->b = *out;
        p->conditional++;
        TRY(parse_or(p, &node->a));
        if (jinja_skip_word(p, "else"))
            TRY(jinja_parse_expression(p, true, &node->c));
        p->conditional--;
        *out = node;
        TRY(chain_link(p, &links));
    }
    p->depth--;
    return STATUS_OK;
}

static bool at_tuple_end(const jinja_parser *p, const char *end)
{
    jinja_token_kind kind = jinja_peek(p, 0)->kind;
    return kind == TOKEN_PRINT_END || kind == TOKEN_BLOCK_END || jinja_at_sign(p, ")") || (end && jinja_at_word(p, end));
}

/* Items by `item`, several of which make a tuple. */
static status parse_items(jinja_parser *p, bool target, bool flag, const char *end, bool parentheses, jinja_node **out)
{
    jinja_nodes items = {0};
    bool tuple = false;
    int line = jinja_peek(p, 0)->line;
    while (true) {
        jinja_node *item;
        if (items.count)
            TRY(jinja_expect_sign(p, ","));
        if (at_tuple_end(p, end))
            break;
        if (target)
            TRY(parse_primary(p, flag, &item));
        else
            TRY(jinja_parse_expression(p, flag, &item));
        TRY(jinja_add_node(p, &items, item));
        if (!jinja_at_sign(p, ","))
            break;
        tuple = true;
    }
    if (!tuple && items.count) {
        *out = items.items[0];
        return STATUS_OK;
    }
    if (!tuple && !parentheses)
        return jinja_parse_error(p, line, "expected an expression");
    TRY(jinja_new_node(p, NODE_TUPLE, line, out));
    (*out)->list = items;
    return STATUS_OK;
}

status jinja_parse_tuple(jinja_parser *p, bool with_condition, const char *end, bool parentheses, jinja_node **out)
{
    return parse_items(p, false, with_condition, end, parentheses, out);
}

static status check_target(jinja_parser *p, const jinja_node *target)
{
    if (target->kind == NODE_NAME && target->name == NAME_LOOP && p->loops)
        return jinja_parse_error(p, target->line, "'loop' cannot be assigned to in a loop");
    if (target->kind == NODE_NAME || (target->kind == NODE_ATTRIBUTE && target->field))
        return STATUS_OK;
    if (target->kind != NODE_TUPLE)
        return jinja_parse_error(p, target->line, "expected a name to assign to");
    TRY(jinja_enter(p));
    for (size_t i = 0; i < target->list.count; i++)
        TRY(check_target(p, target->list.items[i]));
    p->depth--;
    return STATUS_OK;
}

status jinja_parse_target(jinja_parser *p, bool fields, const char *end, jinja_node **out)
{
    TRY(jinja_enter(p));
    TRY(parse_items(p, true, fields, end, false, out));
    p->depth--;
    return check_target(p, *out);
}
