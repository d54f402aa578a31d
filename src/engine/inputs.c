/* See inputs.h. */
#include "engine/inputs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/paths.h"
#include "engine/job.h"
#include "sdxl/resample.h"
#include "sprite/png.h"

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

/* ---- fitting ---- */

/* A picture as floats. */
static int plane_new(struct raster *p, int w, int h, int c, struct err *e)
{
    *p = (struct raster){w, h, c, calloc((size_t)w * (size_t)h * (size_t)c, sizeof *p->v)};
    return p->v ? 0 : err_set(e, "out of memory for a picture of %dx%d", w, h);
}

/* Where the scaled picture lies on the canvas; what lies outside is cut. */
static void place(const struct raster *from, struct raster *to, int x, int y)
{
    for (int row = 0; row < to->h; row++)
        for (int column = 0; column < to->w; column++) {
            int at_x = column - x, at_y = row - y;
            if (at_x < 0 || at_y < 0 || at_x >= from->w || at_y >= from->h)
                continue;
            memcpy(to->v + ((size_t)row * (size_t)to->w + (size_t)column) * (size_t)to->c,
                   from->v + ((size_t)at_y * (size_t)from->w + (size_t)at_x) * (size_t)to->c,
                   (size_t)to->c * sizeof *to->v);
        }
}

static int scaled_side(int side, double by)
{
    double n = floor(side * by + 0.5);
    return n < 1 ? 1 : (int)fmin(n, 4.0 * PNG_MAX_SIDE);
}

/* `from` onto the canvas `to`, whose content shows where the picture does not reach. */
static int fit_onto(const struct raster *from, struct raster *to, const char *how, struct err *e)
{
    double across = (double)to->w / from->w, down = (double)to->h / from->h;
    double by = !strcmp(how, "pad") ? fmin(across, down) : fmax(across, down);
    bool warp = !strcmp(how, "stretch");
    int w = warp ? to->w : scaled_side(from->w, by), h = warp ? to->h : scaled_side(from->h, by);
    if (!warp && ((double)w * h > 4.0 * to->w * to->h || w < 1 || h < 1) && strcmp(how, "pad") != 0)
        return err_set(e, "a picture of %dx%d is too long to be cut to %dx%d; use --fit pad",
                       from->w, from->h, to->w, to->h);
    bool hard = fmin(across, down) >= 2 || (w == from->w && h == from->h);
    enum resample filter = hard ? RESAMPLE_NEAREST_EXACT : RESAMPLE_LANCZOS;
    struct raster scaled;
    if (plane_new(&scaled, w, h, from->c, e) < 0)
        return -1;
    int rc = resample(from, &scaled, filter, e);
    if (rc == 0)
        place(&scaled, to, (to->w - w) / 2, (to->h - h) / 2);
    free(scaled.v);
    return rc;
}

static uint8_t *to_bytes(const struct raster *p, struct err *e)
{
    size_t count = (size_t)p->w * (size_t)p->h * (size_t)p->c;
    uint8_t *out = malloc(count);
    if (!out)
        err_set(e, "out of memory for a picture of %dx%d", p->w, p->h);
    for (size_t i = 0; i < count && out; i++) {
        float v = p->v[i] + 0.5f;
        out[i] = v >= 255 ? 255 : v > 0 ? (uint8_t)v : 0;
    }
    return out;
}

/* ---- the image ---- */

static int parse_color(const char *text, uint8_t rgb[3], struct err *e)
{
    unsigned v[3];
    const char *at = *text == '#' ? text + 1 : text;
    if (strlen(at) != 6 || strspn(at, "0123456789abcdefABCDEF") != 6 ||
        sscanf(at, "%2x%2x%2x", &v[0], &v[1], &v[2]) != 3)
        return err_set(e, "backdrop '%.40s' is no colour; write RRGGBB, or auto", text);
    for (int i = 0; i < 3; i++)
        rgb[i] = (uint8_t)v[i];
    return 0;
}

