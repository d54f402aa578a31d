/*
 * A Brownian motion that a seed fixes at all times at once: torchsde's BrownianTree, which
 * k-diffusion's SDE samplers take their noise from, bit for bit.
 *
 * The interval is halved again and again, down to 1e-6; each half has a seed of its own, numpy's
 * SeedSequence of the tree's seed and its place. The increment over any two times is a sum over
 * few tree nodes, for which some fifty rows of normals are drawn anew each time.
 */
#ifndef SPRITTY_NOISE_BROWNIAN_H
#define SPRITTY_NOISE_BROWNIAN_H

#include <stddef.h>

#include "sdxl/noise.h"

struct brownian; /* room to work in, for any number of trees; not shared between threads */

/* threads: that share the drawing, 0 for all cores; the numbers do not depend on it. */
struct brownian *brownian_open(int threads, struct err *);
void brownian_close(struct brownian *);

struct brownian_tree {
    double low, high; /* times, floats in value */
    uint64_t seed;
    bool gpu;     /* on what torch draws the normals */
    size_t count; /* of values */
};

/* out[count] = W(to) - W(from), as floats, from < to. */
void brownian_increment(struct brownian *, const struct brownian_tree *, double from, double to,
                        float *out);

/* numpy.random.SeedSequence(entropy, spawn_key=spawn[0 .. spawns - 1], pool_size=24), the first
 * words of generate_state. */
void seed_sequence(uint64_t entropy, const uint64_t *spawn, int spawns, uint32_t *out, int words);

#endif
