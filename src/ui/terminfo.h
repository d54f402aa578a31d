/*
 * The terminal as ncurses sees it: a description of our own, the same for every terminal.
 *
 * Everything that spritty's terminals share is in ECMA-48, so their own entries tell nothing that
 * we need; but they tell of erasing, inserting, deleting, scrolling, relative motion and status
 * lines, which ncurses would use. Ours has absolute motion, colours and attributes, nothing else
 * (clearing the screen only pretends to). It works where a terminal's entry is not installed, too.
 */
#ifndef SPRITTY_TERMINFO_H
#define SPRITTY_TERMINFO_H

#include <stddef.h>

#define TERMINFO_NAME "spritty"

/* Colour numbers of this description: 0 to 15 the terminal's own, to 255 xterm's, and 24-bit RGB
 * with this bit. */
enum { TERMINFO_RGB = 1 << 24 };

/* The compiled entry in the form "hex:..." that ncurses takes from $TERMINFO; free it. NULL without
 * memory. */
char *terminfo_hex(int rows, int cols);

#endif
