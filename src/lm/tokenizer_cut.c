/* Regular expressions: Hugging Face's dialect (Oniguruma's Ruby syntax) through PCRE2. */
#include "lm/tokenizer_internal.h"

#include <string.h>

/* White space as Unicode's White_Space property has it. PCRE2's own \s also counts U+180E, which lost the property
 * in Unicode 6.3, and the regular expressions of `tokenizers` do not. */
#define SPACES "\\t-\\r \\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
/* Letters, marks, numbers (of fractions and the like only those of Latin-1), connectors, letters in circles and squares.
 * PCRE2's own \w is another set. */
#define WORDS "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}"

/* Escapes that mean something else there: the letter, what it is inside of [], and outside. */
static const struct {
    char letter;
    const char *inside, *outside;
} escapes[] = {
    {'s', SPACES, "[" SPACES "]"}, {'S', NULL, "[^" SPACES "]"},        {'w', WORDS, "[" WORDS "]"},
    {'W', NULL, "[^" WORDS "]"},   {'h', "0-9a-fA-F", "[0-9a-fA-F]"}, {'H', NULL, "[^0-9a-fA-F]"},
};

static status refused(const char *name, const char *what, const char *pattern, error *err)
{
    return error_set(err, STATUS_UNSUPPORTED, "%s: %s in the pattern %s", name, what, pattern);
}

/* Writes what follows a backslash at *p, and moves *p to its last character. */
static status translate_escape(const char **p, bool in_class, const char *pattern, const char *name, strbuf *out, error *err)
{
    char letter = *++*p;
    for (size_t i = 0; i < COUNT_OF(escapes); i++)
        if (escapes[i].letter == letter) {
            if (in_class && !escapes[i].inside) {
                char what[32];
                snprintf(what, sizeof what, "\\%c inside of []", letter);
                return refused(name, what, pattern, err);
            }
            strbuf_add(out, in_class ? escapes[i].inside : escapes[i].outside);
            return STATUS_OK;
        }
    strbuf_add_char(out, '\\');
    strbuf_add_char(out, letter);
    const char *end = strchr("pPx", letter) && (*p)[1] == '{' ? strchr(*p, '}') : NULL; /* \p{L} */
    if (end) {
        strbuf_add_bytes(out, *p + 1, (size_t)(end - *p));
        *p = end;
    }
    return STATUS_OK;
}

/* [:digit:] and its like inside of []. */
static status translate_named(const char **p, const char *pattern, const char *name, strbuf *out, error *err)
{
    static const char *const named[][2] = {{"[:digit:]", "\\p{Nd}"},   {"[:punct:]", "\\p{P}\\p{S}"}, {"[:space:]", SPACES},
                                           {"[:word:]", WORDS},        {"[:xdigit:]", "0-9a-fA-F"}};
    for (size_t i = 0; i < COUNT_OF(named); i++)
        if (slice_starts(slice_of(*p), slice_of(named[i][0]))) {
            strbuf_add(out, named[i][1]);
            *p += strlen(named[i][0]) - 1;
            return STATUS_OK;
        }
    return refused(name, "a class in [: :] other than digit, punct, space, word, xdigit", pattern, err);
}

static status translate(const char *pattern, const char *name, strbuf *out, error *err)
{
    bool in_class = false;
    const char *class_start = NULL;
    for (const char *p = pattern; *p; p++) {
        if (*p == '\\' && p[1]) {
            TRY(translate_escape(&p, in_class, pattern, name, out, err));
            continue;
        }
        if (in_class && *p == '[' && p[1] != ':')
            return refused(name, "[ inside of []", pattern, err);
        if (in_class && *p == '&' && p[1] == '&')
            return refused(name, "&& inside of []", pattern, err);
        if (!in_class && *p == '}' && p[1] == '+') /* there a repetition of a repetition, here one that gives nothing back */
            return refused(name, "}+", pattern, err);
        if (in_class && *p == '[') {
            TRY(translate_named(&p, pattern, name, out, err));
            continue;
        }
        if (!in_class && *p == '[') {
            in_class = true;
            class_start = p + (p[1] == '^' ? 2 : 1);
        } else if (in_class && *p == ']' && p != class_start) {
            in_class = false;
        }
        strbuf_add_char(out, *p);
    }
    return out->failed ? error_set(err, STATUS_MEMORY, "%s: out of memory", name) : STATUS_OK;
}

