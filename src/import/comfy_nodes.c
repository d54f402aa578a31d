/* See comfy_nodes.h. The walk collects (samplers, upscales, LoRAs) from the image backwards; what
 * it found is put together at the end, in apply(). */
#include "import/comfy_nodes.h"

#include <math.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "import/comfy_known.h"
#include "import/comfy_parts.h"
#include "import/comfy_sampler.h"
#include "import/comfy_sigmas.h"
#include "import/comfy_walk.h"

#define RGTHREE_LATENT    "SDXL Empty Latent Image (rgthree)"
#define ESSENTIALS_LATENT "SDXLEmptyLatentSizePicker+"

/* ---- image and latent, backwards ---- */

static void walk_latent(struct comfy_walk *w, struct comfy_input in);

static void load_image(struct comfy_walk *w, int node)
{
    char *file = comfy_image_file(w, node);
    if (file)
        recipe_set(w->r, "image", file);
    free(file);
}

static struct comfy_upscale upscale_of(struct comfy_walk *w, int node, bool pixels)
{
    struct comfy_upscale up = {.node = node, .pixels = pixels, .by = 1};
    comfy_word(w, node, "upscale_method", up.method, sizeof up.method);
    if (comfy_is(w, node, "LatentUpscaleBy|ImageScaleBy")) {
        up.by = comfy_number(w, node, "scale_by", 1.5);
    } else {
        up.width = (int)comfy_number(w, node, "width", 0);
        up.height = (int)comfy_number(w, node, "height", 0);
    }
    return up;
}

/* An upscale belongs to the sampler that it feeds. */
static void add_upscale(struct comfy_walk *w, int node, bool pixels)
{
    struct comfy_upscale *up = w->stages ? &w->stage[w->stages - 1].up : NULL;
    if (!up)
        recipe_note(w->r, "%s: the finished image is not scaled here", comfy_name(w, node));
    else if (up->node >= 0)
        recipe_note(w->r, "%s: one upscale a pass; this one is ignored", comfy_name(w, node));
    else
        *up = upscale_of(w, node, pixels);
}

/* "4x-UltraSharp", "RealESRGAN_x2plus": how many times larger, or 0. */
static double model_factor(struct comfy_walk *w, int node)
{
    int slot, loader = comfy_source(w, node, "upscale_model", &slot);
    char *name = loader >= 0 ? comfy_get_text(w, loader, "model_name") : NULL;
    double by = 0;
    for (const char *s = name; s && *s && !by; s++) {
        if (!strchr("xX", *s))
            continue;
        if (s > name && strchr("2348", s[-1]) && (s < name + 2 || !strchr("0123456789", s[-2])))
            by = s[-1] - '0';
        else if (s[1] && strchr("2348", s[1]) && !(s[2] >= '0' && s[2] <= '9'))
            by = s[1] - '0';
    }
    free(name);
    return by;
}

/* Pixels enlarged by a model, which mostly makes more of them than are wanted: a scale behind it,
 * which was met before, brings them to size. */
static void model_upscale(struct comfy_walk *w, int node)
{
    struct comfy_upscale *up = w->stages ? &w->stage[w->stages - 1].up : NULL;
    double by = up ? model_factor(w, node) : 0;
    if (!up || (up->node >= 0 && !up->pixels) || (by == 0 && (up->node < 0 || !up->width))) {
        comfy_note_ignored(w, node);
        return;
    }
    if (up->node < 0)
        *up = (struct comfy_upscale){.node = node, .pixels = true, .method = "lanczos", .by = 1};
    up->by *= by;
    recipe_note(w->r, "%s: a model enlarges the picture; here %.30s does", comfy_name(w, node),
                up->method);
}

