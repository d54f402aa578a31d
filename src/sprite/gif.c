/*
 * Animated GIF: GIF89a as https://www.w3.org/Graphics/GIF/spec-gif89a.txt says, which every chat
 * and browser shows. Sprites have few colours, so one palette serves all frames; where they have
 * more than fit, they are brought to 255 in Oklab. Index 0 is transparent. An encoder needs a
 * hundred lines: less than a library is worth.
 */
#include <stdlib.h>
#include <string.h>

#include "sprite/bytes.h"
#include "sprite/palette.h"
#include "sprite/sheet.h"

enum {
    COLORS = 255, /* beside the transparent one */
    CODES = 4096,
    SLOTS = 16384,
    BLOCK = 255,
};

static void put_u8(struct bytes *o, int v)
{
    bytes_put(o, &(uint8_t){(uint8_t)v}, 1);
}

static void put_u16(struct bytes *o, int v)
{
    put_u8(o, v & 255);
    put_u8(o, v >> 8);
}

/* ---- LZW ---- */

/* Codes go out from the lowest bit on, in blocks of up to 255 bytes. */
struct coder {
    struct bytes *out;
    uint8_t block[BLOCK];
    int filled, bits, width; /* bits that wait; of a code */
    uint32_t waiting;
    int least, next; /* bits of an index; the next code that is given */
    uint32_t key[SLOTS];
    uint16_t code[SLOTS];
};

static void flush_block(struct coder *c)
{
    if (c->filled) {
        put_u8(c->out, c->filled);
        bytes_put(c->out, c->block, (size_t)c->filled);
    }
    c->filled = 0;
}

static void put_code(struct coder *c, int code)
{
    c->waiting |= (uint32_t)code << c->bits;
    for (c->bits += c->width; c->bits >= 8; c->bits -= 8) {
        c->block[c->filled++] = (uint8_t)c->waiting;
        c->waiting >>= 8;
        if (c->filled == BLOCK)
            flush_block(c);
    }
}

static void begin_table(struct coder *c)
{
    put_code(c, 1 << c->least);
    memset(c->key, 0, sizeof c->key);
    c->next = (1 << c->least) + 2;
    c->width = c->least + 1;
}

/* The slot of the string `prefix` and then `index`, or the empty one where it goes. */
static int find_string(const struct coder *c, int prefix, int index)
{
    uint32_t key = ((uint32_t)prefix << 8 | (uint32_t)index) + 1;
    int at = (int)((key * 2654435761u) >> 18);
    while (c->key[at] && c->key[at] != key)
        at = (at + 1) % SLOTS;
    return at;
}

static void add_string(struct coder *c, int slot, int prefix, int index)
{
    if (c->next == CODES) {
        begin_table(c);
        return;
    }
    c->key[slot] = ((uint32_t)prefix << 8 | (uint32_t)index) + 1;
    c->code[slot] = (uint16_t)c->next;
    if (c->next == 1 << c->width)
        c->width++;
    c->next++;
}

static void put_indexes(struct coder *c, const uint8_t *index, size_t n)
{
    int prefix = index[0];
    put_u8(c->out, c->least);
    c->width = c->least + 1;
    begin_table(c);
    for (size_t i = 1; i < n; i++) {
        int slot = find_string(c, prefix, index[i]);
        if (c->key[slot]) {
            prefix = c->code[slot];
            continue;
        }
        put_code(c, prefix);
        add_string(c, slot, prefix, index[i]);
        prefix = index[i];
    }
    put_code(c, prefix);
    /* Who reads gives the last string a code as well, and may count a bit more for what follows. */
    if (c->next == 1 << c->width && c->width < 12)
        c->width++;
    put_code(c, (1 << c->least) + 1);
    c->bits = c->bits > 0 ? 8 : 0;
    if (c->bits)
        c->block[c->filled++] = (uint8_t)c->waiting;
    flush_block(c);
    put_u8(c->out, 0);
}

