/* The key table and who looks into it; see keys.h. */
#include "ui/keys.h"

#include <stdio.h>
#include <string.h>

static const struct key_row rows[] = {
#define X(id, contexts, key, other, help) {ACT_##id, contexts, key, other, help},
    KEYS(X)
#undef X
};

enum { ROWS = sizeof rows / sizeof *rows };
_Static_assert(ROWS == ACTIONS - 1, "one row an action, in the same order");

const struct key_row *keys_row(int i)
{
    return i >= 0 && i < ROWS ? &rows[i] : NULL;
}

const struct key_row *keys_of(enum action action)
{
    return keys_row((int)action - 1);
}

/* Names of one character, and Space, stand for what is typed; all others for a key. */
static bool types_text(const char *name, const char **text, size_t *len)
{
    bool space = strcmp(name, "Space") == 0;
    *text = space ? " " : name;
    *len = strlen(*text);
    return space || *len == 1;
}

static bool is_key(const char *name, const struct input_event *e)
{
    const char *text;
    size_t len;
    int code;
    unsigned mods;
    if (!*name)
        return false;
    if (types_text(name, &text, &len))
        return e->kind == INPUT_TEXT && e->len == len && memcmp(e->text, text, len) == 0;
    return e->kind == INPUT_KEY && key_parse(name, &code, &mods) && code == e->code &&
           mods == e->mods;
}

static unsigned narrowest(unsigned contexts)
{
    while (contexts & (contexts - 1))
        contexts &= contexts - 1;
    return contexts;
}

static enum action look_up(unsigned contexts, const struct input_event *e)
{
    enum action found = ACT_NOTHING;
    unsigned best = 0;
    for (int i = 0; i < ROWS; i++) {
        unsigned here = narrowest(rows[i].contexts & contexts);
        if (here > best && (is_key(rows[i].key, e) || is_key(rows[i].other, e))) {
            found = rows[i].action;
            best = here;
        }
    }
    return found;
}

/* What a terminal may send for a named key: the same byte, or the letter that it is made of. */
static int also_known_as(int code)
{
    switch (code) {
    case 'h':
        return KC_BACKSPACE;
    case 'i':
        return KC_TAB;
    case 'j':
    case 'm':
        return KC_ENTER;
    case '[':
        return KC_ESC;
    default:
        return KC_NONE;
    }
}

enum action keys_find(unsigned contexts, const struct input_event *e)
{
    if (e->kind == INPUT_TEXT && (contexts & CTX_TEXT))
        return ACT_NOTHING;
    enum action found = look_up(contexts, e);
    if (found == ACT_NOTHING && e->kind == INPUT_KEY && (e->mods & MOD_CTRL) &&
        also_known_as(e->code) != KC_NONE) {
        struct input_event plain = *e;
        plain.code = also_known_as(e->code);
        plain.mods &= ~(unsigned)MOD_CTRL;
        found = look_up(contexts, &plain);
    }
    return found;
}

static size_t one_name(const char *key, char *out, size_t size)
{
    int code;
    unsigned mods;
    *out = '\0';
    if (*key && key_parse(key, &code, &mods))
        key_name(code, mods, out, size);
    return strlen(out);
}

void keys_hint(enum action action, char *out, size_t size)
{
    const struct key_row *row = keys_of(action);
    one_name(row ? row->key : "", out, size);
}

void keys_names(const struct key_row *row, char *out, size_t size)
{
    char first[40], second[40];
    one_name(row->key, first, sizeof first);
    bool both = one_name(row->other, second, sizeof second) > 0;
    snprintf(out, size, "%s%s%s", first, both ? ", " : "", second);
}

unsigned keys_section(int i)
{
    static const unsigned order[] = {CTX_GLOBAL,  CTX_STUDIO,   CTX_PROMPT, CTX_TEXT,
                                     CTX_PRESETS, CTX_SETTINGS, CTX_QUEUE,  CTX_COMPARE,
                                     CTX_GALLERY, CTX_FINISH,   CTX_MASK,   CTX_MONITOR};
    return i >= 0 && i < (int)(sizeof order / sizeof *order) ? order[i] : 0;
}

bool keys_moves(const struct key_row *row)
{
    return __builtin_popcount(row->contexts) > 2;
}

const char *context_title(enum context context)
{
    switch (context) {
    case CTX_GLOBAL:
        return "Everywhere";
    case CTX_STUDIO:
        return "Studio";
    case CTX_COMPARE:
        return "Compare";
    case CTX_GALLERY:
        return "Gallery";
    case CTX_MONITOR:
        return "Monitor";
    case CTX_PRESETS:
        return "Presets";
    case CTX_SETTINGS:
        return "Settings";
    case CTX_QUEUE:
        return "Queue";
    case CTX_SPRITE:
        return "Sprite";
    case CTX_TEXT:
        return "Text";
    case CTX_PROMPT:
        return "Prompt";
    case CTX_DIALOG:
        return "Dialogs";
    case CTX_HELP:
        return "Help";
    case CTX_FINISH:
        return "Finish";
    case CTX_MASK:
        return "Mask";
    }
    return "";
}
