/*
 * The emulated terminal's images (emu.h): where they stand, which of their cells are still to be
 * seen, and how they come: as sixels, by kitty's protocol, by iTerm2's.
 */
#ifndef SPRITTY_EMU_IMAGE_H
#define SPRITTY_EMU_IMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vterm.h>

#include "st_writer.h" /* struct bytes */

struct emu_kind {
    const char *name;
    const char *version;          /* answer to XTVERSION, or NULL */
    bool sixel, kitty;            /* DA1 has a 4; kitty's query is answered */
    int cell_h, cell_w;           /* answer to CSI 16 t; 0: none, and 20 x 10 for images */
    int registers, max_px;        /* XTSMGRAPHICS; 0: not answered */
    bool mute;                    /* answers nothing at all */
    double late_ms;               /* every answer comes this late */
    size_t rate;                  /* bytes a second that it takes; 0: as many as come */
    const struct emu_kind *outer; /* this is tmux inside of that */
};

#define EMU_XTERM .version = "XTerm(379)", .cell_h = 20, .cell_w = 10
#define EMU_SIXEL EMU_XTERM, .sixel = true, .registers = 256, .max_px = 4000
static const struct emu_kind emu_plain = {.name = "plain"};
static const struct emu_kind emu_mute = {.name = "mute", .mute = true};
static const struct emu_kind emu_sixel = {.name = "sixel", EMU_SIXEL};
static const struct emu_kind emu_late = {.name = "late", EMU_SIXEL, .late_ms = 5000};
static const struct emu_kind emu_slow = {.name = "slow", EMU_SIXEL, .rate = 20000};
static const struct emu_kind emu_kitty = {
    .name = "kitty", .version = "kitty(0.35.2)", .kitty = true, .cell_h = 20, .cell_w = 10};
static const struct emu_kind emu_tmux = {.name = "tmux",
                                         .version = "tmux 3.4",
                                         .sixel = true,
                                         .cell_h = 20,
                                         .cell_w = 10,
                                         .outer = &emu_sixel};

enum emu_how { EMU_BY_SIXEL, EMU_BY_KITTY, EMU_BY_ITERM };

struct emu_image {
    enum emu_how how;
    int serial;             /* the how manieth that came, from 1 */
    int y, x, rows, cols;   /* cells */
    int w, h;               /* pixels; 0: not known (iTerm2) */
    unsigned id;            /* kitty's */
    struct bytes data;      /* the whole sixel string; kitty: the decoded payload */
    int format;             /* kitty: 24 or 32 bits a pixel, 100 for PNG */
    unsigned char *covered; /* rows * cols: still to be seen there */
    int left;               /* how many cells still are */
};

enum { EMU_IMAGES = 128, EMU_ANSWERS = 64, EMU_MODES = 32 };

struct emu {
    VTerm *vt;
    VTermScreen *screen;
    struct emu_kind kind;
    int rows, cols;
    enum { EMU_GROUND, EMU_ESC, EMU_CSI, EMU_STRING, EMU_STRING_ESC } state;
    struct bytes seq;  /* the sequence so far, with ESC */
    struct bytes part; /* of a character that was cut */
    struct emu_image image[EMU_IMAGES];
    int images;
    struct bytes kitty; /* base64 of a picture in pieces */
    char kitty_keys[256];
    struct {
        double due;
        char text[160];
    } answer[EMU_ANSWERS];
    int answers;
    int mode[EMU_MODES], modes; /* DEC private modes that are set now */
    bool alt, cursor;
    int keyboard_modes; /* kitty's and xterm's keyboard extensions that were pushed, not popped */
    /* counts for tests */
    uint64_t image_bytes;
    int pictures;  /* images that came */
    int erased;    /* erase, insert, delete or scroll where an image was (but a whole clear) */
    int overflows; /* images that reached below the last row: a terminal would scroll */
    int clears;    /* CSI 2 J */
    int asked;     /* questions */
};

/* ---- images and the cells under them ---- */

static inline void emu_drop_image(struct emu *t, int i)
{
    free(t->image[i].data.data);
    free(t->image[i].covered);
    memmove(t->image + i, t->image + i + 1, (size_t)(--t->images - i) * sizeof *t->image);
}

