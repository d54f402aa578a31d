/* See list.h. */
#include "ui/list.h"

int list_top(int top, int row, int rows, int count)
{
    if (row < top)
        top = row;
    if (row >= top + rows)
        top = row - rows + 1;
    if (top > count - rows)
        top = count - rows;
    return top > 0 ? top : 0;
}

void list_thumb(int top, int rows, int count, int *from, int *length)
{
    int hidden = count - rows;
    *from = *length = 0;
    if (rows < 1 || hidden < 1)
        return;
    *length = rows * rows / count > 1 ? rows * rows / count : 1;
    int room = rows - *length;
    *from = (top * room + hidden / 2) / hidden;
    if (room > 1 && top > 0 && *from == 0)
        *from = 1;
    if (room > 1 && top < hidden && *from == room)
        *from = room - 1;
}

bool list_step(enum action a, int page, int last, int *row)
{
    int to = *row;
    switch (a) {
    case ACT_UP:
        to--;
        break;
    case ACT_DOWN:
        to++;
        break;
    case ACT_PAGE_UP:
        to -= page;
        break;
    case ACT_PAGE_DOWN:
        to += page;
        break;
    case ACT_FIRST:
        to = 0;
        break;
    case ACT_LAST:
        to = last;
        break;
    default:
        return false;
    }
    to = to > last ? last : to;
    *row = to < 0 ? 0 : to;
    return true;
}
