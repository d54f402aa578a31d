/*
 * Between the two passes: the picture enlarged, as a latent or in pixels.
 *
 * A latent is enlarged as ComfyUI's LatentUpscale and A1111's "Latent" upscalers do, which blurs it
 * and takes a denoise of 0.5 and more to mend; pixels are decoded, enlarged and encoded again.
 */
#include "sdxl/pipeline_priv.h"

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
    if (rc == 0 && !r->p->stage)
        rc = resample(small, x->w, x->h, x->c, large, y->w, y->h, filter, r->err);
    if (rc == 0)
        o->upload(o, y, large);
    free(small);
    free(large);
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
    if (rc == 0 && !r->p->stage)
        rc = resample(small, w, h, 3, large, p->width, p->height, filter, r->err);
    size_t count = r->p->stage ? 0 : (size_t)p->width * (size_t)p->height * 3;
    for (size_t i = 0; i < count && rc == 0; i++)
        large[i] = large[i] > 1 ? 1 : large[i] < -1 ? -1 : large[i];
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
