/* Settings to a job; see job.h. Layers, uppermost first: flags, preset, config files, the model's
 * spritty.json, what is below. */
#include "engine/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/meminfo.h"
#include "base/paths.h"
#include "pull/pull.h"
#include "sdxl/checkpoint.h"

/* When neither user nor model says anything. The size comes from the model's configuration. */
static const char *const fallback[][2] = {
    {"steps", "20"},
    {"max-steps", "0"},
    {"cfg", "7"},
    {"batch", "1"},
    {"sampler", "euler"},
    {"scheduler", "normal"},
    {"device", "auto"},
    {"policy", "least_busy"},
    {"precision", "auto"},
    {"memory", "auto"},
    {"threads", "0"},
    {"attention", "auto"},
    {"vae-slicing", "auto"},
    {"vae-tiling", "auto"},
    {"vae-tile", "0"},
    {"offload", "auto"},
    {"stream", "auto"},
    {"memory-limit", ""},
    {"fold", "auto"},
    {"hoist", "auto"},
    {"graph", "auto"},
    {"autotune", "measure"},
    {"tf32", "off"},
    {"weights", "auto"},
    {"nhwc", "auto"},
    {"winograd", "auto"},
    {"compat", "comfyui"},
    {"rng", "auto"},
    {"denoise", "0.75"},
    {"fit", "crop"},
    {"backdrop", "auto"},
    {"mask-blur", "0"},
    {"mask-grow", "0"},
    {"mask-content", "original"},
    {"hires", "1"},
    {"hires-upscale", "latent_bilinear"},
    {"hires-denoise", "0.6"},
    {"hires-steps", "0"},
    {"tiling", "off"},
    {"control-type", "auto"},
    {"control-prepare", "none"},
    {"control-low", "100"},
    {"control-high", "200"},
    {"control-strength", "1"},
    {"control-start", "0"},
    {"control-end", "1"},
    {"refiner-switch", "0.8"},
    {"aesthetic", "6"},
    {"negative-aesthetic", "2.5"},
    {"cfg-rescale", "0"},
    {"cfg-start", "0"},
    {"cfg-end", "1"},
    {"empty-negative", "auto"},
    {"clip-skip", "0"},
    {"dynamic", "yes"},
    {"styles", ""},
};

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static bool model_in(enum home place, const char *name, char path[PATH_MAX])
{
    char relative[300];
    for (int single = 0; single < 2; single++) {
        snprintf(relative, sizeof relative, "models/%s%s", name, single ? ".safetensors" : "");
        if (place_path(place, relative, path) && exists(path))
            return true;
    }
    return false;
}

int find_model(const char *name, char path[PATH_MAX], struct err *e)
{
    size_t n = strlen(name);
    bool is_name = n > 0 && n < 200 && !strchr(name, '/') && name[0] != '.';
    if (is_name && (model_in(PLACE_DATA, name, path) || model_in(PLACE_SHARE, name, path)))
        return 0;
    if (n < PATH_MAX && n > 0 && exists(name)) {
        strcpy(path, name);
        return 0;
    }
    int here = is_name ? pull_here(name, path) : -1; /* by the name that it was pulled with */
    if (here >= 0)
        return here ? 0
                    : err_set(e, "the model '%s' is not here yet; 'spritty pull %s' downloads it",
                              name, name);
    if (is_name)
        return err_set(e,
                       "there is no model '%s': neither a file of that name here nor a model in "
                       "~/.local/share/spritty/models; -m takes the name of one that is there, or "
                       "a path",
                       name);
    return err_set(e,
                   "there is no model at '%.200s'; -m takes a diffusers folder or a .safetensors "
                   "file",
                   name);
}

/* The last part of the path, without its ending. */
static void name_model(const char *path, char *name, size_t size)
{
    char full[PATH_MAX];
    snprintf(full, sizeof full, "%s", path);
    for (size_t n = strlen(full); n > 1 && full[n - 1] == '/'; n--)
        full[n - 1] = '\0';
    char *slash = strrchr(full, '/'), *start = slash ? slash + 1 : full;
    char *end = strstr(start, ".safetensors");
    if (end)
        *end = '\0';
    snprintf(name, size, "%.200s", start);
}

