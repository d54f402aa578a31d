/*
 * Lines for the user that are no errors: what was not honoured, and why.
 *
 * Each line is there once, however often it is said. Like errors they are safe to print. Without
 * memory, or over the limit, a line is lost.
 */
#ifndef SPRITTY_NOTES_H
#define SPRITTY_NOTES_H

enum { MAX_NOTES = 32 };

struct notes {
    char *line[MAX_NOTES]; /* malloc'd */
    int count;
};

/* `n` may be NULL. */
void notes_add(struct notes *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void notes_free(struct notes *n);

#endif
