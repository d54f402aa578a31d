/*
 * spritty sheet: sprites packed into one picture, described as Aseprite's JSON does.
 *
 * The JSON is what `aseprite --sheet --data --list-tags --list-slices` writes
 * (https://www.aseprite.org/docs/cli/): frames as a hash or an array, frameTags for runs of frames
 * whose names differ only in the number at their end, and one slice that has each frame's pivot.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fileio.h"
#include "base/jsonw.h"
#include "base/version.h"
#include "cli/options.h"
#include "sprite/image_file.h"
#include "sprite/sheet.h"

enum { SPACING_MAX = 1024, DURATION = 100, DURATION_MAX = 65535 };

struct work {
    struct cli *cli;
    struct sheet_options o;
    bool array;
    int duration, n;
    char *picture, *json; /* the files' names */
    struct png_file *file;
    struct image *image;
    struct sheet_frame *frame;
};

/* ---- what was said ---- */

static int number(const char *text, const char *option, long min, long max, int *out, struct err *e)
{
    char *end;
    if (!text)
        return 0;
    errno = 0;
    long v = strtol(text, &end, 10);
    if (end == text || *end || errno || v < min || v > max)
        return err_set(e, "--%s: '%.40s' is no number from %ld to %ld", option, text, min, max);
    *out = (int)v;
    return 0;
}

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
        number(s->columns, "columns", 1, IMAGE_MAX_SIDE, &k->o.columns, e) ||
        number(s->spacing, "spacing", 0, SPACING_MAX, &k->o.spacing, e) ||
        number(s->duration, "duration", 1, DURATION_MAX, &k->duration, e))
        return -1;
    k->o.packing = tight ? SHEET_TIGHT : SHEET_GRID;
    return tight && s->columns ? err_set(e, "--columns is for --pack grid") : 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* sheet.png and sheet.json, and all can be written. */
static int name_files(struct work *k, struct err *e)
{
    const char *said = k->cli->flags.output ? k->cli->flags.output : "sheet.png";
    const char *base = base_name(said), *dot = strrchr(base, '.');
    int stem = dot && dot > base ? (int)(dot - said) : (int)strlen(said);
    if (dot && !strcmp(dot, ".json"))
        return err_set(e, "%s: -o names the picture; its description gets .json by itself", said);
    k->picture = strdup(said);
    if (!k->picture || asprintf(&k->json, "%.*s.json", stem, said) < 0)
        return err_set(e, "out of memory");
    if (file_check_target(k->picture, e) || file_check_target(k->json, e))
        return -1;
    return k->cli->sheet.animation ? file_check_target(k->cli->sheet.animation, e) : 0;
}

/* ---- the description ---- */

static void put_rectangle(struct jsonw *w, const char *key, int x, int y, int width, int height)
{
    jsonw_open(w, key, '{');
    jsonw_u64(w, "x", (uint64_t)x);
    jsonw_u64(w, "y", (uint64_t)y);
    jsonw_u64(w, "w", (uint64_t)width);
    jsonw_u64(w, "h", (uint64_t)height);
    jsonw_close(w, '}');
}

static void put_size(struct jsonw *w, const char *key, int width, int height)
{
    jsonw_open(w, key, '{');
    jsonw_u64(w, "w", (uint64_t)width);
    jsonw_u64(w, "h", (uint64_t)height);
    jsonw_close(w, '}');
}

static void put_frame(struct jsonw *w, const struct work *k, int i)
{
    const struct sheet_frame *f = &k->frame[i];
    const char *name = base_name(k->cli->args[i]);
    jsonw_open(w, k->array ? NULL : name, '{');
    if (k->array)
        jsonw_string(w, "filename", name);
    put_rectangle(w, "frame", f->x, f->y, f->width, f->height);
    jsonw_bool(w, "rotated", false);
    jsonw_bool(w, "trimmed", f->width != f->full_width || f->height != f->full_height);
    put_rectangle(w, "spriteSourceSize", f->left, f->top, f->width, f->height);
    put_size(w, "sourceSize", f->full_width, f->full_height);
    jsonw_u64(w, "duration", (uint64_t)k->duration);
    jsonw_close(w, '}');
}

/* How much of a frame's name comes before the number at its end: walk of walk-12.png. */
static int tag_length(const char *path)
{
    const char *name = base_name(path), *dot = strrchr(name, '.');
    int n = dot && dot > name ? (int)(dot - name) : (int)strlen(name);
    while (n > 0 && isdigit((unsigned char)name[n - 1]))
        n--;
    while (n > 0 && strchr("-_ .", name[n - 1]))
        n--;
    return n;
}

static void put_tags(struct jsonw *w, const struct work *k)
{
    jsonw_open(w, "frameTags", '[');
    for (int from = 0, to; from < k->n; from = to) {
        const char *name = base_name(k->cli->args[from]);
        int n = tag_length(k->cli->args[from]);
        for (to = from + 1; to < k->n; to++)
            if (tag_length(k->cli->args[to]) != n ||
                strncmp(base_name(k->cli->args[to]), name, (size_t)n) != 0)
                break;
        char *tag = n ? strndup(name, (size_t)n) : NULL;
        if (!tag)
            continue;
        jsonw_open(w, NULL, '{');
        jsonw_string(w, "name", tag);
        jsonw_u64(w, "from", (uint64_t)from);
        jsonw_u64(w, "to", (uint64_t)(to - 1));
        jsonw_string(w, "direction", "forward");
        jsonw_close(w, '}');
        free(tag);
    }
    jsonw_close(w, ']');
}

