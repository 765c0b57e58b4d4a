#include "plugin/lines.h"

#include "core/jsonio.h"
#include "plugin/process.h"

enum { MOST_SHOWN = 60 };

void lines_open(lines *l)
{
    *l = (lines){.bytes = strbuf_new(NULL, 2 * (size_t)PLUGIN_MOST_LINE + 1)};
}

void lines_close(lines *l)
{
    strbuf_free(&l->bytes);
}

size_t lines_rest(const lines *l)
{
    return l->bytes.length - l->start;
}

void lines_feed(lines *l, const char *bytes, size_t count)
{
    if (l->start > 0 && l->start == l->bytes.length) {
        strbuf_clear(&l->bytes);
        l->start = l->scanned = 0;
    } else if (l->start > (1 << 20) || (l->start > 0 && l->start > l->bytes.length / 2)) {
        memmove(l->bytes.text, l->bytes.text + l->start, l->bytes.length - l->start);
        l->bytes.length -= l->start;
        l->scanned -= l->start;
        l->start = 0;
    }
    strbuf_add_bytes(&l->bytes, bytes, count);
}

/* The start of a line, in a form that a terminal bears. */
static void show(char *words, size_t room, const char *what, slice line)
{
    char shown[MOST_SHOWN + 4];
    size_t n = line.length < MOST_SHOWN ? line.length : MOST_SHOWN;
    for (size_t i = 0; i < n; i++)
        shown[i] = line.text[i] >= ' ' && line.text[i] < 127 ? line.text[i] : '?';
    memcpy(shown + n, line.length > n ? "..." : "", line.length > n ? 4 : 1);
    snprintf(words, room, "%s: \"%s\"", what, shown);
}

static lines_found read_line(slice line, uint64_t *id, json_t **message, char *words, size_t room)
{
    json_t *value = NULL;
    error err = {0};
    if (jsonio_parse(line, "line", &value, &err) != STATUS_OK) {
        show(words, room, err.code == STATUS_MEMORY ? "said more than there is memory for" : "said something that is not JSON", line);
        return LINES_RUBBISH;
    }
    const json_t *number = json_object_get(value, "id");
    if (!json_is_object(value) || !json_is_integer(number) || json_integer_value(number) < 1) {
        show(words, room, "said something without a whole number \"id\"", line);
        json_decref(value);
        return LINES_RUBBISH;
    }
    *id = (uint64_t)json_integer_value(number);
    json_object_del(value, "id");
    *message = value;
    return LINES_MESSAGE;
}

lines_found lines_next(lines *l, uint64_t *id, json_t **message, char *words, size_t room)
{
    *message = NULL;
    if (l->bytes.failed) {
        snprintf(words, room, "said more than there is memory for");
        return LINES_RUBBISH;
    }
    for (;;) {
        const char *from = l->bytes.text ? l->bytes.text + l->scanned : NULL;
        const char *end = from ? memchr(from, '\n', l->bytes.length - l->scanned) : NULL;
        size_t length = (end ? (size_t)(end - l->bytes.text) : l->bytes.length) - l->start;
        if (length > PLUGIN_MOST_LINE) {
            snprintf(words, room, "said a line longer than %d MiB", PLUGIN_MOST_LINE >> 20);
            return LINES_RUBBISH;
        }
        if (!end) {
            l->scanned = l->bytes.length;
            return LINES_NOTHING;
        }
        slice line = slice_trim((slice){l->bytes.text + l->start, length});
        l->start = l->scanned = (size_t)(end - l->bytes.text) + 1;
        if (line.length > 0)
            return read_line(line, id, message, words, room);
    }
}
