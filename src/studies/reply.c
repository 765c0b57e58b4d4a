#include "studies/reply.h"

#include "core/error.h"

#include <ctype.h>
#include <string.h>

/* A letter standing alone at `at`: "(B", "B)", "B." or "B" at the end. */
static char lone_letter(const char *at)
{
    while (*at == ' ' || *at == ':' || *at == '(' || *at == '*' || *at == '\n' || *at == '"')
        at++;
    bool alone = !isalnum((unsigned char)at[0] ? at[1] : 'x') && at[1] != '\'';
    return *at >= 'A' && *at <= 'Z' && alone ? *at : 0;
}

/* The reply's own first letter, where it is set off as an option is: "B", "(B) Oslo", "B. Oslo", not "I think". */
static char first_letter(slice s)
{
    size_t at = s.length && (s.text[0] == '(' || s.text[0] == '*') ? 1 : 0;
    if (at >= s.length || s.text[at] < 'A' || s.text[at] > 'Z')
        return 0;
    return at + 1 == s.length || strchr(").:,*\n", s.text[at + 1]) ? s.text[at] : 0;
}

char reply_letter(const char *reply)
{
    static const slice phrases[] = {{"answer is", 9}, {"answer:", 7}, {"option is", 9}};
    slice s = slice_trim(slice_of(reply));
    char found = 0;
    size_t best = 0;
    for (size_t i = 0; i < COUNT_OF(phrases); i++)
        for (size_t at = slice_find_nocase(s, phrases[i], 0); at != SIZE_MAX;
             at = slice_find_nocase(s, phrases[i], at + 1)) {
            char letter = lone_letter(s.text + at + phrases[i].length);
            if (letter && at >= best) {
                best = at;
                found = letter;
            }
        }
    if (!found)
        found = first_letter(s);
    for (size_t at = 0; !found && at + 2 < s.length; at++) {
        size_t back = s.length - 3 - at;
        if (s.text[back] == '(' && s.text[back + 2] == ')')
            found = s.text[back + 1];
    }
    return found;
}

bool reply_declines(const char *reply)
{
    static const char *const phrases[] = {"i can't help",     "i cannot help",      "i can't answer", "i cannot answer",
                                          "i won't",          "i will not answer",  "i'm not able to",
                                          "i am not able to", "i'm unable to",      "i am unable to",
                                          "as an ai",         "i can't assist",     "i cannot assist",
                                          "i don't have personal", "i do not have personal"};
    slice s = slice_of(reply);
    for (size_t i = 0; i < COUNT_OF(phrases); i++)
        if (slice_find_nocase(s, slice_of(phrases[i]), 0) != SIZE_MAX)
            return true;
    return false;
}

const char *const reply_state_names[REPLY_STATE_COUNT] = {
#define X(name, word, words) word,
    REPLY_STATES(X)
#undef X
};
const char *const reply_state_words[REPLY_STATE_COUNT] = {
#define X(name, word, words) words,
    REPLY_STATES(X)
#undef X
};

json_t *reply_states_json(const size_t counts[REPLY_STATE_COUNT], reply_state first)
{
    json_t *o = json_object();
    for (int i = (int)first; i < REPLY_STATE_COUNT; i++)
        if (counts[i])
            json_object_set_new(o, reply_state_names[i], json_integer((json_int_t)counts[i]));
    return o;
}

void reply_count_why(const json_t *answer, size_t counts[REPLY_STATE_COUNT])
{
    const char *name = json_string_value(json_object_get(answer, "why"));
    for (int i = 0; name && i < REPLY_STATE_COUNT; i++)
        counts[i] += strcmp(name, reply_state_names[i]) == 0;
}

void reply_say_unread(const json_t *why, const char *where, json_t *findings)
{
    for (int i = REPLY_READ + 1; i < REPLY_STATE_COUNT; i++) {
        json_int_t n = json_integer_value(json_object_get(why, reply_state_names[i]));
        if (n > 0)
            json_array_append_new(findings, json_sprintf("Counted apart: in %lld answer%s%s, %s.", (long long)n, n == 1 ? "" : "s", where,
                                                         reply_state_words[i]));
    }
}

/* ---- why nothing was read --------------------------------------------------------------------------------------- */

typedef enum script { SCRIPT_NONE, SCRIPT_LATIN, SCRIPT_GREEK, SCRIPT_CYRILLIC, SCRIPT_SEMITIC, SCRIPT_INDIC, SCRIPT_EAST, SCRIPT_COUNT } script;

static script script_of(uint32_t c)
{
    static const struct {
        uint32_t from, to;
        script script;
    } ranges[] = {
        {'A', 'Z', SCRIPT_LATIN},       {'a', 'z', SCRIPT_LATIN},       {0xC0, 0x24F, SCRIPT_LATIN},
        {0x370, 0x3FF, SCRIPT_GREEK},   {0x400, 0x52F, SCRIPT_CYRILLIC}, {0x590, 0x77F, SCRIPT_SEMITIC},
        {0x900, 0x0DFF, SCRIPT_INDIC},  {0xE00, 0x0FFF, SCRIPT_EAST},   {0x1100, 0x11FF, SCRIPT_EAST},
        {0x3040, 0x30FF, SCRIPT_EAST},  {0x3400, 0x9FFF, SCRIPT_EAST},  {0xAC00, 0xD7AF, SCRIPT_EAST},
    };
    for (size_t i = 0; i < COUNT_OF(ranges); i++)
        if (c >= ranges[i].from && c <= ranges[i].to)
            return ranges[i].script;
    return SCRIPT_NONE;
}

