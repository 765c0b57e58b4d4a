/* Calling functions of C with a template's arguments; the functions that every template has. */
#include "jinja/run.h"

#include <string.h>

/* Puts the arguments where the parameters are. */
static status bind(jinja_run *r, const jinja_native *native, const char *what, const jinja_call *call, jinja_value *args)
{
    size_t count = 0;
    slice names[JINJA_PARAMETERS], rest = slice_of(native->parameters);
    while (rest.length && count < JINJA_PARAMETERS && slice_cut(&rest, ',', &names[count]))
        count++;
    for (size_t i = 0; i < JINJA_PARAMETERS; i++)
        args[i] = (jinja_value){.kind = JINJA_ABSENT};
    if (call->count > count)
        return jinja_fail(r, "%s '%s' takes at most %zu arguments; %zu were given", what, native->name, count, call->count);
    for (size_t i = 0; i < call->count; i++)
        args[i] = call->positional[i];
    for (size_t i = 0; i < call->named_count; i++) {
        size_t at = 0;
        while (at < count && !slice_equal(names[at], call->names[i]))
            at++;
        if (at == count || args[at].kind != JINJA_ABSENT)
            return jinja_fail(r, "%s '%s' has no argument '%.*s', or got it twice", what, native->name,
                              (int)(call->names[i].length < 60 ? call->names[i].length : 60), call->names[i].text);
        args[at] = call->named[i];
    }
    for (size_t i = 0; i < native->least; i++)
        if (args[i].kind == JINJA_ABSENT)
            return jinja_fail(r, "%s '%s' needs the argument '" SLICE_FORMAT "'", what, native->name, SLICE_ARGS(names[i]));
    return STATUS_OK;
}

status jinja_call_native(jinja_run *r, const jinja_native *native, const char *what, jinja_value self,
                         const jinja_call *call, jinja_value *out)
{
    jinja_value args[JINJA_PARAMETERS];
    TRY(jinja_step(r, 1));
    if (!native->parameters)
        return native->run(r, self, NULL, call, out);
    TRY(bind(r, native, what, call, args));
    return native->run(r, self, args, call, out);
}

status jinja_arg_int(jinja_run *r, jinja_value v, const char *what, int64_t fallback, int64_t *out)
{
    *out = fallback;
    if (v.kind == JINJA_ABSENT)
        return STATUS_OK;
    if (!jinja_is_integer(v))
        return jinja_fail(r, "'%s' must be an integer, not %s", what, jinja_type_name(v));
    *out = jinja_as_int(v);
    return STATUS_OK;
}

status jinja_arg_text(jinja_run *r, jinja_value v, const char *what, const jinja_string **out)
{
    if (v.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, v);
    if (v.kind != JINJA_STRING)
        return jinja_fail(r, "'%s' must be a string, not %s", what, jinja_type_name(v));
    *out = v.string;
    return STATUS_OK;
}

/* ---- functions ---- */

enum { RANGE_MOST = 100000 }; /* as the sandbox has it */

static status run_range(jinja_run *r, jinja_value self, const jinja_value *args, const jinja_call *call, jinja_value *out)
{
    (void)self;
    (void)call;
    int64_t first, second;
    jinja_range *range;
    size_t length;
    TRY(JINJA_NEW(r, &range));
    TRY(jinja_arg_int(r, args[0], "start", 0, &first));
    TRY(jinja_arg_int(r, args[1], "stop", 0, &second));
    TRY(jinja_arg_int(r, args[2], "step", 1, &range->step));
    range->start = args[1].kind == JINJA_ABSENT ? 0 : first;
    range->stop = args[1].kind == JINJA_ABSENT ? first : second;
    if (range->step == 0)
        return jinja_fail(r, "range() with a step of zero");
    if (range->step == INT64_MIN)
        range->step++;
    *out = (jinja_value){.kind = JINJA_RANGE, .range = range};
    TRY(jinja_length(r, *out, &length));
    return length > RANGE_MOST ? jinja_fail(r, "range() of more than %d numbers", RANGE_MOST) : STATUS_OK;
}

