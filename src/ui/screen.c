/*
 * The screen; see screen.h. ncurses' only home.
 *
 * ncurses gets a terminal description of our own (terminfo.h) and a file in memory to write to; it
 * never sees the terminal, its size or its signals. It believes that the cursor stays where it left
 * it and that all cells are as it drew them. Both are kept true: each update ends with the cursor
 * at the top left and attributes off, and the next one begins by sending just that; cells under an
 * image are blanks that do not change while it stays, so that they are never sent.
 *
 * A cell's background: each cell remembers the role that was last filled in there (its ground).
 * Roles without a background of their own are drawn on it.
 */
#include "ui/screen.h"

#include <assert.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#define NCURSES_WIDECHAR 1
#include <curses.h>

#include "ui/screen_put.h"
#include "ui/terminfo.h"

enum {
    MAX_SIDE = 1000,
    FULL_BLOCK = 0x2588,
    SOLID = 0x80, /* with a cell's role: a full block, drawn as a coloured space */
};

enum mix { ON_GROUND, ON_COLOR }; /* on the role's background, on its text colour */

struct screen {
    SCREEN *curses;
    FILE *to, *from; /* ncurses' ends: memory and /dev/null */
    int rows, cols;
    bool utf8, colors_on; /* colors_on: ncurses was told to start colours */
    enum color_depth colors;
    struct theme theme;
    attr_t attr[ROLE_COUNT];
    int pair[2][ROLE_COUNT][ROLE_COUNT]; /* [mix][text][ground]; 0: not asked for yet */
    uint8_t *ground, *role;              /* of each cell: the background's role, the text's */
    char blank[2][64];                   /* ROLE_TEXT and ROLE_OVERLAY as sequences */
    struct places *places;
    bool all; /* the next frame sends everything */
    struct {
        int y, x;
        bool shown;
    } want, sent; /* the cursor, in this frame and at the terminal */
};

/* -- start and end ----------------------------------------------------------------------------- */

/* ncurses takes characters from the locale. The terminal was asked for its own (caps), so any UTF-8
 * locale will do, even where the one that the environment names is not installed. */
static bool set_locale(bool utf8)
{
    static const char *const names[] = {"C.UTF-8", "C.utf8", "en_US.UTF-8", ""};
    for (size_t i = 0; utf8 && i < sizeof names / sizeof *names; i++)
        if (setlocale(LC_CTYPE, names[i]) && !strcmp(nl_langinfo(CODESET), "UTF-8"))
            return true;
    setlocale(LC_CTYPE, "C");
    return false;
}

static FILE *memory_file(void)
{
    int fd = memfd_create("screen", MFD_CLOEXEC);
    FILE *f = fd < 0 ? tmpfile() : fdopen(fd, "w+");
    if (!f && fd >= 0)
        close(fd);
    return f;
}

/* newterm with our description in $TERMINFO, and without its signal handlers. */
static SCREEN *start_curses(struct screen *s)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
    enum { SIGNALS = sizeof signals / sizeof *signals };
    struct sigaction was[SIGNALS];
    char *hex = terminfo_hex(s->rows, s->cols), *theirs = getenv("TERMINFO");
    SCREEN *curses = NULL;
    if (theirs)
        theirs = strdup(theirs);
    for (int i = 0; i < SIGNALS; i++)
        sigaction(signals[i], NULL, &was[i]);
    use_env(FALSE);
    use_tioctl(FALSE);
    if (hex && !setenv("TERMINFO", hex, 1))
        curses = newterm(TERMINFO_NAME, s->to, s->from);
    for (int i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &was[i], NULL);
    unsetenv("TERMINFO");
    if (theirs)
        setenv("TERMINFO", theirs, 1);
    free(theirs);
    free(hex);
    return curses;
}

/* False when the file keeps its bytes: they would be sent again and again. */
static bool empty_file(FILE *f)
{
    rewind(f);
    return !ftruncate(fileno(f), 0);
}

static int clamp_side(int n)
{
    return n < 1 ? 1 : n > MAX_SIDE ? MAX_SIDE : n;
}

