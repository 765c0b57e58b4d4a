#include "hub/sha1.h"

#include <string.h>

void sha1_start(sha1 *s)
{
    *s = (sha1){.h = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0}};
}

static uint32_t turn(uint32_t x, int by)
{
    return x << by | x >> (32 - by);
}

static void mix(sha1 *s)
{
    static const uint32_t constants[4] = {0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6};
    uint32_t w[80], a = s->h[0], b = s->h[1], c = s->h[2], d = s->h[3], e = s->h[4];
    for (int t = 0; t < 16; t++)
        w[t] = (uint32_t)s->block[4 * t] << 24 | (uint32_t)s->block[4 * t + 1] << 16 | (uint32_t)s->block[4 * t + 2] << 8 | s->block[4 * t + 3];
    for (int t = 16; t < 80; t++)
        w[t] = turn(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    for (int t = 0; t < 80; t++) {
        uint32_t f = t < 20 ? (b & c) | (~b & d) : t < 40 ? b ^ c ^ d : t < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
        uint32_t next = turn(a, 5) + f + e + constants[t / 20] + w[t];
        e = d, d = c, c = turn(b, 30), b = a, a = next;
    }
    s->h[0] += a, s->h[1] += b, s->h[2] += c, s->h[3] += d, s->h[4] += e;
}

void sha1_add(sha1 *s, const void *bytes, size_t length)
{
    const unsigned char *from = bytes;
    while (length > 0) {
        size_t at = (size_t)(s->length % 64), part = 64 - at < length ? 64 - at : length;
        memcpy(s->block + at, from, part);
        s->length += part;
        from += part;
        length -= part;
        if (s->length % 64 == 0)
            mix(s);
    }
}

void sha1_end(sha1 *s, char hex[SHA1_HEX])
{
    static const char digits[] = "0123456789abcdef";
    const uint64_t bits = s->length * 8;
    unsigned char end[8];
    for (int i = 0; i < 8; i++)
        end[i] = (unsigned char)(bits >> (56 - 8 * i));
    sha1_add(s, "\x80", 1);
    while (s->length % 64 != 56)
        sha1_add(s, "", 1);
    sha1_add(s, end, 8);
    for (int i = 0; i < 40; i++)
        hex[i] = digits[s->h[i / 8] >> (28 - 4 * (i % 8)) & 15];
    hex[40] = '\0';
}
