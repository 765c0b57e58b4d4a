/* Statements. */
#include "jinja/program.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { TEMPLATE_BYTES = 1 << 22 };

const jinja_token *jinja_peek(const jinja_parser *p, size_t ahead)
{
    const jinja_token *t = &p->tokens[p->at];
    while (ahead-- && t->kind != TOKEN_EOF)
        t++;
    return t;
}

bool jinja_at_word(const jinja_parser *p, const char *word)
{
    const jinja_token *t = jinja_peek(p, 0);
    return t->kind == TOKEN_WORD && slice_is(t->text, word);
}

bool jinja_at_sign(const jinja_parser *p, const char *sign)
{
    const jinja_token *t = jinja_peek(p, 0);
    return t->kind == TOKEN_SIGN && slice_is(t->text, sign);
}

bool jinja_skip_word(jinja_parser *p, const char *word)
{
    bool there = jinja_at_word(p, word);
    p->at += there;
    return there;
}

bool jinja_skip_sign(jinja_parser *p, const char *sign)
{
    bool there = jinja_at_sign(p, sign);
    p->at += there;
    return there;
}

status jinja_parse_error(jinja_parser *p, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error_setv(p->err, STATUS_INVALID, format, args);
    va_end(args);
    error_context(p->err, "%s:%d", p->template->name, line);
    return STATUS_INVALID;
}

status jinja_out_of_memory(jinja_parser *p)
{
    return error_set(p->err, STATUS_MEMORY, "%s: out of memory", p->template->name);
}

/* What a token is called in messages. */
static const char *describe(const jinja_token *t, char buffer[64])
{
    static const char *const kinds[] = {[TOKEN_DATA_TEXT] = "text", [TOKEN_PRINT_BEGIN] = "{{", [TOKEN_PRINT_END] = "}}",
                                        [TOKEN_BLOCK_BEGIN] = "{%", [TOKEN_BLOCK_END] = "%}", [TOKEN_STRING] = "a string",
                                        [TOKEN_INTEGER] = "an integer", [TOKEN_FLOAT] = "a number",
                                        [TOKEN_EOF] = "the end of the template"};
    if (t->kind != TOKEN_WORD && t->kind != TOKEN_SIGN)
        return kinds[t->kind];
    snprintf(buffer, 64, "'%.*s'", (int)(t->text.length < 50 ? t->text.length : 50), t->text.text);
    return buffer;
}

static status expected(jinja_parser *p, const char *what)
{
    char found[64];
    const jinja_token *t = jinja_peek(p, 0);
    return jinja_parse_error(p, t->line, "expected %s, found %s", what, describe(t, found));
}

status jinja_expect_sign(jinja_parser *p, const char *sign)
{
    char what[16];
    snprintf(what, sizeof what, "'%s'", sign);
    return jinja_skip_sign(p, sign) ? STATUS_OK : expected(p, what);
}

status jinja_expect_word(jinja_parser *p, slice *word)
{
    const jinja_token *t = jinja_peek(p, 0);
    if (t->kind != TOKEN_WORD)
        return expected(p, "a name");
    *word = t->text;
    p->at++;
    return STATUS_OK;
}

status jinja_new_node(jinja_parser *p, jinja_node_kind kind, int line, jinja_node **out)
{
    *out = ARENA_NEW(p->arena, jinja_node);
    if (!*out)
        return jinja_out_of_memory(p);
    (*out)->kind = kind;
    (*out)->line = line;
    return STATUS_OK;
}

status jinja_add_node(jinja_parser *p, jinja_nodes *list, jinja_node *node)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 4;
        jinja_node **items = arena_regrow(p->arena, list->items, list->count, capacity, sizeof *items);
        if (!items)
            return jinja_out_of_memory(p);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = node;
    return STATUS_OK;
}

