/*
 * Bytes that are put behind each other in memory: a file before it is written.
 */
#ifndef SPRITTY_BYTES_H
#define SPRITTY_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
    uint8_t *data; /* malloc'd; NULL while there are none */
    size_t size, room;
    bool failed; /* no memory; ask once, at the end */
};

static inline void bytes_put(struct bytes *b, const void *data, size_t n)
{
    if (!n || b->failed)
        return;
    if (b->room - b->size < n) {
        size_t room = (b->size + n) * 2;
        uint8_t *grown = realloc(b->data, room);
        b->failed = !grown;
        if (!grown)
            return;
        b->data = grown, b->room = room;
    }
    memcpy(b->data + b->size, data, n);
    b->size += n;
}

#endif
