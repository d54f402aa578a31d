/*
 * A tiny autoencoder, TAESD (github.com/madebyollin/taesd) or one of its shape: 3x3 convolutions of
 * one width, residual blocks of three, no norm and no attention. It stands in for the VAE that it
 * was distilled from at a fraction of the work; small details differ.
 *
 *   decode   3 tanh(x / 3); convolution, ReLU; each level: blocks, nearest 2x and a convolution
 *            (not in the last); convolution; from 0..1 to -1..1
 *   encode   to 0..1; each level: a convolution (stride 2 but in the first), blocks; convolution
 */
#ifndef SPRITTY_VAE_TINY_H
#define SPRITTY_VAE_TINY_H

#include "sdxl/loader.h"

struct tiny_level {
    struct weight *in; /* the convolution that leads to it */
    int count;
    struct weight *block[MAX_BLOCKS][3];
};

struct tiny_half {
    struct tiny_level level[MAX_LEVELS]; /* in the order in which they run */
    struct weight *out;
};

/* encoder: else the decoder. What fails is the loader's. */
void tiny_load(struct tiny_half *, struct loader *, const struct vae_config *, bool encoder);
void tiny_free(struct tiny_half *, struct ops *);

/* As vae_decode and vae_encode (vae.h); the variance of what is encoded is as good as none. pad:
 * enum pad bits. */
void tiny_decode(const struct tiny_half *, const struct vae_config *, struct ops *, unsigned pad,
                 const struct tensor *latent, struct tensor *image);
void tiny_encode(const struct tiny_half *, const struct vae_config *, struct ops *, unsigned pad,
                 const struct tensor *image, struct tensor *moments);

#endif
