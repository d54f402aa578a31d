/* Opening: which files a path leads to, and what their configs or tensors say they are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sdxl/checkpoint_priv.h"
#include "sdxl/config.h"
#include "sdxl/infer.h"
#include "sdxl/weights_kind.h"

static int refuse_pickle(const char *path, struct err *e)
{
    static const char *const pickled[] = {".ckpt", ".pt", ".pth", ".bin", ".pkl"};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof pickled / sizeof *pickled; i++)
        if (strcasecmp(dot, pickled[i]) == 0)
            return err_set(e,
                           "%s: %s files are pickles, which can run code when they are opened; "
                           "convert it to .safetensors first",
                           path, pickled[i]);
    return 0;
}

struct checkpoint *checkpoint_new(const char *path, struct err *e)
{
    struct checkpoint *c = calloc(1, sizeof *c);
    if (c && (c->path = strdup(path)) && (c->copies = calloc(1, sizeof *c->copies)))
        return c;
    err_set(e, "%s: no memory to open it", path);
    checkpoint_close(c);
    return NULL;
}

/* The checkpoint, or NULL if it could not be opened. */
static struct checkpoint *opened(struct checkpoint *c, int rc)
{
    if (rc == 0)
        return c;
    checkpoint_close(c);
    return NULL;
}

static int find_tokenizer(struct path *out, const char *dir, const char *name, struct err *e)
{
    struct path vocab, merges;
    if (path_join(out, dir, name, e) != 0 || path_join(&vocab, out->text, "vocab.json", e) != 0 ||
        path_join(&merges, out->text, "merges.txt", e) != 0)
        return -1;
    if (!file_exists(vocab.text) || !file_exists(merges.text))
        out->text[0] = '\0';
    return 0;
}

static int open_folder(struct checkpoint *c, const char *variant, struct err *e)
{
    static const struct {
        const char *folder, *stem;
    } part[] = {
        [PART_TEXT1] = {"text_encoder", "model"},
        [PART_TEXT2] = {"text_encoder_2", "model"},
        [PART_UNET] = {"unet", "diffusion_pytorch_model"},
        [PART_VAE] = {"vae", "diffusion_pytorch_model"},
    };
    if (config_read_folder(c->path, &c->config, e) != 0 ||
        find_tokenizer(&c->tokenizer[0], c->path, "tokenizer", e) != 0 ||
        find_tokenizer(&c->tokenizer[1], c->path, "tokenizer_2", e) != 0)
        return -1;
    for (int i = c->config.refiner ? PART_TEXT2 : 0; i <= PART_VAE; i++) {
        struct path dir;
        if (path_join(&dir, c->path, part[i].folder, e) != 0 ||
            weight_files_open_folder(&c->files[i], dir.text, part[i].stem, variant, e) != 0)
            return -1;
    }
    return 0;
}

static int open_single(struct checkpoint *c, struct err *e)
{
    c->single = true;
    if (refuse_pickle(c->path, e) != 0 || weight_files_open(&c->files[0], c->path, e) != 0)
        return -1;
    return infer_config(c->files[0].file[0], &c->config, e);
}

struct checkpoint *checkpoint_open(const char *path, const char *variant, struct err *e)
{
    struct checkpoint *c = checkpoint_new(path, e);
    bool folder = c && folder_exists(path);
    return opened(c, !c ? -1 : folder ? open_folder(c, variant, e) : open_single(c, e));
}

/* -- one part -- */

/* A VAE's folder, or that of a model which has one. */
static int open_vae_folder(struct checkpoint *c, struct err *e)
{
    struct path config, own;
    if (path_join(&config, c->path, "config.json", e) != 0 ||
        path_join(&own, c->path, "vae", e) != 0)
        return -1;
    const char *dir = !file_exists(config.text) && folder_exists(own.text) ? own.text : c->path;
    return config_read_vae_folder(dir, &c->config, e) != 0
               ? -1
               : weight_files_open_folder(&c->files[PART_VAE], dir, "diffusion_pytorch_model", NULL,
                                          e);
}

/* What else the file is, as an error. */
static int no_vae(const struct checkpoint *c, enum weights_kind kind, struct err *e)
{
    if (weight_files_find(&c->files[0], "1.conv.0.weight") ||
        weight_files_find(&c->files[0], "3.conv.0.weight"))
        return err_set(e,
                       "%s: is half of a tiny VAE, as ComfyUI keeps it in vae_approx; use the one "
                       "file that holds both: spritty pull taesdxl",
                       c->path);
    if (kind == WEIGHTS_OTHER)
        return err_set(e, "%s: is no VAE: it has no decoder", c->path);
    return err_set(e, "%s: is a %s, not a VAE", c->path, weights_kind_name(kind));
}

