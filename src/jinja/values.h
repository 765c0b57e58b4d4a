/* values.h - the values of a template's run, and what Python does with them (private to src/jinja).
 *
 * Texts remember for each byte whose words it is (`marks`); whatever builds a text goes through jinja_writer, which
 * carries the marks along. Values are never changed once they are made, except namespaces, iterators, loops, cyclers
 * and joiners. A run has limits; jinja_alloc and jinja_step keep them.
 */
#ifndef ASSAY_JINJA_VALUES_H
#define ASSAY_JINJA_VALUES_H

#include "jinja/jinja.h"

enum { JINJA_MARK_DATA = 1, JINJA_MARK_GENERATION = 2 };

typedef struct jinja_string {
    const char *text; /* UTF-8 */
    size_t length, points; /* bytes, code points */
    const unsigned char *marks; /* [length] or NULL */
    bool safe; /* Python's Markup: what is added to it is escaped first */
} jinja_string;

struct jinja_list {
    arena *arena;
    jinja_value *items;
    size_t count, capacity;
    bool failed;
    bool group; /* a tuple of the filter groupby: it has names, grouper and list */
};

struct jinja_dict {
    arena *arena;
    jinja_value *keys, *values;
    size_t count, capacity;
    bool failed;
};

typedef struct jinja_range {
    int64_t start, stop, step;
} jinja_range;

enum { VIEW_KEYS, VIEW_VALUES, VIEW_ITEMS };

typedef struct jinja_cycler {
    jinja_value *items;
    size_t count, at;
} jinja_cycler;

typedef struct jinja_joiner {
    jinja_value separator;
    bool used;
} jinja_joiner;

typedef struct jinja_missing {
    const char *hint;   /* the whole message, or NULL */
    const char *owner;  /* the type of the value that lacks it; NULL: a variable */
    jinja_value name;
} jinja_missing;

typedef struct jinja_run jinja_run;

/* Where a loop or a filter gets its items. */
typedef struct jinja_iterator {
    jinja_value source; /* list, tuple, dict, view, range, string; or none when at its end */
    size_t at;
    /* of a loop with a condition: the items of `inner` for which test(context, item) holds */
    struct jinja_iterator *inner;
    status (*test)(jinja_run *r, void *context, jinja_value item, bool *holds);
    void *context;
} jinja_iterator;

/* The arguments of a call as they were given. */
typedef struct jinja_call {
    const jinja_value *positional;
    size_t count;
    const slice *names;
    const jinja_value *named;
    size_t named_count;
} jinja_call;

enum { JINJA_PARAMETERS = 8 };

/* A function, filter, test or method in C. `parameters`: names separated by commas, the first `least` of which must be
 * given; their values come in `args`, JINJA_ABSENT where not given. NULL: any, only `call` is to be read. `self` is
 * what a filter, test or method is applied to. */
typedef struct jinja_native {
    const char *name, *parameters;
    unsigned least;
    status (*run)(jinja_run *r, jinja_value self, const jinja_value *args, const jinja_call *call, jinja_value *out);
} jinja_native;

typedef struct jinja_bound {
    const jinja_native *native;
    jinja_value self;
} jinja_bound;

/* ---- errors, limits, memory ---- */

