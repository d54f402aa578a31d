/*
 * Settings: what a job can be told, from config files, presets and flags alike.
 *
 * One table (settings_key) has a row a setting: name, type, range, help. The INI reader, the
 * command line and `--help` all go through it, so a value is checked in one place and complained
 * about in the same words, with the file and line, or the flag, in front.
 *
 * A `struct settings` remembers which of its values were said. Layers are laid under each other
 * with settings_fill: flags, then the preset, then the user's config, then the model's own.
 */
#ifndef SPRITTY_CONFIG_H
#define SPRITTY_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { SETTINGS_MAX = 128 };

struct settings {
    bool said[SETTINGS_MAX]; /* has the key of row i a value? */
    char *model, *tokenizer, *lora, *prompt, *negative, *sampler, *scheduler, *device, *policy,
        *precision, *memory;
    char *sigmas, *compat, *rng, *output;
    char *image, *mask, *mask_content, *fit, *backdrop, *hires_upscale, *refiner, *tiling, *vae;
    int steps, max_steps, batch, threads, width, height;
    int mask_grow, hires_steps, hires_size[2], original_size[2], crop[2], target_size[2];
    double cfg, cfg_rescale, cfg_start, cfg_end, denoise, mask_blur, hires, hires_denoise;
    double refiner_switch, aesthetic, negative_aesthetic;
    char *control, *control_image, *control_type, *control_prepare;
    int control_low, control_high;
    double control_strength, control_start, control_end;
    char *empty_negative, *styles;
    char *attention, *autotune, *tf32, *nhwc, *winograd, *fold, *hoist, *graph, *vae_slicing,
        *vae_tiling;
    char *offload, *stream, *memory_limit, *weights;
    int vae_tile;
    int clip_skip, wildcard_seed;
    uint64_t seed;
    bool random_seed, raw, dynamic;
    /* Finishing (engine/finishing.h). */
    char *cell, *method, *colors, *palette, *dither, *swap, *background, *fringe, *clean, *outline;
    char *outline_color, *anchor;
    int pixels[2], canvas[2], pad;
    double tolerance;
    bool holes, lock, trim, power_of_two;
};

enum key_type {
    KEY_TEXT,
    KEY_CHOICE, /* one of a list of names */
    KEY_INT,
    KEY_REAL,
    KEY_SIZE, /* WxH, or N for a square */
    KEY_SEED, /* 0 to 2^64 - 1, or "random" */
    KEY_FLAG, /* yes or no */
};

/* Where the app shows a setting; the order is the panel's. */
enum settings_group {
    GROUP_NONE, /* nowhere: it has a place of its own (prompt), or is none of the app's (output) */
    GROUP_PICTURE,
    GROUP_MODEL,
    GROUP_IMAGE,   /* image to image, masks, second passes */
    GROUP_CONTROL, /* a picture that a ControlNet follows */
    GROUP_GUIDANCE,
    GROUP_NOISE, /* what a seed means */
    GROUP_TEXT,  /* how the prompt is read */
    GROUP_FINISH,
    GROUP_MACHINE,
    GROUP_TUNING, /* each optimisation as a switch: ops/tuning.h */
    GROUPS
};

/* What the app offers beside typing a text; types other than KEY_TEXT have PICK_NONE. */
enum settings_pick {
    PICK_NONE,    /* it is typed */
    PICK_MODEL,   /* a name of engine_models, or a file or folder */
    PICK_IMAGE,   /* the path of a picture */
    PICK_WEIGHTS, /* of a .safetensors file */
    PICK_CONTROL, /* a name in the controlnets folder, or a file or folder */
    PICK_FOLDER,
    PICK_LORAS,   /* files of the loras folder, each with a weight */
    PICK_STYLES,  /* names of styles.csv */
    PICK_PALETTE, /* a palette's name or file */
};

struct settings_key {
    const char *name;
    enum key_type type;
    size_t at; /* offset in struct settings (of the width, of the seed) */
    double min, max;
    const char *(*choice)(int i); /* KEY_CHOICE: NULL past the end */
    const char *help;
    enum settings_group group;
    const char *label; /* the app's name for it: at most 13 columns, finishing's 11 */
    enum settings_pick pick;
};

/* What other tools call a choice ("DPM++ 2M"); NULL where that is nothing else, or not known. */
const char *settings_choice_label(const struct settings_key *, int i);

/* Names of other tools that stand for a value of it and of another setting, which settings_set
 * takes for both: "DPM++ 2M Karras" sets the sampler and its schedule, "dpmpp_sde_gpu" the sampler
 * and rng. NULL past the end. */
const char *settings_choice_pair(const struct settings_key *, int i);

/* "Picture", as the app heads its group. */
const char *settings_group_title(enum settings_group);

/* Row i, or NULL past the end. Index by name, or -1. */
const struct settings_key *settings_key(int i);
int settings_key_index(const char *name);

/* Sets one value from text. The error says which values are allowed; the caller puts the place in
 * front of it. */
int settings_set(struct settings *, const char *key, const char *value, struct err *);
bool settings_has(const struct settings *, const char *key);
bool settings_any(const struct settings *); /* was anything said? */
/* A new seed of 32 bits, as other tools draw them: short enough to read out. -1: the system gives
 * none. */
int settings_draw_seed(struct settings *, struct err *);
/* As if it had never been said. */
void settings_unset(struct settings *, const char *key);
/* Copies what `from` says and `s` does not. -1: no memory. */
int settings_fill(struct settings *s, const struct settings *from, struct err *);
void settings_free(struct settings *);

/* The value of a text or choice, or NULL when it was not said. */
const char *settings_text(const struct settings *, const char *key);

/* Writes "size" and so on as config files have it; "" for a value that was not said. */
void settings_print(const struct settings *, const char *key, char *out, size_t size);

/* Everything that was said, as the database keeps it: one "key = value" a line (malloc'd; NULL
 * without memory). And back: -1 for text that another version wrote. */
char *settings_to_text(const struct settings *);
int settings_from_text(struct settings *, const char *text, struct err *);

/* A message as the app says it: options in it are settings under their labels ("--mask-grow" is
 * 'mask grow', "-m" 'model'), and `spritty pull` its key. Cut where there is no room. */
void settings_in_app(const char *text, char *out, size_t size);

struct preset {
    char *name, *base; /* base: preset that this one starts from, or NULL */
    char *about;       /* what it is for, in a line, or NULL */
    char *where;       /* FILE:LINE of its first line */
    struct settings values;
};

struct config {
    struct settings defaults; /* [defaults] */
    struct preset *presets;
    int count;
};

/* Reads one file over what is there: its values win. Any mistake is an error that names file and
 * line. A text may stand in quotes, for what INI files cannot say otherwise: \n is a line break, \s
 * a space; \", \\ and \; are themselves; a backslash at a line's end joins the next without a
 * space. */
int config_read(struct config *, const char *path, struct err *);
int config_parse(struct config *, const char *text, size_t size, const char *name, struct err *);

/* The shipped config.ini, then the user's; a file that is not there is no mistake. */
int config_load(struct config *, struct err *);
void config_free(struct config *);

/* Fills `s` with a preset and all that it is based on. Unknown names and circles are errors. */
int config_preset(const struct config *, const char *name, struct settings *s, struct err *);

#endif
