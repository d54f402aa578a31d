/*
 * An image as labels with a margin: what cleaning and outlines look at.
 *
 * Where there are few colours a label is the number of one, a byte, so that many pixels are looked
 * at at once; else it is the colour itself. Hidden pixels are 0, and so is the margin: nothing need
 * ask where the image ends, and an outline around it has its place there.
 */
#ifndef SPRITTY_LABELS_H
#define SPRITTY_LABELS_H

#include "sprite/image.h"

enum { LABELS_MARGIN = 2, LABELS_FEW = 255 };

struct labels {
    int width, height;
    ptrdiff_t row; /* labels from one row to the next */
    size_t size;   /* bytes of a label: 1, or 4 with more than LABELS_FEW visible colours */
    uint8_t *all;
    void *at; /* the first pixel's; around it are MARGIN labels of 0, and room for 32 bytes more */
    int n;    /* numbers in use, with 0 */
    uint8_t palette[LABELS_FEW + 1][4];
};

/* The margin is 0; the labels, of `size` bytes each, are for who asks to write. -1 only without
 * memory; labels_free is good for all. */
int labels_new(struct labels *, int width, int height, size_t size, struct err *);
/* An image's. */
int labels_take(struct labels *, const struct image *, struct err *);
void labels_free(struct labels *);
/* Another of that shape, as new. */
int labels_twin(struct labels *, const struct labels *of, struct err *);

/* For who makes numbers, colour i being i + 1: rows, from the first on, get the numbers that
 * labels_take would give, in order of appearance. */
struct label_names {
    uint16_t to[LABELS_FEW + 1];
};
void labels_names_init(struct label_names *);
void labels_name_row(struct labels *, int y, struct label_names *, const uint8_t (*rgb)[3]);

/* Into an image whose first pixel is (left, top) of the labels, which may lie in the margin. */
void labels_put(const struct labels *, int left, int top, struct image *);

/* Of numbers: how many pixels have each. */
void labels_count(const struct labels *, int count[LABELS_FEW + 1]);

/* The number of an opaque colour; 0: it has none. */
int labels_find(const struct labels *, const uint8_t rgb[3]);

/* Which of a row's pixels become outline (1, else 0): those that are 0 beside ones that are not,
 * or, inner, the other way round. p is the first of a row of bytes, with a row above and below and
 * one byte at both ends. */
void labels_mark_row(const uint8_t *p, ptrdiff_t row, int width, bool inner, uint8_t *mark);

/* Of numbers, of the image and one pixel around it: hidden pixels beside visible ones (or, inner,
 * visible ones beside hidden ones) become `rgb`. False where that would be a number too many.
 * *grown: is any of them outside of the image? */
bool labels_outline(struct labels *, bool inner, const uint8_t rgb[3], bool *grown);

#endif
