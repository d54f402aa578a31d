/* Opening a model: which files, every network packed. */
#include "sdxl/pipeline_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/meminfo.h"
#include "ops/dry.h"

void pipeline_bytes(const struct pipeline *p, size_t *now, size_t *peak)
{
    struct ops_stats s = {0};
    struct rusage u;
    p->ops->stats(p->ops, &s);
    if (s.device_peak > 0) {
        *now = s.device_now, *peak = s.device_peak;
        return;
    }
    getrusage(RUSAGE_SELF, &u);
    *now = meminfo_own("");
    *peak = (size_t)u.ru_maxrss * 1024;
}

/* ---- the vocabularies ---- */

static bool has_vocabulary(const char *dir)
{
    char path[4096];
    struct stat st;
    int n = snprintf(path, sizeof path, "%s/vocab.json", dir);
    return n > 0 && n < (int)sizeof path && stat(path, &st) == 0;
}

/* The model's own folder; else, under `given` or beside a single file, tokenizer/ and tokenizer_2/,
 * or the folder itself for both (both encoders of SDXL read the same vocabulary). */
static bool vocabulary_dir(const struct checkpoint *ck, const char *given, int encoder, char *out,
                           size_t cap)
{
    static const char *const SUB[2][3] = {{"/tokenizer", "", "/tokenizer_2"},
                                          {"/tokenizer_2", "/tokenizer", ""}};
    const char *own = checkpoint_tokenizer(ck, encoder);
    if (own && !given) {
        snprintf(out, cap, "%s", own);
        return true;
    }
    char base[4096];
    snprintf(base, sizeof base, "%s", given ? given : checkpoint_path(ck));
    if (!given) {
        char *slash = strrchr(base, '/');
        snprintf(slash ? slash : base, 2, "%s", slash ? "" : ".");
    }
    for (int i = 0; i < 3; i++) {
        int n = snprintf(out, cap, "%s%s", base, SUB[encoder][i]);
        if (n > 0 && (size_t)n < cap && has_vocabulary(out))
            return true;
    }
    return false;
}

#define NO_REFINER "; it is of another kind of model: leave --refiner out, or name this one's"

static int open_tokenizers(struct pipeline *p, const struct pipeline_options *opt, struct err *e)
{
    char dir[4096 + 16];
    for (int i = p->config->refiner ? 1 : 0; i < 2; i++) {
        if (!vocabulary_dir(p->checkpoint, opt->tokenizer, i, dir, sizeof dir))
            return err_set(e,
                           "%s: no vocabulary (vocab.json, merges.txt) for text encoder %d; put "
                           "SDXL's tokenizer folder beside the file, or name it with --tokenizer",
                           opt->tokenizer ? opt->tokenizer : checkpoint_path(p->checkpoint), i + 1);
        if (!(p->text.tokenizer[i] = tokenizer_open(dir, e)))
            return -1;
        if (tokenizer_vocab(p->text.tokenizer[i]) > p->config->text[i].vocab)
            return err_set(e, "%s: the vocabulary has %d ids, the text encoder only %d", dir,
                           tokenizer_vocab(p->text.tokenizer[i]), p->config->text[i].vocab);
    }
    return 0;
}

/* A forecast does without, but knows then no more than that a prompt has one chunk. */
static void try_tokenizers(struct pipeline *p, const struct pipeline_options *opt)
{
    struct err ignored;
    if (open_tokenizers(p, opt, &ignored) == 0)
        return;
    for (int i = 0; i < 2; i++) {
        tokenizer_close(p->text.tokenizer[i]);
        p->text.tokenizer[i] = NULL;
    }
}

/* A refiner reads with the model's vocabularies. */
static int share_tokenizers(struct pipeline *p, const struct pipeline *base, struct err *e)
{
    for (int i = p->config->refiner ? 1 : 0; i < 2; i++) {
        struct tokenizer *t = base->text.tokenizer[i] ? base->text.tokenizer[i]
                                                      : base->text.tokenizer[1];
        if (t && tokenizer_vocab(t) > p->config->text[i].vocab)
            return err_set(e, "%s: its text encoder has %d ids, the vocabulary %d" NO_REFINER,
                           checkpoint_path(p->checkpoint), p->config->text[i].vocab,
                           tokenizer_vocab(t));
        p->text.tokenizer[i] = t ? tokenizer_hold(t) : NULL;
    }
    return 0;
}

