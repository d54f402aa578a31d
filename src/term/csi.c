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

int csi_letter_key(char c)
{
    static const char letters[] = "ABCDHF";
    static const int codes[] = {KC_UP, KC_DOWN, KC_RIGHT, KC_LEFT, KC_HOME, KC_END};
    const char *at = c ? strchr(letters, c) : NULL;
    if (at)
        return codes[at - letters];
    return c >= 'P' && c <= 'S' ? KC_F1 + c - 'P' : KC_NONE;
}

int csi_number_key(int n)
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

int csi_pad_key(int n)
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
