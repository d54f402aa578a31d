/*
 * A mask drawn over the picture that a job starts from: a cursor moves over it, rectangles between
 * two corners are masked or kept; so they are by dragging with the mouse's left or right button. It
 * is written as a PNG into the folder of masks and becomes the setting.
 *
 * The picture is shown at VIEW pixels a side at most, so that a slow line takes each step; a step
 * of the cursor is one pixel of a small picture, and a VIEW-th of a large one's side.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/mapfile.h"
#include "base/paths.h"
#include "sprite/image_file.h"
#include "sprite/mask.h"
#include "term/graphics.h"
#include "ui/dialog.h"
#include "ui/pick.h"
#include "ui/studio.h"

enum { SLOT = 510, WIDTH = 96, VIEW = 96, MOST_SIDE = 4096, UNDOS = 16, FAR = 8 };

struct mask_editor {
    struct image *view; /* the picture as shown */
    struct image *shown;
    uint64_t serial;
    struct mask mask, undo[UNDOS];
    int undos;
    int x, y;           /* of the view */
    int from_x, from_y; /* the first corner; -1: none */
    struct rect area;   /* where the picture was drawn, in cells */
    int button;         /* of the mouse that is held; 0: none */
    int held[4];        /* the pixels of the view under the cell where it went down */
    char name[41];
};

/* ---- the picture with its mask ---- */

/* The pixels of the mask under a pixel of the view: [*from, *to]. */
static void under(int at, int view, int full, int *from, int *to)
{
    *from = (int)((int64_t)at * full / view);
    *to = (int)(((int64_t)at + 1) * full / view) - 1;
    if (*to < *from)
        *to = *from;
}

static bool is_masked(const struct mask_editor *m, int x, int y)
{
    int x0, y0, x1, y1;
    under(x, m->view->width, m->mask.width, &x0, &x1);
    under(y, m->view->height, m->mask.height, &y0, &y1);
    return m->mask.at[(size_t)((y0 + y1) / 2) * (size_t)m->mask.width + (size_t)((x0 + x1) / 2)];
}

static void tint(uint8_t *p, const uint8_t with[3], int share)
{
    for (int i = 0; i < 3; i++)
        p[i] = (uint8_t)((p[i] * p[3] / 255 * (100 - share) + with[i] * share) / 100);
    p[3] = 255;
}

/* Is the point on the edge of the rectangle that is being drawn? */
static bool on_edge(const struct mask_editor *m, int x, int y)
{
    int fx = m->from_x < 0 ? m->x : m->from_x, fy = m->from_y < 0 ? m->y : m->from_y;
    int left = fx < m->x ? fx : m->x, right = fx < m->x ? m->x : fx;
    int top = fy < m->y ? fy : m->y, bottom = fy < m->y ? m->y : fy;
    return x >= left && x <= right && y >= top && y <= bottom &&
           (x == left || x == right || y == top || y == bottom);
}

static void compose(struct mask_editor *m)
{
    static const uint8_t masked[3] = {0, 225, 255}, edge[2][3] = {{255, 255, 255}, {0, 0, 0}};
    int w = m->view->width, h = m->view->height;
    memcpy(m->shown->rgba, m->view->rgba, (size_t)w * (size_t)h * 4);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            uint8_t *p = m->shown->rgba + ((size_t)y * (size_t)w + (size_t)x) * 4;
            if (is_masked(m, x, y))
                tint(p, masked, (x + y) & 1 ? 40 : 80); /* seen on any colour */
            if (on_edge(m, x, y))
                tint(p, edge[(x + y) & 1], 90);
        }
    m->serial++;
}

static void draw(struct ui *ui, void *own, struct rect main)
{
    struct mask_editor *m = own;
    char text[160];
    struct rect in = dialog_frame(ui, main, "Mask: what is made anew", main.h - 4, WIDTH);
    m->area = (struct rect){in.y, in.x, in.h - 1, in.w};
    draw_image_over(ui->screen, m->area, SLOT, m->shown, m->serial);
    int x0, y0, ignored, count = mask_count(&m->mask);
    under(m->x, m->view->width, m->mask.width, &x0, &ignored);
    under(m->y, m->view->height, m->mask.height, &y0, &ignored);
    snprintf(text, sizeof text, "%s %dx%d, at %d,%d, %.0f%% masked%s", m->name, m->mask.width,
             m->mask.height, x0, y0,
             100.0 * count / ((double)m->mask.width * (double)m->mask.height),
             m->button        ? ""
             : m->from_x >= 0 ? "; now the other corner"
                              : "; dragging masks, right button keeps");
    bool whole = text_columns(text, strlen(text)) <= in.w; /* else the name can be missed */
    draw_text(ui->screen, in.y + in.h - 1, in.x, in.w, ROLE_TEXT,
              whole ? text : text + strlen(m->name) + 1);
}

/* ---- changes ---- */

