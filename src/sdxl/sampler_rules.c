/*
 * The step rules. With D what the model sees in x, d = (x - D) / s, and s -> t the step from
 * sigma[i] to sigma[i + 1]: formulas as in k-diffusion's sampling.py and ComfyUI's, written as sums
 * of tensors. lambda is -log sigma, h its increment over a step. All noise is full: eta = 1, but
 * for tcd.
 */
#include "sdxl/sampler_rules.h"

#include <math.h>

static struct move to_x(struct mix m)
{
    return (struct move){.x = m};
}

/* Look at `m` with the model, at sigma. */
static struct move look(struct mix m, double sigma)
{
    return (struct move){.held = m, .holds = true, .again = sigma};
}

static double from(struct rule_input a)
{
    return a.sigma[a.i];
}

static double to(struct rule_input a)
{
    return a.sigma[a.i + 1];
}

/* x + d (t - s): what is left of x, and D for the rest. */
static struct mix line(double s, double t)
{
    return (struct mix){.x = t / s, .d = {1 - t / s}};
}

/* Ancestral steps go down further than to t, and back up with noise. (get_ancestral_step) */
struct ancestral {
    double down, up;
};

static struct ancestral ancestral(double s, double t)
{
    double up = fmin(t, sqrt(t * t * (s * s - t * t) / (s * s)));
    return (struct ancestral){.down = sqrt(t * t - up * up), .up = up};
}

/* ---- one call a step ---- */

static struct move euler(struct rule_input a)
{
    return to_x(line(from(a), to(a)));
}

/* DDIM with eta 0 (Song et al. 2020) is Euler's step in sigma: x0 and the direction to x are kept.
 */
static struct move ddim(struct rule_input a)
{
    return euler(a);
}

static struct move euler_ancestral(struct rule_input a)
{
    struct ancestral n = ancestral(from(a), to(a));
    struct mix m = line(from(a), n.down);
    m.noise = n.up;
    return to_x(m);
}

/* DDPM (Ho et al. 2020): the posterior's mean is (t/s)^2 x + (1 - (t/s)^2) D, its deviation
 * t sqrt(s^2 - t^2) / s. That is Euler's ancestral step. */
static struct move ddpm(struct rule_input a)
{
    return euler_ancestral(a);
}

/* Latent consistency (Luo et al. 2023): all the way to D, and back up. */
static struct move lcm(struct rule_input a)
{
    return to_x((struct mix){.d = {1}, .noise = to(a)});
}

/* Trajectory consistency (Zheng et al. 2024), eta (their gamma) 0.3: deterministically down to the
 * sigma of 0.7 times the next timestep, and back up. The last step stops at the lowest level, in
 * diffusers' scale (x times sqrt(alpha)). */
static struct move tcd(struct rule_input a)
{
    const double eta = 0.3;
    double s = from(a), t = to(a);
    if (t == 0) {
        double low = a.levels->sigma[0], scale = 1 / sqrt(low * low + 1);
        return to_x((struct mix){.x = scale * low / s, .d = {scale * (1 - low / s)}});
    }
    double step = timestep_at(a.levels, t, TIMESTEP_NEAREST);
    double down = a.levels->sigma[(int)floor((1 - eta) * step)];
    struct mix m = line(s, fmin(down, t));
    m.noise = sqrt(fmax(t * t - down * down, 0));
    return to_x(m);
}

/* CFG++ (Chung et al. 2024): D is guided, the direction to x is that without the prompt. */
static struct mix cfg_pp(double s, double down)
{
    return (struct mix){.x = down / s, .d = {1}, .uncond = -down / s};
}

static struct move euler_cfg_pp(struct rule_input a)
{
    return to_x(cfg_pp(from(a), to(a)));
}

static struct move euler_ancestral_cfg_pp(struct rule_input a)
{
    struct ancestral n = ancestral(from(a), to(a));
    struct mix m = cfg_pp(from(a), n.down);
    m.noise = n.up;
    return to_x(m);
}

/* ---- two calls a step ---- */

/* Karras et al. 2022, algorithm 2: the mean of the slopes at both ends. */
static struct move heun(struct rule_input a)
{
    double s = from(a), t = to(a), half = (t - s) / 2;
    if (t == 0)
        return euler(a);
    if (a.call == 0)
        return look(line(s, t), t);
    return to_x((struct mix){.x = 1 + half / s, .held = half / t, .d = {-half / t, -half / s}});
}

/* To `down` by the slope at the geometric mean of s and down. */
static struct move dpm_2_to(struct rule_input a, double down)
{
    double s = from(a), mid = sqrt(s * down);
    if (a.call == 0)
        return look(line(s, mid), mid);
    double k = (down - s) / mid;
    return to_x((struct mix){.x = 1, .held = k, .d = {-k}});
}

