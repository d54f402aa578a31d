/* A diffusers folder's JSON files, one after the other, and what must hold between them. */
#include <stdlib.h>
#include <string.h>

#include "base/mapfile.h"
#include "sdxl/config.h"

enum { CONFIG_BYTES_MAX = 1 << 20, VOCAB_BYTES_MAX = 32 << 20, DEFAULT_PIXELS = 1024 };

int config_parse_index(struct json root, struct model_config *c, struct err *e)
{
    const char *pipeline;
    if (json_string(root, "_class_name", &pipeline, e) != 0)
        return -1;
    if (strstr(pipeline, "StableDiffusionXL") == NULL)
        return err_set(e, "%s: is a %s; spritty runs StableDiffusionXLPipeline models",
                       json_name(root), pipeline);
    struct json text = json_get(root, "text_encoder");
    c->refiner = json_kind(text) == JSON_ARRAY && !json_is_set(json_first(text));
    return json_bool_or(root, "force_zeros_for_empty_prompt", true, &c->zeros_for_empty_prompt, e);
}

/* -- between the parts -- */

static int check_latents(const struct model_config *c, const char *where, struct err *e)
{
    int latents = c->vae.latent_channels, in = c->unet.in_channels;
    bool inpaints = in == 2 * latents + 1;
    if ((in != latents && !inpaints) || c->unet.out_channels != latents)
        return err_set(e,
                       "%s: the UNet has %d input and %d output channels, the VAE %d latent ones",
                       where, in, c->unet.out_channels, latents);
    return 0;
}

int config_check(struct model_config *c, const char *where, struct err *e)
{
    const struct unet_config *u = &c->unet;
    if (check_latents(c, where, e) != 0)
        return -1;
    int text = c->text[0].hidden + c->text[1].hidden;
    if (u->context != text)
        return err_set(e, "%s: the UNet expects text states of %d, the encoders give %d + %d",
                       where, u->context, c->text[0].hidden, c->text[1].hidden);
    if (!c->refiner && c->text[0].positions != c->text[1].positions)
        return err_set(e, "%s: the text encoders take %d and %d tokens; they must be the same",
                       where, c->text[0].positions, c->text[1].positions);
    int sizes = c->refiner ? 5 : 6, added = c->text[1].projection + sizes * u->added_time_dim;
    if (u->added_inputs != added)
        return err_set(e,
                       "%s: the added embedding has %d inputs; the pooled text of %d and %d sizes "
                       "of %d make %d",
                       where, u->added_inputs, c->text[1].projection, sizes, u->added_time_dim,
                       added);
    if (u->channels[0] % 2 != 0 || u->added_time_dim % 2 != 0)
        return err_set(e, "%s: the time embedding needs an even width", where);
    c->size_conditions = sizes;
    c->vae_factor = 1 << (c->vae.levels - 1);
    if (c->default_size == 0)
        c->default_size = DEFAULT_PIXELS;
    return 0;
}

/* -- files -- */

static struct json_doc *load_in(const char *dir, const char *part, const char *file, size_t max,
                                struct err *e)
{
    struct path folder, path;
    if (path_join(&folder, dir, part, e) != 0 || path_join(&path, folder.text, file, e) != 0)
        return NULL;
    return json_load(path.text, max, e);
}

/* A file that may be missing: then *doc is NULL. */
static int load_optional(const char *dir, const char *part, const char *file, struct json_doc **doc,
                         struct err *e)
{
    struct path folder, path;
    *doc = NULL;
    if (path_join(&folder, dir, part, e) != 0 || path_join(&path, folder.text, file, e) != 0)
        return -1;
    if (!file_exists(path.text))
        return 0;
    *doc = json_load(path.text, CONFIG_BYTES_MAX, e);
    return *doc ? 0 : -1;
}

static struct json root_or_missing(const struct json_doc *doc)
{
    return doc ? json_root(doc) : (struct json){0};
}

/* 1: read, 0: the folder has no vocab.json, -1: broken. */
static int read_tokens(const char *dir, const char *part, int encoder, struct token_ids *ids,
                       struct err *e)
{
    struct json_doc *vocab = NULL, *special = NULL, *tokenizer = NULL;
    struct path folder, path;
    int rc = -1;
    if (path_join(&folder, dir, part, e) != 0 ||
        path_join(&path, folder.text, "vocab.json", e) != 0)
        return -1;
    if (!file_exists(path.text))
        return 0;
    if (load_optional(dir, part, "special_tokens_map.json", &special, e) == 0 &&
        load_optional(dir, part, "tokenizer_config.json", &tokenizer, e) == 0 &&
        (vocab = json_load(path.text, VOCAB_BYTES_MAX, e)) != NULL &&
        config_parse_tokens(json_root(vocab), root_or_missing(special), root_or_missing(tokenizer),
                            encoder, ids, e) == 0)
        rc = 1;
    json_free(vocab);
    json_free(special);
    json_free(tokenizer);
    return rc;
}

