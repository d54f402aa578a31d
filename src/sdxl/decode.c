/* Latents to bytes. One image after the other: the decoder's widest layers are what takes the most
 * memory of all. */
#include "sdxl/pipeline_priv.h"

#include <stdlib.h>

/* -1..1 to 0..255. */
static void to_bytes(const float *in, size_t count, uint8_t *out)
{
    for (size_t i = 0; i < count; i++) {
        float v = in[i] * 127.5f + 127.5f;
        out[i] = v >= 255 ? 255 : v > 0 ? (uint8_t)(v + 0.5f) : 0;
    }
}

/* The image's own bytes where the mask says so, both where it says half. */
static void paste(const struct gen_params *g, uint8_t *rgb)
{
    size_t count = (size_t)g->width * (size_t)g->height;
    for (size_t i = 0; i < 3 * count; i++) {
        unsigned m = g->mask[i / 3];
        rgb[i] = (uint8_t)((rgb[i] * m + g->image[i] * (255 - m) + 127) / 255);
    }
}

int decode_all(struct run *r, const struct tensor *latents, int w, int h)
{
    int rc = 0;
    size_t count = (size_t)w * (size_t)h * 3, bad = 0;
    bool same_size = w == r->params->width && h == r->params->height;
    float *pixels = malloc(count * sizeof *pixels);
    r->out->rgb = malloc(count * (size_t)latents->n);
    if (!pixels || !r->out->rgb)
        rc = err_set(r->err, "out of memory for the image of %dx%d", w, h);
    for (int i = 0; i < latents->n && rc == 0; i++) {
        struct tensor one = tensor_images(*latents, i, 1);
        uint8_t *rgb = r->out->rgb + (size_t)i * count;
        ops_turn(r->p->ops, "image", i);
        rc = decode_image(r->p, &one, w, h, pixels, &r->out->notes, r->err);
        ops_leave(r->p->ops);
        if (rc == 0)
            bad += count_bad(pixels, count);
        if (rc == 0)
            to_bytes(pixels, count, rgb);
        if (rc == 0 && r->params->mask && same_size)
            paste(r->params, rgb);
        if (rc == 0 && !run_tell(r, "decode", i + 1, latents->n, 0))
            rc = -1;
    }
    free(pixels);
    if (rc == 0 && bad)
        rc = err_set(r->err,
                     "the model produced %zu values that are no numbers; try --precision fp32, or "
                     "another model",
                     bad);
    r->out->count = rc == 0 ? latents->n : 0;
    return rc;
}
