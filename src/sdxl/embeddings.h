/*
 * Textual inversions: words that are vectors of their own in front of the text encoders.
 *
 * A file is a safetensors with clip_l [vectors, width of encoder 1] and clip_g [vectors, width of
 * encoder 2]; one with a single tensor is for the encoder of its width alone, as ComfyUI takes it.
 * Pickles (.pt, .bin) are never read, since they may run code. ComfyUI names a file in the prompt
 * (embedding:name), A1111 knows the bare name of every file in the folder.
 */
#ifndef SPRITTY_EMBEDDINGS_H
#define SPRITTY_EMBEDDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/notes.h"

enum { MAX_EMBEDDING_VECTORS = 75, EMBEDDING_FOLDERS = 2 };

struct embedding {
    char *path, *name; /* name: of the file, without folders and ending */
    char *key;         /* name with the folders below the one that was opened */
    bool pickle, read; /* read: the vectors were asked for */
    int count[2];      /* vectors by encoder; 0: none */
    float *vector[2];  /* count x width */
    int32_t *ids;      /* of the name, see embeddings_at */
    int id_count;
};

struct embeddings {
    struct embedding *at; /* sorted by key */
    int count;
    int width[2];
    bool named; /* the ids are filled */
};

/* Lists the files below the folders (NULL or missing ones are none), depth and number limited.
 * Reads none of them. -1: no memory. embeddings_free after either. */
int embeddings_open(struct embeddings *, const char *const folders[EMBEDDING_FOLDERS],
                    const int width[2], struct err *);
void embeddings_free(struct embeddings *);

/* "name", "name.safetensors" or "folder/name", as ComfyUI finds files. NULL when there is none that
 * fits; where there is a file but it cannot be taken, the notes say why. */
const struct embedding *embeddings_find(struct embeddings *, const char *name, size_t len,
                                        struct notes *);

/* Was it found, and did it have vectors? */
static inline bool embedding_used(const struct embedding *x)
{
    return x->count[0] > 0 || x->count[1] > 0;
}

/* The longest name whose ids (of `encode`, called once for each file) stand at the beginning of
 * ids[0..count), or NULL. */
const struct embedding *embeddings_at(struct embeddings *,
                                      int (*encode)(void *user, const char *text, int32_t **ids),
                                      void *user, const int32_t *ids, int count, struct notes *);

#endif
