/* Kinds of characters, as the reference's libraries have them.
 *
 * Categories come from utf8proc. Two of the reference's kinds (marks and punctuation in BERT's parts) rest on Unicode 8,
 * so that characters which came later are neither: the tables of exceptions say which. */
#include "lm/tokenizer_internal.h"

#include <utf8proc.h>

typedef struct span {
    uint32_t first, last;
} span;

static bool in_spans(const span *spans, size_t count, uint32_t code)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (code > spans[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && code >= spans[low].first;
}

/* Unicode's White_Space. */
bool letter_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
           c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool letter_numeric(uint32_t code)
{
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)code);
    return c == UTF8PROC_CATEGORY_ND || c == UTF8PROC_CATEGORY_NL || c == UTF8PROC_CATEGORY_NO;
}

/* \w: letters, marks, decimal and letter numbers, connectors, joiners, circled and squared letters. */
bool letter_word(uint32_t code)
{
    if (code < 0x80)
        return (code >= '0' && code <= '9') || (code >= 'A' && code <= 'Z') || code == '_' || (code >= 'a' && code <= 'z');
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)code);
    if ((c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_NL) || c == UTF8PROC_CATEGORY_PC)
        return true;
    return code == 0x200c || code == 0x200d || (code >= 0x24b6 && code <= 0x24e9) || (code >= 0x1f130 && code <= 0x1f149) ||
           (code >= 0x1f150 && code <= 0x1f169) || (code >= 0x1f170 && code <= 0x1f189);
}

bool letter_punctuation(uint32_t code)
{
    static const span late[] = {
        {0x61d, 0x61d}, {0x9fd, 0xa76}, {0xc77, 0xc84}, {0x1b7d, 0x1b7e}, {0x2e43, 0x2e5d}, {0x10ead, 0x10f89},
        {0x1144b, 0x1145d}, {0x11660, 0x116b9}, {0x1183b, 0x11fff}, {0x12ff1, 0x12ff2}, {0x16e97, 0x16fe2},
        {0x1e95e, 0x1e95f},
    };
    if (code < 0x80)
        return (code >= 33 && code <= 47) || (code >= 58 && code <= 64) || (code >= 91 && code <= 96) ||
               (code >= 123 && code <= 126);
    if (code == 0x166d || code == 0x111c9) /* were punctuation then */
        return true;
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)code);
    return c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_PO && !in_spans(late, COUNT_OF(late), code);
}

bool letter_mark(uint32_t code)
{
    static const span late[] = {
        {0x7fd, 0x7fd}, {0x898, 0x8d3}, {0x9fe, 0x9fe}, {0xafa, 0xaff}, {0xb55, 0xb55}, {0xc04, 0xc3c},
        {0xcf3, 0xd00}, {0xd3b, 0xd3c}, {0xd81, 0xd81}, {0xeba, 0xeba}, {0xece, 0xece}, {0x1715, 0x1715},
        {0x180f, 0x180f}, {0x1abf, 0x1ace}, {0x1cf7, 0x1cf7}, {0x1df6, 0x1dfa}, {0xa82c, 0xa82c}, {0xa8ff, 0xa8ff},
        {0x10d24, 0x10f85}, {0x11070, 0x11074}, {0x110c2, 0x110c2}, {0x11145, 0x11146}, {0x111c9, 0x111c9},
        {0x111ce, 0x111cf}, {0x11241, 0x11241}, {0x1133b, 0x1133b}, {0x1145e, 0x1145e}, {0x1182c, 0x11a99},
        {0x11d31, 0x13455}, {0x16f4f, 0x16f4f}, {0x16f7f, 0x16f87}, {0x16fe4, 0x16ff1}, {0x1cf00, 0x1cf46},
        {0x1e08f, 0x1e4ef},
    };
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)code);
    bool mark = c >= UTF8PROC_CATEGORY_MN && c <= UTF8PROC_CATEGORY_ME;
    return (mark && !in_spans(late, COUNT_OF(late), code)) || (code >= 0x1cf2 && code <= 0x1cf3);
}

bool letter_nonspacing(uint32_t code)
{
    static const span late[] = {
        {0x7fd, 0x7fd}, {0x898, 0x8e1}, {0x9fe, 0x9fe}, {0xafa, 0xaff}, {0xb55, 0xb55}, {0xc04, 0xc3c},
        {0xd00, 0xd00}, {0xd3b, 0xd3c}, {0xd81, 0xd81}, {0xeba, 0xeba}, {0xece, 0xece}, {0x180f, 0x1886},
        {0x1abf, 0x1ace}, {0x1df6, 0x1dfb}, {0xa82c, 0xa82c}, {0xa8c5, 0xa8c5}, {0xa8ff, 0xa8ff}, {0xa9bd, 0xa9bd},
        {0x10d24, 0x10f85}, {0x11070, 0x11074}, {0x110c2, 0x110c2}, {0x111c9, 0x111c9}, {0x111cf, 0x111cf},
        {0x1123e, 0x11241}, {0x1133b, 0x1133b}, {0x11438, 0x1145e}, {0x1182f, 0x13455}, {0x16f4f, 0x16f4f},
        {0x16fe4, 0x16fe4}, {0x1cf00, 0x1cf46}, {0x1e000, 0x1e4ef}, {0x1e944, 0x1e94a},
    };
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)code);
    return (c == UTF8PROC_CATEGORY_MN && !in_spans(late, COUNT_OF(late), code)) || code == 0x1734;
}

/* Control, format, surrogate and private characters; not those that are not assigned. */
bool letter_control(uint32_t code)
{
    if (code == 0x890 || code == 0x891 || code == 0x8e2 || code == 0x110cd || (code >= 0x13430 && code <= 0x1343f))
        return false; /* came later */
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)code);
    return c == UTF8PROC_CATEGORY_CC || c == UTF8PROC_CATEGORY_CF || c == UTF8PROC_CATEGORY_CS || c == UTF8PROC_CATEGORY_CO;
}

/* The blocks of Chinese characters that BERT's authors chose. */
bool letter_chinese(uint32_t c)
{
    static const span blocks[] = {{0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xf900, 0xfaff},   {0x20000, 0x2a6df},
                                  {0x2a700, 0x2b73f}, {0x2b740, 0x2b81f}, {0x2b920, 0x2ceaf}, {0x2f800, 0x2fa1f}};
    return in_spans(blocks, COUNT_OF(blocks), c);
}
