/*
 * Names of keys: as the key table spells them ("C-r", "M-Down", "S-Tab", "PgUp", "?") and as help
 * shows them ("Ctrl-R", "Alt-Down", "Shift-Tab"); both are read. A letter's case counts only
 * without Ctrl and Alt: there Shift is said by "S-", since a terminal sends the same for Ctrl-r and
 * Ctrl-R.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "term/input.h"

static const struct {
    const char *name;
    int code;
} names[] = {
    {"Enter", KC_ENTER},
    {"Tab", KC_TAB},
    {"Esc", KC_ESC},
    {"Space", ' '},
    {"Backspace", KC_BACKSPACE},
    {"Delete", KC_DELETE},
    {"Insert", KC_INSERT},
    {"Up", KC_UP},
    {"Down", KC_DOWN},
    {"Left", KC_LEFT},
    {"Right", KC_RIGHT},
    {"Home", KC_HOME},
    {"End", KC_END},
    {"PgUp", KC_PAGE_UP},
    {"PgDn", KC_PAGE_DOWN},
};
enum { NAMES = sizeof names / sizeof *names };

static const struct {
    const char *brief, *full;
    unsigned mod;
} prefixes[] = {{"C-", "Ctrl-", MOD_CTRL}, {"M-", "Alt-", MOD_ALT}, {"S-", "Shift-", MOD_SHIFT}};

/* Skips "C-" or "Ctrl-" and the like; what is left must be more than nothing ("-" is a key). */
static const char *skip_prefixes(const char *name, unsigned *mods)
{
    *mods = 0;
    for (int i = 0; i < 3; i++) {
        size_t brief = strlen(prefixes[i].brief), full = strlen(prefixes[i].full);
        size_t n = !strncmp(name, prefixes[i].full, full)     ? full
                   : !strncmp(name, prefixes[i].brief, brief) ? brief
                                                              : 0;
        if (n == 0 || name[n] == '\0')
            continue;
        if (*mods & prefixes[i].mod)
            return NULL;
        *mods |= prefixes[i].mod;
        name += n;
        i = -1;
    }
    return name;
}

static int named(const char *name)
{
    int n, end = 0;
    for (int i = 0; i < NAMES; i++)
        if (!strcmp(name, names[i].name))
            return names[i].code;
    if (isdigit((unsigned char)name[1]) && sscanf(name, "F%2d%n", &n, &end) == 1 && !name[end] &&
        n >= 1 && n <= 12)
        return KC_F1 + n - 1;
    return KC_NONE;
}

bool key_parse(const char *name, int *code, unsigned *mods)
{
    name = skip_prefixes(name, mods);
    if (!name || !*name)
        return false;
    *code = named(name);
    if (*code != KC_NONE && *code != ' ')
        return true;
    if (*code == KC_NONE) { /* one character: the tables need no other than ASCII's */
        if (name[1] || name[0] < 0x21 || name[0] > 0x7e)
            return false;
        *code = *mods & (MOD_CTRL | MOD_ALT) ? tolower((unsigned char)name[0]) : name[0];
    }
    /* Shift is in the character already, but for letters with Ctrl or Alt. */
    return !(*mods & MOD_SHIFT) || ((*mods & (MOD_CTRL | MOD_ALT)) && *code >= 'a' && *code <= 'z');
}

static void name_of(int code, bool upper, char out[16])
{
    uint8_t *p = (uint8_t *)out;
    for (int i = 0; i < NAMES; i++)
        if (names[i].code == code) {
            snprintf(out, 16, "%s", names[i].name);
            return;
        }
    memset(out, 0, 16);
    if (code >= KC_F1 && code < KC_LAST)
        snprintf(out, 16, "F%d", code - KC_F1 + 1);
    else if (code < 0x80)
        p[0] = (uint8_t)(upper ? toupper(code) : code);
    else if (code < 0x800)
        p[0] = (uint8_t)(0xc0 | code >> 6), p[1] = 0x80 | (code & 0x3f);
    else if (code < 0x10000)
        p[0] = (uint8_t)(0xe0 | code >> 12), p[1] = 0x80 | (code >> 6 & 0x3f),
        p[2] = 0x80 | (code & 0x3f);
    else
        p[0] = '?';
}

void key_name(int code, unsigned mods, char *out, size_t size)
{
    char name[16];
    name_of(code, mods & (MOD_CTRL | MOD_ALT), name);
    snprintf(out, size, "%s%s%s%s", mods & MOD_CTRL ? "Ctrl-" : "", mods & MOD_ALT ? "Alt-" : "",
             mods & MOD_SHIFT ? "Shift-" : "", name);
}
