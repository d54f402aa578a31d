/*
 * Where the panels stand; see layout.h.
 *
 * Each column is cut from the top: every panel starts with the fewest rows that it can live with,
 * then the rows that are left go to whoever needs them most, one wish after the other.
 */
#include "ui/layout.h"

enum {
    WIDE = 100,         /* columns from which the prompt stands beside the preview */
    BOX_MIN = 3,        /* rows of a box: a line between two borders */
    GRAPH_MIN = 5,      /* rows of a graph's box */
    GRAPH_MAX = 14,     /* more than that is the preview's */
    GRAPH_COLS = 24,    /* columns of a graph's box at least */
    PREVIEW_COLS = 36,  /* of a preview with a graph beside it */
    SETTINGS_ROWS = 13, /* boxed, when all of them are seen */
    SETTINGS_COLS = 30,
    PRESETS_ROWS = 8,
    PRESETS_MANY = 24, /* boxed, when those that are shipped and some more are seen */
    PRESETS_COLS = 18,
};

static int clamp(int v, int least, int most)
{
    return v < least ? least : v > most ? most : v;
}

/* Grows *h towards `wish`, as far as *left reaches. */
static void grow(int *h, int wish, int *left)
{
    int n = clamp(wish - *h, 0, *left);
    *h += n;
    *left -= n;
}

/* Cuts `h` rows off the top of an area, or `w` columns off its left side. */
static struct rect take_rows(struct rect *area, int h)
{
    struct rect r = {area->y, area->x, h, area->w};
    area->y += h;
    area->h -= h;
    return r;
}

static struct rect take_cols(struct rect *area, int w)
{
    struct rect r = {area->y, area->x, area->h, w};
    area->x += w;
    area->w -= w;
    return r;
}

struct layout layout_frame(int rows, int cols)
{
    struct layout l = {.too_small = rows < LAYOUT_MIN_ROWS || cols < LAYOUT_MIN_COLS};
    struct rect all = {0, 0, rows, cols};
    if (l.too_small)
        return l;
    l.top = take_rows(&all, 1);
    l.main = take_rows(&all, rows - 2);
    l.bottom = all;
    return l;
}

/* Timing and memory side by side or one over the other; memory goes first when there is no room,
 * then timing. */
static void place_graphs(struct studio_layout *l, struct rect area)
{
    bool beside = area.w >= 2 * GRAPH_COLS && (area.w >= 64 || area.h < 12);
    if (area.h < GRAPH_MIN || area.w < GRAPH_COLS)
        return;
    if (beside)
        l->timing = take_cols(&area, (area.w + 1) / 2);
    else if (area.h >= 2 * GRAPH_MIN)
        l->timing = take_rows(&area, (area.h + 1) / 2);
    else {
        l->timing = area;
        return;
    }
    l->memory = area;
}

/* How many rows a square picture would have in a box: a cell is about twice as high as wide. */
static int square(int h, int w)
{
    return clamp(h - 2, 0, (w - 2) / 2);
}

/* Preview over progress over graphs, which come once the preview has `least` rows. In a low and
 * wide area the graphs stand beside the preview, if that lets it grow. */
static void place_pictures(struct studio_layout *l, struct rect area, int least)
{
    int progress = area.h >= 22 ? 4 : BOX_MIN, room = area.h - progress;
    int graphs = clamp(room - clamp(area.h * 60 / 100, least, area.h), 0, GRAPH_MAX);
    int side = clamp(area.w / 3, GRAPH_COLS, 60);
    if (graphs < GRAPH_MIN)
        graphs = room - least >= GRAPH_MIN ? GRAPH_MIN : 0;
    if (area.h < 28 && area.w - side >= PREVIEW_COLS && graphs &&
        square(room, area.w - side) > square(room - graphs, area.w)) {
        struct rect left = take_cols(&area, area.w - side);
        l->preview = take_rows(&left, room);
        l->progress = left;
    } else {
        l->preview = take_rows(&area, room - graphs);
        l->progress = take_rows(&area, progress);
    }
    place_graphs(l, area);
}

static void layout_wide(struct studio_layout *l, struct rect area)
{
    int least = SETTINGS_COLS + PRESETS_COLS;
    struct rect left = take_cols(&area, clamp(area.w * 42 / 100, least, 90));
    int prompt = 5, negative = BOX_MIN, middle = 7, queue = BOX_MIN;
    int spare = left.h - prompt - negative - middle - queue;
    grow(&middle, 9, &spare);
    grow(&queue, 5, &spare);
    grow(&middle, SETTINGS_ROWS, &spare);
    grow(&prompt, 6, &spare);
    grow(&queue, 8, &spare);
    grow(&negative, 4, &spare);
    grow(&prompt, 8, &spare);
    grow(&middle, PRESETS_MANY, &spare);
    l->prompt = take_rows(&left, prompt);
    l->negative = take_rows(&left, negative);
    struct rect row = take_rows(&left, middle);
    l->queue = left;
    l->presets = take_cols(&row, row.w - clamp(row.w * 55 / 100, SETTINGS_COLS, 52));
    l->settings = row;
    place_pictures(l, area, 10);
}

static void layout_narrow(struct studio_layout *l, struct rect area)
{
    l->prompt = take_rows(&area, clamp(4 + (area.h - 18) / 4, 4, 7));
    l->negative = take_rows(&area, BOX_MIN);
    struct rect left = take_cols(&area, clamp(area.w * 40 / 100, SETTINGS_COLS, area.w));
    int settings = 7, queue = BOX_MIN, presets = 0, spare = left.h - settings - queue;
    grow(&settings, SETTINGS_ROWS - 1, &spare);
    if (spare >= 5)
        grow(&presets, PRESETS_ROWS, &spare);
    grow(&queue, 8, &spare);
    grow(&settings, SETTINGS_ROWS, &spare);
    if (presets)
        grow(&presets, 2 * PRESETS_ROWS, &spare);
    l->settings = take_rows(&left, settings);
    l->presets = take_rows(&left, presets);
    l->queue = left;
    place_pictures(l, area, 12);
}

/* Presets, settings and queue stand over or beside each other in the same columns. */
static void widen(struct studio_layout *l, enum layout_wide wide)
{
    const struct rect p = l->presets, s = l->settings, q = l->queue;
    int top = p.h > 0 && p.y < s.y ? p.y : s.y;
    l->queue = (struct rect){q.y + q.h - BOX_MIN, q.x, BOX_MIN, q.w};
    struct rect all = {top, q.x, l->queue.y - top, q.w};
    l->settings = wide == LAYOUT_SETTINGS ? all : (struct rect){0};
    l->presets = wide == LAYOUT_PRESETS ? all : (struct rect){0};
}

struct studio_layout layout_studio(struct rect main, enum layout_wide wide)
{
    struct studio_layout l = {0};
    if (main.h < LAYOUT_MIN_ROWS - 2 || main.w < LAYOUT_MIN_COLS)
        return l;
    if (main.w >= WIDE)
        layout_wide(&l, main);
    else
        layout_narrow(&l, main);
    if (wide != LAYOUT_EVEN)
        widen(&l, wide);
    return l;
}

void layout_grid(struct rect area, int rows, int cols, struct rect *cells, int count)
{
    int w = cols > 0 ? clamp((area.w - (cols - 1)) / cols, 0, area.w) : 0;
    int h = rows > 0 ? clamp(area.h / rows, 0, area.h) : 0;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < cols && i * cols + j < count; j++)
            cells[i * cols + j] = (struct rect){area.y + i * h, area.x + j * (w + 1), h, w};
}
