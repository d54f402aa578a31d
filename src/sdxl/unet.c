/* Reference: diffusers' UNet2DConditionModel with addition_embed_type "text_time". */
#include "sdxl/unet.h"

#include <string.h>

/* ---- loading ---- */

static struct transformer_spec spec(const struct unet_config *c, int level, int depth)
{
    return (struct transformer_spec){.channels = c->channels[level],
                                     .heads = c->heads[level],
                                     .depth = depth,
                                     .context = c->context};
}

static void load_down(struct unet *u, struct loader *l, int level)
{
    const struct unet_config *c = &u->config;
    struct unet_level *d = &u->down[level];
    int in = level ? c->channels[level - 1] : c->channels[0], out = c->channels[level];
    struct name base = name_of("down_blocks.%d", level);
    d->count = c->layers;
    for (int j = 0; j < d->count; j++) {
        resnet_load(&d->res[j], l, name_of("%s.resnets.%d", base.s, j), j ? out : in, out,
                    c->time_dim);
        if (c->depth[level])
            transformer_load(&d->attn[j], l, name_of("%s.attentions.%d", base.s, j),
                             spec(c, level, c->depth[level]));
    }
    if (level + 1 < c->levels)
        d->sample = load_conv(l, name_of("%s.downsamplers.0.conv", base.s), out, out, 3);
}

/* Going up, res block j reads what the one before made beside the skip that stands on top of the
 * stack. */
static void load_up(struct unet *u, struct loader *l, int at)
{
    const struct unet_config *c = &u->config;
    struct unet_level *up = &u->up[at];
    int level = c->levels - 1 - at, out = c->channels[level];
    int before = at ? c->channels[level + 1] : out;
    int last_skip = level ? c->channels[level - 1] : c->channels[0];
    struct name base = name_of("up_blocks.%d", at);
    up->count = c->layers + 1;
    for (int j = 0; j < up->count; j++) {
        int skip = j + 1 < up->count ? out : last_skip;
        resnet_load(&up->res[j], l, name_of("%s.resnets.%d", base.s, j), (j ? out : before) + skip,
                    out, c->time_dim);
        if (c->depth[level])
            transformer_load(&up->attn[j], l, name_of("%s.attentions.%d", base.s, j),
                             spec(c, level, c->depth[level]));
    }
    if (level > 0)
        up->sample = load_conv(l, name_of("%s.upsamplers.0.conv", base.s), out, out, 3);
}

static void load_mid(struct unet *u, struct loader *l)
{
    const struct unet_config *c = &u->config;
    int last = c->levels - 1, n = c->channels[last];
    resnet_load(&u->mid[0], l, name_of("mid_block.resnets.0"), n, n, c->time_dim);
    if (c->mid_depth == 0)
        return;
    transformer_load(&u->mid_attn, l, name_of("mid_block.attentions.0"),
                     spec(c, last, c->mid_depth));
    resnet_load(&u->mid[1], l, name_of("mid_block.resnets.1"), n, n, c->time_dim);
}

static void count_blocks(struct unet *u)
{
    u->resnets = u->mid_attn.depth > 0 ? 2 : 1, u->blocks = u->mid_attn.depth;
    for (int i = 0; i < u->config.levels; i++) {
        u->resnets += u->down[i].count + u->up[i].count;
        for (int j = 0; j <= MAX_BLOCKS; j++)
            u->blocks += u->down[i].attn[j].depth + u->up[i].attn[j].depth;
    }
}