static void walk_image(struct comfy_walk *w, struct comfy_input in)
{
    int slot, node;
    while ((node = comfy_follow(w, in, &slot)) >= 0) {
        if (comfy_is(w, node, "VAEDecode|VAEDecodeTiled")) {
            comfy_vae(w, node);
            walk_latent(w, comfy_input(w->g, node, "samples"));
            return;
        }
        if (comfy_is(w, node, COMFY_EFFICIENT_SAMPLERS)) {
            comfy_vae(w, node);
            walk_latent(w, (struct comfy_input){.kind = COMFY_LINK, .node = node});
            return;
        }
        if (comfy_is(w, node, "LoadImage")) {
            load_image(w, node);
            return;
        }
        if (comfy_is(w, node, "ImageScale|ImageScaleBy")) {
            add_upscale(w, node, true);
            in = comfy_input(w->g, node, "image");
        } else if (comfy_is(w, node, "ImageUpscaleWithModel")) {
            model_upscale(w, node);
            in = comfy_input(w->g, node, "image");
        } else {
            in = comfy_pass(w, node, "image|images|pixels");
        }
    }
}

static void add_stage(struct comfy_walk *w, int node, int slot)
{
    if (w->stages == COMFY_MAX_STAGES)
        recipe_note(w->r, "%s: more than %d samplers; this one is ignored", comfy_name(w, node),
                    COMFY_MAX_STAGES);
    else if (comfy_sampler(w, node, slot, &w->stage[w->stages]) == 0)
        w->stages++;
}

/* "832 x 1216  (portrait)", "832x1216 (0.68)": rgthree's, and that of ComfyUI_essentials, which may
 * be told otherwise beside it. */
static void named_size(struct comfy_walk *w, int node)
{
    char text[48];
    int width, height;
    comfy_word(w, node, comfy_is(w, node, RGTHREE_LATENT) ? "dimensions" : "resolution", text,
               sizeof text);
    if (sscanf(text, "%5d x %5d", &width, &height) != 2)
        return;
    int wide = (int)comfy_number(w, node, "width_override", 0);
    int high = (int)comfy_number(w, node, "height_override", 0);
    recipe_setf(w->r, "size", "%dx%d", wide > 0 ? wide : width, high > 0 ? high : height);
}

static void plain_size(struct comfy_walk *w, int node)
{
    bool loader = comfy_is(w, node, COMFY_EFFICIENT_LOADER);
    recipe_setf(w->r, "size", "%dx%d",
                (int)comfy_number(w, node, loader ? "empty_latent_width" : "width", 1024),
                (int)comfy_number(w, node, loader ? "empty_latent_height" : "height", 1024));
}

static void empty_latent(struct comfy_walk *w, int node)
{
    if (comfy_is(w, node, RGTHREE_LATENT "|" ESSENTIALS_LATENT))
        named_size(w, node);
    else
        plain_size(w, node);
    int batch = (int)comfy_number(w, node, "batch_size", 1);
    if (batch != 1)
        recipe_setf(w->r, "batch", "%d", batch);
}

static void repeat_batch(struct comfy_walk *w, int node)
{
    double amount = comfy_number(w, node, "amount", 1);
    if (amount > 1 && !recipe_get(w->r, "batch"))
        recipe_setf(w->r, "batch", "%d", (int)amount);
    else if (amount > 1)
        recipe_note(w->r, "%s: a batch of a batch is ignored", comfy_name(w, node));
}

/* Image and mask for an inpainting model; the loop keeps what is outside of the mask here. */
static void inpaint_latent(struct comfy_walk *w, int node)
{
    char word[16];
    comfy_word(w, node, "noise_mask", word, sizeof word);
    if (!strcmp(word, "no"))
        recipe_note(w->r,
                    "%s: without noise_mask all of the picture would change; here what is not "
                    "masked stays",
                    comfy_name(w, node));
    comfy_mask(w, node, false);
    walk_image(w, comfy_input(w->g, node, "pixels"));
}

