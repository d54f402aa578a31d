/* The table of settings and their values; see config.h. */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "base/meminfo.h"
#include "base/secret.h"
#include "base/suggest.h"
#include "config.h"
#include "devices.h"
#include "sdxl/pipeline.h"
#include "sdxl/conditioning.h"
#include "sdxl/sampler.h"
#include "sdxl/schedule.h"
#include "sprite/finish_text.h"

/* ---- the table ---- */

static const char *from_list(const char *const *list, int count, int i)
{
    return i < count ? list[i] : NULL;
}

#define CHOICES(function, ...)                                                                     \
    static const char *function(int i)                                                             \
    {                                                                                              \
        static const char *const list[] = {__VA_ARGS__};                                           \
        return from_list(list, (int)(sizeof list / sizeof *list), i);                              \
    }

CHOICES(device_choice, "auto", "cpu", "cpu*2", "cuda", "cuda:all", "ref")
CHOICES(policy_choice, "least_busy", "round_robin", "random")
CHOICES(precision_choice, "auto", "fp32", "bf16", "fp16", "fp8")
CHOICES(tf32_choice, "off", "on")
CHOICES(fit_choice, "crop", "stretch", "pad")
CHOICES(background_choice, "cut", "keep")

#define AT(field) offsetof(struct settings, field)

