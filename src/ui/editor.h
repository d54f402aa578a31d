/*
 * A text being edited: UTF-8, many lines or one, with undo, cut and put back, and wrapping.
 *
 * Pure: no curses, no terminal. The cursor stands between grapheme clusters (utf8proc's breaks), so
 * one key is one emoji or accented letter. Edits that follow each other closely are one undo step:
 * a word being typed with the spaces behind it, a run of deleting, a paste.
 */
#ifndef SPRITTY_EDITOR_H
#define SPRITTY_EDITOR_H

#include <stdbool.h>
#include <stddef.h>

#include "ui/keys.h"

enum {
    EDITOR_MAX = 64 << 10,      /* bytes of a text; more is not taken */
    EDITOR_UNWRAPPED = 1 << 20, /* the width of a line that is scrolled, not wrapped */
};

struct editor; /* text, cursor, undo */

struct editor *editor_new(bool many_lines); /* NULL without memory */
void editor_free(struct editor *);

const char *editor_text(const struct editor *); /* valid until the next change */
size_t editor_len(const struct editor *);
size_t editor_cursor(const struct editor *);         /* byte offset */
unsigned long editor_version(const struct editor *); /* another one after each change of the text */

/* Replaces all of it, as one undo step; the cursor goes to the end. */
void editor_set(struct editor *, const char *text);
/* The same with the cursor at a byte offset. */
void editor_set_at(struct editor *, const char *text, size_t cursor);
/* At the cursor. Control characters and invisible format characters (direction, zero width; not
 * joiners) are left out, a tab becomes a space, broken UTF-8 U+FFFD; newlines become spaces in
 * a one-line editor. False when not all of it fitted. */
bool editor_insert(struct editor *, const char *text, size_t len);
/* LEFT ... REDO, NEWLINE; `width`: columns that the text is wrapped at, for LINE_UP and LINE_DOWN,
 * which go by rows; all else goes by lines. Cuts one after the other are put back together. False
 * when the action is none of an editor's (NEWLINE in a one-line editor is none), or would move
 * beyond the first or last row. */
bool editor_act(struct editor *, enum action, int width);
/* Puts the cursor where a click fell, in wrapped rows and columns. */
void editor_click(struct editor *, int row, int col, int width);

/* Wrapping: row by row, at spaces where there are some, else anywhere. */
struct editor_row {
    size_t start, end; /* bytes; the space or newline that ends a row is in neither */
};
/* Row `i` of the text wrapped at `width` columns (at least 2); false past the end. Rows are worked
 * out once a change. */
bool editor_row(struct editor *, int i, int width, struct editor_row *);
int editor_rows(struct editor *, int width);
/* Where the cursor stands in these rows. Where a row is broken without a space it stands in the
 * next one. *col can be `width`: at the end of a full row. */
void editor_cursor_at(struct editor *, int width, int *row, int *col);

#endif