status jinja_number_name(jinja_parser *p, slice word, int *number)
{
    jinja_template *t = p->template;
    for (size_t i = 0; i < t->word_count; i++)
        if (slice_equal(t->words[i], word)) {
            *number = (int)i;
            return STATUS_OK;
        }
    if (t->word_count == JINJA_NAMES)
        return jinja_parse_error(p, jinja_peek(p, 0)->line, "the template has more than %d names", JINJA_NAMES);
    if (t->word_count == p->word_capacity) {
        p->word_capacity *= 2;
        slice *words = arena_regrow(p->arena, t->words, t->word_count, p->word_capacity, sizeof *words);
        if (!words)
            return jinja_out_of_memory(p);
        t->words = words;
    }
    *number = (int)t->word_count;
    t->words[t->word_count++] = word;
    return STATUS_OK;
}

status jinja_remember_text(jinja_parser *p, slice text)
{
    jinja_template *t = p->template;
    if (t->text_count == t->text_capacity) {
        size_t capacity = t->text_capacity ? 2 * t->text_capacity : 64;
        slice *texts = arena_regrow(p->arena, t->texts, t->text_count, capacity, sizeof *texts);
        if (!texts)
            return jinja_out_of_memory(p);
        t->texts = texts;
        t->text_capacity = capacity;
    }
    t->texts[t->text_count++] = text;
    return STATUS_OK;
}

status jinja_enter(jinja_parser *p)
{
    if (++p->depth > JINJA_NESTING)
        return jinja_parse_error(p, jinja_peek(p, 0)->line, "the template is nested more than %d deep", JINJA_NESTING);
    return STATUS_OK;
}

/* ---- bodies ---- */

static status parse_statement(jinja_parser *p, jinja_nodes *out);

static status expect_block_end(jinja_parser *p)
{
    if (jinja_peek(p, 0)->kind != TOKEN_BLOCK_END)
        return expected(p, "%}");
    p->at++;
    return STATUS_OK;
}

static bool at_one_of(const jinja_parser *p, const char *const *ends)
{
    for (; *ends; ends++)
        if (jinja_at_word(p, *ends))
            return true;
    return false;
}

/* Texts, expressions and statements up to a tag that begins with one of `ends` (NULL: to the end of the template),
 * whose word is then next. */
static status parse_until(jinja_parser *p, const char *const *ends, jinja_nodes *out)
{
    for (;;) {
        const jinja_token *t = jinja_peek(p, 0);
        jinja_node *node;
        if (t->kind == TOKEN_EOF) {
            if (!ends)
                return STATUS_OK;
            return jinja_parse_error(p, t->line, "unexpected end of the template; expected {%% %s %%}", ends[0]);
        }
        p->at++;
        if (t->kind == TOKEN_DATA_TEXT) {
            TRY(jinja_new_node(p, NODE_TEXT, t->line, &node));
            jinja_string *s = ARENA_NEW(p->arena, jinja_string);
            if (!s)
                return jinja_out_of_memory(p);
            *s = (jinja_string){.text = t->text.text, .length = t->text.length, .points = jinja_points(t->text)};
            node->value = (jinja_value){.kind = JINJA_STRING, .string = s};
            TRY(jinja_remember_text(p, t->text));
            TRY(jinja_add_node(p, out, node));
        } else if (t->kind == TOKEN_PRINT_BEGIN) {
            jinja_node *shown;
            TRY(jinja_new_node(p, NODE_PRINT, t->line, &node));
            TRY(jinja_parse_tuple(p, true, NULL, false, &shown));
            TRY(jinja_add_node(p, &node->list, shown));
            if (jinja_peek(p, 0)->kind != TOKEN_PRINT_END)
                return expected(p, "}}");
            p->at++;
            TRY(jinja_add_node(p, out, node));
        } else {
            if (ends && at_one_of(p, ends))
                return STATUS_OK;
            TRY(jinja_enter(p));
            TRY(parse_statement(p, out));
            TRY(expect_block_end(p));
            p->depth--;
        }
    }
}

/* The rest of a tag and what is in the block; the word that ends it is next. */
static status parse_body(jinja_parser *p, const char *const *ends, jinja_nodes *out)
{
    jinja_skip_sign(p, ":");
    TRY(expect_block_end(p));
    return parse_until(p, ends, out);
}

