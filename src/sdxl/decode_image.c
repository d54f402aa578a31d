/*
 * A latent to pixels on the host.
 *
 * FP16 may run out of range in a decoder whose stream is larger than vae.h expects: then the image
 * has values that are no numbers, and is decoded once more in bf16, with a backend and a decoder of
 * its own beside the first. They stay for the images that follow.
 */
#include "sdxl/pipeline_priv.h"

#include <math.h>
#include <stdlib.h>

struct wide {
    struct ops *ops;
    struct vae vae;
};

size_t count_bad(const float *values, size_t count)
{
    size_t bad = 0;
    for (size_t i = 0; i < count; i++)
        bad += !isfinite(values[i]);
    return bad;
}

static int decode_on(struct ops *o, const struct vae *v, const struct tensor *latent, int width,
                     int height, float *pixels, struct err *e)
{
    struct tensor image = o->alloc_as(o, DT_F32, latent->n, height, width, 3);
    vae_decode(v, o, latent, &image);
    o->download(o, pixels, &image);
    o->release(o, &image);
    return o->sync(o, e);
}

static struct wide *open_wide(struct pipeline *p, struct err *e)
{
    struct wide *w = calloc(1, sizeof *w);
    if (!w) {
        err_set(e, "out of memory");
        return NULL;
    }
    struct loader l = {.checkpoint = p->vae_from, .part = PART_VAE, .err = e};
    vae_init(&w->vae, p->vae_config);
    l.ops = w->ops = pipeline_open_bf16(p, e);
    if (!l.ops || vae_load_decoder(&w->vae, &l) < 0) {
        wide_free(w);
        return NULL;
    }
    return w;
}

void wide_free(struct wide *w)
{
    if (!w)
        return;
    if (w->ops) {
        vae_free(&w->vae, w->ops);
        w->ops->close(w->ops);
    }
    free(w);
}

/* The latent goes over the host: the two backends have memory of their own. */
static int decode_wide(struct pipeline *p, const struct tensor *latent, int width, int height,
                       float *pixels, struct err *e)
{
    struct ops *from = p->ops, *to = p->wide->ops;
    float *host = malloc((size_t)tensor_count(latent) * sizeof *host);
    if (!host)
        return err_set(e, "out of memory");
    from->download(from, host, latent);
    int rc = from->sync(from, e);
    if (rc == 0) {
        struct tensor own = to->alloc_as(to, DT_F32, latent->n, latent->h, latent->w, latent->c);
        to->upload(to, &own, host);
        p->wide->vae.pad = p->vae.pad;
        rc = decode_on(to, &p->wide->vae, &own, width, height, pixels, e);
        to->release(to, &own);
    }
    free(host);
    return rc;
}

int decode_whole(struct pipeline *p, const struct tensor *latent, int width, int height,
                 float *pixels, struct notes *notes, struct err *e)
{
    size_t count = (size_t)latent->n * (size_t)width * (size_t)height * 3;
    if (p->wide)
        return decode_wide(p, latent, width, height, pixels, e);
    if (decode_on(p->ops, &p->vae, latent, width, height, pixels, e) < 0)
        return -1;
    if (p->dry || p->ops->act != DT_F16 || count_bad(pixels, count) == 0)
        return 0;
    if (!(p->wide = open_wide(p, e)))
        return err_prefix(e, "the decoder's values are too large for FP16, and in bf16");
    notes_add(notes, "the decoder's values are too large for FP16: images are decoded in bf16");
    return decode_wide(p, latent, width, height, pixels, e);
}

int decode_bytes(struct pipeline *p, const struct tensor *latent, int width, int height,
                 uint8_t *rgb, size_t *bad, struct err *e)
{
    struct ops *o = p->ops;
    if (!o->pixels || p->wide || p->dry)
        return 0;
    struct tensor image = o->alloc_as(o, DT_F32, latent->n, height, width, 3);
    vae_decode(&p->vae, o, latent, &image);
    o->pixels(o, rgb, bad, &image);
    o->release(o, &image);
    if (o->sync(o, e) < 0)
        return -1;
    return *bad == 0 || o->act != DT_F16; /* else the other way, which goes on in bf16 */
}
