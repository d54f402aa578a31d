/*
 * What the kernel tells in small text files: /proc, /sys.
 *
 * Below another root than "" in tests, which then describe machines of their own. Any thread.
 */
#ifndef SPRITTY_PROC_H
#define SPRITTY_PROC_H

#include <stdbool.h>
#include <stddef.h>

/* The beginning of root + path as a string; "" and false when there is nothing to read. */
bool proc_text(const char *root, const char *path, char *out, size_t size);

/* "MemTotal:       16316412 kB" in bytes; 0: there is no such line, or its number is no size. */
size_t proc_kilobytes(const char *text, const char *key);

/* The value of the first line "key : value", cut out of the text; NULL: there is none. */
const char *proc_value(char *text, const char *key);

#endif