#define ENDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* As parse_body, with one possible end, which is taken; a frame of its own for unknown filters. */
static status parse_block(jinja_parser *p, const char *end, jinja_nodes *out)
{
    int conditional = p->conditional;
    p->conditional = 0;
    TRY(parse_body(p, ENDS(end), out));
    p->conditional = conditional;
    p->at++;
    return STATUS_OK;
}

/* ---- statements ---- */

static status parse_set(jinja_parser *p, int line, jinja_node **out)
{
    jinja_node *target;
    TRY(jinja_parse_target(p, true, NULL, &target));
    bool single = jinja_skip_sign(p, "=");
    TRY(jinja_new_node(p, single ? NODE_SET : NODE_SET_BLOCK, line, out));
    (*out)->a = target;
    if (single)
        return jinja_parse_tuple(p, true, NULL, false, &(*out)->b);
    TRY(jinja_parse_filters(p, NULL, false, &(*out)->b));
    return parse_block(p, "endset", &(*out)->body);
}

static status parse_for(jinja_parser *p, int line, jinja_node **out)
{
    TRY(jinja_new_node(p, NODE_FOR, line, out));
    jinja_node *loop = *out;
    p->loops++;
    TRY(jinja_parse_target(p, false, "in", &loop->a));
    if (!jinja_skip_word(p, "in"))
        return expected(p, "'in'");
    TRY(jinja_parse_tuple(p, false, "recursive", false, &loop->b));
    if (jinja_skip_word(p, "if"))
        TRY(jinja_parse_expression(p, true, &loop->c));
    loop->recursive = jinja_skip_word(p, "recursive");
    int conditional = p->conditional;
    p->conditional = 0;
    TRY(parse_body(p, ENDS("endfor", "else"), &loop->body));
    if (jinja_skip_word(p, "else"))
        TRY(parse_body(p, ENDS("endfor"), &loop->otherwise));
    p->conditional = conditional;
    p->loops--;
    p->at++;
    return STATUS_OK;
}

/* `elif` becomes an `if` in the `else`; one loop, so that long chains are no deep nesting. */
static status parse_if(jinja_parser *p, int line, jinja_node **out)
{
    jinja_node *node;
    TRY(jinja_new_node(p, NODE_IF, line, &node));
    *out = node;
    p->conditional++;
    for (;;) {
        TRY(jinja_parse_tuple(p, false, NULL, false, &node->a));
        TRY(parse_body(p, ENDS("endif", "elif", "else"), &node->body));
        if (!jinja_at_word(p, "elif"))
            break;
        jinja_node *next;
        TRY(jinja_new_node(p, NODE_IF, jinja_peek(p, 0)->line, &next));
        p->at++;
        TRY(jinja_add_node(p, &node->otherwise, next));
        node = next;
    }
    if (jinja_skip_word(p, "else"))
        TRY(parse_body(p, ENDS("endif"), &node->otherwise));
    p->conditional--;
    p->at++;
    return STATUS_OK;
}

static status add_parameter(jinja_parser *p, jinja_parameters *all, slice word)
{
    size_t n = all->count;
    all->names = arena_regrow(p->arena, all->names, n, n + 1, sizeof *all->names);
    all->words = arena_regrow(p->arena, all->words, n, n + 1, sizeof *all->words);
    all->defaults = arena_regrow(p->arena, all->defaults, n, n + 1, sizeof(jinja_node *));
    if (!all->names || !all->words || !all->defaults)
        return jinja_out_of_memory(p);
    all->words[n] = word;
    all->explicit_caller = all->explicit_caller || slice_is(word, "caller");
    all->count++;
    TRY(jinja_number_name(p, word, &all->names[n]));
    p->template->bound[all->names[n]] = true;
    return STATUS_OK;
}

static status parse_signature(jinja_parser *p, jinja_parameters *all)
{
    TRY(jinja_expect_sign(p, "("));
    bool defaults = false;
    while (!jinja_skip_sign(p, ")")) {
        slice word;
        if (all->count)
            TRY(jinja_expect_sign(p, ","));
        TRY(jinja_expect_word(p, &word));
        TRY(add_parameter(p, all, word));
        if (jinja_skip_sign(p, "=")) {
            defaults = true;
            TRY(jinja_parse_expression(p, true, &all->defaults[all->count - 1]));
        } else if (defaults) {
            return jinja_parse_error(p, jinja_peek(p, 0)->line, "a parameter without a default follows one with a default");
        }
        if (all->count > 64)
            return jinja_parse_error(p, jinja_peek(p, 0)->line, "a macro with more than 64 parameters");
    }
    return STATUS_OK;
}