/* ---- the model's own recommendations: the "default" object of its spritty.json ---- */

/* Sets one of them, by the text that a config file would have. */
static int set_default(struct settings *s, struct json object, struct json v, struct err *e)
{
    char text[40];
    double x;
    int side[2];
    switch (json_kind(v)) {
    case JSON_STRING: /* a negative prompt may be long */
        return settings_set(s, json_key(v), json_as_string(v), e);
    case JSON_ARRAY:
        if (json_count(v) != 2 || json_ints(object, json_key(v), 1, 65536, side, 2, e) != 2)
            return err_set(e, "not two whole numbers");
        snprintf(text, sizeof text, "%dx%d", side[0], side[1]);
        break;
    case JSON_NUMBER:
        if (json_double(object, json_key(v), -1e9, 1e9, &x, e))
            return -1;
        snprintf(text, sizeof text, "%.10g", x);
        break;
    default:
        return err_set(e, "neither text nor a number");
    }
    return settings_set(s, json_key(v), text, e);
}

/* Pixel art says how many pixels of the image are one of the sprite: it is finished by itself. */
static int model_cell(struct json root, struct settings *own, int *cell, struct err *e)
{
    char text[16];
    if (json_int_or(root, "cell", 0, 0, 64, cell, e))
        return -1;
    snprintf(text, sizeof text, "%d", *cell);
    return *cell > 0 ? settings_set(own, "cell", text, e) : 0;
}

/* What its pictures have behind the sprite: three numbers; white where it does not say. */
static int model_background(struct json root, uint8_t rgb[3], struct err *e)
{
    int v[3];
    if (json_kind(json_get(root, "background")) != JSON_ARRAY)
        return 0;
    if (json_ints(root, "background", 0, 255, v, 3, e) != 3)
        return -1;
    for (int i = 0; i < 3; i++)
        rgb[i] = (uint8_t)v[i];
    return 0;
}

/* The members of anything else have no names. */
static int expect_object(struct json v, struct err *e)
{
    if (!json_is_set(v) || json_kind(v) == JSON_OBJECT)
        return 0;
    return err_set(e, "has to be an object of settings, {\"steps\": 20}");
}

enum { PRINTED = 4096 }; /* bytes of a value that are compared */

/* What the model has instead of a preset's values ("presets" of its spritty.json): words for models
 * that draw anything are none for one that draws pixel art alone. Flags still win. */
static int model_preset(struct job *j, struct json root, const struct settings *flags,
                        const char *preset, struct settings *s, struct err *e)
{
    char was[PRINTED], now[PRINTED];
    struct json object = json_get(json_get(root, "presets"), preset ? preset : "");
    if (expect_object(object, e))
        return -1;
    for (struct json v = json_first(object); v.node; v = json_next(v)) {
        const char *key = json_key(v);
        if (settings_key_index(key) < 0)
            return err_set(e, "there is no setting %.60s", key);
        if (settings_has(flags, key))
            continue;
        settings_print(s, key, was, sizeof was);
        if (set_default(s, object, v, e))
            return -1;
        settings_print(s, key, now, sizeof now);
        size_t at = strlen(j->instead);
        if (strcmp(was, now) != 0)
            snprintf(j->instead + at, sizeof j->instead - at, "%s%s", at ? " and " : "", key);
    }
    return 0;
}

