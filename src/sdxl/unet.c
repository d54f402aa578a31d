/* Reference: diffusers' UNet2DConditionModel with addition_embed_type "text_time". */
#include "sdxl/unet.h"

#include <math.h>
#include <stdlib.h>
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
    int last = c->levels - 1;
    resnet_load(&u->mid[0], l, name_of("mid_block.resnets.0"), c->channels[last], c->channels[last],
                c->time_dim);
    if (c->mid_depth)
        transformer_load(&u->mid_attn, l, name_of("mid_block.attentions.0"),
                         spec(c, last, c->mid_depth));
    resnet_load(&u->mid[1], l, name_of("mid_block.resnets.1"), c->channels[last], c->channels[last],
                c->time_dim);
}

static void count_blocks(struct unet *u)
{
    u->resnets = 2, u->blocks = u->mid_attn.depth;
    for (int i = 0; i < u->config.levels; i++) {
        u->resnets += u->down[i].count + u->up[i].count;
        for (int j = 0; j <= MAX_BLOCKS; j++)
            u->blocks += u->down[i].attn[j].depth + u->up[i].attn[j].depth;
    }
}

int unet_load(struct unet *u, struct loader *l, const struct unet_config *c)
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

/* ---- what stays the same over the steps ---- */

/* diffusers' Timesteps: out[0:dim] = the sinusoids of t. */
static void timestep_sinusoid(float *out, int dim, double t, bool flip_sin_to_cos,
                              double freq_shift)
{
    int half = dim / 2;
    for (int i = 0; i < half; i++) {
        double angle = t * exp(-log(10000.0) * i / (half - freq_shift));
        out[flip_sin_to_cos ? half + i : i] = (float)sin(angle);
        out[flip_sin_to_cos ? i : half + i] = (float)cos(angle);
    }
    if (dim % 2)
        out[dim - 1] = 0;
}

/* rows x width on the host -> linear, SiLU, linear -> rows x time_dim on the host. */
static void embed(const struct unet *u, struct ops *o, const float *in, int rows, int width,
                  const struct weight *first, const struct weight *second, float *out)
{
    struct tensor x = ops_alloc(o, rows, 1, 1, width);
    struct tensor a = ops_alloc(o, rows, 1, 1, u->config.time_dim);
    struct tensor b = ops_alloc(o, rows, 1, 1, u->config.time_dim);
    o->upload(o, &x, in);
    o->linear(o, &a, &x, first, ACT_SILU, NULL);
    o->linear(o, &b, &a, second, ACT_NONE, NULL);
    o->download(o, out, &b);
    o->release(o, &b);
    o->release(o, &a);
    o->release(o, &x);
}

/* [pooled | sinusoid of each size] a text. */
static void added_rows(const struct unet *u, const struct unet_inputs *in, float *rows)
{
    const struct unet_config *c = &u->config;
    int pooled = c->added_inputs - in->size_conditions * c->added_time_dim;
    assert(pooled > 0);
    for (int k = 0; k < in->texts; k++) {
        float *row = rows + (size_t)k * (size_t)c->added_inputs;
        memcpy(row, in->pooled + (size_t)k * (size_t)pooled, (size_t)pooled * sizeof *row);
        for (int i = 0; i < in->size_conditions; i++)
            timestep_sinusoid(row + pooled + i * c->added_time_dim, c->added_time_dim,
                              in->sizes[k * in->size_conditions + i], c->flip_sin_to_cos,
                              c->freq_shift);
    }
}

static float silu(float x)
{
    return x / (1.0f + expf(-x));
}

static int text_read(const struct unet_inputs *in, int step, int image)
{
    int text = in->reads ? in->reads[(int64_t)step * in->n + image] : image * in->texts / in->n;
    assert(text >= 0 && text < in->texts);
    return text;
}

/* out[steps * n, time_dim] = silu(time embedding of the step + added embedding of the image's
 * text) */
