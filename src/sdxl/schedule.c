/*
 * Schedules as ComfyUI defines them (comfy/samplers.py, k_diffusion/sampling.py), computed in
 * double. Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative Models",
 * eq. 5, for karras.
 */
#include "sdxl/schedule.h"

#include <math.h>
#include <string.h>
#include <strings.h>

/* Lin et al. 2023, "Common Diffusion Noise Schedules and Sample Steps are Flawed", algorithm 1: the
 * roots of the alphas are shifted and scaled so that the last becomes 0. A sigma must be finite, so
 * the last alpha is then ComfyUI's small constant. */
static void rescale_zero_terminal(struct noise_levels *l, double *alpha)
{
    const double last_alpha = 4.8973451890853435e-08;
    double first = sqrt(alpha[0]), last = sqrt(alpha[l->count - 1]);
    for (int i = 0; i < l->count; i++) {
        double root = (sqrt(alpha[i]) - last) * first / (first - last);
        alpha[i] = root * root;
    }
    alpha[l->count - 1] = last_alpha;
}

void noise_levels_init(struct noise_levels *l, const struct schedule_config *c)
{
    assert(c->train_steps >= 2 && c->train_steps <= MAX_TRAIN_STEPS);
    double from = c->scaled_linear ? sqrt(c->beta_start) : c->beta_start;
    double to = c->scaled_linear ? sqrt(c->beta_end) : c->beta_end;
    double product = 1.0, alpha[MAX_TRAIN_STEPS];
    l->count = c->train_steps;
    for (int i = 0; i < l->count; i++) {
        double beta = from + (to - from) * i / (l->count - 1);
        alpha[i] = product *= 1.0 - (c->scaled_linear ? beta * beta : beta);
    }
    if (c->zero_terminal_snr)
        rescale_zero_terminal(l, alpha);
    for (int i = 0; i < l->count; i++) {
        l->sigma[i] = sqrt((1.0 - alpha[i]) / alpha[i]);
        l->log_sigma[i] = log(l->sigma[i]);
    }
}

double sigma_at(const struct noise_levels *l, double t)
{
    t = fmin(fmax(t, 0), l->count - 1);
    int low = (int)t;
    int high = low + 1 < l->count ? low + 1 : low;
    double w = t - low;
    return exp((1 - w) * l->log_sigma[low] + w * l->log_sigma[high]);
}

double timestep_at(const struct noise_levels *l, double sigma, enum timestep_rule rule)
{
    double s = log(sigma);
    int low = 0;
    while (low + 2 < l->count && l->log_sigma[low + 1] <= s)
        low++;
    double a = l->log_sigma[low], b = l->log_sigma[low + 1];
    double w = fmin(fmax((s - a) / (b - a), 0), 1);
    if (rule == TIMESTEP_INTERPOLATED)
        return low + w;
    return w > 0.5 ? low + 1 : low;
}

/* ---- the schedules: each fills sigma[0 .. steps - 1]; the final zero is the caller's ---- */

static void spread(const struct noise_levels *l, int steps, int intervals, float *sigma)
{
    double first = timestep_at(l, l->sigma[l->count - 1], TIMESTEP_INTERPOLATED);
    for (int i = 0; i < steps; i++)
        sigma[i] = (float)sigma_at(l, intervals > 0 ? first - first * i / intervals : first);
}

/* Timesteps evenly spaced, both ends included. */
static void normal(const struct noise_levels *l, int steps, float *sigma)
{
    spread(l, steps, steps - 1, sigma);
}

/* Evenly spaced, the lowest left out (Stability's sgm). */
static void sgm_uniform(const struct noise_levels *l, int steps, float *sigma)
{
    spread(l, steps, steps, sigma);
}

/* Every count/steps-th trained level, from the top. */
static void simple(const struct noise_levels *l, int steps, float *sigma)
{
    double stride = (double)l->count / steps;
    for (int i = 0; i < steps; i++)
        sigma[i] = (float)l->sigma[l->count - 1 - (int)(i * stride)];
}

static void karras(const struct noise_levels *l, int steps, float *sigma)
{
    const double rho = 7;
    double low = pow(l->sigma[0], 1 / rho), high = pow(l->sigma[l->count - 1], 1 / rho);
    for (int i = 0; i < steps; i++) {
        double ramp = steps > 1 ? (double)i / (steps - 1) : 0;
        sigma[i] = (float)pow(high + ramp * (low - high), rho);
    }
}

static void exponential(const struct noise_levels *l, int steps, float *sigma)
{
    double low = l->log_sigma[0], high = l->log_sigma[l->count - 1];
    for (int i = 0; i < steps; i++)
        sigma[i] = (float)exp(high + (steps > 1 ? (double)i / (steps - 1) : 0) * (low - high));
}

static const struct {
    const char *name, *label;
    void (*fill)(const struct noise_levels *, int steps, float *sigma);
} SCHEDULES[] = {
    {"normal", "Normal", normal},
    {"karras", "Karras", karras},
    {"exponential", "Exponential", exponential},
    {"simple", "Simple", simple},
    {"sgm_uniform", "SGM Uniform", sgm_uniform},
};

enum { SCHEDULE_COUNT = sizeof SCHEDULES / sizeof *SCHEDULES };

const char *schedule_name(int i)
{
    return i >= 0 && i < SCHEDULE_COUNT ? SCHEDULES[i].name : NULL;
}

const char *schedule_label(int i)
{
    return i >= 0 && i < SCHEDULE_COUNT ? SCHEDULES[i].label : NULL;
}

int schedule_by_name(const char *name)
{
    for (int i = 0; i < SCHEDULE_COUNT; i++)
        if (!strcasecmp(name, SCHEDULES[i].name) || !strcasecmp(name, SCHEDULES[i].label))
            return i;
    return -1;
}

void schedule_sigmas(const struct noise_levels *l, int schedule, int steps, float *sigma)
{
    assert(schedule >= 0 && schedule < SCHEDULE_COUNT && steps >= 1 && steps <= MAX_STEPS);
    SCHEDULES[schedule].fill(l, steps, sigma);
    sigma[steps] = 0;
}
