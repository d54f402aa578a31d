/*
 * Memory for large arrays of numbers.
 */
#ifndef SPRITTY_BIGMEM_H
#define SPRITTY_BIGMEM_H

#include <stddef.h>

/* At least `bytes`, at a multiple of 64, not zeroed; to be given to free(). From 2 MiB on it asks
 * for huge pages: a model's gigabytes are then some thousand page faults instead of millions. NULL
 * without memory. */
void *bigmem_alloc(size_t bytes);

#endif