static int model_defaults(struct job *j, const struct settings *flags, const char *preset,
                          struct settings *s, struct err *e)
{
    char path[PATH_MAX];
    struct settings own = {0};
    memset(j->inputs.background, 255, sizeof j->inputs.background);
    int n = snprintf(path, sizeof path, "%s/spritty.json", j->model);
    if (n < 0 || n >= PATH_MAX || !exists(path))
        return 0;
    struct json_doc *doc = json_load(path, 1 << 20, e);
    if (!doc)
        return -1;
    int rc = model_cell(json_root(doc), &own, &j->cell, e);
    if (!rc)
        rc = model_background(json_root(doc), j->inputs.background, e);
    struct json object = json_get(json_root(doc), "default");
    if (!rc && (rc = expect_object(object, e)))
        err_prefix(e, "%s: default", path);
    for (struct json v = json_first(object); v.node && !rc; v = json_next(v)) {
        rc = set_default(&own, object, v, e);
        if (rc)
            err_prefix(e, "%s: default.%s", path, json_key(v));
    }
    if (!rc && (rc = model_preset(j, json_root(doc), flags, preset, s, e)))
        err_prefix(e, "%s: presets.%s", path, preset ? preset : "\"\"");
    j->subjects = subjects_read(json_root(doc));
    json_free(doc);
    if (!rc)
        rc = settings_fill(s, &own, e);
    settings_free(&own);
    return rc;
}

/* ---- layers ---- */

static int user_layers(struct settings *s, const struct config *config,
                       const struct settings *flags, const char *preset, struct err *e)
{
    int rc = settings_fill(s, flags, e);
    if (!rc && preset && *preset)
        rc = config_preset(config, preset, s, e);
    if (!rc)
        rc = settings_fill(s, &config->defaults, e);
    if (!rc && !settings_has(s, "model"))
        rc = settings_set(s, "model", "tiny", e);
    return rc;
}

static int lowest_layer(struct settings *s, const char *model, struct err *e)
{
    char text[32];
    for (size_t i = 0; i < sizeof fallback / sizeof *fallback; i++)
        if (!settings_has(s, fallback[i][0]) && settings_set(s, fallback[i][0], fallback[i][1], e))
            return -1;
    if (settings_has(s, "size"))
        return 0;
    struct checkpoint *c = checkpoint_open(model, NULL, e);
    if (!c)
        return -1;
    snprintf(text, sizeof text, "%d", checkpoint_config(c)->default_size);
    checkpoint_close(c);
    return settings_set(s, "size", text, e);
}

/* ---- the job ---- */

/* Textual inversions: the user's, and those beside the model. */
static void place_embeddings(struct job *j)
{
    char *beside = j->embeddings[1];
    if (!place_path(PLACE_DATA, "embeddings", j->embeddings[0]))
        j->embeddings[0][0] = '\0';
    bool folder = !strstr(j->model, ".safetensors");
    const char *slash = folder ? NULL : strrchr(j->model, '/');
    int length = folder ? (int)strlen(j->model) : slash ? (int)(slash - j->model) : 0;
    int n = snprintf(beside, PATH_MAX, "%.*s%sembeddings", length, j->model, length ? "/" : "");
    if (n < 0 || n >= PATH_MAX)
        beside[0] = '\0';
}

static int need_seed(struct job *j, struct err *e)
{
    struct settings *s = &j->settings;
    j->drawn_seed = !settings_has(s, "seed") || s->random_seed;
    return j->drawn_seed ? settings_draw_seed(s, e) : 0;
}

static struct tuning tuning_of(const struct settings *s)
{
    struct tuning t = {
        .memory = memory_by_name(s->memory),
        .attention = attention_by_name(s->attention),
        .autotune = autotune_by_name(s->autotune),
        .tf32 = !strcmp(s->tf32, "on"),
        .weights = weights_by_name(s->weights),
        .nhwc = switch_by_name(s->nhwc),
        .winograd = switch_by_name(s->winograd),
        .fold = switch_by_name(s->fold),
        .hoist = switch_by_name(s->hoist),
        .graph = switch_by_name(s->graph),
        .vae_slicing = switch_by_name(s->vae_slicing),
        .vae_tiling = switch_by_name(s->vae_tiling),
        .vae_tile = s->vae_tile,
        .offload = switch_by_name(s->offload),
        .stream = switch_by_name(s->stream),
    };
    struct err checked; /* when it was set */
    memory_limit_read(s->memory_limit, &t.limit, &t.limit_percent, &checked);
    return t;
}

