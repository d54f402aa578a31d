/*
 * The sprites of one job as a game takes them: a sheet with its description, or an animation. Read,
 * packed and written beside the terminal's thread.
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
#include "ui/play.h"

struct sheet_errand {
    struct errand errand; /* first */
    char to[PATH_MAX];
    char **path; /* of the frames */
    int n, ms;   /* of each frame */
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

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

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
        if (image_load(w->path[k->n], &k->image[k->n], &k->file[k->n], e))
            return -1;
        k->frame[k->n].image = &k->image[k->n];
        k->names[k->n] = base_name(w->path[k->n]);
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
    for (int i = 0; i < w->n; i++)
        free(w->path[i]);
    free(w->path);
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

/* Those of the job that are not in the trash; of a sprite without a job itself. */
static int take_paths(struct ui *ui, struct sheet_errand *w, const struct store_sprite *of,
                      struct err *e)
{
    struct store_sprite *list = NULL;
    int n = of->job ? store_job_sprites(ui->store, of->job, &list, e) : 0;
    if (n < 0)
        return -1;
    w->path = calloc((size_t)n + 1, sizeof *w->path);
    bool whole = w->path;
    for (int i = 0; i < n && whole; i++)
        if (list[i].trashed <= 0)
            whole = (w->path[w->n++] = strdup(list[i].path));
    if (whole && w->n == 0)
        whole = (w->path[w->n++] = strdup(of->path));
    store_sprites_free(list, n);
    return whole ? 0 : err_set(e, "out of memory");
}

void sheet_export_ask(struct ui *ui, const struct store_sprite *of, int rate)
{
    struct sheet_errand *w = calloc(1, sizeof *w);
    struct err e = {"out of memory"};
    char to[100];
    if (!w || take_paths(ui, w, of, &e)) {
        ui_say(ui, ROLE_BAD, "%s", e.text);
        if (w)
            errand_free(&w->errand);
        return;
    }
    w->errand = (struct errand){
        .work = {.run = write_frames}, .done = written, .free = errand_free};
    w->ms = 1000 / rate;
    snprintf(to, sizeof to, "~/sheet-%lld.png", (long long)(of->job ? of->job : of->id));
    dialog_line(ui, "Its job's sprites: a sheet (.png) or animation (.gif)", to, named, w);
    dialog_owns(ui, drop);
}
