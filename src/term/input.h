/*
 * Bytes from a terminal to what they mean: keys, text, pastes, mouse, focus, answers.
 *
 * A pure state machine: fed with bytes in pieces of any size, asked for events. Whatever comes in,
 * no control sequence and no answer to one of our questions ever comes out as text, however late or
 * cut up it arrives; broken UTF-8 becomes U+FFFD; a sequence or a paste that does not end is
 * bounded in memory. The only time it needs is for a lone ESC: input_expire. A user who is stuck in
 * a string or a paste whose end was lost gets out with Ctrl-C (input.c says how).
 *
 * Known: UTF-8 text; C0 keys; CSI, SS3 with xterm's modifiers; CSI u and modifyOtherKeys; Alt as an
 * ESC prefix; bracketed paste (its content is text only, controls but newline and tab are dropped);
 * SGR mouse (1006); focus (1004); CSI ... c/n/t/R/S/y, DCS, OSC, APC answers.
 */
#ifndef SPRITTY_INPUT_H
#define SPRITTY_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MOD_SHIFT = 1, MOD_ALT = 2, MOD_CTRL = 4 };

/* Codes above Unicode for keys that are no character. A key event's code is one of these or a
 * (lower-case) code point with MOD_CTRL or MOD_ALT. */
enum key_code {
    KC_NONE = 0x200000,
    KC_ENTER,
    KC_TAB,
    KC_ESC,
    KC_BACKSPACE,
    KC_DELETE,
    KC_INSERT,
    KC_UP,
    KC_DOWN,
    KC_LEFT,
    KC_RIGHT,
    KC_HOME,
    KC_END,
    KC_PAGE_UP,
    KC_PAGE_DOWN,
    KC_F1, /* to KC_F1 + 11 */
    KC_LAST = KC_F1 + 12,
};

enum input_kind {
    INPUT_KEY,    /* code and mods */
    INPUT_TEXT,   /* one typed character: text, len (UTF-8) */
    INPUT_PASTE,  /* text, len: valid UTF-8, newlines as \n; long pastes come in several */
    INPUT_MOUSE,  /* button, what, y, x, mods */
    INPUT_FOCUS,  /* on */
    INPUT_ANSWER, /* text, len: a whole sequence from the terminal, for probe.h: begins with ESC */
};

enum mouse_what { MOUSE_DOWN, MOUSE_UP, MOUSE_DRAG, MOUSE_WHEEL_UP, MOUSE_WHEEL_DOWN };

struct input_event {
    enum input_kind kind;
    int code;
    unsigned mods;
    const char *text; /* valid until the next call; NUL-terminated */
    size_t len;
    enum mouse_what what;
    int button, y, x; /* 1 left, 2 middle, 3 right; cells from 0 */
    bool on;
};

struct input; /* the decoder */

struct input *input_new(void); /* NULL without memory */
void input_free(struct input *);
void input_feed(struct input *, const char *bytes, size_t len);
/* Takes the next event; false when more bytes are needed. */
bool input_next(struct input *, struct input_event *);
/* Is something begun that only time can end (a lone ESC, a paste that pauses)? Then call
 * input_expire when no byte came for ESC_MS, and input_next again: what stands there is taken as it
 * is. */
enum { ESC_MS = 40 };
bool input_pending(const struct input *);
void input_expire(struct input *);

/* "C-r", "M-x", "S-Tab", "F5", "PgUp", "?" to code and mods; false when it is no key. Long names
 * ("Ctrl-R") are read as well. With C- or M- a letter's case says nothing: "M-X" is "M-x", and with
 * Shift it is "M-S-x". */
bool key_parse(const char *name, int *code, unsigned *mods);
/* And back, as help shows it: "Ctrl-R", "Alt-X", "Shift-Tab", "F5". */
void key_name(int code, unsigned mods, char *out, size_t size);

#endif
