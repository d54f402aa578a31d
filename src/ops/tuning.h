/*
 * Each optimisation as a switch of its own, so that what it gains can be shown; and how much memory
 * may be taken. One struct from the settings down to the backends.
 *
 * Zero is "as it is best": a struct of zeros is the default. What only says where values lie, and
 * when they come and go, changes no bit of a result; ways of computing differ by rounding.
 */
#ifndef SPRITTY_TUNING_H
#define SPRITTY_TUNING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* What of speed is given for memory: presets over the switches below. */
enum memory_mode { MEMORY_AUTO, MEMORY_SPEED, MEMORY_BALANCED, MEMORY_CONSTRAINED, MEMORY_MODES };

enum tune_switch { TUNE_AUTO, TUNE_ON, TUNE_OFF }; /* auto: as the memory mode has it, or on */

enum weights_way { /* how weights that a file has in 16 bits are held for f32 on the CPU */
                   WEIGHTS_AUTO, /* large ones as with half, others as with full */
                   WEIGHTS_FULL, /* in f32 */
                   WEIGHTS_HALF  /* as in the file, which is exact; widened for each call */
};

enum attention_way {
    ATTENTION_AUTO,  /* the first of the following that is to be had */
    ATTENTION_FLASH, /* blocks of keys with a running softmax: scores never leave the cache */
    ATTENTION_TILED, /* the scores of some queries at a time, whole rows of them */
    ATTENTION_SLICED /* scores written to memory, a slice of heads or queries at a time */
};

enum autotune_way {                 /* how a GPU's algorithms are chosen */
                    TUNE_MEASURE,   /* the fastest, by trying */
                    TUNE_HEURISTIC, /* the first that the library proposes; kept in the cache file
                                     */
                    TUNE_NOTHING    /* the same, without the file */
};

struct tuning {
    int memory;    /* enum memory_mode */
    int attention; /* enum attention_way */
    int autotune;  /* enum autotune_way; when the backend is opened */
    bool tf32;     /* on GPUs f32 products may round their inputs to 10 bits; when it is opened */
    int weights;   /* enum weights_way; when it is opened */
    int nhwc;      /* enum tune_switch. Off: 3x3 convolutions on the CPU read and write planes, with
                    * a copy before and after; when it is opened */
    /* enum tune_switch */
    int fold;             /* a doubling and 3x3 convolution as four 2x2 ones */
    int winograd;         /* large 3x3 convolutions on the CPU in 16 products for 36; auto:
                           * but where AMX multiplies them */
    int hoist;            /* text keys and values and time embeddings once a run, not once a step */
    int graph;            /* on GPUs a step is recorded and replayed */
    int vae_slicing;      /* the pictures of a batch are decoded one after the other */
    int vae_tiling;       /* large pictures are decoded in tiles */
    int vae_tile;         /* pixels of their side; 0: the mode's */
    int offload;          /* text encoders leave memory once the prompt is read */
    int stream;           /* weights of the UNet come for each call and leave again */
    size_t limit;         /* bytes that may be held: of the process, on a GPU of its memory; */
    double limit_percent; /* or so much of what there is. 0: what is free */
};

static inline bool tuning_streams(const struct tuning *t)
{
    return t->stream == TUNE_ON || (t->stream == TUNE_AUTO && t->memory == MEMORY_CONSTRAINED);
}

static inline bool tuning_offloads(const struct tuning *t)
{
    return t->offload == TUNE_ON || (t->offload == TUNE_AUTO && t->memory >= MEMORY_BALANCED);
}

const char *memory_name(int i); /* NULL past the end */
int memory_by_name(const char *name);
const char *weights_name(int i);
int weights_by_name(const char *name);
const char *switch_name(int i);
int switch_by_name(const char *name);
const char *attention_name(int i);
int attention_by_name(const char *name);
const char *autotune_name(int i);
int autotune_by_name(const char *name);

#endif
