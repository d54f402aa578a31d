/*
 * Texts to what the UNet reads: the states of both encoders side by side, weighted as the prompt
 * says, and the pooled vector.
 *
 * Weights are applied to the states on the host, in f32, as the tools do it on theirs: A1111
 * multiplies and then restores the mean of each chunk, over all texts that were encoded together
 * (modules/sd_emphasis.py); ComfyUI moves each state towards or away from the one that the empty
 * text has there, (z - z_empty) * w + z_empty (comfy/sd1_clip.py).
 */
#ifndef SPRITTY_TEXT_H
#define SPRITTY_TEXT_H

#include "sdxl/chunks.h"
#include "sdxl/clip.h"

struct text_encoders {
    struct tokenizer *tokenizer[2]; /* NULL in a forecast for a model without a vocabulary */
    struct clip clip[2];
    int first; /* 0; 1: there is only the second (the refiner) */
};

enum { CLIP_SKIP = 1 /* SDXL reads the input of the last layer */ };

struct text_rules {
    enum compat compat;
    /* Which state is read, counted from the last: 1 is the last layer's, 2 the one before, which
     * is SDXL's own and what 0 stands for. A1111 calls it "Clip skip 2", ComfyUI "stop at layer
     * -2" (a sign is of no matter), diffusers clip_skip=0. A1111 has it for the first encoder
     * alone. */
    int clip_skip;
    struct embeddings *embeddings; /* NULL: there are none */
    struct notes *notes;           /* NULL: nobody reads them */
};

struct text_states { /* host memory */
    int texts;
    int *tokens;   /* rows of each: 77 a chunk */
    float *states; /* sum of tokens x width */
    float *pooled; /* texts x pooled_width */
    int rows, width, pooled_width;
    int counted[2]; /* tokens of the last text, by encoder, without begin, end and padding */
};

/* Encodes `count` texts together and adds them to the states, each as long as the longest of them.
 * times: how often each of them is there (NULL: once), for A1111's mean. -1 with err: what
 * text_chunks refuses, no such layer, no memory. */
int text_states_add(const struct text_encoders *, struct ops *, const struct text_rules *,
                    const char *const *texts, const int *times, int count, struct text_states *,
                    struct err *);
/* Adds a text that is all zeros, one chunk long. */
int text_states_add_zeros(const struct text_encoders *, struct text_states *, struct err *);
/* Makes text i rows[i] long (no shorter than it is) by repeating its last row. */
int text_states_stretch(struct text_states *, const int *rows, struct err *);
/* All of them on the backend: [1, rows, 1, width], from the arena. */
struct tensor text_states_upload(const struct text_states *, struct ops *);
void text_states_free(struct text_states *);

#endif
