/* spritty info: what a model or a PNG holds. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fileio.h"
#include "base/jsonw.h"
#include "base/paths.h"
#include "cli/info_control.h"
#include "cli/info_lora.h"
#include "cli/options.h"
#include "engine/controls.h"
#include "engine/job.h"
#include "import/comfy_nodes.h"
#include "import/source.h"
#include "pull/pull.h"
#include "sdxl/checkpoint.h"
#include "sdxl/weights_kind.h"
#include "sprite/png.h"

/* A model's: a ControlNet is none of them. */
static const char *const part_names[] = {"text_encoder", "text_encoder_2", "unet", "vae"};
enum { MODEL_PARTS = sizeof part_names / sizeof *part_names };

/* Prints text from a file: line by line, without control characters. */
static void print_foreign(const char *text, const char *indent)
{
    for (const char *line = text; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
        char *copy = strndup(line, strcspn(line, "\n"));
        if (!copy)
            return;
        text_sanitize(copy);
        printf("%s%s\n", indent, copy);
        free(copy);
    }
}

/* ---- PNG ---- */

/* ComfyUI's texts are long JSON, of which the settings are what one wants to see. */
static bool is_workflow(const char *key)
{
    return !strcmp(key, "prompt") || !strcmp(key, "workflow");
}

static void print_recipe(const struct recipe *r, const struct err *why)
{
    if (!r->source) {
        printf("  %s\n", why->text);
        return;
    }
    for (int i = 0; i < r->count; i++) {
        printf("  %s:", r->at[i].key);
        print_foreign(r->at[i].value, strchr(r->at[i].value, '\n') ? "\n    " : " ");
    }
    for (int i = 0; i < r->notes; i++)
        printf("  (%s)\n", r->note[i]);
}

static void print_texts(const struct png_file *f, const char *path)
{
    for (int i = 0; i < f->texts; i++) {
        struct recipe r = {.count = 0};
        struct err e = {""};
        const char *value = f->text[i].value;
        print_foreign(f->text[i].key, "");
        if (!is_workflow(f->text[i].key)) {
            print_foreign(value, "  ");
            continue;
        }
        if (comfy_import(value, strlen(value), path, &r, &e))
            r.source = NULL;
        print_recipe(&r, &e);
        recipe_free(&r);
    }
}

static void texts_json(struct jsonw *w, const struct png_file *f, const char *path)
{
    struct recipe r = {.count = 0};
    struct err e;
    jsonw_open(w, "text", '{');
    for (int i = 0; i < f->texts; i++)
        jsonw_string(w, f->text[i].key, f->text[i].value);
    jsonw_close(w, '}');
    if (f->texts && !import_png(f, path, &r, &e)) {
        jsonw_string(w, "source", r.source);
        jsonw_open(w, "settings", '{');
        for (int i = 0; i < r.count; i++)
            jsonw_string(w, r.at[i].key, r.at[i].value);
        jsonw_close(w, '}');
        jsonw_open(w, "not_honoured", '[');
        for (int i = 0; i < r.notes; i++)
            jsonw_string(w, NULL, r.note[i]);
        jsonw_close(w, ']');
    }
    recipe_free(&r);
}

static int info_png(const char *path, bool json, struct err *e)
{
    struct png_file f;
    struct jsonw w = {0};
    int rc = 0;
    /* With the pixels: texts may stand behind them, and a broken file is told. */
    if (png_load(path, true, &f, e))
        return -1;
    if (json) {
        jsonw_open(&w, NULL, '{');
        jsonw_string(&w, "kind", "png");
        jsonw_u64(&w, "width", (uint64_t)f.width);
        jsonw_u64(&w, "height", (uint64_t)f.height);
        texts_json(&w, &f, path);
        jsonw_close(&w, '}');
        rc = cli_put_json(&w, e);
    } else {
        printf("PNG, %dx%d\n", f.width, f.height);
        print_texts(&f, path);
    }
    png_file_free(&f);
    return rc;
}

/* ---- models ---- */

static void model_table(const struct checkpoint *c)
{
    const struct model_config *m = checkpoint_config(c);
    struct part_summary parts[PART_COUNT];
    char text[160], types[32], path[512];
    checkpoint_summary(c, parts);
    printf("%s, %s%s\n\n", text_shown(checkpoint_path(c), path, sizeof path),
           checkpoint_is_single_file(c) ? "single file" : "diffusers folder",
           m->refiner                                     ? ", a refiner"
           : m->unet.in_channels > m->vae.latent_channels ? ", for inpainting"
                                                          : "");
    printf("  %-16s %8s %14s %10s  %s\n", "part", "tensors", "parameters", "MB", "type");
    for (int i = 0; i < MODEL_PARTS; i++) {
        info_dtypes(parts[i].dtypes, types);
        printf("  %-16s %8lld %14lld %10.1f  %s\n", part_names[i], (long long)parts[i].tensors,
               (long long)parts[i].parameters, (double)parts[i].bytes / 1e6, types);
    }
    for (int i = 0; i < 2; i++)
        printf("\n  %-16s %d wide, %d layers, %d heads, %d tokens, %d positions", part_names[i],
               m->text[i].hidden, m->text[i].layers, m->text[i].heads, m->text[i].vocab,
               m->text[i].positions);
    info_levels(m->unet.channels, m->unet.levels, text, sizeof text);
    printf("\n  %-16s channels %s, transformer depth ", "unet", text);
    info_levels(m->unet.depth, m->unet.levels, text, sizeof text);
    printf("%s (middle %d), text %d wide", text, m->unet.mid_depth, m->unet.context);
    info_levels(m->vae.channels, m->vae.levels, text, sizeof text);
    printf("\n  %-16s channels %s, %d latent channels, 1/%d of the size", "vae", text,
           m->vae.latent_channels, m->vae_factor);
    printf("\n  %-16s %d steps, beta %g to %g%s, predicts %s\n", "schedule",
           m->schedule.train_steps, m->schedule.beta_start, m->schedule.beta_end,
           m->schedule.scaled_linear ? " (scaled linear)" : "",
           m->schedule.prediction == PREDICT_V ? "v" : "epsilon");
    printf("  %-16s %dx%d\n", "made for", m->default_size, m->default_size);
}