/* In the order in which the app lists them, group by group. */
static const struct settings_key table[] = {
    {"prompt", KEY_TEXT, AT(prompt), 0, 0, NULL, "text around the prompt, which goes to {prompt}",
     GROUP_NONE, "prompt", PICK_NONE},
    {"negative", KEY_TEXT, AT(negative), 0, 0, NULL, "what the picture should not show", GROUP_NONE,
     "negative", PICK_NONE},
    {"seed", KEY_SEED, AT(seed), 0, 0, NULL, "same seed, same picture; or random", GROUP_PICTURE,
     "seed", PICK_NONE},
    {"size", KEY_SIZE, AT(width), 8, 16384, NULL, "width and height in pixels", GROUP_PICTURE,
     "size", PICK_NONE},
    {"steps", KEY_INT, AT(steps), 1, MAX_STEPS, NULL, "sampling steps", GROUP_PICTURE, "steps",
     PICK_NONE},
    {"cfg", KEY_REAL, AT(cfg), 0, 100, NULL, "guidance: how closely to follow the prompt",
     GROUP_PICTURE, "cfg", PICK_NONE},
    {"sampler", KEY_CHOICE, AT(sampler), 0, 0, sampler_name, "how a step is taken", GROUP_PICTURE,
     "sampler", PICK_NONE},
    {"scheduler", KEY_CHOICE, AT(scheduler), 0, 0, schedule_name, "how noise falls over the steps",
     GROUP_PICTURE, "schedule", PICK_NONE},
    {"batch", KEY_INT, AT(batch), 1, 64, NULL, "pictures to make at once", GROUP_PICTURE, "batch",
     PICK_NONE},
    {"compat", KEY_CHOICE, AT(compat), 0, 0, compat_name, "whose pictures seeds and prompts mean",
     GROUP_NOISE, "compat", PICK_NONE},
    {"rng", KEY_CHOICE, AT(rng), 0, 0, rng_name, "whose random numbers; auto is the tool's own",
     GROUP_NOISE, "random from", PICK_NONE},
    {"sigmas", KEY_TEXT, AT(sigmas), 0, 0, NULL, "noise levels, falling, for steps and scheduler",
     GROUP_NOISE, "sigmas", PICK_NONE},
    {"styles", KEY_TEXT, AT(styles), 0, 0, NULL, "names of styles.csv, put to the prompts",
     GROUP_TEXT, "styles", PICK_STYLES},
    {"dynamic", KEY_FLAG, AT(dynamic), 0, 0, NULL, "expand {a|b} and __wildcard__ in prompts",
     GROUP_TEXT, "wildcards", PICK_NONE},
    {"wildcard-seed", KEY_INT, AT(wildcard_seed), 0, INT_MAX, NULL,
     "what they pick; else the seed decides", GROUP_TEXT, "wildcard seed", PICK_NONE},
    {"clip-skip", KEY_INT, AT(clip_skip), -32, 32, NULL,
     "text encoders' layer from the end; 0 is 2, SDXL's", GROUP_TEXT, "clip skip", PICK_NONE},
    {"empty-negative", KEY_CHOICE, AT(empty_negative), 0, 0, empty_negative_name,
     "no negative prompt: zeros, or encode \"\"", GROUP_TEXT, "no negative", PICK_NONE},
    {"model", KEY_TEXT, AT(model), 0, 0, NULL, "folder, .safetensors file, or name of a model",
     GROUP_MODEL, "model", PICK_MODEL},
    {"lora", KEY_TEXT, AT(lora), 0, 0, NULL, "LoRAs: name:0.8, other:te=0.5:unet=1", GROUP_MODEL,
     "LoRA", PICK_LORAS},
    {"tokenizer", KEY_TEXT, AT(tokenizer), 0, 0, NULL, "its vocabulary's folder, if it has none",
     GROUP_MODEL, "tokenizer", PICK_FOLDER},
    {"image", KEY_TEXT, AT(image), 0, 0, NULL, "PNG to start from, fitted to the size", GROUP_IMAGE,
     "image", PICK_IMAGE},
    {"denoise", KEY_REAL, AT(denoise), 0, 1, NULL, "how much of the image is made new (strength)",
     GROUP_IMAGE, "denoise", PICK_NONE},
    {"fit", KEY_CHOICE, AT(fit), 0, 0, fit_choice,
     "an image of another shape: cut, warped, or padded", GROUP_IMAGE, "fit", PICK_NONE},
    {"backdrop", KEY_TEXT, AT(backdrop), 0, 0, NULL,
     "RRGGBB behind a transparent image; auto is the model's", GROUP_IMAGE, "backdrop", PICK_NONE},
    {"mask", KEY_TEXT, AT(mask), 0, 0, NULL, "PNG: white is painted anew, black stays", GROUP_IMAGE,
     "mask", PICK_IMAGE},
    {"mask-blur", KEY_REAL, AT(mask_blur), 0, 64, NULL, "pixels by which its edge is softened",
     GROUP_IMAGE, "mask blur", PICK_NONE},
    {"mask-grow", KEY_INT, AT(mask_grow), -256, 256, NULL, "pixels by which it grows, or shrinks",
     GROUP_IMAGE, "mask grow", PICK_NONE},
    {"mask-content", KEY_CHOICE, AT(mask_content), 0, 0, content_name,
     "what lies under the mask at the start", GROUP_IMAGE, "under mask", PICK_NONE},
    {"hires", KEY_REAL, AT(hires), 1, 8, NULL, "second pass, so many times larger; 1 is none",
     GROUP_IMAGE, "hires", PICK_NONE},
    {"hires-size", KEY_SIZE, AT(hires_size), 8, 16384, NULL, "second pass at this size",
     GROUP_IMAGE, "hires size", PICK_NONE},
    {"hires-upscale", KEY_CHOICE, AT(hires_upscale), 0, 0, upscale_name,
     "how it is enlarged before", GROUP_IMAGE, "hires upscale", PICK_NONE},
    {"hires-denoise", KEY_REAL, AT(hires_denoise), 0, 1, NULL, "how much of it is made new",
     GROUP_IMAGE, "hires denoise", PICK_NONE},
    {"hires-steps", KEY_INT, AT(hires_steps), 0, MAX_STEPS, NULL,
     "steps of the second pass; 0 is as many as steps", GROUP_IMAGE, "hires steps", PICK_NONE},
    {"tiling", KEY_CHOICE, AT(tiling), 0, 0, tiling_name, "edges that meet when it is repeated",
     GROUP_PICTURE, "tiling", PICK_NONE},
    {"vae", KEY_TEXT, AT(vae), 0, 0, NULL, "a VAE in place of the model's own: file or folder",
     GROUP_MODEL, "vae", PICK_WEIGHTS},
    {"refiner", KEY_TEXT, AT(refiner), 0, 0, NULL, "an SDXL refiner for the last steps",
     GROUP_MODEL, "refiner", PICK_MODEL},
    {"refiner-switch", KEY_REAL, AT(refiner_switch), 0, 1, NULL,
     "where on the schedule the refiner takes over", GROUP_MODEL, "refiner at", PICK_NONE},
    {"aesthetic", KEY_REAL, AT(aesthetic), 0, 10, NULL, "the score that the refiner is told",
     GROUP_GUIDANCE, "aesthetic", PICK_NONE},
    {"negative-aesthetic", KEY_REAL, AT(negative_aesthetic), 0, 10, NULL,
     "the same for the negative prompt", GROUP_GUIDANCE, "neg. aesth.", PICK_NONE},
    {"cfg-rescale", KEY_REAL, AT(cfg_rescale), 0, 1, NULL, "against burnt colours of a high cfg",
     GROUP_GUIDANCE, "cfg rescale", PICK_NONE},
    {"cfg-start", KEY_REAL, AT(cfg_start), 0, 1, NULL, "guidance begins at this share of the steps",
     GROUP_GUIDANCE, "cfg from", PICK_NONE},
    {"cfg-end", KEY_REAL, AT(cfg_end), 0.001, 1, NULL,
     "and ends at this one; beyond, steps are faster", GROUP_GUIDANCE, "cfg until", PICK_NONE},
    {"original-size", KEY_SIZE, AT(original_size), 1, 16384, NULL,
     "size that the model is told; the picture's own", GROUP_GUIDANCE, "told size", PICK_NONE},
    {"crop", KEY_SIZE, AT(crop), 0, 16384, NULL, "LEFTxTOP cut off, that the model is told",
     GROUP_GUIDANCE, "told crop", PICK_NONE},
    {"target-size", KEY_SIZE, AT(target_size), 1, 16384, NULL,
     "size after the crop, that the model is told", GROUP_GUIDANCE, "told target", PICK_NONE},
    {"device", KEY_CHOICE, AT(device), 0, 0, device_choice,
     "what computes; a list, cpu*2, cuda:all, redis://HOST", GROUP_MACHINE, "device", PICK_NONE},
    {"precision", KEY_CHOICE, AT(precision), 0, 0, precision_choice, "number format", GROUP_MACHINE,
     "precision", PICK_NONE},
    {"memory", KEY_CHOICE, AT(memory), 0, 0, memory_name, "trade memory for speed", GROUP_MACHINE,
     "memory", PICK_NONE},
    {"threads", KEY_INT, AT(threads), 0, 1024, NULL, "CPU threads; 0 is one a core", GROUP_MACHINE,
     "threads", PICK_NONE},
    {"policy", KEY_CHOICE, AT(policy), 0, 0, policy_choice, "which of several devices gets a job",
     GROUP_MACHINE, "policy", PICK_NONE},
    {"max-steps", KEY_INT, AT(max_steps), 0, MAX_STEPS, NULL,
     "never more steps than these, whatever is asked; 0: any", GROUP_MACHINE, "max steps",
     PICK_NONE},
    {"attention", KEY_CHOICE, AT(attention), 0, 0, attention_name,
     "scores in the cache, in whole rows, or in memory", GROUP_TUNING, "attention", PICK_NONE},
    {"vae-slicing", KEY_CHOICE, AT(vae_slicing), 0, 0, switch_name,
     "decode the pictures of a batch one by one", GROUP_TUNING, "vae slicing", PICK_NONE},
    {"vae-tiling", KEY_CHOICE, AT(vae_tiling), 0, 0, switch_name,
     "decode large pictures in tiles; auto: as memory says", GROUP_TUNING, "vae tiling", PICK_NONE},
    {"vae-tile", KEY_INT, AT(vae_tile), 0, 8192, NULL,
     "pixels of a tile's side, 128 or more; 0: as memory says", GROUP_TUNING, "vae tile",
     PICK_NONE},
    {"offload", KEY_CHOICE, AT(offload), 0, 0, switch_name,
     "text encoders leave memory after reading", GROUP_TUNING, "offload", PICK_NONE},
    {"stream", KEY_CHOICE, AT(stream), 0, 0, switch_name,
     "weights come for each call and leave again: slow", GROUP_TUNING, "stream", PICK_NONE},
    {"memory-limit", KEY_TEXT, AT(memory_limit), 0, 0, NULL,
     "most that may be held: 6GB, 75%; none: what is free", GROUP_TUNING, "memory limit",
     PICK_NONE},
    {"fold", KEY_CHOICE, AT(fold), 0, 0, switch_name,
     "doubling and convolution as one, in 4/9 of the work", GROUP_TUNING, "fold", PICK_NONE},
    {"hoist", KEY_CHOICE, AT(hoist), 0, 0, switch_name, "what all steps share is computed once",
     GROUP_TUNING, "hoist", PICK_NONE},
    {"graph", KEY_CHOICE, AT(graph), 0, 0, switch_name, "GPU: a step is recorded once and replayed",
     GROUP_TUNING, "graph", PICK_NONE},
    {"autotune", KEY_CHOICE, AT(autotune), 0, 0, autotune_name,
     "GPU: algorithms by trying, by rule, or the first", GROUP_TUNING, "autotune", PICK_NONE},
    {"tf32", KEY_CHOICE, AT(tf32), 0, 0, tf32_choice,
     "GPU: fp32 multiplies with 10 bits, much faster", GROUP_TUNING, "tf32", PICK_NONE},
    {"nhwc", KEY_CHOICE, AT(nhwc), 0, 0, switch_name,
     "CPU: off has convolutions read planes, slower", GROUP_TUNING, "nhwc", PICK_NONE},
    {"winograd", KEY_CHOICE, AT(winograd), 0, 0, switch_name,
     "CPU: convolutions in 16 products for 36", GROUP_TUNING, "winograd", PICK_NONE},
    {"raw", KEY_FLAG, AT(raw), 0, 0, NULL, "the decoded image, unfinished", GROUP_FINISH, "raw",
     PICK_NONE},
    {"cell", KEY_TEXT, AT(cell), 0, 0, NULL,
     "pixels of a cell's side: auto (finds them), 7.5, none", GROUP_FINISH, "cell", PICK_NONE},
    {"pixels", KEY_SIZE, AT(pixels), 0, IMAGE_MAX_SIDE, NULL,
     "cells across and down, instead of their size", GROUP_FINISH, "pixels", PICK_NONE},
    {"method", KEY_CHOICE, AT(method), 0, 0, cell_method_name, "how a cell becomes one pixel",
     GROUP_FINISH, "method", PICK_NONE},
    {"background", KEY_CHOICE, AT(background), 0, 0, background_choice,
     "make it transparent, or not", GROUP_FINISH, "background", PICK_NONE},
    {"tolerance", KEY_REAL, AT(tolerance), 0, 1, NULL,
     "how far its colour may be off (Oklab); 0: by its noise", GROUP_FINISH, "tolerance",
     PICK_NONE},
    {"fringe", KEY_CHOICE, AT(fringe), 0, 0, background_choice,
     "pixels mixed of background and outline", GROUP_FINISH, "fringe", PICK_NONE},
    {"holes", KEY_FLAG, AT(holes), 0, 0, NULL, "cut enclosed places of its colour as well",
     GROUP_FINISH, "holes", PICK_NONE},
    {"colors", KEY_TEXT, AT(colors), 0, 0, NULL, "at most so many; auto chooses, all leaves them",
     GROUP_FINISH, "colors", PICK_NONE},
    {"palette", KEY_TEXT, AT(palette), 0, 0, NULL, "of a name or a file, instead of own colours",
     GROUP_FINISH, "palette", PICK_PALETTE},
    {"dither", KEY_CHOICE, AT(dither), 0, 0, dither_name, "mix colours that are missing",
     GROUP_FINISH, "dither", PICK_NONE},
    {"lock", KEY_FLAG, AT(lock), 0, 0, NULL, "one palette for all images of a batch", GROUP_FINISH,
     "lock", PICK_NONE},
    {"swap", KEY_TEXT, AT(swap), 0, 0, NULL, "recolour: a palette's colours become another's",
     GROUP_FINISH, "swap", PICK_NONE},
    {"clean", KEY_TEXT, AT(clean), 0, 0, NULL, "mend faults: near, lone, double, jagged, or all",
     GROUP_FINISH, "clean", PICK_NONE},
    {"outline", KEY_CHOICE, AT(outline), 0, 0, outline_name, "one pixel around the sprite",
     GROUP_FINISH, "outline", PICK_NONE},
    {"outline-color", KEY_TEXT, AT(outline_color), 0, 0, NULL,
     "of the outline, or the sprite's darkest", GROUP_FINISH, "line colour", PICK_NONE},
    {"trim", KEY_FLAG, AT(trim), 0, 0, NULL, "no transparent border", GROUP_FINISH, "trim",
     PICK_NONE},
    {"pad", KEY_INT, AT(pad), 0, IMAGE_MAX_SIDE / 2, NULL, "transparent pixels on each side",
     GROUP_FINISH, "pad", PICK_NONE},
    {"canvas", KEY_SIZE, AT(canvas), 0, IMAGE_MAX_SIDE, NULL,
     "size of the result; the sprite is not enlarged", GROUP_FINISH, "canvas", PICK_NONE},
    {"power-of-two", KEY_FLAG, AT(power_of_two), 0, 0, NULL, "sizes grow to powers of two",
     GROUP_FINISH, "power of 2", PICK_NONE},
    {"anchor", KEY_CHOICE, AT(anchor), 0, 0, anchor_name,
     "the sprite in the middle, or standing there", GROUP_FINISH, "anchor", PICK_NONE},
    {"output", KEY_TEXT, AT(output), 0, 0, NULL, "file to write", GROUP_NONE, "output", PICK_NONE},
};
enum { KEYS = sizeof table / sizeof *table };
_Static_assert((int)KEYS <= (int)SETTINGS_MAX, "settings.said has room for each key");

