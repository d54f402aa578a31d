/* SHA-1; section numbers are FIPS 180-4's. */
#include "pull/sha1.h"

#include <stdio.h>
#include <string.h>

static uint32_t rotl(uint32_t x, int n)
{
    return x << n | x >> (32 - n);
}

/* 6.1.2: one block of 64 bytes. */
static void compress(uint32_t state[5], const uint8_t *block)
{
    static const uint32_t k[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    uint32_t w[80], s[5];
    for (int t = 0; t < 16; t++)
        w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
               (uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3];
    for (int t = 16; t < 80; t++)
        w[t] = rotl(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    memcpy(s, state, sizeof s);
    for (int t = 0; t < 80; t++) {
        uint32_t f = t < 20   ? (s[1] & s[2]) | (~s[1] & s[3])
                     : t < 40 ? s[1] ^ s[2] ^ s[3]
                     : t < 60 ? (s[1] & s[2]) | (s[1] & s[3]) | (s[2] & s[3])
                              : s[1] ^ s[2] ^ s[3];
        uint32_t next = rotl(s[0], 5) + f + s[4] + k[t / 20] + w[t];
        s[4] = s[3], s[3] = s[2], s[2] = rotl(s[1], 30), s[1] = s[0], s[0] = next;
    }
    for (int i = 0; i < 5; i++)
        state[i] += s[i];
}

void sha1_init(struct sha1 *h)
{
    *h = (struct sha1){.state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}};
}

void sha1_add(struct sha1 *h, const void *data, size_t size)
{
    const uint8_t *p = data;
    while (size > 0) {
        size_t at = h->length % 64, n = 64 - at < size ? 64 - at : size;
        memcpy(h->block + at, p, n);
        h->length += n;
        p += n;
        size -= n;
        if (h->length % 64 == 0)
            compress(h->state, h->block);
    }
}

void sha1_hex(struct sha1 *h, char out[41])
{
    uint64_t bits = h->length * 8;
    uint8_t end[8];
    sha1_add(h, "\x80", 1);
    while (h->length % 64 != 56)
        sha1_add(h, "", 1);
    for (int i = 0; i < 8; i++)
        end[i] = (uint8_t)(bits >> (56 - 8 * i));
    sha1_add(h, end, 8);
    for (int i = 0; i < 5; i++)
        snprintf(out + 8 * i, 9, "%08x", h->state[i]);
}