static void remember(struct mask_editor *m)
{
    struct mask copy;
    if (mask_init(&copy, m->mask.width, m->mask.height))
        return; /* it cannot be undone */
    memcpy(copy.at, m->mask.at, (size_t)copy.width * (size_t)copy.height);
    if (m->undos == UNDOS) {
        mask_free(&m->undo[0]);
        memmove(m->undo, m->undo + 1, (UNDOS - 1) * sizeof *m->undo);
        m->undos--;
    }
    m->undo[m->undos++] = copy;
}

static void undo(struct mask_editor *m)
{
    if (m->undos == 0)
        return;
    mask_free(&m->mask);
    m->mask = m->undo[--m->undos];
}

/* From the first corner, or the cursor alone, to the cursor. */
static void box(struct mask_editor *m, bool on)
{
    int x0, y0, x1, y1, a, b;
    int fx = m->from_x < 0 ? m->x : m->from_x, fy = m->from_y < 0 ? m->y : m->from_y;
    under(fx < m->x ? fx : m->x, m->view->width, m->mask.width, &x0, &a);
    under(fx < m->x ? m->x : fx, m->view->width, m->mask.width, &b, &x1);
    under(fy < m->y ? fy : m->y, m->view->height, m->mask.height, &y0, &a);
    under(fy < m->y ? m->y : fy, m->view->height, m->mask.height, &b, &y1);
    remember(m);
    mask_box(&m->mask, x0, y0, x1, y1, on);
    m->from_x = m->from_y = -1;
}

static void corner(struct mask_editor *m)
{
    if (m->from_x >= 0) {
        box(m, true);
        return;
    }
    m->from_x = m->x;
    m->from_y = m->y;
}

static void step(struct mask_editor *m, int dx, int dy)
{
    int w = m->view->width, h = m->view->height, x = m->x + dx, y = m->y + dy;
    m->x = x < 0 ? 0 : x >= w ? w - 1 : x;
    m->y = y < 0 ? 0 : y >= h ? h - 1 : y;
}

static bool move(struct mask_editor *m, enum action a)
{
    static const struct {
        enum action action;
        int x, y;
    } moves[] = {{ACT_GO_LEFT, -1, 0},
                 {ACT_GO_RIGHT, 1, 0},
                 {ACT_UP, 0, -1},
                 {ACT_DOWN, 0, 1},
                 {ACT_PAGE_UP, 0, -FAR},
                 {ACT_PAGE_DOWN, 0, FAR},
                 {ACT_MASK_FAR_LEFT, -FAR, 0},
                 {ACT_MASK_FAR_RIGHT, FAR, 0},
                 {ACT_FIRST, -VIEW, 0},
                 {ACT_LAST, VIEW, 0}};
    for (size_t i = 0; i < sizeof moves / sizeof *moves; i++)
        if (moves[i].action == a) {
            step(m, moves[i].x, moves[i].y);
            return true;
        }
    return false;
}

/* ---- the mouse: a cell of the terminal is several pixels, and both of its ends count ---- */

static bool cell_under(const struct ui *ui, const struct mask_editor *m, int y, int x, int at[4])
{
    const struct caps *caps = &ui->probe.caps;
    int w = m->view->width, h = m->view->height;
    struct graphics_fit f = graphics_fit(caps, w, h, m->area.h, m->area.w);
    if (f.rows < 1)
        return false;
    graphics_under(caps, &f, w, h, y - m->area.y, x - m->area.x, at);
    int top = m->area.y + f.top, left = m->area.x + f.left;
    return y >= top && x >= left && y < top + f.rows && x < left + f.cols;
}

/* From the cell where the button went down to this one, both included. */
static void drag_to(struct mask_editor *m, const int at[4])
{
    bool right = at[0] >= m->held[0], below = at[1] >= m->held[1];
    m->from_x = right ? m->held[0] : m->held[2] - 1;
    m->from_y = below ? m->held[1] : m->held[3] - 1;
    m->x = right ? at[2] - 1 : at[0];
    m->y = below ? at[3] - 1 : at[1];
}

static void mouse(struct ui *ui, void *own, const struct input_event *in)
{
    struct mask_editor *m = own;
    int at[4];
    bool inside = cell_under(ui, m, in->y, in->x, at);
    if (in->what == MOUSE_DOWN && inside && (in->button == 1 || in->button == 3)) {
        m->button = in->button;
        memcpy(m->held, at, sizeof at);
    } else if (!m->button || (in->what != MOUSE_DRAG && in->what != MOUSE_UP)) {
        return;
    }
    drag_to(m, at);
    if (in->what == MOUSE_UP) {
        box(m, m->button == 1);
        m->button = 0;
    }
    compose(m);
    ui_dirty(ui);
}

/* ---- the end ---- */