int unet_load_half(struct unet *u, struct loader *l, const struct unet_config *c)
{
    memset(u, 0, sizeof *u);
    u->config = *c;
    assert(c->levels >= 1 && c->levels <= MAX_LEVELS && c->layers >= 1 && c->layers <= MAX_BLOCKS);
    u->conv_in = load_conv(l, name_of("conv_in"), c->channels[0], c->in_channels, 3);
    u->time1 = load_linear(l, name_of("time_embedding.linear_1"), c->time_dim, c->channels[0]);
    u->time2 = load_linear(l, name_of("time_embedding.linear_2"), c->time_dim, c->time_dim);
    u->added1 = load_linear(l, name_of("add_embedding.linear_1"), c->time_dim, c->added_inputs);
    u->added2 = load_linear(l, name_of("add_embedding.linear_2"), c->time_dim, c->time_dim);
    for (int i = 0; i < c->levels; i++)
        load_down(u, l, i);
    load_mid(u, l);
    count_blocks(u);
    return l->failed ? -1 : 0;
}

int unet_load(struct unet *u, struct loader *l, const struct unet_config *c)
{
    unet_load_half(u, l, c);
    for (int i = 0; i < c->levels; i++)
        load_up(u, l, i);
    u->norm_out = load_norm(l, name_of("conv_norm_out"), c->channels[0]);
    u->conv_out = load_conv(l, name_of("conv_out"), c->out_channels, c->channels[0], 3);
    count_blocks(u);
    return l->failed ? -1 : 0;
}

static void free_level(struct unet_level *v, struct ops *o)
{
    for (int j = 0; j <= MAX_BLOCKS; j++) {
        resnet_free(&v->res[j], o);
        transformer_free(&v->attn[j], o);
    }
    o->free_weight(o, v->sample);
}

void unet_free(struct unet *u, struct ops *o)
{
    struct weight *all[] = {u->conv_in, u->time1,    u->time2,   u->added1,
                            u->added2,  u->norm_out, u->conv_out};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        o->free_weight(o, all[i]);
    for (int i = 0; i < MAX_LEVELS; i++) {
        free_level(&u->down[i], o);
        free_level(&u->up[i], o);
    }
    resnet_free(&u->mid[0], o);
    resnet_free(&u->mid[1], o);
    transformer_free(&u->mid_attn, o);
    memset(u, 0, sizeof *u);
}

/* ---- a step ---- */

/* Where in the run's tables a step has come to, and the stops of its way down: kept for the way up,
 * or, of half a UNet, handed on one by one. */
struct walk {
    const struct unet *unet;
    struct ops *ops;
    const struct unet_run *run;
    int step, time, kv;
    int time_at; /* in run->times_now */
    struct tensor stop[UNET_STOPS];
    int stops;
    void (*hand_on)(void *user, int stop, const struct tensor *h); /* NULL: they are kept */
    void *user;
};

/* [n - skip, 1, 1, channels] for the next res block. */
static struct tensor time_of(struct walk *w, const struct resnet *r)
{
    int n = w->run->n, at = w->time_at, skip = w->run->skip[w->step], channels = r->out;
    if (w->run->emb.c) {
        struct tensor emb = tensor_images(w->run->emb, w->step * n + skip, n - skip);
        struct tensor t = ops_alloc_like(w->ops, &emb, channels);
        w->ops->linear(w->ops, &t, &emb, r->time, ACT_NONE, NULL);
        return t;
    }
    if (!w->run->times_now.c)
        return tensor_images(w->run->time[w->time++], w->step * n + skip, n - skip);
    struct tensor t = tensor_channels(w->run->times_now, at + skip * channels,
                                      (n - skip) * channels);
    t.n = n - skip;
    t.ld = t.c = channels;
    w->time++;
    w->time_at += n * channels;
    return t;
}

static struct tensor run_res(struct walk *w, const struct resnet *r, int at, struct tensor *x,
                             bool keep)
{
    const struct unet_config *c = &w->unet->config;
    struct tensor time = time_of(w, r);
    struct resnet_spec spec = {
        .groups = c->norm_groups, .eps = c->norm_eps, .pad = w->run->pad, .out = w->ops->stream};
    ops_enter(w->ops, "res", at);
    struct tensor y = resnet_run(r, w->ops, x, keep, &time, spec);
    ops_leave(w->ops);
    if (w->run->emb.c)
        w->ops->release(w->ops, &time);
    return y;
}

