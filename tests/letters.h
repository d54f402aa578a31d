/* Images as text and back: a letter a pixel, blank is hidden. For tests of small images. */
#ifndef SPRITTY_TESTS_LETTERS_H
#define SPRITTY_TESTS_LETTERS_H

#include "sprites.h"

/* Rows of one length, one after the other. */
static inline struct image *letters_image(int width, const char *text)
{
    struct image *m = image_new(width, (int)strlen(text) / width);
    for (int i = 0; m && i < m->width * m->height; i++)
        if (text[i] != ' ')
            sprite_paint(text[i], (const uint8_t[]){1, 2, 3}, m->rgba + 4 * i);
    return m;
}

/* "" when the image is what the text says, else what it is. `room` holds its pixels. */
static inline const char *letters_differ(const struct image *m, int width, const char *text,
                                         char *room)
{
    static const char all[] = "kyglydwsnrp?";
    int n = m->width * m->height;
    for (int i = 0; i < n; i++) {
        uint8_t p[4];
        room[i] = m->rgba[4 * i + 3] ? '?' : ' ';
        for (const char *c = all; *c && m->rgba[4 * i + 3]; c++) {
            sprite_paint(*c, (const uint8_t[]){1, 2, 3}, p);
            if (!memcmp(p, m->rgba + 4 * i, 4))
                room[i] = *c;
        }
    }
    room[n] = '\0';
    return m->width == width && !strcmp(room, text) ? "" : room;
}

#endif