/* ---- the networks ---- */

/* The sizes that have to agree between networks; each by itself was checked by the config's reader.
 */
static int check_fit(const struct checkpoint *ck, struct err *e)
{
    const struct model_config *m = checkpoint_config(ck);
    int context = m->text[0].hidden + m->text[1].hidden;
    int added = m->text[1].projection + m->size_conditions * m->unet.added_time_dim;
    const char *path = checkpoint_path(ck);
    if (m->unet.context != context)
        return err_set(e, "%s: the UNet reads text states of width %d, but the encoders give %d",
                       path, m->unet.context, context);
    if (m->unet.added_inputs != added)
        return err_set(e, "%s: the UNet reads %d added inputs, but pooled text and sizes give %d",
                       path, m->unet.added_inputs, added);
    int z = m->vae.latent_channels, in = m->unet.in_channels;
    if ((in != z && in != 2 * z + 1) || m->unet.out_channels != z)
        return err_set(e,
                       "%s: the UNet has %d -> %d channels, the VAE's latents %d; such special "
                       "models are not supported",
                       path, in, m->unet.out_channels, z);
    if ((!m->refiner && m->text[0].positions != 77) || m->text[1].positions != 77)
        return err_set(e, "%s: the text encoders take %d and %d tokens; 77 are needed", path,
                       m->text[0].positions, m->text[1].positions);
    if (m->vae.shift_factor != 0)
        return err_set(e, "%s: latents with a shift factor (%g) are not SDXL's", path,
                       (double)m->vae.shift_factor);
    if (m->vae.in_channels != 3 || m->vae.out_channels != 3)
        return err_set(e, "%s: the VAE makes images of %d channels; 3 are needed", path,
                       m->vae.out_channels);
    return 0;
}

bool waiting_goes_on(void *user)
{
    enum { ASK_MS = 50 };
    struct waiting *w = user;
    double now = clock_ms();
    if (!w->hooks || !w->hooks->step || now - w->asked < ASK_MS)
        return true;
    struct gen_progress p = {.stage = w->stage, .step = w->step, .steps = w->steps};
    pipeline_bytes(w->p, &p.bytes_now, &p.bytes_peak);
    w->asked = now;
    w->cancelled = !w->hooks->step(w->hooks->user, &p);
    return !w->cancelled;
}

int pipeline_load(struct pipeline *p, const struct gen_hooks *hooks, struct err *e)
{
    struct waiting waiting = {.p = p, .hooks = hooks, .stage = "load"};
    struct loader l = {.ops = p->ops,
                       .checkpoint = p->checkpoint,
                       .err = e,
                       .packed = waiting_goes_on,
                       .user = &waiting,
                       .slots = &p->slots,
                       .later = p->later,
                       .halves = p->weights != WEIGHTS_FULL && !p->ops->takes_changes,
                       .patch = p->loras ? lora_set_patch : NULL,
                       .patch_user = p->loras};
    const struct model_config *m = p->config;
    struct ops_stats before;
    p->ops->stats(p->ops, &before);
    size_t held = before.weight_bytes; /* a refiner's come on top */
    p->text.first = m->refiner ? 1 : 0;
    if (p->vae_from)
        vae_init(&p->vae, p->vae_config);
    for (int i = m->refiner ? 1 : 0; i < 2; i++) {
        l.part = i ? PART_TEXT2 : PART_TEXT1;
        if (clip_load(&p->text.clip[i], &l, &m->text[i]) < 0)
            goto out;
        pipeline_note_network(p, i ? "text 2" : "text 1", l.part, &held);
    }
    l.part = PART_UNET;
    if (unet_load(&p->unet, &l, &m->unet) < 0)
        goto out;
    pipeline_note_network(p, "unet", l.part, &held);
    if (p->ops->no_weight &&
        !(p->residency = residency_new(&l, p->refines ? p->refines->residency : NULL, e)))
        return -1;
    l.part = PART_VAE;
    l.slots = NULL; /* no LoRA changes it */
    l.later = false;
    l.patch = NULL;
    l.checkpoint = p->vae_from;
    if (p->vae_from && vae_load_decoder(&p->vae, &l) == 0)
        pipeline_note_network(p, "vae decoder", l.part, &held);
out:
    return l.failed ? -1 : p->ops->sync(p->ops, e);
}

