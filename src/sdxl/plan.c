/*
 * The forecast: the pipeline itself, run over the dry backend.
 *
 * Peak memory is what a process holds before it opens a model, plus the weights as they will be
 * packed, plus the arena's reach. A run asks the same forecast for its mode and its arena
 * (modes.c), so the two cannot disagree.
 */
#include "sdxl/pipeline_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/meminfo.h"
#include "ops/dry.h"
#include "ops/gpu_sizes.h"

/* The pictures on the host while the last is decoded: floats, bytes, and where there are tiles one
 * and a row of them. */
static size_t picture_bytes(const struct gen_params *g)
{
    size_t w = (size_t)(g->hires_width > 0 ? g->hires_width : g->width);
    size_t h = (size_t)(g->hires_width > 0 ? g->hires_height : g->height);
    size_t side = (size_t)decode_tile_side(&g->tuning);
    size_t together = (size_t)decode_together(g, (int)w, (int)h);
    size_t all = w * h * 3 * (together * sizeof(float) + (size_t)gen_images(g));
    if (!decode_is_tiled(&g->tuning, g->tiling, (int)w, (int)h))
        return all;
    size_t tile_w = w < side ? w : side, tile_h = h < side ? h : side;
    return all + tile_h * (w + tile_w) * 3 * sizeof(float);
}

static int run_dry(struct pipeline *p, const struct gen_params *g, struct plan_result *out,
                   struct err *e)
{
    struct gen_result ignored = {0};
    struct run r = {.p = p, .params = g, .out = &ignored, .err = e};
    struct ops_stats s;
    p->dry = p->ops;
    int rc = pipeline_need_encoder(p, g, e) < 0 || pipeline_use_control(p, g, e) < 0 ||
                     weights_fresh(p, &g->tuning, e) < 0
                 ? -1
                 : 0;
    ops_dry_begin(p->ops, tuning_offloads(&g->tuning) || tuning_streams(&g->tuning));
    rc = rc ? rc : pipeline_generate_profiled(&r, PROFILE_PEAKS);
    gen_result_free(&ignored);
    if (rc < 0)
        return -1;
    p->ops->stats(p->ops, &s);
    out->flops = s.flops;
    out->bytes_weights = s.weight_bytes;
    out->bytes_activations = ops_dry_reach(p->ops);
    return 0;
}

int pipeline_forecast(struct pipeline *p, const struct gen_params *g, size_t own,
                      struct plan_result *out, struct err *e)
{
    *out = (struct plan_result){.memory = g->tuning.memory};
    if (run_dry(p, g, out, e) < 0)
        return -1;
    size_t most = ops_dry_most(p->ops);
    size_t window = tuning_streams(&g->tuning) ? GPU_WINDOW : 0;
    out->gpu = ops_dry_on_gpu(p->ops);
    out->bytes_before = out->gpu ? 0 : own;
    out->bytes_runtime = out->gpu ? 0 : ops_cpu_library_bytes();
    out->bytes_peak = out->gpu ? most + GPU_WORKSPACE + window
                               : own + out->bytes_runtime + most + picture_bytes(g);
    return 0;
}

static void copy_stages(struct ops *o, struct plan_result *out)
{
    struct dry_stage stage[MAX_PLAN_STAGES];
    out->nstages = ops_dry_stages(o, stage, MAX_PLAN_STAGES);
    for (int i = 0; i < out->nstages; i++) {
        memcpy(out->stage[i].name, stage[i].name, sizeof out->stage[i].name);
        if (strcmp(stage[i].name, "setup") == 0)
            memcpy(out->stage[i].name, "load", sizeof "load");
        out->stage[i].flops = stage[i].flops;
        out->stage[i].bytes = stage[i].peak;
        out->stage[i].ms = stage[i].ms;
        out->ms += stage[i].ms;
    }
}

