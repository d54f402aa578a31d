/* See control.h. */
#include "sdxl/control.h"

#include <stdlib.h>
#include <string.h>

/* ---- loading ---- */

static void load_stop(struct control *c, struct loader *l, struct name base, int channels)
{
    c->add[c->stops] = load_conv(l, base, channels, channels, 1);
    struct name bias = name_of("%s.bias", base.s);
    if (checkpoint_has(l->checkpoint, l->part, bias.s))
        c->bias[c->stops] = load_values(l, bias, (int64_t[]){channels}, 1);
    c->width[c->stops] = channels;
    c->stops++;
}

static void load_stops(struct control *c, struct loader *l)
{
    const struct unet_config *u = &c->config.unet;
    int n = 0;
    load_stop(c, l, name_of("controlnet_down_blocks.%d", n++), u->channels[0]);
    for (int i = 0; i < u->levels; i++)
        for (int j = 0; j < u->layers + (i + 1 < u->levels); j++)
            load_stop(c, l, name_of("controlnet_down_blocks.%d", n++), u->channels[i]);
    load_stop(c, l, name_of("controlnet_mid_block"), u->channels[u->levels - 1]);
}

static void load_hint(struct control *c, struct loader *l)
{
    const struct control_config *m = &c->config;
    const int *width = m->hint_width;
    int last = m->hint_levels - 1;
    assert(m->hint_levels >= 1 && m->hint_levels <= MAX_LEVELS);
    c->hint_in = load_conv(l, name_of("controlnet_cond_embedding.conv_in"), width[0],
                           m->hint_channels, 3);
    for (int i = 0; i < last; i++) {
        struct name same = name_of("controlnet_cond_embedding.blocks.%d", 2 * i);
        struct name next = name_of("controlnet_cond_embedding.blocks.%d", 2 * i + 1);
        c->hint[2 * i] = load_conv(l, same, width[i], width[i], 3);
        c->hint[2 * i + 1] = load_conv(l, next, width[i + 1], width[i], 3);
    }
    c->hint_out = load_conv(l, name_of("controlnet_cond_embedding.conv_out"), m->unet.channels[0],
                            width[last], 3);
}

int control_load(struct control *c, struct loader *l, const struct control_config *m)
{
    memset(c, 0, sizeof *c);
    c->config = *m;
    unet_load_half(&c->half, l, &m->unet);
    load_hint(c, l);
    load_stops(c, l);
    union_load(&c->kinds, l, m);
    return l->failed ? -1 : 0;
}

void control_free(struct control *c, struct ops *o)
{
    unet_free(&c->half, o);
    union_free(&c->kinds, o);
    o->free_weight(o, c->hint_in);
    o->free_weight(o, c->hint_out);
    for (int i = 0; i < 2 * MAX_LEVELS; i++)
        o->free_weight(o, c->hint[i]);
    for (int i = 0; i < UNET_STOPS; i++) {
        o->free_weight(o, c->add[i]);
        free(c->bias[i]);
    }
    memset(c, 0, sizeof *c);
}

/* ---- a run ---- */

/* x -> silu(conv(x)), halved where the stride is 2; takes x. */
static struct tensor hint_layer(struct ops *o, struct tensor x, const struct weight *w, int width,
                                int stride, unsigned pad)
{
    struct conv_args args = conv3x3(pad);
    args.stride = stride;
    args.act = ACT_SILU;
    struct tensor y = ops_alloc(o, 1, (x.h + stride - 1) / stride, (x.w + stride - 1) / stride,
                                width);
    o->conv2d(o, &y, &x, w, &args);
    o->release(o, &x);
    return y;
}

/* The last convolution, and alpha [1, 1, 1, c0] or NULL data on every pixel. */
static struct tensor hint_out(const struct control *c, struct ops *o, const struct tensor *x,
                              const struct tensor *alpha, unsigned pad)
{
    struct conv_args args = conv3x3(pad);
    struct tensor y = o->alloc_as(o, o->stream, 1, x->h, x->w, c->config.unet.channels[0]);
    args.chan_add = alpha->c ? alpha : NULL;
    o->conv2d(o, &y, x, c->hint_out, &args);
    return y;
}

/* picture -> [1, h, w, c0] */
static struct tensor read_hint(const struct control *c, struct ops *o,
                               const struct control_inputs *in, unsigned pad)
{
    const struct control_config *m = &c->config;
    struct tensor x, y, alpha = {0};
    ops_enter(o, "hint", -1);
    x = ops_alloc(o, 1, in->h, in->w, m->hint_channels);
    if (in->picture)
        o->upload(o, &x, in->picture);
    x = hint_layer(o, x, c->hint_in, m->hint_width[0], 1, pad);
    for (int i = 0; i + 1 < m->hint_levels; i++) {
        x = hint_layer(o, x, c->hint[2 * i], m->hint_width[i], 1, pad);
        x = hint_layer(o, x, c->hint[2 * i + 1], m->hint_width[i + 1], 2, pad);
    }
    y = hint_out(c, o, &x, &alpha, pad);
    if (c->kinds.types > 0 && in->kind >= 0) {
        alpha = union_alpha(&c->kinds, o, &y, in->kind);
        o->release(o, &y);
        y = hint_out(c, o, &x, &alpha, pad);
    }
    o->release(o, &alpha);
    o->release(o, &x);
    ops_leave(o);
    return y;
}

