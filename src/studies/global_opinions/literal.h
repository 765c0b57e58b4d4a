/* literal.h - private to the study global-opinions: what Python prints of lists and dictionaries, as JSON.
 *
 *     defaultdict(<class 'list'>, {'Spain': [0.5, 0.3, 0.2], "Cote d'Ivoire": [50, 30, 20]})
 *
 * The published table holds such texts. Read are lists, tuples, dictionaries with texts as keys, texts in either kind of quotes with
 * Python's escapes, numbers, True, False, None and nan (null), and defaultdict(...) around a dictionary. A key that comes twice is
 * refused, as is what is nested more than 16 deep.
 */
#ifndef ASSAY_STUDIES_OPINIONS_LITERAL_H
#define ASSAY_STUDIES_OPINIONS_LITERAL_H

#include "core/error.h"
#include "core/text.h"

#include <jansson.h>

/* `name` and `line` stand in messages. The caller owns *out. */
status literal_read(slice text, const char *name, size_t line, json_t **out, error *err);

#endif
