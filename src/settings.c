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
CHOICES(prepare_choice, "none", "canny", "invert")
CHOICES(background_choice, "cut", "keep")

#define ROW(name, type, field, min, max, choice, group, label, help, pick)                         \
    {                                                                                              \
        name, type, offsetof(struct settings, field), min, max, choice, help, group, label, pick   \
    }

/* A key of each type: its name, its member of struct settings, what it can be; then where the app
 * shows it, under which label, and the line of help. */
#define TEXT(name, field, group, label, help)                                                      \
    ROW(name, KEY_TEXT, field, 0, 0, NULL, group, label, help, PICK_NONE)
#define PICKED(name, field, pick, group, label, help)                                              \
    ROW(name, KEY_TEXT, field, 0, 0, NULL, group, label, help, pick)
#define CHOICE(name, field, choice, group, label, help)                                            \
    ROW(name, KEY_CHOICE, field, 0, 0, choice, group, label, help, PICK_NONE)
#define INT(name, field, min, max, group, label, help)                                             \
    ROW(name, KEY_INT, field, min, max, NULL, group, label, help, PICK_NONE)
#define REAL(name, field, min, max, group, label, help)                                            \
    ROW(name, KEY_REAL, field, min, max, NULL, group, label, help, PICK_NONE)
#define SIZE(name, field, min, max, group, label, help)                                            \
    ROW(name, KEY_SIZE, field, min, max, NULL, group, label, help, PICK_NONE)
#define SEED(name, field, group, label, help)                                                      \
    ROW(name, KEY_SEED, field, 0, 0, NULL, group, label, help, PICK_NONE)
#define FLAG(name, field, group, label, help)                                                      \
    ROW(name, KEY_FLAG, field, 0, 0, NULL, group, label, help, PICK_NONE)

