/*
 * What was chosen, kept from run to run: a text file of lines "WHERE<tab>KEY<tab>NUMBER". WHERE
 * names the device and the libraries' versions, KEY a call and its shape, NUMBER the place of the
 * chosen algorithm in the library's list of proposals, which is the same as long as WHERE is.
 *
 * The file is a hint: lines that make no sense are skipped, and a number is tried before it is
 * believed. Lines of other devices are kept. No CUDA in here.
 */
#ifndef SPRITTY_GPU_CHOICES_H
#define SPRITTY_GPU_CHOICES_H

#include <stdbool.h>

#include "base/err.h"

struct choice {
    char *where, *key; /* one allocation, at `where` */
    int number;
};

struct choices {
    struct choice *all;
    int count, room;
    bool news; /* since it was read */
};

enum { CHOICES_MAX = 8192, CHOICES_FILE_MAX = 4 << 20, CHOICE_NUMBER_MAX = 9999 };

/* Reads a file; a missing or unreadable one, or NULL, is an empty one. */
void choices_read(struct choices *, const char *path);
/* Writes it, whole or not at all, if there is news. path NULL: nothing. 0 or -1 with the reason. */
int choices_write(struct choices *, const char *path, struct err *);
void choices_free(struct choices *);

/* -1: none. */
int choices_get(const struct choices *, const char *where, const char *key);
/* Neither text may hold a tab or a line's end. Forgets nothing; beyond CHOICES_MAX it adds nothing.
 */
void choices_put(struct choices *, const char *where, const char *key, int number);

/* The reader's inside, for tests: takes lines out of a text that it may change. */
void choices_parse(struct choices *, char *text);

#endif
