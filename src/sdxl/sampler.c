/*
 * The step rules. With D the denoised x, d = (x - D) / sigma, and s -> t the step from sigma[i] to
 * sigma[i + 1]: formulas as in k-diffusion's sampling.py, written as sums of x, D, the last D and
 * noise.
 */
#include "sdxl/sampler.h"

#include <math.h>
#include <strings.h>

/* What a rule answers: x' = x * k.x + D * k.now + (last D) * k.before + noise * k.noise */
struct mix {
    double x, now, before, noise;
};

struct at {
    const float *sigma;
    int i, steps;
};

/* x + d (t - s) */
static struct mix euler(struct at a)
{
    double ratio = a.sigma[a.i + 1] / (double)a.sigma[a.i];
    return (struct mix){.x = ratio, .now = 1 - ratio};
}

/* Euler down to sigma_down, then noise back up to t; eta = 1. (k-diffusion get_ancestral_step) */
static struct mix euler_ancestral(struct at a)
{
    double s = a.sigma[a.i], t = a.sigma[a.i + 1];
    double up = fmin(t, sqrt(t * t * (s * s - t * t) / (s * s)));
    double down = sqrt(t * t - up * up);
    return (struct mix){.x = down / s, .now = 1 - down / s, .noise = up};
}

/* DPM-Solver++(2M), Lu et al. 2022, in the data-prediction form: lambda = -log sigma, h its
 * increment. */
static struct mix dpmpp_2m(struct at a)
{
    double s = a.sigma[a.i], t = a.sigma[a.i + 1];
    double ratio = t / s, gain = 1 - ratio; /* -expm1(-h) = 1 - t / s */
    if (a.i == 0 || t == 0)
        return (struct mix){.x = ratio, .now = gain};
    double h = log(s / t), h_last = log(a.sigma[a.i - 1] / s);
    double half = h / (2 * h_last); /* 1 / (2 r), r = h_last / h */
    return (struct mix){.x = ratio, .now = gain * (1 + half), .before = -gain * half};
}

/* DDIM with eta 0 (Song et al. 2020) is Euler's step in sigma: x0 and the direction to x are kept.
 */
static struct mix ddim(struct at a)
{
    return euler(a);
}

static const struct {
    const char *name, *label;
    struct mix (*rule)(struct at);
    bool noise;
} SAMPLERS[] = {
    {"euler", "Euler", euler, false},
    {"euler_ancestral", "Euler a", euler_ancestral, true},
    {"dpmpp_2m", "DPM++ 2M", dpmpp_2m, false},
    {"ddim", "DDIM", ddim, false},
};

enum { SAMPLER_COUNT = sizeof SAMPLERS / sizeof *SAMPLERS };

const char *sampler_name(int i)
{
    return i >= 0 && i < SAMPLER_COUNT ? SAMPLERS[i].name : NULL;
}

const char *sampler_label(int i)
{
    return i >= 0 && i < SAMPLER_COUNT ? SAMPLERS[i].label : NULL;
}

int sampler_by_name(const char *name)
{
    for (int i = 0; i < SAMPLER_COUNT; i++)
        if (!strcasecmp(name, SAMPLERS[i].name) || !strcasecmp(name, SAMPLERS[i].label))
            return i;
    return -1;
}

bool sampler_needs_noise(int i)
{
    assert(i >= 0 && i < SAMPLER_COUNT);
    return SAMPLERS[i].noise;
}

/* x = the mix; terms of no weight are left out, so that they need not exist. */
static void apply(struct ops *o, struct mix m, struct tensor *x, const struct tensor *now,
                  const struct tensor *before, const struct tensor *noise)
{
    const struct tensor *in[4] = {x, now};
    float k[4] = {(float)m.x, (float)m.now};
    int n = 2;
    if (m.before != 0)
        in[n] = before, k[n++] = (float)m.before;
    if (m.noise != 0)
        in[n] = noise, k[n++] = (float)m.noise;
    o->combine(o, x, n, k, in);
}

int sampler_run(const struct sampler_run *r, struct tensor *x)
{
    struct ops *o = r->ops;
    struct tensor t[3]; /* denoised now, denoised before, noise */
    int rc = 0, now = 0;
    assert(x->dtype == DT_F32);
    for (int i = 0; i < 3; i++)
        t[i] = o->alloc_as(o, DT_F32, x->n, x->h, x->w, x->c);
    for (int i = 0; i < r->steps && rc == 0; i++) {
        rc = r->denoise(r->user, i, x, &t[now]);
        if (rc)
            break;
        struct mix m = SAMPLERS[r->sampler].rule((struct at){r->sigma, i, r->steps});
        if (m.noise != 0)
            r->noise(r->user, &t[2]);
        apply(o, m, x, &t[now], &t[1 - now], &t[2]);
        if (r->stepped)
            rc = r->stepped(r->user, i, x, &t[now]);
        now = 1 - now;
    }
    for (int i = 2; i >= 0; i--)
        o->release(o, &t[i]);
    return rc;
}
