/*
 * The run's ControlNet: opened when a run first names it and kept until one names another, its
 * picture fitted to each pass, and the steps in which it works.
 *
 * Each tool fits and counts in its own way:
 *
 *              picture                               works from share s to share e
 *   comfyui    its middle, nearest pixels            sigma(s) >= sigma >= sigma(e), the share p
 *                                                    being timestep 999 (1 - p)
 *   a1111      its middle, smooth                    s <= i / n <= e, step i of n
 *   diffusers  all of it, smooth                     s <= i / n, (i + 1) / n <= e
 *
 * Sources: ComfyUI comfy/controlnet.py ControlNet.get_control, comfy/utils.py common_upscale and
 * comfy/model_sampling.py percent_to_sigma; sd-webui-controlnet scripts/controlnet.py
 * guidance_schedule_handler and detectmap_proc ("Crop and Resize", whose filters are OpenCV's);
 * diffusers pipeline_controlnet_sd_xl.py and image_processor.py. Weights come when a run's memory
 * mode is known (residency.h).
 */
#include "sdxl/pipeline_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/choices.h"
#include "sdxl/resample.h"

CHOICES(control_type, "auto", "openpose", "depth", "scribble", "canny", "normal", "segment", "tile",
        "repaint")

struct held_control {
    char *path;
    struct checkpoint *checkpoint;
    struct control net;
    struct slots slots;
    struct residency *residency;
};

/* ---- which one is open ---- */

void pipeline_drop_control(struct pipeline *p)
{
    struct held_control *c = p->control;
    if (!c)
        return;
    residency_free(c->residency);
    control_free(&c->net, p->ops);
    slots_free(&c->slots);
    checkpoint_close(c->checkpoint);
    free(c->path);
    free(c);
    p->control = NULL;
}

static int check_fit(const struct pipeline *p, const struct checkpoint *ck, struct err *e)
{
    const struct control_config *c = &checkpoint_config(ck)->control;
    const struct unet_config *a = &c->unet, *b = &p->config->unet;
    bool fits = a->levels == b->levels && a->layers == b->layers && a->context == b->context &&
                a->time_dim == b->time_dim && a->added_inputs == b->added_inputs &&
                a->added_time_dim == b->added_time_dim && a->in_channels <= b->in_channels;
    for (int i = 0; fits && i < a->levels; i++)
        fits = a->channels[i] == b->channels[i];
    if (!fits || 1 << (c->hint_levels - 1) != p->config->vae_factor)
        return err_set(e,
                       "%s: was made for another kind of model than %s; leave --control out, or "
                       "name one that was made for this model",
                       checkpoint_path(ck), checkpoint_path(p->checkpoint));
    return 0;
}

static int load(struct pipeline *p, struct held_control *c, struct err *e)
{
    struct loader l = {.ops = p->ops,
                       .checkpoint = c->checkpoint,
                       .part = PART_CONTROL,
                       .err = e,
                       .slots = &c->slots,
                       .later = p->ops->no_weight != NULL,
                       .halves = p->weights != WEIGHTS_FULL && !p->ops->takes_changes};
    struct residency *with = p->refiner ? p->refiner->residency : p->residency;
    if (control_load(&c->net, &l, &checkpoint_config(c->checkpoint)->control) < 0)
        return -1;
    if (p->ops->no_weight && !(c->residency = residency_new(&l, with, e)))
        return -1;
    return p->ops->sync(p->ops, e);
}

/* Whether a union knows what it is told. */
static int check_kind(const struct held_control *c, const struct gen_params *g, struct err *e)
{
    int types = checkpoint_config(c->checkpoint)->control.types, told = g->control_type;
    if (types == 0 || told <= types)
        return 0;
    return err_set(e,
                   "%s: knows %d kinds of picture, and \"%s\" is none of them; name another "
                   "with --control-type",
                   c->path, types, control_type_name(told));
}

int pipeline_use_control(struct pipeline *p, const struct gen_params *g, struct err *e)
{
    struct held_control *c = p->control;
    if (c && (!g->control || strcmp(c->path, g->control) || checkpoint_changed(c->checkpoint)))
        pipeline_drop_control(p);
    if (!g->control)
        return 0;
    if (p->control)
        return check_kind(p->control, g, e);
    if (!(c = p->control = calloc(1, sizeof *c)) || !(c->path = strdup(g->control)))
        err_set(e, "out of memory");
    else if ((c->checkpoint = checkpoint_open_control(g->control, e)) != NULL &&
             check_fit(p, c->checkpoint, e) == 0 && check_kind(c, g, e) == 0 && load(p, c, e) == 0)
        return 0;
    pipeline_drop_control(p);
    return -1;
}

