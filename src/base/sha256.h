/* SHA-256 (FIPS 180-4), for model hashes. */
#ifndef SPRITTY_SHA256_H
#define SPRITTY_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct sha256 {
    uint32_t state[8];
    uint8_t block[64];
    uint64_t length; /* bytes so far */
};

void sha256_init(struct sha256 *);
void sha256_add(struct sha256 *, const void *data, size_t size);
void sha256_hex(struct sha256 *, char out[65]); /* ends it: 64 lower-case digits */

/* Of a whole file. -1 and err, and out is "", when it cannot be read. */
int sha256_file(const char *path, char out[65], struct err *);

#endif