/* These cells were written over; `over` images laid on them count as well. */
static inline void emu_hurt(struct emu *t, int y0, int x0, int y1, int x1)
{
    for (int i = t->images; i-- > 0;) {
        struct emu_image *m = &t->image[i];
        if (m->how == EMU_BY_KITTY)
            continue;
        for (int y = y0 > m->y ? y0 : m->y; y < y1 && y < m->y + m->rows; y++)
            for (int x = x0 > m->x ? x0 : m->x; x < x1 && x < m->x + m->cols; x++) {
                unsigned char *c = &m->covered[(y - m->y) * m->cols + x - m->x];
                m->left -= *c;
                *c = 0;
            }
        if (m->left == 0)
            emu_drop_image(t, i);
    }
}

static inline int emu_damage(VTermRect r, void *user)
{
    emu_hurt(user, r.start_row, r.start_col, r.end_row, r.end_col);
    return 1;
}

/* An erase, insert, delete or scroll over whole rows. */
static inline void emu_erase_rows(struct emu *t, int y0, int y1)
{
    for (int i = t->images; i-- > 0;) {
        struct emu_image *m = &t->image[i];
        if (m->y >= y1 || m->y + m->rows <= y0)
            continue;
        t->erased++;
        if (t->kind.outer)
            emu_drop_image(t, i);
    }
}

static inline VTermPos emu_cursor(const struct emu *t)
{
    VTermPos p;
    vterm_state_get_cursorpos(vterm_obtain_state(t->vt), &p);
    return p;
}

static inline void emu_cell_px(const struct emu *t, int *h, int *w)
{
    *h = t->kind.cell_h ? t->kind.cell_h : 20;
    *w = t->kind.cell_w ? t->kind.cell_w : 10;
}

/* Takes `m` with how, w, h, data, perhaps rows and cols, and puts it at the cursor. */
static inline void emu_place(struct emu *t, struct emu_image m)
{
    int ch, cw;
    emu_cell_px(t, &ch, &cw);
    VTermPos at = emu_cursor(t);
    m.y = at.row;
    m.x = at.col;
    if (m.rows <= 0 || m.cols <= 0) {
        m.rows = (m.h + ch - 1) / ch;
        m.cols = (m.w + cw - 1) / cw;
    }
    m.serial = ++t->pictures;
    t->overflows += m.y + m.rows > t->rows;
    if (m.y + m.rows > t->rows)
        m.rows = t->rows - m.y;
    if (m.x + m.cols > t->cols)
        m.cols = t->cols - m.x;
    if (m.rows <= 0 || m.cols <= 0) {
        free(m.data.data);
        return;
    }
    if (m.how != EMU_BY_KITTY)
        emu_hurt(t, m.y, m.x, m.y + m.rows, m.x + m.cols);
    if (t->images == EMU_IMAGES || (t->kind.outer && t->images == 20)) /* tmux keeps 20 */
        emu_drop_image(t, 0);
    m.left = m.rows * m.cols;
    m.covered = malloc((size_t)m.left);
    assert(m.covered);
    memset(m.covered, 1, (size_t)m.left);
    t->image[t->images++] = m;
    /* Terminals differ in where the cursor is then; a program must not count on it. */
    char to[32];
    int n = snprintf(to, sizeof to, "\033[%d;%dH", m.y + m.rows, m.x + 1);
    vterm_input_write(t->vt, to, (size_t)n);
}

/* ---- sixel ---- */

/* Width and height of a sixel string: its raster attributes, or what is drawn when it has none. */
static inline void emu_sixel_size(const struct bytes *b, int *w, int *h)
{
    const char *p = memchr(b->data, 'q', b->size), *end = (const char *)b->data + b->size - 2;
    int x = 0, repeat = 1, ratio[2];
    if (sscanf(++p, "\"%d;%d;%d;%d", &ratio[0], &ratio[1], w, h) == 4)
        return;
    for (*w = 0, *h = 6; p < end; p++) {
        if (*p == '!') {
            repeat = atoi(p + 1);
            p += strspn(p + 1, "0123456789");
        } else if (*p == '#' || *p == '"') {
            p += strspn(p + 1, "0123456789;");
        } else if (*p == '$' || *p == '-') {
            *h += *p == '-' ? 6 : 0;
            x = 0;
        } else if (*p >= '?' && *p <= '~') {
            x += repeat;
            repeat = 1;
            *w = x > *w ? x : *w;
        }
    }
}

static inline void emu_sixel_string(struct emu *t)
{
    struct emu_image m = {.how = EMU_BY_SIXEL};
    bytes_add(&m.data, t->seq.data, t->seq.size);
    m.data.data[m.data.size] = '\0'; /* bytes_add leaves room */
    emu_sixel_size(&m.data, &m.w, &m.h);
    t->image_bytes += t->seq.size;
    emu_place(t, m);
}

/* ---- kitty's protocol and iTerm2's ---- */