void pipeline_note_control(const struct pipeline *p, const struct gen_params *g,
                           struct notes *notes)
{
    if (p->control && g->control_type && !checkpoint_config(p->control->checkpoint)->control.types)
        notes_add(notes, "control-type %s: %s is no union, so it is not told",
                  control_type_name(g->control_type), p->control->path);
}

struct residency *pipeline_control_residency(const struct pipeline *p)
{
    return p->control ? p->control->residency : NULL;
}

bool pipeline_control_bytes(const struct pipeline *p, struct network_bytes *out)
{
    struct part_summary s[PART_COUNT];
    if (!p->control)
        return false;
    checkpoint_summary(p->control->checkpoint, s);
    *out = (struct network_bytes){.name = "controlnet", .part = PART_CONTROL};
    out->packed = p->control->residency ? residency_bytes(p->control->residency, KEEP_UNET) : 0;
    out->file = (size_t)s[PART_CONTROL].bytes;
    return true;
}

/* ---- when it works ---- */

/* The sigma at a share of the way from noise to picture. */
static double sigma_of_share(const struct noise_levels *l, double share)
{
    if (share <= 0)
        return HUGE_VAL;
    return share >= 1 ? 0 : sigma_at(l, (1 - share) * 999);
}

bool pass_has_control(const struct pass *p)
{
    const struct gen_params *g = p->r->params;
    return p->r->p->control && g->control_strength > 0 && p->model == p->r->p && p->steps > 0;
}

bool pass_controls(const struct pass *p, int call)
{
    const struct gen_params *g = p->r->params;
    int step = p->call_step[call], n = p->all - p->first;
    double from = g->control_start, to = g->control_end, sigma = (double)p->call_sigma[call];
    if (!p->control_run.control)
        return false;
    if (g->compat == COMPAT_COMFYUI)
        return sigma <= sigma_of_share(&p->model->levels, from) &&
               sigma >= sigma_of_share(&p->model->levels, to);
    double share = (double)step / n, next = (step + 1.0) / n;
    return share >= from && (g->compat == COMPAT_DIFFUSERS ? next : share) <= to;
}

/* ---- its picture ---- */

/* What is cut off on either side, so that the rest has the shape w:h (common_upscale). */
static void cut_to_shape(const struct gen_params *g, int w, int h, int *left, int *top)
{
    double old = (double)g->control_width / g->control_height, shape = (double)w / h;
    *left = old > shape ? (int)nearbyint((g->control_width * (1 - shape / old)) / 2) : 0;
    *top = old < shape ? (int)nearbyint((g->control_height * (1 - old / shape)) / 2) : 0;
}

/* The picture in the pass's size, [h][w][3] in 0 to 1; NULL: no memory. */
static float *fit_picture(const struct pass *p)
{
    const struct gen_params *g = p->r->params;
    int left = 0, top = 0;
    if (g->compat != COMPAT_DIFFUSERS)
        cut_to_shape(g, p->width, p->height, &left, &top);
    int w = g->control_width - 2 * left, h = g->control_height - 2 * top;
    float *cut = malloc((size_t)w * (size_t)h * 3 * sizeof *cut);
    float *out = malloc((size_t)p->width * (size_t)p->height * 3 * sizeof *out);
    for (int y = 0; cut && y < h; y++)
        for (int x = 0; x < 3 * w; x++) {
            size_t at = (size_t)(top + y) * (size_t)g->control_width * 3 + (size_t)(3 * left + x);
            cut[(size_t)y * (size_t)w * 3 + (size_t)x] = (float)g->control_picture[at] / 255;
        }
    enum resample filter = g->compat == COMPAT_COMFYUI ? RESAMPLE_NEAREST_EXACT : RESAMPLE_LANCZOS;
    int rc = cut && out ? resample(&(struct raster){w, h, 3, cut},
                                   &(struct raster){p->width, p->height, 3, out}, filter, p->r->err)
                        : -1;
    for (size_t i = 0; rc == 0 && i < (size_t)p->width * (size_t)p->height * 3; i++)
        out[i] = fminf(fmaxf(out[i], 0), 1); /* lobes overshoot */
    free(cut);
    if (rc == 0)
        return out;
    free(out);
    return NULL;
}

int pass_control_prepare(struct pass *p, const struct unet_inputs *in)
{
    struct run *r = p->r;
    float *picture = NULL;
    if (!pass_has_control(p))
        return 0;
    if (!r->p->dry && !(picture = fit_picture(p)))
        return err_set(r->err, "out of memory for a picture of %dx%d", p->width, p->height);
    struct control_inputs own = {.picture = picture,
                                 .w = p->width,
                                 .h = p->height,
                                 .strength = (float)r->params->control_strength,
                                 .kind = r->params->control_type - 1};
    int rc = control_run_prepare(&r->p->control->net, r->p->ops, in, &own, &p->control_run, r->err);
    free(picture);
    return rc;
}
