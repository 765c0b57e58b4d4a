/* program.h - a parsed template: nodes, and how parser and renderer see them (private to src/jinja).
 *
 * Names are numbered by the parser; scopes bind numbers to values.
 */
#ifndef ASSAY_JINJA_PROGRAM_H
#define ASSAY_JINJA_PROGRAM_H

#include "jinja/values.h"

/* What the fields of a node hold is said beside its kind. */
typedef enum jinja_node_kind {
    /* expressions */
    NODE_CONSTANT,  /* value */
    NODE_NAME,      /* name */
    NODE_TUPLE,     /* list */
    NODE_LIST,      /* list */
    NODE_DICT,      /* list: keys, more: values */
    NODE_ARITHMETIC, /* a operator b */
    NODE_NEGATE,    /* -a */
    NODE_POSITIVE,  /* +a */
    NODE_NOT,       /* a */
    NODE_AND,       /* list */
    NODE_OR,        /* list */
    NODE_COMPARE,   /* a, then list[i] by compare[i] */
    NODE_CONCAT,    /* list */
    NODE_CONDITION, /* b if a else c (c may be NULL) */
    NODE_ATTRIBUTE, /* a.word */
    NODE_ITEM,      /* a[b] */
    NODE_SLICE,     /* a[list[0]:list[1]:list[2]], each may be NULL */
    NODE_CALL,      /* a(arguments) */
    NODE_FILTER,    /* a|native(arguments); a NULL: what a block made */
    NODE_TEST,      /* a is native(arguments) */
    /* statements */
    NODE_TEXT,      /* value */
    NODE_PRINT,     /* list */
    NODE_SET,       /* target a, value b */
    NODE_SET_BLOCK, /* target a, filter b or NULL, body */
    NODE_FOR,       /* target a, over b, if c or NULL, body, otherwise; recursive */
    NODE_IF,        /* a, body, otherwise */
    NODE_MACRO,     /* name, parameters, body */
    NODE_CALL_BLOCK, /* a: the call; parameters, body */
    NODE_FILTER_BLOCK, /* b, body */
    NODE_WITH,      /* list: targets, more: values, body */
    NODE_GENERATION, /* body */
    NODE_BREAK,
    NODE_CONTINUE,
    NODE_KIND_COUNT
} jinja_node_kind;

typedef enum jinja_compare { COMPARE_EQ, COMPARE_NE, COMPARE_LT, COMPARE_LE, COMPARE_GT, COMPARE_GE, COMPARE_IN, COMPARE_NOT_IN } jinja_compare;

typedef struct jinja_node jinja_node;

typedef struct jinja_nodes {
    jinja_node **items;
    size_t count, capacity;
} jinja_nodes;

typedef struct jinja_arguments {
    jinja_nodes positional, named;
    slice *names;
    jinja_node *star, *stars; /* *args, **kwargs */
} jinja_arguments;

/* Of a macro or call block. */
typedef struct jinja_parameters {
    int *names;
    slice *words;
    jinja_node **defaults; /* NULL: none */
    size_t count;
    bool uses_caller, uses_varargs, uses_kwargs;
    bool explicit_caller; /* one of the parameters is `caller` */
} jinja_parameters;

struct jinja_node {
    jinja_node_kind kind;
    int line;
    int name;
    slice word;
    jinja_value value;
    jinja_operator operator;
    jinja_compare *compare;
    jinja_node *a, *b, *c;
    jinja_nodes list, more, body, otherwise;
    jinja_arguments *arguments;
    jinja_parameters *parameters;
    const jinja_native *native;
    bool recursive;
    bool field; /* a NODE_ATTRIBUTE as target: a namespace's field */
};

/* Names that the renderer itself binds, and how many a template may have. */
enum { JINJA_NAMES = 4096 };
enum { NAME_LOOP, NAME_CALLER, NAME_VARARGS, NAME_KWARGS, NAME_FIXED_COUNT };

