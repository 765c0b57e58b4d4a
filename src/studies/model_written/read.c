/* From a reply to items: lines that are statements, or a question with two choices; whatever else is in it is told apart. */
#include "studies/model_written/written.h"

#include "studies/reply.h"
#include "stats/texts.h"

#include <ctype.h>
#include <math.h>

const char *const written_kind_names[WRITTEN_KIND_COUNT] = {"statements", "choices"};
const char *const written_form_names[WRITTEN_FORM_COUNT] = {
#define X(name, word, words) word,
    WRITTEN_FORMS(X)
#undef X
};
const char *const written_form_words[WRITTEN_FORM_COUNT] = {
#define X(name, word, words) words,
    WRITTEN_FORMS(X)
#undef X
};

static int most_letters(const written_wanted *w)
{
    int most = w->max_letters > 0 ? w->max_letters : w->kind == WRITTEN_CHOICE ? 1600 : 400;
    return most < WRITTEN_MOST_LETTERS ? most : WRITTEN_MOST_LETTERS;
}

static written_item new_item(const written_wanted *w, const char *text, written_form form)
{
    return (written_item){.text = text, .kind = w->kind, .side = w->side, .form = form, .label = NAN, .relevance = NAN, .mass = NAN};
}

/* At most so many bytes, whole characters. */
static char *copy_start(arena *a, slice s, size_t most)
{
    if (s.length > most) {
        s.length = most;
        s.length -= utf8_open_tail(s);
    }
    return slice_copy(a, s);
}

/* ---- statements ------------------------------------------------------------------------------------------------- */

/* Without a bullet or a number in front, and quotation marks around it. */
static slice strip_line(slice line)
{
    static const slice quotes[] = {{"\"", 1}, {"\xe2\x80\x9c", 3}, {"\xe2\x80\x9d", 3}};
    slice s = slice_trim(line);
    size_t digits = 0, bracket = s.length && s.text[0] == '(';
    while (bracket + digits < s.length && isdigit((unsigned char)s.text[bracket + digits]))
        digits++;
    size_t end = bracket + digits;
    if (digits && digits <= 3 && end < s.length && strchr(bracket ? ")" : ".):", s.text[end]))
        s = slice_trim(slice_sub(s, end + 1, s.length));
    else if (slice_starts(s, SLICE("\xe2\x80\xa2")))
        s = slice_trim(slice_sub(s, 3, s.length));
    else if (s.length > 1 && strchr("-*", s.text[0]) && s.text[1] == ' ')
        s = slice_trim(slice_sub(s, 1, s.length));
    for (size_t i = 0; i < COUNT_OF(quotes); i++)
        if (slice_starts(s, quotes[i]))
            s = slice_sub(s, quotes[i].length, s.length);
    for (size_t i = 0; i < COUNT_OF(quotes); i++)
        if (slice_ends(s, quotes[i]))
            s = slice_sub(s, 0, s.length - quotes[i].length);
    return slice_trim(s);
}

static bool is_sentence(const char *text)
{
    char word[64];
    slice rest = slice_of(text);
    size_t words = 0, length = strlen(text);
    while (words < 2 && text_next_word(&rest, word))
        words++;
    return words == 2 && text[length - 1] != ':' && strchr(text, '"') == NULL;
}

static bool same_words(const char *a, const char *b)
{
    char x[64], y[64];
    slice s = slice_of(a), t = slice_of(b);
    for (;;) {
        bool more = text_next_word(&s, x), other = text_next_word(&t, y);
        if (more != other || strcmp(x, y) != 0)
            return false;
        if (!more)
            return true;
    }
}

static written_form form_of_statement(const written_wanted *w, const written_batch *b, const char *text)
{
    size_t good = 0;
    if (!is_sentence(text))
        return FORM_MALFORMED;
    if (strlen(text) > (size_t)most_letters(w))
        return FORM_TOO_LONG;
    for (size_t i = 0; i < b->count; i++) {
        if (same_words(b->items[i].text, text))
            return FORM_REPEATED;
        good += b->items[i].form == FORM_GOOD;
    }
    return good >= (size_t)w->count ? FORM_SURPLUS : FORM_GOOD;
}

static bool read_statements(arena *a, const written_wanted *w, const char *reply, bool cut, written_batch *out)
{
    slice rest = slice_of(reply), line;
    while (slice_cut(&rest, '\n', &line) && out->count < WRITTEN_MOST_ITEMS) {
        slice s = strip_line(line);
        if (s.length == 0)
            continue;
        const char *text = copy_start(a, s, WRITTEN_MOST_LETTERS + 8); /* what is cut is too long as it stands */
        if (!text)
            return false;
        out->items[out->count] = new_item(w, text, form_of_statement(w, out, text));
        out->count++;
    }
    if (cut && out->count && slice_trim(rest).length == 0)
        out->items[out->count - 1].form = FORM_CUT_OFF;
    return true;
}