static int save(const struct mask_editor *m, char path[PATH_MAX], struct err *e)
{
    char folder[PATH_MAX];
    if (!place_path(PLACE_DATA, "masks", folder))
        return err_set(e, "there is no folder for masks: %s", place_advice(PLACE_DATA));
    if (file_make_folders(folder, e))
        return -1;
    for (int i = 1;; i++) {
        int n = snprintf(path, PATH_MAX, "%s/%s-mask-%d.png", folder, m->name, i);
        if (n >= PATH_MAX)
            return err_set(e, "%s: the path is too long", folder);
        if (access(path, F_OK))
            return mask_save(&m->mask, path, e);
    }
}

static void accept(struct ui *ui, struct mask_editor *m)
{
    char path[PATH_MAX];
    struct err e = {""};
    if (mask_count(&m->mask) == 0) {
        ui_say(ui, ROLE_WARN, "nothing is masked: Space at two corners masks what is between them");
        return;
    }
    if (save(m, path, &e)) {
        ui_say(ui, ROLE_BAD, "%s", e.text);
        return;
    }
    dialog_close(ui);
    settings_say(ui, "mask", path);
    ui_say(ui, ROLE_GOOD, "the mask is %s", path);
}

static bool act(struct ui *ui, void *own, enum action a)
{
    struct mask_editor *m = own;
    ui_dirty(ui);
    if (a == ACT_ACCEPT) {
        accept(ui, m);
        return true;
    }
    if (a == ACT_BACK && m->from_x >= 0) {
        m->from_x = m->from_y = -1;
        m->button = 0;
    } else if (a == ACT_BACK) {
        dialog_close(ui);
        return true;
    } else if (a == ACT_MASK_CORNER) {
        corner(m);
    } else if (a == ACT_MASK_KEEP) {
        box(m, false);
    } else if (a == ACT_MASK_INVERT) {
        remember(m);
        mask_invert(&m->mask);
    } else if (a == ACT_MASK_GROW || a == ACT_MASK_SHRINK) {
        remember(m);
        mask_spread(&m->mask, a == ACT_MASK_GROW);
    } else if (a == ACT_MASK_UNDO) {
        undo(m);
    } else if (!move(m, a)) {
        return false;
    }
    compose(m);
    return true;
}

static void type(struct ui *ui, void *own, const struct input_event *in)
{
    (void)ui, (void)own, (void)in;
}

static unsigned contexts(const struct ui *ui, const void *own)
{
    (void)ui, (void)own;
    return CTX_DIALOG | CTX_MASK;
}

static void drop(void *own)
{
    struct mask_editor *m = own;
    image_free(m->view);
    image_free(m->shown);
    mask_free(&m->mask);
    while (m->undos > 0)
        mask_free(&m->undo[--m->undos]);
    free(m);
}

static const struct dialog_ops ops = {
    .contexts = contexts, .draw = draw, .act = act, .type = type, .mouse = mouse, .free = drop};

/* "slime" of "/a/slime.png", for the mask's own name. */
static void name_it(struct mask_editor *m, const char *path)
{
    one_line(file_name_of(path), m->name, sizeof m->name);
    char *dot = strrchr(m->name, '.');
    if (dot && dot != m->name)
        *dot = '\0';
}

static int read_picture(struct mask_editor *m, const char *path, const char *mask, struct err *e)
{
    struct image full, before;
    struct png_file file, other;
    if (!file_exists(path)) /* a pipe would keep the keyboard waiting */
        return err_set(e, "%s: there is no such file", path);
    if (image_load(path, &full, &file, e))
        return -1;
    int rc = full.width <= MOST_SIDE && full.height <= MOST_SIDE
                 ? 0
                 : err_set(e, "%s: a mask is drawn over at most %d pixels a side", path, MOST_SIDE);
    if (rc == 0 &&
        (mask_init(&m->mask, full.width, full.height) ||
         !(m->view = image_shrink(&full, VIEW, VIEW)) || !(m->shown = image_copy(m->view))))
        rc = err_set(e, "out of memory for %s", path);
    png_file_free(&file);
    struct err none;
    if (rc == 0 && mask && *mask && file_exists(mask) &&
        image_load(mask, &before, &other, &none) == 0) {
        mask_from_image(&m->mask, &before);
        png_file_free(&other);
    }
    return rc;
}

void pick_mask(struct ui *ui)
{
    const struct settings *s = &ui->studio->effective;
    struct err e = {""};
    if (!s->image || !*s->image) {
        ui_say(ui, ROLE_WARN,
               "a mask is drawn over the picture that the job starts from: set image first");
        return;
    }
    struct mask_editor *m = calloc(1, sizeof *m);
    if (m && read_picture(m, s->image, s->mask, &e)) {
        drop(m);
        ui_say(ui, ROLE_BAD, "%s", e.text);
        return;
    }
    if (m) {
        m->from_x = m->from_y = -1;
        m->x = m->view->width / 2;
        m->y = m->view->height / 2;
        name_it(m, s->image);
        compose(m);
    }
    dialog_open(ui, &ops, m);
    ui->status_until_ms = 0; /* what was said before stands where its keys are listed */
}
