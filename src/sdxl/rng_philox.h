/*
 * The random numbers of torch's CUDA generator: Philox 4x32-10 (Salmon et al. 2011) and Box-Muller,
 * one value a counter, as A1111 computes them on the CPU (its setting RNG = NV).
 *
 * torch on a GPU gives these where the card has at least as many threads as the row has values; a
 * smaller card lets a thread make several. Its logarithm and sine are the card's own, in float;
 * here they are in double, rounded once, so the last bits may differ from a card's.
 */
#ifndef SPRITTY_RNG_PHILOX_H
#define SPRITTY_RNG_PHILOX_H

#include <stddef.h>
#include <stdint.h>

/* counter becomes the four random words. */
void philox(uint32_t counter[4], uint64_t key);

/* Values begin .. begin + count - 1 of the call-th row (from 0) that a generator of this seed
 * makes: rows are independent, so any part can be had by itself. */
void philox_normal(uint64_t seed, uint32_t call, size_t begin, size_t count, float *out);

#endif
