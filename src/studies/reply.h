/* reply.h - what studies read out of written replies, alike: the letter of an option, and whether a reply declines. */
#ifndef ASSAY_STUDIES_REPLY_H
#define ASSAY_STUDIES_REPLY_H

#include "core/text.h"

/* The capital letter that a reply names as its answer: behind the last "answer is" (or "answer:"); else its own first letter
 * where it stands alone ("B", "(B) Oslo", "B. Oslo", not "I think"); else the last one in brackets; 0: none. */
char reply_letter(const char *reply);
/* Whether the words of a reply decline to answer. */
bool reply_declines(const char *reply);

#endif
