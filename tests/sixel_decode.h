/*
 * A small sixel decoder for tests, written from the format's description (VT330/VT340 Programmer
 * Reference Manual, chapter 14) and sharing nothing with the encoder.
 *
 *     struct sixel_picture p;
 *     size_t used = sixel_decode(bytes, len, &p);   // 0: no sixel here, or a broken one
 *     ... p.rgba, p.w, p.h ...
 *     free(p.rgba);
 *
 * Levels of 0 to 100 become 0 to 255, rounded: sixel_level says what becomes of a channel. Pixels
 * that nothing painted have alpha 0.
 */
#ifndef SPRITTY_TEST_SIXEL_DECODE_H
#define SPRITTY_TEST_SIXEL_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct sixel_picture {
    int w, h; /* as the raster attributes say */
    int p2;   /* 1: what is not painted stays */
    uint8_t *rgba;
    int registers; /* how many were defined */
    bool outside;  /* something was painted outside w x h */
};

/* What a channel of 0 to 255 looks like after its way through 101 levels. */
static inline uint8_t sixel_level(uint8_t v)
{
    int level = (v * 100 + 127) / 255;
    return (uint8_t)((level * 255 + 50) / 100);
}

struct sixel_reader {
    const char *p, *end;
    uint8_t color[256][3];
    bool defined[256];
    int now, x, y;
};

/* Numbers between semicolons. Returns how many (at least 1). */
static inline int sixel_numbers(struct sixel_reader *r, int *out, int max)
{
    int n = 1;
    out[0] = 0;
    for (; r->p < r->end && ((*r->p >= '0' && *r->p <= '9') || *r->p == ';'); r->p++) {
        if (*r->p == ';' && n < max)
            out[n++] = 0;
        else if (*r->p != ';' && out[n - 1] < 100000)
            out[n - 1] = out[n - 1] * 10 + (*r->p - '0');
    }
    return n;
}

static inline bool sixel_color(struct sixel_reader *r, struct sixel_picture *out)
{
    int v[5], n = sixel_numbers(r, v, 5);
    if ((n != 1 && n != 5) || v[0] > 255)
        return false;
    r->now = v[0];
    if (n == 1)
        return r->defined[v[0]];
    if (v[1] != 2 || v[2] > 100 || v[3] > 100 || v[4] > 100)
        return false;
    out->registers += !r->defined[v[0]];
    r->defined[v[0]] = true;
    for (int c = 0; c < 3; c++)
        r->color[v[0]][c] = (uint8_t)((v[2 + c] * 255 + 50) / 100);
    return true;
}

static inline bool sixel_paint(struct sixel_reader *r, struct sixel_picture *out, int bits, int n)
{
    if (n < 1 || (bits && !r->defined[r->now]))
        return false;
    for (int i = 0; i < 6 && bits; i++)
        for (int x = r->x; (bits >> i & 1) && x < r->x + n; x++) {
            if (x >= out->w || r->y + i >= out->h) {
                out->outside = true;
                continue;
            }
            uint8_t *p = out->rgba + ((size_t)(r->y + i) * (size_t)out->w + (size_t)x) * 4;
            memcpy(p, r->color[r->now], 3);
            p[3] = 255;
        }
    r->x += n;
    return true;
}

static inline bool sixel_data(struct sixel_reader *r, struct sixel_picture *out)
{
    int v[4], c = (unsigned char)*r->p++;
    if (c == '#')
        return sixel_color(r, out);
    if (c == '$' || c == '-') {
        r->x = 0;
        r->y += c == '-' ? 6 : 0;
        return true;
    }
    if (c == '!') {
        sixel_numbers(r, v, 1);
        c = r->p < r->end ? (unsigned char)*r->p++ : 0;
    } else {
        v[0] = 1;
    }
    return c >= '?' && c <= '~' && sixel_paint(r, out, c - '?', v[0]);
}

static inline size_t sixel_decode(const char *bytes, size_t len, struct sixel_picture *out)
{
    struct sixel_reader r = {.p = bytes, .end = bytes + len};
    int v[4] = {0};
    bool good = len > 4 && !memcmp(bytes, "\033P", 2);
    memset(out, 0, sizeof *out);
    if (!good)
        return 0;
    r.p += 2;
    out->p2 = sixel_numbers(&r, v, 3) > 1 ? v[1] : 0;
    good = r.end - r.p > 2 && !memcmp(r.p, "q\"", 2);
    r.p += good ? 2 : 0;
    good = good && sixel_numbers(&r, v, 4) == 4 && v[0] == 1 && v[1] == 1 && v[2] > 0 && v[3] > 0;
    good = good && v[2] <= 20000 && v[3] <= 20000;
    out->w = v[2];
    out->h = v[3];
    out->rgba = good ? calloc((size_t)out->w * (size_t)out->h, 4) : NULL;
    while (out->rgba && good && r.p < r.end && *r.p != '\033')
        good = sixel_data(&r, out);
    if (good && out->rgba && r.end - r.p >= 2 && !memcmp(r.p, "\033\\", 2))
        return (size_t)(r.p + 2 - bytes);
    free(out->rgba);
    out->rgba = NULL;
    return 0;
}

#endif
