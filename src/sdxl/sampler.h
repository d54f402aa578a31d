/*
 * Samplers: from noise to a latent in `steps` steps along falling sigmas.
 *
 * There is one loop (sampler_run). A sampler is a rule in a table: given x at sigma[i], the
 * denoised image the model sees in it, and what came before, it says x at sigma[i + 1] as a sum of
 * at most four tensors. The denoiser is a callback, so that the same loop runs over the UNet, over
 * an analytic function in tests, and over the dry backend.
 */
#ifndef SPRITTY_SAMPLER_H
#define SPRITTY_SAMPLER_H

#include "sdxl/schedule.h"

/* denoised = what x [n, h, w, c] DT_F32 at sigma[step] would be without its noise. Nonzero stops
 * the loop. */
typedef int (*denoise_fn)(void *user, int step, const struct tensor *x, struct tensor *denoised);
/* Fresh unit noise into a DT_F32 tensor of x's size: asked once a step by samplers that need it. */
typedef void (*noise_fn)(void *user, struct tensor *noise);
/* After each step, x being the new state; nonzero stops. May be NULL. */
typedef int (*stepped_fn)(void *user, int step, const struct tensor *x,
                          const struct tensor *denoised);

struct sampler_run {
    struct ops *ops;
    int sampler, steps;
    const float *sigma; /* steps + 1 */
    denoise_fn denoise;
    noise_fn noise;
    stepped_fn stepped;
    void *user;
};

/* x: noise scaled to sigma[0] going in, the latent coming out. Allocates three tensors of x's size
 * from the arena. Returns 0, or the first nonzero of a callback. */
int sampler_run(const struct sampler_run *, struct tensor *x);

/* ComfyUI's names in the order of their indexes; NULL past the end. By name: index or -1 (A1111's
 * labels too). */
const char *sampler_name(int sampler);
const char *sampler_label(int sampler); /* A1111's "Sampler" */
int sampler_by_name(const char *name);
bool sampler_needs_noise(int sampler);

#endif
