/* See comfy_sigmas.h. */
#include "import/comfy_sigmas.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdxl/schedule.h"

enum { DEEPEST = 16 };
_Static_assert((int)COMFY_MAX_LEVELS > (int)MAX_STEPS, "a list holds any schedule");

static int clamp(int x, int low, int high)
{
    return x < low ? low : x > high ? high : x;
}

/* A step count of a node's input. */
static int steps_of(struct comfy_walk *w, int node, double fallback)
{
    return (int)fmin(fmax(comfy_number(w, node, "steps", fallback), 0), MAX_STEPS);
}

static void take_all(struct comfy_levels *l)
{
    l->total = l->count > 0 ? l->count - 1 : l->total;
    l->start = 0;
    l->end = l->total;
    l->denoise = 1;
}

static void name_it(struct comfy_levels *l, const char *scheduler, int steps)
{
    snprintf(l->scheduler, sizeof l->scheduler, "%s", scheduler);
    l->count = 0;
    l->total = steps;
    take_all(l);
}

static const struct noise_levels *trained(void)
{
    static _Thread_local struct noise_levels levels;
    static const struct schedule_config sdxl = {
        .beta_start = 0.00085, .beta_end = 0.012, .train_steps = 1000, .scaled_linear = true};
    if (!levels.count)
        noise_levels_init(&levels, &sdxl);
    return &levels;
}

/* A denoise of BasicScheduler's as a part of the longer schedule that it stands for. */
static void spell_out(struct comfy_levels *l)
{
    if (l->count || l->denoise >= 1)
        return;
    int total = (int)fmin(l->total / l->denoise, 1e6);
    l->start += total - l->total;
    l->end += total - l->total;
    l->total = total;
    l->denoise = 1;
}

/* A schedule may have more steps than it was asked for, or fewer: parts count from its end. */
void comfy_sigmas_expand(struct comfy_levels *l)
{
    int schedule = schedule_by_name(l->scheduler);
    spell_out(l);
    if (l->count || schedule < 0 || l->total < 1 || l->total > MAX_STEPS)
        return;
    int n = schedule_sigmas(trained(), schedule, l->total, COMPAT_COMFYUI, l->list);
    int more = n - l->total;
    l->scheduler[0] = '\0';
    l->count = n + 1;
    l->total = n;
    l->start = clamp(l->start + more, 0, n);
    l->end = clamp(l->end + more, l->start, n);
}

void comfy_sigmas_from_front(struct comfy_levels *l, int end)
{
    struct comfy_levels list = *l;
    comfy_sigmas_expand(&list);
    if (!list.count || list.total == l->total || (l->start == 0 && end >= list.total))
        return;
    list.start = clamp(l->start, 0, list.total);
    list.end = clamp(end, list.start, list.total);
    *l = list;
}

void comfy_sigmas_end_early(struct comfy_levels *l)
{
    comfy_sigmas_expand(l);
    if (!l->count || l->end <= l->start)
        return;
    l->list[l->end] = 0;
    l->total = l->end;
    l->count = l->total + 1;
}

/* Only the part that is taken stays. */
static void forget_rest(struct comfy_levels *l)
{
    comfy_sigmas_expand(l);
    if (!l->count)
        return;
    l->count = l->end - l->start + 1;
    memmove(l->list, l->list + l->start, (size_t)l->count * sizeof *l->list);
    take_all(l);
}

/* ---- nodes that make levels ---- */

static double ramp(int i, int n)
{
    return n > 1 ? (double)i / (n - 1) : 0;
}

/* Formulas: get_sigmas_* of comfy/k_diffusion/sampling.py. */
static double level_at(struct comfy_walk *w, int node, double x, double low, double high)
{
    double rho = comfy_number(w, node, "rho", comfy_is(w, node, "KarrasScheduler") ? 7 : 1);
    if (comfy_is(w, node, "KarrasScheduler")) {
        double top = pow(high, 1 / rho), bottom = pow(low, 1 / rho);
        return pow(top + x * (bottom - top), rho);
    }
    if (comfy_is(w, node, "VPScheduler")) {
        double d = comfy_number(w, node, "beta_d", 19.9), b = comfy_number(w, node, "beta_min", .1);
        double last = comfy_number(w, node, "eps_s", 0.001), t = 1 + x * (last - 1);
        return sqrt(expm1(d * t * t / 2 + b * t));
    }
    if (comfy_is(w, node, "LaplaceScheduler")) {
        double mu = comfy_number(w, node, "mu", 0), beta = comfy_number(w, node, "beta", 0.5);
        double sign = x < 0.5 ? 1 : x > 0.5 ? -1 : 0;
        double way = mu - beta * sign * log(1 - 2 * fabs(0.5 - x) + 1e-5);
        return fmin(fmax(exp(way), low), high);
    }
    return exp(pow(1 - x, rho) * (log(high) - log(low)) + log(low));
}

