/*
 * The random numbers of torch's CPU generator, bit for bit: the noise that a seed means to
 * everybody.
 *
 * Normals in rows of 16 and more are those of torch on an x86-64 machine with AVX2 (or AVX-512: the
 * same code runs there), which takes its logarithm, sine and cosine from short polynomials in
 * float. torch on other machines (aarch64, or without AVX2) calls the C library instead; of a
 * million values 39% were then different, by 2e-6 at the most. We give the first kind everywhere.
 */
#ifndef SPRITTY_RNG_H
#define SPRITTY_RNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A generator; copied by assignment. Used by one thread at a time. */
struct rng {
    uint32_t state[624]; /* mt19937 */
    int next;            /* the state word that comes next; 624: make new ones first */
    bool has_spare;      /* the second normal of a pair, from a row of fewer than 16 */
    double spare;
};

/* As torch.Generator().manual_seed(seed): only the low 32 bits count. */
void rng_seed(struct rng *, uint64_t seed);

/* The next 32 bits. */
uint32_t rng_u32(struct rng *);

/* As torch.randn(count, generator=g), in float. The count matters: a row of 20 is not a row of 16
 * and one of 4. The spare normal that a row of fewer than 16 may leave waits through longer ones.
 */
void rng_normal(struct rng *, float *out, size_t count);

#endif
