/* sha1.h - SHA-1 (FIPS 180-4), only to compare files with the git object ids that hubs list; it proves nothing against
 * somebody who wants to deceive (private to src/hub). */
#ifndef ASSAY_HUB_SHA1_H
#define ASSAY_HUB_SHA1_H

#include <stddef.h>
#include <stdint.h>

enum { SHA1_HEX = 41 };

typedef struct sha1 {
    uint32_t h[5];
    uint64_t length;
    unsigned char block[64];
} sha1;

void sha1_start(sha1 *s);
void sha1_add(sha1 *s, const void *bytes, size_t length);
void sha1_end(sha1 *s, char hex[SHA1_HEX]);

#endif
