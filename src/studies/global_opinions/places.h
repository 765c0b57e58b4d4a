/* places.h - private to the study global-opinions: countries as survey files write them.
 *
 *     place_name n = place_read("India (Current national sample)");     // "India", SAMPLE_CURRENT
 *     n = place_read("S. Korea");                                       // "South Korea", SAMPLE_PLAIN
 *
 * Files have several names for one country, and samples of it that are not the nation's. Numbers are those of ISO 3166-1, by
 * which maps name their shapes.
 */
#ifndef ASSAY_STUDIES_OPINIONS_PLACES_H
#define ASSAY_STUDIES_OPINIONS_PLACES_H

#include "core/text.h"

enum { SPEAKS_RUSSIAN = 1, SPEAKS_CHINESE = 2, SPEAKS_TURKISH = 4, SPEAKS_SPANISH = 8, SPEAKS_ARABIC = 16, SPEAKS_FRENCH = 32, SPEAKS_GERMAN = 64 };

typedef enum place_sample { SAMPLE_PLAIN, SAMPLE_CURRENT, SAMPLE_OLD, SAMPLE_NOT_NATIONAL } place_sample;

typedef struct place_name {
    slice name;          /* without suffix; another name of the country replaced by its usual one */
    place_sample sample;
    int iso;             /* 0: not known */
    unsigned speaks;     /* languages that most people, or most in the surveys of the paper, grow up with or go through school in */
} place_name;

place_name place_read(slice text);
/* The bit of "Russian", ...; 0 for others. */
unsigned place_language(const char *name);

#endif
