/*
 * The residual block that the UNet and the VAE share: norm, SiLU, conv; the time added; norm, SiLU,
 * conv; plus the input.
 */
#ifndef SPRITTY_RESNET_H
#define SPRITTY_RESNET_H

#include "sdxl/loader.h"

struct resnet {
    int in, out;
    struct weight *norm1, *conv1; /* [out, in, 3, 3] */
    struct weight *time;          /* [out, time_dim] or NULL (the VAE) */
    struct weight *norm2, *conv2; /* [out, out, 3, 3] */
    struct weight *shortcut;      /* [out, in], NULL when in == out */
};

/* time_dim 0: none. */
void resnet_load(struct resnet *, struct loader *, struct name base, int in, int out, int time_dim);
void resnet_free(struct resnet *, struct ops *);

struct resnet_spec {
    int groups;
    float eps;
    float stream_eps; /* of the norm that reads the input, where the stream is scaled; 0: eps */
    unsigned pad;     /* enum pad bits: what lies around the picture */
    enum dtype out;   /* of the result: the ops' act, or stream where blocks add up */
};

/* x [n, h, w, in] in either type; time [n, 1, 1, out] or NULL: this block's projection of the time
 * embedding, made before the loop. Takes x (releases it) and returns a new tensor [n, h, w, out];
 * with keep, x stays the caller's. */
struct tensor resnet_run(const struct resnet *, struct ops *, struct tensor *x, bool keep,
                         const struct tensor *time, struct resnet_spec);

/* Three by three, one pixel around: of zeros, or of the other side (enum pad bits). */
struct conv_args conv3x3(unsigned pad);

#endif