/* The folder of a file, and whether a config.json lies beside it. */
static int config_beside(const char *file, struct path *dir, bool *there, struct err *e)
{
    const char *slash = strrchr(file, '/');
    struct path config;
    snprintf(dir->text, sizeof dir->text, "%.*s", slash ? (int)(slash - file) : 1,
             slash ? file : ".");
    if (path_join(&config, dir->text, "config.json", e) != 0)
        return -1;
    *there = file_exists(config.text);
    return 0;
}

/* The sizes of a file with diffusers' names: from the config.json beside it, else from its tensors,
 * with what SDXL's VAE has where those do not say. */
static int read_vae_sizes(struct checkpoint *c, bool tiny, struct err *e)
{
    const struct safetensors *st = c->files[PART_VAE].file[0];
    struct path dir;
    bool beside;
    if (tiny)
        return infer_tiny_vae(st, &c->config, e);
    if (config_beside(c->path, &dir, &beside, e) != 0)
        return -1;
    return beside ? config_read_vae_folder(dir.text, &c->config, e)
                  : infer_vae_config(st, true, &c->config, e);
}

/* A folder with config.json, a file of such a folder, a single VAE or a whole model's folder or
 * file. */
static int open_vae(struct checkpoint *c, struct err *e)
{
    struct weight_files *w = &c->files[0];
    if (folder_exists(c->path))
        return open_vae_folder(c, e);
    c->single = true;
    if (refuse_pickle(c->path, e) != 0 || weight_files_open(w, c->path, e) != 0)
        return -1;
    enum weights_kind kind = weights_summary(w->file[0]).kind;
    bool tiny = kind == WEIGHTS_TINY_VAE;
    if (!tiny && kind != WEIGHTS_VAE && kind != WEIGHTS_CHECKPOINT)
        return no_vae(c, kind, e);
    if (!tiny && !weight_files_find(w, "decoder.up_blocks.0.resnets.0.conv1.weight")) {
        c->bare = weight_files_find(w, "decoder.conv_in.weight") != NULL;
        c->bare_part = PART_VAE;
        return infer_vae_config(w->file[0], c->bare, &c->config, e);
    }
    c->single = false;
    c->files[PART_VAE] = *w;
    *w = (struct weight_files){0};
    return read_vae_sizes(c, tiny, e);
}

struct checkpoint *checkpoint_open_vae(const char *path, struct err *e)
{
    struct checkpoint *c = checkpoint_new(path, e);
    return opened(c, c ? open_vae(c, e) : -1);
}

static int open_control_folder(struct checkpoint *c, struct err *e)
{
    enum control_names names;
    struct weight_files *w = &c->files[PART_CONTROL];
    if (config_read_control_folder(c->path, &c->config, e) != 0 ||
        weight_files_open_folder(w, c->path, "diffusion_pytorch_model", NULL, e) != 0)
        return -1;
    if (w->files > 1)
        return 0;
    return infer_control_names(w->file[0], &names, e) != 0
               ? -1
               : infer_control_union(w->file[0], &c->config, e);
}

/* A folder with config.json, a file of such a folder, a file alone with either names. */
static int open_control(struct checkpoint *c, struct err *e)
{
    struct weight_files *w = &c->files[PART_CONTROL];
    enum control_names names;
    struct path dir;
    bool beside;
    if (folder_exists(c->path))
        return open_control_folder(c, e);
    if (refuse_pickle(c->path, e) != 0 || weight_files_open(w, c->path, e) != 0 ||
        infer_control_names(w->file[0], &names, e) != 0 ||
        config_beside(c->path, &dir, &beside, e) != 0)
        return -1;
    if (names == CONTROL_DIFFUSERS && beside)
        return config_read_control_folder(dir.text, &c->config, e) != 0
                   ? -1
                   : infer_control_union(w->file[0], &c->config, e);
    if (names != CONTROL_DIFFUSERS) {
        c->single = true;
        c->bare = names == CONTROL_BARE;
        c->bare_part = PART_CONTROL;
        c->files[0] = *w;
        *w = (struct weight_files){0};
    }
    return infer_control_config(c->files[c->single ? 0 : PART_CONTROL].file[0], names, &c->config,
                                e);
}

struct checkpoint *checkpoint_open_control(const char *path, struct err *e)
{
    struct checkpoint *c = checkpoint_new(path, e);
    return opened(c, c ? open_control(c, e) : -1);
}

void checkpoint_close(struct checkpoint *c)
{
    if (!c)
        return;
    for (int i = 0; i < PART_COUNT; i++)
        weight_files_close(&c->files[i]);
    for (int i = 0; c->copies && i < c->copies->count; i++)
        free(c->copies->copy[i].data);
    if (c->copies)
        free(c->copies->copy);
    free(c->copies);
    drawn_free(c->drawn);
    free(c->path);
    free(c);
}