/* dict(x, name=value): x is a mapping, or pairs. */
static status fill_dict(jinja_run *r, const jinja_call *call, const char *what, jinja_dict **out)
{
    TRY(jinja_make_dict(r, out));
    if (call->count > 1)
        return jinja_fail(r, "%s takes at most one argument without a name", what);
    if (call->count && call->positional[0].kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, call->positional[0]);
    if (call->count && call->positional[0].kind == JINJA_DICT) {
        const jinja_dict *from = call->positional[0].dict;
        for (size_t i = 0; i < from->count; i++)
            TRY(jinja_store(r, *out, from->keys[i], from->values[i]));
    } else if (call->count) {
        jinja_list *pairs, *pair;
        TRY(jinja_items(r, call->positional[0], &pairs));
        for (size_t i = 0; i < pairs->count; i++) {
            TRY(jinja_items(r, pairs->items[i], &pair));
            if (pair->count != 2)
                return jinja_fail(r, "%s wants pairs; item %zu has %zu parts", what, i, pair->count);
            TRY(jinja_store(r, *out, pair->items[0], pair->items[1]));
        }
    }
    for (size_t i = 0; i < call->named_count; i++) {
        jinja_value key = jinja_text(r->arena, call->names[i], JINJA_TEMPLATE);
        if (key.kind == JINJA_ABSENT)
            return error_set(r->err, STATUS_MEMORY, "%s: out of memory", r->template->name);
        TRY(jinja_store(r, *out, key, call->named[i]));
    }
    return STATUS_OK;
}

static status run_dict(jinja_run *r, jinja_value self, const jinja_value *args, const jinja_call *call, jinja_value *out)
{
    (void)self;
    (void)args;
    jinja_dict *dict;
    TRY(fill_dict(r, call, "dict()", &dict));
    *out = jinja_of_dict(dict);
    return STATUS_OK;
}

static status run_namespace(jinja_run *r, jinja_value self, const jinja_value *args, const jinja_call *call, jinja_value *out)
{
    (void)self;
    (void)args;
    jinja_dict *dict;
    TRY(fill_dict(r, call, "namespace()", &dict));
    for (size_t i = 0; i < dict->count; i++)
        if (slice_starts(jinja_slice(dict->keys[i]), SLICE("_")))
            return jinja_fail(r, "a namespace cannot have a name that begins with '_'");
    *out = (jinja_value){.kind = JINJA_NAMESPACE, .dict = dict};
    return STATUS_OK;
}

static status run_cycler(jinja_run *r, jinja_value self, const jinja_value *args, const jinja_call *call, jinja_value *out)
{
    (void)self;
    (void)args;
    void *items;
    jinja_cycler *cycler;
    if (call->count == 0 || call->named_count)
        return jinja_fail(r, "cycler() wants at least one item, without names");
    TRY(JINJA_NEW(r, &cycler));
    TRY(jinja_alloc(r, call->count * sizeof *cycler->items, &items));
    memcpy(items, call->positional, call->count * sizeof *cycler->items);
    *cycler = (jinja_cycler){.items = items, .count = call->count};
    *out = (jinja_value){.kind = JINJA_CYCLER, .cycler = cycler};
    return STATUS_OK;
}

static status run_cycler_next(jinja_run *r, jinja_value self, const jinja_value *args, const jinja_call *call, jinja_value *out)
{
    (void)r;
    (void)args;
    (void)call;
    *out = self.cycler->items[self.cycler->at];
    self.cycler->at = (self.cycler->at + 1) % self.cycler->count;
    return STATUS_OK;
}

static status run_cycler_reset(jinja_run *r, jinja_value self, const jinja_value *args, const jinja_call *call, jinja_value *out)
{
    (void)r;
    (void)args;
    (void)call;
    self.cycler->at = 0;
    *out = jinja_none();
    return STATUS_OK;
}

const jinja_native jinja_cycler_methods[] = {{"next", "", 0, run_cycler_next}, {"reset", "", 0, run_cycler_reset}, {0}};

static status run_joiner(jinja_run *r, jinja_value self, const jinja_value *args, const jinja_call *call, jinja_value *out)
{
    (void)self;
    (void)call;
    jinja_joiner *joiner;
    TRY(JINJA_NEW(r, &joiner));
    joiner->separator = args[0];
    if (args[0].kind == JINJA_ABSENT)
        TRY(jinja_word(r, ", ", &joiner->separator));
    *out = (jinja_value){.kind = JINJA_JOINER, .joiner = joiner};
    return STATUS_OK;
}

