/*
 * Between the two passes: the picture enlarged, as a latent or in pixels.
 *
 * A latent is enlarged as ComfyUI's LatentUpscale and A1111's "Latent" upscalers do, which blurs it
 * and takes a denoise of 0.5 and more to mend; pixels are decoded, enlarged and encoded again.
 */
#include "sdxl/pipeline_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sdxl/resample.h"

static const struct upscale {
    const char *name;
    bool pixels;
    enum resample filter, comfyui; /* Pillow's, or torch's as ComfyUI's ImageScale has it */
} UPSCALES[] = {
    {"latent_nearest", false, RESAMPLE_NEAREST, RESAMPLE_NEAREST},
    {"latent_nearest_exact", false, RESAMPLE_NEAREST_EXACT, RESAMPLE_NEAREST_EXACT},
    {"latent_bilinear", false, RESAMPLE_BILINEAR, RESAMPLE_BILINEAR},
    {"latent_bicubic", false, RESAMPLE_BICUBIC, RESAMPLE_BICUBIC},
    {"nearest", true, RESAMPLE_NEAREST_EXACT, RESAMPLE_NEAREST_EXACT},
    {"bilinear", true, RESAMPLE_TRIANGLE, RESAMPLE_BILINEAR},
    {"bicubic", true, RESAMPLE_CUBIC, RESAMPLE_BICUBIC},
    {"lanczos", true, RESAMPLE_LANCZOS, RESAMPLE_LANCZOS},
};

enum { UPSCALE_COUNT = sizeof UPSCALES / sizeof *UPSCALES };

const char *upscale_name(int i)
{
    return i >= 0 && i < UPSCALE_COUNT ? UPSCALES[i].name : NULL;
}

int upscale_by_name(const char *name)
{
    for (int i = 0; i < UPSCALE_COUNT; i++)
        if (!strcasecmp(name, UPSCALES[i].name))
            return i;
    return -1;
}

/* One latent [1, h, w, z] into one of y, both through host memory. */
static int enlarge_latent(struct run *r, const struct tensor *x, struct tensor *y,
                          enum resample filter)
{
    struct ops *o = r->p->ops;
    float *small = calloc((size_t)tensor_count(x), sizeof *small);
    float *large = calloc((size_t)tensor_count(y), sizeof *large);
    int rc = small && large ? 0 : err_set(r->err, "out of memory for a latent");
    if (rc == 0) {
        o->download(o, small, x);
        rc = o->sync(o, r->err);
    }
    if (rc == 0 && !r->p->dry)
        rc = resample(&(struct raster){x->w, x->h, x->c, small},
                      &(struct raster){y->w, y->h, y->c, large}, filter, r->err);
    if (rc == 0)
        o->upload(o, y, large);
    free(small);
    free(large);
    return rc;
}

/* -1 to 1 as whole steps of a byte: a picture that a tool handed on as such. */
static void to_bytes(float *v, size_t count, bool rounds)
{
    for (size_t i = 0; i < count; i++) {
        float x = fminf(fmaxf((v[i] + 1) / 2, 0), 1) * 255;
        v[i] = (rounds ? nearbyintf(x) : floorf(x)) / 127.5f - 1;
    }
}

/* Whether the tool enlarges bytes, with Pillow; ComfyUI does so for Lanczos' filter alone. */
static bool enlarges_bytes(const struct gen_params *g, enum resample filter)
{
    return g->compat != COMPAT_COMFYUI || filter == RESAMPLE_LANCZOS;
}

/* As Pillow does it: first across, then down, each to bytes. */
static int resample_bytes(const struct raster *in, const struct raster *out, enum resample filter,
                          struct err *e)
{
    struct raster wide = {out->w, in->h, 3, NULL};
    size_t count = (size_t)wide.w * (size_t)wide.h * 3;
    if (!(wide.v = malloc(count * sizeof *wide.v)))
        return err_set(e, "out of memory for an image of %dx%d", wide.w, wide.h);
    int rc = resample(in, &wide, filter, e);
    if (rc == 0) {
        to_bytes(wide.v, count, true);
        rc = resample(&wide, out, filter, e);
    }
    if (rc == 0)
        to_bytes(out->v, (size_t)out->w * (size_t)out->h * 3, true);
    free(wide.v);
    return rc;
}

/* A decoded picture of the first size, -1 to 1 and somewhat beyond, to the second. */
static int enlarge_picture(const struct run *r, float *small, float *large, enum resample filter)
{
    const struct pass *p = &r->pass[PASS_HIRES];
    const struct gen_params *g = r->params;
    const struct raster in = {g->width, g->height, 3, small};
    const struct raster out = {p->width, p->height, 3, large};
    size_t count = (size_t)g->width * (size_t)g->height * 3;
    if (enlarges_bytes(g, filter)) {
        to_bytes(small, count, g->compat == COMPAT_DIFFUSERS);
        return resample_bytes(&in, &out, filter, r->err);
    }
    for (size_t i = 0; i < count; i++)
        small[i] = fminf(fmaxf(small[i], -1), 1);
    int rc = resample(&in, &out, filter, r->err);
    count = (size_t)p->width * (size_t)p->height * 3;
    for (size_t i = 0; i < count && rc == 0; i++) /* bicubic overshoots */
        large[i] = fminf(fmaxf(large[i], -1), 1);
    return rc;
}

static int enlarge_pixels(struct run *r, const struct tensor *x, struct tensor *y,
                          enum resample filter)
{
    const struct pass *p = &r->pass[PASS_HIRES];
    int w = r->params->width, h = r->params->height;
    float *small = calloc((size_t)w * (size_t)h * 3, sizeof *small);
    float *large = calloc((size_t)p->width * (size_t)p->height * 3, sizeof *large);
    float *latent = calloc((size_t)tensor_count(y), sizeof *latent);
    int rc = small && large && latent
                 ? decode_image(r->p, x, w, h, small, &r->out->notes, r->err)
                 : err_set(r->err, "out of memory for an image of %dx%d", p->width, p->height);
    if (rc == 0 && !r->p->dry)
        rc = enlarge_picture(r, small, large, filter);
    if (rc == 0)
        rc = start_latent(r, large, p->width, p->height, false, latent);
    if (rc == 0)
        r->p->ops->upload(r->p->ops, y, latent);
    free(small);
    free(large);
    free(latent);
    return rc;
}

int hires_enlarge(struct run *r, struct tensor *x)
{
    struct ops *o = r->p->ops;
    const struct pass *p = &r->pass[PASS_HIRES];
    const struct upscale *u = &UPSCALES[r->params->hires_upscale];
    enum resample filter = r->params->compat == COMPAT_COMFYUI ? u->comfyui : u->filter;
    int f = r->p->config->vae_factor, rc = 0;
    struct tensor y = o->alloc_as(o, DT_F32, x->n, p->height / f, p->width / f, x->c);
    for (int i = 0; i < x->n && rc == 0; i++) {
        struct tensor from = tensor_images(*x, i, 1), to = tensor_images(y, i, 1);
        rc = u->pixels ? enlarge_pixels(r, &from, &to, filter)
                       : enlarge_latent(r, &from, &to, filter);
    }
    o->release(o, x);
    *x = y;
    return rc;
}