struct screen *screen_new(int rows, int cols, const struct caps *caps, const struct theme *theme,
                          struct err *e)
{
    struct screen *s = calloc(1, sizeof *s);
    if (!s) {
        err_set(e, "out of memory");
        return NULL;
    }
    s->rows = clamp_side(rows), s->cols = clamp_side(cols);
    s->utf8 = set_locale(caps->utf8);
    s->to = memory_file();
    s->from = fopen("/dev/null", "re");
    s->ground = calloc((size_t)s->rows, 2 * (size_t)s->cols);
    s->places = places_new();
    if (s->to && s->from && s->ground && s->places)
        s->curses = start_curses(s);
    if (!s->curses) {
        err_set(e, "cannot start the screen: no memory, or an ncurses older than 6.1");
        screen_free(s);
        return NULL;
    }
    fflush(s->to);
    empty_file(s->to); /* what newterm wrote to set the terminal up */
    s->role = s->ground + (size_t)s->rows * (size_t)s->cols;
    typeahead(-1); /* nothing is read through ncurses, and nothing stops an update */
    s->sent.shown = true;
    screen_theme(s, theme, caps);
    return s;
}

void screen_free(struct screen *s)
{
    if (!s)
        return;
    if (s->curses) {
        endwin();
        delscreen(s->curses);
    }
    if (s->to)
        fclose(s->to);
    if (s->from)
        fclose(s->from);
    places_free(s->places);
    free(s->ground);
    free(s);
}

int screen_rows(const struct screen *s)
{
    return s->rows;
}

int screen_cols(const struct screen *s)
{
    return s->cols;
}

bool screen_utf8(const struct screen *s)
{
    return s->utf8;
}

bool screen_colored(const struct screen *s)
{
    return s->colors != COLORS_NONE;
}

void screen_resize(struct screen *s, int rows, int cols)
{
    rows = clamp_side(rows), cols = clamp_side(cols);
    uint8_t *ground = calloc((size_t)rows, 2 * (size_t)cols);
    if (ground && resize_term(rows, cols) == OK) {
        free(s->ground);
        s->ground = ground;
        s->role = ground + (size_t)rows * (size_t)cols;
        s->rows = rows, s->cols = cols;
    } else {
        free(ground);
    }
    screen_redraw(s);
}

void screen_redraw(struct screen *s)
{
    s->all = true;
    s->sent.shown = true; /* who knows */
}

/* -- colours and attributes -------------------------------------------------------------------- */

static int color_number(const struct screen *s, const uint8_t rgb[3])
{
    switch (s->colors) {
    case COLORS_TRUE:
        return TERMINFO_RGB | rgb[0] << 16 | rgb[1] << 8 | rgb[2];
    case COLORS_256:
        return color_to_256(rgb);
    default:
        return color_to_16(rgb);
    }
}

/* Without colours, and where two of 16 fall together, attributes tell what matters. */
static attr_t plain_attributes(enum role role)
{
    switch (role) {
    case ROLE_DIM:
    case ROLE_BORDER:
        return A_DIM;
    case ROLE_STRONG:
    case ROLE_TITLE_FOCUS:
    case ROLE_BORDER_FOCUS:
    case ROLE_KEY:
    case ROLE_ACCENT:
    case ROLE_WARN:
    case ROLE_WEIGHT:
        return A_BOLD;
    case ROLE_BAD:
        return A_BOLD | A_UNDERLINE;
    case ROLE_CHUNK:
    case ROLE_NAME:
    case ROLE_CHOICE:
        return A_UNDERLINE;
    case ROLE_SELECT:
    case ROLE_BAR_STRONG:
        return A_REVERSE;
    default:
        return A_NORMAL;
    }
}

static attr_t role_attributes(const struct screen *s, enum role role)
{
    const struct role_style *style = &s->theme.role[role];
    const struct role_style *around = &s->theme
                                           .role[role == ROLE_BAR_STRONG ? ROLE_BAR : ROLE_TEXT];
    attr_t attr = 0;
    attr |= style->attributes & STYLE_BOLD ? A_BOLD : 0;
    attr |= style->attributes & STYLE_DIM ? A_DIM : 0;
    attr |= style->attributes & STYLE_UNDERLINE ? A_UNDERLINE : 0;
    attr |= style->attributes & STYLE_REVERSE ? A_REVERSE : 0;
    if (s->colors == COLORS_NONE)
        attr |= plain_attributes(role);
    else if (s->colors == COLORS_16 && color_to_16(style->bg) == color_to_16(around->bg))
        attr |= plain_attributes(role) & A_REVERSE;
    if (s->colors == COLORS_16 && color_to_16(style->fg) == 0)
        attr &= ~A_BOLD; /* some terminals show bold black as grey */
    return attr;
}