static struct move dpm_2(struct rule_input a)
{
    return to(a) == 0 ? euler(a) : dpm_2_to(a, to(a));
}

static struct move dpm_2_ancestral(struct rule_input a)
{
    struct ancestral n = ancestral(from(a), to(a));
    if (n.down == 0)
        return euler_ancestral(a);
    struct move m = dpm_2_to(a, n.down);
    m.x.noise = n.up;
    return m;
}

/* DPM-Solver++(2S), Lu et al. 2022: the whole step with the D of its middle. */
static struct move dpmpp_2s_ancestral(struct rule_input a)
{
    struct ancestral n = ancestral(from(a), to(a));
    double mid = sqrt(from(a) * n.down);
    if (n.down == 0)
        return euler_ancestral(a);
    if (a.call == 0)
        return look(line(from(a), mid), mid);
    struct mix m = line(from(a), n.down);
    m.noise = n.up;
    return to_x(m);
}

/* Sigma of lambda and back, as k-diffusion computes it: the Brownian motion is asked at exactly
 * these floats. */
static float sigma_of(float lambda)
{
    return expf(-lambda);
}

static float lambda_of(float sigma)
{
    return -logf(sigma);
}

/* DPM-Solver++ with noise, r = 1/2: an ancestral step to the middle, then one over all with the D
 * of the middle. k-diffusion asks for noise at sigmas that went through lambda, ComfyUI does so for
 * the middle alone. */
static struct move dpmpp_sde(struct rule_input a)
{
    float s = a.sigma[a.i], t = a.sigma[a.i + 1], low = lambda_of(s), high = lambda_of(t);
    if (t == 0)
        return euler(a);
    float goal = a.call == 0 ? sigma_of(low + 0.5f * (high - low)) : t;
    struct ancestral n = ancestral(s, goal);
    struct mix m = line(s, n.down);
    m.noise = n.up;
    struct move move = a.call == 0 ? look(m, goal) : to_x(m);
    if (a.compat == COMPAT_A1111) {
        move.noise_from = sigma_of(low);
        move.noise_to = a.call == 0 ? goal : sigma_of(high);
    }
    return move;
}

/* ---- several steps ---- */

/* Increment of lambda over step i. */
static double rise(struct rule_input a, int i)
{
    return log(a.sigma[i] / (double)a.sigma[i + 1]);
}

/* DPM-Solver++(2M), Lu et al. 2022. */
static struct move dpmpp_2m(struct rule_input a)
{
    struct mix m = line(from(a), to(a));
    if (a.i == 0 || to(a) == 0)
        return to_x(m);
    double half = rise(a, a.i) / (2 * rise(a, a.i - 1)); /* 1 / (2 r), r = h_last / h */
    m.d[1] = -m.d[0] * half;
    m.d[0] *= 1 + half;
    return to_x(m);
}

/* The first order of both solvers below. */
static struct mix sde_line(double t, double h)
{
    return (struct mix){.x = exp(-2 * h), .d = {-expm1(-2 * h)}, .noise = t * sqrt(-expm1(-2 * h))};
}

/* DPM-Solver++(2M) SDE, the midpoint form. */
static struct move dpmpp_2m_sde(struct rule_input a)
{
    if (to(a) == 0)
        return euler(a);
    double h = rise(a, a.i);
    struct mix m = sde_line(to(a), h);
    if (a.i > 0) {
        double k = 0.5 * m.d[0] * h / rise(a, a.i - 1);
        m.d[0] += k;
        m.d[1] = -k;
    }
    return to_x(m);
}

/* DPM-Solver++(3M) SDE. first and second are the divided differences of D. */
static struct move dpmpp_3m_sde(struct rule_input a)
{
    if (to(a) == 0)
        return euler(a);
    double h = rise(a, a.i), two = 2 * h;
    double phi_2 = expm1(-two) / two + 1, phi_3 = phi_2 / two - 0.5;
    struct mix m = sde_line(to(a), h);
    if (a.i == 0)
        return to_x(m);
    double r0 = rise(a, a.i - 1) / h, slope = phi_2, bend = 0;
    if (a.i > 1) {
        double r1 = rise(a, a.i - 2) / h;
        double k = (phi_2 * r0 - phi_3) / (r0 + r1); /* of (first - second) */
        slope += k;
        bend = k / r1;
    }
    m.d[0] += slope / r0;
    m.d[1] -= slope / r0 + bend;
    m.d[2] = bend;
    return to_x(m);
}