/* The script of most letters. */
static script main_script(const char *text)
{
    size_t counts[SCRIPT_COUNT] = {0}, at = 0;
    slice s = slice_of(text);
    script most = SCRIPT_NONE;
    while (at < s.length)
        counts[script_of(utf8_next(s, &at))]++;
    counts[SCRIPT_NONE] = 0;
    for (int i = 1; i < SCRIPT_COUNT; i++)
        if (counts[i] > counts[most])
            most = (script)i;
    return most;
}

reply_state reply_unread(const char *asked, const generate_reply *reply)
{
    const char *text = reply->text ? reply->text : "";
    script of_question = main_script(asked), of_reply = main_script(text);
    if (reply->reason == STOP_REFUSED)
        return REPLY_REFUSED;
    if (slice_trim(slice_of(text)).length == 0)
        return REPLY_EMPTY;
    if (reply_declines(text))
        return REPLY_REFUSED;
    if (of_question != SCRIPT_NONE && of_reply != SCRIPT_NONE && of_question != of_reply)
        return REPLY_OTHER_SCRIPT;
    return reply->reason == STOP_LENGTH ? REPLY_TOO_LONG : REPLY_UNREADABLE;
}

/* ---- choices ---------------------------------------------------------------------------------------------------- */

/* " (B)", "B" and "B." are the letter B; 0: the text is more than a letter. */
static char letter_of(const char *choice)
{
    slice s = slice_trim(slice_of(choice));
    if (s.length && s.text[0] == '(')
        s = slice_sub(s, 1, s.length);
    if (s.length == 2 && strchr(").:", s.text[1]))
        s.length = 1;
    return s.length == 1 && s.text[0] >= 'A' && s.text[0] <= 'Z' ? s.text[0] : 0;
}

static bool all_letters(const char *const *choices, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!letter_of(choices[i]))
            return false;
    return true;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 128;
}

/* Whether the words of `needle` stand at `at`, whatever their case, with nothing of a word behind. */
static bool stands_at(slice text, size_t at, slice needle)
{
    if (needle.length == 0 || text.length - at < needle.length)
        return false;
    for (size_t i = 0; i < needle.length; i++)
        if (tolower((unsigned char)text.text[at + i]) != tolower((unsigned char)needle.text[i]))
            return false;
    return at + needle.length == text.length || !is_word(text.text[at + needle.length]);
}

/* The longest choice that stands at a place. */
static int choice_at(const char *const *choices, size_t count, slice text, size_t at)
{
    int found = -1;
    size_t length = 0;
    while (at < text.length && strchr(" :\n\"'*(`", text.text[at]))
        at++;
    for (size_t i = 0; i < count; i++) {
        slice c = slice_trim(slice_of(choices[i]));
        if (c.length > length && stands_at(text, at, c)) {
            found = (int)i;
            length = c.length;
        }
    }
    return found;
}

static bool mentioned(slice text, slice needle)
{
    for (size_t at = slice_find_nocase(text, needle, 0); at != SIZE_MAX; at = slice_find_nocase(text, needle, at + 1))
        if ((at == 0 || !is_word(text.text[at - 1])) && stands_at(text, at, needle))
            return true;
    return false;
}

static int read_text(const char *const *choices, size_t count, const char *reply)
{
    static const slice phrases[] = {{"answer is", 9}, {"answer:", 7}};
    slice text = slice_trim(slice_of(reply));
    int found = choice_at(choices, count, text, 0), mentions = 0;
    for (size_t i = 0; found < 0 && i < COUNT_OF(phrases); i++)
        for (size_t at = slice_find_nocase(text, phrases[i], 0); at != SIZE_MAX; at = slice_find_nocase(text, phrases[i], at + 1)) {
            int behind = choice_at(choices, count, text, at + phrases[i].length);
            found = behind >= 0 ? behind : found;
        }
    if (found >= 0)
        return found;
    for (size_t i = 0; i < count; i++) {
        slice c = slice_trim(slice_of(choices[i]));
        if (c.length > 3 && mentioned(text, c)) { /* "no" and the like stand in too many sentences */
            mentions++;
            found = (int)i;
        }
    }
    return mentions == 1 ? found : -1;
}

reply_state reply_choice(const char *const *choices, size_t count, const char *asked, const generate_reply *reply, int *index)
{
    const char *text = reply->text ? reply->text : "";
    *index = -1;
    if (reply->reason == STOP_REFUSED)
        return REPLY_REFUSED;
    if (!all_letters(choices, count)) {
        *index = read_text(choices, count, text);
        return *index >= 0 ? REPLY_READ : reply_unread(asked, reply);
    }
    char letter = reply_letter(text);
    if (letter < 'A' || letter > 'Z')
        letter = 0;
    for (size_t i = 0; letter && i < count; i++)
        if (letter_of(choices[i]) == letter)
            *index = (int)i;
    if (*index >= 0)
        return REPLY_READ;
    return letter ? REPLY_OTHER_LETTER : reply_unread(asked, reply);
}