/* ---- frames ---- */

struct gif {
    int width, height, ms, bits; /* of the table of colours: 2^bits */
    struct palette palette;
    struct bytes out;
};

static int index_of(const struct palette *p, const uint8_t *rgba)
{
    for (int i = 0; rgba[3] && i < p->n; i++)
        if (!memcmp(p->rgb[i], rgba, 3))
            return i + 1;
    return 0;
}

/* One palette for all; their own colours where those fit. */
static int choose_colors(struct gif *g, const struct sheet_frame *f, int n, struct err *e)
{
    const struct image **all = malloc((size_t)n * sizeof *all);
    if (!all)
        return err_set(e, "out of memory for the animation");
    for (int i = 0; i < n; i++)
        all[i] = f[i].image;
    int rc = palette_of_images(all, n, COLORS, &g->palette, e);
    free(all);
    for (g->bits = 2; 1 << g->bits < g->palette.n + 1;)
        g->bits++;
    return rc;
}

static void put_head(struct gif *g)
{
    struct bytes *o = &g->out;
    bytes_put(o, "GIF89a", 6);
    put_u16(o, g->width);
    put_u16(o, g->height);
    put_u8(o, 0xf0 | (g->bits - 1)); /* a table of colours, of 8 bits */
    put_u8(o, 0);
    put_u8(o, 0);
    bytes_put(o, (uint8_t[3]){0}, 3);
    bytes_put(o, g->palette.rgb, 3 * (size_t)g->palette.n);
    for (int i = g->palette.n + 1; i < 1 << g->bits; i++)
        bytes_put(o, (uint8_t[3]){0}, 3);
    bytes_put(o, "\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0", 19); /* again and again */
}

static int put_frame(struct gif *g, struct image *m, struct err *e)
{
    struct bytes *o = &g->out;
    size_t n = (size_t)g->width * (size_t)g->height;
    uint8_t *index = malloc(n);
    struct coder *c = calloc(1, sizeof *c);
    int hundredths = (g->ms + 5) / 10;
    int rc = index && c ? palette_apply(m, &g->palette, DITHER_NONE, e)
                        : err_set(e, "out of memory for the animation");
    for (size_t i = 0; i < n && !rc; i++)
        index[i] = (uint8_t)index_of(&g->palette, m->rgba + 4 * i);
    if (!rc) {
        bytes_put(o, "\x21\xf9\x04\x09", 4); /* index 0 is nothing; cleared before the next */
        put_u16(o, hundredths > 1 ? hundredths : 2); /* less is shown as 100 ms */
        bytes_put(o, "\0\0\x2c\0\0\0\0", 7);
        put_u16(o, g->width);
        put_u16(o, g->height);
        put_u8(o, 0);
        c->out = o;
        c->least = g->bits;
        put_indexes(c, index, n);
    }
    free(c);
    free(index);
    return rc;
}

int sheet_animate_gif(const struct sheet_frame *f, int n, int ms, uint8_t **data, size_t *size,
                      struct err *e)
{
    struct gif *g = calloc(1, sizeof *g);
    *data = NULL;
    if (!g)
        return err_set(e, "out of memory for the animation");
    g->ms = ms;
    int rc = choose_colors(g, f, n, e);
    for (int i = 0; i < n && !rc; i++) {
        struct image *m = sheet_canvas(f, n, i);
        if (!m) {
            rc = err_set(e, "out of memory for the animation");
            break;
        }
        g->width = m->width, g->height = m->height;
        if (i == 0)
            put_head(g);
        rc = put_frame(g, m, e);
        image_free(m);
    }
    put_u8(&g->out, 0x3b);
    if (!rc && g->out.failed)
        rc = err_set(e, "out of memory for the animation");
    if (rc)
        free(g->out.data);
    *data = rc ? NULL : g->out.data;
    *size = g->out.size;
    free(g);
    return rc;
}