static void point(struct job *j)
{
    const struct settings *s = &j->settings;
    j->params = (struct gen_params){
        .prompt = j->prompts.text[0],
        .negative = j->prompts.negative[0],
        .prompts = (const char *const *)j->prompts.text,
        .negatives = (const char *const *)j->prompts.negative,
        .empty_negative = empty_negative_by_name(s->empty_negative),
        .clip_skip = s->clip_skip,
        .embeddings = {j->embeddings[0], j->embeddings[1]},
        .seed = s->seed,
        .steps = s->steps,
        .cfg = (float)s->cfg,
        .width = s->width,
        .height = s->height,
        .batch = s->batch,
        .sampler = sampler_by_name(s->sampler),
        .scheduler = schedule_by_name(s->scheduler),
        .sigmas = s->sigmas,
        .compat = compat_by_name(s->compat),
        .rng = rng_by_name(s->rng),
        .loras = j->loras->use,
        .lora_count = j->loras->count,
    };
    j->options = (struct pipeline_options){
        .device = s->device,
        .precision = s->precision,
        .tokenizer = *j->tokenizer ? j->tokenizer : NULL,
        .threads = s->threads,
        .loras = j->loras->use,
        .lora_count = j->loras->count,
    };
    j->params.tuning = j->options.tuning = tuning_of(s);
    inputs_point(&j->inputs, s, &j->params, &j->options);
}

static bool has(const char *folder, const char *name)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    return n > 0 && n < PATH_MAX && exists(path);
}

/* What is said, else what was pulled, but for models that bring none alone: others have a
 * vocabulary of their own, which means other ids. A pull that was cut leaves a folder with nothing
 * in it. */
static void find_tokenizer(struct job *j)
{
    const struct settings *s = &j->settings;
    bool said = settings_has(s, "tokenizer") && *s->tokenizer;
    bool own = has(j->model, "tokenizer") || has(j->model, "tokenizer_2");
    if (said)
        snprintf(j->tokenizer, sizeof j->tokenizer, "%s", s->tokenizer);
    else if (own || !place_path(PLACE_DATA, "tokenizer", j->tokenizer) ||
             !(has(j->tokenizer, "vocab.json") || has(j->tokenizer, "tokenizer/vocab.json")))
        j->tokenizer[0] = '\0';
}

static int settle(struct job *j, const struct config *config, const struct settings *flags,
                  const char *preset, struct err *e)
{
    struct settings *s = &j->settings;
    int size[2];
    if (user_layers(s, config, flags, preset, e) || find_model(s->model, j->model, e))
        return -1;
    bool own_size = settings_has(s, "size");
    if (model_defaults(j, flags, preset, s, e) || lowest_layer(s, j->model, e))
        return -1;
    if (s->max_steps > 0 && s->steps > s->max_steps) {
        j->steps_asked = s->steps;
        s->steps = s->max_steps;
    }
    if (s->max_steps > 0 && s->hires_steps > s->max_steps)
        s->hires_steps = s->max_steps;
    if (!own_size && inputs_size(s, s->width, s->height, size))
        s->width = size[0], s->height = size[1];
    name_model(j->model, j->model_name, sizeof j->model_name);
    find_tokenizer(j);
    return 0;
}

int job_settle(struct job *j, const struct settings *flags, const char *preset, struct err *e)
{
    struct config config = {0};
    memset(j, 0, sizeof *j);
    int rc = config_load(&config, e) ? -1 : settle(j, &config, flags, preset, e);
    config_free(&config);
    return rc;
}

int job_prepare(struct job *j, const struct settings *flags, const char *preset, const char *prompt,
                struct err *e)
{
    struct config config = {0};
    memset(j, 0, sizeof *j);
    int rc = config_load(&config, e) ? -1 : job_prepare_with(j, &config, flags, preset, prompt, e);
    config_free(&config);
    return rc;
}

