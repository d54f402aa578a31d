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

struct err {
    char text[512];
};

/* Formats the text (cut at 511 bytes on a UTF-8 boundary, control characters become '?').
 * A text that is already there is overwritten. `e` may be NULL. Always returns -1, so that `return
 * err_set(...)` works. */
int err_set(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts "prefix: " in front of the text, for context that the callee does not know. Returns -1. */
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Replaces control characters (C0, DEL, C1, broken UTF-8) in place. */
void text_sanitize(char *s);

#endif
