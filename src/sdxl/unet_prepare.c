/* What a run of the UNet makes once: time embeddings, and the texts' keys and values (unet.h).
 * Reference: diffusers' UNet2DConditionModel with addition_embed_type "text_time". */
#include "sdxl/unet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void timestep_sinusoid(float *out, int dim, double t, bool flip_sin_to_cos, double freq_shift)
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

void time_embed(struct ops *o, const float *in, int rows, int width, const struct weight *first,
                const struct weight *second, int dim, float *out)
{
    struct tensor x = ops_alloc(o, rows, 1, 1, width);
    struct tensor a = ops_alloc(o, rows, 1, 1, dim);
    struct tensor b = ops_alloc(o, rows, 1, 1, dim);
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
        time_embed(o, sines, in->steps, c->channels[0], u->time1, u->time2, c->time_dim, time);
        time_embed(o, added_in, in->texts, c->added_inputs, u->added1, u->added2, c->time_dim,
                   added);
        for (size_t i = 0; in->more_time && i < texts * dim; i++)
            added[i] += in->more_time[i % dim];
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
    if (u->mid_attn.depth > 0) {
        project_text(o, &u->mid_attn, text, run);
        project_time(o, &u->mid[1], emb, run);
    }
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