int pipeline_need_encoder(struct pipeline *p, const struct gen_params *g, struct err *e)
{
    bool pixels = g->hires_width > 0 && strncmp(upscale_name(g->hires_upscale), "latent", 6) != 0;
    struct loader l = {.ops = p->ops, .checkpoint = p->vae_from, .part = PART_VAE, .err = e};
    if (p->has_encoder || (!g->image && !pixels))
        return 0;
    struct ops_stats before;
    p->ops->stats(p->ops, &before);
    if (vae_load_encoder(&p->vae, &l) < 0 || p->ops->sync(p->ops, e) < 0) {
        vae_drop_encoder(&p->vae, p->ops); /* the next run tries again */
        return -1;
    }
    p->has_encoder = true;
    pipeline_note_network(p, "vae encoder", l.part, &before.weight_bytes);
    return 0;
}

void pipeline_unload(struct pipeline *p)
{
    residency_free(p->residency);
    p->residency = NULL;
    for (int i = 0; i < 2; i++)
        clip_free(&p->text.clip[i], p->ops);
    unet_free(&p->unet, p->ops);
    vae_free(&p->vae, p->ops);
    slots_free(&p->slots);
}

/* The LoRAs that are there from the start, matched against the dry model: so that a wrong one is
 * told before gigabytes are read. */
static int choose_loras(struct pipeline *p, const struct pipeline_options *opt, struct err *e)
{
    if (!(p->loras = lora_set_new(p->checkpoint, p->ops->takes_changes, opt->threads, e)))
        return -1;
    if (opt->lora_count == 0)
        return 0;
    return pipeline_need_shadow(p, e) < 0
               ? -1
               : lora_set_choose(p->loras, &p->shadow->slots, opt->loras, opt->lora_count, e);
}

/* ---- opening ---- */

static int open_vae(struct pipeline *p, const char *path, struct err *e)
{
    p->vae_from = p->checkpoint;
    p->vae_config = &p->config->vae;
    if (!path)
        return 0;
    if (!(p->other_vae = checkpoint_open_vae(path, e)))
        return -1;
    p->vae_from = p->other_vae;
    p->vae_config = &checkpoint_config(p->other_vae)->vae;
    if (p->vae_config->latent_channels != p->config->vae.latent_channels ||
        p->vae_config->levels != p->config->vae.levels)
        return err_set(e,
                       "%s: has %d latent channels and %d levels, the model's VAE %d and %d; leave "
                       "--vae out, or name one that was made for this model",
                       path, p->vae_config->latent_channels, p->vae_config->levels,
                       p->config->vae.latent_channels, p->config->vae.levels);
    return 0;
}

/* The files and sizes of a model; base: what it refines, or NULL. */
static int open_model(struct pipeline *p, const char *model, const struct pipeline_options *opt,
                      const struct pipeline *base, struct err *e)
{
    p->checkpoint = opt->drawn ? checkpoint_open_drawn(model, e) : checkpoint_open(model, NULL, e);
    if (!p->checkpoint)
        return -1;
    p->config = checkpoint_config(p->checkpoint);
    noise_levels_init(&p->levels, &p->config->schedule);
    if (check_fit(p->checkpoint, e) < 0)
        return -1;
    if (!base)
        return open_vae(p, opt->vae, e);
    int z = base->config->vae.latent_channels;
    if (p->config->unet.in_channels != z || p->config->vae_factor != base->config->vae_factor)
        return err_set(
            e,
            "%s: cannot refine this model's latents: %d channels, 1/%d of the picture" NO_REFINER,
            model, z, base->config->vae_factor);
    return 0;
}

