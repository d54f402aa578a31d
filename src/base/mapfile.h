/*
 * A whole file, mapped read-only.
 *
 * The kernel reads pages when they are touched and may forget them again: a 7 GB checkpoint costs
 * address space, not memory. But a file that another process cuts short while it is mapped, or a
 * disk that fails, raises SIGBUS at the next touch. From the first map on a handler puts zeros
 * where the file was, and whoever read asks mapfile_cut before it believes what it read.
 */
#ifndef SPRITTY_MAPFILE_H
#define SPRITTY_MAPFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct mapfile {
    const unsigned char *data;
    size_t size;
    int watch;                /* its place in the handler's table, from 1; 0: none was left */
    unsigned long long id[4]; /* which file, and as of when */
};

/* Maps a regular file that is not empty. -1 and err (which names the path) on failure. */
int mapfile_open(struct mapfile *, const char *path, struct err *);
void mapfile_close(struct mapfile *); /* a zeroed struct is fine */

/* Whether something of it could not be read any more, and zeros were in its place. Any thread. */
bool mapfile_cut(const struct mapfile *);
/* Whether the path now leads to another file, or to this one written anew. Not: to none. */
bool mapfile_changed(const struct mapfile *, const char *path);
/* Of that, the latter alone: what is mapped is not what was opened. */
bool mapfile_overwritten(const struct mapfile *, const char *path);
/* For handlers of SIGBUS that are put over the one from here: zeros at the address, if it is in a
 * map. False: it is not. Async-signal-safe. */
bool mapfile_mend(const void *address);

/* Tells the kernel that [from, from + size) will not be read again soon. Only whole pages inside
 * the range go; a range that is not in this map is left alone. The contents stay readable. */
void mapfile_drop(const struct mapfile *, const void *from, size_t size);

/* Tells the kernel that it will be read soon: it begins to, in the background. */
void mapfile_soon(const struct mapfile *, const void *from, size_t size);

/* How many of its bytes are not in memory, and would have to be read from the disk. */
size_t mapfile_cold(const struct mapfile *);

bool file_exists(const char *path);   /* a regular file (or a link to one) */
bool folder_exists(const char *path); /* a folder (or a link to one) */

/* "dir/name". -1 and err when that is too long. */
struct path {
    char text[4096];
};
int path_join(struct path *, const char *dir, const char *name, struct err *);

#endif
