/* What the loop in sampler.c and the rules in sampler_rules.c share. */
#ifndef SPRITTY_SAMPLER_RULES_H
#define SPRITTY_SAMPLER_RULES_H

#include "sdxl/sampler.h"

enum { HISTORY = 4 };

/* A weighted sum of what the loop holds. */
struct mix {
    double x;
    double held;       /* a second state, the rule's own */
    double d[HISTORY]; /* what the model saw: now, one call before, ... */
    double uncond, noise;
};

/* What a rule answers. First held becomes the mix `held`, where that is asked for; then either the
 * model is asked about held at sigma `again` and the rule for another move, or x becomes the mix
 * `x` and the step is done. */
struct move {
    struct mix x, held;
    bool holds;
    double again;               /* 0: no */
    float noise_from, noise_to; /* of the Brownian motion; 0: sigma[i], and again or sigma[i + 1] */
};

/* Where a rule is asked what to do. */
struct rule_input {
    const float *sigma;
    int i, steps;
    int call; /* of this step: 0, or 1 after a move with `again` */
    enum compat compat;
    const struct noise_levels *levels;
};

/* Who leaves out the last sigma over 0: bits. */
enum drops { DROPS_NONE, DROPS_COMFYUI, DROPS_A1111, DROPS_BOTH };

struct sampler {
    const char *name, *label, *alias; /* alias: k-diffusion's short name in A1111, or NULL */
    const char *on_gpu;               /* sampler_on_gpu */
    struct move (*rule)(struct rule_input);
    enum sampler_noise noise;
    int history; /* how many of d the rule reads, 1 to HISTORY */
    bool holds, uncond;
    bool keeps_held; /* d remembers held in place of what the model saw */
    enum drops drops;
    bool masks_afresh; /* sampler_masks_afresh */
};

/* The table; NULL past the end. */
const struct sampler *sampler_at(int i);

#endif