static void run_attn(struct walk *w, const struct transformer *t, int at, struct tensor *x)
{
    if (!t->depth)
        return;
    const struct unet_run *run = w->run;
    struct text_map map = {run->span + (size_t)w->step * (size_t)run->n, run->spans[w->step]};
    struct tensor *kv = run->text.c ? run->kv : run->kv + w->kv;
    ops_enter(w->ops, "attn", at);
    if (run->text.c) /* run->kv has room for all blocks' */
        transformer_text(t, w->ops, &run->text, run->chunk, kv);
    transformer_run(t, w->ops, x, kv, map, w->unet->config.norm_groups);
    for (int i = 0; run->text.c && i < t->depth; i++)
        w->ops->release(w->ops, &kv[i]);
    ops_leave(w->ops);
    w->kv += run->text.c ? 0 : t->depth;
}

static void stop_at(struct walk *w, struct tensor x)
{
    assert(w->stops < UNET_STOPS);
    if (w->hand_on)
        w->hand_on(w->user, w->stops, &x);
    w->stop[w->stops++] = x;
}

/* Down- or upsamples the stream x to h by w; the convolution reads the ops' own type. x stays the
 * caller's. */
static struct tensor resample(struct walk *w, const struct weight *conv, const struct tensor *x,
                              int h, int width, struct conv_args args)
{
    struct ops *o = w->ops;
    struct tensor narrow = {0};
    ops_enter(o, "sample", -1);
    struct tensor y = o->alloc_as(o, o->stream, x->n, h, width, x->c);
    if (x->dtype != o->act) {
        narrow = ops_alloc_like(o, x, x->c);
        o->copy(o, &narrow, x);
        x = &narrow;
    }
    o->conv2d(o, &y, x, conv, &args);
    o->release(o, &narrow);
    ops_leave(o);
    return y;
}

/* Where stops are kept each block keeps its input, which is one. */
static struct tensor go_down(struct walk *w, const struct unet_level *d, struct tensor x)
{
    bool keep = !w->hand_on;
    for (int j = 0; j < d->count; j++) {
        x = run_res(w, &d->res[j], j, &x, keep);
        run_attn(w, &d->attn[j], j, &x);
        stop_at(w, x);
    }
    if (d->sample) {
        struct conv_args args = {.stride = 2, .pad_before = 1, .pad_after = 1, .pad = w->run->pad};
        struct tensor y = resample(w, d->sample, &x, (x.h + 1) / 2, (x.w + 1) / 2, args);
        if (!keep)
            w->ops->release(w->ops, &x);
        x = y;
        stop_at(w, x);
    }
    return x;
}

/* The middle, whose input is the last stop. */
static struct tensor cross_middle(struct walk *w, struct tensor x)
{
    const struct unet *u = w->unet;
    ops_enter(w->ops, "mid", -1);
    x = run_res(w, &u->mid[0], 0, &x, !w->hand_on);
    if (u->mid_attn.depth > 0) {
        run_attn(w, &u->mid_attn, 0, &x);
        x = run_res(w, &u->mid[1], 1, &x, false);
    }
    ops_leave(w->ops);
    stop_at(w, x);
    return x;
}

/* From what conv_in made to what the middle makes. */
static struct tensor walk_down(struct walk *w, struct tensor x)
{
    stop_at(w, x);
    for (int i = 0; i < w->unet->config.levels; i++) {
        ops_enter(w->ops, "down", i);
        x = go_down(w, &w->unet->down[i], x);
        ops_leave(w->ops);
    }
    return cross_middle(w, x);
}

