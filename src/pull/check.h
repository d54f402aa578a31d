/* Is a file that was loaded what it was asked for? */
#ifndef SPRITTY_PULL_CHECK_H
#define SPRITTY_PULL_CHECK_H

#include <stddef.h>

#include "pull/names.h"

/* name: as it will be called. KIND_ANY: by the name's ending. *folder: where such files belong. */
int pull_check(const char *path, const char *name, enum pull_kind kind, const char **folder,
               struct err *);
/* Before anything is loaded: -1 for a kind of file that is never read (pickles), or not known. */
int pull_check_name(const char *name, struct err *);

/* The digits of an ETag that is a hash, in lower case: returns 64 or 40; 0 when it is none. */
size_t pull_hash_of(const char *tag, char out[72]);

/* Hash of the file against a server's tag: 64 hex digits SHA-256, 40 git's SHA-1 of a blob. 1: it
 * is no hash. tick may end it (-1, err untouched, *stopped set). */
int pull_check_hash(const char *path, const char *tag, bool (*tick)(void *user, uint64_t bytes),
                    void *user, bool *stopped, struct err *);

#endif
