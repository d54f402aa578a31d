/* What a pass begins with; see pipeline_priv.h. */
#include "sdxl/pipeline_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sdxl/resample.h"

/* ---- host memory and noise ---- */

/* Room for a preview, when somebody wants to see it. Without memory no one sees. */
static void want_previews(struct run *r, int width, int height)
{
    const struct model_config *m = r->p->config;
    if (r->hooks && r->hooks->preview && preview_possible(m))
        r->seen = preview_new(m, width, height);
}

/* The lowest level over 0 and the highest that a tree spans. ComfyUI has one for the steps of each
 * model, A1111 one for the whole schedule, of which an image may leave out the beginning. */
static void levels_of(const struct run *r, const struct pass *p, double *low, double *high)
{
    const struct pass *refiner = &r->pass[PASS_REFINER];
    bool goes_on = p == &r->pass[PASS_BASE] && refiner->steps > 0;
    const struct pass *start = p->steps > 0 || !goes_on ? p : refiner;
    const struct pass *end = goes_on && r->params->compat != COMPAT_COMFYUI ? refiner : start;
    int last = end->sigma[end->steps] > 0 ? end->steps : end->steps - 1;
    *low = (double)end->sigma[last > 0 ? last : 0];
    *high = (double)(r->params->compat == COMPAT_A1111 ? start->top : start->sigma[0]);
}

void run_noise_again(struct run *r, const struct pass *p)
{
    double low, high;
    levels_of(r, p, &low, &high);
    noise_restart(r->noise, low, high);
}

int run_take(struct run *r, const struct pass *p, const struct tensor *x)
{
    const struct gen_params *g = r->params;
    struct noise_setup s = {.compat = (enum compat)g->compat,
                            .rng = (enum rng_kind)g->rng,
                            .seed = g->seed,
                            .seeds = g->seeds,
                            .parts = g->seed_count,
                            .n = g->batch,
                            .first = g->first,
                            .images = x->n,
                            .c = x->c,
                            .h = x->h,
                            .w = x->w,
                            .brownian = sampler_noise(g->sampler) == NOISE_BROWNIAN,
                            .threads = r->p->threads};
    levels_of(r, p, &s.sigma_low, &s.sigma_high);
    r->host = calloc((size_t)tensor_count(x), sizeof *r->host);
    if (!r->host)
        return err_set(r->err, "out of memory for %d images of %dx%d", x->n, p->width, p->height);
    want_previews(r, x->w, x->h);
    return (r->noise = noise_open(&s, r->err)) ? 0 : -1;
}

void run_give_back(struct run *r)
{
    noise_close(r->noise);
    preview_free(r->seen);
    free(r->host);
    r->noise = NULL;
    r->seen = NULL;
    r->host = NULL;
}

/* ---- an image's latent ---- */

int start_latent(struct run *r, const float *pixels, int width, int height, bool sampled,
                 float *latent)
{
    struct ops *o = r->p->ops;
    const struct vae_config *c = &r->p->vae.config;
    int f = r->p->config->vae_factor, z = c->latent_channels;
    size_t count = (size_t)(width / f) * (size_t)(height / f);
    struct tensor image = o->alloc_as(o, DT_F32, 1, height, width, 3);
    struct tensor moments = o->alloc_as(o, DT_F32, 1, height / f, width / f, 2 * z);
    float *both = calloc(count * (size_t)(2 * z), sizeof *both);
    float *draw = calloc(count * (size_t)z, sizeof *draw);
    int rc = both && draw ? 0
                          : err_set(r->err, "out of memory for an image of %dx%d", width, height);
    if (rc == 0) {
        o->upload(o, &image, pixels);
        vae_encode(&r->p->vae, o, &image, &moments);
        o->download(o, both, &moments);
        rc = o->sync(o, r->err);
    }
    sampled = sampled && !c->tiny; /* which has no variance */
    if (rc == 0 && sampled && !r->p->dry)
        noise_extra(r->noise, draw);
    for (size_t i = 0; i < count && rc == 0 && !r->p->dry; i++)
        for (int k = 0; k < z; k++) {
            const float *at = both + i * (size_t)(2 * z);
            float log_variance = fminf(fmaxf(at[z + k], -30), 20);
            latent[i * (size_t)z + (size_t)k] = c->scaling_factor *
                                                (at[k] + expf(0.5f * log_variance) *
                                                             draw[i * (size_t)z + (size_t)k]);
        }
    free(both);
    free(draw);
    o->release(o, &moments);
    o->release(o, &image);
    return rc;
}

