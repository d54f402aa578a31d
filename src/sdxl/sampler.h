/*
 * Samplers: from noise to a latent in `steps` steps along falling sigmas.
 *
 * There is one loop (sampler_run). A sampler is a rule in a table (sampler_rules.c): given x at
 * sigma[i], the denoised image the model sees in it, and what came before, it says x at
 * sigma[i + 1] as a weighted sum of tensors. A rule may ask for the model once more within a step.
 * The denoiser is a callback, so that the same loop runs over the UNet, over an analytic function
 * in tests, and over the dry backend.
 */
#ifndef SPRITTY_SAMPLER_H
#define SPRITTY_SAMPLER_H

#include "sdxl/schedule.h"

enum { MAX_CALLS = 2 * MAX_STEPS }; /* of the model in a run */

/* Before each call of the model, once: what the call reads comes to its place. */
typedef void (*before_fn)(void *user, int call);
/* denoised = what x [n, h, w, c] DT_F32 at sigma would be without its noise; call counts from 0
 * over the whole run (sampler_calls lists their sigmas). uncond: the same without the prompt, for
 * samplers that need it, else NULL. Nonzero stops the loop. May be asked for the same call more
 * than once (ops.h, turns). */
typedef int (*denoise_fn)(void *user, int call, double sigma, const struct tensor *x,
                          struct tensor *denoised, struct tensor *uncond);
/* Unit noise into a DT_F32 tensor of x's size, for the way down from one sigma to another: what a
 * Brownian motion does between them, or fresh noise each time (sampler_noise). */
typedef void (*noise_fn)(void *user, double from, double to, struct tensor *noise);
/* After each step, x being the new state, which may be changed; nonzero stops. May be NULL. */
typedef int (*stepped_fn)(void *user, int step, const struct tensor *x,
                          const struct tensor *denoised);

struct sampler_run {
    struct ops *ops;
    int sampler, steps;
    enum compat compat;
    const float *sigma;                /* steps + 1 */
    const struct noise_levels *levels; /* for tcd, which looks up timesteps */
    before_fn before;                  /* may be NULL */
    denoise_fn denoise;
    noise_fn noise;
    stepped_fn stepped;
    void *user;
};

/* x: noise scaled to sigma[0] going in, the latent coming out. Allocates from the arena, before the
 * first step, the tensors of x's size that the sampler needs: 1 to 7. Returns 0, or the first
 * nonzero of a callback. */
int sampler_run(const struct sampler_run *, struct tensor *x);

/* The sigmas at which the run will call the model, in order, into sigma[MAX_CALLS], and the step
 * that each belongs to into step[MAX_CALLS] (NULL: not asked for); returns how many. Reads sampler,
 * steps, compat, sigma and levels alone. */
int sampler_calls(const struct sampler_run *, float *sigma, int *step);

/* How often the run will ask for noise, and between which sigmas, in order, into at[2 * MAX_CALLS]
 * (NULL: not asked for). Reads what sampler_calls reads. */
int sampler_draws(const struct sampler_run *, double (*at)[2]);

/* The sigmas that a run of this sampler visits, into sigma[0 .. MAX_STEPS]: the schedule's, but for
 * samplers that ComfyUI and A1111 spare the last but one. Returns the number of steps, which some
 * schedules choose themselves (schedule_sigmas). */
int sampler_sigmas(const struct noise_levels *, int sampler, int schedule, int steps, enum compat,
                   float *sigma);

/* ComfyUI's names in the order of their indexes; NULL past the end. By name: index or -1 (A1111's
 * labels and the older k_ names too). */
const char *sampler_name(int sampler);
const char *sampler_label(int sampler); /* A1111's "Sampler" */
int sampler_by_name(const char *name);
/* Names of A1111 before 1.9, and of what shares its presets, that say the schedule as well: "DPM++
 * 2M Karras". False: it is none. */
bool sampler_with_schedule(const char *name, int *sampler, int *schedule);
const char *sampler_and_schedule(int i); /* those of A1111's own list; NULL past the end */

/* ComfyUI's name of a sampler whose Brownian noise a GPU draws (rng = gpu): "dpmpp_sde_gpu"; NULL:
 * it has none. By that name: index or -1. */
const char *sampler_on_gpu(int sampler);
int sampler_by_gpu_name(const char *name);

enum sampler_noise { NOISE_NONE, NOISE_FRESH, NOISE_BROWNIAN };
enum sampler_noise sampler_noise(int sampler);
/* Whether it needs the answer without the prompt (CFG++), whatever the guidance. */
bool sampler_needs_uncond(int sampler);
/* Whether ComfyUI shows it what a mask keeps under other noise than the picture began with. */
bool sampler_masks_afresh(int sampler);

#endif
