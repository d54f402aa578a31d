/* Control sequences; see csi.h. */
#include "term/csi.h"

#include <stdint.h>
#include <string.h>

struct csi csi_parse(const char *s)
{
    struct csi c = {.n = 1};
    int sub = 0;
    for (; *s; s++) {
        int i = c.n - 1;
        if (*s >= '0' && *s <= '9') {
            int *v = sub == 0 && i < 8 ? &c.p[i] : sub == 1 && i == 1 ? &c.event : NULL;
            if (v && *v < 100000000)
                *v = *v * 10 + (*s - '0');
        } else if (*s == ';')
            c.n++, sub = 0;
        else if (*s == ':')
            sub++;
        else if (*s >= '<' && *s <= '?')
            c.marker = *s;
        else if (*s < '0')
            c.inter = *s;
        else
            c.final = *s;
    }
    if (!c.final)
        c.final = c.inter;
    return c;
}

bool csi_is(const struct csi *c, char final, int n)
{
    return c->final == final && c->p[0] == n && c->n == 1 && !c->marker && !c->inter;
}

/* -- tables -------------------------------------------------------------------------------------*/

static int letter_key(char c)
{
    static const char letters[] = "ABCDHF";
    static const int codes[] = {KC_UP, KC_DOWN, KC_RIGHT, KC_LEFT, KC_HOME, KC_END};
    const char *at = c ? strchr(letters, c) : NULL;
    if (at)
        return codes[at - letters];
    return c >= 'P' && c <= 'S' ? KC_F1 + c - 'P' : KC_NONE;
}

static int number_key(int n)
{
    static const int codes[25] = {
        [1] = KC_HOME,    [2] = KC_INSERT,    [3] = KC_DELETE,   [4] = KC_END,
        [5] = KC_PAGE_UP, [6] = KC_PAGE_DOWN, [7] = KC_HOME,     [8] = KC_END,
        [11] = KC_F1,     [12] = KC_F1 + 1,   [13] = KC_F1 + 2,  [14] = KC_F1 + 3,
        [15] = KC_F1 + 4, [17] = KC_F1 + 5,   [18] = KC_F1 + 6,  [19] = KC_F1 + 7,
        [20] = KC_F1 + 8, [21] = KC_F1 + 9,   [23] = KC_F1 + 10, [24] = KC_F1 + 11,
    };
    return n >= 0 && n < 25 && codes[n] ? codes[n] : KC_NONE;
}

/* The key pad as CSI u tells it: kitty's private numbers. */
static int pad_key(int n)
{
    static const char characters[] = "0123456789./*-+\r=,"; /* from 57399 on; \r is Enter */
    static const int keys[] = {KC_LEFT,      KC_RIGHT, KC_UP,  KC_DOWN,   KC_PAGE_UP,
                               KC_PAGE_DOWN, KC_HOME,  KC_END, KC_INSERT, KC_DELETE};
    enum { FIRST = 57399, CHARACTERS = sizeof characters - 1, KEYS = sizeof keys / sizeof *keys };
    n -= FIRST;
    if (n < 0 || n >= CHARACTERS + KEYS)
        return KC_NONE;
    if (n >= CHARACTERS)
        return keys[n - CHARACTERS];
    return characters[n] == '\r' ? KC_ENTER : characters[n];
}

/* -- meanings -----------------------------------------------------------------------------------*/

/* xterm's parameter: 1 and a bit a modifier. False when keys are held that mean nothing here. */
static bool modifiers(int parameter, unsigned *mods)
{
    const unsigned ours = MOD_SHIFT | MOD_ALT | MOD_CTRL, locks = 64 | 128;
    unsigned bits = parameter > 0 ? (unsigned)parameter - 1 : 0;
    *mods = bits & ours;
    return !(bits & ~(ours | locks));
}

