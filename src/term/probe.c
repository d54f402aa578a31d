/* What the terminal can do; see probe.h. What is known of each terminal: docs/terminals.md. */
#include "term/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "term/csi.h"

#define XTVERSION   "\033[>0q"
#define KITTY_QUERY "\033_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\033\\"
#define CELL_SIZE   "\033[16t"
#define AREA_SIZE   "\033[14t"
#define REGISTERS   "\033[?1;1;0S" /* XTSMGRAPHICS: read */
#define GEOMETRY    "\033[?2;1;0S"
#define DA1         "\033[c"

static const char *const graphics_names[] = {"none", "blocks", "iterm", "kitty", "sixel"};
static const char *const color_names[] = {"none", "16", "256", "true"};

const char *graphics_name(enum graphics g)
{
    return graphics_names[g];
}

const char *color_depth_name(enum color_depth c)
{
    return color_names[c];
}

static int index_of(const char *text, const char *const *names, int n)
{
    for (int i = 0; text && i < n; i++)
        if (!strcasecmp(text, names[i]))
            return i;
    return -1;
}

static bool begins(const char *text, const char *with)
{
    return !strncmp(text, with, strlen(with));
}

static bool ends(const char *text, const char *with)
{
    size_t n = strlen(text), m = strlen(with);
    return n >= m && !strcmp(text + n - m, with);
}

/* -- from the environment -----------------------------------------------------------------------*/

/* A terminal of the old kind: no Unicode unless someone says so, and no questions but DA1, since
 * some print what they do not know. */
static bool is_plain(const char *term)
{
    return !*term || !strcmp(term, "linux") || !strcmp(term, "dumb") || begins(term, "vt");
}

static bool is_utf8(const char *term, const char *(*get)(const char *))
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    const char *v = NULL;
    for (int i = 0; i < 3 && (!v || !*v); i++)
        v = get(names[i]);
    if (!v || !*v || !strcmp(v, "C") || !strcmp(v, "POSIX"))
        return !is_plain(term);
    return strcasestr(v, "utf-8") || strcasestr(v, "utf8");
}

static bool names_one(const char *text, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (begins(text, names[i]))
            return true;
    return false;
}

static enum color_depth colors_of_term(const char *term, const char *colorterm)
{
    static const char *const true_color[] = {"xterm-kitty", "xterm-ghostty", "foot",
                                             "alacritty",   "wezterm",       "contour"};
    if (colorterm && (!strcasecmp(colorterm, "truecolor") || !strcasecmp(colorterm, "24bit")))
        return COLORS_TRUE;
    if (ends(term, "-direct") || names_one(term, true_color, sizeof true_color / sizeof(char *)))
        return COLORS_TRUE;
    if (strstr(term, "256color") || begins(term, "mlterm"))
        return COLORS_256;
    if (!*term || !strcmp(term, "dumb") || begins(term, "vt") || ends(term, "-m") ||
        ends(term, "-mono"))
        return COLORS_NONE;
    return COLORS_16;
}

static bool is_set(const char *(*get)(const char *), const char *name)
{
    const char *v = get(name);
    return v && *v;
}

static bool env_iterm(const char *(*get)(const char *))
{
    const char *program = get("TERM_PROGRAM"), *lc = get("LC_TERMINAL"); /* ssh brings LC_* along */
    return (program && (!strcmp(program, "iTerm.app") || !strcmp(program, "WezTerm"))) ||
           (lc && !strcmp(lc, "iTerm2"));
}

/* -- the decision -------------------------------------------------------------------------------*/

static enum graphics with_characters(struct probe *p, const char *why)
{
    struct caps *c = &p->caps;
    bool can = c->utf8 && c->colors != COLORS_NONE;
    snprintf(c->why, sizeof c->why, "%.150s%s", why,
             can       ? ""
             : c->utf8 ? "; no colours, so none of characters either"
                       : "; no UTF-8, so none of characters either");
    return can ? GRAPHICS_BLOCKS : GRAPHICS_NONE;
}