/* ---- masks ---- */

/* How a mask comes to the latents' size. */
struct shrinking {
    enum resample filter;
    bool before, after; /* rounded to 0 or 1 before it, or after */
};

/* For the loop, which keeps by it: 0 to 1, or one of both. */
static const struct shrinking KEEPING[] = {[COMPAT_COMFYUI] = {RESAMPLE_BILINEAR, false, false},
                                           [COMPAT_A1111] = {RESAMPLE_CUBIC, false, true},
                                           [COMPAT_DIFFUSERS] = {RESAMPLE_NEAREST, true, false}};

/* For a model that reads it: one of both (ComfyUI: comfy/model_base.py concat_cond; A1111:
 * modules/processing.py inpainting_image_conditioning; diffusers: prepare_mask_latents). */
static const struct shrinking READING[] = {[COMPAT_COMFYUI] = {RESAMPLE_BILINEAR, false, true},
                                           [COMPAT_A1111] = {RESAMPLE_NEAREST, true, false},
                                           [COMPAT_DIFFUSERS] = {RESAMPLE_NEAREST, true, false}};

static int shrink_mask(const struct run *r, const struct shrinking *s, float *out, int w, int h)
{
    const struct gen_params *g = r->params;
    size_t count = (size_t)g->width * (size_t)g->height;
    float *full = malloc(count * sizeof *full);
    if (!full)
        return err_set(r->err, "out of memory for a mask of %dx%d", g->width, g->height);
    for (size_t i = 0; i < count; i++) {
        full[i] = (float)g->mask[i] / 255;
        if (s->before)
            full[i] = full[i] >= 0.5f;
    }
    int rc = resample(&(struct raster){g->width, g->height, 1, full},
                      &(struct raster){w, h, 1, out}, s->filter, r->err);
    for (int i = 0; i < w * h && rc == 0 && s->after; i++)
        out[i] = nearbyintf(out[i]);
    free(full);
    return rc;
}

/* Bytes to -1..1; what `grey` covers, if it is not NULL, becomes middle grey. */
static void to_pixels(const struct gen_params *g, const uint8_t *grey, float *out)
{
    size_t count = (size_t)g->width * (size_t)g->height;
    for (size_t i = 0; i < 3 * count; i++)
        out[i] = grey && grey[i / 3] >= 128 ? 0 : (float)g->image[i] / 127.5f - 1;
}

/* The host's latent of one picture into each of t's. */
static void spread(struct ops *o, struct tensor *t, const float *latent)
{
    for (int i = 0; i < t->n; i++) {
        struct tensor one = tensor_images(*t, i, 1);
        o->upload(o, &one, latent);
    }
}

/* Latents under the mask that are not the picture's. */
static void refill(struct run *r, struct masked *m)
{
    struct ops *o = r->p->ops;
    float zero = 0, one = 1;
    struct tensor other = o->alloc_as(o, DT_F32, m->keep.n, m->keep.h, m->keep.w, m->keep.c);
    if (r->params->mask_content == CONTENT_NOISE)
        o->combine(o, &other, 1, &one, (const struct tensor *const[]){&m->noise});
    else
        o->combine(o, &other, 1, &zero, (const struct tensor *const[]){&m->keep});
    o->blend(o, &m->keep, &other, &m->keep, &m->mask);
    o->release(o, &other);
}

/* ---- models that read mask and picture ---- */