/* CSI u and modifyOtherKeys: a key by its code point. */
static int code_point_key(int cp)
{
    switch (cp) {
    case 13:
        return KC_ENTER;
    case 9:
        return KC_TAB;
    case 27:
        return KC_ESC;
    case 8:
    case 127:
        return KC_BACKSPACE;
    default:
        if (cp >= 57344 && cp <= 63743) /* private */
            return pad_key(cp);
        return cp <= 0x10ffff ? cp : KC_NONE;
    }
}

static int with_modifiers(int code, int parameter, unsigned *mods)
{
    return modifiers(parameter, mods) ? code : KC_NONE;
}

/* CSI 3 ^ is Ctrl-Delete, $ with Shift, @ with both; CSI a is Shift-Up. */
static int rxvt_key(const struct csi *c, unsigned *mods)
{
    *mods = c->final == '^' ? MOD_CTRL : c->final == '@' ? MOD_SHIFT | MOD_CTRL : MOD_SHIFT;
    if (c->final >= 'a' && c->final <= 'd')
        return letter_key((char)(c->final - 'a' + 'A'));
    return number_key(c->p[0]);
}

int csi_key(const struct csi *c, unsigned *mods)
{
    *mods = 0;
    if (c->event == 3)
        return KC_NONE;
    if (c->final == 'Z') {
        int code = with_modifiers(KC_TAB, c->p[1], mods);
        *mods |= MOD_SHIFT;
        return code;
    }
    if (c->final == 'u')
        return with_modifiers(code_point_key(c->p[0]), c->p[1], mods);
    if (c->final == '~' && c->p[0] == 27 && c->n == 3)
        return with_modifiers(code_point_key(c->p[2]), c->p[1], mods);
    if (c->final == '~')
        return with_modifiers(number_key(c->p[0]), c->p[1], mods);
    if (c->final && strchr("abcd^@$", c->final))
        return rxvt_key(c, mods);
    if (c->p[0] <= 1 && !c->inter)
        return with_modifiers(letter_key(c->final), c->p[1], mods);
    return KC_NONE;
}

int csi_ss3_key(const char *s, unsigned *mods)
{
    struct csi c = csi_parse(s);
    int parameter = c.p[0] > 1 ? c.p[0] : c.p[1]; /* ESC O 5 P: an old way of telling modifiers */
    *mods = MOD_CTRL;
    if (c.final >= 'a' && c.final <= 'd') /* rxvt */
        return letter_key((char)(c.final - 'a' + 'A'));
    int code = c.final == 'M'                     ? KC_ENTER
               : c.final == 'X'                   ? '='
               : c.final >= 'j' && c.final <= 'y' ? c.final - 0x40 /* the key pad */
                                                  : letter_key(c.final);
    return with_modifiers(code, parameter, mods);
}

bool csi_mouse(const struct csi *c, struct input_event *e)
{
    unsigned b = (unsigned)c->p[0], low = b & 3;
    bool wheel = b & 64, motion = b & 32, up = c->final == 'm';
    if (c->n != 3 || b > 127 || c->p[1] < 1 || c->p[2] < 1 || c->p[1] > 65535 || c->p[2] > 65535)
        return false;
    if ((c->final != 'M' && !up) || (wheel ? low > 1 || up || motion : low == 3))
        return false;
    e->what = wheel    ? low ? MOUSE_WHEEL_DOWN : MOUSE_WHEEL_UP
              : up     ? MOUSE_UP
              : motion ? MOUSE_DRAG
                       : MOUSE_DOWN;
    e->button = wheel ? 0 : (int)low + 1;
    e->x = c->p[1] - 1;
    e->y = c->p[2] - 1;
    e->mods = (b & 4 ? MOD_SHIFT : 0) | (b & 8 ? MOD_ALT : 0) | (b & 16 ? MOD_CTRL : 0);
    return true;
}

bool csi_is_answer(const struct csi *c)
{
    if (c->marker)
        return c->marker != '<';
    if (c->final == 'R')
        return c->n > 1 && (c->p[0] > 1 || c->p[1] > 16); /* a cursor's place, not F3 */
    if (c->final == 'c')
        return c->n > 1 || c->p[0] > 0; /* else rxvt's Shift-Right */
    return c->final && strchr("nty", c->final);
}
