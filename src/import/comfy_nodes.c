/* See comfy_nodes.h. The walk collects (samplers, upscales, LoRAs) from the image backwards; what
 * it found is put together at the end, in apply(). */
#include "import/comfy_nodes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import/comfy_parts.h"
#include "import/comfy_walk.h"

#define SAMPLERS "KSampler|KSamplerAdvanced"

/* ---- image and latent, backwards ---- */

static void walk_latent(struct comfy_walk *w, struct comfy_input in);

static void load_image(struct comfy_walk *w, int node)
{
    char *file = comfy_get_text(w, node, "image");
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

static void walk_image(struct comfy_walk *w, struct comfy_input in)
{
    int slot, node;
    while ((node = comfy_follow(w, in, &slot)) >= 0) {
        if (comfy_is(w, node, "VAEDecode|VAEDecodeTiled")) {
            comfy_vae(w, node);
            walk_latent(w, comfy_input(w->g, node, "samples"));
            return;
        }
        if (comfy_is(w, node, "LoadImage")) {
            load_image(w, node);
            return;
        }
        if (comfy_is(w, node, "ImageScale|ImageScaleBy")) {
            add_upscale(w, node, true);
            in = comfy_input(w->g, node, "image");
        } else {
            in = comfy_pass(w, node, "image|images|pixels");
        }
    }
}

static void add_stage(struct comfy_walk *w, int node)
{
    bool advanced = comfy_is(w, node, "KSamplerAdvanced");
    if (w->stages == COMFY_MAX_STAGES) {
        recipe_note(w->r, "%s: more than %d samplers; this one is ignored", comfy_name(w, node),
                    COMFY_MAX_STAGES);
        return;
    }
    struct comfy_stage *s = &w->stage[w->stages++];
    *s = (struct comfy_stage){.node = node, .advanced = advanced, .up = {.node = -1}};
    s->steps = (int)comfy_number(w, node, "steps", 20);
    s->denoise = advanced ? 1 : comfy_number(w, node, "denoise", 1);
    s->start = advanced ? (int)comfy_number(w, node, "start_at_step", 0) : 0;
    s->end = advanced ? (int)comfy_number(w, node, "end_at_step", 10000) : s->steps;
    s->end = s->end < s->steps ? s->end : s->steps;
}

static void empty_latent(struct comfy_walk *w, int node)
{
    recipe_setf(w->r, "size", "%dx%d", (int)comfy_number(w, node, "width", 1024),
                (int)comfy_number(w, node, "height", 1024));
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

static void walk_latent(struct comfy_walk *w, struct comfy_input in)
{
    int slot, node;
    while ((node = comfy_follow(w, in, &slot)) >= 0) {
        const char *next = "samples";
        if (comfy_is(w, node, SAMPLERS)) {
            add_stage(w, node);
            next = "latent_image";
        } else if (comfy_is(w, node, "EmptyLatentImage")) {
            empty_latent(w, node);
            return;
        } else if (comfy_is(w, node, "VAEEncode|VAEEncodeTiled|VAEEncodeForInpaint")) {
            if (comfy_is(w, node, "VAEEncodeForInpaint"))
                comfy_mask(w, node, true);
            walk_image(w, comfy_input(w->g, node, "pixels"));
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

static void copy_value(struct comfy_walk *w, int node, const char *input, const char *key)
{
    char *text = comfy_get_text(w, node, input);
    if (text)
        recipe_set(w->r, key, text);
    free(text);
}

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

/* An advanced sampler that begins in the middle is a denoise; what ends early has no setting. */
static void advanced_range(struct comfy_walk *w, const struct comfy_stage *s, bool goes_on)
{
    char word[16];
    comfy_word(w, s->node, "add_noise", word, sizeof word);
    if (!strcmp(word, "disable"))
        recipe_note(w->r, "%s: it begins without noise, which has no setting here",
                    comfy_name(w, s->node));
    comfy_word(w, s->node, "return_with_leftover_noise", word, sizeof word);
    if (!goes_on && s->end < s->steps)
        recipe_note(w->r, "%s: it ends at step %d of %d%s; all steps are made here",
                    comfy_name(w, s->node), s->end, s->steps,
                    strcmp(word, "enable") ? "" : " and leaves noise");
    if (s->start > 0 && s->start < s->steps) {
        recipe_setf(w->r, "steps", "%d", s->steps - s->start);
        recipe_setf(w->r, "denoise", "%.10g", partial(s->steps - s->start, s->steps));
    }
}

static void base_stage(struct comfy_walk *w, const struct comfy_stage *s, bool goes_on)
{
    copy_value(w, s->node, s->advanced ? "noise_seed" : "seed", "seed");
    recipe_setf(w->r, "steps", "%d", s->steps);
    copy_value(w, s->node, "cfg", "cfg");
    copy_value(w, s->node, "sampler_name", "sampler");
    copy_value(w, s->node, "scheduler", "scheduler");
    if (s->denoise < 1)
        recipe_setf(w->r, "denoise", "%.10g", s->denoise);
    if (s->advanced)
        advanced_range(w, s, goes_on);
    if (recipe_get(w->r, "denoise") && !recipe_get(w->r, "image")) {
        recipe_note(w->r, "%s: it denoises an empty image only in part; here it is all of it",
                    comfy_name(w, s->node));
        recipe_drop(w->r, "denoise");
    }
    comfy_prompts(w, s->node);
    comfy_model(w, s->node);
}

/* What a later sampler does differently, when this has no setting of its own. */
static void compare(struct comfy_walk *w, int a, int b, const char *input)
{
    char one[100], two[100];
    comfy_word(w, a, input, one, sizeof one);
    comfy_word(w, b, input, two, sizeof two);
    if (*one && *two && strcmp(one, two) != 0)
        recipe_note(w->r, "%s: its %s is %s, and %s in the first pass, which is used for both",
                    comfy_name(w, b), input, two, one);
}

static void compare_stages(struct comfy_walk *w, const struct comfy_stage *a,
                           const struct comfy_stage *b)
{
    static const char *const inputs[] = {"cfg", "sampler_name", "scheduler"};
    for (int i = 0; i < 3; i++)
        compare(w, a->node, b->node, inputs[i]);
}

static void hires(struct comfy_walk *w, const struct comfy_stage *first,
                  const struct comfy_stage *s)
{
    static const char *const methods[][3] = {
        {"nearest-exact", "latent_nearest_exact", "nearest"},
        {"bilinear", "latent_bilinear", "bilinear"},
        {"bicubic", "latent_bicubic", "bicubic"},
        {"lanczos", NULL, "lanczos"},
    };
    const char *method = NULL;
    for (int i = 0; i < 4; i++)
        if (!strcmp(methods[i][0], s->up.method))
            method = methods[i][s->up.pixels ? 2 : 1];
    if (method)
        recipe_set(w->r, "hires-upscale", method);
    else
        recipe_note(w->r, "%s: upscale_method %s has no setting here", comfy_name(w, s->up.node),
                    s->up.method);
    if (s->up.width > 0 && s->up.height > 0)
        recipe_setf(w->r, "hires-size", "%dx%d", s->up.width, s->up.height);
    else
        recipe_setf(w->r, "hires", "%.10g", s->up.by);
    recipe_setf(w->r, "hires-steps", "%d", s->steps);
    recipe_setf(w->r, "hires-denoise", "%.10g", s->denoise);
    compare_stages(w, first, s);
    /* One seed here, the same for both passes. */
    compare(w, first->node, s->node, first->advanced ? "noise_seed" : "seed");
}

/* Two advanced samplers, one going on where the other stopped. */
static bool continues(const struct comfy_stage *first, const struct comfy_stage *s)
{
    return first->advanced && s->advanced && s->up.node < 0 && s->start == first->end &&
           s->steps == first->steps && s->start > 0;
}

static void later_stages(struct comfy_walk *w)
{
    const struct comfy_stage *first = &w->stage[w->stages - 1];
    bool refined = false, enlarged = false;
    for (int i = w->stages - 2; i >= 0; i--) {
        const struct comfy_stage *s = &w->stage[i];
        if (!refined && !enlarged && continues(first, s)) {
            comfy_refiner(w, s->node, (double)s->start / s->steps);
            compare_stages(w, first, s);
            refined = true;
        } else if (!enlarged && s->up.node >= 0 && !s->advanced) {
            hires(w, first, s);
            enlarged = true;
        } else {
            recipe_note(w->r, "%s: a further pass of this kind has no setting here; it is ignored",
                        comfy_name(w, s->node));
        }
    }
}

static void apply(struct comfy_walk *w)
{
    const struct comfy_stage *first = &w->stage[w->stages - 1];
    bool goes_on = w->stages > 1 && continues(first, &w->stage[w->stages - 2]);
    if (first->up.node >= 0 && recipe_get(w->r, "image")) {
        /* The picture that it starts from, brought to size: ours is fitted to the size. */
        if (first->up.width > 0 && first->up.height > 0)
            recipe_setf(w->r, "size", "%dx%d", first->up.width, first->up.height);
        else
            recipe_note(w->r, "%s: the image is fitted to the size that is set instead",
                        comfy_name(w, first->up.node));
    }
    recipe_set(w->r, "compat", "comfyui");
    base_stage(w, first, goes_on);
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
        if (!w->seen[i] && !comfy_is(w, i, "Note|MarkdownNote|PrimitiveNode|Reroute") &&
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
    if (!w.seen)
        rc = err_set(e, "out of memory");
    else if (walk_outputs(&w, &why) < 0)
        rc = err_set(e,
                     "%s: no image in this workflow comes from a KSampler or KSamplerAdvanced "
                     "(%d nodes)%s%s",
                     name, comfy_count(w.g), *why.text ? "; " : "", why.text);
    else
        apply(&w);
    if (rc == 0)
        name_unused(&w);
    if (rc == 0 && r->failed)
        rc = err_set(e, "out of memory");
    free(w.seen);
    comfy_graph_free((struct comfy_graph *)(uintptr_t)w.g);
    return rc;
}