/* How many channels such a model reads beside the latent's; 0: it is none. */
static int reads_more(const struct pass *p)
{
    return p->model->config->unet.in_channels - p->r->p->config->vae.latent_channels;
}

/* The latent of the picture without what is masked; of a grey one where there is no mask, and all
 * is made anew. For that ComfyUI has four numbers instead (blank_inpaint_image_like). */
static int told_picture(struct pass *p, float *latent, size_t count)
{
    struct run *r = p->r;
    const struct gen_params *g = r->params;
    static const float blank[4] = {0.8223f, -0.6876f, 0.6364f, 0.1380f};
    int z = reads_more(p) - 1;
    float *pixels = calloc((size_t)p->width * (size_t)p->height * 3, sizeof *pixels);
    if (!pixels)
        return err_set(r->err, "out of memory for an image of %dx%d", p->width, p->height);
    if (g->mask)
        to_pixels(g, g->mask, pixels);
    bool sampled = g->mask && g->compat == COMPAT_DIFFUSERS;
    int rc = start_latent(r, pixels, p->width, p->height, sampled, latent);
    if (!g->mask && g->compat == COMPAT_COMFYUI && z == 4)
        for (size_t i = 0; i < count * 4; i++)
            latent[i] = blank[i % 4];
    free(pixels);
    return rc;
}

/* Mask and picture for a pass whose model reads both: of `images` pictures, w x h latents. */
static int tell(struct pass *p, int images, int w, int h)
{
    struct run *r = p->r;
    struct ops *o = r->p->ops;
    const struct gen_params *g = r->params;
    struct tensor *t = &p->masked.extra;
    size_t count = (size_t)w * (size_t)h, c = (size_t)reads_more(p), z = c - 1;
    *t = o->alloc_as(o, o->act, images, h, w, (int)c);
    float *mask = malloc(count * sizeof *mask), *latent = calloc(count * z, sizeof *latent);
    float *rows = malloc(count * c * sizeof *rows);
    int rc = mask && latent && rows ? 0 : err_set(r->err, "out of memory for a mask");
    for (size_t i = 0; i < count && rc == 0; i++)
        mask[i] = 1;
    if (rc == 0 && g->mask)
        rc = shrink_mask(r, &READING[g->compat], mask, w, h);
    if (rc == 0)
        rc = told_picture(p, latent, count);
    for (size_t i = 0; i < count && rc == 0; i++) {
        rows[i * c] = mask[i];
        memcpy(rows + i * c + 1, latent + i * z, z * sizeof *rows);
    }
    if (rc == 0)
        spread(o, t, rows);
    free(rows);
    free(latent);
    free(mask);
    return rc;
}

bool start_reads_more(const struct pass *p)
{
    return reads_more(p) > 0;
}

int start_tell(struct pass *p, const struct tensor *x)
{
    return reads_more(p) > 0 ? tell(p, x->n, x->h, x->w) : 0;
}

/* ---- the picture and its mask ---- */

/* diffusers draws for the masked picture's latent whether it needs that or not. */
static int encode_mask(struct pass *p, float *latent)
{
    struct run *r = p->r;
    struct ops *o = r->p->ops;
    struct masked *m = &p->masked;
    float *mask = malloc((size_t)tensor_tokens(&m->mask) * sizeof *mask);
    int rc = mask ? shrink_mask(r, &KEEPING[r->params->compat], mask, m->mask.w, m->mask.h)
                  : err_set(r->err, "out of memory for a mask");
    if (rc == 0)
        o->upload(o, &m->mask, mask);
    if (rc == 0 && r->params->mask_content >= CONTENT_NOISE)
        refill(r, m);
    if (rc == 0 && !start_reads_more(p) && r->params->compat == COMPAT_DIFFUSERS && !r->p->dry)
        noise_extra(r->noise, latent);
    free(mask);
    return rc;
}

/* Whether the picture's latent is drawn: diffusers does not when a model that reads the picture
 * begins with noise alone, and it would be of no use. */
