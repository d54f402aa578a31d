/*
 * Which images stand where on the screen, and what to send so that it becomes true.
 *
 * Each frame the panels say anew what they want (place_want). Then place_clear sends spaces over
 * the cells of images that went, moved or changed, before the text of the frame is sent; and
 * place_draw sends the images that are new or were hurt, after it. What has not changed costs no
 * byte. No erase, insert or delete is ever used on rows that hold an image: tmux would drop it.
 * After the screen was cleared (resize, theme, resume) place_forget makes all of them new.
 *
 * The text of a frame leaves the cells below images alone, as blank. Both functions leave the
 * cursor anywhere and the attributes reset (SGR 0); an image hides the cursor.
 */
#ifndef SPRITTY_PLACE_H
#define SPRITTY_PLACE_H

#include "sprite/image.h"
#include "term/rects.h"
#include "term/out.h"
#include "term/probe.h"

enum {
    MAX_PLACES = 64,
    PLACE_MIN_COLS = 6, /* of an image beside text: ncurses writes over equal cells rather than skip
                           fewer */
};

struct place {
    unsigned slot;             /* who wants it: one image a slot; below 65536 */
    uint64_t serial;           /* of its content: another serial is another image */
    int y, x, rows, cols;      /* the area in cells; the image lies in its middle */
    const struct image *image; /* lives until the end of the frame */
    uint8_t ground[3], ground2[3];
    bool live;         /* a preview: may be left out or come later when the line is slow */
    bool over;         /* belongs to an overlay: what covers others does not cover it */
    struct cells part; /* only these cells of it, from its corner; no rows: all */
};

struct places;

struct places *places_new(void);
void places_free(struct places *);
void place_begin(struct places *); /* a new frame: nothing is wanted yet */
void place_want(struct places *, const struct place *);
/* An overlay covers these cells: of images that touch them only the rest is shown in this frame. */
void place_cover(struct places *, int y, int x, int rows, int cols);
/* Does an image that this frame wants, and that no overlay owns, lie on any of these cells? */
bool place_touched(const struct places *, int y, int x, int rows, int cols);
/* Sends spaces over what went. `blank` sets the attributes of an empty cell, `blank_over` those of
 * one in an overlay: SGR sequences. */
void place_clear(struct places *, struct out *, const char *blank, const char *blank_over);
/* Sends what is due. Returns how many are still due (live ones that the line is too slow for, and
 * others while many bytes are on their way), so that the caller looks again: when the terminal
 * answers, or after a while. */
int place_draw(struct places *, const struct caps *, struct out *, double now_ms);
void place_forget(struct places *);

/* ---- large pictures, encoded elsewhere ---- */

/* A picture on its way through another thread, with a copy of its image. */
struct place_encoding;
/* From now on finished pictures that take long to encode are given to `send` (which takes them
 * over) and drawn once they came back. Previews are not: they are small, or wait for the line. */
void place_encode_with(struct places *, void (*send)(void *user, struct place_encoding *),
                       void *user);
void place_encoding_run(struct place_encoding *); /* in any thread */
/* It has run: takes it over. The next frame draws it, if it is still wanted. */
void place_encoded(struct places *, struct place_encoding *);
void place_encoding_free(struct place_encoding *);

#endif
