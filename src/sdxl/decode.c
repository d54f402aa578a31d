/* Latents to bytes. One image after the other, unless the batch is wanted as one: the decoder's
 * widest layers are what takes the most memory of all. */
#include "sdxl/pipeline_priv.h"

#include <stdlib.h>

#include "ops/dry.h"

/* The image's own bytes where the mask says so, both where it says half. */
static void paste(const struct gen_params *g, uint8_t *rgb)
{
    size_t count = (size_t)g->width * (size_t)g->height;
    for (size_t i = 0; i < 3 * count; i++) {
        unsigned m = g->mask[i / 3];
        rgb[i] = (uint8_t)((rgb[i] * m + g->image[i] * (255 - m) + 127) / 255);
    }
}

const char *no_numbers_advice(const struct run *r)
{
    return r->p->ops->act == DT_F16 ? "try --precision fp32, or another model"
           : r->params->lora_count > 0
               ? "a file of the model or of a LoRA is damaged, or too strong: try without the LoRAs"
               : "one of its files is damaged: `spritty doctor --checksums` looks, or use another";
}

int decode_together(const struct gen_params *g, int width, int height)
{
    bool sliced = g->tuning.vae_slicing != TUNE_OFF;
    return sliced || decode_is_tiled(&g->tuning, g->tiling, width, height) ? 1 : gen_images(g);
}

/* Some images that are decoded as one, to bytes; how many values are no numbers. `pixels` has room
 * for them. A forecast has no pixels: rgb is NULL then. */
static int decode_some(struct run *r, const struct tensor *some, int w, int h, float *pixels,
                       uint8_t *rgb, size_t *bad)
{
    size_t count = (size_t)w * (size_t)h * 3 * (size_t)some->n, found = 0;
    bool tiled = decode_is_tiled(&r->params->tuning, r->params->tiling, w, h);
    int rc = tiled ? 0 : decode_bytes(r->p, some, w, h, rgb, &found, r->err);
    if (rc == 0) {
        rc = decode_image(r->p, some, w, h, pixels, &r->out->notes, r->err);
        if (rc == 0 && !r->p->dry) {
            found = count_bad(pixels, count);
            for (size_t i = 0; i < count; i++)
                rgb[i] = pixel_byte(pixels[i]);
        }
    }
    *bad += rc >= 0 ? found : 0;
    return rc < 0 ? rc : 0;
}

/* The forecast: the first turn stands for all, and there are no pixels. So pictures for which this
 * machine has no room can be forecast as well. */
static int decode_dry(struct run *r, const struct tensor *latents, int w, int h)
{
    int together = decode_together(r->params, w, h);
    size_t floats = (size_t)w * (size_t)h * 3 * (size_t)together, none = 0;
    float *pixels = malloc((floats < DRY_DOWNLOAD ? floats : DRY_DOWNLOAD) * sizeof *pixels);
    if (!pixels)
        return err_set(r->err, "out of memory for the image of %dx%d", w, h);
    struct tensor some = tensor_images(*latents, 0, together);
    double was = ops_dry_repeat(r->p->dry, (double)latents->n / together);
    ops_enter_turn(r->p->ops, "image", 0);
    int rc = decode_some(r, &some, w, h, pixels, NULL, &none);
    ops_leave(r->p->ops);
    ops_dry_resume(r->p->dry, was);
    free(pixels);
    return rc;
}

int decode_all(struct run *r, const struct tensor *latents, int w, int h)
{
    int rc = 0, together = decode_together(r->params, w, h);
    size_t count = (size_t)w * (size_t)h * 3, bad = 0;
    bool same_size = w == r->params->width && h == r->params->height;
    if (r->p->dry)
        return decode_dry(r, latents, w, h);
    float *pixels = malloc(count * (size_t)together * sizeof *pixels);
    r->out->rgb = malloc(count * (size_t)latents->n);
    if (!pixels || !r->out->rgb)
        rc = err_set(r->err, "out of memory for the image of %dx%d", w, h);
    for (int i = 0; i < latents->n && rc == 0; i++) {
        uint8_t *rgb = r->out->rgb + (size_t)i * count;
        if (i % together == 0) {
            struct tensor some = tensor_images(*latents, i, together);
            ops_enter_turn(r->p->ops, "image", i);
            rc = decode_some(r, &some, w, h, pixels, rgb, &bad);
            ops_leave(r->p->ops);
        }
        if (rc == 0 && r->params->mask && same_size)
            paste(r->params, rgb);
        if (rc == 0 && !run_tell(r, "decode", i + 1, latents->n, 0))
            rc = -1;
    }
    free(pixels);
    if (rc == 0 && bad)
        rc = err_set(r->err, "the model produced %zu values that are no numbers; %s", bad,
                     no_numbers_advice(r));
    r->out->count = rc == 0 ? latents->n : 0;
    return rc;
}
