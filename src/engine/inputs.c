/* See inputs.h. */
#include "engine/inputs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/paths.h"
#include "engine/controls.h"
#include "engine/fit.h"
#include "engine/job.h"

enum { STEP = 8 }; /* sizes that come from a picture are multiples of this */

bool setting_says(const struct settings *s, const char *key)
{
    const char *text = settings_text(s, key);
    return text && *text;
}

/* ---- sizes ---- */

static int round_to(double x)
{
    int n = (int)(x / STEP + 0.5) * STEP;
    return n < STEP ? STEP : n;
}

bool inputs_size(const struct settings *s, int width, int height, int size[2])
{
    struct png_file file = {0};
    struct err ignored;
    if (!setting_says(s, "image") || png_load(s->image, false, &file, &ignored))
        return false;
    double ratio = (double)file.width * file.height / ((double)width * height);
    size[0] = round_to(file.width), size[1] = round_to(file.height);
    png_file_free(&file);
    return ratio >= 0.5 && ratio <= 2;
}

void inputs_hires_size(const struct settings *s, int size[2])
{
    bool said = settings_has(s, "hires-size"), any = said || s->hires > 1;
    size[0] = !any ? 0 : said ? s->hires_size[0] : round_to(s->width * s->hires);
    size[1] = !any ? 0 : said ? s->hires_size[1] : round_to(s->height * s->hires);
}

/* ---- the image ---- */

/* Where the fitted image is there at all. Stays NULL where it is there everywhere. */
static int fit_alpha(struct inputs *in, const struct settings *s, const struct png_file *f,
                     struct err *e)
{
    struct raster from = {0}, to = {0};
    size_t count = (size_t)f->width * (size_t)f->height, i = 0;
    while (i < count && f->rgba[4 * i + 3] == 255)
        i++;
    if (i == count)
        return 0;
    int rc = fit_new(&from, f->width, f->height, 1, e) || fit_new(&to, s->width, s->height, 1, e)
                 ? -1
                 : 0;
    for (i = 0; i < count && !rc; i++)
        from.v[i] = (float)f->rgba[4 * i + 3];
    if (!rc)
        rc = fit_onto(&from, &to, s->fit, e) || !(in->alpha = fit_bytes(&to, e)) ? -1 : 0;
    free(from.v);
    free(to.v);
    return rc;
}

static int read_image(struct inputs *in, const struct settings *s, struct err *e)
{
    struct png_file file = {0};
    struct raster from = {0}, to = {0};
    uint8_t back[3];
    memcpy(back, in->background, sizeof back);
    if (fit_backdrop(settings_text(s, "backdrop"), back, e) < 0)
        return -1;
    int rc = png_load(s->image, true, &file, e) || fit_flatten(&file, back, &from, e) ||
                     fit_new(&to, s->width, s->height, 3, e)
                 ? -1
                 : 0;
    for (size_t i = 0; rc == 0 && i < (size_t)to.w * (size_t)to.h * 3; i++)
        to.v[i] = (float)back[i % 3];
    if (rc == 0)
        rc = fit_onto(&from, &to, s->fit, e);
    if (rc == 0)
        rc = (in->image = fit_bytes(&to, e)) ? 0 : -1;
    if (rc == 0 && setting_says(s, "mask"))
        rc = fit_alpha(in, s, &file, e);
    free(from.v);
    free(to.v);
    png_file_free(&file);
    return rc;
}

/* ---- the mask ---- */

/* What is transparent is painted anew, as in ComfyUI's LoadImage; where nothing is, what is
 * bright. */
static int mask_plane(const struct png_file *f, struct raster *p, struct err *e)
{
    size_t count = (size_t)f->width * (size_t)f->height;
    bool alpha = false;
    if (fit_new(p, f->width, f->height, 1, e) < 0)
        return -1;
    for (size_t i = 0; i < count && !alpha; i++)
        alpha = f->rgba[4 * i + 3] < 255;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *c = f->rgba + 4 * i;
        float bright = 0.299f * (float)c[0] + 0.587f * (float)c[1] + 0.114f * (float)c[2];
        p->v[i] = alpha ? 255 - (float)c[3] : bright;
    }
    return 0;
}

int inputs_mask(struct inputs *in, const struct settings *s, struct err *e)
{
    struct png_file file = {0};
    struct raster from = {0}, to = {0};
    int rc = png_load(s->mask, true, &file, e) || mask_plane(&file, &from, e) ||
                     fit_new(&to, s->width, s->height, 1, e) || fit_onto(&from, &to, s->fit, e) ||
                     !(in->mask = fit_bytes(&to, e)) || !(in->grey = fit_bytes(&to, e)) ||
                     mask_grow(in->mask, to.w, to.h, s->mask_grow, e) ||
                     (s->mask_blur > 0 && mask_blur(in->mask, to.w, to.h, s->mask_blur, e))
                 ? -1
                 : 0;
    bool any = false;
    for (size_t i = 0; rc == 0 && i < (size_t)to.w * (size_t)to.h && !any; i++)
        any = in->mask[i] >= 128;
    if (rc == 0 && !any)
        rc = err_set(e, "%s: the mask is empty; paint white what is to be made anew", s->mask);
    free(from.v);
    free(to.v);
    png_file_free(&file);
    return rc;
}

