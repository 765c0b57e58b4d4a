/* Methods that ask what letters a string has. */
#include "jinja/run.h"

#include <utf8proc.h>

#define METHOD(name)                                                                                               \
    static status name(jinja_run *r, jinja_value self, const jinja_value *args, const jinja_call *call,            \
                       jinja_value *out)
#define UNUSED(x) (void)(x)

static slice text_of(const jinja_string *s)
{
    return (slice){s->text, s->length};
}

typedef enum question { IS_ALPHA, IS_DIGIT, IS_DECIMAL, IS_NUMERIC, IS_ALNUM, IS_SPACE, IS_ASCII, IS_PRINTABLE } question;

static bool is_digit(uint32_t c, bool decimal)
{
    return utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_ND ||
           (!decimal && (c == 0xb2 || c == 0xb3 || c == 0xb9 || c == 0x2070 || (c >= 0x2074 && c <= 0x2079) ||
                         (c >= 0x2080 && c <= 0x2089) || (c >= 0x2460 && c <= 0x2468)));
}

static bool answer(uint32_t c, question what)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    bool letter = category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
    bool number = category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL || category == UTF8PROC_CATEGORY_NO;
    switch (what) {
    case IS_ALPHA:
        return letter;
    case IS_DIGIT:
        return is_digit(c, false);
    case IS_DECIMAL:
        return is_digit(c, true);
    case IS_NUMERIC:
        return number;
    case IS_ALNUM:
        return letter || number;
    case IS_SPACE:
        return jinja_is_space(c);
    case IS_ASCII:
        return c < 0x80;
    case IS_PRINTABLE:
        return jinja_is_printable(c);
    }
    BUG("question %d", (int)what);
}

static status ask(jinja_run *r, jinja_value self, question what, jinja_value *out)
{
    const jinja_string *s = self.string;
    bool yes = s->length > 0 || what == IS_ASCII || what == IS_PRINTABLE;
    for (size_t at = 0; at < s->length && yes;)
        yes = answer(utf8_next(text_of(s), &at), what);
    *out = jinja_bool(yes);
    return jinja_step(r, 1 + s->length / 16);
}

METHOD(run_isalpha) { UNUSED(args); UNUSED(call); return ask(r, self, IS_ALPHA, out); }
METHOD(run_isdigit) { UNUSED(args); UNUSED(call); return ask(r, self, IS_DIGIT, out); }
METHOD(run_isdecimal) { UNUSED(args); UNUSED(call); return ask(r, self, IS_DECIMAL, out); }
METHOD(run_isnumeric) { UNUSED(args); UNUSED(call); return ask(r, self, IS_NUMERIC, out); }
METHOD(run_isalnum) { UNUSED(args); UNUSED(call); return ask(r, self, IS_ALNUM, out); }
METHOD(run_isspace) { UNUSED(args); UNUSED(call); return ask(r, self, IS_SPACE, out); }
METHOD(run_isascii) { UNUSED(args); UNUSED(call); return ask(r, self, IS_ASCII, out); }
METHOD(run_isprintable) { UNUSED(args); UNUSED(call); return ask(r, self, IS_PRINTABLE, out); }

static status ask_case(jinja_run *r, jinja_value self, bool upper, jinja_value *out)
{
    const jinja_string *s = self.string;
    bool any = false, other = false;
    for (size_t at = 0; at < s->length && !other;) {
        uint32_t c = utf8_next(text_of(s), &at);
        bool right = upper ? utf8proc_isupper((utf8proc_int32_t)c) : utf8proc_islower((utf8proc_int32_t)c);
        any = any || right;
        other = jinja_is_cased(c) && !right;
    }
    *out = jinja_bool(any && !other);
    return jinja_step(r, 1 + s->length / 16);
}

METHOD(run_isupper) { UNUSED(args); UNUSED(call); return ask_case(r, self, true, out); }
METHOD(run_islower) { UNUSED(args); UNUSED(call); return ask_case(r, self, false, out); }

METHOD(run_istitle)
{
    UNUSED(args);
    UNUSED(call);
    const jinja_string *s = self.string;
    bool any = false, inside = false, right = true;
    for (size_t at = 0; at < s->length && right;) {
        uint32_t c = utf8_next(text_of(s), &at);
        bool small = utf8proc_islower((utf8proc_int32_t)c), cased = jinja_is_cased(c);
        right = !cased || small == inside;
        any = any || cased;
        inside = cased;
    }
    *out = jinja_bool(any && right);
    return jinja_step(r, 1 + s->length / 16);
}

const jinja_native jinja_string_questions[] = {
    {"isalpha", "", 0, run_isalpha},
    {"isdigit", "", 0, run_isdigit},
    {"isdecimal", "", 0, run_isdecimal},
    {"isnumeric", "", 0, run_isnumeric},
    {"isalnum", "", 0, run_isalnum},
    {"isspace", "", 0, run_isspace},
    {"isascii", "", 0, run_isascii},
    {"isprintable", "", 0, run_isprintable},
    {"isupper", "", 0, run_isupper},
    {"islower", "", 0, run_islower},
    {"istitle", "", 0, run_istitle},
    {0},
};