static void between_ends(struct comfy_walk *w, int node, struct comfy_levels *l)
{
    int n = steps_of(w, node, 20);
    double high = comfy_number(w, node, "sigma_max", 14.614642);
    double low = comfy_number(w, node, "sigma_min", 0.0291675);
    double rho = comfy_number(w, node, "rho", 7);
    bool ours = fabs(high - 14.614642) < 1e-5 && fabs(low - 0.0291675) < 1e-6;
    if (ours && rho == 7 && comfy_is(w, node, "KarrasScheduler")) {
        name_it(l, "karras", n);
        return;
    }
    if (ours && comfy_is(w, node, "ExponentialScheduler")) {
        name_it(l, "exponential", n);
        return;
    }
    for (int i = 0; i < n; i++)
        l->list[i] = (float)level_at(w, node, ramp(i, n), low, high);
    l->count = n;
    if (!comfy_is(w, node, "LaplaceScheduler"))
        l->list[l->count++] = 0;
    take_all(l);
}

static void basic(struct comfy_walk *w, int node, struct comfy_levels *l)
{
    char name[sizeof l->scheduler];
    comfy_word(w, node, "scheduler", name, sizeof name);
    double denoise = comfy_number(w, node, "denoise", 1);
    name_it(l, name, denoise > 0 ? steps_of(w, node, 20) : 0);
    l->denoise = fmin(fmax(denoise, 1e-3), 1);
    if (!strcmp(name, "ddim_uniform")) /* its last levels, where it gives more than asked for */
        comfy_sigmas_expand(l);
}

static void beta(struct comfy_walk *w, int node, struct comfy_levels *l)
{
    double a = comfy_number(w, node, "alpha", 0.6), b = comfy_number(w, node, "beta", 0.6);
    if (fabs(a - 0.6) > 1e-6 || fabs(b - 0.6) > 1e-6)
        recipe_note(w->r, "%s: alpha %.6g and beta %.6g; here both are 0.6", comfy_name(w, node), a,
                    b);
    name_it(l, "beta", steps_of(w, node, 20));
}

static void align_your_steps(struct comfy_walk *w, int node, struct comfy_levels *l)
{
    char type[16];
    int steps = steps_of(w, node, 10);
    double denoise = comfy_number(w, node, "denoise", 1);
    comfy_word(w, node, "model_type", type, sizeof type);
    if (*type && strcmp(type, "SDXL") != 0)
        recipe_note(w->r, "%s: model_type %s; here the levels are SDXL's", comfy_name(w, node),
                    type);
    name_it(l, "align_your_steps", steps);
    if (denoise < 1) /* Python's round */
        l->start = steps - clamp((int)nearbyint(steps * denoise), 0, steps);
}

static void turbo(struct comfy_walk *w, int node, struct comfy_levels *l)
{
    double denoise = fmin(fmax(comfy_number(w, node, "denoise", 1), 0), 1);
    int from = 10 - (int)(10 * denoise), steps = steps_of(w, node, 1), n = 0;
    for (int i = from; i < from + steps && i < 10; i++)
        l->list[n++] = (float)sigma_at(trained(), 999 - 100 * i);
    l->list[n] = 0;
    l->count = n + 1;
    take_all(l);
}

/* ManualSigmas: the numbers of a text. */
static void manual(struct comfy_walk *w, int node, struct comfy_levels *l)
{
    char *text = comfy_get_text(w, node, "sigmas"), *end;
    for (char *s = text; s && *s && l->count <= MAX_STEPS; s = end) {
        double x = strtod(s, &end);
        if (end == s)
            end++;
        else if (isfinite(x))
            l->list[l->count++] = (float)x;
    }
    free(text);
    take_all(l);
}

static const struct maker {
    const char *classes;
    void (*make)(struct comfy_walk *, int node, struct comfy_levels *);
} MAKERS[] = {
    {"BasicScheduler", basic},
    {"KarrasScheduler|ExponentialScheduler|PolyexponentialScheduler|LaplaceScheduler|VPScheduler",
     between_ends},
    {"BetaSamplingScheduler", beta},
    {"AlignYourStepsScheduler", align_your_steps},
    {"SDTurboScheduler", turbo},
    {"ManualSigmas", manual},
};

/* ---- nodes that cut and change them ---- */

