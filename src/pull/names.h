/* What the short names of pull.h stand for. */
#ifndef SPRITTY_PULL_NAMES_H
#define SPRITTY_PULL_NAMES_H

#include "pull/pull.h"

/* What a file has to be. */
enum pull_kind {
    KIND_ANY,
    KIND_CHECKPOINT,
    KIND_LORA,
    KIND_VAE,
    KIND_TINY_VAE,
    KIND_CONTROL,
    KIND_JSON,
    KIND_TEXT
};

struct pull_file {
    const char *repo, *file; /* on the hub */
    const char *to;          /* from the data folder on */
    enum pull_kind kind;
};

enum { PULL_MAX_FILES = 9 };

/* The files of short name `i`, the one that it is about last (a checkpoint brings the vocabulary
 * that it lacks), and how many; or -1 when there is no such name. */
int pull_find(const char *name);
int pull_files(int i, struct pull_file out[PULL_MAX_FILES]);
/* "sdxl-base" for "sdxl-bse"; NULL. */
const char *pull_suggest(const char *name);

#endif