static int time_rows(const struct unet *u, struct ops *o, const struct unet_inputs *in, float *out)
{
    const struct unet_config *c = &u->config;
    size_t dim = (size_t)c->time_dim, steps = (size_t)in->steps, texts = (size_t)in->texts;
    size_t n = (size_t)in->n;
    float *sines = malloc(steps * (size_t)c->channels[0] * sizeof *sines);
    float *added_in = malloc(texts * (size_t)c->added_inputs * sizeof *added_in);
    float *time = malloc(steps * dim * sizeof *time), *added = malloc(texts * dim * sizeof *added);
    int rc = sines && added_in && time && added ? 0 : -1;
    if (rc == 0) {
        for (size_t s = 0; s < steps; s++)
            timestep_sinusoid(sines + s * (size_t)c->channels[0], c->channels[0], in->timesteps[s],
                              c->flip_sin_to_cos, c->freq_shift);
        added_rows(u, in, added_in);
        embed(u, o, sines, in->steps, c->channels[0], u->time1, u->time2, time);
        embed(u, o, added_in, in->texts, c->added_inputs, u->added1, u->added2, added);
        for (size_t s = 0; s < steps; s++)
            for (size_t i = 0; i < n; i++) {
                const float *more = added + (size_t)text_read(in, (int)s, (int)i) * dim;
                for (size_t k = 0; k < dim; k++)
                    out[(s * n + i) * dim + k] = silu(time[s * dim + k] + more[k]);
            }
    }
    free(sines);
    free(added_in);
    free(time);
    free(added);
    return rc;
}

static void project_time(struct ops *o, const struct resnet *r, const struct tensor *emb,
                         struct unet_run *run)
{
    struct tensor *t = &run->time[run->times++];
    ops_enter(o, "time", -1);
    *t = ops_alloc_like(o, emb, r->out);
    o->linear(o, t, emb, r->time, ACT_NONE, NULL);
    ops_leave(o);
}

/* [steps * n, 1, 1, c] of every res block into one row a step. */
static void join_times(struct ops *o, int steps, struct unet_run *run)
{
    int width = 0, at = 0;
    for (int i = 0; i < run->times; i++)
        width += run->n * run->time[i].c;
    run->times_by_step = ops_alloc(o, steps, 1, 1, width);
    run->times_now = ops_alloc(o, 1, 1, 1, width);
    for (int i = 0; i < run->times; i++) {
        struct tensor *t = &run->time[i], rows = *t;
        rows.n = steps;
        rows.ld = rows.c = run->n * t->c;
        struct tensor to = tensor_channels(run->times_by_step, at, rows.c);
        o->copy(o, &to, &rows);
        o->release(o, t);
        at += rows.c;
    }
}

static void project_text(struct ops *o, const struct transformer *t, const struct tensor *text,
                         struct unet_run *run)
{
    ops_enter(o, "text", -1);
    transformer_text(t, o, text, run->chunk, run->kv + run->kvs);
    ops_leave(o);
    run->kvs += t->depth;
}

/* In the order in which unet_step meets the blocks. */
static void project_all(const struct unet *u, struct ops *o, const struct tensor *emb,
                        const struct tensor *text, struct unet_run *run)
{
    for (int i = 0; i < u->config.levels; i++)
        for (int j = 0; j < u->down[i].count; j++) {
            project_time(o, &u->down[i].res[j], emb, run);
            project_text(o, &u->down[i].attn[j], text, run);
        }
    project_time(o, &u->mid[0], emb, run);
    project_text(o, &u->mid_attn, text, run);
    project_time(o, &u->mid[1], emb, run);
    for (int i = 0; i < u->config.levels; i++)
        for (int j = 0; j < u->up[i].count; j++) {
            project_time(o, &u->up[i].res[j], emb, run);
            project_text(o, &u->up[i].attn[j], text, run);
        }
}