static int open_refiner(struct pipeline *p, const struct pipeline_options *opt, struct err *e)
{
    if (!(p->refiner = calloc(1, sizeof *p->refiner)))
        return err_set(e, "out of memory");
    p->refiner->ops = p->ops;
    p->refiner->threads = p->threads;
    p->refiner->refines = p;
    p->refiner->later = p->later;
    p->refiner->weights = p->weights;
    if (open_model(p->refiner, opt->refiner, opt, p, e) < 0 ||
        share_tokenizers(p->refiner, p, e) < 0)
        return -1;
    p->cold += checkpoint_cold(p->refiner->checkpoint);
    return pipeline_load(p->refiner, opt->hooks, e);
}

struct pipeline *pipeline_open_as(const char *model, const struct pipeline_options *opt, bool dry,
                                  struct err *e)
{
    double began = clock_ms();
    struct pipeline *p = calloc(1, sizeof *p);
    if (!p) {
        err_set(e, "out of memory");
        return NULL;
    }
    p->threads = opt->threads;
    p->weights = opt->tuning.weights;
    snprintf(p->device, sizeof p->device, "%s", opt->device ? opt->device : "auto");
    if (open_model(p, model, opt, NULL, e) < 0 || !(p->ops = device_open(opt, dry, e)))
        goto fail;
    if (dry && opt->rates)
        ops_dry_price(p->ops, opt->rates);
    if (dry)
        try_tokenizers(p, opt);
    else if (open_tokenizers(p, opt, e) < 0)
        goto fail;
    if (!dry && choose_loras(p, opt, e) < 0)
        goto fail;
    p->later = !dry && mode_loads_later(p, opt, e);
    p->cold = pipeline_cold(p);
    if (pipeline_load(p, opt->hooks, e) < 0)
        goto fail;
    if (!dry && pipeline_changed(p)) {
        err_set(e, "%s: was changed while it was read; try again when it is complete", model);
        goto fail;
    }
    if (p->loras)
        lora_set_rest(p->loras);
    if (opt->refiner && open_refiner(p, opt, e) < 0)
        goto fail;
    if (dry && opt->rates)
        pipeline_price_load(p, opt->rates);
    p->load_ms = clock_ms() - began;
    return p;
fail:
    pipeline_close(p);
    return NULL;
}

struct pipeline *pipeline_open(const char *model, const struct pipeline_options *opt, struct err *e)
{
    static const struct pipeline_options none;
    if (!opt)
        opt = &none;
    struct pipeline *p = pipeline_open_as(model, opt, false, e);
    if (p) {
        pipeline_note_load(p, opt);
        pipeline_take_rates(p, opt);
    }
    return p;
}

static void release_files(struct pipeline *p)
{
    for (int i = 0; i < 2; i++)
        tokenizer_close(p->text.tokenizer[i]);
    checkpoint_close(p->other_vae);
    checkpoint_close(p->checkpoint);
}

void pipeline_close(struct pipeline *p)
{
    if (!p)
        return;
    pipeline_shadow_free(p->shadow);
    pipeline_drop_control(p); /* whose residency stands before the refiner's */
    if (p->refiner) {         /* its ops are p's */
        pipeline_unload(p->refiner);
        release_files(p->refiner);
        free(p->refiner);
    }
    lora_set_free(p->loras);
    if (p->profile)
        p->profile->close(p->profile);
    wide_free(p->wide);
    if (p->ops) {
        pipeline_unload(p);
        p->ops->close(p->ops);
    }
    release_files(p);
    free(p->rates);
    free(p);
}

bool pipeline_changed(const struct pipeline *p)
{
    return checkpoint_changed(p->checkpoint) ||
           (p->other_vae && checkpoint_changed(p->other_vae)) ||
           (p->refiner && checkpoint_changed(p->refiner->checkpoint));
}

const struct model_config *pipeline_config(const struct pipeline *p)
{
    return p->config;
}

const char *pipeline_device(const struct pipeline *p)
{
    return p->ops->name;
}

const char *pipeline_precision(const struct pipeline *p)
{
    return precision_name(p->ops->act);
}

struct tokenizer *pipeline_tokenizer(const struct pipeline *p, int encoder)
{
    return p->text.tokenizer[p->config->refiner ? 1 : encoder];
}

void pipeline_memory(const struct pipeline *p, size_t *weights, size_t *activations)
{
    struct ops_stats s;
    p->ops->stats(p->ops, &s);
    *weights = s.weight_bytes;
    *activations = s.arena_peak;
}