/* An error at the line that is being rendered. */
status jinja_fail(jinja_run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
status jinja_unsupported(jinja_run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Counts `steps` of work; fails past the limit. */
status jinja_step(jinja_run *r, size_t steps);
/* Zeroed memory of the run. */
status jinja_alloc(jinja_run *r, size_t size, void **out);
arena *jinja_run_arena(jinja_run *r);
const struct tm *jinja_run_now(const jinja_run *r);

#define JINJA_NEW(r, out) jinja_alloc((r), sizeof **(out), (void **)(out))

/* ---- making values ---- */

static inline jinja_value jinja_float(double number)
{
    return (jinja_value){.kind = JINJA_FLOAT, .number = number};
}

/* A piece [start, end) (bytes) of a text; shares its bytes. */
status jinja_piece(jinja_run *r, const jinja_string *s, size_t start, size_t end, jinja_value *out);
/* A string of the template's own; `text` must live as long as the run. */
status jinja_word(jinja_run *r, const char *text, jinja_value *out);
status jinja_undefined_hint(jinja_run *r, const char *hint, jinja_value *out);
status jinja_undefined_of(jinja_run *r, jinja_value owner, jinja_value name, jinja_value *out);
/* Fails with why the value is undefined. */
status jinja_fail_undefined(jinja_run *r, jinja_value value);

status jinja_make_list(jinja_run *r, jinja_list **out);
status jinja_push(jinja_run *r, jinja_list *list, jinja_value item);
static inline jinja_value jinja_list_value(const jinja_list *list, jinja_kind kind)
{
    return (jinja_value){.kind = kind, .list = list};
}
status jinja_make_dict(jinja_run *r, jinja_dict **out);
status jinja_store(jinja_run *r, jinja_dict *dict, jinja_value key, jinja_value value);
/* *found is NULL where there is none. Fails for a key that cannot be one (a list). */
status jinja_find(jinja_run *r, const jinja_dict *dict, jinja_value key, const jinja_value **found);
const jinja_value *jinja_find_text(const jinja_dict *dict, slice key);
/* A value that can be gone through once, over the items of the list. */
status jinja_make_iterator(jinja_run *r, const jinja_list *items, jinja_value *out);

/* ---- what Python does with values ---- */

const char *jinja_type_name(jinja_value v); /* "str", "dict", ... */
bool jinja_is_string(jinja_value v);
bool jinja_is_text(jinja_value v, const char *text);
slice jinja_slice(jinja_value v); /* of a string; empty for others */
bool jinja_is_number(jinja_value v); /* int, float, bool */
double jinja_as_double(jinja_value v);
int64_t jinja_as_int(jinja_value v); /* of int and bool */
bool jinja_is_integer(jinja_value v); /* int, bool */

bool jinja_truth(jinja_value v);
status jinja_equal(jinja_run *r, jinja_value a, jinja_value b, bool *equal);
/* Less than, as sorting needs it; fails where Python has no order. */
status jinja_less(jinja_run *r, jinja_value a, jinja_value b, const char *sign, bool *less);
status jinja_contains(jinja_run *r, jinja_value container, jinja_value item, bool *found);
/* len(); fails for what has none. */
status jinja_length(jinja_run *r, jinja_value v, size_t *length);
bool jinja_has_length(jinja_value v);
/* Starts going through a value; fails for what cannot be gone through. */
status jinja_iterate(jinja_run *r, jinja_value v, jinja_iterator **out);
bool jinja_is_iterable(jinja_value v);
/* The next item; *more is false at the end. */
status jinja_next(jinja_run *r, jinja_iterator *it, jinja_value *item, bool *more);
/* All (remaining) items. */
status jinja_items(jinja_run *r, jinja_value v, jinja_list **out);

/* Attribute first (x.name), or item first (x[key]), as Jinja looks them up; undefined where there is neither. */
status jinja_attribute(jinja_run *r, jinja_value v, slice name, jinja_value *out);
status jinja_item(jinja_run *r, jinja_value v, jinja_value key, jinja_value *out);
/* v[start:stop:step]; absent bounds are JINJA_ABSENT. */
status jinja_cut(jinja_run *r, jinja_value v, const jinja_value bounds[3], jinja_value *out);
/* The method of the value's type by that name: NULL none; *refused: it would change the value, or is left out. */
const jinja_native *jinja_method(jinja_value v, slice name, bool *refused);
status jinja_bind(jinja_run *r, const jinja_native *native, jinja_value self, jinja_value *out);

typedef enum jinja_operator { OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_FLOORDIV, OP_MOD, OP_POW } jinja_operator;
status jinja_arithmetic(jinja_run *r, jinja_operator op, jinja_value a, jinja_value b, jinja_value *out);
status jinja_negate(jinja_run *r, jinja_value v, bool minus, jinja_value *out);

/* ---- building texts ---- */

/* A text that grows, with the marks of what was put in. After a failure (memory, limit) it takes nothing more, and
 * jinja_written reports. */
typedef struct jinja_writer {
    jinja_run *run;
    char *text;
    unsigned char *marks; /* NULL as long as nothing marked came in */
    size_t length, capacity;
    status failed;
} jinja_writer;

jinja_writer jinja_writer_new(jinja_run *r);
void jinja_write_bytes(jinja_writer *w, const char *text, size_t length, const unsigned char *marks);
/* All of one origin. */
void jinja_write_marked(jinja_writer *w, const char *text, size_t length, unsigned char mark);
void jinja_write(jinja_writer *w, const char *text);
void jinja_write_string(jinja_writer *w, const jinja_string *s);
void jinja_write_point(jinja_writer *w, uint32_t point, unsigned char mark);
/* Adds a mark to all from `start` on. */
void jinja_mark_from(jinja_writer *w, size_t start, unsigned char mark);
/* What str() gives, what repr() gives. */
void jinja_write_value(jinja_writer *w, jinja_value v);
void jinja_write_repr(jinja_writer *w, jinja_value v, int depth);
/* The text as a value; or the failure. */
status jinja_written(jinja_writer *w, jinja_value *out);
/* str(v) as a string; strings stay as they are. */
status jinja_to_string(jinja_run *r, jinja_value v, const jinja_string **out);
/* repr() of a float into the buffer. */
enum { JINJA_FLOAT_TEXT = 40 };
void jinja_float_text(double v, char out[JINJA_FLOAT_TEXT]);
/* All marks of a piece, or-ed. */
unsigned char jinja_marks_of(const jinja_string *s, size_t start, size_t end);
/* Byte where a code point starts (points past the end: the length). */
size_t jinja_byte_of(const jinja_string *s, size_t point);
size_t jinja_points(slice s);

/* Unicode, as Python's str has it. */
bool jinja_is_space(uint32_t point);
bool jinja_is_printable(uint32_t point);
bool jinja_is_cased(uint32_t point); /* has an upper and a lower case */
typedef enum jinja_case { CASE_UPPER, CASE_LOWER, CASE_TITLE, CASE_SWAP } jinja_case;
void jinja_write_case(jinja_writer *w, const jinja_string *s, size_t start, size_t end, jinja_case to);
/* Where text begins and ends without white space (NULL) or without the code points of `chars`. */
void jinja_strip(const jinja_string *s, const jinja_string *chars, bool left, bool right, size_t *start, size_t *end);

/* json.dumps. */
typedef struct jinja_json {
    bool ascii, sorted, pretty;
    slice indent; /* one level, when pretty */
    const jinja_string *between, *behind_key;
} jinja_json;
status jinja_write_json(jinja_writer *w, jinja_value v, const jinja_json *how, int depth);

/* "..." % args and "...".format(...). */
status jinja_percent(jinja_run *r, const jinja_string *format, jinja_value args, jinja_value *out);
status jinja_braces(jinja_run *r, const jinja_string *format, const jinja_call *call, jinja_value *out);

/* ---- calls ---- */

status jinja_call_native(jinja_run *r, const jinja_native *native, const char *what, jinja_value self,
                         const jinja_call *call, jinja_value *out);
status jinja_call_value(jinja_run *r, jinja_value callee, const jinja_call *call, jinja_value *out);
const jinja_native *jinja_filter(slice name);
const jinja_native *jinja_test(slice name);
/* A filter that Jinja has and this interpreter leaves out. */
bool jinja_filter_left_out(slice name);
const jinja_native *jinja_global(slice name);
/* The attributes of a running loop. */
status jinja_loop_attribute(jinja_run *r, struct jinja_loop *loop, slice name, jinja_value *out, bool *found);

/* Checked arguments: the fallback where absent (or None where `none` says that None means absent). */
status jinja_arg_int(jinja_run *r, jinja_value v, const char *what, int64_t fallback, int64_t *out);
status jinja_arg_text(jinja_run *r, jinja_value v, const char *what, const jinja_string **out);

extern const jinja_native jinja_string_methods[], jinja_string_questions[], jinja_dict_methods[], jinja_list_methods[],
    jinja_tuple_methods[], jinja_cycler_methods[], jinja_loop_methods[], jinja_number_methods[];

#endif