const char *settings_group_title(enum settings_group group)
{
    static const char *const titles[GROUPS] = {
        [GROUP_NONE] = "",
        [GROUP_PICTURE] = "Picture",
        [GROUP_NOISE] = "Seed and noise",
        [GROUP_MODEL] = "Model",
        [GROUP_IMAGE] = "Image to image",
        [GROUP_GUIDANCE] = "Guidance",
        [GROUP_TEXT] = "Text",
        [GROUP_FINISH] = "Finishing",
        [GROUP_MACHINE] = "Machine",
        [GROUP_TUNING] = "Speed and memory",
    };
    return titles[group];
}

const char *settings_choice_label(const struct settings_key *k, int i)
{
    const char *label = NULL;
    if (k->choice == sampler_name)
        label = sampler_label(i);
    else if (k->choice == schedule_name)
        label = schedule_label(i);
    return label && strcasecmp(label, k->choice(i)) != 0 ? label : NULL;
}

const char *settings_choice_pair(const struct settings_key *k, int i)
{
    int n = 0;
    if (k->choice != sampler_name)
        return NULL;
    for (; sampler_and_schedule(n); n++)
        if (n == i)
            return sampler_and_schedule(n);
    for (int sampler = 0; sampler_name(sampler); sampler++)
        if (sampler_on_gpu(sampler) && n++ == i)
            return sampler_on_gpu(sampler);
    return NULL;
}