static status run_raise(jinja_run *r, jinja_value self, const jinja_value *args, const jinja_call *call, jinja_value *out)
{
    (void)self;
    (void)call;
    (void)out;
    const jinja_string *s;
    TRY(jinja_to_string(r, args[0], &s));
    return jinja_unsupported(r, "the template raises: %.*s", (int)(s->length < 600 ? s->length : 600), s->text);
}

/* strftime, less %f, %z and %Z, which Python fills in itself: a time of whole seconds, without a zone. */
static status run_strftime(jinja_run *r, jinja_value self, const jinja_value *args, const jinja_call *call, jinja_value *out)
{
    (void)self;
    (void)call;
    const jinja_string *format = NULL;
    char text[1024];
    TRY(jinja_arg_text(r, args[0], "format", &format));
    if (!r->now && r->date_missing)
        *r->date_missing = true;
    if (!r->now)
        return jinja_fail(r, "the template asks for the date, and none was given (--template-date)");
    strbuf plain = strbuf_new(r->arena, 512);
    for (size_t i = 0; i < format->length; i++) {
        char behind = format->text[i] == '%' && i + 1 < format->length ? format->text[i + 1] : '\0';
        if (behind == 'f')
            strbuf_add(&plain, "000000");
        else if (behind == '%')
            strbuf_add(&plain, "%%");
        else if (behind != 'z' && behind != 'Z')
            strbuf_add_char(&plain, format->text[i]);
        i += behind == 'f' || behind == 'z' || behind == 'Z' || behind == '%';
    }
    if (plain.failed || memchr(format->text, '\0', format->length))
        return jinja_fail(r, "the format of a date is too long, or holds a zero byte");
    strbuf_add_char(&plain, '.'); /* so that no text is no failure */
    size_t length = plain.failed ? 0 : strftime(text, sizeof text, plain.text, r->now);
    if (length == 0)
        return jinja_fail(r, "the date is too long to write");
    *out = jinja_text(r->arena, (slice){text, length - 1}, JINJA_TEMPLATE);
    return out->kind == JINJA_ABSENT ? error_set(r->err, STATUS_MEMORY, "%s: out of memory", r->template->name) : STATUS_OK;
}

static const jinja_native functions[] = {
    {"range", "start,stop,step", 1, run_range},
    {"dict", NULL, 0, run_dict},
    {"namespace", NULL, 0, run_namespace},
    {"cycler", NULL, 0, run_cycler},
    {"joiner", "sep", 0, run_joiner},
    {"raise_exception", "message", 1, run_raise},
    {"strftime_now", "format", 1, run_strftime},
};

const jinja_native *jinja_global(slice name)
{
    for (size_t i = 0; i < COUNT_OF(functions); i++)
        if (slice_is(name, functions[i].name))
            return &functions[i];
    return NULL;
}

/* ---- calling values ---- */

static status call_joiner(jinja_run *r, jinja_joiner *joiner, jinja_value *out)
{
    if (joiner->used)
        *out = joiner->separator;
    else
        TRY(jinja_word(r, "", out));
    joiner->used = true;
    return STATUS_OK;
}

status jinja_call_value(jinja_run *r, jinja_value callee, const jinja_call *call, jinja_value *out)
{
    switch (callee.kind) {
    case JINJA_NATIVE:
        return jinja_call_native(r, callee.native->native, "the function", callee.native->self, call, out);
    case JINJA_MACRO:
        return jinja_call_macro(r, callee.macro, call, out);
    case JINJA_LOOP:
        if (call->count != 1 || call->named_count)
            return jinja_fail(r, "loop() wants one argument: what to go through");
        return jinja_recurse(r, callee.loop, call->positional[0], out);
    case JINJA_JOINER:
        return call_joiner(r, callee.joiner, out);
    case JINJA_UNDEFINED:
        return jinja_fail_undefined(r, callee);
    default:
        return jinja_fail(r, "a %s cannot be called", jinja_type_name(callee));
    }
}