static int text_length(const struct unet_inputs *in, int text)
{
    return in->tokens ? in->tokens[text] : (int)tensor_tokens(in->text) / in->texts;
}

/* What all texts are multiples of in length. A backend may multiply chunk by chunk, and then what
 * comes out for a text does not depend on the others. */
static int common_chunk(const struct unet_inputs *in)
{
    int chunk = text_length(in, 0);
    for (int i = 1; i < in->texts; i++)
        for (int rest = text_length(in, i); rest;) {
            int next = chunk % rest;
            chunk = rest;
            rest = next;
        }
    return chunk;
}

/* The images of one step as spans; returns how many. */
static int map_texts(const struct unet_inputs *in, int step, struct text_span *out)
{
    int spans = 0, skip = in->skip ? in->skip[step] : 0;
    for (int i = skip, images; i < in->n; i += images) {
        int text = text_read(in, step, i), token = 0;
        for (images = 1; i + images < in->n && text_read(in, step, i + images) == text;)
            images++;
        for (int k = 0; k < text; k++)
            token += text_length(in, k);
        struct text_span *last = spans ? &out[spans - 1] : NULL;
        bool follows = last && last->images == images && last->tokens == text_length(in, text) &&
                       last->token + last->texts * last->tokens == token;
        if (follows)
            last->texts++;
        else
            out[spans++] = (struct text_span){i - skip, images, token, text_length(in, text), 1};
    }
    return spans;
}

static int prepare_texts(const struct unet_inputs *in, struct unet_run *run)
{
    size_t steps = (size_t)in->steps, n = (size_t)in->n;
    run->span = calloc(steps * n, sizeof *run->span);
    run->spans = calloc(steps, sizeof *run->spans);
    run->skip = calloc(steps, sizeof *run->skip);
    if (!run->span || !run->spans || !run->skip)
        return -1;
    if (in->skip)
        memcpy(run->skip, in->skip, steps * sizeof *run->skip);
    for (size_t s = 0; s < steps; s++)
        run->spans[s] = map_texts(in, (int)s, run->span + s * n);
    return 0;
}

int unet_prepare(const struct unet *u, struct ops *o, const struct unet_inputs *in,
                 struct unet_run *run, struct err *e)
{
    assert(in->text->n == 1 && in->text->c == u->config.context && in->steps > 0 && in->n > 0);
    *run = (struct unet_run){.n = in->n, .pad = in->pad, .no_graph = in->no_graph || in->each_step};
    run->chunk = common_chunk(in);
    size_t rows = (size_t)in->steps * (size_t)run->n;
    float *host = malloc(rows * (size_t)u->config.time_dim * sizeof *host);
    run->time = calloc((size_t)u->resnets, sizeof *run->time);
    run->kv = calloc((size_t)u->blocks + 1, sizeof *run->kv);
    if (!host || !run->time || !run->kv || prepare_texts(in, run) < 0 ||
        time_rows(u, o, in, host) < 0) {
        free(host);
        unet_finish(o, run);
        return err_set(e, "out of memory while preparing %d steps", in->steps);
    }
    struct tensor emb = ops_alloc(o, (int)rows, 1, 1, u->config.time_dim);
    o->upload(o, &emb, host);
    free(host);
    if (in->each_step) {
        run->emb = emb;
        run->text = ops_alloc_like(o, in->text, in->text->c);
        o->copy(o, &run->text, in->text);
        return 0;
    }
    project_all(u, o, &emb, in->text, run);
    o->release(o, &emb);
    if (o->turn_begin && !run->no_graph)
        join_times(o, in->steps, run);
    return 0;
}

void unet_finish(struct ops *o, struct unet_run *run)
{
    for (int i = 0; i < run->times; i++)
        o->release(o, &run->time[i]);
    for (int i = 0; i < run->kvs; i++)
        o->release(o, &run->kv[i]);
    o->release(o, &run->text);
    o->release(o, &run->emb);
    o->release(o, &run->times_now);
    o->release(o, &run->times_by_step);
    free(run->time);
    free(run->kv);
    free(run->span);
    free(run->spans);
    free(run->skip);
    *run = (struct unet_run){0};
}