static void note_colours(struct job *j)
{
    for (int i = 0; i < j->prompts.count; i++) {
        const struct other_colour *c = subjects_other_colours;
        while ((c = subjects_other_colour(j->subjects, j->prompts.text[i], c))) {
            notes_add(&j->prompts.notes, "the model %.60s knows no colour '%s': try %s",
                      j->model_name, c->word, c->near);
            c++;
        }
    }
}

/* A LoRA may have taught the model more, and of a picture not all needs to be said. */
static void note_subjects(struct job *j)
{
    char kinds[240];
    if (!j->subjects || j->loras->count > 0 || j->inputs.image)
        return;
    note_colours(j);
    for (int i = 0; i < j->prompts.count; i++)
        if (!subjects_missed(j->subjects, j->prompts.text[i]))
            return;
    subjects_join(&j->subjects->kinds, SUBJECTS_MAX, kinds, sizeof kinds);
    notes_add(&j->prompts.notes, "the prompt names nothing that the model %.60s draws: %s",
              j->model_name, kinds);
}

int job_prepare_with(struct job *j, const struct config *config, const struct settings *flags,
                     const char *preset, const char *prompt, struct err *e)
{
    struct settings *s = &j->settings;
    memset(j, 0, sizeof *j);
    if (settle(j, config, flags, preset, e) || finishing_prepare(&j->finishing, s, j->cell, e) ||
        need_seed(j, e) || inputs_prepare(&j->inputs, s, e))
        return -1;
    finishing_keep(&j->finishing,
                   &(struct keep){s->width, s->height, j->inputs.mask, j->inputs.alpha});
    if (job_prompts_make(&j->prompts, s, prompt, e) < 0)
        return -1;
    j->prompt = j->prompts.prompt[0];
    if (j->steps_asked > 0)
        notes_add(&j->prompts.notes, "%d steps were asked for; these are %d, as max-steps has it",
                  j->steps_asked, s->steps);
    if (*j->instead)
        notes_add(&j->prompts.notes, "preset %s: the model %s has its own %s", preset,
                  j->model_name, j->instead);
    place_embeddings(j);
    j->loras = job_loras_find(settings_text(s, "lora"), j->prompts.prompt, j->prompts.count,
                              j->model, e);
    if (!j->loras)
        return -1;
    note_subjects(j);
    free(j->subjects); /* thousands of jobs may wait */
    j->subjects = NULL;
    point(j);
    return 0;
}

void job_set_memory(struct job *j, int mode)
{
    const struct gen_params was = j->params;
    const struct pipeline_options had = j->options;
    settings_set(&j->settings, "memory", memory_name(mode), NULL);
    point(j);
    j->params.profile = was.profile; /* which are not settings' */
    j->params.first = was.first;
    j->params.count = was.count;
    j->options.device = had.device;
    j->options.threads = had.threads;
    j->options.hooks = had.hooks;
}

bool job_opens_model(const char *key)
{
    static const char *const keys[] = {"model",    "tokenizer", "vae",  "refiner", "precision",
                                       "autotune", "tf32",      "nhwc", "weights"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!strcmp(key, keys[i]))
            return true;
    return false;
}

char *job_model_key(const struct job *j, const char *device, int threads)
{
    const struct pipeline_options *o = &j->options;
    const struct tuning *t = &o->tuning;
    char *key = NULL;
    int n = asprintf(&key, "%s\n%s\n%d\n%s\n%s\n%s\n%s\n%d %d %d %d", j->model, device, threads,
                     o->precision, o->tokenizer ? o->tokenizer : "", o->vae ? o->vae : "",
                     o->refiner ? o->refiner : "", t->autotune, t->tf32, t->nhwc, t->weights);
    return n < 0 ? NULL : key;
}

void job_free(struct job *j)
{
    settings_free(&j->settings);
    inputs_free(&j->inputs);
    job_prompts_free(&j->prompts);
    free(j->loras);
    free(j->subjects);
    memset(j, 0, sizeof *j);
}