/* Integral over the step of the polynomial that is 1 at sigma[i - j] and 0 at the other `order`
 * last sigmas: of degree 3 at most, for which two points of Gauss are exact. */
static double lms_weight(struct rule_input a, int order, int j)
{
    double mean = (from(a) + to(a)) / 2, half = (to(a) - from(a)) / 2, sum = 0;
    for (int side = -1; side <= 1; side += 2) {
        double at = mean + side * half / sqrt(3), product = 1;
        for (int k = 0; k < order; k++)
            if (k != j)
                product *= (at - a.sigma[a.i - k]) / ((double)a.sigma[a.i - j] - a.sigma[a.i - k]);
        sum += product;
    }
    return sum * half;
}

/* Linear multistep of order 4 (Adams and Bashforth) over the slopes d, which take D's place in the
 * memory. ComfyUI ends on D, k-diffusion as it went. */
static struct move lms(struct rule_input a)
{
    int order = a.i + 1 < HISTORY ? a.i + 1 : HISTORY;
    struct move m = {.holds = true,
                     .held = {.x = 1 / from(a), .d = {-1 / from(a)}},
                     .x = {.x = 1, .held = lms_weight(a, order, 0)}};
    for (int j = 1; j < order; j++)
        m.x.d[j] = lms_weight(a, order, j);
    if (to(a) == 0 && a.compat != COMPAT_A1111)
        m.x = (struct mix){.d = {1}};
    return m;
}

/* ---- UniPC, Zhao et al. 2023 ---- */

/* Solves m y = b, n 1 to 3, by elimination; the nodes differ, so no pivot is 0. */
static void solve(int n, double m[3][3], double *b)
{
    for (int i = 0; i < n; i++)
        for (int row = i + 1; row < n; row++) {
            double k = m[row][i] / m[i][i];
            for (int j = i; j < n; j++)
                m[row][j] -= k * m[i][j];
            b[row] -= k * b[i];
        }
    for (int i = n - 1; i >= 0; i--) {
        for (int j = i + 1; j < n; j++)
            b[i] -= m[i][j] * b[j];
        b[i] /= m[i][i];
    }
}

/* ComfyUI's uni_pc ends at 0.001 where the schedule ends at 0. */
static double unipc_sigma(struct rule_input a, int i)
{
    return a.sigma[i] > 0 ? a.sigma[i] : 0.001;
}

static int unipc_order(struct rule_input a, int target)
{
    int order = a.steps - 1 < 3 ? a.steps - 1 : 3;
    if (target < order)
        return target;
    int left = a.steps + 1 - target;
    return left < order ? left : order > 1 ? order : 1;
}

/* Weights rho of the differences (D - D_0) / r: of the last order - 1 steps, and, correcting, of
 * the D that was seen at the end. B(h) is hh in the first variant, e^hh - 1 in the second. */
static void unipc_weights(const double *r, int order, bool corrects, double hh, double bh,
                          double *rho)
{
    double m[3][3], phi = expm1(hh) / hh - 1, factorial = 1;
    int n = corrects ? order : order - 1;
    for (int i = 0; i < order; i++) {
        for (int k = 0; k < order; k++)
            m[i][k] = pow(r[k], i);
        rho[i] = phi * factorial / bh;
        factorial *= i + 2;
        phi = phi / hh - 1 / factorial;
    }
    if (n == 1)
        rho[0] = 0.5;
    else
        solve(n, m, rho);
}

/* From held at sigma[at] to the sigma after it. d[first] is the D that was seen there; correcting,
 * d[0] is the one at the end. */
static struct mix unipc_update(struct rule_input a, int at, bool corrects, bool second_variant)
{
    double s = unipc_sigma(a, at), t = unipc_sigma(a, at + 1), hh = log(t / s);
    double bh = second_variant ? expm1(hh) : hh, r[3], rho[3];
    int order = unipc_order(a, at + 1), first = corrects ? 1 : 0;
    for (int k = 0; k < order - 1; k++)
        r[k] = log(unipc_sigma(a, at - k - 1) / s) / hh;
    r[order - 1] = 1;
    unipc_weights(r, order, corrects, hh, bh, rho);
    struct mix m = {.held = t / s};
    m.d[first] = -expm1(hh);
    for (int k = 0; k < order - 1; k++) {
        m.d[first + k + 1] -= bh * rho[k] / r[k];
        m.d[first] += bh * rho[k] / r[k];
    }
    if (corrects) {
        m.d[0] -= bh * rho[order - 1];
        m.d[first] += bh * rho[order - 1];
    }
    return m;
}

