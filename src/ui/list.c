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