static void walk_latent(struct comfy_walk *w, struct comfy_input in)
{
    int slot, node;
    while ((node = comfy_follow(w, in, &slot)) >= 0) {
        const char *next = "samples";
        if (comfy_is_sampler(w, node)) {
            add_stage(w, node, slot);
            next = "latent_image";
        } else if (comfy_is(w, node,
                            "EmptyLatentImage|EmptySD3LatentImage|" RGTHREE_LATENT
                            "|" ESSENTIALS_LATENT "|" COMFY_EFFICIENT_LOADER)) {
            empty_latent(w, node);
            return;
        } else if (comfy_is(w, node, "VAEEncode|VAEEncodeTiled|VAEEncodeForInpaint")) {
            if (comfy_is(w, node, "VAEEncodeForInpaint"))
                comfy_mask(w, node, true);
            walk_image(w, comfy_input(w->g, node, "pixels"));
            return;
        } else if (comfy_is(w, node, "InpaintModelConditioning")) {
            inpaint_latent(w, node);
            return;
        } else if (comfy_is(w, node, "SetLatentNoiseMask")) {
            comfy_mask(w, node, false);
        } else if (comfy_is(w, node, "LatentUpscale|LatentUpscaleBy")) {
            add_upscale(w, node, false);
        } else if (comfy_is(w, node, "RepeatLatentBatch")) {
            repeat_batch(w, node);
        } else {
            in = comfy_pass(w, node, "samples|latent|latent_image|pixels|samples1");
            continue;
        }
        in = comfy_input(w->g, node, next);
    }
}

/* ---- putting together ---- */

/* A denoise of which n steps are left of `total` (ComfyUI builds int(n / denoise) of them). */
static double partial(int n, int total)
{
    for (double scale = 100; scale <= 1e6; scale *= 10) {
        double d = floor(n * scale / total) / scale;
        if (d > 0 && (int)(n / d) == total)
            return d;
    }
    return n / (total + 0.5);
}

/* What is left of a schedule that is cut: as many steps, and a denoise with the same levels. */
static void part_of(const struct comfy_levels *l, int *steps, double *denoise)
{
    bool later = l->start > 0 && l->start < l->total;
    *steps = later ? l->total - l->start : l->total;
    *denoise = later ? partial(*steps, l->total) : l->denoise;
}

/* The first sampler's schedule; `last` ends where it ends, itself or one that goes on from it. */
static void put_levels(struct comfy_walk *w, const struct comfy_stage *s,
                       const struct comfy_stage *last)
{
    struct comfy_levels cut = s->levels;
    const struct comfy_levels *l = &cut;
    int steps, end = last->levels.end;
    double denoise;
    if (s == last && s->full && end < l->total && !comfy_is_spared(s->sampler))
        comfy_sigmas_end_early(&cut);
    part_of(l, &steps, &denoise);
    if (!s->noise)
        recipe_note(w->r, "%s: it begins without noise, which has no setting here",
                    comfy_name(w, s->node));
    if (l->count ? l->list[end] > 0 : end < l->total)
        recipe_note(w->r, "%s: it ends at step %d of %d, which leaves noise; %s here",
                    comfy_name(w, last->node), end, l->total,
                    l->count ? "one more is made" : "all steps are made");
    if (l->count) {
        char *list = comfy_sigmas_text(l, l->start, end);
        recipe_set(w->r, "sigmas", list ? list : "");
        w->r->failed |= !list;
        free(list);
        return;
    }
    recipe_setf(w->r, "steps", "%d", steps);
    recipe_set(w->r, "scheduler", l->scheduler);
    if (denoise < 1)
        recipe_setf(w->r, "denoise", "%.10g", denoise);
    if (denoise < 1 && !recipe_get(w->r, "image")) {
        recipe_note(w->r, "%s: it denoises an empty image only in part; here it is all of it",
                    comfy_name(w, s->node));
        recipe_drop(w->r, "denoise");
    }
}

static void put_word(struct comfy_walk *w, const char *key, const char *value)
{
    if (*value)
        recipe_set(w->r, key, value);
}

static void base_stage(struct comfy_walk *w, const struct comfy_stage *s,
                       const struct comfy_stage *last)
{
    put_word(w, "seed", s->seed);
    put_word(w, "cfg", s->cfg);
    put_word(w, "sampler", s->sampler);
    put_levels(w, s, last);
    comfy_prompts(w, s);
    comfy_model(w, s);
}