static void print_unused(const struct checkpoint *c)
{
    const char *names[8];
    int count = checkpoint_unused(c, names, 8);
    if (count > 0)
        printf("\n  %d tensors belong to no part:\n", count);
    for (int i = 0; i < count && i < 8; i++)
        print_foreign(names[i], "    ");
    if (count > 8)
        printf("    ...\n");
}

static int model_json(const struct checkpoint *c, struct err *e)
{
    const struct model_config *m = checkpoint_config(c);
    struct part_summary parts[PART_COUNT];
    struct jsonw w = {0};
    char types[32];
    checkpoint_summary(c, parts);
    jsonw_open(&w, NULL, '{');
    jsonw_string(&w, "kind", "model");
    jsonw_string(&w, "path", checkpoint_path(c));
    jsonw_bool(&w, "single_file", checkpoint_is_single_file(c));
    jsonw_open(&w, "parts", '{');
    for (int i = 0; i < MODEL_PARTS; i++) {
        info_dtypes(parts[i].dtypes, types);
        jsonw_open(&w, part_names[i], '{');
        jsonw_u64(&w, "tensors", (uint64_t)parts[i].tensors);
        jsonw_u64(&w, "parameters", (uint64_t)parts[i].parameters);
        jsonw_u64(&w, "bytes", (uint64_t)parts[i].bytes);
        jsonw_string(&w, "dtype", types);
        jsonw_close(&w, '}');
    }
    jsonw_close(&w, '}');
    info_put_levels(&w, "unet_channels", m->unet.channels, m->unet.levels);
    info_put_levels(&w, "unet_depth", m->unet.depth, m->unet.levels);
    info_put_levels(&w, "vae_channels", m->vae.channels, m->vae.levels);
    jsonw_u64(&w, "context", (uint64_t)m->unet.context);
    jsonw_string(&w, "prediction", m->schedule.prediction == PREDICT_V ? "v" : "epsilon");
    jsonw_u64(&w, "default_size", (uint64_t)m->default_size);
    jsonw_u64(&w, "unused", (uint64_t)checkpoint_unused(c, NULL, 0));
    jsonw_close(&w, '}');
    return cli_put_json(&w, e);
}

/* ---- any other safetensors ---- */

/* What trainers write about themselves, where it is short. */
static const char *const told[] = {
    "modelspec.title",       "modelspec.architecture",
    "modelspec.author",      "modelspec.license",
    "ss_base_model_version", "ss_network_module",
    "ss_network_dim",        "ss_network_alpha",
    "ss_output_name",        "format",
};

static void weights_json(struct jsonw *w, const struct safetensors *s,
                         const struct weights_summary *m)
{
    jsonw_open(w, NULL, '{');
    jsonw_string(w, "kind", weights_kind_name(m->kind));
    jsonw_string(w, "path", safetensors_path(s));
    jsonw_u64(w, "tensors", (uint64_t)safetensors_count(s));
    jsonw_u64(w, "parameters", (uint64_t)m->parameters);
    jsonw_u64(w, "bytes", (uint64_t)m->bytes);
    jsonw_string(w, "dtype", m->types);
    jsonw_open(w, "metadata", '{');
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (safetensors_metadata(s, told[i]))
            jsonw_string(w, told[i], safetensors_metadata(s, told[i]));
    jsonw_close(w, '}');
    jsonw_close(w, '}');
}

static void weights_table(const struct safetensors *s, const struct weights_summary *m)
{
    char path[512];
    printf("%s, %s\n\n", text_shown(safetensors_path(s), path, sizeof path),
           weights_kind_name(m->kind));
    printf("  %d tensors, %lld parameters, %.1f MB, %s\n", safetensors_count(s),
           (long long)m->parameters, (double)m->bytes / 1e6, m->types);
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (safetensors_metadata(s, told[i])) {
            printf("  %s:", told[i]);
            print_foreign(safetensors_metadata(s, told[i]), " ");
        }
    for (int i = 0; i < safetensors_count(s) && i < 8; i++) {
        const struct st_tensor *t = safetensors_at(s, i);
        printf("  %s  %s [", t->name, t->type);
        for (int d = 0; d < t->rank; d++)
            printf("%s%lld", d ? ", " : "", (long long)t->dim[d]);
        printf("]\n");
    }
    if (safetensors_count(s) > 8)
        printf("  ...\n");
}

