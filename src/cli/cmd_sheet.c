/*
 * spritty sheet: sprites packed into one picture, described as Aseprite's JSON does (sheet_json.c).
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/jsonw.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "engine/finishing.h"
#include "sprite/image_file.h"
#include "sprite/sheet.h"
#include "sprite/sheet_save.h"

enum { SPACING_MAX = 1024, DURATION = 100, DURATION_MAX = 65535 };

struct work {
    struct cli *cli;
    struct sheet_options o;
    bool array;
    int duration, n;
    struct palette palette; /* for all frames, with --palette or --colors */
    char *picture, *json;   /* the files' names */
    struct png_file *file;
    struct image *image;
    struct sheet_frame *frame;
    const char **names;
};

/* ---- what was said ---- */

/* Is it the second of the two? */
static int either(const char *text, const char *option, const char *first, const char *second,
                  bool *is_second, struct err *e)
{
    *is_second = text && !strcmp(text, second);
    if (!text || *is_second || !strcmp(text, first))
        return 0;
    return err_set(e, "--%s: '%.40s' is none of %s, %s", option, text, first, second);
}

static int take_options(struct work *k, struct err *e)
{
    const struct cli_sheet *s = &k->cli->sheet;
    bool tight;
    k->duration = DURATION;
    if (either(s->pack, "pack", "grid", "tight", &tight, e) ||
        either(s->format, "format", "hash", "array", &k->array, e) ||
        cli_number("columns", s->columns, 1, IMAGE_MAX_SIDE, &k->o.columns, e) ||
        cli_number("spacing", s->spacing, 0, SPACING_MAX, &k->o.spacing, e) ||
        cli_number("duration", s->duration, 1, DURATION_MAX, &k->duration, e))
        return -1;
    k->o.packing = tight ? SHEET_TIGHT : SHEET_GRID;
    return tight && s->columns ? err_set(e, "--columns is for --pack grid") : 0;
}

/* sheet.png and sheet.json, and all can be written. */
static int name_files(struct work *k, struct err *e)
{
    const char *said = k->cli->flags.output ? k->cli->flags.output : "sheet.png";
    const char *base = file_name_of(said), *dot = strrchr(base, '.');
    int stem = dot && dot > base ? (int)(dot - said) : (int)strlen(said);
    if (!strcmp(said, STDOUT_PATH))
        return err_set(e, "-o -: a sheet is a picture and its description; name the picture");
    if (dot && !strcmp(dot, ".json"))
        return err_set(e, "%s: -o names the picture; its description gets .json by itself", said);
    k->picture = strdup(said);
    if (!k->picture || asprintf(&k->json, "%.*s.json", stem, said) < 0)
        return err_set(e, "out of memory");
    if (cli_check_output(k->cli, k->picture, e) || cli_check_output(k->cli, k->json, e))
        return -1;
    const char *folder = k->cli->sheet.sprites;
    struct stat st;
    if (folder && (stat(folder, &st) || !S_ISDIR(st.st_mode)))
        return err_set(e, "--sprites: there is no folder '%.200s'; create it first", folder);
    const char *animation = k->cli->sheet.animation;
    if (animation && (!strcmp(animation, k->picture) || !strcmp(animation, k->json)))
        return err_set(e, "--animation: %s is the sheet's name", animation);
    return animation ? cli_check_output(k->cli, animation, e) : 0;
}

/* ---- work ---- */

/* Frames share a palette where one is named, or a number of colours said. */
static int share_palette(struct work *k, struct err *e)
{
    struct finishing f;
    const struct settings *flags = &k->cli->flags;
    if (!settings_has(flags, "palette") && !settings_has(flags, "colors"))
        return 0;
    if (finishing_prepare(&f, flags, 0, e))
        return -1;
    if (!f.o.palette && f.o.colors < 0)
        return 0;
    const struct image **all = malloc((size_t)k->n * sizeof(*all));
    for (int i = 0; all && i < k->n; i++)
        all[i] = &k->image[i];
    int rc = all ? 0 : err_set(e, "out of memory");
    if (!rc && !f.o.palette)
        rc = palette_of_images(all, k->n, f.o.colors, &k->palette, e);
    for (int i = 0; i < k->n && !rc; i++)
        rc = palette_apply(&k->image[i], f.o.palette ? f.o.palette : &k->palette, f.o.dither, e);
    free(all);
    return rc;
}

static int load(struct work *k, struct err *e)
{
    size_t n = (size_t)k->cli->nargs;
    k->file = calloc(n, sizeof *k->file);
    k->image = calloc(n, sizeof *k->image);
    k->frame = calloc(n, sizeof *k->frame);
    k->names = calloc(n, sizeof(*k->names));
    if (!k->file || !k->image || !k->frame || !k->names)
        return err_set(e, "out of memory");
    for (; k->n < k->cli->nargs; k->n++) {
        const char *path = k->cli->args[k->n];
        for (int i = 0; i < k->n && !k->array; i++)
            if (!strcmp(file_name_of(path), file_name_of(k->cli->args[i])))
                return err_set(e, "two frames are called %s: rename one, or use --format array",
                               file_name_of(path));
        if (image_load(path, &k->image[k->n], &k->file[k->n], e))
            return -1;
        k->frame[k->n].image = &k->image[k->n];
        k->names[k->n] = file_name_of(path);
    }
    return share_palette(k, e);
}