/* What a later sampler does differently, when this has no setting of its own. */
static void compare(struct comfy_walk *w, const struct comfy_stage *s, const char *what,
                    const char *first, const char *here)
{
    if (*first && *here && strcmp(first, here) != 0)
        recipe_note(w->r, "%s: its %s is %s, and %s in the first pass, which is used for both",
                    comfy_name(w, s->node), what, here, first);
}

static void compare_stages(struct comfy_walk *w, const struct comfy_stage *a,
                           const struct comfy_stage *b)
{
    compare(w, b, "cfg", a->cfg, b->cfg);
    compare(w, b, "sampler_name", a->sampler, b->sampler);
    compare(w, b, "scheduler", a->levels.scheduler, b->levels.scheduler);
}

static void put_enlarging(struct comfy_walk *w, const struct comfy_upscale *up)
{
    static const char *const methods[][3] = {
        {"nearest-exact", "latent_nearest_exact", "nearest"},
        {"bilinear", "latent_bilinear", "bilinear"},
        {"bicubic", "latent_bicubic", "bicubic"},
        {"lanczos", NULL, "lanczos"},
    };
    const char *method = NULL;
    for (int i = 0; i < 4; i++)
        if (!strcmp(methods[i][0], up->method))
            method = methods[i][up->pixels ? 2 : 1];
    if (!method) {
        method = up->pixels ? "lanczos" : "latent_bilinear";
        recipe_note(w->r, "%s: upscale_method %s has no setting here; %s is used",
                    comfy_name(w, up->node), up->method, method);
    }
    recipe_set(w->r, "hires-upscale", method);
    if (up->width > 0 && up->height > 0)
        recipe_setf(w->r, "hires-size", "%dx%d", up->width, up->height);
    else
        recipe_setf(w->r, "hires", "%.10g", up->by);
}

static void hires(struct comfy_walk *w, const struct comfy_stage *first,
                  const struct comfy_stage *s, const struct comfy_stage *last)
{
    int steps;
    double denoise;
    part_of(&s->levels, &steps, &denoise);
    put_enlarging(w, &s->up);
    recipe_setf(w->r, "hires-steps", "%d", steps);
    recipe_setf(w->r, "hires-denoise", "%.10g", denoise);
    if (first->levels.count && !s->levels.count) /* a list is the first pass's alone */
        recipe_set(w->r, "scheduler", s->levels.scheduler);
    if (s->levels.count)
        recipe_note(w->r,
                    "%s: its own list of noise levels; the second pass has the first's "
                    "scheduler here",
                    comfy_name(w, s->node));
    if (!s->noise || last->levels.end < last->levels.total)
        recipe_note(w->r,
                    "%s: it adds no noise or leaves some; the second pass begins with noise "
                    "and takes all of it here",
                    comfy_name(w, s->node));
    compare_stages(w, first, s);
    comfy_compare_prompts(w, first, s);
    compare(w, s, "seed", first->seed, s->seed); /* one here, the same for both passes */
}

/* Two samplers over one schedule, the second where the first stopped. */
static bool continues(const struct comfy_stage *first, const struct comfy_stage *s)
{
    const struct comfy_levels *a = &first->levels, *b = &s->levels;
    return first->cuts && s->cuts && s->up.node < 0 && b->start == a->end && b->start > 0 &&
           a->total == b->total && a->count == b->count && !strcmp(a->scheduler, b->scheduler) &&
           !memcmp(a->list, b->list, (size_t)a->count * sizeof *a->list);
}

/* Where `s` takes over, as a share of the schedule that our run has: a list begins where the first
 * sampler does. */
static double switch_at(const struct comfy_levels *first, const struct comfy_levels *s)
{
    int from = first->count ? first->start : 0, to = first->count ? s->end : first->total;
    return (double)(s->start - from) / (to - from);
}

/* A share that begins at step `at` of `all`, and not at the one before: the same one in two digits,
 * or else the shortest. */
