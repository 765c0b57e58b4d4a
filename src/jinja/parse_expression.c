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

status jinja_parse_primary(jinja_parser *p, bool fields, jinja_node **out)
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
        TRY(jinja_parse_primary(p, false, out));
    }
    TRY(jinja_parse_postfix(p, out));
    if (with_filter)
        TRY(jinja_parse_behind(p, out));
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
        TRY(jinja_chain_link(p, &links));
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
        TRY(jinja_chain_link(p, &links));
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
            TRY(jinja_parse_primary(p, flag, &item));
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
    if (target->kind == NODE_NAME)
        p->template->bound[target->name] = true;
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