/* The convolutions add their biases whole to values that were multiplied by the strength before. */
static int correct_bias(const struct control *c, struct ops *o, struct control_run *r)
{
    int n = r->run.n;
    for (int i = 0; i < c->stops && r->strength != 1; i++) {
        int channels = c->width[i];
        float *host = calloc((size_t)n * (size_t)channels, sizeof *host);
        if (!host)
            return -1;
        for (int k = 0; c->bias[i] && k < n * channels; k++)
            host[k] = (r->strength - 1) * c->bias[i][k % channels];
        r->bias[i] = ops_alloc(o, n, 1, 1, channels);
        o->upload(o, &r->bias[i], host);
        free(host);
    }
    return 0;
}

/* The UNet's inputs, and on their time embeddings what a union is told. */
static int prepare_half(const struct control *c, struct ops *o, const struct unet_inputs *in,
                        int kind, struct control_run *r, struct err *e)
{
    struct unet_inputs own = *in;
    float *told = NULL;
    if (c->kinds.types > 0) {
        if (!(told = malloc((size_t)c->config.unet.time_dim * sizeof *told)) ||
            union_time(&c->kinds, o, &c->config, kind, told) < 0) {
            free(told);
            return err_set(e, "out of memory while preparing %d steps", in->steps);
        }
        own.more_time = told;
    }
    int rc = unet_prepare(&c->half, o, &own, &r->run, e);
    free(told);
    return rc;
}

int control_run_prepare(const struct control *c, struct ops *o, const struct unet_inputs *in,
                        const struct control_inputs *own, struct control_run *r, struct err *e)
{
    *r = (struct control_run){.control = c, .strength = own->strength};
    ops_enter(o, "control", -1);
    int rc = prepare_half(c, o, in, own->kind, r, e);
    if (rc == 0)
        r->hint = read_hint(c, o, own, in->pad);
    if (rc == 0 && correct_bias(c, o, r) < 0)
        rc = err_set(e, "out of memory while preparing %d steps", in->steps);
    ops_leave(o);
    return rc;
}

void control_run_finish(struct ops *o, struct control_run *r)
{
    if (!r->control)
        return;
    for (int i = UNET_STOPS - 1; i >= 0; i--)
        o->release(o, &r->bias[i]);
    o->release(o, &r->hint);
    unet_finish(o, &r->run);
    *r = (struct control_run){0};
}

void control_before_step(struct ops *o, const struct control_run *r, int step)
{
    unet_before_step(o, &r->run, step);
}

/* ---- a step ---- */

struct adding {
    struct ops *ops;
    const struct control_run *run;
    struct tensor *stops;
};

/* strength (W h + b) onto the UNet's stop: W reads h times the strength, and adds b. */
static void add_stop(void *user, int stop, const struct tensor *h)
{
    const struct adding *a = user;
    const struct control_run *r = a->run;
    struct ops *o = a->ops;
    struct tensor *to = &a->stops[stop], t = ops_alloc_like(o, h, h->c), bias;
    struct conv_args args = {.stride = 1, .residual = to};
    assert(to->h == h->h && to->w == h->w && to->n == h->n && to->c == h->c);
    if (r->bias[stop].c) {
        bias = tensor_images(r->bias[stop], 0, h->n);
        args.chan_add = &bias;
    }
    ops_enter(o, "add", stop);
    o->map(o, &t, h, MAP_LINE, r->strength, 0);
    o->conv2d(o, to, &t, r->control->add[stop], &args);
    o->release(o, &t);
    ops_leave(o);
}

void control_step(struct ops *o, const struct control_run *r, int step, const struct tensor *x,
                  struct tensor *stops)
{
    int channels = r->control->config.unet.in_channels;
    struct adding a = {o, r, stops};
    struct tensor first = {0};
    ops_enter(o, "control", -1);
    if (x->c != channels) {
        struct tensor view = tensor_channels(*x, 0, channels);
        first = ops_alloc_like(o, x, channels);
        o->copy(o, &first, &view);
        x = &first;
    }
    unet_step_half(&r->control->half, o, &r->run, step, x, &r->hint, add_stop, &a);
    o->release(o, &first);
    ops_leave(o);
}