static double plain_share(int at, int all)
{
    double share = (double)at / all;
    if ((int64_t)at * 100 % all == 0)
        return share;
    for (double scale = 10; scale < 1e9; scale *= 10)
        if (floor(share * scale) / scale * all > at - 1)
            return floor(share * scale) / scale;
    return (at - 0.5) / all;
}

/* One run, cut where guidance begins or ends: one of the two has a cfg of 1. */
static bool guided_in_part(struct comfy_walk *w, const struct comfy_stage *before,
                           const struct comfy_stage *s)
{
    bool starts = atof(before->cfg) == 1, ends = atof(s->cfg) == 1;
    if (starts == ends || s->levels.count || recipe_get(w->r, starts ? "cfg-start" : "cfg-end"))
        return false;
    recipe_setf(w->r, starts ? "cfg-start" : "cfg-end", "%.9g",
                plain_share(s->levels.start, s->levels.total));
    if (starts)
        recipe_set(w->r, "cfg", s->cfg);
    return true;
}

/* A second pass cut where the first is: cfg_start and cfg_end are of both. */
static bool guided_alike(const struct comfy_walk *w, const struct comfy_stage *before,
                         const struct comfy_stage *s)
{
    bool starts = atof(before->cfg) == 1, ends = atof(s->cfg) == 1;
    const char *share = recipe_get(w->r, starts ? "cfg-start" : "cfg-end");
    return starts != ends && share && (int)ceil(atof(share) * s->levels.total) == s->levels.start;
}

/* A sampler that goes on from the one before it; false: with another model. */
static bool go_on(struct comfy_walk *w, const struct comfy_stage *first,
                  const struct comfy_stage *before, const struct comfy_stage *s)
{
    bool refined = comfy_refiner(w, s, switch_at(&first->levels, &s->levels));
    if (s->noise)
        recipe_note(w->r, "%s: it adds noise of its own, which has no setting here",
                    comfy_name(w, s->node));
    struct comfy_stage alike = *s;
    if (!refined && guided_in_part(w, before, s))
        memcpy(alike.cfg, first->cfg, sizeof alike.cfg);
    compare_stages(w, first, &alike);
    if (!refined)
        comfy_compare_prompts(w, first, s);
    return !refined;
}

/* The last sampler of those that go on where `s` stopped. */
static const struct comfy_stage *last_from(const struct comfy_walk *w, const struct comfy_stage *s)
{
    while (s > w->stage && continues(s, s - 1))
        s--;
    return s;
}

/* `last`: of those that together are a pass, unless it is a refiner. */
static void later_stages(struct comfy_walk *w)
{
    const struct comfy_stage *first = &w->stage[w->stages - 1], *last = first;
    bool enlarged = false;
    for (int i = w->stages - 2; i >= 0; i--) {
        const struct comfy_stage *s = &w->stage[i];
        if (last && !enlarged && continues(last, s)) {
            last = go_on(w, first, last, s) ? s : NULL;
        } else if (!enlarged && s->up.node >= 0) {
            hires(w, first, s, last_from(w, s));
            enlarged = true;
            last = s;
        } else if (last && enlarged && continues(last, s) && guided_alike(w, last, s)) {
            last = s;
        } else {
            recipe_note(w->r, "%s: a further pass of this kind has no setting here; it is ignored",
                        comfy_name(w, s->node));
        }
    }
}

static void apply(struct comfy_walk *w)
{
    const struct comfy_stage *first = &w->stage[w->stages - 1];
    if (first->up.node >= 0 && recipe_get(w->r, "image")) {
        /* The picture that it starts from, brought to size: ours is fitted to the size. */
        if (first->up.width > 0 && first->up.height > 0)
            recipe_setf(w->r, "size", "%dx%d", first->up.width, first->up.height);
        else
            recipe_note(w->r, "%s: the image is fitted to the size that is set instead",
                        comfy_name(w, first->up.node));
    }
    recipe_set(w->r, "compat", "comfyui");
    base_stage(w, first, last_from(w, first));
    later_stages(w);
    if (!comfy_is_editors(w->g)) /* the editor expands {a|b} before it sends the other form */
        recipe_literal(w->r);
}

