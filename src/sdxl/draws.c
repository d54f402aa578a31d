/*
 * The noise that samplers add.
 *
 * A device that works by itself is not to be held up by noise on its way to it: there, all noise of
 * a pass is drawn and uploaded before its first step, and a step copies its own on the device. What
 * would take more than MOST bytes comes in several such pieces, the later ones at the steps that
 * begin them, through pinned memory and without waiting. Elsewhere each noise is drawn when it is
 * asked for. The order of the draws is the same, and so are their values.
 */
#include "sdxl/pipeline_priv.h"

#include <stdlib.h>

enum { MOST = 128 << 20 };

/* One noise, to the host. The forecast needs no numbers. */
static void draw(struct pass *p, double from, double to)
{
    struct run *r = p->r;
    if (!r->p->dry && sampler_noise(r->params->sampler) == NOISE_BROWNIAN)
        noise_between(r->noise, from, to, r->host);
    else if (!r->p->dry)
        noise_next(r->noise, r->host);
}

static struct tensor draw_at(const struct draws *d, int i)
{
    int n = d->all.n / d->room;
    return tensor_images(d->all, i % d->room * n, n);
}

/* As many from `next` on as there is room for. */
static void fill(struct pass *p)
{
    struct draws *d = &p->draws;
    struct ops *o = p->r->p->ops;
    for (int i = d->next; i < d->count && i < d->next + d->room; i++) {
        struct tensor one = draw_at(d, i);
        draw(p, d->at[i][0], d->at[i][1]);
        o->upload(o, &one, p->r->host);
    }
}

int draws_begin(struct pass *p, const struct sampler_run *s, const struct tensor *x)
{
    struct draws *d = &p->draws;
    struct ops *o = p->r->p->ops;
    size_t most = p->r->p->draws_most > 0 ? p->r->p->draws_most : MOST;
    int count = o->turn_begin ? sampler_draws(s, NULL) : 0;
    size_t each = (size_t)tensor_count(x) * sizeof(float), fit = most / each;
    *d = (struct draws){.count = count};
    if (count == 0)
        return 0;
    d->at = calloc((size_t)count, sizeof *d->at);
    if (!d->at)
        return err_set(p->r->err, "out of memory while preparing %d steps", p->steps);
    sampler_draws(s, d->at);
    d->room = fit < 1 ? 1 : fit < (size_t)count ? (int)fit : count;
    d->all = o->alloc_as(o, DT_F32, d->room * x->n, x->h, x->w, x->c);
    fill(p);
    return 0;
}

void draws_next(struct pass *p, double from, double to, struct tensor *noise)
{
    struct draws *d = &p->draws;
    struct ops *o = p->r->p->ops;
    if (d->count == 0) {
        draw(p, from, to);
        o->upload(o, noise, p->r->host);
        return;
    }
    if (d->next > 0 && d->next % d->room == 0)
        fill(p);
    struct tensor one = draw_at(d, d->next++);
    o->copy(o, noise, &one);
}

void draws_end(struct pass *p)
{
    struct ops *o = p->r->p->ops;
    if (p->draws.count > 0)
        o->release(o, &p->draws.all);
    free(p->draws.at);
    p->draws = (struct draws){.count = 0};
}