/* Colours were chosen for the theme's own background. On another one (a dialog, a chosen row) those
 * that can no longer be read give way to the colour that is made for it. */
static const uint8_t *readable(const struct screen *s, enum role role, enum role ground)
{
    const struct role_style *style = &s->theme.role[role], *under = &s->theme.role[ground];
    double at_home = color_contrast(style->fg, style->bg);
    double here = color_contrast(style->fg, under->bg);
    return here < 3 && here < 0.6 * at_home ? under->fg : style->fg;
}

static int pair_number(struct screen *s, enum mix mix, enum role role, enum role ground)
{
    int *pair = &s->pair[mix][role][ground];
    if (s->colors == COLORS_NONE || *pair)
        return *pair;
    const uint8_t *back = mix == ON_COLOR ? s->theme.role[ground].fg : s->theme.role[ground].bg;
    const uint8_t *text = mix == ON_COLOR ? s->theme.role[role].fg : readable(s, role, ground);
    int fg = color_number(s, text), bg = color_number(s, back);
    if (fg == bg && mix == ON_GROUND && s->colors == COLORS_16 && memcmp(text, back, 3)) {
        bool strong = color_contrast(text, back) >= 3;
        bool dark = color_contrast(back, (uint8_t[]){0, 0, 0}) < 5;
        fg = strong ? (dark ? 15 : 0) : bg == 8 ? 7 : 8;
    }
    if (fg == 0 && bg == 0)
        fg = 7; /* ncurses takes 0 on 0 for what a cleared screen has, and does not send it */
    *pair = alloc_pair(fg, bg);
    if (*pair < 0)
        *pair = 0;
    return *pair;
}

/* A role's background for what is not drawn by ncurses: cells that an image leaves. */
static void blank_sequence(struct screen *s, enum role role, char out[64])
{
    const uint8_t *c = s->theme.role[role].bg;
    int n = color_number(s, c);
    if (s->colors == COLORS_NONE)
        snprintf(out, 64, "\033[0m");
    else if (s->colors == COLORS_TRUE)
        snprintf(out, 64, "\033[0;48;2;%d;%d;%dm", c[0], c[1], c[2]);
    else if (s->colors == COLORS_256)
        snprintf(out, 64, "\033[0;48;5;%dm", n);
    else
        snprintf(out, 64, "\033[0;%dm", n < 8 ? 40 + n : 92 + n);
}

void screen_theme(struct screen *s, const struct theme *theme, const struct caps *caps)
{
    s->theme = *theme;
    s->colors = caps->colors;
    if (s->colors != COLORS_NONE && !s->colors_on) {
        s->colors_on = start_color() == OK && use_default_colors() == OK;
        if (!s->colors_on)
            s->colors = COLORS_NONE;
    }
    if (s->colors_on)
        reset_color_pairs();
    memset(s->pair, 0, sizeof s->pair);
    for (int i = 0; i < ROLE_COUNT; i++)
        s->attr[i] = role_attributes(s, (enum role)i);
    blank_sequence(s, ROLE_TEXT, s->blank[0]);
    blank_sequence(s, ROLE_OVERLAY, s->blank[1]);
    screen_redraw(s);
}

/* -- cells ------------------------------------------------------------------------------------- */

_Static_assert((int)ROLE_COUNT < (int)SOLID, "a role leaves room for the mark");

static bool inside(const struct screen *s, int y, int x)
{
    return y >= 0 && y < s->rows && x >= 0 && x < s->cols;
}

static void cell(struct screen *s, cchar_t *c, const wchar_t *text, enum mix mix, enum role role,
                 enum role ground)
{
    int pair = pair_number(s, mix, role, ground);
    attr_t attr = s->attr[role];
    if (role != ground)
        attr |= s->attr[ground] & A_REVERSE;
    if (attr & A_REVERSE)
        attr &= ~A_DIM; /* half a bar of light */
    setcchar(c, text, attr, 0, &pair);
}