static bool is_drawn(const struct pass *p)
{
    const struct gen_params *g = p->r->params;
    return g->compat == COMPAT_DIFFUSERS && !(start_reads_more(p) && g->mask && g->denoise >= 1);
}

int start_encode(struct pass *p, const struct tensor *x)
{
    struct run *r = p->r;
    struct ops *o = r->p->ops;
    struct masked *m = &p->masked;
    const struct gen_params *g = r->params;
    const uint8_t *covers = g->grey ? g->grey : g->mask;
    const uint8_t *grey = g->mask && g->mask_content == CONTENT_GREY ? covers : NULL;
    float *pixels = malloc((size_t)p->width * (size_t)p->height * 3 * sizeof *pixels);
    float *latent = calloc((size_t)tensor_tokens(x) * (size_t)x->c, sizeof *latent);
    m->keep = o->alloc_as(o, DT_F32, x->n, x->h, x->w, x->c);
    m->noise = o->alloc_as(o, DT_F32, x->n, x->h, x->w, x->c);
    if (g->mask)
        m->mask = o->alloc_as(o, DT_F32, 1, x->h, x->w, 1);
    int rc = pixels && latent
                 ? 0
                 : err_set(r->err, "out of memory for an image of %dx%d", p->width, p->height);
    if (rc == 0) {
        to_pixels(g, grey, pixels);
        rc = start_latent(r, pixels, p->width, p->height, is_drawn(p), latent);
    }
    if (rc == 0) {
        spread(o, &m->keep, latent);
        if (!r->p->dry)
            noise_first(r->noise, r->host);
        o->upload(o, &m->noise, r->host);
    }
    if (rc == 0 && g->mask)
        rc = encode_mask(p, latent);
    if (rc == 0)
        rc = start_tell(p, x);
    free(pixels);
    free(latent);
    return rc;
}

void masked_free(struct ops *o, struct masked *m)
{
    o->release(o, &m->extra);
    o->release(o, &m->mask);
    o->release(o, &m->noise);
    o->release(o, &m->keep);
}

/* ---- the first state ---- */

/* The noise that the loop lays over what the mask keeps, where it is not the first one. */
static void mask_afresh(struct run *r, const struct masked *m)
{
    const struct gen_params *g = r->params;
    struct tensor noise = m->noise;
    if (!m->mask.data || g->compat != COMPAT_COMFYUI || !sampler_masks_afresh(g->sampler))
        return;
    if (!r->p->dry)
        noise_masked(r->noise, r->host);
    r->p->ops->upload(r->p->ops, &noise, r->host);
}

void start_noise(struct pass *p, struct tensor *x)
{
    struct run *r = p->r;
    struct ops *o = r->p->ops;
    const struct gen_params *g = r->params;
    const struct masked *m = &p->masked;
    const struct pass *first = p->steps > 0 || p != &r->pass[PASS_BASE] ? p : p + 1;
    const struct noise_levels *l = &r->p->levels;
    double sigma = first->steps > 0 ? (double)first->sigma[0] : 0;
    float k[2] = {1, (float)noise_scale((enum compat)g->compat, sigma, l->sigma[l->count - 1])};
    if (!m->keep.data) {
        if (!r->p->dry)
            noise_first(r->noise, r->host);
        o->upload(o, x, r->host);
        o->combine(o, x, 1, k + 1, (const struct tensor *const[]){x});
        return;
    }
    bool alone = g->compat == COMPAT_DIFFUSERS && m->mask.data && g->denoise >= 1;
    if (g->compat == COMPAT_DIFFUSERS && !alone)
        k[1] = (float)sigma; /* its add_noise scales by sigma, whatever it is */
    if (first->steps == 0)
        k[1] = 0;
    k[0] = alone ? 0 : 1;
    o->combine(o, x, 2, k, (const struct tensor *const[]){&m->keep, &m->noise});
    mask_afresh(r, m);
}
