/*
 * Plans whose kernels cuDNN had to compile, kept from run to run: a file each, in a folder of their
 * own. What is compiled in a second is read in milliseconds.
 *
 * A file begins with the name that it was kept under, so that of two names with one hash the one is
 * never taken for the other, and with a hash of the rest: one that is cut or changed counts as
 * none. They are as trusted as the program itself, as is what CUDA keeps in ~/.nv: nobody but the
 * user may write to that folder. No CUDA in here.
 */
#ifndef SPRITTY_GPU_KEPT_H
#define SPRITTY_GPU_KEPT_H

#include <stddef.h>

#include "base/err.h"

/* Files, of which the oldest go; bytes of each. */
enum { KEPT_FILES = 256, KEPT_BYTES = 8 << 20, KEPT_NAME = 640 };

/* What was kept under this name, malloc'd, with a NUL behind it; NULL: nothing, or it is broken.
 * The number beside it in *number. dir NULL: nothing. */
char *kept_read(const char *dir, const char *name, int *number, size_t *size);

/* Keeps it, whole or not at all; the folder is made. Names hold no line's end. 0 or -1 with the
 * reason. */
int kept_write(const char *dir, const char *name, int number, const void *data, size_t size,
               struct err *);

#endif
