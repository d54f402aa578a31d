/*
 * Noise levels, and schedules as ComfyUI defines them (comfy/samplers.py, k_diffusion/sampling.py),
 * computed in double. Where A1111 (modules/sd_schedulers.py) has another formula under the same
 * name, that is taken under its compat.
 */
#include "sdxl/schedule.h"

#include <math.h>
#include <stdlib.h>
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

/* ---- the schedules: each fills sigma and returns how many it has set, the last one included ----
 */

struct plan {
    const struct noise_levels *l;
    int steps;
    enum compat compat;
};

static double lowest(struct plan p)
{
    return p.l->sigma[0];
}

static double highest(struct plan p)
{
    return p.l->sigma[p.l->count - 1];
}

/* Step i of `last`, from 0 to 1; all at 0 when there is but one. */
static double ramp(int i, int last)
{
    return last > 0 ? (double)i / last : 0;
}

/* Behind the first n the 0 that most schedules end on. */
static int end(float *sigma, int n)
{
    sigma[n] = 0;
    return n + 1;
}

static int spread(struct plan p, int last, float *sigma)
{
    double first = p.l->count - 1;
    for (int i = 0; i < p.steps; i++)
        sigma[i] = (float)sigma_at(p.l, first * (1 - ramp(i, last)));
    return end(sigma, p.steps);
}

/* Timesteps evenly spaced, both ends included. */
static int normal(struct plan p, float *sigma)
{
    return spread(p, p.steps - 1, sigma);
}

/* Evenly spaced, the lowest left out (Stability's sgm). */
static int sgm_uniform(struct plan p, float *sigma)
{
    return spread(p, p.steps, sigma);
}

/* Every count/steps-th trained level, from the top. */
static int simple(struct plan p, float *sigma)
{
    double stride = (double)p.l->count / p.steps;
    for (int i = 0; i < p.steps; i++)
        sigma[i] = (float)p.l->sigma[p.l->count - 1 - (int)(i * stride)];
    return end(sigma, p.steps);
}

/* Every stride-th trained level from the second lowest up, for a whole stride: so there may be more
 * of them than asked for. */
static int ddim_uniform(struct plan p, float *sigma)
{
    int stride = p.l->count / p.steps > 1 ? p.l->count / p.steps : 1, n;
    while ((n = (p.l->count - 2) / stride + 1) > MAX_STEPS)
        stride++;
    for (int i = 0; i < n; i++)
        sigma[i] = (float)p.l->sigma[1 + (n - 1 - i) * stride];
    return end(sigma, n);
}

/* Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative Models", eq. 5.
 */
static int karras(struct plan p, float *sigma)
{
    const double rho = 7;
    double low = pow(lowest(p), 1 / rho), high = pow(highest(p), 1 / rho);
    for (int i = 0; i < p.steps; i++)
        sigma[i] = (float)pow(high + ramp(i, p.steps - 1) * (low - high), rho);
    return end(sigma, p.steps);
}

static int exponential(struct plan p, float *sigma)
{
    double low = log(lowest(p)), high = log(highest(p));
    for (int i = 0; i < p.steps; i++)
        sigma[i] = (float)exp(high + ramp(i, p.steps - 1) * (low - high));
    return end(sigma, p.steps);
}

/* 1 + k1 / (1 + k2 / (1 + ...)), the incomplete beta function's (DLMF 8.17.22), by Lentz's method.
 */
static double beta_fraction(double x, double a, double b)
{
    double f = 1, c = 1, d = 0;
    for (int i = 1; i < 300; i++) {
        int m = i / 2;
        double n = a + 2 * m, k = -(a + m) * (a + b + m) * x / (n * (n + 1));
        if (i % 2 == 0)
            k = m * (b - m) * x / ((n - 1) * n);
        d = 1 / (1 + k * d);
        c = 1 + k / c;
        f *= c * d;
        if (fabs(c * d - 1) < 1e-15)
            break;
    }
    return f;
}

/* The regularised incomplete beta function, a = b = 0.6. */
static double beta_below(double x)
{
    const double a = 0.6;
    if (x <= 0 || x >= 1)
        return x <= 0 ? 0 : 1;
    if (x > 0.5)
        return 1 - beta_below(1 - x);
    double log_front = a * (log(x) + log1p(-x)) - 2 * lgamma(a) + lgamma(2 * a);
    return exp(log_front) / (a * beta_fraction(x, a, a));
}

/* Its inverse. */
static double beta_quantile(double share)
{
    double low = 0, high = 1;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (beta_below(middle) < share)
            low = middle;
        else
            high = middle;
    }
    return share <= 0 ? 0 : share >= 1 ? 1 : (low + high) / 2;
}

/* Lee et al. 2024, "Beta Sampling is All You Need": timesteps dense at both ends, alpha and beta
 * 0.6. ComfyUI rounds to trained steps, and takes each once; A1111 spreads sigmas. */
static int beta(struct plan p, float *sigma)
{
    int n = 0, last = -1;
    if (p.compat == COMPAT_A1111) {
        for (int i = 0; i < p.steps; i++) {
            double share = beta_quantile(1 - ramp(i, p.steps - 1));
            sigma[i] = (float)(lowest(p) + share * (highest(p) - lowest(p)));
        }
        return end(sigma, p.steps);
    }
    for (int i = 0; i < p.steps; i++) {
        double share = beta_quantile(1 - (double)i / p.steps);
        int t = (int)nearbyint(share * (p.l->count - 1));
        if (t != last)
            sigma[n++] = (float)p.l->sigma[t];
        last = t;
    }
    return end(sigma, n);
}

/* Linear to 2.5% of the way over half of the steps, then quadratic with the same slope (Genmo's
 * Mochi). */