static enum graphics decide_in_tmux(struct probe *p)
{
    struct caps *c = &p->caps;
    char why[160];
    if (p->sixel && p->outer_sixel && c->cell_w > 0) {
        snprintf(c->why, sizeof c->why, "tmux and the terminal around it (%s) both have sixel",
                 *p->outer ? p->outer : "no name");
        return GRAPHICS_SIXEL;
    }
    if (!p->sixel)
        return with_characters(p, "this tmux has no sixel (it takes 3.4 or later, built with it)");
    if (!p->outer_da1)
        return with_characters(p, "tmux has sixel, but the terminal around it does not answer: "
                                  "tmux set -g allow-passthrough on");
    snprintf(why, sizeof why, "tmux has sixel, but the terminal around it (%s) has not",
             *p->outer ? p->outer : "no name");
    return with_characters(p, why);
}

/* Konsole (22.12, and its source of August 2026) takes away an old sixel picture only where a new
 * one covers every cell of it; cells that the new one fills in part show what was there before. */
static bool sixel_is_flawed(const char *terminal)
{
    return begins(terminal, "Konsole ");
}

static enum graphics decide(struct probe *p)
{
    struct caps *c = &p->caps;
    if (p->forced >= 0) {
        snprintf(c->why, sizeof c->why, "SPRITTY_GRAPHICS=%s", graphics_names[p->forced]);
        return (enum graphics)p->forced;
    }
    if (!c->done)
        return with_characters(p, "the terminal has not answered yet");
    if (c->tmux)
        return decide_in_tmux(p);
    if (p->kitty && sixel_is_flawed(c->terminal)) {
        snprintf(c->why, sizeof c->why,
                 "it has kitty's graphics; its sixel leaves bits of old pictures");
        return GRAPHICS_KITTY;
    }
    if (p->sixel && c->cell_w > 0) {
        snprintf(c->why, sizeof c->why, "it has sixel (DA1), %d colours, cells of %dx%d",
                 c->sixel_registers, c->cell_w, c->cell_h);
        return GRAPHICS_SIXEL;
    }
    if (p->kitty || p->iterm) {
        snprintf(c->why, sizeof c->why,
                 p->kitty ? "it answers kitty's graphics query"
                          : "it is iTerm2 or WezTerm, by its name");
        return p->kitty ? GRAPHICS_KITTY : GRAPHICS_ITERM;
    }
    return with_characters(p, p->sixel ? "it has sixel, but does not tell the size of its cells"
                                       : "it has no sixel (DA1), kitty or iTerm2 graphics");
}

static int sane_cell(int pixels)
{
    return pixels >= 2 && pixels <= 200 ? pixels : 0;
}

/* tmux before 3.6 makes the height of a picture a multiple of six, and paints what it added. */
static bool tmux_paints_bands(const char *terminal)
{
    int major, minor;
    return sscanf(terminal, "tmux %d.%d", &major, &minor) == 2 &&
           (major < 3 || (major == 3 && minor < 6));
}

/* What follows from what is known. */
static void settle(struct probe *p)
{
    struct caps *c = &p->caps;
    bool vt340 = p->windows || p->forced == GRAPHICS_SIXEL; /* draws, or may, with its cells */
    if (!p->cells_told && p->rows > 0 && p->cols > 0 && p->w > 0 && p->h > 0) {
        c->cell_w = sane_cell(p->w / p->cols);
        c->cell_h = sane_cell(p->h / p->rows);
    }
    if (vt340 && (!c->cell_w || !c->cell_h))
        c->cell_w = 10, c->cell_h = 20;
    if (!c->cell_w || !c->cell_h)
        c->cell_w = c->cell_h = 0;
    c->sixel_registers = p->registers[0] ? p->registers[0] : 256;
    if (p->registers[1] && (!p->registers[0] || p->registers[1] < p->registers[0]))
        c->sixel_registers = p->registers[1];
    c->graphics = decide(p);
    c->sixel_bands = tmux_paints_bands(c->terminal);
}

