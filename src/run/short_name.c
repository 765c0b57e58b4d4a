#include "run/short_name.h"

#include "core/text.h"

#include <ctype.h>
#include <string.h>

enum { LONG = 28, HASH = 32, HASH_SHOWN = 8 };

static bool is_hash(slice s)
{
    for (size_t i = 0; i < s.length; i++)
        if (!isxdigit((unsigned char)s.text[i]))
            return false;
    return s.length >= HASH;
}

/* The end of a path, or of an address its model; of a hash the beginning. */
static void add_part(strbuf *out, slice part)
{
    while (part.length > 1 && part.text[part.length - 1] == '/')
        part.length--;
    for (size_t i = part.length; i > 0; i--)
        if (i < part.length && (part.text[i - 1] == '#' || part.text[i - 1] == '/')) {
            part = slice_sub(part, i, part.length);
            break;
        }
    bool hash = is_hash(part);
    strbuf_add_slice(out, hash ? slice_sub(part, 0, HASH_SHOWN) : part);
    strbuf_add(out, hash ? "…" : "");
}

void short_name(char out[SHORT_NAME], const char *specification)
{
    strbuf b = strbuf_new(NULL, 1 << 16);
    const char *at = specification;
    bool address = strncmp(at, "http", 4) == 0; /* its colons are none of a list's */
    if (strlen(at) <= LONG) {
        strbuf_add(&b, at);
    } else if (address) {
        add_part(&b, slice_of(at));
    } else {
        while (*at) {
            size_t n = strcspn(at, ",+:|");
            add_part(&b, (slice){at, n});
            at += n;
            if (*at)
                strbuf_add_char(&b, *at++);
        }
    }
    size_t room = SHORT_NAME - 1, length = b.text ? b.length : 0;
    if (length <= room) {
        memcpy(out, b.text ? b.text : "", length);
        out[length] = '\0';
    } else {
        length = room - strlen("…");
        while (length > 0 && ((unsigned char)b.text[length] & 0xC0) == 0x80)
            length--;
        memcpy(out, b.text, length);
        memcpy(out + length, "…", strlen("…") + 1);
    }
    strbuf_free(&b);
}

const char **short_names(arena *a, const char *const *specifications, size_t count)
{
    const char **names = ARENA_ARRAY(a, const char *, count + 1), **all = ARENA_ARRAY(a, const char *, count + 1);
    for (size_t i = 0; names && all && i < count; i++) {
        char name[SHORT_NAME];
        short_name(name, specifications[i]);
        if (!(names[i] = arena_strdup(a, name)))
            return NULL;
    }
    for (size_t i = 0; names && all && i < count; i++) {
        bool unique = true;
        for (size_t k = 0; k < count; k++)
            unique = unique && (strcmp(names[i], names[k]) != 0 || strcmp(specifications[i], specifications[k]) == 0);
        all[i] = unique ? names[i] : specifications[i];
    }
    return names ? all : NULL;
}
