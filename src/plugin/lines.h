/* lines.h - bytes of a pipe into messages: one JSON object a line, with a whole number "id" (private to src/plugin).
 *
 *     lines_feed(&l, bytes, count);
 *     while ((what = lines_next(&l, &id, &message, words, sizeof words)) == LINES_MESSAGE) ...
 *     if (what == LINES_RUBBISH) ...       // `words` say what was found; nothing can be read behind it
 *
 * Blank lines are skipped. A line has at most PLUGIN_MOST_LINE bytes; what is longer is told as soon as it is. */
#ifndef ASSAY_PLUGIN_LINES_H
#define ASSAY_PLUGIN_LINES_H

#include "core/text.h"

#include <jansson.h>

typedef enum lines_found { LINES_NOTHING, LINES_MESSAGE, LINES_RUBBISH } lines_found;

typedef struct lines {
    strbuf bytes;
    size_t start;   /* of the line that is not complete yet, or not read yet */
    size_t scanned; /* from here on nobody has looked for its end */
} lines;

void lines_open(lines *l);
void lines_close(lines *l);
void lines_feed(lines *l, const char *bytes, size_t count);
/* The next message without its id. The caller owns *message. */
lines_found lines_next(lines *l, uint64_t *id, json_t **message, char *words, size_t room);
/* Bytes of a line that was begun and not ended. */
size_t lines_rest(const lines *l);

#endif
