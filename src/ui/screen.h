/*
 * The screen: ncurses' home.
 *
 * ncurses keeps the cells and works out what changed. It writes to a file of ours in memory, never
 * to the terminal, so nothing of it can block; screen_end moves the bytes into the queue (out.h),
 * with the images (place.h) cleared before and drawn after. The description of the terminal that it
 * gets has no erase, insert, delete or scroll (terminfo.h), so that images survive in tmux.
 *
 * Keys are not read through ncurses (input.h does). Text from outside is drawn as glyph.h cuts it:
 * line ends are spaces, other control characters U+FFFD. It is cut at a column, wide characters
 * included. Without UTF-8 line drawing becomes + - | and what has no likeness in ASCII '?'.
 *
 * Backgrounds: a role with one of its own ("on" in the theme) brings it. The others are drawn on
 * the background that is in the cell, which is ROLE_TEXT's where nothing was filled in; so in a
 * dialog or a chosen row, draw_fill first, then draw any role on it.
 */
#ifndef SPRITTY_SCREEN_H
#define SPRITTY_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "term/out.h"
#include "term/place.h"
#include "term/probe.h"
#include "ui/theme.h"

struct rect {
    int y, x, h, w;
};

static inline bool rect_has(struct rect r, int y, int x)
{
    return y >= r.y && y < r.y + r.h && x >= r.x && x < r.x + r.w;
}

struct screen;

/* caps->colors and utf8 must be known (the environment tells). One at a time; before other threads
 * are started, for it sets LC_CTYPE, and $TERMINFO for a moment. NULL and err: no memory, or an
 * ncurses that does not take a terminal description of ours. */
struct screen *screen_new(int rows, int cols, const struct caps *, const struct theme *,
                          struct err *);
void screen_free(struct screen *);
int screen_rows(const struct screen *);
int screen_cols(const struct screen *);
bool screen_utf8(const struct screen *);
bool screen_colored(const struct screen *); /* false: roles differ by attributes at best */
void screen_resize(struct screen *, int rows, int cols); /* and draws all anew */
void screen_theme(struct screen *, const struct theme *, const struct caps *); /* and all anew */
void screen_redraw(struct screen *); /* the next frame sends everything */

/* One frame: begin clears the cells to ROLE_TEXT, panels draw, end sends the difference. */
void screen_begin(struct screen *);
/* Returns place_draw's answer. The cursor is shown where screen_cursor last put it in this frame,
 * else hidden. */
int screen_end(struct screen *, struct out *, const struct caps *, double now_ms);
void screen_cursor(struct screen *, int y, int x);

/* ---- drawing; everything is clipped to the screen ---- */

/* At most `w` columns of UTF-8 text; a text that is cut ends with an ellipsis. Returns the columns
 * used. */
int draw_text(struct screen *, int y, int x, int w, enum role, const char *text);
int draw_textn(struct screen *, int y, int x, int w, enum role, const char *text, size_t len);
/* printf, otherwise the same. */
int draw_printf(struct screen *, int y, int x, int w, enum role, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));
/* Ends at column x + w - 1. Returns the first column. */
int draw_right(struct screen *, int y, int x, int w, enum role, const char *text);
/* In the middle of w columns. */
void draw_centered(struct screen *, int y, int x, int w, enum role, const char *text);
void draw_fill(struct screen *, struct rect, enum role);
/* A frame with a title in its top line (may be NULL); what is inside is returned. */
struct rect draw_box(struct screen *, struct rect, const char *title, bool focus);
/* Over a box's right side, beside the rows of a list: which part of it is seen. Nothing when all
 * is. */
void draw_scroll(struct screen *, int y, int x, int rows, int top, int count, bool focus);
void draw_hline(struct screen *, int y, int x, int w, enum role);
void draw_vline(struct screen *, int y, int x, int h, enum role);
/* Blends roles: the text of `fg` on the background of `bg`. For marks inside selected rows. */
int draw_on(struct screen *, int y, int x, int w, enum role fg, enum role bg, const char *text);

/* The image in the middle of the area, enlarged by a whole factor. `serial` tells one content from
 * another. checker: transparent pixels over a checkerboard, else over the background. An area that
 * is narrower than 6 columns, or not on the screen as a whole, stays blank. */
void draw_image(struct screen *, struct rect, unsigned slot, const struct image *, uint64_t serial,
                bool checker, bool live);
/* The same for a picture in an overlay, over a checkerboard. */
void draw_image_over(struct screen *, struct rect, unsigned slot, const struct image *,
                     uint64_t serial);
/* See place_encode_with and place_encoded. */
void screen_encode_with(struct screen *, void (*send)(void *user, struct place_encoding *),
                        void *user);
void screen_encoded(struct screen *, struct place_encoding *);
/* Of images under this area only the rest is shown in this frame, of previews nothing (before
 * drawing an overlay there). */
void draw_cover(struct screen *, struct rect);
/* Where to put an overlay of this size: the place nearest to r, inside `in`, that lies on no image
 * that was drawn in this frame; r itself where there is none. */
struct rect screen_beside_images(const struct screen *, struct rect r, struct rect in);

/* ---- single cells, for graphs ---- */

/* One character of one column; without UTF-8 its likeness in ASCII. */
void draw_cell(struct screen *, int y, int x, enum role, int32_t code);
/* The same on the text colour of `rest`: a block character whose other part has a colour, too.
 * Without colours or UTF-8: draw_cell. */
void draw_halves(struct screen *, int y, int x, enum role, enum role rest, int32_t code);
/* What stands in a cell in this frame, and in which role; ' ' and ROLE_TEXT outside. */
int32_t screen_code(const struct screen *, int y, int x);
enum role screen_role(const struct screen *, int y, int x);

/* Columns that text takes (control characters count 1). */
int text_columns(const char *text, size_t len);
/* The longer text where it fits in w columns. */
const char *that_fits(int w, const char *full, const char *brief);
/* What a box of this width has for its title. */
static inline int title_room(struct rect r)
{
    return r.w - 6;
}

#endif