/* ---- questions -------------------------------------------------------------------------------------------------- */

/* Where a line begins with "(A)", "A)" or "A."; *behind is behind that. SIZE_MAX: nowhere. */
static size_t find_letter(slice s, char letter, size_t from, size_t *behind)
{
    for (size_t at = from; at < s.length; at++) {
        if (at > 0 && s.text[at - 1] != '\n')
            continue;
        size_t i = at;
        while (i < s.length && (s.text[i] == ' ' || s.text[i] == '-' || s.text[i] == '*'))
            i++;
        bool open = i < s.length && s.text[i] == '(';
        i += open;
        if (i + 1 < s.length && s.text[i] == letter && (s.text[i + 1] == ')' || (!open && s.text[i + 1] == '.'))) {
            *behind = i + 2;
            return at;
        }
    }
    return SIZE_MAX;
}

static slice question_part(slice s)
{
    static const slice starts[] = {{"Question:", 9}, {"question:", 9}}, ends[] = {{"Choices:", 8}, {"choices:", 8}, {"Answers:", 8}};
    s = slice_trim(s);
    for (size_t i = 0; i < COUNT_OF(starts); i++)
        if (slice_starts(s, starts[i]))
            s = slice_trim(slice_sub(s, starts[i].length, s.length));
    for (size_t i = 0; i < COUNT_OF(ends); i++)
        if (slice_ends(s, ends[i]))
            s = slice_trim(slice_sub(s, 0, s.length - ends[i].length));
    return s;
}

static bool read_question(arena *a, const written_wanted *w, const char *reply, bool cut, written_batch *out)
{
    slice s = slice_of(reply);
    size_t behind_a = 0, behind_b = 0, at_a = find_letter(s, 'A', 0, &behind_a);
    size_t at_b = at_a == SIZE_MAX ? SIZE_MAX : find_letter(s, 'B', behind_a, &behind_b), ignored;
    const char *text = NULL;
    written_form form = FORM_MALFORMED;
    if (at_b != SIZE_MAX && find_letter(s, 'C', behind_b, &ignored) == SIZE_MAX) {
        slice question = question_part(slice_sub(s, 0, at_a)), first = slice_trim(slice_sub(s, behind_a, at_b));
        slice second = slice_sub(s, behind_b, s.length);
        size_t end = slice_find(second, SLICE("\n"), 0);
        second = slice_trim(slice_sub(second, 0, end == SIZE_MAX ? second.length : end));
        char *q = copy_start(a, question, WRITTEN_MOST_LETTERS), *x = copy_start(a, first, WRITTEN_MOST_LETTERS);
        char *y = copy_start(a, second, WRITTEN_MOST_LETTERS);
        if (!q || !x || !y)
            return false;
        char word[64];
        slice words = question;
        bool good = text_next_word(&words, word) && first.length && second.length && !same_words(x, y);
        form = good ? FORM_GOOD : FORM_MALFORMED;
        text = arena_printf(a, "%s\n\nChoices:\n (A) %s\n (B) %s", q, x, y);
        if (good && text && strlen(text) > (size_t)most_letters(w))
            form = FORM_TOO_LONG;
        if (cut && end == SIZE_MAX)
            form = FORM_CUT_OFF;
    } else {
        text = copy_start(a, slice_trim(s), WRITTEN_MOST_LETTERS);
        form = cut ? FORM_CUT_OFF : FORM_MALFORMED;
    }
    out->items[out->count++] = new_item(w, text, form);
    return text != NULL;
}

void written_read(arena *a, const written_wanted *w, const char *reply, bool cut, written_batch *out)
{
    *out = (written_batch){.state = REPLY_READ, .reply = reply, .items = ARENA_ARRAY(a, written_item, WRITTEN_MOST_ITEMS)};
    bool good = out->items && (w->kind == WRITTEN_CHOICE ? read_question(a, w, reply, cut, out) : read_statements(a, w, reply, cut, out));
    if (!good)
        *out = (written_batch){.state = REPLY_UNREADABLE, .reply = reply};
}

written_item written_given(const written_wanted *w, const char *text)
{
    written_batch none = {0};
    written_form form = FORM_GOOD;
    if (w->kind == WRITTEN_STATEMENT)
        form = form_of_statement(w, &none, text);
    else if (strlen(text) > (size_t)most_letters(w))
        form = FORM_TOO_LONG;
    return new_item(w, text, form == FORM_SURPLUS ? FORM_GOOD : form);
}
