/*
 * A ControlNet: a copy of the UNet's way down and middle that also reads a picture, the hint, and
 * whose stops are added to the UNet's (Zhang et al. 2023, "Adding Conditional Control to
 * Text-to-Image Diffusion Models"). Reference: diffusers' ControlNetModel.
 *
 *   hint      picture -> convolutions with SiLU, halved as often as the VAE does -> [1, h, w, c0],
 *             once for a run
 *   a step    conv_in + hint, then down and middle as the UNet; of each stop
 *             strength * (1x1 convolution) onto the UNet's stop of the same place
 *
 * The decision that matters: nothing on the UNet's way down depends on it, so it runs between the
 * UNet's ways down and up, and adds to each skip as it comes by. No tensor holds what it says.
 */
#ifndef SPRITTY_CONTROL_H
#define SPRITTY_CONTROL_H

#include "sdxl/control_union.h"
#include "sdxl/unet.h"

struct control {
    struct control_config config;
    struct unet half;
    struct weight *hint_in, *hint_out, *hint[2 * MAX_LEVELS]; /* hint: two a level but the last */
    struct weight *add[UNET_STOPS];                           /* the 1x1 convolutions, with bias */
    float *bias[UNET_STOPS]; /* those on the host; NULL: none, or a forecast */
    int width[UNET_STOPS];   /* channels of each */
    int stops;
    struct control_union kinds; /* types 0: it is none */
};

int control_load(struct control *, struct loader *, const struct control_config *);
void control_free(struct control *, struct ops *);

/* What a run gives it beside what the UNet gets. */
struct control_inputs {
    const float *picture; /* host, [h, w, hint_channels] in 0 to 1; NULL: a forecast */
    int w, h;             /* hint_levels - 1 times twice the latent's size */
    float strength;
    int kind; /* what a union is told, from 0; -1: nothing */
};

struct control_run {
    const struct control *control;
    struct unet_run run;
    struct tensor hint;             /* [1, h, w, c0] in the ops' stream type */
    struct tensor bias[UNET_STOPS]; /* [n, 1, 1, c]: what a strength of not 1 changes */
    float strength;
};

/* Arena memory for the whole run, which control_run_finish gives back, after a failure too. */
int control_run_prepare(const struct control *, struct ops *, const struct unet_inputs *,
                        const struct control_inputs *, struct control_run *, struct err *);
void control_run_finish(struct ops *, struct control_run *);
void control_before_step(struct ops *, const struct control_run *, int step);
/* As unet_step's between. x: what the UNet reads; of more channels than the ControlNet has, the
 * first. stops: the UNet's. */
void control_step(struct ops *, const struct control_run *, int step, const struct tensor *x,
                  struct tensor *stops);

#endif
