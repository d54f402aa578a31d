/*
 * A text as the chunks of 75 tokens that an encoder reads, in the rules of one tool.
 *
 * A1111 (modules/sd_hijack_clip.py): BREAK ends a chunk; where a chunk is full and a comma stands
 * within its last 20 tokens, what follows the comma goes to the next chunk. ComfyUI
 * (comfy/sd1_clip.py): what has one weight is kept together when it is shorter than 8 tokens, else
 * it is cut where the chunk ends. diffusers: one chunk, the rest is cut off.
 * The padding is each tool's too: ComfyUI and A1111 pad the first encoder with end of text and the
 * second with 0, diffusers as the tokenizer's folder says.
 */
#ifndef SPRITTY_CHUNKS_H
#define SPRITTY_CHUNKS_H

#include "sdxl/clip.h"
#include "sdxl/compat.h"
#include "sdxl/embeddings.h"
#include "sdxl/tokenizer.h"

enum { CHUNK_TOKENS = 75, CHUNK_POSITIONS = 77, MAX_CHUNKS = 256 };

struct chunk_rules {
    enum compat compat;
    const struct tokenizer *tokenizer;
    const struct clip_config *clip;
    int encoder;                   /* 0 or 1 */
    struct embeddings *embeddings; /* NULL: there are none */
    struct notes *notes;           /* or NULL */
};

struct text_chunks {
    int chunks, tokens;     /* at least 1; tokens without begin, end and padding */
    int32_t *ids;           /* chunks x 77 */
    float *weight;          /* chunks x 77; begin, end and padding have 1 */
    bool weighted;          /* one of them is not 1 */
    struct vector_use *use; /* where an embedding stands; the id there is 0 */
    int uses, room;
};

/* -1 with err: more than MAX_CHUNKS, no memory, or what prompt_parse refuses. text_chunks_free
 * after either. */
int text_chunks(const struct chunk_rules *, const char *text, struct text_chunks *, struct err *);
/* Makes them `chunks`, the new ones empty. */
int text_chunks_fill(const struct chunk_rules *, struct text_chunks *, int chunks, struct err *);
void text_chunks_free(struct text_chunks *);

#endif
