/*
 * What a latent looks like, without decoding it.
 *
 * A model may bring a small network for it (spritty.json, latent_preview): it sees a latent with
 * its neighbours, and the whole picture's means, and may show several pixels for each. Without one,
 * each latent is a pixel, its colour a linear function of the channels; the factors are the model's
 * own (latent_rgb_factors) or, for SDXL's four channels, those that ComfyUI uses
 * (latent_formats.py). All give -1 to 1.
 */
#ifndef SPRITTY_PREVIEW_H
#define SPRITTY_PREVIEW_H

#include "sdxl/model.h"

struct preview {
    const struct model_config *model;
    int latent_width, latent_height;
    int width, height; /* of the picture: the latent's times the network's scale */
    float *latent;     /* to fill: rows of latent_channels in scaled space (as the UNet sees it) */
    uint8_t *rgb;      /* 3 bytes a pixel */
    float *work[2], bias[PREVIEW_LAYERS][PREVIEW_CHANNELS]; /* the network's own */
};

/* -1 to 1 as a byte, rounded; what is no number is 0. */
static inline uint8_t pixel_byte(float x)
{
    float v = x * 127.5f + 127.5f;
    return v >= 255 ? 255 : v > 0 ? (uint8_t)(v + 0.5f) : 0;
}

/* Is there a way for this model's latents? */
bool preview_possible(const struct model_config *);

/* Room for latents of that size. NULL without memory. The model must outlive it. */
struct preview *preview_new(const struct model_config *, int latent_width, int latent_height);
void preview_free(struct preview *);

/* latent -> rgb. What is no number becomes 0. */
void preview_show(struct preview *);

/* The numbers of the linear way, for a device to do it: each channel's three, and the bias. False
 * where a network shows the model's latents. */
enum { PREVIEW_FACTORS = 3 * (16 + 1) };
bool preview_factors(const struct model_config *, float to[PREVIEW_FACTORS]);

/* The linear way. latent: `pixels` rows of latent_channels; rgb: 3 bytes each. */
void preview_project(const struct model_config *, const float *latent, int64_t pixels,
                     uint8_t *rgb);

#endif
