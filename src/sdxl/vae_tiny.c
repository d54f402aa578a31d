/* Reference: diffusers' AutoencoderTiny; its layers are numbered, with ReLUs and doublings. */
#include "sdxl/vae_tiny.h"

#include "sdxl/resnet.h"

static const float CLIP = 3;
static const float LOG_NOTHING = -30; /* a variance that adds nothing (vae_encode's bounds) */

/* ---- loading ---- */

void tiny_load(struct tiny_half *t, struct loader *l, const struct vae_config *c, bool encoder)
{
    const char *half = encoder ? "encoder" : "decoder";
    int width = c->channels[0], at = 0;
    int in = encoder ? c->in_channels : c->latent_channels;
    int out = encoder ? c->latent_channels : c->out_channels;
    for (int i = 0; i < c->levels; i++) {
        struct tiny_level *y = &t->level[i];
        at += !encoder && i > 0; /* the doubling */
        y->in = load_conv(l, name_of("%s.layers.%d", half, at++), width, i ? width : in, 3);
        at += !encoder && i == 0; /* the ReLU */
        y->count = c->tiny_blocks[encoder][i];
        for (int j = 0; j < y->count; j++, at++)
            for (int k = 0; k < 3; k++)
                y->block[j][k] = load_conv(l, name_of("%s.layers.%d.conv.%d", half, at, 2 * k),
                                           width, width, 3);
    }
    t->out = load_conv(l, name_of("%s.layers.%d", half, at), out, width, 3);
}

void tiny_free(struct tiny_half *t, struct ops *o)
{
    for (int i = 0; i < MAX_LEVELS; i++) {
        o->free_weight(o, t->level[i].in);
        for (int j = 0; j < t->level[i].count; j++)
            for (int k = 0; k < 3; k++)
                o->free_weight(o, t->level[i].block[j][k]);
    }
    o->free_weight(o, t->out);
}

/* ---- running ---- */

static struct tensor convolve(struct ops *o, const struct weight *w, const struct tensor *x, int h,
                              int width, int c, struct conv_args args)
{
    struct tensor y = o->alloc_as(o, o->act, x->n, h, width, c);
    o->conv2d(o, &y, x, w, &args);
    return y;
}

static void relu(struct ops *o, struct tensor *x)
{
    o->map(o, x, x, MAP_RELU, 0, 0);
}

/* x + three convolutions of it, and ReLUs; takes x. */
static struct tensor run_block(struct weight *const conv[3], struct ops *o, unsigned pad,
                               struct tensor x)
{
    struct conv_args args = conv3x3(pad);
    struct tensor a = convolve(o, conv[0], &x, x.h, x.w, x.c, args);
    relu(o, &a);
    struct tensor b = convolve(o, conv[1], &a, x.h, x.w, x.c, args);
    relu(o, &b);
    args.residual = &x;
    o->conv2d(o, &x, &b, conv[2], &args);
    relu(o, &x);
    o->release(o, &b);
    o->release(o, &a);
    return x;
}

static struct tensor run_blocks(const struct tiny_level *level, struct ops *o, unsigned pad,
                                struct tensor x)
{
    for (int j = 0; j < level->count; j++) {
        ops_enter(o, "res", j);
        x = run_block(level->block[j], o, pad, x);
        ops_leave(o);
    }
    return x;
}

void tiny_decode(const struct tiny_half *t, const struct vae_config *c, struct ops *o, unsigned pad,
                 const struct tensor *latent, struct tensor *image)
{
    struct conv_args args = conv3x3(pad), up = conv3x3(pad);
    up.upsample = true;
    ops_enter(o, "vae", -1);
    struct tensor plain = o->alloc_as(o, DT_F32, latent->n, latent->h, latent->w, latent->c);
    struct tensor x = ops_alloc_like(o, latent, latent->c);
    o->map(o, &plain, latent, MAP_LINE, 1 / c->scaling_factor, 0);
    o->map(o, &x, &plain, MAP_SOFT_CLIP, CLIP, 0);
    o->release(o, &plain);
    for (int i = 0; i < c->levels; i++) {
        int times = i ? 2 : 1;
        ops_enter(o, "up", i);
        struct tensor y = convolve(o, t->level[i].in, &x, times * x.h, times * x.w, c->channels[0],
                                   i ? up : args);
        o->release(o, &x);
        if (i == 0)
            relu(o, &y);
        x = run_blocks(&t->level[i], o, pad, y);
        ops_leave(o);
    }
    o->conv2d(o, image, &x, t->out, &args);
    o->map(o, image, image, MAP_LINE, 2, -1);
    o->release(o, &x);
    ops_leave(o);
}

void tiny_encode(const struct tiny_half *t, const struct vae_config *c, struct ops *o, unsigned pad,
                 const struct tensor *image, struct tensor *moments)
{
    struct conv_args args = conv3x3(pad), down = conv3x3(pad);
    int z = c->latent_channels;
    down.stride = 2;
    ops_enter(o, "vae", -1);
    struct tensor x = ops_alloc_like(o, image, image->c);
    o->map(o, &x, image, MAP_LINE, 0.5f, 0.5f);
    for (int i = 0; i < c->levels; i++) {
        int by = i ? 2 : 1;
        ops_enter(o, "down", i);
        struct tensor y = convolve(o, t->level[i].in, &x, x.h / by, x.w / by, c->channels[0],
                                   i ? down : args);
        o->release(o, &x);
        x = run_blocks(&t->level[i], o, pad, y);
        ops_leave(o);
    }
    struct tensor part = o->alloc_as(o, DT_F32, x.n, x.h, x.w, z);
    struct tensor mean = tensor_channels(*moments, 0, z);
    struct tensor variance = tensor_channels(*moments, z, z);
    o->conv2d(o, &part, &x, t->out, &args);
    o->copy(o, &mean, &part);
    o->map(o, &part, &part, MAP_LINE, 0, LOG_NOTHING);
    o->copy(o, &variance, &part);
    o->release(o, &part);
    o->release(o, &x);
    ops_leave(o);
}
