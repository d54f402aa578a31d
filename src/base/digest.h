/*
 * SHA-256, by which models, pictures and jobs are known, and SHA-1, by which git knows files
 * (FIPS 180-4). By nettle, which has the CPU's own instructions for them. This is its only home.
 */
#ifndef SPRITTY_DIGEST_H
#define SPRITTY_DIGEST_H

#include <stddef.h>

#include <nettle/sha1.h>
#include <nettle/sha2.h>

#include "base/err.h"

enum digest_kind { DIGEST_SHA256, DIGEST_SHA1 };

struct digest {
    enum digest_kind kind;
    union {
        struct sha256_ctx sha256;
        struct sha1_ctx sha1;
    };
};

void digest_start(struct digest *, enum digest_kind);
void digest_add(struct digest *, const void *data, size_t size);
void digest_hex(struct digest *, char out[65]); /* ends it: 64 or 40 lower-case digits */

/* SHA-256 of some bytes. */
void digest_of(const void *data, size_t size, char out[65]);

/* SHA-256 of a whole file. -1 and err, and out is "", when it cannot be read. */
int digest_file(const char *path, char out[65], struct err *);

#endif