void probe_start(struct probe *p, const char *(*get)(const char *name))
{
    const char *term = get("TERM");
    struct caps *c = &p->caps;
    memset(p, 0, sizeof *p);
    term = term ? term : "";
    snprintf(c->terminal, sizeof c->terminal, "%s", term);
    text_sanitize(c->terminal);
    c->utf8 = is_utf8(term, get);
    c->tmux = is_set(get, "TMUX");
    c->ssh = is_set(get, "SSH_CONNECTION") || is_set(get, "SSH_TTY") || is_set(get, "SSH_CLIENT");
    p->iterm = env_iterm(get);
    p->forced = index_of(get("SPRITTY_GRAPHICS"), graphics_names, 5);
    int colors = index_of(get("SPRITTY_COLORS"), color_names, 4);
    if (colors < 0 && is_set(get, "NO_COLOR"))
        colors = COLORS_NONE;
    p->colors_forced = colors >= 0;
    c->colors = colors >= 0 ? (enum color_depth)colors : colors_of_term(term, get("COLORTERM"));
    settle(p);
}

/* -- questions ----------------------------------------------------------------------------------*/

static void add(char *out, size_t size, size_t *len, const char *text)
{
    size_t n = strlen(text);
    if (n > size - *len)
        return; /* a whole question or none */
    memcpy(out + *len, text, n);
    *len += n;
}

/* Through tmux: each ESC twice. */
static void add_outer(char *out, size_t size, size_t *len, const char *text)
{
    char wrapped[256] = "\033Ptmux;", *w = wrapped + strlen(wrapped);
    for (; *text && w < wrapped + sizeof wrapped - 5; text++) {
        if (*text == '\033')
            *w++ = '\033';
        *w++ = *text;
    }
    strcpy(w, "\033\\");
    add(out, size, len, wrapped);
}

bool probe_due(const struct probe *p, double now_ms)
{
    bool silent = p->caps.tmux && p->sixel && !p->outer_da1;
    return p->ask_outer || (silent && p->outer_tries > 0 && p->outer_tries < 4 &&
                            now_ms - p->outer_ms >= 1000.0 * p->outer_tries);
}

size_t probe_questions(struct probe *p, double now_ms, char *out, size_t size)
{
    size_t len = 0;
    bool first = !p->asked, plain = is_plain(p->caps.terminal);
    bool only_outer = !first && probe_due(p, now_ms);
    if (first) {
        p->asked = true;
        p->asked_ms = now_ms;
        add(out, size, &len, plain ? "" : XTVERSION);
        add(out, size, &len, plain || p->caps.tmux ? "" : KITTY_QUERY);
    }
    if (!plain && (!only_outer || p->new_size)) {
        p->new_size = false;
        add(out, size, &len, CELL_SIZE);
        add(out, size, &len, p->cells_told ? "" : AREA_SIZE);
        if (!first && p->caps.sixel_w > 0) /* xterm and foot: it is the size of the window */
            add(out, size, &len, GEOMETRY);
    }
    if (first)
        add(out, size, &len, plain ? DA1 : REGISTERS GEOMETRY DA1);
    if (p->caps.tmux && p->sixel && !first && !only_outer)
        p->ask_outer_later = true;
    if (p->caps.tmux && (first || only_outer)) {
        p->outer_ms = now_ms;
        p->outer_tries++;
        p->ask_outer = false;
        add_outer(out, size, &len, XTVERSION);
        add_outer(out, size, &len, REGISTERS);
        add_outer(out, size, &len, DA1);
    }
    return len;
}

void probe_typed(struct probe *p)
{
    p->ask_outer |= p->ask_outer_later;
    p->ask_outer_later = false;
}

/* -- answers ------------------------------------------------------------------------------------*/

static void copy_name(char to[64], const char *text)
{
    snprintf(to, 64, "%.*s", (int)strcspn(text, "\033\a"), text);
    text_sanitize(to);
}

/* Their colours are true ones, whatever TERM says (ssh does not bring COLORTERM along). tmux takes
 * them and makes of them what the outer terminal has. */
static bool has_true_color(const char *name)
{
    static const char *const names[] = {"XTerm(",   "kitty(",   "foot(",   "WezTerm ",
                                        "iTerm2 ",  "VTE(",     "mintty ", "Konsole ",
                                        "ghostty ", "contour ", "tmux "};
    return names_one(name, names, sizeof names / sizeof *names);
}

