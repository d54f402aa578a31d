/* See preview.h. */
#include "sdxl/preview.h"

enum { SDXL_CHANNELS = 4 };

static const float SDXL_RGB[SDXL_CHANNELS][3] = {{0.3651f, 0.4232f, 0.4341f},
                                                 {-0.2533f, -0.0042f, 0.1068f},
                                                 {0.1076f, 0.1111f, -0.0362f},
                                                 {-0.3165f, -0.2492f, -0.2188f}};
static const float SDXL_BIAS[3] = {0.1084f, -0.0175f, -0.0011f};

bool preview_possible(const struct model_config *m)
{
    return m->has_preview || m->vae.latent_channels == SDXL_CHANNELS;
}

static uint8_t to_byte(float x)
{
    float v = x * 127.5f + 127.5f;
    return v >= 255 ? 255 : v > 0 ? (uint8_t)(v + 0.5f) : 0;
}

void preview_project(const struct model_config *m, const float *latent, int64_t pixels,
                     uint8_t *rgb)
{
    assert(preview_possible(m));
    const float(*factor)[3] = m->has_preview ? m->latent_rgb : SDXL_RGB;
    const float *bias = m->has_preview ? m->latent_rgb_bias : SDXL_BIAS;
    int channels = m->vae.latent_channels;
    for (int64_t i = 0; i < pixels; i++, latent += channels, rgb += 3) {
        float sum[3] = {bias[0], bias[1], bias[2]};
        for (int c = 0; c < channels; c++)
            for (int k = 0; k < 3; k++)
                sum[k] += latent[c] * factor[c][k];
        for (int k = 0; k < 3; k++)
            rgb[k] = to_byte(sum[k]);
    }
}