/* The corrected state is held; x is the prediction, at which the model looks. */
static struct move unipc(struct rule_input a, bool second_variant)
{
    struct move m = {.holds = true, .held = {.x = 1}};
    if (a.i > 0)
        m.held = unipc_update(a, a.i - 1, true, second_variant);
    m.x = unipc_update(a, a.i, false, second_variant);
    return m;
}

static struct move uni_pc(struct rule_input a)
{
    return unipc(a, false);
}

static struct move uni_pc_bh2(struct rule_input a)
{
    return unipc(a, true);
}

/* ---- the table ---- */

static const struct sampler SAMPLERS[] = {
    {.name = "euler", .label = "Euler", .alias = "k_euler", .rule = euler, .history = 1},
    {.name = "euler_ancestral",
     .label = "Euler a",
     .alias = "k_euler_a",
     .rule = euler_ancestral,
     .noise = NOISE_FRESH,
     .history = 1},
    {.name = "heun", .label = "Heun", .alias = "k_heun", .rule = heun, .history = 2, .holds = true},
    {.name = "dpm_2",
     .label = "DPM2",
     .alias = "k_dpm_2",
     .rule = dpm_2,
     .history = 1,
     .holds = true,
     .drops = DROPS_BOTH},
    {.name = "dpm_2_ancestral",
     .label = "DPM2 a",
     .alias = "k_dpm_2_a",
     .rule = dpm_2_ancestral,
     .noise = NOISE_FRESH,
     .history = 1,
     .holds = true,
     .drops = DROPS_BOTH},
    {.name = "dpmpp_2s_ancestral",
     .label = "DPM++ 2S a",
     .alias = "k_dpmpp_2s_a",
     .rule = dpmpp_2s_ancestral,
     .noise = NOISE_FRESH,
     .history = 1,
     .holds = true},
    {.name = "dpmpp_sde",
     .label = "DPM++ SDE",
     .alias = "k_dpmpp_sde",
     .on_gpu = "dpmpp_sde_gpu",
     .rule = dpmpp_sde,
     .noise = NOISE_BROWNIAN,
     .history = 1,
     .holds = true},
    {.name = "dpmpp_2m",
     .label = "DPM++ 2M",
     .alias = "k_dpmpp_2m",
     .rule = dpmpp_2m,
     .history = 2},
    {.name = "dpmpp_2m_sde",
     .label = "DPM++ 2M SDE",
     .alias = "k_dpmpp_2m_sde",
     .on_gpu = "dpmpp_2m_sde_gpu",
     .rule = dpmpp_2m_sde,
     .noise = NOISE_BROWNIAN,
     .history = 2},
    {.name = "dpmpp_3m_sde",
     .label = "DPM++ 3M SDE",
     .alias = "k_dpmpp_3m_sde",
     .on_gpu = "dpmpp_3m_sde_gpu",
     .rule = dpmpp_3m_sde,
     .noise = NOISE_BROWNIAN,
     .history = 3,
     .drops = DROPS_A1111},
    {.name = "lms",
     .label = "LMS",
     .alias = "k_lms",
     .rule = lms,
     .history = HISTORY,
     .holds = true,
     .keeps_held = true},
    {.name = "ddim", .label = "DDIM", .rule = ddim, .history = 1, .masks_afresh = true},
    {.name = "ddpm", .label = "DDPM", .rule = ddpm, .noise = NOISE_FRESH, .history = 1},
    {.name = "uni_pc",
     .label = "UniPC",
     .alias = "unipc",
     .rule = uni_pc,
     .history = HISTORY,
     .holds = true,
     .drops = DROPS_COMFYUI},
    {.name = "uni_pc_bh2",
     .label = "UniPC bh2",
     .rule = uni_pc_bh2,
     .history = HISTORY,
     .holds = true,
     .drops = DROPS_COMFYUI},
    {.name = "lcm",
     .label = "LCM",
     .alias = "k_lcm",
     .rule = lcm,
     .noise = NOISE_FRESH,
     .history = 1},
    {.name = "tcd", .label = "TCD", .rule = tcd, .noise = NOISE_FRESH, .history = 1},
    {.name = "euler_cfg_pp",
     .label = "Euler CFG++",
     .rule = euler_cfg_pp,
     .history = 1,
     .uncond = true},
    {.name = "euler_ancestral_cfg_pp",
     .label = "Euler a CFG++",
     .rule = euler_ancestral_cfg_pp,
     .noise = NOISE_FRESH,
     .history = 1,
     .uncond = true},
};

const struct sampler *sampler_at(int i)
{
    return i >= 0 && i < (int)(sizeof SAMPLERS / sizeof *SAMPLERS) ? &SAMPLERS[i] : NULL;
}
