/*
 * Sprites of one job, or marked ones, as a game takes them: a sheet with its description, or an
 * animation. Read, packed and written beside the terminal's thread.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/fileio.h"
#include "sprite/image_file.h"
#include "sprite/sheet_save.h"
#include "ui/errand.h"
#include "ui/files.h"
#include "ui/frame_names.h"
#include "ui/play.h"
#include "ui/sprite_facts.h"

struct sheet_errand {
    struct errand errand; /* first */
    char to[PATH_MAX];
    struct store_sprite *sprite; /* of the frames */
    char (*name)[FRAME_NAME];    /* theirs */
    int n, ms;                   /* of each frame */
    int rc;
    struct err why;
};

/* What the frames are while they are worked on. */
struct frames {
    struct png_file *file;
    struct image *image;
    struct sheet_frame *frame;
    const char **names;
    int n;
};

static bool ends_in(const char *text, const char *ending)
{
    size_t n = strlen(text), m = strlen(ending);
    return n >= m && !strcasecmp(text + n - m, ending);
}

static int frames_load(struct frames *k, const struct sheet_errand *w, struct err *e)
{
    size_t n = (size_t)w->n;
    k->file = calloc(n, sizeof *k->file);
    k->image = calloc(n, sizeof *k->image);
    k->frame = calloc(n, sizeof *k->frame);
    k->names = calloc(n, sizeof(*k->names));
    if (!k->file || !k->image || !k->frame || !k->names)
        return err_set(e, "out of memory");
    for (; k->n < w->n; k->n++) {
        if (image_load(w->sprite[k->n].path, &k->image[k->n], &k->file[k->n], e))
            return -1;
        k->frame[k->n].image = &k->image[k->n];
        k->names[k->n] = w->name[k->n];
    }
    return 0;
}

static void frames_free(struct frames *k)
{
    for (int i = 0; i < k->n; i++)
        png_file_free(&k->file[i]);
    free(k->file);
    free(k->image);
    free(k->frame);
    free(k->names);
}

static int write_animation(const struct sheet_errand *w, struct frames *k, struct err *e)
{
    uint8_t *data;
    size_t size;
    if (ends_in(w->to, ".gif") ? sheet_animate_gif(k->frame, k->n, w->ms, &data, &size, e)
                               : sheet_animate(k->frame, k->n, w->ms, &data, &size, e))
        return -1;
    int rc = file_write_atomic(w->to, data, size, e);
    free(data);
    return rc;
}

static void json_path(const char *png, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%.*s.json", (int)(strlen(png) - strlen(".png")), png);
}

/* x.png, and x.json beside it. */
static int write_sheet(const struct sheet_errand *w, struct frames *k, struct err *e)
{
    char json[PATH_MAX];
    struct sheet_options o = {.packing = SHEET_GRID};
    struct image *sheet = sheet_pack(k->frame, k->n, &o, e);
    if (!sheet)
        return -1;
    struct sheet_text words = {k->frame, k->names, k->n, w->ms, false, NULL};
    json_path(w->to, json);
    int rc = sheet_save(&words, sheet, w->to, json, e);
    image_free(sheet);
    return rc;
}

static void write_frames(struct work *work)
{
    struct sheet_errand *w = (struct sheet_errand *)work;
    struct frames k = {0};
    w->rc = frames_load(&k, w, &w->why);
    if (!w->rc)
        w->rc = ends_in(w->to, ".png") ? write_sheet(w, &k, &w->why)
                                       : write_animation(w, &k, &w->why);
    frames_free(&k);
}

static void written(struct ui *ui, struct errand *e)
{
    const struct sheet_errand *w = (const struct sheet_errand *)e;
    char to[PATH_MAX];
    file_shorten(w->to, to, sizeof to);
    if (w->rc)
        ui_say(ui, ROLE_BAD, "%s", w->why.text);
    else if (ends_in(w->to, ".png"))
        ui_say(ui, ROLE_GOOD, "%d sprite%s written to %s, with a .json beside it", w->n,
               w->n == 1 ? "" : "s", to);
    else
        ui_say(ui, ROLE_GOOD, "%d frames of %d ms written to %s", w->n, w->ms, to);
}

static void errand_free(struct errand *e)
{
    struct sheet_errand *w = (struct sheet_errand *)e;
    store_sprites_free(w->sprite, w->n);
    free(w->name);
    free(w);
}

static void drop(void *user)
{
    errand_free(user);
}

static void named(struct ui *ui, const char *typed, void *user)
{
    struct sheet_errand *w = user;
    char json[PATH_MAX];
    bool known = ends_in(typed, ".png") || ends_in(typed, ".gif") || ends_in(typed, ".apng");
    if (!known || !file_expand(typed, w->to)) {
        ui_say(ui, ROLE_BAD,
               known ? "that path is too long"
                     : "name a .png for a sheet, a .gif or .apng for an animation");
        errand_free(&w->errand);
        return;
    }
    json_path(w->to, json);
    bool beside = ends_in(w->to, ".png") && access(w->to, F_OK) && !access(json, F_OK);
    errand_send_over(ui, &w->errand, beside ? json : w->to);
}

/* The frames' names, after the words of each. False: no memory. */
static bool take_names(struct sheet_errand *w)
{
    size_t n = (size_t)w->n;
    const char **words = calloc(n, sizeof(*words));
    w->name = calloc(n, sizeof *w->name);
    for (int i = 0; words && i < w->n; i++)
        words[i] = sprite_words(&w->sprite[i]);
    if (words && w->name)
        frame_names(words, w->n, w->name);
    free(words);
    return words && w->name;
}

void sheet_export_ask(struct ui *ui, struct store_sprite *sprites, int count, bool marked, int rate)
{
    struct sheet_errand *w = calloc(1, sizeof *w);
    char to[100], title[80];
    if (!w)
        store_sprites_free(sprites, count);
    else {
        w->sprite = sprites;
        w->n = count;
    }
    if (!w || !take_names(w)) {
        ui_say(ui, ROLE_BAD, "out of memory");
        if (w)
            errand_free(&w->errand);
        return;
    }
    w->errand = (struct errand){
        .work = {.run = write_frames}, .done = written, .free = errand_free};
    w->ms = 1000 / rate;
    if (marked) {
        snprintf(to, sizeof to, "~/sheet.png");
        snprintf(title, sizeof title, "What is marked, %d: a sheet (.png) or animation (.gif)",
                 count);
    } else {
        const struct store_sprite *of = sprites;
        snprintf(to, sizeof to, "~/sheet-%lld.png", (long long)(of->job ? of->job : of->id));
        snprintf(title, sizeof title, "Its job's sprites: a sheet (.png) or animation (.gif)");
    }
    dialog_line(ui, title, to, named, w);
    dialog_owns(ui, drop);
}
