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
