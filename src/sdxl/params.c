/* What a run accepts. Everything that a user or a file can set is checked here, before anything is
 * multiplied. */
#include "sdxl/pipeline.h"

#include <math.h>

#include "base/choices.h"

CHOICES(content, "original", "grey", "noise", "nothing")
CHOICES(tiling, "off", "x", "y", "xy")

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

static bool is_share(double x)
{
    return x >= 0 && x <= 1; /* no NaN either */
}

static int check_told(const char *what, const int size[2], struct err *e)
{
    for (int i = 0; i < 2; i++)
        if (size[i] < 0 || size[i] > 2 * MAX_SIDE)
            return err_set(e, "%s %dx%d: each must be between 0 and %d", what, size[0], size[1],
                           2 * MAX_SIDE);
    return 0;
}

static int check_guidance(const struct gen_params *g, struct err *e)
{
    if (!is_share((double)g->cfg_rescale) || !is_share(g->cfg_start) || !is_share(g->cfg_end))
        return err_set(e, "cfg_rescale, cfg_start and cfg_end must be between 0 and 1");
    if (g->cfg_end > 0 && g->cfg_end < g->cfg_start)
        return err_set(e, "cfg_end %g comes before cfg_start %g", g->cfg_end, g->cfg_start);
    if (!is_share(g->refiner_switch))
        return err_set(e, "refiner_switch %g: must be between 0 and 1", g->refiner_switch);
    if (!(g->aesthetic >= 0 && g->aesthetic <= 100) ||
        !(g->negative_aesthetic >= 0 && g->negative_aesthetic <= 100))
        return err_set(e, "aesthetic scores must be between 0 and 10");
    if (g->tiling > (PAD_CIRCULAR_X | PAD_CIRCULAR_Y))
        return err_set(e, "no such tiling");
    return check_told("original-size", g->original_size, e) < 0 ||
                   check_told("target-size", g->target_size, e) < 0 ||
                   check_told("crop", g->crop, e) < 0
               ? -1
               : 0;
}

static int check_image(const struct gen_params *g, struct err *e)
{
    if (g->mask && !g->image)
        return err_set(e, "a mask needs an image: name it with --image");
    if (!is_share(g->denoise))
        return err_set(e, "denoise %g: must be between 0 and 1", g->denoise);
    if (!content_name(g->mask_content))
        return err_set(e, "no such mask_content");
    return 0;
}

static int check_control(const struct gen_params *g, struct err *e)
{
    if (!g->control)
        return 0;
    if (!g->control_picture)
        return err_set(e, "a ControlNet needs a picture: name it with --control-image");
    if (g->control_width < 1 || g->control_width > MAX_SIDE || g->control_height < 1 ||
        g->control_height > MAX_SIDE)
        return err_set(e, "the ControlNet's picture is %dx%d: each must be between 1 and %d",
                       g->control_width, g->control_height, MAX_SIDE);
    if (!(g->control_strength >= 0 && g->control_strength <= 10))
        return err_set(e, "control_strength %g: must be between 0 and 10", g->control_strength);
    if (!control_type_name(g->control_type))
        return err_set(e, "no such control_type");
    if (!is_share(g->control_start) || !is_share(g->control_end))
        return err_set(e, "control_start and control_end must be between 0 and 1");
    if (g->control_end < g->control_start)
        return err_set(e, "control_end %g comes before control_start %g", g->control_end,
                       g->control_start);
    return 0;
}

static int check_hires(const struct model_config *m, const struct gen_params *g, struct err *e)
{
    struct gen_params second = *g;
    if (g->hires_width == 0)
        return 0;
    if (g->mask)
        return err_set(e, "a second pass (hires) repaints everything; leave out the mask, or it");
    if (!is_share(g->hires_denoise))
        return err_set(e, "hires_denoise %g: must be between 0 and 1", g->hires_denoise);
    if (g->hires_steps < 0 || g->hires_steps > MAX_STEPS)
        return err_set(e, "hires_steps %d: must be between 0 and %d", g->hires_steps, MAX_STEPS);
    if (!upscale_name(g->hires_upscale))
        return err_set(e, "no such hires_upscale");
    second.width = g->hires_width, second.height = g->hires_height;
    return check_size(m, &second, e) < 0 ? err_prefix(e, "hires") : 0;
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
    if (g->seed_count < 0 || (g->seed_count > 0 && (!g->seeds || g->batch % g->seed_count)))
        return err_set(e, "%d seeds for %d pictures", g->seed_count, g->batch);
    if (g->seed_count > 1 && g->image && g->compat == COMPAT_DIFFUSERS)
        return err_set(e, "compat diffusers draws an image's latent from its seed: one at a time");
    if (g->first < 0 || g->count < 0 || g->first > g->batch - gen_images(g))
        return err_set(e, "images %d to %d of a batch of %d: there are no such", g->first,
                       g->first + gen_images(g) - 1, g->batch);
    if (g->seed_count > 0 && gen_images(g) != g->batch)
        return err_set(e, "images of a batch that has seeds of its own: all of it or nothing");
    if (!isfinite(g->cfg) || g->cfg < 0 || g->cfg > 100)
        return err_set(e, "cfg %g: must be between 0 and 100", (double)g->cfg);
    if (!sampler_name(g->sampler))
        return err_set(e, "no such sampler");
    if (!schedule_name(g->scheduler))
        return err_set(e, "no such scheduler");
    if (!compat_name(g->compat) || !rng_name(g->rng))
        return err_set(e, "no such compat or rng");
    if (g->tuning.vae_tile != 0 && g->tuning.vae_tile < 128)
        return err_set(e, "vae-tile %d: a tile has 128 pixels or more", g->tuning.vae_tile);
    if (!memory_name(g->tuning.memory))
        return err_set(e, "no such memory mode");
    if (!empty_negative_name(g->empty_negative))
        return err_set(e, "no such empty_negative");
    if (g->clip_skip < -MAX_LAYERS || g->clip_skip > MAX_LAYERS)
        return err_set(e, "clip_skip %d: must be between 0 and %d", g->clip_skip, MAX_LAYERS);
    if (check_guidance(g, e) < 0 || check_image(g, e) < 0 || check_control(g, e) < 0 ||
        check_hires(m, g, e) < 0)
        return -1;
    float sigma[MAX_STEPS + 1];
    return g->sigmas && *g->sigmas && sigmas_parse(g->sigmas, sigma, e) < 0 ? -1 : 0;
}