/* The sampler that such a name means, and the other setting. -1: it is none. */
static int sampler_of_pair(const char *name, const char **key, const char **value)
{
    int sampler = sampler_by_gpu_name(name), schedule;
    *key = "rng", *value = "gpu";
    if (sampler >= 0)
        return sampler;
    if (sampler_by_name(name) >= 0 || !sampler_with_schedule(name, &sampler, &schedule))
        return -1;
    *key = "scheduler", *value = schedule_name(schedule);
    return sampler;
}

const struct settings_key *settings_key(int i)
{
    return i >= 0 && i < KEYS ? &table[i] : NULL;
}

/* "hires-size" is "hires_size" as well. */
static bool is_named(const char *name, const char *key)
{
    for (; *name && (*key == *name || (*key == '_' && *name == '-')); name++)
        key++;
    return !*name && !*key;
}

int settings_key_index(const char *name)
{
    for (int i = 0; i < KEYS; i++)
        if (is_named(table[i].name, name))
            return i;
    return -1;
}

static const char *key_name(const void *user, int i)
{
    (void)user;
    return i < KEYS ? table[i].name : NULL;
}

/* ---- one value ---- */

static void *field(const struct settings *s, const struct settings_key *k)
{
    return (char *)(uintptr_t)s + k->at;
}

