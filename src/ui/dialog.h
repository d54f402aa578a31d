/* The open dialog, for the loop; what opens one is in ui.h. */
#ifndef SPRITTY_DIALOG_H
#define SPRITTY_DIALOG_H

#include "ui/ui.h"

/* All of these only while ui->dialog is set. */
void dialog_draw(struct ui *, struct rect main);
unsigned dialog_contexts(const struct ui *);
bool dialog_act(struct ui *, enum action);
void dialog_type(struct ui *, const struct input_event *);
void dialog_mouse(struct ui *, const struct input_event *);
void dialog_close(struct ui *); /* no answer is given */

/* ---- for dialogs that have a file of their own ---- */

struct dialog_ops {
    unsigned (*contexts)(const struct ui *, const void *own); /* NULL: a dialog with text */
    void (*draw)(struct ui *, void *own, struct rect main);
    bool (*act)(struct ui *, void *own, enum action); /* false: not for it */
    void (*type)(struct ui *, void *own, const struct input_event *);
    void (*mouse)(struct ui *, void *own, const struct input_event *); /* may be NULL */
    void (*free)(void *own);
};
/* Takes `own` over, and the place of a dialog that is open. It ends with dialog_close; whatever is
 * called after that must not touch `own`. */
void dialog_open(struct ui *, const struct dialog_ops *, void *own);
/* The open dialog's own, if it is one of these; else NULL. */
void *dialog_own(const struct ui *, const struct dialog_ops *);

enum {
    DIALOG_WIDTH = 34, /* columns inside a box at least */
    DIALOG_MARGIN = 2, /* columns between a border and what is inside */
};

/* An empty box in the middle for so many rows and columns inside its margins, which are returned;
 * it is smaller where the screen is. */
struct rect dialog_frame(struct ui *, struct rect main, const char *title, int rows, int cols);
/* In the last row: keys and what they do, by turns ("Enter", "use it", ...). */
void dialog_hints(struct ui *, struct rect in, const char *const *words, int count);
/* The part of a line of text around its cursor; *scroll: columns left of the field. Returns the
 * cursor's column on the screen. */
int field_draw(struct ui *, struct editor *, struct rect at, int *scroll);
/* The same, and the cursor stands there. */
void dialog_field(struct ui *, struct editor *, struct rect at, int *scroll);
/* What may be typed there, behind the cursor while nothing is. */
void dialog_field_for(struct ui *, const struct editor *, struct rect at, const char *what);

/* A list of rows, one of them chosen. */
struct listbox {
    int row, top, count;
    struct rect at; /* as drawn */
};
/* UP, DOWN, PAGE_UP, PAGE_DOWN, FIRST, LAST; false for others. */
bool listbox_act(struct listbox *, enum action);
/* Before the rows top to top + at.h - 1 are drawn there; with a scroll bar in the border of the box
 * that dialog_frame gave as `in`. */
void listbox_place(struct ui *, struct listbox *, struct rect at, struct rect in);
/* The row under a click, or -1. A wheel over it moves the choice. */
int listbox_mouse(struct listbox *, const struct input_event *);
/* The same, and the row is chosen; true where it was already: a second click accepts. */
bool listbox_click(struct listbox *, const struct input_event *);

#endif