/* ---- a step ---- */

struct walk { /* where in the run's tables the step has come to, and the skips that are waiting */
    const struct unet *unet;
    struct ops *ops;
    const struct unet_run *run;
    int step, time, kv;
    int time_at; /* in run->times_now */
    struct tensor skip[MAX_LEVELS * (MAX_BLOCKS + 1)];
    int skips;
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

static void push(struct walk *w, struct tensor x)
{
    assert(w->skips < (int)(sizeof w->skip / sizeof *w->skip));
    w->skip[w->skips++] = x;
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

/* Everything made going down is a skip and stays alive, so each block keeps its input. */
static struct tensor go_down(struct walk *w, const struct unet_level *d, struct tensor x)
{
    for (int j = 0; j < d->count; j++) {
        x = run_res(w, &d->res[j], j, &x, true);
        run_attn(w, &d->attn[j], j, &x);
        push(w, x);
    }
    if (d->sample) {
        struct conv_args args = {.stride = 2, .pad_before = 1, .pad_after = 1, .pad = w->run->pad};
        x = resample(w, d->sample, &x, (x.h + 1) / 2, (x.w + 1) / 2, args);
        push(w, x);
    }
    return x;
}

static struct tensor go_up(struct walk *w, const struct unet_level *up, struct tensor x)
{
    struct ops *o = w->ops;
    for (int j = 0; j < up->count; j++) {
        struct tensor skip = w->skip[--w->skips];
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
        const struct tensor *next = &w->skip[w->skips - 1];
        struct conv_args args = conv3x3(w->run->pad);
        args.upsample = true;
        struct tensor y = resample(w, up->sample, &x, next->h, next->w, args);
        o->release(o, &x);
        x = y;
    }
    return x;
}

static void walk_step(const struct unet *u, struct ops *o, const struct unet_run *run, int step,
                      const struct tensor *x, struct tensor *y)
{
    const struct unet_config *c = &u->config;
    struct walk w = {.unet = u, .ops = o, .run = run, .step = step};
    struct conv_args args = conv3x3(run->pad);
    assert(x->n == run->n - run->skip[step] && x->c == c->in_channels && y->c == c->out_channels);
    ops_enter(o, "in", -1);
    struct tensor h = o->alloc_as(o, o->stream, x->n, x->h, x->w, c->channels[0]);
    o->conv2d(o, &h, x, u->conv_in, &args);
    push(&w, h);
    ops_leave(o);
    for (int i = 0; i < c->levels; i++) {
        ops_enter(o, "down", i);
        h = go_down(&w, &u->down[i], h);
        ops_leave(o);
    }

    /* the last skip is also the middle's input, so it is kept */
    ops_enter(o, "mid", -1);
    h = run_res(&w, &u->mid[0], 0, &h, true);
    run_attn(&w, &u->mid_attn, 0, &h);
    h = run_res(&w, &u->mid[1], 1, &h, false);
    ops_leave(o);
    for (int i = 0; i < c->levels; i++) {
        ops_enter(o, "up", i);
        h = go_up(&w, &u->up[i], h);
        ops_leave(o);
    }
    assert(w.skips == 0 && w.time == run->times && w.kv == run->kvs);

    ops_enter(o, "out", -1);
    struct tensor last = ops_alloc_like(o, &h, h.c);
    o->group_norm(o, &last, &h, u->norm_out, c->norm_groups, c->norm_eps, true);
    o->release(o, &h);
    o->conv2d(o, y, &last, u->conv_out, &args);
    o->release(o, &last);
    ops_leave(o);
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
               const struct tensor *x, struct tensor *y)
{
    ops_enter(o, "unet", -1);
    walk_step(u, o, run, step, x, y);
    ops_leave(o);
}