static int put_text(char **to, const char *value, struct err *e)
{
    char *copy = strdup(value);
    if (!copy)
        return err_set(e, "out of memory");
    free(*to);
    *to = copy;
    return 0;
}

/* Passwords in a queue's URL stay out of all that settings are written to. */
static int put_devices(char **to, const char *value, struct err *e)
{
    char *without = secret_strip(value);
    if (!without)
        return err_set(e, "out of memory, or too many passwords");
    free(*to);
    *to = without;
    return 0;
}

static bool is_choice(const struct settings_key *k, const char *value)
{
    for (int i = 0; k->choice(i); i++)
        if (!strcmp(k->choice(i), value))
            return true;
    return false;
}

static int set_choice(char **to, const struct settings_key *k, const char *value, struct err *e)
{
    char list[400] = "";
    /* Other tools' labels ("Euler a") are taken for what they mean. */
    if (k->choice == sampler_name && sampler_by_name(value) >= 0)
        value = sampler_name(sampler_by_name(value));
    if (k->choice == schedule_name && schedule_by_name(value) >= 0)
        value = schedule_name(schedule_by_name(value));
    struct device_item devices[DEVICES_MAX]; /* its choices are but examples */
    if (k->choice == device_choice)
        return devices_parse(value, devices, e) < 0 ? -1 : put_devices(to, value, e);
    if (is_choice(k, value))
        return put_text(to, value, e);
    for (int i = 0; k->choice(i); i++) {
        size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", k->choice(i));
    }
    return err_set(e, "there is no %s '%.60s'; there are: %s", k->name, value, list);
}