/* ---- where to begin ---- */

static bool is_output(struct comfy_walk *w, int node, int rank)
{
    const char *type = comfy_class(w->g, node);
    if (comfy_muted(w->g, node) || comfy_bypassed(w->g, node))
        return false;
    if (rank == 0)
        return !strcmp(type, "SaveImage");
    if (rank == 1)
        return !strcmp(type, "PreviewImage");
    if (rank == 2) /* the many that packs of nodes bring */
        return (strstr(type, "Save") || strstr(type, "Preview")) &&
               comfy_input(w->g, node, "images").kind == COMFY_LINK;
    return comfy_is(w, node, "VAEDecode|VAEDecodeTiled");
}

static struct comfy_input output_image(struct comfy_walk *w, int node)
{
    if (!comfy_is(w, node, "VAEDecode|VAEDecodeTiled"))
        return comfy_input(w->g, node, "images");
    return (struct comfy_input){.kind = COMFY_LINK, .node = node};
}

/* An output that no sampler leads to: its first note may say why. */
static void forget(struct comfy_walk *w, struct err *why)
{
    const char *source = w->r->source;
    if (w->r->notes && !*why->text)
        err_set(why, "%s", w->r->note[0]);
    recipe_free(w->r);
    w->r->source = source;
}

/* The first output that a sampler leads to; says which others there are. Returns its node or -1. */
static int walk_outputs(struct comfy_walk *w, struct err *why)
{
    int found = -1;
    for (int rank = 0; rank < 4 && found < 0; rank++) {
        for (int i = 0; i < comfy_count(w->g) && w->budget > 0; i++) {
            if (!is_output(w, i, rank))
                continue;
            if (found >= 0) {
                recipe_note(w->r, "%s: another image, which is not followed", comfy_name(w, i));
                continue;
            }
            w->seen[i] = true;
            walk_image(w, output_image(w, i));
            if (w->stages)
                found = i;
            else
                forget(w, why);
        }
    }
    return found;
}

/* Nodes that the image does not depend on, but for comments. */
static void name_unused(struct comfy_walk *w)
{
    for (int i = 0; i < comfy_count(w->g); i++)
        if (comfy_is_opened(w->g, i) && comfy_closed(w->g, i))
            recipe_note(w->r, "%s %s", comfy_name(w, i), comfy_closed(w->g, i));
    for (int i = 0; i < comfy_count(w->g); i++)
        if (!w->seen[i] && !comfy_is_opened(w->g, i) &&
            !comfy_is(w, i, "Note|MarkdownNote|PrimitiveNode|Reroute|SetNode|GetNode") &&
            !is_output(w, i, 0) && !is_output(w, i, 1))
            recipe_note(w->r,
                        "%s was not used: the image does not come from it, or through a "
                        "node that is ignored",
                        comfy_name(w, i));
}

int comfy_import(const char *text, size_t size, const char *name, struct recipe *r, struct err *e)
{
    struct comfy_walk w = {.r = r, .budget = COMFY_BUDGET};
    r->source = "ComfyUI workflow";
    w.g = comfy_graph_parse(text, size, name, e);
    if (!w.g)
        return -1;
    w.seen = calloc((size_t)comfy_count(w.g), sizeof *w.seen);
    struct err why = {""};
    int rc = 0;
    if (!w.seen || comfy_find_setters(&w))
        rc = err_set(e, "out of memory");
    else if (walk_outputs(&w, &why) < 0)
        rc = err_set(e,
                     "%s: no image in this workflow comes from a sampler that is known here "
                     "(%d nodes)%s%s",
                     name, comfy_count(w.g), *why.text ? "; " : "", why.text);
    else
        apply(&w);
    if (rc == 0)
        name_unused(&w);
    if (rc == 0 && r->failed)
        rc = err_set(e, "out of memory");
    free(w.seen);
    free(w.setter);
    comfy_graph_free((struct comfy_graph *)(uintptr_t)w.g);
    return rc;
}
