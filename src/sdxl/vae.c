/* Reference: diffusers' AutoencoderKL. */
#include "sdxl/vae.h"

#include <string.h>

#include "sdxl/attention.h"

static const float NORM_EPS = 1e-6f; /* fixed in the reference's code */
static const float FP16_STREAM = 1.0f / 64;

/* ---- loading ---- */

void vae_init(struct vae *v, const struct vae_config *c)
{
    memset(v, 0, sizeof *v);
    v->config = *c;
    assert(c->levels >= 1 && c->levels <= MAX_LEVELS && c->layers <= MAX_BLOCKS);
}

/* The middle's attention was a convolution in the original checkpoints, and had other names in old
 * diffusers ones; checkpoint.h gives it under today's names. */
static void load_middle(const struct vae *v, struct vae_middle *m, struct loader *l,
                        const char *half, int c)
{
    struct name base = name_of("%s.mid_block", half);
    resnet_load(&m->res[0], l, name_of("%s.resnets.0", base.s), c, c, 0);
    if (v->config.mid_attention) {
        struct name qkv[3] = {name_of("%s.attentions.0.to_q", base.s),
                              name_of("%s.attentions.0.to_k", base.s),
                              name_of("%s.attentions.0.to_v", base.s)};
        m->norm = load_norm(l, name_of("%s.attentions.0.group_norm", base.s), c);
        m->qkv = load_stacked(l, qkv, 3, c, c);
        m->out = load_linear(load_writer(l, STREAM_FROM_NORMED),
                             name_of("%s.attentions.0.to_out.0", base.s), c, c);
    }
    resnet_load(&m->res[1], l, name_of("%s.resnets.1", base.s), c, c, 0);
}

/* Both halves are scaled alike. */
static void choose_stream(struct vae *v, struct loader *l)
{
    if (v->stream == 0)
        v->stream = l->ops->act == DT_F16 ? FP16_STREAM : 1;
    l->stream = v->stream;
}

static int load_tiny(struct vae *v, struct loader *l, bool encoder)
{
    v->stream = l->stream = 1; /* its values are small */
    tiny_load(&v->tiny[encoder], l, &v->config, encoder);
    return l->failed ? -1 : 0;
}

int vae_load_decoder(struct vae *v, struct loader *l)
{
    if (v->config.tiny)
        return load_tiny(v, l, false);
    choose_stream(v, l);
    const struct vae_config *c = &v->config;
    struct vae_half *d = &v->decoder;
    int top = c->levels - 1, in = c->channels[top], z = c->latent_channels;
    if (c->post_quant_conv)
        d->quant = load_conv(l, name_of("post_quant_conv"), z, z, 1);
    d->conv_in = load_conv(load_writer(l, STREAM_FROM_NORMED), name_of("decoder.conv_in"), in, z,
                           3);
    load_middle(v, &d->mid, l, "decoder", in);
    for (int i = 0; i < c->levels; i++) {
        struct vae_level *y = &d->level[i];
        int out = c->channels[top - i];
        y->count = c->layers + 1;
        for (int j = 0; j < y->count; j++)
            resnet_load(&y->res[j], l, name_of("decoder.up_blocks.%d.resnets.%d", i, j),
                        j ? out : in, out, 0);
        if (i < top)
            y->sample = load_conv(load_writer(l, STREAM_FROM_STREAM),
                                  name_of("decoder.up_blocks.%d.upsamplers.0.conv", i), out, out,
                                  3);
        in = out;
    }
    d->norm_out = load_norm(l, name_of("decoder.conv_norm_out"), in);
    d->conv_out = load_conv(l, name_of("decoder.conv_out"), c->out_channels, in, 3);
    return l->failed ? -1 : 0;
}

