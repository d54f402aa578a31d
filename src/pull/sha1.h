/* SHA-1 (FIPS 180-4), because git names files by it. Not for anything that an attacker chooses. */
#ifndef SPRITTY_SHA1_H
#define SPRITTY_SHA1_H

#include <stddef.h>
#include <stdint.h>

struct sha1 {
    uint32_t state[5];
    uint8_t block[64];
    uint64_t length;
};

void sha1_init(struct sha1 *);
void sha1_add(struct sha1 *, const void *data, size_t size);
void sha1_hex(struct sha1 *, char out[41]);

#endif
