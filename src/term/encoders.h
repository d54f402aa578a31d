/*
 * What the encoders behind graphics.c share: a picture that is ready to be shown (opaque, before
 * enlarging), pieces that are put behind other bytes, and cells of characters. Only files of
 * src/term/ that make pictures include this.
 */
#ifndef SPRITTY_ENCODERS_H
#define SPRITTY_ENCODERS_H

#include "sprite/bytes.h"
#include "sprite/image.h"
#include "term/probe.h"

void bytes_text(struct bytes *, const char *text);
/* A short piece: at most 127 bytes. */
void bytes_printf(struct bytes *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void bytes_base64(struct bytes *, const uint8_t *data, size_t len);

/* The image enlarged, as a PNG: with a palette when 256 colours do, which keeps it small. */
int encode_png(const struct image *flat, int scale, uint8_t **data, size_t *size, struct err *);

/* Each appends a picture. `flat` is opaque. 0, or -1 and err; out->failed counts as well. */
int sixel_encode_image(const struct image *flat, int scale, int registers, struct bytes *,
                       struct err *);
int kitty_encode(const struct image *flat, int scale, unsigned id, struct bytes *, struct err *);
int iterm_encode(const struct image *flat, int scale, struct bytes *, struct err *);

/* A character cell: a code point, its colour and that behind it. */
struct cell {
    uint32_t glyph;
    uint8_t fg[3], bg[3];
};

/* Writes rows x cols cells from row y and column x (from 0) on, with the fewest colour changes. */
void cells_put(const struct cell *, int rows, int cols, int y, int x, enum color_depth,
               struct bytes *);
/* Half blocks: a cell is two pixels, exactly. An odd last row ends in `ground`. */
int blocks_encode(const struct image *flat, int scale, const uint8_t ground[3], int y, int x,
                  enum color_depth, struct bytes *, struct err *);
/* The picture (of any size) as rows x cols cells of the symbols that come nearest. */
int chafa_cells(const struct image *flat, int rows, int cols, struct cell *, struct err *);

#endif
