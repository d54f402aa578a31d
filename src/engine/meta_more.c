/* See meta_more.h. */
#include "engine/meta_more.h"

#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/digest.h"

/* Told when it is set to something else than `plain`, and so is what it belongs to. */
static const struct {
    const char *key, *plain, *of;
} table[] = {
    {"image", "", NULL},
    {"denoise", NULL, "image"},
    {"fit", "crop", "image"},
    {"backdrop", "auto", "image"},
    {"mask", "", "image"},
    {"mask-blur", "0", "mask"},
    {"mask-grow", "0", "mask"},
    {"mask-content", "original", "mask"},
    {"hires", "1", NULL},
    {"hires-size", NULL, NULL},
    {"hires-upscale", NULL, "hires"},
    {"hires-denoise", NULL, "hires"},
    {"hires-steps", "0", "hires"},
    {"tiling", "off", NULL},
    {"vae", "", NULL},
    {"refiner", "", NULL},
    {"refiner-switch", NULL, "refiner"},
    {"aesthetic", "6", "refiner"},
    {"negative-aesthetic", "2.5", "refiner"},
    {"control", "", NULL},
    {"control-image", "", "control"},
    {"control-type", "auto", "control"},
    {"control-prepare", "none", "control"},
    {"control-low", NULL, "canny"},
    {"control-high", NULL, "canny"},
    {"control-strength", "1", "control"},
    {"control-start", "0", "control"},
    {"control-end", "1", "control"},
    {"cfg-rescale", "0", NULL},
    {"cfg-start", "0", NULL},
    {"cfg-end", "1", NULL},
    {"original-size", NULL, NULL},
    {"crop", NULL, NULL},
    {"target-size", NULL, NULL},
};
enum { COUNT = sizeof table / sizeof *table, ROOM = PATH_MAX };

static bool tells(const struct settings *s, const char *key, char value[ROOM]);

static bool belongs(const struct settings *s, const char *of)
{
    char value[ROOM];
    if (!strcmp(of, "canny"))
        return tells(s, "control-prepare", value) && !strcmp(value, of);
    return tells(s, of, value) || (!strcmp(of, "hires") && tells(s, "hires-size", value));
}

static bool tells(const struct settings *s, const char *key, char value[ROOM])
{
    for (int i = 0; i < COUNT; i++) {
        if (strcmp(table[i].key, key) != 0)
            continue;
        settings_print(s, key, value, ROOM);
        return settings_has(s, key) && *value &&
               (!table[i].plain || strcmp(value, table[i].plain) != 0) &&
               (!table[i].of || belongs(s, table[i].of));
    }
    return false;
}

void meta_more_json(struct jsonw *w, const struct settings *s)
{
    char value[ROOM];
    for (int i = 0; i < COUNT; i++) {
        if (!tells(s, table[i].key, value))
            continue;
        enum key_type type = settings_key(settings_key_index(table[i].key))->type;
        if (type == KEY_INT || type == KEY_REAL)
            jsonw_real(w, table[i].key, strtod(value, NULL), 10);
        else
            jsonw_string(w, table[i].key, value);
    }
}

/* ---- A1111's names ---- */

static void put_quoted(FILE *f, const char *label, const char *value)
{
    struct jsonw w = {0};
    char *quoted = NULL;
    if (strpbrk(value, ",:\n")) {
        jsonw_string(&w, NULL, value);
        quoted = jsonw_take(&w);
    }
    fprintf(f, ", %s: %s", label, quoted ? quoted : value);
    free(quoted);
}

/* The file alone: the folders are this machine's. */
static void put_file(FILE *f, const char *label, const char *path)
{
    const char *slash = strrchr(path, '/');
    put_quoted(f, label, slash && slash[1] ? slash + 1 : path);
}

static const char *renamed(const char *const (*list)[2], const char *value)
{
    for (; (*list)[0]; list++)
        if (!strcmp((*list)[0], value))
            return (*list)[1];
    return NULL;
}

static void put_hires(FILE *f, const struct settings *s)
{
    static const char *const upscalers[][2] = {{"latent_bilinear", "Latent"},
                                               {"latent_bicubic", "Latent (bicubic)"},
                                               {"latent_nearest", "Latent (nearest)"},
                                               {"latent_nearest_exact", "Latent (nearest-exact)"},
                                               {"lanczos", "Lanczos"},
                                               {"nearest", "Nearest"},
                                               {"bilinear", "Bilinear"},
                                               {"bicubic", "Bicubic"},
                                               {NULL, NULL}};
    char value[ROOM];
    if (tells(s, "hires-size", value))
        fprintf(f, ", Hires resize: %s", value);
    else if (tells(s, "hires", value))
        fprintf(f, ", Hires upscale: %s", value);
    else
        return;
    if (tells(s, "hires-steps", value))
        fprintf(f, ", Hires steps: %s", value);
    const char *name = tells(s, "hires-upscale", value) ? renamed(upscalers, value) : NULL;
    if (name)
        fprintf(f, ", Hires upscaler: %s", name);
    if (tells(s, "hires-denoise", value))
        fprintf(f, ", Denoising strength: %s", value);
}