static int set_number(void *to, const struct settings_key *k, const char *value, struct err *e)
{
    char *end;
    double x = strtod(value, &end);
    bool whole = k->type == KEY_INT;
    bool plain = strspn(value, "+-.0123456789") == strlen(value); /* no hex, inf or nan */
    if (end == value || *end || !plain || x < k->min || x > k->max || (whole && x != floor(x)))
        return err_set(e, "'%.60s' is no %s from %.10g to %.10g", value,
                       whole ? "whole number" : "number", k->min, k->max);
    if (whole)
        *(int *)to = (int)x;
    else
        *(double *)to = x;
    return 0;
}

static int set_size(int to[2], const struct settings_key *k, const char *value, struct err *e)
{
    int n[2] = {0}, used = 0, sides = sscanf(value, "%5d%n", &n[0], &used);
    if (sides == 1 && (value[used] == 'x' || value[used] == 'X')) {
        int more = 0;
        sides = sscanf(value + used + 1, "%5d%n", &n[1], &more);
        used += 1 + more;
    } else {
        n[1] = n[0];
    }
    bool bad = sides < 1 || value[used] || strspn(value, "0123456789xX") != strlen(value);
    if (bad || n[0] < k->min || n[1] < k->min || n[0] > k->max || n[1] > k->max)
        return err_set(e, "'%.60s' is no size; write WIDTHxHEIGHT, %g to %g pixels each", value,
                       k->min, k->max);
    to[0] = n[0], to[1] = n[1];
    return 0;
}

static int set_seed(struct settings *s, const char *value, struct err *e)
{
    char *end;
    s->random_seed = !strcmp(value, "random") || !strcmp(value, "-1");
    if (s->random_seed)
        return 0;
    errno = 0;
    s->seed = strtoull(value, &end, 10);
    if (end == value || *end || errno || strspn(value, "0123456789") != strlen(value))
        return err_set(e,
                       "'%.60s' is no seed; write a number from 0 to 18446744073709551615, "
                       "or random",
                       value);
    return 0;
}

static int set_flag(bool *to, const char *value, struct err *e)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (int i = 0; i < 8; i++) {
        if (!strcasecmp(value, words[i])) {
            *to = i % 2;
            return 0;
        }
    }
    return err_set(e, "'%.60s' is neither yes nor no", value);
}

/* A limit that is none is told where it is written. */
static int check_limit(const struct settings_key *k, const char *value, struct err *e)
{
    size_t bytes;
    double percent;
    return strcmp(k->name, "memory-limit") ? 0 : memory_limit_read(value, &bytes, &percent, e);
}

static int set_key(struct settings *s, int i, const char *value, struct err *e)
{
    const struct settings_key *k = &table[i];
    void *to = field(s, k);
    int rc = 0;
    if (!*value && k->type != KEY_TEXT)
        return err_set(e, "%s has no value", k->name);
    switch (k->type) {
    case KEY_TEXT:
        rc = finish_check(k->name, value, e) || check_limit(k, value, e) ? -1
                                                                         : put_text(to, value, e);
        break;
    case KEY_CHOICE:
        rc = set_choice(to, k, value, e);
        break;
    case KEY_INT:
    case KEY_REAL:
        rc = set_number(to, k, value, e);
        break;
    case KEY_SIZE:
        rc = set_size(to, k, value, e);
        break;
    case KEY_SEED:
        rc = set_seed(s, value, e);
        break;
    case KEY_FLAG:
        rc = set_flag(to, value, e);
        break;
    }
    if (!rc)
        s->said[i] = true;
    return rc;
}

