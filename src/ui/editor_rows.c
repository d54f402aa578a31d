/* A text being edited, as rows of a width: wrapped between words, and walked up and down; see
 * editor.h. */
#include "ui/editor_priv.h"

#include <stdint.h>
#include <stdlib.h>

enum { WIDTH_MIN = 2 };

/* Room for one more row; without memory the last row takes the rest of the text. */
static bool add_row(struct editor *ed, size_t start, size_t end)
{
    if (ed->rows == ed->row_cap) {
        struct editor_row *row = realloc(ed->row, (size_t)ed->row_cap * 2 * sizeof *row);
        if (!row) {
            ed->row[ed->rows - 1].end = ed->len;
            return false;
        }
        ed->row = row;
        ed->row_cap *= 2;
    }
    ed->row[ed->rows++] = (struct editor_row){start, end};
    return true;
}

/* One row from `start` on: where it ends, and where the next one begins. */
static size_t wrap_row(const struct editor *ed, size_t start, int width, size_t *end)
{
    size_t space = SIZE_MAX, at = start;
    for (int col = 0, w; at < ed->len && ed->text[at] != '\n'; col += w) {
        size_t after = editor_cluster_end(ed, at, &w);
        bool is_space = after == at + 1 && ed->text[at] == ' ';
        if (is_space)
            space = at;
        if (col + w > width && at > start) {
            *end = space != SIZE_MAX ? space : at;
            return space != SIZE_MAX ? space + 1 : at;
        }
        at = after;
    }
    *end = at;
    return at + 1; /* behind the newline; behind the end: no more rows */
}

static void wrap(struct editor *ed, int width)
{
    width = width < WIDTH_MIN ? WIDTH_MIN : width;
    if (ed->row_version == ed->version && ed->row_width == width)
        return;
    ed->row_version = ed->version;
    ed->row_width = width;
    ed->rows = 0;
    for (size_t start = 0, end; start <= ed->len;) {
        size_t following = wrap_row(ed, start, width, &end);
        if (!add_row(ed, start, end))
            return;
        start = following;
    }
}

bool editor_row(struct editor *ed, int i, int width, struct editor_row *row)
{
    wrap(ed, width);
    if (i < 0 || i >= ed->rows)
        return false;
    *row = ed->row[i];
    return true;
}

int editor_rows(struct editor *ed, int width)
{
    wrap(ed, width);
    return ed->rows;
}

static int columns(const struct editor *ed, size_t from, size_t to)
{
    int sum = 0, w;
    while (from < to) {
        from = editor_cluster_end(ed, from, &w);
        sum += w;
    }
    return sum;
}

void editor_cursor_at(struct editor *ed, int width, int *row, int *col)
{
    wrap(ed, width);
    int low = 0, high = ed->rows - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (ed->row[middle].start <= ed->cursor)
            low = middle;
        else
            high = middle - 1;
    }
    *row = low;
    *col = columns(ed, ed->row[low].start, ed->cursor);
}

/* Puts the cursor on the last border of a row that is not beyond a column. Where a row was broken
 * without a space its end is the next row's start, so the last cluster is as far as it goes. */
static void go_to(struct editor *ed, int row, int col)
{
    size_t at = ed->row[row].start, end = ed->row[row].end;
    bool broken = row + 1 < ed->rows && ed->row[row + 1].start == end;
    for (int c = 0, w; at < end; c += w) {
        size_t after = editor_cluster_end(ed, at, &w);
        if (c + w > col || (broken && after >= end))
            break;
        at = after;
    }
    ed->cursor = at;
}

bool editor_line_by(struct editor *ed, int by, int width)
{
    int row, col;
    editor_cursor_at(ed, width, &row, &col);
    if (row + by < 0 || row + by >= ed->rows)
        return false;
    if (ed->want < 0)
        ed->want = col;
    go_to(ed, row + by, ed->want);
    return true;
}

void editor_click(struct editor *ed, int row, int col, int width)
{
    wrap(ed, width);
    row = row < 0 ? 0 : row;
    if (row >= ed->rows) {
        row = ed->rows - 1;
        col = ed->row_width;
    }
    go_to(ed, row, col);
    ed->want = -1;
    ed->last = KIND_NONE;
    ed->killing = false;
}
