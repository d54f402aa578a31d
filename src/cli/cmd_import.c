/*
 * spritty import: what another tool's file says, as a preset, a command line or at once as a
 * picture.
 *
 * Options on the command line win over the file. What the file says and spritty cannot do is named
 * on stderr, and in the preset's comments; nothing of it stops the import.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fileio.h"
#include "base/paths.h"
#include "cli/options_table.h"
#include "engine/job.h"
#include "engine/missing.h"
#include "import/source.h"
#include "import/write_preset.h"
#include "pull/pull.h"

static void print_notes(const struct cli *cli, const struct recipe *r)
{
    for (int i = 0; i < r->notes && !cli->quiet; i++)
        fprintf(stderr, "not honoured: %s\n", r->note[i]);
    if (r->untold && !cli->quiet)
        fprintf(stderr, "not honoured: %d more\n", r->untold);
}

/* ---- as a command line ---- */

static const struct option_row *option_of(const char *key)
{
    const struct option_row *o;
    for (int i = 0; (o = cli_option(i)); i++)
        if (o->key && !strcmp(o->key, key))
            return o;
    return NULL;
}

/* For a shell: plain words as they are, others in single quotes. */
static void put_word(const char *s)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_./:,=+-";
    if (*s && strspn(s, plain) == strlen(s)) {
        fputs(s, stdout);
        return;
    }
    putchar('\'');
    for (; *s; s++)
        if (*s == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*s);
    putchar('\'');
}

static int print_command(const struct cli *cli, const struct settings *s, struct err *e)
{
    enum { ROOM = RECIPE_MAX_TEXT + 64 };
    char *value = malloc(ROOM);
    if (!value)
        return err_set(e, "out of memory");
    fputs("spritty gen ", stdout);
    const char *prompt = settings_text(s, "prompt");
    bool dash = prompt && prompt[0] == '-';
    if (!dash)
        put_word(prompt ? prompt : "");
    if (cli->preset) {
        fputs(" --preset ", stdout);
        put_word(cli->preset);
    }
    for (int i = 0; settings_key(i); i++) {
        const struct option_row *o = option_of(settings_key(i)->name);
        if (!o || !settings_has(s, o->key))
            continue;
        settings_print(s, o->key, value, ROOM);
        if (settings_key(i)->type == KEY_FLAG && !strcmp(value, "no"))
            continue;
        printf(" --%s", o->name);
        if (settings_key(i)->type != KEY_FLAG) {
            putchar(value[0] == '-' ? '=' : ' ');
            put_word(value);
        }
    }
    if (dash) {
        fputs(" -- ", stdout);
        put_word(prompt);
    }
    putchar('\n');
    free(value);
    return 0;
}

/* ---- as a preset ---- */

static int save_preset(struct cli *cli, const struct settings *s, const struct recipe *r,
                       struct err *e)
{
    char path[PATH_MAX];
    if (preset_name_check(cli->save, e))
        return -1;
    if (!place_path(PLACE_CONFIG, "config.ini", path))
        return err_set(e, "there is no folder for config.ini: %s", place_advice(PLACE_CONFIG));
    char *text = preset_ini(s, r, cli->save, cli->preset);
    int rc = text ? preset_append(path, cli->save, text, e) : err_set(e, "out of memory");
    if (!rc && !cli->quiet)
        fprintf(stderr, "saved as a preset: spritty gen \"\" -p '%s'\n", cli->save);
    free(text);
    return rc;
}

static int print_preset(const struct cli *cli, const struct settings *s, const struct recipe *r,
                        struct err *e)
{
    char name[64];
    preset_name_from(cli->args[0], name);
    char *text = cli->json ? preset_json(s) : preset_ini(s, r, name, cli->preset);
    int rc = 0;
    if (!text)
        return err_set(e, "out of memory");
    if (settings_has(&cli->flags, "output"))
        rc = file_write_atomic(cli->flags.output, text, strlen(text), e);
    else
        printf("%s%s", text, cli->json ? "\n" : "");
    free(text);
    return rc;
}

/* ---- what the file needs that is not here ---- */

static void note(void *cli, const char *line)
{
    cli_note(cli, "%s", line);
}

static void check_files(struct cli *cli, const struct settings *s)
{
    static const char *const keys[] = {"vae",   "refiner", "control",
                                       "image", "mask",    "control-image"};
    char path[PATH_MAX];
    struct err e;
    if (cli->quiet)
        return;
    if (settings_has(s, "model") && find_model(s->model, path, &e)) {
        const char *name = pull_name_for(s->model);
        note(cli, e.text);
        if (name)
            cli_note(cli, "`spritty pull %s` downloads it", name);
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (engine_missing_part(s, keys[i], &e))
            note(cli, e.text);
    engine_missing_loras(s, settings_text(s, "prompt"), note, cli);
}

/* ---- the command ---- */

/* gen, with these settings in place of the flags. */
static int generate(struct cli *cli, struct settings *s)
{
    struct cli gen = *cli;
    char *prompt = strdup(settings_text(s, "prompt") ? settings_text(s, "prompt") : "");
    const char *args[] = {prompt, NULL};
    settings_unset(s, "prompt");
    gen.flags = *s;
    gen.args = args;
    gen.nargs = 1;
    int status = prompt ? cmd_gen(&gen) : EXIT_FAILED;
    *s = gen.flags;
    free(prompt);
    return status;
}

int cmd_import(struct cli *cli)
{
    struct recipe r = {.count = 0};
    struct settings s = {.width = 0};
    struct err e = {""};
    int status = EXIT_DONE;
    if (cli->json && cli->command_line) {
        err_set(&e, "--command prints a line for a shell and --json an object: take one of them");
        return cli_fail(EXIT_USAGE, &e);
    }
    int rc = (cli->flags.output && cli_check_output(cli, cli->flags.output, &e)) ||
                     settings_fill(&s, &cli->flags, &e) || import_file(cli->args[0], &r, &e) ||
                     recipe_settle(&r, &s, &e)
                 ? -1
                 : 0;
    if (!rc) {
        print_notes(cli, &r);
        check_files(cli, &s);
    }
    if (!cli->run && !cli->command_line) /* there it is the preset's file */
        settings_unset(&s, "output");
    if (!rc && cli->save)
        rc = save_preset(cli, &s, &r, &e);
    if (!rc && cli->command_line)
        rc = print_command(cli, &s, &e);
    else if (!rc && cli->run)
        status = generate(cli, &s);
    else if (!rc && (!cli->save || cli->json))
        rc = print_preset(cli, &s, &r, &e);
    settings_free(&s);
    recipe_free(&r);
    return rc ? cli_fail(EXIT_FAILED, &e) : status;
}
