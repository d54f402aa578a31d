/* Sets of hashes of 128 bits: which names and jobs there were, for hundreds of thousands of them.
 */
#ifndef SPRITTY_IDSET_H
#define SPRITTY_IDSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct idset_entry {
    uint64_t a, b; /* 0, 0: free */
    long value;
};

/* Zeros are an empty one. */
struct idset {
    struct idset_entry *at;
    size_t used, room;
};

/* Of any text: the first half of its SHA-256. */
struct idset_entry idset_key(const char *text);
/* The value of the key, made with `value` if it is not there (*added tells). NULL: no memory. */
long *idset_put(struct idset *, struct idset_entry key, long value, bool *added);
long *idset_find(const struct idset *, struct idset_entry key);
void idset_free(struct idset *);

#endif