/* The body of a macro or call block; names such as `caller` in it are noted with it. */
static status parse_macro_body(jinja_parser *p, jinja_node *node, const char *end)
{
    if (p->macro_count == COUNT_OF(p->macros))
        return jinja_parse_error(p, node->line, "macros are nested too deep");
    p->macros[p->macro_count++] = node->parameters;
    TRY(parse_block(p, end, &node->body));
    p->macro_count--;
    return STATUS_OK;
}

static status new_parameters(jinja_parser *p, jinja_node *node)
{
    node->parameters = ARENA_NEW(p->arena, jinja_parameters);
    return node->parameters ? STATUS_OK : jinja_out_of_memory(p);
}

static status parse_macro(jinja_parser *p, int line, jinja_node **out)
{
    TRY(jinja_new_node(p, NODE_MACRO, line, out));
    TRY(new_parameters(p, *out));
    TRY(jinja_expect_word(p, &(*out)->word));
    TRY(jinja_number_name(p, (*out)->word, &(*out)->name));
    p->template->bound[(*out)->name] = true;
    TRY(parse_signature(p, (*out)->parameters));
    return parse_macro_body(p, *out, "endmacro");
}

static status parse_call(jinja_parser *p, int line, jinja_node **out)
{
    TRY(jinja_new_node(p, NODE_CALL_BLOCK, line, out));
    TRY(new_parameters(p, *out));
    if (jinja_at_sign(p, "("))
        TRY(parse_signature(p, (*out)->parameters));
    TRY(jinja_parse_expression(p, true, &(*out)->a));
    if ((*out)->a->kind != NODE_CALL)
        return jinja_parse_error(p, line, "{%% call %%} expects a call");
    return parse_macro_body(p, *out, "endcall");
}

static status parse_filter(jinja_parser *p, int line, jinja_node **out)
{
    TRY(jinja_new_node(p, NODE_FILTER_BLOCK, line, out));
    TRY(jinja_parse_filters(p, NULL, true, &(*out)->b));
    return parse_block(p, "endfilter", &(*out)->body);
}

static status parse_with(jinja_parser *p, int line, jinja_node **out)
{
    TRY(jinja_new_node(p, NODE_WITH, line, out));
    while (jinja_peek(p, 0)->kind != TOKEN_BLOCK_END) {
        jinja_node *target, *value;
        if ((*out)->list.count)
            TRY(jinja_expect_sign(p, ","));
        TRY(jinja_parse_target(p, false, NULL, &target));
        TRY(jinja_expect_sign(p, "="));
        TRY(jinja_parse_expression(p, true, &value));
        TRY(jinja_add_node(p, &(*out)->list, target));
        TRY(jinja_add_node(p, &(*out)->more, value));
    }
    return parse_block(p, "endwith", &(*out)->body);
}

static status parse_generation(jinja_parser *p, int line, jinja_node **out)
{
    TRY(jinja_new_node(p, NODE_GENERATION, line, out));
    return parse_block(p, "endgeneration", &(*out)->body);
}

static status parse_print(jinja_parser *p, int line, jinja_node **out)
{
    TRY(jinja_new_node(p, NODE_PRINT, line, out));
    while (jinja_peek(p, 0)->kind != TOKEN_BLOCK_END) {
        jinja_node *shown;
        if ((*out)->list.count)
            TRY(jinja_expect_sign(p, ","));
        TRY(jinja_parse_expression(p, true, &shown));
        TRY(jinja_add_node(p, &(*out)->list, shown));
    }
    return STATUS_OK;
}

static status parse_break(jinja_parser *p, int line, jinja_node **out)
{
    return jinja_new_node(p, NODE_BREAK, line, out);
}

