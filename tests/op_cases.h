/*
 * The one table of op cases: every call of ops.h with the sizes that break things. It runs on every
 * backend (op_run.h does one case, test_ops.c and the GPU's test run the table), always against the
 * reference in f32 on the same inputs.
 *
 * A field that is not named is 0, which stands for the usual: n, w, k, stride, gain, sources 1.
 * The bounds of an op are in op_bounds; a case whose numbers are harder has bounds of its own. They
 * are about twice what was observed.
 */
#ifndef SPRITTY_OP_CASES_H
#define SPRITTY_OP_CASES_H

#include "ops/ops.h"

enum op_kind {
    OP_LINEAR,
    OP_GEGLU,
    OP_CONV,
    OP_GROUP_NORM,
    OP_LAYER_NORM,
    OP_ATTENTION,
    OP_CONCAT,
    OP_EMBEDDING,
    OP_COPY,
    OP_MAP,
    OP_COMBINE,
    OP_BLEND,
    OP_MATCH_STD,
    OP_KINDS
};

#define EXACT (-1.0f) /* a bound: not a bit */

enum op_residual { RES_NONE, RES_OTHER, RES_SELF };

struct op_case {
    enum op_kind op;
    const char *name;
    int n, h, w, c; /* the first input; tokens are h * w */
    int out;        /* linear, geglu, conv: outputs (of a source); concat: channels of b */
    enum act act;
#define EXACT (-1.0f) /* a bound: not a bit */

    enum op_residual residual;
    float mean, gain; /* inputs are about normal, times gain, plus mean */
    /* parameters */
    bool no_bias, transposed, unaligned;
    enum dtype stored;
    int sources; /* the first has `out` outputs, each further one more than the one before */
    /* convolution */
    int k, stride, before, after;
    bool upsample, upsample_odd, chan_add; /* odd: one row and column less than twice */
    unsigned pad;
    /* norms */
    int groups;
    bool silu, in_place;
    /* attention; keys 0: self attention */
    int keys, heads;
    bool causal, views;
    int skew; /* channels in front of a view, so that rows are not aligned */
    /* copy, layer norm: from f32; copy, conv, linear: to f32 */
    bool f32_in, f32_out;
    enum map_kind map; /* of 3 and -1 */
    /* combine: tensors, and which of them is y (from 1; 0 none); blend: 1 is a, 2 is b, and the
     * images of the mask are `count` */
    int count, alias;
    float f32, bf16; /* bounds; 0: those of the op */
    uint32_t seed;   /* of its values; 0: by its place in the table */
};

struct op_bound {
    const char *name;
    float f32, bf16;
};

static const struct op_bound op_bounds[OP_KINDS] = {
    [OP_LINEAR] = {"linear", 6e-7f, 3.5e-3f},
    [OP_GEGLU] = {"geglu", 5e-7f, 4e-3f},
    [OP_CONV] = {"conv2d", 1.2e-6f, 3.5e-3f},
    [OP_GROUP_NORM] = {"group_norm", 4e-7f, 3.4e-3f},
    [OP_LAYER_NORM] = {"layer_norm", 2.5e-7f, 3.4e-3f},
    [OP_ATTENTION] = {"attention", 2e-6f, 4.5e-3f},
    [OP_CONCAT] = {"concat", EXACT, EXACT},
    [OP_EMBEDDING] = {"embedding", 1e-7f, 3.4e-3f},
    [OP_COPY] = {"copy", EXACT, 3.4e-3f},
    [OP_MAP] = {"map", 2e-7f, 3.4e-3f},
    [OP_COMBINE] = {"combine", 2e-7f, 2e-7f},
    [OP_BLEND] = {"blend", 2e-7f, 2e-7f},
    [OP_MATCH_STD] = {"match_std", 3e-7f, 3e-7f},
};

#define CONV1      .k = 1
#define CONV3      .k = 3, .before = 1, .after = 1
#define EVERYTHING .chan_add = true, .act = ACT_SILU

