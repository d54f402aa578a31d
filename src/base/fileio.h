/*
 * Files that appear whole or not at all.
 *
 * What is written goes to a temporary name in the same folder, is synced, renamed over the target,
 * and the folder is synced: after a crash, a full disk or a lost line there is the old file or the
 * new one. A target that is no regular file (a pipe, /dev/stdout) is written to as it is.
 */
#ifndef SPRITTY_FILEIO_H
#define SPRITTY_FILEIO_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Writes size bytes as `path`. On failure the temporary file is gone and a file that was there
 * before is as it was. */
int file_write_atomic(const char *path, const void *data, size_t size, struct err *);

/* Would file_write_atomic have a folder that it may write to? For asking before a long job. */
int file_check_target(const char *path, struct err *);

/* The whole file, malloc'd, with a NUL behind it. NULL when it cannot be read or is over `limit`.
 */
void *file_read(const char *path, size_t limit, size_t *size, struct err *);

/* Makes the folder, and those above it, where they are not there. */
int file_make_folders(const char *path, struct err *);

/* What stands behind the last slash of a path. */
const char *file_name_of(const char *path);
/* Renames, but never over a file that is there. 0, or -1 with errno. */
int file_rename_new(const char *from, const char *to);
/* "dir/name-2.png" for number 2; number 1 is the path as it is. False: too long. */
bool file_numbered(const char *path, int number, char out[PATH_MAX]);

/* Why a system call that writes failed (errno), with what to do where that is not plain. */
const char *file_reason(int error);

#endif
