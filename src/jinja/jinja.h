/* jinja.h - chat templates: the Jinja language as `transformers` sets it up, rendered the same byte for byte.
 *
 * A model's template says how a conversation is written for it. It is a small program in Jinja 3.1: text with
 * {{ expressions }}, {% statements %} and {# comments #}, over Python's values. `transformers` renders it with
 * trim_blocks and lstrip_blocks on, without escaping, with `break` and `continue`, with {% generation %} around what
 * the assistant says, and with the functions raise_exception and strftime_now; so does this. Lists and dicts cannot be
 * changed by a template (append, update and the like are refused, as its sandbox refuses them).
 *
 *     jinja_template *t;
 *     TRY(jinja_parse(arena, text, "chat_template.jinja", &t, err));
 *     jinja_dict *variables = jinja_dict_new(arena);
 *     jinja_dict_put(variables, "messages", jinja_from_json(arena, messages, JINJA_DATA));
 *     jinja_dict_put(variables, "add_generation_prompt", jinja_bool(true));
 *     jinja_output out;
 *     TRY(jinja_render(t, arena, variables, NULL, &out, err));
 *
 * **Whose words.** A template's text and a user's text end up in one string, and special tokens in it become their ids.
 * So each byte is known by where it came from: values made with JINJA_DATA are somebody's own words, and whatever the
 * template does with them (cutting, trimming, joining, writing as JSON), `out.data` marks their bytes. Who tokenizes
 * then takes special tokens only where nothing is marked.
 *
 * **Limits.** A template comes with a model from anywhere. Steps, memory, output and depth are limited, so it ends
 * soon, with an answer or an error. Errors name the template's line: "chat_template.jinja:12: 'tools' is undefined".
 *
 * Left out: include, import, extends and block (a chat template is one file), integers of more than 64 bits, and the
 * filters pprint, random, striptags, urlize, wordwrap and xmlattr. They are refused by name.
 */
#ifndef ASSAY_JINJA_JINJA_H
#define ASSAY_JINJA_JINJA_H

#include "core/arena.h"
#include "core/error.h"
#include "core/text.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* ---- values ---- */

typedef enum jinja_kind {
    JINJA_ABSENT, /* an argument that was not given; never a variable's value */
    JINJA_UNDEFINED,
    JINJA_NONE,
    JINJA_BOOL,
    JINJA_INT,
    JINJA_FLOAT,
    JINJA_STRING,
    JINJA_LIST,
    JINJA_TUPLE,
    JINJA_DICT,
    JINJA_RANGE,
    JINJA_VIEW,     /* keys(), values(), items() of a dict */
    JINJA_ITERATOR, /* what filters such as map give: can be gone through once */
    JINJA_NAMESPACE,
    JINJA_MACRO,
    JINJA_LOOP,
    JINJA_NATIVE, /* a function or method of this interpreter */
    JINJA_CYCLER,
    JINJA_JOINER,
    JINJA_KIND_COUNT
} jinja_kind;

typedef struct jinja_value {
    jinja_kind kind;
    union {
        bool truth;
        int64_t integer;
        double number;
        const struct jinja_string *string;
        const struct jinja_list *list; /* tuples too */
        struct jinja_dict *dict;       /* namespaces and views too */
        const struct jinja_range *range;
        struct jinja_iterator *iterator;
        const struct jinja_macro *macro;
        struct jinja_loop *loop;
        const struct jinja_bound *native;
        struct jinja_cycler *cycler;
        struct jinja_joiner *joiner;
        const struct jinja_missing *missing; /* why it is undefined */
    };
    int detail; /* of a view: which */
} jinja_value;

typedef struct jinja_list jinja_list;
typedef struct jinja_dict jinja_dict;

/* Whose words a string is: the template's (and the model's, such as bos_token), or somebody's own. */
typedef enum jinja_origin { JINJA_TEMPLATE, JINJA_DATA } jinja_origin;

/* Values lie in the arena. When memory is out a constructor gives JINJA_ABSENT (a list or dict NULL), which later steps
 * pass on and jinja_render reports: a chain needs no check. */
jinja_value jinja_none(void);
jinja_value jinja_bool(bool truth);
jinja_value jinja_int(int64_t integer);
/* The text is copied; bytes that are not UTF-8 become U+FFFD. */
jinja_value jinja_text(arena *a, slice text, jinja_origin origin);
/* The origin is that of all strings in it, keys too. */
jinja_value jinja_from_json(arena *a, const json_t *value, jinja_origin origin);

jinja_list *jinja_list_new(arena *a);
void jinja_list_add(jinja_list *list, jinja_value item);
jinja_value jinja_of_list(const jinja_list *list);
jinja_dict *jinja_dict_new(arena *a);
/* Sets or replaces. The key is a template's word. */
void jinja_dict_put(jinja_dict *dict, const char *key, jinja_value value);
/* Puts all of `from` into the dict. */
void jinja_dict_merge(jinja_dict *dict, const jinja_dict *from);
jinja_value jinja_of_dict(jinja_dict *dict);
/* The value of a key, or JINJA_ABSENT. */
jinja_value jinja_dict_at(const jinja_dict *dict, const char *key);

/* ---- templates ---- */

typedef struct jinja_template jinja_template;

/* Parses. `name` stands in messages and must live as long as the template. STATUS_INVALID: the template breaks Jinja's
 * rules; STATUS_UNSUPPORTED: it uses what is left out here. A template may be rendered by several threads at once. */
status jinja_parse(arena *a, slice text, const char *name, jinja_template **out, error *err);
/* Whether the template names this variable anywhere. */
bool jinja_names(const jinja_template *t, const char *variable);
/* The i-th name that the template takes from its variables: it stands there and the template never sets it, and it is none of
 * Jinja's or `transformers`' functions. Empty behind the last one. */
slice jinja_variable(const jinja_template *t, size_t i);
/* Whether a text or string of the template, as written there, holds `word`. */
bool jinja_writes(const jinja_template *t, slice word);

typedef struct jinja_settings {
    const struct tm *now;   /* what strftime_now writes; NULL: it is refused */
    bool *date_missing;     /* set when it was refused for that; may be NULL */
    uint64_t steps;         /* 0: JINJA_STEPS */
    size_t memory;          /* bytes of values; 0: JINJA_MEMORY */
    size_t output;          /* bytes; 0: JINJA_OUTPUT */
} jinja_settings;

#define JINJA_STEPS ((uint64_t)50000000)
#define JINJA_MEMORY ((size_t)1 << 29)
#define JINJA_OUTPUT ((size_t)1 << 26)

typedef struct jinja_span {
    size_t start, end; /* bytes */
} jinja_span;

typedef struct jinja_output {
    slice text;
    const unsigned char *data; /* [text.length]: 1 where the byte is somebody's own words; NULL: nowhere */
    jinja_span *generation;    /* what stands in {% generation %} blocks, in order, not touching */
    size_t generation_count;
} jinja_output;

/* Renders with the variables (and the functions of Jinja and `transformers`). `settings` may be NULL. STATUS_INVALID:
 * the template fails or a limit was reached; STATUS_UNSUPPORTED: it raised an exception of its own (it does not take such
 * a conversation), or uses something that is left out here. */
status jinja_render(const jinja_template *t, arena *a, const jinja_dict *variables, const jinja_settings *settings,
                    jinja_output *out, error *err);

#endif