static const struct op_case op_cases[] = {
    /* -- linear -- */
    {OP_LINEAR, "one row", .h = 1, .c = 320, .out = 1280},
    {OP_LINEAR, "one input, one output", .h = 3, .c = 1, .out = 1},
    {OP_LINEAR, "odd everything", .n = 3, .h = 7, .c = 77, .out = 5},
    {OP_LINEAR, "77 tokens", .n = 2, .h = 77, .c = 768, .out = 70},
    {OP_LINEAR, "blocks and their edges", .n = 1, .h = 257, .c = 333, .out = 525},
    {OP_LINEAR, "wide", .n = 2, .h = 64, .c = 640, .out = 1280},
    {OP_LINEAR, "many outputs, gelu", .h = 77, .c = 64, .out = 3072, .act = ACT_GELU},
    {OP_LINEAR, "many outputs, onto itself", .n = 2, .h = 9, .c = 40, .out = 2560,
     .residual = RES_SELF},
    {OP_LINEAR, "no bias", .h = 33, .c = 48, .out = 31, .no_bias = true},
    {OP_LINEAR, "silu", .h = 9, .c = 64, .out = 65, .act = ACT_SILU},
    {OP_LINEAR, "gelu", .h = 77, .c = 60, .out = 129, .act = ACT_GELU},
    {OP_LINEAR, "quick gelu", .h = 77, .c = 60, .out = 129, .act = ACT_QUICK_GELU},
    {OP_LINEAR, "silu far out", .h = 19, .c = 32, .out = 33, .act = ACT_SILU, .gain = 100},
    {OP_LINEAR, "gelu far out", .h = 19, .c = 32, .out = 33, .act = ACT_GELU, .gain = 100},
    {OP_LINEAR, "quick gelu far out", .h = 19, .c = 32, .out = 33, .act = ACT_QUICK_GELU,
     .gain = 100},
    {OP_LINEAR, "residual", .n = 2, .h = 50, .c = 96, .out = 80, .residual = RES_OTHER},
    {OP_LINEAR, "onto itself", .n = 2, .h = 50, .c = 96, .out = 80, .residual = RES_SELF},
    {OP_LINEAR, "gelu, onto itself", .h = 35, .c = 40, .out = 47, .act = ACT_GELU,
     .residual = RES_SELF},
    {OP_LINEAR, "no bias, onto itself", .h = 1, .c = 64, .out = 64, .no_bias = true,
     .residual = RES_SELF},
    {OP_LINEAR, "to the stream", .n = 2, .h = 50, .c = 96, .out = 80, .f32_out = true,
     .bf16 = 2e-6f},
    {OP_LINEAR, "to the stream, residual", .n = 2, .h = 50, .c = 96, .out = 80, .f32_out = true,
     .residual = RES_OTHER, .bf16 = 2e-6f},
    {OP_LINEAR, "onto the stream", .n = 3, .h = 33, .c = 100, .out = 77, .f32_out = true,
     .residual = RES_SELF, .bf16 = 2e-6f},
    {OP_LINEAR, "onto the stream, many outputs", .h = 33, .c = 40, .out = 2560, .f32_out = true,
     .residual = RES_SELF, .bf16 = 2e-6f},
    {OP_LINEAR, "three stacked", .n = 2, .h = 33, .c = 64, .out = 64, .sources = 3},
    {OP_LINEAR, "two stacked, bf16, unaligned", .h = 33, .c = 50, .out = 16, .sources = 2,
     .stored = DT_BF16, .unaligned = true},
    {OP_LINEAR, "three stacked, no bias, f16", .h = 12, .c = 128, .out = 20, .sources = 3,
     .no_bias = true, .stored = DT_F16},
    {OP_LINEAR, "transposed", .h = 2, .c = 96, .out = 40, .no_bias = true, .transposed = true},
    {OP_LINEAR, "transposed, f16, unaligned", .h = 2, .c = 33, .out = 41, .transposed = true,
     .stored = DT_F16, .unaligned = true},
    {OP_LINEAR, "f32, unaligned", .h = 5, .c = 33, .out = 17, .unaligned = true},

    {OP_GEGLU, "one row", .h = 1, .c = 64, .out = 256},
    {OP_GEGLU, "odd rows", .n = 3, .h = 13, .c = 40, .out = 33},
    {OP_GEGLU, "many rows", .n = 2, .h = 130, .c = 128, .out = 512},
    {OP_GEGLU, "many outputs", .n = 2, .h = 37, .c = 64, .out = 2560},
    {OP_GEGLU, "many outputs and rows", .h = 701, .c = 33, .out = 1280},
    {OP_GEGLU, "f16, unaligned", .h = 77, .c = 100, .out = 72, .stored = DT_F16, .unaligned = true},
    {OP_GEGLU, "no bias, far out", .h = 21, .c = 32, .out = 48, .no_bias = true, .gain = 30},

    /* -- convolution -- */
    {OP_CONV, "1x1", .n = 2, .h = 5, .w = 7, .c = 20, .out = 33, CONV1},
    {OP_CONV, "1x1, onto itself", .h = 8, .w = 8, .c = 64, .out = 64, CONV1, .residual = RES_SELF},
    {OP_CONV, "3x3, 4 channels in", .n = 2, .h = 16, .w = 16, .c = 4, .out = 64, CONV3},
    {OP_CONV, "3x3, 4 channels out", .n = 2, .h = 16, .w = 16, .c = 64, .out = 4, CONV3},
    {OP_CONV, "3x3, 3 channels out, one row", .h = 1, .w = 9, .c = 17, .out = 3, CONV3},
    {OP_CONV, "3x3, one pixel", .n = 3, .h = 1, .w = 1, .c = 16, .out = 16, CONV3},
    {OP_CONV, "3x3, odd everything", .n = 3, .h = 7, .w = 11, .c = 21, .out = 35, CONV3},
    {OP_CONV, "3x3, wide", .n = 2, .h = 12, .w = 10, .c = 320, .out = 160, CONV3},
    {OP_CONV, "3x3, big picture", .h = 33, .w = 65, .c = 32, .out = 48, CONV3},
    {OP_CONV, "3x3, no bias, f16, unaligned", .h = 6, .w = 6, .c = 16, .out = 16, CONV3,
     .no_bias = true, .stored = DT_F16, .unaligned = true},
    {OP_CONV, "3x3, bf16, unaligned", .h = 6, .w = 6, .c = 18, .out = 16, CONV3, .stored = DT_BF16,
     .unaligned = true},
    /* Winograd's, on CPUs: bf16 rounds inputs and filters once more */
    {OP_CONV, "3x3, many pixels, onto itself, channel add", .h = 26, .w = 40, .c = 64, .out = 66,
     CONV3, .residual = RES_SELF, .chan_add = true, .bf16 = 5e-3f},
    {OP_CONV, "3x3, many pixels, no bias, far out", .n = 2, .h = 32, .w = 32, .c = 64, .out = 64,
     CONV3, .residual = RES_OTHER, .no_bias = true, .mean = 30, .gain = 10, .bf16 = 6.5e-3f},
    {OP_CONV, "3x3, many pixels, odd channels, to the stream", .h = 32, .w = 34, .c = 75, .out = 69,
     CONV3, .residual = RES_SELF, .f32_out = true, .bf16 = 5e-3f},
    {OP_CONV, "stride 2", .n = 2, .h = 16, .w = 12, .c = 32, .out = 32, CONV3, .stride = 2},
    {OP_CONV, "stride 2, odd", .h = 7, .w = 9, .c = 12, .out = 20, CONV3, .stride = 2},
    {OP_CONV, "stride 2, padded after only", .n = 2, .h = 16, .w = 10, .c = 32, .out = 24, .k = 3,
     .after = 1, .stride = 2},
    {OP_CONV, "upsample", .n = 2, .h = 5, .w = 6, .c = 32, .out = 32, CONV3, .upsample = true},
    {OP_CONV, "upsample, one pixel", .h = 1, .w = 1, .c = 16, .out = 5, CONV3, .upsample = true},
    {OP_CONV, "upsample, everything", .n = 2, .h = 4, .w = 3, .c = 18, .out = 22, CONV3,
     .upsample = true, EVERYTHING, .residual = RES_OTHER},
    {OP_CONV, "circular x", .n = 2, .h = 6, .w = 8, .c = 16, .out = 32, CONV3,
     .pad = PAD_CIRCULAR_X},
    {OP_CONV, "circular y", .n = 2, .h = 6, .w = 8, .c = 16, .out = 32, CONV3,
     .pad = PAD_CIRCULAR_Y},
    {OP_CONV, "circular both, everything", .n = 2, .h = 6, .w = 5, .c = 21, .out = 32, CONV3,
     .pad = PAD_CIRCULAR_X | PAD_CIRCULAR_Y, EVERYTHING, .residual = RES_SELF},
    {OP_CONV, "circular, stride 2", .h = 8, .w = 8, .c = 16, .out = 16, CONV3, .stride = 2,
     .pad = PAD_CIRCULAR_X | PAD_CIRCULAR_Y},
    {OP_CONV, "circular x, upsample", .n = 2, .h = 4, .w = 5, .c = 16, .out = 24, CONV3,
     .upsample = true, .pad = PAD_CIRCULAR_X},
    {OP_CONV, "circular both, upsample", .h = 3, .w = 4, .c = 16, .out = 24, CONV3,
     .upsample = true, .pad = PAD_CIRCULAR_X | PAD_CIRCULAR_Y},
    {OP_CONV, "circular, tall, everything", .n = 2, .h = 24, .w = 5, .c = 16, .out = 16, CONV3,
     .pad = PAD_CIRCULAR_X | PAD_CIRCULAR_Y, EVERYTHING, .residual = RES_SELF},
    {OP_CONV, "circular, tall, upsample", .n = 2, .h = 12, .w = 5, .c = 16, .out = 16, CONV3,
     .upsample = true, .pad = PAD_CIRCULAR_X | PAD_CIRCULAR_Y},
    {OP_CONV, "circular, tall, stride 2", .h = 32, .w = 4, .c = 16, .out = 16, CONV3, .stride = 2,
     .pad = PAD_CIRCULAR_X | PAD_CIRCULAR_Y},
    {OP_CONV, "upsample to odd", .n = 2, .h = 3, .w = 4, .c = 16, .out = 24, CONV3,
     .upsample = true, .upsample_odd = true, EVERYTHING},
    {OP_CONV, "circular both, upsample to odd", .h = 3, .w = 4, .c = 16, .out = 24, CONV3,
     .upsample = true, .upsample_odd = true, .pad = PAD_CIRCULAR_X | PAD_CIRCULAR_Y},
    {OP_CONV, "to f32", .n = 2, .h = 9, .w = 8, .c = 64, .out = 4, CONV3, .f32_out = true,
     .bf16 = 2e-6f},
    {OP_CONV, "to f32, 3 channels", .h = 17, .w = 16, .c = 48, .out = 3, CONV3, .f32_out = true,
     .bf16 = 2e-6f},
    {OP_CONV, "channel add", .n = 3, .h = 5, .w = 4, .c = 32, .out = 48, CONV3, .chan_add = true},
    {OP_CONV, "silu", .h = 5, .w = 4, .c = 32, .out = 48, CONV3, .act = ACT_SILU},
    {OP_CONV, "residual", .n = 2, .h = 5, .w = 4, .c = 32, .out = 48, CONV3, .residual = RES_OTHER},
    {OP_CONV, "onto itself", .n = 2, .h = 5, .w = 4, .c = 32, .out = 47, CONV3,
     .residual = RES_SELF},
    {OP_CONV, "channel add, onto itself", .n = 2, .h = 5, .w = 4, .c = 32, .out = 32, CONV3,
     .chan_add = true, .residual = RES_SELF},
    {OP_CONV, "everything", .n = 3, .h = 9, .w = 7, .c = 40, .out = 56, CONV3, EVERYTHING,
     .residual = RES_OTHER},
    {OP_CONV, "1x1, everything, no bias", .n = 2, .h = 9, .w = 7, .c = 40, .out = 56, CONV1,
     EVERYTHING, .residual = RES_SELF, .no_bias = true},

    /* -- norms -- */
    {OP_GROUP_NORM, "one group", .n = 2, .h = 5, .w = 3, .c = 24, .groups = 1},
    {OP_GROUP_NORM, "8 groups, silu", .n = 2, .h = 8, .w = 8, .c = 48, .groups = 8, .silu = true},
    {OP_GROUP_NORM, "16 groups of 3", .n = 3, .h = 7, .w = 5, .c = 48, .groups = 16},
    {OP_GROUP_NORM, "32 groups", .h = 16, .w = 16, .c = 320, .groups = 32, .silu = true},
    {OP_GROUP_NORM, "32 groups of 1", .n = 2, .h = 4, .w = 4, .c = 32, .groups = 32},
    {OP_GROUP_NORM, "one pixel", .n = 3, .h = 1, .w = 1, .c = 64, .groups = 32, .silu = true},
    {OP_GROUP_NORM, "in place", .n = 2, .h = 9, .w = 9, .c = 64, .groups = 32, .silu = true,
     .in_place = true},
    {OP_GROUP_NORM, "mean 100", .n = 2, .h = 32, .w = 32, .c = 64, .groups = 32, .mean = 100},
    {OP_GROUP_NORM, "mean -1000", .h = 16, .w = 16, .c = 32, .groups = 8, .mean = -1000},
    {OP_GROUP_NORM, "tiny", .h = 6, .w = 6, .c = 32, .groups = 8, .gain = 1e-4f},
    {OP_GROUP_NORM, "huge", .h = 6, .w = 6, .c = 32, .groups = 8, .gain = 1e15f, .silu = true},
    {OP_GROUP_NORM, "f16 parameters, unaligned", .h = 4, .w = 4, .c = 20, .groups = 4,
     .stored = DT_F16, .unaligned = true},

    {OP_LAYER_NORM, "one row", .h = 1, .c = 768},
    {OP_LAYER_NORM, "odd", .n = 3, .h = 7, .c = 77},
    {OP_LAYER_NORM, "two channels", .h = 5, .c = 2},
    {OP_LAYER_NORM, "many rows", .n = 2, .h = 300, .c = 64},
    {OP_LAYER_NORM, "no beta, bf16, unaligned", .h = 9, .c = 48, .no_bias = true, .stored = DT_BF16,
     .unaligned = true},
    {OP_LAYER_NORM, "of the stream", .n = 2, .h = 31, .c = 640, .f32_in = true},
    {OP_LAYER_NORM, "of the stream, odd, no beta", .h = 7, .c = 77, .f32_in = true,
     .no_bias = true},
    {OP_LAYER_NORM, "mean 100", .h = 9, .c = 640, .mean = 100},

    /* -- attention; head size is c / heads -- */
    {OP_ATTENTION, "one query, one key", .h = 1, .c = 64, .heads = 1},
    {OP_ATTENTION, "size 16", .n = 2, .h = 33, .c = 48, .heads = 3},
    {OP_ATTENTION, "size 32", .n = 2, .h = 64, .c = 128, .heads = 4},
    {OP_ATTENTION, "size 40", .n = 2, .h = 50, .c = 320, .heads = 8},
    {OP_ATTENTION, "size 64", .n = 2, .h = 100, .c = 320, .heads = 5},
    {OP_ATTENTION, "size 64, blocks and their edges", .h = 530, .c = 64, .heads = 1},
    {OP_ATTENTION, "size 64, 20 heads", .h = 37, .c = 1280, .heads = 20},
    {OP_ATTENTION, "size 128", .h = 61, .c = 256, .heads = 2},
    {OP_ATTENTION, "size 512", .h = 12, .w = 12, .c = 512, .heads = 1},
    {OP_ATTENTION, "size 7", .h = 21, .c = 21, .heads = 3},
    {OP_ATTENTION, "one query, 77 keys", .h = 1, .c = 128, .heads = 2, .keys = 77},
    {OP_ATTENTION, "77 keys", .n = 3, .h = 10, .w = 9, .c = 128, .heads = 2, .keys = 77},
    {OP_ATTENTION, "one key", .n = 2, .h = 9, .c = 128, .heads = 2, .keys = 1},
    {OP_ATTENTION, "many keys", .h = 17, .c = 80, .heads = 2, .keys = 700},
    {OP_ATTENTION, "causal, size 64", .n = 2, .h = 77, .c = 128, .heads = 2, .causal = true},
    {OP_ATTENTION, "causal, size 16, views", .n = 2, .h = 77, .c = 64, .heads = 4, .causal = true,
     .views = true},
    {OP_ATTENTION, "causal, longer than a block", .h = 290, .c = 64, .heads = 1, .causal = true},
    {OP_ATTENTION, "causal, one query", .n = 2, .h = 1, .c = 32, .heads = 1, .causal = true},
    {OP_ATTENTION, "views", .n = 2, .h = 7, .w = 9, .c = 128, .heads = 2, .views = true},
    {OP_ATTENTION, "views, 77 keys", .n = 2, .h = 40, .c = 160, .heads = 4, .keys = 77,
     .views = true},
    {OP_ATTENTION, "unaligned views", .n = 2, .h = 30, .c = 64, .heads = 2, .views = true,
     .skew = 3},
    {OP_ATTENTION, "sharp", .n = 2, .h = 90, .c = 128, .heads = 2, .gain = 5},
    {OP_ATTENTION, "scores beyond exp", .h = 40, .c = 64, .heads = 1, .gain = 30},

    /* -- moving values -- */
    {OP_CONCAT, "even", .n = 2, .h = 4, .w = 5, .c = 64, .out = 32},
    {OP_CONCAT, "odd", .n = 3, .h = 3, .w = 3, .c = 5, .out = 13},
    {OP_CONCAT, "one row", .h = 1, .c = 1280, .out = 1536},

    {OP_EMBEDDING, "77 tokens", .n = 2, .h = 77, .c = 64, .out = 100},
    {OP_EMBEDDING, "odd, f16, unaligned", .n = 3, .h = 5, .c = 37, .out = 9, .stored = DT_F16,
     .unaligned = true},
    {OP_EMBEDDING, "one token, bf16", .h = 1, .c = 16, .out = 3, .stored = DT_BF16},

    {OP_COPY, "dense", .n = 2, .h = 5, .w = 3, .c = 17, .bf16 = EXACT},
    {OP_COPY, "between views", .n = 2, .h = 5, .w = 3, .c = 33, .views = true, .skew = 2,
     .bf16 = EXACT},
    {OP_COPY, "from f32", .n = 2, .h = 9, .w = 9, .c = 4, .f32_in = true},
    {OP_COPY, "to f32", .n = 2, .h = 9, .w = 9, .c = 4, .f32_out = true, .bf16 = EXACT},
    {OP_COPY, "from f32, between views", .n = 2, .h = 9, .c = 19, .f32_in = true, .views = true,
     .skew = 1},
    {OP_COPY, "to f32, between views", .n = 2, .h = 9, .c = 19, .f32_out = true, .views = true,
     .skew = 1, .bf16 = EXACT},
    {OP_COPY, "f32", .h = 9, .c = 19, .f32_in = true, .f32_out = true, .bf16 = EXACT},

    {OP_MAP, "line", .n = 2, .h = 7, .w = 5, .c = 3, .map = MAP_LINE},
    {OP_MAP, "line, f32", .h = 9, .w = 6, .c = 4, .map = MAP_LINE, .f32_in = true, .f32_out = true,
     .bf16 = 2e-7f},
    {OP_MAP, "relu, in place", .n = 2, .h = 33, .w = 17, .c = 64, .map = MAP_RELU, .in_place = true,
     .bf16 = EXACT, .f32 = EXACT},
    {OP_MAP, "relu, many", .h = 61, .w = 64, .c = 64, .map = MAP_RELU, .bf16 = EXACT, .f32 = EXACT},
    {OP_MAP, "soft clip, from f32", .n = 2, .h = 16, .w = 15, .c = 4, .map = MAP_SOFT_CLIP,
     .gain = 4, .f32_in = true},
    {OP_MAP, "soft clip, far out", .h = 5, .w = 5, .c = 4, .map = MAP_SOFT_CLIP, .gain = 400},
    {OP_MAP, "soft clip, near nothing", .h = 5, .w = 5, .c = 4, .map = MAP_SOFT_CLIP, .gain = 0.02f,
     .f32 = 1e-5f},

    {OP_COMBINE, "one", .h = 5, .w = 5, .c = 4, .count = 1},
    {OP_COMBINE, "one, in place", .h = 5, .w = 5, .c = 4, .count = 1, .alias = 1},
    {OP_COMBINE, "two, y is the second", .n = 2, .h = 33, .w = 17, .c = 4, .count = 2, .alias = 2},
    {OP_COMBINE, "three, y is the first", .h = 7, .w = 3, .c = 3, .count = 3, .alias = 1},
    {OP_COMBINE, "four", .n = 2, .h = 16, .w = 16, .c = 4, .count = 4},
    {OP_COMBINE, "four, y is the last", .n = 2, .h = 16, .w = 16, .c = 4, .count = 4, .alias = 4},

    {OP_BLEND, "one mask for all", .n = 3, .h = 7, .w = 5, .c = 4, .count = 1},
    {OP_BLEND, "a mask each", .n = 3, .h = 7, .w = 5, .c = 4, .count = 3},
    {OP_BLEND, "onto a", .n = 2, .h = 16, .w = 17, .c = 4, .count = 1, .alias = 1},
    {OP_BLEND, "onto b", .h = 9, .w = 9, .c = 3, .count = 1, .alias = 2},

    {OP_MATCH_STD, "half", .n = 3, .h = 7, .w = 5, .c = 4, .gain = 0.5f},
    {OP_MATCH_STD, "all, off centre", .n = 2, .h = 33, .w = 17, .c = 4, .gain = 1, .mean = 9},
    {OP_MATCH_STD, "none", .h = 3, .w = 3, .c = 4, .gain = 0.25f},
};

enum { OP_CASES = sizeof op_cases / sizeof op_cases[0] };

#endif