int vae_load_encoder(struct vae *v, struct loader *l)
{
    if (v->config.tiny)
        return load_tiny(v, l, true);
    choose_stream(v, l);
    const struct vae_config *c = &v->config;
    struct vae_half *e = &v->encoder;
    int in = c->channels[0], z = 2 * c->latent_channels;
    e->conv_in = load_conv(load_writer(l, STREAM_FROM_NORMED), name_of("encoder.conv_in"), in,
                           c->in_channels, 3);
    for (int i = 0; i < c->levels; i++) {
        struct vae_level *y = &e->level[i];
        int out = c->channels[i];
        y->count = c->layers;
        for (int j = 0; j < y->count; j++)
            resnet_load(&y->res[j], l, name_of("encoder.down_blocks.%d.resnets.%d", i, j),
                        j ? out : in, out, 0);
        if (i + 1 < c->levels)
            y->sample = load_conv(load_writer(l, STREAM_FROM_STREAM),
                                  name_of("encoder.down_blocks.%d.downsamplers.0.conv", i), out,
                                  out, 3);
        in = out;
    }
    load_middle(v, &e->mid, l, "encoder", in);
    e->norm_out = load_norm(l, name_of("encoder.conv_norm_out"), in);
    e->conv_out = load_conv(l, name_of("encoder.conv_out"), z, in, 3);
    if (c->quant_conv)
        e->quant = load_conv(l, name_of("quant_conv"), z, z, 1);
    return l->failed ? -1 : 0;
}

static void free_half(struct vae_half *h, struct ops *o)
{
    struct weight *all[] = {h->conv_in,  h->norm_out, h->conv_out, h->quant,
                            h->mid.norm, h->mid.qkv,  h->mid.out};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        o->free_weight(o, all[i]);
    resnet_free(&h->mid.res[0], o);
    resnet_free(&h->mid.res[1], o);
    for (int i = 0; i < MAX_LEVELS; i++) {
        for (int j = 0; j <= MAX_BLOCKS; j++)
            resnet_free(&h->level[i].res[j], o);
        o->free_weight(o, h->level[i].sample);
    }
}

void vae_drop_encoder(struct vae *v, struct ops *o)
{
    free_half(&v->encoder, o);
    tiny_free(&v->tiny[1], o);
    memset(&v->encoder, 0, sizeof v->encoder);
    memset(&v->tiny[1], 0, sizeof v->tiny[1]);
}

void vae_free(struct vae *v, struct ops *o)
{
    free_half(&v->decoder, o);
    free_half(&v->encoder, o);
    tiny_free(&v->tiny[0], o);
    tiny_free(&v->tiny[1], o);
    memset(v, 0, sizeof *v);
}

/* ---- running ---- */

/* Of norms that read the stream. */
static float stream_eps(const struct vae *v)
{
    return NORM_EPS * v->stream * v->stream;
}

static struct tensor run_res(const struct vae *v, struct ops *o, const struct resnet *r, int at,
                             struct tensor x)
{
    struct resnet_spec spec = {.groups = v->config.norm_groups,
                               .eps = NORM_EPS,
                               .pad = v->pad,
                               .stream_eps = stream_eps(v),
                               .out = o->act};
    ops_enter(o, "res", at);
    struct tensor y = resnet_run(r, o, &x, false, NULL, spec);
    ops_leave(o);
    return y;
}

static void run_attention(const struct vae *v, struct ops *o, const struct vae_middle *m,
                          struct tensor *x)
{
    int c = x->c;
    ops_enter(o, "attn", -1);
    struct tensor a = ops_alloc_like(o, x, c), qkv = ops_alloc_like(o, x, 3 * c);
    o->group_norm(o, &a, x, m->norm, v->config.norm_groups, stream_eps(v), false);
    o->linear(o, &qkv, &a, m->qkv, ACT_NONE, NULL);
    attend_self(o, &a, qkv, 1, false);
    o->linear(o, x, &a, m->out, ACT_NONE, x);
    o->release(o, &qkv);
    o->release(o, &a);
    ops_leave(o);
}

static struct tensor run_middle(const struct vae *v, struct ops *o, const struct vae_middle *m,
                                struct tensor x)
{
    ops_enter(o, "mid", -1);
    x = run_res(v, o, &m->res[0], 0, x);
    if (m->qkv)
        run_attention(v, o, m, &x);
    x = run_res(v, o, &m->res[1], 1, x);
    ops_leave(o);
    return x;
}

/* Norm, SiLU and the last convolution; takes x. */
static void run_out(const struct vae *v, struct ops *o, const struct vae_half *h, struct tensor x,
                    struct tensor *y)
{
    struct conv_args args = conv3x3(v->pad);
    ops_enter(o, "out", -1);
    o->group_norm(o, &x, &x, h->norm_out, v->config.norm_groups, stream_eps(v), true);
    o->conv2d(o, y, &x, h->conv_out, &args);
    o->release(o, &x);
    ops_leave(o);
}