/* A glyph as ncurses takes it. Characters whose width is in dispute would shift the row. */
static void to_wide(const struct screen *s, const struct glyph *g, wchar_t text[CCHARW_MAX + 1])
{
    int n = 1;
    text[0] = s->utf8 ? (wchar_t)g->code[0] : (wchar_t)glyph_ascii(g->code[0]);
    if (s->utf8 && wcwidth(text[0]) != g->columns)
        text[0] = 0xfffd;
    for (int i = 1; i < g->codes && n < CCHARW_MAX && s->utf8 && text[0] != 0xfffd; i++)
        if (wcwidth((wchar_t)g->code[i]) == 0)
            text[n++] = (wchar_t)g->code[i];
    text[n] = 0;
}

void screen_put(struct screen *s, int y, int x, const struct glyph *g, enum role role, int ground)
{
    wchar_t text[CCHARW_MAX + 1];
    cchar_t c;
    if (y < 0 || y >= s->rows || x + g->columns <= 0 || x >= s->cols)
        return;
    to_wide(s, g, text);
    bool whole = x >= 0 && x + g->columns <= s->cols;
    bool wide = whole && s->utf8 && text[0] != 0xfffd && g->columns > 1;
    for (int i = 0; i < g->columns; i++) {
        if (x + i < 0 || x + i >= s->cols)
            continue;
        uint8_t *under = &s->ground[y * s->cols + x + i];
        if (ground != SCREEN_HERE)
            *under = (uint8_t)ground;
        else if (s->theme.role[role].attributes & STYLE_OPAQUE)
            *under = (uint8_t)role;
        s->role[y * s->cols + x + i] = (uint8_t)role;
        if (wide && i > 0)
            continue;
        cell(s, &c, whole ? text : L" ", ON_GROUND, role, (enum role) * under);
        mvadd_wchnstr(y, x + i, &c, 1);
    }
}

/* Fonts leave seams between full blocks; a space on the colour has none. */
void draw_cell(struct screen *s, int y, int x, enum role role, int32_t code)
{
    if (code == FULL_BLOCK && s->utf8 && s->colors != COLORS_NONE)
        draw_halves(s, y, x, role, role, code);
    else
        screen_put_code(s, y, x, code, role, SCREEN_HERE);
}

void draw_halves(struct screen *s, int y, int x, enum role role, enum role rest, int32_t code)
{
    cchar_t c;
    bool solid = code == FULL_BLOCK;
    wchar_t text[2] = {solid ? L' ' : (wchar_t)code, 0};
    if (!inside(s, y, x))
        return;
    if (s->colors == COLORS_NONE || !s->utf8) {
        screen_put_code(s, y, x, code, role, SCREEN_HERE);
        return;
    }
    s->role[y * s->cols + x] = (uint8_t)(role | (solid ? SOLID : 0));
    cell(s, &c, text, ON_COLOR, role, solid ? role : rest);
    mvadd_wchnstr(y, x, &c, 1);
}

int32_t screen_code(const struct screen *s, int y, int x)
{
    cchar_t c;
    wchar_t text[CCHARW_MAX + 1] = {0};
    attr_t attr;
    short pair;
    int wide;
    if (!inside(s, y, x) || mvin_wch(y, x, &c) != OK)
        return ' ';
    if (s->role[y * s->cols + x] & SOLID)
        return FULL_BLOCK;
    return getcchar(&c, text, &attr, &pair, &wide) == OK ? (int32_t)text[0] : ' ';
}

enum role screen_role(const struct screen *s, int y, int x)
{
    return inside(s, y, x) ? (enum role)(s->role[y * s->cols + x] & ~SOLID) : ROLE_TEXT;
}

/* -- images ------------------------------------------------------------------------------------ */

static void want_image(struct screen *s, struct rect r, struct place p, bool checker)
{
    draw_fill(s, r, p.over ? ROLE_OVERLAY : ROLE_TEXT); /* as the cells that an image leaves */
    if (r.y < 0 || r.x < 0 || r.h < 1 || r.w < PLACE_MIN_COLS || r.h > s->rows - r.y ||
        r.w > s->cols - r.x)
        return;
    p.y = r.y, p.x = r.x, p.rows = r.h, p.cols = r.w;
    memcpy(p.ground, s->theme.role[checker ? ROLE_CHECKER_A : ROLE_TEXT].bg, 3);
    memcpy(p.ground2, s->theme.role[checker ? ROLE_CHECKER_B : ROLE_TEXT].bg, 3);
    place_want(s->places, &p);
}

void draw_image(struct screen *s, struct rect r, unsigned slot, const struct image *image,
                uint64_t serial, bool checker, bool live)
{
    struct place p = {.slot = slot, .serial = serial, .image = image, .live = live};
    want_image(s, r, p, checker);
}

