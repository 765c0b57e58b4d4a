#include "studies/task/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { MATCH_LIMIT = 1000000, DEPTH_LIMIT = 1000, HEAP_KIB = 16384 };

static void release(void *code)
{
    pcre2_code_free(code);
}

status task_pattern_compile(arena *a, const yaml_node *at, const char *pattern, void **out, error *err)
{
    int code;
    PCRE2_SIZE place;
    pcre2_code *regex = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_MULTILINE, &code, &place, NULL);
    if (!regex) {
        PCRE2_UCHAR words[160];
        pcre2_get_error_message(code, words, sizeof words);
        return yaml_error(at, err, "the pattern is not a regular expression (PCRE2): %s, at its character %zu", (char *)words,
                          (size_t)place);
    }
    *out = regex;
    if (!arena_on_free(a, release, regex)) {
        *out = NULL;
        return error_set(err, STATUS_MEMORY, "%s: out of memory", at->file);
    }
    return STATUS_OK;
}

bool task_pattern_last(const void *regex, slice text, slice *out)
{
    bool found = false;
    pcre2_match_data *match = pcre2_match_data_create_from_pattern(regex, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    if (match && limits) {
        pcre2_set_match_limit(limits, MATCH_LIMIT);
        pcre2_set_depth_limit(limits, DEPTH_LIMIT);
        pcre2_set_heap_limit(limits, HEAP_KIB);
        size_t at = 0;
        while (at <= text.length) {
            int groups = pcre2_match(regex, (PCRE2_SPTR)(text.text ? text.text : ""), text.length, at, 0, match, limits);
            if (groups < 1)
                break;
            const PCRE2_SIZE *places = pcre2_get_ovector_pointer(match);
            size_t group = pcre2_get_ovector_count(match) > 1 ? 1 : 0;
            if (group < (size_t)groups && places[2 * group] != PCRE2_UNSET) {
                *out = slice_sub(text, places[2 * group], places[2 * group + 1]);
                found = true;
            }
            size_t end = places[1];
            if (end <= at && end == places[0]) { /* nothing was taken: on to the next character */
                size_t next = end;
                if (next >= text.length)
                    break;
                utf8_next(text, &next);
                end = next;
            }
            at = end > at ? end : at + 1;
        }
    }
    pcre2_match_context_free(limits);
    pcre2_match_data_free(match);
    return found;
}
