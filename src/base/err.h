/*
 * Errors that the world makes: a missing file, a broken model, a full disk.
 *
 * A function that can fail so takes a `struct err *` last, returns 0 or -1 (or a pointer or NULL),
 * and leaves one line in it that says what went wrong, where, and what to do about it. Mistakes of
 * our own are asserts. Text from outside (names in files, prompts) goes through err_set's %s
 * safely: control characters are replaced, so an error line can be printed to a terminal as it is.
 */
#ifndef SPRITTY_ERR_H
#define SPRITTY_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whose fault it is, for who has several devices to choose from. */
enum err_kind {
    ERR_PLAIN,  /* what was asked for cannot be done */
    ERR_UNFIT,  /* not by this device: no room for it, or not in this precision */
    ERR_DEVICE, /* this device does not work */
};

/* {""} is no error. The last byte, which no text reaches, is the kind: a member of its own would
 * make that an incomplete initialiser. */
struct err {
    char text[512];
};

/* Formats the text (cut at 510 bytes on a UTF-8 boundary, control characters become '?').
 * A text that is already there is overwritten. `e` may be NULL. Always returns -1, so that `return
 * err_set(...)` works. */
int err_set(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Whose fault the text is; err_set's are plain. */
static inline enum err_kind err_kind(const struct err *e)
{
    return (enum err_kind)e->text[sizeof e->text - 1];
}
/* Returns -1. */
int err_blame(struct err *e, enum err_kind kind);
/* The same error once more. Returns -1. */
int err_pass(struct err *e, const struct err *from);

/* Puts "prefix: " in front of the text, for context that the callee does not know. Returns -1. */
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Makes a text safe to show, in place: control characters (C0, DEL, C1), broken UTF-8 and what
 * changes the direction of writing become '?'. */
void text_sanitize(char *s);
/* A copy made so, cut where out is full. Returns out. */
const char *text_shown(const char *s, char *out, size_t size);
/* Whether a text is UTF-8 without control characters, those in `but` (of C0) aside. Marks of
 * direction are part of texts in some scripts, and no controls. */
bool text_is_plain(const char *s, const char *but);
/* The bytes of the character at s, `left` of them at most, and its code point; 0 when they are no
 * UTF-8: cut, overlong, a surrogate, beyond Unicode. */
size_t text_char(const char *s, size_t left, uint32_t *code_point);

#endif