static bool ends_in(const char *text, const char *ending)
{
    size_t n = strlen(text), m = strlen(ending);
    return n >= m && !strcasecmp(text + n - m, ending);
}

static int animate(const struct work *k, struct err *e)
{
    uint8_t *data;
    size_t size;
    const char *path = k->cli->sheet.animation;
    if (!path)
        return 0;
    if (ends_in(path, ".gif") ? sheet_animate_gif(k->frame, k->n, k->duration, &data, &size, e)
                              : sheet_animate(k->frame, k->n, k->duration, &data, &size, e))
        return -1;
    int rc = file_write_atomic(path, data, size, e);
    free(data);
    return rc;
}

/* Each frame as a PNG of its own, as it stands in its cell of the sheet. */
static int save_sprites(const struct work *k, const struct image *sheet, struct err *e)
{
    const char *folder = k->cli->sheet.sprites;
    for (int i = 0; folder && i < k->n; i++) {
        const struct sheet_frame *f = &k->frame[i];
        struct image *m = image_new(f->full_width, f->full_height);
        char *path = NULL;
        if (!m || asprintf(&path, "%s/%s", folder, k->names[i]) < 0) {
            image_free(m);
            return err_set(e, "out of memory");
        }
        for (int y = 0; y < f->height; y++)
            memcpy(m->rgba + 4 * ((size_t)(f->top + y) * (size_t)m->width + (size_t)f->left),
                   sheet->rgba + 4 * ((size_t)(f->y + y) * (size_t)sheet->width + (size_t)f->x),
                   (size_t)f->width * 4);
        int rc = !access(path, F_OK) ? err_set(e, "%s is there already: name an empty folder", path)
                                     : image_save(path, m, NULL, 0, e);
        image_free(m);
        free(path);
        if (rc)
            return -1;
    }
    return 0;
}

/* In the terminal, three times over. */
static void preview(const struct work *k)
{
    struct progress p;
    progress_init(&p, stderr, k->cli->quiet);
    if (k->cli->sheet.preview)
        progress_play(&p, k->frame, k->n, k->duration, 3);
}

static int report_json(const struct work *k, const struct image *sheet, char *const *files,
                       struct err *e)
{
    struct jsonw w = {0};
    jsonw_open(&w, NULL, '{');
    jsonw_open(&w, "files", '[');
    for (int i = 0; files[i]; i++)
        jsonw_string(&w, NULL, files[i]);
    jsonw_close(&w, ']');
    jsonw_u64(&w, "frames", (uint64_t)k->n);
    jsonw_u64(&w, "width", (uint64_t)sheet->width);
    jsonw_u64(&w, "height", (uint64_t)sheet->height);
    jsonw_close(&w, '}');
    return cli_put_json(&w, e);
}

static int report(const struct work *k, const struct image *sheet, struct err *e)
{
    char *files[] = {k->picture, k->json, k->cli->sheet.animation, NULL};
    if (!k->cli->quiet)
        fprintf(stderr, "%d frames, %dx%d\n", k->n, sheet->width, sheet->height);
    if (k->cli->json)
        return report_json(k, sheet, files, e);
    for (int i = 0; files[i]; i++)
        if (cli_put_file(files[i], e))
            return -1;
    return 0;
}

static int make_sheet(struct work *k, struct err *e)
{
    if (name_files(k, e) || load(k, e))
        return -1;
    struct image *sheet = sheet_pack(k->frame, k->n, &k->o, e);
    if (!sheet)
        return -1;
    struct sheet_text words = {k->frame, k->names, k->n, k->duration, k->array, NULL};
    int rc = sheet_save(&words, sheet, k->picture, k->json, e) || save_sprites(k, sheet, e) ||
                     animate(k, e) || report(k, sheet, e)
                 ? -1
                 : 0;
    if (!rc)
        preview(k);
    image_free(sheet);
    return rc;
}

int cmd_sheet(struct cli *cli)
{
    struct work k = {.cli = cli};
    struct err e = {""};
    int usage = take_options(&k, &e), rc = usage ? usage : make_sheet(&k, &e);
    for (int i = 0; i < k.n; i++)
        png_file_free(&k.file[i]);
    free(k.file);
    free(k.image);
    free(k.frame);
    free(k.names);
    free(k.picture);
    free(k.json);
    return usage ? cli_fail(EXIT_USAGE, &e) : rc ? cli_fail(EXIT_FAILED, &e) : EXIT_DONE;
}