static void split(struct comfy_walk *w, int node, int slot, struct comfy_levels *l)
{
    spell_out(l);
    int length = l->end - l->start, at;
    if (comfy_is(w, node, "SplitSigmas")) {
        at = (int)comfy_number(w, node, "step", 0);
    } else {
        double denoise = fmin(fmax(comfy_number(w, node, "denoise", 1), 0), 1);
        at = length - (int)nearbyint(length * denoise);
    }
    at = clamp(at, 0, length);
    if (slot == 0)
        l->end = l->start + at;
    else
        l->start += at;
}

static void first_level(struct comfy_walk *w, int node, struct comfy_levels *l)
{
    forget_rest(l);
    if (l->count)
        l->list[0] = (float)comfy_number(w, node, "sigma", 136);
    else
        recipe_note(w->r, "%s: it is ignored", comfy_name(w, node));
}

/* Between each two levels of a range, steps - 1 more. */
static void extend(struct comfy_walk *w, int node, struct comfy_levels *l)
{
    float out[COMFY_MAX_LEVELS];
    char spacing[16];
    int steps = (int)comfy_number(w, node, "steps", 2), n = 0;
    double from = comfy_number(w, node, "start_at_sigma", -1);
    double to = comfy_number(w, node, "end_at_sigma", 12);
    comfy_word(w, node, "spacing", spacing, sizeof spacing);
    forget_rest(l);
    for (int i = 0; i < l->count && n <= MAX_STEPS; i++) {
        float a = l->list[i];
        out[n++] = a;
        bool more = i + 1 < l->count && (double)a >= to && (from < 0 || (double)a <= from);
        for (int k = 1; more && k < steps && n <= MAX_STEPS; k++) {
            double x = (double)k / steps;
            if (!strcmp(spacing, "cosine"))
                x = sin(x * M_PI / 2);
            else if (!strcmp(spacing, "sine"))
                x = 1 - cos(x * M_PI / 2);
            out[n++] = (float)(x * (double)(l->list[i + 1] - a)) + a;
        }
    }
    memcpy(l->list, out, (size_t)n * sizeof *out);
    l->count = n;
    take_all(l);
}

static int read_levels(struct comfy_walk *w, struct comfy_input in, int depth,
                       struct comfy_levels *l);

static int change(struct comfy_walk *w, int node, int slot, int depth, struct comfy_levels *l)
{
    if (comfy_is(w, node, "FlipSigmas")) {
        recipe_note(w->r, "%s: noise is put in instead of taken out, which has no setting here",
                    comfy_name(w, node));
        return -1;
    }
    bool known = comfy_is(w, node,
                          "SplitSigmas|SplitSigmasDenoise|SetFirstSigma|"
                          "ExtendIntermediateSigmas");
    struct comfy_input in = known ? comfy_input(w->g, node, "sigmas")
                                  : comfy_pass(w, node, "sigmas");
    if (read_levels(w, in, depth + 1, l))
        return -1;
    if (comfy_is(w, node, "SplitSigmas|SplitSigmasDenoise"))
        split(w, node, slot, l);
    else if (comfy_is(w, node, "SetFirstSigma"))
        first_level(w, node, l);
    else if (known)
        extend(w, node, l);
    return 0;
}

static int read_levels(struct comfy_walk *w, struct comfy_input in, int depth,
                       struct comfy_levels *l)
{
    int slot, node = depth < DEEPEST ? comfy_follow(w, in, &slot) : -1;
    if (node < 0)
        return -1;
    for (size_t i = 0; i < sizeof MAKERS / sizeof *MAKERS; i++)
        if (comfy_is(w, node, MAKERS[i].classes)) {
            MAKERS[i].make(w, node, l);
            return 0;
        }
    return change(w, node, slot, depth, l);
}

int comfy_sigmas(struct comfy_walk *w, int sampler, struct comfy_levels *l)
{
    *l = (struct comfy_levels){.denoise = 1};
    int rc = read_levels(w, comfy_input(w->g, sampler, "sigmas"), 0, l);
    if (rc == 0 && l->end > l->start)
        return 0;
    recipe_note(w->r, "%s: its sigmas could not be followed, or have no steps",
                comfy_name(w, sampler));
    return -1;
}

/* The fewest digits that read back as the same number. */
static void print_level(FILE *f, float x)
{
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)x);
        if (strtof(text, NULL) == x)
            break;
    }
    fputs(text, f);
}

char *comfy_sigmas_text(const struct comfy_levels *l, int start, int end)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    for (int i = start; f && l->count && i <= end && i < l->count; i++) {
        if (i > start)
            fputc(' ', f);
        print_level(f, l->list[i]);
    }
    if (f && fclose(f) == 0)
        return text;
    free(text);
    return NULL;
}
