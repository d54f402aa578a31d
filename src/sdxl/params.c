/* What a run accepts. Everything that a user or a file can set is checked here, before anything is
 * multiplied. */
#include "sdxl/pipeline.h"

#include <math.h>
#include <string.h>

enum { MIN_SIDE = 64, MAX_SIDE = 8192, MAX_PIXELS = 1 << 26 };

static int check_size(const struct model_config *m, const struct gen_params *g, struct err *e)
{
    int f = m->vae_factor;
    if (g->width % f || g->height % f)
        return err_set(e, "size %dx%d: width and height must be multiples of %d; try %dx%d",
                       g->width, g->height, f, (g->width + f - 1) / f * f,
                       (g->height + f - 1) / f * f);
    if (g->width < MIN_SIDE || g->height < MIN_SIDE || g->width > MAX_SIDE || g->height > MAX_SIDE)
        return err_set(e, "size %dx%d: each side must be between %d and %d", g->width, g->height,
                       MIN_SIDE, MAX_SIDE);
    if ((int64_t)g->width * g->height > MAX_PIXELS)
        return err_set(e, "size %dx%d: more than %d megapixels", g->width, g->height,
                       MAX_PIXELS >> 20);
    return 0;
}

int gen_params_check(const struct model_config *m, const struct gen_params *g, struct err *e)
{
    if (!g->prompt && !g->prompts)
        return err_set(e, "no prompt");
    if (check_size(m, g, e) < 0)
        return -1;
    if (g->steps < 1 || g->steps > MAX_STEPS)
        return err_set(e, "steps %d: must be between 1 and %d", g->steps, MAX_STEPS);
    if (g->batch < 1 || g->batch > MAX_BATCH)
        return err_set(e, "batch %d: must be between 1 and %d", g->batch, MAX_BATCH);
    if (!isfinite(g->cfg) || g->cfg < 0 || g->cfg > 100)
        return err_set(e, "cfg %g: must be between 0 and 100", (double)g->cfg);
    if (!sampler_name(g->sampler))
        return err_set(e, "no such sampler");
    if (!schedule_name(g->scheduler))
        return err_set(e, "no such scheduler");
    if (!compat_name(g->compat) || !rng_name(g->rng))
        return err_set(e, "no such compat or rng");
    if (!empty_negative_name(g->empty_negative))
        return err_set(e, "no such empty_negative");
    if (g->clip_skip < -MAX_LAYERS || g->clip_skip > MAX_LAYERS)
        return err_set(e, "clip_skip %d: must be between 0 and %d", g->clip_skip, MAX_LAYERS);
    float sigma[MAX_STEPS + 1];
    return g->sigmas && *g->sigmas && sigmas_parse(g->sigmas, sigma, e) < 0 ? -1 : 0;
}