static void put_pivots(struct jsonw *w, const struct work *k)
{
    jsonw_open(w, "slices", '[');
    jsonw_open(w, NULL, '{');
    jsonw_string(w, "name", "pivot");
    jsonw_string(w, "color", "#0000ffff");
    jsonw_open(w, "keys", '[');
    for (int i = 0; i < k->n; i++) {
        const struct sheet_frame *f = &k->frame[i];
        jsonw_open(w, NULL, '{');
        jsonw_u64(w, "frame", (uint64_t)i);
        put_rectangle(w, "bounds", 0, 0, f->full_width, f->full_height);
        jsonw_open(w, "pivot", '{');
        jsonw_u64(w, "x", (uint64_t)f->pivot[0]);
        jsonw_u64(w, "y", (uint64_t)f->pivot[1]);
        jsonw_close(w, '}');
        jsonw_close(w, '}');
    }
    jsonw_close(w, ']');
    jsonw_close(w, '}');
    jsonw_close(w, ']');
}

static char *describe(const struct work *k, const struct image *sheet)
{
    struct jsonw w = {0};
    char bracket[2] = {k->array ? '[' : '{', k->array ? ']' : '}'};
    jsonw_open(&w, NULL, '{');
    jsonw_open(&w, "frames", bracket[0]);
    for (int i = 0; i < k->n; i++)
        put_frame(&w, k, i);
    jsonw_close(&w, bracket[1]);
    jsonw_open(&w, "meta", '{');
    jsonw_string(&w, "app", "spritty");
    jsonw_string(&w, "version", SPRITTY_VERSION);
    jsonw_string(&w, "image", base_name(k->picture));
    jsonw_string(&w, "format", "RGBA8888");
    put_size(&w, "size", sheet->width, sheet->height);
    jsonw_string(&w, "scale", "1");
    put_tags(&w, k);
    put_pivots(&w, k);
    jsonw_close(&w, '}');
    jsonw_close(&w, '}');
    return jsonw_take(&w);
}

/* ---- work ---- */

static int load(struct work *k, struct err *e)
{
    size_t n = (size_t)k->cli->nargs;
    k->file = calloc(n, sizeof *k->file);
    k->image = calloc(n, sizeof *k->image);
    k->frame = calloc(n, sizeof *k->frame);
    if (!k->file || !k->image || !k->frame)
        return err_set(e, "out of memory");
    for (; k->n < k->cli->nargs; k->n++) {
        const char *path = k->cli->args[k->n];
        for (int i = 0; i < k->n && !k->array; i++)
            if (!strcmp(base_name(path), base_name(k->cli->args[i])))
                return err_set(e, "two frames are called %s: rename one, or use --format array",
                               base_name(path));
        if (image_load(path, &k->image[k->n], &k->file[k->n], e))
            return -1;
        k->frame[k->n].image = &k->image[k->n];
    }
    return 0;
}

static int animate(const struct work *k, struct err *e)
{
    uint8_t *data;
    size_t size;
    const char *path = k->cli->sheet.animation;
    if (!path)
        return 0;
    if (sheet_animate(k->frame, k->n, k->duration, &data, &size, e))
        return -1;
    int rc = file_write_atomic(path, data, size, e);
    free(data);
    return rc;
}

static void print_name(const char *name, struct jsonw *w)
{
    char *copy = strdup(name);
    if (w)
        jsonw_string(w, NULL, name);
    else if (copy) {
        text_sanitize(copy);
        puts(copy);
    }
    free(copy);
}

static int report(const struct work *k, const struct image *sheet, struct err *e)
{
    struct jsonw json = {0}, *w = k->cli->json ? &json : NULL;
    if (!k->cli->quiet)
        fprintf(stderr, "%d frames, %dx%d\n", k->n, sheet->width, sheet->height);
    jsonw_open(&json, NULL, '{');
    jsonw_open(&json, "files", '[');
    print_name(k->picture, w);
    print_name(k->json, w);
    if (k->cli->sheet.animation)
        print_name(k->cli->sheet.animation, w);
    jsonw_close(&json, ']');
    jsonw_u64(&json, "frames", (uint64_t)k->n);
    jsonw_u64(&json, "width", (uint64_t)sheet->width);
    jsonw_u64(&json, "height", (uint64_t)sheet->height);
    jsonw_close(&json, '}');
    char *text = jsonw_take(&json);
    if (w && text)
        puts(text);
    free(text);
    return text ? 0 : err_set(e, "out of memory");
}

static int make_sheet(struct work *k, struct err *e)
{
    if (name_files(k, e) || load(k, e))
        return -1;
    struct image *sheet = sheet_pack(k->frame, k->n, &k->o, e);
    if (!sheet)
        return -1;
    char *text = describe(k, sheet);
    int rc = text ? 0 : err_set(e, "out of memory");
    rc = rc || image_save(k->picture, sheet, NULL, 0, e) ||
                 file_write_atomic(k->json, text, strlen(text), e) || animate(k, e) ||
                 report(k, sheet, e)
             ? -1
             : 0;
    free(text);
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
    free(k.picture);
    free(k.json);
    return usage ? cli_fail(EXIT_USAGE, &e) : rc ? cli_fail(EXIT_FAILED, &e) : EXIT_DONE;
}