/* With a second pass A1111's "Denoising strength" is that pass's. */
static void put_image(FILE *f, const struct settings *s)
{
    static const char *const contents[][2] = {
        {"noise", "latent noise"}, {"nothing", "latent nothing"}, {NULL, NULL}};
    char value[ROOM];
    if (!belongs(s, "hires") && tells(s, "denoise", value))
        fprintf(f, ", Denoising strength: %s", value);
    if (tells(s, "mask-blur", value))
        fprintf(f, ", Mask blur: %s", value);
    const char *content = tells(s, "mask-content", value) ? renamed(contents, value) : NULL;
    if (content)
        fprintf(f, ", Masked content: %s", content);
}

/* ---- a ControlNet, as the extension sd-webui-controlnet has it ---- */

/* What A1111's lists show behind a file's name (model_hash in modules/sd_models.py): the SHA-256 of
 * 64 KiB from 1 MiB on. "" for a folder. */
static void short_hash(const char *path, char out[9])
{
    enum { FROM = 1 << 20, SIZE = 1 << 16 };
    struct stat st;
    char hex[65];
    uint8_t *data = stat(path, &st) == 0 && S_ISREG(st.st_mode) ? malloc(SIZE) : NULL;
    FILE *f = data ? fopen(path, "rb") : NULL;
    out[0] = '\0';
    if (f && fseek(f, FROM, SEEK_SET) == 0) {
        digest_of(data, fread(data, 1, SIZE, f), hex);
        snprintf(out, 9, "%.8s", hex);
    }
    if (f)
        fclose(f);
    free(data);
}

/* As Python prints it: "1.0". */
static void put_float(FILE *f, const char *label, double x)
{
    fprintf(f, ", %s: %.10g%s", label, x, x == floor(x) ? ".0" : "");
}

/* ControlNetUnionControlType in scripts/enums.py: serialize leaves it out, parse takes it. */
static void put_union_type(FILE *f, const struct settings *s)
{
    static const char *const types[][2] = {
        {"openpose", "OpenPose"}, {"depth", "Depth"},       {"scribble", "Soft Edge"},
        {"canny", "Hard Edge"},   {"normal", "Normal Map"}, {"segment", "Segmentation"},
        {"tile", "Tile"},         {"repaint", "Inpaint"},   {NULL, NULL}};
    char value[ROOM];
    const char *type = tells(s, "control-type", value) ? renamed(types, value) : NULL;
    if (type)
        fprintf(f, ", Union Control Type: %s", type);
}

/* Its unit: a list in one value (ControlNetUnit.serialize in internal_controlnet/args.py), which
 * has no way to write a comma or a colon: a file with one in its name is left out, as there. */
static char *control_unit(const struct settings *s, const char *path)
{
    char *text = NULL, name[PATH_MAX], hash[9];
    const char *slash = strrchr(s->control, '/'), *prepare = s->control_prepare;
    size_t size;
    bool canny = !strcmp(prepare, "canny");
    snprintf(name, sizeof name, "%s", slash && slash[1] ? slash + 1 : s->control);
    char *ending = strstr(name, ".safetensors");
    if (ending)
        *ending = '\0';
    FILE *f = strpbrk(name, ",:\n") ? NULL : open_memstream(&text, &size);
    if (!f)
        return NULL;
    short_hash(path, hash);
    fprintf(f, "Module: %s, Model: %s", prepare, name);
    if (*hash)
        fprintf(f, " [%s]", hash);
    put_float(f, "Weight", s->control_strength);
    fputs(", Resize Mode: Crop and Resize", f);
    if (canny) {
        fputs(", Processor Res: 512", f);
        put_float(f, "Threshold A", s->control_low);
        put_float(f, "Threshold B", s->control_high);
    }
    put_float(f, "Guidance Start", s->control_start);
    put_float(f, "Guidance End", s->control_end);
    fprintf(f, ", Pixel Perfect: %s, Control Mode: Balanced", canny ? "True" : "False");
    put_union_type(f, s);
    if (fclose(f) == 0)
        return text;
    free(text);
    return NULL;
}

static void put_control(FILE *f, const struct settings *s, const char *path)
{
    char value[ROOM], *unit = tells(s, "control", value) ? control_unit(s, path) : NULL;
    if (unit)
        put_quoted(f, "ControlNet 0", unit);
    free(unit);
}

void meta_more_parameters(FILE *f, const struct settings *s, const char *control)
{
    char value[ROOM];
    if (tells(s, "vae", value))
        put_file(f, "VAE", value);
    put_image(f, s);
    put_hires(f, s);
    if (tells(s, "refiner", value)) {
        put_file(f, "Refiner", value);
        if (tells(s, "refiner-switch", value))
            fprintf(f, ", Refiner switch at: %s", value);
    }
    if (tells(s, "tiling", value))
        fprintf(f, ", Tiling: %s", !strcmp(value, "xy") ? "True" : value);
    put_control(f, s, control);
}