static status parse_continue(jinja_parser *p, int line, jinja_node **out)
{
    return jinja_new_node(p, NODE_CONTINUE, line, out);
}

static status parse_statement(jinja_parser *p, jinja_nodes *out)
{
    static const struct {
        const char *word;
        status (*parse)(jinja_parser *p, int line, jinja_node **out);
    } statements[] = {
        {"set", parse_set},       {"if", parse_if},         {"for", parse_for},       {"macro", parse_macro},
        {"call", parse_call},     {"filter", parse_filter}, {"with", parse_with},     {"generation", parse_generation},
        {"print", parse_print},   {"break", parse_break},   {"continue", parse_continue},
    };
    static const char *const left_out[] = {"include", "import", "from", "extends", "block", "autoescape"};
    const jinja_token *t = jinja_peek(p, 0);
    if (t->kind != TOKEN_WORD)
        return expected(p, "the name of a tag");
    for (size_t i = 0; i < COUNT_OF(statements); i++)
        if (slice_is(t->text, statements[i].word)) {
            jinja_node *node;
            p->at++;
            TRY(statements[i].parse(p, t->line, &node));
            return jinja_add_node(p, out, node);
        }
    for (size_t i = 0; i < COUNT_OF(left_out); i++)
        if (slice_is(t->text, left_out[i]))
            return error_set(p->err, STATUS_UNSUPPORTED, "%s:%d: {%% %s %%} has no place in a chat template here",
                             p->template->name, t->line, left_out[i]);
    return jinja_parse_error(p, t->line, "unknown tag '%.*s'", (int)(t->text.length < 60 ? t->text.length : 60), t->text.text);
}

/* ---- the template ---- */

static status parse_template(jinja_parser *p)
{
    static const char *const fixed[] = {[NAME_LOOP] = "loop", [NAME_CALLER] = "caller", [NAME_VARARGS] = "varargs",
                                        [NAME_KWARGS] = "kwargs"};
    static_assert(COUNT_OF(fixed) == NAME_FIXED_COUNT, "each fixed name has its word");
    p->word_capacity = 64;
    p->template->words = ARENA_ARRAY(p->arena, slice, p->word_capacity);
    p->template->bound = ARENA_ARRAY(p->arena, bool, JINJA_NAMES);
    if (!p->template->words || !p->template->bound)
        return jinja_out_of_memory(p);
    for (int i = 0; i < NAME_FIXED_COUNT; i++) {
        int number;
        TRY(jinja_number_name(p, slice_of(fixed[i]), &number));
    }
    return parse_until(p, NULL, &p->template->body);
}

status jinja_parse(arena *a, slice text, const char *name, jinja_template **out, error *err)
{
    *out = NULL;
    jinja_template *t = ARENA_NEW(a, jinja_template);
    jinja_tokens tokens;
    if (!t)
        return error_set(err, STATUS_MEMORY, "%s: out of memory", name);
    t->name = name;
    if (text.length > TEMPLATE_BYTES)
        return error_set(err, STATUS_UNSUPPORTED, "%s: a template of %zu bytes; expected at most %d", name, text.length,
                         TEMPLATE_BYTES);
    TRY(jinja_lex(a, text, name, &tokens, err));
    jinja_parser p = {.arena = a, .template = t, .tokens = tokens.items, .err = err};
    TRY(parse_template(&p));
    *out = t;
    return STATUS_OK;
}

bool jinja_names(const jinja_template *t, const char *variable)
{
    for (size_t i = NAME_FIXED_COUNT; i < t->word_count; i++)
        if (slice_is(t->words[i], variable))
            return true;
    return false;
}

slice jinja_variable(const jinja_template *t, size_t i)
{
    for (size_t k = NAME_FIXED_COUNT; k < t->word_count; k++)
        if (!t->bound[k] && !jinja_global(t->words[k]) && i-- == 0)
            return t->words[k];
    return (slice){"", 0};
}

bool jinja_writes(const jinja_template *t, slice word)
{
    for (size_t i = 0; i < t->text_count; i++)
        if (slice_find(t->texts[i], word, 0) != SIZE_MAX)
            return true;
    return false;
}
