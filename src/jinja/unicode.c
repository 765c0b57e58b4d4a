/* Letters as Python's str knows them: white space, what can be printed, cases. */
#include "jinja/values.h"

#include <utf8proc.h>

bool jinja_is_space(uint32_t c)
{
    if (c < 0x80)
        return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x1f);
    return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

bool jinja_is_printable(uint32_t c)
{
    if (c < 0x7f)
        return c >= 0x20;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
        return false;
    default:
        return true;
    }
}

/* Letters that become several in upper case (the unconditional ones of Unicode's SpecialCasing without Greek
 * iota subscripts); in title case only the first is large. */
static const struct {
    uint32_t letter;
    uint32_t upper[3], title[3];
} several[] = {
    {0xdf, {'S', 'S'}, {'S', 's'}},
    {0x149, {0x2bc, 'N'}, {0x2bc, 'N'}},
    {0x1f0, {'J', 0x30c}, {'J', 0x30c}},
    {0x390, {0x399, 0x308, 0x301}, {0x399, 0x308, 0x301}},
    {0x3b0, {0x3a5, 0x308, 0x301}, {0x3a5, 0x308, 0x301}},
    {0x587, {0x535, 0x552}, {0x535, 0x582}},
    {0x1e96, {'H', 0x331}, {'H', 0x331}},
    {0x1e97, {'T', 0x308}, {'T', 0x308}},
    {0x1e98, {'W', 0x30a}, {'W', 0x30a}},
    {0x1e99, {'Y', 0x30a}, {'Y', 0x30a}},
    {0x1e9a, {'A', 0x2be}, {'A', 0x2be}},
    {0xfb00, {'F', 'F'}, {'F', 'f'}},
    {0xfb01, {'F', 'I'}, {'F', 'i'}},
    {0xfb02, {'F', 'L'}, {'F', 'l'}},
    {0xfb03, {'F', 'F', 'I'}, {'F', 'f', 'i'}},
    {0xfb04, {'F', 'F', 'L'}, {'F', 'f', 'l'}},
    {0xfb05, {'S', 'T'}, {'S', 't'}},
    {0xfb06, {'S', 'T'}, {'S', 't'}},
};

bool jinja_is_cased(uint32_t c)
{
    return utf8proc_isupper((utf8proc_int32_t)c) || utf8proc_islower((utf8proc_int32_t)c) ||
           utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_LT;
}

/* A capital sigma at the end of a word is written differently in lower case. */
static bool ends_word(const jinja_string *s, size_t start, size_t at)
{
    slice text = {s->text, s->length};
    bool letter_before = false;
    for (size_t i = start; i < at;) {
        uint32_t c = utf8_next(text, &i);
        if (i <= at && c != 0x3a3 && utf8proc_category((utf8proc_int32_t)c) != UTF8PROC_CATEGORY_MN)
            letter_before = jinja_is_cased(c);
        else if (c == 0x3a3 && i < at)
            letter_before = true;
    }
    size_t next = at;
    return letter_before && (at >= s->length || !jinja_is_cased(utf8_next(text, &next)));
}

static void write_upper(jinja_writer *w, uint32_t c, bool title, unsigned char mark)
{
    for (size_t i = 0; c >= 0x80 && i < COUNT_OF(several); i++)
        if (several[i].letter == c) {
            const uint32_t *letters = title ? several[i].title : several[i].upper;
            for (int k = 0; k < 3 && letters[k]; k++)
                jinja_write_point(w, letters[k], mark);
            return;
        }
    utf8proc_int32_t to = title ? utf8proc_totitle((utf8proc_int32_t)c) : utf8proc_toupper((utf8proc_int32_t)c);
    jinja_write_point(w, (uint32_t)to, mark);
}

static void write_lower(jinja_writer *w, const jinja_string *s, size_t start, size_t behind, uint32_t c, unsigned char mark)
{
    if (c == 0x130) { /* I with a dot keeps it */
        jinja_write_point(w, 'i', mark);
        jinja_write_point(w, 0x307, mark);
        return;
    }
    if (c == 0x3a3 && ends_word(s, start, behind))
        jinja_write_point(w, 0x3c2, mark);
    else
        jinja_write_point(w, (uint32_t)utf8proc_tolower((utf8proc_int32_t)c), mark);
}

void jinja_write_case(jinja_writer *w, const jinja_string *s, size_t start, size_t end, jinja_case to)
{
    for (size_t at = start; at < end && w->failed == STATUS_OK;) {
        size_t from = at;
        uint32_t c = utf8_next((slice){s->text, s->length}, &at);
        unsigned char mark = s->marks ? s->marks[from] : 0;
        jinja_case how = to;
        if (to == CASE_SWAP)
            how = utf8proc_isupper((utf8proc_int32_t)c) ? CASE_LOWER : utf8proc_islower((utf8proc_int32_t)c) ? CASE_UPPER : CASE_SWAP;
        if (how == CASE_UPPER || how == CASE_TITLE)
            write_upper(w, c, how == CASE_TITLE, mark);
        else if (how == CASE_LOWER)
            write_lower(w, s, start, at, c, mark);
        else
            jinja_write_point(w, c, mark);
    }
}

/* Whether a code point is to be stripped. */
static bool strips(const jinja_string *chars, uint32_t c)
{
    if (!chars)
        return jinja_is_space(c);
    for (size_t at = 0; at < chars->length;)
        if (utf8_next((slice){chars->text, chars->length}, &at) == c)
            return true;
    return false;
}

void jinja_strip(const jinja_string *s, const jinja_string *chars, bool left, bool right, size_t *start, size_t *end)
{
    slice text = {s->text, s->length};
    *start = 0;
    *end = s->length;
    while (left && *start < *end) {
        size_t next = *start;
        if (!strips(chars, utf8_next(text, &next)))
            break;
        *start = next;
    }
    while (right && *end > *start) {
        size_t at = *end - 1, next;
        while (at > *start && ((unsigned char)s->text[at] & 0xc0) == 0x80)
            at--;
        next = at;
        if (!strips(chars, utf8_next(text, &next)))
            break;
        *end = at;
    }
}
