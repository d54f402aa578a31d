/* What checkpoint_open.c and checkpoint_drawn.c fill in and checkpoint.c answers from. */
#ifndef SPRITTY_CHECKPOINT_PRIV_H
#define SPRITTY_CHECKPOINT_PRIV_H

#include "base/mapfile.h"
#include "sdxl/checkpoint.h"
#include "sdxl/weight_files.h"

/* Aligned copies, made on demand. */
struct copies {
    struct copy {
        const struct st_tensor *of;
        void *data;
    } * copy;
    int count, room;
};

struct checkpoint {
    char *path;
    bool single;
    /* A single file of one part: its names are the original ones without the prefix. */
    bool bare;
    enum part bare_part;
    struct model_config config;
    struct weight_files files[PART_COUNT]; /* a single file: all in files[0] */
    struct path tokenizer[2];              /* "": none */
    struct copies *copies;
    struct drawn *drawn; /* NULL: the weights are the files' */
};

/* Empty, for the path. NULL and err without memory. */
struct checkpoint *checkpoint_new(const char *path, struct err *);
void drawn_free(struct drawn *);

#endif