/* A file that is no whole model: a LoRA, a VAE, an embedding. */
static int info_weights(struct safetensors *s, bool json, struct err *e)
{
    struct weights_summary m = weights_summary(s);
    struct jsonw w = {0};
    if (!json) {
        weights_table(s, &m);
        return 0;
    }
    weights_json(&w, s, &m);
    return cli_put_json(&w, e);
}

/* One that is not run is listed, with the reason. */
static int info_control_file(struct safetensors *s, const char *path, bool json, struct err *e)
{
    struct err why;
    struct checkpoint *c = checkpoint_open_control(path, &why);
    int rc = c ? info_control(c, json, e) : info_weights(s, json, e);
    if (!c && !json)
        printf("\n  %s\n", why.text);
    checkpoint_close(c);
    return rc;
}

/* A LoRA that can be read as one says more than its tensors' names. */
static int info_some(struct safetensors *s, const char *path, const char *model, bool json,
                     struct err *e)
{
    struct err ignored;
    enum weights_kind kind = weights_summary(s).kind;
    if (kind == WEIGHTS_CONTROL)
        return info_control_file(s, path, json, e);
    struct lora_file *f = kind == WEIGHTS_LORA ? lora_file_open(path, &ignored) : NULL;
    if (!f)
        return info_weights(s, json, e);
    lora_file_close(f);
    return info_lora(path, model, json, e);
}

static bool is_part(const char *path, const char *model, bool json, int *rc, struct err *e)
{
    struct err ignored;
    struct stat st;
    if (stat(path, &st) || !S_ISREG(st.st_mode))
        return false;
    struct safetensors *s = safetensors_open(path, &ignored);
    bool part = s && weights_summary(s).kind != WEIGHTS_CHECKPOINT;
    if (part)
        *rc = info_some(s, path, model, json, e);
    safetensors_close(s);
    return part;
}

/* A folder that holds one. */
static bool is_control(const char *path, bool json, int *rc, struct err *e)
{
    struct err ignored;
    struct stat st;
    if (stat(path, &st) || !S_ISDIR(st.st_mode))
        return false;
    struct checkpoint *c = checkpoint_open_control(path, &ignored);
    if (c)
        *rc = info_control(c, json, e);
    checkpoint_close(c);
    return c != NULL;
}

/* model: what a LoRA is matched against, or NULL. */
static int info_model(const char *path, const char *model, bool json, struct err *e)
{
    int rc = 0;
    if (is_part(path, model, json, &rc, e) || is_control(path, json, &rc, e))
        return rc;
    struct checkpoint *c = checkpoint_open(path, NULL, e);
    if (!c)
        return -1;
    if (json) {
        rc = model_json(c, e);
    } else {
        model_table(c);
        print_unused(c);
    }
    checkpoint_close(c);
    return rc;
}

/* ---- which of them ---- */

static bool begins_like_png(const char *path)
{
    unsigned char head[8];
    FILE *f = fopen(path, "rbe");
    bool is = f && fread(head, 1, sizeof head, f) == sizeof head && png_is(head, sizeof head);
    if (f)
        fclose(f);
    return is;
}

/* A VAE's or an embedding's. */
static bool find_other(const char *name, char path[PATH_MAX])
{
    return place_weights(PLACE_DATA, "vae", name, path) ||
           place_weights(PLACE_DATA, "embeddings", name, path);
}

/* A model's name, a ControlNet's or a LoRA's, or one of the above. */
static int find_any(const char *name, const char *model, char path[PATH_MAX], struct err *e)
{
    struct err ignored;
    if (find_model(name, path, e) == 0 || control_listed(name, path))
        return 0;
    return find_lora(name, model, path, &ignored) && !find_other(name, path) ? -1 : 0;
}

int cmd_info(struct cli *cli)
{
    char path[PATH_MAX], model_path[PATH_MAX];
    struct err e = {""};
    const char *name = cli->args[0], *model = settings_text(&cli->flags, "model");
    struct stat st;
    bool file = !stat(name, &st) && !S_ISDIR(st.st_mode);
    int rc = 0;
    if (model && find_model(model, model_path, &e))
        return cli_fail(EXIT_FAILED, &e);
    model = model ? model_path : NULL;
    if (file && begins_like_png(name))
        rc = info_png(name, cli->json, &e);
    else if (file)
        rc = info_model(name, model, cli->json, &e);
    else
        rc = find_any(name, model, path, &e) || info_model(path, model, cli->json, &e) ? -1 : 0;
    const char *pull = rc && !file ? pull_name_for(name) : NULL;
    if (pull)
        err_set(&e, "there is no model '%.100s' here yet: `spritty pull %s` downloads it", name,
                pull);
    return rc ? cli_fail(EXIT_FAILED, &e) : EXIT_DONE;
}