int settings_set(struct settings *s, const char *key, const char *value, struct err *e)
{
    const char *other, *means;
    int i = settings_key_index(key), sampler = -1;
    if (i >= 0 && table[i].choice == sampler_name)
        sampler = sampler_of_pair(value, &other, &means);
    if (sampler >= 0 && settings_set(s, other, means, e))
        return -1;
    if (i >= 0)
        return set_key(s, i, sampler >= 0 ? sampler_name(sampler) : value, e);
    const char *near = suggest(key, key_name, NULL);
    return err_set(e, "there is no setting '%.60s'%s%s%s", key, near ? "; did you mean '" : "",
                   near ? near : "", near ? "'?" : "");
}

bool settings_has(const struct settings *s, const char *key)
{
    int i = settings_key_index(key);
    assert(i >= 0);
    return s->said[i];
}

bool settings_any(const struct settings *s)
{
    return memchr(s->said, true, sizeof s->said);
}

int settings_fill(struct settings *s, const struct settings *from, struct err *e)
{
    for (int i = 0; i < KEYS; i++) {
        const struct settings_key *k = &table[i];
        void *to = field(s, k), *value = field(from, k);
        if (!from->said[i] || s->said[i])
            continue;
        if (k->type == KEY_TEXT || k->type == KEY_CHOICE) {
            if (put_text(to, *(char **)value, e))
                return -1;
        } else {
            size_t size = k->type == KEY_SIZE   ? 2 * sizeof(int)
                          : k->type == KEY_INT  ? sizeof(int)
                          : k->type == KEY_REAL ? sizeof(double)
                          : k->type == KEY_SEED ? sizeof(uint64_t)
                                                : sizeof(bool);
            memcpy(to, value, size);
        }
        if (k->type == KEY_SEED)
            s->random_seed = from->random_seed;
        s->said[i] = true;
    }
    return 0;
}

int settings_draw_seed(struct settings *s, struct err *e)
{
    uint32_t seed;
    char text[16];
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        return err_set(e, "the system gives no random numbers; choose a seed yourself");
    snprintf(text, sizeof text, "%u", seed);
    return settings_set(s, "seed", text, e);
}

void settings_unset(struct settings *s, const char *key)
{
    int i = settings_key_index(key);
    assert(i >= 0);
    if (table[i].type == KEY_TEXT || table[i].type == KEY_CHOICE) {
        free(*(char **)field(s, &table[i]));
        *(char **)field(s, &table[i]) = NULL;
    }
    s->said[i] = false;
}

void settings_free(struct settings *s)
{
    for (int i = 0; i < KEYS; i++)
        if (table[i].type == KEY_TEXT || table[i].type == KEY_CHOICE)
            free(*(char **)field(s, &table[i]));
    memset(s, 0, sizeof *s);
}

const char *settings_text(const struct settings *s, const char *key)
{
    int i = settings_key_index(key);
    assert(i >= 0 && (table[i].type == KEY_TEXT || table[i].type == KEY_CHOICE));
    return s->said[i] ? *(char *const *)field(s, &table[i]) : NULL;
}

void settings_print(const struct settings *s, const char *key, char *out, size_t size)
{
    int i = settings_key_index(key);
    assert(i >= 0);
    const void *at = field(s, &table[i]);
    *out = '\0';
    if (!s->said[i])
        return;
    switch (table[i].type) {
    case KEY_TEXT:
    case KEY_CHOICE:
        snprintf(out, size, "%s", *(char *const *)at);
        break;
    case KEY_INT:
        snprintf(out, size, "%d", *(const int *)at);
        break;
    case KEY_REAL:
        snprintf(out, size, "%g", *(const double *)at);
        break;
    case KEY_SIZE:
        snprintf(out, size, "%dx%d", ((const int *)at)[0], ((const int *)at)[1]);
        break;
    case KEY_SEED:
        if (s->random_seed)
            snprintf(out, size, "random");
        else
            snprintf(out, size, "%llu", (unsigned long long)s->seed);
        break;
    case KEY_FLAG:
        snprintf(out, size, "%s", *(const bool *)at ? "yes" : "no");
        break;
    }
}