/* What merging the run's LoRAs takes, while there are no activations yet. */
static int lora_bytes(struct pipeline *p, const struct pipeline_options *opt,
                      const struct gen_params *g, size_t *bytes, struct notes *notes, struct err *e)
{
    struct lora_set *s = g->lora_count
                             ? lora_set_new(p->checkpoint, p->ops->takes_changes, opt->threads, e)
                             : NULL;
    *bytes = 0;
    if (g->lora_count == 0)
        return 0;
    int rc = s ? lora_set_choose(s, &p->slots, g->loras, g->lora_count, e) : -1;
    if (rc == 0) {
        *bytes = lora_set_bytes(s, &p->slots);
        lora_set_notes(s, notes);
    }
    lora_set_free(s);
    return rc;
}

/* One mode's forecast, over a dry model of its own. */
static int plan_mode(const char *model, const struct pipeline_options *opt,
                     const struct gen_params *g, int mode, size_t own, struct plan_result *out,
                     struct err *e)
{
    struct gen_params as = *g;
    struct notes notes = {0};
    size_t merge = 0;
    as.tuning.memory = mode;
    struct pipeline *p = pipeline_open_as(model, opt, true, e);
    if (!p)
        return -1;
    int rc = gen_params_check(p->config, g, e);
    if (rc == 0)
        rc = lora_bytes(p, opt, g, &merge, &notes, e);
    if (rc == 0)
        rc = pipeline_forecast(p, &as, own, out, e);
    if (rc == 0) {
        copy_stages(p->ops, out);
        if (tuning_streams(&as.tuning))
            out->bytes_peak += merge;
        else if (merge > out->bytes_activations)
            out->bytes_peak += merge - out->bytes_activations;
    }
    out->notes = notes;
    pipeline_close(p);
    return rc;
}

int pipeline_plan(const char *model, const struct pipeline_options *opt, const struct gen_params *g,
                  struct plan_result *out, struct err *e)
{
    size_t own = meminfo_own("");
    int asked = g->tuning.memory, m = asked == MEMORY_AUTO ? MEMORY_SPEED : asked;
    for (*out = (struct plan_result){0}; m < MEMORY_MODES; m++) {
        notes_free(&out->notes);
        if (plan_mode(model, opt, g, m, own, out, e) < 0)
            return -1;
        if (asked != MEMORY_AUTO || out->bytes_peak <= mode_free(out->gpu, opt->device, &g->tuning))
            break;
    }
    return 0;
}

/* ---- without a model ---- */

static double units_of(struct run *r)
{
    double units = 0;
    r->reading.cond = r->refiner_reading.cond = (struct conditioning){
        .guided = readings_guided(r->params), .plain = true, .n = 2 * gen_images(r->params)};
    for (int i = 0; i < PASSES; i++) {
        const struct pass *p = &r->pass[i];
        units += pass_work(p, 0).all * (p->width / 1e3) * (p->height / 1e3);
    }
    return units / gen_images(r->params);
}

double pipeline_units(const struct gen_params *g, bool refiner)
{
    static const struct schedule_config sdxl = {
        .beta_start = 0.00085, .beta_end = 0.012, .train_steps = 1000, .scaled_linear = true};
    struct err ignored;
    struct pipeline *p = calloc(1, sizeof *p);
    struct run *r = calloc(1, sizeof *r);
    double units = -1;
    if (p && r) {
        *r = (struct run){.p = p, .params = g, .err = &ignored};
        p->refiner = refiner ? p : NULL;
        noise_levels_init(&p->levels, &sdxl);
        if (passes_plan(r) == 0)
            units = units_of(r);
    }
    free(r);
    free(p);
    return units;
}

/* ---- textual inversions ---- */

static bool may_name_embeddings(const struct gen_params *g)
{
    if (g->compat != COMPAT_COMFYUI) /* A1111 has no mark for them, diffusers has none of them */
        return g->compat == COMPAT_A1111;
    for (int i = 0; i < g->batch; i++) {
        const char *a = g->prompts ? g->prompts[i] : g->prompt;
        const char *b = g->negatives ? g->negatives[i] : g->negative;
        if ((a && strstr(a, "embedding:")) || (b && strstr(b, "embedding:")))
            return true;
    }
    return false;
}

