/*
 * The safetensors format: a table of tensors over a mapped file.
 *
 * 8 bytes little-endian length, a JSON header of that length, then the data. Source of the rules:
 * the format section of the safetensors README (github.com/huggingface/safetensors). Everything is
 * checked when the table is made: lengths, overflow, every byte of the data claimed exactly once.
 *
 * Types that no network of ours reads (position ids as I64, FP8) stay in the table, for listing;
 * asking for one as a weight is an error then. The data of a tensor may lie at any byte address,
 * since the header may have any length: `aligned` says whether it can be read in place.
 */
#ifndef SPRITTY_SAFETENSORS_H
#define SPRITTY_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ops/tensor.h"

enum { ST_MAX_RANK = 8 };

struct st_tensor {
    const char *name; /* valid UTF-8 without control characters */
    const unsigned char *data;
    uint64_t bytes;
    int64_t count;    /* elements: the product of dim */
    char type[12];    /* as the file says: "F16", "I64", "F8_E4M3" */
    bool is_weight;   /* F32, F16 or BF16, rank 1 to 4, not empty */
    bool aligned;     /* data is a multiple of the element's size */
    enum dtype dtype; /* valid when is_weight */
    int rank;         /* of a scalar: 0 */
    int64_t dim[ST_MAX_RANK];
};

struct safetensors;

/* Maps the file and checks its table; reads no data. NULL and err on failure. Immutable. */
struct safetensors *safetensors_open(const char *path, struct err *);
/* The same over memory that the caller keeps alive and unchanged. `name` is what errors call it. */
struct safetensors *safetensors_parse(const void *data, size_t size, const char *name,
                                      struct err *);
void safetensors_close(struct safetensors *);

int safetensors_count(const struct safetensors *);
/* By index, sorted by name. */
const struct st_tensor *safetensors_at(const struct safetensors *, int index);
/* By name, or NULL. log2(count) string comparisons. */
const struct st_tensor *safetensors_find(const struct safetensors *, const char *name);
/* How many names begin with the prefix; the first of them is *first. */
int safetensors_prefix(const struct safetensors *, const char *prefix, int *first);
/* A string of the header's __metadata__, or NULL. */
const char *safetensors_metadata(const struct safetensors *, const char *key);
const char *safetensors_path(const struct safetensors *);
/* -1 and err when something of it could not be read, and zeros were in its place (mapfile_cut), or
 * the file was written over meanwhile (mapfile_overwritten): to be asked once data was read, before
 * it is used. */
int safetensors_was_read(const struct safetensors *, struct err *);
/* Whether its path leads to another file by now, or to this one written anew (mapfile_changed). */
bool safetensors_changed(const struct safetensors *);
/* How many bytes of the file are not in memory (mapfile_cold). */
size_t safetensors_cold(const struct safetensors *);
/* Lets go of the pages under a range of the data (mapfile_drop). */
void safetensors_soon(const struct safetensors *, const void *from, size_t size);
void safetensors_drop(const struct safetensors *, const void *from, size_t size);

#endif
