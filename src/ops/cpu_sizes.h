/*
 * How the CPU backend cuts its calls and what scratch that takes: pure functions of sizes, which
 * the backend computes by and the forecast counts by.
 */
#ifndef SPRITTY_CPU_SIZES_H
#define SPRITTY_CPU_SIZES_H

#include "ops/check.h"
#include "ops/cpu_features.h"

enum {
    CPU_SEGMENTS = 32,                 /* most of a linear */
    CPU_SEGMENT_OUT = 1280,            /* most outputs of one */
    CPU_WIDE = 2 * CPU_SEGMENT_OUT,    /* from here on a linear has segments */
    CPU_GEGLU_BYTES = 6 * 1024 * 1024, /* of scratch at once: what the caches keep */
    CPU_BAND_BYTES = 2 * 1024 * 1024,
    CPU_HALF_VALUES = 1 << 20, /* from here on a weight is held in 16 bits */
    CPU_WINOGRAD_PIXELS = 1024,
    CPU_WINOGRAD_FILTERS = 640 * 960,
    CPU_WINOGRAD_BYTES = 8 * 1024 * 1024
};

/* To whole cache lines. */
static inline size_t cpu_whole_lines(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* In how many equal segments along its outputs a linear is kept: an even number for what looks like
 * a geglu's (4 times as wide as its input, twice). Others stay whole: oneDNN 2.6 has its fast
 * kernel only for outputs whose rows follow each other without gaps. */
static inline int cpu_linear_segments(int64_t in, int64_t out)
{
    if (out >= CPU_WIDE && out == 8 * in)
        for (int n = 2; n <= CPU_SEGMENTS; n += 2)
            if (out % (n * 64) == 0 && out / n <= CPU_SEGMENT_OUT)
                return n;
    return 1;
}

/* Outputs that a geglu computes at once: a segment of each half. */
static inline int64_t cpu_geglu_width(int64_t in, int64_t out)
{
    int segments = cpu_linear_segments(in, out);
    return segments == 1 ? out : 2 * out / segments;
}

/* Rows of a geglu at once, so that both halves of a segment stay in cache; even shares, so that few
 * sizes come up. */
static inline int64_t cpu_geglu_rows(int64_t rows, int64_t width)
{
    int64_t most = CPU_GEGLU_BYTES / (width * (int64_t)sizeof(float));
    most = most < 64 ? 64 : most;
    int64_t shares = (rows + most - 1) / most;
    return ((rows + shares - 1) / shares + 15) / 16 * 16;
}

static inline size_t cpu_geglu_scratch(int64_t rows, int64_t in, int64_t out)
{
    int64_t width = cpu_geglu_width(in, out);
    return (size_t)(cpu_geglu_rows(rows, width) * width) * sizeof(float);
}

/* A bias for each image, where something is added to its channels; a multiple of 64. */
static inline size_t cpu_conv_bias_bytes(const struct tensor *y, const struct conv_args *a)
{
    return a->chan_add ? cpu_whole_lines((size_t)y->c * sizeof(float)) : 0;
}

/* A doubling and 3x3 convolution that is done as four 2x2 ones (cpu_upsample.h): the plain case,
 * which is every one in SDXL. fold: where it is wanted. */
static inline bool cpu_conv_by_parts(const struct tensor *y, const struct tensor *x, int k,
                                     const struct conv_args *a, bool fold)
{
    return fold && a->upsample && k == 3 && a->pad == PAD_ZERO && a->pad_before == 1 &&
           a->pad_after == 1 && !a->residual && y->h == 2 * x->h && y->w == 2 * x->w &&
           y->dtype == x->dtype;
}

/* Whether convolutions are done so where they are fit for it (below). way: enum tune_switch. Not by
 * itself where AMX multiplies bf16: there the sums would take longer than the products that they
 * save. Nothing but the kind of CPU decides, as rounding depends on it. */
static inline bool cpu_winograd_on(enum dtype act, const struct cpu_features *f, int way, int nhwc)
{
    bool best = act == DT_F32 || !f->amx_bf16;
    return nhwc != TUNE_OFF && (way == TUNE_ON || (way == TUNE_AUTO && best));
}

/* Values of a weight as oneDNN lays them out: with AVX-512 matrices come in blocks of 64 outputs by
 * 64 bytes of inputs, filters in blocks of 16 outputs. The widths of SDXL fill them, small models'
 * do not. */
static inline size_t cpu_packed_count(int64_t out, int64_t in, int k, enum dtype type,
                                      const struct cpu_features *f)
{
    int64_t wide = f->isa < ISA_AVX512 ? 1 : k == 1 ? 64 : 16;
    int64_t deep = f->isa < ISA_AVX512 || k > 1 ? 1 : 64 / (int64_t)dtype_size(type);
    return (size_t)((out + wide - 1) / wide * wide) * (size_t)((in + deep - 1) / deep * deep) *
           (size_t)k * (size_t)k;
}

/* The type that a weight's or table's values are held as: the act type, or what all of its sources
 * have in the file (above) where that is narrower. Other values than the file's are rounded to it.
 * way: enum weights_way. */
static inline enum dtype cpu_held_as(enum dtype act, int way, const struct param *p, int sources,
                                     int64_t values)
{
    bool wanted = way == WEIGHTS_HALF || (way == WEIGHTS_AUTO && values >= CPU_HALF_VALUES);
    return act == DT_F32 && wanted ? params_stored(p, sources) : act;
}

/* A 3x3 convolution that is done in 16 products for four pixels (cpu_winograd.h), where `on`: of
 * even sizes and enough pixels, and where the filters' own room, 16/9 of what they are, is small
 * beside what they save. */
static inline bool cpu_conv_winograd(const struct tensor *y, const struct tensor *x, int k,
                                     const struct conv_args *a, bool on)
{
    return on && k == 3 && a->stride == 1 && !a->upsample && a->pad == PAD_ZERO &&
           a->pad_before == 1 && a->pad_after == 1 && a->act == ACT_NONE && y->h % 2 == 0 &&
           y->w % 2 == 0 && x->c >= 64 && y->c >= 64 && tensor_tokens(y) >= CPU_WINOGRAD_PIXELS &&
           (int64_t)x->c * y->c <= CPU_WINOGRAD_FILTERS;
}

/* Tiles of 2x2 pixels at once there, of `all` of an image. */
static inline int64_t cpu_winograd_tiles(int64_t all, int64_t in, int64_t out, enum dtype act)
{
    int64_t each = 16 * (in * (int64_t)dtype_size(act) + out * (int64_t)sizeof(float));
    int64_t tiles = CPU_WINOGRAD_BYTES / each;
    tiles = tiles < 64 ? 64 : tiles / 16 * 16;
    return tiles < all ? tiles : all;
}

/* Zeros for a pixel outside the image, and for a bias. */
static inline size_t cpu_winograd_zeros(int64_t in, int64_t out)
{
    return cpu_whole_lines((size_t)(in > out ? in : out) * sizeof(float));
}

/* Values from one of the 16 parts of all tiles to the next: an odd number of cache lines, or the
 * sums, which go through all 16 side by side, would have them in the same few places of a cache. */
static inline int64_t cpu_winograd_part(int64_t tiles, int64_t channels, enum dtype type)
{
    int64_t line = 64 / (int64_t)dtype_size(type);
    return ((tiles * channels + line - 1) / line | 1) * line;
}

static inline size_t cpu_winograd_bytes(const struct tensor *y, const struct tensor *x)
{
    int64_t tiles = cpu_winograd_tiles(tensor_tokens(y) / 4, x->c, y->c, x->dtype);
    return 16 * (size_t)cpu_winograd_part(tiles, x->c, x->dtype) * dtype_size(x->dtype) +
           16 * (size_t)cpu_winograd_part(tiles, y->c, DT_F32) * sizeof(float) +
           cpu_winograd_zeros(x->c, y->c);
}

/* Rows of the input at once there: what they make of one part stays in cache. */
static inline int cpu_upsample_rows(int h, int w, int out, enum dtype type)
{
    int64_t rows = CPU_BAND_BYTES / ((int64_t)w * out * (int64_t)dtype_size(type));
    return rows < 1 ? 1 : rows > h ? h : (int)rows;
}

/* Such a band, or the input spelled out, with its padding and doubled, where oneDNN cannot read it
 * as it is. */
static inline size_t cpu_conv_room_bytes(const struct tensor *y, const struct tensor *x, int k,
                                         const struct conv_args *a, bool fold)
{
    int pad = a->pad_before + a->pad_after;
    if (cpu_conv_by_parts(y, x, k, a, fold))
        return (size_t)cpu_upsample_rows(x->h, x->w, y->c, x->dtype) * (size_t)x->w * (size_t)y->c *
               dtype_size(x->dtype);
    if (!a->upsample && (a->pad == PAD_ZERO || pad == 0))
        return 0;
    size_t images = a->chan_add ? 1 : (size_t)x->n;
    return images * (size_t)(conv_in_size(x->h, y->h, k, a) + pad) *
           (size_t)(conv_in_size(x->w, y->w, k, a) + pad) * (size_t)x->c * dtype_size(x->dtype);
}

/* With nhwc off: planes of what such a 3x3 convolution reads and writes at once; `room` is what
 * cpu_conv_room_bytes says. Multiples of 64. */
static inline size_t cpu_planes_in_bytes(const struct tensor *x, const struct conv_args *a,
                                         size_t room)
{
    size_t images = a->chan_add ? 1 : (size_t)x->n;
    size_t bytes = images * (size_t)tensor_tokens(x) * (size_t)x->c * dtype_size(x->dtype);
    return cpu_whole_lines(room ? room : bytes);
}

static inline size_t cpu_planes_out_bytes(const struct tensor *y, const struct conv_args *a)
{
    size_t images = a->chan_add ? 1 : (size_t)y->n;
    return cpu_whole_lines(images * (size_t)tensor_tokens(y) * (size_t)y->c * dtype_size(y->dtype));
}

static inline size_t cpu_conv_planes_bytes(const struct tensor *y, const struct tensor *x, int k,
                                           const struct conv_args *a, bool fold)
{
    size_t room = cpu_conv_room_bytes(y, x, k, a, fold);
    return k != 3 || cpu_conv_by_parts(y, x, k, a, fold)
               ? 0
               : cpu_planes_in_bytes(x, a, room) + cpu_planes_out_bytes(y, a) + 64;
}

/* Multiply-adds an output value for each input channel. */
static inline int cpu_conv_taps(const struct tensor *y, const struct tensor *x, int k,
                                const struct conv_args *a, bool fold)
{
    return cpu_conv_by_parts(y, x, k, a, fold) ? 4 : k * k;
}

#endif