static void answer_version(struct probe *p, const char *name)
{
    if (p->caps.tmux && p->da1) {
        copy_name(p->outer, name);
        return;
    }
    copy_name(p->caps.terminal, name);
    p->caps.tmux = begins(name, "tmux "); /* TMUX may be a left-over in a new window */
    p->ask_outer = p->caps.tmux && p->outer_tries == 0;
    p->iterm = p->iterm || begins(name, "iTerm2 ");
    if (!p->colors_forced && has_true_color(name))
        p->caps.colors = COLORS_TRUE;
}

static bool has_attribute(const char *s, int wanted)
{
    const char *at = strchr(s, ';'); /* the first is the level */
    for (; at; at = strchr(at + 1, ';'))
        if (strtol(at + 1, NULL, 10) == wanted)
            return true;
    return false;
}

static void answer_da1(struct probe *p, const char *s, double now_ms)
{
    if (p->caps.tmux && p->da1) {
        /* tmux around tmux: what is around that one, nobody knows. */
        p->outer_da1 = true;
        p->outer_sixel = has_attribute(s, 4) && !begins(p->outer, "tmux ");
        return;
    }
    if (!p->da1 && now_ms > p->asked_ms)
        p->caps.round_trip_ms = now_ms - p->asked_ms;
    p->da1 = p->caps.done = true;
    p->sixel = has_attribute(s, 4);
    p->windows = begins(s, "?61;4;6;7;14;21;22;23;24;28;32;42");
}

static void answer_graphics(struct probe *p, const struct csi *c)
{
    bool outer = p->caps.tmux && p->da1;
    if (c->p[1] != 0)
        return; /* an error */
    if (c->p[0] == 1 && c->p[2] >= 2 && c->p[2] <= 65536)
        p->registers[outer] = c->p[2];
    if (c->p[0] == 2 && !outer && c->p[2] > 0 && c->p[3] > 0)
        p->caps.sixel_w = c->p[2], p->caps.sixel_h = c->p[3];
}

static void answer_size(struct probe *p, const struct csi *c)
{
    if (c->p[0] == 6 && sane_cell(c->p[1]) && sane_cell(c->p[2])) {
        p->cells_told = true;
        p->caps.cell_h = c->p[1];
        p->caps.cell_w = c->p[2];
    } else if (c->p[0] == 4 && !p->caps.cell_w) {
        p->h = c->p[1];
        p->w = c->p[2];
    }
}

static bool same(const struct caps *a, const struct caps *b)
{
    return a->graphics == b->graphics && a->colors == b->colors && a->tmux == b->tmux &&
           a->cell_w == b->cell_w && a->cell_h == b->cell_h &&
           a->sixel_registers == b->sixel_registers && a->sixel_w == b->sixel_w &&
           a->sixel_h == b->sixel_h && a->done == b->done && !strcmp(a->terminal, b->terminal) &&
           !strcmp(a->why, b->why);
}

bool probe_answer(struct probe *p, const char *bytes, size_t len, double now_ms)
{
    char s[256];
    struct caps before = p->caps;
    if (len < 3 || len >= sizeof s || bytes[0] != '\033')
        return false;
    memcpy(s, bytes + 1, len - 1); /* without ESC, and ended */
    s[len - 1] = '\0';
    if (begins(s, "P>|")) {
        answer_version(p, s + 3);
    } else if (begins(s, "_Gi=31;OK") && !p->caps.tmux) {
        p->kitty = true;
    } else if (s[0] == '[') {
        struct csi c = csi_parse(s + 1);
        if (c.marker == '?' && c.final == 'c')
            answer_da1(p, s + 1, now_ms);
        else if (c.marker == '?' && c.final == 'S')
            answer_graphics(p, &c);
        else if (!c.marker && c.final == 't')
            answer_size(p, &c);
    }
    settle(p);
    return !same(&before, &p->caps);
}

void probe_winsize(struct probe *p, int rows, int cols, int pixels_w, int pixels_h)
{
    p->new_size = true;
    p->rows = rows;
    p->cols = cols;
    p->w = pixels_w;
    p->h = pixels_h;
    settle(p);
}