/* Over the background: linear in the bytes, as the tools do. */
static int flatten(const struct png_file *f, const uint8_t back[3], struct raster *p, struct err *e)
{
    if (plane_new(p, f->width, f->height, 3, e) < 0)
        return -1;
    size_t count = (size_t)f->width * (size_t)f->height;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < 3; k++) {
            float alpha = (float)f->rgba[4 * i + 3] / 255;
            p->v[3 * i + k] = alpha * (float)f->rgba[4 * i + k] + (1 - alpha) * (float)back[k];
        }
    return 0;
}

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
    int rc = plane_new(&from, f->width, f->height, 1, e) ||
                     plane_new(&to, s->width, s->height, 1, e)
                 ? -1
                 : 0;
    for (i = 0; i < count && !rc; i++)
        from.v[i] = (float)f->rgba[4 * i + 3];
    if (!rc)
        rc = fit_onto(&from, &to, s->fit, e) || !(in->alpha = to_bytes(&to, e)) ? -1 : 0;
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
    if (setting_says(s, "backdrop") && strcmp(s->backdrop, "auto") != 0 &&
        parse_color(s->backdrop, back, e) < 0)
        return -1;
    int rc = png_load(s->image, true, &file, e) || flatten(&file, back, &from, e) ||
                     plane_new(&to, s->width, s->height, 3, e)
                 ? -1
                 : 0;
    for (size_t i = 0; rc == 0 && i < (size_t)to.w * (size_t)to.h * 3; i++)
        to.v[i] = (float)back[i % 3];
    if (rc == 0)
        rc = fit_onto(&from, &to, s->fit, e);
    if (rc == 0)
        rc = (in->image = to_bytes(&to, e)) ? 0 : -1;
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
    if (plane_new(p, f->width, f->height, 1, e) < 0)
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
                     plane_new(&to, s->width, s->height, 1, e) || fit_onto(&from, &to, s->fit, e) ||
                     !(in->mask = to_bytes(&to, e)) || !(in->grey = to_bytes(&to, e)) ||
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
    static const char *const endings[] = {"", ".safetensors"};
    char relative[300];
    for (int i = 0; i < 2 && strlen(name) < 200 && !strchr(name, '/'); i++) {
        snprintf(relative, sizeof relative, "vae/%s%s", name, endings[i]);
        if (place_path(PLACE_DATA, relative, path) && access(path, F_OK) == 0)
            return 0;
    }
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

/* VAE and refiner. */
static int find_part(const struct settings *s, const char *key, char path[PATH_MAX], struct err *e)
{
    if (!setting_says(s, key))
        return 0;
    if (!strcmp(key, "vae"))
        return find_vae(s->vae, path, e);
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
    bool picture = !strcmp(key, "image") || !strcmp(key, "mask");
    return picture ? find_picture(s, key, e) : find_part(s, key, path, e);
}

int inputs_prepare(struct inputs *in, const struct settings *s, struct err *e)
{
    bool image = setting_says(s, "image");
    if (setting_says(s, "mask") && !image)
        return err_set(e, "a mask needs an image: name it with --image");
    if (find_part(s, "vae", in->vae, e) || find_part(s, "refiner", in->refiner, e))
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
    if (settings_has(s, "hires-size"))
        g->hires_width = s->hires_size[0], g->hires_height = s->hires_size[1];
    else if (s->hires > 1)
        g->hires_width = round_to(s->width * s->hires),
        g->hires_height = round_to(s->height * s->hires);
    o->vae = *in->vae ? in->vae : NULL;
    o->refiner = *in->refiner ? in->refiner : NULL;
}

void inputs_free(struct inputs *in)
{
    free(in->image);
    free(in->mask);
    free(in->alpha);
    free(in->grey);
    in->image = in->mask = in->alpha = in->grey = NULL;
}
