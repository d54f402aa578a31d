/*
 * Which model is which, on any machine: the SHA-256 of its files' content.
 *
 * A single file: of its bytes. A folder: of a list of its files (.safetensors, .json, .txt, sorted
 * by path), a line "SHA-256  path" each. What was hashed once is remembered under
 * ~/.cache/spritty by path, size, time and inode, so gigabytes are read once.
 */
#ifndef SPRITTY_QUEUE_MODEL_HASH_H
#define SPRITTY_QUEUE_MODEL_HASH_H

#include "base/err.h"

/* A file or a folder. -1 with err. */
int model_hash(const char *path, char out[65], struct err *);
/* The same of what its files are by (size, time, inode): as long as it stays, so does the hash.
 * Reads none of them. */
int model_stamp(const char *path, char out[65], struct err *);

#endif
