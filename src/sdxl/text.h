/*
 * Prompts to what the UNet reads: the states of both encoders side by side, and the pooled vector.
 */
#ifndef SPRITTY_TEXT_H
#define SPRITTY_TEXT_H

#include "sdxl/clip.h"
#include "sdxl/tokenizer.h"

struct text_encoders {
    struct tokenizer *tokenizer[2]; /* NULL in a forecast for a model without a vocabulary */
    struct clip clip[2];
};

enum { MAX_CONDS = 2, CLIP_SKIP = 1 /* SDXL reads the input of the last layer */ };

struct text_states {
    int conds, chunks;
    struct tensor states; /* [conds, chunks * positions, 1, context], from the arena */
    float *pooled;        /* host: conds x projection of the second encoder */
    int tokens[2];        /* of the last prompt, by encoder, without begin and end */
};

/*
 * Encodes `conds` prompts; NULL is the absence of a prompt, all zeros. All get as many 75-token
 * chunks as the longest needs (the shorter are filled with empty ones, as A1111 does); the pooled
 * vector is the first chunk's. -1 with err: a prompt that is too long, no memory.
 */
int text_encoders_run(const struct text_encoders *, struct ops *, const char *const *prompts,
                      int conds, struct text_states *, struct err *);
void text_states_free(struct ops *, struct text_states *);

#endif
