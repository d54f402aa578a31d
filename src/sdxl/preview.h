/*
 * What a latent looks like, without decoding it: each of its pixels is one of the preview's, its
 * colour a linear function of the channels.
 *
 * The factors are the model's own (spritty.json) or, for SDXL's four channels, those that ComfyUI
 * uses (latent_formats.py). Both give -1 to 1.
 */
#ifndef SPRITTY_PREVIEW_H
#define SPRITTY_PREVIEW_H

#include "sdxl/model.h"

/* Are there factors for this model's latents? */
bool preview_possible(const struct model_config *);

/* latent: `pixels` rows of latent_channels in scaled space (as the UNet sees it); rgb: 3 bytes
 * each. What is no number becomes 0. */
void preview_project(const struct model_config *, const float *latent, int64_t pixels,
                     uint8_t *rgb);

#endif