/* Undoes the scaling, into the ops' type. */
static struct tensor unscale(const struct vae *v, struct ops *o, const struct tensor *latent)
{
    const struct vae_config *c = &v->config;
    assert(c->shift_factor == 0.0f);
    struct tensor plain = o->alloc_as(o, DT_F32, latent->n, latent->h, latent->w,
                                      c->latent_channels);
    struct tensor z = ops_alloc_like(o, latent, c->latent_channels);
    float k = 1.0f / c->scaling_factor;
    o->combine(o, &plain, 1, &k, (const struct tensor *const[]){latent});
    o->copy(o, &z, &plain);
    o->release(o, &plain);
    return z;
}

/* Takes x. */
static struct tensor resample(struct ops *o, const struct weight *conv, struct tensor x, int h,
                              int w, const struct conv_args *args)
{
    ops_enter(o, "sample", -1);
    struct tensor y = o->alloc_as(o, o->act, x.n, h, w, x.c);
    o->conv2d(o, &y, &x, conv, args);
    o->release(o, &x);
    ops_leave(o);
    return y;
}

void vae_decode(const struct vae *v, struct ops *o, const struct tensor *latent,
                struct tensor *image)
{
    const struct vae_config *c = &v->config;
    const struct vae_half *d = &v->decoder;
    struct conv_args args = conv3x3(v->pad), one = {.stride = 1}, up = conv3x3(v->pad);
    if (c->tiny) {
        tiny_decode(&v->tiny[0], c, o, v->pad, latent, image);
        return;
    }
    up.upsample = true;
    ops_enter(o, "vae", -1);
    ops_enter(o, "in", -1);
    struct tensor z = unscale(v, o, latent);
    if (d->quant) {
        struct tensor y = ops_alloc_like(o, &z, c->latent_channels);
        o->conv2d(o, &y, &z, d->quant, &one);
        o->release(o, &z);
        z = y;
    }
    struct tensor x = ops_alloc_like(o, &z, c->channels[c->levels - 1]);
    o->conv2d(o, &x, &z, d->conv_in, &args);
    o->release(o, &z);
    ops_leave(o);
    x = run_middle(v, o, &d->mid, x);
    for (int i = 0; i < c->levels; i++) {
        ops_enter(o, "up", i);
        for (int j = 0; j < d->level[i].count; j++)
            x = run_res(v, o, &d->level[i].res[j], j, x);
        if (d->level[i].sample)
            x = resample(o, d->level[i].sample, x, 2 * x.h, 2 * x.w, &up);
        ops_leave(o);
    }
    run_out(v, o, d, x, image);
    ops_leave(o);
}

void vae_encode(const struct vae *v, struct ops *o, const struct tensor *image,
                struct tensor *moments)
{
    const struct vae_config *c = &v->config;
    const struct vae_half *e = &v->encoder;
    struct conv_args args = conv3x3(v->pad), one = {.stride = 1};
    struct conv_args down = {.stride = 2, .pad_before = 0, .pad_after = 1, .pad = v->pad};
    if (c->tiny) {
        tiny_encode(&v->tiny[1], c, o, v->pad, image, moments);
        return;
    }
    ops_enter(o, "vae", -1);
    ops_enter(o, "in", -1);
    struct tensor in = ops_alloc_like(o, image, image->c);
    o->copy(o, &in, image);
    struct tensor x = ops_alloc_like(o, image, c->channels[0]);
    o->conv2d(o, &x, &in, e->conv_in, &args);
    o->release(o, &in);
    ops_leave(o);
    for (int i = 0; i < c->levels; i++) {
        ops_enter(o, "down", i);
        for (int j = 0; j < e->level[i].count; j++)
            x = run_res(v, o, &e->level[i].res[j], j, x);
        if (e->level[i].sample)
            x = resample(o, e->level[i].sample, x, x.h / 2, x.w / 2, &down);
        ops_leave(o);
    }
    x = run_middle(v, o, &e->mid, x);
    if (!e->quant) {
        run_out(v, o, e, x, moments);
    } else {
        struct tensor raw = ops_alloc_like(o, moments, moments->c);
        run_out(v, o, e, x, &raw);
        o->conv2d(o, moments, &raw, e->quant, &one);
        o->release(o, &raw);
    }
    ops_leave(o);
}
