/*
 * Sizes of the CUDA backend's memory beside weights and tensors, for the backend and for the
 * forecast, which runs where there is no CUDA.
 */
#ifndef SPRITTY_GPU_SIZES_H
#define SPRITTY_GPU_SIZES_H

#include <stddef.h>

/* group_norm's scratch: counters, then a scale for each image and group, then the moments of up to
 * so many chunks of each. */
enum {
    GROUP_NORM_COUNTERS = 4096,
    GROUP_NORM_IMAGES = GROUP_NORM_COUNTERS / 4,
    GROUP_NORM_CHUNKS = 256,
    GROUP_NORM_SCALE = 16, /* bytes */
    GROUP_NORM_MOMENTS = 8 /* bytes */
};

/* The libraries' scratch, and what lies between two of their calls: taken once. */
enum { GPU_WORKSPACE = 320 << 20 };

/* Where the UNet's weights come to that live in pinned memory: at most half of it is one weight's
 * (the largest of SDXL takes 118 MB in f32). */
enum { GPU_WINDOW = 256 << 20 };

static inline size_t gpu_group_norm_bytes(int images, int groups)
{
    size_t each = (size_t)images * (size_t)groups;
    return GROUP_NORM_COUNTERS + each * (GROUP_NORM_SCALE + GROUP_NORM_CHUNKS * GROUP_NORM_MOMENTS);
}

#endif