/* In the order in which the app lists them, group by group. */
static const struct settings_key table[] = {
    TEXT("prompt", prompt, GROUP_NONE, "prompt",
         "words around every prompt, which goes to {prompt}"),
    TEXT("negative", negative, GROUP_NONE, "negative", "what the picture should not show"),
    SEED("seed", seed, GROUP_PICTURE, "seed", "same seed, same picture; or random"),
    SIZE("size", width, 8, 16384, GROUP_PICTURE, "size",
         "width and height of the picture in pixels"),
    INT("steps", steps, 1, MAX_STEPS, GROUP_PICTURE, "steps", "sampling steps"),
    REAL("cfg", cfg, 0, 100, GROUP_PICTURE, "cfg", "guidance: how closely to follow the prompt"),
    CHOICE("sampler", sampler, sampler_name, GROUP_PICTURE, "sampler",
           "the rule by which a step takes noise away"),
    CHOICE("scheduler", scheduler, schedule_name, GROUP_PICTURE, "schedule",
           "how the noise level falls over the steps"),
    INT("batch", batch, 1, 64, GROUP_PICTURE, "batch", "pictures to make at once"),
    CHOICE("compat", compat, compat_name, GROUP_NOISE, "compat",
           "the tool whose prompts, seeds and noise are followed"),
    CHOICE("rng", rng, rng_name, GROUP_NOISE, "random from",
           "random numbers of a CPU or a GPU; auto: as compat's tool"),
    TEXT("sigmas", sigmas, GROUP_NOISE, "sigmas",
         "falling noise levels, in place of steps and scheduler"),
    PICKED("styles", styles, PICK_STYLES, GROUP_TEXT, "styles",
           "styles of styles.csv to add to the prompts"),
    FLAG("dynamic", dynamic, GROUP_TEXT, "wildcards", "expand {a|b} and __wildcard__ in prompts"),
    INT("wildcard-seed", wildcard_seed, 0, INT_MAX, GROUP_TEXT, "wildcard seed",
        "what {a|b} and wildcards pick; else the seed decides"),
    INT("clip-skip", clip_skip, -32, 32, GROUP_TEXT, "clip skip",
        "text encoder layer from the end; 0: SDXL's own, the 2nd"),
    CHOICE("empty-negative", empty_negative, empty_negative_name, GROUP_TEXT, "no negative",
           "without a negative prompt: zeros, or \"\" encoded"),
    PICKED("model", model, PICK_MODEL, GROUP_MODEL, "model",
           "a model's name, its folder or its .safetensors file"),
    PICKED("lora", lora, PICK_LORAS, GROUP_MODEL, "LoRA", "LoRAs: name:0.8, other:te=0.5:unet=1"),
    PICKED("tokenizer", tokenizer, PICK_FOLDER, GROUP_MODEL, "tokenizer",
           "folder of the vocabulary, for models that bring none"),
    PICKED("image", image, PICK_IMAGE, GROUP_IMAGE, "image",
           "PNG to start from, fitted to the size"),
    REAL("denoise", denoise, 0, 1, GROUP_IMAGE, "denoise",
         "share of the image that is made new (strength)"),
    CHOICE("fit", fit, fit_choice, GROUP_IMAGE, "fit", "how an image of another shape is fitted"),
    TEXT("backdrop", backdrop, GROUP_IMAGE, "backdrop",
         "colour behind a transparent image; auto: the model's"),
    PICKED("mask", mask, PICK_IMAGE, GROUP_IMAGE, "mask", "PNG: white is made anew, black stays"),
    REAL("mask-blur", mask_blur, 0, 64, GROUP_IMAGE, "mask blur",
         "pixels by which the mask's edge is softened"),
    INT("mask-grow", mask_grow, -256, 256, GROUP_IMAGE, "mask grow",
        "pixels by which the mask grows; negative: shrinks"),
    CHOICE("mask-content", mask_content, content_name, GROUP_IMAGE, "under mask",
           "what lies under the mask at the start"),
    REAL("hires", hires, 1, 8, GROUP_IMAGE, "hires",
         "second pass, this many times larger; 1: none"),
    SIZE("hires-size", hires_size, 8, 16384, GROUP_IMAGE, "hires size", "second pass at this size"),
    CHOICE("hires-upscale", hires_upscale, upscale_name, GROUP_IMAGE, "hires upscale",
           "how the picture is enlarged for the second pass"),
    REAL("hires-denoise", hires_denoise, 0, 1, GROUP_IMAGE, "hires denoise",
         "share of the picture that the second pass makes new"),
    INT("hires-steps", hires_steps, 0, MAX_STEPS, GROUP_IMAGE, "hires steps",
        "steps of the second pass; 0: as many as steps"),
    PICKED("control", control, PICK_CONTROL, GROUP_CONTROL, "control",
           "a ControlNet: its name, folder or .safetensors file"),
    PICKED("control-image", control_image, PICK_IMAGE, GROUP_CONTROL, "control image",
           "PNG that the ControlNet follows: edges, a pose, depth"),
    CHOICE("control-type", control_type, control_type_name, GROUP_CONTROL, "control type",
           "what a ControlNet Union is told of its picture"),
    CHOICE("control-prepare", control_prepare, prepare_choice, GROUP_CONTROL, "prepare",
           "canny: the picture's edges; invert: its dark lines, light"),
    INT("control-low", control_low, 0, 2000, GROUP_CONTROL, "canny low",
        "canny: an edge goes on where it is stronger than this"),
    INT("control-high", control_high, 0, 2000, GROUP_CONTROL, "canny high",
        "canny: an edge begins where it is stronger than this"),
    REAL("control-strength", control_strength, 0, 10, GROUP_CONTROL, "strength",
         "how much the ControlNet says; 1: as it was trained"),
    REAL("control-start", control_start, 0, 1, GROUP_CONTROL, "control from",
         "share of the schedule at which it begins"),
    REAL("control-end", control_end, 0, 1, GROUP_CONTROL, "control until",
         "share of the schedule at which it ends"),
    CHOICE("tiling", tiling, tiling_name, GROUP_PICTURE, "tiling",
           "make edges that meet when the picture is repeated"),
    PICKED("vae", vae, PICK_WEIGHTS, GROUP_MODEL, "vae",
           "a VAE in place of the model's own: file or folder"),
    PICKED("refiner", refiner, PICK_MODEL, GROUP_MODEL, "refiner",
           "an SDXL refiner for the last steps"),
    REAL("refiner-switch", refiner_switch, 0, 1, GROUP_MODEL, "refiner at",
         "share of the schedule before the refiner takes over"),
    REAL("aesthetic", aesthetic, 0, 10, GROUP_GUIDANCE, "aesthetic",
         "aesthetic score that the refiner is told"),
    REAL("negative-aesthetic", negative_aesthetic, 0, 10, GROUP_GUIDANCE, "neg. aesth.",
         "the same score for the negative prompt"),
    REAL("cfg-rescale", cfg_rescale, 0, 1, GROUP_GUIDANCE, "cfg rescale",
         "against the burnt colours of a high cfg; 0: off"),
    REAL("cfg-start", cfg_start, 0, 1, GROUP_GUIDANCE, "cfg from",
         "share of the steps at which guidance begins"),
    REAL("cfg-end", cfg_end, 0.001, 1, GROUP_GUIDANCE, "cfg until",
         "share at which it ends; steps behind it are faster"),
    SIZE("original-size", original_size, 1, 16384, GROUP_GUIDANCE, "told size",
         "original size that the model is told (else the size)"),
    SIZE("crop", crop, 0, 16384, GROUP_GUIDANCE, "told crop",
         "left and top crop that the model is told"),
    SIZE("target-size", target_size, 1, 16384, GROUP_GUIDANCE, "told target",
         "size after the crop that the model is told"),
    CHOICE("device", device, device_choice, GROUP_MACHINE, "device",
           "what computes; also a list, cpu*2, cuda:all, redis://HOST"),
    CHOICE("precision", precision, precision_choice, GROUP_MACHINE, "precision",
           "number format of weights and activations"),
    CHOICE("memory", memory, memory_name, GROUP_MACHINE, "memory", "trade speed for memory"),
    INT("threads", threads, 0, 1024, GROUP_MACHINE, "threads", "CPU threads; 0: one for each core"),
    CHOICE("policy", policy, policy_choice, GROUP_MACHINE, "policy",
           "which of several devices gets a job"),
    INT("max-steps", max_steps, 0, MAX_STEPS, GROUP_MACHINE, "max steps",
        "never more steps than this, whatever asks; 0: no limit"),
    CHOICE("attention", attention, attention_name, GROUP_TUNING, "attention",
           "attention scores: in cache, in whole rows, in memory"),
    CHOICE("vae-slicing", vae_slicing, switch_name, GROUP_TUNING, "vae slicing",
           "decode the pictures of a batch one by one"),
    CHOICE("vae-tiling", vae_tiling, switch_name, GROUP_TUNING, "vae tiling",
           "decode large pictures in tiles; auto: by memory mode"),
    INT("vae-tile", vae_tile, 0, 8192, GROUP_TUNING, "vae tile",
        "side of a tile in pixels, from 128; 0: by memory mode"),
    CHOICE("offload", offload, switch_name, GROUP_TUNING, "offload",
           "text encoders leave memory once the prompt is read"),
    CHOICE("stream", stream, switch_name, GROUP_TUNING, "stream",
           "weights come for each call and leave again; slow"),
    CHOICE("weights", weights, weights_name, GROUP_TUNING, "weights",
           "CPU, fp32: those of 16 bits stay so, widened for each call"),
    TEXT("memory-limit", memory_limit, GROUP_TUNING, "memory limit",
         "most memory to hold: 6GB, 75%; else what is free"),
    CHOICE("fold", fold, switch_name, GROUP_TUNING, "fold",
           "upsampling and convolution as one, in 4/9 of the work"),
    CHOICE("hoist", hoist, switch_name, GROUP_TUNING, "hoist", "compute once what all steps share"),
    CHOICE("graph", graph, switch_name, GROUP_TUNING, "graph",
           "GPU: record a step once as a CUDA graph and replay it"),
    CHOICE("autotune", autotune, autotune_name, GROUP_TUNING, "autotune",
           "GPU: find algorithms by measuring, by rule, or not"),
    CHOICE("tf32", tf32, tf32_choice, GROUP_TUNING, "tf32",
           "GPU: multiply fp32 with 10 bits of fraction, much faster"),
    CHOICE("nhwc", nhwc, switch_name, GROUP_TUNING, "nhwc",
           "CPU: convolutions over channels last; off: planes, slower"),
    CHOICE("winograd", winograd, switch_name, GROUP_TUNING, "winograd",
           "CPU: 3x3 convolutions with 16 products in place of 36"),
    FLAG("raw", raw, GROUP_FINISH, "raw", "the decoded picture as it is, unfinished"),
    TEXT("cell", cell, GROUP_FINISH, "cell", "side of a cell in pixels; auto finds it; 7.5; none"),
    SIZE("pixels", pixels, 0, IMAGE_MAX_SIDE, GROUP_FINISH, "pixels",
         "cells across and down, in place of their side"),
    CHOICE("method", method, cell_method_name, GROUP_FINISH, "method",
           "how a cell becomes one pixel"),
    CHOICE("background", background, background_choice, GROUP_FINISH, "background",
           "cut the background to transparent, or keep it"),
    REAL("tolerance", tolerance, 0, 1, GROUP_FINISH, "tolerance",
         "how far the background may vary (Oklab); 0: measured"),
    CHOICE("fringe", fringe, background_choice, GROUP_FINISH, "fringe",
           "pixels that mix background and outline: cut or keep"),
    FLAG("holes", holes, GROUP_FINISH, "holes", "cut enclosed places of the background as well"),
    TEXT("colors", colors, GROUP_FINISH, "colors",
         "at most this many colours; auto chooses, all keeps them"),
    PICKED("palette", palette, PICK_PALETTE, GROUP_FINISH, "palette",
           "palette by name or file, in place of chosen colours"),
    CHOICE("dither", dither, dither_name, GROUP_FINISH, "dither",
           "mix colours that the palette lacks"),
    FLAG("lock", lock, GROUP_FINISH, "lock", "one palette for all images of a batch"),
    TEXT("swap", swap, GROUP_FINISH, "swap", "recolour: a palette's colours become another's"),
    TEXT("clean", clean, GROUP_FINISH, "clean", "mend faults: near, lone, double, jagged, or all"),
    CHOICE("outline", outline, outline_name, GROUP_FINISH, "outline",
           "draw one pixel of outline, inside or around the sprite"),
    TEXT("outline-color", outline_color, GROUP_FINISH, "line colour",
         "colour of the outline; auto: the sprite's darkest"),
    FLAG("trim", trim, GROUP_FINISH, "trim", "cut transparent borders off"),
    INT("pad", pad, 0, IMAGE_MAX_SIDE / 2, GROUP_FINISH, "pad",
        "transparent pixels to add on each side"),
    SIZE("canvas", canvas, 0, IMAGE_MAX_SIDE, GROUP_FINISH, "canvas",
         "size of the result; the sprite is not enlarged"),
    FLAG("power-of-two", power_of_two, GROUP_FINISH, "power of 2",
         "widen both sides to powers of two"),
    CHOICE("anchor", anchor, anchor_name, GROUP_FINISH, "anchor",
           "put the sprite in the middle, or its feet at the bottom"),
    TEXT("output", output, GROUP_NONE, "output", "file to write"),
};
enum { KEYS = sizeof table / sizeof *table };
_Static_assert((int)KEYS <= (int)SETTINGS_MAX, "settings.said has room for each key");

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
    bool random = !strcmp(value, "random") || !strcmp(value, "-1");
    errno = 0;
    uint64_t seed = random ? s->seed : strtoull(value, &end, 10);
    if (!random && (end == value || *end || errno || strspn(value, "0123456789") != strlen(value)))
        return err_set(e,
                       "'%.60s' is no seed; write a number from 0 to 18446744073709551615, "
                       "or random",
                       value);
    s->random_seed = random;
    s->seed = seed;
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