status tokenizer_compile(const char *pattern, const char *name, pcre2_code **out, error *err)
{
    *out = NULL;
    strbuf text = strbuf_new(NULL, 1 << 16);
    status result = translate(pattern, name, &text, err);
    if (result == STATUS_OK) {
        int code;
        PCRE2_SIZE where;
        slice all = strbuf_slice(&text);
        uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_MULTILINE;
        *out = pcre2_compile((PCRE2_SPTR)all.text, all.length, options, &code, &where, NULL);
        if (*out) {
            pcre2_jit_compile(*out, PCRE2_JIT_COMPLETE); /* where there is no JIT the interpreter does the same */
        } else {
            PCRE2_UCHAR words[160];
            pcre2_get_error_message(code, words, sizeof words);
            result = error_set(err, STATUS_INVALID, "%s: the pattern %s: %s", name, pattern, (const char *)words);
        }
    }
    strbuf_free(&text);
    return result;
}

static void code_close(void *context)
{
    pcre2_code_free(context);
}

status tokenizer_pattern(tokenizer *t, const char *pattern, pcre2_code **out, error *err)
{
    TRY(tokenizer_compile(pattern, t->name, out, err));
    return arena_on_free(t->arena, code_close, *out) ? STATUS_OK : tokenizer_out_of_memory(t->name, err);
}

static size_t next_character(slice text, size_t at)
{
    if (at >= text.length)
        return at + 1;
    utf8_next(text, &at);
    return at;
}

/* An empty match right behind the one before is none. */
status tokenizer_match(pcre2_code *code, pcre2_match_data *match, slice text, size_t *at, size_t last_end, size_t span[2],
                       bool *found, error *err)
{
    *found = false;
    while (*at <= text.length && text.length) {
        int count = pcre2_match(code, (PCRE2_SPTR)text.text, text.length, *at, PCRE2_NO_UTF_CHECK, match, NULL);
        if (count == PCRE2_ERROR_NOMATCH)
            return STATUS_OK;
        const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(match);
        if (count >= 0 && (ends[0] < *at || ends[1] < ends[0]))
            return error_set(err, STATUS_UNSUPPORTED, "a pattern moves the start of its match (\\K), which is not supported");
        if (count < 0)
            return error_set(err, count == PCRE2_ERROR_NOMEMORY ? STATUS_MEMORY : STATUS_INVALID,
                             "cannot cut a text of %zu bytes into pieces (PCRE2 error %d)", text.length, count);
        span[0] = ends[0];
        span[1] = ends[1];
        *at = span[0] < span[1] ? span[1] : next_character(text, span[1]);
        if (span[0] < span[1] || span[1] != last_end) {
            *found = true;
            return STATUS_OK;
        }
    }
    return STATUS_OK;
}

/* White space and digits at the end of a run make pieces of bounded length; a run of letters may be as long as the
 * text, which PCRE2 matches without recursion. */
status tokenizer_cut(pcre2_code *code, pcre2_match_data *match, slice text,
                     status (*piece)(void *context, slice piece, error *err), void *context, error *err)
{
    size_t at = 0, done = 0, last = SIZE_MAX, span[2];
    for (bool found = true;;) {
        TRY(tokenizer_match(code, match, text, &at, last, span, &found, err));
        if (!found)
            break;
        if (span[0] > done) /* what the pattern does not cover is a piece too */
            TRY(piece(context, slice_sub(text, done, span[0]), err));
        if (span[1] > span[0])
            TRY(piece(context, slice_sub(text, span[0], span[1]), err));
        done = last = span[1];
    }
    return done < text.length ? piece(context, slice_sub(text, done, text.length), err) : STATUS_OK;
}