/* ---- files ---- */

/* A path, or a name in ~/.local/share/spritty/vae. */
static int find_vae(const char *name, char path[PATH_MAX], struct err *e)
{
    if (place_weights(PLACE_DATA, "vae", name, path))
        return 0;
    if (strlen(name) < PATH_MAX && access(name, F_OK) == 0) {
        strcpy(path, name);
        return 0;
    }
    return err_set(e,
                   "there is no VAE '%.200s': neither a file or folder here nor one in "
                   "~/.local/share/spritty/vae; leave --vae out for the model's own, or get one: "
                   "spritty pull",
                   name);
}

/* VAE, refiner and ControlNet. */
static int find_part(const struct settings *s, const char *key, char path[PATH_MAX], struct err *e)
{
    if (!setting_says(s, key))
        return 0;
    if (!strcmp(key, "vae"))
        return find_vae(s->vae, path, e);
    if (!strcmp(key, "control"))
        return find_control(s->control, path, e);
    return find_model(s->refiner, path, e) ? err_prefix(e, "refiner") : 0;
}

static int find_picture(const struct settings *s, const char *key, struct err *e)
{
    if (!setting_says(s, key) || access(settings_text(s, key), F_OK) == 0)
        return 0;
    return err_set(e,
                   "there is no %s '%.200s' here (ComfyUI keeps them in its folder input); say "
                   "where it is with --%s",
                   key, settings_text(s, key), key);
}

int engine_missing_part(const struct settings *s, const char *key, struct err *e)
{
    char path[PATH_MAX];
    bool picture = settings_key(settings_key_index(key))->pick == PICK_IMAGE;
    return picture ? find_picture(s, key, e) : find_part(s, key, path, e);
}

/* Neither works without the other. */
static int check_control(const struct settings *s, struct err *e)
{
    bool control = setting_says(s, "control"), picture = setting_says(s, "control-image");
    if (control && !picture)
        return err_set(e, "a ControlNet needs a picture to follow: name it with --control-image");
    if (picture && !control) {
        char those[300];
        controls_here(those, sizeof those);
        return err_set(e, "a picture to follow needs a ControlNet: name one with --control%s",
                       those);
    }
    return 0;
}

int inputs_prepare(struct inputs *in, const struct settings *s, struct err *e)
{
    bool image = setting_says(s, "image");
    if (setting_says(s, "mask") && !image)
        return err_set(e, "a mask needs an image: name it with --image");
    if (check_control(s, e) || find_part(s, "vae", in->vae, e) ||
        find_part(s, "refiner", in->refiner, e) || find_part(s, "control", in->control, e))
        return -1;
    if (*in->control && control_read(s, in->background, &in->hint, e))
        return -1;
    if (image && read_image(in, s, e) < 0)
        return -1;
    return setting_says(s, "mask") ? inputs_mask(in, s, e) : 0;
}

/* ---- to the pipeline ---- */

static void copy_size(int to[2], const struct settings *s, const char *key, const int from[2])
{
    if (settings_has(s, key))
        to[0] = from[0], to[1] = from[1];
}

void inputs_point(const struct inputs *in, const struct settings *s, struct gen_params *g,
                  struct pipeline_options *o)
{
    int hires[2];
    g->image = in->image;
    g->mask = in->mask;
    g->grey = s->mask_grow > 0 ? in->grey : NULL;
    g->denoise = s->denoise;
    g->mask_content = content_by_name(s->mask_content);
    g->tiling = (unsigned)tiling_by_name(s->tiling);
    g->cfg_rescale = (float)s->cfg_rescale;
    g->cfg_start = s->cfg_start;
    g->cfg_end = s->cfg_end;
    copy_size(g->original_size, s, "original-size", s->original_size);
    copy_size(g->crop, s, "crop", s->crop);
    copy_size(g->target_size, s, "target-size", s->target_size);
    g->hires_steps = s->hires_steps;
    g->hires_upscale = upscale_by_name(s->hires_upscale);
    g->hires_denoise = s->hires_denoise;
    g->refiner_switch = s->refiner_switch;
    g->aesthetic = (float)s->aesthetic;
    g->negative_aesthetic = (float)s->negative_aesthetic;
    inputs_hires_size(s, hires);
    g->hires_width = hires[0], g->hires_height = hires[1];
    g->control = *in->control ? in->control : NULL;
    g->control_picture = in->hint.rgb;
    g->control_width = in->hint.width;
    g->control_height = in->hint.height;
    g->control_type = control_type_by_name(s->control_type);
    g->control_strength = s->control_strength;
    g->control_start = s->control_start;
    g->control_end = s->control_end;
    o->vae = *in->vae ? in->vae : NULL;
    o->refiner = *in->refiner ? in->refiner : NULL;
}

void inputs_free(struct inputs *in)
{
    free(in->image);
    free(in->mask);
    free(in->alpha);
    free(in->grey);
    free(in->hint.rgb);
    in->image = in->mask = in->alpha = in->grey = in->hint.rgb = NULL;
}
