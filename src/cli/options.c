/* The tables of commands and options, and the parser over them; see options.h. */
#include "cli/options.h"

#include <assert.h>
#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "cli/options_table.h"

static const struct cli_command commands[] = {
    {"gen", "PROMPT", "make sprites from a prompt", 1, 1, cmd_gen},
    {"plan", "[PROMPT]", "forecast time and memory, computing nothing", 0, 1, cmd_plan},
    {"info", "FILE-or-NAME", "show what a model or a PNG holds", 1, 1, cmd_info},
    {"doctor", "", "check the machine and the installation", 0, 0, cmd_doctor},
    {"finish", "IN.png...", "make sprites of any pictures: grid, background, palette", 1, 999,
     cmd_finish},
    {"sheet", "IN.png...", "put sprites into one picture, and animate them", 1, 999, cmd_sheet},
    {"batch", "FILE.jsonl", "make many jobs from a file (JSON lines or CSV; - is stdin)", 1, 1,
     cmd_batch},
    {"bench", "[SAVED.json]", "measure speed, or show a saved result", 0, 1, cmd_bench},
    {"profile", "[PROMPT]", "show where a run's time and memory go, by layer and operation", 0, 1,
     cmd_profile},
    {"import", "FILE", "turn a ComfyUI or A1111 picture, workflow or text into a preset", 1, 1,
     cmd_import},
    {"pull", "[NAME]", "download a model; without a name, list them", 0, 1, cmd_pull},
    {"worker", "", "take jobs from a queue, beside other workers", 0, 0, cmd_worker},
    {"export", "SPRITE.png", "write a ComfyUI workflow that makes a sprite", 1, 1, cmd_export},
    {"tile", "IN.png...", "check whether a picture tiles: its seams, and 2x2 of it", 1, 999,
     cmd_tile},
    {"variants", "PROMPT", "make directions, sizes or recolours of one thing", 1, 1, cmd_variants},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

/* Which commands an option is for: bits in the order of the commands. */
enum {
    GEN = 1 << 0,
    PLAN = 1 << 1,
    INFO = 1 << 2,
    DOCTOR = 1 << 3,
    FINISH = 1 << 4,
    SHEET = 1 << 5,
    BATCH = 1 << 6,
    BENCH = 1 << 7,
    PROFILE = 1 << 8,
    IMPORT = 1 << 9,
    PULL = 1 << 10,
    WORKER = 1 << 11,
    EXPORT = 1 << 12,
    TILE = 1 << 13,
    VARIANTS = 1 << 14,
    JOB = GEN | PLAN | BATCH | BENCH | PROFILE | IMPORT | VARIANTS,
    FINISHED = GEN | FINISH | BATCH | IMPORT | VARIANTS,
    ALL = (1 << COMMANDS) - 1,
    PROGRAM = 0 /* without a command */
};

/* A setting (config.h), which has its words from there; the same under another name; a text in
 * struct cli; a switch there. */
#define SETTING(letter, name, arg, commands)                                                       \
    {                                                                                              \
        letter, name, arg, name, 0, commands, NULL                                                 \
    }
#define ALIAS(name, key, arg, commands)                                                            \
    {                                                                                              \
        0, name, arg, key, 0, commands, "the same as --" key                                       \
    }
#define VALUE(letter, name, arg, field, commands, help)                                            \
    {                                                                                              \
        letter, name, arg, NULL, offsetof(struct cli, field), commands, help                       \
    }
#define SWITCH(letter, name, field, commands, help)                                                \
    {                                                                                              \
        letter, name, NULL, NULL, offsetof(struct cli, field), commands, help                      \
    }

static const struct option_row table[] = {
    SETTING('o', "output", "FILE",
            GEN | FINISH | SHEET | BATCH | IMPORT | EXPORT | TILE | VARIANTS),
    VALUE('p', "preset", "NAME", preset, JOB | FINISH, "a preset of config.ini"),
    SETTING('n', "negative", "TEXT", JOB),
    SETTING('s', "seed", "N", GEN | BATCH | PROFILE | IMPORT | VARIANTS),
    SETTING(0, "steps", "N", JOB),
    SETTING(0, "max-steps", "N", JOB),
    SETTING(0, "cfg", "X", JOB),
    SETTING(0, "size", "WxH", JOB),
    SETTING(0, "batch", "N", JOB),
    SETTING(0, "sampler", "NAME", JOB),
    SETTING(0, "scheduler", "NAME", JOB),
    SETTING(0, "sigmas", "LIST", JOB),
    SETTING(0, "compat", "comfyui|a1111|diffusers", JOB),
    SETTING(0, "rng", "auto|cpu|gpu", JOB),
    SETTING(0, "styles", "LIST", JOB),
    SETTING(0, "dynamic", "yes|no", JOB),
    SETTING(0, "wildcard-seed", "N", JOB),
    SETTING(0, "clip-skip", "N", JOB),
    SETTING(0, "empty-negative", "auto|zeros|encode", JOB),
    SETTING(0, "image", "FILE", JOB),
    SETTING(0, "denoise", "X", JOB),
    ALIAS("strength", "denoise", "X", JOB),
    SETTING(0, "fit", "crop|stretch|pad", JOB),
    SETTING(0, "backdrop", "RRGGBB|auto", JOB),
    SETTING(0, "mask", "FILE", JOB),
    SETTING(0, "mask-blur", "X", JOB),
    SETTING(0, "mask-grow", "N", JOB),
    SETTING(0, "mask-content", "original|grey|noise|nothing", JOB),
    SETTING(0, "hires", "X", JOB),
    SETTING(0, "hires-size", "WxH", JOB),
    SETTING(0, "hires-upscale", "NAME", JOB),
    SETTING(0, "hires-denoise", "X", JOB),
    SETTING(0, "hires-steps", "N", JOB),
    SETTING(0, "control", "PATH-or-NAME", JOB),
    SETTING(0, "control-image", "FILE", JOB),
    SETTING(0, "control-type", "NAME", JOB),
    SETTING(0, "control-prepare", "none|canny|invert", JOB),
    SETTING(0, "control-low", "N", JOB),
    SETTING(0, "control-high", "N", JOB),
    SETTING(0, "control-strength", "X", JOB),
    SETTING(0, "control-start", "X", JOB),
    SETTING(0, "control-end", "X", JOB),
    SETTING(0, "tiling", "off|x|y|xy", JOB),
    SETTING(0, "vae", "PATH", JOB),
    SETTING(0, "refiner", "PATH-or-NAME", JOB),
    SETTING(0, "refiner-switch", "X", JOB),
    SETTING(0, "aesthetic", "X", JOB),
    SETTING(0, "negative-aesthetic", "X", JOB),
    SETTING(0, "cfg-rescale", "X", JOB),
    SETTING(0, "cfg-start", "X", JOB),
    SETTING(0, "cfg-end", "X", JOB),
    SETTING(0, "original-size", "WxH", JOB),
    SETTING(0, "crop", "LEFTxTOP", JOB),
    SETTING(0, "target-size", "WxH", JOB),
    SETTING('m', "model", "PATH-or-NAME", JOB | INFO | DOCTOR | WORKER),
    SETTING(0, "lora", "NAME:X", JOB),
    SETTING(0, "tokenizer", "DIR", JOB),
    SETTING('d', "device", "auto|cpu|cuda|cuda:N|redis://HOST|LIST", JOB | WORKER),
    SETTING(0, "policy", "least_busy|round_robin|random", JOB),
    SETTING(0, "precision", "auto|fp32|bf16|fp16|fp8", JOB),
    SETTING(0, "memory", "auto|speed|balanced|constrained", JOB),
    SETTING(0, "attention", "auto|flash|tiled|sliced", JOB),
    SETTING(0, "vae-slicing", "auto|on|off", JOB),
    SETTING(0, "vae-tiling", "auto|on|off", JOB),
    SETTING(0, "vae-tile", "N", JOB),
    SETTING(0, "offload", "auto|on|off", JOB),
    SETTING(0, "stream", "auto|on|off", JOB),
    SETTING(0, "memory-limit", "BYTES|N%", JOB),
    SETTING(0, "fold", "auto|on|off", JOB),
    SETTING(0, "hoist", "auto|on|off", JOB),
    SETTING(0, "graph", "auto|on|off", JOB),
    SETTING(0, "autotune", "measure|heuristic|off", JOB),
    SETTING(0, "tf32", "on|off", JOB),
    SETTING(0, "weights", "auto|full|half", JOB),
    SETTING(0, "nhwc", "auto|on|off", JOB),
    SETTING(0, "winograd", "auto|on|off", JOB),
    SETTING('t', "threads", "N", JOB | WORKER),
    SETTING(0, "raw", NULL, GEN | BATCH | IMPORT),
    SETTING(0, "cell", "N|auto|none", FINISHED),
    SETTING(0, "pixels", "WxH", FINISHED),
    SETTING(0, "method", "centroid|dominant|centre|mean", FINISHED),
    SETTING(0, "background", "cut|keep", FINISHED),
    SETTING(0, "tolerance", "X", FINISHED),
    SETTING(0, "fringe", "cut|keep", FINISHED),
    SETTING(0, "holes", NULL, FINISHED),
    SETTING(0, "colors", "N|auto|all", FINISHED | SHEET),
    {0, "palette", "NAME-or-FILE", "palette", 0, FINISHED | SHEET,
     "pico-8, gameboy, nes, c64, endesga-32, or a file"},
    SETTING(0, "dither", "none|bayer2|bayer4|bayer8|floyd", FINISHED | SHEET),
    SETTING(0, "lock", NULL, FINISHED),
    SETTING(0, "swap", "FROM=TO", FINISHED),
    SETTING(0, "clean", "LIST", FINISHED),
    SETTING(0, "outline", "none|inner|outer", FINISHED),
    SETTING(0, "outline-color", "RRGGBB", FINISHED),
    SETTING(0, "trim", NULL, FINISHED),
    SETTING(0, "pad", "N", FINISHED),
    SETTING(0, "canvas", "WxH", FINISHED),
    SETTING(0, "power-of-two", NULL, FINISHED),
    SETTING(0, "anchor", "none|centre|feet", FINISHED),
    VALUE(0, "show-diff", "FILE", show_diff, FINISH,
          "write a picture of what --clean (or all of it) changes"),
    VALUE(0, "repeat", "2|3", repeat, TILE, "copies across and down (2)"),
    VALUE(0, "of", "WHAT", variants, VARIANTS,
          "which variants: directions (4), directions8, sizes or recolors"),
    VALUE(0, "pack", "grid|tight", sheet.pack, SHEET,
          "cells of one size, or borders cut off and close together"),
    VALUE(0, "columns", "N", sheet.columns, SHEET, "columns of the grid"),
    VALUE(0, "spacing", "N", sheet.spacing, SHEET, "transparent pixels between frames"),
    VALUE(0, "format", "hash|array", sheet.format, SHEET, "how Aseprite's JSON lists the frames"),
    VALUE(0, "duration", "MS", sheet.duration, SHEET, "milliseconds that each frame is shown"),
    VALUE(0, "animation", "FILE", sheet.animation, SHEET,
          "write the frames as an animated GIF or PNG as well"),
    VALUE(0, "sprites", "DIR", sheet.sprites, SHEET,
          "write each frame as a PNG of its own into this folder, which exists"),
    SWITCH(0, "preview", sheet.preview, SHEET, "play the animation in the terminal, three times"),
    VALUE(0, "results", "FILE", results, BATCH,
          "file of results, a JSON line for each job (beside the jobs)"),
    VALUE(0, "shard", "i/n", shard, BATCH,
          "make the i-th of n parts of the jobs; in a Slurm array: the task's"),
    VALUE(0, "save", "NAME", save, IMPORT | BENCH | PROFILE,
          "import: a preset in your config.ini; bench, profile: a file"),
    VALUE(0, "mode", "baseline|optimized|compare|ablation|all", bench.mode, BENCH,
          "every optimisation off, on, both (compare), each alone, or all of these"),
    VALUE(0, "batches", "LIST", bench.batches, BENCH, "batch sizes to measure (1,4,8,16)"),
    VALUE(0, "repeats", "N", bench.repeats, BENCH, "measured runs of each case (5)"),
    VALUE(0, "warmup", "N", bench.warmup, BENCH | PROFILE,
          "short runs before those that are measured (1)"),
    VALUE(0, "compare", "FILE", bench.compare, BENCH | PROFILE,
          "compare with a saved result; bench: exit status 1 means slower"),
    VALUE(0, "plots", "DIR", bench.plots, BENCH,
          "draw bars, ablation, scaling and memory as PNGs into this folder"),
    SWITCH(0, "across", bench.across, BENCH,
           "compare with another machine's result, judging nothing"),
    VALUE(0, "queue", "URL", worker.queue, WORKER,
          "the queue: redis://[user@]host[:port][/db], rediss:// for TLS"),
    VALUE(0, "room", "GB", worker.room, WORKER,
          "memory of the device, if not what the device itself says"),
    VALUE(0, "lease", "S", worker.lease, WORKER,
          "seconds of silence after which a worker's job goes to another (15)"),
    VALUE(0, "jobs", "N", worker.jobs, WORKER, "end after this many jobs"),
    VALUE(0, "idle", "S", worker.idle, WORKER, "end after this many seconds without a job"),
    VALUE(0, "show", "time|memory|all", profile.show, PROFILE,
          "which tables (time; with --save or --compare memory too)"),
    VALUE(0, "trace", "FILE", profile.trace, PROFILE,
          "write every call as Chrome trace JSON, which Perfetto opens"),
    SWITCH(0, "command", command_line, IMPORT, "print the spritty gen command that does the same"),
    SWITCH(0, "run", run, IMPORT, "make the picture at once"),
    SWITCH(0, "checksums", checksums, DOCTOR, "check models of any size against their checksums"),
    VALUE(0, "measure", "auto|never|again", measure, PLAN | PROFILE,
          "measure this machine's speed: if not known yet (auto), never, again"),
    SWITCH(0, "json", json, ALL, "print one JSON object on stdout"),
    SWITCH('q', "quiet", quiet, ALL, "print nothing on stderr but errors"),
    SWITCH('h', "help", help, ALL, "print this text"),
    SWITCH(0, "version", version, PROGRAM, "print the version"),
    SWITCH(0, "man", man, PROGRAM, "print the manual page, as troff"),
    SWITCH(0, "completion", completion, PROGRAM, "print completion for bash"),
    SWITCH(0, "presets", presets, PROGRAM, "print the names of your presets, one a line"),
};
enum { OPTIONS = sizeof table / sizeof *table, FIRST_LONG = 1000 };

const struct cli_command *cli_command(int i)
{
    return i < COMMANDS ? &commands[i] : NULL;
}

const struct option_row *cli_option(int i)
{
    return i < OPTIONS ? &table[i] : NULL;
}

bool cli_option_is_for(const struct option_row *o, const struct cli_command *c)
{
    return !c || o->commands >> (c - commands) & 1;
}

/* -- parsing ------------------------------------------------------------------------------------
 */

static const char *command_name(const void *user, int i)
{
    (void)user;
    return i < COMMANDS ? commands[i].name : NULL;
}

static const char *option_name(const void *user, int i)
{
    (void)user;
    return i < OPTIONS ? table[i].name : NULL;
}

/* What getopt_long wants to know, from the table. */
static void getopt_tables(char *letters, struct option *longs)
{
    *letters++ = ':'; /* a missing argument is told apart from an unknown option */
    for (int i = 0; i < OPTIONS; i++) {
        int arg = table[i].arg ? required_argument : table[i].key ? optional_argument : no_argument;
        longs[i] = (struct option){table[i].name, arg, NULL, FIRST_LONG + i};
        if (!table[i].letter)
            continue;
        *letters++ = table[i].letter;
        if (table[i].arg)
            *letters++ = ':';
    }
    *letters = '\0';
    memset(&longs[OPTIONS], 0, sizeof longs[OPTIONS]);
}

static const struct option_row *row_of(int code)
{
    for (int i = 0; i < OPTIONS; i++)
        if (code == FIRST_LONG + i || (table[i].letter && code == table[i].letter))
            return &table[i];
    return NULL;
}

/* Said again, a list of LoRAs goes on; other settings are replaced. */
static int set_setting(struct settings *s, const char *key, const char *value, struct err *e)
{
    const char *before = strcmp(key, "lora") ? NULL : settings_text(s, key);
    char *both = NULL;
    if (!before || !*before || !*value)
        return settings_set(s, key, value, e);
    if (asprintf(&both, "%s, %s", before, value) < 0)
        return err_set(e, "out of memory");
    int rc = settings_set(s, key, both, e);
    free(both);
    return rc;
}

static int take_option(struct cli *c, const struct option_row *o, const char *value, struct err *e)
{
    char *at = (char *)c + o->at;
    if (o->letter == 'o' && !strcmp(value, "-")) /* as other tools mean it */
        value = STDOUT_PATH;
    if (o->key && set_setting(&c->flags, o->key, value ? value : "yes", e))
        return err_prefix(e, "--%s", o->name);
    if (!o->key && o->arg) {
        free(*(char **)at);
        if (!(*(char **)at = strdup(value)))
            return err_set(e, "out of memory");
    }
    if (!o->key && !o->arg)
        *(bool *)at = true;
    return 0;
}

static int unknown_option(const char *word, int letter, struct err *e)
{
    char name[64];
    if (letter)
        return err_set(e, "there is no option -%c", letter);
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    const char *near = suggest(name, option_name, NULL);
    return err_set(e, "there is no option --%s%s%s%s", name, near ? "; did you mean --" : "",
                   near ? near : "", near ? "?" : "");
}

static int find_command(struct cli *c, const char *name, struct err *e)
{
    for (int i = 0; i < COMMANDS; i++)
        if (!strcmp(commands[i].name, name))
            c->command = &commands[i];
    if (c->command)
        return 0;
    const char *near = suggest(name, command_name, NULL);
    if (near)
        return err_set(e, "there is no command '%.60s'; did you mean '%s'?", name, near);
    return err_set(e, "there is no command '%.60s'", name);
}

/* Do the options that were given belong to the command, and are there as many words as it takes? */
static int check_use(const struct cli *c, const bool *given, struct err *e)
{
    const struct cli_command *cmd = c->command;
    for (int i = 0; i < OPTIONS; i++)
        if (given[i] && !cli_option_is_for(&table[i], cmd))
            return err_set(e, "--%s is no option of 'spritty %s'", table[i].name, cmd->name);
    if (c->help)
        return 0;
    if (c->nargs < cmd->min_args)
        return err_set(e, "'spritty %s' needs %s", cmd->name, cmd->args);
    if (c->nargs > cmd->max_args)
        return err_set(e, "'spritty %s' does not know what to do with '%.60s'%s", cmd->name,
                       c->args[cmd->max_args],
                       cmd->max_args == 1 ? "; put quotes around words that belong together" : "");
    for (int i = 0; i < c->nargs && !strstr(cmd->args, "PROMPT"); i++)
        if (!*c->args[i])
            return err_set(e, "'spritty %s': a name is empty; it takes %s", cmd->name, cmd->args);
    return 0;
}

int cli_parse(struct cli *c, int argc, char **argv, struct err *e)
{
    char letters[3 * OPTIONS + 2];
    struct option longs[OPTIONS + 1];
    bool given[OPTIONS] = {false};
    int code;
    memset(c, 0, sizeof *c);
    getopt_tables(letters, longs);
    opterr = 0;
    optind = 0; /* glibc: starts anew */
    while ((code = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        if (code == '?' && optopt >= FIRST_LONG)
            return err_set(e, "--%s takes no value", row_of(optopt)->name);
        if (code == '?')
            return unknown_option(argv[optind - 1], optopt, e);
        const struct option_row *o = row_of(code == ':' ? optopt : code);
        assert(o);
        if (code == ':')
            return err_set(e, "--%s needs %s", o->name, o->arg);
        given[o - table] = true;
        if (take_option(c, o, optarg, e))
            return -1;
    }
    if (optind == argc)
        return 0;
    if (find_command(c, argv[optind], e))
        return -1;
    c->args = (const char **)argv + optind + 1;
    c->nargs = argc - optind - 1;
    return check_use(c, given, e);
}

int cli_number(const char *option, const char *text, int min, int max, int *out, struct err *e)
{
    char *end;
    if (!text)
        return 0;
    long n = strtol(text, &end, 10);
    if (end == text || *end || n < min || n > max)
        return err_set(e, "--%s: '%.40s' is no whole number from %d to %d", option, text, min, max);
    *out = (int)n;
    return 0;
}

void cli_free(struct cli *c)
{
    settings_free(&c->flags);
    for (int i = 0; i < OPTIONS; i++)
        if (table[i].arg && !table[i].key) {
            char **at = (char **)((char *)c + table[i].at);
            free(*at);
            *at = NULL; /* two rows may be one field */
        }
}
