/*
 * The noise of a run: the first, and what the samplers add, as ComfyUI, A1111 and diffusers draw it
 * from a seed.
 *
 *              first                    fresh noise of a step          Brownian trees
 *   comfyui    one CPU row, all images  GPU row, the same seed         one over all images, CPU
 *              (CPU: a new generator of seed + 1)
 *   a1111      a generator an image, seed + its index, which goes on   one an image
 *   diffusers  one generator for all, which goes on                    none: fresh noise
 *
 * rng says on what torch draws: auto is the GPU for A1111 and for ComfyUI's steps, else the CPU.
 * Rows are in torch's order [n, c, h, w]; what comes out here is [n, h, w, c].
 */
#ifndef SPRITTY_NOISE_H
#define SPRITTY_NOISE_H

#include <stdbool.h>

#include "base/err.h"
#include "sdxl/compat.h"
#include "sdxl/rng.h"

/* A torch generator, on either device. */
struct normals {
    bool gpu;
    struct rng cpu;
    uint64_t seed;
    uint32_t call; /* GPU: rows made */
    size_t done;   /* GPU: values of this row made */
};

void normals_seed(struct normals *, uint64_t seed, bool gpu);
/* The next values of a row of torch.randn. A row may be had in parts: all but the last are
 * multiples of 16, the last is of 16 or more, unless the row is shorter. */
void normals_part(struct normals *, float *out, size_t count);
/* The row is done. */
void normals_end(struct normals *);

struct noise_setup {
    enum compat compat;
    enum rng_kind rng;
    uint64_t seed;
    const uint64_t *seeds; /* in its place: one for each of `parts` parts of as many pictures,  */
    int parts;             /* drawn as if each was alone; 0: one part, from `seed` */
    int n, c, h, w;        /* of the latents: of the whole batch */
    int first, images;     /* those of the batch that are wanted; images 0: all. Not of parts */
    bool brownian;         /* whether noise_between will be asked for */
    int threads;           /* for trees; 0: all cores */
    double sigma_low, sigma_high; /* the lowest over 0 and the highest of the run */
};

struct noise;

/* All memory is taken here. NULL and err without it. */
struct noise *noise_open(const struct noise_setup *, struct err *);
void noise_close(struct noise *);

/* Into images * h * w * c floats. noise_first is to be called once, before the others. */
void noise_first(struct noise *, float *nhwc);
/* One picture's, h * w * c floats, from the first generator: what diffusers draws for an encoded
 * image, before or after noise_first. Not of several parts. */
void noise_extra(struct noise *, float *hwc);
void noise_next(struct noise *, float *nhwc);
/* Another of a whole picture, behind noise_first: what ComfyUI's ddim lays over what a mask keeps.
 * A CPU generator of seed + 1, whatever draws the steps' noise, which stays what it is. */
void noise_masked(struct noise *, float *nhwc);
/* ComfyUI's refiner is a sampler of its own: noise and trees begin anew, over its own sigmas. */
void noise_restart(struct noise *, double sigma_low, double sigma_high);
/* What a Brownian motion over the run's sigmas does between two of them, divided by the root of
 * their distance: unit noise, which is consistent over all intervals asked for. */
void noise_between(struct noise *, double from, double to, float *nhwc);

/* What the first noise is multiplied by at the first sigma, `highest` being the model's. */
double noise_scale(enum compat, double sigma, double highest);

#endif
