/*
 * Noise levels: what the model was trained with, and which of them a run visits.
 *
 * Everything is in terms of sigma, the standard deviation of the noise in x = x0 + sigma * noise
 * (the k-diffusion parametrisation): the model's timesteps are looked up from sigma, never the
 * other way round.
 */
#ifndef SPRITTY_SCHEDULE_H
#define SPRITTY_SCHEDULE_H

#include "sdxl/compat.h"
#include "sdxl/model.h"

enum { MAX_TRAIN_STEPS = 4096, MAX_STEPS = 1000 };

struct noise_levels {
    int count;                     /* training steps, 1000 */
    double sigma[MAX_TRAIN_STEPS]; /* rising: sqrt((1 - a) / a), a the product of 1 - beta */
    double log_sigma[MAX_TRAIN_STEPS];
};

enum timestep_rule {
    TIMESTEP_NEAREST,     /* ComfyUI: the trained step whose log sigma is nearest */
    TIMESTEP_INTERPOLATED /* A1111, k-diffusion: linear in log sigma between two */
};

void noise_levels_init(struct noise_levels *, const struct schedule_config *);

/* Sigma of a fractional timestep: log-linear between trained ones. */
double sigma_at(const struct noise_levels *, double timestep);
double timestep_at(const struct noise_levels *, double sigma, enum timestep_rule);

/* Names in the order of their indexes, ComfyUI's spelling; NULL past the end. By name: index, or -1
 * (A1111's labels too). */
const char *schedule_name(int schedule);
const char *schedule_label(int schedule); /* A1111's "Schedule type" */
int schedule_by_name(const char *name);

/* Fills sigma[0 .. n], falling, and returns n: `steps`, but ddim_uniform may give more (MAX_STEPS
 * at most) and beta fewer, as in ComfyUI, and a level that would come twice is taken once. steps 1
 * to MAX_STEPS + 1, of which a sampler drops one. sigma[n] is 0, but for A1111's kl_optimal, which
 * ends at the lowest level. */
int schedule_sigmas(const struct noise_levels *, int schedule, int steps, enum compat,
                    float *sigma);

/* A user's list, "14.6 3.8 1.3 0.1 0": numbers that fall, with spaces or commas between, into
 * sigma[0 .. MAX_STEPS]. A 0 that is not there is put behind. Returns the number of steps, or -1
 * with what is wrong. */
int sigmas_parse(const char *text, float *sigma, struct err *);

#endif