static inline int emu_base64_value(int c)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *p = c ? strchr(set, c) : NULL;
    return p ? (int)(p - set) : -1;
}

static inline void emu_base64(const struct bytes *in, struct bytes *out)
{
    unsigned acc = 0;
    int bits = 0;
    for (size_t i = 0; i < in->size; i++) {
        int v = emu_base64_value(in->data[i]);
        if (v < 0)
            continue;
        acc = acc << 6 | (unsigned)v;
        if ((bits += 6) >= 8)
            bytes_add(out, &(unsigned char){(unsigned char)(acc >> (bits -= 8))}, 1);
    }
}

/* The value of a key in "a=T,f=32,s=64", or `none`. */
static inline long emu_kitty_key(const char *keys, char key, long none)
{
    for (const char *p = keys; *p; p += strcspn(p, ","), p += *p == ',')
        if (p[0] == key && p[1] == '=')
            return p[2] >= '0' && p[2] <= '9' ? atol(p + 2) : p[2];
    return none;
}

static inline void emu_kitty_delete(struct emu *t, const char *keys)
{
    long what = emu_kitty_key(keys, 'd', 'a');
    for (int i = t->images; i-- > 0;)
        if (t->image[i].how == EMU_BY_KITTY &&
            (what == 'a' || what == 'A' ||
             t->image[i].id == (unsigned)emu_kitty_key(keys, 'i', -1)))
            emu_drop_image(t, i);
}

static inline void emu_kitty_show(struct emu *t)
{
    const char *k = t->kitty_keys;
    struct emu_image m = {.how = EMU_BY_KITTY,
                          .w = (int)emu_kitty_key(k, 's', 0),
                          .h = (int)emu_kitty_key(k, 'v', 0),
                          .rows = (int)emu_kitty_key(k, 'r', 0),
                          .cols = (int)emu_kitty_key(k, 'c', 0),
                          .format = (int)emu_kitty_key(k, 'f', 32),
                          .id = (unsigned)emu_kitty_key(k, 'i', 0)};
    char same[32];
    snprintf(same, sizeof same, "d=i,i=%u", m.id);
    if (m.id)
        emu_kitty_delete(t, same);
    emu_base64(&t->kitty, &m.data);
    if (m.format == 100 && m.data.size > 24) { /* a PNG says its size itself */
        const unsigned char *p = m.data.data + 16;
        m.w = p[2] << 8 | p[3];
        m.h = p[6] << 8 | p[7];
    }
    emu_place(t, m);
}

static inline void emu_answer(struct emu *t, double now, const char *text)
{
    if (t->kind.mute || t->answers == EMU_ANSWERS)
        return;
    t->answer[t->answers].due = now + t->kind.late_ms;
    snprintf(t->answer[t->answers++].text, sizeof t->answer->text, "%s", text);
}

/* ESC _ G keys ; base64 ESC \ */
static inline void emu_kitty_string(struct emu *t, const struct emu_kind *kind, double now)
{
    const char *body = (const char *)t->seq.data + 3;
    char keys[256], answer[160];
    snprintf(keys, sizeof keys, "%.*s", (int)strcspn(body, ";\033"), body);
    if (!kind->kitty)
        return;
    long action = emu_kitty_key(keys, 'a', 't');
    if (action == 'q') {
        t->asked++;
        snprintf(answer, sizeof answer, "\033_Gi=%ld;OK\033\\", emu_kitty_key(keys, 'i', 0));
        emu_answer(t, now, answer);
        return;
    }
    if (action == 'd') {
        emu_kitty_delete(t, keys);
        return;
    }
    t->image_bytes += t->seq.size;
    if (t->kitty.size == 0)
        snprintf(t->kitty_keys, sizeof t->kitty_keys, "%s", keys);
    const char *data = strchr(body, ';');
    if (data)
        bytes_add(&t->kitty, data + 1, (size_t)((char *)t->seq.data + t->seq.size - 2 - data - 1));
    if (emu_kitty_key(keys, 'm', 0) == 0) {
        emu_kitty_show(t);
        t->kitty.size = 0;
    }
}

/* ESC ] 1337 ; File = ...width=N;height=N...: base64 */
static inline void emu_iterm_string(struct emu *t)
{
    const char *body = (const char *)t->seq.data;
    const char *w = strstr(body, "width="), *h = strstr(body, "height=");
    struct emu_image m = {
        .how = EMU_BY_ITERM, .cols = w ? atoi(w + 6) : 0, .rows = h ? atoi(h + 7) : 0};
    t->image_bytes += t->seq.size;
    emu_place(t, m);
}

#endif
