/* Digests of bytes and files; see digest.h. */
#include "base/digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void digest_start(struct digest *d, enum digest_kind kind)
{
    d->kind = kind;
    if (kind == DIGEST_SHA256)
        sha256_init(&d->sha256);
    else
        sha1_init(&d->sha1);
}

void digest_add(struct digest *d, const void *data, size_t size)
{
    if (size && d->kind == DIGEST_SHA256)
        sha256_update(&d->sha256, size, data);
    else if (size)
        sha1_update(&d->sha1, size, data);
}

void digest_hex(struct digest *d, char out[65])
{
    uint8_t sum[SHA256_DIGEST_SIZE];
    size_t size = d->kind == DIGEST_SHA256 ? SHA256_DIGEST_SIZE : SHA1_DIGEST_SIZE;
    if (d->kind == DIGEST_SHA256)
        sha256_digest(&d->sha256, size, sum);
    else
        sha1_digest(&d->sha1, size, sum);
    for (size_t i = 0; i < size; i++)
        snprintf(out + 2 * i, 3, "%02x", sum[i]);
}

void digest_of(const void *data, size_t size, char out[65])
{
    struct digest d;
    digest_start(&d, DIGEST_SHA256);
    digest_add(&d, data, size);
    digest_hex(&d, out);
}

int digest_file(const char *path, char out[65], struct err *e)
{
    enum { BLOCK = 1 << 20 };
    struct digest d;
    size_t n;
    FILE *f = fopen(path, "rbe");
    uint8_t *block = f ? malloc(BLOCK) : NULL;
    int rc = block ? 0 : err_set(e, "cannot read %s: %s", path, strerror(errno));
    digest_start(&d, DIGEST_SHA256);
    while (!rc && (n = fread(block, 1, BLOCK, f)) > 0)
        digest_add(&d, block, n);
    if (!rc && ferror(f))
        rc = err_set(e, "cannot read %s: %s", path, strerror(errno));
    if (f)
        fclose(f);
    free(block);
    *out = '\0';
    if (!rc)
        digest_hex(&d, out);
    return rc;
}