static int linear_quadratic(struct plan p, float *sigma)
{
    const double threshold = 0.025;
    int linear = p.steps / 2, rest = p.steps - linear;
    for (int i = 0; i < p.steps; i++) {
        double way = i < linear ? i * threshold / linear : 0;
        if (i >= linear && linear > 0) {
            double left = linear - threshold * p.steps,
                   square = left / (linear * (double)rest * rest);
            double slope = threshold / linear - 2 * left / ((double)rest * rest);
            way = square * i * i + slope * i + square * linear * linear;
        }
        sigma[i] = (float)((1 - way) * highest(p));
    }
    return end(sigma, p.steps);
}

/* Even in the arc tangent (Align Your Steps' supplement, eq. 3). A1111 ends at the lowest level. */
static int kl_optimal(struct plan p, float *sigma)
{
    double low = atan(lowest(p)), high = atan(highest(p));
    bool a1111 = p.compat == COMPAT_A1111;
    int last = a1111 ? p.steps : p.steps - 1;
    for (int i = 0; i <= last; i++)
        sigma[i] = (float)tan(high + ramp(i, last) * (low - high));
    return a1111 ? p.steps + 1 : end(sigma, p.steps);
}

enum { ALIGNED = 11 };

/* Log-linear between the levels of a list, at n places. */
static void between(const double *level, int n, float *sigma)
{
    for (int i = 0; i < n; i++) {
        double at = ramp(i, n - 1) * (ALIGNED - 1);
        int low = (int)at < ALIGNED - 1 ? (int)at : ALIGNED - 2;
        double w = at - low;
        sigma[i] = (float)exp((1 - w) * log(level[low]) + w * log(level[low + 1]));
    }
}

/* Sabour et al. 2024, "Align Your Steps", for SDXL and 10 steps; others between them. ComfyUI puts
 * the 0 in place of the last level, A1111 (which has the levels rounded) behind it. */
static int align_your_steps(struct plan p, float *sigma)
{
    static const double comfyui[ALIGNED] = {14.6146412293, 6.3184485287, 3.7681790315, 2.1811480769,
                                            1.3405244945,  0.8620721141, 0.5550693289, 0.3798540708,
                                            0.2332364134,  0.1114188177, 0.0291671582};
    static const double a1111[ALIGNED] = {14.615, 6.315, 3.771, 2.181, 1.342, 0.862,
                                          0.555,  0.380, 0.234, 0.113, 0.029};
    if (p.compat == COMPAT_A1111 && p.steps == 1) /* it counts from the lowest level up */
        sigma[0] = (float)a1111[ALIGNED - 1];
    else if (p.compat == COMPAT_A1111)
        between(a1111, p.steps, sigma);
    else
        between(comfyui, p.steps + 1, sigma);
    return end(sigma, p.steps);
}

static const struct {
    const char *name, *label, *alias;
    int (*fill)(struct plan, float *sigma);
} SCHEDULES[] = {
    {"normal", "Normal", "uniform", normal},
    {"karras", "Karras", NULL, karras},
    {"exponential", "Exponential", NULL, exponential},
    {"sgm_uniform", "SGM Uniform", "SGMUniform", sgm_uniform},
    {"simple", "Simple", NULL, simple},
    {"ddim_uniform", "DDIM", "ddim", ddim_uniform},
    {"beta", "Beta", NULL, beta},
    {"linear_quadratic", "Linear Quadratic", NULL, linear_quadratic},
    {"kl_optimal", "KL Optimal", NULL, kl_optimal},
    {"align_your_steps", "Align Your Steps", "ays", align_your_steps},
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
        if (!strcasecmp(name, SCHEDULES[i].name) || !strcasecmp(name, SCHEDULES[i].label) ||
            (SCHEDULES[i].alias && !strcasecmp(name, SCHEDULES[i].alias)))
            return i;
    return -1;
}

int schedule_sigmas(const struct noise_levels *l, int schedule, int steps, enum compat compat,
                    float *sigma)
{
    assert(schedule >= 0 && schedule < SCHEDULE_COUNT && steps >= 1 && steps <= MAX_STEPS + 1);
    struct plan p = {.l = l, .steps = steps, .compat = compat};
    int count = SCHEDULES[schedule].fill(p, sigma), kept = 1;
    for (int i = 1; i < count; i++) /* a step of no length would divide by 0 */
        if (sigma[i] < sigma[kept - 1])
            sigma[kept++] = sigma[i];
    return kept - 1;
}

int sigmas_parse(const char *text, float *sigma, struct err *e)
{
    const char *blank = " \t,;", *at = text + strspn(text, blank);
    int n = 0;
    while (*at) {
        char *after;
        double s = strtod(at, &after);
        size_t length = strcspn(at, blank);
        if (after != at + length || strspn(at, "0123456789.eE+-") < length || !(s >= 0 && s < 1e6))
            return err_set(e, "sigmas: '%.*s' is no number from 0 to a million",
                           (int)(length < 40 ? length : 40), at);
        if (n == MAX_STEPS + 1)
            return err_set(e, "sigmas: more than %d steps", MAX_STEPS);
        if (n > 0 && !((float)s < sigma[n - 1]))
            return err_set(e, "sigmas: %g does not fall from %g to it", s, (double)sigma[n - 1]);
        sigma[n++] = (float)s;
        at = after + strspn(after, blank);
    }
    if (n == 0 || sigma[0] == 0)
        return err_set(e, "sigmas: write falling numbers, such as 14.6, 6.3, 3.8, 0.9, 0.1, 0");
    if (sigma[n - 1] > 0 && n == MAX_STEPS + 1)
        return err_set(e, "sigmas: more than %d steps", MAX_STEPS);
    if (sigma[n - 1] > 0)
        sigma[n++] = 0;
    return n - 1;
}
