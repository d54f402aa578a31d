/*
 * The autoencoder: latents to pixels and back, eight times smaller.
 *
 *   decode   1x1, conv_in; middle: res, attention, res; each level: res x (layers + 1), nearest 2x
 *            and a convolution (not in the last); norm, SiLU, conv_out
 *   encode   conv_in; each level: res x layers, a stride-2 convolution (not in the last); middle;
 *            norm, SiLU, conv_out, 1x1
 *
 * Or a tiny one in its place (vae_tiny.h), which has none of that.
 */
#ifndef SPRITTY_VAE_H
#define SPRITTY_VAE_H

#include "sdxl/resnet.h"
#include "sdxl/vae_tiny.h"

struct vae_middle {
    struct resnet res[2];
    struct weight *norm, *qkv, *out; /* one head over all pixels; NULL without attention */
};

struct vae_level {
    int count;
    struct resnet res[MAX_BLOCKS + 1];
    struct weight *sample;
};

struct vae_half {
    struct weight *conv_in, *norm_out, *conv_out, *quant; /* quant NULL when the model has none */
    struct vae_level level[MAX_LEVELS];                   /* in the order in which they run */
    struct vae_middle mid;
};

/*
 * The residual stream of SDXL's decoder goes beyond what FP16 holds. It is only ever read by group
 * norms, and by convolutions that write to it again; so with every term that is added to it times
 * 1/s (a power of two), and the eps of those norms times 1/s^2, the output is what it was: exactly,
 * but for values that become too small.
 */
struct vae {
    struct vae_config config;
    float stream; /* 1/s; 0 before loading: 1/64 over FP16, else 1 */
    unsigned pad; /* enum pad bits: circular where pictures are to meet their own other side */
    struct vae_half decoder, encoder;
    struct tiny_half tiny[2]; /* of a tiny one: decoder, encoder */
};

/* The halves are loaded apart: a prompt needs no encoder. -1 with the loader's err. vae_free is
 * safe after any of them; vae_init comes first. */
void vae_init(struct vae *, const struct vae_config *);
int vae_load_decoder(struct vae *, struct loader *);
int vae_load_encoder(struct vae *, struct loader *);
void vae_drop_encoder(struct vae *, struct ops *);
void vae_free(struct vae *, struct ops *);

/* latent [n, h, w, latent_channels] DT_F32, in the sampler's scale -> image [n, h f, w f, 3]
 * DT_F32, -1 to 1 and a little beyond. */
void vae_decode(const struct vae *, struct ops *, const struct tensor *latent,
                struct tensor *image);

/* image [n, h f, w f, 3] DT_F32 in -1 to 1 -> moments [n, h, w, 2 latent_channels] DT_F32: mean,
 * then log variance, before scaling (the sampler's latent is (mean - shift) * scaling_factor). */
void vae_encode(const struct vae *, struct ops *, const struct tensor *image,
                struct tensor *moments);

#endif