void draw_image_over(struct screen *s, struct rect r, unsigned slot, const struct image *image,
                     uint64_t serial)
{
    struct place p = {.slot = slot, .serial = serial, .image = image, .over = true};
    want_image(s, r, p, true);
}

void screen_encode_with(struct screen *s, void (*send)(void *user, struct place_encoding *),
                        void *user)
{
    place_encode_with(s->places, send, user);
}

void screen_encoded(struct screen *s, struct place_encoding *e)
{
    place_encoded(s->places, e);
}

void draw_cover(struct screen *s, struct rect r)
{
    place_cover(s->places, r.y, r.x, r.h, r.w);
}

struct rect screen_beside_images(const struct screen *s, struct rect r, struct rect in)
{
    struct rect best = r;
    int least = INT_MAX;
    for (int y = in.y; y <= in.y + in.h - r.h; y++)
        for (int x = in.x; x <= in.x + in.w - r.w; x++) {
            int far = 2 * abs(y - r.y) + abs(x - r.x); /* a cell is about twice as high as wide */
            if (far < least && !place_touched(s->places, y, x, r.h, r.w)) {
                least = far;
                best.y = y, best.x = x;
            }
        }
    return best;
}

/* -- frames ------------------------------------------------------------------------------------ */

void screen_begin(struct screen *s)
{
    cchar_t c;
    cell(s, &c, L" ", ON_GROUND, ROLE_TEXT, ROLE_TEXT);
    bkgrndset(&c);
    erase();
    memset(s->ground, ROLE_TEXT, 2 * (size_t)s->rows * (size_t)s->cols);
    place_begin(s->places);
    s->want.shown = false;
}

void screen_cursor(struct screen *s, int y, int x)
{
    s->want.shown = inside(s, y, x);
    s->want.y = y, s->want.x = x;
}

/* What ncurses has to say about this frame is then in the file. */
static void update_curses(struct screen *s)
{
    if (s->all)
        clearok(curscr, TRUE);
    move(0, 0); /* where each update ends */
    wnoutrefresh(stdscr);
    doupdate();
    fflush(s->to);
}

/* Moves the file's bytes into the queue. */
static void take_bytes(struct screen *s, struct out *out)
{
    char buf[16384];
    off_t at = 0;
    for (ssize_t n; (n = pread(fileno(s->to), buf, sizeof buf, at)) > 0; at += n)
        out_put(out, buf, (size_t)n);
    out->failed |= !empty_file(s->to);
}

static bool has_bytes(const struct screen *s)
{
    struct stat st;
    return !fstat(fileno(s->to), &st) && st.st_size > 0;
}

static void send_text(struct screen *s, struct out *out)
{
    struct out cleared;
    out_init(&cleared, -1);
    if (s->all)
        place_forget(s->places);
    place_clear(s->places, &cleared, s->blank[0], s->blank[1]);
    update_curses(s);
    bool text = has_bytes(s);
    if ((text || out_waiting(&cleared)) && s->sent.shown) {
        out_text(out, "\033[?25l");
        s->sent.shown = false;
    }
    if (out_waiting(&cleared))
        out_put(out, cleared.bytes + cleared.start, out_waiting(&cleared));
    out->failed |= cleared.failed;
    out_free(&cleared);
    if (text) {
        if (s->all) { /* terminals clear with the background in force: no flash */
            out_text(out, s->blank[0]);
            out_text(out, "\033[2J");
        }
        out_text(out, "\033[m\033[H");
        take_bytes(s, out);
    }
    s->all = false;
}

int screen_end(struct screen *s, struct out *out, const struct caps *caps, double now_ms)
{
    send_text(s, out);
    size_t before = out_waiting(out);
    int due = place_draw(s->places, caps, out, now_ms);
    bool moved = out_waiting(out) != before;
    s->sent.shown &= !moved; /* images hide it */
    if (s->want.shown &&
        (moved || !s->sent.shown || s->want.y != s->sent.y || s->want.x != s->sent.x))
        out_printf(out, "\033[%d;%dH", s->want.y + 1, s->want.x + 1);
    if (s->want.shown != s->sent.shown)
        out_text(out, s->want.shown ? "\033[?25h" : "\033[?25l");
    s->sent = s->want;
    return due;
}