static int read_clip(const char *dir, int encoder, struct clip_config *c, struct err *e)
{
    static const char *const part[2] = {"text_encoder", "text_encoder_2"};
    static const char *const tokenizer[2] = {"tokenizer", "tokenizer_2"};
    struct token_ids ids;
    int have = read_tokens(dir, tokenizer[encoder], encoder, &ids, e);
    struct json_doc *doc = have < 0
                               ? NULL
                               : load_in(dir, part[encoder], "config.json", CONFIG_BYTES_MAX, e);
    int rc = doc ? config_parse_clip(json_root(doc), encoder, have ? &ids : NULL, c, e) : -1;
    json_free(doc);
    return rc;
}

/* A part's config.json: a ControlNet is a part of no model. */
static int is_part(const char *dir, const char *config, struct err *e)
{
    struct control_config control;
    struct json_doc *doc = json_load(config, CONFIG_BYTES_MAX, e);
    const char *class = doc ? json_as_string(json_get(json_root(doc), "_class_name")) : NULL;
    if (!class || !strstr(class, "ControlNet"))
        err_set(e, "%s: is one part of a model; give the folder above it, with model_index.json",
                dir);
    else if (config_parse_control(json_root(doc), &control, e) == 0)
        err_set(e, "%s: is a ControlNet, not a model; give it with --control, beside a model", dir);
    json_free(doc);
    return -1;
}

/* What else people give: what the hub's own tools keep, and a part of a model. */
static int no_index(const char *dir, struct err *e)
{
    struct path path;
    if (path_join(&path, dir, "snapshots", e) == 0 && folder_exists(path.text))
        return err_set(e,
                       "%s: is a folder of the hub's cache; give one of the folders in its folder "
                       "snapshots",
                       dir);
    if (path_join(&path, dir, "config.json", e) == 0 && file_exists(path.text))
        return is_part(dir, path.text, e);
    return err_set(e, "%s: has no model_index.json; give a diffusers folder or a .safetensors file",
                   dir);
}

static int read_index(const char *dir, struct model_config *c, struct err *e)
{
    struct path path;
    if (path_join(&path, dir, "model_index.json", e) != 0)
        return -1;
    if (!file_exists(path.text))
        return no_index(dir, e);
    struct json_doc *doc = json_load(path.text, CONFIG_BYTES_MAX, e);
    int rc = doc ? config_parse_index(json_root(doc), c, e) : -1;
    json_free(doc);
    return rc;
}

static int read_networks(const char *dir, struct model_config *c, int *sample_size, struct err *e)
{
    struct json_doc *unet = load_in(dir, "unet", "config.json", CONFIG_BYTES_MAX, e);
    int rc = unet ? config_parse_unet(json_root(unet), &c->unet, sample_size, e) : -1;
    json_free(unet);
    if (rc != 0)
        return -1;
    struct json_doc *vae = load_in(dir, "vae", "config.json", CONFIG_BYTES_MAX, e);
    rc = vae ? config_parse_vae(json_root(vae), &c->vae, e) : -1;
    json_free(vae);
    return rc;
}

static int read_schedule(const char *dir, struct schedule_config *c, struct err *e)
{
    struct json_doc *doc = load_in(dir, "scheduler", "scheduler_config.json", CONFIG_BYTES_MAX, e);
    int rc = doc ? config_parse_schedule(json_root(doc), c, e) : -1;
    json_free(doc);
    return rc;
}

static int read_preview(const char *dir, struct model_config *c, struct err *e)
{
    struct json_doc *doc;
    if (load_optional(dir, "", "spritty.json", &doc, e) != 0)
        return -1;
    int rc = doc ? config_parse_preview(json_root(doc), c, e) : 0;
    json_free(doc);
    return rc;
}

int config_read_folder(const char *dir, struct model_config *c, struct err *e)
{
    *c = (struct model_config){0};
    int sample_size = 0;
    if (read_index(dir, c, e) != 0 || read_networks(dir, c, &sample_size, e) != 0 ||
        (!c->refiner && read_clip(dir, 0, &c->text[0], e) != 0) ||
        read_clip(dir, 1, &c->text[1], e) != 0 || read_schedule(dir, &c->schedule, e) != 0 ||
        read_preview(dir, c, e) != 0)
        return -1;
    c->default_size = sample_size << (c->vae.levels - 1);
    return config_check(c, dir, e);
}

int config_read_vae_folder(const char *dir, struct model_config *c, struct err *e)
{
    *c = (struct model_config){0};
    struct json_doc *doc = load_in(dir, "", "config.json", CONFIG_BYTES_MAX, e);
    int rc = doc ? config_parse_vae(json_root(doc), &c->vae, e) : -1;
    json_free(doc);
    return rc;
}

int config_read_control_folder(const char *dir, struct model_config *c, struct err *e)
{
    *c = (struct model_config){0};
    struct json_doc *doc = load_in(dir, "", "config.json", CONFIG_BYTES_MAX, e);
    int rc = doc ? config_parse_control(json_root(doc), &c->control, e) : -1;
    json_free(doc);
    return rc;
}