static bool has_embeddings(const struct gen_params *g, struct err *e)
{
    struct embeddings all;
    const int none[2] = {0, 0};
    bool any = embeddings_open(&all, g->embeddings, none, e) == 0 && all.count > 0;
    embeddings_free(&all);
    return any;
}

/* As a run reads its prompts, over the dry backend. */
static int read_dry(struct pipeline *p, const struct gen_params *g, struct embeddings *out,
                    struct err *e)
{
    struct gen_result ignored = {0};
    struct run r = {.p = p, .params = g, .out = &ignored, .err = e};
    int rc = gen_params_check(p->config, g, e) || weights_fresh(p, &g->tuning, e) ? -1 : 0;
    ops_dry_begin(p->ops, false);
    rc = rc || passes_plan(&r) || readings_plan(&r) || readings_encode(&r) ? -1 : 0;
    *out = r.embeddings;
    r.embeddings = (struct embeddings){0};
    readings_free(&r);
    gen_result_free(&ignored);
    return rc;
}

int pipeline_embeddings(const char *model, const struct pipeline_options *opt,
                        const struct gen_params *g, struct embeddings *out, struct err *e)
{
    struct gen_params as = *g;
    *out = (struct embeddings){0};
    if (!may_name_embeddings(g) || !has_embeddings(g, e))
        return 0;
    as.tuning.memory = MEMORY_SPEED;
    struct pipeline *p = pipeline_open_as(model, opt, true, e);
    if (!p)
        return -1;
    int rc = p->text.tokenizer[0] || p->text.tokenizer[1]
                 ? read_dry(p, &as, out, e)
                 : err_set(e,
                           "%s: it brings no vocabulary, so it cannot be said which embeddings "
                           "its prompts name",
                           model);
    pipeline_close(p);
    return rc;
}

int pipeline_match_lora(const char *model, const struct lora_file *f, struct lora_report *r,
                        struct err *e)
{
    const struct pipeline_options o = {.device = "cpu"};
    struct pipeline *p = pipeline_open_as(model, &o, true, e);
    if (!p)
        return -1;
    lora_match(f, p->checkpoint, &p->slots, r);
    pipeline_close(p);
    return 0;
}

/* The refiner's shadow stands over the same ops. */
static void shadow_drop(struct pipeline *s, bool owns_ops)
{
    if (!s)
        return;
    pipeline_drop_control(s);
    shadow_drop(s->refiner, false);
    if (s->profile)
        s->profile->close(s->profile);
    if (s->ops) {
        pipeline_unload(s);
        if (owns_ops)
            s->ops->close(s->ops);
    }
    free(s);
}

/* The open model once more, over the dry backend o, or a new one; what it shares with p stays
 * p's. */
static struct pipeline *shadow_of(const struct pipeline *p, struct ops *o, struct pipeline *base,
                                  struct err *e)
{
    struct pipeline *s = calloc(1, sizeof *s);
    if (!s) {
        err_set(e, "out of memory");
        return NULL;
    }
    s->checkpoint = p->checkpoint;
    s->config = p->config;
    s->vae_from = p->vae_from;
    s->vae_config = p->vae_config;
    s->levels = p->levels;
    memcpy(s->text.tokenizer, p->text.tokenizer, sizeof s->text.tokenizer);
    s->refines = base;
    s->weights = p->weights;
    s->ops = o ? o : ops_dry_open(p->ops->name, p->ops->act, e);
    if (!o && s->ops) /* before it sees weights */
        s->ops->tune(s->ops, &(struct tuning){.weights = p->weights});
    if (!s->ops || pipeline_load(s, NULL, e) < 0) {
        shadow_drop(s, !o);
        return NULL;
    }
    return s;
}

void pipeline_shadow_free(struct pipeline *s)
{
    shadow_drop(s, true);
}

int pipeline_need_shadow(struct pipeline *p, struct err *e)
{
    if (!p->shadow && !(p->shadow = shadow_of(p, NULL, NULL, e)))
        return -1;
    struct pipeline *s = p->shadow; /* which may be older than the refiner */
    return !p->refiner || s->refiner || (s->refiner = shadow_of(p->refiner, s->ops, s, e)) ? 0 : -1;
}
