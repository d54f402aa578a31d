/*
 * Animated PNG: the frames are PNGs of one size and kind, taken apart into chunks and put together
 * as https://www.w3.org/TR/png-3/ (APNG) says. Every frame is whole, so each replaces the last.
 */
#include <stdlib.h>
#include <string.h>

#include "sprite/bytes.h"
#include "sprite/png.h"
#include "sprite/sheet.h"

enum { SIGNATURE = 8, HEAD = 8, CRC = 4, IHDR = 13 };

struct out {
    struct bytes file;
    uint32_t order; /* of fcTL and fdAT, counted together */
};

static void put_u32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24), p[1] = (uint8_t)(v >> 16), p[2] = (uint8_t)(v >> 8),
    p[3] = (uint8_t)v;
}

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* CRC-32 as PNG has it (annex D), a bit at a time: sheets are small. */
static uint32_t crc(uint32_t c, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (int k = 0; k < 8; k++)
            c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
    }
    return c;
}

/* A chunk whose data comes in two pieces. */
static void put_chunk(struct out *o, const char *type, const uint8_t *a, size_t na,
                      const uint8_t *b, size_t nb)
{
    uint8_t head[HEAD], sum[CRC];
    put_u32(head, (uint32_t)(na + nb));
    memcpy(head + 4, type, 4);
    put_u32(sum, ~crc(crc(crc(~0u, head + 4, 4), a, na), b, nb));
    bytes_put(&o->file, head, sizeof head);
    bytes_put(&o->file, a, na);
    bytes_put(&o->file, b, nb);
    bytes_put(&o->file, sum, sizeof sum);
}

static void put_frame_control(struct out *o, int width, int height, int ms)
{
    uint8_t f[26] = {0}; /* offsets, dispose and blend are 0: all of it, as it is */
    put_u32(f, o->order++);
    put_u32(f + 4, (uint32_t)width);
    put_u32(f + 8, (uint32_t)height);
    f[20] = (uint8_t)(ms >> 8), f[21] = (uint8_t)ms;
    f[22] = 1000 >> 8, f[23] = 1000 & 255;
    put_chunk(o, "fcTL", f, sizeof f, NULL, 0);
}

/* The image data of a PNG: as it is for the first frame, as fdAT for others. */
static void put_image_data(struct out *o, const uint8_t *png, size_t size, bool first)
{
    for (size_t at = SIGNATURE; at + HEAD + CRC <= size;) {
        size_t n = get_u32(png + at);
        uint8_t order[4];
        if (!memcmp(png + at + 4, "IDAT", 4) && first) {
            bytes_put(&o->file, png + at, HEAD + n + CRC);
        } else if (!memcmp(png + at + 4, "IDAT", 4)) {
            put_u32(order, o->order++);
            put_chunk(o, "fdAT", order, sizeof order, png + at + HEAD, n);
        }
        at += HEAD + n + CRC;
    }
}

static int put_frame(struct out *o, const struct image *m, int ms, int n, bool first, struct err *e)
{
    uint8_t *png, control[8] = {0};
    size_t size;
    struct picture p = {PICTURE_RGBA, m->width, m->height, m->rgba, NULL, 0};
    if (png_encode(&p, NULL, 0, &png, &size, e))
        return -1;
    if (first) {
        bytes_put(&o->file, png, SIGNATURE + HEAD + IHDR + CRC);
        put_u32(control, (uint32_t)n); /* and 0: again and again */
        put_chunk(o, "acTL", control, sizeof control, NULL, 0);
    }
    put_frame_control(o, m->width, m->height, ms);
    put_image_data(o, png, size, first);
    free(png);
    return 0;
}

int sheet_animate(const struct sheet_frame *f, int n, int ms, uint8_t **data, size_t *size,
                  struct err *e)
{
    struct out o = {0};
    int rc = 0;
    for (int i = 0; i < n && !rc; i++) {
        struct image *m = sheet_canvas(f, n, i);
        rc = m ? put_frame(&o, m, ms, n, i == 0, e) : err_set(e, "out of memory for the animation");
        image_free(m);
    }
    put_chunk(&o, "IEND", NULL, 0, NULL, 0);
    if (!rc && o.file.failed)
        rc = err_set(e, "out of memory for the animation");
    if (rc)
        free(o.file.data);
    *data = rc ? NULL : o.file.data;
    *size = o.file.size;
    return rc;
}