static struct tensor go_up(struct walk *w, const struct unet_level *up, struct tensor x)
{
    struct ops *o = w->ops;
    for (int j = 0; j < up->count; j++) {
        struct tensor skip = w->stop[--w->stops];
        ops_enter(o, "skip", j);
        struct tensor both = ops_alloc_like(o, &x, x.c + skip.c);
        o->concat(o, &both, &x, &skip);
        o->release(o, &x);
        o->release(o, &skip);
        ops_leave(o);
        x = run_res(w, &up->res[j], j, &both, false);
        run_attn(w, &up->attn[j], j, &x);
    }
    if (up->sample) { /* to the size of the skip that comes next: one less than double when it was
                         odd */
        const struct tensor *next = &w->stop[w->stops - 1];
        struct conv_args args = conv3x3(w->run->pad);
        args.upsample = true;
        struct tensor y = resample(w, up->sample, &x, next->h, next->w, args);
        o->release(o, &x);
        x = y;
    }
    return x;
}

static void walk_up(struct walk *w, struct tensor x, struct tensor *y)
{
    const struct unet *u = w->unet;
    const struct unet_config *c = &u->config;
    struct ops *o = w->ops;
    struct conv_args args = conv3x3(w->run->pad);
    for (int i = 0; i < c->levels; i++) {
        ops_enter(o, "up", i);
        x = go_up(w, &u->up[i], x);
        ops_leave(o);
    }
    assert(w->stops == 0);
    ops_enter(o, "out", -1);
    struct tensor last = ops_alloc_like(o, &x, x.c);
    o->group_norm(o, &last, &x, u->norm_out, c->norm_groups, c->norm_eps, true);
    o->release(o, &x);
    o->conv2d(o, y, &last, u->conv_out, &args);
    o->release(o, &last);
    ops_leave(o);
}

/* conv_in: [n, h, w, in_channels] -> [n, h, w, c0], onto `more` [1, h, w, c0] or NULL. */
static struct tensor walk_in(struct walk *w, const struct tensor *x, const struct tensor *more)
{
    struct ops *o = w->ops;
    struct conv_args args = conv3x3(w->run->pad);
    args.residual = more;
    assert(x->n == w->run->n - w->run->skip[w->step] && x->c == w->unet->config.in_channels);
    ops_enter(o, "in", -1);
    struct tensor h = o->alloc_as(o, o->stream, x->n, x->h, x->w, w->unet->config.channels[0]);
    for (int i = 0, n = more ? 1 : x->n; i < x->n; i += n) {
        struct tensor from = tensor_images(*x, i, n), to = tensor_images(h, i, n);
        o->conv2d(o, &to, &from, w->unet->conv_in, &args);
    }
    ops_leave(o);
    return h;
}

void unet_before_step(struct ops *o, const struct unet_run *run, int step)
{
    struct tensor row, now = run->times_now;
    if (!now.c)
        return;
    row = tensor_images(run->times_by_step, step, 1);
    o->copy(o, &now, &row);
}

void unet_step(const struct unet *u, struct ops *o, const struct unet_run *run, int step,
               const struct tensor *x, struct tensor *y, const struct unet_between *between)
{
    struct walk w = {.unet = u, .ops = o, .run = run, .step = step};
    assert(y->c == u->config.out_channels);
    ops_enter(o, "unet", -1);
    struct tensor h = walk_down(&w, walk_in(&w, x, NULL));
    if (between)
        between->add(between->user, w.stop);
    w.stops--; /* the middle's goes up, it is no skip */
    walk_up(&w, h, y);
    assert(w.time == run->times && w.kv == run->kvs);
    ops_leave(o);
}

void unet_step_half(const struct unet *u, struct ops *o, const struct unet_run *run, int step,
                    const struct tensor *x, const struct tensor *more,
                    void (*stop)(void *user, int stop, const struct tensor *h), void *user)
{
    struct walk w = {.unet = u, .ops = o, .run = run, .step = step, .hand_on = stop, .user = user};
    struct tensor h = walk_down(&w, walk_in(&w, x, more));
    assert(w.time == run->times && w.kv == run->kvs);
    o->release(o, &h);
}
