#include "studies/task/read.h"

#include <ctype.h>
#include <stdlib.h>

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
