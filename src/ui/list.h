/* Lists of rows: what every one of them does with keys, and which rows are seen. */
#ifndef SPRITTY_LIST_H
#define SPRITTY_LIST_H

#include <stdbool.h>

#include "ui/keys.h"

/* Keeps the selected row of a list within the rows that are seen. */
int list_top(int top, int row, int rows, int count);
/* Where the thumb of a scroll bar as high as the `rows` that are seen stands: its first row and its
 * length, 0 when all `count` are seen. It touches an end only where the list does. */
void list_thumb(int top, int rows, int count, int *from, int *length);
/* Up, down, a page of rows, first, last: *row stays within 0 and `last` (-1: an empty list). False
 * for other actions. */
bool list_step(enum action, int page, int last, int *row);

#endif
