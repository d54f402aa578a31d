/*
 * Writes safetensors files for tests: whole ones tensor by tensor, and broken ones from a header
 * text. Everything is asserted; a test that cannot write its input has no point.
 */
#ifndef SPRITTY_ST_WRITER_H
#define SPRITTY_ST_WRITER_H

#include <assert.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
    unsigned char *data; /* malloc'd */
    size_t size, room;
};

static inline void bytes_add(struct bytes *b, const void *data, size_t size)
{
    if (b->size + size >= b->room) {
        b->room = 2 * (b->size + size) + 64;
        b->data = realloc(b->data, b->room);
        assert(b->data);
    }
    if (data)
        memcpy(b->data + b->size, data, size);
    else
        memset(b->data + b->size, 0, size);
    b->size += size;
}

static inline void bytes_save(const struct bytes *b, const char *path)
{
    FILE *f = fopen(path, "wb");
    assert(f && (b->size == 0 || fwrite(b->data, 1, b->size, f) == b->size));
    assert(fclose(f) == 0);
}

/* Length, header text, then `data` (NULL: zeros). The length is `claimed` if that is not 0. */
static inline struct bytes st_file(const char *header, uint64_t claimed, const void *data,
                                   size_t size)
{
    struct bytes b = {0};
    uint64_t len = claimed ? claimed : strlen(header);
    unsigned char le[8];
    for (int i = 0; i < 8; i++)
        le[i] = (unsigned char)(len >> 8 * i);
    bytes_add(&b, le, 8);
    bytes_add(&b, header, strlen(header));
    bytes_add(&b, data, size);
    return b;
}

struct st_writer {
    struct bytes header, data;
    int count;
};

/* data may be NULL: zeros. The name goes in as it is: the caller escapes. */
static inline void st_add(struct st_writer *w, const char *name, const char *type, int rank,
                          const int64_t *dim, const void *data, size_t size)
{
    char text[1024];
    int n = snprintf(text, sizeof text, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[",
                     w->count++ ? "," : "{", name, type);
    for (int i = 0; i < rank; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%s%" PRId64, i ? "," : "", dim[i]);
    n += snprintf(text + n, sizeof text - (size_t)n, "],\"data_offsets\":[%zu,%zu]}", w->data.size,
                  w->data.size + size);
    assert(n < (int)sizeof text);
    bytes_add(&w->header, text, (size_t)n);
    bytes_add(&w->data, data, size);
}

/* A zero vector of one F32, as marker keys are. */
static inline void st_mark(struct st_writer *w, const char *name)
{
    st_add(w, name, "F32", 1, (int64_t[]){1}, NULL, 4);
}

/* The file. `pad` spaces end the header (the format's writers pad to 8 bytes; pad < 0 does that).
 * The writer is empty afterwards. */
static inline struct bytes st_finish(struct st_writer *w, int pad)
{
    bytes_add(&w->header, w->count ? "}" : "{}", w->count ? 1 : 2);
    for (int i = 0; pad < 0 ? w->header.size % 8 != 0 : i < pad; i++)
        bytes_add(&w->header, " ", 1);
    bytes_add(&w->header, "", 1); /* st_file takes a string */
    struct bytes b = st_file((const char *)w->header.data, 0, w->data.data, w->data.size);
    free(w->header.data);
    free(w->data.data);
    *w = (struct st_writer){0};
    return b;
}

#endif