struct jinja_template {
    const char *name;
    slice *words; /* of the names, by number */
    bool *bound;  /* [JINJA_NAMES] the template sets the name somewhere */
    size_t word_count;
    jinja_nodes body;
    slice *texts; /* of text and string constants, for jinja_writes */
    size_t text_count, text_capacity;
};

/* ---- tokens ---- */

typedef enum jinja_token_kind {
    TOKEN_DATA_TEXT,
    TOKEN_PRINT_BEGIN,
    TOKEN_PRINT_END,
    TOKEN_BLOCK_BEGIN,
    TOKEN_BLOCK_END,
    TOKEN_WORD,
    TOKEN_STRING,
    TOKEN_INTEGER,
    TOKEN_FLOAT,
    TOKEN_SIGN, /* operators and brackets; `text` is the sign */
    TOKEN_EOF
} jinja_token_kind;

typedef struct jinja_token {
    jinja_token_kind kind;
    int line;
    slice text; /* data; word; decoded string; sign */
    jinja_value value; /* numbers */
} jinja_token;

typedef struct jinja_tokens {
    jinja_token *items;
    size_t count, capacity;
} jinja_tokens;

status jinja_lex(arena *a, slice text, const char *name, jinja_tokens *out, error *err);

/* Expressions and statements share the parser (parse.c, parse_expression.c). */
typedef struct jinja_parser {
    arena *arena;
    jinja_template *template;
    const jinja_token *tokens;
    size_t at, word_capacity;
    int depth;
    int conditional; /* inside `if`: unknown filters fail when they are reached, not before */
    jinja_parameters *macros[32]; /* open macros */
    size_t macro_count;
    int loops; /* open ones: in them `loop` cannot be assigned to */
    error *err;
} jinja_parser;

/* Nested tags, brackets and signs; links of one chain such as a + b + c or x|f|g. */
enum { JINJA_NESTING = 100, JINJA_LINKS = 400 };

const jinja_token *jinja_peek(const jinja_parser *p, size_t ahead);
bool jinja_at_word(const jinja_parser *p, const char *word);
bool jinja_at_sign(const jinja_parser *p, const char *sign);
bool jinja_skip_word(jinja_parser *p, const char *word);
bool jinja_skip_sign(jinja_parser *p, const char *sign);
status jinja_expect_sign(jinja_parser *p, const char *sign);
status jinja_expect_word(jinja_parser *p, slice *word);
status jinja_parse_error(jinja_parser *p, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
status jinja_out_of_memory(jinja_parser *p);
status jinja_new_node(jinja_parser *p, jinja_node_kind kind, int line, jinja_node **out);
status jinja_add_node(jinja_parser *p, jinja_nodes *list, jinja_node *node);
status jinja_number_name(jinja_parser *p, slice word, int *number);
status jinja_remember_text(jinja_parser *p, slice text);
status jinja_enter(jinja_parser *p);

status jinja_parse_expression(jinja_parser *p, bool with_condition, jinja_node **out);
/* An expression, or several with commas as a tuple; `end` is a word that ends it too, or NULL. */
status jinja_parse_tuple(jinja_parser *p, bool with_condition, const char *end, bool parentheses, jinja_node **out);
/* What can stand left of `=` or between `for` and `in`. */
status jinja_parse_target(jinja_parser *p, bool fields, const char *end, jinja_node **out);
/* A name, a constant or brackets; `fields`: a name may have a field, as a target. */
status jinja_parse_primary(jinja_parser *p, bool fields, jinja_node **out);
/* Puts what follows around *node: attributes, indexes and calls; then filters, tests and calls. */
status jinja_parse_postfix(jinja_parser *p, jinja_node **node);
status jinja_parse_behind(jinja_parser *p, jinja_node **node);
/* Counts one more part of a chain. */
status jinja_chain_link(jinja_parser *p, int *links);
/* |filter|filter behind `base` (NULL: of a block); `started`: the first name comes without its sign. */
status jinja_parse_filters(jinja_parser *p, jinja_node *base, bool started, jinja_node **out);

#endif
