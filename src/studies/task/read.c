#include "studies/task/read.h"

#include "studies/reply.h"

#include <ctype.h>
#include <stdlib.h>

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

reply_state task_reply_unread(const char *asked, const generate_reply *reply)
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

static bool all_letters(const task_item *item)
{
    for (int i = 0; i < item->choice_count; i++)
        if (!letter_of(item->choices[i]))
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
static int choice_at(const task_item *item, slice text, size_t at)
{
    int found = -1;
    size_t length = 0;
    while (at < text.length && strchr(" :\n\"'*(`", text.text[at]))
        at++;
    for (int i = 0; i < item->choice_count; i++) {
        slice c = slice_trim(slice_of(item->choices[i]));
        if (c.length > length && stands_at(text, at, c)) {
            found = i;
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

static int read_text(const task_item *item, const char *reply)
{
    static const slice phrases[] = {{"answer is", 9}, {"answer:", 7}};
    slice text = slice_trim(slice_of(reply));
    int found = choice_at(item, text, 0), mentions = 0;
    for (size_t i = 0; found < 0 && i < COUNT_OF(phrases); i++)
        for (size_t at = slice_find_nocase(text, phrases[i], 0); at != SIZE_MAX; at = slice_find_nocase(text, phrases[i], at + 1)) {
            int behind = choice_at(item, text, at + phrases[i].length);
            found = behind >= 0 ? behind : found;
        }
    if (found >= 0)
        return found;
    for (int i = 0; i < item->choice_count; i++) {
        slice c = slice_trim(slice_of(item->choices[i]));
        if (c.length > 3 && mentioned(text, c)) { /* "no" and the like stand in too many sentences */
            mentions++;
            found = i;
        }
    }
    return mentions == 1 ? found : -1;
}

reply_state task_read_choice(const task_item *item, const char *asked, const generate_reply *reply, int *index)
{
    const char *text = reply->text ? reply->text : "";
    *index = -1;
    if (reply->reason == STOP_REFUSED)
        return REPLY_REFUSED;
    if (!all_letters(item)) {
        *index = read_text(item, text);
        return *index >= 0 ? REPLY_READ : task_reply_unread(asked, reply);
    }
    char letter = reply_letter(text);
    if (letter < 'A' || letter > 'Z')
        letter = 0;
    for (int i = 0; letter && i < item->choice_count; i++)
        if (letter_of(item->choices[i]) == letter)
            *index = i;
    if (*index >= 0)
        return REPLY_READ;
    return letter ? REPLY_OTHER_LETTER : task_reply_unread(asked, reply);
}

/* ---- numbers ---------------------------------------------------------------------------------------------------- */

/* The number that begins at text[at]; *end behind it. */
static bool number_at(slice text, size_t at, size_t *end, double *out)
{
    char digits[64];
    size_t used = 0, i = at;
    bool point = false, any = false;
    if (text.text[i] == '-')
        digits[used++] = text.text[i++];
    for (; i < text.length && used < sizeof digits - 1; i++) {
        char c = text.text[i];
        bool more = i + 1 < text.length && isdigit((unsigned char)text.text[i + 1]);
        if (isdigit((unsigned char)c)) {
            digits[used++] = c;
            any = true;
        } else if (c == '.' && more && !point) {
            digits[used++] = c;
            point = true;
        } else if (!(c == ',' && more && any && !point)) {
            break;
        }
    }
    *end = i;
    return any && slice_to_double((slice){digits, used}, out);
}

bool task_read_number(slice text, bool first, double *out)
{
    bool found = false;
    for (size_t at = 0; at < text.length;) {
        char c = text.text[at];
        bool begins = isdigit((unsigned char)c) ||
                      (at + 1 < text.length && isdigit((unsigned char)text.text[at + 1]) &&
                       (c == '.' || (c == '-' && (at == 0 || !isalnum((unsigned char)text.text[at - 1])))));
        size_t end = at + 1;
        if (begins && number_at(text, at, &end, out)) {
            found = true;
            if (first)
                return true;
        }
        at = end > at ? end : at + 1;
    }
    return found;
}
